// Producers and consumers in threads of their own, and consumers that are killed at random instants: every message is delivered once,
// and those of one producer in their order. npm test runs it small, npm run torture in full.
import { BoundedQueue } from 'breakwater';
import { until } from '../helpers/promises.mjs';
import { startThread } from '../helpers/threads.mjs';

const PRODUCERS = 4;
const CONSUMERS = 4;

/** Messages are `producer * 2^28 + number`, as text. */
const EACH = 2 ** 28;

/** How many messages a consumer takes at once, for each way: so many may be delivered and not marked yet when it is killed. */
const BATCH = [1, 1, 50, 700];

/** Pushes `count` messages, waiting for room, some of them without. */
async function produce({ BoundedQueue }, _, options, producer, count) {
  const queue = new BoundedQueue(options);
  const wrap = (text) => (options.codec === 'bytes' ? new TextEncoder().encode(text) : text);
  for (let number = 0; number < count; number++) {
    const message = wrap(String(producer * 2 ** 28 + number));
    if (number % 64 > 0 && queue.tryPush(message)) continue;
    await queue.push(message);
  }
  queue.dispose();
  return count;
}

/**
 * Pops until the end in one of four ways, and marks each message in shared memory as soon as it has it: it may be killed between
 * the two, as it may at any other place. Whatever it gets again, or in a wrong order, it counts.
 */
function consume({ BoundedQueue }, _, options, way, batch, shared) {
  const queue = new BoundedQueue(options);
  const { marks, faults, count } = shared;
  const seen = new Uint8Array(marks);
  const wrong = new Int32Array(faults);
  const last = new Map();
  const decoder = new TextDecoder();
  const mark = (message) => {
    const text = options.codec === 'bytes' ? decoder.decode(message) : message;
    const id = Number(text);
    const [producer, number] = [Math.floor(id / 2 ** 28), id % 2 ** 28];
    if (Atomics.add(seen, producer * count + number, 1) !== 0) Atomics.add(wrong, 0, 1);
    // What came back from a killed consumer comes first again: it may be older than what this one has seen.
    if (number < (last.get(producer) ?? -1)) Atomics.add(wrong, 1, 1);
    last.set(producer, number);
  };
  const run = async () => {
    if (way === 0) {
      for await (const message of queue) mark(message);
    } else if (way === 1) {
      for (let message = await queue.pop(); message !== undefined; message = await queue.pop()) mark(message);
    } else {
      const options = way === 2 ? undefined : { lingerMs: 2 };
      for (;;) {
        const messages = await queue.popMany(batch[way], options);
        if (messages.length === 0) break;
        for (const message of messages) mark(message);
      }
    }
  };
  run().then(
    () => queue.dispose(),
    () => Atomics.add(wrong, 2, 1),
  );
}

/**
 * `count` messages of each producer through one queue, while `kills` consumers are killed and followed by others. What was
 * delivered and not marked yet when its consumer was killed is at most one message or one batch, and counts as delivered.
 */
export async function queueStorm({ count, kills, codec, capacity = 1_000, withinMs = 15, seed = 1, name }) {
  let state = seed;
  const random = () => {
    state = (Math.imul(state, 1_103_515_245) + 12_345) >>> 0;
    return state / 2 ** 32;
  };
  if (count > EACH) throw new Error('too many messages');
  const options = { name, capacity, overflow: 'wait', codec };
  const queue = new BoundedQueue(options);
  const shared = {
    marks: new SharedArrayBuffer(PRODUCERS * count),
    faults: new SharedArrayBuffer(16),
    count,
  };
  const wrong = new Int32Array(shared.faults);
  const producers = await Promise.all(Array.from({ length: PRODUCERS }, startThread));
  const consumers = await Promise.all(Array.from({ length: CONSUMERS }, startThread));
  let allowed = 0;
  try {
    const pushed = Promise.all(
      producers.map((thread, producer) => thread.run(produce, options, producer, count)),
    );
    await Promise.all(consumers.map((thread, way) => thread.run(consume, options, way, BATCH, shared)));
    for (let kill = 0; kill < kills; kill++) {
      await new Promise((resolve) => setTimeout(resolve, random() * withinMs));
      const way = Math.floor(random() * CONSUMERS);
      await consumers[way].terminate();
      allowed += BATCH[way];
      consumers[way] = await startThread();
      await consumers[way].run(consume, options, way, BATCH, shared);
    }
    await pushed;
    await queue.close();
    const { popped } = queue.snapshot();
    const seen = new Uint8Array(shared.marks);
    const all = PRODUCERS * count;
    const missing = () => seen.reduce((none, times) => none + (times === 0 ? 1 : 0), 0);
    // Delivered is not yet marked.
    await until(() => missing() === 0, 'all marks', 2_000).catch(() => {});
    return {
      messages: all,
      killed: kills,
      twice: Atomics.load(wrong, 0),
      outOfOrder: kills === 0 ? Atomics.load(wrong, 1) : 0,
      failed: Atomics.load(wrong, 2),
      uncounted: all - popped,
      lost: Math.max(0, missing() - allowed),
      unmarked: missing(),
    };
  } finally {
    await Promise.all([...producers, ...consumers].map((thread) => thread.terminate()));
    queue.dispose();
  }
}

const none = (figure, value) => ({ figure, value, must: '0', holds: value === 0 });

const figures = ({ messages, killed, twice, outOfOrder, failed, uncounted, lost, unmarked }) => [
  { figure: 'messages', value: messages },
  { figure: 'consumers killed', value: killed },
  none('delivered twice', twice),
  none('lost', lost),
  none('accepted and never popped', uncounted),
  none('out of order', outOfOrder),
  none('consumers that failed', failed),
  { figure: 'delivered, and not marked when their consumer was killed', value: unmarked },
];

export const sections = [
  {
    title: 'A queue between 4 producers and 4 consumers',
    what: '10,000,000 messages through a queue of 1,000 from 4 threads to 4 threads, each consumer in a way of its own: one by one, for await, batches, batches with a linger.',
    run: async () =>
      figures(await queueStorm({ count: 2_500_000, kills: 0, codec: 'string', name: 'storm:queue' })),
  },
  {
    title: 'Killed consumers of a queue',
    what: 'The same with 200 worker.terminate() of consumers at random instants, each followed by another: what they had not delivered goes to others.',
    run: async () =>
      figures(
        await queueStorm({
          count: 2_500_000,
          kills: 200,
          codec: 'bytes',
          name: 'storm:killed',
          withinMs: 100,
        }),
      ),
  },
];
