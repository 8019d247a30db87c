/** What no call of ours can be faster than: crossing into native code, reading the clock, one compare-and-swap. */
import { sync } from './calls.mjs';
import { bindingOnly, ManualClock } from './ours.mjs';

const LIMIT = { capacity: 4e9, refillPerSecond: 1e9 };

const nothing = (answer) => answer === undefined;
const aNumber = (answer) => answer >= 0;

/** The bound function of a bucket that was disposed: it crosses, finds an empty cell and answers undefined. */
function emptyCall() {
  const binding = bindingOnly();
  const bucket = binding.bucket(LIMIT);
  const { take } = bucket.functions;
  binding.dispose('bucket', bucket);
  return take;
}

/** `available()`: crosses, reads the clock and two words, divides, answers a number. */
function available(manual) {
  const binding = bindingOnly();
  return binding.bucket(LIMIT, manual ? binding.manualClock().handle : undefined).functions.available;
}

function compareAndSwap() {
  const words = new Int32Array(new SharedArrayBuffer(64));
  let seen = 0;
  return () => {
    Atomics.compareExchange(words, 0, seen, seen + 1);
    seen = (seen + 1) | 0;
    return seen;
  };
}

export const benches = {
  'floor/call/empty': {
    'bound native function, empty': sync(emptyCall, nothing),
    'ManualClock.now': sync(() => {
      const clock = new ManualClock();
      return () => clock.now;
    }, aNumber),
    'a loop around nothing': sync(() => () => undefined, nothing),
  },
  'floor/clock/read': {
    'bound native function, clock read': sync(() => available(false), aNumber),
    'bound native function, no clock read': sync(() => available(true), aNumber),
    'performance.now()': sync(() => () => performance.now(), aNumber),
    'Date.now()': sync(() => () => Date.now(), aNumber),
  },
  'floor/cas/uncontended': {
    'Atomics.compareExchange': sync(compareAndSwap, Number.isInteger),
  },
};
