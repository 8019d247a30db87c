// Bulkheads of one name in many threads: never more at once than there are permits, and nothing is lost with threads that are killed.
// npm test runs it small, npm run torture in full.
import { Bulkhead, list } from 'breakwater';
import { until } from '../helpers/promises.mjs';
import { startThread, withThreads } from '../helpers/threads.mjs';

/** Threads that are alive at once. */
const CROWD = 3;
const ORDERS = ['fifo', 'lifo', 'priority', 'fair'];

/** Runs calls until told to stop, and notes in `seen` how many run at once over all threads: [now, most, done, refused]. */
function work({ Bulkhead }, kept, options, memory, calls) {
  const seen = new Int32Array(memory);
  const bulkhead = new Bulkhead(options);
  let left = calls;
  let under = 0;
  kept.done = new Promise((resolve) => {
    const call = async (i) => {
      const weight = 1 + (i % 2);
      try {
        await bulkhead.execute(
          async () => {
            const now = Atomics.add(seen, 0, weight) + weight;
            for (let most = Atomics.load(seen, 1); now > most; most = Atomics.load(seen, 1)) {
              Atomics.compareExchange(seen, 1, most, now);
            }
            if (i % 3 === 0) await null;
            if (i % 50 === 0) await new Promise((done) => setImmediate(done));
            Atomics.sub(seen, 0, weight);
          },
          { weight, priority: i % 10, key: `key ${i % 5}` },
        );
        Atomics.add(seen, 2, 1);
      } catch {
        Atomics.add(seen, 3, 1);
      }
      under -= 1;
      next();
    };
    const next = () => {
      while (left > 0 && under < 20) {
        left -= 1;
        under += 1;
        call(left);
      }
      if (left === 0 && under === 0) resolve();
    };
    next();
  });
}

/** Four threads run so many calls each through one bulkhead, in each order. */
export async function neverMoreThanPermits({ calls }) {
  const figures = [];
  for (const order of ORDERS) {
    const options = { name: `storm:${order}`, maxConcurrent: 3, maxQueue: 70, order };
    const memory = new SharedArrayBuffer(16);
    const seen = new Int32Array(memory);
    await withThreads(4, async (threads) => {
      const bulkhead = new Bulkhead(options);
      await Promise.all(threads.map((thread) => thread.run(work, options, memory, calls)));
      await Promise.all(threads.map((thread) => thread.run((_, kept) => kept.done)));
      const { active, queued, allowed } = bulkhead.snapshot();
      figures.push(
        { figure: `${order}: permits out at once beyond three`, value: Math.max(0, seen[1] - 3), must: '0' },
        { figure: `${order}: calls that did not settle`, value: 4 * calls - seen[2] - seen[3], must: '0' },
        { figure: `${order}: permits or waiters left`, value: active + queued, must: '0' },
        {
          figure: `${order}: calls let in and not run, or run and not let in`,
          value: allowed - seen[2],
          must: '0',
        },
        { figure: `${order}: calls refused`, value: seen[3] },
      );
      bulkhead.dispose();
    });
  }
  return figures;
}

/** What a thread does until it is killed: holds permits, waits, aborts, constructs and disposes, without a pause. */
function storm({ Bulkhead }, _, options) {
  const bulkhead = new Bulkhead(options);
  const never = () => {};
  let at = 0;
  const round = () => {
    for (let i = 0; i < 20; i++) {
      at += 1;
      const rank = { priority: at % 10, key: `key ${at % 7}` };
      bulkhead.execute(() => (at % 3 ? null : new Promise((done) => setTimeout(done, 1))), rank).catch(never);
      bulkhead
        .acquire({ ...rank, weight: 1 + (at % 3) })
        .then((permit) => setImmediate(() => permit.release()), never);
      const controller = new AbortController();
      bulkhead.acquire({ ...rank, signal: controller.signal }).then((permit) => permit.release(), never);
      if (i % 2) controller.abort();
    }
    const other = new Bulkhead(options);
    other.execute(() => null).catch(never);
    other.dispose();
    setImmediate(round);
  };
  round();
}

/** Kills `times` threads one after another at random instants. */
export async function terminateWithPermits({ times, seed = 1, withinMs = 15 }) {
  let state = seed;
  const random = () => {
    state = (Math.imul(state, 1_103_515_245) + 12_345) >>> 0;
    return state / 2 ** 32;
  };
  const figures = [];
  for (const order of ORDERS) {
    const options = { name: `killed:${order}`, maxConcurrent: 4, maxQueue: 60, order };
    const bulkhead = new Bulkhead(options);
    const crowd = [];
    const join = async () => {
      const thread = await startThread();
      await thread.run(storm, options);
      crowd.push(thread);
    };
    let served = 0;
    try {
      for (let i = 0; i < CROWD; i++) await join();
      for (let i = 0; i < times; i++) {
        await new Promise((resolve) => setTimeout(resolve, random() * withinMs));
        await crowd.splice(Math.floor(random() * crowd.length), 1)[0].terminate();
        // The bulkhead goes on: a call of this thread gets its turn, unless the line is full or somebody else goes first.
        await bulkhead
          .execute(() => {}, { priority: 9, key: 'mine' })
          .then(
            () => {
              served += 1;
            },
            () => {},
          );
        await join();
      }
    } finally {
      await Promise.all(crowd.map((thread) => thread.terminate()));
    }
    await until(() => bulkhead.active === 0 && bulkhead.queued === 0);
    const { active, queued } = bulkhead.snapshot();
    bulkhead.dispose();
    const names = list().filter(({ name }) => name === options.name).length;
    figures.push(
      { figure: `${order}: permits left out`, value: active, must: '0' },
      { figure: `${order}: waiters left`, value: queued, must: '0' },
      { figure: `${order}: names left`, value: names, must: '0' },
      { figure: `${order}: calls of this thread that were served`, value: served },
    );
  }
  return figures;
}

export const sections = [
  {
    title: 'Never more calls at once than there are permits',
    what: '4 worker threads run 100,000 calls each, of weight 1 and 2, through one bulkhead of three permits with 70 places, in each order.',
    run: () => neverMoreThanPermits({ calls: 100_000 }),
  },
  {
    title: 'Threads killed at random instants with permits out and calls in the line',
    what: '100 worker.terminate() in each order: 3 threads run, wait, abort, construct and dispose on a named bulkhead, without a pause.',
    run: () => terminateWithPermits({ times: 100 }),
  },
];
