// What may be given to Schema as a schema, as refs and as documents, and what may not.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { runInNewContext } from 'node:vm';
import { compareSchemas, InvalidOptionError, Schema } from 'breakwater';
import { validate } from 'breakwater/express';
import './helpers/rejections.mjs';

const refused = (run, option, message = /./) =>
  assert.throws(run, (error) => {
    assert.ok(error instanceof InvalidOptionError, String(error));
    assert.equal(error.option, option);
    assert.match(error.message, message);
    return true;
  });

/** What a library exposes of a schema that answers `input` for its JSON Schema. */
const standard = (input) => ({
  '~standard': { version: 1, vendor: 'test', validate: () => ({}), jsonSchema: { input } },
});

class Model {
  type = 'string';
}

test('a promise of a schema is refused, and it is said that it was not awaited', () => {
  const load = async () => ({ type: 'object', required: ['id'] });
  const message = /a promise that was not awaited/;
  refused(() => new Schema(load()), 'schema', message);
  refused(() => Schema.from(load()), 'schema', message);
  refused(() => validate({ schema: load() }), 'schema', message);
  refused(() => compareSchemas({}, load(), 'request'), 'new', message);
  refused(() => new Schema({ $ref: 'a' }, { refs: { a: load() } }), 'refs["a"]', message);
  refused(() => new Schema({ properties: { a: load() } }), 'schema', message);
  refused(() => new Schema(standard(load)), 'schema', message);
});

test('what has no words of its own when it is written as JSON is no schema', () => {
  for (const [schema, message] of [
    [new Map([['type', 'string']]), /class Map/],
    [new Set(), /class Set/],
    [new Date(0), /JSON is neither/],
    [new Model(), /class Model/],
    [Buffer.from('{"type":"string"}'), /class Buffer/],
    [runInNewContext('new Map()'), /class Map/],
    [runInNewContext('[]'), /an array/],
    [{ properties: new Map() }, /class Map/],
    [{ properties: { at: /x/ } }, /class RegExp/],
    [{ properties: { order: new Schema(true) } }, /class Schema/],
    [
      {
        items: Object.assign(
          () => {},
          standard(() => ({})),
        ),
      },
      /a function/,
    ],
  ]) {
    refused(() => new Schema(schema), 'schema', message);
  }
  for (const refs of [new Map(), [], Promise.resolve({})]) refused(() => new Schema({}, { refs }), 'refs');
});

test('plain objects of any realm, and what says itself what its JSON is, are schemas', () => {
  for (const schema of [
    Object.assign(Object.create(null), { type: 'string' }),
    runInNewContext('({ type: "string" })'),
    JSON.parse('{"if":true,"then":{"type":"string"}}'),
    { toJSON: () => ({ type: 'string' }) },
    new (class {
      toJSON() {
        return { type: 'string' };
      }
    })(),
  ]) {
    const own = new Schema(schema, { refs: Object.create(null) });
    assert.deepEqual([own.isValid('"x"'), own.isValid('1')], [true, false]);
  }
});

test('a schema whose JSON is none is told by the option that it is', () => {
  refused(() => new Schema({ toJSON: () => undefined }), 'schema');
  refused(() => new Schema({ toJSON: () => 'text' }), 'schema');
  refused(() => new Schema({}, { refs: { a: { toJSON: () => null } } }), 'refs["a"]');
});

test('a library that has no JSON Schema for its schema is told with its reason', () => {
  const reason = new Error('Transforms cannot be represented in JSON Schema');
  const failing = standard(() => {
    throw reason;
  });
  assert.throws(
    () => new Schema(failing, { label: 'orders' }),
    (error) => {
      assert.ok(error instanceof InvalidOptionError);
      assert.deepEqual([error.option, error.primitive, error.cause], ['schema', 'orders', reason]);
      assert.match(error.message, /Transforms cannot be represented/);
      return true;
    },
  );
  refused(() => new Schema(standard(() => undefined)), 'schema');
  refused(() => new Schema(standard(() => 'text')), 'schema');
});

test('a library that has only an older draft is asked for that', () => {
  const tuple = standard(({ target }) => {
    if (target !== 'draft-07') throw new Error(`no ${target}`);
    return { type: 'array', items: [{ type: 'integer' }] };
  });
  assert.equal(new Schema(tuple).isValid('[1,"x"]'), true);
  assert.equal(new Schema(tuple).isValid('["x"]'), false);
  assert.equal(new Schema({ $ref: 'pair' }, { refs: { pair: tuple } }).isValid('["x"]'), false);
});

test('a string and bytes are no list of documents', () => {
  const schema = new Schema(true);
  for (const documents of [undefined, null, 5, {}, '["a"]', Buffer.from('[]'), new Uint8Array(2)]) {
    refused(() => schema.validateMany(documents), 'documents');
  }
  assert.equal(schema.validateMany(new Set(['1', '2'])).length, 2);
});
