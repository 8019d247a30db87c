/**
 * Makes a machine ready: npm packages, a Rust toolchain, a C linker, then the build. The npm scripts call it first; when
 * nothing has changed since, it calls no tool and says nothing.
 */
import { existsSync, readFileSync, statSync } from 'node:fs';
import { homedir } from 'node:os';
import { delimiter, join } from 'node:path';
import { build } from './build.mjs';
import { hashOf, isMain, isStamped, main, ROOT, run, StepError, say, stamp, timed, which } from './steps.mjs';

export async function setup() {
  await installPackages('.');
  findRust();
  installLinker();
  await build();
}

/** Installs what package.json of `folder` asks for, unless its node_modules is as package-lock.json says. */
export async function installPackages(folder) {
  const files = [`${folder}/package.json`, `${folder}/package-lock.json`];
  const name = `packages-${folder === '.' ? 'root' : folder.replaceAll('/', '-')}`;
  if (existsSync(join(ROOT, folder, 'node_modules')) && (isStamped(name, hashOf(files)) || isNewer(folder)))
    return;
  // Not `npm ci`: it refuses a lock file wherever a registry does not carry the optional packages of other platforms.
  await timed(`npm install${folder === '.' ? '' : ` in ${folder}`}`, () =>
    run(
      process.platform === 'win32' ? 'npm.cmd' : 'npm',
      ['install', '--no-audit', '--no-fund', '--loglevel=error'],
      {
        cwd: join(ROOT, folder),
      },
    ),
  );
  stamp(name, hashOf(files));
}

/** Whether somebody has run npm by hand since package-lock.json changed: npm then writes its own record. */
function isNewer(folder) {
  const record = join(ROOT, folder, 'node_modules', '.package-lock.json');
  const lock = join(ROOT, folder, 'package-lock.json');
  return existsSync(record) && existsSync(lock) && statSync(record).mtimeMs >= statSync(lock).mtimeMs;
}

/** Finds cargo in PATH or where rustup puts it, which a shell opened before the installation does not know. */
function findRust() {
  if (which('cargo') !== undefined) return;
  const bin = join(process.env['CARGO_HOME'] ?? join(homedir(), '.cargo'), 'bin');
  process.env['PATH'] = `${process.env['PATH'] ?? ''}${delimiter}${bin}`;
  if (which('cargo') !== undefined) return;
  const version = /^rust-version = "(.+)"$/m.exec(readFileSync(join(ROOT, 'Cargo.toml'), 'utf8'))?.[1];
  throw new StepError(
    `cargo was not found in PATH or ${bin}. Building breakwater from its source needs Rust ${version} or newer: ` +
      'install it with rustup (https://rustup.rs), then run this again.',
  );
}

/** Rust links through the C compiler. On Debian, root gets it by apt; everybody else gets the words. */
function installLinker() {
  if (process.platform !== 'linux' || ['cc', 'gcc', 'clang'].some((name) => which(name) !== undefined))
    return;
  if (process.getuid?.() !== 0 || which('apt-get') === undefined) {
    throw new StepError(
      'no C compiler was found, which Rust links with: install gcc (Debian: apt-get install build-essential)',
    );
  }
  say('no C compiler was found, which Rust links with: installing the Debian package build-essential');
  run('apt-get', ['update', '-q']);
  run('apt-get', ['install', '-y', '-q', '--no-install-recommends', 'build-essential'], {
    env: { DEBIAN_FRONTEND: 'noninteractive' },
  });
}

if (isMain(import.meta.url)) await main(setup);
