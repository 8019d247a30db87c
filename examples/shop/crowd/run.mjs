/** The third part: how many reports one thread can make, and what becomes of that when four times as many are asked for. */
import { setTimeout as sleep } from 'node:timers/promises';
import { get, keepAlive } from '../http.mjs';
import { CROWD, seeded } from '../scenario.mjs';
import { startThread } from '../thread.mjs';
import { WAYS } from './ways.mjs';

const SERVER = './crowd/reports.mjs';

/** Resolves with `{ capacity, runs }`: reports a second, and of each way `{ title, way, tally, seen }`. */
export async function runCrowd() {
  const { capacity, pages } = await measureCapacity();
  const runs = [];
  for (const way of WAYS) {
    runs.push({ title: way.title, way, ...(await beset(way, pages, capacity * CROWD.times)) });
  }
  return { capacity, runs };
}

/** A few clients that wait for each other's turn keep the thread busy, and no more. */
async function measureCapacity() {
  const server = await startThread(SERVER, { way: { shed: false, bound: false } });
  const agent = keepAlive();
  const ask = async (until) => {
    let made = 0;
    while (performance.now() < until) {
      await get(agent, server.about.port, '/reports/1');
      made += 1;
    }
    return made;
  };
  const clients = (ms) => {
    const until = performance.now() + ms;
    return Promise.all(Array.from({ length: CROWD.measuringClients }, () => ask(until)));
  };
  await clients(CROWD.warmUpMs);
  const start = performance.now();
  const made = (await clients(CROWD.measuredMs)).reduce((sum, count) => sum + count, 0);
  const capacity = (1_000 * made) / (performance.now() - start);
  agent.destroy();
  await server.stop();
  return { capacity, pages: server.about.pages };
}

/**
 * Clients arrive at random, do not wait for each other, and give up when an answer takes too long. As behind a proxy, connections are
 * there already, and the server does not hear that somebody gave up: it has the request.
 */
async function beset(way, pages, perSecond) {
  const server = await startThread(SERVER, { way, pages });
  const agent = keepAlive();
  const chance = seeded(2026);
  const tally = { sent: 0, good: 0, refused: 0, gaveUp: 0, latencies: [] };
  const send = async (dueAt) => {
    const answer = get(agent, server.about.port, `/reports/${tally.sent}`);
    // After its client gave up, what becomes of it is nobody's concern.
    answer.catch(() => {});
    const left = CROWD.patienceMs - (performance.now() - dueAt);
    const answered = await Promise.race([answer, sleep(Math.max(0, left))]);
    return { status: answered?.status, latencyMs: performance.now() - dueAt };
  };
  const count = ({ status, latencyMs }) => {
    tally.sent += 1;
    if (status === 503) tally.refused += 1;
    else if (status === undefined || latencyMs > CROWD.patienceMs) tally.gaveUp += 1;
    else if (status !== 200) throw new Error(`the server answered ${status}`);
    else {
      tally.good += 1;
      tally.latencies.push(latencyMs);
    }
  };
  const connections = Math.ceil(((CROWD.settleMs + CROWD.durationMs) * perSecond) / 1_000);
  await Promise.all(Array.from({ length: connections }, () => get(agent, server.about.port, '/')));
  const startedAt = performance.now();
  const answers = [];
  let dueAt = startedAt;
  for (;;) {
    dueAt += (-Math.log(1 - chance()) * 1_000) / perSecond;
    if (dueAt - startedAt >= CROWD.settleMs + CROWD.durationMs) break;
    const early = dueAt - performance.now();
    if (early > 0) await sleep(early);
    const answer = send(dueAt);
    answers.push(dueAt - startedAt < CROWD.settleMs ? answer : answer.then(count));
  }
  await Promise.all(answers);
  const seen = await server.ask('seen');
  // What is left to do there nobody waits for.
  await server.terminate();
  agent.destroy();
  return { tally, seen };
}
