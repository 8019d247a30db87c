/** TokenBucket beside `limiter`, the token bucket of npm, and the in-memory limiter of rate-limiter-flexible on one key. */
import { awaited, sync } from './calls.mjs';
import { bindingOnly, TokenBucket } from './ours.mjs';
import { limiterPackage, PEERS } from './peers.mjs';

/** More than any run takes. */
const PLENTY = { capacity: 4e9, refillPerSecond: 1e9 };
/** One token a day. */
const SCARCE = { limit: 1, windowMs: 86_400_000 };

const yes = (answer) => answer === true;
const no = (answer) => answer === false;

/** A bucket with no token left. */
function spent() {
  const bucket = new TokenBucket(SCARCE);
  bucket.tryAcquire();
  return bucket;
}

async function flexible(limit, windowMs) {
  const { take } = await PEERS['rate-limiter-flexible'].open({ limit, windowMs });
  return () => take('bucket');
}

export const benches = {
  'bucket/tryAcquire/allowed': {
    breakwater: sync(() => {
      const bucket = new TokenBucket(PLENTY);
      return () => bucket.tryAcquire();
    }, yes),
    'breakwater, binding alone': sync(() => bindingOnly().bucket(PLENTY).functions.take, yes),
    limiter: sync(async () => {
      const bucket = await limiterPackage(1e12, 'second');
      return () => bucket.tryRemoveTokens(1);
    }, yes),
    'rate-limiter-flexible': awaited(
      () => flexible(1e12, 60_000),
      (answer) => answer.remainingPoints > 0,
    ),
  },
  'bucket/tryAcquire/refused': {
    breakwater: sync(() => {
      const bucket = spent();
      return () => bucket.tryAcquire();
    }, no),
    limiter: sync(async () => {
      const bucket = await limiterPackage(1, 'day');
      bucket.tryRemoveTokens(1);
      return () => bucket.tryRemoveTokens(1);
    }, no),
    'rate-limiter-flexible': awaited(
      () => flexible(1, 86_400_000),
      (answer) => answer.remainingPoints === 0 && answer.msBeforeNext > 0,
    ),
  },
  'bucket/acquire/allowed': {
    breakwater: awaited(
      () => {
        const bucket = new TokenBucket(PLENTY);
        return () => bucket.acquire();
      },
      (answer) => answer === undefined,
    ),
    limiter: awaited(
      async () => {
        const bucket = await limiterPackage(1e12, 'second');
        return () => bucket.removeTokens(1);
      },
      (answer) => answer > 0,
    ),
  },
};
