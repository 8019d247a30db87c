/**
 * Resident memory per key with a million keys, and how many of them are still counted; and the same of 10,000 circuit breakers, one
 * for each key. The keys are built in the loop: who keeps them pays for them. Before the first figure is taken a small instance has met some keys, and the loop has run over keys that
 * nobody keeps: what is there once, such as code and the runtime's own room to collect in, is no key's.
 */
import { setImmediate, setTimeout } from 'node:timers/promises';
import { succeeds } from './breaker.mjs';
import { CircuitBreaker, keyed, RateLimiter } from './ours.mjs';
import { cockatielBreaker, opossumBreaker, PEERS } from './peers.mjs';

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
function measured(open, keys = 1_000_000) {
  return async ({ quick }) => {
    const count = quick ? 1_000 : keys;
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

const BREAKERS = 10_000;

/** A breaker of a peer for each key, in a Map, with one call made through it. */
const breakers = (make, call) =>
  measured(() => {
    const map = new Map();
    const made = async (key) => {
      const breaker = await make();
      map.set(key, breaker);
      return call(breaker);
    };
    return { take: made, knows: (key) => map.has(key) };
  }, BREAKERS);

export const benches = {
  'memory/rss/1m-keys': contestants,
  'memory/rss/10k-breakers': {
    breakwater: measured((count) => {
      const all = keyed((key) => new CircuitBreaker({ label: key }), { maxKeys: count });
      return {
        take: (key) => all.for(key).execute(succeeds),
        knows: (key) => all.for(key).snapshot().succeeded === 1,
      };
    }, BREAKERS),
    'cockatiel, Consecutive': breakers(
      () => cockatielBreaker('Consecutive', 5),
      (breaker) => breaker.execute(succeeds),
    ),
    'cockatiel, Sampling': breakers(
      () => cockatielBreaker('Sampling', { threshold: 0.2, duration: 30_000 }),
      (breaker) => breaker.execute(succeeds),
    ),
    opossum: breakers(
      () => opossumBreaker(succeeds),
      (breaker) => breaker.fire(),
    ),
  },
};
