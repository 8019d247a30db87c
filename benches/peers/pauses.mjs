/** Collections: asked for, and how long they take. */
import { setTimeout } from 'node:timers/promises';

/** Collects what can be collected. */
export async function collected() {
  for (let round = 0; round < 4; round++) {
    if (globalThis.Bun === undefined) globalThis.gc?.();
    else Bun.gc(true);
    await setTimeout(20);
  }
}

/** The longest pause for collection from now on, asked for at the end; Bun does not say, and then it is 0. */
export async function watchPauses() {
  if (globalThis.Bun !== undefined) return async () => 0;
  const { PerformanceObserver } = await import('node:perf_hooks');
  let longest = 0;
  const observer = new PerformanceObserver((list) => {
    for (const { duration } of list.getEntries()) longest = Math.max(longest, duration);
  });
  observer.observe({ entryTypes: ['gc'] });
  return async () => {
    await setTimeout(20);
    observer.disconnect();
    return longest;
  };
}
