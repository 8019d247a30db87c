/** What the shop does, without a framework: a route takes a request's parameters and returns status and body. */
import { get, keepAlive } from './http.mjs';

/** The routes of a shop in front of the upstream at `port`; `protection` stands around every call to it. */
export function makeRoutes(port, protection) {
  const agent = keepAlive();
  let upstreamCalls = 0;

  function ask(id) {
    upstreamCalls += 1;
    return get(agent, port, `/products/${id}`);
  }

  async function product({ id }) {
    if (!/^\d{1,10}$/.test(id)) return { status: 404, body: { error: 'no such product' } };
    try {
      const { status, body } = await protection.callUpstream(() => ask(id));
      if (status !== 200) return { status: 502, body: { error: 'the upstream failed' } };
      return { status: 200, body: { name: `Product ${id}`, ...JSON.parse(body) } };
    } catch (error) {
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
