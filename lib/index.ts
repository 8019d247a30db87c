export {
  type BreakBackoff,
  type BreakerExport,
  type BreakerReason,
  type BreakerState,
  type BreakerStateChange,
  type BreakerThresholds,
  CircuitBreaker,
  type CircuitBreakerOptions,
  type CircuitBreakerSnapshot,
} from './breaker.js';
export {
  type Limit,
  TokenBucket,
  type TokenBucketOptions,
  type TokenBucketPolicyOptions,
  type TokenBucketSnapshot,
} from './bucket.js';
export type { Call, ExecuteOptions } from './call.js';
export type { RefusedMessage } from './channels.js';
export { ManualClock, type ManualClockOptions } from './clock.js';
export type { Decision, LimitDecision, LimitInForce } from './decision.js';
export {
  BreakwaterError,
  CircuitOpenError,
  DisposedError,
  type ErrorDetails,
  InvalidOptionError,
  type Kind,
  NameConflictError,
  NativeBindingError,
  OverloadedError,
  RateLimitedError,
  RefusedError,
  TimeoutError,
} from './errors.js';
export type { Policy } from './execute.js';
export { list, type NameInUse, type NativeKind } from './host.js';
export type { BreakerPermit, FailureVerdict, IsFailure } from './judge.js';
export {
  type Cost,
  type KeyedLimit,
  RateLimiter,
  type RateLimiterOptions,
  type RateLimiterPolicyOptions,
  type RateLimiterSnapshot,
} from './limiter.js';
export type { WaitOptions } from './waiters.js';
