// The recommended pipeline, end to end: fallback, timeout for all, retry, hedge, breaker, a queue, timeout for each.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  CircuitBreaker,
  fallback,
  hedge,
  ManualClock,
  pipeline,
  RetryBudget,
  retry,
  TokenBucket,
  timeout,
} from 'breakwater';
import { manual, never, outcomes } from './helpers/calls.mjs';
import { continuations, watched } from './helpers/promises.mjs';
import './helpers/rejections.mjs';
import { countedSignal } from './helpers/signals.mjs';

/** All of it on one clock. In the queue there is room for `tokens` calls at once and then for one a second. */
function whole({ tokens = 100, ...options } = {}) {
  const clock = new ManualClock();
  const budget = new RetryBudget({ clock });
  const breaker = new CircuitBreaker({ consecutiveFailures: 5, openMs: 10_000, clock });
  const bucket = new TokenBucket({ capacity: 100, refillPerSecond: 1, initialTokens: tokens, clock });
  const policy = pipeline(
    fallback('cached', { when: () => options.fallback !== false }),
    timeout({ ms: 3_000, clock }),
    retry({ maxAttempts: 3, backoff: 100, budget, clock, seed: options.seed }),
    hedge({ delayMs: 50, budget, clock }),
    breaker,
    bucket.policy({ maxWaitMs: 60_000 }),
    timeout({ ms: 200, clock }),
  );
  return { clock, budget, breaker, bucket, policy };
}

test('a good call passes through all of it at once', async () => {
  const { policy, clock, budget, breaker } = whole();
  assert.equal(await policy.execute(() => 'value'), 'value');
  assert.equal(await policy.execute(async () => 'value'), 'value');
  assert.equal(clock.pending, 0);
  const { deposits, withdrawals } = budget.snapshot();
  assert.deepEqual([deposits, withdrawals, breaker.snapshot().succeeded], [2, 0, 2]);
});

test('the function sees its own call: attempt, what remains, context, signal', async () => {
  const { policy, clock } = whole();
  const context = {};
  const fn = outcomes(never, new Error('down'), 'up');
  const outcome = watched(policy.execute(fn, { context, timeoutMs: 5_000 }));
  await clock.advanceAsync(50);
  const [first, second] = fn.calls;
  assert.deepEqual([first.attempt, second.attempt], [1, 2]);
  assert.deepEqual([first.remainingMs, second.remainingMs], [150, 200]);
  assert.deepEqual([first.context, second.context], [context, context]);
  assert.notEqual(first.signal, second.signal);
  await clock.advanceAsync(150);
  assert.equal(first.signal.reason.name, 'TimeoutError');
  assert.equal(outcome.state, 'pending');
  await clock.advanceAsync(100);
  assert.equal(outcome.value, 'up');
  assert.equal(fn.calls[2].attempt, 1);
});

test('a call that hangs is hedged, then tried again, and the fallback answers at the last', async () => {
  const { policy, clock, budget, breaker } = whole();
  const fn = outcomes(never);
  const at = [];
  const outcome = watched(
    policy.execute((call) => {
      at.push(clock.now);
      return fn(call);
    }),
  );
  await clock.advanceAsync(950);
  // Each attempt: a call, its hedge 50 ms later, 200 ms for each; then 100 ms of backoff.
  assert.deepEqual(at, [0, 50, 350, 400, 700, 750]);
  assert.deepEqual([outcome.state, breaker.state], ['fulfilled', 'open']);
  assert.equal(outcome.value, 'cached');
  assert.equal(clock.pending, 0);
  assert.equal(budget.snapshot().deposits, 1);
});

test('a breaker that is open ends it at once', async () => {
  const { policy, clock, breaker, bucket } = whole();
  breaker.forceOpen(1_000);
  assert.equal(await policy.execute(never), 'cached');
  assert.deepEqual([clock.pending, bucket.available], [0, 100]);
});

/** Where a call may be when it is ended: each begins one and says how to get there. */
const PHASES = {
  'in the function': { outcome: never, afterMs: 10 },
  'in the function and its hedge': { outcome: never, afterMs: 60 },
  'in the wait between attempts': { outcome: new Error('down'), afterMs: 40 },
  'in the queue': { outcome: never, tokens: 0, afterMs: 10 },
  'in the queue, with a hedge behind it': { outcome: never, tokens: 0, afterMs: 60 },
  'in a hedge that queues': { outcome: never, tokens: 1, afterMs: 60 },
};

for (const [phase, { outcome: come, tokens, afterMs }] of Object.entries(PHASES)) {
  test(`one abort ends everything ${phase}`, async () => {
    const { policy, clock, bucket, breaker } = whole({ tokens });
    const { signal, abort, listeners } = countedSignal();
    const fn = outcomes(come);
    const outcome = watched(policy.execute(fn, { signal, timeoutMs: 10_000 }));
    await clock.advanceAsync(afterMs);
    const before = fn.calls.length;
    assert.equal(outcome.state, 'pending');
    const reason = { any: 'reason' };
    abort(reason);
    assert.deepEqual([clock.pending, bucket.snapshot().waiting, listeners()], [0, 0, 0]);
    await continuations();
    assert.equal(outcome.error, reason);
    if (come === never)
      assert.equal(
        fn.calls.every((call) => call.signal.reason === reason),
        true,
      );
    await clock.advanceAsync(60_000);
    assert.equal(fn.calls.length, before);
    const { probes, failed, ignored } = breaker.snapshot();
    assert.deepEqual([probes, failed], [0, come === never ? 0 : before]);
    assert.equal(ignored > 0, come === never);
  });

  test(`a deadline ends everything ${phase}`, async () => {
    const { policy, clock, bucket, breaker } = whole({ tokens });
    const fn = outcomes(come);
    const outcome = watched(policy.execute(fn, { timeoutMs: afterMs }));
    await clock.advanceAsync(afterMs);
    // In the wait between attempts there was none: it would have passed the deadline.
    assert.equal(outcome.error?.name ?? outcome.value, come === never ? 'TimeoutError' : 'cached');
    assert.deepEqual([clock.pending, bucket.snapshot().waiting], [0, 0]);
    const before = fn.calls.length;
    await clock.advanceAsync(60_000);
    assert.equal(fn.calls.length, before);
    // A deadline counts against the dependency only where the function had been called.
    const { probes, failed, ignored } = breaker.snapshot();
    assert.deepEqual([probes, failed], [0, before]);
    assert.equal(ignored, phase.includes('queue') ? (phase.includes('behind') ? 2 : 1) : 0);
  });
}

test('values that come too late are discarded once, wherever they come from', async () => {
  const { policy, clock } = whole();
  const discarded = [];
  const fn = manual();
  const outcome = watched(policy.execute(fn, { onDiscard: (value) => discarded.push(value) }));
  await clock.advanceAsync(50);
  fn.calls[1].resolve('hedge');
  await clock.advanceAsync(0);
  fn.calls[0].resolve('loser');
  await clock.advanceAsync(1_000);
  assert.deepEqual([outcome.value, discarded], ['hedge', ['loser']]);
  const second = watched(policy.execute(fn, { onDiscard: (value) => discarded.push(value) }));
  await clock.advanceAsync(1_000);
  for (const { resolve } of fn.calls) resolve('late');
  await clock.advanceAsync(10_000);
  assert.equal(second.value, 'cached');
  assert.equal(discarded.length - 1, fn.calls.length - 2);
});

/** Numbers in [0, 1) by a seed: a linear congruential generator. */
function chance(seed) {
  let state = seed;
  return () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return state / 2 ** 32;
  };
}

test('whatever happens, every value is given or discarded once, and nothing stays behind', async () => {
  for (let seed = 1; seed <= 30; seed += 1) {
    const unit = chance(seed);
    const { policy, clock, breaker, bucket } = whole({ tokens: 20, fallback: seed % 3 > 0, seed });
    const sleep = (ms) =>
      timeout({ ms, clock })
        .execute(never)
        .catch(() => {});
    const made = [];
    const discarded = [];
    const fn = async ({ signal }) => {
      const [how, ms] = [unit(), 1 + unit() * 400];
      if (how < 0.1) throw new Error('down at once');
      if (how < 0.2) {
        // Obeys, and fails with an error of its own.
        await Promise.race([sleep(ms), new Promise((resolve) => signal.addEventListener('abort', resolve))]);
        throw new Error('down');
      }
      await sleep(ms);
      if (how < 0.35) throw new Error('down later');
      made.push(made.length);
      return made.length - 1;
    };
    const signals = [];
    const all = [];
    for (let i = 0; i < 60; i += 1) {
      const { signal, abort, listeners } = countedSignal();
      signals.push(listeners);
      const timeoutMs = unit() < 0.3 ? unit() * 1_000 : undefined;
      const onDiscard = (value) => discarded.push(value);
      all.push(watched(policy.execute(fn, { signal, timeoutMs, onDiscard })));
      if (unit() < 0.3) sleep(unit() * 600).then(() => abort('gone'));
      if (unit() < 0.5) await clock.advanceAsync(unit() * 100);
    }
    await clock.advanceAsync(120_000);
    const given = all.filter(({ value }) => typeof value === 'number').map(({ value }) => value);
    assert.equal(
      all.some(({ state }) => state === 'pending'),
      false,
      `seed ${seed}: a promise is pending`,
    );
    assert.deepEqual(
      [...given, ...discarded].sort((a, b) => a - b),
      made,
      `seed ${seed}: given ${given}, discarded ${discarded}`,
    );
    assert.equal(
      signals.every((listeners) => listeners() === 0),
      true,
      `seed ${seed}: a listener is left`,
    );
    const { probes } = breaker.snapshot();
    assert.deepEqual([clock.pending, bucket.snapshot().waiting, probes], [0, 0, 0], `seed ${seed}`);
    assert.equal(given.length > 0 && discarded.length > 0, true, `seed ${seed}: nothing to see`);
  }
});
