// Bulkhead: who runs, who waits, who is refused, through one thread. The rules of the orders are tested in Rust.
import assert from 'node:assert/strict';
import { AsyncLocalStorage } from 'node:async_hooks';
import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import { test } from 'node:test';
import {
  Bulkhead,
  BulkheadFullError,
  DisposedError,
  DrainingError,
  InvalidOptionError,
  list,
  ManualClock,
  NameConflictError,
  QueueTimeoutError,
  RefusedError,
} from 'breakwater';
import { newName, ofEachKind } from './helpers/bulkhead.mjs';
import { manual } from './helpers/calls.mjs';
import { runScript } from './helpers/processes.mjs';
import { continuations, reasonOf, stateOf, watched } from './helpers/promises.mjs';
import './helpers/rejections.mjs';
import { countedSignal } from './helpers/signals.mjs';

ofEachKind(test, 'runs so many at once, and the others in order', async (make) => {
  const bulkhead = make({ maxConcurrent: 2, maxQueue: 2 });
  const order = [];
  const steps = [0, 1, 2, 3].map(() => Promise.withResolvers?.() ?? resolvers());
  const runs = steps.map(({ promise }, i) =>
    bulkhead.execute(async () => {
      order.push(`${i}e`);
      await promise;
      order.push(`${i}x`);
      return i;
    }),
  );
  const fifth = await reasonOf(bulkhead.execute(() => 4));
  assert.ok(fifth instanceof BulkheadFullError && fifth instanceof RefusedError);
  assert.equal(fifth.code, 'ERR_BULKHEAD_FULL');
  assert.deepEqual([bulkhead.active, bulkhead.queued, bulkhead.limit], [2, 2, 2]);
  for (const { resolve } of steps) {
    resolve();
    await continuations();
  }
  assert.equal(order.join(' '), '0e 1e 0x 2e 1x 3e 2x 3x');
  assert.deepEqual(await Promise.all(runs), [0, 1, 2, 3]);
  const { active, queued, allowed, refused, timedOut } = bulkhead.snapshot();
  assert.deepEqual(
    { active, queued, allowed, refused, timedOut },
    {
      active: 0,
      queued: 0,
      allowed: 4,
      refused: 1,
      timedOut: 0,
    },
  );
});

function resolvers() {
  let resolve;
  const promise = new Promise((done) => {
    resolve = done;
  });
  return { promise, resolve };
}

ofEachKind(test, 'calls the function in the same turn when nothing makes it wait', (make) => {
  const bulkhead = make({ maxConcurrent: 1 });
  let called = false;
  bulkhead.execute(() => {
    called = true;
  });
  assert.ok(called);
  assert.equal(bulkhead.active, 0, 'a function that is done gives its permit back at once');
});

ofEachKind(test, 'gives the permit back whatever becomes of the function', async (make) => {
  const bulkhead = make({ maxConcurrent: 1 });
  const error = new Error('no');
  const fails = [
    () => {
      throw error;
    },
    async () => {
      throw error;
    },
    () => Promise.reject(error),
    // biome-ignore lint/suspicious/noThenProperty: a thenable is what is tested
    () => ({ then: (_, reject) => reject(error) }),
  ];
  for (const fail of fails) {
    assert.equal(await reasonOf(bulkhead.execute(fail)), error);
    assert.equal(bulkhead.active, 0);
  }
});

ofEachKind(
  test,
  'refuses who waited longer than queueTimeoutMs, and not who runs for longer',
  async (make) => {
    const clock = new ManualClock();
    const bulkhead = make({ maxConcurrent: 1, maxQueue: 9, queueTimeoutMs: 100, clock });
    const fn = manual();
    const runs = watched(bulkhead.execute(fn));
    const waits = watched(bulkhead.execute(fn));
    const longer = watched(bulkhead.acquire({ queueTimeoutMs: 200 }));
    clock.advance(99);
    await continuations();
    assert.equal(waits.state, 'pending');
    clock.advance(1);
    await continuations();
    assert.ok(waits.error instanceof QueueTimeoutError);
    assert.equal(waits.error.code, 'ERR_QUEUE_TIMEOUT');
    assert.equal(longer.state, 'pending');
    assert.equal(bulkhead.queued, 1);
    clock.advance(100);
    await continuations();
    assert.ok(longer.error instanceof QueueTimeoutError);
    clock.advance(10_000);
    fn.calls[0].resolve('done');
    await continuations();
    assert.equal(runs.value, 'done');
    assert.deepEqual([bulkhead.snapshot().timedOut, bulkhead.active, clock.pending], [2, 0, 0]);
  },
);

ofEachKind(test, 'sends away who waited too long where the timer has not fired yet', async (make) => {
  const bulkhead = make({ maxConcurrent: 1, maxQueue: 9, queueTimeoutMs: 20 });
  const permit = bulkhead.tryAcquire();
  const late = watched(bulkhead.execute(() => 'too late'));
  const until = performance.now() + 60;
  while (performance.now() < until);
  permit.release();
  await continuations();
  assert.ok(late.error instanceof QueueTimeoutError, `${late.state} ${late.value}`);
  assert.equal(bulkhead.active, 0);
});

ofEachKind(
  test,
  'lets go of a waiter in the turn in which its signal aborts, with its own reason',
  async (make) => {
    const bulkhead = make({ maxConcurrent: 1, maxQueue: 2 });
    const permit = bulkhead.tryAcquire();
    const one = countedSignal();
    const other = countedSignal();
    const executed = watched(bulkhead.execute(() => assert.fail('it was aborted'), { signal: one.signal }));
    const acquired = watched(bulkhead.acquire({ signal: other.signal }));
    assert.equal(bulkhead.queued, 2);
    const reason = new Error('changed my mind');
    one.abort(reason);
    other.abort(reason);
    assert.equal(bulkhead.queued, 0);
    await continuations();
    assert.deepEqual([executed.error, acquired.error], [reason, reason]);
    assert.deepEqual([one.listeners(), other.listeners()], [0, 0]);
    permit.release();
    assert.equal(await bulkhead.execute(() => 'free'), 'free');
    assert.equal(await reasonOf(bulkhead.acquire({ signal: AbortSignal.abort(reason) })), reason);
  },
);

ofEachKind(test, 'leaves no listener on a signal whose call was served', async (make) => {
  const bulkhead = make({ maxConcurrent: 1, maxQueue: 2 });
  const permit = bulkhead.tryAcquire();
  const { signal, listeners } = countedSignal();
  const executed = bulkhead.execute(() => 1, { signal });
  const acquired = bulkhead.acquire({ signal });
  permit.release();
  assert.equal(await executed, 1);
  (await acquired).release();
  assert.equal(listeners(), 0);
});

ofEachKind(
  test,
  'keeps the permit of a call past its deadline until the function has settled',
  async (make) => {
    const clock = new ManualClock();
    const bulkhead = make({ maxConcurrent: 1, maxQueue: 1, clock });
    const fn = manual();
    const call = watched(bulkhead.execute(fn, { timeoutMs: 50 }));
    const next = watched(bulkhead.execute(() => 'next'));
    clock.advance(50);
    await continuations();
    assert.equal(call.error.code, 'ERR_TIMEOUT');
    assert.ok(fn.calls[0].call.signal.aborted);
    assert.deepEqual([bulkhead.active, next.state], [1, 'pending'], 'it runs still');
    fn.calls[0].resolve();
    await continuations();
    assert.deepEqual([bulkhead.active, next.value], [0, 'next']);
  },
);

ofEachKind(test, 'counts the wait towards the deadline of a call', async (make) => {
  const clock = new ManualClock();
  const bulkhead = make({ maxConcurrent: 1, maxQueue: 1, clock });
  const permit = bulkhead.tryAcquire();
  const call = watched(bulkhead.execute(() => assert.fail('too late'), { timeoutMs: 50 }));
  clock.advance(50);
  await continuations();
  assert.deepEqual([call.error.code, bulkhead.queued], ['ERR_TIMEOUT', 0]);
  permit.release();
  assert.equal(bulkhead.active, 0);
});

ofEachKind(test, 'gives permits by hand, which count once', async (make) => {
  const bulkhead = make({ maxConcurrent: 2, maxQueue: 2 });
  const permits = [bulkhead.tryAcquire(), await bulkhead.acquire()];
  assert.equal(bulkhead.tryAcquire(), undefined);
  const waits = bulkhead.acquire();
  assert.equal(await stateOf(waits), 'pending');
  permits[0].release();
  permits[0].release();
  permits[0][Symbol.dispose]();
  const third = await waits;
  assert.equal(bulkhead.active, 2);
  permits[1][Symbol.dispose]();
  third.release('no verdict at all');
  assert.equal(bulkhead.active, 0);
});

ofEachKind(
  test,
  'lets a heavy call wait for as many permits as it takes, and nobody passes it',
  async (make) => {
    const bulkhead = make({ maxConcurrent: 3, maxQueue: 9 });
    const two = bulkhead.tryAcquire({ weight: 2 });
    const order = [];
    const heavy = bulkhead.execute(() => order.push('heavy'), { weight: 3 });
    const light = bulkhead.execute(() => order.push('light'));
    assert.deepEqual([bulkhead.tryAcquire(), bulkhead.active, bulkhead.queued], [undefined, 2, 2]);
    two.release();
    await Promise.all([heavy, light]);
    assert.deepEqual(order, ['heavy', 'light']);
    assert.equal(bulkhead.active, 0);
    assert.equal((await reasonOf(bulkhead.execute(() => 1, { weight: 4 }))).code, 'ERR_BULKHEAD_FULL');
  },
);

ofEachKind(test, 'lets several go on when one that weighed much is done', async (make) => {
  const bulkhead = make({ maxConcurrent: 3, maxQueue: 9 });
  const all = bulkhead.tryAcquire({ weight: 3 });
  const fn = manual();
  const calls = [1, 2, 3, 4].map(() => bulkhead.execute(fn));
  all.release();
  await continuations();
  assert.deepEqual([fn.calls.length, bulkhead.active, bulkhead.queued], [3, 3, 1]);
  for (const call of fn.calls) call.resolve();
  await continuations();
  fn.calls[3].resolve();
  await Promise.all(calls);
  assert.equal(bulkhead.active, 0);
});

ofEachKind(test, 'is reconfigured for calls that run and calls that wait', async (make) => {
  const bulkhead = make({ maxConcurrent: 1, maxQueue: 3 });
  const changes = [];
  bulkhead.on('limitChange', (change) => changes.push(change));
  const fn = manual();
  const calls = [1, 2, 3, 4].map(() => bulkhead.execute(fn));
  const heavy = watched(bulkhead.acquire());
  assert.equal((await reasonOf(heavy.error ?? bulkhead.acquire())).code, 'ERR_BULKHEAD_FULL');
  bulkhead.reconfigure({ maxConcurrent: 3 });
  await continuations();
  assert.deepEqual([fn.calls.length, bulkhead.active, bulkhead.queued], [3, 3, 1]);
  bulkhead.reconfigure({ maxConcurrent: 1, maxQueue: 0 });
  for (const call of fn.calls.slice(0, 2)) call.resolve();
  await continuations();
  assert.deepEqual([fn.calls.length, bulkhead.active, bulkhead.queued], [3, 1, 1]);
  fn.calls[2].resolve();
  await continuations();
  fn.calls[3].resolve();
  await Promise.all(calls);
  assert.deepEqual(changes, [
    { generation: 1, from: 1, to: 3 },
    { generation: 2, from: 3, to: 1 },
  ]);
  for (const bad of [
    { maxConcurrent: 0 },
    { maxConcurrent: { kind: 'aimd' } },
    { maxQueue: -1 },
    { order: 'lifo' },
  ]) {
    assert.throws(() => bulkhead.reconfigure(bad), InvalidOptionError);
  }
});

ofEachKind(test, 'refuses who waits for more than a smaller limit', async (make) => {
  const bulkhead = make({ maxConcurrent: 2, maxQueue: 3 });
  const permit = bulkhead.tryAcquire();
  const heavy = watched(bulkhead.acquire({ weight: 2 }));
  const light = watched(bulkhead.acquire());
  bulkhead.reconfigure({ maxConcurrent: 1 });
  await continuations();
  assert.equal(heavy.error.code, 'ERR_BULKHEAD_FULL');
  permit.release();
  await continuations();
  assert.equal(light.state, 'fulfilled');
});

ofEachKind(test, 'runs each function in the async context of its caller, also after a wait', async (make) => {
  const storage = new AsyncLocalStorage();
  const bulkhead = make({ maxConcurrent: 1, maxQueue: 9 });
  const permit = bulkhead.tryAcquire();
  const calls = ['a', 'b', 'c'].map((who) =>
    storage.run(who, () => bulkhead.execute(async () => storage.getStore())),
  );
  storage.run('somebody else', () => permit.release());
  assert.deepEqual(await Promise.all(calls), ['a', 'b', 'c']);
});

ofEachKind(test, 'serves a long line of functions that do not wait', async (make) => {
  const bulkhead = make({ maxConcurrent: 1, maxQueue: 20_000 });
  const permit = bulkhead.tryAcquire();
  let sum = 0;
  const calls = Array.from({ length: 20_000 }, (_, i) =>
    bulkhead.execute(() => {
      sum += i;
    }),
  );
  permit.release();
  await Promise.all(calls);
  assert.equal(sum, (20_000 * 19_999) / 2);
});

ofEachKind(test, 'drains: refuses what comes, and waits for what runs and waits', async (make) => {
  const bulkhead = make({ maxConcurrent: 1, maxQueue: 2 });
  const fn = manual();
  const calls = [bulkhead.execute(fn), bulkhead.execute(fn)];
  const drained = watched(bulkhead.drain());
  for (const refused of [bulkhead.execute(() => 1), bulkhead.acquire()]) {
    const error = await reasonOf(refused);
    assert.ok(error instanceof DrainingError && error.code === 'ERR_DRAINING');
  }
  assert.throws(() => bulkhead.tryAcquire(), DrainingError);
  fn.calls[0].resolve();
  await continuations();
  assert.deepEqual([drained.state, fn.calls.length], ['pending', 2]);
  fn.calls[1].resolve();
  await Promise.all(calls);
  await continuations();
  assert.equal(drained.value, true);
  assert.equal(await bulkhead.drain(), true);
});

ofEachKind(test, 'stops draining after timeoutMs or at an abort', async (make) => {
  const clock = new ManualClock();
  const bulkhead = make({ maxConcurrent: 1, clock });
  const permit = bulkhead.tryAcquire();
  const { signal, abort, listeners } = countedSignal();
  const timed = watched(bulkhead.drain({ timeoutMs: 100, signal }));
  const aborted = watched(bulkhead.drain({ signal }));
  clock.advance(100);
  await continuations();
  assert.deepEqual([timed.value, aborted.state], [false, 'pending']);
  abort('enough');
  await continuations();
  assert.deepEqual([aborted.error, listeners(), clock.pending], ['enough', 0, 0]);
  permit.release();
  assert.equal(await bulkhead.drain(), true);
});

ofEachKind(test, 'is disposed: who waits rejects, what runs goes on, permits stay valid', async (make) => {
  const bulkhead = make({ maxConcurrent: 2, maxQueue: 2 });
  const permit = bulkhead.tryAcquire();
  const fn = manual();
  const runs = bulkhead.execute(fn);
  const waits = watched(bulkhead.execute(() => assert.fail('it was disposed')));
  bulkhead.dispose();
  bulkhead.dispose();
  await continuations();
  assert.ok(waits.error instanceof DisposedError);
  for (const use of [() => bulkhead.tryAcquire(), () => bulkhead.active, () => bulkhead.snapshot()]) {
    assert.throws(use, DisposedError);
  }
  for (const use of [
    bulkhead.execute(() => 1),
    bulkhead.acquire(),
    bulkhead.map([1], () => 1),
    bulkhead.drain(),
  ]) {
    assert.ok((await reasonOf(use)) instanceof DisposedError);
  }
  permit.release();
  fn.calls[0].resolve('done');
  assert.equal(await runs, 'done');
});

ofEachKind(test, 'in a dry run refuses nothing, and says what it would have refused', async (make) => {
  const bulkhead = make({ maxConcurrent: 1, maxQueue: 5, dryRun: true });
  const fn = manual();
  const calls = [bulkhead.execute(fn), bulkhead.execute(fn)];
  const permit = bulkhead.tryAcquire();
  const another = await bulkhead.acquire();
  assert.equal(fn.calls.length, 2, 'nobody waits');
  const { active, refused, queued } = bulkhead.snapshot();
  assert.deepEqual({ active, refused, queued }, { active: 1, refused: 3, queued: 0 });
  permit.release();
  another.release();
  for (const call of fn.calls) call.resolve();
  await Promise.all(calls);
  assert.equal(bulkhead.active, 0);
});

ofEachKind(test, 'publishes its refusals', async (make) => {
  const told = [];
  const listener = (message) => told.push(message);
  subscribe('breakwater:bulkhead:refused', listener);
  const clock = new ManualClock();
  const bulkhead = make({ maxConcurrent: 1, maxQueue: 1, queueTimeoutMs: 5, label: 'the bulkhead', clock });
  bulkhead.tryAcquire();
  const late = reasonOf(bulkhead.execute(() => 1));
  await reasonOf(bulkhead.execute(() => 1));
  clock.advance(5);
  await late;
  assert.equal(bulkhead.tryAcquire(), undefined);
  unsubscribe('breakwater:bulkhead:refused', listener);
  const { name } = bulkhead.snapshot();
  const message = { kind: 'bulkhead', primitive: name ?? 'the bulkhead', dryRun: false };
  assert.deepEqual(told, [message, message, message]);
});

test('is found by its name, and counts permits of all objects together', async () => {
  const name = newName();
  const options = { name, maxConcurrent: 2, maxQueue: 3, order: 'fair', shares: { gold: 2 } };
  const one = new Bulkhead(options);
  const other = new Bulkhead({ ...options });
  const found = Bulkhead.find(name);
  assert.equal(Bulkhead.find('nobody'), undefined);
  assert.deepEqual(
    list().filter((it) => it.name === name),
    [{ kind: 'bulkhead', name }],
  );
  const permits = [one.tryAcquire(), other.tryAcquire()];
  assert.deepEqual([found.active, found.tryAcquire()], [2, undefined]);
  const waits = [other.acquire(), found.acquire()];
  permits[0].release();
  permits[1].release();
  const [second, third] = await Promise.all(waits);
  assert.deepEqual([one.active, one.queued], [2, 0]);
  second.release();
  third.release();
  for (const different of [
    { maxConcurrent: 3 },
    { order: 'fifo', shares: undefined },
    { shares: {} },
    { maxQueue: 2 },
  ]) {
    assert.throws(() => new Bulkhead({ ...options, ...different }), NameConflictError);
  }
  for (const bulkhead of [one, other, found]) bulkhead.dispose();
  assert.equal(Bulkhead.find(name), undefined);
});

ofEachKind(test, 'lets none of its waiters go on when it is disposed', async (make) => {
  const bulkhead = make({ maxConcurrent: 2, maxQueue: 5 });
  const permit = bulkhead.tryAcquire();
  const heavy = watched(bulkhead.execute(() => assert.fail('disposed'), { weight: 2 }));
  const light = watched(bulkhead.execute(() => assert.fail('disposed')));
  bulkhead.dispose();
  await continuations();
  assert.deepEqual([heavy.error?.code, light.error?.code], ['ERR_DISPOSED', 'ERR_DISPOSED']);
  permit.release();
});

ofEachKind(test, 'gives no permit to who was aborted in the turn of the grant', async (make) => {
  const bulkhead = make({ maxConcurrent: 2, maxQueue: 5 });
  const permit = bulkhead.tryAcquire({ weight: 2 });
  const controller = new AbortController();
  const waits = [1, 2].map(() => watched(bulkhead.acquire({ signal: controller.signal })));
  permit.release();
  controller.abort('no more');
  await continuations();
  assert.deepEqual(
    waits.map(({ error }) => error),
    ['no more', 'no more'],
  );
  assert.equal(bulkhead.active, 0);
});

ofEachKind(test, 'may be called by whoever hears of its refusals', async (make) => {
  const clock = new ManualClock();
  const bulkhead = make({ maxConcurrent: 1, maxQueue: 9, clock });
  const permit = bulkhead.tryAcquire();
  const late = watched(bulkhead.acquire({ queueTimeoutMs: 10 }));
  const controller = new AbortController();
  const others = [1, 2, 3].map((i) =>
    watched(bulkhead.acquire(i === 1 ? { signal: controller.signal } : {})),
  );
  const heavy = watched(bulkhead.acquire({ queueTimeoutMs: 50 }));
  let heard = 0;
  const listener = () => {
    heard += 1;
    if (heard > 1) return;
    controller.abort('by a listener');
    bulkhead.reconfigure({ maxConcurrent: 3 });
  };
  subscribe('breakwater:bulkhead:refused', listener);
  clock.advance(10);
  await continuations();
  unsubscribe('breakwater:bulkhead:refused', listener);
  assert.equal(late.error.code, 'ERR_QUEUE_TIMEOUT');
  assert.deepEqual(
    others.map(({ state }) => state),
    ['rejected', 'fulfilled', 'fulfilled'],
  );
  permit.release();
  await continuations();
  assert.equal(heavy.state, 'fulfilled');
  for (const { value } of [...others.slice(1), heavy]) value.release();
  assert.deepEqual([bulkhead.active, bulkhead.queued, await bulkhead.drain()], [0, 0, true]);
});

ofEachKind(test, 'takes a permit back whatever is said of it', (make) => {
  const bulkhead = make({ maxConcurrent: 1 });
  for (const verdict of [Object.create(null), 'toString', 5, null, Symbol('v')]) {
    bulkhead.tryAcquire().release(verdict);
    assert.equal(bulkhead.active, 0);
  }
});

test('in a dry run drains when the calls without a permit have ended, too', async () => {
  const bulkhead = new Bulkhead({ maxConcurrent: 1, dryRun: true });
  const fn = manual();
  const calls = [1, 2, 3].map(() => bulkhead.execute(fn));
  const drained = watched(bulkhead.drain());
  fn.calls[0].resolve();
  fn.calls[1].resolve();
  await continuations();
  assert.equal(drained.state, 'pending');
  fn.calls[2].resolve();
  await Promise.all(calls);
  await continuations();
  assert.equal(drained.value, true);
});

test('a permit that goes to a waiter of another object is out through that one', async () => {
  // Only the end of an object shows it: what is out through one that was collected is given back.
  const { code, stdout, stderr } = await runScript(`
    import { setFlagsFromString } from 'node:v8';
    import { runInNewContext } from 'node:vm';
    import { setTimeout as sleep } from 'node:timers/promises';
    import { Bulkhead } from 'breakwater';
    const collect = globalThis.Bun ? () => Bun.gc(true) : (setFlagsFromString('--expose-gc'), runInNewContext('gc'));
    const options = { name: 'handed over', maxConcurrent: 1, maxQueue: 3 };
    const witness = new Bulkhead(options);
    const other = new Bulkhead(options);
    let one = new Bulkhead(options);
    let permit = one.tryAcquire();
    const waits = other.acquire();
    permit.release();
    const handed = await waits;
    one = permit = undefined;
    for (let i = 0; i < 20; i++) {
      collect();
      await sleep(5);
    }
    console.log(witness.active, witness.tryAcquire());
    handed.release();
    console.log(witness.active);
  `);
  assert.deepEqual([code, stdout.trim(), stderr], [0, '1 undefined\n0', '']);
});

test('permits of a waiter that another object served are given back when that one is disposed', async () => {
  const name = newName();
  const options = { name, maxConcurrent: 1, maxQueue: 3 };
  const one = new Bulkhead(options);
  const other = new Bulkhead(options);
  const permit = one.tryAcquire();
  const waits = other.execute(() => 'of the other');
  one.dispose();
  permit.release();
  assert.equal(await waits, 'of the other');
  assert.equal(other.active, 0);
});

test('serves by priority and by key what execute was given', async () => {
  for (const [order, given, expected] of [
    ['priority', [{ priority: 1 }, {}, { priority: 9 }, { priority: 9 }], [2, 3, 1, 0]],
    ['lifo', [{}, {}, {}, {}], [3, 2, 1, 0]],
    ['fair', [{ key: 'a' }, { key: 'a' }, { key: 'a' }, { key: 'b' }], [0, 3, 1, 2]],
  ]) {
    const bulkhead = new Bulkhead({ maxConcurrent: 1, maxQueue: 9, order });
    const permit = bulkhead.tryAcquire();
    const served = [];
    const calls = given.map((options, i) => bulkhead.execute(() => served.push(i), options));
    permit.release();
    await Promise.all(calls);
    assert.deepEqual(served, expected, order);
  }
});

test('tells who was pushed out of a full line', async () => {
  const bulkhead = new Bulkhead({ maxConcurrent: 1, maxQueue: 1, order: 'lifo' });
  bulkhead.tryAcquire();
  const oldest = watched(bulkhead.execute(() => 1));
  const newest = watched(bulkhead.execute(() => 2));
  await continuations();
  assert.deepEqual([oldest.error?.code, newest.state], ['ERR_BULKHEAD_FULL', 'pending']);
  assert.deepEqual([bulkhead.snapshot().refused, bulkhead.queued], [1, 1]);
});

test('keeps permits for higher priorities', async () => {
  const bulkhead = new Bulkhead({ maxConcurrent: 4, order: 'priority', shares: { 9: 0.5 } });
  const permits = [bulkhead.tryAcquire({ priority: 0 }), bulkhead.tryAcquire()];
  assert.equal(bulkhead.tryAcquire(), undefined);
  permits.push(bulkhead.tryAcquire({ priority: 9 }), bulkhead.tryAcquire({ priority: 9 }));
  assert.equal(bulkhead.active, 4);
  for (const permit of permits) permit.release();
});

test('a limit by drops gives way to timeouts and refusals, and not to other errors', async () => {
  const clock = new ManualClock();
  const bulkhead = new Bulkhead({ maxConcurrent: { kind: 'aimd', initial: 10 }, clock });
  const changes = [];
  bulkhead.on('limitChange', ({ from, to }) => changes.push([from, to]));
  const failing = (error) => bulkhead.execute(() => Promise.reject(error)).catch(() => {});
  await failing(new Error('a bug'));
  assert.equal(bulkhead.limit, 10);
  clock.advance(1);
  await failing(new BulkheadFullError('further inside', { kind: 'bulkhead' }));
  assert.equal(bulkhead.limit, 9);
  clock.advance(1);
  const fn = manual();
  const slow = reasonOf(bulkhead.execute(fn, { timeoutMs: 50 }));
  clock.advance(50);
  await slow;
  fn.calls[0].reject(new Error('aborted'));
  await continuations();
  assert.equal(bulkhead.limit, 8);
  clock.advance(1);
  bulkhead.tryAcquire().release('dropped');
  clock.advance(1);
  const refuse = () => {
    throw new BulkheadFullError('further inside', { kind: 'bulkhead' });
  };
  await reasonOf(bulkhead.map([1], refuse));
  await continuations();
  assert.deepEqual(changes, [
    [10, 9],
    [9, 8],
    [8, 7],
    [7, 6],
  ]);
});

test('a limit by latency gives way when most calls are dropped, and keeps the bounds that reconfigure does not name', async () => {
  const bulkhead = new Bulkhead({ maxConcurrent: { kind: 'gradient', min: 2, max: 500, initial: 100 } });
  for (let i = 0; i < 2_000; i++) bulkhead.tryAcquire().release('dropped');
  assert.equal(bulkhead.limit, 2);
  bulkhead.reconfigure({ maxConcurrent: { kind: 'gradient', min: 400 } });
  assert.equal(bulkhead.limit, 400);
  bulkhead.reconfigure({ maxConcurrent: { kind: 'gradient', max: 450 } });
  assert.throws(
    () => bulkhead.reconfigure({ maxConcurrent: { kind: 'gradient', max: 399 } }),
    InvalidOptionError,
  );
  assert.throws(
    () => bulkhead.reconfigure({ maxConcurrent: { kind: 'gradient', initial: 9 } }),
    InvalidOptionError,
  );
});

test('complains of what is no option, and loses nothing', async () => {
  const ok = { maxConcurrent: 1 };
  for (const [options, option] of [
    [undefined, 'options'],
    [{}, 'maxConcurrent'],
    [{ maxConcurrent: 0 }, 'maxConcurrent'],
    [{ maxConcurrent: '5' }, 'maxConcurrent'],
    [{ maxConcurrent: Number.NaN }, 'maxConcurrent'],
    [{ maxConcurrent: { kind: 'vegas' } }, 'maxConcurrent.kind'],
    [{ maxConcurrent: { kind: 'aimd', min: 0 } }, 'maxConcurrent.min'],
    [{ maxConcurrent: { kind: 'aimd', start: 1 } }, 'maxConcurrent.start'],
    [{ ...ok, maxQueue: 1.5 }, 'maxQueue'],
    [{ ...ok, queueTimeoutMs: 0 }, 'queueTimeoutMs'],
    [{ ...ok, order: 'random' }, 'order'],
    [{ ...ok, shares: { a: 1 } }, 'shares'],
    [{ ...ok, order: 'fair', shares: { a: '1' } }, 'shares.a'],
    [{ ...ok, order: 'fair', shares: [1] }, 'shares'],
    [{ ...ok, order: 'fair', shares: new Map([['a', 1]]) }, 'shares'],
    [{ ...ok, codel: { targetMs: 0 } }, 'codel.targetMs'],
    [{ ...ok, codel: { target: 1 } }, 'codel.target'],
    [{ ...ok, concurrency: 1 }, 'concurrency'],
  ]) {
    assert.throws(
      () => new Bulkhead(options),
      (error) => error instanceof InvalidOptionError && error.option === option,
      `${option} of ${JSON.stringify(options)}`,
    );
  }
  const bulkhead = new Bulkhead(ok);
  for (const [call, option] of [
    [() => bulkhead.execute(() => 1, { weight: 0 }), 'weight'],
    [() => bulkhead.execute(() => 1, { priority: 10 }), 'priority'],
    [() => bulkhead.execute(() => 1, { key: 'é'.repeat(40_000) }), 'key'],
    [() => bulkhead.execute(1), 'fn'],
    [() => bulkhead.acquire({ queueTimeoutMs: -1 }), 'queueTimeoutMs'],
    [() => bulkhead.acquire({ signal: {} }), 'signal'],
    [() => bulkhead.map(5, () => 1), 'items'],
    [() => bulkhead.map([], 1), 'fn'],
    [() => bulkhead.drain({ timeoutMs: -1 }), 'timeoutMs'],
  ]) {
    assert.equal((await reasonOf(call())).option, option);
  }
  assert.throws(() => bulkhead.tryAcquire({ weight: 1.5 }), InvalidOptionError);
  assert.throws(() => bulkhead.on('full', () => {}), InvalidOptionError);
  assert.throws(() => bulkhead.on('limitChange'), InvalidOptionError);
  assert.throws(() => Bulkhead.prototype.tryAcquire.call({}), InvalidOptionError);
  assert.throws(() => Bulkhead.find(1), InvalidOptionError);
  assert.equal(bulkhead.active, 0);
  assert.equal(await bulkhead.execute(() => 'as before'), 'as before');
});
