// validate in Fastify 5. Of Express, and what clients are told there: validate.test.mjs.
import assert from 'node:assert/strict';
import net from 'node:net';
import { test } from 'node:test';
import zlib from 'node:zlib';
import { InvalidOptionError, ValidationError } from 'breakwater';
import { validate } from 'breakwater/fastify';
import Fastify from 'fastify';
import './helpers/rejections.mjs';

const PERSON = {
  type: 'object',
  required: ['name'],
  properties: { name: { type: 'string' }, age: { type: 'integer', minimum: 0 } },
};
const echo = async (request) => ({ body: request.body ?? null });

/** A server with a route of `schema`, and others as `more(app)` declares them. */
async function appOf(options, schema = { body: PERSON }, more = () => {}, serverOptions = {}) {
  const app = Fastify(serverOptions);
  await app.register(validate, options);
  app.post('/', { schema }, echo);
  await more(app);
  return app;
}

async function ask(app, payload, headers = {}, url = '/') {
  const request = { method: 'POST', url, headers: { 'content-type': 'application/json', ...headers } };
  const { statusCode, body, headers: fields } = await app.inject({ ...request, payload });
  return { status: statusCode, text: body, json: body === '' ? undefined : JSON.parse(body), fields };
}

const answered = async (...args) => {
  const { status, json } = await ask(...args);
  return [status, json.code ?? json];
};

test('a valid body reaches the handler parsed, over a real connection', async () => {
  const app = await appOf();
  const origin = await app.listen({ port: 0, host: '127.0.0.1' });
  const post = (body) =>
    fetch(origin, { method: 'POST', body, headers: { 'content-type': 'application/json; charset=utf-8' } });
  const response = await post('{"name":"Ann","age":5,"other":[1,{"a":null}]}');
  assert.deepEqual(await response.json(), { body: { name: 'Ann', age: 5, other: [1, { a: null }] } });
  assert.equal((await post('{}')).status, 400);
  app.server.closeAllConnections();
  await app.close();
});

test('what does not match is an error as Fastify makes them, with the issues of the schema', async () => {
  let heard;
  const app = await appOf({ maxErrors: 10 }, undefined, (app) => {
    app.setErrorHandler((error, _request, reply) => {
      heard = error;
      reply.send(error);
    });
  });
  const { status, json, text, fields } = await ask(app, '{"age":"secret value"}');
  assert.equal(status, 400);
  assert.deepEqual([json.statusCode, json.code, json.error], [400, 'FST_ERR_VALIDATION', 'Bad Request']);
  assert.match(json.message, /body\/age must be integer/);
  assert.doesNotMatch(text, /secret/);
  assert.equal(fields.connection, 'keep-alive');
  assert.equal(heard.validationContext, 'body');
  const issues = Object.fromEntries(heard.validation.map((issue) => [issue.keyword, issue]));
  assert.deepEqual(issues['required'], {
    instancePath: '',
    schemaPath: '#/required',
    keyword: 'required',
    params: { missingProperty: 'name' },
    message: "must have required property 'name'",
  });
  assert.deepEqual([issues['type'].instancePath, issues['type'].params], ['/age', { type: 'integer' }]);
});

test('schemaStatus is the status of what does not match, and of nothing else', async () => {
  const app = await appOf(
    { schemaStatus: 422 },
    { body: PERSON, querystring: { type: 'object', properties: { n: { type: 'integer' } } } },
  );
  assert.deepEqual(await answered(app, '{}'), [422, 'FST_ERR_VALIDATION']);
  assert.equal((await app.inject({ method: 'POST', url: '/' })).statusCode, 422);
  assert.deepEqual(await answered(app, '{'), [400, 'FST_ERR_CTP_INVALID_JSON_BODY']);
  assert.deepEqual(await answered(app, '{"name":"x"}', {}, '/?n=x'), [400, 'FST_ERR_VALIDATION']);
});

test('what is no JSON, and what is empty, are errors of Fastify', async () => {
  for (const options of [{}, { schemaStatus: 422 }, { body: 'document' }]) {
    const app = await appOf(options);
    const bodies = [
      '{"name":',
      '{"name":"x",}',
      '\ufeff{"name":"x"}',
      Buffer.from([...Buffer.from('{"name":"'), 0xff, ...Buffer.from('"}')]),
      '{"name":"\\ud800"}',
      '{"name":"x","name":"y"}',
    ];
    for (const body of bodies) {
      assert.deepEqual(await answered(app, body), [400, 'FST_ERR_CTP_INVALID_JSON_BODY'], String(body));
    }
    assert.deepEqual(await answered(app, ''), [400, 'FST_ERR_CTP_EMPTY_JSON_BODY']);
  }
});

test('an error handler finds out why a body is no JSON, a client does not', async () => {
  let heard;
  const app = await appOf({}, undefined, (app) => {
    app.addHook('onError', async (_request, _reply, error) => {
      heard = error;
    });
  });
  const { text } = await ask(app, '{"name":"x","name":"y"}');
  assert.doesNotMatch(text, /two members/);
  assert.ok(heard.cause instanceof ValidationError);
  assert.equal(heard.cause.errors[0].keyword, 'duplicateKeys');
});

test('names that reach a prototype are refused, on routes with a schema and without', async () => {
  const app = await appOf({}, { body: {} }, (app) => {
    app.post('/plain', echo);
    app.post(
      '/document',
      { schema: { body: {} }, config: { validate: { body: 'document' } } },
      async (request) => request.body.toObject(),
    );
  });
  const bodies = [
    '{"__proto__":{"x":1}}',
    '{"\\u005f_proto__":{"x":1}}',
    '{"a":[{"\\u005f\\u005fproto\\u005f\\u005f":5}]}',
    '{"constructor":{"prototype":{"x":1}}}',
    '{"constructor":{"prot\\u006ftype":{"x":1}}}',
  ];
  for (const url of ['/', '/plain', '/document']) {
    for (const body of bodies) {
      assert.deepEqual(
        await answered(app, body, {}, url),
        [400, 'FST_ERR_CTP_INVALID_JSON_BODY'],
        url + body,
      );
    }
    assert.equal((await ask(app, '{"constructor":5,"prototype":5}', {}, url)).status, 200);
  }
  assert.equal({}.x, undefined);
});

test('routes without a schema are as they were: onProtoPoisoning, a byte order mark, and duplicates', async () => {
  const app = Fastify({ onProtoPoisoning: 'remove', onConstructorPoisoning: 'ignore' });
  await app.register(validate);
  app.post('/', echo);
  assert.deepEqual((await ask(app, '{"__proto__":{"x":1},"a":1,"a":2}')).json, { body: { a: 2 } });
  assert.deepEqual((await ask(app, '\ufeff5')).json, { body: 5 });
  assert.deepEqual(await answered(app, ''), [400, 'FST_ERR_CTP_EMPTY_JSON_BODY']);
});

test('bodies are not coerced, given defaults or made smaller; other parts are, by ajv', async () => {
  const schema = {
    body: {
      type: 'object',
      properties: { n: { type: 'integer' }, d: { default: 5 } },
      additionalProperties: false,
    },
    querystring: {
      type: 'object',
      properties: { n: { type: 'integer' }, d: { default: 5 } },
      additionalProperties: false,
    },
    params: { type: 'object', properties: { id: { type: 'number' } } },
    headers: { type: 'object', required: ['X-Count'], properties: { 'X-Count': { type: 'integer' } } },
  };
  const app = await appOf({}, schema, (app) => {
    app.post('/all/:id', { schema }, async ({ body, query, params, headers }) => ({
      ...{ body, query, params, count: headers['x-count'] },
    }));
  });
  const headers = { 'x-count': '7' };
  const all = await ask(app, '{"n":5}', headers, '/all/12?n=3&other=1');
  assert.deepEqual(all.json, { body: { n: 5 }, query: { n: 3, d: 5 }, params: { id: 12 }, count: 7 });
  assert.deepEqual((await ask(app, '{"n":"5"}', headers, '/all/12')).json.message, 'body/n must be integer');
  assert.equal((await ask(app, '{"other":1}', headers, '/all/12')).status, 400);
  assert.match((await ask(app, '{}', headers, '/all/12?n=x')).json.message, /^querystring\/n /);
  assert.match((await ask(app, '{}', headers, '/all/x')).json.message, /^params\/id /);
  assert.match(
    (await ask(app, '{}', {}, '/all/12')).json.message,
    /^headers must have required property 'x-count'/,
  );
});

test('no body at all does not match', async () => {
  const app = await appOf();
  const { statusCode, body } = await app.inject({ method: 'POST', url: '/' });
  assert.equal(statusCode, 400);
  assert.match(body, /body must be object/);
  assert.deepEqual(await answered(app, 'null'), [400, 'FST_ERR_VALIDATION']);
  const nullable = await appOf({}, { body: { type: ['object', 'null'] } });
  assert.deepEqual((await ask(nullable, 'null')).json, { body: null });
});

test('a body may be no object', async () => {
  const app = await appOf({}, { body: { type: ['string', 'number', 'boolean'], minLength: 2, minimum: 2 } });
  for (const value of ['text', 5, true, false]) {
    assert.deepEqual((await ask(app, JSON.stringify(value))).json, { body: value });
  }
  for (const text of ['"x"', '1', 'null', '[]', '{}']) {
    assert.deepEqual(await answered(app, text), [400, 'FST_ERR_VALIDATION'], text);
  }
  // ajv would make a number of it.
  const strict = await appOf({}, { body: { type: 'integer' } });
  assert.deepEqual(await answered(strict, '"5"'), [400, 'FST_ERR_VALIDATION']);
  assert.deepEqual((await ask(strict, '5')).json, { body: 5 });
});

test('bodies of other types are parsed and validated as they were', async () => {
  const app = await appOf({}, { body: { type: 'object', properties: { n: { type: 'integer' } } } }, (app) => {
    app.addContentTypeParser(
      'application/x-www-form-urlencoded',
      { parseAs: 'string' },
      (_request, text, done) => done(null, Object.fromEntries(new URLSearchParams(text))),
    );
    app.post('/text', { schema: { body: { type: 'string', minLength: 2 } } }, echo);
  });
  const form = { 'content-type': 'application/x-www-form-urlencoded' };
  assert.deepEqual((await ask(app, 'n=5', form)).json, { body: { n: 5 } });
  assert.equal((await ask(app, 'n=x', form)).json.message, 'body/n must be integer');
  const text = { 'content-type': 'text/plain' };
  assert.deepEqual((await ask(app, 'text', text, '/text')).json, { body: 'text' });
  assert.deepEqual(await answered(app, 'x', text, '/text'), [400, 'FST_ERR_VALIDATION']);
  assert.deepEqual(await answered(app, '<a/>', { 'content-type': 'text/xml' }), [
    415,
    'FST_ERR_CTP_INVALID_MEDIA_TYPE',
  ]);
});

test('a body that a preValidation hook puts in place of another is validated by Fastify', async () => {
  const app = await appOf({}, undefined, (app) => {
    const preValidation = async (request) => {
      request.body = { ...request.body, age: '7' };
    };
    app.post('/hook', { schema: { body: PERSON }, preValidation }, echo);
  });
  assert.deepEqual((await ask(app, '{"name":"x"}', {}, '/hook')).json, { body: { name: 'x', age: 7 } });
  assert.equal((await ask(app, '{}', {}, '/hook')).status, 400);
});

test('preValidation hooks see what was sent, also when it does not match', async () => {
  const seen = [];
  const app = await appOf({}, undefined, (app) => {
    app.addHook('preValidation', async (request) => {
      seen.push(request.body);
    });
  });
  await ask(app, '{"name":"x"}');
  await ask(app, '{"age":5}');
  assert.deepEqual(seen, [{ name: 'x' }, { age: 5 }]);
});

test('what preValidation hooks make of a body is what is validated', async () => {
  const schema = { body: { type: 'object', properties: { role: { enum: ['user'] } } } };
  const merging = { preValidation: async ({ body }) => Object.assign(body, body.patch) };
  const decoding = {
    preValidation: (request, _reply, done) => {
      request.body.role = Buffer.from(request.body.role, 'base64').toString();
      done();
    },
  };
  const app = await appOf({}, schema, (app) => {
    app.post('/merging', { schema, ...merging }, echo);
    app.post('/decoding', { schema, ...decoding }, echo);
    app.register(async (scope) => {
      scope.post('/scope', { schema }, echo);
      scope.addHook('preValidation', merging.preValidation);
    });
  });
  for (const url of ['/merging', '/scope']) {
    const body = { role: 'user', patch: { role: 'admin' } };
    assert.equal((await ask(app, JSON.stringify(body), {}, url)).status, 400);
    assert.equal((await ask(app, '{"role":"user","patch":{"role":"user"}}', {}, url)).status, 200);
  }
  const encoded = JSON.stringify({ role: Buffer.from('user').toString('base64') });
  assert.deepEqual((await ask(app, encoded, {}, '/decoding')).json, { body: { role: 'user' } });
  assert.equal((await ask(app, '{"role":"user"}', {}, '/decoding')).status, 400);
});

test('a schema that ajv refuses is ours for bodies of every type', async () => {
  const schema = {
    body: { type: ['string', 'object'], maxLength: 3, format: 'of my own', maxProperties: 1 },
  };
  const app = await appOf({}, schema, (app) => {
    app.addContentTypeParser('application/x-pairs', { parseAs: 'string' }, (_request, text, done) => {
      done(null, Object.fromEntries(new URLSearchParams(text)));
    });
  });
  for (let turn = 0; turn < 2; turn++) {
    assert.equal((await ask(app, 'abc', { 'content-type': 'text/plain' })).status, 200);
    assert.equal((await ask(app, 'abcd', { 'content-type': 'text/plain' })).status, 400);
    assert.equal((await ask(app, 'a=1', { 'content-type': 'application/x-pairs' })).status, 200);
    assert.equal((await ask(app, 'a=1&b=2', { 'content-type': 'application/x-pairs' })).status, 400);
  }
});

test('a long body is validated beside the event loop', async () => {
  const app = await appOf({ maxErrors: 2 }, undefined, () => {}, { bodyLimit: 1e7 });
  const tags = Array.from({ length: 100_000 }, (_, n) => n);
  assert.equal((await ask(app, JSON.stringify({ name: 'x', tags }))).json.body.tags.length, 100_000);
  const { status, json } = await ask(app, JSON.stringify({ tags, name: 5 }));
  assert.deepEqual([status, json.message], [400, 'body/name must be string']);
  assert.deepEqual(await answered(app, JSON.stringify({ tags }).slice(0, -1)), [
    400,
    'FST_ERR_CTP_INVALID_JSON_BODY',
  ]);
});

test('routes that were declared before it was there keep the server from starting', async () => {
  const app = Fastify();
  app.register(validate);
  app.post('/early', { schema: { body: PERSON } }, echo);
  await assert.rejects(
    async () => app.ready(),
    /POST \/early was declared before validate was there: await its registration first/,
  );
  const other = Fastify();
  other.post('/outside', { schema: { body: PERSON } }, echo);
  other.register(async (scope) => {
    await scope.register(validate);
    scope.post('/inside', { schema: { body: PERSON } }, echo);
  });
  assert.equal((await ask(other, '{}', {}, '/outside')).status, 400);
  assert.equal((await ask(other, '{"name":"x"}', {}, '/inside')).status, 200);
});

test('attachValidation leaves the error to the handler', async () => {
  const app = await appOf({}, undefined, (app) => {
    const handler = async ({ body, validationError }) => ({
      body,
      context: validationError?.validationContext ?? null,
      keyword: validationError?.validation[0].keyword ?? null,
    });
    app.post('/attached', { schema: { body: PERSON }, attachValidation: true }, handler);
    app.post(
      '/document',
      { schema: { body: PERSON }, attachValidation: true, config: { validate: { body: 'document' } } },
      async ({ body }) => ({ is: body.constructor.name }),
    );
  });
  const attached = async (text) => (await ask(app, text, {}, '/attached')).json;
  assert.deepEqual(await attached('{"age":5}'), { body: { age: 5 }, context: 'body', keyword: 'required' });
  assert.deepEqual(await attached('"x"'), { body: 'x', context: 'body', keyword: 'type' });
  assert.deepEqual(await attached('null'), { body: null, context: 'body', keyword: 'type' });
  assert.deepEqual(await attached('{"name":"x"}'), { body: { name: 'x' }, context: null, keyword: null });
  assert.deepEqual((await ask(app, '{}', {}, '/document')).json, { is: 'ValidationError' });
  assert.deepEqual((await ask(app, '{"name":"x"}', {}, '/document')).json, { is: 'ValidDocument' });
});

for (const schemaStatus of [400, 422]) {
  test(`schemaErrorFormatter makes the error, of a route, a scope or a server (${schemaStatus})`, async () => {
    const formatter = (word) => (errors, part) => new Error(`${word} ${part} ${errors[0].keyword}`);
    const app = await appOf(
      { schemaStatus },
      undefined,
      async (app) => {
        app.post('/own', { schema: { body: PERSON }, schemaErrorFormatter: formatter('route') }, echo);
        await app.register(async (scope) => {
          scope.setSchemaErrorFormatter(formatter('scope'));
          scope.post('/scope', { schema: { body: PERSON } }, echo);
        });
        const teapot = () => Object.assign(new Error('tea'), { statusCode: 418 });
        app.post('/teapot', { schema: { body: PERSON }, schemaErrorFormatter: teapot }, echo);
      },
      { schemaErrorFormatter: formatter('server') },
    );
    for (const [url, word] of Object.entries({ '/': 'server', '/own': 'route', '/scope': 'scope' })) {
      const { status, json } = await ask(app, '{}', {}, url);
      assert.deepEqual([status, json.code], [schemaStatus, 'FST_ERR_VALIDATION']);
      assert.equal(json.message, `${word} body required`);
    }
    assert.equal((await ask(app, '{}', {}, '/teapot')).status, 418);
  });
}

test('a handler may take the document, which is not parsed', async () => {
  const app = await appOf({ body: 'document' }, undefined, (app) => {
    app.post('/pick', { schema: { body: PERSON } }, async ({ body }) => ({
      picked: body.pick(['/name', '/a/0']),
      bytes: String(body.bytes),
    }));
    app.post('/object', { schema: { body: PERSON }, config: { validate: { body: 'object' } } }, echo);
  });
  const { parse } = JSON;
  const parsed = [];
  const text = '{"name":"x", "a":[ 5 ]}';
  const wrong = '{"nobody":1}';
  await app.ready();
  JSON.parse = (text) => {
    parsed.push(String(text));
    return parse(text);
  };
  try {
    assert.deepEqual((await ask(app, text, {}, '/pick')).json, { picked: ['x', 5], bytes: text });
    assert.equal((await ask(app, wrong, {}, '/pick')).status, 400);
  } finally {
    JSON.parse = parse;
  }
  assert.ok(!parsed.includes(text) && !parsed.includes(wrong));
  assert.deepEqual((await ask(app, text, {}, '/object')).json.body, { name: 'x', a: [5] });
});

test('schemas that were added are found by their $id, in every scope its own', async () => {
  const app = await appOf(
    {},
    { body: { type: 'object', properties: { price: { $ref: 'money#' } } } },
    async (app) => {
      // Also after the route.
      app.addSchema({
        $id: 'money',
        type: 'object',
        required: ['amount'],
        properties: { amount: { $ref: 'http://example.com/amounts#/definitions/whole' } },
      });
      app.addSchema({
        $id: 'http://example.com/amounts',
        definitions: { whole: { type: 'integer', minimum: 1 } },
      });
      for (const [name, type] of [
        ['one', 'string'],
        ['two', 'integer'],
      ]) {
        await app.register(async (scope) => {
          scope.addSchema({ $id: 'own', definitions: { value: { type } } });
          scope.post(
            `/${name}`,
            {
              schema: {
                body: { properties: { v: { $ref: 'own#/definitions/value' }, price: { $ref: 'money#' } } },
              },
            },
            echo,
          );
        });
      }
    },
  );
  assert.equal((await ask(app, '{"price":{"amount":5}}')).status, 200);
  assert.equal((await ask(app, '{"price":{"amount":0}}')).status, 400);
  assert.equal((await ask(app, '{"price":{}}')).status, 400);
  assert.equal((await ask(app, '{"v":"x"}', {}, '/one')).status, 200);
  assert.equal((await ask(app, '{"v":5}', {}, '/one')).status, 400);
  assert.equal((await ask(app, '{"v":5}', {}, '/two')).status, 200);
  assert.equal((await ask(app, '{"v":5,"price":5}', {}, '/two')).status, 400);
});

test('schemas that no body leads to may be of any kind', async () => {
  const body = { type: 'object', properties: { a: { $ref: 'a#' } } };
  const app = await appOf({}, { body }, (app) => {
    app.addSchema({ $id: 'a', properties: { b: { $ref: 'http://example.com/b.json' } } });
    app.addSchema({ $id: 'http://example.com/b.json', properties: { c: { $ref: 'c.json#/definitions/c' } } });
    app.addSchema({ $id: 'http://example.com/c.json', definitions: { c: { type: 'integer' } } });
    app.addSchema({ $id: 'not a URI', type: 'string' });
    app.addSchema({ $id: 'dangling', $ref: 'nowhere#' });
  });
  assert.equal((await ask(app, '{"a":{"b":{"c":5}}}')).status, 200);
  assert.match((await ask(app, '{"a":{"b":{"c":"5"}}}')).json.message, /^body\/a\/b\/c must be /);
});

test('it holds for its scope and those inside', async () => {
  const app = Fastify();
  const schema = { body: { type: 'object', properties: { n: { type: 'integer' } } } };
  await app.register(async (scope) => {
    await scope.register(validate);
    scope.post('/inside', { schema }, echo);
    await scope.register(async (inner) => {
      inner.post('/deeper', { schema }, echo);
      await inner.register(async (own) => {
        await own.register(validate, { schemaStatus: 422, rejectUnknown: true });
        own.post('/own', { schema }, echo);
      });
    });
  });
  app.post('/outside', { schema }, echo);
  // ajv makes 5 of "5".
  assert.equal((await ask(app, '{"n":"5"}', {}, '/outside')).status, 200);
  assert.equal((await ask(app, '{"n":"5"}', {}, '/inside')).status, 400);
  assert.equal((await ask(app, '{"n":"5"}', {}, '/deeper')).status, 400);
  assert.equal((await ask(app, '{"n":"5"}', {}, '/own')).status, 422);
  assert.equal((await ask(app, '{"other":5}', {}, '/deeper')).status, 200);
  assert.equal((await ask(app, '{"other":5}', {}, '/own')).status, 422);
});

test('a route may have its own options, or be left to Fastify', async () => {
  const body = {
    type: 'object',
    properties: { n: { type: 'integer' }, text: { type: 'string', pattern: '^(?!x)' } },
  };
  const simple = { type: 'object', properties: { n: { type: 'integer' } } };
  const app = await appOf({}, { body: simple }, (app) => {
    app.post('/left', { schema: { body }, config: { validate: false } }, echo);
    app.post(
      '/own',
      { schema: { body: simple }, config: { validate: { rejectUnknown: true, schemaStatus: 422 } } },
      echo,
    );
    app.post('/regex', { schema: { body }, config: { validate: { regex: 'backtracking' } } }, echo);
    app.post(
      '/types',
      {
        schema: { body: { content: { 'application/json': { schema: simple } } } },
        config: { validate: { rejectUnknown: true } },
      },
      echo,
    );
  });
  assert.deepEqual((await ask(app, '{"n":"5"}', {}, '/left')).json, { body: { n: 5 } });
  assert.equal((await ask(app, '{"text":"xy"}', {}, '/left')).status, 400);
  assert.equal((await ask(app, '{"other":5}')).status, 200);
  assert.equal((await ask(app, '{"other":5}', {}, '/own')).status, 422);
  assert.equal((await ask(app, '{"other":5}', {}, '/types')).status, 400);
  assert.equal((await ask(app, '{"text":"xy"}', {}, '/regex')).status, 400);
  assert.equal((await ask(app, '{"text":"yx"}', {}, '/regex')).status, 200);
  assert.equal(Object.getOwnPropertySymbols(body).length, 0);
});

test('a schema for each content type', async () => {
  const content = {
    'application/json': { schema: PERSON },
    'application/x-www-form-urlencoded': {
      schema: { type: 'object', properties: { n: { type: 'integer' } } },
    },
  };
  const app = await appOf({}, { body: { content } }, (app) => {
    app.addContentTypeParser(
      'application/x-www-form-urlencoded',
      { parseAs: 'string' },
      (_request, text, done) => done(null, Object.fromEntries(new URLSearchParams(text))),
    );
  });
  assert.equal((await ask(app, '{"name":"x"}')).status, 200);
  assert.equal(
    (await ask(app, '{"name":5}', { 'content-type': 'Application/JSON; charset=utf-8' })).status,
    400,
  );
  assert.deepEqual(
    (await ask(app, 'n=5', { 'content-type': 'application/x-www-form-urlencoded' })).json.body,
    { n: 5 },
  );
});

test('a validator compiler of the user’s own is left alone', async () => {
  const compiler = (word) => () => (data) =>
    data?.[word] ? { value: { by: word } } : { error: new Error(`no ${word}`) };
  const app = await appOf({}, undefined, async (app) => {
    app.post('/route', { schema: { body: 'any' }, validatorCompiler: compiler('route') }, echo);
    await app.register(async (scope) => {
      scope.setValidatorCompiler(compiler('scope'));
      scope.post('/scope', { schema: { body: 'any' } }, echo);
    });
  });
  for (const word of ['route', 'scope']) {
    assert.deepEqual((await ask(app, `{"${word}":1}`, {}, `/${word}`)).json, { body: { by: word } });
    assert.equal((await ask(app, '{}', {}, `/${word}`)).json.message, `no ${word}`);
  }
  assert.equal((await ask(app, '{}')).status, 400);
  const before = Fastify();
  before.setValidatorCompiler(compiler('before'));
  await before.register(validate);
  before.post('/', { schema: { body: 'any' } }, echo);
  assert.deepEqual((await ask(before, '{"before":1}')).json, { body: { by: 'before' } });
});

test('what is too long is 413, by bodyLimit and by maxBytes', async () => {
  const app = await appOf({ maxBytes: 200 }, undefined, (app) => {
    app.post('/small', { schema: { body: PERSON }, bodyLimit: 100 }, echo);
    app.post('/large', { schema: { body: PERSON }, config: { validate: { maxBytes: 2 ** 30 } } }, echo);
  });
  const sized = (bytes) => JSON.stringify({ name: 'x'.repeat(bytes - '{"name":""}'.length) });
  assert.equal((await ask(app, sized(200))).status, 200);
  assert.deepEqual(await answered(app, sized(201)), [413, 'FST_ERR_CTP_BODY_TOO_LARGE']);
  assert.equal((await ask(app, sized(100), {}, '/small')).status, 200);
  assert.deepEqual(await answered(app, sized(101), {}, '/small'), [413, 'FST_ERR_CTP_BODY_TOO_LARGE']);
  assert.equal((await ask(app, sized(2 ** 20), {}, '/large')).status, 200);
  assert.deepEqual(await answered(app, sized(2 ** 20 + 1), {}, '/large'), [
    413,
    'FST_ERR_CTP_BODY_TOO_LARGE',
  ]);
  // Without maxBytes the limit is Fastify's, however large.
  const large = await appOf({}, undefined, undefined, { bodyLimit: 2 ** 22 });
  assert.equal((await ask(large, sized(2 ** 22))).status, 200);
});

test('what is nested too deep is 400, and does not reach the parser', async () => {
  const app = await appOf({ maxDepth: 5 }, { body: {} });
  assert.equal((await ask(app, '[[[[[]]]]]')).status, 200);
  const { status, json } = await ask(app, '[[[[[[]]]]]]');
  assert.deepEqual([status, json.code], [400, 'FST_ERR_VALIDATION']);
  assert.equal((await ask(app, '['.repeat(1_000_000))).status, 400);
});

test('a compressed body is validated when a preParsing hook has inflated it', async () => {
  const app = await appOf({}, undefined, (app) => {
    app.addHook('preParsing', async (request, _reply, payload) => {
      if (request.headers['content-encoding'] !== 'gzip') return payload;
      const inflated = payload.pipe(zlib.createGunzip());
      inflated.receivedEncodedLength = Number(request.headers['content-length']);
      return inflated;
    });
  });
  const gzip = { 'content-encoding': 'gzip' };
  assert.deepEqual((await ask(app, zlib.gzipSync('{"name":"x"}'), gzip)).json, { body: { name: 'x' } });
  assert.deepEqual(await answered(app, zlib.gzipSync('{"name":5}'), gzip), [400, 'FST_ERR_VALIDATION']);
});

test('a body in chunks is one document, and one that breaks off harms nobody', async () => {
  const app = await appOf();
  await app.listen({ port: 0, host: '127.0.0.1' });
  const socket = net.connect(app.server.address().port, '127.0.0.1');
  const head = 'POST / HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n';
  let said = '';
  socket.on('data', (chunk) => {
    said += chunk;
  });
  socket.write(`${head}Transfer-Encoding: chunked\r\n\r\n9\r\n{"name":"\r\n`);
  await new Promise((resolve) => setTimeout(resolve, 5));
  socket.write('3\r\nx"}\r\n0\r\n\r\n');
  while (!said.includes('"name":"x"')) await new Promise((resolve) => setTimeout(resolve, 5));
  socket.write(`${head}Content-Length: 500\r\n\r\n{`);
  await new Promise((resolve) => setTimeout(resolve, 5));
  socket.destroy();
  assert.equal((await ask(app, '{"name":"x"}')).status, 200);
  app.server.closeAllConnections();
  await app.close();
});

test('schemas are of draft 7 unless they say another one, and are compiled when the server starts', async () => {
  const app = await appOf({}, { body: { items: [{ type: 'integer' }, { type: 'string' }] } });
  assert.equal((await ask(app, '[1,"x"]')).status, 200);
  assert.equal((await ask(app, '["x"]')).status, 400);
  const newer = {
    $schema: 'https://json-schema.org/draft/2020-12/schema',
    prefixItems: [{ type: 'integer' }],
  };
  assert.equal((await ask(await appOf({}, { body: newer }), '["x"]')).status, 400);
  for (const body of [{ type: 'strin' }, { $ref: 'nowhere#' }]) {
    const broken = await appOf({}, { body });
    await assert.rejects(async () => broken.ready(), { code: 'FST_ERR_SCH_VALIDATION_BUILD' });
  }
});

test('request.validateInput validates values as it did', async () => {
  const app = await appOf({}, undefined, (app) => {
    app.post('/input', { schema: { body: PERSON } }, async (request) => [
      request.validateInput(request.body, 'body'),
      request.validateInput({ name: 'y' }, 'body'),
      request.validateInput({}, 'body'),
    ]);
  });
  assert.deepEqual((await ask(app, '{"name":"x"}', {}, '/input')).json, [true, true, false]);
});

test('options are checked at the registration, and with the route', async () => {
  const refused = async (options, option) => {
    const app = Fastify();
    await assert.rejects(
      async () => app.register(validate, options),
      (error) => error instanceof InvalidOptionError && error.option === option,
    );
  };
  await refused({ schemaStatus: 500 }, 'schemaStatus');
  await refused({ body: 'bytes' }, 'body');
  await refused({ maxBytes: 0 }, 'maxBytes');
  await refused({ protoKeys: 'allow' }, 'protoKeys');
  await refused({ maxErrors: '5' }, 'maxErrors');
  const app = await appOf();
  const declare = (config) => () =>
    app.post('/other', { schema: { body: PERSON }, config: { validate: config } }, echo);
  assert.throws(declare({ schemaStatus: 500 }), { option: 'config.validate.schemaStatus' });
  assert.throws(declare({ maxBytes: -1 }), { option: 'config.validate.maxBytes' });
  assert.throws(declare(true), { option: 'config.validate' });
  const bare = () => app.post('/bare', { config: { validate: { bdy: 'document' } } }, echo);
  assert.throws(bare, { option: 'config.validate.bdy' });
});
