/** Hit ratios over the size of the cache, as an SVG that reads on light and on dark pages alike. */

/** Colors that stand out from white and from black. */
const TEXT = '#7d8590';
const GRID = `stroke="${TEXT}" stroke-opacity="0.25"`;
const LINES = [
  { title: 'optimum', of: (row) => row.optimum, color: '#7d8590', dash: '2 3' },
  { title: 'S3-FIFO', of: (row) => row.s3fifo.ours, color: '#2f81f7', dash: 'none' },
  { title: 'W-TinyLFU', of: (row) => row.wtinylfu.ours, color: '#d29922', dash: '8 3' },
  { title: 'LRU', of: (row) => row.lru.ours, color: '#e5534b', dash: '4 2' },
];

/** Entries from one end of the axis to the other. */
const FROM = 100;
const TO = 10_000;
const TICKS = [100, 1_000, 10_000];

const WIDTH = 280;
const HEIGHT = 240;
const LEFT = 48;
const GAP = 60;
const TOP = 64;
const BOTTOM = 46;

const text = (x, y, words, more = '') =>
  `<text x="${x.toFixed(1)}" y="${y.toFixed(1)}" fill="${TEXT}" ${more}>${words}</text>`;
const line = (x1, y1, x2, y2, more) =>
  `<line x1="${x1.toFixed(1)}" y1="${y1.toFixed(1)}" x2="${x2.toFixed(1)}" y2="${y2.toFixed(1)}" ${more}/>`;

/** One panel for each workload: `{ name, rows }`. */
export function draw(workloads) {
  const width = LEFT + workloads.length * (WIDTH + GAP) - GAP / 2;
  const height = TOP + HEIGHT + BOTTOM;
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" width="${width}" height="${height}" font-family="system-ui, sans-serif" font-size="12" role="img">`,
    `<title>Hit ratio over the entries a cache has room for, on ${workloads.map(({ name }) => name).join(', ')}</title>`,
    legend(),
    ...workloads.map(({ name, rows }, nth) => panel(LEFT + nth * (WIDTH + GAP), name, rows)),
    '</svg>\n',
  ].join('\n');
}

function legend() {
  const entries = LINES.map(({ title, color, dash }, nth) => {
    const x = LEFT + nth * 110;
    const stroke = `stroke="${color}" stroke-width="2" stroke-dasharray="${dash}"`;
    return line(x, 16, x + 26, 16, stroke) + text(x + 32, 20, title);
  });
  return entries.join('\n');
}

function panel(left, name, rows) {
  const shown = rows.filter(({ entries }) => entries >= FROM && entries <= TO);
  const ratios = shown.flatMap((row) => LINES.map(({ of }) => of(row)));
  const low = Math.floor(Math.min(...ratios) / 10) * 10;
  const high = Math.ceil(Math.max(...ratios) / 10) * 10;
  const x = (entries) => left + (Math.log(entries / FROM) / Math.log(TO / FROM)) * WIDTH;
  const y = (ratio) => TOP + ((high - ratio) / (high - low)) * HEIGHT;
  const parts = [text(left, TOP - 12, name, 'font-weight="600"')];
  for (let ratio = low; ratio <= high; ratio += 10) {
    parts.push(line(left, y(ratio), left + WIDTH, y(ratio), GRID));
    parts.push(text(left - 6, y(ratio) + 4, `${ratio} %`, 'text-anchor="end"'));
  }
  for (const entries of TICKS) {
    parts.push(line(x(entries), TOP, x(entries), TOP + HEIGHT, GRID));
    parts.push(text(x(entries), TOP + HEIGHT + 18, entries.toLocaleString('en'), 'text-anchor="middle"'));
  }
  parts.push(text(left + WIDTH / 2, TOP + HEIGHT + 36, 'entries', 'text-anchor="middle"'));
  for (const { of, color, dash } of LINES) {
    const points = shown.map((row) => `${x(row.entries).toFixed(1)},${y(of(row)).toFixed(1)}`);
    const stroke = `stroke="${color}" stroke-width="2" stroke-dasharray="${dash}"`;
    parts.push(`<polyline points="${points.join(' ')}" fill="none" stroke-linejoin="round" ${stroke}/>`);
  }
  return parts.join('\n');
}
