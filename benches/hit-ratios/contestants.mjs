/** Who is compared. Each answers how many of the uses of a trace are hits in a cache of so many entries. */
import { Cache } from '../peers/ours.mjs';
import { LRU } from '../peers/peers.mjs';
import { hitsOf, lru, optimum, s3fifo, wtinylfu } from './policies.mjs';

export const POLICIES = ['lru', 's3fifo', 'wtinylfu'];

let made = 0;

/** breakwater as its users call it: what is not there is set. */
export function ours(policy, entries, trace, { named = false } = {}) {
  made += 1;
  const shared = named ? { name: `hit ratio ${made}`, codec: 'string' } : {};
  const cache = new Cache({ maxEntries: entries, ttlMs: Number.POSITIVE_INFINITY, policy, ...shared });
  try {
    return hitsOf(asked(cache), trace);
  } finally {
    cache.dispose();
  }
}

/** lru-cache, if the peers are installed; else undefined. */
export async function lruCache(entries, trace) {
  try {
    return hitsOf(asked(await LRU({ max: entries })), trace);
  } catch (error) {
    if (error.code === 'ERR_MODULE_NOT_FOUND') return undefined;
    throw error;
  }
}

function asked(cache) {
  return (number) => {
    const key = `key:${number}`;
    if (cache.get(key) !== undefined) return true;
    cache.set(key, 'value');
    return false;
  };
}

const REFERENCES = { lru, s3fifo, wtinylfu };

/** The same policy as its authors have it. */
export const reference = (policy, entries, trace) => hitsOf(REFERENCES[policy](entries), trace);

export { optimum };
