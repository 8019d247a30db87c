/** What a cache is told, and what it tells. */
import type { ManualClock } from './clock.js';
import type { CommonSnapshot } from './primitive.js';

/** Who has to go when there is no room. */
export type CachePolicy = 's3fifo' | 'lru' | 'wtinylfu';

/**
 * Why an entry is gone: others needed the room; it was dead, too old or of a tag that was invalidated; it was deleted; or there is
 * another value of its key.
 */
export type EvictReason = 'evicted' | 'expired' | 'deleted' | 'replaced';

/** How values of a named cache become text or bytes, and values again. */
export interface CacheCodec<V> {
  /** What it throws, or an answer of another type, means that the value cannot be stored: it is given all the same. */
  encode(value: V): string | Uint8Array;
  /** Gets what `encode` gave. What it throws means that there is no such value. */
  decode(encoded: never): V;
}

/** What can be changed while the cache is in use. */
export interface CacheRules {
  /** The most entries: a whole number from 1 to 1073741822; without a name to 16777215, what a Map holds. */
  readonly maxEntries?: number | undefined;
  /**
   * The most bytes: a whole number ≥ 1. With a name exactly the keys (UTF-8), the encoded values and 100 bytes for each entry; without
   * one, what `sizeOf` says.
   */
  readonly maxBytes?: number | undefined;
  /** How long a value is fresh, in milliseconds from when it was loaded: ≥ 0, Infinity allowed. 0: it is stale at once. */
  readonly ttlMs: number;
  /** How long after its ttl a value is still served at once, while it is loaded anew. @default 0 */
  readonly staleWhileRevalidateMs?: number | undefined;
  /** How long after its ttl a value is served when loading fails or takes too long. @default 0 */
  readonly staleIfErrorMs?: number | undefined;
  /** How long after a failed load of a stale value the next one is tried; meanwhile it is served. @default 1000 */
  readonly refreshBackoffMs?: number | undefined;
  /** How long it is remembered that there is no value (`load.absent`). Default: not at all. */
  readonly negativeTtlMs?: number | undefined;
  /** The share by which each ttl is shortened at most, at random: in [0, 1). What was loaded together ends apart. @default 0 */
  readonly ttlJitter?: number | undefined;
  /**
   * Loads a fresh value anew before it is stale, the more likely the longer its load took and the nearer its end is (XFetch): > 0,
   * 1 is a good choice, more is earlier. Default: not at all.
   */
  readonly earlyRefreshBeta?: number | undefined;
  /** How long others wait for a load before one of them loads instead: > 0, Infinity allowed. @default 30000 */
  readonly leaseMs?: number | undefined;
}

/** Options of Cache. At least one of `maxEntries` and `maxBytes` is needed. */
export interface CacheOptions<V> extends CacheRules {
  /** Who has to go when there is no room. @default 's3fifo' */
  readonly policy?: CachePolicy | undefined;
  /**
   * With a name, and needed there: what values are, values (as their JSON), strings, Uint8Arrays, or what the codec says. Each caller
   * gets a copy.
   */
  readonly codec?: 'json' | 'string' | 'bytes' | CacheCodec<V> | undefined;
  /** Without a name, and needed there for `maxBytes`: what an entry weighs, a whole number from 1 to 4294967295. */
  readonly sizeOf?: ((value: V, key: string) => number) | undefined;
  /**
   * With a name: keeps so many decoded values in this thread too, from 1 to 16777215, which all its callers share: they must not be
   * changed. A change in another thread is seen by the next hit here. Default: none.
   */
  readonly front?: { readonly maxEntries: number } | undefined;
  /** Milliseconds after which a caller who waits for a load gets the stale value, if there is one. Default: none. */
  readonly softTimeoutMs?: number | undefined;
  /** Milliseconds after which a caller who waits for a load gets a stale value or a TimeoutError. Default: none. */
  readonly hardTimeoutMs?: number | undefined;
  /** Told in a later microtask of what calls through this object removed, with its value: undefined of a remembered absence. */
  readonly onEvict?: ((key: string, value: V | undefined, reason: EvictReason) => void) | undefined;
  /** One cache for all worker threads that construct it with this name and these options: 1 to 128 characters. */
  readonly name?: string | undefined;
  /** Names the object in errors and snapshots, and shares nothing. */
  readonly label?: string | undefined;
  /** Where the time is read. Default: the system's monotonic clock. */
  readonly clock?: ManualClock | undefined;
  /** Makes this object's chance repeatable: any finite number. */
  readonly seed?: number | undefined;
}

/** How one look-up loads. */
export interface GetOrLoadOptions {
  /** Gives up: the promise rejects in the same turn with the signal's own reason. The load goes on for others who wait for it. */
  readonly signal?: AbortSignal | undefined;
  /** Instead of the cache's. */
  readonly softTimeoutMs?: number | undefined;
  /** Instead of the cache's. */
  readonly hardTimeoutMs?: number | undefined;
  /** Loads whatever there is, and joins no load that began for less. @default false */
  readonly forceRefresh?: boolean | undefined;
  /** How long the value that this call loads is fresh. */
  readonly ttlMs?: number | undefined;
  /** The tags of the value that this call loads. */
  readonly tags?: readonly string[] | undefined;
}

/** What goes with a value that is set. */
export interface SetOptions {
  /** Instead of the cache's. */
  readonly ttlMs?: number | undefined;
  /** `invalidateTag` of any of them ends the entry. */
  readonly tags?: readonly string[] | undefined;
}

declare const absent: unique symbol;
declare const skipped: unique symbol;

/** What a loader returns that found that there is no value. */
export interface Absent {
  readonly [absent]: true;
}

/** What a loader returns whose value is given and not stored. */
export interface Skipped<V> {
  readonly [skipped]: V;
}

/** What a loader gets to know and to say. */
export interface Load<V> {
  /** Aborted when nobody waits for the value any more. Passed on as `signal` to another look-up, it tells of loads within loads. */
  readonly signal: AbortSignal;
  /** To be returned when there is no value: undefined for everybody, remembered for `negativeTtlMs`. */
  readonly absent: Absent;
  /** To be returned when a value is to be given and not stored. Undefined is given, and not stored, without this too. */
  skip(value: V): Skipped<V>;
  /** How long the value is fresh, as the loader has found out. @throws {InvalidOptionError} */
  setTtlMs(ttlMs: number): void;
  /** The tags of the value. @throws {InvalidOptionError} */
  setTags(tags: readonly string[]): void;
}

/** Loads a value: at once, by a promise, or not at all. */
export type Loader<V, R = V> = (load: Load<V>) => R | PromiseLike<R>;

/** What there is of a key, stale or not. */
export interface Peeked<V> {
  /** Undefined: it is remembered that there is none. */
  readonly value: V | undefined;
  /** Milliseconds since it was loaded or set. */
  readonly ageMs: number;
  readonly fresh: boolean;
}

/** Figures over all threads. Counters count since the state was made. */
export interface CacheSnapshot extends Omit<CommonSnapshot<'cache'>, 'dryRun'>, CacheRules {
  readonly policy: CachePolicy;
  /** Entries, those included that are dead and not swept yet. */
  readonly size: number;
  /** What they count; 0 without a name and without `sizeOf`. */
  readonly bytes: number;
  /** Calls of `get` and `getOrLoad`: `hits` and `misses`. */
  readonly lookups: number;
  /** Those answered at once with what was there: fresh, stale, or the memory that there is none. */
  readonly hits: number;
  /** Those answered with a stale value: at once, or, though they are misses, as a load failed or took too long. */
  readonly staleHits: number;
  readonly misses: number;
  /** Loaders called. */
  readonly loads: number;
  readonly loadFailures: number;
  /** Entries that had to go. */
  readonly evictions: number;
  /** Entries that were found dead. */
  readonly expirations: number;
  /** Loads under way. */
  readonly loading: number;
  /** Callers in this thread, and other threads, that wait for a load: a thread counts once for a key. */
  readonly waiting: number;
}
