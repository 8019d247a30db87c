/**
 * What happens inside, for whoever wants to know: `diagnostics_channel` channels named `breakwater:<kind>:<event>`. Nothing is
 * built where nobody subscribed. Messages carry names and figures, never keys or payloads.
 */
import { type Channel, channel } from 'node:diagnostics_channel';

/** The message of `breakwater:bucket:refused`, and the same of every kind that refuses. */
export interface RefusedMessage {
  readonly kind: 'bucket' | 'limiter' | 'breaker' | 'budget' | 'throttle' | 'bulkhead' | 'queue' | 'shedder';
  /** The name or label of the primitive. */
  readonly primitive: string | undefined;
  /** Whether it was let through all the same. */
  readonly dryRun: boolean;
}

const refused: Record<RefusedMessage['kind'], Channel> = {
  bucket: channel('breakwater:bucket:refused'),
  limiter: channel('breakwater:limiter:refused'),
  breaker: channel('breakwater:breaker:refused'),
  budget: channel('breakwater:budget:refused'),
  throttle: channel('breakwater:throttle:refused'),
  bulkhead: channel('breakwater:bulkhead:refused'),
  shedder: channel('breakwater:shedder:refused'),
  queue: channel('breakwater:queue:refused'),
};

export function publishRefused(
  kind: RefusedMessage['kind'],
  primitive: string | undefined,
  dryRun: boolean,
): void {
  const target = refused[kind];
  if (target.hasSubscribers) target.publish({ kind, primitive, dryRun } satisfies RefusedMessage);
}

/** The message of `breakwater:retry:retried`. */
export interface RetriedMessage {
  /** The attempt that failed, from 1. */
  readonly attempt: number;
  /** Milliseconds until the next one. */
  readonly delayMs: number;
}

/** The message of `breakwater:hedge:hedged`. */
export interface HedgedMessage {
  /** Which call beside the first one, from 1. */
  readonly hedge: number;
}

/** The message of `breakwater:cache:loaded`: a loader that was called in this thread has come to an end. */
export interface LoadedMessage {
  /** The name or label of the cache. */
  readonly primitive: string | undefined;
  readonly outcome: 'value' | 'absent' | 'skipped' | 'failed';
  readonly tookMs: number;
  /** Whether it ran beside a value that was served. */
  readonly background: boolean;
}

const loaded = channel('breakwater:cache:loaded');
const retried = channel('breakwater:retry:retried');
const hedged = channel('breakwater:hedge:hedged');

export function publishLoaded(message: LoadedMessage): void {
  if (loaded.hasSubscribers) loaded.publish(message);
}

export function publishRetried(attempt: number, delayMs: number): void {
  if (retried.hasSubscribers) retried.publish({ attempt, delayMs } satisfies RetriedMessage);
}

export function publishHedged(hedge: number): void {
  if (hedged.hasSubscribers) hedged.publish({ hedge } satisfies HedgedMessage);
}
