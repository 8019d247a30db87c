/** Schema: JSON is validated as bytes, before it becomes JavaScript. */
import type { Duplex } from 'node:stream';
import type { SchemaFunctions } from './binding-schema.js';
import { DisposedError, type ErrorDetails, ValidationError, type ValidationFailure } from './errors.js';
import { collectWith, host } from './host.js';
import { checkShape, checkSignal, fromNative, invalid } from './options.js';
import type { SchemaSource } from './schema-bundle.js';
import { ValidDocument } from './schema-document.js';
import { encode, isWellFormed } from './schema-encode.js';
import { inputOf, type LineSource } from './schema-input.js';
import { AS_DOCUMENT, AS_LINES, AS_TEXT, AS_VERDICT, BUSY, SchemaJobs } from './schema-jobs.js';
import { lineTransform, lineTransformStream, type TransformOptions } from './schema-line-streams.js';
import { type AskBlock, type LineVerdict, LineVerdicts } from './schema-lines.js';
import {
  type JsonSchema,
  nativeOptions,
  type SchemaOptions,
  type StandardProps,
  type StandardSchema,
  type Validation,
} from './schema-options.js';
import { jsonOf, standardProps } from './schema-standard.js';
import type { DocumentOf } from './schema-types.js';

const VALID: Validation = Object.freeze({ valid: true });

/** Native answers where there is no verdict. */
const NEITHER = -1;
const MAYBE_HALVES = -2;
const INVALID = 0;

/** A method may be called on anything: what is no Schema is an InvalidOptionError. */
let checkThis: <T>(schema: Schema<T>) => Schema<T>;

/** Shorter documents are validated at once: handing them over would cost more than validating them does. */
const INLINE_BYTES = 16 * 1024;

/** What may be said with a document that is validated beside the event loop. */
export interface BesideOptions {
  /** Gives up: the promise rejects in the same turn with the signal's own reason. */
  readonly signal?: AbortSignal | undefined;
}

/** A bound function that takes a document. */
type Ask<Answer> = (input: unknown, wellFormed?: 1) => Answer | undefined;

/**
 * A JSON Schema, compiled. Documents are strings or bytes (Buffer, Uint8Array); what is not UTF-8, not JSON to the letter or beyond a
 * limit is never valid. Drafts 4, 6, 7, 2019-09 and 2020-12, to the last test of the official suite.
 *
 * ```js
 * const order = new Schema({ type: 'object', required: ['id'], properties: { id: { type: 'integer' } } });
 * order.isValid(Buffer.from('{"id":1}')); // true
 * order.parse('{"id":"1"}'); // ValidationError: the document /id must be integer
 * ```
 */
export class Schema<T = unknown> {
  readonly #functions: SchemaFunctions;
  readonly #handle: number;
  readonly #details: ErrorDetails;
  readonly #source: SchemaSource;
  readonly #maxBytes: number;
  readonly #jobs: SchemaJobs;

  /**
   * @throws {InvalidOptionError} when an option is unknown, of the wrong type or out of range, or the schema is none: a promise, a Map.
   * @throws {SchemaError} when the schema does not compile, or what it leads to among `refs`. Of the others only names and references count.
   */
  constructor(schema: JsonSchema | StandardSchema, options: SchemaOptions = {}) {
    const { native: own, label } = nativeOptions(schema, options);
    this.#details = { kind: 'schema', primitive: label };
    this.#source = { schema: own.schema, refs: own.refs, draft: own.draft };
    const { id, native } = host();
    try {
      const { functions, handle, state } = native.openSchema(id, own);
      this.#functions = functions;
      this.#handle = handle;
      this.#jobs = new SchemaJobs(functions, state, this.#details);
      this.#maxBytes = own.maxBytes ?? (native.schemaDefaults()['maxBytes'] as number);
    } catch (error) {
      throw fromNative(error, this.#details);
    }
    collectWith(this, 'schema', this.#handle);
  }

  /**
   * The same as the constructor, with the type of its documents inferred: from a literal schema, if json-schema-to-ts is installed, or
   * from a schema of a library that has Standard Schema's types.
   * @throws {InvalidOptionError | SchemaError}
   */
  static from<const S extends JsonSchema | StandardSchema>(
    schema: S,
    options: SchemaOptions = {},
  ): Schema<DocumentOf<S>> {
    return new Schema<DocumentOf<S>>(schema, options);
  }

  /** Whether a document is valid. @throws {InvalidOptionError | DisposedError} */
  isValid(document: Uint8Array | string): boolean {
    const self = checkThis(this);
    const answer = self.#functions.isValid(document);
    return typeof answer === 'boolean'
      ? answer
      : self.#again(self.#functions.isValid, document, answer) === true;
  }

  /** Whether a document is valid, or why not. @throws {InvalidOptionError | DisposedError} */
  validate(document: Uint8Array | string): Validation {
    const self = checkThis(this);
    const answer = self.#functions.validate(document);
    if (answer === 1) return VALID;
    return self.#again(self.#functions.validate, document, answer) === 1 ? VALID : self.#failure();
  }

  /** A valid document, parsed. @throws {ValidationError | InvalidOptionError | DisposedError} */
  parse(document: Uint8Array | string): T {
    const self = checkThis(this);
    const ask: Ask<string | number> =
      typeof document === 'string' ? self.#functions.validate : self.#functions.parse;
    let answer = ask(document);
    // Of bytes that are ASCII, the text is at hand.
    if (typeof answer === 'string') return JSON.parse(answer);
    if (answer === undefined || answer <= INVALID) answer = self.#again(ask, document, answer);
    if (answer === INVALID) throw self.#error(self.#failure());
    if (typeof document === 'string') return JSON.parse(document);
    // What another thread may change is copied before it is looked at.
    return isShared(document) ? self.parse(new Uint8Array(document)) : JSON.parse(decode(document));
  }

  /**
   * A valid document, unparsed: for those who need a few fields of it. Its bytes must not be changed while it is in use.
   * @throws {ValidationError | InvalidOptionError | DisposedError}
   */
  open(document: Uint8Array | string): ValidDocument<T> {
    const self = checkThis(this);
    let answer = self.#functions.open(document);
    if (answer === undefined || answer <= INVALID)
      answer = self.#again(self.#functions.open, document, answer);
    if (answer === INVALID) throw self.#error(self.#failure());
    return new ValidDocument<T>(self.#functions, document, answer as number, self.#details.primitive);
  }

  /**
   * `validate` beside the event loop: short documents at once, others by a pool of threads, as many as there are cores. The document is
   * copied first. @throws as rejections {QueueFullError} when 1,024 documents or 256 MiB wait, and what `validate` throws.
   */
  async validateAsync(document: Uint8Array | string, options: BesideOptions = {}): Promise<Validation> {
    const self = checkThis(this);
    if (isShort(document)) return self.#at(options, () => self.validate(document));
    return self.#beside(document, options, AS_VERDICT, (answer) => (answer === 1 ? VALID : self.#failure()));
  }

  /** `parse` beside the event loop, but for JSON.parse itself. @throws as rejections what `parse` and `validateAsync` do. */
  async parseAsync(document: Uint8Array | string, options: BesideOptions = {}): Promise<T> {
    const self = checkThis(this);
    if (isShort(document)) return self.#at(options, () => self.parse(document));
    return self.#beside(document, options, AS_TEXT, (answer) => {
      if (answer === INVALID) throw self.#error(self.#failure());
      // What is longer than strings may be comes as none: that throws here, as it does in `parse`.
      if (typeof answer !== 'string') decode(document as Uint8Array);
      return JSON.parse(answer as string) as T;
    });
  }

  /** `open` beside the event loop. @throws as rejections what `open` and `validateAsync` do. */
  async openAsync(document: Uint8Array | string, options: BesideOptions = {}): Promise<ValidDocument<T>> {
    const self = checkThis(this);
    if (isShort(document)) return self.#at(options, () => self.open(document));
    return self.#beside(document, options, AS_DOCUMENT, (answer) => {
      if (answer === INVALID) throw self.#error(self.#failure());
      return new ValidDocument<T>(self.#functions, document, answer as number, self.#details.primitive);
    });
  }

  /**
   * NDJSON: the verdict of each line, in order, by all cores, as soon as it is known; no more is read than is being validated or waits to
   * be told. Chunks may end anywhere. A line longer than maxBytes is told as such and not gathered. What the source throws comes after the
   * verdicts of what was read before it, but for a line that has not ended.
   * @throws {InvalidOptionError} when the source is none; DisposedError comes from the first step on.
   */
  validateLines(source: LineSource): AsyncGenerator<LineVerdict, void, undefined> {
    const self = checkThis(this);
    return new LineVerdicts(self.#askLines(), self.#maxBytes, inputOf(source, self.#details.primitive));
  }

  /** A Node stream from NDJSON to those of its lines that are valid, as they came. @throws {InvalidOptionError} */
  toTransform(options: TransformOptions = {}): Duplex {
    const self = checkThis(this);
    return lineTransform(self.#askLines(), self.#maxBytes, checkShape('schema', options, TRANSFORM_SHAPES));
  }

  /** The same for web streams: `readable.pipeThrough(schema.toTransformStream())`. @throws {InvalidOptionError} */
  toTransformStream(options: TransformOptions = {}): {
    readonly readable: ReadableStream<Uint8Array>;
    readonly writable: WritableStream<Uint8Array | string>;
  } {
    const self = checkThis(this);
    return lineTransformStream(
      self.#askLines(),
      self.#maxBytes,
      checkShape('schema', options, TRANSFORM_SHAPES),
    );
  }

  /** The same as `validate` for each of a list. @throws {InvalidOptionError | DisposedError} */
  validateMany(documents: Iterable<Uint8Array | string>): Validation[] {
    const self = checkThis(this);
    // A string and bytes are iterable too, and each is one document.
    const isList =
      typeof documents === 'object' &&
      documents !== null &&
      Symbol.iterator in documents &&
      !ArrayBuffer.isView(documents);
    if (!isList) {
      const expected = 'an iterable of documents';
      throw invalid('schema', 'documents', expected, documents, self.#details.primitive);
    }
    return Array.from(documents, (document) => self.validate(document));
  }

  /**
   * Whether a value in memory is valid: what JSON.stringify makes of it. What has no JSON (undefined, a function, a bigint, a circle, NaN) is
   * not. For small schemas a code generator such as ajv is several times faster at this.
   * @throws {DisposedError}
   */
  check(value: unknown): value is T {
    const self = checkThis(this);
    // What has no JSON is as little a document as an empty text.
    return self.isValid(jsonOf(value) ?? '');
  }

  /** Standard Schema v1, with its JSON Schema part. Values are checked as `check` does it, and given back as they are. */
  get '~standard'(): StandardProps<T> {
    const self = checkThis(this);
    return standardProps(self.#source, self.#details.primitive, (text) => self.validate(text));
  }

  /** Lets go of the compiled schema: later calls throw DisposedError; open documents stay. A second call does nothing. */
  dispose(): void {
    const self = checkThis(this);
    const { id, native } = host();
    native.dispose(id, 'schema', self.#handle);
  }

  [Symbol.dispose](): void {
    checkThis(this).dispose();
  }

  static {
    checkThis = (schema) => {
      if (typeof schema === 'object' && schema !== null && #functions in schema) return schema;
      throw invalid('schema', 'this', 'a Schema', schema);
    };
  }

  /** No verdict at first: why, or what comes of a string that only JavaScript can tell to be well-formed. */
  #again<Answer>(ask: Ask<Answer>, document: Uint8Array | string, answer: Answer | undefined): Answer {
    if (answer === undefined) {
      throw new DisposedError('the schema was disposed', this.#details);
    }
    if (answer === NEITHER) {
      throw invalid('schema', 'document', 'a string or a Uint8Array', document, this.#details.primitive);
    }
    if (answer !== MAYBE_HALVES) return answer;
    // As bytes, half a pair is what it is: no character.
    const text = document as string;
    return (isWellFormed(text) ? ask(text, 1) : ask(encode(text))) as Answer;
  }

  /** What is short enough to be done at once, unless it was given up already. */
  #at<R>(options: BesideOptions, run: () => R): R {
    const { signal } = this.#checked(options);
    if (signal?.aborted) throw signal.reason;
    return run();
  }

  #beside<Answer, R>(
    document: Uint8Array | string,
    options: BesideOptions,
    what: number,
    finish: (answer: Answer) => R,
  ): Promise<R> {
    const { signal } = this.#checked(options);
    return this.#jobs.run(() => this.#submit(document, what), finish, signal);
  }

  #checked(options: BesideOptions): BesideOptions {
    const own = checkShape('schema', options, { signal: 'object' });
    checkSignal('schema', own.signal, this.#details.primitive);
    return own;
  }

  #submit(document: Uint8Array | string, what: number): number {
    const submit: Ask<number> = (input, wellFormed = 0 as never) =>
      this.#functions.submit(input, wellFormed, what);
    const answer = submit(document);
    return answer !== undefined && answer !== NEITHER && answer !== MAYBE_HALVES
      ? answer
      : this.#again(submit, document, answer);
  }

  #askLines(): AskBlock {
    return (bytes) => {
      const job = this.#submit(bytes, AS_LINES);
      if (job === BUSY) return undefined;
      return this.#jobs.run(
        () => job,
        (verdicts: string) => verdicts,
        undefined,
      );
    };
  }

  #failure(): ValidationFailure {
    return { valid: false, ...JSON.parse(this.#functions.failure() as string) };
  }

  #error(failure: ValidationFailure): ValidationError {
    return new ValidationError(failure, this.#details);
  }
}

const TRANSFORM_SHAPES = { onInvalid: 'function' } as const;

function isShared(document: Uint8Array): boolean {
  return document.buffer instanceof SharedArrayBuffer;
}

function decode(bytes: Uint8Array): string {
  const buffer = Buffer.isBuffer(bytes)
    ? bytes
    : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  return buffer.toString();
}

function isShort(document: Uint8Array | string): boolean {
  return !(document?.length > INLINE_BYTES);
}
