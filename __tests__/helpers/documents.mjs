/** The code in the pages of docs/. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';

const AsyncFunction = (async () => {}).constructor;

/** `[line, code]` of each ```js block of a page. */
export function blocksOf(page) {
  const text = readFileSync(new URL(`../../docs/${page}.md`, import.meta.url), 'utf8');
  return [...text.matchAll(/^```js\n([\s\S]*?)^```$/gm)].map(({ index, 1: code }) => [
    text.slice(0, index).split('\n').length + 1,
    code,
  ]);
}

/** An expression whose value the page states in a comment that says nothing else. */
const STATED =
  /^(\s*)(?!const|let|import|return|if|for|\/\/)(\S.*);\s*\/\/ (true|false|undefined|Infinity|'[^']*'|-?\d[\d_.]*)$/gm;
const IMPORT = /^import (\{[^}]*\}) from ('[^']*');$/gm;

/**
 * Runs the blocks of a page one after another. A block sees what those before it declared, and may declare the same names anew.
 * `given` are the names that the page takes for granted. What a page states in comments has to be so.
 */
export async function runBlocks(page, given) {
  const blocks = blocksOf(page);
  const at = { line: 0 };
  const source = blocks.map(([line, code]) => {
    const run = code
      .replace(IMPORT, (_, names, from) => `const ${names.replaceAll(' as ', ': ')} = await $load(${from});`)
      .replace(STATED, '$1$$same($2, $3);');
    return `{ $at.line = ${line};\n${run}`;
  });
  const names = { ...given, $at: at, $load: (from) => import(from), $same: assert.deepEqual };
  const all = new AsyncFunction(
    ...Object.keys(names),
    `'use strict'; ${source.join('\n')}${'}'.repeat(blocks.length)}`,
  );
  try {
    await all(...Object.values(names));
  } catch (error) {
    throw new Error(`docs/${page}.md: the example in line ${at.line} fails: ${error.message}`, {
      cause: error,
    });
  }
  return blocks.length;
}
