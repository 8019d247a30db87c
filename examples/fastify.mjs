// A small API that limits its clients: node examples/fastify.mjs, then ask it a few times:
//   curl -i http://127.0.0.1:3000/
//   curl -i -H 'x-plan: pro' http://127.0.0.1:3000/
//   curl -i -X POST http://127.0.0.1:3000/login?password=wrong
import { RateLimiter } from 'breakwater';
import { rateLimit } from 'breakwater/fastify';
import Fastify from 'fastify';

// Behind a proxy, say which one it is; never `true`, or clients choose their own address.
const app = Fastify({ trustProxy: '127.0.0.1' });

// A limiter per plan. A named one is one state for all worker threads of the process.
const plans = {
  free: new RateLimiter({ name: 'example:free', limits: { label: 'free', limit: 10, windowMs: 60_000 } }),
  pro: new RateLimiter({ name: 'example:pro', limits: { label: 'pro', limit: 1_000, windowMs: 60_000 } }),
};
const logins = new RateLimiter({ limits: { label: 'login', limit: 5, windowMs: 900_000 } });
const missing = new RateLimiter({ limits: { label: 'missing', limit: 20, windowMs: 60_000 } });

// Awaited, so that it hears of the routes below.
await app.register(rateLimit, {
  limiter: (request) => (request.headers['x-plan'] === 'pro' ? plans.pro : plans.free),
});

app.get('/', async (request) => ({ remaining: request.rateLimit.remaining }));

// Probes are not limited.
app.get('/health', { config: { rateLimit: false } }, async () => 'ok');

// Guessing passwords: five wrong ones a quarter of an hour. A right one costs nothing.
app.post(
  '/login',
  {
    config: {
      rateLimit: {
        limiter: logins,
        refundIf: (_request, reply) => reply.statusCode < 400,
        onRefused: (_request, _reply, { retryAfterMs }) => ({
          error: 'too many attempts',
          minutes: Math.ceil(retryAfterMs / 60_000),
        }),
      },
    },
  },
  async (request, reply) => reply.code(request.query.password === 'right' ? 204 : 401).send(),
);

// Looking for files that are not there.
app.setNotFoundHandler({ preHandler: app.rateLimit({ limiter: missing }) }, async (_request, reply) =>
  reply.code(404).send({ error: 'not found' }),
);

console.log(
  `listening on ${await app.listen({ port: Number(process.env.PORT ?? 3000), host: '127.0.0.1' })}`,
);
