/**
 * What happens while it happens: one line per phase, a wave of how long the unluckiest regular waited in each fifth of a second.
 * On a terminal the line grows; elsewhere it is printed once, when the phase is over.
 */
import { quantile, sum } from './tally.mjs';
import { bar, columns, dim, LIVE, mood, number, redraw, say, time, wipe } from './terminal.mjs';

const TICK_MS = 200;

/** What a line needs beside its wave. */
const FIGURES_COLUMNS = 64;

/** Watches the regulars: the slowest answer of a tick, or, if older, the request that waits longest. */
export function makeWatch() {
  const waiting = new Set();
  let slowest = 0;
  return {
    sent(dueAt) {
      const request = { dueAt };
      waiting.add(request);
      return request;
    },
    answered(request, latencyMs) {
      waiting.delete(request);
      slowest = Math.max(slowest, latencyMs);
    },
    /** The worst since the last call. A set keeps its order, so the first is the one that waits longest. */
    worst() {
      const [oldest] = waiting;
      const worst = oldest ? Math.max(slowest, performance.now() - oldest.dueAt) : slowest;
      slowest = 0;
      return worst;
    },
  };
}

/** For groups nobody watches. */
export const UNWATCHED = { sent: () => undefined, answered: () => {} };

/** Shows a phase; `tallies()` gives what is known so far, `queue()` promises how many wait at the upstream. */
export function showPhase(phase, watch, tallies, queue) {
  const name = phase.name.padEnd(6);
  const width = Math.max(10, columns() - FIGURES_COLUMNS);
  const bars = [];
  let last = totals(tallies());
  let stopped = false;

  async function tick() {
    const waitingUpstream = await queue();
    if (stopped) return;
    const worst = watch.worst();
    bars.push(bar(worst));
    const now = totals(tallies());
    const perSecond = (field) => number(((now[field] - last[field]) * 1000) / TICK_MS);
    const figures = `${mood(worst)(time(worst).padStart(7))}  in ${perSecond('admitted')}/s  out ${perSecond('refused')}/s`;
    last = now;
    if (LIVE) redraw(`  ${name} ${wave()} ${figures}  ${dim(`queue ${waitingUpstream}`)}`);
  }

  const wave = () => bars.slice(-width).join('') + ' '.repeat(Math.max(0, width - bars.length));
  const timer = setInterval(() => tick().catch(() => {}), TICK_MS); // A dead thread is reported by who waits for the phase.

  return {
    stop() {
      stopped = true;
      clearInterval(timer);
      if (LIVE) wipe();
    },
    /** The line that stays. */
    done(mostWaiting) {
      const { regulars } = tallies();
      const { admitted, refused } = totals(tallies());
      const p99 = quantile(regulars.latencies, 0.99);
      say(
        `  ${name} ${wave()} p99 ${mood(p99)(time(p99).padStart(7))}  ` +
          dim(`in ${number(admitted)}, out ${number(refused)}, queue ${number(mostWaiting)}`),
      );
    },
  };
}

function totals(tallies) {
  const all = Object.values(tallies);
  return {
    admitted: sum(all.map(({ admitted }) => sum(admitted))),
    refused: sum(all.map(({ refused }) => refused)),
  };
}
