/** What happened in the second part, in sentences with the numbers of this run; and whether what is promised was kept. */
import { BREAKER, MAX_ATTEMPTS, RETRY_BUDGET, triesAllowed } from '../scenario.mjs';
import { sum } from '../tally.mjs';
import { bold, number, percent, say, tell, time } from '../terminal.mjs';
import { answeredWithin, callsPerRequest, okRatio } from './report.mjs';

export function tellStorm(ways) {
  const way = Object.fromEntries(ways.map(({ protection, ...rest }) => [protection, rest.phases]));
  const well = ({ rough }) => percent(okRatio(rough));
  const p99 = ({ rough }) => time(answeredWithin(rough, 0.99));
  const load = (phase) => callsPerRequest(phase).toFixed(2);
  const p50 = ({ outage }) => time(answeredWithin(outage, 0.5));
  const { none, 'by hand': loop, retries, hedging, breaker } = way;
  tell(
    `In rough weather, with nothing around the calls, ${well(none)} of the requests were answered as they should be, with p99 at ` +
      `${p99(none)}. A loop of ${MAX_ATTEMPTS} attempts made that ${well(loop)}, with p99 at ${p99(loop)}: it sees what fails, not ` +
      `what is slow. Retries with a time limit for each call: ${well(retries)} and ${p99(retries)}. With hedging as well: ` +
      `${well(hedging)} and ${p99(hedging)}, for ${load(hedging.rough)} calls a request.`,
  );
  const { after } = breaker;
  tell(
    `In the outage nothing helped the clients, and the loop sent ${load(loop.outage)} calls for each request to an upstream that was ` +
      `down. A retry budget made that ${load(retries.outage)}, a breaker ${load(breaker.outage)}: half of its clients knew after ` +
      `${p50(breaker)} what the loop told half of its own after ${p50(loop)}. ` +
      (after.tally.refused === 0
        ? 'When the outage was over it refused nobody.'
        : `The price: it refused ${number(after.tally.refused)} requests more when the outage was over, and ${time(after.troubleMs)} ` +
          'later all was well.'),
  );
}

/** Compares what the upstreams counted with what budgets and breakers allow; false if it is more. */
export function checkStorm(ways) {
  return ways
    .filter(({ snapshots }) => snapshots.flat().length > 0)
    .flatMap((way) => [checkBudget(way), checkProbes(way)])
    .every(Boolean);
}

function checkBudget({ title, requests, calls, spanMs }) {
  const tries = triesAllowed(RETRY_BUDGET, requests, spanMs);
  const kept = calls <= requests + tries;
  say(
    `${title.padEnd(20)} ${number(requests)} requests, ${number(calls).padStart(5)} calls upstream; one budget allows ` +
      `${number(requests)} + ${number(tries)} in ${time(spanMs)}${verdict(kept)}`,
  );
  return kept;
}

/** Both threads' witnesses together: a round of probes is one round, whichever threads they come from. */
function checkProbes({ snapshots }) {
  const rounds = new Map();
  for (const { kind, failed } of snapshots.flat()) {
    if (kind !== 'witness') continue;
    for (const [round, count] of Object.entries(failed)) rounds.set(round, (rounds.get(round) ?? 0) + count);
  }
  if (rounds.size === 0) return true;
  const most = Math.max(...rounds.values());
  const kept = most <= BREAKER.halfOpenCalls;
  const asked = sum([...rounds.values()]);
  say(
    `${' '.repeat(21)}probes in vain: ${number(asked)}, at most ${most} in a round; one breaker allows ` +
      `${BREAKER.halfOpenCalls}${verdict(kept)}`,
  );
  return kept;
}

const verdict = (kept) => (kept ? '' : bold('  TOO MANY'));
