/**
 * What validating bodies has in common in every framework: the options and their checks, which types are JSON, what a client is told.
 * express-validate.ts and fastify-validate.ts add how their framework reads a body and goes on.
 *
 * A client is told where its body is wrong and what has to be there: pointers and the schema's words, never a value of its own.
 */
import { BreakwaterError, type Issue, type ValidationFailure } from './errors.js';
import { checkShape, invalid, type Shapes } from './options.js';
import type { Schema } from './schema.js';
import type { SchemaOptions } from './schema-options.js';

/** Statuses for what does not match a schema. */
export type SchemaStatus = 400 | 422;

/**
 * Options of Schema that a body can have. Without `protoKeys`, as names that reach a prototype are always refused; `maskValues`, as values
 * are never told; and `label`.
 */
export type BodySchemaOptions = Omit<SchemaOptions, 'protoKeys' | 'maskValues' | 'label'>;

/** What both frameworks take. */
export interface ValidateOptions extends BodySchemaOptions {
  /**
   * The status for a body that is JSON and does not match. What is no JSON is answered 400, what is too long 413.
   * @default 422 in Express, 400 in Fastify, as its own validation does
   */
  readonly schemaStatus?: SchemaStatus | undefined;
  /**
   * What a handler gets as `body`: `'object'` is what JSON.parse makes of it; `'document'` a ValidDocument, for handlers that need a few
   * fields of a large body, or its bytes: then nothing is parsed.
   * @default 'object'
   */
  readonly body?: 'object' | 'document' | undefined;
}

const SCHEMA_SHAPES = {
  draft: 'string',
  refs: 'object',
  formats: 'boolean',
  rejectUnknown: 'boolean',
  duplicateKeys: 'string',
  regex: 'string',
  maxBytes: 'number',
  maxDepth: 'number',
  maxErrors: 'number',
} as const satisfies Shapes;

/** Throws InvalidOptionError unless `options` are options of `validate`; `more` are keys that only one framework has. */
export function checkValidateOptions(options: object, more: Shapes = {}, prefix = ''): void {
  const shapes = { ...SCHEMA_SHAPES, schemaStatus: 'number', body: 'string', ...more } as const;
  const { schemaStatus, body } = checkShape('middleware', options, shapes, prefix) as ValidateOptions;
  const option = (key: string) => (prefix ? `${prefix}.${key}` : key);
  if (schemaStatus !== undefined && schemaStatus !== 400 && schemaStatus !== 422) {
    throw invalid('middleware', option('schemaStatus'), '400 or 422', schemaStatus);
  }
  if (body !== undefined && body !== 'object' && body !== 'document') {
    throw invalid('middleware', option('body'), "'object' or 'document'", body);
  }
}

/** Of options, those that are Schema's. */
export function schemaOptionsOf(options: ValidateOptions): BodySchemaOptions {
  const own = Object.entries(options).filter(([key]) => Object.hasOwn(SCHEMA_SHAPES, key));
  return Object.fromEntries(own);
}

/** Longer bodies are validated beside the event loop. Shorter ones take less than a third of a millisecond. */
const BESIDE_BYTES = 64 * 1024;

/** What a handler gets, or a promise of it. @throws {ValidationError} (or the promise rejects with it) when it is not valid */
export function take(schema: Schema, bytes: Uint8Array, body: 'object' | 'document'): unknown {
  if (body === 'document') return bytes.length > BESIDE_BYTES ? schema.openAsync(bytes) : schema.open(bytes);
  return bytes.length > BESIDE_BYTES ? schema.parseAsync(bytes) : schema.parse(bytes);
}

/** The type of a Content-Type, in lower case and without its parameters. */
export function mediaTypeOf(contentType: string | undefined): string {
  return (contentType ?? '').split(';', 1)[0]!.trim().toLowerCase();
}

/** `application/json`, and all types that say in their names that they are JSON. */
export function isJson(mediaType: string): boolean {
  return mediaType === 'application/json' || /^[^/\s]+\/[^/\s]+\+json$/.test(mediaType);
}

/** Whether the charset of a Content-Type is UTF-8, which it is if none is said (RFC 8259, 8.1). */
export function isUtf8(contentType: string | undefined): boolean {
  const charset = /;\s*charset\s*=\s*("?)([^";\s]*)\1/i.exec(contentType ?? '')?.[2];
  return charset === undefined || /^utf-?8$/i.test(charset);
}

/** Whether a body was longer than it may be. */
export function isTooLong({ reason, errors }: Pick<ValidationFailure, 'reason' | 'errors'>): boolean {
  return reason === 'limit' && errors[0]?.keyword === 'maxBytes';
}

/** The status of a body that is not valid. */
export function statusOf(
  failure: Pick<ValidationFailure, 'reason' | 'errors'>,
  schemaStatus: SchemaStatus,
): 400 | 413 | 422 {
  if (failure.reason === 'schema') return schemaStatus;
  return isTooLong(failure) ? 413 : 400;
}

/** Why a body was not read, or not validated. */
export class BodyRefusal {
  constructor(
    readonly status: 400 | 413 | 415,
    /** A word for programs, as those of express.json. */
    readonly type: string,
    readonly detail: string,
  ) {}
}

const TITLES = {
  400: 'Bad Request',
  413: 'Content Too Large',
  415: 'Unsupported Media Type',
  422: 'Unprocessable Content',
} as const;

const DETAILS = {
  syntax: 'The body is not valid JSON.',
  limit: 'The body goes beyond a limit.',
  schema: 'The body does not match the schema.',
} as const;
/** What is JSON, and refused for the name of a member. */
const NAMES: ReadonlySet<string> = new Set(['protoKeys', 'duplicateKeys']);

/** The body of an answer to what is not valid: a problem of RFC 9457. */
export function failureBody(failure: Omit<ValidationFailure, 'valid'>, status: keyof typeof TITLES): string {
  const errors = failure.errors.map(({ message, instancePath, keyword }: Issue) => ({
    detail: message,
    pointer: fragmentOf(instancePath),
    keyword,
  }));
  return JSON.stringify({
    type: 'about:blank',
    title: TITLES[status],
    status,
    detail: NAMES.has(failure.errors[0]?.keyword ?? '')
      ? 'The body has a member that it must not have.'
      : DETAILS[failure.reason],
    errors,
  });
}

/** The body of an answer to what was not even read. */
export function refusalBody({ status, detail }: BodyRefusal): string {
  return JSON.stringify({ type: 'about:blank', title: TITLES[status], status, detail });
}

/** A JSON Pointer as a URI fragment (RFC 6901, 6). */
export function fragmentOf(pointer: string): string {
  return `#${encodeURI(pointer).replaceAll('#', '%23')}`;
}

/** The error of a body that was not read, for who has an error handler. `status` is read by Express, `statusCode` by Fastify. */
export function bodyError({ status, type, detail }: BodyRefusal, cause?: unknown): BreakwaterError {
  const error = new BreakwaterError(detail, { kind: 'middleware', cause });
  return Object.assign(error, { status, statusCode: status, type, expose: true });
}
