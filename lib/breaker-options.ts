/** The options of CircuitBreaker, and how they cross the border. */
import type { NativeThresholds } from './binding.js';
import type { IsFailure } from './judge.js';
import { checkShape, invalid } from './options.js';
import { COMMON_SHAPES, type CommonOptions } from './primitive.js';

/** How long breaks last. */
export interface BreakBackoff {
  /** Milliseconds of the first break, in (0, 1 day]. @default 5000 */
  readonly initialMs?: number | undefined;
  /** Each further break without a recovery between is so many times as long: from 1 to 100. @default 2 */
  readonly factor?: number | undefined;
  /** Milliseconds of the longest break, before jitter: from initialMs to a day. @default 60000 */
  readonly maxMs?: number | undefined;
  /** Up to so much is added at random, as a share of the break: from 0 to 1. @default 0 */
  readonly jitter?: number | undefined;
}

/** What may be changed with `reconfigure`. */
export interface BreakerThresholds {
  /** Opens when so many of the calls in the window failed, in (0, 1]; false: no such rule. @default 0.5 */
  readonly failureRateThreshold?: number | false | undefined;
  /**
   * Calls in the window before a rate says anything: from 1 to the size of a count window, else to a million. In a count window
   * smaller than the default, its size. @default 20
   */
  readonly minimumCalls?: number | undefined;
  /** Opens after so many failures in a row, whenever they were: from 1 to a million. Default: no such rule. */
  readonly consecutiveFailures?: number | undefined;
  /** A call that takes longer is slow: milliseconds in (0, 1 day]. Default: no call is. */
  readonly slowCallMs?: number | undefined;
  /** Opens when so many of the calls in the window were slow, in (0, 1]: only with slowCallMs. @default 1 */
  readonly slowCallRateThreshold?: number | undefined;
  /** How long a break lasts: milliseconds in (0, 1 day], or how it grows. @default 5000 */
  readonly openMs?: number | BreakBackoff | undefined;
  /**
   * Milliseconds after which a probe that did not answer is replaced, in (0, 1 day]: the first break if that is longer than the
   * default. @default 30000
   */
  readonly probeLeaseMs?: number | undefined;
}

/** Options of CircuitBreaker. */
export interface CircuitBreakerOptions extends CommonOptions, BreakerThresholds {
  /** Over what calls are counted: those of the last while, or the last so many. Default: the last 10 seconds. */
  readonly window?:
    | {
        readonly kind: 'time';
        /** Milliseconds, from 100 to a day. The window moves in tenths of it. @default 10000 */
        readonly durationMs?: number | undefined;
      }
    | {
        readonly kind: 'count';
        /** Calls, from 1 to 10,000. @default 100 */
        readonly size?: number | undefined;
      }
    | undefined;
  /** How many probes decide whether a break is followed by another: from 1 to 1,000. @default 1 */
  readonly halfOpenCalls?: number | undefined;
  /**
   * Whether a call failed: true or false, 'ignore' if it says nothing about the dependency, `{ openMs }` to open for that long
   * (429 or 503 with Retry-After; at most a day). `error` is undefined when the function returned. Refusals and aborts are not
   * asked about. Default: any error is a failure.
   */
  readonly isFailure?: IsFailure | undefined;
  /** For the jitter of breaks: any number gives the same breaks again. Default: chance. */
  readonly seed?: number | undefined;
}

export const THRESHOLD_SHAPES = {
  failureRateThreshold: 'anything',
  minimumCalls: 'number',
  consecutiveFailures: 'number',
  slowCallMs: 'number',
  slowCallRateThreshold: 'number',
  openMs: 'anything',
  probeLeaseMs: 'number',
} as const;

export const SHAPES = {
  ...COMMON_SHAPES,
  ...THRESHOLD_SHAPES,
  window: 'object',
  halfOpenCalls: 'number',
  isFailure: 'function',
  seed: 'number',
} as const;

export function windowOf(window: CircuitBreakerOptions['window']):
  | {
      readonly kind: string;
      readonly durationMs?: number | undefined;
      readonly size?: number | undefined;
    }
  | undefined {
  if (window === undefined) return undefined;
  const { kind } = window;
  if (kind !== 'time' && kind !== 'count') throw invalid('breaker', 'window.kind', "'time' or 'count'", kind);
  const size = kind === 'time' ? ({ durationMs: 'number' } as const) : ({ size: 'number' } as const);
  return checkShape('breaker', window, { kind: 'string', ...size }, 'window');
}

export function thresholdsOf(options: BreakerThresholds): NativeThresholds {
  const { failureRateThreshold: rate, openMs } = options;
  if (rate !== undefined && rate !== false && typeof rate !== 'number') {
    throw invalid('breaker', 'failureRateThreshold', 'a number in (0, 1], or false', rate);
  }
  return {
    failureRateThreshold: rate === false ? undefined : rate,
    noFailureRate: rate === false,
    minimumCalls: options.minimumCalls,
    consecutiveFailures: options.consecutiveFailures,
    slowCallMs: options.slowCallMs,
    slowCallRateThreshold: options.slowCallRateThreshold,
    openMs: breaksOf(openMs),
    probeLeaseMs: options.probeLeaseMs,
  };
}

function breaksOf(openMs: BreakerThresholds['openMs']): NativeThresholds['openMs'] {
  if (openMs === undefined) return undefined;
  if (typeof openMs === 'number') return { constant: openMs };
  if (typeof openMs !== 'object' || openMs === null || Array.isArray(openMs)) {
    throw invalid('breaker', 'openMs', 'a number of milliseconds, or an object', openMs);
  }
  const shapes = { initialMs: 'number', factor: 'number', maxMs: 'number', jitter: 'number' } as const;
  return checkShape('breaker', openMs, shapes, 'openMs');
}
