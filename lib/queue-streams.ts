/** Streams over a queue: one chunk for each message, and backpressure both ways. */
import { Readable, Writable } from 'node:stream';

/** What streams need of a queue. `push` waits for room where the queue's rule does not drop. */
export interface Ends<T> {
  pop(signal: AbortSignal): Promise<T | undefined>;
  push(value: T, signal: AbortSignal): Promise<unknown>;
}

/** Pops only what is asked for; ends with the queue. */
export function toReadable<T>(queue: Ends<T>): Readable {
  const ending = new AbortController();
  return new Readable({
    objectMode: true,
    highWaterMark: 0,
    read() {
      queue.pop(ending.signal).then(
        (value) => {
          // In a stream null means its end: a message that is null cannot be said.
          if (value === null)
            this.destroy(new TypeError('a Node stream cannot carry a message that is null'));
          else this.push(value === undefined ? null : value);
        },
        (error) => this.destroy(error),
      );
    },
    destroy(error, done) {
      ending.abort();
      done(error);
    },
  });
}

/** Its end is not the queue's: others may push. */
export function toWritable<T>(queue: Ends<T>): Writable {
  const ending = new AbortController();
  return new Writable({
    objectMode: true,
    highWaterMark: 1,
    write(value: T, _encoding, done) {
      queue.push(value, ending.signal).then(() => done(), done);
    },
    destroy(error, done) {
      ending.abort();
      done(error);
    },
  });
}

/** Pops only what is asked for; closes with the queue. */
export function toReadableStream<T>(queue: Ends<T>): ReadableStream<T> {
  const ending = new AbortController();
  return new ReadableStream<T>(
    {
      async pull(controller) {
        const value = await queue.pop(ending.signal);
        if (value === undefined) controller.close();
        else controller.enqueue(value);
      },
      cancel(reason) {
        ending.abort(reason);
      },
    },
    { highWaterMark: 0 },
  );
}

/** Its end is not the queue's: others may push. */
export function toWritableStream<T>(queue: Ends<T>): WritableStream<T> {
  return new WritableStream<T>({
    async write(value, controller) {
      // Not the sink's `abort`, which is called only when this write has ended. Node's types do not know of the signal.
      await queue.push(value, (controller as unknown as { signal: AbortSignal }).signal);
    },
  });
}
