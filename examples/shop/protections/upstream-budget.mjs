/** A budget for calls to the upstream: however many clients come, and on whichever thread, it gets what it can bear. */
import { TokenBucket } from 'breakwater';
import { UPSTREAM_BUDGET, UPSTREAM_MAX_WAIT_MS } from '../scenario.mjs';

export function upstreamBudget(shop) {
  // The name makes it one bucket for all threads of the shop; without it each thread would spend the whole budget.
  const bucket = new TokenBucket({ name: `${shop}:upstream`, ...UPSTREAM_BUDGET });
  return {
    upstream: bucket.policy({ maxWaitMs: UPSTREAM_MAX_WAIT_MS }),
    snapshot: () => bucket.snapshot(),
    dispose: () => bucket.dispose(),
  };
}
