/** The older way to write CommonJS in TypeScript. */
import breakwater = require('breakwater');
import edge = require('breakwater/express');
import plugin = require('breakwater/fastify');

export const limiter: breakwater.RateLimiter = new breakwater.RateLimiter({
  limits: { limit: 1, windowMs: 1_000 },
});
export const middleware = edge.rateLimit({ limiter });
export const registered = plugin.rateLimit;

export function accept(given: breakwater.RateLimiter): void {
  void edge.rateLimit({ limiter: given });
}
