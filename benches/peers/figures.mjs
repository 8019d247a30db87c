/** Sums over repetitions: medians, best repetitions, and ratios taken within a repetition. */

export function median(values) {
  const sorted = values.filter((value) => Number.isFinite(value)).sort((a, b) => a - b);
  if (sorted.length === 0) return undefined;
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
}

/** Rows by bench, contestant and runtime. */
export class Figures {
  #rows;

  constructor(rows) {
    this.#rows = rows;
  }

  /** The benches there are rows of, in the order of the rows. */
  benches(pattern = /./) {
    return [...new Set(this.#rows.map(({ bench }) => bench))].filter((bench) => pattern.test(bench));
  }

  contestants(bench) {
    const first = this.#rows.filter((row) => row.bench === bench && row.rep === 1);
    return [...new Set(first.map(({ contestant }) => contestant))];
  }

  of(bench, contestant, runtime) {
    return this.#rows.filter(
      (row) => row.bench === bench && row.contestant === contestant && row.runtime === runtime,
    );
  }

  all(figure) {
    return this.#rows.map((row) => row[figure]).filter((value) => value !== undefined);
  }

  median(bench, contestant, runtime, figure) {
    return median(this.of(bench, contestant, runtime).map((row) => row[figure]));
  }

  /** The least disturbed repetition. */
  least(bench, contestant, runtime, figure) {
    const values = this.of(bench, contestant, runtime).map((row) => row[figure]);
    return values.some(Number.isFinite) ? Math.min(...values.filter(Number.isFinite)) : undefined;
  }

  /** How many times as fast `contestant` is as the fastest of `others`: in each repetition, then the median. */
  times(bench, contestant, others, runtime, figure = 'ns') {
    const ratios = this.of(bench, contestant, runtime).map(({ rep, [figure]: own }) => {
      const theirs = others.map(
        (other) => this.of(bench, other, runtime).find((row) => row.rep === rep)?.[figure],
      );
      return Math.min(...theirs.map((value) => value ?? Number.NaN)) / own;
    });
    return median(ratios);
  }

  /** The time of `contestant` in one bench as a multiple of that in another: in each repetition, then the median. */
  multiple(bench, than, contestant, runtime, figure = 'ns') {
    const others = this.of(than, contestant, runtime);
    const ratios = this.of(bench, contestant, runtime).map(
      ({ rep, [figure]: own }) => own / others.find((row) => row.rep === rep)?.[figure],
    );
    return median(ratios);
  }

  /** Largest over smallest of the repetitions' medians, for each contestant and runtime that has several. */
  spreads(figure = 'ns') {
    const groups = {};
    for (const row of this.#rows) {
      if (!Number.isFinite(row[figure])) continue;
      groups[`${row.bench}|${row.contestant}|${row.runtime}`] ??= [];
      groups[`${row.bench}|${row.contestant}|${row.runtime}`].push(row[figure]);
    }
    return Object.values(groups)
      .filter((values) => values.length > 1)
      .map((values) => Math.max(...values) / Math.min(...values));
  }
}
