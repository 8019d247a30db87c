/**
 * How exact a limiter is with as many live keys as `maxKeys` and with more, in both `whenFull` modes. The clock stands still, so the exact
 * total is keys × limit. Every limiter hashes by a key of its own, so the figures are sums over several.
 */
import { picks } from './keys.mjs';
import { ManualClock, RateLimiter } from './ours.mjs';
import { PEERS } from './peers.mjs';

const LIMIT = 5;
const WINDOW_MS = 60_000;
const ASKED = 10;

function ours(whenFull) {
  return {
    runs: 20,
    open(maxKeys) {
      const clock = new ManualClock();
      const limits = { limit: LIMIT, windowMs: WINDOW_MS };
      const limiter = new RateLimiter({ limits, maxKeys, whenFull, clock });
      return (key) => limiter.tryAcquire(key);
    },
  };
}

function peer(name) {
  return {
    runs: 1,
    async open(maxKeys) {
      const { take, allowed } = await PEERS[name].open({ limit: LIMIT, windowMs: WINDOW_MS, maxKeys });
      return async (key) => {
        try {
          return allowed(await take(key));
        } catch {
          return false;
        }
      };
    },
  };
}

/** In turn: each key once, then each again. It is what a least-recently-used list fares worst with. */
function* inTurn(keys) {
  for (let round = 0; round < ASKED; round++) for (let id = 0; id < keys; id++) yield id;
}

/** At random: each key asked ten times on average. */
function* atRandom(keys) {
  yield* picks(keys, keys * ASKED);
}

/** `keys` live keys, each asked ten times as often as it may. */
function crowd({ runs, open }, keysPerPlace, order) {
  return async ({ quick }) => {
    const maxKeys = quick ? 100 : 10_000;
    const keys = maxKeys * keysPerPlace;
    let [exact, admitted, over, short] = [0, 0, 0, 0];
    for (let run = 0; run < (quick ? 1 : runs); run++) {
      const take = await open(maxKeys);
      const asked = new Uint32Array(keys);
      const passed = new Uint32Array(keys);
      for (const id of order(keys)) {
        asked[id]++;
        if (await take(`user:${id}`)) passed[id]++;
      }
      for (let id = 0; id < keys; id++) {
        const right = Math.min(asked[id], LIMIT);
        exact += right;
        admitted += passed[id];
        if (passed[id] > right) over++;
        if (passed[id] < right) short++;
      }
    }
    const all = keys * (quick ? 1 : runs);
    return { maxKeys, keys, admittedToExact: admitted / exact, keysOver: over / all, keysShort: short / all };
  };
}

/**
 * A table of 10,000 keys: 1,000 honest clients that stay within the limit, 100 that ask ten times as often, and meanwhile 200,000
 * keys that come once.
 */
function flood({ runs, open }) {
  return async ({ quick }) => {
    const maxKeys = quick ? 100 : 10_000;
    const [honest, greedy, once] = [maxKeys / 10, maxKeys / 100, maxKeys * 4];
    let [honestRefused, greedyPassed, onceRefused] = [0, 0, 0];
    const times = quick ? 1 : runs;
    for (let run = 0; run < times; run++) {
      const take = await open(maxKeys);
      for (let round = 0; round < LIMIT; round++) {
        for (let id = 0; id < honest; id++) if (!(await take(`honest:${id}`))) honestRefused++;
        for (let id = 0; id < once; id++) {
          if (!(await take(`once:${round}:${id}`))) onceRefused++;
          // Spread over the flood.
          if (id % (maxKeys / 25) === 0) {
            for (let who = 0; who < greedy; who++) if (await take(`greedy:${who}`)) greedyPassed++;
          }
        }
      }
    }
    return {
      maxKeys,
      honestRefused: honestRefused / (honest * LIMIT * times),
      onceRefused: onceRefused / (once * LIMIT * times),
      greedyToExact: greedyPassed / (greedy * LIMIT * times),
    };
  };
}

export const benches = {};
for (const mode of ['admit', 'limit']) {
  const beside = (measured) => {
    const contestants = { breakwater: measured(ours(mode)) };
    // The peers have one mode. Two of them keep every key; the third forgets the one used least recently.
    if (mode === 'admit') contestants['@fastify/rate-limit'] = measured(peer('@fastify/rate-limit'));
    return contestants;
  };
  benches[`whenfull/${mode}/max-keys`] = beside((one) => crowd(one, 1, inTurn));
  benches[`whenfull/${mode}/twice-max-keys-in-turn`] = beside((one) => crowd(one, 2, inTurn));
  benches[`whenfull/${mode}/twice-max-keys-at-random`] = beside((one) => crowd(one, 2, atRandom));
  benches[`whenfull/${mode}/flood`] = beside(flood);
}
