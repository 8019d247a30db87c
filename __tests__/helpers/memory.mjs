/** Garbage collection on demand, and what the process holds. */
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';

let gc;

/** Collects all garbage, and lets what waits for that run. */
export async function collectGarbage() {
  if (gc === undefined) {
    if (globalThis.Bun !== undefined) gc = () => globalThis.Bun.gc(true);
    else {
      setFlagsFromString('--expose-gc');
      gc = runInNewContext('gc');
    }
  }
  for (let i = 0; i < 3; i++) {
    gc();
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

/** Resident memory in MB, after a collection. */
export async function residentMegabytes() {
  await collectGarbage();
  return process.memoryUsage.rss() / 1e6;
}
