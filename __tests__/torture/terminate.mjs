// Threads are killed at random instants while they use named state under load: nothing crashes, nothing is lost, and the state
// goes on. npm test runs it small, npm run torture in full.
import { list, RateLimiter, TokenBucket } from 'breakwater';
import { until } from '../helpers/promises.mjs';
import { startThread } from '../helpers/threads.mjs';

/** Threads that are alive at once. */
const CROWD = 3;
const BUCKET = { name: 'storm:bucket', capacity: 20, refillPerSecond: 20_000 };
const LIMITER = { name: 'storm:limiter', limits: { limit: 2, windowMs: 2 } };

/** What a thread does until it is killed: takes, waits, gives back, aborts, constructs and disposes, without a pause. */
function work({ RateLimiter, TokenBucket }, _, bucketOptions, limiterOptions) {
  const bucket = new TokenBucket(bucketOptions);
  const limiter = new RateLimiter(limiterOptions);
  const never = () => {};
  const round = () => {
    for (let i = 0; i < 50; i++) {
      const key = `key ${i % 7}`;
      bucket.tryAcquire();
      // Bounded, so that the line stays a few hundred long and survivors get their turn.
      bucket.acquire(1 + (i % 3), { maxWaitMs: 50 }).catch(never);
      limiter.tryAcquire(key);
      limiter.acquire(key, 1, { maxWaitMs: 50 }).catch(never);
      const controller = new AbortController();
      const { signal } = controller;
      bucket.acquire(2, { signal, maxWaitMs: 50 }).catch(never);
      limiter.acquire(key, 1, { signal, maxWaitMs: 50 }).catch(never);
      if (i % 2) controller.abort();
    }
    new TokenBucket(bucketOptions).dispose();
    new RateLimiter(limiterOptions).dispose();
    setImmediate(round);
  };
  round();
}

/** Kills `times` threads one after another; answers the figures that must all be 0, and what the survivors saw. */
export async function terminateStorm({ times, seed = 1, withinMs = 15 }) {
  let state = seed;
  const random = () => {
    state = (Math.imul(state, 1_103_515_245) + 12_345) >>> 0;
    return state / 2 ** 32;
  };
  const bucket = new TokenBucket(BUCKET);
  const limiter = new RateLimiter(LIMITER);
  const crowd = [];
  const join = async () => {
    const thread = await startThread();
    await thread.run(work, BUCKET, LIMITER);
    crowd.push(thread);
  };
  let served = 0;
  try {
    for (let i = 0; i < CROWD; i++) await join();
    for (let i = 0; i < times; i++) {
      await new Promise((resolve) => setTimeout(resolve, random() * withinMs));
      await crowd.splice(Math.floor(random() * crowd.length), 1)[0].terminate();
      // The named state goes on: a waiter of this thread gets its turn behind those of the others.
      await bucket.acquire();
      await limiter.acquire('mine');
      served += 1;
      if (times - i > CROWD) await join();
    }
  } finally {
    for (const thread of crowd) await thread.terminate();
  }
  await until(
    () => bucket.snapshot().waiting === 0 && limiter.snapshot().waiting === 0,
    'an empty line',
    5_000,
  ).catch(() => {});
  const left = { bucket: bucket.snapshot(), limiter: limiter.snapshot() };
  // All tokens come back: nobody holds any, so the bucket fills up.
  await until(() => bucket.available === BUCKET.capacity, 'a full bucket', 5_000).catch(() => {});
  const missing = BUCKET.capacity - bucket.available;
  bucket.dispose();
  limiter.dispose();
  return {
    killed: times,
    served,
    waiting: left.bucket.waiting + left.limiter.waiting,
    missingTokens: missing,
    namesLeft: list().filter(({ name }) => name.startsWith('storm:')).length,
    allowed: left.bucket.allowed + left.limiter.allowed,
  };
}

export const sections = [
  {
    title: 'Threads killed at random instants',
    what: '100 worker.terminate() under load: 3 threads take, wait, abort, construct and dispose on a named bucket with waiters and a named limiter with reservations, without a pause; whoever is killed is replaced.',
    async run() {
      const { served, waiting, missingTokens, namesLeft, allowed } = await terminateStorm({ times: 100 });
      return [
        {
          figure: 'kills after which the state went on',
          value: served,
          must: '100',
          holds: served === 100,
        },
        { figure: 'waiters left', value: waiting, must: '0', holds: waiting === 0 },
        {
          figure: 'tokens that did not come back',
          value: missingTokens,
          must: '0',
          holds: missingTokens === 0,
        },
        { figure: 'names left', value: namesLeft, must: '0', holds: namesLeft === 0 },
        { figure: 'calls granted meanwhile', value: allowed },
      ];
    },
  },
];
