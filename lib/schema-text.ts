/** The text of a schema: of an object, a boolean, or what another library says of itself. */
import { InvalidOptionError } from './errors.js';
import { describe, isArray, isPlain } from './options.js';
import type { StandardSchema } from './schema-options.js';

/** `$schema` of each draft, by the target that Standard JSON Schema calls it. */
export const DIALECTS = {
  'draft-2020-12': 'https://json-schema.org/draft/2020-12/schema',
  'draft-2019-09': 'https://json-schema.org/draft/2019-09/schema',
  'draft-07': 'http://json-schema.org/draft-07/schema#',
  'draft-06': 'http://json-schema.org/draft-06/schema#',
  'draft-04': 'http://json-schema.org/draft-04/schema#',
} as const;

/** Says that a schema is none. */
type Refuse = (expected: string, got: string, cause?: unknown) => InvalidOptionError;

/**
 * A schema as JSON. What only looks like an object, such as a promise that nobody awaited, would take every document: its JSON is `{}`.
 * @throws {InvalidOptionError}
 */
export function textOf(option: string, schema: unknown, label: string | undefined): string {
  const refuse: Refuse = (expected, got, cause) =>
    new InvalidOptionError(option, expected, got, { kind: 'schema', primitive: label, cause });
  const own = standardOf(schema);
  if (own !== undefined) return jsonOf(standardSchema(own, schema, refuse), refuse);
  if (typeof schema !== 'boolean' && !isPlain(schema) && !isBuilder(schema)) {
    throw refuse('a JSON Schema: a plain object or a boolean', nameOf(schema));
  }
  return jsonOf(schema, refuse);
}

/** What says itself what its JSON is; but bytes say that they are bytes. */
function isBuilder(schema: unknown): boolean {
  return (
    isObject(schema) &&
    typeof schema['toJSON'] === 'function' &&
    typeof schema['then'] !== 'function' &&
    !ArrayBuffer.isView(schema)
  );
}

function standardOf(schema: unknown): StandardSchema['~standard'] | undefined {
  if ((typeof schema !== 'object' && typeof schema !== 'function') || schema === null) return undefined;
  const own = (schema as Partial<StandardSchema>)['~standard'];
  return typeof own === 'object' && own !== null ? own : undefined;
}

/** In the newest draft that the library has for it. */
function standardSchema(own: StandardSchema['~standard'], schema: unknown, refuse: Refuse): object {
  const expected = 'a schema with a JSON Schema ("~standard".jsonSchema)';
  if (typeof own.jsonSchema?.input !== 'function') throw refuse(expected, describe(schema));
  let failed: { readonly error: unknown } | undefined;
  for (const [target, $schema] of Object.entries(DIALECTS)) {
    let said: unknown;
    try {
      said = own.jsonSchema.input({ target: target as 'draft-2020-12' });
    } catch (error) {
      failed ??= { error };
      continue;
    }
    if (!isPlain(said)) throw refuse(expected, `one that answers ${nameOf(said)}`);
    return { $schema, ...said };
  }
  const error = failed?.error;
  throw refuse(expected, `one that throws ${error instanceof Error ? error.message : nameOf(error)}`, error);
}

/** Its JSON, if that is a schema's. */
function jsonOf(schema: unknown, refuse: Refuse): string {
  const checked = (_key: string, value: unknown): unknown => {
    if (!isLost(value)) return value;
    throw refuse('a JSON Schema of plain objects', `one with ${nameOf(value)} in it`);
  };
  let text: string | undefined;
  try {
    text = JSON.stringify(schema, checked);
  } catch (error) {
    if (error instanceof InvalidOptionError) throw error;
    // A circle, a bigint, or nested deeper than the stack.
    throw refuse('a JSON Schema that has a JSON text', describe(schema), error);
  }
  if (text === undefined || !/^(?:\{|true$|false$)/.test(text)) {
    throw refuse('a JSON Schema: an object or a boolean', 'one whose JSON is neither');
  }
  return text;
}

/** Whether JSON says less of it than it is: a promise, a Map, a schema of a library. */
function isLost(value: unknown): boolean {
  const isForeign = standardOf(value) !== undefined;
  // zod's JSON Schemas are foreign too, and do not show it.
  if (isPlain(value)) return isForeign && Object.keys(value).includes('~standard');
  return isForeign || (isObject(value) && !isArray(value) && Object.keys(value).length === 0);
}

/** What came, in a few words. */
function nameOf(value: unknown): string {
  if (!isObject(value) || isArray(value)) return describe(value);
  if (typeof value['then'] === 'function') return 'a promise that was not awaited';
  const made: unknown = value['constructor'];
  const name: unknown = typeof made === 'function' ? made.name : undefined;
  return typeof name === 'string' && /^[\w$]{1,40}$/.test(name)
    ? `an object of class ${name}`
    : describe(value);
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null;
}
