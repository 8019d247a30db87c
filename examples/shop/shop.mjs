/** One thread of the shop: the routes, on the framework asked for, with protection or without. */
import { workerData } from 'node:worker_threads';
import { threeAttempts } from './protections/by-hand.mjs';
import { makeRoutes } from './routes.mjs';
import { answer } from './thread.mjs';

/** What an unprotected shop has in place of protection: nothing, and breakwater is not even loaded. */
const BARE = {
  edges: [],
  callUpstream: (call) => call({}),
  cached: (_, load) => load(),
  isRefusal: () => false,
  snapshots: () => [],
  dispose: () => {},
};

async function makeProtection(set) {
  if (set === 'none') return BARE;
  if (set === 'by hand') return { ...BARE, callUpstream: threeAttempts };
  const { protect } = await import('./protection.mjs');
  return protect(set);
}

const { framework, protection: set, upstreamPort } = workerData;
const protection = await makeProtection(set);
const { start } = await import(`./${framework}.mjs`);

const routes = makeRoutes(upstreamPort, protection);
const server = await start(routes.list, protection.edges);

answer(
  { port: server.port },
  {
    upstreamCalls: () => routes.upstreamCalls(),
    snapshots: () => protection.snapshots(),
    async stop() {
      await server.close();
      routes.close();
      protection.dispose();
    },
  },
);
