/** What a cache keeps its values in: `cache-local.ts` in this thread, `cache-shared.ts` for all threads of the process. */

import type { Flight } from './cache-flight.js';
import type { CachePolicy, CacheRules, CacheSnapshot, EvictReason } from './cache-options.js';
import { InvalidOptionError } from './errors.js';
import { describe } from './options.js';

/** There is nothing to be served. */
export const NOTHING = Symbol('nothing');

/** It is remembered that there is no value. */
export const ABSENT = Symbol('absent');

/** How what was read last stands: fresh, stale and to be served at once, or to be served if loading fails. */
export const FRESH = 0;
export const REVALIDATE = 1;
export const ON_ERROR = 2;

/** Whether to load: it is fresh by now, this thread loads, or another one does. */
export const FILLED = 0;
export const LEAD = 1;
export const WAIT = 2;

/** How a look-up begins a load: as one misses, forced, or before a fresh value is stale. */
export const NORMAL = 0;
export const FORCED = 1;
export const EARLY = 2;
export type How = 0 | 1 | 2;

/** The rules with their defaults. */
export interface RulesInForce extends CacheRules {
  readonly policy: CachePolicy;
  readonly staleWhileRevalidateMs: number;
  readonly staleIfErrorMs: number;
  readonly refreshBackoffMs: number;
  readonly ttlJitter: number;
  readonly leaseMs: number;
}

/** What goes with a value. */
export interface Stored {
  /** NaN: the cache's. */
  readonly ttlMs: number;
  readonly tags: readonly string[] | undefined;
}

/** What a loader came to. */
export type Result<V> =
  | { readonly kind: 'value' | 'skipped'; readonly value: V }
  | { readonly kind: 'absent' };

/** What the callers of a flight get. */
export interface Landing<V> {
  /** For each caller its own. */
  readonly value: () => V;
  /** Who had seen so much when they asked have to ask again: what they would get was invalidated before. */
  readonly barrier: number;
}

/** What was removed, and is to be told of. */
export type Gone<V> = (key: string, value: V | undefined, reason: EvictReason) => void;

/** Values, and what is known of loads in other threads. */
export interface Store<V> {
  readonly rules: RulesInForce;
  /** Whether callers who wait for one load get the very same value; else each its own copy. */
  readonly isOneForAll: boolean;
  /** What the sequence of invalidations was when a flight was begun or joined last. */
  readonly sequence: number;
  /** Of what was read last. */
  readonly standing: number;
  /** Of what was read last: whether a load is due. */
  readonly due: boolean;
  readonly ageMs: number;
  /** What there is: a look-up. A stale value counts as a miss where it is served on an error alone, or `freshOnly`. */
  read(key: string, freshOnly: 0 | 1): V | typeof ABSENT | typeof NOTHING;
  /** The same, and counts nothing. */
  peek(key: string): V | typeof ABSENT | typeof NOTHING;
  /** The fresh value of a key, if there is one that is not to be loaded early: a hit. Else undefined, and nothing is counted. */
  hit(key: string): V | undefined;
  has(key: string): boolean;
  /** Whether it was stored. */
  set(key: string, value: V, stored: Stored): boolean;
  delete(key: string): boolean;
  expire(key: string): boolean;
  invalidateTag(tag: string): void;
  clear(): void;
  readonly size: number;
  readonly bytes: number;
  figures(): Omit<CacheSnapshot, 'kind' | 'name' | 'label' | 'lookups' | keyof RulesInForce>;
  reconfigure(rules: CacheRules): void;
  /** Whether to load. A flight that is begun gets its token or its ticket. */
  begin(flight: Flight<V>, how: How): typeof FILLED | typeof LEAD | typeof WAIT;
  /** What the sequence of invalidations is, if the flight may still be joined; -1 if not. */
  joinable(flight: Flight<V>): number;
  /** The flight has landed, with this. */
  land(flight: Flight<V>, result: Result<V>, stored: Stored, tookMs: number): Landing<V>;
  /** The load of what would have had these tags failed: who had seen so much when they asked have to ask again. */
  fail(flight: Flight<V>, error: unknown, tags: readonly string[] | undefined): number;
  /** Counts a look-up that wants what is not there yet. @throws {DisposedError} */
  missed(): void;
  /** So many misses were answered with what was stale. */
  servedStale(count: number): void;
  /**
   * Nobody in this thread waits for the flight any more: whether its load is to be aborted. `goesOn`: it is to come to its end, of
   * a load that another thread does.
   */
  abandon(flight: Flight<V>, goesOn: boolean): boolean;
  /** The flight is given up, whoever waits. */
  giveUp(flight: Flight<V>): void;
  dispose(): void;
}

/** The longest key or tag in UTF-8. */
const MAX_KEY_BYTES = 65_535;

export function tooLong(
  what: 'key' | 'tag',
  text: string,
  primitive: string | undefined,
): InvalidOptionError {
  const expected = `a string of at most ${MAX_KEY_BYTES} bytes`;
  return new InvalidOptionError(what, expected, describe(text), { kind: 'cache', primitive });
}
