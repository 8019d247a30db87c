// fallback: what is given instead of an error, and when not.
import assert from 'node:assert/strict';
import { AsyncLocalStorage } from 'node:async_hooks';
import { test } from 'node:test';
import {
  CircuitBreaker,
  fallback,
  InvalidOptionError,
  ManualClock,
  pipeline,
  RefusedError,
  retry,
  TimeoutError,
  TokenBucket,
  timeout,
} from 'breakwater';
import { manual, never, outcomes } from './helpers/calls.mjs';
import { continuations, reasonOf, watched } from './helpers/promises.mjs';
import './helpers/rejections.mjs';

const down = new Error('down');
const failing = () => Promise.reject(down);

test('gives the function’s result where it succeeds, and asks nobody', async () => {
  let asked = 0;
  const policy = fallback(() => ++asked, { when: () => ++asked > 0 });
  for (const value of ['value', undefined, null, 0, '', false]) {
    assert.equal(await policy.execute(() => value), value);
    assert.equal(await policy.execute(async () => value), value);
  }
  assert.equal(asked, 0);
});

test('gives the value where the function fails, whatever it is', async () => {
  const object = { cached: true };
  for (const value of [
    'cached',
    0,
    Number.NaN,
    '',
    false,
    null,
    undefined,
    object,
    [],
    5n,
    Symbol.iterator,
  ]) {
    const policy = fallback(value);
    assert.equal(await policy.execute(failing), value);
    const thrown = policy.execute(() => {
      throw down;
    });
    assert.equal(await thrown, value);
  }
});

test('gives what a function makes of the error and the call', async () => {
  const context = {};
  const seen = [];
  const policy = fallback((error, call) => {
    seen.push([error, call.attempt, call.context]);
    return 'cached';
  });
  assert.equal(await policy.execute(failing, { context }), 'cached');
  assert.deepEqual(seen, [[down, 1, context]]);
});

test('a function may be asynchronous, or give falsy values and functions', async () => {
  assert.equal(await fallback(async () => 'later').execute(failing), 'later');
  // biome-ignore lint/suspicious/noThenProperty: a thenable is what this is about
  const thenable = { then: (resolve) => resolve('thenable') };
  assert.equal(await fallback(() => thenable).execute(failing), 'thenable');
  for (const value of [undefined, null, 0, false, failing]) {
    assert.equal(await fallback(() => value).execute(failing), value);
    assert.equal(await fallback(async () => value).execute(failing), value);
  }
});

test('any error falls back, also one of undefined', async () => {
  for (const error of [undefined, null, 0, 'down', down]) {
    assert.equal(await fallback('cached').execute(() => Promise.reject(error)), 'cached');
  }
});

test('what the function throws is the caller’s error', async () => {
  const worse = new Error('cache down');
  const functions = [
    () => {
      throw worse;
    },
    async () => {
      throw worse;
    },
  ];
  for (const fn of functions) {
    assert.equal(await reasonOf(fallback(fn).execute(failing)), worse);
    const thrown = fallback(fn).execute(() => {
      throw down;
    });
    assert.equal(await reasonOf(thrown), worse);
  }
});

test('only for errors for which when says so', async () => {
  const clock = new ManualClock();
  const bucket = new TokenBucket({ capacity: 1, refillPerSecond: 1, clock });
  const seen = [];
  const when = (error) => {
    seen.push(error);
    return error instanceof RefusedError;
  };
  const policy = pipeline(fallback('cached', { when }), bucket);
  assert.equal(await reasonOf(policy.execute(failing)), down);
  assert.equal(await policy.execute(failing), 'cached');
  assert.equal(seen[0], down);
  assert.equal(seen[1].code, 'ERR_RATE_LIMITED');
  const broken = () => {
    throw new Error('of when');
  };
  assert.equal((await reasonOf(fallback('cached', { when: broken }).execute(failing))).message, 'of when');
});

test('never on the caller’s abort', async () => {
  const clock = new ManualClock();
  let asked = 0;
  const when = () => ++asked > 0;
  const policy = pipeline(
    fallback(() => ++asked, { when }),
    timeout({ ms: 1_000, clock }),
  );
  const obedient = ({ signal }) =>
    new Promise((_, reject) => {
      signal.addEventListener('abort', () => reject(new Error('socket closed')));
    });
  for (const fn of [never, obedient]) {
    const controller = new AbortController();
    const promise = policy.execute(fn, { signal: controller.signal });
    controller.abort('gone');
    assert.equal(await reasonOf(promise), 'gone');
  }
  assert.equal(await reasonOf(policy.execute(never, { signal: AbortSignal.abort('before') })), 'before');
  await continuations();
  assert.equal(asked, 0);
});

test('an AbortError that is not of the caller’s signal falls back like any other', async () => {
  const given = { signal: new AbortController().signal };
  const aborted = () => Promise.reject(new DOMException('gone', 'AbortError'));
  assert.equal(await fallback('cached').execute(aborted, given), 'cached');
});

test('timeoutMs is over the fallback as well, a timeout inside is not', async () => {
  const clock = new ManualClock();
  const policy = pipeline(fallback('cached'), timeout({ ms: 100, clock }));
  const inside = watched(policy.execute(never));
  const outside = watched(policy.execute(never, { timeoutMs: 50 }));
  await clock.advanceAsync(100);
  assert.equal(inside.value, 'cached');
  assert.ok(outside.error instanceof TimeoutError);
});

test('a fallback that takes long is ended by a deadline around it', async () => {
  const clock = new ManualClock();
  const discarded = [];
  const slow = manual();
  const policy = pipeline(timeout({ ms: 100, clock }), fallback(slow));
  const outcome = watched(policy.execute(failing, { onDiscard: (value) => discarded.push(value) }));
  await clock.advanceAsync(100);
  assert.ok(outcome.error instanceof TimeoutError);
  slow.calls[0].resolve('late');
  await clock.advanceAsync(0);
  assert.deepEqual(discarded, ['late']);
});

test('a synchronous error with a synchronous fallback is given in the same turn', async () => {
  const order = [];
  const promise = fallback('cached').execute(() => {
    throw down;
  });
  promise.then(() => order.push('fallback'));
  Promise.resolve()
    .then(() => {})
    .then(() => order.push('two turns'));
  await continuations();
  assert.deepEqual(order, ['fallback', 'two turns']);
});

test('the nearest fallback answers', async () => {
  assert.equal(await pipeline(fallback('outer'), fallback('inner')).execute(failing), 'inner');
  const inner = fallback('inner', { when: () => false });
  assert.equal(await pipeline(fallback('outer'), inner).execute(failing), 'outer');
  const worse = fallback(() => {
    throw new Error('inner down');
  });
  const message = fallback(({ message }) => message);
  assert.equal(await pipeline(message, worse).execute(failing), 'inner down');
});

test('inside a retry it makes every attempt a success, outside it the last failure', async () => {
  const clock = new ManualClock();
  const inside = outcomes(down);
  assert.equal(await pipeline(retry({ backoff: 0, clock }), fallback('cached')).execute(inside), 'cached');
  const outside = outcomes(down);
  assert.equal(await pipeline(fallback('cached'), retry({ backoff: 0, clock })).execute(outside), 'cached');
  assert.deepEqual([inside.calls.length, outside.calls.length], [1, 3]);
});

test('a breaker inside still counts the failures that fall back', async () => {
  const clock = new ManualClock();
  const breaker = new CircuitBreaker({ consecutiveFailures: 3, clock });
  const policy = pipeline(
    fallback(({ code, message }) => code ?? message),
    breaker,
  );
  const given = [];
  for (let i = 0; i < 4; i += 1) given.push(await policy.execute(failing));
  assert.deepEqual(given, ['down', 'down', 'down', 'ERR_CIRCUIT_OPEN']);
});

test('the function runs in the async context of the call', async () => {
  const storage = new AsyncLocalStorage();
  const policy = fallback(() => storage.getStore());
  const fn = manual();
  const promises = ['a', 'b'].map((id) => storage.run(id, () => policy.execute(fn)));
  for (const { reject } of fn.calls) reject(down);
  assert.deepEqual(await Promise.all(promises), ['a', 'b']);
});

test('wrap keeps this and the arguments', async () => {
  const object = {
    known: { a: 1 },
    find: fallback('nothing').wrap(function (key) {
      if (!(key in this.known)) throw new Error('unknown');
      return this.known[key];
    }),
  };
  assert.deepEqual([await object.find('a'), await object.find('b')], [1, 'nothing']);
});

test('checks its options and arguments', async () => {
  for (const options of [null, 5, 'options', [], () => {}]) {
    assert.throws(() => fallback('value', options), InvalidOptionError);
  }
  for (const when of [null, true, 'Error', {}, Error.prototype]) {
    assert.throws(() => fallback('value', { when }), { code: 'ERR_INVALID_OPTION', option: 'when' });
  }
  assert.throws(() => fallback('value', { unless: () => true }), { option: 'unless' });
  const error = await reasonOf(fallback('value').execute('no function'));
  assert.deepEqual([error.code, error.kind, error.option], ['ERR_INVALID_OPTION', 'fallback', 'fn']);
  assert.throws(() => fallback('value').wrap(5), { code: 'ERR_INVALID_OPTION', option: 'fn' });
  fallback('value', { when: undefined });
});
