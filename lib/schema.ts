/** Schema: JSON is validated as bytes, before it becomes JavaScript. */
import type { SchemaFunctions } from './binding-schema.js';
import { DisposedError, type ErrorDetails, ValidationError, type ValidationFailure } from './errors.js';
import { collectWith, host } from './host.js';
import { fromNative, invalid } from './options.js';
import { ValidDocument } from './schema-document.js';
import {
  type JsonSchema,
  nativeOptions,
  type SchemaOptions,
  type StandardSchema,
  type Validation,
} from './schema-options.js';

const VALID: Validation = Object.freeze({ valid: true });

/** Native answers where there is no verdict. */
const NEITHER = -1;
const MAYBE_HALVES = -2;
const INVALID = 0;

/** A method may be called on anything: what is no Schema is an InvalidOptionError. */
let checkThis: <T>(schema: Schema<T>) => Schema<T>;

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
  readonly #text: string;

  /**
   * @throws {InvalidOptionError} when an option is unknown, of the wrong type or out of range.
   * @throws {SchemaError} when the schema, or one of `refs`, does not compile.
   */
  constructor(schema: JsonSchema | StandardSchema, options: SchemaOptions = {}) {
    const { native: own, label } = nativeOptions(schema, options);
    this.#details = { kind: 'schema', primitive: label };
    this.#text = own.schema;
    const { id, native } = host();
    try {
      const { functions, handle } = native.openSchema(id, own);
      this.#functions = functions;
      this.#handle = handle;
    } catch (error) {
      throw fromNative(error, this.#details);
    }
    collectWith(this, 'schema', this.#handle);
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
    let answer = self.#functions.parse(document);
    if (typeof answer !== 'string') answer = self.#again(self.#functions.parse, document, answer);
    if (typeof answer !== 'string') throw self.#error(self.#failure());
    return JSON.parse(answer);
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

  /** The same as `validate` for each. @throws {InvalidOptionError | DisposedError} */
  validateMany(documents: Iterable<Uint8Array | string>): Validation[] {
    const self = checkThis(this);
    return Array.from(documents, (document) => self.validate(document));
  }

  /**
   * Whether a value in memory is valid: what JSON.stringify makes of it. What has no JSON (undefined, a function, a bigint, a circle) is
   * not. For small schemas a code generator such as ajv is several times faster at this.
   * @throws {DisposedError}
   */
  check(value: unknown): value is T {
    const self = checkThis(this);
    const text = jsonOf(value);
    return text !== undefined && self.isValid(text);
  }

  /** Standard Schema v1, with its JSON Schema part. Values are checked as `check` does it, and given back as they are. */
  get '~standard'() {
    const self = checkThis(this);
    const text = self.#text;
    const jsonSchema = (): Record<string, unknown> => JSON.parse(text);
    return {
      version: 1,
      vendor: 'breakwater',
      validate(value: unknown): StandardResult<T> {
        const json = jsonOf(value);
        if (json === undefined) return { issues: [{ message: 'must be a value that has JSON', path: [] }] };
        const found = self.validate(json);
        if (found.valid) return { value: value as T };
        return {
          issues: found.errors.map(({ message, instancePath }) => ({ message, path: steps(instancePath) })),
        };
      },
      jsonSchema: { input: jsonSchema, output: jsonSchema },
    } as const;
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
    // Half a pair becomes an escape that stands for no character, which is what is wrong with it.
    const text = document as string;
    return ask(isWellFormed(text) ? text : escapeHalves(text), 1) as Answer;
  }

  #failure(): ValidationFailure {
    return { valid: false, ...JSON.parse(this.#functions.failure() as string) };
  }

  #error(failure: ValidationFailure): ValidationError {
    return new ValidationError(failure, this.#details);
  }
}

interface StandardResultIssue {
  readonly message: string;
  readonly path: readonly string[];
}

/** What a Standard Schema answers. */
type StandardResult<T> =
  | { readonly value: T; readonly issues?: undefined }
  | { readonly issues: readonly StandardResultIssue[] };

function jsonOf(value: unknown): string | undefined {
  try {
    return JSON.stringify(value);
  } catch {
    return undefined;
  }
}

function steps(pointer: string): string[] {
  const unescaped = (step: string) => step.replaceAll('~1', '/').replaceAll('~0', '~');
  return pointer === '' ? [] : pointer.slice(1).split('/').map(unescaped);
}

function isWellFormed(text: string): boolean {
  return (text as unknown as { isWellFormed(): boolean }).isWellFormed();
}

/** Halves of surrogate pairs as escapes. */
function escapeHalves(text: string): string {
  return text.replace(/\p{Surrogate}/gu, (half) => `\\u${half.charCodeAt(0).toString(16)}`);
}
