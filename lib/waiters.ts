/** Promises that wait: for tokens, for a turn. Each settles exactly once: granted, refused, aborted or disposed. */

/** What a waiting call may be given. */
export interface WaitOptions {
  /** Gives up: the promise rejects in the same turn with the signal's own reason. */
  readonly signal?: AbortSignal | undefined;
  /** The longest wait in milliseconds: a call that would wait longer is refused at once. Default: Infinity. */
  readonly maxWaitMs?: number | undefined;
}

interface Waiter {
  readonly resolve: () => void;
  readonly reject: (error: unknown) => void;
  readonly release: () => void;
}

/** The waiters of one object in this thread, by ticket. */
export class Waiters {
  readonly #waiting = new Map<number, Waiter>();

  get size(): number {
    return this.#waiting.size;
  }

  has(ticket: number): boolean {
    return this.#waiting.has(ticket);
  }

  /** A promise for `ticket`. `cancel` is called when `signal` aborts it. */
  wait(ticket: number, signal: AbortSignal | undefined, cancel: (ticket: number) => void): Promise<void> {
    return new Promise((resolve, reject) => {
      const onAbort = (): void => {
        if (!this.reject(ticket, (signal as AbortSignal).reason)) return;
        cancel(ticket);
      };
      const release = (): void => signal?.removeEventListener('abort', onAbort);
      signal?.addEventListener('abort', onAbort);
      this.#waiting.set(ticket, { resolve, reject, release });
    });
  }

  /** Whether the ticket was waiting here. */
  resolve(ticket: number): boolean {
    const waiter = this.#take(ticket);
    waiter?.resolve();
    return waiter !== undefined;
  }

  /** Whether the ticket was waiting here. */
  reject(ticket: number, error: unknown): boolean {
    const waiter = this.#take(ticket);
    waiter?.reject(error);
    return waiter !== undefined;
  }

  /** Rejects everyone, and says who they were. */
  rejectAll(error: () => unknown): number[] {
    const tickets = [...this.#waiting.keys()];
    for (const ticket of tickets) this.reject(ticket, error());
    return tickets;
  }

  #take(ticket: number): Waiter | undefined {
    const waiter = this.#waiting.get(ticket);
    if (waiter === undefined) return undefined;
    this.#waiting.delete(ticket);
    waiter.release();
    return waiter;
  }
}
