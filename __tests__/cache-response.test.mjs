// What cacheResponse promises in every framework: real servers, a cache on a clock that a test moves, and handlers behind gates.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import http from 'node:http';
import { Cache } from 'breakwater';
import { until } from './helpers/promises.mjs';
import './helpers/rejections.mjs';
import { all, bodies, gate, newName, numbered } from './helpers/responses.mjs';

const turns = async (count = 5) => {
  for (let i = 0; i < count; i++) await new Promise((turn) => setImmediate(turn));
};

const statuses = (answers) => answers.map(({ status }) => status);
all(
  'a response is stored as long as it says, with its age, and answered without its handler',
  async (serve, made) => {
    const { cache, clock } = made();
    const headers = { 'cache-control': 'max-age=60', 'content-type': 'text/plain', 'x-own': 'yes' };
    await serve({ cache }, numbered(headers), async (ask, server) => {
      const first = await ask();
      assert.deepEqual([first.status, first.body, first.headers.age], [200, 'run 1', undefined]);
      assert.equal(first.said, 'breakwater; fwd=uri-miss; stored');
      clock.advance(12_400);
      const second = await ask();
      assert.deepEqual([second.status, second.body, second.headers.age], [200, 'run 1', '12']);
      assert.equal(second.said, 'breakwater; hit; ttl=47');
      for (const name of ['content-type', 'x-own', 'cache-control', 'date', 'content-length']) {
        assert.equal(second.headers[name], first.headers[name], name);
      }
      clock.advance(47_601);
      assert.equal((await ask()).body, 'run 2');
      assert.equal(server.runs, 2);
      assert.equal(cache.snapshot().hits, 1);
    });
  },
);

all('a hit has the status and the bytes of the response, however they were written', async (serve, made) => {
  const bytes = Buffer.from([0, 255, 128, 10, 13]);
  const kept = { 'cache-control': 'max-age=60' };
  const answers = {
    '/bytes': { status: 203, headers: { ...kept, 'content-type': 'application/octet-stream' }, body: bytes },
    '/gone': { status: 410, headers: { ...kept, 'content-type': 'text/plain' }, body: 'gone' },
    '/empty': { status: 204, headers: kept },
    '/moved': { status: 301, headers: { ...kept, location: '/there' } },
    '/pieces': {
      headers: kept,
      body(res) {
        res.setHeader('X-Many', ['a', 'b']);
        res.write('a');
        res.write(Buffer.from('é'), () => res.write('7a', 'hex', () => res.end('!')));
      },
    },
    '/head': {
      headers: kept,
      body: (res) => res.writeHead(404, 'Not Here', ['X-One', '1']).end('no'),
    },
  };
  const { cache } = made();
  await serve(
    { cache },
    (req) => answers[req.url],
    async (ask, server) => {
      for (const path of Object.keys(answers)) {
        const first = await ask(path);
        const second = await ask(path);
        assert.match(second.said, /^breakwater; hit/, path);
        assert.deepEqual([second.status, second.bytes], [first.status, first.bytes], path);
        for (const name of ['location', 'x-one', 'x-many', 'content-type']) {
          assert.equal(second.headers[name], first.headers[name], `${path} ${name}`);
        }
      }
      assert.equal((await ask('/pieces')).body, 'aéz!');
      assert.equal(server.runs, Object.keys(answers).length);
    },
  );
});

all(
  'of many who ask at once one runs the handler, and the others get its response when it has ended',
  async (serve, made) => {
    const { cache } = made();
    const { opened, open } = gate();
    const answer = async (_req, run) => {
      await opened;
      return { headers: { 'cache-control': 'max-age=60' }, body: `run ${run}` };
    };
    await serve({ cache }, answer, async (ask, server) => {
      const asked = Array.from({ length: 20 }, () => ask());
      await until(() => cache.snapshot().waiting === 20);
      open();
      const answers = await Promise.all(asked);
      assert.deepEqual(new Set(bodies(answers)), new Set(['run 1']));
      assert.equal(server.runs, 1);
      const said = answers.map(({ said }) => said).sort();
      assert.equal(said.filter((each) => each === 'breakwater; fwd=uri-miss; collapsed; ttl=60').length, 19);
      assert.equal(said.at(-1), 'breakwater; fwd=uri-miss; stored');
    });
  },
);

all('what may not be stored is not, and those who waited run their handlers at once', async (serve, made) => {
  const kept = { 'cache-control': 'max-age=60' };
  const uncacheable = {
    '/no-store': { headers: { 'cache-control': 'no-store, max-age=60' } },
    '/private': { headers: { 'cache-control': 'max-age=60, private="x-user"' } },
    '/no-cache': { headers: { 'cache-control': 'NO-CACHE, max-age=60' } },
    '/pragma': { headers: { pragma: 'no-cache', expires: 'Fri, 01 Jan 2100 00:00:00 GMT' } },
    '/cookie': { headers: { ...kept, 'set-cookie': 'id=1' } },
    '/vary': { headers: { ...kept, vary: 'accept, *' } },
    '/nothing': { headers: {} },
    '/expired': { headers: { expires: '0' } },
    '/zero': { headers: { 'cache-control': 's-maxage=0, max-age=60' } },
    '/old': { headers: { ...kept, age: '60' } },
    '/wrong': { headers: { 'cache-control': 'max-age=1.5' } },
    '/twice': { headers: { 'cache-control': 'max-age=0, max-age=60' } },
    '/status': { headers: kept, status: 418 },
    '/error': { headers: kept, status: 500 },
    '/part': { headers: kept, status: 206 },
    '/events': { headers: { ...kept, 'content-type': 'text/event-stream' } },
    '/large': { headers: kept, body: 'x'.repeat(101) },
    '/large-pieces': {
      headers: kept,
      body(res) {
        for (let i = 0; i < 101; i++) res.write('x');
        res.end();
      },
    },
  };
  for (const [path, response] of Object.entries(uncacheable)) {
    const { cache } = made();
    const { opened, open } = gate();
    const together = gate();
    const answer = async (_req, run) => {
      if (run === 4) together.open();
      // The first goes on alone; the others can end only together.
      await (run === 1 ? opened : together.opened);
      return { body: `run ${run}`, ...response };
    };
    await serve({ cache, maxBodyBytes: 100 }, answer, async (ask, server) => {
      const asked = Array.from({ length: 4 }, () => ask(path));
      await until(() => cache.snapshot().waiting === 4, path);
      assert.equal(server.runs, 1, path);
      open();
      await Promise.all(asked);
      assert.equal(server.runs, 4, path);
      assert.equal(cache.size, 0, path);
    });
  }
});

all(
  'nobody waits for a response that cannot be stored, once that is known, until one can',
  async (serve, made) => {
    const { cache } = made();
    let control = 'no-store';
    const gates = [];
    const answer = async (_req, run) => {
      gates[run] = gate();
      await gates[run].opened;
      return { headers: { 'cache-control': control }, body: `run ${run}` };
    };
    await serve({ cache }, answer, async (ask, server) => {
      const first = ask();
      await until(() => gates[1]);
      gates[1].open();
      await first;
      const both = [ask(), ask()];
      await until(() => server.runs === 3);
      gates[2].open();
      gates[3].open();
      assert.equal((await both[0]).said, 'breakwater; fwd=bypass');
      await both[1];
      control = 'max-age=60';
      const fourth = ask();
      await until(() => gates[4]);
      gates[4].open();
      await fourth;
      const last = [ask(), ask()];
      await until(() => cache.snapshot().waiting === 2);
      gates[5].open();
      assert.deepEqual(bodies(await Promise.all(last)), ['run 5', 'run 5']);
    });
  },
);

all(
  'who waits is released by the head of a response that cannot be stored, not by its end',
  async (serve, made) => {
    const { cache } = made();
    const end = gate();
    const answer = (_req, run) => ({
      headers: { 'cache-control': 'private' },
      body(res) {
        res.write(`run ${run}`);
        if (run === 1) end.opened.then(() => res.end());
        else res.end();
      },
    });
    await serve({ cache }, answer, async (ask) => {
      const first = ask();
      assert.equal((await ask()).body, 'run 2');
      end.open();
      assert.equal((await first).body, 'run 1');
    });
  },
);

all('s-maxage goes before max-age, max-age before Expires, and Age counts', async (serve, made) => {
  const now = Date.now();
  const inSeconds = (s) => new Date(now + s * 1_000).toUTCString();
  const times = {
    '/shared': [{ 'cache-control': 'max-age=10, s-maxage="30"' }, 30],
    '/max-age': [{ 'cache-control': 'public, max-age=10', expires: inSeconds(99) }, 10],
    '/expires': [{ date: inSeconds(0), expires: inSeconds(20) }, 20],
    '/age': [{ 'cache-control': 'max-age=60', age: '45' }, 15],
    '/huge': [{ 'cache-control': 'max-age=99999999999999999999' }, 2 ** 31],
  };
  const { cache } = made();
  await serve(
    { cache },
    (req) => ({ headers: times[req.url][0], body: 'x' }),
    async (ask) => {
      for (const [path, [, seconds]] of Object.entries(times)) {
        await ask(path);
        const left = Number(/^breakwater; hit; ttl=(\d+)$/.exec((await ask(path)).said)[1]);
        // A second may have passed since the date.
        assert.equal(
          left === seconds || (path === '/expires' && left === seconds - 1),
          true,
          `${path} ${left}`,
        );
      }
      assert.equal((await ask('/age')).headers.age, '45');
    },
  );
});

all('ttlMs is for responses that say nothing, to requests that do not say who asks', async (serve, made) => {
  const { cache, clock } = made();
  const answer = (req, run) => ({
    headers: req.url === '/says' ? { 'cache-control': 'max-age=5' } : {},
    status: req.url === '/teapot' ? 418 : 200,
    body: `run ${run}`,
  });
  await serve({ cache, ttlMs: 10_000 }, answer, async (ask) => {
    assert.deepEqual(bodies([await ask('/'), await ask('/')]), ['run 1', 'run 1']);
    assert.deepEqual(bodies([await ask('/', { cookie: 'a=1' }), await ask('/', { cookie: 'a=2' })]), [
      'run 2',
      'run 3',
    ]);
    assert.equal((await ask('/', { authorization: 'Basic eDp5' })).body, 'run 4');
    assert.equal((await ask('/')).body, 'run 1');
    assert.deepEqual(bodies([await ask('/teapot'), await ask('/teapot')]), ['run 5', 'run 6']);
    await ask('/says');
    clock.advance(5_001);
    assert.equal((await ask('/says')).body, 'run 8');
    assert.equal((await ask('/')).body, 'run 1');
    clock.advance(5_000);
    assert.equal((await ask('/')).body, 'run 9');
  });
});

all(
  'a response to Authorization is stored only if it says it may be, and never given to others',
  async (serve, made) => {
    const { cache } = made();
    const controls = {
      '/plain': 'max-age=60',
      '/public': 'public, max-age=60',
      '/shared': 's-maxage=60',
      '/must': 'max-age=60, must-revalidate',
    };
    const answer = (req, run) => ({ headers: { 'cache-control': controls[req.url] }, body: `run ${run}` });
    await serve({ cache }, answer, async (ask, server) => {
      const user = { authorization: 'Bearer a' };
      for (const path of Object.keys(controls)) {
        const first = await ask(path, user);
        const again = await ask(path, { authorization: 'Bearer b' });
        assert.equal(first.body === again.body, path !== '/plain', path);
        const anonymous = await ask(path);
        assert.notEqual(anonymous.body, first.body, path);
        assert.equal((await ask(path)).body, anonymous.body, path);
      }
      const before = server.runs;
      // What others see is not for who says who it is, either.
      assert.notEqual((await ask('/plain', user)).body, (await ask('/plain')).body);
      assert.equal(server.runs, before + 1);
    });
  },
);

all(
  'fields of the connection and of one client are not stored; nor those that every request gets itself',
  async (serve, made) => {
    const { cache } = made();
    const headers = {
      'cache-control': 'max-age=60',
      connection: 'close, x-hop',
      'x-hop': '1',
      'x-stays': '2',
      'proxy-authenticate': 'Basic',
    };
    await serve({ cache }, numbered(headers), async (ask) => {
      await ask();
      const hit = await ask();
      assert.match(hit.said, /hit/);
      assert.deepEqual(
        ['x-hop', 'proxy-authenticate', 'x-stays'].map((name) => hit.headers[name]),
        [undefined, undefined, '2'],
      );
    });
  },
);

all('who has the response already is told so, by its tag or its date', async (serve, made) => {
  const { cache, clock } = made();
  const modified = 'Mon, 01 Jan 2024 00:00:00 GMT';
  const headers = {
    'cache-control': 'max-age=60',
    'content-type': 'text/plain',
    etag: 'W/"a,b"',
    'last-modified': modified,
    vary: 'accept',
  };
  await serve({ cache }, numbered(headers), async (ask, server) => {
    await ask();
    clock.advance(5_000);
    const yes = [
      { 'if-none-match': '"a,b"' },
      { 'if-none-match': '"x", W/"a,b"' },
      { 'if-none-match': '*' },
      { 'if-modified-since': modified },
      { 'if-modified-since': 'Tue, 02 Jan 2024 00:00:00 GMT' },
    ];
    for (const conditions of yes) {
      const { status, headers, body } = await ask('/', conditions);
      assert.deepEqual(
        [status, body, headers.etag, headers.age],
        [304, '', 'W/"a,b"', '5'],
        JSON.stringify(conditions),
      );
      assert.equal(headers['cache-control'], 'max-age=60');
      assert.equal(headers.vary, 'accept');
      assert.equal(headers['content-type'], undefined);
      assert.equal((await ask('/', conditions, 'HEAD')).status, 304);
    }
    const no = [
      { 'if-none-match': '"c"' },
      { 'if-none-match': '"c"', 'if-modified-since': modified },
      { 'if-modified-since': 'Sun, 31 Dec 2023 00:00:00 GMT' },
      { 'if-modified-since': 'yesterday' },
    ];
    for (const conditions of no)
      assert.equal((await ask('/', conditions)).status, 200, JSON.stringify(conditions));
    assert.equal(server.runs, 1);
  });
});

all('who leads is told so too, and the whole response is stored for others', async (serve, made) => {
  const { cache } = made();
  const headers = { 'cache-control': 'max-age=60', etag: '"a"', 'content-type': 'text/plain' };
  const seen = [];
  const answer = (req, run) => {
    seen.push(req.headers['if-none-match']);
    return { headers, body: run === 1 ? (res) => res.write('a') && res.end('b') : 'x' };
  };
  await serve({ cache }, answer, async (ask, server) => {
    const first = await ask('/', { 'if-none-match': '"a"' });
    assert.deepEqual([first.status, first.body, first.headers['content-type']], [304, '', undefined]);
    assert.equal(first.said, 'breakwater; fwd=uri-miss');
    assert.deepEqual(seen, [undefined], 'a handler that answered 304 would leave nothing to store');
    assert.deepEqual([(await ask()).body, server.runs], ['ab', 1]);
  });
});

all('HEAD is answered from a stored GET, and goes to its handler without one', async (serve, made) => {
  const { cache } = made();
  await serve({ cache }, numbered({ 'cache-control': 'max-age=60', 'x-own': 'yes' }), async (ask, server) => {
    assert.equal((await ask('/', {}, 'HEAD')).status, 200);
    assert.equal(cache.size, 0);
    await ask();
    const { status, headers, body, said } = await ask('/', {}, 'HEAD');
    assert.deepEqual([status, headers['content-length'], headers['x-own'], body], [200, '5', 'yes', '']);
    assert.match(said, /hit/);
    assert.equal(server.runs, 2);
  });
});

all('a response that varies is stored for each kind of request', async (serve, made) => {
  const { cache, clock } = made();
  const answer = (req, run) => ({
    headers: { 'cache-control': 'max-age=60', vary: 'Accept-Language, X-Plan' },
    body: `${req.headers['accept-language']} ${run}`,
  });
  await serve({ cache }, answer, async (ask, server) => {
    const [de, en] = [{ 'accept-language': 'de' }, { 'accept-language': 'en' }];
    assert.deepEqual(bodies([await ask('/', de), await ask('/', en)]), ['de 1', 'en 2']);
    const again = [await ask('/', de), await ask('/', en), await ask('/', { 'accept-language': ' DE ' })];
    assert.deepEqual(bodies(again), ['de 1', 'en 2', 'de 1']);
    assert.equal((await ask('/', { ...de, 'x-plan': 'pro' })).said, 'breakwater; fwd=vary-miss; stored');
    assert.equal((await ask('/', { ...de, 'x-plan': 'Pro' })).body, 'de 4');
    clock.advance(61_000);
    assert.deepEqual(bodies([await ask('/', de), await ask('/', de)]), ['de 5', 'de 5']);
    assert.equal(server.runs, 5);
  });
});

all(
  'of those who wait for a response that varies each gets what is for it, with one run for each kind',
  async (serve, made) => {
    const { cache } = made();
    const { opened, open } = gate();
    const answer = async (req) => {
      await opened;
      return { headers: { 'cache-control': 'max-age=60', vary: 'x-kind' }, body: req.headers['x-kind'] };
    };
    await serve({ cache }, answer, async (ask, server) => {
      const kinds = ['a', 'b', 'c', 'a', 'b', 'c', 'a', 'b', 'c'];
      const asked = kinds.map((kind) => ask('/', { 'x-kind': kind }));
      await until(() => cache.snapshot().waiting === 9);
      open();
      assert.deepEqual(bodies(await Promise.all(asked)), kinds);
      assert.equal(server.runs, 3);
    });
  },
);

all(
  'a response that varies by more than was known is not given to whom it is not for',
  async (serve, made) => {
    const { cache } = made();
    let vary = 'x-a';
    const answer = (_req, run) => ({ headers: { 'cache-control': 'max-age=60', vary }, body: `run ${run}` });
    await serve({ cache }, answer, async (ask) => {
      await ask('/', { 'x-a': '1', 'x-b': '1' });
      vary = 'x-a, x-b';
      assert.equal((await ask('/', { 'x-a': '2', 'x-b': '1' })).body, 'run 2');
      assert.equal((await ask('/', { 'x-a': '2', 'x-b': '2' })).body, 'run 3');
      assert.equal((await ask('/', { 'x-a': '2', 'x-b': '1' })).body, 'run 4');
      assert.equal((await ask('/', { 'x-a': '2', 'x-b': '2' })).body, 'run 3');
    });
  },
);

all('while one request revalidates, all others are served the stale response', async (serve, made) => {
  const { cache, clock } = made();
  let opened;
  const answer = async (_req, run) => {
    await opened;
    return { headers: { 'cache-control': 'max-age=10, stale-while-revalidate=20' }, body: `run ${run}` };
  };
  await serve({ cache }, answer, async (ask, server) => {
    await ask();
    clock.advance(15_000);
    const held = gate();
    opened = held.opened;
    const leader = ask();
    await until(() => server.runs === 2);
    const others = [await ask(), await ask(), await ask('/', {}, 'HEAD')];
    assert.deepEqual(bodies(others), ['run 1', 'run 1', '']);
    assert.equal(others[0].said, 'breakwater; hit; ttl=-5');
    held.open();
    const answered = await leader;
    assert.deepEqual([answered.body, answered.said], ['run 2', 'breakwater; fwd=stale; stored']);
    assert.equal((await ask()).said, 'breakwater; hit; ttl=10');
    clock.advance(30_001);
    assert.equal((await ask()).body, 'run 3');
  });
});

all(
  'an error is replaced by a stale response, for the leader and for those who wait',
  async (serve, made) => {
    const { cache, clock } = made();
    let fail;
    const answer = async (_req, run) => {
      if (run > 1) await fail();
      return {
        headers: { 'cache-control': 'max-age=10, stale-if-error=60', etag: '"a"', 'x-own': '1' },
        body: `run ${run}`,
      };
    };
    await serve({ cache }, answer, async (ask, server) => {
      await ask();
      clock.advance(40_000);
      const failed = gate();
      fail = async () => {
        await failed.opened;
        throw new Error('boom');
      };
      const asked = [ask(), ask(), ask()];
      await until(() => cache.snapshot().waiting === 3);
      failed.open();
      const answers = await Promise.all(asked);
      assert.deepEqual(statuses(answers), [200, 200, 200]);
      assert.deepEqual(bodies(answers), ['run 1', 'run 1', 'run 1']);
      assert.deepEqual(
        answers.map(({ headers }) => [headers.age, headers['x-own']]),
        Array(3).fill(['40', '1']),
      );
      const said = answers.map(({ said }) => said).sort();
      assert.deepEqual(said, [
        'breakwater; fwd=stale; collapsed; ttl=-30',
        'breakwater; fwd=stale; collapsed; ttl=-30',
        'breakwater; fwd=stale; fwd-status=500; ttl=-30',
      ]);
      assert.equal(server.runs, 2);
      fail = () => {
        throw Object.assign(new Error('boom'), { status: 503, statusCode: 503 });
      };
      assert.equal((await ask()).status, 200);
      assert.equal((await ask('/', { 'if-none-match': '"a"' })).status, 304);
      fail = () => {
        throw Object.assign(new Error('no'), { status: 400, statusCode: 400 });
      };
      assert.equal((await ask()).status, 400, 'what is no failure is not hidden');
      clock.advance(30_001);
      fail = () => {
        throw new Error('boom');
      };
      assert.deepEqual(statuses([await ask()]), [500]);
    });
  },
);

all(
  'an error that is written by hand is replaced as a whole, and its handler hears that it was sent',
  async (serve, made) => {
    const { cache, clock } = made();
    const heard = [];
    const answer = (_req, run) => {
      if (run === 1)
        return {
          headers: { 'cache-control': 'max-age=1, stale-if-error=60', 'content-type': 'text/a' },
          body: 'good',
        };
      return {
        body(res) {
          res.setHeader('x-error', '1');
          res.writeHead(502, 'Bad', { 'Content-Type': 'text/html', 'Content-Length': '6' });
          heard.push(res.write('bad', () => heard.push('written')));
          res.end('ly', () => heard.push('ended'));
        },
      };
    };
    await serve({ cache }, answer, async (ask) => {
      await ask();
      clock.advance(2_000);
      const { status, body, headers } = await ask();
      assert.deepEqual([status, body, headers['x-error']], [200, 'good', undefined]);
      assert.match(headers['content-type'], /^text\/a/);
      await until(() => heard.length === 3);
      assert.deepEqual(heard, [true, 'written', 'ended']);
    });
  },
);

all(
  'during stale-while-revalidate the one who revalidates is not given the error either',
  async (serve, made) => {
    const { cache, clock } = made();
    const answer = (_req, run) => {
      if (run > 1) throw new Error('boom');
      return { headers: { 'cache-control': 'max-age=10, stale-while-revalidate=60' }, body: 'good' };
    };
    await serve({ cache }, answer, async (ask, server) => {
      await ask();
      clock.advance(20_000);
      assert.deepEqual(bodies([await ask(), await ask()]), ['good', 'good']);
      assert.equal(server.runs, 3);
    });
  },
);

all('must-revalidate allows no stale response', async (serve, made) => {
  const { cache, clock } = made();
  const answer = (_req, run) => {
    if (run > 1) throw new Error('boom');
    return {
      headers: {
        'cache-control': 'max-age=10, stale-if-error=60, stale-while-revalidate=60, must-revalidate',
      },
    };
  };
  await serve({ cache }, answer, async (ask) => {
    await ask();
    clock.advance(10_001);
    assert.equal((await ask()).status, 500);
  });
});

all('a stale response that its handler has taken back is not served any more', async (serve, made) => {
  const { cache, clock } = made();
  const answer = (_req, run) =>
    run === 1
      ? { headers: { 'cache-control': 'max-age=10, stale-while-revalidate=600' }, body: 'old' }
      : { headers: { 'cache-control': 'no-store' }, status: 404, body: `gone ${run}` };
  await serve({ cache }, answer, async (ask) => {
    await ask();
    clock.advance(20_000);
    assert.deepEqual(bodies([await ask(), await ask()]), ['gone 2', 'gone 3']);
  });
});

all(
  'an unsafe request that succeeds ends what is stored, variants and loads under way too',
  async (serve, made) => {
    const { cache } = made();
    const held = gate();
    let hold = false;
    const answer = async (req, run) => {
      if (req.method !== 'GET') return { status: req.headers['x-status'] ? 400 : 201, body: 'done' };
      if (hold) await held.opened;
      return { headers: { 'cache-control': 'max-age=60', vary: 'x-kind' }, body: `run ${run}` };
    };
    await serve({ cache }, answer, async (ask) => {
      await ask('/', { 'x-kind': 'a' });
      await ask('/', { 'x-kind': 'b' });
      await ask('/', { 'x-status': 'bad' }, 'POST');
      await ask('/other', {}, 'POST');
      assert.equal((await ask('/', { 'x-kind': 'a' })).body, 'run 1');
      await ask('/', {}, 'PUT');
      assert.deepEqual(bodies([await ask('/', { 'x-kind': 'a' }), await ask('/', { 'x-kind': 'b' })]), [
        'run 6',
        'run 7',
      ]);
      await ask('/', {}, 'DELETE');
      hold = true;
      const early = ask('/', { 'x-kind': 'a' });
      await until(() => cache.snapshot().loading === 1);
      await ask('/', {}, 'PATCH');
      held.open();
      assert.equal((await early).body, 'run 9');
      assert.equal((await ask('/', { 'x-kind': 'a' })).body, 'run 11');
    });
  },
);

all(
  'a leader whose client goes away before its handler answers still answers the others',
  async (serve, made) => {
    const { cache } = made();
    const { opened, open } = gate();
    const closed = gate();
    const answer = async (req, run) => {
      if (run === 1) (req.raw ?? req).socket.once('close', closed.open);
      await opened;
      return { headers: { 'cache-control': 'max-age=60' }, body: `run ${run}` };
    };
    await serve({ cache }, answer, async (ask, server) => {
      const leader = ask();
      await until(() => server.runs === 1);
      const abandoned = ask.last;
      const others = [ask(), ask()];
      await until(() => cache.snapshot().waiting === 3);
      abandoned.destroy();
      await assert.rejects(leader);
      await closed.opened;
      await turns();
      open();
      assert.deepEqual(bodies(await Promise.all(others)), ['run 1', 'run 1']);
      assert.equal(server.runs, 1);
    });
  },
);

all(
  'of a response that breaks off nothing is stored, and one of those who waited tries again',
  async (serve, made) => {
    const { cache } = made();
    const { opened, open } = gate();
    const answer = (_req, run) => ({
      headers: { 'cache-control': 'max-age=60' },
      body(res) {
        res.write('half');
        if (run === 1) opened.then(() => res.destroy());
        else setImmediate(() => res.end(` of ${run}`));
      },
    });
    await serve({ cache }, answer, async (ask, server) => {
      const leader = ask();
      const broken = assert.rejects(leader);
      await until(() => server.runs === 1);
      const others = [ask(), ask(), ask()];
      await until(() => cache.snapshot().waiting === 4);
      open();
      await broken;
      assert.deepEqual(bodies(await Promise.all(others)), ['half of 2', 'half of 2', 'half of 2']);
      assert.equal(server.runs, 2);
    });
  },
);

all('a response that says it is longer than it was is not stored', async (serve, made) => {
  const { cache } = made();
  const answer = (_req, run) => ({
    headers: { 'cache-control': 'max-age=60', 'content-length': '9' },
    body: (res) => (run === 1 ? res.end('half') : res.end('the whole')),
  });
  await serve({ cache }, answer, async (ask) => {
    await ask().catch(() => {});
    assert.equal(cache.size, 0);
    assert.equal((await ask()).body, 'the whole');
  });
});

all('who waits does not wait for the client of the one it waits for', async (serve, made) => {
  const { cache } = made();
  const body = Buffer.alloc(8 * 2 ** 20, 'x');
  const answer = () => ({
    headers: { 'cache-control': 'max-age=60' },
    async body(res) {
      // As a stream does it: no further before there is room.
      for (let at = 0; at < body.length; at += 65_536) {
        if (!res.write(body.subarray(at, at + 65_536))) await once(res, 'drain');
      }
      res.end();
    },
  });
  await serve({ cache, maxBodyBytes: body.length }, answer, async (ask, server) => {
    // It sends a request and reads nothing.
    const slow = http.get(ask.origin, { agent: false });
    slow.on('response', () => {});
    slow.on('error', () => {});
    await until(() => server.runs === 1);
    const { bytes } = await ask();
    assert.equal(bytes.length, body.length);
    assert.equal(server.runs, 1);
    slow.destroy();
  });
});

all('the default key is scheme, host, path and the sorted query', async (serve, made) => {
  const { cache } = made();
  await serve({ cache }, numbered({ 'cache-control': 'max-age=60' }), async (ask) => {
    assert.equal((await ask('/a?b=2&a=1&b=1')).body, 'run 1');
    assert.equal((await ask('/a?a=1&b=2&b=1')).body, 'run 1');
    assert.equal((await ask('/a?a=1&b=1&b=2')).body, 'run 2');
    assert.equal((await ask('/A?a=1&b=2&b=1')).body, 'run 3');
    assert.equal((await ask('/a', { host: 'One.example' })).body, 'run 4');
    assert.equal((await ask('/a', { host: 'one.example' })).body, 'run 4');
    assert.equal((await ask('/a', { host: 'two.example' })).body, 'run 5');
    assert.equal((await ask('/a', { host: 'two.example', 'x-forwarded-host': 'evil' })).body, 'run 5');
    assert.equal(cache.peek('http://one.example/a').value.status, 200);
    const long = `/${'x'.repeat(3_000)}`;
    assert.notEqual((await ask(long)).body, (await ask(long)).body, 'a long key is not used');
  });
});

all('a key and skip of one’s own', async (serve, made) => {
  const { cache } = made();
  const options = {
    cache,
    key: (req) => req.url.split('?')[0],
    skip: (req) => req.headers['x-skip'] === '1',
  };
  await serve(options, numbered({ 'cache-control': 'max-age=60' }), async (ask) => {
    assert.equal((await ask('/a?x=1')).body, 'run 1');
    assert.equal((await ask('/a?x=2')).body, 'run 1');
    const skipped = await ask('/a', { 'x-skip': '1' });
    assert.deepEqual([skipped.body, skipped.said], ['run 2', undefined]);
    await ask('/a', { 'x-skip': '1' }, 'POST');
    assert.equal((await ask('/a')).body, 'run 1');
    assert.equal(cache.peek('/a').value.status, 200);
  });
});

all(
  'what an option throws, or a promise it answers, goes to the error handling and not to the route',
  async (serve, made) => {
    const { cache } = made();
    const boom = () => {
      throw new Error('boom');
    };
    for (const [options, said] of [
      [{ key: boom }, 'boom'],
      [{ skip: boom }, 'boom'],
      [{ key: () => undefined }, 'ERR_INVALID_OPTION'],
      [{ key: async () => 'key' }, 'ERR_INVALID_OPTION'],
      [{ skip: async () => boom() }, 'ERR_INVALID_OPTION'],
      [{ key: () => Promise.reject('router') }, 'ERR_INVALID_OPTION'],
    ]) {
      await serve({ cache, ...options }, numbered({}), async (ask, server) => {
        const { status, body } = await ask();
        assert.deepEqual([status, body, server.runs], [500, said, 0]);
        assert.equal(server.errors[0] instanceof Error, true);
      });
    }
  },
);

all(
  'a cache that is disposed, or of another codec, leaves it to the handlers, and is told of once',
  async (serve, made) => {
    const warned = [];
    const listener = ({ name, code }) => name === 'BreakwaterWarning' && warned.push(code);
    process.on('warning', listener);
    const { cache } = made();
    cache.dispose();
    const json = new Cache({ name: newName(), codec: 'json', maxEntries: 10, ttlMs: 1_000 });
    for (const broken of [cache, json]) {
      await serve({ cache: broken }, numbered({ 'cache-control': 'max-age=60' }), async (ask) => {
        assert.deepEqual(bodies([await ask(), await ask(), await ask()]), ['run 1', 'run 2', 'run 3']);
        assert.equal((await ask('/', {}, 'POST')).status, 200);
      });
    }
    await turns();
    process.off('warning', listener);
    json.dispose();
    assert.deepEqual(warned, ['BREAKWATER_CACHE_FAILED', 'BREAKWATER_CACHE_FAILED']);
  },
);

all('a cache disposed while others wait lets them run their handlers', async (serve, made) => {
  const { cache } = made();
  const { opened, open } = gate();
  const answer = async (_req, run) => {
    if (run === 1) await opened;
    return { headers: { 'cache-control': 'max-age=60' }, body: `run ${run}` };
  };
  await serve({ cache }, answer, async (ask) => {
    const asked = [ask(), ask(), ask()];
    await until(() => cache.snapshot().waiting === 3);
    cache.dispose();
    await Promise.any(asked);
    open();
    assert.deepEqual(bodies(await Promise.all(asked)).sort(), ['run 1', 'run 2', 'run 3']);
  });
});

all('requests on conditions of their own or with a body go to the handler', async (serve, made) => {
  const { cache } = made();
  await serve({ cache }, numbered({ 'cache-control': 'max-age=60' }), async (ask) => {
    await ask();
    for (const headers of [{ 'if-match': '"a"' }, { 'if-unmodified-since': new Date().toUTCString() }]) {
      assert.notEqual((await ask('/', headers)).body, 'run 1', Object.keys(headers)[0]);
    }
    assert.equal((await ask('/', {}, 'OPTIONS')).said, undefined);
    assert.equal((await ask()).body, 'run 1');
  });
});

all('Cache-Control of a request counts only where it is to be honoured', async (serve, made) => {
  const { cache, clock } = made();
  const stored = { 'cache-control': 'max-age=60, stale-if-error=600' };
  await serve({ cache }, numbered(stored), async (ask) => {
    await ask();
    for (const control of ['no-cache', 'no-store', 'max-age=0']) {
      assert.equal((await ask('/', { 'cache-control': control })).body, 'run 1', control);
    }
  });
  cache.clear();
  await serve({ cache, honorRequestCacheControl: true }, numbered(stored), async (ask, server) => {
    const withControl = async (control) => {
      const { status, body } = await ask('/', { 'cache-control': control });
      return status === 200 ? body : status;
    };
    assert.equal(await withControl('only-if-cached'), 504);
    assert.equal(server.runs, 0);
    await ask();
    assert.equal(await withControl('only-if-cached'), 'run 1');
    clock.advance(10_000);
    assert.equal(await withControl('max-age=10'), 'run 1');
    assert.equal(await withControl('min-fresh=50'), 'run 1');
    assert.equal(await withControl('no-store'), 'run 2');
    assert.equal(await withControl('max-age=60'), 'run 1', 'what was not to be stored was not');
    assert.equal(await withControl('max-age=9'), 'run 3');
    clock.advance(20_000);
    assert.equal(await withControl('min-fresh=41'), 'run 4');
    assert.equal((await ask('/', { pragma: 'no-cache' })).said, 'breakwater; fwd=request; stored');
    assert.equal((await ask()).body, 'run 5');
    clock.advance(70_000);
    assert.equal(await withControl('max-stale=11'), 'run 5');
    assert.equal(await withControl('max-stale'), 'run 5');
    assert.equal(await withControl('max-stale=9'), 'run 6');
  });
});

all('Cache-Status adds to what is there, or is left out', async (serve, made) => {
  const { cache } = made();
  const headers = { 'cache-control': 'max-age=60', 'cache-status': 'inner; hit' };
  await serve(
    { cache },
    (_req) => ({
      headers: {},
      body: (res) => {
        for (const [name, value] of Object.entries(headers)) res.setHeader(name, value);
        res.end('x');
      },
    }),
    async (ask) => {
      assert.equal((await ask()).said, 'inner; hit, breakwater; fwd=uri-miss; stored');
      assert.equal((await ask()).said, 'breakwater; hit; ttl=60');
    },
  );
  cache.clear();
  await serve({ cache, cacheStatus: false }, numbered({ 'cache-control': 'max-age=60' }), async (ask) => {
    assert.deepEqual([(await ask()).said, (await ask()).said], [undefined, undefined]);
    assert.equal((await ask()).headers.age, '0');
  });
});

all(
  'a stale response that is not stored any more: those who wait run their handlers',
  async (serve, made) => {
    const { cache, clock } = made();
    const { opened, open } = gate();
    const answer = async (_req, run) => {
      if (run === 1) return { headers: { 'cache-control': 'max-age=1, stale-if-error=600' }, body: 'old' };
      await opened;
      return { headers: { 'cache-control': 'no-store' }, body: `run ${run}` };
    };
    await serve({ cache }, answer, async (ask) => {
      await ask();
      clock.advance(2_000);
      const asked = [ask(), ask(), ask()];
      await until(() => cache.snapshot().waiting === 3);
      open();
      assert.deepEqual(bodies(await Promise.all(asked)).sort(), ['run 2', 'run 3', 'run 4']);
      assert.equal(cache.size, 0);
    });
  },
);

all('who has waited is not given what is good for no time', async (serve, made) => {
  const { cache } = made();
  const { opened, open } = gate();
  const answer = async (_req, run) => {
    await opened;
    return { headers: { 'cache-control': 'max-age=0, stale-if-error=60' }, body: `run ${run}` };
  };
  await serve({ cache }, answer, async (ask) => {
    const asked = [ask(), ask()];
    await until(() => cache.snapshot().waiting === 2);
    open();
    assert.deepEqual(bodies(await Promise.all(asked)).sort(), ['run 1', 'run 2']);
  });
});

all('the timeouts of the cache are for those who wait', async (serve, made) => {
  const { cache, clock } = made({ hardTimeoutMs: 1_000 });
  const { opened, open } = gate();
  const answer = async (_req, run) => {
    if (run === 1) await opened;
    return { headers: { 'cache-control': 'max-age=60' }, body: `run ${run}` };
  };
  await serve({ cache }, answer, async (ask) => {
    const leader = ask();
    await until(() => cache.snapshot().loading === 1);
    const other = ask();
    await until(() => cache.snapshot().waiting === 2);
    clock.advance(1_000);
    assert.equal((await other).body, 'run 2');
    open();
    assert.equal((await leader).body, 'run 1');
    assert.equal((await ask()).body, 'run 1');
  });
});

all('who revalidates for longer than the cache’s timeout is no failure of the cache', async (serve, made) => {
  const warned = [];
  const listener = ({ code }) => warned.push(code);
  process.on('warning', listener);
  const { cache, clock } = made({ hardTimeoutMs: 1_000 });
  const { opened, open } = gate();
  const answer = async (_req, run) => {
    if (run === 2) await opened;
    return { headers: { 'cache-control': 'max-age=10, stale-while-revalidate=60' }, body: `run ${run}` };
  };
  await serve({ cache }, answer, async (ask, server) => {
    await ask();
    clock.advance(11_000);
    const leader = ask();
    await until(() => server.runs === 2);
    clock.advance(1_000);
    await turns();
    open();
    assert.equal((await leader).body, 'run 2');
    assert.equal((await ask()).body, 'run 2');
  });
  process.off('warning', listener);
  assert.deepEqual(warned, []);
});

all('who waited and is gone by then does not lead', async (serve, made) => {
  const { cache } = made();
  const { opened, open } = gate();
  const closed = gate();
  const answer = (req, run) => ({
    headers: { 'cache-control': 'max-age=60' },
    body(res) {
      if (run > 1) return res.end(`run ${run} ${req.headers['x-who']}`);
      res.write('half');
      opened.then(() => res.destroy());
    },
  });
  const options = {
    cache,
    skip(req) {
      if (req.headers['x-who'] === 'gone') (req.raw ?? req).socket.once('close', closed.open);
      return false;
    },
  };
  await serve(options, answer, async (ask, server) => {
    const leader = assert.rejects(ask());
    await until(() => server.runs === 1);
    const gone = assert.rejects(ask('/', { 'x-who': 'gone' }));
    const abandoned = ask.last;
    await until(() => cache.snapshot().waiting === 2);
    const other = ask('/', { 'x-who': 'other' });
    await until(() => cache.snapshot().waiting === 3);
    abandoned.destroy();
    await gone;
    await closed.opened;
    await turns();
    open();
    await leader;
    assert.equal((await other).body, 'run 2 other');
    assert.equal(server.runs, 2);
  });
});

all(
  'a handler that writes bit by bit after its client has gone, and breaks off, keeps nobody waiting',
  async (serve, made) => {
    const { cache } = made();
    const { opened, open } = gate();
    const closed = gate();
    const answer = async (req, run) => {
      if (run === 1) {
        (req.raw ?? req).socket.once('close', closed.open);
        await opened;
      }
      return {
        headers: { 'cache-control': 'max-age=60' },
        body(res) {
          res.write('half');
          if (run === 1) res.destroy();
          else res.end(` of ${run}`);
        },
      };
    };
    await serve({ cache }, answer, async (ask, server) => {
      const leader = assert.rejects(ask());
      await until(() => server.runs === 1);
      const abandoned = ask.last;
      const other = ask();
      await until(() => cache.snapshot().waiting === 2);
      abandoned.destroy();
      await leader;
      await closed.opened;
      await turns();
      open();
      assert.equal((await other).body, 'half of 2');
    });
  },
);
