// What documents leave in memory, beyond their text. Each in a process of its own, which is measured from outside the young generation.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { runScript } from './helpers/processes.mjs';

/** Megabytes that `source` leaves: it has a Schema for all documents, and dense ones, which take 14 to 32 times their text once read. */
async function megabytes(source) {
  const script = `
    import { Schema } from 'breakwater';
    import { residentMegabytes } from './__tests__/helpers/memory.mjs';
    const schema = new Schema(true, { maxBytes: 2 ** 28 });
    const dense = (mb) => Buffer.from('[' + '[[[[]]]],'.repeat((mb * 2 ** 20) / 9) + '0]');
    const million = dense(1);
    for (const each of ['isValid', 'open', 'validateAsync', 'openAsync']) await schema[each](million);
    let before = await residentMegabytes();
    ${source}
    console.log((await residentMegabytes()) - before);`;
  const { stdout, stderr } = await runScript(script, { env: { NODE_OPTIONS: '--max-semi-space-size=1' } });
  assert.match(stdout, /^-?[\d.]+\n$/, stderr);
  return Number(stdout);
}

const check = (left, bound) => assert.ok(left < bound, `${left} MB`);

test('documents that wait for a busy loop hold their text, and no more', async () => {
  // The loop is held up on purpose, in real time: meanwhile the pool validates what it was given.
  const left = await megabytes(`
    const asked = ['validateAsync', 'openAsync'].flatMap((each) => Array.from({ length: 60 }, () => schema[each](million)));
    for (const until = Date.now() + 2_000; Date.now() < until; );
    const held = process.memoryUsage.rss() / 1e6 - before;
    if ((await Promise.all(asked)).some((answer) => answer.valid === false)) throw new Error('is not valid');
    before -= held - (await residentMegabytes() - before);`);
  // As many opened ones as fit into the bound of 256 MiB wait with what was read of them.
  check(left, 420);
});

test('a huge document leaves no memory behind, valid or not, at once or beside the loop', async () => {
  const left = await megabytes(`
    const huge = dense(16);
    before += 17;
    schema.isValid(huge);
    schema.validate(huge.subarray(0, -1));
    try { schema.open(huge.subarray(0, -1)); } catch {}
    await Promise.all(Array.from({ length: 4 }, () => schema.validateAsync(huge)));
    for await (const line of schema.validateLines(huge)) if (!line.valid) throw new Error('is not valid');`);
  check(left, 90);
});

test('opened documents are kept by what they take, not by their text', async () => {
  const left = await megabytes(`
    for (let n = 0; n < 16; n++) schema.open('[]');
    before = await residentMegabytes();
    const opened = Array.from({ length: 8 }, () => schema.open(dense(0.45)));
    if (opened.some((document) => document.get('/0') === undefined)) throw new Error('is not there');`);
  check(left, 30);
});
