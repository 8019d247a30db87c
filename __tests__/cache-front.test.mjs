/** A front: decoded values of one thread, which hold as long as the shared ones do. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { Cache, ManualClock } from 'breakwater';
import { startThread } from './helpers/threads.mjs';

const OPTIONS = { codec: 'json', maxEntries: 1_000, ttlMs: 1_000 };

let made = 0;

function open(options) {
  made += 1;
  const clock = new ManualClock();
  const all = { ...OPTIONS, name: `front ${made}`, clock, front: { maxEntries: 10 }, ...options };
  return { cache: new Cache(all), clock, all };
}

/** Whether a second look-up gives the very object of the first. */
function isKept(cache, key) {
  const first = cache.get(key);
  return first !== undefined && cache.get(key) === first;
}

describe('a front', () => {
  it('keeps a value until its ttl is over, to the millisecond', () => {
    const { cache, clock } = open();
    cache.set('key', { value: 1 });
    assert.ok(isKept(cache, 'key'));
    clock.advance(1_000);
    assert.deepEqual(cache.get('key'), { value: 1 });
    clock.advance(1);
    assert.equal(cache.get('key'), undefined);
    cache.dispose();
  });

  it('keeps no stale values', async () => {
    const { cache, clock } = open({ staleWhileRevalidateMs: 1_000 });
    cache.set('key', { value: 1 });
    assert.ok(isKept(cache, 'key'));
    clock.advance(1_001);
    let calls = 0;
    const loader = () => ({ value: 1 + ++calls });
    assert.deepEqual(await cache.getOrLoad('key', loader), { value: 1 });
    assert.deepEqual(await cache.getOrLoad('key', loader), { value: 2 });
    assert.equal(calls, 1);
    cache.dispose();
  });

  it('keeps what never ends, and what goes on without a ttl of its own', () => {
    const { cache, clock } = open({ ttlMs: Number.POSITIVE_INFINITY });
    cache.set('key', { value: 1 });
    assert.ok(isKept(cache, 'key'));
    clock.advance(1e12);
    assert.ok(isKept(cache, 'key'));
    cache.dispose();
  });

  it('is what peek looks at: the kept object, as old as it is, as long as it holds, and no hit', () => {
    const { cache, clock, all } = open({ staleWhileRevalidateMs: 1_000 });
    const other = new Cache({ ...all, front: undefined });
    other.set('key', { value: 1 });
    clock.advance(100);
    const kept = cache.get('key');
    clock.advance(200);
    const { value, ...rest } = cache.peek('key');
    assert.equal(value, kept);
    assert.deepEqual(rest, { ageMs: 300, fresh: true });
    assert.equal(cache.snapshot().lookups, 1);
    other.set('key', { value: 2 });
    assert.deepEqual(cache.peek('key'), { value: { value: 2 }, ageMs: 0, fresh: true });
    assert.deepEqual(cache.get('key'), { value: 2 });
    other.delete('key');
    assert.equal(cache.peek('key'), undefined);
    other.set('key', { value: 3 });
    cache.get('key');
    clock.advance(1_001);
    assert.deepEqual(cache.peek('key'), { value: { value: 3 }, ageMs: 1_001, fresh: false });
    cache.dispose();
    other.dispose();
  });

  it('counts its hits at once, for all threads, and none twice', async () => {
    const { cache, all } = open();
    const other = new Cache({ ...all, front: undefined });
    cache.set('key', { value: 1 });
    for (const hits of [1, 2, 63, 64, 65, 130, 1_000]) {
      while (other.snapshot().hits < hits) {
        const before = other.snapshot().hits;
        cache.get('key');
        assert.equal(other.snapshot().hits, before + 1);
      }
    }
    cache.dispose();
    assert.equal(other.snapshot().hits, 1_000);
    other.dispose();
  });

  it('counts up alone, whoever looks while another thread hits', async () => {
    const { cache, all } = open({ clock: undefined });
    const thread = await startThread();
    const hits = 400_000;
    const hitting = thread.run(
      ({ Cache }, kept, own, hits) => {
        kept.cache = new Cache(own);
        kept.cache.set('key', { value: 1 });
        for (let hit = 0; hit < hits; hit += 1) kept.cache.get('key');
      },
      { ...all, clock: undefined },
      hits,
    );
    let seen = 0;
    let looks = 0;
    let isOver = false;
    hitting.finally(() => {
      isOver = true;
    });
    while (!isOver) {
      for (let look = 0; look < 100; look += 1) {
        const now = cache.snapshot().hits;
        assert.ok(now >= seen, `${now} after ${seen}`);
        if (now > seen) looks += 1;
        seen = now;
      }
      await new Promise((resolve) => setImmediate(resolve));
    }
    await hitting;
    assert.ok(looks > 0, `${looks} looks that saw it move`);
    assert.equal(cache.snapshot().hits, hits);
    await thread.terminate();
    cache.dispose();
  });

  it('of a thread that is terminated: what it had hit stays counted', async () => {
    const { cache, all } = open({ clock: undefined });
    const thread = await startThread();
    const hits = await thread.run(
      ({ Cache }, kept, own) => {
        kept.cache = new Cache(own);
        kept.cache.set('key', { value: 1 });
        for (let hit = 0; hit < 10; hit += 1) kept.cache.get('key');
        return kept.cache.snapshot().hits;
      },
      { ...all, clock: undefined },
    );
    assert.equal(hits, 10);
    assert.equal(cache.snapshot().hits, 10);
    await thread.terminate();
    assert.equal(cache.snapshot().hits, 10);
    cache.dispose();
  });

  it('tells the policy in order: the least recently used goes', () => {
    const { cache } = open({ policy: 'lru', maxEntries: 3 });
    for (const key of ['a', 'b', 'c']) cache.set(key, { key });
    for (const key of ['a', 'b', 'c']) cache.get(key);
    // Now from front: a is used last, b least.
    for (const key of ['b', 'c', 'a']) cache.get(key);
    cache.set('d', { key: 'd' });
    assert.deepEqual(
      ['a', 'b', 'c', 'd'].map((key) => cache.has(key)),
      [true, false, true, true],
    );
    assert.equal(cache.get('b'), undefined);
    cache.dispose();
  });

  it('is not misled by other keys that change, by thousands', () => {
    const { cache } = open({ maxEntries: 100_000 });
    cache.set('key', { value: 1 });
    const value = cache.get('key');
    for (let nth = 0; nth < 50_000; nth += 1) {
      cache.set(`other ${nth}`, nth);
      cache.set(`other ${nth}`, nth + 1);
      if (nth % 1_000 === 0) assert.equal(cache.get('key'), value);
    }
    assert.equal(cache.get('key'), value);
    cache.dispose();
  });

  it('of any number: the hundredth of one cache holds as the first does', () => {
    const { cache, all } = open();
    const others = Array.from({ length: 100 }, () => new Cache(all));
    const caches = [cache, ...others];
    cache.set('key', { value: 1 });
    for (const each of caches) assert.ok(isKept(each, 'key'));
    cache.set('key', { value: 2 });
    for (const each of caches) assert.deepEqual(each.get('key'), { value: 2 });
    cache.delete('key');
    for (const each of caches) assert.equal(each.get('key'), undefined);
    const { hits, misses } = cache.snapshot();
    assert.deepEqual({ hits, misses }, { hits: 101 * 3, misses: 101 });
    for (const each of caches) each.dispose();
  });

  it('after the cache is gone: a new one of the name begins anew', () => {
    for (let turn = 0; turn < 5; turn += 1) {
      const clock = new ManualClock();
      const cache = new Cache({ ...OPTIONS, name: 'front again', clock, front: { maxEntries: 10 } });
      assert.equal(cache.get('key'), undefined);
      cache.set('key', { turn });
      assert.ok(isKept(cache, 'key'));
      const { hits, misses } = cache.snapshot();
      assert.deepEqual({ hits, misses }, { hits: 2, misses: 1 });
      cache.dispose();
      assert.throws(() => cache.get('key'), { code: 'ERR_DISPOSED' });
    }
  });

  it('goes by what the shared cache said, whatever a codec does meanwhile', () => {
    made += 1;
    let within = () => {};
    const codec = {
      encode: (value) => JSON.stringify(value),
      decode(text) {
        within();
        return JSON.parse(text);
      },
    };
    const { cache, clock } = open({ codec });
    cache.set('other', { value: 'other' }, { ttlMs: 5_000 });
    cache.set('key', { value: 1 });
    within = () => {
      within = () => {};
      cache.get('other');
    };
    assert.deepEqual(cache.get('key'), { value: 1 });
    clock.advance(1_001);
    assert.equal(cache.get('key'), undefined);
    assert.deepEqual(cache.get('other'), { value: 'other' });
    cache.dispose();
  });

  it('loads early as often as without one', async () => {
    const rate = async (front) => {
      const { cache, clock } = open({ front, earlyRefreshBeta: 1, ttlMs: 10_000, seed: 7 });
      let early = 0;
      for (let turn = 0; turn < 400; turn += 1) {
        let calls = 0;
        const loader = async () => {
          calls += 1;
          clock.advance(100);
          return { turn };
        };
        await cache.getOrLoad(`key ${turn}`, loader);
        cache.get(`key ${turn}`);
        clock.advance(9_900);
        await cache.getOrLoad(`key ${turn}`, loader);
        if (calls > 1) early += 1;
      }
      cache.dispose();
      return early / 400;
    };
    const [without, withFront] = [await rate(undefined), await rate({ maxEntries: 1_000 })];
    // e^-1 of them, by a hundred milliseconds that are left and as many that a load takes.
    for (const share of [without, withFront]) assert.ok(Math.abs(share - 0.368) < 0.08, `${share}`);
  });
});
