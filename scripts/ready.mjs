/**
 * All that must hold before a change lands: format, lints, the committed index.d.ts, the model checkers, and the tests on
 * every runtime. `--rest` leaves out what `npm test` has just run; .ci/run calls the two in turn.
 */
import { join } from 'node:path';
import { check } from './build.mjs';
import { isMain, main, nodePath, ROOT, run, say, seconds, TARGET, timed } from './steps.mjs';
import { add, cargoTest, close, runTests, zero } from './test.mjs';
import { toolchain } from './toolchain.mjs';

/** A model checker explores the interleavings of one test file: crates/core/tests/<name>.rs. */
const CHECKERS = ['loom', 'shuttle'];

async function ready({ rest }) {
  const start = performance.now();
  toolchain();
  await timed('index.d.ts is fresh', check);
  await timed('biome check', () => {
    run(nodePath(), [
      join(ROOT, 'node_modules/@biomejs/biome/bin/biome'),
      'check',
      '--error-on-warnings',
      '.',
    ]);
  });
  await timed('cargo fmt --check', () => run('cargo', ['fmt', '--all', '--check']));
  await timed('cargo clippy', () => {
    run('cargo', [
      'clippy',
      '--quiet',
      '--workspace',
      '--all-targets',
      '--all-features',
      '--',
      '-D',
      'warnings',
    ]);
  });
  const total = zero();
  for (const checker of CHECKERS) {
    add(total, await timed(checker, () => modelCheck(checker)));
  }
  add(total, await runTests(rest ? { runtimes: ['node22', 'node24'], rust: false } : { runtimes: ALL }));
  say(`ready: ${seconds(start)}`);
  close(total);
}

const ALL = ['node', 'bun', 'node22', 'node24'];

/** In a target folder of its own: the cfg changes every crate, and would have the others built again each time. */
function modelCheck(name) {
  const env = { RUSTFLAGS: `--cfg ${name}`, CARGO_TARGET_DIR: join(TARGET, name) };
  return cargoTest(['-p', 'breakwater-core', '--test', name, '--profile', 'quick'], env);
}

if (isMain(import.meta.url)) await main(() => ready({ rest: process.argv.includes('--rest') }));
