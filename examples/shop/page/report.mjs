/** The table of the fourth part: what the clients met and what the upstream got, without a cache, with four, and with one. */
import { PAGE_LOST, PAGE_PHASES } from '../scenario.mjs';
import { okRatio } from '../storm/report.mjs';
import { quantile, sum } from '../tally.mjs';
import { bold, dim, mood, number, percent, say, tell, time } from '../terminal.mjs';

const OK = ['ok', 8, ({ tally }) => plain(percent(okRatio({ tally })))];
/** Columns for each phase, and for the thread that ends: title, width, and what of the phase goes into it. */
const COLUMNS = {
  crowd: [
    OK,
    ['p99', 8, ({ tally }) => latency(quantile(tally.latencies, 0.99))],
    ['loads', 8, ({ loads }) => plain(number(loads.calls))],
    ['hottest', 8, ({ loads }) => plain(number(loads.hottest))],
    ['at once', 8, ({ loads }) => plain(number(loads.atOnce))],
  ],
  outage: [
    OK,
    ['stale', 7, ({ stale }) => plain(number(stale))],
    ['loads', 7, ({ loads }) => plain(number(loads.calls))],
  ],
  lost: [
    ['loads', 8, ({ loads }) => plain(number(loads))],
    ['p50', 9, ({ waitsMs }) => latency(quantile(waitsMs, 0.5))],
  ],
};
const TITLE_COLUMNS = 20;

/** Prints it; it fits 100 columns. */
export function printPage(ways) {
  const phases = PAGE_PHASES.filter(({ hidden }) => !hidden);
  const rules = phases.map(({ name, durationMs }) => rule(name, `${name}, ${durationMs / 1000} s`));
  const columns = Object.values(COLUMNS).flat();
  say(`${' '.repeat(TITLE_COLUMNS)}${dim([...rules, rule('lost', 'a thread ends')].join(''))}`);
  say(dim(' '.repeat(TITLE_COLUMNS) + columns.map(([title, width]) => title.padStart(width)).join('')));
  for (const { title, phases, lost } of ways) {
    const cells = Object.entries(COLUMNS).flatMap(([name, columns]) =>
      columns.map(([, width, cell]) => {
        const { text, style } = cell(name === 'lost' ? lost : phases[name]);
        return style(text.padStart(width));
      }),
    );
    say(`${bold(title.padEnd(TITLE_COLUMNS))}${cells.join('')}`);
  }
  say();
  tell(
    'ok: requests answered as they should be. p50, p99: until the answer, good or bad. loads: that reached the upstream; hottest: those ' +
      'of the most popular product; at once: the most of any one product. stale: served from the cache when its time was over. a thread ' +
      `ends: in the middle of a load that is stuck, when ${PAGE_LOST.clients} clients have asked all threads for that page.`,
    dim,
  );
}

function rule(name, title) {
  const width = sum(COLUMNS[name].map(([, width]) => width)) - 1;
  const middle = ` ${title} `;
  return ` ${middle.padStart((width + middle.length) >> 1, '─').padEnd(width, '─')}`;
}

function plain(text) {
  return { text, style: String };
}

function latency(ms) {
  return { text: time(ms), style: mood(ms) };
}
