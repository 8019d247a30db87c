/** What the benches run on: the machine, the versions, the runtimes, and pinning to one CPU. */
import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { availableParallelism, cpus, release, totalmem } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { manifest, nodePath, ROOT, StepError, which } from '../../scripts/steps.mjs';

const HERE = dirname(fileURLToPath(import.meta.url));

/** The runtimes of these names: `[{ name, path, version }]`. */
export function findRuntimes(names) {
  return names.map((name) => {
    const path = pathOf(name);
    if (path === undefined) throw new StepError(`the runtime ${name} was not found`);
    return { name, path, version: said(path, ['--version']).replace(/^v/, '') };
  });
}

/** Bun comes with the devDependencies, further Node versions with `npm run ready`. */
function pathOf(name) {
  if (name === 'node') return nodePath();
  const inTree = {
    bun: 'node_modules/bun/bin/bun.exe',
    node22: 'scripts/runtimes/node_modules/node22/bin/node',
    node24: 'scripts/runtimes/node_modules/node24/bin/node',
  }[name];
  const paths = [inTree && join(ROOT, inTree), name === 'bun' ? which('bun') : undefined];
  return paths.find((path) => path !== undefined && existsSync(path));
}

/** What goes before a command to keep it on the last CPU; nothing where there is one CPU, or no taskset. */
export function pinning() {
  const count = availableParallelism();
  return count > 1 && which('taskset') !== undefined ? ['taskset', '-c', String(count - 1)] : [];
}

/** Everything a reader has to know of where the figures come from. */
export function describeMachine(runtimes) {
  return {
    date: new Date().toISOString().slice(0, 10),
    cpu: cpuName(),
    cpus: availableParallelism(),
    memoryGb: Math.round(totalmem() / 1e9),
    system: `${process.platform} ${release()}`,
    pinned: pinning().length > 0,
    breakwater: `${manifest().version}${commit()}`,
    runtimes: Object.fromEntries(runtimes.map(({ name, version }) => [name, version])),
    peers: peerVersions(),
  };
}

/** The CPU as file names can say it. */
export function slug({ cpu, cpus: count }) {
  const model = cpu.replace(/\(.*?\)/g, '').toLowerCase();
  return `${model.match(/[a-z0-9]+/g).join('-')}-${count}-cpus`;
}

/** The model; hypervisors often hide it, and then family and model number tell more. */
function cpuName() {
  const { model = 'unknown' } = cpus()[0] ?? {};
  if (!existsSync('/proc/cpuinfo')) return model;
  const info = readFileSync('/proc/cpuinfo', 'utf8');
  const field = (name) => new RegExp(`^${name}\\s*: (\\d+)$`, 'm').exec(info)?.[1];
  const [family, number] = [field('cpu family'), field('model')];
  return family === undefined ? model : `${model} (family ${family}, model ${number})`;
}

function commit() {
  try {
    const head = said('git', ['rev-parse', '--short', 'HEAD']);
    const changed = said('git', ['status', '--porcelain', '--', 'crates', 'lib']) !== '';
    return ` at ${head}${changed ? ' with changes' : ''}`;
  } catch {
    return '';
  }
}

function peerVersions() {
  const { dependencies } = JSON.parse(readFileSync(join(HERE, 'package.json'), 'utf8'));
  return dependencies;
}

function said(command, args) {
  return execFileSync(command, args, {
    cwd: ROOT,
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'ignore'],
  }).trim();
}
