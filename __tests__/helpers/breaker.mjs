/** Breakers on clocks of their own, and what is said of calls. */
import { CircuitBreaker, ManualClock } from 'breakwater';

/** `{ clock, breaker }`. */
export function made(options) {
  const clock = new ManualClock();
  return { clock, breaker: new CircuitBreaker({ ...options, clock }) };
}

/** So many calls of which this is said: 'success', 'failure' or 'ignore'. */
export function say(breaker, verdict, times = 1) {
  for (let i = 0; i < times; i++) breaker.tryAcquire()[verdict]();
}

/** What the breaker has counted since it was made: [succeeded, failed, ignored]. */
export function counted(breaker) {
  const { succeeded, failed, ignored } = breaker.snapshot();
  return [succeeded, failed, ignored];
}

/** A function that fails. */
export const failing = async () => {
  throw new Error('down');
};

/** A promise and what settles it. */
export function deferred() {
  let resolve;
  let reject;
  const promise = new Promise((...settle) => {
    [resolve, reject] = settle;
  });
  return { promise, resolve, reject };
}
