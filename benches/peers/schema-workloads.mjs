/**
 * Schemas of our own with made-up documents, the same in every process: what is measured where there is no folder of real ones (see
 * schema-corpus.mjs).
 *
 * - `order-1k`, `order-9k`, `order-1m`: one schema with formats, patterns and closed objects, and orders of few and of many items
 * - `geojson`: geometries that are told apart by their type and may hold each other
 * - `webhooks`: `oneOf` over the events of an API
 * - `config`: a hundred named properties, names by pattern, and a configuration inside of it
 * - `lists`: lists in lists
 * - `map`: an object of many members that are all alike
 *
 * A workload is `{ schema, formats, documents(count) }`: `formats` whether they are checked, by everyone.
 */
import { readFileSync } from 'node:fs';
import { picks } from './keys.mjs';

const D7 = 'http://json-schema.org/draft-07/schema#';
const D2020 = 'https://json-schema.org/draft/2020-12/schema';

/** Closed, with all of its properties required, but those that are named. */
const object = (properties, optional = [], more = { additionalProperties: false }) => ({
  type: 'object',
  properties,
  required: Object.keys(properties).filter((name) => !optional.includes(name)),
  ...more,
});
const text = (maxLength, minLength = 1) => ({ type: 'string', minLength, maxLength });
const count = (maximum, minimum = 0) => ({ type: 'integer', minimum, maximum });
const list = (items, maxItems, minItems = 0) => ({ type: 'array', items, minItems, maxItems });
const map = (additionalProperties) => ({ type: 'object', additionalProperties });
const ref = (name) => ({ $ref: `#/$defs/${name}` });

/** Draws of a document: `draw(n)` is one of 0 to n - 1, `draw.of(list)` one of the list. */
function draws(seed) {
  const sequence = picks(2 ** 31, 4_096, seed * 7_919 + 1);
  let at = 0;
  const draw = (n) => sequence[at++ & 4_095] % n;
  draw.of = (list) => list[draw(list.length)];
  draw.hex = (digits) => Array.from({ length: digits }, () => draw(16).toString(16)).join('');
  draw.list = (length, make) => Array.from({ length }, (_, index) => make(index));
  return draw;
}

const documents = (make) => (count) =>
  Array.from({ length: count }, (_, seed) => JSON.stringify(make(draws(seed), seed)));

/** The one schema that criterion/schema.rs compiles as well. */
const order = JSON.parse(readFileSync(new URL('../order.schema.json', import.meta.url), 'utf8'));

const NAMES = ['Ada Lovelace', 'Zoë Ångström', 'José Müller', 'Anna "Nan" O’Neill', '王小明', 'Ivan Petrov'];
const GOODS = ['Teapot', 'Crème brûlée dish', '12" ruler', 'Kettle \\ lid', 'Lamp', 'Notebook, ruled'];
const two = (number) => String(number).padStart(2, '0');

const item = (draw) => ({
  sku: `${draw.of(['AB', 'QX', 'ZZ'])}-${10_000 + draw(80_000)}`,
  name: draw.of(GOODS),
  quantity: 1 + draw(9),
  cents: draw(100_000),
  weight: (1 + draw(5_000)) / 1_000,
  gift: draw(2) === 0,
  tags: ['new', 'fragile', 'heavy'].slice(draw(3)),
});

const orderOf = (items) => (draw, seed) => ({
  id: `${draw.hex(8)}-${draw.hex(4)}-4${draw.hex(3)}-a${draw.hex(3)}-${draw.hex(12)}`,
  createdAt: `2026-${two(1 + draw(12))}-${two(1 + draw(28))}T${two(draw(24))}:${two(draw(60))}:00.5Z`,
  status: draw.of(order.properties.status.enum),
  customer: {
    id: draw(1_000_000),
    name: draw.of(NAMES),
    email: `customer.${seed}@mail.example.com`,
    phone: `+49${1_000_000 + draw(9_000_000)}`,
    address: { street: `${draw.of(NAMES)} St ${draw(200)}`, city: 'Zürich', zip: '80331', country: 'CH' },
  },
  items: draw.list(items, () => item(draw)),
  totalCents: draw(1_000_000),
  currency: draw.of(['EUR', 'CHF', 'USD']),
  note: 'Please ring twice; the bell is a "quiet" one.\nIf nobody opens: leave it with the neighbours. Thank you!',
  callback: `https://shop.example.com/orders/${seed}?token=${draw.hex(16)}`,
  labels: { source: 'web', campaign: draw.of(['spring', 'autumn']) },
});

/** A bare minimum of RFC 7946: each geometry by its type, in a collection of others, in a feature, in a collection of features. */
const position = list({ type: 'number' }, 3, 2);
const geometry = (type, coordinates) => object({ type: { const: type }, coordinates }, [], {});
const geojson = {
  $schema: D7,
  ...object(
    {
      type: { const: 'FeatureCollection' },
      features: { type: 'array', items: { $ref: '#/definitions/feature' } },
    },
    [],
    {},
  ),
  definitions: {
    position,
    feature: object(
      {
        type: { const: 'Feature' },
        id: { type: ['string', 'number'] },
        properties: { type: ['object', 'null'] },
        geometry: { oneOf: [{ type: 'null' }, { $ref: '#/definitions/geometry' }] },
      },
      ['id'],
      {},
    ),
    geometry: {
      oneOf: [
        geometry('Point', position),
        geometry('MultiPoint', { type: 'array', items: position }),
        geometry('LineString', { type: 'array', items: position, minItems: 2 }),
        geometry('Polygon', { type: 'array', items: { type: 'array', items: position, minItems: 4 } }),
        object(
          {
            type: { const: 'GeometryCollection' },
            geometries: { type: 'array', items: { $ref: '#/definitions/geometry' } },
          },
          [],
          {},
        ),
      ],
    },
  },
};

const place = (draw) => [draw(360_000_000) / 1e6 - 180, draw(180_000_000) / 1e6 - 90];
function shape(draw, depth) {
  const type = draw.of(['Point', 'LineString', 'Polygon', 'MultiPoint', 'GeometryCollection']);
  switch (type) {
    case 'Point':
      return { type, coordinates: place(draw) };
    case 'Polygon': {
      const ring = draw.list(6, () => place(draw));
      return { type, coordinates: [[...ring, ring[0]]] };
    }
    case 'GeometryCollection':
      if (depth === 0) return { type: 'Point', coordinates: place(draw) };
      return { type, geometries: draw.list(2, () => shape(draw, depth - 1)) };
    default:
      return { type, coordinates: draw.list(8, () => place(draw)) };
  }
}
const feature = (draw) => ({
  type: 'Feature',
  id: draw(10_000),
  properties: { name: draw.of(NAMES), population: draw(100_000) },
  geometry: shape(draw, 3),
});

/** What happened to what: a closed object for each event. */
const amount = object({ cents: count(2 ** 40), currency: text(3, 3) });
const EVENTS = {
  'order.created': { order: text(40), amount, items: count(1_000, 1) },
  'order.paid': { order: text(40), amount, method: { enum: ['card', 'sepa', 'invoice'] } },
  'order.cancelled': { order: text(40), reason: text(200) },
  'invoice.sent': { invoice: text(40), amount, dueInDays: count(90) },
  'invoice.overdue': { invoice: text(40), amount, reminders: count(10) },
  'customer.created': { customer: text(40), email: text(254, 3), newsletter: { type: 'boolean' } },
  'customer.deleted': { customer: text(40), erased: { type: 'boolean' } },
  'payout.failed': { payout: text(40), amount, code: { type: 'string', pattern: '^[a-z_]+$' } },
  'refund.created': { refund: text(40), amount, partial: { type: 'boolean' } },
  'dispute.opened': { dispute: text(40), amount, evidence: list(text(200), 10) },
  'subscription.renewed': { subscription: text(40), periods: count(120, 1), amount },
  'subscription.ended': { subscription: text(40), atOnce: { type: 'boolean' } },
};
const webhooks = {
  $schema: D2020,
  oneOf: Object.entries(EVENTS).map(([type, data]) =>
    object({
      id: { type: 'string', pattern: '^evt_[0-9a-f]{24}$' },
      type: { const: type },
      created: count(2 ** 33),
      live: { type: 'boolean' },
      data: object(data),
    }),
  ),
};

const data = {
  amount: (draw) => ({ cents: draw(100_000), currency: draw.of(['EUR', 'USD']) }),
  items: (draw) => 1 + draw(20),
  method: (draw) => draw.of(['card', 'sepa', 'invoice']),
  dueInDays: (draw) => draw(60),
  reminders: (draw) => draw(4),
  periods: (draw) => 1 + draw(12),
  email: (_draw, seed) => `customer.${seed}@mail.example.com`,
  code: (draw) => draw.of(['no_account', 'account_closed']),
  reason: () => 'The customer changed their mind: “too late”.',
  evidence: (draw) => draw.list(3, () => `https://files.example.com/${draw.hex(12)}`),
};
const flags = ['newsletter', 'erased', 'partial', 'atOnce'];
function event(draw, seed) {
  const type = draw.of(Object.keys(EVENTS));
  const value = (name) => {
    if (flags.includes(name)) return draw(2) === 0;
    return data[name]?.(draw, seed) ?? `${name}_${draw.hex(16)}`;
  };
  return {
    id: `evt_${draw.hex(24)}`,
    type,
    created: 1_790_000_000 + draw(10_000_000),
    live: draw(2) === 0,
    data: Object.fromEntries(Object.keys(EVENTS[type]).map((name) => [name, value(name)])),
  };
}

/** As linters and formatters have it: rules by name, rules of plugins by pattern, and other rules for some of the files. */
const level = { enum: ['off', 'warn', 'error'] };
const RULES = Array.from({ length: 100 }, (_, id) => `${['no', 'prefer', 'require', 'use'][id & 3]}-${id}`);
const rule = (id) =>
  id % 3 === 0
    ? level
    : {
        anyOf: [level, object({ level, limit: count(1_000), allow: list(text(40), 20) }, ['limit', 'allow'])],
      };
const config = {
  $schema: D7,
  definitions: {
    config: {
      type: 'object',
      properties: {
        extends: { anyOf: [text(200), list(text(200), 10)] },
        files: list(text(200), 50),
        globals: map({ enum: ['readonly', 'writable'] }),
        rules: {
          type: 'object',
          properties: Object.fromEntries(RULES.map((name, id) => [name, rule(id)])),
          patternProperties: { '^[a-z]+/[a-z0-9-]+$': level },
          additionalProperties: false,
        },
        overrides: list({ $ref: '#/definitions/config' }, 10),
      },
      patternProperties: { '^x-': true },
      additionalProperties: false,
      dependencies: { overrides: ['rules'] },
    },
  },
  allOf: [{ $ref: '#/definitions/config' }],
};

function configOf(draw, depth) {
  const setting = (id) => {
    const level = draw.of(['off', 'warn', 'error']);
    return id % 3 === 0 || draw(2) === 0 ? level : { level, limit: draw(100), allow: ['tests', 'src'] };
  };
  const own = RULES.map((name, id) => [name, setting(id)]).filter(() => draw(4) === 0);
  const ofPlugins = draw.list(5, (id) => [`plugin/rule-${id}`, draw.of(['off', 'warn'])]);
  return {
    extends: ['recommended', './base.json'],
    files: ['src/**/*.ts', 'lib/**/*.mjs'],
    globals: { window: 'readonly', process: 'writable' },
    rules: Object.fromEntries([...own, ...ofPlugins]),
    'x-owner': draw.of(NAMES),
    ...(depth > 0 && { overrides: [configOf(draw, depth - 1)] }),
  };
}

const lists = {
  $schema: D2020,
  ...list(ref('value'), 16),
  $defs: { value: { anyOf: [{ type: 'number' }, text(40, 0), list(ref('value'), 16)] } },
};
const nested = (draw, depth) =>
  draw.list(3, () =>
    depth > 0 && draw(3) > 0 ? nested(draw, depth - 1) : draw.of([draw(1_000), 'leaf', 0.5]),
  );

const stock = {
  $schema: D2020,
  type: 'object',
  propertyNames: { pattern: '^[a-z]+:[0-9]+$' },
  additionalProperties: object({ count: count(100_000), shelf: text(10), reserved: { type: 'boolean' } }),
};
const entry = (draw) => ({ count: draw(1_000), shelf: `R${draw(90)}`, reserved: draw(2) === 0 });

export const WORKLOADS = {
  'order-1k': { schema: order, formats: true, documents: documents(orderOf(2)) },
  'order-9k': { schema: order, formats: true, documents: documents(orderOf(68)) },
  'order-1m': {
    schema: order,
    formats: true,
    documents: documents(orderOf(8_400)),
  },
  geojson: {
    schema: geojson,
    formats: false,
    documents: documents((draw) => ({
      type: 'FeatureCollection',
      features: draw.list(6, () => feature(draw)),
    })),
  },
  webhooks: { schema: webhooks, formats: false, documents: documents(event) },
  config: { schema: config, formats: false, documents: documents((draw) => configOf(draw, 1)) },
  lists: { schema: lists, formats: false, documents: documents((draw) => nested(draw, 8)) },
  map: {
    schema: stock,
    formats: false,
    documents: documents((draw) =>
      Object.fromEntries(draw.list(200, (id) => [`${draw.of(['part', 'tool'])}:${id}`, entry(draw)])),
    ),
  },
};
