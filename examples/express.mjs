// A small API that limits its clients: node examples/express.mjs, then ask it a few times:
//   curl -i http://127.0.0.1:3000/            two a second, ten at once
//   curl -i http://127.0.0.1:3000/search      costs five of those
//   curl -i -X POST http://127.0.0.1:3000/login?password=wrong
import { RateLimiter } from 'breakwater';
import { ipKey, rateLimit } from 'breakwater/express';
import express from 'express';

const app = express();
// Behind a proxy, say which one it is; never `true`, or clients choose their own address.
app.set('trust proxy', 'loopback');

// Probes are not limited: their route comes first.
app.get('/health', (_req, res) => res.send('ok'));

// Everything else: two limits, decided together. A named limiter is one state for all worker threads of the process.
const api = new RateLimiter({
  name: 'example:api',
  limits: [
    { label: 'burst', capacity: 10, refillPerSecond: 2 },
    { label: 'day', limit: 5_000, windowMs: 86_400_000 },
  ],
});
app.use(
  rateLimit({
    limiter: api,
    key: (req) => req.get('x-api-key') ?? ipKey(req.ip),
    cost: (req) => (req.path === '/search' ? 5 : 1),
  }),
);

app.get('/', (req, res) => res.json({ remaining: req.rateLimit.remaining }));
app.get('/search', (_req, res) => res.json({ found: [] }));

// Guessing passwords: five wrong ones a quarter of an hour. A right one costs nothing.
const logins = new RateLimiter({ limits: { label: 'login', limit: 5, windowMs: 900_000 } });
app.post(
  '/login',
  rateLimit({
    limiter: logins,
    refundIf: (_req, res) => res.statusCode < 400,
    onRefused: (_req, res, { retryAfterMs }) => {
      res.json({ error: 'too many attempts', minutes: Math.ceil(retryAfterMs / 60_000) });
    },
  }),
  (req, res) => res.sendStatus(req.query.password === 'right' ? 204 : 401),
);

const server = app.listen(Number(process.env.PORT ?? 3000), '127.0.0.1', () => {
  console.log(`listening on http://127.0.0.1:${server.address().port}`);
});
