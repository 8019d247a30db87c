/**
 * One measurement in a process of its own: `node case.mjs <bench> <contestant> [--quick]`. The last line it prints is the figures, as
 * JSON. `run.mjs` starts it.
 */
import { BENCHES } from './benches.mjs';

const [, , bench, contestant, ...flags] = process.argv;
const measure = BENCHES[bench]?.[contestant];
if (measure === undefined) {
  console.error(`there is no bench ${bench} of ${contestant}`);
  process.exit(2);
}
const figures = await measure({ quick: flags.includes('--quick') });
console.log(JSON.stringify(figures));
// Peers leave timers behind.
process.exit(0);
