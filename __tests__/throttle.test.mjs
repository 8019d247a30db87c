// AdaptiveThrottle: what it refuses, what it counts, and how objects and threads share one. The rule in full is tested in Rust.
import assert from 'node:assert/strict';
import { AsyncLocalStorage } from 'node:async_hooks';
import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import { test } from 'node:test';
import { inspect } from 'node:util';
import {
  AdaptiveThrottle,
  DisposedError,
  InvalidOptionError,
  list,
  ManualClock,
  NameConflictError,
  OverloadedError,
  pipeline,
  RateLimitedError,
  RefusedError,
  timeout,
} from 'breakwater';
import { manual, never, outcomes } from './helpers/calls.mjs';
import { continuations, reasonOf, watched } from './helpers/promises.mjs';
import './helpers/rejections.mjs';
import { withThreads } from './helpers/threads.mjs';

let names = 0;
/** A name that nobody else uses. */
function newName() {
  names += 1;
  return `throttle.test:${names}`;
}
const inUse = (name) => list().filter((one) => one.name === name);

/** A throttle on a clock of its own, after so many calls of which so many were accepted, none of them refused here. */
function after(requests, accepts, options) {
  const clock = new ManualClock();
  const throttle = new AdaptiveThrottle({ clock, seed: 1, ...options, maxRefusalRate: 0 });
  for (let i = 0; i < requests; i += 1) {
    const permit = throttle.tryAcquire();
    if (i < accepts) permit.success();
    else permit.failure();
  }
  throttle.reconfigure({ maxRefusalRate: options?.maxRefusalRate ?? 0.9 });
  return { clock, throttle };
}

/** How many of `times` calls that fail are let through. */
function passed(throttle, times) {
  let allowed = 0;
  for (let i = 0; i < times; i += 1) {
    const permit = throttle.tryAcquire();
    if (permit === undefined) continue;
    permit.failure();
    allowed += 1;
  }
  return allowed;
}
const fail = () => Promise.reject(new Error('down'));
const counted = (throttle) => {
  const { requests, accepts } = throttle.snapshot();
  return { requests, accepts };
};

test('a backend that accepts everything sees every call', async () => {
  const throttle = new AdaptiveThrottle({ clock: new ManualClock() });
  for (let i = 0; i < 1_000; i += 1) assert.equal(await throttle.execute(() => i), i);
  assert.deepEqual([throttle.refusalRate, throttle.snapshot().refused], [0, 0]);
});

test('half of the calls may fail before any is refused', () => {
  assert.equal(after(1_000, 500).throttle.refusalRate, 0);
  assert.equal(after(1_000, 499).throttle.refusalRate > 0, true);
});

// Site Reliability Engineering, chapter 21; failsafe-go, adaptivethrottler, where 0.9 is a multiplier of 1 / 0.9
test('the refusal rate is (requests − multiplier × accepts) / (requests + 1), up to the cap', () => {
  for (const [requests, accepts, multiplier, expected] of [
    [0, 0, 2, 0],
    [1, 0, 2, 0.5],
    [100, 100, 2, 0],
    [100, 0, 2, 0.9],
    [300, 100, 2, 100 / 301],
    [100, 95, 1 / 0.9, 0],
    [120, 90, 1 / 0.9, 20 / 121],
    [200, 50, 1 / 0.9, (200 - 50 / 0.9) / 201],
    [1_000, 10, 1 / 0.9, 0.9],
  ]) {
    const { throttle } = after(requests, accepts, { multiplier });
    const { refusalRate } = throttle;
    assert.equal(
      Math.abs(refusalRate - expected) < 1e-12,
      true,
      `${requests}, ${accepts}: ${refusalRate}, not ${expected}`,
    );
    assert.equal(throttle.snapshot().refusalRate, refusalRate);
  }
});

test('refuses about as many calls as the rate says', () => {
  const { throttle } = after(100_000, 25_000);
  const allowed = passed(throttle, 1_000);
  assert.equal(Math.abs(allowed - 500) < 60, true, `${allowed} of 1,000 at a rate of one half`);
});

test('one that accepts nothing still sees a few calls, and is found when it is back', () => {
  const clock = new ManualClock();
  const throttle = new AdaptiveThrottle({ seed: 3, clock });
  passed(throttle, 5_000);
  const allowed = passed(throttle, 1_000);
  assert.equal(allowed > 50 && allowed < 150, true, `${allowed} of 1,000`);
  for (let second = 0; second < 240; second += 1) {
    clock.advance(1_000);
    for (let i = 0; i < 10; i += 1) throttle.tryAcquire()?.success();
  }
  assert.equal(throttle.refusalRate, 0);
});

test('the window moves on, in tenths', () => {
  const { throttle, clock } = after(100, 0);
  clock.advance(107_999);
  assert.deepEqual(counted(throttle), { requests: 100, accepts: 0 });
  clock.advance(12_001);
  assert.deepEqual([throttle.refusalRate, counted(throttle)], [0, { requests: 0, accepts: 0 }]);
});

test('a refused call rejects with OverloadedError, and is not made', async () => {
  const { throttle } = after(1_000, 0, { label: 'search', maxRefusalRate: 0.999_999 });
  const fn = manual();
  const error = await reasonOf(throttle.execute(fn));
  assert.ok(error instanceof OverloadedError && error instanceof RefusedError);
  const { code, kind, primitive, message, retryAfterMs } = error;
  assert.deepEqual(
    [code, kind, primitive, retryAfterMs],
    ['ERR_OVERLOADED', 'throttle', 'search', undefined],
  );
  assert.equal(message, 'throttle "search" refused: the backend refuses most of what it gets');
  assert.equal(throttle.tryAcquire(), undefined);
  assert.equal(fn.calls.length, 0);
});

test('a request counts when it is attempted, an accept when it is there', async () => {
  const throttle = new AdaptiveThrottle({ clock: new ManualClock() });
  const fn = manual();
  const outcome = watched(throttle.execute(fn));
  assert.deepEqual(counted(throttle), { requests: 1, accepts: 0 });
  fn.calls[0].resolve('value');
  await continuations();
  assert.equal(outcome.value, 'value');
  assert.deepEqual(counted(throttle), { requests: 1, accepts: 1 });
});

test('calls that are refused here count as requests', () => {
  const { throttle } = after(1_000, 0, { maxRefusalRate: 0.999_999 });
  assert.equal(passed(throttle, 100), 0);
  assert.deepEqual(counted(throttle), { requests: 1_100, accepts: 0 });
});

test('by default an error is not accepted; refusals and aborts say nothing', async () => {
  const throttle = new AdaptiveThrottle({ clock: new ManualClock(), maxRefusalRate: 0 });
  const refusal = new RateLimitedError('refused', { kind: 'bucket' });
  const aborted = new DOMException('gone', 'AbortError');
  for (const [outcome, expected] of [
    ['value', { requests: 1, accepts: 1 }],
    [new Error('down'), { requests: 2, accepts: 1 }],
    [() => Promise.reject(undefined), { requests: 3, accepts: 1 }],
    [refusal, { requests: 3, accepts: 1 }],
    [() => Promise.reject(aborted), { requests: 3, accepts: 1 }],
  ]) {
    watched(throttle.execute(outcomes(outcome)));
    await continuations();
    assert.deepEqual(counted(throttle), expected);
  }
});

test('the caller’s abort takes the request back, a deadline does not', async () => {
  const clock = new ManualClock();
  const throttle = new AdaptiveThrottle({ clock });
  const controller = new AbortController();
  watched(throttle.execute(never, { signal: controller.signal }));
  assert.equal(counted(throttle).requests, 1);
  controller.abort();
  assert.equal(counted(throttle).requests, 0);
  watched(throttle.execute(never, { timeoutMs: 100 }));
  watched(pipeline(timeout({ ms: 100, clock }), throttle).execute(never));
  watched(pipeline(throttle, timeout({ ms: 100, clock })).execute(never));
  await clock.advanceAsync(100);
  assert.deepEqual(counted(throttle), { requests: 3, accepts: 0 });
});

test('isFailure says what was accepted', async () => {
  const asked = [];
  const verdicts = [false, true, 'ignore', { openMs: 5_000 }, { openMs: 0 }];
  const isFailure = (error, result, call) => {
    asked.push([error, result, call.attempt]);
    return verdicts[asked.length - 1];
  };
  const throttle = new AdaptiveThrottle({ isFailure, clock: new ManualClock(), maxRefusalRate: 0 });
  const error = new Error('down');
  const expected = [
    { requests: 1, accepts: 1 },
    { requests: 2, accepts: 1 },
    { requests: 2, accepts: 1 },
    { requests: 3, accepts: 1 },
    { requests: 4, accepts: 1 },
  ];
  for (const [i, outcome] of ['good', 'bad', error, error, 'busy'].entries()) {
    watched(throttle.execute(outcomes(outcome)));
    await continuations();
    assert.deepEqual(counted(throttle), expected[i]);
  }
  assert.deepEqual(asked[0], [undefined, 'good', 1]);
  assert.deepEqual(asked[2], [error, undefined, 1]);
});

test('what isFailure throws or gives wrongly is the caller’s error, and counts nothing', async () => {
  for (const [isFailure, code] of [
    [() => assert.fail('of isFailure'), 'ERR_ASSERTION'],
    [() => undefined, 'ERR_INVALID_OPTION'],
    [() => 'failure', 'ERR_INVALID_OPTION'],
    [() => ({ openMs: '5' }), 'ERR_INVALID_OPTION'],
  ]) {
    const throttle = new AdaptiveThrottle({ isFailure, clock: new ManualClock() });
    for (const outcome of ['value', new Error('down')]) {
      assert.equal((await reasonOf(throttle.execute(outcomes(outcome)))).code, code);
    }
    assert.deepEqual(counted(throttle), { requests: 0, accepts: 0 });
  }
});

test('a permit counts once, by its first word, and never throws', () => {
  const throttle = new AdaptiveThrottle({ clock: new ManualClock(), maxRefusalRate: 0 });
  for (const [first, ...others] of [
    ['success', 'failure', 'ignore', 'success'],
    ['failure', 'success', 'ignore'],
    ['ignore', 'ignore', 'success'],
  ]) {
    const permit = throttle.tryAcquire();
    permit[first]();
    const before = counted(throttle);
    for (const other of others) permit[other]();
    assert.deepEqual(counted(throttle), before);
  }
  assert.deepEqual(counted(throttle), { requests: 2, accepts: 1 });
});

test('an ignored call whose time is over is not taken from a later one', () => {
  const clock = new ManualClock();
  const throttle = new AdaptiveThrottle({ clock, windowMs: 1_000 });
  const permit = throttle.tryAcquire();
  clock.advance(1_000);
  throttle.tryAcquire().failure();
  permit.ignore();
  assert.deepEqual(counted(throttle), { requests: 1, accepts: 0 });
});

test('with dryRun every call is made, and the refusals are counted and published', async () => {
  const published = [];
  const listener = (message) => published.push(message);
  const { throttle } = after(1_000, 0, { maxRefusalRate: 0.999_999, dryRun: true, label: 'search' });
  subscribe('breakwater:throttle:refused', listener);
  assert.equal(await throttle.execute(() => 'ran'), 'ran');
  const permit = throttle.tryAcquire();
  permit.success();
  unsubscribe('breakwater:throttle:refused', listener);
  const message = { kind: 'throttle', primitive: 'search', dryRun: true };
  assert.deepEqual(published, [message, message]);
  const { requests, accepts, refused } = throttle.snapshot();
  assert.deepEqual({ requests, accepts, refused }, { requests: 1_002, accepts: 0, refused: 2 });
});

test('the same seed refuses the same calls', () => {
  const pattern = (seed) => {
    const throttle = new AdaptiveThrottle({ seed, clock: new ManualClock() });
    return Array.from({ length: 300 }, () => passed(throttle, 1)).join('');
  };
  assert.equal(pattern(7), pattern(7));
  assert.notEqual(pattern(7), pattern(8));
  assert.notEqual(pattern(undefined), pattern(undefined));
});

test('a snapshot has the rules, what is in the window, and what was since the beginning', () => {
  const { throttle, clock } = after(300, 100, { label: 'search', windowMs: 1_000, multiplier: 2 });
  const rules = { multiplier: 2, windowMs: 1_000, maxRefusalRate: 0.9 };
  const common = { kind: 'throttle', name: undefined, label: 'search', dryRun: false, ...rules };
  const since = { allowed: 300, refused: 0 };
  assert.deepEqual(throttle.snapshot(), {
    ...common,
    ...since,
    requests: 300,
    accepts: 100,
    refusalRate: 100 / 301,
  });
  clock.advance(1_000);
  assert.deepEqual(throttle.snapshot(), { ...common, ...since, requests: 0, accepts: 0, refusalRate: 0 });
});

test('reconfigure changes the rules over what was counted, and not the window', () => {
  const { throttle } = after(300, 100);
  throttle.reconfigure({ multiplier: 1 });
  assert.equal(throttle.refusalRate, 200 / 301);
  throttle.reconfigure({ maxRefusalRate: 0.5, multiplier: undefined });
  assert.equal(throttle.refusalRate, 0.5);
  throttle.reconfigure({});
  for (const [option, value] of [
    ['windowMs', 2_000],
    ['multiplier', 0.5],
    ['maxRefusalRate', 1],
    ['isFailure', () => true],
    ['dryRun', true],
  ]) {
    assert.throws(() => throttle.reconfigure({ [option]: value }), { code: 'ERR_INVALID_OPTION', option });
  }
  for (const options of [undefined, null, 5, []])
    assert.throws(() => throttle.reconfigure(options), InvalidOptionError);
  const { multiplier, maxRefusalRate } = throttle.snapshot();
  assert.deepEqual([multiplier, maxRefusalRate], [1, 0.5]);
});

test('checks its options', () => {
  const before = list();
  const wrong = {
    multiplier: [0.99, 100.5, 0, -1, Number.NaN, Infinity, '2', null],
    windowMs: [0, 999, 86_400_001, Number.NaN, '120000', null],
    maxRefusalRate: [-0.1, 1, 1.5, Number.NaN, '0.9', null],
    isFailure: [null, true, {}, 'yes'],
    seed: [Number.NaN, Infinity, '1', null],
    dryRun: [1, 'true', null],
    name: ['', 'n'.repeat(129), 5, null],
    label: [5, null],
    clock: [5, null, {}],
    ratio: [0.5],
  };
  for (const [option, values] of Object.entries(wrong)) {
    for (const value of values) {
      assert.throws(
        () => new AdaptiveThrottle({ name: newName(), [option]: value }),
        (error) => error instanceof InvalidOptionError && error.option === option,
        `${option}: ${inspect(value)}`,
      );
    }
  }
  for (const options of [null, 5, 'options', [], () => {}]) {
    assert.throws(() => new AdaptiveThrottle(options), InvalidOptionError);
  }
  assert.deepEqual(list(), before);
  const defaults = { multiplier: 2, windowMs: 120_000, maxRefusalRate: 0.9 };
  const { multiplier, windowMs, maxRefusalRate } = new AdaptiveThrottle().snapshot();
  assert.deepEqual({ multiplier, windowMs, maxRefusalRate }, defaults);
});

test('its methods are its own alone', async () => {
  const { wrap, tryAcquire, reconfigure, snapshot, dispose, execute } = AdaptiveThrottle.prototype;
  for (const self of [undefined, {}, Object.create(AdaptiveThrottle.prototype)]) {
    for (const method of [wrap, tryAcquire, reconfigure, snapshot, dispose]) {
      assert.throws(() => method.call(self, {}), { code: 'ERR_INVALID_OPTION', option: 'this' });
    }
    assert.equal((await reasonOf(execute.call(self, () => {}))).option, 'this');
  }
});

test('objects of one name are one throttle, each with an isFailure of its own', async () => {
  const clock = new ManualClock();
  const options = { name: newName(), clock, maxRefusalRate: 0 };
  const strict = new AdaptiveThrottle({ ...options, isFailure: () => true, seed: 1, label: 'strict' });
  const plain = new AdaptiveThrottle({ ...options, seed: 2 });
  const found = AdaptiveThrottle.find(options.name);
  assert.ok(found instanceof AdaptiveThrottle);
  await Promise.all([strict, plain, found].map((one) => one.execute(() => 'value')));
  assert.deepEqual(counted(found), { requests: 3, accepts: 2 });
  await reasonOf(found.execute(fail));
  assert.deepEqual(counted(strict), { requests: 4, accepts: 2 });
  assert.deepEqual(inUse(options.name), [{ kind: 'throttle', name: options.name }]);
  for (const one of [strict, plain]) one.dispose();
  assert.deepEqual(counted(found), { requests: 4, accepts: 2 });
  found.dispose();
  assert.deepEqual([inUse(options.name), AdaptiveThrottle.find(options.name)], [[], undefined]);
  for (const name of [undefined, null, 5])
    assert.throws(() => AdaptiveThrottle.find(name), { option: 'name' });
});

test('a name with other options is a conflict that names the option', () => {
  const name = newName();
  const clock = new ManualClock();
  const options = { name, multiplier: 3, windowMs: 2_000, maxRefusalRate: 0.5, dryRun: false, clock };
  const throttle = new AdaptiveThrottle(options);
  for (const [option, value] of [
    ['multiplier', 2],
    ['windowMs', 3_000],
    ['maxRefusalRate', undefined],
    ['dryRun', true],
    ['clock', undefined],
  ]) {
    assert.throws(
      () => new AdaptiveThrottle({ ...options, [option]: value }),
      (error) => error instanceof NameConflictError && error.option === option && error.primitive === name,
      option,
    );
  }
  throttle.dispose();
  new AdaptiveThrottle({ name }).dispose();
});

test('after dispose every call throws or rejects, and a second dispose does nothing', async () => {
  const throttle = new AdaptiveThrottle({ label: 'search' });
  throttle.dispose();
  throttle.dispose();
  throttle[Symbol.dispose]();
  for (const call of [
    () => throttle.tryAcquire(),
    () => throttle.refusalRate,
    () => throttle.snapshot(),
    () => throttle.reconfigure({ multiplier: 3 }),
  ]) {
    assert.throws(call, (error) => error instanceof DisposedError && error.primitive === 'search');
  }
  let called = false;
  const promise = throttle.execute(() => {
    called = true;
  });
  assert.ok((await reasonOf(promise)) instanceof DisposedError);
  assert.equal(called, false);
});

test('permits and calls under way stay valid after dispose, and count for the others', async () => {
  const options = { name: newName(), clock: new ManualClock(), maxRefusalRate: 0 };
  const [leaving, staying] = [new AdaptiveThrottle(options), new AdaptiveThrottle(options)];
  const permits = [leaving.tryAcquire(), leaving.tryAcquire(), leaving.tryAcquire()];
  const fn = manual();
  const outcome = watched(leaving.execute(fn));
  leaving.dispose();
  permits[0].success();
  permits[1].failure();
  permits[2].ignore();
  fn.calls[0].resolve('value');
  await continuations();
  assert.equal(outcome.value, 'value');
  assert.deepEqual(counted(staying), { requests: 3, accepts: 2 });
  staying.dispose();
  const alone = new AdaptiveThrottle();
  const permit = alone.tryAcquire();
  alone.dispose();
  permit.success();
  permit.failure();
});

test('the function runs in the async context of the call', async () => {
  const storage = new AsyncLocalStorage();
  const throttle = new AdaptiveThrottle({ maxRefusalRate: 0 });
  const all = ['a', 'b'].map((id) => storage.run(id, () => throttle.execute(async () => storage.getStore())));
  assert.deepEqual(await Promise.all(all), ['a', 'b']);
});

test('threads share one throttle, and each draws a stream of its own', async () => {
  await withThreads(3, async (threads) => {
    const options = { name: newName(), seed: 7 };
    const clockName = options.name;
    const clock = new ManualClock({ name: clockName });
    const throttle = new AdaptiveThrottle({ ...options, clock });
    const open = ({ AdaptiveThrottle, ManualClock }, kept, options, clockName) => {
      const clock = new ManualClock({ name: clockName });
      kept.throttle = new AdaptiveThrottle({ ...options, clock });
    };
    await Promise.all(threads.map((thread) => thread.run(open, options, clockName)));
    const use = (_, { throttle }) => {
      let allowed = '';
      for (let i = 0; i < 1_000; i += 1) {
        const permit = throttle.tryAcquire();
        permit?.failure();
        allowed += permit === undefined ? '0' : '1';
      }
      return allowed;
    };
    const patterns = await Promise.all(threads.map((thread) => thread.run(use)));
    assert.equal(new Set(patterns).size, 3);
    const total = patterns.join('').replaceAll('0', '').length;
    const { requests, accepts, allowed, refused, refusalRate } = throttle.snapshot();
    assert.deepEqual([requests, accepts, allowed, refused], [3_000, 0, total, 3_000 - total]);
    assert.equal(refusalRate, 0.9);
    throttle.dispose();
  });
});
