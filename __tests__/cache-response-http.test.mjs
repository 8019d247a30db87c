// cacheResponse and the finer points of HTTP: dates and ages, keys that cannot be forged, parts, trailers.
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

all('a part is given of what is stored, where it says that it may be taken in parts', async (serve, made) => {
  const { cache, clock } = made();
  const headers = { ...KEPT, 'accept-ranges': 'bytes', etag: '"a"', 'last-modified': inSeconds(-60) };
  const answer = (req) => ({
    headers: req.url === '/plain' ? KEPT : headers,
    body: req.url === '/empty' ? '' : '0123456789',
  });
  await serve({ cache }, answer, async (ask, server) => {
    for (const path of ['/', '/plain', '/empty']) await ask(path);
    clock.advance(5_000);
    const part = async (range, more) => {
      const { status, body, headers } = await ask('/', { range, ...more });
      assert.equal(Number(headers['content-length'] ?? 0), body.length, range);
      return [status, body, headers['content-range']];
    };
    const whole = [200, '0123456789', undefined];
    assert.deepEqual(await part('bytes=2-4'), [206, '234', 'bytes 2-4/10']);
    assert.deepEqual(await part('bytes=7-'), [206, '789', 'bytes 7-9/10']);
    assert.deepEqual(await part('Bytes=-3'), [206, '789', 'bytes 7-9/10']);
    assert.deepEqual(await part('bytes=-99'), [206, '0123456789', 'bytes 0-9/10']);
    assert.deepEqual(await part('bytes=0-99'), [206, '0123456789', 'bytes 0-9/10']);
    for (const range of ['bytes=10-', 'bytes=99-100', 'bytes=-0']) {
      assert.deepEqual(await part(range), [416, '', 'bytes */10'], range);
    }
    for (const range of ['bytes=0-1,3-4', 'bytes=4-2', 'bytes=-', 'bytes', 'lines=0-1', 'bytes=a-b']) {
      assert.deepEqual(await part(range), whole, range);
    }
    assert.equal((await part('bytes=0-1', { 'if-range': '"a"' }))[0], 206);
    for (const tag of ['"b"', 'W/"a"', headers['last-modified']]) {
      assert.deepEqual(await part('bytes=0-1', { 'if-range': tag }), whole, tag);
    }
    assert.equal((await part('bytes=0-1', { 'if-none-match': '"a"' }))[0], 304);
    const { status, headers: fields } = await ask('/', { range: 'bytes=0-1' });
    assert.deepEqual([status, fields.etag, fields.age], [206, '"a"', '5']);
    assert.equal(fields['cache-control'], 'max-age=60');
    assert.equal((await ask('/', { range: 'bytes=0-1' }, 'HEAD')).status, 200, 'HEAD knows no parts');
    assert.equal((await ask('/plain', { range: 'bytes=0-1' })).body, '0123456789');
    assert.equal((await ask('/empty', { range: 'bytes=0-1' })).status, 200);
    assert.equal(server.runs, 3);
  });
});

all('who asks for a part of what is not stored gets it of the handler', async (serve, made) => {
  const { cache } = made();
  const answer = (req, run) => ({
    status: req.headers.range ? 206 : 200,
    headers: { ...KEPT, ...(req.headers.range && { 'content-range': 'bytes 0-1/9' }) },
    body: `run ${run}`,
  });
  await serve({ cache }, answer, async (ask, server) => {
    const { status, body } = await ask('/', { range: 'bytes=0-1' });
    assert.deepEqual([status, body, cache.size], [206, 'run 1', 0]);
    assert.equal((await ask()).body, 'run 2');
    assert.equal(server.runs, 2);
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
