/**
 * Every error this package makes. A refusal (`RefusedError` and its children) is a decision that says no; everything else is a
 * misuse, a timeout or a fault. `instanceof` holds across two copies of the package in one process: it looks at a brand, not at
 * the prototype chain. An error that crossed threads is a plain Error with its `code`: test `code` there.
 */

/** What a primitive is: the first word of its snapshot, its errors and its diagnostics channels. */
export type Kind =
  | 'bucket'
  | 'limiter'
  | 'breaker'
  | 'budget'
  | 'throttle'
  | 'bulkhead'
  | 'queue'
  | 'cache'
  | 'monitor'
  | 'shedder'
  | 'schema'
  | 'retry'
  | 'timeout'
  | 'hedge'
  | 'fallback'
  | 'pipeline'
  | 'keyed'
  | 'clock'
  | 'policy'
  | 'middleware'
  | 'binding';

/** Fields shared by all errors. */
export interface ErrorDetails {
  readonly kind: Kind;
  /** The name or label of the primitive. */
  readonly primitive?: string | undefined;
  readonly retryAfterMs?: number | undefined;
  readonly cause?: unknown;
}

const ordinary = Function.prototype[Symbol.hasInstance];

/** Makes `branded` answer `instanceof` by a brand that every copy of the package shares. */
function brand(branded: { readonly prototype: Error; readonly name: string }, code: string): void {
  const mark = Symbol.for(`breakwater.${branded.name}`);
  Object.defineProperties(branded.prototype, {
    [mark]: { value: true },
    name: { value: branded.name, writable: true, configurable: true },
    code: { value: code, writable: true, configurable: true, enumerable: true },
  });
  Object.defineProperty(branded, Symbol.hasInstance, {
    value(this: unknown, value: unknown): boolean {
      if (this !== branded) return ordinary.call(this as () => void, value);
      return typeof value === 'object' && value !== null && mark in value;
    },
  });
}

/** The parent of every error of this package. */
export class BreakwaterError extends Error {
  /** A stable word for programs, such as `'ERR_RATE_LIMITED'`. */
  declare readonly code: string;
  /** The kind of primitive that made this error. */
  declare readonly kind: Kind;
  /** The name or label of the primitive that made this error, if it has one. */
  declare readonly primitive?: string;
  /** Milliseconds until the same call may pass; Infinity if it never can. Absent where that is not known. */
  declare readonly retryAfterMs?: number;

  constructor(message: string, details: ErrorDetails) {
    super(message);
    // Assigned, not declared as fields: JavaScriptCore defines a field of an error for more than the error costs.
    const self = this as { kind: Kind; primitive?: string; retryAfterMs?: number; cause?: unknown };
    self.kind = details.kind;
    if (details.primitive !== undefined) self.primitive = details.primitive;
    if (details.retryAfterMs !== undefined) self.retryAfterMs = details.retryAfterMs;
    if (details.cause !== undefined) {
      Object.defineProperty(self, 'cause', { value: details.cause, writable: true, configurable: true });
    }
  }
}

/** The parent of every refusal. A refusal carries no stack frames: it says nothing about the code, and it has to be cheap. */
export class RefusedError extends BreakwaterError {
  constructor(message: string, details: ErrorDetails) {
    const limit = Error.stackTraceLimit;
    const quiet = limitFrames(0);
    try {
      super(message, details);
    } finally {
      if (quiet) limitFrames(limit);
    }
  }
}

/** Whether it could be done: where the intrinsics are frozen, an assignment throws. */
function limitFrames(limit: number): boolean {
  try {
    Error.stackTraceLimit = limit;
    return true;
  } catch {
    return false;
  }
}

// Bun gives an error without frames no `stack` at all, where loggers expect a string.
Object.defineProperty(RefusedError.prototype, 'stack', {
  get(this: RefusedError): string {
    return `${this.name}: ${this.message}`;
  },
  set(this: RefusedError, value: unknown): void {
    Object.defineProperty(this, 'stack', { value, writable: true, configurable: true });
  },
  configurable: true,
});

/** A token bucket or a rate limiter said no. */
export class RateLimitedError extends RefusedError {}

/** A circuit breaker said no. */
export class CircuitOpenError extends RefusedError {
  /** What the call met. */
  declare readonly state: 'open' | 'halfOpen' | 'isolated';

  constructor(message: string, state: 'open' | 'halfOpen' | 'isolated', details: ErrorDetails) {
    super(message, details);
    (this as { state: string }).state = state;
  }
}

/** A load shedder or an adaptive throttle said no. */
export class OverloadedError extends RefusedError {}

/** A bulkhead and its waiting room are full. */
export class BulkheadFullError extends RefusedError {}

/** A queue is full. */
export class QueueFullError extends RefusedError {}

/** It waited too long for its turn: longer than it was willing to, or than a queue that stands still lets anyone wait. */
export class QueueTimeoutError extends RefusedError {}

/** The object is being drained, and takes no new calls. */
export class DrainingError extends RefusedError {}

/** The queue was closed. */
export class QueueClosedError extends BreakwaterError {}

/** A call did not settle within its `timeoutMs`, a load not within its `hardTimeoutMs`. */
export class TimeoutError extends BreakwaterError {}

/** A loader asked, directly or through other loaders, for the very key that it is loading. */
export class ReentrantLoadError extends BreakwaterError {}

/** An option or argument is not what it must be: `option` names it, `expected` says what it must be, `got` what came. */
export class InvalidOptionError extends BreakwaterError {
  readonly option: string;
  readonly expected: string;
  readonly got: string;

  constructor(option: string, expected: string, got: string, details: ErrorDetails) {
    super(`${option} must be ${expected}, got ${got}`, details);
    this.option = option;
    this.expected = expected;
    this.got = got;
  }
}

/** The name is taken by a primitive of the same kind that was made with other options: `option` names the first that differs. */
export class NameConflictError extends BreakwaterError {
  readonly option: string;

  constructor(option: string, message: string, details: ErrorDetails) {
    super(message, details);
    this.option = option;
  }
}

/** One thing that is wrong with a document, as users of ajv know it. */
export interface Issue {
  /** The value that is wrong: a JSON Pointer into the document. Cut after 256 bytes. */
  readonly instancePath: string;
  /** The keyword that says so: a URI fragment into the schema. Empty if the text is no document, or breaks a limit. */
  readonly schemaPath: string;
  /** The keyword, or what else was broken: 'syntax', 'encoding', 'budget', 'numberRange', or the option whose limit was passed. */
  readonly keyword: string;
  /** What the value must be, in English. */
  readonly message: string;
  /** What the message is made from, by keyword as ajv has it; `offset`, a byte of the text, where that is wrong. */
  readonly params: Readonly<Record<string, unknown>>;
  /** The value itself, with `maskValues: false`, if it is short. */
  readonly data?: unknown;
}

/** Why a document is not valid. */
export interface ValidationFailure {
  readonly valid: false;
  /** 'syntax': it is no JSON that all parsers read alike. 'limit': it is too long, too deep or too costly. 'schema': it does not match. */
  readonly reason: 'syntax' | 'limit' | 'schema';
  /** At least one, and no more than `maxErrors`. */
  readonly errors: readonly Issue[];
  /** There may be more. */
  readonly truncated: boolean;
}

/** A document is not valid. */
export class ValidationError extends BreakwaterError {
  readonly reason: ValidationFailure['reason'];
  readonly errors: readonly Issue[];
  readonly truncated: boolean;

  constructor({ reason, errors, truncated }: Omit<ValidationFailure, 'valid'>, details: ErrorDetails) {
    const [first] = errors;
    const place = first?.instancePath ? `${first.instancePath} ` : '';
    super(`the document ${place}${first?.message ?? 'is not valid'}`, details);
    this.reason = reason;
    this.errors = errors;
    this.truncated = truncated;
  }
}

/** A schema does not compile. */
export class SchemaError extends BreakwaterError {
  /** Where in the schema: a JSON Pointer. */
  readonly pointer: string;
  /** The keyword that is wrong there, or empty. */
  readonly keyword: string;
  /** Of `refs`, the schema it is in; undefined for the schema itself, and where that is not known. */
  readonly uri: string | undefined;

  constructor(
    said: { pointer: string; keyword: string; uri?: string | undefined; message: string },
    details: ErrorDetails,
  ) {
    super(said.message, details);
    this.pointer = said.pointer;
    this.keyword = said.keyword;
    this.uri = said.uri;
  }
}

/** The object was disposed: by `dispose()`, or while this call waited. */
export class DisposedError extends BreakwaterError {}

/** The native part could not be loaded: the message says which files were looked for and how to mend it. */
export class NativeBindingError extends BreakwaterError {}

brand(BreakwaterError, 'ERR_BREAKWATER');
brand(RefusedError, 'ERR_REFUSED');
brand(RateLimitedError, 'ERR_RATE_LIMITED');
brand(CircuitOpenError, 'ERR_CIRCUIT_OPEN');
brand(OverloadedError, 'ERR_OVERLOADED');
brand(BulkheadFullError, 'ERR_BULKHEAD_FULL');
brand(QueueFullError, 'ERR_QUEUE_FULL');
brand(QueueTimeoutError, 'ERR_QUEUE_TIMEOUT');
brand(DrainingError, 'ERR_DRAINING');
brand(QueueClosedError, 'ERR_QUEUE_CLOSED');
brand(TimeoutError, 'ERR_TIMEOUT');
brand(ReentrantLoadError, 'ERR_REENTRANT_LOAD');
brand(InvalidOptionError, 'ERR_INVALID_OPTION');
brand(NameConflictError, 'ERR_NAME_CONFLICT');
brand(ValidationError, 'ERR_VALIDATION');
brand(SchemaError, 'ERR_SCHEMA');
brand(DisposedError, 'ERR_DISPOSED');
brand(NativeBindingError, 'ERR_NATIVE_BINDING');
