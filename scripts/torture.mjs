/**
 * The numbers that must hold, in full: every section of __tests__/torture on each runtime. Prints what it finds and writes it to
 * benches/results/torture-<date>.md. `npm test` runs the same scaled down.
 *
 *   --runtimes node,bun   which runtimes
 *   --only <text>         only the files with this in their name; writes no results
 */
import { readdirSync } from 'node:fs';
import { availableParallelism, cpus, release, totalmem } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { build } from './build.mjs';
import {
  capture,
  isMain,
  main,
  manifest,
  nodePath,
  ROOT,
  StepError,
  say,
  seconds,
  writeWhole,
} from './steps.mjs';

const RUNNER = './__tests__/torture/run.mjs';
/** A file that has not ended by then hangs: it is killed, which fails it. */
const FILE_TIMEOUT_MS = 1_200_000;

const PATHS = { node: nodePath(), bun: join(ROOT, 'node_modules/bun/bin/bun.exe') };

/** All sections on all runtimes: `[{ title, what, runs: [{ runtime, figures, seconds, error? }] }]`. */
export async function torture({ runtimes, only }) {
  const files = readdirSync(join(ROOT, '__tests__/torture')).filter(
    (file) => file !== 'run.mjs' && (only === undefined || file.includes(only)),
  );
  if (files.length === 0) throw new StepError(`no file in __tests__/torture has ${only} in its name`);
  const sections = new Map();
  for (const file of files) {
    for (const runtime of runtimes) {
      say(`${file} on ${runtime.label} …`);
      for (const { title, what, ...run } of await runFile(runtime, file)) {
        const section = sections.get(title) ?? { title, what, runs: [] };
        section.runs.push({ runtime: runtime.label, ...run });
        sections.set(title, section);
        print(runtime, title, run);
      }
    }
  }
  return [...sections.values()];
}

async function runFile({ path }, file) {
  const start = performance.now();
  const { status, signal, output } = await capture(path, [RUNNER, `./${file}`], {
    timeoutMs: FILE_TIMEOUT_MS,
  });
  const last = output.trimEnd().split('\n').at(-1) ?? '';
  if (status === 0 && last.startsWith('[')) return JSON.parse(last);
  const error = `ended with ${signal ?? status}\n${output.slice(-2_000)}`;
  return [
    {
      title: file,
      what: 'The process did not end well.',
      figures: [],
      error,
      seconds: (performance.now() - start) / 1_000,
    },
  ];
}

const passes = ({ figures, error }) => error === undefined && figures.every(({ holds }) => holds !== false);

function print({ label }, title, run) {
  say(`${passes(run) ? 'holds' : 'FAILS'}: ${title} on ${label} (${run.seconds.toFixed(1)} s)`);
  for (const { figure, value, must, holds } of run.figures) {
    console.log(
      `  ${holds === false ? 'FAILS ' : ''}${figure}: ${value}${must === undefined ? '' : ` (must be ${must})`}`,
    );
  }
  if (run.error !== undefined) console.log(run.error);
}

/** The results as a page. */
export function page(sections, date) {
  const lines = [
    `# What must hold, ${date}`,
    '',
    `breakwater ${manifest().version} on ${cpus()[0]?.model ?? 'an unknown processor'}, ${availableParallelism()} processors, ` +
      `${Math.round(totalmem() / 1e9)} GB, ${process.platform} ${release()}. Made by \`npm run torture\`.`,
  ];
  for (const { title, what, runs } of sections) {
    const held = runs.every(passes);
    lines.push('', `## ${title}: ${held ? 'pass' : 'FAIL'}`, '', what, '');
    lines.push(`| | ${runs.map(({ runtime }) => runtime).join(' | ')} | must be |`);
    lines.push(`|---|${runs.map(() => '---:|').join('')}---|`);
    const rows = Math.max(...runs.map(({ figures }) => figures.length));
    for (let row = 0; row < rows; row++) {
      const cells = runs.map(({ figures }) => cell(figures[row]));
      const { figure, must = '' } = runs.find(({ figures }) => figures[row])?.figures[row] ?? {};
      lines.push(`| ${figure} | ${cells.join(' | ')} | ${must} |`);
    }
    lines.push(`| seconds | ${runs.map(({ seconds }) => seconds.toFixed(1)).join(' | ')} | |`);
    for (const { runtime, error } of runs) {
      if (error !== undefined) lines.push('', `${runtime}:`, '```', error, '```');
    }
  }
  return `${lines.join('\n')}\n`;
}

const cell = (figure) =>
  figure === undefined ? '' : `${figure.holds === false ? '**FAIL** ' : ''}${figure.value}`;

async function findRuntimes(names) {
  return Promise.all(
    names.map(async (name) => {
      const path = PATHS[name];
      if (path === undefined)
        throw new StepError(`there is no runtime ${name}: ${Object.keys(PATHS).join(', ')}`);
      const version = (await capture(path, ['--version'])).output.trim().replace(/^v/, '');
      return { path, label: `${name === 'bun' ? 'Bun' : 'Node'} ${version}` };
    }),
  );
}

if (isMain(import.meta.url)) {
  await main(async () => {
    const start = performance.now();
    const { values } = parseArgs({
      options: { runtimes: { type: 'string', default: 'node,bun' }, only: { type: 'string' } },
    });
    await build();
    const sections = await torture({
      runtimes: await findRuntimes(values.runtimes.split(',')),
      only: values.only,
    });
    const failed = sections.filter(({ runs }) => !runs.every(passes));
    if (values.only === undefined) {
      const date = new Date().toISOString().slice(0, 10);
      const path = `benches/results/torture-${date}.md`;
      writeWhole(join(ROOT, path), page(sections, date));
      say(`written to ${path}`);
    }
    say(
      `torture: ${sections.length - failed.length} sections hold, ${failed.length} fail (${seconds(start)})`,
    );
    if (failed.length > 0) process.exitCode = 1;
  });
}
