/** AdaptiveThrottle: refuses here what an overloaded backend would refuse anyway, one for all worker threads that share its name. */
import type { ThrottleFunctions } from './binding.js';
import type { Call, ExecuteOptions } from './call.js';
import { OverloadedError } from './errors.js';
import { execute, type Policy, register, wrap } from './execute.js';
import { reportUse } from './in-use.js';
import { type BreakerPermit, IGNORE, type IsFailure, Judge, SUCCESS } from './judge.js';
import { checkShape, invalid } from './options.js';
import { COMMON_SHAPES, type CommonOptions, type CommonSnapshot, Primitive } from './primitive.js';

/** What may be changed with `reconfigure`. */
export interface AdaptiveThrottleRules {
  /** How many calls go out for each that is accepted, before calls are refused here: from 1 to 100. @default 2 */
  readonly multiplier?: number | undefined;
  /** The most likely a refusal gets, in [0, 1): some calls have to go out, or nothing is ever known again. @default 0.9 */
  readonly maxRefusalRate?: number | undefined;
}

/** Options of AdaptiveThrottle. */
export interface AdaptiveThrottleOptions extends CommonOptions, AdaptiveThrottleRules {
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
export interface AdaptiveThrottleSnapshot extends CommonSnapshot<'throttle'> {
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

const RULE_SHAPES = { multiplier: 'number', maxRefusalRate: 'number' } as const;
const SHAPES = {
  ...COMMON_SHAPES,
  ...RULE_SHAPES,
  windowMs: 'number',
  isFailure: 'function',
  seed: 'number',
} as const;

/** A method may be called on anything: what is no AdaptiveThrottle is an InvalidOptionError. */
let checkThis: (throttle: AdaptiveThrottle) => AdaptiveThrottle;

/**
 * Client-side throttling as in Google's SRE book: a call is refused here with probability max(0, (requests − multiplier × accepts) /
 * (requests + 1)), over the last `windowMs`. Unlike a breaker it never closes the door: it lets through about as much as is accepted.
 *
 * ```js
 * const throttle = new AdaptiveThrottle({ name: 'search' });
 * const found = await throttle.execute(() => search(query));
 * ```
 */
export class AdaptiveThrottle implements Policy {
  readonly #primitive: Primitive<'throttle', ThrottleFunctions>;
  readonly #functions: ThrottleFunctions;
  readonly #judge: Judge;

  /**
   * @throws {InvalidOptionError} when an option is unknown, of the wrong type or out of range.
   * @throws {NameConflictError} when the name is in use with other options.
   */
  constructor(options: AdaptiveThrottleOptions = {}) {
    const found = options instanceof Primitive;
    const own = found ? {} : checkShape('throttle', options, SHAPES);
    const primitive = found
      ? (options as Primitive<'throttle', ThrottleFunctions>)
      : this.#open(own as AdaptiveThrottleOptions);
    this.#primitive = primitive;
    const { functions, timeline, details } = primitive;
    this.#functions = functions;
    this.#judge = new Judge({
      timeline,
      details,
      isFailure: (own as AdaptiveThrottleOptions).isFailure,
      shares: () => true,
      enter: () => primitive.live(functions.enter()),
      since: () => 0,
      ignoresRefusal: () => primitive.refused(),
      refusal: () => (primitive.refused() ? undefined : this.#refusal()),
      successOf: (token) => () => functions.accept(token),
      leave: (token, _since, verdict) => {
        if (verdict === SUCCESS) functions.accept(token);
        else if (verdict === IGNORE) functions.ignore(token);
      },
    });
    register(this, this.#judge);
    reportUse(this, () => this.#judge.held > 0);
  }

  /** An object on the throttle of this name, if one exists in the process; `isFailure` is the default. */
  static find(name: string): AdaptiveThrottle | undefined {
    return Primitive.find(
      'throttle',
      name,
      (native, host) => native.findThrottle(host, name),
      (primitive) => new AdaptiveThrottle(primitive as never),
    );
  }

  /** Runs `fn` and counts whether it was accepted, or rejects with OverloadedError. */
  execute<T>(fn: (call: Call) => T, options?: ExecuteOptions): Promise<Awaited<T>> {
    try {
      return execute(checkThis(this).#judge, fn, options);
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

  /** A permit to make one call, to be left with what came of it; undefined refuses. @throws {DisposedError} */
  tryAcquire(): BreakerPermit | undefined {
    return checkThis(this).#judge.permit();
  }

  /** How likely the next call is refused, in 0..1. @throws {DisposedError} */
  get refusalRate(): number {
    const self = checkThis(this);
    return self.#primitive.live(self.#functions.refusalRate());
  }

  /** New rules for all who share the throttle; what is not given stays. @throws {InvalidOptionError | DisposedError} */
  reconfigure(options: AdaptiveThrottleRules): void {
    const self = checkThis(this);
    const own = checkShape('throttle', options, RULE_SHAPES);
    self.#primitive.cold((native, host, handle) => native.reconfigureThrottle(host, handle, own) || null);
  }

  /** Figures over all threads, safe to log. @throws {DisposedError} */
  snapshot(): AdaptiveThrottleSnapshot {
    const self = checkThis(this);
    const figures = self.#primitive.cold((native, host, handle) => native.throttleSnapshot(host, handle));
    return { ...self.#primitive.common(), ...figures };
  }

  /** Lets go of the throttle: later calls throw DisposedError; calls under way still count. A second call does nothing. */
  dispose(): void {
    checkThis(this).#primitive.dispose();
  }

  [Symbol.dispose](): void {
    checkThis(this).dispose();
  }

  static {
    checkThis = (throttle) => {
      if (typeof throttle === 'object' && throttle !== null && #judge in throttle) return throttle;
      throw invalid('throttle', 'this', 'an AdaptiveThrottle', throttle);
    };
  }

  #open(own: AdaptiveThrottleOptions): Primitive<'throttle', ThrottleFunctions> {
    const { multiplier, windowMs, maxRefusalRate, seed } = own;
    return Primitive.open(this, 'throttle', own, (native, host, common) =>
      native.openThrottle(host, { ...common, multiplier, windowMs, maxRefusalRate, seed }),
    );
  }

  #refusal(): OverloadedError {
    const { subject, details } = this.#primitive;
    return new OverloadedError(`${subject} refused: the backend refuses most of what it gets`, details);
  }
}
