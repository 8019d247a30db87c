// Backoff, as retry waits it out: the formulas on seeds, the cap, the options. The formulas in full are tested in Rust.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { inspect } from 'node:util';
import { InvalidOptionError, ManualClock, retry } from 'breakwater';
import { outcomes } from './helpers/calls.mjs';
import { watched } from './helpers/promises.mjs';
import './helpers/rejections.mjs';

const KINDS = ['full', 'equal', 'decorrelated', 'none'];

/** The first delays of a retry, as they are told and as they are slept. */
async function delays(backoff, { count = 8, ...options } = {}) {
  const clock = new ManualClock();
  const told = [];
  const at = [];
  const policy = retry({
    maxAttempts: count + 1,
    backoff,
    seed: 86,
    clock,
    onRetry: ({ delayMs }) => told.push(delayMs),
    ...options,
  });
  const fail = () => {
    at.push(clock.now);
    throw new Error('down');
  };
  const seen = watched(policy.execute(fail));
  // Not Infinity, and longer than all of them together.
  await clock.advanceAsync(count * 86_400_000);
  assert.equal(seen.state, 'rejected');
  assert.equal(told.length, count);
  for (const [i, delay] of told.entries()) {
    // The clock counts nanoseconds.
    assert.equal(
      Math.abs(at[i + 1] - at[i] - delay) <= 2e-6,
      true,
      `slept ${at[i + 1] - at[i]}, told ${delay}`,
    );
  }
  return told;
}

test('a number is the same delay each time', async () => {
  assert.deepEqual(await delays(250, { count: 4 }), [250, 250, 250, 250]);
  assert.deepEqual(await delays(0.5, { count: 2 }), [0.5, 0.5]);
  assert.deepEqual(await delays(86_400_000, { count: 2 }), [86_400_000, 86_400_000]);
});

test('without jitter delays double up to the cap', async () => {
  const backoff = { kind: 'exponential', jitter: 'none' };
  assert.deepEqual(await delays(backoff), [100, 200, 400, 800, 1_600, 3_200, 6_400, 10_000]);
  assert.deepEqual(await delays({ ...backoff, maxMs: 350 }, { count: 4 }), [100, 200, 350, 350]);
  assert.deepEqual(
    await delays({ ...backoff, initialMs: 1, factor: 10 }, { count: 5 }),
    [1, 10, 100, 1_000, 10_000],
  );
  assert.deepEqual(await delays({ ...backoff, factor: 1 }, { count: 3 }), [100, 100, 100]);
  assert.deepEqual(await delays({ ...backoff, initialMs: 0 }, { count: 3 }), [0, 0, 0]);
});

// AWS: 8 throttles
test('half a second grows to the cap of twenty in eight', async () => {
  const backoff = { kind: 'exponential', initialMs: 500, maxMs: 20_000, jitter: 'none' };
  assert.deepEqual(await delays(backoff), [500, 1_000, 2_000, 4_000, 8_000, 16_000, 20_000, 20_000]);
});

test('an initialMs above the default of maxMs is its own cap', async () => {
  assert.deepEqual(
    await delays({ kind: 'exponential', initialMs: 20_000, jitter: 'none' }, { count: 3 }),
    [20_000, 20_000, 20_000],
  );
});

test('each jitter keeps to its range, and fills it', async () => {
  const ranges = {
    full: (grown) => [0, grown],
    equal: (grown) => [grown / 2, grown],
    decorrelated: (_, before) => [100, Math.min(3 * Math.max(before, 100), 2_000)],
    none: (grown) => [grown, grown],
  };
  for (const jitter of KINDS) {
    const places = [];
    for (let seed = 1; seed <= 60; seed += 1) {
      const those = await delays({ kind: 'exponential', maxMs: 2_000, jitter }, { seed, count: 6 });
      for (const [i, delay] of those.entries()) {
        const [least, most] = ranges[jitter](Math.min(100 * 2 ** i, 2_000), those[i - 1] ?? 0);
        assert.equal(
          delay >= least && delay <= most,
          true,
          `${jitter}, seed ${seed}, delay ${i + 1}: ${delay}`,
        );
        if (most > least) places.push((delay - least) / (most - least));
      }
    }
    if (jitter === 'none') continue;
    const share = (from, to) => places.filter((place) => place >= from && place < to).length / places.length;
    for (const from of [0, 0.25, 0.5]) {
      assert.equal(
        share(from, from + 0.25) > 0.15,
        true,
        `${jitter}: ${share(from, from + 0.25)} from ${from}`,
      );
    }
  }
});

test('full jitter is the default', async () => {
  assert.deepEqual(await delays(undefined), await delays({ kind: 'exponential', jitter: 'full' }));
  assert.deepEqual(await delays(undefined), await delays({ kind: 'exponential' }));
});

test('the cap holds after the jitter', async () => {
  for (const jitter of KINDS) {
    for (let seed = 1; seed <= 20; seed += 1) {
      const those = await delays(
        { kind: 'exponential', initialMs: 900, maxMs: 1_000, jitter },
        { seed, count: 5 },
      );
      assert.equal(Math.max(...those) <= 1_000, true, `${jitter}, seed ${seed}: ${those}`);
    }
  }
});

test('the same seed gives the same delays, another one others, and none chance', async () => {
  for (const jitter of ['full', 'equal', 'decorrelated']) {
    const backoff = { kind: 'exponential', jitter };
    const [one, again, other] = [
      await delays(backoff, { seed: 7 }),
      await delays(backoff, { seed: 7 }),
      await delays(backoff, { seed: 8 }),
    ];
    assert.deepEqual(one, again);
    assert.notDeepEqual(one, other);
    assert.notDeepEqual(
      await delays(backoff, { seed: undefined }),
      await delays(backoff, { seed: undefined }),
    );
  }
  for (const seed of [0, -1, 0.5, -0.5, 2 ** 60, 1e300, Number.MIN_VALUE]) {
    assert.deepEqual(
      await delays(undefined, { seed, count: 3 }),
      await delays(undefined, { seed, count: 3 }),
    );
  }
});

test('calls that failed together do not come back together', async () => {
  const clock = new ManualClock();
  const policy = retry({ clock, seed: 1 });
  const at = new Set();
  for (let i = 0; i < 100; i += 1) {
    const fn = outcomes(new Error('down'), () => at.add(clock.now));
    watched(policy.execute(fn));
  }
  await clock.advanceAsync(100);
  assert.equal(at.size, 100);
});

// cockatiel #86: NaN after about a thousand tries; Polly #2163: negative from the 1024th
test('three thousand delays in a row stay between 0 and the cap', async () => {
  for (const jitter of KINDS) {
    const backoff = { kind: 'exponential', initialMs: 45_000, maxMs: 900_000, jitter };
    for (const delay of await delays(backoff, { count: 3_000 })) {
      assert.equal(delay >= 0 && delay <= 900_000, true, `${jitter}: ${delay}`);
    }
  }
});

test('checks its options, and says which one', () => {
  const DELAYS = [-1, 86_400_001, Number.NaN, Infinity];
  const cases = [
    ...DELAYS.map((value) => [value, 'backoff']),
    ...[null, true, 'exponential', [], () => {}, 5n].map((value) => [value, 'backoff']),
    ...[{}, { kind: 'linear' }, { kind: 'constant', ms: 5 }].map((value) => [value, undefined]),
    ...[...DELAYS, '5', null].map((value) => [
      { kind: 'exponential', initialMs: value },
      'backoff.initialMs',
    ]),
    ...[...DELAYS, '5', null, 99].map((value) => [{ kind: 'exponential', maxMs: value }, 'backoff.maxMs']),
    ...[0, 0.99, 1_001, Number.NaN, Infinity, '2'].map((value) => [
      { kind: 'exponential', factor: value },
      'backoff.factor',
    ]),
    ...['half', '', 'Full', true, null].map((value) => [
      { kind: 'exponential', jitter: value },
      'backoff.jitter',
    ]),
    [{ kind: 'exponential', exponent: 3 }, 'backoff.exponent'],
    [{ kind: 'exponential', __proto__: { maxMs: 5 }, cap: 1 }, 'backoff.cap'],
  ];
  for (const [backoff, option] of cases) {
    assert.throws(
      () => retry({ backoff }),
      (error) =>
        error instanceof InvalidOptionError &&
        error.kind === 'retry' &&
        (option === undefined ? error.option.startsWith('backoff') : error.option === option),
      inspect(backoff),
    );
  }
  for (const backoff of [
    0,
    86_400_000,
    { kind: 'exponential', initialMs: 0, maxMs: 0, factor: 1_000, jitter: 'equal' },
  ]) {
    retry({ backoff });
  }
  assert.throws(() => retry({ backoff: -1 }), {
    message: 'backoff must be a number of milliseconds from 0 to 86400000, got -1',
  });
});
