// Bulkhead with other policies around it and inside it: a permit follows the work, and a refusal is nobody's failure.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  Bulkhead,
  CircuitBreaker,
  hedge,
  keyed,
  ManualClock,
  pipeline,
  retry,
  TokenBucket,
  timeout,
} from 'breakwater';
import { ofEachKind } from './helpers/bulkhead.mjs';
import { manual } from './helpers/calls.mjs';
import { continuations, reasonOf, watched } from './helpers/promises.mjs';
import './helpers/rejections.mjs';

ofEachKind(
  test,
  'holds the permit while a function runs that a timeout inside has given up on',
  async (make) => {
    const clock = new ManualClock();
    const bulkhead = make({ maxConcurrent: 1, maxQueue: 1, clock });
    const policy = pipeline(bulkhead, timeout({ ms: 50, clock }));
    const fn = manual();
    const call = watched(policy.execute(fn));
    const next = watched(policy.execute(fn));
    clock.advance(50);
    await continuations();
    assert.deepEqual(
      [call.error.code, bulkhead.active, fn.calls.length],
      ['ERR_TIMEOUT', 1, 1],
      'one at a time',
    );
    fn.calls[0].reject(new Error('it heard of the abort at last'));
    await continuations();
    assert.deepEqual([bulkhead.active, fn.calls.length], [1, 2]);
    fn.calls[1].resolve('second');
    await continuations();
    assert.deepEqual([next.value, bulkhead.active], ['second', 0]);
  },
);

ofEachKind(test, 'holds one permit for all tries inside, and while they sleep', async (make) => {
  const clock = new ManualClock();
  const bulkhead = make({ maxConcurrent: 1, clock });
  const policy = pipeline(bulkhead, retry({ maxAttempts: 3, backoff: 100, clock }));
  const fn = manual();
  const call = watched(policy.execute(fn));
  fn.calls[0].reject(new Error('first'));
  await continuations();
  assert.equal(bulkhead.active, 1, 'it sleeps');
  clock.advance(100);
  await continuations();
  fn.calls[1].resolve('second');
  await continuations();
  assert.deepEqual([call.value, bulkhead.active], ['second', 0]);
});

ofEachKind(test, 'holds the permit until the last hedge inside has ended', async (make) => {
  const clock = new ManualClock();
  const bulkhead = make({ maxConcurrent: 1, clock });
  const policy = pipeline(bulkhead, hedge({ delayMs: 10, clock }));
  const fn = manual();
  const call = watched(policy.execute(fn));
  clock.advance(10);
  await continuations();
  fn.calls[1].resolve('the hedge');
  await continuations();
  assert.deepEqual([call.value, bulkhead.active], ['the hedge', 1]);
  fn.calls[0].reject(new Error('aborted'));
  await continuations();
  assert.equal(bulkhead.active, 0);
});

ofEachKind(test, 'gives the permit back when something inside refuses, or throws', async (make) => {
  const bulkhead = make({ maxConcurrent: 1 });
  const bucket = new TokenBucket({ capacity: 1, refillPerSecond: 0.001 });
  const policy = pipeline(bulkhead, bucket);
  assert.equal(await policy.execute(() => 1), 1);
  assert.equal((await reasonOf(policy.execute(() => 1))).code, 'ERR_RATE_LIMITED');
  assert.equal(bulkhead.active, 0);
  const foreign = {
    execute() {
      throw new Error('a policy of somebody else');
    },
  };
  assert.equal(
    (await reasonOf(pipeline(bulkhead, foreign).execute(() => 1))).message,
    'a policy of somebody else',
  );
  assert.equal(bulkhead.active, 0);
});

ofEachKind(
  test,
  'that refuses is no failure for a breaker around it, and gives its probe back',
  async (make) => {
    const clock = new ManualClock();
    const bulkhead = make({ maxConcurrent: 1, clock });
    const breaker = new CircuitBreaker({ consecutiveFailures: 1, openMs: 1_000, clock });
    const policy = pipeline(breaker, bulkhead);
    const permit = bulkhead.tryAcquire();
    for (let i = 0; i < 50; i++)
      assert.equal((await reasonOf(policy.execute(() => 1))).code, 'ERR_BULKHEAD_FULL');
    assert.equal(breaker.state, 'closed');
    breaker.forceOpen(1_000);
    clock.advance(1_000);
    assert.equal((await reasonOf(policy.execute(() => 1))).code, 'ERR_BULKHEAD_FULL');
    permit.release();
    assert.equal(await policy.execute(() => 'probe'), 'probe');
    assert.equal(breaker.state, 'closed');
  },
);

ofEachKind(test, 'is left alone by a retry around it when it refuses', async (make) => {
  const bulkhead = make({ maxConcurrent: 1 });
  const permit = bulkhead.tryAcquire();
  let asked = 0;
  const policy = pipeline(retry({ onRetry: () => asked++ }), bulkhead);
  assert.equal((await reasonOf(policy.execute(() => 1))).code, 'ERR_BULKHEAD_FULL');
  assert.equal(asked, 0);
  permit.release();
});

ofEachKind(test, 'ends a wait at the deadline of a timeout around it', async (make) => {
  const clock = new ManualClock();
  const bulkhead = make({ maxConcurrent: 1, maxQueue: 5, clock });
  const permit = bulkhead.tryAcquire();
  const policy = pipeline(timeout({ ms: 50, clock }), bulkhead);
  const call = watched(policy.execute(() => assert.fail('too late')));
  assert.equal(bulkhead.queued, 1);
  clock.advance(50);
  await continuations();
  assert.deepEqual([call.error.code, bulkhead.queued], ['ERR_TIMEOUT', 0]);
  permit.release();
  assert.equal(bulkhead.active, 0);
});

ofEachKind(test, 'calls no function whose deadline passed while the event loop was busy', async (make) => {
  const bulkhead = make({ maxConcurrent: 1, maxQueue: 5 });
  const permit = bulkhead.tryAcquire();
  const call = watched(bulkhead.execute(() => assert.fail('too late'), { timeoutMs: 20 }));
  const until = performance.now() + 60;
  while (performance.now() < until);
  permit.release();
  await continuations();
  assert.deepEqual([call.error?.code, bulkhead.active], ['ERR_TIMEOUT', 0]);
});

ofEachKind(test, 'gives a permit of its own to a function that is called when all was over', async (make) => {
  const bulkhead = make({ maxConcurrent: 1, maxQueue: 1 });
  let later;
  // As one that answers with what it had, and looks for something newer.
  const stale = {
    execute(fn) {
      later = fn;
      return Promise.resolve('stale');
    },
    wrap() {},
  };
  const fn = manual();
  assert.equal(await pipeline(bulkhead, stale).execute(fn), 'stale');
  assert.equal(bulkhead.active, 0);
  const other = bulkhead.tryAcquire();
  const fresh = watched(Promise.resolve(later({})));
  await continuations();
  assert.deepEqual([fn.calls.length, bulkhead.active, bulkhead.queued], [0, 1, 1], 'it waits for its turn');
  other.release();
  await continuations();
  assert.deepEqual([fn.calls.length, bulkhead.active], [1, 1]);
  fn.calls[0].resolve('fresh');
  await continuations();
  assert.deepEqual([fresh.value, bulkhead.active], ['fresh', 0]);
});

test('of a key is kept while calls run or wait', async () => {
  const hosts = keyed(() => new Bulkhead({ maxConcurrent: 1, maxQueue: 5 }), { maxKeys: 1 });
  const busy = hosts.for('busy');
  const fn = manual();
  const call = busy.execute(fn);
  hosts.for('other');
  assert.equal(hosts.for('busy'), busy);
  fn.calls[0].resolve();
  await call;
  hosts.for('a third');
  assert.notEqual(hosts.for('busy'), busy);
});

test('two in one pipeline hold each their own', async () => {
  const outer = new Bulkhead({ maxConcurrent: 2, maxQueue: 9 });
  const inner = new Bulkhead({ maxConcurrent: 1, maxQueue: 9 });
  const policy = pipeline(outer, inner);
  const fn = manual();
  const calls = [1, 2, 3].map(() => policy.execute(fn));
  await continuations();
  assert.deepEqual([outer.active, outer.queued, inner.active, inner.queued], [2, 1, 1, 1]);
  for (let i = 0; i < 3; i++) {
    fn.calls[i].resolve(i);
    await continuations();
  }
  assert.deepEqual(await Promise.all(calls), [0, 1, 2]);
  assert.deepEqual([outer.active, inner.active], [0, 0]);
});
