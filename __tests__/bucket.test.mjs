// TokenBucket as a user meets it, on the manual clock. Several threads: workers.test.mjs.
import assert from 'node:assert/strict';
import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import { test } from 'node:test';
import { DisposedError, InvalidOptionError, ManualClock, RateLimitedError, TokenBucket } from 'breakwater';
import { continuations, reasonOf, recorder, stateOf } from './helpers/promises.mjs';
import { countedSignal } from './helpers/signals.mjs';

/** A bucket on a clock of its own. */
function made(options) {
  const clock = new ManualClock();
  return { clock, bucket: new TokenBucket({ ...options, clock }) };
}

/** What became of steps [at ms, tokens, granted], each on a bucket that has seen those before. */
function replay({ clock, bucket }, steps) {
  for (const [at, tokens, granted] of steps) {
    clock.advance(at - clock.now);
    assert.equal(bucket.tryAcquire(tokens), granted, `${tokens} at ${at} ms`);
  }
}

test('grants its capacity at once, refuses the next call, and grants again as tokens flow in', () => {
  const { clock, bucket } = made({ capacity: 5, refillPerSecond: 10 });
  for (let i = 0; i < 5; i++) assert.equal(bucket.tryAcquire(), true);
  assert.equal(bucket.tryAcquire(), false);
  clock.advance(99.999999);
  assert.equal(bucket.tryAcquire(), false);
  clock.advance(0.000001);
  assert.equal(bucket.tryAcquire(), true);
  assert.equal(bucket.tryAcquire(), false);
});

test('a limit per window holds as much, and fills in a window', () => {
  const { clock, bucket } = made({ limit: 4, windowMs: 1_000 });
  assert.equal(bucket.available, 4);
  assert.equal(bucket.tryAcquire(4), true);
  clock.advance(250);
  assert.equal(bucket.available, 1);
  clock.advance(750);
  assert.equal(bucket.available, 4);
  clock.advance(3_600_000);
  assert.equal(bucket.available, 4);
});

test('a limit per window grants at most twice the limit within one window', () => {
  const { clock, bucket } = made({ limit: 100, windowMs: 1_000 });
  let granted = 0;
  for (let ms = 0; ms < 1_000; ms++) {
    while (bucket.tryAcquire()) granted += 1;
    clock.advance(1);
  }
  assert.equal(granted, 199);
});

// governor, tests/direct.rs: rejects_too_many
test('two a second: two in a row, never three', () => {
  replay(made({ capacity: 2, refillPerSecond: 2 }), [
    [0, 1, true],
    [1, 1, true],
    [2, 1, false],
    [1_002, 1, true],
    [1_003, 1, true],
    [1_004, 1, false],
  ]);
});

// governor: does_not_allow_one_extra_cell_after_longer_interval
test('a longer pause does not grant one more than the capacity', () => {
  const { clock, bucket } = made({ capacity: 5, refillPerSecond: 5 });
  for (let i = 0; i < 5; i++) assert.equal(bucket.tryAcquire(), true);
  assert.equal(bucket.tryAcquire(), false);
  clock.advance(2_000);
  for (let i = 0; i < 5; i++) assert.equal(bucket.tryAcquire(), true);
  assert.equal(bucket.tryAcquire(), false);
});

// governor: never_allows_more_than_capacity_all
test('takes several tokens or none of them', () => {
  replay(made({ capacity: 4, refillPerSecond: 4 }), [
    [0, 2, true],
    [0, 2, true],
    [1, 2, false],
    [1_001, 2, true],
    [1_002, 2, true],
    [1_003, 2, false],
  ]);
});

// golang.org/x/time/rate, rate_test.go: TestLimiterBurst3
test('a burst of three at ten a second, step by step', () => {
  replay(made({ capacity: 3, refillPerSecond: 10 }), [
    [0, 2, true],
    [0, 2, false],
    [0, 1, true],
    [0, 1, false],
    [100, 4, false],
    [200, 1, true],
    [300, 1, true],
    [400, 1, true],
    [400, 1, true],
    [400, 1, false],
    [400, 1, false],
    [900, 3, true],
    [900, 0, true],
  ]);
});

// bucket4j, BucketRoundingRulesSpecification: time is not rounded down to whole periods
test('counts in nanoseconds: nine of ten tokens after 97 of 100 ns', () => {
  const { clock, bucket } = made({ limit: 10, windowMs: 100e-6, initialTokens: 0 });
  clock.advance(97e-6);
  for (let i = 0; i < 9; i++) assert.equal(bucket.tryAcquire(), true);
  assert.equal(bucket.tryAcquire(), false);
  clock.advance(3e-6);
  assert.equal(bucket.tryAcquire(), true);
  assert.equal(bucket.tryAcquire(), false);
});

// bucket4j, ConsumeIgnoringLimitsSpecification
test('a penalty makes a debt of exactly what was not there', () => {
  for (const [tokens, atNs, left, waitNs] of [
    [49, 50, 1, 0],
    [50, 50, 0, 1],
    [52, 50, -2, 3],
    [50, 0, -50, 51],
    [151, 120, -51, 52],
    [400, 201, -300, 301],
  ]) {
    const { clock, bucket } = made({ limit: 100, windowMs: 100e-6, initialTokens: 0 });
    clock.advance(atNs / 1e6);
    bucket.penalize(tokens);
    assert.equal(bucket.available, left, `${tokens} at ${atNs} ns`);
    assert.equal(bucket.retryAfterMs(), waitNs / 1e6, `${tokens} at ${atNs} ns`);
  }
});

// bucket4j, EstimateAbilityToConsumeSpecification
test('retryAfterMs says how long a call would have to wait, and changes nothing', () => {
  for (const [tokens, initialTokens, waitNs] of [
    [49, 100, 0],
    [1, 1, 0],
    [80, 70, 10],
    [10, 0, 10],
    [120, 10, Number.POSITIVE_INFINITY],
    [0, 0, 0],
  ]) {
    const { bucket } = made({ limit: 100, windowMs: 100e-6, initialTokens });
    assert.equal(bucket.retryAfterMs(tokens), waitNs / 1e6, `${tokens} of ${initialTokens}`);
    assert.equal(bucket.available, initialTokens);
  }
});

test('starts with initialTokens, fractions included, and full by default', () => {
  assert.equal(made({ capacity: 8, refillPerSecond: 1 }).bucket.available, 8);
  assert.equal(made({ capacity: 8, refillPerSecond: 1, initialTokens: 0 }).bucket.available, 0);
  const { clock, bucket } = made({ capacity: 8, refillPerSecond: 1, initialTokens: 2.5 });
  assert.equal(bucket.tryAcquire(3), false);
  assert.equal(bucket.retryAfterMs(3), 500);
  clock.advance(500);
  assert.equal(bucket.tryAcquire(3), true);
});

test('more than the capacity is refused for ever', async () => {
  const { bucket } = made({ capacity: 5, refillPerSecond: 5 });
  for (const tokens of [6, 7, 15, Number.MAX_SAFE_INTEGER]) {
    assert.equal(bucket.tryAcquire(tokens), false);
    assert.equal(bucket.retryAfterMs(tokens), Number.POSITIVE_INFINITY);
    const error = await reasonOf(bucket.acquire(tokens));
    assert.ok(error instanceof RateLimitedError);
    assert.equal(error.retryAfterMs, Number.POSITIVE_INFINITY);
  }
  assert.equal(bucket.tryAcquire(5), true);
});

test('0 tokens only ask: yes, unless the bucket is in debt', () => {
  const { clock, bucket } = made({ capacity: 2, refillPerSecond: 1 });
  assert.equal(bucket.tryAcquire(2), true);
  assert.equal(bucket.tryAcquire(0), true);
  bucket.penalize(1);
  assert.equal(bucket.tryAcquire(0), false);
  clock.advance(1_000);
  assert.equal(bucket.tryAcquire(0), true);
  assert.equal(bucket.available, 0);
});

test('a refused call consumes nothing, however often it is made', () => {
  const { clock, bucket } = made({ capacity: 1, refillPerSecond: 1 });
  assert.equal(bucket.tryAcquire(), true);
  for (let i = 0; i < 10_000; i++) assert.equal(bucket.tryAcquire(), false);
  assert.equal(bucket.retryAfterMs(), 1_000);
  clock.advance(1_000);
  assert.equal(bucket.tryAcquire(), true);
});

test('a refund gives tokens back, never past the capacity', () => {
  const { bucket } = made({ capacity: 5, refillPerSecond: 1 });
  assert.equal(bucket.tryAcquire(4), true);
  bucket.refund(2);
  assert.equal(bucket.available, 3);
  bucket.refund(1_000_000);
  assert.equal(bucket.available, 5);
  bucket.refund(0);
  assert.equal(bucket.available, 5);
});

test('a full bucket is penalised from its capacity, however long it was full', () => {
  const { clock, bucket } = made({ capacity: 5, refillPerSecond: 1 });
  clock.advance(86_400_000);
  bucket.penalize(7);
  assert.equal(bucket.available, -2);
  clock.advance(3_000);
  assert.equal(bucket.tryAcquire(), true);
  assert.equal(bucket.tryAcquire(), false);
});

test('acquire resolves without a timer when the tokens are there', async () => {
  const { clock, bucket } = made({ capacity: 2, refillPerSecond: 1 });
  const promise = bucket.acquire(2);
  assert.ok(promise instanceof Promise);
  assert.equal(clock.pending, 0);
  assert.equal(await promise, undefined);
  assert.equal(bucket.available, 0);
});

test('waiters are served in the order in which they came, each when its tokens are there', async () => {
  const { clock, bucket } = made({ capacity: 3, refillPerSecond: 1, initialTokens: 0 });
  const { events, when } = recorder();
  when('a', bucket.acquire(2));
  when('b', bucket.acquire(3));
  when('c', bucket.acquire(1));
  assert.equal(bucket.snapshot().waiting, 3);
  for (const [at, served] of [
    [1_999.999, []],
    [2_000, ['a']],
    [4_999.999, ['a']],
    [5_000, ['a', 'b']],
    [5_999.999, ['a', 'b']],
    [6_000, ['a', 'b', 'c']],
  ]) {
    clock.advance(at - clock.now);
    await continuations();
    assert.deepEqual(events, served, `at ${at} ms`);
  }
  assert.equal(bucket.snapshot().waiting, 0);
  assert.equal(clock.pending, 0);
});

test('no newcomer passes a waiter, even where its tokens are there', async () => {
  const { clock, bucket } = made({ capacity: 10, refillPerSecond: 1, initialTokens: 5 });
  const first = bucket.acquire(6);
  assert.equal(bucket.tryAcquire(1), false);
  assert.equal(bucket.tryAcquire(0), false);
  const second = bucket.acquire(1);
  assert.equal(bucket.retryAfterMs(1), 3_000);
  clock.advance(1_000);
  assert.equal(await stateOf(first), 'fulfilled');
  assert.equal(await stateOf(second), 'pending');
  clock.advance(1_000);
  assert.equal(await stateOf(second), 'fulfilled');
});

test('a thousand waiters are served in order over one long advance', async () => {
  const { clock, bucket } = made({ capacity: 1, refillPerSecond: 1_000, initialTokens: 0 });
  const served = [];
  for (let i = 0; i < 1_000; i++) bucket.acquire().then(() => served.push(i));
  clock.advance(1_000);
  await continuations();
  assert.deepEqual(
    served,
    Array.from({ length: 1_000 }, (_, i) => i),
  );
});

test('refuses at once when the wait would pass maxWaitMs', async () => {
  const { clock, bucket } = made({ capacity: 5, refillPerSecond: 1, initialTokens: 0 });
  const error = await reasonOf(bucket.acquire(3, { maxWaitMs: 2_999 }));
  assert.equal(error.code, 'ERR_RATE_LIMITED');
  assert.equal(error.retryAfterMs, 3_000);
  assert.equal(await stateOf(bucket.acquire(1, { maxWaitMs: 0 })), 'rejected');
  assert.equal(bucket.snapshot().waiting, 0);
  const exactly = bucket.acquire(3, { maxWaitMs: 3_000 });
  // Who comes behind a waiter waits for its tokens too.
  assert.equal((await reasonOf(bucket.acquire(1, { maxWaitMs: 3_999 }))).retryAfterMs, 4_000);
  clock.advance(3_000);
  assert.equal(await stateOf(exactly), 'fulfilled');
});

test('refuses at once when maxWaiters wait already', async () => {
  const { clock, bucket } = made({ capacity: 1, refillPerSecond: 1, initialTokens: 0, maxWaiters: 2 });
  const waiting = [bucket.acquire(), bucket.acquire()];
  const error = await reasonOf(bucket.acquire());
  assert.ok(error instanceof RateLimitedError);
  assert.equal(error.retryAfterMs, 3_000);
  clock.advance(1_000);
  const third = bucket.acquire();
  clock.advance(2_000);
  await Promise.all([...waiting, third]);
  const none = made({ capacity: 1, refillPerSecond: 1, initialTokens: 0, maxWaiters: 0 });
  assert.equal(await stateOf(none.bucket.acquire()), 'rejected');
});

test('an aborted waiter rejects in the same turn with the signal’s reason, and its tokens go to the next', async () => {
  const { clock, bucket } = made({ capacity: 5, refillPerSecond: 1, initialTokens: 1 });
  const reason = { any: 'value' };
  const { signal, abort, listeners } = countedSignal();
  const first = bucket.acquire(5, { signal });
  const second = bucket.acquire(1);
  assert.equal(listeners(), 1);
  assert.equal(await stateOf(second), 'pending');
  abort(reason);
  assert.equal(await reasonOf(first), reason);
  // The head is gone, and the second’s token is there.
  assert.equal(await stateOf(second), 'fulfilled');
  assert.equal(listeners(), 0);
  assert.equal(clock.pending, 0);
  assert.equal(bucket.snapshot().waiting, 0);
});

test('an abort in the middle of the line moves up those behind it', async () => {
  const { clock, bucket } = made({ capacity: 5, refillPerSecond: 1, initialTokens: 0 });
  const controller = new AbortController();
  const { events, when } = recorder();
  when('a', bucket.acquire(1));
  when('b', bucket.acquire(4, { signal: controller.signal }));
  when('c', bucket.acquire(1));
  controller.abort();
  clock.advance(2_000);
  await continuations();
  assert.deepEqual(
    events.map((event) => event.slice(0, 1)),
    ['b', 'a', 'c'],
  );
});

test('a signal that is aborted already rejects with its reason and takes nothing', async () => {
  const { bucket } = made({ capacity: 1, refillPerSecond: 1 });
  const { signal, abort, listeners } = countedSignal();
  const reason = new Error('gone');
  abort(reason);
  assert.equal(await reasonOf(bucket.acquire(1, { signal })), reason);
  assert.equal(bucket.available, 1);
  assert.equal(listeners(), 0);
});

test('leaves no listener on the signal, however the wait ends', async () => {
  const ends = {
    granted: ({ clock }) => clock.advance(1_000),
    disposed: ({ bucket }) => bucket.dispose(),
    'refused by a reconfiguration': ({ bucket }) => bucket.reconfigure({ capacity: 1 }),
  };
  for (const [name, end] of Object.entries(ends)) {
    const one = made({ capacity: 2, refillPerSecond: 2, initialTokens: 0 });
    const { signal, listeners } = countedSignal();
    const promise = one.bucket.acquire(2, { signal });
    assert.equal(listeners(), 1);
    end(one);
    assert.notEqual(await stateOf(promise), 'pending', name);
    assert.equal(listeners(), 0, name);
  }
  // Nor where nothing waits.
  const { bucket } = made({ capacity: 1, refillPerSecond: 1 });
  const { signal, listeners } = countedSignal();
  await bucket.acquire(1, { signal });
  assert.equal(listeners(), 0);
});

test('an abort after the wait has ended changes nothing', async () => {
  const { clock, bucket } = made({ capacity: 1, refillPerSecond: 1, initialTokens: 0 });
  const { signal, abort } = countedSignal();
  const promise = bucket.acquire(1, { signal });
  clock.advance(1_000);
  abort();
  assert.equal(await stateOf(promise), 'fulfilled');
  assert.equal(bucket.available, 0);
});

test('a refund serves those who wait, in the same turn', async () => {
  const { clock, bucket } = made({ capacity: 5, refillPerSecond: 1, initialTokens: 0 });
  const { events, when } = recorder();
  when('a', bucket.acquire(2));
  when('b', bucket.acquire(2));
  bucket.refund(3);
  await continuations();
  assert.deepEqual(events, ['a']);
  clock.advance(1_000);
  await continuations();
  assert.deepEqual(events, ['a', 'b']);
});

test('a penalty makes those who wait wait longer', async () => {
  const { clock, bucket } = made({ capacity: 5, refillPerSecond: 1, initialTokens: 0 });
  const waiting = bucket.acquire(1);
  bucket.penalize(3);
  clock.advance(3_999.999);
  assert.equal(await stateOf(waiting), 'pending');
  clock.advance(0.001);
  assert.equal(await stateOf(waiting), 'fulfilled');
});

test('reconfigure keeps the time until full, at most that of an empty bucket of the new limits', () => {
  const { bucket } = made({ capacity: 10, refillPerSecond: 1 });
  assert.equal(bucket.tryAcquire(5), true);
  bucket.reconfigure({ capacity: 20 });
  assert.equal(bucket.available, 15);
  bucket.reconfigure({ capacity: 4 });
  assert.equal(bucket.available, 0);
  bucket.reconfigure({ refillPerSecond: 10 });
  assert.equal(bucket.available, 0);
  assert.equal(bucket.retryAfterMs(4), 400);
  const { capacity, refillPerSecond } = bucket.snapshot();
  assert.deepEqual({ capacity, refillPerSecond }, { capacity: 4, refillPerSecond: 10 });
});

test('reconfigure serves those who wait at the new rate, and refuses who can never be served', async () => {
  const { clock, bucket } = made({ capacity: 10, refillPerSecond: 1, initialTokens: 0 });
  const { events, when } = recorder();
  const large = bucket.acquire(8);
  when('large', large);
  when('small', bucket.acquire(2));
  bucket.reconfigure({ capacity: 5, refillPerSecond: 100 });
  await continuations();
  assert.deepEqual(events, ['large: ERR_RATE_LIMITED']);
  assert.equal((await reasonOf(large)).retryAfterMs, Number.POSITIVE_INFINITY);
  clock.advance(20);
  await continuations();
  assert.deepEqual(events, ['large: ERR_RATE_LIMITED', 'small']);
});

test('a reconfiguration out of range changes nothing', () => {
  const { bucket } = made({ capacity: 10, refillPerSecond: 1 });
  const before = bucket.snapshot();
  for (const change of [
    { capacity: 0 },
    { capacity: 2.5 },
    { refillPerSecond: Number.NaN },
    { refillPerSecond: -1 },
    { maxWaiters: 5 },
    { limit: 5, windowMs: 1_000 },
    { capacity: 5, refillPerSecond: 0 },
    null,
    undefined,
  ]) {
    assert.throws(() => bucket.reconfigure(change), InvalidOptionError);
  }
  assert.deepEqual(bucket.snapshot(), before);
});

test('dryRun decides, counts and publishes, and refuses nothing', async () => {
  const { clock, bucket } = made({ capacity: 1, refillPerSecond: 1, dryRun: true, label: 'mail' });
  const messages = [];
  const listener = (message) => messages.push(message);
  subscribe('breakwater:bucket:refused', listener);
  try {
    assert.equal(bucket.tryAcquire(), true);
    assert.equal(bucket.tryAcquire(), true);
    assert.equal(bucket.tryAcquire(7), true);
    assert.equal(await stateOf(bucket.acquire()), 'fulfilled');
    assert.equal(await bucket.execute(() => 'ran'), 'ran');
  } finally {
    unsubscribe('breakwater:bucket:refused', listener);
  }
  assert.deepEqual(messages, Array(4).fill({ kind: 'bucket', primitive: 'mail', dryRun: true }));
  assert.equal(clock.pending, 0);
  const { allowed, refused, dryRun } = bucket.snapshot();
  assert.deepEqual({ allowed, refused, dryRun }, { allowed: 1, refused: 4, dryRun: true });
});

test('publishes every refusal on breakwater:bucket:refused', async () => {
  const { bucket } = made({ capacity: 1, refillPerSecond: 1, initialTokens: 0 });
  const messages = [];
  const listener = (message, name) => messages.push([name, message]);
  subscribe('breakwater:bucket:refused', listener);
  try {
    bucket.tryAcquire();
    bucket.tryAcquire(5);
    await reasonOf(bucket.acquire(1, { maxWaitMs: 1 }));
    await reasonOf(bucket.execute(() => {}));
    bucket.retryAfterMs();
  } finally {
    unsubscribe('breakwater:bucket:refused', listener);
  }
  const message = { kind: 'bucket', primitive: undefined, dryRun: false };
  assert.deepEqual(messages, Array(4).fill(['breakwater:bucket:refused', message]));
});

test('a waiter that can never be served is published once, however many objects share the bucket', async () => {
  const clock = new ManualClock();
  const options = { capacity: 5, refillPerSecond: 1, initialTokens: 0, name: 'bucket.test:published', clock };
  const buckets = Array.from({ length: 3 }, () => new TokenBucket(options));
  const waiting = buckets.map((bucket, index) => bucket.acquire(1 + 2 * index));
  const messages = [];
  const listener = (message) => messages.push(message);
  subscribe('breakwater:bucket:refused', listener);
  try {
    buckets[0].reconfigure({ capacity: 4 });
    assert.equal((await reasonOf(waiting[2])).retryAfterMs, Number.POSITIVE_INFINITY);
  } finally {
    unsubscribe('breakwater:bucket:refused', listener);
    for (const promise of waiting) promise.catch(() => {});
    for (const bucket of buckets) bucket.dispose();
  }
  assert.equal(messages.length, 1);
});

test('a subscriber that uses the bucket itself does not disturb the call it hears of', async () => {
  const { bucket } = made({ capacity: 10, refillPerSecond: 1, initialTokens: 0 });
  const other = made({ capacity: 1_000, refillPerSecond: 1, initialTokens: 0 }).bucket;
  let asked = false;
  const listener = () => {
    if (asked) return;
    asked = true;
    other.acquire(999).catch(() => {});
  };
  subscribe('breakwater:bucket:refused', listener);
  try {
    assert.equal((await reasonOf(bucket.acquire(3, { maxWaitMs: 5 }))).retryAfterMs, 3_000);
  } finally {
    unsubscribe('breakwater:bucket:refused', listener);
    other.dispose();
  }
});

test('snapshot says what there is, over all calls so far', async () => {
  const { clock, bucket } = made({ capacity: 4, refillPerSecond: 2, maxWaiters: 7, label: 'mail' });
  bucket.tryAcquire(3);
  bucket.tryAcquire(3);
  const waiting = bucket.acquire(2);
  assert.deepEqual(bucket.snapshot(), {
    kind: 'bucket',
    name: undefined,
    label: 'mail',
    dryRun: false,
    capacity: 4,
    refillPerSecond: 2,
    available: 1,
    waiting: 1,
    allowed: 1,
    refused: 1,
  });
  clock.advance(500);
  await waiting;
  const { available, allowed } = bucket.snapshot();
  assert.deepEqual(
    { available, waiting: bucket.snapshot().waiting, allowed },
    { available: 0, waiting: 0, allowed: 2 },
  );
  assert.doesNotThrow(() => structuredClone(bucket.snapshot()));
});

test('a waiter that gave up counts neither as allowed nor as refused', async () => {
  const { bucket } = made({ capacity: 1, refillPerSecond: 1, initialTokens: 0 });
  const controller = new AbortController();
  const promise = bucket.acquire(1, { signal: controller.signal });
  controller.abort();
  await reasonOf(promise);
  const { allowed, refused, waiting } = bucket.snapshot();
  assert.deepEqual({ allowed, refused, waiting }, { allowed: 0, refused: 0, waiting: 0 });
});

test('dispose rejects those who wait, and later calls throw or reject', async () => {
  const { clock, bucket } = made({ capacity: 1, refillPerSecond: 1, initialTokens: 0, label: 'mail' });
  const waiting = [bucket.acquire(), bucket.acquire()];
  bucket.dispose();
  for (const promise of waiting) {
    const error = await reasonOf(promise);
    assert.ok(error instanceof DisposedError);
    assert.equal(error.message, 'bucket "mail" was disposed');
    assert.equal(error.primitive, 'mail');
  }
  assert.equal(clock.pending, 0);
  for (const call of [
    () => bucket.tryAcquire(),
    () => bucket.tryAcquire(2),
    () => bucket.refund(1),
    () => bucket.penalize(1),
    () => bucket.retryAfterMs(),
    () => bucket.available,
    () => bucket.snapshot(),
    () => bucket.reconfigure({ capacity: 2 }),
  ]) {
    assert.throws(call, DisposedError, String(call));
  }
  let ran = false;
  for (const call of [
    () => bucket.acquire(),
    () => bucket.execute(() => (ran = true)),
    () => bucket.policy({ maxWaitMs: 10 }).execute(() => (ran = true)),
    () => bucket.wrap(() => (ran = true))(),
  ]) {
    assert.ok((await reasonOf(call())) instanceof DisposedError, String(call));
  }
  assert.equal(ran, false);
});

test('a second dispose does nothing, and Symbol.dispose is dispose', async () => {
  const { bucket } = made({ capacity: 1, refillPerSecond: 1, initialTokens: 0 });
  const waiting = bucket.acquire();
  bucket[Symbol.dispose]();
  assert.ok((await reasonOf(waiting)) instanceof DisposedError);
  bucket[Symbol.dispose]();
  bucket.dispose();
  assert.throws(() => bucket.tryAcquire(), DisposedError);
});

test('disposing one bucket leaves others on the same clock alone', async () => {
  const clock = new ManualClock();
  const options = { capacity: 1, refillPerSecond: 1, initialTokens: 0, clock };
  const [one, other] = [new TokenBucket(options), new TokenBucket(options)];
  const gone = one.acquire();
  const kept = other.acquire();
  one.dispose();
  clock.advance(1_000);
  assert.equal(await stateOf(gone), 'rejected');
  assert.equal(await stateOf(kept), 'fulfilled');
});

test('policy: what a call costs, and how long it may wait', async () => {
  const { clock, bucket } = made({ capacity: 5, refillPerSecond: 1 });
  const policy = bucket.policy({ cost: ({ context }) => context.cost, maxWaitMs: 2_000 });
  assert.equal(await policy.execute(() => 'first', { context: { cost: 4 } }), 'first');
  assert.equal(bucket.available, 1);
  const second = policy.execute(() => 'second', { context: { cost: 3 } });
  assert.equal(await stateOf(second), 'pending');
  assert.equal(await stateOf(policy.execute(() => 'third', { context: { cost: 1 } })), 'rejected');
  clock.advance(2_000);
  assert.equal(await second, 'second');
  const refused = await reasonOf(policy.execute(() => {}, { context: { cost: 6 } }));
  assert.equal(refused.retryAfterMs, Number.POSITIVE_INFINITY);
});

test('the bucket itself is a policy of one token that refuses at once', async () => {
  const { bucket } = made({ capacity: 2, refillPerSecond: 1 });
  let calls = 0;
  const count = bucket.wrap(() => ++calls);
  assert.equal(await count(), 1);
  assert.equal(await count(), 2);
  const error = await reasonOf(count());
  assert.ok(error instanceof RateLimitedError);
  assert.equal(error.retryAfterMs, 1_000);
  assert.equal(calls, 2);
  const { allowed, refused } = bucket.snapshot();
  assert.deepEqual({ allowed, refused }, { allowed: 2, refused: 1 });
});
