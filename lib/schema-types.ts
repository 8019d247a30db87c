/**
 * The type of the documents that a literal schema describes. json-schema-to-ts reads it; it is told no more than what shapes a document,
 * and in words that it has, so that a type never says more than the schema does: nothing is filled in for `default`, no document is null
 * because of `nullable`, `prefixItems` are the items of a tuple, and a reference that leaves the schema, or comes back to where it was
 * followed from, leads to unknown.
 */
import type { FromSchema, JSONSchema } from 'json-schema-to-ts';

/** The documents that a schema describes, as far as types can say; unknown where json-schema-to-ts is not installed. */
export type DocumentOf<S> =
  IsAny<S> extends true
    ? unknown
    : S extends {
          readonly '~standard': { readonly types?: { readonly input: infer Input } | undefined };
        }
      ? Input
      : Read<Told<S, S, never>>;

type IsAny<T> = 0 extends 1 & T ? true : false;

type Read<S> = S extends JSONSchema ? Known<FromSchema<S>> : unknown;

/** What is any, because its package is not installed, is unknown. */
type Known<T> = IsAny<T> extends true ? unknown : T;

/** A schema whose `$schema` is older than 2020-12. */
type Old = { readonly $schema: `${string}/draft-0${string}` | `${string}/2019-09/${string}` };
/** One of a draft where nothing beside `$ref` counts. */
type Oldest = { readonly $schema: `${string}/draft-0${string}` };

/** A subschema in the words of json-schema-to-ts. `Root`: what its references start from; `Way`: those that led here. */
type Told<S, Root, Way> = S extends boolean
  ? S
  : S extends object
    ? S extends { readonly $ref: infer Reference }
      ? Root extends Oldest
        ? Target<Reference, Root, Way>
        : { readonly allOf: readonly [Target<Reference, Base<S, Root>, Way>, Shape<S, Base<S, Root>, Way>] }
      : Shape<S, Base<S, Root>, Way>
    : true;

type Base<S, Root> = S extends { readonly $id: string } ? S : Root;

/** What a reference leads to; what is not found, and a circle, is told as true: anything. */
type Target<Reference, Root, Way> = Reference extends Way
  ? true
  : Reference extends '#'
    ? Told<Root, Root, Way | Reference>
    : Reference extends `${string}${'~' | '%'}${string}`
      ? true
      : Reference extends `#/${infer Path}`
        ? Told<At<Root, Path>, Root, Way | Reference>
        : true;

type At<T, Path> = Path extends `${infer Step}/${infer Rest}`
  ? Step extends keyof T
    ? At<T[Step], Rest>
    : true
  : Path extends keyof T
    ? T[Path]
    : true;

type Shape<S, Root, Way> = {
  readonly [K in keyof S as Word<K, S, Root>]: Part<K, S[K], Root, Way>;
};

/** The word under which json-schema-to-ts is told a keyword; never: it is not told. */
type Word<K, S, Root> = K extends Same ? K : K extends keyof Words<S, Root> ? Words<S, Root>[K] : never;

type Same =
  | 'type'
  | 'const'
  | 'enum'
  | 'properties'
  | 'required'
  | 'additionalProperties'
  | 'minItems'
  | 'maxItems'
  | 'allOf'
  | 'anyOf'
  | 'oneOf';

interface Words<S, Root> {
  items: HasPrefix<S, Root> extends true ? 'additionalItems' : 'items';
  prefixItems: HasPrefix<S, Root> extends true ? 'items' : never;
  additionalItems: HasPrefix<S, Root> extends true ? never : 'additionalItems';
  /** It would take the patterns to be for all other members, which may be anything. */
  patternProperties: IsOpen<S> extends true ? never : 'patternProperties';
  unevaluatedProperties: S extends { readonly patternProperties: unknown } ? never : 'unevaluatedProperties';
}

type HasPrefix<S, Root> = S extends { readonly prefixItems: readonly unknown[] }
  ? Root extends Old
    ? false
    : true
  : false;

type IsOpen<S> = S extends { readonly additionalProperties: infer Additional }
  ? Additional extends true
    ? true
    : false
  : true;

type Part<K, V, Root, Way> = K extends 'properties' | 'patternProperties'
  ? { readonly [Name in keyof V]: Told<V[Name], Root, Way> }
  : K extends 'allOf' | 'anyOf' | 'oneOf' | 'prefixItems'
    ? Each<V, Root, Way>
    : K extends 'items' | 'additionalItems' | 'additionalProperties'
      ? V extends readonly unknown[]
        ? Each<V, Root, Way>
        : Told<V, Root, Way>
      : V;

type Each<List, Root, Way> = { readonly [I in keyof List]: Told<List[I], Root, Way> };
