/** What memory there is: the limit of the process's control group, or else the machine's. */
import { readFileSync } from 'node:fs';
import { totalmem } from 'node:os';
import { getHeapStatistics } from 'node:v8';
import type { Kind } from './errors.js';
import { checkShape, invalid } from './options.js';

/** A share of what the process may have, in (0, 1]. */
export interface MemoryShare {
  readonly shareOfLimit: number;
}

/**
 * Bytes of resident memory the process may have: the least limit of its control group and those around it (version 2 or 1), else
 * all of the machine's. Read from Linux's files; elsewhere there are no control groups.
 */
export function memoryLimit(read: (path: string) => string = readText): number {
  let least = totalmem();
  for (const [folder, file, path] of groups(read('/proc/self/cgroup'))) {
    // Within a container the path may be the host's: then only its end, the root, is there.
    for (let at = path; ; at = at.slice(0, at.lastIndexOf('/'))) {
      const limit = Number.parseInt(read(`${folder}${at}/${file}`), 10);
      if (limit > 0 && limit < least) least = limit;
      if (at === '') break;
    }
  }
  return least;
}

/** Where the memory of the process is limited: folder, file, and the path of the group without a slash at its end. */
function* groups(text: string): Iterable<[folder: string, file: string, path: string]> {
  for (const line of text.split('\n')) {
    const [id, controllers, ...rest] = line.split(':');
    const path = rest.join(':').replace(/\/+$/, '');
    if (path !== '' && !path.startsWith('/')) continue;
    if (id === '0' && controllers === '') yield ['/sys/fs/cgroup', 'memory.max', path];
    else if (controllers?.split(',').includes('memory')) {
      yield ['/sys/fs/cgroup/memory', 'memory.limit_in_bytes', path];
    }
  }
}

/** Bytes in use; NaN is not known: a process without a file descriptor left cannot ask, and has no time to fail for that. */
export function memoryInUse(): { readonly heapUsed: number; readonly rss: number } {
  try {
    return process.memoryUsage();
  } catch {
    return { heapUsed: Number.NaN, rss: Number.NaN };
  }
}

function readText(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return '';
  }
}

/** Bytes the heap may grow to: V8's limit; Bun's heap has none but the memory's. */
function heapLimit(): number {
  const { heap_size_limit: limit } = getHeapStatistics();
  return process.versions['bun'] === undefined && limit > 0 ? limit : memoryLimit();
}

/** Bytes as an option says them; the core checks their range. @throws {InvalidOptionError} */
export function bytesOf(
  kind: Kind,
  option: 'maxHeapBytes' | 'maxRssBytes',
  value: number | MemoryShare | undefined,
): number | undefined {
  if (value === undefined || typeof value === 'number') return value;
  if (typeof value !== 'object' || value === null) {
    throw invalid(kind, option, 'a number of bytes or { shareOfLimit }', value);
  }
  const { shareOfLimit } = checkShape(kind, value, { shareOfLimit: 'number' }, option);
  if (!(shareOfLimit > 0 && shareOfLimit <= 1)) {
    throw invalid(kind, `${option}.shareOfLimit`, 'a number in (0, 1]', shareOfLimit);
  }
  return shareOfLimit * (option === 'maxHeapBytes' ? heapLimit() : memoryLimit());
}
