/**
 * Worker threads on one named state. Calls of all threads in a second while all of them run; and, as the other half of that claim,
 * how many calls four threads are granted between them, beside a peer that has one state per thread.
 */
import { isMainThread, parentPort, Worker, workerData } from 'node:worker_threads';
import { keptKeys, zipfKeys } from './keys.mjs';
import { Cache, CircuitBreaker, RateLimiter, TokenBucket } from './ours.mjs';
import { PEERS } from './peers.mjs';

const READY = 0;
const GO = 1;
const STOP = 2;
/** The word that `a bare Atomics.compareExchange` fights for, on a cache line of its own. */
const CONTENDED = 64;

const HOUR_MS = 3_600_000;

/** Calls between two looks at whether it is time to stop. */
const CHUNK = 500;

const OPEN = {
  bucket() {
    const bucket = new TokenBucket({ name: 'bench', capacity: 4e9, refillPerSecond: 1e9 });
    return () => bucket.tryAcquire();
  },
  limiter(options) {
    const limiter = new RateLimiter({
      name: 'bench',
      limits: { limit: 4e9, windowMs: 600_000 },
      maxKeys: 100_000,
    });
    const keyOf = keptKeys(options);
    return (call) => limiter.tryAcquire(keyOf(call));
  },
  breaker() {
    const breaker = new CircuitBreaker({ name: 'bench' });
    return () => breaker.tryAcquire().success();
  },
  /** Of 20 look-ups one stores, or ten; keys by Zipf's law, values of 256 bytes. */
  cache: (options) => mixed(options, 20),
  cacheWrites: (options) => mixed(options, 2),
  cas(_options, words) {
    return () => {
      const seen = Atomics.load(words, CONTENDED);
      return Atomics.compareExchange(words, CONTENDED, seen, seen + 1);
    };
  },
};

function mixed(options, every) {
  const cache = new Cache({ name: 'bench', codec: 'string', maxEntries: 100_000, ttlMs: HOUR_MS });
  const keyOf = zipfKeys(options);
  const value = 'v'.repeat(256);
  return (call) => (call % every === 0 ? cache.set(keyOf(call), value) : cache.get(keyOf(call)));
}

/** In a worker: calls until told to stop; answers how many in which time. */
function runUntilStopped({ what, options, shared, thread }) {
  const words = new Int32Array(shared);
  const call = OPEN[what](options, words);
  // Each thread starts at another place of the sequence of keys.
  let at = thread * 250_007;
  for (let warm = 0; warm < (options.quick ? 10 : 300_000); warm++) call(at++);
  Atomics.add(words, READY, 1);
  Atomics.notify(words, READY);
  Atomics.wait(words, GO, 0);
  const from = at;
  const start = performance.now();
  do {
    for (let left = CHUNK; left > 0; left--) call(at++);
  } while (Atomics.load(words, STOP) === 0);
  return { calls: at - from, ms: performance.now() - start };
}

const shared = (limit) => new RateLimiter({ name: 'grants', limits: { limit, windowMs: HOUR_MS } });

/** In a worker: tries for one key, `tries` times. */
async function grants({ contestant, tries, limit }) {
  let granted = 0;
  if (contestant === 'breakwater') {
    const limiter = shared(limit);
    for (let left = tries; left > 0; left--) if (limiter.tryAcquire('user:1')) granted++;
  } else {
    const { take } = await PEERS[contestant].open({ limit, windowMs: HOUR_MS });
    const count = () => granted++;
    for (let left = tries; left > 0; left--) await take('user:1').then(count, () => {});
  }
  return granted;
}

function start(data) {
  const worker = new Worker(new URL(import.meta.url), { workerData: data });
  return new Promise((settle, fail) => {
    worker.once('message', settle);
    worker.once('error', fail);
  });
}

function throughput(what, threads) {
  return async (options) => {
    const shared = new SharedArrayBuffer(1024);
    const words = new Int32Array(shared);
    const answers = Array.from({ length: threads }, (_, thread) => start({ what, options, shared, thread }));
    // None answers before it is told to stop, unless it failed: then its error ends the wait.
    const all = Promise.all(answers);
    while (Atomics.load(words, READY) < threads) await Promise.race([all, pause(2)]);
    Atomics.store(words, GO, 1);
    Atomics.notify(words, GO);
    await Promise.race([all, pause(options.quick ? 10 : 500)]);
    Atomics.store(words, STOP, 1);
    const perSecond = (await all).reduce((sum, { calls, ms }) => sum + (calls / ms) * 1e3, 0);
    return { threads, callsPerSecond: Math.round(perSecond) };
  };
}

const pause = (ms) => new Promise((settle) => setTimeout(settle, ms));

function granted(contestant) {
  return async ({ quick }) => {
    const [limit, threads, tries] = [100, 4, quick ? 200 : 10_000];
    // Held here too, so that the state outlives the worker that ends first.
    const held = contestant === 'breakwater' ? shared(limit) : undefined;
    const each = await Promise.all(
      Array.from({ length: threads }, () => start({ contestant, tries, limit })),
    );
    held?.dispose();
    return { limit, threads, granted: each.reduce((sum, count) => sum + count, 0) };
  };
}

export const benches = {
  'threads/granted/limit-100-by-4': {
    breakwater: granted('breakwater'),
    'rate-limiter-flexible': granted('rate-limiter-flexible'),
  },
};
for (const threads of [1, 2, 4]) {
  for (const what of ['bucket', 'limiter', 'breaker', 'cache', 'cacheWrites']) {
    benches[`threads/${what}/${threads}`] = { breakwater: throughput(what, threads) };
  }
  benches[`threads/cas/${threads}`] = { 'Atomics.compareExchange': throughput('cas', threads) };
}

if (!isMainThread && workerData?.what) parentPort.postMessage(runUntilStopped(workerData));
else if (!isMainThread && workerData?.contestant) parentPort.postMessage(await grants(workerData));
