/** Values of a named cache as text or bytes, and values again. */
import { markAsUntransferable } from 'node:worker_threads';
import type { CacheCodec } from './cache-options.js';

/** A value is not of the type that the codec is for. */
class NotOfCodec extends Error {}

/** A codec as the cache uses it. */
export interface Coding<V> {
  /** Throws where the value cannot be encoded. */
  encode(value: V): string | Uint8Array;
  decode(encoded: string | Uint8Array): V;
  /** What it is called in errors. */
  readonly expected: string;
  /** A value needs no copy for each who asks. */
  readonly isImmutable: boolean;
  /** It is the user's, and may do anything. */
  readonly isForeign: boolean;
}

const json: Coding<unknown> = {
  expected: 'a value that JSON can say',
  isImmutable: false,
  isForeign: false,
  encode(value) {
    const text = JSON.stringify(value) as string | undefined;
    if (text === undefined) throw new NotOfCodec(json.expected);
    return text;
  },
  decode: (text) => JSON.parse(text as string),
};

const string: Coding<unknown> = {
  expected: 'a string',
  isImmutable: true,
  isForeign: false,
  encode(value) {
    if (typeof value !== 'string') throw new NotOfCodec(string.expected);
    return value;
  },
  decode: (text) => text,
};

const bytes: Coding<unknown> = {
  expected: 'a Uint8Array',
  isImmutable: false,
  isForeign: false,
  encode(value) {
    if (!(value instanceof Uint8Array)) throw new NotOfCodec(bytes.expected);
    return value;
  },
  decode: (copy) => copy,
};

/** The codec of a word, or of functions. */
export function codingOf<V>(codec: 'json' | 'string' | 'bytes' | CacheCodec<V>): Coding<V> {
  if (codec === 'json') return json as Coding<V>;
  if (codec === 'string') return string as Coding<V>;
  if (codec === 'bytes') return bytes as Coding<V>;
  return {
    expected: 'a value that the codec encodes to a string or a Uint8Array',
    isImmutable: false,
    isForeign: true,
    encode(value) {
      const encoded: unknown = codec.encode(value);
      if (typeof encoded !== 'string' && !(encoded instanceof Uint8Array)) throw new NotOfCodec('neither');
      return encoded;
    },
    decode: (encoded) => codec.decode(encoded as never),
  };
}

/** Small values share slabs of this size; a larger one has memory of its own. */
const SLAB_BYTES = 64 * 1024;
const SMALL_BYTES = 4 * 1024;

let slab = new Uint8Array(0);
let used = 0;

/** Memory for so many bytes, of which the caller fills all. `isLasting`: for a value that several get. */
export function room(length: number, isLasting: boolean): Uint8Array {
  if (length > SMALL_BYTES) {
    const own = new Uint8Array(Buffer.allocUnsafeSlow(length).buffer);
    return isLasting ? lasting(own) : own;
  }
  if (used + length > slab.length) {
    slab = lasting(new Uint8Array(SLAB_BYTES));
    used = 0;
  }
  used += length;
  return slab.subarray(used - length, used);
}

/** Who transfers to another thread what somebody else has too must not take it away from them. */
function lasting<B extends Uint8Array>(bytes: B): B {
  markAsUntransferable(bytes.buffer);
  return bytes;
}
