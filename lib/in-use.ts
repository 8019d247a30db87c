/** Which objects have permits out, calls under way, callers waiting or a hand on them: `keyed` lets go of none of them. */

const uses = new WeakMap<object, () => boolean>();

/** Says how to find out about `object`. */
export function reportUse(object: object, isInUse: () => boolean): void {
  uses.set(object, isInUse);
}

/** False of what never said how to find out. */
export function inUse(object: object): boolean {
  return uses.get(object)?.() ?? false;
}
