/** What a schema is made of: its options, and the schemas of other libraries. */
import type { NativeSchemaOptions } from './binding-schema.js';
import type { ValidationFailure } from './errors.js';
import { checkShape, invalid, isPlain } from './options.js';
import { textOf } from './schema-text.js';

/** A schema as JSON Schema writes it: an object of whatever words, or a boolean; or what says such a schema of itself. */
export type JsonSchema = boolean | { readonly [keyword: string]: unknown } | SchemaWords;

/** A schema whose type is an interface or a class: to TypeScript it is one if it has one of these words. A promise has none. */
export interface SchemaWords {
  readonly $schema?: unknown;
  readonly $id?: unknown;
  readonly $ref?: unknown;
  readonly $defs?: unknown;
  readonly definitions?: unknown;
  readonly type?: unknown;
  readonly const?: unknown;
  readonly enum?: unknown;
  readonly properties?: unknown;
  readonly additionalProperties?: unknown;
  readonly patternProperties?: unknown;
  readonly required?: unknown;
  readonly items?: unknown;
  readonly prefixItems?: unknown;
  readonly allOf?: unknown;
  readonly anyOf?: unknown;
  readonly oneOf?: unknown;
  readonly not?: unknown;
  readonly format?: unknown;
  readonly pattern?: unknown;
  /** What JSON.stringify asks for the schema. */
  readonly toJSON?: unknown;
  /** What StandardSchema has, of which Schema is one. */
  readonly '~standard'?: unknown;
}

/** The drafts there are. */
export type SchemaDraft = '4' | '6' | '7' | '2019-09' | '2020-12';

/** What validate answers. */
export type Validation = { readonly valid: true } | ValidationFailure;

/**
 * What other libraries expose of their schemas: Standard Schema v1 with its JSON Schema part (zod 4, arktype 2, and valibot with
 * @valibot/to-json-schema). What they do beyond JSON Schema, such as transforms and refinements, is not checked here.
 */
export interface StandardSchema<Input = unknown, Output = Input> {
  readonly '~standard': {
    readonly version: 1;
    readonly vendor: string;
    readonly jsonSchema?:
      | {
          readonly input: (options: { readonly target: 'draft-2020-12' }) => Record<string, unknown>;
          readonly output: (options: { readonly target: 'draft-2020-12' }) => Record<string, unknown>;
        }
      | undefined;
    readonly types?: { readonly input: Input; readonly output: Output } | undefined;
  };
}

/** What a Standard Schema answers. */
export type StandardResult<T> =
  | { readonly value: T; readonly issues?: undefined }
  | { readonly issues: readonly { readonly message: string; readonly path: readonly string[] }[] };

/** What a Standard Schema is asked for. */
export interface StandardOptions {
  /** Such as `'draft-2020-12'`. */
  readonly target: string;
  readonly libraryOptions?: Readonly<Record<string, unknown>> | undefined;
}

/** What Schema exposes of itself: Standard Schema v1, with its JSON Schema part. */
export interface StandardProps<T> {
  readonly version: 1;
  readonly vendor: 'breakwater';
  readonly validate: (value: unknown) => StandardResult<T>;
  /**
   * The schema in one piece: with `$schema`, and what it refers to among its definitions. `target` is its own draft (`'draft-07'`,
   * `'draft-2020-12'`, …): nothing is translated. @throws {InvalidOptionError} for any other.
   */
  readonly jsonSchema: {
    readonly input: (options?: StandardOptions) => Record<string, unknown>;
    readonly output: (options?: StandardOptions) => Record<string, unknown>;
  };
  /** Of types alone: there is no such member. */
  readonly types?: { readonly input: T; readonly output: T } | undefined;
}

/** Options of Schema. */
export interface SchemaOptions {
  /** The draft of a schema that has no `$schema`. @default '2020-12' */
  readonly draft?: SchemaDraft | undefined;
  /**
   * The schemas that `$ref` may lead to, by URI: `'https://example.com/money.json'`, or a plain name such as `'orders@2'`. Nothing is
   * ever fetched.
   */
  readonly refs?: { readonly [uri: string]: JsonSchema } | undefined;
  /** Whether `format` is checked. Formats that are not known never are. @default true */
  readonly formats?: boolean | undefined;
  /**
   * Whether a member is refused that no schema names which applies to its object, unless one of them has `additionalProperties` or
   * `unevaluatedProperties`. @default false
   */
  readonly rejectUnknown?: boolean | undefined;
  /**
   * Two members of one name: 'reject', as parsers do not agree on which one counts; or 'last' counts, as for JSON.parse.
   * @default 'reject'
   */
  readonly duplicateKeys?: 'reject' | 'last' | undefined;
  /** Whether `__proto__`, and `prototype` in a `constructor`, may be names of members. @default 'allow' */
  readonly protoKeys?: 'allow' | 'reject' | undefined;
  /**
   * 'linear': regular expressions take time linear in the text, and those with look-around or back-references do not compile.
   * 'backtracking': they do, and end with no match after 10,000 steps. @default 'linear'
   */
  readonly regex?: 'linear' | 'backtracking' | undefined;
  /** The longest document, in bytes of UTF-8: from 1 to 2^30. @default 1048576 */
  readonly maxBytes?: number | undefined;
  /** How deep arrays and objects may be nested: from 1 to 512. @default 128 */
  readonly maxDepth?: number | undefined;
  /** How many issues are told: from 1 to 100. Finding all of a hostile document costs more than reading it. @default 1 */
  readonly maxErrors?: number | undefined;
  /** Whether issues keep the values to themselves. Names of members are told either way. @default true */
  readonly maskValues?: boolean | undefined;
  /** Names the schema in errors. */
  readonly label?: string | undefined;
}

const SHAPES = {
  draft: 'string',
  refs: 'object',
  formats: 'boolean',
  rejectUnknown: 'boolean',
  duplicateKeys: 'string',
  protoKeys: 'string',
  regex: 'string',
  maxBytes: 'number',
  maxDepth: 'number',
  maxErrors: 'number',
  maskValues: 'boolean',
  label: 'string',
} as const;

/** The options as the binding takes them. @throws {InvalidOptionError} */
export function nativeOptions(
  schema: JsonSchema | StandardSchema,
  options: SchemaOptions,
): { readonly native: NativeSchemaOptions; readonly label: string | undefined } {
  const { label, refs, ...own } = checkShape('schema', options, SHAPES);
  const native = { ...own, schema: textOf('schema', schema, label), refs: nativeRefs(refs, label) };
  return { native, label };
}

/** The schemas to refer to as the binding takes them. @throws {InvalidOptionError} */
export function nativeRefs(
  refs: SchemaOptions['refs'] = {},
  label: string | undefined,
): NativeSchemaOptions['refs'] {
  if (!isPlain(refs)) throw invalid('schema', 'refs', 'a plain object of schemas', refs, label);
  return Object.entries(refs).map(([uri, ref]) => ({
    uri,
    schema: textOf(`refs[${JSON.stringify(uri)}]`, ref, label),
  }));
}
