/** Calls a function with every item of an iterable, as many at once as there are permits. */
import type { ErrorDetails } from './errors.js';
import { invalid } from './options.js';

/** What is given back when a call is over. */
interface Returnable {
  release(verdict?: 'success' | 'dropped' | 'ignored'): void;
}

/** Where permits come from. */
export interface Permits {
  /** One that is free; undefined if there is none. */
  now(): Returnable | undefined;
  /** One in turn; undefined if there is no place to wait. Rejects when the signal aborts. */
  later(signal: AbortSignal): Promise<Returnable> | undefined;
  /** What to say where there is neither. */
  refusal(): unknown;
  /** How a call ended that failed so. */
  verdictOn(error: unknown): 'dropped' | 'ignored';
}

/** The iterator of what may be iterated. */
function iteratorOf<T>(
  items: Iterable<T> | AsyncIterable<T>,
  { kind, primitive }: ErrorDetails,
): Iterator<T> | AsyncIterator<T> {
  const iterable = items as Partial<Iterable<T> & AsyncIterable<T>> | null | undefined;
  const make = iterable?.[Symbol.asyncIterator] ?? iterable?.[Symbol.iterator];
  if (typeof make !== 'function') throw invalid(kind, 'items', 'an iterable', items, primitive);
  return (make as () => Iterator<T> | AsyncIterator<T>).call(items);
}

/** One run of `map`. */
class Mapping<T, R> {
  readonly #iterator: Iterator<T> | AsyncIterator<T>;
  readonly #fn: (item: Awaited<T>, index: number) => R;
  readonly #permits: Permits;
  readonly #results: Awaited<R>[] = [];
  readonly #end = new AbortController();
  #running = 0;
  /** What an item is being pulled for: its iterator may hang. */
  #pulling: Returnable | undefined;
  /** Whether the iterator ended by itself. */
  #exhausted = false;
  #onCallEnd: () => void = () => {};

  constructor(
    iterator: Iterator<T> | AsyncIterator<T>,
    fn: (item: Awaited<T>, index: number) => R,
    permits: Permits,
  ) {
    this.#iterator = iterator;
    this.#fn = fn;
    this.#permits = permits;
  }

  async run(signal: AbortSignal | undefined): Promise<Awaited<R>[]> {
    const onAbort = (): void => this.#end.abort({ reason: signal?.reason });
    signal?.addEventListener('abort', onAbort);
    // Settled by whatever comes first: an error of a call, of the iterator or of a permit, or the signal.
    const ended = new Promise<never>((_, reject) => {
      const end = this.#end.signal;
      end.addEventListener('abort', () => reject((end.reason as { reason: unknown }).reason));
    });
    try {
      await Promise.race([this.#pullAll(), ended]);
      return this.#results;
    } catch (error) {
      this.#fail(error);
      this.#close();
      throw error;
    } finally {
      signal?.removeEventListener('abort', onAbort);
    }
  }

  async #pullAll(): Promise<void> {
    for (let index = 0; ; index++) {
      const permit = this.#permits.now() ?? (await this.#permit());
      this.#pulling = permit;
      let item: Awaited<T>;
      try {
        this.#end.signal.throwIfAborted();
        const pulled = this.#next();
        const next = pulled instanceof Promise ? await pulled : pulled;
        if (next.done) {
          permit.release('ignored');
          break;
        }
        const { value } = next;
        // Most items are no promises, and need no turn.
        const isObject = typeof value === 'object' && value !== null;
        item = isObject || typeof value === 'function' ? await value : (value as Awaited<T>);
        this.#end.signal.throwIfAborted();
      } catch (error) {
        permit.release('ignored');
        throw error;
      }
      this.#pulling = undefined;
      void this.#call(item, index, permit);
    }
    this.#pulling = undefined;
    while (this.#running > 0) await this.#callEnd();
  }

  async #call(item: Awaited<T>, index: number, permit: Returnable): Promise<void> {
    this.#running += 1;
    try {
      this.#results[index] = await this.#fn(item, index);
      permit.release();
    } catch (error) {
      permit.release(this.#permits.verdictOn(error));
      this.#fail(error);
    }
    this.#running -= 1;
    this.#onCallEnd();
  }

  /** In turn, or after a call of our own where there is no place to wait. */
  async #permit(): Promise<Returnable> {
    for (;;) {
      const turn = this.#permits.later(this.#end.signal);
      if (turn !== undefined) return turn;
      if (this.#running === 0) throw this.#permits.refusal();
      await this.#callEnd();
      this.#end.signal.throwIfAborted();
      const permit = this.#permits.now();
      if (permit !== undefined) return permit;
    }
  }

  #callEnd(): Promise<void> {
    return new Promise((resolve) => {
      this.#onCallEnd = resolve;
    });
  }

  /** What follows, or its end; an iterator that threw has ended, too. */
  #next(): IteratorResult<T> | Promise<IteratorResult<T>> {
    const pulled = (next: IteratorResult<T>): IteratorResult<T> => {
      this.#exhausted = next.done === true;
      return next;
    };
    const threw = (error: unknown): never => {
      this.#exhausted = true;
      throw error;
    };
    try {
      const next = this.#iterator.next();
      return 'then' in next ? Promise.resolve(next).then(pulled, threw) : pulled(next);
    } catch (error) {
      return threw(error);
    }
  }

  #fail(reason: unknown): void {
    this.#end.abort({ reason });
    this.#pulling?.release('ignored');
    this.#onCallEnd();
  }

  /** Not awaited: an iterator that hangs keeps nobody from the error. */
  #close(): void {
    if (this.#exhausted) return;
    try {
      void Promise.resolve(this.#iterator.return?.()).catch(() => {});
    } catch {
      // The first error is the one to tell.
    }
  }
}

export async function mapWith<T, R>(
  items: Iterable<T> | AsyncIterable<T>,
  fn: (item: Awaited<T>, index: number) => R,
  signal: AbortSignal | undefined,
  permits: Permits,
  details: ErrorDetails,
): Promise<Awaited<R>[]> {
  signal?.throwIfAborted();
  return new Mapping(iteratorOf(items, details), fn, permits).run(signal);
}
