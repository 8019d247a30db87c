/** What happened to the requests of one group of clients in one phase. Plain data: it crosses threads. */

/** An empty tally. `admitted` counts per shop thread; latencies are in ms, of the admitted and of the refused. */
export function newTally(threads) {
  return {
    sent: 0,
    admitted: new Array(threads).fill(0),
    failed: 0,
    refused: 0,
    latencies: [],
    refusals: [],
  };
}

/**
 * Counts one answer. 429 is the client's own limit, 503 the shop's budget or breaker: refused. Everything else was admitted, and
 * what is not 200 failed behind the shop, by an error (502) or by taking too long (504).
 */
export function count(tally, thread, status, latencyMs) {
  if (status === 429 || status === 503) {
    tally.refused += 1;
    tally.refusals.push(latencyMs);
  } else if (status === 200 || status === 502 || status === 504) {
    tally.admitted[thread] += 1;
    tally.latencies.push(latencyMs);
    if (status !== 200) tally.failed += 1;
  } else {
    throw new Error(`the shop answered ${status}`);
  }
}

export function sum(numbers) {
  return numbers.reduce((total, number) => total + number, 0);
}

/** The smallest latency that `ratio` of the admitted requests did not pass, or undefined without any. */
export function quantile(latencies, ratio) {
  if (latencies.length === 0) return undefined;
  const sorted = Float64Array.from(latencies).sort();
  return sorted[Math.max(0, Math.ceil(sorted.length * ratio) - 1)];
}
