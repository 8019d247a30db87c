// hedge: when further calls start, who wins, and what becomes of the others. Budgets and refusals: hedge-refused.test.mjs;
// delays by quantile: hedge-quantile.test.mjs.
import assert from 'node:assert/strict';
import { AsyncLocalStorage } from 'node:async_hooks';
import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import { test } from 'node:test';
import { inspect } from 'node:util';
import { hedge, InvalidOptionError, ManualClock, pipeline, retry, TimeoutError, timeout } from 'breakwater';
import { never, outcomes } from './helpers/calls.mjs';
import { made } from './helpers/hedge.mjs';
import { continuations, reasonOf, stateOf, watched } from './helpers/promises.mjs';
import './helpers/rejections.mjs';
import { countedSignal } from './helpers/signals.mjs';

test('a call that answers in time is not hedged', async () => {
  const { start, fn, clock, pass } = made();
  const outcome = start();
  await pass(9.999);
  fn.calls[0].resolve('first');
  await pass(1_000);
  assert.deepEqual([outcome.value, fn.calls.length, clock.pending], ['first', 1, 0]);
  assert.equal(fn.calls[0].call.signal.aborted, false);
});

test('the second call starts when the first takes longer than delayMs', async () => {
  const { start, fn, pass } = made();
  const outcome = start();
  await pass(9.999);
  assert.equal(fn.calls.length, 1);
  await pass(0.001);
  assert.deepEqual([fn.calls.length, outcome.state], [2, 'pending']);
});

test('the first success wins, and the other call is aborted', async () => {
  for (const winner of [0, 1]) {
    const { start, fn, clock, pass, aborted } = made();
    const outcome = start();
    await pass(10);
    fn.calls[winner].resolve(`of ${winner}`);
    await pass(0);
    assert.equal(outcome.value, `of ${winner}`);
    assert.deepEqual(aborted(), winner === 0 ? [false, true] : [true, false]);
    const { reason } = fn.calls[1 - winner].call.signal;
    assert.deepEqual([reason.name, reason instanceof DOMException], ['AbortError', true]);
    assert.equal(clock.pending, 0);
  }
});

test('values of calls that lost are discarded, and their rejections swallowed', async () => {
  const { start, fn, discarded, pass } = made({ maxHedges: 3 });
  const outcome = start();
  await pass(30);
  fn.calls[2].resolve('won');
  await pass(0);
  fn.calls[0].resolve('late');
  fn.calls[1].reject(new Error('late'));
  fn.calls[3].resolve('later');
  await pass(1_000);
  assert.equal(outcome.value, 'won');
  assert.deepEqual(discarded, ['late', 'later']);
});

test('two successes in one turn are one answer and one discarded value', async () => {
  const { start, fn, discarded, pass } = made();
  const outcome = start();
  await pass(10);
  fn.calls[1].resolve('second');
  fn.calls[0].resolve('first');
  await pass(0);
  assert.deepEqual([outcome.value, discarded], ['second', ['first']]);
});

test('up to maxHedges further calls start, each delayMs after the last', async () => {
  const { start, fn, clock, pass } = made({ maxHedges: 3 });
  start();
  for (const calls of [1, 2, 3, 4, 4, 4]) {
    assert.equal(fn.calls.length, calls, `at ${clock.now} ms`);
    await pass(10);
  }
  assert.equal(clock.pending, 0);
});

test('calls are numbered, and share the context and the deadline', async () => {
  const { start, fn, pass } = made({ maxHedges: 2 });
  const context = {};
  start({ context, timeoutMs: 100 });
  await pass(20);
  const calls = fn.calls.map(({ call }) => call);
  assert.deepEqual(
    calls.map(({ attempt, remainingMs }) => [attempt, remainingMs]),
    [
      [1, 80],
      [2, 80],
      [3, 80],
    ],
  );
  assert.equal(
    calls.every((call) => call.context === context),
    true,
  );
  assert.equal(new Set(calls.map(({ signal }) => signal)).size, 3);
});

test('with a delayMs of 0 all calls start in the same turn', () => {
  const { start, fn, clock } = made({ delayMs: 0, maxHedges: 2 });
  start();
  assert.deepEqual([fn.calls.length, clock.pending], [3, 0]);
});

test('with a delayMs of Infinity only a failure starts the next call', async () => {
  const { start, fn, clock, pass } = made({ delayMs: Infinity });
  const outcome = start();
  await pass(1e9);
  assert.deepEqual([fn.calls.length, clock.pending], [1, 0]);
  fn.calls[0].reject(new Error('down'));
  await pass(0);
  fn.calls[1].resolve('second');
  await pass(0);
  assert.equal(outcome.value, 'second');
});

test('a synchronous value is never hedged, a synchronous error is', async () => {
  for (const delayMs of [0, 10]) {
    const { policy, clock } = made({ delayMs });
    let calls = 0;
    assert.equal(await policy.execute(() => ++calls), 1);
    assert.deepEqual([calls, clock.pending], [1, 0]);
    const second = await policy.execute(({ attempt }) => {
      if (attempt === 1) throw new Error('down');
      return attempt;
    });
    assert.equal(second, 2);
  }
});

test('a failure starts the next call at once, and that one is given delayMs of its own', async () => {
  const { start, fn, clock, pass } = made({ maxHedges: 2 });
  const outcome = start();
  await pass(4);
  fn.calls[0].reject(new Error('down'));
  await continuations();
  assert.deepEqual([fn.calls.length, clock.pending], [2, 1]);
  await pass(9);
  assert.equal(fn.calls.length, 2);
  await pass(1);
  assert.equal(fn.calls.length, 3);
  fn.calls[2].resolve('third');
  await pass(0);
  assert.equal(outcome.value, 'third');
});

test('a failure of the second call starts the third while the first runs on', async () => {
  const { start, fn, pass, aborted } = made({ maxHedges: 2 });
  const outcome = start();
  await pass(10);
  fn.calls[1].reject(new Error('down'));
  await continuations();
  assert.equal(fn.calls.length, 3);
  fn.calls[0].resolve('first');
  await pass(0);
  assert.equal(outcome.value, 'first');
  assert.deepEqual(aborted(), [false, false, true]);
});

test('when the first call fails and none may start, the one under way decides', async () => {
  const { start, fn, clock, pass } = made();
  const outcome = start();
  await pass(10);
  fn.calls[0].reject(new Error('down'));
  await pass(1_000);
  assert.deepEqual([outcome.state, fn.calls.length, clock.pending], ['pending', 2, 0]);
  fn.calls[1].resolve('second');
  await pass(0);
  assert.equal(outcome.value, 'second');
});

test('when all have failed, the error is that of the first call, in whatever order they failed', async () => {
  for (const order of [
    [0, 1, 2],
    [2, 1, 0],
    [1, 0, 2],
  ]) {
    const { start, fn, clock, pass } = made({ maxHedges: 2 });
    const outcome = start();
    await pass(20);
    for (const which of order) fn.calls[which].reject(new Error(`of ${which}`));
    await pass(0);
    assert.equal(outcome.error?.message, 'of 0');
    assert.equal(clock.pending, 0);
  }
});

test('when each fails at once, all are made at once', async () => {
  const clock = new ManualClock();
  const fn = outcomes(new Error('1'), new Error('2'), new Error('3'), new Error('4'));
  const promise = hedge({ delayMs: 10, maxHedges: 3, clock }).execute(fn);
  assert.equal((await reasonOf(promise)).message, '1');
  assert.deepEqual([fn.calls.length, clock.now, clock.pending], [4, 0, 0]);
});

test('an error of undefined is an error', async () => {
  const clock = new ManualClock();
  const fn = outcomes(() => Promise.reject(undefined), new Error('second'));
  assert.equal(await reasonOf(hedge({ delayMs: 10, clock }).execute(fn)), undefined);
});

test('what is not idempotent is never hedged', async () => {
  const { start, fn, clock, pass } = made({ delayMs: 0, maxHedges: 3 });
  const outcome = start({ idempotent: false });
  await pass(1_000);
  assert.deepEqual([fn.calls.length, clock.pending], [1, 0]);
  fn.calls[0].reject(new Error('down'));
  await pass(0);
  assert.deepEqual([outcome.error?.message, fn.calls.length], ['down', 1]);
});

test('the caller’s abort ends all calls in the same turn, with its own reason', async () => {
  const { policy, fn, clock, pass } = made({ maxHedges: 2 });
  const { signal, abort, listeners } = countedSignal();
  const discarded = [];
  const promise = policy.execute(fn, { signal, onDiscard: (value) => discarded.push(value) });
  await pass(10);
  const reason = { any: 'reason' };
  abort(reason);
  assert.equal(clock.pending, 0);
  assert.deepEqual(
    fn.calls.map(({ call }) => call.signal.reason),
    [reason, reason],
  );
  assert.equal(await reasonOf(promise), reason);
  assert.equal(listeners(), 0);
  fn.calls[0].resolve('late');
  fn.calls[1].reject(new Error('late'));
  await pass(1_000);
  assert.deepEqual([fn.calls.length, discarded], [2, ['late']]);
});

test('an abort in the turn in which the next call starts ends both', async () => {
  const { policy, fn, clock } = made();
  const controller = new AbortController();
  const promise = policy.execute(fn, { signal: controller.signal });
  clock.advance(10);
  controller.abort('gone');
  assert.equal(await reasonOf(promise), 'gone');
  await continuations();
  assert.deepEqual([fn.calls.length, clock.pending], [2, 0]);
  assert.deepEqual(
    fn.calls.map(({ call }) => call.signal.reason),
    ['gone', 'gone'],
  );
});

test('a call that aborts itself starts no other and leaves no timer', async () => {
  for (const delayMs of [0, 10]) {
    const { policy, fn, clock, discarded } = made({ delayMs });
    const controller = new AbortController();
    const given = { signal: controller.signal, onDiscard: (value) => discarded.push(value) };
    const promise = policy.execute((call) => {
      controller.abort('enough');
      return fn(call);
    }, given);
    assert.equal(await reasonOf(promise), 'enough');
    assert.deepEqual([fn.calls.length, clock.pending], [1, 0]);
    fn.calls[0].resolve('late');
    await continuations();
    assert.deepEqual(discarded, ['late']);
  }
});

test('a deadline ends all calls', async () => {
  const { start, fn, clock, pass, aborted } = made({ maxHedges: 5 });
  const outcome = start({ timeoutMs: 25 });
  await pass(25);
  assert.ok(outcome.error instanceof TimeoutError);
  assert.deepEqual(aborted(), [true, true, true]);
  await pass(1_000);
  assert.deepEqual([fn.calls.length, clock.pending], [3, 0]);
});

// Real time: a manual clock fires each timer at its own instant, and no event loop is blocked on it.
test('where a blocked event loop ran past delayMs and the deadline, no further call is made', async () => {
  let calls = 0;
  const outcome = hedge({ delayMs: 10 }).execute(
    () => {
      calls += 1;
      return never();
    },
    { timeoutMs: 20 },
  );
  const start = performance.now();
  while (performance.now() - start < 40);
  await assert.rejects(outcome, TimeoutError);
  assert.equal(calls, 1);
});

// Real time, for the same reason.
test('a call that fails or starts late behind a blocked event loop is followed by none', async () => {
  for (const delayMs of [0, 1_000]) {
    let calls = 0;
    const outcome = hedge({ delayMs }).execute(
      () => {
        calls += 1;
        const start = performance.now();
        while (performance.now() - start < 40);
        return delayMs === 0 ? never() : Promise.reject(new Error('late'));
      },
      { timeoutMs: 20 },
    );
    await assert.rejects(outcome, TimeoutError);
    assert.equal(calls, 1);
  }
});

test('a timeout inside is for each call, and starts the next', async () => {
  const clock = new ManualClock();
  const policy = pipeline(hedge({ delayMs: 100, clock }), timeout({ ms: 30, clock }));
  const fn = outcomes(never, 'second');
  const outcome = watched(policy.execute(fn));
  await clock.advanceAsync(30);
  assert.deepEqual([outcome.value, fn.calls.length, clock.pending], ['second', 2, 0]);
});

test('calls run in the async context of their caller, whoever moves the time', async () => {
  const clock = new ManualClock();
  const storage = new AsyncLocalStorage();
  const policy = hedge({ delayMs: 10, maxHedges: 2, clock });
  const seen = [];
  const fn = ({ attempt }) => {
    seen.push(storage.getStore());
    return attempt < 3 ? never() : 'third';
  };
  const all = ['a', 'b'].map((id) => storage.run(id, () => policy.execute(fn)));
  await storage.run('whoever advances the clock', () => clock.advanceAsync(20));
  assert.deepEqual(await Promise.all(all), ['third', 'third']);
  assert.deepEqual(seen, ['a', 'b', 'a', 'b', 'a', 'b']);
});

test('in real time calls run in the async context of their caller as well (real time)', async () => {
  const storage = new AsyncLocalStorage();
  const policy = hedge({ delayMs: 2 });
  const fn = ({ attempt }) => (attempt === 1 ? never() : storage.getStore());
  const all = ['a', 'b'].map((id) => storage.run(id, () => policy.execute(fn)));
  assert.deepEqual(await Promise.all(all), ['a', 'b']);
});

test('a retry outside hedges each attempt anew, and attempts count from 1 in each', async () => {
  const clock = new ManualClock();
  const fn = outcomes(new Error('1'), new Error('2'), new Error('3'), 'up');
  const outcome = watched(pipeline(retry({ backoff: 50, clock }), hedge({ delayMs: 10, clock })).execute(fn));
  await clock.advanceAsync(50);
  assert.equal(outcome.value, 'up');
  assert.deepEqual(
    fn.calls.map(({ attempt }) => attempt),
    [1, 2, 1, 2],
  );
});

test('hedges are published on a diagnostics channel', async () => {
  const published = [];
  const listener = (message) => published.push(message);
  subscribe('breakwater:hedge:hedged', listener);
  const { start, fn, pass } = made({ maxHedges: 2 });
  start();
  await pass(30);
  unsubscribe('breakwater:hedge:hedged', listener);
  assert.equal(fn.calls.length, 3);
  assert.deepEqual(published, [{ hedge: 1 }, { hedge: 2 }]);
});

test('checks its options', () => {
  const wrong = {
    delayMs: [-1, Number.NaN, '5', null, 5n, undefined],
    maxHedges: [0, -1, 1.5, 101, Infinity, Number.NaN, '1', null],
    budget: [null, 5, {}, { deposit() {}, withdraw() {} }, () => {}],
    clock: [null, 5, {}],
    delay: [5],
  };
  for (const [option, values] of Object.entries(wrong)) {
    for (const value of values) {
      assert.throws(
        () => hedge({ delayMs: 5, [option]: value }),
        (error) => error instanceof InvalidOptionError && error.option === option,
        `${option}: ${inspect(value)}`,
      );
    }
  }
  for (const quantile of [0, 1, -0.5, 1.5, Number.NaN, Infinity, '0.5', null]) {
    assert.throws(
      () => hedge({ quantile }),
      { code: 'ERR_INVALID_OPTION', option: 'quantile' },
      inspect(quantile),
    );
  }
  assert.throws(() => hedge({ delayMs: 5, quantile: 0.5 }), { option: 'delayMs' });
  for (const options of [undefined, null, 5, [], () => {}])
    assert.throws(() => hedge(options), InvalidOptionError);
  hedge({ quantile: 0.999, maxHedges: 100, delayMs: undefined, budget: undefined });
  hedge({ delayMs: 0 });
});

test('stays pending as long as its calls do', async () => {
  const clock = new ManualClock();
  const promise = hedge({ delayMs: 10, clock }).execute(never);
  clock.advance(1e6);
  assert.equal(await stateOf(promise), 'pending');
});
