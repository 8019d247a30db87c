/** What is sent in the fifth part: orders of customers, and bodies that cost who reads them more than who sends them. */
import { HOSTILE } from '../scenario.mjs';
import { number } from '../terminal.mjs';

const sku = (n) => `AB-${String(n % 10_000).padStart(4, '0')}`;
const line = (n) => ({ sku: sku(n), quantity: 1 + (n % 9_999) });
const bytes = (order) => Buffer.from(JSON.stringify(order));

/** The n-th order of a customer: a few lines, sometimes a code, sometimes a bundle. */
export function honestOrder(n) {
  const lines = Array.from({ length: 1 + (n % 5) }, (_, at) => line(n + at));
  const bundle = { price: 2_500, parts: [{ sku: sku(n) }, { choose: 1, parts: [{ sku: sku(n + 1) }] }] };
  return bytes({
    customer: 1 + n,
    lines,
    ...(n % 3 === 0 && { code: 'SUMMER-2026' }),
    ...(n % 4 === 0 && { bundle }),
  });
}

/** A bundle of bundles, each of which has a price and is to choose from: two branches fit it, until the last one, which none fits. */
function nested(depth) {
  let bundle = {};
  for (let n = 0; n < depth; n++) bundle = { price: 1, choose: 1, parts: [bundle] };
  return bundle;
}

/** Each is wrong, by one thing in it or by many: `{ what, body }`. */
export const HOSTILE_BODIES = [
  {
    what: `a code of ${HOSTILE.codeLength + 1} characters`,
    body: bytes({ customer: 1, lines: [line(1)], code: `${'A'.repeat(HOSTILE.codeLength)}!` }),
  },
  {
    what: `bundles ${HOSTILE.bundleDepth} deep`,
    body: bytes({ customer: 1, lines: [line(1)], bundle: nested(HOSTILE.bundleDepth) }),
  },
  {
    what: `${number(HOSTILE.lines)} lines, two of them the same`,
    body: bytes({
      customer: 1,
      lines: Array.from({ length: HOSTILE.lines }, (_, n) => line(Math.max(1, n))),
    }),
  },
  {
    what: `${number(HOSTILE.emptyLines)} empty lines`,
    body: bytes({ customer: 1, lines: new Array(HOSTILE.emptyLines).fill({}) }),
  },
];
