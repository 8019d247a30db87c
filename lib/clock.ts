/** Time: the event loop's, or a clock that a test moves by hand. */
import type { ClockFunctions } from './binding.js';
import { collectWith, host, listen, readMail } from './host.js';
import { checkName, checkShape, invalid } from './options.js';
import { type Timer, TimerHeap } from './timers.js';

/** Where timers run. */
export interface Timeline {
  /** Milliseconds from an arbitrary start, never going back. */
  now(): number;
  /** Calls `fire` once, `ms` from now. Keeps the process alive until then, or until cancelled. */
  after(ms: number, fire: () => void): Timer;
  /** The same at an instant, for whoever has just read the time. */
  at(instant: number, fire: () => void): Timer;
  cancel(timer: Timer): void;
}

/** Bound once: on Node the global `performance` is an accessor that costs as much as the clock. */
const now = performance.now.bind(performance);

/** setTimeout takes no more; a longer wait is made of several. */
const LONGEST_TIMEOUT_MS = 2 ** 31 - 1;

/**
 * The event loop's time. All timers of the thread share one setTimeout, which stays armed when its timer is cancelled: a call that
 * is over before its deadline, as most are, pays for an entry in a heap. It keeps the process alive only while a timer waits.
 */
class LoopTimeline implements Timeline {
  readonly #timers = new TimerHeap();
  #armed: NodeJS.Timeout | undefined;
  #armedAt = Number.POSITIVE_INFINITY;

  now(): number {
    return now();
  }

  after(ms: number, fire: () => void): Timer {
    return this.at(this.now() + ms, fire);
  }

  at(at: number, fire: () => void): Timer {
    const timer = this.#timers.add(at, fire);
    if (at < this.#armedAt) this.#arm(at);
    else if (this.#timers.size === 1) this.#armed?.ref();
    return timer;
  }

  cancel(timer: Timer): void {
    this.#timers.remove(timer);
    if (this.#timers.size === 0) this.#armed?.unref();
  }

  #arm(at: number): void {
    clearTimeout(this.#armed);
    // Rounded up: a timer that fires early would only be armed again.
    const ms = Math.min(Math.max(Math.ceil(at - this.now()), 1), LONGEST_TIMEOUT_MS);
    this.#armed = setTimeout(() => this.#run(), ms);
    this.#armedAt = at;
  }

  #run(): void {
    this.#armed = undefined;
    this.#armedAt = Number.POSITIVE_INFINITY;
    const now = this.now();
    try {
      for (let next = this.#timers.next; next !== undefined && next.at <= now; next = this.#timers.next) {
        this.#timers.remove(next);
        next.fire();
      }
    } finally {
      const next = this.#timers.next;
      if (next !== undefined && next.at < this.#armedAt) this.#arm(next.at);
    }
  }
}

/** The time all primitives without a `clock` option live in. */
export const loopTime: Timeline = new LoopTimeline();

/** One manual clock in this thread: objects of one name share it. */
class ManualTimeline implements Timeline {
  /** The last instant this thread moved to. Rounded to a double, the clock may stand a little before it. */
  #reached = 0;
  readonly timers = new TimerHeap();
  readonly functions: ClockFunctions;

  constructor(functions: ClockFunctions) {
    this.functions = functions;
  }

  now(): number {
    return this.functions.now() as number;
  }

  after(ms: number, fire: () => void): Timer {
    const now = Math.max(this.now(), this.#reached);
    const at = wholeNanos(now + ms);
    // A wait that is too short to be told apart from none would be due now, again and again.
    return this.timers.add(ms > 0 && at <= now ? now + shortestStep(now) : at, fire);
  }

  at(instant: number, fire: () => void): Timer {
    return this.after(instant - this.now(), fire);
  }

  cancel(timer: Timer): void {
    this.timers.remove(timer);
  }

  /** The instant of the next timer that is due at `target`, else `target`. */
  stop(target: number): number {
    const next = this.timers.next;
    return next !== undefined && next.at < target ? next.at : target;
  }

  /** Moves on to `at` and fires what is due there. */
  moveTo(at: number): void {
    this.functions.advanceTo(at);
    this.#reached = at;
    this.fireDue();
  }

  fireDue(): void {
    const now = Math.max(this.now(), this.#reached);
    for (let next = this.timers.next; next !== undefined && next.at <= now; next = this.timers.next) {
      this.timers.remove(next);
      next.fire();
      // What the timer brought about, the promises of waiters among it, belongs to this instant.
      readMail();
    }
  }
}

/** The nearest instant the native clock can stand at: it counts nanoseconds. */
function wholeNanos(ms: number): number {
  return Math.round(ms * 1e6) / 1e6;
}

/** A step by which both the native clock and a double move on: past 104 days a double is coarser than a nanosecond. */
function shortestStep(now: number): number {
  return Math.max(1e-6, 4 * Number.EPSILON * now);
}

/** Options of ManualClock. */
export interface ManualClockOptions {
  /** One clock for all worker threads that construct it with this name: 1 to 128 characters. */
  readonly name?: string | undefined;
}

/** The manual clocks of this thread by the number of their state. A named one lives as long as the thread. */
const timelines = new Map<number, WeakRef<ManualTimeline>>();
const named = new Set<ManualTimeline>();
const inside = new WeakMap<ManualClock, { readonly timeline: ManualTimeline; readonly handle: number }>();

/**
 * A clock for tests: it starts at 0 and moves only when told. Give it to primitives as `clock`, and hours pass in microseconds,
 * without fake timers, on Node and Bun.
 *
 * ```js
 * const clock = new ManualClock();
 * const bucket = new TokenBucket({ capacity: 1, refillPerSecond: 1, clock });
 * bucket.tryAcquire(); // true
 * bucket.tryAcquire(); // false
 * clock.advance(1_000);
 * bucket.tryAcquire(); // true
 * ```
 */
export class ManualClock {
  /** The name it is shared by. */
  readonly name: string | undefined;

  constructor(options: ManualClockOptions = {}) {
    const { name } = checkShape('clock', options, { name: 'string' });
    checkName('clock', name);
    this.name = name;
    const { id, native } = host();
    const { handle, state, functions } = native.openClock(id, name);
    const timeline = timelines.get(state)?.deref() ?? new ManualTimeline(functions);
    inside.set(this, { timeline, handle });
    if (name === undefined) {
      // The timeline may outlive the clock in the primitives that were given it.
      collectWith(timeline, 'clock', handle);
    } else if (!named.has(timeline)) {
      named.add(timeline);
      listen(state, { onAdvanced: () => timeline.fireDue() });
    }
    for (const [other, ref] of timelines) if (ref.deref() === undefined) timelines.delete(other);
    timelines.set(state, new WeakRef(timeline));
  }

  /** Milliseconds since the clock was made. */
  get now(): number {
    return timelineOf(this).now();
  }

  /** How many timers of this thread wait on the clock. */
  get pending(): number {
    return timelineOf(this).timers.size;
  }

  /**
   * Moves the clock on by `ms` (≥ 0), and fires what is due on the way, each at its own instant, synchronously: the
   * continuations of promises have not run when it returns.
   * @throws {InvalidOptionError} when `ms` is no finite number ≥ 0.
   */
  advance(ms: number): void {
    const timeline = timelineOf(this);
    const target = wholeNanos(checkMs(ms) + timeline.now());
    for (let at = timeline.stop(target); at < target; at = timeline.stop(target)) timeline.moveTo(at);
    timeline.moveTo(target);
  }

  /**
   * The same, letting continuations run (a turn of the event loop, mail from other threads included) before it starts and
   * after each instant: for chains of sleeps.
   * @throws {InvalidOptionError} (as a rejection) when `ms` is no finite number ≥ 0.
   */
  async advanceAsync(ms: number): Promise<void> {
    const timeline = timelineOf(this);
    const target = wholeNanos(checkMs(ms) + timeline.now());
    await turn();
    for (let at = timeline.stop(target); at < target; at = timeline.stop(target)) {
      timeline.moveTo(at);
      await turn();
    }
    timeline.moveTo(target);
    await turn();
  }
}

function turn(): Promise<void> {
  return new Promise((resolve) => {
    setImmediate(() => {
      readMail();
      // Twice: what the mail settled continues before the second.
      setImmediate(resolve);
    });
  });
}

function checkMs(ms: number): number {
  if (typeof ms !== 'number' || !(ms >= 0 && ms < Number.POSITIVE_INFINITY)) {
    throw invalid('clock', 'ms', 'a finite number ≥ 0', ms);
  }
  return ms;
}

function partsOf(clock: ManualClock): { readonly timeline: ManualTimeline; readonly handle: number } {
  const parts = inside.get(clock);
  if (parts === undefined) throw invalid('clock', 'clock', 'a ManualClock', clock);
  return parts;
}

function timelineOf(clock: ManualClock): ManualTimeline {
  return partsOf(clock).timeline;
}

/** The timers and the native handle of a `clock` option. */
export function clockOf(clock: ManualClock | undefined): { timeline: Timeline; handle: number | undefined } {
  return clock === undefined ? { timeline: loopTime, handle: undefined } : partsOf(clock);
}

/**
 * The timers of a state that was found by name, by the number of its clock's state; 0 is the system's. A manual clock without a
 * name that another thread made is out of reach: there, waits run on the system's time.
 */
export function timelineOfState(clock: number): Timeline {
  if (clock === 0) return loopTime;
  const known = timelines.get(clock)?.deref();
  if (known !== undefined) return known;
  const name = host().native.clockName(clock);
  return name === null ? loopTime : timelineOf(new ManualClock({ name }));
}
