/** BoundedQueue: messages between threads, with backpressure. */
import type { Readable, Writable } from 'node:stream';
import type { NativeQueueSnapshot, QueueFunctions } from './binding.js';
import type { ManualClock } from './clock.js';
import { InvalidOptionError, QueueClosedError, QueueFullError, QueueTimeoutError } from './errors.js';
import { NumberedEvents } from './events.js';
import { host, type Listener, listen, unlisten } from './host.js';
import { reportUse } from './in-use.js';
import { checkShape, checkSignal, checkSpan, describe, invalid } from './options.js';
import { type CommonSnapshot, Primitive } from './primitive.js';
import {
  CLOSED,
  EMPTY,
  ENDED,
  FULL,
  type Messages,
  messagesOf,
  NEVER,
  NO_TICKET,
  NotOfCodec,
  STORED,
  WAITING,
} from './queue-messages.js';
import { type Ends, toReadable, toReadableStream, toWritable, toWritableStream } from './queue-streams.js';
import { expectMail, readOwnMail, type Wait, Waits } from './queue-waits.js';

/** Options of BoundedQueue. */
export interface BoundedQueueOptions {
  /** The most messages it holds: a whole number from 1 to 2^32. */
  readonly capacity: number;
  /**
   * The most bytes of messages it holds: a whole number from 1 to 2^53 - 1. Text counts a byte for each character if all are below
   * U+0100, else two. Default: no bound but `capacity`.
   */
  readonly maxBytes?: number | undefined;
  /**
   * What happens to a message when there is no room: it is refused, it waits, the oldest messages are dropped for it, or it is
   * dropped itself. @default 'reject'
   */
  readonly overflow?: 'reject' | 'wait' | 'dropOldest' | 'dropNewest' | undefined;
  /** What messages are: values (as their JSON), Uint8Arrays, or strings. @default 'json' */
  readonly codec?: 'json' | 'bytes' | 'string' | undefined;
  /** One queue for all worker threads that construct it with this name and these options: 1 to 128 characters. */
  readonly name?: string | undefined;
  /** Names the object in errors and snapshots, and shares nothing. */
  readonly label?: string | undefined;
  /** Where the time of `timeoutMs` and `lingerMs` is read. Default: the system's monotonic clock. */
  readonly clock?: ManualClock | undefined;
}

/** How long a push may take. */
export interface PushOptions {
  /** Gives up: the promise rejects in the same turn with the signal's own reason, unless the message is stored already. */
  readonly signal?: AbortSignal | undefined;
  /** The longest wait for room in milliseconds, with `overflow: 'wait'`. Default: Infinity. */
  readonly timeoutMs?: number | undefined;
}

/** How long a pop may take. */
export interface PopOptions {
  /** Gives up: the promise rejects in the same turn with the signal's own reason, and no message is taken. */
  readonly signal?: AbortSignal | undefined;
}

/** How long a batch may take. */
export interface PopManyOptions extends PopOptions {
  /** How long to wait for more messages once the first one is there, in milliseconds. @default 0 */
  readonly lingerMs?: number | undefined;
}

/** What listeners are told. */
export interface BoundedQueueEvents {
  /** The queue was full, and now holds at most half of each of its bounds. */
  drain: Record<never, never>;
  /** So many messages were dropped to make room since this listener was told last. */
  drop: { readonly count: number };
}

/** Figures over all threads. Counters count since the state was made. */
export interface BoundedQueueSnapshot extends Omit<CommonSnapshot<'queue'>, 'dryRun'> {
  readonly capacity: number;
  readonly maxBytes: number | undefined;
  readonly overflow: 'reject' | 'wait' | 'dropOldest' | 'dropNewest';
  readonly codec: 'json' | 'bytes' | 'string';
  /** Messages in the queue. */
  readonly size: number;
  /** Their bytes. */
  readonly bytes: number;
  /** Pushes that wait for room. */
  readonly waitingPushes: number;
  /** Pops that wait for messages. */
  readonly waitingPops: number;
  /** Messages accepted. */
  readonly pushed: number;
  /** Messages popped, without those that came back from a thread that ended. */
  readonly popped: number;
  /** Messages dropped: to make room, or by `close({ drain: false })`. */
  readonly dropped: number;
  /** Messages refused. */
  readonly refused: number;
  readonly closed: boolean;
}

interface Event {
  readonly generation: number;
}

const SHAPES = {
  capacity: 'number',
  maxBytes: 'number',
  overflow: 'string',
  codec: 'string',
  name: 'string',
  label: 'string',
  clock: 'object',
} as const;

/** What ends the waiting of an iterator that was left. */
const RETURNED = Symbol('returned');

/** A method may be called on anything: what is no BoundedQueue is an InvalidOptionError. */
let checkThis: <T>(queue: BoundedQueue<T>) => BoundedQueue<T>;

/**
 * A bounded queue of messages: many producers, many consumers, in any threads that share its name. Messages are kept outside the
 * JavaScript heap, each goes to one consumer, and those of one producer arrive in their order.
 *
 * ```js
 * const jobs = new BoundedQueue({ name: 'jobs', capacity: 10_000, overflow: 'wait' });
 * await jobs.push({ id: 7 }); // here
 * for await (const job of jobs) await work(job); // in a worker thread
 * ```
 */
export class BoundedQueue<T = unknown> implements AsyncIterable<T> {
  readonly #primitive: Primitive<'queue', QueueFunctions>;
  readonly #functions: QueueFunctions;
  readonly #messages: Messages<T>;
  readonly #overflow: BoundedQueueSnapshot['overflow'];
  readonly #pops: Waits;
  /** Pushes, and closes. */
  readonly #others: Waits;
  #drains: NumberedEvents<Event> | undefined;
  #drops: NumberedEvents<Event> | undefined;

  /**
   * @throws {InvalidOptionError} when an option is unknown, of the wrong type or out of range.
   * @throws {NameConflictError} when the name is in use with other options.
   */
  constructor(options: BoundedQueueOptions) {
    this.#primitive = options instanceof Primitive ? options : this.#open(options);
    this.#functions = this.#primitive.functions;
    const { codec, overflow } = this.#figures();
    this.#overflow = overflow as BoundedQueueSnapshot['overflow'];
    this.#messages = messagesOf(codec, this.#functions, host().registers) as Messages<T>;
    this.#pops = new Waits(this.#primitive);
    this.#others = new Waits(this.#primitive);
    reportUse(this, () => this.#pops.size + this.#others.size + (this.#functions.size() ?? 0) > 0);
  }

  /** An object on the queue of this name, if one exists in the process. */
  static find<T = unknown>(name: string): BoundedQueue<T> | undefined {
    return Primitive.find(
      'queue',
      name,
      (native, host) => native.findQueue(host, name),
      (primitive) => new BoundedQueue<T>(primitive as never),
    );
  }

  /**
   * Stores a message if there is room: whether it was stored. With `dropOldest` there is always room, unless the message has more
   * bytes than the queue may hold.
   * @throws {InvalidOptionError | QueueClosedError | DisposedError}
   */
  tryPush(value: T): boolean {
    const self = checkThis(this);
    const code = self.#store(value, 0);
    if (code === STORED) return true;
    if (code === CLOSED) throw self.#closedError();
    self.#primitive.refused();
    return false;
  }

  /**
   * Stores a message, whether it was stored: false with `dropNewest` where there is no room. With `wait` it waits for room, first
   * come, first served over all threads.
   * Rejects with QueueFullError where there is no room, with QueueTimeoutError where there was none within `timeoutMs`, with the
   * signal's reason when aborted (in both cases the message is not stored), with QueueClosedError when the queue is closed.
   */
  push(value: T, options?: PushOptions): Promise<boolean> {
    try {
      const self = checkThis(this);
      if (options === undefined) return self.#push(value, undefined, Number.POSITIVE_INFINITY, false);
      const own = checkShape('queue', options, { signal: 'object', timeoutMs: 'number' });
      const { signal, timeoutMs = Number.POSITIVE_INFINITY } = own;
      checkSignal('queue', signal, self.#primitive.word);
      checkSpan('queue', 'timeoutMs', timeoutMs, self.#primitive.word);
      return self.#push(value, signal, timeoutMs, false);
    } catch (error) {
      return Promise.reject(error);
    }
  }

  /** The oldest message, or undefined: there is none, or those that are there are others'. @throws {DisposedError} */
  tryPop(): T | undefined {
    const self = checkThis(this);
    // Pops of this object that wait come first: they would get a later message. A batch that lingers takes what it gets.
    const value = self.#primitive.live(self.#pops.hasPops() ? EMPTY : self.#messages.one(NO_TICKET));
    if (value === EMPTY || value === ENDED) return undefined;
    readOwnMail();
    self.#messages.deliver();
    return value as T;
  }

  /**
   * The oldest message as soon as there is one, first come, first served over all threads; undefined once the queue is closed and
   * empty. Rejects with the signal's reason when aborted, with DisposedError when this object is disposed meanwhile.
   */
  pop(options: PopOptions = {}): Promise<T | undefined> {
    try {
      const self = checkThis(this);
      const { signal } = checkShape('queue', options, { signal: 'object' });
      checkSignal('queue', signal, self.#primitive.word);
      return self.#pop(signal, identity<T | undefined>);
    } catch (error) {
      return Promise.reject(error);
    }
  }

  /**
   * At least one message and at most `max` (a whole number ≥ 1), as soon as there is one; with `lingerMs` it waits so long for `max`
   * of them once the first is there, and keeps none but the first from others meanwhile. [] once the queue is closed and empty.
   * Messages of one batch may share memory: what is kept for long is better copied. Rejects as `pop` does.
   */
  popMany(max: number, options: PopManyOptions = {}): Promise<T[]> {
    try {
      const self = checkThis(this);
      const own = checkShape('queue', options, { signal: 'object', lingerMs: 'number' });
      const { signal, lingerMs = 0 } = own;
      if (!(Number.isSafeInteger(max) && max >= 1)) {
        throw invalid('queue', 'max', 'a whole number ≥ 1', max, self.#primitive.word);
      }
      checkSignal('queue', signal, self.#primitive.word);
      checkSpan('queue', 'lingerMs', lingerMs, self.#primitive.word);
      return self.#popMany(max, signal, max === 1 ? 0 : lingerMs);
    } catch (error) {
      return Promise.reject(error);
    }
  }

  /** Message after message, until the queue is closed and empty. A message is popped when it is asked for, none ahead. */
  [Symbol.asyncIterator](): AsyncIterableIterator<T> {
    const self = checkThis(this);
    let ended = false;
    const result = (value: T | undefined): IteratorResult<T> => {
      if (value === undefined) ended = true;
      return value === undefined ? { value, done: true } : { value, done: false };
    };
    const iterator: AsyncIterableIterator<T> = {
      next: () => {
        if (ended) return Promise.resolve(result(undefined));
        try {
          return self.#pop(undefined, result, iterator);
        } catch (error) {
          return Promise.reject(error);
        }
      },
      return: () => {
        ended = true;
        self.#pops.cancelAll(() => RETURNED, iterator);
        return Promise.resolve(result(undefined));
      },
      [Symbol.asyncIterator]: () => iterator,
    };
    return iterator;
  }

  /**
   * A Node stream in object mode with a chunk for each message: it pops when it is read from, and ends with the queue. Destroying
   * it leaves the queue as it is.
   */
  toReadable(): Readable {
    return toReadable(checkThis(this).#ends());
  }

  /**
   * A Node stream in object mode that pushes each chunk; with `reject` and `wait` it waits for room. Its end does not close the
   * queue.
   */
  toWritable(): Writable {
    return toWritable(checkThis(this).#ends());
  }

  /** The same as a web stream. */
  toReadableStream(): ReadableStream<T> {
    return toReadableStream(checkThis(this).#ends());
  }

  /** The same as a web stream. */
  toWritableStream(): WritableStream<T> {
    return toWritableStream(checkThis(this).#ends());
  }

  /** Messages in the queue. @throws {DisposedError} */
  get size(): number {
    const self = checkThis(this);
    return self.#primitive.live(self.#functions.size());
  }

  /**
   * Ends the queue for all threads: pushes reject with QueueClosedError, those that wait for room too. Resolves when all messages
   * are popped; with `drain: false` they are discarded instead. Pops of a closed and empty queue give undefined, [] and the end.
   */
  close(options: { readonly drain?: boolean | undefined } = {}): Promise<void> {
    try {
      const self = checkThis(this);
      const { drain = true } = checkShape('queue', options, { drain: 'boolean' });
      self.#primitive.live(self.#functions.close(drain ? 1 : 0));
      readOwnMail();
      const ticket = self.#primitive.live(self.#functions.awaitEnd());
      if (ticket < 0) return Promise.resolve();
      return new Promise((resolve, reject) => {
        self.#others.add({
          ticket,
          onMail: () => {
            resolve();
            return undefined;
          },
          onCancelled: (_, error) => reject(error),
        });
      });
    } catch (error) {
      return Promise.reject(error);
    }
  }

  /**
   * Tells `listener` in a later microtask, in this thread, whichever thread brought the event about.
   * @throws {InvalidOptionError | DisposedError}
   */
  on<E extends keyof BoundedQueueEvents>(
    event: E,
    listener: (event: BoundedQueueEvents[E]) => void,
  ): Disposable {
    const self = checkThis(this);
    const { word } = self.#primitive;
    if (event !== 'drain' && event !== 'drop')
      throw invalid('queue', 'event', "'drain' or 'drop'", event, word);
    if (typeof listener !== 'function') throw invalid('queue', 'listener', 'a function', listener, word);
    const [drains, drops] = self.#counted();
    if (event === 'drain') {
      self.#drains ??= self.#newEvents(0);
      return self.#drains.add(() => listener({} as BoundedQueueEvents[E]), drains);
    }
    self.#drops ??= self.#newEvents(1);
    let seen = drops;
    return self.#drops.add(({ generation }) => {
      const count = generation - seen;
      seen = generation;
      listener({ count } as BoundedQueueEvents[E]);
    }, drops);
  }

  /** Figures over all threads, safe to log. @throws {DisposedError} */
  snapshot(): BoundedQueueSnapshot {
    const self = checkThis(this);
    const { maxBytes, overflow, codec, ...figures } = self.#figures();
    const { dryRun: _, ...common } = self.#primitive.common();
    return { ...common, maxBytes, overflow, codec, ...figures } as BoundedQueueSnapshot;
  }

  /**
   * Lets go of the queue: what waits through this object rejects with DisposedError, later calls throw it. A name is free again, and
   * what its queue held gone, once every thread has let go of it. A second call does nothing.
   */
  dispose(): void {
    const self = checkThis(this);
    const error = (): unknown => self.#primitive.disposedError();
    self.#pops.cancelAll(error);
    self.#others.cancelAll(error);
    self.#drains?.clear();
    self.#drops?.clear();
    self.#primitive.dispose();
  }

  [Symbol.dispose](): void {
    checkThis(this).dispose();
  }

  static {
    checkThis = (queue) => {
      if (typeof queue === 'object' && queue !== null && #pops in queue) return queue;
      throw invalid('queue', 'this', 'a BoundedQueue', queue);
    };
  }

  #open(options: BoundedQueueOptions): Primitive<'queue', QueueFunctions> {
    const own = checkShape('queue', options, SHAPES);
    const { capacity, maxBytes, overflow, codec } = own;
    return Primitive.open(this, 'queue', own, (native, host, { name, clock }) =>
      native.openQueue(host, { name, clock, capacity, maxBytes, overflow, codec }),
    );
  }

  #figures(): NativeQueueSnapshot {
    return this.#primitive.cold((native, host, handle) => native.queueSnapshot(host, handle));
  }

  /** How the push ended: not for want of the codec's type. @throws {InvalidOptionError | DisposedError} */
  #store(value: T, mayWait: 0 | 1): number {
    let code: number | undefined;
    try {
      code = this.#messages.push(value, mayWait);
    } catch (error) {
      if (!(error instanceof NotOfCodec)) throw error;
      const details = { ...this.#primitive.details, cause: error.cause };
      throw new InvalidOptionError('value', error.expected, describe(value), details);
    }
    if (code === STORED) readOwnMail();
    return this.#primitive.live(code);
  }

  #push(value: T, signal: AbortSignal | undefined, timeoutMs: number, always: boolean): Promise<boolean> {
    if (signal?.aborted) throw signal.reason;
    const overflow = this.#overflow;
    const waits = overflow === 'wait' || (always && overflow === 'reject');
    const code = this.#store(value, waits && timeoutMs > 0 ? 1 : 0);
    if (code === STORED) return Promise.resolve(true);
    if (code === CLOSED) throw this.#closedError();
    if (code === WAITING) {
      const ticket = host().registers[0] as number;
      // By the message itself, as it was made to JSON.
      if (signal?.aborted && this.#functions.cancel(ticket) === true) throw signal.reason;
      return this.#room(ticket, signal, timeoutMs);
    }
    this.#primitive.refused();
    if (overflow === 'dropNewest') return Promise.resolve(false);
    if (code === FULL && waits) throw this.#timeoutError(timeoutMs);
    const retryAfterMs = code === NEVER ? Number.POSITIVE_INFINITY : undefined;
    const why = code === NEVER ? 'it never holds as many bytes' : 'it is full';
    throw new QueueFullError(`${this.#primitive.subject} refused: ${why}`, {
      ...this.#primitive.details,
      retryAfterMs,
    });
  }

  /** Waits for room: true once the message is stored. */
  #room(ticket: number, signal: AbortSignal | undefined, timeoutMs: number): Promise<boolean> {
    return new Promise((resolve, reject) => {
      const wait: Wait = {
        ticket,
        signal,
        onMail: (_, stored) => {
          if (stored) resolve(true);
          else reject(this.#closedError());
          return undefined;
        },
        // It may have been stored in the same instant.
        onCancelled: (cancelled, error) => {
          if (cancelled) reject(error);
          else resolve(true);
        },
      };
      if (timeoutMs < Number.POSITIVE_INFINITY) {
        wait.timer = this.#primitive.timeline.after(timeoutMs, () => {
          this.#others.cancel(wait, this.#timeoutError(timeoutMs));
        });
      }
      this.#others.add(wait);
    });
  }

  #pop<R>(signal: AbortSignal | undefined, wrap: (value: T | undefined) => R, owner?: object): Promise<R> {
    if (signal?.aborted) throw signal.reason;
    const messages = this.#messages;
    // Pops of this object that wait come first.
    const value = this.#pops.size > 0 ? EMPTY : this.#primitive.live(messages.one(NO_TICKET));
    if (value === EMPTY) return this.#line(signal, (ticket) => messages.one(ticket), wrap, owner);
    if (value === ENDED) return Promise.resolve(wrap(undefined));
    readOwnMail();
    const promise = Promise.resolve(wrap(value as T));
    messages.deliver();
    return promise;
  }

  #popMany(max: number, signal: AbortSignal | undefined, lingerMs: number): Promise<T[]> {
    if (signal?.aborted) throw signal.reason;
    const messages = this.#messages;
    const wrap = (batch: T[] | undefined): T[] => batch ?? [];
    const take = (ticket: number): ReturnType<Messages<T>['many']> => messages.many(max, ticket);
    if (lingerMs > 0) return this.#line(signal, take, wrap, undefined, { max, lingerMs });
    const batch = this.#pops.size > 0 ? EMPTY : this.#primitive.live(take(NO_TICKET));
    if (batch === EMPTY) return this.#line(signal, take, wrap);
    if (batch === ENDED) return Promise.resolve([]);
    readOwnMail();
    const promise = Promise.resolve(batch as T[]);
    messages.deliver();
    return promise;
  }

  /** Waits in the line, and takes when the mail comes: the value is in the promise before anything else runs. */
  #line<V, R>(
    signal: AbortSignal | undefined,
    take: (ticket: number) => V | typeof EMPTY | typeof ENDED | undefined,
    wrap: (value: V | undefined) => R,
    owner?: object,
    linger?: { readonly max: number; readonly lingerMs: number },
  ): Promise<R> {
    return new Promise((resolve, reject) => {
      let lingering = false;
      /** Lingers if there is a message and more are to come, else takes or enters the line: the ticket of a further wait. */
      const proceed = (ticket: number, wait: Wait): number | undefined => {
        if (wait.timer !== undefined) this.#primitive.timeline.cancel(wait.timer);
        if (linger !== undefined && !lingering) {
          const next = this.#functions.linger(ticket, linger.max, linger.lingerMs);
          if (next !== undefined && next >= 0) {
            lingering = true;
            wait.timer = this.#primitive.timeline.after(linger.lingerMs, () => this.#pops.wake(wait));
            return next;
          }
        }
        lingering = false;
        let value: ReturnType<typeof take>;
        try {
          value = take(ticket);
        } catch (error) {
          // There was no memory for it: it comes first again.
          reject(error);
          return undefined;
        }
        if (value === EMPTY) {
          // What it had been promised was taken back, as its thread was blocked.
          const next = this.#functions.enter() ?? -1;
          if (next >= 0) return next;
        }
        if (value === undefined) reject(this.#primitive.disposedError());
        else if (value === EMPTY || value === ENDED) resolve(wrap(undefined));
        else {
          const result = wrap(value as V);
          this.#messages.deliver();
          resolve(result);
        }
        return undefined;
      };
      const wait: Wait = {
        ticket: NO_TICKET,
        signal,
        owner,
        onMail: (ticket, offered) => {
          if (offered) return proceed(ticket, wait);
          resolve(wrap(undefined));
          return undefined;
        },
        onCancelled: (_, error) => {
          if (error === RETURNED) resolve(wrap(undefined));
          else reject(error);
        },
      };
      // Behind its own object's pops it enters the line whatever there is, so that they come first.
      const first = linger !== undefined && this.#pops.size === 0;
      const ticket = first ? proceed(NO_TICKET, wait) : this.#primitive.live(this.#functions.enter());
      if (ticket === undefined) return;
      if (ticket < 0) {
        resolve(wrap(undefined));
        return;
      }
      wait.ticket = ticket;
      this.#pops.add(wait);
    });
  }

  #ends(): Ends<T> {
    return {
      pop: (signal) => this.pop({ signal }),
      push: async (value, signal) => this.#push(value, signal, Number.POSITIVE_INFINITY, true),
    };
  }

  /** How often the queue ran low, and how many messages were dropped for others. */
  #counted(): [number, number] {
    this.#primitive.live(this.#functions.events());
    const [drains, drops] = host().registers as unknown as [number, number];
    return [drains, drops];
  }

  #newEvents(which: 0 | 1): NumberedEvents<Event> {
    const { state } = this.#primitive;
    const events: NumberedEvents<Event> = new NumberedEvents<Event>(
      (since) => {
        const generation = this.#counted()[which];
        return generation > since ? [{ generation }] : [];
      },
      (used) => {
        expectMail(used ? 1 : -1);
        if (used) listen(state, listener);
        // Another object of this thread may still want the mail.
        else if (!unlisten(state, listener)) return;
        this.#primitive.cold((native, host, handle) => native.listenQueue(host, handle, used));
      },
    );
    const listener: Listener = { onChanged: () => events.schedule() };
    return events;
  }

  #closedError(): QueueClosedError {
    return new QueueClosedError(`${this.#primitive.subject} is closed`, this.#primitive.details);
  }

  #timeoutError(timeoutMs: number): QueueTimeoutError {
    return new QueueTimeoutError(
      `${this.#primitive.subject} had no room within ${timeoutMs} ms`,
      this.#primitive.details,
    );
  }
}

function identity<V>(value: V): V {
  return value;
}
