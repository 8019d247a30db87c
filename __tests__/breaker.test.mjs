// CircuitBreaker as a user meets it, on the manual clock: states, rules, refusals, the end. What it makes of calls: breaker-calls;
// what callers hold: breaker-permits; events and exports: breaker-events; several threads: breaker-workers.
import assert from 'node:assert/strict';
import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import { test } from 'node:test';
import { CircuitBreaker, CircuitOpenError, DisposedError, ManualClock } from 'breakwater';
import { counted, deferred, failing, made, say } from './helpers/breaker.mjs';
import { continuations, reasonOf } from './helpers/promises.mjs';
import './helpers/rejections.mjs';

/** Opens at the first failure, for a second. */
const HASTY = { consecutiveFailures: 1, openMs: 1_000 };

test('opens when half of twenty calls failed, asks again after five seconds, and closes when that went well', async () => {
  const { clock, breaker } = made();
  for (let i = 0; i < 10; i++) assert.equal(await breaker.execute(async () => i), i);
  for (let i = 0; i < 9; i++) assert.equal((await reasonOf(breaker.execute(failing))).message, 'down');
  assert.equal(breaker.state, 'closed');
  await reasonOf(breaker.execute(failing));
  assert.equal(breaker.state, 'open');

  let called = false;
  const call = async () => {
    called = true;
    return 'up again';
  };
  assert.ok((await reasonOf(breaker.execute(call))) instanceof CircuitOpenError);
  clock.advance(4_999.999);
  assert.equal((await reasonOf(breaker.execute(call))).code, 'ERR_CIRCUIT_OPEN');
  assert.deepEqual([breaker.state, called], ['open', false]);

  clock.advance(0.001);
  assert.equal(breaker.state, 'halfOpen');
  const { promise, resolve } = deferred();
  const probe = breaker.execute(() => promise);
  assert.equal((await reasonOf(breaker.execute(call))).state, 'halfOpen');
  assert.equal(called, false);
  resolve('answered');
  assert.equal(await probe, 'answered');
  assert.equal(breaker.state, 'closed');
  assert.equal(await breaker.execute(call), 'up again');
});

test('a probe that fails begins another break', async () => {
  const { clock, breaker } = made(HASTY);
  say(breaker, 'failure');
  for (let round = 0; round < 3; round++) {
    clock.advance(1_000);
    await reasonOf(breaker.execute(failing));
    assert.equal(breaker.state, 'open');
    assert.equal(breaker.retryAfterMs(), 1_000);
  }
  assert.equal(breaker.snapshot().breaks, 4);
});

test('breaks grow to their longest, and begin anew after a recovery', () => {
  const { clock, breaker } = made({ ...HASTY, openMs: { initialMs: 1_000, factor: 3, maxMs: 5_000 } });
  const breaks = [];
  const breakOff = () => {
    say(breaker, 'failure');
    breaks.push(breaker.retryAfterMs());
    clock.advance(breaker.retryAfterMs());
  };
  for (let i = 0; i < 4; i++) breakOff();
  say(breaker, 'success');
  breakOff();
  assert.deepEqual(breaks, [1_000, 3_000, 5_000, 5_000, 1_000]);
});

test('jitter is added on top, and a seed gives the same breaks again', () => {
  const breaksOf = (seed) => {
    const { clock, breaker } = made({ ...HASTY, openMs: { initialMs: 1_000, factor: 1, jitter: 0.5 }, seed });
    return Array.from({ length: 20 }, () => {
      say(breaker, 'failure');
      const ms = breaker.retryAfterMs();
      clock.advance(ms);
      return ms;
    });
  };
  const breaks = breaksOf(1);
  assert.deepEqual(breaks, breaksOf(1));
  assert.notDeepEqual(breaks, breaksOf(2));
  assert.equal(
    breaks.every((ms) => ms >= 1_000 && ms < 1_500),
    true,
    breaks.join(),
  );
  assert.equal(new Set(breaks).size > 15, true);
});

test('each rule opens alone, and says which it was', () => {
  for (const [reason, options, calls] of [
    ['failureRate', { minimumCalls: 4 }, ['success', 'success', 'failure', 'failure']],
    ['consecutiveFailures', { consecutiveFailures: 2, failureRateThreshold: false }, ['failure', 'failure']],
    ['slowCallRate', { minimumCalls: 2, slowCallMs: 100, failureRateThreshold: false }, ['slow', 'slow']],
  ]) {
    const { clock, breaker } = made(options);
    const reasons = [];
    const listening = breaker.on('stateChange', (change) => reasons.push(change.reason));
    for (const [index, call] of calls.entries()) {
      assert.equal(breaker.state, 'closed', `${reason}: call ${index}`);
      const permit = breaker.tryAcquire();
      clock.advance(call === 'slow' ? 101 : 0);
      permit[call === 'slow' ? 'success' : call]();
    }
    assert.equal(breaker.state, 'open', reason);
    listening[Symbol.dispose]();
  }
});

test('a call is slow when it took more than slowCallMs, whatever came of it', async () => {
  const options = { slowCallMs: 100, slowCallRateThreshold: 1, minimumCalls: 3, failureRateThreshold: false };
  const { clock, breaker } = made(options);
  for (const [ms, verdict] of [
    [100, 'resolve'],
    [100.001, 'resolve'],
    [5_000, 'reject'],
  ]) {
    const call = deferred();
    const promise = breaker.execute(() => call.promise).catch(() => {});
    clock.advance(ms);
    call[verdict](new Error('late'));
    await promise;
  }
  const { calls, failures, slowCalls, slowCallRate } = breaker.snapshot();
  assert.deepEqual([calls, failures, slowCalls], [3, 1, 2]);
  assert.equal(slowCallRate, 2 / 3);
  assert.equal(breaker.state, 'closed');
});

test('a count window forgets the oldest call, a time window what is older than it', () => {
  const counts = made({ window: { kind: 'count', size: 4 } });
  say(counts.breaker, 'failure');
  say(counts.breaker, 'success', 4);
  say(counts.breaker, 'failure');
  assert.deepEqual([counts.breaker.snapshot().calls, counts.breaker.snapshot().failures], [4, 1]);
  assert.equal(counts.breaker.state, 'closed');

  const { clock, breaker } = made({ window: { kind: 'time', durationMs: 1_000 }, minimumCalls: 4 });
  say(breaker, 'failure', 3);
  clock.advance(1_000);
  say(breaker, 'failure');
  assert.deepEqual([breaker.snapshot().calls, breaker.state], [1, 'closed']);
});

test('a count window smaller than the default minimum needs no more calls than it holds', () => {
  const { breaker } = made({ window: { kind: 'count', size: 3 } });
  say(breaker, 'failure', 2);
  assert.equal(breaker.state, 'closed');
  say(breaker, 'failure');
  assert.equal(breaker.state, 'open');
});

test('a refusal says what was met, when to come back, and who it was', async () => {
  const { clock, breaker } = made({ ...HASTY, label: 'payments' });
  const refusal = () => reasonOf(breaker.execute(() => {}));
  say(breaker, 'failure');
  clock.advance(1.5);
  const open = await refusal();
  assert.deepEqual(
    { ...open },
    { kind: 'breaker', primitive: 'payments', state: 'open', retryAfterMs: 998.5 },
  );
  assert.equal(open.message, 'breaker "payments" is open');
  assert.equal(open.stack, 'CircuitOpenError: breaker "payments" is open');
  assert.notEqual(await refusal(), open);

  clock.advance(998.5);
  const probe = breaker.tryAcquire();
  const halfOpen = await refusal();
  assert.deepEqual([halfOpen.state, halfOpen.retryAfterMs], ['halfOpen', 1_000]);
  assert.equal(halfOpen.message, 'breaker "payments" is half-open, and its probes are out');
  probe.success();

  const handle = breaker.isolate();
  const isolated = await refusal();
  assert.deepEqual({ ...isolated }, { kind: 'breaker', primitive: 'payments', state: 'isolated' });
  assert.equal(isolated.message, 'breaker "payments" is isolated');
  handle[Symbol.dispose]();

  const nameless = made(HASTY);
  say(nameless.breaker, 'failure');
  const error = await reasonOf(nameless.breaker.execute(() => {}));
  assert.equal(error.message, 'breaker is open');
  assert.equal('primitive' in error, false);
});

test('retryAfterMs is 0 where a call may pass, and Infinity where somebody has to let go', () => {
  const { clock, breaker } = made({ ...HASTY, probeLeaseMs: 1_500 });
  assert.equal(breaker.retryAfterMs(), 0);
  say(breaker, 'failure');
  clock.advance(400);
  assert.equal(breaker.retryAfterMs(), 600);
  clock.advance(600);
  assert.equal(breaker.retryAfterMs(), 0);
  breaker.tryAcquire();
  // No longer than the last break, nor than the lease of the probe that is out.
  assert.equal(breaker.retryAfterMs(), 1_000);
  clock.advance(1_250);
  assert.equal(breaker.retryAfterMs(), 250);
  const disabled = breaker.disable();
  assert.equal(breaker.retryAfterMs(), 0);
  breaker.isolate();
  assert.equal(breaker.retryAfterMs(), Number.POSITIVE_INFINITY);
  disabled[Symbol.dispose]();
  assert.equal(breaker.retryAfterMs(), Number.POSITIVE_INFINITY);
});

test('publishes each refusal on its diagnostics channel', async () => {
  const messages = [];
  const subscriber = (message) => messages.push(message);
  subscribe('breakwater:breaker:refused', subscriber);
  try {
    const { breaker } = made({ ...HASTY, label: 'mine' });
    const dry = made({ ...HASTY, dryRun: true }).breaker;
    for (const one of [breaker, dry]) say(one, 'failure');
    breaker.tryAcquire();
    await reasonOf(breaker.execute(() => {}));
    dry.tryAcquire();
  } finally {
    unsubscribe('breakwater:breaker:refused', subscriber);
  }
  const refused = { kind: 'breaker', primitive: 'mine', dryRun: false };
  assert.deepEqual(messages, [refused, refused, { ...refused, primitive: undefined, dryRun: true }]);
});

test('dryRun decides, counts and changes its state, and refuses nothing', async () => {
  const { clock, breaker } = made({ ...HASTY, dryRun: true });
  assert.equal((await reasonOf(breaker.execute(failing))).message, 'down');
  assert.equal(breaker.state, 'open');
  assert.equal(await breaker.execute(async () => 'passed'), 'passed');
  assert.equal((await reasonOf(breaker.execute(failing))).message, 'down');
  breaker.tryAcquire().success();
  const { refused, succeeded, failed, dryRun } = breaker.snapshot();
  // What would have been refused is counted as that alone.
  assert.deepEqual(
    { refused, succeeded, failed, dryRun },
    { refused: 3, succeeded: 0, failed: 1, dryRun: true },
  );
  clock.advance(1_000);
  await breaker.execute(async () => 'probe');
  assert.equal(breaker.state, 'closed');
});

test('forceOpen opens from any state, for so long or the first break', () => {
  const { clock, breaker } = made({ openMs: { initialMs: 2_000, factor: 10 } });
  breaker.forceOpen();
  assert.deepEqual([breaker.state, breaker.retryAfterMs()], ['open', 2_000]);
  breaker.forceOpen(50);
  assert.equal(breaker.retryAfterMs(), 50);
  clock.advance(50);
  const probe = breaker.tryAcquire();
  breaker.forceOpen(0.5);
  probe.success();
  assert.deepEqual([breaker.state, breaker.retryAfterMs()], ['open', 0.5]);
  const isolated = breaker.isolate();
  breaker.forceOpen(86_400_000);
  assert.equal(breaker.state, 'isolated');
  isolated[Symbol.dispose]();
  assert.deepEqual([breaker.state, breaker.retryAfterMs()], ['open', 86_400_000]);
});

test('reset closes and forgets, and leaves the handles', () => {
  const { breaker } = made({ window: { kind: 'count', size: 4 }, openMs: { initialMs: 1_000 } });
  say(breaker, 'failure', 4);
  breaker.reset();
  const { state, calls, failures, breaks } = breaker.snapshot();
  assert.deepEqual({ state, calls, failures, breaks }, { state: 'closed', calls: 0, failures: 0, breaks: 0 });
  const stale = breaker.tryAcquire();
  breaker.reset();
  stale.failure();
  assert.equal(breaker.snapshot().calls, 0, 'a call from before says nothing');
  const handle = breaker.isolate();
  breaker.reset();
  assert.equal(breaker.state, 'isolated');
  handle[Symbol.dispose]();
  assert.equal(breaker.state, 'closed');
});

test('reconfigure changes what is given, with the next call', () => {
  const { clock, breaker } = made({ minimumCalls: 10, openMs: 1_000 });
  say(breaker, 'failure', 2);
  breaker.reconfigure({ minimumCalls: 3 });
  assert.equal(breaker.state, 'closed');
  say(breaker, 'failure');
  assert.equal(breaker.state, 'open');
  breaker.reconfigure({ openMs: 20_000 });
  assert.equal(breaker.retryAfterMs(), 1_000, 'a break under way ends when it would have');
  clock.advance(1_000);
  say(breaker, 'failure');
  assert.equal(breaker.retryAfterMs(), 20_000);
  breaker.reset();
  breaker.reconfigure({ failureRateThreshold: false, consecutiveFailures: 5 });
  say(breaker, 'failure', 4);
  assert.equal(breaker.state, 'closed');
  breaker.reconfigure({});
  say(breaker, 'failure');
  assert.equal(breaker.state, 'open');
});

test('reconfigure begins to time calls, of which those under way are not slow', () => {
  const { clock, breaker } = made({ minimumCalls: 2, failureRateThreshold: false });
  const untimed = breaker.tryAcquire();
  breaker.reconfigure({ slowCallMs: 10 });
  const timed = breaker.tryAcquire();
  clock.advance(1_000);
  untimed.success();
  timed.success();
  const { calls, slowCalls } = breaker.snapshot();
  assert.deepEqual([calls, slowCalls, breaker.state], [2, 1, 'closed']);
});

test('snapshot says everything, and nothing else', () => {
  const { clock, breaker } = made({ label: 'mine', window: { kind: 'count', size: 4 }, slowCallMs: 100 });
  const common = { kind: 'breaker', name: undefined, label: 'mine', dryRun: false };
  const fresh = {
    ...common,
    state: 'closed',
    generation: 0,
    breaks: 0,
    retryAfterMs: 0,
    calls: 0,
    failures: 0,
    slowCalls: 0,
    failureRate: undefined,
    slowCallRate: undefined,
    probes: 0,
    refused: 0,
    succeeded: 0,
    failed: 0,
    ignored: 0,
  };
  assert.deepEqual(breaker.snapshot(), fresh);
  const slow = breaker.tryAcquire();
  clock.advance(101);
  slow.success();
  say(breaker, 'failure');
  say(breaker, 'ignore');
  assert.deepEqual(breaker.snapshot(), {
    ...fresh,
    calls: 2,
    failures: 1,
    slowCalls: 1,
    succeeded: 1,
    failed: 1,
    ignored: 1,
  });
  say(breaker, 'success');
  say(breaker, 'failure');
  breaker.tryAcquire();
  const open = {
    ...fresh,
    state: 'open',
    generation: 1,
    breaks: 1,
    retryAfterMs: 5_000,
    calls: 4,
    failures: 2,
    slowCalls: 1,
    failureRate: 0.5,
    slowCallRate: 0.25,
    refused: 1,
    succeeded: 2,
    failed: 2,
    ignored: 1,
  };
  assert.deepEqual(breaker.snapshot(), open);
  clock.advance(5_000);
  breaker.tryAcquire();
  assert.deepEqual(breaker.snapshot(), {
    ...open,
    state: 'halfOpen',
    generation: 2,
    calls: 0,
    failures: 0,
    slowCalls: 0,
    failureRate: undefined,
    slowCallRate: undefined,
    probes: 1,
  });
  assert.deepEqual(JSON.parse(JSON.stringify(breaker.snapshot())).state, 'halfOpen');
});

test('a disposed breaker throws, its handles end, and what is under way is still counted', async () => {
  const name = 'breaker.test:dispose';
  const clock = new ManualClock();
  const [breaker, other] = [
    new CircuitBreaker({ ...HASTY, name, clock }),
    new CircuitBreaker({ ...HASTY, name, clock }),
  ];
  const permit = breaker.tryAcquire();
  const { promise, resolve } = deferred();
  const running = breaker.execute(() => promise);
  const handles = [breaker.isolate(), breaker.disable()];
  const heard = [];
  breaker.on('stateChange', ({ to }) => heard.push(to));
  const state = other.export();
  breaker.dispose();
  breaker.dispose();
  breaker[Symbol.dispose]();
  assert.equal(other.state, 'closed', 'its handles ended');
  for (const handle of handles) handle[Symbol.dispose]();

  for (const call of [
    () => breaker.tryAcquire(),
    () => breaker.state,
    () => breaker.retryAfterMs(),
    () => breaker.isolate(),
    () => breaker.disable(),
    () => breaker.forceOpen(),
    () => breaker.reset(),
    () => breaker.reconfigure({}),
    () => breaker.export(),
    () => breaker.restore(state),
    () => breaker.on('stateChange', () => {}),
    () => breaker.snapshot(),
  ]) {
    assert.throws(call, (error) => error instanceof DisposedError && error.primitive === name, String(call));
  }
  assert.ok((await reasonOf(breaker.execute(() => {}))) instanceof DisposedError);
  assert.ok((await reasonOf(breaker.wrap(() => {})())) instanceof DisposedError);

  resolve('value');
  assert.equal(await running, 'value');
  permit.failure();
  assert.deepEqual(counted(other), [1, 1, 0]);
  assert.equal(other.state, 'open');
  await continuations();
  assert.deepEqual(heard, []);
  other.dispose();
});

test('a breaker without a name counts what was under way when it was disposed, too', async () => {
  const { breaker } = made();
  const permit = breaker.tryAcquire();
  const call = deferred();
  const running = breaker.execute(() => call.promise);
  breaker.dispose();
  permit.success();
  permit.failure();
  call.reject(new Error('mine'));
  assert.equal((await reasonOf(running)).message, 'mine');
});

test('what find gives has the state, the clock and the default isFailure', async () => {
  const clock = new ManualClock();
  const name = 'breaker.test:find';
  assert.equal(CircuitBreaker.find(name), undefined);
  const breaker = new CircuitBreaker({ ...HASTY, name, label: 'mine', isFailure: () => false, clock });
  const found = CircuitBreaker.find(name);
  assert.ok(found instanceof CircuitBreaker);
  await reasonOf(breaker.execute(failing));
  assert.equal(found.state, 'closed');
  await reasonOf(found.execute(failing));
  assert.equal(breaker.state, 'open');
  const { label, ...state } = breaker.snapshot();
  assert.deepEqual(found.snapshot(), { ...state, label: undefined });
  assert.equal(label, 'mine');
  clock.advance(400);
  assert.equal(found.retryAfterMs(), 600);
  found.dispose();
  breaker.dispose();
  assert.equal(CircuitBreaker.find(name), undefined);
});
