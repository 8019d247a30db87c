// A bulkhead that no other thread can reach decides as the native part would: random calls come to the same on both.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Bulkhead, ManualClock } from 'breakwater';
import { newName } from './helpers/bulkhead.mjs';
import { manual } from './helpers/calls.mjs';
import { continuations } from './helpers/promises.mjs';
import './helpers/rejections.mjs';

function chance(seed) {
  let state = seed;
  return (below) => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return Math.floor((state / 2 ** 32) * below);
  };
}

/** Random calls on a bulkhead; what is told of them, and the figures after each. */
async function story(seed, options) {
  const draw = chance(seed);
  const clock = new ManualClock();
  const base = { maxConcurrent: 1 + draw(4), maxQueue: draw(5), ...(draw(2) ? { queueTimeoutMs: 50 } : {}) };
  const bulkhead = new Bulkhead({ ...base, ...options, clock });
  const told = [];
  /** What came about since the last figures: of what happens at one instant the order does not matter. */
  let news = [];
  const figuresAre = (figures) => {
    told.push(...news.sort(), figures);
    news = [];
  };
  const fn = manual();
  const permits = [];
  const controllers = [];
  let calls = 0;
  const note = (what, promise) => {
    calls += 1;
    const id = calls;
    promise.then(
      (permit) => {
        news.push(`${what} ${id} ok`);
        if (typeof permit?.release === 'function') permits.push(permit);
      },
      (error) => news.push(`${what} ${id} ${error.code ?? error}`),
    );
  };
  for (let step = 0; step < 60; step++) {
    const signal = () => {
      const controller = new AbortController();
      controllers.push(controller);
      return controller.signal;
    };
    const weight = draw(3) === 0 ? 1 + draw(4) : undefined;
    switch (draw(12)) {
      case 0:
      case 1:
      case 2:
        note('execute', bulkhead.execute(fn, { weight, signal: draw(2) ? signal() : undefined }));
        break;
      case 3:
      case 4:
        note(
          'acquire',
          bulkhead.acquire({
            weight,
            signal: signal(),
            ...(draw(2) ? { queueTimeoutMs: 1 + draw(90) } : {}),
          }),
        );
        break;
      case 5: {
        const permit = bulkhead.tryAcquire({ weight });
        news.push(`try ${permit !== undefined}`);
        if (permit !== undefined) permits.push(permit);
        break;
      }
      case 6:
      case 7:
        if (permits.length > 0) permits.splice(draw(permits.length), 1)[0].release();
        break;
      case 8:
        if (fn.calls.length > 0) fn.calls[draw(fn.calls.length)].resolve();
        break;
      case 9:
        if (controllers.length > 0) controllers[draw(controllers.length)].abort(`abort at ${step}`);
        break;
      case 10:
        clock.advance(draw(40));
        break;
      default:
        if (draw(3) === 0) bulkhead.reconfigure({ maxConcurrent: 1 + draw(5), maxQueue: draw(5) });
    }
    await continuations();
    const { name: _, queueDelayMs, ...figures } = bulkhead.snapshot();
    figuresAre(JSON.stringify({ ...figures, delay: Math.round(queueDelayMs) }));
  }
  while (permits.length > 0 || fn.calls.length > 0) {
    for (const permit of permits.splice(0)) permit.release();
    for (const call of fn.calls.splice(0)) call.resolve();
    clock.advance(100);
    await continuations();
  }
  figuresAre(`left: ${bulkhead.active} ${bulkhead.queued} ${clock.pending}`);
  bulkhead.dispose();
  return told;
}

test('random calls come to the same as on a named bulkhead', async () => {
  for (let seed = 1; seed <= 150; seed++) {
    const local = await story(seed, {});
    const named = await story(seed, { name: newName() });
    assert.deepEqual(
      local.map((line) => line.replaceAll(/"name":[^,]*,/g, '')),
      named,
      `seed ${seed}`,
    );
    assert.equal(local.at(-1), 'left: 0 0 0', `seed ${seed}`);
  }
});
