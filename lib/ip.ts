/**
 * One key per client from the text of its address. An IPv6 customer owns a whole prefix (a /64 or more) and can send every request
 * from another address of it, so the address is parsed and cut; an IPv4 address is the key itself, in whatever way it is written.
 *
 * Addresses are judged by their bits, never by their notation: `::ffff:1.2.3.4` and `::ffff:102:304` are the IPv4 address 1.2.3.4;
 * `2001:db8::1.2.3.4` and `64:ff9b::1.2.3.4` are IPv6 addresses that happen to end in dots.
 *
 * `AddressKey` does so for the requests of a middleware, and reports settings under which the address is not the client's.
 */
import type { IncomingHttpHeaders } from 'node:http';
import { describe, invalid } from './options.js';

/** The key of all clients whose address is not known. */
export const NO_ADDRESS = 'unknown';

/** The bits of an IPv6 address that name one client, unless the user says otherwise. */
export const DEFAULT_PREFIX = 64;

const COLON = 58;
const DOT = 46;

// The eight groups of the address being parsed. Parsing is synchronous, so one is enough.
const groups = new Uint16Array(8);

/** Throws unless `prefix` is a length of an IPv6 prefix. */
export function checkPrefix(prefix: unknown, option: string): void {
  if (!Number.isInteger(prefix) || (prefix as number) < 1 || (prefix as number) > 128) {
    throw invalid('middleware', option, 'an integer from 1 to 128', prefix);
  }
}

/**
 * The key of the client at `address`: what `rateLimit` uses by default, for use in a `key` of your own.
 *
 * - IPv4, also as IPv4-mapped IPv6 (`::ffff:0:0/96`) in any notation: the dotted address, `203.0.113.7`.
 * - IPv6: its prefix in canonical form (RFC 5952), `2001:db8:0:7::/64`; the address itself when `prefix` is 128.
 * - Brackets, a port (`203.0.113.7:4711`, `[2001:db8::1]:4711`) and a zone (`fe80::1%eth0`) are left out.
 * - Anything else, undefined included: the one word `'unknown'`, so such clients share a key.
 *
 * @param address what the framework says, such as `req.ip`
 * @param prefix bits of an IPv6 address that count, an integer from 1 to 128; 64 is what one customer gets at least
 * @throws {InvalidOptionError} when `prefix` is out of range
 * @example key: (req) => req.user?.id ?? ipKey(req.ip)
 */
export function ipKey(address: string | null | undefined, prefix: number = DEFAULT_PREFIX): string {
  if (prefix !== DEFAULT_PREFIX) checkPrefix(prefix, 'prefix');
  if (typeof address !== 'string') return NO_ADDRESS;
  const end = endOfIPv4(address, 0);
  if (end === address.length) return address;
  if (end !== -1) return isPort(address, end) ? address.slice(0, end) : NO_ADDRESS;
  // How a server that listens on both families sees its IPv4 clients: the commonest form by far.
  if (address.startsWith('::ffff:') && endOfIPv4(address, 7) === address.length) return address.slice(7);
  return ipv6Key(address, prefix);
}

/** What the default key reads of a request. */
export interface AddressedRequest {
  readonly ip?: string | undefined;
  readonly headers?: IncomingHttpHeaders | undefined;
  readonly socket?: { readonly remoteAddress?: string | undefined } | null | undefined;
}

/** Who says which address is the client's. */
export interface AddressSource<Req> {
  /** The name of the framework. */
  readonly name: string;
  /** Its setting about proxies: true is everyone, false is no one. */
  trustProxy(req: Req): unknown;
}

/** Warnings of one middleware, each code once. */
export class Warnings {
  readonly #given = new Set<string>();

  warn(code: string, message: string, cause?: unknown): void {
    if (this.#given.has(code)) return;
    this.#given.add(code);
    const detail = cause instanceof Error ? cause.stack : undefined;
    process.emitWarning(message, {
      type: 'BreakwaterWarning',
      code,
      ...(detail === undefined ? {} : { detail }),
    });
  }
}

/**
 * The default key: the client's address. Reports, once per middleware, settings under which that address is not the client's. It never
 * reads an address from a header: which of them to believe is the framework's setting.
 */
export class AddressKey<Req extends AddressedRequest> {
  readonly #source: AddressSource<Req>;
  readonly #warnings: Warnings;
  // What has still to be looked at. One look at each suffices: settings do not change while a server runs.
  #setting = true;
  #forwardedFor = true;
  #forwarded = true;

  constructor(source: AddressSource<Req>, warnings: Warnings) {
    this.#source = source;
    this.#warnings = warnings;
  }

  of(req: Req, prefix: number): string {
    // Without a framework that knows better (plain Node, connect) the socket says who it is.
    const address = req.ip ?? req.socket?.remoteAddress;
    if (this.#setting) this.#lookAtSetting(req);
    if (this.#forwardedFor || this.#forwarded) this.#lookAtHeaders(req, address);
    const key = ipKey(address, prefix);
    if (key === NO_ADDRESS) {
      this.#warnings.warn(
        'BREAKWATER_NO_ADDRESS',
        `rateLimit: a request's ip is ${describe(address)}, which is no IP address. Such requests share one key; give rateLimit a key function.`,
      );
    }
    return key;
  }

  #lookAtSetting(req: Req): void {
    this.#setting = false;
    if (this.#source.trustProxy(req) !== true) return;
    this.#warnings.warn(
      'BREAKWATER_PERMISSIVE_TRUST_PROXY',
      `rateLimit: ${this.#source.name} trusts every proxy, so a client chooses its own address by X-Forwarded-For and no limit holds. Name the proxies to trust, or give rateLimit a key function.`,
    );
  }

  #lookAtHeaders(req: Req, address: string | undefined): void {
    const { headers } = req;
    if (headers === undefined) return;
    if (this.#forwardedFor && headers['x-forwarded-for'] !== undefined) {
      this.#forwardedFor = false;
      if (this.#source.trustProxy(req) === false) {
        this.#warnings.warn(
          'BREAKWATER_IGNORED_X_FORWARDED_FOR',
          `rateLimit: a request has X-Forwarded-For, but ${this.#source.name} trusts no proxy. If there is one, all clients behind it share one limit: name it in the setting of ${this.#source.name}.`,
        );
      }
    }
    if (this.#forwarded && headers.forwarded !== undefined) {
      this.#forwarded = false;
      if (address === req.socket?.remoteAddress) {
        this.#warnings.warn(
          'BREAKWATER_IGNORED_FORWARDED',
          `rateLimit: a request has the Forwarded header, which ${this.#source.name} does not read. If a proxy of yours sets it, all clients behind it share one limit: let it send X-Forwarded-For, or give rateLimit a key function.`,
        );
      }
    }
  }
}

function ipv6Key(address: string, prefix: number): string {
  let start = 0;
  let end = address.length;
  if (address.startsWith('[')) {
    const close = address.indexOf(']');
    if (close === -1 || (close + 1 < end && !isPort(address, close + 1))) return NO_ADDRESS;
    start = 1;
    end = close;
  }
  const zone = address.indexOf('%', start);
  if (zone !== -1 && zone < end) end = zone;
  if (!parseIPv6(address, start, end)) return NO_ADDRESS;
  if (isMapped()) {
    const high = groups[6]!;
    const low = groups[7]!;
    return `${high >> 8}.${high & 255}.${low >> 8}.${low & 255}`;
  }
  if (prefix === 128) return canonical();
  const last = prefix >> 4;
  groups[last]! &= 0xffff << (16 - (prefix & 15));
  groups.fill(0, last + 1);
  return `${canonical()}/${prefix}`;
}

/** Is the address in `::ffff:0:0/96`? */
function isMapped(): boolean {
  for (let i = 0; i < 5; i++) if (groups[i] !== 0) return false;
  return groups[5] === 0xffff;
}

/** The index after a dotted IPv4 address that starts at `start`, or -1. Strict: four octets, no leading zeros. */
function endOfIPv4(text: string, start: number): number {
  const length = text.length;
  let at = start;
  let dots = 0;
  let digits = 0;
  let value = 0;
  // One flat loop: it is the whole cost of an IPv4 client's key, and twice as fast as a loop over octets.
  for (; at < length; at++) {
    const digit = text.charCodeAt(at) - 48;
    if (digit >= 0 && digit <= 9) {
      if (digits !== 0 && value === 0) return -1;
      value = value * 10 + digit;
      digits++;
      if (value > 255) return -1;
    } else {
      if (digit !== DOT - 48 || digits === 0 || ++dots === 4) break;
      value = 0;
      digits = 0;
    }
  }
  return dots === 3 && digits !== 0 ? at : -1;
}

function digitAt(text: string, at: number): number {
  const value = text.charCodeAt(at) - 48;
  return value >= 0 && value <= 9 ? value : -1;
}

function hexAt(text: string, at: number): number {
  const code = text.charCodeAt(at);
  if (code >= 48 && code <= 57) return code - 48;
  const letter = code | 32;
  return letter >= 97 && letter <= 102 ? letter - 87 : -1;
}

/** Is the rest of `text` from `at` a colon and a port? */
function isPort(text: string, at: number): boolean {
  const digits = text.length - at - 1;
  if (text.charCodeAt(at) !== COLON || digits < 1 || digits > 5) return false;
  for (let i = at + 1; i < text.length; i++) if (digitAt(text, i) === -1) return false;
  return true;
}

/** Parses `text` from `start` to `end` into `groups`; false if it is not an IPv6 address. */
function parseIPv6(text: string, start: number, end: number): boolean {
  let at = start;
  let count = 0;
  let gap = -1; // the group that `::` stands before
  if (text.startsWith('::', at)) {
    gap = 0;
    at += 2;
  }
  if (at > end || start === end) return false;
  while (at < end) {
    if (count === 8) return false;
    const begin = at;
    let value = 0;
    for (let digit = hexAt(text, at); digit !== -1 && at < end; digit = hexAt(text, ++at)) {
      if (at - begin === 4) return false;
      value = value * 16 + digit;
    }
    if (at === begin) return false;
    if (at < end && text.charCodeAt(at) === DOT) {
      if (count > 6 || endOfIPv4(text, begin) !== end) return false;
      const octets = text.slice(begin, end).split('.').map(Number);
      groups[count++] = octets[0]! * 256 + octets[1]!;
      groups[count++] = octets[2]! * 256 + octets[3]!;
      break;
    }
    groups[count++] = value;
    if (at === end) break;
    if (text.charCodeAt(at++) !== COLON || at === end) return false;
    if (text.charCodeAt(at) === COLON) {
      if (gap !== -1) return false;
      gap = count;
      at++;
    }
  }
  if (gap === -1) return count === 8;
  if (count === 8) return false;
  const tail = 8 - (count - gap);
  groups.copyWithin(tail, gap, count);
  groups.fill(0, gap, tail);
  return true;
}

/** `groups` as RFC 5952 writes them: lower case, no leading zeros, `::` for the first longest run of two or more zero groups. */
function canonical(): string {
  let best = -1;
  let bestLength = 1;
  for (let i = 0; i < 8; i++) {
    let run = 0;
    while (i + run < 8 && groups[i + run] === 0) run++;
    if (run > bestLength) {
      best = i;
      bestLength = run;
    }
    i += run;
  }
  let text = '';
  for (let i = 0; i < 8; i++) {
    if (i === best) {
      text += '::';
      i += bestLength - 1;
    } else {
      text += (text === '' || text.endsWith(':') ? '' : ':') + groups[i]!.toString(16);
    }
  }
  return text;
}
