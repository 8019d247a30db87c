/** hedge: starts a second call when the first one takes long, and takes the answer that comes first. */
import { AsyncResource } from 'node:async_hooks';
import { checkBudget, payBack, pays, type RetryBudget, scopeOfTries } from './budget.js';
import { Part, type Scope } from './call.js';
import { publishHedged } from './channels.js';
import { clockOf, type ManualClock, type Timeline } from './clock.js';
import { RefusedError } from './errors.js';
import { type Layer, type Policy, policyOf } from './execute.js';
import { checkShape, invalid } from './options.js';
import { Quantile } from './quantile.js';
import type { Next } from './race.js';
import type { Timer } from './timers.js';

/** Options of `hedge`: `delayMs` or `quantile`. */
export interface HedgeOptions {
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

const DETAILS = { kind: 'hedge' } as const;

/** Why a call that lost is aborted. */
function lost(): DOMException {
  return new DOMException('another call answered first', 'AbortError');
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
export function hedge(options: HedgeOptions): Policy {
  return policyOf(new Hedge(options));
}

class Hedge implements Layer {
  readonly timeline: Timeline;
  readonly details = DETAILS;
  readonly #delayMs: number | undefined;
  readonly #latencies: Quantile | undefined;
  readonly #maxHedges: number;
  readonly #budget: RetryBudget | undefined;

  constructor(options: HedgeOptions) {
    const own = checkShape('hedge', options, {
      delayMs: 'number',
      quantile: 'number',
      maxHedges: 'number',
      budget: 'object',
      clock: 'object',
    });
    const { delayMs, quantile, maxHedges = 1, budget } = own;
    if ((delayMs === undefined) === (quantile === undefined)) {
      throw invalid('hedge', 'delayMs', 'given where quantile is not, and only there', delayMs);
    }
    if (delayMs !== undefined && !(delayMs >= 0)) {
      throw invalid('hedge', 'delayMs', 'a number of milliseconds ≥ 0', delayMs);
    }
    if (quantile !== undefined && !(quantile > 0 && quantile < 1)) {
      throw invalid('hedge', 'quantile', 'a number in (0, 1)', quantile);
    }
    if (!(Number.isInteger(maxHedges) && maxHedges >= 1 && maxHedges <= 100)) {
      throw invalid('hedge', 'maxHedges', 'a whole number from 1 to 100', maxHedges);
    }
    checkBudget('hedge', budget);
    this.timeline = clockOf(own.clock).timeline;
    this.#delayMs = delayMs;
    this.#latencies = quantile === undefined ? undefined : new Quantile(quantile);
    this.#maxHedges = maxHedges;
    this.#budget = budget;
  }

  run(outer: Scope, next: Next): unknown {
    if (outer.options.idempotent === false) return next(outer);
    const scope = scopeOfTries(outer, this.#budget);
    const primary = new Part(scope, scope.attempt);
    primary.guarded = true;
    const startedAt = this.#latencies === undefined ? 0 : this.timeline.now();
    let result: unknown;
    try {
      result = next(primary);
    } catch (error) {
      result = Promise.reject(error);
    }
    if (result instanceof Promise) {
      return new Promise((resolve, reject) => {
        const calls = new Calls(this, scope, next, startedAt, resolve, reject);
        calls.add(primary, result as Promise<unknown>);
      });
    }
    primary.detach();
    this.observe(startedAt);
    return result;
  }

  /** How long to give the last call before the next one. */
  get delayMs(): number {
    return this.#delayMs ?? this.#latencies?.value ?? Number.POSITIVE_INFINITY;
  }

  get maxHedges(): number {
    return this.#maxHedges;
  }

  get budget(): RetryBudget | undefined {
    return this.#budget;
  }

  /** The first call, begun at `startedAt`, has succeeded, or has taken so long and lost: then it would have taken longer still. */
  observe(startedAt: number): void {
    this.#latencies?.observe(this.timeline.now() - startedAt);
  }
}

/** The calls of one execution. */
class Calls {
  readonly #hedge: Hedge;
  readonly #scope: Scope;
  readonly #next: Next;
  readonly #startedAt: number;
  readonly #resolve: (value: unknown) => void;
  readonly #reject: (error: unknown) => void;
  readonly #running = new Set<Part>();
  #open = true;
  #started = 0;
  #timer: Timer | undefined;
  /** What the call that waits runs in: a timer fires in the context of whoever armed the event loop's one timeout. */
  #context: AsyncResource | undefined;
  #firstError: { readonly error: unknown } | undefined;
  readonly #onEnd = (reason: unknown): void => {
    // The calls end by themselves, as parts of the scope that has ended.
    this.#close();
    this.#reject(reason);
  };

  constructor(
    hedge: Hedge,
    scope: Scope,
    next: Next,
    startedAt: number,
    resolve: (value: unknown) => void,
    reject: (error: unknown) => void,
  ) {
    this.#hedge = hedge;
    this.#scope = scope;
    this.#next = next;
    this.#startedAt = startedAt;
    this.#resolve = resolve;
    this.#reject = reject;
    // The first call may have ended it before its function returned.
    if (scope.ended) this.#onEnd(scope.reason);
    else if (scope.guarded) scope.watch(this.#onEnd);
  }

  add(part: Part, result: Promise<unknown>): void {
    const first = this.#started === 0;
    this.#started += 1;
    this.#running.add(part);
    result.then(
      (value) => this.#succeeded(part, value),
      (error) => this.#failed(part, error, first),
    );
    this.#plan();
  }

  /** One timer, for the call after the last one. */
  #plan(): void {
    const { delayMs, timeline, maxHedges } = this.#hedge;
    if (!this.#open || this.#started > maxHedges || delayMs === Number.POSITIVE_INFINITY) return;
    if (delayMs === 0) {
      this.#start();
      return;
    }
    this.#context ??= new AsyncResource('breakwater:hedge');
    this.#timer = timeline.after(delayMs, () => {
      this.#timer = undefined;
      this.#context?.runInAsyncScope(() => this.#goOn());
    });
  }

  /** Starts one more call, if the budget allows. */
  #start(): boolean {
    const { budget, maxHedges } = this.#hedge;
    // Where the event loop was blocked past the deadline, that timer has not fired yet.
    if (this.#scope.isOver() || this.#started > maxHedges || !pays(budget)) return false;
    publishHedged(this.#started);
    const part = new Part(this.#scope, this.#scope.attempt + this.#started);
    part.guarded = true;
    let result: unknown;
    try {
      result = this.#next(part);
    } catch (error) {
      result = Promise.reject(error);
    }
    this.add(part, result instanceof Promise ? result : Promise.resolve(result));
    return true;
  }

  /** Starts one more call. Where none may start and none is left that could answer, all have failed. */
  #goOn(): void {
    if (!this.#start() && this.#open) this.#giveUpIfIdle();
  }

  #succeeded(part: Part, value: unknown): void {
    this.#left(part);
    if (!this.#open) {
      this.#scope.discard(value);
      return;
    }
    // Only the first calls are the latencies that the quantile is of: of the later ones, those that win are the fast ones.
    if (this.#firstError === undefined) this.#hedge.observe(this.#startedAt);
    this.#close();
    this.#resolve(value);
    for (const loser of this.#running) loser.end(lost());
  }

  #failed(part: Part, error: unknown, first: boolean): void {
    this.#left(part);
    if (!this.#open) return;
    if (first) this.#firstError = { error };
    if (error instanceof RefusedError) {
      if (!first) payBack(this.#hedge.budget);
      // What refuses the first call would refuse the next one as well: it is not waited for.
      if (first && this.#running.size === 0) this.#giveUp(error);
      else this.#giveUpIfIdle();
      return;
    }
    if (this.#timer !== undefined) this.#hedge.timeline.cancel(this.#timer);
    this.#timer = undefined;
    this.#goOn();
  }

  /** With the error of the first call: it is the first to have failed, or it would be running still. */
  #giveUpIfIdle(): void {
    if (this.#running.size === 0 && this.#timer === undefined) this.#giveUp(this.#firstError?.error);
  }

  #giveUp(error: unknown): void {
    this.#close();
    this.#reject(error);
  }

  #left(part: Part): void {
    part.detach();
    this.#running.delete(part);
  }

  #close(): void {
    this.#open = false;
    if (this.#timer !== undefined) this.#hedge.timeline.cancel(this.#timer);
    this.#timer = undefined;
    this.#scope.unwatch(this.#onEnd);
  }
}
