/**
 * Decoded values of a named cache in this thread, and what names each in the shared one. Whether a value still holds is seen in words
 * that whoever changes it moves on, in whichever thread; where such a word moved for another key, and where words cannot be shared,
 * the shared cache is asked. Which value stays is decided by a clock.
 */
import type { CacheFunctions, FrontWords } from './binding-cache.js';
import { LookTime } from './cache-time.js';
import type { Timeline } from './clock.js';

/** Of so many that come to a full front, one gets in. */
const ONE_OF = 4;

/** What `isStill` says of what holds. */
const STILL = 1;
const EARLY = 2;

/** Hits that are told together. */
const NOTED = 64;

/** The word for all keys. */
const ALL = 0;

/** What is known of a value: six 32-bit numbers, and in the room of two the instant until which it is fresh. */
const FACTS = 8;
const GROUP = 0;
const MARK = 1;
/** Whether it was used since the hand passed it. */
const USED = 2;
const SLOT = 3;
const PLACE = 4;
const VERSION = 5;
const UNTIL = 3;

/** Where the registers say it. */
const READ = { place: 2, version: 3, age: 4, slot: 6, left: 7, group: 8, mark: 9 } as const;

export class Front<V> {
  /** The key that was looked up last, if its value holds and is to be loaded early. */
  early: string | undefined;
  /** Of what was peeked at last. */
  ageMs = 0;
  readonly #facts: Uint32Array;
  /** The same memory, by twos. */
  readonly #instants: Float64Array;
  readonly #loadedAt: Float64Array;
  readonly #values: (V | undefined)[] = [];
  readonly #keys: (string | undefined)[] = [];
  readonly #at = new Map<string, number>();
  readonly #free: number[] = [];
  readonly #maxEntries: number;
  readonly #functions: CacheFunctions;
  readonly #registers: Float64Array;
  readonly #timeline: Timeline;
  readonly #time: LookTime;
  readonly #words: Uint32Array | undefined;
  readonly #untold: number;
  readonly #hits = new Uint32Array(NOTED);
  readonly #hitBytes = new Uint8Array(this.#hits.buffer);
  #noted = 0;
  #hand = 0;
  #turnedAway = 0;

  constructor(
    maxEntries: number,
    functions: CacheFunctions,
    registers: Float64Array,
    timeline: Timeline,
    { words, untold }: FrontWords,
  ) {
    this.#maxEntries = maxEntries;
    this.#functions = functions;
    this.#registers = registers;
    this.#timeline = timeline;
    this.#time = new LookTime(timeline);
    this.#words = words;
    this.#untold = untold;
    this.#facts = new Uint32Array(FACTS * maxEntries);
    this.#instants = new Float64Array(this.#facts.buffer);
    this.#loadedAt = new Float64Array(maxEntries);
  }

  /** The value of a key, if it is here and still holds: a hit. */
  find(key: string): V | undefined {
    const at = this.#at.get(key);
    if (at === undefined) return undefined;
    const facts = this.#facts;
    const base = FACTS * at;
    if (this.#holds(base)) {
      this.#note(facts[base + SLOT] as number);
    } else {
      const code = this.#ask(at);
      if (code === EARLY) this.early = key;
      else if (code !== STILL) this.#drop(at);
      if (code !== STILL) return undefined;
    }
    facts[base + USED] = 1;
    return this.#values[at];
  }

  /** The value of a key, if it is here and is known to hold; with its age. No use of it. */
  peek(key: string): V | undefined {
    const at = this.#at.get(key);
    if (at === undefined || !this.#isUnchanged(FACTS * at)) return undefined;
    const now = this.#timeline.now();
    if (now >= this.#until(FACTS * at)) return undefined;
    this.ageMs = Math.max(0, now - (this.#loadedAt[at] as number));
    return this.#values[at];
  }

  /** Whether nothing has changed since it was read, and it is fresh. */
  #holds(base: number): boolean {
    if (!this.#isUnchanged(base)) return false;
    const until = this.#until(base);
    return until === Number.POSITIVE_INFINITY || this.#time.now() < until;
  }

  #isUnchanged(base: number): boolean {
    const words = this.#words;
    if (words === undefined) return false;
    // Plain reads: Atomics.load is a call on Node. What another thread has moved on before this one heard of it is seen, and `#note`
    // writes to the same memory, so that no compiler keeps a word from one hit to the next.
    const mark = ((words[this.#facts[base + GROUP] as number] as number) + (words[ALL] as number)) >>> 0;
    return mark === this.#facts[base + MARK];
  }

  #until(base: number): number {
    return this.#instants[(base >> 1) + UNTIL] as number;
  }

  #note(slot: number): void {
    const noted = this.#noted;
    this.#hits[noted] = slot;
    this.#noted = noted + 1;
    // Others may count them at any time.
    (this.#words as Uint32Array)[this.#untold] = noted + 1;
    if (noted === NOTED - 1) this.tell();
  }

  /** Tells the shared cache of the hits it has not heard of. */
  tell(): void {
    if (this.#noted === 0) return;
    this.#functions.fronted(this.#hitBytes, this.#noted, this.#untold);
    this.#noted = 0;
  }

  /** What the shared cache says, and if it holds, what to go by from now on. */
  #ask(at: number): number | undefined {
    const now = this.now();
    const base = FACTS * at;
    const facts = this.#facts;
    const code = this.#functions.isStill(
      facts[base + PLACE] as number,
      facts[base + VERSION] as number,
      facts[base + GROUP] as number,
    );
    if (code === STILL) this.#hold(at, this.#registers, now);
    return code;
  }

  /** The time, for who is about to read a value for `add`. */
  now(): number {
    return this.#words === undefined ? 0 : this.#time.now();
  }

  /** Remembers what the registers say of a value that was looked at at `now` or later. */
  #hold(at: number, registers: Float64Array, now: number): void {
    const base = FACTS * at;
    const facts = this.#facts;
    facts[base + GROUP] = registers[READ.group] as number;
    facts[base + MARK] = registers[READ.mark] as number;
    facts[base + SLOT] = registers[READ.slot] as number;
    this.#instants[(base >> 1) + UNTIL] = now + (registers[READ.left] as number);
  }

  #drop(at: number): void {
    this.#at.delete(this.#keys[at] as string);
    this.#keys[at] = undefined;
    this.#values[at] = undefined;
    this.#free.push(at);
  }

  /**
   * Keeps what was read, not before `now`, as the registers said. When it is full, one of four gets in: who is asked for often does
   * soon, and the others cost little.
   */
  add(key: string, value: V, registers: Float64Array, now: number): void {
    if (value === undefined) return;
    const isFull = this.#free.length === 0 && this.#keys.length === this.#maxEntries;
    if (isFull && ++this.#turnedAway % ONE_OF !== 0) return;
    const at = this.#at.get(key) ?? this.#room();
    this.#at.set(key, at);
    this.#keys[at] = key;
    this.#values[at] = value;
    this.#facts[FACTS * at + PLACE] = registers[READ.place] as number;
    this.#facts[FACTS * at + VERSION] = registers[READ.version] as number;
    this.#loadedAt[at] = now - (registers[READ.age] as number);
    this.#hold(at, registers, now);
    this.#facts[FACTS * at + USED] = 0;
  }

  #room(): number {
    const free = this.#free.pop();
    if (free !== undefined) return free;
    if (this.#keys.length < this.#maxEntries) return this.#keys.length;
    for (;;) {
      const at = this.#hand;
      this.#hand = at + 1 < this.#maxEntries ? at + 1 : 0;
      if (this.#facts[FACTS * at + USED] === 1) {
        this.#facts[FACTS * at + USED] = 0;
        continue;
      }
      this.#at.delete(this.#keys[at] as string);
      return at;
    }
  }

  clear(): void {
    for (const at of this.#at.values()) this.#free.push(at);
    this.#at.clear();
    this.#keys.fill(undefined);
    this.#values.fill(undefined);
  }

  /** Nothing comes to it any more. */
  end(): void {
    this.tell();
    this.clear();
    if (this.#words !== undefined) this.#functions.endFront(this.#untold);
  }
}
