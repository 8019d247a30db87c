/**
 * What breakwater set out to reach, in its row `breakwater` unless `row` names another. `times` is how many times as fast as the
 * fastest of `against` (in words: `peers`) it has to be, for each runtime (below 1: how much slower it may be), by `figure` if that is
 * not the time of a call; `atMost` and `atLeast` bound a figure of its own, or with `than` its time as a multiple of that in another
 * bench. `mean` is an operation instead of a bench: the geometric mean over its workloads (see means.mjs), or with `least` the workload
 * where breakwater gains least.
 */
const KEYED = ['rate-limiter-flexible', 'express-rate-limit', '@fastify/rate-limit'];

const twice = (bench) => ({ bench, against: KEYED, times: { node: 2, bun: 1.5 } });
const noSlower = (bench) => ({ bench, against: KEYED, times: { node: 1, bun: 1 } });
const hotKey = (bench) => ({ bench, against: ['rate-limiter-flexible'], times: { node: 1.5, bun: 1.5 } });
const bucket = (bench) => [
  { bench, against: ['limiter'], times: { node: 1, bun: 1 / 1.6 } },
  { bench, against: ['rate-limiter-flexible'], times: { node: 3, bun: 2 } },
];

const COCKATIEL = ['cockatiel, Consecutive', 'cockatiel, Sampling', 'cockatiel, Count'];

const breaker = [
  {
    bench: 'breaker/execute/closed',
    against: COCKATIEL,
    peers: 'the fastest of cockatiel',
    times: { node: 1, bun: 1 },
  },
  { bench: 'breaker/execute/closed', against: ['opossum'], times: { node: 2, bun: 1.5 } },
  { bench: 'breaker/execute/refused', against: ['cockatiel', 'opossum'], times: { node: 3, bun: 1.7 } },
  {
    bench: 'breaker/execute/refused',
    row: 'breakwater, tryAcquire',
    against: ['cockatiel', 'opossum'],
    times: { node: 30, bun: 30 },
  },
  { bench: 'breaker/tryAcquire/failing-20k', than: 'breaker/tryAcquire/closed', atMost: 1.2 },
];

const line = (against, times) => ({
  bench: 'bulkhead/execute/line-of-10k',
  against: [against],
  times: { node: times, bun: times },
});
const bulkhead = [
  line('p-limit', 2),
  line('p-queue', 3),
  line('fastq', 1 / 1.4),
  {
    bench: 'bulkhead/execute/uncontended',
    against: ['cockatiel'],
    times: { node: 1 / 1.5, bun: 1 / 1.5 },
  },
];

const NODE_AND_BUN = (node, bun = node) => ({ node, bun });

const queue = [
  { bench: 'queue/stream/bytes-1k', against: ['MessagePort'], times: NODE_AND_BUN(5) },
  { bench: 'queue/stream/string-1k', against: ['MessagePort'], times: NODE_AND_BUN(3, 1.5) },
  { bench: 'queue/roundTrip/bytes-1k', against: ['MessagePort'], times: NODE_AND_BUN(1) },
  { bench: 'queue/roundTrip/string-1k', against: ['MessagePort'], times: NODE_AND_BUN(1) },
  { bench: 'queue/volley/noop-1k', against: ['piscina'], times: NODE_AND_BUN(3) },
  { bench: 'queue/roundTrip/noop', against: ['piscina'], times: NODE_AND_BUN(3) },
  ...['bytes', 'string'].flatMap((codec) => [
    {
      bench: `memory/queued/1m-${codec}-1k`,
      figure: 'rssToAllowed',
      unit: 'times 1 KB and 64 bytes',
      atMost: 1.1,
    },
    { bench: `memory/queued/1m-${codec}-1k`, figure: 'longestGcMs', unit: 'ms of collection', atMost: 10 },
  ]),
];

const FRONT = 'breakwater, named with front';
const NAMED = 'breakwater, named';
const LRU_TTL = ['lru-cache with ttl'];
const ofLru = (figure, unit) => ({ bench: 'memory/cache/1m-1k', row: NAMED, figure, unit });
const cache = [
  { bench: 'cache/get/hit', against: LRU_TTL, times: NODE_AND_BUN(1) },
  { bench: 'cache/get/hit', row: FRONT, against: LRU_TTL, times: NODE_AND_BUN(1 / 1.5) },
  { bench: 'cache/getOrLoad/hit', row: NAMED, against: ['async-cache-dedupe'], times: NODE_AND_BUN(3) },
  { bench: 'cache/getOrLoad/hit', row: NAMED, against: ['bentocache', 'cacheable'], times: NODE_AND_BUN(10) },
  { bench: 'cache/getOrLoad/hit', against: ['lru-cache fetch'], times: NODE_AND_BUN(1) },
  { bench: 'cache/getOrLoad/100-callers-1-missing', against: ['lru-cache fetch'], times: NODE_AND_BUN(1) },
  { ...ofLru('rssPerEntryBeyond', 'bytes beyond key and value'), atMost: 100 },
  { ...ofLru('longest100CallsMs', 'ms of 100 calls'), atMost: 13.9 },
  { ...ofLru('longestGcMs', 'ms of collection'), atMost: 36.3 },
  { bench: 'stall/cache/2m-1k', row: NAMED, figure: 'longestMs', unit: 'ms', atMost: 2 },
];

const AJV = ['JSON.parse and ajv'];
const meanOf = (operation, times, against = AJV) => ({ mean: `schema/${operation}`, against, times });
const leastOf = (operation, times) => ({ ...meanOf(operation, times), least: true });
const schema = [
  meanOf('validate', NODE_AND_BUN(5, 1.5)),
  leastOf('validate', { node: 1.5, bun: undefined }),
  meanOf('parse', NODE_AND_BUN(1.3)),
  leastOf('parse', NODE_AND_BUN(0.7)),
  meanOf('open', NODE_AND_BUN(3)),
  meanOf('compile', NODE_AND_BUN(20), ['ajv']),
  { bench: 'beside/schema/order-1m', against: AJV, figure: 'lateP99Ms', times: NODE_AND_BUN(4) },
  {
    bench: 'lines/schema/order-1k',
    against: ['breakwater, one core'],
    figure: 'nsPerLine',
    times: NODE_AND_BUN(1.5),
  },
];

export const TARGETS = [
  ...bucket('bucket/tryAcquire/allowed'),
  ...bucket('bucket/tryAcquire/refused'),
  twice('limiter/tryAcquire/100k-random'),
  twice('limiter/tryAcquire/fresh-keys'),
  noSlower('limiter/consume/100k-random'),
  noSlower('limiter/consume/fresh-keys'),
  hotKey('limiter/tryAcquire/one-key'),
  hotKey('limiter/consume/one-key'),
  { bench: 'express/rateLimit/fake-request', against: ['express-rate-limit'], times: { node: 3, bun: 3 } },
  ...breaker,
  ...bulkhead,
  { bench: 'shedder/tryAcquire/allowed', figure: 'ns', unit: 'ns a decision', atMost: 200 },
  { bench: 'shedder/tryAcquire/refused', figure: 'ns', unit: 'ns a decision', atMost: 200 },
  {
    bench: 'monitor/idle/process',
    figure: 'watchdogShare',
    unit: 'of a core for the watchdog',
    atMost: 0.001,
  },
  { bench: 'pipeline/execute/four', against: ['cockatiel'], times: { node: 10, bun: 10 } },
  ...queue,
  { bench: 'memory/rss/1m-keys', figure: 'rssPerKey', unit: 'bytes a key', atMost: 24 },
  { bench: 'memory/rss/1m-keys', figure: 'knownShare', unit: 'of the keys known', atLeast: 0.95 },
  { bench: 'stall/fill/1m-keys', figure: 'longestMs', unit: 'ms for the longest call', atMost: 1 },
  {
    bench: 'threads/granted/limit-100-by-4',
    figure: 'granted',
    unit: 'granted for a limit of 100',
    atMost: 100,
  },
  { bench: 'whenfull/admit/max-keys', figure: 'admittedToExact', unit: 'of the exact total', atMost: 1.01 },
  { bench: 'whenfull/limit/max-keys', figure: 'admittedToExact', unit: 'of the exact total', atMost: 1.01 },
  ...cache,
  ...schema,
];
