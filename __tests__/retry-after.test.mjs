// retry and what servers ask for: Retry-After in all its forms, and when it is too long.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ManualClock, RateLimitedError, retry, TokenBucket } from 'breakwater';
import { outcomes } from './helpers/calls.mjs';
import { runScript } from './helpers/processes.mjs';
import { watched } from './helpers/promises.mjs';
import './helpers/rejections.mjs';

/** The first delay of a retry whose first attempt came to `outcome`; undefined if there was none, and then the outcome was given. */
async function delayAfter(outcome, { backoff = 50, timeoutMs, ...options } = {}) {
  const clock = new ManualClock();
  const delays = [];
  const policy = retry({
    backoff,
    clock,
    onRetry: ({ delayMs }) => delays.push(delayMs),
    retryIf: (error, result) => (error ?? result) === outcome,
    ...options,
  });
  const failed = outcome instanceof Error;
  const fn = outcomes(failed ? () => Promise.reject(outcome) : outcome, 'up');
  const seen = watched(policy.execute(fn, { timeoutMs }));
  await clock.advanceAsync(0);
  if (delays.length === 0) {
    assert.equal(seen.state === 'rejected' ? seen.error : seen.value, outcome, 'given at once');
    assert.equal(clock.pending, 0);
    return undefined;
  }
  await clock.advanceAsync(delays[0]);
  assert.deepEqual([seen.value, fn.calls.length], ['up', 2]);
  return delays[0];
}

const failure = (properties) => Object.assign(new Error('busy'), properties);
/** A value in every kind of headers there is. */
const headersOf = (value) => ({
  Headers: new Headers({ 'Retry-After': value }),
  'a Map': new Map([['retry-after', value]]),
  'a Map in capitals': new Map([['Retry-After', value]]),
  'a plain object': { 'retry-after': value },
  capitals: { 'Content-Type': 'text/plain', 'Retry-After': value },
  'all capitals': { 'RETRY-AFTER': value },
  'no prototype': Object.assign(Object.create(null), { 'retry-after': value }),
  'an array': { 'Retry-After': [value] },
});

test('retryAfterMs of the error, in milliseconds', async () => {
  assert.equal(await delayAfter(failure({ retryAfterMs: 1_500 })), 1_500);
  assert.equal(await delayAfter(failure({ retryAfterMs: 1_500.25 })), 1_500.25);
  for (const retryAfterMs of [0, -5, Number.NaN, '1500', null, undefined, {}]) {
    assert.equal(await delayAfter(failure({ retryAfterMs })), 50, String(retryAfterMs));
  }
});

test('the headers of the error, of its response, or of the result', async () => {
  for (const [which, headers] of Object.entries(headersOf('2'))) {
    assert.equal(await delayAfter(failure({ headers })), 2_000, which);
    assert.equal(await delayAfter(failure({ response: { status: 429, headers } })), 2_000, which);
    assert.equal(await delayAfter({ status: 503, headers }), 2_000, which);
  }
  assert.equal(await delayAfter(new Response('', { status: 429, headers: { 'Retry-After': '3' } })), 3_000);
});

test('what the error says itself comes before its headers, and those before its response’s', async () => {
  const [one, two] = ['1', '2'].map((value) => ({ 'retry-after': value }));
  assert.equal(await delayAfter(failure({ retryAfterMs: 700, headers: one })), 700);
  assert.equal(await delayAfter(failure({ retryAfterMs: 0, headers: one })), 1_000);
  assert.equal(await delayAfter(failure({ headers: one, response: { headers: two } })), 1_000);
  assert.equal(await delayAfter(failure({ headers: { vary: '*' }, response: { headers: two } })), 2_000);
});

test('errors that are no objects, and headers that are none, ask for nothing', async () => {
  const values = [null, undefined, 5, 'retry-after: 5', [], {}, new Headers(), new Map(), () => {}];
  for (const headers of values) {
    assert.equal(await delayAfter(failure({ headers })), 50);
    assert.equal(await delayAfter(failure({ response: headers })), 50);
    assert.equal(await delayAfter({ headers }), 50);
  }
  for (const result of ['busy', 5, true, Symbol('busy')]) assert.equal(await delayAfter(result), 50);
});

test('seconds: whole, fractional, as a number or a string', async () => {
  for (const [value, ms] of [
    ['7', 7_000],
    [' 7 ', 7_000],
    [7, 7_000],
    ['0.25', 250],
    ['007', 7_000],
    ['0', 50],
    [0, 50],
  ]) {
    assert.equal(await delayAfter({ headers: { 'retry-after': value } }), ms, String(value));
  }
});

test('what is neither seconds nor a date is a normal backoff', async () => {
  for (const value of [
    'soon',
    '',
    '-5',
    '+5',
    '1e3',
    '5s',
    '0x10',
    'NaN',
    '5, 10',
    null,
    undefined,
    true,
    {},
    [[]],
    [],
  ]) {
    assert.equal(await delayAfter({ headers: { 'retry-after': value } }), 50, String(value));
  }
});

test('an HTTP date in any of its three forms, against the wall clock', async () => {
  const { now } = Date;
  Date.now = () => Date.UTC(2026, 10, 6, 8, 49, 7);
  try {
    for (const date of [
      'Fri, 06 Nov 2026 08:49:37 GMT',
      'Friday, 06-Nov-26 08:49:37 GMT',
      'Fri Nov  6 08:49:37 2026',
    ]) {
      assert.equal(await delayAfter({ headers: { 'retry-after': date } }), 30_000, date);
    }
    assert.equal(
      await delayAfter({ headers: new Headers({ 'retry-after': 'Fri, 06 Nov 2026 08:49:08 GMT' }) }),
      1_000,
    );
    for (const past of [
      'Fri, 06 Nov 2026 08:49:07 GMT',
      'Sun, 06 Nov 1994 08:49:37 GMT',
      'Fri, 36 Nov 2026 08:49:37 GMT',
    ]) {
      assert.equal(await delayAfter({ headers: { 'retry-after': past } }), 50, past);
    }
  } finally {
    Date.now = now;
  }
});

test('a date means GMT wherever the process runs', async () => {
  const script = `
    import { ManualClock, retry } from 'breakwater';
    Date.now = () => Date.UTC(2026, 10, 6, 8, 49, 7);
    const clock = new ManualClock();
    for (const date of ['Fri, 06 Nov 2026 08:49:37 GMT', 'Fri Nov  6 08:49:37 2026']) {
      const headers = { 'retry-after': date };
      const onRetry = ({ delayMs }) => console.log(delayMs);
      const policy = retry({ backoff: 50, clock, maxRetryAfterMs: 86_400_000, onRetry });
      policy.execute(() => { throw Object.assign(new Error('busy'), { headers }); }).catch(() => {});
      await clock.advanceAsync(0);
    }
  `;
  for (const TZ of ['America/New_York', 'Asia/Kolkata']) {
    const { stdout, stderr } = await runScript(script, { env: { TZ } });
    assert.deepEqual([stdout.trim().split('\n'), stderr], [['30000', '30000'], ''], TZ);
  }
});

test('the wait is the longer of what is asked for and the backoff', async () => {
  for (const [retryAfterMs, backoff, expected] of [
    [1_000, 50, 1_000],
    [1_000, 1_500, 1_500],
    [1_000, 1_000, 1_000],
    [1_000, { kind: 'exponential', initialMs: 2_000, jitter: 'none' }, 2_000],
    [1_000, 0, 1_000],
  ]) {
    assert.equal(await delayAfter(failure({ retryAfterMs }), { backoff }), expected);
  }
});

test('who asks for more than maxRetryAfterMs is not asked again: the real error is given at once', async () => {
  for (const [asked, maxRetryAfterMs, expected] of [
    [60_000, undefined, 60_000],
    [60_001, undefined, undefined],
    [Infinity, undefined, undefined],
    [5_000, 5_000, 5_000],
    [5_000.5, 5_000, undefined],
    [3_600_000, Infinity, 3_600_000],
    [Infinity, Infinity, undefined],
    [1, 0, undefined],
    [0, 0, 50],
  ]) {
    const outcome = failure({ retryAfterMs: asked });
    assert.equal(await delayAfter(outcome, { maxRetryAfterMs }), expected, `${asked} of ${maxRetryAfterMs}`);
  }
  const response = new Response('', { status: 503, headers: { 'retry-after': '120' } });
  assert.equal(await delayAfter(response), undefined);
});

test('a backoff may be longer than maxRetryAfterMs: that is for servers', async () => {
  assert.equal(await delayAfter(failure({}), { backoff: 90_000 }), 90_000);
});

test('past the time that remains, the real error is given at once', async () => {
  for (const [asked, timeoutMs, expected] of [
    [1_000, 1_001, 1_000],
    [1_000, 1_000, undefined],
    [1_000, 200, undefined],
    [10, 51, 50],
    [10, 50, undefined],
  ]) {
    assert.equal(await delayAfter(failure({ retryAfterMs: asked }), { timeoutMs }), expected);
  }
});

test('a refusal says itself when to come back, where retryIf asks for it', async () => {
  const clock = new ManualClock();
  const bucket = new TokenBucket({ capacity: 1, refillPerSecond: 0.5, initialTokens: 0, clock });
  const at = [];
  const policy = retry({ backoff: 10, clock, retryIf: (error) => error instanceof RateLimitedError });
  const seen = watched(policy.execute(() => bucket.execute(() => at.push(clock.now))));
  await clock.advanceAsync(10_000);
  assert.deepEqual([seen.state, at], ['fulfilled', [2_000]]);
});

// smithy-typescript, util-retry/retries.integ.spec.ts
test('the AWS table: Retry-After of 1500 ms, and one that is no number', async () => {
  const backoff = { kind: 'exponential', initialMs: 50, jitter: 'none' };
  assert.equal(await delayAfter(failure({ retryAfterMs: 1_500 }), { backoff }), 1_500);
  assert.equal(await delayAfter(failure({ headers: { 'retry-after': 'not-a-number' } }), { backoff }), 50);
});

test('headers that throw say nothing, and the caller gets the real error', async () => {
  const clock = new ManualClock();
  const broken = {
    get headers() {
      throw new Error('no headers');
    },
  };
  const outcome = watched(
    retry({ maxAttempts: 2, backoff: 10, clock }).execute(() =>
      Promise.reject(Object.assign(failure(), { response: broken })),
    ),
  );
  await clock.advanceAsync(10);
  assert.equal(outcome.error.message, 'busy');
});
