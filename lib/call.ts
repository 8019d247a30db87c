/**
 * A call as the policies around it see it: a chain of scopes, from the one that `execute` made to the ones that a timeout, a retry
 * or a hedge made inside. A scope ends when its signal aborts, its deadline passes or its result is no longer wanted, and with it
 * the scopes inside it.
 */
import { AsyncResource } from 'node:async_hooks';
import type { Timeline } from './clock.js';
import { tell } from './events.js';

/** What a function that is executed gets to know. */
export interface Call {
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
export interface ExecuteOptions {
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

/** Told when a scope ends, with the reason. */
export type Watcher = (reason: unknown) => void;

/** A call or a part of one. Policies see all of it, users see a `Call`. */
export class Scope implements Call {
  readonly parent: Scope | undefined;
  readonly fn: (call: Call) => unknown;
  readonly options: ExecuteOptions;
  readonly attempt: number;
  /** Whether it may end before the function does. */
  guarded: boolean;
  /** The nearest scope with a deadline: this one or one around it. */
  timed: TimedScope | undefined;
  // What follows is on the prototype until it is set: most calls never set it, and are made in half the time.
  /** Whether the function was called in it. */
  declare called: boolean;
  declare ended: boolean;
  declare reason: unknown;
  /** A promise that a policy inside settles only after it has asked whether the scope is over. */
  declare checked: Promise<unknown> | undefined;
  /** What pays for tries in here. */
  declare budget: object | undefined;
  declare private controller: AbortController | undefined;
  declare private asker: AsyncResource | undefined;
  declare private watchers: Watcher | Watcher[] | undefined;

  static {
    Object.assign(Scope.prototype, {
      called: false,
      ended: false,
      reason: undefined,
      checked: undefined,
      budget: undefined,
      controller: undefined,
      asker: undefined,
      watchers: undefined,
    });
  }

  constructor(
    parent: Scope | undefined,
    fn: (call: Call) => unknown,
    options: ExecuteOptions,
    attempt: number,
  ) {
    this.parent = parent;
    this.fn = fn;
    this.options = options;
    this.attempt = attempt;
    this.guarded = parent?.guarded ?? false;
    this.timed = parent?.timed;
  }

  get signal(): AbortSignal {
    if (this.controller === undefined) {
      this.controller = new AbortController();
      if (this.ended) this.controller.abort(this.reason);
      // A deadline fires in the context of whoever armed the thread's timers; listeners run in that of who asked for the signal.
      else this.asker = new AsyncResource('breakwater:signal');
    }
    return this.controller.signal;
  }

  get remainingMs(): number {
    let least = Number.POSITIVE_INFINITY;
    for (let scope = this.timed; scope !== undefined; scope = scope.parent?.timed) {
      least = Math.min(least, scope.deadline - scope.timeline.now());
    }
    return Math.max(0, least);
  }

  get context(): unknown {
    return this.options.context;
  }

  /** Throws the reason where the scope is over: asked by whoever goes on after a wait, or after code that is not ours. */
  throwIfEnded(): void {
    if (this.ended) throw this.reason;
  }

  /** Whether the scope is over, asked where a blocked event loop may have kept a timer from firing. */
  isOver(): boolean {
    for (let scope = this.timed; scope !== undefined; scope = scope.parent?.timed) scope.expireIfDue();
    return this.ended;
  }

  /** Nobody gets this value: the caller may want to close or release it. Where the function was never called, there is none. */
  discard(value: unknown): void {
    const { onDiscard } = this.options;
    if (onDiscard !== undefined && (this.called || !this.guarded)) tell(onDiscard, value);
  }

  /** Ends the scope. The policies inside hear of it first, then the function. */
  end(reason: unknown): void {
    if (this.ended) return;
    this.ended = true;
    this.reason = reason;
    const watchers = this.watchers;
    this.watchers = undefined;
    if (typeof watchers === 'function') watchers(reason);
    else if (watchers !== undefined) for (const watcher of watchers) watcher(reason);
    this.asker?.runInAsyncScope(() => this.controller?.abort(reason));
  }

  watch(watcher: Watcher): void {
    const watchers = this.watchers;
    if (watchers === undefined) this.watchers = watcher;
    else if (typeof watchers === 'function') this.watchers = [watchers, watcher];
    else watchers.push(watcher);
  }

  unwatch(watcher: Watcher): void {
    const watchers = this.watchers;
    if (watchers === watcher) this.watchers = undefined;
    else if (Array.isArray(watchers)) {
      const at = watchers.indexOf(watcher);
      if (at >= 0) watchers.splice(at, 1);
    }
  }

  /** Says of this scope and those around it that the function was called. */
  markCalled(): void {
    for (let scope: Scope | undefined = this; scope !== undefined && !scope.called; scope = scope.parent) {
      scope.called = true;
    }
  }
}

/** A scope with a deadline of its own. */
export interface TimedScope extends Scope {
  readonly timeline: Timeline;
  /** On the timeline. */
  readonly deadline: number;
  expireIfDue(): void;
}

/** A part of `parent` that can end by itself, and ends with it. */
export class Part extends Scope {
  readonly #onParentEnd: Watcher | undefined;

  constructor(parent: Scope, attempt: number, fn = parent.fn) {
    super(parent, fn, parent.options, attempt);
    if (parent.ended) {
      this.ended = true;
      this.reason = parent.reason;
    } else if (parent.guarded) {
      this.#onParentEnd = (reason) => this.end(reason);
      parent.watch(this.#onParentEnd);
    }
  }

  /** The part is done: what ends its parent is no longer its business. */
  detach(): void {
    if (this.#onParentEnd !== undefined) this.parent?.unwatch(this.#onParentEnd);
  }
}
