// One RetryBudget for retries and hedges: when a call is counted, when a try is charged, and what the caller gets when it is spent.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { hedge, ManualClock, pipeline, RetryBudget, retry, TokenBucket, timeout } from 'breakwater';
import { manual, never, outcomes } from './helpers/calls.mjs';
import { runScript } from './helpers/processes.mjs';
import { continuations, reasonOf, watched } from './helpers/promises.mjs';
import './helpers/rejections.mjs';

const down = () => new Error('down');
/** A clock, and a budget that allows `tries` and none for calls. */
function made(tries, options) {
  const clock = new ManualClock();
  const budget = new RetryBudget({ ratio: 0, minPerSecond: tries, windowMs: 1_000, ...options, clock });
  return { clock, budget };
}
const counted = (budget) => {
  const { deposits, withdrawals } = budget.snapshot();
  return { deposits, withdrawals };
};

// Envoy #30205: retries that waited out their backoff were not counted yet, and all of a thousand passed a budget of 20 %
test('of a thousand calls that fail at once a fifth is retried', async () => {
  const { clock, budget } = made(0, { ratio: 0.2, windowMs: 10_000 });
  const policy = retry({ maxAttempts: 2, backoff: 100, budget, clock });
  let calls = 0;
  const fail = async () => {
    calls += 1;
    throw down();
  };
  const all = Array.from({ length: 1_000 }, () => watched(policy.execute(fail)));
  await clock.advanceAsync(0);
  assert.equal(calls, 1_000);
  // All others have their error already: nobody waits in vain.
  assert.equal(all.filter(({ state }) => state === 'rejected').length, 800);
  assert.equal(clock.pending, 200);
  await clock.advanceAsync(1_000);
  assert.equal(calls, 1_200);
  assert.deepEqual(counted(budget), { deposits: 1_000, withdrawals: 200 });
  assert.equal(
    all.every(({ error }) => error?.message === 'down'),
    true,
  );
});

test('a retry is charged before its wait, and an aborted one stays charged', async () => {
  const { clock, budget } = made(5);
  const controller = new AbortController();
  const promise = retry({ backoff: 100, budget, clock }).execute(outcomes(down()), {
    signal: controller.signal,
  });
  await continuations();
  assert.deepEqual(counted(budget), { deposits: 1, withdrawals: 1 });
  controller.abort('gone');
  assert.equal(await reasonOf(promise), 'gone');
  assert.deepEqual(counted(budget), { deposits: 1, withdrawals: 1 });
});

test('when the budget is spent the caller gets the real error, or the last result, at once', async () => {
  const { clock, budget } = made(1);
  const policy = retry({ maxAttempts: 9, backoff: 100, budget, clock, retryIf: () => true });
  const [first, second] = [down(), down()];
  const outcome = watched(policy.execute(outcomes(first, second)));
  await clock.advanceAsync(100);
  assert.equal(outcome.error, second);
  const fn = outcomes('bad');
  const discarded = [];
  assert.equal(await policy.execute(fn, { onDiscard: (value) => discarded.push(value) }), 'bad');
  assert.deepEqual([fn.calls.length, discarded, clock.pending], [1, [], 0]);
});

test('what is not tried again is not charged', async () => {
  const { clock, budget } = made(5);
  const spent = new TokenBucket({ capacity: 1, refillPerSecond: 1, initialTokens: 0, clock });
  const policy = retry({ maxAttempts: 2, backoff: 100, maxRetryAfterMs: 1_000, budget, clock });
  await policy.execute(() => 'up');
  await reasonOf(pipeline(policy, spent).execute(never));
  await reasonOf(policy.execute(outcomes(down()), { timeoutMs: 100 }));
  await reasonOf(policy.execute(outcomes(Object.assign(down(), { retryAfterMs: 1_001 }))));
  await reasonOf(policy.execute(outcomes(down()), { idempotent: false }));
  assert.equal(counted(budget).withdrawals, 0);
  // Two attempts are one retry.
  watched(policy.execute(outcomes(down())));
  await clock.advanceAsync(900);
  assert.equal(counted(budget).withdrawals, 1);
});

test('one budget of a retry and a hedge counts each call once, whichever is outside', async () => {
  for (const order of ['retry outside', 'hedge outside']) {
    const { clock, budget } = made(10);
    const tries = retry({ maxAttempts: 2, backoff: 100, budget, clock });
    const hedges = hedge({ delayMs: 10, budget, clock });
    const policy = order === 'retry outside' ? pipeline(tries, hedges) : pipeline(hedges, tries);
    assert.equal(await policy.execute(() => 'up'), 'up');
    assert.deepEqual(counted(budget), { deposits: 1, withdrawals: 0 }, order);
    const fn = outcomes(down());
    watched(policy.execute(fn));
    await clock.advanceAsync(900);
    // Two attempts of two calls each: one retry and two hedges, or one hedge and two retries.
    assert.deepEqual([fn.calls.length, counted(budget)], [4, { deposits: 2, withdrawals: 3 }], order);
  }
});

test('the policies between do not matter, those of users among them', async () => {
  const { clock, budget } = made(10);
  const own = { execute: (fn) => fn() };
  const policy = pipeline(
    retry({ budget, clock }),
    own,
    timeout({ ms: 500, clock }),
    pipeline(retry({ clock }), hedge({ delayMs: 10, budget, clock })),
    retry({ budget, clock }),
  );
  await policy.execute(() => 'up', { timeoutMs: 1_000, signal: new AbortController().signal });
  assert.deepEqual(counted(budget), { deposits: 1, withdrawals: 0 });
});

test('each attempt of a retry without the budget is a call to the budget inside', async () => {
  const { clock, budget } = made(0);
  const policy = pipeline(
    retry({ maxAttempts: 3, backoff: 0, clock }),
    hedge({ delayMs: 10, budget, clock }),
  );
  await reasonOf(policy.execute(outcomes(down())));
  assert.deepEqual(counted(budget), { deposits: 3, withdrawals: 0 });
});

test('two budgets in one pipeline count for themselves', async () => {
  const { clock, budget } = made(1);
  const other = new RetryBudget({ ratio: 0, minPerSecond: 9, windowMs: 1_000, clock });
  const policy = pipeline(
    retry({ maxAttempts: 9, backoff: 1, budget, clock }),
    retry({ maxAttempts: 3, backoff: 1, budget: other, clock }),
  );
  const fn = outcomes(down());
  watched(policy.execute(fn));
  await clock.advanceAsync(100);
  assert.equal(fn.calls.length, 6);
  assert.deepEqual(
    [counted(budget), counted(other)],
    [
      { deposits: 1, withdrawals: 1 },
      { deposits: 2, withdrawals: 4 },
    ],
  );
});

test('calls of one execution and another’s are counted each, also one inside the other', async () => {
  const { clock, budget } = made(10);
  const policy = retry({ budget, clock });
  await policy.execute(() => policy.execute(() => 'up'));
  await Promise.all([policy.execute(() => 'up'), policy.execute(() => 'up')]);
  assert.equal(counted(budget).deposits, 4);
});

test('nested retries of one budget cannot spend more than it has', async () => {
  const { clock, budget } = made(3);
  const tries = () => retry({ maxAttempts: 5, backoff: 1, budget, clock });
  const fn = outcomes(down());
  const outcome = watched(pipeline(tries(), tries(), tries()).execute(fn));
  await clock.advanceAsync(100);
  assert.deepEqual([outcome.error?.message, fn.calls.length], ['down', 4]);
  assert.deepEqual(counted(budget), { deposits: 1, withdrawals: 3 });
});

test('what one policy spends is gone for the others that share the budget', async () => {
  const { clock, budget } = made(2);
  const tries = retry({ maxAttempts: 9, backoff: 1, budget, clock });
  watched(tries.execute(outcomes(down())));
  await clock.advanceAsync(10);
  const fn = manual();
  watched(hedge({ delayMs: 1, budget, clock }).execute(fn));
  await clock.advanceAsync(10);
  assert.equal(fn.calls.length, 1);
  // In a new window there is more.
  await clock.advanceAsync(1_000);
  watched(hedge({ delayMs: 1, budget, clock }).execute(fn));
  await clock.advanceAsync(10);
  assert.equal(fn.calls.length, 3);
});

test('a budget that is disposed meanwhile ends the retries with the real error', async () => {
  const { clock, budget } = made(10);
  const policy = retry({ maxAttempts: 5, backoff: 100, budget, clock });
  const fn = outcomes(new Error('1'), new Error('2'));
  const outcome = watched(policy.execute(fn));
  await clock.advanceAsync(50);
  budget.dispose();
  await clock.advanceAsync(50);
  assert.deepEqual([outcome.error?.message, fn.calls.length, clock.pending], ['2', 2, 0]);
});

test('calls made after the budget was disposed are rejected', async () => {
  const { clock, budget } = made(10);
  const policies = [retry({ budget, clock }), hedge({ delayMs: 10, budget, clock })];
  budget.dispose();
  for (const policy of policies) {
    assert.equal((await reasonOf(policy.execute(() => 'ran'))).code, 'ERR_DISPOSED');
  }
});

test('a budget of one’s own works, where it has the methods', async () => {
  const clock = new ManualClock();
  const notes = [];
  const own = {
    deposit: () => notes.push('deposit'),
    withdraw: () => notes.push('withdraw') < 3,
    refund: () => notes.push('refund'),
  };
  const fn = outcomes(down());
  watched(retry({ maxAttempts: 9, backoff: 0, budget: own, clock }).execute(fn));
  await clock.advanceAsync(0);
  assert.deepEqual(notes, ['deposit', 'withdraw', 'withdraw']);
  assert.equal(fn.calls.length, 2);
});

test('what a budget of somebody else’s making throws is an uncaught exception, and the call comes to what it came to', async () => {
  const { stdout, stderr } = await runScript(`
    import { hedge, ManualClock, retry } from 'breakwater';
    process.on('uncaughtException', (error) => console.log('uncaught:', error.message));
    process.on('unhandledRejection', (error) => console.log('unhandled:', error.message));
    const clock = new ManualClock();
    const budget = { deposit() {}, withdraw() { throw new Error('broken'); }, refund() {} };
    for (const policy of [hedge({ delayMs: 10, budget, clock }), retry({ budget, clock })]) {
      await policy.execute(() => Promise.reject(new Error('real'))).catch(({ message }) => console.log(message));
      await new Promise((resolve) => setImmediate(resolve));
    }
  `);
  assert.deepEqual(
    [stdout.trim().split('\n').sort(), stderr],
    [['real', 'real', 'uncaught: broken', 'uncaught: broken'], ''],
  );
});
