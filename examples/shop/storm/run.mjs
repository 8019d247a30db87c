/** The second part: for each way to call the upstream a shop and an upstream of its own, all at once and in the same weather. */
import { setTimeout as sleep } from 'node:timers/promises';
import { openShop, withThreads } from '../crew.mjs';
import { makeGroup } from '../load.mjs';
import { MOST_WARM_UPS, SHOP_THREADS, STORM_PHASES } from '../scenario.mjs';
import { newTally } from '../tally.mjs';
import { makeWatch, showStorm } from './progress.mjs';
import { WAYS } from './ways.mjs';

/** The same arrivals in all shops, but so far apart: or each request would wait for its twins in the other shops. */
const STAGGER_MS = 2;

/**
 * Resolves, for each way, with `{ title, protection, phases, requests, calls, spanMs, snapshots }`. A phase is `{ tally, calls,
 * troubleMs }`: what the clients met, the calls that reached the upstream, and when the last request was due that came to grief. The
 * sums are of the whole run, warm-ups included; snapshots are those of each thread.
 */
export function runStorm({ framework, trace }) {
  return withThreads(async (open) => {
    const shops = await Promise.all(
      WAYS.map(async ({ title, protection }) => {
        const { upstream, shops, ports } = await openShop(open, { framework, protection, weather: 'fair' });
        const group = makeGroup('regulars', ports, trace);
        return { title, protection, upstream, threads: shops, group, phases: {}, requests: 0 };
      }),
    );
    const startedAt = performance.now();
    const shown = showStorm();
    try {
      for (const phase of STORM_PHASES) await (phase.hidden ? warmUp : play)(phase, shops, shown);
    } finally {
      shown.stop();
    }
    return Promise.all(shops.map((shop) => settle(shop, startedAt)));
  });
}

/** On a busy machine fresh threads can be so slow that a breaker opens: that is not the weather's doing. */
async function warmUp(phase, shops, shown) {
  for (let round = 1; round <= MOST_WARM_UPS; round += 1) {
    await play(phase, shops, shown);
    if (shops.every(({ phases }) => phases[phase.name].troubleMs === 0)) return;
  }
}

/** Plays one phase in all shops. The weather changes for all of them when the last one has answered. */
async function play({ name, durationMs, weather, hidden }, shops, shown) {
  await Promise.all(shops.map(({ upstream }) => upstream.ask('weather', weather)));
  const callsBefore = await Promise.all(shops.map(({ upstream }) => upstream.ask('calls')));
  const startedAt = performance.now();
  const scenes = shops.map(({ upstream }) => ({
    tally: newTally(SHOP_THREADS),
    watch: makeWatch(startedAt),
    calls: () => upstream.ask('calls'),
  }));
  if (!hidden) shown.begin(scenes, callsBefore, durationMs);
  await Promise.all(
    shops.map(async ({ group }, at) => {
      await sleep(at * STAGGER_MS);
      await group.arrive(durationMs, scenes[at].tally, scenes[at].watch);
    }),
  );
  if (!hidden) await shown.end();
  const calls = await Promise.all(scenes.map((scene) => scene.calls()));
  scenes.forEach(({ tally, watch }, at) => {
    shops[at].requests += tally.sent;
    shops[at].phases[name] = { tally, calls: calls[at] - callsBefore[at], troubleMs: watch.troubleMs() };
  });
}

async function settle({ title, protection, upstream, threads, group, phases, requests }, startedAt) {
  group.close();
  const snapshots = await Promise.all(threads.map((thread) => thread.ask('snapshots')));
  const calls = await upstream.ask('calls');
  return { title, protection, phases, requests, calls, spanMs: performance.now() - startedAt, snapshots };
}
