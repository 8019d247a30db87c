/** What a crowd asks for that comes for a few products: by their popularity, whose n-th has 1/n of that of the first (Zipf). */
import { PAGE_PRODUCTS, seeded } from '../scenario.mjs';

const DRAWN = 10_000;

/** Products as a trace, one number per request: 1 is the most popular one. */
export function popularTrace() {
  const chance = seeded(1949);
  const shares = Array.from({ length: PAGE_PRODUCTS }, (_, at) => 1 / (at + 1));
  const whole = shares.reduce((sum, share) => sum + share, 0);
  return Array.from({ length: DRAWN }, () => {
    let left = chance() * whole;
    const product = shares.findIndex((share) => {
      left -= share;
      return left < 0;
    });
    return product === -1 ? 1 : product + 1;
  });
}
