/** timeout: a deadline for what is inside, with a signal of its own. */
import { clockOf, type ManualClock } from './clock.js';
import { type Policy, policyOf } from './execute.js';
import { checkShape, invalid } from './options.js';
import { Race } from './race.js';

/** Options of `timeout`. */
export interface TimeoutOptions {
  /** Milliseconds: a number > 0. */
  readonly ms: number;
  /** Where the time is read. Default: the system's monotonic clock. */
  readonly clock?: ManualClock | undefined;
}

const DETAILS = { kind: 'timeout' } as const;

/**
 * A policy that rejects with TimeoutError when what is inside takes longer than `ms`, and aborts the `signal` of that call alone.
 * A result that comes after the deadline is late even where a blocked event loop kept the timer from firing; it goes to `onDiscard`.
 *
 * ```js
 * const fetched = await timeout({ ms: 500 }).execute(({ signal }) => fetch(url, { signal }));
 * ```
 * @throws {InvalidOptionError}
 */
export function timeout(options: TimeoutOptions): Policy {
  const { ms, clock } = checkShape('timeout', options, { ms: 'number', clock: 'object' });
  if (!(ms > 0)) throw invalid('timeout', 'ms', 'a number of milliseconds > 0', ms);
  const { timeline } = clockOf(clock);
  const bounds = { timeline, ms, signal: undefined, details: DETAILS };
  return policyOf({
    timeline,
    details: DETAILS,
    run: (scope, next) => new Race(scope, scope.fn, scope.options, bounds).run(next),
  });
}
