/**
 * Tags of a cache without a name. An invalidation takes a number of a sequence and notes it at the tag: what was loaded before that
 * number is not served any more. The same as `crates/core/src/cache/tags.rs` does for all threads.
 */

/** What entries are checked against. */
export interface Tag {
  readonly name: string;
  /** What was loaded before it is invalid. */
  barrier: number;
  /** When it was set. */
  at: number;
  /** Entries that have it. */
  uses: number;
}

/** Tags looked at with each call, whether they are still needed. */
const LOOKS = 4;

export class Tags {
  /** Where the sequence stands. */
  sequence = 1;
  readonly #known = new Map<string, Tag>();
  /** All of them, looked at in turn. */
  readonly #suspects: Tag[] = [];
  #at = 0;

  invalidate(name: string, now: number, leaseMs: number): void {
    this.#tidy(now, leaseMs);
    const tag = this.#tag(name);
    this.sequence++;
    tag.barrier = this.sequence;
    tag.at = now;
  }

  /** The tags of these names, for an entry that counts itself in their uses. */
  of(names: readonly string[], now: number, leaseMs: number): Tag[] {
    // First: as long as no entry has them, they may be forgotten.
    if (names.length > 0) this.#tidy(now, leaseMs);
    return names.map((name) => this.#tag(name));
  }

  clear(): void {
    this.#known.clear();
    this.#suspects.length = 0;
  }

  #tag(name: string): Tag {
    let tag = this.#known.get(name);
    if (tag === undefined) {
      tag = { name, barrier: 0, at: 0, uses: 0 };
      this.#known.set(name, tag);
      this.#suspects.push(tag);
    }
    return tag;
  }

  /** A tag without entries is forgotten once no load can come with it any more that began before it was invalidated. */
  #tidy(now: number, leaseMs: number): void {
    for (let look = 0; look < LOOKS; look++) {
      if (this.#at >= this.#suspects.length) this.#at = 0;
      const tag = this.#suspects[this.#at];
      if (tag === undefined) return;
      const isOver = tag.barrier === 0 || now - tag.at > leaseMs;
      if (tag.uses === 0 && isOver) {
        this.#known.delete(tag.name);
        const last = this.#suspects.pop() as Tag;
        if (last !== tag) this.#suspects[this.#at] = last;
      } else {
        this.#at++;
      }
    }
  }
}

/** What was asked for before this is invalid. */
export function barrierOf(tags: readonly Tag[]): number {
  let highest = 0;
  for (const { barrier } of tags) if (barrier > highest) highest = barrier;
  return highest;
}

/** What only some entries have. */
export interface More {
  /** How long it took to load. */
  tookMs: number;
  /** Loading it anew has failed, and is tried again then. */
  retryAt: number;
  /** Its time to live was ended by hand. */
  wasEnded: boolean;
  readonly tags: readonly Tag[];
  readonly seen: number;
}

/** Whether no tag says that it is not. */
export function isValid(more: More): boolean {
  return more.tags.length === 0 || barrierOf(more.tags) <= more.seen;
}
