/**
 * A schema in one piece, for who takes only one: its draft stands in `$schema`, and those it refers to among its definitions, each under
 * its URI, as compound documents of JSON Schema have it.
 */
import { InvalidOptionError } from './errors.js';
import { invalid } from './options.js';
import { DIALECTS } from './schema-text.js';

/** What a Schema was made of, as JSON. */
export interface SchemaSource {
  readonly schema: string;
  readonly refs: readonly SchemaPart[];
  readonly draft?: string | undefined;
}

interface SchemaPart {
  readonly uri: string;
  readonly schema: string;
}

type Words = Readonly<Record<string, unknown>>;
type Target = keyof typeof DIALECTS;

/** @throws {InvalidOptionError} for a target that the schema is not written for. */
export function inOnePiece(source: SchemaSource, target: unknown, label: string | undefined): Words {
  const root = wordsOf(source.schema);
  // What has no $schema is of the draft that was said, and what is referred to of the schema's own unless one was said.
  const draft = targetOf(root) ?? targetSaid(source.draft);
  const unsaid = source.draft === undefined ? draft : targetSaid(source.draft);
  if (target !== undefined && target !== draft) {
    throw invalid('schema', 'target', `'${draft}', as the schema is`, target, label);
  }
  const dialect = { $schema: DIALECTS[draft] };
  const parts = referred(source);
  if (parts.length === 0) return { ...dialect, ...root };

  const whole = isOld(draft) ? unhidden(root) : root;
  const place = isOld(draft) ? 'definitions' : '$defs';
  const definitions: Record<string, unknown> = { ...(whole[place] as Words | undefined) };
  for (const { uri, schema } of parts) {
    const words = wordsOf(schema);
    const own = targetOf(words) ?? unsaid;
    const idWord = own === 'draft-04' ? 'id' : '$id';
    const id = words[idWord];
    const isCalledElse = typeof id === 'string' && resolve(id, absolute(uri)) !== absolute(uri);
    // Nobody has to find a part of an older draft in a schema of a newer one, or the other way round.
    if (isCalledElse || (own !== draft && (isOld(own) || isOld(draft)))) {
      const expected = `a schema of ${draft} under its own URI, to stand in one with what refers to it`;
      const option = `refs[${JSON.stringify(uri)}]`;
      throw new InvalidOptionError(option, expected, isCalledElse ? 'another URI' : own, {
        kind: 'schema',
        primitive: label,
      });
    }
    let key = uri;
    while (Object.hasOwn(definitions, key)) key += '_';
    definitions[key] = { ...(isOld(own) ? unhidden(words) : words), ...said(own, draft), [idWord]: uri };
  }
  return { ...dialect, ...whole, [place]: definitions };
}

const said = (own: Target, around: Target): Words => (own === around ? {} : { $schema: DIALECTS[own] });

/** A boolean as an object that says the same. */
function wordsOf(text: string): Words {
  const schema: Words | boolean = JSON.parse(text);
  if (schema === true) return {};
  return schema === false ? { not: {} } : schema;
}

function targetOf({ $schema }: Words): Target | undefined {
  const uri = String($schema).replace(/#$/, '');
  return (Object.keys(DIALECTS) as Target[]).find((target) => DIALECTS[target].replace(/#$/, '') === uri);
}

function targetSaid(draft = '2020-12'): Target {
  return `draft-${draft.padStart(2, '0')}` as Target;
}

/** Whether it is of a draft where nothing beside `$ref` counts. */
function isOld(target: Target): boolean {
  return target === 'draft-04' || target === 'draft-06' || target === 'draft-07';
}

/** The same schema with its outermost `$ref`, beside which no name and no definition counts, inside. */
function unhidden(words: Words): Words {
  if (typeof words['$ref'] !== 'string') return words;
  const { $schema, $ref, definitions, $defs } = words;
  const kept = Object.entries({ $schema, definitions, $defs }).filter(([, value]) => value !== undefined);
  return { ...Object.fromEntries(kept), allOf: [{ $ref }] };
}

const BASE = 'schema:///';

function absolute(name: string): string {
  return resolve(name, BASE) ?? name;
}

/** A URI without its fragment; undefined if it is none. */
function resolve(reference: string, base: string): string | undefined {
  try {
    return new URL(reference, base).href.replace(/#.*$/, '');
  } catch {
    return undefined;
  }
}

/** Of the schemas that may be referred to, those that are; all, where a reference leads to none of them. */
function referred({ schema, refs }: SchemaSource): readonly SchemaPart[] {
  const known = new Map(refs.map((part) => [absolute(part.uri), part]));
  const found = new Set<SchemaPart>();
  const read = (text: string, base: string): boolean => {
    const words = wordsOf(text);
    const id = words['$id'] ?? words['id'];
    const own = (typeof id === 'string' ? resolve(id, base) : undefined) ?? base;
    return referencesIn(words).every((reference) => {
      if (reference.startsWith('#')) return true;
      const part = known.get(resolve(reference, own) ?? reference);
      if (part === undefined) return false;
      if (found.has(part)) return true;
      found.add(part);
      return read(part.schema, absolute(part.uri));
    });
  };
  return read(schema, BASE) ? [...found] : refs;
}

/** What any `$ref` or the like says, wherever it stands. */
function referencesIn(words: unknown): string[] {
  if (typeof words !== 'object' || words === null) return [];
  return Object.entries(words).flatMap(([word, value]) =>
    typeof value === 'string' && /^\$(?:dynamic|recursive)?[rR]ef$/.test(word)
      ? [value]
      : referencesIn(value),
  );
}
