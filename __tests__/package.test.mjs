/**
 * What a user gets: both tarballs installed into an empty project, far from this repository. npm asks for all platform
 * packages; those that it cannot have it leaves out, as it does for a user on another platform.
 */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  realpathSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { pack } from '../scripts/pack.mjs';
import { currentPlatform } from '../scripts/platforms.mjs';

const isBun = process.versions.bun !== undefined;
const platformPackage = `breakwater-${currentPlatform()}`;
let home;
let tarballs;
let project;

before(async () => {
  home = realpathSync(mkdtempSync(join(tmpdir(), 'breakwater-')));
  tarballs = await pack(join(home, 'pack'));
  project = install('project', tarballs.root, tarballs.platform);
});
after(() => rmSync(home, { recursive: true, force: true }));

/** An empty project with these tarballs in it. Offline: nothing that is not here may be asked of a registry. */
function install(name, ...files) {
  const folder = join(home, name);
  mkdirSync(folder);
  writeFileSync(join(folder, 'package.json'), JSON.stringify({ name, private: true }));
  const npm = spawnSync('npm', ['install', '--offline', '--no-audit', '--no-fund', ...files], {
    cwd: folder,
    encoding: 'utf8',
    shell: process.platform === 'win32',
  });
  assert.equal(npm.status, 0, npm.stderr);
  return folder;
}

/** Runs a script in a project with this runtime; answers what it printed as JSON, and everything on standard error. */
function run(folder, file, source, { args = [], env = {} } = {}) {
  writeFileSync(join(folder, file), source);
  const { status, signal, stdout, stderr } = spawnSync(process.execPath, [...args, file], {
    cwd: folder,
    encoding: 'utf8',
    env: { ...process.env, NODE_OPTIONS: '', BREAKWATER_NATIVE_PATH: '', ...env },
    timeout: 60_000,
  });
  assert.equal(status, 0, `${file} ended with ${signal ?? status}:\n${stderr}`);
  return { said: JSON.parse(stdout), stderr };
}

/** A script that prints the error of the first constructor. */
const FIRST_ERROR = `
  const { TokenBucket, NativeBindingError } = require('breakwater');
  try {
    new TokenBucket({ capacity: 1, refillPerSecond: 1 });
    console.log('null');
  } catch (error) {
    const { name, code, kind, message, cause } = error;
    const branded = error instanceof NativeBindingError;
    console.log(JSON.stringify({ name, code, kind, message, branded, cause: cause?.code ?? cause?.message ?? null }));
  }`;

test('npm installs the root and this platform’s package, and leaves out those it cannot have', () => {
  assert.ok(existsSync(join(project, 'node_modules', platformPackage, 'breakwater.node')));
  const { optionalDependencies, version } = JSON.parse(
    readFileSync(join(project, 'node_modules/breakwater/package.json'), 'utf8'),
  );
  assert.equal(Object.keys(optionalDependencies).length, 8);
  for (const asked of Object.values(optionalDependencies)) assert.equal(asked, version);
});

test('import and require give the same classes and functions, at every path', () => {
  const { said } = run(
    project,
    'same.mjs',
    `import { createRequire } from 'node:module';
     const require = createRequire(import.meta.url);
     const names = {};
     for (const path of ['breakwater', 'breakwater/express', 'breakwater/fastify']) {
       const module = await import(path);
       const required = require(path);
       const keys = Object.keys(required).filter((key) => key !== '__esModule');
       if (keys.some((key) => module[key] !== required[key])) throw new Error(path + ' differs: ' + keys);
       names[path] = keys;
     }
     console.log(JSON.stringify(names));`,
  );
  for (const name of ['TokenBucket', 'RateLimiter', 'ManualClock', 'RateLimitedError']) {
    assert.ok(said['breakwater'].includes(name), name);
  }
  assert.ok(said['breakwater/express'].includes('rateLimit'));
  assert.ok(said['breakwater/fastify'].includes('rateLimit'));
});

test('static imports find every name, and the instances work', () => {
  const { said } = run(
    project,
    'static.mjs',
    `import { RateLimiter, TokenBucket } from 'breakwater';
     import { rateLimit as express } from 'breakwater/express';
     import { rateLimit as fastify } from 'breakwater/fastify';
     const bucket = new TokenBucket({ capacity: 2, refillPerSecond: 0.001 });
     const limiter = new RateLimiter({ limits: { limit: 1, windowMs: 3_600_000 } });
     console.log(JSON.stringify([
       bucket.tryAcquire(), bucket.tryAcquire(), bucket.tryAcquire(), limiter.tryAcquire('a'), limiter.tryAcquire('a'),
       typeof express, typeof fastify,
     ]));`,
  );
  assert.deepEqual(said, [true, true, false, true, false, 'function', 'function']);
});

test('the subpaths work in a project that has neither express nor fastify', () => {
  assert.ok(
    !existsSync(join(project, 'node_modules/express')) && !existsSync(join(project, 'node_modules/fastify')),
  );
  const { said } = run(
    project,
    'plain-http.cjs',
    `const { createServer, get } = require('node:http');
     const { RateLimiter } = require('breakwater');
     const { rateLimit } = require('breakwater/express');
     const limiter = new RateLimiter({ limits: { limit: 1, windowMs: 3_600_000 } });
     const limit = rateLimit({ limiter, key: () => 'one' });
     const server = createServer((req, res) => limit(req, res, () => res.end('ok')));
     server.listen(0, '127.0.0.1', async () => {
       const ask = () => new Promise((settle) =>
         get({ port: server.address().port, host: '127.0.0.1', agent: false }, (res) => { res.resume(); settle(res.statusCode); }));
       console.log(JSON.stringify([await ask(), await ask()]));
       server.close();
     });`,
  );
  assert.deepEqual(said, [200, 429]);
});

test('importing loads no native code and keeps no process alive', () => {
  const { said } = run(
    project,
    'import-only.cjs',
    `require('breakwater'); require('breakwater/express'); require('breakwater/fastify');
     const { readFileSync } = require('node:fs');
     const maps = process.platform === 'linux' ? readFileSync('/proc/self/maps', 'utf8') : '';
     console.log(JSON.stringify(maps.includes('breakwater.node')));`,
  );
  assert.equal(said, false);
});

test('without its platform package it imports, and the first constructor says how to mend it', () => {
  const bare = install('bare', tarballs.root);
  const { said } = run(bare, 'bare.cjs', FIRST_ERROR);
  assert.equal(said.name, 'NativeBindingError');
  assert.equal(said.code, 'ERR_NATIVE_BINDING');
  assert.equal(said.kind, 'binding');
  assert.ok(said.branded);
  assert.equal(said.cause, 'MODULE_NOT_FOUND');
  assert.match(said.message, new RegExp(`Looked for:\\n(.*\\n)*  - ${platformPackage}: `));
  assert.match(
    said.message,
    /optional dependency and was not installed\. Install again without --omit=optional/,
  );
});

test('a damaged binary is named, with what to do', () => {
  const path = join(home, 'damaged.node');
  writeFileSync(path, 'not a shared object, and long enough to be looked at as one: '.repeat(20));
  const { said } = run(project, 'damaged.cjs', FIRST_ERROR, { env: { BREAKWATER_NATIVE_PATH: path } });
  assert.equal(said.code, 'ERR_NATIVE_BINDING');
  assert.ok(said.message.includes(`  - ${path}: `), said.message);
  assert.match(said.message, /made for another machine, or is damaged/);
});

test('a binary of another version is refused by its ABI', () => {
  const path = join(home, 'future.cjs');
  writeFileSync(path, 'exports.ABI = 999;');
  const { said } = run(project, 'future.cjs', FIRST_ERROR, { env: { BREAKWATER_NATIVE_PATH: path } });
  assert.match(said.message, /its ABI is 999 and must be \d+\n/);
  assert.match(said.message, /of two versions: install both with one version/);
});

test('where addons are switched off, the error says by what', () => {
  const { said } = run(project, 'no-addons.cjs', FIRST_ERROR, { args: ['--no-addons'] });
  assert.equal(said.code, 'ERR_NATIVE_BINDING');
  assert.match(said.message, /start it without --no-addons/);
});

if (isBun) {
  test('bun build --compile takes the binary into the executable', () => {
    const folder = install('compiled', tarballs.root, tarballs.platform);
    writeFileSync(
      join(folder, 'app.mjs'),
      `import { TokenBucket } from 'breakwater';
       console.log(new TokenBucket({ capacity: 1, refillPerSecond: 0.001 }).tryAcquire());`,
    );
    const built = spawnSync(
      process.execPath,
      ['build', '--compile', 'app.mjs', '--outfile', join(home, 'app')],
      {
        cwd: folder,
        encoding: 'utf8',
      },
    );
    assert.equal(built.status, 0, built.stderr);
    rmSync(folder, { recursive: true });
    const { status, stdout, stderr } = spawnSync(join(home, 'app'), { cwd: home, encoding: 'utf8' });
    assert.equal(status, 0, stderr);
    assert.equal(stdout, 'true\n');
  });
}

/** Gives `folder` a dependency `lib` with a breakwater of its own: two copies of the package in one process. */
function addSecondCopy(folder) {
  const lib = join(folder, 'node_modules/lib');
  mkdirSync(join(lib, 'node_modules'), { recursive: true });
  for (const name of ['breakwater', platformPackage]) {
    cpSync(join(folder, 'node_modules', name), join(lib, 'node_modules', name), { recursive: true });
  }
  writeFileSync(join(lib, 'package.json'), JSON.stringify({ name: 'lib', main: 'index.js' }));
  writeFileSync(join(lib, 'index.js'), `module.exports = require('breakwater');`);
  return lib;
}

/** One named bucket of four tokens, taken from by both copies, in this thread and in workers of both kinds. */
const TWO_COPIES = `
  const { once } = require('node:events');
  const { Worker, isMainThread, parentPort, workerData } = require('node:worker_threads');
  const take = (path) =>
    new (require(path).TokenBucket)({ capacity: 4, refillPerSecond: 0.001, name: 'both' }).tryAcquire();
  if (isMainThread) main();
  else parentPort.once('message', () => { parentPort.postMessage(take(workerData)); });
  async function main() {
    const taken = [];
    const ask = async (worker) => {
      worker.postMessage('take');
      taken.push((await once(worker, 'message'))[0]);
      await worker.terminate();
    };
    // Started before anything was loaded, so nothing that was published reaches it.
    const early = new Worker(__filename, { workerData: 'lib' });
    await once(early, 'online');
    taken.push(take('breakwater'), take('lib'));
    await ask(early);
    await ask(new Worker(__filename, { workerData: 'lib' }));
    await ask(new Worker(__filename, { workerData: 'breakwater' }));
    const distinct = require('breakwater').TokenBucket !== require('lib').TokenBucket;
    console.log(JSON.stringify({ distinct, taken }));
  }`;

test('two copies of the package in one process share named state, in all threads', () => {
  const folder = install('two', tarballs.root, tarballs.platform);
  addSecondCopy(folder);
  const { said, stderr } = run(folder, 'two.cjs', TWO_COPIES);
  assert.deepEqual(said, { distinct: true, taken: [true, true, true, true, false] });
  assert.doesNotMatch(stderr, /BreakwaterWarning/);
});

test('two copies whose native parts differ share nothing, and one warning says so', () => {
  const folder = install('apart', tarballs.root, tarballs.platform);
  const lib = addSecondCopy(folder);
  const facade = join(lib, 'node_modules/breakwater/dist/native.js');
  const source = readFileSync(facade, 'utf8');
  assert.match(source, /const ABI = \d+;/);
  writeFileSync(facade, source.replace(/const ABI = \d+;/, 'const ABI = 999;'));
  const binary = join(lib, 'node_modules', platformPackage);
  writeFileSync(join(binary, 'future.js'), `module.exports = { ...require('./breakwater.node'), ABI: 999 };`);
  const manifest = JSON.parse(readFileSync(join(binary, 'package.json'), 'utf8'));
  writeFileSync(join(binary, 'package.json'), JSON.stringify({ ...manifest, main: 'future.js' }));
  const { said, stderr } = run(folder, 'apart.cjs', TWO_COPIES);
  // Of the four tokens each copy has: two are taken by the first, and three by the second.
  assert.deepEqual(said, { distinct: true, taken: [true, true, true, true, true] });
  assert.match(stderr, /BREAKWATER_TWO_COPIES.*cannot share named state/);
  // The early worker cannot know of the main thread's warning; the later ones do.
  const warnings = stderr.split('\n').filter((line) => line.includes('cannot share named state'));
  assert.ok(warnings.length <= 2, stderr);
});
