/** Bulkheads of both kinds: one that nobody else can reach, which its thread decides for itself, and a named one. */
import { Bulkhead } from 'breakwater';

let names = 0;

/** A name that nobody else uses. */
export function newName() {
  names += 1;
  return `bulkhead.test:${process.pid}:${names}`;
}

/** Each makes a bulkhead of options. */
export const KINDS = {
  'a bulkhead of its own': (options) => new Bulkhead(options),
  'a named bulkhead': (options) => new Bulkhead({ name: newName(), ...options }),
};

/** Runs a test of each kind. */
export function ofEachKind(test, sentence, body) {
  for (const [kind, make] of Object.entries(KINDS)) test(`${kind} ${sentence}`, () => body(make));
}
