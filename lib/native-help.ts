/** What a NativeBindingError says: what was looked for, what came of it, and how to mend it, by cause. */

/** One place where the binding was looked for. */
export interface Attempt {
  /** A path or the name of a package. */
  readonly where: string;
  /** What loading it threw; undefined when there is no such file, or when only `abi` was wrong. */
  readonly error: unknown;
  /** Set when the file loaded and speaks another contract. */
  readonly abi?: { readonly expected: number; readonly got: unknown };
}

interface Remedy {
  readonly when: RegExp;
  readonly advice: (platform: string, match: RegExpMatchArray) => string;
}

/** Looked through in order over `code message` of each error: the most telling first. */
const REMEDIES: readonly Remedy[] = [
  {
    when: /ERR_DLOPEN_DISABLED/,
    advice: () =>
      'Native addons are switched off in this process: start it without --no-addons, or with --allow-addons where --permission is used.',
  },
  {
    when: /version [`'](GLIBC_[\d.]+)' not found/,
    advice: (_, match) =>
      `The C library of this system is older than the binary needs (${match[1]}): use a newer system image, or build breakwater from its source here.`,
  },
  {
    when: /libc\.musl-|ld-musl-|ld-linux-[\w-]*\.so|Error relocating/,
    advice: (platform) =>
      `The binary was made for another C library (glibc and musl do not mix): delete node_modules and install again on this system, which needs breakwater-${platform}.`,
  },
  {
    when: /wrong ELF class|invalid ELF header|Exec format|incompatible architecture|mach-o|not a valid Win32|file too short/i,
    advice: (platform) =>
      `The binary was made for another machine, or is damaged: delete node_modules and install again on this system, which needs breakwater-${platform}. Do not copy node_modules between systems.`,
  },
  {
    when: /ERR_DLOPEN_FAILED|EACCES|EPERM/,
    advice: () =>
      'The file is there and the system would not load it: see the cause for its words (permissions, a mount with noexec, a missing library).',
  },
];

const SUPPORTED =
  'linux-x64-gnu, linux-arm64-gnu, linux-x64-musl, linux-arm64-musl, darwin-x64, darwin-arm64, win32-x64-msvc, win32-arm64-msvc';

/** The text of the error and the one failure that tells most. */
export function explain(platform: string, attempts: readonly Attempt[]): { message: string; cause: unknown } {
  const looked = attempts.map((attempt) => `  - ${attempt.where}: ${outcome(attempt)}`);
  const { advice, cause } = remedy(platform, attempts);
  const message = `Cannot load the native part of breakwater for ${platform}. Looked for:\n${looked.join('\n')}\n${advice}`;
  return { message, cause };
}

function remedy(platform: string, attempts: readonly Attempt[]): { advice: string; cause: unknown } {
  const foreign = attempts.find((attempt) => attempt.abi !== undefined);
  if (foreign !== undefined) {
    const advice =
      'The JavaScript and the native part are of two versions: install both with one version (delete node_modules and install again).';
    return { advice, cause: undefined };
  }
  for (const { when, advice } of REMEDIES) {
    for (const { error } of attempts) {
      const match = words(error).match(when);
      if (match !== null) return { advice: advice(platform, match), cause: error };
    }
  }
  const last = attempts.findLast(({ error }) => error !== undefined)?.error;
  if (!SUPPORTED.split(', ').includes(platform)) {
    return { advice: `There is no binary for this platform. There are: ${SUPPORTED}.`, cause: last };
  }
  const advice =
    `The package breakwater-${platform} is an optional dependency and was not installed. Install again without --omit=optional or ` +
    '--no-optional; if package-lock.json was written on another system, delete it and node_modules first; in a container, ' +
    'install inside it.';
  return { advice, cause: last };
}

function outcome({ error, abi }: Attempt): string {
  if (abi !== undefined) return `loaded, but its ABI is ${String(abi.got)} and must be ${abi.expected}`;
  if (error === undefined) return 'not there';
  const text = error instanceof Error ? error.message : String(error);
  return text.split('\n', 1)[0] ?? '';
}

function words(error: unknown): string {
  if (typeof error !== 'object' || error === null) return String(error);
  const { code, message } = error as { code?: unknown; message?: unknown };
  return `${String(code)} ${String(message)}`;
}
