/** The fourth part: a product page on four threads without a cache, with one for each thread and with one for all, at once. */
import { setTimeout as sleep } from 'node:timers/promises';
import { openShop, withThreads } from '../crew.mjs';
import { makeGroup } from '../load.mjs';
import { UNWATCHED } from '../progress.mjs';
import { PAGE_PHASES, PAGE_THREADS, PAGE_UPSTREAM } from '../scenario.mjs';
import { newTally, sum } from '../tally.mjs';
import { loseThread } from './lost.mjs';
import { popularTrace } from './popular.mjs';
import { WAYS } from './ways.mjs';

/** The same arrivals in all shops, but so far apart: or each request would wait for its twins in the other shops. */
const STAGGER_MS = 1;

const SHOP = { framework: 'plain', weather: 'fair', bears: PAGE_UPSTREAM, threads: PAGE_THREADS };

/** Products of the warm-up, so much above the others. */
const OTHERS = 1_000;

/**
 * Resolves, for each way, with `{ title, protection, phases, lost }`. A phase is `{ tally, loads, stale }`: what the clients met, what
 * the upstream counted, and how often a cache served what was stale. `lost` is what came of the load whose thread ended.
 */
export function runPage() {
  const trace = popularTrace();
  const others = trace.map((product) => OTHERS + product);
  return withThreads(async (open) => {
    const shops = await Promise.all(
      WAYS.map(async ({ title, protection }) => {
        const { upstream, shops, ports } = await openShop(open, { ...SHOP, protection });
        const sale = makeGroup('sale', ports, trace);
        const warmUp = makeGroup('sale', ports, others);
        return { title, protection, upstream, threads: shops, sale, warmUp, phases: {} };
      }),
    );
    for (const phase of PAGE_PHASES) {
      await inAll(shops, phase.weather, async (shop) => {
        shop.phases[phase.name] = await play(phase, shop);
      });
    }
    await inAll(shops, 'stuck', async (shop) => {
      shop.lost = await loseThread(shop);
    });
    for (const { sale, warmUp } of shops) for (const group of [sale, warmUp]) group.close();
    return shops.map(({ title, protection, phases, lost }) => ({ title, protection, phases, lost }));
  });
}

/** Plays something in all shops, which begins when it is over in the last one of what was before. */
function inAll(shops, weather, play) {
  return Promise.all(
    shops.map(async (shop, at) => {
      await shop.upstream.ask('weather', weather);
      await shop.upstream.ask('count');
      await sleep(at * STAGGER_MS);
      await play(shop);
    }),
  );
}

async function play({ durationMs, hidden }, { upstream, threads, sale, warmUp }) {
  const staleBefore = await staleHits(threads);
  const tally = newTally(threads.length);
  await (hidden ? warmUp : sale).arrive(durationMs, tally, UNWATCHED);
  return { tally, loads: await upstream.ask('count'), stale: (await staleHits(threads)) - staleBefore };
}

/** Of a cache that all threads share each of them knows everything. */
async function staleHits(threads) {
  const snapshots = (await Promise.all(threads.map((thread) => thread.ask('snapshots')))).flat();
  const shared = snapshots.find(({ name }) => name !== undefined);
  return shared?.staleHits ?? sum(snapshots.map((snapshot) => snapshot.staleHits));
}
