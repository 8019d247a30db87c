// The defaults that the documentation names are those in force.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { RateLimiter, TokenBucket } from 'breakwater';
import { BINDING } from '../scripts/build.mjs';

const binding = createRequire(import.meta.url)(BINDING);
const read = (path) => readFileSync(fileURLToPath(new URL(`../${path}`, import.meta.url)), 'utf8');

/** `{ option: text }` of every property whose doc comment has a `@default`, as [option, default] pairs. */
function documented(path) {
  const properties = read(path).matchAll(/\/\*\*((?:(?!\*\/)[\s\S])*)\*\/\s*readonly (\w+)\??:/g);
  return [...properties]
    .map(([, comment, option]) => [option, /@default (\S+)/.exec(comment)?.[1]])
    .filter(([, value]) => value !== undefined);
}

/** What the facade decides itself, shown by using it: see bucket.test.mjs and limiter.test.mjs. */
const OF_THE_FACADE = { dryRun: 'false', maxWaitMs: '0' };

for (const [path, defaults] of [
  ['lib/bucket.ts', binding.bucketDefaults()],
  ['lib/limiter.ts', binding.limiterDefaults()],
  ['lib/backoff.ts', binding.backoffDefaults()],
  ['lib/budget.ts', binding.budgetDefaults()],
  ['lib/throttle.ts', binding.throttleDefaults()],
]) {
  test(`${path} documents the defaults that the binding has`, () => {
    const said = documented(path).filter(([option]) => !(option in OF_THE_FACADE));
    const inForce = Object.entries(defaults).map(([option, value]) => [
      option,
      typeof value === 'string' ? `'${value}'` : String(value),
    ]);
    assert.deepEqual(said.sort(), inForce.sort());
  });
}

test('what the facade documents as its own default is one', () => {
  for (const path of ['lib/bucket.ts', 'lib/limiter.ts', 'lib/primitive.ts']) {
    for (const [option, value] of documented(path)) {
      if (option in OF_THE_FACADE) assert.equal(value, OF_THE_FACADE[option], `${path}: ${option}`);
    }
  }
  assert.equal(new TokenBucket({ capacity: 1, refillPerSecond: 1 }).snapshot().dryRun, false);
  assert.equal(new RateLimiter({ limits: { limit: 1, windowMs: 1 } }).snapshot().dryRun, false);
});

/** What has no binding: shown by using it in retry.test.mjs, hedge.test.mjs and keyed.test.mjs. */
test('policies without a binding document their defaults', () => {
  assert.deepEqual(documented('lib/retry.ts'), [
    ['maxAttempts', '3'],
    ['maxRetryAfterMs', '60000'],
  ]);
  assert.deepEqual(documented('lib/hedge.ts'), [['maxHedges', '1']]);
  assert.deepEqual(documented('lib/keyed.ts'), [['maxKeys', '1000']]);
});

test('index.d.ts carries the documented defaults', () => {
  const types = documented('index.d.ts').map(([option]) => option);
  for (const option of ['maxWaiters', 'maxKeys', 'whenFull', 'dryRun', 'maxWaitMs', 'maxAttempts', 'ratio']) {
    assert.equal(types.includes(option), true, option);
  }
});
