/** The table at the end: what happened to each group of clients in each phase, unprotected and protected, side by side. */
import { GROUPS, PHASES } from './scenario.mjs';
import { quantile, sum } from './tally.mjs';
import { bold, dim, mood, number, say, tell, time } from './terminal.mjs';

/** Columns of one half of the table: title, width, and what of a tally goes into it. */
const COLUMNS = [
  ['admitted', 9, ({ admitted }) => plain(number(sum(admitted)))],
  ['failed', 7, ({ failed }) => plain(number(failed))],
  ['refused', 8, ({ refused }) => plain(number(refused))],
  ['p50', 8, latency(0.5)],
  ['p99', 8, latency(0.99)],
];
const HALF = sum(COLUMNS.map(([, width]) => width));
const SHOWN = PHASES.filter(({ hidden }) => !hidden);

/** Prints one table per pair of runs; it fits 100 columns. */
export function printTables(pairs) {
  for (const { title, bare, guarded } of pairs) printTable(title, bare, guarded);
  tell(
    'failed: admitted, but the upstream failed. p50, p99: of admitted requests, from when they were due.',
    dim,
  );
}

function printTable(title, bare, guarded) {
  say(`${bold(title.padEnd(20))} ${dim(`${rule('unprotected')} ${rule('protected')}`)}`);
  const head = COLUMNS.map(([column, width]) => column.padStart(width)).join('');
  say(dim(`${'phase   clients'.padEnd(20)}${head}${head}`));
  for (const phase of SHOWN) {
    phase.groups.forEach((name, index) => {
      const { clients, label } = GROUPS[name];
      const who =
        `${(index === 0 ? phase.name : '').padEnd(7)}${String(clients).padStart(4)} ${label}`.padEnd(20);
      const half = ({ phases }) => cells(phases[phase.name].groups[name].tally);
      say(`${who}${half(bare)}${half(guarded)}`);
    });
  }
  say();
}

function rule(title) {
  const width = HALF - 1;
  const middle = ` ${title} `;
  return middle.padStart((width + middle.length) >> 1, '─').padEnd(width, '─');
}

function cells(tally) {
  return COLUMNS.map(([, width, cell]) => {
    const { text, style } = cell(tally);
    return style(text.padStart(width));
  }).join('');
}

function plain(text) {
  return { text, style: String };
}

function latency(ratio) {
  return ({ latencies }) => {
    const ms = quantile(latencies, ratio);
    return { text: time(ms), style: mood(ms) };
  };
}
