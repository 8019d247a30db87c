/** Many benches that differ in their workload alone, as one figure: how many times as fast ours is, by geometric mean over the workloads. */
import { WORKLOADS } from './schema-workloads.mjs';

/** One schema in three sizes counts once. */
const isCounted = (name) => !/^order-(?!1k)/.test(name);

/** The workloads there are figures of for an operation, such as `schema/validate`: ours, and those that others wrote. */
export function workloads(figures, operation) {
  const benches = figures.benches(new RegExp(`^${operation}/`));
  const names = benches.map((bench) => bench.slice(operation.length + 1)).filter(isCounted);
  const isOwn = (name) => Object.hasOwn(WORKLOADS, name);
  return { own: names.filter(isOwn), real: names.filter((name) => !isOwn(name)), all: names };
}

/**
 * How many times as fast `contestant` is as the fastest of `others`, where both have figures: `{ mean, count, least, most }`, the last
 * two with the workload, as `{ name, times }`.
 */
export function meanOf(figures, operation, names, [contestant, others], runtime) {
  const each = names
    .map((name) => ({ name, times: figures.times(`${operation}/${name}`, contestant, others, runtime) }))
    .filter(({ times }) => Number.isFinite(times))
    .sort((a, b) => a.times - b.times);
  if (each.length === 0) return undefined;
  const logs = each.reduce((sum, { times }) => sum + Math.log(times), 0);
  return { mean: Math.exp(logs / each.length), count: each.length, least: each[0], most: each.at(-1) };
}
