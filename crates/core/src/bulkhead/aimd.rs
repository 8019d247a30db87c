//! Additive increase, multiplicative decrease: the limit of TCP, for calls.

use super::adaptive::{Bounds, Outcome, Sample};
use crate::clock::Nanos;

/// What is left of the limit after a drop.
const BACKOFF: f64 = 0.9;

/// A limit that grows while calls succeed, and gives way when they are dropped.
#[derive(Clone, Copy, Debug)]
pub struct Aimd {
    limit: u32,
    bounds: Bounds,
    /// Until the first drop the limit doubles with every round of calls.
    starting: bool,
    successes: u32,
    /// Only what began after the last decrease says something about the limit it led to.
    decreased: Option<Nanos>,
}

impl Aimd {
    /// Starts low.
    pub fn new(bounds: Bounds) -> Self {
        Self { limit: bounds.initial, bounds, starting: true, successes: 0, decreased: None }
    }

    /// Other bounds: the limit is within them from now on.
    pub fn set_bounds(&mut self, bounds: Bounds) -> u32 {
        self.bounds = bounds;
        self.limit = self.limit.clamp(bounds.min, bounds.max);
        self.limit
    }

    /// Where the limit may go.
    pub fn bounds(&self) -> Bounds {
        self.bounds
    }

    /// The limit after a call.
    pub fn sample(&mut self, sample: &Sample) -> u32 {
        match sample.outcome {
            Outcome::Dropped if self.decreased.is_none_or(|at| sample.began >= at) => {
                let less = (f64::from(self.limit) * BACKOFF) as u32;
                self.limit = less.max(self.bounds.min);
                self.decreased = Some(sample.now);
                self.starting = false;
                self.successes = 0;
            }
            // A limit that was not made use of says nothing.
            Outcome::Success if u64::from(sample.in_use) * 2 >= u64::from(self.limit) => {
                self.successes += 1;
                if self.starting || self.successes >= self.limit {
                    self.successes = 0;
                    self.limit = self.limit.saturating_add(1).min(self.bounds.max);
                }
            }
            Outcome::Dropped | Outcome::Success | Outcome::Ignored => {}
        }
        self.limit
    }
}
