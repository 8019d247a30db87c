/**
 * Runs the tests: the Rust ones, then every file of __tests__ in a process of its own on each runtime. Ends with the
 * plain line `N passed, M failed`.
 *
 *   --runtimes node,bun,node22,node24   which runtimes (default: node,bun; `node` is the one that runs this script)
 *   --only <text>                       only the files with this in their name, and no Rust tests
 *   --no-rust                           no Rust tests
 */
import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { build, TEST_BINDING } from './build.mjs';
import { installPackages } from './setup.mjs';
import { capture, isMain, main, nodePath, ROOT, StepError, say, seconds, timed, which } from './steps.mjs';
import { toolchain } from './toolchain.mjs';

/** What these find does not depend on the runtime, so they run on `node` alone. */
const ONCE = ['layout.test.mjs', 'types.test.mjs'];
/** A file that has not ended by then hangs: it is killed and counts as failed. */
const FILE_TIMEOUT_MS = 300_000;
const OTHER_NODES = 'scripts/runtimes';

/** The tests; answers how many passed, failed and were skipped. */
export async function runTests({ runtimes = ['node', 'bun'], only, rust = true } = {}) {
  const start = performance.now();
  const found = await Promise.all(runtimes.map(findRuntime));
  const total = zero();
  const failures = [];
  if (rust) {
    const result = await timed('cargo test', () => cargoTest(['--workspace', '--no-fail-fast']));
    add(total, result);
    if (result.failed > 0) failures.push('cargo test');
  }
  await build({ testHooks: true });
  for (const runtime of found) {
    for (const file of testFiles(runtime.name, only)) {
      const result = await runFile(runtime, file);
      add(total, result);
      if (result.failed > 0) failures.push(`${file} on ${runtime.label}`);
    }
  }
  for (const failure of failures) say(`failed: ${failure}`);
  say(`tests: ${seconds(start)}`);
  return total;
}

/** Runs cargo test with these arguments and adds up what its test binaries say. */
export async function cargoTest(args, env = {}) {
  toolchain();
  const { status, output } = await capture('cargo', ['test', '--quiet', ...args], { env, live: true });
  const total = zero();
  for (const [, passed, failed, ignored] of output.matchAll(
    /^test result: .*? (\d+) passed; (\d+) failed; (\d+) ignored/gm,
  )) {
    add(total, { passed: Number(passed), failed: Number(failed), skipped: Number(ignored) });
  }
  // A crate that does not compile, or a test binary that died, says no number.
  if (status !== 0 && total.failed === 0) total.failed = 1;
  return total;
}

function testFiles(runtime, only) {
  const files = readdirSync(join(ROOT, '__tests__')).filter((file) => file.endsWith('.test.mjs'));
  if (only !== undefined) {
    const chosen = files.filter((file) => file.includes(only));
    if (chosen.length === 0) throw new StepError(`no file in __tests__ has ${only} in its name`);
    return chosen;
  }
  return files.filter((file) => runtime === 'node' || !ONCE.includes(file)).sort();
}

async function runFile(runtime, file) {
  const start = performance.now();
  const path = `./__tests__/${file}`;
  const { signal, status, output } = await capture(runtime.path, [...runtime.args, path], {
    env: { BREAKWATER_TEST_BINDING: TEST_BINDING, NO_COLOR: '1', FORCE_COLOR: '0' },
    timeoutMs: FILE_TIMEOUT_MS,
  });
  const result = {
    passed: runtime.count(output, 'pass'),
    // A test that never settled is neither to Node: it is cancelled.
    failed: runtime.count(output, 'fail') + runtime.count(output, 'cancel'),
    skipped: runtime.count(output, 'skip') + runtime.count(output, 'todo'),
  };
  const none = result.passed + result.failed === 0;
  if (result.failed === 0 && (status !== 0 || none)) result.failed = 1;
  if (result.failed > 0) {
    console.log(output.trimEnd());
    if (status !== 0) say(`${file} ended with ${signal ?? status}`);
    if (none) say(`${file} ran no test`);
  }
  const skipped = result.skipped > 0 ? `, ${result.skipped} skipped` : '';
  const counts = `${result.passed} passed, ${result.failed} failed${skipped}`;
  say(`${runtime.label}: ${file}: ${counts} (${seconds(start)})`);
  return result;
}

/** The number that follows a word in the summary of node:test (`ℹ pass 3`), or precedes it in Bun's (` 3 pass`). */
const summary = {
  node: (output, word) => last(output.matchAll(new RegExp(`^ℹ ${word}\\w* (\\d+)$`, 'gm'))),
  bun: (output, word) => last(output.matchAll(new RegExp(`^ *(\\d+) ${word}$`, 'gm'))),
};

function last(matches) {
  return Number([...matches].at(-1)?.[1] ?? 0);
}

async function findRuntime(name) {
  if (name === 'bun') {
    const path = await findBun();
    const version = (await capture(path, ['--version'])).output.trim();
    // node:test sets no limit to a test's time, so Bun's five seconds must not either.
    const args = ['test', '--timeout', String(FILE_TIMEOUT_MS)];
    return { name, path, args, label: `Bun ${version}`, count: summary.bun };
  }
  const path = name === 'node' ? nodePath() : await findOtherNode(name);
  const version = (await capture(path, ['--version'])).output.trim().slice(1);
  return { name, path, args: ['--test-reporter=spec'], label: `Node ${version}`, count: summary.node };
}

/** The Bun of node_modules; npm may have been told to run no install script, and then only the platform package has it. */
async function findBun() {
  const platform = `${process.platform === 'win32' ? 'windows' : process.platform}-${process.arch === 'arm64' ? 'aarch64' : process.arch}`;
  const ending = process.platform === 'win32' ? '.exe' : '';
  const candidates = [
    join(ROOT, 'node_modules/bun/bin/bun.exe'),
    join(ROOT, `node_modules/@oven/bun-${platform}/bin/bun${ending}`),
    which('bun'),
  ];
  for (const path of candidates) {
    if (path === undefined || !existsSync(path)) continue;
    const answer = await capture(path, ['--version']).catch(() => undefined);
    if (answer?.status === 0) return path;
  }
  throw new StepError('Bun was not found in node_modules or PATH: run npm install');
}

async function findOtherNode(name) {
  if (!/^node\d+$/.test(name)) throw new StepError(`there is no runtime ${name}: node, bun, node22, node24`);
  if (process.platform !== 'linux' || process.arch !== 'x64') {
    throw new StepError(
      `${name} comes from npm for linux-x64 only: here, run npm test with that Node itself`,
    );
  }
  await installPackages(OTHER_NODES);
  const path = join(ROOT, OTHER_NODES, 'node_modules', name, 'bin', 'node');
  if (!existsSync(path)) throw new StepError(`${OTHER_NODES}/package.json names no ${name}`);
  return path;
}

export function zero() {
  return { passed: 0, failed: 0, skipped: 0 };
}

export function add(total, { passed, failed, skipped }) {
  total.passed += passed;
  total.failed += failed;
  total.skipped += skipped;
}

/** Prints the closing line, and makes the exit code say it too. */
export function close({ passed, failed, skipped }) {
  console.log(`${passed} passed, ${failed} failed${skipped > 0 ? `, ${skipped} skipped` : ''}`);
  if (failed > 0 || passed === 0) process.exitCode = 1;
}

if (isMain(import.meta.url)) {
  await main(async () => {
    const { values } = parseArgs({
      options: {
        runtimes: { type: 'string', default: 'node,bun' },
        only: { type: 'string' },
        'no-rust': { type: 'boolean', default: false },
      },
    });
    const rust = !values['no-rust'] && values.only === undefined;
    close(await runTests({ runtimes: values.runtimes.split(','), only: values.only, rust }));
  });
}
