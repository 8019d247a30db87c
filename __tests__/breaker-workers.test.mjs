// Several threads on one named breaker, most of it in real time. Storms: torture/breaker.mjs, here scaled down.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { CircuitBreaker, list, ManualClock } from 'breakwater';
import { counted, say } from './helpers/breaker.mjs';
import { until } from './helpers/promises.mjs';
import './helpers/rejections.mjs';
import { startThread, withThreads } from './helpers/threads.mjs';
import { breakerStorm, probesAtTheInstant } from './torture/breaker.mjs';

/** Longer than any test: what is open stays open meanwhile. */
const DAY = 86_400_000;

let names = 0;
function newName() {
  names += 1;
  return `breaker-workers.test:${names}`;
}

/** Makes a breaker in a thread, kept there, on the clock of its name if it has one. */
const open = ({ CircuitBreaker, ManualClock }, kept, { clocked, ...options }) => {
  kept.clock = clocked ? new ManualClock({ name: options.name }) : undefined;
  kept.breaker = new CircuitBreaker({ ...options, clock: kept.clock });
};
/** Makes it there and here. */
async function opened(threads, options, clocked = false) {
  await Promise.all(threads.map((thread) => thread.run(open, { ...options, clocked })));
  const clock = clocked ? new ManualClock({ name: options.name }) : undefined;
  return { clock, breaker: new CircuitBreaker({ ...options, clock }) };
}
const sayThere = (_, { breaker }, verdict, times) => {
  for (let i = 0; i < times; i++) breaker.tryAcquire()[verdict]();
};
const stateThere = (_, { breaker }) => breaker.state;
/** Keeps a probe in the thread; answers whether it got one. */
const probeThere = (_, kept) => {
  kept.permit = kept.breaker.tryAcquire();
  return kept.permit !== undefined;
};
const answerThere = (_, { permit }, verdict) => permit[verdict]();

test('failures of four threads are counted together, and open it for all', async () => {
  await withThreads(4, async (threads) => {
    const { breaker } = await opened(threads, { name: newName(), openMs: DAY });
    await Promise.all(
      threads.map(async (thread, index) => {
        await thread.run(sayThere, 'success', 2);
        await thread.run(sayThere, 'failure', index === 3 ? 2 : 3);
      }),
    );
    assert.deepEqual([breaker.state, ...counted(breaker)], ['closed', 8, 11, 0]);
    await threads[3].run(sayThere, 'failure', 1);
    assert.equal(breaker.state, 'open');
    assert.deepEqual(
      await Promise.all(threads.map((thread) => thread.run(stateThere))),
      Array(4).fill('open'),
    );
    const codes = await Promise.all(
      threads.map((thread) =>
        thread.run((_, { breaker }) => breaker.execute(() => {}).catch(({ code }) => code)),
      ),
    );
    assert.deepEqual(codes, Array(4).fill('ERR_CIRCUIT_OPEN'));
    assert.equal(breaker.snapshot().refused, 4);
    breaker.dispose();
  });
});

test('failures in a row are those of all threads, and a success in one ends the row', async () => {
  await withThreads(2, async (threads) => {
    const { breaker } = await opened(threads, { name: newName(), consecutiveFailures: 3, openMs: DAY });
    for (const [thread, verdict] of [
      [0, 'failure'],
      [1, 'failure'],
      [0, 'success'],
      [1, 'failure'],
      [0, 'failure'],
    ]) {
      await threads[thread].run(sayThere, verdict, 1);
    }
    assert.equal(breaker.state, 'closed');
    say(breaker, 'failure');
    assert.equal(breaker.state, 'open');
    breaker.dispose();
  });
});

test('what one thread does by hand is in force in all', async () => {
  await withThreads(2, async (threads) => {
    const { breaker } = await opened(threads, { name: newName(), openMs: DAY });
    await threads[0].run((_, { breaker }) => breaker.forceOpen());
    assert.equal(await threads[1].run(stateThere), 'open');
    await threads[1].run((_, { breaker }) => breaker.reset());
    assert.equal(breaker.state, 'closed');
    breaker.reconfigure({ consecutiveFailures: 2 });
    await threads[0].run(sayThere, 'failure', 2);
    assert.equal(await threads[1].run(stateThere), 'open');
    breaker.dispose();
  });
});

test('every thread that listens hears each change once, and in order', async () => {
  await withThreads(4, async (threads) => {
    for (let round = 0; round < 5; round++) {
      const { breaker } = await opened(threads, { name: newName() });
      const heard = [];
      breaker.on('stateChange', (change) => heard.push(change));
      const listen = (_, kept) => {
        kept.heard = [];
        kept.breaker.on('stateChange', (change) => kept.heard.push(change));
      };
      for (const thread of threads) await thread.run(listen);
      // No more than 64 changes in all, so that nobody falls so far behind that it skips one.
      const change = async (_, { breaker }, index) => {
        for (let i = 0; i < 8; i++) {
          const handle = (i + index) % 2 ? breaker.isolate() : breaker.disable();
          if (i % 3) await new Promise((resolve) => setImmediate(resolve));
          handle[Symbol.dispose]();
        }
      };
      await Promise.all(threads.map((thread, index) => thread.run(change, index)));
      const { generation } = breaker.snapshot();
      assert.equal(generation > 0 && generation <= 64, true, `${generation} changes`);
      await until(() => heard.length === generation, 'all changes, here');
      const heardThere = async (_, kept, generation) => {
        while (kept.heard.at(-1)?.generation !== generation)
          await new Promise((resolve) => setTimeout(resolve, 1));
        return kept.heard;
      };
      assert.deepEqual(
        heard.map((one) => one.generation),
        Array.from({ length: generation }, (_, index) => index + 1),
      );
      for (let i = 1; i < heard.length; i++) assert.equal(heard[i].from, heard[i - 1].to);
      for (const thread of threads) assert.deepEqual(await thread.run(heardThere, generation), heard);
      const disposeThere = (_, { breaker }) => breaker.dispose();
      for (const thread of threads) await thread.run(disposeThere);
      breaker.dispose();
    }
  });
});

test('an object that stops listening takes no mail from others of its name in the same thread', async () => {
  await withThreads(1, async (threads) => {
    const options = { name: newName() };
    const { breaker } = await opened(threads, options);
    const other = new CircuitBreaker(options);
    const heard = [];
    const listening = [
      breaker.on('stateChange', ({ to }) => heard.push(`one: ${to}`)),
      other.on('stateChange', ({ to }) => heard.push(`other: ${to}`)),
    ];
    listening[0][Symbol.dispose]();
    await threads[0].run((_, { breaker }) => breaker.forceOpen());
    await until(() => heard.length > 0, 'the change');
    breaker.on('stateChange', ({ to }) => heard.push(`one again: ${to}`));
    other.dispose();
    await threads[0].run((_, { breaker }) => breaker.reset());
    await until(() => heard.length > 1, 'the next change');
    assert.deepEqual(heard, ['other: open', 'one again: closed']);
    breaker.dispose();
  });
});

test('exactly as many probes as wanted, however many callers of four threads meet the instant', async () => {
  for (const probes of [1, 3]) {
    const wrong = await probesAtTheInstant({ rounds: 40, probes });
    assert.deepEqual(wrong, { admitted: 0, notClosed: 0 }, `${probes} wanted`);
  }
});

test('exactly one probe runs when four threads call through execute as a short break ends (real time)', async () => {
  await withThreads(4, async (threads) => {
    for (let round = 0; round < 20; round++) {
      const { breaker } = await opened(threads, { name: newName(), openMs: 5, probeLeaseMs: DAY });
      breaker.forceOpen();
      const ran = new Int32Array(new SharedArrayBuffer(8));
      const call = async (_, { breaker }, ran) => {
        const end = performance.now() + 15;
        while (performance.now() < end || Atomics.load(ran, 0) === 0) {
          for (let i = 0; i < 20; i++) {
            const fn = () => {
              Atomics.add(ran, 0, 1);
              return new Promise(() => {});
            };
            breaker.execute(fn).catch(() => {});
          }
          await new Promise((resolve) => setImmediate(resolve));
        }
      };
      await Promise.all(threads.map((thread) => thread.run(call, ran)));
      assert.deepEqual([ran[0], breaker.state], [1, 'halfOpen'], `round ${round}`);
      breaker.dispose();
    }
  });
});

test('a probe of one thread decides for all', async () => {
  await withThreads(2, async (threads) => {
    const { clock, breaker } = await opened(
      threads,
      { name: newName(), openMs: 1_000, halfOpenCalls: 2 },
      true,
    );
    for (const [verdicts, state] of [
      [['success', 'success'], 'closed'],
      [['failure', 'success'], 'open'],
      [['success', 'failure'], 'open'],
    ]) {
      breaker.forceOpen();
      clock.advance(1_000);
      assert.equal(await threads[0].run(stateThere), 'halfOpen');
      assert.deepEqual([await threads[0].run(probeThere), await threads[1].run(probeThere)], [true, true]);
      assert.equal(breaker.tryAcquire(), undefined);
      for (const [index, verdict] of verdicts.entries()) await threads[index].run(answerThere, verdict);
      assert.deepEqual([breaker.state, await threads[1].run(stateThere)], [state, state], verdicts.join());
    }
    breaker.dispose();
  });
});

test('a probe whose thread has ended is replaced at once', async () => {
  for (const end of ['end', 'terminate']) {
    const options = { name: newName(), openMs: 1_000, probeLeaseMs: DAY };
    const thread = await startThread();
    const { clock, breaker } = await opened([thread], options, true);
    breaker.forceOpen();
    clock.advance(1_000);
    assert.equal(await thread.run(probeThere), true);
    assert.equal(breaker.tryAcquire(), undefined);
    await thread[end]();
    assert.equal(breaker.snapshot().probes, 0, end);
    const instead = breaker.tryAcquire();
    assert.equal(breaker.tryAcquire(), undefined, 'one, and not more');
    instead.success();
    assert.equal(breaker.state, 'closed');
    breaker.dispose();
  }
});

test('a probe whose thread hangs is replaced after its lease, and what it says at last changes nothing', async () => {
  await withThreads(1, async ([thread]) => {
    const options = { name: newName(), openMs: 1_000, probeLeaseMs: 5_000 };
    const { clock, breaker } = await opened([thread], options, true);
    const hung = new Int32Array(new SharedArrayBuffer(8));
    const hang = (_, { breaker }, hung) =>
      breaker.execute(() => {
        Atomics.store(hung, 0, 1);
        while (Atomics.load(hung, 1) === 0);
        return 'at last';
      });
    breaker.forceOpen();
    clock.advance(1_000);
    const answer = thread.run(hang, hung);
    await until(() => Atomics.load(hung, 0) === 1, 'a thread that hangs');
    clock.advance(4_999);
    assert.equal(breaker.tryAcquire(), undefined);
    clock.advance(1);
    say(breaker, 'failure');
    const before = breaker.snapshot();
    // The one by hand, and the one that the new probe began.
    assert.deepEqual([before.state, before.breaks], ['open', 2]);
    Atomics.store(hung, 1, 1);
    assert.equal(await answer, 'at last');
    assert.deepEqual(breaker.snapshot(), { ...before, succeeded: 1 });
    breaker.dispose();
  });
});

test('the handles of a thread end with it, and not before', async () => {
  for (const end of ['end', 'terminate']) {
    for (const [hold, state] of [
      [(_, { breaker }) => void breaker.isolate(), 'isolated'],
      [(_, { breaker }) => void breaker.disable(), 'disabled'],
    ]) {
      const threads = [await startThread(), await startThread()];
      const { breaker } = await opened(threads, { name: newName() });
      const heard = [];
      breaker.on('stateChange', ({ to, reason }) => heard.push([to, reason]));
      for (const thread of threads) await thread.run(hold);
      await threads[0].run(hold);
      assert.equal(breaker.state, state);
      await threads[0][end]();
      assert.equal(breaker.state, state, 'the other one holds it still');
      await threads[1][end]();
      assert.equal(breaker.state, 'closed');
      await until(() => heard.length === 2, 'both changes');
      assert.deepEqual(heard, [
        [state, state],
        ['closed', 'released'],
      ]);
      breaker.dispose();
    }
  }
});

test('what a thread counted still counts when it has ended, and its name is free', async () => {
  const options = { name: newName(), openMs: DAY };
  const thread = await startThread();
  const { breaker } = await opened([thread], options);
  await thread.run(sayThere, 'success', 3);
  await thread.run(sayThere, 'ignore', 2);
  await thread.terminate();
  say(breaker, 'failure');
  assert.deepEqual(counted(breaker), [3, 1, 2]);
  assert.equal(breaker.snapshot().calls, 4);
  breaker.dispose();
  assert.equal(
    list().some(({ name }) => name === options.name),
    false,
  );
});

test('what a thread finds is the breaker of the others, on its clock', async () => {
  await withThreads(1, async ([thread]) => {
    const name = newName();
    const clock = new ManualClock({ name });
    const breaker = new CircuitBreaker({ name, clock });
    breaker.forceOpen(1_000);
    clock.advance(400);
    const found = await thread.run(({ CircuitBreaker }, _, name) => {
      const { state, retryAfterMs } = CircuitBreaker.find(name).snapshot();
      return [state, retryAfterMs, CircuitBreaker.find('nobody') === undefined];
    }, name);
    assert.deepEqual(found, ['open', 600, true]);
    breaker.dispose();
  });
});

test('threads killed with probes out leave no breaker stuck (12 here, 200 in npm run torture)', async () => {
  const { changes, calls, ...must } = await breakerStorm({ times: 12, halfOpenCalls: 2 });
  assert.deepEqual(must, {
    wentOn: 12,
    stuck: 0,
    probesOut: 0,
    held: 0,
    outOfOrder: 0,
    lastNotHeard: 0,
    namesLeft: 0,
  });
  assert.equal(changes > 0 && calls > 0, true);
});
