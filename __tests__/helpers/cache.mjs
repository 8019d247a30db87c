/** Caches of both kinds for the same tests, and loads that end when the test says so. */
import { Cache, ManualClock } from 'breakwater';

let made = 0;

/** A cache without a name, and one with: what a test says of one has to hold of the other. */
export const KINDS = {
  'in this thread': (options) => new Cache({ maxEntries: 100, ttlMs: 1_000, ...options }),
  'by name': (options) => {
    made += 1;
    const name = `cache ${made}`;
    return new Cache({ maxEntries: 100, ttlMs: 1_000, codec: 'json', name, ...options });
  },
};

/** Calls `use(cache, clock)` with a cache on a manual clock. */
export async function withCache(make, options, use) {
  const clock = new ManualClock();
  const cache = make({ clock, ...options });
  try {
    await use(cache, clock);
  } finally {
    cache.dispose();
  }
}

/** A loader that counts its calls; each ends with `finish(nth, value)` or `fail(nth, error)`, from 0. */
export function gatedLoader() {
  const gates = [];
  const loader = (load) => {
    const gate = withResolvers();
    gates.push({ ...gate, load });
    return gate.promise;
  };
  Object.defineProperty(loader, 'calls', { get: () => gates.length });
  return Object.assign(loader, {
    load: (nth = 0) => gates[nth].load,
    finish: (value, nth = gates.length - 1) => gates[nth].resolve(value),
    fail: (error, nth = gates.length - 1) => gates[nth].reject(error),
  });
}

function withResolvers() {
  let resolve;
  let reject;
  const promise = new Promise((...both) => {
    [resolve, reject] = both;
  });
  return { promise, resolve, reject };
}

/** Lets continuations run. */
export const turn = () => new Promise((resolve) => setImmediate(resolve));
