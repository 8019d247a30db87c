// cacheResponse among the middleware and hooks of others: what is particular to Express, to Fastify, and to neither.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import http from 'node:http';
import http2 from 'node:http2';
import { Readable } from 'node:stream';
import { test } from 'node:test';
import { Cache, InvalidOptionError } from 'breakwater';
import { cacheResponse as forExpress } from 'breakwater/express';
import { cacheResponse as forFastify } from 'breakwater/fastify';
import express5 from 'express';
import express4 from 'express4';
import Fastify from 'fastify';
import './helpers/rejections.mjs';
import { asking, bodies, CACHES, madeOf } from './helpers/responses.mjs';

const made = (options) => madeOf(CACHES['a cache'], options);
const KEPT = { 'cache-control': 'max-age=60' };

/** Serves an app while `use(ask)` runs. */
async function serve(app, use) {
  const server = http.createServer(app).listen(0, '127.0.0.1');
  await once(server, 'listening');
  try {
    await use(asking(`http://127.0.0.1:${server.address().port}`));
  } finally {
    server.closeAllConnections();
    server.close();
  }
}

/** Middleware that sets a cookie as late as it can. */
function setsCookieOnTheWayOut(_req, res, next) {
  const { writeHead } = res;
  res.writeHead = (...args) => {
    res.setHeader('set-cookie', 'session=1');
    return writeHead.apply(res, args);
  };
  next();
}

for (const [name, express] of [
  ['Express 4', express4],
  ['Express 5', express5],
]) {
  test(`${name}: what stands before it is of each request, and what that sets is not stored`, async () => {
    const { cache } = made();
    const app = express();
    let requests = 0;
    app.use((_req, res, next) => {
      requests += 1;
      res.set({ ...KEPT, 'x-request': String(requests), 'x-changed': 'before' });
      next();
    });
    app.use(forExpress({ cache }));
    app.get('/', (_req, res) => res.set('x-changed', 'after').send('ok'));
    await serve(app, async (ask) => {
      assert.equal((await ask()).headers['x-request'], '1');
      const { said, headers } = await ask();
      assert.match(said, /hit/);
      const fields = ['x-request', 'x-changed', 'x-powered-by', 'cache-control'];
      assert.deepEqual(
        fields.map((field) => headers[field]),
        ['2', 'after', 'Express', 'max-age=60'],
      );
    });
  });

  test(`${name}: a cookie that is set on the way out is seen, too`, async () => {
    const { cache } = made();
    const app = express();
    app.use(setsCookieOnTheWayOut);
    app.use(forExpress({ cache }));
    app.get('/', (_req, res) => {
      res.set(KEPT);
      res.writeHead(200);
      res.end('ok');
    });
    await serve(app, async (ask) => {
      assert.deepEqual((await ask()).headers['set-cookie'], ['session=1']);
      assert.equal(cache.size, 0);
    });
  });

  test(`${name}: it may stand before or behind what compresses`, async () => {
    // As compression does it: the body is changed in `end`, and the fields right before they are sent.
    const shout = (_req, res, next) => {
      const { end, writeHead } = res;
      res.writeHead = (...args) => {
        res.setHeader('content-encoding', 'shout');
        res.removeHeader('content-length');
        return writeHead.apply(res, args);
      };
      res.end = (chunk) => {
        res.writeHead(res.statusCode);
        return end.call(res, String(chunk).toUpperCase());
      };
      next();
    };
    for (const order of ['before', 'behind']) {
      const { cache } = made();
      const app = express();
      const both = [forExpress({ cache }), shout];
      app.use(...(order === 'before' ? both : both.reverse()));
      app.get('/', (_req, res) => res.set(KEPT).send('abc'));
      await serve(app, async (ask) => {
        for (const { body, headers } of [await ask(), await ask()]) {
          assert.deepEqual([body, headers['content-encoding']], ['ABC', 'shout'], order);
        }
        const { value } = cache.peek(`${ask.origin}/`);
        assert.equal(Buffer.from(value.body).toString(), order === 'before' ? 'ABC' : 'abc');
      });
    }
  });

  test(`${name}: fields that writeHead is given in a list are sent and stored`, async () => {
    const lists = [
      [
        ['cache-control', 'max-age=60'],
        ['link', ['<a>', '<b>']],
      ],
      ['cache-control', 'max-age=60', 'link', '<a>', 'link', '<b>'],
    ];
    for (const [at, list] of lists.entries()) {
      for (const cacheStatus of [true, false]) {
        const { cache } = made();
        let runs = 0;
        const app = express();
        app.use(forExpress({ cache, cacheStatus }));
        app.get('/', (_req, res) => {
          runs += 1;
          res.writeHead(200, list).end('own');
        });
        await serve(app, async (ask) => {
          for (const { status, body, headers } of [await ask(), await ask()]) {
            assert.deepEqual([status, body, headers.link], [200, 'own', '<a>, <b>'], `${at} ${cacheStatus}`);
          }
          assert.equal(runs, 1);
        });
      }
    }
  });

  test(`${name}: of two on the way to a route the outer one counts, and does not wait for the inner one`, async () => {
    const { cache } = made();
    const app = express();
    app.use(forExpress({ cache }));
    // The inner one is asked in another turn of the event loop.
    app.use((_req, _res, next) => setImmediate(next));
    app.use(forExpress({ cache, ttlMs: 60_000 }));
    app.get('/', (_req, res) => res.set(KEPT).send('ok'));
    app.get('/silent', (_req, res) => res.send('ok'));
    await serve(app, async (ask) => {
      const said = async (path) => (await ask(path)).said;
      assert.equal(await said('/'), 'breakwater; fwd=uri-miss; stored');
      assert.equal(await said('/'), 'breakwater; hit; ttl=60');
      // What the outer one cannot store, it leaves to the inner one from then on.
      assert.equal(await said('/silent'), 'breakwater; fwd=uri-miss');
      assert.equal(await said('/silent'), 'breakwater; fwd=uri-miss; stored, breakwater; fwd=bypass');
      assert.equal(await said('/silent'), 'breakwater; hit; ttl=60');
    });
  });

  test(`${name}: the key is of the whole path, and of the host that a trusted proxy names`, async () => {
    const { cache } = made();
    const app = express();
    app.set('trust proxy', 'loopback');
    const router = express.Router();
    router.use(forExpress({ cache }));
    router.get('/', (req, res) => res.set(KEPT).send(`${req.protocol} ${req.hostname}`));
    app.use('/api', router);
    await serve(app, async (ask) => {
      const forwarded = async (host, proto) => {
        const headers = { host: 'shop.example', 'x-forwarded-host': host, 'x-forwarded-proto': proto };
        return (await ask('/api?x', headers)).body;
      };
      assert.equal(await forwarded('a.example', 'https'), 'https a.example');
      assert.equal(await forwarded('b.example', 'https'), 'https b.example');
      assert.equal(await forwarded('a.example', 'http'), 'http a.example');
      assert.equal(await forwarded('shop', 'http'), 'http shop');
      assert.equal(await forwarded('shop.example', 'http'), 'http shop.example');
      // A scheme that a proxy passes on as it came makes no key of another path.
      await forwarded('a.example', 'http://a.example/b');
      assert.equal(cache.peek('https://a.example/api?x').value.status, 200);
      assert.equal(cache.size, 5);
    });
  });

  test(`${name}: a response is stored for the request as it came, whatever comes after makes of it`, async () => {
    const { cache } = made();
    const app = express();
    let runs = 0;
    app.use(forExpress({ cache }));
    app.use((req, _res, next) => {
      delete req.headers.authorization;
      req.headers['accept-language'] ??= 'en';
      next();
    });
    app.get('/secret', (_req, res) => res.set(KEPT).send(`secret ${++runs}`));
    app.get('/', (_req, res) => res.set({ ...KEPT, vary: 'accept-language' }).send(`run ${++runs}`));
    await serve(app, async (ask) => {
      await ask('/secret', { authorization: 'Bearer a' });
      assert.equal((await ask('/secret', { authorization: 'Bearer b' })).body, 'secret 2');
      assert.deepEqual(bodies([await ask(), await ask()]), ['run 3', 'run 3']);
    });
  });

  test(`${name}: what a change ends is known by the request as it came, too`, async () => {
    const { cache } = made();
    const app = express();
    const router = express.Router();
    let runs = 0;
    // While a router is in charge, Express makes \`url\` what is left of it.
    app.use(forExpress({ cache, key: (req) => req.url }));
    router.get('/x', (_req, res) => res.set(KEPT).send(`run ${++runs}`));
    router.post('/x', (_req, res) => res.send('done'));
    app.use('/api', router);
    await serve(app, async (ask) => {
      await ask('/api/x');
      await ask('/api/x', {}, 'POST');
      assert.equal((await ask('/api/x')).body, 'run 2');
    });
  });

  test(`${name}: a handler that fails in the middle of what is held back does not have its error stored behind it`, async () => {
    const { cache } = made();
    const app = express();
    let runs = 0;
    app.use(forExpress({ cache }));
    app.get('/', (_req, res, next) => {
      runs += 1;
      res.set({ ...KEPT, etag: '"a"' });
      res.write('half');
      if (runs === 1) setImmediate(() => next(new Error('boom')));
      else res.end(' and half');
    });
    app.use((_error, _req, res, _next) => {
      if (res.headersSent) res.destroy();
      else res.status(500).send('oops');
    });
    await serve(app, async (ask) => {
      await assert.rejects(ask('/', { 'if-none-match': '"a"' }));
      assert.equal((await ask()).body, 'half and half');
    });
  });

  test(`${name}: a cookie that is set on the way out of a 304 is seen, too`, async () => {
    const { cache } = made();
    const app = express();
    app.use(setsCookieOnTheWayOut);
    app.use(forExpress({ cache }));
    app.get('/', (_req, res) => res.set({ ...KEPT, etag: '"a"' }).send('ok'));
    await serve(app, async (ask) => {
      const { status, headers } = await ask('/', { 'if-none-match': '"a"' });
      assert.deepEqual([status, headers['set-cookie'], cache.size], [304, ['session=1'], 0]);
    });
  });

  test(`${name}: a 304 of its own renews a stale response; what stands before it stays each request’s`, async () => {
    const { cache, clock } = made();
    const app = express();
    let requests = 0;
    app.use((_req, res, next) => {
      requests += 1;
      res.set({ 'x-request': String(requests), 'x-changed': 'before', 'content-type': 'text/a' });
      next();
    });
    app.use(forExpress({ cache }));
    // Express makes the tag, and compares it.
    app.get('/', (_req, res) => res.set({ ...KEPT, 'x-changed': 'after' }).send('the same'));
    await serve(app, async (ask) => {
      const { headers } = await ask();
      clock.advance(61_000);
      for (const said of [/fwd=stale; fwd-status=304; stored/, /hit; ttl=60/]) {
        const renewed = await ask();
        assert.match(renewed.said, said);
        assert.deepEqual([renewed.status, renewed.body], [200, 'the same']);
        assert.equal(renewed.headers['x-request'], String(requests));
        for (const name of ['x-changed', 'content-type', 'etag', 'cache-control']) {
          assert.equal(renewed.headers[name], headers[name], name);
        }
      }
    });
  });

  test(`${name}: a response that could not be sent is not stored; what the error handler answers is the response`, async () => {
    const { cache } = made();
    const app = express();
    let runs = 0;
    app.use(forExpress({ cache }));
    app.get('/', (_req, res) => {
      runs += 1;
      res.set(KEPT);
      // There is no such status.
      if (runs === 1) res.writeHead(1_000);
      res.send('ok');
    });
    app.use((error, _req, res, _next) => res.status(500).send(error.code));
    await serve(app, async (ask) => {
      const { status, body } = await ask();
      assert.deepEqual([status, body], [500, 'ERR_HTTP_INVALID_STATUS_CODE']);
      assert.equal(cache.size, 0);
      assert.equal((await ask()).body, 'ok');
    });
  });
}

test('it works without a framework', async () => {
  const { cache } = made();
  const middleware = forExpress({ cache });
  let runs = 0;
  const handler = (_req, res) => {
    runs += 1;
    res.writeHead(200, KEPT).end('ok');
  };
  await serve(
    (req, res) => middleware(req, res, () => handler(req, res)),
    async (ask) => {
      assert.deepEqual(bodies([await ask(), await ask()]), ['ok', 'ok']);
      assert.equal(runs, 1);
    },
  );
});

test('Fastify: text, bytes, streams and JSON are stored as they went out', async () => {
  const { cache } = made();
  const app = Fastify();
  await app.register(forFastify, { cache, ttlMs: 60_000 });
  let runs = 0;
  const payloads = {
    text: () => 'text',
    bytes: () => Buffer.from([1, 2, 255]),
    stream: () => Readable.from([Buffer.from('str'), Buffer.from('eam')]),
    json: () => ({ a: 1 }),
    nothing: () => null,
  };
  for (const [name, payload] of Object.entries(payloads)) {
    app.get(`/${name}`, async (_request, reply) => {
      runs += 1;
      return reply.send(payload());
    });
  }
  for (const name of Object.keys(payloads)) {
    const first = await app.inject(`/${name}`);
    const second = await app.inject(`/${name}`);
    assert.match(second.headers['cache-status'], /hit/, name);
    assert.deepEqual(second.rawPayload, first.rawPayload, name);
    assert.equal(second.headers['content-type'], first.headers['content-type'], name);
    const head = await app.inject({ url: `/${name}`, method: 'HEAD' });
    const length = Number(head.headers['content-length']);
    assert.deepEqual([head.payload, length], ['', first.rawPayload.length], name);
  }
  assert.equal(runs, 5);
});

test('Fastify: hooks of others run for hits too, and a cookie that they set keeps a response from being stored', async () => {
  const { cache } = made();
  const app = Fastify();
  let sent = 0;
  await app.register(forFastify, { cache });
  app.addHook('onSend', async (request, reply, payload) => {
    sent += 1;
    reply.header('x-sent', String(sent));
    if (request.url === '/cookie') reply.header('set-cookie', 'a=1');
    return payload;
  });
  app.get('/*', async (_request, reply) => reply.headers(KEPT).send('ok'));
  assert.equal((await app.inject('/')).headers['x-sent'], '1');
  const { headers } = await app.inject('/');
  assert.match(headers['cache-status'], /hit/);
  assert.equal(headers['x-sent'], '2');
  await app.inject('/cookie');
  assert.equal(cache.size, 1);
});

test('Fastify: a 304 of a hook that makes tags renews a stale response', async () => {
  const { cache, clock } = made();
  const app = Fastify();
  await app.register(forFastify, { cache });
  // As @fastify/etag does it.
  app.addHook('onSend', async (request, reply, payload) => {
    if (!reply.hasHeader('etag')) reply.header('etag', `"${payload.length}"`);
    if (request.headers['if-none-match'] !== reply.getHeader('etag')) return payload;
    reply.code(304);
    return '';
  });
  app.get('/', async (_request, reply) => reply.headers(KEPT).send('ok'));
  await app.inject('/');
  clock.advance(61_000);
  const renewed = await app.inject('/');
  assert.match(renewed.headers['cache-status'], /fwd-status=304; stored/);
  assert.deepEqual([renewed.statusCode, renewed.payload], [200, 'ok']);
  const hit = await app.inject('/');
  assert.deepEqual([hit.payload, hit.headers['cache-status']], ['ok', 'breakwater; hit; ttl=60']);
  assert.equal((await app.inject({ url: '/', headers: { 'if-none-match': '"2"' } })).statusCode, 304);
});

test('Fastify: what hooks before it set is of each request', async () => {
  const { cache } = made();
  const app = Fastify();
  let requests = 0;
  app.addHook('onRequest', async (_request, reply) => {
    requests += 1;
    reply.header('x-request', String(requests));
  });
  await app.register(forFastify, { cache });
  app.get('/', async (_request, reply) => reply.headers(KEPT).send('ok'));
  await app.inject('/');
  const { headers } = await app.inject('/');
  assert.match(headers['cache-status'], /hit/);
  assert.equal(headers['x-request'], '2');
});

test('Fastify: a route has its own options, is never cached, or is cached alone', async () => {
  const { cache } = made();
  const app = Fastify();
  const kept = async (_request, reply) => reply.headers(KEPT).send('ok');
  const silent = async () => 'ok';
  // Declared before the registration: their options are checked with their first requests.
  app.get('/early', { config: { cacheResponse: { ttlMs: 60_000 } } }, silent);
  app.get('/bad', { config: { cacheResponse: { ttlMs: -1 } } }, silent);
  await app.register(forFastify, { cache });
  app.get('/plain', kept);
  app.get('/own', { config: { cacheResponse: { ttlMs: 60_000 } } }, silent);
  app.get('/never', { config: { cacheResponse: false } }, kept);
  const hits = async (server, url) => {
    await server.inject(url);
    return /hit/.test((await server.inject(url)).headers['cache-status']);
  };
  const found = [];
  for (const url of ['/plain', '/own', '/never', '/early']) found.push(await hits(app, url));
  assert.deepEqual(found, [true, true, false, true]);
  assert.equal((await app.inject('/bad')).statusCode, 500);
  for (const wrong of [true, { ttl: 1 }, { hook: 'onRequest' }]) {
    const late = Fastify();
    await late.register(forFastify, { cache });
    assert.throws(() => late.get('/', { config: { cacheResponse: wrong } }, kept), InvalidOptionError);
  }
  cache.clear();
  const some = Fastify();
  await some.register(forFastify, { cache, global: false });
  some.get('/plain', kept);
  some.get('/own', { config: { cacheResponse: {} } }, kept);
  assert.deepEqual([await hits(some, '/plain'), await hits(some, '/own')], [false, true]);
});

test('Fastify: with a later hook, hooks that decide who may ask come first', async () => {
  const { cache } = made();
  const app = Fastify();
  await app.register(forFastify, { cache, hook: 'preHandler' });
  app.addHook('onRequest', async (request, reply) => {
    if (request.headers['x-key'] !== 'right') return reply.code(403).send('no');
  });
  app.get('/', async (_request, reply) => reply.headers(KEPT).send('ok'));
  const statusOf = async (key) => (await app.inject({ url: '/', headers: { 'x-key': key } })).statusCode;
  assert.deepEqual(
    [await statusOf('right'), await statusOf('wrong'), await statusOf('right')],
    [200, 403, 200],
  );
  assert.equal(cache.snapshot().hits, 1);
});

test('over HTTP/2 without a framework the key has the host of its authority', async () => {
  const { cache } = made();
  const middleware = forExpress({ cache });
  const server = http2.createServer((req, res) =>
    middleware(req, res, () => {
      res.setHeader('cache-control', 'max-age=60');
      res.end(req.headers[':authority']);
    }),
  );
  await once(server.listen(0, '127.0.0.1'), 'listening');
  const session = http2.connect(`http://127.0.0.1:${server.address().port}`);
  for (const [authority, host] of [['a.example'], ['b.example'], ['a.example', 'c.example'], ['c.example']]) {
    let body = '';
    const headers = { ':path': '/', ':authority': authority, ...(host && { host }) };
    for await (const chunk of session.request(headers)) body += chunk;
    assert.equal(body, authority);
  }
  assert.equal(cache.peek('http://a.example/').value.status, 200);
  assert.equal(cache.size, 3);
  session.close();
  server.close();
});

test('Fastify: over HTTP/2 too', async () => {
  const { cache } = made();
  const app = Fastify({ http2: true });
  await app.register(forFastify, { cache });
  let runs = 0;
  app.get('/', async (_request, reply) => {
    runs += 1;
    return reply.headers({ ...KEPT, etag: '"a"', 'accept-ranges': 'bytes' }).send('ok');
  });
  const session = http2.connect(await app.listen({ port: 0, host: '127.0.0.1' }));
  for (const [asked, status, text, said] of [
    [{ 'if-none-match': '"a"' }, 304, '', /uri-miss/],
    [{}, 200, 'ok', /hit/],
    [{ 'if-none-match': '"a"' }, 304, '', /hit/],
    [{ range: 'bytes=1-' }, 206, 'k', /hit/],
  ]) {
    const stream = session.request({ ':path': '/', ...asked });
    const [headers] = await once(stream, 'response');
    let body = '';
    for await (const chunk of stream) body += chunk;
    assert.deepEqual([headers[':status'], body], [status, text]);
    assert.match(headers['cache-status'], said);
  }
  assert.equal(runs, 1);
  session.close();
  await app.close();
});

test('a cache without a name is bounded by what responses weigh', async () => {
  const { cache } = made({ maxBytes: 20_000, sizeOf: (response) => response.bytes });
  const app = express5();
  app.use(forExpress({ cache }));
  app.get('/*any', (_req, res) => res.set(KEPT).send('x'.repeat(1_000)));
  await serve(app, async (ask) => {
    for (let i = 0; i < 30; i++) await ask(`/${i}`);
    assert.equal(cache.bytes > 15_000 && cache.bytes <= 20_000, true, String(cache.bytes));
    assert.equal(cache.bytes / cache.size > 1_100 && cache.bytes / cache.size < 1_800, true);
  });
});

test('what is not an option of cacheResponse is an InvalidOptionError', async () => {
  const { cache } = made();
  const said = (option) => (error) => error instanceof InvalidOptionError && error.option === option;
  assert.throws(() => forExpress(), said('options'));
  for (const [option, values] of Object.entries({
    cache: [undefined, null, {}, new Map(), { getOrLoad() {} }, 'pages'],
    key: ['url', null],
    skip: [true, '/health'],
    ttlMs: [-1, Number.NaN, '1', null],
    maxBodyBytes: [-1, 1.5, 2 ** 30 + 1, Infinity, '1', null],
    keepMs: [-1, Number.NaN, '1', null],
    silenceMs: [-1, 1.5, 2 ** 31, Infinity, '1', null],
    cacheStatus: [1, 'breakwater', null],
    honorRequestCacheControl: [1, 'yes', null],
    methods: [['GET']],
  })) {
    for (const value of values) {
      assert.throws(() => forExpress({ cache, [option]: value }), said(option), `${option}: ${value}`);
      const registered = async () => Fastify().register(forFastify, { cache, [option]: value });
      await assert.rejects(registered, said(option));
    }
  }
  for (const [option, value] of Object.entries({ hook: 'onSend', global: 1 })) {
    await assert.rejects(
      async () => Fastify().register(forFastify, { cache, [option]: value }),
      said(option),
    );
    assert.throws(() => forExpress({ cache, [option]: value }), said(option));
  }
  assert.equal(
    typeof forExpress({ cache: new Cache({ maxEntries: 1, ttlMs: 0 }), key: undefined }),
    'function',
  );
});
