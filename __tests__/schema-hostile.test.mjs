// What a sender may do to a receiver with a document, and with a schema: all of it ends soon, and the process lives.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Schema } from 'breakwater';
import { runScript } from './helpers/processes.mjs';
import './helpers/rejections.mjs';
import { startThread } from './helpers/threads.mjs';

/**
 * Far above what any of this takes, and far below what it takes where it is not bounded: 38 s, or for ever. No measure of speed.
 */
const SOON_MS = 3_000;

function soon(what) {
  const start = performance.now();
  const result = what();
  const took = performance.now() - start;
  assert.ok(took < SOON_MS, `took ${took} ms`);
  return result;
}

/** Each level can be read in two ways, so who tries all of them does so 2^depth times. */
const TWICE = {
  anyOf: [
    { type: 'array', items: { $ref: '#' } },
    { type: 'array', minItems: 1, items: { $ref: '#' } },
    { const: 1 },
  ],
};
const nested = (depth, inner) => '['.repeat(depth) + inner + ']'.repeat(depth);

test('a body of 45 bytes does not hold a recursive union up, for its verdict nor for its issues', () => {
  for (const maxErrors of [1, 100]) {
    const schema = new Schema(TWICE, { maxErrors });
    assert.equal(
      soon(() => schema.isValid(nested(22, '0'))),
      false,
    );
    const { valid, reason, errors } = soon(() => schema.validate(nested(22, '0')));
    assert.deepEqual([valid, reason], [false, 'schema']);
    assert.ok(errors.length >= 1);
    assert.equal(
      soon(() => schema.isValid(nested(100, '1'))),
      true,
    );
  }
});

test('a schema whose parts double at each step ends as too costly', () => {
  const $defs = { s40: { type: 'string' } };
  for (let n = 0; n < 40; n++) {
    $defs[`s${n}`] = { allOf: [{ $ref: `#/$defs/s${n + 1}` }, { $ref: `#/$defs/s${n + 1}` }] };
  }
  const schema = new Schema({ $defs, $ref: '#/$defs/s0' });
  const { valid, reason, errors } = soon(() => schema.validate('"x"'));
  assert.deepEqual([valid, reason, errors[0]?.keyword], [false, 'limit', 'budget']);
  const names = new Schema({ $defs, propertyNames: { $ref: '#/$defs/s0' } });
  assert.equal(soon(() => names.validate('{"a":1,"b":1}')).reason, 'limit');
});

test('regular expressions take linear time, and those that cannot are refused or end', () => {
  const document = JSON.stringify(`${'a'.repeat(100_000)}!`);
  assert.equal(
    soon(() => new Schema({ pattern: '^(a+)+$' }).isValid(document)),
    false,
  );
  assert.throws(() => new Schema({ pattern: '^(?:(?!x)a|(?!y)a)*$' }), {
    code: 'ERR_SCHEMA',
    pointer: '/pattern',
  });
  assert.throws(() => new Schema({ patternProperties: { '(a)\\1': {} } }), { code: 'ERR_SCHEMA' });
  const backtracking = new Schema({ items: { pattern: '^(?:(?!x)a|(?!y)a)*$' } }, { regex: 'backtracking' });
  const strings = JSON.stringify(Array.from({ length: 64 }, () => `${'a'.repeat(3_000)}!`));
  assert.equal(
    soon(() => backtracking.isValid(strings)),
    false,
  );
  assert.throws(() => new Schema({ pattern: '((a{100}){100}){100}' }), { code: 'ERR_SCHEMA' });
  // Many patterns on one long string.
  const many = Object.fromEntries(Array.from({ length: 2_000 }, (_, n) => [`(x|y)+${n}$`, {}]));
  const long = JSON.stringify({ [`${'xy'.repeat(250_000)}`]: 1 });
  assert.ok(
    ['limit', undefined].includes(soon(() => new Schema({ patternProperties: many }).validate(long)).reason),
  );
});

test('a large expression on a long text ends as too costly, and ordinary ones are not held up', () => {
  const noise = (of) => {
    let state = 1;
    const next = () => {
      state = (state * 48_271) % 2_147_483_647;
      return of[state % of.length];
    };
    return JSON.stringify(Array.from({ length: 1_000_000 }, next).join(''));
  };
  for (const [pattern, of] of [
    ['a.{0,500}foo', 'ab'],
    ['[ab]*a[ab]{6000}x', 'ab'],
    ['\\S+@\\S{1,255}\\.\\S{2,}', '@a'],
  ]) {
    const schema = new Schema({ pattern });
    assert.equal(soon(() => schema.validate(noise(of))).reason, 'limit', pattern);
    assert.equal(schema.validate('"-"').reason, 'schema', pattern);
  }
  for (const pattern of ['(?!.*x)y', '(?=.*[A-Z])(?=.*[0-9]).{8,}']) {
    const schema = new Schema({ pattern }, { regex: 'backtracking' });
    assert.equal(soon(() => schema.validate(noise('a'))).reason, 'limit', pattern);
  }
  assert.equal(
    soon(() => new Schema({ pattern: '^[ab]*$' }).isValid(noise('ab'))),
    true,
  );
});

test('an expression that takes too many steps is an issue, wherever its text stands', () => {
  const schema = new Schema({ items: { pattern: '(a*)x\\1' } }, { regex: 'backtracking' });
  const [issue] = schema.validate(JSON.stringify(['x', 'a'.repeat(1_000)])).errors;
  assert.deepEqual([issue.instancePath, issue.keyword], ['/1', 'pattern']);
});

test('a thread that is deep in JavaScript already does not run over', async () => {
  const thread = await startThread();
  const called = await thread.run(async ({ Schema }) => {
    let inner = { items: { $ref: '#/d' } };
    for (let n = 0; n < 15; n++) inner = { anyOf: [inner, { type: 'string' }] };
    const schema = new Schema({ $ref: '#/d', d: inner });
    const text = '['.repeat(128) + ']'.repeat(128);
    let calls = 0;
    const deeper = () => {
      schema.isValid(text);
      calls += 1;
      deeper();
    };
    try {
      deeper();
    } catch (error) {
      return [error.name, calls > 100];
    }
  });
  assert.deepEqual(called, ['RangeError', true]);
  await thread.end();
});

test('nesting ends at maxDepth, of a million brackets too', () => {
  const schema = new Schema(true);
  assert.equal(schema.isValid(nested(128, '')), true);
  for (const document of [nested(129, ''), '['.repeat(1_000_000), '{"a":'.repeat(100_000)]) {
    const { reason, errors } = soon(() => schema.validate(document));
    assert.deepEqual([reason, errors[0].keyword], ['limit', 'maxDepth'], document.slice(0, 5));
  }
  assert.equal(new Schema(true, { maxDepth: 512 }).isValid(nested(512, '')), true);
  assert.equal(new Schema(true, { maxDepth: 512 }).isValid(nested(513, '')), false);
  assert.equal(new Schema(true, { maxDepth: 1 }).isValid('[[]]'), false);
});

test('deep documents meet deep schemas without the stack running over', () => {
  let schema = { items: { $ref: '#' } };
  for (let n = 0; n < 90; n++) schema = { allOf: [schema] };
  const deep = new Schema(schema, { maxDepth: 512 });
  const { valid, reason } = soon(() => deep.validate(nested(512, '')));
  assert.ok(valid || reason === 'limit');
});

test('a thread of its own compiles and validates what is as deep as may be', async () => {
  const thread = await startThread();
  const verdicts = await thread.run(async ({ Schema }) => {
    const nested = (depth, wrap) => {
      let schema = { type: ['array', 'object'] };
      for (let n = 0; n < depth; n++) schema = wrap(schema);
      return schema;
    };
    const text = (depth, open, close) => `${open.repeat(depth)}[]${close.repeat(depth)}`;
    const ask = (schema, document) =>
      new Schema(schema, { maxDepth: 512 }).validate(document).reason ?? 'valid';
    return [
      ask(
        nested(250, (items) => ({ items })),
        text(250, '[', ']'),
      ),
      ask(
        nested(120, (a) => ({ properties: { a } })),
        text(120, '{"a":', '}'),
      ),
      ask(
        nested(120, (s) => ({ allOf: [s] })),
        '[]',
      ),
      ask(
        nested(60, (s) => ({ anyOf: [{ not: { not: s } }] })),
        '[]',
      ),
      ask({ items: { $ref: '#' } }, text(400, '[', ']')),
      ask({ uniqueItems: true, items: true }, `[${text(400, '[', ']')},${text(400, '[', ']')}]`),
      ask({ const: JSON.parse(text(100, '[', ']')) }, text(100, '[', ']')),
    ];
  });
  assert.deepEqual(verdicts, ['valid', 'valid', 'valid', 'valid', 'valid', 'schema', 'valid']);
  await thread.end();
});

test('schemas that are nested or chained too deep do not compile', () => {
  let deep = {};
  for (let n = 0; n < 5_000; n++) deep = { allOf: [deep] };
  assert.throws(() => soon(() => new Schema(deep)), { name: /SchemaError|InvalidOptionError/ });
  const chain = (length) => {
    const $defs = { [`s${length}`]: { type: 'string' } };
    for (let n = 0; n < length; n++) $defs[`s${n}`] = { $ref: `#/$defs/s${n + 1}` };
    return { $defs, $ref: '#/$defs/s0' };
  };
  assert.throws(() => soon(() => new Schema(chain(5_000))), { code: 'ERR_SCHEMA' });
  assert.equal(new Schema(chain(150)).isValid('"x"'), true);
  // A long chain through members is as deep as the document, and no deeper.
  const $defs = {};
  for (let n = 0; n < 5_000; n++)
    $defs[`s${n}`] = { properties: { a: { $ref: `#/$defs/s${(n + 1) % 5_000}` } } };
  const through = soon(() => new Schema({ $defs, $ref: '#/$defs/s0' }));
  assert.equal(through.isValid(`${'{"a":'.repeat(100)}1${'}'.repeat(100)}`), true);
});

test('schemas that take too long to compile or to ask do not compile', () => {
  const doubling = (levels, keyword) => {
    const $defs = { [levels]: { properties: { a: true } } };
    for (let n = 0; n < levels; n++) {
      const $ref = `#/$defs/${n + 1}`;
      $defs[n] = { allOf: [{ $ref }, { $ref }] };
    }
    return { $defs, $ref: '#/$defs/0', [keyword]: false };
  };
  for (const keyword of ['unevaluatedProperties', 'unevaluatedItems']) {
    assert.equal(new Schema(doubling(8, keyword)).isValid('{}'), true);
    assert.throws(() => soon(() => new Schema(doubling(20, keyword))), { code: 'ERR_SCHEMA', keyword });
  }
  const $defs = {};
  for (let n = 0; n < 5_000; n++) $defs[n] = { anyOf: [{ $dynamicRef: `#/$defs/${n + 1}` }, false] };
  const dynamic = { $defs: { ...$defs, 5000: true }, $ref: '#/$defs/0' };
  assert.throws(() => soon(() => new Schema(dynamic)), { code: 'ERR_SCHEMA' });
  const listing = (count, name) => ({
    properties: Object.fromEntries(Array.from({ length: count }, (_, n) => [`${name}${n}`, true])),
  });
  const wide = new Schema({ allOf: [listing(3_000, 'a'), listing(3_000, 'b')] });
  assert.equal(
    soon(() => wide.isValid('{}')),
    true,
  );
  const listed = { code: 'ERR_SCHEMA', keyword: 'allOf' };
  assert.throws(() => soon(() => new Schema({ allOf: [listing(5_000, 'a'), listing(5_000, 'b')] })), listed);
  const both = { allOf: [{ $ref: '#/$defs/a' }, { $ref: '#/$defs/b' }] };
  const often = { $defs: { a: listing(200, 'a'), b: listing(200, 'b') }, prefixItems: Array(400).fill(both) };
  assert.throws(() => soon(() => new Schema(often)), listed);
  const alike = (count, a) => ({ items: { allOf: Array(count).fill({ properties: { a } }) } });
  for (const [count, a] of [
    [32, true],
    [1_000, { type: 'integer' }],
  ])
    assert.equal(new Schema(alike(count, a)).isValid('[{"a":1}]'), true);
  for (const a of [true, {}, { title: 'any' }, { $ref: '#/$defs/any', type: 'integer' }])
    assert.throws(() => new Schema({ ...alike(33, a), $defs: { any: true } }), listed);
  // Beside a reference, what the engine may not see stops nothing.
  for (const beside of [{}, JSON.parse('{"then":true}'), { if: true }, { not: false }, { anyOf: [true] }]) {
    const ways = { 30: { required: ['a'] } };
    for (let n = 0; n < 30; n++)
      ways[n] = { $ref: `#/$defs/${n + 1}`, $dynamicRef: `#/$defs/${n + 1}`, ...beside };
    const folded = { $defs: ways, allOf: [{ $ref: '#/$defs/0' }, { type: 'object' }] };
    assert.throws(() => soon(() => new Schema(folded)), listed, JSON.stringify(beside));
  }
  const circle = { 30: { $anchor: 'a30', required: ['a'] } };
  for (let n = 0; n < 30; n++)
    circle[n] = { $anchor: `a${n}`, $ref: `#a${n + 1}`, $dynamicRef: `#a${n + 1}` };
  const around = {
    $id: 'http://x.example/one',
    $dynamicAnchor: 'a1',
    $defs: { other: { $id: 'http://x.example/other', $defs: circle } },
    allOf: [{ $ref: 'http://x.example/other#a0' }, { required: ['a'] }],
  };
  assert.throws(() => soon(() => new Schema(around)), listed);
  const cases = Array.from({ length: 400 }, (_, n) => ({
    if: { properties: { kind: { const: n } }, required: ['kind'] },
    // biome-ignore lint/suspicious/noThenProperty: a keyword
    then: listing(100, `of${n} `),
  }));
  assert.equal(new Schema({ allOf: cases }).isValid('{"kind":7}'), true);
  const variants = Array.from({ length: 2_000 }, (_, n) => ({ properties: { [`v${n}`]: { const: n } } }));
  assert.equal(new Schema({ allOf: [{ anyOf: variants }, listing(100, 'a')] }).isValid('{"v7":7}'), true);
  const dependent = { $defs: { all: listing(1_000, 'a') }, unevaluatedProperties: false };
  dependent.dependentSchemas = Object.fromEntries(
    Array.from({ length: 300 }, (_, n) => [`d${n}`, { $ref: '#/$defs/all' }]),
  );
  assert.throws(() => soon(() => new Schema(dependent)), {
    code: 'ERR_SCHEMA',
    keyword: 'unevaluatedProperties',
  });
  const patterns = Array.from({ length: 1_000 }, (_, n) => ({ pattern: `[ab]*a[ab]{600}x${n}` }));
  assert.throws(() => soon(() => new Schema({ prefixItems: patterns })), { code: 'ERR_SCHEMA' });
});

test('many elements that are to be unique take no square of their number', () => {
  const unique = new Schema({ uniqueItems: true });
  const distinct = Array.from({ length: 20_000 }, (_, n) => ({ id: n, name: `name ${n}` }));
  assert.equal(
    soon(() => unique.isValid(JSON.stringify(distinct))),
    true,
  );
  assert.equal(
    soon(() => unique.isValid(JSON.stringify([...distinct, { name: 'name 7', id: 7 }]))),
    false,
  );
  const alike = `[${Array.from({ length: 15_000 }, (_, n) => `1${'0'.repeat(25)}${n}`)}]`;
  soon(() => unique.validate(alike));
});

test('names that hash alike cost no square of their number', () => {
  // The same length, and the same first and last eight bytes.
  const names = Array.from({ length: 20_000 }, (_, n) => `aaaaaaaa${String(n).padStart(8, '0')}bbbbbbbb`);
  const document = JSON.stringify(Object.fromEntries(names.map((name) => [name, 1])));
  assert.equal(
    soon(() => new Schema(true).isValid(document)),
    true,
  );
  const asking = new Schema({
    required: names.slice(-2_000),
    properties: { [names[5]]: { type: 'string' } },
  });
  assert.equal(
    soon(() => asking.isValid(document)),
    false,
  );
  assert.equal(
    soon(() => new Schema(true).isValid(`${document.slice(0, -1)},"${names[0]}":1}`)),
    false,
  );
});

test('a flood of errors is no flood of issues', () => {
  const schema = new Schema(
    { items: { type: 'object', required: ['a', 'b', 'c'], properties: { x: { type: 'string' } } } },
    { maxErrors: 10 },
  );
  const document = JSON.stringify(Array.from({ length: 100_000 }, () => ({ x: 1 })));
  const small = soon(() => schema.validate(document));
  assert.deepEqual([small.errors.length, small.truncated], [10, true]);
  assert.ok(JSON.stringify(small).length < 8_192);
  const wide = new Schema({ additionalProperties: false }, { maxErrors: 100 });
  const names = JSON.stringify(
    Object.fromEntries(Array.from({ length: 500 }, (_, n) => [`${n}`.repeat(500), 1])),
  );
  const told = soon(() => wide.validate(names));
  assert.equal(told.errors.length, 100);
  assert.ok(JSON.stringify(told).length < 100_000);
  const path = new Schema({ additionalProperties: { additionalProperties: { type: 'string' } } });
  const [issue] = path.validate(JSON.stringify({ ['x'.repeat(10_000)]: { ['y'.repeat(10_000)]: 1 } })).errors;
  assert.equal(issue.instancePath, `/${'x'.repeat(256)}…/${'y'.repeat(256)}…`);
  const [fault] = path.validate(`{"${'x'.repeat(10_000)}":{"${'y'.repeat(10_000)}":?}}`).errors;
  assert.equal(fault.instancePath, issue.instancePath);
  const words = Array.from({ length: 20_000 }, (_, n) => `word ${n}`);
  const listed = new Schema({ items: { enum: words } }, { maxErrors: 100 }).validate(
    `[${Array(100).fill(1)}]`,
  );
  assert.equal(listed.errors.length, 100);
  assert.equal(listed.errors[0].params.allowedValues.length, 100);
  assert.ok(JSON.stringify(listed).length < 300_000);
});

test('documents and schemas beyond their size are refused before they are read', () => {
  const schema = new Schema(true, { maxBytes: 10 });
  for (const document of ['"12345678"', Buffer.from('"12345678"')])
    assert.equal(schema.isValid(document), true);
  for (const document of ['"123456789"', Buffer.from('"123456789"'), '"éééééé"', `"${'x'.repeat(20_000)}"`]) {
    const { reason, errors } = schema.validate(document);
    assert.deepEqual([reason, errors[0].keyword], ['limit', 'maxBytes']);
  }
  assert.throws(() => new Schema({ $comment: 'x'.repeat(9 << 20) }), { code: 'ERR_SCHEMA' });
});

// In a process of its own with a small young generation: V8's own would grow by more than what is looked for.
test('schemas that are let go of leave no memory behind, disposed or collected', async () => {
  const source = `
    import { Schema } from 'breakwater';
    import { collectGarbage, residentMegabytes } from './__tests__/helpers/memory.mjs';
    const make = (n, dispose) => {
      const properties = Object.fromEntries(
        Array.from({ length: 10 }, (_, i) => [
          'field ' + n + ' ' + i,
          { type: 'string', minLength: n % 7, pattern: '^a{' + (1 + (n % 50)) + '}' },
        ]),
      );
      const schema = new Schema({ type: 'object', properties });
      if (!schema.isValid('{}')) throw new Error('is valid');
      if (dispose) schema.dispose();
    };
    const churn = async () => {
      for (let n = 0; n < 10_000; n++) {
        make(n, n >= 5_000);
        if (n % 200 === 199) await new Promise((resolve) => setImmediate(resolve));
      }
      await collectGarbage();
    };
    await churn();
    const before = await residentMegabytes();
    await churn();
    console.log((await residentMegabytes()) - before);`;
  const { stdout, stderr } = await runScript(source, { env: { NODE_OPTIONS: '--max-semi-space-size=1' } });
  assert.match(stdout, /^-?[\d.]+\n$/, stderr);
  assert.ok(Number(stdout) < 25, `10,000 schemas left ${stdout} MB`);
});

// Bun has no such switch.
test('no code is made from strings', async () => {
  const source = `import { Schema } from 'breakwater';
    console.log(new Schema({ type: 'object', required: ['a'] }).isValid('{"a":1}'));`;
  const { stdout } = await runScript(source, {
    env: { NODE_OPTIONS: '--disallow-code-generation-from-strings' },
  });
  assert.equal(stdout.trim(), 'true');
});
