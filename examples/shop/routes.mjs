/** What the shop does, without a framework: a route takes a request's parameters and returns status and body. */
import { get, keepAlive } from './http.mjs';

/** The upstream answered that it failed: an error, so that policies around the call see one. */
class UpstreamError extends Error {
  code = 'EUPSTREAM';
}

/** The routes of a shop in front of the upstream at `port`; `protection` stands around every call to it, and may know the answer. */
export function makeRoutes(port, protection) {
  const agent = keepAlive();
  let upstreamCalls = 0;

  async function ask(id, signal) {
    upstreamCalls += 1;
    const { status, body } = await get(agent, port, `/products/${id}`, { signal });
    if (status !== 200) throw new UpstreamError(`the upstream answered ${status}`);
    return JSON.parse(body);
  }

  async function product({ id }) {
    if (!/^\d{1,10}$/.test(id)) return { status: 404, body: { error: 'no such product' } };
    try {
      const load = () => protection.callUpstream(({ signal }) => ask(id, signal));
      const found = await protection.cached(id, load);
      return { status: 200, body: { name: `Product ${id}`, ...found } };
    } catch (error) {
      // By its code, as of who waits in another thread: errors that cross threads are copies.
      if (error.code === 'EUPSTREAM') return { status: 502, body: { error: 'the upstream failed' } };
      if (error.name === 'TimeoutError')
        return { status: 504, body: { error: 'the upstream takes too long' } };
      if (!protection.isRefusal(error)) throw error;
      const headers = Number.isFinite(error.retryAfterMs)
        ? { 'retry-after': String(Math.ceil(error.retryAfterMs / 1000)) }
        : {};
      return { status: 503, headers, body: { error: 'busy, please come back' } };
    }
  }

  return {
    list: [{ path: '/products/:id', handle: product }],
    upstreamCalls: () => upstreamCalls,
    close: () => agent.destroy(),
  };
}
