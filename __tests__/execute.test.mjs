// execute and wrap: what every policy owes its callers, on each policy there is.
import assert from 'node:assert/strict';
import { AsyncLocalStorage } from 'node:async_hooks';
import { test } from 'node:test';
import { InvalidOptionError, ManualClock, RateLimiter, TimeoutError, TokenBucket } from 'breakwater';
import { AT_ONCE, LIMIT, OPEN, WAITING } from './helpers/policies.mjs';
import { runScript } from './helpers/processes.mjs';
import { continuations, reasonOf, stateOf } from './helpers/promises.mjs';
import { countedSignal } from './helpers/signals.mjs';
import './helpers/rejections.mjs';

/** A test for each of these policies. */
function each(policies, name, body) {
  for (const [which, make] of Object.entries(policies)) {
    test(`${which}: ${name}`, () => {
      const clock = new ManualClock();
      return body({ clock, ...make(clock) });
    });
  }
}
const everywhere = (name, body) => each({ ...AT_ONCE, ...OPEN, ...WAITING }, name, body);
const never = () => new Promise(() => {});

everywhere('calls the function in the same turn, and gives what it returns', async ({ policy, left }) => {
  let called = false;
  const promise = policy.execute(() => {
    called = true;
    return 'value';
  });
  assert.equal(called, true);
  assert.ok(promise instanceof Promise);
  assert.equal(await promise, 'value');
  if (left !== undefined) assert.equal(left(), 1);
});

everywhere('awaits promises and thenables', async ({ policy, clock }) => {
  assert.equal(await policy.execute(async () => 'promise'), 'promise');
  // biome-ignore lint/suspicious/noThenProperty: a thenable is what this is about
  assert.equal(await policy.execute(() => ({ then: (resolve) => resolve('thenable') })), 'thenable');
  clock.advance(2_000);
  const options = { timeoutMs: 100 };
  // biome-ignore lint/suspicious/noThenProperty: as above
  const bounded = policy.execute(() => ({ then: (_, reject) => reject(new Error('said no')) }), options);
  assert.equal((await reasonOf(bounded)).message, 'said no');
  clock.advance(2_000);
  const lying = {
    // biome-ignore lint/suspicious/noThenProperty: as above
    get then() {
      throw new Error('no then');
    },
  };
  assert.equal((await reasonOf(policy.execute(() => lying, options))).message, 'no then');
});

everywhere('turns what the function throws into a rejection', async ({ policy, clock }) => {
  for (const options of [undefined, { timeoutMs: 100 }]) {
    clock.advance(1_000);
    const error = new Error('mine');
    const promise = policy.execute(() => {
      throw error;
    }, options);
    assert.equal(await reasonOf(promise), error);
    clock.advance(1_000);
    assert.equal(await reasonOf(policy.execute(() => Promise.reject(error), options)), error);
    assert.equal(clock.pending, 0);
  }
});

everywhere(
  'rejects what is no function or no options, and takes nothing for it',
  async ({ policy, left }) => {
    for (const fn of [undefined, null, 5, 'fn', {}, []]) {
      const error = await reasonOf(policy.execute(fn));
      assert.ok(error instanceof InvalidOptionError);
      assert.equal(error.option, 'fn');
    }
    let called = false;
    for (const options of [
      null,
      5,
      'options',
      [],
      () => {},
      { timeout: 5 },
      { timeoutMs: '5' },
      { timeoutMs: Number.NaN },
      { timeoutMs: -1 },
      { signal: {} },
      { signal: null },
      { signal: new EventTarget() },
      { onDiscard: {} },
      { key: 5 },
      { priority: '9' },
      { weight: true },
      { idempotent: 1 },
    ]) {
      const promise = policy.execute(() => {
        called = true;
      }, options);
      assert.ok(
        (await reasonOf(promise)) instanceof InvalidOptionError,
        JSON.stringify(options) ?? 'a function',
      );
    }
    assert.equal(called, false);
    if (left !== undefined) assert.equal(left(), 2);
  },
);

everywhere('tells the function about its call', async ({ policy, clock, deadlineMs }) => {
  const context = { any: 'thing' };
  const seen = await policy.execute((call) => call, { context });
  const remainingMs = deadlineMs ?? Number.POSITIVE_INFINITY;
  assert.deepEqual([seen.attempt, seen.remainingMs, seen.context], [1, remainingMs, context]);
  assert.equal(seen.signal.aborted, false);
  assert.equal(seen.signal, seen.signal);
  const remaining = await policy.execute(
    (call) => {
      const before = call.remainingMs;
      clock.advance(30);
      return [before, call.remainingMs];
    },
    { timeoutMs: 100 },
  );
  assert.deepEqual(remaining, [100, 70]);
});

everywhere('gives each call a signal of its own', async ({ policy }) => {
  const { signal } = new AbortController();
  const first = await policy.execute((call) => call.signal, { signal });
  const second = await policy.execute((call) => call.signal, { signal });
  assert.notEqual(first, second);
  assert.notEqual(first, signal);
});

everywhere('accepts the options that other policies read', async ({ policy }) => {
  const options = {
    idempotent: false,
    key: 'key',
    priority: 9,
    weight: 2,
    timeoutMs: undefined,
    signal: undefined,
  };
  assert.equal(await policy.execute(() => 'ran', options), 'ran');
});

everywhere(
  'rejects with TimeoutError at the deadline, whether or not the function obeys',
  async ({ policy, clock }) => {
    let signal;
    const promise = policy.execute(
      (call) => {
        signal = call.signal;
        return never();
      },
      { timeoutMs: 500 },
    );
    clock.advance(499.999);
    assert.equal(await stateOf(promise), 'pending');
    clock.advance(0.001);
    const error = await reasonOf(promise);
    assert.ok(error instanceof TimeoutError);
    assert.equal(error.code, 'ERR_TIMEOUT');
    assert.equal(error.name, 'TimeoutError');
    assert.equal(signal.aborted, true);
    assert.equal(signal.reason, error);
  },
);

everywhere('a signal first read after the deadline is aborted already', async ({ policy, clock }) => {
  let call;
  const promise = policy.execute(
    (own) => {
      call = own;
      return never();
    },
    { timeoutMs: 5 },
  );
  clock.advance(5);
  const error = await reasonOf(promise);
  assert.equal(call.signal.aborted, true);
  assert.equal(call.signal.reason, error);
  assert.equal(call.remainingMs, 0);
});

everywhere(
  'a synchronous function that overran is a TimeoutError when it returns',
  async ({ policy, clock }) => {
    const discarded = [];
    const promise = policy.execute(
      () => {
        clock.advance(10);
        return 'late';
      },
      { timeoutMs: 10, onDiscard: (value) => discarded.push(value) },
    );
    assert.ok((await reasonOf(promise)) instanceof TimeoutError);
    assert.deepEqual(discarded, ['late']);
  },
);

everywhere('rejects with the caller’s own reason in the turn of the abort', async ({ policy, clock }) => {
  for (const reason of [new Error('gone'), 'a string', { any: 'value' }]) {
    clock.advance(1_000);
    const controller = new AbortController();
    let signal;
    const promise = policy.execute(
      (call) => {
        signal = call.signal;
        return never();
      },
      { signal: controller.signal },
    );
    controller.abort(reason);
    assert.equal(await reasonOf(promise), reason);
    assert.equal(signal.reason, reason);
  }
});

everywhere('a signal aborted before is heard before anything is taken', async ({ policy, left }) => {
  const reason = new Error('gone');
  let called = false;
  const promise = policy.execute(
    () => {
      called = true;
    },
    { signal: AbortSignal.abort(reason) },
  );
  assert.equal(await reasonOf(promise), reason);
  assert.equal(called, false);
  if (left !== undefined) assert.equal(left(), 2);
});

everywhere(
  'hands a value that comes too late to onDiscard, and swallows a late rejection',
  async ({ policy, clock }) => {
    const discarded = [];
    const late = [];
    const start = (options) =>
      policy.execute(() => new Promise((...settle) => late.push(settle)), {
        onDiscard: (value) => discarded.push(value),
        ...options,
      });
    const controller = new AbortController();
    const first = start({ timeoutMs: 10 });
    const second = start({ signal: controller.signal });
    clock.advance(10);
    controller.abort();
    assert.deepEqual([await stateOf(first), await stateOf(second)], ['rejected', 'rejected']);
    late[0][0]('opened late');
    late[1][1](new Error('failed late'));
    await continuations();
    assert.deepEqual(discarded, ['opened late']);
  },
);

everywhere('a value in time is nobody’s to discard', async ({ policy, clock }) => {
  const discarded = [];
  const options = { timeoutMs: 10, onDiscard: (value) => discarded.push(value) };
  assert.equal(await policy.execute(async () => 'value', options), 'value');
  clock.advance(1_000);
  await continuations();
  assert.deepEqual(discarded, []);
});

everywhere('leaves no timer and no listener behind', async ({ policy, clock }) => {
  const ends = {
    'a value': () => 'value',
    'a promise': async () => 'value',
    'an error': () => {
      throw new Error('mine');
    },
    'an overrun': () => clock.advance(1_000),
  };
  for (const [name, fn] of Object.entries(ends)) {
    clock.advance(2_000);
    const { signal, listeners } = countedSignal();
    await policy.execute(fn, { signal, timeoutMs: 500 }).catch(() => {});
    assert.equal(listeners(), 0, name);
    assert.equal(clock.pending, 0, name);
  }
});

each(AT_ONCE, 'refuses without calling the function', async ({ policy, left }) => {
  let calls = 0;
  const run = () => policy.execute(() => ++calls);
  await Promise.all([run(), run()]);
  const error = await reasonOf(run());
  assert.deepEqual([error.code, error.retryAfterMs, calls], ['ERR_RATE_LIMITED', 1_000, 2]);
  assert.equal(left(), 0);
});

each(WAITING, 'calls the function when its turn has come', async ({ policy, clock }) => {
  const ran = [];
  const all = [1, 2, 3, 4].map((id) => policy.execute(() => ran.push(id)));
  await continuations();
  assert.deepEqual(ran, [1, 2]);
  clock.advance(1_000);
  await continuations();
  assert.deepEqual(ran, [1, 2, 3]);
  clock.advance(1_000);
  await Promise.all(all);
  assert.deepEqual(ran, [1, 2, 3, 4]);
});

each(WAITING, 'turns what the function throws after a wait into a rejection', async ({ policy, clock }) => {
  await Promise.all([policy.execute(() => {}), policy.execute(() => {})]);
  const error = new Error('mine');
  const promise = policy.execute(() => {
    throw error;
  });
  clock.advance(1_000);
  assert.equal(await reasonOf(promise), error);
});

each(
  WAITING,
  'the deadline counts the wait, and gives the place to the next',
  async ({ policy, clock, left }) => {
    await Promise.all([policy.execute(() => {}), policy.execute(() => {})]);
    let called = false;
    const hurried = policy.execute(
      () => {
        called = true;
      },
      { timeoutMs: 600 },
    );
    clock.advance(600);
    assert.ok((await reasonOf(hurried)) instanceof TimeoutError);
    assert.equal(clock.pending, 0);
    clock.advance(400);
    assert.equal(left(), 1);
    assert.equal(await policy.execute(() => 'next'), 'next');
    assert.equal(called, false);
    const patient = policy.execute((call) => call.remainingMs, { timeoutMs: 5_000 });
    clock.advance(1_000);
    assert.equal(await patient, 4_000);
  },
);

each(WAITING, 'an abort during the wait gives the place to the next', async ({ policy, clock }) => {
  await Promise.all([policy.execute(() => {}), policy.execute(() => {})]);
  const { signal, abort, listeners } = countedSignal();
  const reason = new Error('gone');
  let called = false;
  const promise = policy.execute(
    () => {
      called = true;
    },
    { signal },
  );
  abort(reason);
  assert.equal(await reasonOf(promise), reason);
  assert.equal(listeners(), 0);
  const next = policy.execute(() => 'next');
  clock.advance(1_000);
  assert.equal(await next, 'next');
  assert.equal(called, false);
});

everywhere(
  'runs the function in its caller’s async context, also after a wait',
  async ({ policy, clock }) => {
    const storage = new AsyncLocalStorage();
    const seen = [];
    const run = (id) => () =>
      policy.execute(
        async () => {
          seen.push([id, storage.getStore()]);
          await null;
          seen.push([id, storage.getStore()]);
        },
        { timeoutMs: 60_000, signal: new AbortController().signal, context: id },
      );
    const all = [1, 2, 3, 4].map((id) => storage.run(id, run(id)).catch(() => {}));
    await continuations();
    storage.run('whoever advances the clock', () => clock.advance(1_000));
    await continuations();
    storage.run('again', () => clock.advance(1_000));
    await Promise.all(all);
    // Two of the four, where there are but two permits.
    assert.equal(seen.length === 4 || seen.length === 8, true);
    for (const [id, store] of seen) assert.equal(store, id);
  },
);

everywhere('wrap passes on this, the arguments and the result', async ({ policy }) => {
  const object = {
    factor: 3,
    multiply: policy.wrap(function (a, b) {
      return this.factor * a * b;
    }),
  };
  assert.equal(await object.multiply(2, 5), 30);
  const failing = policy.wrap(async () => {
    throw new Error('mine');
  });
  assert.equal((await reasonOf(failing())).message, 'mine');
});

everywhere('wrap refuses what is no function when it is called', ({ policy }) => {
  for (const fn of [undefined, null, 5, {}]) {
    assert.throws(
      () => policy.wrap(fn),
      (error) => error instanceof InvalidOptionError && error.option === 'fn',
    );
  }
});

test('a call aborted by its own cost function takes nothing and waits for nothing', async () => {
  const clock = new ManualClock();
  const bucket = new TokenBucket({ ...LIMIT, initialTokens: 0, clock });
  const limiter = new RateLimiter({ limits: LIMIT, clock });
  limiter.consume('key', 2);
  const reason = new Error('too dear');
  for (const policy of [
    (cost) => bucket.policy({ cost, maxWaitMs: 60_000 }),
    (cost) => limiter.policy({ key: 'key', cost, maxWaitMs: 60_000 }),
  ]) {
    const controller = new AbortController();
    const cost = () => {
      controller.abort(reason);
      return 1;
    };
    const promise = policy(cost).execute(() => {}, { signal: controller.signal });
    assert.equal(await reasonOf(promise), reason);
  }
  assert.equal(clock.pending, 0);
  assert.deepEqual([bucket.snapshot().waiting, limiter.snapshot().waiting], [0, 0]);
  clock.advance(1_000);
  assert.deepEqual([bucket.available, limiter.peek('key').remaining], [1, 1]);
});

test('what onDiscard throws is an uncaught exception, and the caller’s outcome is what it was', async () => {
  const { code, stdout, stderr } = await runScript(`
    import { hedge, ManualClock, pipeline, retry, timeout } from 'breakwater';
    process.on('uncaughtException', (error) => console.log('uncaught:', error.message));
    process.on('unhandledRejection', (error) => console.log('unhandled:', error.message));
    const clock = new ManualClock();
    const onDiscard = (value) => { throw new Error(value); };
    const outcome = (promise) => promise.then((value) => console.log(value), ({ code }) => console.log(code));
    const turn = () => new Promise((resolve) => setImmediate(resolve));
    const later = [];
    const late = () => new Promise((resolve) => later.push(resolve));

    const deadline = timeout({ ms: 10, clock });
    await outcome(deadline.execute(() => { clock.advance(10); return 'sync'; }, { onDiscard }));
    const async = outcome(deadline.execute(late, { onDiscard }));
    clock.advance(10);
    later[0]('async');
    await async;
    const results = ['tried again', 'retried'];
    const retryIf = (_, result) => result === 'tried again';
    await outcome(retry({ backoff: 0, retryIf, clock }).execute(() => results.shift(), { onDiscard }));
    const hedged = outcome(hedge({ delayMs: 5, clock }).execute(late, { onDiscard }));
    clock.advance(5);
    later[2]('hedged');
    await hedged;
    later[1]('lost');
    await turn();
  `);
  assert.deepEqual({ code, stderr }, { code: 0, stderr: '' });
  const uncaught = ['async', 'lost', 'sync', 'tried again'].map((value) => `uncaught: ${value}`);
  const outcomes = ['ERR_TIMEOUT', 'ERR_TIMEOUT', 'hedged', 'retried'];
  assert.deepEqual(stdout.trim().split('\n').sort(), [...outcomes, ...uncaught]);
});

test('the platform’s own timeout signal ends a call with its own reason (real time)', async () => {
  const bucket = new TokenBucket(LIMIT);
  // The signal’s timer keeps no process alive, so something else has to.
  const alive = setInterval(() => {}, 1_000);
  try {
    const error = await bucket.execute(never, { signal: AbortSignal.timeout(5) }).catch((reason) => reason);
    assert.equal(error.name, 'TimeoutError');
    assert.equal(error instanceof TimeoutError, false);
  } finally {
    clearInterval(alive);
  }
});

test('a policy made of a policy works: the interface is open', async () => {
  const clock = new ManualClock();
  const outer = new TokenBucket({ ...LIMIT, clock });
  const inner = new TokenBucket({ ...LIMIT, capacity: 1, clock });
  const run = outer.wrap(() => inner.execute(() => 'ran'));
  assert.equal(await run(), 'ran');
  assert.equal((await reasonOf(run())).retryAfterMs, 1_000);
  assert.equal(outer.available, 0);
});
