// What comes and goes leaves nothing behind: threads, objects, names.
import { list, RateLimiter, TokenBucket } from 'breakwater';
import { residentMegabytes } from '../helpers/memory.mjs';
import { startThread } from '../helpers/threads.mjs';

/** What a short-lived thread does. */
async function work({ ManualClock, RateLimiter, TokenBucket }, kept, end) {
  const clock = new ManualClock();
  kept.bucket = new TokenBucket({ name: 'memory', capacity: 10, refillPerSecond: 1_000 });
  kept.limiter = new RateLimiter({ name: 'memory', limits: { limit: 5, windowMs: 1_000 } });
  const own = new RateLimiter({ limits: { limit: 5, windowMs: 1_000 }, clock });
  for (let i = 0; i < 20_000; i++) {
    own.tryAcquire(`own ${i}`);
    kept.limiter.tryAcquire(`shared ${i % 1_000}`);
  }
  await kept.bucket.acquire(2);
  kept.limiter.acquire('shared 1').catch(() => {});
  kept.bucket.acquire(10).catch(() => {});
  if (end === 'dispose') {
    kept.bucket.dispose();
    kept.limiter.dispose();
    own.dispose();
  }
}

/** Megabytes by which the process grew over `threads` short-lived threads, after as many as `first` had passed. */
export async function growthOverThreads({ threads, first }) {
  const live = async (i) => {
    const thread = await startThread();
    await thread.run(work, i % 3 === 0 ? 'dispose' : 'leave');
    await (i % 2 ? thread.terminate() : thread.end());
  };
  // As a thread of the process holds the names, their state outlives all of these threads.
  const bucket = new TokenBucket({ name: 'memory', capacity: 10, refillPerSecond: 1_000 });
  const limiter = new RateLimiter({ name: 'memory', limits: { limit: 5, windowMs: 1_000 } });
  for (let i = 0; i < first; i++) await live(i);
  const before = await residentMegabytes();
  for (let i = 0; i < threads; i++) await live(i);
  const grown = (await residentMegabytes()) - before;
  const waiting = bucket.snapshot().waiting + limiter.snapshot().waiting;
  bucket.dispose();
  limiter.dispose();
  return { grown, waiting, names: list().length };
}

/** The most megabytes that limiters took which were dropped without a word: 2.2 each. */
export async function growthOverDropped({ limiters }) {
  const keys = Array.from({ length: 2_000 }, (_, i) => `key ${i}`);
  const before = await residentMegabytes();
  let most = 0;
  for (let i = 0; i < limiters; i++) {
    const limiter = new RateLimiter({ limits: { limit: 5, windowMs: 1_000 } });
    for (const key of keys) limiter.tryAcquire(key);
    most = Math.max(most, process.memoryUsage.rss() / 1e6 - before);
    if (i % 10 === 9) await new Promise((resolve) => setImmediate(resolve));
  }
  return most;
}

const round = (value) => Number(value.toFixed(1));

export const sections = [
  {
    title: 'Threads that come and go',
    what: '100 short-lived worker threads, after 20 to warm up, on a named bucket and a named limiter and on state of their own (2.2 MB each); half of them killed, a third having disposed, the others waiting.',
    async run() {
      const { grown, waiting, names } = await growthOverThreads({ threads: 100, first: 20 });
      return [
        {
          figure: 'MB by which the process grew',
          value: round(grown),
          must: 'at most 30; their state takes 220',
          holds: grown <= 30,
        },
        { figure: 'waiters left', value: waiting, must: '0', holds: waiting === 0 },
        { figure: 'names left', value: names, must: '0', holds: names === 0 },
      ];
    },
  },
  {
    title: 'Limiters that are dropped',
    what: '3,000 limiters of 2.2 MB, each dropped without dispose, no collection asked for.',
    async run() {
      const most = await growthOverDropped({ limiters: 3_000 });
      return [
        {
          figure: 'MB at most',
          value: round(most),
          must: 'at most 500; all of them take 6,600',
          holds: most <= 500,
        },
      ];
    },
  },
];
