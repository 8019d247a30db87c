/**
 * The benches: every contestant in a process of its own, all contestants of a bench one after another on each runtime in turn, so that
 * what is compared was measured within the same seconds; then everything again, `--reps` times. Writes a report and the raw figures.
 *
 *   --only <regex>        benches whose name matches
 *   --reps <n>            repetitions (default 5; memory, stall, whenfull, schema, beside and lines at most 3)
 *   --runtimes node,bun   also node22, node24, where `npm run ready` has installed them
 *   --quick               everything once and tiny: shows that it runs, the figures mean nothing
 *   --ours                breakwater alone: installs no peers
 *   --out <folder>        default: benches/results for a complete run, target/benches for any other
 *
 * `BREAKWATER_SCHEMAS` names a folder of real schemas (see schema-corpus.mjs).
 */
import { spawnSync } from 'node:child_process';
import { appendFileSync, mkdirSync, writeFileSync } from 'node:fs';
import { join, relative, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { installPackages } from '../../scripts/setup.mjs';
import { main, ROOT, StepError, say, seconds, TARGET } from '../../scripts/steps.mjs';
import { BENCHES } from './benches.mjs';
import { describeMachine, findRuntimes, pinning, slug } from './machine.mjs';
import { report } from './report.mjs';

const CASE = fileURLToPath(new URL('case.mjs', import.meta.url));
const CASE_TIMEOUT_MS = 300_000;

/** Threads need the CPUs that others are kept off. */
const UNPINNED = /^(?:threads|queue)\//;
/** V8 sizes its new space as it thinks fit, by up to 32 MB: too much beside what is to be measured. */
const FOR_MEMORY = ['--expose-gc', '--min-semi-space-size=16', '--max-semi-space-size=16'];

/** Takes long, and differs little from one repetition to the next. */
const FEW_REPS = /^(?:memory|stall|whenfull|schema|beside|lines)\//;

function options() {
  const { values } = parseArgs({
    options: {
      only: { type: 'string', default: '' },
      reps: { type: 'string', default: '5' },
      runtimes: { type: 'string', default: 'node,bun' },
      quick: { type: 'boolean', default: false },
      ours: { type: 'boolean', default: false },
      out: { type: 'string' },
    },
  });
  const reps = values.quick ? 1 : Number(values.reps);
  if (!(Number.isInteger(reps) && reps > 0))
    throw new StepError(`--reps must be a whole number above 0, got ${values.reps}`);
  const complete = values.only === '' && !values.quick && !values.ours;
  const out = resolve(values.out ?? (complete ? join(ROOT, 'benches/results') : join(TARGET, 'benches')));
  return { ...values, only: new RegExp(values.only), reps, runtimes: values.runtimes.split(','), out };
}

/** `[bench, contestants]` of what was asked for. */
function chosen({ only, ours }) {
  const all = Object.entries(BENCHES).filter(([bench]) => only.test(bench));
  const isOurs = (contestant) => contestant.startsWith('breakwater');
  const benches = all.map(([bench, contestants]) => [
    bench,
    Object.keys(contestants).filter((name) => !ours || isOurs(name)),
  ]);
  if (benches.length === 0) throw new StepError('no bench has such a name');
  return benches.filter(([, contestants]) => contestants.length > 0);
}

function measure(runtime, bench, contestant, { quick }) {
  const pin = UNPINNED.test(bench) ? [] : pinning();
  const nodeFlags = bench.startsWith('memory/') ? FOR_MEMORY : [];
  const flags = runtime.name === 'bun' ? [] : nodeFlags;
  const [command, ...args] = [
    ...pin,
    runtime.path,
    ...flags,
    CASE,
    bench,
    contestant,
    ...(quick ? ['--quick'] : []),
  ];
  const { status, signal, stdout, stderr } = spawnSync(command, args, {
    encoding: 'utf8',
    env: { ...process.env, NODE_ENV: 'production' },
    timeout: CASE_TIMEOUT_MS,
  });
  if (status !== 0) {
    const said = stderr.split('\n').filter((line) => /error/i.test(line));
    return { error: `ended with ${signal ?? status}: ${said[0]?.trim() ?? stderr.trim()}` };
  }
  return JSON.parse(stdout.trim().split('\n').at(-1));
}

await main(async () => {
  const asked = options();
  if (!asked.ours) await installPackages('benches/peers');
  const benches = chosen(asked);
  const runtimes = findRuntimes(asked.runtimes);
  const machine = { ...describeMachine(runtimes), quick: asked.quick };
  mkdirSync(asked.out, { recursive: true });
  const file = join(asked.out, `${machine.date}-${slug(machine)}`);
  writeFileSync(`${file}.jsonl`, `${JSON.stringify({ machine })}\n`);

  const rows = [];
  for (let rep = 1; rep <= asked.reps; rep++) {
    const start = performance.now();
    for (const [bench, contestants] of benches) {
      if (rep > 3 && FEW_REPS.test(bench)) continue;
      // Another one goes first each time.
      const turn = (rep - 1) % contestants.length;
      for (const contestant of [...contestants.slice(turn), ...contestants.slice(0, turn)]) {
        for (const runtime of runtimes) {
          const figures = measure(runtime, bench, contestant, asked);
          const row = { bench, contestant, runtime: runtime.name, rep, ...figures };
          rows.push(row);
          appendFileSync(`${file}.jsonl`, `${JSON.stringify(row)}\n`);
          if (figures.error) say(`${bench}, ${contestant}, ${runtime.name}: ${figures.error}`);
        }
      }
      say(`${rep}/${asked.reps} ${bench}`);
    }
    say(`repetition ${rep}: ${seconds(start)}`);
  }
  const text = report(machine, rows);
  writeFileSync(`${file}.md`, text);
  console.log(text);
  say(`written: ${relative(ROOT, file)}.md and .jsonl`);
  if (rows.some(({ error }) => error !== undefined)) process.exitCode = 1;
});
