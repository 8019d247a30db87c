/** Four policies around a function that succeeds at once, as one. */

import { bare, executing, isOne, succeeds } from './breaker.mjs';
import { awaited } from './calls.mjs';
import { Bulkhead, CircuitBreaker, pipeline, retry, TokenBucket, timeout } from './ours.mjs';
import { cockatiel, cockatielBreaker, mollitiaCircuit } from './peers.mjs';

const TIMEOUT_MS = 1_000;

const ours = (admission) => () =>
  pipeline(retry(), timeout({ ms: TIMEOUT_MS }), new CircuitBreaker(), admission());
const bulkhead = () => new Bulkhead({ maxConcurrent: 100, maxQueue: 100 });
const bucket = () => new TokenBucket({ capacity: 4e9, refillPerSecond: 1e9 });

async function cockatiels() {
  const { bulkhead, ExponentialBackoff, handleAll, retry, TimeoutStrategy, timeout, wrap } =
    await cockatiel();
  return wrap(
    retry(handleAll, { maxAttempts: 2, backoff: new ExponentialBackoff() }),
    timeout(TIMEOUT_MS, TimeoutStrategy.Aggressive),
    await cockatielBreaker('Sampling', { threshold: 0.5, duration: 10_000 }),
    bulkhead(100, 100),
  );
}

const mollitias = () =>
  mollitiaCircuit(succeeds, ({ Bulkhead, Retry, SlidingCountBreaker, Timeout }) => [
    new Retry({ attempts: 2 }),
    new Timeout({ delay: TIMEOUT_MS }),
    new SlidingCountBreaker({ slidingWindowSize: 100 }),
    new Bulkhead({ concurrentSize: 100, queueSize: 100 }),
  ]);

export const benches = {
  'pipeline/execute/four': {
    breakwater: executing(ours(bulkhead)),
    'breakwater, bucket': executing(ours(bucket)),
    cockatiel: executing(cockatiels),
    mollitia: awaited(async () => {
      const circuit = await mollitias();
      return () => circuit.execute();
    }, isOne),
    'bare await fn()': bare,
  },
};
