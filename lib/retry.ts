/** retry: tries again what failed, after a while, as far as a budget allows. */
import { type Backoff, Delays } from './backoff.js';
import { checkBudget, pays, type RetryBudget, scopeOfTries } from './budget.js';
import { type Call, Part, type Scope } from './call.js';
import { publishRetried } from './channels.js';
import { clockOf, type ManualClock, type Timeline } from './clock.js';
import { BreakwaterError, TimeoutError } from './errors.js';
import { tell } from './events.js';
import { type Layer, type Policy, policyOf } from './execute.js';
import { isNeutral } from './judge.js';
import { checkShape, invalid } from './options.js';
import type { Next } from './race.js';
import { retryAfterOf } from './retry-after.js';

/** What `onRetry` is told, before the wait. */
export interface RetryEvent {
  /** The attempt that failed, from 1. */
  readonly attempt: number;
  /** Milliseconds until the next one. */
  readonly delayMs: number;
  /** Undefined where a result is tried again. */
  readonly error: unknown;
  readonly result: unknown;
}

/** Options of `retry`. */
export interface RetryOptions {
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

const DETAILS = { kind: 'retry' } as const;

/** What an attempt came to. */
type Outcome =
  | { readonly error: unknown; readonly failed: true }
  | { readonly value: unknown; readonly failed: false };

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
export function retry(options: RetryOptions = {}): Policy {
  return policyOf(new Retry(options));
}

class Retry implements Layer {
  readonly timeline: Timeline;
  readonly details = DETAILS;
  readonly #maxAttempts: number;
  readonly #delays: Delays;
  readonly #budget: RetryBudget | undefined;
  readonly #retryIf: RetryOptions['retryIf'];
  readonly #maxRetryAfterMs: number;
  readonly #onRetry: RetryOptions['onRetry'];

  constructor(options: RetryOptions) {
    const own = checkShape('retry', options, {
      maxAttempts: 'number',
      backoff: 'anything',
      budget: 'object',
      retryIf: 'function',
      maxRetryAfterMs: 'number',
      onRetry: 'function',
      clock: 'object',
      seed: 'number',
    });
    const { maxAttempts = 3, maxRetryAfterMs = 60_000 } = own;
    if (!(maxAttempts >= 1 && (Number.isInteger(maxAttempts) || maxAttempts === Number.POSITIVE_INFINITY))) {
      throw invalid('retry', 'maxAttempts', 'a whole number ≥ 1, or Infinity', maxAttempts);
    }
    if (!(maxRetryAfterMs >= 0)) {
      throw invalid('retry', 'maxRetryAfterMs', 'a number of milliseconds ≥ 0', maxRetryAfterMs);
    }
    checkBudget('retry', own.budget);
    this.timeline = clockOf(own.clock).timeline;
    this.#maxAttempts = maxAttempts;
    this.#delays = new Delays('retry', own.backoff, own.seed);
    this.#budget = own.budget;
    this.#retryIf = own.retryIf;
    this.#maxRetryAfterMs = maxRetryAfterMs;
    this.#onRetry = own.onRetry;
  }

  run(outer: Scope, next: Next): unknown {
    const retryIf = this.#retryIf;
    if (outer.options.idempotent === false && retryIf === undefined) return next(outer);
    const scope = scopeOfTries(outer, this.#budget);
    let result: unknown;
    try {
      result = next(scope);
    } catch (error) {
      return this.#again(scope, next, { error, failed: true });
    }
    if (!(result instanceof Promise)) {
      if (retryIf === undefined || !this.#wants(undefined, result, scope)) return result;
      return this.#again(scope, next, { value: result, failed: false });
    }
    return result.then(
      retryIf &&
        ((value) =>
          this.#wants(undefined, value, scope) ? this.#again(scope, next, { value, failed: false }) : value),
      (error) => this.#again(scope, next, { error, failed: true }),
    );
  }

  /** From the first outcome that is not good enough on. */
  async #again(scope: Scope, next: Next, first: Outcome): Promise<unknown> {
    let outcome = first;
    let delayMs = 0;
    let within: Scope = scope;
    for (let attempt = 1; ; attempt += 1) {
      const wait = this.#delayAfter(attempt, delayMs, outcome, within);
      if (wait === undefined) {
        if (outcome.failed) throw outcome.error;
        return outcome.value;
      }
      delayMs = wait;
      this.#tell(attempt, delayMs, outcome);
      if (!outcome.failed) scope.discard(outcome.value);
      if (delayMs > 0 && !scope.ended) await this.#sleep(scope, delayMs);
      // Aborted by whoever was told, or in the turn in which the wait was over.
      scope.throwIfEnded();
      const part = new Part(scope, attempt + 1);
      within = part;
      try {
        outcome = { value: await next(part), failed: false };
      } catch (error) {
        outcome = { error, failed: true };
      }
      part.detach();
      // Outside of the try: what retryIf itself throws is the caller's error, and no attempt that failed.
      if (!outcome.failed && (this.#retryIf === undefined || !this.#wants(undefined, outcome.value, part))) {
        return outcome.value;
      }
    }
  }

  /** How long to wait before the next attempt; undefined where there is none. Charges the budget. */
  #delayAfter(attempt: number, previousMs: number, outcome: Outcome, scope: Scope): number | undefined {
    if (attempt >= this.#maxAttempts || scope.ended) return undefined;
    const { error, value } = outcome as { readonly error?: unknown; readonly value?: unknown };
    if (outcome.failed && !this.#wants(error, undefined, scope)) return undefined;
    const asked = retryAfterOf(error, value);
    if (asked > this.#maxRetryAfterMs) return undefined;
    const delayMs = Math.max(this.#delays.after(attempt, previousMs), asked);
    if (delayMs >= scope.remainingMs) return undefined;
    return pays(this.#budget) ? delayMs : undefined;
  }

  #wants(error: unknown, result: unknown, call: Scope): boolean {
    if (call.ended) return false;
    if (this.#retryIf !== undefined) {
      let asked = false;
      try {
        const wanted = Boolean(this.#retryIf(error, result, call));
        asked = true;
        return wanted;
      } finally {
        // The caller gets what the predicate threw, and nobody the result.
        if (!asked && result !== undefined) call.discard(result);
      }
    }
    return !(isNeutral(error) || (error instanceof BreakwaterError && !(error instanceof TimeoutError)));
  }

  #tell(attempt: number, delayMs: number, outcome: Outcome): void {
    publishRetried(attempt, delayMs);
    if (this.#onRetry === undefined) return;
    const { error, value } = outcome as { readonly error?: unknown; readonly value?: unknown };
    tell(this.#onRetry, { attempt, delayMs, error, result: value });
  }

  #sleep(scope: Scope, ms: number): Promise<void> {
    return new Promise((resolve, reject) => {
      const wake = (): void => {
        scope.unwatch(end);
        resolve();
      };
      const timer = this.timeline.after(ms, wake);
      const end = (reason: unknown): void => {
        this.timeline.cancel(timer);
        reject(reason);
      };
      if (scope.guarded) scope.watch(end);
    });
  }
}
