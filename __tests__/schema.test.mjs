// Schema as a user meets it. Hostile input: schema-hostile.test.mjs. Beside ajv: schema-ajv.test.mjs. Beside the loop: schema-async.test.mjs.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { DisposedError, InvalidOptionError, Schema, SchemaError, ValidationError } from 'breakwater';
import './helpers/rejections.mjs';

const ORDER = {
  type: 'object',
  required: ['id', 'items'],
  properties: {
    id: { type: 'integer', minimum: 1 },
    note: { type: 'string', maxLength: 5 },
    items: { type: 'array', minItems: 1, items: { $ref: '#/$defs/item' } },
  },
  additionalProperties: false,
  $defs: {
    item: {
      type: 'object',
      required: ['sku'],
      properties: { sku: { type: 'string', pattern: '^[A-Z]{3}$' }, qty: { type: 'integer' } },
    },
  },
};
const VALID = { id: 7, items: [{ sku: 'ABC', qty: 2 }] };

/** The issues of a document, all there are. */
function issues(schema, document, options = {}) {
  const result = new Schema(schema, { maxErrors: 100, ...options }).validate(document);
  assert.equal(result.valid, false);
  return result.errors;
}

const reasonOf = (schema, document, options) => new Schema(schema, options).validate(document).reason;

test('bytes, strings and views of larger buffers have the same verdict', () => {
  const schema = new Schema(ORDER);
  for (const [value, valid] of [
    [VALID, true],
    [{ ...VALID, id: 0 }, false],
    [{ ...VALID, note: 'ééééé' }, true],
    [{ ...VALID, note: '🦀🦀🦀🦀🦀🦀' }, false],
  ]) {
    const text = JSON.stringify(value);
    const padded = Buffer.from(`xx${text}yy`);
    const shared = new Uint8Array(new SharedArrayBuffer(Buffer.byteLength(text)));
    shared.set(Buffer.from(text));
    for (const document of [
      text,
      Buffer.from(text),
      new Uint8Array(Buffer.from(text)),
      padded.subarray(2, -2),
      shared,
    ]) {
      assert.equal(schema.isValid(document), valid);
      assert.equal(schema.validate(document).valid, valid);
    }
    assert.equal(schema.check(value), valid);
  }
});

test('parse takes strings, bytes and memory that threads share, whatever characters there are', () => {
  const schema = new Schema(ORDER);
  for (const note of ['plain', 'é', '🦀', '\ufffd']) {
    const text = JSON.stringify({ ...VALID, note });
    const bytes = Buffer.from(text);
    const shared = new SharedArrayBuffer(bytes.length);
    new Uint8Array(shared).set(bytes);
    for (const document of [
      text,
      bytes,
      new Uint8Array(bytes),
      new Uint8Array(shared),
      Buffer.from(shared),
    ]) {
      assert.deepEqual(schema.parse(document), { ...VALID, note });
    }
    const wrong = Buffer.from(shared);
    wrong[0] = 0x5b;
    for (const document of [wrong, new Uint8Array(shared)]) {
      assert.throws(() => schema.parse(document), { code: 'ERR_VALIDATION' });
    }
  }
});

test('parse gives what JSON.parse gives, or says what is wrong', () => {
  const schema = new Schema(ORDER, { label: 'orders' });
  assert.deepEqual(schema.parse(JSON.stringify(VALID)), VALID);
  assert.deepEqual(schema.parse(Buffer.from(JSON.stringify({ ...VALID, note: 'é🦀' }))), {
    ...VALID,
    note: 'é🦀',
  });
  assert.throws(
    () => schema.parse('{"id":"7","items":[]}'),
    (error) => {
      assert.ok(error instanceof ValidationError);
      assert.deepEqual([error.code, error.kind, error.primitive], ['ERR_VALIDATION', 'schema', 'orders']);
      assert.equal(error.reason, 'schema');
      assert.equal(error.errors.length, 1);
      assert.match(error.message, /^the document .*must/);
      return true;
    },
  );
  assert.throws(() => schema.parse('{'), { reason: 'syntax' });
});

test('an open document gives single fields, and is parsed when it is wanted whole', () => {
  const schema = new Schema(true);
  const value = {
    a: { 'b/c': [1, { '~d': 'é"\\\n🦀' }] },
    n: null,
    t: true,
    big: 2 ** 70,
    f: -1.5e-3,
    '': 0,
  };
  for (const document of [JSON.stringify(value), Buffer.from(JSON.stringify(value, null, 2))]) {
    const open = schema.open(document);
    assert.deepEqual(
      open.pick([
        '/a/b~1c/0',
        '/a/b~1c/1/~0d',
        '/n',
        '/t',
        '/big',
        '/f',
        '/',
        '/no',
        '/a/b~1c/2',
        '/a/b~1c/01',
        '/a',
      ]),
      [1, 'é"\\\n🦀', null, true, 2 ** 70, -1.5e-3, 0, undefined, undefined, undefined, value.a],
    );
    assert.deepEqual(open.toObject(), value);
    assert.equal(open.toObject(), open.toObject());
    assert.deepEqual(open.get(''), value);
    assert.equal(Buffer.from(open.bytes).toString(), document.toString());
    assert.equal(open.bytes, open.bytes);
    assert.deepEqual(JSON.parse(JSON.stringify({ open })), { open: value });
    for (const wrong of ['a', '/~', '/~2', 5]) assert.throws(() => open.get(wrong), { option: 'pointer' });
  }
});

test('documents that were opened long ago are read again, and one that was changed meanwhile says so', () => {
  const schema = new Schema({ type: 'object' });
  const bytes = Buffer.from('{"n":0}');
  const first = schema.open(bytes);
  const many = Array.from({ length: 50 }, (_, n) => schema.open(`{"n":${n}}`));
  assert.deepEqual(
    many.map((open) => open.get('/n')),
    Array.from({ length: 50 }, (_, n) => n),
  );
  assert.equal(first.get('/n'), 0);
  for (let n = 0; n < 20; n++) schema.open('{}');
  bytes[0] = 0;
  assert.throws(() => first.get('/n'), { code: 'ERR_VALIDATION' });
  const large = schema.open(JSON.stringify({ n: 1, x: 'x'.repeat(900_000) }));
  for (let n = 0; n < 20; n++) schema.open(JSON.stringify({ n, x: 'x'.repeat(900_000) }));
  schema.dispose();
  assert.equal(large.get('/n'), 1);
});

test('documents of several megabytes are opened, parsed and read again like small ones', async () => {
  const schema = new Schema({ type: 'object' }, { maxBytes: 2 ** 24 });
  const text = JSON.stringify({ n: 1, x: 'é'.repeat(2_000_000), last: [2] });
  for (const document of [text, Buffer.from(text)]) {
    const opened = [schema.open(document), await schema.openAsync(document)];
    for (const open of opened) assert.deepEqual(open.pick(['/n', '/last']), [1, [2]]);
    assert.equal(schema.parse(document).n, 1);
    assert.equal((await schema.parseAsync(document)).last[0], 2);
    for (let n = 0; n < 10; n++) schema.open('{}');
    for (const open of opened) assert.equal(open.get('/x').length, 2_000_000);
  }
});

test('issues have the fields that users of ajv know', () => {
  assert.deepEqual(
    issues(ORDER, '{"id":0,"items":[{"sku":"x"},{}],"x":1,"y":2,"note":"123456"}').map(
      ({ message, ...rest }) => rest,
    ),
    [
      {
        instancePath: '/id',
        schemaPath: '#/properties/id/minimum',
        keyword: 'minimum',
        params: { comparison: '>=', limit: 1 },
      },
      {
        instancePath: '/items/0/sku',
        schemaPath: '#/$defs/item/properties/sku/pattern',
        keyword: 'pattern',
        params: { pattern: '^[A-Z]{3}$' },
      },
      {
        instancePath: '/items/1',
        schemaPath: '#/$defs/item/required',
        keyword: 'required',
        params: { missingProperty: 'sku' },
      },
      {
        instancePath: '/note',
        schemaPath: '#/properties/note/maxLength',
        keyword: 'maxLength',
        params: { limit: 5 },
      },
      {
        instancePath: '',
        schemaPath: '#/additionalProperties',
        keyword: 'additionalProperties',
        params: { additionalProperty: 'x' },
      },
      {
        instancePath: '',
        schemaPath: '#/additionalProperties',
        keyword: 'additionalProperties',
        params: { additionalProperty: 'y' },
      },
    ].sort((a, b) => order(a) - order(b)),
  );
  function order({ instancePath }) {
    return ['/id', '/items/0/sku', '/items/1', '/note', ''].indexOf(instancePath);
  }
});

test('one issue is told unless more are asked for, and it is said that there may be more', () => {
  const document = '{"a":1,"b":1,"c":1}';
  const schema = { additionalProperties: { type: 'string' } };
  assert.equal(new Schema(schema).validate(document).errors.length, 1);
  const two = new Schema(schema, { maxErrors: 2 }).validate(document);
  assert.deepEqual([two.errors.length, two.truncated], [2, true]);
  const all = new Schema(schema, { maxErrors: 3 }).validate(document);
  assert.deepEqual([all.errors.length, all.truncated], [3, false]);
});

test('of a union the branch that comes nearest is told before the union itself', () => {
  const schema = {
    oneOf: [
      {
        type: 'object',
        required: ['kind'],
        properties: { kind: { const: 'card' }, card: { properties: { no: { type: 'string' } } } },
      },
      { type: 'array' },
    ],
  };
  const [first, second] = issues(schema, '{"kind":"card","card":{"no":1}}');
  assert.deepEqual([first.instancePath, first.keyword], ['/card/no', 'type']);
  assert.deepEqual([second.instancePath, second.keyword], ['', 'oneOf']);
  assert.deepEqual(
    issues({ anyOf: [{ minimum: 3 }, { maximum: 1 }] }, '2').map(({ keyword }) => keyword),
    ['anyOf'],
  );
  assert.deepEqual(issues({ oneOf: [true, true, true] }, '1')[0].params, { passingSchemas: [0, 1] });
});

test('values stay out of issues unless they are asked for', () => {
  const schema = { properties: { card: { pattern: '^\\d+$' }, kind: { enum: ['a', 'b'] } } };
  const document = '{"card":"secret","kind":"hush"}';
  const masked = JSON.stringify(issues(schema, document));
  assert.ok(!masked.includes('secret') && !masked.includes('hush'), masked);
  assert.deepEqual(
    issues(schema, document, { maskValues: false }).map(({ data }) => data),
    ['secret', 'hush'],
  );
});

test('syntax is told by the byte, apart from what does not match the schema', () => {
  for (const [document, offset] of [
    ['', 0],
    ['{"a":1,}', 7],
    ['[1,]', 3],
    ['[1 2]', 3],
    ['nul', 0],
    ['NaN', 0],
    ['01', 1],
    ['1.', 2],
    ['-', 1],
    ['+1', 0],
    ['.5', 0],
    ['1e', 2],
    ['"\u0001"', 1],
    ['"\\x"', 1],
    ['"\\ud800"', 1],
    ['"a', 2],
    ['{"a"}', 4],
    ['{a:1}', 1],
    ['1 2', 2],
    ['[', 1],
    ['\ufeff1', 0],
    ["'a'", 0],
    ['/* */1', 0],
    ['\u00a01', 0],
  ]) {
    const result = new Schema(true).validate(document);
    assert.deepEqual([result.valid, result.reason], [false, 'syntax'], document);
    assert.equal(result.errors[0].params.offset, offset, document);
  }
  const notUtf8 = new Schema(true).validate(Buffer.from([0x22, 0xff, 0x22]));
  assert.deepEqual(
    [notUtf8.reason, notUtf8.errors[0].keyword, notUtf8.errors[0].params.offset],
    ['syntax', 'encoding', 1],
  );
});

test('half a surrogate pair in a string is refused, as it is in bytes; U+FFFD itself is text', () => {
  const schema = new Schema(true);
  for (const half of ['"\ud800"', '"\udc00x"', '{"\ud800":1}'])
    assert.equal(schema.validate(half).reason, 'syntax');
  // Nor does an escape before it, or another half, make a character of it.
  for (const half of ['"\\\ud800"', '"\\ud83d\udc00"', '"\ud83d\\udc00 x \ud900"']) {
    assert.equal(schema.isValid(half), false);
    assert.throws(() => schema.parse(half), { code: 'ERR_VALIDATION', reason: 'syntax' });
  }
  assert.equal(schema.isValid('"\ufffd"'), true);
  assert.equal(schema.isValid(Buffer.from('"\ufffd"')), true);
  assert.equal(schema.parse('"\ufffd🦀"'), '\ufffd🦀');
});

test('two members of one name are refused, or the last counts, and never the first alone', () => {
  const schema = { properties: { role: { const: 'user' } } };
  const document = '{"role":"user","role":"admin"}';
  const result = new Schema(schema).validate(document);
  assert.equal(result.reason, 'syntax');
  assert.deepEqual([result.errors[0].keyword, result.errors[0].instancePath], ['duplicateKeys', '/role']);
  assert.equal(reasonOf(schema, document, { duplicateKeys: 'last' }), 'schema');
  const last = new Schema(
    { maxProperties: 1, properties: { role: { const: 'admin' } } },
    { duplicateKeys: 'last' },
  );
  assert.equal(last.parse(document).role, 'admin');
  assert.equal(last.open('{"role":1,"r\\u006fle":"admin"}').get('/role'), 'admin');
  const { errors } = new Schema(true).validate('{"b":[{"a":1,"a":2,"data":{}}]}');
  assert.deepEqual([errors[0].instancePath, errors[0].params.offset], ['/b/0/a', 13]);
  // Many members are kept another way.
  const many = Array.from({ length: 100 }, (_, n) => `"k${n}":${n}`);
  assert.equal(new Schema(true).isValid(`{${many}}`), true);
  assert.equal(new Schema(true).isValid(`{${many},"k5":1}`), false);
  const lastOfMany = new Schema(
    { properties: { k5: { const: 1 } }, maxProperties: 100 },
    { duplicateKeys: 'last' },
  );
  assert.equal(lastOfMany.isValid(`{${many},"k5":2,"k5":1}`), true);
  assert.equal(lastOfMany.isValid(`{${many},"k5":1,"k5":2}`), false);
});

test('names that reach a prototype are data, unless they are refused', () => {
  for (const document of [
    '{"__proto__":{"x":1}}',
    '{"a":[{"\\u005f\\u005fproto__":1}]}',
    '{"constructor":{"prototype":{}}}',
  ]) {
    assert.equal(new Schema(true).isValid(document), true);
    assert.equal(reasonOf(true, document, { protoKeys: 'reject' }), 'syntax');
  }
  assert.equal(
    new Schema(true, { protoKeys: 'reject' }).isValid('{"constructor":1,"a":{"prototype":1},"proto":2}'),
    true,
  );
  assert.equal(new Schema({ required: ['toString'] }).isValid('{}'), false);
  assert.equal({}.x, undefined);
});

test('numbers are what they are written as', () => {
  const cents = new Schema({ multipleOf: 0.01 });
  for (const text of ['4.35', '19.99', '0.07', '1e2', '0']) assert.equal(cents.isValid(text), true, text);
  assert.equal(cents.isValid('4.355'), false);
  const integer = (draft) => new Schema({ type: 'integer' }, { draft });
  for (const text of ['1.0', '1E+2', '18446744073709551616', '123456789012345678901234567890', '-0']) {
    assert.equal(integer('7').isValid(text), true, text);
  }
  assert.equal(integer('4').isValid('1.0'), false);
  assert.equal(integer('4').isValid('1'), true);
  assert.equal(reasonOf(true, '[1e400]'), 'limit');
  assert.equal(reasonOf(true, `-1${'0'.repeat(400)}`), 'limit');
  assert.equal(new Schema(true).isValid('1e-400'), true);
  // What JSON.parse would have rounded is told apart.
  assert.equal(new Schema({ const: 2 ** 53 }).isValid('9007199254740993'), false);
  assert.equal(new Schema({ minimum: 2 ** 53 }).isValid('9007199254740991'), false);
});

test('items are unique by value: numbers as numbers, objects in any order', () => {
  const unique = new Schema({ uniqueItems: true }, { maxErrors: 2 });
  for (const text of ['[1,true]', '["1",1]', '[[1],[2]]', '[{"a":1},{"a":2}]', '[null,0,false,""]']) {
    assert.equal(unique.isValid(text), true, text);
  }
  for (const text of ['[1,1.0]', '[0,-0.0]', '[{"a":1,"b":2},{"b":2,"a":1}]', '[1e2,100]']) {
    assert.equal(unique.isValid(text), false, text);
    const filler = Array.from({ length: 40 }, (_, n) => `"f${n}"`);
    assert.equal(unique.isValid(`[${filler},${text.slice(1)}`), false, `${text} among many`);
  }
  assert.deepEqual(unique.validate('["a","b","c","b"]').errors[0].params, { i: 3, j: 1 });
});

test('what stands beside a reference counts from 2019-09 on', () => {
  const schema = { $defs: { list: { type: 'array' } }, $ref: '#/$defs/list', maxItems: 1 };
  assert.equal(new Schema(schema, { draft: '7' }).isValid('[1,2]'), true);
  assert.equal(new Schema(schema, { draft: '2020-12' }).isValid('[1,2]'), false);
  assert.equal(
    new Schema({ ...schema, $schema: 'http://json-schema.org/draft-07/schema#' }).isValid('[1,2]'),
    true,
  );
});

test('schemas refer to each other by name, and versions of a contract stand side by side', () => {
  const refs = {
    'orders@1': {
      $defs: { id: { type: 'integer' } },
      type: 'object',
      required: ['id'],
      properties: { id: { $ref: '#/$defs/id' } },
    },
    'orders@2': {
      type: 'object',
      properties: {
        order: { $ref: 'orders@1' },
        at: { $ref: 'https://example.com/time.json#/$defs/instant' },
      },
    },
    'https://example.com/time.json': { $defs: { instant: { type: 'string', format: 'date-time' } } },
  };
  const second = new Schema({ $ref: 'orders@2' }, { refs });
  assert.equal(second.isValid('{"order":{"id":1},"at":"2026-11-28T20:00:00Z"}'), true);
  assert.equal(second.isValid('{"order":{"id":"1"}}'), false);
  assert.equal(second.isValid('{"at":"yesterday"}'), false);
  const [issue] = issues({ $ref: 'orders@2' }, '{"order":{}}', { refs });
  assert.deepEqual([issue.instancePath, issue.keyword], ['/order', 'required']);
  assert.throws(
    () => new Schema({ $ref: 'orders@3' }, { refs }),
    (error) => error instanceof SchemaError && error.keyword === '$ref',
  );
});

test('nothing is fetched, by whichever URI', () => {
  for (const $ref of ['http://127.0.0.1:9/x.json', 'file:///etc/passwd', 'https://example.com/a.json#/b']) {
    assert.throws(() => new Schema({ $ref }), { code: 'ERR_SCHEMA', keyword: '$ref' });
  }
});

test('formats are checked unless they are not to be, and unknown ones never', () => {
  const schema = {
    properties: { at: { format: 'date-time' }, id: { format: 'uuid' }, n: { format: 'int64' } },
  };
  assert.equal(new Schema(schema).isValid('{"at":"no"}'), false);
  assert.equal(new Schema(schema, { formats: false }).isValid('{"at":"no"}'), true);
  assert.equal(
    new Schema(schema).isValid(
      '{"at":"2026-11-28T20:00:00Z","id":"6f1d6a6e-0c4b-4c3e-9d43-0f1f2b0e5a77","n":"x"}',
    ),
    true,
  );
});

test('rejectUnknown closes objects where the schema does not say otherwise', () => {
  const closed = (schema, options) => new Schema(schema, { rejectUnknown: true, ...options });
  const plain = {
    properties: { a: {}, inner: { properties: { b: {} } }, list: { items: { properties: { c: {} } } } },
  };
  assert.equal(closed(plain).isValid('{"a":1,"inner":{"b":1},"list":[{"c":1}]}'), true);
  for (const document of ['{"x":1}', '{"inner":{"x":1}}', '{"list":[{"x":1}]}'])
    assert.equal(closed(plain).isValid(document), false);
  assert.equal(new Schema(plain).isValid('{"x":1}'), true);
  // It says otherwise, or says nothing of members.
  assert.equal(closed({ ...plain, additionalProperties: true }).isValid('{"x":1}'), true);
  assert.equal(closed({ ...plain, additionalProperties: true }).isValid('{"inner":{"x":1}}'), false);
  assert.equal(closed({ type: 'object' }).isValid('{"x":1}'), true);
  assert.equal(
    closed({ properties: { a: {} }, patternProperties: { '^x-': {} } }).isValid('{"x-y":1}'),
    true,
  );
  // Schemas that apply together know together.
  for (const draft of ['4', '6', '7', '2019-09', '2020-12']) {
    const words = draft === '4' || draft === '6' || draft === '7' ? 'definitions' : '$defs';
    const whole = {
      [words]: { base: { properties: { a: {} } }, alias: { $ref: `#/${words}/base` } },
      allOf: [{ $ref: `#/${words}/base` }, { properties: { b: {} } }],
      anyOf: [{ properties: { c: {} } }, { properties: { d: {} } }],
    };
    assert.equal(closed(whole, { draft }).isValid('{"a":1,"b":1,"c":1,"d":1}'), true, draft);
    assert.equal(closed(whole, { draft }).isValid('{"a":1,"x":1}'), false, draft);
    const alone = { [words]: whole[words], $ref: `#/${words}/alias` };
    assert.equal(closed(alone, { draft }).isValid('{"a":1}'), true, draft);
    assert.equal(closed(alone, { draft }).isValid('{"x":1}'), false, draft);
  }
  const tree = { properties: { value: {}, children: { items: { $ref: '#' } } } };
  assert.equal(closed(tree).isValid('{"value":1,"children":[{"value":2,"children":[]}]}'), true);
  assert.equal(closed(tree).isValid('{"children":[{"children":[{"x":1}]}]}'), false);
});

test('rejectUnknown refuses more, never less: conditions mean what they say', () => {
  const refs = { customer: { properties: { address: { properties: { zip: {} } } } } };
  const schema = {
    properties: { meta: { properties: { kind: {}, size: {} } }, c: { $ref: 'customer' } },
    if: { properties: { meta: { properties: { kind: { const: 'small' } } } } },
    else: { properties: { meta: { properties: { size: { minimum: 100 } } } } },
  };
  const open = new Schema(schema, { refs, maxErrors: 5 });
  const closed = new Schema(schema, { refs, maxErrors: 5, rejectUnknown: true });
  const small = '{"meta":{"kind":"big","size":5}}';
  assert.deepEqual(closed.validate(small), open.validate(small));
  assert.equal(open.isValid(small), false);
  assert.equal(closed.isValid('{"meta":{"kind":"big"},"c":{"address":{"zip":1}}}'), true);
  const unknown = '{"c":{"address":{"bogus":1}}}';
  assert.equal(open.isValid(unknown), true);
  assert.deepEqual(closed.validate(unknown).errors, [
    {
      instancePath: '/c/address',
      schemaPath: 'customer#/properties/address/additionalProperties',
      keyword: 'additionalProperties',
      params: { additionalProperty: 'bogus' },
      message: 'must NOT have additional properties',
    },
  ]);
});

test('Standard Schema: ours is one, and others are taken by their JSON Schema', async () => {
  const schema = new Schema(ORDER);
  const standard = schema['~standard'];
  assert.deepEqual([standard.version, standard.vendor], [1, 'breakwater']);
  assert.deepEqual(await standard.validate(VALID), { value: VALID });
  const { issues: found } = await standard.validate({ id: 1, items: [{}] });
  assert.deepEqual(found, [{ message: "must have required property 'sku'", path: ['items', '0'] }]);
  assert.equal((await standard.validate(undefined)).issues.length, 1);
  const $schema = 'https://json-schema.org/draft/2020-12/schema';
  assert.deepEqual(standard.jsonSchema.input({ target: 'draft-2020-12' }), { $schema, ...ORDER });
  assert.equal(new Schema(schema).isValid(JSON.stringify(VALID)), true);
  const foreign = Object.assign(() => {}, {
    '~standard': {
      version: 1,
      vendor: 'test',
      validate: () => ({}),
      jsonSchema: { input: () => ({ type: 'string' }) },
    },
  });
  assert.equal(new Schema(foreign).isValid('"x"'), true);
  assert.equal(new Schema(foreign).isValid('1'), false);
  assert.throws(
    () => new Schema({ '~standard': { version: 1, vendor: 'old', validate() {} } }),
    InvalidOptionError,
  );
});

test('check sees what JSON.stringify makes of a value, and what has no JSON is not valid', () => {
  const schema = new Schema({
    properties: { at: { type: 'string', format: 'date-time' }, n: { type: ['number', 'null'] } },
  });
  assert.equal(schema.check({ at: new Date(), n: Number.NaN, no: undefined }), true);
  const circle = {};
  circle.self = circle;
  for (const value of [undefined, () => {}, Symbol('x'), 1n, { n: 1n }, circle])
    assert.equal(new Schema(true).check(value), false);
});

test('a schema that does not compile says where and why', () => {
  for (const [schema, pointer, keyword] of [
    [{ type: 'strin' }, '/type', 'type'],
    [{ properties: { a: { minLength: -1 } } }, '/properties/a/minLength', 'minLength'],
    [{ pattern: '(' }, '/pattern', 'pattern'],
    [{ items: { pattern: '(?!x)y' } }, '/items/pattern', 'pattern'],
    [{ $ref: '#/nowhere' }, '', '$ref'],
    [{ properties: 5 }, '/properties', 'properties'],
  ]) {
    assert.throws(
      () => new Schema(schema, { label: 'l' }),
      (error) => {
        assert.ok(error instanceof SchemaError, String(error));
        assert.deepEqual([error.code, error.primitive, error.keyword], ['ERR_SCHEMA', 'l', keyword]);
        assert.equal(error.pointer, pointer);
        return true;
      },
      JSON.stringify(schema),
    );
  }
  assert.throws(() => new Schema({ $schema: 'https://example.com/nobody-knows' }), SchemaError);
  assert.throws(() => new Schema({}, { refs: { 'a b:': {} } }), SchemaError);
  const refs = { fine: {}, wrong: { properties: { z: { type: 'strin' } } } };
  assert.throws(() => new Schema({ items: { $ref: 'wrong' } }, { refs }), {
    uri: 'wrong',
    pointer: '/properties/z/type',
    keyword: 'type',
  });
  assert.equal(new Schema({ pattern: '^(?!x)y' }, { regex: 'backtracking' }).isValid('"y"'), true);
});

test('wrong options and arguments are told by name', () => {
  for (const [schema, options, option] of [
    [undefined, {}, 'schema'],
    ['{}', {}, 'schema'],
    [[], {}, 'schema'],
    [{ n: 1n }, {}, 'schema'],
    [{}, { draft: '5' }, 'draft'],
    [{}, { maxErrors: 101 }, 'maxErrors'],
    [{}, { maxErrors: 0 }, 'maxErrors'],
    [{}, { maxBytes: 0.5 }, 'maxBytes'],
    [{}, { maxBytes: 2 ** 31 }, 'maxBytes'],
    [{}, { maxDepth: 513 }, 'maxDepth'],
    [{}, { regex: 'pcre' }, 'regex'],
    [{}, { duplicateKeys: 'first' }, 'duplicateKeys'],
    [{}, { protoKeys: true }, 'protoKeys'],
    [{}, { protoKeys: 'maybe' }, 'protoKeys'],
    [{}, { formats: 'yes' }, 'formats'],
    [{}, { refs: { a: 5 } }, 'refs["a"]'],
    [{}, { strict: true }, 'strict'],
    [{}, null, 'options'],
  ]) {
    assert.throws(() => new Schema(schema, options), { code: 'ERR_INVALID_OPTION', option }, option);
  }
  const schema = new Schema(true);
  for (const document of [
    undefined,
    null,
    5,
    {},
    [],
    new ArrayBuffer(2),
    new DataView(new ArrayBuffer(2)),
    new Uint16Array(2),
  ]) {
    for (const call of ['isValid', 'validate', 'parse', 'open']) {
      assert.throws(() => schema[call](document), { code: 'ERR_INVALID_OPTION', option: 'document' }, call);
    }
  }
  assert.throws(() => Schema.prototype.isValid.call({}, '1'), InvalidOptionError);
});

test('a disposed schema is of no more use, and a second dispose does nothing', () => {
  const schema = new Schema(true);
  schema.dispose();
  schema.dispose();
  for (const call of ['isValid', 'validate', 'parse', 'open', 'check'])
    assert.throws(() => schema[call]('1'), DisposedError, call);
});

test('many documents in one call', () => {
  const schema = new Schema({ type: 'integer' });
  assert.deepEqual(
    schema.validateMany(['1', Buffer.from('"x"'), '{']).map(({ valid, reason }) => reason ?? valid),
    [true, 'schema', 'syntax'],
  );
});
