// The command line: npx breakwater validate, npx breakwater diff.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import './helpers/rejections.mjs';

const OLD = {
  type: 'object',
  required: ['id'],
  properties: { id: { type: 'integer' }, name: { type: 'string', maxLength: 50 } },
};
const with_ = (change) => ({ ...OLD, ...change });

const folder = mkdtempSync(join(tmpdir(), 'breakwater-'));
after(() => rmSync(folder, { recursive: true }));
const file = (name, content) => {
  const path = join(folder, name);
  writeFileSync(path, typeof content === 'string' ? content : JSON.stringify(content));
  return path;
};
const CLI = fileURLToPath(new URL('../dist/cli.js', import.meta.url));
const cli = (args, input) =>
  spawnSync(process.execPath, [CLI, ...args], { encoding: 'utf8', input, cwd: folder });

test('the command line validates NDJSON by the line, and a file as a whole', () => {
  file('order.json', OLD);
  file('orders.ndjson', '{"id":1}\n{"id":"x"}\n\n{"name":"y"}\n{');
  const { status, stdout, stderr } = cli(['validate', 'order.json', 'orders.ndjson']);
  assert.equal(
    stdout,
    [
      'orders.ndjson:2: /id must be integer',
      "orders.ndjson:4: must have required property 'id'",
      'orders.ndjson:5: must be JSON: expected a name in quotes',
      '',
    ].join('\n'),
  );
  assert.equal(stderr, 'orders.ndjson: 4 documents, 3 not valid\n');
  assert.equal(status, 1);
  file('good.json', '{\n"id": 1\n}');
  assert.deepEqual(
    [
      cli(['validate', 'order.json', 'good.json']).status,
      cli(['validate', 'order.json', '-'], '{"id":1}\n').status,
    ],
    [0, 0],
  );
  file('bad.json', '{"id": 1, "name": 5}');
  assert.equal(cli(['validate', 'order.json', 'bad.json']).stdout, 'bad.json: /name must be string\n');
  file('ref.json', { $ref: 'order' });
  assert.equal(cli(['validate', 'ref.json', 'bad.json', '--ref', 'order=order.json']).status, 1);
  assert.equal(cli(['validate', 'order.json', 'extra.json', '--reject-unknown']).status, 2);
  file('extra.json', '{"id":1,"x":1}');
  assert.equal(cli(['validate', 'order.json', 'extra.json', '--reject-unknown']).status, 1);
});

test('the command line compares, and says by its exit code what came of it', () => {
  file('old.json', OLD);
  file('new.json', with_({ required: ['id', 'name'] }));
  const { status, stdout } = cli(['diff', 'old.json', 'new.json']);
  assert.equal(status, 1);
  assert.match(stdout, /^broken: new\.json#\/required: /);
  assert.equal(cli(['diff', 'old.json', 'new.json', '--response']).status, 0);
  file('a.json', { pattern: '^(a|b)*$' });
  file('b.json', { pattern: '^[ab]*$' });
  assert.equal(cli(['diff', 'a.json', 'b.json']).status, 3);
});

test('the command line says how it is called', () => {
  for (const args of [
    [],
    ['validate'],
    ['validate', 'x'],
    ['guess', 'a', 'b'],
    ['diff', 'a', 'b', 'c'],
    ['diff', 'no.json', 'no.json'],
    ['validate', '--wrong', 'a', 'b'],
  ]) {
    const { status, stderr, stdout } = cli(args);
    assert.deepEqual([status, stdout], [2, ''], args.join(' '));
    assert.match(stderr, /breakwater validate <schema\.json>/);
  }
  const { status, stdout } = cli(['--help']);
  assert.equal(status, 0);
  assert.match(stdout, /breakwater diff/);
});
