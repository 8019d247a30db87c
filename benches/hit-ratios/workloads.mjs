/** What caches are asked for: the keys of recorded traces, and of made-up ones that are the same in every process. */
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { basename } from 'node:path';
import { fileURLToPath } from 'node:url';
import { gunzipSync } from 'node:zlib';
import { StepError, which } from '../../scripts/steps.mjs';
import { zipf } from '../peers/keys.mjs';

const HERE = new URL('../traces/', import.meta.url);

/** The traces of the repository. */
export const COMMITTED = ['web07', 'web12'];

/** One of the repository's traces: its keys in the order in which they were asked for. */
export const committed = (name) => readTrace(fileURLToPath(new URL(`${name}.trace.gz`, HERE)));

/** What a trace is called, after its file. */
export const nameOf = (file) => basename(file).replace(/(?:\.trace)?(?:\.gz|\.xz)?$/, '');

/** The keys of a file of big-endian 32-bit integers, plain or packed by gzip or xz. */
export function readTrace(file) {
  const bytes = unpacked(file);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  return Int32Array.from({ length: bytes.byteLength >> 2 }, (_, index) => view.getInt32(index * 4));
}

function unpacked(file) {
  if (file.endsWith('.gz')) return gunzipSync(readFileSync(file));
  if (!file.endsWith('.xz')) return readFileSync(file);
  if (which('xz') === undefined) {
    throw new StepError(
      `${basename(file)} needs the command xz, which was not found: install it, or pack the trace with gzip`,
    );
  }
  const { status, stdout, stderr } = spawnSync('xz', ['--decompress', '--stdout', file], {
    maxBuffer: 2 ** 30,
  });
  if (status !== 0) throw new StepError(`xz cannot read ${basename(file)}: ${stderr.toString().trim()}`);
  return stdout;
}

/** How many different keys there are. */
export const distinct = (trace) => new Set(trace).size;

const ITEMS = 10_000;
const DRAWS = 1_000_000;

const zipfian = (exponent) => ({
  name: `Zipf, α ${exponent.toFixed(1)}`,
  what: '10,000 items by Zipf’s law',
  sizes: [ITEMS / 100, ITEMS / 10],
  make: () => Int32Array.from(zipf(ITEMS, DRAWS, exponent)),
});

/** The same keys round and round, in a cache that is too small for them. */
const loop = (keys, entries) => ({
  name: `a loop of ${keys.toLocaleString('en')}`,
  what: 'the same keys round and round',
  sizes: [entries],
  make: () => Int32Array.from({ length: 200 * keys }, (_, at) => at % keys),
});

/** Popular keys, and between them keys that come once: `scanned(at)` says when. */
const scan = (name, what, sizes, popular, scanned) => ({
  name,
  what,
  sizes,
  make() {
    const draws = zipf(popular, DRAWS, 1);
    return Int32Array.from(draws, (key, at) => (scanned(at) ? popular + at : key));
  },
});

/** Made up: `{ name, what, sizes, make() }`. */
export const SYNTHETIC = [
  zipfian(0.9),
  zipfian(1),
  zipfian(1.1),
  loop(1_010, 1_000),
  loop(1_100, 1_000),
  loop(2_000, 1_000),
  loop(10_100, 10_000),
  scan(
    'every second is new',
    '2,000 items by Zipf’s law, and between two of them a key that comes once',
    [100, 1_000],
    2_000,
    (at) => at % 2 === 1,
  ),
  scan(
    'scans',
    '20,000 items by Zipf’s law; after each 40,000 requests for them 10,000 keys that come once',
    [1_000, 10_000],
    20_000,
    (at) => at % 50_000 >= 40_000,
  ),
];
