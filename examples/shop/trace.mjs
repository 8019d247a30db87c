/** The request trace: which product is asked for next, as real visitors of a web shop asked (see trace/README.md). */
import { readFileSync } from 'node:fs';
import { brotliDecompressSync } from 'node:zlib';

/** The products of the trace in order, one number per request. */
export function readTrace() {
  const bytes = brotliDecompressSync(readFileSync(new URL('trace/web12.trace.br', import.meta.url)));
  return Array.from({ length: bytes.length / 4 }, (_, index) => bytes.readInt32BE(index * 4));
}

/** Gives the trace request by request, from the start, and again from the start when it is through. */
export function replay(trace) {
  let next = 0;
  return () => trace[next++ % trace.length];
}
