/** Importing this fails a test file in which a promise was rejected and nobody heard of it. */
import assert from 'node:assert/strict';
import { after } from 'node:test';

const unheard = [];
process.on('unhandledRejection', (reason) => unheard.push(reason));

after(async () => {
  // The runtimes say it after the turn in which the promise was rejected.
  for (let i = 0; i < 3; i++) await new Promise((resolve) => setTimeout(resolve, 1));
  assert.deepEqual(unheard, [], 'promises rejected without anyone hearing of it');
});
