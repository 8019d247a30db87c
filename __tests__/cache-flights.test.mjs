/** Loads that are joined and left, invalidated, timed out and late: who gets what, what is stored, and what stays behind. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { Cache, ManualClock } from 'breakwater';
import { gatedLoader, KINDS, turn, withCache } from './helpers/cache.mjs';
import { until } from './helpers/promises.mjs';

const fails = { message: 'old' };

/** Invalidates so much else that what may be forgotten is. */
function invalidateOthers(cache) {
  for (let nth = 0; nth < 20; nth += 1) cache.invalidateTag('other');
}

for (const [kind, make] of Object.entries(KINDS)) {
  const test = (name, options, use) => it(name, () => withCache(make, options, use));

  describe(`loads of a cache ${kind}`, () => {
    test('that were invalidated take the place of nothing', {}, async (cache) => {
      cache.set('key', 'kept');
      const old = gatedLoader();
      const asked = cache.getOrLoad('key', old, { forceRefresh: true, tags: ['tag'] });
      cache.invalidateTag('tag');
      old.finish('old');
      assert.equal(await asked, 'old');
      assert.equal(cache.get('key'), 'kept');
    });

    test(
      'that were invalidated so long ago that nobody remembers are not stored',
      { leaseMs: 1_000 },
      async (cache, clock) => {
        const old = gatedLoader();
        const asked = cache.getOrLoad('key', old, { tags: ['tag'] });
        cache.invalidateTag('tag');
        clock.advance(1_001);
        invalidateOthers(cache);
        old.finish('old');
        assert.equal(await asked, 'old');
        assert.equal(cache.get('key'), undefined);
      },
    );

    test(
      'that are late and have no tags are stored if no other has begun',
      { leaseMs: 1_000, earlyRefreshBeta: 1 },
      async (cache, clock) => {
        const late = gatedLoader();
        const asked = cache.getOrLoad('key', late);
        cache.invalidateTag('tag');
        clock.advance(1_001);
        late.finish('late');
        assert.equal(await asked, 'late');
        assert.equal(cache.get('key'), 'late');
      },
    );

    for (const [how, options, code] of [
      ['beside what was stale', {}, undefined],
      ['for a caller who timed out', { hardTimeoutMs: 5 }, 'ERR_TIMEOUT'],
    ]) {
      test(
        `that hang past their lease are aborted once another one has begun: ${how}`,
        { ttlMs: 10, staleWhileRevalidateMs: 1e9, leaseMs: 1_000 },
        async (cache, clock) => {
          if (code === undefined) cache.set('key', 'stale');
          clock.advance(11);
          const [hanging, next] = [gatedLoader(), gatedLoader()];
          const asked = cache.getOrLoad('key', hanging, options);
          const { signal } = hanging.load();
          clock.advance(5);
          if (code === undefined) assert.equal(await asked, 'stale');
          else await assert.rejects(asked, { code });
          clock.advance(1_000);
          await turn();
          assert.equal(signal.aborted, false, 'nobody has asked for another one');
          const again = cache.getOrLoad('key', next);
          await until(() => signal.aborted);
          assert.equal(signal.reason.name, 'AbortError');
          assert.deepEqual([next.calls, cache.snapshot().loading], [1, 1]);
          next.finish('value');
          assert.equal(await again, code === undefined ? 'stale' : 'value');
          await turn();
          assert.equal(cache.get('key'), 'value');
        },
      );
    }

    for (const how of ['finish', 'fail']) {
      test(
        `that outlived their lease give nobody who asked after an invalidation what came of them: ${how}`,
        { leaseMs: 1_000 },
        async (cache, clock) => {
          const [old, young] = [gatedLoader(), gatedLoader()];
          const before = cache.getOrLoad('key', old, { tags: ['tag'] });
          cache.invalidateTag('tag');
          const after = cache.getOrLoad('key', young, { tags: ['tag'] });
          // Shorter than when they began to wait, so that nobody has taken over yet.
          cache.reconfigure({ leaseMs: 10 });
          clock.advance(11);
          invalidateOthers(cache);
          old[how](how === 'finish' ? 'old' : new Error('old'));
          if (how === 'finish') assert.equal(await before, 'old');
          else await assert.rejects(before, fails);
          await turn();
          assert.equal(young.calls, 1);
          young.finish('young');
          assert.equal(await after, 'young');
        },
      );
    }

    test(
      'leave no timer on the clock once their callers are settled',
      { ttlMs: 1_000, staleIfErrorMs: 1_000, leaseMs: 500 },
      async (cache, clock) => {
        const loader = gatedLoader();
        const ask = (options) => cache.getOrLoad('key', loader, { hardTimeoutMs: 400, ...options });
        const ends = {
          value: () => loader.finish('value'),
          failure: () => loader.fail(new Error('no')),
          absence: () => loader.finish(loader.load().absent),
          invalidation: () => cache.invalidateTag('tag'),
        };
        for (const [how, end] of Object.entries(ends)) {
          cache.clear();
          const asked = [1, 2, 3].map(() => ask({ tags: ['tag'] }));
          // Each caller's own, and the lease.
          assert.equal(clock.pending, 4, how);
          end();
          if (how === 'invalidation') loader.finish('value');
          await Promise.allSettled(asked);
          assert.equal(clock.pending, 0, how);
        }
        cache.set('key', 'stale');
        clock.advance(1_001);
        const soft = [ask({ softTimeoutMs: 100 }), ask({ softTimeoutMs: 100 })];
        clock.advance(50);
        loader.finish('new');
        assert.deepEqual(await Promise.all(soft), ['new', 'new']);
        assert.equal(clock.pending, 0, 'a soft timeout');
        cache.clear();
        const controller = new AbortController();
        const left = [1, 2].map(() => ask({ signal: controller.signal }));
        controller.abort(new Error('gone'));
        for (const each of left) await assert.rejects(each, { message: 'gone' });
        assert.equal(clock.pending, 0, 'an abort');
        const disposed = [ask(), ask()];
        cache.dispose();
        for (const each of disposed) await assert.rejects(each, { code: 'ERR_DISPOSED' });
        assert.equal(clock.pending, 0, 'dispose');
      },
    );
  });
}

describe('a load that two objects of one name wait for', () => {
  let made = 0;

  /** Calls `use(leader, other, clock)` with two objects on one cache: to each other they are as two threads are. */
  const together = async (options, use) => {
    made += 1;
    const clock = new ManualClock();
    const all = { name: `flights ${made}`, codec: 'json', maxEntries: 10, ttlMs: 60_000, clock, ...options };
    const [leader, other] = [new Cache(all), new Cache(all)];
    try {
      await use(leader, other, clock);
    } finally {
      leader.dispose();
      other.dispose();
    }
  };

  it('is aborted once another one has begun, though a caller of the other object timed out', async () => {
    await together({ leaseMs: 1_000 }, async (leader, other, clock) => {
      const [hanging, next] = [gatedLoader(), gatedLoader()];
      const asked = [leader, other].map((each) => each.getOrLoad('key', hanging, { hardTimeoutMs: 5 }));
      const { signal } = hanging.load();
      clock.advance(6);
      for (const each of asked) await assert.rejects(each, { code: 'ERR_TIMEOUT' });
      clock.advance(1_000);
      const again = other.getOrLoad('key', next);
      await until(() => signal.aborted);
      next.finish('value');
      assert.equal(await again, 'value');
      await turn();
      assert.equal(leader.snapshot().loading, 0);
    });
  });

  /** How a load ends, and what its callers get then. */
  const ENDS = {
    value: [(old) => old.finish('old'), (asked) => asked.then((value) => assert.equal(value, 'old'))],
    absent: [
      (old) => old.finish(old.load().absent),
      (asked) => asked.then((value) => assert.equal(value, undefined)),
    ],
    failed: [(old) => old.fail(new Error('old')), (asked) => assert.rejects(asked, fails)],
  };

  for (const [how, [end, gets]] of Object.entries(ENDS)) {
    it(`gives who waits elsewhere, and asked after an invalidation, another one: ${how}`, async () => {
      await together({}, async (leader, other) => {
        const [old, young] = [gatedLoader(), gatedLoader()];
        const tags = ['tag'];
        const leading = leader.getOrLoad('key', old, { tags });
        const before = other.getOrLoad('key', young, { tags });
        leader.invalidateTag('tag');
        const after = other.getOrLoad('key', young, { tags });
        end(old);
        await gets(leading);
        await gets(before);
        await until(() => young.calls === 1);
        young.finish('young');
        assert.equal(await after, 'young');
        assert.equal(young.calls, 1);
      });
    });
  }

  const TAKEN_OVER = {
    ...ENDS,
    refused: [(old) => old.finish(1n), (asked) => asked.then((value) => assert.equal(value, 1n))],
  };

  for (const [how, [end, gets]] of Object.entries(TAKEN_OVER)) {
    it(`and that was taken over gives who asked after an invalidation the new one: ${how}`, async () => {
      await together({ leaseMs: 1_000 }, async (leader, other, clock) => {
        const [old, young] = [gatedLoader(), gatedLoader()];
        const tags = ['tag'];
        const leading = leader.getOrLoad('key', old, { tags });
        const elsewhere = other.getOrLoad('key', young, { tags });
        // Who joins from now on waits longer than the lease that the load began with.
        leader.reconfigure({ leaseMs: 60_000 });
        const before = leader.getOrLoad('key', old, { tags });
        leader.invalidateTag('tag');
        const after = leader.getOrLoad('key', young, { tags });
        clock.advance(1_001);
        // In real time, as that is how often who waits looks for leaders that hang.
        await until(() => young.calls === 1);
        end(old);
        await gets(leading);
        await gets(before);
        young.finish('young');
        assert.deepEqual([await elsewhere, await after], ['young', 'young']);
        assert.deepEqual([old.calls, young.calls], [1, 1]);
        assert.equal(leader.get('key'), 'young');
      });
    });
  }

  for (const when of ['before', 'after']) {
    it(`goes on for a caller who timed out, though the others give up ${when} it joins`, async () => {
      await together({}, async (leader, other, clock) => {
        const loader = gatedLoader();
        const [here, there] = [new AbortController(), new AbortController()];
        const first = leader.getOrLoad('key', loader, { signal: here.signal });
        const elsewhere = other.getOrLoad('key', loader, { signal: there.signal });
        // The other one waits for it still.
        here.abort(new Error('gone'));
        await assert.rejects(first, { message: 'gone' });
        if (when === 'before') there.abort(new Error('gone'));
        const again = leader.getOrLoad('key', loader, { hardTimeoutMs: 5 });
        clock.advance(5);
        await assert.rejects(again, { code: 'ERR_TIMEOUT' });
        if (when === 'after') there.abort(new Error('gone'));
        await assert.rejects(elsewhere, { message: 'gone' });
        // Reads the mail, too.
        await clock.advanceAsync(0);
        assert.equal(loader.load().signal.aborted, false);
        loader.finish('value');
        await turn();
        assert.equal(leader.get('key'), 'value');
        assert.equal(loader.calls, 1);
      });
    });
  }
});
