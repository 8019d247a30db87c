/** Nothing this package does may leave a rejection that nobody can handle. */
import assert from 'node:assert/strict';
import { after } from 'node:test';

/** Fails the file that calls it when a promise was rejected in it and nobody handled that. */
export function failOnUnhandledRejections() {
  const unhandled = [];
  process.on('unhandledRejection', (reason) => unhandled.push(reason));
  after(async () => {
    // The runtime says so after a turn of the event loop.
    for (let turn = 0; turn < 3; turn++) await new Promise((resolve) => setImmediate(resolve));
    assert.deepEqual(unhandled, []);
  });
}
