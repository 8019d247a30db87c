#!/usr/bin/env node
/**
 * `breakwater validate schema.json file.ndjson` and `breakwater diff old.json new.json`. Findings go to stdout, all else to stderr.
 * Exit codes: 0 valid or compatible · 1 not · 2 it was called wrongly, or could not be done · 3 it is not known whether it is compatible.
 */
import { createReadStream, readFileSync, statSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { Bar } from './cli-bar.js';
import { InvalidOptionError, type Issue, SchemaError } from './errors.js';
import { Schema } from './schema.js';
import { compareSchemas } from './schema-compare.js';
import type { JsonSchema, SchemaDraft, SchemaOptions } from './schema-options.js';

const USAGE = `breakwater validate <schema.json> <file | ->...   each line of NDJSON (.ndjson, .jsonl, -), else a file as one document
    --ref <name>=<file>      a schema that $ref may lead to; again for more
    --draft <draft>          of schemas without $schema: 4, 6, 7, 2019-09 or 2020-12 (default)
    --max-errors <n>         issues of each document, 1 to 100 (default 1)
    --reject-unknown         refuse members that no schema names
    --no-formats             do not check format
    --regex-backtracking     allow look-around and back-references
    --lines                  read whatever file as NDJSON
breakwater diff <old.json> <new.json>          whether the new schema breaks those who send (or receive: --response)
    --ref, --draft           the same, for both
    --response
`;

/** It was called wrongly. */
class UsageError extends Error {}
/** It cannot be done: the message says with which file. */
class FileError extends Error {}

const OPTIONS = {
  ref: { type: 'string', multiple: true },
  draft: { type: 'string' },
  'max-errors': { type: 'string' },
  'reject-unknown': { type: 'boolean' },
  'no-formats': { type: 'boolean' },
  'regex-backtracking': { type: 'boolean' },
  lines: { type: 'boolean' },
  response: { type: 'boolean' },
  help: { type: 'boolean', short: 'h' },
} as const;

const COMMANDS = {
  validate: ['ref', 'draft', 'max-errors', 'reject-unknown', 'no-formats', 'regex-backtracking', 'lines'],
  diff: ['ref', 'draft', 'response'],
} as const;

type Values = ReturnType<typeof parse>['values'];

/** The exit code as it is known so far: what is left when nobody reads any more. */
let code = 0;

async function main(args: string[]): Promise<void> {
  const { values, positionals } = parse(args);
  const [command, ...files] = positionals;
  if (values.help) {
    process.stdout.write(USAGE);
    return;
  }
  if (command === undefined) throw new UsageError('a command is needed');
  if (command !== 'validate' && command !== 'diff') throw new UsageError(`there is no command ${command}`);
  for (const option of Object.keys(values)) {
    const known: readonly string[] = COMMANDS[command];
    if (!known.includes(option)) throw new UsageError(`--${option} is no option of ${command}`);
  }
  if (command === 'diff') {
    const [older, newer, ...rest] = files;
    if (newer === undefined || rest.length > 0) throw new UsageError('diff needs two files');
    diff(older as string, newer, values);
  } else {
    const [schema, ...documents] = files;
    if (documents.length === 0) throw new UsageError('validate needs a schema and a file');
    await validate(schema as string, documents, values);
  }
}

function parse(args: string[]) {
  try {
    return parseArgs({ args, options: OPTIONS, allowPositionals: true });
  } catch (error) {
    throw new UsageError((error as Error).message);
  }
}

/** The files that `$ref` may lead to, by name. */
function references({ ref = [] }: Values): Map<string, string> {
  const pairs = ref.map((text): [string, string] => {
    const split = text.indexOf('=');
    if (split < 1) throw new UsageError('--ref needs <name>=<file>');
    return [text.slice(0, split), text.slice(split + 1)];
  });
  return new Map(pairs);
}

function readAll(files: Map<string, string>): { [uri: string]: JsonSchema } {
  return Object.fromEntries([...files].map(([uri, file]) => [uri, readJson(file)]));
}

function readJson(file: string): JsonSchema {
  const text = about(file, () => readFileSync(file, 'utf8'));
  return about(file, () => JSON.parse(text));
}

/** What goes wrong is told with the file that it is about. */
function about<T>(file: string, run: () => T): T {
  try {
    return run();
  } catch (error) {
    throw fileError(file, error);
  }
}

function fileError(file: string, error: unknown): FileError {
  const { message = String(error), path } = error as Partial<NodeJS.ErrnoException>;
  return new FileError(path === undefined ? `${file}: ${message}` : message);
}

/** What is wrong with a schema is told with its file; `own` are the files of those that are not referred to. */
function compiled<T>(own: Record<string, string>, refs: Map<string, string>, run: () => T): T {
  try {
    return run();
  } catch (error) {
    if (error instanceof SchemaError) {
      const { uri = 'schema', message } = error;
      const file = own[uri] ?? refs.get(uri) ?? uri;
      const said = message.startsWith(`${uri}#`) ? message.slice(uri.length + 1) : message;
      throw new FileError(`${file}: ${said}`);
    }
    const file = error instanceof InvalidOptionError ? own[error.option] : undefined;
    throw file === undefined ? error : fileError(file, error);
  }
}

async function validate(file: string, documents: readonly string[], values: Values): Promise<void> {
  const refs = references(values);
  const options: SchemaOptions = {
    refs: readAll(refs),
    draft: values.draft as SchemaDraft | undefined,
    maxErrors: mostErrors(values['max-errors']),
    rejectUnknown: values['reject-unknown'],
    formats: values['no-formats'] ? false : undefined,
    regex: values['regex-backtracking'] ? 'backtracking' : undefined,
    maxBytes: MOST_BYTES,
  };
  const source = readJson(file);
  const schema = compiled({ schema: file }, refs, () => new Schema(source, options));
  for (const document of documents) {
    const isLines = values.lines === true || document === '-' || /\.(ndjson|jsonl)$/.test(document);
    try {
      if (isLines) await validateLines(schema, document);
      else validateWhole(schema, document);
    } catch (error) {
      // The others may be read.
      fail(fileError(document, error));
    }
  }
}

const MOST_BYTES = 2 ** 30;

function mostErrors(text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  const most = /^\d{1,3}$/.test(text) ? Number(text) : 0;
  if (most >= 1 && most <= 100) return most;
  throw new UsageError(`--max-errors must be a whole number from 1 to 100, got ${JSON.stringify(text)}`);
}

function tell(place: string, { instancePath, message }: Pick<Issue, 'instancePath' | 'message'>): void {
  code ||= 1;
  process.stdout.write(`${place}: ${instancePath}${instancePath && ' '}${message}\n`);
}

function validateWhole(schema: Schema, file: string): void {
  if (statSync(file).size > MOST_BYTES) {
    tell(file, { instancePath: '', message: 'must NOT be longer than maxBytes' });
    return;
  }
  const result = schema.validate(readFileSync(file));
  if (result.valid) process.stderr.write(`${file} is valid\n`);
  else for (const issue of result.errors) tell(file, issue);
}

async function validateLines(schema: Schema, file: string): Promise<void> {
  const bar = new Bar(file === '-' ? 0 : statSync(file).size);
  const source = file === '-' ? process.stdin : createReadStream(file, { highWaterMark: 1 << 20 });
  let lines = 0;
  let invalid = 0;
  try {
    for await (const verdict of schema.validateLines(source)) {
      lines += 1;
      if (lines % 4_096 === 0) bar.draw(verdict.offset, lines, invalid);
      if (verdict.valid) continue;
      invalid += 1;
      bar.clear();
      for (const issue of verdict.errors) tell(`${file}:${verdict.line}`, issue);
    }
  } finally {
    bar.clear();
  }
  process.stderr.write(`${file}: ${lines} documents, ${invalid} not valid\n`);
}

function diff(older: string, newer: string, values: Values): void {
  const side = values.response ? 'response' : 'request';
  const refs = references(values);
  const options = { refs: readAll(refs), draft: values.draft as SchemaDraft | undefined };
  const schemas = [readJson(older), readJson(newer)] as const;
  const { compatible, breaks } = compiled({ old: older, new: newer }, refs, () =>
    compareSchemas(...schemas, side, options),
  );
  if (compatible !== true) code = compatible === 'unknown' ? 3 : 1;
  const own = values.response ? older : newer;
  for (const { path, uri, reason, kind } of breaks) {
    const file = uri === undefined ? own : refs.get(uri);
    process.stdout.write(`${kind}: ${file}#${path}: ${reason}\n`);
  }
  const who = values.response ? 'receive' : 'send';
  const said = { true: `those who ${who} go on as they are`, false: `this breaks those who ${who}` };
  process.stderr.write(
    compatible === 'unknown'
      ? `not known whether this breaks those who ${who}\n`
      : `${said[`${compatible}`]}\n`,
  );
}

/** Says in one line why it cannot be done. */
function fail(error: unknown): void {
  code = 2;
  const [line] = String(error instanceof Error ? error.message : error).split('\n');
  process.stderr.write(`${line}\n${error instanceof UsageError ? `\n${USAGE}` : ''}`);
}

for (const stream of [process.stdout, process.stderr]) {
  stream.on('error', (error: NodeJS.ErrnoException) => {
    // Who read it has seen enough.
    if (error.code !== 'EPIPE') fail(error);
    process.exit(code);
  });
}

main(process.argv.slice(2))
  .catch(fail)
  .finally(() => {
    process.exitCode = code;
  });
