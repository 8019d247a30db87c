/**
 * The only importer of the native binding. Nothing is loaded on import: the first constructor calls `load()`.
 *
 * Which file it is, in this order:
 * 1. the path in the environment variable BREAKWATER_NATIVE_PATH, and nothing else when that is set;
 * 2. the file that another copy of this package has loaded in this process, when its ABI is ours: a name means one state
 *    in the whole process, and that state lives in the binary;
 * 3. `npm/<platform>/breakwater.node` beside `dist/`: a checkout of the repository;
 * 4. the package `breakwater-<platform>`, an optional dependency of this one.
 */
import { existsSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join, resolve } from 'node:path';
import { getEnvironmentData, setEnvironmentData } from 'node:worker_threads';
import type { Native } from './binding.js';
import { NativeBindingError } from './errors.js';
import { type Attempt, explain } from './native-help.js';

/** The number of the contract between lib/ and the binary. Both sides carry it; a change of binding.ts raises both. */
const ABI = 8;

let loaded: Native | undefined;

/**
 * The binding: loaded at the first call, the same object from then on.
 * @throws {NativeBindingError} when no binary for this machine can be loaded. The next call tries again.
 */
export function load(): Native {
  loaded ??= find();
  return loaded;
}

function find(): Native {
  const maps = readMaps();
  const platform = platformKey(maps);
  const attempts: Attempt[] = [];

  const forced = process.env['BREAKWATER_NATIVE_PATH'];
  if (forced) {
    const native = tryFile(attempts, resolve(forced));
    if (native === undefined) throw failure(platform, attempts);
    publish({ abi: ABI, path: resolve(forced), warned: false });
    return native;
  }

  const others = otherCopies(maps);
  for (const { path, abi } of others) {
    const native = abi === undefined || abi === ABI ? tryFile(attempts, path) : undefined;
    if (native === undefined) continue;
    if (published() === undefined) publish({ abi: ABI, path, warned: false });
    return native;
  }

  const own = ownCopy(platform, attempts);
  if (own === undefined) throw failure(platform, attempts);
  if (others[0] !== undefined) warnOfTwo(others[0].path, own.path ?? 'one in a bundle');
  if (published() === undefined && own.path !== undefined) {
    publish({ abi: ABI, path: own.path, warned: others.length > 0 });
  }
  return own.native;
}

/**
 * This copy's own binary: the checkout's if there is one, else the platform package's. There is no path inside a bundle,
 * and nothing to publish: a bundle holds one copy.
 */
function ownCopy(
  platform: string,
  attempts: Attempt[],
): { native: Native; path: string | undefined } | undefined {
  const path = join(__dirname, '..', 'npm', platform, 'breakwater.node');
  if (existsSync(path)) {
    const native = tryFile(attempts, path);
    return native && { native, path };
  }
  attempts.push({ where: path, error: undefined });
  const native = tryPackage(attempts, platform);
  const resolved = () => createRequire(__filename).resolve(`breakwater-${platform}`);
  return native && { native, path: quiet(resolved) };
}

/** Loads the file; a failure, a foreign ABI included, goes to `attempts`. */
function tryFile(attempts: Attempt[], path: string): Native | undefined {
  try {
    return ofOurAbi(attempts, path, createRequire(__filename)(path));
  } catch (error) {
    attempts.push({ where: path, error });
    return undefined;
  }
}

/**
 * The same for the platform package. The requires are literal, so that bundlers and `bun build --compile` see them, and
 * stand in this `try`, which is how bundlers know that all but one of them may fail.
 */
function tryPackage(attempts: Attempt[], platform: string): Native | undefined {
  const where = `breakwater-${platform}`;
  try {
    switch (platform) {
      case 'linux-x64-gnu':
        return ofOurAbi(attempts, where, require('breakwater-linux-x64-gnu'));
      case 'linux-arm64-gnu':
        return ofOurAbi(attempts, where, require('breakwater-linux-arm64-gnu'));
      case 'linux-x64-musl':
        return ofOurAbi(attempts, where, require('breakwater-linux-x64-musl'));
      case 'linux-arm64-musl':
        return ofOurAbi(attempts, where, require('breakwater-linux-arm64-musl'));
      case 'darwin-x64':
        return ofOurAbi(attempts, where, require('breakwater-darwin-x64'));
      case 'darwin-arm64':
        return ofOurAbi(attempts, where, require('breakwater-darwin-arm64'));
      case 'win32-x64-msvc':
        return ofOurAbi(attempts, where, require('breakwater-win32-x64-msvc'));
      case 'win32-arm64-msvc':
        return ofOurAbi(attempts, where, require('breakwater-win32-arm64-msvc'));
      default:
        attempts.push({ where, error: undefined });
    }
  } catch (error) {
    attempts.push({ where, error });
  }
  return undefined;
}

function ofOurAbi(attempts: Attempt[], where: string, exported: unknown): Native | undefined {
  const { ABI: got } = exported as { ABI: unknown };
  if (got === ABI) return exported as Native;
  attempts.push({ where, error: undefined, abi: { expected: ABI, got } });
  return undefined;
}

function failure(platform: string, attempts: readonly Attempt[]): NativeBindingError {
  const { message, cause } = explain(platform, attempts);
  return new NativeBindingError(message, { kind: 'binding', cause });
}

/** The last part of the platform package's name, such as `linux-x64-gnu`. */
function platformKey(maps: string): string {
  const { platform, arch } = process;
  if (platform === 'win32') return `${platform}-${arch}-msvc`;
  return platform === 'linux'
    ? `${platform}-${arch}-${isMusl(maps) ? 'musl' : 'gnu'}`
    : `${platform}-${arch}`;
}

/** Whether this process runs on musl: then musl's loader is in its memory map, and its report names no glibc. */
function isMusl(maps: string): boolean {
  if (maps !== '') return maps.includes('/ld-musl-');
  const report = quiet(() => process.report.getReport()) as
    | { header?: { glibcVersionRuntime?: string } }
    | undefined;
  return report?.header !== undefined && report.header.glibcVersionRuntime === undefined;
}

/** The memory map of this process, which names the files loaded into it; '' where there is none to read. */
function readMaps(): string {
  return process.platform === 'linux' ? (quiet(() => readFileSync('/proc/self/maps', 'utf8')) ?? '') : '';
}

/** What the first copy to load tells the others. */
interface Published {
  readonly abi: number;
  readonly path: string;
  /** Somebody has said already that this process has two ABIs. */
  readonly warned: boolean;
}

const KEY = 'breakwater.native';
const here = globalThis as { [key: symbol]: Published | undefined };

/** What was published in this thread, or in the thread that started it before it did. */
function published(): Published | undefined {
  return here[Symbol.for(KEY)] ?? (getEnvironmentData(KEY) as unknown as Published | undefined);
}

function publish(what: Published): void {
  here[Symbol.for(KEY)] = what;
  setEnvironmentData(KEY, { ...what });
}

/**
 * The binaries that this process has loaded already. What a thread publishes reaches itself and the workers it starts
 * later; on Linux the memory map shows the rest, so only elsewhere can sibling threads with two copies miss each other.
 */
function otherCopies(maps: string): { path: string; abi: number | undefined }[] {
  const first = published();
  if (first !== undefined) return [first];
  const mapped = maps.match(/\/[^\n]*\/breakwater\.node$/gm) ?? [];
  return [...new Set(mapped)].map((path) => ({ path, abi: undefined }));
}

function warnOfTwo(first: string, own: string): void {
  const record = published();
  if (record?.warned) return;
  if (record !== undefined) publish({ ...record, warned: true });
  process.emitWarning(
    `This process runs two copies of breakwater that cannot share named state: ${first} and ${own}. ` +
      'Install one version of it, so that a name means one state.',
    { type: 'BreakwaterWarning', code: 'BREAKWATER_TWO_COPIES' },
  );
}

function quiet<T>(ask: () => T): T | undefined {
  try {
    return ask();
  } catch {
    return undefined;
  }
}
