/**
 * What the header fields of HTTP say of caching (RFC 9111 for a shared cache, RFC 5861): pure functions of them. `lifetimeOf` says
 * whether a response may be stored and how long it is good for; `standingOf` how it stands at an age.
 */
import type { OutgoingHttpHeaders } from 'node:http';

/** Directives in lower case; of one that comes twice the first counts. */
export type Directives = ReadonlyMap<string, string>;

const DIRECTIVE = /([!#$%&'*+.^_`|~\w-]+)(?:\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^\s,"]*)))?/g;

export function directivesOf(field: string | undefined): Directives {
  const directives = new Map<string, string>();
  if (field === undefined) return directives;
  for (const [, name, quoted, plain] of field.matchAll(DIRECTIVE)) {
    const key = (name as string).toLowerCase();
    if (!directives.has(key)) directives.set(key, quoted ?? plain ?? '');
  }
  return directives;
}

/** A field as one line, as it may come in several. */
export function fieldOf(headers: OutgoingHttpHeaders, name: string): string | undefined {
  const value = headers[name];
  if (value === undefined) return undefined;
  return Array.isArray(value) ? value.join(', ') : String(value);
}

const DATES = [
  /^[A-Z][a-z]{2}, (?<day>\d\d) (?<month>[A-Z][a-z]{2}) (?<year>\d{4}) (?<time>\d\d:\d\d:\d\d) GMT$/,
  /^[A-Z][a-z]{5,8}, (?<day>\d\d)-(?<month>[A-Z][a-z]{2})-(?<year>\d\d) (?<time>\d\d:\d\d:\d\d) GMT$/,
  /^[A-Z][a-z]{2} (?<month>[A-Z][a-z]{2}) (?<day>[ \d]\d) (?<time>\d\d:\d\d:\d\d) (?<year>\d{4})$/,
];
const MONTHS = ['Jan', 'Feb', 'Mar', 'Apr', 'May', 'Jun', 'Jul', 'Aug', 'Sep', 'Oct', 'Nov', 'Dec'];
const YEAR_MS = 31_556_952_000;

/**
 * A date of HTTP (RFC 9110, 5.6.7) in milliseconds since 1970; NaN of what is none. `Date.parse` takes `2050` for a date, each engine its
 * own way, and one without GMT for local time. The clock is asked only of what century a year of two digits is.
 */
export function instantOf(value: string | undefined): number {
  const parts = DATES.map((date) => date.exec(value ?? '')?.groups).find((groups) => groups !== undefined);
  if (parts === undefined) return Number.NaN;
  const { day = '', month = '', year = '', time = '' } = parts;
  const nth = MONTHS.indexOf(month) + 1;
  if (nth === 0) return Number.NaN;
  const rest = `-${String(nth).padStart(2, '0')}-${day.replace(' ', '0')}T${time}Z`;
  const at = (century: string) => Date.parse(century + year + rest);
  if (year.length === 4) return at('');
  // A year of two digits that seems to be more than 50 years ahead is of the last century.
  return at('20') > Date.now() + 50 * YEAR_MS ? at('19') : at('20');
}

/** 68 years: RFC 9111 wants at least 2^31 to be understood, and what is larger to count as much. */
const LONGEST_MS = 2 ** 31 * 1_000;

/** Seconds in milliseconds. What is no number of seconds is none: it counts as stale, as RFC 9111 wants. */
export function secondsOf(value: string | undefined): number {
  return value !== undefined && /^\d+$/.test(value) ? Math.min(Number(value) * 1_000, LONGEST_MS) : 0;
}

/** How long a response is good for, in milliseconds, each from the end of what precedes it. */
export interface Lifetime {
  readonly freshMs: number;
  readonly staleWhileRevalidateMs: number;
  readonly staleIfErrorMs: number;
  /** How old it already was, by its `Age` and its `Date`. */
  readonly ageMs: number;
  /** Whether who asks for a stale one may have it. */
  readonly mayBeStale: boolean;
}

/** What `lifetimeOf` has to know. */
export interface Answer {
  readonly status: number;
  readonly headers: OutgoingHttpHeaders;
  /** The request had `Authorization`. */
  readonly authorized: boolean;
  /** How long a response is fresh that says nothing about it; undefined: it is not stored. */
  readonly ttlMs: number | undefined;
  /** Milliseconds since 1970, for `Expires` and `Date`. */
  readonly now: number;
}

/** Final responses that are whole and speak of what was asked for. */
const STORABLE = new Set([200, 203, 204, 300, 301, 302, 303, 307, 308, 404, 405, 410, 414, 451, 501]);
/** Those of them that may be stored though they say nothing of it (RFC 9110, 15.1). */
const BY_DEFAULT = new Set([200, 203, 204, 300, 301, 308, 404, 405, 410, 414, 501]);

/** How long a shared cache may keep a response; undefined: not at all. `Vary` is not looked at. */
export function lifetimeOf({ status, headers, authorized, ttlMs, now }: Answer): Lifetime | undefined {
  if (!STORABLE.has(status) || headers['set-cookie'] !== undefined) return undefined;
  // It never ends, and belongs to one client.
  if (/^\s*text\/event-stream/i.test(fieldOf(headers, 'content-type') ?? '')) return undefined;
  const said = directivesOf(fieldOf(headers, 'cache-control') ?? fieldOf(headers, 'pragma'));
  // With field names (`private="x-user"`) it would be enough to leave those fields out; so it is on the safe side. What has to be
  // asked about every time is not kept: who asks could share it with nobody, and its handler is run in any case.
  if (said.has('no-store') || said.has('private') || said.has('no-cache')) return undefined;
  if (authorized && !said.has('public') && !said.has('s-maxage') && !said.has('must-revalidate')) {
    return undefined;
  }
  const freshMs = statedMs(said, headers, now) ?? (BY_DEFAULT.has(status) ? ttlMs : undefined);
  if (freshMs === undefined) return undefined;
  // `s-maxage` means proxy-revalidate too; but who writes a window beside it means the window, and so all who honour windows do.
  const strict = said.has('must-revalidate') || said.has('proxy-revalidate');
  const windowMs = (name: string): number => (strict ? 0 : secondsOf(said.get(name)));
  const lifetime = {
    freshMs: Math.min(freshMs, LONGEST_MS),
    staleWhileRevalidateMs: windowMs('stale-while-revalidate'),
    staleIfErrorMs: windowMs('stale-if-error'),
    ageMs: ageOf(headers, now),
    mayBeStale: !strict && !said.has('s-maxage'),
  };
  return wholeLifeMs(lifetime) > 0 ? lifetime : undefined;
}

/** What the response says of its own freshness. */
function statedMs(said: Directives, headers: OutgoingHttpHeaders, now: number): number | undefined {
  for (const name of ['s-maxage', 'max-age']) if (said.has(name)) return secondsOf(said.get(name));
  const expires = fieldOf(headers, 'expires');
  if (expires === undefined) return undefined;
  const date = instantOf(fieldOf(headers, 'date'));
  // `Expires: 0` and all that is no date say that it has expired.
  return Math.max(0, (instantOf(expires) || 0) - (Number.isNaN(date) ? now : date));
}

/** How old a response is as it comes: what a cache before this one says, or what its date says, if that is more (RFC 9111, 4.2.3). */
function ageOf(headers: OutgoingHttpHeaders, now: number): number {
  // Of several the first counts.
  const said = secondsOf((fieldOf(headers, 'age') ?? '').split(',', 1)[0]?.trim());
  // A date is in whole seconds, and so is what it says.
  const since = Math.floor((now - instantOf(fieldOf(headers, 'date'))) / 1_000) * 1_000;
  return Number.isNaN(since) ? said : Math.max(said, since);
}

/** How long a response can be of any use from now on. */
export function wholeLifeMs({ freshMs, staleWhileRevalidateMs, staleIfErrorMs, ageMs }: Lifetime): number {
  return freshMs + Math.max(staleWhileRevalidateMs, staleIfErrorMs) - ageMs;
}

/** To be served; to be served while one request revalidates it; if the handler fails; not at all. */
export type Standing = 'fresh' | 'revalidate' | 'onError' | 'dead';

/** How a response stands that was stored so long ago. */
export function standingOf(lifetime: Lifetime, storedForMs: number): Standing {
  const left = freshLeftMs(lifetime, storedForMs);
  if (left > 0) return 'fresh';
  if (-left < lifetime.staleWhileRevalidateMs) return 'revalidate';
  return -left < lifetime.staleIfErrorMs ? 'onError' : 'dead';
}

/** How long it is still fresh; below 0, how long it has been stale. */
export function freshLeftMs({ freshMs, ageMs }: Lifetime, storedForMs: number): number {
  return freshMs - ageMs - storedForMs;
}

/** The same as a request sees it whose own Cache-Control is honoured (RFC 9111, 5.2.1). */
export function standingFor(wants: Directives, lifetime: Lifetime, storedForMs: number): Standing {
  const standing = standingOf(lifetime, storedForMs);
  const left = freshLeftMs(lifetime, storedForMs);
  const isTooOld =
    wants.has('no-cache') ||
    (wants.has('max-age') && lifetime.ageMs + storedForMs > secondsOf(wants.get('max-age'))) ||
    (wants.has('min-fresh') && left < secondsOf(wants.get('min-fresh')));
  if (isTooOld) return standing === 'dead' ? 'dead' : 'onError';
  const stale = wants.get('max-stale');
  if (
    stale !== undefined &&
    lifetime.mayBeStale &&
    left <= 0 &&
    (stale === '' || -left <= secondsOf(stale))
  ) {
    return 'fresh';
  }
  return standing;
}

/** Fields that are of one connection, of one client, or made anew with every response. */
const NOT_STORED = new Set([
  'connection',
  'keep-alive',
  'proxy-authenticate',
  'proxy-authentication-info',
  'proxy-authorization',
  'proxy-connection',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
  'set-cookie',
  'age',
  'cache-status',
  'content-length',
]);

/** A field, or several of one name. */
export type Field = readonly [name: string, value: string | readonly string[]];

/** The fields that are stored of a response: not those that stood there before the handler began, which every request gets itself. */
export function storedFields(headers: OutgoingHttpHeaders, before: OutgoingHttpHeaders): Field[] {
  const named = new Set((fieldOf(headers, 'connection') ?? '').toLowerCase().split(/[\s,]+/));
  const fields: Field[] = [];
  for (const [name, value] of Object.entries(headers)) {
    if (value === undefined || NOT_STORED.has(name) || named.has(name)) continue;
    if (String(before[name]) === String(value)) continue;
    fields.push([name, Array.isArray(value) ? value : String(value)]);
  }
  return fields;
}
