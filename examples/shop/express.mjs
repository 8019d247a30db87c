/** The shop on Express. */
import http from 'node:http';
import express from 'express';
import { close, listen } from './http.mjs';

/** Starts it on a free loopback port; `edges` put what protects the front door on the app. */
export async function start(routes, edges) {
  const app = express();
  app.disable('x-powered-by');
  for (const edge of edges) edge.express(app);
  for (const { path, handle } of routes) {
    app.get(path, async (request, response) => {
      const { status, headers = {}, body } = await handle(request.params);
      response.status(status).set(headers).json(body);
    });
  }
  const server = http.createServer(app);
  return { port: await listen(server), close: () => close(server) };
}
