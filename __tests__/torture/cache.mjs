// Threads are killed at random instants while they load through one named cache, delete and invalidate: every surviving caller
// settles, no key stays locked, nobody gets what was deleted before they asked, and the bound holds. npm test runs it small,
// npm run torture in full.
import { Cache, list } from 'breakwater';
import { until } from '../helpers/promises.mjs';
import { startThread } from '../helpers/threads.mjs';

/** Threads that are alive at once, besides this one. */
const CROWD = 4;
const KEYS = 24;
/** Room for about half of the keys. */
const MAX_BYTES = 4_000;

/** Words that all threads share: for each key what is true, and what everybody must know by now; then counters. */
const TRUTH = 0;
const KNOWN = KEYS;
const ASKED = 2 * KEYS;
const SETTLED = ASKED + 1;
const TOO_OLD = ASKED + 2;
const FAILED = ASKED + 3;
const WORDS = ASKED + 4;

/** What a thread does until it is killed or told to stop: asks, deletes, invalidates, gives up, without a pause. */
function work({ Cache }, kept, options, shared, layout, seed) {
  const { KEYS, TRUTH, KNOWN, ASKED, SETTLED, TOO_OLD, FAILED } = layout;
  const words = new Int32Array(shared);
  const cache = new Cache(options);
  kept.cache = cache;
  kept.asked = 0;
  kept.settled = 0;
  let state = seed;
  const chance = (below) => {
    state = (Math.imul(state, 1_103_515_245) + 12_345) >>> 0;
    return Math.floor((state / 2 ** 32) * below);
  };
  const loader = (key) => async (load) => {
    const version = Atomics.load(words, TRUTH + key);
    if (chance(3) > 0) await new Promise((resolve) => setTimeout(resolve, chance(4)));
    if (chance(20) === 0) throw new Error('upstream');
    if (chance(20) === 0) return load.skip({ version, padding: '' });
    return { version, padding: 'x'.repeat(chance(300)) };
  };
  const ask = async () => {
    const key = chance(KEYS);
    const known = Atomics.load(words, KNOWN + key);
    const controller = chance(5) === 0 ? new AbortController() : undefined;
    kept.asked += 1;
    Atomics.add(words, ASKED, 1);
    const options = { tags: [`tag ${key}`], signal: controller?.signal, forceRefresh: chance(50) === 0 };
    const asked = cache.getOrLoad(`key ${key}`, loader(key), options);
    if (controller) setTimeout(() => controller.abort(), chance(3));
    try {
      const { version } = await asked;
      if (version < known) Atomics.add(words, TOO_OLD, 1);
    } catch (error) {
      if (error.message !== 'upstream' && error.name !== 'AbortError') Atomics.add(words, FAILED, 1);
    }
    kept.settled += 1;
    Atomics.add(words, SETTLED, 1);
  };
  const change = () => {
    const key = chance(KEYS);
    const version = Atomics.add(words, TRUTH + key, 1) + 1;
    if (chance(2)) cache.delete(`key ${key}`);
    else cache.invalidateTag(`tag ${key}`);
    // Another thread may be further already.
    for (let known = Atomics.load(words, KNOWN + key); known < version; ) {
      known = Atomics.compareExchange(words, KNOWN + key, known, version);
    }
  };
  const round = () => {
    if (kept.stop) return;
    for (let asked = 0; asked < 20; asked++) ask();
    if (chance(2)) change();
    setTimeout(round, 1);
  };
  round();
}

/** Kills threads for so long; answers the figures that must all be 0, and what went on. */
export async function cacheStorm({ ms, killEveryMs, seed = 1, name = 'storm:cache' }) {
  const options = { name, codec: 'json', maxBytes: MAX_BYTES, ttlMs: 20, staleIfErrorMs: 0, leaseMs: 5_000 };
  const layout = { KEYS, TRUTH, KNOWN, ASKED, SETTLED, TOO_OLD, FAILED };
  const shared = new SharedArrayBuffer(4 * WORDS);
  const words = new Int32Array(shared);
  const cache = new Cache(options);
  let threads = 0;
  const crowd = [];
  const join = async () => {
    const thread = await startThread();
    threads += 1;
    await thread.run(work, options, shared, layout, seed + threads);
    crowd.push(thread);
  };
  let killed = 0;
  let overBound = 0;
  try {
    for (let i = 0; i < CROWD; i++) await join();
    const end = performance.now() + ms;
    let state = seed;
    while (performance.now() < end) {
      state = (Math.imul(state, 1_103_515_245) + 12_345) >>> 0;
      await new Promise((resolve) => setTimeout(resolve, (state / 2 ** 32) * 2 * killEveryMs));
      overBound += cache.snapshot().bytes > MAX_BYTES ? 1 : 0;
      await crowd.splice(state % crowd.length, 1)[0].terminate();
      killed += 1;
      // This thread asks too: whoever led may just have died.
      await Promise.all(
        Array.from({ length: KEYS }, (_, key) =>
          cache
            .getOrLoad(`key ${key}`, () => ({ version: Atomics.load(words, TRUTH + key) }), {
              tags: [`tag ${key}`],
            })
            .catch(() => {}),
        ),
      );
      await join();
    }
    const stopped = (_, kept) => {
      kept.stop = true;
      return [kept.asked, kept.settled];
    };
    for (const thread of crowd) await thread.run(stopped);
    let unsettled = 0;
    for (const thread of crowd) {
      const open = async () => {
        const [asked, settled] = await thread.run(stopped);
        return asked - settled;
      };
      const deadline = performance.now() + 10_000;
      while ((await open()) > 0 && performance.now() < deadline)
        await new Promise((resolve) => setTimeout(resolve, 5));
      unsettled += await open();
    }
    await until(() => cache.snapshot().loading === 0, 'no load under way', 5_000).catch(() => {});
    const { loading, waiting, hits, misses, lookups, loads } = cache.snapshot();
    return {
      killed,
      unsettled,
      locked: loading + waiting,
      tooOld: Atomics.load(words, TOO_OLD),
      failed: Atomics.load(words, FAILED),
      overBound,
      unaccounted: lookups - hits - misses,
      lookups,
      loads,
      ...(await namesLeft()),
    };
  } finally {
    for (const thread of crowd) await thread.terminate();
    cache.dispose();
  }

  async function namesLeft() {
    for (const thread of crowd.splice(0)) await thread.terminate();
    cache.dispose();
    return { namesLeft: list().filter((each) => each.name === name).length };
  }
}

const none = (figure, value) => ({ figure, value, must: '0', holds: value === 0 });

export const sections = [
  {
    title: 'Threads killed while they load through a cache',
    what: '60 s of worker.terminate() at random instants, about ten a second: 4 threads and this one ask for 24 keys of one named cache with room for half of them, 20 callers at a time, with loads that take up to 4 ms, fail, skip or are aborted, while keys are deleted and tags invalidated; whoever is killed is replaced.',
    async run() {
      const storm = await cacheStorm({ ms: 60_000, killEveryMs: 30 });
      return [
        { figure: 'threads killed', value: storm.killed },
        { figure: 'look-ups', value: storm.lookups },
        { figure: 'loads', value: storm.loads },
        none('callers of survivors that did not settle', storm.unsettled),
        none('keys that stayed locked, and waiters that stayed', storm.locked),
        none('values that were deleted before they were asked for', storm.tooOld),
        none('calls that failed otherwise', storm.failed),
        none('looks at which the bound did not hold', storm.overBound),
        none('look-ups that are neither hits nor misses', storm.unaccounted),
        none('names left', storm.namesLeft),
      ];
    },
  },
];
