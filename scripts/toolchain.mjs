/** What cargo needs of the machine. Asked only where cargo is about to be called. */
import { readFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { delimiter, join } from 'node:path';
import { ROOT, run, StepError, say, which } from './steps.mjs';

/** Makes sure that there are cargo and a linker: finds them, installs them, or throws with how to. */
export function toolchain() {
  findRust();
  installLinker();
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
  if (process.platform !== 'linux' || which('cc') !== undefined) return;
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
