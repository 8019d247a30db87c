/** Decoded values of a named cache in this thread, and what names each in the shared one. Which stays is decided by a clock. */

/** Of so many that come to a full front, one gets in. */
const ONE_OF = 4;

/** A key that is not in front. */
const NOWHERE = -1;

export class Front<V> {
  /** Where each value is in the shared cache, and which of all that were ever there. */
  readonly places: Uint32Array;
  readonly versions: Uint32Array;
  readonly values: (V | undefined)[] = [];
  readonly #keys: (string | undefined)[] = [];
  /** Whether each was used since the hand passed it. */
  readonly #used: Uint8Array;
  readonly #at = new Map<string, number>();
  readonly #free: number[] = [];
  readonly #maxEntries: number;
  #hand = 0;
  #turnedAway = 0;

  constructor(maxEntries: number) {
    this.#maxEntries = maxEntries;
    this.places = new Uint32Array(maxEntries);
    this.versions = new Uint32Array(maxEntries);
    this.#used = new Uint8Array(maxEntries);
  }

  find(key: string): number {
    return this.#at.get(key) ?? NOWHERE;
  }

  use(at: number): void {
    this.#used[at] = 1;
  }

  drop(at: number): void {
    this.#at.delete(this.#keys[at] as string);
    this.#keys[at] = undefined;
    this.values[at] = undefined;
    this.#free.push(at);
  }

  /** When it is full, one of four gets in: who is asked for often does soon, and the others cost little. */
  add(key: string, value: V, place: number, version: number): void {
    const isFull = this.#free.length === 0 && this.#keys.length === this.#maxEntries;
    if (isFull && ++this.#turnedAway % ONE_OF !== 0) return;
    const at = this.#at.get(key) ?? this.#room();
    this.#at.set(key, at);
    this.#keys[at] = key;
    this.values[at] = value;
    this.places[at] = place;
    this.versions[at] = version;
    this.#used[at] = 0;
  }

  #room(): number {
    const free = this.#free.pop();
    if (free !== undefined) return free;
    if (this.#keys.length < this.#maxEntries) return this.#keys.length;
    for (;;) {
      const at = this.#hand;
      this.#hand = at + 1 < this.#maxEntries ? at + 1 : 0;
      if (this.#used[at] === 1) {
        this.#used[at] = 0;
        continue;
      }
      this.#at.delete(this.#keys[at] as string);
      return at;
    }
  }

  clear(): void {
    for (const at of this.#at.values()) this.#free.push(at);
    this.#at.clear();
    this.#keys.fill(undefined);
    this.values.fill(undefined);
  }
}
