/** The measured clients: they arrive at random, as people do, and do not wait for each other. */
import { setTimeout as sleep } from 'node:timers/promises';
import { get, keepAlive } from './http.mjs';
import { GROUPS, seeded } from './scenario.mjs';
import { count } from './tally.mjs';
import { replay } from './trace.mjs';

/**
 * A group of clients of the shop on `ports`, asking for the products of `trace`: the same clients at the same gaps for the same
 * products whatever shop they meet. They take turns over the ports.
 */
export function makeGroup(name, ports, trace) {
  const { clients, perSecond } = GROUPS[name];
  const agent = keepAlive();
  const chance = seeded(2013);
  const nextProduct = replay(trace);
  let requests = 0;

  /** Sends one request. Its latency counts from `dueAt`, when it should have left: a late sender hides nothing. */
  async function send(client, tally, dueAt, watch) {
    const thread = requests++ % ports.length;
    const waiting = watch.sent(dueAt);
    tally.sent += 1;
    const headers = { 'x-api-key': client };
    const { status } = await get(agent, ports[thread], `/products/${nextProduct()}`, { headers });
    const latencyMs = performance.now() - dueAt;
    count(tally, thread, status, latencyMs);
    watch.answered(waiting, latencyMs, status);
  }

  /** Lets them arrive for `durationMs` and counts in `tally`; resolves with the span of it all when the last one is answered. */
  async function arrive(durationMs, tally, watch) {
    const startedAt = performance.now();
    const answers = [];
    const errors = [];
    let dueAt = startedAt;
    while (errors.length === 0) {
      dueAt += (-Math.log(1 - chance()) * 1000) / perSecond;
      if (dueAt - startedAt >= durationMs) break;
      const client = `${name}-${Math.floor(chance() * clients) + 1}`;
      const early = dueAt - performance.now();
      if (early > 0) await sleep(early);
      answers.push(send(client, tally, dueAt, watch).catch((error) => errors.push(error)));
    }
    await Promise.all(answers);
    if (errors.length > 0) throw errors[0];
    return performance.now() - startedAt;
  }

  return { arrive, close: () => agent.destroy() };
}
