/**
 * NDJSON: a document on each line, validated by all cores in blocks of whole lines, told in order. No more is read than is being
 * validated or waits to be told, and what is known is told while more is waited for.
 */
import { availableParallelism } from 'node:os';
import type { ValidationFailure } from './errors.js';
import { type Block, LineCutter } from './schema-blocks.js';
import type { LineInput } from './schema-input.js';

/** The verdict of one line. Empty lines are counted and have none. */
export type LineVerdict = {
  /** From 1. */
  readonly line: number;
  /** Its first byte, counted from the beginning of the input. */
  readonly offset: number;
} & ({ readonly valid: true } | ValidationFailure);

/**
 * What the native side says of a block: number of the line and offset of each document in turn, and of the invalid ones [index,
 * failure]; how many newlines there are.
 */
interface BlockVerdicts {
  readonly lines: readonly number[];
  readonly invalid: readonly (readonly [number, Omit<ValidationFailure, 'valid'>])[];
  readonly newlines: number;
}

/** What validates a block beside the event loop: it is copied at once. Undefined: there is no place for it. */
export type AskBlock = (bytes: Uint8Array) => Promise<string> | undefined;

/**
 * Blocks under way for each core: the one it is at, and one that waits; of short ones, as chunks of 64 KiB make them, as many as together
 * take it a few milliseconds. So long it may be until the event loop has its turn among the threads of the pool. Not where verdicts take
 * more room than what they are of. More cores than 8 get no more short ones: others need the pool, too.
 */
const LEAST_BLOCKS = 2;
const MOST_BLOCKS = 8;
const MOST_BYTES = 2 ** 19;
const MOST_CORES = 8;
const RETRY_MS = 5;

/** A block under way, and how much room it and its verdicts may take. */
interface Pending {
  readonly said: Promise<Said>;
  readonly weight: number;
}

/** A block and what the native side says of it. It is read when its turn comes: that takes several times the room. */
interface Said {
  readonly block: Block;
  readonly text: string;
}

/** A block and what came of it. */
export interface Judged {
  readonly block: Block;
  readonly verdicts: BlockVerdicts;
}

/** The verdicts of all lines, in order: those of a block at once, so that one line costs one promise. */
export class LineVerdicts implements AsyncGenerator<LineVerdict, void, undefined> {
  readonly #input: LineInput;
  readonly #judged: AsyncGenerator<Judged, void, undefined>;
  #line = 1;
  #ready: LineVerdict[] = [];
  #next = 0;
  /** Who asks while the next block is waited for comes after who asked before. */
  #pending = 0;
  #last: Promise<unknown> | undefined;

  constructor(ask: AskBlock, maxBytes: number, input: LineInput) {
    this.#input = input;
    this.#judged = judge(ask, maxBytes, input, false);
  }

  next(): Promise<IteratorResult<LineVerdict, void>> {
    const value = this.#ready[this.#next];
    if (value === undefined || this.#pending > 0) return this.#after(() => this.#more());
    this.#next += 1;
    return Promise.resolve({ value, done: false });
  }

  return(): Promise<IteratorResult<LineVerdict, void>> {
    const cancelled = this.#input.cancel();
    return this.#after(() => this.#end(cancelled));
  }

  throw(error: unknown): Promise<IteratorResult<LineVerdict, void>> {
    const cancelled = this.#input.cancel(error);
    return this.#after(async () => {
      await this.#end(cancelled);
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
      this.#ready = verdictsOf(judged.value, this.#line);
      this.#line += judged.value.verdicts.newlines;
      this.#next = 0;
    }
  }

  async #end(cancelled: Promise<void>): Promise<IteratorResult<LineVerdict, void>> {
    this.#ready = [];
    await this.#judged.return();
    await cancelled;
    return { value: undefined, done: true };
  }
}

/** The verdicts of a block whose first line is `line`. */
export function verdictsOf({ block, verdicts }: Judged, line: number): LineVerdict[] {
  const { invalid, lines } = verdicts;
  const told: LineVerdict[] = [];
  let next = 0;
  for (let index = 0; 2 * index < lines.length; index += 1) {
    const at = line + (lines[2 * index] as number);
    const offset = block.offset + (lines[2 * index + 1] as number);
    const failed = invalid[next];
    if (failed?.[0] === index) {
      next += 1;
      told.push({ line: at, offset, valid: false, ...failed[1] });
    } else told.push({ line: at, offset, valid: true });
  }
  return told;
}

/** What has come: blocks to be cut from it. */
interface Come {
  readonly blocks: Iterator<Block, void>;
  readonly isLast: boolean;
  readonly failed?: { readonly error: unknown };
}

/**
 * All blocks in order, several under way at once; with their bytes, if these are wanted. An error of the source comes after what was read
 * before it.
 */
export async function* judge(
  ask: AskBlock,
  maxBytes: number,
  input: LineInput,
  withBytes: boolean,
): AsyncGenerator<Judged, void, undefined> {
  const cutter = new LineCutter(maxBytes);
  const cores = availableParallelism();
  const fed = Math.min(cores, MOST_CORES);
  const pending: Pending[] = [];
  let weight = 0;
  // Before any are known, verdicts may be of any length.
  let told = MOST_BYTES * MOST_CORES;
  const hasRoom = (): boolean =>
    pending.length < LEAST_BLOCKS * cores ||
    (pending.length < MOST_BLOCKS * fed && weight < MOST_BYTES * fed);
  const begin = (block: Block): void => {
    const own = Math.max(block.bytes.length, told);
    weight += own;
    pending.push({ said: judgeBlock(ask, maxBytes, block), weight: own });
  };
  const done = ({ block, text }: Said): Judged => {
    weight -= pending.shift()?.weight ?? 0;
    told = text.length;
    return { block, verdicts: JSON.parse(text) };
  };
  let come: Come | undefined;
  let coming: Promise<Come> | undefined = more(cutter, input);
  let failed: Come['failed'];
  try {
    for (;;) {
      while (come !== undefined && hasRoom()) {
        const { value: block, done: isDone } = come.blocks.next();
        if (!isDone) {
          begin(withBytes ? kept(block) : block);
          continue;
        }
        failed = come.failed;
        coming = come.isLast ? undefined : more(cutter, input);
        come = undefined;
      }
      const first = pending[0]?.said;
      if (coming === undefined) {
        if (first === undefined) break;
        yield done(await first);
        continue;
      }
      // Whatever is there first: what is known does not wait for what may never come.
      const next: Come | Said = await (first === undefined ? coming : Promise.race([coming, first]));
      if ('block' in next) {
        yield done(next);
      } else {
        coming = undefined;
        come = next;
      }
    }
  } finally {
    await input.cancel();
  }
  if (failed !== undefined) throw failed.error;
}

async function more(cutter: LineCutter, input: LineInput): Promise<Come> {
  try {
    const chunk = await input.read();
    if (chunk !== undefined) return { blocks: cutter.cut(chunk, input.isLent), isLast: false };
    return { blocks: input.cancelled ? NONE.values() : cutter.end(), isLast: true };
  } catch (error) {
    return { blocks: NONE.values(), isLast: true, failed: { error } };
  }
}

const NONE: readonly Block[] = [];

function judgeBlock(ask: AskBlock, maxBytes: number, block: Block): Promise<Said> {
  const said = askFor(ask, maxBytes, block);
  // It may be that nobody waits for it any more.
  said.catch(() => {});
  return said;
}

async function askFor(ask: AskBlock, maxBytes: number, block: Block): Promise<Said> {
  if (block.tooLong) return { block, text: JSON.stringify(tooLong(maxBytes)) };
  let asked = ask(block.bytes);
  if (asked === undefined) {
    const { bytes } = kept(block);
    // Others have the pool: whoever has a whole file to go through waits for a place.
    for (; asked === undefined; asked = ask(bytes))
      await new Promise((resolve) => setTimeout(resolve, RETRY_MS));
  }
  return { block, text: await asked };
}

function kept(block: Block): Block {
  return block.isLent ? { ...block, bytes: Buffer.from(block.bytes), isLent: false } : block;
}

/** Its newline is behind what is skipped, and counted here. */
function tooLong(maxBytes: number): BlockVerdicts {
  const issue = {
    instancePath: '',
    schemaPath: '',
    keyword: 'maxBytes',
    message: 'must NOT be longer than maxBytes',
    params: { offset: maxBytes },
  };
  const failure = { reason: 'limit', errors: [issue], truncated: false } as const;
  return { lines: [0, 0], invalid: [[0, failure]], newlines: 1 };
}
