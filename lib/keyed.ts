/** keyed: a primitive for each key, such as a breaker for each host, with a bound on how many there are. */
import { inUse } from './in-use.js';
import { checkShape, invalid } from './options.js';

/** Options of `keyed`. */
export interface KeyedOptions {
  /** How many keys are kept: a whole number ≥ 1. @default 1000 */
  readonly maxKeys?: number | undefined;
}

/** Primitives by key. */
export interface Keyed<T> {
  /** The primitive of this key, made if there is none. */
  for(key: string): T;
  /** How many there are. */
  readonly size: number;
  /** Disposes all of them; `for` then begins anew. */
  dispose(): void;
  [Symbol.dispose](): void;
}

/**
 * A primitive for each key. Past `maxKeys` the least recently used one is disposed, but never one with permits out, calls under way,
 * callers waiting or a hand on it (isolated, disabled): as long as all are in use there are more. One that is let go forgets: an
 * open breaker, long unused, comes back closed. Ask `for` with every call, and keep none: what was let go rejects with DisposedError.
 *
 * ```js
 * const breakers = keyed((host) => new CircuitBreaker({ label: host }));
 * await breakers.for(url.host).execute(() => fetch(url));
 * ```
 * @throws {InvalidOptionError}
 */
export function keyed<T extends { dispose(): void }>(
  make: (key: string) => T,
  options: KeyedOptions = {},
): Keyed<T> {
  if (typeof make !== 'function') throw invalid('keyed', 'make', 'a function', make);
  const { maxKeys = 1_000 } = checkShape('keyed', options, { maxKeys: 'number' });
  if (!(Number.isSafeInteger(maxKeys) && maxKeys >= 1)) {
    throw invalid('keyed', 'maxKeys', 'a whole number ≥ 1', maxKeys);
  }
  // A Map keeps the order in which keys were set: the least recently used one is the first.
  const all = new Map<string, T>();

  /** The primitive of this key, as the most recently used. */
  function known(key: string): T | undefined {
    const primitive = all.get(key);
    if (primitive === undefined) return undefined;
    all.delete(key);
    all.set(key, primitive);
    return primitive;
  }

  function makeRoom(): void {
    for (const [key, primitive] of all) {
      if (all.size < maxKeys) return;
      if (inUse(primitive)) continue;
      all.delete(key);
      primitive.dispose();
    }
  }

  const primitives: Keyed<T> = {
    for(key) {
      if (typeof key !== 'string') throw invalid('keyed', 'key', 'a string', key);
      const primitive = known(key);
      if (primitive !== undefined) return primitive;
      const made = make(key);
      const meanwhile = known(key);
      if (meanwhile !== undefined) {
        // `make` has asked for the same key.
        made.dispose();
        return meanwhile;
      }
      makeRoom();
      all.set(key, made);
      return made;
    },
    get size() {
      return all.size;
    },
    dispose() {
      const those = [...all.values()];
      all.clear();
      for (const primitive of those) primitive.dispose();
    },
    [Symbol.dispose]() {
      primitives.dispose();
    },
  };
  return primitives;
}
