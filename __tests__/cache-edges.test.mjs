/** Caches where codecs, weights, tags, leases and timeouts meet: what an independent review broke once. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { Cache } from 'breakwater';
import { gatedLoader, KINDS, turn, withCache } from './helpers/cache.mjs';
import { collectGarbage } from './helpers/memory.mjs';
import { until } from './helpers/promises.mjs';
import { withThreads } from './helpers/threads.mjs';

let made = 0;
const nextName = () => `edges ${++made}`;

/** Waits in one turn of the event loop. */
function busyFor(ms) {
  const end = performance.now() + ms;
  while (performance.now() < end);
}

for (const [kind, make] of Object.entries(KINDS)) {
  const test = (name, options, use) => it(name, () => withCache(make, options, use));

  describe(`a cache ${kind}`, () => {
    test('gives no failure of an older load to who asked after an invalidation', {}, async (cache) => {
      const old = gatedLoader();
      const before = cache.getOrLoad('key', old, { tags: ['tag'] });
      cache.invalidateTag('tag');
      const after = cache.getOrLoad('key', () => 'new', { tags: ['tag'] });
      old.fail(new Error('old'));
      await assert.rejects(before, { message: 'old' });
      assert.equal(await after, 'new');
    });

    test('bounds what is remembered not to be there', {
      maxEntries: 10,
      negativeTtlMs: 1e6,
    }, async (cache) => {
      for (let nth = 0; nth < 100; nth += 1) await cache.getOrLoad(`key ${nth}`, (load) => load.absent);
      assert.equal(cache.size, 10);
    });

    test(
      'aborts a load that outlived its lease, once nobody waits for it',
      { leaseMs: 1_000 },
      async (cache, clock) => {
        const [hanging, next] = [gatedLoader(), gatedLoader()];
        const controller = new AbortController();
        const first = cache.getOrLoad('key', hanging, { signal: controller.signal });
        const { signal } = hanging.load();
        const second = cache.getOrLoad('key', next);
        controller.abort(new Error('gone'));
        await assert.rejects(first, { message: 'gone' });
        assert.equal(signal.aborted, false, 'the second one waits for it');
        clock.advance(1_000);
        await until(() => next.calls === 1);
        assert.equal(signal.aborted, true);
        assert.equal(signal.reason.name, 'AbortError');
        next.finish('value');
        assert.equal(await second, 'value');
        assert.equal(cache.snapshot().loading, 0);
      },
    );

    test('fails a load that comes to what cannot be looked at, for all who wait', {}, async (cache) => {
      const hostile = () =>
        new Proxy(
          {},
          {
            getPrototypeOf() {
              throw new Error('no prototype');
            },
          },
        );
      const asked = [1, 2].map(() =>
        cache.getOrLoad('key', async () => {
          await turn();
          return hostile();
        }),
      );
      for (const each of asked) await assert.rejects(each);
      assert.equal(cache.snapshot().loading, 0);
      assert.equal(await cache.getOrLoad('key', () => 'value'), 'value');
    });

    test(
      'counts up alone: what was a miss stays one',
      { ttlMs: 10, staleIfErrorMs: 1e6 },
      async (cache, clock) => {
        cache.set('key', 1);
        clock.advance(11);
        const loader = gatedLoader();
        const asked = [1, 2, 3].map(() => cache.getOrLoad('key', loader));
        assert.equal(cache.snapshot().misses, 3);
        loader.fail(new Error('no'));
        assert.deepEqual(await Promise.all(asked), [1, 1, 1]);
        const { hits, misses, staleHits } = cache.snapshot();
        assert.deepEqual({ hits, misses, staleHits }, { hits: 0, misses: 3, staleHits: 3 });
        // While it backs off, it is served at once.
        assert.equal(await cache.getOrLoad('key', loader), 1);
        const later = cache.snapshot();
        assert.deepEqual([later.hits, later.misses, later.staleHits], [1, 3, 4]);
      },
    );

    test('warns of nothing when a loader passes its signal on many times', {}, async (cache) => {
      const warnings = [];
      const heard = (warning) => warnings.push(warning.name);
      process.on('warning', heard);
      await cache.getOrLoad('page', async ({ signal }) => {
        const parts = Array.from({ length: 30 }, (_, nth) =>
          cache.getOrLoad(`part ${nth}`, () => turn().then(() => nth), { signal }),
        );
        return Promise.all(parts);
      });
      await turn();
      process.off('warning', heard);
      assert.deepEqual(warnings, []);
    });

    test('keeps nothing of loads that began each other and are over', {}, async (cache) => {
      const chain = (links) =>
        new Promise((resolve) => {
          let link = 0;
          const loader = (load) => {
            link += 1;
            // Who has the signal of the last one keeps no other.
            if (link === links) resolve(load.signal);
            else setImmediate(() => cache.getOrLoad(`link ${link}`, loader, { signal: load.signal }));
            return load.skip(new Array(1_000).fill(link));
          };
          cache.getOrLoad('link', loader);
        });
      // The heap, not the process: how much of that a runtime keeps for later is its own affair.
      const heapMegabytes = async () => {
        await collectGarbage();
        return process.memoryUsage().heapUsed / 1e6;
      };
      await chain(100);
      const before = await heapMegabytes();
      const last = await chain(10_000);
      const grown = (await heapMegabytes()) - before;
      assert.equal(last.aborted, false);
      // 10,000 of 8 KB each, if they were kept.
      assert.ok(grown < 40, `${grown} MB`);
    });
  });
}

describe('a codec of one’s own', () => {
  /** Short text as it is, long text as bytes. */
  const mixed = {
    encode: (value) => (value.length > 20 ? Buffer.from(value) : value),
    decode: (encoded) => (typeof encoded === 'string' ? encoded : Buffer.from(encoded).toString('latin1')),
  };

  it('that fails once gives no other value in the place of one', async () => {
    let broken = false;
    const codec = {
      encode: mixed.encode,
      decode(encoded) {
        if (broken) throw new Error('broken');
        return mixed.decode(encoded);
      },
    };
    const gone = [];
    const onEvict = (key, value, reason) => gone.push([key, value, reason]);
    const cache = new Cache({ name: nextName(), maxEntries: 10, ttlMs: 60_000, codec, onEvict });
    const bob = 'b'.repeat(5_000);
    cache.set('alice', 'secret');
    cache.set('bob', bob);
    broken = true;
    assert.equal(cache.peek('alice'), undefined);
    broken = false;
    assert.equal(await cache.getOrLoad('bob', () => 'loaded'), bob);
    assert.equal(cache.get('bob'), bob);
    await turn();
    assert.deepEqual(gone, [['alice', undefined, 'deleted']]);
    cache.dispose();
  });

  it('that reads the cache itself changes nothing of how a value stands', async () => {
    let within = () => {};
    const codec = {
      encode: (value) => value,
      decode(encoded) {
        const now = within;
        within = () => {};
        now();
        return encoded;
      },
    };
    const options = { name: nextName(), maxEntries: 10, ttlMs: 20, staleIfErrorMs: 60_000, codec };
    const cache = new Cache(options);
    cache.set('page', 'page');
    cache.set('part', 'part', { ttlMs: 60_000 });
    await new Promise((resolve) => setTimeout(resolve, 40));
    within = () => assert.equal(cache.get('part'), 'part');
    assert.equal(cache.get('page'), undefined);
    cache.dispose();
  });

  it('that refuses a value: who asked after an invalidation does not get it', async () => {
    const cache = new Cache({ name: nextName(), maxEntries: 10, ttlMs: 60_000, codec: 'json' });
    const old = gatedLoader();
    const before = cache.getOrLoad('key', old, { tags: ['tag'] });
    cache.invalidateTag('tag');
    const after = cache.getOrLoad('key', () => 'new', { tags: ['tag'] });
    old.finish(10n);
    assert.deepEqual([await before, await after], [10n, 'new']);
    cache.dispose();
  });

  it('that refuses a value: who loads for itself is counted', async () => {
    const name = nextName();
    const options = { name, maxEntries: 10, ttlMs: 60_000, codec: 'json' };
    const cache = new Cache(options);
    const other = new Cache(options);
    const loader = gatedLoader();
    const asked = [cache.getOrLoad('key', loader), other.getOrLoad('key', () => 2n)];
    await turn();
    loader.finish(1n);
    assert.deepEqual(await Promise.all(asked), [1n, 2n]);
    const { loads, loadFailures } = cache.snapshot();
    assert.deepEqual({ loads, loadFailures }, { loads: 2, loadFailures: 0 });
    cache.dispose();
    other.dispose();
  });
});

describe('a front', () => {
  it('serves look-ups with options, too', async () => {
    const options = { name: nextName(), maxEntries: 10, ttlMs: 60_000, codec: 'json' };
    const cache = new Cache({ ...options, front: { maxEntries: 10 } });
    const load = () => ({ value: 1 });
    await cache.getOrLoad('key', load, { tags: ['tag'] });
    const first = await cache.getOrLoad('key', load, { tags: ['tag'] });
    assert.equal(await cache.getOrLoad('key', load, { tags: ['tag'] }), first);
    assert.equal(await cache.getOrLoad('key', load), first);
    assert.notEqual(await cache.getOrLoad('key', load, { forceRefresh: true }), first);
    cache.dispose();
  });
});

describe('a load of two threads', () => {
  const open = ({ Cache }, kept, options) => {
    kept.cache = new Cache(options);
  };

  /** A load in the first thread whose own caller gives up at once. */
  const leadAlone = async (_, kept) => {
    const controller = new AbortController();
    const asked = kept.cache.getOrLoad(
      'key',
      (load) => {
        kept.signal = load.signal;
        return new Promise((resolve) => {
          kept.finish = resolve;
        });
      },
      { signal: controller.signal },
    );
    kept.leave = () => controller.abort(new Error('gone'));
    asked.catch(() => {});
  };

  it('is not ended by a timeout of who waits elsewhere, and is stored', async () => {
    const options = { name: nextName(), maxEntries: 10, ttlMs: 60_000, codec: 'json' };
    const cache = new Cache(options);
    await withThreads(1, async ([thread]) => {
      for (const leavesFirst of [true, false]) {
        cache.clear();
        await thread.run(open, options);
        await thread.run(leadAlone);
        const leave = () => thread.run((_, kept) => kept.leave());
        const asked = cache.getOrLoad('key', () => 'own', { hardTimeoutMs: 30 });
        if (leavesFirst) await leave();
        await assert.rejects(asked, { code: 'ERR_TIMEOUT' });
        if (!leavesFirst) await leave();
        await turn();
        assert.equal(await thread.run((_, kept) => kept.signal.aborted), false);
        await thread.run((_, kept) => kept.finish('theirs'));
        await until(() => cache.get('key') === 'theirs');
      }
    });
    cache.dispose();
  });

  it('is aborted where nobody waits any more, when its lease is over and another thread goes on', async () => {
    const options = { name: nextName(), maxEntries: 10, ttlMs: 60_000, codec: 'json', leaseMs: 60 };
    const cache = new Cache(options);
    await withThreads(1, async ([thread]) => {
      await thread.run(open, options);
      await thread.run(leadAlone);
      const asked = cache.getOrLoad('key', () => 'own');
      await thread.run((_, kept) => kept.leave());
      assert.equal(await asked, 'own');
      await thread.run(async (_, kept) => {
        while (!kept.signal.aborted) await new Promise((resolve) => setTimeout(resolve, 5));
      });
      assert.equal(cache.snapshot().loading, 0);
    });
    cache.dispose();
  });
});

describe('a cache without a name, by weight', () => {
  const open = (options) =>
    new Cache({ maxBytes: 1_000, ttlMs: 60_000, sizeOf: (value) => value.length, ...options });

  for (const policy of ['s3fifo', 'lru', 'wtinylfu']) {
    it(`never holds more than it may, and says exactly how much: ${policy}`, () => {
      const cache = open({ policy });
      let state = 1;
      const draw = (below) => {
        state = (state * 48_271) % 2_147_483_647;
        return state % below;
      };
      for (let turn = 0; turn < 5_000; turn += 1) {
        const key = `key ${draw(60)}`;
        if (draw(4) === 0) cache.delete(key);
        else if (draw(3) === 0) cache.get(key);
        else cache.set(key, 'v'.repeat(1 + draw(200)));
        let bytes = 0;
        for (let nth = 0; nth < 60; nth += 1) bytes += cache.peek(`key ${nth}`)?.value.length ?? 0;
        assert.equal(cache.bytes, bytes);
        assert.equal(cache.snapshot().bytes, bytes);
        assert.ok(bytes <= 1_000, `${bytes}`);
      }
      assert.ok(cache.bytes > 500, `${cache.bytes}`);
      cache.clear();
      assert.equal(cache.bytes, 0);
      cache.dispose();
    });
  }

  it('takes what just fits, and nothing that is larger', () => {
    const cache = open();
    assert.equal(cache.set('key', 'v'.repeat(1_000)), true);
    assert.equal(cache.set('other', 'v'.repeat(1_001)), false);
    assert.equal(cache.get('key').length, 1_000);
    assert.equal(cache.set('key', 'v'.repeat(1_001)), false);
    assert.deepEqual([cache.size, cache.bytes], [0, 0]);
    cache.dispose();
  });

  it('bounds what is remembered not to be there, by the room of the keys', async () => {
    const cache = open({ maxBytes: 100_000, negativeTtlMs: 1e6 });
    for (let nth = 0; nth < 1_000; nth += 1) {
      await cache.getOrLoad('k'.repeat(900) + nth, (load) => load.absent);
    }
    assert.ok(cache.size <= 100 && cache.size >= 50, `${cache.size}`);
    assert.ok(cache.bytes <= 100_000, `${cache.bytes}`);
    cache.dispose();
  });

  it('keeps the tags of a value whose weighing used the cache', async () => {
    const sizeOf = (_, key) => {
      if (key === 'a')
        for (let nth = 0; nth < 5; nth += 1) cache.set(`b${nth}`, 'b', { tags: [`other ${nth}`] });
      return 1;
    };
    const cache = open({ sizeOf });
    await cache.getOrLoad('a', () => 'a', { tags: ['tag'] });
    assert.equal(cache.get('a'), 'a');
    cache.invalidateTag('tag');
    assert.equal(cache.get('a'), undefined);
    cache.dispose();
  });
});

describe('the time, within one turn of the event loop', () => {
  it('is read once for 64 look-ups that follow each other, and anew for every other call', () => {
    for (const options of [{}, { name: nextName(), codec: 'string', front: { maxEntries: 10 } }]) {
      const cache = new Cache({ maxEntries: 10, ttlMs: 20, ...options });
      cache.set('key', 'value');
      for (let look = 0; look < 1_000; look += 1) cache.get('key');
      busyFor(40);
      assert.equal(cache.has('key'), false);
      assert.equal(cache.peek('key'), undefined);
      cache.set('key', 'value');
      for (let look = 0; look < 1_000; look += 1) cache.get('key');
      busyFor(40);
      let served = 0;
      while (served < 1_000 && cache.get('key') !== undefined) served += 1;
      assert.ok(served <= 64, `${served} served after their end`);
      cache.dispose();
    }
  });
});

describe('bytes that a caller transfers', () => {
  const open = (options) =>
    new Cache({ name: nextName(), maxEntries: 10, ttlMs: 60_000, codec: 'bytes', ...options });

  /** Gives away the memory behind bytes, where the runtime lets it: it may also refuse, or give a copy. */
  const transfer = (bytes) => {
    try {
      structuredClone(bytes, { transfer: [bytes.buffer] });
    } catch (error) {
      assert.equal(error.name, 'DataCloneError');
    }
  };

  const all = (bytes, length, byte) => {
    assert.equal(bytes?.length, length);
    assert.ok(bytes.every((each) => each === byte));
  };

  // Small ones share memory, large ones do not.
  for (const length of [10, 5_000]) {
    it(`take no other value with them, and nothing out of the cache: ${length}`, async () => {
      const cache = open();
      cache.set('mine', new Uint8Array(length).fill(1));
      cache.set('other', new Uint8Array(length).fill(2));
      const [mine, same, other] = ['mine', 'mine', 'other'].map((key) => cache.get(key));
      const load = async () => new Uint8Array(length).fill(3);
      const [first, second] = await Promise.all([1, 2].map(() => cache.getOrLoad('loaded', load)));
      for (const bytes of [mine, first]) transfer(bytes);
      assert.equal(mine.length, length > 4_096 ? 0 : length);
      all(same, length, 1);
      all(other, length, 2);
      all(second, length, 3);
      for (const [nth, key] of ['mine', 'other', 'loaded'].entries()) all(cache.get(key), length, nth + 1);
      cache.dispose();
    });

    it(`stay in a front: ${length}`, () => {
      const cache = open({ front: { maxEntries: 10 } });
      cache.set('key', new Uint8Array(length).fill(1));
      const kept = cache.get('key');
      transfer(kept);
      assert.equal(cache.get('key'), kept);
      all(kept, length, 1);
      cache.dispose();
    });
  }

  it('as a whole slab take nothing out of the cache', () => {
    const cache = open();
    for (const key of ['a', 'b']) cache.set(key, new Uint8Array(10).fill(1));
    try {
      // Node 20 has no such method, and Node 24 refuses.
      cache.get('a').buffer.transfer?.();
    } catch (error) {
      assert.equal(error.name, 'TypeError');
    }
    for (let look = 0; look < 3; look += 1) for (const key of ['a', 'b']) all(cache.get(key), 10, 1);
    assert.equal(cache.snapshot().misses, 0);
    cache.dispose();
  });
});

describe('a value of many megabytes', () => {
  it('leaves with its entry', () => {
    const cache = new Cache({ name: nextName(), maxBytes: 2 ** 30, ttlMs: 60_000, codec: 'bytes' });
    const bytes = 128 * 2 ** 20;
    cache.set('key', new Uint8Array(bytes).fill(7));
    assert.equal(cache.get('key').length, bytes);
    const before = process.memoryUsage.rss();
    cache.delete('key');
    const freed = before - process.memoryUsage.rss();
    assert.ok(freed > bytes / 2, `${freed >> 20} MiB of ${bytes >> 20}`);
    cache.dispose();
  });
});
