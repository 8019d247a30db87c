/** How much of the processors other programs took, since latencies include waiting for them. */
import { cpus } from 'node:os';

/** Starts measuring; the function it returns gives the share that others took since then, in 0..1. */
export function watchMachine() {
  const before = sample();
  return function shareOfOthers() {
    const after = sample();
    const others = after.busyMs - before.busyMs - (after.ownMs - before.ownMs);
    return Math.max(0, others / (after.totalMs - before.totalMs));
  };
}

function sample() {
  const { user, system } = process.cpuUsage(); // in µs, of all threads
  let busyMs = 0;
  let totalMs = 0;
  for (const { times } of cpus()) {
    const all = times.user + times.nice + times.sys + times.irq + times.idle;
    busyMs += all - times.idle;
    totalMs += all;
  }
  return { busyMs, totalMs, ownMs: (user + system) / 1000 };
}
