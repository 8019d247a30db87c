// The defaults that the documentation names are those in force.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import {
  Cache,
  EventLoopMonitor,
  hedge,
  keyed,
  LoadShedder,
  ManualClock,
  RateLimiter,
  retry,
  TokenBucket,
} from 'breakwater';
import { BINDING } from '../scripts/build.mjs';
import { continuations } from './helpers/promises.mjs';
import './helpers/rejections.mjs';

const binding = createRequire(import.meta.url)(BINDING);
const read = (path) => readFileSync(fileURLToPath(new URL(`../${path}`, import.meta.url)), 'utf8');

/** `{ option: text }` of every property whose doc comment has a `@default`, as [option, default] pairs. */
function documented(paths) {
  const text = paths.split(' ').map(read).join('');
  const properties = text.matchAll(/\/\*\*((?:(?!\*\/)[\s\S])*)\*\/\s*readonly (\w+)\??:/g);
  return [...properties]
    .map(([, comment, option]) => [option, /@default (\S+)/.exec(comment)?.[1]])
    .filter(([, value]) => value !== undefined);
}

/** What the facade decides itself, shown by using it: see bucket.test.mjs, limiter.test.mjs, schema.test.mjs. */
const OF_THE_FACADE = {
  dryRun: 'false',
  maxWaitMs: '0',
  adaptiveLifo: 'false',
  lingerMs: '0',
  forceRefresh: 'false',
  draft: "'2020-12'",
  formats: 'true',
  rejectUnknown: 'false',
  duplicateKeys: "'reject'",
  protoKeys: "'allow'",
  regex: "'linear'",
  maskValues: 'true',
};

/** What the binding says of caches, and what an entry counts, which is no option. */
const { entryBytes: ENTRY_BYTES, ...CACHE_DEFAULTS } = binding.cacheDefaults();

for (const [path, defaults] of [
  ['lib/bucket.ts', binding.bucketDefaults()],
  ['lib/limiter.ts', binding.limiterDefaults()],
  ['lib/breaker-options.ts', binding.breakerDefaults()],
  ['lib/backoff.ts', binding.backoffDefaults()],
  ['lib/budget.ts', binding.budgetDefaults()],
  ['lib/throttle.ts', binding.throttleDefaults()],
  ['lib/bulkhead-options.ts lib/bulkhead.ts', binding.bulkheadDefaults()],
  ['lib/monitor.ts', binding.monitorDefaults()],
  ['lib/shedder.ts', { priority: binding.shedderDefaults().priority }],
  ['lib/queue.ts', binding.queueDefaults()],
  ['lib/cache-options.ts', CACHE_DEFAULTS],
  ['lib/schema-options.ts', binding.schemaDefaults()],
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
  for (const path of ['lib/bucket.ts', 'lib/limiter.ts', 'lib/queue.ts', 'lib/primitive.ts']) {
    for (const [option, value] of documented(path)) {
      if (option in OF_THE_FACADE) assert.equal(value, OF_THE_FACADE[option], `${path}: ${option}`);
    }
  }
  assert.equal(new TokenBucket({ capacity: 1, refillPerSecond: 1 }).snapshot().dryRun, false);
  assert.equal(new RateLimiter({ limits: { limit: 1, windowMs: 1 } }).snapshot().dryRun, false);
});

test('retry, hedge and keyed have the defaults they document', async () => {
  const said = ['retry', 'hedge', 'keyed'].map((word) => Object.fromEntries(documented(`lib/${word}.ts`)));
  assert.deepEqual(said, [
    { maxAttempts: '3', maxRetryAfterMs: '60000' },
    { maxHedges: '1' },
    { maxKeys: '1000' },
  ]);
  const clock = new ManualClock();
  const tries = async (policy, retryAfterMs) => {
    let count = 0;
    const fn = () => {
      count += 1;
      return Promise.reject(Object.assign(new Error('down'), { retryAfterMs }));
    };
    const ended = policy.execute(fn).catch(() => {});
    await clock.advanceAsync(200_000);
    await ended;
    return count;
  };
  assert.equal(await tries(retry({ clock })), 3);
  assert.equal(await tries(retry({ clock }), 60_000), 3);
  assert.equal(await tries(retry({ clock }), 60_001), 1);

  let started = 0;
  const ends = [];
  const hedged = hedge({ delayMs: 5, clock }).execute(() => {
    started += 1;
    return new Promise((resolve) => ends.push(resolve));
  });
  clock.advance(1_000);
  await continuations();
  assert.equal(started, 2);
  for (const end of ends) end();
  await hedged;

  const objects = keyed(() => ({ dispose() {} }));
  for (let key = 0; key < 1_001; key++) objects.for(`${key}`);
  assert.equal(objects.size, 1_000);
});

test('a shedder samples ten times a second, and calls have the middle priority', async () => {
  assert.deepEqual(binding.shedderDefaults(), { sampleMs: 100, priority: 5 });
  const shedder = new LoadShedder({ maxHeapBytes: 1 });
  const monitor = new EventLoopMonitor();
  assert.equal(shedder.snapshot().dryRun, false);
  while (shedder.tryAcquire()) await new Promise((resolve) => setTimeout(resolve, 5));
  assert.deepEqual(shedder.snapshot().refusedByPriority, [0, 0, 0, 0, 0, 1, 0, 0, 0, 0]);
  while (monitor.snapshot().intervalMs < 1_000) await new Promise((resolve) => setTimeout(resolve, 50));
  monitor.dispose();
  shedder.dispose();
});

test('an entry of a named cache counts its key, its value and what the documentation says', () => {
  const said = /`maxBytes` \|[^\n]* its encoded value and (\d+)\./.exec(read('docs/cache.md'))?.[1];
  assert.equal(said, String(ENTRY_BYTES));
  const cache = new Cache({ name: 'defaults', codec: 'string', maxBytes: 1_000, ttlMs: 1 });
  cache.set('é', 'ÿ');
  assert.equal(cache.bytes, 2 + 1 + ENTRY_BYTES);
  cache.set('é', '漢');
  assert.equal(cache.bytes, 2 + 2 + ENTRY_BYTES);
  cache.dispose();
});

test('docs/cache.md names the defaults of the binding', () => {
  const [, section] = read('docs/cache.md')
    .split('\n## Options\n')[1]
    .match(/^([\s\S]*?)\n## /);
  const rows = [...section.matchAll(/^\| `(\w+)` \| [^|]* \| ([^|]*) \|/gm)];
  const said = Object.fromEntries(rows.map(([, option, value]) => [option, value.replace(/[`,]/g, '')]));
  for (const [option, value] of Object.entries(CACHE_DEFAULTS)) {
    assert.equal(said[option], typeof value === 'string' ? `'${value}'` : String(value), option);
  }
});

test('index.d.ts carries the documented defaults', () => {
  const types = documented('index.d.ts').map(([option]) => option);
  for (const option of [
    'maxWaiters',
    'maxKeys',
    'whenFull',
    'overflow',
    'codec',
    'lingerMs',
    'dryRun',
    'maxWaitMs',
    'failureRateThreshold',
    'probeLeaseMs',
    'minPerSecond',
    'maxRefusalRate',
    'sampleMs',
    'stderr',
    'priority',
    'maxAttempts',
    'maxHedges',
    'initialMs',
    'refreshBackoffMs',
    'leaseMs',
  ]) {
    assert.equal(types.includes(option), true, option);
  }
});
