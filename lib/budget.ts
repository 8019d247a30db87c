/** RetryBudget: retries as a share of the calls of the last while, one budget for all worker threads that share its name. */
import type { BudgetFunctions } from './binding.js';
import { Part, type Scope } from './call.js';
import type { ManualClock } from './clock.js';
import { DisposedError } from './errors.js';
import { tell } from './events.js';
import { checkShape, invalid } from './options.js';
import { type CommonSnapshot, Primitive } from './primitive.js';

/** What may be changed with `reconfigure`. */
export interface RetryBudgetShares {
  /** Retries and hedges for each call: in [0, 1]. @default 0.2 */
  readonly ratio?: number | undefined;
  /** Retries and hedges that are allowed each second beside those: from 0 to a million. @default 10 */
  readonly minPerSecond?: number | undefined;
}

/** Options of RetryBudget. */
export interface RetryBudgetOptions extends RetryBudgetShares {
  /** Milliseconds over which calls and retries are counted, from 100 to a day; it moves in tenths of it. @default 10000 */
  readonly windowMs?: number | undefined;
  /** One budget for all worker threads that construct it with this name and these options: 1 to 128 characters. */
  readonly name?: string | undefined;
  /** Names the object in errors and snapshots, and shares nothing. */
  readonly label?: string | undefined;
  /** Where the time is read. Default: the system's monotonic clock. */
  readonly clock?: ManualClock | undefined;
}

/** Figures over all threads. `allowed` and `refused` count since the state was made, the rest over the window. */
export interface RetryBudgetSnapshot extends Omit<CommonSnapshot<'budget'>, 'dryRun'> {
  readonly ratio: number;
  readonly minPerSecond: number;
  readonly windowMs: number;
  /** Calls. */
  readonly deposits: number;
  /** Retries and hedges. */
  readonly withdrawals: number;
  /** Retries that would be allowed now. */
  readonly balance: number;
  readonly allowed: number;
  readonly refused: number;
}

const SHARE_SHAPES = { ratio: 'number', minPerSecond: 'number' } as const;
const SHAPES = {
  ...SHARE_SHAPES,
  windowMs: 'number',
  name: 'string',
  label: 'string',
  clock: 'object',
} as const;

/** A method may be called on anything: what is no RetryBudget is an InvalidOptionError. */
let checkThis: (budget: RetryBudget) => RetryBudget;

/** The state that a RetryBudget of this copy of the package is on. */
let stateOf: (budget: object) => number | undefined;

/**
 * A budget for tries beyond the first, shared by every `retry` and `hedge` that is given it: as many as `ratio` of the calls of the
 * last `windowMs`, and `minPerSecond` more. When a dependency is down, retries then add a fifth to its load instead of tripling it.
 *
 * ```js
 * const budget = new RetryBudget({ name: 'search' });
 * const calls = pipeline(retry({ budget }), hedge({ delayMs: 50, budget }));
 * ```
 */
export class RetryBudget {
  readonly #primitive: Primitive<'budget', BudgetFunctions>;
  readonly #functions: BudgetFunctions;

  /**
   * @throws {InvalidOptionError} when an option is unknown, of the wrong type or out of range.
   * @throws {NameConflictError} when the name is in use with other options.
   */
  constructor(options: RetryBudgetOptions = {}) {
    this.#primitive = options instanceof Primitive ? options : this.#open(options);
    this.#functions = this.#primitive.functions;
  }

  /** An object on the budget of this name, if one exists in the process. */
  static find(name: string): RetryBudget | undefined {
    return Primitive.find(
      'budget',
      name,
      (native, host) => native.findBudget(host, name),
      (primitive) => new RetryBudget(primitive as never),
    );
  }

  /** Counts a call. `retry` and `hedge` do it, once for each call. @throws {DisposedError} */
  deposit(): void {
    const self = checkThis(this);
    self.#primitive.live(self.#functions.deposit());
  }

  /** Whether one more try is allowed; it is charged then. A refusal charges nothing. @throws {DisposedError} */
  withdraw(): boolean {
    const self = checkThis(this);
    const allowed = self.#primitive.live(self.#functions.withdraw());
    if (!allowed) self.#primitive.refused();
    return allowed;
  }

  /** Gives back a withdrawal whose try was never made. @throws {DisposedError} */
  refund(): void {
    const self = checkThis(this);
    self.#primitive.live(self.#functions.refund());
  }

  /** How many tries would be allowed now. @throws {DisposedError} */
  get balance(): number {
    const self = checkThis(this);
    return self.#primitive.live(self.#functions.balance());
  }

  /** New shares for all who use the budget; what is not given stays. @throws {InvalidOptionError | DisposedError} */
  reconfigure(options: RetryBudgetShares): void {
    const self = checkThis(this);
    const own = checkShape('budget', options, SHARE_SHAPES);
    self.#primitive.cold((native, host, handle) => native.reconfigureBudget(host, handle, own) || null);
  }

  /** Figures over all threads, safe to log. @throws {DisposedError} */
  snapshot(): RetryBudgetSnapshot {
    const self = checkThis(this);
    const figures = self.#primitive.cold((native, host, handle) => native.budgetSnapshot(host, handle));
    const { dryRun: _, ...common } = self.#primitive.common();
    return { ...common, ...figures };
  }

  /** Lets go of the budget: later calls throw DisposedError. A second call does nothing. */
  dispose(): void {
    checkThis(this).#primitive.dispose();
  }

  [Symbol.dispose](): void {
    checkThis(this).dispose();
  }

  static {
    checkThis = (budget) => {
      if (typeof budget === 'object' && budget !== null && #functions in budget) return budget;
      throw invalid('budget', 'this', 'a RetryBudget', budget);
    };
    stateOf = (budget) => (#primitive in budget ? budget.#primitive.state : undefined);
  }

  #open(options: RetryBudgetOptions): Primitive<'budget', BudgetFunctions> {
    const own = checkShape('budget', options, SHAPES);
    const { ratio, minPerSecond, windowMs } = own;
    return Primitive.open(this, 'budget', own, (native, host, { name, clock }) =>
      native.openBudget(host, { name, clock, ratio, minPerSecond, windowMs }),
    );
  }
}

/**
 * Whether `budget` pays for one more try of a call under way. One that was disposed meanwhile does not: the call comes to what it
 * came to so far. Neither does one of somebody else's making that throws, and its error is uncaught.
 */
export function pays(budget: RetryBudget | undefined): boolean {
  let paid = budget === undefined;
  if (budget !== undefined) {
    apart(() => {
      paid = budget.withdraw();
    });
  }
  return paid;
}

/** Gives back what `pays` took, where there is still somebody to give it to. */
export function payBack(budget: RetryBudget | undefined): void {
  apart(() => budget?.refund());
}

/** What goes wrong between a call and its budget does not become the call's. */
function apart(use: () => void): void {
  tell(() => {
    try {
      use();
    } catch (error) {
      if (!(error instanceof DisposedError)) throw error;
    }
  });
}

/** A `budget` option is a RetryBudget, of this copy of the package or another. */
export function checkBudget(kind: 'retry' | 'hedge', budget: unknown): void {
  if (budget === undefined) return;
  const { deposit, withdraw, refund } = (budget ?? {}) as Partial<RetryBudget>;
  if (![deposit, withdraw, refund].every((method) => typeof method === 'function')) {
    throw invalid(kind, 'budget', 'a RetryBudget', budget);
  }
}

/**
 * The scope for tries that `budget` pays for: of all policies of one call that share it, the outermost counts the call. Inside
 * another retry or hedge attempts count from 1 again.
 */
export function scopeOfTries(outer: Scope, budget: RetryBudget | undefined): Scope {
  const counts = budget !== undefined && !isPaid(outer, budget);
  if (counts) budget.deposit();
  if (!counts && outer.attempt === 1) return outer;
  const part = new Part(outer, 1);
  part.budget = budget;
  return part;
}

function isPaid(outer: Scope, budget: RetryBudget): boolean {
  for (let scope: Scope | undefined = outer; scope !== undefined; scope = scope.parent) {
    if (scope.budget !== undefined && isSame(scope.budget, budget)) return true;
  }
  return false;
}

/** One object, or objects of one name. */
function isSame(one: object, other: object): boolean {
  if (one === other) return true;
  const state = stateOf(one);
  return state !== undefined && state === stateOf(other);
}
