/** `cacheResponse` for Express 4 and 5, and for anything else that calls `(req, res, next)` with Node's request and response. */
import type { IncomingMessage, ServerResponse } from 'node:http';
import { hostOf } from './cache-match.js';
import { ResponseCache } from './cache-response.js';
import { type CacheResponseOptions, checkCacheResponseOptions } from './cache-response-options.js';

/** What Express adds to Node's request. */
interface Routed extends IncomingMessage {
  readonly originalUrl?: string;
  readonly protocol?: string;
  readonly hostname?: string;
}

/**
 * Middleware that answers GET and HEAD from what handlers after it have answered before, as far as they allow it, and lets one
 * request of many run its handler. Put it after what decides who may ask.
 * @throws {InvalidOptionError} when an option is not what it must be
 */
export function cacheResponse<Req extends IncomingMessage, Res extends ServerResponse>(
  options: CacheResponseOptions<Req>,
): (req: Req, res: Res, next: (error?: unknown) => void) => void {
  checkCacheResponseOptions(options);
  const responses = new ResponseCache<Req>(options);

  return function cacheResponseMiddleware(req, res, next) {
    responses.handle({
      req,
      message: req,
      res,
      target: () => targetOf(req),
      fields: () => res.getHeaders(),
      isOver: () => res.headersSent || res.writableEnded || res.destroyed,
      // Nothing, rather than undefined: `next` may count its arguments.
      next: (error) => (error === undefined ? next() : next(error)),
      reply({ status, fields, body }) {
        res.statusCode = status;
        for (const [name, value] of fields) res.setHeader(name, value);
        res.end(req.method === 'HEAD' ? undefined : body);
      },
    });
  };
}

function targetOf(req: Routed) {
  const isEncrypted = (req.socket as { encrypted?: boolean }).encrypted === true;
  return {
    protocol: req.protocol ?? (isEncrypted ? 'https' : 'http'),
    // Over HTTP/2 it is the authority, whatever Host says beside it.
    host: hostOf(req.hostname, (req.headers[':authority'] as string | undefined) ?? req.headers.host),
    // Where Express mounts a router, `url` begins there.
    url: req.originalUrl ?? req.url ?? '',
  };
}
