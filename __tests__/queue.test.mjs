// BoundedQueue in one thread: what goes in and comes out, who waits, how it ends. Between threads: queue-workers.test.mjs.
import assert from 'node:assert/strict';
import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import { test } from 'node:test';
import {
  BoundedQueue,
  DisposedError,
  InvalidOptionError,
  list,
  ManualClock,
  NameConflictError,
  QueueClosedError,
  QueueFullError,
  QueueTimeoutError,
  RefusedError,
} from 'breakwater';
import { continuations, reasonOf, recorder, stateOf, watched } from './helpers/promises.mjs';
import './helpers/rejections.mjs';
import { countedSignal } from './helpers/signals.mjs';

let names = 0;
function newName() {
  names += 1;
  return `queue.test:${names}`;
}

const of = (capacity, options) => new BoundedQueue({ capacity, ...options });
const all = (queue) => queue.popMany(1_000);

test('values come out as their JSON, in order, whatever they are', async () => {
  const queue = of(100);
  const values = [
    0,
    -1.5,
    '',
    'é',
    '😀',
    '\ud800 alone',
    null,
    true,
    [1, [2]],
    { a: { b: 'c' } },
    JSON.parse('{"then":1}'),
  ];
  for (const value of values) assert.equal(queue.tryPush(value), true);
  assert.equal(queue.size, values.length);
  assert.equal(queue.tryPop(), 0);
  assert.equal(await queue.pop(), -1.5);
  assert.deepEqual([...(await queue.popMany(3)), ...(await all(queue))], values.slice(2));
  assert.equal(queue.tryPop(), undefined);
});

test('strings come out code unit by code unit, lone surrogates and long ones included', async () => {
  const queue = of(1_000, { codec: 'string' });
  const texts = [
    '',
    'a',
    'ÿ'.repeat(5_000),
    'x'.repeat(9_000),
    '\udc00',
    'a\0b',
    'ab\ud83d',
    '€'.repeat(70_000),
  ];
  const long = 'x'.repeat(300_000);
  texts.push(long, `${long}é`, `${long}\ud800`, ...Array.from({ length: 700 }, (_, i) => `text number ${i}`));
  for (const text of texts) queue.tryPush(text);
  const got = [queue.tryPop(), await queue.pop(), ...(await all(queue))];
  assert.ok(got.every((text, index) => text === texts[index]));
  assert.equal(got.length, texts.length);
});

test('bytes come out as they were when they were pushed', async () => {
  const queue = of(100, { codec: 'bytes' });
  const shared = new Uint8Array(new SharedArrayBuffer(8)).fill(3);
  const source = Buffer.from('buffer');
  const inner = new Uint8Array([0, 1, 2, 3, 4]).subarray(1, 3);
  const detached = new Uint8Array(4);
  structuredClone(detached.buffer, { transfer: [detached.buffer] });
  const large = new Uint8Array(100_000).fill(7);
  for (const bytes of [source, shared, inner, detached, large]) queue.tryPush(bytes);
  source.fill(0);
  shared.fill(0);
  large.fill(0);
  const [first, ...rest] = await all(queue);
  assert.equal(Buffer.from(first).toString(), 'buffer');
  assert.ok(first instanceof Uint8Array && !Buffer.isBuffer(first));
  const expected = [
    new Uint8Array(8).fill(3),
    new Uint8Array([1, 2]),
    new Uint8Array(0),
    new Uint8Array(100_000).fill(7),
  ];
  assert.deepEqual(rest, expected);
  queue.tryPush(new Uint8Array([9]));
  queue.tryPush(new Uint8Array(5_000).fill(1));
  assert.deepEqual(queue.tryPop(), new Uint8Array([9]));
  assert.deepEqual(await queue.pop(), new Uint8Array(5_000).fill(1));
});

test('bytes of one slab do not overwrite each other', () => {
  const queue = of(1_000, { codec: 'bytes' });
  const kept = [];
  for (let i = 0; i < 500; i++) {
    queue.tryPush(new Uint8Array(1 + (i % 900)).fill(i));
    kept.push(queue.tryPop());
  }
  assert.ok(
    kept.every((bytes, i) => bytes.length === 1 + (i % 900) && bytes.every((byte) => byte === i % 256)),
  );
});

test('what is not of the codec is refused with what was expected, and nothing is stored', async () => {
  const cyclic = {};
  cyclic.self = cyclic;
  const cases = [
    ['json', [undefined, () => {}, Symbol('s'), 1n, cyclic], 'a value that JSON can say'],
    ['string', [1, null, undefined, {}, new Uint8Array(1)], 'a string'],
    [
      'bytes',
      [
        'text',
        null,
        undefined,
        [1],
        new Uint16Array(1),
        new ArrayBuffer(1),
        new DataView(new ArrayBuffer(1)),
      ],
      'a Uint8Array',
    ],
  ];
  for (const [codec, values, expected] of cases) {
    const queue = of(10, { codec, label: 'mine' });
    for (const value of values) {
      const says = (error) => {
        assert.ok(error instanceof InvalidOptionError);
        const { option, kind, primitive } = error;
        assert.deepEqual(
          { option, kind, primitive, expected: error.expected },
          { option: 'value', kind: 'queue', primitive: 'mine', expected },
        );
        return true;
      };
      assert.throws(() => queue.tryPush(value), says);
      await assert.rejects(queue.push(value), says);
    }
    assert.equal(queue.size, 0);
  }
});

test('a full queue refuses by default, and says that it is full', async () => {
  const queue = of(1, { label: 'jobs' });
  assert.equal(await queue.push(1), true);
  assert.equal(queue.tryPush(2), false);
  const error = await reasonOf(queue.push(2));
  assert.ok(error instanceof QueueFullError && error instanceof RefusedError);
  assert.deepEqual({ ...error }, { kind: 'queue', primitive: 'jobs' });
  assert.equal(error.message, 'queue "jobs" refused: it is full');
  assert.deepEqual(await all(queue), [1]);
});

test('with dropNewest a push answers false, with dropOldest the oldest goes', async () => {
  const newest = of(2, { overflow: 'dropNewest' });
  assert.deepEqual(
    [await newest.push(1), await newest.push(2), await newest.push(3), newest.tryPush(4)],
    [true, true, false, false],
  );
  assert.deepEqual(await all(newest), [1, 2]);
  const oldest = of(2, { overflow: 'dropOldest' });
  assert.deepEqual(
    [await oldest.push(1), await oldest.push(2), await oldest.push(3), oldest.tryPush(4)],
    [true, true, true, true],
  );
  assert.deepEqual(await all(oldest), [3, 4]);
  assert.equal(oldest.snapshot().dropped, 2);
});

test('a message that can never fit is refused under every rule, at once', async () => {
  for (const overflow of ['reject', 'wait', 'dropOldest', 'dropNewest']) {
    const queue = of(10, { overflow, codec: 'string', maxBytes: 5 });
    queue.tryPush('kept');
    assert.equal(queue.tryPush('longer'), false);
    if (overflow === 'dropNewest') assert.equal(await queue.push('longer'), false);
    else {
      const error = await reasonOf(queue.push('longer'));
      assert.ok(error instanceof QueueFullError);
      assert.equal(error.retryAfterMs, Number.POSITIVE_INFINITY);
    }
    assert.deepEqual(await all(queue), ['kept']);
  }
});

test('maxBytes counts two bytes for each code unit of text that is not Latin-1', () => {
  const queue = of(10, { codec: 'string', maxBytes: 8 });
  assert.equal(queue.tryPush('éé'), true);
  assert.equal(queue.tryPush('€€€'), true);
  assert.equal(queue.snapshot().bytes, 8);
  assert.equal(queue.tryPush('x'), false);
});

test('with wait pushes are stored in order as room is made', async () => {
  const queue = of(1, { overflow: 'wait' });
  const { events, when } = recorder();
  for (const value of [1, 2, 3]) when(`stored ${value}`, queue.push(value));
  assert.equal(await stateOf(queue.pop()), 'fulfilled');
  assert.deepEqual(events, ['stored 1', 'stored 2']);
  assert.equal(queue.tryPush(4), false);
  assert.equal(queue.tryPop(), 2);
  assert.equal(await queue.pop(), 3);
  await stateOf(Promise.resolve());
  assert.deepEqual(events, ['stored 1', 'stored 2', 'stored 3']);
});

test('a push gives up after timeoutMs, or when it is aborted, and is not stored', async () => {
  const clock = new ManualClock();
  const queue = of(1, { overflow: 'wait', clock });
  queue.tryPush('full');
  const { signal, abort, listeners } = countedSignal();
  const late = watched(queue.push('late', { timeoutMs: 50 }));
  const aborted = watched(queue.push('aborted', { signal }));
  const at = watched(queue.push('at once', { timeoutMs: 0 }));
  clock.advance(49.9);
  assert.equal(await stateOf(Promise.resolve()), 'fulfilled');
  assert.equal(late.state, 'pending');
  clock.advance(0.1);
  abort('enough');
  await stateOf(Promise.resolve());
  assert.ok(late.error instanceof QueueTimeoutError && at.error instanceof QueueTimeoutError);
  assert.equal(late.error.message, 'queue had no room within 50 ms');
  assert.equal(aborted.error, 'enough');
  assert.equal(listeners(), 0);
  assert.equal(clock.pending, 0);
  assert.equal(queue.snapshot().waitingPushes, 0);
  assert.equal(await reasonOf(queue.push('x', { signal })), 'enough');
  assert.deepEqual(await all(queue), ['full']);
});

test('a push that was stored in the same instant as its abort says so', async () => {
  const queue = of(1, { overflow: 'wait' });
  const controller = new AbortController();
  queue.tryPush(1);
  const pushed = queue.push(2, { signal: controller.signal });
  assert.equal(queue.tryPop(), 1);
  controller.abort();
  assert.equal(await pushed, true);
  assert.equal(queue.tryPop(), 2);
});

test('pops wait in order, batches and single ones alike', async () => {
  const queue = of(10);
  const { events, when } = recorder();
  const pops = [queue.pop(), queue.popMany(2), queue.pop()];
  for (const [index, pop] of pops.entries()) when(index, pop);
  queue.tryPush('a');
  assert.equal(await pops[0], 'a');
  for (const value of ['b', 'c', 'd']) queue.tryPush(value);
  assert.deepEqual(await pops[1], ['b', 'c']);
  assert.equal(await pops[2], 'd');
  assert.deepEqual(events, [0, 1, 2]);
});

test('a later pop of the same object never gets an earlier message than one that waits', async () => {
  const queue = of(10);
  const first = queue.pop();
  queue.tryPush(1);
  queue.tryPush(2);
  assert.equal(queue.tryPop(), undefined);
  const second = queue.pop();
  assert.deepEqual([await first, await second], [1, 2]);
});

test('an aborted pop leaves the message to the next', async () => {
  const queue = of(10);
  const { signal, abort, listeners } = countedSignal();
  const aborted = watched(queue.pop({ signal }));
  const batch = watched(queue.popMany(5, { signal, lingerMs: 5 }));
  const next = queue.pop();
  queue.tryPush('mine');
  abort('no more');
  assert.equal(await next, 'mine');
  assert.deepEqual([aborted.error, batch.error], ['no more', 'no more']);
  assert.equal(listeners(), 0);
  assert.equal(queue.snapshot().waitingPops, 0);
  assert.equal(await reasonOf(queue.pop({ signal })), 'no more');
});

test('a lingering batch waits for the rest, as long as it said', async () => {
  const clock = new ManualClock();
  const queue = of(100, { clock });
  const full = watched(queue.popMany(3, { lingerMs: 10 }));
  queue.tryPush(1);
  await stateOf(Promise.resolve());
  clock.advance(9);
  queue.tryPush(2);
  queue.tryPush(3);
  await stateOf(Promise.resolve());
  assert.deepEqual(full.value, [1, 2, 3]);
  assert.equal(clock.pending, 0);
  queue.tryPush(4);
  const short = watched(queue.popMany(3, { lingerMs: 10 }));
  queue.tryPush(5);
  await stateOf(Promise.resolve());
  assert.equal(short.state, 'pending');
  clock.advance(10);
  await stateOf(Promise.resolve());
  assert.deepEqual(short.value, [4, 5]);
  for (let i = 0; i < 4; i++) queue.tryPush(i);
  assert.deepEqual(await queue.popMany(3, { lingerMs: 10 }), [0, 1, 2]);
  assert.deepEqual(await queue.popMany(1, { lingerMs: 10 }), [3]);
});

test('a loop over the queue ends when it is closed and empty', async () => {
  const queue = of(10);
  const got = [];
  const loop = (async () => {
    for await (const value of queue) got.push(value);
  })();
  for (const value of [1, 2, 3]) queue.tryPush(value);
  await queue.close();
  await loop;
  assert.deepEqual(got, [1, 2, 3]);
});

test('a loop that is left takes no message more', async () => {
  const queue = of(10);
  for (const value of [1, 2, 3]) queue.tryPush(value);
  for await (const value of queue) if (value === 2) break;
  assert.equal(queue.tryPop(), 3);
  const iterator = queue[Symbol.asyncIterator]();
  const pending = iterator.next();
  assert.deepEqual(await iterator.return(), { value: undefined, done: true });
  assert.deepEqual(await pending, { value: undefined, done: true });
  assert.deepEqual(await iterator.next(), { value: undefined, done: true });
  queue.tryPush(4);
  assert.equal(queue.tryPop(), 4);
});

test('close lets the rest out, and ends pushes and pops that wait', async () => {
  const queue = of(2, { overflow: 'wait', label: 'q' });
  queue.tryPush(1);
  queue.tryPush(2);
  const waits = watched(queue.push(3));
  const closed = watched(queue.close());
  assert.throws(() => queue.tryPush(4), QueueClosedError);
  const error = await reasonOf(queue.push(4));
  assert.deepEqual([error.code, error.message], ['ERR_QUEUE_CLOSED', 'queue "q" is closed']);
  assert.ok(waits.error instanceof QueueClosedError);
  assert.equal(closed.state, 'pending');
  assert.deepEqual(await queue.popMany(5), [1, 2]);
  await stateOf(Promise.resolve());
  assert.equal(closed.state, 'fulfilled');
  assert.deepEqual(
    [await queue.pop(), queue.tryPop(), await queue.popMany(3), await queue.popMany(3, { lingerMs: 9 })],
    [undefined, undefined, [], []],
  );
  await queue.close();
  const empty = of(1);
  const pops = [
    empty.pop(),
    empty.popMany(3),
    empty.popMany(3, { lingerMs: 5 }),
    empty[Symbol.asyncIterator]().next(),
  ];
  await empty.close();
  assert.deepEqual(await Promise.all(pops), [undefined, [], [], { value: undefined, done: true }]);
});

test('close without draining discards the rest, also after one that drains', async () => {
  const queue = of(10);
  for (let i = 0; i < 5; i++) queue.tryPush(i);
  const draining = queue.close();
  await queue.close({ drain: false });
  await draining;
  const { size, dropped, closed } = queue.snapshot();
  assert.deepEqual({ size, dropped, closed }, { size: 0, dropped: 5, closed: true });
  assert.equal(await queue.pop(), undefined);
});

test('dispose rejects what waits through this object, and nothing else', async () => {
  const name = newName();
  const options = { name, overflow: 'wait' };
  const [one, other] = [of(1, options), of(1, options)];
  const [mine, theirs] = [watched(one.pop()), other.pop()];
  one.dispose();
  one.dispose();
  await stateOf(Promise.resolve());
  assert.ok(mine.error instanceof DisposedError);
  assert.equal(mine.error.message, `queue "${name}" was disposed`);
  other.tryPush('still here');
  assert.equal(await theirs, 'still here');
  for (const call of ['tryPush', 'tryPop', 'snapshot']) assert.throws(() => one[call](1), DisposedError);
  assert.throws(() => one.size, DisposedError);
  assert.throws(() => one.on('drop', () => {}), DisposedError);
  const iterator = one[Symbol.asyncIterator]();
  for (const call of [
    one.push(1),
    one.pop(),
    one.popMany(1),
    one.popMany(2, { lingerMs: 1 }),
    one.close(),
    iterator.next(),
  ]) {
    assert.ok((await reasonOf(call)) instanceof DisposedError);
  }
  other.tryPush('full');
  const waits = watched(other.push('waits'));
  other[Symbol.dispose]();
  await stateOf(Promise.resolve());
  assert.ok(waits.error instanceof DisposedError);
  assert.equal(
    list().some((used) => used.name === name),
    false,
  );
});

test('a name is one queue, with the same options and no others', () => {
  const name = newName();
  const options = { name, capacity: 5, maxBytes: 100, overflow: 'wait', codec: 'string' };
  const [one, other] = [new BoundedQueue(options), new BoundedQueue(options)];
  one.tryPush('shared');
  assert.equal(other.tryPop(), 'shared');
  for (const [option, value] of Object.entries({
    capacity: 6,
    maxBytes: undefined,
    overflow: 'reject',
    codec: 'json',
    clock: new ManualClock(),
  })) {
    assert.throws(
      () => new BoundedQueue({ ...options, [option]: value }),
      (error) => error instanceof NameConflictError && error.option === option,
    );
  }
  const found = BoundedQueue.find(name);
  found.tryPush('found');
  assert.equal(one.tryPop(), 'found');
  assert.equal(BoundedQueue.find(newName()), undefined);
  for (const queue of [one, other, found]) queue.dispose();
});

test('listeners hear of drops and of running low, later and never within the call', async () => {
  const queue = of(4, { overflow: 'dropOldest' });
  const told = [];
  const drops = queue.on('drop', ({ count }) => told.push(count));
  queue.on('drain', (event) => told.push(event));
  for (let i = 0; i < 6; i++) queue.tryPush(i);
  assert.deepEqual(told, []);
  await stateOf(Promise.resolve());
  assert.deepEqual(told, [2]);
  const late = [];
  queue.on('drop', ({ count }) => late.push(count));
  queue.tryPush(6);
  queue.tryPop();
  await stateOf(Promise.resolve());
  queue.tryPop();
  await stateOf(Promise.resolve());
  assert.deepEqual([told, late], [[2, 1, {}], [1]]);
  drops.dispose?.();
  drops[Symbol.dispose]();
  for (let i = 0; i < 6; i++) queue.tryPush(i);
  await stateOf(Promise.resolve());
  assert.equal(told.length, 3);
  assert.equal(late.length, 2);
  queue.dispose();
});

test('refusals are published, and counted', () => {
  const seen = [];
  const listener = (message) => seen.push(message);
  subscribe('breakwater:queue:refused', listener);
  const queue = of(1, { label: 'small' });
  queue.tryPush(1);
  queue.tryPush(2);
  unsubscribe('breakwater:queue:refused', listener);
  assert.deepEqual(seen, [{ kind: 'queue', primitive: 'small', dryRun: false }]);
  assert.deepEqual(queue.snapshot(), {
    kind: 'queue',
    name: undefined,
    label: 'small',
    capacity: 1,
    maxBytes: undefined,
    overflow: 'reject',
    codec: 'json',
    size: 1,
    bytes: 1,
    waitingPushes: 0,
    waitingPops: 0,
    pushed: 1,
    popped: 0,
    dropped: 0,
    refused: 1,
    closed: false,
  });
});

test('wrong arguments are said, and nothing is popped or pushed', async () => {
  const queue = of(1);
  queue.tryPush('kept');
  const says = (option) => (error) => error instanceof InvalidOptionError && error.option === option;
  for (const max of [0, -1, 1.5, Number.NaN, Infinity, '1', undefined])
    await assert.rejects(queue.popMany(max), says('max'));
  await assert.rejects(queue.popMany(1, { lingerMs: -1 }), says('lingerMs'));
  await assert.rejects(queue.popMany(1, { linger: 1 }), says('linger'));
  await assert.rejects(queue.pop({ signal: {} }), says('signal'));
  await assert.rejects(queue.pop({ timeoutMs: 1 }), says('timeoutMs'));
  await assert.rejects(queue.push(1, { timeoutMs: '1' }), says('timeoutMs'));
  await assert.rejects(queue.push(1, { signal: null }), says('signal'));
  await assert.rejects(queue.close({ drain: 1 }), says('drain'));
  assert.throws(() => queue.on('full', () => {}), says('event'));
  assert.throws(() => queue.on('drop'), says('listener'));
  assert.throws(() => BoundedQueue.find(1), says('name'));
  for (const method of ['tryPush', 'tryPop', 'snapshot', 'dispose', 'toReadable']) {
    assert.throws(() => BoundedQueue.prototype[method].call({}), says('this'));
  }
  for (const method of ['push', 'pop', 'popMany', 'close']) {
    await assert.rejects(BoundedQueue.prototype[method].call({}), says('this'));
  }
  assert.deepEqual(await all(queue), ['kept']);
});

test('messages of 10 producers that wait for room arrive in order', async () => {
  const queue = of(64, { overflow: 'wait', codec: 'string' });
  const each = 1_000;
  const producers = Array.from({ length: 10 }, async (_, producer) => {
    for (let i = 0; i < each; i++) await queue.push(`${producer} ${i}`);
  });
  const last = new Map();
  let count = 0;
  const consumer = (async () => {
    for (let batch = await queue.popMany(7); batch.length > 0; batch = await queue.popMany(7)) {
      for (const message of batch) {
        const [producer, i] = message.split(' ').map(Number);
        assert.equal(i, (last.get(producer) ?? -1) + 1);
        last.set(producer, i);
        count += 1;
      }
    }
  })();
  await Promise.all(producers);
  await queue.close();
  await consumer;
  assert.equal(count, 10 * each);
});

test('may be disposed in the turn in which somebody began to listen, or something happened', async () => {
  for (const event of ['drain', 'drop']) {
    const queue = new BoundedQueue({ capacity: 1, overflow: 'dropOldest' });
    queue.on(event, () => {});
    queue.tryPush(1);
    queue.tryPush(2);
    queue.dispose();
    await continuations();
  }
});

test('gives what is free to tryPop while a batch of the same object lingers', async () => {
  const queue = new BoundedQueue({ capacity: 100 });
  const controller = new AbortController();
  for (let i = 0; i < 5; i++) queue.tryPush(i);
  const batch = queue.popMany(100, { lingerMs: 60_000, signal: controller.signal }).catch((error) => error);
  assert.equal(queue.tryPop(), 0);
  controller.abort('enough');
  assert.equal(await batch, 'enough');
  assert.equal(queue.size, 4);
});

test('rejects a push whose signal the message itself aborts while it is made to JSON', async () => {
  const queue = new BoundedQueue({ capacity: 1, overflow: 'wait' });
  queue.tryPush(0);
  const controller = new AbortController();
  const message = {
    toJSON() {
      controller.abort('by itself');
      return 1;
    },
  };
  assert.equal(await queue.push(message, { signal: controller.signal }).catch((error) => error), 'by itself');
  assert.equal(queue.snapshot().waitingPushes, 0);
});

test('says that it runs low only when those who wait for room have left it so', async () => {
  const queue = new BoundedQueue({ capacity: 4, overflow: 'wait' });
  const sizes = [];
  queue.on('drain', () => sizes.push(queue.size));
  for (let i = 0; i < 8; i++) queue.push(i);
  assert.equal((await queue.popMany(4)).length, 4);
  await continuations();
  assert.deepEqual([queue.size, sizes], [4, []]);
  assert.equal((await queue.popMany(4)).length, 4);
  await continuations();
  assert.deepEqual(sizes, [0]);
});

test('turns a huge message away without copying it, and keeps no memory for one it took', () => {
  const queue = new BoundedQueue({ capacity: 2, maxBytes: 1_000, codec: 'bytes' });
  const huge = new Uint8Array(400_000_000);
  const before = process.memoryUsage.rss();
  for (let i = 0; i < 3; i++) assert.equal(queue.tryPush(huge), false);
  const grown = process.memoryUsage.rss() - before;
  assert.ok(grown < 100_000_000, `${grown} bytes`);
  queue.close();
  assert.throws(() => queue.tryPush(huge), { code: 'ERR_QUEUE_CLOSED' });
});
