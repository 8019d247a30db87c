/** The rules of ARCHITECTURE.md that a program can check. A broken rule prints what it is and where it is broken. */
import assert from 'node:assert/strict';
import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { check } from '../scripts/build.mjs';
import { staleManifests } from '../scripts/platforms.mjs';
import { ROOT } from '../scripts/steps.mjs';
import { closing, findAll, imports, place, read, rustCode, scriptCode, sources } from './layout/source.mjs';

/** A rule finds what breaks it: one line each, `place: what`. */
function rule(name, find) {
  test(name, async () => {
    const broken = await find();
    if (broken.length > 0) assert.fail(`${name}. Broken by:\n  ${broken.join('\n  ')}`);
  });
}

const CORE = sources('crates/core/src', '.rs');
const BINDING = sources('crates/napi/src', '.rs');
const SCHEMA = sources('crates/schema/src', '.rs');
const RUST = [...CORE, ...SCHEMA, ...BINDING];
const LIB = sources('lib', '.ts');
const EDGES = Object.keys(JSON.parse(read('package.json')).exports)
  .filter((path) => path.startsWith('./') && !path.endsWith('.json'))
  .map((path) => path.slice(2));
/** Folders of the core that are parts of primitives and not primitives. */
const PARTS = ['room'];
const WORDS = readdirSync(join(ROOT, 'crates/core/src'), { withFileTypes: true })
  .filter((entry) => entry.isDirectory() && !PARTS.includes(entry.name))
  .map((entry) => entry.name);

const body = (code, open) => code.slice(open, closing(code, open));
const missing = (files) =>
  files.filter((file) => !existsSync(join(ROOT, file))).map((file) => `${file}: not there`);
const dependencies = (manifest) => {
  const sections = read(manifest).matchAll(
    /^\[(?:target\.[^\]]+\.)?dependencies\]\n((?:(?!\[)[^\n]*\n?)*)/gm,
  );
  return [...sections].flatMap(([, body]) => [...body.matchAll(/^([\w-]+)/gm)].map(([, name]) => name));
};

rule('only lib/native.ts loads the binding', () =>
  findAll(LIB, scriptCode, /createRequire|process\.dlopen|\brequire\(|breakwater\.node/g, ['lib/native.ts']),
);

rule('lib/index.ts re-exports and does nothing else', () => {
  const rest = scriptCode('lib/index.ts').replace(
    /^export (?:type )?\{[^}]*\} from '\.\/[\w-]+\.js';$/gm,
    '',
  );
  return rest.trim() === '' ? [] : [`lib/index.ts: ${rest.trim().slice(0, 200)}`];
});

rule('what the user imports by subpath is imported by nobody in lib/', () =>
  LIB.flatMap((file) =>
    imports(file)
      .filter(({ from }) => EDGES.some((edge) => from === `./${edge}.js`))
      .map(({ from, at }) => `${at}: ${from}`),
  ),
);

rule('lib/ imports itself, Node, and of other packages only types', () =>
  LIB.flatMap((file) =>
    imports(file)
      .filter(({ from, typeOnly }) => !/^(\.\/|node:)/.test(from) && !typeOnly)
      .filter(({ from }) => !(file === 'lib/native.ts' && from.startsWith('breakwater-')))
      .map(({ from, at }) => `${at}: ${from}`),
  ),
);

rule('no files of lib/ import each other in a circle', () => {
  const edges = new Map(
    LIB.map((file) => [
      file,
      imports(file)
        .filter(({ from, typeOnly }) => from.startsWith('./') && !typeOnly)
        .map(({ from }) => `lib/${from.slice(2).replace(/\.js$/, '.ts')}`),
    ]),
  );
  const circles = [];
  const walk = (file, trail) => {
    if (trail.includes(file)) circles.push([...trail.slice(trail.indexOf(file)), file].join(' → '));
    else for (const next of edges.get(file) ?? []) walk(next, [...trail, file]);
  };
  for (const file of LIB) walk(file, []);
  return [...new Set(circles)];
});

rule('the core knows neither JavaScript nor a runtime', () =>
  dependencies('crates/core/Cargo.toml')
    .filter((name) => /^(napi|tokio|breakwater-)/.test(name))
    .map((name) => `crates/core/Cargo.toml: ${name}`),
);

rule('crates/schema knows neither JavaScript nor a runtime', () =>
  dependencies('crates/schema/Cargo.toml')
    .filter((name) => /^(napi|tokio|breakwater-napi)/.test(name))
    .map((name) => `crates/schema/Cargo.toml: ${name}`),
);

rule('the core starts no thread and no timer', () =>
  findAll(CORE, rustCode, /\bthread::(?:spawn|sleep|Builder)\b/g),
);

rule('only sync.rs chooses between std, loom and shuttle', () =>
  findAll(CORE, rustCode, /\b(?:std::sync(?!::(?:LazyLock|OnceLock))|parking_lot|loom|shuttle)::/g, [
    'crates/core/src/sync.rs',
  ]),
);

rule('only clock.rs reads the time', () =>
  findAll(RUST, rustCode, /\b(?:Instant::now|SystemTime\b|clock_gettime|\.elapsed\(\))/g, [
    'crates/core/src/clock.rs',
  ]),
);

rule('only rng.rs makes chance', () =>
  findAll(RUST, rustCode, /\b(?:rand|rand_pcg|rand_core|getrandom|fastrand|RandomState)\b/g, [
    'crates/core/src/rng.rs',
  ]),
);

rule('unsafe stands only in words.rs, fast.rs and host/', () =>
  findAll(RUST, rustCode, /\bunsafe\b/g, [
    'crates/core/src/words.rs',
    'crates/napi/src/fast.rs',
    'crates/napi/src/host/',
  ]),
);

rule('a model takes the time as an argument, and no lock', () =>
  findAll(
    CORE.filter((file) => file.endsWith('/model.rs')),
    rustCode,
    /\b(?:Clock|Instant|Mutex|Atomic\w+|Ordering|panic!|unwrap\(|expect\()/g,
  ),
);

rule('every extern "C" entry point catches panics', () =>
  BINDING.flatMap((file) => {
    const code = rustCode(file);
    // Strings are blanked out in the code, so the ABI's name is found in the text. A macro's `$name` counts too.
    return [...read(file).matchAll(/extern "C" fn (\$?\w+)[^;{]*\{/g)]
      .filter(({ index }) => code.startsWith('extern', index))
      .filter(
        ({ index, 0: head }) => !/\b(?:catch_unwind|fast::enter)\b/.test(body(code, index + head.length - 1)),
      )
      .map(({ index, 1: name }) => `${place(file, code, index)}: ${name}`);
  }),
);

rule('fast::enter, which entry points rely on, catches panics', () => {
  const code = rustCode('crates/napi/src/fast.rs');
  const enter = /\bfn enter\b[^{]*\{/.exec(code);
  const catches = enter !== null && /\bcatch_unwind\b/.test(body(code, enter.index + enter[0].length - 1));
  return catches ? [] : ['crates/napi/src/fast.rs: fn enter'];
});

rule('every #[napi] function catches panics', () =>
  BINDING.flatMap((file) => {
    const code = rustCode(file);
    return [
      ...code.matchAll(
        /#\[napi(?:\(([^\]]*)\))?\]((?:\s*#\[[^\]]*\])*)\s*(?:pub(?:\([^)]*\))? )?(?:async )?fn (\w+)/g,
      ),
    ]
      .filter(({ 1: options = '' }) => !/\bcatch_unwind\b/.test(options))
      .map(({ index, 3: name }) => `${place(file, code, index)}: ${name}`);
  }),
);

/** A test target of the core is a file or, where that grew large, a folder. */
function missingTests(names) {
  return names
    .map((name) => `crates/core/tests/${name}`)
    .filter((path) => missing([`${path}.rs`]).length > 0 && missing([`${path}/main.rs`]).length > 0)
    .map((path) => `${path}.rs or ${path}/main.rs: not there`);
}

rule('a word has its file in every room', () =>
  WORDS.flatMap((word) =>
    missing([
      ...['mod', 'options', 'model', word].map((name) => `crates/core/src/${word}/${name}.rs`),
      `crates/napi/src/${word}.rs`,
      `lib/${word}.ts`,
      `__tests__/${word}.test.mjs`,
      `benches/criterion/${word}.rs`,
      `docs/${word}.md`,
    ]),
  ).concat(missingTests(WORDS)),
);

rule('schema, whose core is a crate of its own, has its file in every other room', () =>
  missing([
    ...['lib', 'options', 'program'].map((name) => `crates/schema/src/${name}.rs`),
    'crates/napi/src/schema.rs',
    'lib/schema.ts',
    '__tests__/schema.test.mjs',
    'benches/criterion/schema.rs',
    'docs/schema.md',
  ]),
);

rule('what the user imports by subpath has its file, its test and its docs page', () =>
  EDGES.flatMap((edge) => missing([`lib/${edge}.ts`, `__tests__/${edge}.test.mjs`, `docs/${edge}.md`])),
);

rule('the files of one room are named in the others', () => {
  const known = new Set([...WORDS, ...PARTS, 'schema']);
  const strangers = (folder, ending, others) =>
    sources(folder, ending)
      .filter((file) => file.split('/').length === folder.split('/').length + 1)
      .map((file) => file.slice(folder.length + 1, -ending.length))
      .filter((word) => !known.has(word) && !others.includes(word))
      .map((word) => `${folder}/${word}${ending}: no such word in crates/core/src`);
  return [
    ...strangers('crates/core/tests', '.rs', ['laws', 'loom', 'shuttle', 'threads']),
    ...strangers('benches/criterion', '.rs', ['lib']),
  ];
});

rule('crates/core/tests has the laws and both model checkers', () =>
  missingTests(['laws', 'loom', 'shuttle']),
);

rule('npm/*/package.json are as scripts/platforms.mjs makes them', () =>
  staleManifests().map(([path]) => `${path}: run node scripts/platforms.mjs`),
);

rule('index.d.ts is what lib/ gives', async () => {
  try {
    await check();
    return [];
  } catch (error) {
    return [error.message];
  }
});

rule('all parts have one version', () => {
  const { version } = JSON.parse(read('package.json'));
  const lock = JSON.parse(read('package-lock.json'));
  const cargo = /^\[workspace\.package\][^[]*?^version = "(.+)"$/m.exec(read('Cargo.toml'))?.[1];
  return [
    ['Cargo.toml', cargo],
    ['package-lock.json', lock.version],
    ['package-lock.json, packages', lock.packages[''].version],
  ]
    .filter(([, other]) => other !== version)
    .map(([file, other]) => `${file}: ${other}, and package.json has ${version}`);
});

rule('npm install in a checkout asks for no package of ours', () =>
  Object.keys({ ...JSON.parse(read('package.json')).optionalDependencies }).map(
    (name) => `package.json: ${name}`,
  ),
);

rule('ARCHITECTURE.md has at most 150 lines', () => {
  const lines = read('ARCHITECTURE.md').trimEnd().split('\n').length;
  return lines <= 150 ? [] : [`ARCHITECTURE.md: ${lines} lines`];
});

/** Files that have more than 500 lines of code, and why one room is better there. */
const LONG = {};

// A story needs no second room, so tests are not counted.
rule('no file has more than 500 lines of code', () => {
  const count = (code) => code.split('\n').filter((line) => line.trim() !== '').length;
  const scripts = ['lib', 'scripts', 'examples', 'benches'].flatMap((folder) =>
    sources(folder, '.ts', '.mjs'),
  );
  const rust = [...RUST, ...sources('benches', '.rs')];
  return [
    ...scripts.map((file) => [file, count(scriptCode(file))]),
    ...rust.map((file) => [file, count(rustCode(file))]),
  ]
    .filter(([file, lines]) => lines > 500 && !(file in LONG))
    .map(([file, lines]) => `${file}: ${lines} lines of code`);
});

rule('every file of __tests__ is a test; what tests share lies in its folders', () =>
  readdirSync(join(ROOT, '__tests__'), { withFileTypes: true })
    .filter((entry) => entry.isFile() && !entry.name.endsWith('.test.mjs'))
    .map((entry) => `__tests__/${entry.name}`),
);

rule('no test is skipped, singled out or left to do', () => [
  ...findAll(
    sources('__tests__', '.mjs'),
    scriptCode,
    /\b(?:test|it|describe|suite|t)\.(?:skip|only|todo)\b|\b(?:test|it|describe)\([^\n]*\{ *(?:skip|todo|only)\b/g,
    ['__tests__/layout.test.mjs'],
  ),
  ...findAll(sources('crates', '.rs'), read, /#\[ignore/g),
]);

rule('nothing is left to do', () =>
  findAll(
    ['crates', 'lib', 'scripts', '__tests__', 'examples', 'benches', 'docs'].flatMap((folder) =>
      sources(folder, '.rs', '.ts', '.mjs', '.md'),
    ),
    read,
    /\b(?:TODO|FIXME|XXX|HACK)\b/g,
    ['__tests__/layout.test.mjs'],
  ),
);

rule('no name says Manager, Helper or Util', () => {
  const named = /\b(?:class|struct|enum|trait|interface|mod) \w*(?:Manager|Helper|Util)s?\b/gi;
  return [...findAll(LIB, scriptCode, named), ...findAll(RUST, rustCode, named)];
});

rule('no enum and, but where Fastify needs it, no default export in lib/', () =>
  findAll(LIB, scriptCode, /^(?:export )?(?:const )?enum \w+|^export default\b|\bas default\b/gm, [
    'lib/fastify.ts',
  ]),
);

rule('no file names a folder of somebody’s machine', () =>
  findAll(
    ['.', 'docs', 'lib', 'crates', 'scripts', '__tests__', 'examples', 'benches', '.ci', '.github'].flatMap(
      (folder) =>
        folder === '.'
          ? readdirSync(ROOT).filter((name) => /\.(?:md|toml|json)$/.test(name))
          : sources(folder, '.md', '.rs', '.ts', '.mjs', '.json', '.toml', '.yml', 'run'),
    ),
    read,
    /(?<![\w.])\/(?:root|home\/\w+|work|Users\/\w+)\/\S*/g,
  ),
);
