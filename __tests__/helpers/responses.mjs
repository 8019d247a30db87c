/** Servers with `cacheResponse`, and caches for them on clocks that a test moves. */
import { once } from 'node:events';
import http from 'node:http';
import { test } from 'node:test';
import { Cache, ManualClock, responseCodec } from 'breakwater';
import { cacheResponse as forExpress } from 'breakwater/express';
import { cacheResponse as forFastify } from 'breakwater/fastify';
import express5 from 'express';
import express4 from 'express4';
import Fastify from 'fastify';

let names = 0;
export const newName = () => `cache-response.test:${++names}`;

/** What a cache may be. */
export const CACHES = {
  'a cache': () => ({}),
  'a named cache': () => ({ name: newName(), codec: responseCodec }),
  'a named cache with a front': () => ({
    name: newName(),
    codec: responseCodec,
    front: { maxEntries: 100 },
  }),
};

/** A cache on a clock that stands still. */
export function madeOf(kind, options = {}) {
  const clock = new ManualClock();
  return { clock, cache: new Cache({ maxEntries: 1_000, ttlMs: 0, clock, ...kind(), ...options }) };
}

/** A promise that is settled by hand. */
export function gate() {
  let open;
  const opened = new Promise((resolve) => {
    open = resolve;
  });
  return { opened, open };
}

export const bodies = (answers) => answers.map(({ body }) => body);

/**
 * What a server is told to answer: `answer(request)` gives `{ status, headers, body }` or a promise of it, where body may be a string, a
 * Buffer or a function that is given Node's own response. The server counts the runs.
 */
export const SERVERS = {
  'Express 4': (options, answer, use) => serveExpress(express4, options, answer, use),
  'Express 5': (options, answer, use) => serveExpress(express5, options, answer, use),
  async Fastify(options, answer, use) {
    const app = Fastify();
    const server = { runs: 0, errors: [] };
    app.setErrorHandler((error, _request, reply) => {
      server.errors.push(error);
      reply.code(error.statusCode ?? 500).send(String(error.code ?? error.message));
    });
    await app.register(forFastify, options);
    app.all('/*', async (request, reply) => {
      server.runs += 1;
      const { status = 200, headers = {}, body = '' } = await answer(request, server.runs);
      if (typeof body === 'function') {
        reply.hijack();
        reply.raw.statusCode = status;
        for (const [name, value] of Object.entries(headers)) reply.raw.setHeader(name, value);
        body(reply.raw, request.raw);
        return;
      }
      return reply.code(status).headers(headers).send(body);
    });
    const origin = await app.listen({ port: 0, host: '127.0.0.1' });
    try {
      await use(asking(origin), server);
    } finally {
      app.server.closeAllConnections();
      await app.close();
    }
  },
};

/** Answers with the number of the run. */
export const numbered =
  (headers, more = {}) =>
  (_req, run) => ({ headers, body: `run ${run}`, ...more });

/** A test in every framework with every kind of cache; `made()` gives `{ clock, cache }`. */
export function all(name, run) {
  for (const [framework, serve] of Object.entries(SERVERS)) {
    for (const [of, kind] of Object.entries(CACHES)) {
      test(`${framework}, ${of}: ${name}`, async () => {
        const caches = [];
        await run(serve, (options) => {
          const one = madeOf(kind, options);
          caches.push(one.cache);
          return one;
        });
        for (const cache of caches) cache.dispose();
      });
    }
  }
}

async function serveExpress(express, options, answer, use) {
  const app = express();
  const state = { runs: 0, errors: [] };
  app.set('etag', false);
  app.use(forExpress(options));
  app.use(async (req, res, next) => {
    try {
      state.runs += 1;
      const { status = 200, headers = {}, body = '' } = await answer(req, state.runs);
      res.status(status).set(headers);
      if (typeof body === 'function') body(res, req);
      else res.send(body);
    } catch (error) {
      next(error);
    }
  });
  app.use((error, _req, res, _next) => {
    state.errors.push(error);
    res.status(error.status ?? 500).send(String(error.code ?? error.message));
  });
  const server = http.createServer(app).listen(0, '127.0.0.1');
  await once(server, 'listening');
  try {
    await use(asking(`http://127.0.0.1:${server.address().port}`), state);
  } finally {
    server.closeAllConnections();
    server.close();
  }
}

/** `ask(path, headers, method)`: status, headers and body of an answer, by Node's client, which adds nothing of its own. */
export function asking(origin) {
  const ask = (path = '/', headers = {}, method = 'GET') =>
    new Promise((resolve, reject) => {
      const request = http.request(origin + path, { headers, method, agent: false }, async (response) => {
        try {
          const chunks = [];
          for await (const chunk of response) chunks.push(chunk);
          const body = Buffer.concat(chunks);
          const { statusCode: status, headers, trailers } = response;
          const said = headers['cache-status'];
          resolve({ status, headers, trailers, body: body.toString(), bytes: body, said });
        } catch (error) {
          reject(error);
        }
      });
      request.on('error', reject);
      request.end();
      ask.last = request;
    });
  ask.origin = origin;
  return ask;
}
