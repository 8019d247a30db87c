/**
 * `execute`, the same for every policy: who may run is the policy's to say (`admit`); from there on this file owns the call, its
 * signal, its deadline and its promise.
 */
import type { Timeline } from './clock.js';
import { type ErrorDetails, type RefusedError, TimeoutError } from './errors.js';
import { checkShape, checkSignal, checkSpan, invalid } from './options.js';

/** What a function that is executed gets to know. */
export interface Call {
  /** This call's own signal: aborted by the caller's signal, by a deadline, or when its result is no longer wanted. */
  readonly signal: AbortSignal;
  /** Counts from 1. */
  readonly attempt: number;
  /** Milliseconds to the nearest deadline, else Infinity. */
  readonly remainingMs: number;
  /** What the caller passed as `context`. */
  readonly context: unknown;
}

/** Options of `execute`, one type for all policies: each reads its own. */
export interface ExecuteOptions {
  /** Ends the call: its promise rejects in the same turn with the signal's own reason, whether or not the function obeys. */
  readonly signal?: AbortSignal | undefined;
  /** Milliseconds from the call of `execute`, waiting included, to a TimeoutError. Default: none. */
  readonly timeoutMs?: number | undefined;
  /** Passed on as `call.context`. */
  readonly context?: unknown;
  /** Whether the call may be repeated. Default true. */
  readonly idempotent?: boolean | undefined;
  /** For policies that decide by key. */
  readonly key?: string | undefined;
  /** 0 to 9, 9 first, for policies with priorities. Default 5. */
  readonly priority?: number | undefined;
  /** How much the call takes, for policies with weights. Default 1. */
  readonly weight?: number | undefined;
  /** Gets a value that comes after its call was settled otherwise, to close or release it. */
  readonly onDiscard?: ((value: unknown) => void) | undefined;
}

/** Something calls go through. `Alt` is what `execute` may give besides the function's own result. */
export interface Policy<Alt = never> {
  execute<T>(fn: (call: Call) => T, options?: ExecuteOptions): Promise<Awaited<T> | Alt>;
  /** `(...args) => execute(() => fn(...args))`, with `this` kept. */
  wrap<This, Args extends unknown[], T>(
    fn: (this: This, ...args: Args) => T,
  ): (this: This, ...args: Args) => Promise<Awaited<T> | Alt>;
}

/**
 * What a policy says of a call: nothing lets it in at once, a promise when it has to wait, an error refuses it. Returned, not
 * thrown: throwing costs ten times as much as making the error.
 */
export type Admission = Promise<void> | RefusedError | undefined;

/** What a policy brings to its calls. */
export interface Executor {
  readonly timeline: Timeline;
  readonly details: ErrorDetails;
  admit(call: Call): Admission;
}

const SHAPES = {
  signal: 'object',
  timeoutMs: 'number',
  context: 'anything',
  idempotent: 'boolean',
  key: 'string',
  priority: 'number',
  weight: 'number',
  onDiscard: 'function',
} as const;

const NO_OPTIONS: ExecuteOptions = {};

/** The call a function is in. Its signal is made when first read. */
class CurrentCall implements Call {
  readonly attempt = 1;
  readonly context: unknown;
  readonly #timeline: Timeline;
  readonly #deadline: number;
  #controller: AbortController | undefined;
  #ended = false;
  #reason: unknown;

  constructor(timeline: Timeline, options: ExecuteOptions) {
    this.#timeline = timeline;
    this.context = options.context;
    this.#deadline =
      options.timeoutMs === undefined ? Number.POSITIVE_INFINITY : timeline.now() + options.timeoutMs;
  }

  get signal(): AbortSignal {
    if (this.#controller === undefined) {
      this.#controller = new AbortController();
      if (this.#ended) this.#controller.abort(this.#reason);
    }
    return this.#controller.signal;
  }

  get remainingMs(): number {
    const deadline = this.#deadline;
    return deadline === Number.POSITIVE_INFINITY ? deadline : Math.max(0, deadline - this.#timeline.now());
  }

  end(reason: unknown): void {
    this.#ended = true;
    this.#reason = reason;
    this.#controller?.abort(reason);
  }
}

/** Runs `fn` under a policy. Never throws. */
export function execute<T>(
  executor: Executor,
  fn: (call: Call) => T,
  given: ExecuteOptions = NO_OPTIONS,
): Promise<Awaited<T>> {
  try {
    checkFunction(executor.details, fn);
    const options = given === NO_OPTIONS ? given : checkOptions(executor.details, given);
    const call = new CurrentCall(executor.timeline, options);
    if (options.signal !== undefined || options.timeoutMs !== undefined) {
      return bounded(executor, call, fn, options);
    }
    const admitted = executor.admit(call);
    if (admitted === undefined) return Promise.resolve(fn(call)) as Promise<Awaited<T>>;
    if (!isPromise(admitted)) return Promise.reject(admitted);
    return admitted.then(() => fn(call)) as Promise<Awaited<T>>;
  } catch (error) {
    return Promise.reject(error);
  }
}

/** The same for a call that may be settled before `fn` is: by its deadline or its caller's signal. */
function bounded<T>(
  executor: Executor,
  call: CurrentCall,
  fn: (call: Call) => T,
  options: ExecuteOptions,
): Promise<Awaited<T>> {
  const { signal, timeoutMs, onDiscard } = options;
  const { timeline, details } = executor;
  if (signal?.aborted) return Promise.reject(signal.reason);
  return new Promise((resolve, reject) => {
    let open = true;
    let ran = false;
    const close = (): void => {
      open = false;
      signal?.removeEventListener('abort', onAbort);
      if (timer !== undefined) timeline.cancel(timer);
    };
    const fail = (error: unknown): void => {
      if (!open) return;
      close();
      reject(error);
    };
    const abandon = (reason: unknown): void => {
      if (!open) return;
      fail(reason);
      call.end(reason);
    };
    const onAbort = (): void => abandon((signal as AbortSignal).reason);
    const expire = (): void => abandon(new TimeoutError(`timed out after ${timeoutMs} ms`, details));
    const done = (value: Awaited<T>): void => {
      // A function that kept the event loop busy past its deadline is late all the same.
      if (open && timeoutMs !== undefined && call.remainingMs === 0) expire();
      if (open) {
        close();
        resolve(value);
      } else if (ran) {
        onDiscard?.(value);
      }
    };
    const timer = timeoutMs === undefined ? undefined : timeline.after(timeoutMs, expire);
    signal?.addEventListener('abort', onAbort);
    try {
      const admitted = executor.admit(call);
      if (admitted !== undefined && !isPromise(admitted)) return fail(admitted);
      const run = (): T | undefined => {
        if (!open) return undefined;
        ran = true;
        return fn(call);
      };
      const result = admitted === undefined ? run() : admitted.then(run);
      if (isThenable(result)) Promise.resolve(result as T).then(done, fail);
      else done(result as Awaited<T>);
    } catch (error) {
      fail(error);
    }
  });
}

/** `(...args) => execute(() => fn(...args))`, with `this` kept. Throws InvalidOptionError when `fn` is no function. */
export function wrap<This, Args extends unknown[], T>(
  policy: Policy,
  fn: (this: This, ...args: Args) => T,
  details: ErrorDetails,
): (this: This, ...args: Args) => Promise<Awaited<T>> {
  checkFunction(details, fn);
  return function (this: This, ...args: Args) {
    return policy.execute(() => fn.apply(this, args));
  };
}

/** Whether a policy's answer is a promise, of our own making and so a native one. */
export function isPromise(admission: Promise<void> | RefusedError): admission is Promise<void> {
  return admission instanceof Promise;
}

function isThenable(value: unknown): boolean {
  return (
    value !== null &&
    (typeof value === 'object' || typeof value === 'function') &&
    typeof (value as { then?: unknown }).then === 'function'
  );
}

function checkFunction({ kind, primitive }: ErrorDetails, fn: unknown): void {
  if (typeof fn !== 'function') throw invalid(kind, 'fn', 'a function', fn, primitive);
}

function checkOptions({ kind, primitive }: ErrorDetails, given: ExecuteOptions): ExecuteOptions {
  const options = checkShape(kind, given, SHAPES);
  checkSignal(kind, options.signal, primitive);
  if (options.timeoutMs !== undefined) checkSpan(kind, 'timeoutMs', options.timeoutMs, primitive);
  return options;
}
