// hedge: calls that a budget or a policy inside does not allow.
import assert from 'node:assert/strict';
import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import { test } from 'node:test';
import { CircuitBreaker, hedge, ManualClock, pipeline, RetryBudget, TokenBucket } from 'breakwater';
import { manual, outcomes } from './helpers/calls.mjs';
import { continuations, reasonOf, watched } from './helpers/promises.mjs';
import './helpers/rejections.mjs';

const NOTHING = { ratio: 0, minPerSecond: 0 };
/** A budget of so many tries: what one second allows. */
const tries = (count, clock) => new RetryBudget({ ratio: 0, minPerSecond: count, windowMs: 1_000, clock });

test('each hedge is charged, and each execution counted once', async () => {
  const clock = new ManualClock();
  const budget = new RetryBudget({ ratio: 1, minPerSecond: 0, clock });
  const policy = hedge({ delayMs: 10, maxHedges: 5, budget, clock });
  const fn = manual();
  watched(policy.execute(fn));
  watched(policy.execute(fn));
  await clock.advanceAsync(1_000);
  const { deposits, withdrawals, balance, refused } = budget.snapshot();
  assert.deepEqual(
    { deposits, withdrawals, balance, refused },
    { deposits: 2, withdrawals: 2, balance: 0, refused: 2 },
  );
  assert.equal(fn.calls.length, 4);
});

// failsafe-go: one attempt, and one event that says the budget was exceeded
test('with an exhausted budget the first call still answers', async () => {
  const events = [];
  const listener = (message) => events.push(message);
  subscribe('breakwater:budget:refused', listener);
  const clock = new ManualClock();
  const budget = new RetryBudget({ ...NOTHING, label: 'spent', clock });
  const fn = manual();
  const outcome = watched(hedge({ delayMs: 10, maxHedges: 3, budget, clock }).execute(fn));
  await clock.advanceAsync(1_000);
  unsubscribe('breakwater:budget:refused', listener);
  assert.deepEqual([fn.calls.length, outcome.state, clock.pending], [1, 'pending', 0]);
  assert.deepEqual(events, [{ kind: 'budget', primitive: 'spent', dryRun: false }]);
  fn.calls[0].resolve('first');
  await continuations();
  assert.equal(outcome.value, 'first');
});

test('with an exhausted budget a failure is the caller’s at once', async () => {
  const clock = new ManualClock();
  const fn = outcomes(new Error('down'), 'up');
  const policy = hedge({ delayMs: 10, budget: new RetryBudget({ ...NOTHING, clock }), clock });
  assert.equal((await reasonOf(policy.execute(fn))).message, 'down');
  assert.deepEqual([fn.calls.length, clock.pending], [1, 0]);
});

test('a budget that is disposed meanwhile allows no more, and the calls under way go on', async () => {
  for (const answer of ['resolve', 'reject']) {
    const clock = new ManualClock();
    const budget = tries(10, clock);
    const fn = manual();
    const outcome = watched(hedge({ delayMs: 10, maxHedges: 3, budget, clock }).execute(fn));
    await clock.advanceAsync(10);
    budget.dispose();
    await clock.advanceAsync(10);
    assert.equal(fn.calls.length, 2);
    fn.calls[1].reject(new Error('of the second'));
    await continuations();
    assert.equal(outcome.state, 'pending');
    fn.calls[0][answer](new Error('of the first'));
    await continuations();
    assert.equal((outcome.value ?? outcome.error).message, 'of the first');
  }
});

test('a hedge that a policy inside refuses counts as never started, and its budget is given back', async () => {
  const clock = new ManualClock();
  const budget = tries(1, clock);
  const bucket = new TokenBucket({ capacity: 1, refillPerSecond: 0.001, clock });
  const fn = manual();
  const policy = pipeline(hedge({ delayMs: 10, budget, clock }), bucket);
  const outcome = watched(policy.execute(fn));
  await clock.advanceAsync(10);
  assert.deepEqual([outcome.state, fn.calls.length], ['pending', 1]);
  const { allowed, withdrawals, balance } = budget.snapshot();
  assert.deepEqual([allowed, withdrawals, balance], [1, 0, 1]);
  fn.calls[0].resolve('first');
  await continuations();
  assert.equal(outcome.value, 'first');
});

test('a hedge may be refused after its budget was disposed', async () => {
  const clock = new ManualClock();
  const budget = tries(5, clock);
  const bucket = new TokenBucket({ capacity: 2, refillPerSecond: 0.001, clock });
  const fn = manual();
  const two = bucket.policy({ cost: () => 2, maxWaitMs: Infinity });
  const policy = pipeline(hedge({ delayMs: 10, budget, clock }), two);
  const outcome = watched(policy.execute(fn));
  await clock.advanceAsync(10);
  assert.deepEqual([bucket.snapshot().waiting, budget.snapshot().withdrawals], [1, 1]);
  budget.dispose();
  // Two tokens will never be there: the hedge is refused.
  bucket.reconfigure({ capacity: 1 });
  await continuations();
  assert.deepEqual([bucket.snapshot().waiting, outcome.state], [0, 'pending']);
  fn.calls[0].resolve('first');
  await continuations();
  assert.equal(outcome.value, 'first');
});

test('a refused hedge is no answer: where the first call failed as well, its error is the caller’s', async () => {
  const clock = new ManualClock();
  const budget = tries(5, clock);
  const bucket = new TokenBucket({ capacity: 1, refillPerSecond: 0.001, clock });
  const fn = manual();
  const outcome = watched(pipeline(hedge({ delayMs: 10, budget, clock }), bucket).execute(fn));
  await clock.advanceAsync(10);
  fn.calls[0].reject(new Error('down'));
  await clock.advanceAsync(1_000);
  assert.deepEqual([outcome.error?.message, clock.pending], ['down', 0]);
  assert.equal(budget.snapshot().withdrawals, 0);
});

test('after a failure a refused hedge leaves the failure', async () => {
  const clock = new ManualClock();
  const bucket = new TokenBucket({ capacity: 1, refillPerSecond: 0.001, clock });
  const fn = outcomes(new Error('down'), 'up');
  const promise = pipeline(hedge({ delayMs: 10, clock }), bucket).execute(fn);
  assert.equal((await reasonOf(promise)).message, 'down');
  assert.deepEqual([fn.calls.length, clock.pending], [1, 0]);
});

test('a refused hedge starts no other at once: the next comes when it would have', async () => {
  const clock = new ManualClock();
  const bucket = new TokenBucket({ capacity: 1, refillPerSecond: 66, clock });
  const fn = manual();
  watched(pipeline(hedge({ delayMs: 10, maxHedges: 2, clock }), bucket).execute(fn));
  await clock.advanceAsync(19);
  assert.equal(fn.calls.length, 1);
  // 15.2 ms after the first call there is a token again.
  await clock.advanceAsync(1);
  assert.equal(fn.calls.length, 2);
});

test('where the first call is refused, that is the answer, and no other is tried', async () => {
  for (const delayMs of [0, 10]) {
    const clock = new ManualClock();
    const budget = tries(5, clock);
    const breaker = new CircuitBreaker({ clock });
    breaker.forceOpen(1_000);
    const fn = manual();
    const promise = pipeline(hedge({ delayMs, maxHedges: 3, budget, clock }), breaker).execute(fn);
    assert.equal((await reasonOf(promise)).code, 'ERR_CIRCUIT_OPEN');
    await clock.advanceAsync(1_000);
    assert.deepEqual([fn.calls.length, clock.pending, budget.snapshot().withdrawals], [0, 0, 0]);
  }
});

test('a hedge around a half-open breaker takes one probe, and the answer closes it', async () => {
  const clock = new ManualClock();
  const budget = tries(5, clock);
  const breaker = new CircuitBreaker({ consecutiveFailures: 1, openMs: 100, clock });
  breaker.forceOpen();
  clock.advance(100);
  const fn = manual();
  const outcome = watched(pipeline(hedge({ delayMs: 10, budget, clock }), breaker).execute(fn));
  await clock.advanceAsync(50);
  assert.deepEqual([fn.calls.length, breaker.state, breaker.snapshot().probes], [1, 'halfOpen', 1]);
  assert.equal(budget.snapshot().withdrawals, 0);
  fn.calls[0].resolve('up');
  await continuations();
  assert.deepEqual([outcome.value, breaker.state], ['up', 'closed']);
});

test('to a breaker inside, a call that lost says nothing about the dependency', async () => {
  const clock = new ManualClock();
  const asked = [];
  const breaker = new CircuitBreaker({
    clock,
    isFailure: (error) => asked.push(error) > 0 && error !== undefined,
  });
  const fn = manual();
  const outcome = watched(pipeline(hedge({ delayMs: 10, clock }), breaker).execute(fn));
  await clock.advanceAsync(10);
  fn.calls[1].resolve('second');
  await continuations();
  assert.equal(outcome.value, 'second');
  const count = () => {
    const { succeeded, failed, ignored } = breaker.snapshot();
    return { succeeded, failed, ignored };
  };
  assert.deepEqual(count(), { succeeded: 1, failed: 0, ignored: 1 });
  fn.calls[0].reject(new Error('late'));
  await clock.advanceAsync(1_000);
  assert.deepEqual(count(), { succeeded: 1, failed: 0, ignored: 1 });
  assert.deepEqual(asked, [undefined]);
});

test('to a breaker outside, a hedged call is one call', async () => {
  const clock = new ManualClock();
  const breaker = new CircuitBreaker({ clock });
  const policy = pipeline(breaker, hedge({ delayMs: 10, clock }));
  const fn = manual();
  watched(policy.execute(fn));
  await clock.advanceAsync(10);
  fn.calls[0].reject(new Error('down'));
  fn.calls[1].resolve('up');
  await continuations();
  const { calls, succeeded, failed, ignored } = breaker.snapshot();
  assert.deepEqual([calls, succeeded, failed, ignored], [1, 1, 0, 0]);
});

test('a call settles when all that ran were refused late and the budget allows no more at the next delay', async () => {
  const clock = new ManualClock();
  const budget = new RetryBudget({ ratio: 0, minPerSecond: 1, windowMs: 1_000, clock });
  const fn = manual();
  const refusal = await reasonOf(refusing(clock).execute(() => 1));
  const policy = hedge({ delayMs: 20, maxHedges: 2, budget, clock });
  const outcome = watched(policy.execute(fn));
  await clock.advanceAsync(20);
  assert.equal(fn.calls.length, 2);
  fn.calls[0].reject(refusal);
  await clock.advanceAsync(5);
  fn.calls[1].reject(refusal);
  await clock.advanceAsync(5);
  budget.dispose();
  await clock.advanceAsync(1_000);
  assert.equal(outcome.error, refusal);
  assert.deepEqual([fn.calls.length, clock.pending], [2, 0]);
});

/** A breaker that refuses everything. */
function refusing(clock) {
  const breaker = new CircuitBreaker({ clock });
  breaker.isolate();
  return breaker;
}
