/**
 * What a user's code may and may not say. types.test.mjs compiles this file as an ES module, as CommonJS and for a
 * bundler, against the packed package; a line under @ts-expect-error must be refused.
 */
import {
  AdaptiveThrottle,
  type AdaptiveThrottleSnapshot,
  type AltOf,
  type Backoff,
  type BlockedEvent,
  type BreakerPermit,
  BreakwaterError,
  Cache,
  type CachedResponse,
  type Call,
  CircuitBreaker,
  compareSchemas,
  type Decision,
  EventLoopMonitor,
  type EventLoopMonitorSnapshot,
  type ExecuteOptions,
  fallback,
  hedge,
  type Keyed,
  keyed,
  type Limit,
  LoadShedder,
  type LoadShedderSnapshot,
  ManualClock,
  type MemoryShare,
  type Policy,
  pipeline,
  RateLimitedError,
  RateLimiter,
  type RateLimiterOptions,
  type RateLimiterSnapshot,
  RetryBudget,
  type RetryBudgetSnapshot,
  type RetryEvent,
  responseCodec,
  retry,
  Schema,
  type ShedderMeasure,
  TokenBucket,
  timeout,
  type Validation,
  type ValidationFailure,
  type ValidDocument,
} from 'breakwater';
import {
  cacheResponse as expressCache,
  rateLimit as expressRateLimit,
  validate as expressValidate,
} from 'breakwater/express';
import {
  cacheResponse as fastifyCache,
  rateLimit as fastifyRateLimit,
  validate as fastifyValidate,
} from 'breakwater/fastify';
import express from 'express';
import Fastify from 'fastify';

type Same<A, B> = (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false;
/** Compiles only where its argument is the type `true`. */
const holds = <T extends true>(_?: T): void => {};

export async function buckets(signal: AbortSignal): Promise<void> {
  const manual = new ManualClock({ name: 'types' });
  const bucket = new TokenBucket({ capacity: 10, refillPerSecond: 5, initialTokens: 3, clock: manual });
  const perWindow = new TokenBucket({ limit: 10, windowMs: 1_000, name: 'a', label: undefined });
  holds<Same<ReturnType<typeof bucket.tryAcquire>, boolean>>();
  holds<Same<ReturnType<typeof bucket.acquire>, Promise<void>>>();
  await bucket.acquire(2, { signal, maxWaitMs: 100 });
  bucket.refund(1);
  bucket.penalize(1);
  const wait: number = bucket.retryAfterMs() + bucket.available;
  bucket.reconfigure({ capacity: 20 });
  const kind: 'bucket' = bucket.snapshot().kind;
  bucket.dispose();
  perWindow[Symbol.dispose]();
  await manual.advanceAsync(wait);
  void kind;

  // @ts-expect-error a bucket needs a limit
  new TokenBucket({ name: 'no limit' });
  // @ts-expect-error half of a limit is none
  new TokenBucket({ capacity: 10 });
  // @ts-expect-error there is no such option
  new TokenBucket({ capacity: 10, refillPerSecond: 5, refillPerMinute: 5 });
  // @ts-expect-error tokens are a number
  bucket.tryAcquire('1');
}

export function limiters(): readonly Decision[] {
  const perSecond: Limit = { limit: 10, windowMs: 1_000 };
  const options: RateLimiterOptions = {
    limits: [perSecond, { capacity: 100, refillPerSecond: 1, label: 'slow' }],
  };
  using limiter = new RateLimiter({ ...options, whenFull: 'limit', maxKeys: 1_000 });
  holds<Same<ReturnType<typeof limiter.tryAcquire>, boolean>>();
  const decision = limiter.consume('key', [1, 2]);
  holds<Same<typeof decision, Decision>>();
  const numbers: number = decision.limit + decision.remaining + decision.resetMs + decision.retryAfterMs;
  const name: string = decision.limitName;
  const snapshot: RateLimiterSnapshot = limiter.snapshot();
  const restored: boolean = limiter.restore(limiter.export());
  void [numbers, name, snapshot, restored];

  // @ts-expect-error a limiter needs limits
  new RateLimiter({});
  // @ts-expect-error whenFull is one of two words
  new RateLimiter({ limits: perSecond, whenFull: 'maybe' });
  // @ts-expect-error a decision is not to be changed
  decision.allowed = true;
  // @ts-expect-error keys are strings
  limiter.tryAcquire(1);
  return [decision, limiter.peek('key')];
}

/** A user's own policy. */
class Counting implements Policy<'none'> {
  calls = 0;

  async execute<T>(fn: (call: Call) => T, options?: ExecuteOptions): Promise<Awaited<T> | 'none'> {
    this.calls += 1;
    return this.calls > 100 ? 'none' : await new TokenBucket({ limit: 1, windowMs: 1 }).execute(fn, options);
  }

  wrap<This, Args extends unknown[], T>(
    fn: (this: This, ...args: Args) => T,
  ): (this: This, ...args: Args) => Promise<Awaited<T> | 'none'> {
    const policy = this;
    return function (this: This, ...args: Args) {
      return policy.execute(() => fn.apply(this, args));
    };
  }
}

export async function shedding(): Promise<void> {
  const monitor = new EventLoopMonitor({
    sampleMs: 1_000,
    blockedMs: undefined,
    stderr: false,
    label: 'loop',
  });
  using listening = monitor.on(
    'blocked',
    ({ threadId, label, blockedMs, over, generation }: BlockedEvent) => {
      holds<Same<typeof label, string | undefined>>();
      void [threadId, blockedMs, over, generation];
    },
  );
  void listening;
  const share: MemoryShare = { shareOfLimit: 0.9 };
  const shedder = new LoadShedder({
    maxEventLoopDelayMs: 100,
    maxUtilization: 0.95,
    maxHeapBytes: share,
    maxRssBytes: 5e8,
    monitor,
    dryRun: true,
  });
  const policy: Policy = shedder;
  holds<Same<ReturnType<typeof shedder.tryAcquire>, boolean>>();
  const ran = policy.execute(() => 5, { priority: 3 });
  holds<Same<typeof ran, Promise<number>>>();
  const snapshot: LoadShedderSnapshot = shedder.snapshot();
  holds<Same<typeof snapshot.limiting, ShedderMeasure | undefined>>();
  holds<Same<typeof snapshot.kind, 'shedder'>>();
  const loop: EventLoopMonitorSnapshot = monitor.snapshot();
  holds<Same<typeof loop.utilization, number | undefined>>();
  const wait: number = shedder.retryAfterMs({ priority: 9 }) + shedder.pressure + monitor.delay.p99Ms;
  shedder.reconfigure({ maxRssBytes: share });
  // @ts-expect-error what bulkheads are is not changed
  shedder.reconfigure({ bulkheads: [] });
  // @ts-expect-error there is nothing to share by name
  new LoadShedder({ maxEventLoopDelayMs: 5, name: 'mine' });
  void [wait, await ran];
}

/** What a number may become. */
function or<Alt>(policy: Policy<Alt>): Promise<number | Alt> {
  return policy.execute(() => 5);
}

export async function policies(signal: AbortSignal): Promise<void> {
  const clock = new ManualClock();
  const budget = new RetryBudget({ ratio: 0.1, minPerSecond: 5, windowMs: 1_000, name: 'types', clock });
  const backoffs: Backoff[] = [
    100,
    { kind: 'exponential' },
    { kind: 'exponential', initialMs: 5, jitter: 'equal' },
  ];
  const retries = retry({
    maxAttempts: Infinity,
    backoff: backoffs[0],
    budget,
    retryIf: (error, result, call) => error instanceof Error || result === undefined || call.attempt < 3,
    maxRetryAfterMs: 5,
    onRetry: ({ attempt, delayMs, error, result }: RetryEvent) => void [attempt, delayMs, error, result],
    clock,
    seed: 1,
  });
  const breaker = new CircuitBreaker();
  const throttle = new AdaptiveThrottle({
    isFailure: (error) => (error === undefined ? 'ignore' : { openMs: 5 }),
  });
  const plain: Policy[] = [
    retries,
    timeout({ ms: 5 }),
    hedge({ delayMs: 5, budget }),
    hedge({ quantile: 0.9 }),
    breaker,
    throttle,
  ];
  const permit: BreakerPermit | undefined = throttle.tryAcquire();
  permit?.ignore();
  const snapshots: [RetryBudgetSnapshot, AdaptiveThrottleSnapshot] = [budget.snapshot(), throttle.snapshot()];
  holds<Same<ReturnType<typeof budget.withdraw>, boolean>>();

  // What a policy gives is what the function gives, and a fallback's value.
  const options: ExecuteOptions = {
    signal,
    timeoutMs: 5,
    context: {},
    idempotent: false,
    onDiscard: (value) => void value,
  };
  const number = retries.execute(async ({ attempt, remainingMs }) => attempt + remainingMs, options);
  holds<Same<typeof number, Promise<number>>>();
  const value = or(fallback(null));
  const made = or(fallback((error: unknown, call: Call) => [String(error), call.attempt] as const));
  const later = or(fallback(async () => 'later', { when: (error) => error instanceof RateLimitedError }));
  holds<Same<typeof value, Promise<number | null>>>();
  holds<Same<typeof made, Promise<number | readonly [string, number]>>>();
  holds<Same<typeof later, Promise<number | string>>>();
  const nested = pipeline(fallback('text' as string), pipeline(...plain, pipeline(fallback(null))));
  holds<Same<typeof nested, Policy<string | null>>>();
  // A class’s own value has to be said.
  const counting: Policy<'none'> = new Counting();
  const counted = pipeline(fallback(null), counting, breaker);
  holds<Same<typeof counted, Policy<'none' | null>>>();
  holds<Same<AltOf<Counting>, unknown>>();
  const wrapped = nested.wrap(function (this: { by: number }, times: number) {
    return this.by * times;
  });
  const answer: string | number | null = await wrapped.call({ by: 2 }, 3);
  holds<Same<ReturnType<typeof wrapped>, Promise<string | number | null>>>();
  const none = pipeline().execute(() => 5);
  const strict = pipeline(retries, breaker).execute(async () => 5);
  holds<Same<[typeof none, typeof strict], [Promise<number>, Promise<number>]>>();

  const breakers: Keyed<CircuitBreaker> = keyed((host) => new CircuitBreaker({ label: host }), {
    maxKeys: 5,
  });
  const own = keyed((key) => ({ key, dispose() {} }));
  const key: string = own.for('a').key;
  void [breakers.for('a').state, breakers.size, key, answer, snapshots];

  // @ts-expect-error there is no such option
  retry({ attempts: 5 });
  // @ts-expect-error 'half' is no jitter
  retry({ backoff: { kind: 'exponential', jitter: 'half' } });
  // @ts-expect-error a breaker is no budget
  hedge({ delayMs: 5, budget: breaker });
  // @ts-expect-error a timeout needs its time
  timeout({});
  // @ts-expect-error a fallback may give its value
  const wrong: Policy = fallback('text');
  // @ts-expect-error what may be null is no number
  const certain: number = await pipeline(fallback(null)).execute(() => 5);
  // @ts-expect-error a function is no policy
  pipeline(retry);
  // @ts-expect-error what is kept by key can be disposed
  keyed((key) => ({ key }));
  void [wrong, certain];
}

export function errors(error: unknown): number | undefined {
  if (error instanceof RateLimitedError) return error.retryAfterMs;
  if (error instanceof BreakwaterError) {
    const code: string = error.code;
    void code;
  }
  return undefined;
}

export async function middleware(limiter: RateLimiter): Promise<void> {
  const app = express();
  app.use(expressRateLimit({ limiter, key: (req) => req.ip ?? '', headers: 'both' }));
  app.get('/', expressRateLimit({ limiter: () => limiter, cost: 2 }), (req, res) => {
    const left: number | undefined = req.rateLimit?.remaining;
    res.json({ left });
  });
  // @ts-expect-error a limiter is needed
  expressRateLimit({});
  // @ts-expect-error a limiter of another kind is none
  expressRateLimit({ limiter: new TokenBucket({ capacity: 1, refillPerSecond: 1 }) });

  const server = Fastify();
  await server.register(fastifyRateLimit, { limiter, hook: 'preHandler' });
  server.get('/', { config: { rateLimit: false } }, (request) => request.rateLimit?.remaining ?? null);
  // @ts-expect-error headers has no such word
  await server.register(fastifyRateLimit, { limiter, headers: 'all' });
}

export async function cachedResponses(): Promise<void> {
  const pages = new Cache({ name: 'pages', codec: responseCodec, maxBytes: 2 ** 20, ttlMs: 0 });
  const own = new Cache<CachedResponse>({
    maxBytes: 2 ** 20,
    sizeOf: (response) => response.bytes,
    ttlMs: 0,
  });
  const app = express();
  app.use(expressCache({ cache: pages, key: (req) => req.url ?? '', ttlMs: 1_000 }));
  app.get('/', expressCache({ cache: own, skip: (req: express.Request) => req.query['fresh'] === '1' }));
  const status: number | undefined = own.peek('key')?.value?.status;
  void status;
  // @ts-expect-error a cache is needed
  expressCache({ ttlMs: 1_000 });
  // @ts-expect-error a cache of other values is none
  expressCache({ cache: new Cache<string>({ maxEntries: 1, ttlMs: 0 }) });

  const server = Fastify();
  await server.register(fastifyCache, { cache: pages, hook: 'preHandler', key: (request) => request.url });
  server.get('/', { config: { cacheResponse: { ttlMs: 1_000 } } }, () => 'text');
  server.get('/never', { config: { cacheResponse: false } }, () => 'text');
}

export async function schemas(): Promise<void> {
  const literal = Schema.from({
    type: 'object',
    required: ['id'],
    properties: { id: { type: 'integer' }, tags: { type: 'array', items: { type: 'string' } } },
    additionalProperties: false,
  });
  const order = literal.parse('{"id":1}');
  const id: number = order.id;
  const tags: readonly string[] | undefined = order.tags;
  // @ts-expect-error there is no such member
  void order.name;
  const stated = new Schema<{ readonly id: string }>({ type: 'object' }, { maxErrors: 10, draft: '7' });
  const value: unknown = { id: 'x' };
  if (stated.check(value)) value.id.toUpperCase();
  const result: Validation = stated.validate(new Uint8Array(1));
  if (!result.valid) {
    const [issue] = result.errors;
    const params: Readonly<Record<string, unknown>> | undefined = issue?.params;
    void [params, result.reason === 'limit', result.truncated];
  }
  const document: ValidDocument<{ readonly id: string }> = await stated.openAsync('{}', {
    signal: AbortSignal.timeout(1),
  });
  const [first, second]: [unknown, unknown] = document.pick(['/id', '/x']);
  for await (const verdict of stated.validateLines(['{}\n'])) if (!verdict.valid) void verdict.errors;
  const own = Schema.from(stated).parse('{}').id;
  new Schema({ $ref: 'order' }, { refs: { order: stated, 'of/its/own': { 'x-mine': 1 } } });
  void [id, tags, first, second, own];
  // @ts-expect-error there is no such draft
  new Schema({}, { draft: '3' });
}

/** A schema as many write it down: an interface has no index signature. */
interface Written {
  readonly type: string;
  readonly properties?: Record<string, Written>;
}

export function schemasOfOtherTypes(written: Written, any: object, promised: Promise<Written>): void {
  const schemas = [new Schema(written), Schema.from(any), new Schema({ 'x-mine': 1 }, { refs: { written } })];
  holds<Same<ReturnType<(typeof schemas)[1]['parse']>, unknown>>();
  compareSchemas(written, { type: 'object' }, 'request');
  expressValidate({ schema: written });
  // @ts-expect-error it was not awaited
  new Schema(promised);
  // @ts-expect-error it was not awaited
  Schema.from(promised);
  // @ts-expect-error a list is no schema
  new Schema([written]);
}

/** What Schema.from says of a document is never more than the schema does. */
export function inferred(): void {
  const filled = Schema.from({
    type: 'object',
    properties: { n: { type: 'number', default: 1 }, nullable: { type: 'string', nullable: true } },
    additionalProperties: false,
  }).parse('{}');
  holds<Same<typeof filled, { n?: number; nullable?: string }>>();
  const pair = Schema.from({
    type: 'array',
    prefixItems: [{ type: 'string' }, { type: 'number' }],
    items: false,
    minItems: 2,
  }).parse('["a",1]');
  holds<Same<typeof pair, [string, number]>>();
  const nested = Schema.from({
    type: 'object',
    required: ['row'],
    properties: {
      row: {
        anyOf: [{ type: 'array', prefixItems: [{ $ref: '#/$defs/name' }], items: { type: 'boolean' } }],
      },
    },
    $defs: { name: { type: 'string' } },
  }).parse('{"row":[]}');
  holds<Same<typeof nested.row, [] | [string] | [string, ...boolean[]]>>();
  const old = Schema.from({
    $schema: 'http://json-schema.org/draft-07/schema#',
    type: 'array',
    items: [{ type: 'string' }],
    additionalItems: false,
  }).parse('[]');
  holds<Same<typeof old, [] | [string]>>();
  const elsewhere = Schema.from(
    { type: 'object', properties: { order: { $ref: 'order' } }, additionalProperties: false },
    { refs: { order: true } },
  ).parse('{}');
  holds<Same<typeof elsewhere, { order?: unknown }>>();
  const tree = Schema.from({
    type: 'object',
    properties: { name: { type: 'string' }, children: { type: 'array', items: { $ref: '#' } } },
    additionalProperties: false,
  }).parse('{}');
  holds<Same<NonNullable<(typeof tree)['children']>[number]['name'], string | undefined>>();
  const patterns = Schema.from({ type: 'object', patternProperties: { '^x-': { type: 'string' } } }).parse(
    '{}',
  );
  holds<Same<(typeof patterns)['other'], unknown>>();
}

export async function validatedBodies(): Promise<void> {
  const schema = new Schema<{ id: number }>({ type: 'object' }, { maxErrors: 5 });
  const app = express();
  app.post('/', expressValidate({ schema, required: true, refuseWith: 'error' }), (req, res) =>
    res.json(req.body),
  );
  app.post(
    '/own',
    expressValidate({
      schema: { type: 'object' },
      body: 'document',
      schemaStatus: 400,
      maxErrors: 3,
      onInvalid: (req: express.Request, res: express.Response, failure: ValidationFailure) =>
        res.json({ path: req.path, errors: failure.errors.length }),
    }),
  );
  app.use(express.json({ verify: expressValidate.verify(schema, { schemaStatus: 400 }) }));
  // @ts-expect-error a schema is needed
  expressValidate({ required: true });
  // @ts-expect-error 418 is no status of a schema
  expressValidate({ schema, schemaStatus: 418 });
  // @ts-expect-error names that reach a prototype are always refused
  expressValidate({ schema: true, protoKeys: 'allow' });
  // @ts-expect-error express.json has a limit of its own
  expressValidate.verify(schema, { maxBytes: 5 });

  const server = Fastify();
  await server.register(fastifyValidate, { schemaStatus: 422, rejectUnknown: true, maxBytes: 1_000 });
  await server.register(fastifyValidate);
  const body = { type: 'object' };
  server.post('/', { schema: { body }, config: { validate: { body: 'document' } } }, () => 'ok');
  server.post('/old', { schema: { body }, config: { validate: false } }, () => 'ok');
  // @ts-expect-error there is no such option
  await server.register(fastifyValidate, { coerce: true });
}
