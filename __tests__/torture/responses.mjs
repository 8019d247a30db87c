// A storm of requests, half of them for the same few pages, while clients go away, handlers fail, break off and refuse to be stored, and
// pages are changed or still the same. Nobody hangs, gets what is another's, or what is older than a change it has heard of.
import { once } from 'node:events';
import http from 'node:http';
import { Cache, responseCodec } from 'breakwater';
import { cacheResponse } from 'breakwater/express';

const CONTROLS = [
  'max-age=1',
  'max-age=0, stale-while-revalidate=1',
  'max-age=0, stale-if-error=2',
  'max-age=1, stale-while-revalidate=5, stale-if-error=5',
];
const KINDS = ['x', 'y', ''];

/** What came of so many requests to a server with this cache: `{ whole, broken, hung, wrong, old, loading, runs, same }`. */
export async function responseStorm({ cache, requests, seed = 1, clients = 50, hangsAfterMs = 10_000 }) {
  let state = seed;
  const chance = (n) => {
    state = (Math.imul(state, 1_103_515_245) + 12_345) >>> 0;
    return Math.floor((state / 2 ** 32) * n);
  };
  const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));
  const found = { whole: 0, broken: 0, hung: 0, wrong: 0, old: 0, loading: 0, runs: 0, same: 0 };
  const versions = new Map();
  const versionOf = (url) => versions.get(url) ?? 0;

  const handle = async (req, res) => {
    const { url } = req;
    if (req.method === 'DELETE') {
      versions.set(url, versionOf(url) + 1);
      await sleep(chance(2));
      return res.end(`${versionOf(url)}`);
    }
    found.runs += 1;
    const kind = req.headers['x-kind'] ?? '';
    const words = [`${versionOf(url)} `, `${kind} `, url];
    const tag = `"${versionOf(url)} ${kind}"`;
    const isSame = req.headers['if-none-match'] === tag;
    await sleep(chance(6));
    res.setHeader('cache-control', CONTROLS[chance(CONTROLS.length)]);
    res.setHeader('vary', 'x-kind');
    const luck = chance(20);
    if (luck === 0) res.statusCode = 503;
    if (luck === 1) res.setHeader('cache-control', 'no-store');
    if (luck % 2 === 0) res.setHeader('etag', tag);
    if (isSame && luck !== 0) {
      found.same += 1;
      res.statusCode = 304;
      return res.end();
    }
    if (luck > 8) return res.end(words.join(''));
    for (const word of words) {
      res.write(word);
      await sleep(1);
    }
    return luck === 2 ? res.destroy() : res.end();
  };
  const middleware = cacheResponse({ cache });
  const server = http.createServer((req, res) => middleware(req, res, () => handle(req, res)));
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address();

  const ask = (path, method, headers, leavesAfterMs) =>
    new Promise((resolve, reject) => {
      const request = http.request({ port, path, method, headers, agent: false }, async (response) => {
        try {
          let body = '';
          for await (const chunk of response) body += chunk;
          if (!response.complete) throw new Error('it broke off');
          resolve({ status: response.statusCode, body });
        } catch (error) {
          reject(error);
        }
      });
      request.on('error', reject);
      const timers = [setTimeout(() => reject('hung'), hangsAfterMs)];
      if (leavesAfterMs !== undefined) timers.push(setTimeout(() => request.destroy(), leavesAfterMs));
      request.on('close', () => timers.forEach(clearTimeout));
      request.end();
    });

  const heard = new Map();
  const askOnce = async () => {
    const path = chance(2) === 0 ? `/${chance(3)}` : `/other/${chance(100)}`;
    const isChange = chance(25) === 0;
    const kind = KINDS[chance(KINDS.length)];
    const leaves = chance(10) === 0 && !isChange ? chance(8) : undefined;
    const least = heard.get(path) ?? 0;
    const headers = { 'x-kind': kind, ...(chance(5) === 0 && { 'if-none-match': `"${least} ${kind}"` }) };
    try {
      const { status, body } = await ask(path, isChange ? 'DELETE' : 'GET', headers, leaves);
      found.whole += 1;
      if (isChange) heard.set(path, Math.max(heard.get(path) ?? 0, Number(body)));
      else if (status === 200) {
        const [version, kindOf, url] = body.split(' ');
        if (url !== path || kindOf !== kind) found.wrong += 1;
        if (Number(version) < least) found.old += 1;
      }
    } catch (error) {
      found[error === 'hung' ? 'hung' : 'broken'] += 1;
    }
  };
  let left = requests;
  await Promise.all(
    Array.from({ length: clients }, async () => {
      while (left-- > 0) await askOnce();
    }),
  );
  // Handlers whose clients have gone may still be at it.
  await sleep(100);
  found.loading = cache.snapshot().loading;
  server.closeAllConnections();
  server.close();
  return found;
}

const none = (figure, value) => ({ figure, value, must: '0', holds: value === 0 });

export const sections = [
  {
    title: 'A storm of requests on cached responses',
    what: '30,000 requests of 50 clients for a few pages of a server with a named cache, while clients go away, handlers fail, break off and refuse to be stored, and pages are changed.',
    async run() {
      const cache = new Cache({ name: 'storm:pages', codec: responseCodec, maxBytes: 2 ** 20, ttlMs: 0 });
      const found = await responseStorm({ cache, requests: 30_000 });
      cache.dispose();
      return [
        { figure: 'whole responses', value: found.whole },
        { figure: 'handlers that ran', value: found.runs },
        none('requests that hung', found.hung),
        none('pages or kinds of others', found.wrong),
        none('pages older than a change the client had heard of', found.old),
        none('loads left', found.loading),
      ];
    },
  },
];
