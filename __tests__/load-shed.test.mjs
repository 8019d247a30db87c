// loadShed in Express 4 and 5 and in Fastify: real servers, and a shedder whose decisions a test makes.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import http from 'node:http';
import { createRequire } from 'node:module';
import net from 'node:net';
import { test } from 'node:test';
import { EventLoopMonitor, InvalidOptionError, LoadShedder, OverloadedError } from 'breakwater';
import { loadShed as forExpress } from 'breakwater/express';
import { loadShed as forFastify } from 'breakwater/fastify';
import express5 from 'express';
import express4 from 'express4';
import Fastify from 'fastify';
import { until } from './helpers/promises.mjs';
import './helpers/rejections.mjs';

const { registerQueueDelay } = createRequire(import.meta.url)('../dist/queue-delay.js');

/** Refuses priorities below `from`, and writes down which it was asked for. */
function shedderOf(from) {
  const asked = [];
  return {
    asked,
    pressure: 0.9,
    tryAcquire({ priority }) {
      asked.push(priority);
      return priority >= from;
    },
    retryAfterMs: () => 1_200,
  };
}

const OVERLOADED = {
  type: 'about:blank',
  title: 'Service Unavailable',
  status: 503,
  detail: 'The service is overloaded.',
};

/** The status of a request whose target is this, as it stands. */
async function statusOfTarget(ask, target) {
  const { origin } = new URL((await ask('/health')).url);
  const { hostname, port } = new URL(origin);
  const socket = net.connect(Number(port), hostname);
  socket.write(`GET ${target} HTTP/1.1\r\nHost: host\r\nConnection: close\r\n\r\n`);
  let text = '';
  for await (const chunk of socket) text += chunk;
  return Number(text.split(' ')[1]);
}

const answerWithin = async (url) => (await fetch(url, { signal: AbortSignal.timeout(10_000) })).text();
const notATimeout = (error) => error.name !== 'TimeoutError';

const PATHS = ['/', '/report', '/checkout', '/health', '/healthz/', '/readyz', '/healthz2'];

/** Each serves all paths with 'ok' behind `loadShed(options)` while `use(ask, errors)` runs. */
const SERVERS = {
  'Express 4': (options, use) => serveExpress(express4, options, use),
  'Express 5': (options, use) => serveExpress(express5, options, use),
  async Fastify(options, use) {
    const app = Fastify();
    const errors = [];
    app.setErrorHandler((error, _request, reply) => {
      errors.push(error);
      reply.code(error.statusCode ?? 500).send(String(error.code ?? error.message));
    });
    await app.register(forFastify, options);
    for (const path of PATHS) app.get(path, async () => 'ok');
    const origin = await app.listen({ port: 0, host: '127.0.0.1' });
    try {
      await use((path, init) => fetch(origin + path, init), errors);
    } finally {
      await app.close();
    }
  },
};

async function serveExpress(express, options, use) {
  const app = express();
  const errors = [];
  app.use(forExpress(options));
  app.get(PATHS, (_req, res) => res.send('ok'));
  app.use((error, _req, res, _next) => {
    errors.push(error);
    res.status(error.status ?? 500).send(String(error.code ?? error.message));
  });
  const server = http.createServer(app).listen(0, '127.0.0.1');
  await once(server, 'listening');
  try {
    await use((path, init) => fetch(`http://127.0.0.1:${server.address().port}${path}`, init), errors);
  } finally {
    server.closeAllConnections();
    server.close();
  }
}

const urlOf = (req) => req.url;

for (const [name, serve] of Object.entries(SERVERS)) {
  test(`${name}: a request is let through, or refused with 503, Retry-After and a problem`, async () => {
    const shedder = shedderOf(5);
    await serve({ shedder, priority: (req) => (urlOf(req) === '/report' ? 2 : 5) }, async (ask) => {
      const passed = await ask('/');
      assert.deepEqual([passed.status, await passed.text()], [200, 'ok']);
      assert.equal(passed.headers.get('retry-after'), null);
      const refused = await ask('/report');
      assert.equal(refused.status, 503);
      assert.equal(refused.headers.get('retry-after'), '2');
      assert.match(refused.headers.get('content-type'), /^application\/problem\+json/);
      assert.deepEqual(await refused.json(), OVERLOADED);
      assert.equal((await ask('/report', { method: 'HEAD' })).status, 503);
      assert.deepEqual(shedder.asked, [5, 2, 2]);
    });
  });

  test(`${name}: health routes are exempt, whole paths with any query, and others instead of them`, async () => {
    const shedder = shedderOf(10);
    await serve({ shedder }, async (ask) => {
      for (const path of ['/health', '/healthz/', '/readyz?verbose', '/health?a=/b']) {
        assert.equal((await ask(path)).status, 200, path);
      }
      assert.deepEqual(shedder.asked, []);
      assert.equal((await ask('/healthz2')).status, 503);
      // Whatever is there: it is not refused.
      assert.notEqual((await ask('/HealthZ')).status, 503);
      assert.notEqual(await statusOfTarget(ask, 'HTTP://host:80/health?x'), 503);
      assert.equal(await statusOfTarget(ask, 'http://host/healthz2'), 503);
    });
    await serve({ shedder, exempt: ['/report/'] }, async (ask) => {
      assert.equal((await ask('/report')).status, 200);
      assert.equal((await ask('/health')).status, 503);
    });
    await serve({ shedder, exempt: false }, async (ask) => {
      assert.equal((await ask('/health')).status, 503);
    });
  });

  test(`${name}: critical requests have priority 9, whatever priority says, and skipped ones are not asked about`, async () => {
    const shedder = shedderOf(9);
    const options = {
      shedder,
      priority: 3,
      critical: (req) => urlOf(req) === '/checkout',
      skip: (req) => urlOf(req) === '/report',
    };
    await serve(options, async (ask) => {
      assert.equal((await ask('/checkout')).status, 200);
      assert.equal((await ask('/report')).status, 200);
      assert.equal((await ask('/')).status, 503);
      assert.deepEqual(shedder.asked, [9, 3]);
    });
  });

  test(`${name}: onRefused answers in place of the problem, with status and Retry-After set`, async () => {
    const told = [];
    const onRefused = (_req, res, refusal) => {
      told.push(refusal);
      return res.send('later');
    };
    await serve({ shedder: shedderOf(10), priority: 4, onRefused }, async (ask) => {
      const refused = await ask('/');
      assert.deepEqual(
        [refused.status, refused.headers.get('retry-after'), await refused.text()],
        [503, '2', 'later'],
      );
      assert.deepEqual(told, [{ priority: 4, pressure: 0.9, retryAfterMs: 1_200 }]);
    });
  });

  test(`${name}: refuseWith: 'error' hands an OverloadedError to the error handling`, async () => {
    await serve({ shedder: shedderOf(10), refuseWith: 'error' }, async (ask, errors) => {
      const refused = await ask('/');
      assert.deepEqual(
        [refused.status, refused.headers.get('retry-after'), await refused.text()],
        [503, '2', 'ERR_OVERLOADED'],
      );
      assert.equal(errors[0] instanceof OverloadedError, true);
      assert.deepEqual(
        [errors[0].retryAfterMs, errors[0].statusCode, errors[0].kind],
        [1_200, 503, 'shedder'],
      );
    });
  });

  test(`${name}: what an option throws, or a promise it answers, goes to the error handling and not to the route`, async () => {
    const boom = () => {
      throw new Error('boom');
    };
    const shedder = shedderOf(10);
    for (const [options, said] of [
      [{ priority: boom }, 'boom'],
      [{ critical: boom }, 'boom'],
      [{ skip: boom }, 'boom'],
      [{ onRefused: boom }, 'boom'],
      [{ onRefused: async () => boom() }, 'boom'],
      [{ skip: async () => true }, 'ERR_INVALID_OPTION'],
      [{ critical: async () => boom() }, 'ERR_INVALID_OPTION'],
      [{ priority: async () => 9 }, 'ERR_INVALID_OPTION'],
      [{ priority: () => 10 }, 'ERR_INVALID_OPTION'],
      [{ priority: () => undefined }, 'ERR_INVALID_OPTION'],
      // Of Express, `next('route')` lets a request pass.
      ...[undefined, 'route', 'router', 0].map((thrown) => [
        {
          priority: () => {
            throw thrown;
          },
        },
        'ERR_BREAKWATER',
      ]),
      [{ onRefused: async () => Promise.reject('router') }, 'ERR_BREAKWATER'],
    ]) {
      await serve({ shedder, ...options }, async (ask, errors) => {
        const answer = await ask('/');
        assert.deepEqual([answer.status, await answer.text()], [500, said], Object.keys(options).join());
        assert.equal(answer.headers.get('retry-after'), null);
        assert.equal(errors[0] instanceof Error, true);
      });
    }
  });

  test(`${name}: a disposed shedder is an error, and lets nobody through unasked`, async () => {
    const shedder = new LoadShedder({ maxEventLoopDelayMs: 1_000 });
    shedder.dispose();
    await serve({ shedder }, async (ask) => {
      const answer = await ask('/');
      assert.deepEqual([answer.status, await answer.text()], [500, 'ERR_DISPOSED']);
    });
  });

  test(`${name}: with a real shedder a server under pressure refuses, and serves again when it is over (real time)`, async () => {
    const queue = { delayMs: 1_000 };
    registerQueueDelay(queue, () => queue.delayMs);
    const monitor = new EventLoopMonitor({ sampleMs: 50 });
    const shedder = new LoadShedder({ maxQueueDelayMs: 100, bulkheads: [queue], monitor });
    await serve({ shedder }, async (ask) => {
      await until(() => shedder.snapshot().shedding[5] === 1, 'pressure');
      const refused = await ask('/');
      assert.deepEqual([refused.status, refused.headers.get('retry-after')], [503, '1']);
      assert.equal((await ask('/health')).status, 200);
      queue.delayMs = 0;
      await until(() => shedder.retryAfterMs() === 0, 'calm');
      assert.equal((await ask('/')).status, 200);
    });
    shedder.dispose();
    monitor.dispose();
  });
}

test('Express: a request that is refused when its response has begun ends with its connection', async () => {
  for (const express of [express4, express5]) {
    const app = express();
    app.use((_req, res, next) => {
      res.writeHead(200, { 'content-type': 'text/event-stream' });
      res.flushHeaders();
      next();
    });
    app.use(forExpress({ shedder: shedderOf(10) }));
    app.use((_req, res) => res.end('passed'));
    const server = http.createServer(app).listen(0, '127.0.0.1');
    await once(server, 'listening');
    await assert.rejects(answerWithin(`http://127.0.0.1:${server.address().port}/`), notATimeout);
    server.closeAllConnections();
    server.close();
  }
});

test('Fastify: a request that is refused when its response has begun ends with its connection', async () => {
  const app = Fastify();
  app.addHook('onRequest', (_request, reply, done) => {
    reply.raw.writeHead(200, { 'content-type': 'text/event-stream' });
    reply.raw.flushHeaders();
    done();
  });
  await app.register(forFastify, { shedder: shedderOf(10) });
  app.get('/', (_request, reply) => reply.raw.end('passed'));
  const origin = await app.listen({ port: 0, host: '127.0.0.1' });
  await assert.rejects(answerWithin(origin), notATimeout);
  await app.close();
});

test('Fastify: it comes before hooks of the scope that were added later, and before what looks for no route', async () => {
  const shedder = shedderOf(6);
  const app = Fastify();
  const ran = [];
  app.addHook('onRequest', async () => {
    ran.push('before');
  });
  // Not awaited, and a route declared before it.
  app.get('/early', { config: { loadShed: { priority: 7 } } }, async () => 'ok');
  app.get('/bad', { config: { loadShed: { priority: 70 } } }, async () => 'ok');
  app.register(forFastify, { shedder });
  app.get('/plain', async () => 'ok');
  app.after(() => {
    app.addHook('onRequest', async () => {
      ran.push('after');
    });
  });
  app.register(async (inner) => {
    inner.addHook('onRequest', async () => {
      ran.push('inner');
    });
    inner.get('/inner', async () => 'ok');
  });
  const statusOf = async (url, method = 'GET') => (await app.inject({ url, method })).statusCode;
  assert.deepEqual(
    [await statusOf('/plain'), await statusOf('/inner'), await statusOf('/nowhere')],
    [503, 503, 503],
  );
  assert.deepEqual(ran, ['before', 'before', 'before']);
  assert.deepEqual([await statusOf('/early'), await statusOf('/early', 'HEAD')], [200, 200]);
  assert.deepEqual(shedder.asked, [5, 5, 5, 7, 7], 'each request is asked about once');
  assert.equal(await statusOf('/bad'), 500);
});

test('Express: a mounted router sheds by the whole path', async () => {
  for (const express of [express4, express5]) {
    const app = express();
    const router = express.Router();
    router.use(forExpress({ shedder: shedderOf(10) }));
    router.get('/health', (_req, res) => res.send('ok'));
    app.use('/api', router);
    const server = http.createServer(app).listen(0, '127.0.0.1');
    await once(server, 'listening');
    // /api/health is not the health route of the process.
    const answer = await fetch(`http://127.0.0.1:${server.address().port}/api/health`);
    assert.equal(answer.status, 503);
    server.closeAllConnections();
    server.close();
  }
});

test('Fastify: a route has its own priority, is never shed, or is shed alone', async () => {
  const shedder = shedderOf(6);
  const app = Fastify();
  await app.register(forFastify, { shedder });
  app.get('/plain', async () => 'ok');
  app.get('/critical', { config: { loadShed: { priority: 9 } } }, async () => 'ok');
  app.get('/never', { config: { loadShed: false } }, async () => 'ok');
  const order = [];
  app.get(
    '/first',
    {
      onRequest: async () => {
        order.push('route');
      },
    },
    async () => 'ok',
  );
  const statusOf = async (url) => (await app.inject(url)).statusCode;
  assert.deepEqual(
    [
      await statusOf('/plain'),
      await statusOf('/critical'),
      await statusOf('/never'),
      await statusOf('/first'),
    ],
    [503, 200, 200, 503],
  );
  assert.deepEqual(order, [], 'a request that is refused costs no other hook');
  const some = Fastify();
  await some.register(forFastify, { shedder, global: false });
  some.get('/plain', async () => 'ok');
  some.get('/shed', { config: { loadShed: {} } }, async () => 'ok');
  assert.deepEqual(
    [(await some.inject('/plain')).statusCode, (await some.inject('/shed')).statusCode],
    [200, 503],
  );
  const bad = Fastify();
  await bad.register(forFastify, { shedder });
  for (const config of [{ loadShed: true }, { loadShed: { priority: 11 } }, { loadShed: { prio: 1 } }]) {
    assert.throws(() => bad.get('/', { config }, async () => 'ok'), InvalidOptionError);
  }
});

test('what is not an option of loadShed is an InvalidOptionError', async () => {
  const shedder = shedderOf(0);
  const said = (option) => (error) => error instanceof InvalidOptionError && error.option === option;
  assert.throws(() => forExpress(), said('options'));
  for (const [option, values] of Object.entries({
    shedder: [undefined, null, {}, 5, { tryAcquire() {} }],
    priority: [null, '5', 10, -1, 1.5, Number.NaN],
    critical: [true, null],
    exempt: [true, null, '/health', ['health'], [5]],
    skip: [true, '/health'],
    onRefused: ['no'],
    refuseWith: ['throw', null, 5],
    limiter: [shedder],
  })) {
    for (const value of values) {
      assert.throws(() => forExpress({ shedder, [option]: value }), said(option), option);
      await assert.rejects(
        async () => Fastify().register(forFastify, { shedder, [option]: value }),
        said(option),
      );
    }
  }
  assert.throws(() => forExpress({ shedder, refuseWith: 'error', onRefused() {} }), said('onRefused'));
  await assert.rejects(async () => Fastify().register(forFastify, { shedder, global: 1 }), said('global'));
});
