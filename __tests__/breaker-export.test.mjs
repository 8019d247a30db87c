// A breaker's state in another process: export and restore.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { CircuitBreaker, InvalidOptionError } from 'breakwater';
import { counted, made, say } from './helpers/breaker.mjs';
import { continuations } from './helpers/promises.mjs';
import './helpers/rejections.mjs';

const HOUR = 3_600_000;
const HASTY = { consecutiveFailures: 1, openMs: HOUR };

const overTheWire = (state) => JSON.parse(JSON.stringify(state));
/** As if the export had been made so long ago; ahead where the clock was put back since. */
const aged = (state, ms) => ({ ...overTheWire(state), exportedAt: Date.now() - ms });
/** As if no time had passed between, however slow the machine is. */
const atOnce = (state) => aged(state, -HOUR);

test('an export is plain, versioned, and says ages instead of instants', () => {
  const before = Date.now();
  const { clock, breaker } = made({ consecutiveFailures: 3, openMs: 7_000, slowCallMs: 10 });
  clock.advance(5_000);
  say(breaker, 'success', 2);
  clock.advance(2_000);
  const slow = breaker.tryAcquire();
  clock.advance(11);
  slow.failure();
  say(breaker, 'failure', 2);
  clock.advance(30);
  const { exportedAt, ...state } = breaker.export();
  assert.deepEqual(state, {
    version: 1,
    state: 'open',
    openedAgoMs: 30,
    openForMs: 7_000,
    breaks: 1,
    consecutiveFailures: 3,
    window: {
      kind: 'time',
      slotMs: 1_000,
      slots: [
        { age: 2, calls: 2, failures: 0, slowCalls: 0 },
        { age: 0, calls: 3, failures: 3, slowCalls: 1 },
      ],
    },
  });
  assert.equal(exportedAt >= before - 1 && exportedAt <= Date.now() + 1, true);
});

test('a closed breaker goes on counting where it stopped', () => {
  for (const window of [
    { kind: 'count', size: 10 },
    { kind: 'time', durationMs: 10_000 },
  ]) {
    const options = { window, minimumCalls: 4, openMs: HOUR };
    const old = made(options).breaker;
    say(old, 'success');
    say(old, 'failure', 2);
    const { breaker } = made(options);
    assert.equal(breaker.restore(atOnce(old.export())), true);
    const { state, calls, failures } = breaker.snapshot();
    assert.deepEqual([state, calls, failures], ['closed', 3, 2], window.kind);
    // Counters count since the state was made, and it was made here.
    assert.deepEqual(counted(breaker), [0, 0, 0]);
    say(breaker, 'failure');
    assert.equal(breaker.state, 'open', window.kind);
  }
});

test('the calls of a count window are restored one by one, in order', () => {
  const options = { window: { kind: 'count', size: 5 }, failureRateThreshold: false, slowCallMs: 10 };
  const old = made(options);
  for (const call of ['success', 'failure', 'slow', 'failure', 'success', 'success']) {
    const permit = old.breaker.tryAcquire();
    if (call === 'slow') old.clock.advance(11);
    permit[call === 'slow' ? 'success' : call]();
  }
  const state = overTheWire(old.breaker.export());
  assert.deepEqual(state.window, { kind: 'count', size: 5, calls: 'fsf..' });
  const { breaker } = made(options);
  assert.equal(breaker.restore(state), true);
  const seen = [];
  for (let i = 0; i < 5; i++) {
    const { failures, slowCalls } = breaker.snapshot();
    seen.push([failures, slowCalls]);
    say(breaker, 'success');
  }
  assert.deepEqual(seen, [
    [2, 1],
    [1, 1],
    [1, 0],
    [0, 0],
    [0, 0],
  ]);
});

test('failures in a row go on', () => {
  const options = { consecutiveFailures: 3 };
  const old = made(options).breaker;
  say(old, 'failure', 2);
  const { breaker } = made(options);
  assert.equal(breaker.restore(old.export()), true);
  say(breaker, 'failure');
  assert.equal(breaker.state, 'open');
});

test('a break goes on, less the time that has passed here and there', async () => {
  const old = made(HASTY);
  say(old.breaker, 'failure');
  old.clock.advance(HOUR / 4);
  const state = old.breaker.export();

  const fresh = made(HASTY);
  const heard = [];
  fresh.breaker.on('stateChange', ({ from, to, reason }) => heard.push([from, to, reason]));
  assert.equal(fresh.breaker.restore(atOnce(state)), true);
  assert.deepEqual([fresh.breaker.state, fresh.breaker.retryAfterMs()], ['open', (HOUR * 3) / 4]);
  fresh.clock.advance((HOUR * 3) / 4);
  assert.equal(fresh.breaker.state, 'halfOpen');
  await continuations();
  assert.deepEqual(heard, [['closed', 'open', 'restored']]);

  const later = made(HASTY).breaker;
  assert.equal(later.restore(aged(state, HOUR / 4)), true);
  const left = later.retryAfterMs();
  assert.equal(left <= HOUR / 2 && left > HOUR / 2 - 60_000, true, `${left} ms left`);

  const over = made(HASTY).breaker;
  assert.equal(over.restore(aged(state, 30 * HOUR)), true);
  assert.deepEqual([over.state, over.retryAfterMs()], ['halfOpen', 0]);
  say(over, 'success');
  assert.equal(over.state, 'closed');
});

test('what a time window counted is forgotten when as much time has passed', () => {
  const options = { window: { kind: 'time', durationMs: 10 * HOUR }, openMs: HOUR };
  const old = made(options);
  say(old.breaker, 'failure', 5);
  old.clock.advance(5 * HOUR);
  say(old.breaker, 'success', 3);
  const state = old.breaker.export();
  for (const [hours, calls, failures] of [
    [0.5, 8, 5],
    [5.5, 3, 0],
    [10.5, 0, 0],
    [1e9, 0, 0],
  ]) {
    const { breaker } = made(options);
    assert.equal(breaker.restore(aged(state, hours * HOUR)), true);
    assert.deepEqual(
      [breaker.snapshot().calls, breaker.snapshot().failures],
      [calls, failures],
      `${hours} h`,
    );
  }
});

test('a half-open breaker is restored to a break that is over: it begins with probes of its own', () => {
  const options = { ...HASTY, halfOpenCalls: 2 };
  const old = made(options);
  say(old.breaker, 'failure');
  old.clock.advance(HOUR);
  const probe = old.breaker.tryAcquire();
  const state = overTheWire(old.breaker.export());
  assert.deepEqual([state.state, state.openedAgoMs, state.openForMs], ['open', HOUR, HOUR]);
  const { breaker } = made(options);
  assert.equal(breaker.restore(state), true);
  assert.equal(breaker.state, 'halfOpen');
  assert.deepEqual(
    [1, 2, 3].map(() => breaker.tryAcquire() !== undefined),
    [true, true, false],
  );
  probe.success();
});

test('breaks go on growing after a restore', () => {
  const options = { consecutiveFailures: 1, openMs: { initialMs: 1_000, factor: 2, maxMs: HOUR } };
  const old = made(options);
  for (let i = 0; i < 3; i++) {
    say(old.breaker, 'failure');
    old.clock.advance(old.breaker.retryAfterMs());
  }
  const { clock, breaker } = made(options);
  assert.equal(breaker.restore(atOnce(old.breaker.export())), true);
  clock.advance(breaker.retryAfterMs());
  say(breaker, 'failure');
  assert.equal(breaker.retryAfterMs(), 8_000);
});

test('who isolated or disabled it is of this process, and not exported', () => {
  const old = made().breaker;
  old.isolate();
  old.disable();
  const { breaker } = made();
  assert.equal(breaker.restore(old.export()), true);
  assert.equal(breaker.state, 'closed');

  const isolated = made(HASTY).breaker;
  const handle = isolated.isolate();
  isolated.forceOpen(HOUR);
  const under = made(HASTY).breaker;
  assert.equal(under.restore(atOnce(isolated.export())), true);
  assert.deepEqual([under.state, under.retryAfterMs()], ['open', HOUR]);
  handle[Symbol.dispose]();
});

test('false, and nothing is changed, where calls were counted or the state has changed before', () => {
  const old = made(HASTY).breaker;
  say(old, 'failure');
  const state = old.export();
  for (const use of [
    (breaker) => say(breaker, 'success'),
    (breaker) => {
      breaker.forceOpen(1);
      breaker.reset();
    },
    (breaker) => breaker.restore(made(HASTY).breaker.export()) && breaker.restore(state),
  ]) {
    const { breaker } = made(HASTY);
    use(breaker);
    const before = breaker.snapshot();
    assert.equal(breaker.restore(state), false, String(use));
    assert.deepEqual(breaker.snapshot(), before, String(use));
  }
  const { breaker } = made(HASTY);
  say(breaker, 'ignore');
  breaker.tryAcquire();
  assert.equal(breaker.restore(state), true, 'what says nothing is no use');
});

test('false where the window is of another kind or size', () => {
  const kinds = [
    { kind: 'count', size: 10 },
    { kind: 'count', size: 11 },
    { kind: 'time', durationMs: 10_000 },
    { kind: 'time', durationMs: 11_000 },
  ];
  for (const [a, from] of kinds.entries()) {
    const state = made({ window: from }).breaker.export();
    for (const [b, to] of kinds.entries()) {
      const { breaker } = made({ window: to });
      assert.equal(breaker.restore(state), a === b, `${a} → ${b}`);
      assert.equal(breaker.state, 'closed');
    }
  }
});

test('restore wants what export gave', () => {
  const { breaker } = made({ ...HASTY, label: 'mine' });
  const open = made(HASTY).breaker;
  say(open, 'failure');
  const state = open.export();
  const circle = { ...state };
  circle.self = circle;
  const { exportedAt: _, ...without } = state;
  for (const wrong of [
    undefined,
    null,
    5,
    'open',
    JSON.stringify(state),
    true,
    Symbol('state'),
    () => state,
    [],
    [state],
    {},
    new Map(Object.entries(state)),
    circle,
    { ...state, breaks: 5n },
    { toJSON() {} },
    without,
    { ...state, version: 2 },
    { ...state, version: '1' },
    { ...state, exportedAt: 'now' },
    { ...state, exportedAt: new Date() },
    { ...state, state: 'halfOpen' },
    { ...state, state: 'isolated' },
    { ...state, openForMs: undefined },
    { ...state, openedAgoMs: Number.NaN },
    { ...state, openForMs: '5000' },
    { ...state, breaks: -1 },
    { ...state, breaks: 0.5 },
    { ...state, consecutiveFailures: null },
    { ...state, window: undefined },
    { ...state, window: { kind: 'time' } },
    { ...state, window: { kind: 'ring', size: 5 } },
    {
      ...state,
      window: { kind: 'time', slotMs: 1_000, slots: [{ age: -1, calls: 1, failures: 0, slowCalls: 0 }] },
    },
    { ...state, window: { kind: 'time', slotMs: 1_000, slots: [{ age: 0, calls: 1 }] } },
    { ...state, window: { kind: 'count', size: 10, calls: '..x' } },
  ]) {
    assert.throws(
      () => breaker.restore(wrong),
      (error) =>
        error instanceof InvalidOptionError && error.option === 'state' && error.primitive === 'mine',
      JSON.stringify(wrong, (_, value) =>
        typeof value === 'bigint' ? 'a bigint' : value === circle ? 'a circle' : value,
      ),
    );
  }
  assert.equal(breaker.state, 'closed');
  assert.equal(breaker.restore(state), true);
});

test('an export that was tampered with breaks nothing', () => {
  const options = {
    ...HASTY,
    window: { kind: 'count', size: 4 },
    minimumCalls: 4,
    consecutiveFailures: undefined,
  };
  const state = made(options).breaker.export();
  const { breaker } = made(options);
  const long = {
    ...state,
    consecutiveFailures: 1e9,
    window: { kind: 'count', size: 4, calls: 'f'.repeat(1_000) },
  };
  assert.equal(breaker.restore(long), true);
  assert.deepEqual([breaker.snapshot().calls, breaker.snapshot().failures], [4, 4]);

  const time = made().breaker;
  const slots = [
    { age: 0, calls: 3, failures: 9, slowCalls: 9 },
    { age: 1e15, calls: 5, failures: 5, slowCalls: 5 },
  ];
  assert.equal(
    time.restore({ ...made().breaker.export(), window: { kind: 'time', slotMs: 1_000, slots } }),
    true,
  );
  const { calls, failures, slowCalls } = time.snapshot();
  assert.deepEqual([calls, failures, slowCalls], [3, 3, 3]);

  const ever = made(HASTY).breaker;
  const endless = {
    ...made(HASTY).breaker.export(),
    state: 'open',
    openedAgoMs: -5,
    openForMs: 1e300,
    breaks: 1e15,
  };
  assert.equal(ever.restore(endless), true);
  assert.deepEqual([ever.state, ever.tryAcquire()], ['open', undefined]);
  ever.reset();
  assert.equal(ever.state, 'closed');
});

test('on the system’s clock an export is restored as well (real time)', () => {
  const old = new CircuitBreaker(HASTY);
  say(old, 'failure');
  const breaker = new CircuitBreaker(HASTY);
  assert.equal(breaker.restore(overTheWire(old.export())), true);
  assert.equal(breaker.retryAfterMs() <= HOUR && breaker.retryAfterMs() > HOUR - 60_000, true);
});
