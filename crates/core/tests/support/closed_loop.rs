//! A dependency of known capacity in a closed loop with one bulkhead or several: it runs so many calls at once, each for about 10 ms, and lets the
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

/// A call at the dependency: when it ends, when it began, whose it is, and whether it is dropped.
type Running = Reverse<(Nanos, Nanos, usize, bool)>;

pub struct ClosedLoop {
    pub clients: Vec<Bulkhead>,
    pub clock: Arc<ManualClock>,
    /// How many it runs at once.
    pub capacity: usize,
    /// How long one takes: from half to one and a half of that.
    pub service: Nanos,
    /// After how long the caller gives up.
    pub timeout: Nanos,
    /// The share of calls that are dropped for other reasons.
    pub dropping: f64,
    pub done: u64,
    pub dropped: u64,
    running: BinaryHeap<Running>,
    line: VecDeque<(Nanos, usize)>,
    chance: Rng,
}

impl ClosedLoop {
    pub fn new(concurrency: Concurrency, clients: usize, capacity: usize) -> Self {
        let clock = Arc::new(ManualClock::new());
        let rules = Options { concurrency, ..Options::fixed(1.0) }.check().unwrap();
        let client = || Bulkhead::new(rules.clone(), Clock::Manual(clock.clone()));
        Self {
            clients: (0..clients).map(|_| client()).collect(),
            clock,
            capacity,
            service: ms(10),
            timeout: ms(10_000),
            dropping: 0.0,
            done: 0,
            dropped: 0,
            running: BinaryHeap::new(),
            line: VecDeque::new(),
            chance: Rng::seeded(7),
        }
    }

    /// What all clients together may have under way.
    pub fn limit(&self) -> u32 {
        self.clients.iter().map(Bulkhead::limit).sum()
    }

    fn start(&mut self, (began, client): (Nanos, usize)) {
        let now = self.clock.now();
        let service = (self.service as f64 * (0.5 + self.chance.unit())) as Nanos;
        let late = now + service - began > self.timeout;
        // Who gives up leaves the dependency, but not before it was looked at.
        let ends = if late { now + service.min(self.timeout) } else { now + service };
        let dropped = late || self.chance.unit() < self.dropping;
        self.running.push(Reverse((ends, began, client, dropped)));
    }

    /// Runs for `span`, and answers the limits averaged over it.
    pub fn run(&mut self, span: Nanos) -> f64 {
        let from = self.clock.now();
        let (mut area, mut last) = (0.0, from);
        loop {
            for (client, bulkhead) in self.clients.iter().enumerate() {
                while bulkhead.enter(HERE, 1, 5).0 {
                    self.line.push_back((self.clock.now(), client));
                }
            }
            while self.running.len() < self.capacity
                && let Some(call) = self.line.pop_front()
            {
                self.start(call);
            }
            let Some(Reverse((ends, began, client, dropped))) = self.running.pop() else { return area };
            area += f64::from(self.limit()) * (ends - last) as f64;
            last = ends;
            self.clock.advance_to(last);
            let outcome = if dropped { Outcome::Dropped } else { Outcome::Success };
            self.clients[client].leave_timed(HERE, 1, began, outcome);
            self.done += u64::from(!dropped);
            self.dropped += u64::from(dropped);
            if last >= from + span {
                return area / (last - from) as f64;
            }
        }
    }

    /// Milliseconds until the limit is within `range`.
    pub fn until(&mut self, range: RangeInclusive<u32>) -> u64 {
        let from = self.clock.now();
        while !range.contains(&self.limit()) {
            self.run(ms(5));
            assert!(self.clock.now() < from + ms(60_000), "limit {}", self.limit());
        }
        (self.clock.now() - from) / ms(1)
    }
}
