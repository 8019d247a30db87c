/** The table of the third part, and what happened in sentences with the numbers of this run. */
import { BULKHEAD, CROWD } from '../scenario.mjs';
import { quantile } from '../tally.mjs';
import { bold, dim, mood, number, percent, say, tell, time } from '../terminal.mjs';

/** Reports a second that came while somebody waited for them. */
const goodput = ({ tally }) => (1_000 * tally.good) / CROWD.durationMs;

export function printCrowd({ capacity, runs }) {
  say(dim(`${' '.repeat(20)}  goodput  of what it can   p50      p99      refused  gave up  made in vain`));
  for (const run of runs) {
    const { tally, seen } = run;
    const [p50, p99] = [0.5, 0.99].map((ratio) => quantile(tally.latencies, ratio));
    const cell = (ms) => mood(ms)(time(ms).padStart(9));
    const share = percent(goodput(run) / capacity).padStart(13);
    const vain = Math.max(0, seen.made - tally.good);
    say(
      `${bold(run.title.padEnd(20))}${`${goodput(run).toFixed(0)}/s`.padStart(9)}${share}${cell(p50)}${cell(p99)}` +
        `${number(tally.refused).padStart(13)}${number(tally.gaveUp).padStart(9)}${number(vain).padStart(11)}`,
    );
  }
  say();
  tell(
    `goodput: reports that came within ${time(CROWD.patienceMs)}, after which clients give up. p50, p99: of those. made in vain: reports ` +
      'that were finished for nobody, the first seconds included.',
    dim,
  );
}

export function tellCrowd({ capacity, runs }) {
  const [none, shedding, bulkhead, both] = runs;
  const said = (run) =>
    `${percent(goodput(run) / capacity)} with p99 at ${time(quantile(run.tally.latencies, 0.99))}`;
  tell(
    `One thread can make ${capacity.toFixed(0)} reports a second. Asked for ${CROWD.times} times as many, with nothing in front it made ` +
      `${percent(goodput(none) / capacity)} of that in time: it worked on all of them at once, and had up to ` +
      `${number(none.seen.most)} under way. Shedding by the delay of its loop gave ${said(shedding)}, a bulkhead of ` +
      `${BULKHEAD.maxConcurrent} with ${BULKHEAD.maxQueue} places ${said(bulkhead)}, both ${said(both)}.`,
  );
}

/** Never more at once than the bulkhead says; false if there were. */
export function checkCrowd({ runs }) {
  const bounded = runs.filter(({ way }) => way.bound);
  const most = Math.max(...bounded.map(({ seen }) => seen.most));
  const kept = most <= BULKHEAD.maxConcurrent;
  say(
    `reports under way at once: at most ${most}; one bulkhead allows ${BULKHEAD.maxConcurrent}${kept ? '' : bold('  TOO MANY')}`,
  );
  return kept;
}
