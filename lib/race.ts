/** A scope whose promise settles at the latest with its deadline or its signal, whether or not the function obeys. */
import { type Call, type ExecuteOptions, Scope, type TimedScope, type Watcher } from './call.js';
import type { Timeline } from './clock.js';
import { type ErrorDetails, TimeoutError } from './errors.js';
import type { Timer } from './timers.js';

/** Goes on inside a scope: the function itself, or the next policy. Answers a value or a promise, or throws. */
export type Next = (scope: Scope) => unknown;

/** What ends a race early. */
export interface Bounds {
  readonly timeline: Timeline;
  readonly ms: number | undefined;
  readonly signal: AbortSignal | undefined;
  readonly details: ErrorDetails;
}

/** Discarding nothing, and rejections of who lost. */
const nothing = (): void => {};

/** One race: a scope and the promise of its result. */
export class Race extends Scope implements TimedScope {
  readonly timeline: Timeline;
  readonly deadline: number;
  readonly #bounds: Bounds;
  readonly #timer: Timer | undefined;
  readonly #onEnd: Watcher | undefined;
  readonly #onAbort: (() => void) | undefined;
  #open = true;
  #resolve: (value: unknown) => void = nothing;
  #reject: (error: unknown) => void = nothing;

  constructor(
    parent: Scope | undefined,
    fn: (call: Call) => unknown,
    options: ExecuteOptions,
    bounds: Bounds,
  ) {
    super(parent, fn, options, parent?.attempt ?? 1);
    const { timeline, ms, signal } = bounds;
    this.#bounds = bounds;
    this.timeline = timeline;
    this.guarded = true;
    if (ms === undefined || ms === Number.POSITIVE_INFINITY) {
      this.deadline = Number.POSITIVE_INFINITY;
    } else {
      this.deadline = timeline.now() + ms;
      this.timed = this;
      this.#timer = timeline.at(this.deadline, () => this.#expire());
    }
    if (parent?.guarded) {
      this.#onEnd = (reason) => this.#abandon(reason);
      parent.watch(this.#onEnd);
    }
    if (signal !== undefined) {
      this.#onAbort = () => this.#abandon(signal.reason);
      signal.addEventListener('abort', this.#onAbort);
    }
  }

  /** Runs `next` in the scope. Answers as a `Next` does. */
  run(next: Next): unknown {
    let result: unknown;
    try {
      result = next(this);
    } catch (error) {
      this.expireIfDue();
      if (!this.#open) throw this.reason;
      this.#close();
      throw error;
    }
    if (result instanceof Promise) return this.#await(result);
    // A function that kept the event loop busy past its deadline is late all the same.
    this.expireIfDue();
    if (!this.#open) {
      this.discard(result);
      throw this.reason;
    }
    this.#close();
    return result;
  }

  expireIfDue(): void {
    if (this.#open && this.timed === this && this.timeline.now() >= this.deadline) this.#expire();
  }

  #await(result: Promise<unknown>): Promise<unknown> {
    const won = (value: unknown): void => {
      if (result !== this.checked) this.expireIfDue();
      if (this.#open) {
        this.#close();
        this.#resolve(value);
      } else {
        this.discard(value);
      }
    };
    const failed = (error: unknown): void => {
      if (result !== this.checked) this.expireIfDue();
      if (!this.#open) return;
      this.#close();
      this.#reject(error);
    };
    const promise = new Promise((resolve, reject) => {
      this.#resolve = resolve;
      this.#reject = reject;
    });
    if (!this.#open) this.#reject(this.reason);
    result.then(won, failed);
    return promise;
  }

  #expire(): void {
    this.#abandon(new TimeoutError(`timed out after ${this.#bounds.ms} ms`, this.#bounds.details));
  }

  #abandon(reason: unknown): void {
    if (!this.#open) return;
    this.#close();
    this.#reject(reason);
    this.end(reason);
  }

  #close(): void {
    this.#open = false;
    if (this.#timer !== undefined) this.timeline.cancel(this.#timer);
    if (this.#onEnd !== undefined) this.parent?.unwatch(this.#onEnd);
    if (this.#onAbort !== undefined) this.#bounds.signal?.removeEventListener('abort', this.#onAbort);
  }
}
