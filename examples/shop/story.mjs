/** What happened in the first part, in sentences with the numbers of this run; and whether limits let through what they say. */
import { allowance, CLIENT_LIMITS, UPSTREAM_BUDGET } from './scenario.mjs';
import { quantile, sum } from './tally.mjs';
import { bold, number, say, tell, time } from './terminal.mjs';

export function tellStory(pairs) {
  const each = (text) => pairs.map((pair) => `${text(pair)} on ${pair.title}`).join(' and ');
  const p99 = ({ phases }, phase) => time(quantile(phases[phase].groups.regulars.tally.latencies, 0.99));
  /** All tallies of a phase, of the protected shops. */
  const tallies = (phase) => {
    const groups = pairs.flatMap(({ guarded }) => Object.entries(guarded.phases[phase].groups));
    return (name) =>
      groups.filter(([group]) => group === name || name === undefined).map(([, { tally }]) => tally);
  };
  const total = (all, value) => sum(all.map(value));

  const flood = tallies('flood')('flood');
  tell(
    `One client's flood took the p99 of the regulars from ${each(({ bare }) => `${p99(bare, 'calm')} to ${p99(bare, 'flood')}`)}. ` +
      `With a limit per client it was ${each(({ guarded }) => p99(guarded, 'flood'))}: ` +
      `${number(total(flood, ({ refused }) => refused))} of the flood's ${number(total(flood, ({ sent }) => sent))} requests ` +
      'were refused at the door.',
  );
  const crowd = tallies('crowd')();
  const admitted = total(crowd, (tally) => sum(tally.admitted)) / total(crowd, ({ sent }) => sent);
  const told = quantile(
    crowd.flatMap(({ refusals }) => refusals),
    0.99,
  );
  tell(
    `In the crowd nobody asked for much, but all together did. Unprotected, everybody got in and p99 was ` +
      `${each(({ bare }) => p99(bare, 'crowd'))}. With a budget for the upstream ${(100 * admitted).toFixed(0)} % of the requests ` +
      `got in, with p99 at ${each(({ guarded }) => p99(guarded, 'crowd'))}; ` +
      (told === undefined
        ? 'none was refused.'
        : `the others were asked to come back later, 99 % of them within ${time(told)}.`),
  );
}

/** Compares what both threads of each shop admitted with what one limit allows; false if it is more. */
export function checkLimits(pairs) {
  return pairs.map(({ title, guarded }) => checkShop(title, guarded)).every(Boolean);
}

/** Prints what both threads of one shop admitted together beside what the limit allows; true if it is no more. */
function checkShop(title, { phases, snapshots }) {
  const { flood } = phases.flood.groups;
  const { calls } = phases.crowd;
  const { capacity, refillPerSecond } = UPSTREAM_BUDGET;
  const budget = [{ limit: capacity, windowMs: (capacity / refillPerSecond) * 1000 }];
  const rows = [
    ['requests of the flood', flood.tally.admitted, CLIENT_LIMITS, flood.spanMs],
    ['calls upstream in the crowd', calls.perThread, budget, calls.spanMs],
  ];
  const limiter = snapshots.find(({ kind }) => kind === 'limiter');
  const sent = sum(
    Object.values(phases).flatMap(({ groups }) => Object.values(groups).map(({ tally }) => tally.sent)),
  );
  tell(
    `${title.padEnd(7)} all clients sent ${number(sent)} requests; the limiter of both threads counted ` +
      `${number(limiter.allowed + limiter.refused)}.`,
  );
  return rows
    .map(([what, perThread, limits, spanMs]) => {
      const admitted = sum(perThread);
      const allowed = allowance(limits, spanMs);
      const verdict = admitted <= allowed ? '' : bold('  TOO MANY');
      say(
        `${title.padEnd(7)} ${what.padEnd(27)} ${perThread.map(number).join(' + ').padStart(9)} = ` +
          `${number(admitted).padStart(3)}; one limit allows ${number(allowed)} in ${time(spanMs)}${verdict}`,
      );
      return admitted <= allowed;
    })
    .every(Boolean);
}
