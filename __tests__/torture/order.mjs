// Waiters of four threads in one line: served in order of arrival, and nobody is left behind.
import { TokenBucket } from 'breakwater';
import { until } from '../helpers/promises.mjs';
import { withThreads } from '../helpers/threads.mjs';

/** How many of `waiters` that arrived one by one over four threads were served out of order. */
export async function servedOutOfOrder({ waiters }) {
  const options = { name: 'order', limit: 1, windowMs: 86_400_000, initialTokens: 0 };
  const bucket = new TokenBucket(options);
  const served = new Int32Array(new SharedArrayBuffer(4 * (waiters + 1)));
  const outOfOrder = await withThreads(4, async (threads) => {
    const open = ({ TokenBucket }, kept, options) => {
      kept.bucket = new TokenBucket(options);
    };
    await Promise.all(threads.map((thread) => thread.run(open, options)));
    const wait = (_, { bucket }, id, served) => {
      bucket.acquire().then(() => Atomics.store(served, Atomics.add(served, 0, 1) + 1, id));
    };
    for (let id = 0; id < waiters; id++) await threads[(id * 7 + (id >> 3)) % 4].run(wait, id, served);
    let wrong = 0;
    for (let turn = 0; turn < waiters; turn++) {
      bucket.refund(1);
      await until(() => Atomics.load(served, 0) === turn + 1, `turn ${turn}`);
      await until(() => turn === 0 || served[turn + 1] !== 0, `turn ${turn}`);
      if (served[turn + 1] !== turn) wrong += 1;
    }
    return wrong;
  });
  const { waiting } = bucket.snapshot();
  bucket.dispose();
  return { outOfOrder, waiting };
}

/** What is left of `waiters` that were aborted in random order while others were served. */
export async function abortStorm({ waiters, seed = 1 }) {
  let state = seed;
  const random = () => {
    state = (Math.imul(state, 1_103_515_245) + 12_345) >>> 0;
    return state / 2 ** 32;
  };
  const options = { name: 'aborts', capacity: 100, refillPerSecond: 20_000, maxWaiters: 1_000_000 };
  const buckets = Array.from({ length: 3 }, () => new TokenBucket(options));
  const settled = { fulfilled: 0, rejected: 0 };
  const controllers = [];
  const promises = [];
  for (let i = 0; i < waiters; i++) {
    const controller = new AbortController();
    controllers.push(controller);
    promises.push(
      buckets[i % 3].acquire(1 + (i % 5), { signal: controller.signal }).then(
        () => settled.fulfilled++,
        () => settled.rejected++,
      ),
    );
  }
  while (controllers.length > 0) {
    for (let i = 0; i < 50 && controllers.length > 0; i++) {
      controllers.splice(Math.floor(random() * controllers.length), 1)[0].abort();
    }
    await new Promise((resolve) => setImmediate(resolve));
  }
  await Promise.all(promises);
  const { waiting, allowed } = buckets[0].snapshot();
  for (const bucket of buckets) bucket.dispose();
  return { ...settled, waiting, allowed };
}

export const sections = [
  {
    title: 'One line over four threads',
    what: '2,000 waiters arrive one by one in 4 worker threads; tokens come one by one.',
    async run() {
      const { outOfOrder, waiting } = await servedOutOfOrder({ waiters: 2_000 });
      return [
        { figure: 'served out of order', value: outOfOrder, must: '0', holds: outOfOrder === 0 },
        { figure: 'still waiting in the end', value: waiting, must: '0', holds: waiting === 0 },
      ];
    },
  },
  {
    title: 'Aborts at random',
    what: '20,000 waiters on one bucket of 20,000 tokens a second, all aborted in random order while they are served.',
    async run() {
      const { fulfilled, rejected, waiting, allowed } = await abortStorm({ waiters: 20_000 });
      return [
        { figure: 'served', value: fulfilled, must: 'more than 0', holds: fulfilled > 0 },
        { figure: 'aborted', value: rejected, must: 'all others', holds: fulfilled + rejected === 20_000 },
        {
          figure: 'counted as granted without having been served',
          value: allowed - fulfilled,
          must: '0',
          holds: allowed === fulfilled,
        },
        { figure: 'still waiting in the end', value: waiting, must: '0', holds: waiting === 0 },
      ];
    },
  },
];
