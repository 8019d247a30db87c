// validate in Express 4 and 5, and what it says to clients. Of Fastify: validate-fastify.test.mjs.
import assert from 'node:assert/strict';
import { AsyncLocalStorage } from 'node:async_hooks';
import { once } from 'node:events';
import http from 'node:http';
import net from 'node:net';
import { test } from 'node:test';
import zlib from 'node:zlib';
import { InvalidOptionError, Schema, SchemaError, ValidationError } from 'breakwater';
import { validate } from 'breakwater/express';
import express5 from 'express';
import express4 from 'express4';
import './helpers/rejections.mjs';

const PERSON = {
  type: 'object',
  required: ['name'],
  properties: { name: { type: 'string' }, age: { type: 'integer', minimum: 0 }, tags: { type: 'array' } },
};
const JSON_TYPE = { 'content-type': 'application/json' };

/** Serves an app while `use(ask, port)` runs. */
async function serve(app, use) {
  const server = http.createServer(app).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address();
  const ask = async (body, headers = {}, path = '/') => {
    const response = await fetch(`http://127.0.0.1:${port}${path}`, {
      method: 'POST',
      headers: { ...JSON_TYPE, ...headers },
      body,
      ...(body instanceof ReadableStream ? { duplex: 'half' } : {}),
    });
    const text = await response.text();
    const type = response.headers.get('content-type');
    return { status: response.status, type, text, json: /json/.test(type) ? JSON.parse(text) : undefined };
  };
  try {
    await use(ask, port);
  } finally {
    server.closeAllConnections();
    server.close();
  }
}

/** Answers the body that a handler was given. */
const echo = (req, res) => res.json({ body: req.body ?? null, has: req.body !== undefined });

/** What an error handler is given. */
const tell = (error, _req, res, _next) => {
  const { status, type, code, message, errors, expose, body } = error;
  res.status(status ?? 500).json({ status, type, code, message, errors, expose, body });
};

/** What a client writes itself, piece by piece; `hears` waits for an answer. */
async function write(port, ...pieces) {
  const socket = net.connect(port, '127.0.0.1');
  let said = '';
  socket.setEncoding('latin1').on('data', (chunk) => {
    said += chunk;
  });
  socket.on('error', () => {});
  for (const piece of pieces) {
    socket.write(piece);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
  const hears = async (pattern) => {
    for (let turn = 0; turn < 1_000 && !pattern.test(said); turn++) {
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
    assert.match(said, pattern);
  };
  return { socket, hears };
}

for (const [name, express] of [
  ['Express 4', express4],
  ['Express 5', express5],
]) {
  const appOf = (options, handler = echo) => {
    const app = express();
    app.post('/', validate({ schema: PERSON, ...options }), handler);
    app.use(tell);
    return app;
  };

  test(`${name}: a valid body reaches the handler parsed`, async () => {
    await serve(appOf(), async (ask) => {
      const { status, json } = await ask('{"name":"Ann","age":5,"other":[1,{"a":null}]}');
      assert.equal(status, 200);
      assert.deepEqual(json.body, { name: 'Ann', age: 5, other: [1, { a: null }] });
    });
  });

  test(`${name}: what does not match is a problem that says where and why, and no value`, async () => {
    await serve(appOf({ maxErrors: 10 }), async (ask) => {
      const { status, type, text, json } = await ask('{"age":"secret value"}');
      assert.equal(status, 422);
      assert.equal(type, 'application/problem+json');
      const { errors, ...problem } = json;
      assert.deepEqual(problem, {
        type: 'about:blank',
        title: 'Unprocessable Content',
        status: 422,
        detail: 'The body does not match the schema.',
      });
      assert.deepEqual(
        errors.sort((a, b) => a.pointer.length - b.pointer.length),
        [
          { detail: "must have required property 'name'", pointer: '#', keyword: 'required' },
          { detail: 'must be integer', pointer: '#/age', keyword: 'type' },
        ],
      );
      assert.doesNotMatch(text, /secret/);
    });
  });

  test(`${name}: pointers are URI fragments`, async () => {
    const key = 'a/b~c %"#é';
    const schema = { properties: { [key]: { type: 'integer' } } };
    await serve(appOf({ schema }), async (ask) => {
      const { json } = await ask(JSON.stringify({ [key]: 'x' }));
      assert.equal(json.errors[0].pointer, '#/a~1b~0c%20%25%22%23%C3%A9');
    });
  });

  test(`${name}: what is no JSON is 400, whatever the status of schemas is`, async () => {
    const bodies = {
      'a half': '{"name":',
      nothing: '',
      'a comma too much': '{"name":"x",}',
      NaN: '{"name":"x","age":NaN}',
      'a byte order mark': '\ufeff{"name":"x"}',
      'half a character': Buffer.from([...Buffer.from('{"name":"'), 0xff, ...Buffer.from('"}')]),
      'half a pair': '{"name":"\\ud800"}',
      'two of a name': '{"name":"x","name":"y"}',
      'a prototype': '{"name":"x","__proto__":{"x":1}}',
      'a prototype, escaped': '{"name":"x","\\u005f_proto__":{"x":1}}',
      'a constructor': '{"name":"x","constructor":{"prototype":{"x":1}}}',
      depth: '['.repeat(129),
    };
    for (const options of [{}, { schemaStatus: 400 }, { schema: new Schema(PERSON) }]) {
      await serve(appOf(options), async (ask) => {
        for (const [what, body] of Object.entries(bodies)) {
          const { status, json } = await ask(body);
          assert.equal(status, 400, what);
          assert.equal(json.title, 'Bad Request', what);
          assert.equal(json.errors.length, 1, what);
        }
        assert.equal({}.x, undefined);
        assert.equal((await ask('{}')).status, options.schemaStatus ?? 422);
        assert.equal((await ask('{"name":"\\u0041","constructor":5}')).status, 200);
      });
    }
  });

  test(`${name}: other types, and requests without a body, pass by as they do with express.json, if that is wanted`, async () => {
    await serve(appOf({ required: false }), async (ask, port) => {
      const form = await ask('a=5', { 'content-type': 'application/x-www-form-urlencoded' });
      assert.deepEqual([form.status, form.json], [200, { body: null, has: false }]);
      const { hears, socket } = await write(port, 'POST / HTTP/1.1\r\nHost: x\r\n\r\n');
      await hears(/^HTTP\/1\.1 200 .*"has":false/s);
      socket.destroy();
      const none = await ask(undefined, { 'content-type': '' });
      assert.deepEqual([none.status, none.json], [200, { body: null, has: false }]);
      // An empty text is no JSON.
      assert.equal((await ask(undefined)).status, 400);
      for (const type of [
        'application/json; charset=utf-8',
        'application/vnd.api+json',
        'Application/JSON',
      ]) {
        assert.equal((await ask('[]', { 'content-type': type })).status, 422, type);
      }
    });
  });

  test(`${name}: other parsers may stand beside it`, async () => {
    const app = express();
    app.use(express.urlencoded({ extended: false }));
    app.post('/', validate({ schema: PERSON, required: false }), express.text(), echo);
    await serve(app, async (ask) => {
      const form = await ask('a=5', { 'content-type': 'application/x-www-form-urlencoded' });
      assert.deepEqual(form.json.body, { a: '5' });
      assert.equal((await ask('text', { 'content-type': 'text/plain' })).json.body, 'text');
      assert.deepEqual((await ask('{"name":"x"}')).json.body, { name: 'x' });
      assert.equal((await ask('{}')).status, 422);
    });
  });

  test(`${name}: what express.json would let pass by is refused`, async () => {
    const app = express();
    app.use(validate({ schema: PERSON }));
    app.use(echo);
    await serve(app, async (ask, port) => {
      const form = await ask('a=5', { 'content-type': 'application/x-www-form-urlencoded' });
      assert.equal(form.status, 415);
      assert.deepEqual(form.json, {
        type: 'about:blank',
        title: 'Unsupported Media Type',
        status: 415,
        detail: 'The body must be application/json.',
      });
      const { hears, socket } = await write(port, 'POST / HTTP/1.1\r\nHost: x\r\n\r\n');
      await hears(/^HTTP\/1\.1 400 /);
      socket.destroy();
      assert.equal((await ask('{"name":"x"}')).status, 200);
      assert.equal((await fetch(`http://127.0.0.1:${port}/`)).status, 200);
    });
  });

  test(`${name}: charsets other than UTF-8, and codings nobody knows, are 415`, async () => {
    await serve(appOf(), async (ask) => {
      for (const charset of ['utf-8', '"UTF-8"', 'utf8']) {
        const { status } = await ask('{"name":"é"}', {
          'content-type': `application/json; charset=${charset}`,
        });
        assert.equal(status, 200, charset);
      }
      for (const charset of ['latin1', 'utf-16', '"iso-8859-1"']) {
        const { status, json } = await ask('{}', { 'content-type': `application/json;charset=${charset}` });
        assert.deepEqual([status, json.detail], [415, 'The charset of the body must be UTF-8.'], charset);
      }
      for (const coding of ['shout', 'gzip, br', 'constructor']) {
        assert.equal((await ask('{}', { 'content-encoding': coding })).status, 415, coding);
      }
    });
  });

  test(`${name}: compressed bodies are inflated first`, async () => {
    await serve(appOf(), async (ask) => {
      const text = JSON.stringify({ name: 'x'.repeat(100_000) });
      for (const [coding, bytes] of [
        ['gzip', zlib.gzipSync(text)],
        ['deflate', zlib.deflateSync(text)],
        ['br', zlib.brotliCompressSync(text)],
        ['GZIP', zlib.gzipSync(text)],
        ['identity', text],
      ]) {
        const { status, json } = await ask(bytes, { 'content-encoding': coding });
        assert.deepEqual([status, json.body?.name.length], [200, 100_000], coding);
      }
      assert.equal((await ask(zlib.gzipSync('[]'), { 'content-encoding': 'gzip' })).status, 422);
    });
  });

  test(`${name}: what is not what its coding says is 400`, async () => {
    await serve(appOf(), async (ask) => {
      const whole = zlib.gzipSync('{"name":"x"}');
      for (const bytes of ['{"name":"x"}', whole.subarray(0, -9), '']) {
        const { status, json } = await ask(bytes, { 'content-encoding': 'gzip' });
        assert.equal(status, 400);
        assert.match(json.detail, /not what its content coding says|not valid JSON/);
      }
      assert.equal((await ask('{"name":"x"}', { 'content-encoding': 'br' })).status, 400);
      assert.equal((await ask(whole, { 'content-encoding': 'gzip' })).status, 200);
    });
  });

  test(`${name}: what is longer than maxBytes is 413, as it comes and inflated`, async () => {
    await serve(appOf({ maxBytes: 1000 }), async (ask, port) => {
      const sized = (bytes) => JSON.stringify({ name: 'x'.repeat(bytes - '{"name":""}'.length) });
      assert.equal((await ask(sized(1000))).status, 200);
      const { status, json } = await ask(sized(1001));
      assert.deepEqual(
        [status, json],
        [
          413,
          { type: 'about:blank', title: 'Content Too Large', status: 413, detail: 'The body is too long.' },
        ],
      );
      const gzip = { 'content-encoding': 'gzip' };
      assert.equal((await ask(zlib.gzipSync(sized(1000)), gzip)).status, 200);
      assert.equal((await ask(zlib.gzipSync(sized(1001)), gzip)).status, 413);
      const bomb = zlib.gzipSync(Buffer.alloc(50_000_000, ' '), { level: 9 });
      const before = process.memoryUsage().rss;
      assert.equal((await ask(bomb.subarray(0, 900), gzip)).status, 413);
      assert.ok(process.memoryUsage().rss - before < 40_000_000);
      assert.equal(
        (await ask(zlib.brotliCompressSync(Buffer.alloc(50_000_000)), { 'content-encoding': 'br' })).status,
        413,
      );
      // In chunks, without a length; and answered before all of it is there.
      const endless = await write(
        port,
        `POST / HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n`,
        `400\r\n${'x'.repeat(1024)}\r\n`,
        '',
        '',
      );
      await endless.hears(/^HTTP\/1\.1 413 /);
      endless.socket.destroy();
    });
  });

  test(`${name}: a body in many chunks is one document`, async () => {
    await serve(appOf(), async (ask, port) => {
      const text = Buffer.from('{"name":"äöü – 😀"}');
      const chunks = [...text].map((byte) => new Uint8Array([byte]));
      const stream = new ReadableStream({
        pull(controller) {
          const chunk = chunks.shift();
          if (chunk === undefined) controller.close();
          else controller.enqueue(chunk);
        },
      });
      assert.equal((await ask(stream)).json.body.name, 'äöü – 😀');
      const head =
        'POST / HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n';
      const { hears, socket } = await write(
        port,
        head,
        '9\r\n{"name":"\r\n',
        '3\r\nx"}\r\n',
        '0\r\n\r\n',
        '',
      );
      await hears(/"name":"x"/);
      socket.destroy();
    });
  });

  test(`${name}: a request that is broken off ends as an error, and nothing hangs`, async () => {
    const app = express();
    const heard = [];
    app.post('/', validate({ schema: PERSON }), echo);
    app.use((error, _req, _res, _next) => heard.push(error.type));
    await serve(app, async (ask, port) => {
      const head =
        'POST / HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 500\r\n\r\n';
      const text = '{"name":"x"}';
      (await write(port, head, text)).socket.destroy();
      const coded = head.replace('\r\n\r\n', '\r\nContent-Encoding: gzip\r\n\r\n');
      (await write(port, coded, zlib.gzipSync(text).subarray(0, -9))).socket.destroy();
      while (heard.length < 2) await new Promise((resolve) => setTimeout(resolve, 5));
      assert.deepEqual(heard, ['request.aborted', 'request.aborted']);
      assert.equal((await ask('{"name":"x"}')).status, 200);
    });
  });

  test(`${name}: the connection goes on after a refusal`, async () => {
    await serve(appOf({ maxBytes: 100 }), async (_ask, port) => {
      const request = (body, more = '') =>
        `POST / HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n${more}Content-Length: ${body.length}\r\n\r\n${body}`;
      const pieces = [
        request('x'.repeat(5000)),
        request('x', 'Content-Encoding: gzip\r\n'),
        request('{"name":"x"}'),
        '',
        '',
      ];
      const { hears, socket } = await write(port, ...pieces);
      await hears(/HTTP\/1\.1 413 .*HTTP\/1\.1 400 .*HTTP\/1\.1 200 /s);
      socket.destroy();
    });
  });

  test(`${name}: behind express.json it says what is wrong instead of waiting for ever`, async () => {
    const app = express();
    app.use(express.json());
    app.post('/', validate({ schema: PERSON }), echo);
    app.use(tell);
    await serve(app, async (ask) => {
      const { status, json } = await ask('{"name":"x"}');
      assert.equal(status, 500);
      assert.match(json.message, /put it before express\.json\(\), or use validate\.verify\(\) there/);
    });
  });

  test(`${name}: behind express.raw it takes the bytes that were read`, async () => {
    const app = express();
    app.post('/', express.raw({ type: 'application/json' }), validate({ schema: PERSON }), echo);
    await serve(app, async (ask) => {
      assert.deepEqual((await ask('{"name":"x"}')).json.body, { name: 'x' });
      assert.equal((await ask(zlib.gzipSync('{}'), { 'content-encoding': 'gzip' })).status, 422);
      assert.equal((await ask('{')).status, 400);
    });
  });

  test(`${name}: behind express.raw the body is no longer than maxBytes, whatever the Schema allows`, async () => {
    const schema = new Schema(PERSON, { maxBytes: 1e7 });
    const app = express();
    app.post(
      '/',
      express.raw({ type: () => true, limit: '20mb' }),
      validate({ schema, maxBytes: 100 }),
      echo,
    );
    await serve(app, async (ask) => {
      assert.equal((await ask('{"name":"x"}')).status, 200);
      assert.equal((await ask(JSON.stringify({ name: 'x'.repeat(100) }))).status, 413);
    });
  });

  test(`${name}: no name reaches a prototype, however long the body is that a Schema allows`, async () => {
    const schema = new Schema(PERSON, { maxBytes: 1e7 });
    const app = express();
    app.post(
      '/',
      express.raw({ type: () => true, limit: '20mb' }),
      validate({ schema, maxBytes: 1e7 }),
      echo,
    );
    app.post('/read', validate({ schema, maxBytes: 1e7 }), echo);
    await serve(app, async (ask) => {
      for (const path of ['/', '/read']) {
        for (const padding of ['', 'x'.repeat(2 ** 21)]) {
          const body = `{"name":"x","__proto__":{"isAdmin":true},"padding":"${padding}"}`;
          const { status, json } = await ask(body, {}, path);
          assert.deepEqual(
            [status, json.detail, json.errors[0].keyword],
            [400, 'The body has a member that it must not have.', 'protoKeys'],
          );
        }
        assert.equal((await ask(`{"name":"${'x'.repeat(2 ** 21)}"}`, {}, path)).status, 200);
      }
    });
  });

  test(`${name}: express.json behind it knows that the body was read`, async () => {
    const app = express();
    app.post('/', validate({ schema: PERSON }), express.json(), echo);
    await serve(app, async (ask) => {
      assert.deepEqual((await ask('{"name":"x"}')).json.body, { name: 'x' });
    });
  });

  test(`${name}: a DELETE that announces no byte of JSON has no body`, async () => {
    const app = express();
    app.delete('/', validate({ schema: PERSON }), echo);
    await serve(app, async (_ask, port) => {
      const head = `DELETE / HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 0\r\n\r\n`;
      const { socket, hears } = await write(port, head);
      await hears(/^HTTP\/1\.1 200 .*}/s);
      socket.destroy();
    });
  });

  for (const body of ['object', 'document']) {
    test(`${name}: a long body is validated beside the event loop (${body})`, async () => {
      const storage = new AsyncLocalStorage();
      const app = express();
      app.use((_req, _res, next) => storage.run('known', next));
      const handler = (req, res) => {
        const many = body === 'object' ? req.body.tags.length : req.body.toObject().tags.length;
        res.json({ many, known: storage.getStore() });
      };
      app.post('/', validate({ schema: PERSON, body, maxBytes: 1e7, maxErrors: 2 }), handler);
      await serve(app, async (ask) => {
        const tags = Array.from({ length: 100_000 }, (_, n) => n);
        const valid = await ask(JSON.stringify({ name: 'x', tags }));
        assert.deepEqual(valid.json, { many: 100_000, known: 'known' });
        const wrong = await ask(JSON.stringify({ tags, name: 5, age: -1 }));
        assert.equal(wrong.status, 422);
        assert.deepEqual(wrong.json.errors.map(({ pointer }) => pointer).sort(), ['#/age', '#/name']);
        assert.equal((await ask(JSON.stringify({ tags }).slice(0, -1))).status, 400);
      });
    });
  }

  test(`${name}: a handler may take the document, which is not parsed`, async () => {
    const options = { body: 'document' };
    const handler = ({ body }, res) => {
      const [first, none] = body.pick(['/tags/0', '/none']);
      res.json({ first, none: none ?? null, bytes: String(body.bytes) });
    };
    const { parse } = JSON;
    const parsed = [];
    JSON.parse = (text) => {
      parsed.push(String(text));
      return parse(text);
    };
    try {
      await serve(appOf(options, handler), async (ask) => {
        const text = '{"name":"x", "tags":[ 5 ]}';
        assert.deepEqual((await ask(text)).json, { first: 5, none: null, bytes: text });
        const nobody = '{"nobody":1}';
        assert.equal((await ask(nobody)).status, 422);
        assert.ok(!parsed.includes(text) && !parsed.includes(nobody));
      });
    } finally {
      JSON.parse = parse;
    }
  });

  test(`${name}: onInvalid answers in place of the problem`, async () => {
    const onInvalid = (req, res, failure) => res.json({ path: req.path, status: res.statusCode, failure });
    await serve(appOf({ onInvalid, schemaStatus: 400 }), async (ask) => {
      const { status, json } = await ask('{"name":5}');
      assert.equal(status, 400);
      assert.deepEqual([json.path, json.status, json.failure.reason], ['/', 400, 'schema']);
      assert.deepEqual(json.failure.errors[0].instancePath, '/name');
    });
  });

  for (const [how, onInvalid] of [
    ['throws', () => assert.fail('no')],
    ['rejects with', async () => assert.fail('no')],
  ]) {
    test(`${name}: what onInvalid ${how} goes to the error middleware`, async () => {
      await serve(appOf({ onInvalid }), async (ask) => {
        const { status, json } = await ask('{"name":5}');
        assert.deepEqual([status, json.message], [500, 'no']);
      });
    });
  }

  test(`${name}: refuseWith 'error' hands errors to the error middleware`, async () => {
    await serve(appOf({ refuseWith: 'error', maxBytes: 100, required: true }), async (ask) => {
      const invalidBody = await ask('{"name":5}');
      assert.equal(invalidBody.status, 422);
      assert.deepEqual(
        [invalidBody.json.type, invalidBody.json.code, invalidBody.json.expose, invalidBody.json.message],
        ['schema.invalid', 'ERR_VALIDATION', true, 'the document /name must be string'],
      );
      assert.equal(invalidBody.json.errors[0].keyword, 'type');
      const typeOf = async (...args) => {
        const { status, json } = await ask(...args);
        return [status, json.type];
      };
      assert.deepEqual(await typeOf('{'), [400, 'entity.parse.failed']);
      assert.deepEqual(await typeOf('x'.repeat(101)), [413, 'entity.too.large']);
      assert.deepEqual(await typeOf('{}', { 'content-encoding': 'x' }), [415, 'encoding.unsupported']);
      assert.deepEqual(await typeOf('{}', { 'content-encoding': 'gzip' }), [400, 'encoding.broken']);
      assert.deepEqual(await typeOf('{}', { 'content-type': 'text/plain' }), [415, 'type.unsupported']);
      assert.deepEqual(await typeOf(undefined, { 'content-type': '' }), [400, 'body.missing']);
    });
  });

  test(`${name}: what is known of a request before the body is read is known after it`, async () => {
    const storage = new AsyncLocalStorage();
    const app = express();
    app.use((req, _res, next) => storage.run(req.headers['x-id'], next));
    app.post('/', validate({ schema: PERSON }), (_req, res) => res.json({ id: storage.getStore() }));
    await serve(app, async (ask) => {
      const ids = ['1', '2', '3'];
      const told = await Promise.all(ids.map((id) => ask('{"name":"x"}', { 'x-id': id })));
      assert.deepEqual(
        told.map(({ json }) => json.id),
        ids,
      );
    });
  });

  test(`${name}: a Schema that was made elsewhere is taken as it is, but for names that reach a prototype`, async () => {
    const schema = new Schema(PERSON, { maxErrors: 5, rejectUnknown: true, duplicateKeys: 'last' });
    await serve(appOf({ schema }), async (ask) => {
      assert.equal((await ask('{"name":5,"name":"x"}')).status, 200);
      assert.equal((await ask('{"other":5}')).json.errors.length, 2);
      assert.equal((await ask('{"name":"x","__proto__":5}')).json.errors[0].keyword, 'protoKeys');
      schema.dispose();
      assert.equal((await ask('{"name":"x"}')).status, 500);
    });
  });

  test(`${name}: express.json with verify refuses before it parses`, async () => {
    const app = express();
    app.use(express.json({ verify: validate.verify(PERSON, { maxErrors: 2 }), limit: 200, strict: false }));
    app.post('/', echo);
    app.use(tell);
    await serve(app, async (ask) => {
      assert.deepEqual((await ask('{"name":"x"}')).json.body, { name: 'x' });
      const { status, json, text } = await ask('{"name":12345}');
      assert.deepEqual(
        [status, json.type, json.code, json.expose],
        [422, 'schema.invalid', 'ERR_VALIDATION', true],
      );
      assert.equal(json.errors[0].instancePath, '/name');
      assert.equal(json.body, undefined);
      assert.doesNotMatch(text, /12345/);
      const refused = async (...args) => {
        const { status, json } = await ask(...args);
        return [status, json.type];
      };
      assert.deepEqual(await refused('{"name"'), [400, 'entity.parse.failed']);
      assert.deepEqual(await refused(''), [400, 'entity.parse.failed']);
      assert.deepEqual(await refused('{"name":"x","__proto__":{}}'), [400, 'entity.parse.failed']);
      assert.deepEqual(await refused('x'.repeat(201)), [413, 'entity.too.large']);
      assert.deepEqual(await refused(zlib.gzipSync('5'), { 'content-encoding': 'gzip' }), [
        422,
        'schema.invalid',
      ]);
      const utf16 = { 'content-type': 'application/json; charset=utf-16le' };
      assert.deepEqual(await refused(Buffer.from('{"name":5}', 'utf16le'), utf16), [
        415,
        'charset.unsupported',
      ]);
    });
  });

  test(`${name}: verify has its status by option, and takes a Schema`, async () => {
    const app = express();
    app.use(express.json({ verify: validate.verify(new Schema(PERSON), { schemaStatus: 400 }) }));
    app.post('/', echo);
    app.use(tell);
    await serve(app, async (ask) => {
      const { status, json } = await ask('{}');
      assert.deepEqual([status, json.type], [400, 'schema.invalid']);
      assert.equal((await ask('{"name":"x","__proto__":{}}')).json.type, 'entity.parse.failed');
    });
  });
}

test('options are checked when the middleware is made', () => {
  const refused = (options, option) => {
    assert.throws(
      () => validate(options),
      (error) => error instanceof InvalidOptionError && error.option === option,
      option,
    );
  };
  refused(undefined, 'options');
  refused({}, 'schema');
  refused({ schema: 'string' }, 'schema');
  refused({ schema: PERSON, schemaStatus: 418 }, 'schemaStatus');
  refused({ schema: PERSON, body: 'text' }, 'body');
  refused({ schema: PERSON, maxBytes: 0 }, 'maxBytes');
  refused({ schema: PERSON, maxErrors: 0 }, 'maxErrors');
  refused({ schema: PERSON, protoKeys: 'allow' }, 'protoKeys');
  refused({ schema: PERSON, required: 1 }, 'required');
  refused({ schema: PERSON, refuseWith: 'no' }, 'refuseWith');
  refused({ schema: PERSON, refuseWith: 'error', onInvalid() {} }, 'onInvalid');
  refused({ schema: new Schema(PERSON), maxErrors: 5 }, 'maxErrors');
  assert.throws(() => validate({ schema: { type: 'strin' } }), SchemaError);
  assert.throws(() => validate.verify(PERSON, { body: 'document' }), InvalidOptionError);
  assert.throws(() => validate.verify(PERSON, { maxBytes: 5 }), InvalidOptionError);
});

test('verify throws a ValidationError that has no value in it', () => {
  const verify = validate.verify({ const: 1 });
  assert.throws(
    () => verify({}, {}, Buffer.from('"secret"'), 'utf-8'),
    (error) => {
      assert.ok(error instanceof ValidationError);
      error.body = 'secret';
      assert.doesNotMatch(JSON.stringify({ ...error, message: error.message, body: error.body }), /secret/);
      return true;
    },
  );
});
