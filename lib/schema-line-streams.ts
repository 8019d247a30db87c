/** Node and web streams from NDJSON to those of its lines that are valid. */
import { Duplex } from 'node:stream';
import { isThenable } from './http.js';
import { checkChunk, Handover, type LineInput } from './schema-input.js';
import { type AskBlock, judge, type LineVerdict, verdictsOf } from './schema-lines.js';

/** What becomes of the lines of a transform. */
export interface TransformOptions {
  /**
   * Hears of each line that is not valid, and so is left out; the next one is told when what it promises is kept. What it throws ends
   * the stream. Default: nobody does.
   */
  readonly onInvalid?: ((verdict: Extract<LineVerdict, { valid: false }>) => unknown) | undefined;
}

type Lines = AsyncGenerator<Uint8Array, void, undefined>;

const NEWLINE = 10;

/** The lines that are valid, as they came. */
async function* validLines(
  ask: AskBlock,
  maxBytes: number,
  input: LineInput,
  { onInvalid }: TransformOptions,
): Lines {
  let line = 1;
  for await (const judged of judge(ask, maxBytes, input, true)) {
    const { block, verdicts } = judged;
    if (onInvalid !== undefined && verdicts.invalid.length > 0) {
      for (const verdict of verdictsOf(judged, line)) {
        if (verdict.valid) continue;
        const heard = onInvalid(verdict);
        if (isThenable(heard)) await heard;
      }
    }
    line += verdicts.newlines;
    if (block.tooLong) continue;
    let from = 0;
    for (const [index] of verdicts.invalid) {
      const start = verdicts.lines[2 * index + 1] as number;
      if (start > from) yield block.bytes.subarray(from, start);
      const end = block.bytes.indexOf(NEWLINE, start);
      from = end === -1 ? block.bytes.length : end + 1;
    }
    if (from < block.bytes.length) yield block.bytes.subarray(from);
  }
}

/** As a Node stream. */
export function lineTransform(ask: AskBlock, maxBytes: number, options: TransformOptions): Duplex {
  return new LineTransform((input) => validLines(ask, maxBytes, input, options));
}

class LineTransform extends Duplex {
  readonly #input = new Handover();
  readonly #lines: Lines;
  #isReading = false;

  constructor(linesOf: (input: LineInput) => Lines) {
    super();
    this.#lines = linesOf(this.#input);
  }

  override _write(chunk: Uint8Array, _encoding: string, taken: () => void): void {
    this.#input.put(chunk, taken);
  }

  override _final(ended: () => void): void {
    this.#input.end();
    ended();
  }

  override _read(): void {
    if (this.#isReading) return;
    this.#isReading = true;
    this.#lines.next().then(
      ({ value, done }) => {
        this.#isReading = false;
        this.push(done ? null : value);
      },
      (error) => this.destroy(error),
    );
  }

  override _destroy(error: Error | null, destroyed: (error?: Error | null) => void): void {
    // Verdicts under way are for nobody.
    void this.#input.cancel();
    this.#lines.return().catch(() => {});
    destroyed(error);
  }
}

/** As a pair of web streams: what ends one of them before its time ends the other, for the same reason. */
export function lineTransformStream(
  ask: AskBlock,
  maxBytes: number,
  options: TransformOptions,
): { readonly readable: ReadableStream<Uint8Array>; readonly writable: WritableStream<Uint8Array | string> } {
  const input = new Handover();
  const lines = validLines(ask, maxBytes, input, options);
  let reading: ReadableStreamDefaultController<Uint8Array> | undefined;
  let writing: WritableStreamDefaultController | undefined;
  const stop = (): void => {
    void input.cancel();
    lines.return().catch(() => {});
  };
  const readable = new ReadableStream<Uint8Array>(
    {
      start(controller) {
        reading = controller;
      },
      async pull(controller) {
        try {
          const { value, done } = await lines.next();
          if (done) controller.close();
          else controller.enqueue(value);
        } catch (error) {
          writing?.error(error);
          throw error;
        }
      },
      cancel(reason) {
        writing?.error(reason);
        stop();
      },
    },
    { highWaterMark: 0 },
  );
  const writable = new WritableStream<Uint8Array | string>({
    start(controller) {
      writing = controller;
    },
    async write(chunk) {
      try {
        checkChunk(chunk);
      } catch (error) {
        reading?.error(error);
        stop();
        throw error;
      }
      await new Promise<void>((taken) => input.put(chunk, taken));
    },
    close: () => input.end(),
    abort(reason) {
      reading?.error(reason);
      stop();
    },
  });
  return { readable, writable };
}
