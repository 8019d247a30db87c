/** The report of a run, in Markdown. */
import { basename } from 'node:path';
import { describeMachine } from '../peers/machine.mjs';

const TITLES = {
  lru: ['LRU', 'exact'],
  s3fifo: ['S3-FIFO', 'published'],
  wtinylfu: ['W-TinyLFU', 'exact counts'],
};

/** From here on a difference is set in bold. */
const NOTABLE = 0.5;

const count = (number) => number.toLocaleString('en');
const percent = (ratio) => (ratio === undefined ? '' : ratio.toFixed(2));

function difference(ours, other) {
  const points = (ours - other).toFixed(2).replace(/^-0\.00$/, '0.00');
  const text = points.startsWith('-') ? points.replace('-', '−') : `+${points}`.replace('+0.00', '0.00');
  return Math.abs(ours - other) > NOTABLE ? `**${text}**` : text;
}

function table(rows, lead, leadOf) {
  const isNamed = rows[0].lru.named !== undefined;
  const hasPeer = rows[0].lruCache !== undefined;
  const head = [
    ...lead,
    ...Object.values(TITLES).flatMap(([title, other]) => [
      title,
      ...(isNamed ? ['by name'] : []),
      other,
      'Δ',
    ]),
    ...(hasPeer ? ['lru-cache'] : []),
    'optimum',
  ];
  const lines = rows.map((row) => [
    ...leadOf(row),
    ...Object.keys(TITLES).flatMap((policy) => {
      const { ours, named, reference } = row[policy];
      return [
        percent(ours),
        ...(isNamed ? [percent(named)] : []),
        percent(reference),
        difference(ours, reference),
      ];
    }),
    ...(hasPeer ? [percent(row.lruCache)] : []),
    percent(row.optimum),
  ]);
  const rule = head.map((_, column) => (column < lead.length - 1 ? '---' : '--:'));
  return [head, rule, ...lines].map((cells) => `| ${cells.join(' | ')} |`).join('\n');
}

function recorded({ name, requests, keys, rows }) {
  const title = `## ${name}: ${count(requests)} requests for ${count(keys)} keys`;
  return `${title}\n\n${table(rows, ['entries'], ({ entries }) => [count(entries)])}\n`;
}

function madeUp(workloads) {
  const rows = workloads.flatMap(({ name, rows }) => rows.map((row) => ({ name, ...row })));
  const said = workloads.map(({ name, what, requests }) => `- ${name}: ${what}; ${count(requests)} requests`);
  const cells = ({ name, entries }) => [name, count(entries)];
  return `## Made up\n\n${table(rows, ['', 'entries'], cells)}\n\n${said.join('\n')}\n`;
}

/** `workloads` as `hit-ratios.mjs` has measured them; `args` is what it was told. */
export function report(workloads, args) {
  const machine = describeMachine([]);
  const runtime =
    process.versions.bun === undefined ? `Node ${process.versions.node}` : `Bun ${process.versions.bun}`;
  // Folders are of somebody's machine.
  const command = ['node benches/hit-ratios.mjs', ...args.map((arg) => basename(arg))].join(' ');
  const all = workloads.flatMap(({ rows }) => rows);
  const peer = all.some(({ lruCache }) => lruCache !== undefined)
    ? `lru-cache ${machine.peers['lru-cache']}`
    : '';
  const spread = Math.max(...all.map(({ wtinylfu }) => wtinylfu.spread));
  const made = workloads.filter(({ isRecorded }) => !isRecorded);
  return [
    `# Hit ratios of ${machine.date}`,
    `${machine.cpus} × ${machine.cpu}, ${machine.memoryGb} GB, ${machine.system}. ${runtime}. breakwater ${machine.breakwater}.${peer && ` Beside it: ${peer}.`}\nMade by \`${command}\`.`,
    `In percent of all requests, cold caches and compulsory misses included. [docs/benchmarks.md](../../docs/benchmarks.md#hit-ratios) says how they\nare taken and what the columns are. Δ is breakwater less the reference beside it, in points; in bold where that is more than ${NOTABLE}.\nW-TinyLFU is the mean of three runs, which differ by at most ${spread.toFixed(2)} points; by name it is one run.\nS3-FIFO differs from run to run by a hundredth at most, all else not at all.\n`,
    ...workloads.filter(({ isRecorded }) => isRecorded).map(recorded),
    ...(made.length > 0 ? [madeUp(made)] : []),
  ]
    .join('\n\n')
    .replace(/\n{3,}/g, '\n\n');
}
