/** What the native binary exports for schemas: types only. */
import type { Bound, Opened } from './binding.js';

/** -1: neither bytes nor a string. -2: the string has U+FFFD, which is also what half a surrogate pair is read as. */
export type Unread = -1 | -2;

/** A second argument of 1 says that the string is well-formed. */
export interface SchemaFunctions {
  isValid(input: unknown, wellFormed?: 1): Bound<boolean | Unread>;
  /** 1 it is valid · 0 it is not: `failure()` says why */
  validate(input: unknown, wellFormed?: 1): Bound<1 | 0 | Unread>;
  /** The text of a valid document, or 2 if its bytes are to be decoded; else as `validate`. */
  parse(input: unknown, wellFormed?: 1): Bound<string | 2 | 0 | Unread>;
  /** The number of a valid document, from 2 on, else as `validate`. */
  open(input: unknown, wellFormed?: 1): Bound<number>;
  /**
   * The number of a job beside the event loop, from 2 on, of which mail comes; else as `validate`, or -3: there is more to do than may
   * wait. `what` is wanted: 0 whether it is valid · 1 its text · 2 to open it · 3 the verdicts of its lines.
   */
  submit(input: unknown, wellFormed: 0 | 1, what: number): Bound<number>;
  /**
   * What came of a job that is done: -4 it panicked · 0 it is not valid · else what was wanted: 1 · the text · as `open` · the verdicts of
   * lines as JSON.
   */
  take(job: number): Bound<string | number>;
  /** Nobody waits for the job any more: if it was not begun, it will not be. */
  forget(job: number): unknown;
  /** The new number of a valid document that is not kept any more; 0 if it reads differently now. */
  reopen(input: unknown): number;
  /**
   * Register 0: 0 there is no such value · 1 it is answered · 2 its JSON is · 3 the document is not kept any more ·
   * 4 it is no pointer
   */
  get(document: number, pointer: string): unknown;
  /** What was wrong with the last document that was not valid, as JSON. */
  failure(): Bound<string>;
}

export interface NativeSchemaOptions {
  readonly schema: string;
  readonly refs: readonly { readonly uri: string; readonly schema: string }[];
  readonly draft?: string | undefined;
  readonly formats?: boolean | undefined;
  readonly rejectUnknown?: boolean | undefined;
  readonly duplicateKeys?: string | undefined;
  readonly protoKeys?: string | undefined;
  readonly regex?: string | undefined;
  readonly maxBytes?: number | undefined;
  readonly maxDepth?: number | undefined;
  readonly maxErrors?: number | undefined;
  readonly maskValues?: boolean | undefined;
}

export interface NativeComparison {
  /** Null: neither is proven. */
  readonly compatible: boolean | null;
  readonly breaks: readonly {
    readonly path: string;
    /** Null: the schema itself. */
    readonly uri?: string | null;
    readonly keyword: string;
    readonly reason: string;
    readonly broken: boolean;
  }[];
}

export interface NativeSchemas {
  schemaDefaults(): Readonly<Record<string, number>>;
  compareSchemas(
    older: string,
    newer: string,
    response: boolean,
    options: Pick<NativeSchemaOptions, 'draft' | 'refs'>,
  ): NativeComparison;
  openSchema(host: number, options: NativeSchemaOptions): Opened<SchemaFunctions>;
}
