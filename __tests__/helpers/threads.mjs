/** Worker threads that run functions written in the test. */
import { Worker } from 'node:worker_threads';

/**
 * Starts a thread. `run(fn, ...args)` calls `fn(breakwater, kept, ...args)` there and gives back what it returns or resolves to;
 * `kept` is an object that the thread keeps between the calls. `fn` sees nothing of the file it stands in.
 */
export async function startThread() {
  const worker = new Worker(new URL('./thread.mjs', import.meta.url));
  const asked = new Map();
  let last = 0;
  const exited = new Promise((resolve) => worker.once('exit', resolve));
  const giveUp = (error) => {
    for (const { reject } of asked.values()) reject(error);
    asked.clear();
  };
  worker.on('message', ({ id, answer, error }) => {
    const question = asked.get(id);
    asked.delete(id);
    if (error === undefined) question?.resolve(answer);
    else question?.reject(Object.assign(new Error(error.message), { code: error.code }));
  });
  worker.on('error', giveUp);
  exited.then((code) => giveUp(new Error(`the thread ended with code ${code}`)));
  await new Promise((resolve, reject) => {
    worker.once('error', reject);
    worker.once('online', resolve);
  });
  return {
    worker,
    /** Resolves with the code when the thread has ended. */
    exited,
    run(fn, ...args) {
      return new Promise((resolve, reject) => {
        last += 1;
        asked.set(last, { resolve, reject });
        worker.postMessage({ id: last, source: fn.toString(), args });
      });
    },
    /** Lets the thread end by itself, and says with which code it did. */
    end() {
      worker.postMessage({ end: true });
      return exited;
    },
    /** Kills it at whatever it does. */
    async terminate() {
      await worker.terminate();
      return exited;
    },
  };
}

/** `count` threads, which `use` gets as an array; they are ended afterwards. */
export async function withThreads(count, use) {
  const threads = await Promise.all(Array.from({ length: count }, startThread));
  try {
    return await use(threads);
  } finally {
    await Promise.all(threads.map((thread) => thread.terminate()));
  }
}
