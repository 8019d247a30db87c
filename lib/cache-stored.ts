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

/** A response, or what is known of those of a key. Without a name a cache keeps these by reference: they do not change. */
export class CachedResponse {
  /** @internal */
  readonly kind: Kind;
  /** The body, as the handler wrote it. Not to be changed. */
  readonly body: Uint8Array;
  readonly #json: Uint8Array | undefined;
  #said: unknown;

  /** @internal */
  constructor(kind: Kind, said: unknown, body: Uint8Array = NO_BODY, json?: Uint8Array) {
    this.kind = kind;
    this.body = body;
    this.#said = said;
    this.#json = json;
  }

  /** What it weighs, for `sizeOf` of a cache without a name: a whole number ≥ 1. */
  get bytes(): number {
    return HEAD_BYTES + Buffer.byteLength(this.#text()) + this.body.length;
  }

  /** The status code; undefined for an entry that only says by which fields responses vary. */
  get status(): number | undefined {
    return this.kind === 'variants' ? undefined : this.stored.status;
  }

  /** @internal */
  get stored(): Stored {
    return this.#open() as Stored;
  }

  /** @internal */
  get variants(): Variants {
    return this.#open() as Variants;
  }

  #open(): unknown {
    if (this.#said === undefined && this.#json !== undefined) {
      this.#said = JSON.parse(Buffer.from(this.#json).toString());
    }
    return this.#said;
  }

  #text(): string {
    return JSON.stringify(this.#open() ?? {});
  }

  /** @internal */
  static encode(value: CachedResponse): Uint8Array {
    const json = value.#json ?? Buffer.from(value.#text());
    const bytes = new Uint8Array(HEAD_BYTES + json.length + value.body.length);
    bytes[0] = KINDS.indexOf(value.kind);
    new DataView(bytes.buffer).setUint32(1, json.length, true);
    bytes.set(json, HEAD_BYTES);
    bytes.set(value.body, HEAD_BYTES + json.length);
    return bytes;
  }

  /** @internal */
  static decode(bytes: Uint8Array): CachedResponse {
    const kind = KINDS[bytes[0] as number];
    if (!(bytes instanceof Uint8Array) || kind === undefined) throw new TypeError('no response');
    const length = new DataView(bytes.buffer, bytes.byteOffset).getUint32(1, true);
    const body = HEAD_BYTES + length;
    return new CachedResponse(kind, undefined, bytes.subarray(body), bytes.subarray(HEAD_BYTES, body));
  }
}

/** @internal */
export const PASS = new CachedResponse('pass', {});
/** @internal */
export const AGAIN = new CachedResponse('again', {});

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
