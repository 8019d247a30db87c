/** Bulkhead: bounded concurrency with a bounded waiting room, one for all worker threads that share its name. */
import type { BulkheadFunctions, BulkheadOutcome } from './binding.js';
import { BulkheadLayer, DROPPED, IGNORED, isDrop, SUCCESS, type Wanted } from './bulkhead-layer.js';
import { LocalBulkhead, type LocalLimits } from './bulkhead-local.js';
import {
  type BulkheadLimits,
  type BulkheadOptions,
  codelOf,
  concurrencyOf,
  LIMIT_SHAPES,
  SHAPES,
  sharesOf,
} from './bulkhead-options.js';
import type { Call, ExecuteOptions } from './call.js';
import { NumberedEvents } from './events.js';
import { execute, type Policy, refuse, register, wrap } from './execute.js';
import { changed, host, type Listener, listen, unlisten } from './host.js';
import { reportUse } from './in-use.js';
import { mapWith, type Permits } from './map.js';
import { checkShape, checkSignal, checkSpan, invalid } from './options.js';
import { type CommonSnapshot, Primitive } from './primitive.js';
import { registerQueueDelay } from './queue-delay.js';

/** How many permits a call takes, and when it is served. */
export interface BulkheadTryOptions {
  /** Permits: a whole number from 1 to a million. @default 1 */
  readonly weight?: number | undefined;
  /** 0 to 9, 9 first. @default 5 */
  readonly priority?: number | undefined;
}

/** What a waiting call may be given. */
export interface BulkheadAcquireOptions extends BulkheadTryOptions {
  /** Gives up: the promise rejects in the same turn with the signal's own reason. */
  readonly signal?: AbortSignal | undefined;
  /** Whose call it is, in a fair order: those without one share a line. */
  readonly key?: string | undefined;
  /** The longest this call waits, in milliseconds above 0. Default: as the bulkhead says. */
  readonly queueTimeoutMs?: number | undefined;
}

/**
 * How a call ended, for a limit that finds itself: `'dropped'` says that there is too much for the dependency, `'ignored'` that the
 * call says nothing about that.
 */
export type BulkheadVerdict = 'success' | 'dropped' | 'ignored';

/** The right to run one call. Give it back once: further words count for nothing, and none of them throws. */
export interface BulkheadPermit extends Disposable {
  /** Gives it back; a call that waits goes on. */
  release(verdict?: BulkheadVerdict): void;
}

/** The limit has changed. `generation` counts the changes. */
export interface BulkheadLimitChange {
  readonly from: number;
  readonly to: number;
  readonly generation: number;
}

/** Figures over all threads. Counters count since the state was made. */
export interface BulkheadSnapshot extends CommonSnapshot<'bulkhead'> {
  /** Permits there are. */
  readonly limit: number;
  /** Permits in use. */
  readonly active: number;
  /** Calls that wait. */
  readonly queued: number;
  readonly maxQueue: number;
  /** Milliseconds for which the call that waits longest has waited. */
  readonly queueDelayMs: number;
  /** Calls let in. */
  readonly allowed: number;
  /** Calls refused because the bulkhead was full; with `dryRun` those that found no permit. */
  readonly refused: number;
  /** Calls sent away because they had waited too long. */
  readonly timedOut: number;
}

const VERDICTS: Readonly<Record<BulkheadVerdict, BulkheadOutcome>> = {
  success: SUCCESS,
  dropped: DROPPED,
  ignored: IGNORED,
};

/** What to ask the native part. */
const LIMIT = 0;
const ACTIVE = 1;
const QUEUED = 2;
const QUEUE_DELAY = 3;
const GENERATION = 4;
const CHANGES = 5;
const LISTEN = 9;

/** A method may be called on anything: what is no Bulkhead is an InvalidOptionError. */
let checkThis: (bulkhead: Bulkhead) => Bulkhead;

/**
 * So many calls at once, and so many that wait. A permit that becomes free goes to the head of the line before any newcomer, in
 * whichever thread it waits; a worker thread that ends gives its permits back.
 *
 * ```js
 * const bulkhead = new Bulkhead({ name: 'reports', maxConcurrent: 4, maxQueue: 20, queueTimeoutMs: 2_000 });
 * const report = await bulkhead.execute(() => render(id));
 * ```
 */
export class Bulkhead implements Policy {
  readonly #primitive: Primitive<'bulkhead', BulkheadFunctions>;
  readonly #functions: BulkheadFunctions;
  readonly #layer: BulkheadLayer;
  readonly #local: LocalBulkhead | undefined;
  #events: NumberedEvents<BulkheadLimitChange> | undefined;

  /**
   * @throws {InvalidOptionError} when an option is unknown, of the wrong type or out of range.
   * @throws {NameConflictError} when the name is in use with other options.
   */
  constructor(options: BulkheadOptions) {
    const primitive = options instanceof Primitive ? options : this.#open(options);
    this.#primitive = primitive;
    this.#local = isLocal(options)
      ? new LocalBulkhead(this.#limits(options.queueTimeoutMs), primitive.timeline)
      : undefined;
    this.#functions = this.#local ?? primitive.functions;
    const layer = new BulkheadLayer(primitive, this.#local, () => {
      this.#events?.schedule();
      changed(primitive.state);
    });
    this.#layer = layer;
    register(this, layer);
    reportUse(this, () => layer.running > 0 || layer.waiting > 0);
    registerQueueDelay(this, () => this.#functions.ask(QUEUE_DELAY) ?? 0);
  }

  /** An object on the bulkhead of this name, if one exists in the process. */
  static find(name: string): Bulkhead | undefined {
    return Primitive.find(
      'bulkhead',
      name,
      (native, host) => native.findBulkhead(host, name),
      (primitive) => new Bulkhead(primitive as never),
    );
  }

  /**
   * Runs `fn` as soon as there is a permit. Of the options it reads `weight`, `priority` and `key`. Rejects with BulkheadFullError at once,
   * with QueueTimeoutError after the wait. The permit is given back when `fn` itself has settled, whatever became of the promise.
   */
  execute<T>(fn: (call: Call) => T, options?: ExecuteOptions): Promise<Awaited<T>> {
    try {
      return execute(checkThis(this).#layer, fn, options);
    } catch (error) {
      return Promise.reject(error);
    }
  }

  /** `(...args) => execute(() => fn(...args))`, with `this` kept. @throws {InvalidOptionError} */
  wrap<This, Args extends unknown[], T>(
    fn: (this: This, ...args: Args) => T,
  ): (this: This, ...args: Args) => Promise<Awaited<T>> {
    const self = checkThis(this);
    return wrap(self, fn, self.#primitive.details);
  }

  /** A permit, if one is free and nobody waits for it. @throws {InvalidOptionError | DrainingError | DisposedError} */
  tryAcquire(options: BulkheadTryOptions = {}): BulkheadPermit | undefined {
    const self = checkThis(this);
    const own = checkShape('bulkhead', options, { weight: 'number', priority: 'number' });
    const wanted = self.#layer.wanted(own);
    const since = self.#layer.enter(wanted);
    if (since !== undefined) return new Permit(self.#layer, wanted.weight, since);
    self.#layer.refused();
    return undefined;
  }

  /**
   * A permit, as soon as there is one. Rejects with BulkheadFullError at once, with QueueTimeoutError after the wait, with the signal's
   * reason when aborted, with DisposedError when this object is disposed meanwhile.
   */
  acquire(options: BulkheadAcquireOptions = {}): Promise<BulkheadPermit> {
    try {
      return checkThis(this).#acquire(options);
    } catch (error) {
      return Promise.reject(error);
    }
  }

  /**
   * Calls `fn` with every item, as many at once as there are permits, and gives the results in order. An item is pulled only when there
   * is a permit for it. The first error, or the signal, ends it: nothing more is pulled, and the iterator is closed. It waits for its
   * own calls without taking a place in the line; where others leave it neither a permit nor a place, it rejects with BulkheadFullError.
   */
  map<T, R>(
    items: Iterable<T> | AsyncIterable<T>,
    fn: (item: Awaited<T>, index: number) => R,
    options: { readonly signal?: AbortSignal | undefined } = {},
  ): Promise<Awaited<R>[]> {
    try {
      const self = checkThis(this);
      const { word } = self.#primitive;
      if (typeof fn !== 'function') throw invalid('bulkhead', 'fn', 'a function', fn, word);
      const { signal } = checkShape('bulkhead', options, { signal: 'object' });
      checkSignal('bulkhead', signal, word);
      // Checked here, as nothing is asked of a bulkhead before the first item.
      self.limit;
      return mapWith(items, fn, signal, self.#permits(), self.#primitive.details);
    } catch (error) {
      return Promise.reject(error);
    }
  }

  /**
   * Refuses new calls through this object with DrainingError from now on, and waits for those that run or wait: true when all have
   * settled, false when `timeoutMs` was over before. Rejects with the signal's reason when aborted.
   */
  drain(
    options: { readonly timeoutMs?: number | undefined; readonly signal?: AbortSignal | undefined } = {},
  ): Promise<boolean> {
    try {
      const self = checkThis(this);
      const { timeoutMs, signal } = checkShape('bulkhead', options, {
        timeoutMs: 'number',
        signal: 'object',
      });
      if (timeoutMs !== undefined) checkSpan('bulkhead', 'timeoutMs', timeoutMs, self.#primitive.word);
      checkSignal('bulkhead', signal, self.#primitive.word);
      self.limit;
      return self.#layer.drain(timeoutMs, signal);
    } catch (error) {
      return Promise.reject(error);
    }
  }

  /** Permits in use, over all threads. @throws {DisposedError} */
  get active(): number {
    return checkThis(this).#ask(ACTIVE);
  }

  /** Calls that wait, over all threads. @throws {DisposedError} */
  get queued(): number {
    return checkThis(this).#ask(QUEUED);
  }

  /** Permits there are. @throws {DisposedError} */
  get limit(): number {
    return checkThis(this).#ask(LIMIT);
  }

  /**
   * New limits for all who share the bulkhead; what is not given stays. Who runs or waits goes on: a smaller limit is reached as calls
   * end. Who waits for more permits than there can be is refused.
   * @throws {InvalidOptionError | DisposedError}
   */
  reconfigure(options: BulkheadLimits): void {
    const self = checkThis(this);
    const own = checkShape('bulkhead', options, LIMIT_SHAPES);
    const { maxConcurrent, maxQueue, queueTimeoutMs } = own;
    const native = {
      maxConcurrent: maxConcurrent === undefined ? undefined : concurrencyOf(maxConcurrent),
      maxQueue,
      queueTimeoutMs,
    };
    self.#primitive.cold(
      (binding, host, handle) => binding.reconfigureBulkhead(host, handle, native) || null,
    );
    self.#local?.reconfigure(self.#limits(queueTimeoutMs));
    self.#layer.limitMoved();
  }

  /** Figures over all threads, safe to log. @throws {DisposedError} */
  snapshot(): BulkheadSnapshot {
    const self = checkThis(this);
    const figures = self.#primitive.cold((native, host, handle) => native.bulkheadSnapshot(host, handle));
    return { ...self.#primitive.common(), ...figures, ...self.#local?.figures() };
  }

  /**
   * Tells `listener` of changes of the limit, in whichever thread they come about: later in a microtask, in order, in the async context
   * of this call.
   * @throws {InvalidOptionError | DisposedError}
   */
  on(event: 'limitChange', listener: (change: BulkheadLimitChange) => void): Disposable {
    const self = checkThis(this);
    const { word } = self.#primitive;
    if (event !== 'limitChange') throw invalid('bulkhead', 'event', "'limitChange'", event, word);
    if (typeof listener !== 'function') {
      throw invalid('bulkhead', 'listener', 'a function', listener, word);
    }
    const generation = self.#ask(GENERATION);
    self.#events ??= self.#newEvents();
    return self.#events.add(listener, generation);
  }

  /**
   * Lets go of the bulkhead: who waits through this object rejects with DisposedError, later calls throw it, its listeners end. Permits
   * that are out stay valid. A second call does nothing.
   */
  dispose(): void {
    const self = checkThis(this);
    self.#events?.clear();
    self.#layer.rejectAll(() => self.#primitive.disposedError());
    self.#local?.dispose();
    self.#primitive.dispose();
  }

  [Symbol.dispose](): void {
    checkThis(this).dispose();
  }

  static {
    checkThis = (bulkhead) => {
      if (typeof bulkhead === 'object' && bulkhead !== null && #layer in bulkhead) return bulkhead;
      throw invalid('bulkhead', 'this', 'a Bulkhead', bulkhead);
    };
  }

  #open(options: BulkheadOptions): Primitive<'bulkhead', BulkheadFunctions> {
    const own = checkShape('bulkhead', options, SHAPES);
    const { maxQueue, queueTimeoutMs, order } = own;
    const maxConcurrent = concurrencyOf(own.maxConcurrent);
    const rest = {
      local: isLocal(own),
      maxConcurrent,
      maxQueue,
      queueTimeoutMs,
      order,
      shares: sharesOf(own.shares),
      codel: codelOf(own.codel),
    };
    return Primitive.open(this, 'bulkhead', own, (native, host, common) =>
      native.openBulkhead(host, { ...common, ...rest }),
    );
  }

  /** Permits for `map`, which looks for some more often than it is refused. */
  #permits(): Permits {
    const layer = this.#layer;
    const wanted = layer.wanted({});
    const permit = (since: number): Permit => new Permit(layer, 1, since);
    return {
      now: () => {
        const since = layer.enter(wanted);
        return since === undefined ? undefined : permit(since);
      },
      later: (signal) => {
        const turn = layer.wait(wanted, signal);
        if (turn === undefined) return Promise.resolve(permit(layer.since()));
        return turn instanceof Promise ? turn.then(() => permit(layer.since())) : undefined;
      },
      refusal: () => layer.refused(),
      verdictOn: (error) => (isDrop(error) ? 'dropped' : 'ignored'),
    };
  }

  /** What the native part has checked. */
  #limits(queueTimeoutMs = this.#local?.queueTimeoutMs): LocalLimits {
    const { limit, maxQueue } = this.#primitive.cold((native, host, handle) =>
      native.bulkheadSnapshot(host, handle),
    );
    return { limit, maxQueue, queueTimeoutMs };
  }

  #acquire(options: BulkheadAcquireOptions): Promise<BulkheadPermit> {
    const own = checkShape('bulkhead', options, {
      weight: 'number',
      priority: 'number',
      signal: 'object',
      key: 'string',
      queueTimeoutMs: 'number',
    });
    const { signal, queueTimeoutMs } = own;
    const { word } = this.#primitive;
    checkSignal('bulkhead', signal, word);
    if (queueTimeoutMs !== undefined && !(queueTimeoutMs > 0)) {
      throw invalid(
        'bulkhead',
        'queueTimeoutMs',
        'a number of milliseconds above 0, or Infinity',
        queueTimeoutMs,
        word,
      );
    }
    const wanted: Wanted = this.#layer.wanted(own);
    if (signal?.aborted) return Promise.reject(signal.reason);
    const layer = this.#layer;
    const { weight } = wanted;
    const admission = layer.acquire(wanted, signal);
    if (typeof admission === 'number') return Promise.resolve(new Permit(layer, weight, admission));
    if (!(admission instanceof Promise)) return refuse(admission);
    return admission.then(() => {
      const permit = new Permit(layer, weight, layer.since());
      if (!signal?.aborted) return permit;
      // Aborted in the turn in which its wait was over.
      permit.release('ignored');
      throw signal.reason;
    });
  }

  /** @throws {DisposedError} */
  #ask(what: 0 | 1 | 2 | 4): number {
    const primitive = this.#primitive;
    return primitive.live(primitive.disposed ? undefined : this.#functions.ask(what));
  }

  #newEvents(): NumberedEvents<BulkheadLimitChange> {
    const { state } = this.#primitive;
    const listener: Listener = { onChanged: () => this.#events?.schedule() };
    return new NumberedEvents(
      (since) => this.#changesSince(since),
      (used) => {
        if (used) listen(state, listener);
        // Another object of this thread may still listen.
        else if (!unlisten(state, listener)) return;
        this.#functions.ask(LISTEN, used ? 1 : 0);
      },
    );
  }

  #changesSince(since: number): BulkheadLimitChange[] {
    const changes: BulkheadLimitChange[] = [];
    for (let last = since; ; ) {
      const count = this.#functions.ask(CHANGES, last) ?? 0;
      if (count === 0) return changes;
      const registers = this.#local?.registers ?? host().registers;
      for (let index = 0; index < count; index++) {
        const [generation, from, to] = registers.subarray(3 * index) as unknown as [number, number, number];
        changes.push({ generation, from, to });
        last = generation;
      }
    }
  }
}

/** Whether nobody else can reach it, and its rules are the simple ones. */
function isLocal({ name, maxConcurrent, order = 'fifo', codel, dryRun = false }: BulkheadOptions): boolean {
  const simple = typeof maxConcurrent === 'number' && order === 'fifo' && codel === undefined;
  return name === undefined && simple && !dryRun;
}

/** Instead of since when it counts: it was given back. */
const RELEASED = -1;

class Permit implements BulkheadPermit {
  readonly #layer: BulkheadLayer;
  readonly #weight: number;
  #since: number;

  /** `since` is 0 in a dry run, for a call that would have been refused. */
  constructor(layer: BulkheadLayer, weight: number, since: number) {
    this.#layer = layer;
    this.#weight = weight;
    this.#since = since;
  }

  release(verdict: BulkheadVerdict = 'success'): void {
    const since = this.#since;
    if (since === RELEASED) return;
    this.#since = RELEASED;
    // What is no verdict says nothing; a permit's methods never throw.
    const known = typeof verdict === 'string' && Object.hasOwn(VERDICTS, verdict);
    this.#layer.leave(this.#weight, since, known ? VERDICTS[verdict] : IGNORED);
  }

  [Symbol.dispose](): void {
    this.release();
  }
}
