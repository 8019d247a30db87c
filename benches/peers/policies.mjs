/** The policies one by one, around a function that succeeds at once: what they cost where nothing goes wrong. */
import { bare, executing } from './breaker.mjs';
import { AdaptiveThrottle, fallback, hedge, retry, timeout } from './ours.mjs';
import { cockatiel } from './peers.mjs';

const TIMEOUT_MS = 1_000;

/** A policy that `make` makes of cockatiel. */
const ofCockatiel = (make) => executing(async () => make(await cockatiel()));

const alone = (contestants) => ({ ...contestants, 'bare await fn()': bare });

export const benches = {
  'policies/execute/retry': alone({
    breakwater: executing(() => retry()),
    cockatiel: ofCockatiel(({ ExponentialBackoff, handleAll, retry }) =>
      retry(handleAll, { maxAttempts: 2, backoff: new ExponentialBackoff() }),
    ),
  }),
  'policies/execute/timeout': alone({
    breakwater: executing(() => timeout({ ms: TIMEOUT_MS })),
    'cockatiel, aggressive': ofCockatiel(({ TimeoutStrategy, timeout }) =>
      timeout(TIMEOUT_MS, TimeoutStrategy.Aggressive),
    ),
    'cockatiel, cooperative': ofCockatiel(({ TimeoutStrategy, timeout }) =>
      timeout(TIMEOUT_MS, TimeoutStrategy.Cooperative),
    ),
  }),
  'policies/execute/fallback': alone({
    breakwater: executing(() => fallback(0)),
    cockatiel: ofCockatiel(({ fallback, handleAll }) => fallback(handleAll, 0)),
  }),
  'policies/execute/hedge': alone({
    breakwater: executing(() => hedge({ delayMs: TIMEOUT_MS })),
    'breakwater, quantile': executing(() => hedge({ quantile: 0.95 })),
  }),
  'policies/execute/throttle': alone({ breakwater: executing(() => new AdaptiveThrottle()) }),
};
