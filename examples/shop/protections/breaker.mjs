/** A circuit breaker: when the upstream is down nobody asks it, but for a few calls now and then to see whether it is back. */
import { CircuitBreaker } from 'breakwater';
import { BREAKER } from '../scenario.mjs';

export function breaker(shop) {
  // The name makes it one breaker for all threads of the shop: what one of them sees, all know.
  const breaker = new CircuitBreaker({ name: `${shop}:upstream`, ...BREAKER });
  return {
    upstream: breaker,
    snapshot: () => breaker.snapshot(),
    dispose: () => breaker.dispose(),
  };
}
