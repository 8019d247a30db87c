/** What became of promises, without waiting for them. */

const PENDING = Symbol('pending');

/** Lets all continuations run that need no turn of the event loop. */
export async function continuations() {
  for (let i = 0; i < 20; i++) await null;
}

/** 'pending', 'fulfilled' or 'rejected': where a promise stands in this turn of the event loop. */
export async function stateOf(promise) {
  await continuations();
  try {
    return (await Promise.race([promise, PENDING])) === PENDING ? 'pending' : 'fulfilled';
  } catch {
    return 'rejected';
  }
}

/** The error a promise was rejected with in this turn of the event loop. */
export async function reasonOf(promise) {
  await continuations();
  try {
    const value = await Promise.race([promise, PENDING]);
    throw new Error(`expected a rejection, got ${value === PENDING ? 'a pending promise' : String(value)}`);
  } catch (error) {
    return error;
  }
}

/** What becomes of a promise, written down from now on: `{ state, value, error }`. So nobody finds its rejection unhandled. */
export function watched(promise) {
  const seen = { state: 'pending', value: undefined, error: undefined };
  promise.then(
    (value) => Object.assign(seen, { state: 'fulfilled', value }),
    (error) => Object.assign(seen, { state: 'rejected', error }),
  );
  return seen;
}

/** A list of what happened to promises, in order: `when(name, promise)` adds the name once it settled, with its error's code. */
export function recorder() {
  const events = [];
  const when = (name, promise) =>
    promise.then(
      () => events.push(name),
      (error) => events.push(`${name}: ${error.code ?? error}`),
    );
  return { events, when };
}

/** Waits, in real time, until a condition holds that another thread brings about. */
export async function until(condition, what = 'the condition', withinMs = 20_000) {
  const end = performance.now() + withinMs;
  while (!condition()) {
    if (performance.now() > end) throw new Error(`${what} did not come about within ${withinMs} ms`);
    await new Promise((resolve) => setTimeout(resolve, 1));
  }
}
