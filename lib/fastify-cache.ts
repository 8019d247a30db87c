/** `cacheResponse` for Fastify 5: a plugin that adds a hook to the scope it is registered in and those inside. */
import { Readable } from 'node:stream';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { ResponseCache } from './cache-response.js';
import { type CacheResponseOptions, checkCacheResponseOptions } from './cache-response-options.js';
import { optionFault } from './http.js';
import { invalid, overridden } from './options.js';

/** Options of the plugin `cacheResponse`. */
export interface FastifyCacheResponseOptions extends CacheResponseOptions<FastifyRequest> {
  /**
   * When a request is answered from the cache: `'onRequest'`, or later where hooks have to decide first who may ask.
   * @default 'onRequest'
   */
  readonly hook?: 'onRequest' | 'preValidation' | 'preHandler' | undefined;
  /**
   * false caches only routes that have a `config.cacheResponse` object.
   * @default true
   */
  readonly global?: boolean | undefined;
}

/** Options of one route: they override the plugin's, one by one. */
export type RouteCacheResponseOptions = Partial<CacheResponseOptions<FastifyRequest>>;

declare module 'fastify' {
  interface FastifyContextConfig {
    /** false: this route is not cached. An object: options that override the plugin's for this route. */
    cacheResponse?: false | RouteCacheResponseOptions | undefined;
  }
}

/**
 * The plugin that caches responses. `await` its registration before routes are declared, for their options to be checked then.
 * @throws {InvalidOptionError} (the registration rejects with it) when an option is not what it must be
 */
export async function cacheResponse(
  fastify: FastifyInstance,
  options: FastifyCacheResponseOptions,
): Promise<void> {
  checkCacheResponseOptions(options, { hook: 'string', global: 'boolean' });
  const { global = true, hook = 'onRequest', ...own } = options;
  if (hook !== 'onRequest' && hook !== 'preValidation' && hook !== 'preHandler') {
    throw invalid('middleware', 'hook', "'onRequest', 'preValidation' or 'preHandler'", hook);
  }
  const ownResponses = new ResponseCache<FastifyRequest>(own);
  const known = new WeakMap<object, ResponseCache<FastifyRequest>>();
  const responsesOf = (override: RouteCacheResponseOptions): ResponseCache<FastifyRequest> => {
    let responses = known.get(override);
    if (responses === undefined) {
      const all = overridden(own, override, 'config.cacheResponse');
      checkCacheResponseOptions(all, {}, 'config.cacheResponse');
      responses = new ResponseCache(all);
      known.set(override, responses);
    }
    return responses;
  };
  // Options of a route are checked when it is declared.
  fastify.addHook('onRoute', (route) => {
    const override = route.config?.cacheResponse;
    if (override !== undefined && override !== false) responsesOf(override);
  });

  type Done = (error?: Error) => void;
  const cacheHook = (request: FastifyRequest, reply: FastifyReply, done: Done): void => {
    const override = request.routeOptions.config?.cacheResponse;
    let responses = ownResponses;
    try {
      // A route that was declared before the registration is checked here.
      if (override !== undefined && override !== false) responses = responsesOf(override);
    } catch (error) {
      done(optionFault('cacheResponse', error));
      return;
    }
    if (override === false || (override === undefined && !global)) done();
    else handle(responses, request, reply, done);
  };
  // All three have this form; their types differ.
  fastify.addHook(hook as 'onRequest', cacheHook);
}

/**
 * What the route answers is seen where Fastify writes it, after all `onSend` hooks: so it does not matter whether it is text, bytes or a
 * stream, and every field is there that decides whether it may be stored. What is stored goes out by `reply.send`, for hooks of
 * cookies and sessions to do with it what they do with every reply.
 */
function handle(
  responses: ResponseCache<FastifyRequest>,
  request: FastifyRequest,
  reply: FastifyReply,
  done: (error?: Error) => void,
): void {
  const { raw: res } = reply;
  responses.handle({
    req: request,
    message: request.raw,
    res,
    target: () => ({ protocol: request.protocol, host: request.host ?? '', url: request.originalUrl }),
    fields: () => reply.getHeaders() as Record<string, string | string[]>,
    isOver: () => reply.sent || res.headersSent || res.destroyed,
    next: (error) => done(error as Error | undefined),
    reply({ status, fields, body }) {
      reply.code(status);
      for (const [name, value] of fields) reply.header(name, value);
      // To HEAD, too: Fastify counts it and leaves it out.
      if (body === undefined || body.length === 0) reply.send();
      else {
        const bytes = Buffer.from(body.buffer, body.byteOffset, body.byteLength);
        // To bytes without a type Fastify gives one; a stream it leaves alone.
        reply.send(reply.hasHeader('content-type') ? bytes : Readable.from([bytes]));
      }
    },
  });
}

Object.assign(cacheResponse, {
  [Symbol.for('skip-override')]: true,
  [Symbol.for('fastify.display-name')]: 'breakwater-cache-response',
  [Symbol.for('plugin-meta')]: { fastify: '>=5', name: 'breakwater-cache-response' },
});
