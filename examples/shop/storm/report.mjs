/** The table of the second part: what the clients met and what the upstream got, with more and more around the calls. */
import { STORM_PHASES, TROUBLE_MS } from '../scenario.mjs';
import { quantile, sum } from '../tally.mjs';
import { bold, dim, mood, percent, say, strain, tell, time } from '../terminal.mjs';

/** Requests that were answered as they should be, of all. */
export const okRatio = ({ tally }) => (sum(tally.admitted) - tally.failed) / tally.sent;

/** Calls that reached the upstream for each request. */
export const callsPerRequest = ({ tally, calls }) => calls / tally.sent;

/** How long a request waited for its answer, whatever that was. */
export const answeredWithin = ({ tally }, ratio) => quantile([...tally.latencies, ...tally.refusals], ratio);

const OK = ['ok', 8, (phase) => plain(percent(okRatio(phase)))];
const WHILE_IT_LASTS = [OK, ['p50', 8, answered(0.5)], ['p99', 8, answered(0.99)], ['calls', 6, load]];
/** Columns for each phase: title, width, and what of the phase goes into it. */
const COLUMNS = {
  rough: WHILE_IT_LASTS,
  outage: WHILE_IT_LASTS,
  after: [OK, ['well', 9, ({ troubleMs }) => plain(time(troubleMs))]],
};
const TITLE_COLUMNS = 20;

/** Prints it; it fits 100 columns. */
export function printStorm(ways) {
  const phases = STORM_PHASES.filter(({ hidden }) => !hidden);
  const columns = phases.flatMap(({ name }) => COLUMNS[name]);
  say(`${' '.repeat(TITLE_COLUMNS)}${dim(phases.map(rule).join(''))}`);
  say(dim(' '.repeat(TITLE_COLUMNS) + columns.map(([title, width]) => title.padStart(width)).join('')));
  for (const way of ways) {
    const cells = phases.flatMap(({ name }) =>
      COLUMNS[name].map(([, width, cell]) => {
        const { text, style } = cell(way.phases[name]);
        return style(text.padStart(width));
      }),
    );
    say(`${bold(way.title.padEnd(TITLE_COLUMNS))}${cells.join('')}`);
  }
  say();
  tell(
    'ok: requests answered as they should be. p50, p99: until the answer, good or bad, from when the request was due. calls: that ' +
      'reached the upstream, for each request. well: how long after the outage a request still failed or took ' +
      `more than ${TROUBLE_MS / 1000} s.`,
    dim,
  );
}

function rule({ name, durationMs }) {
  const width = sum(COLUMNS[name].map(([, width]) => width)) - 1;
  const middle = ` ${name}, ${durationMs / 1000} s `;
  return ` ${middle.padStart((width + middle.length) >> 1, '─').padEnd(width, '─')}`;
}

function plain(text) {
  return { text, style: String };
}

function answered(ratio) {
  return (phase) => {
    const ms = answeredWithin(phase, ratio);
    return { text: time(ms), style: mood(ms) };
  };
}

function load(phase) {
  const perRequest = callsPerRequest(phase);
  return { text: perRequest.toFixed(2), style: strain(perRequest) };
}
