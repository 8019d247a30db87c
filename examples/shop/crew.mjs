/** The threads of one run: a fresh upstream and a fresh shop in front of it; if anything breaks, none of them stays. */
import { setTimeout as sleep } from 'node:timers/promises';
import { SHOP_THREADS } from './scenario.mjs';
import { startThread } from './thread.mjs';

/**
 * Resolves with what `play(open)` does, when every thread it opened has ended; rejects, with every thread terminated, if anything
 * broke. Threads are stopped in the order opposite to that in which they were opened.
 */
export async function withThreads(play) {
  const threads = [];
  const open = async (file, data) => {
    const thread = await startThread(file, data);
    threads.push(thread);
    return thread;
  };
  try {
    const result = await play(open);
    // Clients before servers, so that no server closes a connection that is in use.
    for (const thread of threads.reverse()) await thread.stop();
    return result;
  } catch (error) {
    // A thread that died shows first as strange answers of another: its own error says more, and comes a moment later.
    const alive = threads.filter((thread) => !thread.isTerminated());
    const deaths = alive.map(({ failure }) => failure.catch((death) => death));
    const cause = await Promise.race([...deaths, sleep(300)]);
    await Promise.all(threads.map((thread) => thread.terminate()));
    throw cause ?? error;
  }
}

/**
 * Opens an upstream in `weather`, which `bears` what it says, and the threads of a shop on `framework` in front of it, protected by the
 * set of that name.
 */
export async function openShop(open, { framework, protection, weather, bears, threads = SHOP_THREADS }) {
  const upstream = await open('./upstream.mjs', { weather, bears });
  const data = { framework, protection, upstreamPort: upstream.about.port };
  const shops = await Promise.all(Array.from({ length: threads }, () => open('./shop.mjs', data)));
  return { upstream, shops, ports: shops.map(({ about }) => about.port) };
}
