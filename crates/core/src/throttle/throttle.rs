//! The shell: the counts and the rules under one lock, the clock. Chance belongs to the caller.

use super::{
    model::{self, Rules},
    options::Options,
};
use crate::{
    clock::{Clock, NANOS_PER_MILLI},
    option::InvalidOption,
    window::Window,
    words::{Double, Lock},
};

const REQUESTS: usize = 0;
const ACCEPTS: usize = 1;

/// What a throttle knows at one instant.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Figures {
    /// The rules in force.
    pub rules: Rules,
    /// Requests attempted in the window, those refused here included.
    pub requests: u64,
    /// Accepts in the window.
    pub accepts: u64,
    /// How likely the next call is refused.
    pub refusal_rate: f64,
}

/// One adaptive throttle, shared by all who hold a reference.
#[derive(Debug)]
pub struct Throttle {
    lock: Lock,
    multiplier: Double,
    max_refusal_rate: Double,
    window_ms: f64,
    counts: Window<2>,
    clock: Clock,
}

impl Throttle {
    /// A throttle that has counted nothing: it refuses nothing yet.
    pub fn new(rules: &Rules, clock: Clock) -> Self {
        Self {
            lock: Lock::new(),
            multiplier: Double::new(rules.multiplier),
            max_refusal_rate: Double::new(rules.max_refusal_rate),
            window_ms: rules.window_ms,
            counts: Window::new((rules.window_ms * NANOS_PER_MILLI as f64) as u64),
            clock,
        }
    }

    /// Counts a request and decides whether it may go out: the number of the slot it was counted in, or None if it is refused.
    /// `unit` draws a number in [0, 1), and is asked only where chance decides.
    #[inline]
    pub fn enter(&self, unit: impl FnOnce() -> f64) -> Option<u64> {
        let now = self.clock.coarse();
        let held = self.lock.lock();
        let counts = self.counts.totals(now);
        let slot = self.counts.slot(now);
        self.counts.add_to(slot, [1, 0]);
        let rate = model::refusal_rate(&self.rules_held(), counts[REQUESTS], counts[ACCEPTS]);
        drop(held);
        if rate > 0.0 && unit() < rate { None } else { Some(slot) }
    }

    /// The backend accepted a request. A rejection needs no word: that it was attempted is counted.
    #[inline]
    pub fn accepted(&self) {
        let now = self.clock.coarse();
        let _held = self.lock.lock();
        self.counts.add(now, [0, 1]);
    }

    /// A request says nothing about the backend: it counts no longer, if its slot is still in the window. Once for a request.
    pub fn ignored(&self, slot: u64) {
        let _held = self.lock.lock();
        self.counts.take_back(slot, REQUESTS);
    }

    /// How likely the next call is refused.
    pub fn refusal_rate(&self) -> f64 {
        self.figures().refusal_rate
    }

    /// What it knows now.
    pub fn figures(&self) -> Figures {
        let now = self.clock.coarse();
        let _held = self.lock.lock();
        let counts = self.counts.totals(now);
        let (rules, requests, accepts) = (self.rules_held(), counts[REQUESTS], counts[ACCEPTS]);
        Figures { rules, requests, accepts, refusal_rate: model::refusal_rate(&rules, requests, accepts) }
    }

    /// The rules in force.
    pub fn rules(&self) -> Rules {
        let _held = self.lock.lock();
        self.rules_held()
    }

    /// New rules over what was counted already; what is not given stays, and so does the window.
    pub fn reconfigure(&self, change: &Options) -> Result<(), InvalidOption> {
        change.change(&self.rules())?;
        // Only what is given is written: of two changes of different rules at once none is lost.
        let _held = self.lock.lock();
        if let Some(multiplier) = change.multiplier {
            self.multiplier.store(multiplier);
        }
        if let Some(max_refusal_rate) = change.max_refusal_rate {
            self.max_refusal_rate.store(max_refusal_rate);
        }
        Ok(())
    }

    #[inline]
    fn rules_held(&self) -> Rules {
        let (multiplier, max_refusal_rate) = (self.multiplier.load(), self.max_refusal_rate.load());
        Rules { multiplier, max_refusal_rate, window_ms: self.window_ms }
    }
}
