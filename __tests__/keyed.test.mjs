// keyed: a primitive for each key, and which one goes when there are too many.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { inspect } from 'node:util';
import {
  AdaptiveThrottle,
  CircuitBreaker,
  InvalidOptionError,
  keyed,
  list,
  ManualClock,
  RateLimiter,
  TokenBucket,
} from 'breakwater';
import { manual } from './helpers/calls.mjs';
import { continuations, reasonOf, watched } from './helpers/promises.mjs';
import './helpers/rejections.mjs';

/** A user’s own object, that says when it was disposed. */
function notes() {
  const made = [];
  const disposed = [];
  const make = (key) => {
    made.push(key);
    return { key, dispose: () => disposed.push(key) };
  };
  return { made, disposed, make };
}

/** Keys of those that still are there: asking makes none. */
const kept = ({ made, disposed }) => made.filter((key) => !disposed.includes(key));

test('gives each key a primitive of its own, made when it is first asked for', () => {
  const { make, made } = notes();
  const all = keyed(make);
  assert.equal(all.size, 0);
  assert.deepEqual(made, []);
  const a = all.for('a');
  assert.equal(a.key, 'a');
  assert.equal(all.for('a'), a);
  assert.notEqual(all.for('b'), a);
  assert.deepEqual([made, all.size], [['a', 'b'], 2]);
});

test('any string is a key', () => {
  const { make } = notes();
  const all = keyed(make);
  const keys = ['', ' ', '__proto__', 'constructor', 'toString', '\ud800', 'ключ', 'x'.repeat(100_000)];
  for (const key of keys) assert.equal(all.for(key).key, key);
  for (const key of keys) assert.equal(all.for(key), all.for(key));
  assert.equal(all.size, keys.length);
});

test('past maxKeys the least recently used one is disposed', () => {
  const all = notes();
  const those = keyed(all.make, { maxKeys: 3 });
  for (const key of ['a', 'b', 'c']) those.for(key);
  // Used again: now b is the least recently used.
  those.for('a');
  those.for('d');
  assert.deepEqual([all.disposed, those.size], [['b'], 3]);
  those.for('e');
  assert.deepEqual(all.disposed, ['b', 'c']);
  // Asked for again, it begins anew, and the next one goes.
  those.for('b');
  assert.deepEqual(all.disposed, ['b', 'c', 'a']);
  assert.deepEqual(all.made, ['a', 'b', 'c', 'd', 'e', 'b']);
});

test('a thousand keys are kept by default', () => {
  const all = notes();
  const those = keyed(all.make);
  for (let i = 0; i < 1_000; i += 1) those.for(String(i));
  assert.deepEqual([those.size, all.disposed], [1_000, []]);
  those.for('one more');
  assert.deepEqual([those.size, all.disposed], [1_000, ['0']]);
});

test('one key is kept when maxKeys is 1', () => {
  const all = notes();
  const those = keyed(all.make, { maxKeys: 1 });
  for (const key of ['a', 'b', 'a', 'a']) those.for(key);
  assert.deepEqual([all.made, all.disposed, those.size], [['a', 'b', 'a'], ['a', 'b'], 1]);
});

/** Breakers by key on a clock, and which of the keys are still the ones of the beginning. */
function breakers(maxKeys) {
  const clock = new ManualClock();
  const made = [];
  const those = keyed(
    (key) => {
      made.push(key);
      return new CircuitBreaker({ label: key, clock });
    },
    { maxKeys },
  );
  return { clock, made, those };
}

test('a breaker with a permit out is never disposed', () => {
  const { those, made } = breakers(2);
  const permit = those.for('a').tryAcquire();
  for (const key of ['b', 'c', 'd']) those.for(key);
  assert.equal(those.size, 2);
  those.for('a');
  assert.deepEqual(made, ['a', 'b', 'c', 'd']);
  permit.success();
  // Used last, it goes when two others have come after it.
  for (const key of ['e', 'f', 'a']) those.for(key);
  assert.deepEqual(made, ['a', 'b', 'c', 'd', 'e', 'f', 'a']);
});

test('a breaker with a call under way is never disposed', async () => {
  for (const options of [undefined, { timeoutMs: 1_000 }]) {
    const { those, made } = breakers(1);
    const fn = manual();
    const outcome = watched(those.for('a').execute(fn, options));
    for (const key of ['b', 'c']) those.for(key);
    those.for('a');
    assert.deepEqual(made, ['a', 'b', 'c']);
    fn.calls[0].resolve('value');
    await continuations();
    assert.equal(outcome.value, 'value');
    those.for('d');
    those.for('a');
    assert.deepEqual(made, ['a', 'b', 'c', 'd', 'a']);
  }
});

test('a call that was aborted or is late is under way no longer', async () => {
  const { those, made, clock } = breakers(1);
  const controller = new AbortController();
  const aborted = watched(those.for('a').execute(() => new Promise(() => {}), { signal: controller.signal }));
  those.for('b');
  controller.abort();
  await continuations();
  assert.equal(aborted.state, 'rejected');
  const late = watched(those.for('c').execute(() => new Promise(() => {}), { timeoutMs: 100 }));
  clock.advance(100);
  await continuations();
  assert.equal(late.state, 'rejected');
  those.for('d');
  assert.equal(those.size, 1);
  assert.deepEqual(made, ['a', 'b', 'c', 'd']);
});

test('a bucket or limiter that somebody waits on is never disposed', async () => {
  const clock = new ManualClock();
  const classes = {
    bucket: () => new TokenBucket({ capacity: 1, refillPerSecond: 1, clock }),
    limiter: () => new RateLimiter({ limits: { limit: 1, windowMs: 1_000 }, maxKeys: 10, clock }),
  };
  const acquire = (object) => (object instanceof TokenBucket ? object.acquire() : object.acquire('key'));
  for (const [name, make] of Object.entries(classes)) {
    const those = keyed(make, { maxKeys: 1 });
    const first = those.for('a');
    await acquire(first);
    const waiting = watched(acquire(first));
    those.for('b');
    those.for('c');
    assert.equal(those.for('a'), first, name);
    await clock.advanceAsync(1_000);
    assert.equal(waiting.state, 'fulfilled', name);
    those.for('d');
    assert.notEqual(those.for('a'), first, name);
  }
});

test('a throttle with a permit out is never disposed', () => {
  const clock = new ManualClock();
  const those = keyed(() => new AdaptiveThrottle({ clock }), { maxKeys: 1 });
  const first = those.for('a');
  const permit = first.tryAcquire();
  those.for('b');
  assert.equal(those.for('a'), first);
  permit.ignore();
  those.for('c');
  assert.notEqual(those.for('a'), first);
});

test('there are more than maxKeys only while all are in use, and fewer again afterwards', () => {
  const { those, made } = breakers(2);
  const permits = ['a', 'b', 'c', 'd', 'e'].map((key) => those.for(key).tryAcquire());
  assert.equal(those.size, 5);
  for (const permit of permits.slice(0, 3)) permit.success();
  those.for('f');
  // The three that are free went; two are in use, and one is new.
  assert.equal(those.size, 3);
  those.for('g');
  assert.equal(those.size, 3);
  for (const permit of permits.slice(3)) permit.success();
  those.for('h');
  assert.equal(those.size, 2);
  assert.deepEqual(made, ['a', 'b', 'c', 'd', 'e', 'f', 'g', 'h']);
});

test('each breaker has a state of its own', async () => {
  const { those } = breakers(10);
  those.for('a').forceOpen();
  const error = await reasonOf(those.for('a').execute(() => 'ran'));
  assert.deepEqual([error.code, error.primitive], ['ERR_CIRCUIT_OPEN', 'a']);
  assert.equal(await those.for('b').execute(() => 'ran'), 'ran');
});

test('a disposed one lets go of its name', () => {
  const name = (key) => `keyed.test:${key}`;
  const those = keyed((key) => new CircuitBreaker({ name: name(key) }), { maxKeys: 2 });
  for (const key of ['a', 'b', 'c']) those.for(key);
  const names = () =>
    list()
      .map((one) => one.name)
      .filter((one) => one.startsWith('keyed.test:'))
      .sort();
  assert.deepEqual(names(), [name('b'), name('c')]);
  those.dispose();
  assert.deepEqual(names(), []);
});

test('dispose disposes all, and for begins anew', () => {
  const all = notes();
  const those = keyed(all.make);
  for (const key of ['a', 'b']) those.for(key);
  those.dispose();
  those.dispose();
  assert.deepEqual([all.disposed, those.size], [['a', 'b'], 0]);
  those.for('a');
  assert.deepEqual([all.made, those.size], [['a', 'b', 'a'], 1]);
  those[Symbol.dispose]();
  assert.deepEqual([all.disposed, those.size], [['a', 'b', 'a'], 0]);
});

test('dispose also takes those that are in use: permits out stay valid', () => {
  const { those } = breakers(2);
  const permit = those.for('a').tryAcquire();
  those.dispose();
  permit.failure();
  assert.equal(those.size, 0);
});

test('a make that throws changes nothing', () => {
  const all = notes();
  let broken = true;
  const those = keyed(
    (key) => {
      if (key === 'bad' && broken) throw new Error('of make');
      return all.make(key);
    },
    { maxKeys: 2 },
  );
  for (const key of ['a', 'b']) those.for(key);
  assert.throws(() => those.for('bad'), { message: 'of make' });
  assert.deepEqual([kept(all), those.size], [['a', 'b'], 2]);
  broken = false;
  assert.equal(those.for('bad').key, 'bad');
  assert.deepEqual(kept(all), ['b', 'bad']);
});

test('a make may ask for other keys', () => {
  const all = notes();
  const those = keyed((key) => {
    if (key.length > 1) those.for(key.slice(1));
    return all.make(key);
  });
  those.for('abc');
  assert.deepEqual([all.made, those.size], [['c', 'bc', 'abc'], 3]);
});

test('a million keys through a hundred places', () => {
  const all = { made: 0, disposed: 0 };
  const make = () => {
    all.made += 1;
    return {
      dispose: () => {
        all.disposed += 1;
      },
    };
  };
  const those = keyed(make, { maxKeys: 100 });
  for (let i = 0; i < 1_000_000; i += 1) those.for(`key ${i % 1_000}`);
  assert.deepEqual([all.made, all.disposed, those.size], [1_000_000, 999_900, 100]);
});

test('checks its options and keys', () => {
  const { make, made } = notes();
  for (const wrong of [undefined, null, 5, {}, 'make']) {
    assert.throws(() => keyed(wrong), { code: 'ERR_INVALID_OPTION', option: 'make', kind: 'keyed' });
  }
  for (const maxKeys of [0, -1, 1.5, Number.NaN, Infinity, '5', null]) {
    assert.throws(() => keyed(make, { maxKeys }), { option: 'maxKeys' }, inspect(maxKeys));
  }
  assert.throws(() => keyed(make, { max: 5 }), { option: 'max' });
  for (const options of [null, 5, []]) assert.throws(() => keyed(make, options), InvalidOptionError);
  const those = keyed(make, { maxKeys: undefined });
  for (const key of [undefined, null, 5, {}, ['a'], Symbol('a')]) {
    assert.throws(() => those.for(key), { code: 'ERR_INVALID_OPTION', option: 'key' }, inspect(key));
  }
  assert.deepEqual(made, []);
});
