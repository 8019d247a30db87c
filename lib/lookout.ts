/** Who waits looks now and then for what was offered to a thread that does not answer. */
import { loopTime } from './clock.js';
import type { Timer } from './timers.js';

/** How often, in milliseconds: a little more than an offer lasts (`OFFER_LASTS` in crates/core/src/room). */
const LOOK_MS = 25;

export class Lookout {
  #timer: Timer | undefined;
  /** Looks; whether to look again. */
  readonly #look: () => boolean;

  constructor(look: () => boolean) {
    this.#look = look;
  }

  /** Looks from now on, if it does not already. */
  start(): void {
    this.#timer ??= loopTime.after(LOOK_MS, () => {
      this.#timer = undefined;
      if (this.#look()) this.start();
    });
  }
}
