// What the examples in opossum's README do, with what a user of this package writes instead.
import assert from 'node:assert/strict';
import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import { readFile } from 'node:fs';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import {
  BreakwaterError,
  CircuitBreaker,
  CircuitOpenError,
  DisposedError,
  fallback,
  InvalidOptionError,
  ManualClock,
  pipeline,
  RefusedError,
  TimeoutError,
  timeout,
} from 'breakwater';
import { continuations, reasonOf, stateOf } from '../helpers/promises.mjs';

const never = () => new Promise(() => {});
const fails = async () => {
  throw new Error('down');
};
const works = async () => 'works';

/** Makes `count` calls that come to nothing. */
async function fail(policy, count) {
  for (let i = 0; i < count; i++) await policy.execute(fails).catch(() => {});
}

test('opossum, usage: a guarded function is called with its arguments and gives its value', async () => {
  const clock = new ManualClock();
  const breaker = new CircuitBreaker({ openMs: 30_000, clock });
  const add = pipeline(breaker, timeout({ ms: 3_000, clock })).wrap(async (x, y) => x + y);
  assert.equal(await add(2, 3), 5);
  assert.equal(breaker.snapshot().succeeded, 1);
});

test('opossum, usage: a function that takes longer than three seconds fails, and counts as a failure', async () => {
  const clock = new ManualClock();
  const breaker = new CircuitBreaker({ clock });
  const call = pipeline(breaker, timeout({ ms: 3_000, clock })).wrap(never)();
  clock.advance(2_999);
  assert.equal(await stateOf(call), 'pending');
  clock.advance(1);
  assert.ok((await reasonOf(call)) instanceof TimeoutError);
  assert.equal(breaker.snapshot().failed, 1);
});

test('opossum, usage: at half of the calls failing it opens, and tries again after thirty seconds', async () => {
  const clock = new ManualClock();
  const breaker = new CircuitBreaker({ failureRateThreshold: 0.5, openMs: 30_000, clock });
  for (let i = 0; i < 10; i++) await breaker.execute(works);
  await fail(breaker, 9);
  assert.equal(breaker.state, 'closed');
  await fail(breaker, 1);
  assert.equal(breaker.state, 'open');
  clock.advance(29_999);
  const refused = await reasonOf(breaker.execute(works));
  assert.ok(refused instanceof CircuitOpenError);
  assert.equal(refused.retryAfterMs, 1);
  clock.advance(1);
  assert.equal(await breaker.execute(works), 'works');
  assert.equal(breaker.state, 'closed');
});

test('opossum, abort controller: a timeout aborts the request under way', async () => {
  const clock = new ManualClock();
  const breaker = new CircuitBreaker({ clock });
  let request;
  const call = breaker.execute(
    ({ signal }) => {
      request = signal;
      return never();
    },
    { timeoutMs: 3_000 },
  );
  clock.advance(3_000);
  const error = await reasonOf(call);
  assert.equal(error.code, 'ERR_TIMEOUT');
  assert.equal(request.reason, error);
});

test('opossum, renewed controllers: a timeout leaves the signals of other calls alone', async () => {
  const clock = new ManualClock();
  const breaker = new CircuitBreaker({ clock });
  const signals = [];
  const start = (timeoutMs) =>
    breaker.execute(
      ({ signal }) => {
        signals.push(signal);
        return never();
      },
      { timeoutMs },
    );
  const first = start(3_000);
  start(5_000).catch(() => {});
  clock.advance(3_000);
  await reasonOf(first);
  start(3_000).catch(() => {});
  assert.deepEqual(
    signals.map((signal) => signal.aborted),
    [true, false, false],
  );
});

test('opossum, fallback: it answers failures, and refusals as long as the circuit is open', async () => {
  const clock = new ManualClock();
  const breaker = new CircuitBreaker({ consecutiveFailures: 2, openMs: 30_000, clock });
  const reported = [];
  const excuse = (error) => {
    reported.push(error instanceof RefusedError ? 'refused' : error.message);
    return 'out of service';
  };
  const guarded = pipeline(fallback(excuse), breaker);
  for (let i = 0; i < 3; i++) assert.equal(await guarded.execute(fails), 'out of service');
  assert.deepEqual(reported, ['down', 'down', 'refused']);
  clock.advance(30_000);
  assert.equal(await guarded.execute(works), 'works');
  assert.equal(breaker.state, 'closed');
});

test('opossum, fallback: a failed try after the break opens it again at once', async () => {
  const clock = new ManualClock();
  const breaker = new CircuitBreaker({ consecutiveFailures: 2, openMs: 30_000, clock });
  await fail(breaker, 2);
  clock.advance(30_000);
  assert.equal(breaker.state, 'halfOpen');
  await fail(breaker, 1);
  assert.equal(breaker.state, 'open');
});

test('opossum, fallback: it knows what the call was given', async () => {
  const clock = new ManualClock();
  const policy = fallback((_error, { context }) => `not now: ${context.join(', ')}`);
  const guarded = pipeline(policy, timeout({ ms: 10_000, clock }));
  const fire = (...args) => guarded.execute(never, { context: args });
  const call = fire(20_000, 1, 2, 3);
  clock.advance(10_000);
  assert.equal(await call, 'not now: 20000, 1, 2, 3');
});

test('opossum, state: an open circuit goes on in the next process where it was', async () => {
  const clock = new ManualClock();
  const before = new CircuitBreaker({ consecutiveFailures: 1, openMs: 30_000, clock });
  await fail(before, 1);
  clock.advance(10_000);
  const kept = JSON.stringify(before.export());
  const after = new CircuitBreaker({ consecutiveFailures: 1, openMs: 30_000, clock: new ManualClock() });
  assert.equal(after.restore(JSON.parse(kept)), true);
  assert.equal(after.state, 'open');
  // The wall clock went on for as long as this test takes.
  const left = after.retryAfterMs();
  assert.ok(left <= 20_000 && left > 10_000, String(left));
});

test('opossum, status: what was counted goes on counting in the next process', async () => {
  const before = new CircuitBreaker({ window: { kind: 'count', size: 100 }, clock: new ManualClock() });
  for (let i = 0; i < 5; i++) await before.execute(works);
  await fail(before, 4);
  const after = new CircuitBreaker({ window: { kind: 'count', size: 100 }, clock: new ManualClock() });
  assert.equal(after.restore(before.export()), true);
  const { calls, failures } = after.snapshot();
  assert.deepEqual({ calls, failures }, { calls: 9, failures: 4 });
});

test('opossum, events: a listener hears of open, half-open and closed, a channel of refusals', async () => {
  const clock = new ManualClock();
  const breaker = new CircuitBreaker({ label: 'route', consecutiveFailures: 1, openMs: 5_000, clock });
  const heard = [];
  breaker.on('stateChange', ({ to, reason }) => heard.push(`${to}: ${reason}`));
  const onRefused = ({ primitive }) => primitive === 'route' && heard.push('refused');
  subscribe('breakwater:breaker:refused', onRefused);
  try {
    await fail(breaker, 1);
    await continuations();
    await fail(breaker, 1);
    clock.advance(5_000);
    await breaker.execute(works);
    await continuations();
  } finally {
    unsubscribe('breakwater:breaker:refused', onRefused);
  }
  assert.deepEqual(heard, ['open: consecutiveFailures', 'refused', 'halfOpen: elapsed', 'closed: recovered']);
});

test('opossum, callbacks: a function with a callback is guarded once it is promisified', async () => {
  const read = new CircuitBreaker({ clock: new ManualClock() }).wrap(promisify(readFile));
  const manifest = await read(fileURLToPath(new URL('../../package.json', import.meta.url)), 'utf8');
  assert.equal(JSON.parse(manifest).name, 'breakwater');
});

test('opossum, no function: a value alone is refused, a function that gives it is not', async () => {
  const breaker = new CircuitBreaker({ clock: new ManualClock() });
  assert.throws(() => breaker.wrap('foo'), InvalidOptionError);
  assert.equal(await breaker.wrap(() => 'foo')(), 'foo');
  assert.equal(await breaker.execute(() => undefined), undefined);
  assert.equal(breaker.snapshot().failed, 0);
});

test('opossum, error rate: three failures of 24 calls in ten seconds open nothing, and a second later 25 are counted', async () => {
  const clock = new ManualClock();
  const breaker = new CircuitBreaker({ minimumCalls: 1, clock });
  const counts = () => {
    const { calls, failures } = breaker.snapshot();
    return { calls, failures };
  };
  for (const [second, fires] of [2, 1, 3, 0, 9, 3, 2, 0, 4, 0].entries()) {
    if (second > 0) clock.advance(1_000);
    if (second === 5) await fail(breaker, fires);
    else for (let i = 0; i < fires; i++) await breaker.execute(works);
  }
  assert.deepEqual(counts(), { calls: 24, failures: 3 });
  assert.equal(breaker.state, 'closed');
  clock.advance(1_000);
  for (let i = 0; i < 3; i++) await breaker.execute(works);
  assert.deepEqual(counts(), { calls: 25, failures: 3 });
});

test('opossum, error rate: the same failures open it over three seconds, because they are three of five there', async () => {
  const clock = new ManualClock();
  const window = { kind: 'time', durationMs: 3_000 };
  const breaker = new CircuitBreaker({ window, minimumCalls: 5, clock });
  await fail(breaker, 3);
  clock.advance(1_000);
  await breaker.execute(works);
  assert.equal(breaker.state, 'closed');
  await breaker.execute(works);
  assert.equal(breaker.state, 'open');
});

test('opossum, fetch: a response with an error status fails where isFailure says so, and is the answer all the same', async () => {
  const clock = new ManualClock();
  const isFailure = (error, response) => error !== undefined || response.status >= 500;
  const breaker = new CircuitBreaker({ consecutiveFailures: 2, isFailure, clock });
  const respond = (status) => breaker.execute(async () => new Response(null, { status }));
  assert.equal((await respond(404)).status, 404);
  assert.equal((await respond(503)).status, 503);
  assert.equal(breaker.state, 'closed');
  await respond(503);
  assert.equal(breaker.state, 'open');
});

test('opossum, error filter: an error may count as a success, or for nothing', async () => {
  const clock = new ManualClock();
  for (const [verdict, succeeded, ignored] of [
    [false, 1, 0],
    ['ignore', 0, 1],
  ]) {
    const breaker = new CircuitBreaker({ isFailure: () => verdict, clock });
    assert.equal((await reasonOf(breaker.execute(fails))).message, 'down');
    const figures = breaker.snapshot();
    assert.deepEqual([figures.succeeded, figures.ignored, figures.failed], [succeeded, ignored, 0]);
  }
});

test('opossum, disable: a disabled circuit lets all calls pass uncounted, and tells that they pass now', async () => {
  const clock = new ManualClock();
  const breaker = new CircuitBreaker({ consecutiveFailures: 1, clock });
  await fail(breaker, 1);
  const heard = [];
  breaker.on('stateChange', ({ to, retryAfterMs }) => heard.push([to, retryAfterMs]));
  const disabled = breaker.disable();
  assert.equal(await breaker.execute(works), 'works');
  await fail(breaker, 3);
  assert.equal(breaker.snapshot().calls, 1);
  disabled.dispose();
  assert.ok((await reasonOf(breaker.execute(works))) instanceof CircuitOpenError);
  await continuations();
  assert.deepEqual(heard, [
    ['disabled', 0],
    ['open', 5_000],
  ]);
});

test('opossum, shutdown: a circuit that was shut down calls nothing, and the error is known as ours', async () => {
  const breaker = new CircuitBreaker({ label: 'route', clock: new ManualClock() });
  breaker.dispose();
  let called = false;
  const error = await reasonOf(
    breaker.execute(() => {
      called = true;
    }),
  );
  assert.ok(error instanceof DisposedError && error instanceof BreakwaterError);
  assert.equal(error.primitive, 'route');
  assert.equal(called, false);
});

test('opossum, many circuits: a thousand of them keep no timer', async () => {
  const clock = new ManualClock();
  const breakers = Array.from({ length: 1_000 }, () => new CircuitBreaker({ consecutiveFailures: 1, clock }));
  await Promise.all(breakers.map((breaker) => fail(breaker, 1)));
  assert.equal(clock.pending, 0);
  clock.advance(5_000);
  assert.deepEqual([...new Set(breakers.map((breaker) => breaker.state))], ['halfOpen']);
});
