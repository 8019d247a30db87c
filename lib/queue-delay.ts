/** How long the head of a queue has waited by now: what a LoadShedder asks of a Bulkhead. */

const delays = new WeakMap<object, () => number>();

/** Says how to find out about `object`: milliseconds, 0 while nobody waits and once it was disposed. It never throws. */
export function registerQueueDelay(object: object, delayMs: () => number): void {
  delays.set(object, delayMs);
}

/** How to find out about `object`; undefined of what has no queue. */
export function queueDelayOf(object: object): (() => number) | undefined {
  return delays.get(object);
}
