/** The fifth part: customers who order, and a client that floods the order route with bodies that are costly to refuse. */
import { setTimeout as sleep } from 'node:timers/promises';
import { withThreads } from '../crew.mjs';
import { get, keepAlive, post } from '../http.mjs';
import { ORDERS, seeded } from '../scenario.mjs';
import { HOSTILE_BODIES, honestOrder } from './bodies.mjs';
import { WAYS } from './ways.mjs';

/**
 * Resolves, for each way, with `{ title, alone, honest, hostile, delay }`: how long each hostile body took alone, what became of both
 * kinds in the flood, and how late the loop was meanwhile. The ways come one after the other, and meet the same.
 */
export async function runOrder(ways = WAYS) {
  const runs = [];
  for (const way of ways) runs.push({ title: way.title, ...(await meet(way)) });
  return runs;
}

const newTally = () => ({ sent: 0, accepted: 0, refused: 0, latencies: [], answerBytes: 0 });

function meet(way) {
  return withThreads(async (open) => {
    const server = await open('./order/orders.mjs', { way });
    const agent = keepAlive();
    /** Sends a body that was due at `dueAt`; a late sender hides nothing. */
    const send = async (body, tally, dueAt = performance.now()) => {
      tally.sent += 1;
      const { status, length } = await post(agent, server.about.port, '/orders', body);
      tally.latencies.push(performance.now() - dueAt);
      tally.answerBytes += length;
      if (status === 201) tally.accepted += 1;
      else if (status === 400) tally.refused += 1;
      else throw new Error(`the order route answered ${status}`);
    };
    try {
      // As behind a proxy, connections are there already. What is new in a thread is slow, and not counted.
      await Promise.all(Array.from({ length: ORDERS.connections }, () => get(agent, server.about.port, '/')));
      for (let n = 0; n < ORDERS.warmUp; n++) await send(honestOrder(n), newTally());
      const alone = newTally();
      for (const { body } of HOSTILE_BODIES) await send(body, alone);

      await server.ask('watch');
      const honest = newTally();
      const hostile = newTally();
      await Promise.all([
        arrive(atRandom(ORDERS.perSecond), (n, dueAt) => send(honestOrder(n), honest, dueAt)),
        arrive(evenly(ORDERS.hostilePerSecond), (n, dueAt) =>
          send(HOSTILE_BODIES[n % HOSTILE_BODIES.length].body, hostile, dueAt),
        ),
      ]);
      return { alone, honest, hostile, delay: await server.ask('delay') };
    } finally {
      agent.destroy();
    }
  });
}

/** Calls `send` when each of these milliseconds is due, whatever came of the ones before; resolves when the last answer has come. */
async function arrive(dues, send) {
  const startedAt = performance.now();
  const answers = [];
  for (const [n, due] of dues.entries()) {
    const early = startedAt + due - performance.now();
    if (early > 0) await sleep(early);
    answers.push(send(n, startedAt + due));
    answers.at(-1).catch(() => {}); // Heard below.
  }
  await Promise.all(answers);
}

/** As people arrive, and the same in all ways. */
function atRandom(perSecond) {
  const chance = seeded(1492);
  const dues = [];
  for (let due = 0; ; dues.push(due)) {
    due += (-Math.log(1 - chance()) * 1_000) / perSecond;
    if (due >= ORDERS.durationMs) return dues;
  }
}

function evenly(perSecond) {
  const gapMs = 1_000 / perSecond;
  return Array.from({ length: Math.floor(ORDERS.durationMs / gapMs) }, (_, n) => (n + 0.5) * gapMs);
}
