/**
 * Makes what would be published, in target/pack/: the root's tarball and the platform package's of this machine (only if
 * its binary is there). The root's optionalDependencies are written here and not committed, at the root's own exact
 * version, so that `npm install` in a checkout asks for no package that is not published yet.
 *
 * Publish the platform packages first and the root last: a root whose binaries are not there cannot be mended.
 */
import { copyFileSync, cpSync, existsSync, mkdirSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { BINARY, currentPlatform, PLATFORMS } from './platforms.mjs';
import { capture, isMain, main, manifest, ROOT, StepError, say, TARGET } from './steps.mjs';

/** What only the checkout needs. */
const NOT_SHIPPED = ['scripts', 'devDependencies', 'allowScripts', 'private'];
/** What npm ships beside `files`, whatever those say. */
const ALWAYS = ['README.md', 'LICENSE'];

/** Packs into `folder`; answers the paths of the tarballs, the platform package's only if there is one. */
export async function pack(folder = join(TARGET, 'pack')) {
  rmSync(folder, { recursive: true, force: true });
  const root = await npmPack(folder, stageRoot(join(folder, 'stage', 'root')));
  const staged = stagePlatform(join(folder, 'stage', 'platform'));
  const platform = staged && (await npmPack(folder, staged));
  rmSync(join(folder, 'stage'), { recursive: true });
  return { root, platform };
}

function stageRoot(stage) {
  const { files, ...shipped } = manifest();
  for (const key of NOT_SHIPPED) delete shipped[key];
  const optionalDependencies = Object.fromEntries(
    PLATFORMS.map(({ key }) => [`${shipped.name}-${key}`, shipped.version]),
  );
  mkdirSync(stage, { recursive: true });
  writeFileSync(join(stage, 'package.json'), json({ ...shipped, files, optionalDependencies }));
  for (const file of [...files, ...ALWAYS]) {
    if (existsSync(join(ROOT, file))) cpSync(join(ROOT, file), join(stage, file), { recursive: true });
  }
  if (!existsSync(join(stage, 'dist', 'index.js')))
    throw new StepError('dist/ is not built: run npm run build');
  return stage;
}

function stagePlatform(stage) {
  const source = join(ROOT, 'npm', currentPlatform());
  if (!existsSync(join(source, BINARY))) {
    say(`${basename(source)} has no ${BINARY}: its package is not packed`);
    return undefined;
  }
  mkdirSync(stage, { recursive: true });
  for (const file of [BINARY, 'package.json']) copyFileSync(join(source, file), join(stage, file));
  copyFileSync(join(ROOT, 'LICENSE'), join(stage, 'LICENSE'));
  return stage;
}

/** Runs npm pack over a staged folder; answers the path of the tarball. */
async function npmPack(folder, stage) {
  const before = new Set(tarballs(folder));
  const npm = process.platform === 'win32' ? 'npm.cmd' : 'npm';
  const { status, output } = await capture(npm, [
    'pack',
    stage,
    '--ignore-scripts',
    '--pack-destination',
    folder,
  ]);
  const made = tarballs(folder).find((file) => !before.has(file));
  if (status !== 0 || made === undefined) throw new StepError(`npm pack ended with ${status}:\n${output}`);
  return join(folder, made);
}

function tarballs(folder) {
  return readdirSync(folder).filter((file) => file.endsWith('.tgz'));
}

function json(value) {
  return `${JSON.stringify(value, null, 2)}\n`;
}

if (isMain(import.meta.url)) {
  await main(async () => {
    const { root, platform } = await pack();
    for (const path of [root, platform]) if (path !== undefined) console.log(path);
  });
}
