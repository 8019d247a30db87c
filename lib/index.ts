export type { Backoff, ExponentialBackoff } from './backoff.js';
export {
  type BreakerExport,
  type BreakerReason,
  type BreakerState,
  type BreakerStateChange,
  CircuitBreaker,
  type CircuitBreakerSnapshot,
} from './breaker.js';
export type { BreakBackoff, BreakerThresholds, CircuitBreakerOptions } from './breaker-options.js';
export {
  type Limit,
  TokenBucket,
  type TokenBucketOptions,
  type TokenBucketPolicyOptions,
  type TokenBucketSnapshot,
} from './bucket.js';
export {
  RetryBudget,
  type RetryBudgetOptions,
  type RetryBudgetShares,
  type RetryBudgetSnapshot,
} from './budget.js';
export {
  Bulkhead,
  type BulkheadAcquireOptions,
  type BulkheadLimitChange,
  type BulkheadPermit,
  type BulkheadSnapshot,
  type BulkheadTryOptions,
  type BulkheadVerdict,
} from './bulkhead.js';
export type {
  AdaptiveConcurrency,
  BulkheadLimits,
  BulkheadOptions,
  CodelOptions,
} from './bulkhead-options.js';
export { Cache } from './cache.js';
export type {
  Absent,
  CacheCodec,
  CacheOptions,
  CachePolicy,
  CacheRules,
  CacheSnapshot,
  EvictReason,
  GetOrLoadOptions,
  Load,
  Loader,
  Peeked,
  SetOptions,
  Skipped,
} from './cache-options.js';
export { type CachedResponse, responseCodec } from './cache-stored.js';
export type { Call, ExecuteOptions } from './call.js';
export type { HedgedMessage, LoadedMessage, RefusedMessage, RetriedMessage } from './channels.js';
export { ManualClock, type ManualClockOptions } from './clock.js';
export type { Decision, LimitDecision, LimitInForce } from './decision.js';
export {
  BreakwaterError,
  BulkheadFullError,
  CircuitOpenError,
  DisposedError,
  DrainingError,
  type ErrorDetails,
  InvalidOptionError,
  type Issue,
  type Kind,
  NameConflictError,
  NativeBindingError,
  OverloadedError,
  QueueClosedError,
  QueueFullError,
  QueueTimeoutError,
  RateLimitedError,
  ReentrantLoadError,
  RefusedError,
  SchemaError,
  TimeoutError,
  ValidationError,
  type ValidationFailure,
} from './errors.js';
export type { Policy } from './execute.js';
export { type FallbackOptions, fallback } from './fallback.js';
export { type HedgeOptions, hedge } from './hedge.js';
export { list, type NameInUse, type NativeKind } from './host.js';
export type { BreakerPermit, FailureVerdict, IsFailure } from './judge.js';
export { type Keyed, type KeyedOptions, keyed } from './keyed.js';
export {
  type Cost,
  type KeyedLimit,
  RateLimiter,
  type RateLimiterOptions,
  type RateLimiterPolicyOptions,
  type RateLimiterSnapshot,
} from './limiter.js';
export type { MemoryShare } from './memory.js';
export {
  type BlockedEvent,
  type BlockedLoop,
  type EventLoopDelay,
  EventLoopMonitor,
  type EventLoopMonitorOptions,
  type EventLoopMonitorSnapshot,
} from './monitor.js';
export { type AltOf, pipeline } from './pipeline.js';
export {
  BoundedQueue,
  type BoundedQueueEvents,
  type BoundedQueueOptions,
  type BoundedQueueSnapshot,
  type PopManyOptions,
  type PopOptions,
  type PushOptions,
} from './queue.js';
export { type RetryEvent, type RetryOptions, retry } from './retry.js';
export { type BesideOptions, Schema } from './schema.js';
export {
  type CompareOptions,
  compareSchemas,
  type SchemaBreak,
  type SchemaComparison,
} from './schema-compare.js';
export type { ValidDocument } from './schema-document.js';
export type { LineSource } from './schema-input.js';
export type { TransformOptions } from './schema-line-streams.js';
export type { LineVerdict } from './schema-lines.js';
export type {
  JsonSchema,
  SchemaDraft,
  SchemaOptions,
  SchemaWords,
  StandardOptions,
  StandardProps,
  StandardResult,
  StandardSchema,
  Validation,
} from './schema-options.js';
export type { DocumentOf } from './schema-types.js';
export {
  LoadShedder,
  type LoadShedderBounds,
  type LoadShedderOptions,
  type LoadShedderSnapshot,
  type PriorityOptions,
  type ShedderMeasure,
  type ShedderMeasures,
} from './shedder.js';
export {
  AdaptiveThrottle,
  type AdaptiveThrottleOptions,
  type AdaptiveThrottleRules,
  type AdaptiveThrottleSnapshot,
} from './throttle.js';
export { type TimeoutOptions, timeout } from './timeout.js';
export type { WaitOptions } from './waiters.js';
