import assert from 'node:assert/strict';
import { EventEmitter, once } from 'node:events';
import http from 'node:http';
import { test } from 'node:test';
import { InvalidOptionError, ManualClock, RateLimitedError, RateLimiter } from 'breakwater';
import { ipKey, rateLimit } from 'breakwater/express';
import express5 from 'express';
import express4 from 'express4';

const frameworks = [
  ['Express 4', express4],
  ['Express 5', express5],
];

/** A limiter of `limit` requests a minute on a clock that stands still. */
const limiterOf = (limit, label = 'api') =>
  new RateLimiter({ limits: { label, limit, windowMs: 60_000 }, clock: new ManualClock() });

/**
 * Serves `app` on loopback while `use` runs. `ask(path, headers, init)` answers a Response; `idle()` waits until the server, too,
 * has seen the end of every response.
 */
async function serve(app, use) {
  const responses = [];
  const server = http.createServer((req, res) => {
    responses.push(once(res, 'close'));
    app(req, res);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const origin = `http://127.0.0.1:${server.address().port}`;
  const idle = async () => {
    await Promise.all(responses);
    await new Promise((turn) => setImmediate(turn));
  };
  try {
    await use(
      (path = '/', headers = {}, init = {}) => fetch(origin + path, { headers, ...init }),
      idle,
      origin,
    );
    await idle();
  } finally {
    server.closeAllConnections();
    server.close();
  }
}

/** An app that limits by `options` and then answers ok; errors are answered by their code or message, and counted. */
function appOf(express, options) {
  const app = express();
  app.set('trust proxy', 'loopback');
  app.use(rateLimit(options));
  app.get('/', (_req, res) => res.send('ok'));
  app.errors = [];
  app.use((error, _req, res, _next) => {
    app.errors.push(error);
    res.status(error.status ?? 500).send(String(error.code ?? error.message ?? error));
  });
  return app;
}

const from = (address) => ({ 'x-forwarded-for': address });
const statuses = async (ask, n, path, headers) => {
  const all = [];
  for (let i = 0; i < n; i++) all.push((await ask(path, headers)).status);
  return all;
};

/** The codes of the warnings of this package that `run` causes. */
async function warningsOf(run) {
  const codes = [];
  const listener = (warning) => {
    if (warning.name === 'BreakwaterWarning') codes.push(warning.code);
  };
  process.on('warning', listener);
  await run();
  await new Promise((turn) => setImmediate(turn));
  process.off('warning', listener);
  return codes;
}

for (const [name, express] of frameworks) {
  test(`${name}: admits up to the limit, refuses with 429, and admits again when the clock says so`, async () => {
    const clock = new ManualClock();
    const limiter = new RateLimiter({ limits: { limit: 3, windowMs: 60_000 }, clock });
    await serve(appOf(express, { limiter }), async (ask) => {
      assert.deepEqual(await statuses(ask, 5), [200, 200, 200, 429, 429]);
      clock.advance(20_000);
      assert.deepEqual(await statuses(ask, 2), [200, 429]);
    });
  });

  test(`${name}: every client has its own limit, and an IPv6 customer one for a whole /64`, async () => {
    await serve(appOf(express, { limiter: limiterOf(1) }), async (ask) => {
      const statusOf = async (address) => (await ask('/', from(address))).status;
      assert.equal(await statusOf('203.0.113.1'), 200);
      assert.equal(await statusOf('203.0.113.2'), 200);
      assert.equal(await statusOf('203.0.113.1'), 429);
      assert.equal(await statusOf('::ffff:203.0.113.1'), 429);
      assert.equal(await statusOf('::ffff:203.0.113.3'), 200);
      assert.equal(await statusOf('2001:db8:0:12::1'), 200);
      assert.equal(await statusOf('2001:db8:0:12::2'), 429);
      assert.equal(await statusOf('2001:db8:0:13::1'), 200);
    });
  });

  test(`${name}: ipv6Prefix says how much of an address is one client`, async () => {
    await serve(appOf(express, { limiter: limiterOf(1), ipv6Prefix: 56 }), async (ask) => {
      assert.equal((await ask('/', from('2001:db8:0:12::1'))).status, 200);
      assert.equal((await ask('/', from('2001:db8:0:13::1'))).status, 429);
      assert.equal((await ask('/', from('2001:db8:0:112::1'))).status, 200);
    });
  });

  test(`${name}: counts for the key the user gives`, async () => {
    const key = (req) => req.get('x-api-key') ?? ipKey(req.ip);
    await serve(appOf(express, { limiter: limiterOf(1), key }), async (ask) => {
      assert.deepEqual(await statuses(ask, 2, '/', { 'x-api-key': 'a' }), [200, 429]);
      assert.deepEqual(await statuses(ask, 2, '/', { 'x-api-key': 'b' }), [200, 429]);
      assert.deepEqual(await statuses(ask, 2), [200, 429]);
    });
  });

  test(`${name}: a request costs what cost says`, async () => {
    const cost = (req) => Number(req.query.n);
    await serve(appOf(express, { limiter: limiterOf(10), cost }), async (ask) => {
      assert.equal((await ask('/?n=7')).headers.get('ratelimit'), '"api";r=3;t=6');
      assert.equal((await ask('/?n=4')).status, 429);
      assert.equal((await ask('/?n=3')).status, 200);
    });
  });

  test(`${name}: a cost may be one per limit`, async () => {
    const limits = [
      { label: 'requests', limit: 10, windowMs: 10_000 },
      { label: 'rows', limit: 1_000, windowMs: 10_000 },
    ];
    const limiter = new RateLimiter({ limits, clock: new ManualClock() });
    const cost = (req) => [1, Number(req.query.rows)];
    await serve(appOf(express, { limiter, cost }), async (ask) => {
      assert.match((await ask('/?rows=600')).headers.get('ratelimit'), /^"requests";r=9;t=1, "rows";r=400;/);
      const refused = await ask('/?rows=600');
      assert.equal(refused.status, 429);
      assert.deepEqual((await refused.json())['violated-policies'], ['rows']);
      assert.equal((await ask('/?rows=400')).status, 200);
    });
  });

  test(`${name}: a function picks a limiter per plan`, async () => {
    const plans = { free: limiterOf(1, 'free'), pro: limiterOf(3, 'pro') };
    await serve(appOf(express, { limiter: (req) => plans[req.get('x-plan')] }), async (ask) => {
      assert.deepEqual(await statuses(ask, 2, '/', { 'x-plan': 'free' }), [200, 429]);
      assert.deepEqual(await statuses(ask, 4, '/', { 'x-plan': 'pro' }), [200, 200, 200, 429]);
      const response = await ask('/', { 'x-plan': 'pro' });
      assert.equal(response.headers.get('ratelimit-policy'), '"pro";q=3;w=60');
      assert.equal((await ask('/', { 'x-plan': 'none' })).status, 500);
    });
  });

  for (const [how, wrap] of [
    ['', (fn) => fn],
    [
      ' (promises)',
      (fn) =>
        async (...args) =>
          fn(...args),
    ],
  ]) {
    test(`${name}: all functions together${how}`, async () => {
      const limiter = limiterOf(10);
      const options = {
        limiter: wrap(() => limiter),
        key: wrap((req) => req.get('x-user')),
        cost: wrap(() => 4),
        skip: wrap((req) => req.get('x-user') === 'root'),
        onRefused: wrap((req, res, decision) => {
          res.json({ user: req.get('x-user'), left: decision.remaining, status: res.statusCode });
        }),
      };
      await serve(appOf(express, options), async (ask) => {
        assert.deepEqual(await statuses(ask, 3, '/', { 'x-user': 'ann' }), [200, 200, 429]);
        assert.deepEqual(await (await ask('/', { 'x-user': 'ann' })).json(), {
          user: 'ann',
          left: 2,
          status: 429,
        });
        const skipped = await ask('/', { 'x-user': 'root' });
        assert.equal(skipped.status, 200);
        assert.equal(skipped.headers.get('ratelimit'), null);
        assert.deepEqual(await statuses(ask, 5, '/', { 'x-user': 'root' }), [200, 200, 200, 200, 200]);
      });
    });

    test(`${name}: gives the cost back when refundIf says so${how}`, async () => {
      const limiter = limiterOf(10);
      const app = express();
      app.use(rateLimit({ limiter, cost: 4, refundIf: wrap((_req, res) => res.statusCode >= 500) }));
      app.get('/:status', (req, res) => res.status(Number(req.params.status)).end());
      await serve(app, async (ask, idle) => {
        const left = async (path) => (await ask(path)).headers.get('ratelimit').match(/r=(\d+)/)[1];
        assert.equal(await left('/200'), '6');
        assert.equal(await left('/503'), '2');
        await idle();
        assert.equal(await left('/204'), '2');
        assert.equal((await ask('/503')).status, 429);
        await idle();
        assert.equal((await ask('/200')).status, 429, 'a refused request cost nothing and gets nothing back');
      });
    });

    for (const option of ['limiter', 'key', 'cost', 'skip', 'onRefused']) {
      test(`${name}: what ${option} throws goes to the error handling, once${how}`, async () => {
        const fail = wrap(() => {
          throw Object.assign(new Error('no'), { code: 'E_USER' });
        });
        const app = appOf(express, {
          limiter: limiterOf(1),
          cost: option === 'onRefused' ? 2 : 1,
          [option]: fail,
        });
        await serve(app, async (ask, idle) => {
          const response = await ask();
          assert.equal(response.status, 500);
          assert.equal(await response.text(), 'E_USER');
          await idle();
          assert.equal(app.errors.length, 1);
        });
      });
    }

    test(`${name}: throwing nothing is an error too, not a pass${how}`, async () => {
      const key = wrap(() => {
        throw undefined;
      });
      await serve(appOf(express, { limiter: limiterOf(1), key }), async (ask) => {
        assert.equal((await ask()).status, 500);
      });
    });
  }

  test(`${name}: a key that is no string is an error`, async () => {
    const app = appOf(express, { limiter: limiterOf(1), key: (req) => req.user?.id });
    await serve(app, async (ask) => {
      assert.equal(await (await ask()).text(), 'ERR_INVALID_OPTION');
    });
  });

  test(`${name}: puts the decision on the request`, async () => {
    const app = express();
    app.use(rateLimit({ limiter: limiterOf(5) }));
    app.get('/', (req, res) => res.json(req.rateLimit));
    await serve(app, async (ask) => {
      const { allowed, limitName, limit, remaining, limits } = await (await ask()).json();
      assert.deepEqual(
        { allowed, limitName, limit, remaining },
        { allowed: true, limitName: 'api', limit: 5, remaining: 4 },
      );
      assert.equal(limits.length, 1);
    });
  });

  test(`${name}: onRefused answers in place of the problem, status and fields being set`, async () => {
    const onRefused = (_req, res, decision) =>
      res.type('html').send(`<p>${decision.limitName} ${res.statusCode}</p>`);
    await serve(appOf(express, { limiter: limiterOf(1), onRefused }), async (ask) => {
      await ask();
      const refused = await ask();
      assert.equal(refused.status, 429);
      assert.equal(refused.headers.get('retry-after'), '60');
      assert.equal(refused.headers.get('content-type'), 'text/html; charset=utf-8');
      assert.equal(await refused.text(), '<p>api 429</p>');
    });
  });

  test(`${name}: refuseWith 'error' leaves the form of a refusal to the error handling`, async () => {
    const app = appOf(express, { limiter: limiterOf(1), refuseWith: 'error' });
    await serve(app, async (ask) => {
      await ask();
      const refused = await ask();
      assert.equal(refused.status, 429);
      assert.equal(refused.headers.get('retry-after'), '60');
      assert.equal(await refused.text(), 'ERR_RATE_LIMITED');
      assert.ok(app.errors[0] instanceof RateLimitedError);
      assert.equal(app.errors[0].retryAfterMs, 60_000);
    });
  });

  test(`${name}: two limiters on the way to a route both say their policies`, async () => {
    const app = express();
    app.use(rateLimit({ limiter: limiterOf(10, 'all'), headers: 'both' }));
    app.use('/login', rateLimit({ limiter: limiterOf(1, 'login'), headers: 'both' }));
    app.use((_req, res) => res.end());
    await serve(app, async (ask) => {
      const response = await ask('/login');
      assert.equal(response.headers.get('ratelimit-policy'), '"all";q=10;w=60, "login";q=1;w=60');
      assert.equal(response.headers.get('ratelimit'), '"all";r=9;t=6, "login";r=0;t=60');
      assert.equal(response.headers.get('x-ratelimit-limit'), '1');
      assert.equal((await ask('/login')).status, 429);
      assert.equal((await ask('/')).status, 200);
    });
  });

  test(`${name}: refuses HEAD without a body and POST without reading one`, async () => {
    await serve(appOf(express, { limiter: limiterOf(1), cost: 2 }), async (ask) => {
      const head = await ask('/', {}, { method: 'HEAD' });
      assert.equal(head.status, 429);
      assert.equal(await head.text(), '');
      assert.equal((await ask('/', {}, { method: 'POST', body: 'x'.repeat(100_000) })).status, 429);
    });
  });

  test(`${name}: refundIf is asked too when the client goes away`, async () => {
    const limiter = limiterOf(10);
    const { promise: asked, resolve } = deferred();
    const app = express();
    const refundIf = (_req, res) => {
      resolve(res.writableFinished);
      return true;
    };
    app.use(rateLimit({ limiter, key: () => 'k', cost: 4, refundIf }));
    const { promise: arrived, resolve: arrive } = deferred();
    app.use(() => arrive());
    await serve(app, async (_ask, idle, origin) => {
      const request = http.get(origin).on('error', () => {});
      await arrived;
      assert.equal(limiter.peek('k').remaining, 6);
      request.destroy();
      assert.equal(await asked, false);
      await idle();
      assert.equal(limiter.peek('k').remaining, 10);
    });
  });

  test(`${name}: a limiter disposed before the response ends is no error`, async () => {
    const limiter = limiterOf(10);
    const app = express();
    app.use(rateLimit({ limiter, refundIf: () => true }));
    app.use((_req, res) => {
      limiter.dispose();
      res.end();
    });
    const codes = await warningsOf(() =>
      serve(app, async (ask, idle) => {
        assert.equal((await ask()).status, 200);
        await idle();
      }),
    );
    assert.deepEqual(codes, []);
  });

  test(`${name}: what refundIf throws is a warning, once`, async () => {
    const app = express();
    const refundIf = () => {
      throw new Error('no');
    };
    app.use(rateLimit({ limiter: limiterOf(10), refundIf }));
    app.use((_req, res) => res.end());
    const codes = await warningsOf(() =>
      serve(app, async (ask, idle) => {
        assert.deepEqual(await statuses(ask, 3), [200, 200, 200]);
        await idle();
      }),
    );
    assert.deepEqual(codes, ['BREAKWATER_REFUND_FAILED']);
  });

  test(`${name}: leaves a response alone that was sent while a key was waited for`, async () => {
    const limiter = limiterOf(1);
    const app = express();
    const { promise: late, resolve } = deferred();
    app.use((_req, res, next) => {
      next();
      res.end('mine');
      resolve('k');
    });
    app.use(rateLimit({ limiter, key: () => late, cost: 2 }));
    await serve(app, async (ask) => {
      const response = await ask();
      assert.equal(response.status, 200);
      assert.equal(await response.text(), 'mine');
    });
  });

  const proxies = [
    [
      "'trust proxy' is true",
      (app) => app.set('trust proxy', true),
      from('1.2.3.4'),
      ['BREAKWATER_PERMISSIVE_TRUST_PROXY'],
    ],
    [
      'X-Forwarded-For comes and no proxy is trusted',
      () => {},
      from('1.2.3.4'),
      ['BREAKWATER_IGNORED_X_FORWARDED_FOR'],
    ],
    ['Forwarded comes', () => {}, { forwarded: 'for=1.2.3.4' }, ['BREAKWATER_IGNORED_FORWARDED']],
    ['proxies are named', (app) => app.set('trust proxy', 'loopback'), from('1.2.3.4'), []],
    ['proxies are counted', (app) => app.set('trust proxy', 1), from('1.2.3.4'), []],
    [
      'a client claims an address that is none',
      (app) => app.set('trust proxy', 1),
      from('me'),
      ['BREAKWATER_NO_ADDRESS'],
    ],
    ['nothing is forwarded', () => {}, {}, []],
  ];
  for (const [when, set, headers, expected] of proxies) {
    test(`${name}: ${expected.length > 0 ? 'warns once' : 'does not warn'} when ${when}`, async () => {
      const app = express();
      set(app);
      app.use(rateLimit({ limiter: limiterOf(10) }));
      app.use((_req, res) => res.end());
      const codes = await warningsOf(() => serve(app, (ask) => statuses(ask, 3, '/', headers)));
      assert.deepEqual(codes, expected);
    });
  }

  test(`${name}: does not warn about addresses when the user gives the key`, async () => {
    const app = express();
    app.set('trust proxy', true);
    app.use(rateLimit({ limiter: limiterOf(10), key: () => 'k' }));
    app.use((_req, res) => res.end());
    assert.deepEqual(await warningsOf(() => serve(app, (ask) => statuses(ask, 2, '/', from('1.2.3.4')))), []);
  });

  test(`${name}: clients whose address is not known share one limit`, async () => {
    await serve(appOf(express, { limiter: limiterOf(2) }), async (ask) => {
      assert.equal((await ask('/', from('me'))).status, 200);
      assert.equal((await ask('/', from('you'))).status, 200);
      assert.equal((await ask('/', from('she'))).status, 429);
    });
  });
}

test('works without a framework, by the address of the socket', async () => {
  const middleware = rateLimit({ limiter: limiterOf(1) });
  const handler = (req, res) => middleware(req, res, (error) => res.writeHead(error ? 500 : 200).end());
  await serve(handler, async (ask) => {
    assert.deepEqual(await statuses(ask, 2), [200, 429]);
  });
});

test('decides in the same turn when no option answers a promise', () => {
  const middleware = rateLimit({ limiter: limiterOf(1), headers: false });
  let passed = 0;
  const ask = (res) => middleware({ ip: '1.2.3.4' }, res, () => passed++);
  ask({});
  assert.equal(passed, 1);
  const res = Object.assign(new EventEmitter(), {
    setHeader() {},
    end: (body) => Object.assign(res, { body }),
  });
  ask(res);
  assert.equal(passed, 1);
  assert.equal(JSON.parse(res.body).status, 429);
});

test('with headers: false the decision is on refused requests only', () => {
  const middleware = rateLimit({ limiter: limiterOf(1), headers: false, refuseWith: 'error' });
  const res = { setHeader() {} };
  const requests = [{ ip: '1.2.3.4' }, { ip: '1.2.3.4' }];
  for (const req of requests) middleware(req, res, () => {});
  assert.equal(requests[0].rateLimit, undefined);
  assert.equal(requests[1].rateLimit.allowed, false);
});

test('refuses options that are not what they must be', () => {
  const limiter = limiterOf(1);
  const wrong = {
    limiter: [undefined, null, 5, {}, 'limiter'],
    key: ['ip', null],
    cost: [-1, 1.5, NaN, '1', null, [1, 1], [-1], []],
    skip: [true],
    refundIf: [500],
    headers: [true, 'draft-8', null],
    onRefused: ['text'],
    refuseWith: ['html', true],
    ipv6Prefix: [0, 129, 64.5, '64'],
    hook: ['onRequest'],
    windowMs: [1_000],
  };
  for (const [option, values] of Object.entries(wrong)) {
    for (const value of values) {
      assert.throws(
        () => rateLimit({ limiter, [option]: value }),
        (error) =>
          error instanceof InvalidOptionError && error.option === option && error.kind === 'middleware',
        `${option}: ${String(value)}`,
      );
    }
  }
  assert.throws(() => rateLimit(), { code: 'ERR_INVALID_OPTION', option: 'options' });
  assert.throws(() => rateLimit({ limiter, refuseWith: 'error', onRefused() {} }), { option: 'onRefused' });
});

test('an option that is undefined is left out', async () => {
  const options = {
    limiter: limiterOf(1),
    key: undefined,
    cost: undefined,
    headers: undefined,
    skip: undefined,
  };
  await serve(appOf(express5, options), async (ask) => {
    assert.deepEqual(await statuses(ask, 2), [200, 429]);
  });
});

function deferred() {
  let resolve;
  const promise = new Promise((settle) => {
    resolve = settle;
  });
  return { promise, resolve };
}
