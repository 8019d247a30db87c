// What the examples in the readmes of p-limit, p-queue and bottleneck do, with what a user of this package writes instead.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Bulkhead, keyed, ManualClock, pipeline, TokenBucket } from 'breakwater';
import { manual } from '../helpers/calls.mjs';
import { continuations, reasonOf, watched } from '../helpers/promises.mjs';

test('p-limit: only one promise is run at once', async () => {
  const limit = new Bulkhead({ maxConcurrent: 1, maxQueue: Number.POSITIVE_INFINITY });
  let running = 0;
  const fetchSomething = async (what) => {
    running += 1;
    assert.equal(running, 1);
    await null;
    running -= 1;
    return what;
  };
  const input = ['foo', 'bar', undefined].map((what) => limit.execute(() => fetchSomething(what)));
  assert.deepEqual([limit.active, limit.queued], [1, 2]);
  assert.deepEqual(await Promise.all(input), ['foo', 'bar', undefined]);
});

test('p-limit: limitFunction, and map in order', async () => {
  const limit = new Bulkhead({ maxConcurrent: 2, maxQueue: 10 });
  const limited = limit.wrap(async (a, b) => a + b);
  assert.equal(await limited(1, 2), 3);
  assert.deepEqual(await limit.map([1, 2, 3], async (item, index) => item * index), [0, 2, 6]);
});

test('p-limit: what waits can be cleared, and settles', async () => {
  const limit = new Bulkhead({ maxConcurrent: 1, maxQueue: 10 });
  const fn = manual();
  const runs = limit.execute(fn);
  const waits = watched(limit.execute(fn));
  limit.dispose();
  fn.calls[0].resolve('unicorn');
  assert.equal(await runs, 'unicorn');
  await continuations();
  assert.equal(waits.error.code, 'ERR_DISPOSED');
});

test('p-queue: highest priority first', async () => {
  const queue = new Bulkhead({ maxConcurrent: 1, maxQueue: 10, order: 'priority' });
  const served = [];
  const calls = [
    [1, '🦄'],
    [0, '🦀'],
    [1, '🦄🦄'],
    [9, '🐙'],
  ].map(([priority, what]) => queue.execute(async () => served.push(what), { priority }));
  await Promise.all(calls);
  assert.deepEqual(served, ['🦄', '🐙', '🦄🦄', '🦀']);
});

test('p-queue: two at once, and five starts a second', async () => {
  const clock = new ManualClock();
  const starts = new TokenBucket({ limit: 5, windowMs: 1_000, clock });
  const queue = pipeline(
    new Bulkhead({ maxConcurrent: 2, maxQueue: 100, clock }),
    starts.policy({ maxWaitMs: 60_000 }),
  );
  const at = [];
  const calls = Array.from({ length: 10 }, () => queue.execute(async () => at.push(clock.now)));
  await clock.advanceAsync(2_000);
  await Promise.all(calls);
  // Five at once, and then one whenever there is room for it: never more than 5 + 5 a second.
  assert.deepEqual(at, [0, 0, 0, 0, 0, 200, 400, 600, 800, 1_000]);
});

test('p-queue: an aborted task leaves the line, and onIdle waits for the rest', async () => {
  const queue = new Bulkhead({ maxConcurrent: 1, maxQueue: 10 });
  const controller = new AbortController();
  const fn = manual();
  const first = queue.execute(fn);
  const second = watched(queue.execute(fn, { signal: controller.signal }));
  const third = queue.execute(fn);
  controller.abort('not needed');
  await continuations();
  assert.deepEqual([second.error, queue.queued], ['not needed', 1]);
  const idle = watched(queue.drain());
  fn.calls[0].resolve(1);
  await continuations();
  fn.calls[1].resolve(3);
  assert.deepEqual([await first, await third], [1, 3]);
  await continuations();
  assert.equal(idle.value, true);
});

test('bottleneck: maxConcurrent 1 and minTime 100, with the strategies for a full line', async () => {
  const spaced = async (order, submit) => {
    const clock = new ManualClock();
    const bulkhead = new Bulkhead({ maxConcurrent: 1, maxQueue: 2, order, clock });
    const pace = new TokenBucket({ capacity: 1, refillPerSecond: 10, clock });
    const limiter = pipeline(bulkhead, pace.policy({ maxWaitMs: 60_000 }));
    const results = [];
    const calls = submit.map(([priority, what]) =>
      limiter.execute(async () => results.push(what), { priority }).catch((error) => error.code),
    );
    await clock.advanceAsync(1_000);
    const refused = (await Promise.all(calls)).filter((code) => code === 'ERR_BULKHEAD_FULL').length;
    return [results, refused];
  };
  const four = [1, 2, 3, 4].map((what) => [5, what]);
  assert.deepEqual(await spaced('fifo', four), [[1, 2, 3], 1], 'OVERFLOW');
  assert.deepEqual(await spaced('lifo', four), [[1, 4, 3], 1], 'the oldest goes');
  const mixed = [...four, [8, 5], [9, 6]];
  assert.deepEqual(await spaced('priority', mixed), [[1, 6, 5], 3], 'LEAK and OVERFLOW_PRIORITY');
});

test('bottleneck: a limiter for each key, and weights', async () => {
  const group = keyed(() => new Bulkhead({ maxConcurrent: 2 }), { maxKeys: 100 });
  const heavy = group.for('a').tryAcquire({ weight: 2 });
  assert.equal((await reasonOf(group.for('a').execute(() => 1))).code, 'ERR_BULKHEAD_FULL');
  assert.equal(await group.for('b').execute(() => 1), 1);
  heavy.release();
});
