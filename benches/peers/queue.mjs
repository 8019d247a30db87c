/**
 * Messages between two threads: how long one takes where 10,000 are under way, how long a single one takes there and back, and what a
 * million queued ones take. The other thread is a worker; this one consumes, and says when to start.
 *
 * The messages are made beforehand, and the last one of each round is looked at. A round of a peer is the same loop: post, receive,
 * count.
 */
import { setImmediate } from 'node:timers/promises';
import { isMainThread, MessageChannel, parentPort, Worker, workerData } from 'node:worker_threads';
import { now } from './calls.mjs';
import { BoundedQueue } from './ours.mjs';
import { collected, watchPauses } from './pauses.mjs';

const KB = 1024;

/** 64 messages of 1 KB that differ. */
const MESSAGES = {
  bytes: () => Array.from({ length: 64 }, (_, index) => new Uint8Array(KB).fill(index)),
  // Flat, as what is read from a socket is.
  string: () => Array.from({ length: 64 }, (_, index) => Buffer.alloc(KB, 48 + index).toString('latin1')),
  noop: () => [''],
};

const isLast = (message, codec) => (codec === 'bytes' ? message[0] === 63 : message.at(-1) === 'o');

const queue = (name, codec) =>
  new BoundedQueue({ name, codec: codec === 'noop' ? 'string' : codec, capacity: 100_000 });

/** In the worker: a round is so many messages, started by mail. */
const PRODUCE = {
  queue({ codec, control }) {
    const messages = MESSAGES[codec]();
    const out = queue('stream', codec);
    control.on('message', (count) => {
      for (let i = 0; i < count; i++) out.tryPush(messages[i & 63]);
    });
  },
  port({ codec, control, port }) {
    const messages = MESSAGES[codec]();
    control.on('message', (count) => {
      for (let i = 0; i < count; i++) port.postMessage(messages[i & 63]);
    });
  },
  async echoQueue({ codec }) {
    const [there, back] = [queue('there', codec), queue('back', codec)];
    for await (const message of there) back.tryPush(message);
  },
  async echoBatches({ codec }) {
    const [there, back] = [queue('there', codec), queue('back', codec)];
    for (let batch = await there.popMany(64); batch.length > 0; batch = await there.popMany(64)) {
      for (const message of batch) back.tryPush(message);
    }
  },
  echoPort({ port }) {
    port.on('message', (message) => port.postMessage(message));
  },
};

/** Starts the worker and answers a port for orders and, for a peer, one for messages. */
function start(what, codec) {
  const [control, data] = [new MessageChannel(), new MessageChannel()];
  const workerData = { what, codec, control: control.port2, port: data.port2 };
  const worker = new Worker(new URL(import.meta.url), {
    workerData,
    transferList: [control.port2, data.port2],
  });
  worker.on('error', (error) => {
    throw error;
  });
  return { orders: control.port1, port: data.port1 };
}

/** Rounds until they are steady, then some more: the time of one of `count`, in ns. */
async function rounds(round, count, quick) {
  const samples = [];
  const [warm, measured] = quick ? [1, 2] : [30, 40];
  let cpu = process.cpuUsage();
  let wallNs = now();
  for (let index = 0; index < warm + measured; index++) {
    if (index === warm) {
      cpu = process.cpuUsage();
      wallNs = now();
    }
    const from = now();
    await round(count);
    if (index >= warm) samples.push((now() - from) / count);
    await setImmediate();
  }
  wallNs = now() - wallNs;
  cpu = process.cpuUsage(cpu);
  samples.sort((a, b) => a - b);
  const cpuNs = (cpu.user + cpu.system) * 1e3;
  const figure = (ns) => Number(ns.toPrecision(4));
  return {
    ns: figure(samples[(samples.length - 1) >> 1]),
    best: figure(samples[0]),
    cpuNs: figure(cpuNs / measured / count),
    cpuShare: figure(cpuNs / wallNs),
  };
}

const ROUND = 10_000;

/** `receive(count)` answers the last of so many messages. */
function stream(codec, what, open) {
  return async ({ quick }) => {
    const { orders, port } = start(what, codec);
    const receive = await open({ codec, port });
    // Ends on the last of the 64.
    const count = quick ? 128 : ROUND - (ROUND % 64);
    return rounds(
      async (count) => {
        const last = receive(count);
        orders.postMessage(count);
        if (!isLast(await last, codec)) throw new Error('not the last message');
      },
      count,
      quick,
    );
  };
}

const RECEIVE = {
  batches({ codec }) {
    const all = queue('stream', codec);
    return async (count) => {
      let last;
      for (let left = count; left > 0; ) {
        const batch = await all.popMany(64);
        left -= batch.length;
        last = batch.at(-1);
      }
      return last;
    };
  },
  each({ codec }) {
    const all = queue('stream', codec)[Symbol.asyncIterator]();
    return async (count) => {
      let last;
      for (let left = count; left > 0; left--) last = (await all.next()).value;
      return last;
    };
  },
  port({ port }) {
    let left = 0;
    let done;
    port.on('message', (message) => {
      left -= 1;
      if (left === 0) done(message);
    });
    return (count) => {
      left = count;
      return new Promise((settle) => {
        done = settle;
      });
    };
  },
};

/** There and back, one after another. */
function roundTrip(codec, what, open) {
  return async ({ quick }) => {
    const { port } = start(what, codec);
    const call = await open({ codec, port });
    const [message] = MESSAGES[codec]();
    return rounds(
      async (count) => {
        for (let left = count; left > 0; left--) await call(message);
      },
      quick ? 3 : 1_000,
      quick,
    );
  };
}

/** There and back, `count` at a time. */
function volley(codec, what, open) {
  return async ({ quick }) => {
    const { port } = start(what, codec);
    const calls = await open({ codec, port });
    const [message] = MESSAGES[codec]();
    return rounds((count) => calls(message, count), quick ? 3 : 1_000, quick);
  };
}

const CALL = {
  queue({ codec }) {
    const [there, back] = [queue('there', codec), queue('back', codec)];
    return (message) => {
      there.tryPush(message);
      return back.pop();
    };
  },
  port({ port }) {
    let done;
    port.on('message', (message) => done(message));
    return (message) => {
      port.postMessage(message);
      return new Promise((settle) => {
        done = settle;
      });
    };
  },
  async piscina() {
    const pool = await noopPool();
    return () => pool.run();
  },
};

const CALLS = {
  queue({ codec }) {
    const [there, back] = [queue('there', codec), queue('back', codec)];
    return async (message, count) => {
      for (let left = count; left > 0; left--) there.tryPush(message);
      for (let left = count; left > 0; ) left -= (await back.popMany(64)).length;
    };
  },
  async piscina() {
    const pool = await noopPool();
    return (_message, count) => Promise.all(Array.from({ length: count }, () => pool.run()));
  },
};

async function noopPool() {
  const { default: Piscina } = await import('piscina');
  const filename = new URL('noop.mjs', import.meta.url).href;
  const pool = new Piscina({ filename, minThreads: 1, maxThreads: 1, concurrentTasksPerWorker: 64 });
  await pool.run();
  return pool;
}

const MILLION = 1_000_000;

/** A million queued messages: resident memory beyond them, and the longest collection while they are pushed and popped. */
function queued(codec) {
  return async ({ quick }) => {
    const count = quick ? 1_000 : MILLION;
    const messages = MESSAGES[codec]();
    const all = new BoundedQueue({ codec, capacity: count });
    const fill = async (count) => {
      for (let i = 0; i < count; i++) {
        all.tryPush(messages[i & 63]);
        if ((i & 0x3fff) === 0) await setImmediate();
      }
    };
    await fill(1_000);
    await all.popMany(1_000);
    await collected();
    const before = process.memoryUsage().rss;
    const pauses = await watchPauses();
    await fill(count);
    const rss = process.memoryUsage().rss - before;
    for (let left = count, turn = 1; left > 0; turn++) {
      left -= (await all.popMany(64)).length;
      if ((turn & 0xff) === 0) await setImmediate();
    }
    const longestGcMs = await pauses();
    await collected();
    return {
      messages: count,
      rssPerMessage: rss / count,
      rssToAllowed: rss / count / (KB + 64),
      rssAfterPerMessage: (process.memoryUsage().rss - before) / count,
      longestGcMs,
    };
  };
}

export const benches = {};
for (const codec of ['bytes', 'string']) {
  benches[`queue/stream/${codec}-1k`] = {
    breakwater: stream(codec, 'queue', RECEIVE.batches),
    'breakwater, one by one': stream(codec, 'queue', RECEIVE.each),
    MessagePort: stream(codec, 'port', RECEIVE.port),
  };
  benches[`queue/roundTrip/${codec}-1k`] = {
    breakwater: roundTrip(codec, 'echoQueue', CALL.queue),
    MessagePort: roundTrip(codec, 'echoPort', CALL.port),
  };
  benches[`memory/queued/1m-${codec}-1k`] = { breakwater: queued(codec) };
}
benches['queue/roundTrip/noop'] = {
  breakwater: roundTrip('noop', 'echoQueue', CALL.queue),
  piscina: roundTrip('noop', 'echoPort', CALL.piscina),
};
benches['queue/volley/noop-1k'] = {
  breakwater: volley('noop', 'echoBatches', CALLS.queue),
  piscina: volley('noop', 'echoPort', CALLS.piscina),
};

if (!isMainThread && workerData?.what in PRODUCE) {
  PRODUCE[workerData.what](workerData);
  // The case ends the process.
  parentPort?.ref();
}
