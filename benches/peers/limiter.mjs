/**
 * RateLimiter beside the peers' limit per key. A peer has one operation, which counts and tells the count; it stands beside our
 * `tryAcquire`, which answers yes or no, and beside our `consume`, which answers a Decision.
 */
import { awaited, sync } from './calls.mjs';
import { allKeys, freshKeys, KEYS, keptKeys, oneKey } from './keys.mjs';
import { bindingOnly, RateLimiter } from './ours.mjs';
import { PEERS } from './peers.mjs';

/** More than any run takes. */
const PLENTY = { limit: 4e9, windowMs: 600_000 };
/** Less than any run takes. */
const SCARCE = { limit: 1, windowMs: 86_400_000 };

/**
 * Each is warmed with every key. The LRU of @fastify/rate-limit gets room for all of them (its default is 5,000, from where on it
 * forgets counters).
 */
const MAX_KEYS = KEYS;
const CACHE = 2 * KEYS;

function ours(method, limits, keysOf) {
  const isAllowed = limits === PLENTY;
  const open = (options) => {
    const limiter = new RateLimiter({ limits, maxKeys: MAX_KEYS });
    const keyOf = keysOf(options);
    for (const key of allKeys(options)) limiter.tryAcquire(key);
    return method === 'consume'
      ? (call) => limiter.consume(keyOf(call))
      : (call) => limiter.tryAcquire(keyOf(call));
  };
  return sync(open, (answer) => (answer.allowed ?? answer) === isAllowed);
}

function bindingAlone(keysOf) {
  const open = (options) => {
    const { pass } = bindingOnly().limiter(PLENTY, MAX_KEYS).functions;
    const keyOf = keysOf(options);
    for (const key of allKeys(options)) pass(key);
    return (call) => pass(keyOf(call));
  };
  return sync(open, (answer) => answer === true);
}

/** Picking or building the key and reading its first character, which all contestants pay. */
function keyAlone(keysOf) {
  const open = (options) => {
    const keyOf = keysOf(options);
    return (call) => keyOf(call).charCodeAt(0);
  };
  return sync(open, (answer) => answer === 'u'.charCodeAt(0));
}

function peer(name, limits, keysOf) {
  const isAllowed = limits === PLENTY;
  const { awaited: isAwaited, open } = PEERS[name];
  let allowed;
  const openCall = async (options) => {
    const opened = await open({ ...limits, maxKeys: CACHE });
    allowed = opened.allowed;
    const keyOf = keysOf(options);
    for (const key of allKeys(options)) await opened.take(key);
    const { take } = opened;
    return (call) => take(keyOf(call));
  };
  return (isAwaited ? awaited : sync)(openCall, (answer) => allowed(answer) === isAllowed);
}

function beside(method, limits, keysOf) {
  const contestants = { breakwater: ours(method, limits, keysOf) };
  for (const name of Object.keys(PEERS)) contestants[name] = peer(name, limits, keysOf);
  return contestants;
}

export const benches = {
  'limiter/tryAcquire/one-key': beside('tryAcquire', PLENTY, oneKey),
  'limiter/tryAcquire/100k-random': {
    ...beside('tryAcquire', PLENTY, keptKeys),
    'breakwater, binding alone': bindingAlone(keptKeys),
    'the key alone': keyAlone(keptKeys),
  },
  'limiter/tryAcquire/fresh-keys': {
    ...beside('tryAcquire', PLENTY, freshKeys),
    'breakwater, binding alone': bindingAlone(freshKeys),
    'the key alone': keyAlone(freshKeys),
  },
  'limiter/tryAcquire/refused': beside('tryAcquire', SCARCE, keptKeys),
  'limiter/consume/one-key': beside('consume', PLENTY, oneKey),
  'limiter/consume/100k-random': beside('consume', PLENTY, keptKeys),
  'limiter/consume/fresh-keys': beside('consume', PLENTY, freshKeys),
};
