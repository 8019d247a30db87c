// cacheResponse in several threads that share one named cache: servers of their own, one run of a handler for all.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Cache, responseCodec } from 'breakwater';
import { until } from './helpers/promises.mjs';
import './helpers/rejections.mjs';
import { asking, bodies, newName } from './helpers/responses.mjs';
import { withThreads } from './helpers/threads.mjs';
import { responseStorm } from './torture/responses.mjs';

/** In the shared array: requests that came, handlers that ran, and whether those may go on. */
const [CAME, RUNS, GATE] = [0, 1, 2];

/** In a thread: a server with the named cache whose handlers wait at the gate. Answers its port. */
async function openServer({ Cache, responseCodec }, kept, name, shared) {
  const { createServer } = await import('node:http');
  const { cacheResponse } = await import('breakwater/express');
  kept.cache = new Cache({ name, codec: responseCodec, maxBytes: 2 ** 20, ttlMs: 0 });
  const middleware = cacheResponse({ cache: kept.cache });
  const controls = { '/private': 'private', '/stale': 'max-age=0, stale-if-error=600', '/one': 'max-age=60' };
  const server = createServer((req, res) => {
    middleware(req, res, async () => {
      const run = Atomics.add(shared, 1, 1) + 1;
      while (Atomics.load(shared, 2) === 0) await new Promise((turn) => setTimeout(turn, 1));
      if (req.headers['x-fail'] && Atomics.load(shared, 2) === 2) res.statusCode = 503;
      res.setHeader('cache-control', controls[req.url] ?? 'max-age=60');
      if (req.url === '/vary') res.setHeader('vary', 'x-kind');
      res.end(`run ${run} ${req.headers['x-kind']}`);
    });
    // By now it leads or waits.
    Atomics.add(shared, 0, 1);
  });
  await new Promise((listening) => server.listen(0, '127.0.0.1', listening));
  return server.address().port;
}

/** Servers in so many threads; `round(path, kinds)` asks each for the path, once for each kind, and opens the gate when all wait. */
async function withServers(count, use) {
  const name = newName();
  const cache = new Cache({ name, codec: responseCodec, maxBytes: 2 ** 20, ttlMs: 0 });
  await withThreads(count, async (threads) => {
    const shared = new Int32Array(new SharedArrayBuffer(12));
    const ports = await Promise.all(threads.map((thread) => thread.run(openServer, name, shared)));
    const asks = ports.map((port) => asking(`http://127.0.0.1:${port}`));
    const round = async (path, headersOfEach, gate = 1) => {
      shared.fill(0);
      // One host: the key must not tell the threads apart.
      const asked = asks.flatMap((ask) =>
        headersOfEach.map((headers) => ask(path, { host: 'one.example', ...headers })),
      );
      await until(() => Atomics.load(shared, CAME) === asked.length);
      Atomics.store(shared, GATE, gate);
      return { answers: await Promise.all(asked), runs: Atomics.load(shared, RUNS) };
    };
    await use({ round, cache, threads, asks, shared });
  });
  cache.dispose();
}

const a = { 'x-kind': 'a' };
const b = { 'x-kind': 'b' };

test('threads that share a cache run one handler for all who ask at once', async () => {
  await withServers(3, async ({ round, asks }) => {
    const { answers, runs } = await round('/one', [a, a, a]);
    assert.deepEqual(new Set(bodies(answers)), new Set(['run 1 a']));
    assert.equal(runs, 1);
    for (const ask of asks) assert.match((await ask('/one', { host: 'one.example' })).said, /hit/);
  });
});

test('threads run one handler for each variant', async () => {
  await withServers(2, async ({ round }) => {
    const { answers, runs } = await round('/vary', [a, b, a, b]);
    const kinds = bodies(answers).map((body) => body.at(-1));
    assert.deepEqual(kinds, ['a', 'b', 'a', 'b', 'a', 'b', 'a', 'b']);
    assert.equal(runs, 2);
  });
});

test('in all threads those who waited for what cannot be stored run their handlers', async () => {
  await withServers(2, async ({ round, cache }) => {
    const { answers, runs } = await round('/private', [a, a]);
    assert.equal(new Set(bodies(answers)).size, 4);
    assert.equal(runs, 4);
    assert.equal(cache.size, 0);
  });
});

test('in all threads those who wait for what fails are served the stale response', async () => {
  await withServers(2, async ({ round }) => {
    await round('/stale', [a]);
    const { answers, runs } = await round('/stale', [{ 'x-fail': '1' }, { 'x-fail': '1' }], 2);
    assert.deepEqual(
      answers.map(({ status }) => status),
      [200, 200, 200, 200],
    );
    assert.equal(new Set(bodies(answers)).size, 1);
    assert.equal(runs, 1);
  });
});

test('when the leader’s thread is killed, another request runs its handler in its own', async () => {
  await withServers(2, async ({ asks, threads, shared, cache }) => {
    const host = { host: 'one.example' };
    const doomed = asks[0]('/one', host);
    const failed = assert.rejects(doomed);
    await until(() => Atomics.load(shared, RUNS) === 1);
    const others = [asks[1]('/one', host), asks[1]('/one', host)];
    await until(() => Atomics.load(shared, CAME) === 3);
    await threads[0].terminate();
    await failed;
    await until(() => Atomics.load(shared, RUNS) === 2);
    Atomics.store(shared, GATE, 1);
    const answers = await Promise.all(others);
    assert.equal(new Set(bodies(answers)).size, 1);
    assert.equal(cache.size, 1);
  });
});

for (const [kind, options] of [
  ['a cache', {}],
  ['a named cache', { name: 'cache-response.test:storm', codec: responseCodec }],
]) {
  test(`in a storm on ${kind} nobody hangs, gets what is another’s, or what is older than a change it heard of (real time)`, async () => {
    const cache = new Cache({ maxEntries: 50, ttlMs: 0, ...options });
    const found = await responseStorm({ cache, requests: 3_000 });
    cache.dispose();
    const { whole, broken, runs, same, ...faults } = found;
    assert.deepEqual(faults, { hung: 0, wrong: 0, old: 0, loading: 0 });
    assert.equal(whole > 2_000 && runs < 0.8 * whole && same > 0, true, JSON.stringify(found));
  });
}
