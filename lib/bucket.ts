/** TokenBucket: one bucket, shared by name with all worker threads of the process. */
import type { BucketFunctions, NativeLimit } from './binding.js';
import type { Call, ExecuteOptions } from './call.js';
import { loopTime } from './clock.js';
import type { RefusedError } from './errors.js';
import {
  type Admission,
  admit,
  execute,
  isPromise,
  type Layer,
  type Policy,
  policyOf,
  refuse,
  register,
  wrap,
} from './execute.js';
import { host, keepAlive, type Listener, listen, readMail, unlisten } from './host.js';
import { reportUse } from './in-use.js';
import { checkCount, checkShape, checkSignal, checkSpan, invalid } from './options.js';
import { COMMON_SHAPES, type CommonOptions, type CommonSnapshot, Primitive } from './primitive.js';
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
export type TokenBucketOptions = CommonOptions &
  Limit & {
    /** Tokens at the start, from 0 to the capacity. Default: full. */
    readonly initialTokens?: number | undefined;
    /** How many may wait in `acquire` at once, over all threads: a whole number from 0 to 1,000,000. @default 10000 */
    readonly maxWaiters?: number | undefined;
  };

/** Figures over all threads. Counters count since the state was made. */
export interface TokenBucketSnapshot extends CommonSnapshot<'bucket'> {
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

const SHAPES = { ...COMMON_SHAPES, ...LIMIT_SHAPES, initialTokens: 'number', maxWaiters: 'number' } as const;

const NEVER = 'it never holds as many tokens';

/** A method may be called on anything: what is no TokenBucket is an InvalidOptionError. */
let checkThis: (bucket: TokenBucket) => TokenBucket;

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
  readonly #primitive: Primitive<'bucket', BucketFunctions>;
  readonly #functions: BucketFunctions;
  readonly #take: () => boolean | undefined;
  readonly #layer: Layer;
  readonly #waiters = new Waiters();
  readonly #listener: Listener = {
    onTicket: (ticket, fate) => this.#settle(ticket, fate === 'served'),
    onReplan: () => this.#serve(),
  };
  #timer: Timer | undefined;
  #awaitsMail = false;

  /**
   * @throws {InvalidOptionError} when an option is unknown, of the wrong type or out of range.
   * @throws {NameConflictError} when the name is in use with other options.
   */
  constructor(options: TokenBucketOptions) {
    this.#primitive = options instanceof Primitive ? options : this.#open(options);
    this.#functions = this.#primitive.functions;
    this.#take = this.#functions.take;
    this.#layer = this.#layerFor();
    register(this, this.#layer);
    reportUse(this, () => this.#waiters.size > 0);
  }

  /** An object on the bucket of this name, if one exists in the process. */
  static find(name: string): TokenBucket | undefined {
    return Primitive.find(
      'bucket',
      name,
      (native, host) => native.findBucket(host, name),
      (primitive) => new TokenBucket(primitive as never),
    );
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
    checkCount('bucket', 'tokens', tokens, self.#primitive.word);
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
      const own = checkShape('bucket', options, { signal: 'object', maxWaitMs: 'number' });
      const { signal, maxWaitMs = Number.POSITIVE_INFINITY } = own;
      checkCount('bucket', 'tokens', tokens, self.#primitive.word);
      checkSignal('bucket', signal, self.#primitive.word);
      checkSpan('bucket', 'maxWaitMs', maxWaitMs, self.#primitive.word);
      const admitted = self.#acquire(tokens, signal, maxWaitMs);
      if (admitted === undefined) return Promise.resolve();
      return isPromise(admitted) ? admitted : refuse(admitted);
    } catch (error) {
      return Promise.reject(error);
    }
  }

  /** Puts `tokens` back, never past the capacity; who waits gets them first. @throws {InvalidOptionError | DisposedError} */
  refund(tokens: number): void {
    const self = checkThis(this);
    checkCount('bucket', 'tokens', tokens, self.#primitive.word);
    self.#primitive.live(self.#functions.refund(tokens));
    readMail();
  }

  /** Takes `tokens` away, into debt if need be. @throws {InvalidOptionError | DisposedError} */
  penalize(tokens: number): void {
    const self = checkThis(this);
    checkCount('bucket', 'tokens', tokens, self.#primitive.word);
    self.#primitive.live(self.#functions.penalize(tokens));
  }

  /**
   * Milliseconds until `tokens` could be taken, those who wait served first: 0 when now, Infinity when they are more than the
   * capacity.
   * @throws {InvalidOptionError | DisposedError}
   */
  retryAfterMs(tokens = 1): number {
    const self = checkThis(this);
    checkCount('bucket', 'tokens', tokens, self.#primitive.word);
    return self.#primitive.live(self.#functions.retryAfter(tokens));
  }

  /** Tokens now: fractional, negative in debt. @throws {DisposedError} */
  get available(): number {
    const self = checkThis(this);
    return self.#primitive.live(self.#functions.available());
  }

  /** Runs `fn` for one token, or rejects with RateLimitedError at once. */
  execute<T>(fn: (call: Call) => T, options?: ExecuteOptions): Promise<Awaited<T>> {
    try {
      return execute(checkThis(this).#layer, fn, options);
    } catch (error) {
      return Promise.reject(error);
    }
  }

  /** `(...args) => execute(() => fn(...args))`, with `this` kept. @throws {InvalidOptionError} */
  wrap<This, Args extends unknown[], T>(
    fn: (this: This, ...args: Args) => T,
  ): (this: This, ...args: Args) => Promise<Awaited<T>> {
    const self = checkThis(this);
    return wrap(self, fn, self.#primitive.details);
  }

  /** This bucket as a policy with a cost for each call, or with a wait. @throws {InvalidOptionError} */
  policy(options: TokenBucketPolicyOptions = {}): Policy {
    const self = checkThis(this);
    const own = checkShape('bucket', options, { cost: 'function', maxWaitMs: 'number' });
    const { cost, maxWaitMs = 0 } = own;
    checkSpan('bucket', 'maxWaitMs', maxWaitMs, self.#primitive.word);
    return policyOf(self.#layerFor(cost, maxWaitMs));
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
    const own = checkShape('bucket', options, { capacity: 'number', refillPerSecond: 'number' });
    self.#primitive.cold(
      (native, host, handle) => native.reconfigureBucket(host, handle, limitOf(own)) || null,
    );
    readMail();
  }

  /** Figures over all threads, safe to log. @throws {DisposedError} */
  snapshot(): TokenBucketSnapshot {
    const self = checkThis(this);
    const figures = self.#primitive.cold((native, host, handle) => native.bucketSnapshot(host, handle));
    return { ...self.#primitive.common(), ...figures };
  }

  /**
   * Lets go of the bucket: who waits through this object rejects with DisposedError, later calls throw it. A name is free again
   * once every thread has let go of it. A second call does nothing.
   */
  dispose(): void {
    const self = checkThis(this);
    const error = (): unknown => self.#primitive.disposedError();
    for (const ticket of self.#waiters.rejectAll(error)) self.#functions.cancel(ticket);
    self.#rest();
    self.#primitive.dispose();
    readMail();
  }

  [Symbol.dispose](): void {
    checkThis(this).dispose();
  }

  static {
    checkThis = (bucket) => {
      if (typeof bucket === 'object' && bucket !== null && #take in bucket) return bucket;
      throw invalid('bucket', 'this', 'a TokenBucket', bucket);
    };
  }

  /** One token at once, or what the options of `policy` say. */
  #layerFor(cost?: (call: Call) => number, maxWaitMs = 0): Layer {
    const { timeline, details, word } = this.#primitive;
    return {
      timeline,
      details,
      run: (scope, next) => {
        if (cost === undefined && maxWaitMs === 0) {
          const taken = this.#take();
          if (taken === true) return next(scope);
          const refusal = this.#decided(taken, 1);
          return refusal === undefined ? next(scope) : refuse(refusal);
        }
        const tokens = cost === undefined ? 1 : cost(scope);
        checkCount('bucket', 'cost', tokens, word);
        // Nobody waits long enough to need the signal where nothing is to be waited for.
        const signal = maxWaitMs > 0 && scope.guarded ? scope.signal : undefined;
        // Asked here too: the cost function may have aborted its own call.
        scope.throwIfEnded();
        return admit(this.#acquire(tokens, signal, maxWaitMs), scope, next, () => this.refund(tokens));
      },
    };
  }

  #open(options: TokenBucketOptions): Primitive<'bucket', BucketFunctions> {
    const own = checkShape('bucket', options, SHAPES);
    const { initialTokens, maxWaiters } = own;
    return Primitive.open(this, 'bucket', own, (native, host, common) =>
      native.openBucket(host, { ...common, limit: limitOf(own), initialTokens, maxWaiters }),
    );
  }

  /** Nothing when the tokens are taken at once. */
  #acquire(tokens: number, signal: AbortSignal | undefined, maxWaitMs: number): Admission {
    if (signal?.aborted) throw signal.reason;
    const primitive = this.#primitive;
    if (maxWaitMs === 0 || primitive.dryRun) {
      return this.#decided(this.#functions.takeMany(tokens), tokens);
    }
    const answer = primitive.live(this.#functions.acquire(tokens, maxWaitMs));
    if (answer === 0) return undefined;
    const [ms, ticket] = host().registers as unknown as [number, number];
    if (answer === 2) {
      primitive.refused();
      return primitive.refusal(ms, NEVER);
    }
    if (this.#waiters.size === 0) {
      listen(primitive.state, this.#listener);
      // Another thread may serve those who wait here, and then there is no timer until its mail comes.
      this.#awaitsMail = primitive.timeline === loopTime;
      if (this.#awaitsMail) keepAlive(1);
    }
    const promise = this.#waiters.wait(ticket, signal, () => {
      this.#functions.cancel(ticket);
      readMail();
      this.#rest();
    });
    this.#arm(ms);
    return promise;
  }

  /** What comes of tokens that are given at once or not at all. */
  #decided(allowed: boolean | undefined, tokens: number): RefusedError | undefined {
    const primitive = this.#primitive;
    if (primitive.live(allowed)) return undefined;
    if (primitive.refused()) return undefined;
    return primitive.refusal(primitive.live(this.#functions.retryAfter(tokens)), NEVER);
  }

  /** Not granted: false if that is a decision (true in a dry run), an error if the object was disposed. */
  #refuse(allowed: boolean | undefined): boolean {
    this.#primitive.live(allowed);
    return this.#primitive.refused();
  }

  /** One timer for when the head of the line is due. */
  #arm(ms: number): void {
    const { timeline } = this.#primitive;
    if (this.#timer !== undefined) {
      if (this.#timer.at <= timeline.now() + ms) return;
      timeline.cancel(this.#timer);
    }
    this.#timer = timeline.after(ms, () => {
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
    // Mail goes to all objects on the state: the ticket may be another's.
    if (!this.#waiters.has(ticket)) return;
    if (granted) this.#waiters.resolve(ticket);
    else {
      this.#primitive.refused();
      this.#waiters.reject(ticket, this.#primitive.refusal(Number.POSITIVE_INFINITY, NEVER));
    }
    this.#functions.settled(granted ? 1 : 0);
    this.#rest();
  }

  /** Nothing to wake for where nobody waits. */
  #rest(): void {
    if (this.#waiters.size > 0) return;
    unlisten(this.#primitive.state, this.#listener);
    if (this.#awaitsMail) keepAlive(-1);
    this.#awaitsMail = false;
    if (this.#timer !== undefined) this.#primitive.timeline.cancel(this.#timer);
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
