// CircuitBreaker's bad input: each option and argument that is not what it must be gets InvalidOptionError, and changes nothing.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { inspect } from 'node:util';
import { CircuitBreaker, InvalidOptionError, list, ManualClock } from 'breakwater';
import { made, say } from './helpers/breaker.mjs';
import './helpers/rejections.mjs';

const DAY = 86_400_000;
const NO_NUMBERS = [null, '5', true, 5n, {}, [], () => {}, Symbol('5')];
const NO_SPANS = [...NO_NUMBERS, Number.NaN, 0, -1, DAY + 1, Number.POSITIVE_INFINITY];
const NO_RATES = [...NO_NUMBERS, Number.NaN, 0, -0.1, 1.1, 50, Number.POSITIVE_INFINITY];
const NO_COUNTS = [...NO_NUMBERS, Number.NaN, 0, -1, 1.5, 1e300, Number.POSITIVE_INFINITY];
const NO_STRINGS = [null, 5, true, {}, [], () => {}, Symbol('s')];
const NO_OBJECTS = [null, 5, 'options', true, [], () => {}, Symbol('o')];

/** Thresholds that may be reconfigured, and values that are refused. */
const THRESHOLDS = {
  failureRateThreshold: [...NO_RATES, 'false'],
  minimumCalls: [...NO_COUNTS, 1_000_001],
  consecutiveFailures: [...NO_COUNTS, 1_000_001, false],
  slowCallMs: NO_SPANS,
  slowCallRateThreshold: [...NO_RATES, false],
  openMs: NO_SPANS.filter((value) => typeof value !== 'object' || value === null),
  probeLeaseMs: NO_SPANS,
};
/** Shapes, which may not. */
const SHAPES = {
  window: NO_OBJECTS.filter((value) => !Array.isArray(value)),
  halfOpenCalls: [...NO_COUNTS, 1_001],
  isFailure: [null, 5, 'isFailure', {}, []],
  seed: [...NO_NUMBERS, Number.NaN, Number.POSITIVE_INFINITY],
  dryRun: [null, 0, 1, 'true', {}],
  name: [...NO_STRINGS, '', 'n'.repeat(129)],
  label: NO_STRINGS,
  clock: [null, 5, 'clock', {}, [], new Date(), Object.create(ManualClock.prototype)],
};
/** Parts of `openMs` and of windows. */
const BREAKS = {
  initialMs: NO_SPANS,
  factor: [...NO_NUMBERS, Number.NaN, 0, 0.9, 101, Number.POSITIVE_INFINITY],
  maxMs: NO_SPANS,
  jitter: [...NO_NUMBERS, Number.NaN, -0.1, 1.1],
};
const WINDOWS = [
  ['time', 'durationMs', [...NO_NUMBERS, Number.NaN, 0, 99, DAY + 1, Number.POSITIVE_INFINITY]],
  ['count', 'size', [...NO_COUNTS, 10_001]],
];

/** Asserts that `call` throws an InvalidOptionError for `option`. */
function refuses(call, option, value) {
  const shown = inspect(value, { breakLength: Number.POSITIVE_INFINITY });
  assert.throws(
    call,
    (error) => error instanceof InvalidOptionError && error.option === option,
    `${option}: ${shown}`,
  );
}

test('the constructor checks each option', () => {
  const before = list();
  for (const [option, values] of Object.entries({ ...THRESHOLDS, ...SHAPES })) {
    for (const value of values) refuses(() => new CircuitBreaker({ [option]: value }), option, value);
  }
  for (const [part, values] of Object.entries(BREAKS)) {
    for (const value of values) {
      refuses(() => new CircuitBreaker({ openMs: { [part]: value } }), `openMs.${part}`, value);
    }
  }
  for (const [kind, part, values] of WINDOWS) {
    for (const value of values) {
      refuses(() => new CircuitBreaker({ window: { kind, [part]: value } }), `window.${part}`, value);
    }
  }
  assert.deepEqual(list(), before);
});

test('windows and breaks are of one form, with known keys', () => {
  refuses(() => new CircuitBreaker({ window: [] }), 'window.kind', 'none');
  for (const kind of [undefined, null, 5, '', 'Time', 'rolling', {}]) {
    refuses(() => new CircuitBreaker({ window: { kind } }), 'window.kind', kind);
  }
  refuses(() => new CircuitBreaker({ window: {} }), 'window.kind', 'none');
  refuses(
    () => new CircuitBreaker({ window: { kind: 'time', size: 5 } }),
    'window.size',
    'of the other kind',
  );
  refuses(
    () => new CircuitBreaker({ window: { kind: 'count', durationMs: 5_000 } }),
    'window.durationMs',
    'of the other kind',
  );
  refuses(() => new CircuitBreaker({ openMs: [] }), 'openMs', []);
  refuses(() => new CircuitBreaker({ openMs: { initial: 5 } }), 'openMs.initial', 5);
  refuses(() => new CircuitBreaker({ openMs: { initialMs: 100, maxMs: 99 } }), 'openMs.maxMs', 99);
});

test('a minimum that a count window never reaches is refused, not made smaller', () => {
  refuses(
    () => new CircuitBreaker({ window: { kind: 'count', size: 5 }, minimumCalls: 6 }),
    'minimumCalls',
    6,
  );
  const { breaker } = made({ window: { kind: 'count', size: 5 } });
  refuses(() => breaker.reconfigure({ minimumCalls: 6 }), 'minimumCalls', 6);
});

test('a percentage is no rate: the message says what was expected and what came', () => {
  assert.throws(() => new CircuitBreaker({ failureRateThreshold: 50, label: 'payments' }), {
    name: 'InvalidOptionError',
    code: 'ERR_INVALID_OPTION',
    message: 'failureRateThreshold must be a number in (0, 1], or false, got 50',
    primitive: 'payments',
  });
});

test('the ends of the ranges are in them', () => {
  for (const options of [
    { failureRateThreshold: 1 },
    { failureRateThreshold: Number.MIN_VALUE },
    { minimumCalls: 1, consecutiveFailures: 1, halfOpenCalls: 1 },
    { minimumCalls: 1_000_000, consecutiveFailures: 1_000_000, halfOpenCalls: 1_000 },
    { slowCallMs: DAY, slowCallRateThreshold: 1, openMs: DAY, probeLeaseMs: DAY },
    { slowCallMs: 1e-6, slowCallRateThreshold: 0.001, openMs: 1e-6, probeLeaseMs: 1e-6 },
    { openMs: { initialMs: DAY, factor: 100, maxMs: DAY, jitter: 1 } },
    { openMs: { initialMs: 5, factor: 1, maxMs: 5, jitter: 0 } },
    { openMs: {} },
    { window: { kind: 'time' } },
    { window: { kind: 'time', durationMs: 100 } },
    { window: { kind: 'time', durationMs: DAY } },
    { window: { kind: 'count' } },
    { window: { kind: 'count', size: 1 } },
    { window: { kind: 'count', size: 10_000 } },
    { seed: 0 },
    { name: 'n'.repeat(128) },
  ]) {
    const breaker = new CircuitBreaker(options);
    assert.equal(breaker.state, 'closed');
    breaker.dispose();
  }
});

test('undefined counts as not given', () => {
  const given = Object.fromEntries(Object.keys({ ...THRESHOLDS, ...SHAPES }).map((key) => [key, undefined]));
  assert.deepEqual(new CircuitBreaker(given).snapshot(), new CircuitBreaker().snapshot());
  const { breaker } = made({
    openMs: { initialMs: 7, factor: undefined },
    window: { kind: 'count', size: undefined },
  });
  breaker.forceOpen(undefined);
  assert.equal(breaker.retryAfterMs(), 7);
  breaker.reconfigure({ openMs: undefined, minimumCalls: undefined });
  breaker.forceOpen();
  assert.equal(breaker.retryAfterMs(), 7);
});

test('reconfigure checks thresholds, wants no shapes, and changes all or nothing', () => {
  const { breaker } = made({ consecutiveFailures: 2, label: 'mine' });
  for (const [option, values] of Object.entries(THRESHOLDS)) {
    for (const value of values) {
      refuses(() => breaker.reconfigure({ consecutiveFailures: 1, [option]: value }), option, value);
    }
  }
  for (const option of Object.keys(SHAPES)) {
    refuses(() => breaker.reconfigure({ [option]: { kind: 'time' } }), option, 'a shape');
  }
  for (const value of [undefined, ...NO_OBJECTS]) refuses(() => breaker.reconfigure(value), 'options', value);
  say(breaker, 'failure');
  assert.equal(breaker.state, 'closed');
  say(breaker, 'failure');
  assert.equal(breaker.state, 'open');
});

test('forceOpen wants a span, and opens nothing for any other', () => {
  const { breaker } = made();
  for (const ms of NO_SPANS) refuses(() => breaker.forceOpen(ms), 'ms', ms);
  assert.equal(breaker.snapshot().generation, 0);
});
