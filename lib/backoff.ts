/** How long to wait before trying again. */
import type { BackoffFunctions, NativeBackoff } from './binding.js';
import type { Kind } from './errors.js';
import { collectWith, host } from './host.js';
import { checkShape, fromNative, invalid } from './options.js';

/** Delays that grow, spread at random so that callers who failed together do not come back together. */
export interface ExponentialBackoff {
  readonly kind: 'exponential';
  /** Milliseconds of the first delay, before jitter: from 0 to a day. @default 100 */
  readonly initialMs?: number | undefined;
  /** Each further delay is so many times as long: from 1 to 1,000. @default 2 */
  readonly factor?: number | undefined;
  /** Milliseconds that no delay passes, jitter included: from initialMs to a day. @default 10000 */
  readonly maxMs?: number | undefined;
  /**
   * 'full': anywhere between 0 and the delay; 'equal': in its upper half; 'decorrelated': between the first delay and three times
   * the last one; 'none'. @default 'full'
   */
  readonly jitter?: 'full' | 'equal' | 'decorrelated' | 'none' | undefined;
}

/** The same delay each time, in milliseconds from 0 to a day, or delays that grow. */
export type Backoff = number | ExponentialBackoff;

const SHAPES = {
  kind: 'string',
  initialMs: 'number',
  factor: 'number',
  maxMs: 'number',
  jitter: 'string',
} as const;

/** The delays of one policy, with a chance of its own. */
export class Delays {
  readonly #functions: BackoffFunctions;

  /** @throws {InvalidOptionError} */
  constructor(kind: Kind, backoff: Backoff | undefined, seed: number | undefined) {
    const options = { ...nativeBackoff(kind, backoff), seed };
    const { id, native } = host();
    try {
      const opened = native.openBackoff(id, options);
      collectWith(this, 'backoff', opened.handle);
      this.#functions = opened.functions;
    } catch (error) {
      throw fromNative(error, { kind });
    }
  }

  /** Milliseconds to wait after attempt number `attempt` (from 1) has failed; `previousMs` is what was waited before it. */
  after(attempt: number, previousMs: number): number {
    return this.#functions.delay(attempt, previousMs) as number;
  }
}

function nativeBackoff(kind: Kind, backoff: Backoff | undefined): NativeBackoff {
  if (backoff === undefined) return {};
  if (typeof backoff === 'number') return { constantMs: backoff };
  const { kind: which, ...rest } = checkShape(kind, backoff, SHAPES, 'backoff');
  if (which !== 'exponential') throw invalid(kind, 'backoff.kind', "'exponential'", which);
  return rest;
}
