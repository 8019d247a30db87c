// What the examples in the readmes and guides of lru-cache, async-cache-dedupe, bentocache and cacheable do, with what a user of this
// package writes instead.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Cache, ManualClock } from 'breakwater';
import { gatedLoader, turn } from '../helpers/cache.mjs';
import { reasonOf } from '../helpers/promises.mjs';

test('lru-cache: set and get, by reference, and the least recently used goes', async () => {
  const gone = [];
  const cache = new Cache({
    maxEntries: 2,
    ttlMs: 300_000,
    policy: 'lru',
    onEvict: (...args) => gone.push(args),
  });
  const value = { a: 1 };
  cache.set('key', value);
  assert.equal(cache.get('key'), value);
  cache.set('other', 2);
  cache.get('key');
  cache.set('third', 3);
  assert.deepEqual([cache.has('key'), cache.has('other'), cache.size], [true, false, 2]);
  await turn();
  assert.deepEqual(gone, [['other', 2, 'evicted']]);
});

test('lru-cache: maxSize with sizeCalculation', () => {
  const cache = new Cache({ maxBytes: 100, sizeOf: (value) => value.length, ttlMs: 300_000, policy: 'lru' });
  for (const length of [5, 10, 20]) cache.set(`${length}`, 'x'.repeat(length));
  assert.equal(cache.bytes, 35);
  cache.delete('20');
  assert.equal(cache.bytes, 15);
  assert.equal(cache.set('whole', 'x'.repeat(100)), true);
  assert.deepEqual([cache.size, cache.bytes], [1, 100]);
  assert.equal(cache.set('more', 'x'.repeat(101)), false);
});

test('lru-cache: fetches of one key are one, and each caller has a signal of its own', async () => {
  const cache = new Cache({ maxEntries: 500, ttlMs: 60_000 });
  const fetchMethod = gatedLoader();
  const [first, second] = [new AbortController(), new AbortController()];
  const asked = [first, second].map(({ signal }) => cache.getOrLoad('key', fetchMethod, { signal }));
  first.abort('the first one has gone');
  assert.equal(await reasonOf(asked[0]), 'the first one has gone');
  fetchMethod.finish('value');
  assert.equal(await asked[1], 'value');
  assert.equal(fetchMethod.calls, 1);
});

test('lru-cache: more fetches at once than there is room for, and a delete while it is fetched', async () => {
  const cache = new Cache({ maxEntries: 2, ttlMs: 60_000 });
  const loaders = ['a', 'b', 'c'].map(() => gatedLoader());
  const asked = loaders.map((loader, nth) => cache.getOrLoad(`${nth}`, loader));
  cache.delete('0');
  loaders.forEach((loader, nth) => {
    loader.finish(nth);
  });
  assert.deepEqual(await Promise.all(asked), [0, 1, 2]);
  assert.equal(cache.has('0'), false);
});

test('lru-cache: allowStaleOnFetchRejection, for as long as is said', async () => {
  const clock = new ManualClock();
  const cache = new Cache({ maxEntries: 500, ttlMs: 60_000, staleIfErrorMs: 600_000, clock });
  const fails = async () => {
    throw new Error('down');
  };
  cache.set('key', 'old');
  clock.advance(660_000);
  assert.equal(await cache.getOrLoad('key', fails), 'old');
  clock.advance(1);
  assert.equal((await reasonOf(cache.getOrLoad('key', fails))).message, 'down');
});

test('lru-cache: a timeout that gives what is stale, while the fetch goes on', async () => {
  const clock = new ManualClock();
  const cache = new Cache({
    maxEntries: 500,
    ttlMs: 1_000,
    staleIfErrorMs: 60_000,
    softTimeoutMs: 100,
    clock,
  });
  const slow = gatedLoader();
  cache.set('key', 'old');
  clock.advance(1_001);
  const asked = cache.getOrLoad('key', slow);
  clock.advance(100);
  assert.equal(await asked, 'old');
  slow.finish('new');
  await turn();
  assert.equal(cache.get('key'), 'new');
});

test('async-cache-dedupe: three calls, two queries', async () => {
  const cache = new Cache({ maxEntries: 1_024, ttlMs: 5_000, staleWhileRevalidateMs: 5_000 });
  const queries = [];
  const fetchSomething = cache.wrap(
    async (k) => {
      queries.push(k);
      return { k };
    },
    { key: (k) => `fetchSomething~${k}` },
  );
  const all = await Promise.all([fetchSomething(42), fetchSomething(24), fetchSomething(42)]);
  assert.deepEqual(all, [{ k: 42 }, { k: 24 }, { k: 42 }]);
  assert.deepEqual(queries, [42, 24]);
});

test('async-cache-dedupe: ttl 0 only dedupes', async () => {
  const cache = new Cache({ maxEntries: 1_024, ttlMs: 0 });
  let calls = 0;
  const loader = async () => {
    calls += 1;
    return calls;
  };
  assert.deepEqual(await Promise.all([cache.getOrLoad('k', loader), cache.getOrLoad('k', loader)]), [1, 1]);
  assert.equal(await cache.getOrLoad('k', loader), 2);
});

test('async-cache-dedupe: a ttl from the result, and references', async () => {
  const clock = new ManualClock();
  const cache = new Cache({ maxEntries: 1_024, ttlMs: 60_000, clock });
  let version = 0;
  const fetchUser = (id) =>
    cache.getOrLoad(`fetchUser~${id}`, async (load) => {
      version += 1;
      const user = { id, version, expiresInSeconds: 10 };
      load.setTtlMs(1_000 * user.expiresInSeconds);
      load.setTags(['user', `user:${user.id}`]);
      return user;
    });
  const versions = async () => [(await fetchUser(1)).version, (await fetchUser(2)).version];
  assert.deepEqual(await versions(), [1, 2]);
  cache.invalidateTag('user:1');
  assert.deepEqual(await versions(), [3, 2]);
  cache.invalidateTag('user');
  assert.deepEqual(await versions(), [4, 5]);
  clock.advance(10_001);
  assert.deepEqual(await versions(), [6, 7]);
});

test('bentocache: grace periods, a backoff, timeouts', async () => {
  const clock = new ManualClock();
  const cache = new Cache({
    maxEntries: 1_000,
    ttlMs: 600_000,
    staleIfErrorMs: 21_000_000,
    refreshBackoffMs: 300_000,
    softTimeoutMs: 200,
    hardTimeoutMs: 1_000,
    clock,
  });
  let calls = 0;
  const down = async () => {
    calls += 1;
    throw new Error('the database is down');
  };
  assert.equal((await reasonOf(cache.getOrLoad('users:1', down))).message, 'the database is down');
  await cache.getOrLoad('users:1', async () => ({ id: 1 }));
  clock.advance(660_000);
  for (let read = 0; read < 10; read += 1) {
    assert.deepEqual(await cache.getOrLoad('users:1', down), { id: 1 });
  }
  assert.equal(calls, 2, 'one before there was a value, one in the backoff');
  clock.advance(300_000);
  const slow = gatedLoader();
  const soft = cache.getOrLoad('users:1', slow);
  clock.advance(200);
  assert.deepEqual(await soft, { id: 1 });
  const hard = cache.getOrLoad('users:2', gatedLoader());
  clock.advance(1_000);
  assert.equal((await reasonOf(hard)).code, 'ERR_TIMEOUT');
});

test('bentocache: expire keeps what delete does not', async () => {
  const cache = new Cache({ maxEntries: 1_000, ttlMs: 600_000, staleIfErrorMs: 360_000 });
  cache.set('hello', 'world');
  cache.expire('hello');
  assert.equal(cache.get('hello'), undefined);
  assert.equal(cache.peek('hello').value, 'world');
  cache.delete('hello');
  assert.equal(cache.peek('hello'), undefined);
});

test('bentocache: skip, fail and deleteByTag', async () => {
  const cache = new Cache({ maxEntries: 1_000, ttlMs: 3_600_000 });
  const item = (found) => (load) => {
    if (found === undefined) return load.absent;
    if (found.isInvalid) throw new Error('Item is invalid');
    return found.isDraft ? load.skip(found) : found;
  };
  assert.equal(await cache.getOrLoad('foo', item(undefined)), undefined);
  assert.equal(
    (await reasonOf(cache.getOrLoad('foo', item({ isInvalid: true })))).message,
    'Item is invalid',
  );
  assert.deepEqual(await cache.getOrLoad('foo', item({ isDraft: true })), { isDraft: true });
  assert.equal(cache.has('foo'), false);
  await cache.getOrLoad('foo', item({ id: 1 }), { tags: ['tag-1', 'tag-2'] });
  assert.equal(cache.has('foo'), true);
  cache.invalidateTag('tag-1');
  assert.equal(cache.has('foo'), false);
});

test('cacheable: getOrSet and wrap', async () => {
  const cache = new Cache({ maxEntries: 10_000, ttlMs: 3_600_000 });
  const error = await reasonOf(
    cache.getOrLoad('key', async () => {
      throw new Error('no');
    }),
  );
  assert.equal(error.message, 'no');
  let calls = 0;
  const asyncFunction = async (value) => {
    calls += 1;
    return Math.abs(value) * 2;
  };
  const wrapped = cache.wrap(asyncFunction, { key: (value) => `wrapped:${value}` });
  assert.deepEqual([await wrapped(2), await wrapped(2), await wrapped(-3)], [4, 4, 6]);
  assert.equal(calls, 2);
});
