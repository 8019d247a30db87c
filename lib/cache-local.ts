/**
 * A cache without a name: values by reference in this thread, found through a Map from key to slot. The native policy decides who
 * stays: hits are noted and told to it in batches, before anything is let in or taken out.
 */
import type { ResidentsFunctions } from './binding-cache.js';
import type { Flight } from './cache-flight.js';
import { localRules, MAX_ENTRIES, sizeOfMissing } from './cache-local-rules.js';
import type { CacheRules, CacheSnapshot, EvictReason } from './cache-options.js';
import {
  ABSENT,
  FRESH,
  type Gone,
  type How,
  type Landing,
  LEAD,
  NOTHING,
  ON_ERROR,
  REVALIDATE,
  type Result,
  type RulesInForce,
  type Store,
  type Stored,
  tooLong,
} from './cache-store.js';
import { barrierOf, isValid, type More, Tags } from './cache-tags.js';
import { LookTime } from './cache-time.js';
import type { Timeline } from './clock.js';
import { host } from './host.js';
import { invalid } from './options.js';
import type { Primitive } from './primitive.js';

/** Hits that are told together. */
const NOTED = 64;

/** Slots looked at for what is dead with every change. */
const SWEEP = 2;

/** Victims that the registers tell of at once. */
const TOLD = 510;

const MAX_WEIGHT = 2 ** 32 - 1;

const NO_KEY = -2;

type Residents = Primitive<'cache', ResidentsFunctions>;

export class LocalStore<V> implements Store<V> {
  rules: RulesInForce;
  readonly isOneForAll = true;
  standing = FRESH;
  due = false;
  ageMs = 0;
  readonly #residents: Residents;
  readonly #functions: ResidentsFunctions;
  readonly #registers: Float64Array;
  readonly #timeline: Timeline;
  readonly #time: LookTime;
  readonly #sizeOf: ((value: V, key: string) => number) | undefined;
  /** What an entry takes besides its key and value, as a cache with a name counts it. */
  readonly #entryBytes: number;
  readonly #gone: Gone<V> | undefined;
  #slots = new Map<string, number>();
  #keys: (string | undefined)[] = [];
  /** Undefined: it is remembered that there is none. A value is told from that alone without a look at it, which takes its time. */
  #values: (V | undefined)[] = [];
  #freshUntil = new Float64Array(16);
  #loadedAt = new Float64Array(16);
  #weights = new Uint32Array(16);
  #more = new Map<number, More>();
  readonly #tags = new Tags();
  readonly #flights = new Map<string, Flight<V>>();
  readonly #hits = new Uint32Array(NOTED);
  readonly #hitBytes = new Uint8Array(this.#hits.buffer);
  #noted = 0;
  #sweepAt = 0;
  #hitCount = 0;
  #staleHits = 0;
  #misses = 0;
  #bytes = 0;
  #evictions = 0;
  #expirations = 0;
  #loads = 0;
  #loadFailures = 0;

  constructor(
    residents: Residents,
    rules: RulesInForce,
    sizeOf: ((value: V, key: string) => number) | undefined,
    gone: Gone<V> | undefined,
  ) {
    this.#residents = residents;
    this.#functions = residents.functions;
    this.#registers = host().registers;
    this.#timeline = residents.timeline;
    this.#time = new LookTime(residents.timeline);
    this.rules = rules;
    this.#sizeOf = sizeOf;
    this.#entryBytes = host().native.cacheDefaults()['entryBytes'] as number;
    this.#gone = gone;
  }

  get sequence(): number {
    return this.#tags.sequence;
  }

  get size(): number {
    return this.#slots.size;
  }

  get bytes(): number {
    return this.#bytes;
  }

  hit(key: string): V | undefined {
    const slot = this.#slots.get(key);
    if (slot === undefined) return undefined;
    const until = this.#freshUntil[slot] as number;
    if (until !== Number.POSITIVE_INFINITY && this.#time.now() > until) return undefined;
    // Where loads are early, or something is particular about the entry, more has to be looked at.
    if (this.#more.size > 0 && this.#more.has(slot)) return undefined;
    const value = this.#values[slot];
    if (value !== undefined) this.#used(slot);
    return value;
  }

  missed(): void {
    if (this.#residents.disposed) throw this.#residents.disposedError();
    this.#misses++;
  }

  read(key: string, freshOnly: 0 | 1): V | typeof ABSENT | typeof NOTHING {
    const slot = this.#slots.get(key);
    const value = slot === undefined ? NOTHING : this.#look(slot, this.#time.now());
    if (value === NOTHING || !this.#isServed(freshOnly)) {
      this.missed();
      if (value === NOTHING && slot !== undefined) {
        this.#expirations++;
        this.#remove(slot, 'expired');
      }
    } else {
      if (this.standing !== FRESH) this.#staleHits++;
      this.#used(slot as number);
    }
    return value;
  }

  /** Whether what was looked at is served at once: on an error alone, while it is not due to load it anew. */
  #isServed(freshOnly: 0 | 1): boolean {
    if (this.standing === FRESH) return true;
    return freshOnly === 0 && (this.standing === REVALIDATE || !this.due);
  }

  peek(key: string): V | typeof ABSENT | typeof NOTHING {
    const slot = this.#slots.get(key);
    return slot === undefined ? NOTHING : this.#look(slot, this.#timeline.now());
  }

  has(key: string): boolean {
    const value = this.peek(key);
    return value !== NOTHING && value !== ABSENT && this.standing === FRESH;
  }

  #used(slot: number): void {
    this.#hitCount++;
    const noted = this.#noted;
    this.#hits[noted] = slot;
    this.#noted = noted + 1;
    if (noted === NOTED - 1) {
      this.#functions.touch(this.#hitBytes, NOTED);
      this.#noted = 0;
    }
  }

  /** How many hits the native part is about to hear of. */
  #told(): number {
    const noted = this.#noted;
    this.#noted = 0;
    return noted;
  }

  /** What is in a slot, if it may be served, and how it stands. */
  #look(slot: number, now: number): V | typeof ABSENT | typeof NOTHING {
    const own = this.#values[slot];
    const value = own === undefined ? ABSENT : own;
    const until = this.#freshUntil[slot] as number;
    const more = this.#more.size === 0 ? undefined : this.#more.get(slot);
    // The time may have been read before the value was stored.
    this.ageMs = Math.max(0, now - (this.#loadedAt[slot] as number));
    if (more !== undefined && !isValid(more)) return NOTHING;
    if (now <= until && more?.wasEnded !== true) {
      this.standing = FRESH;
      const { earlyRefreshBeta } = this.rules;
      this.due =
        earlyRefreshBeta !== undefined &&
        more !== undefined &&
        more.tookMs > 0 &&
        // The logarithm of 1 - chance, which is not 0.
        more.tookMs * earlyRefreshBeta * -Math.log(1 - (this.#functions.chance() ?? 0)) >= until - now;
      return value;
    }
    const staleFor = now - (until === Number.NEGATIVE_INFINITY ? (this.#loadedAt[slot] as number) : until);
    if (value === ABSENT) return NOTHING;
    const { staleWhileRevalidateMs, staleIfErrorMs } = this.rules;
    if (staleFor <= staleWhileRevalidateMs && staleWhileRevalidateMs > 0) this.standing = REVALIDATE;
    else if (staleFor <= staleIfErrorMs && staleIfErrorMs > 0) this.standing = ON_ERROR;
    else return NOTHING;
    this.due = more === undefined || now >= more.retryAt;
    return value;
  }

  /** Whether nothing but its time says that it is not. */
  #isFresh(slot: number): boolean {
    const more = this.#more.get(slot);
    return more === undefined || (isValid(more) && !more.wasEnded);
  }

  set(key: string, value: V, stored: Stored): boolean {
    const weight = this.#weigh(value, key);
    const { tags } = stored;
    this.#fence(key);
    const more = tags === undefined ? undefined : this.#moreOf(0, tags, this.sequence);
    return this.#store(key, value, this.#jittered(ttlOf(stored, this.rules.ttlMs)), weight, more);
  }

  #weigh(value: V, key: string): number {
    const weight = this.#sizeOf === undefined ? 1 : this.#sizeOf(value, key);
    if (!(Number.isInteger(weight) && weight >= 1 && weight <= MAX_WEIGHT)) {
      throw invalid(
        'cache',
        'sizeOf(value, key)',
        `a whole number from 1 to ${MAX_WEIGHT}`,
        weight,
        this.#residents.word,
      );
    }
    return weight;
  }

  #jittered(ttlMs: number): number {
    const { ttlJitter } = this.rules;
    if (ttlJitter === 0 || ttlMs === Number.POSITIVE_INFINITY) return ttlMs;
    return ttlMs * (1 - ttlJitter * (this.#functions.chance() ?? 0));
  }

  #store(key: string, value: V | undefined, ttlMs: number, weight: number, more: More | undefined): boolean {
    const functions = this.#functions;
    let slot = this.#slots.get(key);
    if (slot === undefined) {
      slot = this.#residents.live(functions.admit(key, weight, this.#hitBytes, this.#told()));
      if (slot === NO_KEY) throw tooLong('key', key, this.#residents.word);
      this.#evict();
      if (slot < 0) return false;
      this.#slots.set(key, slot);
      this.#keys[slot] = key;
      if (slot >= this.#freshUntil.length) this.#grow();
    } else {
      const fits = functions.reweigh(slot, weight, this.#hitBytes, this.#told());
      this.#evict();
      if (!this.#residents.live(fits)) {
        this.#remove(slot, 'replaced');
        return false;
      }
      this.#tell(key, slot, 'replaced');
      this.#forgetMore(slot);
      this.#bytes -= this.#weights[slot] as number;
    }
    const now = this.#timeline.now();
    this.#values[slot] = value;
    this.#loadedAt[slot] = now;
    this.#freshUntil[slot] = ttlMs > 0 ? now + ttlMs : Number.NEGATIVE_INFINITY;
    this.#weights[slot] = weight;
    this.#bytes += weight;
    if (more !== undefined) {
      this.#more.set(slot, more);
      for (const tag of more.tags) tag.uses++;
    }
    this.#sweep(now);
    return true;
  }

  #grow(): void {
    const length = 2 * this.#freshUntil.length;
    const grown = (before: Float64Array): Float64Array<ArrayBuffer> => {
      const after = new Float64Array(length);
      after.set(before);
      return after;
    };
    this.#freshUntil = grown(this.#freshUntil);
    this.#loadedAt = grown(this.#loadedAt);
    const weights = new Uint32Array(length);
    weights.set(this.#weights);
    this.#weights = weights;
  }

  /** Takes out whom the policy has chosen, as the registers say. */
  #evict(): void {
    const registers = this.#registers;
    for (let left = registers[0] as number; left > 0; left = registers[0] as number) {
      const told = Math.min(left, TOLD);
      this.#evictions += told;
      for (let index = 1; index <= told; index++) this.#drop(registers[index] as number, 'evicted');
      if (left === told) return;
      this.#functions.victims();
    }
  }

  #remove(slot: number, reason: EvictReason): void {
    const noted = this.#told();
    if (noted > 0) this.#functions.touch(this.#hitBytes, noted);
    this.#functions.remove(slot);
    this.#drop(slot, reason);
  }

  /** Forgets what is in a slot. */
  #drop(slot: number, reason: EvictReason): void {
    const key = this.#keys[slot] as string;
    this.#tell(key, slot, reason);
    this.#slots.delete(key);
    this.#keys[slot] = undefined;
    this.#values[slot] = undefined;
    this.#bytes -= this.#weights[slot] as number;
    this.#forgetMore(slot);
  }

  #tell(key: string, slot: number, reason: EvictReason): void {
    if (this.#gone === undefined) return;
    this.#gone(key, this.#values[slot], reason);
  }

  /** Looks at a few slots for what is dead. */
  #sweep(now: number): void {
    for (let look = 0; look < SWEEP; look++) {
      const slot = this.#sweepAt;
      this.#sweepAt = slot + 1 < this.#keys.length ? slot + 1 : 0;
      if (this.#keys[slot] === undefined) continue;
      const until = this.#freshUntil[slot] as number;
      if (now <= until && (this.#more.size === 0 || this.#isFresh(slot))) continue;
      const { standing, due, ageMs } = this;
      if (this.#look(slot, now) === NOTHING) {
        this.#expirations++;
        this.#remove(slot, 'expired');
      }
      this.standing = standing;
      this.due = due;
      this.ageMs = ageMs;
    }
  }

  delete(key: string): boolean {
    this.#fence(key);
    const slot = this.#slots.get(key);
    if (slot === undefined) return false;
    const value = this.#look(slot, this.#timeline.now());
    this.#remove(slot, 'deleted');
    return value !== NOTHING && value !== ABSENT;
  }

  expire(key: string): boolean {
    this.#fence(key);
    const slot = this.#slots.get(key);
    const now = this.#timeline.now();
    if (slot === undefined || this.#look(slot, now) === NOTHING || this.standing !== FRESH) return false;
    this.#freshUntil[slot] = now;
    this.#moreThere(slot).wasEnded = true;
    return true;
  }

  clear(): void {
    for (const flight of this.#flights.values()) this.#done(flight);
    if (this.#gone !== undefined) {
      for (const [key, slot] of this.#slots) this.#tell(key, slot, 'deleted');
    }
    for (const slot of this.#more.keys()) this.#forgetMore(slot);
    this.#functions.clear();
    this.#slots = new Map();
    this.#keys = [];
    this.#values = [];
    this.#noted = 0;
    this.#sweepAt = 0;
    this.#bytes = 0;
  }

  invalidateTag(name: string): void {
    this.#tags.invalidate(name, this.#timeline.now(), this.rules.leaseMs);
  }

  #moreOf(tookMs: number, tags: readonly string[], seen: number): More {
    const own = this.#tags.of(tags, this.#timeline.now(), this.rules.leaseMs);
    return { tookMs, retryAt: Number.NEGATIVE_INFINITY, wasEnded: false, tags: own, seen };
  }

  /** Of an entry that is there. */
  #moreThere(slot: number): More {
    let more = this.#more.get(slot);
    if (more === undefined) {
      more = this.#moreOf(0, [], this.sequence);
      this.#more.set(slot, more);
    }
    return more;
  }

  #forgetMore(slot: number): void {
    const more = this.#more.get(slot);
    if (more === undefined) return;
    this.#more.delete(slot);
    for (const tag of more.tags) tag.uses--;
  }

  #fence(key: string): void {
    if (this.#flights.size === 0) return;
    const flight = this.#flights.get(key);
    if (flight !== undefined) this.#done(flight);
  }

  begin(flight: Flight<V>, _how: How): typeof LEAD {
    const before = this.#flights.get(flight.key);
    if (before !== undefined) {
      // Once this one is under way, as mail comes that says the same.
      if (this.joinable(before) < 0) queueMicrotask(() => before.flights.onOrphan(before));
      this.#done(before);
    }
    this.#flights.set(flight.key, flight);
    flight.token = this.sequence;
    this.#loads++;
    return LEAD;
  }

  joinable(flight: Flight<V>): number {
    const isLate = flight.role === 'leads' && this.#time.now() - flight.began >= this.rules.leaseMs;
    return flight.counts && !isLate ? this.sequence : -1;
  }

  land(flight: Flight<V>, result: Result<V>, { ttlMs, tags }: Stored, tookMs: number): Landing<V> {
    const { key, token: began } = flight;
    const value = (): V => (result.kind === 'absent' ? undefined : result.value) as V;
    const own = tags ?? [];
    // First, as `sizeOf` may do anything, also to this key and its tags.
    const weight = result.kind === 'value' ? this.#weightOf(result.value, key) : this.#weightOfAbsence(key);
    const needsMore = own.length > 0 || this.rules.earlyRefreshBeta !== undefined;
    const more = needsMore ? this.#moreOf(tookMs, own, began) : undefined;
    const barrier = more === undefined ? Number.POSITIVE_INFINITY : this.#barrier(flight, more);
    const isValid = barrier === Number.POSITIVE_INFINITY;
    const counts = this.#done(flight) && result.kind !== 'skipped';
    if (counts && isValid && weight !== undefined) this.#keep(key, result, ttlMs, weight, more);
    return { value, barrier };
  }

  /** Undefined: it cannot be measured, and is given and not stored. */
  #weightOf(value: V, key: string): number | undefined {
    try {
      return this.#weigh(value, key);
    } catch {
      return undefined;
    }
  }

  /** That there is no value takes the key's room, whatever values weigh; for a bound of entries alone, nothing is measured. */
  #weightOfAbsence(key: string): number {
    return this.#sizeOf === undefined ? 1 : Buffer.byteLength(key) + this.#entryBytes;
  }

  /** Stores what a load came to. */
  #keep(key: string, result: Result<V>, ttlMs: number, weight: number, more: More | undefined): void {
    const { negativeTtlMs } = this.rules;
    try {
      if (result.kind !== 'absent') {
        const ttl = this.#jittered(ttlOf({ ttlMs }, this.rules.ttlMs));
        this.#store(key, (result as { value: V }).value, ttl, weight, more);
      } else if (negativeTtlMs !== undefined) {
        this.#store(key, undefined, this.#jittered(negativeTtlMs), weight, more);
      } else {
        const slot = this.#slots.get(key);
        if (slot !== undefined) this.#remove(slot, 'replaced');
      }
    } catch {
      // A key that is too long: its value is given, not stored.
    }
  }

  /** The flight is over, or somebody has won over it: whether its value counted until now. */
  #done(flight: Flight<V>): boolean {
    if (!flight.counts) return false;
    flight.counts = false;
    this.#flights.delete(flight.key);
    return true;
  }

  fail(flight: Flight<V>, _error: unknown, tags: readonly string[] | undefined): number {
    this.#loadFailures++;
    if (this.#done(flight)) this.#backOff(flight);
    if (tags === undefined || tags.length === 0) return Number.POSITIVE_INFINITY;
    return this.#barrier(flight, this.#moreOf(0, tags, flight.token));
  }

  /**
   * Who has seen so much has to ask again. Which invalidation came first is not known: who has seen any since the load began may have
   * asked after it. Of a load that outlived its lease, tags may have been forgotten since.
   */
  #barrier({ began }: Flight<V>, { tags, seen }: More): number {
    const isLate = tags.length > 0 && this.#timeline.now() - began > this.rules.leaseMs;
    return !isLate && barrierOf(tags) <= seen ? Number.POSITIVE_INFINITY : seen + 1;
  }

  #backOff(flight: Flight<V>): void {
    const slot = this.#slots.get(flight.key);
    const now = this.#timeline.now();
    if (slot === undefined || this.#look(slot, now) === NOTHING) return;
    const more = this.#moreThere(slot);
    // What is fresh is not loaded early again.
    more.tookMs = 0;
    if (this.standing !== FRESH) more.retryAt = now + this.rules.refreshBackoffMs;
  }

  servedStale(count: number): void {
    this.#staleHits += count;
  }

  abandon(flight: Flight<V>): boolean {
    this.#done(flight);
    return true;
  }

  giveUp(flight: Flight<V>): void {
    this.#done(flight);
  }

  figures(): ReturnType<Store<V>['figures']> {
    return {
      size: this.size,
      bytes: this.#sizeOf === undefined ? 0 : this.#bytes,
      hits: this.#hitCount,
      staleHits: this.#staleHits,
      misses: this.#misses,
      loads: this.#loads,
      loadFailures: this.#loadFailures,
      evictions: this.#evictions,
      expirations: this.#expirations,
      loading: this.#flights.size,
      waiting: 0,
    } satisfies Partial<CacheSnapshot>;
  }

  reconfigure(change: CacheRules): void {
    const { word } = this.#residents;
    if (change.maxBytes !== undefined && this.#sizeOf === undefined) throw sizeOfMissing(word);
    const rules = localRules(change, this.rules.policy, word);
    const { maxEntries = MAX_ENTRIES, maxBytes } = rules;
    this.#residents.cold((native, id, handle) => {
      const noted = this.#told();
      if (noted > 0) this.#functions.touch(this.#hitBytes, noted);
      return native.boundResidents(id, handle, maxEntries, maxBytes) || null;
    });
    this.#evict();
    this.rules = rules;
  }

  dispose(): void {
    this.#slots = new Map();
    this.#keys = [];
    this.#values = [];
    this.#more = new Map();
    this.#tags.clear();
  }
}

function ttlOf({ ttlMs }: { readonly ttlMs: number }, own: number): number {
  return Number.isNaN(ttlMs) ? own : ttlMs;
}
