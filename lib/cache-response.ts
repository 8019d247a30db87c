/**
 * Caching responses over HTTP, as it is in every framework: `ResponseCache` takes a request from its key to an answer: a stored one,
 * another request's, or its own handler's. express-cache.ts and fastify-cache.ts add how their
 * framework goes on and answers.
 *
 * A stored response is kept for its whole life, stale windows included, under a ttl of its own; how it stands is decided here, by the
 * age that the cache says it has. The cache's windows are one for all values, while those of a response are its own: so they are not
 * used, and what is there and does not do is loaded anew by `forceRefresh`. By the cache's clock, all threads see the same age.
 *
 * One flight of the cache is one run of a handler. Who leads it runs its handler for itself, with `cache-lead.ts` looking on; the
 * others wait, in whatever thread.
 */
import type { IncomingHttpHeaders, IncomingMessage, OutgoingHttpHeaders, ServerResponse } from 'node:http';
import type { Cache } from './cache.js';
import { Capture, type Reply } from './cache-capture.js';
import {
  type Directives,
  directivesOf,
  type Field,
  fieldOf,
  freshLeftMs,
  type Lifetime,
  lifetimeOf,
  type Standing,
  standingFor,
  standingOf,
} from './cache-control.js';
import { Lead } from './cache-lead.js';
import {
  answerTo,
  type Conditions,
  conditionsOf,
  isForHandler,
  keyOfTarget,
  MAX_KEY_LENGTH,
  type Target,
  variantKey,
  variesBy,
} from './cache-match.js';
import type { Load } from './cache-options.js';
import { type CacheResponseOptions, KEEP_MS, MAX_BODY_BYTES, SILENCE_MS } from './cache-response-options.js';
import { AGAIN, CachedResponse, leftOf, PASS, type Variants } from './cache-stored.js';
import { TimeoutError } from './errors.js';
import { answerAtOnce, optionFault } from './http.js';
import { Warnings } from './ip.js';
import { invalid } from './options.js';

/** A request, and how its framework goes on with it. */
export interface Exchange<Req> {
  readonly req: Req;
  readonly message: IncomingMessage;
  readonly res: ServerResponse;
  target(): Target;
  /** The fields that the response has already. */
  fields(): OutgoingHttpHeaders;
  /** Whether somebody has answered, or the client is gone. */
  isOver(): boolean;
  next(error?: unknown): void;
  /** Answers; to HEAD without the body. */
  reply(reply: Reply): void;
}

/** What there is for a request. */
export interface Found {
  /** Under which the response is, or would be. */
  readonly key: string;
  /** The key of the request. Where responses vary, it has by what, and they have others. */
  readonly primary: string;
  readonly variants: Variants | undefined;
  readonly response: CachedResponse | undefined;
  readonly storedForMs: number;
  readonly standing: Standing;
  /** Something is there, whether of use or not: it is to be replaced, not joined. */
  readonly isOccupied: boolean;
  readonly why: 'uri-miss' | 'vary-miss' | 'stale' | 'request';
}

/** How often a request looks again, when what it waited for was not for it. */
const ROUNDS = 3;

/** Keys remembered of which a response could not be stored. */
const MAX_PASSING = 4_096;

/** Methods that change nothing, as IANA's registry has them. */
const SAFE = new Set(['GET', 'HEAD', 'OPTIONS', 'TRACE', 'PROPFIND', 'QUERY', 'REPORT', 'SEARCH']);

/** Who asks, as far as it tells responses apart whatever they say. */
const KEYSPACES = ['', 'authorization ', 'cookie '] as const;

const SERVED = new Error('the stale response was served');

/** Responses that a `cacheResponse` looks after: one further in leaves them alone, or it would wait for itself. */
const inHand = new WeakSet<ServerResponse>();

/** Answers requests by the options of one `cacheResponse`. */
export class ResponseCache<Req> {
  readonly cache: Cache<CachedResponse>;
  readonly maxBodyBytes: number;
  readonly keepMs: number;
  readonly silenceMs: number;
  readonly #ttlMs: number | undefined;
  readonly #keyOf: ((req: Req) => string) | undefined;
  readonly #skip: ((req: Req) => boolean) | undefined;
  readonly #cacheStatus: boolean;
  readonly #honors: boolean;
  readonly #warnings = new Warnings();
  /**
   * Keys whose last response could not be stored: nobody waits for the next one only to find that out. In this thread alone, and
   * forgotten with the first response that could be.
   */
  readonly #passing = new Set<string>();

  /** `options` have passed `checkCacheResponseOptions`. */
  constructor(options: CacheResponseOptions<Req>) {
    this.cache = options.cache;
    this.#ttlMs = options.ttlMs;
    this.maxBodyBytes = options.maxBodyBytes ?? MAX_BODY_BYTES;
    this.keepMs = options.keepMs ?? KEEP_MS;
    this.silenceMs = options.silenceMs ?? SILENCE_MS;
    this.#keyOf = options.key;
    this.#skip = options.skip;
    this.#cacheStatus = options.cacheStatus ?? true;
    this.#honors = options.honorRequestCacheControl ?? false;
  }

  /** Answers the request, or lets it go on. */
  handle(x: Exchange<Req>): void {
    const { method = '', headers } = x.message;
    const isUnsafe = !SAFE.has(method);
    let key: string | undefined;
    try {
      const isSkipped = this.#skip !== undefined && answerAtOnce('skip', this.#skip(x.req));
      const isOurs = isUnsafe || method === 'GET' || method === 'HEAD';
      if (isOurs && !isSkipped && !inHand.has(x.res) && !x.isOver()) key = this.#key(x);
    } catch (error) {
      x.next(optionFault('cacheResponse', error));
      return;
    }
    if (isUnsafe && key !== undefined) this.#watchUnsafe(x, key);
    if (isUnsafe || key === undefined || isForHandler(headers)) x.next();
    else this.#look(x, this.#keyspace(headers) + key, this.#wants(headers), 0);
  }

  /** Undefined where there is none that may be used. */
  #key(x: Exchange<Req>): string | undefined {
    const key = this.#keyOf === undefined ? keyOfTarget(x.target()) : answerAtOnce('key', this.#keyOf(x.req));
    if (key === undefined && this.#keyOf === undefined) return undefined;
    if (typeof key !== 'string') throw invalid('middleware', 'key', 'a function that returns a string', key);
    const isOfSpace = KEYSPACES.some((space) => space !== '' && key.startsWith(space));
    return isOfSpace || key.length > MAX_KEY_LENGTH ? undefined : key;
  }

  /**
   * A response to a request with Authorization may not be given to one without (and is stored only where it says that it may be), nor
   * should one with it get what others see. What is stored by `ttlMs` alone knows as little of cookies.
   */
  #keyspace({ authorization, cookie }: IncomingHttpHeaders): (typeof KEYSPACES)[number] {
    if (authorization !== undefined) return 'authorization ';
    return cookie !== undefined && this.#ttlMs !== undefined ? 'cookie ' : '';
  }

  #wants(headers: IncomingHttpHeaders): Directives {
    return directivesOf(this.#honors ? (headers['cache-control'] ?? headers.pragma) : undefined);
  }

  /** An answer that is no error to an unsafe method ends what is stored of its resource (RFC 9111, 4.4), before the client has it. */
  #watchUnsafe(x: Exchange<Req>, key: string): void {
    const onHead = (status: number) => {
      if (status < 400) this.#invalidate(key);
      return { collect: false };
    };
    new Capture(x.res, { onHead }, 0);
  }

  #invalidate(key: string): void {
    try {
      for (const space of KEYSPACES) this.cache.delete(space + key);
    } catch (error) {
      this.failed(error);
    }
  }

  #look(x: Exchange<Req>, primary: string, wants: Directives, round: number): void {
    const { method, headers } = x.message;
    let found: Found;
    try {
      found = this.#find(primary, headers, wants);
    } catch (error) {
      this.failed(error);
      x.next();
      return;
    }
    const { key, response, standing } = found;
    // What answers HEAD, or with a part, cannot be stored for others.
    const canLead = method === 'GET' && headers.range === undefined;
    if (wants.has('no-store')) this.#pass(x, key, 'request');
    else if (response !== undefined && (standing === 'fresh' || (!canLead && standing === 'revalidate'))) {
      this.#hit(x, found, response);
    } else if (wants.has('only-if-cached')) {
      x.reply({
        status: 504,
        fields: this.statusField('fwd=request; detail=only-if-cached'),
        body: undefined,
      });
    } else if (!canLead) x.next();
    else if (response !== undefined && standing === 'revalidate') this.#revalidate(x, found, response);
    else if (round >= ROUNDS || (response === undefined && this.#passing.has(key))) {
      this.#pass(x, key, 'bypass');
    } else this.#load(x, found, wants, round);
  }

  /** What is stored for the request. */
  #find(primary: string, headers: IncomingHttpHeaders, wants: Directives): Found {
    let key = primary;
    let there = this.cache.peek(key);
    let variants: Variants | undefined;
    if (there?.value instanceof CachedResponse && there.value.kind === 'variants') {
      variants = there.value.variants;
      key = variantKey(primary, variants, headers);
      there = this.cache.peek(key);
    }
    const value = there?.value;
    const response = value instanceof CachedResponse && value.kind === 'response' ? value : undefined;
    if (value !== undefined && response === undefined) {
      this.failed(new TypeError('a value of the cache is no response: is its codec responseCodec?'));
    }
    const found = { key, primary, variants, response, storedForMs: there?.ageMs ?? 0 };
    const isOccupied = there !== undefined;
    if (response === undefined) {
      const why = variants === undefined ? 'uri-miss' : 'vary-miss';
      return { ...found, standing: 'dead', isOccupied, why };
    }
    const why = freshLeftMs(response.stored, found.storedForMs) > 0 ? 'request' : 'stale';
    return { ...found, standing: standingFor(wants, response.stored, found.storedForMs), isOccupied, why };
  }

  #hit(x: Exchange<Req>, { key, primary, storedForMs }: Found, response: CachedResponse): void {
    // `peek` is no use of a value to those who decide who has to go; this is.
    this.cache.get(key);
    if (key !== primary) this.cache.get(primary);
    this.#reply(x, response, storedForMs, `hit; ttl=${leftOf(response, storedForMs)}`);
  }

  #reply(x: Exchange<Req>, response: CachedResponse, storedForMs: number, said: string): void {
    x.reply(this.replyOf(response, storedForMs, conditionsOf(x.message), said));
  }

  /** The handler answers, and nobody waits for it. */
  #pass(x: Exchange<Req>, key: string, why: string): void {
    if (x.isOver()) return;
    const asked = { ...x.message.headers };
    const onHead = (status: number, headers: OutgoingHttpHeaders, bytes: number | undefined) => {
      if (this.judge(asked, status, headers, bytes) !== undefined) this.#passing.delete(key);
      this.say(x, headers, `fwd=${why}`);
      return { collect: false };
    };
    new Capture(x.res, { onHead }, 0);
    x.next();
  }

  /** Leads the flight of a key, or waits for it. */
  #load(x: Exchange<Req>, found: Found, wants: Directives, round: number): void {
    let isLeading = false;
    let isInTurn = true;
    const loader = (load: Load<CachedResponse>) => {
      // Nobody would get what the handler answers; another of those who wait leads.
      if (x.isOver()) return load.skip(AGAIN);
      isLeading = true;
      // Who leads only now, as the first leader's thread is gone, goes on as from here.
      if (!isInTurn) queueMicrotask(() => x.next());
      return this.#lead(x, found, load);
    };
    const loaded = this.cache.getOrLoad(found.key, loader, { forceRefresh: found.isOccupied });
    isInTurn = false;
    loaded.then(
      (value) => {
        if (!isLeading && !x.isOver()) this.#receive(x, found, value, wants, round);
      },
      (error) => {
        // The timeouts of the cache are for those who wait.
        if (!(error instanceof TimeoutError)) this.failed(error);
        if (!isLeading) this.#pass(x, found.key, 'bypass');
      },
    );
    if (isLeading) x.next();
  }

  /** One request runs its handler to have a new response; all others are served what there is. */
  #revalidate(x: Exchange<Req>, found: Found, response: CachedResponse): void {
    const waiting = new AbortController();
    let isLeading = false;
    const loader = (load: Load<CachedResponse>) => {
      isLeading = true;
      return this.#lead(x, found, load);
    };
    const loaded = this.cache.getOrLoad(found.key, loader, { forceRefresh: true, signal: waiting.signal });
    loaded.catch((error) => {
      if (error !== SERVED && !(error instanceof TimeoutError)) this.failed(error);
    });
    if (isLeading) {
      x.next();
      return;
    }
    waiting.abort(SERVED);
    this.#hit(x, found, response);
  }

  #lead(x: Exchange<Req>, found: Found, load: Load<CachedResponse>): Lead<Req>['outcome'] {
    inHand.add(x.res);
    return new Lead(this, x, found, load).outcome;
  }

  /** What came of a flight, for one who waited. */
  #receive(
    x: Exchange<Req>,
    { key, primary, why }: Found,
    value: CachedResponse | undefined,
    wants: Directives,
    round: number,
  ): void {
    const response = value instanceof CachedResponse ? value : PASS;
    switch (response.kind) {
      case 'pass':
        this.#pass(x, key, 'bypass');
        break;
      case 'again':
      case 'variants':
        this.#look(x, primary, wants, round + 1);
        break;
      case 'stale':
        this.#reply(x, response, 0, `fwd=stale; collapsed; ttl=${leftOf(response, 0)}`);
        break;
      case 'response': {
        const storedForMs = this.#storedForMs(key, response);
        const standing = standingOf(response.stored, storedForMs);
        // Some are good for no time at all, and so for nobody but their leader; and an old one came if the cache was told not to wait.
        if (standing === 'onError' || standing === 'dead') this.#pass(x, key, 'bypass');
        else {
          const left = leftOf(response, storedForMs);
          this.#reply(x, response, storedForMs, `fwd=${why}; collapsed; ttl=${left}`);
        }
      }
    }
  }

  /** How long a response has been in the cache: no time, unless it is there. */
  #storedForMs(key: string, { stored }: CachedResponse): number {
    try {
      const there = this.cache.peek(key);
      return there?.value?.kind === 'response' && there.value.stored.id === stored.id ? there.ageMs : 0;
    } catch {
      return 0;
    }
  }

  /** What a stored response is answered with: itself, a part of it, or that the client has it already. */
  replyOf(response: CachedResponse, storedForMs: number, conditions: Conditions, said: string): Reply {
    const { status, fields, ageMs } = response.stored;
    const age: Field = ['age', String(Math.floor((ageMs + storedForMs) / 1_000))];
    return answerTo(conditions, status, [...fields, age, ...this.statusField(said)], response.body);
  }

  /** How long a response may be stored, and by what it varies; undefined: not at all. */
  judge(
    { authorization, cookie }: IncomingHttpHeaders,
    status: number,
    headers: OutgoingHttpHeaders,
    bytes: number | undefined,
  ): { lifetime: Lifetime; names: readonly string[] } | undefined {
    const isAnonymous = authorization === undefined && cookie === undefined;
    const lifetime = lifetimeOf({
      status,
      headers,
      authorized: authorization !== undefined,
      ttlMs: isAnonymous ? this.#ttlMs : undefined,
      now: Date.now(),
    });
    const names = variesBy(headers);
    const isTooLarge = bytes !== undefined && bytes > this.maxBodyBytes;
    return lifetime === undefined || names === undefined || isTooLarge ? undefined : { lifetime, names };
  }

  /** A response of the key could not be stored, and the next one probably cannot either. */
  expectPassing(key: string): void {
    const passing = this.#passing;
    if (passing.size === MAX_PASSING) passing.delete(passing.values().next().value as string);
    passing.add(key);
  }

  /** Cache-Status, unless it is switched off. */
  statusField(said: string): Field[] {
    return this.#cacheStatus ? [['cache-status', `breakwater; ${said}`]] : [];
  }

  /** Cache-Status of a handler's response: each cache on the way adds a member. */
  addedTo(headers: OutgoingHttpHeaders, said: string): Field[] {
    const before = fieldOf(headers, 'cache-status');
    return this.statusField(said).map(([name, own]) => [
      name,
      before === undefined ? own : `${before}, ${own}`,
    ]);
  }

  /** Says it on a response that goes out as its handler writes it. */
  say({ res }: Exchange<Req>, headers: OutgoingHttpHeaders, said: string): void {
    if (res.headersSent) return;
    for (const [name, value] of this.addedTo(headers, said)) res.setHeader(name, value as string);
  }

  /** The cache could not do it: the handlers can. Told of once. */
  failed(error: unknown): void {
    this.#warnings.warn(
      'BREAKWATER_CACHE_FAILED',
      `cacheResponse: the cache failed: ${String(error)}`,
      error,
    );
  }
}
