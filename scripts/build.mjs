/**
 * Builds what has changed, and calls no tool for what has not:
 * - the binding: crates/ → `npm/<platform>/breakwater.node` (with `--test-hooks`: → `target/test-hooks/breakwater.node`);
 * - the JavaScript: lib/ → dist/ (CommonJS by tsc, thin ES modules that re-export it);
 * - the types: lib/ → index.d.ts (committed), dist/index.d.mts, and .d.ts with .d.mts of each subpath.
 *
 * `--check` builds nothing: it fails when the committed index.d.ts is not what lib/ gives. So does the build itself where
 * the environment variable CI is set, as it would otherwise mend there what must be committed.
 */
import { copyFileSync, existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { BINARY, currentPlatform } from './platforms.mjs';
import {
  filesBelow,
  hashOf,
  isMain,
  isStamped,
  main,
  manifest,
  nodePath,
  ROOT,
  run,
  StepError,
  stamp,
  TARGET,
  timed,
  writeWhole,
} from './steps.mjs';
import { toolchain } from './toolchain.mjs';

/** The binary with the hooks that only tests use, such as a panic on demand. */
export const TEST_BINDING = join(TARGET, 'test-hooks', BINARY);
/** The binary of this machine, where the loader finds it. */
export const BINDING = join(ROOT, 'npm', currentPlatform(), BINARY);

/** Everything that is not up to date. */
export async function build({ testHooks = false } = {}) {
  await buildBinding('binding', BINDING, []);
  if (testHooks) await buildBinding('test-hooks', TEST_BINDING, ['--features', 'test-hooks']);
  await buildJavaScript();
}

async function buildBinding(name, destination, features) {
  const inputs = filesBelow('crates', (file) => !/^crates\/[^/]+\/(tests|benches)\//.test(file));
  inputs.push('Cargo.toml', 'Cargo.lock', '.cargo/config.toml');
  const hash = () => hashOf(inputs, destination, process.env['RUSTFLAGS'] ?? '', ...features);
  if (existsSync(destination) && isStamped(name, hash())) return;
  toolchain();
  // What is saved while it is built is not in it.
  const sources = inputs.filter((file) => file !== 'Cargo.lock');
  const before = hashOf(sources);
  const locked = process.env['CI'] ? ['--locked'] : [];
  await timed(`${name}: cargo build --release (minutes when cold)`, () => {
    run('cargo', ['build', '--release', '-p', 'breakwater-napi', ...features, ...locked]);
    mkdirSync(dirname(destination), { recursive: true });
    // A rename, because the old file may be mapped into a running process, which a write in place would crash.
    const draft = `${destination}.${process.pid}`;
    copyFileSync(join(TARGET, 'release', libraryFile()), draft);
    renameSync(draft, destination);
  });
  // Hashed again: the first build writes Cargo.lock.
  if (hashOf(sources) === before) stamp(name, hash());
}

/** What cargo calls a cdylib named breakwater_napi here. */
function libraryFile() {
  if (process.platform === 'win32') return 'breakwater_napi.dll';
  return process.platform === 'darwin' ? 'libbreakwater_napi.dylib' : 'libbreakwater_napi.so';
}

const JS_INPUTS = ['tsconfig.json', 'package.json', 'scripts/build.mjs', 'scripts/types.mjs'];

async function buildJavaScript() {
  const hash = () => hashOf([...filesBelow('lib'), ...JS_INPUTS, 'index.d.ts', ...filesBelow('dist')]);
  if (existsSync(join(ROOT, 'dist')) && isStamped('javascript', hash())) return;
  const sources = () => hashOf([...filesBelow('lib'), ...JS_INPUTS]);
  const before = sources();
  await timed('lib → dist, index.d.ts', async () => {
    const { types, javascript } = await compile();
    writeDist([...javascript, ...types].filter(([path]) => path.startsWith('dist/')));
    writeDist(esModules(), { keepOthers: true });
    if (staleTypes(types)) {
      if (process.env['CI']) throw new StepError(STALE);
      writeWhole(join(ROOT, 'index.d.ts'), types.get('index.d.ts'));
    }
  });
  if (sources() === before) stamp('javascript', hash());
}

const STALE = 'index.d.ts is stale: run npm run build and commit what it writes';

/** Whether the committed index.d.ts differs from what lib/ gives. */
function staleTypes(types) {
  const path = join(ROOT, 'index.d.ts');
  return !existsSync(path) || readFileSync(path, 'utf8') !== types.get('index.d.ts');
}

/** Throws when index.d.ts is stale. */
export async function check() {
  const { types } = await compile();
  if (staleTypes(types)) throw new StepError(STALE);
}

/** Runs tsc in target/, apart from builds that run at the same time; answers the contents of dist/ and of index.d.ts. */
async function compile() {
  const out = join(TARGET, `js-${process.pid}`);
  const tsc = join(ROOT, 'node_modules', 'typescript', 'bin', 'tsc');
  try {
    run(nodePath(), [tsc, '-p', 'tsconfig.json', '--outDir', out, '--declarationDir', join(out, 'types')]);
    const modules = readdirSync(out).filter((file) => file.endsWith('.js'));
    const javascript = new Map(
      modules.map((file) => [`dist/${file}`, readFileSync(join(out, file), 'utf8')]),
    );
    const { rollUp } = await import('./types.mjs');
    return { javascript, types: await rollUp(join(out, 'types'), subpaths()) };
  } finally {
    rmSync(out, { recursive: true, force: true });
  }
}

/** The subpath exports, such as `express`: the names of their files in lib/. */
function subpaths() {
  return Object.keys(manifest().exports)
    .filter((path) => path.startsWith('./') && path !== './package.json')
    .map((path) => path.slice(2));
}

/**
 * The ES modules: they re-export the CommonJS ones by name, so that `import` and `require` give the same classes.
 * The names are listed, because not every runtime and bundler finds them in a CommonJS module by itself.
 */
function esModules() {
  const require = createRequire(join(ROOT, 'dist', 'index.js'));
  return ['index', ...subpaths()].map((entry) => {
    const exported = require(`./${entry}.js`);
    const names = Object.keys(exported).filter((name) => name !== 'default' && name !== '__esModule');
    const lines = [`export { ${names.sort().join(', ')} } from './${entry}.js';`];
    if ('default' in exported)
      lines.push(`import whole from './${entry}.js';`, 'export default whole.default;');
    return [`dist/${entry}.mjs`, `${lines.join('\n')}\n`];
  });
}

/** Brings dist/ to these contents: writes what differs, and removes what is left over unless `keepOthers`. */
function writeDist(files, { keepOthers = false } = {}) {
  const wanted = new Map(files);
  for (const [path, content] of wanted) {
    const full = join(ROOT, path);
    if (!existsSync(full) || readFileSync(full, 'utf8') !== content) writeWhole(full, content);
  }
  if (keepOthers) return;
  for (const path of filesBelow('dist')) {
    const isWrapper =
      path.endsWith('.mjs') && !path.endsWith('.d.mts') && wanted.has(path.replace(/\.mjs$/, '.js'));
    if (!wanted.has(path) && !isWrapper) rmSync(join(ROOT, path));
  }
}

if (isMain(import.meta.url)) {
  await main(async () => {
    if (process.argv.includes('--check')) await timed('index.d.ts is fresh', check);
    else await build({ testHooks: process.argv.includes('--test-hooks') });
  });
}
