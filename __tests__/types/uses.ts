/**
 * What a user's code may and may not say. types.test.mjs compiles this file as an ES module, as CommonJS and for a
 * bundler, against the packed package; a line under @ts-expect-error must be refused.
 */
import {
  BreakwaterError,
  type Decision,
  type Limit,
  ManualClock,
  RateLimitedError,
  RateLimiter,
  type RateLimiterOptions,
  type RateLimiterSnapshot,
  TokenBucket,
} from 'breakwater';
import { rateLimit as expressRateLimit } from 'breakwater/express';
import { rateLimit as fastifyRateLimit } from 'breakwater/fastify';
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
