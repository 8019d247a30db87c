/** One run: a fresh upstream, a fresh shop of several threads, the clients, phase after phase. */
import { setTimeout as sleep } from 'node:timers/promises';
import { openShop, withThreads } from './crew.mjs';
import { makeGroup } from './load.mjs';
import { makeWatch, showPhase, UNWATCHED } from './progress.mjs';
import { GROUPS, PHASES, SHOP_THREADS } from './scenario.mjs';
import { newTally } from './tally.mjs';

/**
 * Plays all phases against the shop on `framework`, guarded or not. Resolves with `{ phases, snapshots }`. A phase is
 * `{ groups: { [name]: { tally, spanMs } }, calls }`, with spans from before the first request to after the last answer.
 */
export function run({ framework, guarded, trace }) {
  return withThreads(async (open) => {
    const protection = guarded ? 'limits' : 'none';
    const { upstream, shops, ports } = await openShop(open, { framework, protection, weather: 'usual' });
    const flood = await open('./flood.mjs', { ports });
    const groups = { regulars: makeGroup('regulars', ports, trace), crowd: makeGroup('crowd', ports, trace) };

    const phases = {};
    for (const phase of PHASES) phases[phase.name] = await play(phase, { upstream, shops, flood, groups });
    // Any thread of the shop can tell: what is shared by name has one state, and one set of counters.
    const snapshots = await shops[0].ask('snapshots');
    for (const group of Object.values(groups)) group.close();
    return { framework, guarded, phases, snapshots };
  });
}

/** Plays one phase and waits until every request of it is answered: the next phase starts on calm water. */
async function play(phase, { upstream, shops, flood, groups }) {
  const { durationMs } = phase;
  const watch = makeWatch();
  const tallies = Object.fromEntries(phase.groups.map((name) => [name, newTally(SHOP_THREADS)]));
  flood.listen((tally) => {
    tallies.flood = tally;
  });
  const upstreamCalls = () => Promise.all(shops.map((shop) => shop.ask('upstreamCalls')));
  /** Calls upstream per thread, until clients stop coming: the time it takes to answer the rest would only dilute their rate. */
  async function countCalls() {
    await sleep(durationMs);
    const after = await upstreamCalls();
    const perThread = after.map((count, thread) => count - callsBefore[thread]);
    return { perThread, spanMs: performance.now() - startedAt };
  }
  await upstream.ask('mostWaiting');
  const callsBefore = await upstreamCalls();
  const startedAt = performance.now();
  const shown = phase.hidden
    ? undefined
    : showPhase(
        phase,
        watch,
        () => tallies,
        () => upstream.ask('waiting'),
      );
  try {
    const [calls, ...entries] = await Promise.all([
      countCalls(),
      ...phase.groups.map(async (name) => {
        if (GROUPS[name].connections) {
          const { tally, spanMs } = await flood.ask('flood', { client: `flood-${phase.name}`, durationMs });
          tallies[name] = tally;
          return [name, { tally, spanMs }];
        }
        const spanMs = await groups[name].arrive(
          durationMs,
          tallies[name],
          name === 'regulars' ? watch : UNWATCHED,
        );
        return [name, { tally: tallies[name], spanMs }];
      }),
    ]);
    shown?.stop();
    shown?.done(await upstream.ask('mostWaiting'));
    return { groups: Object.fromEntries(entries), calls };
  } finally {
    shown?.stop();
  }
}
