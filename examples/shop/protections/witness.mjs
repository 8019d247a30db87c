/** No protection, a witness: it stands inside the breaker and counts the probes that fail, to be compared with what is allowed. */
import { CircuitBreaker } from 'breakwater';

export function witness(shop) {
  const breaker = CircuitBreaker.find(`${shop}:upstream`);
  /** Probes of this thread that failed, by the number of the change of state that let them in. */
  const failed = {};
  return {
    // A policy may be anything with `execute`.
    upstream: {
      async execute(call) {
        // The breaker has let this call in just now: if it is half-open, as a probe.
        const { state, generation } = breaker.snapshot();
        try {
          return await call();
        } catch (error) {
          // What lost to a hedge was aborted and says nothing: the breaker lets in another in its place.
          if (state === 'halfOpen' && error.name !== 'AbortError')
            failed[generation] = (failed[generation] ?? 0) + 1;
          throw error;
        }
      },
    },
    snapshot: () => ({ kind: 'witness', failed }),
    dispose: () => breaker.dispose(),
  };
}
