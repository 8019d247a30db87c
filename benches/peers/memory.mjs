/**
 * Resident memory per key with a million keys, and how many of them are still counted. The keys are built in the loop: who keeps
 * them pays for them. Before the first figure is taken a small instance has met some keys, and the loop has run over keys that
 * nobody keeps: what is there once, such as code and the runtime's own room to collect in, is no key's.
 */
import { setImmediate, setTimeout } from 'node:timers/promises';
import { RateLimiter } from './ours.mjs';
import { PEERS } from './peers.mjs';

const LIMIT = { limit: 100, windowMs: 3_600_000 };

const keyOf = (id) => `user:${id}`;

async function settled() {
  for (let round = 0; round < 4; round++) {
    if (globalThis.Bun === undefined) globalThis.gc?.();
    else Bun.gc(true);
    await setTimeout(20);
  }
  return process.memoryUsage();
}

/** A call for every key, with a turn of the event loop now and then, as a server has them. */
async function fill(count, take) {
  for (let id = 0; id < count; id++) {
    const answer = take(keyOf(id));
    if (answer instanceof Promise) await answer;
    if ((id & 0x3fff) === 0) await setImmediate();
  }
}

/** `open(count)` answers `{ take, knows }`, which must hold on to the keys while the figures are taken. */
function measured(open) {
  return async ({ quick }) => {
    const count = quick ? 1_000 : 1_000_000;
    let length = 0;
    await fill(1_000, (await open(1_000)).take);
    for (let round = 0; round < 3; round++) {
      await fill(count, (key) => {
        length += key.length;
      });
    }
    const before = await settled();
    const { take, knows } = await open(count);
    const start = performance.now();
    await fill(count, take);
    const fillMs = performance.now() - start;
    const after = await settled();
    let known = 0;
    for (let id = 0; id < count; id++) if (await knows(keyOf(id))) known++;
    return {
      keys: count,
      rssPerKey: (after.rss - before.rss) / count,
      heapPerKey: (after.heapUsed - before.heapUsed) / count,
      knownShare: known / count,
      fillNsPerKey: (fillMs * 1e6) / count,
      keyLength: length / count / 3,
    };
  };
}

const contestants = {
  breakwater: measured((count) => {
    const limiter = new RateLimiter({ limits: LIMIT, maxKeys: count });
    return {
      take: (key) => limiter.tryAcquire(key),
      knows: (key) => limiter.peek(key).remaining < LIMIT.limit,
    };
  }),
};
for (const [name, { open }] of Object.entries(PEERS)) {
  contestants[name] = measured((count) => open({ ...LIMIT, maxKeys: count }));
}
contestants['a bare Map from key to number'] = measured(() => {
  const map = new Map();
  return { take: (key) => void map.set(key, 1), knows: (key) => map.has(key) };
});
contestants['nothing (the error of the method)'] = measured(() => ({ take() {}, knows: () => false }));

export const benches = { 'memory/rss/1m-keys': contestants };
