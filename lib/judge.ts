/**
 * A layer that lets a call in with a permit and hears what came of it: what a breaker and a throttle have in common. A permit is left
 * exactly once: with the verdict on what the function gave, at once when a deadline passes while it runs, or ignored.
 */
import { AsyncResource } from 'node:async_hooks';
import type { Call, Scope } from './call.js';
import type { Timeline } from './clock.js';
import { type ErrorDetails, RefusedError } from './errors.js';
import { tell } from './events.js';
import { type Layer, Rejection, refuse } from './execute.js';
import { invalid } from './options.js';
import type { Next } from './race.js';

/** The right to make one call. Say what came of it, once: further words count for nothing, and none of them throws. */
export interface BreakerPermit {
  /** The dependency did its part. */
  success(): void;
  /** It did not. */
  failure(): void;
  /** The call says nothing about the dependency, or was not made. */
  ignore(): void;
}

/** What is said of a call: a failure or not, nothing at all, or a failure after which nobody should call for so long. */
export type FailureVerdict = boolean | 'ignore' | { readonly openMs: number };

/** Asked of what a call gave: of its error, or with `error` undefined of its result. */
export type IsFailure = (error: unknown, result: unknown, call: Call) => FailureVerdict;

/** What the native part takes for a verdict; from 0 up: a failure that opens for so many milliseconds. */
export const SUCCESS = -2;
export const FAILURE = -1;
export const IGNORE = -3;

/** The longest `openMs` a result may ask for, whatever a server wrote into its Retry-After: a day. */
const MAX_OPEN_MS = 86_400_000;

/** Where permits come from. The native part gives them as tokens, with since when where a call is timed. */
export interface Gate {
  readonly timeline: Timeline;
  readonly details: ErrorDetails;
  readonly isFailure: IsFailure | undefined;
  /** Whether calls with this token leave alike, until another one comes. */
  shares(token: number): boolean;
  /** Asks to be let in: a token, or 0. Throws once disposed. */
  enter(): number;
  /** Since when the last token counts. */
  since(token: number): number;
  /** Publishes a refusal, and answers whether the call is let through all the same, uncounted: in a dry run. */
  ignoresRefusal(): boolean;
  /** Publishes what `enter` has just refused: its error, or undefined in a dry run. */
  refusal(): RefusedError | undefined;
  leave(token: number, since: number, verdict: number): void;
  /** Leaves with a success, for a token that is shared. */
  successOf(token: number): () => void;
}

export class Judge implements Layer {
  readonly timeline: Timeline;
  readonly details: ErrorDetails;
  /** Permits that are out. */
  held = 0;
  readonly #gate: Gate;
  readonly #plain: boolean;
  /** The token every call gets until something changes, where that is known: nothing is asked then. */
  #foretold = 0;
  /** What calls of one token have in common. */
  #token = 0;
  #passed: ((value: unknown) => unknown) | undefined;
  #failed: ((error: unknown) => Rejection) | undefined;

  constructor(gate: Gate) {
    this.timeline = gate.timeline;
    this.details = gate.details;
    this.#gate = gate;
    this.#plain = gate.isFailure === undefined;
  }

  run(scope: Scope, next: Next): unknown {
    const gate = this.#gate;
    let token = this.#foretold;
    let since = 0;
    if (token === 0) {
      token = gate.enter();
      if (token === 0) {
        const refusal = gate.refusal();
        return refusal === undefined ? next(scope) : refuse(refusal);
      }
      since = gate.since(token);
    }
    this.held += 1;
    if (scope.guarded) return this.#runGuarded(scope, next, token, since);
    let result: unknown;
    try {
      result = next(scope);
    } catch (error) {
      this.#leaveWithError(token, since, error, scope);
      throw error;
    }
    if (!(result instanceof Promise)) {
      this.#leaveWithValue(token, since, result, scope);
      return result;
    }
    if (this.#plain && (token === this.#token || gate.shares(token))) {
      if (token !== this.#token) this.#share(token);
      return result.then(this.#passed, this.#failed);
    }
    return result.then(
      (value) => {
        this.#leaveWithValue(token, since, value, scope);
        return value;
      },
      (error) => {
        this.#leaveWithError(token, since, error, scope);
        return new Rejection(error);
      },
    );
  }

  /** Every call gets this token until told otherwise; 0: each has to ask. */
  foretell(token: number): void {
    this.#foretold = token;
  }

  /** A permit for a caller who makes the call without `execute`; undefined refuses. */
  permit(): BreakerPermit | undefined {
    const gate = this.#gate;
    const token = this.#foretold === 0 ? gate.enter() : this.#foretold;
    if (token === 0) return gate.ignoresRefusal() ? new Permit(undefined, 0, 0) : undefined;
    this.held += 1;
    return new Permit(this, token, gate.since(token));
  }

  leave(token: number, since: number, verdict: number): void {
    this.held -= 1;
    this.#gate.leave(token, since, verdict);
  }

  /** The call may end before the function does. */
  #runGuarded(scope: Scope, next: Next, token: number, since: number): unknown {
    let open = true;
    // A deadline fires in the context of whoever armed the thread's timers; a predicate runs in the caller's.
    const context = this.#plain ? undefined : new AsyncResource('breakwater:isFailure');
    const onEnd = (reason: unknown): void => {
      if (!open) return;
      open = false;
      // A deadline that passes while the function runs is the dependency's doing; every other end is not.
      if (!isTimeout(reason) || !scope.called) this.leave(token, since, IGNORE);
      else if (context === undefined) this.#leaveWithError(token, since, reason, scope);
      else tell(() => context.runInAsyncScope(() => this.#leaveWithError(token, since, reason, scope)));
    };
    const close = (): boolean => {
      // Where the event loop was blocked past the deadline, its timer has not fired yet.
      if (!open || scope.isOver()) return false;
      open = false;
      scope.unwatch(onEnd);
      return true;
    };
    const passed = (value: unknown): unknown => {
      if (close()) this.#leaveWithValue(token, since, value, scope);
      return value;
    };
    const failed = (error: unknown): Rejection => {
      if (close()) this.#leaveWithError(token, since, error, scope);
      return new Rejection(error);
    };
    scope.watch(onEnd);
    let result: unknown;
    try {
      result = next(scope);
    } catch (error) {
      failed(error);
      throw error;
    }
    if (!(result instanceof Promise)) return passed(result);
    scope.checked = result.then(passed, failed);
    return scope.checked;
  }

  /** As long as nothing changes all calls leave alike: no closures for each. */
  #share(token: number): void {
    const succeed = this.#gate.successOf(token);
    this.#token = token;
    this.#passed = (value) => {
      this.held -= 1;
      succeed();
      return value;
    };
    this.#failed = (error) => {
      this.leave(token, 0, isNeutral(error) ? IGNORE : FAILURE);
      return new Rejection(error);
    };
  }

  #leaveWithValue(token: number, since: number, value: unknown, scope: Scope): void {
    const { isFailure } = this.#gate;
    if (isFailure === undefined) this.leave(token, since, SUCCESS);
    else this.#leaveAsked(token, since, isFailure, undefined, value, scope);
  }

  #leaveWithError(token: number, since: number, error: unknown, scope: Scope): void {
    const { isFailure } = this.#gate;
    if (isNeutral(error)) this.leave(token, since, IGNORE);
    else if (isFailure === undefined) this.leave(token, since, FAILURE);
    else this.#leaveAsked(token, since, isFailure, error, undefined, scope);
  }

  #leaveAsked(
    token: number,
    since: number,
    isFailure: IsFailure,
    error: unknown,
    value: unknown,
    scope: Scope,
  ): void {
    let verdict = IGNORE;
    let asked = false;
    try {
      verdict = this.#verdictOf(isFailure(error, value, scope));
      asked = true;
    } finally {
      // Also when the predicate itself throws: its error is the caller's, and says nothing about the dependency.
      this.leave(token, since, verdict);
      if (!asked && value !== undefined) scope.discard(value);
    }
  }

  #verdictOf(said: FailureVerdict): number {
    if (said === true) return FAILURE;
    if (said === false) return SUCCESS;
    if (said === 'ignore') return IGNORE;
    const openMs: unknown = (said as { openMs?: unknown } | null | undefined)?.openMs;
    if (typeof openMs === 'number' && !Number.isNaN(openMs)) {
      return openMs > 0 ? Math.min(openMs, MAX_OPEN_MS) : FAILURE;
    }
    const { kind, primitive } = this.details;
    throw invalid(
      kind,
      'isFailure',
      "a function that gives a boolean, 'ignore' or { openMs }",
      said,
      primitive,
    );
  }
}

class Permit implements BreakerPermit {
  readonly #judge: Judge | undefined;
  #token: number;
  readonly #since: number;

  /** Without a judge nothing is counted: in a dry run, a call that would have been refused. */
  constructor(judge: Judge | undefined, token: number, since: number) {
    this.#judge = judge;
    this.#token = token;
    this.#since = since;
  }

  success(): void {
    this.#leave(SUCCESS);
  }

  failure(): void {
    this.#leave(FAILURE);
  }

  ignore(): void {
    this.#leave(IGNORE);
  }

  #leave(verdict: number): void {
    const token = this.#token;
    if (token === 0) return;
    this.#token = 0;
    this.#judge?.leave(token, this.#since, verdict);
  }
}

/** A deadline: ours, or the platform's `AbortSignal.timeout`. */
export function isTimeout(error: unknown): boolean {
  return nameOf(error) === 'TimeoutError';
}

/** Says nothing about a dependency: a refusal on the way to it, or somebody who changed their mind. */
export function isNeutral(error: unknown): boolean {
  return error instanceof RefusedError || nameOf(error) === 'AbortError';
}

function nameOf(error: unknown): unknown {
  return typeof error === 'object' && error !== null ? (error as { name?: unknown }).name : undefined;
}
