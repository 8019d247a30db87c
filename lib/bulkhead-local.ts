/**
 * A bulkhead that no other thread can reach: without a name, with a fixed limit, first come first served. Its thread alone changes it,
 * so what the native part would decide is decided here, by the same contract and the same rules (`crates/core/src/bulkhead/`): going
 * there and back twice would be most of what a call in a line costs.
 */
import type { BulkheadFunctions, BulkheadQuestion } from './binding.js';
import { loopTime, type Timeline } from './clock.js';
import type { Fate } from './host.js';

/** A place in the line: used again for who comes later. */
class Place {
  /** Its index among the places, plus one. */
  readonly ticket: number;
  weight = 0;
  waits = false;
  since = 0;
  until = Number.POSITIVE_INFINITY;
  previous: Place | undefined;
  next: Place | undefined;

  constructor(ticket: number) {
    this.ticket = ticket;
  }
}

/** As the bulkhead was made, or reconfigured. */
export interface LocalLimits {
  readonly limit: number;
  readonly maxQueue: number;
  readonly queueTimeoutMs: number | undefined;
}

interface Change {
  readonly generation: number;
  readonly from: number;
  readonly to: number;
}

/** How many changes of the limit are kept. */
const KEPT = 64;

/** How many of them are told at once. */
const TOLD = 16;

export class LocalBulkhead implements BulkheadFunctions {
  /** As those of the native part. */
  readonly registers = new Float64Array(3 * TOLD);
  /** Told what became of a waiter, by who settles its promise. */
  onFate: (ticket: number, fate: Fate) => void = () => {};
  readonly #timeline: Timeline;
  readonly #places: Place[] = [];
  readonly #free: Place[] = [];
  #limits: LocalLimits;
  #used = 0;
  #queued = 0;
  #first: Place | undefined;
  #last: Place | undefined;
  #allowed = 0;
  #refused = 0;
  #timedOut = 0;
  #disposed = false;
  /** The time, read once for all who come to wait in one go. */
  #now = Number.NaN;
  readonly #changes: Change[] = [];
  #generation = 0;

  constructor(limits: LocalLimits, timeline: Timeline) {
    this.#limits = limits;
    this.#timeline = timeline;
  }

  readonly enterMany = (weight: number): number | undefined => {
    if (this.#disposed) return undefined;
    return this.#take(weight) ? 1 : 0;
  };

  readonly enterOrWait = (): number | undefined => {
    if (this.#disposed) return undefined;
    return this.#take(1) ? 0 : this.#join(1, this.#limits.queueTimeoutMs);
  };

  readonly wait = (weight: number, _priority: number, timeoutMs: number): number | undefined => {
    if (this.#disposed) return undefined;
    if (this.#take(weight)) return 0;
    return this.#join(weight, Number.isNaN(timeoutMs) ? this.#limits.queueTimeoutMs : timeoutMs);
  };

  readonly leave = (): number => this.#giveBack(1);

  readonly leaveMany = (weight: number): number => {
    this.registers[0] = 0;
    return this.#giveBack(weight);
  };

  /** Nothing is offered here: who is served goes on at once. */
  readonly claim = (): boolean => false;

  readonly cancel = (ticket: number): boolean => {
    const place = this.#places[ticket - 1];
    // Whoever heard of something else while it was about to give up may have called the bulkhead, and so let it go on.
    if (place?.waits) {
      this.#remove(place);
      this.#serve();
    }
    return false;
  };

  readonly ask = (what: BulkheadQuestion, first = 0): number => {
    switch (what) {
      case 0:
        return this.#limits.limit;
      case 1:
        return this.#used;
      case 2:
        return this.#queued;
      case 3:
        return this.#first === undefined ? 0 : Math.max(0, this.#timeline.now() - this.#first.since);
      case 4:
        return this.#generation;
      case 5:
        return this.#tellChanges(first);
      case 6:
        if (first === 1) this.#timedOut += 1;
        else this.#refused += 1;
        return 0;
      default:
        return 0;
    }
  };

  get queueTimeoutMs(): number | undefined {
    return this.#limits.queueTimeoutMs;
  }

  /** What the native part counts in a snapshot. */
  figures(): Record<
    'limit' | 'active' | 'queued' | 'maxQueue' | 'queueDelayMs' | 'allowed' | 'refused' | 'timedOut',
    number
  > {
    const { limit, maxQueue } = this.#limits;
    return {
      limit,
      active: this.#used,
      queued: this.#queued,
      maxQueue,
      queueDelayMs: this.ask(3),
      allowed: this.#allowed,
      refused: this.#refused,
      timedOut: this.#timedOut,
    };
  }

  reconfigure(limits: LocalLimits): void {
    const from = this.#limits.limit;
    this.#limits = limits;
    if (limits.limit !== from) {
      this.#generation += 1;
      this.#changes.push({ generation: this.#generation, from, to: limits.limit });
      if (this.#changes.length > KEPT) this.#changes.shift();
    }
    const heavy: Place[] = [];
    for (let place = this.#first; place !== undefined; place = place.next) {
      if (place.weight > limits.limit) heavy.push(place);
    }
    // Who hears that it was sent away may call the bulkhead: the line is not walked meanwhile.
    for (const place of heavy)
      if (place.waits && place.weight > this.#limits.limit) this.#sendAway(place, 'never');
    this.#serve();
  }

  /** Lets nobody in any more; what is out can still be given back. */
  dispose(): void {
    this.#disposed = true;
  }

  #take(weight: number): boolean {
    if (this.#first !== undefined || this.#used + weight > this.#limits.limit) return false;
    this.#used += weight;
    this.#allowed += 1;
    return true;
  }

  #join(weight: number, timeoutMs = Number.POSITIVE_INFINITY): number {
    const { limit, maxQueue } = this.#limits;
    if (this.#queued >= maxQueue || weight > limit) return -1;
    const place = this.#free.pop() ?? this.#newPlace();
    place.weight = weight;
    place.waits = true;
    place.since = this.#timeline === loopTime ? this.#sharedNow() : this.#timeline.now();
    place.until = timeoutMs === Number.POSITIVE_INFINITY ? timeoutMs : this.#timeline.now() + timeoutMs;
    place.previous = this.#last;
    if (this.#last === undefined) this.#first = place;
    else this.#last.next = place;
    this.#last = place;
    this.#queued += 1;
    this.registers[0] = timeoutMs;
    this.registers[1] = 0;
    return place.ticket;
  }

  #newPlace(): Place {
    const place = new Place(this.#places.length + 1);
    this.#places.push(place);
    return place;
  }

  #sharedNow(): number {
    if (Number.isNaN(this.#now)) {
      this.#now = this.#timeline.now();
      queueMicrotask(() => {
        this.#now = Number.NaN;
      });
    }
    return this.#now;
  }

  /** The ticket of who goes on with what is given back; 0 if nobody does, or more than one: they are told of. */
  #giveBack(weight: number): number {
    this.#used -= weight;
    const first = this.#first;
    if (first === undefined) return 0;
    // All permits were in use, and the head asks for as many as came back: nobody else can be served.
    if (first.weight === weight && this.#used + weight === this.#limits.limit && !this.#isLate(first)) {
      return this.#goOn(first);
    }
    this.#serve();
    return 0;
  }

  #goOn(place: Place): number {
    this.#remove(place);
    this.#used += place.weight;
    this.#allowed += 1;
    return place.ticket;
  }

  #serve(): void {
    for (let first = this.#first; first !== undefined; first = this.#first) {
      if (this.#isLate(first)) this.#sendAway(first, 'late');
      else if (this.#used + first.weight <= this.#limits.limit) this.onFate(this.#goOn(first), 'served');
      else return;
    }
  }

  /** Its timer may not have fired yet, where the event loop is busy. */
  #isLate({ until }: Place): boolean {
    return until !== Number.POSITIVE_INFINITY && until <= this.#timeline.now();
  }

  #sendAway(place: Place, fate: Fate): void {
    this.#remove(place);
    this.onFate(place.ticket, fate);
  }

  #remove(place: Place): void {
    const { previous, next } = place;
    if (previous === undefined) this.#first = next;
    else previous.next = next;
    if (next === undefined) this.#last = previous;
    else next.previous = previous;
    place.previous = undefined;
    place.next = undefined;
    this.#queued -= 1;
    place.waits = false;
    this.#free.push(place);
    if (this.#queued === 0 && this.#places.length > 16_384) {
      this.#places.length = 0;
      this.#free.length = 0;
    }
  }

  #tellChanges(since: number): number {
    const changes = this.#changes.filter(({ generation }) => generation > since).slice(0, TOLD);
    changes.forEach(({ generation, from, to }, index) => {
      this.registers.set([generation, from, to], 3 * index);
    });
    return changes.length;
  }
}
