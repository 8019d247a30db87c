/** TokenBucket: one bucket, shared by name with all worker threads of the process. */
import type { BucketFunctions, NativeLimit, Opened } from './binding.js';
import { publishRefused } from './channels.js';
import { clockOf, type ManualClock, type Timeline, timelineOfState } from './clock.js';
import { DisposedError, type ErrorDetails, RateLimitedError } from './errors.js';
import {
  type Admission,
  type Call,
  type ExecuteOptions,
  execute,
  isPromise,
  type Policy,
  wrap,
} from './execute.js';
import { collectWith, host, type Listener, listen, readMail, unlisten } from './host.js';
import { checkCount, checkName, checkShape, checkSignal, checkSpan, crossing, invalid } from './options.js';
import type { Timer } from './timers.js';
import { Waiters, type WaitOptions } from './waiters.js';

/**
 * How much and how fast: as `capacity` and `refillPerSecond`, or as `limit` and `windowMs` (capacity = limit, refill = limit per
 * window). The windowed form grants `limit` at once and `limit` per window on average: up to twice the limit within one window,
 * as a fixed window does across its edge.
 */
export type Limit =
  | {
      /** The most tokens the bucket holds: a whole number from 1 to 2^32. */
      readonly capacity: number;
      /** Tokens that flow in, per second: in (0, 1e9]. An empty bucket has to fill within 180 days. */
      readonly refillPerSecond: number;
      readonly limit?: undefined;
      readonly windowMs?: undefined;
    }
  | {
      /** Tokens per window, and the most the bucket holds: a whole number from 1 to 2^32. */
      readonly limit: number;
      /** Milliseconds in which an empty bucket fills: in (0, 180 days]. */
      readonly windowMs: number;
      readonly capacity?: undefined;
      readonly refillPerSecond?: undefined;
    };

/** Options of TokenBucket. */
export type TokenBucketOptions = Limit & {
  /** Tokens at the start, from 0 to the capacity. Default: full. */
  readonly initialTokens?: number | undefined;
  /** How many may wait in `acquire` at once, over all threads: a whole number from 0 to 1,000,000. @default 10000 */
  readonly maxWaiters?: number | undefined;
  /** One bucket for all worker threads that construct it with this name and these options: 1 to 128 characters. */
  readonly name?: string | undefined;
  /** Names the bucket in errors and snapshots, and shares nothing. */
  readonly label?: string | undefined;
  /** Decides, counts and publishes, but refuses nothing and waits for nothing. @default false */
  readonly dryRun?: boolean | undefined;
  /** Where the bucket reads the time. Default: the system's monotonic clock. */
  readonly clock?: ManualClock | undefined;
};

/** Figures over all threads. Counters count since the state was made. */
export interface TokenBucketSnapshot {
  readonly kind: 'bucket';
  readonly name: string | undefined;
  readonly label: string | undefined;
  readonly dryRun: boolean;
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
export interface TokenBucketPolicyOptions {
  /** Tokens a call takes: a whole number ≥ 0. Default 1. */
  readonly cost?: ((call: Call) => number) | undefined;
  /** The longest a call waits for its tokens, in milliseconds. @default 0 */
  readonly maxWaitMs?: number | undefined;
}

const LIMIT_SHAPES = {
  capacity: 'number',
  refillPerSecond: 'number',
  limit: 'number',
  windowMs: 'number',
} as const;

const SHAPES = {
  ...LIMIT_SHAPES,
  initialTokens: 'number',
  maxWaiters: 'number',
  name: 'string',
  label: 'string',
  dryRun: 'boolean',
  clock: 'object',
} as const;

/** A method may be called on anything: what is no TokenBucket is an InvalidOptionError. */
let checkThis: (bucket: TokenBucket) => TokenBucket;

/** What `find` passes to the constructor. */
class Found {
  readonly opened: Opened<BucketFunctions>;
  readonly name: string;

  constructor(opened: Opened<BucketFunctions>, name: string) {
    this.opened = opened;
    this.name = name;
  }
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
export class TokenBucket implements Policy {
  readonly #functions: BucketFunctions;
  readonly #take: () => boolean | undefined;
  readonly #handle: number;
  readonly #state: number;
  readonly #name: string | undefined;
  readonly #label: string | undefined;
  readonly #dryRun: boolean;
  readonly #timeline: Timeline;
  readonly #waiters = new Waiters();
  readonly #listener: Listener;
  #timer: Timer | undefined;

  /**
   * @throws {InvalidOptionError} when an option is unknown, of the wrong type or out of range.
   * @throws {NameConflictError} when the name is in use with other options.
   */
  constructor(options: TokenBucketOptions) {
    let opened: Opened<BucketFunctions>;
    if (options instanceof Found) {
      opened = options.opened;
      this.#name = options.name;
      this.#label = undefined;
      this.#timeline = timelineOfState(opened.clock);
    } else {
      const { name, label, dryRun, initialTokens, maxWaiters, clock } = checkShape('bucket', options, SHAPES);
      checkName('bucket', name);
      const { timeline, handle } = clockOf(clock);
      const { id, native } = host();
      opened = crossing('bucket', name ?? label, () =>
        native.openBucket(id, {
          limit: limitOf(options),
          initialTokens,
          maxWaiters,
          name,
          clock: handle,
          dryRun: dryRun ?? false,
        }),
      );
      this.#name = name;
      this.#label = label;
      this.#timeline = timeline;
    }
    this.#functions = opened.functions;
    this.#take = opened.functions.take;
    this.#handle = opened.handle;
    this.#dryRun = opened.dryRun;
    this.#state = opened.state;
    this.#listener = {
      onTicket: (ticket, granted) => this.#settle(ticket, granted),
      onReplan: () => this.#serve(),
    };
    collectWith(this, 'bucket', opened.handle);
  }

  /** An object on the bucket of this name, if one exists in the process. */
  static find(name: string): TokenBucket | undefined {
    if (typeof name !== 'string') throw invalid('bucket', 'name', 'a string', name);
    const { id, native } = host();
    const opened = native.findBucket(id, name);
    return opened === null ? undefined : new TokenBucket(new Found(opened, name) as never);
  }

  /**
   * Takes `tokens` (a whole number ≥ 0; 0 only asks) if they are there and nobody waits. A refusal consumes nothing; more than
   * the capacity is always refused.
   * @throws {InvalidOptionError | DisposedError}
   */
  tryAcquire(tokens = 1): boolean {
    const self = checkThis(this);
    if (tokens === 1) {
      const allowed = self.#take();
      return allowed === true || self.#refuse(allowed);
    }
    checkCount('bucket', 'tokens', tokens, self.#primitive);
    const allowed = self.#functions.takeMany(tokens);
    return allowed === true || self.#refuse(allowed);
  }

  /**
   * Takes `tokens` as soon as they are there, first come, first served over all threads.
   * Rejects at once with RateLimitedError if the wait would pass `maxWaitMs`, if `maxWaiters` wait already, or if `tokens` are
   * more than the capacity; with the signal's reason when aborted, and then the tokens go to the next; with DisposedError when
   * this object is disposed meanwhile.
   */
  acquire(tokens = 1, options: WaitOptions = {}): Promise<void> {
    try {
      const self = checkThis(this);
      checkShape('bucket', options, { signal: 'object', maxWaitMs: 'number' });
      const { signal, maxWaitMs = Number.POSITIVE_INFINITY } = options;
      checkCount('bucket', 'tokens', tokens, self.#primitive);
      checkSignal('bucket', signal, self.#primitive);
      checkSpan('bucket', 'maxWaitMs', maxWaitMs, self.#primitive);
      if (signal?.aborted) return Promise.reject(signal.reason);
      const admitted = self.#acquire(tokens, signal, maxWaitMs);
      if (admitted === undefined) return Promise.resolve();
      return isPromise(admitted) ? admitted : Promise.reject(admitted);
    } catch (error) {
      return Promise.reject(error);
    }
  }

  /** Puts `tokens` back, never past the capacity; who waits gets them first. @throws {InvalidOptionError | DisposedError} */
  refund(tokens: number): void {
    const self = checkThis(this);
    checkCount('bucket', 'tokens', tokens, self.#primitive);
    self.#live(self.#functions.refund(tokens));
    readMail();
  }

  /** Takes `tokens` away, into debt if need be. @throws {InvalidOptionError | DisposedError} */
  penalize(tokens: number): void {
    const self = checkThis(this);
    checkCount('bucket', 'tokens', tokens, self.#primitive);
    self.#live(self.#functions.penalize(tokens));
  }

  /**
   * Milliseconds until `tokens` could be taken, those who wait served first: 0 when now, Infinity when they are more than the
   * capacity.
   * @throws {InvalidOptionError | DisposedError}
   */
  retryAfterMs(tokens = 1): number {
    const self = checkThis(this);
    checkCount('bucket', 'tokens', tokens, self.#primitive);
    return self.#live(self.#functions.retryAfter(tokens));
  }

  /** Tokens now: fractional, negative in debt. @throws {DisposedError} */
  get available(): number {
    const self = checkThis(this);
    return self.#live(self.#functions.available());
  }

  /** Runs `fn` for one token, or rejects with RateLimitedError at once. */
  execute<T>(fn: (call: Call) => T, options?: ExecuteOptions): Promise<Awaited<T>> {
    return this.#execute(fn, options, undefined, 0);
  }

  /** `(...args) => execute(() => fn(...args))`, with `this` kept. */
  wrap<This, Args extends unknown[], T>(
    fn: (this: This, ...args: Args) => T,
  ): (this: This, ...args: Args) => Promise<Awaited<T>> {
    return wrap(this, fn);
  }

  /** This bucket as a policy with a cost for each call, or with a wait. @throws {InvalidOptionError} */
  policy(options: TokenBucketPolicyOptions = {}): Policy {
    const self = checkThis(this);
    checkShape('bucket', options, { cost: 'function', maxWaitMs: 'number' });
    const { cost, maxWaitMs = 0 } = options;
    checkSpan('bucket', 'maxWaitMs', maxWaitMs, self.#primitive);
    const policy: Policy = {
      execute: (fn, executeOptions) => self.#execute(fn, executeOptions, cost, maxWaitMs),
      wrap: (fn) => wrap(policy, fn),
    };
    return policy;
  }

  /**
   * New limits for all who share the bucket; what is not given stays. The bucket keeps its time until full, at most that of an
   * empty bucket of the new limits; who waits is served at the new rate.
   * @throws {InvalidOptionError | DisposedError}
   */
  reconfigure(options: {
    readonly capacity?: number | undefined;
    readonly refillPerSecond?: number | undefined;
  }): void {
    const self = checkThis(this);
    checkShape('bucket', options, { capacity: 'number', refillPerSecond: 'number' });
    self.#live(self.#functions.available());
    const { id, native } = host();
    crossing('bucket', self.#primitive, () => native.reconfigureBucket(id, self.#handle, limitOf(options)));
    readMail();
  }

  /** Figures over all threads, safe to log. @throws {DisposedError} */
  snapshot(): TokenBucketSnapshot {
    const self = checkThis(this);
    const { id, native } = host();
    const figures = self.#live(native.bucketSnapshot(id, self.#handle) ?? undefined);
    return { kind: 'bucket', name: self.#name, label: self.#label, dryRun: self.#dryRun, ...figures };
  }

  /**
   * Lets go of the bucket: who waits through this object rejects with DisposedError, later calls throw it. A name is free again
   * once every thread has let go of it. A second call does nothing.
   */
  dispose(): void {
    const self = checkThis(this);
    const error = (): DisposedError => self.#disposedError();
    for (const ticket of self.#waiters.rejectAll(error)) self.#functions.cancel(ticket);
    self.#rest();
    const { id, native } = host();
    native.dispose(id, 'bucket', self.#handle);
    readMail();
  }

  [Symbol.dispose](): void {
    this.dispose();
  }

  get #primitive(): string | undefined {
    return this.#name ?? this.#label;
  }

  get #details(): ErrorDetails {
    return { kind: 'bucket', primitive: this.#primitive };
  }

  static {
    checkThis = (bucket) => {
      if (typeof bucket === 'object' && bucket !== null && #take in bucket) return bucket;
      throw invalid('bucket', 'this', 'a TokenBucket', bucket);
    };
  }

  #execute<T>(
    fn: (call: Call) => T,
    options: ExecuteOptions | undefined,
    cost: ((call: Call) => number) | undefined,
    maxWaitMs: number,
  ): Promise<Awaited<T>> {
    const admit = (call: Call): Admission => {
      const tokens = cost === undefined ? 1 : cost(call);
      checkCount('bucket', 'cost', tokens, this.#primitive);
      // Nobody waits long enough to need the signal where nothing is to be waited for.
      return this.#acquire(tokens, maxWaitMs > 0 ? call.signal : undefined, maxWaitMs);
    };
    return execute({ timeline: this.#timeline, details: this.#details, admit }, fn, options);
  }

  /** Nothing when the tokens are taken at once. */
  #acquire(tokens: number, signal: AbortSignal | undefined, maxWaitMs: number): Admission {
    if (this.#dryRun) {
      this.#live(this.#functions.takeMany(tokens)) || this.#publishRefused();
      return undefined;
    }
    if (maxWaitMs === 0) {
      if (this.#live(this.#functions.takeMany(tokens))) return undefined;
      this.#publishRefused();
      return this.#refusal(this.#live(this.#functions.retryAfter(tokens)));
    }
    const answer = this.#live(this.#functions.acquire(tokens, maxWaitMs));
    if (answer === 0) return undefined;
    const { registers } = host();
    const [ms, ticket] = [registers[0] as number, registers[1] as number];
    if (answer === 2) {
      this.#publishRefused();
      return this.#refusal(ms);
    }
    if (this.#waiters.size === 0) listen(this.#state, this.#listener);
    const promise = this.#waiters.wait(ticket, signal, () => {
      this.#functions.cancel(ticket);
      readMail();
      this.#rest();
    });
    this.#arm(ms);
    return promise;
  }

  /** Not granted: false if that is a decision, an error if the object was disposed. */
  #refuse(allowed: boolean | undefined): boolean {
    this.#live(allowed);
    this.#publishRefused();
    return this.#dryRun;
  }

  #publishRefused(): void {
    publishRefused('bucket', this.#primitive, this.#dryRun);
  }

  #refusal(retryAfterMs: number): RateLimitedError {
    const when =
      retryAfterMs === Number.POSITIVE_INFINITY
        ? 'it never holds as many tokens'
        : `retry after ${retryAfterMs} ms`;
    return new RateLimitedError(`bucket${this.#quoted()} refused: ${when}`, {
      ...this.#details,
      retryAfterMs,
    });
  }

  #quoted(): string {
    return this.#primitive === undefined ? '' : ` "${this.#primitive}"`;
  }

  #disposedError(): DisposedError {
    return new DisposedError(`bucket${this.#quoted()} was disposed`, this.#details);
  }

  #live<T>(answer: T | undefined): T {
    if (answer === undefined) throw this.#disposedError();
    return answer;
  }

  /** One timer for when the head of the line is due. */
  #arm(ms: number): void {
    if (this.#timer !== undefined) {
      if (this.#timer.at <= this.#timeline.now() + ms) return;
      this.#timeline.cancel(this.#timer);
    }
    this.#timer = this.#timeline.after(ms, () => {
      this.#timer = undefined;
      this.#serve();
    });
  }

  #serve(): void {
    if (this.#waiters.size === 0) return;
    const next = this.#functions.serve() ?? -1;
    if (next >= 0) this.#arm(next);
    readMail();
  }

  #settle(ticket: number, granted: boolean): void {
    const settled = granted
      ? this.#waiters.resolve(ticket)
      : this.#waiters.reject(ticket, this.#refusal(Number.POSITIVE_INFINITY));
    if (!settled) return;
    this.#functions.settled(granted ? 1 : 0);
    this.#rest();
  }

  /** Nothing to wake for where nobody waits. */
  #rest(): void {
    if (this.#waiters.size > 0) return;
    unlisten(this.#state, this.#listener);
    if (this.#timer !== undefined) this.#timeline.cancel(this.#timer);
    this.#timer = undefined;
  }
}

function limitOf(options: {
  readonly capacity?: number | undefined;
  readonly refillPerSecond?: number | undefined;
  readonly limit?: number | undefined;
  readonly windowMs?: number | undefined;
}): NativeLimit {
  const { capacity, refillPerSecond, limit, windowMs } = options;
  return { capacity, refillPerSecond, limit, windowMs };
}
