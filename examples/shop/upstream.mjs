/**
 * The upstream: prices and stock, from a system that can bear so much and no more. It works on a few calls at a time, first come
 * first served; when many wait it gets slower, and now and then it fails. Runs in a thread of its own.
 */
import http from 'node:http';
import { close, listen } from './http.mjs';
import { seeded, UPSTREAM } from './scenario.mjs';
import { answer } from './thread.mjs';

const chance = seeded(12);
const waiting = [];
let busy = 0;
let mostWaiting = 0;

function serviceMs() {
  const pace = 1 + (UPSTREAM.slowestPace - 1) * Math.min(1, waiting.length / UPSTREAM.slowestAt);
  return UPSTREAM.serviceMs * pace * (1 + UPSTREAM.spread * (2 * chance() - 1));
}

function start({ path, response }, startedAt) {
  busy += 1;
  // Counted from when the slot became free, not from now: late timers do not eat into the capacity.
  const endsAt = startedAt + serviceMs();
  setTimeout(
    () => {
      const failed = chance() < UPSTREAM.failureRatio;
      const id = path.slice(path.lastIndexOf('/') + 1);
      response.writeHead(failed ? 500 : 200, { 'content-type': 'application/json' });
      response.end(
        failed ? '{"error":"out of order"}' : `{"id":${id},"cents":${(id % 9000) + 99},"stock":${id % 17}}`,
      );
      busy -= 1;
      const next = waiting.shift();
      if (next) start(next, Math.max(endsAt, performance.now() - UPSTREAM.serviceMs));
    },
    Math.max(0, endsAt - performance.now()),
  );
}

const server = http.createServer((request, response) => {
  const call = { path: request.url, response };
  if (busy < UPSTREAM.slots) {
    start(call, performance.now());
  } else {
    waiting.push(call);
    mostWaiting = Math.max(mostWaiting, waiting.length);
  }
});

const port = await listen(server);
answer(
  { port },
  {
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
