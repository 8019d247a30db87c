// Several threads on one named bulkhead, in real time. Storms: torture/bulkhead.mjs, here scaled down.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Bulkhead, list } from 'breakwater';
import { newName } from './helpers/bulkhead.mjs';
import { runScript } from './helpers/processes.mjs';
import { until, watched } from './helpers/promises.mjs';
import './helpers/rejections.mjs';
import { startThread, withThreads } from './helpers/threads.mjs';
import { neverMoreThanPermits, terminateWithPermits } from './torture/bulkhead.mjs';

const open = ({ Bulkhead }, kept, options) => {
  kept.bulkhead = new Bulkhead(options);
};
async function opened(threads, options) {
  await Promise.all(threads.map((thread) => thread.run(open, options)));
  return new Bulkhead(options);
}
/** Takes permits and keeps them. */
const takeThere = (_, kept, count) => {
  kept.permits = Array.from({ length: count }, () => kept.bulkhead.tryAcquire());
  return kept.permits.filter((permit) => permit !== undefined).length;
};
/** Gives them back: the last one first. */
const giveThere = (_, { permits }) => permits.pop().release();
/** Waits for a permit, and notes when it came. */
const waitThere = (_, kept, options) => {
  kept.waiting = kept.bulkhead.acquire(options).then((permit) => {
    kept.permits = [permit];
  });
};
const waitedThere = (_, kept) => kept.waiting;

test('permits are those of all threads together', async () => {
  await withThreads(3, async (threads) => {
    const bulkhead = await opened(threads, { name: newName(), maxConcurrent: 5 });
    const taken = await Promise.all(threads.map((thread) => thread.run(takeThere, 3)));
    assert.equal(taken[0] + taken[1] + taken[2], 5);
    assert.equal(bulkhead.active, 5);
    await threads[taken.indexOf(3)].run(giveThere);
    bulkhead.tryAcquire().release();
    assert.equal(bulkhead.active, 4);
    bulkhead.dispose();
  });
});

test('a freed permit goes to who came first, in whichever thread it waits', async () => {
  await withThreads(2, async ([one, other]) => {
    const bulkhead = await opened([one, other], { name: newName(), maxConcurrent: 1, maxQueue: 9 });
    const permit = bulkhead.tryAcquire();
    await one.run(waitThere);
    const here = watched(bulkhead.acquire());
    await other.run(waitThere);
    assert.equal(bulkhead.queued, 3);
    permit.release();
    assert.equal(bulkhead.tryAcquire(), undefined, 'it is offered to the first already');
    await one.run(waitedThere);
    assert.equal(here.state, 'pending');
    await one.run(giveThere);
    await until(() => here.state === 'fulfilled');
    here.value.release();
    await other.run(waitedThere);
    assert.deepEqual([bulkhead.active, bulkhead.queued], [1, 0]);
    bulkhead.dispose();
  });
});

test('a thread that is terminated gives back its permits, its places and what it was offered', async () => {
  const options = { name: newName(), maxConcurrent: 3, maxQueue: 9 };
  const bulkhead = new Bulkhead(options);
  const thread = await startThread();
  await thread.run(open, options);
  assert.equal(await thread.run(takeThere, 2), 2);
  const own = bulkhead.tryAcquire();
  await thread.run((_, { bulkhead }) => {
    for (let i = 0; i < 3; i++) bulkhead.acquire();
  });
  const waits = [1, 2].map(() => watched(bulkhead.acquire()));
  // Its loop is busy from now on, so that what it is offered next is never claimed.
  const busy = thread.run(() => {
    for (;;);
  });
  busy.catch(() => {});
  await new Promise((resolve) => setTimeout(resolve, 50));
  own.release();
  await thread.terminate();
  await until(() => waits.every(({ state }) => state === 'fulfilled'));
  assert.deepEqual([bulkhead.active, bulkhead.queued], [2, 0]);
  for (const { value } of waits) value.release();
  bulkhead.dispose();
  assert.deepEqual(
    list().filter(({ name }) => name === options.name),
    [],
  );
});

test('a thread whose loop is busy does not keep a permit from others for longer than a moment', async () => {
  await withThreads(1, async ([thread]) => {
    const bulkhead = await opened([thread], { name: newName(), maxConcurrent: 1, maxQueue: 9 });
    const permit = bulkhead.tryAcquire();
    await thread.run(waitThere);
    const busy = thread.run(() => {
      const until = performance.now() + 1_000;
      while (performance.now() < until);
      return performance.now();
    });
    await new Promise((resolve) => setTimeout(resolve, 100));
    permit.release();
    assert.equal(bulkhead.tryAcquire(), undefined, 'it is offered');
    const start = performance.now();
    let mine;
    await until(() => {
      mine = bulkhead.tryAcquire();
      return mine !== undefined;
    });
    const waited = performance.now() - start;
    assert.ok(waited < 700, `${waited} ms`);
    assert.equal(bulkhead.queued, 1, 'it keeps its place');
    await busy;
    mine.release();
    await thread.run(waitedThere);
    assert.equal(bulkhead.active, 1);
    bulkhead.dispose();
  });
});

test('who waits gets the permit that a busy thread was offered, though nobody else calls', async () => {
  await withThreads(1, async ([thread]) => {
    const bulkhead = await opened([thread], { name: newName(), maxConcurrent: 1, maxQueue: 9 });
    const permit = bulkhead.tryAcquire();
    await thread.run(waitThere);
    const mine = bulkhead.acquire();
    const busy = thread.run(() => {
      const until = performance.now() + 2_000;
      while (performance.now() < until);
    });
    await new Promise((resolve) => setTimeout(resolve, 100));
    permit.release();
    const start = performance.now();
    const got = await mine;
    assert.ok(performance.now() - start < 1_200, 'not only when the other thread is free again');
    await busy;
    got.release();
    await thread.run(waitedThere);
    bulkhead.dispose();
  });
});

test('changes of the limit are heard of in every thread', async () => {
  await withThreads(1, async ([thread]) => {
    const bulkhead = await opened([thread], { name: newName(), maxConcurrent: 1, maxQueue: 1 });
    await thread.run((_, kept) => {
      kept.changes = [];
      kept.bulkhead.on('limitChange', (change) => kept.changes.push(change));
    });
    await bulkhead.acquire();
    const waits = watched(bulkhead.acquire());
    await thread.run((_, { bulkhead }) => bulkhead.reconfigure({ maxConcurrent: 2 }));
    await until(() => waits.state === 'fulfilled');
    bulkhead.reconfigure({ maxConcurrent: 5 });
    const changes = await thread.run(async (_, { changes }) => {
      while (changes.length < 2) await new Promise((resolve) => setTimeout(resolve, 1));
      return changes;
    });
    assert.deepEqual(changes, [
      { generation: 1, from: 1, to: 2 },
      { generation: 2, from: 2, to: 5 },
    ]);
    bulkhead.dispose();
  });
});

test('a process stays alive for who waits for another thread, and ends when nobody does', async () => {
  const { code, stdout } = await runScript(`
    import { Bulkhead } from 'breakwater';
    import { Worker } from 'node:worker_threads';
    const options = { name: 'exit', maxConcurrent: 1, maxQueue: 1 };
    const bulkhead = new Bulkhead(options);
    const worker = new Worker(\`
      const { Bulkhead } = require('breakwater');
      const { parentPort } = require('node:worker_threads');
      const bulkhead = new Bulkhead(\${JSON.stringify(options)});
      const permit = bulkhead.tryAcquire();
      parentPort.postMessage('it has the permit');
      setTimeout(() => permit.release(), 200);
    \`, { eval: true, execArgv: [] });
    await new Promise((resolve) => worker.once('message', resolve));
    worker.unref();
    // Nothing but this wait keeps the process alive, and the other thread ends it.
    const permit = await bulkhead.acquire();
    console.log('served');
    permit.release();
  `);
  assert.deepEqual([code, stdout.includes('served')], [0, true], stdout);
});

const hold = (figures) => {
  for (const { figure, value, must } of figures)
    if (must !== undefined) assert.equal(String(value), must, figure);
};

test('four threads never run more at once than there are permits, in any order', async () => {
  hold(await neverMoreThanPermits({ calls: 3_000 }));
});

test('threads that are killed at random instants lose nothing for the others', async () => {
  hold(await terminateWithPermits({ times: 6 }));
});
