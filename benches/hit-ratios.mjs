/**
 * Hit ratios of the cache's policies, beside the same policies as their authors have them, lru-cache, and the most hits there can be:
 * on the traces of `traces/`, on those that are given, and on made-up ones. Prints a report. `npm run setup` comes before.
 *
 *   --trace <file>        one more trace, again for more: big-endian 32-bit integers, plain, .gz or .xz (which needs the command xz)
 *   --sizes 100,1000      entries of the caches on traces (default: from 10 to 20,000, below the number of different keys)
 *   --named               caches with a name too
 *   --traces-only         nothing made up
 *   --out <file.md>       writes the report there
 *   --svg <file.svg>      draws the hit ratios on traces over the size of the cache
 */
import { writeFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { main, StepError, say } from '../scripts/steps.mjs';
import { lruCache, optimum, ours, POLICIES, reference } from './hit-ratios/contestants.mjs';
import { draw } from './hit-ratios/plot.mjs';
import { report } from './hit-ratios/report.mjs';
import { COMMITTED, committed, distinct, nameOf, readTrace, SYNTHETIC } from './hit-ratios/workloads.mjs';

const SIZES = [10, 50, 100, 200, 333, 500, 1_000, 1_200, 2_000, 5_000, 10_000, 20_000];

/** W-TinyLFU hashes keys with a secret of each cache, and breaks ties by chance. */
const RUNS = { lru: 1, s3fifo: 1, wtinylfu: 3 };

function options() {
  const { values } = parseArgs({
    options: {
      trace: { type: 'string', multiple: true, default: [] },
      sizes: { type: 'string' },
      named: { type: 'boolean', default: false },
      'traces-only': { type: 'boolean', default: false },
      out: { type: 'string' },
      svg: { type: 'string' },
    },
  });
  const sizes = values.sizes?.split(',').map(Number);
  if (sizes?.some((size) => !(Number.isInteger(size) && size > 0))) {
    throw new StepError(`--sizes must be whole numbers above 0, got ${values.sizes}`);
  }
  return { ...values, sizes, made: values['traces-only'] ? [] : SYNTHETIC };
}

/** Ratios in percent of all contestants in caches of so many entries. */
async function measure(trace, entries, { named }) {
  const percent = (hits) => (100 * hits) / trace.length;
  const row = { entries, optimum: percent(optimum(entries, trace)) };
  for (const policy of POLICIES) {
    const runs = Array.from({ length: RUNS[policy] }, () => percent(ours(policy, entries, trace)));
    row[policy] = {
      ours: runs.reduce((sum, ratio) => sum + ratio) / runs.length,
      spread: Math.max(...runs) - Math.min(...runs),
      reference: percent(reference(policy, entries, trace)),
      named: named ? percent(ours(policy, entries, trace, { named })) : undefined,
    };
  }
  const hits = await lruCache(entries, trace);
  row.lruCache = hits === undefined ? undefined : percent(hits);
  return row;
}

await main(async () => {
  const asked = options();
  const traces = [
    ...COMMITTED.map((name) => ({ name, make: () => committed(name) })),
    ...asked.trace.map((file) => ({ name: nameOf(file), make: () => readTrace(file) })),
  ].map((trace) => ({ ...trace, isRecorded: true }));
  const workloads = [];
  for (const { name, what, isRecorded = false, make, sizes } of [...traces, ...asked.made]) {
    const trace = make();
    const keys = distinct(trace);
    const rows = [];
    for (const entries of sizes ?? asked.sizes ?? SIZES.filter((size) => size < keys)) {
      rows.push(await measure(trace, entries, asked));
    }
    workloads.push({ name, what, isRecorded, keys, requests: trace.length, rows });
    say(`${name}: done`);
  }
  const text = report(workloads, process.argv.slice(2));
  console.log(text);
  if (asked.out !== undefined) writeFileSync(asked.out, text);
  if (asked.svg !== undefined)
    writeFileSync(asked.svg, draw(workloads.filter(({ isRecorded }) => isRecorded)));
});
