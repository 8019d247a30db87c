// retry: what is tried again, when, how often, and how it ends. Retry-After: retry-after.test.mjs. Delays: backoff.test.mjs.
import assert from 'node:assert/strict';
import { AsyncLocalStorage } from 'node:async_hooks';
import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import { test } from 'node:test';
import {
  CircuitBreaker,
  InvalidOptionError,
  ManualClock,
  pipeline,
  RetryBudget,
  retry,
  TokenBucket,
  timeout,
} from 'breakwater';
import { never, outcomes } from './helpers/calls.mjs';
import { collectGarbage } from './helpers/memory.mjs';
import { runScript } from './helpers/processes.mjs';
import { reasonOf, stateOf, watched } from './helpers/promises.mjs';
import './helpers/rejections.mjs';
import { countedSignal } from './helpers/signals.mjs';

const down = (n) => new Error(`down ${n}`);
const attemptsOf = ({ calls }) => calls.map(({ attempt }) => attempt);

/** Executes on a clock of its own, and lets a minute pass: what became of it, and the clock. */
async function run(options, fn, given) {
  const clock = new ManualClock();
  const outcome = watched(retry({ backoff: 100, clock, ...options }).execute(fn, given));
  await clock.advanceAsync(60_000);
  assert.equal(clock.pending, 0, 'a timer is left');
  return { ...outcome, clock };
}

/** The kinds of error, and whether they are retried by default. */
const refusal = async () => {
  const clock = new ManualClock();
  return reasonOf(
    new TokenBucket({ capacity: 1, refillPerSecond: 1, initialTokens: 0, clock }).execute(never),
  );
};
const open = async () => {
  const breaker = new CircuitBreaker({ clock: new ManualClock() });
  breaker.forceOpen();
  return reasonOf(breaker.execute(never));
};
const disposed = async () => {
  const bucket = new TokenBucket({ capacity: 1, refillPerSecond: 1 });
  bucket.dispose();
  return reasonOf(bucket.execute(never));
};
const misuse = () => reasonOf(retry().execute('no function'));
const ourTimeout = async () => {
  const clock = new ManualClock();
  const promise = timeout({ ms: 5, clock }).execute(never);
  clock.advance(5);
  return reasonOf(promise);
};

test('gives the first success, and tries no more', async () => {
  const fn = outcomes(down(1), down(2), 'up');
  const { value, clock } = await run({ maxAttempts: 10 }, fn);
  assert.equal(value, 'up');
  assert.deepEqual(attemptsOf(fn), [1, 2, 3]);
  assert.equal(clock.now, 60_000);
});

test('what succeeds at once is given at once, without a timer', async () => {
  const clock = new ManualClock();
  const policy = retry({ clock });
  for (const value of ['value', undefined, null, 0, false]) {
    assert.equal(await policy.execute(() => value), value);
    assert.equal(await policy.execute(async () => value), value);
  }
  assert.equal(clock.pending, 0);
});

test('by default three attempts are made, and the caller gets the error of the last', async () => {
  const errors = [down(1), down(2), down(3)];
  const fn = outcomes(...errors);
  const { error } = await run({}, fn);
  assert.equal(error, errors[2]);
  assert.deepEqual(attemptsOf(fn), [1, 2, 3]);
});

test('maxAttempts counts the first attempt: 1 retries nothing', async () => {
  const fn = outcomes(down(1));
  const { error } = await run({ maxAttempts: 1, retryIf: () => true }, fn);
  assert.equal(error.message, 'down 1');
  assert.equal(fn.calls.length, 1);
});

test('with maxAttempts Infinity it goes on until it succeeds', async () => {
  const fn = outcomes(...Array.from({ length: 400 }, (_, i) => down(i)), 'up');
  const { value } = await run({ maxAttempts: Infinity }, fn);
  assert.equal(value, 'up');
  assert.equal(fn.calls.length, 401);
});

test('what is thrown or rejected by a thenable is tried again as well', async () => {
  let calls = 0;
  const { value } = await run({}, () => {
    calls += 1;
    if (calls === 1) throw down(1);
    // biome-ignore lint/suspicious/noThenProperty: a thenable is what this is about
    if (calls === 2) return { then: (_, reject) => reject(down(2)) };
    return 'up';
  });
  assert.equal(value, 'up');
});

test('by default any error is retried but refusals, aborts and misuse', async () => {
  const aborted = new DOMException('gone', 'AbortError');
  const retried = {
    'an Error': down(1),
    'a TypeError': new TypeError('fetch failed'),
    'our TimeoutError': await ourTimeout(),
    'the platform’s TimeoutError': new DOMException('slow', 'TimeoutError'),
    'a string': 'down',
    undefined: undefined,
    null: null,
    'an object': { code: 503 },
  };
  const final = {
    'a bucket’s refusal': await refusal(),
    'a breaker’s refusal': await open(),
    'an AbortError': aborted,
    'an Error by the name of AbortError': Object.assign(new Error('gone'), { name: 'AbortError' }),
    'a disposed object': await disposed(),
    'a wrong option': await misuse(),
  };
  for (const [expected, errors] of [
    [3, retried],
    [1, final],
  ]) {
    for (const [name, thrown] of Object.entries(errors)) {
      const fn = outcomes(() => Promise.reject(thrown));
      const { state, error } = await run({}, fn);
      assert.deepEqual([state, error, fn.calls.length], ['rejected', thrown, expected], name);
    }
  }
});

test('retryIf alone decides of errors, refusals among them', async () => {
  for (const error of [await refusal(), await misuse(), down(1)]) {
    const yes = outcomes(() => Promise.reject(error));
    const no = outcomes(() => Promise.reject(error));
    // The longest of these asks for a second.
    await run({ retryIf: () => true }, yes);
    await run({ retryIf: () => false }, no);
    assert.deepEqual([yes.calls.length, no.calls.length], [3, 1]);
  }
});

test('retryIf is asked about the error or the result, with the call', async () => {
  const asked = [];
  const error = down(1);
  const context = { any: 'thing' };
  const retryIf = (error, result, call) => {
    asked.push([error, result, call.attempt, call.context]);
    return result !== 'good';
  };
  const { value } = await run({ retryIf }, outcomes(error, 'bad', 'good'), { context });
  assert.equal(value, 'good');
  assert.deepEqual(asked, [
    [error, undefined, 1, context],
    [undefined, 'bad', 2, context],
    [undefined, 'good', 3, context],
  ]);
});

test('attempts that end on a result give it, and results before it are discarded', async () => {
  const discarded = [];
  const onDiscard = (value) => discarded.push(value);
  const fn = outcomes('bad 1', down(2), 'bad 3');
  const { state, value } = await run({ retryIf: () => true }, fn, { onDiscard });
  assert.deepEqual([state, value], ['fulfilled', 'bad 3']);
  assert.deepEqual(discarded, ['bad 1']);
});

test('a synchronous result is retried and discarded like any other', async () => {
  const discarded = [];
  let calls = 0;
  const options = { retryIf: (_, result) => result < 3 };
  const { value } = await run(options, () => ++calls, { onDiscard: (value) => discarded.push(value) });
  assert.equal(value, 3);
  assert.deepEqual(discarded, [1, 2]);
});

test('what retryIf throws is the caller’s error at once, of whichever attempt it was asked', async () => {
  for (const those of [
    [down(1)],
    ['a result'],
    [down(1), down(2)],
    [down(1), 'a result'],
    ['a result', down(2)],
    ['a result', 'another'],
  ]) {
    const fn = outcomes(...those);
    let asked = 0;
    const retryIf = () => {
      asked += 1;
      if (asked === those.length) throw new Error('of retryIf');
      return true;
    };
    const { error } = await run({ maxAttempts: 5, retryIf }, fn);
    assert.equal(error.message, 'of retryIf');
    assert.deepEqual([fn.calls.length, asked], [those.length, those.length]);
  }
});

test('waits between attempts, and not before the first or after the last', async () => {
  const clock = new ManualClock();
  const at = [];
  const promise = retry({ maxAttempts: 3, backoff: 250, clock }).execute(async () => {
    at.push(clock.now);
    throw down(at.length);
  });
  const outcome = watched(promise);
  await clock.advanceAsync(499.999);
  assert.deepEqual([at, outcome.state], [[0, 250], 'pending']);
  await clock.advanceAsync(0.001);
  assert.deepEqual([at, outcome.state], [[0, 250, 500], 'rejected']);
});

test('a backoff of 0 tries again without waiting', async () => {
  const fn = outcomes(down(1), down(2), 'up');
  const clock = new ManualClock();
  assert.equal(await retry({ backoff: 0, clock }).execute(fn), 'up');
  assert.equal(clock.pending, 0);
});

test('by default it waits up to 100 ms, then up to 200, and so on up to 10 s', async () => {
  const delays = [];
  const policy = {
    backoff: undefined,
    maxAttempts: 12,
    seed: 5,
    onRetry: ({ delayMs }) => delays.push(delayMs),
  };
  await run(policy, outcomes(down(1)));
  assert.equal(delays.length, 11);
  assert.equal(new Set(delays).size, 11);
  for (const [i, delay] of delays.entries()) {
    assert.equal(delay >= 0 && delay < Math.min(100 * 2 ** i, 10_000), true, `delay ${i + 1}: ${delay}`);
  }
});

test('onRetry is told before each wait: the attempt, the delay, the error or the result', async () => {
  const clock = new ManualClock();
  const told = [];
  const onRetry = (event) => told.push({ ...event, at: clock.now });
  const backoff = { kind: 'exponential', jitter: 'none' };
  const error = down(1);
  const retryIf = (_, result) => result !== 'good';
  const policy = retry({ backoff, clock, onRetry, retryIf });
  const outcome = watched(policy.execute(outcomes(error, 'bad', 'good')));
  await clock.advanceAsync(1_000);
  assert.equal(outcome.value, 'good');
  assert.deepEqual(told, [
    { attempt: 1, delayMs: 100, error, result: undefined, at: 0 },
    { attempt: 2, delayMs: 200, error: undefined, result: 'bad', at: 100 },
  ]);
});

test('what onRetry or onDiscard throws is an uncaught exception, and the retries go on', async () => {
  const { code, stdout, stderr } = await runScript(`
    import { retry } from 'breakwater';
    process.on('uncaughtException', ({ message }) => console.log('uncaught:', message));
    let calls = 0;
    const policy = retry({
      backoff: 1,
      retryIf: (_, result) => result < 3,
      onRetry: ({ attempt }) => { throw new Error('of onRetry ' + attempt); },
    });
    const onDiscard = (value) => { throw new Error('of onDiscard ' + value); };
    console.log(await policy.execute(() => ++calls, { onDiscard }));
  `);
  assert.deepEqual([code, stderr], [0, '']);
  assert.deepEqual(stdout.trim().split('\n'), [
    'uncaught: of onRetry 1',
    'uncaught: of onDiscard 1',
    'uncaught: of onRetry 2',
    'uncaught: of onDiscard 2',
    '3',
  ]);
});

test('retries are published on a diagnostics channel', async () => {
  const published = [];
  const listener = (message) => published.push(message);
  subscribe('breakwater:retry:retried', listener);
  await run({ backoff: 50 }, outcomes(down(1), down(2), 'up'));
  unsubscribe('breakwater:retry:retried', listener);
  await run({ backoff: 50 }, outcomes(down(1), 'up'));
  assert.deepEqual(published, [
    { attempt: 1, delayMs: 50 },
    { attempt: 2, delayMs: 50 },
  ]);
});

test('each attempt has a call of its own: its number, what is left of the time, a signal', async () => {
  const clock = new ManualClock();
  const seen = [];
  const context = {};
  const fn = (call) => {
    seen.push([call.attempt, call.remainingMs, call.context, call.signal]);
    if (call.attempt < 3) throw down(call.attempt);
    return 'up';
  };
  const outcome = watched(retry({ backoff: 100, clock }).execute(fn, { timeoutMs: 1_000, context }));
  await clock.advanceAsync(500);
  assert.equal(outcome.value, 'up');
  assert.deepEqual(
    seen.map(([attempt, remaining, own]) => [attempt, remaining, own === context]),
    [
      [1, 1_000, true],
      [2, 900, true],
      [3, 800, true],
    ],
  );
  const signals = seen.map(([, , , signal]) => signal);
  assert.equal(new Set(signals).size, 3);
  assert.equal(
    signals.some(({ aborted }) => aborted),
    false,
  );
});

test('what is not idempotent is retried only where retryIf says so', async () => {
  const once = { idempotent: false };
  const unasked = outcomes(down(1));
  assert.equal((await run({}, unasked, once)).error.message, 'down 1');
  const asked = outcomes(down(1));
  await run({ retryIf: () => true }, asked, once);
  const refused = outcomes(down(1));
  await run({ retryIf: () => false }, refused, once);
  assert.deepEqual([unasked.calls.length, asked.calls.length, refused.calls.length], [1, 3, 1]);
});

test('a retry inside a retry makes its attempts for each of the outer one, counted from 1', async () => {
  const clock = new ManualClock();
  const fn = outcomes(down(1));
  const [outer, inner] = [2, 3].map((maxAttempts) => retry({ maxAttempts, backoff: 100, clock }));
  const outcome = watched(pipeline(outer, inner).execute(fn));
  await clock.advanceAsync(10_000);
  assert.equal(outcome.error.message, 'down 1');
  assert.deepEqual(attemptsOf(fn), [1, 2, 3, 1, 2, 3]);
});

test('every attempt runs in the async context of the call', async () => {
  const clock = new ManualClock();
  const storage = new AsyncLocalStorage();
  const policy = retry({ backoff: 100, clock });
  const seen = [];
  const fn = async ({ attempt }) => {
    seen.push(storage.getStore());
    if (attempt < 3) throw down(attempt);
  };
  const all = ['a', 'b'].map((id) => storage.run(id, () => policy.execute(fn, { timeoutMs: 5_000 })));
  await storage.run('whoever advances the clock', () => clock.advanceAsync(1_000));
  await Promise.all(all);
  assert.deepEqual(seen, ['a', 'b', 'a', 'b', 'a', 'b']);
});

test('ten thousand attempts hold on to no more than one', async () => {
  for (const backoff of [1, 0]) {
    const clock = new ManualClock();
    const { signal, abort, listeners } = countedSignal();
    const gone = [];
    const fn = async (call) => {
      if (call.attempt > 10_000) return never();
      const error = down(call.attempt);
      gone.push(new WeakRef(error), new WeakRef(call), new WeakRef(call.signal));
      throw error;
    };
    const promise = retry({ maxAttempts: Infinity, backoff, clock }).execute(fn, { signal });
    await clock.advanceAsync(10_000);
    assert.equal(await stateOf(promise), 'pending');
    await collectGarbage();
    const held = gone.filter((ref) => ref.deref() !== undefined).length;
    assert.equal(gone.length, 30_000);
    // A conservative collector may take some numbers on the stack for pointers.
    assert.equal(held < 100, true, `${held} objects of earlier attempts are held`);
    assert.equal(listeners(), 1);
    abort('enough');
    assert.equal(await reasonOf(promise), 'enough');
  }
});

// smithy-typescript, util-retry/retries.integ.spec.ts
test('the AWS table: 50 ms, doubled, the error after the last attempt', async () => {
  const delays = [];
  const backoff = { kind: 'exponential', initialMs: 50, jitter: 'none', maxMs: 20_000 };
  const onRetry = ({ delayMs }) => delays.push(delayMs);
  await run({ maxAttempts: 5, backoff, onRetry }, outcomes(down(1)));
  assert.deepEqual(delays, [50, 100, 200, 400]);
});

test('checks its options', () => {
  const no = {
    maxAttempts: [0, -1, 1.5, Number.NaN, '3', null, -Infinity],
    maxRetryAfterMs: [-1, Number.NaN, '5', null],
  };
  no.retryIf = no.onRetry = [null, 5, 'yes', {}];
  no.budget = [null, 5, {}, { deposit() {}, withdraw() {} }, []];
  no.clock = [null, 5, {}, new Date()];
  no.seed = [null, '5', Number.NaN, Infinity];
  no.maxTries = [3];
  for (const [option, values] of Object.entries(no)) {
    for (const value of values) {
      assert.throws(
        () => retry({ [option]: value }),
        (error) => error instanceof InvalidOptionError && error.option === option,
        `${option}: ${String(value)}`,
      );
    }
  }
  for (const options of [null, 5, 'options', [], () => {}]) {
    assert.throws(() => retry(options), InvalidOptionError);
  }
  const all = { maxAttempts: Infinity, maxRetryAfterMs: Infinity, budget: new RetryBudget(), seed: -0.5 };
  retry({ ...all, retryIf: undefined, onRetry: undefined, clock: undefined, backoff: undefined });
  retry();
});
