/**
 * `validate` for Fastify 5: a plugin that validates bodies of JSON as bytes, for routes with a `schema.body`, in the scope it is registered
 * in and those inside.
 *
 * It stands at two places. The compiler of validators gives what Fastify asks for the schema of a body a Schema of ours, and leaves all
 * other parts to the one that was there. The parser of application/json finds that validator by the request, validates, and notes of the
 * body what came of it; the validator, which Fastify calls after the `preValidation` hooks, only reads that. So errors are formatted,
 * attached and handled by Fastify. What this parser has not read (a form, text, no body) goes to the validator that was there.
 */
import type { FastifyInstance, FastifyRequest } from 'fastify';
import { BreakwaterError, type Issue, QueueFullError, ValidationError } from './errors.js';
import { internalOf } from './fastify-internals.js';
import { invalid, overridden } from './options.js';
import { Schema } from './schema.js';
import type { JsonSchema } from './schema-options.js';
import {
  BodyRefusal,
  bodyError,
  checkValidateOptions,
  isTooLong,
  mediaTypeOf,
  type SchemaStatus,
  schemaOptionsOf,
  take,
  type ValidateOptions,
} from './validate.js';

/** Options of the plugin: those of Schema are for all bodies; the draft of a schema without `$schema` is 7, as everywhere in Fastify. */
export interface FastifyValidateOptions extends ValidateOptions {
  /** The longest body, in bytes: from 1 to 2^30. @default the route's `bodyLimit` */
  readonly maxBytes?: number | undefined;
}

declare module 'fastify' {
  interface FastifyContextConfig {
    /** false: the body of this route is Fastify's to validate. An object: options that override the plugin's for this route. */
    validate?: false | FastifyValidateOptions | undefined;
  }
}

type Issues = readonly Issue[];
type Done = (error: Error | null, body?: unknown) => void;
type Parser = (request: FastifyRequest, bytes: Buffer, done: Done) => void;

/** What Fastify asks to be compiled, and what it gets. */
interface Part {
  readonly schema: unknown;
  readonly httpPart?: string | undefined;
  readonly method?: unknown;
  readonly url?: string | undefined;
}
interface Validator {
  (data: unknown): unknown;
  errors?: Issues | null | undefined;
}
type Compiler = (part: Part) => Validator;
type CompilerFactory = (schemas: Record<string, JsonSchema>, options: unknown) => Compiler;

/** Where Fastify keeps its compilers. */
interface Controller {
  readonly isCustomValidatorCompiler: boolean;
  readonly compilersFactory: { readonly buildValidator: CompilerFactory };
}

/** A body that is validated here. */
interface Claim {
  readonly schema: Schema;
  readonly body: 'object' | 'document';
  /** Whether hooks of the route may change a body; known with the first one. */
  mayChange?: boolean;
}

/** By the validator that Fastify was given. */
const claims = new WeakMap<object, Claim>();
/** What came of a body: who has validated it, and what is wrong with it. */
interface Outcome {
  readonly by: Claim;
  readonly errors: Issues | undefined;
}
const outcomes = new WeakMap<object, Outcome>();
/** The status that errors are to have, by their list. */
const statuses = new WeakMap<object, SchemaStatus>();
/** Formatters that give errors their status. */
const formatters = new WeakSet<object>();

/** Of a route's schema: the options of this route; `false`, it is left alone. */
const ROUTE = Symbol('breakwater.validate');
/** Of an instance: our parser is there. */
const INSTALLED = Symbol('breakwater.validate.parser');

const MOST_BYTES = 2 ** 30;

/**
 * The plugin. `await` its registration before routes are declared: Fastify tells plugins only of routes that come after them.
 * @throws {InvalidOptionError} (the registration rejects with it) when an option is not what it must be
 */
export async function validate(fastify: FastifyInstance, options: FastifyValidateOptions): Promise<void> {
  checkValidateOptions(options);
  checkMaxBytes(options.maxBytes, 'maxBytes');
  installParser(fastify);
  const told = new Set<string>();
  installCompiler(fastify, options, told);
  fastify.addHook('onRoute', function validateOnRoute(route) {
    const override = route.config?.validate;
    const own = override === false ? false : merge(options, override);
    if (route.schema === undefined) return;
    told.add(nameOf(route));
    if (override !== undefined) route.schema = markSchema(route.schema, own);
    route.schemaErrorFormatter = formatterOf(this, route.schemaErrorFormatter) as never;
  });
}

/** A route, as the hook and the compiler hear of it. */
function nameOf({ method, url }: { method?: unknown; url?: unknown }): string {
  return `${String(method)} ${String(url)}`;
}

function merge(own: FastifyValidateOptions, override: FastifyValidateOptions | undefined) {
  if (override === undefined) return own;
  const all = overridden(own, override, 'config.validate');
  checkValidateOptions(all, {}, 'config.validate');
  checkMaxBytes(all.maxBytes, 'config.validate.maxBytes');
  return all;
}

function checkMaxBytes(maxBytes: unknown, option: string): void {
  if (maxBytes === undefined) return;
  if (!(Number.isInteger(maxBytes) && (maxBytes as number) >= 1 && (maxBytes as number) <= MOST_BYTES)) {
    throw invalid('middleware', option, `a whole number from 1 to ${MOST_BYTES}`, maxBytes);
  }
}

function installParser(fastify: FastifyInstance): void {
  if (fastify.hasDecorator(INSTALLED)) return;
  const { onProtoPoisoning = 'error', onConstructorPoisoning = 'error' } = fastify.initialConfig;
  // For routes whose body is not ours, and for its errors.
  const plain = fastify.getDefaultJsonParser(onProtoPoisoning, onConstructorPoisoning) as unknown as Parser;

  const parse: Parser = (request, bytes, done) => {
    const claim = claimOf(request);
    if (claim === undefined || bytes.length === 0) {
      plain(request, bytes, done);
      return;
    }
    const note = (body: unknown, errors?: Issues): void => {
      claim.mayChange ??= claim.body === 'object' && hasHooks(request);
      if (isObject(body)) outcomes.set(body, { by: claim, errors });
      done(null, body);
    };
    const failed = (error: unknown): void => {
      if (error instanceof QueueFullError) done(Object.assign(error, { statusCode: 503 }));
      else if (!(error instanceof ValidationError)) done(error as Error);
      else if (error.reason !== 'schema') refuse(error, plain, request, done);
      // Hooks, and handlers with `attachValidation`, see what was sent; where a document was promised, why there is none.
      else note(claim.body === 'document' ? error : held(JSON.parse(bytes.toString())), error.errors);
    };
    let body: unknown;
    try {
      body = take(claim.schema, bytes, claim.body);
    } catch (error) {
      failed(error);
      return;
    }
    if (body instanceof Promise) body.then(note, failed);
    else note(body);
  };
  fastify.addContentTypeParser('application/json', { parseAs: 'buffer' }, parse as never);
  fastify.decorate(INSTALLED, true);
}

/** Whether anything of the user's runs between the parser and the validator. */
function hasHooks(request: FastifyRequest): boolean {
  const context = internalOf(request, 'fastify.context') as { preValidation?: unknown } | undefined;
  return context?.preValidation !== null;
}

function claimOf(request: FastifyRequest): Claim | undefined {
  const validator: unknown = request.getValidationFunction('body');
  if (typeof validator === 'function') return claims.get(validator);
  // A schema for each type.
  const mediaType = mediaTypeOf(request.headers['content-type']);
  const own = validator as Record<string, object> | null | undefined;
  return own && Object.hasOwn(own, mediaType) ? claims.get(own[mediaType]!) : undefined;
}

/** What is no JSON, or beyond a limit, goes no further: as Fastify has it, which tells the cause to nobody but a log. */
function refuse(error: ValidationError, plain: Parser, request: FastifyRequest, done: Done): void {
  if (isTooLong(error)) {
    const refusal = bodyError(new BodyRefusal(413, 'entity.too.large', 'Request body is too large'), error);
    done(Object.assign(refusal, { code: 'FST_ERR_CTP_BODY_TOO_LARGE' }));
  } else if (error.reason === 'limit') {
    const [issue] = error.errors;
    const refusal = new BodyRefusal(400, 'schema.limit', `body${issue?.instancePath} ${issue?.message}`);
    const validation = { code: 'FST_ERR_VALIDATION', validation: error.errors, validationContext: 'body' };
    done(Object.assign(bodyError(refusal, error), validation));
  } else {
    plain(request, NO_JSON, (said) => {
      if (said !== null) Object.defineProperty(said, 'cause', { value: error, configurable: true });
      done(said);
    });
  }
}

const NO_JSON = Buffer.from('-');

function isObject(value: unknown): value is object {
  return typeof value === 'object' && value !== null;
}

/** What is not valid has to be known again: a string, number or boolean is held in its object. null is asked for anew. */
function held(value: unknown): unknown {
  return value === null ? null : Object(value);
}

function installCompiler(
  fastify: FastifyInstance,
  options: FastifyValidateOptions,
  told: ReadonlySet<string>,
): void {
  const controller = internalOf(fastify, 'fastify.schemaController') as Controller | undefined;
  if (typeof controller?.compilersFactory?.buildValidator !== 'function') {
    const said = 'validate does not know where this version of Fastify keeps its validator compiler';
    throw new BreakwaterError(said, { kind: 'middleware' });
  }
  // Its schemas may be of any kind: bodies are its own to validate.
  if (controller.isCustomValidatorCompiler) return;
  const { compilersFactory } = controller;
  const buildValidator: CompilerFactory = (schemas, ajv) => {
    const compile = compilersFactory.buildValidator(schemas, ajv);
    return (part) => {
      const own = optionsOf(part, options);
      if (own === false) return compile(part);
      if (part.url !== undefined && !told.has(nameOf(part))) throw tooEarly(part);
      return validatorOf(part, own, schemas, compile);
    };
  };
  // Not setValidatorCompiler: with a compiler that it takes for a user's, Fastify leaves the names of headers as they are written.
  fastify.setSchemaController({
    compilersFactory: { ...compilersFactory, buildValidator },
  } as unknown as Parameters<FastifyInstance['setSchemaController']>[0]);
}

function tooEarly(part: Part): BreakwaterError {
  const said = `${nameOf(part)} was declared before validate was there: await its registration first`;
  return new BreakwaterError(said, { kind: 'middleware' });
}

function optionsOf(
  { schema, httpPart }: Part,
  options: FastifyValidateOptions,
): FastifyValidateOptions | false {
  if (httpPart !== 'body') return false;
  const own = isObject(schema) ? (schema as { [ROUTE]?: FastifyValidateOptions | false })[ROUTE] : undefined;
  return own ?? options;
}

/** What Fastify calls with a body. */
function validatorOf(
  part: Part,
  options: FastifyValidateOptions,
  schemas: Record<string, JsonSchema>,
  compile: Compiler,
): Validator {
  const { body = 'object', maxBytes = MOST_BYTES, refs, schemaStatus = 400 } = options;
  const saysDraft = isObject(part.schema) && ('$schema' in part.schema || '~standard' in part.schema);
  const schema = new Schema(part.schema as JsonSchema, {
    ...schemaOptionsOf(options),
    draft: saysDraft ? undefined : (options.draft ?? '7'),
    refs: referred(part.schema, { ...schemas, ...refs }),
    maxBytes,
    protoKeys: 'reject',
  });
  const claim: Claim = { schema, body };
  let isAsked = false;
  let before: Validator | undefined;

  const validator: Validator = (data) => {
    const outcome = isObject(data) ? outcomes.get(data) : undefined;
    let errors: Issues | null | undefined;
    if (outcome?.by === claim) {
      errors = claim.mayChange ? errorsOf(schema, data) : outcome.errors;
    } else if (isObject(data)) {
      if (!isAsked) before = attempt(compile, part);
      isAsked = true;
      if (before === undefined) errors = errorsOf(schema, data);
      else errors = before(data) ? undefined : before.errors;
    } else {
      // Text, `null`, or no body at all.
      errors = errorsOf(schema, data ?? null);
    }
    if (errors) statuses.set(errors, schemaStatus);
    validator.errors = errors;
    return !errors;
  };
  claims.set(validator, claim);
  return validator;
}

/** What ajv makes of a schema: nothing, where it refuses it. */
function attempt(compile: Compiler, part: Part): Validator | undefined {
  try {
    return compile(part);
  } catch {
    return undefined;
  }
}

/** What is wrong with a value in memory: with its JSON. */
function errorsOf(schema: Schema, value: unknown): Issues | undefined {
  const found = schema.validate(JSON.stringify(value));
  return found.valid ? undefined : found.errors;
}

const REFERENCES: ReadonlySet<string> = new Set(['$ref', '$dynamicRef', '$recursiveRef']);

/**
 * The schemas that a schema leads to, by name: one that nobody uses for bodies may be of any kind. All of them, where a reference is
 * none of their names.
 */
function referred(schema: unknown, schemas: Record<string, JsonSchema>): Record<string, JsonSchema> {
  const found: Record<string, JsonSchema> = {};
  const names = Object.keys(schemas);
  const seen = new Set<object>();
  const todo: unknown[] = [schema];
  for (let at = 0; at < todo.length; at += 1) {
    const part = todo[at];
    if (!isObject(part) || seen.has(part)) continue;
    seen.add(part);
    for (const [key, value] of Object.entries(part)) {
      const uri = REFERENCES.has(key) && typeof value === 'string' ? value.split('#', 1)[0] : undefined;
      if (uri === undefined) todo.push(value);
      if (!uri) continue;
      // A name may be written in full, and the reference from beside it.
      const meant = names.filter((name) => name.replace(/#$/, '').endsWith(uri));
      if (meant.length === 0) return schemas;
      for (const name of meant) {
        found[name] = schemas[name]!;
        todo.push(schemas[name]);
      }
    }
  }
  return found;
}

/** The schema of a route with its options, for the compiler to find. A copy: others may use the same. */
function markSchema(schema: object, options: FastifyValidateOptions | false): object {
  const { body } = schema as { body?: unknown };
  if (!isObject(body)) return schema;
  const plain = plainOf(body);
  const { content } = plain as { content?: Record<string, { schema: unknown }> };
  if (!isObject(content)) return { ...schema, body: mark(plain, options) };
  const types = Object.entries(content).map(([type, one]) => {
    return [type, isObject(one.schema) ? { ...one, schema: mark(one.schema, options) } : one];
  });
  return { ...schema, body: { ...plain, content: Object.fromEntries(types) } };
}

/** What a schema builder makes, as Fastify would ask it later. */
function plainOf(schema: object): object {
  const { isFluentSchema } = schema as { isFluentSchema?: boolean };
  const isFluent = isFluentSchema || (schema as Record<symbol, unknown>)[Symbol.for('fluent-schema-object')];
  return isFluent ? (schema.valueOf() as object) : schema;
}

function mark(schema: object, options: FastifyValidateOptions | false): object {
  const copy = Object.create(Object.getPrototypeOf(schema), Object.getOwnPropertyDescriptors(schema));
  return Object.defineProperty(copy, ROUTE, { value: options, configurable: true });
}

type Formatter = (errors: Issues, part: string) => Error & { statusCode?: number };

/** Fastify gives every error of a validation 400 that has no status yet: so what formats it gives it its own. */
function formatterOf(instance: FastifyInstance, own: unknown): Formatter {
  if (typeof own === 'function' && formatters.has(own)) return own as Formatter;
  const formatter: Formatter = (errors, part) => {
    const format = (own ??
      internalOf(instance, 'fastify.schemaErrorFormatter') ??
      formatPlainly) as Formatter;
    const error = format(errors, part);
    const status = statuses.get(errors);
    if (status !== undefined) error.statusCode ??= status;
    return error;
  };
  formatters.add(formatter);
  return formatter;
}

/** As Fastify does it. */
const formatPlainly: Formatter = (errors, part) =>
  new Error(errors.map(({ instancePath, message }) => `${part}${instancePath} ${message}`).join(', '));

Object.assign(validate, {
  [Symbol.for('skip-override')]: true,
  [Symbol.for('fastify.display-name')]: 'breakwater-validate',
  [Symbol.for('plugin-meta')]: { fastify: '>=5', name: 'breakwater-validate' },
});
