/** The options of Bulkhead, and how they cross the border. */
import type { NativeBulkheadOptions, NativeConcurrency } from './binding.js';
import { checkShape, invalid } from './options.js';
import { COMMON_SHAPES, type CommonOptions } from './primitive.js';

/** A limit that finds itself. */
export interface AdaptiveConcurrency {
  /**
   * `'aimd'`: by drops alone. It doubles until the first, then grows by one for every round of calls and gives a tenth way at a drop.
   * `'gradient'`: by latency too. It grows as long as calls take as long as they do on an idle dependency. A drop is a TimeoutError or a
   * refusal from inside. `reconfigure` changes `min` and `max`, not `initial`.
   */
  readonly kind: 'aimd' | 'gradient';
  /** Never less: a whole number from 1. @default 1 */
  readonly min?: number | undefined;
  /** Never more: a whole number from `min` to a million. @default 200 */
  readonly max?: number | undefined;
  /** At first: a whole number from `min` to `max`. @default 4 */
  readonly initial?: number | undefined;
}

/** What may be changed with `reconfigure`. */
export interface BulkheadLimits {
  /**
   * How many permits there are: a whole number from 1 to a million, or a limit that finds itself. `reconfigure` takes one of the kind
   * the bulkhead was made with.
   */
  readonly maxConcurrent?: number | AdaptiveConcurrency | undefined;
  /** How many calls may wait, over all threads: a whole number from 0, or Infinity (which is ten million). @default 0 */
  readonly maxQueue?: number | undefined;
  /** The longest a call waits, in milliseconds above 0: then it is refused with QueueTimeoutError. Default: as long as it takes. */
  readonly queueTimeoutMs?: number | undefined;
}

/** When a line is taken to stand, and what is done about it: CoDel, as in Facebook's folly. */
export interface CodelOptions {
  /**
   * Milliseconds, in (0, 60,000]. When even the shortest wait of an interval was longer, the line stands: when a permit becomes free,
   * those that waited longer than twice this are sent away first with QueueTimeoutError, but for the last. @default 5
   */
  readonly targetMs?: number | undefined;
  /** Milliseconds, from `targetMs` to 60,000. @default 100 */
  readonly intervalMs?: number | undefined;
  /** While the line stands, the newest are served first: those whose callers are most likely still there. @default false */
  readonly adaptiveLifo?: boolean | undefined;
}

/** Options of Bulkhead. */
export interface BulkheadOptions extends CommonOptions, BulkheadLimits {
  readonly maxConcurrent: number | AdaptiveConcurrency;
  /**
   * Who is served first, and who has to go when the line is full. `'fifo'`: the oldest; the newcomer. `'lifo'`: the newest; the oldest.
   * `'priority'`: the highest priority, the oldest of those; the newest of the lowest. `'fair'`: each key in turn; the newest of the key
   * with most waiting for its share. @default 'fifo'
   */
  readonly order?: 'fifo' | 'lifo' | 'priority' | 'fair' | undefined;
  /**
   * With order `'fair'`, how often a key is served compared with others: from 0.001 to 1,000, 1 where it is not named. With order
   * `'priority'`, the share of the permits that is kept for a priority (`'0'` to `'9'`) and those above: in (0, 1), below 1 together.
   */
  readonly shares?: Readonly<Record<string, number>> | undefined;
  /** What is done about a line that stands. Default: nothing. */
  readonly codel?: CodelOptions | undefined;
}

export const LIMIT_SHAPES = {
  maxConcurrent: 'anything',
  maxQueue: 'number',
  queueTimeoutMs: 'number',
} as const;

export const SHAPES = {
  ...COMMON_SHAPES,
  ...LIMIT_SHAPES,
  order: 'string',
  shares: 'object',
  codel: 'object',
} as const;

const ADAPTIVE_SHAPES = { kind: 'string', min: 'number', max: 'number', initial: 'number' } as const;
const CODEL_SHAPES = { targetMs: 'number', intervalMs: 'number', adaptiveLifo: 'boolean' } as const;

export function concurrencyOf(given: BulkheadLimits['maxConcurrent']): NativeConcurrency {
  if (typeof given === 'number') return { limit: given };
  if (typeof given !== 'object' || given === null || Array.isArray(given)) {
    throw invalid('bulkhead', 'maxConcurrent', 'a whole number from 1 to 1000000, or an object', given);
  }
  const adaptive = checkShape('bulkhead', given, ADAPTIVE_SHAPES, 'maxConcurrent');
  if (adaptive.kind !== 'aimd' && adaptive.kind !== 'gradient') {
    throw invalid('bulkhead', 'maxConcurrent.kind', "'aimd' or 'gradient'", adaptive.kind);
  }
  return adaptive;
}

export function sharesOf(given: BulkheadOptions['shares']): NativeBulkheadOptions['shares'] {
  if (given === undefined) return undefined;
  // Whatever is iterable has its entries elsewhere: a Map, an array.
  if (Symbol.iterator in given) throw invalid('bulkhead', 'shares', 'a plain object', given);
  const shares = { ...given };
  for (const [key, share] of Object.entries(shares)) {
    if (typeof share !== 'number') throw invalid('bulkhead', `shares.${key}`, 'a number', share);
  }
  return shares;
}

export function codelOf(given: CodelOptions | undefined): NativeBulkheadOptions['codel'] {
  if (given === undefined) return undefined;
  const { adaptiveLifo = false, ...times } = checkShape('bulkhead', given, CODEL_SHAPES, 'codel');
  return { ...times, adaptiveLifo };
}
