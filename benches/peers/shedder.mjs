/**
 * A LoadShedder's decision beside those of @fastify/under-pressure and toobusy-js, and what it costs to have an event loop measured
 * and watched.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { performance } from 'node:perf_hooks';
import { setTimeout as sleep } from 'node:timers/promises';
import { bare, executing } from './breaker.mjs';
import { sync } from './calls.mjs';
import { EventLoopMonitor, LoadShedder } from './ours.mjs';
import { toobusy, underPressure } from './peers.mjs';

const BOUNDS = { maxEventLoopDelayMs: 10_000, maxUtilization: 1, maxRssBytes: { shareOfLimit: 1 } };

const yes = (answer) => answer === true;
const no = (answer) => answer === false;

/** A shedder that has come to refuse everything. */
async function refusing() {
  const shedder = new LoadShedder({ maxHeapBytes: 1 });
  while (shedder.snapshot().shedding[5] < 1) await sleep(20);
  return shedder;
}

/**
 * What having something costs a process that does nothing else: CPU milliseconds of each second, and for ours the share of a core that
 * the watchdog's thread takes, where Linux says it.
 */
const idle =
  (open) =>
  async ({ quick }) => {
    const kept = await open();
    // What is only made once is not counted, and the process is to stay.
    await sleep(quick ? 20 : 500);
    const before = { cpu: process.cpuUsage(), watchdog: watchdogNs(), at: performance.now() };
    await sleep(quick ? 50 : 4_000);
    const seconds = (performance.now() - before.at) / 1_000;
    const { user, system } = process.cpuUsage(before.cpu);
    const watchdog = watchdogNs();
    if (kept === undefined) throw new Error('there is nothing to measure');
    return {
      cpuMsPerSecond: (user + system) / 1_000 / seconds,
      ...(watchdog === undefined
        ? {}
        : { watchdogShare: (watchdog - (before.watchdog ?? 0)) / 1e9 / seconds }),
    };
  };

/** Processor time that the watchdog's thread has had, in nanoseconds; undefined where there is none, or nobody says. */
function watchdogNs() {
  try {
    const tasks = '/proc/self/task';
    const name = (id) => readFileSync(`${tasks}/${id}/comm`, 'utf8');
    const id = readdirSync(tasks).find((one) => name(one).startsWith('breakwater'));
    return id === undefined
      ? undefined
      : Number(readFileSync(`${tasks}/${id}/schedstat`, 'utf8').split(' ')[0]);
  } catch {
    return undefined;
  }
}

export const benches = {
  'shedder/tryAcquire/allowed': {
    breakwater: sync(() => {
      const shedder = new LoadShedder(BOUNDS);
      return () => shedder.tryAcquire();
    }, yes),
    'breakwater, with a priority': sync(() => {
      const shedder = new LoadShedder(BOUNDS);
      const options = { priority: 3 };
      return () => shedder.tryAcquire(options);
    }, yes),
    '@fastify/under-pressure': sync(
      () => underPressure({ maxEventLoopDelay: 10_000, maxRssBytes: 1e15 }),
      no,
    ),
    'toobusy-js': sync(toobusy, no),
  },
  'shedder/tryAcquire/refused': {
    breakwater: sync(async () => {
      const shedder = await refusing();
      return () => shedder.tryAcquire();
    }, no),
    '@fastify/under-pressure': sync(() => underPressure({ maxHeapUsedBytes: 1 }), yes),
  },
  'shedder/execute/allowed': {
    breakwater: executing(() => new LoadShedder(BOUNDS)),
    'bare await fn()': bare,
  },
  'monitor/idle/process': {
    breakwater: idle(() => new EventLoopMonitor({ blockedMs: 500 })),
    'breakwater, not watched': idle(() => new EventLoopMonitor()),
    'breakwater, a LoadShedder': idle(() => new LoadShedder(BOUNDS)),
    'nothing at all': idle(() => 'nothing'),
    'a setInterval of 10 ms': idle(() => setInterval(() => {}, 10)),
    '@fastify/under-pressure': idle(() => underPressure({ maxEventLoopDelay: 1_000, maxRssBytes: 1e15 })),
    'toobusy-js': idle(toobusy),
    'perf_hooks.monitorEventLoopDelay': idle(async () => {
      const { monitorEventLoopDelay } = await import('node:perf_hooks');
      const histogram = monitorEventLoopDelay({ resolution: 10 });
      histogram.enable();
      return histogram;
    }),
  },
};
