/**
 * Cache beside lru-cache, async-cache-dedupe, bentocache and cacheable: 100,000 keys by Zipf's law, all of them there, each with a
 * string of 1 KB. A missing key: a hundred callers at once, and a load that takes a turn of the promises.
 */

import { awaited, sync } from './calls.mjs';
import { allKeys, KEYS, zipfKeys } from './keys.mjs';
import { Cache } from './ours.mjs';
import { bento, cacheableOf, dedupeCache, LRU } from './peers.mjs';

const TTL_MS = 3_600_000;
const VALUE = 'v'.repeat(1_024);
const isValue = (answer) => answer.length === VALUE.length;
/** A string of its own for each key, in one piece, as from a database. */
const textFor = (key) => Buffer.from(key.padEnd(VALUE.length, 'v')).toString('latin1');

const unnamed = () => new Cache({ maxEntries: KEYS, ttlMs: TTL_MS });
const named = (options) => () =>
  new Cache({ name: 'bench', codec: 'string', maxEntries: KEYS, ttlMs: TTL_MS, ...options });
const WITH_FRONT = { front: { maxEntries: KEYS } };

/** Each has what an operation needs: `set(key, value)`, `get(key)` and `load(key, loader)`. */
const CACHES = {
  breakwater: unnamed,
  'breakwater, named': named(),
  'breakwater, named with front': named(WITH_FRONT),
};

const lru = (options) => LRU({ max: KEYS, ttl: TTL_MS, fetchMethod: async () => VALUE, ...options });

/** All keys there, and each asked for once; then hits, by the call that `open` makes of a cache. */
const hits = (run, open) =>
  run(async (options) => {
    const { set, get } = await open();
    for (const key of allKeys(options)) await set(key);
    for (const key of allKeys(options)) await get(key);
    const keyOf = zipfKeys(options);
    return (call) => get(keyOf(call));
  }, isValue);

const oursBy = (open, get) => async () => {
  const cache = open();
  return { set: (key) => cache.set(key, textFor(key)), get: get(cache) };
};
const load = () => VALUE;
const each = (run, get) =>
  Object.fromEntries(Object.entries(CACHES).map(([name, open]) => [name, hits(run, oursBy(open, get))]));

const bentoHit = (get) => async () => {
  const cache = await bento({ maxItems: KEYS, ttl: TTL_MS });
  return { set: (key) => cache.set({ key, value: textFor(key) }), get: get(cache) };
};
const cacheableHit = (get) => async () => {
  const cache = await cacheableOf({ lruSize: KEYS, ttl: TTL_MS });
  return { set: (key) => cache.set(key, textFor(key)), get: get(cache) };
};
const dedupeHit = async () => {
  const storage = { type: 'memory', options: { size: KEYS } };
  const get = dedupeCache({ ttl: TTL_MS / 1_000, storage }, async (key) => textFor(key));
  return { set: get, get };
};

/** A hundred callers of one key that is not there. */
const missing = (open) =>
  awaited(async ({ quick }) => {
    const ask = await open();
    const callers = quick ? 5 : 100;
    return async (call) => {
      const asked = [];
      for (let caller = 0; caller < callers; caller++) asked.push(ask(`missing:${call}`));
      const values = await Promise.all(asked);
      return values[callers - 1];
    };
  }, isValue);

const loadsAsync = async () => VALUE;

export const benches = {
  'cache/get/hit': {
    ...each(sync, (cache) => (key) => cache.get(key)),
    'lru-cache with ttl': hits(sync, async () => {
      const cache = await lru();
      return { set: (key) => cache.set(key, textFor(key)), get: (key) => cache.get(key) };
    }),
    'lru-cache': hits(sync, async () => {
      const cache = await lru({ ttl: 0 });
      return { set: (key) => cache.set(key, textFor(key)), get: (key) => cache.get(key) };
    }),
    bentocache: hits(
      awaited,
      bentoHit((cache) => (key) => cache.get({ key })),
    ),
    cacheable: hits(
      awaited,
      cacheableHit((cache) => (key) => cache.get(key)),
    ),
    'a bare Map': hits(sync, async () => {
      const map = new Map();
      return { set: (key) => map.set(key, textFor(key)), get: (key) => map.get(key) };
    }),
  },
  'cache/getOrLoad/hit': {
    ...each(awaited, (cache) => (key) => cache.getOrLoad(key, load)),
    'lru-cache fetch': hits(awaited, async () => {
      const cache = await lru();
      return { set: (key) => cache.set(key, textFor(key)), get: (key) => cache.fetch(key) };
    }),
    'async-cache-dedupe': hits(awaited, dedupeHit),
    bentocache: hits(
      awaited,
      bentoHit((cache) => (key) => cache.getOrSet({ key, factory: load })),
    ),
    cacheable: hits(
      awaited,
      cacheableHit((cache) => (key) => cache.getOrSet(key, loadsAsync)),
    ),
  },
  'cache/getOrLoad/100-callers-1-missing': {
    ...Object.fromEntries(
      Object.entries(CACHES).map(([name, open]) => [
        name,
        missing(() => {
          const cache = open();
          return (key) => cache.getOrLoad(key, loadsAsync);
        }),
      ]),
    ),
    'lru-cache fetch': missing(async () => {
      const cache = await lru();
      return (key) => cache.fetch(key);
    }),
    'async-cache-dedupe': missing(() => {
      const storage = { type: 'memory', options: { size: KEYS } };
      return dedupeCache({ ttl: TTL_MS / 1_000, storage }, loadsAsync);
    }),
    bentocache: missing(async () => {
      const cache = await bento({ maxItems: KEYS, ttl: TTL_MS });
      return (key) => cache.getOrSet({ key, factory: loadsAsync });
    }),
    cacheable: missing(async () => {
      const cache = await cacheableOf({ lruSize: KEYS, ttl: TTL_MS });
      return (key) => cache.getOrSet(key, loadsAsync);
    }),
  },
  'cache/set/new': {
    ...Object.fromEntries(
      Object.entries({ breakwater: unnamed, 'breakwater, named': named() }).map(([name, open]) => [
        name,
        sync(
          () => {
            const cache = open();
            return (call) => cache.set(`key:${call}`, VALUE);
          },
          (answer) => answer === true,
        ),
      ]),
    ),
    'lru-cache with ttl': sync(
      async () => {
        const cache = await lru();
        return (call) => cache.set(`key:${call}`, VALUE);
      },
      (answer) => answer !== undefined,
    ),
  },
};
