/** The shop on node:http alone: where twelve threads of it start at once, a framework in each would take longer than the rest. */
import http from 'node:http';
import { close, listen } from './http.mjs';

/** Starts it on a free loopback port. There is one route, whose path ends with its parameter, and nothing stands in front of it. */
export async function start([{ path, handle }]) {
  const prefix = path.slice(0, path.indexOf(':'));
  const server = http.createServer(async ({ url }, response) => {
    const id = url.startsWith(prefix) ? url.slice(prefix.length) : '';
    const { status, headers = {}, body } = await handle({ id });
    response.writeHead(status, { 'content-type': 'application/json', ...headers });
    response.end(JSON.stringify(body));
  });
  return { port: await listen(server), close: () => close(server) };
}
