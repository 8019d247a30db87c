/** A rate limit per client, at the front door: nobody takes more than a fair share, however fast they send. */
import { RateLimiter } from 'breakwater';
import { ipKey, rateLimit as onExpress } from 'breakwater/express';
import { rateLimit as onFastify } from 'breakwater/fastify';
import { CLIENT_LIMITS } from '../scenario.mjs';

export function clientLimit(shop) {
  // The name makes it one limiter for all threads of the shop: a client that spreads its requests over them gains nothing.
  const limiter = new RateLimiter({ name: `${shop}:clients`, limits: CLIENT_LIMITS, maxKeys: 10_000 });
  // By API key, not by address: here all clients share the loopback address, and outside a whole office or phone network may
  // share one, too. A real shop looks the key up first and limits unknown keys by address: a key anyone may invent is no limit.
  const key = (request) => request.headers['x-api-key'] ?? ipKey(request.ip);
  return {
    edge: {
      fastify: (app) => app.register(onFastify, { limiter, key }),
      express: (app) => app.use(onExpress({ limiter, key })),
    },
    snapshot: () => limiter.snapshot(),
    dispose: () => limiter.dispose(),
  };
}
