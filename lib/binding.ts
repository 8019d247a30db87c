/** What the native binary exports: types only. `native.ts` loads it, and checks its `ABI` before anything else is used. */
import type { NativeCaches } from './binding-cache.js';
import type { NativeSchemas } from './binding-schema.js';

/** A limit as it crosses the border, its types checked. */
export interface NativeLimit {
  readonly capacity?: number | undefined;
  readonly refillPerSecond?: number | undefined;
  readonly limit?: number | undefined;
  readonly windowMs?: number | undefined;
  readonly label?: string | undefined;
}

/** An object on shared or private state: a handle for cold calls, the number by which mail names the state, bound functions. */
export interface Opened<Functions> {
  readonly handle: number;
  readonly state: number;
  readonly dryRun: boolean;
  /** The state of its manual clock; 0 for the system's. */
  readonly clock: number;
  readonly functions: Functions;
}

/** Bound functions answer undefined once their object was disposed. */
export type Bound<T> = T | undefined;

export interface ClockFunctions {
  now(): Bound<number>;
  advanceTo(ms: number): void;
}

export interface BucketFunctions {
  take(): Bound<boolean>;
  takeMany(tokens: number): Bound<boolean>;
  /** 0 granted · 1 waiting: registers [serve after ms, ticket] · 2 refused: register [retry after ms] */
  acquire(tokens: number, maxWaitMs: number): Bound<0 | 1 | 2>;
  /** Milliseconds until the next waiter is due, -1 if nobody waits. */
  serve(): Bound<number>;
  settled(allowed: 0 | 1): void;
  cancel(ticket: number): Bound<true>;
  refund(tokens: number): Bound<true>;
  penalize(tokens: number): Bound<true>;
  retryAfter(tokens: number): Bound<number>;
  available(): Bound<number>;
}

/** -1: the key is longer than 64 KiB. -2: the span is out of range. */
export type KeyFault = -1 | -2;

/** A cost of NaN says that the registers hold one for each limit. */
export interface LimiterFunctions {
  pass(key: string): Bound<boolean | KeyFault>;
  passMany(key: string, cost: number): Bound<boolean | KeyFault>;
  /** Registers: [deciding limit, version of the limits, then limit, remaining, resetMs, retryAfterMs of each] */
  consume(key: string, cost: number): Bound<boolean | KeyFault>;
  peek(key: string, cost: number): Bound<boolean | KeyFault>;
  /** 0 granted · 1 waiting: registers [arrive after ms, ticket] · 2 refused: registers as `consume` */
  reserve(key: string, cost: number, maxWaitMs: number): Bound<0 | 1 | 2 | KeyFault>;
  /** Settles a waiter: 0, or for how many milliseconds its key is still blocked. */
  arrive(ticket: number): number;
  cancel(ticket: number): void;
  refund(key: string, cost: number): Bound<true | KeyFault>;
  penalize(key: string, cost: number): Bound<true | KeyFault>;
  block(key: string, ms: number): Bound<0 | KeyFault>;
  reset(key: string): Bound<true | KeyFault>;
  size(): Bound<number>;
  /** How often the limits were changed. */
  version(): Bound<number>;
}

/** A token stands for a permit: below 0 a probe's; an odd one is timed, and needs to be left with since when. */
export interface BreakerFunctions {
  /** A token; 0 if refused: registers [state, milliseconds until a call may pass or -1]. An odd one: register [since]. */
  enter(): Bound<number>;
  /** The success of the token that `ask(FORETELL)` gave last. */
  succeed(): Bound<boolean>;
  /** A success; with half a token more (below 0: less) a failure. Whether the state has changed, as for all that leave. */
  settle(token: number): Bound<boolean>;
  /** Verdict: -3 ignore, -2 success, -1 failure, else a failure that opens for so many milliseconds. */
  leave(token: number, since: number, verdict: number): Bound<boolean>;
  ask(what: BreakerQuestion, first?: number, second?: number): Bound<number>;
}

/**
 * 0 the token that every call gets until something changes, or 0 · 1 the state · 2 milliseconds until a call may pass, or -1 ·
 * 3 begin (second: 1) or end (0) an isolation (first: 1) or a disabling (0) · 4 force open for `first` ms, NaN: the first break ·
 * 5 reset · 6 the generation · 7 how many changes after generation `first` are in the registers: [generation, from, to, reason,
 * milliseconds until a call may pass] of each
 */
export type BreakerQuestion = 0 | 1 | 2 | 3 | 4 | 5 | 6 | 7;

export interface BackoffFunctions {
  /** Milliseconds to wait after this attempt, from 1, has failed. */
  delay(attempt: number, previousMs: number): Bound<number>;
}

export interface NativeBackoff {
  readonly constantMs?: number | undefined;
  readonly initialMs?: number | undefined;
  readonly factor?: number | undefined;
  readonly maxMs?: number | undefined;
  readonly jitter?: string | undefined;
}

export interface BudgetFunctions {
  deposit(): Bound<true>;
  withdraw(): Bound<boolean>;
  refund(): Bound<true>;
  balance(): Bound<number>;
}

export interface NativeBudgetShares {
  readonly ratio?: number | undefined;
  readonly minPerSecond?: number | undefined;
}

export interface NativeBudgetSnapshot {
  readonly ratio: number;
  readonly minPerSecond: number;
  readonly windowMs: number;
  readonly deposits: number;
  readonly withdrawals: number;
  readonly balance: number;
  readonly allowed: number;
  readonly refused: number;
}

export interface QueueFunctions {
  /** 0 no room · 1 stored · 2 waiting: register [ticket] · 3 closed · 4 too long for ever · 5 not of the codec's type */
  pushText(text: string, mayWait: 0 | 1): Bound<number>;
  pushBytes(bytes: Uint8Array, mayWait: 0 | 1): Bound<number>;
  /**
   * The text of up to `max` messages: registers [how many, 1 if the queue is closed + 2 if there is more, -, the length of each];
   * 0 there is none · -1 there never will be. Ticket: -1 none, -2 adds to what was taken and not delivered. The last register is
   * 1 until the facade writes 0, which says that they are delivered.
   */
  takeText(max: number, ticket: number): Bound<string | 0 | -1>;
  /** How many messages were written into the slab: registers as above, the third how many bytes `fill` needs, 0 if it does not. */
  takeBytes(max: number, ticket: number, slab: Uint8Array, offset: number): Bound<number>;
  /** Copies the last `count` messages taken to the start of `slab`. */
  fill(slab: Uint8Array, count: number): Bound<boolean>;
  /** What was taken is delivered, or comes first again. */
  settle(): void;
  /** A ticket in the line for a message; -1 there never will be one. */
  enter(): Bound<number>;
  /** A ticket for `max` messages once there is one · -1 take now · -2 there is none */
  linger(ticket: number, max: number, ms: number): Bound<number>;
  /** False if a push was stored before. */
  cancel(ticket: number): Bound<boolean>;
  close(drain: 0 | 1): Bound<true>;
  /** A ticket for when a closed queue is empty; -1 it is. */
  awaitEnd(): Bound<number>;
  size(): Bound<number>;
  /** Registers: [how often it ran low after it was full, messages dropped to make room] */
  events(): Bound<true>;
}

export interface NativeQueueOptions {
  readonly capacity?: number | undefined;
  readonly maxBytes?: number | undefined;
  readonly overflow?: string | undefined;
  readonly codec?: string | undefined;
  readonly name?: string | undefined;
  readonly clock?: number | undefined;
}

export interface NativeQueueSnapshot {
  readonly capacity: number;
  /** Absent where there is no such bound. */
  readonly maxBytes?: number;
  readonly overflow: string;
  readonly codec: string;
  readonly size: number;
  readonly bytes: number;
  readonly waitingPushes: number;
  readonly waitingPops: number;
  readonly pushed: number;
  readonly popped: number;
  readonly dropped: number;
  readonly refused: number;
  readonly closed: boolean;
}

export interface ThrottleFunctions {
  /** A token, 0 if refused. */
  enter(): Bound<number>;
  accept(token: number): Bound<true>;
  ignore(token: number): Bound<true>;
  refusalRate(): Bound<number>;
}

export interface NativeThrottleRules {
  readonly multiplier?: number | undefined;
  readonly maxRefusalRate?: number | undefined;
}

export interface NativeThrottleSnapshot {
  readonly multiplier: number;
  readonly windowMs: number;
  readonly maxRefusalRate: number;
  readonly requests: number;
  readonly accepts: number;
  readonly refusalRate: number;
  readonly allowed: number;
  readonly refused: number;
}

/** Tickets are above 0; since when a timed call counts is above 0, and 1 where calls are not timed. */
export interface BulkheadFunctions {
  /** 0 refused, else since when. */
  enterMany(weight: number, priority: number): Bound<number>;
  /**
   * 0 granted · -1 full · a ticket: registers [milliseconds until it gives up, whether there is mail]. A timeout of NaN is the
   * bulkhead's own.
   */
  wait(weight: number, priority: number, timeoutMs: number, key: string): Bound<number>;
  /** `wait` for one permit of the default priority, with the bulkhead's own timeout. */
  enterOrWait(): Bound<number>;
  /** 0 nothing follows · -1 there is mail · a ticket that goes on · below -1 both. */
  leave(): Bound<number>;
  /** Outcome: 0 success, 1 dropped, 2 ignored. Register: [whether the limit has changed]. */
  leaveMany(weight: number, since: number, outcome: BulkheadOutcome): Bound<number>;
  /** Takes what a waiter was offered: whether there was anything. */
  claim(ticket: number): Bound<boolean>;
  /** Whether there is mail. */
  cancel(ticket: number): Bound<boolean>;
  ask(what: BulkheadQuestion, first?: number, second?: number): Bound<number>;
}

export type BulkheadOutcome = 0 | 1 | 2;

/**
 * 0 the limit · 1 permits in use · 2 calls that wait · 3 milliseconds the first of them has waited · 4 how often the limit has
 * changed · 5 how many changes after `first` are in the registers: [generation, from, to] of each · 6 counts a refusal, or with
 * `first` 1 a wait that was too long · 7 the permits (`first`) of a waiter that goes on belong to the object with handle `second` ·
 * 8 since when a call that goes on now counts, 0 where calls are not timed · 9 listens to changes (`first` 1) or not (0) · 10 looks for permits that nobody claimed: 1 if there is mail
 */
export type BulkheadQuestion = 0 | 1 | 2 | 3 | 4 | 5 | 6 | 7 | 8 | 9 | 10;

export interface NativeConcurrency {
  readonly kind?: string | undefined;
  readonly limit?: number | undefined;
  readonly min?: number | undefined;
  readonly max?: number | undefined;
  readonly initial?: number | undefined;
}

export interface NativeBulkheadChange {
  readonly maxConcurrent?: NativeConcurrency | undefined;
  readonly maxQueue?: number | undefined;
  readonly queueTimeoutMs?: number | undefined;
}

export interface NativeBulkheadOptions extends NativeBulkheadChange {
  readonly maxConcurrent: NativeConcurrency;
  /** Whether it is never asked to let anyone in. */
  readonly local: boolean;
  readonly order?: string | undefined;
  readonly shares?: Readonly<Record<string, number>> | undefined;
  readonly codel?:
    | {
        readonly targetMs?: number | undefined;
        readonly intervalMs?: number | undefined;
        readonly adaptiveLifo: boolean;
      }
    | undefined;
  readonly name?: string | undefined;
  readonly clock?: number | undefined;
  readonly dryRun: boolean;
}

export interface NativeBulkheadSnapshot {
  readonly limit: number;
  readonly active: number;
  readonly queued: number;
  readonly maxQueue: number;
  readonly queueDelayMs: number;
  readonly allowed: number;
  readonly refused: number;
  readonly timedOut: number;
}

export interface NativeLoopReport {
  readonly generation: number;
  readonly threadId: number;
  readonly label?: string;
  readonly blockedMs: number;
  readonly over: boolean;
}

export interface NativeMonitorSnapshot {
  readonly intervalMs: number;
  readonly beats: number;
  readonly p50: number;
  readonly p90: number;
  readonly p99: number;
  readonly max: number;
  readonly mean: number;
  readonly utilization?: number;
  readonly blocked: readonly NativeLoopReport[];
}

export interface ShedderFunctions {
  /** 1 allowed · 0 refused · 2 a sample is to be taken first · -1 no priority */
  enter(priority: number): Bound<-1 | 0 | 1 | 2>;
  /** Whether there is something to sample. */
  due(): Bound<boolean>;
  /** NaN is not known. */
  sample(heapBytes: number, rssBytes: number, queueDelayMs: number): Bound<true>;
  /** -1: a sample is to be taken first. */
  pressure(): Bound<number>;
  /** -1: no priority. */
  retryAfter(priority: number): Bound<number>;
}

export interface NativeShedderBounds {
  readonly maxEventLoopDelayMs?: number | undefined;
  readonly maxUtilization?: number | undefined;
  readonly maxHeapBytes?: number | undefined;
  readonly maxRssBytes?: number | undefined;
  readonly maxQueueDelayMs?: number | undefined;
}

export interface NativeShedderMeasures {
  readonly eventLoopDelayMs?: number;
  readonly utilization?: number;
  readonly heapBytes?: number;
  readonly rssBytes?: number;
  readonly queueDelayMs?: number;
}

export interface NativeShedderSnapshot {
  readonly pressure: number;
  readonly limiting?: string;
  readonly measured: NativeShedderMeasures;
  readonly bounds: NativeShedderMeasures;
  readonly shedding: readonly number[];
  readonly refusedByPriority: readonly number[];
  readonly allowed: number;
  readonly refused: number;
}

export interface NativeThresholds {
  readonly failureRateThreshold?: number | undefined;
  readonly noFailureRate: boolean;
  readonly minimumCalls?: number | undefined;
  readonly consecutiveFailures?: number | undefined;
  readonly slowCallMs?: number | undefined;
  readonly slowCallRateThreshold?: number | undefined;
  readonly openMs?:
    | {
        readonly constant?: number | undefined;
        readonly initialMs?: number | undefined;
        readonly factor?: number | undefined;
        readonly maxMs?: number | undefined;
        readonly jitter?: number | undefined;
      }
    | undefined;
  readonly probeLeaseMs?: number | undefined;
}

export interface NativeBreakerOptions {
  readonly window?:
    | {
        readonly kind: string;
        readonly durationMs?: number | undefined;
        readonly size?: number | undefined;
      }
    | undefined;
  readonly halfOpenCalls?: number | undefined;
  readonly thresholds: NativeThresholds;
  readonly seed?: number | undefined;
  readonly name?: string | undefined;
  readonly clock?: number | undefined;
  readonly dryRun: boolean;
}

export interface NativeBreakerSnapshot {
  readonly state: number;
  readonly generation: number;
  readonly breaks: number;
  readonly retryAfterMs: number;
  readonly calls: number;
  readonly failures: number;
  readonly slowCalls: number;
  readonly enough: boolean;
  readonly probes: number;
  readonly refused: number;
  readonly succeeded: number;
  readonly failed: number;
  readonly ignored: number;
}

export interface NativeBucketOptions {
  readonly limit: NativeLimit;
  readonly initialTokens?: number | undefined;
  readonly maxWaiters?: number | undefined;
  readonly name?: string | undefined;
  readonly clock?: number | undefined;
  readonly dryRun: boolean;
}

export interface NativeLimiterOptions {
  readonly limits: readonly NativeLimit[];
  readonly maxKeys?: number | undefined;
  readonly whenFull?: string | undefined;
  readonly maxWaiters?: number | undefined;
  readonly name?: string | undefined;
  readonly clock?: number | undefined;
  readonly dryRun: boolean;
}

export interface NativeBucketSnapshot {
  readonly capacity: number;
  readonly refillPerSecond: number;
  readonly available: number;
  readonly waiting: number;
  readonly allowed: number;
  readonly refused: number;
}

export interface NativeLimiterSnapshot {
  readonly size: number;
  readonly evicted: number;
  readonly waiting: number;
  readonly bytes: number;
  readonly allowed: number;
  readonly refused: number;
}

export interface LimitsInForce {
  readonly version: number;
  readonly limits: readonly { readonly limit: number; readonly windowMs: number; readonly label?: string }[];
}

export interface Native extends NativeCaches, NativeSchemas {
  /** The binary's side of the contract number. */
  readonly ABI: number;
  openHost(onMail: () => void): {
    readonly id: number;
    readonly registers: Float64Array;
    readonly functions: {
      drain(): number;
      keepAlive(alive: 0 | 1): void;
      beat(): -1 | 0 | 1;
      mark(activeMs: number, idleMs: number): void;
    };
  };
  listNames(): { readonly kind: string; readonly name: string }[];
  dispose(host: number, kind: string, handle: number): void;
  collected(host: number, kind: string, handle: number): void;
  openClock(host: number, name: string | undefined): Opened<ClockFunctions>;
  /** The name of the clock whose state has this number; null if it has none. */
  clockName(state: number): string | null;
  bucketDefaults(): { readonly maxWaiters: number };
  openBucket(host: number, options: NativeBucketOptions): Opened<BucketFunctions>;
  findBucket(host: number, name: string): Opened<BucketFunctions> | null;
  bucketSnapshot(host: number, handle: number): NativeBucketSnapshot | null;
  reconfigureBucket(host: number, handle: number, limit: NativeLimit): boolean;
  backoffDefaults(): Readonly<Record<string, number | string>>;
  openBackoff(
    host: number,
    options: NativeBackoff & { readonly seed?: number | undefined },
  ): Opened<BackoffFunctions>;
  budgetDefaults(): Readonly<Record<string, number>>;
  openBudget(
    host: number,
    options: NativeBudgetShares & {
      readonly windowMs?: number | undefined;
      readonly name?: string | undefined;
      readonly clock?: number | undefined;
    },
  ): Opened<BudgetFunctions>;
  findBudget(host: number, name: string): Opened<BudgetFunctions> | null;
  budgetSnapshot(host: number, handle: number): NativeBudgetSnapshot | null;
  reconfigureBudget(host: number, handle: number, shares: NativeBudgetShares): boolean;
  throttleDefaults(): Readonly<Record<string, number>>;
  openThrottle(
    host: number,
    options: NativeThrottleRules & {
      readonly windowMs?: number | undefined;
      readonly seed?: number | undefined;
      readonly name?: string | undefined;
      readonly clock?: number | undefined;
      readonly dryRun: boolean;
    },
  ): Opened<ThrottleFunctions>;
  findThrottle(host: number, name: string): Opened<ThrottleFunctions> | null;
  throttleSnapshot(host: number, handle: number): NativeThrottleSnapshot | null;
  reconfigureThrottle(host: number, handle: number, rules: NativeThrottleRules): boolean;
  bulkheadDefaults(): Readonly<Record<string, number | string>>;
  openBulkhead(host: number, options: NativeBulkheadOptions): Opened<BulkheadFunctions>;
  findBulkhead(host: number, name: string): Opened<BulkheadFunctions> | null;
  bulkheadSnapshot(host: number, handle: number): NativeBulkheadSnapshot | null;
  reconfigureBulkhead(host: number, handle: number, change: NativeBulkheadChange): boolean;
  monitorDefaults(): Readonly<Record<string, number | boolean>>;
  openMonitor(
    host: number,
    options: {
      readonly sampleMs?: number | undefined;
      readonly blockedMs?: number | undefined;
      readonly stderr: boolean;
      readonly label?: string | undefined;
      readonly threadId: number;
      readonly activeMs: number;
      readonly idleMs: number;
    },
  ): Opened<object>;
  monitorSnapshot(host: number, handle: number): NativeMonitorSnapshot | null;
  listenBlocked(host: number, on: boolean): void;
  blockedGeneration(): number;
  blockedSince(host: number, generation: number): NativeLoopReport[];
  shedderDefaults(): { readonly sampleMs: number; readonly priority: number };
  checkShedder(bounds: NativeShedderBounds): void;
  openShedder(
    host: number,
    bounds: NativeShedderBounds,
    monitor: number,
    dryRun: boolean,
  ): Opened<ShedderFunctions>;
  shedderSnapshot(host: number, handle: number): NativeShedderSnapshot | null;
  reconfigureShedder(host: number, handle: number, bounds: NativeShedderBounds): boolean;
  queueDefaults(): { readonly overflow: string; readonly codec: string };
  openQueue(host: number, options: NativeQueueOptions): Opened<QueueFunctions>;
  findQueue(host: number, name: string): Opened<QueueFunctions> | null;
  listenQueue(host: number, handle: number, on: boolean): boolean;
  queueSnapshot(host: number, handle: number): NativeQueueSnapshot | null;
  breakerDefaults(): Readonly<Record<string, number>>;
  openBreaker(host: number, options: NativeBreakerOptions): Opened<BreakerFunctions>;
  findBreaker(host: number, name: string): Opened<BreakerFunctions> | null;
  listenBreaker(host: number, handle: number, on: boolean): boolean;
  breakerSnapshot(host: number, handle: number): NativeBreakerSnapshot | null;
  reconfigureBreaker(host: number, handle: number, thresholds: NativeThresholds): boolean;
  exportBreaker(host: number, handle: number): string | null;
  restoreBreaker(host: number, handle: number, json: string): boolean | null;
  limiterDefaults(): { readonly maxKeys: number; readonly maxWaiters: number; readonly whenFull: string };
  openLimiter(host: number, options: NativeLimiterOptions): Opened<LimiterFunctions>;
  findLimiter(host: number, name: string): Opened<LimiterFunctions> | null;
  limiterSnapshot(host: number, handle: number): NativeLimiterSnapshot | null;
  limiterLimits(host: number, handle: number): LimitsInForce | null;
  reconfigureLimiter(host: number, handle: number, limits: readonly NativeLimit[]): boolean;
  exportLimiter(host: number, handle: number): Uint8Array | null;
  restoreLimiter(host: number, handle: number, bytes: Uint8Array): boolean | null;
}
