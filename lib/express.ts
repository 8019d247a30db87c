/**
 * Rate limiting, load shedding, cached responses and validated bodies for Express 4 and 5, and for anything else that calls
 * `(req, res, next)` with Node's request and response.
 *
 * @example
 * const limiter = new RateLimiter({ limits: { limit: 100, windowMs: 60_000 } });
 * app.use(rateLimit({ limiter }));
 */
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Decision } from './decision.js';
import {
  checkOptions,
  type Framework,
  fault,
  Gate,
  isThenable,
  PROBLEM_TYPE,
  problemBody,
  type RateLimitOptions,
  refusalError,
} from './http.js';
import { AddressKey, Warnings } from './ip.js';
import {
  checkShedOptions,
  type LoadShedOptions,
  OVERLOADED_BODY,
  overloadedError,
  retryAfterSeconds,
  ShedGate,
  type ShedRefusal,
  shedFault,
} from './load-shed.js';

export type { CacheResponseOptions } from './cache-response-options.js';
export { cacheResponse } from './express-cache.js';
export { type ExpressValidateOptions, type VerifyOptions, validate } from './express-validate.js';
export type { Awaitable, RateLimitOptions } from './http.js';
export { ipKey } from './ip.js';
export type { Cost } from './limiter.js';
export type { LoadShedOptions, ShedRefusal } from './load-shed.js';
export type { BodySchemaOptions, SchemaStatus, ValidateOptions } from './validate.js';

declare global {
  // The way @types/express gives for adding to its Request; without those types it is an interface nobody reads.
  namespace Express {
    interface Request {
      /** What `rateLimit` decided about this request; with `headers: false` only if it was refused. */
      rateLimit?: Decision | undefined;
    }
  }
}

/** What `rateLimit` needs of a request: Node's own, and `ip` as Express has it. */
export interface ExpressRequest extends IncomingMessage {
  readonly ip?: string | undefined;
  readonly app?: { get(setting: string): unknown } | undefined;
  rateLimit?: Decision | undefined;
}

const express: Framework<ExpressRequest, ServerResponse> = {
  name: 'Express',
  trustProxy: (req) => req.app?.get('trust proxy'),
  headersSent: (res) => res.headersSent,
  getHeader: (res, name) => res.getHeader(name),
  setHeader: (res, name, value) => res.setHeader(name, value),
  onClose(res, listener) {
    if (res.destroyed) listener();
    else res.once('close', listener);
  },
};

/**
 * Middleware that admits a request or answers 429.
 * @throws {InvalidOptionError} when an option is not what it must be
 */
export function rateLimit<Req extends ExpressRequest, Res extends ServerResponse>(
  options: RateLimitOptions<Req, Res>,
): (req: Req, res: Res, next: (error?: unknown) => void) => void {
  checkOptions(options);
  const warnings = new Warnings();
  const gate = new Gate<Req, Res>(options, express, warnings, new AddressKey(express, warnings));

  return function rateLimitMiddleware(req, res, next) {
    let refused: ReturnType<typeof gate.admit>;
    try {
      refused = gate.admit(req, res);
    } catch (error) {
      next(fault(error));
      return;
    }
    if (refused === undefined) {
      next();
    } else if (refused instanceof Promise) {
      refused.then(
        (decision) => (decision === undefined ? next() : refuse(gate, req, res, next, decision)),
        (error) => next(fault(error)),
      );
    } else {
      refuse(gate, req, res, next, refused);
    }
  };
}

function refuse<Req extends ExpressRequest, Res extends ServerResponse>(
  gate: Gate<Req, Res>,
  req: Req,
  res: Res,
  next: (error?: unknown) => void,
  decision: Decision,
): void {
  // Someone else answered while an option was waited for.
  if (res.headersSent) return;
  const before = res.statusCode;
  res.statusCode = 429;
  if (gate.refuseWith === 'error') {
    next(refusalError(decision));
    return;
  }
  const { onRefused } = gate;
  if (onRefused === undefined) sendProblem(res, problemBody(decision));
  else answerWith(() => onRefused(req, res, decision), res, before, next, fault);
}

function sendProblem(res: ServerResponse, body: string): void {
  res.setHeader('Content-Type', PROBLEM_TYPE);
  res.setHeader('Content-Length', Buffer.byteLength(body));
  res.end(body);
}

/** Lets a user's function answer; what it throws goes to `next`, as `faultOf` says it. */
function answerWith(
  answer: () => unknown,
  res: ServerResponse,
  statusBefore: number,
  next: (error?: unknown) => void,
  faultOf: (thrown: unknown) => unknown,
): void {
  const failed = (error: unknown) => {
    // Express takes the status of a response for that of an error that has none.
    if (!res.headersSent) res.statusCode = statusBefore;
    next(faultOf(error));
  };
  try {
    const answered = answer();
    if (isThenable(answered)) answered.then(undefined, failed);
  } catch (error) {
    failed(error);
  }
}

/**
 * Middleware that admits a request or, under load, answers 503: the least important requests first. Put it before everything that
 * costs something.
 * @throws {InvalidOptionError} when an option is not what it must be
 */
export function loadShed<Req extends IncomingMessage, Res extends ServerResponse>(
  options: LoadShedOptions<Req, Res>,
): (req: Req, res: Res, next: (error?: unknown) => void) => void {
  checkShedOptions(options);
  const gate = new ShedGate<Req, Res>(options);

  return function loadShedMiddleware(req, res, next) {
    let refusal: ShedRefusal | undefined;
    try {
      // Where Express mounts a router, `url` begins there.
      refusal = gate.admit(req, (req as { originalUrl?: string }).originalUrl ?? req.url ?? '');
    } catch (error) {
      next(shedFault(error));
      return;
    }
    if (refusal === undefined) next();
    else shed(gate, req, res, next, refusal);
  };
}

function shed<Req extends IncomingMessage, Res extends ServerResponse>(
  { refuseWith, onRefused }: ShedGate<Req, Res>,
  req: Req,
  res: Res,
  next: (error?: unknown) => void,
  refusal: ShedRefusal,
): void {
  if (res.headersSent) {
    // It was begun, and nobody will end it: the client is told by the end of its connection that it is not whole.
    if (!res.writableEnded) res.destroy();
    return;
  }
  const before = res.statusCode;
  res.statusCode = 503;
  res.setHeader('Retry-After', retryAfterSeconds(refusal));
  if (refuseWith === 'error') next(overloadedError(refusal));
  else if (onRefused === undefined) sendProblem(res, OVERLOADED_BODY);
  else {
    answerWith(
      () => onRefused(req, res, refusal),
      res,
      before,
      next,
      (thrown) => {
        if (!res.headersSent) res.removeHeader('Retry-After');
        return shedFault(thrown);
      },
    );
  }
}
