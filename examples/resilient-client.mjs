// A client that lives with a flaky upstream: node examples/resilient-client.mjs
// It starts two small upstreams of its own, lets things go wrong in one of them, says what came of it, and ends after a second.
import { subscribe } from 'node:diagnostics_channel';
import { once } from 'node:events';
import { createServer } from 'node:http';
import { CircuitBreaker, fallback, hedge, keyed, pipeline, RetryBudget, retry, timeout } from 'breakwater';

// One budget for retries and hedges: they add at most a fifth to the load, and a few for whoever calls seldom.
const budget = new RetryBudget({ ratio: 0.2, minPerSecond: 10 });

// A breaker for each host, chosen by the `key` of the call.
const breakers = keyed((host) => {
  const breaker = new CircuitBreaker({ label: host, consecutiveFailures: 5, openMs: 500 });
  breaker.on('stateChange', ({ from, to, reason }) => console.log(`  breaker: ${from} → ${to} (${reason})`));
  return breaker;
});
const perHost = {
  execute: (fn, options) => breakers.for(options?.key ?? 'other').execute(fn, options),
  wrap:
    (fn) =>
    (...args) =>
      perHost.execute(() => fn(...args)),
};

// The last good answer of each address, for when there is no fresh one.
const lastGood = new Map();

const calls = pipeline(
  fallback((_error, { context }) => ({ ...lastGood.get(context), stale: true })),
  timeout({ ms: 2_000 }), // all tries together
  retry({ maxAttempts: 3, backoff: { kind: 'exponential', initialMs: 20 }, budget }),
  hedge({ delayMs: 200, budget }),
  perHost,
  timeout({ ms: 500 }), // each try
);

/** GETs `address`; a status of 500 and more is an error, which is counted and tried again. */
function get(address) {
  const load = async ({ signal }) => {
    const response = await fetch(address, { signal });
    if (response.status >= 500) {
      await response.body?.cancel();
      // With the header fields: `retry` looks for Retry-After there.
      throw Object.assign(new Error(`status ${response.status}`), { headers: response.headers });
    }
    const answer = await response.json();
    lastGood.set(address, answer);
    return answer;
  };
  return calls.execute(load, { key: new URL(address).host, context: address });
}

/** An upstream that answers, unless it is told how to misbehave: a list of what happens to its next requests. */
async function startUpstream(name) {
  const upstream = { requests: 0, faults: [], down: false };
  const server = createServer((_request, response) => {
    upstream.requests += 1;
    const fault = upstream.down ? 'error' : upstream.faults.shift();
    if (fault === 'silence') return;
    response.statusCode = fault === 'error' ? 503 : 200;
    response.setHeader('content-type', 'application/json');
    response.end(JSON.stringify({ from: name }));
  });
  await once(server.listen(0, '127.0.0.1'), 'listening');
  upstream.address = `http://127.0.0.1:${server.address().port}/stock`;
  upstream.stop = () => {
    server.close();
    server.closeAllConnections();
  };
  return upstream;
}

// What the policies do is published; nothing is built where nobody subscribed.
const seen = { retried: 0, hedged: 0, refused: 0 };
subscribe('breakwater:retry:retried', () => {
  seen.retried += 1;
});
subscribe('breakwater:hedge:hedged', () => {
  seen.hedged += 1;
});
subscribe('breakwater:breaker:refused', () => {
  seen.refused += 1;
});

/** Makes `count` calls, one after another, and says what became of them. */
async function tell(title, upstream, count = 1) {
  console.log(title);
  Object.assign(seen, { retried: 0, hedged: 0, refused: 0 });
  const before = upstream.requests;
  const answers = [];
  for (let i = 0; i < count; i++) answers.push(await get(upstream.address));
  const stale = answers.filter((answer) => answer.stale).length;
  console.log(`  answers: ${count - stale} fresh, ${stale} stale · requests: ${upstream.requests - before}`);
  console.log(
    `  retries: ${seen.retried} · hedges: ${seen.hedged} · refused by the breaker: ${seen.refused}`,
  );
}

const flaky = await startUpstream('flaky');
const steady = await startUpstream('steady');

await tell('all is well', flaky, 3);

flaky.faults = ['error', 'error'];
await tell('two errors: the second call starts at once, then a retry answers', flaky);

flaky.faults = ['silence'];
await tell('a straggler: a hedge answers after 200 ms, the first request is aborted', flaky);

flaky.down = true;
await tell('an outage: five failures open the breaker, then nothing is sent', flaky, 20);
await tell('meanwhile the other host has a breaker of its own', steady, 3);

flaky.down = false;
await new Promise((resolve) => setTimeout(resolve, 500));
await tell('after the break: a probe, and all is well again', flaky, 3);

const { deposits, withdrawals, balance } = budget.snapshot();
console.log(`budget: ${withdrawals} extra requests for ${deposits} calls, ${balance} more allowed now`);

flaky.stop();
steady.stop();
breakers.dispose();
