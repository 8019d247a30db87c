/**
 * How often a value is loaded anew before it ends, by early refresh (`earlyRefreshBeta`, which is XFetch): a key that is asked for once a
 * millisecond, of a value whose load takes 200 ms. Prints a table. On a manual clock and with a seed: each run says the same.
 *
 * Where everybody loads for itself, the expected number is e: until a value is there anew, 200 ms after the first load began, the rate
 * at which further ones begin rises e-fold. The cache begins one.
 *
 *   --trials 1000         values that come near their end
 *
 * Vattani, Chierichetti, Lowenstein: Optimal Probabilistic Cache Stampede Prevention, VLDB 2015.
 */
import { parseArgs } from 'node:util';
import { main, StepError } from '../scripts/steps.mjs';
import { Cache, ManualClock } from './peers/ours.mjs';

const LOAD_MS = 200;
const TTL_MS = 60_000;
/** Reads begin so long before the end: of a thousand values none is loaded earlier. */
const READ_MS = 3_500;

const CACHES = {
  'in this thread': {},
  'by name': { name: 'early refresh', codec: 'string' },
};

/** A load of which the test says when it ends. */
function gate() {
  let open;
  const opened = new Promise((resolve) => {
    open = resolve;
  });
  return { open, loader: () => opened };
}

/** Stores a value whose load took LOAD_MS, and moves on to where reads begin. */
async function store(cache, clock) {
  const { open, loader } = gate();
  const stored = cache.getOrLoad('key', loader, { forceRefresh: true });
  clock.advance(LOAD_MS);
  open('value');
  await stored;
  clock.advance(TTL_MS - READ_MS);
}

/**
 * Reads the value once a millisecond until the first early load would have ended: how many loads there were, and how long before the
 * end the first began. Who loads for itself leaves what is stored as it is, and nobody hears of its load.
 */
async function refresh(cache, clock, { alone }) {
  await store(cache, clock);
  const { open, loader } = gate();
  let loads = 0;
  const counted = (load) => {
    loads += 1;
    return alone ? load.skip('value') : loader();
  };
  let leftMs = READ_MS;
  let firstMs;
  while (leftMs > 0 && (firstMs === undefined || firstMs - leftMs < LOAD_MS)) {
    cache.getOrLoad('key', counted);
    if (loads > 0) firstMs ??= leftMs;
    clock.advance(1);
    leftMs -= 1;
  }
  open('value');
  // What was loaded is stored before the next one begins.
  await new Promise((resolve) => setImmediate(resolve));
  return { loads, firstMs };
}

async function measure(options, trials) {
  const clock = new ManualClock();
  const cache = new Cache({ maxEntries: 10, ttlMs: TTL_MS, earlyRefreshBeta: 1, seed: 1, clock, ...options });
  const mean = async (alone) => {
    let [loads, firstMs] = [0, 0];
    for (let trial = 0; trial < trials; trial += 1) {
      const seen = await refresh(cache, clock, { alone });
      loads += seen.loads / trials;
      firstMs += seen.firstMs / trials;
    }
    return { loads, firstMs };
  };
  const [each, joined] = [await mean(true), await mean(false)];
  cache.dispose();
  return [each.loads.toFixed(2), joined.loads.toFixed(2), (joined.firstMs / 1_000).toFixed(2)];
}

await main(async () => {
  const { values } = parseArgs({ options: { trials: { type: 'string', default: '1000' } } });
  const trials = Number(values.trials);
  if (!(Number.isInteger(trials) && trials > 0)) {
    throw new StepError(`--trials must be a whole number above 0, got ${values.trials}`);
  }
  const rows = [
    ['cache', 'loads, each for itself', 'loads', 'the first, before the end'],
    ['---', '--:', '--:', '--:'],
  ];
  for (const [kind, options] of Object.entries(CACHES)) {
    const [each, joined, first] = await measure(options, trials);
    rows.push([kind, each, joined, `${first} s`]);
  }
  // A Gumbel distribution: δ × (ln(reads in δ) + Euler's constant).
  const first = (LOAD_MS * (Math.log(LOAD_MS) + 0.5772)) / 1_000;
  rows.push(['expected', Math.E.toFixed(2), '1', `${first.toFixed(2)} s`]);
  console.log(rows.map((cells) => `| ${cells.join(' | ')} |`).join('\n'));
});
