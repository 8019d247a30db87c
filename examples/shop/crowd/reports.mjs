/**
 * The thread of the third part: one server, whose reports take much of its processor. Each is made in slices with a turn of the event
 * loop between them, as one writes it so as not to block; with a hundred under way at once, all of them are late.
 */
import { createHash } from 'node:crypto';
import { setImmediate as turn } from 'node:timers/promises';
import { workerData } from 'node:worker_threads';
import Fastify from 'fastify';
import { REPORT } from '../scenario.mjs';
import { answer } from '../thread.mjs';
import { protect } from './ways.mjs';

const { bulkhead, shedder } = await protect(workerData.way);
const text = Buffer.alloc(REPORT.pageBytes, 'a page of a report ');

/** Pages that a slice of the wanted length has on this machine. */
function calibrate() {
  const page = () => createHash('sha256').update(text).digest();
  for (let i = 0; i < 50; i++) page();
  const start = performance.now();
  for (let i = 0; i < 200; i++) page();
  return Math.max(1, Math.round((200 * REPORT.sliceMs) / (performance.now() - start)));
}
/** The same in all ways: what the first thread found out. */
const pages = workerData.pages ?? calibrate();
const seen = { made: 0, running: 0, most: 0 };

async function makeReport(id) {
  seen.running += 1;
  seen.most = Math.max(seen.most, seen.running);
  const hash = createHash('sha256').update(id);
  for (let slice = 0; slice < REPORT.slices; slice++) {
    for (let page = 0; page < pages; page++) hash.update(text);
    await turn();
  }
  seen.running -= 1;
  seen.made += 1;
  return { id, digest: hash.digest('hex') };
}

const app = Fastify({ keepAliveTimeout: 60_000, forceCloseConnections: true });
if (shedder !== undefined) {
  const { loadShed } = await import('breakwater/fastify');
  await app.register(loadShed, { shedder });
}
app.get('/', async () => 'here are reports');
app.get('/reports/:id', async ({ params: { id } }, reply) => {
  if (bulkhead === undefined) return makeReport(id);
  try {
    return await bulkhead.execute(() => makeReport(id));
  } catch (error) {
    if (error.code !== 'ERR_BULKHEAD_FULL' && error.code !== 'ERR_QUEUE_TIMEOUT') throw error;
    return reply.code(503).header('retry-after', '1').send({ title: 'too many reports at once' });
  }
});
await app.listen({ host: '127.0.0.1', port: 0 });

answer(
  { port: app.server.address().port, pages },
  {
    seen: () => seen,
    async stop() {
      await app.close();
      shedder?.dispose();
      bulkhead?.dispose();
    },
  },
);
