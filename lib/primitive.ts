/**
 * What every primitive with a native part has: its name, its handle, its clock, its errors, its end. A primitive's class holds one
 * of these, and keeps what is particular to it.
 */
import type { Native, Opened } from './binding.js';
import { publishRefused, type RefusedMessage } from './channels.js';
import { clockOf, type ManualClock, type Timeline, timelineOfState } from './clock.js';
import { DisposedError, type ErrorDetails, RateLimitedError } from './errors.js';
import { collectWith, host, type NativeKind } from './host.js';
import { checkName, fromNative, invalid } from './options.js';

/** The primitives that are shared by name. */
export type SharedKind =
  | 'bucket'
  | 'limiter'
  | 'breaker'
  | 'budget'
  | 'throttle'
  | 'bulkhead'
  | 'queue'
  | 'cache';

/** The primitives with a native part that refuses; a shedder is of its own thread alone. */
export type PrimitiveKind = SharedKind | 'shedder';

/** Options that every primitive has. */
export interface CommonOptions {
  /** One state for all worker threads that construct it with this name and these options: 1 to 128 characters. */
  readonly name?: string | undefined;
  /** Names the object in errors and snapshots, and shares nothing. */
  readonly label?: string | undefined;
  /** Decides, counts and publishes, but refuses nothing and waits for nothing. @default false */
  readonly dryRun?: boolean | undefined;
  /** Where the time is read. Default: the system's monotonic clock. */
  readonly clock?: ManualClock | undefined;
}

/** The shapes of `CommonOptions`, for `checkShape`. */
export const COMMON_SHAPES = { name: 'string', label: 'string', dryRun: 'boolean', clock: 'object' } as const;

/** What every snapshot starts with. */
export interface CommonSnapshot<K extends PrimitiveKind> {
  readonly kind: K;
  readonly name: string | undefined;
  readonly label: string | undefined;
  readonly dryRun: boolean;
}

/** The options as the binding takes them: a name, the handle of a clock. */
export interface NativeCommon {
  readonly name: string | undefined;
  readonly clock: number | undefined;
  readonly dryRun: boolean;
}

/** The native part of one object. */
export class Primitive<K extends PrimitiveKind, Functions> {
  readonly kind: K;
  readonly name: string | undefined;
  readonly label: string | undefined;
  readonly dryRun: boolean;
  readonly timeline: Timeline;
  /** How mail names the state. */
  readonly state: number;
  readonly functions: Functions;
  /** For cold calls. */
  readonly handle: number;
  /** What the native part is, where that is not the kind. */
  readonly #part: NativeKind;
  #disposed = false;

  private constructor(
    kind: K,
    { name, label }: CommonOptions,
    timeline: Timeline,
    { dryRun, state, functions, handle }: Opened<Functions>,
    part: NativeKind = kind,
  ) {
    this.#part = part;
    this.kind = kind;
    this.name = name;
    this.label = label;
    this.dryRun = dryRun;
    this.timeline = timeline;
    this.state = state;
    this.functions = functions;
    this.handle = handle;
  }

  /**
   * Makes the state or joins the one of its name, on behalf of `owner`.
   * @throws {InvalidOptionError | NameConflictError}
   */
  static open<K extends PrimitiveKind, Functions>(
    owner: object,
    kind: K,
    options: CommonOptions,
    open: (native: Native, host: number, common: NativeCommon) => Opened<Functions>,
    part: NativeKind = kind,
  ): Primitive<K, Functions> {
    const { name, label, dryRun = false } = options;
    checkName(kind, name);
    const { timeline, handle } = clockOf(options.clock);
    const { id, native } = host();
    let opened: Opened<Functions>;
    try {
      opened = open(native, id, { name, clock: handle, dryRun });
    } catch (error) {
      throw fromNative(error, { kind, primitive: name ?? label });
    }
    collectWith(owner, part, opened.handle);
    return new Primitive(kind, options, timeline, opened, part);
  }

  /** Joins the state of this name, if there is one, on behalf of what `make` makes. */
  static find<K extends SharedKind, Functions, T extends object>(
    kind: K,
    name: string,
    find: (native: Native, host: number, name: string) => Opened<Functions> | null,
    make: (primitive: Primitive<K, Functions>) => T,
  ): T | undefined {
    if (typeof name !== 'string') throw invalid(kind, 'name', 'a string', name);
    const { id, native } = host();
    const opened = find(native, id, name);
    if (opened === null) return undefined;
    const found = new Primitive(kind, { name }, timelineOfState(opened.clock), opened);
    try {
      const owner = make(found);
      collectWith(owner, kind, opened.handle);
      return owner;
    } catch (error) {
      found.dispose();
      native.collected(id, kind, opened.handle);
      throw error;
    }
  }

  /** The name or label. */
  get word(): string | undefined {
    return this.name ?? this.label;
  }

  get details(): ErrorDetails {
    return { kind: this.kind, primitive: this.word };
  }

  /** Whether `dispose` was called. */
  get disposed(): boolean {
    return this.#disposed;
  }

  /** What the native part answered; undefined says that the object was disposed. @throws {DisposedError} */
  live<T>(answer: T | undefined): T {
    if (answer === undefined) throw this.disposedError();
    return answer;
  }

  /** A cold native call on this object. Null and undefined say that it was disposed. @throws {InvalidOptionError | DisposedError} */
  cold<T>(call: (native: Native, host: number, handle: number) => T | null): T {
    const { id, native } = host();
    try {
      return this.live(call(native, id, this.handle) ?? undefined);
    } catch (error) {
      throw fromNative(error, this.details);
    }
  }

  /** What every snapshot starts with. */
  common(): CommonSnapshot<K> {
    const { kind, name, label, dryRun } = this;
    return { kind, name, label, dryRun };
  }

  /** Publishes a refusal, and answers whether it is to be ignored: in a dry run it is. */
  refused(): boolean {
    // A cache refuses nothing, and never asks.
    publishRefused(this.kind as RefusedMessage['kind'], this.word, this.dryRun);
    return this.dryRun;
  }

  /** The error of a refusal. `never` says why no wait would help. */
  refusal(retryAfterMs: number, never: string): RateLimitedError {
    const when = retryAfterMs === Number.POSITIVE_INFINITY ? never : `retry after ${retryAfterMs} ms`;
    const message = `${this.subject} refused: ${when}`;
    return new RateLimitedError(message, { kind: this.kind, primitive: this.word, retryAfterMs });
  }

  disposedError(): DisposedError {
    return new DisposedError(`${this.subject} was disposed`, this.details);
  }

  /** Lets go of the state; a second time does nothing. */
  dispose(): void {
    const { id, native } = host();
    this.#disposed = true;
    native.dispose(id, this.#part, this.handle);
  }

  /** As messages name it. */
  get subject(): string {
    return this.word === undefined ? this.kind : `${this.kind} "${this.word}"`;
  }
}
