/**
 * What shedding load over HTTP has in common in every framework: the options and their checks, which requests are exempt, the header
 * field, the problem body. express.ts and fastify.ts add how their framework goes on, refuses and reports an error.
 *
 * Everything here is synchronous: a process that is overloaded has no time to find out asynchronously what to refuse.
 */
import { type ErrorDetails, OverloadedError } from './errors.js';
import { answerAtOnce, optionFault } from './http.js';
import { checkShape, invalid, type Shapes } from './options.js';
import type { LoadShedder } from './shedder.js';

/** What was decided about a request that is refused. */
export interface ShedRefusal {
  /** The priority it had. */
  readonly priority: number;
  /** The pressure on the process, in 0..1. */
  readonly pressure: number;
  /** Milliseconds until its priority is shed no more, if the load ended now. */
  readonly retryAfterMs: number;
}

/** Options of `loadShed`. What a function throws goes to the framework's error handling. */
export interface LoadShedOptions<Req, Res> {
  readonly shedder: LoadShedder;
  /** How important a request is: a whole number from 0 to 9, 9 is refused last. @default 5 */
  readonly priority?: number | ((req: Req) => number) | undefined;
  /** Requests it answers true for have priority 9, whatever `priority` says. Default: none. */
  readonly critical?: ((req: Req) => boolean) | undefined;
  /**
   * Requests that are never refused nor counted: paths, compared whole, in any case, without query and without a slash at the end.
   * They are for the probes of an orchestrator, which kills what does not answer. `false`: none.
   * @default ['/health', '/healthz', '/livez', '/live', '/readyz', '/ready']
   */
  readonly exempt?: readonly string[] | false | undefined;
  /** Requests it answers true for are neither refused nor counted. Asked first. Default: none. */
  readonly skip?: ((req: Req) => boolean) | undefined;
  /** Answers a refused request in place of the problem body. Status 503 and Retry-After are already set. */
  readonly onRefused?: ((req: Req, res: Res, refusal: ShedRefusal) => unknown) | undefined;
  /**
   * How a request is refused when there is no `onRefused`: `'problem'` answers 503 with a body of RFC 9457; `'error'` hands an
   * OverloadedError with `statusCode` 503 to the framework's error handling.
   * @default 'problem'
   */
  readonly refuseWith?: 'problem' | 'error' | undefined;
}

/** The paths that orchestrators and load balancers are told to ask. */
const HEALTH = ['/health', '/healthz', '/livez', '/live', '/readyz', '/ready'];

const DEFAULT_PRIORITY = 5;
const CRITICAL = 9;

/** Throws InvalidOptionError unless `options` are options of `loadShed`; `more` are keys that only one framework has. */
export function checkShedOptions(options: object, more: Shapes = {}, prefix = ''): void {
  const shapes = {
    shedder: 'object',
    priority: 'anything',
    critical: 'function',
    exempt: 'anything',
    skip: 'function',
    onRefused: 'function',
    refuseWith: 'string',
    ...more,
  } as const;
  const own = checkShape('middleware', options, shapes, prefix) as Record<string, unknown>;
  const bad = (option: string, expected: string): Error =>
    invalid('middleware', prefix ? `${prefix}.${option}` : option, expected, own[option]);
  const { shedder, priority, exempt, refuseWith, onRefused } = own;
  if (!isShedder(shedder)) throw bad('shedder', 'a LoadShedder');
  if (priority !== undefined && typeof priority !== 'function' && !isPriority(priority)) {
    throw bad('priority', 'a whole number from 0 to 9, or a function');
  }
  if (exempt !== undefined && exempt !== false && !isPaths(exempt)) {
    throw bad('exempt', 'an array of paths that start with /, or false');
  }
  if (refuseWith !== undefined && refuseWith !== 'problem' && refuseWith !== 'error') {
    throw bad('refuseWith', "'problem' or 'error'");
  }
  if (refuseWith === 'error' && onRefused !== undefined) {
    throw bad('onRefused', "left out with refuseWith: 'error'");
  }
}

// By its methods, not by `instanceof`: a shedder of another copy of the package is a shedder too.
function isShedder(value: unknown): value is LoadShedder {
  const shedder = value as Partial<LoadShedder> | null | undefined;
  return typeof shedder?.tryAcquire === 'function' && typeof shedder.retryAfterMs === 'function';
}

function isPriority(value: unknown): value is number {
  return Number.isInteger(value) && (value as number) >= 0 && (value as number) <= CRITICAL;
}

function isPaths(value: unknown): value is readonly string[] {
  return Array.isArray(value) && value.every((path) => typeof path === 'string' && path.startsWith('/'));
}

/** The beginning of a target in absolute form, as a proxy is sent it. */
const ORIGIN = /^[a-z][a-z0-9+.-]*:\/\/[^/?#]*/i;

/** The path of a request's target in lower case, without its query, and without a slash at its end. */
function pathOf(target: string): string {
  const start = target.startsWith('/') ? 0 : (ORIGIN.exec(target)?.[0].length ?? 0);
  let end = target.length;
  for (const mark of ['?', '#']) {
    const at = target.indexOf(mark, start);
    if (at >= 0 && at < end) end = at;
  }
  while (end > start + 1 && target[end - 1] === '/') end -= 1;
  return target.slice(start, end).toLowerCase();
}

/** Decides requests by the options of one `loadShed`. */
export class ShedGate<Req, Res> {
  readonly onRefused: LoadShedOptions<Req, Res>['onRefused'];
  readonly refuseWith: 'problem' | 'error';
  readonly #shedder: LoadShedder;
  readonly #priority: number;
  readonly #priorityOf: ((req: Req) => number) | undefined;
  readonly #critical: LoadShedOptions<Req, Res>['critical'];
  readonly #skip: LoadShedOptions<Req, Res>['skip'];
  readonly #exempt: ReadonlySet<string>;

  /** `options` have passed `checkShedOptions`. */
  constructor(options: LoadShedOptions<Req, Res>) {
    const { shedder, priority = DEFAULT_PRIORITY, exempt = HEALTH } = options;
    this.onRefused = options.onRefused;
    this.refuseWith = options.refuseWith ?? 'problem';
    this.#shedder = shedder;
    this.#priority = typeof priority === 'number' ? priority : DEFAULT_PRIORITY;
    if (typeof priority === 'function') this.#priorityOf = priority;
    this.#critical = options.critical;
    this.#skip = options.skip;
    this.#exempt = new Set(exempt === false ? [] : exempt.map(pathOf));
  }

  /** Undefined: the request may go on. Throws what an option threw. */
  admit(req: Req, url: string): ShedRefusal | undefined {
    if (this.#skip !== undefined && answerAtOnce('skip', this.#skip(req))) return undefined;
    if (this.#exempt.size > 0 && this.#exempt.has(pathOf(url))) return undefined;
    const priority = this.#priorityFor(req);
    const shedder = this.#shedder;
    if (shedder.tryAcquire({ priority })) return undefined;
    return { priority, pressure: shedder.pressure, retryAfterMs: shedder.retryAfterMs({ priority }) };
  }

  #priorityFor(req: Req): number {
    if (this.#critical !== undefined && answerAtOnce('critical', this.#critical(req))) return CRITICAL;
    if (this.#priorityOf === undefined) return this.#priority;
    const priority = answerAtOnce('priority', this.#priorityOf(req));
    if (isPriority(priority)) return priority;
    throw invalid('middleware', 'priority', 'a function that returns a whole number from 0 to 9', priority);
  }
}

/** Seconds for Retry-After, at least 1. */
export function retryAfterSeconds({ retryAfterMs }: ShedRefusal): number {
  return Math.max(1, Math.ceil(retryAfterMs / 1000));
}

/** The body of a refusal: a problem of RFC 9457 that says no more than its status. */
export const OVERLOADED_BODY = JSON.stringify({
  type: 'about:blank',
  title: 'Service Unavailable',
  status: 503,
  detail: 'The service is overloaded.',
});

const DETAILS: ErrorDetails = { kind: 'shedder' };

/** The error of `refuseWith: 'error'`. `status` is read by Express, `statusCode` by Fastify. */
export function overloadedError({ retryAfterMs }: ShedRefusal): OverloadedError {
  const error = new OverloadedError('the service is overloaded', { ...DETAILS, retryAfterMs });
  return Object.assign(error, { status: 503, statusCode: 503, expose: true });
}

/** What a user's function threw, as something every framework takes for an error. */
export function shedFault(thrown: unknown): Error {
  return optionFault('loadShed', thrown);
}
