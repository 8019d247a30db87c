// The table of keys: exact up to maxKeys, what happens beyond, what a million keys take, and that nothing stalls while it fills.
import { RateLimiter } from 'breakwater';
import { residentMegabytes } from '../helpers/memory.mjs';

const MINUTE = { limit: 1, windowMs: 60_000_000 };

/** `client 0`, `client 1`, …, made and read beforehand, so that runtimes have put them into one piece. */
function clients(count) {
  const keys = Array.from({ length: count }, (_, i) => `client ${i}`);
  for (const key of keys) key.charCodeAt(key.length - 1);
  return keys;
}

/** What is admitted of `rounds` rounds over `keys` with a limit of one, as a ratio to the exact number. */
export function admittedRatio(options, keys, rounds) {
  const limiter = new RateLimiter({ limits: MINUTE, ...options });
  let admitted = 0;
  for (let round = 0; round < rounds; round++)
    for (const key of keys) if (limiter.tryAcquire(key)) admitted += 1;
  limiter.dispose();
  return admitted / keys.length;
}

/** The longest call in the element-wise minimum over `runs` fills of a table, in milliseconds, and of a Map beside it. */
export function longestCall({ count, runs }) {
  const keys = clients(count);
  const fill = (make) => {
    const least = new Float64Array(count).fill(Number.POSITIVE_INFINITY);
    for (let run = 0; run < runs; run++) {
      const call = make();
      let before = performance.now();
      for (let i = 0; i < count; i++) {
        call(keys[i]);
        const after = performance.now();
        least[i] = Math.min(least[i], after - before);
        before = after;
      }
    }
    return least.reduce((a, b) => Math.max(a, b));
  };
  return {
    ours: fill(() => {
      const limiter = new RateLimiter({ limits: { limit: 100, windowMs: 60_000_000 }, maxKeys: count });
      return (key) => limiter.tryAcquire(key);
    }),
    map: fill(() => {
      const map = new Map();
      return (key) => map.set(key, 1);
    }),
  };
}

/** Of a million keys: how many are still known, and the bytes of table and of resident memory that each takes. */
export async function millionKeys() {
  const count = 1_000_000;
  const keys = clients(count);
  const before = await residentMegabytes();
  const limiter = new RateLimiter({ limits: MINUTE, maxKeys: count });
  for (const key of keys) limiter.tryAcquire(key);
  const resident = (((await residentMegabytes()) - before) * 1e6) / count;
  let known = 0;
  for (const key of keys) if (limiter.peek(key).remaining === 0) known += 1;
  const { bytes, evicted } = limiter.snapshot();
  limiter.dispose();
  return { known: known / count, bytes: bytes / count, resident, evicted };
}

const round = (value, digits = 4) => Number(value.toFixed(digits));

export const sections = [
  {
    title: 'More clients than others remember',
    what: '6,000 clients in turn, 20 rounds, a limit of 10 for each; @fastify/rate-limit keeps 5,000 by default and then limits nobody.',
    async run() {
      const keys = clients(6_000);
      return [100_000, 5_000].map((maxKeys) => {
        const limiter = new RateLimiter({ limits: { limit: 10, windowMs: 60_000_000 }, maxKeys });
        let admitted = 0;
        for (let turn = 0; turn < 20; turn++)
          for (const key of keys) if (limiter.tryAcquire(key)) admitted += 1;
        limiter.dispose();
        const ratio = admitted / 60_000;
        return {
          figure: `admitted with maxKeys ${maxKeys}, of the exact number`,
          value: round(ratio),
          must: '1 to 1.01',
          holds: ratio >= 1 && ratio <= 1.01,
        };
      });
    },
  },
  {
    title: 'Exact up to maxKeys',
    what: 'As many keys as maxKeys, three rounds, a limit of one.',
    async run() {
      return [1_000, 100_000, 1_000_000].map((maxKeys) => {
        const ratio = admittedRatio({ maxKeys }, clients(maxKeys), 3);
        return {
          figure: `admitted of ${maxKeys} keys, of the exact number`,
          value: round(ratio),
          must: '1 to 1.01',
          holds: ratio >= 1 && ratio <= 1.01,
        };
      });
    },
  },
  {
    title: 'Beyond maxKeys',
    what: 'Two, four and ten times as many keys as maxKeys (100,000), three rounds, a limit of one: what is admitted, of the exact number.',
    async run() {
      return ['admit', 'limit'].flatMap((whenFull) =>
        [2, 4, 10].map((times) => {
          const ratio = admittedRatio({ maxKeys: 100_000, whenFull }, clients(times * 100_000), 3);
          const figure = `whenFull '${whenFull}', ${times} times the keys`;
          const value = round(ratio);
          return whenFull === 'admit'
            ? { figure, value }
            : { figure, value, must: 'at most 1', holds: ratio <= 1 };
        }),
      );
    },
  },
  {
    title: 'A million keys',
    what: 'A limiter with maxKeys 1,000,000 and as many keys.',
    async run() {
      const { known, bytes, resident, evicted } = await millionKeys();
      return [
        {
          figure: 'share of the keys still known',
          value: round(known),
          must: 'at least 0.95',
          holds: known >= 0.95,
        },
        {
          figure: 'bytes of table a key',
          value: round(bytes, 1),
          must: 'at most 24.1',
          holds: bytes <= 24.1,
        },
        {
          figure: 'bytes of resident memory a key',
          value: round(resident, 1),
          must: 'at most 26, the runtime’s own included',
          holds: resident <= 26,
        },
        { figure: 'live keys evicted', value: evicted, must: 'at most 10,000', holds: evicted <= 10_000 },
      ];
    },
  },
  {
    title: 'No stall at growth',
    what: 'Filling a table of a million keys, 5 identical runs: the longest call in the element-wise minimum, in ms.',
    async run() {
      const { ours, map } = longestCall({ count: 1_000_000, runs: 5 });
      return [
        { figure: 'RateLimiter.tryAcquire', value: round(ours, 3), must: 'at most 1', holds: ours <= 1 },
        { figure: 'for comparison: Map.set', value: round(map, 3) },
      ];
    },
  },
  {
    title: 'Refusals consume nothing',
    what: 'A million refused calls on an exhausted key, of a limit of one in a day.',
    async run() {
      const limiter = new RateLimiter({ limits: { limit: 1, windowMs: 86_400_000 } });
      limiter.tryAcquire('key');
      const start = performance.now();
      const first = limiter.peek('key').resetMs;
      let passed = 0;
      for (let i = 0; i < 1_000_000; i++) if (limiter.tryAcquire('key')) passed += 1;
      const drift = limiter.peek('key').resetMs + (performance.now() - start) - first;
      limiter.dispose();
      return [
        { figure: 'passed', value: passed, must: '0', holds: passed === 0 },
        {
          figure: 'ms by which the key is full later than before',
          value: round(Math.max(0, drift), 2),
          must: 'less than 1',
          holds: drift < 1,
        },
      ];
    },
  },
];
