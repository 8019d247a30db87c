//! The shell: the state, what was counted, the clock. It belongs to one thread, whose pressure it is.

use super::{
    model::{self, Bounds, Measure, PRIORITIES, Readings, Share, State},
    options::Options,
};
use crate::{
    clock::{Clock, Nanos},
    option::InvalidOption,
    rng::Rng,
};

/// What becomes of a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decision {
    /// It may go on.
    Allow,
    /// It may not.
    Refuse,
    /// The last sample is too old to decide by: take one, and ask again.
    Stale,
}

/// What a shedder knows.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Figures {
    /// The bounds in force.
    pub bounds: Bounds,
    /// What was measured last.
    pub readings: Readings,
    /// Which measure was the highest then.
    pub limiting: Option<Measure>,
    /// In 0..1.
    pub pressure: f64,
    /// Which share of each priority is refused.
    pub rates: [f64; PRIORITIES],
    /// Calls of each priority that were refused.
    pub refused: [u64; PRIORITIES],
    /// Calls that were allowed.
    pub allowed: u64,
}

/// One load shedder.
#[derive(Debug)]
pub struct Shedder {
    bounds: Bounds,
    every: Nanos,
    state: State,
    shares: [Share; PRIORITIES],
    chance: Rng,
    /// Some call was refused since the last sample.
    refusing: bool,
    refused: [u64; PRIORITIES],
    allowed: u64,
    readings: Readings,
    limiting: Option<Measure>,
    sampled: Nanos,
    clock: Clock,
}

impl Shedder {
    /// A shedder that has seen nothing, and refuses nothing; a sample comes every `every`.
    pub fn new(bounds: Bounds, every: Nanos, clock: Clock, mut chance: Rng) -> Self {
        Self {
            bounds,
            every,
            state: State::default(),
            shares: std::array::from_fn(|_| Share::new(chance.unit())),
            chance,
            refusing: false,
            refused: [0; PRIORITIES],
            allowed: 0,
            readings: Readings::default(),
            limiting: None,
            sampled: clock.now(),
            clock,
        }
    }

    /// Takes what was measured.
    pub fn sample(&mut self, readings: &Readings) {
        let now = self.clock.now();
        let (load, limiting) = model::load(&self.bounds, readings);
        self.state = model::sample(&self.state, load, self.refusing, now);
        self.refusing = false;
        self.readings = *readings;
        self.limiting = limiting;
        self.sampled = now;
    }

    /// Decides a call. A priority above 9 is 9.
    #[inline]
    pub fn enter(&mut self, priority: usize) -> Decision {
        // The coarse clock lags by some milliseconds, of hundreds.
        if self.is_stale(self.clock.coarse()) {
            return Decision::Stale;
        }
        let priority = priority.min(PRIORITIES - 1);
        let rate = self.state.rates[priority];
        if rate == 0.0 {
            self.allowed += 1;
            return Decision::Allow;
        }
        let (share, refuse) = model::decide(self.shares[priority], rate, || self.chance.unit());
        self.shares[priority] = share;
        if refuse {
            self.refusing = true;
            self.refused[priority] += 1;
            Decision::Refuse
        } else {
            self.allowed += 1;
            Decision::Allow
        }
    }

    /// Whether two samples did not come: the loop that takes them stands still.
    pub fn needs_sample(&self) -> bool {
        self.is_stale(self.clock.coarse())
    }

    #[inline]
    fn is_stale(&self, now: Nanos) -> bool {
        now.saturating_sub(self.sampled) > 2 * self.every
    }

    /// 1 at or over a bound.
    pub fn pressure(&self) -> f64 {
        self.state.pressure.min(1.0)
    }

    /// How long until calls of this priority are shed no more if the load ended now; 0 if they are not.
    pub fn retry_after(&self, priority: usize) -> Nanos {
        let now = self.clock.now();
        let ago = now.saturating_sub(self.sampled);
        model::retry_after(&self.state, priority.min(PRIORITIES - 1), self.every, ago, now)
    }

    /// New bounds; what is not given stays.
    pub fn reconfigure(&mut self, change: &Options) -> Result<(), InvalidOption> {
        self.bounds = change.change(&self.bounds)?;
        Ok(())
    }

    /// What it knows.
    pub fn figures(&self) -> Figures {
        Figures {
            bounds: self.bounds,
            readings: self.readings,
            limiting: self.limiting,
            pressure: self.pressure(),
            rates: self.state.rates,
            refused: self.refused,
            allowed: self.allowed,
        }
    }
}
