/** Cache: values that were loaded once, for all who ask; in this thread by reference, or by name for all threads of the process. */
import type { CacheFunctions } from './binding-cache.js';
import { codingOf } from './cache-codec.js';
import { Caller, Flights } from './cache-flight.js';
import { LocalStore } from './cache-local.js';
import { localRules, MAX_ENTRIES, sizeOfMissing } from './cache-local-rules.js';
import type {
  Absent,
  CacheCodec,
  CacheOptions,
  CacheRules,
  CacheSnapshot,
  EvictReason,
  GetOrLoadOptions,
  Loader,
  Peeked,
  SetOptions,
  Skipped,
} from './cache-options.js';
import { SharedStore } from './cache-shared.js';
import {
  ABSENT,
  EARLY,
  FORCED,
  FRESH,
  NORMAL,
  NOTHING,
  ON_ERROR,
  type Store,
  type Stored,
} from './cache-store.js';
import { reportUse } from './in-use.js';
import { checkShape, checkSignal, checkSpan, checkTags, checkWhole, invalid } from './options.js';
import { Primitive } from './primitive.js';

const RULES = {
  maxEntries: 'number',
  maxBytes: 'number',
  ttlMs: 'number',
  staleWhileRevalidateMs: 'number',
  staleIfErrorMs: 'number',
  refreshBackoffMs: 'number',
  negativeTtlMs: 'number',
  ttlJitter: 'number',
  earlyRefreshBeta: 'number',
  leaseMs: 'number',
} as const;

const SHAPES = {
  ...RULES,
  policy: 'string',
  codec: 'anything',
  sizeOf: 'function',
  front: 'object',
  softTimeoutMs: 'number',
  hardTimeoutMs: 'number',
  onEvict: 'function',
  name: 'string',
  label: 'string',
  clock: 'object',
  seed: 'number',
} as const;

const LOAD_SHAPES = {
  signal: 'object',
  softTimeoutMs: 'number',
  hardTimeoutMs: 'number',
  forceRefresh: 'boolean',
  ttlMs: 'number',
  tags: 'object',
} as const;

/** The cache's own ttl, and no tags. */
const PLAIN: Stored = { ttlMs: Number.NaN, tags: undefined };

interface Timeouts {
  readonly softTimeoutMs: number;
  readonly hardTimeoutMs: number;
}

const NO_TIMEOUTS: Timeouts = {
  softTimeoutMs: Number.POSITIVE_INFINITY,
  hardTimeoutMs: Number.POSITIVE_INFINITY,
};

/** What a look-up wants that may have to load. */
interface Asked<V> extends Timeouts {
  readonly key: string;
  readonly loader: Loader<V, unknown>;
  readonly stored: Stored;
  readonly signal: AbortSignal | undefined;
  readonly forced: boolean;
}

/** What there is of a key. */
type There<V> = V | typeof ABSENT | typeof NOTHING;

/** What the native part calls a codec that it does not know. */
const CUSTOM = 'custom';

/** What `find` has found. */
class Found {
  readonly shared: Primitive<'cache', CacheFunctions>;
  readonly codec: CacheCodec<never> | undefined;
  readonly word: string;

  constructor(
    shared: Primitive<'cache', CacheFunctions>,
    codec: CacheCodec<never> | undefined,
    word: string,
  ) {
    this.shared = shared;
    this.codec = codec;
    this.word = word;
  }
}

function partsOf<V>(
  owner: object,
  shared: Primitive<'cache', CacheFunctions>,
  store: SharedStore<V>,
): [Primitive<'cache', object>, Store<V>, Flights<V>] {
  const flights = new Flights(owner, store, shared.timeline, shared.details);
  store.flights = flights;
  return [shared, store, flights];
}

/** A method may be called on anything: what is no Cache is an InvalidOptionError. */
let checkThis: <V>(cache: Cache<V>) => Cache<V>;

/**
 * A cache that loads: of all who ask for a missing key at once, one loads it, and all get what it came to. With a name it is one
 * cache for all worker threads, with its values outside the JavaScript heap; without one, values are kept by reference in this
 * thread.
 *
 * ```js
 * const products = new Cache({ name: 'products', codec: 'json', maxBytes: 256 * 2 ** 20, ttlMs: 60_000, staleIfErrorMs: 600_000 });
 * const product = await products.getOrLoad(id, ({ signal }) => fetchProduct(id, { signal }));
 * ```
 */
export class Cache<V = unknown> {
  readonly #primitive: Primitive<'cache', object>;
  readonly #store: Store<V>;
  readonly #flights: Flights<V>;
  readonly #timeouts: Timeouts;
  /** Callers without options cannot be told apart. */
  readonly #shares: boolean;

  /**
   * @throws {InvalidOptionError} when an option is unknown, of the wrong type or out of range.
   * @throws {NameConflictError} when the name is in use with other options.
   */
  constructor(options: CacheOptions<V>) {
    if (options instanceof Found) {
      const { shared, codec, word } = options;
      const store = new SharedStore<V>(
        shared,
        codingOf<V>(foundCodec(codec, word, shared.name)),
        undefined,
        undefined,
      );
      [this.#primitive, this.#store, this.#flights] = partsOf(this, shared, store);
      this.#timeouts = NO_TIMEOUTS;
    } else {
      const own = checkShape('cache', options, SHAPES);
      const { name, label, softTimeoutMs, hardTimeoutMs, onEvict } = own;
      for (const [option, value] of Object.entries({ softTimeoutMs, hardTimeoutMs })) {
        if (value !== undefined) checkSpan('cache', option, value, name ?? label);
      }
      this.#timeouts = {
        softTimeoutMs: softTimeoutMs ?? Number.POSITIVE_INFINITY,
        hardTimeoutMs: hardTimeoutMs ?? Number.POSITIVE_INFINITY,
      };
      const gone =
        onEvict &&
        ((key: string, value: V | undefined, reason: EvictReason) =>
          queueMicrotask(() => onEvict(key, value, reason)));
      if (name === undefined) {
        [this.#primitive, this.#store] = this.#openLocal(own, gone);
        this.#flights = new Flights(this, this.#store, this.#primitive.timeline, this.#primitive.details);
      } else {
        // What may be wrong is found before the name is taken.
        const [coding, frontEntries] = [codingOf<V>(codecOf(own)), frontOf<V>(own)];
        const shared = this.#openShared(own);
        const store = new SharedStore<V>(shared, coding, frontEntries, gone);
        [this.#primitive, this.#store, this.#flights] = partsOf(this, shared, store);
      }
    }
    const { softTimeoutMs, hardTimeoutMs } = this.#timeouts;
    this.#shares =
      this.#store.isOneForAll && Math.min(softTimeoutMs, hardTimeoutMs) === Number.POSITIVE_INFINITY;
    reportUse(this, () => this.#flights.size > 0);
  }

  /**
   * An object on the cache of this name, if one exists in the process, with its rules and without a front. A cache with a codec of its own
   * needs that.
   * @throws {InvalidOptionError}
   */
  static find<V = unknown>(
    name: string,
    options: { readonly codec?: CacheCodec<V> | undefined } = {},
  ): Cache<V> | undefined {
    const { codec } = checkShape('cache', options, { codec: 'object' });
    return Primitive.find<'cache', CacheFunctions, Cache<V>>(
      'cache',
      name,
      (native, host) => native.findCache(host, name),
      (shared) => {
        const { codec: word } = shared.cold((native, host, handle) => native.cacheSnapshot(host, handle));
        return new Cache<V>(new Found(shared, codec as CacheCodec<never> | undefined, word) as never);
      },
    );
  }

  #openLocal(
    own: CacheOptions<V>,
    gone: ((key: string, value: V | undefined, reason: EvictReason) => void) | undefined,
  ): [Primitive<'cache', object>, Store<V>] {
    const { codec, front, sizeOf, maxBytes, policy, seed } = own;
    const word = own.label;
    if (codec !== undefined) throw invalid('cache', 'codec', 'absent without a name', codec, word);
    if (front !== undefined) throw invalid('cache', 'front', 'absent without a name', front, word);
    if (maxBytes !== undefined && sizeOf === undefined) throw sizeOfMissing(word);
    const rules = localRules(rulesOf(own), policy, word);
    const residents = Primitive.open(
      this,
      'cache',
      own,
      (native, host, { clock }) => {
        const maxEntries = own.maxEntries ?? MAX_ENTRIES;
        return native.openResidents(host, { ...rulesOf(own), maxEntries, policy, clock, seed });
      },
      'residents',
    );
    return [residents, new LocalStore(residents, rules, sizeOf, gone)];
  }

  #openShared(own: CacheOptions<V>): Primitive<'cache', CacheFunctions> {
    const { sizeOf, policy, seed, name } = own;
    if (sizeOf !== undefined) throw invalid('cache', 'sizeOf', 'absent with a name', sizeOf, name);
    const codec = codecOf(own);
    return Primitive.open(this, 'cache', own, (native, host, { clock }) =>
      native.openCache(host, {
        ...rulesOf(own),
        name,
        policy,
        seed,
        clock,
        codec: typeof codec === 'string' ? codec : CUSTOM,
      }),
    );
  }

  /**
   * The value of a key: what there is, else what `loader` comes to, called once for all who ask at the same time in all threads that
   * share the name. Stale values are served as the options say. What `loader` throws goes to all who wait for it, and is not stored.
   * Rejects with the signal's reason when aborted, with TimeoutError after `hardTimeoutMs`, with ReentrantLoadError where the loader
   * asks for its own key.
   */
  getOrLoad(key: string, loader: Loader<V>, options?: GetOrLoadOptions): Promise<V>;
  getOrLoad(
    key: string,
    loader: Loader<V, V | Absent | Skipped<V> | undefined>,
    options?: GetOrLoadOptions,
  ): Promise<V | undefined>;
  getOrLoad(
    key: string,
    loader: Loader<V, V | Absent | Skipped<V> | undefined>,
    options?: GetOrLoadOptions,
  ): Promise<V | undefined> {
    try {
      const self = checkThis(this);
      if (typeof key !== 'string') throw invalid('cache', 'key', 'a string', key, self.#primitive.word);
      if (typeof loader !== 'function') {
        throw invalid('cache', 'loader', 'a function', loader, self.#primitive.word);
      }
      if (options !== undefined) return self.#load(key, loader, options);
      const store = self.#store;
      const flights = self.#flights;
      // Of a crowd each is told at once; else what is there comes first.
      if (key !== flights.crowd) {
        const hit = store.hit(key);
        if (hit !== undefined) return Promise.resolve(hit);
      }
      if (self.#shares) {
        const shared = flights.share(key);
        if (shared !== undefined) return shared;
      }
      const value = store.read(key, 0);
      if (value !== NOTHING && store.standing === FRESH && !store.due) {
        return Promise.resolve(value === ABSENT ? undefined : value);
      }
      const { softTimeoutMs, hardTimeoutMs } = self.#timeouts;
      const asked = {
        key,
        loader,
        stored: PLAIN,
        signal: undefined,
        softTimeoutMs,
        hardTimeoutMs,
        forced: false,
      };
      return self.#miss(asked, value);
    } catch (error) {
      return Promise.reject(error);
    }
  }

  #load(key: string, loader: Loader<V, unknown>, options: GetOrLoadOptions): Promise<V | undefined> {
    const { word } = this.#primitive;
    const own = checkShape('cache', options, LOAD_SHAPES);
    const { signal, forceRefresh = false, ttlMs, tags } = own;
    const { softTimeoutMs = this.#timeouts.softTimeoutMs, hardTimeoutMs = this.#timeouts.hardTimeoutMs } =
      own;
    checkSignal('cache', signal, word);
    checkSpan('cache', 'softTimeoutMs', softTimeoutMs, word);
    checkSpan('cache', 'hardTimeoutMs', hardTimeoutMs, word);
    const stored = storedOf({ ttlMs, tags }, word);
    if (signal?.aborted) throw signal.reason;
    const store = this.#store;
    const asked = { key, loader, stored, signal, softTimeoutMs, hardTimeoutMs, forced: forceRefresh };
    if (forceRefresh) {
      store.missed();
      return this.#begin(asked, store.peek(key));
    }
    const hit = store.hit(key);
    if (hit !== undefined) return Promise.resolve(hit);
    const value = store.read(key, 0);
    if (value !== NOTHING && store.standing === FRESH && !store.due) {
      return Promise.resolve(value === ABSENT ? undefined : value);
    }
    return this.#miss(asked, value);
  }

  /** There is nothing, or something that is to be loaded anew. */
  #miss(asked: Asked<V>, value: There<V>): Promise<V | undefined> {
    const store = this.#store;
    if (value === NOTHING || (store.standing === ON_ERROR && store.due)) return this.#begin(asked, value);
    const { standing, due } = store;
    if (due) {
      const caller = new Caller<V>(asked.key, asked.loader, asked.stored, false, undefined);
      if (!this.#flights.isReentrant(caller)) {
        this.#flights.refresh(caller, standing === FRESH ? EARLY : NORMAL);
      }
    }
    return Promise.resolve(value === ABSENT ? undefined : value);
  }

  #begin(asked: Asked<V>, there: There<V>): Promise<V | undefined> {
    const flights = this.#flights;
    const { key, loader, stored, signal, forced } = asked;
    const caller = new Caller<V>(key, loader, stored, forced, signal);
    if (caller.parent !== undefined && flights.isReentrant(caller)) throw flights.reentrant();
    const promise = new Promise<V | undefined>((resolve, reject) => {
      caller.resolve = resolve;
      caller.reject = reject;
      flights.ask(caller, forced ? FORCED : NORMAL);
      flights.guard(caller, signal, asked.softTimeoutMs, asked.hardTimeoutMs, there !== NOTHING);
    });
    const isPlain = stored === PLAIN && signal === undefined && !forced && there === NOTHING;
    if (isPlain && this.#shares) flights.shareWith(caller, promise);
    return promise;
  }

  /** The value of a key, if it is there and fresh. @throws {InvalidOptionError | DisposedError} */
  get(key: string): V | undefined {
    const self = checkThis(this);
    if (typeof key !== 'string') throw invalid('cache', 'key', 'a string', key, self.#primitive.word);
    const store = self.#store;
    const hit = store.hit(key);
    if (hit !== undefined) return hit;
    const value = store.read(key, 1);
    return value === NOTHING || value === ABSENT || store.standing !== FRESH ? undefined : value;
  }

  /** Whether there is a fresh value. Counts as no use of it. @throws {InvalidOptionError | DisposedError} */
  has(key: string): boolean {
    return checkThis(this).#checked(key).has(key);
  }

  /** What there is of a key, fresh or stale. Counts as no use of it. @throws {InvalidOptionError | DisposedError} */
  peek(key: string): Peeked<V> | undefined {
    const store = checkThis(this).#checked(key);
    const value = store.peek(key);
    if (value === NOTHING) return undefined;
    return {
      value: value === ABSENT ? undefined : value,
      ageMs: store.ageMs,
      fresh: store.standing === FRESH,
    };
  }

  /**
   * Stores a value, and wins over a load under way: whether it was stored. It is not if it is too large for the cache, and then the
   * key has no value.
   * @throws {InvalidOptionError} also where the codec cannot encode the value, or it is undefined.
   * @throws {DisposedError}
   */
  set(key: string, value: V, options?: SetOptions): boolean {
    const self = checkThis(this);
    const store = self.#checked(key);
    if (value === undefined) {
      throw invalid('cache', 'value', 'anything but undefined', value, self.#primitive.word);
    }
    if (options === undefined) return store.set(key, value, PLAIN);
    const own = checkShape('cache', options, { ttlMs: 'number', tags: 'object' });
    return store.set(key, value, storedOf(own, self.#primitive.word));
  }

  /**
   * Removes the value of a key, and wins over a load under way: whether there was one to be served.
   * @throws {InvalidOptionError | DisposedError}
   */
  delete(key: string): boolean {
    return checkThis(this).#checked(key).delete(key);
  }

  /**
   * Makes the value of a key stale, and wins over a load under way: whether it was fresh. It is served as stale values are.
   * @throws {InvalidOptionError | DisposedError}
   */
  expire(key: string): boolean {
    return checkThis(this).#checked(key).expire(key);
  }

  /**
   * Ends all values with this tag at once, however many they are, those included that are being loaded: who asks from now on gets none
   * of them. @throws {InvalidOptionError | DisposedError}
   */
  invalidateTag(tag: string): void {
    const self = checkThis(this);
    if (typeof tag !== 'string') throw invalid('cache', 'tag', 'a string', tag, self.#primitive.word);
    self.#alive();
    self.#store.invalidateTag(tag);
  }

  /** Removes everything, and wins over all loads under way. @throws {DisposedError} */
  clear(): void {
    const self = checkThis(this);
    self.#alive();
    self.#store.clear();
  }

  /**
   * `fn` with this cache around it: `key` makes the key of its arguments.
   * @throws {InvalidOptionError}
   */
  wrap<This, Args extends unknown[]>(
    fn: (this: This, ...args: Args) => V | PromiseLike<V>,
    options: GetOrLoadOptions & { readonly key: (...args: Args) => string },
  ): (this: This, ...args: Args) => Promise<V> {
    const self = checkThis(this);
    const { word } = self.#primitive;
    if (typeof fn !== 'function') throw invalid('cache', 'fn', 'a function', fn, word);
    const { key, ...own } = checkShape('cache', options, { ...LOAD_SHAPES, key: 'function' });
    if (typeof key !== 'function') throw invalid('cache', 'key', 'a function', key, word);
    const load = Object.keys(own).length === 0 ? undefined : own;
    return function (this: This, ...args: Args) {
      try {
        return self.getOrLoad(key(...args), () => fn.apply(this, args), load);
      } catch (error) {
        return Promise.reject(error);
      }
    };
  }

  /** Entries, those included that are dead and not swept yet. @throws {DisposedError} */
  get size(): number {
    const self = checkThis(this);
    self.#alive();
    return self.#store.size;
  }

  /** What they count against `maxBytes`; 0 without a name and without `sizeOf`. @throws {DisposedError} */
  get bytes(): number {
    const self = checkThis(this);
    self.#alive();
    return self.#store.bytes;
  }

  /**
   * Other bounds and times from now on, for all threads that share the name: those that are given, `undefined` ends an optional one.
   * What has no room any more goes at once. Values that are there keep their ttl.
   * @throws {InvalidOptionError | DisposedError}
   */
  reconfigure(rules: Partial<CacheRules>): void {
    const self = checkThis(this);
    self.#alive();
    const own = checkShape('cache', rules, RULES);
    const { policy: _, ...before } = self.#store.rules;
    self.#store.reconfigure({ ...before, ...own });
  }

  /** Figures over all threads, safe to log. @throws {DisposedError} */
  snapshot(): CacheSnapshot {
    const self = checkThis(this);
    self.#alive();
    const { dryRun: _, ...common } = self.#primitive.common();
    const figures = self.#store.figures();
    const waiting = figures.waiting + self.#flights.waiting;
    return { ...common, ...self.#store.rules, ...figures, waiting, lookups: figures.hits + figures.misses };
  }

  /**
   * Lets go of the cache: who waits through this object gets a DisposedError, later calls throw it, and loads that other threads wait
   * for are done by one of those. A name is free again, and its values gone, once every thread has let go of it. A second call does
   * nothing.
   */
  dispose(): void {
    const self = checkThis(this);
    if (self.#primitive.disposed) return;
    self.#flights.dispose(() => self.#primitive.disposedError());
    self.#store.dispose();
    self.#primitive.dispose();
  }

  [Symbol.dispose](): void {
    checkThis(this).dispose();
  }

  #alive(): void {
    if (this.#primitive.disposed) throw this.#primitive.disposedError();
  }

  #checked(key: string): Store<V> {
    if (typeof key !== 'string') throw invalid('cache', 'key', 'a string', key, this.#primitive.word);
    this.#alive();
    return this.#store;
  }

  static {
    checkThis = (cache) => {
      if (typeof cache === 'object' && cache !== null && #flights in cache) return cache;
      throw invalid('cache', 'this', 'a Cache', cache);
    };
  }
}

function rulesOf<V>(own: CacheOptions<V>): CacheRules {
  const rules: Record<string, unknown> = {};
  for (const rule of Object.keys(RULES)) rules[rule] = own[rule as keyof CacheRules];
  return rules as unknown as CacheRules;
}

/** The codec of a cache that was found: its own, or the one that was given if it has one of its own. */
function foundCodec<V>(
  codec: CacheCodec<V> | undefined,
  word: string,
  name: string | undefined,
): 'json' | 'string' | 'bytes' | CacheCodec<V> {
  if (word !== CUSTOM) return word as 'json' | 'string' | 'bytes';
  if (codec === undefined) throw invalid('cache', 'codec', 'the codec of this cache', codec, name);
  return codecOf({ codec, name } as CacheOptions<V>);
}

function codecOf<V>({ codec, name }: CacheOptions<V>): 'json' | 'string' | 'bytes' | CacheCodec<V> {
  const isCodec =
    codec === 'json' ||
    codec === 'string' ||
    codec === 'bytes' ||
    (typeof codec === 'object' &&
      codec !== null &&
      typeof codec.encode === 'function' &&
      typeof codec.decode === 'function');
  if (isCodec) return codec;
  throw invalid(
    'cache',
    'codec',
    "'json', 'string', 'bytes' or { encode, decode }, with a name",
    codec,
    name,
  );
}

function frontOf<V>({ front, name }: CacheOptions<V>): number | undefined {
  if (front === undefined) return undefined;
  const { maxEntries } = checkShape('cache', front, { maxEntries: 'number' }, 'front');
  checkWhole('cache', 'front.maxEntries', maxEntries, [1, MAX_ENTRIES], name);
  return maxEntries;
}

function storedOf({ ttlMs, tags }: SetOptions, word: string | undefined): Stored {
  if (ttlMs !== undefined) checkSpan('cache', 'ttlMs', ttlMs, word);
  return {
    ttlMs: ttlMs ?? Number.NaN,
    tags: tags === undefined ? undefined : checkTags(tags, word),
  };
}
