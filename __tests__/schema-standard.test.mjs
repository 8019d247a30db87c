// Schema as a Standard Schema: what other libraries are told of it, and what it makes of values in memory.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { DisposedError, InvalidOptionError, Schema } from 'breakwater';
import './helpers/rejections.mjs';

const jsonSchemaOf = (schema, target) => schema['~standard'].jsonSchema.input({ target });

/** Both ways to one: the schema itself, and what comes of it by its JSON Schema. */
function bothWays(schema, documents) {
  const again = new Schema(schema);
  for (const [document, valid] of documents) {
    assert.deepEqual([schema.isValid(document), again.isValid(document)], [valid, valid], document);
  }
}

const REFS = {
  'orders@1': {
    $defs: { id: { type: 'integer' } },
    type: 'object',
    properties: { id: { $ref: '#/$defs/id' } },
  },
  'orders@2': {
    properties: {
      order: { $ref: 'orders@1' },
      at: { $ref: 'https://example.com/time.json#/$defs/instant' },
    },
  },
  'https://example.com/time.json': { $defs: { instant: { type: 'string', minLength: 20 } } },
  broken: { type: 'nothing that there is' },
};
const DOCUMENTS = [
  ['{"order":{"id":1},"at":"2026-11-28T20:00:00Z"}', true],
  ['{"order":{"id":"1"}}', false],
  ['{"at":"yesterday"}', false],
];

test('a schema of whichever draft keeps its meaning when another is made of it', () => {
  bothWays(new Schema({ type: 'array', items: [{ type: 'string' }] }, { draft: '7' }), [
    ['["a",1]', true],
    ['[1]', false],
  ]);
  bothWays(new Schema({ maximum: 5, exclusiveMaximum: true }, { draft: '4' }), [
    ['4', true],
    ['5', false],
  ]);
  bothWays(new Schema(true), [['5', true]]);
  bothWays(new Schema(false), [['5', false]]);
});

test('a schema is told in one piece with those it refers to', () => {
  for (const draft of ['4', '6', '7', '2019-09', '2020-12']) {
    bothWays(new Schema({ $ref: 'orders@2' }, { refs: REFS, draft }), DOCUMENTS);
    bothWays(new Schema({ allOf: [{ $ref: 'orders@2' }] }, { refs: REFS, draft }), DOCUMENTS);
  }
  const once = new Schema({ $ref: 'orders@2' }, { refs: REFS });
  bothWays(new Schema({ $ref: 'outer' }, { refs: { outer: once } }), DOCUMENTS);
  const named = { $id: 'https://example.com/root.json', $ref: 'time.json#/$defs/instant' };
  bothWays(new Schema(named, { refs: REFS }), [
    ['"2026-11-28T20:00:00Z"', true],
    ['"no"', false],
  ]);
  const taken = { $defs: { a: { type: 'string' } }, anyOf: [{ $ref: '#/$defs/a' }, { $ref: 'a' }] };
  bothWays(new Schema(taken, { refs: { a: { type: 'integer' } } }), [
    ['"x"', true],
    ['1', true],
    ['null', false],
  ]);
  const newer = { $schema: 'https://json-schema.org/draft/2020-12/schema', $ref: 'list' };
  bothWays(new Schema(newer, { draft: '2019-09', refs: { list: { items: [{ type: 'string' }] } } }), [
    ['["a",1]', true],
    ['[1]', false],
  ]);
});

test('what cannot stand in one schema is refused, and which of the refs it is', () => {
  const old = { $schema: 'http://json-schema.org/draft-07/schema#', items: [{ type: 'string' }] };
  const schema = new Schema({ $ref: 'list' }, { refs: { list: old } });
  assert.equal(schema.isValid('[1]'), false);
  assert.throws(() => jsonSchemaOf(schema), { code: 'ERR_INVALID_OPTION', option: 'refs["list"]' });
  assert.throws(() => new Schema(schema), { code: 'ERR_INVALID_OPTION', option: 'schema' });
});

test('a schema is told in its own draft, and in no other', () => {
  const schema = { type: 'string' };
  const $schema = 'http://json-schema.org/draft-07/schema#';
  const seventh = new Schema(schema, { draft: '7' });
  assert.deepEqual(jsonSchemaOf(seventh, 'draft-07'), { $schema, type: 'string' });
  assert.deepEqual(jsonSchemaOf(new Schema({ $schema, ...schema }), 'draft-07'), { $schema, type: 'string' });
  for (const target of ['draft-2020-12', 'openapi-3.0', 'draft-7', 7]) {
    const asked = { name: 'InvalidOptionError', option: 'target' };
    assert.throws(() => jsonSchemaOf(seventh, target), asked);
    assert.throws(() => seventh['~standard'].jsonSchema.output({ target }), asked);
  }
});

test('what JSON would make null of is not null', () => {
  const schema = new Schema({ type: 'null' });
  for (const value of [Number.NaN, Infinity, -Infinity, new Date(Number.NaN)]) {
    assert.equal(schema.check(value), false);
    assert.equal(schema['~standard'].validate(value).issues.length, 1);
  }
  assert.deepEqual([schema.check(null), schema['~standard'].validate(null)], [true, { value: null }]);
});

test('the path of an issue leads to where it is, or above it where names are long', () => {
  const long = 'k'.repeat(300);
  const schema = new Schema({ properties: { 'a/b': { additionalProperties: { type: 'string' } } } });
  const pathOf = (name) => schema['~standard'].validate({ 'a/b': { [name]: 1 } }).issues[0].path;
  assert.deepEqual(pathOf('~c'), ['a/b', '~c']);
  assert.deepEqual(pathOf('k…'), ['a/b', 'k…']);
  assert.deepEqual(pathOf(long), ['a/b']);
});

test('once it is disposed it answers nothing, whatever the value', () => {
  const schema = new Schema(true);
  const standard = schema['~standard'];
  schema.dispose();
  for (const value of [undefined, 1, Number.NaN]) {
    assert.throws(() => schema.check(value), DisposedError);
    assert.throws(() => standard.validate(value), DisposedError);
  }
  assert.ok(standard.jsonSchema.input() instanceof Object);
  assert.throws(() => Schema.prototype.check.call({}, undefined), InvalidOptionError);
});
