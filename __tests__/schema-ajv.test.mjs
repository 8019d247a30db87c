// Schema beside ajv: the same verdicts and the same issues, but where the specification says otherwise, which is named here.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import Ajv from 'ajv';
import Ajv2020 from 'ajv/dist/2020.js';
import AjvDraft4 from 'ajv-draft-04';
import addFormats from 'ajv-formats';
import { Schema } from 'breakwater';
import './helpers/rejections.mjs';

/** A stream of chances that gives the same again. */
function chances(seed) {
  let state = seed;
  return (below) => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return Math.floor((state / 2 ** 32) * below);
  };
}

function ajvFor(draft) {
  const Class = { 4: AjvDraft4.default, 7: Ajv.default }[draft] ?? Ajv2020.default;
  const ajv = new Class({ allErrors: true, strict: false, multipleOfPrecision: 12, ownProperties: true });
  addFormats.default(ajv);
  return ajv;
}

const plain = ({ keyword, instancePath, schemaPath, params, message }) => ({
  keyword,
  instancePath,
  schemaPath,
  params,
  message,
});
const sorted = (issues) =>
  issues
    .map(plain)
    .sort((a, b) =>
      JSON.stringify([a.instancePath, a.message]) < JSON.stringify([b.instancePath, b.message]) ? -1 : 1,
    );

/** [schema, document that is not valid, draft] whose issues are ajv's to the letter. */
const LETTER = [
  [{ type: 'integer' }, 1.5],
  [{ type: ['string', 'null'] }, 1],
  [{ enum: ['a', 1, null] }, 'b'],
  [{ const: { a: [1] } }, {}],
  [{ minimum: 3 }, 2],
  [{ maximum: 1.5 }, 2],
  [{ exclusiveMinimum: 2 }, 2],
  [{ exclusiveMaximum: 2 }, 2],
  [{ multipleOf: 5 }, 7],
  [{ multipleOf: 0.1 }, 0.25],
  [{ minLength: 2 }, 'x'],
  [{ maxLength: 1 }, 'xx'],
  [{ minLength: 3 }, '🦀🦀'],
  [{ pattern: '^a"\\d' }, 'b'],
  [{ format: 'date' }, '2026-13-01'],
  [{ format: 'email' }, 'x'],
  [{ minItems: 1 }, []],
  [{ maxItems: 1 }, [1, 2]],
  [{ uniqueItems: true }, [1, 2, 1]],
  [{ minProperties: 2 }, { a: 1 }],
  [{ maxProperties: 1 }, { a: 1, b: 2 }],
  [{ required: ['a', 'b'] }, {}],
  [{ required: ["it's"] }, {}],
  [{ additionalProperties: false }, { a: 1, b: 2 }],
  [
    { properties: { a: true }, additionalProperties: false },
    { a: 1, b: 2, c: 3 },
  ],
  [
    { patternProperties: { '^a': { type: 'string' } }, additionalProperties: false },
    { a: 1, b: 2 },
  ],
  [{ properties: { 'a/b~c': { type: 'string' } } }, { 'a/b~c': 1 }],
  [{ items: { type: 'string' } }, [1, 'a', 2]],
  [{ items: { properties: { a: { required: ['b'] } } } }, [{ a: {} }]],
  [{ not: { type: 'string' } }, 'x'],
  [{ contains: { type: 'string' } }, [1], '2020-12', ['contains']],
  [{ contains: { type: 'string' }, minContains: 2 }, ['a'], '2020-12'],
  [{ anyOf: [{ minimum: 3 }, { maximum: 1 }] }, 2, '2020-12', ['anyOf']],
  [{ oneOf: [{ minimum: 1 }, { minimum: 2 }] }, 3],
  [{ dependentRequired: { a: ['b', 'c'] } }, { a: 1 }, '2020-12'],
  [{ dependentRequired: { a: ['b'] } }, { a: 1 }, '2020-12'],
  [{ dependencies: { a: ['b'] } }, { a: 1 }, '7'],
  [{ dependentSchemas: { a: { required: ['b'] } } }, { a: 1 }, '2020-12'],
  [{ unevaluatedProperties: false, properties: { a: true } }, { a: 1, b: 2, c: 3 }, '2020-12'],
  [{ items: [true], additionalItems: false }, [1, 2, 3], '7'],
  [{ prefixItems: [true], items: false }, [1, 2, 3], '2020-12'],
  [{ prefixItems: [{ type: 'string' }] }, [1], '2020-12'],
  [{ $defs: { s: { type: 'string' } }, properties: { a: { $ref: '#/$defs/s' } } }, { a: 1 }, '2020-12'],
  [{ definitions: { s: { required: ['x'] } }, items: { $ref: '#/definitions/s' } }, [{}], '7'],
  [{ allOf: [{ minimum: 3 }, { multipleOf: 4 }] }, 2],
  [{ properties: { a: false } }, { a: 1 }],
  [{ properties: { additionalProperties: false } }, { additionalProperties: 5 }],
  [
    { properties: { additionalProperties: false, items: false } },
    { additionalProperties: { x: 1 }, items: [1] },
  ],
  [{ minimum: 3, exclusiveMinimum: true }, 3, '4'],
  [{ maximum: 3, exclusiveMaximum: true }, 3, '4'],
  [{ minimum: 3, exclusiveMinimum: false }, 2, '4'],
  [{ propertyNames: { minLength: 2 } }, { a: 1, bb: 2, c: 3 }, '2020-12', ['propertyNames']],
  [{ properties: { 'x y^é': { minimum: 2 } } }, { 'x y^é': 1 }],
  [false, 1],
];

for (const [schema, document, only, keywords] of LETTER) {
  for (const draft of only ? [only] : ['7', '2020-12']) {
    test(`${JSON.stringify(schema)} says of ${JSON.stringify(document)} what ajv says (${draft})`, () => {
      const validate = ajvFor(draft).compile(schema);
      assert.equal(validate(document), false);
      const theirs = validate.errors.filter(({ keyword }) => keywords?.includes(keyword) ?? true);
      const ours = new Schema(schema, { draft, maxErrors: 100 }).validate(JSON.stringify(document));
      assert.deepEqual(sorted(ours.errors), sorted(theirs));
    });
  }
}

const ORDER = {
  type: 'object',
  required: ['id', 'customer', 'items'],
  additionalProperties: false,
  properties: {
    id: { type: 'integer', minimum: 1 },
    status: { enum: ['open', 'paid', 'sent'] },
    customer: {
      type: 'object',
      required: ['email'],
      properties: { email: { type: 'string', format: 'email', maxLength: 40 }, vip: { type: 'boolean' } },
    },
    items: {
      type: 'array',
      minItems: 1,
      maxItems: 5,
      uniqueItems: true,
      items: {
        type: 'object',
        required: ['sku', 'price'],
        properties: {
          sku: { type: 'string', pattern: '^[A-Z]{3}-\\d{1,4}$' },
          price: { type: 'number', exclusiveMinimum: 0, multipleOf: 0.01 },
          tags: { type: 'array', items: { type: 'string', minLength: 1 } },
        },
      },
    },
    at: { type: 'string', format: 'date-time' },
  },
};
const document = () => ({
  id: 17,
  status: 'paid',
  customer: { email: 'ada@example.com', vip: true },
  items: [
    { sku: 'ABC-1', price: 4.35, tags: ['red'] },
    { sku: 'DEF-22', price: 19.99 },
  ],
  at: '2026-11-28T20:00:00Z',
});

/** The same document with one thing changed: a member gone, new or of another value. */
function mutate(chance) {
  const whole = document();
  const places = [];
  const walk = (holder) => {
    for (const key of Object.keys(holder)) {
      places.push([holder, key]);
      if (typeof holder[key] === 'object' && holder[key] !== null) walk(holder[key]);
    }
  };
  walk(whole);
  const values = [
    null,
    true,
    0,
    -1,
    3,
    0.015,
    1.5,
    1e21,
    '',
    'x',
    'ABC-12345',
    'é'.repeat(50),
    [],
    {},
    [1, 1],
    { sku: 'ABC-1' },
  ];
  for (let n = chance(3) + 1; n > 0; n--) {
    const [holder, key] = places[chance(places.length)];
    if (chance(3) === 0 && !Array.isArray(holder)) delete holder[key];
    else if (chance(4) === 0 && !Array.isArray(holder))
      holder[`new ${chance(3)}`] = values[chance(values.length)];
    else if (chance(5) === 0 && Array.isArray(holder)) holder.push(holder[0]);
    else holder[key] = values[chance(values.length)];
  }
  return whole;
}

test('of an order that was changed at random both say the same, and name the same keywords at the same places', () => {
  const seed = 20_261_128;
  const chance = chances(seed);
  const validate = ajvFor('2020-12').compile(ORDER);
  const schema = new Schema(ORDER, { maxErrors: 100 });
  let invalid = 0;
  for (let round = 0; round < 3_000; round++) {
    const text = JSON.stringify(mutate(chance));
    const valid = validate(JSON.parse(text));
    const ours = schema.validate(Buffer.from(text));
    assert.equal(ours.valid, valid, `seed ${seed}, round ${round}: ${text}`);
    if (valid) continue;
    invalid += 1;
    const places = (issues) =>
      [...new Set(issues.map(({ instancePath, keyword }) => `${instancePath} ${keyword}`))].sort();
    assert.deepEqual(places(ours.errors), places(validate.errors), `seed ${seed}, round ${round}: ${text}`);
  }
  assert.ok(invalid > 1_000, `${invalid}`);
});

/** [what the specification says, schema, document, verdict of ours, verdict of ajv's defaults] */
const DIFFERENCES = [
  ['19.99 is a multiple of 0.01', { multipleOf: 0.01 }, 19.99, true, false],
  ['an object has no member toString but its own', { required: ['toString'] }, {}, false, true],
];

for (const [what, schema, value, ours, theirs] of DIFFERENCES) {
  test(`differs from ajv's defaults: ${what}`, () => {
    const ajv = new Ajv2020.default({ strict: false });
    assert.equal(ajv.compile(schema)(value), theirs);
    assert.equal(new Schema(schema).isValid(JSON.stringify(value)), ours);
  });
}

test("differs from ajv's defaults: nothing counts beside a reference before 2019-09", () => {
  const schema = { definitions: { s: { type: 'string' } }, $ref: '#/definitions/s', maxLength: 1 };
  assert.equal(new Ajv.default({ strict: false }).compile(schema)('xx'), false);
  assert.equal(new Schema(schema, { draft: '7' }).isValid('"xx"'), true);
});
