/** Contracts: whether a new schema breaks who relies on the old one. */
import { host } from './host.js';
import { checkShape, fromNative, invalid } from './options.js';
import {
  type JsonSchema,
  nativeRefs,
  type SchemaDraft,
  type SchemaOptions,
  type StandardSchema,
} from './schema-options.js';
import { textOf } from './schema-text.js';

/** Options of compareSchemas. */
export interface CompareOptions {
  /** The draft of the schemas that have no `$schema`. @default '2020-12' */
  readonly draft?: SchemaDraft | undefined;
  /**
   * The schemas that `$ref` of both contracts may lead to, by URI or plain name. Where the two do not mean the same schema by a name, each
   * may be a Schema, which brings its own.
   */
  readonly refs?: SchemaOptions['refs'];
}

const SHAPES = { draft: 'string', refs: 'object' } as const;

/** What a change of a schema breaks, or may break. */
export interface SchemaBreak {
  /** A JSON Pointer into the schema that has to accept: the new one of a request, the old one of a response. */
  readonly path: string;
  /** Of `refs`, the schema that the path is in; undefined for the contract itself. */
  readonly uri: string | undefined;
  /** The keyword at its end; empty where it is the schema itself. */
  readonly keyword: string;
  /** Why, in words. */
  readonly reason: string;
  /** 'broken': there is a document that the one takes and the other refuses here. 'unproven': nobody knows. */
  readonly kind: 'broken' | 'unproven';
}

/** What comes of a comparison. */
export interface SchemaComparison {
  /** True is proven; false has a document that shows it; 'unknown' is anything else. */
  readonly compatible: boolean | 'unknown';
  /** At most 1,000. */
  readonly breaks: readonly SchemaBreak[];
}

/**
 * Of a request: whether the new schema takes every document that the old one takes, so that those who send go on as they are. Of a
 * response: whether the old one takes every document that the new one does, so that those who receive go on.
 *
 * ```js
 * compareSchemas({ maxLength: 50 }, { maxLength: 20 }, 'request').compatible; // false
 * ```
 * @throws {InvalidOptionError | SchemaError}
 */
export function compareSchemas(
  older: JsonSchema | StandardSchema,
  newer: JsonSchema | StandardSchema,
  side: 'request' | 'response',
  options: CompareOptions = {},
): SchemaComparison {
  if (side !== 'request' && side !== 'response') {
    throw invalid('schema', 'side', "'request' or 'response'", side);
  }
  const { draft, refs } = checkShape('schema', options, SHAPES);
  const own = { draft, refs: nativeRefs(refs, undefined) };
  const texts = [textOf('old', older, undefined), textOf('new', newer, undefined)] as const;
  try {
    const { compatible, breaks } = host().native.compareSchemas(...texts, side === 'response', own);
    return {
      compatible: compatible ?? 'unknown',
      breaks: breaks.map(({ broken, uri, ...rest }) => ({
        ...rest,
        uri: uri ?? undefined,
        kind: broken ? 'broken' : 'unproven',
      })),
    };
  } catch (error) {
    throw fromNative(error, { kind: 'schema' });
  }
}
