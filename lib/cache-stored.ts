/**
 * What `cacheResponse` puts into a cache: responses, and for a key whose responses vary, by what. `responseCodec` makes them bytes and
 * takes them apart only as far as they are looked at: a byte for the kind, four for the length of the JSON that follows, the body.
 */
import { type Field, freshLeftMs, type Lifetime } from './cache-control.js';
import type { CacheCodec } from './cache-options.js';

/** Of a response, all but its body. */
export interface Stored extends Lifetime {
  /** Tells it from others of its key. */
  readonly id: string;
  readonly status: number;
  readonly fields: readonly Field[];
}

/** Under the key of responses that vary: by which fields. Their own keys carry `generation`: without this entry they are not found. */
export interface Variants {
  readonly names: readonly string[];
  readonly generation: string;
}

/**
 * `pass` and `again` are never stored, but what a leader tells those who wait for it: that each of them runs its handler, or that one
 * of them tries again. `stale` is a stored response as the answer to an error.
 */
const KINDS = ['response', 'variants', 'stale', 'pass', 'again'] as const;
type Kind = (typeof KINDS)[number];

const HEAD_BYTES = 5;
const NO_BODY = new Uint8Array(0);

/** What a response takes in this thread besides its own bytes: its object, its buffer, and its place in the cache (measured on Node). */
const OBJECT_BYTES = 400;

/** The response that was looked at last, and what its JSON says: a request looks several times. It may go meanwhile. */
let opened: WeakRef<CachedResponse> | undefined;
let said: unknown;

/** A response, or what is known of those of a key. Without a name a cache keeps these by reference: they do not change. */
export class CachedResponse {
  /** All of it is in one piece of memory: taken apart, a small one would weigh several times as much. */
  readonly #bytes: Uint8Array;

  private constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
  }

  /** @internal */
  static of(kind: Kind, what: unknown, body: Uint8Array = NO_BODY): CachedResponse {
    const json = Buffer.from(JSON.stringify(what));
    const bytes = new Uint8Array(HEAD_BYTES + json.length + body.length);
    bytes[0] = KINDS.indexOf(kind);
    new DataView(bytes.buffer).setUint32(1, json.length, true);
    bytes.set(json, HEAD_BYTES);
    bytes.set(body, HEAD_BYTES + json.length);
    return new CachedResponse(bytes);
  }

  /** What it weighs, for `sizeOf` of a cache without a name: a whole number ≥ 1. */
  get bytes(): number {
    return OBJECT_BYTES + this.#bytes.length;
  }

  /** The status code; undefined for an entry that only says by which fields responses vary. */
  get status(): number | undefined {
    return this.kind === 'variants' ? undefined : this.stored.status;
  }

  /** The body, as the handler wrote it. Not to be changed. */
  get body(): Uint8Array {
    const { buffer, byteOffset, length } = this.#bytes;
    const at = this.#bodyAt();
    return Buffer.from(buffer, byteOffset + at, length - at);
  }

  /** @internal */
  get kind(): Kind {
    return KINDS[this.#bytes[0] as number] as Kind;
  }

  /** @internal */
  get stored(): Stored {
    return this.#open() as Stored;
  }

  /** @internal */
  get variants(): Variants {
    return this.#open() as Variants;
  }

  #bodyAt(): number {
    const { buffer, byteOffset } = this.#bytes;
    return HEAD_BYTES + new DataView(buffer, byteOffset).getUint32(1, true);
  }

  #open(): unknown {
    if (opened?.deref() !== this) {
      const json = this.#bytes.subarray(HEAD_BYTES, this.#bodyAt());
      said = JSON.parse(Buffer.from(json.buffer, json.byteOffset, json.length).toString());
      opened = new WeakRef(this);
    }
    return said;
  }

  /** @internal */
  static encode(value: CachedResponse): Uint8Array {
    return value.#bytes;
  }

  /** @internal */
  static decode(bytes: Uint8Array): CachedResponse {
    const isOfKind = bytes instanceof Uint8Array && KINDS[bytes[0] as number] !== undefined;
    if (!isOfKind || bytes.length < HEAD_BYTES) throw new TypeError('no response');
    const response = new CachedResponse(bytes);
    if (response.#bodyAt() > bytes.length) throw new TypeError('no response');
    return response;
  }
}

/** @internal */
export const PASS = CachedResponse.of('pass', {});
/** @internal */
export const AGAIN = CachedResponse.of('again', {});

/** Seconds that a response is still fresh; below 0, that it has been stale. */
export function leftOf({ stored }: CachedResponse, storedForMs: number): number {
  return Math.floor(freshLeftMs(stored, storedForMs) / 1_000);
}

/**
 * The codec of a cache with a name that `cacheResponse` is given.
 *
 * @example
 * const cache = new Cache({ name: 'pages', codec: responseCodec, maxBytes: 64 * 2 ** 20, ttlMs: 0 });
 */
export const responseCodec: CacheCodec<CachedResponse> = Object.freeze({
  encode: CachedResponse.encode,
  decode: CachedResponse.decode as (encoded: never) => CachedResponse,
});
