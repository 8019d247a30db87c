// The errors: what they are, what they carry, and that they are the same in two copies of the package and across threads.
import assert from 'node:assert/strict';
import { cpSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import * as exported from 'breakwater';
import { runScript } from './helpers/processes.mjs';
import { reasonOf } from './helpers/promises.mjs';
import { withThreads } from './helpers/threads.mjs';

const breakwater = { ...exported };
const { BreakwaterError, ManualClock, RateLimitedError, RateLimiter, RefusedError, TokenBucket } = breakwater;

let home;
let copy;
before(() => {
  home = mkdtempSync(join(tmpdir(), 'breakwater-copy-'));
  cpSync(fileURLToPath(new URL('../dist', import.meta.url)), join(home, 'dist'), { recursive: true });
  writeFileSync(join(home, 'package.json'), '{ "type": "commonjs" }');
  copy = createRequire(join(home, 'dist', 'index.js'))('./index.js');
});
after(() => rmSync(home, { recursive: true, force: true }));

const LIMIT = { capacity: 1, refillPerSecond: 1 };

/** How a user meets each class, with a copy of the package. */
const met = {
  RateLimitedError: ({ TokenBucket, ManualClock }) =>
    new TokenBucket({ ...LIMIT, initialTokens: 0, clock: new ManualClock() }).execute(() => {}),
  CircuitOpenError: ({ CircuitBreaker, ManualClock }) => {
    const breaker = new CircuitBreaker({ clock: new ManualClock() });
    breaker.forceOpen();
    return breaker.execute(() => {});
  },
  OverloadedError: ({ AdaptiveThrottle, ManualClock }) => {
    const throttle = new AdaptiveThrottle({ maxRefusalRate: 0.999999, seed: 1, clock: new ManualClock() });
    for (let i = 0; i < 10_000; i++) throttle.tryAcquire()?.failure();
    return throttle.execute(() => {});
  },
  BulkheadFullError: ({ Bulkhead }) => {
    const bulkhead = new Bulkhead({ maxConcurrent: 1 });
    bulkhead.tryAcquire();
    return bulkhead.execute(() => {});
  },
  DrainingError: async ({ Bulkhead }) => {
    const bulkhead = new Bulkhead({ maxConcurrent: 1 });
    await bulkhead.drain();
    return bulkhead.execute(() => {});
  },
  QueueFullError: async ({ BoundedQueue }) => {
    const queue = new BoundedQueue({ capacity: 1 });
    queue.tryPush(1);
    return queue.push(2);
  },
  QueueTimeoutError: async ({ BoundedQueue, ManualClock }) => {
    const clock = new ManualClock();
    const queue = new BoundedQueue({ capacity: 1, overflow: 'wait', clock });
    queue.tryPush(1);
    const pushed = queue.push(2, { timeoutMs: 5 });
    clock.advance(5);
    return pushed;
  },
  QueueClosedError: async ({ BoundedQueue }) => {
    const queue = new BoundedQueue({ capacity: 1 });
    await queue.close();
    return queue.push(1);
  },
  TimeoutError: ({ TokenBucket, ManualClock }) => {
    const clock = new ManualClock();
    const promise = new TokenBucket({ ...LIMIT, clock }).execute(() => new Promise(() => {}), {
      timeoutMs: 5,
    });
    clock.advance(5);
    return promise;
  },
  InvalidOptionError: async ({ TokenBucket }) => new TokenBucket({ capacity: 0.5, refillPerSecond: 1 }),
  NameConflictError: async ({ TokenBucket }) => {
    const bucket = new TokenBucket({ ...LIMIT, name: 'errors.test' });
    try {
      new TokenBucket({ ...LIMIT, refillPerSecond: 2, name: 'errors.test' });
    } finally {
      bucket.dispose();
    }
  },
  DisposedError: async ({ RateLimiter }) => {
    const limiter = new RateLimiter({ limits: LIMIT });
    limiter.dispose();
    limiter.tryAcquire('key');
  },
};
const CODES = {
  RateLimitedError: 'ERR_RATE_LIMITED',
  CircuitOpenError: 'ERR_CIRCUIT_OPEN',
  OverloadedError: 'ERR_OVERLOADED',
  BulkheadFullError: 'ERR_BULKHEAD_FULL',
  DrainingError: 'ERR_DRAINING',
  QueueFullError: 'ERR_QUEUE_FULL',
  QueueTimeoutError: 'ERR_QUEUE_TIMEOUT',
  QueueClosedError: 'ERR_QUEUE_CLOSED',
  TimeoutError: 'ERR_TIMEOUT',
  InvalidOptionError: 'ERR_INVALID_OPTION',
  NameConflictError: 'ERR_NAME_CONFLICT',
  DisposedError: 'ERR_DISPOSED',
};
const REFUSALS = [
  'RateLimitedError',
  'CircuitOpenError',
  'OverloadedError',
  'BulkheadFullError',
  'DrainingError',
  'QueueFullError',
  'QueueTimeoutError',
];
const FAMILY = [...Object.keys(CODES), 'NativeBindingError', 'RefusedError', 'BreakwaterError'];

for (const [name, meet] of Object.entries(met)) {
  test(`${name} is an Error with its name, its code and its family`, async () => {
    const error = await reasonOf(meet(breakwater));
    assert.equal(error.name, name);
    assert.equal(error.code, CODES[name]);
    assert.equal(String(error).startsWith(`${name}: `), true);
    assert.ok(error instanceof Error);
    const family = FAMILY.filter((one) => error instanceof breakwater[one]);
    assert.deepEqual(
      family,
      REFUSALS.includes(name) ? [name, 'RefusedError', 'BreakwaterError'] : [name, 'BreakwaterError'],
    );
  });

  test(`${name} of one copy of the package is an instance of that of another`, async () => {
    const theirs = await reasonOf(meet(copy));
    assert.notEqual(copy[name], breakwater[name]);
    assert.ok(theirs instanceof breakwater[name]);
    assert.ok(theirs instanceof BreakwaterError);
    assert.equal(theirs instanceof RefusedError, REFUSALS.includes(name));
    const ours = await reasonOf(meet(breakwater));
    assert.ok(ours instanceof copy[name]);
  });
}

test('a refusal says who refused and when to come back', async () => {
  const clock = new ManualClock();
  const bucket = new TokenBucket({ ...LIMIT, initialTokens: 0, label: 'mail', clock });
  const error = await reasonOf(bucket.execute(() => {}));
  assert.deepEqual({ ...error }, { kind: 'bucket', primitive: 'mail', retryAfterMs: 1_000 });
  assert.equal(error.message, 'bucket "mail" refused: retry after 1000 ms');
  const limiter = new RateLimiter({ limits: LIMIT, clock });
  const never = await reasonOf(limiter.acquire('key', 2));
  assert.deepEqual({ ...never }, { kind: 'limiter', retryAfterMs: Number.POSITIVE_INFINITY });
  assert.equal('primitive' in never, false);
  assert.equal('cause' in never, false);
});

test('a refusal says what it knows: a breaker its state, a throttle neither that nor when to come back', async () => {
  const open = await reasonOf(met.CircuitOpenError(breakwater));
  assert.deepEqual({ ...open }, { kind: 'breaker', state: 'open', retryAfterMs: 5_000 });
  const overloaded = await reasonOf(met.OverloadedError(breakwater));
  assert.deepEqual({ ...overloaded }, { kind: 'throttle' });
  assert.equal(overloaded.message, 'throttle refused: the backend refuses most of what it gets');
  for (const name of REFUSALS) {
    const { stack, message } = await reasonOf(met[name](breakwater));
    assert.equal(stack, `${name}: ${message}`);
  }
});

test('a shedder refuses as a throttle does, and knows when it may be over', async () => {
  const shedder = new breakwater.LoadShedder({ maxHeapBytes: 1, label: 'api' });
  const limit = performance.now() + 20_000;
  let error;
  while (error === undefined && performance.now() < limit) {
    await new Promise((resolve) => setTimeout(resolve, 10));
    error = await shedder.execute(() => {}).catch((reason) => reason);
  }
  shedder.dispose();
  assert.ok(error instanceof breakwater.OverloadedError);
  const { retryAfterMs, ...rest } = { ...error };
  assert.deepEqual(rest, { kind: 'shedder', primitive: 'api' });
  assert.equal(retryAfterMs > 0 && retryAfterMs <= 1_000, true, `${retryAfterMs}`);
  assert.equal(error.stack, `OverloadedError: ${error.message}`);
});

test('a refusal is a fresh object without stack frames, and leaves the frames of others alone', async () => {
  const bucket = new TokenBucket({ ...LIMIT, initialTokens: 0, clock: new ManualClock() });
  const [one, other] = [await reasonOf(bucket.execute(() => {})), await reasonOf(bucket.execute(() => {}))];
  assert.notEqual(one, other);
  assert.equal(one.stack, 'RateLimitedError: bucket refused: retry after 1000 ms');
  assert.equal(/\n/.test(new Error('mine').stack), true);
  one.stack = 'set by a logger';
  assert.equal(one.stack, 'set by a logger');
  assert.equal(other.stack.startsWith('RateLimitedError: '), true);
});

test('everything but a refusal carries stack frames', async () => {
  for (const name of ['TimeoutError', 'InvalidOptionError', 'NameConflictError', 'DisposedError']) {
    const { stack } = await reasonOf(met[name](breakwater));
    assert.equal(stack.includes('errors.test.mjs') || stack.includes('dist'), true, stack);
  }
});

test('a refusal is one even where the intrinsics are frozen', async () => {
  if (process.versions.bun !== undefined) return; // Bun cannot freeze them.
  const { stdout } = await runScript(`
    import { TokenBucket } from 'breakwater';
    Object.freeze(Error);
    const bucket = new TokenBucket({ capacity: 1, refillPerSecond: 1, initialTokens: 0 });
    await bucket.execute(() => {}).catch(({ code }) => console.log(code));
  `);
  assert.equal(stdout, 'ERR_RATE_LIMITED\n');
});

test('InvalidOptionError names the option, what was expected and what came', () => {
  assert.throws(() => new TokenBucket({ capacity: -1.5, refillPerSecond: 1, label: 'mail' }), {
    name: 'InvalidOptionError',
    message: 'capacity must be a whole number from 1 to 4294967296, got -1.5',
    option: 'capacity',
    expected: 'a whole number from 1 to 4294967296',
    got: '-1.5',
    kind: 'bucket',
    primitive: 'mail',
  });
});

test('InvalidOptionError does not repeat long strings', () => {
  const secret = 'secret'.repeat(1_000);
  try {
    new TokenBucket({ ...LIMIT, capacity: secret });
    assert.fail('accepted');
  } catch (error) {
    assert.equal(error.message.includes('secretsecret'), false);
    assert.equal(error.got, 'a string of 6000 characters');
  }
});

test('NameConflictError names the option that differs', async () => {
  const { option, message, primitive, kind } = await reasonOf(met.NameConflictError(breakwater));
  assert.deepEqual([option, primitive, kind], ['refillPerSecond', 'errors.test', 'bucket']);
  assert.equal(message, 'the bucket "errors.test" exists with another value of refillPerSecond');
});

test('NativeBindingError says what was looked for and how to mend it', async () => {
  const { stdout } = await runScript(
    `
    import { BreakwaterError, NativeBindingError, TokenBucket } from 'breakwater';
    try {
      new TokenBucket({ capacity: 1, refillPerSecond: 1 });
    } catch (error) {
      const { code, kind, message } = error;
      const family = [error instanceof NativeBindingError, error instanceof BreakwaterError];
      console.log(JSON.stringify({ code, kind, message, family }));
    }`,
    { env: { BREAKWATER_NATIVE_PATH: join(home, 'not-there.node') } },
  );
  const { code, kind, message, family } = JSON.parse(stdout);
  assert.deepEqual([code, kind, family], ['ERR_NATIVE_BINDING', 'binding', [true, true]]);
  assert.equal(message.includes('not-there.node'), true);
});

test('a class of one’s own made of ours is asked in the ordinary way', () => {
  class Mine extends RateLimitedError {}
  const details = { kind: 'bucket' };
  assert.equal(new Mine('mine', details) instanceof Mine, true);
  assert.equal(new Mine('mine', details) instanceof RateLimitedError, true);
  assert.equal(new RateLimitedError('ours', details) instanceof Mine, false);
  for (const value of [null, undefined, 5, 'error', {}, new Error('plain'), () => {}]) {
    assert.equal(value instanceof RateLimitedError, false);
    assert.equal(value instanceof Mine, false);
  }
});

test('an error that ends a thread arrives as a plain Error with its code', async () => {
  await withThreads(1, async ([thread]) => {
    const arrived = new Promise((resolve) => thread.worker.once('error', resolve));
    await thread.run(({ TokenBucket }) => {
      const bucket = new TokenBucket({ capacity: 1, refillPerSecond: 1, initialTokens: 0 });
      setTimeout(() => bucket.execute(() => {}), 0);
    });
    const error = await arrived;
    assert.ok(error instanceof Error);
    assert.equal(error.code, 'ERR_RATE_LIMITED');
    assert.equal(error.message.includes('bucket refused'), true);
  });
});

test('two copies of the package in one process share what has a name', () => {
  const ours = new TokenBucket({ ...LIMIT, name: 'errors.test:shared' });
  const theirs = new copy.TokenBucket({ ...LIMIT, name: 'errors.test:shared' });
  assert.equal(ours.tryAcquire(), true);
  assert.equal(theirs.tryAcquire(), false);
  assert.throws(
    () => new copy.TokenBucket({ ...LIMIT, capacity: 5, name: 'errors.test:shared' }),
    breakwater.NameConflictError,
  );
  ours.dispose();
  theirs.dispose();
});

test('two copies of the package each wake their own waiters', async () => {
  const options = { ...LIMIT, initialTokens: 0, name: 'errors.test:waiters' };
  const ours = new TokenBucket(options);
  const theirs = new copy.TokenBucket(options);
  const waiting = [ours.acquire(), theirs.acquire()];
  ours.refund(1);
  await waiting[0];
  ours.refund(1);
  await waiting[1];
  ours.dispose();
  theirs.dispose();
});
