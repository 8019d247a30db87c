/**
 * The client that floods: every connection sends its next request one round trip after the last one was answered. In a thread of its
 * own, so that its work is not measured as the latency of others.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { workerData } from 'node:worker_threads';
import { get, keepAlive } from './http.mjs';
import { GROUPS } from './scenario.mjs';
import { count, newTally } from './tally.mjs';
import { answer, tell } from './thread.mjs';
import { readTrace, replay } from './trace.mjs';

const NEWS_EVERY_MS = 200;
const { ports } = workerData;
const { connections, roundTripMs } = GROUPS.flood;
const nextProduct = replay(readTrace());
const agent = keepAlive();

async function flood({ client, durationMs }) {
  const tally = newTally(ports.length);
  const startedAt = performance.now();

  async function connection(thread) {
    while (performance.now() - startedAt < durationMs) {
      const sentAt = performance.now();
      tally.sent += 1;
      const headers = { 'x-api-key': client };
      const { status } = await get(agent, ports[thread], `/products/${nextProduct()}`, { headers });
      count(tally, thread, status, performance.now() - sentAt);
      await sleep(roundTripMs);
    }
  }

  const news = setInterval(() => tell({ ...tally, latencies: [], refusals: [] }), NEWS_EVERY_MS);
  try {
    await Promise.all(Array.from({ length: connections }, (_, at) => connection(at % ports.length)));
  } finally {
    clearInterval(news);
  }
  return { tally, spanMs: performance.now() - startedAt };
}

answer({}, { flood, stop: () => agent.destroy() });
