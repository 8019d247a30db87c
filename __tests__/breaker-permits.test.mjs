// What callers hold of a breaker: permits, probes among them, and the handles of isolate and disable.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { CircuitBreaker, keyed, ManualClock } from 'breakwater';
import { counted, deferred, failing, made, say } from './helpers/breaker.mjs';
import { reasonOf, stateOf } from './helpers/promises.mjs';
import './helpers/rejections.mjs';

/** Opens at the first failure, for a second. */
const HASTY = { consecutiveFailures: 1, openMs: 1_000 };

test('a permit counts what is said first, and never throws', () => {
  const { clock, breaker } = made({ slowCallMs: 100, slowCallRateThreshold: 1 });
  const words = ['success', 'failure', 'ignore'];
  for (const first of words) {
    const permit = breaker.tryAcquire();
    for (const word of [first, ...words, first]) assert.equal(permit[word](), undefined);
  }
  assert.deepEqual(counted(breaker), [1, 1, 1]);
  const slow = breaker.tryAcquire();
  clock.advance(101);
  slow.success();
  slow.failure();
  assert.deepEqual(counted(breaker), [2, 1, 1]);
  assert.equal(breaker.snapshot().slowCalls, 1);
});

test('a permit has no dispose: leaving a scope by an exception is not a verdict', () => {
  const permit = made().breaker.tryAcquire();
  assert.equal(Symbol.dispose in permit, false);
});

test('as many probes as asked for, and one more for each that says nothing', () => {
  const { clock, breaker } = made({
    ...HASTY,
    consecutiveFailures: undefined,
    minimumCalls: 1,
    halfOpenCalls: 3,
  });
  say(breaker, 'failure');
  clock.advance(1_000);
  const probes = [1, 2, 3].map(() => breaker.tryAcquire());
  assert.equal(breaker.tryAcquire(), undefined);
  probes[0].ignore();
  const instead = breaker.tryAcquire();
  assert.notEqual(instead, undefined);
  assert.equal(breaker.tryAcquire(), undefined);
  probes[1].success();
  assert.equal(breaker.tryAcquire(), undefined, 'an answer gives no permit back');
  instead.success();
  // One failure of three is below half: the third cannot change it.
  assert.equal(breaker.state, 'closed');
  probes[2].failure();
  assert.equal(breaker.state, 'closed');
});

test('a probe that does not answer is replaced after its lease, and what it says then counts for nothing', async () => {
  const { clock, breaker } = made({ ...HASTY, probeLeaseMs: 3_000 });
  say(breaker, 'failure');
  clock.advance(1_000);
  const hung = deferred();
  const first = breaker.execute(() => hung.promise);
  clock.advance(2_999.999);
  assert.equal(breaker.tryAcquire(), undefined);
  clock.advance(0.001);
  const second = breaker.tryAcquire();
  assert.equal(breaker.tryAcquire(), undefined, 'one is replaced by one');
  hung.resolve('at last');
  assert.equal(await first, 'at last');
  assert.equal(breaker.state, 'halfOpen');
  second.failure();
  assert.equal(breaker.state, 'open');
});

test('a lease is half a minute, or the first break where that is longer', () => {
  for (const [openMs, leaseMs] of [
    [5_000, 30_000],
    [40_000, 40_000],
    [{ initialMs: 60_000 }, 60_000],
  ]) {
    const { clock, breaker } = made({ consecutiveFailures: 1, openMs });
    say(breaker, 'failure');
    clock.advance(breaker.retryAfterMs());
    breaker.tryAcquire();
    clock.advance(leaseMs - 1);
    assert.equal(breaker.tryAcquire(), undefined, `${leaseMs}`);
    clock.advance(1);
    assert.notEqual(breaker.tryAcquire(), undefined, `${leaseMs}`);
  }
});

test('what was let in before the state changed moves nothing', () => {
  const { clock, breaker } = made(HASTY);
  const stale = Array.from({ length: 4 }, () => breaker.tryAcquire());
  say(breaker, 'failure');
  stale[0].success();
  assert.equal(breaker.retryAfterMs(), 1_000);
  clock.advance(1_000);
  const probe = breaker.tryAcquire();
  stale[1].success();
  stale[2].failure();
  assert.equal(breaker.state, 'halfOpen', 'only the probe decides');
  probe.success();
  stale[3].failure();
  assert.equal(breaker.state, 'closed');
});

test('isolate refuses everything until every handle was disposed, in any order', () => {
  const { breaker } = made();
  const [first, second] = [breaker.isolate(), breaker.isolate()];
  assert.deepEqual([breaker.state, breaker.tryAcquire()], ['isolated', undefined]);
  second[Symbol.dispose]();
  second[Symbol.dispose]();
  assert.equal(breaker.state, 'isolated', 'disposing one handle twice ends one isolation');
  first[Symbol.dispose]();
  assert.equal(breaker.state, 'closed');
  assert.notEqual(breaker.tryAcquire(), undefined);
});

test('disable lets everything pass and counts nothing towards the state', async () => {
  const { clock, breaker } = made(HASTY);
  const handle = breaker.disable();
  for (let i = 0; i < 5; i++) await reasonOf(breaker.execute(failing));
  assert.equal(breaker.state, 'disabled');
  handle[Symbol.dispose]();
  assert.equal(breaker.state, 'closed');
  say(breaker, 'failure');
  const again = breaker.disable();
  assert.equal(await breaker.execute(() => 'passed'), 'passed');
  clock.advance(500);
  again[Symbol.dispose]();
  // What lies under it goes on meanwhile.
  assert.deepEqual([breaker.state, breaker.retryAfterMs()], ['open', 500]);
});

test('isolated comes before disabled, and both before what the calls say', () => {
  const { clock, breaker } = made(HASTY);
  const before = breaker.tryAcquire();
  const disabled = breaker.disable();
  const isolated = breaker.isolate();
  assert.equal(breaker.state, 'isolated');
  before.failure();
  assert.equal(breaker.state, 'isolated');
  isolated[Symbol.dispose]();
  assert.equal(breaker.state, 'disabled');
  disabled[Symbol.dispose]();
  // The failure of a call from before was counted underneath.
  assert.equal(breaker.state, 'open');
  breaker.isolate();
  clock.advance(10_000);
  assert.equal(breaker.state, 'isolated');
});

test('keyed never lets go of a breaker with a permit out', async () => {
  const clock = new ManualClock();
  const breakers = keyed((label) => new CircuitBreaker({ label, clock }), { maxKeys: 2 });
  const permit = breakers.for('held').tryAcquire();
  const call = deferred();
  const running = breakers.for('running').execute(() => call.promise);
  breakers.for('third');
  assert.equal(breakers.size, 3);
  assert.deepEqual([breakers.for('held').state, await stateOf(running)], ['closed', 'pending']);
  const third = breakers.for('third');
  permit.ignore();
  call.resolve();
  await running;
  breakers.for('fourth');
  assert.equal(breakers.size, 2);
  assert.equal(third.state, 'closed', 'the one used last stays');
  breakers.dispose();
});
