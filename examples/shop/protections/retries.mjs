/** Tries beyond the first, when a call fails or takes long; the upstream never gets more of them than a share of its calls. */
import { hedge, pipeline, RetryBudget, retry } from 'breakwater';
import { HEDGE, MAX_ATTEMPTS, RETRY_BACKOFF, RETRY_BUDGET } from '../scenario.mjs';

const RETRY = { maxAttempts: MAX_ATTEMPTS, backoff: RETRY_BACKOFF };

/** The name makes it one budget for all threads of the shop, so that its share is one of all calls. */
const openBudget = (shop) => new RetryBudget({ name: `${shop}:upstream`, ...RETRY_BUDGET });

/** Tries again what failed. */
export function retries(shop) {
  const budget = openBudget(shop);
  return {
    upstream: retry({ ...RETRY, budget }),
    snapshot: () => budget.snapshot(),
    dispose: () => budget.dispose(),
  };
}

/** And asks a second time when an answer is late. Both are paid from one budget. */
export function retriesAndHedges(shop) {
  const budget = openBudget(shop);
  return {
    upstream: pipeline(retry({ ...RETRY, budget }), hedge({ ...HEDGE, budget })),
    snapshot: () => budget.snapshot(),
    dispose: () => budget.dispose(),
  };
}
