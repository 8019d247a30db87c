// How calls end: in whose async context, what becomes of values and tokens, and what a blocked event loop hides.
import assert from 'node:assert/strict';
import { AsyncLocalStorage } from 'node:async_hooks';
import { test } from 'node:test';
import {
  CircuitBreaker,
  fallback,
  keyed,
  ManualClock,
  pipeline,
  RateLimiter,
  retry,
  TimeoutError,
  TokenBucket,
  timeout,
} from 'breakwater';
import { never } from './helpers/calls.mjs';
import { reasonOf } from './helpers/promises.mjs';
import './helpers/rejections.mjs';

/** Keeps the event loop busy: real time, because no event loop is blocked on a manual clock. */
function busy(ms) {
  const start = performance.now();
  while (performance.now() - start < ms);
}

test('isFailure and listeners of the signal run in the async context of their own call, also at a deadline', async () => {
  const storage = new AsyncLocalStorage();
  const clock = new ManualClock();
  const seen = [];
  const breaker = new CircuitBreaker({
    clock,
    isFailure: () => seen.push(`asked by ${storage.getStore()}`) > 0,
  });
  const call = (name, ms) =>
    storage.run(name, () =>
      breaker.execute(
        ({ signal }) => {
          signal.addEventListener('abort', () => seen.push(`heard by ${storage.getStore()}`));
          return never();
        },
        { timeoutMs: ms },
      ),
    );
  const outcomes = [call('first', 10), call('second', 20)];
  storage.run('whoever moves the clock', () => clock.advance(30));
  for (const outcome of outcomes) assert.ok((await reasonOf(outcome)) instanceof TimeoutError);
  assert.deepEqual(seen, ['asked by first', 'heard by first', 'asked by second', 'heard by second']);
});

test('a value whose predicate throws goes to onDiscard: the caller gets the error', async () => {
  const wrong = () => {
    throw new Error('wrong predicate');
  };
  for (const policy of [retry({ retryIf: wrong }), new CircuitBreaker({ isFailure: wrong })]) {
    for (const fn of [() => 'sync', async () => 'async']) {
      const discarded = [];
      const outcome = policy.execute(fn, { onDiscard: (value) => discarded.push(value) });
      await assert.rejects(outcome, { message: 'wrong predicate' });
      assert.deepEqual(discarded, [await fn()]);
    }
  }
});

test('an error that comes after the deadline is a timeout, with a breaker inside and without', async () => {
  const late = async () => {
    await null;
    busy(20);
    throw new Error('late');
  };
  const lateAtOnce = () => {
    busy(20);
    throw new Error('late');
  };
  for (const inside of [[], [new CircuitBreaker()]]) {
    for (const fn of [late, lateAtOnce]) {
      await assert.rejects(pipeline(timeout({ ms: 10 }), ...inside).execute(fn), TimeoutError);
    }
  }
});

test('a fallback is not asked after a deadline that a blocked event loop hid', async () => {
  let asked = 0;
  const policy = pipeline(
    timeout({ ms: 10 }),
    fallback(() => asked++),
  );
  const fn = async () => {
    await null;
    busy(20);
    throw new Error('late');
  };
  await assert.rejects(policy.execute(fn), TimeoutError);
  assert.equal(asked, 0);
});

test('a thenable in place of a fallback is awaited like what a function gives', async () => {
  const breaker = new CircuitBreaker();
  // biome-ignore lint/suspicious/noThenProperty: a thenable is what this is about
  const thenable = { then: (_, reject) => reject(new Error('no use either')) };
  await assert.rejects(
    pipeline(breaker, fallback(thenable)).execute(() => Promise.reject(new Error('down'))),
    { message: 'no use either' },
  );
  const { succeeded, failed } = breaker.snapshot();
  assert.deepEqual({ succeeded, failed }, { succeeded: 0, failed: 1 });
});

/** Each makes a policy that waits for the one token a second, and says how many there are. */
const WAITING = {
  'a bucket': (clock) => {
    const bucket = new TokenBucket({ capacity: 2, refillPerSecond: 1, initialTokens: 0, clock });
    return [bucket.policy({ maxWaitMs: 5_000 }), () => bucket.available];
  },
  'a limiter': (clock) => {
    const limiter = new RateLimiter({ limits: { capacity: 2, refillPerSecond: 1 }, clock });
    limiter.tryAcquire('key', 2);
    return [limiter.policy({ key: 'key', maxWaitMs: 5_000 }), () => limiter.peek('key').remaining];
  },
};
for (const [which, make] of Object.entries(WAITING)) {
  test(`${which}: tokens go back when their call ends in the turn in which its wait was over`, async () => {
    const clock = new ManualClock();
    const [policy, left] = make(clock);
    const controller = new AbortController();
    const outcome = policy.execute(() => assert.fail('called'), { signal: controller.signal });
    clock.advance(1_000);
    controller.abort('gone');
    assert.equal(await reasonOf(outcome), 'gone');
    assert.equal(left(), 1);
  });
}

test('an isolated breaker keeps its place, and what make itself asked for is the one there is', () => {
  const disposed = [];
  const make = (key) => {
    const breaker = new CircuitBreaker({ label: key });
    const { dispose } = breaker;
    breaker.dispose = () => {
      disposed.push(key);
      dispose.call(breaker);
    };
    return breaker;
  };
  const breakers = keyed(make, { maxKeys: 1 });
  const handle = breakers.for('a').isolate();
  breakers.for('b');
  assert.equal(breakers.for('a').state, 'isolated');
  handle.dispose();
  breakers.for('c');
  assert.deepEqual(disposed.sort(), ['a', 'b']);

  let made = 0;
  const twice = keyed((key) => {
    made += 1;
    if (made === 1) twice.for(key);
    return make(key);
  });
  assert.equal(twice.for('d'), twice.for('d'));
  // The outer one, which came second, was let go.
  assert.deepEqual([twice.size, disposed.filter((key) => key === 'd').length], [1, 1]);
});
