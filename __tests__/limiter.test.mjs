// RateLimiter as a user meets it, on the manual clock. Several threads: workers.test.mjs.
import assert from 'node:assert/strict';
import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import { test } from 'node:test';
import { DisposedError, InvalidOptionError, ManualClock, RateLimitedError, RateLimiter } from 'breakwater';
import { continuations, reasonOf, recorder, stateOf } from './helpers/promises.mjs';
import { countedSignal } from './helpers/signals.mjs';

/** A limiter on a clock of its own. */
function made(limits, options = {}) {
  const clock = new ManualClock();
  return { clock, limiter: new RateLimiter({ limits, ...options, clock }) };
}

/** Runs `use` while the refusals published by limiters go to `messages`. */
async function listening(use) {
  const messages = [];
  const listener = (message) => messages.push(message);
  subscribe('breakwater:limiter:refused', listener);
  try {
    await use(messages);
  } finally {
    unsubscribe('breakwater:limiter:refused', listener);
  }
  return messages;
}

const SECOND = { limit: 5, windowMs: 5_000 };

test('each key has a bucket of its own', () => {
  const { clock, limiter } = made({ limit: 2, windowMs: 1_000 });
  for (const key of ['a', 'b', '', ' ']) {
    assert.equal(limiter.tryAcquire(key), true);
    assert.equal(limiter.tryAcquire(key), true);
    assert.equal(limiter.tryAcquire(key), false);
  }
  clock.advance(500);
  assert.equal(limiter.tryAcquire('a'), true);
  assert.equal(limiter.tryAcquire('a'), false);
  assert.equal(limiter.tryAcquire('b', 2), false);
  clock.advance(500);
  assert.equal(limiter.tryAcquire('b', 2), true);
});

// redis-cell, src/cell/mod.rs: it_rate_limits (a retryAfterMs of 0 is its -1)
test('a decision says what is left, when the key is full again and when to retry', () => {
  const { clock, limiter } = made(SECOND);
  for (const [at, cost, allowed, remaining, resetMs, retryAfterMs] of [
    [0, 6, false, 5, 0, Number.POSITIVE_INFINITY],
    [0, 1, true, 4, 1_000, 0],
    [0, 1, true, 3, 2_000, 0],
    [0, 1, true, 2, 3_000, 0],
    [0, 1, true, 1, 4_000, 0],
    [0, 1, true, 0, 5_000, 0],
    [0, 1, false, 0, 5_000, 1_000],
    [3_000, 1, true, 2, 3_000, 0],
    [3_100, 1, true, 1, 3_900, 0],
    [4_000, 1, true, 1, 4_000, 0],
    [8_000, 1, true, 4, 1_000, 0],
    [9_500, 1, true, 4, 1_000, 0],
    [9_500, 0, true, 4, 1_000, 0],
    [9_500, 2, true, 2, 3_000, 0],
    [9_500, 5, false, 2, 3_000, 3_000],
  ]) {
    clock.advance(at - clock.now);
    const only = { allowed, limitName: '5-in-5s', limit: 5, remaining, resetMs, retryAfterMs };
    assert.deepEqual(limiter.consume('key', cost), { ...only, limits: [only] }, `${cost} at ${at} ms`);
  }
});

// go-redis/redis_rate, rate_test.go: TestAllow
test('ten a second: what remains and when it resets', () => {
  const { limiter } = made({ limit: 10, windowMs: 1_000 });
  for (const [cost, allowed, remaining, resetMs] of [
    [0, true, 10, 0],
    [1, true, 9, 100],
    [2, true, 7, 300],
    [7, true, 0, 1_000],
    [1_000, false, 0, 1_000],
  ]) {
    const { limits, limit, limitName, retryAfterMs, ...rest } = limiter.consume('key', cost);
    assert.deepEqual(rest, { allowed, remaining, resetMs });
  }
});

// @upstash/ratelimit #161: a refused call used to take what was left
test('a refused call charges nothing', () => {
  const { limiter } = made({ limit: 10, windowMs: 10_000 });
  assert.equal(limiter.consume('key', 8).remaining, 2);
  for (let i = 0; i < 1_000; i++) assert.equal(limiter.consume('key', 5).remaining, 2);
  assert.equal(limiter.tryAcquire('key'), true);
  assert.equal(limiter.tryAcquire('key'), true);
  assert.equal(limiter.tryAcquire('key'), false);
});

test('peek says what consume would say, and charges nothing', () => {
  const { limiter } = made(SECOND);
  limiter.consume('key', 3);
  for (let i = 0; i < 3; i++) {
    assert.deepEqual([limiter.peek('key').remaining, limiter.peek('key', 3).retryAfterMs], [2, 1_000]);
  }
  assert.equal(limiter.peek('key', 2).allowed, true);
  assert.equal(limiter.peek('never seen').remaining, 5);
  assert.equal(limiter.peek('key', 6).retryAfterMs, Number.POSITIVE_INFINITY);
  assert.equal(limiter.size, 1);
});

test('several limits are charged together or not at all', () => {
  const { clock, limiter } = made([
    { limit: 2, windowMs: 1_000 },
    { limit: 3, windowMs: 60_000 },
  ]);
  const remaining = () => limiter.peek('key').limits.map((limit) => limit.remaining);
  assert.equal(limiter.tryAcquire('key', 2), true);
  assert.deepEqual(remaining(), [0, 1]);
  assert.equal(limiter.tryAcquire('key'), false);
  assert.deepEqual(remaining(), [0, 1]);
  clock.advance(1_000);
  assert.equal(limiter.tryAcquire('key', 2), false);
  assert.deepEqual(remaining(), [2, 1]);
  assert.equal(limiter.tryAcquire('key', 1), true);
  assert.deepEqual(remaining(), [1, 0]);
});

test('a refusal speaks of the limit that lasts longest, a grant of the one with the smallest share left', () => {
  const { clock, limiter } = made([
    { limit: 2, windowMs: 1_000, label: 'burst' },
    { limit: 3, windowMs: 60_000 },
    { limit: 100, windowMs: 1_000 },
  ]);
  const first = limiter.consume('key');
  assert.deepEqual([first.limitName, first.remaining, first.limit], ['burst', 1, 2]);
  const second = limiter.consume('key');
  assert.deepEqual([second.limitName, second.remaining, second.resetMs], ['burst', 0, 1_000]);
  const third = limiter.consume('key');
  assert.deepEqual([third.allowed, third.limitName, third.retryAfterMs], [false, 'burst', 500]);
  clock.advance(1_000);
  assert.equal(limiter.consume('key').limitName, '3-in-60s');
  const last = limiter.consume('key');
  assert.deepEqual([last.allowed, last.limitName, last.retryAfterMs], [false, '3-in-60s', 19_000]);
  assert.deepEqual(
    last.limits.map(({ allowed, limitName, remaining, retryAfterMs }) => [
      allowed,
      limitName,
      remaining,
      retryAfterMs,
    ]),
    [
      [false, 'burst', 1, 0],
      [false, '3-in-60s', 0, 19_000],
      [false, '100-in-1s', 99, 0],
    ],
  );
});

test('the first of several limits speaks when all say the same', () => {
  const { limiter } = made([
    { limit: 4, windowMs: 4_000, label: 'one' },
    { limit: 4, windowMs: 4_000, label: 'two' },
  ]);
  for (let i = 0; i < 5; i++) assert.equal(limiter.consume('key').limitName, 'one');
});

// express-rate-limit, headers-test.ts: five limiters on one another
test('eight limits of very different spans count side by side', () => {
  const spans = [1, 5, 60, 3_600, 86_400, 172_800, 604_800, 2_592_000];
  const { clock, limiter } = made(
    spans.map((seconds, index) => ({ limit: index + 1, windowMs: seconds * 1_000 })),
  );
  const { limits, limitName } = limiter.consume('key');
  assert.equal(limitName, '1-in-1s');
  assert.deepEqual(
    limits.map((limit) => [limit.limitName, limit.remaining]),
    spans.map((seconds, index) => [`${index + 1}-in-${seconds}s`, index]),
  );
  clock.advance(1_000);
  assert.deepEqual(
    limiter.consume('key').limits.map((limit) => limit.remaining),
    [0, 0, 1, 2, 3, 4, 5, 6],
  );
  clock.advance(2_592_000_000);
  assert.deepEqual(
    limiter.peek('key').limits.map((limit) => [limit.remaining, limit.resetMs]),
    spans.map((_, index) => [index + 1, 0]),
  );
});

test('a cost for each limit: requests and bytes', () => {
  const { limiter } = made([
    { limit: 10, windowMs: 1_000 },
    { limit: 1_000, windowMs: 1_000 },
  ]);
  const left = () => limiter.peek('key', 0).limits.map((limit) => limit.remaining);
  assert.equal(limiter.tryAcquire('key', [1, 400]), true);
  assert.deepEqual(left(), [9, 600]);
  assert.equal(limiter.consume('key', [1, 700]).allowed, false);
  assert.deepEqual(left(), [9, 600]);
  assert.equal(limiter.peek('key', [0, 600]).allowed, true);
  limiter.refund('key', [0, 100]);
  limiter.penalize('key', [2, 0]);
  assert.deepEqual(left(), [7, 700]);
  assert.equal(limiter.consume('key', [0, 1_001]).retryAfterMs, Number.POSITIVE_INFINITY);
});

test('a cost of 0 asks, and gives a key no place', () => {
  const { limiter } = made(SECOND);
  assert.equal(limiter.tryAcquire('key', 0), true);
  assert.equal(limiter.consume('key', 0).remaining, 5);
  assert.equal(limiter.size, 0);
  limiter.penalize('key', 6);
  assert.equal(limiter.tryAcquire('key', 0), false);
});

test('waiters of a key are covered in the order in which they came; other keys do not wait', async () => {
  const { clock, limiter } = made({ limit: 2, windowMs: 2_000 });
  const { events, when } = recorder();
  when('a1', limiter.acquire('a', 2));
  when('a2', limiter.acquire('a', 2));
  when('a3', limiter.acquire('a'));
  when('b1', limiter.acquire('b'));
  await continuations();
  assert.deepEqual(events, ['a1', 'b1']);
  assert.equal(limiter.tryAcquire('a'), false);
  for (const [at, served] of [
    [1_999.999, []],
    [2_000, ['a2']],
    [2_999.999, ['a2']],
    [3_000, ['a2', 'a3']],
  ]) {
    clock.advance(at - clock.now);
    await continuations();
    assert.deepEqual(events.slice(2), served, `at ${at} ms`);
  }
  assert.equal(clock.pending, 0);
  assert.equal(limiter.snapshot().waiting, 0);
});

test('a waiter of several limits waits for the slowest', async () => {
  const { clock, limiter } = made([
    { limit: 1, windowMs: 100 },
    { limit: 1, windowMs: 700 },
  ]);
  await limiter.acquire('key');
  const waiting = limiter.acquire('key');
  clock.advance(699.999);
  assert.equal(await stateOf(waiting), 'pending');
  clock.advance(0.001);
  assert.equal(await stateOf(waiting), 'fulfilled');
});

test('refuses at once when the wait would pass maxWaitMs, and charges nothing', async () => {
  const { limiter } = made({ limit: 1, windowMs: 1_000 });
  await limiter.acquire('key');
  const error = await reasonOf(limiter.acquire('key', 1, { maxWaitMs: 999 }));
  assert.ok(error instanceof RateLimitedError);
  assert.equal(error.retryAfterMs, 1_000);
  assert.equal((await reasonOf(limiter.acquire('key', 2))).retryAfterMs, Number.POSITIVE_INFINITY);
  assert.equal(limiter.peek('key').retryAfterMs, 1_000);
  assert.equal(await stateOf(limiter.acquire('key', 1, { maxWaitMs: 1_000 })), 'pending');
});

test('refuses at once when maxWaiters wait already, over all keys', async () => {
  const { clock, limiter } = made({ limit: 1, windowMs: 1_000 }, { maxWaiters: 2 });
  for (const key of ['a', 'b', 'c']) await limiter.acquire(key);
  const waiting = [limiter.acquire('a'), limiter.acquire('b')];
  assert.equal(await stateOf(limiter.acquire('c')), 'rejected');
  assert.equal(await stateOf(limiter.acquire('new')), 'fulfilled');
  clock.advance(1_000);
  await Promise.all(waiting);
  assert.equal(await stateOf(limiter.acquire('c')), 'fulfilled');
});

test('an aborted waiter rejects in the same turn with the signal’s reason, and its charge goes back', async () => {
  const { clock, limiter } = made({ limit: 1, windowMs: 1_000 });
  await limiter.acquire('key');
  const { signal, abort, listeners } = countedSignal();
  const reason = new Error('gone');
  const waiting = limiter.acquire('key', 1, { signal });
  assert.equal(limiter.snapshot().waiting, 1);
  assert.equal(listeners(), 1);
  abort(reason);
  assert.equal(await reasonOf(waiting), reason);
  assert.equal(listeners(), 0);
  assert.equal(limiter.snapshot().waiting, 0);
  assert.equal(clock.pending, 0);
  assert.equal(limiter.peek('key').retryAfterMs, 1_000);
  assert.equal(await reasonOf(limiter.acquire('key', 1, { signal })), reason);
  assert.equal(limiter.peek('key').retryAfterMs, 1_000);
});

test('an aborted waiter keeps taken what those behind it have built on', async () => {
  const { clock, limiter } = made({ limit: 1, windowMs: 1_000 });
  await limiter.acquire('key');
  const controller = new AbortController();
  const first = limiter.acquire('key', 1, { signal: controller.signal });
  const second = limiter.acquire('key');
  controller.abort();
  assert.equal(await stateOf(first), 'rejected');
  clock.advance(1_999.999);
  assert.equal(await stateOf(second), 'pending');
  clock.advance(0.001);
  assert.equal(await stateOf(second), 'fulfilled');
  assert.equal(limiter.peek('key').retryAfterMs, 1_000);
});

test('leaves no listener on the signal when the wait is over', async () => {
  const ends = { covered: ({ clock }) => clock.advance(1_000), disposed: ({ limiter }) => limiter.dispose() };
  for (const [name, end] of Object.entries(ends)) {
    const one = made({ limit: 1, windowMs: 1_000 });
    await one.limiter.acquire('key');
    const { signal, listeners } = countedSignal();
    const waiting = one.limiter.acquire('key', 1, { signal });
    assert.equal(listeners(), 1);
    end(one);
    assert.notEqual(await stateOf(waiting), 'pending', name);
    assert.equal(listeners(), 0, name);
  }
});

test('a refund gives a cost back, never past a capacity', () => {
  const { limiter } = made(SECOND);
  limiter.consume('key', 4);
  limiter.refund('key');
  assert.equal(limiter.peek('key').remaining, 2);
  limiter.refund('key', 1_000_000);
  assert.equal(limiter.peek('key').remaining, 5);
  limiter.refund('never seen', 3);
  assert.equal(limiter.peek('never seen').remaining, 5);
});

test('a penalty charges more than there is', () => {
  const { clock, limiter } = made(SECOND);
  limiter.penalize('key', 7);
  const { remaining, resetMs, retryAfterMs } = limiter.peek('key');
  assert.deepEqual(
    { remaining, resetMs, retryAfterMs },
    { remaining: 0, resetMs: 7_000, retryAfterMs: 3_000 },
  );
  clock.advance(3_000);
  assert.equal(limiter.tryAcquire('key'), true);
  limiter.penalize('key');
  assert.equal(limiter.peek('key').retryAfterMs, 2_000);
});

// rate-limiter-flexible: RateLimiterMemory.test.js, block and blockDuration
test('a blocked key is refused whatever it has left or is given back', () => {
  const { clock, limiter } = made(SECOND);
  limiter.block('key', 2_000);
  limiter.refund('key', 5);
  assert.equal(limiter.tryAcquire('key'), false);
  assert.equal(limiter.tryAcquire('key', 0), false);
  clock.advance(800);
  const { allowed, remaining, retryAfterMs, resetMs } = limiter.consume('key');
  assert.deepEqual(
    { allowed, remaining, retryAfterMs },
    { allowed: false, remaining: 0, retryAfterMs: 1_200 },
  );
  assert.equal(resetMs, 1_200);
  clock.advance(1_200);
  assert.equal(limiter.consume('key').remaining, 4);
});

test('of two blocks the longer holds, and only reset ends one', () => {
  const { clock, limiter } = made(SECOND);
  limiter.block('key', 5_000);
  limiter.block('key', 1_000);
  clock.advance(1_000);
  assert.equal(limiter.peek('key').retryAfterMs, 4_000);
  limiter.block('key', 10_000);
  assert.equal(limiter.peek('key').retryAfterMs, 10_000);
  assert.equal(limiter.tryAcquire('other'), true);
  limiter.reset('key');
  assert.equal(limiter.consume('key').remaining, 4);
});

test('who waits for a key that gets blocked waits until the block ends', async () => {
  const { clock, limiter } = made({ limit: 1, windowMs: 1_000 });
  await limiter.acquire('key');
  const waiting = limiter.acquire('key');
  limiter.block('key', 3_000);
  clock.advance(2_999.999);
  assert.equal(await stateOf(waiting), 'pending');
  clock.advance(0.001);
  assert.equal(await stateOf(waiting), 'fulfilled');
  limiter.block('new', 500);
  assert.equal((await reasonOf(limiter.acquire('new', 1, { maxWaitMs: 499 }))).retryAfterMs, 500);
});

test('reset forgets what a key owes', () => {
  const { limiter } = made(SECOND);
  limiter.penalize('key', 100);
  limiter.reset('key');
  assert.equal(limiter.consume('key').remaining, 4);
  limiter.reset('never seen');
});

test('size counts the keys that have a place', () => {
  const { limiter } = made(SECOND);
  for (let i = 0; i < 100; i++) limiter.tryAcquire(`key ${i % 20}`);
  assert.equal(limiter.size, 20);
  limiter.reset('key 3');
  assert.equal(limiter.size, 19);
  assert.equal(limiter.snapshot().size, 19);
});

test('still limits with more keys than others remember', () => {
  // @fastify/rate-limit keeps 5,000 keys by default: 6,000 clients in turn evict each other, and nobody is limited.
  const clients = Array.from({ length: 6_000 }, (_, i) => `client ${i}`);
  for (const maxKeys of [undefined, 5_000]) {
    const { limiter } = made({ limit: 10, windowMs: 60_000 }, { maxKeys });
    let admitted = 0;
    for (let round = 0; round < 20; round++) {
      for (const client of clients) if (limiter.tryAcquire(client)) admitted += 1;
    }
    assert.equal(
      admitted >= 60_000 && admitted <= 60_600,
      true,
      `${admitted} of 60000 with maxKeys ${maxKeys}`,
    );
  }
});

test('admits at most a hundredth more than exact with maxKeys live keys', () => {
  const { limiter } = made({ limit: 1, windowMs: 60_000 }, { maxKeys: 20_000 });
  let admitted = 0;
  for (let i = 0; i < 60_000; i++) if (limiter.tryAcquire(`key ${i % 20_000}`)) admitted += 1;
  assert.equal(admitted >= 20_000 && admitted <= 20_200, true, `${admitted} of 20000`);
});

test('when full, whenFull decides between newcomers and the limit', () => {
  const flood = (limiter) => {
    let admitted = 0;
    for (let i = 0; i < 20_000; i++) if (limiter.tryAcquire(`one-shot ${i}`)) admitted += 1;
    return admitted;
  };
  const admit = made({ limit: 1, windowMs: 60_000 }, { maxKeys: 100 }).limiter;
  assert.equal(flood(admit), 20_000);
  assert.equal(admit.snapshot().evicted > 0, true);
  const limit = made({ limit: 1, windowMs: 60_000 }, { maxKeys: 100, whenFull: 'limit' }).limiter;
  const before = limit.tryAcquire('attacker');
  assert.equal(flood(limit) < 1_000, true);
  assert.deepEqual([before, limit.tryAcquire('attacker')], [true, false]);
  assert.equal(limit.size <= limit.snapshot().bytes / 8, true);
});

test('a limited key is not evicted while an idle one could go', () => {
  const { clock, limiter } = made({ limit: 2, windowMs: 60_000 }, { maxKeys: 100 });
  for (let i = 0; i < 10_000; i++) limiter.tryAcquire(`early ${i}`);
  clock.advance(60_000);
  const { evicted } = limiter.snapshot();
  for (let i = 0; i < 100; i++) limiter.consume(`late ${i}`, 2);
  for (let i = 0; i < 100; i++) assert.equal(limiter.tryAcquire(`late ${i}`), false);
  assert.equal(limiter.snapshot().evicted, evicted);
});

test('keys may be any string to 64 KiB of UTF-8', () => {
  const { limiter } = made({ limit: 1, windowMs: 60_000 });
  const keys = ['', 'a', 'a\0', 'a\0b', 'A', 'ä', 'a\u0308', '\u{1F600}', 'constructor', '__proto__'];
  for (const unit of ['x', 'é', '€', '\u{1F600}']) {
    const bytes = Buffer.byteLength(unit);
    for (let length = 240; length <= 264; length++)
      keys.push(unit.repeat(length / bytes) + 'y'.repeat(length % bytes));
    keys.push(unit.repeat(65_536 / bytes) + 'y'.repeat(65_536 % bytes));
  }
  const distinct = [...new Set(keys)];
  for (const key of distinct) assert.equal(limiter.tryAcquire(key), true, `${key.length} units, once`);
  for (const key of distinct) assert.equal(limiter.tryAcquire(key), false, `${key.length} units, twice`);
});

test('a key of one byte more than 64 KiB is refused with InvalidOptionError and counts nowhere', async () => {
  const { limiter } = made(SECOND);
  for (const key of [
    'x'.repeat(65_537),
    `${'é'.repeat(32_768)}x`,
    '€'.repeat(21_846),
    'x'.repeat(10_000_000),
  ]) {
    for (const call of [
      () => limiter.tryAcquire(key),
      () => limiter.tryAcquire(key, 2),
      () => limiter.consume(key),
      () => limiter.peek(key),
      () => limiter.refund(key),
      () => limiter.penalize(key),
      () => limiter.block(key, 10),
      () => limiter.reset(key),
    ]) {
      assert.throws(
        call,
        (error) => error instanceof InvalidOptionError && error.option === 'key',
        String(call),
      );
    }
    assert.ok((await reasonOf(limiter.acquire(key))) instanceof InvalidOptionError);
    assert.ok((await reasonOf(limiter.policy({ key }).execute(() => {}))) instanceof InvalidOptionError);
  }
  const { size, allowed, refused } = limiter.snapshot();
  assert.deepEqual({ size, allowed, refused }, { size: 0, allowed: 0, refused: 0 });
});

test('a lone surrogate counts as U+FFFD', () => {
  const { limiter } = made({ limit: 1, windowMs: 60_000 });
  for (const around of ['', 'x', 'x'.repeat(249), 'x'.repeat(255), 'é'.repeat(300), 'x'.repeat(65_533)]) {
    assert.equal(limiter.tryAcquire(`${around}\ufffd`), true);
    for (const lone of ['\ud800', '\udbff', '\udc00', '\udfff']) {
      assert.equal(limiter.tryAcquire(around + lone), false, `after ${around.length} units`);
    }
  }
  assert.equal(limiter.tryAcquire('\ud800\udc00'), true);
});

test('limits says what is in force, with a name for each', () => {
  const { limiter } = made([
    { limit: 100, windowMs: 60_000 },
    { capacity: 10, refillPerSecond: 4 },
    { limit: 7, windowMs: 1_500.5, label: 'seven' },
  ]);
  assert.deepEqual(limiter.limits, [
    { name: '100-in-60s', limit: 100, windowMs: 60_000 },
    { name: '10-in-2.5s', limit: 10, windowMs: 2_500 },
    { name: 'seven', limit: 7, windowMs: 1_500.5 },
  ]);
  assert.throws(() => limiter.limits.push({}), TypeError);
});

test('reconfigure changes the limits of every key, which keeps its time until full', () => {
  const { limiter } = made({ limit: 10, windowMs: 10_000 });
  limiter.consume('half', 5);
  limiter.consume('empty', 10);
  limiter.reconfigure({ limits: { limit: 20, windowMs: 10_000, label: 'new' } });
  const { limitName, limit, remaining, resetMs } = limiter.peek('half');
  assert.deepEqual(
    { limitName, limit, remaining, resetMs },
    { limitName: 'new', limit: 20, remaining: 10, resetMs: 5_000 },
  );
  limiter.reconfigure({ limits: { limit: 10, windowMs: 1_000 } });
  assert.deepEqual([limiter.peek('empty').resetMs, limiter.peek('half').resetMs], [1_000, 1_000]);
  assert.deepEqual(limiter.limits, [{ name: '10-in-1s', limit: 10, windowMs: 1_000 }]);
  assert.deepEqual(limiter.snapshot().limits, limiter.limits);
});

test('keys follow however often the limits change', () => {
  const { limiter } = made({ limit: 10, windowMs: 10_000 });
  for (let i = 0; i < 50; i++) limiter.consume(`key ${i}`, 10);
  for (let change = 1; change <= 200; change++) {
    limiter.reconfigure({ limits: { limit: 10, windowMs: change === 100 ? 1_000 : 10_000 } });
  }
  // The narrowest limits in between bound what a key owes.
  for (let i = 0; i < 50; i++) assert.equal(limiter.peek(`key ${i}`).resetMs, 1_000);
});

test('a reconfiguration to another number of limits, or out of range, changes nothing', () => {
  const { limiter } = made(SECOND);
  limiter.consume('key');
  const before = [limiter.limits, limiter.peek('key')];
  for (const change of [
    { limits: [SECOND, SECOND] },
    { limits: [] },
    { limits: { limit: 0, windowMs: 1_000 } },
    { limits: { limit: 1, windowMs: Number.NaN } },
    { limits: SECOND, maxKeys: 5 },
    { limits: null },
    {},
    null,
  ]) {
    assert.throws(() => limiter.reconfigure(change), InvalidOptionError, JSON.stringify(change));
  }
  assert.deepEqual([limiter.limits, limiter.peek('key')], before);
});

test('what was exported is restored into a fresh limiter, less the time between', () => {
  const limits = [
    { limit: 5, windowMs: 3_600_000 },
    { limit: 50, windowMs: 86_400_000 },
  ];
  const { limiter } = made(limits);
  for (let i = 0; i < 1_000; i++) limiter.consume(`key ${i}`, 1 + (i % 5));
  limiter.block('blocked', 3_600_000);
  const bytes = limiter.export();
  assert.ok(bytes instanceof Uint8Array);
  assert.equal(Buffer.from(bytes).includes('key'), false);
  const other = made(limits).limiter;
  assert.equal(other.restore(bytes), true);
  assert.equal(other.tryAcquire('blocked'), false);
  for (let i = 0; i < 1_000; i++) {
    const [then, now] = [limiter.peek(`key ${i}`), other.peek(`key ${i}`)];
    assert.equal(now.remaining, then.remaining, `key ${i}`);
    for (const index of [0, 1]) {
      const passed = then.limits[index].resetMs - now.limits[index].resetMs;
      assert.equal(passed >= 0 && passed < 60_000, true, `${passed} ms passed`);
    }
  }
});

test('nothing is restored into a limiter that has counted, or that has another shape', () => {
  const { limiter } = made(SECOND);
  limiter.consume('key', 5);
  const bytes = limiter.export();
  const counted = made(SECOND).limiter;
  counted.consume('other');
  assert.equal(counted.restore(bytes), false);
  assert.equal(counted.tryAcquire('key'), true);
  for (const other of [made([SECOND, SECOND]), made(SECOND, { maxKeys: 5_000 })]) {
    assert.equal(other.limiter.restore(bytes), false);
    assert.equal(other.limiter.size, 0);
  }
});

test('bytes that export did not give are refused with InvalidOptionError and change nothing', () => {
  const { limiter } = made(SECOND);
  for (let i = 0; i < 10; i++) limiter.consume(`key ${i}`, 3);
  const bytes = limiter.export();
  const broken = {
    none: new Uint8Array(0),
    zeros: new Uint8Array(200),
    'a header alone, cut': bytes.slice(0, 30),
    'the end cut': bytes.slice(0, -3),
    'a byte more': Uint8Array.from([...bytes, 1]),
    'another magic': Uint8Array.from(bytes, (byte, index) => (index === 0 ? byte ^ 1 : byte)),
    'a line that is not there': Uint8Array.from(bytes, (byte, index) => (index === 51 ? 255 : byte)),
    'a debt of centuries': Uint8Array.from(bytes, (byte, index) => (index === 63 ? 255 : byte)),
    'a DataView': new DataView(bytes.buffer),
    'an ArrayBuffer': bytes.buffer,
    'wider numbers': new Uint16Array(bytes.buffer.slice(0, 2 * Math.floor(bytes.length / 2))),
    'doubles of the same bytes': Float64Array.from(bytes),
    'an array': [...bytes],
    'a string': 'bytes',
    nothing: undefined,
    null: null,
  };
  for (const [name, input] of Object.entries(broken)) {
    const fresh = made(SECOND).limiter;
    assert.throws(() => fresh.restore(input), InvalidOptionError, name);
    assert.equal(fresh.size, 0, name);
    assert.equal(fresh.restore(bytes), true, name);
  }
});

test('restores from a Buffer and from shared memory', () => {
  const { limiter } = made(SECOND);
  limiter.consume('key', 5);
  const bytes = limiter.export();
  const shared = new Uint8Array(new SharedArrayBuffer(bytes.length + 8), 8);
  shared.set(bytes);
  for (const input of [Buffer.from(bytes), shared]) {
    const other = made(SECOND).limiter;
    assert.equal(other.restore(input), true);
    assert.equal(other.tryAcquire('key'), false);
  }
});

test('an idle key is not exported', () => {
  const { clock, limiter } = made(SECOND);
  const empty = limiter.export().length;
  limiter.consume('key');
  assert.equal(limiter.export().length > empty, true);
  clock.advance(1_000);
  assert.equal(limiter.export().length, empty);
});

test('dryRun decides, counts and publishes, and refuses nothing', async () => {
  const { clock, limiter } = made({ limit: 1, windowMs: 1_000 }, { dryRun: true, label: 'api' });
  const messages = await listening(async () => {
    assert.equal(limiter.tryAcquire('key'), true);
    assert.equal(limiter.tryAcquire('key'), true);
    const { allowed, remaining } = limiter.consume('key');
    assert.deepEqual({ allowed, remaining }, { allowed: true, remaining: 0 });
    assert.equal(limiter.peek('key').allowed, true);
    assert.equal(await stateOf(limiter.acquire('key')), 'fulfilled');
    assert.equal(await limiter.policy({ key: 'key' }).execute(() => 'ran'), 'ran');
  });
  assert.deepEqual(messages, Array(4).fill({ kind: 'limiter', primitive: 'api', dryRun: true }));
  const { allowed, refused, dryRun } = limiter.snapshot();
  assert.deepEqual({ allowed, refused, dryRun }, { allowed: 1, refused: 4, dryRun: true });
  assert.equal(clock.pending, 0);
});

test('publishes every refusal on breakwater:limiter:refused, without the key', async () => {
  const { limiter } = made({ limit: 1, windowMs: 1_000 });
  limiter.tryAcquire('secret');
  const messages = await listening(async () => {
    limiter.tryAcquire('secret');
    limiter.consume('secret', 2);
    limiter.peek('secret');
    await reasonOf(limiter.acquire('secret', 1, { maxWaitMs: 0 }));
    await reasonOf(limiter.policy({ key: 'secret' }).execute(() => {}));
  });
  assert.deepEqual(messages, Array(4).fill({ kind: 'limiter', primitive: undefined, dryRun: false }));
});

test('a subscriber that uses a limiter itself does not disturb the decision it hears of', async () => {
  const { limiter } = made({ limit: 3, windowMs: 3_000 });
  const other = made({ limit: 777, windowMs: 60_000 }).limiter;
  limiter.consume('key', 3);
  const expected = limiter.peek('key');
  const listener = () => other.consume('key');
  subscribe('breakwater:limiter:refused', listener);
  try {
    assert.deepEqual(limiter.consume('key'), expected);
    assert.equal((await reasonOf(limiter.acquire('key', 1, { maxWaitMs: 5 }))).retryAfterMs, 1_000);
  } finally {
    unsubscribe('breakwater:limiter:refused', listener);
  }
});

test('snapshot says what there is, over all calls so far', async () => {
  const { limiter } = made(SECOND, { label: 'api', maxKeys: 1_000 });
  limiter.tryAcquire('a', 5);
  limiter.tryAcquire('a');
  limiter.tryAcquire('b');
  limiter.acquire('a').catch(() => {});
  const { bytes, ...rest } = limiter.snapshot();
  assert.deepEqual(rest, {
    kind: 'limiter',
    name: undefined,
    label: 'api',
    dryRun: false,
    limits: [{ name: '5-in-5s', limit: 5, windowMs: 5_000 }],
    size: 2,
    evicted: 0,
    waiting: 1,
    allowed: 2,
    refused: 1,
  });
  assert.equal(bytes > 0 && bytes < 1_000 * 30, true);
  assert.doesNotThrow(() => structuredClone(limiter.snapshot()));
  limiter.dispose();
});

test('a waiter counts as allowed when it is covered, and nowhere when it gives up', async () => {
  const { clock, limiter } = made({ limit: 1, windowMs: 1_000 });
  const counts = () => {
    const { allowed, refused, waiting } = limiter.snapshot();
    return { allowed, refused, waiting };
  };
  await limiter.acquire('key');
  const controller = new AbortController();
  const givesUp = limiter.acquire('key', 1, { signal: controller.signal });
  controller.abort();
  await reasonOf(givesUp);
  assert.deepEqual(counts(), { allowed: 1, refused: 0, waiting: 0 });
  const patient = limiter.acquire('key');
  assert.deepEqual(counts(), { allowed: 1, refused: 0, waiting: 1 });
  clock.advance(1_000);
  await patient;
  assert.deepEqual(counts(), { allowed: 2, refused: 0, waiting: 0 });
});

test('dispose rejects those who wait, and later calls throw or reject', async () => {
  const { clock, limiter } = made({ limit: 1, windowMs: 1_000 }, { label: 'api' });
  await limiter.acquire('key');
  const policy = limiter.policy({ key: 'key', maxWaitMs: 10 });
  const waiting = [limiter.acquire('key'), limiter.acquire('key')];
  limiter.dispose();
  for (const promise of waiting) {
    const error = await reasonOf(promise);
    assert.ok(error instanceof DisposedError);
    assert.equal(error.message, 'limiter "api" was disposed');
  }
  assert.equal(clock.pending, 0);
  for (const call of [
    () => limiter.tryAcquire('key'),
    () => limiter.tryAcquire('key', 2),
    () => limiter.tryAcquire('key', [2]),
    () => limiter.consume('key'),
    () => limiter.peek('key'),
    () => limiter.refund('key'),
    () => limiter.penalize('key'),
    () => limiter.block('key', 1),
    () => limiter.reset('key'),
    () => limiter.size,
    () => limiter.limits,
    () => limiter.export(),
    () => limiter.restore(new Uint8Array(9)),
    () => limiter.reconfigure({ limits: SECOND }),
    () => limiter.snapshot(),
  ]) {
    assert.throws(call, DisposedError, String(call));
  }
  assert.ok((await reasonOf(limiter.acquire('key'))) instanceof DisposedError);
  assert.ok((await reasonOf(policy.execute(() => {}))) instanceof DisposedError);
});

test('a second dispose does nothing, and Symbol.dispose is dispose', async () => {
  const { limiter } = made({ limit: 1, windowMs: 1_000 });
  await limiter.acquire('key');
  const waiting = limiter.acquire('key');
  limiter[Symbol.dispose]();
  assert.ok((await reasonOf(waiting)) instanceof DisposedError);
  limiter[Symbol.dispose]();
  limiter.dispose();
  assert.throws(() => limiter.tryAcquire('key'), DisposedError);
});

test('policy: whose bucket, what it costs, and how long a call may wait', async () => {
  const { clock, limiter } = made([
    { limit: 2, windowMs: 1_000 },
    { limit: 100, windowMs: 1_000 },
  ]);
  const policy = limiter.policy({
    key: ({ context }) => context.user,
    cost: ({ context }) => [1, context.bytes],
    maxWaitMs: 500,
  });
  const run = (user, bytes) => policy.execute(() => user, { context: { user, bytes } });
  assert.equal(await run('a', 50), 'a');
  assert.equal(await run('b', 100), 'b');
  assert.equal((await reasonOf(run('b', 100))).retryAfterMs, 1_000);
  assert.equal(await run('a', 10), 'a');
  const third = run('a', 10);
  assert.equal(await stateOf(third), 'pending');
  clock.advance(500);
  assert.equal(await third, 'a');
  const one = limiter.policy({ key: 'fixed' });
  await Promise.all([one.execute(() => {}), one.wrap(() => {})()]);
  assert.ok((await reasonOf(one.execute(() => {}))) instanceof RateLimitedError);
});

test('a key function of a policy that gives no string rejects with InvalidOptionError', async () => {
  const { limiter } = made(SECOND);
  for (const value of [undefined, null, 5, {}, Symbol('key')]) {
    const error = await reasonOf(limiter.policy({ key: () => value }).execute(() => {}));
    assert.ok(error instanceof InvalidOptionError);
    assert.equal(error.option, 'key');
  }
  assert.equal(limiter.size, 0);
});

test('more keys than there is memory for is a bad option, not the end of the process', () => {
  // 33 GB: some systems hand out the addresses all the same, and no page.
  const limits = Array.from({ length: 8 }, () => ({ limit: 1, windowMs: 1_000 }));
  try {
    new RateLimiter({ limits, maxKeys: 2 ** 28 }).dispose();
  } catch (error) {
    assert.equal(error.code, 'ERR_INVALID_OPTION');
    assert.equal(error.option, 'maxKeys');
  }
});
