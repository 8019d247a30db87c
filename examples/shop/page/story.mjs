/** What happened in the fourth part, in sentences with the numbers of this run; and whether one cache loaded as it should. */
import { PAGE_CACHE, PAGE_LOST, PAGE_THREADS } from '../scenario.mjs';
import { okRatio } from '../storm/report.mjs';
import { quantile } from '../tally.mjs';
import { bold, number, percent, say, tell, time } from '../terminal.mjs';

export function tellPage(ways) {
  const way = Object.fromEntries(ways.map(({ protection, ...rest }) => [protection, rest]));
  const { none, 'cache per thread': each, 'one cache': one } = way;
  const ok = ({ phases }, phase) => percent(okRatio(phases[phase]));
  const p99 = ({ phases }) => time(quantile(phases.crowd.tally.latencies, 0.99));
  const { loads, tally } = none.phases.crowd;
  const loaded = ({ phases }) =>
    `${number(phases.crowd.loads.calls)} loads, at most ${phases.crowd.loads.atOnce} of one product at once`;
  tell(
    `At the sale ${number(tally.sent)} requests were ${number(loads.calls)} loads without a cache, which is more than the upstream can ` +
      `bear: ${ok(none, 'crowd')} were answered as they should be. With a cache in each of the ${PAGE_THREADS} threads it got ` +
      `${loaded(each)}: whenever a popular page was ${PAGE_CACHE.ttlMs / 1000} s old, each thread loaded it for itself ` +
      `(${ok(each, 'crowd')}, p99 at ${p99(each)}). With one cache it got ${loaded(one)} (${ok(one, 'crowd')}, p99 at ${p99(one)}).`,
  );
  const { stale, tally: met } = one.phases.outage;
  tell(
    `In the outage every load failed, and without a cache ${ok(none, 'outage')} of the requests were answered as they should be. A cache ` +
      `has the old page: ${ok(each, 'outage')} where each thread knows what it loaded itself, ${ok(one, 'outage')} where all know what ` +
      `one has loaded. ${number(stale)} of those ${number(met.sent)} answers were stale: but for staleIfErrorMs they were errors.`,
  );
  const got = ({ lost: { answered, loads, waitsMs } }) =>
    `${answered} of ${PAGE_LOST.clients} clients got the page, for ${loads} loads, half of them within ` +
    `${time(quantile(waitsMs, 0.5))} and all within ${time(Math.max(...waitsMs))}`;
  tell(
    `A thread ended in the middle of a load that was stuck. With one cache all threads waited for it, then one of them became the ` +
      `leader: ${got(one)}. With a cache per thread only its own clients waited, and each thread loaded the page: ${got(each)}.`,
  );
}

/** Never two loads of one product at once, and one in place of the load that was lost; false if there were more. */
export function checkPage(ways) {
  const { phases, lost } = ways.find(({ protection }) => protection === 'one cache');
  const most = Math.max(...Object.values(phases).map(({ loads }) => loads.atOnce));
  return [
    check('loads of one product at once: at most ', most, 1),
    check('loads of the page whose leader ended: ', lost.loads, 2),
  ].every(Boolean);
}

function check(what, most, allowed) {
  const kept = most <= allowed;
  say(`${what}${most}; one cache allows ${allowed}${kept ? '' : bold('  TOO MANY')}`);
  return kept;
}
