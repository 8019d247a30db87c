/**
 * The report: targets first, then every figure. `node report.mjs <file.jsonl>` writes it anew from raw figures.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { isMain } from '../../scripts/steps.mjs';
import { Figures, median } from './figures.mjs';
import { meanOf, workloads } from './means.mjs';
import { TARGETS } from './targets.mjs';

const NAMES = { node: 'Node', bun: 'Bun', node22: 'Node 22', node24: 'Node 24' };
const OURS = 'breakwater';

/** `machine` as machine.mjs describes it, `rows` as run.mjs collects them; answers Markdown. */
export function report(machine, rows) {
  const figures = new Figures(rows);
  const runtimes = Object.keys(machine.runtimes);
  const parts = [
    heading(machine, figures),
    targets(figures, runtimes),
    floor(figures, runtimes),
    ...[
      'bucket',
      'limiter',
      'express',
      'breaker',
      'bulkhead',
      'pipeline',
      'policies',
      'queue',
      'cache',
      'shedder',
      'schema',
    ].map((word) => calls(figures, runtimes, word)),
    means(figures, runtimes),
    table(figures, runtimes, '### The first schema that a process compiles', /^schema\/compile/, [
      ['ms', 'firstMs', 2],
    ]),
    bare(figures, runtimes),
    failing(figures, runtimes),
    table(figures, runtimes, '## Memory', /^memory\/rss/, [
      ['resident bytes a key', 'rssPerKey', 1],
      ['heap bytes a key', 'heapPerKey', 1],
      ['keys known', 'knownShare', '%'],
    ]),
    table(figures, runtimes, '### A million cached entries of 1 KB', /^memory\/cache/, [
      ['resident bytes an entry beyond key and value', 'rssPerEntryBeyond', 1],
      ['longest 100 calls, ms', 'longest100CallsMs', 1],
      ['longest collection, ms', 'longestGcMs', 1],
    ]),
    table(figures, runtimes, '### A million queued messages of 1 KB', /^memory\/queued/, [
      ['resident bytes a message', 'rssPerMessage', 0],
      ['when they are popped', 'rssAfterPerMessage', 0],
      ['longest collection, ms', 'longestGcMs', 1],
    ]),
    table(figures, runtimes, '## The longest call of a million first calls', /^stall\//, [
      ['longest, ms', 'longestMs', 3],
      ['at call', 'atCall', 0],
      ['calls over 1 ms', 'callsOver1Ms', 0],
      ['over 100 µs', 'callsOver100Us', 0],
    ]),
    table(figures, runtimes, '## A timer of 1 ms while documents of 1 MB are validated', /^beside\//, [
      ['late, p99, ms', 'lateP99Ms', 2],
      ['late, p50, ms', 'lateP50Ms', 2],
      ['documents a second', 'documentsPerSecond', 0],
    ]),
    table(figures, runtimes, '## NDJSON', /^lines\//, [
      ['MB a second', 'mbPerSecond', 0],
      ['ns a line', 'nsPerLine', 0],
    ]),
    threads(figures, runtimes, machine),
    table(figures, runtimes, '## More live keys than maxKeys', /^whenfull\/.*\/(?:max|twice)/, [
      ['admitted, of the exact total', 'admittedToExact', '%'],
      ['keys granted too much', 'keysOver', '%'],
      ['keys granted too little', 'keysShort', '%'],
    ]),
    table(figures, runtimes, '### A flood of keys that come once', /^whenfull\/.*\/flood/, [
      ['greedy, of the exact total', 'greedyToExact', '%'],
      ['honest calls refused', 'honestRefused', '%'],
      ['flood calls refused', 'onceRefused', '%'],
    ]),
    table(figures, runtimes, '## An idle process that measures and watches its loop', /^monitor\//, [
      ['CPU, ms of each second', 'cpuMsPerSecond', 2],
      ['watchdog, of a core', 'watchdogShare', '%'],
    ]),
    unable(rows),
    failures(rows),
  ];
  return `${parts.filter(Boolean).join('\n\n')}\n`;
}

function heading(machine, figures) {
  const versions = Object.entries(machine.runtimes).map(
    ([name, version]) => `${NAMES[name].split(' ')[0]} ${version}`,
  );
  const peers = Object.entries(machine.peers).map(([name, version]) => `${name} ${version}`);
  const spreads = figures.spreads().sort((a, b) => a - b);
  const shares = figures.all('cpuShare');
  const starved = shares.filter((share) => share < 0.9).length;
  const noise =
    spreads.length === 0
      ? ''
      : `\n\nNoise: the slowest repetition of a row took ${fixed(median(spreads), 2)} times the fastest (median over rows; ` +
        `${fixed(spreads[Math.floor(spreads.length * 0.9)], 2)} for the tenth of the rows that varied most); ${Math.round((starved / shares.length) * 100)} % of the processes got less than 90 % of their CPU.`;
  return `# Benches of ${machine.date}

${machine.cpus} × ${machine.cpu}, ${machine.memoryGb} GB, ${machine.system}${machine.pinned ? ', each process on one CPU' : ''}. ${versions.join(', ')}.
breakwater ${machine.breakwater}. Beside it: ${peers.join(', ')}.

[docs/benchmarks.md](../../docs/benchmarks.md) says what each row does. Figures are nanoseconds for one call: the median over the
repetitions, and the best repetition. "×" is how many times as fast breakwater is as that row, within a repetition, then the median;
below 1, in bold, breakwater is the slower one.${machine.quick ? QUICK : ''}${noise}`;
}

function targets(figures, runtimes) {
  const isMeasured = ({ bench, mean }) =>
    mean === undefined ? figures.benches().includes(bench) : workloads(figures, mean).all.length > 0;
  const rows = TARGETS.filter(isMeasured).map((target) => {
    const { bench, against, row, than, peers, mean, least, figure } = target;
    const cells = runtimes.map((runtime) => judge(figures, target, runtime));
    if (mean !== undefined) {
      const said = least ? 'the workload that gains least' : 'geometric mean';
      return [`\`${mean}\`, ${said}, against ${against[0]}`, ...cells];
    }
    const what = `\`${bench}\`${row ? ` (${row.replace(`${OURS}, `, '')})` : ''}`;
    if (than !== undefined) return [`${what} next to \`${than}\``, ...cells];
    if (against === undefined) return [what, ...cells];
    const by = figure === undefined ? '' : `, ${figure},`;
    return [
      `${what}${by} against ${peers ?? (against.length > 1 ? 'the fastest peer' : against[0])}`,
      ...cells,
    ];
  });
  if (rows.length === 0) return '';
  return `## Targets\n\n${markdown(['target', ...runtimes.map((name) => NAMES[name])], rows)}`;
}

const QUICK = '\n\nA quick run: it shows that everything runs. Its figures mean nothing.';

/** What was measured, what was wanted, and whether the one reaches the other. */
function judge(figures, target, runtime) {
  const { bench, row = OURS, against, times, than, figure, unit, atMost, atLeast, mean } = target;
  if (mean !== undefined) return judgeMean(figures, target, runtime);
  if (against !== undefined) {
    // A further Node is held to the figure for Node.
    const wanted = times[runtime] ?? times.node;
    const got = figures.times(bench, row, against, runtime, figure);
    if (got === undefined) return '–';
    return `${fixed(got, 2)}×, wanted ${fixed(wanted, 2).replace(/\.?0+$/, '')}×: ${verdict(got >= wanted)}`;
  }
  if (than !== undefined) {
    const got = figures.multiple(bench, than, row, runtime);
    if (got === undefined) return '–';
    return `${fixed(got, 2)}×, wanted at most ${atMost}×: ${verdict(got <= atMost)}`;
  }
  const got = figures.median(bench, row, runtime, figure);
  if (got === undefined) return '–';
  const met = got <= (atMost ?? Infinity) && got >= (atLeast ?? -Infinity);
  const wanted = atMost === undefined ? `at least ${atLeast}` : `at most ${atMost}`;
  return `${Number(got.toPrecision(4))} ${unit}, wanted ${wanted}: ${verdict(met)}`;
}

function judgeMean(figures, { mean, least, against, times }, runtime) {
  const got = meanOf(figures, mean, workloads(figures, mean).all, [OURS, against], runtime);
  if (got === undefined) return '–';
  const value = least ? got.least.times : got.mean;
  const said = `${fixed(value, 2)}× (${least ? got.least.name : `of ${got.count}`})`;
  const wanted = runtime in times ? times[runtime] : times.node;
  return wanted === undefined ? said : `${said}, wanted ${wanted}×: ${verdict(value >= wanted)}`;
}

/** What is called, with nothing around it. */
const BARE = 'bare await fn()';

const isOurs = (contestant) => contestant.startsWith(OURS);

/** Not one of the rows that only take a row of ours or of the harness apart. */
const isPeer = (contestant) => !isOurs(contestant) && contestant !== 'the key alone' && contestant !== BARE;

const verdict = (met) => (met ? 'met' : '**not met**');

/** The floor itself, the clock by difference, and our calls as multiples of the floor. */
function floor(figures, runtimes) {
  const benches = figures.benches(/^floor\//);
  if (benches.length === 0) return '';
  const ns = (bench, contestant, runtime) => figures.median(bench, contestant, runtime, 'ns');
  const rows = benches.flatMap((bench) =>
    figures
      .contestants(bench)
      .map((contestant) => [
        contestant,
        ...runtimes.map((runtime) => fixed(ns(bench, contestant, runtime), 1)),
      ]),
  );
  const clock = (runtime) =>
    ns('floor/clock/read', 'bound native function, clock read', runtime) -
    ns('floor/clock/read', 'bound native function, no clock read', runtime);
  rows.push([
    'one clock read, native (the difference)',
    ...runtimes.map((runtime) => fixed(clock(runtime), 1)),
  ]);

  const empty = (runtime) => ns('floor/call/empty', 'bound native function, empty', runtime);
  const ours = figures
    .benches(/^(?:bucket|limiter|express|breaker\/tryAcquire)\//)
    .map((bench) => [
      `\`${bench}\``,
      ...runtimes.map((runtime) => `${fixed(ns(bench, OURS, runtime) / empty(runtime), 1)}×`),
    ]);
  const names = runtimes.map((name) => NAMES[name]);
  const multiples =
    ours.length === 0
      ? ''
      : `\n\nbreakwater's calls as multiples of the empty bound native function:\n\n${markdown(['bench', ...names], ours)}`;
  return `## The floor, ns\n\n${markdown(['', ...names], rows)}${multiples}`;
}

function calls(figures, runtimes, word) {
  const benches = figures.benches(new RegExp(`^${word}/`));
  if (benches.length === 0) return '';
  const columns = runtimes.flatMap((name) => [NAMES[name], 'best', 'CPU', '×']);
  const rows = benches.flatMap((bench) =>
    figures
      .contestants(bench)
      .map((contestant, index) => [
        index === 0 ? `\`${bench}\`` : '',
        contestant,
        ...runtimes.flatMap((runtime) => [
          nanos(figures.median(bench, contestant, runtime, 'ns')),
          nanos(figures.least(bench, contestant, runtime, 'ns')),
          nanos(figures.median(bench, contestant, runtime, 'cpuNs')),
          isPeer(contestant) ? times(figures.times(bench, OURS, [contestant], runtime)) : '',
        ]),
      ]),
  );
  return `## ${word}\n\n${markdown(['bench', '', ...columns], rows)}`;
}

/** Of the operations with many workloads: ours beside each peer, by geometric mean, with the extremes. */
function means(figures, runtimes) {
  const operations = ['validate', 'parse', 'open', 'compile'].map((name) => `schema/${name}`);
  const rows = operations.flatMap((operation) => {
    const names = workloads(figures, operation);
    const peers = new Set(names.all.flatMap((name) => figures.contestants(`${operation}/${name}`)));
    return ['real', 'own']
      .filter((kind) => names[kind].length > 0)
      .flatMap((kind) =>
        [...peers].filter(isPeer).map((peer) => [
          `\`${operation}\``,
          `${names[kind].length} ${kind}`,
          peer,
          ...runtimes.flatMap((runtime) => {
            const got = meanOf(figures, operation, names[kind], [OURS, [peer]], runtime);
            if (got === undefined) return ['–', '–', '–'];
            const extreme = ({ name, times: value }) => `${times(value)} ${name}`;
            return [times(got.mean), extreme(got.least), extreme(got.most)];
          }),
        ]),
      );
  });
  if (rows.length === 0) return '';
  const columns = runtimes.flatMap((name) => [NAMES[name], 'least', 'most']);
  const title = '### Geometric means over the schemas, how many times as fast breakwater is';
  return `${title}\n\n${markdown(['bench', 'schemas', 'beside', ...columns], rows)}`;
}

/** What ours costs as multiples of the call that it is around. */
function bare(figures, runtimes) {
  const rows = figures.benches().flatMap((bench) => {
    const contestants = figures.contestants(bench);
    if (!contestants.includes(BARE)) return [];
    return contestants
      .filter(isOurs)
      .map((contestant) => [
        `\`${bench}\``,
        contestant,
        ...runtimes.map((runtime) => `${fixed(figures.times(bench, BARE, [contestant], runtime), 1)}×`),
      ]);
  });
  if (rows.length === 0) return '';
  const names = runtimes.map((name) => NAMES[name]);
  return `### As multiples of the bare call\n\n${markdown(['bench', '', ...names], rows)}`;
}

/** What a call that fails costs, next to one that succeeds. */
function failing(figures, runtimes) {
  const rows = figures.benches(/\/failing-/).flatMap((bench) => {
    const than = bench.replace(/failing-.*/, 'closed');
    return figures
      .contestants(bench)
      .filter((contestant) => figures.contestants(than).includes(contestant))
      .map((contestant) => [
        `\`${bench}\``,
        contestant,
        ...runtimes.map((runtime) => `${fixed(figures.multiple(bench, than, contestant, runtime), 2)}×`),
      ]);
  });
  if (rows.length === 0) return '';
  const names = runtimes.map((name) => NAMES[name]);
  return `### A call that fails, next to one that succeeds\n\n${markdown(['bench', '', ...names], rows)}`;
}

/** Figures of any kind: `columns` are `[title, figure, digits or '%']`. */
function table(figures, runtimes, title, pattern, columns) {
  const benches = figures.benches(pattern);
  if (benches.length === 0) return '';
  const header = [
    'bench',
    '',
    ...runtimes.flatMap((name) => columns.map(([said]) => `${NAMES[name]}: ${said}`)),
  ];
  const rows = benches.flatMap((bench) =>
    figures.contestants(bench).map((contestant, index) => [
      index === 0 ? `\`${bench}\`` : '',
      contestant,
      ...runtimes.flatMap((runtime) =>
        columns.map(([, figure, digits]) => {
          const value = figures.median(bench, contestant, runtime, figure);
          if (value === undefined) return '–';
          return digits === '%' ? `${fixed(value * 100, 2)} %` : fixed(value, digits);
        }),
      ),
    ]),
  );
  return `${title}\n\n${markdown(header, rows)}`;
}

function threads(figures, runtimes, { cpus }) {
  const benches = figures.benches(/^threads\/(?!granted)/);
  if (benches.length === 0) return '';
  const rows = benches.map((bench) => {
    const [contestant] = figures.contestants(bench);
    const alone = bench.replace(/\d+$/, '1');
    return [
      `\`${bench}\``,
      contestant,
      ...runtimes.flatMap((runtime) => {
        const rate = figures.median(bench, contestant, runtime, 'callsPerSecond');
        const one = figures.median(alone, contestant, runtime, 'callsPerSecond');
        return [fixed(rate / 1e6, 2), `${fixed(rate / one, 2)}×`];
      }),
    ];
  });
  const columns = runtimes.flatMap((name) => [`${NAMES[name]}: million calls a second`, 'of one thread']);
  const granted = table(
    figures,
    runtimes,
    '### What four threads are granted for a limit of 100',
    /^threads\/granted/,
    [['granted', 'granted', 0]],
  );
  return [`## Threads, on ${cpus} CPUs\n\n${markdown(['bench', '', ...columns], rows)}`, granted]
    .filter(Boolean)
    .join('\n\n');
}

/** Who has no figures, as what it measures is beyond it. */
function unable(rows) {
  const unable = rows.filter(({ cannot }) => cannot !== undefined);
  if (unable.length === 0) return '';
  const lines = unable.map(
    ({ bench, contestant, runtime, cannot }) => `- \`${bench}\`, ${contestant}, ${NAMES[runtime]}: ${cannot}`,
  );
  return `## Left out\n\n${[...new Set(lines)].join('\n')}`;
}

function failures(rows) {
  const failed = rows.filter(({ error }) => error !== undefined);
  if (failed.length === 0) return '';
  const lines = failed.map(
    ({ bench, contestant, runtime, error }) => `- ${bench}, ${contestant}, ${NAMES[runtime]}: ${error}`,
  );
  return `## What failed\n\n${[...new Set(lines)].join('\n')}`;
}

function markdown(header, rows) {
  const line = (cells) => `| ${cells.join(' | ')} |`;
  const isText = (index) => rows.every((cells) => !/^[*\d–-]/.test(cells[index] ?? ''));
  const rule = header.map((_, index) => (index === 0 || isText(index) ? '---' : '--:'));
  return [line(header), `|${rule.join('|')}|`, ...rows.map(line)].join('\n');
}

const fixed = (value, digits) => (Number.isFinite(value) ? value.toFixed(digits) : '–');

/** Three digits of nanoseconds. */
function nanos(value) {
  if (!Number.isFinite(value)) return '–';
  return value >= 100 ? value.toFixed(0) : value.toFixed(1);
}

function times(value) {
  if (!Number.isFinite(value)) return '–';
  return value < 1 ? `**${fixed(value, 2)}×**` : `${fixed(value, 2)}×`;
}

if (isMain(import.meta.url)) {
  const [, , file] = process.argv;
  const [{ machine }, ...rows] = readFileSync(file, 'utf8')
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line));
  writeFileSync(file.replace(/\.jsonl$/, '.md'), report(machine, rows));
}
