/**
 * Rate limiting, load shedding, cached responses and validated bodies for Fastify 5: plugins for every route registered after them, in
 * their scope and the scopes inside.
 *
 * @example
 * const limiter = new RateLimiter({ limits: { limit: 100, windowMs: 60_000 } });
 * await fastify.register(rateLimit, { limiter });
 * fastify.get('/health', { config: { rateLimit: false } }, handler);
 */
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import type { Decision } from './decision.js';
import { internalOf } from './fastify-internals.js';
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
import { invalid, overridden } from './options.js';

/** The hooks that can limit. */
type HookName = 'onRequest' | 'preValidation' | 'preHandler';

type Hook = (request: FastifyRequest, reply: FastifyReply, done: (error?: Error) => void) => void;

/** Options of the plugin. */
export interface FastifyRateLimitOptions extends RateLimitOptions<FastifyRequest, FastifyReply> {
  /**
   * When a request is decided: `'onRequest'` before anything is read or parsed, `'preValidation'` or `'preHandler'` where the key
   * needs the body or a user that an earlier hook found.
   * @default 'onRequest'
   */
  readonly hook?: HookName | undefined;
  /**
   * false limits only routes that have a `config.rateLimit` object.
   * @default true
   */
  readonly global?: boolean | undefined;
}

/** Options of one route: they override the plugin's, one by one. */
export type RouteRateLimitOptions = Partial<Omit<FastifyRateLimitOptions, 'global'>>;

declare module 'fastify' {
  interface FastifyRequest {
    /** What `rateLimit` decided about this request; with `headers: false` only if it was refused. */
    rateLimit?: Decision | undefined;
  }
  interface FastifyContextConfig {
    /** false: this route is never shed. An object: options that override the plugin's for this route. */
    loadShed?: false | RouteLoadShedOptions | undefined;
    /** false: this route is not limited. An object: options that override the plugin's for this route. */
    rateLimit?: false | RouteRateLimitOptions | undefined;
  }
  interface FastifyInstance {
    /** The plugin's hook with other options, for where no route is: `setNotFoundHandler({ preHandler: fastify.rateLimit() }, …)`. */
    rateLimit(options?: RouteRateLimitOptions): Hook;
  }
}

/**
 * The plugin. `await` its registration before routes are declared: Fastify tells plugins only of routes that come after them.
 * @throws {InvalidOptionError} (the registration rejects with it) when an option is not what it must be
 */
async function rateLimit(fastify: FastifyInstance, options: FastifyRateLimitOptions): Promise<void> {
  checkOptions(options, { hook: 'string', global: 'boolean' });
  checkHook(options.hook, 'hook');
  const { global = true, ...own } = options;
  const framework = frameworkOf(fastify);
  const warnings = new Warnings();
  const addresses = new AddressKey<FastifyRequest>(framework, warnings);
  const hookOf = (all: RouteOptions) => hookFor(new Gate(all, framework, warnings, addresses));
  const ownHook = hookOf(own);

  if (!fastify.hasRequestDecorator('rateLimit')) fastify.decorateRequest('rateLimit', undefined);
  if (!fastify.hasDecorator('rateLimit')) {
    fastify.decorate('rateLimit', (override) =>
      override === undefined ? ownHook : hookOf(merge(own, override, 'options')),
    );
  }
  fastify.addHook('onRoute', (route) => {
    const override = route.config?.rateLimit;
    if (override === false || (override === undefined && !global)) return;
    const all = override === undefined ? own : merge(own, override, 'config.rateLimit');
    const name = all.hook ?? 'onRequest';
    // A new array: a user may share one between routes, and Fastify makes a HEAD route of the same options.
    route[name] = [route[name] ?? [], override === undefined ? ownHook : hookOf(all)].flat() as Hook[];
  });
}

type RouteOptions = Omit<FastifyRateLimitOptions, 'global'>;

function merge(own: RouteOptions, override: RouteRateLimitOptions, prefix: string): RouteOptions {
  const all: RouteOptions = overridden(own, override, prefix);
  checkOptions(all, { hook: 'string' }, prefix);
  checkHook(all.hook, `${prefix}.hook`);
  return all;
}

function checkHook(hook: unknown, option: string): void {
  if (hook !== undefined && hook !== 'onRequest' && hook !== 'preValidation' && hook !== 'preHandler') {
    throw invalid('middleware', option, "'onRequest', 'preValidation' or 'preHandler'", hook);
  }
}

function frameworkOf(fastify: FastifyInstance): Framework<FastifyRequest, FastifyReply> {
  const setting = trustProxyOf(fastify);
  return {
    name: 'Fastify',
    // A number of hops is ignored by versions that hold it for unsafe, and then the address stays the socket's.
    trustProxy: (request) =>
      typeof setting === 'number' && request.ip === request.socket?.remoteAddress
        ? false
        : (setting ?? false),
    headersSent: (reply) => reply.raw.headersSent,
    getHeader: (reply, name) => reply.getHeader(name),
    setHeader: (reply, name, value) => reply.header(name, value),
    // Not the onResponse hook: it does not run when the client goes away.
    onClose(reply, listener) {
      if (reply.raw.destroyed) listener();
      else reply.raw.once('close', listener);
    },
  };
}

/** The `trustProxy` the server was made with, which `initialConfig` leaves out; where a version keeps it elsewhere, only a warning is lost. */
function trustProxyOf(fastify: FastifyInstance): unknown {
  return (internalOf(fastify, 'fastify.options') as { trustProxy?: unknown } | undefined)?.trustProxy;
}

function hookFor(gate: Gate<FastifyRequest, FastifyReply>): Hook {
  return function rateLimitHook(request, reply, done) {
    let refused: ReturnType<typeof gate.admit>;
    try {
      refused = gate.admit(request, reply);
    } catch (error) {
      done(fault(error) as Error);
      return;
    }
    if (refused === undefined) {
      done();
    } else if (refused instanceof Promise) {
      refused.then(
        (decision) => (decision === undefined ? done() : refuse(gate, request, reply, done, decision)),
        (error) => done(fault(error) as Error),
      );
    } else {
      refuse(gate, request, reply, done, refused);
    }
  };
}

function refuse(
  gate: Gate<FastifyRequest, FastifyReply>,
  request: FastifyRequest,
  reply: FastifyReply,
  done: (error?: Error) => void,
  decision: Decision,
): void {
  // Someone else answered while an option was waited for.
  if (reply.sent || reply.raw.headersSent) return;
  const before = reply.statusCode;
  reply.code(429);
  if (gate.refuseWith === 'error') {
    done(refusalError(decision));
    return;
  }
  const { onRefused } = gate;
  if (onRefused === undefined) reply.type(PROBLEM_TYPE).send(problemBody(decision));
  else answerWith(() => onRefused(request, reply, decision), reply, before, done, fault);
}

/** Lets a user's function answer; what it throws goes to `done`, as `faultOf` says it. */
function answerWith(
  onRefused: () => unknown,
  reply: FastifyReply,
  statusBefore: number,
  done: (error?: Error) => void,
  faultOf: (thrown: unknown) => unknown,
): void {
  const failed = (error: unknown) => {
    // Fastify takes the status of a reply for that of an error that has none.
    if (!reply.raw.headersSent) reply.code(statusBefore);
    done(faultOf(error) as Error);
  };
  // As in a handler: send it, or return it.
  const answer = (payload: unknown) => {
    if (payload !== undefined && payload !== reply && !reply.sent) reply.send(payload);
  };
  try {
    const answered = onRefused();
    // A reply is a thenable of its own, which settles when it is sent.
    if (answered !== reply && isThenable(answered)) answered.then(answer, failed);
    else answer(answered);
  } catch (error) {
    failed(error);
  }
}

/** Options of the plugin `loadShed`. */
export interface FastifyLoadShedOptions extends LoadShedOptions<FastifyRequest, FastifyReply> {
  /**
   * false sheds only routes that have a `config.loadShed` object.
   * @default true
   */
  readonly global?: boolean | undefined;
}

/** Options of one route: they override the plugin's, one by one. */
export type RouteLoadShedOptions = Partial<LoadShedOptions<FastifyRequest, FastifyReply>>;

/**
 * The plugin that sheds load: an `onRequest` hook of the scope it is registered in and those inside, for its routes and for what has
 * no route. Hooks of that scope that were added before it run before it: register it first. `await` its registration before routes are
 * declared, for their options to be checked then.
 * @throws {InvalidOptionError} (the registration rejects with it) when an option is not what it must be
 */
async function loadShed(fastify: FastifyInstance, options: FastifyLoadShedOptions): Promise<void> {
  checkShedOptions(options, { global: 'boolean' });
  const { global = true, ...own } = options;
  const ownHook = shedHookFor(own);
  const hooks = new WeakMap<object, Hook>();
  const hookOf = (override: RouteLoadShedOptions): Hook => {
    let hook = hooks.get(override);
    if (hook === undefined) {
      hook = shedHookFor(mergeShed(own, override));
      hooks.set(override, hook);
    }
    return hook;
  };
  // Options of a route are checked when it is declared.
  fastify.addHook('onRoute', (route) => {
    const override = route.config?.loadShed;
    if (override !== undefined && override !== false) hookOf(override);
  });
  // Of the scope, not of each route: so it comes before the scope's later hooks, and before what looks for a route that is not there.
  fastify.addHook('onRequest', function loadShedHook(request, reply, done) {
    const override = request.routeOptions.config?.loadShed;
    let hook = ownHook;
    try {
      if (override === false || (override === undefined && !global)) return done();
      // A route that was declared before the registration is checked here.
      if (override !== undefined) hook = hookOf(override);
    } catch (error) {
      return done(shedFault(error));
    }
    hook(request, reply, done);
  });
}

function mergeShed(
  own: LoadShedOptions<FastifyRequest, FastifyReply>,
  override: RouteLoadShedOptions,
): LoadShedOptions<FastifyRequest, FastifyReply> {
  const all = overridden(own, override, 'config.loadShed');
  checkShedOptions(all, {}, 'config.loadShed');
  return all;
}

function shedHookFor(options: LoadShedOptions<FastifyRequest, FastifyReply>): Hook {
  const gate = new ShedGate<FastifyRequest, FastifyReply>(options);
  return (request, reply, done) => {
    let refusal: ShedRefusal | undefined;
    try {
      refusal = gate.admit(request, request.url);
    } catch (error) {
      done(shedFault(error));
      return;
    }
    if (refusal === undefined) done();
    else shed(gate, request, reply, done, refusal);
  };
}

function shed(
  { refuseWith, onRefused }: ShedGate<FastifyRequest, FastifyReply>,
  request: FastifyRequest,
  reply: FastifyReply,
  done: (error?: Error) => void,
  refusal: ShedRefusal,
): void {
  if (reply.sent) return;
  if (reply.raw.headersSent) {
    // It was begun past Fastify, and nobody will end it: the client is told by the end of its connection that it is not whole.
    reply.raw.destroy();
    return;
  }
  const before = reply.statusCode;
  reply.code(503).header('Retry-After', retryAfterSeconds(refusal));
  if (refuseWith === 'error') done(overloadedError(refusal));
  else if (onRefused === undefined) reply.type(PROBLEM_TYPE).send(OVERLOADED_BODY);
  else {
    answerWith(
      () => onRefused(request, reply, refusal),
      reply,
      before,
      done,
      (thrown) => {
        if (!reply.raw.headersSent) reply.removeHeader('Retry-After');
        return shedFault(thrown);
      },
    );
  }
}

export type { CacheResponseOptions } from './cache-response-options.js';
export {
  cacheResponse,
  type FastifyCacheResponseOptions,
  type RouteCacheResponseOptions,
} from './fastify-cache.js';
export { type FastifyValidateOptions, validate } from './fastify-validate.js';
export type { Awaitable, RateLimitOptions } from './http.js';
export { ipKey } from './ip.js';
export type { Cost } from './limiter.js';
export type { LoadShedOptions, ShedRefusal } from './load-shed.js';
export type { BodySchemaOptions, SchemaStatus, ValidateOptions } from './validate.js';
export { loadShed, rateLimit };
export default rateLimit;

Object.assign(loadShed, {
  [Symbol.for('skip-override')]: true,
  [Symbol.for('fastify.display-name')]: 'breakwater-load-shed',
  [Symbol.for('plugin-meta')]: { fastify: '>=5', name: 'breakwater-load-shed' },
});

// As Fastify's own plugins do: what `require('breakwater/fastify')` gives is the plugin, with its exports as properties.
module.exports = Object.assign(rateLimit, exports, {
  [Symbol.for('skip-override')]: true,
  [Symbol.for('fastify.display-name')]: 'breakwater-rate-limit',
  [Symbol.for('plugin-meta')]: { fastify: '>=5', name: 'breakwater-rate-limit' },
});
