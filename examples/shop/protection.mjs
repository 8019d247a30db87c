/** Which protections are on. Adding one is adding its file to protections/ and its name to a list here. */
import { pipeline, RefusedError } from 'breakwater';
import { breaker } from './protections/breaker.mjs';
import { cacheForAll, cachePerThread } from './protections/cache.mjs';
import { clientLimit } from './protections/client-limit.mjs';
import { retries, retriesAndHedges } from './protections/retries.mjs';
import { tryTimeout } from './protections/try-timeout.mjs';
import { upstreamBudget } from './protections/upstream-budget.mjs';
import { witness } from './protections/witness.mjs';

/** Outermost first. */
const SETS = {
  limits: [clientLimit, upstreamBudget],
  retries: [retries, tryTimeout],
  hedging: [retriesAndHedges, tryTimeout],
  breaker: [retriesAndHedges, breaker, witness, tryTimeout],
  'cache per thread': [cachePerThread],
  'one cache': [cacheForAll],
};

/**
 * Makes every protection of a set for this thread. The name of the set begins every name in it: all threads of one shop share what
 * has a name, and another shop that runs at the same time has its own. A protection has any of:
 * - `edge: { fastify(app), express(app) }`: what it puts in front of the routes;
 * - `upstream`: a policy (`execute(fn)`) that stands around each call to the upstream;
 * - `cached(id, load)`: the data of a product, from what it knows or by `load`; one of a set at most;
 * - `snapshot()`: what it has decided so far, over all threads;
 * - `dispose()`.
 */
export function protect(set) {
  const all = SETS[set].map((make) => make(set));
  const { cached = (_, load) => load() } = all.find((protection) => protection.cached) ?? {};
  const upstream = pipeline(...all.flatMap(({ upstream }) => upstream ?? []));
  return {
    edges: all.flatMap(({ edge }) => edge ?? []),
    callUpstream: (call) => upstream.execute(call),
    cached,
    isRefusal: (error) => error instanceof RefusedError,
    snapshots: () => all.flatMap((protection) => protection.snapshot?.() ?? []),
    dispose() {
      for (const protection of all) protection.dispose?.();
    },
  };
}
