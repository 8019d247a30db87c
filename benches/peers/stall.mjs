/**
 * The longest call while a million keys come for the first time. The scheduler alone makes calls of 20 ms on a busy machine, but not
 * at the same call each time: so five identical runs, each in a process of its own, and for every call the shortest of the
 * five. What remains is the library's own. Keys are built outside the time taken, and the calls are warm before: another
 * instance has met some keys, and this one a single key, so that compiling the code is not counted.
 */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setImmediate } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { now } from './calls.mjs';
import { RateLimiter } from './ours.mjs';
import { PEERS } from './peers.mjs';

const LIMIT = { limit: 100, windowMs: 3_600_000 };
const RUNS = 5;
const WARM_UP = 50_000;

const OPEN = {
  breakwater(count) {
    const limiter = new RateLimiter({ limits: LIMIT, maxKeys: count });
    return (key) => limiter.tryAcquire(key);
  },
  'a bare Map from key to number'() {
    const map = new Map();
    return (key) => map.set(key, 1);
  },
};
for (const [name, { open }] of Object.entries(PEERS)) {
  OPEN[name] = async (count) => (await open({ ...LIMIT, maxKeys: count })).take;
}

/** One run: the time of each call, in ns. */
async function times(name, count) {
  await fill(await OPEN[name](WARM_UP), WARM_UP);
  const take = await OPEN[name](count);
  await fill(() => take('one key'), WARM_UP);
  return fill(take, count);
}

async function fill(take, count) {
  const times = new Float32Array(count);
  for (let id = 0; id < count; id++) {
    const key = `user:${id}`;
    const start = now();
    const answer = take(key);
    // A refusal, too: the single key of the warm-up is asked more often than it may.
    if (answer instanceof Promise) await answer.catch(() => {});
    times[id] = now() - start;
    if ((id & 0x3fff) === 0) await setImmediate();
  }
  return times;
}

/** The shortest of the runs for every call: of `script name count file` runs that write the time of each call. */
function shortest(script, name, count) {
  const folder = mkdtempSync(join(tmpdir(), 'breakwater-stall-'));
  try {
    let least;
    for (let run = 0; run < RUNS; run++) {
      const file = join(folder, String(run));
      const args = [...process.execArgv, script, name, String(count), file];
      execFileSync(process.execPath, args, { stdio: ['ignore', 'ignore', 'inherit'] });
      const { buffer, byteOffset, byteLength } = readFileSync(file);
      const times = new Float32Array(buffer.slice(byteOffset, byteOffset + byteLength));
      least = least === undefined ? times : least.map((ns, at) => Math.min(ns, times[at]));
    }
    return least;
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

const measured = (name) => stalls(fileURLToPath(import.meta.url), name);

/** The longest of so many calls, as `script` makes them. */
export function stalls(script, name, calls = 1_000_000) {
  return ({ quick }) => {
    const count = quick ? 1_000 : calls;
    const least = shortest(script, name, count);
    const longest = least.reduce((longest, ns, at) => (ns > least[longest] ? at : longest), 0);
    return {
      keys: count,
      longestMs: least[longest] / 1e6,
      atCall: longest + 1,
      callsOver1Ms: least.reduce((calls, ns) => calls + (ns > 1e6 ? 1 : 0), 0),
      callsOver100Us: least.reduce((calls, ns) => calls + (ns > 1e5 ? 1 : 0), 0),
      p50Ns: least.toSorted()[count >> 1],
    };
  };
}

export const benches = {
  'stall/fill/1m-keys': Object.fromEntries(Object.keys(OPEN).map((name) => [name, measured(name)])),
};

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const [, , name, count, file] = process.argv;
  writeFileSync(file, await times(name, Number(count)));
  // Peers leave timers behind.
  process.exit(0);
}
