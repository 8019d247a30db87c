// hedge by quantile: how long it gives a call goes by what calls took lately.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { hedge, ManualClock } from 'breakwater';
import { made } from './helpers/hedge.mjs';
import './helpers/rejections.mjs';

/** Makes `times` calls that take `ms` each. */
async function runs({ start, fn, pass }, times, ms) {
  for (let i = 0; i < times; i += 1) {
    const outcome = start();
    await pass(ms);
    fn.calls.at(-1).resolve('value');
    await pass(0);
    assert.equal(outcome.state, 'fulfilled');
  }
}

test('by quantile: no call is hedged before twenty have succeeded', async () => {
  const hedged = made({ delayMs: undefined, quantile: 0.5 });
  await runs(hedged, 19, 1);
  const { start, fn, pass, clock } = hedged;
  const slow = start();
  await pass(1e9);
  assert.deepEqual([fn.calls.length, clock.pending], [20, 0]);
  fn.calls[19].reject(new Error('down'));
  await pass(0);
  // A failure starts the next call from the beginning, and counts as no latency.
  assert.equal(fn.calls.length, 21);
  fn.calls[20].reject(new Error('down'));
  await pass(0);
  assert.equal(slow.state, 'rejected');
  const still = start();
  await pass(1e9);
  assert.deepEqual([fn.calls.length, still.state], [22, 'pending']);
});

// failsafe-go, test/hedgepolicy_test.go
test('by quantile: after 25 fast calls a slow one is hedged once', async () => {
  const hedged = made({ delayMs: undefined, quantile: 0.95 });
  await runs(hedged, 25, 10);
  const { start, fn, pass } = hedged;
  const outcome = start();
  await pass(10);
  assert.equal(fn.calls.length, 26);
  // Latencies are known to a fifth.
  await pass(2);
  assert.equal(fn.calls.length, 27);
  await pass(1_000);
  assert.equal(fn.calls.length, 27);
  fn.calls[26].resolve('hedge');
  await pass(0);
  assert.equal(outcome.value, 'hedge');
});

test('by quantile: the share says how many calls are hedged', async () => {
  for (const [quantile, expected] of [
    [0.5, 10],
    [0.75, 5],
    [0.9, 2],
  ]) {
    const hedged = made({ delayMs: undefined, quantile });
    let hedges = 0;
    const rounds = 6;
    for (let i = 0; i < 20 * rounds; i += 1) {
      const before = hedged.fn.calls.length;
      const outcome = hedged.start();
      // Twenty latencies from 1 to 724 ms, mixed up.
      await hedged.pass(2 ** (((i * 7) % 20) / 2));
      hedged.fn.calls[before].resolve('first');
      await hedged.pass(0);
      assert.equal(outcome.value, 'first');
      // The first round is to learn from.
      if (i >= 20) hedges += hedged.fn.calls.length - before - 1;
    }
    const share = hedges / (rounds - 1);
    assert.equal(Math.abs(share - expected) <= 1, true, `${share} of 20 at ${quantile}`);
  }
});

test('by quantile: it follows what calls take lately', async () => {
  const hedged = made({ delayMs: undefined, quantile: 0.9 });
  await runs(hedged, 30, 1_000);
  const { start, fn, pass } = hedged;
  // Twice a thousand observations are kept.
  await runs(hedged, 2_000, 1);
  start();
  await pass(2);
  assert.equal(fn.calls.length, 2_032);
});

test('by quantile: calls that lose count as the slow ones they are', async () => {
  const clock = new ManualClock();
  const policy = hedge({ quantile: 0.95, clock });
  const due = [];
  let calls = 0;
  // Latencies of a Poisson process, 10 ms on average, the same in every run: a third of what is hedged would pass for fast.
  const fn = () => {
    calls += 1;
    const ms = -10 * Math.log(1 - ((calls * 0.618_033_988_75) % 1));
    return new Promise((resolve) => due.push({ at: clock.now + ms, resolve }));
  };
  const rounds = 4_000;
  for (let round = 0; round < rounds; round += 1) {
    let settled = false;
    const call = policy.execute(fn).then(() => {
      settled = true;
    });
    while (!settled) {
      clock.advance(0.5);
      for (const { at, resolve } of due) if (at <= clock.now) resolve();
      for (let turn = 0; turn < 8; turn += 1) await null;
    }
    await call;
    due.length = 0;
  }
  const share = calls / rounds - 1;
  assert.ok(
    share > 0.03 && share < 0.06,
    `${share} of the calls were hedged, and one in twenty was asked for`,
  );
});
