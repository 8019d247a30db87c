/** The time as look-ups of a cache read it. */
import { loopTime, type Timeline } from './clock.js';

/** Look-ups that one reading of the clock serves for, while so many come within so few milliseconds. */
const READ_AHEAD = 64;
const RUN_MS = 1;

/**
 * Reading the clock takes longer than all the rest of a hit: where look-ups follow each other closely, without a turn of the event loop
 * in between, one reading serves for 64 of them.
 */
export class LookTime {
  readonly #timeline: Timeline;
  /** Look-ups that do with the time that was read last. */
  #readAhead = 0;
  #lastRead = 0;
  /** The first of the last few readings, and how many there were since. */
  #firstRead = 0;
  #reads = 0;
  /** Many look-ups came in this turn of the event loop, and it is not over. */
  #isRunning = false;

  constructor(timeline: Timeline) {
    this.#timeline = timeline;
  }

  now(): number {
    if (this.#readAhead > 0) {
      this.#readAhead--;
      return this.#lastRead;
    }
    const now = this.#timeline.now();
    if (this.#timeline !== loopTime) return now;
    if (this.#isRunning) {
      // Something else took its time between them.
      if (now - this.#lastRead < RUN_MS) this.#readAhead = READ_AHEAD;
    } else if (++this.#reads === READ_AHEAD) {
      this.#reads = 0;
      if (now - this.#firstRead < RUN_MS) {
        this.#isRunning = true;
        this.#readAhead = READ_AHEAD;
        // It ends in this turn, and keeps nothing alive for longer.
        setImmediate(this.#endRun);
      }
      this.#firstRead = now;
    }
    this.#lastRead = now;
    return now;
  }

  readonly #endRun = (): void => {
    this.#isRunning = false;
    this.#readAhead = 0;
  };
}
