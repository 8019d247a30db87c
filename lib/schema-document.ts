/** A document that was found valid, for those who need a few of its fields and never the rest. */
import type { SchemaFunctions } from './binding-schema.js';
import { ValidationError } from './errors.js';
import { host } from './host.js';
import { invalid } from './options.js';

const MISSING = 0;
const VALUE = 1;
const JSON_TEXT = 2;
const GONE = 3;

/**
 * A valid document. Its bytes are read where they lie and must not be changed while it is in use. The native side keeps the last few
 * documents of a thread; an older one is read again when it is asked something.
 */
export class ValidDocument<T> {
  readonly #functions: SchemaFunctions;
  readonly #input: Uint8Array | string;
  readonly #label: string | undefined;
  #number: number;
  #object: T | undefined;
  #bytes: Uint8Array | undefined;

  /** @internal */
  constructor(
    functions: SchemaFunctions,
    input: Uint8Array | string,
    number: number,
    label: string | undefined,
  ) {
    this.#functions = functions;
    this.#input = input;
    this.#number = number;
    this.#label = label;
  }

  /** The bytes it was opened from; of a string its UTF-8, the same each time. */
  get bytes(): Uint8Array {
    this.#bytes ??= typeof this.#input === 'string' ? Buffer.from(this.#input) : this.#input;
    return this.#bytes;
  }

  /**
   * The value that a JSON Pointer (RFC 6901: `'/customer/id'`, `'/items/0'`, `''` for all of it) leads to, as JSON.parse gives it; undefined
   * if there is none. @throws {InvalidOptionError} if it is no pointer.
   */
  get(pointer: string): unknown {
    if (typeof pointer !== 'string')
      throw invalid('schema', 'pointer', 'a JSON Pointer', pointer, this.#label);
    const { registers } = host();
    let value = this.#functions.get(this.#number, pointer);
    if (registers[0] === GONE) {
      this.#reopen();
      value = this.#functions.get(this.#number, pointer);
    }
    switch (registers[0]) {
      case VALUE:
        return value;
      case JSON_TEXT:
        return JSON.parse(value as string);
      case MISSING:
        return undefined;
      default:
        throw invalid('schema', 'pointer', 'a JSON Pointer', pointer, this.#label);
    }
  }

  /** What several pointers lead to, in their order. @throws {InvalidOptionError} if one is no pointer. */
  pick<const Pointers extends readonly string[]>(
    pointers: Pointers,
  ): { -readonly [I in keyof Pointers]: unknown } {
    if (!Array.isArray(pointers)) {
      throw invalid('schema', 'pointers', 'an array of JSON Pointers', pointers, this.#label);
    }
    return pointers.map((pointer) => this.get(pointer)) as { -readonly [I in keyof Pointers]: unknown };
  }

  /** The whole of it, parsed when first asked for: the same object each time. */
  toObject(): T {
    this.#object ??= this.get('') as T;
    return this.#object;
  }

  /** What JSON.stringify takes it for: `toObject()`. */
  toJSON(): T {
    return this.toObject();
  }

  #reopen(): void {
    const number = this.#functions.reopen(this.#input);
    if (number === 0) {
      const issue = {
        instancePath: '',
        schemaPath: '',
        keyword: 'syntax',
        message: 'was changed after it was opened',
        params: {},
      };
      const failure = { reason: 'syntax', errors: [issue], truncated: false } as const;
      throw new ValidationError(failure, { kind: 'schema', primitive: this.#label });
    }
    this.#number = number;
  }
}
