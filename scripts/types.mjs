/**
 * Rolls the declarations that tsc made of lib/ into what ships. Every public class has one declaration, in the root's
 * index.d.ts: a class with private fields is a type of its own wherever it is declared, so a second copy of RateLimiter
 * in the types of a subpath would not accept the first.
 */
import { existsSync, readFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { rollup } from 'rollup';
import { dts } from 'rollup-plugin-dts';

const HEAD = '/// <reference lib="esnext.disposable" />\n';

/**
 * @param folder where tsc put the declarations of lib/
 * @param subpaths the entries beside `index`
 * @returns {Promise<Map<string, string>>} content by path in the package
 */
export async function rollUp(folder, subpaths) {
  const files = new Map();
  files.set('index.d.ts', HEAD + (await bundle(join(folder, 'index.d.ts'), [])));
  files.set('dist/index.d.mts', `export * from '../index.js';\n`);
  const shared = modulesOf(join(folder, 'index.d.ts'));
  for (const entry of subpaths) {
    const types = await bundle(join(folder, `${entry}.d.ts`), shared);
    files.set(`dist/${entry}.d.ts`, types);
    files.set(`dist/${entry}.d.mts`, types);
  }
  return files;
}

/** The modules that the root re-exports: what a subpath imports from them, it imports from the root. */
function modulesOf(index) {
  return [...readFileSync(index, 'utf8').matchAll(/from '(\.\/[^']+)'/g)].map(([, path]) => basename(path));
}

async function bundle(input, fromRoot) {
  const build = await rollup({
    input,
    plugins: [toRoot(fromRoot), withoutIntroduction(), dts()],
    onwarn(warning) {
      if (warning.code !== 'UNUSED_EXTERNAL_IMPORT' && warning.code !== 'EMPTY_BUNDLE') {
        throw new Error(`${input}: ${warning.message}`);
      }
    },
  });
  const { output } = await build.generate({ format: 'es' });
  await build.close();
  return output[0].code.replace(OPTIONAL, `// @ts-ignore: not everybody has it\n$&`);
}

/** Packages that only types come from, and that who does not need those does without. */
const OPTIONAL = /^import (?:type )?\{[^}]*\} from 'json-schema-to-ts';$/m;

/** What introduces a file says nothing to who reads the types. */
function withoutIntroduction() {
  return {
    name: 'without-introduction',
    transform: (code) => ({
      code: code.replace(/^\/\*\*(?:(?!\*\/)[\s\S])*\*\/\s*(?=import|export \{)/, ''),
      map: null,
    }),
  };
}

/** Sends imports of the given modules to the root's declarations, and leaves packages as they are. */
function toRoot(fromRoot) {
  return {
    name: 'to-root',
    resolveId(source, importer) {
      if (importer === undefined) return null;
      if (!source.startsWith('.')) return { id: source, external: true };
      if (fromRoot.includes(basename(source))) return { id: '../index.js', external: 'absolute' };
      const path = join(importer, '..', source.replace(/\.js$/, '.d.ts'));
      return existsSync(path) ? path : null;
    },
  };
}
