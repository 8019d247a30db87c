/** fallback: something else instead of an error. */
import type { Call, Scope } from './call.js';
import { loopTime } from './clock.js';
import { adopt, execute, type Layer, type Policy, register, wrap } from './execute.js';
import { checkShape } from './options.js';

/** Options of `fallback`. */
export interface FallbackOptions {
  /** For which errors. Default: all. */
  readonly when?: ((error: unknown) => boolean) | undefined;
}

const DETAILS = { kind: 'fallback' } as const;

/**
 * A policy that gives `value`, or what the function given in its place makes of the error, where what is inside fails. Not when the
 * caller aborted the call. What the function throws is the caller's error.
 *
 * ```js
 * const page = await fallback(() => cachedPage(id), { when: (error) => error instanceof RefusedError }).execute(() => render(id));
 * ```
 * @throws {InvalidOptionError}
 */
export function fallback<Alt>(
  value: Alt | ((error: unknown, call: Call) => Alt | Promise<Alt>),
  options: FallbackOptions = {},
): Policy<Awaited<Alt>> {
  const { when } = checkShape('fallback', options, { when: 'function' });
  const recover = (error: unknown, scope: Scope): unknown => {
    // Asked of the clock too: where the event loop was blocked past a deadline, its timer has not fired yet.
    if (scope.isOver() || (when !== undefined && !when(error))) throw error;
    return adopt(
      typeof value === 'function' ? (value as (...of: unknown[]) => unknown)(error, scope) : value,
    );
  };
  const layer: Layer = {
    timeline: loopTime,
    details: DETAILS,
    run(scope, next) {
      let result: unknown;
      try {
        result = next(scope);
      } catch (error) {
        return recover(error, scope);
      }
      return result instanceof Promise ? result.then(undefined, (error) => recover(error, scope)) : result;
    },
  };
  const policy: Policy<Awaited<Alt>> = {
    execute: (fn, given) => execute(layer, fn, given),
    wrap: (fn) => wrap(policy, fn, DETAILS),
  };
  return register(policy, layer);
}
