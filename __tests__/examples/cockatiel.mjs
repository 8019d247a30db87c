// What the examples in cockatiel's readme do, with what a user of this package writes instead.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  CircuitBreaker,
  CircuitOpenError,
  fallback,
  ManualClock,
  pipeline,
  retry,
  TimeoutError,
  timeout,
} from 'breakwater';
import { continuations, reasonOf, stateOf } from '../helpers/promises.mjs';

class NetworkError extends Error {}
class HttpError extends Error {
  constructor(statusCode) {
    super(`status ${statusCode}`);
    this.statusCode = statusCode;
  }
}

const never = () => new Promise(() => {});
const fails = async () => {
  throw new Error('down');
};
const works = async () => 'works';

/** A function that fails with these errors in turn, gives these values in turn, then gives 'works'. */
function script(...steps) {
  const run = async () => {
    run.calls += 1;
    const step = steps.shift() ?? 'works';
    if (step instanceof Error) throw step;
    return step;
  };
  run.calls = 0;
  return run;
}

/** Makes `count` calls that come to nothing. */
async function fail(policy, count) {
  for (let i = 0; i < count; i++) await policy.execute(fails).catch(() => {});
}

/** Collects what `on` tells. */
function changesOf(breaker) {
  const heard = [];
  breaker.on('stateChange', ({ to }) => heard.push(to));
  return heard;
}

test('cockatiel, introduction: three retries through a breaker that gives a database ten seconds after five failures in a row', async () => {
  const clock = new ManualClock();
  const breaker = new CircuitBreaker({ consecutiveFailures: 5, openMs: 10_000, clock });
  const policy = pipeline(retry({ maxAttempts: 4, clock, seed: 1 }), breaker);
  const database = script(new Error('1'), new Error('2'));
  const answer = policy.execute(database);
  await clock.advanceAsync(10_000);
  assert.equal(await answer, 'works');
  assert.equal(database.calls, 3);

  const gone = policy.execute(fails).catch((error) => error);
  await clock.advanceAsync(10_000);
  assert.equal((await gone).message, 'down');
  const last = policy.execute(fails).catch((error) => error);
  await clock.advanceAsync(1_000);
  // The fifth failure in a row was the first of this call: its second try is refused, and that ends the call.
  assert.ok((await last) instanceof CircuitOpenError);
  clock.advance(10_000);
  assert.equal(await policy.execute(works), 'works');
});

test('cockatiel, handleAll: any error is tried again', async () => {
  const fn = script(new NetworkError(), new TypeError('mine'));
  assert.equal(await retry({ backoff: 0 }).execute(fn), 'works');
});

test('cockatiel, handleType: errors of a class are tried again, and those of another one if a filter says so', async () => {
  const policy = retry({
    backoff: 0,
    retryIf: (error) =>
      error instanceof NetworkError || (error instanceof HttpError && error.statusCode === 503),
  });
  assert.equal(await policy.execute(script(new NetworkError(), new HttpError(503))), 'works');
  const missing = script(new HttpError(404));
  assert.equal((await reasonOf(policy.execute(missing))).statusCode, 404);
  assert.equal(missing.calls, 1);
});

test('cockatiel, handleWhen: an error is tried again if it says that it should be', async () => {
  const policy = retry({ backoff: 0, retryIf: (error) => error?.shouldRetry === true });
  assert.equal(await policy.execute(script(Object.assign(new Error(), { shouldRetry: true }))), 'works');
  assert.equal((await reasonOf(policy.execute(script(new Error('no'))))).message, 'no');
});

test('cockatiel, handleWhenResult: results are tried again, and the last one is given as it is', async () => {
  const policy = retry({
    backoff: 0,
    maxAttempts: 3,
    retryIf: (_error, result) => result.statusCode === 503 || result.statusCode === 429,
  });
  const settled = await policy.execute(script({ statusCode: 503 }, { statusCode: 429 }, { statusCode: 200 }));
  assert.deepEqual(settled, { statusCode: 200 });
  const busy = script({ statusCode: 503 }, { statusCode: 503 }, { statusCode: 429 });
  assert.deepEqual(await policy.execute(busy), { statusCode: 429 });
});

test('cockatiel, wrap: a pipeline does what nested calls of its policies do, and tells fn of all of them', async () => {
  const clock = new ManualClock();
  const policies = () => {
    const breaker = new CircuitBreaker({ clock });
    return [breaker, retry({ backoff: 0, maxAttempts: 2, clock }), timeout({ ms: 100, clock })];
  };
  const calls = [];
  const load = (call) => {
    calls.push([call.attempt, call.signal.aborted, call.remainingMs]);
    return calls.length % 2 === 1 ? fails() : works();
  };
  const [one, tries, limit] = policies();
  const nested = await tries.execute(({ attempt }) =>
    one.execute(() => limit.execute(({ signal, remainingMs }) => load({ attempt, signal, remainingMs }))),
  );
  const [other, retries, bound] = policies();
  const piped = await pipeline(retries, other, bound).execute(load);
  assert.deepEqual([nested, piped], ['works', 'works']);
  assert.deepEqual(calls.slice(0, 2), calls.slice(2));
  assert.deepEqual(calls[0], [1, false, 100]);
  assert.deepEqual(one.snapshot(), other.snapshot());
});

test('cockatiel, usePolicy: a method of a class runs under a policy and keeps its this', async () => {
  const policy = retry({ backoff: 0, maxAttempts: 4 });
  class Database {
    tries = 0;
    getUserInfo = policy.wrap(async (userId) => {
      this.tries += 1;
      if (this.tries < 3) throw new NetworkError();
      return `user ${userId}`;
    });
  }
  const db = new Database();
  assert.equal(await db.getUserInfo(3), 'user 3');
  assert.equal(db.tries, 3);
});

test('cockatiel, noop: a pipeline of nothing calls the function', async () => {
  assert.equal(await pipeline().execute(works), 'works');
  assert.equal((await reasonOf(pipeline().execute(fails))).message, 'down');
});

test('cockatiel, events: a listener that was disposed hears no more, and may be disposed twice', async () => {
  const breaker = new CircuitBreaker({ clock: new ManualClock() });
  const heard = [];
  const listener = breaker.on('stateChange', ({ to }) => heard.push(to));
  breaker.forceOpen();
  await continuations();
  listener.dispose();
  listener.dispose();
  breaker.reset();
  await continuations();
  assert.deepEqual(heard, ['open']);
});

test('cockatiel, Event.once: a promise is resolved by the first event, and its listener ends', async () => {
  const breaker = new CircuitBreaker({ clock: new ManualClock() });
  const opened = new Promise((resolve) => {
    const listener = breaker.on('stateChange', (change) => {
      listener.dispose();
      resolve(change.reason);
    });
  });
  breaker.forceOpen();
  breaker.reset();
  assert.equal(await opened, 'forced');
});

test('cockatiel, retry: three more tries without a wait', async () => {
  const fn = script(...[1, 2, 3, 4].map((number) => new Error(`try ${number}`)));
  const error = await reasonOf(retry({ maxAttempts: 4, backoff: 0 }).execute(fn));
  assert.equal(error.message, 'try 4');
  assert.equal(fn.calls, 4);
});

/** The waits between `count` attempts. */
async function waitsOf(count, options) {
  const clock = new ManualClock();
  const waits = [];
  const onRetry = ({ delayMs }) => waits.push(delayMs);
  const call = retry({ maxAttempts: count + 1, onRetry, clock, seed: 1, ...options }).execute(fails);
  const settled = call.catch(() => {});
  await clock.advanceAsync(3_600_000);
  await settled;
  return waits;
}

test('cockatiel, ConstantBackoff: the wait is the same each time', async () => {
  assert.deepEqual(await waitsOf(4, { backoff: 50 }), [50, 50, 50, 50]);
});

test('cockatiel, ExponentialBackoff: waits grow up to a limit, with lower limits and without jitter if asked', async () => {
  const limits = [100, 200, 400, 800, 1_600, 3_200, 6_400, 10_000, 10_000];
  const waits = await waitsOf(limits.length);
  assert.ok(
    waits.every((wait, index) => wait >= 0 && wait < limits[index]),
    String(waits),
  );
  const lower = { kind: 'exponential', initialMs: 4, maxMs: 1_000, jitter: 'none' };
  assert.deepEqual(await waitsOf(9, { backoff: lower }), [4, 8, 16, 32, 64, 128, 256, 512, 1_000]);
});

test('cockatiel, DelegateBackoff: any random wait up to half a second', async () => {
  const waits = await waitsOf(50, { backoff: { kind: 'exponential', initialMs: 500, maxMs: 500 } });
  assert.equal(new Set(waits).size, 50);
  assert.ok(waits.every((wait) => wait >= 0 && wait < 500));
});

test('cockatiel, DelegateBackoff: no further try once the same error came twice', async () => {
  const policy = retry({
    backoff: 0,
    maxAttempts: Number.POSITIVE_INFINITY,
    retryIf: (error, _result, { context }) => {
      const again = error !== undefined && error.message !== context.last;
      context.last = error?.message;
      return again;
    },
  });
  const fn = script(new Error('a'), new Error('b'), new Error('a'), new Error('a'));
  assert.equal((await reasonOf(policy.execute(fn, { context: {} }))).message, 'a');
  assert.equal(fn.calls, 4);
});

test('cockatiel, onRetry: it is told of each try to come, before the wait', async () => {
  const clock = new ManualClock();
  const told = [];
  const policy = retry({ backoff: 50, maxAttempts: 3, onRetry: (event) => told.push(event), clock });
  const error = new Error('first');
  const call = policy.execute(script(error));
  await continuations();
  assert.deepEqual(told, [{ attempt: 1, delayMs: 50, error, result: undefined }]);
  assert.equal(await stateOf(call), 'pending');
  clock.advance(50);
  assert.equal(await call, 'works');
});

test('cockatiel, SamplingBreaker: it opens when a fifth of the calls of half a minute failed, at ten calls a second', async () => {
  const clock = new ManualClock();
  const window = { kind: 'time', durationMs: 30_000 };
  const breaker = new CircuitBreaker({ window, failureRateThreshold: 0.2, minimumCalls: 300, clock });
  await fail(breaker, 60);
  for (let i = 0; i < 239; i++) await breaker.execute(works);
  assert.equal(breaker.state, 'closed');
  await breaker.execute(works);
  assert.equal(breaker.state, 'open');
});

test('cockatiel, SamplingBreaker: failures of before a pause count no more', async () => {
  const clock = new ManualClock();
  const window = { kind: 'time', durationMs: 5_000 };
  const breaker = new CircuitBreaker({ window, minimumCalls: 5, clock });
  await fail(breaker, 4);
  clock.advance(60_000);
  await fail(breaker, 1);
  assert.equal(breaker.state, 'closed');
});

test('cockatiel, CountBreaker: it opens when a fifth of the last hundred calls failed, from fifty calls on', async () => {
  const clock = new ManualClock();
  const window = { kind: 'count', size: 100 };
  const breaker = new CircuitBreaker({ window, failureRateThreshold: 0.2, minimumCalls: 50, clock });
  await fail(breaker, 49);
  assert.equal(breaker.state, 'closed');
  await fail(breaker, 1);
  assert.equal(breaker.state, 'open');
  breaker.reset();
  for (let i = 0; i < 100; i++) await breaker.execute(works);
  await fail(breaker, 19);
  assert.equal(breaker.state, 'closed');
  await fail(breaker, 1);
  assert.equal(breaker.state, 'open');
});

test('cockatiel, ConsecutiveBreaker: it opens after five failures in a row, and breaks grow while probes fail', async () => {
  const clock = new ManualClock();
  const openMs = { initialMs: 1_000, factor: 2, maxMs: 30_000 };
  const breaker = new CircuitBreaker({ consecutiveFailures: 5, failureRateThreshold: false, openMs, clock });
  await fail(breaker, 4);
  await breaker.execute(works);
  await fail(breaker, 4);
  assert.equal(breaker.state, 'closed');
  await fail(breaker, 1);
  for (const ms of [1_000, 2_000, 4_000]) {
    assert.equal(breaker.retryAfterMs(), ms);
    clock.advance(ms);
    await fail(breaker, 1);
  }
  clock.advance(8_000);
  await breaker.execute(works);
  await fail(breaker, 5);
  assert.equal(breaker.retryAfterMs(), 1_000);
});

test('cockatiel, half-open sampling: of ten probes three may fail, and the fourth failure opens at once', async () => {
  const clock = new ManualClock();
  const breaker = new CircuitBreaker({ failureRateThreshold: 0.4, halfOpenCalls: 10, clock });
  breaker.forceOpen(1_000);
  clock.advance(1_000);
  await fail(breaker, 3);
  for (let i = 0; i < 6; i++) await breaker.execute(works);
  assert.equal(breaker.state, 'halfOpen');
  await breaker.execute(works);
  assert.equal(breaker.state, 'closed');
  breaker.forceOpen(1_000);
  clock.advance(1_000);
  await fail(breaker, 3);
  assert.equal(breaker.state, 'halfOpen');
  await fail(breaker, 1);
  assert.equal(breaker.state, 'open');
});

test('cockatiel, half-open sampling: who comes while the probes are out is refused and does not wait', async () => {
  const clock = new ManualClock();
  const breaker = new CircuitBreaker({ halfOpenCalls: 2, clock });
  breaker.forceOpen(1_000);
  clock.advance(1_000);
  const probes = [breaker.execute(never), breaker.execute(never)];
  const error = await reasonOf(breaker.execute(works));
  assert.equal(error.state, 'halfOpen');
  assert.equal(error.retryAfterMs, 1_000);
  assert.deepEqual(await Promise.all(probes.map(stateOf)), ['pending', 'pending']);
});

test('cockatiel, circuitBreaker: a handler says that the service is unavailable when the circuit is open', async () => {
  const clock = new ManualClock();
  const breaker = new CircuitBreaker({ consecutiveFailures: 1, clock });
  const handleRequest = async (query) => {
    try {
      return await breaker.execute(query);
    } catch (error) {
      if (error instanceof CircuitOpenError) return 'service unavailable';
      throw error;
    }
  };
  assert.equal(await handleRequest(works), 'works');
  assert.equal((await reasonOf(handleRequest(fails))).message, 'down');
  assert.equal(await handleRequest(works), 'service unavailable');
});

test('cockatiel, state: it can be asked, and each change of it is told', async () => {
  const clock = new ManualClock();
  const breaker = new CircuitBreaker({ consecutiveFailures: 1, openMs: 10_000, clock });
  const heard = changesOf(breaker);
  assert.equal(breaker.state, 'closed');
  await fail(breaker, 1);
  assert.equal(breaker.state, 'open');
  clock.advance(10_000);
  await fail(breaker, 1);
  clock.advance(10_000);
  await breaker.execute(works);
  await continuations();
  assert.deepEqual(heard, ['open', 'halfOpen', 'open', 'halfOpen', 'closed']);
});

test('cockatiel, isolate: it is held open until all who isolated it let go, and is then what it was', async () => {
  const clock = new ManualClock();
  const breaker = new CircuitBreaker({ consecutiveFailures: 1, openMs: 10_000, clock });
  const heard = changesOf(breaker);
  const handles = [breaker.isolate(), breaker.isolate()];
  const error = await reasonOf(breaker.execute(works));
  assert.ok(error instanceof CircuitOpenError);
  assert.deepEqual([error.state, error.retryAfterMs], ['isolated', undefined]);
  handles[0].dispose();
  handles[0].dispose();
  assert.equal(breaker.state, 'isolated');
  handles[1].dispose();
  assert.equal(await breaker.execute(works), 'works');
  await fail(breaker, 1);
  breaker.isolate().dispose();
  assert.equal(breaker.state, 'open');
  await continuations();
  assert.deepEqual(heard, ['isolated', 'closed', 'open', 'isolated', 'open']);
});

test('cockatiel, toJSON: a half-open circuit begins with probes in the next process, an isolated one is free there', async () => {
  const clock = new ManualClock();
  const before = new CircuitBreaker({ consecutiveFailures: 3, openMs: 1_000, clock });
  await fail(before, 3);
  clock.advance(1_000);
  const probe = before.tryAcquire();
  const restored = (state) => {
    const breaker = new CircuitBreaker({ consecutiveFailures: 3, openMs: 1_000, clock });
    assert.equal(breaker.restore(JSON.parse(JSON.stringify(state))), true);
    return breaker.state;
  };
  assert.equal(restored(before.export()), 'halfOpen');
  probe.success();
  before.isolate();
  assert.equal(restored(before.export()), 'closed');
});

test('cockatiel, timeout: a query that takes longer than two seconds is given up, and told so', async () => {
  const clock = new ManualClock();
  const limited = timeout({ ms: 2_000, clock });
  let aborted = false;
  const handleRequest = async () => {
    try {
      return await limited.execute(({ signal }) => {
        signal.addEventListener('abort', () => {
          aborted = true;
        });
        return never();
      });
    } catch (error) {
      if (error instanceof TimeoutError) return 'database timed out';
      throw error;
    }
  };
  const answer = handleRequest();
  clock.advance(2_000);
  assert.equal(await answer, 'database timed out');
  assert.equal(aborted, true);
});

test('cockatiel, timeout: the caller’s abort reaches the function, with the caller’s reason', async () => {
  const clock = new ManualClock();
  const controller = new AbortController();
  let inner;
  const call = timeout({ ms: 2_000, clock }).execute(
    ({ signal }) => {
      inner = signal;
      return never();
    },
    { signal: controller.signal },
  );
  const reason = new Error('the user left');
  controller.abort(reason);
  assert.equal(await reasonOf(call), reason);
  assert.equal(inner.reason, reason);
  assert.equal(clock.pending, 0);
});

test('cockatiel, timeout: the signal of a call that has returned is not aborted', async () => {
  const clock = new ManualClock();
  const signal = await timeout({ ms: 2_000, clock }).execute(async (call) => call.signal);
  clock.advance(2_000);
  assert.equal(signal.aborted, false);
});

test('cockatiel, fallback: stale data is given for errors of the database, and other errors pass', async () => {
  class DatabaseError extends Error {}
  const policy = fallback(() => 'stale', { when: (error) => error instanceof DatabaseError });
  assert.equal(await policy.execute(works), 'works');
  assert.equal(await policy.execute(() => Promise.reject(new DatabaseError('locked'))), 'stale');
  assert.equal((await reasonOf(policy.execute(fails))).message, 'down');
});
