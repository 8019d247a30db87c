import assert from 'node:assert/strict';
import { once } from 'node:events';
import http from 'node:http';
import { createRequire } from 'node:module';
import { test } from 'node:test';
import { ManualClock, RateLimitedError, RateLimiter } from 'breakwater';
import plugin, { ipKey, rateLimit } from 'breakwater/fastify';
import Fastify from 'fastify';

/** A limiter of `limit` requests a minute on a clock that stands still. */
const limiterOf = (limit, label = 'api') =>
  new RateLimiter({ limits: { label, limit, windowMs: 60_000 }, clock: new ManualClock() });

/** A server limited by `options`, with a route that answers ok. */
async function appOf(options, serverOptions = {}) {
  const app = Fastify(serverOptions);
  await app.register(rateLimit, options);
  app.get('/', async () => 'ok');
  return app;
}

const statuses = async (app, n, request = '/') => {
  const all = [];
  for (let i = 0; i < n; i++) all.push((await app.inject(request)).statusCode);
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

test('admits up to the limit, refuses with a problem, and admits again when the clock says so', async () => {
  const clock = new ManualClock();
  const limiter = new RateLimiter({ limits: { label: 'api', limit: 2, windowMs: 60_000 }, clock });
  const app = await appOf({ limiter });
  const first = await app.inject('/');
  assert.equal(first.statusCode, 200);
  assert.equal(first.headers['ratelimit-policy'], '"api";q=2;w=60');
  assert.equal(first.headers['ratelimit'], '"api";r=1;t=30');
  await app.inject('/');
  const refused = await app.inject('/');
  assert.equal(refused.statusCode, 429);
  assert.equal(refused.headers['retry-after'], '30');
  assert.match(refused.headers['content-type'], /^application\/problem\+json/);
  assert.deepEqual(refused.json(), {
    type: 'https://iana.org/assignments/http-problem-types#quota-exceeded',
    title: 'Request cannot be satisfied as assigned quota has been exceeded',
    status: 429,
    'violated-policies': ['api'],
  });
  clock.advance(30_000);
  assert.deepEqual(await statuses(app, 2), [200, 429]);
});

test('limits requests over a real connection, HEAD too', async () => {
  const app = await appOf({ limiter: limiterOf(2), headers: 'both' });
  const origin = await app.listen({ port: 0, host: '127.0.0.1' });
  const first = await fetch(origin);
  assert.equal(await first.text(), 'ok');
  assert.equal(first.headers.get('x-ratelimit-remaining'), '1');
  assert.equal((await fetch(origin, { method: 'HEAD' })).headers.get('ratelimit'), '"api";r=0;t=30');
  const refused = await fetch(origin);
  assert.equal(refused.status, 429);
  assert.equal((await refused.json()).status, 429);
  app.server.closeAllConnections();
  await app.close();
});

test('every client has its own limit, and an IPv6 customer one for a whole /64', async () => {
  const app = await appOf({ limiter: limiterOf(1) });
  const statusOf = async (remoteAddress) => (await app.inject({ url: '/', remoteAddress })).statusCode;
  assert.equal(await statusOf('203.0.113.1'), 200);
  assert.equal(await statusOf('203.0.113.2'), 200);
  assert.equal(await statusOf('::ffff:203.0.113.1'), 429);
  assert.equal(await statusOf('2001:db8:0:12::1'), 200);
  assert.equal(await statusOf('2001:db8:0:12::2'), 429);
  assert.equal(await statusOf('2001:db8:0:13::1'), 200);
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
  test(`all functions together${how}`, async () => {
    const limiter = limiterOf(10);
    const app = await appOf({
      limiter: wrap(() => limiter),
      key: wrap((request) => request.headers['x-user'] ?? ipKey(request.ip)),
      cost: wrap((request) => Number(request.query.n)),
      skip: wrap((request) => request.headers['x-user'] === 'root'),
      onRefused: wrap((_request, reply, decision) => ({
        left: decision.remaining,
        status: reply.statusCode,
      })),
    });
    const ask = (user, n = 4) => app.inject({ url: `/?n=${n}`, headers: { 'x-user': user } });
    assert.equal((await ask('ann')).headers['ratelimit'], '"api";r=6;t=6');
    assert.equal((await ask('ann')).statusCode, 200);
    const refused = await ask('ann');
    assert.equal(refused.statusCode, 429);
    assert.equal(refused.headers['retry-after'], '12');
    assert.deepEqual(refused.json(), { left: 2, status: 429 });
    assert.equal((await ask('bob')).statusCode, 200);
    const skipped = await ask('root', 100);
    assert.equal(skipped.statusCode, 200);
    assert.equal(skipped.headers['ratelimit'], undefined);
  });

  for (const option of ['limiter', 'key', 'cost', 'skip', 'onRefused']) {
    test(`what ${option} throws goes to Fastify's error handling${how}`, async () => {
      const fail = wrap(() => {
        throw Object.assign(new Error('no'), { code: 'E_USER' });
      });
      const options = { limiter: limiterOf(1), cost: option === 'onRefused' ? 2 : 1, [option]: fail };
      const app = await appOf(options);
      const response = await app.inject('/');
      assert.equal(response.statusCode, 500);
      assert.equal(response.json().code, 'E_USER');
    });
  }

  test(`throwing nothing is an error too, not a pass${how}`, async () => {
    const key = wrap(() => {
      throw undefined;
    });
    assert.deepEqual(await statuses(await appOf({ limiter: limiterOf(1), key }), 1), [500]);
  });

  test(`gives the cost back when refundIf says so${how}`, async () => {
    const limiter = limiterOf(10);
    const refundIf = wrap((_request, reply) => reply.statusCode >= 500);
    const app = await appOf({ limiter, key: () => 'k', cost: 4, refundIf });
    app.get('/down', (_request, reply) => reply.code(503).send());
    const origin = await app.listen({ port: 0, host: '127.0.0.1' });
    // The server sees the end of a response after its client.
    const ended = [];
    app.server.on('request', (_request, response) => ended.push(once(response, 'close')));
    const left = async (path) => {
      await fetch(origin + path);
      await Promise.all(ended);
      await new Promise((turn) => setImmediate(turn));
      return limiter.peek('k').remaining;
    };
    assert.equal(await left('/'), 6);
    assert.equal(await left('/down'), 6);
    assert.equal(await left('/'), 2);
    assert.equal(await left('/down'), 2, 'refused: it cost nothing and gets nothing back');
    app.server.closeAllConnections();
    await app.close();
  });
}

test('refundIf is asked too when the client goes away', async () => {
  const limiter = limiterOf(10);
  let asked;
  const finished = new Promise((resolve) => {
    asked = resolve;
  });
  let arrived;
  const arrival = new Promise((resolve) => {
    arrived = resolve;
  });
  const refundIf = (_request, reply) => {
    asked(reply.raw.writableFinished);
    return true;
  };
  const app = Fastify();
  await app.register(rateLimit, { limiter, key: () => 'k', refundIf });
  app.get('/', (_request, reply) => {
    reply.hijack();
    arrived();
  });
  const request = http.get(await app.listen({ port: 0, host: '127.0.0.1' })).on('error', () => {});
  await arrival;
  assert.equal(limiter.peek('k').remaining, 9);
  request.destroy();
  assert.equal(await finished, false);
  assert.equal(limiter.peek('k').remaining, 10);
  await app.close();
});

test('puts the decision on the request', async () => {
  const app = Fastify();
  await app.register(rateLimit, { limiter: limiterOf(5) });
  app.get('/', async ({ rateLimit: { allowed, limit, remaining } }) => ({ allowed, limit, remaining }));
  app.get('/free', { config: { rateLimit: false } }, async (request) => ({ is: typeof request.rateLimit }));
  assert.deepEqual((await app.inject('/')).json(), { allowed: true, limit: 5, remaining: 4 });
  assert.deepEqual((await app.inject('/free')).json(), { is: 'undefined' });
});

test('headers: false says nothing but Retry-After', async () => {
  const app = await appOf({ limiter: limiterOf(1), headers: false });
  assert.equal((await app.inject('/')).headers['ratelimit'], undefined);
  const refused = await app.inject('/');
  assert.equal(refused.statusCode, 429);
  assert.equal(refused.headers['retry-after'], '60');
});

for (const [how, onRefused] of [
  ['sends', (_request, reply, decision) => reply.type('text/html').send(`<p>${decision.limitName}</p>`)],
  [
    'sends later',
    async (_request, reply, decision) => reply.type('text/html').send(`<p>${decision.limitName}</p>`),
  ],
  [
    'returns',
    (_request, reply, decision) => {
      reply.type('text/html');
      return `<p>${decision.limitName}</p>`;
    },
  ],
]) {
  test(`onRefused answers in place of the problem with what it ${how}`, async () => {
    const app = await appOf({ limiter: limiterOf(1), cost: 2, onRefused });
    const refused = await app.inject('/');
    assert.equal(refused.statusCode, 429);
    assert.equal(refused.headers['content-type'], 'text/html');
    assert.equal(refused.body, '<p>api</p>');
  });
}

test("refuseWith 'error' lets setErrorHandler give the refusal its form", async () => {
  const app = Fastify();
  const errors = [];
  app.setErrorHandler((error, _request, reply) => {
    errors.push(error);
    reply.send({ fault: error.code, status: error.statusCode });
  });
  await app.register(rateLimit, { limiter: limiterOf(1), refuseWith: 'error' });
  app.get('/', async () => 'ok');
  await app.inject('/');
  const refused = await app.inject('/');
  assert.equal(refused.statusCode, 429);
  assert.equal(refused.headers['retry-after'], '60');
  assert.deepEqual(refused.json(), { fault: 'ERR_RATE_LIMITED', status: 429 });
  assert.ok(errors[0] instanceof RateLimitedError);
  assert.equal(errors[0].retryAfterMs, 60_000);
});

test("refuseWith 'error' is a 429 of Fastify's own form where there is no error handler", async () => {
  const app = await appOf({ limiter: limiterOf(1), cost: 2, refuseWith: 'error' });
  const refused = await app.inject('/');
  assert.equal(refused.statusCode, 429);
  assert.equal(refused.json().code, 'ERR_RATE_LIMITED');
});

test('a route can switch the limit off or have options of its own', async () => {
  const app = await appOf({ limiter: limiterOf(2), headers: 'legacy' });
  app.get('/health', { config: { rateLimit: false } }, async () => 'ok');
  app.get('/login', { config: { rateLimit: { limiter: limiterOf(1, 'login') } } }, async () => 'ok');
  app.get('/export', { config: { rateLimit: { cost: 2, key: undefined } } }, async () => 'ok');
  assert.deepEqual(await statuses(app, 4, '/health'), [200, 200, 200, 200]);
  assert.deepEqual(await statuses(app, 2, '/login'), [200, 429]);
  assert.equal(
    (await app.inject('/login')).headers['x-ratelimit-limit'],
    '1',
    "the plugin's other options hold",
  );
  assert.deepEqual(await statuses(app, 1, '/export'), [200]);
  assert.deepEqual(await statuses(app, 1, '/'), [429], 'the same limiter, already spent by /export');
});

test('global: false limits only routes that ask for it', async () => {
  const app = await appOf({ limiter: limiterOf(1), global: false });
  app.get('/limited', { config: { rateLimit: {} } }, async () => 'ok');
  assert.deepEqual(await statuses(app, 3, '/'), [200, 200, 200]);
  assert.deepEqual(await statuses(app, 2, '/limited'), [200, 429]);
});

test('limits its scope and the scopes inside, and no other', async () => {
  const app = Fastify();
  await app.register(async (api) => {
    await api.register(rateLimit, { limiter: limiterOf(1) });
    await api.register(async (inner) => inner.get('/inner', async () => 'ok'));
  });
  app.get('/outer', async () => 'ok');
  assert.deepEqual(await statuses(app, 2, '/inner'), [200, 429]);
  assert.deepEqual(await statuses(app, 2, '/outer'), [200, 200]);
});

test('two registrations count a request for both and say both policies', async () => {
  const app = Fastify();
  app.addHook('preHandler', async (request) => {
    request.headers['x-user'] = 'ann';
  });
  await app.register(rateLimit, { limiter: limiterOf(5, 'address') });
  const key = (request) => request.headers['x-user'];
  await app.register(rateLimit, { limiter: limiterOf(1, 'user'), hook: 'preHandler', key });
  app.get('/', async () => 'ok');
  const first = await app.inject('/');
  assert.equal(first.headers['ratelimit'], '"address";r=4;t=12, "user";r=0;t=60');
  const refused = await app.inject('/');
  assert.equal(refused.statusCode, 429);
  assert.deepEqual(refused.json()['violated-policies'], ['user']);
});

test("the hook stands after a route's own and leaves a shared array of hooks alone", async () => {
  const order = [];
  const onRequest = [async () => void order.push('own')];
  const app = Fastify();
  const key = () => {
    order.push('limit');
    return 'k';
  };
  await app.register(rateLimit, { limiter: limiterOf(5), key });
  app.get('/a', { onRequest }, async () => 'ok');
  app.get('/b', { onRequest }, async () => 'ok');
  assert.equal((await app.inject('/b')).headers['ratelimit'], '"api";r=4;t=12');
  assert.equal((await app.inject({ url: '/b', method: 'HEAD' })).headers['ratelimit'], '"api";r=3;t=12');
  assert.deepEqual(order, ['own', 'limit', 'own', 'limit']);
  assert.equal(onRequest.length, 1);
});

test('hook can be given per route', async () => {
  const app = await appOf({ limiter: limiterOf(1) });
  const key = (request) => request.body.user;
  app.post('/', { config: { rateLimit: { hook: 'preHandler', key } } }, async () => 'ok');
  const ask = (user) => ({ method: 'POST', url: '/', payload: { user } });
  assert.deepEqual(await statuses(app, 2, ask('ann')), [200, 429]);
  assert.deepEqual(await statuses(app, 2, ask('bob')), [200, 429]);
});

test('fastify.rateLimit() limits what is no route', async () => {
  const app = await appOf({ limiter: limiterOf(1) });
  app.setNotFoundHandler(
    { preHandler: app.rateLimit({ limiter: limiterOf(2, 'missing') }) },
    (_request, reply) => reply.code(404).send(),
  );
  assert.deepEqual(await statuses(app, 3, '/nowhere'), [404, 404, 429]);
  assert.deepEqual(await statuses(app, 2, '/'), [200, 429]);
  assert.throws(() => app.rateLimit({ cost: -1 }), { code: 'ERR_INVALID_OPTION', option: 'options.cost' });
});

test('refuses options that are not what they must be, when it is registered', async () => {
  const limiter = limiterOf(1);
  const wrong = {
    limiter: [undefined, {}],
    cost: [-1, [1, 1]],
    headers: ['draft-8'],
    hook: ['onSend', 5],
    global: ['no'],
    prefix: ['/api'],
    max: [100],
  };
  for (const [option, values] of Object.entries(wrong)) {
    for (const value of values) {
      const app = Fastify();
      app.register(rateLimit, { limiter, [option]: value });
      await assert.rejects(async () => app.ready(), { code: 'ERR_INVALID_OPTION', option });
    }
  }
});

test('refuses options of a route that are not what they must be, when it is declared', async () => {
  const app = await appOf({ limiter: limiterOf(1) });
  const declare = (config) => () => app.get('/x', { config: { rateLimit: config } }, async () => 'ok');
  assert.throws(declare({ cost: 1.5 }), { code: 'ERR_INVALID_OPTION', option: 'config.rateLimit.cost' });
  assert.throws(declare({ max: 5 }), { code: 'ERR_INVALID_OPTION', option: 'config.rateLimit.max' });
  assert.throws(declare({ global: true }), { code: 'ERR_INVALID_OPTION', option: 'config.rateLimit.global' });
  assert.throws(declare({ hook: 'onSend' }), { code: 'ERR_INVALID_OPTION', option: 'config.rateLimit.hook' });
  assert.throws(declare(true), { code: 'ERR_INVALID_OPTION', option: 'config.rateLimit' });
  assert.throws(declare(null), { code: 'ERR_INVALID_OPTION', option: 'config.rateLimit' });
});

for (const [when, serverOptions, headers, expected] of [
  [
    'trustProxy is true',
    { trustProxy: true },
    { 'x-forwarded-for': '1.2.3.4' },
    'BREAKWATER_PERMISSIVE_TRUST_PROXY',
  ],
  [
    'X-Forwarded-For comes and no proxy is trusted',
    {},
    { 'x-forwarded-for': '1.2.3.4' },
    'BREAKWATER_IGNORED_X_FORWARDED_FOR',
  ],
  ['Forwarded comes', {}, { forwarded: 'for=1.2.3.4' }, 'BREAKWATER_IGNORED_FORWARDED'],
  [
    'a client claims an address that is none',
    { trustProxy: '127.0.0.1' },
    { 'x-forwarded-for': 'me' },
    'BREAKWATER_NO_ADDRESS',
  ],
  [
    'proxies are counted, which Fastify no longer believes',
    { trustProxy: 1 },
    { 'x-forwarded-for': '1.2.3.4' },
    'BREAKWATER_IGNORED_X_FORWARDED_FOR',
  ],
  ['proxies are named', { trustProxy: '127.0.0.1' }, { 'x-forwarded-for': '1.2.3.4' }],
  ['nothing is forwarded', {}, {}],
]) {
  test(`${expected ? 'warns once' : 'does not warn'} when ${when}`, async () => {
    const app = await appOf({ limiter: limiterOf(9) }, serverOptions);
    app.get('/b', { config: { rateLimit: { cost: 2 } } }, async () => 'ok');
    const codes = await warningsOf(async () => {
      assert.deepEqual(await statuses(app, 2, { url: '/', headers }), [200, 200]);
      assert.deepEqual(await statuses(app, 2, { url: '/b', headers }), [200, 200]);
    });
    assert.deepEqual(codes, expected ? [expected] : []);
  });
}

test('is a plugin with a name, however it is imported', async () => {
  const required = createRequire(import.meta.url)('breakwater/fastify');
  assert.equal(plugin, rateLimit);
  assert.equal(required, rateLimit);
  assert.equal(required.default, rateLimit);
  assert.equal(required.rateLimit, rateLimit);
  assert.equal(required.ipKey, ipKey);
  const app = await appOf({ limiter: limiterOf(1) });
  assert.ok(app.hasPlugin('breakwater-rate-limit'));
});
