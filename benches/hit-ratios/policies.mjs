/**
 * Eviction policies as their authors have them, in so many words: slow, exact, and to be verified by eye. Each is made for so many
 * entries and answers `use(key)`: whether the key was there; it is from then on, if the policy lets it in.
 */

const oldest = (queue) => queue.keys().next().value;

/** LRU: a Map has its keys in the order in which they came. */
export function lru(entries) {
  const queue = new Map();
  return (key) => {
    const isThere = queue.delete(key);
    queue.set(key, true);
    if (queue.size > entries) queue.delete(oldest(queue));
    return isThere;
  };
}

/**
 * S3-FIFO (Yang, Zhang, Qiu, Yue and Rashmi, SOSP 2023) as its authors' simulator has it: libCacheSim, S3FIFO.c, its defaults. There, what
 * fills the small queue alone is not let in, so that a cache of less than 20 entries holds nothing; here it is.
 */
export function s3fifo(entries) {
  const smallRoom = Math.max(Math.floor(entries * 0.1), 1);
  const mainRoom = entries - smallRoom;
  const ghostRoom = Math.floor(entries * 0.9);
  // How often each was used since it came, the oldest first.
  const small = new Map();
  const main = new Map();
  const ghosts = new Set();
  let hasEvicted = false;

  const evictFromSmall = () => {
    while (small.size > 0) {
      const key = oldest(small);
      const uses = small.get(key);
      small.delete(key);
      if (uses < 2) {
        if (ghosts.size >= ghostRoom) ghosts.delete(oldest(ghosts));
        if (ghostRoom > 0) ghosts.add(key);
        return;
      }
      main.set(key, 0);
    }
  };
  const evictFromMain = () => {
    for (;;) {
      const key = oldest(main);
      const uses = main.get(key);
      main.delete(key);
      if (uses === 0) return;
      main.set(key, Math.min(uses, 3) - 1);
    }
  };

  return (key) => {
    for (const queue of [small, main]) {
      const uses = queue.get(key);
      if (uses !== undefined) {
        queue.set(key, uses + 1);
        return true;
      }
    }
    const returns = ghosts.delete(key);
    while (small.size + main.size >= entries) {
      hasEvicted = true;
      if (main.size > mainRoom || small.size === 0) evictFromMain();
      else evictFromSmall();
    }
    const isFirstFill = !hasEvicted && small.size >= smallRoom;
    (returns || isFirstFill ? main : small).set(key, 0);
    return false;
  };
}

/**
 * W-TinyLFU (Einziger, Friedman and Manes, 2017) with a window of one percent, as Caffeine's without its adaptation. Uses are counted
 * in a Map, so exactly, where Caffeine and breakwater have a sketch that estimates.
 */
export function wtinylfu(entries) {
  const windowRoom = Math.max(Math.floor(entries / 100), 1);
  const protectedRoom = Math.floor((entries - windowRoom) * 0.8);
  // The least recently used first.
  const window = new Map();
  const probation = new Map();
  const guarded = new Map();
  const seen = new Map();
  let counted = 0;

  const count = (key) => {
    seen.set(key, Math.min((seen.get(key) ?? 0) + 1, 15));
    counted += 1;
    if (counted < 10 * entries) return;
    counted = Math.floor(counted / 2);
    for (const [other, uses] of seen) {
      if (uses > 1) seen.set(other, uses >> 1);
      else seen.delete(other);
    }
  };
  const move = (key, from, to) => {
    from.delete(key);
    to.set(key, true);
  };
  const seenOf = (key) => seen.get(key) ?? 0;

  return (key) => {
    count(key);
    for (const queue of [window, guarded]) {
      if (queue.has(key)) {
        move(key, queue, queue);
        return true;
      }
    }
    if (probation.has(key)) {
      move(key, probation, guarded);
      if (guarded.size > protectedRoom) move(oldest(guarded), guarded, probation);
      return true;
    }
    window.set(key, true);
    if (window.size <= windowRoom) return false;
    const candidate = oldest(window);
    window.delete(candidate);
    if (window.size + probation.size + guarded.size < entries) {
      probation.set(candidate, true);
      return false;
    }
    const queue = probation.size > 0 ? probation : guarded;
    const victim = oldest(queue);
    if (victim !== undefined && seenOf(candidate) > seenOf(victim)) {
      queue.delete(victim);
      probation.set(candidate, true);
    }
    return false;
  };
}

/** How many of the uses of a trace are hits, by one of the above. */
export function hitsOf(use, trace) {
  let hits = 0;
  for (const key of trace) if (use(key)) hits += 1;
  return hits;
}

/**
 * The most hits there can be (Belady 1966): whoever is used next the latest goes, or is not let in at all. It has to know the future, and
 * keeps whom it keeps by the place in the trace where each is used next.
 */
export function optimum(entries, trace) {
  const next = nextUses(trace);
  const isKept = new Uint8Array(trace.length);
  const latest = new Heap(trace.length);
  let kept = 0;
  let hits = 0;
  for (let at = 0; at < trace.length; at++) {
    if (isKept[at] === 1) {
      hits += 1;
      kept -= 1;
    }
    if (next[at] === trace.length) continue;
    isKept[next[at]] = 1;
    // Places that are past stay in the heap: below all that are to come, so never at its top.
    latest.push(next[at]);
    kept += 1;
    if (kept <= entries) continue;
    isKept[latest.pop()] = 0;
    kept -= 1;
  }
  return hits;
}

/** Where in the trace each is used the next time; the end if it is not. */
function nextUses(trace) {
  const next = new Uint32Array(trace.length);
  const places = new Map();
  for (let at = trace.length - 1; at >= 0; at--) {
    next[at] = places.get(trace[at]) ?? trace.length;
    places.set(trace[at], at);
  }
  return next;
}

/** Numbers, the greatest first. */
class Heap {
  #numbers;
  #length = 0;

  constructor(most) {
    this.#numbers = new Uint32Array(most);
  }

  push(number) {
    const numbers = this.#numbers;
    let at = this.#length++;
    while (at > 0) {
      const parent = (at - 1) >> 1;
      if (numbers[parent] >= number) break;
      numbers[at] = numbers[parent];
      at = parent;
    }
    numbers[at] = number;
  }

  pop() {
    const numbers = this.#numbers;
    const greatest = numbers[0];
    const last = numbers[--this.#length];
    let at = 0;
    for (;;) {
      let child = 2 * at + 1;
      if (child + 1 < this.#length && numbers[child + 1] > numbers[child]) child += 1;
      if (child >= this.#length || numbers[child] <= last) break;
      numbers[at] = numbers[child];
      at = child;
    }
    numbers[at] = last;
    return greatest;
  }
}
