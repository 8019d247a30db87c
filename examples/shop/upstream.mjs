/**
 * The upstream: prices and stock, from a system that can bear so much and no more. It works on a few calls at a time, first come
 * first served; when many wait it gets slower or refuses more, and as the weather is, it fails or its answers come late. It counts the
 * calls that reach it, whoever makes them, and for which product. Runs in a thread of its own.
 */
import http from 'node:http';
import { workerData } from 'node:worker_threads';
import { close, listen } from './http.mjs';
import { seeded, UPSTREAM, WEATHER } from './scenario.mjs';
import { sum } from './tally.mjs';
import { answer } from './thread.mjs';

const chance = seeded(12);
/** What becomes of calls, in the order they come: a source of its own, so that call 100 meets the same whoever makes it, and when. */
const fate = seeded(8);
const bears = workerData.bears ?? UPSTREAM;
const waiting = [];
/** Of each path: `calls` since the last count, how many are under way `now`, and the `most` that were since then. */
const paths = new Map();
let weather = WEATHER[workerData.weather];
let calls = 0;
let busy = 0;
let mostWaiting = 0;

function serviceMs() {
  const pace = 1 + (bears.slowestPace - 1) * Math.min(1, waiting.length / bears.slowestAt);
  return bears.serviceMs * pace * (1 + bears.spread * (2 * chance() - 1));
}

function arrive(path) {
  const seen = paths.get(path) ?? { calls: 0, now: 0, most: 0 };
  paths.set(path, seen);
  calls += 1;
  seen.calls += 1;
  seen.now += 1;
  seen.most = Math.max(seen.most, seen.now);
}

function respond({ path, response, fails }) {
  paths.get(path).now -= 1;
  const id = path.slice(path.lastIndexOf('/') + 1);
  response.writeHead(fails ? 500 : 200, { 'content-type': 'application/json' });
  response.end(
    fails ? '{"error":"out of order"}' : `{"id":${id},"cents":${(id % 9000) + 99},"stock":${id % 17}}`,
  );
}

function start(call, startedAt) {
  busy += 1;
  // Counted from when the slot became free, not from now: late timers do not eat into the capacity.
  const endsAt = startedAt + serviceMs();
  setTimeout(
    () => {
      if (call.slowMs > 0) setTimeout(respond, call.slowMs, call).unref();
      else respond(call);
      busy -= 1;
      const next = waiting.shift();
      if (next) start(next, Math.max(endsAt, performance.now() - bears.serviceMs));
    },
    Math.max(0, endsAt - performance.now()),
  );
}

const server = http.createServer((request, response) => {
  arrive(request.url);
  const fails = fate() < weather.errorRatio;
  const slowMs = fate() < weather.slowRatio ? weather.slowMs : 0;
  const call = { path: request.url, response, fails, slowMs };
  if (busy < bears.slots) {
    start(call, performance.now());
  } else if (waiting.length >= bears.mostWaiting) {
    respond({ ...call, fails: true });
  } else {
    waiting.push(call);
    mostWaiting = Math.max(mostWaiting, waiting.length);
  }
});

const port = await listen(server);
answer(
  { port },
  {
    weather(name) {
      weather = WEATHER[name];
    },
    /** Calls so far. */
    calls: () => calls,
    /** What was counted since this was last asked: calls, those for the hottest product, and the most at once for any one. */
    count() {
      const all = [...paths.values()];
      const most = (what) => Math.max(0, ...all.map((seen) => seen[what]));
      const counted = {
        calls: sum(all.map((seen) => seen.calls)),
        hottest: most('calls'),
        atOnce: most('most'),
      };
      for (const seen of all) Object.assign(seen, { calls: 0, most: seen.now });
      return counted;
    },
    waiting: () => waiting.length,
    /** The most that waited since this was last asked. */
    mostWaiting() {
      const most = mostWaiting;
      mostWaiting = waiting.length;
      return most;
    },
    stop: () => close(server),
  },
);
