// A receiver of webhooks that trusts nobody: node examples/webhook.mjs
//
// A delivery is read once, as bytes. Its signature is checked over exactly these bytes, then they are validated, and three fields are
// picked from them. The rest of it, which may be large, never becomes JavaScript: the bytes go on to who wants them.
// Here a sender of our own makes some deliveries, good and bad ones; then the program ends.
import { createHmac, timingSafeEqual } from 'node:crypto';
import { validate } from 'breakwater/express';
import express from 'express';

const SECRET = process.env.WEBHOOK_SECRET ?? 'known to the sender and to us';

const sign = (bytes) => `sha256=${createHmac('sha256', SECRET).update(bytes).digest('hex')}`;

/** Refuses what the sender has not signed. Compared in a time that says nothing about how much of it was right. */
function checkSignature(req, res, next) {
  const expected = Buffer.from(sign(req.body ?? ''));
  const signature = Buffer.from(req.get('x-signature') ?? '');
  if (signature.length === expected.length && timingSafeEqual(signature, expected)) next();
  else res.status(401).json({ error: 'not signed by the sender' });
}

/** What we rely on. Senders add members all the time, so others may be there. */
const DELIVERY = {
  type: 'object',
  required: ['id', 'type', 'data'],
  properties: {
    id: { type: 'string', pattern: '^evt_[a-z0-9]+$' },
    type: { enum: ['invoice.paid', 'invoice.failed'] },
    data: {
      type: 'object',
      required: ['invoice'],
      properties: {
        invoice: {
          type: 'object',
          required: ['amount'],
          properties: { amount: { type: 'integer', minimum: 0 } },
        },
      },
    },
  },
};

const app = express();
const queue = [];

app.post(
  '/webhooks',
  // Whatever its type is said to be, it has to be signed; and it is no longer than this, inflated.
  express.raw({ type: () => true, limit: '256kb' }),
  checkSignature,
  validate({ schema: DELIVERY, body: 'document', maxBytes: 262_144, maxErrors: 5 }),
  (req, res) => {
    const [id, type, amount] = req.body.pick(['/id', '/type', '/data/invoice/amount']);
    queue.push(req.body.bytes);
    console.log(`taken: ${id}, ${type}, ${amount}`);
    res.sendStatus(202);
  },
);

const server = app.listen(Number(process.env.PORT ?? 0), '127.0.0.1', async () => {
  const url = `http://127.0.0.1:${server.address().port}/webhooks`;

  async function deliver(what, body, { signature = sign(body), type = 'application/json' } = {}) {
    const headers = { 'content-type': type, 'x-signature': signature };
    const response = await fetch(url, { method: 'POST', headers, body });
    const text = await response.text();
    const { errors = [] } = /json/.test(response.headers.get('content-type')) ? JSON.parse(text) : {};
    const why = errors.map(({ pointer, detail }) => `${pointer} ${detail}`);
    console.log([`${what}: ${response.status}`, ...why].join('\n  '));
  }

  const lines = Array.from({ length: 1_000 }, (_, i) => ({ line: i, text: 'a line of an invoice' }));
  const good = { id: 'evt_1', type: 'invoice.paid', data: { invoice: { amount: 1_250, lines } } };
  const text = JSON.stringify(good);
  await deliver('a good one', text);
  await deliver('changed on its way', text.replace('1250', '1'), { signature: sign(text) });
  await deliver('not as agreed', JSON.stringify({ ...good, type: 'invoice.lost', id: 'event 2' }));
  await deliver('a name twice', '{"id":"evt_3","type":"invoice.paid","type":"invoice.failed","data":{}}');
  await deliver('not JSON', 'id=evt_4', { type: 'application/x-www-form-urlencoded' });
  console.log(`in the queue: ${queue.length}, ${queue[0].length} bytes as they came`);
  server.closeAllConnections();
  server.close();
});
