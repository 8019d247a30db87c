// BoundedQueue between threads: exactly once, in order, whoever ends when. The full numbers are in torture/queue.mjs.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { test } from 'node:test';
import { Worker } from 'node:worker_threads';
import { BoundedQueue, list } from 'breakwater';
import { until } from './helpers/promises.mjs';
import './helpers/rejections.mjs';
import { startThread, withThreads } from './helpers/threads.mjs';
import { queueStorm } from './torture/queue.mjs';

let names = 0;
function newName() {
  names += 1;
  return `queue-workers.test:${names}`;
}

const clean = { twice: 0, outOfOrder: 0, failed: 0, uncounted: 0, lost: 0 };
const faults = ({ twice, outOfOrder, failed, uncounted, lost }) => ({
  twice,
  outOfOrder,
  failed,
  uncounted,
  lost,
});

for (const codec of ['string', 'bytes']) {
  test(`4 producers and 4 consumers pass every message once and in order, as ${codec}`, async () => {
    const storm = await queueStorm({ count: 10_000, kills: 0, codec, name: newName() });
    assert.deepEqual(faults(storm), clean);
    assert.equal(storm.unmarked, 0);
  });

  test(`no message is lost or delivered twice while consumers are killed, as ${codec}`, async () => {
    const storm = await queueStorm({ count: 30_000, kills: 8, codec, name: newName(), seed: 7 });
    assert.deepEqual(faults(storm), clean);
  });
}

test('a message pushed in one thread wakes the consumer that waits in another', async () => {
  await withThreads(1, async ([thread]) => {
    const options = { name: newName(), capacity: 10 };
    const queue = new BoundedQueue(options);
    const popped = thread.run(
      async ({ BoundedQueue }, _, options) => new BoundedQueue(options).pop(),
      options,
    );
    await until(() => queue.snapshot().waitingPops === 1);
    queue.tryPush({ hello: 'there' });
    assert.deepEqual(await popped, { hello: 'there' });
    queue.dispose();
  });
});

test('a producer that waits for room in a thread is stored when another thread pops', async () => {
  await withThreads(1, async ([thread]) => {
    const options = { name: newName(), capacity: 1, overflow: 'wait' };
    const queue = new BoundedQueue(options);
    queue.tryPush(1);
    const pushed = thread.run(
      async ({ BoundedQueue }, _, options) => new BoundedQueue(options).push(2),
      options,
    );
    await until(() => queue.snapshot().waitingPushes === 1);
    assert.equal(queue.tryPop(), 1);
    assert.equal(await pushed, true);
    assert.equal(queue.tryPop(), 2);
    queue.dispose();
  });
});

test('what waits in a thread that is killed leaves the line, and its unstored messages with it', async () => {
  const options = { name: newName(), capacity: 1, overflow: 'wait' };
  const queue = new BoundedQueue(options);
  queue.tryPush('first');
  const thread = await startThread();
  await thread.run(({ BoundedQueue }, kept, options) => {
    kept.queue = new BoundedQueue(options);
    kept.queue.push('never stored').catch(() => {});
  }, options);
  assert.equal(queue.snapshot().waitingPushes, 1);
  await thread.terminate();
  await until(() => queue.snapshot().waitingPushes === 0);
  assert.deepEqual(await queue.popMany(9), ['first']);
  assert.equal(queue.tryPop(), undefined);
  queue.dispose();
});

test('what a thread had taken and not delivered when it was killed comes first again, in order', async () => {
  const name = newName();
  const queue = new BoundedQueue({ name, capacity: 10, codec: 'string' });
  for (const message of ['a', 'b', 'c', 'd']) queue.tryPush(message);
  const worker = new Worker(new URL('./helpers/hand.mjs', import.meta.url), {
    workerData: { name, times: 2 },
  });
  assert.deepEqual(await once(worker, 'message'), [['a', 'b']]);
  assert.deepEqual([queue.size, queue.tryPop()], [2, 'c']);
  await worker.terminate();
  await until(() => queue.size === 3);
  assert.deepEqual(
    [queue.tryPop(), queue.tryPop(), queue.tryPop(), queue.tryPop()],
    ['a', 'b', 'd', undefined],
  );
  queue.dispose();
});

test('who waits gets the message that was reserved for a blocked loop, though nobody else calls', async () => {
  await withThreads(1, async ([thread]) => {
    const options = { name: newName(), capacity: 10 };
    const queue = new BoundedQueue(options);
    await thread.run(({ BoundedQueue }, kept, options) => {
      kept.queue = new BoundedQueue(options);
      kept.popped = kept.queue.pop();
    }, options);
    const mine = queue.pop();
    const busy = thread.run(() => {
      const until = performance.now() + 2_000;
      while (performance.now() < until);
    });
    await new Promise((resolve) => setTimeout(resolve, 100));
    queue.tryPush('for whoever is there');
    const start = performance.now();
    assert.equal(await mine, 'for whoever is there');
    assert.ok(performance.now() - start < 1_200, 'not only when the other loop is free again');
    await busy;
    queue.tryPush('for the other');
    assert.equal(await thread.run((_, { popped }) => popped), 'for the other');
    queue.dispose();
  });
});

test('a batch that was complete is not kept by a loop that is blocked', async () => {
  await withThreads(1, async ([thread]) => {
    const options = { name: newName(), capacity: 10 };
    const queue = new BoundedQueue(options);
    queue.tryPush(0);
    await thread.run(({ BoundedQueue }, kept, options) => {
      kept.queue = new BoundedQueue(options);
      kept.popped = kept.queue.popMany(4, { lingerMs: 60_000 });
    }, options);
    const busy = thread.run(() => {
      const until = performance.now() + 1_500;
      while (performance.now() < until);
    });
    await new Promise((resolve) => setTimeout(resolve, 100));
    for (let i = 1; i < 4; i++) queue.tryPush(i);
    const start = performance.now();
    await until(() => queue.tryPop() !== undefined);
    assert.ok(performance.now() - start < 1_000);
    await busy;
    queue.dispose();
  });
});

test('the offer of a consumer that is killed goes to one that lives', async () => {
  const options = { name: newName(), capacity: 10 };
  const queue = new BoundedQueue(options);
  const thread = await startThread();
  const shared = new Int32Array(new SharedArrayBuffer(8));
  await thread.run(
    ({ BoundedQueue }, kept, options, shared) => {
      kept.queue = new BoundedQueue(options);
      kept.queue.pop();
      // Its loop is blocked from now on: it never reads its mail.
      setTimeout(() => {
        Atomics.store(shared, 1, 1);
        Atomics.wait(shared, 0, 0);
      });
    },
    options,
    shared,
  );
  await until(() => Atomics.load(shared, 1) === 1, 'the block');
  const waits = queue.pop();
  queue.tryPush('for the blocked one');
  await thread.terminate();
  assert.equal(await waits, 'for the blocked one');
  queue.dispose();
});

test('a message reserved for a blocked loop goes to who asks 20 ms later', async () => {
  const options = { name: newName(), capacity: 10 };
  const queue = new BoundedQueue(options);
  const thread = await startThread();
  const shared = new Int32Array(new SharedArrayBuffer(8));
  const popped = thread.run(
    async ({ BoundedQueue }, kept, options, shared) => {
      kept.queue = new BoundedQueue(options);
      const popped = kept.queue.pop();
      setTimeout(() => {
        Atomics.store(shared, 1, 1);
        Atomics.wait(shared, 0, 0);
      });
      return popped;
    },
    options,
    shared,
  );
  await until(() => Atomics.load(shared, 1) === 1, 'the block');
  assert.equal(queue.snapshot().waitingPops, 1);
  queue.tryPush('one');
  // Real time: the loop is blocked in real time.
  await until(() => queue.tryPop() === 'one', 'the message');
  Atomics.store(shared, 0, 1);
  Atomics.notify(shared, 0);
  queue.tryPush('two');
  assert.equal(await popped, 'two');
  await thread.terminate();
  queue.dispose();
});

test('closing in one thread ends the iteration in another, after the last message', async () => {
  await withThreads(2, async ([one, other]) => {
    const options = { name: newName(), capacity: 100 };
    const queue = new BoundedQueue(options);
    const collect = async ({ BoundedQueue }, _, options) => {
      const got = [];
      for await (const message of new BoundedQueue(options)) got.push(message);
      return got;
    };
    const collected = [one.run(collect, options), other.run(collect, options)];
    for (let i = 0; i < 50; i++) queue.tryPush(i);
    await queue.close();
    assert.equal(queue.size, 0);
    const [some, others] = await Promise.all(collected);
    const all = [...some, ...others].sort((a, b) => a - b);
    assert.deepEqual(all, [...Array(50).keys()]);
    queue.dispose();
  });
});

test('a close waits for what a thread has popped until that is delivered, though the thread never asks again', async () => {
  await withThreads(1, async ([thread]) => {
    const options = { name: newName(), capacity: 10 };
    const queue = new BoundedQueue(options);
    queue.tryPush('last');
    const popped = await thread.run(({ BoundedQueue }, kept, options) => {
      kept.queue = new BoundedQueue(options);
      return kept.queue.tryPop();
    }, options);
    assert.equal(popped, 'last');
    await queue.close();
    queue.dispose();
  });
});

test('drops and drains are told in every thread that listens', async () => {
  await withThreads(1, async ([thread]) => {
    const options = { name: newName(), capacity: 4, overflow: 'dropOldest' };
    const queue = new BoundedQueue(options);
    await thread.run(({ BoundedQueue }, kept, options) => {
      kept.queue = new BoundedQueue(options);
      kept.told = [];
      kept.queue.on('drop', ({ count }) => kept.told.push(count));
      kept.queue.on('drain', () => kept.told.push('drain'));
    }, options);
    for (let i = 0; i < 7; i++) queue.tryPush(i);
    const told = (ask) => thread.run((_, kept) => kept.told, ask);
    for (let got = []; got.reduce((sum, count) => sum + count, 0) < 3; got = await told()) {
      assert.ok(got.every((count) => count > 0));
    }
    await queue.popMany(2);
    for (let got = []; !got.includes('drain'); got = await told());
    queue.dispose();
  });
});

test('a queue is found by its name in another thread, and keeps what it holds until the last thread lets go', async () => {
  await withThreads(1, async ([thread]) => {
    const name = newName();
    const queue = new BoundedQueue({ name, capacity: 5, codec: 'string', overflow: 'dropNewest' });
    queue.tryPush('kept');
    await thread.run(({ BoundedQueue }, kept, name) => {
      kept.queue = BoundedQueue.find(name);
    }, name);
    queue.dispose();
    assert.equal(list().filter((one) => one.name === name).length, 1);
    const got = await thread.run((_, kept) => {
      const { codec, overflow } = kept.queue.snapshot();
      return [kept.queue.tryPop(), codec, overflow];
    });
    assert.deepEqual(got, ['kept', 'string', 'dropNewest']);
    await thread.run((_, kept) => kept.queue.dispose());
    assert.equal(BoundedQueue.find(name), undefined);
  });
});
