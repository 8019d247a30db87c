/** Messages between JavaScript and the native queue: text or bytes, one or a batch. */
import { markAsUntransferable } from 'node:worker_threads';
import type { QueueFunctions } from './binding.js';

/** How a push ended, as the binding says it. */
export const FULL = 0;
export const STORED = 1;
export const WAITING = 2;
export const CLOSED = 3;
export const NEVER = 4;
const NOT_THE_TYPE = 5;

/** There is no message: for this consumer now, or for anybody ever. No message is a symbol. */
export const EMPTY = Symbol('empty');
export const ENDED = Symbol('ended');

/** Instead of a ticket. */
export const NO_TICKET = -1;
const GO_ON = -2;

/** What the second register says besides whether the queue is closed. */
const IS_CLOSED = 1;
const HAS_MORE = 2;

/** Where the lengths of messages start in the registers. */
const FIRST_LEN = 3;

/** Small messages that are popped alone share slabs of this size; a larger one has memory of its own. */
const SLAB_BYTES = 64 * 1024;
const SMALL_BYTES = 4 * 1024;

/** What the codec cannot say. */
export class NotOfCodec extends Error {
  readonly expected: string;

  constructor(expected: string, cause?: unknown) {
    super(expected, { cause });
    this.expected = expected;
  }
}

/**
 * The messages of one queue in this thread. What was taken is the queue's until `deliver`: that has to stand right before the
 * value is handed out, with nothing between in which the thread could be terminated.
 */
export abstract class Messages<T> {
  protected readonly functions: QueueFunctions;
  protected readonly registers: Float64Array;
  readonly #held: number;
  /** Whether the native part has to hear of the delivery soon, and not with the next call. */
  #soon = false;

  constructor(functions: QueueFunctions, registers: Float64Array) {
    this.functions = functions;
    this.registers = registers;
    this.#held = registers.length - 1;
  }

  /** How it ended; undefined once disposed. @throws {NotOfCodec} */
  abstract push(value: T, mayWait: 0 | 1): number | undefined;

  /** One message; undefined once disposed. */
  abstract one(ticket: number): T | typeof EMPTY | typeof ENDED | undefined;

  /** Adds up to `max` messages to `batch`: how many, 0 for EMPTY, -1 for ENDED, undefined once disposed. */
  protected abstract some(batch: T[], max: number, ticket: number): number | undefined;

  /** Up to `max` messages; undefined once disposed. */
  many(max: number, ticket: number): T[] | typeof EMPTY | typeof ENDED | undefined {
    const batch: T[] = [];
    const count = this.some(batch, max, ticket);
    if (count === undefined) return undefined;
    if (count <= 0) return count === 0 ? EMPTY : ENDED;
    while (batch.length < max && (this.registers[1] as number) >= HAS_MORE) {
      if ((this.some(batch, max - batch.length, GO_ON) ?? 0) <= 0) break;
      this.#soon = true;
    }
    return batch;
  }

  deliver(): void {
    // After the value is out.
    if (this.#soon) queueMicrotask(() => this.functions.settle());
    this.registers[this.#held] = 0;
  }

  /**
   * Notes what the registers say besides the messages, which are so long. Who waits for the end of a closed queue waits for their
   * delivery, and what the native part keeps until then may be large.
   */
  protected noted(length: number): void {
    this.#soon = length > SLAB_BYTES || ((this.registers[1] as number) & IS_CLOSED) !== 0;
  }
}

class Texts<T> extends Messages<T> {
  readonly #decode: ((text: string) => T) | undefined;
  readonly #encode: ((value: T) => string) | undefined;

  constructor(
    functions: QueueFunctions,
    registers: Float64Array,
    encode?: (value: T) => string,
    decode?: (text: string) => T,
  ) {
    super(functions, registers);
    this.#encode = encode;
    this.#decode = decode;
  }

  push(value: T, mayWait: 0 | 1): number | undefined {
    const text = this.#encode === undefined ? (value as string) : this.#encode(value);
    const code = this.functions.pushText(text, mayWait);
    if (code === NOT_THE_TYPE) throw new NotOfCodec('a string');
    return code;
  }

  one(ticket: number): T | typeof EMPTY | typeof ENDED | undefined {
    const text = this.functions.takeText(1, ticket);
    if (typeof text !== 'string') return text === undefined ? undefined : text === 0 ? EMPTY : ENDED;
    this.noted(text.length);
    return this.#decode === undefined ? (text as T) : this.#decode(text);
  }

  protected some(batch: T[], max: number, ticket: number): number | undefined {
    const text = this.functions.takeText(max, ticket);
    if (typeof text !== 'string') return text;
    this.noted(text.length);
    const { registers } = this;
    const decode = this.#decode;
    const count = registers[0] as number;
    let from = 0;
    for (let index = 0; index < count; index++) {
      const to = from + (registers[FIRST_LEN + index] as number);
      const message = text.slice(from, to);
      batch.push(decode === undefined ? (message as T) : decode(message));
      from = to;
    }
    return count;
  }
}

/** The slab that small messages of this thread go to, and how much of it is used. */
let slab = new Uint8Array(0);
let used = 0;

class Bytes extends Messages<Uint8Array> {
  push(value: Uint8Array, mayWait: 0 | 1): number | undefined {
    const code = this.functions.pushBytes(value, mayWait);
    if (code === NOT_THE_TYPE) throw new NotOfCodec('a Uint8Array');
    return code;
  }

  one(ticket: number): Uint8Array | typeof EMPTY | typeof ENDED | undefined {
    const count = this.functions.takeBytes(1, ticket, slab, used);
    if (count === undefined) return undefined;
    if (count <= 0) return count === 0 ? EMPTY : ENDED;
    const length = this.registers[FIRST_LEN] as number;
    this.noted(length);
    if ((this.registers[2] as number) > SMALL_BYTES) return this.#filled(new Uint8Array(length), 1);
    const from = this.#placed(1);
    used = from + length;
    return new Uint8Array(slab.buffer, from, length);
  }

  protected some(batch: Uint8Array[], max: number, ticket: number): number | undefined {
    const count = this.functions.takeBytes(max, ticket, slab, used);
    if (count === undefined || count <= 0) return count;
    const { registers } = this;
    const needed = registers[2] as number;
    this.noted(needed);
    const alone = needed > SMALL_BYTES;
    // Filled to its end: it may come as it is.
    const own = alone ? this.#filled(lasting(Buffer.allocUnsafeSlow(needed)), count) : undefined;
    let from = alone ? 0 : this.#placed(count);
    const buffer = (own ?? slab).buffer as ArrayBuffer;
    for (let index = 0; index < count; index++) {
      const length = registers[FIRST_LEN + index] as number;
      batch.push(new Uint8Array(buffer, from, length));
      from += length;
    }
    if (!alone) used = from;
    return count;
  }

  /** Where in the slab the messages taken last lie: in a new one if they did not fit. */
  #placed(count: number): number {
    if (this.registers[2] === 0) return used;
    slab = this.#filled(lasting(new Uint8Array(SLAB_BYTES)), count);
    return 0;
  }

  #filled<B extends Uint8Array>(bytes: B, count: number): B {
    this.functions.fill(bytes, count);
    return bytes;
  }
}

/** Several messages share it: one that is transferred to another thread must not take the others away. */
function lasting<B extends Uint8Array>(bytes: B): B {
  markAsUntransferable(bytes.buffer);
  return bytes;
}

/** JSON text; a value that has none is not of the codec. */
function jsonOf(value: unknown): string {
  let text: string | undefined;
  try {
    text = JSON.stringify(value);
  } catch (error) {
    throw new NotOfCodec('a value that JSON can say', error);
  }
  if (text === undefined) throw new NotOfCodec('a value that JSON can say');
  return text;
}

/** The messages of a queue with this codec. */
export function messagesOf(
  codec: string,
  functions: QueueFunctions,
  registers: Float64Array,
): Messages<unknown> {
  if (codec === 'bytes') return new Bytes(functions, registers) as Messages<unknown>;
  if (codec === 'string') return new Texts<unknown>(functions, registers);
  return new Texts<unknown>(functions, registers, jsonOf, JSON.parse);
}
