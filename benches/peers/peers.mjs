/**
 * The JavaScript peers that keep a limit per key in memory, each opened by the options it documents for that and called by its one
 * operation. The packages are loaded when opened, so that the benches of breakwater alone run without them.
 *
 * `open({ limit, windowMs, maxKeys })` answers:
 * - `take(key)`: charges 1, and answers what the peer answers (`awaited` says whether that is a promise; a refusal may be a rejection)
 * - `allowed(answer)`: whether that answer, or rejection, lets the caller pass
 * - `knows(key)`: whether the key is still counted; may be a promise
 */
import { createRequire } from 'node:module';

const require = createRequire(import.meta.url);

/** Keeps every key until a timer of its own ends it. */
const flexible = {
  awaited: true,
  async open({ limit, windowMs }) {
    const { RateLimiterMemory } = require('rate-limiter-flexible');
    const limiter = new RateLimiterMemory({ points: limit, duration: windowMs / 1000 });
    return {
      take: (key) => limiter.consume(key),
      allowed: (answer) => answer.consumedPoints <= limit,
      knows: async (key) => (await limiter.get(key)) !== null,
    };
  },
};

/** The default store of express-rate-limit: keeps every key for one to two windows. */
const expressStore = {
  awaited: true,
  async open({ limit, windowMs }) {
    const { MemoryStore } = await import('express-rate-limit');
    const store = new MemoryStore();
    store.init({ windowMs });
    return {
      take: (key) => store.increment(key),
      allowed: (answer) => answer.totalHits <= limit,
      knows: async (key) => (await store.get(key)) !== undefined,
    };
  },
};

/** The default store of @fastify/rate-limit: an LRU, of 5,000 keys unless its option `cache` says otherwise. */
const fastifyStore = {
  awaited: false,
  async open({ limit, windowMs, maxKeys }) {
    const LocalStore = require('@fastify/rate-limit/store/LocalStore.js');
    const store = new LocalStore(false, false, maxKeys);
    let answer;
    const keep = (_error, result) => {
      answer = result;
    };
    return {
      take(key) {
        store.incr(key, keep, windowMs, limit);
        return answer;
      },
      allowed: ({ current }) => current <= limit,
      knows(key) {
        store.read(key, keep, windowMs);
        return answer.current > 0;
      },
    };
  },
};

export const PEERS = {
  'rate-limiter-flexible': flexible,
  'express-rate-limit': expressStore,
  '@fastify/rate-limit': fastifyStore,
};

/** The token bucket of `limiter`. */
export async function limiterPackage(tokensPerInterval, interval) {
  const { RateLimiter } = await import('limiter');
  return new RateLimiter({ tokensPerInterval, interval });
}

/** cockatiel. Its 4.x asks for Node 22, and runs on Node 20. */
export const cockatiel = () => import('cockatiel');
export const pLimit = async () => (await import('p-limit')).default;
export const pQueue = async () => (await import('p-queue')).default;
export const fastq = () => require('fastq');

/** Longer than any run, and no longer than a timer can take. */
const LONG_MS = 1e9;

/** A circuit breaker of cockatiel of one of its three kinds. */
export async function cockatielBreaker(kind, options) {
  const peer = await cockatiel();
  const breaker = new {
    Consecutive: peer.ConsecutiveBreaker,
    Sampling: peer.SamplingBreaker,
    Count: peer.CountBreaker,
  }[kind](options);
  return peer.circuitBreaker(peer.handleAll, { halfOpenAfter: LONG_MS, breaker });
}

/** A circuit breaker of opossum around `fn`, without its timeout. Its 10.x asks for Node 22, and runs on Node 20. */
export function opossumBreaker(fn, options) {
  const Breaker = require('opossum');
  return new Breaker(fn, { timeout: false, resetTimeout: LONG_MS, ...options });
}

/** mollitia: a circuit around `fn` of the modules that `make` makes. */
export async function mollitiaCircuit(func, make) {
  const peer = await import('mollitia');
  return new peer.Circuit({ func, options: { modules: make(peer) } });
}

/** The decision of @fastify/under-pressure, taken from its decorator: whether the server is under pressure. */
export async function underPressure(options) {
  const { default: Fastify } = await import('fastify');
  const { default: plugin } = await import('@fastify/under-pressure');
  const fastify = Fastify();
  await fastify.register(plugin, options);
  await fastify.ready();
  await new Promise((resolve) => setTimeout(resolve, 1_200));
  return () => fastify.isUnderPressure();
}

/** The decision of toobusy-js. */
export async function toobusy() {
  const { default: decide } = await import('toobusy-js');
  return () => decide();
}

/** The cache of async-cache-dedupe, whose one function answers `load(key)`. */
export function dedupeCache(options, load) {
  const { createCache } = require('async-cache-dedupe');
  const cache = createCache(options).define('load', load);
  return (key) => cache.load(key);
}

/** bentocache over its memory driver alone. */
export async function bento({ maxItems, ttl }) {
  const { BentoCache, bentostore } = await import('bentocache');
  const { memoryDriver } = await import('bentocache/drivers/memory');
  const store = bentostore().useL1Layer(memoryDriver({ maxItems, maxSize: '1gb' }));
  return new BentoCache({ default: 'memory', ttl, stores: { memory: store } });
}

/** cacheable over its memory store alone, with as many entries as it is asked to hold. */
export async function cacheableOf({ lruSize, ttl }) {
  const { Cacheable, createKeyv } = await import('cacheable');
  return new Cacheable({ primary: createKeyv({ lruSize, ttl }), ttl });
}

export const LRU = async (options) => new (await import('lru-cache')).LRUCache(options);
