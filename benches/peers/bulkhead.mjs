/**
 * Bulkhead beside p-limit, p-queue, fastq and the bulkhead of cockatiel. The line: 10,000 calls at once, of which ten run, each around
 * a function that answers at once; the figure is the time of all of them. fastq (its promise API) bounds nothing and times nothing.
 */

import { bare, executing, isOne, succeeds } from './breaker.mjs';
import { awaited, sync } from './calls.mjs';
import { Bulkhead } from './ours.mjs';
import { cockatiel, fastq, pLimit, pQueue } from './peers.mjs';

const AT_ONCE = 10;
const CALLS = 10_000;

/** All of them at once, by the call that `open` makes. */
const line = (open) =>
  awaited(async ({ quick }) => {
    const call = await open();
    const calls = quick ? 50 : CALLS;
    return async () => {
      const promises = [];
      for (let i = 0; i < calls; i++) promises.push(call());
      await Promise.all(promises);
      return 1;
    };
  }, isOne);

const ours = (options) => () => new Bulkhead({ maxConcurrent: AT_ONCE, ...options });
const executes = (open) => () => {
  const policy = open();
  return () => policy.execute(succeeds);
};

export const benches = {
  'bulkhead/execute/line-of-10k': {
    breakwater: line(executes(ours({ maxQueue: CALLS }))),
    'breakwater, named': line(executes(ours({ maxQueue: CALLS, name: 'bench-line' }))),
    'breakwater, queueTimeoutMs': line(executes(ours({ maxQueue: CALLS, queueTimeoutMs: 60_000 }))),
    'breakwater, fair': line(() => {
      const bulkhead = ours({ maxQueue: CALLS, order: 'fair' })();
      const keys = Array.from({ length: 100 }, (_, i) => ({ key: `tenant-${i}` }));
      let i = 0;
      return () => bulkhead.execute(succeeds, keys[i++ % keys.length]);
    }),
    'p-limit': line(async () => {
      const limit = (await pLimit())(AT_ONCE);
      return () => limit(succeeds);
    }),
    'p-queue': line(async () => {
      const queue = new (await pQueue())({ concurrency: AT_ONCE });
      return () => queue.add(succeeds);
    }),
    fastq: line(() => {
      const queue = fastq().promise((task) => task(), AT_ONCE);
      return () => queue.push(succeeds);
    }),
    cockatiel: line(async () => {
      const policy = (await cockatiel()).bulkhead(AT_ONCE, CALLS);
      return () => policy.execute(succeeds);
    }),
  },
  'bulkhead/execute/uncontended': {
    breakwater: executing(ours()),
    'breakwater, named': executing(ours({ name: 'bench' })),
    'breakwater, gradient': executing(() => new Bulkhead({ maxConcurrent: { kind: 'gradient' } })),
    cockatiel: executing(async () => (await cockatiel()).bulkhead(AT_ONCE, AT_ONCE)),
    'p-limit': awaited(async () => {
      const limit = (await pLimit())(AT_ONCE);
      return () => limit(succeeds);
    }, isOne),
    'bare await fn()': bare,
  },
  'bulkhead/tryAcquire/release': {
    breakwater: sync(
      () => {
        const bulkhead = ours()();
        return () => {
          const permit = bulkhead.tryAcquire();
          permit.release();
          return permit;
        };
      },
      (permit) => permit !== undefined,
    ),
  },
  'bulkhead/execute/refused': {
    breakwater: executing(
      () => {
        const bulkhead = new Bulkhead({ maxConcurrent: 1 });
        bulkhead.tryAcquire();
        return bulkhead;
      },
      (answer) => answer.code === 'ERR_BULKHEAD_FULL',
    ),
    cockatiel: executing(
      async () => {
        const policy = (await cockatiel()).bulkhead(1);
        policy.execute(() => new Promise(() => {}));
        return policy;
      },
      (answer) => answer.name === 'BulkheadRejectedError' || answer.isBulkheadRejectedError === true,
    ),
  },
};
