/**
 * Makes a machine ready: npm packages, then the build, which looks for Rust and a C compiler when it needs them. The npm
 * scripts call it first; when nothing has changed since, it calls no tool and says nothing.
 */
import { existsSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { build } from './build.mjs';
import { hashOf, isMain, isStamped, main, ROOT, run, stamp, timed } from './steps.mjs';

export async function setup() {
  await installPackages('.');
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

if (isMain(import.meta.url)) await main(setup);
