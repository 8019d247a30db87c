// pipeline: policies inside policies, those of users among them. The recommended order, end to end: pipeline-whole.test.mjs.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { inspect } from 'node:util';
import {
  AdaptiveThrottle,
  CircuitBreaker,
  fallback,
  hedge,
  InvalidOptionError,
  ManualClock,
  pipeline,
  RateLimiter,
  RetryBudget,
  retry,
  TimeoutError,
  TokenBucket,
  timeout,
} from 'breakwater';
import { manual, never, outcomes } from './helpers/calls.mjs';
import { continuations, reasonOf, watched } from './helpers/promises.mjs';
import './helpers/rejections.mjs';

/** A user’s own policy: it writes down when a call comes in and goes out. */
class Noted {
  constructor(name, notes) {
    this.name = name;
    this.notes = notes;
  }

  async execute(fn, options) {
    this.options = options;
    this.notes.push(`${this.name} in`);
    try {
      return await fn({ signal: options?.signal, attempt: 1, remainingMs: Infinity, context: undefined });
    } finally {
      this.notes.push(`${this.name} out`);
    }
  }

  wrap(fn) {
    return (...args) => this.execute(() => fn(...args));
  }
}

test('the first policy is the outermost', async () => {
  const notes = [];
  const [a, b, c] = ['a', 'b', 'c'].map((name) => new Noted(name, notes));
  assert.equal(await pipeline(a, b, c).execute(() => notes.push('called')), 4);
  assert.deepEqual(notes, ['a in', 'b in', 'c in', 'called', 'c out', 'b out', 'a out']);
});

test('policies of this package and of users go between each other', async () => {
  const clock = new ManualClock();
  const notes = [];
  const [a, b] = ['a', 'b'].map((name) => new Noted(name, notes));
  const fn = outcomes(new Error('down'), 'up');
  assert.equal(await pipeline(a, retry({ backoff: 0, clock }), b).execute(fn), 'up');
  assert.deepEqual(notes, ['a in', 'b in', 'b out', 'b in', 'b out', 'a out']);
});

test('a pipeline of none is the function alone, of one that policy', async () => {
  assert.equal(await pipeline().execute(() => 'value'), 'value');
  assert.equal((await reasonOf(pipeline().execute(() => Promise.reject(new Error('down'))))).message, 'down');
  assert.equal(await pipeline().execute((call) => call.attempt, { timeoutMs: 1_000 }), 1);
  assert.equal(await pipeline(fallback('cached')).execute(() => Promise.reject(new Error('down'))), 'cached');
});

test('pipelines in pipelines are as if their policies stood there', async () => {
  const clock = new ManualClock();
  const make = (notes) => ['a', 'b', 'c', 'd'].map((name) => new Noted(name, notes));
  const shapes = [
    ([a, b, c, d]) => pipeline(a, b, c, d),
    ([a, b, c, d]) => pipeline(pipeline(a, b), pipeline(c, d)),
    ([a, b, c, d]) => pipeline(a, pipeline(b, pipeline(c, pipeline(d)))),
    ([a, b, c, d]) => pipeline(pipeline(), pipeline(pipeline(pipeline(a), b), c), pipeline(), d),
  ];
  const all = [];
  for (const shape of shapes) {
    const notes = [];
    const policy = pipeline(shape(make(notes)), timeout({ ms: 100, clock }));
    assert.equal(await policy.execute(({ remainingMs }) => remainingMs), 100);
    all.push(notes);
  }
  for (const notes of all) assert.deepEqual(notes, all[0]);
});

test('one policy may stand in several pipelines, and twice in one', async () => {
  const clock = new ManualClock();
  const bucket = new TokenBucket({ capacity: 3, refillPerSecond: 0.001, clock });
  const [one, two] = [pipeline(bucket, fallback('a')), pipeline(fallback('b'), bucket, bucket)];
  assert.deepEqual([await one.execute(() => 'ran'), await two.execute(() => 'ran')], ['ran', 'ran']);
  assert.equal(bucket.available, 0);
  assert.equal(await two.execute(() => 'ran'), 'b');
});

test('a user’s policy gets the options of the call but the time, and the signal of what is around it', async () => {
  const clock = new ManualClock();
  const policy = new Noted('a', []);
  const onDiscard = () => {};
  const context = {};
  const given = { context, idempotent: false, key: 'key', priority: 3, weight: 2, onDiscard };
  await pipeline(policy).execute(() => {}, given);
  assert.deepEqual(policy.options, given);
  const fn = manual();
  const outcome = watched(
    pipeline(timeout({ ms: 100, clock }), policy).execute(fn, { ...given, timeoutMs: 5_000 }),
  );
  const { signal, ...others } = policy.options;
  assert.deepEqual(others, given);
  assert.equal(signal.aborted, false);
  await clock.advanceAsync(100);
  assert.equal(signal.reason, outcome.error);
  assert.equal(fn.calls[0].call.signal.reason, outcome.error);
});

test('a user’s policy may forget to pass the call on', async () => {
  const clock = new ManualClock();
  const forgetful = { execute: async (fn) => fn(), wrap: undefined };
  const context = {};
  const fn = manual();
  const policy = pipeline(retry({ clock }), forgetful, timeout({ ms: 500, clock }));
  const controller = new AbortController();
  const outcome = watched(policy.execute(fn, { context, signal: controller.signal, timeoutMs: 900 }));
  const { call } = fn.calls[0];
  assert.deepEqual([call.attempt, call.remainingMs, call.context], [1, 500, context]);
  controller.abort('gone');
  await continuations();
  assert.deepEqual([outcome.error, call.signal.reason], ['gone', 'gone']);
});

test('a user’s policy may give something else, and never call', async () => {
  let calls = 0;
  const fn = () => ++calls;
  assert.equal(await pipeline({ execute: async () => 'cached' }, retry()).execute(fn), 'cached');
  assert.equal(await pipeline(retry(), { execute: () => 'no promise' }).execute(fn), 'no promise');
  const twice = { execute: async (next) => [await next(), await next()] };
  assert.deepEqual(await pipeline(twice).execute(fn), [1, 2]);
  // biome-ignore lint/suspicious/noThenProperty: a thenable is what this is about
  const thenable = { execute: (next) => ({ then: (resolve) => resolve(next()) }) };
  assert.equal(await pipeline(thenable).execute(fn), 3);
});

test('what a user’s policy throws is a failure like any other', async () => {
  const clock = new ManualClock();
  let calls = 0;
  const broken = {
    execute(fn) {
      calls += 1;
      if (calls < 3) throw new Error('broken');
      return fn();
    },
  };
  assert.equal(await pipeline(retry({ backoff: 0, clock }), broken).execute(() => 'ran'), 'ran');
  assert.equal(calls, 3);
});

test('a user’s policy may end its part of the call by a signal of its own', async () => {
  const clock = new ManualClock();
  const controller = new AbortController();
  const impatient = {
    execute: (fn) =>
      Promise.race([
        fn({ signal: controller.signal }),
        new Promise((resolve) => {
          done = resolve;
        }),
      ]),
  };
  let done;
  const breaker = new CircuitBreaker({ clock });
  const fn = manual();
  const outcome = watched(pipeline(impatient, breaker).execute(fn));
  controller.abort('too slow');
  done('something else');
  await continuations();
  assert.equal(outcome.value, 'something else');
  assert.equal(fn.calls[0].call.signal.reason, 'too slow');
  // The breaker inside heard of it at once, and not as a failure.
  assert.equal(breaker.snapshot().ignored, 1);
});

test('a user’s policy that goes on with a call that is over starts nothing', async () => {
  const clock = new ManualClock();
  const breaker = new CircuitBreaker({ consecutiveFailures: 1, openMs: 100, clock });
  const bucket = new TokenBucket({ capacity: 5, refillPerSecond: 1, clock });
  breaker.forceOpen();
  clock.advance(100);
  let go;
  const stubborn = {
    async execute(fn) {
      await new Promise((resolve) => {
        go = resolve;
      });
      return fn();
    },
  };
  const fn = manual();
  const controller = new AbortController();
  const policy = pipeline(stubborn, breaker, bucket);
  const outcome = watched(policy.execute(fn, { signal: controller.signal }));
  controller.abort('gone');
  go();
  await continuations();
  assert.deepEqual([outcome.error, fn.calls.length], ['gone', 0]);
  assert.deepEqual([breaker.snapshot().probes, bucket.available], [0, 5]);
});

test('a refusal inside a breaker is no failure, and gives the probe back', async () => {
  const clock = new ManualClock();
  const breaker = new CircuitBreaker({ consecutiveFailures: 1, openMs: 100, clock });
  const inside = {
    'a bucket': () => new TokenBucket({ capacity: 1, refillPerSecond: 1, initialTokens: 0, clock }),
    'a limiter': () => {
      const limiter = new RateLimiter({ limits: { limit: 1, windowMs: 1_000 }, clock });
      limiter.tryAcquire('key');
      return limiter.policy({ key: 'key' });
    },
    'another breaker': () => {
      const other = new CircuitBreaker({ clock });
      other.forceOpen();
      return other;
    },
    'a retry of a refusal': () =>
      pipeline(
        retry({ clock }),
        new TokenBucket({ capacity: 1, refillPerSecond: 1, initialTokens: 0, clock }),
      ),
  };
  for (const [name, make] of Object.entries(inside)) {
    const refusing = pipeline(breaker, make());
    for (let i = 0; i < 5; i += 1) await reasonOf(refusing.execute(() => 'ran'));
    assert.deepEqual([breaker.state, breaker.snapshot().failed], ['closed', 0], name);
    breaker.forceOpen();
    clock.advance(5_000);
    assert.equal(breaker.state, 'halfOpen');
    for (let i = 0; i < 5; i += 1) await reasonOf(pipeline(breaker, make()).execute(() => 'ran'));
    assert.deepEqual([breaker.state, breaker.snapshot().probes], ['halfOpen', 0], name);
    assert.equal(await breaker.execute(() => 'ran'), 'ran');
    assert.equal(breaker.state, 'closed');
  }
});

test('a spent budget inside a breaker leaves the real error, which counts once', async () => {
  const clock = new ManualClock();
  const budget = new RetryBudget({ ratio: 0, minPerSecond: 0, clock });
  const breaker = new CircuitBreaker({ clock });
  const policy = pipeline(breaker, retry({ budget, clock }), hedge({ delayMs: 10, budget, clock }));
  const fn = outcomes(new Error('down'));
  assert.equal((await reasonOf(policy.execute(fn))).message, 'down');
  const { calls, failures, ignored } = breaker.snapshot();
  assert.deepEqual([fn.calls.length, calls, failures, ignored], [1, 1, 1, 0]);
});

test('a breaker outside a retry sees one call, inside each attempt', async () => {
  const clock = new ManualClock();
  for (const [order, calls] of [
    ['outside', 1],
    ['inside', 3],
  ]) {
    const breaker = new CircuitBreaker({ clock });
    const tries = retry({ backoff: 0, clock });
    const policy = order === 'outside' ? pipeline(breaker, tries) : pipeline(tries, breaker);
    await reasonOf(policy.execute(outcomes(new Error('down'))));
    assert.equal(breaker.snapshot().failures, calls, order);
  }
});

test('with a breaker inside, a refusal ends the attempts', async () => {
  const clock = new ManualClock();
  const breaker = new CircuitBreaker({ consecutiveFailures: 2, clock });
  const fn = outcomes(new Error('down'));
  const outcome = watched(pipeline(retry({ maxAttempts: 9, backoff: 10, clock }), breaker).execute(fn));
  await clock.advanceAsync(1_000);
  assert.deepEqual([outcome.error.code, fn.calls.length], ['ERR_CIRCUIT_OPEN', 2]);
});

test('a throttle inside a breaker refuses without failing it, and hears of each call', async () => {
  const clock = new ManualClock();
  const throttle = new AdaptiveThrottle({ seed: 1, clock });
  const breaker = new CircuitBreaker({ failureRateThreshold: false, clock });
  const policy = pipeline(breaker, throttle);
  for (let i = 0; i < 200; i += 1) await reasonOf(policy.execute(() => Promise.reject(new Error('down'))));
  const { allowed, refused } = throttle.snapshot();
  assert.equal(refused > 100, true);
  const { failed, ignored } = breaker.snapshot();
  assert.deepEqual([failed, ignored], [allowed, refused]);
});

test('timeoutMs runs on the clock of the first policy that has one', async () => {
  const [clock, other] = [new ManualClock(), new ManualClock()];
  const policy = pipeline(
    fallback('cached'),
    pipeline(),
    retry({ clock }),
    timeout({ ms: 50, clock: other }),
  );
  const outcome = watched(policy.execute(never, { timeoutMs: 10 }));
  other.advance(49);
  await clock.advanceAsync(10);
  assert.ok(outcome.error instanceof TimeoutError);
});

test('many calls through one pipeline at once do not meet', async () => {
  const clock = new ManualClock();
  const notes = [];
  const policy = pipeline(
    retry({ backoff: 10, clock }),
    new Noted('a', notes),
    hedge({ delayMs: 5, clock }),
    timeout({ ms: 8, clock }),
  );
  const fn = async ({ context, attempt }) => {
    // The first call of each hangs, its hedge fails for the odd ones, and they are tried again.
    if (!context.began) {
      context.began = true;
      return never();
    }
    if (context.id % 2 === 1 && !context.failed) {
      context.failed = true;
      throw new Error('down');
    }
    return [context.id, attempt];
  };
  const all = Array.from({ length: 100 }, (_, id) => watched(policy.execute(fn, { context: { id } })));
  await clock.advanceAsync(1_000);
  assert.deepEqual(
    all.map(({ value }) => value[0]),
    all.map((_, id) => id),
  );
  assert.equal(notes.filter((note) => note === 'a in').length, 150);
  assert.equal(clock.pending, 0);
});

test('a function may call the pipeline it runs in', async () => {
  const policy = pipeline(fallback('cached'), retry());
  const depth = (n) => policy.execute(() => (n === 0 ? 0 : depth(n - 1).then((below) => below + 1)));
  assert.equal(await depth(50), 50);
});

test('wrap keeps this and the arguments', async () => {
  const object = {
    factor: 3,
    times: pipeline(retry(), timeout({ ms: 1_000 })).wrap(function (value) {
      return this.factor * value;
    }),
  };
  assert.equal(await object.times(5), 15);
});

test('says which of its arguments is no policy', async () => {
  const policy = retry();
  for (const wrong of [
    undefined,
    null,
    5,
    'retry',
    true,
    {},
    [policy],
    retry,
    () => {},
    { execute: 5 },
    new RetryBudget(),
  ]) {
    assert.throws(
      () => pipeline(policy, wrong),
      (error) => error instanceof InvalidOptionError && error.option === 'policies[1]',
      inspect(wrong),
    );
  }
  assert.throws(() => pipeline({}), { message: 'policies[0] must be a policy, got an object' });
  const error = await reasonOf(pipeline(policy).execute());
  assert.deepEqual([error.option, error.kind], ['fn', 'pipeline']);
  assert.throws(() => pipeline(policy).wrap(null), { option: 'fn' });
});
