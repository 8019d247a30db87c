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
    const input = join(folder, `${entry}.d.ts`);
    const types = await bundle(input, shared);
    const whole = /^export = (\w+);$/m.exec(readFileSync(input, 'utf8'))?.[1];
    files.set(`dist/${entry}.d.ts`, whole === undefined ? types : asWhole(types, whole));
    files.set(`dist/${entry}.d.mts`, whole === undefined ? types : asModule(types, whole));
  }
  return files;
}

// A CommonJS module that is itself a function (`export = plugin`, with a namespace of what else it exports) comes out of the
// roll-up as a default export, which neither module system has there.

/** As `require` sees it: the function. */
function asWhole(types, name) {
  return replaced(types, `\nexport { ${name} as default };\n`, `\nexport = ${name};\n`);
}

/** As `import` sees it: what the namespace exports, the function as default among it. */
function asModule(types, name) {
  const namespace = new RegExp(`^declare namespace ${name} \\{\\n([\\s\\S]*?)^\\}\\n`, 'm').exec(types);
  if (namespace === null)
    throw new Error(`${name} is exported whole, and no namespace says what else there is`);
  const exported = namespace[1].replace(/^ {4}/gm, '');
  return replaced(types.replace(namespace[0], ''), `\nexport { ${name} as default };\n`, `\n${exported}`);
}

function replaced(text, old, now) {
  if (!text.includes(old)) throw new Error(`the roll-up has no ${old.trim()}`);
  return text.replace(old, now);
}

/** The modules that the root re-exports: what a subpath imports from them, it imports from the root. */
function modulesOf(index) {
  return [...readFileSync(index, 'utf8').matchAll(/from '(\.\/[^']+)'/g)].map(([, path]) => basename(path));
}

async function bundle(input, fromRoot) {
  const build = await rollup({
    input,
    plugins: [toRoot(fromRoot), dts()],
    onwarn(warning) {
      if (warning.code !== 'UNUSED_EXTERNAL_IMPORT' && warning.code !== 'EMPTY_BUNDLE') {
        throw new Error(`${input}: ${warning.message}`);
      }
    },
  });
  const { output } = await build.generate({ format: 'es' });
  await build.close();
  return output[0].code;
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
