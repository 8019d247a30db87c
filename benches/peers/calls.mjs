/**
 * What one call costs. Samples of about 250 µs, so that most of them end before the scheduler gives the CPU to someone else, with a
 * turn of the event loop between them, outside the time taken, so that timers and promises go on as in a server. mitata takes
 * the samples (`measure` in manual mode).
 *
 * `sync(open, holds)`, `awaited(open, holds)` and `batch(open, holds)` make a contestant. `open(options)` answers the call:
 * - sync: `call(i)`, n in a loop
 * - awaited: `await call(i)`, n one after another; a rejection is an answer too
 * - batch: `await call(n)`, which does n calls itself
 * `holds(answer)` is asked about the last answer, so that nobody measures a call that fails.
 *
 * Figures, in ns for one call: `ns` the median sample, `best` the fastest, `cpuNs` CPU time of the whole process (compiler and
 * collector threads included; samples that met the collector are above the median, but are counted here); `cpuShare` of one CPU
 * that the process got while it was measured.
 */
import { setImmediate } from 'node:timers/promises';

export const now = globalThis.Bun === undefined ? () => performance.now() * 1e6 : Bun.nanoseconds;

const SAMPLE_NS = 250e3;
const WARM_UP_NS = 300e6;
const MEASURED_NS = 350e6;

export const sync = (open, holds) => (options) => figures(loops.sync, open, holds, options);
export const awaited = (open, holds) => (options) => figures(loops.awaited, open, holds, options);
export const batch = (open, holds) => (options) => figures(loops.batch, open, holds, options);

/** Each answers `[ns, last answer]`. */
const loops = {
  async sync(call, from, n) {
    let answer;
    const start = now();
    for (let i = from; i < from + n; i++) answer = call(i);
    return [now() - start, answer];
  },
  async awaited(call, from, n) {
    let answer;
    const start = now();
    for (let i = from; i < from + n; i++) {
      try {
        answer = await call(i);
      } catch (refusal) {
        answer = refusal;
      }
    }
    return [now() - start, answer];
  },
  async batch(call, _from, n) {
    const start = now();
    const answer = await call(n);
    return [now() - start, answer];
  },
};

async function figures(loop, open, holds, options) {
  const call = await open(options);
  let answer;
  let done = 0;
  let n = options.quick ? 3 : 20;
  const sample = async () => {
    const [ns, last] = await loop(call, done, n);
    done += n;
    answer = last;
    await setImmediate();
    return ns;
  };

  let samples;
  let cpu = { user: 0, system: 0 };
  let wallNs = 0;
  const before = () => {
    done = 0;
    cpu = process.cpuUsage();
    wallNs = now();
  };
  if (options.quick) {
    before();
    samples = [await sample(), await sample()];
  } else {
    const { measure } = await import('mitata');
    n = await settle(sample, (next) => {
      n = next;
    });
    before();
    const limits = { manual: 'manual', gc: false, min_cpu_time: MEASURED_NS, min_samples: 12 };
    ({ samples } = await measure(sample, limits));
  }
  wallNs = now() - wallNs;
  cpu = process.cpuUsage(cpu);
  if (!holds(answer)) throw new Error(`the last call answered ${JSON.stringify(answer)}`);

  samples.sort((a, b) => a - b);
  const cpuNs = (cpu.user + cpu.system) * 1e3;
  const round = (ns) => Number(ns.toPrecision(4));
  return {
    ns: round(samples[(samples.length - 1) >> 1] / n),
    best: round(samples[0] / n),
    cpuNs: round(cpuNs / done),
    cpuShare: round(cpuNs / wallNs),
  };
}

/** Warms up, and answers how many calls make a sample of the wanted length. */
async function settle(sample, resize) {
  const start = now();
  let n = 20;
  const toward = (ns) => {
    n = Math.max(1, Math.min(1e6, Math.round((n * SAMPLE_NS) / Math.max(ns, 1e3))));
    resize(n);
  };
  for (let taken = 1; taken < 16 || now() - start < WARM_UP_NS; taken++) {
    const ns = await sample();
    if (taken % 8 === 0) toward(ns);
  }
  // The fastest of some samples is one that nobody disturbed.
  let best = Infinity;
  for (let taken = 0; taken < 15; taken++) best = Math.min(best, await sample());
  toward(best);
  for (let taken = 0; taken < 15; taken++) await sample();
  return n;
}
