// A worker that takes a message and never delivers it: what a thread that is killed in that instant leaves. The facade leaves no such
// instant for a test to meet, so this calls the binding itself.
import { createRequire } from 'node:module';
import { parentPort, workerData } from 'node:worker_threads';

const require = createRequire(new URL('../../package.json', import.meta.url));
const { host } = require('./dist/host.js');
const { id, native } = host();
const { functions } = native.findQueue(id, workerData.name);
parentPort.postMessage(
  Array.from({ length: workerData.times }, (_, i) => functions.takeText(1, i === 0 ? -1 : -2)),
);
// It goes on until it is killed.
setInterval(() => {}, 1_000);
