/** NDJSON, cut at its newlines: blocks of whole lines out of chunks that end anywhere. */
import { encode } from './schema-encode.js';

/** Whole lines, or the beginning of one that is too long. */
export interface Block {
  readonly bytes: Uint8Array;
  /** Its memory may be read into again: it is to be copied by who looks at it later. */
  readonly isLent: boolean;
  /** Its first byte, counted from the beginning of the input. */
  readonly offset: number;
  readonly tooLong: boolean;
}

const NEWLINE = 10;
/** About as many bytes as make a block: a quarter of a millisecond's work, so that handing it over costs a few hundredths of it. */
const BLOCK_BYTES = 256 * 1024;
const NOTHING = new Uint8Array(0);

/** Cuts chunks, and keeps what they end with for the next. What is too long for one line is never gathered. */
export class LineCutter {
  readonly #maxBytes: number;
  #offset = 0;
  #parts: Uint8Array[] = [];
  #gathered = 0;
  /** In a line of which nothing more is wanted. */
  #skipping = false;
  /** The first half of a character whose second half is in the next chunk. */
  #half = '';

  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes;
  }

  /** The blocks that end in a chunk, whose memory is lent if it may be read into again. */
  *cut(chunk: Uint8Array | string, isLent: boolean): Generator<Block, void, undefined> {
    if (typeof chunk === 'string') yield* this.#cut(this.#encode(chunk), false);
    else {
      if (this.#half !== '') yield* this.#cut(this.#encode('', true), false);
      yield* this.#cut(chunk, isLent);
    }
  }

  /** What there is behind the last newline. */
  *end(): Generator<Block, void, undefined> {
    yield* this.#cut(this.#encode('', true), false);
    if (this.#gathered > 0) yield this.#block(Buffer.concat(this.#parts), false);
    this.#parts = [];
    this.#gathered = 0;
  }

  *#cut(chunk: Uint8Array, isLent: boolean): Generator<Block, void, undefined> {
    let rest = chunk;
    while (rest.length > 0) {
      if (this.#skipping) {
        const end = rest.indexOf(NEWLINE);
        if (end !== -1) this.#skipping = false;
        const skipped = end === -1 ? rest.length : end + 1;
        this.#offset += skipped;
        rest = rest.subarray(skipped);
        continue;
      }
      // Whole lines up to about a block's size, or else one line however long.
      let end = rest.subarray(0, BLOCK_BYTES).lastIndexOf(NEWLINE);
      if (end === -1 && rest.length > BLOCK_BYTES) end = rest.indexOf(NEWLINE, BLOCK_BYTES);
      if (end === -1) {
        this.#parts.push(isLent ? Buffer.from(rest) : rest);
        this.#gathered += rest.length;
        // One byte more than it may have: its newline may be the next.
        if (this.#gathered > this.#maxBytes + 1) {
          yield { bytes: NOTHING, isLent: false, offset: this.#offset, tooLong: true };
          this.#offset += this.#gathered;
          this.#parts = [];
          this.#gathered = 0;
          this.#skipping = true;
        }
        return;
      }
      const whole = rest.subarray(0, end + 1);
      const isPart = this.#parts.length > 0;
      yield this.#block(isPart ? Buffer.concat([...this.#parts, whole]) : whole, isLent && !isPart);
      this.#parts = [];
      this.#gathered = 0;
      rest = rest.subarray(end + 1);
    }
  }

  #block(bytes: Uint8Array, isLent: boolean): Block {
    const block = { bytes, isLent, offset: this.#offset, tooLong: false };
    this.#offset += bytes.length;
    return block;
  }

  /** Text as bytes; the first half of a pair at its end is kept for the next. */
  #encode(text: string, isLast = false): Uint8Array {
    let whole = this.#half + text;
    this.#half = '';
    if (!isLast && /[\ud800-\udbff]$/.test(whole)) {
      this.#half = whole.slice(-1);
      whole = whole.slice(0, -1);
    }
    return encode(whole);
  }
}
