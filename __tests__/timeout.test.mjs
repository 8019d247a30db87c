// timeout: a deadline that ends one call for certain, with a signal of its own.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { inspect } from 'node:util';
import {
  InvalidOptionError,
  ManualClock,
  pipeline,
  retry,
  TimeoutError,
  TokenBucket,
  timeout,
} from 'breakwater';
import { manual, never } from './helpers/calls.mjs';
import { continuations, reasonOf, stateOf, watched } from './helpers/promises.mjs';
import './helpers/rejections.mjs';
import { countedSignal } from './helpers/signals.mjs';

/** Keeps the event loop busy, in real time. */
function busy(ms) {
  const end = performance.now() + ms;
  while (performance.now() < end);
}

test('rejects with TimeoutError when its time is up, not before', async () => {
  const clock = new ManualClock();
  const promise = timeout({ ms: 500, clock }).execute(never);
  clock.advance(499.999);
  assert.equal(await stateOf(promise), 'pending');
  clock.advance(0.001);
  const error = await reasonOf(promise);
  assert.ok(error instanceof TimeoutError);
  const { name, code, kind, message } = error;
  assert.deepEqual([name, code, kind], ['TimeoutError', 'ERR_TIMEOUT', 'timeout']);
  assert.equal(message, 'timed out after 500 ms');
  assert.equal(clock.pending, 0);
});

test('aborts the signal of the call that is late, with its error, and of no other call', async () => {
  const clock = new ManualClock();
  const policy = timeout({ ms: 100, clock });
  const fn = manual();
  const late = policy.execute(fn);
  clock.advance(60);
  const other = policy.execute(fn);
  const [first, second] = fn.calls.map(({ call }) => call.signal);
  clock.advance(40);
  assert.deepEqual([first.aborted, second.aborted], [true, false]);
  assert.equal(await reasonOf(late), first.reason);
  fn.calls[1].resolve('in time');
  assert.equal(await other, 'in time');
  clock.advance(1_000);
  assert.equal(second.aborted, false);
});

test('the caller gets the TimeoutError also where the function obeys with an error of its own', async () => {
  const clock = new ManualClock();
  const promise = timeout({ ms: 100, clock }).execute(
    ({ signal }) =>
      new Promise((_, reject) => {
        signal.addEventListener('abort', () => reject(new Error('socket closed')));
      }),
  );
  clock.advance(100);
  assert.ok((await reasonOf(promise)) instanceof TimeoutError);
});

test('what comes in time is given, and leaves no timer', async () => {
  const clock = new ManualClock();
  const policy = timeout({ ms: 100, clock });
  assert.equal(await policy.execute(() => 'value'), 'value');
  assert.equal(await policy.execute(async () => 'value'), 'value');
  const error = new Error('mine');
  assert.equal(await reasonOf(policy.execute(() => Promise.reject(error))), error);
  const thrown = policy.execute(() => {
    throw error;
  });
  assert.equal(await reasonOf(thrown), error);
  assert.equal(clock.pending, 0);
});

test('a synchronous function that overran is a TimeoutError when it returns, and its value is discarded', async () => {
  const clock = new ManualClock();
  const discarded = [];
  for (const took of [100, 150]) {
    let signal;
    const promise = timeout({ ms: 100, clock }).execute(
      (call) => {
        signal = call.signal;
        clock.advance(took);
        return took;
      },
      { onDiscard: (value) => discarded.push(value) },
    );
    assert.ok((await reasonOf(promise)) instanceof TimeoutError);
    assert.equal(signal.aborted, true);
  }
  assert.deepEqual(discarded, [100, 150]);
});

// Ghost #30315: a timeout of 500 ms, 3 s of synchronous work, and a result as if nothing had been
test('a result after a blocked event loop is late, though no timer could fire (real time)', async () => {
  const discarded = [];
  const onDiscard = (value) => discarded.push(value);
  const policy = timeout({ ms: 10 });
  const functions = {
    'before its first await': async () => {
      busy(30);
      return 'first';
    },
    'in a continuation': async () => {
      await null;
      busy(30);
      return 'second';
    },
    synchronously: () => {
      busy(30);
      return 'third';
    },
  };
  for (const [when, fn] of Object.entries(functions)) {
    const error = await policy.execute(fn, { onDiscard }).catch((reason) => reason);
    assert.ok(error instanceof TimeoutError, when);
  }
  assert.deepEqual(discarded, ['first', 'second', 'third']);
});

test('a value that comes late is discarded once, and a late rejection is swallowed', async () => {
  const clock = new ManualClock();
  const discarded = [];
  const fn = manual();
  const given = { onDiscard: (value) => discarded.push(value), timeoutMs: 500 };
  const policy = pipeline(
    timeout({ ms: 300, clock }),
    timeout({ ms: 200, clock }),
    timeout({ ms: 100, clock }),
  );
  const those = [policy.execute(fn, given), policy.execute(fn, given)].map(watched);
  await clock.advanceAsync(1_000);
  assert.deepEqual(
    those.map(({ error }) => error?.message),
    ['timed out after 100 ms', 'timed out after 100 ms'],
  );
  fn.calls[0].resolve('late');
  fn.calls[1].reject(new Error('late'));
  await clock.advanceAsync(1_000);
  assert.deepEqual(discarded, ['late']);
});

test('remainingMs is the time to the nearest deadline', async () => {
  const clock = new ManualClock();
  const remaining = (deadlines, given) => {
    const policy = pipeline(...deadlines.map((ms) => timeout({ ms, clock })));
    return policy.execute(({ remainingMs }) => remainingMs, given);
  };
  assert.equal(await remaining([500]), 500);
  assert.equal(await remaining([500, 100]), 100);
  assert.equal(await remaining([100, 500]), 100);
  assert.equal(await remaining([300, 200, 100, 400], { timeoutMs: 50 }), 50);
  assert.equal(await remaining([Infinity]), Infinity);
  assert.equal(await remaining([Infinity], { timeoutMs: 70 }), 70);
  let call;
  const promise = timeout({ ms: 100, clock }).execute((own) => {
    call = own;
    return never();
  });
  clock.advance(30);
  assert.equal(call.remainingMs, 70);
  clock.advance(500);
  assert.equal(call.remainingMs, 0);
  await reasonOf(promise);
});

test('remainingMs knows deadlines on several clocks', async () => {
  const [one, other] = [new ManualClock(), new ManualClock()];
  other.advance(10_000);
  const policy = pipeline(timeout({ ms: 200, clock: one }), timeout({ ms: 300, clock: other }));
  const seen = await policy.execute((call) => {
    const before = call.remainingMs;
    other.advance(150);
    return [before, call.remainingMs];
  });
  assert.deepEqual(seen, [200, 150]);
});

test('an outer deadline ends the inner ones, with its own error', async () => {
  const clock = new ManualClock();
  const fn = manual();
  const promise = pipeline(timeout({ ms: 100, clock }), timeout({ ms: 500, clock })).execute(fn);
  clock.advance(100);
  const error = await reasonOf(promise);
  assert.equal(error.message, 'timed out after 100 ms');
  assert.equal(fn.calls[0].call.signal.reason, error);
  assert.equal(clock.pending, 0);
});

test('an abort of the caller’s passes through with its own reason', async () => {
  const clock = new ManualClock();
  const { signal, abort, listeners } = countedSignal();
  const fn = manual();
  const promise = timeout({ ms: 100, clock }).execute(fn, { signal });
  clock.advance(50);
  abort('gone');
  assert.equal(clock.pending, 0);
  assert.equal(await reasonOf(promise), 'gone');
  assert.equal(fn.calls[0].call.signal.reason, 'gone');
  assert.equal(listeners(), 0);
});

test('a signal that was aborted before is heard before the function is called', async () => {
  const clock = new ManualClock();
  const fn = manual();
  const promise = timeout({ ms: 100, clock }).execute(fn, { signal: AbortSignal.abort('gone') });
  assert.equal(await reasonOf(promise), 'gone');
  assert.deepEqual([fn.calls.length, clock.pending], [0, 0]);
});

test('an abort in the turn in which a wait outside is over starts no time', async () => {
  const clock = new ManualClock();
  const bucket = new TokenBucket({ capacity: 1, refillPerSecond: 1, initialTokens: 0, clock });
  const controller = new AbortController();
  const fn = manual();
  const policy = pipeline(bucket.policy({ maxWaitMs: 5_000 }), timeout({ ms: 500, clock }));
  const promise = policy.execute(fn, { signal: controller.signal });
  clock.advance(1_000);
  controller.abort('gone');
  assert.equal(await reasonOf(promise), 'gone');
  await continuations();
  assert.deepEqual([fn.calls.length, clock.pending], [0, 0]);
});

test('a timeout outside counts what waits inside, one inside does not', async () => {
  const clock = new ManualClock();
  const bucket = () => {
    const limit = { capacity: 1, refillPerSecond: 1, initialTokens: 0 };
    return new TokenBucket({ ...limit, clock }).policy({ maxWaitMs: 5_000 });
  };
  const outside = watched(pipeline(timeout({ ms: 900, clock }), bucket()).execute(() => 'ran'));
  const inside = watched(pipeline(bucket(), timeout({ ms: 900, clock })).execute(() => 'ran'));
  await clock.advanceAsync(1_000);
  assert.ok(outside.error instanceof TimeoutError);
  assert.equal(inside.value, 'ran');
});

test('calls of one policy end each at its own time', async () => {
  const clock = new ManualClock();
  const policy = timeout({ ms: 100, clock });
  const ended = [];
  for (let start = 0; start < 100; start += 1) {
    policy.execute(never).catch(() => ended.push([start, clock.now]));
    await clock.advanceAsync(1);
  }
  await clock.advanceAsync(100);
  assert.deepEqual(
    ended,
    Array.from({ length: 100 }, (_, start) => [start, start + 100]),
  );
});

test('a call that is over in time makes no setTimeout of its own (real time)', async () => {
  const { setTimeout: original } = globalThis;
  let made = 0;
  globalThis.setTimeout = (...args) => {
    made += 1;
    return original(...args);
  };
  try {
    const policies = [timeout({ ms: 60_000 }), pipeline(retry(), timeout({ ms: 60_000 }))];
    for (const policy of policies) {
      for (let i = 0; i < 500; i += 1) {
        assert.equal(await policy.execute(() => i), i);
        assert.equal(await policy.execute(async () => i, { timeoutMs: 120_000 }), i);
      }
    }
    // One for all of them, from the first.
    assert.equal(made <= 1, true, `${made} timers for 2,000 calls`);
  } finally {
    globalThis.setTimeout = original;
  }
});

test('wrap keeps this and the arguments', async () => {
  const clock = new ManualClock();
  const object = {
    factor: 3,
    times: timeout({ ms: 100, clock }).wrap(function (value) {
      return this.factor * value;
    }),
  };
  assert.equal(await object.times(5), 15);
});

test('checks its options', () => {
  const wrong = {
    ms: [undefined, 0, -1, Number.NaN, -Infinity, '5', null, 5n, {}],
    clock: [null, 5, {}, 'clock'],
    timeoutMs: [5],
    signal: [new AbortController().signal],
  };
  for (const [option, values] of Object.entries(wrong)) {
    for (const value of values) {
      assert.throws(
        () => timeout({ ms: 5, [option]: value }),
        (error) => error instanceof InvalidOptionError && error.option === option,
        `${option}: ${inspect(value)}`,
      );
    }
  }
  for (const options of [undefined, null, 500, '500', [], () => {}]) {
    assert.throws(() => timeout(options), InvalidOptionError);
  }
  assert.throws(() => timeout({ ms: 0 }), { message: 'ms must be a number of milliseconds > 0, got 0' });
  timeout({ ms: 0.001 });
});
