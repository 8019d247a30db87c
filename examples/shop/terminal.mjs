/** How things look: colours where a person watches and did not object, numbers a person reads. */
const { env, stdout } = process;

/** Whether lines may be drawn again: a terminal that can move its cursor. */
export const LIVE = Boolean(stdout.isTTY) && env.TERM !== 'dumb';
const COLOURS = LIVE && !env.NO_COLOR;

const paint = (code) => (text) => (COLOURS ? `\x1b[${code}m${text}\x1b[0m` : String(text));
export const bold = paint(1);
export const dim = paint(2);
const red = paint(31);
const green = paint(32);
const yellow = paint(33);

/** Columns a line may fill: those of the terminal, and 100 where there is none. */
export const columns = () => Math.min(100, stdout.columns || 100);

export const say = (line = '') => stdout.write(`${line}\n`);

/** Prints a paragraph, broken between words. */
export function tell(text, style = String) {
  let line = '';
  for (const word of text.split(' ')) {
    if (line.length + word.length >= columns()) {
      say(style(line));
      line = '';
    }
    line += line === '' ? word : ` ${word}`;
  }
  say(style(line));
}

/** Draws a line over itself; `say` after `wipe` replaces it for good. */
export const redraw = (line) => stdout.write(`\r\x1b[2K${line}`);
export const wipe = () => stdout.write('\r\x1b[2K');

/** Draws lines over those that were drawn so before, or, with `again` false, below everything. */
export function redrawAll(lines, again = true) {
  const up = again ? `\x1b[${lines.length}A` : '';
  stdout.write(up + lines.map((line) => `\r\x1b[2K${line}\n`).join(''));
}

/** Green up to a tenth of a second, which nobody notices; red from half a second, which everybody does. */
export function mood(ms) {
  if (ms === undefined || ms < 100) return green;
  return ms < 500 ? yellow : red;
}

/** Milliseconds in at most seven characters. */
export function time(ms) {
  if (ms === undefined) return '-';
  return ms < 1000 ? `${ms.toFixed(0)} ms` : `${(ms / 1000).toFixed(2)} s`;
}

export const number = (count) => Math.round(count).toLocaleString('en-US');

/** A share of a whole; 100 % is all, and not nearly all. */
export const percent = (ratio) => `${(Math.floor(ratio * 1000) / 10).toFixed(ratio === 1 ? 0 : 1)} %`;

const BARS = '▁▂▃▄▅▆▇█';

/** One bar for a latency, on a scale of equal ratios: 15 ms is the lowest, 2 s and more the highest. */
export function bar(ms) {
  const height = Math.log(Math.max(ms, 15) / 15) / Math.log(2000 / 15);
  return mood(ms)(BARS[Math.min(BARS.length - 1, Math.floor(height * BARS.length))]);
}

/** A cross for what mostly failed. */
export const cross = () => red('×');

/** Of calls upstream per request: one is green, two are yellow, three red. */
export function strain(perRequest) {
  if (perRequest < 1.5) return green;
  return perRequest < 2.5 ? yellow : red;
}

/** One bar for calls upstream per request: three is the highest. */
export function load(perRequest) {
  const height = Math.ceil((Math.min(perRequest, 3) / 3) * BARS.length);
  return strain(perRequest)(BARS[Math.max(0, height - 1)]);
}
