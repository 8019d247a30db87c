// Bulkhead.map: results in order, nothing pulled before there is a permit for it, and an end that leaves nothing behind.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Bulkhead } from 'breakwater';
import { ofEachKind } from './helpers/bulkhead.mjs';
import { manual } from './helpers/calls.mjs';
import { continuations, reasonOf, watched } from './helpers/promises.mjs';
import './helpers/rejections.mjs';
import { countedSignal } from './helpers/signals.mjs';

/** Numbers from 0, and what was pulled and whether it was closed. */
function numbers(count) {
  const seen = { pulled: 0, closed: false };
  function* all() {
    try {
      for (let i = 0; i < count; i++) {
        seen.pulled += 1;
        yield i;
      }
    } finally {
      seen.closed = true;
    }
  }
  return Object.assign(seen, { all });
}

ofEachKind(test, 'maps in order, pulling no more than there are permits', async (make) => {
  const bulkhead = make({ maxConcurrent: 3 });
  const { all, ...seen } = numbers(10);
  const items = numbers(10);
  const fn = manual();
  const mapped = watched(bulkhead.map(items.all(), (item, index) => fn({ item, index })));
  await continuations();
  assert.deepEqual([items.pulled, fn.calls.length, bulkhead.active], [3, 3, 3]);
  fn.calls[2].resolve('c');
  await continuations();
  assert.deepEqual([items.pulled, fn.calls.length], [4, 4]);
  for (let i = 0; i < 10; i++) {
    fn.calls[i].resolve(String.fromCharCode(97 + i));
    await continuations();
  }
  assert.equal(mapped.value.join(''), 'abcdefghij');
  assert.deepEqual(
    fn.calls.map(({ call }) => call),
    Array.from({ length: 10 }, (_, i) => ({ item: i, index: i })),
  );
  assert.deepEqual([bulkhead.active, items.closed, seen.pulled, typeof all], [0, true, 0, 'function']);
});

ofEachKind(test, 'maps async iterables, promises of items, and nothing at all', async (make) => {
  const bulkhead = make({ maxConcurrent: 2 });
  async function* later() {
    yield 1;
    yield 2;
    yield 3;
  }
  const double = async (item) => item * 2;
  assert.deepEqual(await bulkhead.map(later(), double), [2, 4, 6]);
  assert.deepEqual(await bulkhead.map([Promise.resolve(1), 2], double), [2, 4]);
  assert.deepEqual(await bulkhead.map([], double), []);
  assert.deepEqual(await bulkhead.map(new Set(['a']), (item) => item.toUpperCase()), ['A']);
  assert.equal(bulkhead.active, 0);
});

ofEachKind(test, 'stops mapping at the first error, and closes the iterator', async (make) => {
  const bulkhead = make({ maxConcurrent: 2 });
  const items = numbers(100);
  const fn = manual();
  const mapped = watched(bulkhead.map(items.all(), (item) => fn(item)));
  await continuations();
  const error = new Error('of the second');
  fn.calls[1].reject(error);
  await continuations();
  assert.deepEqual([mapped.error, items.pulled <= 3, items.closed], [error, true, true]);
  assert.equal(bulkhead.active, 1, 'the first one runs still');
  fn.calls[0].resolve();
  await continuations();
  assert.equal(bulkhead.active, 0);
});

ofEachKind(test, 'stops mapping where the iterable itself fails', async (make) => {
  const bulkhead = make({ maxConcurrent: 2 });
  const error = new Error('no more');
  function* broken() {
    yield 1;
    throw error;
  }
  assert.equal(await reasonOf(bulkhead.map(broken(), (item) => item)), error);
  assert.equal(await reasonOf(bulkhead.map([Promise.reject(error)], (item) => item)), error);
  assert.equal(bulkhead.active, 0);
});

ofEachKind(test, 'stops mapping at once when aborted', async (make) => {
  const bulkhead = make({ maxConcurrent: 1 });
  const items = numbers(100);
  const fn = manual();
  const { signal, abort, listeners } = countedSignal();
  const mapped = watched(bulkhead.map(items.all(), (item) => fn(item), { signal }));
  await continuations();
  const reason = new Error('enough');
  abort(reason);
  await continuations();
  assert.deepEqual([mapped.error, items.closed, listeners()], [reason, true, 0]);
  fn.calls[0].resolve();
  await continuations();
  assert.deepEqual([bulkhead.active, items.pulled], [0, 1]);
  const aborted = numbers(1);
  assert.equal(await reasonOf(bulkhead.map(aborted.all(), fn, { signal })), reason);
  assert.equal(aborted.pulled, 0);
});

ofEachKind(test, 'leaves nothing behind where the iterator hangs', async (make) => {
  const bulkhead = make({ maxConcurrent: 2 });
  const controller = new AbortController();
  let closed = 0;
  const hanging = {
    [Symbol.asyncIterator]: () => ({
      next: () => new Promise(() => {}),
      return: async () => {
        closed += 1;
      },
    }),
  };
  const mapped = watched(bulkhead.map(hanging, (item) => item, { signal: controller.signal }));
  await continuations();
  assert.equal(bulkhead.active, 1);
  controller.abort('enough');
  await continuations();
  assert.deepEqual([mapped.error, bulkhead.active, closed], ['enough', 0, 1]);
  assert.equal(await bulkhead.drain(), true);
});

ofEachKind(
  test,
  'waits for its own calls without a place in the line, and for others with one',
  async (make) => {
    const bulkhead = make({ maxConcurrent: 1, maxQueue: 0 });
    assert.deepEqual(await bulkhead.map([1, 2, 3], async (item) => item), [1, 2, 3]);
    const permit = bulkhead.tryAcquire();
    assert.equal((await reasonOf(bulkhead.map([1], (item) => item))).code, 'ERR_BULKHEAD_FULL');
    bulkhead.reconfigure({ maxQueue: 1 });
    const mapped = bulkhead.map([1, 2], (item) => item);
    permit.release();
    assert.deepEqual(await mapped, [1, 2]);
    assert.equal(bulkhead.active, 0);
  },
);

test('map of a hundred thousand items keeps to the limit', async () => {
  const bulkhead = new Bulkhead({ maxConcurrent: 10 });
  let running = 0;
  let most = 0;
  const items = Array.from({ length: 100_000 }, (_, i) => i);
  const mapped = await bulkhead.map(items, async (item) => {
    running += 1;
    most = Math.max(most, running);
    await null;
    running -= 1;
    return item;
  });
  assert.deepEqual([most, mapped.length, mapped[99_999]], [10, 100_000, 99_999]);
});
