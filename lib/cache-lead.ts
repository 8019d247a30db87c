/**
 * The request that runs its handler while others wait for what it answers. Its response is its own: it goes to its client as the handler
 * writes it, and on the way it is seen whether it can be stored, and kept until it is whole. What cannot is known as early as its
 * head, and then nobody waits for the rest.
 *
 * Where a stale response is there, the handler is asked whether it is still so, by the response's own tag and date. With a 304 it says
 * yes: then the stored response is good again, with the fields of the 304, for this client as for all (RFC 9111, 4.3).
 */
import { randomUUID } from 'node:crypto';
import type { IncomingHttpHeaders, OutgoingHttpHeaders } from 'node:http';
import { Capture, type Plan, type Watcher } from './cache-capture.js';
import {
  type Field,
  fieldOf,
  type Lifetime,
  standingOf,
  storedFields,
  wholeLifeMs,
} from './cache-control.js';
import {
  answerTo,
  type Conditions,
  conditionsOf,
  isNotModified,
  notModified,
  variantKey,
} from './cache-match.js';
import type { Load, Skipped } from './cache-options.js';
import type { Exchange, Found, ResponseCache } from './cache-response.js';
import { AGAIN, CachedResponse, leftOf, PASS, type Stored } from './cache-stored.js';

/** For which a stale response may stand in (RFC 5861, 4). */
const ERRORS = new Set([500, 502, 503, 504]);

/** How long it is remembered at least by what the responses of a key vary. */
const VARIANTS_MS = 3_600_000;

/** What a 304 may say of a body it does not have, and is not taken from it (RFC 9111, 3.2). */
const OF_BODY = new Set([
  'content-encoding',
  'content-length',
  'content-range',
  'content-type',
  'trailer',
  'transfer-encoding',
]);

/** A response that can be stored, as soon as it is whole. */
interface Taken {
  readonly stored: Stored;
  readonly lifetime: Lifetime;
  readonly names: readonly string[];
  /** Of a response that is good again; else it is what the handler writes. */
  readonly body?: Uint8Array | undefined;
}

export class Lead<Req> implements Watcher {
  /** What those who wait are given, and what is stored. */
  readonly outcome: Promise<CachedResponse | Skipped<CachedResponse>>;
  readonly #responses: ResponseCache<Req>;
  readonly #x: Exchange<Req>;
  readonly #found: Found;
  readonly #load: Load<CachedResponse>;
  /** Fields that were there before the handler. */
  readonly #before: OutgoingHttpHeaders;
  /** The request as it came: what comes after may change its fields. */
  readonly #asked: IncomingHttpHeaders;
  readonly #conditions: Conditions;
  /** What its handler is asked about. */
  readonly #old: CachedResponse | undefined;
  #settle!: (outcome: CachedResponse | Skipped<CachedResponse>) => void;
  #silence: NodeJS.Timeout | undefined;
  #status = 0;
  #taken: Taken | undefined;

  constructor(responses: ResponseCache<Req>, x: Exchange<Req>, found: Found, load: Load<CachedResponse>) {
    this.#responses = responses;
    this.#x = x;
    this.#found = found;
    this.#load = load;
    this.#before = { ...x.fields() };
    this.outcome = new Promise((resolve) => {
      this.#settle = resolve;
    });
    // A whole response is wanted, or none but what is stored; whether this client has it already is looked at here.
    const { headers } = x.message;
    this.#asked = { ...headers };
    this.#conditions = conditionsOf(x.message);
    const { etag, lastModified } = validatorsOf(found.response);
    if (etag !== undefined || lastModified !== undefined) this.#old = found.response;
    replace(headers, 'if-none-match', etag);
    replace(headers, 'if-modified-since', lastModified);
    new Capture(x.res, this, responses.maxBodyBytes);
  }

  onHead(status: number, headers: OutgoingHttpHeaders, bytes: number | undefined): Plan {
    if (ERRORS.has(status)) {
      const instead = this.#standIn(status);
      if (instead !== undefined) return { collect: false, instead };
    }
    if (status === 304 && this.#old !== undefined) {
      const isOfIt = sameTag({ ...named(this.#old.stored.fields), ...headers }, this.#old);
      // Of another tag, it answers what the client asked: some handlers look at the request as it was sent.
      if (isOfIt || !isConditional(this.#conditions)) return this.#renewed(headers, this.#old, isOfIt);
    }
    const judged = this.#responses.judge(this.#asked, status, headers, bytes);
    this.#status = status;
    if (judged === undefined) this.#cannotBeStored();
    else this.#taken = { stored: this.#storedOf(status, headers, judged.lifetime), ...judged };
    const said = `fwd=${this.#found.why}${judged !== undefined && bytes !== undefined ? '; stored' : ''}`;
    const collect = judged !== undefined;
    if (
      status === 200 &&
      isNotModified(this.#conditions, fieldOf(headers, 'etag'), fieldOf(headers, 'last-modified'))
    ) {
      const fields = [...fieldsOf(headers), ...this.#responses.addedTo(headers, said)];
      return { collect, instead: notModified(fields) };
    }
    this.#responses.say(this.#x, headers, said);
    return { collect };
  }

  /** The handler has answered 304 to what it was asked: what is stored is still so. */
  #renewed(headers: OutgoingHttpHeaders, { stored, body }: CachedResponse, isOfIt: boolean): Plan {
    const responses = this.#responses;
    const { status } = stored;
    const isOfHead = ([name]: Field) => !OF_BODY.has(name);
    const old = named(stored.fields.filter(([name]) => name !== 'date'));
    const said304 = isOfIt ? headers : {};
    // As in a hit, what is stored goes before what was there before the handler; what the 304 says goes before both.
    const now: OutgoingHttpHeaders = {
      date: new Date().toUTCString(),
      ...this.#before,
      ...named(fieldsOf(said304).filter(isOfHead)),
      ...old,
      ...named(storedFields(said304, this.#before).filter(isOfHead)),
    };
    const judged = isOfIt ? responses.judge(this.#asked, status, now, body.length) : undefined;
    this.#status = status;
    if (judged === undefined) this.#cannotBeStored();
    else this.#taken = { stored: this.#storedOf(status, now, judged.lifetime), ...judged, body };
    const said = `fwd=${this.#found.why}; fwd-status=304${judged === undefined ? '' : '; stored'}`;
    const fields = fieldsOf({ ...now, ...named(responses.addedTo(headers, said)) });
    return { collect: judged !== undefined, instead: answerTo(this.#conditions, status, fields, body) };
  }

  /** The stale response, if it may stand in for an error: for who waits, too. */
  #standIn(status: number): Plan['instead'] {
    const { key } = this.#found;
    let storedForMs: number;
    let response: CachedResponse | undefined;
    try {
      // Again: it may be gone, or invalid, by now.
      const there = this.#responses.cache.peek(key);
      response = there?.value;
      storedForMs = there?.ageMs ?? 0;
    } catch {
      return undefined;
    }
    if (!(response instanceof CachedResponse) || response.kind !== 'response') return undefined;
    const { stored, body } = response;
    if (standingOf(stored, storedForMs) === 'dead') return undefined;
    const ageMs = stored.ageMs + storedForMs;
    this.#end(this.#load.skip(CachedResponse.of('stale', { ...stored, ageMs }, body)));
    const said = `fwd=stale; fwd-status=${status}; ttl=${leftOf(response, storedForMs)}`;
    const reply = this.#responses.replyOf(response, storedForMs, this.#conditions, said);
    return { ...reply, fields: [...fieldsOf(this.#before), ...reply.fields] };
  }

  #storedOf(status: number, headers: OutgoingHttpHeaders, lifetime: Lifetime): Stored {
    const fields = storedFields(headers, this.#before);
    if (headers['date'] === undefined) {
      // Node would add it on the way out, maybe of the next second, and anew with every hit.
      const date = new Date().toUTCString();
      const { res } = this.#x;
      fields.push(['date', date]);
      if (res.sendDate && !res.headersSent) res.setHeader('date', date);
    }
    return { id: randomUUID(), status, fields, ...lifetime };
  }

  onEnd(body: Uint8Array): void {
    if (this.#taken === undefined) return;
    const { stored, lifetime, names } = this.#taken;
    const { cache, keepMs } = this.#responses;
    const { primary, variants } = this.#found;
    const response = CachedResponse.of('response', stored, this.#taken.body ?? body);
    const { etag, lastModified } = validatorsOf(response);
    const ttlMs = wholeLifeMs(lifetime) + (etag === undefined && lastModified === undefined ? 0 : keepMs);
    try {
      if (variants !== undefined && !names.every((name) => variants.names.includes(name))) {
        // It varies by more than was known: all of the key are asked for anew, and the first says by what.
        cache.delete(primary);
        this.#end(this.#load.skip(AGAIN));
      } else if (variants !== undefined || names.length === 0) {
        this.#load.setTtlMs(ttlMs);
        this.#end(response);
      } else {
        // Found through what is stored under the key, and that only if nothing invalidated the key since the handler began.
        const own = { names, generation: randomUUID() };
        cache.set(variantKey(primary, own, this.#asked), response, { ttlMs });
        this.#load.setTtlMs(Math.max(ttlMs, VARIANTS_MS));
        this.#end(CachedResponse.of('variants', own));
      }
    } catch (error) {
      this.#responses.failed(error);
      this.#end(this.#load.skip(PASS));
    }
  }

  onBroken(why: 'tooLarge' | 'truncated' | 'cookie'): void {
    if (why === 'truncated') this.#end(this.#load.skip(AGAIN));
    else this.#cannotBeStored();
  }

  onGone(): void {
    this.#silence = setTimeout(() => this.#end(this.#load.skip(AGAIN)), this.#responses.silenceMs);
    this.#silence.unref();
  }

  #cannotBeStored(): void {
    const { key, isOccupied } = this.#found;
    this.#taken = undefined;
    if (speaksOfResource(this.#status)) {
      this.#responses.expectPassing(key);
      try {
        if (isOccupied) this.#responses.cache.delete(key);
      } catch (error) {
        this.#responses.failed(error);
      }
    }
    this.#end(this.#load.skip(PASS));
  }

  #end(outcome: CachedResponse | Skipped<CachedResponse>): void {
    clearTimeout(this.#silence);
    this.#settle(outcome);
  }
}

/** Whether a response is about what was asked for. Others, such as a 429, are about the request. */
function speaksOfResource(status: number): boolean {
  return (status < 400 && status !== 304) || status === 404 || status === 410;
}

function fieldsOf(headers: OutgoingHttpHeaders): Field[] {
  const fields: Field[] = [];
  for (const [name, value] of Object.entries(headers)) {
    if (value !== undefined) fields.push([name, Array.isArray(value) ? value : String(value)]);
  }
  return fields;
}

function named(fields: readonly Field[]): OutgoingHttpHeaders {
  return Object.fromEntries(fields) as OutgoingHttpHeaders;
}

/** By what a handler can tell whether a response is still so. Only of a 200 is it known what a 304 means. */
function validatorsOf(response: CachedResponse | undefined): {
  readonly etag?: string | undefined;
  readonly lastModified?: string | undefined;
} {
  if (response?.stored.status !== 200) return {};
  const fields = named(response.stored.fields);
  return { etag: fieldOf(fields, 'etag'), lastModified: fieldOf(fields, 'last-modified') };
}

function sameTag(headers: OutgoingHttpHeaders, response: CachedResponse): boolean {
  const opaque = (tag: string | undefined) => tag?.replace(/^W\//, '');
  return opaque(fieldOf(headers, 'etag')) === opaque(validatorsOf(response).etag);
}

function isConditional({ ifNoneMatch, ifModifiedSince }: Conditions): boolean {
  return ifNoneMatch !== undefined || ifModifiedSince !== undefined;
}

function replace(headers: IncomingHttpHeaders, name: string, value: string | undefined): void {
  if (value === undefined) delete headers[name];
  else headers[name] = value;
}
