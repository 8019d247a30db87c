#!/usr/bin/env node
/**
 * `breakwater validate schema.json file.ndjson` and `breakwater diff old.json new.json`. Findings go to stdout, all else to stderr.
 * Exit codes: 0 valid or compatible · 1 not · 2 it was called wrongly · 3 it is not known whether it is compatible.
 */
import { createReadStream, readFileSync, statSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { BreakwaterError, type Issue } from './errors.js';
import { Schema } from './schema.js';
import { compareSchemas } from './schema-compare.js';
import type { JsonSchema, SchemaOptions } from './schema-options.js';

const USAGE = `breakwater validate <schema.json> <file | ->   each line of NDJSON (.ndjson, .jsonl, -), else the file as one document
    --ref <name>=<file>      a schema that $ref may lead to; again for more
    --max-errors <n>         issues of each document, 1 to 100 (default 1)
    --reject-unknown         refuse members that no schema names
    --regex-backtracking     allow look-around and back-references
    --lines                  read whatever file as NDJSON
breakwater diff <old.json> <new.json>          whether the new schema breaks those who send (or receive: --response)
    --response
`;

/** It was called wrongly. */
class UsageError extends Error {}

const OPTIONS = {
  ref: { type: 'string', multiple: true },
  'max-errors': { type: 'string' },
  'reject-unknown': { type: 'boolean' },
  'regex-backtracking': { type: 'boolean' },
  lines: { type: 'boolean' },
  response: { type: 'boolean' },
  help: { type: 'boolean', short: 'h' },
} as const;

async function main(args: string[]): Promise<number> {
  const { values, positionals } = parse(args);
  const [command, first, second, ...rest] = positionals;
  if (values.help) {
    process.stdout.write(USAGE);
    return 0;
  }
  if (first === undefined || second === undefined || rest.length > 0)
    throw new UsageError('two files are needed');
  if (command === 'diff') return diff(first, second, values.response === true);
  if (command !== 'validate') throw new UsageError(`there is no command ${command}`);
  const options: SchemaOptions = {
    maxErrors: values['max-errors'] === undefined ? undefined : Number(values['max-errors']),
    rejectUnknown: values['reject-unknown'],
    regex: values['regex-backtracking'] ? 'backtracking' : undefined,
    maxBytes: 2 ** 30,
    refs: Object.fromEntries((values.ref ?? []).map(reference)),
  };
  const schema = new Schema(readJson(first), options);
  const isLines = values.lines === true || second === '-' || /\.(ndjson|jsonl)$/.test(second);
  return isLines ? validateLines(schema, second) : validateWhole(schema, second);
}

function parse(args: string[]) {
  try {
    return parseArgs({ args, options: OPTIONS, allowPositionals: true });
  } catch (error) {
    throw new UsageError((error as Error).message);
  }
}

function reference(text: string): [string, JsonSchema] {
  const split = text.indexOf('=');
  if (split < 1) throw new UsageError('--ref needs <name>=<file>');
  return [text.slice(0, split), readJson(text.slice(split + 1))];
}

function readJson(file: string): JsonSchema {
  try {
    return JSON.parse(readFileSync(file, 'utf8'));
  } catch (error) {
    throw new UsageError(`${file}: ${(error as Error).message}`);
  }
}

const say = (place: string, { instancePath, message }: Issue): void => {
  process.stdout.write(`${place}: ${instancePath}${instancePath && ' '}${message}\n`);
};

function validateWhole(schema: Schema, file: string): number {
  const result = schema.validate(readFileSync(file));
  if (result.valid) {
    process.stderr.write(`${file} is valid\n`);
    return 0;
  }
  for (const issue of result.errors) say(file, issue);
  return 1;
}

async function validateLines(schema: Schema, file: string): Promise<number> {
  const bar = new Bar(file === '-' ? undefined : statSync(file).size);
  const source = file === '-' ? process.stdin : createReadStream(file, { highWaterMark: 1 << 20 });
  let lines = 0;
  let invalid = 0;
  for await (const verdict of schema.validateLines(source)) {
    lines += 1;
    if (lines % 4_096 === 0) bar.draw(verdict.offset, lines, invalid);
    if (verdict.valid) continue;
    invalid += 1;
    bar.clear();
    for (const issue of verdict.errors) say(`${file}:${verdict.line}`, issue);
  }
  bar.clear();
  process.stderr.write(`${file}: ${lines} documents, ${invalid} not valid\n`);
  return invalid > 0 ? 1 : 0;
}

const WIDTH = 24;
const EVERY_MS = 100;

/** How far it is: on a terminal, and nowhere else. */
class Bar {
  readonly #total: number | undefined;
  #drawn = 0;

  constructor(total: number | undefined) {
    this.#total = total;
  }

  draw(bytes: number, lines: number, invalid: number): void {
    if (!process.stderr.isTTY || performance.now() - this.#drawn < EVERY_MS) return;
    this.#drawn = performance.now();
    const part = this.#total === undefined ? 0 : bytes / this.#total;
    const filled = Math.round(part * WIDTH);
    const bar =
      this.#total === undefined
        ? ''
        : `[${'#'.repeat(filled).padEnd(WIDTH, '.')}] ${Math.floor(part * 100)} % `;
    process.stderr.write(`\r${bar}${lines} documents, ${invalid} not valid`);
  }

  clear(): void {
    if (this.#drawn > 0) process.stderr.write('\r\u001b[K');
  }
}

function diff(older: string, newer: string, isResponse: boolean): number {
  const side = isResponse ? 'response' : 'request';
  const { compatible, breaks } = compareSchemas(readJson(older), readJson(newer), side);
  const file = isResponse ? older : newer;
  for (const { path, reason, kind } of breaks) process.stdout.write(`${kind}: ${file}#${path}: ${reason}\n`);
  const who = isResponse ? 'receive' : 'send';
  if (compatible === 'unknown') {
    process.stderr.write(`not known whether this breaks those who ${who}\n`);
    return 3;
  }
  process.stderr.write(
    compatible ? `those who ${who} go on as they are\n` : `this breaks those who ${who}\n`,
  );
  return compatible ? 0 : 1;
}

main(process.argv.slice(2)).then(
  (code) => {
    process.exitCode = code;
  },
  (error: Error) => {
    // What the system says of a file is for who named it.
    const isOfFile = error instanceof Error && 'syscall' in error;
    if (!(error instanceof UsageError || error instanceof BreakwaterError || isOfFile)) throw error;
    process.stderr.write(`${error.message}\n${error instanceof UsageError ? `\n${USAGE}` : ''}`);
    process.exitCode = 2;
  },
);
