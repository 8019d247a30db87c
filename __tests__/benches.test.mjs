/** Every bench row of ours runs, once and tiny, without the peers; and the report says what it should. The figures are not looked at. */
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { report } from '../benches/peers/report.mjs';

// The schemas that are here on every machine.
process.env['BREAKWATER_SCHEMAS'] = '';
const { BENCHES } = await import('../benches/peers/benches.mjs');

const PEERS = fileURLToPath(new URL('../benches/peers/', import.meta.url));

/** Runs a file of benches/peers on this runtime; answers what it prints. */
async function run(file, ...args) {
  const { stdout } = await promisify(execFile)(process.execPath, [join(PEERS, file), ...args]);
  return stdout;
}

const ours = Object.entries(BENCHES).flatMap(([bench, contestants]) =>
  Object.keys(contestants)
    .filter((contestant) => contestant.startsWith('breakwater') || bench.startsWith('floor/'))
    .map((contestant) => [bench, contestant]),
);

for (const word of new Set(ours.map(([bench]) => bench.split('/')[0]))) {
  test(`every ${word} bench of ours runs`, async () => {
    for (const [bench, contestant] of ours.filter(([bench]) => bench.startsWith(`${word}/`))) {
      const figures = JSON.parse((await run('case.mjs', bench, contestant, '--quick')).trim());
      for (const [name, value] of Object.entries(figures)) {
        assert.ok(Number.isFinite(value), `${bench}, ${contestant}: ${name} is ${value}`);
      }
    }
  });
}

test('early refresh loads a value as often as XFetch says where everybody loads for itself, and once in the cache', async () => {
  const printed = await run('../early-refresh.mjs', '--trials', '300');
  const rows = printed.split('\n').filter((line) => /in this thread|by name/.test(line));
  assert.equal(rows.length, 2);
  for (const row of rows) {
    const [alone, joined] = row.split('|').slice(2, 4).map(Number);
    assert.ok(Math.abs(alone - Math.E) < 0.4, row);
    assert.equal(joined, 1, row);
  }
});

test('a run writes its report and the raw figures', async () => {
  const out = mkdtempSync(join(tmpdir(), 'breakwater-benches-'));
  try {
    const runtime = process.versions.bun === undefined ? 'node' : 'bun';
    const only = '^bucket/tryAcquire/';
    await run('run.mjs', '--quick', '--ours', '--only', only, '--runtimes', runtime, '--out', out);
    const files = readdirSync(out).sort();
    assert.deepEqual(
      files.map((file) => file.replace(/^.*\./, '')),
      ['jsonl', 'md'],
    );
    const [raw, text] = files.map((file) => readFileSync(join(out, file), 'utf8'));
    const [{ machine }, ...rows] = raw
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line));
    assert.equal(machine.quick, true);
    assert.deepEqual(
      rows.map(({ bench, contestant }) => `${bench} ${contestant}`),
      [
        'bucket/tryAcquire/allowed breakwater',
        'bucket/tryAcquire/allowed breakwater, binding alone',
        'bucket/tryAcquire/refused breakwater',
      ],
    );
    assert.match(text, /A quick run/);
  } finally {
    rmSync(out, { recursive: true, force: true });
  }
});

const MACHINE = {
  date: '2026-01-01',
  cpu: 'a CPU',
  cpus: 2,
  memoryGb: 8,
  system: 'linux',
  pinned: true,
  breakwater: '0.1.0',
  runtimes: { node: '20.0.0', bun: '1.4.0' },
  peers: { limiter: '4.1.0' },
};

/** Rows of three repetitions; a machine that is slower in one of them is slower for all. */
function rowsOf(bench, contestant, ns, more = {}) {
  return ['node', 'bun'].flatMap((runtime) =>
    [1, 10, 2].map((slowness, index) => ({
      bench,
      contestant,
      runtime,
      rep: index + 1,
      ns: ns * slowness,
      best: ns * slowness,
      cpuNs: ns * slowness,
      cpuShare: 1,
      ...more,
    })),
  );
}

test('the report compares within a repetition, and says which targets are met and which are not', () => {
  const text = report(MACHINE, [
    ...rowsOf('bucket/tryAcquire/allowed', 'breakwater', 50),
    ...rowsOf('bucket/tryAcquire/allowed', 'limiter', 40),
    ...rowsOf('bucket/tryAcquire/allowed', 'rate-limiter-flexible', 100),
  ]);
  const line = (words) => text.split('\n').find((line) => line.includes(words));
  // 0.8 times as fast: too slow for Node, and within the 1.6 times that Bun may take.
  assert.match(line('against limiter'), /0\.80×, wanted 1×: \*\*not met\*\* \| 0\.80×, wanted 0\.63×: met/);
  assert.match(line('against rate-limiter'), /2\.00×, wanted 3×: \*\*not met\*\* \| 2\.00×, wanted 2×: met/);
  // A loss is in bold; the median of 40, 400 and 80 is 80, the best 40.
  assert.match(line('|  | limiter |'), /^\| {2}\| limiter \| 80\.0 \| 40\.0 \| 80\.0 \| \*\*0\.80×\*\* \|/);
});

test('the report holds rows of ours to targets of their own', () => {
  const text = report(MACHINE, [
    ...rowsOf('breaker/execute/refused', 'breakwater', 500),
    ...rowsOf('breaker/execute/refused', 'breakwater, tryAcquire', 10),
    ...rowsOf('breaker/execute/refused', 'cockatiel', 2_000),
    ...rowsOf('breaker/execute/refused', 'opossum', 1_000),
  ]);
  assert.match(
    text,
    /refused` against the fastest peer \| 2\.00×, wanted 3×: \*\*not met\*\* \| 2\.00×, .*: met/,
  );
  assert.match(text, /refused` \(tryAcquire\) against the fastest peer \| 100\.00×, wanted 30×: met/);
});

test('the report puts a call that fails next to one that succeeds, and ours next to the bare call', () => {
  const text = report(MACHINE, [
    ...rowsOf('breaker/execute/closed', 'breakwater', 120),
    ...rowsOf('breaker/execute/closed', 'bare await fn()', 40),
    ...rowsOf('breaker/execute/failing-20k', 'breakwater', 180),
    ...rowsOf('breaker/execute/failing-20k', 'bare await fn()', 60),
    ...rowsOf('breaker/tryAcquire/closed', 'breakwater', 50),
    ...rowsOf('breaker/tryAcquire/failing-20k', 'breakwater', 75),
  ]);
  assert.match(text, /closed` \| breakwater \| 3\.0× \| 3\.0× \|/);
  assert.match(text, /execute\/failing-20k` \| breakwater \| 1\.50× \| 1\.50× \|/);
  // Of a call without a promise, only its own part is left: that may not depend on whether it failed.
  assert.match(
    text,
    /next to `breaker\/tryAcquire\/closed` \| 1\.50×, wanted at most 1\.2×: \*\*not met\*\*/,
  );
});

test('the report holds figures of other kinds to their bounds', () => {
  const text = report(MACHINE, [
    ...rowsOf('memory/rss/1m-keys', 'breakwater', Number.NaN, {
      rssPerKey: 23.5,
      heapPerKey: 0,
      knownShare: 0.9,
    }),
  ]);
  assert.match(text, /23\.5 bytes a key, wanted at most 24: met/);
  assert.match(text, /0\.9 of the keys known, wanted at least 0\.95: \*\*not met\*\*/);
});

test('the report takes the geometric mean over the workloads, and names those that gain least and most', () => {
  const text = report(MACHINE, [
    ...rowsOf('schema/validate/map', 'breakwater', 10),
    ...rowsOf('schema/validate/map', 'JSON.parse and ajv', 20),
    ...rowsOf('schema/validate/a-real-one', 'breakwater', 10),
    ...rowsOf('schema/validate/a-real-one', 'JSON.parse and ajv', 90),
    ...rowsOf('schema/validate/another', 'breakwater', 10),
    ...rowsOf('schema/validate/another', 'JSON.parse and ajv', 10),
    // The same schema as order-1k, which alone would count.
    ...rowsOf('schema/validate/order-1m', 'breakwater', 10),
    ...rowsOf('schema/validate/order-1m', 'JSON.parse and ajv', 1),
  ]);
  // The cube root of 2 × 9 × 1.
  assert.match(
    text,
    /mean, against JSON\.parse and ajv \| 2\.62× \(of 3\), wanted 5×: \*\*not met\*\* \| .* 1\.5×: met/,
  );
  assert.match(
    text,
    /gains least, .* \| 1\.00× \(another\), wanted 1\.5×: \*\*not met\*\* \| 1\.00× \(another\) \|/,
  );
  assert.match(text, /\| 2 real \| JSON\.parse and ajv \| 3\.00× \| 1\.00× another \| 9\.00× a-real-one \|/);
  assert.match(text, /\| 1 own \| JSON\.parse and ajv \| 2\.00× \|/);
});

test('a peer that cannot do the work is named in the report, and nothing is compared with it', () => {
  const left = {
    bench: 'schema/validate/a-real-one',
    contestant: 'JSON.parse and ajv',
    runtime: 'node',
    rep: 1,
  };
  const text = report(MACHINE, [
    ...rowsOf('schema/validate/a-real-one', 'breakwater', 10),
    { ...left, cannot: 'does not compile it: boom' },
  ]);
  assert.match(
    text,
    /## Left out\n\n- `schema\/validate\/a-real-one`, JSON\.parse and ajv, Node: does not compile it: boom/,
  );
  assert.match(text, /mean, against JSON\.parse and ajv \| – \| – \|/);
});

test('a row that fails is named in the report', () => {
  const failed = { bench: 'bucket/tryAcquire/allowed', contestant: 'limiter', runtime: 'bun', rep: 1 };
  const text = report(MACHINE, [{ ...failed, error: 'ended with 1: boom' }]);
  assert.match(text, /## What failed\n\n- bucket\/tryAcquire\/allowed, limiter, Bun: ended with 1: boom/);
});
