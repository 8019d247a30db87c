/**
 * Worker threads that answer questions. Whatever goes wrong in one (an exception, an early end) rejects what was asked of it and
 * `failure`, so that nothing waits for a thread that is gone.
 */
import { parentPort, Worker } from 'node:worker_threads';

/** Starts `file` as a worker thread and resolves when it is ready, with what it said it is. */
export async function startThread(file, data = {}) {
  const worker = new Worker(new URL(file, import.meta.url), { workerData: data });
  const waiting = new Map();
  let lastId = 0;
  let stopping = false;
  let terminated = false;
  let onNews = () => {};
  let fail;
  const failure = new Promise((_, reject) => {
    fail = (error) => {
      reject(error);
      for (const { reject: giveUp } of waiting.values()) giveUp(error);
      waiting.clear();
    };
  });
  failure.catch(() => {}); // Heard by those who ask; a thread nobody asks again must not end the process by itself.
  const exited = new Promise((resolve) => worker.once('exit', resolve));
  worker.once('error', fail);
  exited.then((code) => {
    if (!stopping || code !== 0) fail(new Error(`${file} ended early, with code ${code}`));
  });
  worker.on('message', ({ id, answer, error, news }) => {
    if (news) return onNews(news);
    const asked = waiting.get(id);
    waiting.delete(id);
    if (error) asked.reject(new Error(`${file}: ${error}`));
    else asked.resolve(answer);
  });

  function ask(question, details) {
    return new Promise((resolve, reject) => {
      lastId += 1;
      waiting.set(lastId, { resolve, reject });
      worker.postMessage({ id: lastId, question, details });
    });
  }

  const about = await Promise.race([ask('about'), failure]);
  return {
    about,
    /** Rejects when the thread breaks; never resolves. */
    failure,
    ask: (question, details) => Promise.race([ask(question, details), failure]),
    listen: (listener) => {
      onNews = listener;
    },
    /** Asks the thread to close what it opened and waits until it has ended by itself, if it has not been terminated. */
    async stop() {
      if (terminated) return;
      stopping = true;
      await Promise.race([ask('stop'), failure]);
      const code = await exited;
      if (code !== 0) throw new Error(`${file} ended with code ${code}`);
    },
    /** Ends it at once, whatever it is doing: when something else already broke, or to see what becomes of what it was doing. */
    terminate() {
      terminated = true;
      return worker.terminate();
    },
    isTerminated: () => terminated,
  };
}

/** In the thread: `answers` are functions by question; `stop` closes everything so that the thread ends by itself. */
export function answer(about, { stop, ...answers }) {
  const all = { about: () => about, stop, ...answers };
  parentPort.on('message', async ({ id, question, details }) => {
    try {
      const result = await all[question](details);
      parentPort.postMessage({ id, answer: result });
    } catch (error) {
      parentPort.postMessage({ id, error: error?.stack ?? String(error) });
    }
    if (question === 'stop') parentPort.close();
  });
}

/** In the thread: tells the one who started it, unasked. */
export function tell(news) {
  parentPort.postMessage({ news });
}
