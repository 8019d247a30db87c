// cacheResponse and the finer points of HTTP: dates and ages, keys that cannot be forged, trailers.
import assert from 'node:assert/strict';
import http from 'node:http';
import './helpers/rejections.mjs';
import { all, bodies, numbered } from './helpers/responses.mjs';

const KEPT = { 'cache-control': 'max-age=60' };
const inSeconds = (s) => new Date(Date.now() + s * 1_000).toUTCString();

all('a response is as old as its Date says, and Expires ends it where it says', async (serve, made) => {
  const { cache } = made();
  const responses = {
    '/upstream': [{ ...KEPT, date: inSeconds(-45) }, /hit; ttl=1[45]$/],
    '/older': [{ ...KEPT, date: inSeconds(-45), age: '50' }, /hit; ttl=10$/],
    '/ages': [{ ...KEPT, age: '50, 3' }, /hit; ttl=10$/],
    '/ahead': [{ ...KEPT, date: inSeconds(45) }, /hit; ttl=60$/],
    '/expired': [{ date: inSeconds(-3_600), expires: inSeconds(-1_800) }, /bypass/],
    '/expires': [{ date: inSeconds(-3_600), expires: inSeconds(1_800) }, /hit; ttl=(1799|1800)$/],
  };
  await serve(
    { cache },
    (req) => ({ headers: responses[req.url][0] }),
    async (ask) => {
      for (const [path, [, said]] of Object.entries(responses)) {
        await ask(path);
        assert.match((await ask(path)).said, said, path);
      }
      assert.match((await ask('/upstream')).headers.age, /^4[56]$/);
    },
  );
});

all('what is no date of HTTP has expired, and is no condition', async (serve, made) => {
  const { cache } = made();
  const answer = (req) => ({
    headers: { expires: decodeURIComponent(req.url.slice(1)), 'last-modified': inSeconds(-60) },
  });
  await serve({ cache }, answer, async (ask) => {
    const dates = {
      'Fri, 01 Jan 2100 00:00:00 GMT': true,
      'Thursday, 01-Jan-60 00:00:00 GMT': true,
      'Fri Jan  1 00:00:00 2100': true,
      'Friday, 01-Jan-99 00:00:00 GMT': false,
      'Fri, 01 Jan 2100 00:00:00': false,
      'Fri, 01 Jan 2100 00:00:00 +0000': false,
      'Fri, 32 Jan 2100 00:00:00 GMT': false,
      'Fri, 01 Foo 2100 00:00:00 GMT': false,
      '2100-01-01T00:00:00Z': false,
      2100: false,
      '-1': false,
    };
    for (const [date, isOne] of Object.entries(dates)) {
      const path = `/${encodeURIComponent(date)}`;
      await ask(path);
      assert.equal(/hit/.test((await ask(path)).said), isOne, date);
    }
    const kept = `/${encodeURIComponent('Fri, 01 Jan 2100 00:00:00 GMT')}`;
    for (const [date, isOne] of Object.entries(dates)) {
      const expected = isOne ? 304 : 200;
      if (!date.includes('-99')) {
        assert.equal((await ask(kept, { 'if-modified-since': date })).status, expected, date);
      }
    }
  });
});

all('a host or a target that is another path’s key is not stored under it', async (serve, made) => {
  const { cache } = made();
  const answer = (req, run) => ({ headers: KEPT, body: `${req.url} ${run}` });
  await serve({ cache }, answer, async (ask) => {
    const host = { host: 'a.example' };
    for (const forged of ['a.example/b', 'a.example/b?', 'a.example/b#', 'x@a.example/b', 'a.example\\b']) {
      await ask('/c', { host: forged });
      assert.equal(cache.size, 0, forged);
    }
    assert.match((await ask('/b/c', host)).body, /^\/b\/c/);
    // As a proxy is asked.
    const absolute = (target, method) =>
      new Promise((resolve, reject) => {
        const asked = http.request(ask.origin, { path: target, method, headers: host, agent: false });
        asked.on('response', (response) => response.resume().on('end', () => resolve(response)));
        asked.on('error', reject).end();
      });
    await absolute('http://b.example/b/c', 'GET');
    assert.equal(cache.size, 1);
    assert.match((await absolute('http://A.example/b/c', 'GET')).headers['cache-status'], /hit/);
    await absolute('http://a.example/b/c', 'POST');
    assert.equal(cache.size, 0);
  });
});

all('a key of one’s own cannot be that of who says who asks', async (serve, made) => {
  const { cache } = made();
  const answer = (_req, run) => ({ headers: { 'cache-control': 'public, max-age=60' }, body: `run ${run}` });
  await serve({ cache, key: (req) => req.headers['x-key'] }, answer, async (ask) => {
    const stored = { 'x-key': 'k', authorization: 'Bearer a' };
    assert.deepEqual(bodies([await ask('/', stored), await ask('/', stored)]), ['run 1', 'run 1']);
    assert.equal((await ask('/', { 'x-key': 'authorization k' })).body, 'run 2');
  });
});

all('trailers are for who runs the handler: what is stored announces none', async (serve, made) => {
  const { cache } = made();
  const answer = () => ({
    headers: { ...KEPT, etag: '"a"' },
    body(res) {
      res.setHeader('Trailer', 'X-Sum');
      res.write('ab');
      res.addTrailers({ 'X-Sum': '1' });
      res.end('c');
    },
  });
  await serve({ cache }, answer, async (ask) => {
    const first = await ask();
    assert.deepEqual([first.body, first.trailers], ['abc', { 'x-sum': '1' }]);
    const hit = await ask();
    assert.deepEqual([hit.body, hit.trailers], ['abc', {}]);
    const fields = ['trailer', 'transfer-encoding', 'content-length'];
    assert.deepEqual(
      fields.map((name) => hit.headers[name]),
      [undefined, undefined, '3'],
    );
    cache.clear();
    const { status, body } = await ask('/', { 'if-none-match': '"a"' });
    assert.deepEqual([status, body], [304, '']);
    assert.match((await ask()).said, /hit/);
  });
});

all('several methods change nothing', async (serve, made) => {
  const { cache } = made();
  await serve({ cache }, numbered(KEPT), async (ask) => {
    await ask();
    for (const method of ['PROPFIND', 'REPORT', 'SEARCH', 'OPTIONS']) await ask('/', {}, method);
    assert.equal((await ask()).body, 'run 1');
    await ask('/', {}, 'PUT');
    assert.notEqual((await ask()).body, 'run 1');
  });
});
