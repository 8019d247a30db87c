/** The shop on Fastify. */
import Fastify from 'fastify';

/** Starts it on a free loopback port; `edges` put what protects the front door on the app. */
export async function start(routes, edges) {
  const app = Fastify({ keepAliveTimeout: 60_000, forceCloseConnections: true });
  for (const edge of edges) await edge.fastify(app);
  for (const { path, handle } of routes) {
    app.get(path, async (request, reply) => {
      const { status, headers = {}, body } = await handle(request.params);
      return reply.code(status).headers(headers).send(body);
    });
  }
  await app.listen({ host: '127.0.0.1', port: 0 });
  return { port: app.server.address().port, close: () => app.close() };
}
