/** Keys as callers have them. All sequences are the same in every process. */

export const KEYS = 100_000;
/** As many picks as no cache holds; a power of two. */
const PICKS = 1 << 20;

const name = (id) => `user:${id}`;

/** `count` picks among `keys`, uniform (xorshift32). */
export function picks(keys, count, seed = 777) {
  let state = seed >>> 0;
  const sequence = new Uint32Array(count);
  for (let at = 0; at < count; at++) {
    state ^= state << 13;
    state >>>= 0;
    state ^= state >>> 17;
    state ^= state << 5;
    state >>>= 0;
    sequence[at] = state % keys;
  }
  return sequence;
}

/** One key, the same string each time. */
export const oneKey = () => () => 'user:1';

/** Random keys of 100,000, strings made beforehand and kept: what a session or a table of users holds. */
export function keptKeys({ quick }) {
  const count = quick ? 10 : KEYS;
  const keys = Array.from({ length: count }, (_, id) => name(id));
  const sequence = picks(count, PICKS);
  return (call) => keys[sequence[call & (PICKS - 1)]];
}

/** The same keys, each string built for the call: what a server reads from its requests. */
export function freshKeys({ quick }) {
  const sequence = picks(quick ? 10 : KEYS, PICKS);
  return (call) => name(sequence[call & (PICKS - 1)]);
}

/** Every one of the 100,000 keys once, as strings of their own. */
export function* allKeys({ quick }) {
  for (let id = 0; id < (quick ? 10 : KEYS); id++) yield name(id);
}

/** `count` picks among `keys` by Zipf's law: the nth most popular is picked in proportion to 1 / n^exponent. */
export function zipf(keys, count, exponent = 1, seed = 777) {
  const sums = new Float64Array(keys);
  let sum = 0;
  for (let rank = 0; rank < keys; rank++) {
    sum += 1 / (rank + 1) ** exponent;
    sums[rank] = sum;
  }
  const uniform = picks(2 ** 31, count, seed);
  return Uint32Array.from(uniform, (draw) => {
    const wanted = ((draw + 0.5) / 2 ** 31) * sum;
    let low = 0;
    let high = keys - 1;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (sums[middle] < wanted) low = middle + 1;
      else high = middle;
    }
    return low;
  });
}

/** Keys of 100,000 by Zipf's law, the popular ones spread over all; strings made beforehand and kept. */
export function zipfKeys({ quick }) {
  const count = quick ? 10 : KEYS;
  const keys = Array.from({ length: count }, (_, id) => name((id * 7_919) % count));
  const sequence = zipf(count, PICKS);
  return (call) => keys[sequence[call & (PICKS - 1)]];
}
