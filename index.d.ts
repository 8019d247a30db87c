/// <reference lib="esnext.disposable" />
import { Readable, Writable, Duplex } from 'node:stream';
// @ts-ignore: not everybody has it
import { JSONSchema, FromSchema } from 'json-schema-to-ts';

/**
 * Every error this package makes. A refusal (`RefusedError` and its children) is a decision that says no; everything else is a
 * misuse, a timeout or a fault. `instanceof` holds across two copies of the package in one process: it looks at a brand, not at
 * the prototype chain. An error that crossed threads is a plain Error with its `code`: test `code` there.
 */
/** What a primitive is: the first word of its snapshot, its errors and its diagnostics channels. */
type Kind = 'bucket' | 'limiter' | 'breaker' | 'budget' | 'throttle' | 'bulkhead' | 'queue' | 'cache' | 'monitor' | 'shedder' | 'schema' | 'retry' | 'timeout' | 'hedge' | 'fallback' | 'pipeline' | 'keyed' | 'clock' | 'policy' | 'middleware' | 'binding';
/** Fields shared by all errors. */
interface ErrorDetails {
    readonly kind: Kind;
    /** The name or label of the primitive. */
    readonly primitive?: string | undefined;
    readonly retryAfterMs?: number | undefined;
    readonly cause?: unknown;
}
/** The parent of every error of this package. */
declare class BreakwaterError extends Error {
    /** A stable word for programs, such as `'ERR_RATE_LIMITED'`. */
    readonly code: string;
    /** The kind of primitive that made this error. */
    readonly kind: Kind;
    /** The name or label of the primitive that made this error, if it has one. */
    readonly primitive?: string;
    /** Milliseconds until the same call may pass; Infinity if it never can. Absent where that is not known. */
    readonly retryAfterMs?: number;
    constructor(message: string, details: ErrorDetails);
}
/** The parent of every refusal. A refusal carries no stack frames: it says nothing about the code, and it has to be cheap. */
declare class RefusedError extends BreakwaterError {
    constructor(message: string, details: ErrorDetails);
}
/** A token bucket or a rate limiter said no. */
declare class RateLimitedError extends RefusedError {
}
/** A circuit breaker said no. */
declare class CircuitOpenError extends RefusedError {
    /** What the call met. */
    readonly state: 'open' | 'halfOpen' | 'isolated';
    constructor(message: string, state: 'open' | 'halfOpen' | 'isolated', details: ErrorDetails);
}
/** A load shedder or an adaptive throttle said no. */
declare class OverloadedError extends RefusedError {
}
/** A bulkhead and its waiting room are full. */
declare class BulkheadFullError extends RefusedError {
}
/** A queue is full. */
declare class QueueFullError extends RefusedError {
}
/** It waited too long for its turn: longer than it was willing to, or than a queue that stands still lets anyone wait. */
declare class QueueTimeoutError extends RefusedError {
}
/** The object is being drained, and takes no new calls. */
declare class DrainingError extends RefusedError {
}
/** The queue was closed. */
declare class QueueClosedError extends BreakwaterError {
}
/** A call did not settle within its `timeoutMs`, a load not within its `hardTimeoutMs`. */
declare class TimeoutError extends BreakwaterError {
}
/** A loader asked, directly or through other loaders, for the very key that it is loading. */
declare class ReentrantLoadError extends BreakwaterError {
}
/** An option or argument is not what it must be: `option` names it, `expected` says what it must be, `got` what came. */
declare class InvalidOptionError extends BreakwaterError {
    readonly option: string;
    readonly expected: string;
    readonly got: string;
    constructor(option: string, expected: string, got: string, details: ErrorDetails);
}
/** The name is taken by a primitive of the same kind that was made with other options: `option` names the first that differs. */
declare class NameConflictError extends BreakwaterError {
    readonly option: string;
    constructor(option: string, message: string, details: ErrorDetails);
}
/** One thing that is wrong with a document, as users of ajv know it. */
interface Issue {
    /** The value that is wrong: a JSON Pointer into the document. Cut after 256 bytes. */
    readonly instancePath: string;
    /** The keyword that says so: a URI fragment into the schema. Empty if the text is no document, or breaks a limit. */
    readonly schemaPath: string;
    /** The keyword, or what else was broken: 'syntax', 'encoding', 'budget', 'numberRange', or the option whose limit was passed. */
    readonly keyword: string;
    /** What the value must be, in English. */
    readonly message: string;
    /** What the message is made from, by keyword as ajv has it; `offset`, a byte of the text, where that is wrong. */
    readonly params: Readonly<Record<string, unknown>>;
    /** The value itself, with `maskValues: false`, if it is short. */
    readonly data?: unknown;
}
/** Why a document is not valid. */
interface ValidationFailure {
    readonly valid: false;
    /** 'syntax': it is no JSON that all parsers read alike. 'limit': it is too long, too deep or too costly. 'schema': it does not match. */
    readonly reason: 'syntax' | 'limit' | 'schema';
    /** At least one, and no more than `maxErrors`. */
    readonly errors: readonly Issue[];
    /** There may be more. */
    readonly truncated: boolean;
}
/** A document is not valid. */
declare class ValidationError extends BreakwaterError {
    readonly reason: ValidationFailure['reason'];
    readonly errors: readonly Issue[];
    readonly truncated: boolean;
    constructor({ reason, errors, truncated }: Omit<ValidationFailure, 'valid'>, details: ErrorDetails);
}
/** A schema does not compile. */
declare class SchemaError extends BreakwaterError {
    /** Where in the schema: a JSON Pointer. */
    readonly pointer: string;
    /** The keyword that is wrong there, or empty. */
    readonly keyword: string;
    /** Of `refs`, the schema it is in; undefined for the schema itself, and where that is not known. */
    readonly uri: string | undefined;
    constructor(said: {
        pointer: string;
        keyword: string;
        uri?: string | undefined;
        message: string;
    }, details: ErrorDetails);
}
/** The object was disposed: by `dispose()`, or while this call waited. */
declare class DisposedError extends BreakwaterError {
}
/** The native part could not be loaded: the message says which files were looked for and how to mend it. */
declare class NativeBindingError extends BreakwaterError {
}

/** Delays that grow, spread at random so that callers who failed together do not come back together. */
interface ExponentialBackoff {
    readonly kind: 'exponential';
    /** Milliseconds of the first delay, before jitter: from 0 to a day. @default 100 */
    readonly initialMs?: number | undefined;
    /** Each further delay is so many times as long: from 1 to 1,000. @default 2 */
    readonly factor?: number | undefined;
    /** Milliseconds that no delay passes, jitter included: from initialMs to a day. @default 10000 */
    readonly maxMs?: number | undefined;
    /**
     * 'full': anywhere between 0 and the delay; 'equal': in its upper half; 'decorrelated': between the first delay and three times
     * the last one; 'none'. @default 'full'
     */
    readonly jitter?: 'full' | 'equal' | 'decorrelated' | 'none' | undefined;
}
/** The same delay each time, in milliseconds from 0 to a day, or delays that grow. */
type Backoff = number | ExponentialBackoff;

/** Options of ManualClock. */
interface ManualClockOptions {
    /** One clock for all worker threads that construct it with this name: 1 to 128 characters. */
    readonly name?: string | undefined;
}
/**
 * A clock for tests: it starts at 0 and moves only when told. Give it to primitives as `clock`, and hours pass in microseconds,
 * without fake timers, on Node and Bun.
 *
 * ```js
 * const clock = new ManualClock();
 * const bucket = new TokenBucket({ capacity: 1, refillPerSecond: 1, clock });
 * bucket.tryAcquire(); // true
 * bucket.tryAcquire(); // false
 * clock.advance(1_000);
 * bucket.tryAcquire(); // true
 * ```
 */
declare class ManualClock {
    /** The name it is shared by. */
    readonly name: string | undefined;
    constructor(options?: ManualClockOptions);
    /** Milliseconds since the clock was made. */
    get now(): number;
    /** How many timers of this thread wait on the clock. */
    get pending(): number;
    /**
     * Moves the clock on by `ms` (≥ 0), and fires what is due on the way, each at its own instant, synchronously: the
     * continuations of promises have not run when it returns.
     * @throws {InvalidOptionError} when `ms` is no finite number ≥ 0.
     */
    advance(ms: number): void;
    /**
     * The same, letting continuations run (a turn of the event loop, mail from other threads included) before it starts and
     * after each instant: for chains of sleeps.
     * @throws {InvalidOptionError} (as a rejection) when `ms` is no finite number ≥ 0.
     */
    advanceAsync(ms: number): Promise<void>;
}

/** What a function that is executed gets to know. */
interface Call {
    /** This call's own signal: aborted by the caller's signal, by a deadline, or when its result is no longer wanted. */
    readonly signal: AbortSignal;
    /** Counts from 1. */
    readonly attempt: number;
    /** Milliseconds to the nearest deadline, else Infinity. */
    readonly remainingMs: number;
    /** What the caller passed as `context`. */
    readonly context: unknown;
}
/** Options of `execute`, one type for all policies: each reads its own. */
interface ExecuteOptions {
    /** Ends the call: its promise rejects in the same turn with the signal's own reason, whether or not the function obeys. */
    readonly signal?: AbortSignal | undefined;
    /** Milliseconds from the call of `execute`, waiting included, to a TimeoutError. Default: none. */
    readonly timeoutMs?: number | undefined;
    /** Passed on as `call.context`. */
    readonly context?: unknown;
    /** Whether the call may be repeated: if not, nothing hedges it, and it is retried only where `retryIf` says so. Default true. */
    readonly idempotent?: boolean | undefined;
    /** For policies that decide by key. */
    readonly key?: string | undefined;
    /** 0 to 9, 9 first, for policies with priorities. Default 5. */
    readonly priority?: number | undefined;
    /** How much the call takes, for policies with weights. Default 1. */
    readonly weight?: number | undefined;
    /**
     * Gets a value that nobody else gets: it came too late, lost to another try, or is tried again. To close or release it. What it
     * throws is an uncaught exception.
     */
    readonly onDiscard?: ((value: unknown) => void) | undefined;
}

/**
 * Something calls go through. `Alt` is what `execute` may give besides the function's own result. It is `out` in so many words:
 * what TypeScript finds out by itself takes a `Policy<string>` for a `Policy<never>`.
 */
interface Policy<out Alt = never> {
    execute<T>(fn: (call: Call) => T, options?: ExecuteOptions): Promise<Awaited<T> | Alt>;
    /** `(...args) => execute(() => fn(...args))`, with `this` kept. */
    wrap<This, Args extends unknown[], T>(fn: (this: This, ...args: Args) => T): (this: This, ...args: Args) => Promise<Awaited<T> | Alt>;
}

/** The right to make one call. Say what came of it, once: further words count for nothing, and none of them throws. */
interface BreakerPermit {
    /** The dependency did its part. */
    success(): void;
    /** It did not. */
    failure(): void;
    /** The call says nothing about the dependency, or was not made. */
    ignore(): void;
}
/** What is said of a call: a failure or not, nothing at all, or a failure after which nobody should call for so long. */
type FailureVerdict = boolean | 'ignore' | {
    readonly openMs: number;
};
/** Asked of what a call gave: of its error, or with `error` undefined of its result. */
type IsFailure = (error: unknown, result: unknown, call: Call) => FailureVerdict;

/** The kinds that have a native part. */
type NativeKind = 'bucket' | 'limiter' | 'breaker' | 'backoff' | 'budget' | 'throttle' | 'bulkhead' | 'monitor' | 'shedder' | 'schema' | 'queue' | 'cache' | 'residents' | 'clock';
/** A name in use. */
interface NameInUse {
    readonly kind: NativeKind;
    readonly name: string;
}
/** All names in use in this process, over all threads: one entry for each kind and name. */
declare function list(): NameInUse[];

/** The primitives that are shared by name. */
type SharedKind = 'bucket' | 'limiter' | 'breaker' | 'budget' | 'throttle' | 'bulkhead' | 'queue' | 'cache';
/** The primitives with a native part that refuses; a shedder is of its own thread alone. */
type PrimitiveKind = SharedKind | 'shedder';
/** Options that every primitive has. */
interface CommonOptions {
    /** One state for all worker threads that construct it with this name and these options: 1 to 128 characters. */
    readonly name?: string | undefined;
    /** Names the object in errors and snapshots, and shares nothing. */
    readonly label?: string | undefined;
    /** Decides, counts and publishes, but refuses nothing and waits for nothing. @default false */
    readonly dryRun?: boolean | undefined;
    /** Where the time is read. Default: the system's monotonic clock. */
    readonly clock?: ManualClock | undefined;
}
/** What every snapshot starts with. */
interface CommonSnapshot<K extends PrimitiveKind> {
    readonly kind: K;
    readonly name: string | undefined;
    readonly label: string | undefined;
    readonly dryRun: boolean;
}

/** How long breaks last. */
interface BreakBackoff {
    /** Milliseconds of the first break, in (0, 1 day]. @default 5000 */
    readonly initialMs?: number | undefined;
    /** Each further break without a recovery between is so many times as long: from 1 to 100. @default 2 */
    readonly factor?: number | undefined;
    /** Milliseconds of the longest break, before jitter: from initialMs to a day. @default 60000 */
    readonly maxMs?: number | undefined;
    /** Up to so much is added at random, as a share of the break: from 0 to 1. @default 0 */
    readonly jitter?: number | undefined;
}
/** What may be changed with `reconfigure`. */
interface BreakerThresholds {
    /** Opens when so many of the calls in the window failed, in (0, 1]; false: no such rule. @default 0.5 */
    readonly failureRateThreshold?: number | false | undefined;
    /**
     * Calls in the window before a rate says anything: from 1 to the size of a count window, else to a million. In a count window
     * smaller than the default, its size. @default 20
     */
    readonly minimumCalls?: number | undefined;
    /** Opens after so many failures in a row, whenever they were: from 1 to a million. Default: no such rule. */
    readonly consecutiveFailures?: number | undefined;
    /** A call that takes longer is slow: milliseconds in (0, 1 day]. Default: no call is. */
    readonly slowCallMs?: number | undefined;
    /** Opens when so many of the calls in the window were slow, in (0, 1]: only with slowCallMs. @default 1 */
    readonly slowCallRateThreshold?: number | undefined;
    /** How long a break lasts: milliseconds in (0, 1 day], or how it grows. @default 5000 */
    readonly openMs?: number | BreakBackoff | undefined;
    /**
     * Milliseconds after which a probe that did not answer is replaced, in (0, 1 day]: the first break if that is longer than the
     * default. @default 30000
     */
    readonly probeLeaseMs?: number | undefined;
}
/** Options of CircuitBreaker. */
interface CircuitBreakerOptions extends CommonOptions, BreakerThresholds {
    /** Over what calls are counted: those of the last while, or the last so many. Default: the last 10 seconds. */
    readonly window?: {
        readonly kind: 'time';
        /** Milliseconds, from 100 to a day. The window moves in tenths of it. @default 10000 */
        readonly durationMs?: number | undefined;
    } | {
        readonly kind: 'count';
        /** Calls, from 1 to 10,000. @default 100 */
        readonly size?: number | undefined;
    } | undefined;
    /** How many probes decide whether a break is followed by another: from 1 to 1,000. @default 1 */
    readonly halfOpenCalls?: number | undefined;
    /**
     * Whether a call failed: true or false, 'ignore' if it says nothing about the dependency, `{ openMs }` to open for that long
     * (429 or 503 with Retry-After; at most a day). `error` is undefined when the function returned. Refusals and aborts are not
     * asked about. Default: any error is a failure.
     */
    readonly isFailure?: IsFailure | undefined;
    /** For the jitter of breaks: any number gives the same breaks again. Default: chance. */
    readonly seed?: number | undefined;
}

/** What a call meets. */
type BreakerState = 'closed' | 'open' | 'halfOpen' | 'isolated' | 'disabled';
/** Why the state changed: a rule, a result that said so, the break being over, the probes, somebody's hand. */
type BreakerReason = 'failureRate' | 'slowCallRate' | 'consecutiveFailures' | 'result' | 'forced' | 'elapsed' | 'recovered' | 'reset' | 'isolated' | 'disabled' | 'released' | 'restored';
/** A change of what calls meet. */
interface BreakerStateChange {
    readonly from: BreakerState;
    readonly to: BreakerState;
    readonly reason: BreakerReason;
    /** Milliseconds until a call may pass; Infinity where somebody has to let go of it. */
    readonly retryAfterMs: number;
    /** The number of the change, from 1: the same in every thread. */
    readonly generation: number;
}
/** Figures over all threads. Counters count since the state was made. */
interface CircuitBreakerSnapshot extends CommonSnapshot<'breaker'> {
    /** What the next call would meet. */
    readonly state: BreakerState;
    /** How often the state has changed. */
    readonly generation: number;
    /** Breaks without a recovery between, the one under way included. */
    readonly breaks: number;
    /** Milliseconds until a call may pass; Infinity where somebody has to let go of it. */
    readonly retryAfterMs: number;
    /** Calls in the window; half-open: probes that answered. */
    readonly calls: number;
    /** Failures among them. */
    readonly failures: number;
    /** Slow ones among them. */
    readonly slowCalls: number;
    /** Failures by calls; undefined below minimumCalls. */
    readonly failureRate: number | undefined;
    /** Slow calls by calls; undefined below minimumCalls. */
    readonly slowCallRate: number | undefined;
    /** Probes that are out. */
    readonly probes: number;
    /** Calls refused; with `dryRun` those that would have been. */
    readonly refused: number;
    /** Calls that succeeded. */
    readonly succeeded: number;
    /** Calls that failed. */
    readonly failed: number;
    /** Calls that said nothing about the dependency. */
    readonly ignored: number;
}
/** What `export` gives: plain, safe as JSON, with ages instead of instants. */
interface BreakerExport {
    readonly version: 1;
    /** Milliseconds since 1970. */
    readonly exportedAt: number;
    readonly state: 'closed' | 'open';
    readonly openedAgoMs?: number;
    readonly openForMs?: number;
    readonly breaks: number;
    readonly consecutiveFailures: number;
    readonly window: object;
}
/**
 * A circuit breaker. Closed, it counts what comes of calls, and opens when too many failed or were slow; open, it refuses; when the
 * break is over it lets in so many probes, and goes by what they say.
 *
 * ```js
 * const breaker = new CircuitBreaker({ name: 'payments', openMs: { initialMs: 1_000, maxMs: 30_000, jitter: 0.2 } });
 * const receipt = await breaker.execute(({ signal }) => fetch(url, { signal }), { timeoutMs: 2_000 });
 * ```
 */
declare class CircuitBreaker implements Policy {
    #private;
    /**
     * @throws {InvalidOptionError} when an option is unknown, of the wrong type or out of range.
     * @throws {NameConflictError} when the name is in use with other options.
     */
    constructor(options?: CircuitBreakerOptions);
    /** An object on the breaker of this name, if one exists in the process; `isFailure` is the default. */
    static find(name: string): CircuitBreaker | undefined;
    /**
     * Runs `fn` if the breaker lets it, and counts what comes of it; else rejects with CircuitOpenError. A deadline (`timeoutMs`, or
     * one of a policy around) that passes while `fn` runs counts as its error, at once; an abort counts as nothing.
     */
    execute<T>(fn: (call: Call) => T, options?: ExecuteOptions): Promise<Awaited<T>>;
    /** `(...args) => execute(() => fn(...args))`, with `this` kept. @throws {InvalidOptionError} */
    wrap<This, Args extends unknown[], T>(fn: (this: This, ...args: Args) => T): (this: This, ...args: Args) => Promise<Awaited<T>>;
    /**
     * A permit to make one call, to be left with `success()`, `failure()` or `ignore()`; undefined refuses. It stays valid after
     * `dispose`. A call is slow when that comes more than slowCallMs after this.
     * @throws {DisposedError}
     */
    tryAcquire(): BreakerPermit | undefined;
    /** What the next call would meet: 'halfOpen' once a break is over. @throws {DisposedError} */
    get state(): BreakerState;
    /**
     * Milliseconds until a call may pass: 0 when now, Infinity where somebody has to let go of it. With all probes out, the rest of
     * the earliest lease, but no more than the last break.
     * @throws {DisposedError}
     */
    retryAfterMs(): number;
    /**
     * Refuses every call until the handle is disposed, and those of all others who isolated it. A handle ends with its thread and
     * with `dispose` of this object.
     * @throws {DisposedError}
     */
    isolate(): Disposable;
    /** Lets every call pass, uncounted, until the handle is disposed, as with `isolate`, which comes first. @throws {DisposedError} */
    disable(): Disposable;
    /**
     * Opens for `ms`, from any state. Default: the first break.
     * @throws {InvalidOptionError | DisposedError}
     */
    forceOpen(ms?: number): void;
    /** Closes and forgets what was counted. Who isolates or disables it still does. @throws {DisposedError} */
    reset(): void;
    /**
     * New thresholds for all who share the breaker; what is not given stays. A break under way ends when it would have, and what is
     * in the window is judged by the new ones with the next call.
     * @throws {InvalidOptionError | DisposedError}
     */
    reconfigure(options: BreakerThresholds): void;
    /** The state, for another process to go on from: without those who isolate or disable it. @throws {DisposedError} */
    export(): BreakerExport;
    /**
     * Goes on from an export, as if the time since then had passed here. Half-open, it begins anew with probes. False, and nothing is
     * changed, if this breaker has counted calls or changed its state before, or its window is of another kind or size.
     * @throws {InvalidOptionError | DisposedError}
     */
    restore(state: BreakerExport): boolean;
    /**
     * Tells `listener` of changes of what calls meet, in whichever thread they come about: later in a microtask, in order, in the async
     * context of this call. A thread that is more than 64 changes behind skips the oldest.
     * @throws {InvalidOptionError | DisposedError}
     */
    on(event: 'stateChange', listener: (change: BreakerStateChange) => void): Disposable;
    /** Figures over all threads, safe to log. @throws {DisposedError} */
    snapshot(): CircuitBreakerSnapshot;
    /**
     * Lets go of the breaker: later calls throw DisposedError, its isolations and listeners end. Permits and calls under way stay
     * valid. A name is free again once every thread has let go of it. A second call does nothing.
     */
    dispose(): void;
    [Symbol.dispose](): void;
}

/** Promises that wait: for tokens, for a turn. Each settles exactly once: granted, refused, aborted or disposed. */
/** What a waiting call may be given. */
interface WaitOptions {
    /** Gives up: the promise rejects in the same turn with the signal's own reason. */
    readonly signal?: AbortSignal | undefined;
    /** The longest wait in milliseconds: a call that would wait longer is refused at once. Default: Infinity. */
    readonly maxWaitMs?: number | undefined;
}

/**
 * How much and how fast: as `capacity` and `refillPerSecond`, or as `limit` and `windowMs` (capacity = limit, refill = limit per
 * window). The windowed form grants `limit` at once and `limit` per window on average: up to twice the limit within one window,
 * as a fixed window does across its edge.
 */
type Limit = {
    /** The most tokens the bucket holds: a whole number from 1 to 2^32. */
    readonly capacity: number;
    /** Tokens that flow in, per second: in (0, 1e9]. An empty bucket has to fill within 180 days. */
    readonly refillPerSecond: number;
    readonly limit?: undefined;
    readonly windowMs?: undefined;
} | {
    /** Tokens per window, and the most the bucket holds: a whole number from 1 to 2^32. */
    readonly limit: number;
    /** Milliseconds in which an empty bucket fills: in (0, 180 days]. */
    readonly windowMs: number;
    readonly capacity?: undefined;
    readonly refillPerSecond?: undefined;
};
/** Options of TokenBucket. */
type TokenBucketOptions = CommonOptions & Limit & {
    /** Tokens at the start, from 0 to the capacity. Default: full. */
    readonly initialTokens?: number | undefined;
    /** How many may wait in `acquire` at once, over all threads: a whole number from 0 to 1,000,000. @default 10000 */
    readonly maxWaiters?: number | undefined;
};
/** Figures over all threads. Counters count since the state was made. */
interface TokenBucketSnapshot extends CommonSnapshot<'bucket'> {
    readonly capacity: number;
    /** To six digits: the interval between two tokens is kept in 1/256 ns, rounded up. */
    readonly refillPerSecond: number;
    /** Tokens now: fractional, negative in debt. */
    readonly available: number;
    /** Calls that wait in `acquire`. */
    readonly waiting: number;
    /** Calls granted. */
    readonly allowed: number;
    /** Calls refused; with `dryRun` those that would have been. */
    readonly refused: number;
}
/** How a bucket serves as a policy. */
interface TokenBucketPolicyOptions {
    /** Tokens a call takes: a whole number ≥ 0. Default 1. */
    readonly cost?: ((call: Call) => number) | undefined;
    /** The longest a call waits for its tokens, in milliseconds. @default 0 */
    readonly maxWaitMs?: number | undefined;
}
/**
 * A bucket of tokens: `refillPerSecond` flow in up to `capacity`, a call takes some or is refused. Exact: over any span T it
 * never grants more than capacity + refillPerSecond × T, from any number of threads. The algorithm is GCRA (ITU-T I.371).
 *
 * ```js
 * const bucket = new TokenBucket({ name: 'mail', capacity: 10, refillPerSecond: 2 });
 * if (bucket.tryAcquire()) send();
 * await bucket.acquire(3, { maxWaitMs: 5_000 });
 * ```
 */
declare class TokenBucket implements Policy {
    #private;
    /**
     * @throws {InvalidOptionError} when an option is unknown, of the wrong type or out of range.
     * @throws {NameConflictError} when the name is in use with other options.
     */
    constructor(options: TokenBucketOptions);
    /** An object on the bucket of this name, if one exists in the process. */
    static find(name: string): TokenBucket | undefined;
    /**
     * Takes `tokens` (a whole number ≥ 0; 0 only asks) if they are there and nobody waits. A refusal consumes nothing; more than
     * the capacity is always refused.
     * @throws {InvalidOptionError | DisposedError}
     */
    tryAcquire(tokens?: number): boolean;
    /**
     * Takes `tokens` as soon as they are there, first come, first served over all threads.
     * Rejects at once with RateLimitedError if the wait would pass `maxWaitMs`, if `maxWaiters` wait already, or if `tokens` are
     * more than the capacity; with the signal's reason when aborted, and then the tokens go to the next; with DisposedError when
     * this object is disposed meanwhile.
     */
    acquire(tokens?: number, options?: WaitOptions): Promise<void>;
    /** Puts `tokens` back, never past the capacity; who waits gets them first. @throws {InvalidOptionError | DisposedError} */
    refund(tokens: number): void;
    /** Takes `tokens` away, into debt if need be. @throws {InvalidOptionError | DisposedError} */
    penalize(tokens: number): void;
    /**
     * Milliseconds until `tokens` could be taken, those who wait served first: 0 when now, Infinity when they are more than the
     * capacity.
     * @throws {InvalidOptionError | DisposedError}
     */
    retryAfterMs(tokens?: number): number;
    /** Tokens now: fractional, negative in debt. @throws {DisposedError} */
    get available(): number;
    /** Runs `fn` for one token, or rejects with RateLimitedError at once. */
    execute<T>(fn: (call: Call) => T, options?: ExecuteOptions): Promise<Awaited<T>>;
    /** `(...args) => execute(() => fn(...args))`, with `this` kept. @throws {InvalidOptionError} */
    wrap<This, Args extends unknown[], T>(fn: (this: This, ...args: Args) => T): (this: This, ...args: Args) => Promise<Awaited<T>>;
    /** This bucket as a policy with a cost for each call, or with a wait. @throws {InvalidOptionError} */
    policy(options?: TokenBucketPolicyOptions): Policy;
    /**
     * New limits for all who share the bucket; what is not given stays. The bucket keeps its time until full, at most that of an
     * empty bucket of the new limits; who waits is served at the new rate.
     * @throws {InvalidOptionError | DisposedError}
     */
    reconfigure(options: {
        readonly capacity?: number | undefined;
        readonly refillPerSecond?: number | undefined;
    }): void;
    /** Figures over all threads, safe to log. @throws {DisposedError} */
    snapshot(): TokenBucketSnapshot;
    /**
     * Lets go of the bucket: who waits through this object rejects with DisposedError, later calls throw it. A name is free again
     * once every thread has let go of it. A second call does nothing.
     */
    dispose(): void;
    [Symbol.dispose](): void;
}

/** What may be changed with `reconfigure`. */
interface RetryBudgetShares {
    /** Retries and hedges for each call: in [0, 1]. @default 0.2 */
    readonly ratio?: number | undefined;
    /** Retries and hedges that are allowed each second beside those: from 0 to a million. @default 10 */
    readonly minPerSecond?: number | undefined;
}
/** Options of RetryBudget. */
interface RetryBudgetOptions extends RetryBudgetShares {
    /** Milliseconds over which calls and retries are counted, from 100 to a day; it moves in tenths of it. @default 10000 */
    readonly windowMs?: number | undefined;
    /** One budget for all worker threads that construct it with this name and these options: 1 to 128 characters. */
    readonly name?: string | undefined;
    /** Names the object in errors and snapshots, and shares nothing. */
    readonly label?: string | undefined;
    /** Where the time is read. Default: the system's monotonic clock. */
    readonly clock?: ManualClock | undefined;
}
/** Figures over all threads. `allowed` and `refused` count since the state was made, the rest over the window. */
interface RetryBudgetSnapshot extends Omit<CommonSnapshot<'budget'>, 'dryRun'> {
    readonly ratio: number;
    readonly minPerSecond: number;
    readonly windowMs: number;
    /** Calls. */
    readonly deposits: number;
    /** Retries and hedges. */
    readonly withdrawals: number;
    /** Retries that would be allowed now. */
    readonly balance: number;
    readonly allowed: number;
    readonly refused: number;
}
/**
 * A budget for tries beyond the first, shared by every `retry` and `hedge` that is given it: as many as `ratio` of the calls of the
 * last `windowMs`, and `minPerSecond` more. When a dependency is down, retries then add a fifth to its load instead of tripling it.
 *
 * ```js
 * const budget = new RetryBudget({ name: 'search' });
 * const calls = pipeline(retry({ budget }), hedge({ delayMs: 50, budget }));
 * ```
 */
declare class RetryBudget {
    #private;
    /**
     * @throws {InvalidOptionError} when an option is unknown, of the wrong type or out of range.
     * @throws {NameConflictError} when the name is in use with other options.
     */
    constructor(options?: RetryBudgetOptions);
    /** An object on the budget of this name, if one exists in the process. */
    static find(name: string): RetryBudget | undefined;
    /** Counts a call. `retry` and `hedge` do it, once for each call. @throws {DisposedError} */
    deposit(): void;
    /** Whether one more try is allowed; it is charged then. A refusal charges nothing. @throws {DisposedError} */
    withdraw(): boolean;
    /** Gives back a withdrawal whose try was never made. @throws {DisposedError} */
    refund(): void;
    /** How many tries would be allowed now. @throws {DisposedError} */
    get balance(): number;
    /** New shares for all who use the budget; what is not given stays. @throws {InvalidOptionError | DisposedError} */
    reconfigure(options: RetryBudgetShares): void;
    /** Figures over all threads, safe to log. @throws {DisposedError} */
    snapshot(): RetryBudgetSnapshot;
    /** Lets go of the budget: later calls throw DisposedError. A second call does nothing. */
    dispose(): void;
    [Symbol.dispose](): void;
}

/** A limit that finds itself. */
interface AdaptiveConcurrency {
    /**
     * `'aimd'`: by drops alone. It doubles until the first, then grows by one for every round of calls and gives a tenth way at a drop.
     * `'gradient'`: by latency too. It grows as long as calls take as long as they do on an idle dependency. A drop is a TimeoutError or a
     * refusal from inside. `reconfigure` changes `min` and `max`, not `initial`.
     */
    readonly kind: 'aimd' | 'gradient';
    /** Never less: a whole number from 1. @default 1 */
    readonly min?: number | undefined;
    /** Never more: a whole number from `min` to a million. @default 200 */
    readonly max?: number | undefined;
    /** At first: a whole number from `min` to `max`. @default 4 */
    readonly initial?: number | undefined;
}
/** What may be changed with `reconfigure`. */
interface BulkheadLimits {
    /**
     * How many permits there are: a whole number from 1 to a million, or a limit that finds itself. `reconfigure` takes one of the kind
     * the bulkhead was made with.
     */
    readonly maxConcurrent?: number | AdaptiveConcurrency | undefined;
    /** How many calls may wait, over all threads: a whole number from 0, or Infinity (which is ten million). @default 0 */
    readonly maxQueue?: number | undefined;
    /** The longest a call waits, in milliseconds above 0: then it is refused with QueueTimeoutError. Default: as long as it takes. */
    readonly queueTimeoutMs?: number | undefined;
}
/** When a line is taken to stand, and what is done about it: CoDel, as in Facebook's folly. */
interface CodelOptions {
    /**
     * Milliseconds, in (0, 60,000]. When even the shortest wait of an interval was longer, the line stands: when a permit becomes free,
     * those that waited longer than twice this are sent away first with QueueTimeoutError, but for the last. @default 5
     */
    readonly targetMs?: number | undefined;
    /** Milliseconds, from `targetMs` to 60,000. @default 100 */
    readonly intervalMs?: number | undefined;
    /** While the line stands, the newest are served first: those whose callers are most likely still there. @default false */
    readonly adaptiveLifo?: boolean | undefined;
}
/** Options of Bulkhead. */
interface BulkheadOptions extends CommonOptions, BulkheadLimits {
    readonly maxConcurrent: number | AdaptiveConcurrency;
    /**
     * Who is served first, and who has to go when the line is full. `'fifo'`: the oldest; the newcomer. `'lifo'`: the newest; the oldest.
     * `'priority'`: the highest priority, the oldest of those; the newest of the lowest. `'fair'`: each key in turn; the newest of the key
     * with most waiting for its share. @default 'fifo'
     */
    readonly order?: 'fifo' | 'lifo' | 'priority' | 'fair' | undefined;
    /**
     * With order `'fair'`, how often a key is served compared with others: from 0.001 to 1,000, 1 where it is not named. With order
     * `'priority'`, the share of the permits that is kept for a priority (`'0'` to `'9'`) and those above: in (0, 1), below 1 together.
     */
    readonly shares?: Readonly<Record<string, number>> | undefined;
    /** What is done about a line that stands. Default: nothing. */
    readonly codel?: CodelOptions | undefined;
}

/** How many permits a call takes, and when it is served. */
interface BulkheadTryOptions {
    /** Permits: a whole number from 1 to a million. @default 1 */
    readonly weight?: number | undefined;
    /** 0 to 9, 9 first. @default 5 */
    readonly priority?: number | undefined;
}
/** What a waiting call may be given. */
interface BulkheadAcquireOptions extends BulkheadTryOptions {
    /** Gives up: the promise rejects in the same turn with the signal's own reason. */
    readonly signal?: AbortSignal | undefined;
    /** Whose call it is, in a fair order: those without one share a line. */
    readonly key?: string | undefined;
    /** The longest this call waits, in milliseconds above 0. Default: as the bulkhead says. */
    readonly queueTimeoutMs?: number | undefined;
}
/**
 * How a call ended, for a limit that finds itself: `'dropped'` says that there is too much for the dependency, `'ignored'` that the
 * call says nothing about that.
 */
type BulkheadVerdict = 'success' | 'dropped' | 'ignored';
/** The right to run one call. Give it back once: further words count for nothing, and none of them throws. */
interface BulkheadPermit extends Disposable {
    /** Gives it back; a call that waits goes on. */
    release(verdict?: BulkheadVerdict): void;
}
/** The limit has changed. `generation` counts the changes. */
interface BulkheadLimitChange {
    readonly from: number;
    readonly to: number;
    readonly generation: number;
}
/** Figures over all threads. Counters count since the state was made. */
interface BulkheadSnapshot extends CommonSnapshot<'bulkhead'> {
    /** Permits there are. */
    readonly limit: number;
    /** Permits in use. */
    readonly active: number;
    /** Calls that wait. */
    readonly queued: number;
    readonly maxQueue: number;
    /** Milliseconds for which the call that waits longest has waited. */
    readonly queueDelayMs: number;
    /** Calls let in. */
    readonly allowed: number;
    /** Calls refused because the bulkhead was full; with `dryRun` those that found no permit. */
    readonly refused: number;
    /** Calls sent away because they had waited too long. */
    readonly timedOut: number;
}
/**
 * So many calls at once, and so many that wait. A permit that becomes free goes to the head of the line before any newcomer, in
 * whichever thread it waits; a worker thread that ends gives its permits back.
 *
 * ```js
 * const bulkhead = new Bulkhead({ name: 'reports', maxConcurrent: 4, maxQueue: 20, queueTimeoutMs: 2_000 });
 * const report = await bulkhead.execute(() => render(id));
 * ```
 */
declare class Bulkhead implements Policy {
    #private;
    /**
     * @throws {InvalidOptionError} when an option is unknown, of the wrong type or out of range.
     * @throws {NameConflictError} when the name is in use with other options.
     */
    constructor(options: BulkheadOptions);
    /** An object on the bulkhead of this name, if one exists in the process. */
    static find(name: string): Bulkhead | undefined;
    /**
     * Runs `fn` as soon as there is a permit. Of the options it reads `weight`, `priority` and `key`. Rejects with BulkheadFullError at once,
     * with QueueTimeoutError after the wait. The permit is given back when `fn` itself has settled, whatever became of the promise.
     */
    execute<T>(fn: (call: Call) => T, options?: ExecuteOptions): Promise<Awaited<T>>;
    /** `(...args) => execute(() => fn(...args))`, with `this` kept. @throws {InvalidOptionError} */
    wrap<This, Args extends unknown[], T>(fn: (this: This, ...args: Args) => T): (this: This, ...args: Args) => Promise<Awaited<T>>;
    /** A permit, if one is free and nobody waits for it. @throws {InvalidOptionError | DrainingError | DisposedError} */
    tryAcquire(options?: BulkheadTryOptions): BulkheadPermit | undefined;
    /**
     * A permit, as soon as there is one. Rejects with BulkheadFullError at once, with QueueTimeoutError after the wait, with the signal's
     * reason when aborted, with DisposedError when this object is disposed meanwhile.
     */
    acquire(options?: BulkheadAcquireOptions): Promise<BulkheadPermit>;
    /**
     * Calls `fn` with every item, as many at once as there are permits, and gives the results in order. An item is pulled only when there
     * is a permit for it. The first error, or the signal, ends it: nothing more is pulled, and the iterator is closed. It waits for its
     * own calls without taking a place in the line; where others leave it neither a permit nor a place, it rejects with BulkheadFullError.
     */
    map<T, R>(items: Iterable<T> | AsyncIterable<T>, fn: (item: Awaited<T>, index: number) => R, options?: {
        readonly signal?: AbortSignal | undefined;
    }): Promise<Awaited<R>[]>;
    /**
     * Refuses new calls through this object with DrainingError from now on, and waits for those that run or wait: true when all have
     * settled, false when `timeoutMs` was over before. Rejects with the signal's reason when aborted.
     */
    drain(options?: {
        readonly timeoutMs?: number | undefined;
        readonly signal?: AbortSignal | undefined;
    }): Promise<boolean>;
    /** Permits in use, over all threads. @throws {DisposedError} */
    get active(): number;
    /** Calls that wait, over all threads. @throws {DisposedError} */
    get queued(): number;
    /** Permits there are. @throws {DisposedError} */
    get limit(): number;
    /**
     * New limits for all who share the bulkhead; what is not given stays. Who runs or waits goes on: a smaller limit is reached as calls
     * end. Who waits for more permits than there can be is refused.
     * @throws {InvalidOptionError | DisposedError}
     */
    reconfigure(options: BulkheadLimits): void;
    /** Figures over all threads, safe to log. @throws {DisposedError} */
    snapshot(): BulkheadSnapshot;
    /**
     * Tells `listener` of changes of the limit, in whichever thread they come about: later in a microtask, in order, in the async context
     * of this call.
     * @throws {InvalidOptionError | DisposedError}
     */
    on(event: 'limitChange', listener: (change: BulkheadLimitChange) => void): Disposable;
    /**
     * Lets go of the bulkhead: who waits through this object rejects with DisposedError, later calls throw it, its listeners end. Permits
     * that are out stay valid. A second call does nothing.
     */
    dispose(): void;
    [Symbol.dispose](): void;
}

/** Who has to go when there is no room. */
type CachePolicy = 's3fifo' | 'lru' | 'wtinylfu';
/**
 * Why an entry is gone: others needed the room; it was dead, too old or of a tag that was invalidated; it was deleted; or there is
 * another value of its key.
 */
type EvictReason = 'evicted' | 'expired' | 'deleted' | 'replaced';
/** How values of a named cache become text or bytes, and values again. */
interface CacheCodec<V> {
    /** What it throws, or an answer of another type, means that the value cannot be stored: it is given all the same. */
    encode(value: V): string | Uint8Array;
    /** Gets what `encode` gave. What it throws means that there is no such value. */
    decode(encoded: never): V;
}
/** What can be changed while the cache is in use. */
interface CacheRules {
    /** The most entries: a whole number from 1 to 1073741822; without a name to 16777215, what a Map holds. */
    readonly maxEntries?: number | undefined;
    /**
     * The most bytes: a whole number ≥ 1. With a name exactly the keys (UTF-8), the encoded values and 100 bytes for each entry; without
     * one, what `sizeOf` says.
     */
    readonly maxBytes?: number | undefined;
    /** How long a value is fresh, in milliseconds from when it was loaded: ≥ 0, Infinity allowed. 0: it is stale at once. */
    readonly ttlMs: number;
    /** How long after its ttl a value is still served at once, while it is loaded anew. @default 0 */
    readonly staleWhileRevalidateMs?: number | undefined;
    /** How long after its ttl a value is served when loading fails or takes too long. @default 0 */
    readonly staleIfErrorMs?: number | undefined;
    /** How long after a failed load of a stale value the next one is tried; meanwhile it is served. @default 1000 */
    readonly refreshBackoffMs?: number | undefined;
    /** How long it is remembered that there is no value (`load.absent`). Default: not at all. */
    readonly negativeTtlMs?: number | undefined;
    /** The share by which each ttl is shortened at most, at random: in [0, 1). What was loaded together ends apart. @default 0 */
    readonly ttlJitter?: number | undefined;
    /**
     * Loads a fresh value anew before it is stale, the more likely the longer its load took and the nearer its end is (XFetch): > 0,
     * 1 is a good choice, more is earlier. Default: not at all.
     */
    readonly earlyRefreshBeta?: number | undefined;
    /** How long others wait for a load before one of them loads instead: > 0, Infinity allowed. @default 30000 */
    readonly leaseMs?: number | undefined;
}
/** Options of Cache. At least one of `maxEntries` and `maxBytes` is needed. */
interface CacheOptions<V> extends CacheRules {
    /** Who has to go when there is no room. @default 's3fifo' */
    readonly policy?: CachePolicy | undefined;
    /**
     * With a name, and needed there: what values are, values (as their JSON), strings, Uint8Arrays, or what the codec says. Each caller
     * gets a copy.
     */
    readonly codec?: 'json' | 'string' | 'bytes' | CacheCodec<V> | undefined;
    /** Without a name, and needed there for `maxBytes`: what an entry weighs, a whole number from 1 to 4294967295. */
    readonly sizeOf?: ((value: V, key: string) => number) | undefined;
    /**
     * With a name: keeps so many decoded values in this thread too, from 1 to 16777215, which all its callers share: they must not be
     * changed. A change in another thread is seen by the next hit here. Default: none.
     */
    readonly front?: {
        readonly maxEntries: number;
    } | undefined;
    /** Milliseconds after which a caller who waits for a load gets the stale value, if there is one. Default: none. */
    readonly softTimeoutMs?: number | undefined;
    /** Milliseconds after which a caller who waits for a load gets a stale value or a TimeoutError. Default: none. */
    readonly hardTimeoutMs?: number | undefined;
    /** Told in a later microtask of what calls through this object removed, with its value: undefined of a remembered absence. */
    readonly onEvict?: ((key: string, value: V | undefined, reason: EvictReason) => void) | undefined;
    /** One cache for all worker threads that construct it with this name and these options: 1 to 128 characters. */
    readonly name?: string | undefined;
    /** Names the object in errors and snapshots, and shares nothing. */
    readonly label?: string | undefined;
    /** Where the time is read. Default: the system's monotonic clock. */
    readonly clock?: ManualClock | undefined;
    /** Makes this object's chance repeatable: any finite number. */
    readonly seed?: number | undefined;
}
/** How one look-up loads. */
interface GetOrLoadOptions {
    /** Gives up: the promise rejects in the same turn with the signal's own reason. The load goes on for others who wait for it. */
    readonly signal?: AbortSignal | undefined;
    /** Instead of the cache's. */
    readonly softTimeoutMs?: number | undefined;
    /** Instead of the cache's. */
    readonly hardTimeoutMs?: number | undefined;
    /** Loads whatever there is, and joins no load that began for less. @default false */
    readonly forceRefresh?: boolean | undefined;
    /** How long the value that this call loads is fresh. */
    readonly ttlMs?: number | undefined;
    /** The tags of the value that this call loads. */
    readonly tags?: readonly string[] | undefined;
}
/** What goes with a value that is set. */
interface SetOptions {
    /** Instead of the cache's. */
    readonly ttlMs?: number | undefined;
    /** `invalidateTag` of any of them ends the entry. */
    readonly tags?: readonly string[] | undefined;
}
declare const absent: unique symbol;
declare const skipped: unique symbol;
/** What a loader returns that found that there is no value. */
interface Absent {
    readonly [absent]: true;
}
/** What a loader returns whose value is given and not stored. */
interface Skipped<V> {
    readonly [skipped]: V;
}
/** What a loader gets to know and to say. */
interface Load<V> {
    /** Aborted when nobody waits for the value any more. Passed on as `signal` to another look-up, it tells of loads within loads. */
    readonly signal: AbortSignal;
    /** To be returned when there is no value: undefined for everybody, remembered for `negativeTtlMs`. */
    readonly absent: Absent;
    /** To be returned when a value is to be given and not stored. Undefined is given, and not stored, without this too. */
    skip(value: V): Skipped<V>;
    /** How long the value is fresh, as the loader has found out. @throws {InvalidOptionError} */
    setTtlMs(ttlMs: number): void;
    /** The tags of the value. @throws {InvalidOptionError} */
    setTags(tags: readonly string[]): void;
}
/** Loads a value: at once, by a promise, or not at all. */
type Loader<V, R = V> = (load: Load<V>) => R | PromiseLike<R>;
/** What there is of a key, stale or not. */
interface Peeked<V> {
    /** Undefined: it is remembered that there is none. */
    readonly value: V | undefined;
    /** Milliseconds since it was loaded or set. */
    readonly ageMs: number;
    readonly fresh: boolean;
}
/** Figures over all threads. Counters count since the state was made. */
interface CacheSnapshot extends Omit<CommonSnapshot<'cache'>, 'dryRun'>, CacheRules {
    readonly policy: CachePolicy;
    /** Entries, those included that are dead and not swept yet. */
    readonly size: number;
    /** What they count; 0 without a name and without `sizeOf`. */
    readonly bytes: number;
    /** Calls of `get` and `getOrLoad`: `hits` and `misses`. */
    readonly lookups: number;
    /** Those answered at once with what was there: fresh, stale, or the memory that there is none. */
    readonly hits: number;
    /** Those answered with a stale value: at once, or, though they are misses, as a load failed or took too long. */
    readonly staleHits: number;
    readonly misses: number;
    /** Loaders called. */
    readonly loads: number;
    readonly loadFailures: number;
    /** Entries that had to go. */
    readonly evictions: number;
    /** Entries that were found dead. */
    readonly expirations: number;
    /** Loads under way. */
    readonly loading: number;
    /** Callers in this thread, and other threads, that wait for a load: a thread counts once for a key. */
    readonly waiting: number;
}

/**
 * A cache that loads: of all who ask for a missing key at once, one loads it, and all get what it came to. With a name it is one
 * cache for all worker threads, with its values outside the JavaScript heap; without one, values are kept by reference in this
 * thread.
 *
 * ```js
 * const products = new Cache({ name: 'products', codec: 'json', maxBytes: 256 * 2 ** 20, ttlMs: 60_000, staleIfErrorMs: 600_000 });
 * const product = await products.getOrLoad(id, ({ signal }) => fetchProduct(id, { signal }));
 * ```
 */
declare class Cache<V = unknown> {
    #private;
    /**
     * @throws {InvalidOptionError} when an option is unknown, of the wrong type or out of range.
     * @throws {NameConflictError} when the name is in use with other options.
     */
    constructor(options: CacheOptions<V>);
    /**
     * An object on the cache of this name, if one exists in the process, with its rules and without a front. A cache with a codec of its own
     * needs that.
     * @throws {InvalidOptionError}
     */
    static find<V = unknown>(name: string, options?: {
        readonly codec?: CacheCodec<V> | undefined;
    }): Cache<V> | undefined;
    /**
     * The value of a key: what there is, else what `loader` comes to, called once for all who ask at the same time in all threads that
     * share the name. Stale values are served as the options say. What `loader` throws goes to all who wait for it, and is not stored.
     * Rejects with the signal's reason when aborted, with TimeoutError after `hardTimeoutMs`, with ReentrantLoadError where the loader
     * asks for its own key.
     */
    getOrLoad(key: string, loader: Loader<V>, options?: GetOrLoadOptions): Promise<V>;
    getOrLoad(key: string, loader: Loader<V, V | Absent | Skipped<V> | undefined>, options?: GetOrLoadOptions): Promise<V | undefined>;
    /** The value of a key, if it is there and fresh. @throws {InvalidOptionError | DisposedError} */
    get(key: string): V | undefined;
    /** Whether there is a fresh value. Counts as no use of it. @throws {InvalidOptionError | DisposedError} */
    has(key: string): boolean;
    /** What there is of a key, fresh or stale. Counts as no use of it. @throws {InvalidOptionError | DisposedError} */
    peek(key: string): Peeked<V> | undefined;
    /**
     * Stores a value, and wins over a load under way: whether it was stored. It is not if it is too large for the cache, and then the
     * key has no value.
     * @throws {InvalidOptionError} also where the codec cannot encode the value, or it is undefined.
     * @throws {DisposedError}
     */
    set(key: string, value: V, options?: SetOptions): boolean;
    /**
     * Removes the value of a key, and wins over a load under way: whether there was one to be served.
     * @throws {InvalidOptionError | DisposedError}
     */
    delete(key: string): boolean;
    /**
     * Makes the value of a key stale, and wins over a load under way: whether it was fresh. It is served as stale values are.
     * @throws {InvalidOptionError | DisposedError}
     */
    expire(key: string): boolean;
    /**
     * Ends all values with this tag at once, however many they are, those included that are being loaded: who asks from now on gets none
     * of them. @throws {InvalidOptionError | DisposedError}
     */
    invalidateTag(tag: string): void;
    /** Removes everything, and wins over all loads under way. @throws {DisposedError} */
    clear(): void;
    /**
     * `fn` with this cache around it: `key` makes the key of its arguments.
     * @throws {InvalidOptionError}
     */
    wrap<This, Args extends unknown[]>(fn: (this: This, ...args: Args) => V | PromiseLike<V>, options: GetOrLoadOptions & {
        readonly key: (...args: Args) => string;
    }): (this: This, ...args: Args) => Promise<V>;
    /** Entries, those included that are dead and not swept yet. @throws {DisposedError} */
    get size(): number;
    /** What they count against `maxBytes`; 0 without a name and without `sizeOf`. @throws {DisposedError} */
    get bytes(): number;
    /**
     * Other bounds and times from now on, for all threads that share the name: those that are given, `undefined` ends an optional one.
     * What has no room any more goes at once. Values that are there keep their ttl.
     * @throws {InvalidOptionError | DisposedError}
     */
    reconfigure(rules: Partial<CacheRules>): void;
    /** Figures over all threads, safe to log. @throws {DisposedError} */
    snapshot(): CacheSnapshot;
    /**
     * Lets go of the cache: who waits through this object gets a DisposedError, later calls throw it, and loads that other threads wait
     * for are done by one of those. A name is free again, and its values gone, once every thread has let go of it. A second call does
     * nothing.
     */
    dispose(): void;
    [Symbol.dispose](): void;
}

/** A response, or what is known of those of a key. Without a name a cache keeps these by reference: they do not change. */
declare class CachedResponse {
    #private;
    private constructor();
    /** What it weighs, for `sizeOf` of a cache without a name: a whole number ≥ 1. */
    get bytes(): number;
    /** The status code; undefined for an entry that only says by which fields responses vary. */
    get status(): number | undefined;
    /** The body, as the handler wrote it. Not to be changed. */
    get body(): Uint8Array;
}
/**
 * The codec of a cache with a name that `cacheResponse` is given.
 *
 * @example
 * const cache = new Cache({ name: 'pages', codec: responseCodec, maxBytes: 64 * 2 ** 20, ttlMs: 0 });
 */
declare const responseCodec: CacheCodec<CachedResponse>;

/** The message of `breakwater:bucket:refused`, and the same of every kind that refuses. */
interface RefusedMessage {
    readonly kind: 'bucket' | 'limiter' | 'breaker' | 'budget' | 'throttle' | 'bulkhead' | 'queue' | 'shedder';
    /** The name or label of the primitive. */
    readonly primitive: string | undefined;
    /** Whether it was let through all the same. */
    readonly dryRun: boolean;
}
/** The message of `breakwater:retry:retried`. */
interface RetriedMessage {
    /** The attempt that failed, from 1. */
    readonly attempt: number;
    /** Milliseconds until the next one. */
    readonly delayMs: number;
}
/** The message of `breakwater:hedge:hedged`. */
interface HedgedMessage {
    /** Which call beside the first one, from 1. */
    readonly hedge: number;
}
/** The message of `breakwater:cache:loaded`: a loader that was called in this thread has come to an end. */
interface LoadedMessage {
    /** The name or label of the cache. */
    readonly primitive: string | undefined;
    readonly outcome: 'value' | 'absent' | 'skipped' | 'failed';
    readonly tookMs: number;
    /** Whether it ran beside a value that was served. */
    readonly background: boolean;
}

/** What one limit says of a call. */
interface LimitDecision {
    /** Whether the call passed; with several limits: every one of them. */
    readonly allowed: boolean;
    readonly limitName: string;
    readonly limit: number;
    /** Whole units left, ≥ 0. */
    readonly remaining: number;
    /** Milliseconds until the key is full again. */
    readonly resetMs: number;
    /** Milliseconds until this cost passes: 0 when allowed, Infinity when it is above the capacity. */
    readonly retryAfterMs: number;
}
/**
 * What a call was told. Its fields are all of one limit: when refused the one with the longest retryAfterMs, else the one with
 * the smallest share left, the first on a tie.
 */
interface Decision extends LimitDecision {
    /** The same for each limit, of the same instant. */
    readonly limits: readonly LimitDecision[];
}
/** A limit in force. */
interface LimitInForce {
    readonly name: string;
    readonly limit: number;
    /** Milliseconds in which an empty bucket fills. */
    readonly windowMs: number;
}

/** Options of `fallback`. */
interface FallbackOptions {
    /** For which errors. Default: all. */
    readonly when?: ((error: unknown) => boolean) | undefined;
}
/**
 * A policy that gives `value`, or what the function given in its place makes of the error, where what is inside fails. Not when the
 * caller aborted the call. What the function throws is the caller's error.
 *
 * ```js
 * const page = await fallback(() => cachedPage(id), { when: (error) => error instanceof RefusedError }).execute(() => render(id));
 * ```
 * @throws {InvalidOptionError}
 */
declare function fallback<Alt>(value: Alt | ((error: unknown, call: Call) => Alt | Promise<Alt>), options?: FallbackOptions): Policy<Awaited<Alt>>;

/** Options of `hedge`: `delayMs` or `quantile`. */
interface HedgeOptions {
    /** Milliseconds after which the next call starts: a number ≥ 0. */
    readonly delayMs?: number | undefined;
    /**
     * The next call starts when the last one takes longer than this share of the first calls did lately, in (0, 1): 0.95 hedges about
     * one call in twenty. No call is hedged before 20 have succeeded through this object.
     */
    readonly quantile?: number | undefined;
    /** Calls beside the first: a whole number from 1 to 100. @default 1 */
    readonly maxHedges?: number | undefined;
    /** Charged for each further call. Default: none. */
    readonly budget?: RetryBudget | undefined;
    /** Where the time is read. Default: the system's monotonic clock. */
    readonly clock?: ManualClock | undefined;
}
/**
 * A policy that hedges (Dean and Barroso, The Tail at Scale): the first success wins, the other calls are aborted. A failure starts
 * the next call at once; when all have failed, the caller gets the error of the first. A further call that a policy inside refuses
 * costs the budget nothing. What is not idempotent (`{ idempotent: false }`) is never hedged.
 *
 * ```js
 * const price = await hedge({ quantile: 0.95, budget }).execute(({ signal }) => askPrice(id, { signal }));
 * ```
 * @throws {InvalidOptionError}
 */
declare function hedge(options: HedgeOptions): Policy;

/** Options of `keyed`. */
interface KeyedOptions {
    /** How many keys are kept: a whole number ≥ 1. @default 1000 */
    readonly maxKeys?: number | undefined;
}
/** Primitives by key. */
interface Keyed<T> {
    /** The primitive of this key, made if there is none. */
    for(key: string): T;
    /** How many there are. */
    readonly size: number;
    /** Disposes all of them; `for` then begins anew. */
    dispose(): void;
    [Symbol.dispose](): void;
}
/**
 * A primitive for each key. Past `maxKeys` the least recently used one is disposed, but never one with permits out, calls under way,
 * callers waiting or a hand on it (isolated, disabled): as long as all are in use there are more. One that is let go forgets: an
 * open breaker, long unused, comes back closed. Ask `for` with every call, and keep none: what was let go rejects with DisposedError.
 *
 * ```js
 * const breakers = keyed((host) => new CircuitBreaker({ label: host }));
 * await breakers.for(url.host).execute(() => fetch(url));
 * ```
 * @throws {InvalidOptionError}
 */
declare function keyed<T extends {
    dispose(): void;
}>(make: (key: string) => T, options?: KeyedOptions): Keyed<T>;

/** A limit of a RateLimiter. */
type KeyedLimit = Limit & {
    /** What a Decision calls it. Default: such as `'100-in-60s'`. */
    readonly label?: string | undefined;
};
/** Options of RateLimiter. */
interface RateLimiterOptions extends CommonOptions {
    /** One limit, or up to 8 that are decided together: all pass and all are charged, or none is. */
    readonly limits: KeyedLimit | readonly KeyedLimit[];
    /**
     * Live keys that are kept apart: a whole number from 1 to 2^28. Memory is fixed by it, about 22 bytes a key with one limit and
     * 8 to 16 more for each further one. @default 100000
     */
    readonly maxKeys?: number | undefined;
    /**
     * What a new key starts with when every place it could take holds a live key, the one closest to idle of which goes.
     * `'admit'`: it starts fresh. `'limit'`: it inherits the debt of the one that goes: never over the limit, but a flood of
     * one-shot keys then refuses honest newcomers. @default 'admit'
     */
    readonly whenFull?: 'admit' | 'limit' | undefined;
    /** How many may wait in `acquire` at once, over all keys and threads: a whole number from 0 to 1,000,000. @default 10000 */
    readonly maxWaiters?: number | undefined;
}
/** Figures over all threads. Counters count since the state was made. */
interface RateLimiterSnapshot extends CommonSnapshot<'limiter'> {
    readonly limits: readonly LimitInForce[];
    /** Keys that have a place; those that became idle count until their place is needed. */
    readonly size: number;
    /** Live keys that had to go for others: more than a few say that maxKeys is too small. */
    readonly evicted: number;
    /** Calls that wait in `acquire`. */
    readonly waiting: number;
    /** Bytes of the table. */
    readonly bytes: number;
    /** Calls granted. */
    readonly allowed: number;
    /** Calls refused; with `dryRun` those that would have been. */
    readonly refused: number;
}
/** What a call costs: the same on every limit, or one cost for each. Whole numbers ≥ 0; 0 only asks. */
type Cost = number | readonly number[];
/** How a limiter serves as a policy. */
interface RateLimiterPolicyOptions {
    /** Whose bucket a call takes from. */
    readonly key: string | ((call: Call) => string);
    /** What a call costs. Default 1. */
    readonly cost?: ((call: Call) => Cost) | undefined;
    /** The longest a call waits, in milliseconds. @default 0 */
    readonly maxWaitMs?: number | undefined;
}
/**
 * A token bucket per key, in memory of fixed size. Exact up to `maxKeys` live keys: over any span T a key is granted at most
 * capacity + refillPerSecond × T, from any number of threads. Keys are any string up to 64 KiB of UTF-8; a lone surrogate counts
 * as U+FFFD. The algorithm is GCRA (ITU-T I.371).
 *
 * ```js
 * const limiter = new RateLimiter({ name: 'api', limits: [{ limit: 10, windowMs: 1_000 }, { limit: 1_000, windowMs: 3_600_000 }] });
 * const { allowed, retryAfterMs } = limiter.consume(user.id);
 * ```
 */
declare class RateLimiter {
    #private;
    /**
     * @throws {InvalidOptionError} when an option is unknown, of the wrong type or out of range.
     * @throws {NameConflictError} when the name is in use with other options.
     */
    constructor(options: RateLimiterOptions);
    /** An object on the limiter of this name, if one exists in the process. */
    static find(name: string): RateLimiter | undefined;
    /**
     * Charges `key`, if every limit has room for the cost; a refusal charges nothing.
     * @throws {InvalidOptionError | DisposedError}
     */
    tryAcquire(key: string, cost?: Cost): boolean;
    /** Charges `key` as `tryAcquire` does, and says where it stands. @throws {InvalidOptionError | DisposedError} */
    consume(key: string, cost?: Cost): Decision;
    /** What `consume` would say, charging nothing. @throws {InvalidOptionError | DisposedError} */
    peek(key: string, cost?: Cost): Decision;
    /**
     * Charges `key`, and resolves when the charge is covered: callers of one key in the order in which they came.
     * Rejects at once with RateLimitedError if the wait would pass `maxWaitMs`, if `maxWaiters` wait already, or if the cost is
     * above a capacity; with the signal's reason when aborted, and then the charge is given back but for what later callers have
     * built on; with DisposedError when this object is disposed meanwhile.
     */
    acquire(key: string, cost?: Cost, options?: WaitOptions): Promise<void>;
    /** Gives a cost back, never past a capacity. A block holds all the same. @throws {InvalidOptionError | DisposedError} */
    refund(key: string, cost?: Cost): void;
    /** Charges a cost whether or not there is room: into debt if need be. @throws {InvalidOptionError | DisposedError} */
    penalize(key: string, cost?: Cost): void;
    /**
     * Refuses `key` for `ms` milliseconds, in (0, 180 days], whatever it has left or is given back. Of two blocks the longer holds;
     * only `reset` ends one.
     * @throws {InvalidOptionError | DisposedError}
     */
    block(key: string, ms: number): void;
    /** Forgets `key`: what it owes and its block. @throws {InvalidOptionError | DisposedError} */
    reset(key: string): void;
    /** Keys that have a place; those that became idle count until their place is needed. @throws {DisposedError} */
    get size(): number;
    /** The limits in force. @throws {DisposedError} */
    get limits(): readonly LimitInForce[];
    /** This limiter as a policy: whose bucket a call takes from, what it costs, and how long it waits. @throws {InvalidOptionError} */
    policy(options: RateLimiterPolicyOptions): Policy;
    /**
     * New limits for all who share the limiter, as many as there were. Each key keeps its time until full, at most that of an empty
     * bucket of the new limits.
     * @throws {InvalidOptionError | DisposedError}
     */
    reconfigure(options: {
        readonly limits: KeyedLimit | readonly KeyedLimit[];
    }): void;
    /** All live keys as bytes, by their hashes: to carry them over a restart. @throws {DisposedError} */
    export(): Uint8Array;
    /**
     * Takes over what `export` gave, less the time between. False, and nothing changes, if this limiter has counted a key already,
     * or has another number of limits or another maxKeys.
     * @throws {InvalidOptionError} when `bytes` are not what `export` gave. @throws {DisposedError}
     */
    restore(bytes: Uint8Array): boolean;
    /** Figures over all threads, safe to log. @throws {DisposedError} */
    snapshot(): RateLimiterSnapshot;
    /**
     * Lets go of the limiter: who waits through this object rejects with DisposedError, later calls throw it. A name is free again
     * once every thread has let go of it. A second call does nothing.
     */
    dispose(): void;
    [Symbol.dispose](): void;
}

/** A share of what the process may have, in (0, 1]. */
interface MemoryShare {
    readonly shareOfLimit: number;
}

/** Options of EventLoopMonitor. */
interface EventLoopMonitorOptions {
    /**
     * Milliseconds of the intervals that figures are of, from 50 to an hour. Short ones follow the load, long ones have a meaningful
     * 99th percentile: a loop gives a hundred samples a second. @default 1000
     */
    readonly sampleMs?: number | undefined;
    /**
     * Milliseconds after which a loop that does not come round counts as blocked, from 50 to an hour. With it a thread outside of
     * JavaScript watches this one, and reports a block while it lasts. Default: this thread is not watched.
     */
    readonly blockedMs?: number | undefined;
    /** Whether the watching thread writes a line to stderr for each report. Needs `blockedMs`. @default false */
    readonly stderr?: boolean | undefined;
    /** Names the loop in reports and snapshots. */
    readonly label?: string | undefined;
}
/** How late the loop ran what was due, in milliseconds, over one interval. */
interface EventLoopDelay {
    readonly p50Ms: number;
    readonly p90Ms: number;
    readonly p99Ms: number;
    readonly maxMs: number;
    readonly meanMs: number;
}
/** An event loop that is blocked now. */
interface BlockedLoop {
    /** Of its thread, as `worker_threads` numbers them: 0 is the main thread. */
    readonly threadId: number;
    /** The label of the monitor that watches it. */
    readonly label: string | undefined;
    /** For how long by now; up to 10 ms too long. */
    readonly blockedMs: number;
}
/** An event loop was found blocked, still is, or is no more. */
interface BlockedEvent extends BlockedLoop {
    /** Whether it is over: then `blockedMs` is how long it was. */
    readonly over: boolean;
    /** Counts the reports of the process. */
    readonly generation: number;
}
/** Figures of the last whole interval (of the one under way while there is none), and which loops are blocked now. */
interface EventLoopMonitorSnapshot {
    readonly kind: 'monitor';
    readonly name: undefined;
    readonly label: string | undefined;
    readonly threadId: number;
    /** How long the interval was: `sampleMs`, or longer where the loop was blocked. */
    readonly intervalMs: number;
    /** How many samples the percentiles are of, with those that a block left out. */
    readonly samples: number;
    readonly delay: EventLoopDelay;
    /** The share of the interval in which the loop was busy, in 0..1; undefined where neither runtime nor system says. */
    readonly utilization: number | undefined;
    /** The loops of the whole process that are blocked now. */
    readonly blocked: readonly BlockedLoop[];
}
/**
 * Measures this thread's event loop, and has it watched from outside.
 *
 * ```js
 * const monitor = new EventLoopMonitor({ blockedMs: 500, stderr: true });
 * monitor.on('blocked', ({ threadId, blockedMs, over }) => log.warn({ threadId, blockedMs, over }));
 * ```
 */
declare class EventLoopMonitor {
    #private;
    /** @throws {InvalidOptionError} when an option is unknown, of the wrong type or out of range. */
    constructor(options?: EventLoopMonitorOptions);
    /** How late the loop ran what was due, over the last whole interval. @throws {DisposedError} */
    get delay(): EventLoopDelay;
    /** The share of the last whole interval in which the loop was busy, in 0..1, if that is known. @throws {DisposedError} */
    get utilization(): number | undefined;
    /** Figures, safe to log. @throws {DisposedError} */
    snapshot(): EventLoopMonitorSnapshot;
    /**
     * Tells `listener` of every loop of the process that is watched and blocked: when it has been for its `blockedMs`, whenever that has
     * doubled since, and with `over: true` when it is no more. Of its own loop a thread hears only the last. Runs later in a microtask, in
     * the async context of this call, and keeps no process alive.
     * @throws {InvalidOptionError | DisposedError}
     */
    on(event: 'blocked', listener: (event: BlockedEvent) => void): Disposable;
    /** Ends the watch and the listeners: later calls throw DisposedError. A second call does nothing. */
    dispose(): void;
    [Symbol.dispose](): void;
}

/**
 * What a policy may give besides the function's own result. Of a class that gives something else it is unknown, unless the object
 * is declared as the `Policy<Alt>` it is.
 */
type AltOf<P> = P extends Policy ? never : P extends Policy<infer Alt> ? Alt : never;
/**
 * A policy made of others, outermost first. Recommended: fallback, timeout for all tries together, retry, hedge, breaker, bulkhead,
 * timeout for each try. With retry outside a breaker each try is counted, and a refusal ends the tries.
 *
 * ```js
 * const calls = pipeline(retry({ budget }), breaker, timeout({ ms: 500 }));
 * await calls.execute(({ signal }) => fetch(url, { signal }));
 * ```
 * @throws {InvalidOptionError} where something is no policy.
 */
declare function pipeline<P extends readonly Policy<unknown>[]>(...policies: P): Policy<AltOf<P[number]>>;

/** Options of BoundedQueue. */
interface BoundedQueueOptions {
    /** The most messages it holds: a whole number from 1 to 2^32. */
    readonly capacity: number;
    /**
     * The most bytes of messages it holds: a whole number from 1 to 2^53 - 1. Text counts a byte for each character if all are below
     * U+0100, else two. Default: no bound but `capacity`.
     */
    readonly maxBytes?: number | undefined;
    /**
     * What happens to a message when there is no room: it is refused, it waits, the oldest messages are dropped for it, or it is
     * dropped itself. @default 'reject'
     */
    readonly overflow?: 'reject' | 'wait' | 'dropOldest' | 'dropNewest' | undefined;
    /** What messages are: values (as their JSON), Uint8Arrays, or strings. @default 'json' */
    readonly codec?: 'json' | 'bytes' | 'string' | undefined;
    /** One queue for all worker threads that construct it with this name and these options: 1 to 128 characters. */
    readonly name?: string | undefined;
    /** Names the object in errors and snapshots, and shares nothing. */
    readonly label?: string | undefined;
    /** Where the time of `timeoutMs` and `lingerMs` is read. Default: the system's monotonic clock. */
    readonly clock?: ManualClock | undefined;
}
/** How long a push may take. */
interface PushOptions {
    /** Gives up: the promise rejects in the same turn with the signal's own reason, unless the message is stored already. */
    readonly signal?: AbortSignal | undefined;
    /** The longest wait for room in milliseconds, with `overflow: 'wait'`. Default: Infinity. */
    readonly timeoutMs?: number | undefined;
}
/** How long a pop may take. */
interface PopOptions {
    /** Gives up: the promise rejects in the same turn with the signal's own reason, and no message is taken. */
    readonly signal?: AbortSignal | undefined;
}
/** How long a batch may take. */
interface PopManyOptions extends PopOptions {
    /** How long to wait for more messages once the first one is there, in milliseconds. @default 0 */
    readonly lingerMs?: number | undefined;
}
/** What listeners are told. */
interface BoundedQueueEvents {
    /** The queue was full, and now holds at most half of each of its bounds. */
    drain: Record<never, never>;
    /** So many messages were dropped to make room since this listener was told last. */
    drop: {
        readonly count: number;
    };
}
/** Figures over all threads. Counters count since the state was made. */
interface BoundedQueueSnapshot extends Omit<CommonSnapshot<'queue'>, 'dryRun'> {
    readonly capacity: number;
    readonly maxBytes: number | undefined;
    readonly overflow: 'reject' | 'wait' | 'dropOldest' | 'dropNewest';
    readonly codec: 'json' | 'bytes' | 'string';
    /** Messages in the queue. */
    readonly size: number;
    /** Their bytes. */
    readonly bytes: number;
    /** Pushes that wait for room. */
    readonly waitingPushes: number;
    /** Pops that wait for messages. */
    readonly waitingPops: number;
    /** Messages accepted. */
    readonly pushed: number;
    /** Messages popped, without those that came back from a thread that ended. */
    readonly popped: number;
    /** Messages dropped: to make room, or by `close({ drain: false })`. */
    readonly dropped: number;
    /** Messages refused. */
    readonly refused: number;
    readonly closed: boolean;
}
/**
 * A bounded queue of messages: many producers, many consumers, in any threads that share its name. Messages are kept outside the
 * JavaScript heap, each goes to one consumer, and those of one producer arrive in their order.
 *
 * ```js
 * const jobs = new BoundedQueue({ name: 'jobs', capacity: 10_000, overflow: 'wait' });
 * await jobs.push({ id: 7 }); // here
 * for await (const job of jobs) await work(job); // in a worker thread
 * ```
 */
declare class BoundedQueue<T = unknown> implements AsyncIterable<T> {
    #private;
    /**
     * @throws {InvalidOptionError} when an option is unknown, of the wrong type or out of range.
     * @throws {NameConflictError} when the name is in use with other options.
     */
    constructor(options: BoundedQueueOptions);
    /** An object on the queue of this name, if one exists in the process. */
    static find<T = unknown>(name: string): BoundedQueue<T> | undefined;
    /**
     * Stores a message if there is room: whether it was stored. With `dropOldest` there is always room, unless the message has more
     * bytes than the queue may hold.
     * @throws {InvalidOptionError | QueueClosedError | DisposedError}
     */
    tryPush(value: T): boolean;
    /**
     * Stores a message, whether it was stored: false with `dropNewest` where there is no room. With `wait` it waits for room, first
     * come, first served over all threads.
     * Rejects with QueueFullError where there is no room, with QueueTimeoutError where there was none within `timeoutMs`, with the
     * signal's reason when aborted (in both cases the message is not stored), with QueueClosedError when the queue is closed.
     */
    push(value: T, options?: PushOptions): Promise<boolean>;
    /** The oldest message, or undefined: there is none, or those that are there are others'. @throws {DisposedError} */
    tryPop(): T | undefined;
    /**
     * The oldest message as soon as there is one, first come, first served over all threads; undefined once the queue is closed and
     * empty. Rejects with the signal's reason when aborted, with DisposedError when this object is disposed meanwhile.
     */
    pop(options?: PopOptions): Promise<T | undefined>;
    /**
     * At least one message and at most `max` (a whole number ≥ 1), as soon as there is one; with `lingerMs` it waits so long for `max`
     * of them once the first is there, and keeps none but the first from others meanwhile. [] once the queue is closed and empty.
     * Messages of one batch may share memory: what is kept for long is better copied. Rejects as `pop` does.
     */
    popMany(max: number, options?: PopManyOptions): Promise<T[]>;
    /** Message after message, until the queue is closed and empty. A message is popped when it is asked for, none ahead. */
    [Symbol.asyncIterator](): AsyncIterableIterator<T>;
    /**
     * A Node stream in object mode with a chunk for each message: it pops when it is read from, and ends with the queue. Destroying
     * it leaves the queue as it is.
     */
    toReadable(): Readable;
    /**
     * A Node stream in object mode that pushes each chunk; with `reject` and `wait` it waits for room. Its end does not close the
     * queue.
     */
    toWritable(): Writable;
    /** The same as a web stream. */
    toReadableStream(): ReadableStream<T>;
    /** The same as a web stream. */
    toWritableStream(): WritableStream<T>;
    /** Messages in the queue. @throws {DisposedError} */
    get size(): number;
    /**
     * Ends the queue for all threads: pushes reject with QueueClosedError, those that wait for room too. Resolves when all messages
     * are popped; with `drain: false` they are discarded instead. Pops of a closed and empty queue give undefined, [] and the end.
     */
    close(options?: {
        readonly drain?: boolean | undefined;
    }): Promise<void>;
    /**
     * Tells `listener` in a later microtask, in this thread, whichever thread brought the event about.
     * @throws {InvalidOptionError | DisposedError}
     */
    on<E extends keyof BoundedQueueEvents>(event: E, listener: (event: BoundedQueueEvents[E]) => void): Disposable;
    /** Figures over all threads, safe to log. @throws {DisposedError} */
    snapshot(): BoundedQueueSnapshot;
    /**
     * Lets go of the queue: what waits through this object rejects with DisposedError, later calls throw it. A name is free again, and
     * what its queue held gone, once every thread has let go of it. A second call does nothing.
     */
    dispose(): void;
    [Symbol.dispose](): void;
}

/** What `onRetry` is told, before the wait. */
interface RetryEvent {
    /** The attempt that failed, from 1. */
    readonly attempt: number;
    /** Milliseconds until the next one. */
    readonly delayMs: number;
    /** Undefined where a result is tried again. */
    readonly error: unknown;
    readonly result: unknown;
}
/** Options of `retry`. */
interface RetryOptions {
    /** Attempts in all, the first one included: a whole number ≥ 1, or Infinity. @default 3 */
    readonly maxAttempts?: number | undefined;
    /** How long to wait between attempts. Default: exponential, from 100 ms to 10 s, full jitter. */
    readonly backoff?: Backoff | undefined;
    /** Charged before each wait; when it is spent the caller gets the real error. Default: none. */
    readonly budget?: RetryBudget | undefined;
    /**
     * Whether to try again: of an error, or with `error` undefined of a result. Default: any error but refusals, aborts and errors of
     * this package that say the call itself is wrong; no result.
     */
    readonly retryIf?: ((error: unknown, result: unknown, call: Call) => boolean) | undefined;
    /** A server that asks for a longer pause than so many milliseconds (Retry-After) is not asked again. @default 60000 */
    readonly maxRetryAfterMs?: number | undefined;
    /** Told before each wait. What it throws is an uncaught exception. */
    readonly onRetry?: ((event: RetryEvent) => void) | undefined;
    /** Where the time is read. Default: the system's monotonic clock. */
    readonly clock?: ManualClock | undefined;
    /** For the jitter: any number gives the same delays again. Default: chance. */
    readonly seed?: number | undefined;
}
/**
 * A policy that tries again what failed. The wait is the longer of the backoff and what the server asked for (`retryAfterMs` of the
 * error, else a Retry-After header of the error, its `response` or the result); the real error is given at once where the deadline
 * or `maxRetryAfterMs` would pass before. An abort ends the wait. What was not idempotent (`{ idempotent: false }`) is tried again
 * only where `retryIf` is given and says so.
 *
 * ```js
 * const budget = new RetryBudget();
 * const answer = await retry({ maxAttempts: 4, budget }).execute(({ signal }) => get(url, { signal }), { timeoutMs: 2_000 });
 * ```
 * @throws {InvalidOptionError}
 */
declare function retry(options?: RetryOptions): Policy;

/**
 * A valid document. Its bytes are read where they lie and must not be changed while it is in use. The native side keeps the last few
 * documents of a thread; an older one is read again when it is asked something.
 */
declare class ValidDocument<T> {
    #private;
    /** The bytes it was opened from; of a string its UTF-8, the same each time. */
    get bytes(): Uint8Array;
    /**
     * The value that a JSON Pointer (RFC 6901: `'/customer/id'`, `'/items/0'`, `''` for all of it) leads to, as JSON.parse gives it; undefined
     * if there is none. @throws {InvalidOptionError} if it is no pointer.
     */
    get(pointer: string): unknown;
    /** What several pointers lead to, in their order. @throws {InvalidOptionError} if one is no pointer. */
    pick<const Pointers extends readonly string[]>(pointers: Pointers): {
        -readonly [I in keyof Pointers]: unknown;
    };
    /** The whole of it, parsed when first asked for: the same object each time. */
    toObject(): T;
    /** What JSON.stringify takes it for: `toObject()`. */
    toJSON(): T;
}

/** Where lines come from: bytes, or chunks of them that end anywhere. */
type LineSource = Uint8Array | string | AsyncIterable<Uint8Array | string> | Iterable<Uint8Array | string> | ReadableStream<Uint8Array | string>;

/** The verdict of one line. Empty lines are counted and have none. */
type LineVerdict = {
    /** From 1. */
    readonly line: number;
    /** Its first byte, counted from the beginning of the input. */
    readonly offset: number;
} & ({
    readonly valid: true;
} | ValidationFailure);

/** What becomes of the lines of a transform. */
interface TransformOptions {
    /**
     * Hears of each line that is not valid, and so is left out; the next one is told when what it promises is kept. What it throws ends
     * the stream. Default: nobody does.
     */
    readonly onInvalid?: ((verdict: Extract<LineVerdict, {
        valid: false;
    }>) => unknown) | undefined;
}

/** A schema as JSON Schema writes it: an object of whatever words, or a boolean; or what says such a schema of itself. */
type JsonSchema = boolean | {
    readonly [keyword: string]: unknown;
} | SchemaWords;
/** A schema whose type is an interface or a class: to TypeScript it is one if it has one of these words. A promise has none. */
interface SchemaWords {
    readonly $schema?: unknown;
    readonly $id?: unknown;
    readonly $ref?: unknown;
    readonly $defs?: unknown;
    readonly definitions?: unknown;
    readonly type?: unknown;
    readonly const?: unknown;
    readonly enum?: unknown;
    readonly properties?: unknown;
    readonly additionalProperties?: unknown;
    readonly patternProperties?: unknown;
    readonly required?: unknown;
    readonly items?: unknown;
    readonly prefixItems?: unknown;
    readonly allOf?: unknown;
    readonly anyOf?: unknown;
    readonly oneOf?: unknown;
    readonly not?: unknown;
    readonly format?: unknown;
    readonly pattern?: unknown;
    /** What JSON.stringify asks for the schema. */
    readonly toJSON?: unknown;
    /** What StandardSchema has, of which Schema is one. */
    readonly '~standard'?: unknown;
}
/** The drafts there are. */
type SchemaDraft = '4' | '6' | '7' | '2019-09' | '2020-12';
/** What validate answers. */
type Validation = {
    readonly valid: true;
} | ValidationFailure;
/**
 * What other libraries expose of their schemas: Standard Schema v1 with its JSON Schema part (zod 4, arktype 2, and valibot with
 * @valibot/to-json-schema). What they do beyond JSON Schema, such as transforms and refinements, is not checked here.
 */
interface StandardSchema<Input = unknown, Output = Input> {
    readonly '~standard': {
        readonly version: 1;
        readonly vendor: string;
        readonly jsonSchema?: {
            readonly input: (options: {
                readonly target: 'draft-2020-12';
            }) => Record<string, unknown>;
            readonly output: (options: {
                readonly target: 'draft-2020-12';
            }) => Record<string, unknown>;
        } | undefined;
        readonly types?: {
            readonly input: Input;
            readonly output: Output;
        } | undefined;
    };
}
/** What a Standard Schema answers. */
type StandardResult<T> = {
    readonly value: T;
    readonly issues?: undefined;
} | {
    readonly issues: readonly {
        readonly message: string;
        readonly path: readonly string[];
    }[];
};
/** What a Standard Schema is asked for. */
interface StandardOptions {
    /** Such as `'draft-2020-12'`. */
    readonly target: string;
    readonly libraryOptions?: Readonly<Record<string, unknown>> | undefined;
}
/** What Schema exposes of itself: Standard Schema v1, with its JSON Schema part. */
interface StandardProps<T> {
    readonly version: 1;
    readonly vendor: 'breakwater';
    readonly validate: (value: unknown) => StandardResult<T>;
    /**
     * The schema in one piece: with `$schema`, and what it refers to among its definitions. `target` is its own draft (`'draft-07'`,
     * `'draft-2020-12'`, …): nothing is translated. @throws {InvalidOptionError} for any other.
     */
    readonly jsonSchema: {
        readonly input: (options?: StandardOptions) => Record<string, unknown>;
        readonly output: (options?: StandardOptions) => Record<string, unknown>;
    };
    /** Of types alone: there is no such member. */
    readonly types?: {
        readonly input: T;
        readonly output: T;
    } | undefined;
}
/** Options of Schema. */
interface SchemaOptions {
    /** The draft of a schema that has no `$schema`. @default '2020-12' */
    readonly draft?: SchemaDraft | undefined;
    /**
     * The schemas that `$ref` may lead to, by URI: `'https://example.com/money.json'`, or a plain name such as `'orders@2'`. Nothing is
     * ever fetched.
     */
    readonly refs?: {
        readonly [uri: string]: JsonSchema;
    } | undefined;
    /** Whether `format` is checked. Formats that are not known never are. @default true */
    readonly formats?: boolean | undefined;
    /**
     * Whether a member is refused that no schema names which applies to its object, unless one of them has `additionalProperties` or
     * `unevaluatedProperties`. @default false
     */
    readonly rejectUnknown?: boolean | undefined;
    /**
     * Two members of one name: 'reject', as parsers do not agree on which one counts; or 'last' counts, as for JSON.parse.
     * @default 'reject'
     */
    readonly duplicateKeys?: 'reject' | 'last' | undefined;
    /** Whether `__proto__`, and `prototype` in a `constructor`, may be names of members. @default 'allow' */
    readonly protoKeys?: 'allow' | 'reject' | undefined;
    /**
     * 'linear': regular expressions take time linear in the text, and those with look-around or back-references do not compile.
     * 'backtracking': they do, and end with no match after 10,000 steps. @default 'linear'
     */
    readonly regex?: 'linear' | 'backtracking' | undefined;
    /** The longest document, in bytes of UTF-8: from 1 to 2^30. @default 1048576 */
    readonly maxBytes?: number | undefined;
    /** How deep arrays and objects may be nested: from 1 to 512. @default 128 */
    readonly maxDepth?: number | undefined;
    /** How many issues are told: from 1 to 100. Finding all of a hostile document costs more than reading it. @default 1 */
    readonly maxErrors?: number | undefined;
    /** Whether issues keep the values to themselves. Names of members are told either way. @default true */
    readonly maskValues?: boolean | undefined;
    /** Names the schema in errors. */
    readonly label?: string | undefined;
}

/** The documents that a schema describes, as far as types can say; unknown where json-schema-to-ts is not installed. */
type DocumentOf<S> = IsAny<S> extends true ? unknown : S extends {
    readonly '~standard': {
        readonly types?: {
            readonly input: infer Input;
        } | undefined;
    };
} ? Input : Read<Told<S, S, never>>;
type IsAny<T> = 0 extends 1 & T ? true : false;
type Read<S> = S extends JSONSchema ? Known<FromSchema<S>> : unknown;
/** What is any, because its package is not installed, is unknown. */
type Known<T> = IsAny<T> extends true ? unknown : T;
/** A schema whose `$schema` is older than 2020-12. */
type Old = {
    readonly $schema: `${string}/draft-0${string}` | `${string}/2019-09/${string}`;
};
/** One of a draft where nothing beside `$ref` counts. */
type Oldest = {
    readonly $schema: `${string}/draft-0${string}`;
};
/** A subschema in the words of json-schema-to-ts. `Root`: what its references start from; `Way`: those that led here. */
type Told<S, Root, Way> = S extends boolean ? S : S extends object ? S extends {
    readonly $ref: infer Reference;
} ? Root extends Oldest ? Target<Reference, Root, Way> : {
    readonly allOf: readonly [Target<Reference, Base<S, Root>, Way>, Shape<S, Base<S, Root>, Way>];
} : Shape<S, Base<S, Root>, Way> : true;
type Base<S, Root> = S extends {
    readonly $id: string;
} ? S : Root;
/** What a reference leads to; what is not found, and a circle, is told as true: anything. */
type Target<Reference, Root, Way> = Reference extends Way ? true : Reference extends '#' ? Told<Root, Root, Way | Reference> : Reference extends `${string}${'~' | '%'}${string}` ? true : Reference extends `#/${infer Path}` ? Told<At<Root, Path>, Root, Way | Reference> : true;
type At<T, Path> = Path extends `${infer Step}/${infer Rest}` ? Step extends keyof T ? At<T[Step], Rest> : true : Path extends keyof T ? T[Path] : true;
type Shape<S, Root, Way> = {
    readonly [K in keyof S as Word<K, S, Root>]: Part<K, S[K], Root, Way>;
};
/** The word under which json-schema-to-ts is told a keyword; never: it is not told. */
type Word<K, S, Root> = K extends Same ? K : K extends keyof Words<S, Root> ? Words<S, Root>[K] : never;
type Same = 'type' | 'const' | 'enum' | 'properties' | 'required' | 'additionalProperties' | 'minItems' | 'maxItems' | 'allOf' | 'anyOf' | 'oneOf';
interface Words<S, Root> {
    items: HasPrefix<S, Root> extends true ? 'additionalItems' : 'items';
    prefixItems: HasPrefix<S, Root> extends true ? 'items' : never;
    additionalItems: HasPrefix<S, Root> extends true ? never : 'additionalItems';
    /** It would take the patterns to be for all other members, which may be anything. */
    patternProperties: IsOpen<S> extends true ? never : 'patternProperties';
    unevaluatedProperties: S extends {
        readonly patternProperties: unknown;
    } ? never : 'unevaluatedProperties';
}
type HasPrefix<S, Root> = S extends {
    readonly prefixItems: readonly unknown[];
} ? Root extends Old ? false : true : false;
type IsOpen<S> = S extends {
    readonly additionalProperties: infer Additional;
} ? Additional extends true ? true : false : true;
type Part<K, V, Root, Way> = K extends 'properties' | 'patternProperties' ? {
    readonly [Name in keyof V]: Told<V[Name], Root, Way>;
} : K extends 'allOf' | 'anyOf' | 'oneOf' | 'prefixItems' ? Each<V, Root, Way> : K extends 'items' | 'additionalItems' | 'additionalProperties' ? V extends readonly unknown[] ? Each<V, Root, Way> : Told<V, Root, Way> : V;
type Each<List, Root, Way> = {
    readonly [I in keyof List]: Told<List[I], Root, Way>;
};

/** What may be said with a document that is validated beside the event loop. */
interface BesideOptions {
    /** Gives up: the promise rejects in the same turn with the signal's own reason. */
    readonly signal?: AbortSignal | undefined;
}
/**
 * A JSON Schema, compiled. Documents are strings or bytes (Buffer, Uint8Array); what is not UTF-8, not JSON to the letter or beyond a
 * limit is never valid. Drafts 4, 6, 7, 2019-09 and 2020-12, to the last test of the official suite.
 *
 * ```js
 * const order = new Schema({ type: 'object', required: ['id'], properties: { id: { type: 'integer' } } });
 * order.isValid(Buffer.from('{"id":1}')); // true
 * order.parse('{"id":"1"}'); // ValidationError: the document /id must be integer
 * ```
 */
declare class Schema<T = unknown> {
    #private;
    /**
     * @throws {InvalidOptionError} when an option is unknown, of the wrong type or out of range, or the schema is none: a promise, a Map.
     * @throws {SchemaError} when the schema does not compile, or what it leads to among `refs`. Of the others only names and references count.
     */
    constructor(schema: JsonSchema | StandardSchema, options?: SchemaOptions);
    /**
     * The same as the constructor, with the type of its documents inferred: from a literal schema, if json-schema-to-ts is installed, or
     * from a schema of a library that has Standard Schema's types.
     * @throws {InvalidOptionError | SchemaError}
     */
    static from<const S extends JsonSchema | StandardSchema>(schema: S, options?: SchemaOptions): Schema<DocumentOf<S>>;
    /** Whether a document is valid. @throws {InvalidOptionError | DisposedError} */
    isValid(document: Uint8Array | string): boolean;
    /** Whether a document is valid, or why not. @throws {InvalidOptionError | DisposedError} */
    validate(document: Uint8Array | string): Validation;
    /** A valid document, parsed. @throws {ValidationError | InvalidOptionError | DisposedError} */
    parse(document: Uint8Array | string): T;
    /**
     * A valid document, unparsed: for those who need a few fields of it. Its bytes must not be changed while it is in use.
     * @throws {ValidationError | InvalidOptionError | DisposedError}
     */
    open(document: Uint8Array | string): ValidDocument<T>;
    /**
     * `validate` beside the event loop: short documents at once, others by a pool of threads, as many as there are cores. The document is
     * copied first. @throws as rejections {QueueFullError} when 1,024 documents or 256 MiB wait, and what `validate` throws.
     */
    validateAsync(document: Uint8Array | string, options?: BesideOptions): Promise<Validation>;
    /** `parse` beside the event loop, but for JSON.parse itself. @throws as rejections what `parse` and `validateAsync` do. */
    parseAsync(document: Uint8Array | string, options?: BesideOptions): Promise<T>;
    /** `open` beside the event loop. @throws as rejections what `open` and `validateAsync` do. */
    openAsync(document: Uint8Array | string, options?: BesideOptions): Promise<ValidDocument<T>>;
    /**
     * NDJSON: the verdict of each line, in order, by all cores, as soon as it is known; no more is read than is being validated or waits to
     * be told. Chunks may end anywhere. A line longer than maxBytes is told as such and not gathered. What the source throws comes after the
     * verdicts of what was read before it, but for a line that has not ended.
     * @throws {InvalidOptionError} when the source is none; DisposedError comes from the first step on.
     */
    validateLines(source: LineSource): AsyncGenerator<LineVerdict, void, undefined>;
    /** A Node stream from NDJSON to those of its lines that are valid, as they came. @throws {InvalidOptionError} */
    toTransform(options?: TransformOptions): Duplex;
    /** The same for web streams: `readable.pipeThrough(schema.toTransformStream())`. @throws {InvalidOptionError} */
    toTransformStream(options?: TransformOptions): {
        readonly readable: ReadableStream<Uint8Array>;
        readonly writable: WritableStream<Uint8Array | string>;
    };
    /** The same as `validate` for each of a list. @throws {InvalidOptionError | DisposedError} */
    validateMany(documents: Iterable<Uint8Array | string>): Validation[];
    /**
     * Whether a value in memory is valid: what JSON.stringify makes of it. What has no JSON (undefined, a function, a bigint, a circle, NaN) is
     * not. For small schemas a code generator such as ajv is several times faster at this.
     * @throws {DisposedError}
     */
    check(value: unknown): value is T;
    /** Standard Schema v1, with its JSON Schema part. Values are checked as `check` does it, and given back as they are. */
    get '~standard'(): StandardProps<T>;
    /** Lets go of the compiled schema: later calls throw DisposedError; open documents stay. A second call does nothing. */
    dispose(): void;
    [Symbol.dispose](): void;
}

/** Options of compareSchemas. */
interface CompareOptions {
    /** The draft of the schemas that have no `$schema`. @default '2020-12' */
    readonly draft?: SchemaDraft | undefined;
    /**
     * The schemas that `$ref` of both contracts may lead to, by URI or plain name. Where the two do not mean the same schema by a name, each
     * may be a Schema, which brings its own.
     */
    readonly refs?: SchemaOptions['refs'];
}
/** What a change of a schema breaks, or may break. */
interface SchemaBreak {
    /** A JSON Pointer into the schema that has to accept: the new one of a request, the old one of a response. */
    readonly path: string;
    /** Of `refs`, the schema that the path is in; undefined for the contract itself. */
    readonly uri: string | undefined;
    /** The keyword at its end; empty where it is the schema itself. */
    readonly keyword: string;
    /** Why, in words. */
    readonly reason: string;
    /** 'broken': there is a document that the one takes and the other refuses here. 'unproven': nobody knows. */
    readonly kind: 'broken' | 'unproven';
}
/** What comes of a comparison. */
interface SchemaComparison {
    /** True is proven; false has a document that shows it; 'unknown' is anything else. */
    readonly compatible: boolean | 'unknown';
    /** At most 1,000. */
    readonly breaks: readonly SchemaBreak[];
}
/**
 * Of a request: whether the new schema takes every document that the old one takes, so that those who send go on as they are. Of a
 * response: whether the old one takes every document that the new one does, so that those who receive go on.
 *
 * ```js
 * compareSchemas({ maxLength: 50 }, { maxLength: 20 }, 'request').compatible; // false
 * ```
 * @throws {InvalidOptionError | SchemaError}
 */
declare function compareSchemas(older: JsonSchema | StandardSchema, newer: JsonSchema | StandardSchema, side: 'request' | 'response', options?: CompareOptions): SchemaComparison;

/** What may be changed with `reconfigure`. Calls of default priority are shed from 0.91 of a bound on. */
interface LoadShedderBounds {
    /**
     * Milliseconds that the event loop may be late, at the 90th percentile of an interval: from 1 to an hour. Default: not bounded, as
     * for all of these.
     */
    readonly maxEventLoopDelayMs?: number | undefined;
    /**
     * The share of time in which the loop may be busy, in (0, 1]. Never alone: a loop that is busy and in time is healthy, so that by
     * itself it sheds priorities 0 to 4 only.
     */
    readonly maxUtilization?: number | undefined;
    /** Bytes of JavaScript's heap in use, or a share of the limit it may grow to. */
    readonly maxHeapBytes?: number | MemoryShare | undefined;
    /** Bytes of resident memory, or a share of the limit of the control group (of the machine, where there is none). */
    readonly maxRssBytes?: number | MemoryShare | undefined;
    /** Milliseconds that the head of a queue of `bulkheads` may have waited: from 1 to an hour. */
    readonly maxQueueDelayMs?: number | undefined;
}
/** Options of LoadShedder: at least one bound besides `maxUtilization`. */
interface LoadShedderOptions extends LoadShedderBounds {
    /** The bulkheads that `maxQueueDelayMs` is about. */
    readonly bulkheads?: readonly object[] | undefined;
    /** The monitor whose intervals are the samples. Default: one of its own, with `sampleMs: 100`. */
    readonly monitor?: EventLoopMonitor | undefined;
    /** Names the shedder in errors and snapshots. */
    readonly label?: string | undefined;
    /** Decides, counts and publishes, but refuses nothing. @default false */
    readonly dryRun?: boolean | undefined;
}
/** How important a call is. */
interface PriorityOptions {
    /** A whole number from 0 to 9; 9 is refused last. @default 5 */
    readonly priority?: number | undefined;
}
/** What a shedder measures. */
type ShedderMeasure = 'eventLoopDelay' | 'utilization' | 'heap' | 'rss' | 'queueDelay';
/** A number for each measure; undefined where it is not measured or not known, or not bounded. */
interface ShedderMeasures {
    readonly eventLoopDelayMs: number | undefined;
    readonly utilization: number | undefined;
    readonly heapBytes: number | undefined;
    readonly rssBytes: number | undefined;
    readonly queueDelayMs: number | undefined;
}
/** Figures of this thread's shedder. Counters count since it was made; in a dry run `refused` are those it would have refused. */
interface LoadShedderSnapshot extends CommonSnapshot<'shedder'> {
    /** In 0..1: 1 at or over a bound. */
    readonly pressure: number;
    /** The measure that was nearest to its bound at the last sample, or furthest above. */
    readonly limiting: ShedderMeasure | undefined;
    /** What the last sample measured. */
    readonly measured: ShedderMeasures;
    readonly bounds: ShedderMeasures;
    /** Bytes of resident memory that the process may have. */
    readonly memoryLimitBytes: number;
    /** Which share of the calls of each priority, 0 to 9, is refused now. */
    readonly shedding: readonly number[];
    readonly refusedByPriority: readonly number[];
    readonly allowed: number;
    readonly refused: number;
}
/**
 * Sheds load by the pressure on this thread and its process: event loop delay, utilization, heap, resident memory, the delay of a
 * queue. It is the largest of measure over bound, smoothed over the last samples; priority 0 is shed from 0.8 on, 5 from 0.91, 9 only
 * at 1 and above.
 *
 * ```js
 * const shedder = new LoadShedder({ maxEventLoopDelayMs: 100, maxRssBytes: { shareOfLimit: 0.9 } });
 * const answer = await shedder.execute(() => render(page), { priority: 3 });
 * ```
 */
declare class LoadShedder implements Policy {
    #private;
    /** @throws {InvalidOptionError} when an option is unknown, of the wrong type or out of range, or nothing is bounded. */
    constructor(options: LoadShedderOptions);
    /** Runs `fn`, or rejects with OverloadedError; `options.priority` says how important it is. */
    execute<T>(fn: (call: Call) => T, options?: ExecuteOptions): Promise<Awaited<T>>;
    /** `(...args) => execute(() => fn(...args))`, with `this` kept. @throws {InvalidOptionError} */
    wrap<This, Args extends unknown[], T>(fn: (this: This, ...args: Args) => T): (this: This, ...args: Args) => Promise<Awaited<T>>;
    /** Whether a call may be made: false refuses it. @throws {InvalidOptionError | DisposedError} */
    tryAcquire(options?: PriorityOptions): boolean;
    /**
     * Milliseconds until calls of this priority are shed no more, if the load ended now; 0 if they are not shed.
     * @throws {InvalidOptionError | DisposedError}
     */
    retryAfterMs(options?: PriorityOptions): number;
    /** How near the process is to a bound, smoothed, in 0..1: 1 at or over it. @throws {DisposedError} */
    get pressure(): number;
    /** New bounds; what is not given stays. @throws {InvalidOptionError | DisposedError} */
    reconfigure(options: LoadShedderBounds): void;
    /** Figures, safe to log. @throws {DisposedError} */
    snapshot(): LoadShedderSnapshot;
    /** Lets go of the shedder and of a monitor of its own: later calls throw DisposedError. A second call does nothing. */
    dispose(): void;
    [Symbol.dispose](): void;
}

/** What may be changed with `reconfigure`. */
interface AdaptiveThrottleRules {
    /** How many calls go out for each that is accepted, before calls are refused here: from 1 to 100. @default 2 */
    readonly multiplier?: number | undefined;
    /** The most likely a refusal gets, in [0, 1): some calls have to go out, or nothing is ever known again. @default 0.9 */
    readonly maxRefusalRate?: number | undefined;
}
/** Options of AdaptiveThrottle. */
interface AdaptiveThrottleOptions extends CommonOptions, AdaptiveThrottleRules {
    /**
     * Milliseconds over which calls are counted, from 1,000 to a day, in tenths of it: longer than calls take. @default 120000
     */
    readonly windowMs?: number | undefined;
    /**
     * Whether the backend did not accept a call: as `isFailure` of CircuitBreaker, where `{ openMs }` counts as true. Default: any
     * error.
     */
    readonly isFailure?: IsFailure | undefined;
    /** For the chance of a refusal: any number gives the same again. Default: chance. */
    readonly seed?: number | undefined;
}
/** Figures over all threads. `allowed` and `refused` count since the state was made, the rest over the window. */
interface AdaptiveThrottleSnapshot extends CommonSnapshot<'throttle'> {
    readonly multiplier: number;
    readonly windowMs: number;
    readonly maxRefusalRate: number;
    /** Calls, those refused here among them. */
    readonly requests: number;
    /** Calls that the backend accepted. */
    readonly accepts: number;
    /** How likely the next call is refused. */
    readonly refusalRate: number;
    readonly allowed: number;
    readonly refused: number;
}
/**
 * Client-side throttling as in Google's SRE book: a call is refused here with probability max(0, (requests − multiplier × accepts) /
 * (requests + 1)), over the last `windowMs`. Unlike a breaker it never closes the door: it lets through about as much as is accepted.
 *
 * ```js
 * const throttle = new AdaptiveThrottle({ name: 'search' });
 * const found = await throttle.execute(() => search(query));
 * ```
 */
declare class AdaptiveThrottle implements Policy {
    #private;
    /**
     * @throws {InvalidOptionError} when an option is unknown, of the wrong type or out of range.
     * @throws {NameConflictError} when the name is in use with other options.
     */
    constructor(options?: AdaptiveThrottleOptions);
    /** An object on the throttle of this name, if one exists in the process; `isFailure` is the default. */
    static find(name: string): AdaptiveThrottle | undefined;
    /** Runs `fn` and counts whether it was accepted, or rejects with OverloadedError. */
    execute<T>(fn: (call: Call) => T, options?: ExecuteOptions): Promise<Awaited<T>>;
    /** `(...args) => execute(() => fn(...args))`, with `this` kept. @throws {InvalidOptionError} */
    wrap<This, Args extends unknown[], T>(fn: (this: This, ...args: Args) => T): (this: This, ...args: Args) => Promise<Awaited<T>>;
    /** A permit to make one call, to be left with what came of it; undefined refuses. @throws {DisposedError} */
    tryAcquire(): BreakerPermit | undefined;
    /** How likely the next call is refused, in 0..1. @throws {DisposedError} */
    get refusalRate(): number;
    /** New rules for all who share the throttle; what is not given stays. @throws {InvalidOptionError | DisposedError} */
    reconfigure(options: AdaptiveThrottleRules): void;
    /** Figures over all threads, safe to log. @throws {DisposedError} */
    snapshot(): AdaptiveThrottleSnapshot;
    /** Lets go of the throttle: later calls throw DisposedError; calls under way still count. A second call does nothing. */
    dispose(): void;
    [Symbol.dispose](): void;
}

/** Options of `timeout`. */
interface TimeoutOptions {
    /** Milliseconds: a number > 0. */
    readonly ms: number;
    /** Where the time is read. Default: the system's monotonic clock. */
    readonly clock?: ManualClock | undefined;
}
/**
 * A policy that rejects with TimeoutError when what is inside takes longer than `ms`, and aborts the `signal` of that call alone.
 * A result that comes after the deadline is late even where a blocked event loop kept the timer from firing; it goes to `onDiscard`.
 *
 * ```js
 * const fetched = await timeout({ ms: 500 }).execute(({ signal }) => fetch(url, { signal }));
 * ```
 * @throws {InvalidOptionError}
 */
declare function timeout(options: TimeoutOptions): Policy;

export { AdaptiveThrottle, BoundedQueue, BreakwaterError, Bulkhead, BulkheadFullError, Cache, CachedResponse, CircuitBreaker, CircuitOpenError, DisposedError, DrainingError, EventLoopMonitor, InvalidOptionError, LoadShedder, ManualClock, NameConflictError, NativeBindingError, OverloadedError, QueueClosedError, QueueFullError, QueueTimeoutError, RateLimitedError, RateLimiter, ReentrantLoadError, RefusedError, RetryBudget, Schema, SchemaError, TimeoutError, TokenBucket, ValidDocument, ValidationError, compareSchemas, fallback, hedge, keyed, list, pipeline, responseCodec, retry, timeout };
export type { Absent, AdaptiveConcurrency, AdaptiveThrottleOptions, AdaptiveThrottleRules, AdaptiveThrottleSnapshot, AltOf, Backoff, BesideOptions, BlockedEvent, BlockedLoop, BoundedQueueEvents, BoundedQueueOptions, BoundedQueueSnapshot, BreakBackoff, BreakerExport, BreakerPermit, BreakerReason, BreakerState, BreakerStateChange, BreakerThresholds, BulkheadAcquireOptions, BulkheadLimitChange, BulkheadLimits, BulkheadOptions, BulkheadPermit, BulkheadSnapshot, BulkheadTryOptions, BulkheadVerdict, CacheCodec, CacheOptions, CachePolicy, CacheRules, CacheSnapshot, Call, CircuitBreakerOptions, CircuitBreakerSnapshot, CodelOptions, CompareOptions, Cost, Decision, DocumentOf, ErrorDetails, EventLoopDelay, EventLoopMonitorOptions, EventLoopMonitorSnapshot, EvictReason, ExecuteOptions, ExponentialBackoff, FailureVerdict, FallbackOptions, GetOrLoadOptions, HedgeOptions, HedgedMessage, IsFailure, Issue, JsonSchema, Keyed, KeyedLimit, KeyedOptions, Kind, Limit, LimitDecision, LimitInForce, LineSource, LineVerdict, Load, LoadShedderBounds, LoadShedderOptions, LoadShedderSnapshot, LoadedMessage, Loader, ManualClockOptions, MemoryShare, NameInUse, NativeKind, Peeked, Policy, PopManyOptions, PopOptions, PriorityOptions, PushOptions, RateLimiterOptions, RateLimiterPolicyOptions, RateLimiterSnapshot, RefusedMessage, RetriedMessage, RetryBudgetOptions, RetryBudgetShares, RetryBudgetSnapshot, RetryEvent, RetryOptions, SchemaBreak, SchemaComparison, SchemaDraft, SchemaOptions, SchemaWords, SetOptions, ShedderMeasure, ShedderMeasures, Skipped, StandardOptions, StandardProps, StandardResult, StandardSchema, TimeoutOptions, TokenBucketOptions, TokenBucketPolicyOptions, TokenBucketSnapshot, TransformOptions, Validation, ValidationFailure, WaitOptions };
