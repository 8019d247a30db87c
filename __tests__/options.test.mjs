// Bad input: every option and argument that is not what it must be gets InvalidOptionError, and changes nothing.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { inspect } from 'node:util';
import {
  AdaptiveThrottle,
  BoundedQueue,
  CircuitBreaker,
  InvalidOptionError,
  list,
  ManualClock,
  RateLimiter,
  RetryBudget,
  retry,
  TokenBucket,
} from 'breakwater';
import { reasonOf } from './helpers/promises.mjs';

const NO_NUMBERS = [null, '5', true, 5n, {}, [], () => {}, Symbol('5')];
const NO_WHOLE_NUMBERS = [...NO_NUMBERS, Number.NaN, Number.POSITIVE_INFINITY, -1, 1.5, -0.5, 2 ** 53, 1e300];
const NO_STRINGS = [null, 5, true, {}, [], () => {}, Symbol('s')];
const NO_OBJECTS = [null, undefined, 5, 'options', true, [], () => {}, Symbol('o')];

/** The classes that can do without options. */
const DEFAULTED = [CircuitBreaker, RetryBudget, AdaptiveThrottle];

/** What a value looks like in the message of a failed assertion. */
const shown = (value) => inspect(value, { breakLength: Infinity });

/** Asserts that `call` throws an InvalidOptionError for `option`. */
function refuses(call, option, value) {
  assert.throws(
    call,
    (error) => error instanceof InvalidOptionError && (option === undefined || error.option === option),
    `${option ?? 'options'}: ${shown(value)}`,
  );
}

const bucketWith = (option, value) => () =>
  new TokenBucket({ capacity: 5, refillPerSecond: 1, [option]: value });
const windowWith = (option, value) => () => new TokenBucket({ limit: 5, windowMs: 1_000, [option]: value });
const limiterWith = (option, value) => () =>
  new RateLimiter({ limits: { limit: 5, windowMs: 1_000 }, [option]: value });
const limitWith = (option, value) => () =>
  new RateLimiter({
    limits: [
      { limit: 5, windowMs: 1_000 },
      { limit: 5, windowMs: 1_000, [option]: value },
    ],
  });

test('TokenBucket checks each of its options', () => {
  const before = list();
  for (const value of [...NO_WHOLE_NUMBERS, 0, 2 ** 32 + 1]) {
    refuses(bucketWith('capacity', value), 'capacity', value);
    refuses(windowWith('limit', value), 'limit', value);
  }
  for (const value of [...NO_NUMBERS, Number.NaN, 0, -1, 1e9 + 1, Number.POSITIVE_INFINITY]) {
    refuses(bucketWith('refillPerSecond', value), 'refillPerSecond', value);
  }
  for (const value of [...NO_NUMBERS, Number.NaN, 0, -1, 180 * 86_400_000 + 1, Number.POSITIVE_INFINITY]) {
    refuses(windowWith('windowMs', value), 'windowMs', value);
  }
  for (const value of [...NO_NUMBERS, Number.NaN, -0.1, 5.1, Number.POSITIVE_INFINITY]) {
    refuses(bucketWith('initialTokens', value), 'initialTokens', value);
  }
  for (const value of [...NO_WHOLE_NUMBERS, 1_000_001])
    refuses(bucketWith('maxWaiters', value), 'maxWaiters', value);
  for (const value of [null, 0, 1, 'true', {}]) refuses(bucketWith('dryRun', value), 'dryRun', value);
  for (const value of NO_STRINGS) {
    refuses(bucketWith('name', value), 'name', value);
    refuses(bucketWith('label', value), 'label', value);
  }
  for (const value of [null, 5, 'clock', {}, [], new Date(), Object.create(ManualClock.prototype)]) {
    refuses(bucketWith('clock', value), 'clock', value);
  }
  assert.deepEqual(list(), before);
});

test('RateLimiter checks each of its options', () => {
  const before = list();
  for (const value of [...NO_WHOLE_NUMBERS, 0, 2 ** 32 + 1])
    refuses(limitWith('limit', value), 'limits[1].limit', value);
  for (const value of [...NO_NUMBERS, Number.NaN, 0, -1])
    refuses(limitWith('windowMs', value), 'limits[1].windowMs', value);
  for (const value of NO_STRINGS) refuses(limitWith('label', value), 'limits[1].label', value);
  refuses(limitWith('windowSeconds', 5), 'limits[1].windowSeconds', 5);
  const one = { limit: 5, windowMs: 1_000 };
  for (const value of [
    undefined,
    null,
    5,
    'limits',
    [],
    {},
    [null],
    [5],
    [[]],
    [one, undefined],
    Array(9).fill(one),
  ]) {
    refuses(limiterWith('limits', value), undefined, value);
  }
  for (const value of [...NO_WHOLE_NUMBERS, 0, 2 ** 28 + 1])
    refuses(limiterWith('maxKeys', value), 'maxKeys', value);
  for (const value of [...NO_WHOLE_NUMBERS, 1_000_001])
    refuses(limiterWith('maxWaiters', value), 'maxWaiters', value);
  for (const value of [...NO_STRINGS, '', 'Admit', 'refuse'])
    refuses(limiterWith('whenFull', value), 'whenFull', value);
  for (const value of [null, 0, 1, 'true', {}]) refuses(limiterWith('dryRun', value), 'dryRun', value);
  for (const value of NO_STRINGS) {
    refuses(limiterWith('name', value), 'name', value);
    refuses(limiterWith('label', value), 'label', value);
  }
  for (const value of [null, 5, 'clock', {}, []]) refuses(limiterWith('clock', value), 'clock', value);
  assert.deepEqual(list(), before);
});

test('a backoff of another kind or with an unknown option is told so, and not that something is no JSON', () => {
  for (const [backoff, option] of [
    [{ kind: 'linear' }, 'backoff.kind'],
    [{}, 'backoff.kind'],
    [{ kind: 'exponential', maxDelay: 5 }, 'backoff.maxDelay'],
    [{ kind: 'exponential', maxMs: '5' }, 'backoff.maxMs'],
    [{ kind: 'exponential', jitter: 'some' }, 'backoff.jitter'],
    [{ kind: 'exponential', factor: 0.5 }, 'backoff.factor'],
    [-1, 'backoff'],
    [null, 'backoff'],
  ]) {
    refuses(() => retry({ backoff }), option, backoff);
  }
});

/** `[option, values that are refused]` of each class that can do without options; CircuitBreaker's: breaker-options.test.mjs. */
const REFUSED = [
  [
    RetryBudget,
    {
      ratio: [...NO_NUMBERS, Number.NaN, -0.1, 1.1],
      minPerSecond: [...NO_NUMBERS, Number.NaN, -1, 1e6 + 1, Number.POSITIVE_INFINITY],
      windowMs: [...NO_NUMBERS, Number.NaN, 0, 99, 86_400_001],
      // There is nothing to run dry, and no chance.
      dryRun: [true],
      seed: [5],
    },
  ],
  [
    AdaptiveThrottle,
    {
      multiplier: [...NO_NUMBERS, Number.NaN, 0.9, 101],
      maxRefusalRate: [...NO_NUMBERS, Number.NaN, -0.1, 1],
      windowMs: [...NO_NUMBERS, Number.NaN, 0, 999, 86_400_001],
      isFailure: [null, 5, 'isFailure', {}, []],
      seed: [...NO_NUMBERS, Number.NaN, Number.POSITIVE_INFINITY],
      dryRun: [null, 0, 1, 'true', {}],
    },
  ],
];

test('RetryBudget and AdaptiveThrottle check each of their options, made and reconfigured', () => {
  const before = list();
  for (const [Class, options] of REFUSED) {
    const common = {
      name: [...NO_STRINGS, ''],
      label: NO_STRINGS,
      clock: [null, 5, 'clock', {}, [], new Date(), Object.create(ManualClock.prototype)],
    };
    const made = new Class();
    for (const [option, values] of Object.entries({ ...options, ...common })) {
      for (const value of values) {
        refuses(() => new Class({ [option]: value }), option, value);
        refuses(() => made.reconfigure({ [option]: value }), option, value);
      }
    }
    for (const value of NO_OBJECTS) refuses(() => made.reconfigure(value), 'options', value);
    refuses(() => made.reconfigure({ windowMs: 20_000 }), 'windowMs', 'a shape');
    assert.deepEqual(made.snapshot(), new Class().snapshot());
  }
  assert.deepEqual(list(), before);
});

test('BoundedQueue checks each of its options', () => {
  const before = list();
  const wrong = {
    capacity: [...NO_NUMBERS, undefined, Number.NaN, 0, -1, 1.5, 2 ** 32 + 1, Number.POSITIVE_INFINITY],
    maxBytes: [...NO_NUMBERS, Number.NaN, 0, 0.5, 2 ** 53, Number.POSITIVE_INFINITY],
    overflow: [...NO_STRINGS, '', 'drop', 'Wait', 'x'.repeat(100)],
    codec: [...NO_STRINGS, '', 'v8'],
    name: [...NO_STRINGS, ''],
    label: NO_STRINGS,
    clock: [null, 5, 'clock', {}, []],
    dryRun: [true],
    maxQueue: [5],
  };
  for (const [option, values] of Object.entries(wrong)) {
    for (const value of values)
      refuses(() => new BoundedQueue({ capacity: 5, [option]: value }), option, value);
  }
  for (const value of NO_OBJECTS) refuses(() => new BoundedQueue(value), 'options', value);
  for (const value of [1, 2 ** 32]) new BoundedQueue({ capacity: value, maxBytes: 2 ** 53 - 1 }).dispose();
  assert.deepEqual(list(), before);
});

test('ManualClock checks its options', () => {
  for (const value of NO_STRINGS) refuses(() => new ManualClock({ name: value }), 'name', value);
  for (const value of [null, 5, 'options', []]) refuses(() => new ManualClock(value), 'options', value);
  refuses(() => new ManualClock({ start: 5 }), 'start', 5);
});

test('the constructors want an object with known keys', () => {
  for (const value of NO_OBJECTS) {
    refuses(() => new TokenBucket(value), 'options', value);
    refuses(() => new RateLimiter(value), 'options', value);
  }
  // These have a default for every option.
  for (const Class of DEFAULTED) {
    for (const value of NO_OBJECTS.filter((one) => one !== undefined)) {
      refuses(() => new Class(value), 'options', value);
    }
    for (const key of ['Window', 'failureRate', '__proto__', 'constructor', '']) {
      refuses(() => new Class(JSON.parse(`{ ${JSON.stringify(key)}: 5 }`)), key, key);
    }
    new Class().dispose();
    new Class(undefined).dispose();
    new Class({}).dispose();
  }
  for (const key of ['refillRate', 'Capacity', 'keyPrefix', '__proto__', 'constructor', 'toString', '']) {
    const own = JSON.parse(`{ ${JSON.stringify(key)}: 5 }`);
    refuses(() => new TokenBucket({ capacity: 5, refillPerSecond: 1, ...own }), key, key);
    const limits = { limit: 5, windowMs: 1_000 };
    refuses(
      () => new RateLimiter(Object.defineProperty({ limits }, key, { value: 5, enumerable: true })),
      key,
      key,
    );
  }
});

test('a limit is of one form, and complete', () => {
  for (const limit of [
    {},
    { capacity: 5 },
    { refillPerSecond: 5 },
    { limit: 5 },
    { windowMs: 5 },
    { capacity: 5, windowMs: 5 },
    { capacity: 5, refillPerSecond: 1, windowMs: 5 },
    { limit: 5, windowMs: 1_000, refillPerSecond: 5 },
    // Fuller than a token a nanosecond, and not full within 180 days.
    { limit: 2 ** 32, windowMs: 1 },
    { capacity: 2 ** 32, refillPerSecond: 1 },
  ]) {
    refuses(() => new TokenBucket(limit), undefined, limit);
    refuses(() => new RateLimiter({ limits: limit }), undefined, limit);
  }
});

test('what an options object inherits does not count, and a getter is asked once', () => {
  refuses(() => new TokenBucket(Object.create({ capacity: 5, refillPerSecond: 1 })), 'capacity', 'inherited');
  refuses(
    () => new TokenBucket(Object.create({ capacity: 'five', refillPerSecond: 1 })),
    'capacity',
    'inherited',
  );
  let asked = 0;
  const bucket = new TokenBucket({
    get capacity() {
      asked += 1;
      return asked === 1 ? 5 : 'five';
    },
    refillPerSecond: 1,
  });
  assert.deepEqual([bucket.snapshot().capacity, asked], [5, 1]);
});

test('undefined counts as not given', () => {
  const bucket = new TokenBucket({
    capacity: 5,
    refillPerSecond: 1,
    limit: undefined,
    windowMs: undefined,
    initialTokens: undefined,
    maxWaiters: undefined,
    name: undefined,
    label: undefined,
    dryRun: undefined,
    clock: undefined,
  });
  assert.equal(bucket.available, 5);
  const limiter = new RateLimiter({
    limits: { limit: 5, windowMs: 1, label: undefined },
    maxKeys: undefined,
    whenFull: undefined,
  });
  assert.equal(limiter.tryAcquire('key', undefined), true);
});

test('a name is 1 to 128 characters', () => {
  for (const name of ['', 'n'.repeat(129), 'n'.repeat(10_000_000)]) {
    refuses(bucketWith('name', name), 'name', `${name.length} characters`);
    refuses(limiterWith('name', name), 'name', `${name.length} characters`);
    refuses(() => new ManualClock({ name }), 'name', `${name.length} characters`);
    for (const Class of DEFAULTED) refuses(() => new Class({ name }), 'name', `${name.length} characters`);
    for (const Class of [TokenBucket, RateLimiter, ...DEFAULTED]) assert.equal(Class.find(name), undefined);
  }
  for (const name of [
    'n',
    'n'.repeat(128),
    'ä'.repeat(128),
    'a\0b',
    '{"name": "x"}',
    'two words',
    '\u{1F600}'.repeat(64),
  ]) {
    const bucket = bucketWith('name', name)();
    assert.equal(bucket.snapshot().name, name);
    assert.equal(
      list().some((one) => one.kind === 'bucket' && one.name === name),
      true,
    );
    const found = TokenBucket.find(name);
    assert.equal(found.snapshot().name, name);
    bucket.dispose();
    found.dispose();
    assert.equal(
      list().some((one) => one.name === name),
      false,
    );
  }
  for (const Class of [TokenBucket, RateLimiter, ...DEFAULTED]) {
    for (const name of [undefined, ...NO_STRINGS]) refuses(() => Class.find(name), 'name', name);
  }
});

test('the methods of a bucket check their arguments', async () => {
  const clock = new ManualClock();
  const bucket = new TokenBucket({ capacity: 5, refillPerSecond: 1, initialTokens: 3, clock });
  const before = bucket.snapshot();
  for (const tokens of NO_WHOLE_NUMBERS) {
    refuses(() => bucket.tryAcquire(tokens), 'tokens', tokens);
    refuses(() => bucket.refund(tokens), 'tokens', tokens);
    refuses(() => bucket.penalize(tokens), 'tokens', tokens);
    refuses(() => bucket.retryAfterMs(tokens), 'tokens', tokens);
    const error = await reasonOf(bucket.acquire(tokens));
    assert.ok(error instanceof InvalidOptionError && error.option === 'tokens', shown(tokens));
    const policy = bucket.policy({ cost: () => tokens, maxWaitMs: 10 });
    assert.ok((await reasonOf(policy.execute(() => {}))) instanceof InvalidOptionError, shown(tokens));
  }
  for (const tokens of [undefined]) {
    refuses(() => bucket.refund(tokens), 'tokens', tokens);
    refuses(() => bucket.penalize(tokens), 'tokens', tokens);
  }
  for (const options of badWaitOptions()) {
    assert.ok((await reasonOf(bucket.acquire(1, options))) instanceof InvalidOptionError, shown(options));
  }
  for (const options of badPolicyOptions()) refuses(() => bucket.policy(options), undefined, options);
  assert.deepEqual(bucket.snapshot(), before);
  assert.equal(clock.pending, 0);
});

test('the methods of a limiter check their arguments', async () => {
  const clock = new ManualClock();
  const limits = [
    { limit: 5, windowMs: 1_000 },
    { limit: 50, windowMs: 1_000 },
  ];
  const limiter = new RateLimiter({ limits, clock });
  limiter.consume('key', 3);
  const before = [limiter.snapshot(), limiter.peek('key')];
  const calls = {
    tryAcquire: (...args) => limiter.tryAcquire(...args),
    consume: (...args) => limiter.consume(...args),
    peek: (...args) => limiter.peek(...args),
    refund: (...args) => limiter.refund(...args),
    penalize: (...args) => limiter.penalize(...args),
  };
  const badCosts = [
    ...NO_WHOLE_NUMBERS,
    [1],
    [1, 2, 3],
    [1, Number.NaN],
    [1, -1],
    [1, '2'],
    [1, undefined],
    new Array(2),
  ];
  for (const call of Object.values(calls)) {
    for (const key of [undefined, ...NO_STRINGS]) refuses(() => call(key), 'key', key);
    for (const cost of badCosts) refuses(() => call('key', cost), undefined, cost);
  }
  for (const key of [undefined, ...NO_STRINGS]) {
    refuses(() => limiter.block(key, 5), 'key', key);
    refuses(() => limiter.reset(key), 'key', key);
    assert.equal((await reasonOf(limiter.acquire(key))).option, 'key', shown(key));
  }
  for (const ms of [
    undefined,
    ...NO_NUMBERS,
    Number.NaN,
    0,
    -1,
    180 * 86_400_000 + 1,
    Number.POSITIVE_INFINITY,
  ]) {
    refuses(() => limiter.block('key', ms), 'ms', ms);
  }
  for (const cost of badCosts) {
    assert.ok((await reasonOf(limiter.acquire('key', cost))) instanceof InvalidOptionError, shown(cost));
    const policy = limiter.policy({ key: 'key', cost: () => cost });
    assert.ok((await reasonOf(policy.execute(() => {}))) instanceof InvalidOptionError, shown(cost));
  }
  for (const options of badWaitOptions()) {
    assert.ok(
      (await reasonOf(limiter.acquire('key', 1, options))) instanceof InvalidOptionError,
      shown(options),
    );
  }
  for (const options of badPolicyOptions()) {
    refuses(() => limiter.policy(options), undefined, options);
    if (typeof options === 'object' && options !== null)
      refuses(() => limiter.policy({ key: 'key', ...options, x: 1 }), undefined, options);
  }
  for (const key of [undefined, ...NO_STRINGS.filter((one) => typeof one !== 'function')]) {
    refuses(() => limiter.policy({ key }), 'key', key);
  }
  assert.deepEqual([limiter.snapshot(), limiter.peek('key')], before);
  assert.equal(clock.pending, 0);
});

function badWaitOptions() {
  const signals = [null, 5, 'signal', {}, [], new EventTarget(), { aborted: false, addEventListener() {} }];
  return [
    null,
    5,
    'options',
    [],
    () => {},
    { timeoutMs: 5 },
    ...signals.map((signal) => ({ signal })),
    ...[...NO_NUMBERS, Number.NaN, -1].map((maxWaitMs) => ({ maxWaitMs })),
  ];
}

function badPolicyOptions() {
  return [
    null,
    5,
    'options',
    [],
    { cost: 5 },
    { cost: null },
    { tokens: 5 },
    ...[...NO_NUMBERS, Number.NaN, -1].map((maxWaitMs) => ({ maxWaitMs })),
  ];
}

test('a method called on anything else throws InvalidOptionError, or rejects with it where it gives a promise', async () => {
  const classes = [
    [TokenBucket, () => new TokenBucket({ capacity: 1, refillPerSecond: 1 })],
    [RateLimiter, () => new RateLimiter({ limits: { limit: 1, windowMs: 1_000 } })],
    [ManualClock, () => new ManualClock()],
    ...DEFAULTED.map((Class) => [Class, () => new Class()]),
  ];
  const promising = new Set(['acquire', 'execute', 'advanceAsync']);
  let methods = 0;
  for (const [Class] of classes) {
    const strangers = classes.filter(([other]) => other !== Class).map(([, make]) => make());
    const wrong = [
      undefined,
      null,
      5,
      'this',
      {},
      [],
      () => {},
      Class,
      Class.prototype,
      Object.create(Class.prototype),
      ...strangers,
    ];
    for (const key of Reflect.ownKeys(Class.prototype)) {
      if (key === 'constructor') continue;
      const { get, value } = Object.getOwnPropertyDescriptor(Class.prototype, key);
      methods += 1;
      for (const self of wrong) {
        const call = () => (get ?? value).call(self, 'argument', 'argument');
        if (promising.has(key)) {
          assert.ok(
            (await reasonOf(call())) instanceof InvalidOptionError,
            `${Class.name}.${String(key)} on ${typeof self}`,
          );
        } else {
          assert.throws(call, InvalidOptionError, `${Class.name}.${String(key)} on ${typeof self}`);
        }
      }
    }
  }
  assert.equal(methods >= 60, true, `${methods} methods`);
});

test('the static methods need no this', () => {
  for (const { find } of [TokenBucket, RateLimiter, ...DEFAULTED]) {
    assert.equal(find('options.test:nobody'), undefined);
  }
});
