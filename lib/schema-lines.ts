/**
 * NDJSON: a document on each line, validated by all cores in blocks of whole lines, told in order. No more is read than is being
 * validated.
 */
import { availableParallelism } from 'node:os';
import { Duplex, PassThrough, Readable } from 'node:stream';
import { QueueFullError, type ValidationFailure } from './errors.js';

/** The verdict of one line. Empty lines are counted and have none. */
export type LineVerdict = {
  /** From 1. */
  readonly line: number;
  /** Its first byte, counted from the beginning of the input. */
  readonly offset: number;
} & ({ readonly valid: true } | ValidationFailure);

/** What becomes of the lines of a transform. */
export interface TransformOptions {
  /** Hears of each line that is not valid, and so is left out. What it throws ends the stream. Default: nobody does. */
  readonly onInvalid?: ((verdict: Extract<LineVerdict, { valid: false }>) => void) | undefined;
}

/** Where lines come from: bytes, or chunks of them that end anywhere. */
export type LineSource =
  | Uint8Array
  | string
  | AsyncIterable<Uint8Array | string>
  | Iterable<Uint8Array | string>;

/** What the native side says of a block: number of the line and offset of each document in turn, and of the invalid ones [index, failure]. */
interface BlockVerdicts {
  readonly lines: readonly number[];
  readonly invalid: readonly (readonly [number, Omit<ValidationFailure, 'valid'>])[];
}

/** Whole lines, or the beginning of one that is too long. */
interface Block {
  readonly bytes: Uint8Array;
  readonly line: number;
  readonly offset: number;
  readonly tooLong: boolean;
}

/** What validates a block beside the event loop. */
export type AskBlock = (bytes: Uint8Array) => Promise<string>;

const NEWLINE = 10;
/** About as many bytes as make a block: a quarter of a millisecond's work, so that handing it over costs a few hundredths of it. */
const BLOCK_BYTES = 256 * 1024;
/** Blocks under way at once: each core has one, and one waits for it. */
const width = (): number => 2 * availableParallelism();
const RETRY_MS = 5;

/** A block and what came of it. */
interface Judged {
  readonly block: Block;
  readonly verdicts: BlockVerdicts;
}

/** The verdicts of all lines, in order: those of a block at once, so that one line costs one promise. */
export class LineVerdicts implements AsyncGenerator<LineVerdict, void, undefined> {
  readonly #judged: AsyncGenerator<Judged, void, undefined>;
  #ready: LineVerdict[] = [];
  #next = 0;
  /** Who asks while the next block is waited for comes after who asked before. */
  #pending = 0;
  #last: Promise<unknown> | undefined;

  constructor(ask: AskBlock, maxBytes: number, source: LineSource) {
    this.#judged = judge(ask, maxBytes, source);
  }

  next(): Promise<IteratorResult<LineVerdict, void>> {
    const value = this.#ready[this.#next];
    if (value === undefined || this.#pending > 0) return this.#after(() => this.#more());
    this.#next += 1;
    return Promise.resolve({ value, done: false });
  }

  return(): Promise<IteratorResult<LineVerdict, void>> {
    return this.#after(() => this.#end());
  }

  throw(error: unknown): Promise<IteratorResult<LineVerdict, void>> {
    return this.#after(async () => {
      await this.#end();
      throw error;
    });
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.return();
  }

  #after<R>(step: () => Promise<R>): Promise<R> {
    const before = this.#pending > 0 ? this.#last : undefined;
    this.#pending += 1;
    const run = async (): Promise<R> => {
      await before?.catch(() => {});
      try {
        return await step();
      } finally {
        this.#pending -= 1;
      }
    };
    const done = run();
    this.#last = done;
    return done;
  }

  async #more(): Promise<IteratorResult<LineVerdict, void>> {
    for (;;) {
      const value = this.#ready[this.#next];
      if (value !== undefined) {
        this.#next += 1;
        return { value, done: false };
      }
      const judged = await this.#judged.next();
      if (judged.done) return { value: undefined, done: true };
      this.#ready = [...each(judged.value)];
      this.#next = 0;
    }
  }

  async #end(): Promise<IteratorResult<LineVerdict, void>> {
    this.#ready = [];
    await this.#judged.return();
    return { value: undefined, done: true };
  }
}

/** The lines that are valid, as they came. */
export function lineTransform(ask: AskBlock, maxBytes: number, options: TransformOptions): Duplex {
  const writable = new PassThrough();
  const readable = Readable.from(validLines(ask, maxBytes, writable, options), { objectMode: false });
  return Duplex.from({ writable, readable });
}

/** The same for web streams. */
export function lineTransformStream(
  ask: AskBlock,
  maxBytes: number,
  options: TransformOptions,
): { readonly readable: ReadableStream<Uint8Array>; readonly writable: WritableStream<Uint8Array> } {
  const input = new TransformStream<Uint8Array, Uint8Array>();
  const lines = validLines(ask, maxBytes, chunksOf(input.readable), options);
  const readable = new ReadableStream<Uint8Array>(
    {
      async pull(controller) {
        const { value, done } = await lines.next();
        if (done) controller.close();
        else controller.enqueue(value);
      },
      async cancel() {
        await lines.return(undefined);
      },
    },
    { highWaterMark: 0 },
  );
  return { readable, writable: input.writable };
}

/** Not every runtime iterates over a stream by itself. */
async function* chunksOf(stream: ReadableStream<Uint8Array>): AsyncGenerator<Uint8Array, void, undefined> {
  const reader = stream.getReader();
  try {
    for (;;) {
      const { value, done } = await reader.read();
      if (done) return;
      yield value;
    }
  } finally {
    await reader.cancel().catch(() => {});
  }
}

async function* validLines(
  ask: AskBlock,
  maxBytes: number,
  source: LineSource,
  { onInvalid }: TransformOptions,
): AsyncGenerator<Uint8Array, void, undefined> {
  for await (const judged of judge(ask, maxBytes, source)) {
    const { block, verdicts } = judged;
    if (block.tooLong || verdicts.invalid.length > 0) {
      for (const verdict of each(judged)) if (!verdict.valid) onInvalid?.(verdict);
    }
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

function* each({ block, verdicts }: Judged): Generator<LineVerdict, void, undefined> {
  const { invalid, lines } = verdicts;
  let next = 0;
  for (let index = 0; 2 * index < lines.length; index += 1) {
    const line = block.line + (lines[2 * index] as number);
    const offset = block.offset + (lines[2 * index + 1] as number);
    const failed = invalid[next];
    if (failed?.[0] === index) {
      next += 1;
      yield { line, offset, valid: false, ...failed[1] };
    } else yield { line, offset, valid: true };
  }
}

/** All blocks in order, several under way at once. */
async function* judge(
  ask: AskBlock,
  maxBytes: number,
  source: LineSource,
): AsyncGenerator<Judged, void, undefined> {
  const pending: Promise<Judged>[] = [];
  const wide = width();
  for await (const block of blocks(source, maxBytes)) {
    const judged = judgeBlock(ask, maxBytes, block);
    // It may be that nobody waits for it any more.
    judged.catch(() => {});
    pending.push(judged);
    if (pending.length >= wide) yield await (pending.shift() as Promise<Judged>);
  }
  for (const judged of pending) yield await judged;
}

async function judgeBlock(ask: AskBlock, maxBytes: number, block: Block): Promise<Judged> {
  if (block.tooLong) return { block, verdicts: tooLong(maxBytes) };
  for (;;) {
    try {
      return { block, verdicts: JSON.parse(await ask(block.bytes)) };
    } catch (error) {
      // Others have the pool: whoever has a whole file to go through waits for a place.
      if (!(error instanceof QueueFullError)) throw error;
      await new Promise((resolve) => setTimeout(resolve, RETRY_MS));
    }
  }
}

function tooLong(maxBytes: number): BlockVerdicts {
  const issue = {
    instancePath: '',
    schemaPath: '',
    keyword: 'maxBytes',
    message: 'must NOT be longer than maxBytes',
    params: { offset: maxBytes },
  };
  return { lines: [0, 0], invalid: [[0, { reason: 'limit', errors: [issue], truncated: false }]] };
}

/** Cuts the input at its newlines. What is too long for one line is never gathered. */
async function* blocks(source: LineSource, maxBytes: number): AsyncGenerator<Block, void, undefined> {
  let line = 1;
  let offset = 0;
  let parts: Uint8Array[] = [];
  let gathered = 0;
  /** In a line of which nothing more is wanted. */
  let skipping = false;
  const block = (bytes: Uint8Array, isTooLong = false): Block => ({
    bytes,
    line,
    offset,
    tooLong: isTooLong,
  });
  for await (const chunk of chunks(source)) {
    let rest = chunk;
    while (rest.length > 0) {
      if (skipping) {
        const end = rest.indexOf(NEWLINE);
        if (end !== -1) {
          skipping = false;
          line += 1;
        }
        const skipped = end === -1 ? rest.length : end + 1;
        offset += skipped;
        rest = rest.subarray(skipped);
        continue;
      }
      // Whole lines up to about a block's size, or else one line however long.
      let end = rest.subarray(0, BLOCK_BYTES).lastIndexOf(NEWLINE);
      if (end === -1 && rest.length > BLOCK_BYTES) end = rest.indexOf(NEWLINE, BLOCK_BYTES);
      if (end === -1) {
        parts.push(rest);
        gathered += rest.length;
        // One byte more than it may have: its newline may be the next.
        if (gathered > maxBytes + 1) {
          yield block(new Uint8Array(0), true);
          offset += gathered;
          [parts, gathered, skipping] = [[], 0, true];
        }
        break;
      }
      const whole = rest.subarray(0, end + 1);
      const bytes = parts.length > 0 ? Buffer.concat([...parts, whole]) : whole;
      yield block(bytes);
      line += count(bytes);
      offset += bytes.length;
      [parts, gathered] = [[], 0];
      rest = rest.subarray(end + 1);
    }
  }
  if (gathered > 0) yield block(Buffer.concat(parts));
}

function count(bytes: Uint8Array): number {
  let newlines = 0;
  for (let at = bytes.indexOf(NEWLINE); at !== -1; at = bytes.indexOf(NEWLINE, at + 1)) newlines += 1;
  return newlines;
}

async function* chunks(source: LineSource): AsyncGenerator<Uint8Array, void, undefined> {
  if (typeof source === 'string' || source instanceof Uint8Array) yield bytesOf(source);
  else for await (const chunk of source) yield bytesOf(chunk);
}

/** As a view that the native side takes. */
function bytesOf(chunk: Uint8Array | string): Uint8Array {
  if (typeof chunk === 'string') return Buffer.from(chunk);
  if (chunk instanceof Uint8Array) return chunk;
  throw new TypeError('a chunk must be a Uint8Array or a string');
}
