/**
 * The schema of an order, as one writes it. Nothing in it is there for the demo: a code is groups with dashes between them, no two lines
 * are the same, and a bundle is a product, parts at a price of their own, or parts to choose from, which may be bundles again.
 */
const parts = { type: 'array', minItems: 1, items: { $ref: '#/definitions/bundle' } };

export const ORDER = {
  type: 'object',
  required: ['customer', 'lines'],
  properties: {
    customer: { type: 'integer', minimum: 1 },
    code: { type: 'string', maxLength: 40, pattern: '^([A-Z0-9]+-?)+$' },
    lines: { type: 'array', minItems: 1, uniqueItems: true, items: { $ref: '#/definitions/line' } },
    bundle: { $ref: '#/definitions/bundle' },
  },
  definitions: {
    sku: { type: 'string', pattern: '^[A-Z]{2}-[0-9]{4}$' },
    line: {
      type: 'object',
      required: ['sku', 'quantity'],
      properties: {
        sku: { $ref: '#/definitions/sku' },
        quantity: { type: 'integer', minimum: 1, maximum: 9_999 },
      },
    },
    bundle: {
      anyOf: [
        { type: 'object', required: ['sku'], properties: { sku: { $ref: '#/definitions/sku' } } },
        {
          type: 'object',
          required: ['price', 'parts'],
          properties: { price: { type: 'integer', minimum: 0 }, parts },
        },
        {
          type: 'object',
          required: ['choose', 'parts'],
          properties: { choose: { type: 'integer', minimum: 1 }, parts },
        },
      ],
    },
  },
};
