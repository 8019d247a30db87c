/** The published types, as a compiler and the linters of packages see them: the packed tarball in a project of its own. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { copyFileSync, mkdirSync, realpathSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { before, test } from 'node:test';
import ts from 'typescript';
import { pack } from '../scripts/pack.mjs';
import { nodePath, ROOT } from '../scripts/steps.mjs';

// In the repository, so that the types of Node, Express and Fastify are found in its node_modules.
const project = join(ROOT, 'target', 'types');
let tarball;

before(async () => {
  rmSync(project, { recursive: true, force: true });
  mkdirSync(project, { recursive: true });
  tarball = (await pack(join(project, 'pack'))).root;
  writeFileSync(join(project, 'package.json'), JSON.stringify({ name: 'types', private: true }));
  const npm = spawnSync(
    'npm',
    ['install', '--offline', '--no-audit', '--no-fund', '--omit=optional', tarball],
    {
      cwd: project,
      encoding: 'utf8',
      shell: process.platform === 'win32',
    },
  );
  assert.equal(npm.status, 0, npm.stderr);
  for (const [fixture, copies] of Object.entries({
    'uses.ts': ['uses.mts', 'uses.cts', 'uses.ts'],
    'both.mts': ['both.mts'],
    'require.cts': ['require.cts'],
  })) {
    for (const copy of copies) copyFileSync(join(ROOT, '__tests__/types', fixture), join(project, copy));
  }
});

/** Compiles files of the project; fails with what the compiler says about them or about breakwater. */
function compile(files, module, moduleResolution) {
  const options = {
    module,
    moduleResolution,
    target: ts.ScriptTarget.ES2022,
    lib: ['lib.es2022.d.ts'],
    types: ['node'],
    typeRoots: [join(ROOT, 'node_modules/@types')],
    strict: true,
    exactOptionalPropertyTypes: true,
    esModuleInterop: true,
    skipLibCheck: false,
    noEmit: true,
  };
  const program = ts.createProgram(
    files.map((file) => join(project, file)),
    options,
  );
  // The declarations of other packages are not ours to check.
  const ours = program.getSourceFiles().filter(({ fileName }) => fileName.startsWith(`${project}/`));
  const found = [
    ...program.getOptionsDiagnostics(),
    ...program.getGlobalDiagnostics(),
    ...ours.flatMap((file) => [
      ...program.getSyntacticDiagnostics(file),
      ...program.getSemanticDiagnostics(file),
    ]),
  ];
  const host = {
    getCanonicalFileName: (name) => name,
    getCurrentDirectory: () => project,
    getNewLine: () => '\n',
  };
  assert.equal(found.length, 0, ts.formatDiagnostics(found, host));
}

test('types hold under node16, as an ES module and as CommonJS', () => {
  compile(
    ['uses.mts', 'uses.cts', 'both.mts', 'require.cts'],
    ts.ModuleKind.Node16,
    ts.ModuleResolutionKind.Node16,
  );
});

test('types hold under nodenext, as an ES module and as CommonJS', () => {
  compile(
    ['uses.mts', 'uses.cts', 'both.mts', 'require.cts'],
    ts.ModuleKind.NodeNext,
    ts.ModuleResolutionKind.NodeNext,
  );
});

test('types hold for a bundler', () => {
  compile(['uses.ts'], ts.ModuleKind.ESNext, ts.ModuleResolutionKind.Bundler);
});

/** Runs a command of node_modules over the tarball; fails with what it prints. */
function lint(command, ...args) {
  const bin = realpathSync(join(ROOT, 'node_modules/.bin', command));
  const { status, stdout, stderr } = spawnSync(nodePath(), [bin, ...args], { cwd: ROOT, encoding: 'utf8' });
  assert.equal(status, 0, stdout + stderr);
}

test('publint finds nothing', () => lint('publint', 'run', tarball, '--strict'));

// node10 knows no subpath exports, and no Node that is supported resolves that way.
test('are the types wrong? no', () => lint('attw', tarball, '--profile', 'node16'));
