/**
 * A response as its handler writes it. `Capture` stands between a handler and Node's response: it learns of status and fields before
 * anything is sent, lets through what is written or holds it back, and keeps a copy of the body up to a bound.
 */
import { type OutgoingHttpHeaders, type ServerResponse, STATUS_CODES } from 'node:http';
import type { Field } from './cache-control.js';

/** An answer that replaces what the handler writes. */
export interface Reply {
  readonly status: number;
  readonly fields: readonly Field[];
  /** Undefined where a body has no place. */
  readonly body: Uint8Array | undefined;
}

/** What becomes of a response, now that its head is known. */
export interface Plan {
  /** Keep the body. */
  readonly collect: boolean;
  /**
   * Hold back what the handler writes, and send this at its end. Not before: to what is piped into it, a response that ends early is
   * one whose client is gone.
   */
  readonly instead?: Reply | undefined;
}

/** Who wants to know of a response. */
export interface Watcher {
  /**
   * Status and fields, before anything is sent; `bytes` is the length of the body where it is known. Asked again if they could not be
   * sent and another response takes the place of this one.
   */
  onHead(status: number, headers: OutgoingHttpHeaders, bytes: number | undefined): Plan;
  /** The response has ended as the handler wanted, and this was its body. */
  onEnd?(body: Uint8Array): void;
  /** There will be no whole body: it is larger than it may be, or broke off; or a cookie was set on the way out. */
  onBroken?(why: 'tooLarge' | 'truncated' | 'cookie'): void;
  /** The client is gone, and the handler has said nothing yet. */
  onGone?(): void;
}

type Method = (this: ServerResponse, ...args: unknown[]) => unknown;
type Methods = Record<'writeHead' | 'write' | 'end' | 'flushHeaders' | 'addTrailers', Method>;

const TRANSPARENT: Plan = { collect: false };

export class Capture {
  readonly #res: ServerResponse;
  readonly #inner: Methods;
  readonly #watcher: Watcher;
  readonly #maxBytes: number;
  #plan: Plan | undefined;
  #declared = Number.NaN;
  #collecting = false;
  #chunks: Buffer[] = [];
  #bytes = 0;
  #ended = false;
  #closed = false;

  constructor(res: ServerResponse, watcher: Watcher, maxBytes: number) {
    this.#res = res;
    this.#watcher = watcher;
    this.#maxBytes = maxBytes;
    const methods = res as unknown as Methods;
    const { writeHead, write, end, flushHeaders, addTrailers } = methods;
    this.#inner = { writeHead, write, end, flushHeaders, addTrailers };
    methods.writeHead = (...args) => this.#writeHead(args);
    methods.write = (...args) => this.#write(args);
    methods.end = (...args) => this.#end(args);
    methods.flushHeaders = () => this.#flushHeaders();
    methods.addTrailers = (...args) => this.#addTrailers(args);
    res.once('close', () => this.#onClose());
  }

  #writeHead(args: unknown[]): unknown {
    const [status, second, third] = args;
    const send = (): unknown => this.#inner.writeHead.apply(this.#res, args);
    // What is under way already, or is no final response.
    if (this.#plan !== undefined && this.#plan.instead === undefined) return send();
    if (!(Number(status) >= 200)) return send();
    if (this.#plan === undefined) {
      const isNamed = typeof second === 'string';
      let given = isNamed ? third : (second ?? third);
      if (Array.isArray(given)) {
        // Node takes fields in a list only where none was set before, and some are set here.
        for (const [name, value] of Object.entries(merged({}, given)))
          this.#res.setHeader(name, value as string);
        args.splice(isNamed ? 2 : 1);
        given = undefined;
      }
      this.#begin(Number(status), given, undefined, send);
    }
    return this.#res;
  }

  #flushHeaders(): void {
    const send = (): unknown => this.#inner.flushHeaders.call(this.#res);
    if (this.#plan === undefined) this.#begin(this.#res.statusCode, undefined, undefined, send);
    else if (this.#plan.instead === undefined) send();
  }

  #addTrailers(args: unknown[]): void {
    // What is sent instead has none.
    if (this.#plan?.instead === undefined) this.#inner.addTrailers.apply(this.#res, args);
  }

  /** The head is known: asks what is to become of the response, and lets it go its way. */
  #begin(status: number, given: unknown, bytes: number | undefined, send: () => void): void {
    const headers = merged(this.#res.getHeaders(), given);
    const length = headers['content-length'];
    // That of a 304 is the length of what it does not hold.
    this.#declared = length === undefined || status === 304 ? Number.NaN : Number(length);
    const plan = this.#watcher.onHead(
      status,
      headers,
      bytes ?? (length === undefined ? undefined : this.#declared),
    );
    this.#plan = plan;
    this.#collecting = plan.collect;
    if (plan.instead !== undefined) {
      // To its handler it is under way: what fails from now on cannot answer anew, or both would be one body.
      Object.defineProperty(this.#res, 'headersSent', { value: true, configurable: true });
      return;
    }
    try {
      send();
    } catch (error) {
      // Nothing was sent: what the error handler answers is the response.
      this.#plan = undefined;
      this.#drop();
      throw error;
    }
    // Set by who listens for the head, as session middleware does.
    if (this.#collecting && this.#res.hasHeader('set-cookie')) this.#break('cookie');
  }

  #write(args: unknown[]): unknown {
    const res = this.#res;
    // Where `end` writes the last piece by `write`, it is known already.
    if (this.#ended) return this.#inner.write.apply(res, args);
    const [chunk, encoding] = args;
    let answer: unknown = true;
    const send = (): void => {
      answer = this.#inner.write.apply(res, args);
    };
    if (this.#plan === undefined) this.#begin(res.statusCode, undefined, undefined, send);
    else if (this.#plan.instead === undefined) send();
    if (this.#plan?.instead !== undefined) later(args);
    // What is written bit by bit to a client that is gone may break off, and nobody would hear of it.
    if (this.#closed && this.#collecting) this.#break('truncated');
    this.#collect(chunk, encoding);
    // As long as the body is kept, it is taken as fast as it comes: who waits for it does not wait for this one's client.
    return this.#collecting || this.#plan?.instead !== undefined ? true : answer;
  }

  #end(args: unknown[]): unknown {
    const res = this.#res;
    const send = (): unknown => this.#inner.end.apply(res, args);
    if (this.#ended) return send();
    const [first, encoding] = args;
    const chunk = typeof first === 'function' ? undefined : first;
    // First: some responses write and close in the same turn.
    this.#ended = true;
    try {
      if (this.#plan === undefined) this.#begin(res.statusCode, undefined, lengthOf(chunk, encoding), send);
      else if (this.#plan.instead === undefined) send();
    } catch (error) {
      this.#ended = false;
      throw error;
    }
    this.#collect(chunk, encoding);
    const { instead } = this.#plan ?? TRANSPARENT;
    if (instead !== undefined) {
      this.#sendInstead(instead, args);
      if (this.#collecting && res.hasHeader('set-cookie')) this.#break('cookie');
    }
    if (!this.#collecting) return res;
    const body = Buffer.concat(this.#chunks, this.#bytes);
    if (Number.isNaN(this.#declared) || this.#declared === body.length) this.#watcher.onEnd?.(body);
    else this.#break('truncated');
    this.#drop();
    return res;
  }

  #collect(chunk: unknown, encoding: unknown): void {
    if (!this.#collecting || chunk === undefined || chunk === null) return;
    const bytes = lengthOf(chunk, encoding);
    if (this.#bytes + bytes > this.#maxBytes) {
      this.#break('tooLarge');
      return;
    }
    this.#bytes += bytes;
    // A copy: what was written is the handler's again.
    this.#chunks.push(
      typeof chunk === 'string' ? Buffer.from(chunk, encodingOf(encoding)) : Buffer.from(chunk as Uint8Array),
    );
  }

  #sendInstead({ status, fields, body }: Reply, args: unknown[]): void {
    const res = this.#res;
    Reflect.deleteProperty(res, 'headersSent');
    if (res.destroyed || res.headersSent) return;
    for (const name of res.getHeaderNames()) res.removeHeader(name);
    for (const [name, value] of fields) res.setHeader(name, value);
    res.statusCode = status;
    // The handler's may stand there. HTTP/2 has none.
    if (!('stream' in res)) res.statusMessage = STATUS_CODES[status] ?? '';
    const done = args.find((arg) => typeof arg === 'function') as (() => void) | undefined;
    if (done !== undefined) res.once('finish', done);
    this.#inner.writeHead.call(res, status);
    this.#inner.end.call(res, body);
  }

  #onClose(): void {
    this.#closed = true;
    if (this.#ended) return;
    if (this.#plan === undefined) this.#watcher.onGone?.();
    else if (this.#collecting) this.#break('truncated');
  }

  #break(why: 'tooLarge' | 'truncated' | 'cookie'): void {
    this.#drop();
    this.#watcher.onBroken?.(why);
  }

  #drop(): void {
    this.#collecting = false;
    this.#chunks = [];
    this.#bytes = 0;
  }
}

/** All fields: those set before, and those given with the status, as an object, as pairs or as names and values in turn. */
function merged(before: OutgoingHttpHeaders, given: unknown): OutgoingHttpHeaders {
  if (typeof given !== 'object' || given === null) return before;
  const pairs: unknown[][] = [];
  if (!Array.isArray(given)) pairs.push(...Object.entries(given));
  else if (Array.isArray(given[0])) pairs.push(...given);
  else for (let i = 0; i + 1 < given.length; i += 2) pairs.push(given.slice(i, i + 2));
  const own: OutgoingHttpHeaders = {};
  for (const [word, value] of pairs) {
    const name = String(word).toLowerCase();
    const first = own[name];
    // One that comes twice is a list.
    own[name] = first === undefined ? (value as string) : [first, value].flat().map(String);
  }
  return { ...before, ...own };
}

function lengthOf(chunk: unknown, encoding: unknown): number {
  if (typeof chunk === 'string') return Buffer.byteLength(chunk, encodingOf(encoding));
  return (chunk as Uint8Array | undefined | null)?.length ?? 0;
}

function encodingOf(encoding: unknown): BufferEncoding {
  return typeof encoding === 'string' ? (encoding as BufferEncoding) : 'utf8';
}

/** Calls the callback of a write, if there is one. */
function later(args: unknown[]): void {
  const done = args.find((arg) => typeof arg === 'function') as (() => void) | undefined;
  if (done !== undefined) process.nextTick(done);
}
