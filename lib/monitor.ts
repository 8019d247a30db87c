/** EventLoopMonitor: how late this thread's event loop runs what is due, and which loops of the process are blocked. */
import { threadId } from 'node:worker_threads';
import { keepBeating, loopUse, mark } from './beat.js';
import type { NativeLoopReport, NativeMonitorSnapshot } from './binding.js';
import { DisposedError } from './errors.js';
import { NumberedEvents } from './events.js';
import { collectWith, host, type Listener, listen, unlisten } from './host.js';
import { checkShape, fromNative, invalid } from './options.js';

/** Options of EventLoopMonitor. */
export interface EventLoopMonitorOptions {
  /**
   * Milliseconds of the intervals that figures are of, from 50 to an hour. Short ones follow the load, long ones have a meaningful
   * 99th percentile: a loop gives a hundred samples a second. @default 1000
   */
  readonly sampleMs?: number | undefined;
  /**
   * Milliseconds after which a loop that does not come round counts as blocked, from 50 to an hour. With it a thread outside of
   * JavaScript watches this one, and reports a block while it lasts. Default: this thread is not watched.
   */
  readonly blockedMs?: number | undefined;
  /** Whether the watching thread writes a line to stderr for each report. Needs `blockedMs`. @default false */
  readonly stderr?: boolean | undefined;
  /** Names the loop in reports and snapshots. */
  readonly label?: string | undefined;
}

/** How late the loop ran what was due, in milliseconds, over one interval. */
export interface EventLoopDelay {
  readonly p50Ms: number;
  readonly p90Ms: number;
  readonly p99Ms: number;
  readonly maxMs: number;
  readonly meanMs: number;
}

/** An event loop that is blocked now. */
export interface BlockedLoop {
  /** Of its thread, as `worker_threads` numbers them: 0 is the main thread. */
  readonly threadId: number;
  /** The label of the monitor that watches it. */
  readonly label: string | undefined;
  /** For how long by now; up to 10 ms too long. */
  readonly blockedMs: number;
}

/** An event loop was found blocked, still is, or is no more. */
export interface BlockedEvent extends BlockedLoop {
  /** Whether it is over: then `blockedMs` is how long it was. */
  readonly over: boolean;
  /** Counts the reports of the process. */
  readonly generation: number;
}

/** Figures of the last whole interval (of the one under way while there is none), and which loops are blocked now. */
export interface EventLoopMonitorSnapshot {
  readonly kind: 'monitor';
  readonly name: undefined;
  readonly label: string | undefined;
  readonly threadId: number;
  /** How long the interval was: `sampleMs`, or longer where the loop was blocked. */
  readonly intervalMs: number;
  /** How many samples the percentiles are of, with those that a block left out. */
  readonly samples: number;
  readonly delay: EventLoopDelay;
  /** The share of the interval in which the loop was busy, in 0..1; undefined where neither runtime nor system says. */
  readonly utilization: number | undefined;
  /** The loops of the whole process that are blocked now. */
  readonly blocked: readonly BlockedLoop[];
}

const SHAPES = { sampleMs: 'number', blockedMs: 'number', stderr: 'boolean', label: 'string' } as const;

/** How mail names what was seen of all loops. */
const WATCHLIST = 0;

/** Monitors that go on though nobody has a hand on them: they watch, or somebody listens. */
const kept = new Set<EventLoopMonitor>();

/** A method may be called on anything: what is no EventLoopMonitor is an InvalidOptionError. */
let checkThis: (monitor: EventLoopMonitor) => EventLoopMonitor;
let handle: (monitor: EventLoopMonitor) => number;

/** The native handle of a monitor in use. @throws {InvalidOptionError | DisposedError} */
export function handleOf(monitor: EventLoopMonitor): number {
  return handle(checkThis(monitor));
}

/**
 * Measures this thread's event loop, and has it watched from outside.
 *
 * ```js
 * const monitor = new EventLoopMonitor({ blockedMs: 500, stderr: true });
 * monitor.on('blocked', ({ threadId, blockedMs, over }) => log.warn({ threadId, blockedMs, over }));
 * ```
 */
export class EventLoopMonitor {
  readonly #label: string | undefined;
  readonly #watches: boolean;
  readonly #handle: number;
  #events: NumberedEvents<BlockedEvent> | undefined;
  #disposed = false;

  /** @throws {InvalidOptionError} when an option is unknown, of the wrong type or out of range. */
  constructor(options: EventLoopMonitorOptions = {}) {
    const { sampleMs, blockedMs, stderr = false, label } = checkShape('monitor', options, SHAPES);
    const { id, native } = host();
    this.#label = label;
    this.#watches = blockedMs !== undefined;
    try {
      const opened = native.openMonitor(id, { sampleMs, blockedMs, stderr, label, threadId, ...loopUse() });
      this.#handle = opened.handle;
    } catch (error) {
      throw fromNative(error, { kind: 'monitor', primitive: label });
    }
    collectWith(this, 'monitor', this.#handle);
    if (this.#watches) kept.add(this);
    keepBeating();
  }

  /** How late the loop ran what was due, over the last whole interval. @throws {DisposedError} */
  get delay(): EventLoopDelay {
    return delayOf(checkThis(this).#read());
  }

  /** The share of the last whole interval in which the loop was busy, in 0..1, if that is known. @throws {DisposedError} */
  get utilization(): number | undefined {
    return checkThis(this).#read().utilization;
  }

  /** Figures, safe to log. @throws {DisposedError} */
  snapshot(): EventLoopMonitorSnapshot {
    const self = checkThis(this);
    const figures = self.#read();
    return {
      kind: 'monitor',
      name: undefined,
      label: self.#label,
      threadId,
      intervalMs: figures.intervalMs,
      samples: figures.beats,
      delay: delayOf(figures),
      utilization: figures.utilization,
      blocked: figures.blocked.map(({ threadId, label, blockedMs }) => ({ threadId, label, blockedMs })),
    };
  }

  /**
   * Tells `listener` of every loop of the process that is watched and blocked: when it has been for its `blockedMs`, whenever that has
   * doubled since, and with `over: true` when it is no more. Of its own loop a thread hears only the last. Runs later in a microtask, in
   * the async context of this call, and keeps no process alive.
   * @throws {InvalidOptionError | DisposedError}
   */
  on(event: 'blocked', listener: (event: BlockedEvent) => void): Disposable {
    const self = checkThis(this);
    if (event !== 'blocked') throw invalid('monitor', 'event', "'blocked'", event, self.#label);
    if (typeof listener !== 'function') {
      throw invalid('monitor', 'listener', 'a function', listener, self.#label);
    }
    self.#live();
    self.#events ??= self.#newEvents();
    return self.#events.add(listener, host().native.blockedGeneration());
  }

  /** Ends the watch and the listeners: later calls throw DisposedError. A second call does nothing. */
  dispose(): void {
    const self = checkThis(this);
    if (self.#disposed) return;
    self.#events?.clear();
    self.#disposed = true;
    kept.delete(self);
    const { id, native } = host();
    native.dispose(id, 'monitor', self.#handle);
  }

  [Symbol.dispose](): void {
    checkThis(this).dispose();
  }

  static {
    checkThis = (monitor) => {
      if (typeof monitor === 'object' && monitor !== null && #handle in monitor) return monitor;
      throw invalid('monitor', 'this', 'an EventLoopMonitor', monitor);
    };
    handle = (monitor) => {
      monitor.#live();
      return monitor.#handle;
    };
  }

  #live(): void {
    if (!this.#disposed) return;
    const subject = this.#label === undefined ? 'monitor' : `monitor "${this.#label}"`;
    throw new DisposedError(`${subject} was disposed`, { kind: 'monitor', primitive: this.#label });
  }

  #read(): NativeMonitorSnapshot {
    this.#live();
    // Who asks after a block, before the loop has come round, is not told of the time before it.
    mark();
    const { id, native } = host();
    return native.monitorSnapshot(id, this.#handle) as NativeMonitorSnapshot;
  }

  #newEvents(): NumberedEvents<BlockedEvent> {
    const { id, native } = host();
    const listener: Listener = { onChanged: () => this.#events?.schedule() };
    return new NumberedEvents(
      (since) => native.blockedSince(id, since).map(eventOf),
      (used) => {
        if (used) {
          kept.add(this);
          listen(WATCHLIST, listener);
        } else {
          if (!this.#watches) kept.delete(this);
          // Another monitor of this thread may still want the mail.
          if (!unlisten(WATCHLIST, listener)) return;
        }
        native.listenBlocked(id, used);
      },
    );
  }
}

function delayOf({ p50, p90, p99, max, mean }: NativeMonitorSnapshot): EventLoopDelay {
  return { p50Ms: p50, p90Ms: p90, p99Ms: p99, maxMs: max, meanMs: mean };
}

function eventOf({ generation, threadId, label, blockedMs, over }: NativeLoopReport): BlockedEvent {
  return { threadId, label, blockedMs, over, generation };
}
