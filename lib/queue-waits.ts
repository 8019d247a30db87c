/** Promises of one queue object that wait for mail: pushes for room, pops for messages, closes for the end. */
import { keepAlive, type Listener, listen, readMail, unlisten } from './host.js';
import { Lookout } from './lookout.js';
import type { Primitive } from './primitive.js';
import type { Timer } from './timers.js';

/** No ticket. */
const NOBODY = 0;

/** How many lines a queue has: pops are the first, batches that linger the second. */
const LINES = 4;

/** How many objects of this thread wait for mail about queues, or listen to them. */
let expecting = 0;
let reading = false;

/** Somebody in this thread expects mail about a queue (1), or no more (-1). */
export function expectMail(change: 1 | -1): void {
  expecting += change;
}

/**
 * Reads, after this turn, what a call may have sent to this very thread. Not within the call: what it took is in nobody's hands
 * until it has returned.
 */
export function readOwnMail(): void {
  if (expecting === 0 || reading) return;
  reading = true;
  queueMicrotask(() => {
    reading = false;
    readMail();
  });
}

/** What one promise waits for. */
export interface Wait {
  /** Its place in the line. */
  ticket: number;
  /** Offered, or (false) sent away with nothing. Answers the ticket of a further wait, or undefined when it is settled. */
  readonly onMail: (ticket: number, offered: boolean) => number | undefined;
  /** Settles what was cancelled: by `reject`, unless it turns out to have been done. */
  readonly onCancelled: (cancelled: boolean, error: unknown) => void;
  readonly signal?: AbortSignal | undefined;
  /** The iterator it belongs to. */
  readonly owner?: object | undefined;
  onAbort?: (() => void) | undefined;
  timer?: Timer | undefined;
}

/** Those that wait through one object, by ticket. */
export class Waits {
  readonly #primitive: Primitive<'queue', { cancel(ticket: number): boolean | undefined }>;
  readonly #waiting = new Map<number, Wait>();
  /** What is reserved for a thread that does not answer goes to who looks; where nobody calls, that is who waits. */
  readonly #lookout = new Lookout(() => {
    if (this.#waiting.size === 0) return false;
    // Of nobody: what is stale goes to the head of the line, as after every call.
    this.#primitive.functions.cancel(NOBODY);
    readOwnMail();
    return true;
  });
  readonly #listener: Listener = {
    onTicket: (ticket, fate) => this.#onMail(ticket, fate === 'served'),
  };

  constructor(primitive: Primitive<'queue', { cancel(ticket: number): boolean | undefined }>) {
    this.#primitive = primitive;
  }

  get size(): number {
    return this.#waiting.size;
  }

  /** Whether somebody waits in the line of pops: tickets say of which line they are. */
  hasPops(): boolean {
    for (const ticket of this.#waiting.keys()) if (ticket % LINES === 0) return true;
    return false;
  }

  /** Waits with its ticket; an abort of its signal cancels it. */
  add(wait: Wait): void {
    if (this.#waiting.size === 0) {
      listen(this.#primitive.state, this.#listener);
      expectMail(1);
      // Nobody but this thread can reach a queue without a name.
      if (this.#primitive.name !== undefined) {
        keepAlive(1);
        this.#lookout.start();
      }
    }
    this.#waiting.set(wait.ticket, wait);
    const { signal } = wait;
    if (signal !== undefined) {
      wait.onAbort = () => this.cancel(wait, signal.reason);
      signal.addEventListener('abort', wait.onAbort);
    }
    readOwnMail();
  }

  /** Gives up what `wait` waits for, if it still does. */
  cancel(wait: Wait, error: unknown): void {
    const { ticket } = wait;
    if (this.#waiting.get(ticket) !== wait) return;
    this.#waiting.delete(ticket);
    this.#release(wait);
    wait.onCancelled(this.#primitive.functions.cancel(ticket) === true, error);
    readOwnMail();
    this.#rest();
  }

  /** Its timer has fired: it goes on as if it had been offered what it waits for. */
  wake(wait: Wait): void {
    if (this.#waiting.get(wait.ticket) === wait) this.#onMail(wait.ticket, true);
  }

  /** Gives up everything, or what belongs to `owner`. */
  cancelAll(error: () => unknown, owner?: object): void {
    for (const wait of [...this.#waiting.values()]) {
      if (owner === undefined || wait.owner === owner) this.cancel(wait, error());
    }
  }

  #onMail(ticket: number, offered: boolean): void {
    // Mail goes to all objects on the state: the ticket may be another's.
    const wait = this.#waiting.get(ticket);
    if (wait === undefined) return;
    this.#waiting.delete(ticket);
    const next = wait.onMail(ticket, offered);
    if (next === undefined) {
      this.#release(wait);
    } else {
      wait.ticket = next;
      this.#waiting.set(next, wait);
    }
    readOwnMail();
    this.#rest();
  }

  #release(wait: Wait): void {
    if (wait.onAbort !== undefined) wait.signal?.removeEventListener('abort', wait.onAbort);
    if (wait.timer !== undefined) this.#primitive.timeline.cancel(wait.timer);
  }

  #rest(): void {
    if (this.#waiting.size > 0) return;
    unlisten(this.#primitive.state, this.#listener);
    expectMail(-1);
    if (this.#primitive.name !== undefined) keepAlive(-1);
  }
}
