// The last part of the demo, as `npm run demo` plays it. In real time, as what it shows is how long others have to wait.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { runOrder } from '../examples/shop/order/run.mjs';
import { WAYS } from '../examples/shop/order/ways.mjs';
import './helpers/rejections.mjs';

test('hostile orders are refused and all others accepted, and validate holds the loop up less than ajv', async () => {
  const [allErrors, , validate] = WAYS;
  const [ajv, ours] = await runOrder([allErrors, validate]);
  for (const { title, honest, hostile } of [ajv, ours]) {
    assert.ok(honest.sent > 0 && hostile.sent > 0, title);
    assert.equal(honest.accepted, honest.sent, title);
    assert.equal(hostile.refused, hostile.sent, title);
  }
  // The mean and not the maximum: one pause of a busy machine decides nothing.
  const [theirMs, ourMs] = [ajv, ours].map(({ delay }) => delay.meanMs);
  assert.ok(ourMs < theirMs, `late by ${ourMs} ms, and by ${theirMs} ms with ajv`);
  assert.ok(ours.hostile.answerBytes < ajv.hostile.answerBytes / 100);
});
