// Schema by the official suite, and beside ajv on real documents: torture/schema.mjs, here scaled down. Where the folders are not there,
// the tests say so and find nothing.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import './helpers/rejections.mjs';
import { besideAjv, hasCorpus, hasSuite, optionalTests, requiredTests } from './torture/schema.mjs';

const notThere = (variable) =>
  console.log(`nothing is tested here: ${variable} names no folder that is there`);

test('the required tests of the official suite pass, by bytes and by strings (by every route in npm run torture)', async () => {
  if (!hasSuite) return notThere('BREAKWATER_SUITE');
  for (const { draft, tests, failed } of await requiredTests({ routes: ['bytes', 'string'] })) {
    assert.deepEqual(failed, [], `draft ${draft}`);
    assert.ok(tests > 600, `draft ${draft} has ${tests} tests`);
  }
});

test('of the optional tests only those fail that are known to', async () => {
  if (!hasSuite) return notThere('BREAKWATER_SUITE');
  const files = await optionalTests();
  const unknown = files.filter(({ why }) => why === undefined).flatMap(({ failed }) => failed);
  assert.deepEqual(unknown, []);
});

test('real documents, changed at random, are to ajv what they are to us (100 a kind here, 20,000 in npm run torture)', () => {
  if (!hasCorpus) return notThere('BREAKWATER_SCHEMAS');
  for (const { kind, unexplained, valid, invalid } of besideAjv({ rounds: 100, instances: 50 })) {
    assert.deepEqual(unexplained, [], kind);
    assert.ok(valid > 0 && invalid > 0, `${kind}: ${valid} valid, ${invalid} not`);
  }
});
