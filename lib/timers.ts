/** Timers in order of when they are due, first made first fired: one structure for the event loop's time and for manual clocks. */

/** A scheduled callback. */
export interface Timer {
  readonly at: number;
  readonly fire: () => void;
  /** Ties are fired in the order in which they were made. */
  readonly order: number;
  /** Its place in the heap, -1 once fired or removed. */
  place: number;
}

function before(a: Timer, b: Timer): boolean {
  return a.at < b.at || (a.at === b.at && a.order < b.order);
}

/** A binary heap that knows where each timer stands, so that removing one costs no search. */
export class TimerHeap {
  readonly #heap: Timer[] = [];
  #made = 0;

  get size(): number {
    return this.#heap.length;
  }

  /** The timer that is due first. */
  get next(): Timer | undefined {
    return this.#heap[0];
  }

  add(at: number, fire: () => void): Timer {
    const timer: Timer = { at, fire, order: this.#made++, place: this.#heap.length };
    this.#heap.push(timer);
    this.#up(timer);
    return timer;
  }

  remove(timer: Timer): void {
    const { place } = timer;
    if (place < 0) return;
    timer.place = -1;
    const last = this.#heap.pop();
    if (last === undefined || last === timer) return;
    this.#set(place, last);
    this.#up(last);
    this.#down(last);
  }

  #set(place: number, timer: Timer): void {
    this.#heap[place] = timer;
    timer.place = place;
  }

  #up(timer: Timer): void {
    let { place } = timer;
    while (place > 0) {
      const above = (place - 1) >> 1;
      const parent = this.#heap[above] as Timer;
      if (!before(timer, parent)) break;
      this.#set(place, parent);
      place = above;
    }
    this.#set(place, timer);
  }

  #down(timer: Timer): void {
    let { place } = timer;
    for (;;) {
      const left = 2 * place + 1;
      const right = left + 1;
      let child = this.#heap[left];
      if (child === undefined) break;
      const other = this.#heap[right];
      if (other !== undefined && before(other, child)) child = other;
      if (!before(child, timer)) break;
      const below = child.place;
      this.#set(place, child);
      place = below;
    }
    this.#set(place, timer);
  }
}
