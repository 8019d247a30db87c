/** What the native binding has for caches. See `binding.ts`. */
import type { Bound, Opened } from './binding.js';

/** A cache that all threads share. */
export interface CacheFunctions {
  /**
   * What there is: text, or 0 nothing · 1 it is remembered that there is none · 2 bytes · -1 no key. Registers: [0 fresh, 1 stale and to
   * be loaded anew, 2 for an error; whether a load is due; place, version; age in ms; the length of bytes; for a front: slot, how many ms it
   * may be served while its mark is the same (0: ask each time), which word is its group's, its mark: that word and the word for all, added].
   * `how`, added up: 1 what is stale counts as a miss, 2 `isStill` has said that it is to be loaded early.
   */
  read(key: string, how: number): Bound<string | number>;
  /** The same, and counts nothing. */
  peek(key: string): Bound<string | number>;
  /** The bytes that were read last, into a slab. False if they do not fit. */
  copy(slab: Uint8Array, offset: number): boolean;
  /**
   * 1 what was read there, of a key of this group, is still there and fresh: a hit, with the registers for a front · 2 it is, and to be
   * loaded early · 0 it is not
   */
  isStill(place: number, version: number, group: number): Bound<number>;
  /** Hits of a front: their slots, 32 bits each. It has no others that are not told. */
  fronted(hits: Uint8Array, count: number, untold: number): Bound<boolean>;
  /** The front is no more. */
  endFront(untold: number): Bound<true>;
  /** 1 it is there and fresh · 0 it is not · -1 no key */
  has(key: string): Bound<number>;
  /** 1 stored · 0 too large · -1 no key · 5 neither text nor bytes. `ttlMs`: NaN is the cache's; `tags` are JSON. */
  set(key: string, value: string | Uint8Array, ttlMs: number, tags: string | undefined): Bound<number>;
  /** 1 there was a value · 0 there was none · -1 no key */
  delete(key: string): Bound<number>;
  /** 1 it was fresh · 0 it was not · -1 no key */
  expire(key: string): Bound<number>;
  /** False if it is too long to be a tag. */
  invalidateTag(tag: string): Bound<boolean>;
  clear(): Bound<true>;
  /**
   * How: 0 as one misses, 1 forced, 2 early. 0 it is fresh · 1 load: register [token] · 2 wait: register [ticket] · -1 no key. The second
   * register is the sequence of invalidations.
   */
  join(key: string, how: number): Bound<number>;
  /**
   * What a load came to, undefined: that there is no value; `keep` 0: it is given, not stored. 1 stored · 0 not · 5 neither text nor
   * bytes. Register: [who had seen so much of the sequence has to ask again]
   */
  land(
    token: number,
    value: string | Uint8Array | undefined,
    tookMs: number,
    ttlMs: number,
    tags: string | undefined,
    keep: 0 | 1,
  ): Bound<number>;
  /** The value cannot be handed over: who waits loads for itself. Register as for `land`. */
  alone(token: number, tags: string | undefined): void;
  /** Register as for `land`. */
  fail(token: number, error: string, tags: string | undefined): void;
  /** This thread loads for itself what others wait for or have. 1: that failed. */
  ledAlone(failed: 0 | 1): void;
  /** The sequence of invalidations; -1 if the flight of a token or ticket may not be joined any more. */
  joinable(number: number): Bound<number>;
  /** Another thread loads, if one waits. */
  giveUp(token: number): void;
  /** Whether the load is to be aborted, as nobody waits for it in other threads either. */
  abandon(token: number): Bound<boolean>;
  /**
   * What has come out for a ticket: text or 0. Registers: [0 nothing yet, 1 this text, 2 bytes, 3 there is no value, 4 this error, 5 load for
   * yourself, 6 load; token; who had seen so much of the sequence has to ask again; -, -; the length of bytes]
   */
  outcome(ticket: number): Bound<string | number>;
  /** 1: the load is to come to its end all the same. */
  cancel(ticket: number, goesOn: 0 | 1): void;
  /** Hands over the loads of threads that do not answer. */
  look(): void;
  /** Counts a look-up that wants what is not there yet. */
  missed(): Bound<true>;
  servedStale(count: number): void;
  /** Entries. Register: [their bytes] */
  size(): Bound<number>;
  /** The key of an entry that calls of this thread removed. Registers: [why; what its value is, 0 none] */
  takeGone(): Bound<string>;
  /** Its value: text, or 2 bytes. */
  goneValue(what: number): Bound<string | number>;
}

/** What a front sees of its cache without asking. */
export interface FrontWords {
  /** 0 is for all keys; others are those of groups. Undefined: it has to ask with each hit. */
  readonly words?: Uint32Array | undefined;
  /** Which word says how many hits it has not told yet. */
  readonly untold: number;
}

/** The policy of a cache whose values lie in JavaScript. `hits` are the slots of so many hits since the last call, 32 bits each. */
export interface ResidentsFunctions {
  /** The slot of a newcomer · -1 it has none · -2 no key. Registers: [how many had to go; the slots of the first 510] */
  admit(key: string, weight: number, hits: Uint8Array, count: number): Bound<number>;
  /** False if it does not fit and is to be removed. Registers as above. */
  reweigh(slot: number, weight: number, hits: Uint8Array, count: number): Bound<boolean>;
  /** Registers as above, of those that were not told yet. */
  victims(): void;
  touch(hits: Uint8Array, count: number): void;
  remove(slot: number): void;
  clear(): void;
  /** A draw of its chance, in [0, 1). */
  chance(): Bound<number>;
}

export interface NativeCacheOptions {
  readonly maxEntries?: number | undefined;
  readonly maxBytes?: number | undefined;
  readonly policy?: string | undefined;
  readonly ttlMs?: number | undefined;
  readonly staleWhileRevalidateMs?: number | undefined;
  readonly staleIfErrorMs?: number | undefined;
  readonly refreshBackoffMs?: number | undefined;
  readonly negativeTtlMs?: number | undefined;
  readonly ttlJitter?: number | undefined;
  readonly earlyRefreshBeta?: number | undefined;
  readonly leaseMs?: number | undefined;
  readonly codec?: string | undefined;
  readonly seed?: number | undefined;
  readonly name?: string | undefined;
  readonly clock?: number | undefined;
}

export interface NativeCacheRules {
  readonly maxEntries?: number;
  readonly maxBytes?: number;
  readonly policy: string;
  readonly ttlMs: number;
  readonly staleWhileRevalidateMs: number;
  readonly staleIfErrorMs: number;
  readonly refreshBackoffMs: number;
  readonly negativeTtlMs?: number;
  readonly ttlJitter: number;
  readonly earlyRefreshBeta?: number;
  readonly leaseMs: number;
}

export interface NativeCacheSnapshot {
  readonly codec: string;
  readonly size: number;
  readonly bytes: number;
  readonly hits: number;
  readonly staleHits: number;
  readonly misses: number;
  readonly loads: number;
  readonly loadFailures: number;
  readonly evictions: number;
  readonly expirations: number;
  readonly loading: number;
  readonly waiting: number;
}

export interface NativeCaches {
  cacheDefaults(): Readonly<Record<string, number | string>>;
  checkCache(options: NativeCacheOptions): NativeCacheRules;
  openResidents(host: number, options: NativeCacheOptions): Opened<ResidentsFunctions>;
  /** Registers as of `admit`. */
  boundResidents(
    host: number,
    handle: number,
    maxEntries: number | undefined,
    maxBytes: number | undefined,
  ): boolean;
  openCache(host: number, options: NativeCacheOptions): Opened<CacheFunctions>;
  findCache(host: number, name: string): Opened<CacheFunctions> | null;
  watchCache(host: number, handle: number, on: boolean): boolean;
  reconfigureCache(host: number, handle: number, options: NativeCacheOptions): boolean;
  cacheRules(host: number, handle: number): NativeCacheRules | null;
  openFront(host: number, handle: number): FrontWords | null;
  cacheSnapshot(host: number, handle: number): NativeCacheSnapshot | null;
}
