/** Cache, of both kinds: what is served, what is loaded, and by whom. */
import assert from 'node:assert/strict';
import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import { describe, it } from 'node:test';
import { Cache, InvalidOptionError } from 'breakwater';
import { gatedLoader, KINDS, turn, withCache } from './helpers/cache.mjs';
import { until } from './helpers/promises.mjs';

for (const [kind, make] of Object.entries(KINDS)) {
  const test = (name, options, use) => it(name, () => withCache(make, options, use));

  describe(`a cache ${kind}`, () => {
    describe('loads', () => {
      test('once for 10, 100 and 1,000 callers at once, sync and async, of any API', {}, async (cache) => {
        for (const callers of [10, 100, 1_000]) {
          const loader = gatedLoader();
          const wrapped = cache.wrap(loader, { key: (key) => key });
          const ways = [
            () => cache.getOrLoad(`key ${callers}`, loader),
            () => cache.getOrLoad(`key ${callers}`, loader, {}),
            () => wrapped(`key ${callers}`),
          ];
          const asked = Array.from({ length: callers }, (_, nth) => ways[nth % 3]());
          await turn();
          assert.equal(loader.calls, 1);
          loader.finish({ value: 42 });
          for (const value of await Promise.all(asked)) assert.deepEqual(value, { value: 42 });
          assert.deepEqual(await cache.getOrLoad(`key ${callers}`, loader), { value: 42 });
          assert.equal(loader.calls, 1);
        }
      });

      test('what a sync loader returns, and a thenable of any kind', {}, async (cache) => {
        assert.equal(await cache.getOrLoad('sync', () => 1), 1);
        // biome-ignore lint/suspicious/noThenProperty: a thenable that is no promise
        assert.equal(await cache.getOrLoad('thenable', () => ({ then: (done) => done(2) })), 2);
        assert.deepEqual([cache.get('sync'), cache.get('thenable')], [1, 2]);
      });

      test('null and other falsy values as values', {}, async (cache) => {
        for (const value of [null, 0, '', false]) {
          let calls = 0;
          const loader = () => {
            calls += 1;
            return value;
          };
          assert.equal(await cache.getOrLoad(`falsy ${value}`, loader), value);
          assert.equal(await cache.getOrLoad(`falsy ${value}`, loader), value);
          assert.equal(calls, 1);
          assert.equal(cache.has(`falsy ${value}`), true);
        }
      });

      test('nothing that is undefined or skipped, and gives it all the same', {}, async (cache) => {
        assert.equal(await cache.getOrLoad('key', () => undefined), undefined);
        assert.equal(await cache.getOrLoad('key', (load) => load.skip('given')), 'given');
        assert.equal(cache.has('key'), false);
        assert.equal(cache.size, 0);
        const loader = gatedLoader();
        const asked = [cache.getOrLoad('key', loader), cache.getOrLoad('key', loader)];
        loader.finish(loader.load().skip('shared'));
        assert.deepEqual(await Promise.all(asked), ['shared', 'shared']);
        assert.equal(loader.calls, 1);
      });

      test(
        'that there is none, and remembers that for negativeTtlMs',
        { negativeTtlMs: 5 },
        async (cache, clock) => {
          let calls = 0;
          const loader = (load) => {
            calls += 1;
            return load.absent;
          };
          assert.equal(await cache.getOrLoad('key', loader), undefined);
          assert.equal(await cache.getOrLoad('key', loader), undefined);
          assert.equal(calls, 1);
          assert.equal(cache.has('key'), false);
          assert.equal(cache.get('key'), undefined);
          assert.deepEqual(cache.peek('key'), { value: undefined, ageMs: 0, fresh: true });
          clock.advance(6);
          assert.equal(await cache.getOrLoad('key', () => 'there'), 'there');
        },
      );

      test(
        'that there is none any more, and removes what there was',
        { staleIfErrorMs: 100 },
        async (cache, clock) => {
          cache.set('key', 'old');
          clock.advance(1_001);
          assert.equal(await cache.getOrLoad('key', (load) => load.absent), undefined);
          assert.equal(cache.peek('key'), undefined);
        },
      );

      test('for as long as the loader says, with the tags it says', {}, async (cache, clock) => {
        await cache.getOrLoad('key', (load) => {
          load.setTtlMs(10);
          load.setTags(['a', 'b']);
          return 1;
        });
        clock.advance(10);
        assert.equal(cache.get('key'), 1);
        clock.advance(1);
        assert.equal(cache.get('key'), undefined);
        await cache.getOrLoad('tagged', () => 2, { tags: ['b'], ttlMs: 50 });
        clock.advance(50);
        assert.equal(cache.get('tagged'), 2);
        cache.invalidateTag('b');
        assert.equal(cache.get('tagged'), undefined);
      });

      test('under the key it has, whatever other caches load', {}, async (cache) => {
        const other = make({});
        const [first, second] = [gatedLoader(), gatedLoader()];
        const asked = [cache.getOrLoad('key', first), other.getOrLoad('key', second)];
        await turn();
        first.finish(1);
        second.finish(2);
        assert.deepEqual(await Promise.all(asked), [1, 2]);
        other.dispose();
      });
    });

    describe('where a load fails', () => {
      test('rejects all who wait with the very error, and stores nothing', {}, async (cache) => {
        const loader = gatedLoader();
        const asked = Array.from({ length: 5 }, () => cache.getOrLoad('key', loader));
        const error = new Error('no');
        loader.fail(error);
        for (const outcome of await Promise.allSettled(asked)) assert.equal(outcome.reason, error);
        assert.equal(cache.size, 0);
        assert.equal(await cache.getOrLoad('key', () => 'now'), 'now');
        assert.equal(loader.calls, 1);
      });

      test('rejects with what was thrown at once, falsy as it may be', {}, async (cache) => {
        for (const thrown of [undefined, 0, '', null]) {
          const asked = cache.getOrLoad('key', () => {
            throw thrown;
          });
          await assert.rejects(asked, (error) => Object.is(error, thrown));
        }
      });

      test('rejects where a thenable throws when it is looked at', {}, async (cache) => {
        const evil = {
          // biome-ignore lint/suspicious/noThenProperty: a thenable that throws
          get then() {
            throw new Error('no then');
          },
        };
        await assert.rejects(
          cache.getOrLoad('key', () => evil),
          { message: 'no then' },
        );
        assert.equal(await cache.getOrLoad('key', () => 1), 1);
      });

      test(
        'serves what is stale for staleIfErrorMs, and no longer',
        { ttlMs: 10, staleIfErrorMs: 600 },
        async (cache, clock) => {
          const fails = async () => {
            throw new Error('no');
          };
          cache.set('key', 'old');
          clock.advance(11);
          assert.equal(await cache.getOrLoad('key', fails), 'old');
          assert.deepEqual(cache.peek('key'), { value: 'old', ageMs: 11, fresh: false });
          clock.advance(599);
          assert.equal(await cache.getOrLoad('key', fails), 'old');
          clock.advance(1);
          await assert.rejects(cache.getOrLoad('key', fails), { message: 'no' });
        },
      );

      test(
        'asks a failing origin once for each refreshBackoffMs, however long ago the value became stale',
        { ttlMs: 10, staleIfErrorMs: 1e9, refreshBackoffMs: 10_000 },
        async (cache, clock) => {
          let calls = 0;
          const fails = () => {
            calls += 1;
            throw new Error('no');
          };
          cache.set('key', 'old');
          clock.advance(60_000);
          for (let read = 0; read < 100; read += 1) assert.equal(await cache.getOrLoad('key', fails), 'old');
          assert.equal(calls, 1);
          clock.advance(10_000);
          for (let read = 0; read < 100; read += 1) assert.equal(await cache.getOrLoad('key', fails), 'old');
          assert.equal(calls, 2);
          assert.equal(cache.snapshot().loadFailures, 2);
        },
      );

      test(
        'bounds staleness while traffic keeps failing',
        { ttlMs: 2_000, staleIfErrorMs: 3_000, refreshBackoffMs: 1_000 },
        async (cache, clock) => {
          cache.set('key', 'old');
          for (let second = 0; second < 5; second += 1) {
            clock.advance(1_000);
            const read = cache.getOrLoad('key', () => {
              throw new Error('no');
            });
            assert.equal(await read, 'old');
          }
          clock.advance(1);
          await assert.rejects(
            cache.getOrLoad('key', () => {
              throw new Error('no');
            }),
          );
        },
      );

      test(
        'does not jitter the backoff',
        { ttlMs: 10, ttlJitter: 0.5, staleIfErrorMs: 1e6, refreshBackoffMs: 100, seed: 1 },
        async (cache, clock) => {
          let calls = 0;
          const fails = () => {
            calls += 1;
            throw new Error('no');
          };
          cache.set('key', -1);
          clock.advance(11);
          await cache.getOrLoad('key', fails);
          clock.advance(99);
          await cache.getOrLoad('key', fails);
          assert.equal(calls, 1);
          clock.advance(2);
          await cache.getOrLoad('key', fails);
          assert.equal(calls, 2);
        },
      );
    });

    describe('while stale', () => {
      const SWR = { ttlMs: 100, staleWhileRevalidateMs: 1_000 };

      test('serves at once and loads once beside', SWR, async (cache, clock) => {
        cache.set('key', 'old');
        clock.advance(101);
        const loader = gatedLoader();
        for (let read = 0; read < 100; read += 1) {
          assert.equal(await cache.getOrLoad('key', loader), 'old');
          clock.advance(1);
        }
        assert.equal(loader.calls, 1);
        loader.finish('new');
        await turn();
        assert.equal(await cache.getOrLoad('key', loader), 'new');
        assert.equal(loader.calls, 1);
        assert.equal(cache.snapshot().staleHits, 100);
      });

      test('keeps serving when the load beside fails, quietly, and backs off', SWR, async (cache, clock) => {
        cache.set('key', 'old');
        clock.advance(101);
        let calls = 0;
        const fails = async () => {
          calls += 1;
          throw new Error('no');
        };
        for (let read = 0; read < 10; read += 1) {
          assert.equal(await cache.getOrLoad('key', fails), 'old');
          await turn();
        }
        assert.equal(calls, 1);
        clock.advance(899);
        assert.equal(await cache.getOrLoad('key', fails), 'old');
        clock.advance(101);
        await assert.rejects(cache.getOrLoad('key', fails));
      });

      test('does not live longer for a load that is slow', SWR, async (cache, clock) => {
        cache.set('key', 'old');
        clock.advance(101);
        const loader = gatedLoader();
        assert.equal(await cache.getOrLoad('key', loader), 'old');
        clock.advance(1_000);
        assert.equal(cache.get('key'), undefined);
        assert.equal(cache.peek('key'), undefined);
        const late = cache.getOrLoad('key', loader);
        assert.equal(loader.calls, 1, 'it joins the load that is under way');
        loader.finish('new');
        assert.equal(await late, 'new');
      });

      test('is not what get, has and size take for a value', SWR, async (cache, clock) => {
        cache.set('key', 'old');
        clock.advance(100);
        assert.equal(cache.get('key'), 'old');
        clock.advance(1);
        assert.deepEqual([cache.get('key'), cache.has('key'), cache.size], [undefined, false, 1]);
      });

      test('counts the ttl from the end of the load', { ttlMs: 10 }, async (cache, clock) => {
        const loader = gatedLoader();
        const asked = cache.getOrLoad('key', loader);
        clock.advance(50);
        loader.finish('value');
        await asked;
        clock.advance(10);
        assert.equal(cache.get('key'), 'value');
        clock.advance(1);
        assert.equal(cache.get('key'), undefined);
        assert.equal(cache.size, 0, 'what get found dead is gone');
      });

      test('is stale at once with a ttl of 0', { staleWhileRevalidateMs: 50 }, async (cache) => {
        cache.set('key', 'old', { ttlMs: 0 });
        assert.equal(cache.get('key'), undefined);
        assert.equal(await cache.getOrLoad('key', () => 'new'), 'old');
        assert.equal(cache.get('key'), 'new');
      });

      test(
        'after expire: stale from that instant',
        { ttlMs: 1_000, staleIfErrorMs: 50 },
        async (cache, clock) => {
          cache.set('key', 'old');
          clock.advance(500);
          assert.equal(cache.expire('key'), true);
          assert.equal(cache.expire('key'), false);
          assert.equal(cache.get('key'), undefined);
          const fails = () => {
            throw new Error('no');
          };
          clock.advance(50);
          assert.equal(await cache.getOrLoad('key', fails), 'old');
          clock.advance(1);
          await assert.rejects(cache.getOrLoad('key', fails));
          assert.equal(cache.expire('absent'), false);
        },
      );
    });

    describe('with timeouts', () => {
      const TIMES = { ttlMs: 100, staleIfErrorMs: 10_000 };

      test(
        'gives what is stale after softTimeoutMs, and stores what comes later',
        TIMES,
        async (cache, clock) => {
          cache.set('key', 'old');
          clock.advance(101);
          const loader = gatedLoader();
          const first = cache.getOrLoad('key', loader, { softTimeoutMs: 200 });
          clock.advance(199);
          const second = cache.getOrLoad('key', loader, { softTimeoutMs: 200 });
          clock.advance(1);
          assert.equal(await first, 'old');
          clock.advance(199);
          assert.equal(await second, 'old');
          assert.equal(loader.calls, 1);
          loader.finish('new');
          await turn();
          assert.equal(await cache.getOrLoad('key', loader), 'new');
          assert.equal(loader.calls, 1);
          assert.equal(cache.snapshot().staleHits, 2);
        },
      );

      test('waits on where nothing is stale', { softTimeoutMs: 200 }, async (cache, clock) => {
        const loader = gatedLoader();
        const asked = cache.getOrLoad('key', loader);
        clock.advance(1_000);
        loader.finish('value');
        assert.equal(await asked, 'value');
      });

      test(
        'rejects after hardTimeoutMs, and stores what comes later',
        { hardTimeoutMs: 200 },
        async (cache, clock) => {
          const loader = gatedLoader();
          const asked = cache.getOrLoad('key', loader);
          clock.advance(200);
          await assert.rejects(asked, { code: 'ERR_TIMEOUT', kind: 'cache' });
          assert.equal(loader.load().signal.aborted, false);
          loader.finish('late');
          await turn();
          assert.equal(cache.get('key'), 'late');
        },
      );

      test(
        'takes the shorter of both where something is stale, and the stale value then',
        TIMES,
        async (cache, clock) => {
          cache.set('key', 'old');
          clock.advance(101);
          const loader = gatedLoader();
          const asked = cache.getOrLoad('key', loader, { softTimeoutMs: 500, hardTimeoutMs: 200 });
          clock.advance(200);
          assert.equal(await asked, 'old');
        },
      );

      test(
        'rejects after hardTimeoutMs where what was stale is dead by then',
        { ttlMs: 100, staleIfErrorMs: 100 },
        async (cache, clock) => {
          cache.set('key', 'old');
          clock.advance(150);
          const loader = gatedLoader();
          const asked = cache.getOrLoad('key', loader, { softTimeoutMs: 100, hardTimeoutMs: 300 });
          clock.advance(100);
          clock.advance(199);
          let settled = false;
          asked
            .catch(() => {})
            .finally(() => {
              settled = true;
            });
          await turn();
          assert.equal(settled, false);
          clock.advance(1);
          await assert.rejects(asked, { code: 'ERR_TIMEOUT' });
        },
      );

      test(
        'keeps the flight joinable: 20 calls around a soft timeout are one load',
        TIMES,
        async (cache, clock) => {
          cache.set('key', 'old');
          clock.advance(101);
          const loader = gatedLoader();
          const ask = () => cache.getOrLoad('key', loader, { softTimeoutMs: 1_000 });
          const asked = Array.from({ length: 10 }, ask);
          clock.advance(1_000);
          asked.push(...Array.from({ length: 10 }, ask));
          clock.advance(1_000);
          for (const value of await Promise.all(asked)) assert.equal(value, 'old');
          assert.equal(loader.calls, 1);
        },
      );
    });

    describe('early', () => {
      const EARLY = { ttlMs: 1_000, earlyRefreshBeta: 1, seed: 1 };

      test('loads anew the likelier the nearer the end is, as XFetch says', EARLY, async (cache, clock) => {
        const slow = async (took) => {
          const loader = gatedLoader();
          const asked = cache.getOrLoad('key', loader, { forceRefresh: true });
          clock.advance(took);
          loader.finish('value');
          await asked;
        };
        // e^(-left / (beta · took)): of so many reads that long before the end.
        for (const [took, left, expected] of [
          [200, 200, 0.368],
          [200, 1_000, 0.0067],
          [500, 100, 0.819],
        ]) {
          let early = 0;
          const reads = 400;
          for (let read = 0; read < reads; read += 1) {
            await slow(took);
            clock.advance(1_000 - left);
            const loader = gatedLoader();
            assert.equal(await cache.getOrLoad('key', loader), 'value');
            early += loader.calls;
            if (loader.calls > 0) loader.fail(new Error('over'));
            await turn();
          }
          assert.ok(Math.abs(early / reads - expected) < 0.08, `${took} ${left}: ${early} of ${reads}`);
        }
      });

      test('is one load that a miss joins', { ttlMs: 1_000, earlyRefreshBeta: 1e9 }, async (cache, clock) => {
        const first = gatedLoader();
        const asked = cache.getOrLoad('key', first);
        clock.advance(10);
        first.finish('old');
        await asked;
        const loader = gatedLoader();
        for (let read = 0; read < 50; read += 1) assert.equal(await cache.getOrLoad('key', loader), 'old');
        assert.equal(loader.calls, 1);
        clock.advance(1_001);
        const missed = cache.getOrLoad('key', loader);
        loader.finish('new');
        assert.equal(await missed, 'new');
        assert.equal(loader.calls, 1);
      });
    });

    describe('jitter', () => {
      test(
        'shortens each ttl by up to its share, and none more',
        { ttlJitter: 0.2, seed: 1, maxEntries: 1_000 },
        async (cache, clock) => {
          for (let key = 0; key < 500; key += 1) cache.set(`key ${key}`, key);
          const fresh = () =>
            Array.from({ length: 500 }, (_, key) => cache.has(`key ${key}`)).filter(Boolean).length;
          clock.advance(800);
          assert.equal(fresh(), 500);
          clock.advance(100);
          assert.ok(fresh() > 200 && fresh() < 300, `${fresh()}`);
          clock.advance(100);
          assert.ok(fresh() < 10);
        },
      );

      test(
        'shortens how long it is remembered that there is none, too',
        { negativeTtlMs: 1_000, ttlJitter: 0.2, seed: 1, maxEntries: 1_000 },
        async (cache, clock) => {
          for (let key = 0; key < 500; key += 1) await cache.getOrLoad(`key ${key}`, (load) => load.absent);
          const known = () =>
            Array.from({ length: 500 }, (_, key) => cache.peek(`key ${key}`)).filter(Boolean).length;
          clock.advance(800);
          assert.equal(known(), 500);
          clock.advance(100);
          assert.ok(known() > 200 && known() < 300, `${known()}`);
          clock.advance(100);
          assert.ok(known() < 10);
        },
      );
    });

    describe('aborted', () => {
      test('rejects with the reason at once, and the others get the value', {}, async (cache) => {
        const loader = gatedLoader();
        const [first, second] = [new AbortController(), new AbortController()];
        const asked = [first, second].map(({ signal }) => cache.getOrLoad('key', loader, { signal }));
        first.abort('enough');
        await assert.rejects(asked[0], (reason) => reason === 'enough');
        assert.equal(loader.load().signal.aborted, false);
        loader.finish('value');
        assert.equal(await asked[1], 'value');
        assert.equal(cache.get('key'), 'value');
      });

      test('by all: the load too, and who comes later loads anew', {}, async (cache) => {
        const loader = gatedLoader();
        const controllers = [new AbortController(), new AbortController()];
        const asked = controllers.map(({ signal }) => cache.getOrLoad('key', loader, { signal }));
        const seen = loader.load().signal;
        controllers[0].abort('first');
        controllers[1].abort('last');
        for (const outcome of await Promise.allSettled(asked)) assert.equal(outcome.status, 'rejected');
        assert.equal(seen.aborted, true);
        assert.equal(seen.reason, 'last');
        const later = cache.getOrLoad('key', loader);
        assert.equal(loader.calls, 2);
        loader.finish('old', 0);
        await turn();
        assert.equal(cache.has('key'), false);
        loader.finish('new', 1);
        assert.equal(await later, 'new');
        assert.equal(cache.get('key'), 'new');
      });

      test('before it began: loads nothing', {}, async (cache) => {
        const loader = gatedLoader();
        const asked = cache.getOrLoad('key', loader, { signal: AbortSignal.abort('over') });
        await assert.rejects(asked, (reason) => reason === 'over');
        assert.equal(loader.calls, 0);
      });

      test('a value that comes after the abort is dropped quietly, an error too', {}, async (cache) => {
        for (const settle of ['finish', 'fail']) {
          const loader = gatedLoader();
          const controller = new AbortController();
          const asked = cache.getOrLoad('key', loader, { signal: controller.signal });
          controller.abort();
          await assert.rejects(asked, { name: 'AbortError' });
          loader[settle](new Error('late'));
          await turn();
          assert.equal(cache.size, 0);
        }
      });

      test('leaves no listener on a signal that is used again and again', {}, async (cache) => {
        const { signal } = new AbortController();
        let listeners = 0;
        const add = signal.addEventListener.bind(signal);
        const remove = signal.removeEventListener.bind(signal);
        signal.addEventListener = (...args) => {
          listeners += 1;
          add(...args);
        };
        signal.removeEventListener = (...args) => {
          listeners -= 1;
          remove(...args);
        };
        for (let call = 0; call < 20; call += 1) {
          await cache.getOrLoad(`key ${call}`, async () => call, { signal });
        }
        assert.equal(listeners, 0);
      });
    });

    describe('changed during a load', () => {
      for (const [how, change] of Object.entries({
        delete: (cache) => cache.delete('key'),
        set: (cache) => cache.set('key', 'set'),
        expire: (cache) => cache.expire('key'),
        clear: (cache) => cache.clear(),
        invalidateTag: (cache) => cache.invalidateTag('tag'),
      })) {
        test(`by ${how}: who asked before gets the value, nobody who asks after it`, {}, async (cache) => {
          const loader = gatedLoader();
          const before = [1, 2].map(() => cache.getOrLoad('key', loader, { tags: ['tag'] }));
          await turn();
          change(cache);
          const after = cache.getOrLoad('key', loader, { tags: ['tag'] });
          if (how === 'set') {
            assert.equal(await after, 'set');
            loader.finish('old');
            assert.deepEqual(await Promise.all(before), ['old', 'old']);
            assert.equal(cache.get('key'), 'set');
            return;
          }
          loader.finish('old', 0);
          assert.deepEqual(await Promise.all(before), ['old', 'old']);
          await turn();
          assert.equal(cache.has('key'), false, 'what came of the first load is not stored');
          assert.equal(loader.calls, 2);
          loader.finish('new', 1);
          assert.equal(await after, 'new');
          assert.equal(cache.get('key'), 'new');
          assert.equal(loader.calls, 2);
        });
      }

      test('by a tag that only the loader knows', {}, async (cache) => {
        const loader = gatedLoader();
        const before = cache.getOrLoad('key', loader);
        loader.load().setTags(['secret']);
        cache.invalidateTag('secret');
        const after = cache.getOrLoad('key', loader);
        loader.finish('old', 0);
        assert.equal(await before, 'old');
        await turn();
        assert.equal(loader.calls, 2);
        loader.finish('new', 1);
        assert.equal(await after, 'new');
      });

      test('a late load does not bring back what was deleted, nor end its successor', {}, async (cache) => {
        const loader = gatedLoader();
        const first = cache.getOrLoad('key', loader);
        cache.delete('key');
        const second = cache.getOrLoad('key', loader);
        loader.finish('second', 1);
        assert.equal(await second, 'second');
        loader.finish('first', 0);
        assert.equal(await first, 'first');
        assert.equal(cache.get('key'), 'second');
      });
    });

    describe('forced', () => {
      test('loads whatever there is, and joins no load that was not', {}, async (cache) => {
        cache.set('key', 'fresh');
        const loader = gatedLoader();
        const forced = [1, 2].map(() => cache.getOrLoad('key', loader, { forceRefresh: true }));
        assert.equal(loader.calls, 1, 'the second joins the first');
        assert.equal(await cache.getOrLoad('key', loader), 'fresh');
        loader.finish('new');
        assert.deepEqual(await Promise.all(forced), ['new', 'new']);
        cache.delete('key');
        const plain = cache.getOrLoad('key', loader);
        const again = cache.getOrLoad('key', loader, { forceRefresh: true });
        assert.equal(loader.calls, 3);
        const joined = cache.getOrLoad('key', loader);
        loader.finish('old', 1);
        assert.equal(await plain, 'old');
        loader.finish('newest', 2);
        assert.deepEqual(await Promise.all([again, joined]), ['newest', 'newest']);
        assert.equal(cache.get('key'), 'newest');
      });

      test('rejects where the load fails, unless stale values may be served on an error', {}, async (cache) => {
        const fails = () => {
          throw new Error('no');
        };
        cache.set('key', 'fresh');
        await assert.rejects(cache.getOrLoad('key', fails, { forceRefresh: true }), { message: 'no' });
        assert.equal(cache.get('key'), 'fresh');
        cache.reconfigure({ staleIfErrorMs: 10 });
        assert.equal(await cache.getOrLoad('key', fails, { forceRefresh: true }), 'fresh');
      });
    });

    describe('the lease', () => {
      test(
        'over: one of those who wait loads instead, and the late value is not stored',
        { leaseMs: 1_000 },
        async (cache, clock) => {
          const [slow, quick] = [gatedLoader(), gatedLoader()];
          const first = cache.getOrLoad('key', slow);
          const others = [1, 2].map(() => cache.getOrLoad('key', quick));
          clock.advance(1_000);
          clock.advance(1);
          await clock.advanceAsync(0);
          const newcomer = cache.getOrLoad('key', quick);
          assert.equal(quick.calls, 1);
          quick.finish('quick');
          assert.deepEqual(await Promise.all([...others, newcomer]), ['quick', 'quick', 'quick']);
          slow.finish('slow');
          assert.equal(await first, 'slow');
          assert.equal(cache.get('key'), 'quick');
        },
      );

      test(
        'over with nobody waiting: the next to come loads, and what comes first counts',
        { leaseMs: 1_000 },
        async (cache, clock) => {
          const loader = gatedLoader();
          const first = cache.getOrLoad('key', loader);
          clock.advance(5_000);
          loader.finish('late but alone');
          assert.equal(await first, 'late but alone');
          assert.equal(cache.get('key'), 'late but alone');
        },
      );
    });

    describe('a crowd that asks for the same without options', () => {
      const strings = kind === 'by name' ? { codec: 'string' } : {};

      test('is counted one by one', strings, async (cache) => {
        const loader = gatedLoader();
        const crowd = Array.from({ length: 50 }, () => cache.getOrLoad('key', loader));
        await turn();
        const { waiting, misses, loads } = cache.snapshot();
        assert.deepEqual({ waiting, misses, loads }, { waiting: 50, misses: 50, loads: 1 });
        loader.finish('value');
        assert.deepEqual(await Promise.all(crowd), Array(50).fill('value'));
        assert.equal(cache.snapshot().waiting, 0);
      });

      test('stays when one with a signal leaves, and fails as one', strings, async (cache) => {
        const loader = gatedLoader();
        const controller = new AbortController();
        const first = cache.getOrLoad('key', loader, { signal: controller.signal });
        const crowd = [1, 2, 3].map(() => cache.getOrLoad('key', loader));
        controller.abort(new Error('gone'));
        await assert.rejects(first, { message: 'gone' });
        assert.equal(loader.load().signal.aborted, false);
        assert.equal(cache.snapshot().waiting, 3);
        loader.fail(new Error('no'));
        for (const asked of crowd) await assert.rejects(asked, { message: 'no' });
        assert.equal(loader.calls, 1);
      });

      test('is split by what ends the load, and by an invalidation', strings, async (cache) => {
        for (const end of ['set', 'delete', 'expire', 'clear', 'invalidateTag']) {
          const [old, young] = [gatedLoader(), gatedLoader()];
          const tagged = (load) => {
            load.setTags(['tag']);
            return old();
          };
          const before = [1, 2, 3].map(() => cache.getOrLoad(end, tagged));
          if (end === 'set') cache.set(end, 'young');
          else cache[end](end === 'invalidateTag' ? 'tag' : end);
          const after = [1, 2, 3].map(() => cache.getOrLoad(end, young));
          old.finish('old');
          assert.deepEqual(await Promise.all(before), ['old', 'old', 'old'], end);
          await turn();
          if (end !== 'set') young.finish('young');
          assert.deepEqual(await Promise.all(after), ['young', 'young', 'young'], end);
          assert.equal(young.calls, end === 'set' ? 0 : 1, end);
        }
      });

      test(
        'goes on without loads that hang past their lease',
        { ...strings, leaseMs: 1_000 },
        async (cache, clock) => {
          const loader = gatedLoader();
          const [first, ...crowd] = Array.from({ length: 6 }, () => cache.getOrLoad('key', loader));
          for (const calls of [2, 3]) {
            clock.advance(1_000);
            clock.advance(1);
            await until(() => loader.calls === calls, 'another load');
          }
          assert.equal(cache.snapshot().waiting, 6);
          loader.finish('value');
          assert.deepEqual(await Promise.all(crowd), Array(5).fill('value'));
          loader.finish('late', 0);
          assert.equal(await first, 'late');
          assert.equal(cache.get('key'), 'value');
        },
      );

      test('is not joined by a load that it waits for', strings, async (cache) => {
        const asked = [];
        const outer = cache.getOrLoad('a', async ({ signal }) => {
          await turn();
          // Its loader asks for `a`, and says by no signal that it does.
          const inner = cache.getOrLoad('b', () => cache.getOrLoad('a', () => 'again'), { signal });
          await assert.rejects(inner, { code: 'ERR_REENTRANT_LOAD' });
          return 'value';
        });
        asked.push(
          outer,
          cache.getOrLoad('a', () => 'other'),
          cache.getOrLoad('a', () => 'other'),
        );
        assert.deepEqual(await Promise.all(asked), ['value', 'value', 'value']);
      });

      test('is not joined by a loader that asks for its own key', strings, async (cache) => {
        const crowd = [];
        const inner = cache.getOrLoad('key', (load) => {
          crowd.push(cache.getOrLoad('key', () => 'inner'));
          return load.skip('outer');
        });
        crowd.push(
          cache.getOrLoad('key', () => 'next'),
          cache.getOrLoad('key', () => 'next'),
        );
        await assert.rejects(crowd[0], { code: 'ERR_REENTRANT_LOAD' });
        assert.deepEqual(await Promise.all([inner, ...crowd.slice(1)]), ['outer', 'next', 'next']);
      });
    });

    describe('within a load', () => {
      test('of the same key: rejects by the signal of the load, at once, and through other keys', {}, async (cache) => {
        const direct = cache.getOrLoad('a', (load) => cache.getOrLoad('a', () => 1, { signal: load.signal }));
        await assert.rejects(direct, { code: 'ERR_REENTRANT_LOAD', kind: 'cache' });
        const later = cache.getOrLoad('a', async (load) => {
          await turn();
          return cache.getOrLoad('a', () => 1, { signal: load.signal });
        });
        await assert.rejects(later, { code: 'ERR_REENTRANT_LOAD' });
        const round = cache.getOrLoad('a', async (outer) => {
          await turn();
          return cache.getOrLoad(
            'b',
            async (inner) => {
              await turn();
              return cache.getOrLoad('a', () => 1, { signal: inner.signal });
            },
            { signal: outer.signal },
          );
        });
        await assert.rejects(round, { code: 'ERR_REENTRANT_LOAD' });
        assert.equal(await cache.getOrLoad('a', () => 'fine'), 'fine');
      });

      test(
        'of the same key, unseen: ends by the hard timeout of who asks',
        { hardTimeoutMs: 100 },
        async (cache, clock) => {
          const asked = cache.getOrLoad('key', async () => {
            await turn();
            return cache.getOrLoad('key', () => 1);
          });
          const outcome = assert.rejects(asked, { code: 'ERR_TIMEOUT' });
          await turn();
          await clock.advanceAsync(100);
          await outcome;
        },
      );

      test('of another key: loads it', {}, async (cache) => {
        const asked = cache.getOrLoad('a', async (load) => {
          const inner = await cache.getOrLoad('b', () => 1, { signal: load.signal });
          return inner + 1;
        });
        assert.equal(await asked, 2);
        assert.deepEqual([cache.get('a'), cache.get('b')], [2, 1]);
      });
    });

    describe('tags', () => {
      test('end the entries that have them, and no others', {}, async (cache) => {
        const set = (key, value, tags) => cache.set(key, value, { tags });
        set('foo', 1, ['x', 'y']);
        set('bar', 2, ['y', 'z']);
        set('baz', 3, ['x', 'z']);
        set('none', 4);
        cache.invalidateTag('x');
        assert.deepEqual(
          ['foo', 'bar', 'baz', 'none'].map((key) => cache.get(key)),
          [undefined, 2, undefined, 4],
        );
        assert.equal(await cache.getOrLoad('baz', () => 333, { tags: ['x', 'z'] }), 333);
        cache.invalidateTag('y');
        assert.deepEqual(
          ['foo', 'bar', 'baz'].map((key) => cache.has(key)),
          [false, false, true],
        );
        assert.deepEqual(
          ['foo', 'bar'].map((key) => cache.peek(key)),
          [undefined, undefined],
        );
      });

      test('forbid stale values too', { ttlMs: 10, staleIfErrorMs: 1_000 }, async (cache, clock) => {
        cache.set('key', 'old', { tags: ['x'] });
        clock.advance(11);
        cache.invalidateTag('x');
        await assert.rejects(
          cache.getOrLoad('key', () => {
            throw new Error('no');
          }),
        );
      });
    });

    describe('bounds', () => {
      test('hold by entries, and the least useful goes', { maxEntries: 3, policy: 'lru' }, async (cache) => {
        for (const key of ['a', 'b', 'c']) cache.set(key, key);
        cache.get('a');
        cache.set('d', 'd');
        assert.deepEqual(
          ['a', 'b', 'c', 'd'].map((key) => cache.has(key)),
          [true, false, true, true],
        );
        assert.equal(cache.size, 3);
        assert.equal(cache.snapshot().evictions, 1);
      });

      for (const policy of ['s3fifo', 'lru', 'wtinylfu']) {
        test(`never break, whatever comes: ${policy}`, { maxEntries: 50, policy }, async (cache) => {
          for (let step = 0; step < 2_000; step += 1) {
            cache.set(`key ${(step * 7_919) % 173}`, step);
            cache.get(`key ${step % 31}`);
            assert.ok(cache.size <= 50);
          }
          assert.equal(cache.size, 50);
        });
      }

      test('loads under way take no room', { maxEntries: 2 }, async (cache) => {
        cache.set('a', 1);
        cache.set('b', 2);
        const loaders = Array.from({ length: 10 }, gatedLoader);
        const asked = loaders.map((loader, nth) => cache.getOrLoad(`load ${nth}`, loader));
        assert.deepEqual([cache.has('a'), cache.has('b'), cache.size], [true, true, 2]);
        loaders.forEach((loader, nth) => {
          loader.finish(nth);
        });
        assert.deepEqual(await Promise.all(asked), [0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
        assert.equal(cache.size, 2);
      });

      test('made smaller: what has no room goes at once', { maxEntries: 50 }, async (cache) => {
        for (let key = 0; key < 50; key += 1) cache.set(`key ${key}`, key);
        cache.reconfigure({ maxEntries: 10, ttlMs: 5 });
        assert.equal(cache.size, 10);
        const { maxEntries, ttlMs, evictions } = cache.snapshot();
        assert.deepEqual({ maxEntries, ttlMs, evictions }, { maxEntries: 10, ttlMs: 5, evictions: 40 });
      });

      test('sweeps what is dead, a little with each change', { ttlMs: 10 }, async (cache, clock) => {
        for (let key = 0; key < 40; key += 1) cache.set(`key ${key}`, key);
        clock.advance(11);
        for (let change = 0; change < 41; change += 1) cache.set('other', change);
        assert.equal(cache.size, 1);
        assert.equal(cache.snapshot().expirations, 40);
      });
    });

    describe('told', () => {
      test('onEvict: the key, the value and why, in a later microtask', {}, async () => {
        const told = [];
        await withCache(
          make,
          { maxEntries: 2, policy: 'lru', ttlMs: 10, onEvict: (...args) => told.push(args) },
          async (cache, clock) => {
            cache.set('a', 1);
            cache.set('a', 2);
            assert.deepEqual(told, []);
            await turn();
            assert.deepEqual(told.splice(0), [['a', 1, 'replaced']]);
            cache.set('b', 3);
            cache.set('c', 4);
            cache.delete('b');
            await turn();
            assert.deepEqual(told.splice(0), [
              ['a', 2, 'evicted'],
              ['b', 3, 'deleted'],
            ]);
            clock.advance(11);
            assert.equal(await cache.getOrLoad('c', () => 5), 5);
            await turn();
            assert.deepEqual(told.splice(0), [['c', 4, 'expired']]);
            cache.clear();
            await turn();
            assert.deepEqual(told, [['c', 5, 'deleted']]);
          },
        );
      });

      test(
        'snapshot: hits and misses are all look-ups',
        { ttlMs: 10, staleWhileRevalidateMs: 10 },
        async (cache, clock) => {
          await cache.getOrLoad('key', () => 1);
          await cache.getOrLoad('key', () => 1);
          cache.get('key');
          cache.get('absent');
          cache.has('key');
          cache.peek('key');
          clock.advance(11);
          await cache.getOrLoad('key', () => 2);
          await turn();
          const { lookups, hits, misses, staleHits, loads, loadFailures, size, loading } = cache.snapshot();
          assert.deepEqual(
            { lookups, hits, misses, staleHits, loads, loadFailures, size, loading },
            { lookups: 5, hits: 3, misses: 2, staleHits: 1, loads: 2, loadFailures: 0, size: 1, loading: 0 },
          );
          const { kind: word, policy, staleIfErrorMs, maxEntries } = cache.snapshot();
          assert.deepEqual(
            { word, policy, staleIfErrorMs, maxEntries },
            { word: 'cache', policy: 's3fifo', staleIfErrorMs: 0, maxEntries: 100 },
          );
        },
      );
    });

    describe('mended', () => {
      test('a key that is too long evicts nothing and takes no place', {}, async (cache) => {
        for (let key = 0; key < 20; key += 1) cache.set(`key ${key}`, key);
        const long = 'x'.repeat(70_000);
        for (let turn = 0; turn < 3; turn += 1) assert.throws(() => cache.set(long, 1), { option: 'key' });
        const loaded = cache.getOrLoad(long, () => 1);
        if (kind === 'by name') await assert.rejects(loaded, { option: 'key' });
        else assert.equal(await loaded, 1);
        assert.deepEqual([cache.size, cache.snapshot().evictions], [20, 0]);
        assert.throws(() => cache.invalidateTag('x'.repeat(kind === 'by name' ? 70_000 : 0) || 5), {
          option: 'tag',
        });
      });

      test('a forced look-up is a miss, also where it is answered with what was there', {
        staleIfErrorMs: 1_000,
      }, async (cache) => {
        cache.set('key', 1);
        const fails = () => {
          throw new Error('no');
        };
        assert.equal(await cache.getOrLoad('key', fails, { forceRefresh: true }), 1);
        const { hits, misses, staleHits } = cache.snapshot();
        assert.deepEqual({ hits, misses, staleHits }, { hits: 0, misses: 1, staleHits: 0 });
      });

      test(
        'get of a stale value is a miss',
        { ttlMs: 10, staleWhileRevalidateMs: 100 },
        async (cache, clock) => {
          cache.set('key', 1);
          clock.advance(11);
          assert.equal(cache.get('key'), undefined);
          const { hits, misses, staleHits } = cache.snapshot();
          assert.deepEqual({ hits, misses, staleHits }, { hits: 0, misses: 1, staleHits: 0 });
        },
      );

      test('an abort from within the loader is heard', {}, async (cache) => {
        const controller = new AbortController();
        const asked = cache.getOrLoad(
          'key',
          () => {
            controller.abort('gone');
            return new Promise(() => {});
          },
          { signal: controller.signal },
        );
        await assert.rejects(asked, (reason) => reason === 'gone');
        assert.equal(cache.snapshot().loading, 0);
      });

      test(
        'a load beside what is served may ask for the key of who began it',
        { ttlMs: 10, staleWhileRevalidateMs: 100 },
        async (cache, clock) => {
          cache.set('stale', 'old');
          clock.advance(11);
          const outer = await cache.getOrLoad('outer', async (load) => {
            await cache.getOrLoad('stale', () => cache.getOrLoad('outer', () => 'joined'), {
              signal: load.signal,
            });
            return 'outer';
          });
          assert.equal(outer, 'outer');
          await turn();
          assert.equal(cache.get('stale'), 'outer');
        },
      );

      test('a listener that asks while the cache is disposed hears that it was', {}, async (cache) => {
        let inner;
        const asked = cache.getOrLoad('key', (load) => {
          load.signal.addEventListener('abort', () => {
            inner = cache.getOrLoad('other', () => 1).catch((error) => error.code);
          });
          return new Promise(() => {});
        });
        cache.dispose();
        await assert.rejects(asked, { code: 'ERR_DISPOSED' });
        assert.equal(await inner, 'ERR_DISPOSED');
      });

      test(
        'a load beside that hangs is replaced after its lease',
        { ttlMs: 10, staleWhileRevalidateMs: 1e9, leaseMs: 50 },
        async (cache, clock) => {
          cache.set('key', 'old');
          clock.advance(11);
          assert.equal(await cache.getOrLoad('key', () => new Promise(() => {})), 'old');
          clock.advance(60);
          assert.equal(await cache.getOrLoad('key', () => 'new'), 'old');
          assert.equal(cache.get('key'), 'new');
        },
      );

      test('tags of any number and any text are kept', {}, async (cache) => {
        const many = Array.from({ length: 2_000 }, (_, nth) => `tag ${nth} ${'x'.repeat(50)}`);
        cache.set('many', 1, { tags: [...many, 'one'] });
        cache.set('odd', 1, { tags: ['lone \uD800', '漢字', 'one'] });
        assert.deepEqual([cache.get('many'), cache.get('odd')], [1, 1]);
        cache.invalidateTag('one');
        assert.deepEqual([cache.get('many'), cache.get('odd')], [undefined, undefined]);
        cache.set('odd', 1, { tags: ['lone \uD800'] });
        cache.invalidateTag('lone \uD800');
        assert.equal(cache.get('odd'), undefined);
        assert.throws(() => cache.set('key', 1, { tags: ['x'.repeat(70_000)] }), { option: 'tags' });
      });

      test('what has no room after reconfigure is told', {}, async () => {
        const told = [];
        await withCache(make, { onEvict: (key) => told.push(key) }, async (cache) => {
          for (let key = 0; key < 5; key += 1) cache.set(`key ${key}`, key);
          cache.reconfigure({ maxEntries: 2 });
          await turn();
          assert.equal(told.length, 3);
        });
      });

      test('loads are published', { label: 'shop', staleWhileRevalidateMs: 100 }, async (cache, clock) => {
        const seen = [];
        const listener = ({ outcome, tookMs, background }) => seen.push({ outcome, tookMs, background });
        subscribe('breakwater:cache:loaded', listener);
        try {
          const loader = gatedLoader();
          const asked = cache.getOrLoad('key', loader);
          clock.advance(7);
          loader.finish(1);
          await asked;
          await cache.getOrLoad('none', (load) => load.absent);
          await cache.getOrLoad('skip', (load) => load.skip(1));
          await assert.rejects(
            cache.getOrLoad('fail', () => {
              throw new Error('no');
            }),
          );
          clock.advance(1_001);
          await cache.getOrLoad('key', () => 2);
        } finally {
          unsubscribe('breakwater:cache:loaded', listener);
        }
        assert.deepEqual(seen, [
          { outcome: 'value', tookMs: 7, background: false },
          { outcome: 'absent', tookMs: 0, background: false },
          { outcome: 'skipped', tookMs: 0, background: false },
          { outcome: 'failed', tookMs: 0, background: false },
          { outcome: 'value', tookMs: 0, background: true },
        ]);
      });
    });

    describe('disposed', () => {
      test('rejects who waits, and throws from then on', {}, async (cache) => {
        const loader = gatedLoader();
        const asked = cache.getOrLoad('key', loader);
        const { signal } = loader.load();
        cache.dispose();
        cache.dispose();
        await assert.rejects(asked, { code: 'ERR_DISPOSED' });
        assert.equal(signal.aborted, true);
        await assert.rejects(cache.getOrLoad('key', loader), { code: 'ERR_DISPOSED' });
        for (const call of [
          () => cache.get('key'),
          () => cache.has('key'),
          () => cache.peek('key'),
          () => cache.set('key', 1),
          () => cache.delete('key'),
          () => cache.expire('key'),
          () => cache.invalidateTag('tag'),
          () => cache.clear(),
          () => cache.size,
          () => cache.bytes,
          () => cache.snapshot(),
          () => cache.reconfigure({ ttlMs: 1 }),
        ]) {
          assert.throws(call, { code: 'ERR_DISPOSED' });
        }
        loader.finish('late');
        await turn();
      });
    });

    describe('bad input', () => {
      test('is a clear error, and nothing is lost', {}, async (cache) => {
        cache.set('key', 'kept');
        const long = 'x'.repeat(10 * 1024 * 1024);
        assert.throws(() => cache.set(long, 1), {
          code: 'ERR_INVALID_OPTION',
          message: 'key must be a string of at most 65535 bytes, got a string of 10485760 characters',
        });
        for (const [call, message] of [
          [() => cache.get(1), 'key must be a string, got 1'],
          [() => cache.set('key', undefined), 'value must be anything but undefined, got undefined'],
          [() => cache.set('key', 1, { ttlMs: -1 }), 'ttlMs must be a number of milliseconds ≥ 0, got -1'],
          [() => cache.set('key', 1, { tags: 'x' }), 'tags must be an object, got "x"'],
          [() => cache.set('key', 1, { tags: [1] }), 'tags must be an array of strings, got an array'],
          [() => cache.set('key', 1, { ttl: 1 }), 'ttl must be one of ttlMs, tags, got "ttl"'],
          [() => cache.invalidateTag(5), 'tag must be a string, got 5'],
          [() => cache.reconfigure({ maxEntries: 0 }), /^maxEntries must be a whole number from 1/],
          [() => cache.wrap(1, {}), 'fn must be a function, got 1'],
          [() => cache.wrap(() => 1, {}), 'key must be a function, got undefined'],
          [() => Cache.prototype.get.call({}, 'key'), 'this must be a Cache, got an object'],
        ]) {
          assert.throws(call, (error) => {
            assert.ok(error instanceof InvalidOptionError);
            if (typeof message === 'string') assert.equal(error.message, message);
            else assert.match(error.message, message);
            return true;
          });
        }
        await assert.rejects(
          cache.getOrLoad(5, () => 1),
          { message: 'key must be a string, got 5' },
        );
        await assert.rejects(cache.getOrLoad('key', 5), { message: 'loader must be a function, got 5' });
        await assert.rejects(
          cache.getOrLoad('key', () => 1, { signal: {} }),
          { message: /AbortSignal/ },
        );
        await assert.rejects(
          cache.getOrLoad('k', (load) => load.setTtlMs(Number.NaN)),
          {
            code: 'ERR_INVALID_OPTION',
          },
        );
        await assert
          .rejects(
            cache.getOrLoad(long, () => 1),
            kind === 'by name' ? { code: 'ERR_INVALID_OPTION' } : undefined,
          )
          .catch((error) => {
            if (kind === 'by name') throw error;
          });
        assert.equal(cache.get('key'), 'kept');
      });
    });
  });
}

describe('a cache in this thread', () => {
  it('measures a value before it looks whether its load still counts', async () => {
    const cache = new Cache({
      maxBytes: 100,
      ttlMs: 1_000,
      sizeOf: (_, key) => {
        cache.delete(key);
        return 1;
      },
    });
    assert.equal(await cache.getOrLoad('key', () => 'old'), 'old');
    assert.equal(cache.size, 0);
    assert.throws(() => new Cache({ maxEntries: 1, ttlMs: 1 }).reconfigure({ maxBytes: 5 }), {
      option: 'sizeOf',
    });
    cache.dispose();
  });
});
