/**
 * Loads of one cache object in this thread: one flight for each key, with the callers who wait for it. A flight leads (its loader runs
 * here) or waits for another thread's; its callers come and go, each with an abort signal and timeouts of its own, and the load is
 * aborted only when nobody is left.
 */
import { AsyncResource } from 'node:async_hooks';
import { setMaxListeners } from 'node:events';
import type { Absent, Load, Loader, Skipped } from './cache-options.js';
import {
  ABSENT,
  FILLED,
  FORCED,
  FRESH,
  type How,
  type Landing,
  LEAD,
  NORMAL,
  NOTHING,
  type Result,
  type Store,
  type Stored,
  WAIT,
} from './cache-store.js';
import { type LoadedMessage, publishLoaded } from './channels.js';
import type { Timeline } from './clock.js';
import { type ErrorDetails, ReentrantLoadError, TimeoutError } from './errors.js';
import { checkSpan, checkTags } from './options.js';
import type { Timer } from './timers.js';

/** What `load.absent` is. */
const ABSENT_RESULT = Object.freeze({}) as unknown as Absent;

/** What `load.skip` makes. */
class SkippedValue<V> {
  readonly value: V;

  constructor(value: V) {
    this.value = value;
  }
}

/** Whose signal a signal is. */
const flightsBySignal = new WeakMap<AbortSignal, Flight<unknown>>();

/** Caches with loads under way: a native part is used again once its cache was collected, and these still come back to it. */
const busy = new Set<object>();

/** The flight whose loader is being called at the moment. */
let calling: Flight<unknown> | undefined;

/** Who asked for a value. */
export class Caller<V> {
  readonly key: string;
  readonly loader: Loader<V, unknown>;
  readonly stored: Stored;
  /** Wants a value that is loaded from now on. */
  readonly forced: boolean;
  /** What it has seen of the sequence of invalidations. */
  seen = 0;
  settled = false;
  /** More than one: they asked one after the other for the same, and nothing tells them apart. */
  count = 1;
  /** The flight it waits for. */
  flight: Flight<V> | undefined;
  /** The flight whose loader asks, until it is settled. */
  parent: Flight<unknown> | undefined;
  /** Where its loader would run, if it has to wait before it does. */
  context: AsyncResource | undefined;
  // On the prototype until they are set.
  declare resolve: (value: V | undefined) => void;
  declare reject: (error: unknown) => void;
  declare timer: Timer | undefined;
  declare signal: AbortSignal | undefined;
  declare onAbort: (() => void) | undefined;

  static {
    const nothing = (): void => {};
    Object.assign(Caller.prototype, {
      resolve: nothing,
      reject: nothing,
      timer: undefined,
      signal: undefined,
      onAbort: undefined,
    });
  }

  constructor(
    key: string,
    loader: Loader<V, unknown>,
    stored: Stored,
    forced: boolean,
    signal: AbortSignal | undefined,
  ) {
    this.key = key;
    this.loader = loader;
    this.stored = stored;
    this.forced = forced;
    this.parent = (signal && flightsBySignal.get(signal)) ?? calling;
  }
}

type Role = 'leads' | 'waits' | 'over';

/** One load, as this thread sees it. */
export class Flight<V> {
  readonly key: string;
  readonly forced: boolean;
  /** What names it in the store: of the one who leads, or of the one who waits. */
  token = 0;
  role: Role = 'waits';
  /** Of a cache without a name: what it comes to is what the key gets. */
  counts = true;
  /** The flight whose loader began it. */
  parent: Flight<unknown> | undefined;
  readonly flights: Flights<V>;
  /** Goes on when nobody waits. */
  background = false;
  /** Its lease is over: it is not joined any more. */
  late = false;
  readonly callers: Caller<V>[] = [];
  /** Those of them that are not settled. */
  waiting = 0;
  leader: Caller<V> | undefined;
  /** Who waits with no limit and no signal, and what further ones of that kind get. */
  joined: { readonly caller: Caller<V>; readonly promise: Promise<V | undefined> } | undefined;
  leaseTimer: Timer | undefined;
  /** When its loader was called. */
  began = 0;
  #controller: AbortController | undefined;
  #asker: AsyncResource | undefined;

  constructor(flights: Flights<V>, key: string, forced: boolean, parent: Flight<unknown> | undefined) {
    this.flights = flights;
    this.key = key;
    this.forced = forced;
    this.parent = parent;
  }

  get signal(): AbortSignal {
    if (this.#controller === undefined) {
      this.#controller = new AbortController();
      // However many loads a loader begins with it.
      setMaxListeners(0, this.#controller.signal);
      this.#asker = new AsyncResource('breakwater:signal');
      flightsBySignal.set(this.#controller.signal, this as Flight<unknown>);
    }
    return this.#controller.signal;
  }

  abort(reason: unknown): void {
    this.#asker?.runInAsyncScope(() => this.#controller?.abort(reason));
  }

  add(caller: Caller<V>, seen: number): void {
    caller.seen = seen;
    caller.flight = this;
    // Those who gave up are kept no longer than they are few.
    if (this.callers.length > 2 * this.waiting + 16) {
      const live = this.callers.filter((each) => !each.settled);
      this.callers.splice(0, this.callers.length, ...live);
    }
    this.callers.push(caller);
    this.waiting += caller.count;
  }
}

/** What a loader gets. */
class LoadContext<V> implements Load<V> {
  readonly #flight: Flight<V>;
  ttlMs: number;
  tags: readonly string[] | undefined;

  constructor(flight: Flight<V>, { ttlMs, tags }: Stored) {
    this.#flight = flight;
    this.ttlMs = ttlMs;
    this.tags = tags;
  }

  get signal(): AbortSignal {
    return this.#flight.signal;
  }

  get absent(): Absent {
    return ABSENT_RESULT;
  }

  skip(value: V): Skipped<V> {
    return new SkippedValue(value) as unknown as Skipped<V>;
  }

  setTtlMs(ttlMs: number): void {
    checkSpan('cache', 'ttlMs', ttlMs, this.#flight.flights.details.primitive);
    this.ttlMs = ttlMs;
  }

  setTags(tags: readonly string[]): void {
    this.tags = checkTags(tags, this.#flight.flights.details.primitive);
  }
}

/** The loads of one cache object. */
export class Flights<V> {
  readonly store: Store<V>;
  readonly details: ErrorDetails;
  readonly #timeline: Timeline;
  /** The flights that callers may join, if the store agrees. */
  readonly #byKey = new Map<string, Flight<V>>();
  readonly #open = new Set<Flight<V>>();
  /** The key that was asked for last by callers who can share what they wait for. */
  crowd: string | undefined;
  readonly #owner: object;
  /** Set when the cache is disposed: nothing is loaded any more. */
  #ended: (() => unknown) | undefined;

  constructor(owner: object, store: Store<V>, timeline: Timeline, details: ErrorDetails) {
    this.#owner = owner;
    this.store = store;
    this.#timeline = timeline;
    this.details = details;
  }

  /** Flights that are not over. */
  get size(): number {
    return this.#open.size;
  }

  /** Callers who wait. */
  get waiting(): number {
    let waiting = 0;
    for (const flight of this.#open) waiting += flight.waiting;
    return waiting;
  }

  /** Whether a caller would wait for itself. */
  isReentrant(caller: Caller<V>): boolean {
    for (let flight = caller.parent; flight !== undefined; flight = flight.parent) {
      if (flight.flights === (this as unknown) && flight.key === caller.key && flight.role !== 'over')
        return true;
    }
    return false;
  }

  reentrant(): ReentrantLoadError {
    return new ReentrantLoadError('a loader asked for the very key it is loading', this.details);
  }

  /**
   * What a caller gets who wants no more than those who wait already: as soon as the others and the same, so that a crowd costs a look
   * each. They found nothing, and what was stored since would have ended the flight. Undefined: it has to ask for itself.
   */
  share(key: string): Promise<V | undefined> | undefined {
    if (this.#byKey.size === 0) return undefined;
    const flight = this.#byKey.get(key);
    if (flight === undefined) return undefined;
    const { joined } = flight;
    if (joined === undefined || flight.late || calling !== undefined) return undefined;
    if (this.store.joinable(flight) !== joined.caller.seen) return undefined;
    this.store.missed();
    joined.caller.count++;
    flight.waiting++;
    return joined.promise;
  }

  /** A caller with no limit and no signal has asked, and waits for this. */
  shareWith(caller: Caller<V>, promise: Promise<V | undefined>): void {
    const { flight } = caller;
    if (flight === undefined || flight.leader === caller || caller.settled || caller.parent !== undefined)
      return;
    flight.joined = { caller, promise };
    this.crowd = flight.key;
  }

  /** Loads for a caller, who is settled sooner or later. */
  ask(caller: Caller<V>, how: How): void {
    if (this.#ended !== undefined) throw this.#ended();
    const there = this.#byKey.get(caller.key);
    if (there !== undefined && (how !== FORCED || there.forced) && !there.late && there.role !== 'over') {
      const seen = this.store.joinable(there);
      if (seen >= 0) {
        this.#join(there, caller, seen);
        return;
      }
    }
    this.#begin(caller, how, false);
  }

  /** Loads anew beside what is served. */
  refresh(caller: Caller<V>, how: How): void {
    if (this.#ended !== undefined) return;
    const there = this.#byKey.get(caller.key);
    if (there !== undefined && there.role !== 'over' && !there.late && this.store.joinable(there) >= 0)
      return;
    this.#begin(caller, how, true);
  }

  #join(flight: Flight<V>, caller: Caller<V>, seen: number): void {
    caller.context = new AsyncResource('breakwater:load');
    flight.add(caller, seen);
    if (flight.role === 'leads') this.#watchLease(flight);
  }

  #begin(caller: Caller<V>, how: How, background: boolean): void {
    const flight = new Flight(this, caller.key, how === FORCED, background ? undefined : caller.parent);
    flight.background = background;
    const role = this.store.begin(flight, how);
    if (role === FILLED) {
      if (background) return;
      const value = this.store.peek(caller.key);
      if (value === NOTHING) this.ask(caller, NORMAL);
      else this.#resolve(caller, value === ABSENT ? undefined : value);
      return;
    }
    if (background && role === WAIT) {
      // Another thread does it.
      this.store.giveUp(flight);
      return;
    }
    this.#byKey.set(flight.key, flight);
    this.#open.add(flight);
    busy.add(this.#owner);
    flight.add(caller, this.store.sequence);
    if (background) {
      caller.settled = true;
      flight.waiting = 0;
    }
    if (role === LEAD) this.lead(flight, caller);
    else caller.context = new AsyncResource('breakwater:load');
  }

  /** Calls a caller's loader for the flight: by default of the one who has waited longest. */
  lead(flight: Flight<V>, first?: Caller<V>): void {
    const caller = first ?? flight.callers.find(({ settled }) => !settled);
    flight.role = 'leads';
    if (caller === undefined) {
      this.store.giveUp(flight);
      this.close(flight);
      return;
    }
    flight.leader = caller;
    flight.began = this.#timeline.now();
    if (flight.waiting > 1) this.#watchLease(flight);
    const context = new LoadContext(flight, caller.stored);
    const run = (): void => this.#run(flight, caller, context);
    if (caller.context === undefined) run();
    else caller.context.runInAsyncScope(run);
  }

  #run(flight: Flight<V>, caller: Caller<V>, context: LoadContext<V>): void {
    const outer = calling;
    calling = flight as Flight<unknown>;
    let result: unknown;
    try {
      result = caller.loader(context);
      if (isThenable(result)) {
        Promise.resolve(result).then(
          (value) => this.#land(flight, value, context),
          (error) => this.#fail(flight, error, context),
        );
        return;
      }
    } catch (error) {
      this.#fail(flight, error, context);
      return;
    } finally {
      calling = outer;
    }
    this.#land(flight, result, context);
  }

  #land(flight: Flight<V>, value: unknown, context: LoadContext<V>): void {
    if (flight.role === 'over') return;
    const tookMs = this.#timeline.now() - flight.began;
    let landing: Landing<V>;
    try {
      const result = resultOf<V>(value);
      landing = this.store.land(flight, result, { ttlMs: context.ttlMs, tags: context.tags }, tookMs);
      this.#publish(flight, result.kind, tookMs);
    } catch (error) {
      // What is no value to be looked at fails as a loader that throws does.
      this.#fail(flight, error, context);
      return;
    }
    this.arrive(flight, landing.value, landing.barrier);
  }

  #fail(flight: Flight<V>, error: unknown, { tags }: LoadContext<V>): void {
    if (flight.role === 'over') return;
    this.#publish(flight, 'failed', this.#timeline.now() - flight.began);
    this.failed(flight, error, this.store.fail(flight, error, tags));
  }

  #publish({ background }: Flight<V>, outcome: LoadedMessage['outcome'], tookMs: number): void {
    publishLoaded({ primitive: this.details.primitive, outcome, tookMs, background });
  }

  /** A value is there for who waits for the flight. */
  arrive(flight: Flight<V>, value: () => V | undefined, barrier: number): void {
    this.#end(flight, barrier, (caller) => this.#resolveWith(caller, value));
  }

  /** The load of the flight has failed, here or elsewhere. */
  failed(flight: Flight<V>, error: unknown, barrier: number): void {
    this.#end(flight, barrier, (caller) => {
      if (!this.#resolveStale(caller)) this.#reject(caller, error);
    });
  }

  /** Settles who waits for the flight; who had seen so much when they asked ask again. */
  #end(flight: Flight<V>, barrier: number, settle: (caller: Caller<V>) => void): void {
    this.close(flight);
    for (const caller of flight.callers.splice(0)) {
      if (caller.settled) continue;
      if (caller.seen >= barrier) this.#askAgain(caller);
      else settle(caller);
    }
  }

  #askAgain(caller: Caller<V>): void {
    const ask = (): void => {
      try {
        const value = caller.forced ? NOTHING : this.store.peek(caller.key);
        if (value === NOTHING || this.store.standing !== FRESH)
          this.ask(caller, caller.forced ? FORCED : NORMAL);
        else this.#resolve(caller, value === ABSENT ? undefined : value);
      } catch (error) {
        this.#reject(caller, error);
      }
    };
    if (caller.context === undefined) ask();
    else caller.context.runInAsyncScope(ask);
  }

  /** The flight is over: nobody joins it any more. */
  close(flight: Flight<V>): void {
    flight.role = 'over';
    // A chain of loads that began each other keeps those alone that are under way.
    while (flight.parent?.role === 'over') flight.parent = flight.parent.parent;
    this.#open.delete(flight);
    if (this.#open.size === 0) busy.delete(this.#owner);
    if (this.crowd === flight.key) this.crowd = undefined;
    if (this.#byKey.get(flight.key) === flight) this.#byKey.delete(flight.key);
    if (flight.leaseTimer !== undefined) this.#timeline.cancel(flight.leaseTimer);
  }

  /** When the lease is over, those who wait for the leader's load go on without it. */
  #watchLease(flight: Flight<V>): void {
    const { leaseMs } = this.store.rules;
    if (leaseMs === Number.POSITIVE_INFINITY || flight.leaseTimer !== undefined) return;
    flight.leaseTimer = this.#timeline.at(flight.began + leaseMs, () => this.#outlived(flight));
  }

  #outlived(flight: Flight<V>): void {
    flight.late = true;
    // A leader goes on waiting for its own load; others that are one with it do not.
    const isKept = (caller: Caller<V>): boolean => caller === flight.leader && caller.count === 1;
    const others = flight.callers.filter((caller) => !caller.settled && !isKept(caller));
    const kept = flight.callers.filter((caller) => !caller.settled && isKept(caller));
    flight.callers.splice(0, flight.callers.length, ...kept);
    flight.waiting = kept.length;
    if (kept.length === 0 && others.length > 0) {
      this.store.giveUp(flight);
      this.#abort(flight, outlived());
    }
    for (const caller of others) this.#askAgain(caller);
  }

  /** Nobody wants what the flight comes to. */
  #abort(flight: Flight<V>, reason: unknown): void {
    this.close(flight);
    flight.abort(reason);
  }

  /** Settles the caller at the latest when its signal aborts or its timeouts pass. */
  guard(
    caller: Caller<V>,
    signal: AbortSignal | undefined,
    softMs: number,
    hardMs: number,
    hasStale: boolean,
  ): void {
    if (caller.settled) return;
    if (signal !== undefined) {
      // Its loader may have aborted it.
      if (signal.aborted) {
        this.#detach(caller, signal.reason);
        return;
      }
      caller.signal = signal;
      caller.onAbort = () => this.#detach(caller, signal.reason);
      signal.addEventListener('abort', caller.onAbort);
    }
    const ms = hasStale ? Math.min(softMs, hardMs) : hardMs;
    if (ms === Number.POSITIVE_INFINITY) return;
    const left = hardMs - ms;
    caller.timer = this.#timeline.after(ms, () => {
      caller.timer = undefined;
      if (this.#resolveStale(caller)) return this.#left(caller, true);
      // What was stale is dead by now: it is waited for as without it.
      if (left > 0 && left < Number.POSITIVE_INFINITY) {
        caller.timer = this.#timeline.after(left, () => this.#tooLate(caller, hardMs));
      } else if (left === 0) {
        this.#tooLate(caller, hardMs);
      }
    });
  }

  #tooLate(caller: Caller<V>, ms: number): void {
    caller.timer = undefined;
    if (!this.#resolveStale(caller)) {
      this.#reject(caller, new TimeoutError(`loading took longer than ${ms} ms`, this.details));
    }
    this.#left(caller, true);
  }

  #detach(caller: Caller<V>, reason: unknown): void {
    if (caller.settled) return;
    this.#reject(caller, reason);
    this.#left(caller, false, reason);
  }

  /** A caller was settled before its flight came to an end, which goes on if it is to be stored all the same. */
  #left(caller: Caller<V>, goesOn: boolean, reason?: unknown): void {
    const { flight } = caller;
    if (flight === undefined) return;
    flight.waiting--;
    flight.background ||= goesOn;
    // A load that another thread does goes on without this one.
    if (flight.waiting > 0 || (flight.background && flight.role === 'leads')) return;
    if (this.store.abandon(flight, goesOn)) this.#abort(flight, reason);
  }

  /** The threads that waited for a flight have given up too, or one of them does it from now on, as its lease was over. */
  onOrphan(flight: Flight<V>): void {
    if (flight.role !== 'leads' || flight.waiting > 0) return;
    // Somebody has joined it since and did not wait for its end: it is to be stored.
    if (flight.background && this.store.joinable(flight) >= 0) return;
    if (this.store.abandon(flight, false)) this.#abort(flight, outlived());
  }

  /** Whether there was something stale for the caller. */
  #resolveStale(caller: Caller<V>): boolean {
    const value = this.store.peek(caller.key);
    if (value === NOTHING || value === ABSENT) return false;
    // Who wants a new value takes a fresh one for it only where old ones do on an error.
    if (caller.forced && this.store.standing === FRESH && this.store.rules.staleIfErrorMs === 0) return false;
    if (this.store.standing !== FRESH) this.store.servedStale(caller.count);
    this.#resolve(caller, value);
    return true;
  }

  /** Where a copy cannot be made, this caller alone hears of it. */
  #resolveWith(caller: Caller<V>, value: () => V | undefined): void {
    let own: V | undefined;
    try {
      own = value();
    } catch (error) {
      this.#reject(caller, error);
      return;
    }
    this.#resolve(caller, own);
  }

  #resolve(caller: Caller<V>, value: V | undefined): void {
    this.#release(caller);
    caller.resolve(value);
  }

  #reject(caller: Caller<V>, error: unknown): void {
    this.#release(caller);
    caller.reject(error);
  }

  #release(caller: Caller<V>): void {
    caller.settled = true;
    caller.parent = undefined;
    if (caller.timer !== undefined) this.#timeline.cancel(caller.timer);
    if (caller.onAbort !== undefined) caller.signal?.removeEventListener('abort', caller.onAbort);
  }

  /** Gives everything up. */
  dispose(error: () => unknown): void {
    this.#ended = error;
    const flights = [...this.#open];
    for (const flight of flights) {
      this.store.giveUp(flight);
      this.close(flight);
      for (const caller of flight.callers) if (!caller.settled) this.#reject(caller, error());
    }
    // Whoever hears of it finds everything closed.
    for (const flight of flights) flight.abort(error());
  }
}

function outlived(): DOMException {
  return new DOMException('nobody waits for this load any more', 'AbortError');
}

function resultOf<V>(value: unknown): Result<V> {
  if (value === ABSENT_RESULT) return { kind: 'absent' };
  if (value instanceof SkippedValue) return { kind: 'skipped', value: value.value as V };
  if (value === undefined) return { kind: 'skipped', value: value as V };
  return { kind: 'value', value: value as V };
}

function isThenable(value: unknown): value is PromiseLike<unknown> {
  return (
    (typeof value === 'object' || typeof value === 'function') &&
    value !== null &&
    typeof (value as PromiseLike<unknown>).then === 'function'
  );
}
