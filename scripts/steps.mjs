/** Where things are, running a command, and hashing inputs. Only what Node and Bun bring: setup runs before node_modules is there. */
import { spawn, spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { delimiter, dirname, join, relative, resolve, sep } from 'node:path';
import { fileURLToPath } from 'node:url';

export const ROOT = resolve(dirname(fileURLToPath(import.meta.url)), '..');
/** Cargo's output, and everything the scripts make that is not shipped. */
export const TARGET = resolve(ROOT, process.env['CARGO_TARGET_DIR'] ?? 'target');

/** The package.json of the root, read anew. */
export function manifest() {
  return JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8'));
}

/** Says one line about what is being done. */
export function say(line) {
  console.log(`breakwater: ${line}`);
}

export function seconds(sinceMs) {
  return `${((performance.now() - sinceMs) / 1000).toFixed(1)} s`;
}

/** Runs `work`, then says what it cost. */
export async function timed(title, work) {
  const start = performance.now();
  say(`${title} …`);
  const result = await work();
  say(`${title}: ${seconds(start)}`);
  return result;
}

/** The Node that runs this script; the one in PATH when Bun runs it. */
export function nodePath() {
  return process.versions.bun === undefined ? process.execPath : (which('node') ?? 'node');
}

/** The path of a command in PATH, or undefined. */
export function which(command) {
  const endings = process.platform === 'win32' ? ['.exe', '.cmd', ''] : [''];
  for (const folder of (process.env['PATH'] ?? '').split(delimiter)) {
    for (const ending of endings) {
      const path = join(folder, command + ending);
      if (folder && existsSync(path) && statSync(path).isFile()) return path;
    }
  }
  return undefined;
}

/** A command that failed: the message is all there is to say, so no stack is printed for it. */
export class StepError extends Error {}

/** Runs a command in the repository with its output going to ours. Throws StepError unless it exits with 0. */
export function run(command, args, { env = {}, cwd = ROOT } = {}) {
  const shell = process.platform === 'win32' && !command.endsWith('.exe');
  const { status, signal, error } = spawnSync(command, args, {
    cwd,
    env: { ...process.env, ...env },
    shell,
    stdio: ['ignore', 'inherit', 'inherit'],
  });
  if (error) throw new StepError(`cannot run ${command}: ${error.message}`);
  if (status !== 0) throw new StepError(`${[command, ...args].join(' ')} ended with ${signal ?? status}`);
}

/**
 * Runs a command and collects what it prints. `live` also passes it on. After `timeoutMs` the process is killed.
 * Resolves with the exit status (null when killed) and the output, both streams in order of arrival.
 */
export function capture(command, args, { env = {}, cwd = ROOT, live = false, timeoutMs = 0 } = {}) {
  return new Promise((settle, fail) => {
    const child = spawn(command, args, {
      cwd,
      env: { ...process.env, ...env },
      stdio: ['ignore', 'pipe', 'pipe'],
      timeout: timeoutMs,
      killSignal: 'SIGKILL',
    });
    let output = '';
    const take = (chunk) => {
      output += chunk;
      if (live) process.stdout.write(chunk);
    };
    for (const stream of [child.stdout, child.stderr]) stream.setEncoding('utf8').on('data', take);
    child.on('error', fail);
    child.on('close', (status, signal) => settle({ status, signal, output }));
  });
}

/** All files below `folder` (relative to the root, `/` between names), sorted; [] when there is no such folder. */
export function filesBelow(folder, keep = () => true) {
  const base = join(ROOT, folder);
  if (!existsSync(base)) return [];
  const files = [];
  const walk = (path) => {
    for (const entry of readdirSync(path, { withFileTypes: true })) {
      const child = join(path, entry.name);
      const name = relative(ROOT, child).split(sep).join('/');
      if (entry.isDirectory()) {
        if (entry.name !== 'node_modules' && entry.name !== 'target') walk(child);
      } else if (keep(name)) files.push(name);
    }
  };
  walk(base);
  return files.sort();
}

/** One hash over the names and contents of files (relative to the root) and over further words. */
export function hashOf(files, ...words) {
  const hash = createHash('sha256');
  for (const word of words) hash.update(`${word}\0`);
  for (const file of files) {
    const path = join(ROOT, file);
    hash.update(`${file}\0`);
    hash.update(existsSync(path) ? readFileSync(path) : 'absent');
    hash.update('\0');
  }
  return hash.digest('hex');
}

const stampPath = (name) => join(TARGET, 'stamps', name);

/** Whether `name` was last made from inputs of this hash. */
export function isStamped(name, hash) {
  const path = stampPath(name);
  return existsSync(path) && readFileSync(path, 'utf8') === hash;
}

export function stamp(name, hash) {
  writeWhole(stampPath(name), hash);
}

/** Writes a file so that a reader sees the old or the new content, never half of one. */
export function writeWhole(path, content) {
  mkdirSync(dirname(path), { recursive: true });
  const draft = `${path}.${process.pid}`;
  writeFileSync(draft, content);
  renameSync(draft, path);
}

/** Runs a script's main function: a StepError is printed as a line, anything else with its stack. */
export async function main(work) {
  try {
    await work();
  } catch (error) {
    console.error(error instanceof StepError ? `breakwater: ${error.message}` : error);
    process.exitCode = 1;
  }
}

/** Whether this module is the script that was started. */
export function isMain(url) {
  return process.argv[1] !== undefined && resolve(process.argv[1]) === fileURLToPath(url);
}
