// Processes end by themselves when nothing waits, live while something does, and importing starts nothing. In child processes, real time.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { runScript } from './helpers/processes.mjs';

/** Runs a module with everything of breakwater in scope; answers how it ended. */
const NAMES =
  'AdaptiveThrottle BoundedQueue Bulkhead Cache CircuitBreaker EventLoopMonitor LoadShedder ManualClock RateLimiter RetryBudget TokenBucket fallback hedge keyed list pipeline retry timeout';
const run = (body, options) =>
  runScript(`import { ${NAMES.split(' ')} } from 'breakwater';\n${body}`, options);

async function endsAlone(body, { atLeastMs = 0, said = '' } = {}) {
  const { code, signal, stdout, stderr, ms } = await run(body, { timeoutMs: 20_000 });
  assert.deepEqual({ code, signal, stderr }, { code: 0, signal: null, stderr: '' });
  assert.equal(stdout.trim(), said);
  assert.equal(ms >= atLeastMs, true, `ended after ${ms} ms`);
}

test('a process that used everything ends by itself', async () => {
  await endsAlone(`
    const bucket = new TokenBucket({ name: 'exit', capacity: 5, refillPerSecond: 1_000 });
    const limiter = new RateLimiter({ name: 'exit', limits: { limit: 5, windowMs: 10 } });
    const clock = new ManualClock({ name: 'exit' });
    bucket.tryAcquire();
    limiter.consume('key');
    await bucket.acquire(5);
    await limiter.acquire('key', 5);
    bucket.refund(1);
    await bucket.execute(async () => 'value', { timeoutMs: 60_000, signal: new AbortController().signal });
    clock.advance(5);
    await clock.advanceAsync(5);
    list();
    bucket.snapshot();
  `);
});

test('breakers, throttles, budgets and what is around calls keep no process alive once the calls have settled', async () => {
  await endsAlone(
    `
    const options = { name: 'exit', consecutiveFailures: 1, openMs: 60_000 };
    const [breaker, other] = [new CircuitBreaker(options), new CircuitBreaker({ ...options, name: undefined })];
    const budget = new RetryBudget({ name: 'exit' });
    const throttle = new AdaptiveThrottle({ name: 'exit' });
    for (const one of [breaker, other]) {
      one.on('stateChange', () => {});
      one.isolate();
      one.disable();
      one.forceOpen();
    }
    // A break that lasts, and a probe that is out.
    const probing = new CircuitBreaker({ openMs: 1 });
    probing.forceOpen();
    await new Promise((resolve) => setTimeout(resolve, 5));
    probing.tryAcquire();
    const calls = pipeline(timeout({ ms: 60_000 }), retry({ budget, backoff: 5 }), hedge({ delayMs: 60_000, budget }), throttle);
    const failing = () => Promise.reject(new Error('down'));
    await calls.execute(async () => 'value', { timeoutMs: 60_000, signal: new AbortController().signal });
    await retry({ budget, backoff: 5 }).execute(failing).catch(({ message }) => console.log(message));
    await breaker.execute(() => {}).catch(({ code }) => console.log(code));
  `,
    { said: 'down\nERR_CIRCUIT_OPEN' },
  );
});

test('monitors and shedders keep no process alive: no beat, no watch, no listener, no sample', async () => {
  await endsAlone(
    `
    const monitor = new EventLoopMonitor({ blockedMs: 50, sampleMs: 50 });
    monitor.on('blocked', () => {});
    const shedder = new LoadShedder({ maxEventLoopDelayMs: 10_000, maxRssBytes: { shareOfLimit: 1 }, monitor });
    await new Promise((resolve) => setTimeout(resolve, 200));
    console.log(await shedder.execute(() => 'ran'));
  `,
    { atLeastMs: 200, said: 'ran' },
  );
});

test('a retry’s pause and a hedge that is due keep the process alive', async () => {
  await endsAlone(
    `
    let tries = 0;
    const fn = async () => {
      tries += 1;
      if (tries === 1) throw new Error('down');
      return 'retried';
    };
    retry({ backoff: 200 }).execute(fn).then(console.log);
  `,
    { atLeastMs: 200, said: 'retried' },
  );
  await endsAlone(
    `
    let calls = 0;
    const fn = () => (++calls === 1 ? new Promise(() => {}) : Promise.resolve('hedged'));
    hedge({ delayMs: 200 }).execute(fn).then(console.log);
  `,
    { atLeastMs: 200, said: 'hedged' },
  );
});

test('an acquire that waits keeps the process alive until it is served', async () => {
  await endsAlone(
    `
    const bucket = new TokenBucket({ capacity: 1, refillPerSecond: 5, initialTokens: 0 });
    bucket.acquire().then(() => console.log('served'));
  `,
    { atLeastMs: 200, said: 'served' },
  );
  await endsAlone(
    `
    const limiter = new RateLimiter({ limits: { limit: 1, windowMs: 200 } });
    limiter.tryAcquire('key');
    limiter.acquire('key').then(() => console.log('served'));
  `,
    { atLeastMs: 200, said: 'served' },
  );
});

test('a refusal that nobody handles ends the process like any other rejection', async () => {
  const { code, stderr } = await run(`
    const bucket = new TokenBucket({ capacity: 1, refillPerSecond: 1, initialTokens: 0 });
    bucket.execute(() => {});
    setTimeout(() => {}, 60_000);
  `);
  assert.equal(code, 1);
  assert.match(stderr, /bucket refused/);
});

test('a deadline keeps the process alive until it has passed', async () => {
  await endsAlone(
    `
    const bucket = new TokenBucket({ capacity: 1, refillPerSecond: 1 });
    bucket.execute(() => new Promise(() => {}), { timeoutMs: 200 }).catch(({ code }) => console.log(code));
  `,
    { atLeastMs: 200, said: 'ERR_TIMEOUT' },
  );
});

test('a process ends at once when what it waited for was aborted or disposed', async () => {
  await endsAlone(
    `
    const options = { capacity: 1, refillPerSecond: 0.001, initialTokens: 0 };
    const limiter = new RateLimiter({ limits: { limit: 1, windowMs: 3_600_000 } });
    limiter.tryAcquire('key');
    const controller = new AbortController();
    const { signal } = controller;
    const [one, other] = [new TokenBucket(options), new TokenBucket({ ...options, name: 'exit' })];
    const waiting = [
      one.acquire(1, { signal }),
      limiter.acquire('key', 1, { signal }),
      one.policy({ maxWaitMs: Infinity }).execute(() => {}, { signal, timeoutMs: 3_600_000 }),
      other.acquire(),
    ];
    setTimeout(() => {
      controller.abort();
      other.dispose();
    }, 20);
    const said = await Promise.allSettled(waiting);
    console.log(said.map(({ status }) => status).join());
  `,
    { said: 'rejected,rejected,rejected,rejected' },
  );
});

test('a retry that waits keeps the process alive until its next attempt', async () => {
  await endsAlone(
    `
    retry({ backoff: 200 })
      .execute(({ attempt }) => attempt === 1 ? Promise.reject(new Error('down')) : 'up')
      .then(console.log);
  `,
    { atLeastMs: 200, said: 'up' },
  );
});

test('a hedge that may start, and a timeout, keep the process alive while their calls run', async () => {
  await endsAlone(
    `
    const never = () => new Promise(() => {});
    hedge({ delayMs: 200 })
      .execute(({ attempt }) => attempt === 1 ? never() : 'hedge')
      .then(console.log);
  `,
    { atLeastMs: 200, said: 'hedge' },
  );
  await endsAlone(
    `
    timeout({ ms: 200 })
      .execute(() => new Promise(() => {}))
      .catch(({ code }) => console.log(code));
  `,
    { atLeastMs: 200, said: 'ERR_TIMEOUT' },
  );
});

test('a queue keeps a process alive while another thread may end a wait, and no longer', async () => {
  await endsAlone(
    `
    const alone = new BoundedQueue({ capacity: 1, overflow: 'wait' });
    const shared = new BoundedQueue({ name: 'exit', capacity: 5 });
    shared.on('drop', () => {});
    alone.tryPush(1);
    // Nobody but this thread could end these.
    alone.push(2).then(() => console.log('stored'));
    new BoundedQueue({ capacity: 1 }).pop().then(() => console.log('popped'));
    // A linger is a timer.
    shared.tryPush('first');
    console.log((await shared.popMany(5, { lingerMs: 30 })).join());
    const popped = shared.pop();
    setTimeout(() => shared.tryPush('second'), 20).unref();
    console.log(await popped);
  `,
    { said: 'first\nsecond' },
  );
});

test('a load keeps no process alive for its timeouts and its lease once its callers are settled', async () => {
  await endsAlone(
    `
    const options = { maxEntries: 5, ttlMs: 3_600_000, leaseMs: 3_600_000, hardTimeoutMs: 3_600_000, staleIfErrorMs: 3_600_000 };
    for (const cache of [new Cache(options), new Cache({ ...options, name: 'exit', codec: 'string' })]) {
      const ask = () => cache.getOrLoad('key', async () => 'loaded', { softTimeoutMs: 3_600_000 });
      console.log((await Promise.all([ask(), ask()])).join());
      cache.expire('key');
      console.log((await Promise.all([ask(), ask()])).join());
    }
  `,
    { said: Array(4).fill('loaded,loaded').join('\n') },
  );
});

test('a process and a thread that wait for a load of another one live until it ends, and no longer', async () => {
  await endsAlone(
    `
    import { Worker } from 'node:worker_threads';
    const options = { name: 'exit', codec: 'string', maxEntries: 5, ttlMs: 60_000 };
    const source = \`
      const { parentPort, workerData } = require('node:worker_threads');
      const { Cache } = require('breakwater');
      const cache = new Cache(workerData);
      const slow = () => new Promise((resolve) => setTimeout(() => resolve('of the thread'), 200));
      cache.getOrLoad('of the thread', slow);
      cache.getOrLoad('of the process', () => 'never called').then((value) => parentPort.postMessage(value));
      parentPort.postMessage('asked');
    \`;
    const cache = new Cache(options);
    let finish;
    cache.getOrLoad('of the process', () => new Promise((resolve) => (finish = resolve)));
    const worker = new Worker(source, { eval: true, execArgv: [], workerData: options });
    worker.on('exit', (code) => console.log(code));
    await new Promise((resolve) => worker.once('message', resolve));
    worker.on('message', (value) => console.log(value));
    // The wait alone keeps the process alive; then, in the thread, the thread.
    worker.unref();
    console.log(await cache.getOrLoad('of the thread', () => 'never called'));
    worker.ref();
    setTimeout(() => finish('of the process'), 400).unref();
  `,
    { said: 'of the thread\nof the process\n0' },
  );
});

test('policies that have nothing to do keep nothing alive: no budget, window, break, lease or listener', async () => {
  await endsAlone(`
    const budget = new RetryBudget({ name: 'exit', windowMs: 3_600_000 });
    const breaker = new CircuitBreaker({ name: 'exit', openMs: 3_600_000, halfOpenCalls: 2 });
    const alone = new CircuitBreaker({ openMs: 50 });
    const throttle = new AdaptiveThrottle({ name: 'exit' });
    const breakers = keyed((label) => new CircuitBreaker({ label }));
    for (const one of [breaker, alone]) one.on('stateChange', () => {});
    breakers.for('host').on('stateChange', () => {});
    budget.deposit();
    budget.withdraw();
    throttle.tryAcquire();
    breaker.isolate();
    breaker.forceOpen();
    alone.tryAcquire();
    alone.forceOpen();
    await new Promise((resolve) => setTimeout(resolve, 60));
    alone.tryAcquire();
    const policy = pipeline(
      fallback('else'),
      timeout({ ms: 3_600_000 }),
      retry({ budget, backoff: 3_600_000 }),
      hedge({ delayMs: 3_600_000, budget }),
      throttle,
      new CircuitBreaker(),
      timeout({ ms: 3_600_000 }),
    );
    await policy.execute(() => 'value');
    await policy.execute(async () => 'value', { timeoutMs: 3_600_000, signal: new AbortController().signal });
  `);
});

test('a process ends at once when what its policies waited for was aborted, or lost to a hedge', async () => {
  await endsAlone(
    `
    const never = () => new Promise(() => {});
    const fail = () => Promise.reject(new Error('down'));
    const controller = new AbortController();
    const { signal } = controller;
    const far = 3_600_000;
    const waiting = [
      retry({ backoff: far, maxAttempts: 9 }).execute(fail, { signal }),
      hedge({ delayMs: far }).execute(never, { signal }),
      timeout({ ms: far }).execute(never, { signal }),
      pipeline(timeout({ ms: far }), retry({ backoff: far / 2 }), hedge({ delayMs: far })).execute(fail, { signal }),
    ];
    // The loser has a timeout of its own, and never settles.
    const hedged = pipeline(hedge({ delayMs: 5 }), timeout({ ms: far }));
    console.log(await hedged.execute(({ attempt }) => attempt === 1 ? never() : 'hedge'));
    setTimeout(() => controller.abort(), 20);
    const said = await Promise.allSettled(waiting);
    console.log(said.map(({ status }) => status).join());
  `,
    { said: 'hedge\nrejected,rejected,rejected,rejected' },
  );
});

test('a wait on a manual clock keeps nothing alive', async () => {
  await endsAlone(`
    const clock = new ManualClock();
    const bucket = new TokenBucket({ capacity: 1, refillPerSecond: 1, initialTokens: 0, clock });
    bucket.acquire().then(() => console.log('served'));
    bucket.policy({ maxWaitMs: 5_000 }).execute(() => {}, { timeoutMs: 5_000 }).then(() => console.log('ran'));
    const fail = () => Promise.reject(new Error('down'));
    retry({ backoff: 5_000, clock }).execute(fail).catch(() => console.log('failed'));
    pipeline(timeout({ ms: 5_000, clock }), hedge({ delayMs: 1_000, clock })).execute(() => new Promise(() => {}));
  `);
});

test('primitives can be used until the very end, in exit listeners of process and thread', async () => {
  await endsAlone(
    `
    import { Worker } from 'node:worker_threads';
    const source = \`
      const { TokenBucket, RateLimiter } = require('breakwater');
      const bucket = new TokenBucket({ name: 'exit', limit: 4, windowMs: 86_400_000 });
      const limiter = new RateLimiter({ limits: { limit: 1, windowMs: 1_000 } });
      process.on('exit', () => {
        limiter.consume('key');
        bucket.tryAcquire();
        bucket.acquire(5).catch(() => {});
        bucket.acquire(4);
      });
    \`;
    const bucket = new TokenBucket({ name: 'exit', limit: 4, windowMs: 86_400_000 });
    await new Promise((resolve) => new Worker(source, { eval: true, execArgv: [] }).on('exit', resolve));
    process.on('exit', () => {
      bucket.acquire(4).catch(() => {});
      bucket.dispose();
      console.log(new TokenBucket({ capacity: 1, refillPerSecond: 1 }).tryAcquire());
    });
    console.log(bucket.snapshot().allowed, bucket.snapshot().waiting);
  `,
    { said: '1 0\ntrue' },
  );
});

test('process.exit ends a process with waiters, in threads too', async () => {
  const { code, signal, stderr } = await run(`
    import { Worker } from 'node:worker_threads';
    const options = { name: 'exit', capacity: 1, refillPerSecond: 0.001, initialTokens: 0 };
    new TokenBucket(options).acquire();
    const limiter = new RateLimiter({ name: 'exit', limits: { limit: 1, windowMs: 3_600_000 } });
    limiter.tryAcquire('key');
    limiter.acquire('key');
    const source = \`
      const { parentPort, workerData } = require('node:worker_threads');
      const { TokenBucket } = require('breakwater');
      new TokenBucket(workerData).acquire();
      parentPort.postMessage('waits');
      setInterval(() => { for (let i = 0; i < 1000; i++) TokenBucket.find('exit').tryAcquire(); }, 0);
    \`;
    let ready = 0;
    for (let i = 0; i < 3; i++) {
      new Worker(source, { eval: true, execArgv: [], workerData: options }).on('message', () => {
        if (++ready === 3) process.exit(7);
      });
    }
  `);
  assert.deepEqual({ code, signal, stderr }, { code: 7, signal: null, stderr: '' });
});

test('a thread ends by itself when nothing waits, and lives while something does', async () => {
  await endsAlone(
    `
    import { Worker } from 'node:worker_threads';
    const source = (ms) => \`
      const { TokenBucket } = require('breakwater');
      const bucket = new TokenBucket({ limit: 1, windowMs: \${ms} });
      bucket.tryAcquire();
      if (\${ms} > 1) bucket.acquire();
    \`;
    const lives = (ms) => new Promise((resolve) => {
      const start = performance.now();
      new Worker(source(ms), { eval: true, execArgv: [] }).on('exit', (code) => resolve([code, performance.now() - start]));
    });
    const [[first], [second, ms]] = [await lives(1), await lives(300)];
    console.log(first, second, ms >= 300);
  `,
    { said: '0 0 true' },
  );
});

test('a process that waits for another thread’s refund lives until it comes', async () => {
  await endsAlone(
    `
    import { Worker } from 'node:worker_threads';
    const options = { name: 'exit', limit: 1, windowMs: 86_400_000, initialTokens: 0 };
    const source = \`
      const { workerData } = require('node:worker_threads');
      const { TokenBucket } = require('breakwater');
      const bucket = new TokenBucket(workerData);
      setTimeout(() => bucket.refund(1), 100);
    \`;
    const worker = new Worker(source, { eval: true, execArgv: [], workerData: options });
    worker.unref();
    const bucket = new TokenBucket(options);
    await bucket.acquire();
    console.log('served');
  `,
    { atLeastMs: 100, said: 'served' },
  );
});

test('importing loads no binding and starts no thread; the first constructor loads it', async () => {
  if (process.platform !== 'linux') return; // Only Linux says what a process consists of.
  const { stdout, stderr } = await runScript(`
    import { readdirSync, readFileSync } from 'node:fs';
    import { readFile } from 'node:fs/promises';
    const threads = () => readdirSync('/proc/self/task').length;
    const loaded = () => readFileSync('/proc/self/maps', 'utf8').includes('breakwater.node');
    const handles = () => process.getActiveResourcesInfo?.().length;
    // The runtime’s own threads are there once it has imported something else.
    await import('express');
    await import('fastify');
    await Promise.all(Array.from({ length: 50 }, () => readFile('package.json')));
    await new Promise((resolve) => setTimeout(resolve, 100));
    const before = [threads(), handles()];
    const breakwater = await import('breakwater');
    await import('breakwater/express');
    await import('breakwater/fastify');
    await new Promise((resolve) => setTimeout(resolve, 50));
    const imported = [threads(), handles(), loaded()];
    const bucket = new breakwater.TokenBucket({ capacity: 1, refillPerSecond: 1 });
    new breakwater.RateLimiter({ limits: { limit: 1, windowMs: 1_000 } }).tryAcquire('key');
    bucket.tryAcquire();
    await new Promise((resolve) => setTimeout(resolve, 50));
    console.log(JSON.stringify({ before, imported, used: [threads(), loaded()] }));
  `);
  assert.equal(stderr, '');
  const { before, imported, used } = JSON.parse(stdout);
  assert.equal(imported[2], false);
  assert.equal(used[1], true);
  // Fewer is possible: a runtime ends threads of its own that have nothing to do.
  assert.equal(
    imported[0] <= before[0] && used[0] <= before[0],
    true,
    `${before[0]} → ${imported[0]} → ${used[0]} threads`,
  );
  assert.deepEqual(imported[1], before[1]);
});

test('importing never throws, even where no binding can be loaded', async () => {
  const env = { BREAKWATER_NATIVE_PATH: '/nowhere/breakwater.node' };
  const { code, stdout } = await runScript(
    `
    const names = Object.keys(await import('breakwater')).length;
    await import('breakwater/express');
    await import('breakwater/fastify');
    console.log(names > 10);
  `,
    { env },
  );
  assert.deepEqual([code, stdout.trim()], [0, 'true']);
});
