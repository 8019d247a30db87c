/**
 * breakwater as its users load it. Resolved from the root's package.json, because the benches have a package.json of their own and
 * so no self-reference.
 */
import { createRequire } from 'node:module';

const require = createRequire(new URL('../../package.json', import.meta.url));

export const {
  AdaptiveThrottle,
  BoundedQueue,
  Bulkhead,
  Cache,
  CircuitBreaker,
  EventLoopMonitor,
  fallback,
  hedge,
  keyed,
  LoadShedder,
  ManualClock,
  pipeline,
  RateLimiter,
  retry,
  Schema,
  TokenBucket,
  timeout,
} = require('breakwater');
export const { rateLimit } = require('breakwater/express');

/**
 * The binding without the facade, to tell the cost of one from that of the other: bound functions on states of their own, as
 * `lib/` opens them. `dispose(kind, opened)` empties the cell, after which its functions answer undefined at once.
 */
export function bindingOnly() {
  const { host } = require('./dist/host.js');
  const { id, native } = host();
  return {
    bucket: (limit, clock) => native.openBucket(id, { limit, clock, dryRun: false }),
    limiter: (limit, maxKeys) => native.openLimiter(id, { limits: [limit], maxKeys, dryRun: false }),
    manualClock: () => native.openClock(id, undefined),
    dispose: (kind, opened) => native.dispose(id, kind, opened.handle),
  };
}
