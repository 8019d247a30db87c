/** The one HTTP client of the demo (connections are kept), and what every server here needs to listen and to close. */
import http from 'node:http';

const HOST = '127.0.0.1';

/** An agent that keeps its connections open; `connections` bounds them per server. */
export function keepAlive(connections = Number.POSITIVE_INFINITY) {
  return new http.Agent({ keepAlive: true, maxSockets: connections, maxFreeSockets: 2048 });
}

/** GETs a path and resolves with the status and the body as text; rejects only when HTTP itself broke or `signal` ended it. */
export function get(agent, port, path, { headers, signal } = {}) {
  return new Promise((resolve, reject) => {
    const request = http.get({ agent, host: HOST, port, path, headers, signal }, (response) => {
      let body = '';
      response.setEncoding('utf8');
      response.on('data', (chunk) => {
        body += chunk;
      });
      response.on('end', () => resolve({ status: response.statusCode, body }));
      response.on('error', reject);
    });
    request.on('error', reject);
  });
}

/** POSTs bytes of JSON and resolves with the status and the length of the answer, which nobody reads. */
export function post(agent, port, path, body) {
  return new Promise((resolve, reject) => {
    const headers = { 'content-type': 'application/json', 'content-length': body.length };
    const options = { agent, host: HOST, port, path, method: 'POST', headers };
    const request = http.request(options, (response) => {
      let length = 0;
      response.on('data', (chunk) => {
        length += chunk.length;
      });
      response.on('end', () => resolve({ status: response.statusCode, length }));
      response.on('error', reject);
    });
    request.on('error', reject);
    request.end(body);
  });
}

/** Listens on a free loopback port. Connections outlive the pauses of the demo: a kept one is never closed under a request. */
export function listen(server) {
  server.keepAliveTimeout = 60_000;
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen(0, HOST, () => resolve(server.address().port));
  });
}

/** Closes a server and the connections its clients kept. */
export function close(server) {
  return new Promise((resolve, reject) => {
    server.close((error) => (error ? reject(error) : resolve()));
    server.closeAllConnections();
  });
}
