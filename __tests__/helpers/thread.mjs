// The other end of threads.mjs.
import { parentPort } from 'node:worker_threads';
import * as breakwater from 'breakwater';

const kept = {};

parentPort.on('message', async ({ id, source, args, end }) => {
  if (end) {
    parentPort.close();
    return;
  }
  try {
    const fn = new Function(`return (${source});`)();
    parentPort.postMessage({ id, answer: await fn(breakwater, kept, ...args) });
  } catch (error) {
    parentPort.postMessage({ id, error: { message: error?.message ?? String(error), code: error?.code } });
  }
});
