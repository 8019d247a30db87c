// retry: aborts and deadlines, during an attempt and between attempts.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { CircuitBreaker, ManualClock, pipeline, retry, TimeoutError, timeout } from 'breakwater';
import { manual, never, outcomes } from './helpers/calls.mjs';
import { continuations, reasonOf, watched } from './helpers/promises.mjs';
import './helpers/rejections.mjs';
import { countedSignal } from './helpers/signals.mjs';

const down = (n) => new Error(`down ${n}`);

test('an abort during the wait settles in the same turn, and leaves nothing behind', async () => {
  for (const backoff of [100, { kind: 'exponential', jitter: 'none' }]) {
    const clock = new ManualClock();
    const { signal, abort, listeners } = countedSignal();
    const fn = outcomes(down(1));
    const promise = retry({ maxAttempts: Infinity, backoff, clock }).execute(fn, { signal });
    await clock.advanceAsync(50);
    assert.deepEqual([fn.calls.length, clock.pending], [1, 1]);
    const reason = { any: 'reason' };
    abort(reason);
    assert.equal(clock.pending, 0);
    assert.equal(await reasonOf(promise), reason);
    assert.equal(listeners(), 0);
    await clock.advanceAsync(60_000);
    assert.equal(fn.calls.length, 1);
  }
});

test('an abort during a later attempt ends that attempt and all', async () => {
  const clock = new ManualClock();
  const { signal, abort, listeners } = countedSignal();
  const fn = outcomes(down(1), never);
  const promise = retry({ backoff: 100, clock }).execute(fn, { signal });
  await clock.advanceAsync(100);
  const reason = new Error('gone');
  abort(reason);
  assert.equal(fn.calls[1].signal.reason, reason);
  assert.equal(await reasonOf(promise), reason);
  assert.deepEqual([clock.pending, listeners()], [0, 0]);
});

test('an attempt that fails because of the abort is not tried again, whatever retryIf says', async () => {
  const clock = new ManualClock();
  const controller = new AbortController();
  const obedient = ({ signal }) =>
    new Promise((_, reject) => {
      signal.addEventListener('abort', () => reject(new Error('socket closed')));
    });
  const fn = outcomes(obedient);
  let asked = 0;
  const policy = retry({ backoff: 0, clock, retryIf: () => ++asked > 0 });
  const promise = policy.execute(fn, { signal: controller.signal });
  controller.abort('gone');
  assert.equal(await reasonOf(promise), 'gone');
  await clock.advanceAsync(60_000);
  assert.deepEqual([fn.calls.length, asked], [1, 0]);
});

test('a value that comes after the abort is discarded once and not judged', async () => {
  const clock = new ManualClock();
  const controller = new AbortController();
  const discarded = [];
  const fn = manual();
  let asked = 0;
  const promise = retry({ backoff: 0, clock, retryIf: () => ++asked > 0 }).execute(fn, {
    signal: controller.signal,
    onDiscard: (value) => discarded.push(value),
  });
  controller.abort('gone');
  assert.equal(await reasonOf(promise), 'gone');
  fn.calls[0].resolve('late');
  await clock.advanceAsync(1_000);
  assert.deepEqual([discarded, fn.calls.length, asked], [['late'], 1, 0]);
});

test('whoever is told of a retry may abort it: there is no wait then', async () => {
  const clock = new ManualClock();
  for (const backoff of [100, 0]) {
    for (const who of ['onRetry', 'onDiscard', 'retryIf']) {
      const controller = new AbortController();
      const stop = (which) => {
        if (which === who) controller.abort(which);
        return true;
      };
      const fn = outcomes('bad');
      const policy = retry({
        backoff,
        clock,
        onRetry: () => stop('onRetry'),
        retryIf: () => stop('retryIf'),
      });
      const given = { signal: controller.signal, onDiscard: () => stop('onDiscard') };
      assert.equal(await reasonOf(policy.execute(fn, given)), who);
      await continuations();
      assert.deepEqual([fn.calls.length, clock.pending], [1, 0], who);
    }
  }
});

test('an abort in the turn in which the wait is over starts nothing', async () => {
  const clock = new ManualClock();
  const breaker = new CircuitBreaker({ consecutiveFailures: 1, openMs: 50, clock });
  const controller = new AbortController();
  const fn = outcomes(down(1));
  const policy = pipeline(retry({ backoff: 100, clock }), breaker);
  const promise = policy.execute(fn, { signal: controller.signal });
  await continuations();
  clock.advance(100);
  controller.abort('gone');
  assert.equal(await reasonOf(promise), 'gone');
  await continuations();
  assert.equal(fn.calls.length, 1);
  // The breaker’s one probe is still to be had.
  assert.deepEqual([breaker.snapshot().probes, breaker.snapshot().ignored], [0, 0]);
  assert.equal(await breaker.execute(() => 'up'), 'up');
});

test('timeoutMs is for all attempts and waits together', async () => {
  const clock = new ManualClock();
  const fn = outcomes(down(1), down(2), never);
  const outcome = watched(retry({ backoff: 100, clock }).execute(fn, { timeoutMs: 250 }));
  await clock.advanceAsync(249.999);
  assert.deepEqual([outcome.state, fn.calls.length], ['pending', 3]);
  await clock.advanceAsync(0.001);
  assert.ok(outcome.error instanceof TimeoutError);
  assert.equal(fn.calls[2].signal.reason, outcome.error);
  assert.equal(clock.pending, 0);
});

test('where a blocked event loop ran past the wait and the deadline, no attempt is made', async () => {
  const clock = new ManualClock();
  const fn = outcomes(down(1));
  const outcome = watched(retry({ backoff: 100, clock }).execute(fn, { timeoutMs: 150 }));
  await continuations();
  // Both are due before anybody can go on.
  clock.advance(3_000);
  await continuations();
  assert.ok(outcome.error instanceof TimeoutError);
  assert.deepEqual([fn.calls.length, clock.pending], [1, 0]);
});

test('where the deadline would pass before the next attempt, the real error is given at once', async () => {
  for (const [timeoutMs, calls] of [
    [250, 3],
    [200, 2],
    [100, 1],
    [99, 1],
  ]) {
    const clock = new ManualClock();
    const fn = outcomes(down(1), down(2), down(3), down(4));
    const policy = retry({ maxAttempts: 9, backoff: 100, clock });
    const outcome = watched(policy.execute(fn, { timeoutMs }));
    await clock.advanceAsync(100 * (calls - 1));
    assert.deepEqual([outcome.error?.message, fn.calls.length], [`down ${calls}`, calls]);
    assert.equal(clock.pending, 0);
  }
});

test('a timeout inside is for each attempt, and its TimeoutError is retried', async () => {
  const clock = new ManualClock();
  const fn = outcomes(never, never, 'up');
  const policy = pipeline(retry({ backoff: 10, clock }), timeout({ ms: 100, clock }));
  const outcome = watched(policy.execute(fn));
  await clock.advanceAsync(220);
  assert.equal(outcome.value, 'up');
  assert.deepEqual(
    fn.calls.map(({ signal }) => signal.aborted),
    [true, true, false],
  );
});
