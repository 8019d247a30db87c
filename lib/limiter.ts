/** RateLimiter: a token bucket per key, shared by name with all worker threads of the process. */
import { isUint8Array } from 'node:util/types';
import type { LimiterFunctions, NativeLimit } from './binding.js';
import type { Limit } from './bucket.js';
import type { Call } from './call.js';
import {
  type Decision,
  type LimitInForce,
  type NamedLimits,
  nameLimits,
  readDecision,
  versionOf,
} from './decision.js';
import { type Admission, admit, isPromise, type Policy, policyOf, refuse } from './execute.js';
import { host } from './host.js';
import { reportUse } from './in-use.js';
import { checkCount, checkShape, checkSignal, checkSpan, invalid } from './options.js';
import { COMMON_SHAPES, type CommonOptions, type CommonSnapshot, Primitive } from './primitive.js';
import type { Timer } from './timers.js';
import { Waiters, type WaitOptions } from './waiters.js';

/** A limit of a RateLimiter. */
export type KeyedLimit = Limit & {
  /** What a Decision calls it. Default: such as `'100-in-60s'`. */
  readonly label?: string | undefined;
};

/** Options of RateLimiter. */
export interface RateLimiterOptions extends CommonOptions {
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
export interface RateLimiterSnapshot extends CommonSnapshot<'limiter'> {
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
export type Cost = number | readonly number[];

/** How a limiter serves as a policy. */
export interface RateLimiterPolicyOptions {
  /** Whose bucket a call takes from. */
  readonly key: string | ((call: Call) => string);
  /** What a call costs. Default 1. */
  readonly cost?: ((call: Call) => Cost) | undefined;
  /** The longest a call waits, in milliseconds. @default 0 */
  readonly maxWaitMs?: number | undefined;
}

const SHAPES = {
  ...COMMON_SHAPES,
  limits: 'object',
  maxKeys: 'number',
  whenFull: 'string',
  maxWaiters: 'number',
} as const;

const NEVER = 'the cost is above the limit';

const LIMIT_SHAPES = {
  capacity: 'number',
  refillPerSecond: 'number',
  limit: 'number',
  windowMs: 'number',
  label: 'string',
} as const;

/** A method may be called on anything: what is no RateLimiter is an InvalidOptionError. */
let checkThis: (limiter: RateLimiter) => RateLimiter;

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
export class RateLimiter {
  readonly #primitive: Primitive<'limiter', LimiterFunctions>;
  readonly #functions: LimiterFunctions;
  readonly #pass: (key: string) => boolean | number | undefined;
  readonly #registers: Float64Array;
  readonly #waiters = new Waiters();
  readonly #timers = new Map<number, Timer>();
  #limits: NamedLimits | undefined;

  /**
   * @throws {InvalidOptionError} when an option is unknown, of the wrong type or out of range.
   * @throws {NameConflictError} when the name is in use with other options.
   */
  constructor(options: RateLimiterOptions) {
    this.#primitive = options instanceof Primitive ? options : this.#open(options);
    this.#functions = this.#primitive.functions;
    this.#pass = this.#functions.pass;
    this.#registers = host().registers;
    reportUse(this, () => this.#waiters.size > 0);
  }

  /** An object on the limiter of this name, if one exists in the process. */
  static find(name: string): RateLimiter | undefined {
    return Primitive.find(
      'limiter',
      name,
      (native, host) => native.findLimiter(host, name),
      (primitive) => new RateLimiter(primitive as never),
    );
  }

  /**
   * Charges `key`, if every limit has room for the cost; a refusal charges nothing.
   * @throws {InvalidOptionError | DisposedError}
   */
  tryAcquire(key: string, cost: Cost = 1): boolean {
    const self = checkThis(this);
    if (typeof key !== 'string') throw self.#badKey(key);
    const allowed = cost === 1 ? self.#pass(key) : self.#functions.passMany(key, self.#crossCost(cost));
    return allowed === true || self.#refuse(key, allowed);
  }

  /** Charges `key` as `tryAcquire` does, and says where it stands. @throws {InvalidOptionError | DisposedError} */
  consume(key: string, cost: Cost = 1): Decision {
    const self = checkThis(this);
    if (typeof key !== 'string') throw self.#badKey(key);
    const crossed = cost === 1 ? 1 : self.#crossCost(cost);
    const allowed = self.#functions.consume(key, crossed);
    self.#live(key, allowed);
    // Read before anyone hears of it: a subscriber that calls a limiter writes the registers.
    const decision = self.#decision(allowed === true || self.#primitive.dryRun);
    if (allowed !== true) self.#primitive.refused();
    return decision;
  }

  /** What `consume` would say, charging nothing. @throws {InvalidOptionError | DisposedError} */
  peek(key: string, cost: Cost = 1): Decision {
    const self = checkThis(this);
    if (typeof key !== 'string') throw self.#badKey(key);
    const allowed = self.#live(key, self.#functions.peek(key, self.#crossCost(cost)));
    return self.#decision(allowed === true || self.#primitive.dryRun);
  }

  /**
   * Charges `key`, and resolves when the charge is covered: callers of one key in the order in which they came.
   * Rejects at once with RateLimitedError if the wait would pass `maxWaitMs`, if `maxWaiters` wait already, or if the cost is
   * above a capacity; with the signal's reason when aborted, and then the charge is given back but for what later callers have
   * built on; with DisposedError when this object is disposed meanwhile.
   */
  acquire(key: string, cost: Cost = 1, options: WaitOptions = {}): Promise<void> {
    try {
      const self = checkThis(this);
      if (typeof key !== 'string') throw self.#badKey(key);
      const own = checkShape('limiter', options, { signal: 'object', maxWaitMs: 'number' });
      const { signal, maxWaitMs = Number.POSITIVE_INFINITY } = own;
      checkSignal('limiter', signal, self.#primitive.word);
      checkSpan('limiter', 'maxWaitMs', maxWaitMs, self.#primitive.word);
      const admitted = self.#acquire(key, cost, signal, maxWaitMs);
      if (admitted === undefined) return Promise.resolve();
      return isPromise(admitted) ? admitted : refuse(admitted);
    } catch (error) {
      return Promise.reject(error);
    }
  }

  /** Gives a cost back, never past a capacity. A block holds all the same. @throws {InvalidOptionError | DisposedError} */
  refund(key: string, cost: Cost = 1): void {
    const self = checkThis(this);
    if (typeof key !== 'string') throw self.#badKey(key);
    self.#live(key, self.#functions.refund(key, self.#crossCost(cost)));
  }

  /** Charges a cost whether or not there is room: into debt if need be. @throws {InvalidOptionError | DisposedError} */
  penalize(key: string, cost: Cost = 1): void {
    const self = checkThis(this);
    if (typeof key !== 'string') throw self.#badKey(key);
    self.#live(key, self.#functions.penalize(key, self.#crossCost(cost)));
  }

  /**
   * Refuses `key` for `ms` milliseconds, in (0, 180 days], whatever it has left or is given back. Of two blocks the longer holds;
   * only `reset` ends one.
   * @throws {InvalidOptionError | DisposedError}
   */
  block(key: string, ms: number): void {
    const self = checkThis(this);
    if (typeof key !== 'string') throw self.#badKey(key);
    const answer = typeof ms === 'number' ? self.#functions.block(key, ms) : -2;
    if (answer === -2) {
      throw invalid(
        'limiter',
        'ms',
        'a number of milliseconds in (0, 15552000000]',
        ms,
        self.#primitive.word,
      );
    }
    self.#live(key, answer);
  }

  /** Forgets `key`: what it owes and its block. @throws {InvalidOptionError | DisposedError} */
  reset(key: string): void {
    const self = checkThis(this);
    if (typeof key !== 'string') throw self.#badKey(key);
    self.#live(key, self.#functions.reset(key));
  }

  /** Keys that have a place; those that became idle count until their place is needed. @throws {DisposedError} */
  get size(): number {
    const self = checkThis(this);
    return self.#primitive.live(self.#functions.size());
  }

  /** The limits in force. @throws {DisposedError} */
  get limits(): readonly LimitInForce[] {
    return checkThis(this).#limitsInForce();
  }

  /** This limiter as a policy: whose bucket a call takes from, what it costs, and how long it waits. @throws {InvalidOptionError} */
  policy(options: RateLimiterPolicyOptions): Policy {
    const self = checkThis(this);
    const { key, ...others } = checkShape('limiter', options, {
      key: keyShape(options),
      cost: 'function',
      maxWaitMs: 'number',
    });
    if (key === undefined)
      throw invalid('limiter', 'key', 'a string or a function', key, self.#primitive.word);
    const { cost, maxWaitMs = 0 } = others;
    checkSpan('limiter', 'maxWaitMs', maxWaitMs, self.#primitive.word);
    const { timeline, details } = self.#primitive;
    return policyOf({
      timeline,
      details,
      run: (scope, next) => {
        const whose = typeof key === 'function' ? key(scope) : key;
        if (typeof whose !== 'string') throw self.#badKey(whose);
        const charged = cost === undefined ? 1 : cost(scope);
        const signal = maxWaitMs > 0 && scope.guarded ? scope.signal : undefined;
        // Asked here too: the functions may have aborted their own call.
        scope.throwIfEnded();
        const admitted = self.#acquire(whose, charged, signal, maxWaitMs);
        return admit(admitted, scope, next, () => self.refund(whose, charged));
      },
    });
  }

  /**
   * New limits for all who share the limiter, as many as there were. Each key keeps its time until full, at most that of an empty
   * bucket of the new limits.
   * @throws {InvalidOptionError | DisposedError}
   */
  reconfigure(options: { readonly limits: KeyedLimit | readonly KeyedLimit[] }): void {
    const self = checkThis(this);
    const own = checkShape('limiter', options, { limits: 'object' });
    const limits = limitsOf(own.limits);
    self.#primitive.cold((native, host, handle) => native.reconfigureLimiter(host, handle, limits) || null);
  }

  /** All live keys as bytes, by their hashes: to carry them over a restart. @throws {DisposedError} */
  export(): Uint8Array {
    const self = checkThis(this);
    return self.#primitive.cold((native, host, handle) => native.exportLimiter(host, handle));
  }

  /**
   * Takes over what `export` gave, less the time between. False, and nothing changes, if this limiter has counted a key already,
   * or has another number of limits or another maxKeys.
   * @throws {InvalidOptionError} when `bytes` are not what `export` gave. @throws {DisposedError}
   */
  restore(bytes: Uint8Array): boolean {
    const self = checkThis(this);
    if (!isUint8Array(bytes)) throw invalid('limiter', 'bytes', 'a Uint8Array', bytes, self.#primitive.word);
    // Copied: memory that other threads can write must not change while it is read.
    const copy = Uint8Array.from(bytes);
    return self.#primitive.cold((native, host, handle) => native.restoreLimiter(host, handle, copy));
  }

  /** Figures over all threads, safe to log. @throws {DisposedError} */
  snapshot(): RateLimiterSnapshot {
    const self = checkThis(this);
    const figures = self.#primitive.cold((native, host, handle) => native.limiterSnapshot(host, handle));
    return { ...self.#primitive.common(), limits: self.#limitsInForce(), ...figures };
  }

  /**
   * Lets go of the limiter: who waits through this object rejects with DisposedError, later calls throw it. A name is free again
   * once every thread has let go of it. A second call does nothing.
   */
  dispose(): void {
    const self = checkThis(this);
    for (const ticket of self.#waiters.rejectAll(() => self.#primitive.disposedError())) {
      self.#functions.cancel(ticket);
      self.#endTimer(ticket);
    }
    self.#primitive.dispose();
  }

  [Symbol.dispose](): void {
    checkThis(this).dispose();
  }

  static {
    checkThis = (limiter) => {
      if (typeof limiter === 'object' && limiter !== null && #pass in limiter) return limiter;
      throw invalid('limiter', 'this', 'a RateLimiter', limiter);
    };
  }

  #open(options: RateLimiterOptions): Primitive<'limiter', LimiterFunctions> {
    const own = checkShape('limiter', options, SHAPES);
    const { maxKeys, whenFull, maxWaiters } = own;
    if (whenFull !== undefined && whenFull !== 'admit' && whenFull !== 'limit') {
      throw invalid('limiter', 'whenFull', "'admit' or 'limit'", whenFull);
    }
    const limits = limitsOf(own.limits);
    return Primitive.open(this, 'limiter', own, (native, host, common) =>
      native.openLimiter(host, { ...common, limits, maxKeys, whenFull, maxWaiters }),
    );
  }

  /** Nothing when the charge is covered at once. */
  #acquire(key: string, cost: Cost, signal: AbortSignal | undefined, maxWaitMs: number): Admission {
    if (signal?.aborted) throw signal.reason;
    const crossed = this.#crossCost(cost);
    const primitive = this.#primitive;
    if (primitive.dryRun) {
      if (this.#live(key, this.#functions.passMany(key, crossed)) !== true) primitive.refused();
      return undefined;
    }
    const answer = this.#live(key, this.#functions.reserve(key, crossed, maxWaitMs));
    if (answer === 0) return undefined;
    if (answer === 2) {
      // Read before anyone hears of it: a subscriber that calls a limiter writes the registers.
      const { retryAfterMs } = this.#decision(false);
      primitive.refused();
      return primitive.refusal(retryAfterMs, NEVER);
    }
    const [ms, ticket] = [this.#registers[0] as number, this.#registers[1] as number];
    const promise = this.#waiters.wait(ticket, signal, () => {
      this.#functions.cancel(ticket);
      this.#endTimer(ticket);
    });
    this.#startTimer(ticket, ms);
    return promise;
  }

  #startTimer(ticket: number, ms: number): void {
    const arrive = (): void => {
      this.#timers.delete(ticket);
      const blocked = this.#functions.arrive(ticket);
      if (blocked > 0) this.#startTimer(ticket, blocked);
      else this.#waiters.resolve(ticket);
    };
    this.#timers.set(ticket, this.#primitive.timeline.after(ms, arrive));
  }

  #endTimer(ticket: number): void {
    const timer = this.#timers.get(ticket);
    if (timer === undefined) return;
    this.#timers.delete(ticket);
    this.#primitive.timeline.cancel(timer);
  }

  /** Reads the verdict that the last native call left in the registers. */
  #decision(allowed: boolean): Decision {
    return readDecision(this.#registers, allowed, this.#limitsOf(versionOf(this.#registers)));
  }

  /** The limits in force, the same array until they change. */
  #limitsInForce(): readonly LimitInForce[] {
    return this.#limitsOf(this.#primitive.live(this.#functions.version()));
  }

  #limitsOf(version: number): readonly LimitInForce[] {
    if (this.#limits?.version !== version) {
      this.#limits = nameLimits(
        this.#primitive.cold((native, host, handle) => native.limiterLimits(host, handle)),
      );
    }
    return this.#limits.limits;
  }

  /** Not granted: false if that is a decision (true in a dry run), an error if it is none. */
  #refuse(key: string, allowed: boolean | number | undefined): boolean {
    this.#live(key, allowed);
    return this.#primitive.refused();
  }

  /** A cost as the binding takes it: a number, or NaN with one for each limit in the registers. */
  #crossCost(cost: Cost): number {
    if (typeof cost === 'number') {
      checkCount('limiter', 'cost', cost, this.#primitive.word);
      return cost;
    }
    const limits = this.#limitsInForce();
    if (!Array.isArray(cost) || cost.length !== limits.length) {
      throw invalid(
        'limiter',
        'cost',
        `a number or an array of ${limits.length}`,
        cost,
        this.#primitive.word,
      );
    }
    for (const [index, one] of cost.entries())
      checkCount('limiter', `cost[${index}]`, one, this.#primitive.word);
    for (const [index, one] of cost.entries()) this.#registers[index] = one;
    return Number.NaN;
  }

  #badKey(key: unknown): Error {
    return invalid('limiter', 'key', 'a string of at most 64 KiB of UTF-8', key, this.#primitive.word);
  }

  #live<T>(key: string, answer: T | -1 | -2 | undefined): T {
    if (answer === -1) throw this.#badKey(key);
    return this.#primitive.live(answer) as T;
  }
}

function keyShape(options: RateLimiterPolicyOptions): 'string' | 'function' {
  return typeof options?.key === 'function' ? 'function' : 'string';
}

function limitsOf(limits: KeyedLimit | readonly KeyedLimit[]): NativeLimit[] {
  const all = Array.isArray(limits) ? (limits as readonly KeyedLimit[]) : [limits as KeyedLimit];
  return all.map((one, index) => {
    const { capacity, refillPerSecond, limit, windowMs, label } = checkShape(
      'limiter',
      one,
      LIMIT_SHAPES,
      `limits[${index}]`,
    );
    return { capacity, refillPerSecond, limit, windowMs, label };
  });
}
