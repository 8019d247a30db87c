/**
 * The Express middleware beside express-rate-limit, each on the same fake request and response, so that what is measured is the
 * middleware and not Node's HTTP. The next request starts when the middleware calls `next` or ends the response; no promise is
 * added to either.
 */
import { batch } from './calls.mjs';
import { picks } from './keys.mjs';
import { RateLimiter, rateLimit } from './ours.mjs';

const PLENTY = { limit: 1e9, windowMs: 600_000 };
const SCARCE = { limit: 1, windowMs: 86_400_000 };
const CLIENTS = 10_000;

const HEADERS = { host: 'shop.example', accept: '*/*' };
const SOCKET = { remoteAddress: '203.0.113.7' };
const APP = { get: () => false };

/** What the two middlewares ask of a request. */
function fakeRequest(address) {
  return { ip: address, headers: HEADERS, socket: SOCKET, app: APP, rateLimit: undefined };
}

/** What they ask of a response. Each has header fields of its own: a middleware may add to what it finds. */
class FakeResponse {
  headersSent = false;
  statusCode = 200;
  fields = {};
  #ended;

  constructor(ended) {
    this.#ended = ended;
  }

  getHeader(name) {
    return this.fields[name];
  }

  setHeader(name, value) {
    this.fields[name] = value;
  }

  append(name, value) {
    this.fields[name] = value;
  }

  status(code) {
    this.statusCode = code;
    return this;
  }

  send() {
    this.#ended();
  }

  end() {
    this.#ended();
  }

  on() {}

  once() {}
}

/** n requests in turn through a middleware, from `addressOf(i)`. Answers the last response. */
function drive(middleware, addressOf) {
  let count = 0;
  return (n) =>
    new Promise((settle, fail) => {
      let left = n;
      let inMiddleware = false;
      let answered = false;
      let response;
      const isLast = () => {
        left--;
        if (left === 0) settle(response);
        return left === 0;
      };
      const goOn = (error) => {
        if (error) fail(error);
        else if (inMiddleware) answered = true;
        else if (!isLast()) run();
      };
      const ended = () => goOn();
      // A loop, so that a middleware that answers at once does not deepen the stack.
      const run = () => {
        do {
          answered = false;
          response = new FakeResponse(ended);
          inMiddleware = true;
          middleware(fakeRequest(addressOf(count++)), response, goOn);
          inMiddleware = false;
        } while (answered && !isLast());
      };
      run();
    });
}

const sameClient = () => () => '203.0.113.7';

/** Each a string of its own, as servers get them. */
function manyClients() {
  const sequence = picks(CLIENTS, 1 << 16);
  return (i) => {
    const client = sequence[i & 0xffff];
    return `10.0.${client >> 8}.${client & 255}`;
  };
}

function ours(limits, headers, clients = sameClient) {
  const limiter = () => new RateLimiter({ limits, maxKeys: CLIENTS });
  return () => drive(rateLimit({ limiter: limiter(), headers }), clients());
}

function theirs({ limit, windowMs }, headers, clients = sameClient) {
  return async () => {
    const peer = await import('express-rate-limit');
    const fields =
      headers === 'draft'
        ? { standardHeaders: 'draft-8', legacyHeaders: false }
        : { standardHeaders: false, legacyHeaders: headers === 'legacy' };
    // Its checks of the configuration run once per server; left out, so that they do not count here.
    return drive(peer.rateLimit({ windowMs, limit, validate: false, ...fields }), clients());
  };
}

const passed =
  (...names) =>
  ({ statusCode, fields }) =>
    statusCode === 200 && names.every((name) => fields[name] !== undefined);
const refused = ({ statusCode, fields }) => statusCode === 429 && fields['Retry-After'] !== undefined;

export const benches = {
  'express/rateLimit/fake-request': {
    breakwater: batch(ours(PLENTY, 'draft'), passed('RateLimit', 'RateLimit-Policy')),
    'express-rate-limit': batch(theirs(PLENTY, 'draft'), passed('RateLimit', 'RateLimit-Policy')),
  },
  'express/rateLimit/fake-request-10k-clients': {
    breakwater: batch(ours(PLENTY, 'draft', manyClients), passed('RateLimit')),
    'express-rate-limit': batch(theirs(PLENTY, 'draft', manyClients), passed('RateLimit')),
  },
  'express/rateLimit/fake-request-legacy-headers': {
    breakwater: batch(ours(PLENTY, 'legacy'), passed('X-RateLimit-Limit')),
    'express-rate-limit': batch(theirs(PLENTY, 'legacy'), passed('X-RateLimit-Limit')),
  },
  'express/rateLimit/fake-request-no-headers': {
    breakwater: batch(ours(PLENTY, false), passed()),
    'express-rate-limit': batch(theirs(PLENTY, false), passed()),
  },
  'express/rateLimit/fake-request-refused': {
    breakwater: batch(ours(SCARCE, 'draft'), refused),
    'express-rate-limit': batch(theirs(SCARCE, 'draft'), refused),
  },
};
