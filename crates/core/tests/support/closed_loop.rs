//! A dependency of known capacity in a closed loop with a bulkhead: it runs so many calls at once, each for about 10 ms, and lets the
//! others wait in a line of its own. There are always callers enough.
#![allow(unreachable_pub, reason = "a test and an example use it as a module of their own")]

use std::{
    cmp::Reverse,
    collections::{BinaryHeap, VecDeque},
    ops::RangeInclusive,
    sync::Arc,
};

use breakwater_core::{
    bulkhead::{Bulkhead, Concurrency, Options, Outcome},
    clock::{Clock, ManualClock, NANOS_PER_MILLI, Nanos},
    rng::Rng,
};

const HERE: u32 = 1;

pub const fn ms(millis: u64) -> Nanos {
    millis * NANOS_PER_MILLI
}

/// A call at the dependency: when it ends, when it began, and whether its caller has given up by then.
type Running = Reverse<(Nanos, Nanos, bool)>;

pub struct ClosedLoop {
    pub bulkhead: Bulkhead,
    pub clock: Arc<ManualClock>,
    /// How many it runs at once.
    pub capacity: usize,
    /// How long one takes: from half to one and a half of that.
    pub service: Nanos,
    /// After how long the caller gives up.
    pub timeout: Nanos,
    pub done: u64,
    pub dropped: u64,
    running: BinaryHeap<Running>,
    line: VecDeque<Nanos>,
    chance: Rng,
}

impl ClosedLoop {
    pub fn new(concurrency: Concurrency, capacity: usize) -> Self {
        let clock = Arc::new(ManualClock::new());
        let options = Options { concurrency, ..Options::fixed(1.0) };
        Self {
            bulkhead: Bulkhead::new(options.check().unwrap(), Clock::Manual(clock.clone())),
            clock,
            capacity,
            service: ms(10),
            timeout: ms(10_000),
            done: 0,
            dropped: 0,
            running: BinaryHeap::new(),
            line: VecDeque::new(),
            chance: Rng::seeded(7),
        }
    }

    fn start(&mut self, began: Nanos) {
        let now = self.clock.now();
        let service = (self.service as f64 * (0.5 + self.chance.unit())) as Nanos;
        let late = now + service - began > self.timeout;
        // Who gives up leaves the dependency, but not before it was looked at.
        let ends = if late { now + service.min(self.timeout) } else { now + service };
        self.running.push(Reverse((ends, began, late)));
    }

    /// Runs for `span`, and answers the limit averaged over it.
    pub fn run(&mut self, span: Nanos) -> f64 {
        let from = self.clock.now();
        let (mut area, mut last) = (0.0, from);
        loop {
            while self.bulkhead.enter(HERE, 1, 5).0 {
                self.line.push_back(self.clock.now());
            }
            while self.running.len() < self.capacity
                && let Some(began) = self.line.pop_front()
            {
                self.start(began);
            }
            let Some(Reverse((ends, began, late))) = self.running.pop() else { return area };
            area += f64::from(self.bulkhead.limit()) * (ends - last) as f64;
            last = ends;
            self.clock.advance_to(last);
            let outcome = if late { Outcome::Dropped } else { Outcome::Success };
            self.bulkhead.leave_timed(HERE, 1, began, outcome);
            self.done += u64::from(!late);
            self.dropped += u64::from(late);
            if last >= from + span {
                return area / (last - from) as f64;
            }
        }
    }

    /// Milliseconds until the limit is within `range`.
    pub fn until(&mut self, range: RangeInclusive<u32>) -> u64 {
        let from = self.clock.now();
        while !range.contains(&self.bulkhead.limit()) {
            self.run(ms(5));
            assert!(self.clock.now() < from + ms(60_000), "limit {}", self.bulkhead.limit());
        }
        (self.clock.now() - from) / ms(1)
    }
}
