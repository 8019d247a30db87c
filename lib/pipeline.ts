/** pipeline: several policies as one, outermost first. */
import { type Call, type ExecuteOptions, Part, type Scope } from './call.js';
import { loopTime } from './clock.js';
import { execute, type Layer, layerOf, type Policy, register, wrap } from './execute.js';
import { invalid } from './options.js';
import type { Next } from './race.js';

/**
 * What a policy may give besides the function's own result. Of a class that gives something else it is unknown, unless the object
 * is declared as the `Policy<Alt>` it is.
 */
export type AltOf<P> = P extends Policy ? never : P extends Policy<infer Alt> ? Alt : never;

const DETAILS = { kind: 'pipeline' } as const;

/**
 * A policy made of others, outermost first. Recommended: fallback, timeout for all tries together, retry, hedge, breaker, bulkhead,
 * timeout for each try. With retry outside a breaker each try is counted, and a refusal ends the tries.
 *
 * ```js
 * const calls = pipeline(retry({ budget }), breaker, timeout({ ms: 500 }));
 * await calls.execute(({ signal }) => fetch(url, { signal }));
 * ```
 * @throws {InvalidOptionError} where something is no policy.
 */
export function pipeline<P extends readonly Policy<unknown>[]>(...policies: P): Policy<AltOf<P[number]>> {
  const layers = policies.map((policy, index) => {
    const known = typeof policy === 'object' && policy !== null ? layerOf(policy) : undefined;
    if (known !== undefined) return known;
    if (typeof policy?.execute !== 'function')
      throw invalid('pipeline', `policies[${index}]`, 'a policy', policy);
    return foreign(policy);
  });
  const layer: Layer = {
    timeline: layers.find(({ timeline }) => timeline !== loopTime)?.timeline ?? loopTime,
    details: DETAILS,
    run: chain(layers),
  };
  const policy: Policy<AltOf<P[number]>> = {
    execute: <T>(fn: (call: Call) => T, options?: ExecuteOptions) =>
      execute(layer, fn, options) as Promise<Awaited<T> | AltOf<P[number]>>,
    wrap: (fn) => wrap(policy, fn, DETAILS),
  };
  return register(policy, layer);
}

/** The layers as one. Those of one call need no closure each, unless what is inside the pipeline changes from call to call. */
function chain(layers: readonly Layer[]): Layer['run'] {
  const [first, ...rest] = layers;
  if (first === undefined) return (scope, next) => next(scope);
  if (rest.length === 0) return (scope, next) => first.run(scope, next);
  let known: Next | undefined;
  let inner: Next = () => undefined;
  const nextFor = (next: Next): Next =>
    rest.reduceRight<Next>((inside, layer) => (scope) => layer.run(scope, inside), next);
  return (scope, next) => {
    // Nearly always the function itself.
    if (next !== known) {
      inner = nextFor(next);
      known = next;
    }
    return first.run(scope, inner);
  };
}

/** A policy of somebody else's: it knows `execute` alone. */
function foreign(policy: Policy<unknown>): Layer {
  return {
    timeline: loopTime,
    details: DETAILS,
    run(scope, next) {
      const { timeoutMs: _, signal: __, ...options } = scope.options;
      const given = scope.guarded ? { ...options, signal: scope.signal } : options;
      return Promise.resolve(policy.execute((call?: Call) => inside(scope, call?.signal, next), given));
    },
  };
}

/** Goes on inside a foreign policy, which may end the call by its own signal. */
function inside(scope: Scope, signal: AbortSignal | undefined, next: Next): unknown {
  const part = new Part(scope, scope.attempt);
  part.guarded = true;
  const onAbort = (): void => part.end(signal?.reason);
  const close = (): void => {
    part.detach();
    signal?.removeEventListener('abort', onAbort);
  };
  if (signal?.aborted) onAbort();
  else signal?.addEventListener('abort', onAbort);
  try {
    // Nobody stops a foreign policy from going on with a call that is over.
    part.throwIfEnded();
    const result = next(part);
    if (result instanceof Promise) return result.finally(close);
    close();
    return result;
  } catch (error) {
    close();
    throw error;
  }
}
