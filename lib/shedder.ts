/** LoadShedder: takes fewer calls, the least important refused first, as this process comes near what it can bear. */
import { mark, sampleWith } from './beat.js';
import type { NativeShedderBounds, NativeShedderSnapshot, ShedderFunctions } from './binding.js';
import type { Call, ExecuteOptions } from './call.js';
import { OverloadedError } from './errors.js';
import { execute, type Layer, type Policy, refuse, register, wrap } from './execute.js';
import { host } from './host.js';
import { bytesOf, type MemoryShare, memoryInUse, memoryLimit } from './memory.js';
import { EventLoopMonitor, handleOf } from './monitor.js';
import { checkShape, fromNative, invalid } from './options.js';
import { type CommonSnapshot, Primitive } from './primitive.js';
import { queueDelayOf } from './queue-delay.js';

/** What may be changed with `reconfigure`. Calls of default priority are shed from 0.91 of a bound on. */
export interface LoadShedderBounds {
  /**
   * Milliseconds that the event loop may be late, at the 90th percentile of an interval: from 1 to an hour. Default: not bounded, as
   * for all of these.
   */
  readonly maxEventLoopDelayMs?: number | undefined;
  /**
   * The share of time in which the loop may be busy, in (0, 1]. Never alone: a loop that is busy and in time is healthy, so that by
   * itself it sheds priorities 0 to 4 only.
   */
  readonly maxUtilization?: number | undefined;
  /** Bytes of JavaScript's heap in use, or a share of the limit it may grow to. */
  readonly maxHeapBytes?: number | MemoryShare | undefined;
  /** Bytes of resident memory, or a share of the limit of the control group (of the machine, where there is none). */
  readonly maxRssBytes?: number | MemoryShare | undefined;
  /** Milliseconds that the head of a queue of `bulkheads` may have waited: from 1 to an hour. */
  readonly maxQueueDelayMs?: number | undefined;
}

/** Options of LoadShedder: at least one bound besides `maxUtilization`. */
export interface LoadShedderOptions extends LoadShedderBounds {
  /** The bulkheads that `maxQueueDelayMs` is about. */
  readonly bulkheads?: readonly object[] | undefined;
  /** The monitor whose intervals are the samples. Default: one of its own, with `sampleMs: 100`. */
  readonly monitor?: EventLoopMonitor | undefined;
  /** Names the shedder in errors and snapshots. */
  readonly label?: string | undefined;
  /** Decides, counts and publishes, but refuses nothing. @default false */
  readonly dryRun?: boolean | undefined;
}

/** How important a call is. */
export interface PriorityOptions {
  /** A whole number from 0 to 9; 9 is refused last. @default 5 */
  readonly priority?: number | undefined;
}

/** What a shedder measures. */
export type ShedderMeasure = 'eventLoopDelay' | 'utilization' | 'heap' | 'rss' | 'queueDelay';

/** A number for each measure; undefined where it is not measured or not known, or not bounded. */
export interface ShedderMeasures {
  readonly eventLoopDelayMs: number | undefined;
  readonly utilization: number | undefined;
  readonly heapBytes: number | undefined;
  readonly rssBytes: number | undefined;
  readonly queueDelayMs: number | undefined;
}

/** Figures of this thread's shedder. Counters count since it was made; in a dry run `refused` are those it would have refused. */
export interface LoadShedderSnapshot extends CommonSnapshot<'shedder'> {
  /** In 0..1: 1 at or over a bound. */
  readonly pressure: number;
  /** The measure that was nearest to its bound at the last sample, or furthest above. */
  readonly limiting: ShedderMeasure | undefined;
  /** What the last sample measured. */
  readonly measured: ShedderMeasures;
  readonly bounds: ShedderMeasures;
  /** Bytes of resident memory that the process may have. */
  readonly memoryLimitBytes: number;
  /** Which share of the calls of each priority, 0 to 9, is refused now. */
  readonly shedding: readonly number[];
  readonly refusedByPriority: readonly number[];
  readonly allowed: number;
  readonly refused: number;
}

const BOUND_SHAPES = {
  maxEventLoopDelayMs: 'number',
  maxUtilization: 'number',
  maxHeapBytes: 'anything',
  maxRssBytes: 'anything',
  maxQueueDelayMs: 'number',
} as const;
const SHAPES = {
  ...BOUND_SHAPES,
  bulkheads: 'object',
  monitor: 'object',
  label: 'string',
  dryRun: 'boolean',
} as const;

const PRIORITY = 5;
const A_PRIORITY = 'a whole number from 0 to 9';

/** The answers of the native `enter`. */
const REFUSED = 0;
const STALE = 2;
const NO_PRIORITY = -1;

/** The answer of `retryAfter` while a sample is to be taken first. */
const NO_SAMPLE = -2;

/** A method may be called on anything: what is no LoadShedder is an InvalidOptionError. */
let checkThis: (shedder: LoadShedder) => LoadShedder;
let takeSample: (shedder: LoadShedder) => void;

/**
 * Sheds load by the pressure on this thread and its process: event loop delay, utilization, heap, resident memory, the delay of a
 * queue. It is the largest of measure over bound, smoothed over the last samples; priority 0 is shed from 0.8 on, 5 from 0.91, 9 only
 * at 1 and above.
 *
 * ```js
 * const shedder = new LoadShedder({ maxEventLoopDelayMs: 100, maxRssBytes: { shareOfLimit: 0.9 } });
 * const answer = await shedder.execute(() => render(page), { priority: 3 });
 * ```
 */
export class LoadShedder implements Policy {
  readonly #primitive: Primitive<'shedder', ShedderFunctions>;
  readonly #functions: ShedderFunctions;
  readonly #layer: Layer;
  readonly #delays: readonly (() => number)[];
  /** Its own, if it was given none. */
  readonly #monitor: EventLoopMonitor | undefined;
  readonly #stop: () => void;
  #readsMemory: boolean;

  /** @throws {InvalidOptionError} when an option is unknown, of the wrong type or out of range, or nothing is bounded. */
  constructor(options: LoadShedderOptions) {
    const own = checkShape('shedder', options, SHAPES);
    const { label, dryRun, monitor } = own;
    const bounds = boundsOf(own);
    this.#delays = delaysOf(own);
    try {
      // Before a monitor is made for it.
      host().native.checkShedder(bounds);
    } catch (error) {
      throw fromNative(error, { kind: 'shedder', primitive: label });
    }
    if (monitor === undefined) {
      const { sampleMs } = host().native.shedderDefaults();
      this.#monitor = new EventLoopMonitor({ sampleMs, label });
    }
    const handle = handleOfGiven(monitor ?? (this.#monitor as EventLoopMonitor));
    const primitive = Primitive.open(this, 'shedder', { label, dryRun }, (native, id, common) =>
      native.openShedder(id, bounds, handle, common.dryRun),
    );
    this.#primitive = primitive;
    this.#functions = primitive.functions;
    this.#readsMemory = needsMemory(bounds);
    this.#stop = sampleWith(this, takeSample);
    const { timeline, details } = primitive;
    this.#layer = {
      timeline,
      details,
      run: (scope, next) => {
        const priority = scope.options.priority ?? PRIORITY;
        return this.#enter(priority) ? next(scope) : refuse(this.#refusal(priority));
      },
    };
    register(this, this.#layer);
  }

  /** Runs `fn`, or rejects with OverloadedError; `options.priority` says how important it is. */
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

  /** Whether a call may be made: false refuses it. @throws {InvalidOptionError | DisposedError} */
  tryAcquire(options?: PriorityOptions): boolean {
    const self = checkThis(this);
    return self.#enter(options === undefined ? PRIORITY : self.#priorityOf(options));
  }

  /**
   * Milliseconds until calls of this priority are shed no more, if the load ended now; 0 if they are not shed.
   * @throws {InvalidOptionError | DisposedError}
   */
  retryAfterMs(options?: PriorityOptions): number {
    const self = checkThis(this);
    return self.#retryAfter(options === undefined ? PRIORITY : self.#priorityOf(options));
  }

  /** How near the process is to a bound, smoothed, in 0..1: 1 at or over it. @throws {DisposedError} */
  get pressure(): number {
    const self = checkThis(this);
    const pressure = self.#primitive.live(self.#functions.pressure());
    if (pressure >= 0) return pressure;
    // The loop has not come round to its samples: one is taken in the middle of whatever it does.
    mark();
    return Math.max(0, self.#primitive.live(self.#functions.pressure()));
  }

  /** New bounds; what is not given stays. @throws {InvalidOptionError | DisposedError} */
  reconfigure(options: LoadShedderBounds): void {
    const self = checkThis(this);
    const bounds = boundsOf(checkShape('shedder', options, BOUND_SHAPES));
    if (bounds.maxQueueDelayMs !== undefined && self.#delays.length === 0) {
      throw invalid('shedder', 'maxQueueDelayMs', 'left out without bulkheads', bounds.maxQueueDelayMs);
    }
    self.#primitive.cold((native, id, handle) => native.reconfigureShedder(id, handle, bounds) || null);
    self.#readsMemory ||= needsMemory(bounds);
  }

  /** Figures, safe to log. @throws {DisposedError} */
  snapshot(): LoadShedderSnapshot {
    const self = checkThis(this);
    const { pressure } = self;
    const { limiting, measured, bounds, ...figures } = self.#primitive.cold((native, id, handle) =>
      native.shedderSnapshot(id, handle),
    );
    return {
      ...self.#primitive.common(),
      ...figures,
      pressure,
      limiting: limiting as ShedderMeasure | undefined,
      measured: measuresOf(measured),
      bounds: measuresOf(bounds),
      memoryLimitBytes: memoryLimit(),
    };
  }

  /** Lets go of the shedder and of a monitor of its own: later calls throw DisposedError. A second call does nothing. */
  dispose(): void {
    const self = checkThis(this);
    self.#stop();
    self.#monitor?.dispose();
    self.#primitive.dispose();
  }

  [Symbol.dispose](): void {
    checkThis(this).dispose();
  }

  static {
    checkThis = (shedder) => {
      if (typeof shedder === 'object' && shedder !== null && #functions in shedder) return shedder;
      throw invalid('shedder', 'this', 'a LoadShedder', shedder);
    };
    takeSample = (shedder) => {
      if (shedder.#functions.due() === true) shedder.#sample();
    };
  }

  #enter(priority: number): boolean {
    let answer = this.#functions.enter(priority);
    if (answer === STALE) {
      mark();
      answer = this.#functions.enter(priority);
    }
    if (answer === REFUSED) return this.#primitive.refused();
    if (answer === NO_PRIORITY) throw this.#noPriority(priority);
    this.#primitive.live(answer);
    return true;
  }

  #retryAfter(priority: number): number {
    let ms = this.#primitive.live(this.#functions.retryAfter(priority));
    if (ms === NO_SAMPLE) {
      mark();
      ms = this.#primitive.live(this.#functions.retryAfter(priority));
    }
    if (ms === NO_PRIORITY) throw this.#noPriority(priority);
    return Math.max(0, ms);
  }

  #priorityOf(options: PriorityOptions): number {
    const { priority = PRIORITY } = checkShape('shedder', options, { priority: 'number' });
    return priority;
  }

  #noPriority(priority: unknown): Error {
    return invalid('shedder', 'priority', A_PRIORITY, priority, this.#primitive.word);
  }

  #sample(): void {
    let [heap, rss, delay] = [Number.NaN, Number.NaN, Number.NaN];
    if (this.#readsMemory) ({ heapUsed: heap, rss } = memoryInUse());
    for (const delayMs of this.#delays) delay = Math.max(delayMs(), delay || 0);
    this.#functions.sample(heap, rss, delay);
  }

  #refusal(priority: number): OverloadedError {
    const { subject, details } = this.#primitive;
    return new OverloadedError(`${subject} refused: the process is overloaded`, {
      ...details,
      // A sample was taken if one was due; who listens to refusals may have disposed the shedder.
      retryAfterMs: Math.max(0, this.#functions.retryAfter(priority) ?? 0),
    });
  }
}

function boundsOf(options: LoadShedderBounds): NativeShedderBounds {
  const { maxEventLoopDelayMs, maxUtilization, maxQueueDelayMs } = options;
  const maxHeapBytes = bytesOf('shedder', 'maxHeapBytes', options.maxHeapBytes);
  const maxRssBytes = bytesOf('shedder', 'maxRssBytes', options.maxRssBytes);
  return { maxEventLoopDelayMs, maxUtilization, maxHeapBytes, maxRssBytes, maxQueueDelayMs };
}

function needsMemory({ maxHeapBytes, maxRssBytes }: NativeShedderBounds): boolean {
  return maxHeapBytes !== undefined || maxRssBytes !== undefined;
}

function delaysOf({ bulkheads, maxQueueDelayMs }: LoadShedderOptions): (() => number)[] {
  const expected = 'an array of at least one Bulkhead';
  if (bulkheads === undefined) {
    if (maxQueueDelayMs !== undefined) throw invalid('shedder', 'bulkheads', expected, bulkheads);
    return [];
  }
  if (!Array.isArray(bulkheads) || bulkheads.length === 0) {
    throw invalid('shedder', 'bulkheads', expected, bulkheads);
  }
  return bulkheads.map((bulkhead: unknown, index) => {
    const isObject = typeof bulkhead === 'object' && bulkhead !== null;
    const delay = isObject ? queueDelayOf(bulkhead) : undefined;
    if (delay === undefined) throw invalid('shedder', `bulkheads[${index}]`, 'a Bulkhead', bulkhead);
    return delay;
  });
}

function handleOfGiven(monitor: EventLoopMonitor): number {
  if (monitor instanceof EventLoopMonitor) return handleOf(monitor);
  throw invalid('shedder', 'monitor', 'an EventLoopMonitor', monitor);
}

function measuresOf(measures: NativeShedderSnapshot['measured']): ShedderMeasures {
  const { eventLoopDelayMs, utilization, heapBytes, rssBytes, queueDelayMs } = measures;
  return { eventLoopDelayMs, utilization, heapBytes, rssBytes, queueDelayMs };
}
