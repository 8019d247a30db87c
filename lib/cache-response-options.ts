/** What `cacheResponse` is told, and the checks of it. */
import type { Cache } from './cache.js';
import type { CachedResponse } from './cache-stored.js';
import { checkShape, checkSpan, checkWhole, invalid, type Shapes } from './options.js';

/** Options of `cacheResponse`. What a function throws goes to the framework's error handling. */
export interface CacheResponseOptions<Req> {
  /** Where responses are kept: with a name, and then with `responseCodec`, for all threads; without one for this thread. */
  readonly cache: Cache<CachedResponse>;
  /**
   * What is one resource. It is asked at once, and for unsafe methods too. A key of more than 2048 characters is not used, nor one that
   * begins with `'authorization '` or `'cookie '`, as those of requests with these fields do: such requests go to their handlers.
   * @default scheme, host, path, and the query's parameters sorted by name: `http://example.com/list?a=1&b=2`
   */
  readonly key?: ((req: Req) => string) | undefined;
  /** Requests it answers true for go to their handlers, and neither use nor change what is stored. Asked first. Default: none. */
  readonly skip?: ((req: Req) => boolean) | undefined;
  /**
   * How long a response is fresh that says nothing of it, in milliseconds ≥ 0, Infinity allowed. It is for requests that say nothing of
   * who asks: with Cookie or Authorization it does not apply. Default: such responses are not stored.
   */
  readonly ttlMs?: number | undefined;
  /** A response with a larger body is not stored: a whole number of bytes from 0 to 1073741824. @default 1048576 */
  readonly maxBodyBytes?: number | undefined;
  /**
   * How long a response with ETag or Last-Modified is kept that may not be served any more, for its handler to say that it is still
   * so: in milliseconds ≥ 0, Infinity allowed. It counts from the end of its windows; 0 keeps none longer. @default 600000
   */
  readonly keepMs?: number | undefined;
  /**
   * How long others wait for a handler that has not answered when its client goes away: a whole number of milliseconds from 0 to
   * 2147483647. Some handlers stop then without a word, others go on, and what they answer is for all. Whatever it is, nobody waits
   * for a handler longer than the cache's `leaseMs`. @default 30000
   */
  readonly silenceMs?: number | undefined;
  /** Whether responses say in Cache-Status (RFC 9211) where they come from. @default true */
  readonly cacheStatus?: boolean | undefined;
  /**
   * Whether Cache-Control of a request counts (`no-cache`, `no-store`, `max-age`, `min-fresh`, `max-stale`, `only-if-cached`). Where
   * it does, every client can have the handler run as often as it likes. @default false
   */
  readonly honorRequestCacheControl?: boolean | undefined;
}

/** The default of `maxBodyBytes`. */
export const MAX_BODY_BYTES = 2 ** 20;
/** The default of `keepMs`: as long as nginx keeps what nobody asks for. */
export const KEEP_MS = 600_000;
/** The default of `silenceMs`: that of the cache's `leaseMs`. */
export const SILENCE_MS = 30_000;

const SHAPES = {
  cache: 'object',
  key: 'function',
  skip: 'function',
  ttlMs: 'number',
  maxBodyBytes: 'number',
  keepMs: 'number',
  silenceMs: 'number',
  cacheStatus: 'boolean',
  honorRequestCacheControl: 'boolean',
} as const satisfies Shapes;

/** Throws InvalidOptionError unless `options` are options of `cacheResponse`; `more` are keys that only one framework has. */
export function checkCacheResponseOptions(options: object, more: Shapes = {}, prefix = ''): void {
  const own = checkShape('middleware', options, { ...SHAPES, ...more }, prefix) as Record<string, unknown>;
  const option = (name: string): string => (prefix ? `${prefix}.${name}` : name);
  const { cache, ttlMs, maxBodyBytes = MAX_BODY_BYTES, keepMs = KEEP_MS, silenceMs = SILENCE_MS } = own;
  if (!isCache(cache)) throw invalid('middleware', option('cache'), 'a Cache', cache);
  if (ttlMs !== undefined) checkSpan('middleware', option('ttlMs'), ttlMs);
  checkWhole('middleware', option('maxBodyBytes'), maxBodyBytes, [0, 2 ** 30]);
  checkSpan('middleware', option('keepMs'), keepMs);
  checkWhole('middleware', option('silenceMs'), silenceMs, [0, 2 ** 31 - 1]);
}

// By its methods, not by `instanceof`: a cache of another copy of the package is a cache too.
function isCache(value: unknown): boolean {
  const cache = value as Record<string, unknown> | null | undefined;
  return ['getOrLoad', 'peek', 'get', 'set', 'delete'].every((name) => typeof cache?.[name] === 'function');
}
