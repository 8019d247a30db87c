/**
 * What is validated: the workloads of schema-workloads.mjs, and the real schemas of a folder where there is one. The folder has a
 * folder for each of them, with `schema.json` and `instances.jsonl`, one document a line, as the repository
 * sourcemeta-research/jsonschema-benchmark has them. `BREAKWATER_SCHEMAS` names the folder, or is empty for none.
 */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { WORKLOADS } from './schema-workloads.mjs';

const BESIDE = fileURLToPath(new URL('../../../shared/data/schema-corpus', import.meta.url));
const FOLDER = process.env['BREAKWATER_SCHEMAS'] ?? BESIDE;

/** At most so many documents of a schema, no two alike, from all over its file; fewer where they are large, but two. */
const DOCUMENTS = 100;
/** What all of them may have together: a pass over them is a sample, and a long one is disturbed too often. */
const BYTES = 64 * 1024;

/** The names of all schemas that have documents. */
export const SCHEMAS = [...Object.keys(WORKLOADS), ...inFolder()];

function inFolder() {
  if (FOLDER === '' || !existsSync(FOLDER)) return [];
  return readdirSync(FOLDER)
    .filter((name) => existsSync(join(FOLDER, name, 'instances.jsonl')))
    .sort();
}

/**
 * `{ schema, formats, regex, documents }` of a name. Real schemas are measured without formats, which not everyone checks to the same
 * letter; and with expressions that backtrack where they look around, as those of the peers always do.
 */
export function workload(name, { quick }) {
  const { documents, ...schema } = name in WORKLOADS ? own(name) : real(name);
  return { ...schema, documents: spread(documents, quick ? 3 : DOCUMENTS).map(prepared) };
}

function own(name) {
  const { documents, ...schema } = WORKLOADS[name];
  return { ...schema, regex: 'linear', documents: documents(name === 'order-1m' ? 2 : DOCUMENTS) };
}

function real(name) {
  const text = (file) => readFileSync(join(FOLDER, name, file), 'utf8');
  const written = text('schema.json');
  const regex = /\(\?<?[=!]/.test(written) ? 'backtracking' : 'linear';
  const lines = [...new Set(text('instances.jsonl').trim().split('\n'))];
  // A pass is not to be about one document alone.
  const documents = lines.filter(({ length }) => length < BYTES / 4);
  return { schema: JSON.parse(written), formats: false, regex, documents };
}

/** So many of the documents, or as many as have `BYTES`, from all over them. */
function spread(documents, most) {
  const length = documents.reduce((sum, { length }) => sum + length, 0) / documents.length;
  const count = Math.min(most, documents.length, Math.max(2, Math.floor(BYTES / length)));
  const step = documents.length / count;
  return Array.from({ length: count }, (_, at) => documents[Math.floor(at * step)]);
}

/** A document as bytes, and three places in it: its first, its middle and its last scalar, as pointers and as steps. */
function prepared(json) {
  const value = JSON.parse(json);
  const places = [...scalars(value, [])];
  const steps = [places[0], places[places.length >> 1], places.at(-1)].map((place) => place ?? []);
  return { bytes: Buffer.from(json), steps, pointers: steps.map(pointer), last: reach(value, steps[2]) };
}

/** The value that steps lead to. */
export function reach(value, steps) {
  let at = value;
  for (const step of steps) at = at[step];
  return at;
}

function* scalars(value, steps) {
  if (typeof value !== 'object' || value === null) {
    yield steps;
    return;
  }
  for (const [name, member] of Object.entries(value)) {
    yield* scalars(member, [...steps, name]);
  }
}

const pointer = (steps) =>
  steps.map((step) => `/${step.replaceAll('~', '~0').replaceAll('/', '~1')}`).join('');
