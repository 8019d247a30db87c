/**
 * A cache with a name: its values are in Rust, one for all threads of the process, and so is the table of loads under way. What a
 * caller gets is a copy of its own, but for what a front keeps decoded in this thread.
 */
import type { CacheFunctions, NativeCacheSnapshot } from './binding-cache.js';
import { type Coding, room } from './cache-codec.js';
import { packError, unpackError } from './cache-errors.js';
import type { Flight, Flights } from './cache-flight.js';
import { Front } from './cache-front.js';
import type { CacheRules, EvictReason } from './cache-options.js';
import {
  ABSENT,
  FILLED,
  FRESH,
  type Gone,
  type How,
  type Landing,
  type LEAD,
  NOTHING,
  type Result,
  type RulesInForce,
  type Store,
  type Stored,
  tooLong,
  WAIT,
} from './cache-store.js';
import { InvalidOptionError } from './errors.js';
import { host, keepAlive, type Listener, listen, readMail, unlisten } from './host.js';
import { Lookout } from './lookout.js';
import { describe } from './options.js';
import type { Primitive } from './primitive.js';

/** What `read` answers besides text. */
const IS_NOTHING = 0;
const IS_BYTES = 2;
const NO_KEY = -1;

/** How it is to read, besides `freshOnly`: what the front found is to be loaded early. */
const EARLY = 2;

/** Where the registers say it. */
const STANDING = 0;
const DUE = 1;
const AGE = 4;
const LENGTH = 5;
/** How many of them a read fills. */
const FILLED_BY_READ = 10;

/** What has come out for a ticket. */
const TEXT = 1;
const BYTES = 2;
const NONE = 3;
const FAILED = 4;
const ALONE = 5;
const TO_LEAD = 6;

const REASONS: readonly EvictReason[] = ['evicted', 'expired', 'deleted', 'replaced'];

type Shared = Primitive<'cache', CacheFunctions>;

export class SharedStore<V> implements Store<V> {
  sequence = 0;
  standing = FRESH;
  due = false;
  ageMs = 0;
  readonly isOneForAll: boolean;
  /** Set by the cache, once there is one. */
  flights!: Flights<V>;
  readonly #shared: Shared;
  readonly #functions: CacheFunctions;
  readonly #registers: Float64Array;
  readonly #coding: Coding<V>;
  readonly #front: Front<V> | undefined;
  /** Whether the policy goes by the order of uses, which then is told before anything else. */
  readonly #isOrdered: boolean;
  readonly #gone: Gone<V> | undefined;
  /** Flights of this thread, by token or ticket. */
  readonly #byNumber = new Map<number, Flight<V>>();
  #listening = 0;
  #awaited = 0;
  readonly #lookout = new Lookout(() => {
    if (this.#awaited === 0) return false;
    this.#functions.look();
    readMail();
    return true;
  });
  readonly #listener: Listener = {
    onTicket: (number, fate) => {
      const flight = this.#byNumber.get(number);
      if (flight === undefined) return;
      if (fate === 'served') this.#arrived(flight);
      else this.flights.onOrphan(flight);
    },
  };

  constructor(
    shared: Shared,
    coding: Coding<V>,
    frontEntries: number | undefined,
    gone: Gone<V> | undefined,
  ) {
    this.#shared = shared;
    this.#functions = shared.functions;
    this.#registers = host().registers;
    this.#coding = coding;
    this.isOneForAll = coding.isImmutable;
    if (frontEntries !== undefined) {
      const words = shared.cold((native, id, handle) => native.openFront(id, handle));
      this.#front = new Front(frontEntries, this.#functions, this.#registers, shared.timeline, words);
    }
    this.#isOrdered = this.#front !== undefined && this.rules.policy !== 's3fifo';
    this.#gone = gone;
    if (gone !== undefined) shared.cold((native, id, handle) => native.watchCache(id, handle, true) || null);
  }

  /** Asked for each time: any thread may have changed them. */
  get rules(): RulesInForce {
    const rules = this.#shared.cold((native, id, handle) => native.cacheRules(id, handle));
    return rules as RulesInForce;
  }

  snapshot(): NativeCacheSnapshot {
    return this.#shared.cold((native, id, handle) => native.cacheSnapshot(id, handle));
  }

  get size(): number {
    return this.#shared.live(this.#functions.size());
  }

  get bytes(): number {
    this.#shared.live(this.#functions.size());
    return this.#registers[0] as number;
  }

  hit(key: string): V | undefined {
    return this.#front?.find(key);
  }

  read(key: string, freshOnly: 0 | 1): V | typeof ABSENT | typeof NOTHING {
    const front = this.#front;
    let how: number = freshOnly;
    let now = 0;
    if (front !== undefined) {
      if (this.#isOrdered) front.tell();
      if (front.early === key) how += EARLY;
      front.early = undefined;
      now = front.now();
    }
    const found = this.#functions.read(key, how);
    if (typeof found === 'string' || found === IS_BYTES) return this.#found(key, found, front, now);
    const without = this.#without(key, found);
    // A dead one was removed.
    if (this.#gone !== undefined) this.#tellGone();
    return without;
  }

  peek(key: string): V | typeof ABSENT | typeof NOTHING {
    const front = this.#front;
    const value = front?.peek(key);
    if (front !== undefined && value !== undefined) {
      this.standing = FRESH;
      this.due = false;
      this.ageMs = front.ageMs;
      return value;
    }
    const found = this.#functions.peek(key);
    if (typeof found === 'string' || found === IS_BYTES) return this.#found(key, found, undefined, 0);
    return this.#without(key, found);
  }

  #without(key: string, found: number | undefined): typeof ABSENT | typeof NOTHING {
    const code = this.#shared.live(found);
    if (code === NO_KEY) throw tooLong('key', key, this.#shared.word);
    if (code === IS_NOTHING) return NOTHING;
    this.#noteStanding();
    return ABSENT;
  }

  #noteStanding(): void {
    const registers = this.#registers;
    this.standing = registers[STANDING] as number;
    this.due = registers[DUE] === 1;
    this.ageMs = registers[AGE] as number;
  }

  #found(key: string, found: string | number, front: Front<V> | undefined, now: number): V | typeof NOTHING {
    this.#noteStanding();
    let registers = this.#registers;
    const { standing, due, ageMs } = this;
    const { isForeign } = this.#coding;
    if (front !== undefined && isForeign) registers = registers.slice(0, FILLED_BY_READ);
    let value: V;
    try {
      value = this.#coding.decode(typeof found === 'string' ? found : this.#copied(front !== undefined));
    } catch {
      // What the codec does not understand is no value, and is not met again.
      this.#functions.delete(key);
      if (this.#gone !== undefined) this.#tellGone();
      return NOTHING;
    }
    if (isForeign) {
      // It may have used this very cache.
      this.standing = standing;
      this.due = due;
      this.ageMs = ageMs;
    }
    if (front !== undefined && standing === FRESH) front.add(key, value, registers, now);
    return value;
  }

  /** The bytes that were read last. */
  #copied(isLasting = false): Uint8Array {
    const bytes = room(this.#registers[LENGTH] as number, isLasting);
    if (!this.#functions.copy(bytes, 0)) throw new Error('other bytes were read since');
    return bytes;
  }

  has(key: string): boolean {
    const found = this.#shared.live(this.#functions.has(key));
    if (found === NO_KEY) throw tooLong('key', key, this.#shared.word);
    return found === 1;
  }

  set(key: string, value: V, { ttlMs, tags }: Stored): boolean {
    let encoded: string | Uint8Array;
    try {
      encoded = this.#coding.encode(value);
    } catch (cause) {
      const details = { ...this.#shared.details, cause };
      throw new InvalidOptionError('value', this.#coding.expected, describe(value), details);
    }
    this.#front?.tell();
    const code = this.#shared.live(this.#functions.set(key, encoded, ttlMs, jsonOf(tags)));
    if (this.#gone !== undefined) this.#tellGone();
    if (code === NO_KEY) throw tooLong('key', key, this.#shared.word);
    return code === 1;
  }

  delete(key: string): boolean {
    this.#front?.tell();
    const code = this.#shared.live(this.#functions.delete(key));
    if (this.#gone !== undefined) this.#tellGone();
    if (code === NO_KEY) throw tooLong('key', key, this.#shared.word);
    return code === 1;
  }

  expire(key: string): boolean {
    const code = this.#shared.live(this.#functions.expire(key));
    if (code === NO_KEY) throw tooLong('key', key, this.#shared.word);
    return code === 1;
  }

  invalidateTag(tag: string): void {
    if (!this.#shared.live(this.#functions.invalidateTag(tag))) throw tooLong('tag', tag, this.#shared.word);
  }

  clear(): void {
    this.#front?.tell();
    this.#shared.live(this.#functions.clear());
    this.#front?.clear();
    if (this.#gone !== undefined) this.#tellGone();
  }

  begin(flight: Flight<V>, how: How): typeof FILLED | typeof LEAD | typeof WAIT {
    const code = this.#shared.live(this.#functions.join(flight.key, how));
    if (code === NO_KEY) throw tooLong('key', flight.key, this.#shared.word);
    this.sequence = this.#registers[1] as number;
    if (code === FILLED) return FILLED;
    flight.token = this.#registers[0] as number;
    this.#byNumber.set(flight.token, flight);
    if (code === WAIT) this.#await(1);
    else this.#listenFor(1);
    return code as typeof LEAD | typeof WAIT;
  }

  /** Whether mail may come: for who waits, and for a leader that others wait for. */
  #listenFor(change: 1 | -1): void {
    this.#listening += change;
    if (change === 1 && this.#listening === 1) listen(this.#shared.state, this.#listener);
    else if (this.#listening === 0) unlisten(this.#shared.state, this.#listener);
  }

  #await(change: 1 | -1): void {
    this.#listenFor(change);
    this.#awaited += change;
    keepAlive(change);
    if (change === 1) this.#lookout.start();
  }

  /** The flight is no more of the numbers that mail comes for. */
  #forget(flight: Flight<V>, waited: boolean): void {
    if (!this.#byNumber.delete(flight.token)) return;
    if (waited) this.#await(-1);
    else this.#listenFor(-1);
  }

  joinable(flight: Flight<V>): number {
    this.sequence = this.#shared.live(this.#functions.joinable(flight.token));
    return this.sequence;
  }

  /** Something has come out for a flight that waits. */
  #arrived(flight: Flight<V>): void {
    const found = this.#functions.outcome(flight.token);
    const registers = this.#registers;
    const code = registers[0] as number;
    const barrier = registers[2] as number;
    if (found === undefined || code === 0) return;
    this.#forget(flight, true);
    switch (code) {
      case TEXT:
      case BYTES: {
        const encoded = code === TEXT ? (found as string) : this.#copied();
        this.#deliver(flight, encoded, barrier);
        break;
      }
      case NONE:
        this.flights.arrive(flight, () => undefined, barrier);
        break;
      case FAILED:
        this.flights.failed(flight, unpackError(found as string), barrier);
        break;
      case ALONE:
        this.#leadAlone(flight);
        break;
      case TO_LEAD:
        flight.token = registers[1] as number;
        this.#byNumber.set(flight.token, flight);
        this.#listenFor(1);
        this.flights.lead(flight);
        break;
    }
  }

  /** What another thread has loaded goes to all who wait here. What cannot be decoded, everybody loads for itself. */
  #deliver(flight: Flight<V>, encoded: string | Uint8Array, barrier: number): void {
    let first: { readonly value: V };
    try {
      first = { value: this.#coding.decode(encoded) };
    } catch {
      this.#leadAlone(flight);
      return;
    }
    this.flights.arrive(flight, this.#copies(first, encoded), barrier);
  }

  /** Nobody else hears of it. */
  #leadAlone(flight: Flight<V>): void {
    flight.token = 0;
    this.#functions.ledAlone(0);
    this.flights.lead(flight);
  }

  /** For each who asks its own: the first is decoded already. */
  #copies(first: { readonly value: V }, encoded: string | Uint8Array): () => V {
    let next: typeof first | undefined = first;
    return () => {
      if (next === undefined) return this.#coding.decode(copyOf(encoded));
      const { value } = next;
      next = undefined;
      return value;
    };
  }

  land(flight: Flight<V>, result: Result<V>, stored: Stored, tookMs: number): Landing<V> {
    const { token } = flight;
    this.#forget(flight, false);
    const value = result.kind === 'absent' ? undefined : result.value;
    let encoded: string | Uint8Array | undefined;
    let copies = (): V => value as V;
    try {
      if (value !== undefined) {
        encoded = this.#coding.encode(value);
        const first = { value: this.#coding.decode(copyOf(encoded)) };
        copies = this.#copies(first, encoded);
      }
    } catch {
      if (token !== 0) this.#functions.alone(token, jsonOf(stored.tags));
      return { value: copies, barrier: this.#barrier(flight, token) };
    }
    if (token === 0) return { value: copies, barrier: Number.POSITIVE_INFINITY };
    this.#front?.tell();
    const { ttlMs, tags } = stored;
    this.#functions.land(token, encoded, tookMs, ttlMs, jsonOf(tags), result.kind === 'skipped' ? 0 : 1);
    const barrier = this.#barrier(flight, token);
    if (this.#gone !== undefined) this.#tellGone();
    return { value: copies, barrier };
  }

  /** What the registers say of a load that has just ended with this token. Of one for this thread alone nobody else knows. */
  #barrier(flight: Flight<V>, token: number): number {
    if (token === 0 || this.#shared.disposed) return Number.POSITIVE_INFINITY;
    const barrier = this.#registers[0] as number;
    // Another leads by now: when this load began is not known there any more. Who had seen more than its leader asked later.
    return barrier === 0 ? (flight.leader?.seen ?? 0) + 1 : barrier;
  }

  fail(flight: Flight<V>, error: unknown, tags: readonly string[] | undefined): number {
    const { token } = flight;
    this.#forget(flight, false);
    if (token === 0) this.#functions.ledAlone(1);
    else this.#functions.fail(token, packError(error), jsonOf(tags));
    return this.#barrier(flight, token);
  }

  missed(): void {
    this.#shared.live(this.#functions.missed());
  }

  servedStale(count: number): void {
    this.#functions.servedStale(count);
  }

  abandon(flight: Flight<V>, goesOn: boolean): boolean {
    if (flight.role === 'waits') {
      this.#forget(flight, true);
      this.#functions.cancel(flight.token, goesOn ? 1 : 0);
      return true;
    }
    if (flight.token !== 0 && this.#functions.abandon(flight.token) === false) return false;
    this.#forget(flight, false);
    return true;
  }

  giveUp(flight: Flight<V>): void {
    if (flight.role === 'waits') {
      this.#forget(flight, true);
      this.#functions.cancel(flight.token, 0);
    } else {
      this.#forget(flight, false);
      if (flight.token !== 0) this.#functions.giveUp(flight.token);
    }
  }

  figures(): ReturnType<Store<V>['figures']> {
    const { codec: _, ...figures } = this.snapshot();
    // This thread's callers are counted one by one.
    return { ...figures, waiting: figures.waiting - this.#awaited };
  }

  reconfigure(rules: CacheRules): void {
    this.#front?.tell();
    this.#shared.cold((native, id, handle) => native.reconfigureCache(id, handle, rules) || null);
    if (this.#gone !== undefined) this.#tellGone();
  }

  /** Tells of what this thread's calls have removed. */
  #tellGone(): void {
    const { takeGone, goneValue } = this.#functions;
    for (let key = takeGone(); key !== undefined; key = takeGone()) {
      const reason = REASONS[this.#registers[0] as number] as EvictReason;
      const what = this.#registers[1] as number;
      let value: V | undefined;
      if (what !== 0) {
        const found = goneValue(what);
        try {
          value = this.#coding.decode(typeof found === 'string' ? found : this.#copied());
        } catch {
          value = undefined;
        }
      }
      this.#gone?.(key, value, reason);
    }
  }

  dispose(): void {
    this.#front?.end();
  }
}

/** Not `slice`: of a Buffer that is the same memory. */
function copyOf(encoded: string | Uint8Array): string | Uint8Array {
  return typeof encoded === 'string' ? encoded : new Uint8Array(encoded);
}

function jsonOf(tags: readonly string[] | undefined): string | undefined {
  if (tags === undefined || tags.length === 0) return undefined;
  // As `invalidateTag` has them, whose tag crosses as UTF-8.
  return JSON.stringify(tags.map((tag) => wellFormed(tag)));
}

/** Lone surrogates count as U+FFFD. */
function wellFormed(text: string): string {
  return Buffer.from(text).toString();
}
