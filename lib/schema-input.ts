/** Where lines come from: one chunk after the other, and an end to it whenever nobody wants any more. */
import { invalid } from './options.js';

/** Where lines come from: bytes, or chunks of them that end anywhere. */
export type LineSource =
  | Uint8Array
  | string
  | AsyncIterable<Uint8Array | string>
  | Iterable<Uint8Array | string>
  | ReadableStream<Uint8Array | string>;

/** Chunks, as whoever cuts them takes them. */
export interface LineInput {
  /** The next chunk; undefined at the end. The one before is not looked at any more. */
  read(): Promise<Uint8Array | string | undefined>;
  /** Nobody reads any more: who waits in `read` gets undefined. Settles once the source has let go, but for one that is being waited for. */
  cancel(reason?: unknown): Promise<void>;
  /** Whether `cancel` ended it, and not the source. */
  readonly cancelled: boolean;
  /** Whether the memory of a chunk may be read into again once the next one is asked for. */
  readonly isLent: boolean;
}

/** Steps through a source, and how it is told to stop while a step is under way. */
interface Steps {
  /** There is nothing to wait for, and so nothing to stop. */
  readonly isAtHand?: boolean;
  next(): PromiseLike<IteratorResult<unknown>> | IteratorResult<unknown>;
  return?(reason?: unknown): unknown;
  destroy?(): unknown;
}

/** @throws {InvalidOptionError} when it is nothing that has chunks. */
export function inputOf(source: LineSource, primitive: string | undefined): LineInput {
  const steps = stepsOf(source);
  if (steps === undefined)
    throw invalid('schema', 'source', 'bytes, or an iterable of them', source, primitive);
  return new SourceInput(steps, primitive);
}

function stepsOf(source: LineSource): Steps | undefined {
  if (typeof source === 'string' || source instanceof Uint8Array) {
    const steps = [source].values();
    return { isAtHand: true, next: () => steps.next() };
  }
  if (typeof source !== 'object' || source === null) return undefined;
  if (typeof (source as ReadableStream).getReader === 'function') {
    const reader = (source as ReadableStream<unknown>).getReader();
    return {
      next: () => reader.read() as Promise<IteratorResult<unknown>>,
      return: (reason) => reader.cancel(reason),
    };
  }
  if (Symbol.asyncIterator in source) {
    const steps = source[Symbol.asyncIterator]();
    const { destroy } = source as { destroy?: () => unknown };
    return {
      next: () => steps.next(),
      return: () => steps.return?.(),
      // A stream's own steps would only end after the one under way.
      ...(typeof destroy === 'function' && { destroy: () => destroy.call(source) }),
    };
  }
  return Symbol.iterator in source ? source[Symbol.iterator]() : undefined;
}

/** @throws {InvalidOptionError} when it is neither text nor bytes. */
export function checkChunk(chunk: unknown, primitive?: string): Uint8Array | string {
  if (typeof chunk === 'string' || chunk instanceof Uint8Array) return chunk;
  throw invalid('schema', 'source', 'an iterable of strings or Uint8Arrays', chunk, primitive);
}

class SourceInput implements LineInput {
  cancelled = false;
  readonly isLent: boolean;
  readonly #steps: Steps;
  readonly #primitive: string | undefined;
  #ended = false;
  /** Lets go of who waits for a step. */
  #letGo: (() => void) | undefined;

  constructor(steps: Steps, primitive: string | undefined) {
    this.isLent = !steps.isAtHand;
    this.#steps = steps;
    this.#primitive = primitive;
  }

  read(): Promise<Uint8Array | string | undefined> {
    if (this.#ended) return Promise.resolve(undefined);
    return new Promise((resolve, reject) => {
      this.#letGo = () => resolve(undefined);
      this.#step()
        .then(({ value, done }) => {
          if (done) resolve(undefined);
          else resolve(checkChunk(value, this.#primitive));
        })
        .catch(reject);
    });
  }

  async #step(): Promise<IteratorResult<unknown>> {
    try {
      const step = await this.#steps.next();
      if (step.done) this.#ended = true;
      // An iterable may have promises.
      return { value: await step.value, done: step.done ?? false };
    } catch (error) {
      // It is over with it: nobody tells it to stop.
      this.#ended = true;
      throw error;
    } finally {
      this.#letGo = undefined;
    }
  }

  async cancel(reason?: unknown): Promise<void> {
    if (this.#ended || this.#steps.isAtHand) return;
    this.#ended = true;
    this.cancelled = true;
    const letGo = this.#letGo;
    if (letGo === undefined) {
      await this.#steps.return?.(reason);
      return;
    }
    letGo();
    this.#steps.destroy?.();
    // When the step under way is over, which may be never.
    Promise.resolve(this.#steps.return?.(reason)).catch(() => {});
  }
}

/** Chunks that somebody hands over one by one, each once the one before is done with. */
export class Handover implements LineInput {
  cancelled = false;
  readonly isLent = true;
  #ended = false;
  #chunk: Uint8Array | string | undefined;
  #onTaken: (() => void) | undefined;
  #onChunk: ((chunk: Uint8Array | string | undefined) => void) | undefined;

  read(): Promise<Uint8Array | string | undefined> {
    // Who asks for the next one has done with the one before.
    if (this.#chunk === undefined) this.#take();
    const chunk = this.#chunk;
    this.#chunk = undefined;
    if (chunk !== undefined || this.#ended) return Promise.resolve(chunk);
    return new Promise((resolve) => {
      this.#onChunk = resolve;
    });
  }

  /** Hands a chunk over: `taken` is called once it is done with, or nobody will take it. */
  put(chunk: Uint8Array | string, taken: () => void): void {
    if (this.#ended) {
      taken();
      return;
    }
    this.#onTaken = taken;
    const onChunk = this.#onChunk;
    this.#onChunk = undefined;
    if (onChunk === undefined) this.#chunk = chunk;
    else onChunk(chunk);
  }

  /** There are no more. */
  end(): void {
    this.#ended = true;
    this.#onChunk?.(undefined);
  }

  async cancel(): Promise<void> {
    if (!this.#ended) this.cancelled = true;
    this.#chunk = undefined;
    this.end();
    this.#take();
  }

  #take(): void {
    const onTaken = this.#onTaken;
    this.#onTaken = undefined;
    onTaken?.();
  }
}
