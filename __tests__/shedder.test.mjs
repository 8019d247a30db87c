// LoadShedder: what it refuses and when. The rule in full is tested in Rust; here its samples come by real time, every 50 ms.
import assert from 'node:assert/strict';
import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import { createRequire } from 'node:module';
import { totalmem } from 'node:os';
import { afterEach, test } from 'node:test';
import {
  DisposedError,
  EventLoopMonitor,
  InvalidOptionError,
  LoadShedder,
  OverloadedError,
  pipeline,
  RefusedError,
  timeout,
} from 'breakwater';
import { collectGarbage } from './helpers/memory.mjs';
import { until } from './helpers/promises.mjs';
import './helpers/rejections.mjs';

const internal = createRequire(import.meta.url);
const { registerQueueDelay } = internal('../dist/queue-delay.js');
const { memoryLimit } = internal('../dist/memory.js');

const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

/** Blocks this thread's loop, and asks something again and again meanwhile. */
function block(ms, ask = () => {}) {
  const end = performance.now() + ms;
  while (performance.now() < end) ask();
}

const made = [];
/** Something that is disposed when its test is over. */
function own(disposable) {
  made.push(disposable);
  return disposable;
}
afterEach(() => {
  for (const disposable of made.splice(0)) disposable.dispose();
});

const monitorOf = (sampleMs = 50) => own(new EventLoopMonitor({ sampleMs }));

/** A shedder of a queue whose delay is set by hand: `queue.delayMs`, of 100 that are allowed. */
function queued(options) {
  const queue = { delayMs: 0 };
  registerQueueDelay(queue, () => queue.delayMs);
  const shedder = own(
    new LoadShedder({ maxQueueDelayMs: 100, bulkheads: [queue], monitor: monitorOf(), ...options }),
  );
  return { queue, shedder };
}

/** How many of `calls` are refused. */
const refused = (shedder, priority, calls = 100) =>
  Array.from({ length: calls }, () => shedder.tryAcquire({ priority })).filter((allowed) => !allowed).length;

/** Waits until the pressure has come near to what a lasting load makes of it. */
const settled = (shedder, pressure) =>
  until(() => Math.abs(shedder.pressure - pressure) < 0.005, `a pressure of ${pressure}`);

test('a process that is well refuses nothing', async () => {
  const { queue, shedder } = queued({ maxEventLoopDelayMs: 10_000, maxRssBytes: { shareOfLimit: 1 } });
  queue.delayMs = 79;
  await settled(shedder, 0.79);
  for (let priority = 0; priority <= 9; priority++) assert.equal(refused(shedder, priority), 0);
});

test('under load the least important calls are refused first, a share of them, and all of them later', async () => {
  const { queue, shedder } = queued();
  queue.delayMs = 93;
  await settled(shedder, 0.93);
  // From 0.8 for priority 0 … 1 for priority 9.
  const shares = Array.from({ length: 10 }, (_, priority) => refused(shedder, priority));
  assert.equal(shares[0] > 40 && shares[0] < 52, true, shares.join());
  assert.equal(shares[5] > 18 && shares[5] < 30, true, shares.join());
  assert.deepEqual([shares[8], shares[9]], [0, 0]);
  assert.deepEqual(
    shares,
    [...shares].sort((a, b) => b - a),
  );
  queue.delayMs = 500;
  await until(() => refused(shedder, 9, 10) === 10, 'everything refused');
  assert.equal(shedder.pressure, 1);
  assert.equal(refused(shedder, 5), 100);
  queue.delayMs = 10;
  await until(() => shedder.snapshot().shedding.every((rate) => rate === 0), 'nothing refused');
  assert.equal(refused(shedder, 0), 0);
});

test('a snapshot says which measure limits, what was measured, and what was refused of which priority', async () => {
  const { queue, shedder } = queued({ label: 'api', maxEventLoopDelayMs: 60_000, maxUtilization: 1 });
  queue.delayMs = 200;
  await until(() => refused(shedder, 2, 1) === 1, 'a refusal');
  const { memoryLimitBytes, measured, shedding, refusedByPriority, allowed, ...rest } = shedder.snapshot();
  assert.deepEqual(rest, {
    kind: 'shedder',
    name: undefined,
    label: 'api',
    dryRun: false,
    pressure: shedder.pressure,
    limiting: 'queueDelay',
    bounds: {
      eventLoopDelayMs: 60_000,
      utilization: 1,
      heapBytes: undefined,
      rssBytes: undefined,
      queueDelayMs: 100,
    },
    refused: 1,
  });
  assert.deepEqual(
    [measured.queueDelayMs, measured.heapBytes, measured.rssBytes],
    [200, undefined, undefined],
  );
  assert.equal(measured.eventLoopDelayMs >= 0, true);
  assert.equal(memoryLimitBytes > 1e6 && memoryLimitBytes <= totalmem(), true);
  assert.deepEqual(refusedByPriority, [0, 0, 1, 0, 0, 0, 0, 0, 0, 0]);
  assert.equal(shedding.length, 10);
  assert.equal(allowed > 0, true);
});

test('a heap or a resident set above its bound is a pressure of 1', async () => {
  for (const [bound, limiting] of [
    [{ maxHeapBytes: 1 }, 'heap'],
    [{ maxRssBytes: 1 }, 'rss'],
  ]) {
    const shedder = own(new LoadShedder({ ...bound, monitor: monitorOf() }));
    await until(() => shedder.pressure === 1 && refused(shedder, 5, 1) === 1, limiting);
    const snapshot = shedder.snapshot();
    assert.equal(snapshot.limiting, limiting);
    assert.equal(snapshot.measured.heapBytes > 1e5 && snapshot.measured.rssBytes > 1e6, true);
  }
});

test('a loop that is late round after round is shed, and well again once it is in time', async () => {
  const shedder = own(new LoadShedder({ maxEventLoopDelayMs: 20, monitor: monitorOf() }));
  const busy = setInterval(() => block(60), 1);
  await until(() => refused(shedder, 5, 1) === 1, 'a refusal');
  assert.equal(shedder.snapshot().limiting, 'eventLoopDelay');
  clearInterval(busy);
  await until(() => refused(shedder, 0, 1) === 0 && shedder.pressure < 0.5, 'calm');
});

test('one long block refuses nobody once it is over', async () => {
  const shedder = own(new LoadShedder({ maxEventLoopDelayMs: 100 }));
  await until(() => shedder.snapshot().measured.eventLoopDelayMs < 25 && shedder.pressure < 0.1, 'calm');
  block(350);
  assert.equal(refused(shedder, 5), 0);
  await sleep(10);
  assert.equal(refused(shedder, 5), 0);
  await until(() => shedder.pressure < 0.2, 'calm');
});

test('a loop that does not come round sheds all the same: decisions take their own samples', async () => {
  const shedder = own(new LoadShedder({ maxEventLoopDelayMs: 20, monitor: monitorOf() }));
  await sleep(100);
  let allowed = 0;
  let last = true;
  block(1_500, () => {
    last = shedder.tryAcquire();
    if (last) allowed += 1;
  });
  assert.equal(last, false);
  assert.equal(allowed > 0, true);
  await until(() => shedder.tryAcquire(), 'a call that is allowed');
});

test('a loop that is busy and in time refuses its least important calls at most', async () => {
  const shedder = own(
    new LoadShedder({ maxEventLoopDelayMs: 5_000, maxUtilization: 0.3, monitor: monitorOf(200) }),
  );
  const busy = setInterval(() => block(15), 1);
  await until(() => shedder.pressure > 0.88, 'pressure');
  assert.equal(shedder.snapshot().limiting, 'utilization');
  assert.equal(refused(shedder, 0) > 0, true);
  assert.equal(refused(shedder, 5), 0);
  clearInterval(busy);
});

test('execute runs what is let in, and rejects what is not with an OverloadedError that says when to come back', async () => {
  const { queue, shedder } = queued({ label: 'api' });
  assert.equal(await shedder.execute(async ({ attempt }) => attempt), 1);
  assert.equal(await shedder.wrap((a, b) => a + b)(1, 2), 3);
  queue.delayMs = 1_000;
  await until(() => refused(shedder, 9, 1) === 1 && shedder.snapshot().shedding[9] === 1, 'a full house');
  let called = 0;
  const fn = () => {
    called += 1;
  };
  for (const promise of [
    shedder.execute(fn),
    shedder.execute(fn, { priority: 9 }),
    shedder.wrap(fn)(),
    pipeline(timeout({ ms: 1_000 }), shedder).execute(fn, { priority: 0 }),
  ]) {
    const error = await promise.catch((error) => error);
    assert.equal(error instanceof OverloadedError && error instanceof RefusedError, true);
    assert.equal(error.message, 'shedder "api" refused: the process is overloaded');
    assert.deepEqual([error.code, error.kind, error.primitive], ['ERR_OVERLOADED', 'shedder', 'api']);
    assert.equal(error.retryAfterMs > 0 && error.retryAfterMs <= 1_000, true, `${error.retryAfterMs}`);
  }
  assert.equal(called, 0);
  assert.equal(shedder.retryAfterMs() > 0, true);
  queue.delayMs = 0;
  await until(() => shedder.retryAfterMs({ priority: 0 }) === 0, 'calm');
});

test('a dry run decides, counts and publishes, and refuses nothing', async () => {
  const { queue, shedder } = queued({ dryRun: true, label: 'trial' });
  const messages = [];
  const listener = (message) => messages.push(message);
  subscribe('breakwater:shedder:refused', listener);
  queue.delayMs = 1_000;
  await until(() => shedder.pressure === 1 && shedder.snapshot().shedding[5] === 1, 'pressure');
  assert.equal(refused(shedder, 5, 3), 0);
  assert.equal(await shedder.execute(() => 'ran'), 'ran');
  unsubscribe('breakwater:shedder:refused', listener);
  assert.equal(shedder.snapshot().refused, 4);
  assert.deepEqual(messages, Array(4).fill({ kind: 'shedder', primitive: 'trial', dryRun: true }));
});

test('reconfigure changes the bounds it is given and keeps the others', async () => {
  const { queue, shedder } = queued({ maxEventLoopDelayMs: 500 });
  queue.delayMs = 1_000;
  await until(() => shedder.pressure === 1, 'pressure');
  shedder.reconfigure({ maxQueueDelayMs: 100_000, maxHeapBytes: { shareOfLimit: 1 } });
  await until(() => shedder.pressure < 0.6, 'calm');
  const { bounds, measured } = shedder.snapshot();
  assert.deepEqual([bounds.queueDelayMs, bounds.eventLoopDelayMs], [100_000, 500]);
  assert.equal(bounds.heapBytes > 1e7 && measured.heapBytes > 0, true);
  for (const [change, option] of [
    [{ maxQueueDelayMs: 0 }, 'maxQueueDelayMs'],
    [{ maxUtilization: 2 }, 'maxUtilization'],
    [{ bulkheads: [] }, 'bulkheads'],
  ]) {
    assert.throws(
      () => shedder.reconfigure(change),
      (error) => error instanceof InvalidOptionError && error.option === option,
    );
  }
  assert.deepEqual(shedder.snapshot().bounds, bounds);
  const none = own(new LoadShedder({ maxEventLoopDelayMs: 100 }));
  assert.throws(() => none.reconfigure({ maxQueueDelayMs: 5 }), InvalidOptionError);
});

test('a shedder whose monitor was disposed sheds a late loop all the same', async () => {
  const monitor = new EventLoopMonitor({ sampleMs: 50 });
  const shedder = own(new LoadShedder({ maxEventLoopDelayMs: 20, maxUtilization: 1, monitor }));
  monitor.dispose();
  assert.throws(() => new LoadShedder({ maxEventLoopDelayMs: 1, monitor }), DisposedError);
  const busy = setInterval(() => block(60), 1);
  await until(() => refused(shedder, 5, 1) === 1, 'a refusal');
  clearInterval(busy);
  assert.equal(shedder.snapshot().measured.utilization > 0.1, true);
});

test('a shedder whose monitor was disposed under pressure takes calls again when that is over', async () => {
  const monitor = new EventLoopMonitor({ sampleMs: 50 });
  const { queue, shedder } = queued({ monitor });
  queue.delayMs = 1_000;
  await until(() => shedder.snapshot().shedding[5] === 1, 'pressure');
  monitor.dispose();
  queue.delayMs = 0;
  await until(() => shedder.tryAcquire() && shedder.retryAfterMs({ priority: 0 }) === 0, 'calm');
});

test('a shedder goes on with a monitor that nobody else holds, and the beats end with both', async () => {
  const { beat } = internal('../dist/host.js').host();
  const refs = [];
  const shedder = (() => {
    const monitor = new EventLoopMonitor({ sampleMs: 50 });
    refs.push(new WeakRef(monitor));
    return new LoadShedder({ maxEventLoopDelayMs: 20, monitor });
  })();
  await sleep(10);
  for (let i = 0; i < 20 && refs[0].deref() !== undefined; i++) await collectGarbage();
  const busy = setInterval(() => block(60), 1);
  await until(() => refused(shedder, 5, 1) === 1, 'a refusal');
  clearInterval(busy);
  shedder.dispose();
  await until(() => beat() === -1, 'the end of the beats');
});

test('memory that cannot be read is not known, and harms neither samples nor calls', async () => {
  const shedder = own(new LoadShedder({ maxRssBytes: 1, maxHeapBytes: 1, monitor: monitorOf() }));
  await until(() => shedder.pressure === 1, 'pressure');
  const { memoryUsage } = process;
  let asked = 0;
  process.memoryUsage = () => {
    asked += 1;
    throw new Error('EMFILE: too many open files, uv_resident_set_memory');
  };
  try {
    await until(() => asked > 2 && shedder.pressure < 0.9, 'samples without');
    block(300, () => shedder.tryAcquire());
    assert.deepEqual(
      [shedder.snapshot().measured.rssBytes, shedder.snapshot().measured.heapBytes],
      [undefined, undefined],
    );
  } finally {
    process.memoryUsage = memoryUsage;
  }
  await until(() => shedder.pressure === 1, 'pressure again');
});

test('who asks when to come back in the middle of a block is answered by a sample of now', async () => {
  const { queue, shedder } = queued();
  await sleep(60);
  queue.delayMs = 10_000;
  // Not one sample comes by itself here.
  let ms = 0;
  block(2_000, () => {
    ms = Math.max(ms, shedder.retryAfterMs());
  });
  assert.equal(ms > 0, true);
  assert.equal(shedder.tryAcquire(), false);
});

test('of two callers that take turns none is refused always', async () => {
  const { queue, shedder } = queued();
  // A rate of one half: 0.81 + 0.25.
  queue.delayMs = 106;
  await settled(shedder, 1);
  await until(() => Math.abs(shedder.snapshot().shedding[5] - 0.5) < 0.05, 'half');
  const refusals = [0, 0];
  for (let call = 0; call < 2_000; call++) refusals[call % 2] += shedder.tryAcquire() ? 0 : 1;
  assert.equal(
    refusals.every((count) => count > 250 && count < 750),
    true,
    refusals.join(),
  );
});

test('every shedder of a monitor has the samples that another one takes in the middle of a block', async () => {
  const monitor = monitorOf();
  const one = own(new LoadShedder({ maxEventLoopDelayMs: 20, monitor }));
  const other = own(new LoadShedder({ maxEventLoopDelayMs: 20, monitor }));
  await sleep(100);
  block(1_500, () => one.tryAcquire());
  assert.equal(other.snapshot().pressure, one.snapshot().pressure);
});

test('a shedder that was disposed says so, and a second time does nothing', async () => {
  const shedder = new LoadShedder({ maxEventLoopDelayMs: 100, label: 'gone' });
  shedder.dispose();
  shedder.dispose();
  shedder[Symbol.dispose]();
  const said = (error) => error instanceof DisposedError && error.message === 'shedder "gone" was disposed';
  for (const use of [
    () => shedder.tryAcquire(),
    () => shedder.pressure,
    () => shedder.snapshot(),
    () => shedder.retryAfterMs(),
    () => shedder.reconfigure({ maxEventLoopDelayMs: 5 }),
  ]) {
    assert.throws(use, said);
  }
  await assert.rejects(
    shedder.execute(() => {}),
    said,
  );
});

test('what is not a shedder’s option or priority is an InvalidOptionError', async () => {
  const refuses = (options, option) =>
    assert.throws(
      () => new LoadShedder(options),
      (error) => error instanceof InvalidOptionError && error.option === option,
      `${option}: ${JSON.stringify(options)}`,
    );
  refuses(undefined, 'options');
  refuses({}, 'maxEventLoopDelayMs');
  refuses({ maxUtilization: 0.9 }, 'maxEventLoopDelayMs');
  const one = { maxEventLoopDelayMs: 100 };
  for (const [option, values] of Object.entries({
    maxEventLoopDelayMs: ['100', null, Number.NaN, 0, -1, Number.POSITIVE_INFINITY],
    maxUtilization: ['1', null, Number.NaN, 0, 1.01, -0.5],
    maxHeapBytes: ['1', null, Number.NaN, 0, Number.POSITIVE_INFINITY, []],
    maxRssBytes: ['1', null, Number.NaN, 0, () => {}],
    bulkheads: [null, {}, 'all', []],
    monitor: [null, 'mine', {}],
    label: [5, null],
    dryRun: [1, 'yes'],
    maxCpu: [0.5],
  })) {
    for (const value of values) refuses({ ...one, [option]: value }, option);
  }
  for (const shareOfLimit of ['1', undefined, Number.NaN, 0, 1.5, -1]) {
    refuses({ maxRssBytes: { shareOfLimit } }, 'maxRssBytes.shareOfLimit');
  }
  refuses({ maxHeapBytes: { share: 0.5 } }, 'maxHeapBytes.share');
  refuses({ maxQueueDelayMs: 50 }, 'bulkheads');
  refuses({ maxQueueDelayMs: 50, bulkheads: [{}] }, 'bulkheads[0]');
  refuses({ maxQueueDelayMs: 50, bulkheads: [null] }, 'bulkheads[0]');
  const shedder = own(new LoadShedder(one));
  for (const priority of [10, -1, 0.5, Number.NaN]) {
    const said = (error) => error instanceof InvalidOptionError && error.option === 'priority';
    assert.throws(() => shedder.tryAcquire({ priority }), said);
    assert.throws(() => shedder.retryAfterMs({ priority }), said);
    await assert.rejects(
      shedder.execute(() => {}, { priority }),
      said,
    );
  }
  assert.throws(() => shedder.tryAcquire({ weight: 5 }), InvalidOptionError);
  assert.throws(() => shedder.tryAcquire(5), InvalidOptionError);
  assert.throws(() => LoadShedder.prototype.tryAcquire.call({}), InvalidOptionError);
});

test('a shedder that nobody holds is collected, and its samples end', async () => {
  const refs = (() => {
    const shedder = new LoadShedder({ maxHeapBytes: 1 });
    return [new WeakRef(shedder)];
  })();
  await sleep(10);
  for (let i = 0; i < 20 && refs[0].deref() !== undefined; i++) await collectGarbage();
  assert.equal(refs[0].deref(), undefined);
  await sleep(450);
});

test('the memory limit is the least of the control groups, of either version, and else the machine’s', () => {
  const reader = (files) => (path) => files[path] ?? '';
  const own = '/proc/self/cgroup';
  const cases = [
    [{}, totalmem()],
    [{ [own]: '0::/\n', '/sys/fs/cgroup/memory.max': 'max\n' }, totalmem()],
    [{ [own]: '0::/\n', '/sys/fs/cgroup/memory.max': '1048576\n' }, 1_048_576],
    [
      {
        [own]: '0::/pod/app\n',
        '/sys/fs/cgroup/pod/app/memory.max': '2097152\n',
        '/sys/fs/cgroup/pod/memory.max': '1048576\n',
      },
      1_048_576,
    ],
    [
      {
        [own]: '9:name=systemd:/\n4:memory:/docker/abc\n1:cpu,cpuacct:/docker/abc\n0::/\n',
        '/sys/fs/cgroup/memory/docker/abc/memory.limit_in_bytes': '4194304\n',
        '/sys/fs/cgroup/memory/memory.limit_in_bytes': '9223372036854771712\n',
      },
      4_194_304,
    ],
    // In a container the path is the host's, and the group itself is the root.
    [
      { [own]: '4:memory:/docker/abc\n', '/sys/fs/cgroup/memory/memory.limit_in_bytes': '4194304\n' },
      4_194_304,
    ],
    [{ [own]: 'garbage\n0::no-slash\n' }, totalmem()],
  ];
  for (const [files, expected] of cases) assert.equal(memoryLimit(reader(files)), expected);
});
