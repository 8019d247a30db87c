//! The shell: a schedule and its chance. It belongs to one thread.

use super::model::{self, Schedule};
use crate::rng::Rng;

/// The delays of one policy.
#[derive(Clone, Debug)]
pub struct Backoff {
    schedule: Schedule,
    chance: Rng,
}

impl Backoff {
    /// Delays by `schedule`, spread by `chance`.
    pub fn new(schedule: Schedule, chance: Rng) -> Self {
        Self { schedule, chance }
    }

    /// How many milliseconds to wait after `attempt` has failed: the first attempt is 1. `previous_ms` is the delay before this
    /// one; whatever it is counts as none before the second attempt.
    pub fn delay(&mut self, attempt: u32, previous_ms: f64) -> f64 {
        let previous_ms = if attempt <= 1 { 0.0 } else { previous_ms };
        model::delay(&self.schedule, attempt, previous_ms, self.chance.unit())
    }
}
