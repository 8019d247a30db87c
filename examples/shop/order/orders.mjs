/** The thread of the fifth part: a server that takes orders. How late its event loop is, the same monitor says in all ways. */
import { workerData } from 'node:worker_threads';
import { EventLoopMonitor } from 'breakwater';
import Fastify from 'fastify';
import { answer } from '../thread.mjs';
import { ORDER } from './schema.mjs';

const { app: options, validate: validation } = workerData.way;
const app = Fastify({ ...options, keepAliveTimeout: 60_000, forceCloseConnections: true });
if (validation !== undefined) {
  const { validate } = await import('breakwater/fastify');
  await app.register(validate, validation);
}
let taken = 0;
app.get('/', async () => 'here one may order');
app.post('/orders', { schema: { body: ORDER } }, async ({ body: { lines } }, reply) => {
  taken += 1;
  return reply.code(201).send({ order: taken, lines: lines.length });
});
await app.listen({ host: '127.0.0.1', port: 0 });

let monitor;

answer(
  { port: app.server.address().port },
  {
    /** One interval, from now on until somebody asks: longer than any run. */
    watch() {
      monitor = new EventLoopMonitor({ sampleMs: 3_600_000, label: 'orders' });
    },
    delay: () => monitor.delay,
    async stop() {
      await app.close();
      monitor?.dispose();
    },
  },
);
