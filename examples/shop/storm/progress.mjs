/**
 * What happens while it happens: two waves for each way, of what the clients met and of what the upstream got. On a terminal they
 * grow; elsewhere they are printed once, when all is over.
 */
import { makeWatch as watchWaves } from '../progress.mjs';
import { STORM_PHASES, TROUBLE_MS } from '../scenario.mjs';
import { sum } from '../tally.mjs';
import { bar, columns, cross, dim, LIVE, load, redrawAll, say } from '../terminal.mjs';
import { WAYS } from './ways.mjs';

const TITLE_COLUMNS = 20;
const SHOWN = STORM_PHASES.filter(({ hidden }) => !hidden);
const SHORTEST_TICK_MS = 250;

/** Watches the requests of a phase that began at `startedAt`; knows when the last one was due that failed or took long. */
export function makeWatch(startedAt) {
  const watch = watchWaves();
  let troubleMs = 0;
  return {
    ...watch,
    answered(request, latencyMs, status) {
      watch.answered(request, latencyMs);
      if (status === 200 && latencyMs <= TROUBLE_MS) return;
      troubleMs = Math.max(troubleMs, request.dueAt - startedAt);
    },
    troubleMs: () => troubleMs,
  };
}

/** Shows the phases that `begin` and `end`; a scene of one has `tally`, `watch` and `calls()`, a promise of the calls so far. */
export function showStorm() {
  const room = Math.max(10, Math.floor((columns() - TITLE_COLUMNS - 6) / 2));
  const tickMs = Math.max(SHORTEST_TICK_MS, sum(SHOWN.map(({ durationMs }) => durationMs)) / room);
  const ticksOf = ({ durationMs }) => Math.floor(durationMs / tickMs);
  const width = sum(SHOWN.map(ticksOf));
  const names = SHOWN.map((phase) => phase.name.padEnd(ticksOf(phase))).join('');
  const waves = WAYS.map(() => ({ met: [], calls: [] }));
  let timer;
  let tick = async () => {};
  let due = 0;

  const line = (title, left, right) => `  ${title.padEnd(TITLE_COLUMNS)}  ${left}  ${right}`;
  const wave = (bars) => bars.join('') + ' '.repeat(width - bars.length);
  const lines = () => WAYS.map(({ title }, at) => line(title, wave(waves[at].met), wave(waves[at].calls)));
  const drawn = () => waves[0].met.length;

  say(dim(line('', 'what the clients met'.padEnd(width), 'calls upstream per request')));
  say(dim(line('', names, names)));
  if (LIVE) redrawAll(lines(), false);

  return {
    begin(scenes, callsBefore, durationMs) {
      due = drawn() + Math.floor(durationMs / tickMs);
      let last = scenes.map((_, at) => ({ sent: 0, answered: 0, bad: 0, calls: callsBefore[at] }));
      tick = async (until) => {
        const calls = await Promise.all(scenes.map((scene) => scene.calls()));
        if (drawn() >= until) return;
        last = scenes.map((scene, at) => {
          const now = { ...figures(scene.tally), calls: calls[at] };
          const since = (what) => now[what] - last[at][what];
          const mostFailed = since('bad') * 2 > since('answered');
          const worst = scene.watch.worst();
          waves[at].met.push(mostFailed ? cross() : bar(worst));
          waves[at].calls.push(load(since('sent') === 0 ? 0 : since('calls') / since('sent')));
          return now;
        });
        if (LIVE) redrawAll(lines());
      };
      // The last bar is drawn when all is answered. A dead thread is reported by who waits for the phase.
      timer = setInterval(() => tick(due - 1).catch(() => {}), tickMs);
    },
    async end() {
      clearInterval(timer);
      while (drawn() < due) await tick(due);
    },
    stop() {
      clearInterval(timer);
      if (!LIVE) for (const text of lines()) say(text);
    },
  };
}

function figures({ sent, admitted, failed, refused }) {
  return { sent, answered: sum(admitted) + refused, bad: failed + refused };
}
