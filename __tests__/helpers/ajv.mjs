/** ajv as a peer, and why it may say something else than the specification. */
import { createRequire } from 'node:module';
import Ajv from 'ajv';
import Ajv2019 from 'ajv/dist/2019.js';
import Ajv2020 from 'ajv/dist/2020.js';
import Ajv4 from 'ajv-draft-04';
import addFormats from 'ajv-formats';
import { Schema } from 'breakwater';

const draftOf = ({ $schema = '' }) => /draft-0[467]|2019-09|2020-12/.exec($schema)?.[0] ?? '2020-12';

const CLASSES = {
  'draft-04': Ajv4.default ?? Ajv4,
  'draft-06': Ajv.default,
  'draft-07': Ajv.default,
  '2019-09': Ajv2019.default,
  '2020-12': Ajv2020.default,
};

/**
 * `isValid(text)` as JSON.parse and ajv have it (undefined: it throws), with ajv's defaults but for what is only advice on schemas. Where ajv takes an expression
 * only without the flag u, it gets it without.
 */
export function peerFor(definition, options) {
  try {
    return compiled(definition, options);
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
    return compiled(definition, { ...options, unicodeRegExp: false });
  }
}

function compiled(definition, options) {
  const draft = draftOf(definition);
  const ajv = new CLASSES[draft]({ strict: false, validateFormats: true, logger: false, ...options });
  addFormats.default(ajv);
  if (draft === 'draft-06')
    ajv.addMetaSchema(createRequire(import.meta.url)('ajv/dist/refs/json-schema-draft-06.json'));
  const validate = ajv.compile(definition);
  return {
    isValid(text) {
      try {
        return validate(JSON.parse(text));
      } catch (error) {
        if (error instanceof SyntaxError) return false;
        if (error instanceof TypeError && /toString|valueOf/.test(text)) return undefined;
        throw error;
      }
    },
  };
}

/** A schema in which nothing stands beside a reference. */
function alone(part) {
  if (Array.isArray(part)) return part.map(alone);
  if (typeof part !== 'object' || part === null) return part;
  const members = Object.entries(part).map(([word, inner]) => [word, alone(inner)]);
  const kept = ['$ref', '$schema', '$id', 'definitions'];
  const isReference = typeof part.$ref === 'string';
  return Object.fromEntries(isReference ? members.filter(([word]) => kept.includes(word)) : members);
}

/** A schema whose dynamic references are plain ones: the same, where each name stands once. */
function fixed(definition) {
  const places = new Map();
  const find = (part, pointer) => {
    if (typeof part !== 'object' || part === null) return;
    if (typeof part.$dynamicAnchor === 'string') places.set(`#${part.$dynamicAnchor}`, `#${pointer}`);
    for (const [word, inner] of Object.entries(part)) find(inner, `${pointer}/${word}`);
  };
  find(definition, '');
  const replace = (word, value) =>
    word === '$dynamicRef' && places.has(value) ? ['$ref', places.get(value)] : [word, walk(value)];
  const walk = (part) => {
    if (Array.isArray(part)) return part.map(walk);
    if (typeof part !== 'object' || part === null) return part;
    return Object.fromEntries(Object.entries(part).map(([word, inner]) => replace(word, inner)));
  };
  return places.size > 0 ? walk(definition) : undefined;
}

/** Peers by definition and cause, compiled when they are first asked. */
const peers = new WeakMap();

function variant(definition, cause, make) {
  const known = peers.get(definition) ?? new Map();
  peers.set(definition, known);
  if (!known.has(cause)) known.set(cause, make());
  return known.get(cause);
}

/** What the text itself is, whatever the schema. */
const TWICE = 'two members of one name: parsers disagree on them, so they are refused (RFC 8259, 4)';
const RANGE = 'a number beyond doubles, which JSON.parse reads as Infinity (RFC 8259, 6)';
const HALVES = 'half a surrogate pair, which no UTF-8 can say (RFC 8259, 8.2)';
const THROWS =
  'a member named toString or valueOf, at which ajv throws a TypeError where it compares objects';
const INHERITED =
  'members are those that stand in the text, not what every object of JavaScript inherits (RFC 8259, 4)';
/** How a cause begins that is ours: there ajv does what the specification says. */
export const KNOWN = 'known fault of ours: ';
const HALF = /\\ud[89a-f][0-9a-f]{2}/i;

const COLON =
  "no colon is in the first segment of a relative reference, which ajv-formats' uri-reference takes (RFC 3986, 4.2)";

const withoutFormats = (definition) =>
  new Schema(definition, { regex: 'backtracking', formats: false, duplicateKeys: 'last' });

/** A schema in which \\w and \\d of expressions with look-around are those of Unicode. */
function widened(part) {
  if (Array.isArray(part)) return part.map(widened);
  if (typeof part !== 'object' || part === null) return part;
  const wide = (pattern) =>
    /\(\?<?[=!]/.test(pattern)
      ? pattern.replaceAll('\\w', '[\\p{L}\\p{M}\\p{N}_]').replaceAll('\\d', '\\p{Nd}')
      : pattern;
  const members = Object.entries(part).map(([word, inner]) => [
    word,
    word === 'pattern' && typeof inner === 'string' ? wide(inner) : widened(inner),
  ]);
  return Object.fromEntries(members);
}

/** [cause, how ajv would follow the specification there]: it explains a difference if that takes the difference away. */
const ALIKE = [
  [
    'beside $ref nothing counts before 2019-09 (draft-07, 8.3)',
    (definition) => (/0[467]/.test(draftOf(definition)) ? peerFor(alone(definition)) : undefined),
  ],
  [
    '$dynamicRef leads to the $dynamicAnchor of its name, not to the root (2020-12 core, 8.2.3.2)',
    (definition) => {
      const plain = fixed(definition);
      return plain && peerFor(plain);
    },
  ],
  // Here ajv is right and the engine is not: what it hands to another one for the sake of look-around it does not translate.
  [
    `${KNOWN}\\w and \\d beside look-around are those of Unicode, where ECMA-262 (22.2.2.9) has them ASCII`,
    (definition) => peerFor(widened(definition)),
  ],
  [
    'multipleOf is exact (2020-12 validation, 6.2.1)',
    (definition) => peerFor(definition, { multipleOfPrecision: 12 }),
  ],
];

/** Why ajv says something else of this text than ours does; undefined if that is not known. */
export function causeOf(definition, text, ours, theirs) {
  if (theirs === undefined) return THROWS;
  if (!ours.valid && ours.reason !== 'schema') {
    if (!theirs) return undefined;
    const [{ keyword }] = ours.errors;
    if (keyword === 'numberRange') return RANGE;
    if (keyword === 'syntax' && HALF.test(text)) return HALVES;
    if (keyword !== 'duplicateKeys') return undefined;
    // The last one counts for JSON.parse; beyond that they may differ for another cause.
    const last = () => new Schema(definition, { regex: 'backtracking', duplicateKeys: 'last' });
    const said = variant(definition, TWICE, last).validate(text);
    return said.valid === theirs ? TWICE : causeOf(definition, text, said, theirs);
  }
  for (const [cause, make] of ALIKE) {
    const peer = variant(definition, cause, () => make(definition));
    if (peer !== undefined && peer.isValid(text) === ours.valid) return cause;
  }
  if (!ours.valid && ours.errors[0].params.format === 'uri-reference') {
    const schema = variant(definition, 'ours without formats', () => withoutFormats(definition));
    const peer = variant(definition, 'theirs without', () => peerFor(definition, { validateFormats: false }));
    if (schema.isValid(text) === peer.isValid(text)) return COLON;
  }
  // Where names of Object.prototype are looked for with `in`, and where they are said to be evaluated because they are there.
  const own = variant(definition, INHERITED, () =>
    peerFor(fixed(definition) ?? definition, { ownProperties: true }),
  );
  const renamed = text.replace(/"(constructor|toString|valueOf|hasOwnProperty|__proto__)"(?=\s*:)/g, '"$1 "');
  return [text, renamed].some((text) => own.isValid(text) === ours.valid) ? INHERITED : undefined;
}
