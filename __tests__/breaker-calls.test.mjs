// What a breaker makes of calls: values and errors, isFailure, refusals further in, aborts and deadlines.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  AdaptiveThrottle,
  CircuitBreaker,
  CircuitOpenError,
  DisposedError,
  InvalidOptionError,
  ManualClock,
  pipeline,
  RateLimiter,
  retry,
  TimeoutError,
  TokenBucket,
  timeout,
} from 'breakwater';
import { counted, deferred, failing, made } from './helpers/breaker.mjs';
import { runScript } from './helpers/processes.mjs';
import { continuations, reasonOf, stateOf } from './helpers/promises.mjs';
import { countedSignal } from './helpers/signals.mjs';
import './helpers/rejections.mjs';

/** Opens at the first failure, for a second. */
const HASTY = { consecutiveFailures: 1, openMs: 1_000 };
const EMPTY = { capacity: 5, refillPerSecond: 1, initialTokens: 0 };
const never = () => new Promise(() => {});

/** A breaker that is about to let a probe in, the only one. */
function halfOpen(options) {
  const { clock, breaker } = made({ ...HASTY, ...options });
  breaker.forceOpen(1);
  clock.advance(1);
  return { clock, breaker };
}

/** That the permit of the last call was given back: the next call is a probe. */
function assertProbeIsFree(breaker, what) {
  assert.deepEqual([breaker.state, breaker.snapshot().probes], ['halfOpen', 0], what);
}

test('a value is a success and an error a failure, from whatever kind of function', async () => {
  const { breaker } = made();
  const error = new Error('mine');
  const fail = () => {
    throw error;
  };
  await breaker.execute(() => undefined);
  await breaker.execute(async () => error);
  // biome-ignore lint/suspicious/noThenProperty: a thenable is what this is about
  await breaker.execute(() => ({ then: (resolve) => resolve(1) }));
  assert.deepEqual(counted(breaker), [3, 0, 0]);
  assert.equal(await reasonOf(breaker.execute(fail)), error);
  assert.equal(await reasonOf(breaker.execute(() => Promise.reject(error))), error);
  // biome-ignore lint/suspicious/noThenProperty: as above
  assert.equal(await reasonOf(breaker.execute(() => ({ then: (_, reject) => reject(error) }))), error);
  for (const odd of [undefined, null, 5, 'error', { code: 'ERR' }]) {
    assert.equal(await reasonOf(breaker.execute(() => Promise.reject(odd))), odd);
  }
  assert.deepEqual(counted(breaker), [3, 8, 0]);
});

test('a call is counted before its caller hears of it', async () => {
  const { breaker } = made();
  const seen = [];
  await breaker.execute(async () => {}).then(() => seen.push(counted(breaker)));
  await breaker.execute(failing).catch(() => seen.push(counted(breaker)));
  assert.deepEqual(seen, [
    [1, 0, 0],
    [1, 1, 0],
  ]);
});

test('what is no call is not counted', async () => {
  const { breaker } = halfOpen();
  await reasonOf(breaker.execute('no function'));
  await reasonOf(breaker.execute(() => {}, { timeoutMs: -1 }));
  await reasonOf(breaker.execute(() => {}, { signal: AbortSignal.abort() }));
  assert.deepEqual(counted(breaker), [0, 0, 0]);
  assertProbeIsFree(breaker);
});

test('wrap keeps this, passes on arguments, and counts each call', async () => {
  const { breaker } = made(HASTY);
  const account = {
    balance: 5,
    withdraw: breaker.wrap(function (amount) {
      if (amount > this.balance) throw new RangeError('too much');
      return this.balance - amount;
    }),
  };
  assert.equal(await account.withdraw(3), 2);
  assert.equal((await reasonOf(account.withdraw(9))).name, 'RangeError');
  assert.ok((await reasonOf(account.withdraw(1))) instanceof CircuitOpenError);
  assert.deepEqual(counted(breaker), [1, 1, 0]);
});

test('isFailure is asked of errors and results, with the call', async () => {
  const asked = [];
  const { breaker } = made({
    isFailure(error, result, call) {
      asked.push([error, result, call.context, call.attempt, call.signal.aborted]);
      return false;
    },
  });
  const error = new Error('mine');
  await breaker.execute(() => 'sync', { context: 1 });
  await breaker.execute(async () => 'async', { context: 2, timeoutMs: 1_000 });
  await reasonOf(breaker.execute(() => Promise.reject(error), { context: 3 }));
  await reasonOf(
    breaker.execute(() => {
      throw error;
    }),
  );
  assert.deepEqual(asked, [
    [undefined, 'sync', 1, 1, false],
    [undefined, 'async', 2, 1, false],
    [error, undefined, 3, 1, false],
    [error, undefined, undefined, 1, false],
  ]);
  assert.deepEqual(counted(breaker), [4, 0, 0]);
});

test('isFailure says what counts, and the caller gets the result all the same', async () => {
  const isFailure = (error, result) => error !== undefined || result.status >= 500;
  const { breaker } = made({ ...HASTY, isFailure });
  assert.deepEqual(await breaker.execute(async () => ({ status: 404 })), { status: 404 });
  assert.equal(breaker.state, 'closed');
  assert.deepEqual(await breaker.execute(async () => ({ status: 503 })), { status: 503 });
  assert.equal(breaker.state, 'open');
});

test("what isFailure calls 'ignore' counts as nothing, and gives a probe's permit back", async () => {
  const { breaker } = halfOpen({
    isFailure: (error) => (error?.code === 'ENOENT' ? 'ignore' : error !== undefined),
  });
  const missing = Object.assign(new Error('missing'), { code: 'ENOENT' });
  for (let i = 0; i < 3; i++) {
    assert.equal(await reasonOf(breaker.execute(() => Promise.reject(missing))), missing);
    assertProbeIsFree(breaker);
  }
  assert.deepEqual(counted(breaker), [0, 0, 3]);
  await breaker.execute(async () => {});
  assert.equal(breaker.state, 'closed');
});

test('isFailure may open the breaker for as long as a server asks to be left alone', async () => {
  for (const [openMs, expected] of [
    [1_500, 1_500],
    [0.25, 0.25],
    [86_400_000, 86_400_000],
    // However far a Retry-After lies ahead: a day is the longest break there is.
    [1e12, 86_400_000],
    [Number.POSITIVE_INFINITY, 86_400_000],
  ]) {
    const { clock, breaker } = made({ isFailure: (_, result) => (result === 429 ? { openMs } : false) });
    assert.equal(await breaker.execute(async () => 429), 429);
    assert.deepEqual([breaker.state, breaker.retryAfterMs()], ['open', expected], `${openMs}`);
    assert.deepEqual(counted(breaker), [0, 1, 0]);
    clock.advance(expected);
    assert.equal(breaker.state, 'halfOpen');
    // The probe's own answer counts as well.
    await breaker.execute(() => 429);
    assert.equal(breaker.retryAfterMs(), expected);
  }
});

test('{ openMs } of nothing or less is a failure like any other', async () => {
  for (const openMs of [0, -5, Number.NEGATIVE_INFINITY]) {
    const { breaker } = made({ isFailure: () => ({ openMs }), consecutiveFailures: 2 });
    await breaker.execute(() => 'value');
    assert.equal(breaker.state, 'closed');
    assert.deepEqual(counted(breaker), [0, 1, 0]);
  }
});

test('an answer of isFailure that is none is an InvalidOptionError, and the permit goes back', async () => {
  for (const answer of [undefined, null, 0, 1, Number.NaN, '', 'yes', 'failure', {}, [], { openMs: '5' }]) {
    const { breaker } = halfOpen({ isFailure: () => answer, label: 'mine' });
    for (const fn of [() => 'sync', async () => 'async', failing]) {
      const error = await reasonOf(breaker.execute(fn));
      assert.ok(error instanceof InvalidOptionError, String(answer));
      assert.deepEqual([error.option, error.kind, error.primitive], ['isFailure', 'breaker', 'mine']);
      assertProbeIsFree(breaker, String(answer));
    }
  }
  const { breaker } = halfOpen({ isFailure: () => ({ openMs: Number.NaN }) });
  assert.equal((await reasonOf(breaker.execute(() => {}))).option, 'isFailure');
  assertProbeIsFree(breaker);
});

test('what isFailure throws is the caller’s error, and the permit goes back', async () => {
  const bug = new Error('a bug in the predicate');
  const isFailure = () => {
    throw bug;
  };
  const { breaker } = halfOpen({ isFailure });
  for (const fn of [() => 'sync', async () => 'async', failing]) {
    for (const options of [undefined, { timeoutMs: 1_000 }]) {
      assert.equal(await reasonOf(breaker.execute(fn, options)), bug);
      assertProbeIsFree(breaker);
    }
  }
  assert.deepEqual(counted(breaker), [0, 0, 6]);
});

test('what isFailure throws of a deadline is an uncaught exception, and the caller gets the deadline', async () => {
  const { code, stdout, stderr } = await runScript(`
    import { CircuitBreaker, ManualClock } from 'breakwater';
    process.on('uncaughtException', (error) => console.log('uncaught:', error.message));
    const clock = new ManualClock();
    const isFailure = () => { throw new Error('a bug in the predicate'); };
    const breaker = new CircuitBreaker({ clock, isFailure });
    const promise = breaker.execute(() => new Promise(() => {}), { timeoutMs: 5 });
    clock.advance(5);
    await promise.catch(({ code }) => console.log(code));
    await new Promise((resolve) => setTimeout(resolve, 1));
    console.log(breaker.snapshot().ignored);
  `);
  assert.deepEqual({ code, stderr }, { code: 0, stderr: '' });
  assert.deepEqual(stdout.trim().split('\n').sort(), [
    '1',
    'ERR_TIMEOUT',
    'uncaught: a bug in the predicate',
  ]);
});

test('a refusal further in says nothing about the dependency', async () => {
  const clock = new ManualClock();
  const open = new CircuitBreaker({ clock });
  open.forceOpen(60_000);
  const throttle = new AdaptiveThrottle({ maxRefusalRate: 0.999999, seed: 1, clock });
  for (let i = 0; i < 1_000; i++) throttle.tryAcquire()?.failure();
  const refusing = {
    bucket: new TokenBucket({ ...EMPTY, clock }),
    limiter: new RateLimiter({ limits: { limit: 1, windowMs: 1_000 }, clock }).policy({
      key: 'k',
      cost: () => 5,
    }),
    breaker: open,
    throttle,
  };
  const asked = [];
  const ask = (error) => asked.push(error) > 0;
  for (const [what, policy] of Object.entries(refusing)) {
    for (const isFailure of [undefined, ask]) {
      const { breaker } = halfOpen({ isFailure });
      const error = await reasonOf(pipeline(breaker, policy).execute(() => 'never'));
      assert.equal(error.code.startsWith('ERR_'), true, what);
      assert.deepEqual(counted(breaker), [0, 0, 1], what);
      assertProbeIsFree(breaker, what);
      // The same where somebody calls it from within the function.
      assert.equal((await reasonOf(breaker.execute(() => policy.execute(() => 'never')))).code, error.code);
      assert.deepEqual(counted(breaker), [0, 0, 2], what);
    }
  }
  assert.deepEqual(asked, [], 'isFailure is not asked about refusals');
});

test('an AbortError says nothing, whoever made it', async () => {
  const asked = [];
  const ask = (error) => asked.push(error) > 0;
  for (const error of [
    new DOMException('gone', 'AbortError'),
    Object.assign(new Error('gone'), { name: 'AbortError' }),
    { name: 'AbortError' },
  ]) {
    for (const isFailure of [undefined, ask]) {
      const { breaker } = halfOpen({ isFailure });
      assert.equal(await reasonOf(breaker.execute(() => Promise.reject(error))), error);
      await reasonOf(
        breaker.execute(() => {
          throw error;
        }),
      );
      assert.deepEqual(counted(breaker), [0, 0, 2]);
      assertProbeIsFree(breaker);
    }
  }
  assert.deepEqual(asked, []);
});

test('an error of misuse further in is an error like any other', async () => {
  const { breaker } = made();
  const gone = new TokenBucket(EMPTY);
  gone.dispose();
  assert.ok((await reasonOf(breaker.execute(() => gone.tryAcquire()))) instanceof DisposedError);
  assert.deepEqual(counted(breaker), [0, 1, 0]);
});

test('the caller’s abort says nothing, at once, and nothing that comes later does', async () => {
  for (const reason of [
    undefined,
    new Error('changed my mind'),
    'a string',
    null,
    { name: 'TimeoutErrors' },
  ]) {
    for (const settle of ['resolve', 'reject']) {
      const { breaker } = halfOpen();
      const { signal, abort, listeners } = countedSignal();
      const call = deferred();
      const promise = breaker.execute(() => call.promise, { signal });
      assert.equal(breaker.snapshot().probes, 1);
      abort(reason);
      // Before any continuation has run.
      assert.deepEqual(counted(breaker), [0, 0, 1]);
      assertProbeIsFree(breaker);
      assert.equal(await reasonOf(promise), signal.reason);
      call[settle](new Error('late'));
      await continuations();
      assert.deepEqual(counted(breaker), [0, 0, 1]);
      assert.equal(listeners(), 0);
    }
  }
});

test('a deadline that passes while the function runs is a failure, at once', async () => {
  const asked = [];
  const isFailure = (error, result) => {
    asked.push([error.code, error.name, result]);
    return true;
  };
  for (const options of [HASTY, { ...HASTY, isFailure }]) {
    for (const settle of ['resolve', 'reject']) {
      const { clock, breaker } = made(options);
      const call = deferred();
      const promise = breaker.execute(() => call.promise, { timeoutMs: 500 });
      clock.advance(499);
      assert.deepEqual(counted(breaker), [0, 0, 0]);
      clock.advance(1);
      // Before any continuation has run.
      assert.deepEqual([breaker.state, ...counted(breaker)], ['open', 0, 1, 0]);
      assert.ok((await reasonOf(promise)) instanceof TimeoutError);
      call[settle](new Error('late'));
      await continuations();
      assert.deepEqual(counted(breaker), [0, 1, 0]);
      assert.equal(clock.pending, 0);
    }
  }
  assert.deepEqual(asked, Array(2).fill(['ERR_TIMEOUT', 'TimeoutError', undefined]));
});

test('a deadline of a policy around it counts as its own does, and one further in as an error', async () => {
  for (const order of ['around', 'inside']) {
    const { clock, breaker } = made(HASTY);
    const deadline = timeout({ ms: 500, clock });
    const calls = order === 'around' ? pipeline(deadline, breaker) : pipeline(breaker, deadline);
    const promise = calls.execute(never);
    clock.advance(500);
    if (order === 'around') assert.deepEqual(counted(breaker), [0, 1, 0]);
    assert.ok((await reasonOf(promise)) instanceof TimeoutError);
    assert.deepEqual([breaker.state, ...counted(breaker)], ['open', 0, 1, 0], order);
  }
});

test('an abort whose reason is named TimeoutError is a deadline, as AbortSignal.timeout makes it', async () => {
  for (const reason of [
    new DOMException('The operation timed out.', 'TimeoutError'),
    Object.assign(new Error('too slow'), { name: 'TimeoutError' }),
  ]) {
    const { breaker } = made(HASTY);
    const { signal, abort } = countedSignal();
    const promise = breaker.execute(never, { signal });
    abort(reason);
    assert.deepEqual([breaker.state, ...counted(breaker)], ['open', 0, 1, 0]);
    assert.equal(await reasonOf(promise), reason);
  }
});

test('AbortSignal.timeout itself is a deadline (real time)', async () => {
  const breaker = new CircuitBreaker(HASTY);
  // The signal’s timer keeps no process alive, so something else has to.
  const alive = setInterval(() => {}, 1_000);
  try {
    const error = await breaker.execute(never, { signal: AbortSignal.timeout(5) }).catch((reason) => reason);
    assert.deepEqual([error.name, breaker.state], ['TimeoutError', 'open']);
  } finally {
    clearInterval(alive);
  }
});

test('a deadline or an abort before the function was called says nothing', async () => {
  for (const end of ['deadline', 'deadline around', 'abort', 'abort as a deadline']) {
    const { clock, breaker } = halfOpen();
    const bucket = new TokenBucket({ ...EMPTY, clock });
    const calls = pipeline(
      timeout({ ms: end === 'deadline around' ? 300 : 60_000, clock }),
      breaker,
      bucket.policy({ maxWaitMs: 60_000 }),
    );
    const { signal, abort } = countedSignal();
    let called = false;
    const promise = calls.execute(
      () => {
        called = true;
      },
      { signal, timeoutMs: end === 'deadline' ? 300 : undefined },
    );
    assert.equal(breaker.snapshot().probes, 1);
    if (end.startsWith('deadline')) clock.advance(300);
    else abort(end === 'abort' ? undefined : new DOMException('late', 'TimeoutError'));
    assert.deepEqual(counted(breaker), [0, 0, 1], end);
    assertProbeIsFree(breaker, end);
    assert.equal(await stateOf(promise), 'rejected');
    clock.advance(5_000);
    await continuations();
    assert.equal(called, false, end);
    assert.equal(bucket.snapshot().waiting, 0, end);
  }
});

test('a call that was over before its turn came takes no permit', async () => {
  // The token comes and the abort follows in one turn, so that the breaker is met by a call that has ended.
  const { clock, breaker } = halfOpen();
  const bucket = new TokenBucket({ ...EMPTY, clock });
  const calls = pipeline(bucket.policy({ maxWaitMs: 60_000 }), breaker);
  const { signal, abort } = countedSignal();
  const promise = calls.execute(() => 'never', { signal });
  clock.advance(1_000);
  abort();
  assert.equal(await reasonOf(promise), signal.reason);
  assertProbeIsFree(breaker);
  assert.deepEqual(counted(breaker), [0, 0, 0]);
});

test('a call aborted as a retry’s pause ends takes neither a permit nor a token', async () => {
  const { clock, breaker } = made({ failureRateThreshold: false });
  const bucket = new TokenBucket({ capacity: 5, refillPerSecond: 1, clock });
  const calls = pipeline(retry({ backoff: 100, clock }), bucket, breaker);
  const { signal, abort } = countedSignal();
  let tries = 0;
  const promise = calls.execute(
    () => {
      tries += 1;
      return failing();
    },
    { signal },
  );
  await continuations();
  clock.advance(100);
  abort();
  assert.equal(await reasonOf(promise), signal.reason);
  await continuations();
  assert.deepEqual([tries, ...counted(breaker)], [1, 0, 1, 0]);
  assert.equal(bucket.snapshot().allowed, 1);
});

test('a synchronous function that overran is a failure when it returns, or throws', async () => {
  for (const end of ['returns', 'throws']) {
    const { clock, breaker } = made(HASTY);
    const discarded = [];
    const promise = breaker.execute(
      () => {
        clock.advance(10);
        if (end === 'throws') throw new Error('late');
        return 'late';
      },
      { timeoutMs: 10, onDiscard: (value) => discarded.push(value) },
    );
    assert.deepEqual([breaker.state, ...counted(breaker)], ['open', 0, 1, 0]);
    assert.ok((await reasonOf(promise)) instanceof TimeoutError, end);
    assert.deepEqual(discarded, end === 'returns' ? ['late'] : []);
  }
});

test('a result that arrives after the loop was blocked past the deadline is a failure (real time)', async () => {
  const blocked = () => {
    const end = performance.now() + 20;
    while (performance.now() < end);
  };
  for (const settle of ['resolve', 'reject']) {
    const asked = [];
    const isFailure = (error) => {
      asked.push(error?.name);
      return true;
    };
    const breaker = new CircuitBreaker({ ...HASTY, isFailure });
    const discarded = [];
    const call = deferred();
    const options = { timeoutMs: 5, onDiscard: (value) => discarded.push(value) };
    const promise = breaker.execute(() => call.promise, options);
    blocked();
    // The result is there in time for the first microtask, and no timer has had its turn.
    call[settle]('late');
    assert.ok((await reasonOf(promise)) instanceof TimeoutError, settle);
    assert.deepEqual([breaker.state, ...counted(breaker)], ['open', 0, 1, 0]);
    assert.deepEqual(asked, ['TimeoutError']);
    assert.deepEqual(discarded, settle === 'resolve' ? ['late'] : []);
  }
});
