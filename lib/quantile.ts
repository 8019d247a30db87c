/**
 * A quantile of the latencies of the last while, kept here and not in Rust: an observation is a few additions, less than a crossing
 * of the border. A histogram of equal ratios (four buckets to a doubling, so a value is known to 19 %), in two generations of
 * so many observations each: the older one is forgotten when the younger is full.
 */

/** Observations before a quantile says anything. */
const LEAST = 20;
/** Observations of a generation. */
const GENERATION = 1_000;
const BUCKETS_A_DOUBLING = 4;
/** From 2^-10 ms to 2^22 ms, more than an hour. */
const LOWEST_DOUBLING = -10;
const BUCKETS = 32 * BUCKETS_A_DOUBLING;

export class Quantile {
  readonly #ratio: number;
  #young = new Uint32Array(BUCKETS);
  #old = new Uint32Array(BUCKETS);
  #youngSize = 0;
  #oldSize = 0;
  #value: number | undefined;

  /** `ratio` in (0, 1): the share of observations that are no larger. */
  constructor(ratio: number) {
    this.#ratio = ratio;
  }

  observe(ms: number): void {
    const bucket = Math.floor((Math.log2(Math.max(ms, 1e-3)) - LOWEST_DOUBLING) * BUCKETS_A_DOUBLING);
    const at = Math.min(Math.max(bucket, 0), BUCKETS - 1);
    this.#young[at] = (this.#young[at] as number) + 1;
    this.#youngSize += 1;
    this.#value = undefined;
    if (this.#youngSize < GENERATION) return;
    const emptied = this.#old.fill(0);
    this.#old = this.#young;
    this.#oldSize = this.#youngSize;
    this.#young = emptied;
    this.#youngSize = 0;
  }

  /** The upper edge of the bucket the quantile lies in, in milliseconds; undefined before there are enough observations. */
  get value(): number | undefined {
    const size = this.#youngSize + this.#oldSize;
    if (size < LEAST) return undefined;
    this.#value ??= this.#find(Math.ceil(size * this.#ratio));
    return this.#value;
  }

  #find(rank: number): number {
    let seen = 0;
    for (let bucket = 0; bucket < BUCKETS; bucket += 1) {
      seen += (this.#young[bucket] as number) + (this.#old[bucket] as number);
      if (seen >= rank) return 2 ** ((bucket + 1) / BUCKETS_A_DOUBLING + LOWEST_DOUBLING);
    }
    return Number.POSITIVE_INFINITY;
  }
}
