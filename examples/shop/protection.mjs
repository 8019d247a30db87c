/** Which protections are on. Adding one is adding its file to protections/ and its name to this list. */
import { RefusedError } from 'breakwater';
import { clientLimit } from './protections/client-limit.mjs';
import { upstreamBudget } from './protections/upstream-budget.mjs';

/** Outermost first. */
const PROTECTIONS = [clientLimit, upstreamBudget];

/**
 * Makes every protection for this thread. One has any of:
 * - `edge: { fastify(app), express(app) }`: what it puts in front of the routes;
 * - `upstream`: a policy (`execute(fn)`) that stands around each call to the upstream;
 * - `snapshot()`: what it has decided so far, over all threads.
 */
export function protect() {
  const all = PROTECTIONS.map((make) => make());
  const policies = all.flatMap(({ upstream }) => upstream ?? []);
  return {
    edges: all.flatMap(({ edge }) => edge ?? []),
    callUpstream: (call) => policies.reduceRight((next, policy) => () => policy.execute(next), call)(),
    isRefusal: (error) => error instanceof RefusedError,
    snapshots: () => all.map((protection) => protection.snapshot()),
    dispose() {
      for (const protection of all) protection.dispose();
    },
  };
}
