/**
 * A million entries of 1 KB: what they take, and how long the program stands still while they are read and replaced. `memory/cache`:
 * resident bytes for each beyond key and value; then two million calls, half of them hits by Zipf's law, half of them values of new keys,
 * for each of which another has to go: the longest 100 calls together, and the longest collection (Bun does not tell). Before the first
 * figure is taken the loop has run over keys that nobody keeps: the runtime's own room to collect in is no entry's.
 * `stall/cache`: the longest call while the cache grows to a million entries and then churns them, as `stall.mjs` measures.
 */
import { writeFileSync } from 'node:fs';
import { setImmediate } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { now } from './calls.mjs';
import { zipf } from './keys.mjs';
import { Cache } from './ours.mjs';
import { collected, watchPauses } from './pauses.mjs';
import { LRU } from './peers.mjs';
import { stalls } from './stall.mjs';

const KB = 1_024;
const TTL_MS = 3_600_000;
const keyOf = (id) => `key:${String(id).padStart(8, '0')}`;
const KEY_BYTES = keyOf(0).length;

const OPEN = {
  'breakwater, named': (count) => {
    const cache = new Cache({ name: `bench ${count}`, codec: 'bytes', maxEntries: count, ttlMs: TTL_MS });
    return { get: (key) => cache.get(key), set: (key, value) => cache.set(key, value) };
  },
  'lru-cache with Buffers': async (count) => {
    const cache = await LRU({ max: count, ttl: TTL_MS });
    // Who stores keeps the value: it has to be one of its own.
    return { get: (key) => cache.get(key), set: (key, value) => cache.set(key, Buffer.from(value)) };
  },
};

function memory(open) {
  return async ({ quick }) => {
    const count = quick ? 1_000 : 1_000_000;
    const value = new Uint8Array(KB).fill(7);
    const warm = await open(1_000);
    for (let id = 0; id < 50_000; id++) warm.set(keyOf(id % 2_000), value);
    let length = 0;
    for (let id = 0; id < 2 * count; id++) {
      length += keyOf(id).length;
      if ((id & 0xfff) === 0) await setImmediate();
    }
    if (length !== 2 * count * KEY_BYTES) throw new Error('keys are not as long as they should be');
    await collected();
    const before = process.memoryUsage().rss;
    const { get, set } = await open(count);
    for (let id = 0; id < count; id++) {
      set(keyOf(id), value);
      if ((id & 0xfff) === 0) await setImmediate();
    }
    await collected();
    const rss = process.memoryUsage().rss - before;
    const popular = zipf(count, count, 1);
    const pauses = await watchPauses();
    let longest = 0;
    let hits = 0;
    for (let turn = 0; turn < count / 50; turn++) {
      const start = now();
      for (let call = 0; call < 50; call++) {
        // Of what was stored last.
        const at = turn * 50 + call;
        hits += get(keyOf(Math.max(0, count + at - 1 - popular[at % count]))) === undefined ? 0 : 1;
        set(keyOf(count + at), value);
      }
      longest = Math.max(longest, now() - start);
      if ((turn & 0x3f) === 0) await setImmediate();
    }
    return {
      entries: count,
      rssPerEntryBeyond: rss / count - KB - KEY_BYTES,
      longest100CallsMs: longest / 1e6,
      longestGcMs: await pauses(),
      hitShare: hits / count,
      rssAfterPerEntry: (process.memoryUsage().rss - before) / count,
    };
  };
}

/** The time of each call: half of them while the cache grows, half of them while others go. */
async function times(name, count) {
  const { set } = await OPEN[name](count / 2);
  const value = new Uint8Array(KB).fill(7);
  const times = new Float32Array(count);
  for (let id = 0; id < count; id++) {
    const key = keyOf(id);
    const start = now();
    set(key, value);
    times[id] = now() - start;
    if ((id & 0x3fff) === 0) await setImmediate();
  }
  return times;
}

const HERE = fileURLToPath(import.meta.url);
const names = Object.keys(OPEN);

export const benches = {
  'memory/cache/1m-1k': Object.fromEntries(names.map((name) => [name, memory(OPEN[name])])),
  'stall/cache/2m-1k': Object.fromEntries(names.map((name) => [name, stalls(HERE, name, 2_000_000)])),
};

if (process.argv[1] === HERE) {
  const [, , name, count, file] = process.argv;
  writeFileSync(file, await times(name, Number(count)));
  process.exit(0);
}
