/** Real requests of web shops through Cache: its policies hit what the same policies do as their authors have them. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { optimum, ours, reference } from '../benches/hit-ratios/contestants.mjs';
import { COMMITTED, committed } from '../benches/hit-ratios/workloads.mjs';

const SIZES = [100, 1_200, 5_000];

/** Of LRU with 1,200 entries, in percent, as BitFaster.Caching and libCacheSim have them. */
const PUBLISHED_LRU = { web07: '51.65', web12: '66.85' };

for (const name of COMMITTED) {
  const trace = committed(name);
  const percent = (hits) => (100 * hits) / trace.length;
  /** Calls `check` with hit ratios in percent: without a name, with one, and of the reference. */
  const each = (policy, check) => {
    for (const entries of SIZES) {
      const unnamed = percent(ours(policy, entries, trace));
      const named = percent(ours(policy, entries, trace, { named: true }));
      check({ entries, unnamed, named, expected: percent(reference(policy, entries, trace)) });
    }
  };
  const near = (one, other, points, entries) =>
    assert.ok(Math.abs(one - other) <= points, `${entries} entries: ${one} and ${other} %`);

  describe(`on ${name}`, () => {
    it('lru hits exactly what the least recently used going first hits, by name too', () => {
      each('lru', ({ entries, unnamed, named, expected }) => {
        assert.deepEqual({ entries, unnamed, named }, { entries, unnamed: expected, named: expected });
      });
    });

    it('lru hits what others have published', () => {
      assert.equal(percent(ours('lru', 1_200, trace)).toFixed(2), PUBLISHED_LRU[name]);
    });

    it('s3fifo is within half a point of the published algorithm, and by name it hits the same', () => {
      each('s3fifo', ({ entries, unnamed, named, expected }) => {
        near(unnamed, expected, 0.5, entries);
        near(named, unnamed, 0.1, entries);
      });
    });

    // How well its sketch estimates depends on the secret that a cache hashes its keys with: by up to three points in a thousand caches.
    it('wtinylfu is within a point and a half of one that counts exactly, by name too', () => {
      each('wtinylfu', ({ entries, unnamed, named, expected }) => {
        near(unnamed, expected, 1.5, entries);
        near(named, expected, 1.5, entries);
      });
    });

    it('s3fifo hits more than lru, and nothing more than who knows the future', () => {
      for (const entries of [1_200, 5_000]) {
        const [lru, s3fifo] = ['lru', 's3fifo'].map((policy) => ours(policy, entries, trace));
        assert.ok(lru < s3fifo && s3fifo < optimum(entries, trace));
      }
    });
  });
}
