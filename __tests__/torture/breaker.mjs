// Four threads on one named breaker: exactly so many probes at the half-open instant, and no kill that leaves it stuck.
import { CircuitBreaker, list, ManualClock } from 'breakwater';
import { until } from '../helpers/promises.mjs';
import { startThread, withThreads } from '../helpers/threads.mjs';

const THREADS = 4;
const DAY = 86_400_000;
const CROWD = 3;

/** In each thread: asks for permits without a pause until it is stopped, keeps them, and answers how many it got. */
function hammer(_, kept, control) {
  const { breaker } = kept;
  kept.permits = [];
  Atomics.add(control, 0, 1);
  while (Atomics.load(control, 1) === 0) {
    const permit = breaker.tryAcquire();
    if (permit !== undefined) kept.permits.push(permit);
  }
  return kept.permits.length;
}

/**
 * Rounds in which threads that call without a pause meet the end of a break: in how many another number than `probes` was let in,
 * and in how many the breaker did not close when all of them had succeeded.
 */
export async function probesAtTheInstant({ rounds, probes }) {
  const name = `probes:${probes}`;
  const clock = new ManualClock({ name });
  const options = { name, halfOpenCalls: probes, openMs: 1_000, probeLeaseMs: DAY };
  const breaker = new CircuitBreaker({ ...options, clock });
  const wrong = { admitted: 0, notClosed: 0 };
  await withThreads(THREADS, async (threads) => {
    const open = ({ CircuitBreaker, ManualClock }, kept, options) => {
      kept.breaker = new CircuitBreaker({ ...options, clock: new ManualClock({ name: options.name }) });
    };
    for (const thread of threads) await thread.run(open, options);
    for (let round = 0; round < rounds; round++) {
      breaker.forceOpen();
      const control = new Int32Array(new SharedArrayBuffer(8));
      const hammering = threads.map((thread) => thread.run(hammer, control));
      await until(() => Atomics.load(control, 0) === THREADS, 'four threads that call');
      clock.advance(1_000);
      await until(() => breaker.snapshot().probes > 0, 'a probe');
      // Everybody had a turn, also where there are fewer processors than threads.
      await new Promise((resolve) => setTimeout(resolve, 3));
      Atomics.store(control, 1, 1);
      const admitted = (await Promise.all(hammering)).reduce((sum, one) => sum + one, 0);
      if (admitted !== probes) wrong.admitted += 1;
      const succeed = (_, { permits }) => {
        for (const permit of permits) permit.success();
      };
      await Promise.all(threads.map((thread) => thread.run(succeed)));
      if (breaker.state !== 'closed') wrong.notClosed += 1;
    }
  });
  breaker.dispose();
  return wrong;
}

/** What a thread does until it is killed: calls that succeed, fail and take a while, handles that it lets go, listeners. */
function work({ CircuitBreaker }, _, options, seed) {
  const breaker = new CircuitBreaker(options);
  breaker.on('stateChange', () => {});
  let state = seed;
  const random = () => {
    state = (Math.imul(state, 1_103_515_245) + 12_345) >>> 0;
    return state / 2 ** 32;
  };
  const never = () => {};
  const call = async () => {
    const chance = random();
    // Who is killed in here has a permit out.
    if (chance < 0.5) await new Promise((resolve) => setImmediate(resolve));
    if (chance < 0.2) throw new Error('down');
  };
  const round = () => {
    for (let i = 0; i < 20; i++) {
      breaker.execute(call, random() < 0.5 ? { timeoutMs: 1_000 } : undefined).catch(never);
      const permit = breaker.tryAcquire();
      if (permit !== undefined) setImmediate(() => permit[random() < 0.7 ? 'success' : 'ignore']());
    }
    const handle = random() < 0.1 ? breaker.isolate() : random() < 0.1 ? breaker.disable() : undefined;
    setImmediate(() => {
      handle?.[Symbol.dispose]();
      new CircuitBreaker(options).dispose();
      round();
    });
  };
  round();
}

/** Kills `times` threads one after another; answers the figures that must all be 0, and what there was beside them. */
export async function breakerStorm({ times, halfOpenCalls, seed = 1, withinMs = 15 }) {
  let chance = seed;
  const random = () => {
    chance = (Math.imul(chance, 1_103_515_245) + 12_345) >>> 0;
    return chance / 2 ** 32;
  };
  // A probe that is out for good would be out for a day.
  const options = {
    name: 'breaker storm',
    consecutiveFailures: 2,
    openMs: 2,
    halfOpenCalls,
    probeLeaseMs: DAY,
  };
  const breaker = new CircuitBreaker(options);
  let last = 0;
  let changes = 0;
  let outOfOrder = 0;
  breaker.on('stateChange', ({ generation }) => {
    changes += 1;
    if (generation <= last) outOfOrder += 1;
    last = generation;
  });
  const crowd = [];
  let joined = 0;
  const join = async () => {
    joined += 1;
    const thread = await startThread();
    await thread.run(work, options, seed + joined);
    crowd.push(thread);
  };
  const succeed = () => {
    const permit = breaker.tryAcquire();
    permit?.success();
    return permit !== undefined;
  };
  let wentOn = 0;
  try {
    for (let i = 0; i < CROWD; i++) await join();
    for (let i = 0; i < times; i++) {
      await new Promise((resolve) => setTimeout(resolve, random() * withinMs));
      await crowd.splice(Math.floor(random() * crowd.length), 1)[0].terminate();
      await until(succeed, 'a permit');
      wentOn += 1;
      if (times - i > CROWD) await join();
    }
  } finally {
    for (const thread of crowd) await thread.terminate();
  }
  const closes = () => succeed() && breaker.state === 'closed' && breaker.snapshot().probes === 0;
  const stuck = await until(closes, 'a closed breaker', 5_000).then(
    () => 0,
    () => 1,
  );
  await until(() => last === breaker.snapshot().generation, 'the last change', 5_000).catch(() => {});
  const { probes, generation, state, refused, succeeded, failed } = breaker.snapshot();
  breaker.dispose();
  return {
    wentOn,
    stuck,
    probesOut: probes,
    held: state === 'isolated' || state === 'disabled' ? 1 : 0,
    outOfOrder,
    lastNotHeard: generation - last,
    namesLeft: list().filter(({ name }) => name === options.name).length,
    changes,
    calls: refused + succeeded + failed,
  };
}

export const sections = [
  {
    title: 'Exactly so many probes at the half-open instant',
    what: '300 rounds each with one probe and with three: 4 worker threads ask for permits without a pause while the break of a named breaker ends.',
    async run() {
      const figures = [];
      for (const probes of [1, 3]) {
        const { admitted, notClosed } = await probesAtTheInstant({ rounds: 300, probes });
        figures.push(
          {
            figure: `${probes} wanted: rounds with another number let in`,
            value: admitted,
            must: '0',
            holds: admitted === 0,
          },
          {
            figure: `${probes} wanted: rounds that did not close after as many successes`,
            value: notClosed,
            must: '0',
            holds: notClosed === 0,
          },
        );
      }
      return figures;
    },
  },
  {
    title: 'Threads killed at random instants with probes out',
    what: '100 worker.terminate() each with one probe and with three: 3 threads call, isolate, disable, listen, construct and dispose on a named breaker, without a pause; a probe’s lease is a day.',
    async run() {
      const figures = [];
      for (const halfOpenCalls of [1, 3]) {
        const { wentOn, changes, calls, ...must } = await breakerStorm({ times: 100, halfOpenCalls });
        const of = (what) => `${halfOpenCalls} probe${halfOpenCalls === 1 ? '' : 's'}: ${what}`;
        figures.push(
          {
            figure: of('kills after which a call passed'),
            value: wentOn,
            must: '100',
            holds: wentOn === 100,
          },
          ...Object.entries({
            stuck: 'breakers that did not close in the end',
            probesOut: 'probes left out',
            held: 'isolations and disablings left',
            outOfOrder: 'changes heard out of order',
            lastNotHeard: 'changes not heard in the end',
            namesLeft: 'names left',
          }).map(([key, what]) => ({
            figure: of(what),
            value: must[key],
            must: '0',
            holds: must[key] === 0,
          })),
          { figure: of('changes heard'), value: changes },
          { figure: of('calls'), value: calls },
        );
      }
      return figures;
    },
  },
];
