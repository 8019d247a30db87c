// One cache for all threads: one load, one copy of each value, and nothing lost with a thread. The storm in full: torture/cache.mjs.
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { Cache, list } from 'breakwater';
import { gatedLoader, turn } from './helpers/cache.mjs';
import { collectGarbage } from './helpers/memory.mjs';
import { until } from './helpers/promises.mjs';
import { startThread, withThreads } from './helpers/threads.mjs';
import { cacheStorm } from './torture/cache.mjs';

const OPTIONS = { codec: 'json', maxEntries: 1_000, ttlMs: 60_000 };

let made = 0;

/** Calls `use(cache, threads, name)`; each thread has the cache as `kept.cache`, and `kept.loads` counts its loads. */
async function together(count, options, use) {
  made += 1;
  const name = `workers ${made}`;
  const all = { ...OPTIONS, ...options, name };
  const cache = new Cache(all);
  try {
    await withThreads(count, async (threads) => {
      await Promise.all(
        threads.map((thread, nth) =>
          thread.run(
            ({ Cache }, kept, all, nth) => {
              kept.cache = new Cache(all);
              kept.loads = 0;
              kept.nth = nth;
            },
            all,
            nth,
          ),
        ),
      );
      await use(cache, threads, name);
    });
  } finally {
    cache.dispose();
  }
}

/** In a thread: asks for `key` so many times at once; each load takes `ms` and comes to the thread's number. */
const askMany = async ({ Cache: _ }, kept, key, callers, ms) => {
  const loader = async () => {
    kept.loads += 1;
    await new Promise((resolve) => setTimeout(resolve, ms));
    return { by: kept.nth, load: kept.loads };
  };
  const values = await Promise.all(Array.from({ length: callers }, () => kept.cache.getOrLoad(key, loader)));
  const different = new Set(values.map((value) => JSON.stringify(value)));
  return { loads: kept.loads, values: [...different], shared: values.length > 1 && values[0] === values[1] };
};

/** In a thread: begins a load that never ends; says so. */
const lead = (_, kept, key) => {
  kept.cache
    .getOrLoad(key, (load) => {
      kept.signal = load.signal;
      return new Promise(() => {});
    })
    .catch(() => {});
};

/** A thread more, to be terminated by the test: it leads the load of `key`. */
async function startLeader(cache) {
  const leader = await startThread();
  await leader.run(
    ({ Cache }, kept, all) => {
      kept.cache = new Cache(all);
    },
    { ...OPTIONS, name: cache.snapshot().name },
  );
  await leader.run(lead, 'key');
  return leader;
}

describe('a cache of four threads', () => {
  it('loads once for 4 × 1,000 callers of one key, and each gets a copy of its own', async () => {
    await together(4, {}, async (_cache, threads) => {
      const answers = await Promise.all(threads.map((thread) => thread.run(askMany, 'key', 1_000, 50)));
      assert.equal(
        answers.reduce((sum, { loads }) => sum + loads, 0),
        1,
      );
      assert.equal(new Set(answers.flatMap(({ values }) => values)).size, 1);
      assert.deepEqual(
        answers.map(({ shared }) => shared),
        [false, false, false, false],
      );
    });
  });

  it('with an invalidation in the middle: exactly two loads, and nobody who asks after it gets the old value', async () => {
    for (const change of ['delete', 'invalidateTag', 'clear', 'expire']) {
      await together(4, {}, async (cache, threads) => {
        const loader = gatedLoader();
        const here = cache.getOrLoad('key', loader, { tags: ['tag'] });
        const ask = (_, kept, which) => {
          const load = () => {
            kept.loads += 1;
            return 'new';
          };
          const one = () => kept.cache.getOrLoad('key', load, { tags: ['tag'] });
          kept[which] = Promise.all(Array.from({ length: 1_000 }, one));
        };
        const answer = async (_, kept, which) => ({
          values: [...new Set(await kept[which])],
          loads: kept.loads,
        });
        const all = (fn, which) => Promise.all(threads.map((thread) => thread.run(fn, which)));
        // Each has asked before it answers.
        await all(ask, 'before');
        cache[change](change === 'invalidateTag' ? 'tag' : 'key');
        await all(ask, 'after');
        loader.finish('old');
        assert.equal(await here, 'old');
        for (const { values } of await all(answer, 'before')) assert.deepEqual(values, ['old']);
        const answers = await all(answer, 'after');
        for (const { values } of answers) assert.deepEqual(values, ['new'], change);
        const loads = answers.reduce((sum, { loads }) => sum + loads, 0);
        assert.equal(loads, 1, change);
        assert.equal(loader.calls, 1);
        assert.equal(cache.get('key'), 'new');
      });
    }
  });

  it('a value set in one thread is there in all, encoded once and copied for each', async () => {
    await together(2, {}, async (cache, [first, second]) => {
      await first.run((_, kept) => kept.cache.set('key', { list: [1, 2] }));
      const value = cache.get('key');
      value.list.push('mine');
      assert.deepEqual(await second.run((_, kept) => kept.cache.get('key')), { list: [1, 2] });
      assert.equal(await second.run((_, kept) => kept.cache.delete('key')), true);
      assert.equal(cache.has('key'), false);
      assert.equal(cache.size, 0);
    });
  });
});

describe('a leader', () => {
  it('that is terminated leaves the load to one of those who wait, within 50 ms', async () => {
    await together(2, {}, async (cache, [waiting]) => {
      const leader = await startLeader(cache);
      await until(() => cache.snapshot().loading === 1);
      let begun;
      const here = cache.getOrLoad('key', async () => {
        begun = performance.now();
        await turn();
        return 'taken over';
      });
      await until(() => cache.snapshot().waiting === 1);
      const there = waiting.run((_, kept) =>
        kept.cache.getOrLoad('key', () => {
          kept.loads += 1;
          return 'in the other thread';
        }),
      );
      await until(() => cache.snapshot().waiting === 2);
      const killed = performance.now();
      await leader.terminate();
      const ended = performance.now();
      assert.equal(await here, 'taken over');
      assert.equal(await there, 'taken over');
      assert.ok(begun - ended < 50, `${begun - killed} ms after the call, ${begun - ended} after its end`);
      assert.equal(cache.snapshot().loads, 2);
      assert.equal(cache.snapshot().loading, 0);
    });
  });

  it('that is terminated with nobody waiting keeps no key locked', async () => {
    await together(1, {}, async (cache, [thread]) => {
      await thread.run(lead, 'key');
      assert.equal(cache.snapshot().loading, 1);
      await thread.terminate();
      assert.equal(cache.snapshot().loading, 0);
      assert.equal(await cache.getOrLoad('key', () => 'here'), 'here');
    });
  });

  it('that hangs past its lease is fenced: another loads, and the late value is not stored', async () => {
    await together(1, { leaseMs: 100 }, async (cache, [thread]) => {
      await thread.run((_, kept) => {
        kept.late = kept.cache.getOrLoad(
          'key',
          () =>
            new Promise((resolve) => {
              kept.finish = resolve;
            }),
        );
      });
      assert.equal(await cache.getOrLoad('key', () => 'instead'), 'instead');
      const late = await thread.run((_, kept) => {
        kept.finish('late');
        return kept.late;
      });
      assert.equal(late, 'late');
      assert.equal(cache.get('key'), 'instead');
    });
  });

  it('that was disposed leaves the load to who waits', async () => {
    await together(1, {}, async (cache, [thread]) => {
      await thread.run(lead, 'key');
      const here = cache.getOrLoad('key', () => 'here');
      await turn();
      await thread.run((_, kept) => kept.cache.dispose());
      assert.equal(await here, 'here');
      assert.equal(await thread.run((_, kept) => kept.signal.aborted), true);
    });
  });

  it('whose own callers gave up goes on for others, and stops when those give up too', async () => {
    await together(1, {}, async (cache, [thread]) => {
      await thread.run((_, kept) => {
        const controller = new AbortController();
        kept.cache
          .getOrLoad(
            'key',
            (load) => {
              kept.signal = load.signal;
              return new Promise(() => {});
            },
            { signal: controller.signal },
          )
          .catch(() => {});
        kept.controller = controller;
      });
      const mine = new AbortController();
      const here = cache.getOrLoad('key', () => 'never called', { signal: mine.signal });
      await turn();
      const aborted = () => thread.run((_, kept) => kept.signal.aborted);
      await thread.run((_, kept) => kept.controller.abort());
      assert.equal(await aborted(), false);
      mine.abort('enough');
      await assert.rejects(here, (reason) => reason === 'enough');
      await until(() => cache.snapshot().loading === 0);
      assert.equal(await aborted(), true);
      assert.equal(await cache.getOrLoad('key', () => 'anew'), 'anew');
    });
  });

  it('whose heir has nobody left who waits passes the load on, and keeps count of who waits', async () => {
    await together(1, {}, async (cache, [thread]) => {
      const leader = await startLeader(cache);
      await assert.rejects(
        cache.getOrLoad('key', () => 'never called', { hardTimeoutMs: 30 }),
        { code: 'ERR_TIMEOUT' },
      );
      assert.equal(cache.snapshot().waiting, 0);
      await leader.terminate();
      await until(() => cache.snapshot().loading === 0);
      await thread.run(lead, 'key');
      const here = cache.getOrLoad('key', () => 'here');
      await until(() => cache.snapshot().waiting === 1);
      await thread.terminate();
      assert.equal(await here, 'here');
    });
  });

  it('chosen while its thread is blocked is passed over', async () => {
    await together(1, {}, async (cache, [blocked]) => {
      const leader = await startLeader(cache);
      const there = blocked.run((_, kept) => {
        const asked = kept.cache.getOrLoad('key', () => 'blocked one');
        const end = performance.now() + 1_500;
        while (performance.now() < end);
        return asked;
      });
      await until(() => cache.snapshot().waiting === 1);
      const here = cache.getOrLoad('key', () => 'here');
      await turn();
      const began = performance.now();
      await leader.terminate();
      assert.equal(await here, 'here');
      assert.ok(performance.now() - began < 1_000);
      assert.equal(await there, 'here');
      assert.equal(cache.snapshot().loads, 2);
    });
  });
});

describe('threads that are killed while they load', () => {
  it('leave no caller waiting, no key locked and no value that was deleted', async () => {
    const { killed, lookups, loads, ...wrong } = await cacheStorm({ ms: 2_000, killEveryMs: 40 });
    assert.ok(
      killed >= 2 && lookups > 1_000 && loads > 100,
      `${killed} killed, ${lookups} look-ups, ${loads} loads`,
    );
    assert.deepEqual(wrong, {
      unsettled: 0,
      locked: 0,
      tooOld: 0,
      failed: 0,
      overBound: 0,
      unaccounted: 0,
      namesLeft: 0,
    });
  });
});

describe('what crosses threads', () => {
  it('errors: name, message, stack, code and cause', async () => {
    await together(1, {}, async (cache, [thread]) => {
      await thread.run((_, kept) => {
        kept.cache
          .getOrLoad('key', async () => {
            await new Promise((resolve) => {
              kept.fail = resolve;
            });
            const cause = Object.assign(new TypeError('inner'), { code: 'EINNER' });
            throw Object.assign(new RangeError('outer', { cause }), { code: 'EOUTER', retryAfterMs: 5 });
          })
          .catch(() => {});
      });
      const here = cache.getOrLoad('key', () => 'never called').then(assert.fail, (error) => error);
      await turn();
      await thread.run((_, kept) => kept.fail());
      const error = await here;
      assert.ok(error instanceof Error);
      assert.deepEqual(
        [error.name, error.message, error.code, error.retryAfterMs],
        ['RangeError', 'outer', 'EOUTER', 5],
      );
      assert.match(error.stack, /outer/);
      assert.deepEqual(
        [error.cause.name, error.cause.message, error.cause.code],
        ['TypeError', 'inner', 'EINNER'],
      );
      assert.equal(cache.size, 0);
    });
  });

  it('what is no error: its JSON', async () => {
    await together(1, {}, async (cache, [thread]) => {
      await thread.run((_, kept) => {
        kept.cache
          .getOrLoad(
            'key',
            () =>
              new Promise((_, reject) => {
                kept.fail = () => reject({ reason: 'odd' });
              }),
          )
          .catch(() => {});
      });
      const here = cache.getOrLoad('key', () => 'never called').then(assert.fail, (thrown) => thrown);
      await turn();
      await thread.run((_, kept) => kept.fail());
      assert.deepEqual(await here, { reason: 'odd' });
    });
  });

  it('a skipped value is given, one that the codec refuses makes each thread load for itself', async () => {
    await together(2, {}, async (cache, threads) => {
      for (const [key, value] of [
        ['skipped', 'given'],
        ['refused', undefined],
      ]) {
        await threads[0].run(
          (_, kept, key, value) => {
            kept.here = kept.cache.getOrLoad(key, async (load) => {
              await new Promise((resolve) => {
                kept.finish = resolve;
              });
              return value === undefined ? () => 'a function' : load.skip(value);
            });
          },
          key,
          value,
        );
        const waiting = [
          cache.getOrLoad(key, () => 'own'),
          threads[1].run((_, kept, key) => kept.cache.getOrLoad(key, () => 'own'), key),
        ];
        await until(() => cache.snapshot().waiting === 2);
        await threads[0].run((_, kept) => kept.finish());
        const expected = value ?? 'own';
        assert.deepEqual(await Promise.all(waiting), [expected, expected]);
        assert.equal(
          await threads[0].run(async (_, kept) => typeof (await kept.here)),
          value === undefined ? 'function' : 'string',
        );
        assert.equal(cache.has(key), false);
      }
    });
  });

  it('text of any kind and bytes, as they are', async () => {
    const texts = ['', 'plain', 'é and ÿ', '漢字', '\u{1F6A2}', 'lone \uD800 surrogate', 'x'.repeat(100_000)];
    await together(1, { codec: 'string' }, async (cache, [thread]) => {
      for (const [nth, text] of texts.entries()) {
        assert.equal(await cache.getOrLoad(`text ${nth}`, () => text), text);
        assert.equal(cache.get(`text ${nth}`), text);
        assert.equal(await thread.run((_, kept, key) => kept.cache.get(key), `text ${nth}`), text);
      }
    });
    await together(1, { codec: 'bytes' }, async (cache, [thread]) => {
      for (const length of [0, 1, 1_000, 5_000, 200_000]) {
        const bytes = new Uint8Array(length).map((_, nth) => nth * 7);
        cache.set(`${length}`, bytes);
        const copies = [cache.get(`${length}`), cache.get(`${length}`)];
        assert.notEqual(copies[0], copies[1]);
        assert.deepEqual([...copies[0]], [...bytes]);
        copies[0].fill(9);
        assert.deepEqual([...copies[1]], [...bytes]);
        const there = await thread.run((_, kept, key) => [...kept.cache.get(key)], `${length}`);
        assert.deepEqual(there, [...bytes]);
      }
    });
  });

  it('keys that differ only in their last character, and keys in any script', async () => {
    await together(1, {}, async (cache, [thread]) => {
      const keys = ['', 'a', 'a'.repeat(5_000), `${'a'.repeat(4_999)}b`, '漢字', '\u{1F6A2}', 'é'];
      for (const [nth, key] of keys.entries()) cache.set(key, nth);
      for (const [nth, key] of keys.entries()) {
        assert.equal(await thread.run((_, kept, key) => kept.cache.get(key), key), nth);
      }
      assert.equal(cache.size, keys.length);
    });
  });
});

describe('a front', () => {
  it('serves the same object, and never what another thread has changed', async () => {
    await together(1, { front: { maxEntries: 10 } }, async (cache, [thread]) => {
      cache.set('key', { value: 1 }, { tags: ['tag'] });
      assert.equal(cache.get('key'), cache.get('key'));
      const changes = {
        set: (kept) => kept.cache.set('key', { value: 2 }, { tags: ['tag'] }),
        invalidateTag: (kept) => kept.cache.invalidateTag('tag'),
        delete: (kept) => kept.cache.delete('key'),
        clear: (kept) => kept.cache.clear(),
        expire: (kept) => kept.cache.expire('key'),
      };
      for (const [how, change] of Object.entries(changes)) {
        cache.set('key', { value: 1 }, { tags: ['tag'] });
        assert.equal(cache.get('key'), cache.get('key'));
        await thread.run(new Function('_', 'kept', `return (${change})(kept)`));
        assert.deepEqual(cache.get('key'), how === 'set' ? { value: 2 } : undefined, how);
      }
    });
  });

  it('keeps no more than it may, and forgets nothing that is asked for again and again', async () => {
    await together(0, { front: { maxEntries: 2 } }, async (cache) => {
      for (const key of ['a', 'b', 'c', 'd']) cache.set(key, { key });
      const seen = new Set();
      for (let turn = 0; turn < 100; turn += 1) {
        seen.add(cache.get('a'));
        const other = ['b', 'c', 'd'][turn % 3];
        assert.deepEqual(cache.get(other), { key: other });
      }
      assert.ok(seen.size <= 40, `${seen.size} copies of what was asked for 100 times`);
    });
  });
});

describe('the name', () => {
  it('is free again where an option was wrong', () => {
    const all = { ...OPTIONS, name: 'wrong front' };
    assert.throws(() => new Cache({ ...all, front: { maxEntries: 0 } }), { option: 'front.maxEntries' });
    new Cache({ ...all, ttlMs: 5 }).dispose();
  });

  it('is kept by loads under way, also of a cache that nobody holds', async () => {
    const gate = gatedLoader();
    const asked = [];
    (() => {
      for (let turn = 0; turn < 50; turn += 1) {
        const cache = new Cache({ maxEntries: 2, ttlMs: 1_000 });
        asked.push(cache.getOrLoad(`key ${turn}`, gate));
      }
    })();
    await collectGarbage();
    const others = Array.from({ length: 50 }, () => new Cache({ maxEntries: 2, ttlMs: 1_000 }));
    for (const other of others) other.set('own', 1);
    for (let nth = 0; nth < 50; nth += 1) gate.finish(nth, nth);
    assert.deepEqual(
      await Promise.all(asked),
      Array.from({ length: 50 }, (_, nth) => nth),
    );
    for (const other of others) {
      assert.deepEqual([other.get('own'), other.size, other.snapshot().evictions], [1, 1, 0]);
      other.dispose();
    }
  });

  it('means one cache with one set of rules', () => {
    const all = { ...OPTIONS, name: 'one name' };
    const cache = new Cache(all);
    assert.throws(() => new Cache({ ...all, ttlMs: 5 }), { code: 'ERR_NAME_CONFLICT', option: 'ttlMs' });
    assert.throws(() => new Cache({ ...all, codec: 'string' }), {
      code: 'ERR_NAME_CONFLICT',
      option: 'codec',
    });
    assert.ok(list().some(({ kind, name }) => kind === 'cache' && name === 'one name'));
    cache.set('key', 1);
    const found = Cache.find('one name');
    assert.equal(found.get('key'), 1);
    assert.equal(Cache.find('no such name'), undefined);
    cache.dispose();
    assert.equal(found.get('key'), 1);
    found.dispose();
    const anew = new Cache({ ...all, ttlMs: 5 });
    assert.equal(anew.get('key'), undefined);
    anew.dispose();
  });

  it('two objects of one thread share loads and values', async () => {
    const all = { ...OPTIONS, name: 'twice here' };
    const [first, second] = [new Cache(all), new Cache(all)];
    const loader = gatedLoader();
    const asked = [first.getOrLoad('key', loader), second.getOrLoad('key', loader)];
    await turn();
    assert.equal(loader.calls, 1);
    loader.finish('value');
    assert.deepEqual(await Promise.all(asked), ['value', 'value']);
    const failing = [first.getOrLoad('no', loader), second.getOrLoad('no', loader)];
    loader.fail(new Error('no'));
    for (const outcome of await Promise.allSettled(failing)) assert.equal(outcome.reason.message, 'no');
    first.dispose();
    second.dispose();
  });

  it('with a codec of its own: each object brings its functions', async () => {
    const codec = {
      encode: (value) => {
        if (value.bad) throw new Error('bad');
        return new TextEncoder().encode(value.text);
      },
      decode: (bytes) => ({ text: new TextDecoder().decode(bytes) }),
    };
    const cache = new Cache({ ...OPTIONS, codec, name: 'own codec' });
    assert.deepEqual(await cache.getOrLoad('key', () => ({ text: 'é', more: 1 })), { text: 'é' });
    assert.deepEqual(cache.get('key'), { text: 'é' });
    assert.throws(
      () => cache.set('key', { bad: true }),
      ({ code, cause }) => code === 'ERR_INVALID_OPTION' && cause.message === 'bad',
    );
    assert.deepEqual(await cache.getOrLoad('bad', () => ({ bad: true })), { bad: true });
    assert.equal(cache.has('bad'), false);
    assert.throws(() => Cache.find('own codec'), { code: 'ERR_INVALID_OPTION', option: 'codec' });
    const found = Cache.find('own codec', { codec });
    assert.deepEqual(found.get('key'), { text: 'é' });
    for (const each of [cache, found]) each.dispose();
    assert.equal(Cache.find('own codec', { codec }), undefined);
  });

  it('a codec that cannot decode: there is no such value, and the next load replaces it', async () => {
    let broken = false;
    const codec = {
      encode: (value) => String(value),
      decode: (text) => {
        if (broken) throw new Error('broken');
        return Number(text);
      },
    };
    const cache = new Cache({ ...OPTIONS, codec, name: 'broken codec' });
    cache.set('key', 1);
    broken = true;
    assert.equal(cache.get('key'), undefined);
    cache.set('key', 1);
    assert.equal(await cache.getOrLoad('key', () => 2), 2);
    broken = false;
    assert.equal(await cache.getOrLoad('key', () => 3), 3);
    cache.dispose();
  });

  it('a codec that fails on some copies: those callers hear of it, all others get theirs', async () => {
    let copies = 0;
    const codec = {
      encode: (value) => String(value),
      decode: (text) => {
        copies += 1;
        if (copies === 3) throw new Error('third');
        return Number(text);
      },
    };
    const cache = new Cache({ ...OPTIONS, codec, name: 'some copies' });
    const asked = Array.from({ length: 5 }, () => cache.getOrLoad('key', async () => 7));
    const outcomes = await Promise.allSettled(asked);
    assert.deepEqual(
      outcomes.map(({ value, reason }) => value ?? reason.message),
      [7, 7, 'third', 7, 7],
    );
    cache.dispose();
  });

  it('copies of a Buffer are copies', async () => {
    const cache = new Cache({ ...OPTIONS, codec: 'bytes', name: 'buffers' });
    const original = Buffer.from('abc');
    const [first, second] = await Promise.all([1, 2].map(() => cache.getOrLoad('key', async () => original)));
    first[0] = 0;
    assert.deepEqual([second[0], original[0], cache.get('key')[0]], [97, 97, 97]);
    cache.dispose();
  });

  it('rules changed through one object are those of all', async () => {
    const all = { ...OPTIONS, name: 'rules of all' };
    const [first, second] = [new Cache(all), new Cache(all)];
    first.reconfigure({ ttlMs: 5, staleIfErrorMs: 7 });
    assert.equal(second.snapshot().ttlMs, 5);
    second.reconfigure({ maxEntries: 20 });
    const { ttlMs, staleIfErrorMs, maxEntries } = first.snapshot();
    assert.deepEqual({ ttlMs, staleIfErrorMs, maxEntries }, { ttlMs: 5, staleIfErrorMs: 7, maxEntries: 20 });
    first.dispose();
    second.dispose();
  });
});
