// Threads whose loops are blocked most of the time, watched and listening, are killed at random instants: nothing crashes, and what
// was reported blocked is reported over.
import { spawn } from 'node:child_process';
import { EventLoopMonitor } from 'breakwater';
import { until } from '../helpers/promises.mjs';
import { startThread } from '../helpers/threads.mjs';

const CROWD = 2;

/** What a thread does until it is killed: blocks, comes round, makes and disposes monitors. */
function work({ EventLoopMonitor }, _, label) {
  const monitor = new EventLoopMonitor({ blockedMs: 50, label });
  monitor.on('blocked', () => {});
  const round = () => {
    const end = performance.now() + 30 + Math.random() * 80;
    while (performance.now() < end);
    const other = new EventLoopMonitor({ blockedMs: 55, label });
    other.on('blocked', () => {});
    setTimeout(() => {
      other.dispose();
      round();
    }, 1);
  };
  setTimeout(round, 0);
}

/** Kills `times` threads one after another. `unpaired`: blocks without an end; `pending`: loops that are gone and listed. */
export async function blockedStorm({ times, seed = 1, withinMs = 80 }) {
  let state = seed;
  const random = () => {
    state = (Math.imul(state, 1_103_515_245) + 12_345) >>> 0;
    return state / 2 ** 32;
  };
  const monitor = new EventLoopMonitor({ sampleMs: 50 });
  const open = new Map();
  let heard = 0;
  monitor.on('blocked', ({ threadId, over }) => {
    heard += 1;
    if (over) open.delete(threadId);
    else open.set(threadId, true);
  });
  const crowd = [];
  const join = async () => {
    const thread = await startThread();
    await thread.run(work, `storm ${crowd.length}`);
    crowd.push(thread);
  };
  try {
    for (let i = 0; i < CROWD; i++) await join();
    for (let i = 0; i < times; i++) {
      await new Promise((resolve) => setTimeout(resolve, random() * withinMs));
      await crowd.splice(Math.floor(random() * crowd.length), 1)[0].terminate();
      await join();
    }
  } finally {
    await Promise.all(crowd.map((thread) => thread.terminate()));
  }
  await until(() => open.size === 0, 'the end of every block', 5_000).catch(() => {});
  const pending = monitor.snapshot().blocked.length;
  monitor.dispose();
  return { pending, unpaired: open.size, heard };
}

/** How long after a loop of another thread had been blocked for `thresholdMs` this thread heard of it; the worst of `times`. */
export async function heardAfter({ times, thresholdMs = 100, blockMs = 500 }) {
  const monitor = new EventLoopMonitor();
  const thread = await startThread();
  await thread.run(({ EventLoopMonitor }, kept, blockedMs) => {
    kept.monitor = new EventLoopMonitor({ blockedMs });
  }, thresholdMs);
  let heardAt;
  monitor.on('blocked', ({ over }) => {
    if (!over) heardAt ??= Date.now();
  });
  let worst = 0;
  let afterwards = 0;
  try {
    for (let i = 0; i < times; i++) {
      // The loop comes round: where one message follows the other at once, it does not, and all is one long block.
      await new Promise((resolve) => setTimeout(resolve, 40));
      heardAt = undefined;
      const { began, ended } = await thread.run((_, __, ms) => {
        const began = Date.now();
        const end = performance.now() + ms;
        while (performance.now() < end);
        return { began, ended: Date.now() };
      }, blockMs);
      await until(() => heardAt !== undefined, 'the report');
      if (heardAt >= ended) afterwards += 1;
      worst = Math.max(worst, heardAt - began - thresholdMs);
    }
  } finally {
    await thread.terminate();
    monitor.dispose();
  }
  return { worst, afterwards };
}

/** The same of the line on stderr of a process whose main loop is blocked. */
export async function writtenAfter({ times, thresholdMs = 100, blockMs = 500 }) {
  const source = `
    import { EventLoopMonitor } from 'breakwater';
    import { writeSync } from 'node:fs';
    new EventLoopMonitor({ blockedMs: ${thresholdMs}, stderr: true });
    for (let i = 0; i < ${times}; i++) {
      await new Promise((resolve) => setTimeout(resolve, 50));
      writeSync(1, Date.now() + '\\n');
      const end = performance.now() + ${blockMs};
      while (performance.now() < end);
    }`;
  const isBun = process.versions.bun !== undefined;
  const child = spawn(process.execPath, isBun ? ['-e', source] : ['--input-type=module', '-e', source], {
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let began;
  let worst = 0;
  let lines = 0;
  child.stdout.setEncoding('utf8').on('data', (text) => {
    began = Number(text);
  });
  child.stderr.setEncoding('utf8').on('data', () => {
    if (began === undefined) return;
    worst = Math.max(worst, Date.now() - began - thresholdMs);
    lines += 1;
    began = undefined;
  });
  await new Promise((resolve) => child.on('close', resolve));
  return { worst, missed: times - lines };
}

export const sections = [
  {
    title: 'A blocked loop is reported while it is blocked',
    what: 'A loop is blocked for 500 ms, twenty times: how long after its threshold of 100 ms another thread has heard of it, and a line is on stderr.',
    async run() {
      const heard = await heardAfter({ times: 20 });
      const written = await writtenAfter({ times: 20 });
      return [
        {
          figure: 'ms until another thread heard, at most',
          value: heard.worst,
          must: '≤ 50',
          holds: heard.worst <= 50,
        },
        {
          figure: 'heard when it was over',
          value: heard.afterwards,
          must: '0',
          holds: heard.afterwards === 0,
        },
        {
          figure: 'ms until it was on stderr, at most',
          value: written.worst,
          must: '≤ 50',
          holds: written.worst <= 50,
        },
        { figure: 'not on stderr', value: written.missed, must: '0', holds: written.missed === 0 },
      ];
    },
  },
  {
    title: 'Threads are terminated while their loops are blocked and watched',
    what: '300 terminations at random instants, of threads that are blocked most of the time, watch themselves and listen.',
    async run() {
      const { pending, unpaired, heard } = await blockedStorm({ times: 300 });
      return [
        { figure: 'blocks reported without an end', value: unpaired, must: '0', holds: unpaired === 0 },
        {
          figure: 'loops that are gone and listed as blocked',
          value: pending,
          must: '0',
          holds: pending === 0,
        },
        { figure: 'reports heard', value: heard },
      ];
    },
  },
];
