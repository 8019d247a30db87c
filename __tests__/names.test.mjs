// Sharing by name within a thread: joining, conflicts, find, list, and when a name is free again. Over threads: workers.test.mjs.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  AdaptiveThrottle,
  BoundedQueue,
  CircuitBreaker,
  DisposedError,
  hedge,
  list,
  ManualClock,
  NameConflictError,
  pipeline,
  RateLimiter,
  RetryBudget,
  retry,
  TokenBucket,
} from 'breakwater';
import { collectGarbage, residentMegabytes } from './helpers/memory.mjs';
import { reasonOf, recorder, stateOf } from './helpers/promises.mjs';

let names = 0;
/** A name that nobody else uses. */
function newName() {
  names += 1;
  return `names.test:${names}`;
}
const inUse = (name) => list().filter((one) => one.name === name);

const LIMIT = { capacity: 5, refillPerSecond: 1 };
const LIMITS = { limit: 5, windowMs: 1_000 };

test('objects of one name are one state, without a name each is its own', () => {
  const clock = new ManualClock();
  const name = newName();
  const [one, other] = [
    new TokenBucket({ ...LIMIT, name, clock }),
    new TokenBucket({ ...LIMIT, name, clock }),
  ];
  const alone = new TokenBucket({ ...LIMIT, label: name, clock });
  assert.equal(one.tryAcquire(5), true);
  assert.deepEqual([other.tryAcquire(), alone.tryAcquire()], [false, true]);
  other.refund(2);
  assert.equal(one.available, 2);
  assert.deepEqual(one.snapshot(), other.snapshot());
  const limiters = [name, name, undefined].map(
    (one) => new RateLimiter({ limits: LIMITS, name: one, clock }),
  );
  assert.equal(limiters[0].tryAcquire('key', 5), true);
  assert.deepEqual(
    limiters.map((limiter) => limiter.tryAcquire('key')),
    [false, false, true],
  );
  for (const object of [one, other, ...limiters]) object.dispose();
});

test('two budgets of one name in one pipeline count a call once, budgets of their own each for itself', async () => {
  const clock = new ManualClock();
  const name = newName();
  const depositsOf = async (inner, outer) => {
    await pipeline(retry({ budget: outer }), hedge({ delayMs: 10, budget: inner })).execute(() => 'done');
    return [inner, outer].map((budget) => budget.snapshot().deposits);
  };
  const [one, other] = [new RetryBudget({ name, clock }), new RetryBudget({ name, clock })];
  assert.deepEqual(await depositsOf(one, other), [1, 1]);
  assert.deepEqual(await depositsOf(new RetryBudget({ clock }), new RetryBudget({ clock })), [1, 1]);
  for (const budget of [one, other]) budget.dispose();
});

test('a name with other options is a NameConflictError that names the first option that differs', () => {
  const clock = new ManualClock();
  const bucket = { capacity: 5, refillPerSecond: 1, initialTokens: 3, maxWaiters: 7, dryRun: false, clock };
  const limiter = {
    limits: [LIMITS, LIMITS],
    maxKeys: 1_000,
    whenFull: 'limit',
    maxWaiters: 7,
    dryRun: false,
    clock,
  };
  const breaker = {
    window: { kind: 'time', durationMs: 10_000 },
    failureRateThreshold: 0.5,
    minimumCalls: 20,
    consecutiveFailures: 5,
    slowCallMs: 100,
    slowCallRateThreshold: 1,
    openMs: { initialMs: 1_000, factor: 2, maxMs: 60_000, jitter: 0.1 },
    halfOpenCalls: 1,
    probeLeaseMs: 30_000,
    dryRun: false,
    clock,
  };
  const budget = { ratio: 0.2, minPerSecond: 10, windowMs: 10_000, clock };
  const throttle = { multiplier: 2, windowMs: 120_000, maxRefusalRate: 0.9, dryRun: false, clock };
  const queue = { capacity: 5, maxBytes: 100, overflow: 'wait', codec: 'string', clock };
  const differs = {
    window: { kind: 'time', durationMs: 11_000 },
    failureRateThreshold: false,
    minimumCalls: 21,
    consecutiveFailures: undefined,
    slowCallMs: 200,
    slowCallRateThreshold: 0.5,
    openMs: { initialMs: 1_000, factor: 2, maxMs: 60_000, jitter: 0.2 },
    halfOpenCalls: 2,
    probeLeaseMs: 30_001,
    ratio: 0.1,
    minPerSecond: 0,
    windowMs: 20_000,
    multiplier: 3,
    maxRefusalRate: 0.8,
    capacity: 6,
    refillPerSecond: 2,
    initialTokens: 4,
    maxWaiters: 8,
    dryRun: true,
    clock: new ManualClock(),
    maxKeys: 2_000,
    whenFull: 'admit',
    limits: [LIMITS],
    maxBytes: 101,
    overflow: 'reject',
    codec: 'json',
  };
  for (const [Class, options] of [
    [TokenBucket, bucket],
    [RateLimiter, limiter],
    [CircuitBreaker, breaker],
    [RetryBudget, budget],
    [AdaptiveThrottle, throttle],
    [BoundedQueue, queue],
  ]) {
    const name = newName();
    const made = new Class({ ...options, name });
    for (const option of Object.keys(options)) {
      assert.throws(
        () => new Class({ ...options, name, [option]: differs[option] }),
        (error) => error instanceof NameConflictError && error.option === option && error.primitive === name,
        option,
      );
    }
    assert.throws(() => new Class({ ...options, name, clock: undefined }), { option: 'clock' });
    // Nobody holds the name for having asked wrongly.
    made.dispose();
    assert.deepEqual(inUse(name), []);
  }
  const name = newName();
  const labelled = new RateLimiter({ limits: { ...LIMITS, label: 'one' }, name });
  assert.throws(() => new RateLimiter({ limits: { ...LIMITS, label: 'other' }, name }), { option: 'limits' });
  labelled.dispose();
  const counting = new CircuitBreaker({ window: { kind: 'count', size: 20 }, name });
  for (const window of [undefined, { kind: 'time' }, { kind: 'count' }, { kind: 'count', size: 21 }]) {
    assert.throws(() => new CircuitBreaker({ window, name }), { option: 'window' });
  }
  counting.dispose();
});

test('defaults are filled in before options are compared, and a label is each object’s own', () => {
  const name = newName();
  const one = new TokenBucket({ ...LIMIT, name });
  const other = new TokenBucket({
    ...LIMIT,
    name,
    initialTokens: 5,
    maxWaiters: 10_000,
    dryRun: false,
    label: 'mine',
  });
  assert.deepEqual([one.snapshot().label, other.snapshot().label], [undefined, 'mine']);
  const limiters = [
    new RateLimiter({ limits: LIMITS, name, label: 'a' }),
    new RateLimiter({
      limits: [LIMITS],
      name,
      maxKeys: 100_000,
      whenFull: 'admit',
      maxWaiters: 10_000,
      dryRun: false,
    }),
  ];
  for (const object of [one, other, ...limiters]) object.dispose();
  const breakers = [
    new CircuitBreaker({ name }),
    new CircuitBreaker({
      name,
      window: { kind: 'time', durationMs: 10_000 },
      failureRateThreshold: 0.5,
      minimumCalls: 20,
      slowCallRateThreshold: 1,
      openMs: 5_000,
      halfOpenCalls: 1,
      probeLeaseMs: 30_000,
      dryRun: false,
    }),
    // Functions, the seed and the label are each object's own.
    new CircuitBreaker({ name, isFailure: () => false, seed: 1, label: 'mine', openMs: 5_000 }),
    new RetryBudget({ name }),
    new RetryBudget({ name, ratio: 0.2, minPerSecond: 10, windowMs: 10_000, label: 'mine' }),
    new AdaptiveThrottle({ name }),
    new AdaptiveThrottle({
      name,
      multiplier: 2,
      windowMs: 120_000,
      maxRefusalRate: 0.9,
      dryRun: false,
      isFailure: () => false,
      seed: 1,
      label: 'mine',
    }),
    new BoundedQueue({ name, capacity: 1 }),
    new BoundedQueue({ name, capacity: 1, overflow: 'reject', codec: 'json', label: 'mine' }),
  ];
  for (const object of breakers) object.dispose();
  assert.deepEqual(inUse(name), []);
});

test('kinds have names of their own', () => {
  const name = newName();
  const objects = [
    new TokenBucket({ ...LIMIT, name }),
    new RateLimiter({ limits: LIMITS, name }),
    new CircuitBreaker({ name }),
    new RetryBudget({ name }),
    new AdaptiveThrottle({ name }),
    new BoundedQueue({ name, capacity: 1 }),
  ];
  new ManualClock({ name });
  assert.deepEqual(
    inUse(name)
      .map(({ kind }) => kind)
      .sort(),
    ['breaker', 'bucket', 'budget', 'clock', 'limiter', 'queue', 'throttle'],
  );
  for (const object of objects) object.dispose();
  assert.deepEqual(inUse(name), [{ kind: 'clock', name }]);
});

test('a change of limits is for all, and who joins later joins what is in force', () => {
  const name = newName();
  const one = new TokenBucket({ ...LIMIT, name });
  one.reconfigure({ capacity: 50 });
  const other = new TokenBucket({ ...LIMIT, name });
  assert.equal(other.snapshot().capacity, 50);
  assert.throws(() => new TokenBucket({ ...LIMIT, capacity: 50, name }), NameConflictError);
  const limiters = [new RateLimiter({ limits: LIMITS, name }), new RateLimiter({ limits: LIMITS, name })];
  const before = limiters[1].limits;
  limiters[0].reconfigure({ limits: { limit: 50, windowMs: 2_000 } });
  assert.notDeepEqual(limiters[1].limits, before);
  const { limitName, limit } = limiters[1].consume('key');
  assert.deepEqual([limitName, limit], ['50-in-2s', 50]);
  for (const object of [one, other, ...limiters]) object.dispose();
});

test('new thresholds are for all, and who joins later with what it was made with joins what is in force', () => {
  for (const [Class, options, change] of [
    [CircuitBreaker, { minimumCalls: 5 }, { minimumCalls: 6 }],
    [RetryBudget, { ratio: 0.1 }, { ratio: 0.5 }],
    [AdaptiveThrottle, { multiplier: 3 }, { multiplier: 4 }],
  ]) {
    const name = newName();
    const one = new Class({ ...options, name });
    one.reconfigure(change);
    const other = new Class({ ...options, name });
    assert.deepEqual(other.snapshot(), one.snapshot());
    assert.throws(() => new Class({ ...options, ...change, name }), NameConflictError);
    for (const object of [one, other]) object.dispose();
  }
});

test('find gives an object on existing state, and nothing where there is none', () => {
  const name = newName();
  assert.equal(TokenBucket.find(name), undefined);
  assert.equal(RateLimiter.find(name), undefined);
  const bucket = new TokenBucket({ ...LIMIT, name, label: 'mine', clock: new ManualClock() });
  assert.equal(RateLimiter.find(name), undefined);
  const found = TokenBucket.find(name);
  assert.ok(found instanceof TokenBucket);
  assert.equal(found.tryAcquire(5), true);
  assert.equal(bucket.tryAcquire(), false);
  assert.deepEqual(found.snapshot(), { ...bucket.snapshot(), label: undefined });
  // What was found holds the state as what was made does.
  bucket.dispose();
  assert.equal(found.available, 0);
  found.dispose();
  assert.equal(TokenBucket.find(name), undefined);
  assert.throws(() => found.tryAcquire(), DisposedError);
});

test('what was found of any kind is the same state, under the name alone', () => {
  for (const Class of [CircuitBreaker, RetryBudget, AdaptiveThrottle]) {
    const name = newName();
    assert.equal(Class.find(name), undefined);
    const made = new Class({ name, label: 'mine', clock: new ManualClock() });
    const found = Class.find(name);
    assert.ok(found instanceof Class);
    assert.deepEqual(found.snapshot(), { ...made.snapshot(), label: undefined });
    made.dispose();
    assert.equal(found.snapshot().name, name);
    assert.equal(inUse(name).length, 1);
    found.dispose();
    assert.throws(() => found.snapshot(), DisposedError);
    assert.equal(Class.find(name), undefined);
  }
});

test('what was found runs dry and on the clock as its state does', async () => {
  const clock = new ManualClock();
  const name = newName();
  const made = [
    new TokenBucket({ ...LIMIT, initialTokens: 0, name, clock }),
    new RateLimiter({ limits: { limit: 1, windowMs: 1_000 }, name, dryRun: true, clock }),
  ];
  const [bucket, limiter] = [TokenBucket.find(name), RateLimiter.find(name)];
  const waiting = bucket.acquire();
  assert.equal(clock.pending, 1);
  clock.advance(1_000);
  assert.equal(await stateOf(waiting), 'fulfilled');
  assert.deepEqual([limiter.tryAcquire('key'), limiter.tryAcquire('key')], [true, true]);
  assert.deepEqual([limiter.snapshot().dryRun, limiter.snapshot().refused], [true, 1]);
  for (const object of [...made, bucket, limiter]) object.dispose();
});

test('list names each state once, however many objects there are on it', () => {
  const name = newName();
  const buckets = Array.from({ length: 3 }, () => new TokenBucket({ ...LIMIT, name }));
  assert.deepEqual(inUse(name), [{ kind: 'bucket', name }]);
  for (const bucket of buckets) {
    assert.equal(inUse(name).length, 1);
    bucket.dispose();
    bucket.dispose();
  }
  assert.deepEqual(inUse(name), []);
});

test('a name is free for other options once every object of it was disposed', () => {
  const name = newName();
  const [one, other] = [new TokenBucket({ ...LIMIT, name }), new TokenBucket({ ...LIMIT, name })];
  assert.equal(one.tryAcquire(5), true);
  one.dispose();
  one.dispose();
  assert.throws(() => new TokenBucket({ ...LIMIT, capacity: 9, name }), NameConflictError);
  assert.equal(other.tryAcquire(5), false);
  other.dispose();
  const fresh = new TokenBucket({ ...LIMIT, capacity: 9, name });
  assert.equal(fresh.available, 9);
  assert.throws(() => other.tryAcquire(), DisposedError);
  fresh.dispose();
});

test('disposing an object rejects its own waiters alone, and those of others move up', async () => {
  const clock = new ManualClock();
  const name = newName();
  const options = { ...LIMIT, initialTokens: 0, name, clock };
  const [one, other] = [new TokenBucket(options), new TokenBucket(options)];
  const { events, when } = recorder();
  when('one', one.acquire(3));
  when('other', other.acquire(2));
  when('one again', one.acquire());
  one.dispose();
  clock.advance(2_000);
  await reasonOf(one.acquire());
  assert.deepEqual(events, ['one: ERR_DISPOSED', 'one again: ERR_DISPOSED', 'other']);
  other.dispose();
});

test('waiters of several objects of one name are served in one line', async () => {
  const clock = new ManualClock();
  const options = { capacity: 1, refillPerSecond: 1, initialTokens: 0, name: newName(), clock };
  const buckets = Array.from({ length: 4 }, () => new TokenBucket(options));
  const { events, when } = recorder();
  for (let i = 0; i < 20; i++) when(i, buckets[(i * 7) % 4].acquire());
  clock.advance(20_000);
  await stateOf(Promise.resolve());
  assert.deepEqual(
    events,
    Array.from({ length: 20 }, (_, i) => i),
  );
  for (const bucket of buckets) bucket.dispose();
});

test('garbage collection ends nothing that has a name', async () => {
  const name = newName();
  const use = () => {
    new TokenBucket({ ...LIMIT, refillPerSecond: 0.001, name }).tryAcquire(5);
    new RateLimiter({ limits: { limit: 1, windowMs: 86_400_000 }, name }).tryAcquire('key');
    new CircuitBreaker({ name }).forceOpen(86_400_000);
    new CircuitBreaker({ name: `${name}:isolated` }).isolate();
  };
  use();
  await collectGarbage();
  assert.equal(inUse(name).length, 3);
  for (const [which, state] of [
    [name, 'open'],
    [`${name}:isolated`, 'isolated'],
  ]) {
    const breaker = CircuitBreaker.find(which);
    assert.equal(breaker.state, state);
    breaker.dispose();
  }
  const [bucket, limiter] = [TokenBucket.find(name), RateLimiter.find(name)];
  assert.deepEqual([bucket.tryAcquire(), limiter.tryAcquire('key')], [false, false]);
  assert.equal(bucket.snapshot().allowed, 1, 'what a collected object counted still counts');
  bucket.dispose();
  limiter.dispose();
});

test('what was collected without a name gives its memory back', async () => {
  // Each limiter takes over 2 MB once its keys have touched it all.
  const use = () => {
    const limiter = new RateLimiter({ limits: LIMITS });
    for (let key = 0; key < 40_000; key++) limiter.tryAcquire(`key ${key}`);
  };
  for (let i = 0; i < 5; i++) use();
  const before = await residentMegabytes();
  for (let i = 0; i < 40; i++) {
    use();
    if (i % 10 === 9) await collectGarbage();
  }
  const grown = (await residentMegabytes()) - before;
  assert.equal(grown < 40, true, `grew by ${grown} MB; all of them take 100`);
});

test('limiters that are dropped are collected in time, without being asked for', async () => {
  const keys = Array.from({ length: 2_000 }, (_, i) => `key ${i}`);
  const before = await residentMegabytes();
  let most = 0;
  for (let i = 0; i < 300; i++) {
    const limiter = new RateLimiter({ limits: LIMITS });
    for (const key of keys) limiter.tryAcquire(key);
    most = Math.max(most, process.memoryUsage.rss() / 1e6 - before);
    if (i % 10 === 9) await new Promise((resolve) => setImmediate(resolve));
  }
  assert.equal(most < 400, true, `grew by ${most} MB; all of them take 700`);
});

test('objects in use are not disturbed by those that were collected', async () => {
  const clock = new ManualClock();
  const kept = Array.from({ length: 50 }, (_, i) => {
    const bucket = new TokenBucket({ capacity: i + 1, refillPerSecond: 1, clock });
    bucket.tryAcquire();
    return bucket;
  });
  for (let round = 0; round < 5; round++) {
    for (let i = 0; i < 2_000; i++) {
      new TokenBucket({ capacity: 1_000, refillPerSecond: 1, clock }).tryAcquire(999);
      if (i % 3 === 0) new TokenBucket({ capacity: 1_000, refillPerSecond: 1, clock }).dispose();
    }
    await collectGarbage();
  }
  assert.deepEqual(
    kept.map((bucket) => [bucket.available, bucket.snapshot().capacity, bucket.snapshot().allowed]),
    kept.map((_, i) => [i, i + 1, 1]),
  );
});

test('breakers that are dropped without a name are collected, and those that somebody uses are not', async () => {
  const clock = new ManualClock();
  const heard = [];
  const refs = [];
  const use = () => {
    for (let i = 0; i < 200; i++) refs.push(new WeakRef(new CircuitBreaker({ clock })));
    const breaker = new CircuitBreaker({ label: 'listened to', consecutiveFailures: 1, clock });
    breaker.on('stateChange', ({ to }) => heard.push(to));
    return breaker.tryAcquire();
  };
  const permit = use();
  await collectGarbage();
  const left = refs.filter((ref) => ref.deref() !== undefined).length;
  assert.equal(left < 20, true, `${left} of 200 are left`);
  permit.failure();
  await collectGarbage();
  assert.deepEqual(heard, ['open']);
});

test('an object that somebody waits on is not collected', async () => {
  const clock = new ManualClock();
  const waiting = [
    new TokenBucket({ ...LIMIT, initialTokens: 0, clock }).acquire(),
    new TokenBucket({ ...LIMIT, initialTokens: 0, clock }).policy({ maxWaitMs: 60_000 }).execute(() => 'ran'),
  ];
  await collectGarbage();
  clock.advance(1_000);
  assert.deepEqual(await Promise.all(waiting), [undefined, 'ran']);
});
