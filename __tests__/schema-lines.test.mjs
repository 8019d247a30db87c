// NDJSON: the verdict of each line, in order, wherever chunks end.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { availableParallelism } from 'node:os';
import { Readable } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import { pipeline } from 'node:stream/promises';
import { test } from 'node:test';
import { setTimeout } from 'node:timers/promises';
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

test('only what JSON has for space makes an empty line: nothing else passes as one', async () => {
  for (const blank of ['\f', '\v', ' \f ', '\u00a0', '\ufeff', '\0']) {
    const [verdict] = await all(`${blank}\n{"id":1}`);
    assert.deepEqual([verdict.line, verdict.reason], [1, 'syntax'], JSON.stringify(blank));
  }
  assert.deepEqual(plain(await all(' \t \r\n{"id":1}\r\n')), [[2, 5, true]]);
  const wrong = [];
  const through = schema.toTransform({ onInvalid: ({ line }) => wrong.push(line) });
  const kept = pipeline(Readable.from(['\f\n{"id":1}\n']), through, buffer);
  assert.equal((await kept).toString(), '{"id":1}\n');
  assert.deepEqual(wrong, [1]);
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

test('lines whose verdicts take more room than they do are read as slowly as they are told', async () => {
  const read = async (line) => {
    let chunks = 0;
    function* source() {
      for (; chunks < 400; chunks += 1) yield Buffer.from(line.repeat(32_768 / line.length));
    }
    const verdicts = schema.validateLines(source());
    await verdicts.next();
    await setTimeout(50);
    const most = chunks;
    await verdicts.return();
    return most;
  };
  // Two blocks for each core, and the one that has no room.
  assert.ok((await read('1\n')) <= 2 * availableParallelism() + 1);
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

/** A source that goes on when it is told to. */
function stepwise() {
  const steps = [];
  let wake;
  const source = (async function* () {
    for (;;) {
      while (steps.length === 0)
        await new Promise((resolve) => {
          wake = resolve;
        });
      yield steps.shift();
    }
  })();
  return {
    source,
    push: (chunk) => {
      steps.push(chunk);
      wake?.();
    },
  };
}

test('a verdict does not wait for lines that have not come', async () => {
  const { source, push } = stepwise();
  const verdicts = schema.validateLines(source);
  for (let line = 1; line <= 5; line++) {
    push(`{"id":${line}}\n`);
    const { value } = await verdicts.next();
    assert.deepEqual([value.line, value.valid], [line, true]);
  }
  const waiting = verdicts.next();
  // The source is silent: who has enough does not wait for it.
  assert.deepEqual(await verdicts.return(), { value: undefined, done: true });
  assert.equal((await waiting).done, true);
});

test('who has enough while a stream is silent ends the stream', async () => {
  const stream = new Readable({ read() {} });
  stream.push('{"id":1}\n');
  for await (const { line } of schema.validateLines(stream)) if (line === 1) break;
  assert.equal(stream.destroyed, true);

  let reason;
  const web = new ReadableStream({
    start: (controller) => controller.enqueue('{"id":1}\n'),
    cancel: (why) => {
      reason = why;
    },
  });
  const verdicts = schema.validateLines(web);
  assert.equal((await verdicts.next()).value.line, 1);
  await assert.rejects(verdicts.throw(new Error('enough')), { message: 'enough' });
  assert.equal(reason.message, 'enough');
});

test('what was read before a source failed has its verdicts', async () => {
  async function* broken() {
    yield '{"id":1}\n{"id":2}\n';
    yield '{"id":"x"}\n{"id"';
    throw new Error('disk');
  }
  const told = [];
  await assert.rejects(
    async () => {
      for await (const { line, valid } of schema.validateLines(broken())) told.push([line, valid]);
    },
    { message: 'disk' },
  );
  assert.deepEqual(told, [
    [1, true],
    [2, true],
    [3, false],
  ]);
});

test('half a character is in no valid line, and one that is cut in two is whole', async () => {
  const any = new Schema(true);
  const verdicts = await all(['"\ud83d', '\ude00"\n"', 'a\ud83d"\n', '"\ud83d\ude00"'], any);
  assert.deepEqual(plain(verdicts), [
    [1, 0, true],
    [2, 7, false],
    [3, 14, true],
  ]);
  assert.equal(verdicts[1].reason, 'syntax');
  assert.deepEqual(plain(await all(['"\ud83d', Buffer.from('"\n1\n')], any)), [
    [1, 0, false],
    [2, 6, true],
  ]);
  assert.deepEqual(plain(await all('1\n"\ud83d', any)), [
    [1, 0, true],
    [2, 2, false],
  ]);
});

test('memory of a chunk may be read into again once the next one is asked for', async () => {
  const lines = Array.from({ length: 200 }, (_, n) => `{"id":${n % 7 === 3 ? '"x"' : 1_000 + n}}\n`);
  const memory = Buffer.alloc(13);
  function* reading() {
    const bytes = Buffer.from(lines.join(''));
    for (let at = 0; at < bytes.length; at += memory.length) {
      memory.fill(0);
      yield memory.subarray(0, bytes.copy(memory, 0, at));
    }
  }
  const wrong = (await all(reading())).filter(({ valid }) => !valid);
  assert.deepEqual(
    wrong.map(({ line }) => line),
    lines.flatMap((line, n) => (line.includes('x') ? [n + 1] : [])),
  );
  const through = schema.toTransform();
  const kept = buffer(through);
  for (const chunk of reading()) await new Promise((resolve) => through.write(Buffer.from(chunk), resolve));
  through.end();
  assert.equal((await kept).toString(), lines.filter((line) => !line.includes('x')).join(''));
});

test('an error of the source reaches who reads', async () => {
  async function* broken() {
    yield '{"id":1}\n';
    throw new Error('disk');
  }
  await assert.rejects(all(broken()), { message: 'disk' });
  await assert.rejects(all([5]), { code: 'ERR_INVALID_OPTION', option: 'source' });
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

test('what ends a transform ends it for its own reason', async () => {
  const { bytes } = text(3_000);
  const mine = new Error('mine');
  const endless = () =>
    Readable.from(
      (function* () {
        for (;;) yield bytes;
      })(),
    );
  const failing = (onInvalid) => pipeline(endless(), schema.toTransform({ onInvalid }), buffer);
  await assert.rejects(
    failing(() => {
      throw mine;
    }),
    mine,
  );
  await assert.rejects(
    failing(() => Promise.reject(mine)),
    mine,
  );
  const own = new Schema(true);
  own.dispose();
  await assert.rejects(pipeline(endless(), own.toTransform(), buffer), { code: 'ERR_DISPOSED' });

  const through = schema.toTransform();
  through.on('error', (error) => assert.fail(error));
  through.write('{"id":1}\n');
  await new Promise((resolve) => through.on('close', resolve).destroy());
});

test('a transform passes on what it has, and holds back who is too fast', async () => {
  const through = schema.toTransform();
  through.write('{"id":1}\n{"id":');
  const [first] = await once(through, 'data');
  assert.equal(first.toString(), '{"id":1}\n');
  through.destroy();

  const line = Buffer.from(`{"id":1,"x":"${'x'.repeat(1_000)}"}\n`.repeat(1_000));
  let read = 0;
  const source = Readable.from(
    (function* () {
      for (;;) {
        read += 1;
        yield line;
      }
    })(),
  );
  const slow = source.pipe(schema.toTransform());
  await once(slow, 'readable');
  await setTimeout(100);
  assert.ok(read < 100, `${read} chunks`);
  source.destroy();
  slow.destroy();
});

test('what ends one web stream of a transform ends the other, for the same reason', async () => {
  const enough = new Error('enough');
  {
    const { readable, writable } = schema.toTransformStream();
    const writer = writable.getWriter();
    await readable.cancel(enough);
    await assert.rejects(writer.write('1\n'), enough);
    await assert.rejects(writer.closed, enough);
  }
  {
    const { readable, writable } = schema.toTransformStream();
    const reader = readable.getReader();
    const waiting = reader.read();
    const writer = writable.getWriter();
    await writer.write('{"id":1}\n');
    assert.equal(Buffer.from((await waiting).value).toString(), '{"id":1}\n');
    const silent = reader.read();
    await reader.cancel(enough);
    assert.equal((await silent).done, true);
    await assert.rejects(writer.closed, enough);
  }
  {
    const { readable, writable } = schema.toTransformStream();
    const reader = readable.getReader();
    const waiting = reader.read();
    await writable.abort(enough);
    await assert.rejects(waiting, enough);
  }
  {
    const onInvalid = () => {
      throw enough;
    };
    const { readable, writable } = schema.toTransformStream({ onInvalid });
    const writer = writable.getWriter();
    writer.write('{}\n').catch(() => {});
    const closed = assert.rejects(writer.closed, enough);
    await assert.rejects(readable.getReader().read(), enough);
    await closed;
  }
  {
    const { readable, writable } = schema.toTransformStream();
    const waiting = readable.getReader().read();
    const expected = { code: 'ERR_INVALID_OPTION', option: 'source' };
    await assert.rejects(writable.getWriter().write(5), expected);
    await assert.rejects(waiting, expected);
  }
});
