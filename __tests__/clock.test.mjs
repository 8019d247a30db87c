// ManualClock: time that moves only when told. Over several threads: workers.test.mjs.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { InvalidOptionError, ManualClock, RateLimiter, TokenBucket } from 'breakwater';
import { continuations, reasonOf, recorder, stateOf } from './helpers/promises.mjs';

/** Resolves `ms` from now on this clock. */
function sleep(clock, ms) {
  const bucket = new TokenBucket({ limit: 1, windowMs: ms, initialTokens: 0, clock });
  return bucket.acquire();
}

const DAY = 86_400_000;

test('starts at 0 and moves only when told', () => {
  const clock = new ManualClock();
  assert.equal(clock.now, 0);
  clock.advance(1.5);
  clock.advance(0);
  clock.advance(0.25);
  assert.equal(clock.now, 1.75);
  assert.equal(clock.name, undefined);
});

test('two clocks without a name, and the system’s, have nothing to do with each other', () => {
  const [one, other] = [new ManualClock(), new ManualClock()];
  const options = { capacity: 1, refillPerSecond: 0.001 };
  const buckets = [one, other, undefined].map((clock) => new TokenBucket({ ...options, clock }));
  for (const bucket of buckets) assert.equal(bucket.tryAcquire(), true);
  one.advance(1_000_000);
  assert.equal(other.now, 0);
  assert.deepEqual(
    buckets.map((bucket) => bucket.tryAcquire()),
    [true, false, false],
  );
});

test('one clock moves everything that was given it', () => {
  const clock = new ManualClock();
  const bucket = new TokenBucket({ capacity: 1, refillPerSecond: 1, clock });
  const limiter = new RateLimiter({ limits: { limit: 1, windowMs: 1_000 }, clock });
  assert.deepEqual([bucket.tryAcquire(), limiter.tryAcquire('key')], [true, true]);
  assert.deepEqual([bucket.tryAcquire(), limiter.tryAcquire('key')], [false, false]);
  clock.advance(1_000);
  assert.deepEqual([bucket.tryAcquire(), limiter.tryAcquire('key')], [true, true]);
});

test('advance settles what is due on the way, each at its own instant, before it returns', async () => {
  const clock = new ManualClock();
  const bucket = new TokenBucket({ capacity: 1, refillPerSecond: 1, initialTokens: 0, clock });
  const { events, when } = recorder();
  when('third', sleep(clock, 30));
  when('first', sleep(clock, 10));
  when('second', sleep(clock, 20));
  when('last', bucket.acquire());
  assert.equal(clock.pending, 4);
  clock.advance(1_000);
  assert.equal(clock.pending, 0);
  assert.deepEqual(events, [], 'continuations have not run');
  // Served at its own instant, not at the end: a second later there is one token and not two.
  assert.equal(bucket.available, 0);
  await continuations();
  assert.deepEqual(events, ['first', 'second', 'third', 'last']);
});

test('what is due at one instant is settled in the order in which it was asked for', async () => {
  const clock = new ManualClock();
  const { events, when } = recorder();
  for (let i = 0; i < 50; i++) when(i, sleep(clock, 5));
  clock.advance(5);
  await continuations();
  assert.deepEqual(
    events,
    Array.from({ length: 50 }, (_, i) => i),
  );
});

test('thousands of deadlines, half of them called off, pass in order', async () => {
  let seed = 7;
  const random = (below) => {
    seed = (Math.imul(seed, 1_103_515_245) + 12_345) >>> 0;
    return seed % below;
  };
  const clock = new ManualClock();
  const bucket = new TokenBucket({ capacity: 10_000, refillPerSecond: 1, clock });
  const passed = [];
  const deadlines = [];
  for (let i = 0; i < 3_000; i++) {
    if (i % 100 === 99) clock.advance(random(50));
    const timeoutMs = 1 + random(500);
    const controller = new AbortController();
    bucket
      .execute(() => new Promise(() => {}), { timeoutMs, signal: controller.signal })
      .catch(({ code }) => code === 'ERR_TIMEOUT' && passed.push(i));
    deadlines.push({ i, at: clock.now + timeoutMs, controller });
    const other = deadlines[random(deadlines.length)];
    if (random(2) === 0) continue;
    other.controller.abort();
    other.goneAt ??= clock.now;
  }
  clock.advance(10_000);
  await continuations();
  assert.equal(clock.pending, 0);
  const order = deadlines
    .filter(({ at, goneAt = at }) => goneAt >= at)
    .sort((a, b) => a.at - b.at || a.i - b.i)
    .map(({ i }) => i);
  assert.deepEqual(passed, order);
});

test('advance in many steps is the same as in one', async () => {
  const served = async (steps) => {
    const clock = new ManualClock();
    const bucket = new TokenBucket({ capacity: 2, refillPerSecond: 3, initialTokens: 0, clock });
    const instants = [];
    for (let i = 0; i < 10; i++) bucket.acquire(1 + (i % 2)).then(() => instants.push(i));
    for (const step of steps) clock.advance(step);
    await continuations();
    return [instants, bucket.available, clock.now];
  };
  assert.deepEqual(await served(Array(5_000).fill(1)), await served([5_000]));
});

test('advanceAsync follows chains of sleeps', async () => {
  const clock = new ManualClock();
  const bucket = new TokenBucket({ capacity: 1, refillPerSecond: 10, initialTokens: 0, clock });
  const instants = [];
  const chain = (async () => {
    for (let i = 0; i < 5; i++) {
      await bucket.acquire();
      instants.push(clock.now);
    }
  })();
  await clock.advanceAsync(450);
  assert.deepEqual(instants, [100, 200, 300, 400]);
  await clock.advanceAsync(50);
  await chain;
  assert.deepEqual(instants, [100, 200, 300, 400, 500]);
  assert.equal(clock.now, 500);
});

test('advanceAsync lets what was begun before it run first', async () => {
  const clock = new ManualClock();
  let done = false;
  Promise.resolve()
    .then(() => {})
    .then(() => sleep(clock, 10))
    .then(() => {
      done = true;
    });
  await clock.advanceAsync(10);
  assert.equal(done, true);
});

test('a deadline of execute runs on the clock', async () => {
  const clock = new ManualClock();
  const bucket = new TokenBucket({ capacity: 1, refillPerSecond: 1, clock });
  const promise = bucket.execute(() => new Promise(() => {}), { timeoutMs: 60_000 });
  clock.advance(59_999);
  assert.equal(await stateOf(promise), 'pending');
  clock.advance(1);
  assert.equal((await reasonOf(promise)).code, 'ERR_TIMEOUT');
});

test('a span that is no finite number ≥ 0 is refused and moves nothing', async () => {
  const clock = new ManualClock();
  for (const ms of [-1, -0.001, Number.NaN, Number.POSITIVE_INFINITY, '5', null, undefined, 5n, {}]) {
    assert.throws(() => clock.advance(ms), InvalidOptionError);
    assert.ok((await reasonOf(clock.advanceAsync(ms))) instanceof InvalidOptionError);
  }
  assert.equal(clock.now, 0);
});

test('clocks of one name are one clock', async () => {
  const [one, other] = [
    new ManualClock({ name: 'clock.test:one' }),
    new ManualClock({ name: 'clock.test:one' }),
  ];
  assert.equal(one.name, 'clock.test:one');
  const bucket = new TokenBucket({ capacity: 1, refillPerSecond: 1, initialTokens: 0, clock: one });
  const waiting = bucket.acquire();
  assert.equal(other.pending, 1);
  other.advance(1_000);
  assert.equal(one.now, 1_000);
  assert.equal(await stateOf(waiting), 'fulfilled');
  assert.equal(new ManualClock({ name: 'clock.test:another' }).now, 0);
  assert.equal(new ManualClock({ name: 'clock.test:one' }).now, 1_000);
});

test('waits of half a year end on time, wherever the clock stands', async () => {
  for (const start of [0, 400.0000000012 * DAY, 3_650 * DAY]) {
    const clock = new ManualClock();
    clock.advance(start);
    const buckets = [1, 3, 7].map(
      (limit) => new TokenBucket({ limit, windowMs: 173.1234567 * DAY, initialTokens: 0, clock }),
    );
    const waiting = buckets.flatMap((bucket, index) =>
      Array.from({ length: [1, 3, 7][index] }, () => bucket.acquire()),
    );
    clock.advance(173.1 * DAY);
    assert.equal(clock.pending, 3);
    clock.advance(0.1 * DAY);
    await Promise.all(waiting);
    assert.equal(clock.pending, 0);
  }
});
