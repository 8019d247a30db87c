/** Policies of every kind, for what each of them owes its callers. */
import { test } from 'node:test';
import {
  AdaptiveThrottle,
  CircuitBreaker,
  fallback,
  hedge,
  ManualClock,
  pipeline,
  RateLimiter,
  retry,
  TokenBucket,
  timeout,
} from 'breakwater';

const LIMIT = { capacity: 2, refillPerSecond: 1 };

/** Each makes a policy of two permits, one more a second, on the clock; `left` says how many there are. */
export const AT_ONCE = {
  'a bucket': (clock) => {
    const bucket = new TokenBucket({ ...LIMIT, clock });
    return { policy: bucket, left: () => bucket.available };
  },
  'a limiter’s policy': (clock) => {
    const limiter = new RateLimiter({ limits: LIMIT, clock });
    return { policy: limiter.policy({ key: 'key' }), left: () => limiter.peek('key').remaining };
  },
};
export const WAITING = {
  'a bucket’s policy that waits': (clock) => {
    const bucket = new TokenBucket({ ...LIMIT, clock });
    return { policy: bucket.policy({ maxWaitMs: 60_000 }), left: () => bucket.available };
  },
  'a limiter’s policy that waits': (clock) => {
    const limiter = new RateLimiter({ limits: LIMIT, clock });
    const left = () => limiter.peek('key').remaining;
    return { policy: limiter.policy({ key: () => 'key', maxWaitMs: 60_000 }), left };
  },
};

/** These let all calls through, and try none again. The pipelines are there to say which clock deadlines run on. */
const open = {
  'a breaker': (clock) => new CircuitBreaker({ clock }),
  'a breaker that asks isFailure': (clock) => new CircuitBreaker({ isFailure: () => true, clock }),
  'a throttle': (clock) => new AdaptiveThrottle({ maxRefusalRate: 0, clock }),
  'a retry': (clock) => retry({ maxAttempts: 1, clock }),
  'a retry that wants nothing': (clock) => retry({ retryIf: () => false, clock }),
  'a timeout': (clock) => timeout({ ms: Infinity, clock }),
  'a hedge': (clock) => hedge({ delayMs: 60_000, clock }),
  'a fallback': (clock) =>
    pipeline(fallback('else', { when: () => false }), timeout({ ms: Infinity, clock })),
  'a user’s policy': (clock) =>
    pipeline(timeout({ ms: Infinity, clock }), { execute: async (fn, options) => fn(options) }),
  'a pipeline of all': (clock) =>
    pipeline(
      fallback('else', { when: () => false }),
      timeout({ ms: Infinity, clock }),
      retry({ maxAttempts: 1, clock }),
      hedge({ delayMs: 60_000, clock }),
      new CircuitBreaker({ clock }),
      new AdaptiveThrottle({ maxRefusalRate: 0, clock }),
    ),
};
export const OPEN = Object.fromEntries(
  Object.entries(open).map(([which, make]) => [which, (clock) => ({ policy: make(clock) })]),
);

/** A test for each of these policies. */
export function each(policies, name, body) {
  for (const [which, make] of Object.entries(policies)) {
    test(`${which}: ${name}`, () => {
      const clock = new ManualClock();
      return body({ clock, ...make(clock) });
    });
  }
}
