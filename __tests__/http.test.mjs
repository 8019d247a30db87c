// What rateLimit says to a client: header fields and the body of a refusal. Over Express 5; Fastify shares the code.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ManualClock, RateLimiter } from 'breakwater';
import { rateLimit } from 'breakwater/express';
import express from 'express';

/** Calls `use` with a function that asks a server limited by `limits`, and with the clock and the limiter. */
async function limited(limits, options, use) {
  const clock = new ManualClock();
  const limiter = new RateLimiter({ limits, clock });
  const app = express();
  app.use(rateLimit({ limiter, ...options }));
  app.use((_req, res) => res.end('ok'));
  const server = app.listen(0, '127.0.0.1');
  await new Promise((listening) => server.once('listening', listening));
  try {
    await use(() => fetch(`http://127.0.0.1:${server.address().port}/`), clock, limiter);
  } finally {
    server.closeAllConnections();
    server.close();
    limiter.dispose();
  }
}

const policy = (response) => response.headers.get('ratelimit-policy');
const state = (response) => response.headers.get('ratelimit');
const retryAfter = (response) => response.headers.get('retry-after');
const legacy = (response) =>
  ['limit', 'remaining', 'reset'].map((word) => response.headers.get(`x-ratelimit-${word}`));

test('says the policy, what remains and when the next unit comes', async () => {
  await limited({ limit: 2, windowMs: 60_000 }, {}, async (ask, clock) => {
    const first = await ask();
    assert.equal(policy(first), '"2-in-60s";q=2;w=60');
    assert.equal(state(first), '"2-in-60s";r=1;t=30');
    clock.advance(10_000);
    assert.equal(state(await ask()), '"2-in-60s";r=0;t=20');
    const refused = await ask();
    assert.equal(refused.status, 429);
    assert.equal(policy(refused), '"2-in-60s";q=2;w=60');
    assert.equal(state(refused), '"2-in-60s";r=0;t=20');
    assert.equal(retryAfter(refused), '20');
    clock.advance(20_000);
    assert.equal((await ask()).status, 200);
  });
});

test('a client that waits for Retry-After is admitted', async () => {
  await limited({ limit: 3, windowMs: 10_000 }, {}, async (ask, clock) => {
    for (let i = 0; i < 3; i++) assert.equal((await ask()).status, 200);
    for (let i = 0; i < 5; i++) {
      const refused = await ask();
      assert.equal(refused.status, 429);
      // A microsecond is what it takes at least to come back.
      clock.advance(1_000 * Number(retryAfter(refused)) + 0.001);
      assert.equal((await ask()).status, 200);
    }
  });
});

test('a time below a second is one second, in every field', async () => {
  await limited({ label: 'quick', limit: 2, windowMs: 500 }, {}, async (ask) => {
    const first = await ask();
    assert.equal(policy(first), '"quick";q=2;w=1');
    assert.equal(state(first), '"quick";r=1;t=1');
    await ask();
    assert.equal(retryAfter(await ask()), '1');
  });
});

test('a time is rounded up, but not by the noise of its computation', async () => {
  await limited({ label: 'api', limit: 7, windowMs: 42_000 }, {}, async (ask, clock) => {
    for (let i = 0; i < 7; i++) await ask();
    assert.equal(retryAfter(await ask()), '6');
    clock.advance(999);
    assert.equal(retryAfter(await ask()), '6');
    clock.advance(1);
    assert.equal(retryAfter(await ask()), '5');
  });
});

test('a window of part of a second more is rounded up', async () => {
  await limited({ label: 'odd', capacity: 10, refillPerSecond: 4 }, {}, async (ask) => {
    assert.equal(policy(await ask()), '"odd";q=10;w=3');
  });
});

test('a limit that has all its units back has no t', async () => {
  await limited({ label: 'api', limit: 5, windowMs: 5_000 }, { cost: 0 }, async (ask) => {
    assert.equal(state(await ask()), '"api";r=5');
  });
});

const burstAndDay = [
  { label: 'burst', limit: 2, windowMs: 10_000 },
  { label: 'day', limit: 100, windowMs: 86_400_000 },
];

test('several limits are members of one list, in their order', async () => {
  await limited(burstAndDay, {}, async (ask) => {
    const response = await ask();
    assert.equal(policy(response), '"burst";q=2;w=10, "day";q=100;w=86400');
    assert.equal(state(response), '"burst";r=1;t=5, "day";r=99;t=864');
  });
});

test('on a refusal no t lies beyond Retry-After', async () => {
  await limited(burstAndDay, {}, async (ask) => {
    await ask();
    await ask();
    const refused = await ask();
    assert.equal(retryAfter(refused), '5');
    assert.equal(state(refused), '"burst";r=0;t=5, "day";r=98');
  });
});

test('Retry-After is for the cost that was refused, t for one unit', async () => {
  await limited({ label: 'api', limit: 4, windowMs: 40_000 }, { cost: 3 }, async (ask) => {
    await ask();
    const refused = await ask();
    assert.equal(state(refused), '"api";r=1;t=10');
    assert.equal(retryAfter(refused), '20');
  });
});

test('a blocked client is told when its block ends', async () => {
  await limited(burstAndDay, { key: () => 'k' }, async (ask, clock, limiter) => {
    await ask();
    limiter.block('k', 90_000);
    clock.advance(500);
    const refused = await ask();
    assert.equal(retryAfter(refused), '90');
    assert.equal(state(refused), '"burst";r=0;t=90, "day";r=0;t=90');
  });
});

test('a request that can never pass gets no Retry-After', async () => {
  await limited({ label: 'api', limit: 4, windowMs: 40_000 }, { cost: 5 }, async (ask) => {
    const refused = await ask();
    assert.equal(refused.status, 429);
    assert.equal(retryAfter(refused), null);
    assert.equal(state(refused), '"api";r=4');
  });
});

test('a label is escaped as a structured field string', async () => {
  await limited({ label: 'say "hi" \\ bye', limit: 2, windowMs: 1_000 }, {}, async (ask) => {
    assert.equal(policy(await ask()), '"say \\"hi\\" \\\\ bye";q=2;w=1');
  });
});

test('a label that header fields cannot carry is percent-encoded, in the body too', async () => {
  await limited({ label: 'größe\r\nx: y', limit: 1, windowMs: 1_000 }, {}, async (ask) => {
    const name = 'gr%C3%B6%C3%9Fe%0D%0Ax: y';
    assert.equal(policy(await ask()), `"${name}";q=1;w=1`);
    assert.deepEqual((await (await ask()).json())['violated-policies'], [name]);
  });
});

test('the policy follows when the limits are changed', async () => {
  await limited({ label: 'api', limit: 2, windowMs: 60_000 }, {}, async (ask, _clock, limiter) => {
    assert.equal(policy(await ask()), '"api";q=2;w=60');
    limiter.reconfigure({ limits: { label: 'api', limit: 10, windowMs: 20_000 } });
    const response = await ask();
    assert.equal(policy(response), '"api";q=10;w=20');
    // The key keeps its 30 seconds until full, at most those of an empty bucket, which gains a unit every two seconds.
    assert.equal(state(response), '"api";r=0;t=2');
  });
});

test('the policy follows a window that changes alone within 200 requests', async () => {
  const limits = { label: 'api', limit: 2, windowMs: 60_000 };
  await limited(limits, { cost: 0 }, async (ask, _clock, limiter) => {
    assert.equal(policy(await ask()), '"api";q=2;w=60');
    limiter.reconfigure({ limits: { ...limits, windowMs: 20_000 } });
    for (let i = 0; i < 200; i++) await ask();
    assert.equal(policy(await ask()), '"api";q=2;w=20');
  });
});

test('a refusal is a problem of the type quota-exceeded', async () => {
  await limited({ label: 'api', limit: 1, windowMs: 1_000 }, {}, async (ask) => {
    await ask();
    const refused = await ask();
    assert.equal(refused.status, 429);
    assert.equal(refused.headers.get('content-type'), 'application/problem+json');
    assert.deepEqual(await refused.json(), {
      type: 'https://iana.org/assignments/http-problem-types#quota-exceeded',
      title: 'Request cannot be satisfied as assigned quota has been exceeded',
      status: 429,
      'violated-policies': ['api'],
    });
  });
});

test('a refusal names every limit that is exceeded, and no other', async () => {
  const limits = [
    { label: 'a', limit: 1, windowMs: 1_000 },
    { label: 'b', limit: 9, windowMs: 1_000 },
    { label: 'c', limit: 1, windowMs: 9_000 },
  ];
  await limited(limits, {}, async (ask) => {
    await ask();
    const refused = await ask();
    assert.deepEqual((await refused.json())['violated-policies'], ['a', 'c']);
    assert.equal(retryAfter(refused), '9');
  });
});

test("headers: 'legacy' has the three X- fields, reset in seconds since 1970", async () => {
  await limited({ limit: 2, windowMs: 60_000 }, { headers: 'legacy' }, async (ask) => {
    await ask();
    const before = Math.floor(Date.now() / 1000);
    const response = await ask();
    const [limit, remaining, reset] = legacy(response);
    assert.deepEqual([limit, remaining], ['2', '0']);
    // The wall clock is real here: the bucket is full 60 seconds from now.
    assert.ok(reset - before >= 60 && reset - before <= 70, `${reset} is about 60 s after ${before}`);
    assert.equal(policy(response), null);
    assert.equal(state(response), null);
    const refused = await ask();
    assert.deepEqual(legacy(refused).slice(0, 2), ['2', '0']);
    assert.equal(retryAfter(refused), '30');
  });
});

test("headers: 'legacy' shows the tightest of several limits", async () => {
  await limited(burstAndDay, { headers: 'legacy' }, async (ask) => {
    assert.deepEqual(legacy(await ask()).slice(0, 2), ['2', '1']);
  });
});

test("headers: 'both' has both families", async () => {
  await limited({ label: 'api', limit: 2, windowMs: 60_000 }, { headers: 'both' }, async (ask) => {
    const response = await ask();
    assert.equal(state(response), '"api";r=1;t=30');
    assert.deepEqual(legacy(response).slice(0, 2), ['2', '1']);
  });
});

test('headers: false limits without a word, but a refusal says when to come back', async () => {
  await limited(burstAndDay, { headers: false }, async (ask, clock) => {
    await ask();
    clock.advance(1_000);
    const admitted = await ask();
    assert.equal(admitted.status, 200);
    assert.deepEqual(
      [policy(admitted), state(admitted), ...legacy(admitted)],
      [null, null, null, null, null],
    );
    const refused = await ask();
    assert.equal(refused.status, 429);
    assert.equal(retryAfter(refused), '4');
    assert.equal(state(refused), null);
    assert.deepEqual((await refused.json())['violated-policies'], ['burst']);
  });
});
