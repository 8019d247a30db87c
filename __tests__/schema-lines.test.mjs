// NDJSON: the verdict of each line, in order, wherever chunks end.
import assert from 'node:assert/strict';
import { Readable } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import { pipeline } from 'node:stream/promises';
import { test } from 'node:test';
import { Schema } from 'breakwater';
import './helpers/rejections.mjs';

const schema = new Schema({ type: 'object', required: ['id'], properties: { id: { type: 'integer' } } });

async function all(source, own = schema) {
  const verdicts = [];
  for await (const verdict of own.validateLines(source)) verdicts.push(verdict);
  return verdicts;
}

/** Some hundred thousand lines, some of them wrong, some empty: the text, and [line, offset, valid] of each that has a verdict. */
function text(count) {
  const lines = [];
  const expected = [];
  let offset = 0;
  for (let n = 0; n < count; n++) {
    const line =
      n % 997 === 5
        ? ''
        : n % 331 === 7
          ? '{"id":"x"}'
          : n % 701 === 9
            ? '{"id":'
            : `{"id":${n},"é":"${'n'.repeat(n % 60)}"}`;
    if (line !== '') expected.push([n + 1, offset, line.startsWith(`{"id":${n}`)]);
    lines.push(line);
    offset += Buffer.byteLength(line) + 1;
  }
  return { bytes: Buffer.from(`${lines.join('\n')}\n`), expected };
}

function* cut(bytes, size) {
  for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size);
}

const plain = (verdicts) => verdicts.map(({ line, offset, valid }) => [line, offset, valid]);

test('every line has its verdict, in order, from bytes and from chunks that end anywhere', async () => {
  const { bytes, expected } = text(40_000);
  assert.deepEqual(plain(await all(bytes)), expected);
  assert.deepEqual(plain(await all(bytes.toString())), expected);
  for (const size of [1_013, 65_536, 700_001])
    assert.deepEqual(plain(await all(Readable.from(cut(bytes, size)))), expected);
  const { bytes: few, expected: fewExpected } = text(300);
  assert.deepEqual(plain(await all(cut(few, 1))), fewExpected);
});

test('what is wrong with a line is told as validate tells it', async () => {
  const [first, second, third] = await all('{"id":"x"}\r\n\n{"id":1}\n{"id":1');
  assert.deepEqual(first, { line: 1, offset: 0, ...schema.validate('{"id":"x"}') });
  assert.deepEqual(second, { line: 3, offset: 13, valid: true });
  assert.deepEqual([third.line, third.reason], [4, 'syntax']);
  assert.deepEqual(await all(''), []);
  assert.deepEqual(await all('\n\n \n'), []);
});

test('a line that is too long is told and not gathered', async () => {
  const own = new Schema(true, { maxBytes: 100 });
  async function* endless() {
    yield '1\n"';
    for (let n = 0; n < 1_000; n++) yield 'x'.repeat(10_000);
    yield '"\n2\n';
    yield `"${'y'.repeat(98)}"\n"${'y'.repeat(99)}"\n3`;
  }
  const verdicts = await all(endless(), own);
  assert.deepEqual(
    verdicts.map(({ line, valid, reason }) => [line, reason ?? valid]),
    [
      [1, true],
      [2, 'limit'],
      [3, true],
      [4, true],
      [5, 'limit'],
      [6, true],
    ],
  );
});

test('no more is read than is being validated, and who stops early ends the source', async () => {
  const line = Buffer.from(`{"id":1,"x":"${'x'.repeat(1_000)}"}\n`.repeat(1_000));
  let read = 0;
  let ended = false;
  async function* source() {
    try {
      for (;;) {
        read += 1;
        yield line;
      }
    } finally {
      ended = true;
    }
  }
  for await (const verdict of schema.validateLines(source())) {
    if (verdict.line === 1_500) break;
  }
  assert.equal(ended, true);
  assert.ok(read < 40, `${read} chunks`);
});

test('several steps may be asked for at once, and are answered in order', async () => {
  const verdicts = schema.validateLines(['{"id":1}\n{"id":2}\n', '{"id":"x"}\n', '{"id":4}']);
  const steps = await Promise.all(Array.from({ length: 6 }, () => verdicts.next()));
  assert.deepEqual(
    steps.map(({ value, done }) => value?.line ?? done),
    [1, 2, 3, 4, true, true],
  );
  const others = schema.validateLines('{"id":1}\n{"id":2}');
  const [first, ended, after] = await Promise.all([others.next(), others.return(), others.next()]);
  assert.deepEqual([first.value.line, ended.done, after.done], [1, true, true]);
  await assert.rejects(schema.validateLines('{}').throw(new Error('enough')), { message: 'enough' });
});

test('an error of the source reaches who reads', async () => {
  async function* broken() {
    yield '{"id":1}\n';
    throw new Error('disk');
  }
  await assert.rejects(all(broken()), { message: 'disk' });
  await assert.rejects(all([5]), TypeError);
  assert.throws(() => schema.validateLines(5), { code: 'ERR_INVALID_OPTION', option: 'source' });
});

test('a transform lets the valid lines through as they are, and tells of the others', async () => {
  const { bytes, expected } = text(20_000);
  const wrong = [];
  const through = schema.toTransform({ onInvalid: ({ line }) => wrong.push(line) });
  const kept = [];
  await pipeline(Readable.from(cut(bytes, 50_000)), through, async (chunks) => {
    for await (const chunk of chunks) kept.push(chunk);
  });
  const lines = bytes.toString().split('\n');
  const good = lines
    .filter((_, n) => !expected.some(([line, , valid]) => line === n + 1 && !valid))
    .join('\n');
  assert.equal(Buffer.concat(kept).toString(), good);
  assert.deepEqual(
    wrong,
    expected.filter(([, , valid]) => !valid).map(([line]) => line),
  );
  assert.throws(() => schema.toTransform({ onInvalid: 5 }), { option: 'onInvalid' });
  await assert.rejects(
    pipeline(
      Readable.from(['x\n']),
      schema.toTransform({
        onInvalid: () => {
          throw new Error('stop');
        },
      }),
      buffer,
    ),
    { message: 'stop' },
  );
});

test('the same for web streams', async () => {
  const { bytes } = text(5_000);
  const node = await buffer(Readable.from(cut(bytes, 9_999)).pipe(schema.toTransform()));
  const web = new Blob([bytes]).stream().pipeThrough(schema.toTransformStream());
  assert.equal(Buffer.from(await new Response(web).arrayBuffer()).equals(node), true);
});
