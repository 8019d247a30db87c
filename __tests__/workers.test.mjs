// Several threads on one named state, in real time. Storms: torture/, here scaled down.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { CircuitBreaker, list, ManualClock, RateLimiter, TokenBucket } from 'breakwater';
import { runScript } from './helpers/processes.mjs';
import { stateOf, until } from './helpers/promises.mjs';
import { startThread, withThreads } from './helpers/threads.mjs';
import { boundOverSpans } from './torture/exact.mjs';
import { terminateStorm } from './torture/terminate.mjs';

/** Longer than any test: what is taken does not come back meanwhile. */
const DAY = 86_400_000;

let names = 0;
function newName() {
  names += 1;
  return `workers.test:${names}`;
}
const inUse = (name) => list().some((one) => one.name === name);

/** Makes a bucket in each thread, kept there. */
const openBucket = ({ TokenBucket }, kept, options) => {
  kept.bucket = new TokenBucket(options);
};
const openLimiter = ({ RateLimiter }, kept, options) => {
  kept.limiter = new RateLimiter(options);
};

/** Runs `tries` calls in each thread, all starting together; answers how many passed. */
async function race(threads, tries) {
  const gate = new Int32Array(new SharedArrayBuffer(4));
  const passed = threads.map((thread) =>
    thread.run(
      (_, { bucket, limiter }, tries, gate) => {
        Atomics.add(gate, 0, 1);
        while (Atomics.load(gate, 0) < 4);
        let passed = 0;
        for (let i = 0; i < tries; i++)
          if (bucket ? bucket.tryAcquire() : limiter.tryAcquire('key')) passed += 1;
        return passed;
      },
      tries,
      gate,
    ),
  );
  return (await Promise.all(passed)).reduce((sum, one) => sum + one, 0);
}

test('four threads get exactly the limit of a named bucket', async () => {
  // Four threads with rate-limiter-flexible in memory admit 400 for a limit of 100.
  await withThreads(4, async (threads) => {
    const options = { name: newName(), limit: 100, windowMs: DAY };
    await Promise.all(threads.map((thread) => thread.run(openBucket, options)));
    assert.equal(await race(threads, 1_000), 100);
    const { allowed, refused } = TokenBucket.find(options.name).snapshot();
    assert.deepEqual({ allowed, refused }, { allowed: 100, refused: 3_900 });
  });
});

test('four threads get exactly the limit of a named limiter', async () => {
  await withThreads(4, async (threads) => {
    const options = { name: newName(), limits: { limit: 100, windowMs: DAY } };
    await Promise.all(threads.map((thread) => thread.run(openLimiter, options)));
    assert.equal(await race(threads, 1_000), 100);
    const { allowed, refused, size } = RateLimiter.find(options.name).snapshot();
    assert.deepEqual({ allowed, refused, size }, { allowed: 100, refused: 3_900, size: 1 });
  });
});

test('four threads never get more than capacity + rate × T, over any span T (real time)', async () => {
  for (const { Class, capacity, granted, excess } of await boundOverSpans({ ms: 150 })) {
    assert.equal(excess <= 0.001, true, `${Class} of ${capacity}: ${excess} tokens too many`);
    assert.equal(granted > capacity, true, `${Class} of ${capacity}: ${granted} granted`);
  }
});

test('waiters of all threads are served in the order in which they came', async () => {
  await withThreads(3, async (threads) => {
    const options = { name: newName(), limit: 1, windowMs: DAY, initialTokens: 0 };
    const bucket = new TokenBucket(options);
    const served = new Int32Array(new SharedArrayBuffer(4 * 32));
    await Promise.all(threads.map((thread) => thread.run(openBucket, options)));
    const wait = (_, { bucket }, id, served) => {
      bucket.acquire().then(() => Atomics.store(served, Atomics.add(served, 0, 1) + 1, id));
    };
    for (let id = 0; id < 24; id++) await threads[(id * 5) % 3].run(wait, id, served);
    assert.equal(bucket.snapshot().waiting, 24);
    for (let turn = 0; turn < 24; turn++) {
      bucket.refund(1);
      await until(() => served[turn + 1] === turn && served[0] === turn + 1, `turn ${turn}`);
    }
    bucket.dispose();
  });
});

test('a refund, a change of limits and an abort in one thread serve a waiter in another', async () => {
  await withThreads(1, async ([thread]) => {
    const options = { name: newName(), capacity: 5, refillPerSecond: 0.001, initialTokens: 0 };
    const bucket = new TokenBucket(options);
    await thread.run(openBucket, options);
    const wait = (_, kept, tokens) => {
      kept.waited = kept.bucket.acquire(tokens).then(() => 'served');
    };
    const waited = (_, kept) => kept.waited;

    await thread.run(wait, 2);
    bucket.refund(2);
    assert.equal(await thread.run(waited), 'served');

    const controller = new AbortController();
    const ahead = bucket.acquire(5, { signal: controller.signal });
    await thread.run(wait, 1);
    bucket.refund(1);
    assert.equal(await stateOf(ahead), 'pending');
    controller.abort();
    assert.equal(await stateOf(ahead), 'rejected');
    assert.equal(await thread.run(waited), 'served');

    await thread.run(wait, 1);
    bucket.reconfigure({ refillPerSecond: 1_000_000 });
    assert.equal(await thread.run(waited), 'served');
    bucket.dispose();
  });
});

test('a waiter that can never be served since another thread changed the limits is refused', async () => {
  await withThreads(1, async ([thread]) => {
    const options = { name: newName(), capacity: 5, refillPerSecond: 0.001, initialTokens: 0 };
    const bucket = new TokenBucket(options);
    await thread.run(openBucket, options);
    const refused = thread.run((_, { bucket }) => bucket.acquire(5).catch(({ code }) => code));
    await until(() => bucket.snapshot().waiting === 1);
    bucket.reconfigure({ capacity: 4 });
    assert.equal(await refused, 'ERR_RATE_LIMITED');
    assert.equal(bucket.snapshot().refused, 1);
    bucket.dispose();
  });
});

test('new limits of one thread are in force in all', async () => {
  await withThreads(2, async (threads) => {
    const options = { name: newName(), limits: { limit: 2, windowMs: DAY } };
    for (const thread of threads) await thread.run(openLimiter, options);
    await threads[0].run((_, { limiter }) => limiter.consume('key', 2));
    const limits = { limit: 20, windowMs: DAY };
    await threads[1].run((_, { limiter }, limits) => limiter.reconfigure({ limits }), limits);
    const { limit, remaining, limitName } = await threads[0].run((_, { limiter }) =>
      limiter.consume('other'),
    );
    assert.deepEqual([limit, remaining, limitName], [20, 19, '20-in-86400s']);
  });
});

test('a thread that is killed while it waits leaves its place and its tokens to the next', async () => {
  const options = { name: newName(), capacity: 5, refillPerSecond: 0.001, initialTokens: 1 };
  const bucket = new TokenBucket(options);
  const thread = await startThread();
  await thread.run(openBucket, options);
  await thread.run((_, { bucket }) => {
    bucket.acquire(5);
    bucket.acquire(5);
  });
  const waiting = bucket.acquire(1);
  assert.equal(bucket.snapshot().waiting, 3);
  assert.equal(await stateOf(waiting), 'pending');
  await thread.terminate();
  await waiting;
  assert.equal(bucket.snapshot().waiting, 0);
  bucket.dispose();
});

test('tokens offered to a thread that is killed before it takes them go back', async () => {
  const options = { name: newName(), capacity: 5, refillPerSecond: 0.001, initialTokens: 0 };
  const bucket = new TokenBucket(options);
  const thread = await startThread();
  await thread.run(openBucket, options);
  await thread.run((_, { bucket }) => {
    bucket.acquire(5);
  });
  // The loop is busy from now on, so that it cannot take what it is offered.
  const busy = new Int32Array(new SharedArrayBuffer(4));
  thread
    .run((_, __, busy) => {
      Atomics.store(busy, 0, 1);
      for (;;);
    }, busy)
    .catch(() => {});
  await until(() => busy[0] === 1);
  bucket.refund(5);
  assert.equal(bucket.available < 1, true);
  const waiting = bucket.acquire(5);
  await thread.terminate();
  await waiting;
  bucket.dispose();
});

test('tokens that go back later are not granted on top of those that flowed in meanwhile', async () => {
  const name = newName();
  const clock = new ManualClock({ name });
  const options = { name, capacity: 5, refillPerSecond: 1, initialTokens: 0 };
  const bucket = new TokenBucket({ ...options, clock });
  const thread = await startThread();
  await thread.run(({ ManualClock, TokenBucket }, _, options) => {
    new TokenBucket({ ...options, clock: new ManualClock({ name: options.name }) }).acquire(5);
  }, options);
  const busy = new Int32Array(new SharedArrayBuffer(4));
  thread
    .run((_, __, busy) => {
      Atomics.store(busy, 0, 1);
      for (;;);
    }, busy)
    .catch(() => {});
  await until(() => busy[0] === 1);
  clock.advance(5_000);
  assert.deepEqual([bucket.tryAcquire(), bucket.available], [false, 0], 'the thread is offered all five');
  clock.advance(5_000);
  assert.equal(bucket.tryAcquire(5), true);
  await thread.terminate();
  // Ten at one instant would be more than the bucket ever holds.
  assert.equal(bucket.tryAcquire(), false);
  bucket.dispose();
});

test('the reservation of a thread that is killed goes back', async () => {
  const options = { name: newName(), limits: { limit: 1, windowMs: 3_600_000 } };
  const limiter = new RateLimiter(options);
  const thread = await startThread();
  await thread.run(openLimiter, options);
  assert.equal(limiter.tryAcquire('key'), true);
  await thread.run((_, { limiter }) => {
    limiter.acquire('key');
  });
  const hours = () => Math.round(limiter.peek('key').retryAfterMs / 3_600_000);
  assert.deepEqual([hours(), limiter.snapshot().waiting], [2, 1]);
  await thread.terminate();
  assert.deepEqual([hours(), limiter.snapshot().waiting], [1, 0]);
  limiter.dispose();
});

test('what a thread counted still counts when it has ended', async () => {
  const options = { name: newName(), limit: 1_000, windowMs: DAY };
  const bucket = new TokenBucket(options);
  for (const end of ['end', 'terminate']) {
    const thread = await startThread();
    await thread.run(openBucket, options);
    await thread.run((_, { bucket }) => {
      for (let i = 0; i < 10; i++) bucket.tryAcquire();
      bucket.tryAcquire(1_001);
    });
    await thread[end]();
  }
  const { allowed, refused } = bucket.snapshot();
  assert.deepEqual({ allowed, refused }, { allowed: 20, refused: 2 });
  bucket.dispose();
});

test('a name lives as long as a thread holds it, and is free when the last one has ended', async () => {
  for (const end of ['end', 'terminate']) {
    const options = { name: newName(), capacity: 5, refillPerSecond: 1 };
    const thread = await startThread();
    await thread.run(openBucket, options);
    await thread.run(openBucket, options);
    assert.equal(inUse(options.name), true);
    const bucket = new TokenBucket(options);
    bucket.dispose();
    assert.throws(() => new TokenBucket({ ...options, capacity: 6 }), {
      code: 'ERR_NAME_CONFLICT',
      option: 'capacity',
    });
    await thread[end]();
    assert.equal(inUse(options.name), false);
    new TokenBucket({ ...options, capacity: 6 }).dispose();
  }
});

test('a conflict with another thread’s options names the option', async () => {
  await withThreads(1, async ([thread]) => {
    const options = { name: newName(), limits: { limit: 5, windowMs: 1_000 } };
    await thread.run(openLimiter, options);
    assert.throws(() => new RateLimiter({ ...options, maxKeys: 5 }), {
      code: 'ERR_NAME_CONFLICT',
      option: 'maxKeys',
    });
  });
});

test('find reaches the state of another thread', async () => {
  await withThreads(1, async ([thread]) => {
    const options = { name: newName(), limit: 3, windowMs: DAY, dryRun: true };
    await thread.run(openBucket, options);
    await thread.run((_, { bucket }) => bucket.tryAcquire(2));
    const found = TokenBucket.find(options.name);
    assert.deepEqual([found.snapshot().allowed, found.snapshot().dryRun], [1, true]);
    assert.equal(found.available < 1.1, true);
    found.dispose();
  });
});

test('a named clock is one clock for all threads', async () => {
  await withThreads(2, async (threads) => {
    const name = newName();
    const clock = new ManualClock({ name });
    const open = ({ ManualClock, RateLimiter, TokenBucket }, kept, name) => {
      kept.clock = new ManualClock({ name });
      kept.bucket = new TokenBucket({
        name,
        capacity: 1,
        refillPerSecond: 1,
        initialTokens: 0,
        clock: kept.clock,
      });
      kept.limiter = new RateLimiter({ name, limits: { limit: 1, windowMs: 10_000 }, clock: kept.clock });
      kept.limiter.tryAcquire('key');
      kept.waits = [];
      kept.wait = (what, promise) => promise.then(() => kept.waits.push(`${what} at ${kept.clock.now}`));
    };
    for (const thread of threads) await thread.run(open, name);
    await threads[0].run((_, { bucket, limiter, wait }) => {
      wait('bucket', bucket.acquire());
      wait('limiter', limiter.acquire('key'));
    });
    assert.deepEqual(await threads[0].run((_, { clock }) => [clock.now, clock.pending]), [0, 2]);
    clock.advance(999);
    assert.deepEqual(await threads[1].run((_, { clock }) => [clock.now, clock.pending]), [999, 0]);
    clock.advance(1);
    await until(() => TokenBucket.find(name).snapshot().waiting === 0);
    assert.deepEqual(await threads[0].run((_, { waits }) => waits), ['bucket at 1000']);
    await threads[1].run((_, { clock }) => clock.advance(9_000));
    assert.equal(clock.now, 10_000);
    await until(() => RateLimiter.find(name).snapshot().waiting === 0);
    assert.deepEqual(await threads[0].run((_, { waits }) => waits), ['bucket at 1000', 'limiter at 10000']);
    assert.throws(
      () =>
        new TokenBucket({
          name,
          capacity: 1,
          refillPerSecond: 1,
          initialTokens: 0,
          clock: new ManualClock(),
        }),
      { option: 'clock' },
    );
  });
});

test('what a thread finds waits on the state’s named clock, though the thread never made it', async () => {
  await withThreads(1, async ([thread]) => {
    const name = newName();
    const clock = new ManualClock({ name });
    const bucket = new TokenBucket({ name, capacity: 1, refillPerSecond: 20, initialTokens: 0, clock });
    const limiter = new RateLimiter({ name, limits: { limit: 1, windowMs: 50 }, clock });
    limiter.tryAcquire('key');
    await thread.run(({ RateLimiter, TokenBucket }, kept, name) => {
      kept.served = [];
      TokenBucket.find(name)
        .acquire()
        .then(() => kept.served.push('bucket'));
      RateLimiter.find(name)
        .acquire('key')
        .then(() => kept.served.push('limiter'));
    }, name);
    // In real time both would have been served by then.
    await new Promise((resolve) => setTimeout(resolve, 100));
    const served = (_, kept) => kept.served;
    assert.deepEqual(await thread.run(served), []);
    clock.advance(50);
    await until(() => bucket.snapshot().waiting + limiter.snapshot().waiting === 0);
    assert.deepEqual((await thread.run(served)).sort(), ['bucket', 'limiter']);
    bucket.dispose();
    limiter.dispose();
  });
});

test('advanceAsync sees what other threads make of each instant', async () => {
  await withThreads(1, async ([thread]) => {
    const name = newName();
    const clock = new ManualClock({ name });
    const options = { name, capacity: 1, refillPerSecond: 1, initialTokens: 0 };
    const bucket = new TokenBucket({ ...options, clock });
    await thread.run(({ ManualClock, TokenBucket }, kept, options) => {
      kept.bucket = new TokenBucket({ ...options, clock: new ManualClock({ name: options.name }) });
    }, options);
    const given = thread.run((_, { bucket }) => bucket.acquire().then(() => 'given'));
    await until(() => bucket.snapshot().waiting === 1);
    const mine = bucket.acquire();
    await clock.advanceAsync(2_000);
    assert.equal(await given, 'given');
    assert.equal(await stateOf(mine), 'fulfilled');
    bucket.dispose();
  });
});

test('works where only threads load it, one after another and at once', async () => {
  const { code, stdout, stderr } = await runScript(`
    import { Worker } from 'node:worker_threads';
    const source = \`
      const { parentPort } = require('node:worker_threads');
      const { TokenBucket } = require('breakwater');
      const bucket = new TokenBucket({ name: 'only threads', limit: 2, windowMs: 86400000 });
      parentPort.postMessage([bucket.tryAcquire(), bucket.tryAcquire(), bucket.tryAcquire()]);
    \`;
    const run = () => new Promise((resolve, reject) => {
      const worker = new Worker(source, { eval: true, execArgv: [] });
      let said;
      worker.on('message', (message) => (said = message));
      worker.on('error', reject);
      worker.on('exit', (code) => resolve([code, ...said]));
    });
    const said = [];
    for (let i = 0; i < 5; i++) said.push(await run());
    const together = await Promise.all(Array.from({ length: 5 }, run));
    const { TokenBucket, list } = await import('breakwater');
    const here = new TokenBucket({ name: 'only threads', limit: 9, windowMs: 1000 });
    console.log(JSON.stringify({ said, codes: together.map(([code]) => code), here: here.available, names: list() }));
  `);
  assert.equal(code, 0, stderr);
  const { said, codes, here, names } = JSON.parse(stdout);
  // Nobody holds the name between two threads, so each begins with a full bucket.
  assert.deepEqual(said, Array(5).fill([0, true, true, false]));
  assert.deepEqual(codes, Array(5).fill(0));
  assert.equal(here, 9);
  assert.deepEqual(names, [{ kind: 'bucket', name: 'only threads' }]);
});

test('threads killed at random instants under load lose nothing (20 here, 100 in npm run torture)', async () => {
  const { served, waiting, missingTokens, namesLeft } = await terminateStorm({ times: 20 });
  assert.deepEqual(
    { served, waiting, missingTokens, namesLeft },
    { served: 20, waiting: 0, missingTokens: 0, namesLeft: 0 },
  );
});

test('a listener hears of other threads also after another object of its thread has stopped listening', async () => {
  const name = newName();
  const breakers = [new CircuitBreaker({ name }), new CircuitBreaker({ name })];
  await withThreads(1, async ([thread]) => {
    await thread.run(({ CircuitBreaker }, kept, name) => {
      kept.breaker = new CircuitBreaker({ name });
    }, name);
    const heard = [];
    const [first] = breakers.map((breaker) => breaker.on('stateChange', ({ to }) => heard.push(to)));
    await thread.run((_, { breaker }) => breaker.forceOpen());
    await until(() => heard.length === 2, 'that both heard');
    first.dispose();
    await thread.run((_, { breaker }) => breaker.reset());
    await until(() => heard.length === 3, 'that the other one heard');
    assert.deepEqual(heard, ['open', 'open', 'closed']);
  });
  for (const breaker of breakers) breaker.dispose();
});
