/** A cache of what the upstream says of a product: of all who ask for one at once, one loads it; and an old answer beats an error. */
import { Cache } from 'breakwater';
import { PAGE_CACHE } from '../scenario.mjs';

/** What a cache in the process usually is: each thread has its own, and loads for itself. */
export function cachePerThread(shop) {
  return around(new Cache({ ...PAGE_CACHE, label: `${shop}:products` }));
}

/** The name makes it one cache for all threads of the shop: what one of them loads, all have. */
export function cacheForAll(shop) {
  return around(new Cache({ ...PAGE_CACHE, name: `${shop}:products`, codec: 'json' }));
}

function around(cache) {
  return {
    cached: (id, load) => cache.getOrLoad(id, load),
    snapshot: () => cache.snapshot(),
    dispose: () => cache.dispose(),
  };
}
