/** A hedge to play with. */
import { hedge, ManualClock } from 'breakwater';
import { manual } from './calls.mjs';
import { watched } from './promises.mjs';

/** A hedge on a clock of its own, with a function whose calls are settled by hand. */
export function made(options) {
  const clock = new ManualClock();
  const policy = hedge({ delayMs: 10, clock, ...options });
  const fn = manual();
  const discarded = [];
  return {
    clock,
    fn,
    discarded,
    policy,
    /** Executes the function: what becomes of it. */
    start: (given) => watched(policy.execute(fn, { onDiscard: (value) => discarded.push(value), ...given })),
    /** Lets time pass, and what follows from it happen. */
    pass: (ms) => clock.advanceAsync(ms),
    aborted: () => fn.calls.map(({ call }) => call.signal.aborted),
  };
}
