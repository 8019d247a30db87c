// cacheResponse and the finer points of HTTP: dates and ages, keys that cannot be forged, parts, trailers, stale responses that their
// handlers are asked about, and handlers that say nothing.
import assert from 'node:assert/strict';
import http from 'node:http';
import { until } from './helpers/promises.mjs';
import './helpers/rejections.mjs';
import { all, bodies, gate, numbered } from './helpers/responses.mjs';

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

/** Answers 304 to who has `tag`, else the whole. */
function validating({ whole = {}, renewed = {}, tag = '"a"', body = 'whole' } = {}) {
  const seen = [];
  const answer = (req) => {
    const { 'if-none-match': match, 'if-modified-since': since } = req.headers;
    seen.push([match, since]);
    return match === tag
      ? { status: 304, headers: renewed }
      : { headers: { ...KEPT, etag: tag, ...whole }, body };
  };
  return { seen, answer };
}

all(
  'a stale response is good again when its handler says so, and its fields are renewed',
  async (serve, made) => {
    const { cache, clock } = made();
    const modified = inSeconds(-3_600);
    const { seen, answer } = validating({
      whole: { 'last-modified': modified, 'content-type': 'text/css', 'x-new': '1', 'x-old': '1' },
      renewed: { 'cache-control': 'max-age=30', 'x-new': '2', 'content-type': 'text/html' },
    });
    await serve({ cache }, answer, async (ask, server) => {
      await ask();
      clock.advance(61_000);
      const { status, body, headers, said } = await ask();
      assert.deepEqual([status, body, said], [200, 'whole', 'breakwater; fwd=stale; fwd-status=304; stored']);
      assert.equal(headers.age, undefined, 'its handler has just said it');
      assert.deepEqual(seen, [
        [undefined, undefined],
        ['"a"', modified],
      ]);
      const fields = ['content-type', 'x-new', 'x-old', 'etag', 'cache-control', 'content-length'];
      const expected = ['text/css', '2', '1', '"a"', 'max-age=30', '5'];
      const hit = await ask();
      for (const each of [headers, hit.headers]) {
        const found = fields.map((name) => each[name]?.split(';')[0]);
        assert.deepEqual(found, expected);
      }
      assert.deepEqual([hit.body, hit.said, server.runs], ['whole', 'breakwater; hit; ttl=30', 2]);
      clock.advance(31_000);
      assert.equal((await ask('/', { 'if-none-match': '"a"' })).status, 304, 'this client has it');
      clock.advance(31_000);
      const other = await ask('/', { 'if-none-match': '"b"' });
      assert.deepEqual([other.status, other.body], [200, 'whole']);
      assert.deepEqual(seen.at(-1), ['"a"', modified], 'asked is whether what is stored is still so');
      clock.advance(31_000);
      assert.equal((await ask('/', {}, 'POST')).status, 200);
      assert.deepEqual(seen.at(-1), [undefined, undefined]);
    });
  },
);

all('of many who ask for a stale response one has it validated for all', async (serve, made) => {
  const { cache, clock } = made();
  const { opened, open } = gate();
  // It says nothing of how long it is good: what was said before holds.
  const { answer } = validating();
  const slow = async (req, run) => {
    if (run > 1) await opened;
    return answer(req);
  };
  await serve({ cache }, slow, async (ask, server) => {
    await ask();
    clock.advance(61_000);
    const asked = [ask(), ask(), ask()];
    await until(() => cache.snapshot().waiting === 3);
    open();
    assert.deepEqual(bodies(await Promise.all(asked)), ['whole', 'whole', 'whole']);
    assert.equal((await ask()).said, 'breakwater; hit; ttl=60');
    assert.equal(server.runs, 2);
  });
});

all('what a 304 does not allow to keep is given, and not stored', async (serve, made) => {
  const renewals = {
    'no-store': { 'cache-control': 'no-store' },
    'a cookie': { ...KEPT, 'set-cookie': 'a=1' },
    'another tag': { ...KEPT, etag: '"b"' },
    'Vary: *': { ...KEPT, vary: '*' },
  };
  for (const [what, renewed] of Object.entries(renewals)) {
    const { cache, clock } = made();
    const { answer } = validating({ renewed });
    await serve({ cache }, answer, async (ask) => {
      await ask();
      clock.advance(61_000);
      const { status, body, headers } = await ask();
      assert.deepEqual([status, body, headers.etag, cache.size], [200, 'whole', '"a"', 0], what);
      assert.deepEqual(headers['set-cookie'], renewed['set-cookie'] && ['a=1']);
    });
  }
});

all('a handler that looks at the request as it was sent may answer its client', async (serve, made) => {
  const { cache, clock } = made();
  let tag = '"a"';
  const answer = (req) => {
    // As @hono/node-server does it.
    const sent = (req.raw ?? req).rawHeaders;
    const at = sent.findIndex((word) => word.toLowerCase() === 'if-none-match');
    const headers = { ...KEPT, etag: tag };
    return at >= 0 && sent[at + 1] === tag ? { status: 304, headers } : { headers, body: tag };
  };
  await serve({ cache }, answer, async (ask) => {
    await ask();
    clock.advance(61_000);
    const same = await ask('/', { 'if-none-match': '"a"' });
    assert.deepEqual([same.status, same.said], [304, 'breakwater; fwd=stale; fwd-status=304; stored']);
    clock.advance(61_000);
    tag = '"b"';
    const { status, headers } = await ask('/', { 'if-none-match': '"b"' });
    assert.deepEqual([status, headers.etag], [304, '"b"']);
    assert.equal((await ask()).body, '"b"');
    assert.equal((await ask()).said, 'breakwater; hit; ttl=60');
  });
});

all('each variant is validated by its own tag', async (serve, made) => {
  const { cache, clock } = made();
  const answer = (req) => {
    const tag = `"${req.headers['x-kind']}"`;
    const headers = { ...KEPT, vary: 'x-kind', etag: tag };
    return req.headers['if-none-match'] === tag
      ? { status: 304, headers }
      : { headers, body: req.headers['x-kind'] };
  };
  await serve({ cache }, answer, async (ask, server) => {
    const both = async () => [await ask('/', { 'x-kind': 'a' }), await ask('/', { 'x-kind': 'b' })];
    await both();
    clock.advance(61_000);
    const again = await both();
    assert.deepEqual(bodies(again), ['a', 'b']);
    for (const { said } of again) assert.match(said, /fwd-status=304; stored/);
    assert.match((await both())[1].said, /hit/);
    assert.equal(server.runs, 4);
  });
});

all(
  'a response is kept for its handler to be asked about it for so long, and not without a tag or a date',
  async (serve, made) => {
    for (const [options, whole, keptMs] of [
      [{}, {}, 600_000],
      [{ keepMs: 5_000 }, { 'cache-control': 'max-age=60, must-revalidate' }, 5_000],
      [{ keepMs: 5_000 }, { 'cache-control': 'max-age=50, stale-if-error=10' }, 5_000],
      [{ keepMs: 0 }, {}, 0],
      [{}, { etag: undefined }, 0],
    ]) {
      const { cache, clock } = made();
      const { seen, answer } = validating({ renewed: KEPT });
      const from = (req, run) => {
        const { status, headers, body } = answer(req, run);
        const given = Object.entries({ ...headers, ...(status === 304 ? {} : whole) });
        return { status, headers: Object.fromEntries(given.filter(([, value]) => value)), body };
      };
      await serve({ cache, ...options }, from, async (ask) => {
        await ask('/late');
        await ask();
        clock.advance(60_000 + keptMs - 1);
        assert.equal((await ask()).body, 'whole');
        assert.equal(seen.at(-1)[0], keptMs > 0 ? '"a"' : undefined);
        clock.advance(2);
        assert.equal((await ask('/late')).said, 'breakwater; fwd=uri-miss; stored');
      });
    }
  },
);

all('a response that is only kept to be asked about stands in for no error', async (serve, made) => {
  const { cache, clock } = made();
  const answer = (_req, run) =>
    run === 1 ? { headers: { ...KEPT, etag: '"a"' }, body: 'old' } : { status: 503, body: 'down' };
  await serve({ cache }, answer, async (ask) => {
    await ask();
    clock.advance(61_000);
    const { status, body } = await ask();
    assert.deepEqual([status, body], [503, 'down']);
  });
});

all('what was changed while it was validated is not stored again', async (serve, made) => {
  const { cache, clock } = made();
  const { opened, open } = gate();
  const { seen, answer } = validating({ renewed: KEPT });
  const slow = async (req, run) => {
    const answered = answer(req);
    if (run === 2) await opened;
    return answered;
  };
  await serve({ cache }, slow, async (ask, server) => {
    await ask();
    clock.advance(61_000);
    const early = ask();
    await until(() => server.runs === 2);
    await ask('/', {}, 'PUT');
    open();
    assert.equal((await early).body, 'whole');
    assert.equal((await ask()).said, 'breakwater; fwd=uri-miss; stored');
    assert.deepEqual(seen.at(-1), [undefined, undefined]);
  });
});

all(
  'a handler that never answers is waited for as long as the lease, and then another one is run',
  async (serve, made) => {
    const { cache, clock } = made({ leaseMs: 5_000 });
    const answer = (_req, run) => (run === 1 ? new Promise(() => {}) : { headers: KEPT, body: `run ${run}` });
    await serve({ cache, silenceMs: 0 }, answer, async (ask, server) => {
      const hung = assert.rejects(ask());
      const abandoned = ask.last;
      await until(() => server.runs === 1);
      const others = [ask(), ask()];
      await until(() => cache.snapshot().waiting === 3);
      clock.advance(4_999);
      assert.equal(server.runs, 1);
      clock.advance(1);
      clock.advance(1);
      assert.deepEqual(bodies(await Promise.all(others)), ['run 2', 'run 2']);
      assert.match((await ask()).said, /hit/);
      abandoned.destroy();
      await hung;
      await until(() => cache.snapshot().waiting === 0);
    });
  },
);

all(
  'a handler that says nothing once its client is gone is waited for silenceMs (real time)',
  async (serve, made) => {
    const { cache } = made();
    const answer = (_req, run) => (run === 1 ? new Promise(() => {}) : { headers: KEPT, body: `run ${run}` });
    await serve({ cache, silenceMs: 20 }, answer, async (ask, server) => {
      const hung = assert.rejects(ask());
      const abandoned = ask.last;
      await until(() => server.runs === 1);
      const others = [ask(), ask()];
      await until(() => cache.snapshot().waiting === 3);
      abandoned.destroy();
      await hung;
      assert.deepEqual(bodies(await Promise.all(others)), ['run 2', 'run 2']);
      assert.equal(cache.snapshot().loading, 0);
    });
  },
);

all(
  'a cache keeps no request whose handler never answered, once its client is gone (real time)',
  async (serve, made) => {
    const { cache } = made();
    await serve(
      { cache, silenceMs: 0 },
      () => new Promise(() => {}),
      async (ask, server) => {
        const hung = assert.rejects(ask());
        await until(() => server.runs === 1);
        assert.equal(cache.snapshot().loading, 1);
        ask.last.destroy();
        await hung;
        await until(() => cache.snapshot().loading === 0);
      },
    );
  },
);

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
