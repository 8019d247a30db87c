//! What a closed breaker counts: the calls of the last while, or the last so many, in memory of fixed size. Everything here needs
//! the record's lock.

use super::{model::Counts, options::Span};
use crate::{
    clock::Nanos,
    sync::{AtomicU64, Ordering},
    window::{SLOTS, Window},
};

const CALLS: usize = 0;
const FAILURES: usize = 1;
const SLOW: usize = 2;

#[derive(Debug)]
pub(super) struct Calls {
    over: Over,
    /// Failures in a row up to the last call, however long ago they were.
    run: AtomicU64,
    /// 1 once anything was counted, though it may have left the window.
    used: AtomicU64,
}

#[derive(Debug)]
enum Over {
    Time(Box<Window<3>>),
    Count(Ring),
}

/// The calls in a window, for an export.
#[derive(Clone, Debug, PartialEq)]
pub enum Recorded {
    /// By slots of time.
    Time {
        /// How long a slot is.
        width: Nanos,
        /// Age in slots, calls, failures, slow calls; oldest first, empty ones left out.
        slots: Vec<(u64, [u64; 3])>,
    },
    /// One by one.
    Count {
        /// How many the window holds.
        size: u64,
        /// Bit 0: failed, bit 1: slow; oldest first.
        calls: Vec<u8>,
    },
}

impl Calls {
    pub(super) fn new(span: Span) -> Self {
        let over = match span {
            Span::Time(span) => Over::Time(Box::new(Window::new(span))),
            Span::Count(size) => Over::Count(Ring::new(size)),
        };
        Self { over, run: AtomicU64::new(0), used: AtomicU64::new(0) }
    }

    /// Whether `now` matters.
    #[inline]
    pub(super) fn by_time(&self) -> bool {
        matches!(self.over, Over::Time(_))
    }

    /// Counts one call, and says what is in the window with it.
    #[inline]
    pub(super) fn add(&self, now: Nanos, failed: bool, slow: bool) -> Counts {
        let run = if failed { self.run.load(Ordering::Relaxed).saturating_add(1) } else { 0 };
        self.run.store(run, Ordering::Relaxed);
        self.used.store(1, Ordering::Relaxed);
        match &self.over {
            Over::Time(window) => {
                window.add(now, [1, u64::from(failed), u64::from(slow)]);
            }
            Over::Count(ring) => ring.add(failed, slow),
        }
        self.counts(now)
    }

    #[inline]
    pub(super) fn counts(&self, now: Nanos) -> Counts {
        let [calls, failures, slow] = match &self.over {
            Over::Time(window) => window.totals(now),
            Over::Count(ring) => ring.totals(),
        };
        Counts { calls, failures, slow, run: self.run.load(Ordering::Relaxed) }
    }

    /// Whether anything was ever counted or taken over.
    pub(super) fn used(&self) -> bool {
        self.used.load(Ordering::Relaxed) != 0
    }

    pub(super) fn clear(&self) {
        self.run.store(0, Ordering::Relaxed);
        match &self.over {
            Over::Time(window) => window.clear(),
            Over::Count(ring) => ring.clear(),
        }
    }

    pub(super) fn record(&self, now: Nanos) -> Recorded {
        match &self.over {
            Over::Time(window) => {
                let mut slots = window.by_age(now);
                slots.retain(|(_, counts)| counts[CALLS] > 0);
                Recorded::Time { width: window.width(), slots }
            }
            Over::Count(ring) => Recorded::Count { size: ring.size, calls: ring.calls() },
        }
    }

    /// Takes over what was recorded `elapsed` ago: false if that was another kind or size of window.
    pub(super) fn restore(&self, now: Nanos, recorded: &Recorded, run: u64, elapsed: Nanos) -> bool {
        match (&self.over, recorded) {
            (Over::Time(window), Recorded::Time { width, slots }) if window.width() == *width => {
                let newest = window.slot(now);
                let gone = elapsed / width;
                for (age, counts) in slots {
                    let age = age.saturating_add(gone);
                    if age < SLOTS {
                        window.add_to(newest - age, sound(counts));
                    }
                }
            }
            (Over::Count(ring), Recorded::Count { size, calls }) if ring.size == *size => {
                for call in calls.iter().skip(calls.len().saturating_sub(*size as usize)) {
                    ring.add(call & 1 != 0, call & 2 != 0);
                }
            }
            _ => return false,
        }
        self.run.store(run, Ordering::Relaxed);
        self.used.store(1, Ordering::Relaxed);
        true
    }
}

/// More calls than a slot of any window sees; ten such slots are far from the end of a word.
const MOST: u64 = 1 << 48;

/// No more failures or slow calls than calls, and no more of them than can be added up, whoever wrote the export.
fn sound(&[calls, failures, slow]: &[u64; 3]) -> [u64; 3] {
    let calls = calls.min(MOST);
    let mut counts = [calls; 3];
    counts[FAILURES] = failures.min(calls);
    counts[SLOW] = slow.min(calls);
    counts
}

/// The last `size` calls, two bits each.
#[derive(Debug)]
struct Ring {
    size: u64,
    /// How many it holds.
    filled: AtomicU64,
    /// Where the next one goes.
    next: AtomicU64,
    failures: Bits,
    slow: Bits,
}

impl Ring {
    fn new(size: u64) -> Self {
        let zero = || AtomicU64::new(0);
        Self { size, filled: zero(), next: zero(), failures: Bits::new(size), slow: Bits::new(size) }
    }

    #[inline]
    fn add(&self, failed: bool, slow: bool) {
        let at = self.next.load(Ordering::Relaxed);
        self.failures.set(at, failed);
        self.slow.set(at, slow);
        self.next.store(if at + 1 == self.size { 0 } else { at + 1 }, Ordering::Relaxed);
        let filled = self.filled.load(Ordering::Relaxed);
        if filled < self.size {
            self.filled.store(filled + 1, Ordering::Relaxed);
        }
    }

    #[inline]
    fn totals(&self) -> [u64; 3] {
        [self.filled.load(Ordering::Relaxed), self.failures.ones(), self.slow.ones()]
    }

    fn clear(&self) {
        self.filled.store(0, Ordering::Relaxed);
        self.next.store(0, Ordering::Relaxed);
        self.failures.clear();
        self.slow.clear();
    }

    fn calls(&self) -> Vec<u8> {
        let filled = self.filled.load(Ordering::Relaxed);
        let start = self.next.load(Ordering::Relaxed) + self.size - filled;
        (0..filled)
            .map(|call| (start + call) % self.size)
            .map(|at| u8::from(self.failures.get(at)) | u8::from(self.slow.get(at)) << 1)
            .collect()
    }
}

/// Bits with a count of those that are set.
#[derive(Debug)]
struct Bits {
    ones: AtomicU64,
    words: Box<[AtomicU64]>,
}

impl Bits {
    fn new(size: u64) -> Self {
        let words = (0..size.div_ceil(64)).map(|_| AtomicU64::new(0)).collect();
        Self { ones: AtomicU64::new(0), words }
    }

    fn ones(&self) -> u64 {
        self.ones.load(Ordering::Relaxed)
    }

    fn get(&self, at: u64) -> bool {
        self.words[(at / 64) as usize].load(Ordering::Relaxed) >> (at % 64) & 1 != 0
    }

    #[inline]
    fn set(&self, at: u64, bit: bool) {
        let word = &self.words[(at / 64) as usize];
        let was = word.load(Ordering::Relaxed);
        let is = was & !(1 << (at % 64)) | u64::from(bit) << (at % 64);
        if was != is {
            word.store(is, Ordering::Relaxed);
            let ones = self.ones.load(Ordering::Relaxed);
            self.ones.store(if bit { ones + 1 } else { ones - 1 }, Ordering::Relaxed);
        }
    }

    fn clear(&self) {
        self.ones.store(0, Ordering::Relaxed);
        for word in &self.words {
            word.store(0, Ordering::Relaxed);
        }
    }
}
