// Documents validated beside the event loop: verdicts, aborts, bounds, threads that end.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { DisposedError, QueueFullError, Schema, ValidationError } from 'breakwater';
import { runScript } from './helpers/processes.mjs';
import './helpers/rejections.mjs';
import { startThread } from './helpers/threads.mjs';

const ITEMS = { type: 'object', required: ['items'], properties: { items: { items: { type: 'integer' } } } };
/** Long enough not to be done at once. */
const long = (last = 1) => JSON.stringify({ items: [...Array.from({ length: 20_000 }, (_, n) => n), last] });

test('what is short and what is long have the same verdicts, by bytes and by strings', async () => {
  const schema = new Schema(ITEMS);
  for (const [text, valid] of [
    ['{"items":[1]}', true],
    ['{"items":["1"]}', false],
    [long(), true],
    [long('x'), false],
    [long().slice(0, -1), false],
  ]) {
    for (const document of [text, Buffer.from(text)]) {
      assert.deepEqual(await schema.validateAsync(document), schema.validate(document));
      if (valid) {
        assert.deepEqual(await schema.parseAsync(document), JSON.parse(text));
        assert.equal((await schema.openAsync(document)).get('/items/0'), JSON.parse(text).items[0]);
      } else {
        await assert.rejects(schema.parseAsync(document), ValidationError);
        await assert.rejects(schema.openAsync(document), ValidationError);
      }
    }
  }
});

test('errors are rejections, never thrown', async () => {
  const schema = new Schema(ITEMS, { maxBytes: 50_000 });
  for (const call of ['validateAsync', 'parseAsync', 'openAsync']) {
    await assert.rejects(schema[call](5), { code: 'ERR_INVALID_OPTION', option: 'document' });
    await assert.rejects(schema[call](Array.from({ length: 20_000 })), { code: 'ERR_INVALID_OPTION' });
    await assert.rejects(schema[call](long(), { signal: 5 }), { option: 'signal' });
    await assert.rejects(schema[call](long(), { timeout: 5 }), { option: 'timeout' });
  }
  assert.equal((await schema.validateAsync(long())).errors[0].keyword, 'maxBytes');
  assert.equal((await schema.validateAsync(`"${'\ud800'.repeat(16_400)}"`)).reason, 'syntax');
  schema.dispose();
  await assert.rejects(schema.validateAsync(long()), DisposedError);
  await assert.rejects(schema.validateAsync('1'), DisposedError);
});

test('what is changed right after the call does not change the verdict', async () => {
  const schema = new Schema(ITEMS);
  const bytes = Buffer.from(long());
  const asked = schema.validateAsync(bytes);
  bytes.fill(0);
  assert.deepEqual(await asked, { valid: true });
});

test('an abort rejects in the same turn with its own reason, before and after the call', async () => {
  const schema = new Schema(ITEMS);
  const reason = new Error('enough');
  await assert.rejects(schema.validateAsync(long(), { signal: AbortSignal.abort(reason) }), reason);
  await assert.rejects(schema.validateAsync('{}', { signal: AbortSignal.abort(reason) }), reason);
  const controller = new AbortController();
  const asked = schema.validateAsync(long(), { signal: controller.signal });
  controller.abort(reason);
  await assert.rejects(asked, reason);
  assert.deepEqual(await schema.validateAsync(long()), { valid: true });
});

test('a schema that is disposed meanwhile still answers what it was asked', async () => {
  const schema = new Schema(ITEMS);
  const asked = [schema.validateAsync(long()), schema.parseAsync(long())];
  schema.dispose();
  const [verdict, value] = await Promise.all(asked);
  assert.equal(verdict.valid, true);
  assert.equal(value.items.length, 20_001);
});

test('more than may wait is refused, and the rest is answered', async () => {
  const schema = new Schema(ITEMS, { maxBytes: 2 ** 24 });
  const large = Buffer.from(JSON.stringify({ items: Array.from({ length: 1_000_000 }, (_, n) => n) }));
  const settled = await Promise.allSettled(Array.from({ length: 200 }, () => schema.validateAsync(large)));
  const refused = settled.filter(({ reason }) => reason instanceof QueueFullError);
  const valid = settled.filter(({ value }) => value?.valid);
  assert.ok(refused.length > 0 && valid.length > 10, `${refused.length} refused, ${valid.length} valid`);
  assert.equal(refused.length + valid.length, 200);
  assert.deepEqual([refused[0].reason.code, refused[0].reason.kind], ['ERR_QUEUE_FULL', 'schema']);
  assert.equal((await schema.validateAsync(large)).valid, true);
});

test('a thread that ends while its documents are validated takes nobody with it', async () => {
  for (let round = 0; round < 10; round++) {
    const thread = await startThread();
    await thread.run(async ({ Schema }, kept, text) => {
      kept.schema = new Schema({ items: true });
      for (let n = 0; n < 20; n++) kept.schema.validateAsync(text);
    }, long());
    await thread.worker.terminate();
  }
  assert.equal((await new Schema(ITEMS).validateAsync(long())).valid, true);
});

test('a process stays for its answers, and ends when it wants to', async () => {
  const start = `import { Schema } from 'breakwater';
    const schema = new Schema(true);
    const text = JSON.stringify(Array.from({ length: 200_000 }, (_, n) => n));`;
  const stays = await runScript(
    `${start} schema.validateAsync(text, {}).then(({ valid }) => console.log(valid));`,
  );
  assert.deepEqual([stays.code, stays.stdout.trim()], [0, 'false']);
  const ends = await runScript(
    `${start} for (let n = 0; n < 50; n++) schema.validateAsync(text.slice(0, 900_000)); process.exit(7);`,
  );
  assert.deepEqual([ends.code, ends.stderr], [7, '']);
});

/** Each takes a core so long that a hundred of them take seconds. */
const SLOW = { allOf: Array.from({ length: 30 }, (_, n) => ({ items: { minimum: -n } })) };
const slow = () => Buffer.from(JSON.stringify(Array.from({ length: 200_000 }, () => 1)));

/** How long one document takes that is asked after `crowd`: real time, as that is what its user waits for. */
async function after(crowd) {
  await crowd();
  const start = performance.now();
  assert.equal((await new Schema(ITEMS).validateAsync(long())).valid, true);
  return performance.now() - start;
}

test('what was aborted is not validated before what is wanted', async () => {
  const schema = new Schema(SLOW);
  const text = slow();
  const took = await after(async () => {
    const controller = new AbortController();
    const asked = Array.from({ length: 200 }, () =>
      schema.validateAsync(text, { signal: controller.signal }),
    );
    controller.abort();
    for (const { status } of await Promise.allSettled(asked)) assert.equal(status, 'rejected');
  });
  assert.ok(took < 1_000, `took ${took} ms`);
});

test('what a thread asked that has ended is not validated before what is wanted', async () => {
  const took = await after(async () => {
    const thread = await startThread();
    await thread.run(
      async ({ Schema }, kept, [schema, text]) => {
        kept.schema = new Schema(schema);
        for (let n = 0; n < 200; n++) kept.schema.validateAsync(text);
      },
      [SLOW, slow()],
    );
    await thread.worker.terminate();
  });
  assert.ok(took < 1_000, `took ${took} ms`);
});
