/**
 * What rate limiting over HTTP has in common in every framework: the options and their checks, the header fields, the problem body,
 * the key of a client, and `Gate`, which takes a request from its options to a decision. express.ts and fastify.ts add how their
 * framework goes on, refuses and reports an error.
 *
 * A request whose options are all synchronous is decided synchronously: no promise, no microtask. From the first option that answers
 * a promise on, the rest is awaited.
 */

import { types } from 'node:util';
import type { Decision, LimitInForce } from './decision.js';
import { BreakwaterError, DisposedError, RateLimitedError } from './errors.js';
import {
  type AddressedRequest,
  type AddressKey,
  type AddressSource,
  checkPrefix,
  DEFAULT_PREFIX,
  type Warnings,
} from './ip.js';
import type { Cost, RateLimiter } from './limiter.js';
import { checkShape, describe, invalid, type Shapes } from './options.js';

/** A value, or a promise of it. */
export type Awaitable<T> = T | PromiseLike<T>;

/** Options of `rateLimit`. Functions may answer a promise; what they throw goes to the framework's error handling. */
export interface RateLimitOptions<Req, Res> {
  /** The limiter, or a function that picks one of several: a limiter per plan. */
  readonly limiter: RateLimiter | ((req: Req, res: Res) => Awaitable<RateLimiter>);
  /**
   * Whom the request is counted for.
   * @default the client's address as the framework knows it (`req.ip`), by `ipKey` with `ipv6Prefix`
   */
  readonly key?: ((req: Req, res: Res) => Awaitable<string>) | undefined;
  /**
   * What the request costs: a whole number ≥ 0 for every limit, or one per limit in their order. 0 only asks.
   * @default 1
   */
  readonly cost?: Cost | ((req: Req, res: Res) => Awaitable<Cost>) | undefined;
  /**
   * Requests it answers true for are neither counted nor limited, and get no header fields. Asked first.
   * @default none
   */
  readonly skip?: ((req: Req, res: Res) => Awaitable<boolean>) | undefined;
  /**
   * Asked once the response of an admitted request is done, or its connection gone: true gives the cost back. What it throws is
   * reported as a warning.
   * @default never
   */
  readonly refundIf?: ((req: Req, res: Res) => Awaitable<boolean>) | undefined;
  /**
   * The header fields of every limited response: `'draft'` is RateLimit-Policy and RateLimit of the IETF draft
   * (draft-ietf-httpapi-ratelimit-headers-10), `'legacy'` is X-RateLimit-Limit, -Remaining and -Reset. A refusal carries Retry-After in any case.
   * With `false` and no `onRefused` the cheaper `tryAcquire` decides, and `req.rateLimit` is set for refused requests only.
   * @default 'draft'
   */
  readonly headers?: 'draft' | 'legacy' | 'both' | false | undefined;
  /**
   * Answers a refused request in place of the problem body. Status 429 and the header fields are already set. What it throws goes to
   * the framework's error handling.
   */
  readonly onRefused?: ((req: Req, res: Res, decision: Decision) => unknown) | undefined;
  /**
   * How a request is refused when there is no `onRefused`: `'problem'` answers 429 with a body of RFC 9457; `'error'` hands a
   * RateLimitedError with `statusCode` 429 to the framework's error handling, for applications that give all errors one form.
   * @default 'problem'
   */
  readonly refuseWith?: 'problem' | 'error' | undefined;
  /**
   * Bits of an IPv6 address that are one client to the default key: an integer from 1 to 128. 64 is the smallest prefix networks give
   * a customer; many give a /56 or /48, and then a smaller number is the safer one.
   * @default 64
   */
  readonly ipv6Prefix?: number | undefined;
}

/** What the gate reads and writes of a request. */
export interface EdgeRequest extends AddressedRequest {
  rateLimit?: Decision | undefined;
}

/** What the gate asks of a framework. */
export interface Framework<Req, Res> extends AddressSource<Req> {
  headersSent(res: Res): boolean;
  getHeader(res: Res, name: string): unknown;
  setHeader(res: Res, name: string, value: string | number): void;
  /** Calls `listener` once, when the response is done or its connection gone: now, if that has been. */
  onClose(res: Res, listener: () => void): void;
}

const SHAPES = {
  key: 'function',
  skip: 'function',
  refundIf: 'function',
  onRefused: 'function',
  refuseWith: 'string',
  ipv6Prefix: 'number',
} as const satisfies Shapes;

/** Throws InvalidOptionError unless `options` are options of `rateLimit`; `more` are keys that only one framework has. */
export function checkOptions(options: object, more: Shapes = {}, prefix = ''): void {
  const { limiter, cost, headers, refuseWith, onRefused, ipv6Prefix } = (options ?? {}) as Record<
    string,
    unknown
  >;
  const option = (key: string) => (prefix ? `${prefix}.${key}` : key);
  // What checkShape cannot say: options of more than one type. `shapeOf` then only makes their keys known.
  checkShape(
    'middleware',
    options,
    {
      limiter: shapeOf(limiter),
      cost: shapeOf(cost),
      headers: shapeOf(headers),
      ...SHAPES,
      ...more,
    },
    prefix,
  );
  if (typeof limiter !== 'function' && !isLimiter(limiter)) {
    throw invalid('middleware', option('limiter'), 'a RateLimiter or a function that returns one', limiter);
  }
  if (cost !== undefined && typeof cost !== 'function' && !isCost(cost, limiter)) {
    throw invalid(
      'middleware',
      option('cost'),
      'a whole number ≥ 0, an array of one per limit, or a function',
      cost,
    );
  }
  if (
    headers !== undefined &&
    headers !== false &&
    headers !== 'draft' &&
    headers !== 'legacy' &&
    headers !== 'both'
  ) {
    throw invalid('middleware', option('headers'), "'draft', 'legacy', 'both' or false", headers);
  }
  if (refuseWith !== undefined && refuseWith !== 'problem' && refuseWith !== 'error') {
    throw invalid('middleware', option('refuseWith'), "'problem' or 'error'", refuseWith);
  }
  if (refuseWith === 'error' && onRefused !== undefined) {
    throw invalid('middleware', option('onRefused'), "left out with refuseWith: 'error'", onRefused);
  }
  if (ipv6Prefix !== undefined) checkPrefix(ipv6Prefix, option('ipv6Prefix'));
}

function shapeOf(value: unknown): Shapes[string] {
  return (value === null ? 'object' : typeof value) as Shapes[string];
}

// By its methods, not by `instanceof`: a limiter of another copy of the package is a limiter too.
function isLimiter(value: unknown): value is RateLimiter {
  const limiter = value as Partial<RateLimiter> | null | undefined;
  return typeof limiter?.consume === 'function' && typeof limiter.refund === 'function';
}

function isCost(cost: unknown, limiter: unknown): boolean {
  if (!Array.isArray(cost)) return isCount(cost);
  return cost.every(isCount) && (!isLimiter(limiter) || cost.length === limiter.limits.length);
}

function isCount(value: unknown): boolean {
  return Number.isSafeInteger(value) && (value as number) >= 0;
}

/** The longest integer a structured field may hold (RFC 9651, 3.3.1). */
const MAX_INTEGER = 999_999_999_999_999;

/** What the header fields need of a limiter. */
interface Policies {
  /** The whole RateLimit-Policy field. */
  readonly field: string;
  readonly limits: readonly LimitInForce[];
  /** `"100-in-60s";r=` of each limit. */
  readonly prefixes: readonly string[];
  /** Milliseconds in which each limit gains one unit. */
  readonly unitMs: readonly number[];
}

const policiesOfLimiter = new WeakMap<RateLimiter, Policies>();

function policiesOf(limiter: RateLimiter): Policies {
  const known = policiesOfLimiter.get(limiter);
  // The same array as long as nobody reconfigured the limiter.
  const { limits } = limiter;
  if (known?.limits === limits) return known;
  const names = limits.map(({ name }) => `"${policyName(name).replace(/["\\]/g, '\\$&')}"`);
  const items = limits.map(
    ({ limit, windowMs }, i) => `${names[i]};q=${whole(limit)};w=${Math.max(1, seconds(windowMs))}`,
  );
  const policies = {
    field: items.join(', '),
    limits,
    prefixes: names.map((name) => `${name};r=`),
    unitMs: limits.map(({ limit, windowMs }) => windowMs / limit),
  };
  policiesOfLimiter.set(limiter, policies);
  return policies;
}

/** A limit's name as the header fields can carry it: what is not printable ASCII is percent-encoded UTF-8. */
function policyName(name: string): string {
  if (/^[\x20-\x7e]*$/.test(name)) return name;
  let text = '';
  for (const byte of Buffer.from(name)) {
    text +=
      byte >= 0x20 && byte <= 0x7e
        ? String.fromCharCode(byte)
        : `%${byte.toString(16).toUpperCase().padStart(2, '0')}`;
  }
  return text;
}

function whole(value: number): number {
  return Math.min(Math.max(Math.floor(value), 0), MAX_INTEGER);
}

/**
 * Whole seconds, rounded up, so that who waits them is not too early. A microsecond, less than it takes to come back, is let go:
 * a bucket counts in fractions of a nanosecond, rounded up, and those would make 7 of 6.
 */
function seconds(ms: number): number {
  return Math.min(Math.max(Math.ceil((ms - 0.001) / 1000), 0), MAX_INTEGER);
}

/** Seconds for Retry-After, at least 1; Infinity when waiting does not help. */
function retryAfter(decision: Decision): number {
  return decision.retryAfterMs === Infinity ? Infinity : Math.max(1, seconds(decision.retryAfterMs));
}

/**
 * The RateLimit field. `t` is the time until the limit gains its next whole unit: a bucket refills all the time, so that, and not the
 * time until it is full, is when "additional quota is made available". It is left out where nothing is to be gained (a full bucket),
 * and on a refusal for a limit that gains later than Retry-After says to come back: the draft wants no `t` beyond it.
 */
function rateLimitField(policies: Policies, decision: Decision): string {
  const latest = decision.allowed ? Infinity : retryAfter(decision);
  const { limits } = decision;
  let field = '';
  for (let i = 0; i < limits.length; i++) {
    const { limit, remaining, resetMs, retryAfterMs } = limits[i]!;
    field += `${i === 0 ? '' : ', '}${policies.prefixes[i]}${whole(remaining)}`;
    const missing = limit - remaining - 1; // once the next unit is there
    if (missing >= 0) {
      // Where a refusing limit has nothing left, as when the key is blocked, what it gains is what the request waits for.
      const waits = remaining === 0 && retryAfterMs > 0 && retryAfterMs !== Infinity;
      const t = Math.max(1, seconds(waits ? retryAfterMs : resetMs - missing * policies.unitMs[i]!));
      if (t <= latest) field += `;t=${t}`;
    }
  }
  return field;
}

/** The body of a refusal: a problem of RFC 9457, of the type that the RateLimit draft defines. */
export function problemBody(decision: Decision): string {
  const violated = decision.limits.filter((limit) => limit.retryAfterMs > 0);
  return JSON.stringify({
    type: 'https://iana.org/assignments/http-problem-types#quota-exceeded',
    title: 'Request cannot be satisfied as assigned quota has been exceeded',
    status: 429,
    'violated-policies': (violated.length > 0 ? violated : [decision]).map((limit) =>
      policyName(limit.limitName),
    ),
  });
}

export const PROBLEM_TYPE = 'application/problem+json';

/** The error of `refuseWith: 'error'`. `status` is read by Express, `statusCode` by Fastify. */
export function refusalError(decision: Decision): RateLimitedError {
  const error = new RateLimitedError(`rate limit ${decision.limitName} is exceeded`, {
    kind: 'limiter',
    retryAfterMs: decision.retryAfterMs,
  });
  return Object.assign(error, { status: 429, statusCode: 429, expose: true });
}

/** What a user's function threw, as something the framework takes for an error: `next(undefined)` would let the request pass. */
export function fault(thrown: unknown): unknown {
  return (
    thrown || new BreakwaterError(`an option of rateLimit threw ${describe(thrown)}`, { kind: 'middleware' })
  );
}

export function isThenable(value: unknown): value is PromiseLike<unknown> {
  return (
    typeof value === 'object' && value !== null && typeof (value as { then?: unknown }).then === 'function'
  );
}

/** What a function answered that has to answer at once: a promise would be true of every request. */
export function answerAtOnce<T>(option: string, answer: T): T {
  if (!isThenable(answer)) return answer;
  // Nobody waits for it: what it rejects with is lost with it.
  answer.then(undefined, () => {});
  throw invalid('middleware', option, 'a function that answers at once', answer);
}

/**
 * What a user's function threw, as something every framework takes for an error: of Express, `next(undefined)` and `next('route')` would
 * let the request pass.
 */
export function optionFault(middleware: string, thrown: unknown): Error {
  if (thrown instanceof Error || types.isNativeError(thrown)) return thrown;
  const said = `an option of ${middleware} threw ${describe(thrown)}`;
  return new BreakwaterError(said, { kind: 'middleware', cause: thrown });
}

/** Decides requests by the options of one `rateLimit`, and sets the header fields. */
export class Gate<Req extends EdgeRequest, Res> {
  readonly onRefused: ((req: Req, res: Res, decision: Decision) => unknown) | undefined;
  readonly refuseWith: 'problem' | 'error';
  readonly #framework: Framework<Req, Res>;
  readonly #warnings: Warnings;
  readonly #addresses: AddressKey<Req>;
  readonly #prefix: number;
  readonly #limiter: RateLimiter | undefined;
  readonly #limiterOf: ((req: Req, res: Res) => Awaitable<RateLimiter>) | undefined;
  readonly #keyOf: RateLimitOptions<Req, Res>['key'];
  readonly #cost: Cost;
  readonly #costOf: ((req: Req, res: Res) => Awaitable<Cost>) | undefined;
  readonly #skip: RateLimitOptions<Req, Res>['skip'];
  readonly #refundIf: RateLimitOptions<Req, Res>['refundIf'];
  readonly #draft: boolean;
  readonly #legacy: boolean;
  readonly #cheap: boolean;

  /** `options` have passed `checkOptions`; what is shared by several gates of one middleware comes with `addresses`. */
  constructor(
    options: RateLimitOptions<Req, Res>,
    framework: Framework<Req, Res>,
    warnings: Warnings,
    addresses: AddressKey<Req>,
  ) {
    const { limiter, cost = 1, headers = 'draft' } = options;
    this.onRefused = options.onRefused;
    this.refuseWith = options.refuseWith ?? 'problem';
    this.#framework = framework;
    this.#warnings = warnings;
    this.#addresses = addresses;
    this.#prefix = options.ipv6Prefix ?? DEFAULT_PREFIX;
    if (typeof limiter === 'function') this.#limiterOf = limiter;
    else this.#limiter = limiter;
    this.#keyOf = options.key;
    if (typeof cost === 'function') this.#costOf = cost;
    this.#cost = typeof cost === 'function' ? 1 : cost;
    this.#skip = options.skip;
    this.#refundIf = options.refundIf;
    this.#draft = headers === 'draft' || headers === 'both';
    this.#legacy = headers === 'legacy' || headers === 'both';
    this.#cheap = headers === false && options.onRefused === undefined;
  }

  /**
   * Charges the request and sets its header fields. Undefined: it may go on. A decision: it is refused.
   * Throws or rejects with what an option threw.
   */
  admit(req: Req, res: Res): Decision | undefined | Promise<Decision | undefined> {
    if (this.#skip !== undefined) {
      const skipped = this.#skip(req, res);
      if (isThenable(skipped)) return this.#admitLater(req, res, skipped);
      if (skipped) return undefined;
    }
    const limiter = this.#limiter ?? this.#limiterOf!(req, res);
    if (isThenable(limiter)) return this.#admitLater(req, res, false, limiter);
    const key = this.#key(req, res);
    if (typeof key !== 'string' && isThenable(key)) return this.#admitLater(req, res, false, limiter, key);
    const cost = this.#costOf === undefined ? this.#cost : this.#costOf(req, res);
    if (isThenable(cost)) return this.#admitLater(req, res, false, limiter, key, cost);
    return this.#take(req, res, limiter, key, cost);
  }

  /** `admit` from the first promise on: what is undefined has not been asked yet. */
  async #admitLater(
    req: Req,
    res: Res,
    skipped: Awaitable<boolean>,
    limiter?: Awaitable<RateLimiter>,
    key?: Awaitable<string>,
    cost?: Awaitable<Cost>,
  ): Promise<Decision | undefined> {
    if (await skipped) return undefined;
    const chosen = await (limiter ?? this.#limiter ?? this.#limiterOf!(req, res));
    const name = await (key ?? this.#key(req, res));
    return this.#take(req, res, chosen, name, await (cost ?? this.#costOf?.(req, res) ?? this.#cost));
  }

  #key(req: Req, res: Res): Awaitable<string> {
    return this.#keyOf === undefined ? this.#addresses.of(req, this.#prefix) : this.#keyOf(req, res);
  }

  #take(req: Req, res: Res, limiter: RateLimiter, key: string, cost: Cost): Decision | undefined {
    if (this.#limiter === undefined && !isLimiter(limiter)) {
      throw invalid('middleware', 'limiter', 'a function that returns a RateLimiter', limiter);
    }
    if (this.#cheap) {
      if (limiter.tryAcquire(key, cost)) return this.#admitted(req, res, limiter, key, cost);
      return this.#refused(req, res, limiter.peek(key, cost));
    }
    const decision = limiter.consume(key, cost);
    req.rateLimit = decision;
    if (!this.#framework.headersSent(res)) this.#setHeaders(res, limiter, decision);
    return decision.allowed
      ? this.#admitted(req, res, limiter, key, cost)
      : this.#refused(req, res, decision);
  }

  #admitted(req: Req, res: Res, limiter: RateLimiter, key: string, cost: Cost): undefined {
    if (this.#refundIf === undefined) return;
    this.#framework.onClose(res, () => this.#giveBack(req, res, limiter, key, cost));
  }

  #refused(req: Req, res: Res, decision: Decision): Decision {
    req.rateLimit = decision;
    const after = retryAfter(decision);
    if (after !== Infinity && !this.#framework.headersSent(res)) {
      this.#framework.setHeader(res, 'Retry-After', after);
    }
    return decision;
  }

  #setHeaders(res: Res, limiter: RateLimiter, decision: Decision): void {
    if (this.#draft) {
      const policies = policiesOf(limiter);
      this.#append(res, 'RateLimit-Policy', policies.field);
      this.#append(res, 'RateLimit', rateLimitField(policies, decision));
    }
    if (this.#legacy) {
      this.#framework.setHeader(res, 'X-RateLimit-Limit', whole(decision.limit));
      this.#framework.setHeader(res, 'X-RateLimit-Remaining', whole(decision.remaining));
      // When the bucket is full, in seconds since 1970: what GitHub and express-rate-limit made of this name.
      this.#framework.setHeader(res, 'X-RateLimit-Reset', seconds(Date.now() + decision.resetMs));
    }
  }

  /** Both fields of the draft are lists: a second limiter on the way to a route adds its members. */
  #append(res: Res, name: string, value: string): void {
    const before = this.#framework.getHeader(res, name);
    this.#framework.setHeader(res, name, before === undefined ? value : `${before}, ${value}`);
  }

  #giveBack(req: Req, res: Res, limiter: RateLimiter, key: string, cost: Cost): void {
    const refund = (wanted: unknown) => {
      if (!wanted) return;
      try {
        limiter.refund(key, cost);
      } catch (error) {
        // The limiter may be gone before a long response ends. Then there is nothing to give back to.
        if (!(error instanceof DisposedError)) failed(error);
      }
    };
    // Nobody waits for this request any more, so there is no one else to tell.
    const failed = (error: unknown) => {
      this.#warnings.warn('BREAKWATER_REFUND_FAILED', `rateLimit: refundIf failed: ${String(error)}`, error);
    };
    try {
      const wanted = this.#refundIf!(req, res);
      if (isThenable(wanted)) wanted.then(refund, failed);
      else refund(wanted);
    } catch (error) {
      failed(error);
    }
  }
}
