// Four threads on one named bucket and one named limiter: never a grant too many, over any span of time.
import { RateLimiter, TokenBucket } from 'breakwater';
import { withThreads } from '../helpers/threads.mjs';

const DAY = 86_400_000;
const THREADS = 4;
/** How long a thread's time is compared with ours, in milliseconds. */
const OFFSET_MS = 30;

/** In each thread, all starting together: how many of `tries` calls pass. */
function race({ RateLimiter, TokenBucket }, _, { Class, options, tries }, gate) {
  const object = Class === 'bucket' ? new TokenBucket(options) : new RateLimiter(options);
  const call = Class === 'bucket' ? () => object.tryAcquire() : () => object.tryAcquire('key');
  Atomics.add(gate, 0, 1);
  while (Atomics.load(gate, 0) < 4);
  let passed = 0;
  for (let i = 0; i < tries; i++) if (call()) passed += 1;
  object.dispose();
  return passed;
}

/** How often four threads together got something else than the limit of 100. */
export async function exactLimit({ rounds }) {
  const wrong = { bucket: 0, limiter: 0 };
  await withThreads(THREADS, async (threads) => {
    for (let round = 0; round < rounds; round++) {
      for (const Class of ['bucket', 'limiter']) {
        const limit = { limit: 100, windowMs: DAY };
        const name = `exact:${round}`;
        const options = Class === 'bucket' ? { name, ...limit } : { name, limits: limit };
        // Held here, so that a thread that is done early does not end the state.
        const held = Class === 'bucket' ? new TokenBucket(options) : new RateLimiter(options);
        const gate = new Int32Array(new SharedArrayBuffer(4));
        const passed = await Promise.all(
          threads.map((thread) => thread.run(race, { Class, options, tries: 1_000 }, gate)),
        );
        if (passed.reduce((a, b) => a + b, 0) !== 100) wrong[Class] += 1;
        held.dispose();
      }
    }
  });
  return wrong;
}

const nanoseconds = () => Number(process.hrtime.bigint());

/**
 * What to add to a thread's time to get at least and at most ours, in nanoseconds: Bun's threads each count from their own start.
 * The closest of the questions that both sides answer without a pause meanwhile.
 */
async function offsetOf(thread) {
  const [idle, asked, over] = [0, 1, 2];
  const flag = new Int32Array(new SharedArrayBuffer(4));
  const time = new Float64Array(new SharedArrayBuffer(8));
  const answered = thread.run(
    (_, __, flag, time) => {
      for (;;) {
        const state = Atomics.load(flag, 0);
        if (state === 2) return;
        if (state === 0) continue;
        time[0] = Number(process.hrtime.bigint());
        Atomics.store(flag, 0, 0);
      }
    },
    flag,
    time,
  );
  let closest = { least: Number.NEGATIVE_INFINITY, most: Number.POSITIVE_INFINITY };
  const end = performance.now() + OFFSET_MS;
  do {
    const before = nanoseconds();
    Atomics.store(flag, 0, asked);
    while (Atomics.load(flag, 0) !== idle);
    const [least, most] = [before - time[0], nanoseconds() - time[0]];
    if (most - least < closest.most - closest.least) closest = { least, most };
  } while (performance.now() < end);
  Atomics.store(flag, 0, over);
  await answered;
  return closest;
}

/** In each thread: takes, waits and aborts for `ms`; the spans in which its grants happened, as [before, after] in nanoseconds. */
async function hammer({ RateLimiter, TokenBucket }, _, { Class, options, ms }) {
  const object = Class === 'bucket' ? new TokenBucket(options) : new RateLimiter(options);
  const key = Class === 'bucket' ? [] : ['key'];
  const now = () => Number(process.hrtime.bigint());
  const grants = [];
  const end = performance.now() + ms;
  const waiting = new Set();
  while (performance.now() < end) {
    for (let i = 0; i < 200; i++) {
      const before = now();
      if (object.tryAcquire(...key, 1)) grants.push([before, now()]);
      if (i % 40 === 0) {
        const controller = new AbortController();
        const wait = object
          .acquire(...key, 1, { maxWaitMs: 5, signal: controller.signal })
          .then(() => grants.push([before, now()]))
          .catch(() => {})
          .finally(() => waiting.delete(wait));
        if (i % 80 === 0) controller.abort();
        waiting.add(wait);
      }
    }
    await new Promise((resolve) => setImmediate(resolve));
  }
  await Promise.all(waiting);
  object.dispose();
  return grants;
}

/**
 * The most by which grants exceeded capacity + rate × span, over all spans: at most 0 when exact. A grant counts for a span when
 * its call lies in it as a whole.
 */
function excess(grants, capacity, perNano) {
  grants.sort(([a], [b]) => a - b);
  let most = Number.NEGATIVE_INFINITY;
  let latest = 0;
  // What a span may start with: the start for which fewest grants would have been allowed.
  let best = Number.NEGATIVE_INFINITY;
  for (const [index, [before, after]] of grants.entries()) {
    latest = Math.max(latest, after);
    best = Math.max(best, perNano * before - index);
    most = Math.max(most, index + 1 + best - perNano * latest - capacity);
  }
  return most;
}

/** What four threads got of a bucket and a limiter in `ms`: how many grants, and the excess over the bound. */
export async function boundOverSpans({ ms }) {
  const figures = [];
  for (const Class of ['bucket', 'limiter']) {
    for (const [capacity, refillPerSecond] of [
      [1, 1_000],
      [50, 20_000],
      [1_000, 50_000],
    ]) {
      const limit = { capacity, refillPerSecond };
      const name = `bound:${capacity}`;
      const options = Class === 'bucket' ? { name, ...limit } : { name, limits: limit };
      const grants = await withThreads(THREADS, async (threads) => {
        const offsets = [];
        for (const thread of threads) offsets.push(await offsetOf(thread));
        const each = await Promise.all(threads.map((thread) => thread.run(hammer, { Class, options, ms })));
        return each.flatMap((grants, index) => {
          const { least, most } = offsets[index];
          return grants.map(([before, after]) => [before + least, after + most]);
        });
      });
      figures.push({
        Class,
        capacity,
        refillPerSecond,
        granted: grants.length,
        excess: excess(grants, capacity, refillPerSecond / 1e9),
      });
    }
  }
  return figures;
}

export const sections = [
  {
    title: 'Exactly the limit over four threads',
    what: '100 rounds: 4 worker threads, all starting together, 1,000 tries each on one named state with a limit of 100 a day.',
    async run() {
      const wrong = await exactLimit({ rounds: 100 });
      return ['bucket', 'limiter'].map((Class) => ({
        figure: `${Class}: rounds with another number than 100 granted`,
        value: wrong[Class],
        must: '0',
        holds: wrong[Class] === 0,
      }));
    },
  },
  {
    title: 'Never more than capacity + rate × T, over any span T',
    what: '4 worker threads take, wait and abort on one named state for 3 s; every grant is kept with the time before and after its call.',
    async run() {
      const figures = await boundOverSpans({ ms: 3_000 });
      return figures.flatMap(({ Class, capacity, refillPerSecond, granted, excess: over }) => [
        { figure: `${Class} of ${capacity}, ${refillPerSecond}/s: calls granted`, value: granted },
        {
          figure: `${Class} of ${capacity}, ${refillPerSecond}/s: most tokens over the bound`,
          value: Math.max(0, over),
          must: '0',
          // Times are doubles of nanoseconds.
          holds: over <= 0.001 && granted > capacity,
        },
      ]);
    },
  },
];
