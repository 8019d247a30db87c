/**
 * A bulkhead from inside: calls that run and calls that wait, in this thread and through one object. The native part says who goes
 * on; here its promise is settled. A permit follows the work: it is given back when the function itself has settled, also where a
 * timeout or a hedge inside has given up on it.
 */
import type { BulkheadFunctions, BulkheadOutcome } from './binding.js';
import type { LocalBulkhead } from './bulkhead-local.js';
import { type ExecuteOptions, Part, Scope } from './call.js';
import { loopTime, type Timeline } from './clock.js';
import {
  BulkheadFullError,
  DrainingError,
  type ErrorDetails,
  QueueTimeoutError,
  RefusedError,
} from './errors.js';
import { adopt, callFunction, type Layer, Rejection, refuse } from './execute.js';
import { type Fate, host, keepAlive, type Listener, listen, readMail, unlisten } from './host.js';
import { isTimeout } from './judge.js';
import { Lookout } from './lookout.js';
import { checkWhole, invalid } from './options.js';
import type { Primitive } from './primitive.js';
import type { Next } from './race.js';
import type { Timer } from './timers.js';

export const SUCCESS: BulkheadOutcome = 0;
export const DROPPED: BulkheadOutcome = 1;
export const IGNORED: BulkheadOutcome = 2;

/** What to ask the native part. */
const COUNT = 6;
const HAND_OVER = 7;
const SINCE = 8;
const LOOK = 10;

const DEFAULT_PRIORITY = 5;

const MAX_KEY_BYTES = 65_536;

/** What a call wants of a bulkhead. */
export interface Wanted {
  readonly weight: number;
  readonly priority: number;
  readonly key: string;
  /** NaN: the bulkhead's own. */
  readonly timeoutMs: number;
}

/** A call in the line. */
class Waiting {
  readonly ticket: number;
  readonly weight: number;
  /** Goes on, or with a `Rejection` does not. */
  resolve: (gone?: Rejection) => void;
  // On the prototype until it is set: few calls have a timeout or a signal.
  declare timer: Timer | undefined;
  /** Undoes what would have ended its wait. */
  declare release: (() => void) | undefined;

  static {
    Object.assign(Waiting.prototype, { timer: undefined, release: undefined });
  }

  constructor(ticket: number, weight: number, resolve: (gone?: Rejection) => void) {
    this.ticket = ticket;
    this.weight = weight;
    this.resolve = resolve;
  }
}

/** Tickets are small numbers, used again, with something above that tells them apart. */
const PLACES = 2 ** 24;

/** Places that stay when nobody waits any more. */
const KEPT = 16_384;

/** The calls in the line, by ticket. */
class Line {
  /** How many there are. */
  size = 0;
  readonly #places: (Waiting | undefined)[] = [];
  /** Those whose place is somebody else's already: they were sent away, and will hear of it. */
  readonly #gone = new Map<number, Waiting>();

  get(ticket: number): Waiting | undefined {
    const waiting = this.#places[ticket % PLACES];
    return waiting?.ticket === ticket ? waiting : this.#gone.get(ticket);
  }

  add(waiting: Waiting): void {
    const place = waiting.ticket % PLACES;
    const gone = this.#places[place];
    if (gone !== undefined) this.#gone.set(gone.ticket, gone);
    this.#places[place] = waiting;
    this.size += 1;
  }

  remove(waiting: Waiting): void {
    const place = waiting.ticket % PLACES;
    if (this.#places[place] === waiting) this.#places[place] = undefined;
    else this.#gone.delete(waiting.ticket);
    this.size -= 1;
    if (this.size === 0 && this.#places.length > KEPT) this.#places.length = 0;
  }

  all(): Waiting[] {
    return [...this.#gone.values(), ...this.#places.filter((waiting) => waiting !== undefined)];
  }
}

/** Ends a wait early; answers how to stop watching. */
type Watch = (end: (reason: unknown) => void) => () => void;

/** The layers with somebody in the line, by state: two objects of one name in one thread share it. */
const crowded = new Map<number, Set<BulkheadLayer>>();

export class BulkheadLayer implements Layer {
  readonly timeline: Timeline;
  readonly details: ErrorDetails;
  /** Calls that run and have not given their permits back. */
  running = 0;
  /** Whether new calls are refused. */
  draining = false;
  readonly #primitive: Primitive<'bulkhead', BulkheadFunctions>;
  readonly #functions: BulkheadFunctions;
  readonly #enterOrWait: BulkheadFunctions['enterOrWait'];
  readonly #leave: BulkheadFunctions['leave'];
  /** Whether the outcome of a call moves the limit. */
  readonly #timed: boolean;
  /** Whether a permit is all that a call needs, now or later. */
  readonly #simple: boolean;
  /** Where the native part's answers go on. */
  readonly #registers: Float64Array;
  readonly #waiting = new Line();
  readonly #local: boolean;
  /** A permit offered to a thread that does not answer comes back to who looks; where nobody calls, that is who waits. */
  readonly #lookout = new Lookout(() => {
    if (this.#waiting.size === 0) return false;
    if (this.#functions.ask(LOOK) === 1) readMail();
    return true;
  });
  /** Told when no call of this object runs or waits any more. */
  readonly #onIdle = new Set<() => void>();
  readonly #onLimit: () => void;
  readonly #listener: Listener = { onTicket: (ticket, fate) => this.#onMail(ticket, fate) };
  readonly #passed: (value: unknown) => unknown;
  readonly #failed: (error: unknown) => Rejection;

  /** `onLimit` is told when a call of this thread has moved the limit. */
  constructor(
    primitive: Primitive<'bulkhead', BulkheadFunctions>,
    local: LocalBulkhead | undefined,
    onLimit: () => void,
  ) {
    const { timeline, details } = primitive;
    const functions = local ?? primitive.functions;
    if (local !== undefined) local.onFate = (ticket, fate) => this.#onFate(ticket, fate);
    this.#local = local !== undefined;
    this.#registers = local === undefined ? host().registers : local.registers;
    this.timeline = timeline;
    this.details = details;
    this.#primitive = primitive;
    this.#functions = functions;
    this.#enterOrWait = functions.enterOrWait;
    this.#leave = functions.leave;
    this.#timed = functions.ask(SINCE) !== 0;
    this.#simple = !this.#timed && !primitive.dryRun;
    this.#onLimit = onLimit;
    this.#passed = (value) => {
      this.#leaveOne();
      return value;
    };
    this.#failed = (error) => {
      this.#leaveOne();
      return new Rejection(error);
    };
  }

  /** How many wait through this object. */
  get waiting(): number {
    return this.#waiting.size;
  }

  run(scope: Scope, next: Next): unknown {
    const { weight, priority, key } = scope.options;
    const plain = this.#simple && weight === undefined && priority === undefined && key === undefined;
    if (!plain || this.draining) return this.#runWanted(scope, next);
    const ticket = this.#primitive.live(this.#enterOrWait());
    if (ticket !== 0) return this.#runLater(this.#placed(ticket, 1, watcherOf(scope)), scope, next, 1);
    this.running += 1;
    return next === callFunction ? this.#runOne(scope, next) : this.#runInside(scope, next, 1, 1);
  }

  /** Checks what a call wants. @throws {InvalidOptionError} */
  wanted(options: ExecuteOptions & { readonly queueTimeoutMs?: number | undefined }): Wanted {
    if (options.key !== undefined) this.#checkKey(options.key);
    const { weight = 1, priority = DEFAULT_PRIORITY, key = '', queueTimeoutMs = Number.NaN } = options;
    const { word } = this.#primitive;
    if (weight !== 1) checkWhole('bulkhead', 'weight', weight, [1, 1_000_000], word);
    if (priority !== DEFAULT_PRIORITY) checkWhole('bulkhead', 'priority', priority, [0, 9], word);
    return { weight, priority, key, timeoutMs: queueTimeoutMs };
  }

  /**
   * Permits at once: since when they count; 0 in a dry run, which lets a call through without; undefined if there are none.
   * @throws {DrainingError | DisposedError}
   */
  enter({ weight, priority }: Wanted): number | undefined {
    const primitive = this.#primitive;
    if (this.draining) throw this.#drainingError();
    const since = primitive.live(this.#functions.enterMany(weight, priority));
    if (since !== 0) {
      this.running += 1;
      return since;
    }
    if (!primitive.dryRun) return undefined;
    this.refused();
    this.running += 1;
    return 0;
  }

  /** Permits at once, or a place in the line. @throws {DrainingError | DisposedError} */
  acquire(wanted: Wanted, signal: AbortSignal | undefined): Promise<void> | RefusedError | number {
    const since = this.enter(wanted);
    if (since !== undefined) return since;
    const turn = this.wait(wanted, signal);
    if (turn === undefined) return this.since();
    return turn instanceof Promise ? turn : this.refused();
  }

  /** A place in the line; undefined where there are permits after all, `'full'` where there is no place. */
  wait(wanted: Wanted, signal: AbortSignal | undefined): Promise<void> | 'full' | undefined {
    return this.#wait(wanted, signal && ((end) => watchSignal(signal, end)));
  }

  /** Counts and publishes that there was neither a permit nor a place. */
  refused(): BulkheadFullError {
    this.#functions.ask(COUNT, 0);
    this.#primitive.refused();
    return this.#fullError();
  }

  /** True when nothing runs or waits through this object any more, false when that took too long. */
  drain(timeoutMs: number | undefined, signal: AbortSignal | undefined): Promise<boolean> {
    if (signal?.aborted) return Promise.reject(signal.reason);
    this.draining = true;
    if (this.running === 0 && this.#waiting.size === 0) return Promise.resolve(true);
    return new Promise((resolve, reject) => {
      let timer: Timer | undefined;
      const close = (): void => {
        this.#onIdle.delete(onIdle);
        if (timer !== undefined) this.timeline.cancel(timer);
        release?.();
      };
      const onIdle = (): void => {
        close();
        resolve(true);
      };
      const release =
        signal &&
        watchSignal(signal, (reason) => {
          close();
          reject(reason);
        });
      this.#onIdle.add(onIdle);
      if (timeoutMs === undefined || timeoutMs === Number.POSITIVE_INFINITY) return;
      timer = this.timeline.after(timeoutMs, () => {
        close();
        resolve(false);
      });
    });
  }

  /** `reconfigure` may have moved the limit, and let waiters go on. */
  limitMoved(): void {
    this.#onLimit();
    readMail();
  }

  /** Since when a call that goes on now counts. */
  since(): number {
    return this.#timed ? (this.#functions.ask(SINCE) as number) : 1;
  }

  /** Gives permits back. */
  leave(weight: number, since: number, outcome: BulkheadOutcome): void {
    if (since === 0) {
      // In a dry run it never had any.
      this.#left(0);
      return;
    }
    if (weight === 1 && !this.#timed) {
      this.#leaveOne();
      return;
    }
    const next = this.#functions.leaveMany(weight, since, outcome) as number;
    if (this.#registers[0] !== 0) this.#onLimit();
    this.#left(next);
  }

  /** Everyone in the line of this object is sent away. */
  rejectAll(error: () => unknown): void {
    const all = this.#waiting.all();
    // Out of the line first: what one of them leaves is not for another of them.
    for (const { ticket } of all) this.#take(ticket);
    for (const { ticket } of all) this.#functions.cancel(ticket);
    for (const waiting of all) waiting.resolve(new Rejection(error()));
    readMail();
    this.#askIdle();
  }

  /** Goes on with `ticket`, if it waits here: its permits are there. */
  #goOn(ticket: number): boolean {
    const waiting = this.#take(ticket);
    if (waiting === undefined) return false;
    this.running += 1;
    waiting.resolve();
    return true;
  }

  #wait(
    { weight, priority, timeoutMs, key }: Wanted,
    watch: Watch | undefined,
  ): Promise<void> | 'full' | undefined {
    const ticket = this.#primitive.live(this.#functions.wait(weight, priority, timeoutMs, key));
    if (ticket !== 0) return this.#placed(ticket, weight, watch);
    this.running += 1;
    return undefined;
  }

  /** What comes of the native part's answer to who has to wait. */
  #placed(ticket: number, weight: number, watch: Watch | undefined): Promise<void> | 'full' {
    if (ticket < 0) return 'full';
    const registers = this.#registers;
    const mail = registers[1];
    const promise = this.#queue(ticket, weight, registers[0] as number, watch);
    if (mail !== 0) readMail();
    return promise;
  }

  /** A call of weight 1 that is not timed, with nothing inside it. */
  #runOne(scope: Scope, next: Next): unknown {
    let result: unknown;
    try {
      result = next(scope);
    } catch (error) {
      this.#leaveOne();
      throw error;
    }
    if (result instanceof Promise) return result.then(this.#passed, this.#failed);
    this.#leaveOne();
    return result;
  }

  #leaveOne(): void {
    this.#left(this.#leave() as number);
  }

  #checkKey(key: string): void {
    // No character takes more than three bytes.
    if (key.length * 3 > MAX_KEY_BYTES && Buffer.byteLength(key) > MAX_KEY_BYTES) {
      throw invalid('bulkhead', 'key', 'a string of at most 64 KiB', key, this.#primitive.word);
    }
  }

  /** What follows from permits that were given back. */
  #left(next: number): void {
    this.running -= 1;
    if (next > 0) this.#handOver(next);
    else if (next < 0) {
      if (next < -1) this.#handOver(-next);
      readMail();
    }
    this.#askIdle();
  }

  #askIdle(): void {
    if (!this.draining || this.running > 0 || this.#waiting.size > 0) return;
    for (const onIdle of [...this.#onIdle]) onIdle();
  }

  /** A waiter of this thread goes on, most likely of this object. */
  #handOver(ticket: number): void {
    if (this.#goOn(ticket)) return;
    for (const other of crowded.get(this.#primitive.state) ?? []) {
      const waiting = other.#waiting.get(ticket);
      if (waiting === undefined) continue;
      this.#functions.ask(HAND_OVER, waiting.weight, other.#primitive.handle);
      other.#goOn(ticket);
      return;
    }
  }

  #runWanted(scope: Scope, next: Next): unknown {
    const wanted = this.wanted(scope.options);
    if (this.draining) return refuse(this.#drainingError());
    const { weight } = wanted;
    const since = this.enter(wanted);
    if (since !== undefined) return this.#runInside(scope, next, weight, since);
    const turn = this.#wait(wanted, watcherOf(scope));
    if (turn === undefined) return this.#runInside(scope, next, weight, this.since());
    return this.#runLater(turn, scope, next, weight);
  }

  /** Goes on when its turn has come. */
  #runLater(turn: Promise<void> | 'full', scope: Scope, next: Next, weight: number): unknown {
    if (turn === 'full') return refuse(this.refused());
    const simple = weight === 1 && !this.#timed && next === callFunction;
    return turn.then(() => {
      // Where the event loop was blocked past the deadline, its timer has not fired yet.
      if (scope.guarded && scope.isOver()) {
        this.leave(weight, this.since(), IGNORED);
        return new Rejection(scope.reason);
      }
      return simple ? this.#runOne(scope, next) : this.#runInside(scope, next, weight, this.since());
    });
  }

  /** Runs a call that has its permits, and gives them back when nothing of it runs any more. */
  #runInside(scope: Scope, next: Next, weight: number, since: number): unknown {
    if (next === callFunction) {
      return settle(scope, next, (outcome) => this.leave(weight, since, outcome));
    }
    let outcome: BulkheadOutcome = IGNORED;
    const work = new Work(() => this.leave(weight, since, outcome));
    const part = new Part(scope, scope.attempt, (call) => {
      const run = (): unknown => scope.fn(call);
      // A policy inside may call the function when all was over: that is a call of its own.
      return work.over
        ? this.run(new Scope(undefined, run, scope.options, scope.attempt), callFunction)
        : work.run(run);
    });
    return settle(part, next, (how) => {
      outcome = how;
      part.detach();
      work.end();
    });
  }

  #queue(ticket: number, weight: number, givesUpMs: number, watch: Watch | undefined): Promise<void> {
    return new Promise<void>((resolve) => {
      const waiting = new Waiting(ticket, weight, resolve as (gone?: Rejection) => void);
      if (this.#waiting.size === 0) this.#onFirst();
      this.#waiting.add(waiting);
      if (givesUpMs !== Number.POSITIVE_INFINITY) {
        waiting.timer = this.timeline.after(givesUpMs, () => this.#giveUp(waiting, this.#lateError(), true));
      }
      if (watch !== undefined) waiting.release = watch((reason) => this.#giveUp(waiting, reason));
    });
  }

  #giveUp(waiting: Waiting, reason: unknown, late = false): void {
    const { ticket } = waiting;
    if (this.#take(ticket) === undefined) return;
    const mail = this.#functions.cancel(ticket) === true;
    waiting.resolve(new Rejection(reason));
    if (mail) readMail();
    // Published when all is done: who hears of it may call the bulkhead.
    if (late) this.#countLate();
    this.#askIdle();
  }

  #countLate(): void {
    this.#functions.ask(COUNT, 1);
    this.#primitive.refused();
  }

  #onMail(ticket: number, fate: Fate): void {
    // Mail goes to all objects on the state: the ticket may be another's.
    if (this.#waiting.get(ticket) === undefined) return;
    // Not there any more: another thread took it back, as this one did not answer, and will offer it again.
    if (fate === 'served' && this.#functions.claim(ticket) !== true) return;
    this.#onFate(ticket, fate);
  }

  #onFate(ticket: number, fate: Fate): void {
    if (fate === 'served') {
      this.#goOn(ticket);
      return;
    }
    const waiting = this.#take(ticket);
    if (waiting === undefined) return;
    const late = fate === 'late';
    waiting.resolve(new Rejection(late ? this.#lateError() : this.#fullError()));
    if (late) this.#countLate();
    else this.refused();
    this.#askIdle();
  }

  #take(ticket: number): Waiting | undefined {
    const waiting = this.#waiting.get(ticket);
    if (waiting === undefined) return undefined;
    this.#waiting.remove(waiting);
    if (waiting.timer !== undefined) this.timeline.cancel(waiting.timer);
    waiting.release?.();
    if (this.#waiting.size === 0) this.#onLast();
    return waiting;
  }

  /** Somebody waits: another thread may wake it, which must not end before. */
  #onFirst(): void {
    const { state, name } = this.#primitive;
    if (this.#local) return;
    listen(state, this.#listener);
    if (name === undefined) return;
    this.#lookout.start();
    if (this.timeline === loopTime) keepAlive(1);
    const those = crowded.get(state);
    if (those === undefined) crowded.set(state, new Set([this]));
    else those.add(this);
  }

  #onLast(): void {
    const { state, name } = this.#primitive;
    if (this.#local) return;
    unlisten(state, this.#listener);
    if (name === undefined) return;
    if (this.timeline === loopTime) keepAlive(-1);
    const those = crowded.get(state);
    if (those?.delete(this) && those.size === 0) crowded.delete(state);
  }

  #drainingError(): DrainingError {
    this.#primitive.refused();
    return new DrainingError(`${this.#primitive.subject} is being drained`, this.details);
  }

  #fullError(): BulkheadFullError {
    return new BulkheadFullError(`${this.#primitive.subject} is full`, this.details);
  }

  #lateError(): QueueTimeoutError {
    return new QueueTimeoutError(
      `${this.#primitive.subject}: the call waited too long for its turn`,
      this.details,
    );
  }
}

/** Functions that run on behalf of one call, and the call itself: told when all of them have ended. */
class Work {
  #open = 1;
  readonly #onEnd: () => void;

  constructor(onEnd: () => void) {
    this.#onEnd = onEnd;
  }

  get over(): boolean {
    return this.#open === 0;
  }

  run(fn: () => unknown): unknown {
    this.#open += 1;
    let result: unknown;
    try {
      result = adopt(fn());
    } catch (error) {
      this.end();
      throw error;
    }
    const end = (): void => this.end();
    if (result instanceof Promise) result.then(end, end);
    else end();
    return result;
  }

  end(): void {
    this.#open -= 1;
    if (this.#open === 0) this.#onEnd();
  }
}

/** Runs `next` and says how it ended, before its caller knows. */
function settle(scope: Scope, next: Next, ended: (outcome: BulkheadOutcome) => void): unknown {
  let result: unknown;
  try {
    result = next(scope);
  } catch (error) {
    ended(outcomeOf(error, scope));
    throw error;
  }
  if (!(result instanceof Promise)) {
    ended(SUCCESS);
    return result;
  }
  return result.then(
    (value) => {
      ended(scope.ended ? outcomeOf(scope.reason, scope) : SUCCESS);
      return value;
    },
    (error) => {
      ended(outcomeOf(error, scope));
      return new Rejection(error);
    },
  );
}

/** A call that was too late or refused says that there is too much; any other error says nothing about that. */
function outcomeOf(error: unknown, scope: Scope): BulkheadOutcome {
  return (scope.ended && isTimeout(scope.reason)) || isDrop(error) ? DROPPED : IGNORED;
}

export function isDrop(error: unknown): boolean {
  return isTimeout(error) || error instanceof RefusedError;
}

function watchSignal(signal: AbortSignal, end: (reason: unknown) => void): () => void {
  const onAbort = (): void => end(signal.reason);
  signal.addEventListener('abort', onAbort);
  return () => signal.removeEventListener('abort', onAbort);
}

function watcherOf(scope: Scope): Watch | undefined {
  if (!scope.guarded) return undefined;
  return (end) => {
    scope.watch(end);
    return () => scope.unwatch(end);
  };
}
