/** Every policy there is, made on a clock: for tests of what all of them owe their callers. */
import {
  AdaptiveThrottle,
  Bulkhead,
  CircuitBreaker,
  fallback,
  hedge,
  pipeline,
  RateLimiter,
  retry,
  TokenBucket,
  timeout,
} from 'breakwater';

export const LIMIT = { capacity: 2, refillPerSecond: 1 };

/** Longer than any test. */
const DAY = 86_400_000;

/**
 * Each makes a policy of two permits, one more a second, on the clock; `left` says how many there are. `deadlineMs` is that of a
 * policy which has one itself.
 */
export const AT_ONCE = {
  'a bucket': (clock) => {
    const bucket = new TokenBucket({ ...LIMIT, clock });
    return { policy: bucket, left: () => bucket.available };
  },
  'a limiter’s policy': (clock) => {
    const limiter = new RateLimiter({ limits: LIMIT, clock });
    return { policy: limiter.policy({ key: 'key' }), left: () => limiter.peek('key').remaining };
  },
  'a pipeline of one': (clock) => {
    const bucket = new TokenBucket({ ...LIMIT, clock });
    return { policy: pipeline(bucket), left: () => bucket.available };
  },
  'a pipeline of all': (clock) => {
    const bucket = new TokenBucket({ ...LIMIT, clock });
    const policy = pipeline(
      fallback('instead', { when: () => false }),
      timeout({ ms: DAY, clock }),
      retry({ maxAttempts: 1, clock }),
      hedge({ delayMs: DAY, clock }),
      new CircuitBreaker({ failureRateThreshold: false, clock }),
      bucket,
    );
    return { policy, left: () => bucket.available, deadlineMs: DAY };
  },
};
/** These let in whatever comes; `left` counts down from two what they counted, where they count. */
export const OPEN = {
  'a closed breaker': (clock) => {
    const breaker = new CircuitBreaker({ clock });
    const counted = ({ succeeded, failed, ignored }) => succeeded + failed + ignored;
    return { policy: breaker, left: () => 2 - counted(breaker.snapshot()) };
  },
  'a breaker that asks isFailure': (clock) => {
    const breaker = new CircuitBreaker({ isFailure: (error) => error !== undefined, slowCallMs: 5, clock });
    const counted = ({ succeeded, failed, ignored }) => succeeded + failed + ignored;
    return { policy: breaker, left: () => 2 - counted(breaker.snapshot()) };
  },
  'a throttle': (clock) => {
    const throttle = new AdaptiveThrottle({ multiplier: 100, clock });
    // It may fail a hundred times from here on.
    throttle.tryAcquire().success();
    return { policy: throttle, left: () => 3 - throttle.snapshot().allowed };
  },
  'a bulkhead': (clock) => ({ policy: new Bulkhead({ maxConcurrent: 100, clock }) }),
  'a bulkhead by priority': (clock) => ({
    policy: new Bulkhead({ maxConcurrent: 100, order: 'priority', shares: { 9: 0.5 }, clock }),
  }),
  'a bulkhead that finds its limit': (clock) => ({
    policy: new Bulkhead({ maxConcurrent: { kind: 'gradient', initial: 100 }, clock }),
  }),
  'a bulkhead with something inside': (clock) => ({
    policy: pipeline(new Bulkhead({ maxConcurrent: 100, clock }), timeout({ ms: DAY, clock })),
    deadlineMs: DAY,
  }),
  'a timeout': (clock) => ({ policy: timeout({ ms: DAY, clock }), deadlineMs: DAY }),
  'a retry': (clock) => ({ policy: retry({ backoff: 0, clock }) }),
  'a retry that asks retryIf': (clock) => ({ policy: retry({ retryIf: () => false, clock }) }),
  'a hedge': (clock) => ({ policy: hedge({ delayMs: DAY, clock }) }),
  'a hedge by quantile': (clock) => ({ policy: hedge({ quantile: 0.9, clock }) }),
  // It has no clock of its own, and takes that of the policies beside it.
  'a fallback': (clock) => ({
    policy: pipeline(fallback('instead', { when: () => false }), retry({ maxAttempts: 1, clock })),
  }),
  'an empty pipeline on a clock': (clock) => ({
    policy: pipeline(pipeline(), pipeline(hedge({ delayMs: DAY, clock }))),
  }),
};
/** As those, and who comes too early waits. */
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
