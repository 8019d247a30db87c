/** Calls a function with every item of an iterable, as many at once as there are permits. */
import type { ErrorDetails } from './errors.js';
import { isTimeout } from './judge.js';
import { invalid } from './options.js';

/** What is given back when a call is over. */
interface Returnable {
  release(verdict?: 'dropped' | 'ignored'): void;
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

/**
 * `acquire` gives a permit, and is given a signal that ends the wait; `isFull` says of its error that there is neither a permit nor a
 * place to wait: then the end of a call of our own is waited for, if there is one.
 */
export async function mapWith<T, R>(
  items: Iterable<T> | AsyncIterable<T>,
  fn: (item: Awaited<T>, index: number) => R,
  signal: AbortSignal | undefined,
  acquire: (signal: AbortSignal) => Promise<Returnable>,
  isFull: (error: unknown) => boolean,
  details: ErrorDetails,
): Promise<Awaited<R>[]> {
  const iterator = iteratorOf(items, details);
  signal?.throwIfAborted();
  const results: Awaited<R>[] = [];
  const end = new AbortController();
  let running = 0;
  let onCallEnd: () => void = () => {};
  const fail = (reason: unknown): void => end.abort({ reason });
  const onAbort = (): void => fail(signal?.reason);
  signal?.addEventListener('abort', onAbort);
  // Settled by whatever comes first: an error of a call, of the iterator or of a permit, or the signal.
  const failed = new Promise<never>((_, reject) => {
    end.signal.addEventListener('abort', () => reject((end.signal.reason as { reason: unknown }).reason));
  });
  failed.catch(() => {});

  const run = async (item: Awaited<T>, index: number, permit: Returnable): Promise<void> => {
    running += 1;
    try {
      results[index] = await fn(item, index);
      permit.release();
    } catch (error) {
      permit.release(isTimeout(error) ? 'dropped' : 'ignored');
      fail(error);
    }
    running -= 1;
    onCallEnd();
  };
  const callEnd = (): Promise<void> =>
    new Promise((resolve) => {
      onCallEnd = resolve;
    });
  const permitFor = async (): Promise<Returnable> => {
    for (;;) {
      try {
        return await acquire(end.signal);
      } catch (error) {
        if (!isFull(error) || running === 0) throw error;
        await callEnd();
      }
    }
  };
  const pull = async (): Promise<void> => {
    for (let index = 0; ; index++) {
      const permit = await permitFor();
      if (end.signal.aborted) return permit.release('ignored');
      let next: IteratorResult<T>;
      let item: Awaited<T>;
      try {
        next = await iterator.next();
        if (next.done) {
          permit.release('ignored');
          break;
        }
        item = await next.value;
      } catch (error) {
        permit.release('ignored');
        throw error;
      }
      if (end.signal.aborted) return permit.release('ignored');
      void run(item, index, permit);
    }
    while (running > 0) await callEnd();
  };

  try {
    const pulled = pull();
    pulled.catch(() => {});
    await Promise.race([pulled, failed]);
    return results;
  } catch (error) {
    fail(error);
    try {
      // Not awaited: an iterator that hangs keeps nobody from the error.
      void Promise.resolve(iterator.return?.()).catch(() => {});
    } catch {
      // The first error is the one to tell.
    }
    throw error;
  } finally {
    signal?.removeEventListener('abort', onAbort);
  }
}
