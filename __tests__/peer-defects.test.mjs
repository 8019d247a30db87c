// What goes wrong in opossum 10 and cockatiel 3 and 4, found by running or reading them, and does not go wrong here. Each comment says
// what theirs does.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  Bulkhead,
  CircuitBreaker,
  CircuitOpenError,
  fallback,
  hedge,
  ManualClock,
  pipeline,
  retry,
  TimeoutError,
  TokenBucket,
  timeout,
} from 'breakwater';
import { counted, deferred, failing, made, say } from './helpers/breaker.mjs';
import { continuations, reasonOf, stateOf } from './helpers/promises.mjs';
import { countedSignal } from './helpers/signals.mjs';
import './helpers/rejections.mjs';

/** Opens at the first failure, for a second. */
const HASTY = { consecutiveFailures: 1, openMs: 1_000 };
const EMPTY = { capacity: 5, refillPerSecond: 1, initialTokens: 0 };
const never = () => new Promise(() => {});

// opossum: the constructor writes into the caller's options, and the second breaker answers from the first one's cache.
test('two breakers made of one options object share nothing, and leave it as it was', async () => {
  const window = Object.freeze({ kind: 'count', size: 10 });
  const options = Object.freeze({ ...HASTY, window, clock: new ManualClock() });
  const before = { ...options };
  const [one, other] = [new CircuitBreaker(options), new CircuitBreaker(options)];
  assert.deepEqual({ ...options }, before);
  assert.equal(await one.execute(async () => 'one'), 'one');
  assert.equal(await other.execute(async () => 'other'), 'other');
  await reasonOf(one.execute(failing));
  assert.deepEqual([one.state, other.state], ['open', 'closed']);
  assert.deepEqual(
    [counted(one), counted(other)],
    [
      [1, 1, 0],
      [1, 0, 0],
    ],
  );
});

// opossum: with capacity 1 two of three calls at once are ESEMLOCKED, which counts as failing and opens the circuit.
test('calls that found no capacity do not open the breaker', async () => {
  const { clock, breaker } = made({ ...HASTY, minimumCalls: 1 });
  const calls = pipeline(breaker, new Bulkhead({ maxConcurrent: 1, clock }));
  const outcomes = await Promise.allSettled([1, 2, 3].map((id) => calls.execute(async () => id)));
  assert.deepEqual(
    outcomes.map(({ value, reason }) => value ?? reason.code),
    [1, 'ERR_BULKHEAD_FULL', 'ERR_BULKHEAD_FULL'],
  );
  assert.deepEqual([breaker.state, ...counted(breaker)], ['closed', 1, 0, 2]);
});

// opossum: a success that was let in before the circuit opened closes it while the probe still runs.
test('a success from before the break does not close a half-open breaker', async () => {
  const { clock, breaker } = made(HASTY);
  const slow = deferred();
  const stale = breaker.execute(() => slow.promise);
  say(breaker, 'failure');
  clock.advance(1_000);
  const probe = breaker.tryAcquire();
  slow.resolve('slow');
  assert.equal(await stale, 'slow');
  assert.equal(breaker.state, 'halfOpen');
  assert.equal(breaker.tryAcquire(), undefined, 'the probe decides, and is out');
  probe.success();
  assert.equal(breaker.state, 'closed');
});

// opossum: toJSON().state.lastTimerAt is when the breaker was made.
test('an export says how long ago the breaker opened, not how old it is', () => {
  const { clock, breaker } = made(HASTY);
  clock.advance(86_400_000);
  say(breaker, 'failure');
  clock.advance(300);
  assert.deepEqual([breaker.export().openedAgoMs, breaker.export().openForMs], [300, 1_000]);
});

// opossum with timeout: false, and Polly 8: a probe that never settles keeps the circuit half-open for ever.
test('a probe that never settles does not keep the breaker half-open for ever', async () => {
  const { clock, breaker } = made(HASTY);
  say(breaker, 'failure');
  clock.advance(1_000);
  breaker.execute(never);
  assert.ok((await reasonOf(breaker.execute(() => 'refused'))) instanceof CircuitOpenError);
  clock.advance(30_000);
  assert.equal(await breaker.execute(() => 'the next probe'), 'the next probe');
  assert.equal(breaker.state, 'closed');
});

// opossum: one AbortController for the whole breaker: a timeout aborts every call in flight, and those to come.
test('a call that times out aborts itself alone', async () => {
  const { clock, breaker } = made();
  const signals = [];
  const start = (timeoutMs) =>
    breaker.execute(
      (call) => {
        signals.push(call.signal);
        return never();
      },
      { timeoutMs },
    );
  const [first, second] = [start(100), start(200)];
  clock.advance(100);
  assert.deepEqual([await stateOf(first), await stateOf(second)], ['rejected', 'pending']);
  const third = start(200);
  assert.deepEqual(
    signals.map(({ aborted }) => aborted),
    [true, false, false],
  );
  clock.advance(200);
  await Promise.allSettled([first, second, third]);
});

// opossum: a timeout frees its place while the work goes on: four calls at once run with a capacity of 1.
test('a deadline gives nothing back of what the work still uses', async () => {
  const { clock, breaker } = made();
  const bulkhead = new Bulkhead({ maxConcurrent: 1, clock });
  let running = 0;
  const calls = pipeline(timeout({ ms: 10, clock }), breaker, bulkhead, timeout({ ms: 10, clock }));
  const ends = [];
  for (let i = 0; i < 4; i++) {
    const call = calls.execute(() => {
      running += 1;
      return never();
    });
    await continuations();
    clock.advance(10);
    ends.push((await reasonOf(call)).code);
  }
  assert.equal(running, 1);
  assert.deepEqual(ends, ['ERR_TIMEOUT', 'ERR_BULKHEAD_FULL', 'ERR_BULKHEAD_FULL', 'ERR_BULKHEAD_FULL']);
  assert.equal(bulkhead.active, 1);
});

// opossum: each failing call merges and sorts all latencies of the window: 6.1 ms with 20,000 of them, during an incident.
test('a failing call costs no more with many calls in the window (real time, with much to spare)', async () => {
  for (const window of [
    { kind: 'time', durationMs: 600_000 },
    { kind: 'count', size: 10_000 },
  ]) {
    const breaker = new CircuitBreaker({ window, slowCallMs: 60_000 });
    for (let i = 0; i < 20_000; i++) breaker.tryAcquire().success();
    const start = performance.now();
    for (let i = 0; i < 2_000; i++) await breaker.execute(failing).catch(() => {});
    const each = (performance.now() - start) / 2_000;
    assert.equal(each < 0.5, true, `${each} ms a failing call`);
    assert.equal(breaker.state, 'closed');
  }
});

// opossum: failures are divided by fires, refused ones and answers from the cache among them.
test('calls that were refused or said nothing do not dilute the failure rate', async () => {
  const { clock, breaker } = made({ minimumCalls: 4, window: { kind: 'count', size: 100 } });
  const empty = new TokenBucket({ ...EMPTY, clock });
  say(breaker, 'success', 2);
  say(breaker, 'failure');
  for (let i = 0; i < 50; i++) await reasonOf(pipeline(breaker, empty).execute(never));
  say(breaker, 'ignore', 50);
  assert.deepEqual([breaker.snapshot().calls, breaker.snapshot().failures], [3, 1]);
  say(breaker, 'failure');
  assert.equal(breaker.state, 'open');
  for (let i = 0; i < 100; i++) breaker.tryAcquire();
  const { failureRate, refused } = breaker.snapshot();
  assert.deepEqual([failureRate, refused], [0.5, 100]);
});

// opossum, cockatiel and mollitia go by Date.now(): a clock that is set makes a break end at once, or never.
test('setting the system’s clock neither ends a break nor draws it out (real time)', async () => {
  const { now } = Date;
  const breaker = new CircuitBreaker({ consecutiveFailures: 1, openMs: 60_000 });
  const short = new CircuitBreaker({ consecutiveFailures: 1, openMs: 1 });
  for (const one of [breaker, short]) say(one, 'failure');
  try {
    Date.now = () => now() + 86_400_000;
    assert.equal(breaker.state, 'open');
    Date.now = () => now() - 86_400_000;
    assert.equal(breaker.retryAfterMs() <= 60_000, true);
    const end = performance.now() + 5;
    while (performance.now() < end);
    assert.equal(short.state, 'halfOpen');
  } finally {
    Date.now = now;
  }
});

// opossum #893: the TypeError of `undefined.then` counts as a failure.
test('a synchronous function that returns nothing has succeeded', async () => {
  const { breaker } = made(HASTY);
  assert.equal(await breaker.execute(() => {}), undefined);
  assert.equal(await breaker.wrap(() => {})(), undefined);
  assert.deepEqual(counted(breaker), [2, 0, 0]);
});

// opossum #217 #288 and more: no default volume, so one failure of one call is a rate of 100 %.
test('one failure of one call opens nothing, by default', async () => {
  const { breaker } = made();
  await reasonOf(breaker.execute(failing));
  assert.equal(breaker.state, 'closed');
});

// opossum #385: a failure that comes when the circuit has opened already keeps it from ever being half-open.
test('failures of calls in flight when it opened do not draw out the break', async () => {
  const { clock, breaker } = made({ minimumCalls: 5, openMs: 1_000 });
  const calls = Array.from({ length: 6 }, deferred);
  const running = calls.map(({ promise }) => breaker.execute(() => promise).catch(({ message }) => message));
  for (const call of calls.slice(0, 5)) call.reject(new Error('down'));
  await continuations();
  assert.equal(breaker.state, 'open');
  clock.advance(999);
  calls[5].reject(new Error('down as well'));
  await Promise.all(running);
  assert.equal(breaker.retryAfterMs(), 1);
  clock.advance(1);
  assert.equal(await breaker.execute(() => 'up'), 'up');
});

// cockatiel: SamplingBreaker moves on by one slot a call, so four failures survive a minute without calls.
test('failures of a minute ago do not open a breaker that counts five seconds', () => {
  const { clock, breaker } = made({ window: { kind: 'time', durationMs: 5_000 }, minimumCalls: 5 });
  for (let i = 0; i < 4; i++) {
    say(breaker, 'failure');
    clock.advance(1_000);
  }
  clock.advance(60_000);
  say(breaker, 'failure');
  assert.deepEqual([breaker.state, breaker.snapshot().calls], ['closed', 1]);
});

// cockatiel: calls that meet a half-open circuit wait for the probe, without a bound, and do not settle when they are aborted.
test('a thousand callers behind a hung probe are refused at once', async () => {
  const { clock, breaker } = made(HASTY);
  say(breaker, 'failure');
  clock.advance(1_000);
  const probing = countedSignal();
  const probe = breaker.execute(never, { signal: probing.signal });
  const signals = Array.from({ length: 1_000 }, countedSignal);
  const calls = signals.map(({ signal }) => breaker.execute(() => 'never', { signal }));
  const codes = new Set((await Promise.all(calls.map(reasonOf))).map(({ code }) => code));
  assert.deepEqual([...codes], ['ERR_CIRCUIT_OPEN']);
  assert.equal(
    signals.every(({ listeners }) => listeners() === 0),
    true,
  );
  // And the probe itself goes when its caller does.
  probing.abort();
  assert.equal(await reasonOf(probe), probing.signal.reason);
  assert.equal(await breaker.execute(() => 'the next'), 'the next');
});

// cockatiel #112: the signal is not passed on to the call that is let into a half-open circuit.
test('a probe gets its caller’s signal and deadline as any call does', async () => {
  const { clock, breaker } = made(HASTY);
  say(breaker, 'failure');
  clock.advance(1_000);
  const { signal, abort } = countedSignal();
  let call;
  const probe = breaker.execute(
    (own) => {
      call = own;
      return never();
    },
    { signal, timeoutMs: 500 },
  );
  assert.equal(call.remainingMs, 500);
  abort();
  assert.equal(call.signal.reason, signal.reason);
  await reasonOf(probe);
});

// cockatiel #91: the state stays open until somebody calls.
test('the state says half-open once the break is over, though nobody called', () => {
  const { clock, breaker } = made(HASTY);
  say(breaker, 'failure');
  clock.advance(1_000);
  assert.deepEqual(
    [breaker.state, breaker.snapshot().state, breaker.retryAfterMs()],
    ['halfOpen', 'halfOpen', 0],
  );
});

// cockatiel: whoever restores an isolated breaker has no handle that could end it.
test('an export of an isolated breaker isolates nobody for ever', () => {
  const { breaker } = made();
  breaker.isolate();
  const restored = made().breaker;
  assert.equal(restored.restore(JSON.parse(JSON.stringify(breaker.export()))), true);
  assert.equal(restored.state, 'closed');
});

// cockatiel: an abort after 50 ms settles after 401, and then the function is called once more, with a signal that is aborted.
test('an abort ends a retry’s pause in the same turn, and nothing is called any more', async () => {
  const clock = new ManualClock();
  const { signal, abort, listeners } = countedSignal();
  const reason = new Error('gone');
  const aborted = [];
  const promise = retry({ backoff: 400, clock }).execute(
    (call) => {
      aborted.push(call.signal.aborted);
      return failing();
    },
    { signal },
  );
  await continuations();
  clock.advance(50);
  assert.equal(clock.pending, 1);
  abort(reason);
  assert.equal(clock.pending, 0);
  assert.equal(await reasonOf(promise), reason);
  assert.equal(listeners(), 0);
  clock.advance(10_000);
  await continuations();
  assert.deepEqual(aborted, [false]);
});

// cockatiel: bulkhead notices an abort only when the call’s turn comes: after 301 ms for an abort after 30.
test('an abort of a call that waits for its turn is heard in the same turn, and its place is the next one’s', async () => {
  const clock = new ManualClock();
  const bulkhead = new Bulkhead({ maxConcurrent: 1, maxQueue: 2, clock });
  const permit = bulkhead.tryAcquire();
  const { signal, abort, listeners } = countedSignal();
  let called = false;
  const first = bulkhead.execute(
    () => {
      called = true;
    },
    { signal },
  );
  const second = bulkhead.execute(() => 'second');
  clock.advance(30);
  abort();
  assert.equal(await reasonOf(first), signal.reason);
  assert.deepEqual([bulkhead.queued, listeners()], [1, 0]);
  permit.release();
  assert.equal(await second, 'second');
  assert.equal(called, false);
});

// cockatiel #69 #81 #82: abort listeners pile up with every call that is given the signal.
test('a thousand calls with one signal leave no listener behind, and each has one while it runs', async () => {
  const { clock, breaker } = made({ failureRateThreshold: false });
  const calls = pipeline(
    fallback('instead', { when: () => false }),
    timeout({ ms: 60_000, clock }),
    retry({ backoff: 0, clock }),
    hedge({ delayMs: 10, clock }),
    breaker,
    timeout({ ms: 1_000, clock }),
  );
  const { signal, listeners } = countedSignal();
  const options = { signal, timeoutMs: 30_000 };
  const ends = { value: async () => 'value', error: failing, nothing: () => {} };
  for (let i = 0; i < 1_000; i++) {
    const end = Object.keys(ends)[i % 3];
    await calls.execute(ends[end], options).catch(() => {});
    assert.equal(listeners(), 0, end);
  }
  const running = Array.from({ length: 5 }, () => deferred());
  const all = running.map(({ promise }) => calls.execute(() => promise, options));
  assert.equal(listeners(), 5, 'however many policies there are');
  for (const { resolve } of running) resolve();
  await Promise.all(all);
  assert.deepEqual([listeners(), clock.pending], [0, 0]);
});

// cockatiel #99 #101 #104: whatever the signal’s reason was, the caller gets a TaskCancelledError, also for a timeout.
test('an abort keeps its own reason through every policy, and a timeout is told apart from it', async () => {
  const { clock, breaker } = made();
  const calls = pipeline(
    fallback('instead'),
    timeout({ ms: 1_000, clock }),
    retry({ clock }),
    hedge({ delayMs: 60_000, clock }),
    breaker,
  );
  for (const reason of [new Error('gone'), 'a string', { any: 'value' }, null]) {
    const { signal, abort } = countedSignal();
    let inside;
    const promise = calls.execute(
      (call) => {
        inside = call.signal;
        return never();
      },
      { signal },
    );
    abort(reason);
    assert.equal(await reasonOf(promise), reason);
    assert.equal(inside.reason, reason);
  }
  const errors = [];
  const bounded = pipeline(
    fallback((error) => errors.push(error)),
    timeout({ ms: 1_000, clock }),
    breaker,
  );
  const promise = bounded.execute(never);
  clock.advance(1_000);
  await promise;
  assert.ok(errors[0] instanceof TimeoutError);
});

// cockatiel #86: after a thousand tries the delay is NaN, Infinity − Infinity; Polly #2163: negative.
test('three thousand retries in a row wait for sensible times', async () => {
  for (const jitter of ['full', 'equal', 'decorrelated', 'none']) {
    const clock = new ManualClock();
    const delays = [];
    const backoff = { kind: 'exponential', initialMs: 45_000, maxMs: 900_000, jitter };
    const onRetry = ({ delayMs }) => delays.push(delayMs);
    const policy = retry({ maxAttempts: 3_001, backoff, onRetry, clock, seed: 1 });
    const promise = policy.execute(failing);
    while (delays.length < 3_000) {
      await continuations();
      clock.advance(900_000);
    }
    assert.equal((await reasonOf(promise)).message, 'down');
    const odd = delays.filter((ms) => !(ms >= 0 && ms <= 900_000));
    assert.deepEqual([delays.length, odd], [3_000, []], jitter);
  }
});

// cockatiel: the fallback function is called without the error.
test('a fallback learns which error it stands in for, and of which call', async () => {
  const seen = [];
  const policy = fallback((error, call) => {
    seen.push([error.message, call.context]);
    return 'instead';
  });
  assert.equal(await policy.execute(failing, { context: 'mine' }), 'instead');
  assert.deepEqual(seen, [['down', 'mine']]);
});
