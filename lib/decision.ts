/** Decisions: what a RateLimiter says of a call, read from the result registers. */
import type { LimitsInForce } from './binding.js';

/** What one limit says of a call. */
export interface LimitDecision {
  /** Whether the call passed; with several limits: every one of them. */
  readonly allowed: boolean;
  readonly limitName: string;
  readonly limit: number;
  /** Whole units left, ≥ 0. */
  readonly remaining: number;
  /** Milliseconds until the key is full again. */
  readonly resetMs: number;
  /** Milliseconds until this cost passes: 0 when allowed, Infinity when it is above the capacity. */
  readonly retryAfterMs: number;
}

/**
 * What a call was told. Its fields are all of one limit: when refused the one with the longest retryAfterMs, else the one with
 * the smallest share left, the first on a tie.
 */
export interface Decision extends LimitDecision {
  /** The same for each limit, of the same instant. */
  readonly limits: readonly LimitDecision[];
}

/** A limit in force. */
export interface LimitInForce {
  readonly name: string;
  readonly limit: number;
  /** Milliseconds in which an empty bucket fills. */
  readonly windowMs: number;
}

/** The limits in force with their names, and how often they were changed. */
export interface NamedLimits {
  readonly version: number;
  readonly limits: readonly LimitInForce[];
}

/** Names limits as the user did, else such as `'100-in-60s'`. */
export function nameLimits({ version, limits }: LimitsInForce): NamedLimits {
  const named = limits.map(({ limit, windowMs, label }) => {
    const name = label ?? `${limit}-in-${Number((windowMs / 1_000).toPrecision(6))}s`;
    return Object.freeze({ name, limit, windowMs });
  });
  return { version, limits: Object.freeze(named) };
}

/** The registers of a verdict: the deciding limit, the version of the limits, then four for each limit. */
const DECIDING = 0;
const VERSION = 1;
const FIRST_LIMIT = 2;
const REGISTERS_A_LIMIT = 4;

/** Which version of the limits the verdict in the registers speaks of. */
export function versionOf(registers: Float64Array): number {
  return registers[VERSION] as number;
}

/** Reads the verdict that the last native call left in the registers. */
export function readDecision(
  registers: Float64Array,
  allowed: boolean,
  inForce: readonly LimitInForce[],
): Decision {
  if (inForce.length === 1) {
    const only = readLimit(registers, allowed, inForce[0] as LimitInForce, FIRST_LIMIT);
    return decide(allowed, only, [only]);
  }
  const limits = inForce.map((limit, index) =>
    readLimit(registers, allowed, limit, FIRST_LIMIT + REGISTERS_A_LIMIT * index),
  );
  return decide(allowed, limits[registers[DECIDING] as number] as LimitDecision, limits);
}

function readLimit(
  registers: Float64Array,
  allowed: boolean,
  { name }: LimitInForce,
  at: number,
): LimitDecision {
  return {
    allowed,
    limitName: name,
    limit: registers[at] as number,
    remaining: registers[at + 1] as number,
    resetMs: registers[at + 2] as number,
    retryAfterMs: allowed ? 0 : (registers[at + 3] as number),
  };
}

function decide(allowed: boolean, deciding: LimitDecision, limits: readonly LimitDecision[]): Decision {
  const { limitName, limit, remaining, resetMs, retryAfterMs } = deciding;
  return { allowed, limitName, limit, remaining, resetMs, retryAfterMs, limits };
}
