/** Listeners. They run in a later microtask, in order; one that throws is an uncaught exception, never the caller's error. */
import { AsyncResource } from 'node:async_hooks';

/** Ends something: a listener, an isolation. A second call does nothing. */
export class Ending implements Disposable {
  #end: (() => void) | undefined;

  constructor(end: () => void) {
    this.#end = end;
  }

  dispose(): void {
    const end = this.#end;
    this.#end = undefined;
    end?.();
  }

  [Symbol.dispose](): void {
    this.dispose();
  }
}

/** Calls a callback whose error is its own: thrown where nobody can catch it, it ends no call. */
export function tell<Args extends unknown[]>(callback: (...args: Args) => void, ...args: Args): void {
  try {
    callback(...args);
  } catch (error) {
    queueMicrotask(() => {
      throw error;
    });
  }
}

interface Listening<E> {
  readonly listener: (event: E) => void;
  /** Changes up to this one came before it listened. */
  readonly from: number;
}

/** An event that comes with a number, such as a change of a state that all threads see: read from where it is kept. */
export class NumberedEvents<E extends { readonly generation: number }> {
  readonly #listening = new Set<Listening<E>>();
  readonly #read: (since: number) => readonly E[];
  readonly #onUse: (used: boolean) => void;
  #seen = 0;
  #scheduled = false;

  /** `read` gives what came after a number; `onUse` is told when somebody listens and when nobody does any more. */
  constructor(read: (since: number) => readonly E[], onUse: (used: boolean) => void) {
    this.#read = read;
    this.#onUse = onUse;
  }

  /** Tells `listener`, in the async context of this call, of all that comes after number `from`. */
  add(listener: (event: E) => void, from: number): Ending {
    const listening = { listener: AsyncResource.bind(listener), from };
    const first = this.#listening.size === 0;
    this.#listening.add(listening);
    if (first) {
      this.#seen = from;
      this.#onUse(true);
      // Another thread may have changed it after `from` was read, and before it knew that somebody listens here.
      this.schedule();
    }
    return new Ending(() => {
      if (this.#listening.delete(listening) && this.#listening.size === 0) this.#onUse(false);
    });
  }

  /** There may be something to read. */
  schedule(): void {
    if (this.#scheduled || this.#listening.size === 0) return;
    this.#scheduled = true;
    queueMicrotask(() => {
      this.#scheduled = false;
      this.#flush();
    });
  }

  clear(): void {
    if (this.#listening.size === 0) return;
    this.#listening.clear();
    this.#onUse(false);
  }

  #flush(): void {
    // Nobody listens any more, and what is read from may be gone.
    if (this.#listening.size === 0) return;
    for (const event of this.#read(this.#seen)) {
      this.#seen = event.generation;
      // The set itself: who stops listening while others are told is told no more.
      for (const { listener, from } of this.#listening) {
        if (event.generation > from) tell(listener, event);
      }
    }
  }
}
