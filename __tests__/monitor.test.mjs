// EventLoopMonitor, in real time: what it measures is real time itself. Bounds are wide, but for order and for what is whole or not.
import assert from 'node:assert/strict';
import { AsyncLocalStorage } from 'node:async_hooks';
import { readdirSync, readFileSync } from 'node:fs';
import { afterEach, test } from 'node:test';
import { threadId } from 'node:worker_threads';
import { DisposedError, EventLoopMonitor, InvalidOptionError } from 'breakwater';
import { collectGarbage } from './helpers/memory.mjs';
import { runScript } from './helpers/processes.mjs';
import { until } from './helpers/promises.mjs';
import './helpers/rejections.mjs';
import { withThreads } from './helpers/threads.mjs';
import { blockedStorm } from './torture/blocked.mjs';

const made = [];
/** A monitor that is disposed when its test is over. */
function monitorOf(options) {
  const monitor = new EventLoopMonitor(options);
  made.push(monitor);
  return monitor;
}
afterEach(() => {
  for (const monitor of made.splice(0)) monitor.dispose();
});

const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

/** Blocks this thread's loop. */
function block(ms) {
  const end = performance.now() + ms;
  while (performance.now() < end);
}

/** The first whole interval that satisfies a condition. */
async function snapshotWhere(monitor, condition, what) {
  let found;
  await until(() => {
    const snapshot = monitor.snapshot();
    if (condition(snapshot)) found = snapshot;
    return found !== undefined;
  }, what);
  return found;
}

/** Makes a monitor in a thread, kept there. */
const watch = ({ EventLoopMonitor }, kept, options) => {
  kept.monitor = new EventLoopMonitor(options);
};

/** Blocks a thread's loop; answers when that began and ended. */
const blockThread = (_, __, ms) => {
  const began = Date.now();
  const end = performance.now() + ms;
  while (performance.now() < end);
  return { began, ended: Date.now() };
};

/** What a monitor of this thread hears, with when. */
function hearing(monitor) {
  const heard = [];
  monitor.on('blocked', (event) => heard.push({ ...event, at: Date.now() }));
  return heard;
}

test('a block of the loop shows in its percentiles, and in the interval it was in alone', async () => {
  const monitor = monitorOf({ sampleMs: 200, label: 'api' });
  await snapshotWhere(monitor, ({ intervalMs }) => intervalMs >= 200, 'a whole interval');
  block(400);
  const seen = await snapshotWhere(monitor, ({ delay }) => delay.maxMs > 300, 'the block');
  assert.equal(seen.intervalMs >= 380, true, `${seen.intervalMs}`);
  // Most of the interval is the block: who came at any moment of it had to wait.
  assert.equal(seen.delay.p50Ms > 50, true, `p50 ${seen.delay.p50Ms}`);
  assert.equal(seen.delay.p90Ms > seen.delay.p50Ms && seen.delay.maxMs >= seen.delay.p99Ms, true);
  assert.equal(seen.utilization > 0.15, true, `busy ${seen.utilization}`);
  const after = await snapshotWhere(monitor, ({ delay }) => delay.maxMs < 200, 'an interval without it');
  assert.equal(after.delay.meanMs < 100, true);
});

test('who asks right after a block, before the loop has come round, is told of it, and once', async () => {
  const monitor = monitorOf({ sampleMs: 300 });
  await snapshotWhere(monitor, ({ intervalMs }) => intervalMs >= 300, 'a whole interval');
  block(900);
  assert.equal(monitor.delay.maxMs > 800, true, `${monitor.delay.maxMs}`);
  assert.equal(monitor.snapshot().intervalMs > 800, true);
  const next = await snapshotWhere(monitor, ({ intervalMs }) => intervalMs < 800, 'the next interval');
  assert.equal(next.delay.maxMs < 600, true, `${next.delay.maxMs}`);
});

test('a snapshot has all that is documented, and nothing else', () => {
  const monitor = monitorOf();
  const { delay, intervalMs, samples, ...rest } = monitor.snapshot();
  assert.deepEqual(rest, {
    kind: 'monitor',
    name: undefined,
    label: undefined,
    threadId,
    utilization: undefined,
    blocked: [],
  });
  assert.deepEqual(Object.keys(delay), ['p50Ms', 'p90Ms', 'p99Ms', 'maxMs', 'meanMs']);
  assert.equal(intervalMs >= 0 && samples >= 0, true);
  assert.deepEqual(monitor.delay, delay);
});

test('utilization is near 0 in a loop that waits and near 1 in one that works', async () => {
  // In a thread of its own: the loop of a test runner does other things too.
  await withThreads(1, async ([thread]) => {
    const measured = await thread.run(async ({ EventLoopMonitor }) => {
      const monitor = new EventLoopMonitor({ sampleMs: 200 });
      const seen = [];
      /** Some interval in which it is so: a machine that does other things too has others. */
      const intervalWhere = async (holds) => {
        for (let i = 0; i < 100; i++) {
          await new Promise((resolve) => setTimeout(resolve, 200));
          seen.push(monitor.utilization);
          if (holds(monitor.utilization)) return true;
        }
        return seen;
      };
      const idle = await intervalWhere((utilization) => utilization < 0.25);
      const spin = setInterval(() => {
        const end = performance.now() + 20;
        while (performance.now() < end);
      }, 1);
      const busy = await intervalWhere((utilization) => utilization > 0.35 && utilization <= 1);
      clearInterval(spin);
      return [idle, busy, await intervalWhere((utilization) => utilization < 0.25)];
    });
    assert.deepEqual(measured, [true, true, true]);
  });
});

test('a blocked loop is heard of in another thread while it is blocked, and once more when it is not', async () => {
  await withThreads(1, async ([thread]) => {
    const monitor = monitorOf();
    const heard = hearing(monitor);
    await thread.run(watch, { blockedMs: 100, label: 'worker' });
    const blocking = thread.run(blockThread, 700);
    await until(() => heard.length > 0, 'the report');
    const listed = monitor.snapshot().blocked;
    const { began, ended } = await blocking;
    await until(() => heard.at(-1).over, 'the end');
    const [first] = heard;
    assert.deepEqual([first.threadId, first.label, first.over], [thread.worker.threadId, 'worker', false]);
    assert.equal(first.at < ended, true, 'heard while it lasted');
    assert.equal(first.at - began < 500, true, `heard after ${first.at - began} ms`);
    assert.equal(first.blockedMs >= 100, true);
    assert.deepEqual(
      listed.map(({ threadId, label }) => [threadId, label]),
      [[thread.worker.threadId, 'worker']],
    );
    const last = heard.at(-1);
    assert.equal(last.blockedMs >= 690 && last.blockedMs < 5_000, true, `${last.blockedMs}`);
    assert.deepEqual(monitor.snapshot().blocked, []);
    // While it lasts: at the threshold, then each time it has doubled.
    assert.deepEqual(
      heard.map(({ over }) => over),
      [...heard.slice(1).map(() => false), true],
    );
    const order = heard.map(({ generation }) => generation);
    assert.deepEqual(
      order,
      [...order].sort((a, b) => a - b),
    );
  });
});

test('a thread hears of its own block when it is over, and only then', async () => {
  const monitor = monitorOf({ blockedMs: 200, label: 'own' });
  const heard = hearing(monitor);
  await sleep(20);
  block(400);
  await until(() => heard.length > 0, 'the report');
  assert.deepEqual(
    heard.map(({ threadId, label, over }) => ({ threadId, label, over })),
    [{ threadId, label: 'own', over: true }],
  );
  assert.equal(heard[0].blockedMs >= 390, true);
});

test('each monitor of a thread reports by its own threshold, until it is disposed', async () => {
  const short = monitorOf({ blockedMs: 250, label: 'short' });
  const long = monitorOf({ blockedMs: 10_000, label: 'long' });
  const other = monitorOf({ blockedMs: 260, label: 'other' });
  const heard = hearing(long);
  block(500);
  await until(() => heard.length === 2, 'two reports');
  assert.deepEqual(heard.map(({ label }) => label).sort(), ['other', 'short']);
  short.dispose();
  block(500);
  await until(() => heard.length === 3, 'a third report');
  await sleep(30);
  assert.deepEqual([heard.length, heard[2].label], [3, 'other']);
  other.dispose();
});

test('a listener runs in the async context in which it was added, and not after its end', async () => {
  const storage = new AsyncLocalStorage();
  const monitor = monitorOf({ blockedMs: 200 });
  const seen = [];
  const listening = storage.run('mine', () => monitor.on('blocked', () => seen.push(storage.getStore())));
  block(400);
  await until(() => seen.length > 0, 'the report');
  assert.deepEqual(seen, ['mine']);
  listening[Symbol.dispose]();
  const heard = hearing(monitor);
  block(400);
  await until(() => heard.length > 0, 'the next report');
  assert.equal(seen.length, 1);
});

test('with stderr a line is written while the loop is blocked: a process that never comes round has said so', async () => {
  const { code, stderr } = await runScript(`
    import { EventLoopMonitor } from 'breakwater';
    const monitor = new EventLoopMonitor({ blockedMs: 100, stderr: true, label: 'main "loop"\\n' });
    const end = performance.now() + 1_000;
    while (performance.now() < end);
    process.exit(3);
  `);
  assert.equal(code, 3);
  const lines = stderr.trim().split('\n');
  assert.match(
    lines[0],
    /^breakwater: the event loop of thread 0 \("main \\"loop\\"\\n"\) is blocked, for \d+ ms so far$/,
  );
  const ms = lines.map((line) => Number(/(\d+) ms/.exec(line)[1]));
  assert.equal(ms.length <= 4 && ms[0] >= 100 && ms[0] < 900, true, stderr);
});

test('a full pipe that nobody reads loses lines, and the watch goes on', async () => {
  if (process.platform !== 'linux') return; // What a named pipe holds is known there.
  const { code, stdout } = await runScript(`
    import { execFileSync, spawn } from 'node:child_process';
    import fs from 'node:fs';
    import os from 'node:os';
    import path from 'node:path';
    const pipe = path.join(fs.mkdtempSync(path.join(os.tmpdir(), 'breakwater-')), 'pipe');
    execFileSync('mkfifo', [pipe]);
    // Both ends are here, so that writing never fails; it is filled to the brim.
    const reader = fs.openSync(pipe, fs.constants.O_RDWR | fs.constants.O_NONBLOCK);
    try { for (;;) fs.writeSync(reader, 'x'.repeat(4096)); } catch {}
    const writer = fs.openSync(pipe, fs.constants.O_WRONLY);
    const script = \`
      const { EventLoopMonitor } = require('breakwater');
      const { Worker } = require('node:worker_threads');
      const heard = [];
      new EventLoopMonitor().on('blocked', ({ over }) => {
        if (!over) heard.push(over);
        if (heard.length === 3) process.exit(9);
      });
      new Worker("new (require('breakwater').EventLoopMonitor)({ blockedMs: 50, stderr: true }); for (;;);", { eval: true, execArgv: [] });
      setTimeout(() => process.exit(1), 15_000);
    \`;
    const child = spawn(process.execPath, ['-e', script], { stdio: ['ignore', 'inherit', writer] });
    child.on('exit', (code) => { fs.rmSync(path.dirname(pipe), { recursive: true }); console.log(code); });
  `);
  assert.deepEqual({ code, stdout }, { code: 0, stdout: '9\n' });
});

test('without stderr nothing is written, and without blockedMs nobody watches', async () => {
  const { code, stderr, stdout } = await runScript(`
    import { EventLoopMonitor } from 'breakwater';
    const quiet = new EventLoopMonitor({ blockedMs: 400 });
    const none = new EventLoopMonitor();
    const heard = [];
    none.on('blocked', ({ over }) => heard.push(over));
    const block = () => { const end = performance.now() + 600; while (performance.now() < end); };
    block();
    await new Promise((resolve) => setTimeout(resolve, 50));
    console.log(heard.join());
    quiet.dispose();
    block();
    await new Promise((resolve) => setTimeout(resolve, 50));
    console.log(heard.join());
  `);
  assert.deepEqual({ code, stderr, stdout }, { code: 0, stderr: '', stdout: 'true\ntrue\n' });
});

test('the watching thread is there once a loop is watched, and no sooner', async () => {
  if (process.platform !== 'linux') return; // Elsewhere threads have no names to look for.
  const { stdout } = await runScript(`
    import { readdirSync, readFileSync } from 'node:fs';
    import { EventLoopMonitor, LoadShedder } from 'breakwater';
    const watchers = () => readdirSync('/proc/self/task')
      .filter((id) => readFileSync('/proc/self/task/' + id + '/comm', 'utf8').startsWith('breakwater')).length;
    new EventLoopMonitor().on('blocked', () => {});
    new LoadShedder({ maxEventLoopDelayMs: 100 });
    console.log(watchers());
    for (let i = 0; i < 3; i++) new EventLoopMonitor({ blockedMs: 1_000 }).dispose();
    new EventLoopMonitor({ blockedMs: 1_000 });
    await new Promise((resolve) => setTimeout(resolve, 50));
    console.log(watchers());
  `);
  assert.equal(stdout, '0\n1\n');
});

test('a thread that is terminated while it is blocked is reported over, and watched no more', async () => {
  await withThreads(1, async ([thread]) => {
    const monitor = monitorOf();
    const heard = hearing(monitor);
    await thread.run(watch, { blockedMs: 50, label: 'doomed' });
    thread.run(blockThread, 60_000).catch(() => {});
    await until(() => heard.length > 0, 'the report');
    await thread.terminate();
    await until(() => heard.at(-1).over, 'the end');
    assert.deepEqual(monitor.snapshot().blocked, []);
    const { length } = heard;
    await sleep(300);
    assert.equal(heard.length, length, 'nothing is said of a thread that is gone');
  });
});

test('threads that are terminated while they are blocked and listen leave the others in peace', async () => {
  const { pending, unpaired } = await blockedStorm({ times: 24 });
  assert.deepEqual({ pending, unpaired }, { pending: 0, unpaired: 0 });
});

test('a watch goes on though nobody has a hand on its monitor, and a monitor that only measures is collected', async () => {
  const monitor = monitorOf();
  const heard = hearing(monitor);
  const refs = (() => {
    new EventLoopMonitor({ blockedMs: 50, label: 'kept' });
    return [new WeakRef(new EventLoopMonitor({ sampleMs: 50 }))];
  })();
  await sleep(10);
  for (let i = 0; i < 20 && refs[0].deref() !== undefined; i++) await collectGarbage();
  assert.equal(refs[0].deref(), undefined);
  const { length } = heard;
  block(200);
  await until(() => heard.slice(length).some(({ label }) => label === 'kept'), 'the report');
});

test('a monitor that was disposed says so, and a second time does nothing', () => {
  const monitor = new EventLoopMonitor({ label: 'gone', blockedMs: 500 });
  monitor.on('blocked', () => {});
  monitor.dispose();
  monitor.dispose();
  monitor[Symbol.dispose]();
  for (const use of [
    () => monitor.snapshot(),
    () => monitor.delay,
    () => monitor.utilization,
    () => monitor.on('blocked', () => {}),
  ]) {
    assert.throws(
      use,
      (error) => error instanceof DisposedError && error.message === 'monitor "gone" was disposed',
    );
  }
});

test('what is not a monitor’s option, event or listener is an InvalidOptionError', () => {
  const refuses = (call, option) =>
    assert.throws(call, (error) => error instanceof InvalidOptionError && error.option === option);
  for (const [option, values] of Object.entries({
    sampleMs: ['1000', null, Number.NaN, 0, 49, 3_600_001, Number.POSITIVE_INFINITY],
    blockedMs: ['500', null, Number.NaN, 0, 49, -500, 3_600_001],
    stderr: ['yes', 1, null],
    label: [5, null, {}],
    resolution: [10],
  })) {
    for (const value of values) refuses(() => new EventLoopMonitor({ [option]: value }), option);
  }
  refuses(() => new EventLoopMonitor({ stderr: true }), 'blockedMs');
  refuses(() => new EventLoopMonitor(null), 'options');
  const monitor = monitorOf();
  refuses(() => monitor.on('block', () => {}), 'event');
  refuses(() => monitor.on('blocked', 5), 'listener');
  refuses(() => EventLoopMonitor.prototype.snapshot.call({}), 'this');
});

test('monitors keep no process alive, and end with it however it ends', async () => {
  const start = `
    import { EventLoopMonitor } from 'breakwater';
    import { Worker } from 'node:worker_threads';
    const monitor = new EventLoopMonitor({ blockedMs: 50, stderr: false });
    monitor.on('blocked', () => {});
    const block = (ms) => { const end = performance.now() + ms; while (performance.now() < end); };
  `;
  const worker = `
    const worker = new Worker(\`
      const { EventLoopMonitor } = require('breakwater');
      const { parentPort } = require('node:worker_threads');
      new EventLoopMonitor({ blockedMs: 50 }).on('blocked', () => {});
      parentPort.postMessage('ready');
      for (;;) { const end = Date.now() + 80; while (Date.now() < end); if (globalThis.never) break; }
    \`, { eval: true, execArgv: [] });
    await new Promise((resolve) => worker.once('message', resolve));
    await new Promise((resolve) => setTimeout(resolve, 120));
  `;
  for (const [end, expected] of [
    ['', { code: 0, signal: null }],
    ['block(100);', { code: 0, signal: null }],
    ['block(100); process.exit(7);', { code: 7, signal: null }],
    ["process.on('exit', () => block(100));", { code: 0, signal: null }],
    ["process.on('exit', () => block(100)); process.exit(8);", { code: 8, signal: null }],
    [
      "setTimeout(() => {}, 60_000); setTimeout(() => process.kill(process.pid, 'SIGTERM'), 50);",
      { code: null, signal: 'SIGTERM' },
    ],
    [`${worker} process.exit(9);`, { code: 9, signal: null }],
    [`${worker} await worker.terminate(); block(50);`, { code: 0, signal: null }],
  ]) {
    const { code, signal, stderr, ms } = await runScript(start + end, { timeoutMs: 30_000 });
    assert.deepEqual({ end, stderr, code, signal }, { end, stderr: '', ...expected });
    assert.equal(ms < 20_000, true);
  }
});

test('the watching thread sleeps while the loops it watches are well', async () => {
  if (process.platform !== 'linux') return; // What a thread has used is read where Linux says it.
  const monitor = monitorOf({ blockedMs: 100 });
  const task = readdirSync('/proc/self/task').find((id) =>
    readFileSync(`/proc/self/task/${id}/comm`, 'utf8').startsWith('breakwater'),
  );
  const switches = () =>
    Number(
      /^voluntary_ctxt_switches:\s*(\d+)/m.exec(readFileSync(`/proc/self/task/${task}/status`, 'utf8'))[1],
    );
  const before = switches();
  await sleep(1_000);
  // Other monitors of this file are watched too, one every 50 ms.
  assert.equal(switches() - before < 100, true, `woke ${switches() - before} times in a second`);
  assert.deepEqual(monitor.snapshot().blocked, []);
});
