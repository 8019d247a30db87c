/** A thread ends in the middle of a load that is stuck, with many waiting for the page: there and, with one cache, in all threads. */
import { setTimeout as sleep } from 'node:timers/promises';
import { get, keepAlive } from '../http.mjs';
import { PAGE_LOST } from '../scenario.mjs';

/** A page that nobody has asked for so far. */
const PAGE = '/products/77777';

/**
 * Resolves with `{ answered, loads, waitsMs }`: clients who got the page, how often it was loaded, and how long each client waited. The
 * upstream is stuck when this begins; only the first load meets that.
 */
export async function loseThread({ upstream, threads }) {
  const agent = keepAlive();
  const [doomed] = threads;
  let ended = false;
  /** Asks one thread after the other, as a proxy does when a connection breaks: only that of the one that ended may. */
  const ask = async (thread) => {
    try {
      return await get(agent, threads[thread].about.port, PAGE);
    } catch (error) {
      if (!ended || threads[thread] !== doomed) throw error;
      return ask(thread + 1);
    }
  };
  const client = async (nth) => {
    const sentAt = performance.now();
    const { status } = await ask(nth % threads.length);
    return { status, waitedMs: performance.now() - sentAt };
  };
  try {
    const before = await upstream.ask('calls');
    const first = client(0);
    const begun = async () => {
      while ((await upstream.ask('calls')) === before) await sleep(1);
    };
    await Promise.race([begun(), first]);
    await upstream.ask('weather', 'fair');
    const clients = [first, ...Array.from({ length: PAGE_LOST.clients - 1 }, (_, at) => client(at + 1))];
    const all = Promise.all(clients);
    all.catch(() => {}); // Heard below.
    await sleep(PAGE_LOST.afterMs);
    ended = true;
    await doomed.terminate();
    const answers = await all;
    return {
      answered: answers.filter(({ status }) => status === 200).length,
      loads: (await upstream.ask('count')).hottest,
      waitsMs: answers.map(({ waitedMs }) => waitedMs),
    };
  } finally {
    agent.destroy();
  }
}
