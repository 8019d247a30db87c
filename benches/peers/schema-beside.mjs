/**
 * What Schema does beside the event loop.
 *
 * - `beside/schema/order-1m`: orders of 1 MB are validated back to back for two seconds, and a timer of 1 ms is looked at meanwhile:
 *   how late it is.
 * - `lines/schema/order-1k`: NDJSON of 32 MB, as many bytes a second as come through.
 *
 * Each contestant may use all cores, in a process of its own; ours also on one (by `taskset`, where there is that).
 */
import { execFileSync } from 'node:child_process';
import { cpus } from 'node:os';
import { setImmediate } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { now } from './calls.mjs';
import { Schema } from './ours.mjs';
import { workload } from './schema-corpus.mjs';
import { ajv } from './schema-peers.mjs';

const HERE = fileURLToPath(import.meta.url);
const AJV = 'JSON.parse and ajv';
const SPAN_MS = 2_000;
const LINES_BYTES = 32 * 2 ** 20;

/** How late timers of 1 ms were, in ms, while `work` was done again and again. */
async function lateness(work, spanMs) {
  const late = [];
  let done = false;
  let timer;
  const arm = () => {
    const due = now() + 1e6;
    timer = setTimeout(() => {
      late.push((now() - due) / 1e6);
      if (!done) arm();
    }, 1);
  };
  arm();
  let documents = 0;
  for (const end = now() + spanMs * 1e6; now() < end; documents++) {
    await work(documents);
    // Whoever validates on the loop lets it turn between two bodies, as requests do.
    await setImmediate();
  }
  done = true;
  clearTimeout(timer);
  late.sort((a, b) => a - b);
  const at = (share) => late[Math.min(late.length - 1, Math.floor(share * late.length))] ?? 0;
  return {
    lateP50Ms: at(0.5),
    lateP99Ms: at(0.99),
    documentsPerSecond: Math.round((documents * 1_000) / spanMs),
  };
}

const timers = (open) => async (options) => {
  const { documents, ...work } = workload('order-1m', options);
  const call = await open(work);
  const one = async (at) => {
    if ((await call(documents[at % documents.length].bytes)) !== true)
      throw new Error('an order is not valid');
  };
  await lateness(one, options.quick ? 50 : SPAN_MS / 4);
  return lateness(one, options.quick ? 100 : SPAN_MS);
};

const LATE = {
  breakwater: timers(({ schema, formats }) => {
    const own = new Schema(schema, { formats, maxBytes: 2 ** 24 });
    return async (bytes) => (await own.validateAsync(bytes)).valid;
  }),
  [AJV]: timers(async (work) => {
    const validate = await ajv(work);
    return (bytes) => validate(JSON.parse(bytes.toString()));
  }),
};

/** NDJSON of orders, in chunks as a file gives them. */
function* ndjson(bytes, options) {
  const { documents } = workload('order-1k', options);
  const block = Buffer.concat(documents.flatMap(({ bytes }) => [bytes, Buffer.from('\n')]));
  for (let sent = 0; sent < bytes; sent += block.length) {
    for (let at = 0; at < block.length; at += 65_536) yield block.subarray(at, at + 65_536);
  }
}

const LINES = {
  async breakwater(options, bytes) {
    const { schema, formats } = workload('order-1k', options);
    let lines = 0;
    for await (const { valid } of new Schema(schema, { formats }).validateLines(ndjson(bytes, options))) {
      if (valid) lines += 1;
    }
    return lines;
  },
  async [AJV](options, bytes) {
    const { schema, formats } = workload('order-1k', options);
    const validate = await ajv({ schema, formats });
    let lines = 0;
    let rest = '';
    for (const chunk of ndjson(bytes, options)) {
      const texts = (rest + chunk.toString('latin1')).split('\n');
      rest = texts.pop();
      for (const text of texts) if (validate(JSON.parse(Buffer.from(text, 'latin1').toString()))) lines += 1;
      await setImmediate();
    }
    return lines;
  },
};

const throughput = (read) => async (options) => {
  const bytes = options.quick ? 2 ** 16 : LINES_BYTES;
  await read(options, bytes / 4);
  const start = now();
  const lines = await read(options, bytes);
  const ns = now() - start;
  return { nsPerLine: ns / lines, mbPerSecond: (bytes / ns) * 1e3 };
};

const WORK = {
  late: LATE,
  lines: { breakwater: throughput(LINES.breakwater), [AJV]: throughput(LINES[AJV]) },
};

/** The runner has this process on one core: what is measured says itself where it runs. */
const ALL = `0-${cpus().length - 1}`;
const isLinux = process.platform === 'linux';
const on = (cores, what, name) => (options) => {
  const command = isLinux ? ['taskset', '-c', cores] : [];
  const script = [process.execPath, ...process.execArgv, HERE, what, name, options.quick ? 'quick' : 'full'];
  const [program, ...args] = [...command, ...script];
  return JSON.parse(execFileSync(program, args, { stdio: ['ignore', 'pipe', 'inherit'] }));
};
const contestants = (what) => ({
  breakwater: on(ALL, what, 'breakwater'),
  ...(isLinux && { 'breakwater, one core': on('0', what, 'breakwater') }),
  [AJV]: on(ALL, what, AJV),
});

export const benches = {
  'beside/schema/order-1m': contestants('late'),
  'lines/schema/order-1k': contestants('lines'),
};

if (process.argv[1] === HERE) {
  const [, , what, name, size] = process.argv;
  process.stdout.write(JSON.stringify(await WORK[what][name]({ quick: size === 'quick' })));
  process.exit(0);
}
