/** The rules of a cache without a name: checked as those of one with a name are, and by what a Map can hold. */
import type { NativeCacheOptions, NativeCacheRules } from './binding-cache.js';
import type { RulesInForce } from './cache-store.js';
import type { InvalidOptionError } from './errors.js';
import { host } from './host.js';
import { fromNative, invalid } from './options.js';

/** A Map holds no more. */
export const MAX_ENTRIES = 2 ** 24 - 1;

/** Bytes that nobody can count bound nothing. */
export function sizeOfMissing(primitive: string | undefined): InvalidOptionError {
  return invalid('cache', 'sizeOf', 'a function, for maxBytes without a name', undefined, primitive);
}

/** The rules in force of a cache without a name. @throws {InvalidOptionError} */
export function localRules(
  rules: NativeCacheOptions,
  policy: string | undefined,
  primitive: string | undefined,
): RulesInForce {
  const { maxEntries } = rules;
  if (maxEntries !== undefined && maxEntries > MAX_ENTRIES) {
    const expected = `a whole number from 1 to ${MAX_ENTRIES} without a name`;
    throw invalid('cache', 'maxEntries', expected, maxEntries, primitive);
  }
  let checked: NativeCacheRules;
  try {
    checked = host().native.checkCache({ ...rules, policy });
  } catch (error) {
    throw fromNative(error, { kind: 'cache', primitive });
  }
  return checked as RulesInForce;
}
