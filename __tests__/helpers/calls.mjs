/** Functions to execute. */

/** A function that does not settle, whatever happens to its call. */
export const never = () => new Promise(() => {});

/**
 * An async function that comes to these outcomes, one a call, the last one again and again: an Error rejects, a function is called
 * with the call, everything else is the value. `calls` has the call of each time it was called.
 */
export function outcomes(...those) {
  const calls = [];
  const fn = async (call) => {
    const outcome = those[Math.min(calls.length, those.length - 1)];
    calls.push(call);
    if (outcome instanceof Error) throw outcome;
    return typeof outcome === 'function' ? outcome(call) : outcome;
  };
  return Object.assign(fn, { calls });
}

/** A function whose calls are settled by hand: `calls[n].resolve(value)`, `calls[n].reject(error)`, `calls[n].call`. */
export function manual() {
  const calls = [];
  const fn = (call) =>
    new Promise((resolve, reject) => {
      calls.push({ call, resolve, reject });
    });
  return Object.assign(fn, { calls });
}
