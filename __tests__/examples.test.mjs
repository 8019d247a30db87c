// What documentation shows works: the examples of the peers' READMEs, written for this package, and our own.
import './examples/cockatiel.mjs';
import './examples/lru-cache.mjs';
import './examples/opossum.mjs';
import './examples/p-queue.mjs';
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import express from 'express';
import Fastify from 'fastify';
import { runBlocks } from './helpers/documents.mjs';
import { runScript } from './helpers/processes.mjs';

/** What the pages take for granted. */
const GIVEN = {
  url: new URL('http://inventory.example/items/7'),
  fetch: async () => new Response('{"left":3}', { headers: { 'content-type': 'application/json' } }),
  item: 7,
  fetchStock: async () => 3,
  work: async () => {},
  store: async () => {},
  console: { log() {} },
  id: 7,
  ids: [1, 2, 3],
  render: async (id) => `page ${id}`,
  load: async () => ({ left: 3 }),
  signal: new AbortController().signal,
  bytes: Buffer.from('{"id":7,"items":[{"sku":"A"}]}'),
  forward: async () => {},
  createReadStream: () => ['{"id":7,"items":[{"sku":"A"}]}\n{}\n'],
};
const PAGES = [
  ...[
    'backoff',
    'breaker',
    'budget',
    'bulkhead',
    'cache',
    'execute',
    'fallback',
    'hedge',
    'keyed',
    'monitor',
    'pipeline',
    'queue',
    'retry',
    'schema',
    'shedder',
    'throttle',
  ],
  ...['testing', 'timeout', 'from-ajv', 'from-cockatiel', 'from-lru-cache', 'from-opossum', 'from-p-queue'],
];

for (const page of PAGES) {
  test(`docs/${page}.md: its examples run, and give what they say`, async () => {
    assert.ok((await runBlocks(page, GIVEN)) > 0, 'there are none');
  });
}

test('docs/validate.md: its examples run, and its routes answer', async () => {
  const fastify = Fastify();
  await runBlocks('validate', { app: express(), express, fastify, handler: () => 'ok', queue: [] });
  const ask = async (url, payload) => (await fastify.inject({ method: 'POST', url, payload })).statusCode;
  assert.equal(await ask('/orders', { id: 5 }), 200);
  assert.equal(await ask('/orders', { id: '5' }), 400);
  assert.equal(await ask('/payments', { price: {} }), 422);
  assert.equal(await ask('/imports', { id: 5 }), 200);
  assert.equal(await ask('/old', { id: '5' }), 200);
});

test('examples/resilient-client.mjs ends by itself, and lives with an upstream that fails', async () => {
  const { code, stdout, stderr } = await runScript("import './examples/resilient-client.mjs';");
  assert.deepEqual({ code, stderr }, { code: 0, stderr: '' });
  const said = (title) => stdout.slice(stdout.indexOf(title)).split('\n').slice(1, 4).join('\n');
  assert.match(said('all is well'), /3 fresh, 0 stale/);
  assert.match(said('two errors'), /1 fresh, 0 stale/);
  assert.match(said('a straggler'), /1 fresh, 0 stale/);
  assert.match(
    said('an outage'),
    /closed → open \(consecutiveFailures\)\n {2}answers: 0 fresh, 20 stale · requests: 5/,
  );
  assert.match(said('meanwhile'), /3 fresh, 0 stale/);
  assert.match(said('after the break'), /halfOpen → closed \(recovered\)\n {2}answers: 3 fresh/);
});

test('examples/webhook.mjs takes what is signed and as agreed, and ends by itself', async () => {
  const { code, stdout, stderr } = await runScript("import './examples/webhook.mjs';");
  assert.deepEqual({ code, stderr }, { code: 0, stderr: '' });
  assert.match(stdout, /^taken: evt_1, invoice\.paid, 1250\na good one: 202$/m);
  assert.match(stdout, /^changed on its way: 401$/m);
  assert.match(stdout, /^not as agreed: 422\n {2}#\/\w+ must /m);
  assert.match(stdout, /^a name twice: 400\n {2}#\/\w+ must NOT have two members of one name$/m);
  assert.match(stdout, /^not JSON: 415$/m);
  assert.match(stdout, /^in the queue: 1, \d+ bytes as they came$/m);
});

test('examples/ndjson.mjs passes on what is as agreed, and says where the rest stands', async () => {
  const results = new URL('../benches/results/2026-11-23-amd-epyc-2-cpus.jsonl', import.meta.url);
  const lines = readFileSync(results, 'utf8').trimEnd().split('\n');
  const good = lines.map((line) => JSON.parse(line).ns > 0);
  const [bad, second] = [good.indexOf(false), good.indexOf(false, good.indexOf(false) + 1)];
  const offset = Buffer.byteLength(`${lines.slice(0, second).join('\n')}\n`);
  const { code, stdout, stderr } = await runScript("import './examples/ndjson.mjs';");
  assert.deepEqual({ code, stderr }, { code: 0, stderr: '' });
  const said = stdout.split('\n');
  assert.equal(said[0], `line ${bad + 1}, byte 0: it must have required property 'bench'`);
  assert.equal(said[1], `line ${second + 1}, byte ${offset}: it must have required property 'ns'`);
  const passed = good.filter(Boolean).length;
  assert.equal(said[3], `and ${lines.length - passed - 3} more`);
  assert.match(stdout, new RegExp(`^passed on: ${passed} measurements of \\d+ benches$`, 'm'));
  assert.match(
    stdout,
    new RegExp(`^valid: ${passed} · not as agreed: ${lines.length - passed} · no JSON: 0$`, 'm'),
  );
  const last = good.lastIndexOf(false);
  assert.ok(stdout.includes(`line ${last + 1} begins: ${lines[last].slice(0, 60)}\n`), stdout);
});
