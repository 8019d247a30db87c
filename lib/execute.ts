/**
 * `execute`, the same for every policy. A policy is a layer: it goes on with what is inside it, or does not, and hears what came of
 * it. Layers answer values as values, so that a call in which nobody waits takes no promise for each policy it passes.
 */
import { type Call, type ExecuteOptions, Scope } from './call.js';
import type { Timeline } from './clock.js';
import type { ErrorDetails, RefusedError } from './errors.js';
import { checkShape, checkSignal, checkSpan, invalid } from './options.js';
import { type Next, Race } from './race.js';

/**
 * Something calls go through. `Alt` is what `execute` may give besides the function's own result. It is `out` in so many words:
 * what TypeScript finds out by itself takes a `Policy<string>` for a `Policy<never>`.
 */
export interface Policy<out Alt = never> {
  execute<T>(fn: (call: Call) => T, options?: ExecuteOptions): Promise<Awaited<T> | Alt>;
  /** `(...args) => execute(() => fn(...args))`, with `this` kept. */
  wrap<This, Args extends unknown[], T>(
    fn: (this: This, ...args: Args) => T,
  ): (this: This, ...args: Args) => Promise<Awaited<T> | Alt>;
}

/** A policy from inside. */
export interface Layer {
  readonly timeline: Timeline;
  readonly details: ErrorDetails;
  /**
   * Answers a value, or a native promise; throws where `next` threw. A refusal is a rejected promise: throwing costs ten times that.
   * Neither this nor `next` is called with a scope that has ended: what a layer takes then, nobody would give back.
   */
  run(scope: Scope, next: Next): unknown;
}

/** The layers of this package's own policies: `pipeline` goes through them without a promise for each. */
const layers = new WeakMap<object, Layer>();

/** Says which layer `policy` is, and answers it. */
export function register<P extends object>(policy: P, layer: Layer): P {
  layers.set(policy, layer);
  return policy;
}

/** The layer of a policy of this package. */
export function layerOf(policy: object): Layer | undefined {
  return layers.get(policy);
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

const NO_OPTIONS: ExecuteOptions = Object.freeze({});

/** Calls the function itself. */
export const callFunction: Next = (scope) => {
  const { fn } = scope;
  if (scope.guarded) {
    scope.throwIfEnded();
    scope.markCalled();
  }
  return adopt(fn(scope));
};

/** A thenable as a native promise, of which `then` is called once; everything else as it is. */
export function adopt(result: unknown): unknown {
  return result instanceof Promise || !isThenable(result) ? result : Promise.resolve(result);
}

/** Runs `fn` under a layer. Never throws. */
export function execute<T>(
  layer: Layer,
  fn: (call: Call) => T,
  given: ExecuteOptions = NO_OPTIONS,
): Promise<Awaited<T>> {
  try {
    const { details } = layer;
    if (typeof fn !== 'function') throw invalid(details.kind, 'fn', 'a function', fn, details.primitive);
    const options = given === NO_OPTIONS ? given : checkOptions(details, given);
    const { signal, timeoutMs } = options;
    if (signal === undefined && timeoutMs === undefined) {
      return promiseOf(layer.run(new Scope(undefined, fn, options, 1), callFunction));
    }
    if (signal?.aborted) return Promise.reject(signal.reason);
    const { timeline } = layer;
    const race = new Race(undefined, fn, options, { timeline, ms: timeoutMs, signal, details });
    return promiseOf(race.run((scope) => layer.run(scope, callFunction)));
  } catch (error) {
    return Promise.reject(error);
  }
}

/** `(...args) => execute(() => fn(...args))`, with `this` kept. Throws InvalidOptionError when `fn` is no function. */
export function wrap<This, Args extends unknown[], T, Alt>(
  policy: Policy<Alt>,
  fn: (this: This, ...args: Args) => T,
  { kind, primitive }: ErrorDetails,
): (this: This, ...args: Args) => Promise<Awaited<T> | Alt> {
  if (typeof fn !== 'function') throw invalid(kind, 'fn', 'a function', fn, primitive);
  return function (this: This, ...args: Args) {
    return policy.execute(() => fn.apply(this, args));
  };
}

/** A policy made of one layer. */
export function policyOf(layer: Layer): Policy {
  const policy: Policy = {
    execute: (fn, options) => execute(layer, fn, options),
    wrap: (fn) => wrap(policy, fn, layer.details),
  };
  return register(policy, layer);
}

/**
 * What a policy says of a call that wants in: nothing lets it in at once, a promise when it has to wait, an error refuses it.
 */
export type Admission = Promise<void> | RefusedError | undefined;

/** Whether a policy's answer is a promise, of our own making and so a native one. */
export function isPromise(admission: Promise<void> | RefusedError): admission is Promise<void> {
  return admission instanceof Promise;
}

const settled = Promise.resolve();

/**
 * A promise that is rejected with a refusal. Node tracks a promise that is rejected before somebody listens, and tracks it again
 * when somebody does: that costs as much as the rest of the refusal. A moment later the caller listens.
 */
export const refuse: (refusal: RefusedError) => Promise<never> =
  process.versions['bun'] === undefined
    ? (refusal) =>
        new Promise((_, reject) => {
          settled.then(() => reject(refusal));
        })
    : (refusal) => Promise.reject(refusal);

/**
 * What a continuation gives back in order to reject. Engines describe what is thrown there, which costs as much as the rejection
 * itself; a promise that takes over a thenable is rejected without a throw.
 */
export class Rejection {
  readonly #error: unknown;

  constructor(error: unknown) {
    this.#error = error;
  }

  // biome-ignore lint/suspicious/noThenProperty: a thenable is what a promise takes a rejection from without a throw
  then(_: unknown, reject: (error: unknown) => void): void {
    reject(this.#error);
  }
}

/** Goes on with `next` as an admission says. What a call waited for and cannot use any more is given back by `undo`. */
export function admit(admission: Admission, scope: Scope, next: Next, undo: () => void): unknown {
  if (admission === undefined) return next(scope);
  if (!isPromise(admission)) return refuse(admission);
  return admission.then(() => {
    // Aborted in the turn in which its wait was over.
    if (scope.ended) undo();
    scope.throwIfEnded();
    return next(scope);
  });
}

function promiseOf<T>(result: unknown): Promise<Awaited<T>> {
  return (result instanceof Promise ? result : Promise.resolve(result)) as Promise<Awaited<T>>;
}

function isThenable(value: unknown): boolean {
  return (
    value !== null &&
    (typeof value === 'object' || typeof value === 'function') &&
    typeof (value as { then?: unknown }).then === 'function'
  );
}

function checkOptions({ kind, primitive }: ErrorDetails, given: ExecuteOptions): ExecuteOptions {
  const options = checkShape(kind, given, SHAPES);
  checkSignal(kind, options.signal, primitive);
  if (options.timeoutMs !== undefined) checkSpan(kind, 'timeoutMs', options.timeoutMs, primitive);
  return options;
}
