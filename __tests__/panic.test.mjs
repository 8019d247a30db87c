// A panic inside a native entry point becomes a JavaScript error, and the process lives on. Needs the binary with the test hooks:
// node scripts/build.mjs --test-hooks
import assert from 'node:assert/strict';
import { createRequire } from 'node:module';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { runScript } from './helpers/processes.mjs';

const BINDING =
  process.env['BREAKWATER_TEST_BINDING'] ??
  fileURLToPath(new URL('../target/test-hooks/breakwater.node', import.meta.url));
const hooks = createRequire(import.meta.url)(BINDING);
// Says nothing but that it happened: Rust prints the panic to standard error as well.
const bound = hooks.panicHooks().panicBound;

test('a panic in a bound function is an Error that says what panicked', () => {
  assert.throws(bound, (error) => {
    assert.ok(error instanceof Error);
    assert.equal(error.code, 'ERR_NATIVE_PANIC');
    assert.equal(error.message, 'breakwater panicked: on purpose, in a bound function');
    return true;
  });
});

test('a panic in a derived function is an Error that says what panicked', () => {
  assert.throws(hooks.panicDerived, (error) => {
    assert.ok(error instanceof Error);
    assert.equal(error.message.includes('on purpose, in a derived function'), true);
    return true;
  });
});

test('it can happen again and again, and what does not panic works on', () => {
  for (let i = 0; i < 100; i++) {
    assert.throws(bound, { code: 'ERR_NATIVE_PANIC' });
    assert.throws(hooks.panicDerived);
  }
  assert.equal(hooks.bucketDefaults().maxWaiters, 10_000);
});

test('a process that panicked ends as it would have, in a thread too', async () => {
  const { code, signal, stdout } = await runScript(
    `
    import { Worker } from 'node:worker_threads';
    import { TokenBucket } from 'breakwater';
    const source = \`
      const hooks = require(process.env.BREAKWATER_NATIVE_PATH);
      const { TokenBucket } = require('breakwater');
      let caught = 0;
      for (const panic of [hooks.panicHooks().panicBound, hooks.panicDerived]) {
        try { panic(); } catch { caught += 1; }
      }
      require('node:worker_threads').parentPort.postMessage([caught, new TokenBucket({ name: 'panic', capacity: 2, refillPerSecond: 1 }).tryAcquire()]);
    \`;
    const bucket = new TokenBucket({ name: 'panic', capacity: 2, refillPerSecond: 1 });
    const worker = new Worker(source, { eval: true, execArgv: [] });
    const happens = (event) => new Promise((resolve) => worker.once(event, resolve));
    const [said] = await Promise.all([happens('message'), happens('exit')]);
    console.log(JSON.stringify([...said, bucket.tryAcquire(), bucket.tryAcquire()]));
  `,
    { env: { BREAKWATER_NATIVE_PATH: BINDING } },
  );
  assert.deepEqual([code, signal, stdout.trim()], [0, null, '[2,true,true,false]']);
});
