/** CircuitBreaker: refuses calls to a dependency that fails, one state for all worker threads that share its name. */
import type { BreakerFunctions } from './binding.js';
import {
  type BreakerThresholds,
  type CircuitBreakerOptions,
  SHAPES,
  THRESHOLD_SHAPES,
  thresholdsOf,
  windowOf,
} from './breaker-options.js';
import type { Call, ExecuteOptions } from './call.js';
import { loopTime } from './clock.js';
import { CircuitOpenError } from './errors.js';
import { Ending, NumberedEvents } from './events.js';
import { execute, type Policy, register, wrap } from './execute.js';
import { changed, host, type Listener, listen, unlisten } from './host.js';
import { reportUse } from './in-use.js';
import { type BreakerPermit, FAILURE, Judge, SUCCESS } from './judge.js';
import { checkShape, invalid } from './options.js';
import { type CommonSnapshot, Primitive } from './primitive.js';

/** What a call meets. */
export type BreakerState = 'closed' | 'open' | 'halfOpen' | 'isolated' | 'disabled';

const STATES: readonly BreakerState[] = ['closed', 'open', 'halfOpen', 'isolated', 'disabled'];
const OPEN = 1;

/** What the native part is asked. */
const [FORETELL, STATE, WAIT, OVERLAY, FORCE_OPEN, RESET, GENERATION, CHANGES] = [
  0, 1, 2, 3, 4, 5, 6, 7,
] as const;

/** Why the state changed: a rule, a result that said so, the break being over, the probes, somebody's hand. */
export type BreakerReason =
  | 'failureRate'
  | 'slowCallRate'
  | 'consecutiveFailures'
  | 'result'
  | 'forced'
  | 'elapsed'
  | 'recovered'
  | 'reset'
  | 'isolated'
  | 'disabled'
  | 'released'
  | 'restored';

const REASONS: readonly BreakerReason[] = [
  'failureRate',
  'slowCallRate',
  'consecutiveFailures',
  'result',
  'forced',
  'elapsed',
  'recovered',
  'reset',
  'isolated',
  'disabled',
  'released',
  'restored',
];

/** A change of what calls meet. */
export interface BreakerStateChange {
  readonly from: BreakerState;
  readonly to: BreakerState;
  readonly reason: BreakerReason;
  /** Milliseconds until a call may pass; Infinity where somebody has to let go of it. */
  readonly retryAfterMs: number;
  /** The number of the change, from 1: the same in every thread. */
  readonly generation: number;
}

/** Figures over all threads. Counters count since the state was made. */
export interface CircuitBreakerSnapshot extends CommonSnapshot<'breaker'> {
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
export interface BreakerExport {
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

/** A method may be called on anything: what is no CircuitBreaker is an InvalidOptionError. */
let checkThis: (breaker: CircuitBreaker) => CircuitBreaker;

/** An object on state that was found by name. */
class Found {
  readonly primitive: Primitive<'breaker', BreakerFunctions>;

  constructor(primitive: Primitive<'breaker', BreakerFunctions>) {
    this.primitive = primitive;
  }
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
export class CircuitBreaker implements Policy {
  readonly #primitive: Primitive<'breaker', BreakerFunctions>;
  readonly #functions: BreakerFunctions;
  readonly #registers: Float64Array;
  readonly #messages: Readonly<Record<CircuitOpenError['state'], string>>;
  readonly #judge: Judge;
  // Made when first used: most breakers, one of many for many hosts, need neither.
  #events: NumberedEvents<BreakerStateChange> | undefined;
  #overlays: Set<Ending> | undefined;
  /** The token that every call gets, where only this thread can change that; 0: none. */
  #closed = 0;
  /** Until when every call is refused, where only this thread can change that. */
  #openUntil = 0;
  /** Calls refused without asking the native part, and for how long the last one was. */
  #refused = 0;
  #leftMs = 0;

  /**
   * @throws {InvalidOptionError} when an option is unknown, of the wrong type or out of range.
   * @throws {NameConflictError} when the name is in use with other options.
   */
  constructor(options: CircuitBreakerOptions = {}) {
    const found = options instanceof Found;
    const own = found ? {} : checkShape('breaker', options, SHAPES);
    this.#primitive = found ? options.primitive : this.#open(own);
    this.#functions = this.#primitive.functions;
    this.#registers = host().registers;
    this.#messages = messagesFor(this.#primitive.subject);
    const { timeline, details } = this.#primitive;
    this.#judge = new Judge({
      timeline,
      details,
      isFailure: own.isFailure,
      shares: (token) => token > 0 && token % 2 === 0,
      enter: () => this.#enter(),
      since: (token) => (token > 0 && token % 2 === 1 ? (this.#registers[0] as number) : 0),
      ignoresRefusal: () => this.#primitive.refused(),
      refusal: () => {
        // Read before anyone hears of it: a subscriber that calls a primitive writes the registers.
        const refusal = this.#primitive.dryRun ? undefined : this.#refusal();
        this.#primitive.refused();
        return refusal;
      },
      leave: (token, since, verdict) => this.#leave(token, since, verdict),
      successOf: (token) => {
        const { succeed, settle } = this.#functions;
        return () => {
          if ((token === this.#closed ? succeed() : settle(token)) === true) this.#changed();
        };
      },
    });
    this.#foretell();
    register(this, this.#judge);
    reportUse(this, () => this.#judge.held > 0 || (this.#overlays?.size ?? 0) > 0);
  }

  /** An object on the breaker of this name, if one exists in the process; `isFailure` is the default. */
  static find(name: string): CircuitBreaker | undefined {
    return Primitive.find(
      'breaker',
      name,
      (native, host) => native.findBreaker(host, name),
      (primitive) => new CircuitBreaker(new Found(primitive) as CircuitBreakerOptions),
    );
  }

  /**
   * Runs `fn` if the breaker lets it, and counts what comes of it; else rejects with CircuitOpenError. A deadline (`timeoutMs`, or
   * one of a policy around) that passes while `fn` runs counts as its error, at once; an abort counts as nothing.
   */
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

  /**
   * A permit to make one call, to be left with `success()`, `failure()` or `ignore()`; undefined refuses. It stays valid after
   * `dispose`. A call is slow when that comes more than slowCallMs after this.
   * @throws {DisposedError}
   */
  tryAcquire(): BreakerPermit | undefined {
    return checkThis(this).#judge.permit();
  }

  /** What the next call would meet: 'halfOpen' once a break is over. @throws {DisposedError} */
  get state(): BreakerState {
    const self = checkThis(this);
    return STATES[self.#primitive.live(self.#functions.ask(STATE))] as BreakerState;
  }

  /**
   * Milliseconds until a call may pass: 0 when now, Infinity where somebody has to let go of it. With all probes out, the rest of
   * the earliest lease, but no more than the last break.
   * @throws {DisposedError}
   */
  retryAfterMs(): number {
    const self = checkThis(this);
    return millis(self.#primitive.live(self.#functions.ask(WAIT)));
  }

  /**
   * Refuses every call until the handle is disposed, and those of all others who isolated it. A handle ends with its thread and
   * with `dispose` of this object.
   * @throws {DisposedError}
   */
  isolate(): Disposable {
    return checkThis(this).#overlay(1);
  }

  /** Lets every call pass, uncounted, until the handle is disposed, as with `isolate`, which comes first. @throws {DisposedError} */
  disable(): Disposable {
    return checkThis(this).#overlay(0);
  }

  /**
   * Opens for `ms`, from any state. Default: the first break.
   * @throws {InvalidOptionError | DisposedError}
   */
  forceOpen(ms?: number): void {
    const self = checkThis(this);
    if (ms !== undefined && !(typeof ms === 'number' && ms > 0 && ms <= 86_400_000)) {
      throw invalid('breaker', 'ms', 'a number of milliseconds in (0, 86400000]', ms, self.#primitive.word);
    }
    self.#primitive.live(self.#functions.ask(FORCE_OPEN, ms ?? Number.NaN));
    self.#changed();
  }

  /** Closes and forgets what was counted. Who isolates or disables it still does. @throws {DisposedError} */
  reset(): void {
    const self = checkThis(this);
    self.#primitive.live(self.#functions.ask(RESET));
    self.#changed();
  }

  /**
   * New thresholds for all who share the breaker; what is not given stays. A break under way ends when it would have, and what is
   * in the window is judged by the new ones with the next call.
   * @throws {InvalidOptionError | DisposedError}
   */
  reconfigure(options: BreakerThresholds): void {
    const self = checkThis(this);
    const thresholds = thresholdsOf(checkShape('breaker', options, THRESHOLD_SHAPES));
    self.#primitive.cold(
      (native, host, handle) => native.reconfigureBreaker(host, handle, thresholds) || null,
    );
    self.#foretell();
  }

  /** The state, for another process to go on from: without those who isolate or disable it. @throws {DisposedError} */
  export(): BreakerExport {
    const self = checkThis(this);
    const json = self.#primitive.cold((native, host, handle) => native.exportBreaker(host, handle));
    return JSON.parse(json) as BreakerExport;
  }

  /**
   * Goes on from an export, as if the time since then had passed here. Half-open, it begins anew with probes. False, and nothing is
   * changed, if this breaker has counted calls or changed its state before, or its window is of another kind or size.
   * @throws {InvalidOptionError | DisposedError}
   */
  restore(state: BreakerExport): boolean {
    const self = checkThis(this);
    const json = jsonOf(state);
    const restored = self.#primitive.cold((native, host, handle) =>
      native.restoreBreaker(host, handle, json),
    );
    self.#changed();
    return restored;
  }

  /**
   * Tells `listener` of changes of what calls meet, in whichever thread they come about: later in a microtask, in order, in the async
   * context of this call. A thread that is more than 64 changes behind skips the oldest.
   * @throws {InvalidOptionError | DisposedError}
   */
  on(event: 'stateChange', listener: (change: BreakerStateChange) => void): Disposable {
    const self = checkThis(this);
    const { word } = self.#primitive;
    if (event !== 'stateChange') throw invalid('breaker', 'event', "'stateChange'", event, word);
    if (typeof listener !== 'function') {
      throw invalid('breaker', 'listener', 'a function', listener, word);
    }
    self.#primitive.live(self.#functions.ask(STATE));
    self.#events ??= self.#newEvents();
    return self.#events.add(listener, self.#functions.ask(GENERATION) ?? 0);
  }

  /** Figures over all threads, safe to log. @throws {DisposedError} */
  snapshot(): CircuitBreakerSnapshot {
    const self = checkThis(this);
    const figures = self.#primitive.cold((native, host, handle) => native.breakerSnapshot(host, handle));
    const { state, retryAfterMs, enough, ...counts } = figures;
    const rate = (part: number): number | undefined =>
      enough && counts.calls > 0 ? part / counts.calls : undefined;
    return {
      ...self.#primitive.common(),
      ...counts,
      refused: counts.refused + self.#refused,
      state: STATES[state] as BreakerState,
      retryAfterMs: millis(retryAfterMs),
      failureRate: rate(counts.failures),
      slowCallRate: rate(counts.slowCalls),
    };
  }

  /**
   * Lets go of the breaker: later calls throw DisposedError, its isolations and listeners end. Permits and calls under way stay
   * valid. A name is free again once every thread has let go of it. A second call does nothing.
   */
  dispose(): void {
    const self = checkThis(this);
    for (const overlay of [...(self.#overlays ?? [])]) overlay.dispose();
    self.#events?.clear();
    self.#closed = 0;
    self.#judge.foretell(0);
    self.#openUntil = 0;
    self.#primitive.dispose();
  }

  [Symbol.dispose](): void {
    checkThis(this).dispose();
  }

  static {
    checkThis = (breaker) => {
      if (typeof breaker === 'object' && breaker !== null && #judge in breaker) return breaker;
      throw invalid('breaker', 'this', 'a CircuitBreaker', breaker);
    };
  }

  #open(own: CircuitBreakerOptions): Primitive<'breaker', BreakerFunctions> {
    const { window, halfOpenCalls, seed } = own;
    const thresholds = thresholdsOf(own);
    const options = { window: windowOf(window), halfOpenCalls, thresholds, seed };
    return Primitive.open(this, 'breaker', own, (native, host, common) =>
      native.openBreaker(host, { ...common, ...options }),
    );
  }

  #enter(): number {
    if (this.#openUntil !== 0) {
      this.#leftMs = this.#openUntil - this.#primitive.timeline.now();
      if (this.#leftMs > 0) {
        this.#refused += 1;
        return 0;
      }
      this.#openUntil = 0;
    }
    const token = this.#primitive.live(this.#functions.enter());
    // A probe: the first one of a round has ended a break.
    if (token < 0) this.#changed();
    return token;
  }

  #leave(token: number, since: number, verdict: number): void {
    const functions = this.#functions;
    let moved: boolean | undefined;
    const timed = token > 0 && token % 2 === 1;
    if (verdict === SUCCESS && !timed) moved = functions.settle(token);
    else if (verdict === FAILURE && !timed) moved = functions.settle(token > 0 ? token + 0.5 : token - 0.5);
    else moved = functions.leave(token, since, verdict);
    if (moved === true) this.#changed();
  }

  /** The error of the call that has just been refused. */
  #refusal(): CircuitOpenError {
    const { kind, word } = this.#primitive;
    if (this.#openUntil !== 0) {
      return new CircuitOpenError(this.#messages.open, 'open', {
        kind,
        primitive: word,
        retryAfterMs: this.#leftMs,
      });
    }
    const [met, ms] = this.#registers as unknown as [number, number];
    const state = STATES[met] as CircuitOpenError['state'];
    const retryAfterMs = ms < 0 ? undefined : ms;
    return new CircuitOpenError(this.#messages[state], state, { kind, primitive: word, retryAfterMs });
  }

  #overlay(isolate: 0 | 1): Disposable {
    // Asked for what may be over: it throws then.
    this.#primitive.live(this.#functions.ask(STATE));
    this.#functions.ask(OVERLAY, isolate, 1);
    const overlay = new Ending(() => {
      this.#overlays?.delete(overlay);
      this.#functions.ask(OVERLAY, isolate, 0);
      this.#changed();
    });
    this.#overlays ??= new Set();
    this.#overlays.add(overlay);
    this.#changed();
    return overlay;
  }

  /** Something may have changed in this thread. */
  #changed(): void {
    this.#foretell();
    changed(this.#primitive.state);
  }

  /** A state that only this thread can change needs no native call to let calls in, nor to refuse them. */
  #foretell(): void {
    const { name, timeline } = this.#primitive;
    if (name !== undefined) return;
    this.#closed = this.#functions.ask(FORETELL) ?? 0;
    this.#judge.foretell(this.#closed);
    // A manual clock stands still at instants that only its native part can tell apart.
    const open = timeline === loopTime && this.#functions.ask(STATE) === OPEN;
    this.#openUntil = open ? timeline.now() + (this.#functions.ask(WAIT) ?? 0) : 0;
  }

  #newEvents(): NumberedEvents<BreakerStateChange> {
    const { state } = this.#primitive;
    const listener: Listener = { onChanged: () => this.#events?.schedule() };
    return new NumberedEvents(
      (since) => this.#changesSince(since),
      (used) => {
        if (used) listen(state, listener);
        // Another object of this thread may still want the mail.
        else if (!unlisten(state, listener)) return;
        this.#primitive.cold((native, host, handle) => native.listenBreaker(host, handle, used));
      },
    );
  }

  #changesSince(generation: number): BreakerStateChange[] {
    const changes: BreakerStateChange[] = [];
    const registers = this.#registers;
    for (;;) {
      const count = this.#functions.ask(CHANGES, changes.at(-1)?.generation ?? generation) ?? 0;
      if (count === 0) return changes;
      for (let at = 0; at < count * 5; at += 5) {
        changes.push({
          from: STATES[registers[at + 1] as number] as BreakerState,
          to: STATES[registers[at + 2] as number] as BreakerState,
          reason: REASONS[registers[at + 3] as number] as BreakerReason,
          retryAfterMs: millis(registers[at + 4] as number),
          generation: registers[at] as number,
        });
      }
    }
  }
}

/** What refusals say; made once, because a refusal has to be cheap. */
function messagesFor(subject: string): Readonly<Record<CircuitOpenError['state'], string>> {
  return {
    open: `${subject} is open`,
    halfOpen: `${subject} is half-open, and its probes are out`,
    isolated: `${subject} is isolated`,
  };
}

/** Milliseconds as the native part says them: -1 is nobody knows. */
function millis(ms: number): number {
  return ms < 0 ? Number.POSITIVE_INFINITY : ms;
}

/** An export as text; what has none is no export, and neither is ''. */
function jsonOf(state: unknown): string {
  try {
    return typeof state === 'object' ? (JSON.stringify(state) ?? '') : '';
  } catch {
    return '';
  }
}
