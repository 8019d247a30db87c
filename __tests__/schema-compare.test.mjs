// compareSchemas, as a user meets it: the rules have their tests in crates/schema/tests.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { compareSchemas, Schema } from 'breakwater';
import './helpers/rejections.mjs';

const OLD = {
  type: 'object',
  required: ['id'],
  properties: { id: { type: 'integer' }, name: { type: 'string', maxLength: 50 } },
};
const with_ = (change) => ({ ...OLD, ...change });

for (const [what, newer, request, response] of [
  ['the same', OLD, true, true],
  ['another title', with_({ title: 'x' }), true, true],
  [
    'a new member that may be there',
    with_({ properties: { ...OLD.properties, age: { type: 'integer' } } }),
    false,
    true,
  ],
  ['a member that must be there', with_({ required: ['id', 'name'] }), false, true],
  ['a member that need not be there any more', with_({ required: [] }), true, false],
  [
    'a wider type',
    with_({ properties: { ...OLD.properties, id: { type: ['integer', 'string'] } } }),
    true,
    false,
  ],
  [
    'a shorter text',
    with_({ properties: { ...OLD.properties, name: { type: 'string', maxLength: 20 } } }),
    false,
    true,
  ],
  [
    'a pattern',
    with_({ properties: { ...OLD.properties, name: { type: 'string', maxLength: 50, pattern: '^a' } } }),
    false,
    true,
  ],
]) {
  test(`${what}: requests ${request}, responses ${response}`, () => {
    const asked = compareSchemas(OLD, newer, 'request');
    assert.equal(asked.compatible, request);
    assert.equal(
      asked.breaks.some(({ kind }) => kind === 'broken'),
      request === false,
    );
    assert.equal(compareSchemas(OLD, newer, 'response').compatible, response);
  });
}

test('a break says where to look', () => {
  const newer = with_({ properties: { ...OLD.properties, name: { type: 'string', maxLength: 20 } } });
  const { breaks } = compareSchemas(OLD, newer, 'request');
  assert.deepEqual(
    breaks.map(({ path, keyword, kind }) => ({ path, keyword, kind })),
    [{ path: '/properties/name/maxLength', keyword: 'maxLength', kind: 'broken' }],
  );
});

test('what cannot be proven is not known', () => {
  assert.equal(
    compareSchemas({ pattern: '^(a|b)*$' }, { pattern: '^[ab]*$' }, 'request').compatible,
    'unknown',
  );
});

test('schemas that do not compile and sides that there are not', () => {
  assert.throws(() => compareSchemas({ type: 'x' }, {}, 'request'), { code: 'ERR_SCHEMA', uri: 'old' });
  assert.throws(() => compareSchemas({}, { type: 'x' }, 'request'), { code: 'ERR_SCHEMA', uri: 'new' });
  assert.throws(() => compareSchemas({}, {}, 'both'), { option: 'side' });
  assert.throws(() => compareSchemas('{}', {}, 'request'), { option: 'old' });
  assert.throws(() => compareSchemas({}, {}, 'request', { draft: '5' }), { option: 'draft' });
  assert.throws(() => compareSchemas({}, {}, 'request', { refs: [] }), { option: 'refs' });
  assert.throws(() => compareSchemas({}, {}, 'request', { refs: { a: 5 } }), { option: 'refs["a"]' });
  assert.throws(() => compareSchemas({}, {}, 'request', { formats: true }), { option: 'formats' });
  assert.throws(() => compareSchemas({ $ref: 'a' }, {}, 'request', { refs: { a: { type: 'x' } } }), {
    code: 'ERR_SCHEMA',
  });
});

test('contracts refer to other schemas, and a break says in which of them it is', () => {
  const refs = {
    'order@1': { type: 'object', properties: { price: { $ref: 'https://example.com/money.json' } } },
    'order@2': { type: 'object', properties: { price: { $ref: 'cents' } } },
    'https://example.com/money.json': { minimum: 0 },
    cents: { minimum: 0, multipleOf: 1 },
    broken: { type: 'nothing that there is' },
  };
  const compared = (side) => compareSchemas({ $ref: 'order@1' }, { $ref: 'order@2' }, side, { refs });
  const { compatible, breaks } = compared('request');
  assert.equal(compatible, false);
  assert.deepEqual(
    breaks.map(({ uri, path, kind }) => ({ uri, path, kind })),
    [{ uri: 'cents', path: '/multipleOf', kind: 'broken' }],
  );
  assert.equal(compared('response').compatible, true);
  const [own] = compareSchemas({ maxLength: 5 }, { maxLength: 4 }, 'request').breaks;
  assert.deepEqual([own.uri, own.path], [undefined, '/maxLength']);
});

test('where a name means another schema in each contract, each brings its own', () => {
  const order = (limit) =>
    new Schema(
      { properties: { note: { $ref: 'note' } } },
      { refs: { note: { maxLength: limit } }, draft: '7' },
    );
  assert.equal(compareSchemas(order(20), order(50), 'request').compatible, true);
  assert.equal(compareSchemas(order(50), order(20), 'request').compatible, false);
});

test('a draft that schemas do not say is said beside them', () => {
  const pair = (second) => ({ type: 'array', items: [{ type: 'string' }, { type: second }] });
  const compared = (older, newer) => compareSchemas(older, newer, 'request', { draft: '7' }).compatible;
  assert.equal(compared(pair('integer'), pair('number')), true);
  assert.equal(compared(pair('number'), pair('integer')), false);
  assert.throws(() => compareSchemas(pair('number'), pair('integer'), 'request'), { code: 'ERR_SCHEMA' });
});

test('what a reference leads to and cannot be followed for certain is not known', () => {
  const refs = { tree: { $dynamicAnchor: 'node', items: { $dynamicRef: '#node' } } };
  const { compatible, breaks } = compareSchemas({ type: 'array' }, { $ref: 'tree' }, 'request', { refs });
  assert.deepEqual([compatible, breaks.length, breaks[0].kind], ['unknown', 1, 'unproven']);
});

test('contracts may have expressions that look around', () => {
  const old = { pattern: '^(?!x)y' };
  assert.equal(compareSchemas(old, { ...old, title: 'again' }, 'request').compatible, true);
});
