/** Abort signals that know how many listeners they have. */

/** `{ signal, abort, listeners() }`: a real signal whose listeners are counted. */
export function countedSignal() {
  const controller = new AbortController();
  const { signal } = controller;
  let count = 0;
  const { addEventListener, removeEventListener } = signal;
  signal.addEventListener = (...args) => {
    count += 1;
    addEventListener.apply(signal, args);
  };
  signal.removeEventListener = (...args) => {
    count -= 1;
    removeEventListener.apply(signal, args);
  };
  return { signal, abort: (reason) => controller.abort(reason), listeners: () => count };
}
