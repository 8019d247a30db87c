/** Every number of the demo in one place: what the upstream can bear, what is allowed, who comes and when. */

/** The upstream: `slots` calls at a time of about `serviceMs` each, so 300 calls a second and not one more. */
export const UPSTREAM = {
  slots: 6,
  serviceMs: 20,
  /** A call takes 0.5 to 1.5 times serviceMs. */
  spread: 0.5,
  /** The more calls wait, the slower it works: `slowestPace` times as long per call when `slowestAt` or more of them do. */
  slowestPace: 1.5,
  slowestAt: 250,
  /** More than so many do not wait: they are refused at once. */
  mostWaiting: Number.POSITIVE_INFINITY,
};

/** Calls per second the upstream can bear. */
export const UPSTREAM_PER_SECOND = (UPSTREAM.slots * 1000) / UPSTREAM.serviceMs;

/**
 * What else befalls its calls: `errorRatio` of them end in an error, and the answers to `slowRatio` of them, good or bad, are held
 * up for `slowMs` on the way back, which takes nothing from what the upstream can bear.
 */
export const WEATHER = {
  /** One call in 50 fails even on a quiet day. */
  usual: { errorRatio: 0.02, slowRatio: 0, slowMs: 0 },
  fair: { errorRatio: 0, slowRatio: 0, slowMs: 0 },
  rough: { errorRatio: 0.04, slowRatio: 0.04, slowMs: 1_000 },
  outage: { errorRatio: 1, slowRatio: 1, slowMs: 100 },
  stuck: { errorRatio: 0, slowRatio: 1, slowMs: 60_000 },
};

/**
 * What one client may do: both limits hold at once. In a real shop these would be a second and a minute; a phase here lasts a few
 * seconds, so the "minute" lasts six.
 */
export const CLIENT_LIMITS = [
  { limit: 20, windowMs: 1_000, label: '20-in-1s' },
  { limit: 60, windowMs: 6_000, label: '60-in-6s' },
];

/** What all threads of the shop together may ask of the upstream: four fifths of what it can bear, so that no queue builds up there. */
export const UPSTREAM_BUDGET = { capacity: 20, refillPerSecond: UPSTREAM_PER_SECOND * 0.8 };

/** How long a request may wait for its turn at the upstream before it is refused. */
export const UPSTREAM_MAX_WAIT_MS = 100;

/** Worker threads that serve the shop. Threads cannot share a port, so each has its own and clients take turns. */
export const SHOP_THREADS = 2;

/**
 * Who comes. Regulars and crowd arrive at random at a given rate; the flood sends again as soon as a connection is free, which is one
 * network round trip after the last answer. The loopback interface has none, and a flood without it would above all take the
 * processor that it shares with the shop here: that would measure the flood's own work.
 */
export const GROUPS = {
  regulars: { label: 'regulars', clients: 24, perSecond: 80 },
  flood: { label: 'flood', clients: 1, connections: 150, roundTripMs: 20 },
  crowd: { label: 'crowd', clients: 300, perSecond: 340 },
  sale: { label: 'sale', clients: 240, perSecond: 240 },
};

/**
 * When. The warm-up opens connections and lets the engines compile what fresh threads run, so that a phase measures the shop and
 * not its start; it is not shown, and its flood comes under another key.
 */
export const PHASES = [
  { name: 'warm-up', durationMs: 1_000, groups: ['regulars', 'flood'], hidden: true },
  { name: 'calm', durationMs: 2_500, groups: ['regulars'] },
  { name: 'flood', durationMs: 5_000, groups: ['regulars', 'flood'] },
  { name: 'crowd', durationMs: 3_500, groups: ['regulars', 'crowd'] },
];

/** The second part: when, and in which weather. Only regulars come: no limit is near, and what happens is the weather's doing. */
export const STORM_PHASES = [
  { name: 'warm-up', durationMs: 1_000, weather: 'fair', hidden: true },
  { name: 'rough', durationMs: 4_000, weather: 'rough' },
  { name: 'outage', durationMs: 3_000, weather: 'outage' },
  { name: 'after', durationMs: 2_000, weather: 'fair' },
];

/** How often the warm-up is played at most, until one goes by without trouble. */
export const MOST_WARM_UPS = 3;

/** A request that fails, or takes longer than this, is one that somebody would complain about. */
export const TROUBLE_MS = 500;

/** The loop that a service writes by hand, and breakwater's retry: as many attempts, the first one included. */
export const MAX_ATTEMPTS = 3;

/** The waits between attempts: short, as the upstream is quick. */
export const RETRY_BACKOFF = { kind: 'exponential', initialMs: 20, jitter: 'full' };

/** Retries and hedges, of both threads together. A phase lasts a few seconds, so the window is one and not ten. */
export const RETRY_BUDGET = { ratio: 0.2, minPerSecond: 2, windowMs: 1_000 };

/**
 * A second call when the first one takes much longer than usual. A service that runs for more than a few seconds had better give a
 * quantile, which it learns.
 */
export const HEDGE = { delayMs: 120 };

/** How long one call upstream may take. */
export const TRY_TIMEOUT_MS = 500;

/** Opens when half of the last 40 calls failed, and asks again after half a second, by two calls. */
export const BREAKER = { window: { kind: 'count', size: 40 }, openMs: 500, halfOpenCalls: 2 };

/** The third part: a report takes `slices` of `sliceMs` of the processor, and some more for the turns between them. */
export const REPORT = { slices: 4, sliceMs: 5, pageBytes: 16_384 };

/**
 * Who asks for reports: at first a few who find out how many can be made, then `times` as many as that, who give up after
 * `patienceMs`. What happens in the first `settleMs` is not counted: it is good for all.
 */
export const CROWD = {
  measuringClients: 3,
  warmUpMs: 500,
  measuredMs: 2_000,
  times: 4,
  patienceMs: 1_000,
  settleMs: 1_500,
  durationMs: 4_000,
};

/** Two at a time keep one thread busy; ten that wait are a fifth of a second. */
export const BULKHEAD = { maxConcurrent: 2, maxQueue: 10, queueTimeoutMs: 500 };

/** Four reports that take turns of 5 ms each: a loop that is later than that has more under way than it can do in time. */
export const SHEDDER = { maxEventLoopDelayMs: 20 };

/** The fourth part: the upstream takes longer, as it looks up more: 60 calls a second, of which half a second may wait. */
export const PAGE_UPSTREAM = { ...UPSTREAM, serviceMs: 100, mostWaiting: 30 };

export const PAGE_THREADS = 4;

/** Products of the sale. The n-th most popular is asked for 1/n times as often as the first (Zipf). */
export const PAGE_PRODUCTS = 40;

/** A stock figure may be a second old; while the upstream fails, ten seconds more. */
export const PAGE_CACHE = { maxEntries: 1_000, ttlMs: 1_000, staleIfErrorMs: 10_000 };

/** When, and in which weather. The warm-up asks for other products: when the crowd comes, nothing is cached. */
export const PAGE_PHASES = [
  { name: 'warm-up', durationMs: 1_000, weather: 'fair', hidden: true },
  { name: 'crowd', durationMs: 4_000, weather: 'fair' },
  { name: 'outage', durationMs: 3_000, weather: 'outage' },
];

/** Then a load of a new page is stuck, `clients` ask for that page at once, and `afterMs` later the thread that loads it ends. */
export const PAGE_LOST = { clients: 24, afterMs: 200 };

/**
 * The fifth part: customers order at random times; one client sends a few hostile bodies a second, far below any limit. Connections for
 * all of them are there before they come.
 */
export const ORDERS = {
  connections: 160,
  warmUp: 60,
  perSecond: 60,
  hostilePerSecond: 6,
  durationMs: 2_000,
};

/** How much of it is in a hostile body: each takes ajv a tenth of a second or a few, and one more character or level twice as long. */
export const HOSTILE = { codeLength: 24, bundleDepth: 13, lines: 2_000, emptyLines: 5_000 };

/** The most that `limits` let through in `spanMs`, starting full: what each holds and what comes back in that time. */
export function allowance(limits, spanMs) {
  return Math.floor(Math.min(...limits.map(({ limit, windowMs }) => limit + (limit * spanMs) / windowMs)));
}

/** The most tries beyond the first that a budget pays for with `requests` in `spanMs`: windows begin and end where they like. */
export function triesAllowed({ ratio, minPerSecond, windowMs }, requests, spanMs) {
  const windows = Math.ceil(spanMs / windowMs) + 1;
  return Math.floor(ratio * requests + (windows * minPerSecond * windowMs) / 1000);
}

/** A seeded source of chance (mulberry32), so that every run meets the same arrivals. */
export function seeded(seed) {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4294967296;
  };
}
