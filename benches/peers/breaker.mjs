/**
 * CircuitBreaker beside those of cockatiel and opossum, around a function that answers at once: closed, open, and while calls fail.
 * opossum is without its timeout, which would be a timer for each call.
 */
import { awaited, sync } from './calls.mjs';
import { CircuitBreaker } from './ours.mjs';
import { cockatielBreaker, opossumBreaker } from './peers.mjs';

const DAY_MS = 86_400_000;

const error = new Error('the dependency failed');

/** What every contestant calls, and waits for. */
export const succeeds = async () => 1;
const fails = async () => {
  throw error;
};

export const isOne = (answer) => answer === 1;
const isError = (answer) => answer === error;

/** `execute` of the policy that `open` makes. */
export const executing = (open, holds = isOne, fn = succeeds) =>
  awaited(async (options) => {
    const policy = await open(options);
    return () => policy.execute(fn);
  }, holds);

/** `fire` of the breaker of opossum that `open` makes. */
const firing = (open, holds) =>
  awaited(async (options) => {
    const breaker = await open(options);
    return () => breaker.fire();
  }, holds);

/** The call alone. */
export const bare = awaited(() => () => succeeds(), isOne);

const ours = (options) => executing(() => new CircuitBreaker(options));

/** cockatiel's three, as its documentation shows them. */
const COCKATIEL = {
  Consecutive: 5,
  Sampling: { threshold: 0.2, duration: 30_000 },
  Count: { threshold: 0.5, size: 100 },
};
const cockatiels = Object.entries(COCKATIEL).map(([kind, options]) => [
  `cockatiel, ${kind}`,
  executing(() => cockatielBreaker(kind, options)),
]);

function opened() {
  const breaker = new CircuitBreaker();
  breaker.forceOpen(DAY_MS);
  return breaker;
}

async function openedCockatiel() {
  const breaker = await cockatielBreaker('Consecutive', 1);
  await breaker.execute(fails).catch(() => {});
  return breaker;
}

function openedOpossum() {
  const breaker = opossumBreaker(succeeds);
  breaker.open();
  return breaker;
}

/** Calls in the window before the first that fails. */
const IN_WINDOW = 20_000;

/** `breaker` after so many calls that succeeded, each made by `call`. */
async function filled({ quick }, breaker, call) {
  for (let left = quick ? 20 : IN_WINDOW; left > 0; left--) await call(breaker);
  return breaker;
}

/** Opens only when all in the window have failed. */
const unshaken = () => new CircuitBreaker({ failureRateThreshold: 1 });

const permit = (breaker) => breaker.tryAcquire().success();

export const benches = {
  'breaker/execute/closed': {
    breakwater: ours({}),
    'breakwater, count window': ours({ window: { kind: 'count', size: 100 } }),
    'breakwater, named': ours({ name: 'bench' }),
    'breakwater, slowCallMs': ours({ slowCallMs: 1_000 }),
    ...Object.fromEntries(cockatiels),
    opossum: firing(() => opossumBreaker(succeeds), isOne),
    'bare await fn()': bare,
  },
  'breaker/execute/refused': {
    breakwater: executing(opened, ({ code }) => code === 'ERR_CIRCUIT_OPEN'),
    'breakwater, tryAcquire': sync(
      () => {
        const breaker = opened();
        return () => breaker.tryAcquire();
      },
      (answer) => answer === undefined,
    ),
    cockatiel: executing(openedCockatiel, ({ isBrokenCircuitError }) => isBrokenCircuitError),
    opossum: firing(openedOpossum, ({ code }) => code === 'EOPENBREAKER'),
  },
  'breaker/execute/failing-20k': {
    breakwater: executing(
      (options) => filled(options, unshaken(), (breaker) => breaker.execute(succeeds)),
      isError,
      fails,
    ),
    'cockatiel, Sampling': executing(
      async (options) => {
        const breaker = await cockatielBreaker('Sampling', { threshold: 0.999, duration: 30_000 });
        return filled(options, breaker, () => breaker.execute(succeeds));
      },
      isError,
      fails,
    ),
    opossum: firing((options) => {
      let fn = succeeds;
      const breaker = opossumBreaker(() => fn(), { errorThresholdPercentage: 100 });
      const full = filled(options, breaker, () => breaker.fire());
      return full.then(() => {
        fn = fails;
        return breaker;
      });
    }, isError),
    'bare await fn()': awaited(() => () => fails(), isError),
  },
  'breaker/tryAcquire/closed': {
    breakwater: sync(
      () => {
        const breaker = new CircuitBreaker();
        return () => permit(breaker);
      },
      (answer) => answer === undefined,
    ),
  },
  'breaker/tryAcquire/failing-20k': {
    breakwater: sync(
      async (options) => {
        const breaker = await filled(options, unshaken(), permit);
        return () => breaker.tryAcquire().failure();
      },
      (answer) => answer === undefined,
    ),
  },
};
