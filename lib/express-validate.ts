/** `validate` for Express 4 and 5, and for anything else that calls `(req, res, next)` with Node's request and response. */
import type { IncomingMessage, ServerResponse } from 'node:http';
import { BreakwaterError, QueueFullError, ValidationError, type ValidationFailure } from './errors.js';
import { isThenable, optionFault, PROBLEM_TYPE } from './http.js';
import { invalid } from './options.js';
import { hasBody, isRead, readBody, tooLong } from './read-body.js';
import { Schema } from './schema.js';
import type { JsonSchema, StandardSchema } from './schema-options.js';
import {
  BodyRefusal,
  bodyError,
  checkValidateOptions,
  failureBody,
  isJson,
  isUtf8,
  mediaTypeOf,
  refusalBody,
  type SchemaStatus,
  schemaOptionsOf,
  statusOf,
  take,
  type ValidateOptions,
} from './validate.js';

/** What a body is validated against. */
type BodySchema = Schema | JsonSchema | StandardSchema;

/** Options of `validate`: those of Schema are for a schema that is compiled here. */
export interface ExpressValidateOptions<Req, Res> extends ValidateOptions {
  /** A JSON Schema, compiled once; or a Schema of yours, which has its options already. */
  readonly schema: BodySchema;
  /**
   * Whether a request without a body of JSON is refused: with 415 if it has another one, with 400 if it has none (GET, HEAD, DELETE and
   * OPTIONS may have none). `false` lets it pass as `express.json` does, **without** anything being validated: a client then
   * chooses by its Content-Type whether it is.
   * @default true
   */
  readonly required?: boolean | undefined;
  /** The longest body, as it comes and inflated, in bytes: from 1 to 2^30. @default 1048576 */
  readonly maxBytes?: number | undefined;
  /**
   * Answers a body that is not valid in place of the problem body: one that is no JSON, goes beyond a limit of the schema or does not match.
   * The status is already set. What is not validated at all (too long, of another type, none) is refused as `refuseWith` says.
   */
  readonly onInvalid?: ((req: Req, res: Res, failure: ValidationFailure) => unknown) | undefined;
  /**
   * How a body is refused, if not by `onInvalid`: `'problem'` answers with a body of RFC 9457; `'error'` hands an error with
   * `status`, `type` and, if it is a ValidationError, `errors` to the error middleware.
   * @default 'problem'
   */
  readonly refuseWith?: 'problem' | 'error' | undefined;
}

/** Options of `validate.verify`. */
export type VerifyOptions = Omit<ValidateOptions, 'body' | 'maxBytes'>;

type Next = (error?: unknown) => void;

const MAX_BYTES = 2 ** 20;
const MOST_BYTES = 2 ** 30;

/**
 * Middleware that reads a body of JSON, validates its bytes, and parses only what is valid: `req.body` is an object, or a ValidDocument.
 * It takes the place of `express.json()` on its routes.
 * @throws {InvalidOptionError | SchemaError} when an option is not what it must be, or the schema does not compile
 */
export function validate<Req extends IncomingMessage, Res extends ServerResponse>(
  options: ExpressValidateOptions<Req, Res>,
): (req: Req, res: Res, next: Next) => void {
  checkValidateOptions(options, {
    schema: 'anything',
    required: 'boolean',
    onInvalid: 'function',
    refuseWith: 'string',
  });
  const { maxBytes = MAX_BYTES, required = true, onInvalid, refuseWith = 'problem' } = options;
  if (refuseWith !== 'problem' && refuseWith !== 'error') {
    throw invalid('middleware', 'refuseWith', "'problem' or 'error'", refuseWith);
  }
  if (refuseWith === 'error' && onInvalid !== undefined) {
    throw invalid('middleware', 'onInvalid', "left out with refuseWith: 'error'", onInvalid);
  }
  if (!(Number.isInteger(maxBytes) && maxBytes >= 1 && maxBytes <= MOST_BYTES)) {
    throw invalid('middleware', 'maxBytes', `a whole number from 1 to ${MOST_BYTES}`, maxBytes);
  }
  const { schemaStatus = 422, body = 'object' } = options;
  const takeBody = takerOf(options.schema, { ...options, maxBytes }, body);

  return function validateMiddleware(req, res, next) {
    const refuse = (refusal: BodyRefusal): void => {
      if (refuseWith === 'error' || refusal.type === 'request.aborted') next(bodyError(refusal));
      else answer(res, refusal.status, refusalBody(refusal));
    };
    const goOn = (taken: unknown): void => {
      Object.assign(req, { body: taken, ...READ });
      next();
    };
    const failed = (error: unknown): void => {
      if (error instanceof QueueFullError) next(withStatus(error, 503));
      else if (!(error instanceof ValidationError)) next(error);
      else if (refuseWith === 'error') next(withSchemaStatus(error, schemaStatus));
      else refuseInvalid(error, statusOf(error, schemaStatus), req, res, next, onInvalid);
    };
    const takeBytes = (bytes: Uint8Array): void => {
      if (bytes.length > maxBytes) {
        refuse(tooLong());
        return;
      }
      let taken: unknown;
      try {
        taken = takeBody(bytes);
      } catch (error) {
        failed(error);
        return;
      }
      if (taken instanceof Promise) taken.then(goOn, failed);
      else goOn(taken);
    };
    const found = bodyOf(req, required);
    if (found === 'none') next();
    else if (found === 'read') next(alreadyRead());
    else if (found instanceof BodyRefusal) refuse(found);
    else if (found !== 'unread') takeBytes(found);
    else {
      readBody(req, maxBytes, (bytes) => {
        if (bytes instanceof BodyRefusal) refuse(bytes);
        else takeBytes(bytes);
      });
    }
  };
}

/** How the parsers of Express 4 know that there is nothing left to read. */
const READ = { _body: true } as const;

/**
 * For `express.json({ verify })`: throws what is not valid, before it is parsed, as an error with `status`, `type` and `errors`.
 * @throws {InvalidOptionError | SchemaError} when an option is not what it must be, or the schema does not compile
 */
function verify(
  schema: BodySchema,
  options: VerifyOptions = {},
): (req: IncomingMessage, res: ServerResponse, body: Buffer, encoding: string) => void {
  checkValidateOptions(options);
  const { body, maxBytes } = options as ValidateOptions;
  if (body !== undefined) throw invalid('middleware', 'body', 'left out: express.json parses', body);
  if (maxBytes !== undefined) {
    throw invalid('middleware', 'maxBytes', 'left out: it is the limit of express.json', maxBytes);
  }
  const { schemaStatus = 422 } = options;
  const check = checkerOf(schema, { ...options, maxBytes: MOST_BYTES });

  return function verifyBody(_req, _res, bytes, encoding) {
    if (typeof encoding === 'string' && !/^utf-?8$/i.test(encoding)) {
      throw bodyError(CHARSET);
    }
    const failure = check(bytes);
    if (failure === undefined) return;
    // Express puts the whole body on the error, where a log would print it: it stays where it is.
    const error = withSchemaStatus(new ValidationError(failure, { kind: 'schema' }), schemaStatus);
    throw Object.defineProperty(error, 'body', { get: () => undefined, set() {} });
  };
}

validate.verify = verify;

const CHARSET = new BodyRefusal(415, 'charset.unsupported', 'The charset of the body must be UTF-8.');

/** Methods whose requests seldom have a body. */
const WITHOUT_BODY: ReadonlySet<string> = new Set(['GET', 'HEAD', 'DELETE', 'OPTIONS']);

/** The bytes that someone has read for us; whether there are others; or why there will be none. */
function bodyOf(
  req: IncomingMessage,
  required: boolean,
): Uint8Array | BodyRefusal | 'none' | 'unread' | 'read' {
  const contentType = req.headers['content-type'];
  const mayHaveNone = WITHOUT_BODY.has(req.method ?? '');
  // A length of 0 without a type announces nothing; nor does it where bodies are the exception, as clients set the type always.
  const isEmpty = req.headers['content-length'] === '0' && (!contentType || mayHaveNone);
  if (isEmpty || !hasBody(req)) {
    return !required || mayHaveNone
      ? 'none'
      : new BodyRefusal(400, 'body.missing', 'The request must have a body.');
  }
  if (!isJson(mediaTypeOf(contentType))) {
    if (!required) return 'none';
    return new BodyRefusal(415, 'type.unsupported', 'The body must be application/json.');
  }
  if (!isUtf8(contentType)) return CHARSET;
  const { body } = req as { body?: unknown };
  // express.raw has read and inflated it.
  if (body instanceof Uint8Array) return body;
  return isRead(req) ? 'read' : 'unread';
}

function alreadyRead(): BreakwaterError {
  const said =
    'validate must read the body itself, and something before it has: put it before express.json(), or use validate.verify() there';
  return new BreakwaterError(said, { kind: 'middleware' });
}

/** What makes of bytes what `req.body` is to be, or promises it; throws what is not valid, or rejects with it. */
function takerOf(
  schema: BodySchema,
  options: ValidateOptions,
  body: 'object' | 'document',
): (bytes: Uint8Array) => unknown {
  const { compiled, check } = compile(schema, options);
  return (bytes) => {
    const failure = check?.(bytes);
    if (failure !== undefined) throw new ValidationError(failure, { kind: 'schema' });
    return take(compiled, bytes, body);
  };
}

function checkerOf(
  schema: BodySchema,
  options: ValidateOptions,
): (bytes: Uint8Array) => ValidationFailure | undefined {
  const { compiled, check } = compile(schema, options);
  return (bytes) => {
    const failure = check?.(bytes);
    if (failure !== undefined) return failure;
    const found = compiled.validate(bytes);
    return found.valid ? undefined : found;
  };
}

/** A Schema, and what else has to be checked: one that was made elsewhere may allow names that reach a prototype. */
function compile(schema: BodySchema, options: ValidateOptions) {
  const own = schemaOptionsOf(options);
  if (!isSchema(schema)) {
    return { compiled: new Schema(schema, { ...own, protoKeys: 'reject' }), check: undefined };
  }
  const { maxBytes: _, ...others } = own;
  for (const [option, value] of Object.entries(others)) {
    if (value !== undefined)
      throw invalid('middleware', option, 'left out with a Schema, which has it', value);
  }
  const names = new Schema(true, {
    protoKeys: 'reject',
    duplicateKeys: 'last',
    maxBytes: MOST_BYTES,
    maxDepth: 512,
  });
  const check = (bytes: Uint8Array): ValidationFailure | undefined => {
    const text = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    // Such a name is in the text as it is, or has an escape.
    if (!SUSPECT.some((part) => text.includes(part))) return undefined;
    const found = names.validate(bytes);
    return found.valid ? undefined : found;
  };
  return { compiled: schema, check };
}

const SUSPECT = ['__proto__', 'prototype', '\\u'];

// By its methods, not by `instanceof`: a Schema of another copy of the package is one, too.
function isSchema(value: BodySchema): value is Schema {
  const schema = value as Partial<Schema> | null | undefined;
  return typeof schema?.open === 'function' && typeof schema.validate === 'function';
}

const TYPES = { syntax: 'entity.parse.failed', limit: 'schema.limit', schema: 'schema.invalid' } as const;

function withSchemaStatus(error: ValidationError, schemaStatus: SchemaStatus): ValidationError {
  const status = statusOf(error, schemaStatus);
  const type = status === 413 ? 'entity.too.large' : TYPES[error.reason];
  return Object.assign(withStatus(error, status), { type, expose: true });
}

function withStatus<E extends Error>(error: E, status: number): E {
  return Object.assign(error, { status, statusCode: status });
}

function refuseInvalid<Req, Res extends ServerResponse>(
  { reason, errors, truncated }: ValidationError,
  status: 400 | 413 | 422,
  req: Req,
  res: Res,
  next: Next,
  onInvalid: ExpressValidateOptions<Req, Res>['onInvalid'],
): void {
  const failure: ValidationFailure = { valid: false, reason, errors, truncated };
  if (onInvalid === undefined) {
    answer(res, status, failureBody(failure, status));
    return;
  }
  // Someone else answered while the body was read.
  if (res.headersSent) return;
  const before = res.statusCode;
  const failed = (thrown: unknown): void => {
    // Express takes the status of a response for that of an error that has none.
    if (!res.headersSent) res.statusCode = before;
    next(optionFault('validate', thrown));
  };
  res.statusCode = status;
  try {
    const answered = onInvalid(req, res, failure);
    if (isThenable(answered)) answered.then(undefined, failed);
  } catch (error) {
    failed(error);
  }
}

function answer(res: ServerResponse, status: number, body: string): void {
  if (res.headersSent) return;
  res.statusCode = status;
  res.setHeader('Content-Type', PROBLEM_TYPE);
  res.setHeader('Content-Length', Buffer.byteLength(body));
  res.end(body);
}
