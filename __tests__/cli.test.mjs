// The command line: npx breakwater validate, npx breakwater diff.
import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { Bar } from '../dist/cli-bar.js';
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

file('order.json', OLD);

test('the command line validates NDJSON by the line, and a file as a whole', () => {
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

test('several files are validated, and each line says which it is about', () => {
  file('a.json', '{"id":1}');
  file('b.json', '{"id":"1"}');
  file('c.ndjson', '{"id":1}\n{}\n');
  const { status, stdout, stderr } = cli(['validate', 'order.json', 'a.json', 'b.json', 'c.ndjson']);
  assert.equal(stdout, "b.json: /id must be integer\nc.ndjson:2: must have required property 'id'\n");
  assert.equal(stderr, 'a.json is valid\nc.ndjson: 2 documents, 1 not valid\n');
  assert.equal(status, 1);
  const missing = cli(['validate', 'order.json', 'no.json', '.', 'b.json']);
  assert.equal(missing.status, 2);
  assert.match(missing.stderr, /^ENOENT[^\n]*no\.json[^\n]*\n[^\n]*EISDIR[^\n]*\n$/);
  assert.equal(missing.stdout, 'b.json: /id must be integer\n');
});

test('drafts and formats are those that are asked for', () => {
  file('pair.json', { items: [{ type: 'string' }], properties: { at: { format: 'date' } } });
  file('list.json', '["a",1]');
  file('at.json', '{"at":"today"}');
  const status = (...args) => cli(args).status;
  assert.equal(status('validate', 'pair.json', 'list.json', '--draft', '7'), 0);
  assert.equal(status('validate', 'pair.json', 'at.json', '--draft', '7'), 1);
  assert.equal(status('validate', 'pair.json', 'at.json', '--draft', '7', '--no-formats'), 0);
  file('wider.json', { items: [{ type: ['string', 'null'] }], properties: { at: { format: 'date' } } });
  assert.equal(status('diff', 'pair.json', 'wider.json', '--draft', '7'), 0);
  assert.equal(status('diff', 'wider.json', 'pair.json', '--draft', '7'), 1);
  for (const [command, ...rest] of [
    ['validate', 'pair.json', 'list.json'],
    ['diff', 'pair.json', 'pair.json'],
  ]) {
    assert.equal(status(command, ...rest), 2);
    const { status: code, stderr } = cli([command, ...rest, '--draft', '5']);
    assert.deepEqual([code, stderr], [2, `draft must be '4', '6', '7', '2019-09' or '2020-12', got "5"\n`]);
  }
});

test('contracts are compared with what they refer to, and a break names the file', () => {
  file('one.json', { $ref: 'note@1' });
  file('two.json', { $ref: 'note@2' });
  file('note-1.json', { maxLength: 50 });
  file('note-2.json', { maxLength: 20 });
  const refs = ['--ref', 'note@1=note-1.json', '--ref', 'note@2=note-2.json'];
  const { status, stdout } = cli(['diff', 'one.json', 'two.json', ...refs]);
  assert.match(stdout, /^broken: note-2\.json#\/maxLength: /);
  assert.equal(status, 1);
  assert.equal(cli(['diff', 'two.json', 'one.json', ...refs]).status, 0);
});

test('what is wrong with a schema is told with its file', () => {
  file('wrong.json', { type: 'x' });
  file('none.json', '[]');
  file('half.json', '{"a":');
  file('good.json', '{"id":1}');
  file('ref.json', { $ref: 'wrong' });
  file('both.json', { type: 'object', $ref: 'wrong' });
  for (const [args, line] of [
    [['validate', 'wrong.json', 'good.json'], /^wrong\.json: \/type: [^\n]+\n$/],
    [['validate', 'none.json', 'good.json'], /^none\.json: schema must be a JSON Schema[^\n]+\n$/],
    [['validate', 'half.json', 'good.json'], /^half\.json: [^\n]+\n$/],
    [['validate', 'order.json', 'good.json', '--ref', 'a=no.json'], /^ENOENT[^\n]+no\.json[^\n]+\n$/],
    [['validate', 'ref.json', 'good.json', '--ref', 'wrong=wrong.json'], /^wrong\.json: \/type: [^\n]+\n$/],
    [['diff', 'ref.json', 'order.json', '--ref', 'wrong=wrong.json'], /^wrong\.json: \/type: [^\n]+\n$/],
    [['validate', 'both.json', 'good.json', '--ref', 'wrong=wrong.json'], /^wrong\.json: \/type: [^\n]+\n$/],
    [['validate', 'ref.json', 'good.json', '--ref', 'wrong=half.json'], /^half\.json: [^\n]+\n$/],
    [['diff', 'wrong.json', 'order.json'], /^wrong\.json: \/type: [^\n]+\n$/],
    [['diff', 'order.json', 'wrong.json'], /^wrong\.json: \/type: [^\n]+\n$/],
    [['diff', 'order.json', 'none.json'], /^none\.json: new must be a JSON Schema[^\n]+\n$/],
    [['diff', 'no.json', 'no.json'], /^ENOENT[^\n]+no\.json[^\n]+\n$/],
  ]) {
    const { status, stdout, stderr } = cli(args);
    assert.deepEqual([status, stdout], [2, ''], args.join(' '));
    assert.match(stderr, line);
  }
});

test('a document that is too long to be read at all is not valid', () => {
  const path = file('long.json', '');
  truncateSync(path, 2 ** 31 + 1);
  const { status, stdout } = cli(['validate', 'order.json', 'long.json']);
  rmSync(path);
  assert.deepEqual([status, stdout], [1, 'long.json: must NOT be longer than maxBytes\n']);
});

test('it ends quietly when nobody reads any more', async () => {
  file('bad.ndjson', `{"x":"${'x'.repeat(100)}"}\n`.repeat(50_000));
  const child = spawn(process.execPath, [CLI, 'validate', 'order.json', 'bad.ndjson'], { cwd: folder });
  child.stdout.once('data', () => child.stdout.destroy());
  let said = '';
  child.stderr.setEncoding('utf8').on('data', (text) => {
    said += text;
  });
  const [status] = await once(child, 'close');
  assert.deepEqual([status, said], [1, '']);
});

test('on a terminal it says how far it is, also where it does not know how far there is to go', () => {
  const { isTTY, write } = process.stderr;
  const said = [];
  Object.assign(process.stderr, { isTTY: true, write: (text) => said.push(text) });
  try {
    for (const [total, at] of [
      [100, 50],
      [100, 200],
      [0, 50],
    ]) {
      const bar = new Bar(total);
      bar.draw(at, 7, 1);
      bar.clear();
      bar.clear();
    }
  } finally {
    Object.assign(process.stderr, { isTTY, write });
  }
  const gone = '\r\u001b[K';
  assert.deepEqual(said, [
    '\r[############............] 50 % 7 documents, 1 not valid',
    gone,
    '\r[########################] 100 % 7 documents, 1 not valid',
    gone,
    '\r7 documents, 1 not valid',
    gone,
  ]);
});

test('the command line says how it is called', () => {
  for (const [args, line] of [
    [[], 'a command is needed'],
    [['validate'], 'validate needs a schema and a file'],
    [['validate', 'x'], 'validate needs a schema and a file'],
    [['guess'], 'there is no command guess'],
    [['guess', 'a', 'b'], 'there is no command guess'],
    [['diff', 'a'], 'diff needs two files'],
    [['diff', 'a', 'b', 'c'], 'diff needs two files'],
    [['diff', 'a', 'b', '--reject-unknown'], '--reject-unknown is no option of diff'],
    [['validate', 'a', 'b', '--response'], '--response is no option of validate'],
    [
      ['validate', 'order.json', 'b', '--max-errors', ''],
      '--max-errors must be a whole number from 1 to 100, got ""',
    ],
    [
      ['validate', 'order.json', 'b', '--max-errors', '1e1'],
      '--max-errors must be a whole number from 1 to 100, got "1e1"',
    ],
    [['validate', 'order.json', 'b', '--ref', 'a'], '--ref needs <name>=<file>'],
    [['validate', '--wrong', 'a', 'b'], /--wrong/],
  ]) {
    const { status, stderr, stdout } = cli(args);
    assert.deepEqual([status, stdout], [2, ''], args.join(' '));
    const [first] = stderr.split('\n');
    if (typeof line === 'string') assert.equal(first, line);
    else assert.match(first, line);
    assert.match(stderr, /breakwater validate <schema\.json>/);
  }
  const { status, stdout } = cli(['--help']);
  assert.equal(status, 0);
  assert.match(stdout, /breakwater diff/);
});
