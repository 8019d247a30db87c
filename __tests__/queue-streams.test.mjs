// BoundedQueue as Node and web streams: one chunk for each message, backpressure both ways.
import assert from 'node:assert/strict';
import { PassThrough, Readable, Writable } from 'node:stream';
import { finished, pipeline } from 'node:stream/promises';
import { test } from 'node:test';
import { BoundedQueue, DisposedError, QueueClosedError } from 'breakwater';
import { until } from './helpers/promises.mjs';
import './helpers/rejections.mjs';

const of = (capacity, options) => new BoundedQueue({ capacity, ...options });
const turn = () => new Promise((resolve) => setImmediate(resolve));

test('a readable stream has every message, and ends with the queue', async () => {
  for (const codec of ['json', 'string', 'bytes']) {
    const queue = of(100, { codec });
    const values = codec === 'bytes' ? [new Uint8Array(3), new Uint8Array(0)] : ['one', '', 'two'];
    for (const value of values) queue.tryPush(value);
    const closed = queue.close();
    assert.deepEqual(await queue.toReadable().toArray(), values);
    await closed;
  }
});

test('a readable stream pops only what is read', async () => {
  const queue = of(100);
  for (let i = 0; i < 10; i++) queue.tryPush(i);
  const stream = queue.toReadable();
  await turn();
  assert.equal(queue.size, 10);
  const read = [];
  for await (const value of stream) {
    read.push(value);
    if (read.length === 3) break;
  }
  assert.deepEqual(read, [0, 1, 2]);
  // Node asks for the next chunk while it hands out one.
  assert.ok(queue.size >= 6, `${queue.size} left`);
});

test('a slow reader holds producers back through both streams', async () => {
  for (const overflow of ['wait', 'reject']) {
    const queue = of(4, { overflow });
    let produced = 0;
    const source = Readable.from(
      (function* () {
        for (; produced < 100; produced++) yield produced;
      })(),
      { highWaterMark: 1 },
    );
    const writing = pipeline(source, queue.toWritable());
    await until(() => queue.size === 4);
    for (let i = 0; i < 5; i++) await turn();
    assert.ok(produced <= 10, `${produced} were made for a queue of 4`);
    const got = [];
    const slow = new Writable({
      objectMode: true,
      highWaterMark: 1,
      write(value, _, done) {
        got.push(value);
        setImmediate(done);
      },
    });
    const reading = pipeline(queue.toReadable(), slow);
    await writing;
    await queue.close();
    await reading;
    assert.deepEqual(got, [...Array(100).keys()]);
  }
});

test('the end of a writable stream does not close the queue, and a closed queue fails the stream', async () => {
  const queue = of(10);
  const stream = queue.toWritable();
  stream.end('last');
  await finished(stream);
  assert.equal(queue.tryPop(), 'last');
  assert.equal(queue.tryPush('more'), true);
  await queue.close({ drain: false });
  const late = queue.toWritable();
  late.write('late');
  await assert.rejects(finished(late), QueueClosedError);
});

test('a stream that is destroyed gives up its wait, and leaves the queue as it is', async () => {
  const queue = of(1, { overflow: 'wait' });
  const readable = queue.toReadable();
  readable.on('data', () => assert.fail('nothing was pushed'));
  await until(() => queue.snapshot().waitingPops === 1);
  readable.destroy();
  await until(() => queue.snapshot().waitingPops === 0);
  queue.tryPush('full');
  const writable = queue.toWritable();
  writable.on('error', () => {});
  writable.write('waits');
  await until(() => queue.snapshot().waitingPushes === 1);
  writable.destroy();
  await until(() => queue.snapshot().waitingPushes === 0);
  assert.deepEqual(await queue.popMany(5), ['full']);
});

test('streams of a disposed queue fail', async () => {
  const queue = of(1);
  const stream = queue.toReadable();
  stream.resume();
  await until(() => queue.snapshot().waitingPops === 1);
  queue.dispose();
  await assert.rejects(finished(stream), DisposedError);
});

test('a message that is null fails a Node stream, which cannot carry it', async () => {
  const queue = of(1);
  queue.tryPush(null);
  await assert.rejects(queue.toReadable().toArray(), /null/);
});

test('bytes pass through a byte stream', async () => {
  const queue = of(10, { codec: 'bytes' });
  const through = new PassThrough();
  const reading = pipeline(queue.toReadable(), through);
  for (const text of ['one ', 'two ', 'three']) queue.tryPush(Buffer.from(text));
  const closed = queue.close();
  assert.equal(Buffer.concat(await through.toArray()).toString(), 'one two three');
  await Promise.all([reading, closed]);
});

test('a web stream pops only what is read, and closes with the queue', async () => {
  const queue = of(100);
  for (let i = 0; i < 5; i++) queue.tryPush(i);
  const reader = queue.toReadableStream().getReader();
  await turn();
  assert.equal(queue.size, 5);
  assert.deepEqual(await reader.read(), { value: 0, done: false });
  await turn();
  assert.equal(queue.size, 4);
  await reader.cancel();
  const stream = queue.toReadableStream();
  const closed = queue.close();
  const got = [];
  for await (const value of stream) got.push(value);
  assert.deepEqual(got, [1, 2, 3, 4]);
  await closed;
});

test('a web stream that is written to waits for room, and gives up when it is aborted', async () => {
  const queue = of(1);
  const writer = queue.toWritableStream().getWriter();
  await writer.write('first');
  const second = writer.write('second');
  await until(() => queue.snapshot().waitingPushes === 1);
  assert.equal(queue.tryPop(), 'first');
  await second;
  const third = writer.write('third');
  await until(() => queue.snapshot().waitingPushes === 1);
  const gone = assert.rejects(third, /enough/);
  await writer.abort(new Error('enough'));
  await gone;
  assert.equal(queue.snapshot().waitingPushes, 0);
  assert.deepEqual(await queue.popMany(5), ['second']);
});

test('a pending read of a web stream is given up when it is cancelled', async () => {
  const queue = of(1);
  const reader = queue.toReadableStream().getReader();
  const read = reader.read();
  await until(() => queue.snapshot().waitingPops === 1);
  await reader.cancel();
  assert.deepEqual(await read, { value: undefined, done: true });
  await until(() => queue.snapshot().waitingPops === 0);
});
