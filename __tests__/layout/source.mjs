/** Reading source files for the layout rules: which there are, and their code without comments and strings. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { filesBelow, ROOT } from '../../scripts/steps.mjs';

/** The files of the repository that people write, below `folder`, with one of these endings. */
export function sources(folder, ...endings) {
  return filesBelow(folder, (file) => endings.some((ending) => file.endsWith(ending)));
}

export function read(file) {
  return readFileSync(join(ROOT, file), 'utf8');
}

/** The code of a Rust file: comments, strings and test modules are blanked out; line numbers stay. */
export function rustCode(file) {
  return withoutTests(blank(read(file), RUST_SKIPPED));
}

/** The code of a TypeScript or JavaScript file without comments. Strings stay: imports are strings. */
export function scriptCode(file) {
  return blank(read(file), SCRIPT_SKIPPED);
}

// Line comment, block comment (nested to one level), raw string, string, character. A lifetime is none of them.
const RUST_SKIPPED =
  /\/\/[^\n]*|\/\*(?:[^*/]|\*(?!\/)|\/(?!\*)|\/\*[\s\S]*?\*\/)*\*\/|\br(#*)"[\s\S]*?"\1|"(?:[^"\\]|\\[\s\S])*"|'(?:[^'\\\n]|\\[^\n]{1,10}?)'/g;
// A comment, or a string, template or pattern that may hold what looks like one: those are kept.
const SCRIPT_SKIPPED =
  /(?<keep>'(?:[^'\\\n]|\\[\s\S])*'|"(?:[^"\\\n]|\\[\s\S])*"|`(?:[^`\\]|\\[\s\S])*`|(?<=[(,=:[!&|?{};\n]\s*)\/(?![/*])(?:[^/\\\n[]|\\.|\[(?:[^\]\\\n]|\\.)*\])+\/)|\/\/[^\n]*|\/\*[\s\S]*?\*\//g;

function blank(text, skipped) {
  return text.replace(skipped, (match, ...rest) => {
    const groups = rest.at(-1);
    if (typeof groups === 'object' && groups?.keep !== undefined) return match;
    return match.replace(/[^\n]/g, ' ');
  });
}

function withoutTests(code) {
  let result = code;
  for (const match of code.matchAll(
    /#\[cfg\((?:all\()?test\b[^\]]*\]\s*(?:pub(?:\([^)]*\))? )?mod \w+ \{/g,
  )) {
    const end = closing(code, match.index + match[0].length - 1);
    const body = code.slice(match.index, end);
    result = result.slice(0, match.index) + body.replace(/[^\n]/g, ' ') + result.slice(end);
  }
  return result;
}

/** The index behind the brace that closes the one at `open`. */
export function closing(code, open) {
  let depth = 0;
  for (let at = open; at < code.length; at += 1) {
    if (code[at] === '{') depth += 1;
    else if (code[at] === '}') {
      depth -= 1;
      if (depth === 0) return at + 1;
    }
  }
  return code.length;
}

/** `file:line` of an index in the text of a file. */
export function place(file, text, index) {
  return `${file}:${text.slice(0, index).split('\n').length}`;
}

/** Every match of `pattern` in the code of `files`, as `file:line: match`, but for the files in `except`. */
export function findAll(files, code, pattern, except = []) {
  return files
    .filter(
      (file) =>
        !except.some((allowed) => (allowed.endsWith('/') ? file.startsWith(allowed) : file === allowed)),
    )
    .flatMap((file) => {
      const text = code(file);
      return [...text.matchAll(pattern)].map(
        (match) => `${place(file, text, match.index)}: ${match[0].trim()}`,
      );
    });
}

/** What a TypeScript or JavaScript file imports: `{ from, typeOnly, at }`. */
export function imports(file) {
  const code = scriptCode(file);
  const found = [];
  for (const match of code.matchAll(/^(import|export)\s+(type\s)?[^;'"]*?from\s+['"]([^'"]+)['"]/gm)) {
    found.push({ from: match[3], typeOnly: match[2] !== undefined, at: place(file, code, match.index) });
  }
  for (const match of code.matchAll(
    /\b(?:import|require)\(\s*['"]([^'"]+)['"]|^import\s+['"]([^'"]+)['"]/gm,
  )) {
    found.push({ from: match[1] ?? match[2], typeOnly: false, at: place(file, code, match.index) });
  }
  return found;
}
