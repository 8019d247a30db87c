/** Which stored response a request is for, and how much of it: keys, Vary, validators, parts. Pure functions. */
import { createHash } from 'node:crypto';
import type { IncomingHttpHeaders, IncomingMessage, OutgoingHttpHeaders } from 'node:http';
import type { Reply } from './cache-capture.js';
import { type Field, fieldOf, instantOf } from './cache-control.js';
import type { Variants } from './cache-stored.js';

/** A longer key is not used: the request goes to its handler. */
export const MAX_KEY_LENGTH = 2_048;

/** A response that varies by more fields is not stored. */
const MAX_NAMES = 16;

/** Where a request goes. */
export interface Target {
  readonly protocol: string;
  readonly host: string;
  /** Path and query, as they were sent. */
  readonly url: string;
}

/** A scheme and a host, as far as they can be told from the path that follows. */
const ORIGIN = /^[a-z][a-z\d+.-]*:\/\/[^\s/\\?#@]*$/;

/**
 * The default key: scheme, host, path, and the query's parameters by name. Those of one name keep their order. Undefined where there is
 * no such key: of a `Host: a.example/b` it would be that of another path, and a target in absolute form may name another host.
 */
export function keyOfTarget({ protocol, host, url: sent }: Target): string | undefined {
  const origin = `${protocol}://${host}`.toLowerCase();
  const url = sent.toLowerCase().startsWith(`${origin}/`) ? sent.slice(origin.length) : sent;
  if (!ORIGIN.test(origin) || !url.startsWith('/')) return undefined;
  const at = url.indexOf('?');
  if (at < 0 || url.indexOf('&', at) < 0) return origin + url;
  const pairs = url
    .slice(at + 1)
    .split('&')
    .map((pair) => ({ pair, name: pair.split('=', 1)[0] as string }))
    .sort((one, other) => (one.name < other.name ? -1 : Number(one.name > other.name)));
  return `${origin}${url.slice(0, at)}?${pairs.map(({ pair }) => pair).join('&')}`;
}

/**
 * The host a request is for. The framework's name for it is that of `X-Forwarded-Host` where it trusts the proxy, and may lack the port
 * of `Host`, which is looked at only where it says the same: a name that only begins alike is another's.
 */
export function hostOf(name: string | undefined, header: string | undefined): string {
  if (name === undefined) return header ?? '';
  return header?.startsWith(name) && /^:\d+$/.test(header.slice(name.length)) ? header : name;
}

/** The fields a response varies by, sorted; undefined: by too many, or by what no cache can know (`*`). */
export function variesBy(headers: OutgoingHttpHeaders): readonly string[] | undefined {
  const names = new Set((fieldOf(headers, 'vary') ?? '').toLowerCase().split(/[\s,]+/));
  names.delete('');
  return names.has('*') || names.size > MAX_NAMES ? undefined : [...names].sort();
}

/** Fields in which case and blanks mean nothing. */
const LISTS = new Set(['accept-encoding', 'accept-language']);

/**
 * The key of the responses that are for this request, where those of its key vary. It holds a hash of the fields, so it is short, and
 * says nothing of a cookie.
 */
export function variantKey(
  key: string,
  { names, generation }: Variants,
  headers: IncomingHttpHeaders,
): string {
  const hash = createHash('sha256');
  for (const name of names) {
    const value = headers[name];
    let text = Array.isArray(value) ? value.join(', ') : value;
    if (text !== undefined && LISTS.has(name)) text = text.toLowerCase().replace(/\s+/g, '');
    hash.update(text === undefined ? '-' : `${text.length}:${text}`);
  }
  return `${key} ${generation} ${hash.digest('base64url')}`;
}

/** What a request says of what it has already. */
export interface Conditions {
  readonly ifNoneMatch: string | undefined;
  readonly ifModifiedSince: string | undefined;
  /** The part it wants; only GET can say it. */
  readonly range: string | undefined;
  readonly ifRange: string | undefined;
}

export function conditionsOf({ method, headers }: IncomingMessage): Conditions {
  return {
    ifNoneMatch: headers['if-none-match'],
    ifModifiedSince: headers['if-modified-since'],
    range: method === 'GET' ? headers.range : undefined,
    ifRange: fieldOf(headers, 'if-range'),
  };
}

/** Whether the client has the response already, by its entity tag, compared weakly, else by its date (RFC 9110, 13.2.2). */
export function isNotModified(
  { ifNoneMatch, ifModifiedSince }: Pick<Conditions, 'ifNoneMatch' | 'ifModifiedSince'>,
  etag: string | undefined,
  lastModified: string | undefined,
): boolean {
  if (ifNoneMatch !== undefined) {
    if (ifNoneMatch.trim() === '*') return true;
    const opaque = etag?.replace(/^W\//, '');
    return opaque !== undefined && ifNoneMatch.match(/"[^"]*"/g)?.includes(opaque) === true;
  }
  // Where a date is none, the comparison is false.
  return instantOf(lastModified) <= instantOf(ifModifiedSince);
}

/** What a request is answered with a response: that the client has it, a part of it, or the whole. `fields` say nothing of its length. */
export function answerTo(
  conditions: Conditions,
  status: number,
  fields: readonly Field[],
  body: Uint8Array,
): Reply {
  const named = (name: string) => fields.find(([word]) => word === name)?.[1] as string | undefined;
  if (status === 204) return { status, fields, body: undefined };
  if (status === 200) {
    const etag = named('etag');
    if (isNotModified(conditions, etag, named('last-modified'))) return notModified(fields);
    const part = /\bbytes\b/i.test(named('accept-ranges') ?? '')
      ? partOf(conditions, etag, fields, body)
      : undefined;
    if (part !== undefined) return part;
  }
  return { status, fields: [...fields, ['content-length', String(body.length)]], body };
}

/**
 * The part of a body that is asked for (RFC 9110, 14.2); undefined where the whole is to be given: for several parts, for what is no
 * range of bytes, and where `If-Range` does not name the very same response, as a date never does for sure.
 */
function partOf(
  { range, ifRange }: Conditions,
  etag: string | undefined,
  fields: readonly Field[],
  body: Uint8Array,
): Reply | undefined {
  const [, first = '', last = ''] = /^bytes=\s*(\d*)-(\d*)\s*$/i.exec(range ?? '') ?? [];
  if (first + last === '' || body.length === 0) return undefined;
  if (ifRange !== undefined && (ifRange !== etag || !etag.startsWith('"'))) return undefined;
  const from = first === '' ? Math.max(0, body.length - Number(last)) : Number(first);
  const to = first === '' || last === '' ? body.length - 1 : Math.min(Number(last), body.length - 1);
  if (last !== '' && first !== '' && Number(last) < from) return undefined;
  if (from >= body.length) {
    const said = fields.filter(([name]) => name === 'cache-status');
    return { status: 416, fields: [...said, ['content-range', `bytes */${body.length}`]], body: undefined };
  }
  const part = body.subarray(from, to + 1);
  const own: Field[] = [
    ['content-range', `bytes ${from}-${to}/${body.length}`],
    ['content-length', String(part.length)],
  ];
  return { status: 206, fields: [...fields, ...own], body: part };
}

/** The answer to who has the response already: what is about the body it does not get is left out. */
export function notModified(fields: readonly Field[]): Reply {
  const rest = fields.filter(([name]) => !name.startsWith('content-') || name === 'content-location');
  return { status: 304, fields: rest.filter(([name]) => !OF_FRAMING.has(name)), body: undefined };
}

/** Fields that go with a body in pieces. */
const OF_FRAMING = new Set(['transfer-encoding', 'trailer']);

/** Requests that the handler answers: on conditions a cache does not judge, or with a body, which the key knows nothing of. */
export function isForHandler(headers: IncomingHttpHeaders): boolean {
  return (
    headers['if-match'] !== undefined ||
    headers['if-unmodified-since'] !== undefined ||
    headers['transfer-encoding'] !== undefined ||
    (headers['content-length'] ?? '0') !== '0'
  );
}
