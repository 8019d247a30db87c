// Threads whose loops are blocked most of the time, watched and listening, are killed at random instants: nothing crashes, and what
// was reported blocked is reported over.
import { EventLoopMonitor } from 'breakwater';
import { until } from '../helpers/promises.mjs';
import { startThread } from '../helpers/threads.mjs';

const CROWD = 2;

/** What a thread does until it is killed: blocks, comes round, makes and disposes monitors. */
function work({ EventLoopMonitor }, _, label) {
  const monitor = new EventLoopMonitor({ blockedMs: 20, label });
  monitor.on('blocked', () => {});
  const round = () => {
    const end = performance.now() + 10 + Math.random() * 60;
    while (performance.now() < end);
    const other = new EventLoopMonitor({ blockedMs: 25, label });
    other.on('blocked', () => {});
    setTimeout(() => {
      other.dispose();
      round();
    }, 1);
  };
  setTimeout(round, 0);
}

/** Kills `times` threads one after another. `unpaired`: blocks without an end; `pending`: loops that are gone and listed. */
export async function blockedStorm({ times, seed = 1, withinMs = 40 }) {
  let state = seed;
  const random = () => {
    state = (Math.imul(state, 1_103_515_245) + 12_345) >>> 0;
    return state / 2 ** 32;
  };
  const monitor = new EventLoopMonitor({ sampleMs: 50 });
  const open = new Map();
  let heard = 0;
  monitor.on('blocked', ({ threadId, over }) => {
    heard += 1;
    if (over) open.delete(threadId);
    else open.set(threadId, true);
  });
  const crowd = [];
  const join = async () => {
    const thread = await startThread();
    await thread.run(work, `storm ${crowd.length}`);
    crowd.push(thread);
  };
  try {
    for (let i = 0; i < CROWD; i++) await join();
    for (let i = 0; i < times; i++) {
      await new Promise((resolve) => setTimeout(resolve, random() * withinMs));
      await crowd.splice(Math.floor(random() * crowd.length), 1)[0].terminate();
      await join();
    }
  } finally {
    await Promise.all(crowd.map((thread) => thread.terminate()));
  }
  await until(() => open.size === 0, 'the end of every block', 5_000).catch(() => {});
  const pending = monitor.snapshot().blocked.length;
  monitor.dispose();
  return { pending, unpaired: open.size, heard };
}
