/**
 * What the facade checks of options and arguments: the shape (known keys, JavaScript types, functions). Ranges and defaults of
 * scalars are the core's (`crates/core/src/WORD/options.rs`), and come back as the same InvalidOptionError.
 */
import {
  BreakwaterError,
  type ErrorDetails,
  InvalidOptionError,
  type Kind,
  NameConflictError,
  SchemaError,
} from './errors.js';

/** What a key of an options object may hold. */
type Shape = 'number' | 'string' | 'boolean' | 'function' | 'object' | 'anything';

/** The keys an options object may have, with the type of each. */
export type Shapes = Readonly<Record<string, Shape>>;

const NOUN: Record<Shape, string> = {
  number: 'a number',
  string: 'a string',
  boolean: 'a boolean',
  function: 'a function',
  object: 'an object',
  anything: 'anything',
};

/** Says what came, in a few words and without payloads. */
export function describe(value: unknown): string {
  if (value === null) return 'null';
  switch (typeof value) {
    case 'number':
    case 'boolean':
    case 'undefined':
      return Object.is(value, -0) ? '-0' : String(value);
    case 'string':
      return value.length <= 40 ? JSON.stringify(value) : `a string of ${value.length} characters`;
    case 'bigint':
      return 'a bigint';
    case 'function':
      return 'a function';
    case 'symbol':
      return 'a symbol';
    default:
      return isArray(value) ? 'an array' : 'an object';
  }
}

/** Whether it is an array; of a revoked proxy nobody can say. */
export function isArray(value: unknown): boolean {
  try {
    return Array.isArray(value);
  } catch {
    return false;
  }
}

/** Whether it is an object as literals and JSON.parse make them, of whatever realm; and nothing that can be awaited. */
export function isPlain(value: unknown): value is Readonly<Record<string, unknown>> {
  if (typeof value !== 'object' || value === null) return false;
  try {
    const prototype: unknown = Object.getPrototypeOf(value);
    const isOfClass = prototype !== null && Object.getPrototypeOf(prototype) !== null;
    return !isOfClass && typeof (value as { then?: unknown }).then !== 'function';
  } catch {
    return false;
  }
}

/** An InvalidOptionError for `option`, which holds `value`. */
export function invalid(
  kind: Kind,
  option: string,
  expected: string,
  value: unknown,
  primitive?: string,
): InvalidOptionError {
  return new InvalidOptionError(option, expected, describe(value), { kind, primitive });
}

/**
 * Checks an options object against `shapes` and returns a copy of it: what it inherits does not count, and a getter is asked
 * once. A key that is undefined counts as absent.
 */
export function checkShape<T extends object>(kind: Kind, options: T, shapes: Shapes, prefix = ''): T {
  if (typeof options !== 'object' || options === null || Array.isArray(options)) {
    throw invalid(kind, prefix || 'options', 'an object', options);
  }
  const own = { ...options };
  for (const key of Object.keys(own)) {
    const shape = Object.hasOwn(shapes, key) ? shapes[key] : undefined;
    const option = prefix ? `${prefix}.${key}` : key;
    const value = (own as Record<string, unknown>)[key];
    if (shape === undefined) {
      throw invalid(kind, option, `one of ${Object.keys(shapes).join(', ')}`, key);
    }
    if (shape !== 'anything' && value !== undefined && (typeof value !== shape || value === null)) {
      throw invalid(kind, option, NOUN[shape], value);
    }
  }
  return own;
}

/** A plugin's options with those of one route in their place, as far as it gives any. */
export function overridden<Options extends object>(
  own: Options,
  override: Partial<Options>,
  prefix: string,
): Options {
  if (typeof override !== 'object' || override === null) {
    throw invalid('middleware', prefix, 'false or an object', override);
  }
  const given = Object.entries(override).filter(([, value]) => value !== undefined);
  return { ...own, ...Object.fromEntries(given) };
}

/** A name is 1 to 128 characters. */
export function checkName(kind: Kind, name: string | undefined): void {
  if (name !== undefined && (name.length < 1 || name.length > 128)) {
    throw invalid(kind, 'name', 'a string of 1 to 128 characters', name);
  }
}

/** Tokens or a cost: a whole number ≥ 0. */
export function checkCount(kind: Kind, argument: string, value: unknown, primitive?: string): void {
  if (!(Number.isSafeInteger(value) && (value as number) >= 0)) {
    throw invalid(kind, argument, 'a whole number ≥ 0', value, primitive);
  }
}

/** A whole number within bounds. */
export function checkWhole(
  kind: Kind,
  argument: string,
  value: unknown,
  [least, most]: readonly [number, number],
  primitive?: string,
): void {
  if (!(Number.isInteger(value) && (value as number) >= least && (value as number) <= most)) {
    throw invalid(kind, argument, `a whole number from ${least} to ${most}`, value, primitive);
  }
}

/** A span in milliseconds: a number ≥ 0, Infinity allowed. */
export function checkSpan(kind: Kind, option: string, value: unknown, primitive?: string): void {
  if (!(typeof value === 'number' && value >= 0)) {
    throw invalid(kind, option, 'a number of milliseconds ≥ 0', value, primitive);
  }
}

const MAX_TAG_BYTES = 65_535;

/** Tags: strings. A copy of them. */
export function checkTags(tags: unknown, primitive?: string): readonly string[] {
  if (!(isArray(tags) && (tags as unknown[]).every((tag) => typeof tag === 'string'))) {
    throw invalid('cache', 'tags', 'an array of strings', tags, primitive);
  }
  for (const tag of tags as string[]) {
    // A character has at most three bytes for each of its code units.
    if (tag.length > MAX_TAG_BYTES / 3 && Buffer.byteLength(tag) > MAX_TAG_BYTES) {
      throw invalid('cache', 'tags', `strings of at most ${MAX_TAG_BYTES} bytes`, tag, primitive);
    }
  }
  return [...(tags as string[])];
}

/** Never `instanceof`: signals of other realms and polyfills are signals too. */
export function checkSignal(kind: Kind, signal: AbortSignal | undefined, primitive?: string): void {
  if (signal === undefined) return;
  const isSignal =
    typeof signal === 'object' &&
    signal !== null &&
    typeof signal.aborted === 'boolean' &&
    typeof signal.addEventListener === 'function' &&
    typeof signal.removeEventListener === 'function';
  if (!isSignal) throw invalid(kind, 'signal', 'an AbortSignal', signal, primitive);
}

/** What a cold native call threw, as the class of this package that says the same; what is of such a class already stays. */
export function fromNative(error: unknown, details: ErrorDetails): unknown {
  if (error instanceof BreakwaterError) return error;
  const { code, message } = error as { code?: string; message: string };
  if (code === 'ERR_INVALID_OPTION') {
    const { option, expected, got } = JSON.parse(message) as Record<string, string>;
    return new InvalidOptionError(option as string, expected as string, got as string, details);
  }
  if (code === 'ERR_SCHEMA') {
    const { uri, ...said } = JSON.parse(message) as {
      pointer: string;
      keyword: string;
      uri: string | null;
      message: string;
    };
    return new SchemaError({ ...said, uri: uri ?? undefined }, details);
  }
  if (code === 'ERR_NAME_CONFLICT') {
    const { option } = JSON.parse(message) as { option: string };
    const said = `the ${details.kind} "${details.primitive}" exists with another value of ${option}`;
    return new NameConflictError(option, said, details);
  }
  return error;
}
