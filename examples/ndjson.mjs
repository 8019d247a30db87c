// A consumer of NDJSON that lives with lines that are wrong: node examples/ndjson.mjs [file]
//
// Lines are validated as bytes, by all cores, while the file is read. The good ones go on as they came; of the others it is said where they
// are and why, and they can be found again by their byte. Without a file it reads what the benches of this repository measured: each
// result is a line, and some lines are something else.
import { createReadStream } from 'node:fs';
import { open } from 'node:fs/promises';
import { createInterface } from 'node:readline';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { Schema } from 'breakwater';

const file =
  process.argv[2] ?? new URL('../benches/results/2026-11-23-amd-epyc-2-cpus.jsonl', import.meta.url);

/** What we rely on: how many nanoseconds a call of a contestant took. */
const measurement = Schema.from({
  type: 'object',
  required: ['bench', 'contestant', 'runtime', 'ns'],
  properties: {
    bench: { type: 'string', pattern: '^\\w+(/[\\w-]+){2}$' },
    contestant: { type: 'string', minLength: 1 },
    runtime: { enum: ['node', 'bun'] },
    ns: { type: 'number', exclusiveMinimum: 0 },
  },
});

const TOLD = 3;
const rejected = [];

/** Hears of each line that does not go on. */
function reject(verdict) {
  rejected.push(verdict);
  if (rejected.length > TOLD) return;
  const [{ instancePath, message }] = verdict.errors;
  console.log(`line ${verdict.line}, byte ${verdict.offset}: ${instancePath || 'it'} ${message}`);
}

const fastest = new Map();
let passed = 0;

/** Whoever wants the good ones: here the fastest measurement of each bench. A line is parsed once it is known to be valid. */
async function consume(chunks) {
  for await (const line of createInterface({ input: Readable.from(chunks, { objectMode: false }) })) {
    const { bench, ns } = JSON.parse(line);
    passed += 1;
    fastest.set(bench, Math.min(ns, fastest.get(bench) ?? Infinity));
  }
}

await pipeline(createReadStream(file), measurement.toTransform({ onInvalid: reject }), consume);
if (rejected.length > TOLD) console.log(`and ${rejected.length - TOLD} more`);
console.log(`passed on: ${passed} measurements of ${fastest.size} benches`);

// A line is found again by its byte, without reading what stands before it.
if (rejected.length > 0) {
  const { line, offset } = rejected.at(-1);
  const handle = await open(file);
  const { buffer, bytesRead } = await handle.read(Buffer.alloc(60), 0, 60, offset);
  await handle.close();
  console.log(`line ${line} begins: ${buffer.toString('utf8', 0, bytesRead).split('\n', 1)[0]}`);
}

// Who only wants to know asks for verdicts.
const counts = { valid: 0, syntax: 0, limit: 0, schema: 0 };
for await (const verdict of measurement.validateLines(createReadStream(file))) {
  counts[verdict.valid ? 'valid' : verdict.reason] += 1;
}
console.log(
  `valid: ${counts.valid} · not as agreed: ${counts.schema} · no JSON: ${counts.syntax + counts.limit}`,
);
