/** The tables of the fifth part, what happened in sentences with the numbers of this run, and whether each body got its verdict. */
import { ORDERS } from '../scenario.mjs';
import { quantile, sum } from '../tally.mjs';
import { bold, dim, mood, say, tell, time } from '../terminal.mjs';
import { HOSTILE_BODIES } from './bodies.mjs';

/** Groups of columns: title, width, and what of a run goes into each. */
const COLUMNS = {
  'the loop was late': [
    ['p50', 9, ({ delay }) => latency(delay.p50Ms)],
    ['p99', 9, ({ delay }) => latency(delay.p99Ms)],
    ['max', 9, ({ delay }) => latency(delay.maxMs)],
  ],
  'orders of customers': [
    ['accepted', 12, ({ honest }) => plain(`${honest.accepted} of ${honest.sent}`)],
    ['p50', 9, ({ honest }) => latency(quantile(honest.latencies, 0.5))],
    ['p99', 9, ({ honest }) => latency(quantile(honest.latencies, 0.99))],
  ],
  'hostile bodies': [
    ['refused', 11, ({ hostile }) => plain(`${hostile.refused} of ${hostile.sent}`)],
    ['answers', 10, ({ hostile }) => plain(size(hostile.answerBytes))],
  ],
};
const TITLE_COLUMNS = 20;
const WHAT_COLUMNS = 34;
const SIZE_COLUMNS = 10;
const ALONE_COLUMNS = 18;

/** Prints them; they fit 100 columns. */
export function printOrder(runs) {
  const columns = Object.values(COLUMNS).flat();
  say(' '.repeat(TITLE_COLUMNS) + dim(Object.keys(COLUMNS).map(rule).join('')));
  say(dim(' '.repeat(TITLE_COLUMNS) + columns.map(([title, width]) => title.padStart(width)).join('')));
  for (const run of runs) say(bold(run.title.padEnd(TITLE_COLUMNS)) + columns.map(cell(run)).join(''));
  say();
  const titles = runs.map(({ title }) => title.padStart(ALONE_COLUMNS)).join('');
  say(dim(`${'one body, alone'.padEnd(WHAT_COLUMNS)}${'size'.padStart(SIZE_COLUMNS)}${titles}`));
  HOSTILE_BODIES.forEach(({ what, body }, at) => {
    const times = runs.map(({ alone }) => alone.latencies[at]);
    say(
      `${what.padEnd(WHAT_COLUMNS)}${size(body.length).padStart(SIZE_COLUMNS)}` +
        times.map((ms) => mood(ms)(time(ms).padStart(ALONE_COLUMNS))).join(''),
    );
  });
  say();
  tell(
    'the loop was late: by how much what was due ran late, in the thread of the shop, measured by an EventLoopMonitor in each way. p50, ' +
      'p99 of orders: until the answer, from when they were due. answers: what the shop sent to the hostile client. alone: until the ' +
      'answer, when nobody else sends anything.',
    dim,
  );
}

function rule(title) {
  const width = sum(COLUMNS[title].map(([, width]) => width)) - 1;
  const middle = ` ${title} `;
  return ` ${middle.padStart((width + middle.length) >> 1, '─').padEnd(width, '─')}`;
}

function cell(run) {
  return ([, width, of]) => {
    const { text, style } = of(run);
    return style(text.padStart(width));
  };
}

function plain(text) {
  return { text, style: String };
}

function latency(ms) {
  return { text: time(ms), style: mood(ms) };
}

function size(bytes) {
  if (bytes < 1_000) return `${bytes} B`;
  return bytes < 1_000_000 ? `${(bytes / 1_000).toFixed(0)} kB` : `${(bytes / 1_000_000).toFixed(1)} MB`;
}

export function tellOrder(runs) {
  const [all, first, ours] = runs;
  const sent = sum(HOSTILE_BODIES.map(({ body }) => body.length)) / HOSTILE_BODIES.length;
  const late = ({ delay }) => time(delay.maxMs);
  const p99 = ({ honest }) => time(quantile(honest.latencies, 0.99));
  tell(
    `${ORDERS.hostilePerSecond} hostile bodies a second, of ${size(sent)} on average, made the loop of the shop late by up to ${late(all)} ` +
      `where ajv told all errors, with the p99 of orders at ${p99(all)}. Telling the first one, as Fastify does unless it is told otherwise, ` +
      `it was ${late(first)} and ${p99(first)}: what a pattern, uniqueItems or a union costs is spent before there is an error. Where ` +
      `validate read the bytes it was ${late(ours)} and ${p99(ours)}, with up to ten errors told.`,
  );
}

/** Every order of a customer is taken and every hostile body refused, whoever validates; false if not. */
export function checkOrder(runs) {
  return runs
    .map(({ title, honest, hostile }) => {
      const kept = honest.accepted === honest.sent && hostile.refused === hostile.sent;
      say(
        `${title.padEnd(16)} orders accepted: ${honest.accepted} of ${honest.sent}; hostile bodies refused: ` +
          `${hostile.refused} of ${hostile.sent}${kept ? '' : bold('  WRONG')}`,
      );
      return kept;
    })
    .every(Boolean);
}
