// The events of CircuitBreaker: what is told, when, in which order and context. Over threads: breaker-workers.test.mjs.
import assert from 'node:assert/strict';
import { AsyncLocalStorage } from 'node:async_hooks';
import { test } from 'node:test';
import { CircuitBreaker, InvalidOptionError, ManualClock } from 'breakwater';
import { made, say } from './helpers/breaker.mjs';
import { runScript } from './helpers/processes.mjs';
import { continuations, reasonOf } from './helpers/promises.mjs';
import './helpers/rejections.mjs';

/** Opens at the first failure, for a second. */
const HASTY = { consecutiveFailures: 1, openMs: 1_000 };
const never = Number.POSITIVE_INFINITY;

/** A breaker whose changes are written down as they are heard. */
function heard(options) {
  const { clock, breaker } = made(options);
  const events = [];
  const listening = breaker.on('stateChange', (change) => events.push(change));
  return { clock, breaker, events, listening };
}

test('tells what changed, why, when a call may pass, and which change it was', async () => {
  const { clock, breaker, events } = heard(HASTY);
  say(breaker, 'failure');
  clock.advance(1_000);
  say(breaker, 'success');
  breaker.forceOpen(50);
  breaker.reset();
  const isolated = breaker.isolate();
  const disabled = breaker.disable();
  isolated[Symbol.dispose]();
  breaker.forceOpen(70);
  clock.advance(20);
  disabled[Symbol.dispose]();
  breaker.disable();
  await continuations();
  assert.deepEqual(
    events.map(({ from, to, reason, retryAfterMs }) => [from, to, reason, retryAfterMs]),
    [
      ['closed', 'open', 'consecutiveFailures', 1_000],
      ['open', 'halfOpen', 'elapsed', 0],
      ['halfOpen', 'closed', 'recovered', 0],
      ['closed', 'open', 'forced', 50],
      ['open', 'closed', 'reset', 0],
      ['closed', 'isolated', 'isolated', never],
      ['isolated', 'disabled', 'released', 0],
      ['disabled', 'open', 'released', 50],
      ['open', 'disabled', 'disabled', 0],
    ],
  );
  assert.deepEqual(
    events.map(({ generation }) => generation),
    [1, 2, 3, 4, 5, 6, 7, 8, 9],
  );
  assert.deepEqual(Object.keys(events[0]).sort(), ['from', 'generation', 'reason', 'retryAfterMs', 'to']);
  assert.equal(breaker.snapshot().generation, 9);
});

test('says which rule opened it, and that a result did', async () => {
  for (const [reason, options, call] of [
    ['failureRate', { minimumCalls: 1 }, (breaker) => say(breaker, 'failure')],
    ['consecutiveFailures', HASTY, (breaker) => say(breaker, 'failure')],
    ['result', { isFailure: () => ({ openMs: 7 }) }, (breaker) => void breaker.execute(() => 429)],
  ]) {
    const { breaker, events } = heard(options);
    call(breaker);
    await continuations();
    assert.deepEqual(
      events.map((change) => change.reason),
      [reason],
    );
  }
  const { clock, breaker, events } = heard({ slowCallMs: 5, minimumCalls: 1 });
  const slow = breaker.tryAcquire();
  clock.advance(6);
  slow.success();
  await continuations();
  assert.equal(events[0].reason, 'slowCallRate');
});

test('a listener runs in a later microtask, never inside the call that caused the change', async () => {
  const { breaker, events } = heard(HASTY);
  say(breaker, 'failure');
  breaker.reset();
  assert.deepEqual(events, []);
  await null;
  assert.equal(events.length, 2);

  const order = [];
  breaker.on('stateChange', () => order.push('heard'));
  const call = breaker.execute(() => {
    throw new Error('down');
  });
  order.push('called');
  await call.catch(() => {});
  await continuations();
  assert.deepEqual(order, ['called', 'heard']);
});

test('no change, no event: no second isolation, no call that is refused, no break that is over but not noticed', async () => {
  const { clock, breaker, events } = heard(HASTY);
  const handles = [breaker.isolate(), breaker.isolate()];
  breaker.forceOpen();
  for (const handle of handles) handle[Symbol.dispose]();
  breaker.tryAcquire();
  clock.advance(5_000);
  assert.equal(breaker.state, 'halfOpen');
  await continuations();
  assert.deepEqual(
    events.map(({ to }) => to),
    ['isolated', 'open'],
  );
  breaker.tryAcquire();
  await continuations();
  assert.equal(events.at(-1).to, 'halfOpen');
});

test('every listener hears every change, in order, from when it was added on', async () => {
  const clock = new ManualClock();
  const options = { ...HASTY, name: 'breaker-events.test:all', clock };
  const [one, other] = [new CircuitBreaker(options), new CircuitBreaker(options)];
  const events = [];
  const listen = (who, breaker) =>
    breaker.on('stateChange', ({ to, generation }) => events.push(`${who}: ${generation} ${to}`));
  listen('a', one);
  say(one, 'failure');
  listen('b', one);
  listen('c', other);
  other.reset();
  await continuations();
  // Objects hear one after another; each of them in order.
  assert.deepEqual(
    ['a', 'b', 'c'].map((who) => events.filter((event) => event.startsWith(who))),
    [['a: 1 open', 'a: 2 closed'], ['b: 2 closed'], ['c: 2 closed']],
  );
  for (const breaker of [one, other]) breaker.dispose();
});

test('a listener that was disposed hears nothing more, not even what had happened before', async () => {
  const { breaker, events, listening } = heard(HASTY);
  say(breaker, 'failure');
  listening[Symbol.dispose]();
  listening[Symbol.dispose]();
  await continuations();
  assert.deepEqual(events, []);
  breaker.reset();
  const again = breaker.on('stateChange', ({ to }) => events.push(to));
  say(breaker, 'failure');
  await continuations();
  assert.deepEqual(events, ['open'], 'what came while nobody listened is not told later');
  again[Symbol.dispose]();
});

test('a listener that another one disposes of does not hear the same change', async () => {
  const { breaker } = made(HASTY);
  const events = [];
  breaker.on('stateChange', () => {
    events.push('first');
    second[Symbol.dispose]();
  });
  const second = breaker.on('stateChange', () => events.push('second'));
  say(breaker, 'failure');
  await continuations();
  assert.deepEqual(events, ['first']);
});

test('a listener may change the breaker, add a listener and dispose of it', async () => {
  const { breaker } = made(HASTY);
  const events = [];
  breaker.on('stateChange', ({ to, generation }) => {
    events.push(`${generation} ${to}`);
    if (generation === 1) {
      breaker.on('stateChange', (change) =>
        events.push(`${change.generation} ${change.to}, heard by the new one`),
      );
      breaker.reset();
      events.push('reset');
    }
    if (generation === 3) breaker.dispose();
  });
  say(breaker, 'failure');
  await continuations();
  breaker.forceOpen();
  await continuations();
  assert.deepEqual(events, ['1 open', 'reset', '2 closed', '2 closed, heard by the new one', '3 open']);
});

test('a listener runs in the async context of on', async () => {
  const storage = new AsyncLocalStorage();
  const { breaker } = made(HASTY);
  const seen = [];
  storage.run('listening', () => breaker.on('stateChange', () => seen.push(storage.getStore())));
  storage.run('calling', () => say(breaker, 'failure'));
  await continuations();
  assert.deepEqual(seen, ['listening']);
});

test('whoever is more than 64 changes behind skips the oldest', async () => {
  const { breaker, events } = heard();
  for (let i = 0; i < 50; i++) breaker.isolate()[Symbol.dispose]();
  await continuations();
  assert.deepEqual(
    events.map(({ generation }) => generation),
    Array.from({ length: 64 }, (_, index) => 37 + index),
  );
});

test('what a listener throws is an uncaught exception, and nobody else’s affair', async () => {
  const { code, stdout, stderr } = await runScript(`
    import { CircuitBreaker, ManualClock } from 'breakwater';
    process.on('uncaughtException', (error) => console.log('uncaught:', error.message));
    const breaker = new CircuitBreaker({ consecutiveFailures: 1, clock: new ManualClock() });
    breaker.on('stateChange', ({ to }) => { throw new Error(to); });
    breaker.on('stateChange', ({ to }) => console.log('heard:', to));
    await breaker.execute(() => { throw new Error('down'); }).catch(({ message }) => console.log('caller:', message));
    breaker.reset();
    await new Promise((resolve) => setTimeout(resolve, 1));
  `);
  assert.deepEqual({ code, stderr }, { code: 0, stderr: '' });
  assert.deepEqual(stdout.trim().split('\n').sort(), [
    'caller: down',
    'heard: closed',
    'heard: open',
    'uncaught: closed',
    'uncaught: open',
  ]);
});

test('what a listener throws fails a process that does not catch it', async () => {
  const { code, stderr } = await runScript(`
    import { CircuitBreaker } from 'breakwater';
    const breaker = new CircuitBreaker();
    breaker.on('stateChange', () => { throw new Error('mine'); });
    breaker.forceOpen();
  `);
  assert.notEqual(code, 0);
  assert.equal(stderr.includes('Error: mine') || stderr.includes('error: mine'), true, stderr);
});

test('listening keeps no process alive', async () => {
  const { code, stdout, stderr } = await runScript(
    `
    import { CircuitBreaker } from 'breakwater';
    for (const name of [undefined, 'breaker-events.test']) {
      const breaker = new CircuitBreaker({ name });
      breaker.on('stateChange', ({ to }) => console.log(to));
      breaker.isolate();
    }
  `,
    { timeoutMs: 20_000 },
  );
  assert.deepEqual({ code, stdout, stderr }, { code: 0, stdout: 'isolated\nisolated\n', stderr: '' });
});

test('on wants the one event there is, and a function', () => {
  const { breaker } = made({ label: 'mine' });
  for (const event of [undefined, null, 5, '', 'statechange', 'open', 'error', {}, Symbol('stateChange')]) {
    assert.throws(
      () => breaker.on(event, () => {}),
      (error) =>
        error instanceof InvalidOptionError && error.option === 'event' && error.primitive === 'mine',
    );
  }
  for (const listener of [undefined, null, 5, 'listener', {}, []]) {
    assert.throws(() => breaker.on('stateChange', listener), { option: 'listener' });
  }
});

test('a change that a refused call finds already made is told once', async () => {
  const { clock, breaker, events } = heard({ ...HASTY, halfOpenCalls: 2, consecutiveFailures: 1 });
  say(breaker, 'failure');
  clock.advance(1_000);
  const probes = [breaker.tryAcquire(), breaker.tryAcquire()];
  await reasonOf(breaker.execute(() => {}));
  for (const probe of probes) probe.failure();
  await continuations();
  assert.deepEqual(
    events.map(({ generation, to }) => [generation, to]),
    [
      [1, 'open'],
      [2, 'halfOpen'],
      [3, 'open'],
    ],
  );
});
