/**
 * The signs of life of this thread's event loop: a timer that keeps nothing alive tells the native part that the loop is running,
 * a hundred times a second, as long as somebody monitors it. All monitors and shedders of the thread share it.
 */
import { AsyncResource } from 'node:async_hooks';
import { performance } from 'node:perf_hooks';
import { host } from './host.js';

/** As the native part expects it. */
const BEAT_MS = 10;

// Taken when the package is loaded: a test that puts a clock of its own in their place does not stop a loop.
const every = setInterval;
const end = clearInterval;

/** The timer would keep the async context of whoever made the first monitor. */
const outside = new AsyncResource('breakwater:beat');

/** Somebody who looks at what was measured whenever an interval is over. */
interface Sampler {
  readonly target: WeakRef<object>;
  readonly sample: (target: object) => void;
}

const samplers = new Set<Sampler>();
let timer: NodeJS.Timeout | undefined;

/** Beats from now on, until the last monitor is gone. */
export function keepBeating(): void {
  if (timer !== undefined) return;
  timer = outside.runInAsyncScope(() => every(onBeat, BEAT_MS));
  timer.unref();
}

/** What the runtime says the loop has been used for, in milliseconds; Bun says nothing. */
export function loopUse(): { readonly activeMs: number; readonly idleMs: number } {
  const { active, idle } = performance.eventLoopUtilization();
  return { activeMs: active, idleMs: idle };
}

/**
 * Ends the intervals that are over by now, though the loop may not have come round to its beat, and has everybody look at them: an
 * interval that somebody ended is not lost for the others.
 */
export function mark(): void {
  const { activeMs, idleMs } = loopUse();
  host().mark(activeMs, idleMs);
  for (const sampler of samplers) {
    const target = sampler.target.deref();
    if (target === undefined) samplers.delete(sampler);
    else sampler.sample(target);
  }
}

/** Calls `sample(target)` whenever an interval may be over, as long as `target` lives and until the end is called. It must not throw. */
export function sampleWith<T extends object>(target: T, sample: (target: T) => void): () => void {
  const sampler: Sampler = { target: new WeakRef(target), sample: sample as (target: object) => void };
  samplers.add(sampler);
  return () => samplers.delete(sampler);
}

function onBeat(): void {
  const said = host().beat();
  if (said === 0) return;
  if (said < 0) {
    end(timer);
    timer = undefined;
    return;
  }
  mark();
}
