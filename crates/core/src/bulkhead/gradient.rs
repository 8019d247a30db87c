//! A limit by latency: it grows as long as calls take as long as they do on an idle dependency, and gives way when they take longer.
//!
//! After every window of calls, with g = clamp(1.25 × idle ÷ median, ½, 1): limit × g + √limit × (2g − 1). The root is the line that may
//! form; it is what makes the limit grow. That is the rule of Envoy's adaptive concurrency filter and of Netflix's Gradient2, with these
//! differences:
//! - A window counts calls that began in it, so that a change is judged by what it led to.
//! - Dropped calls are no latencies. A window with more than a tenth of them cuts the limit by their share, at most by half, and does not
//!   grow: a dependency that only times out does not look like a fast one. Fewer are taken to have other reasons.
//! - What is idle is measured again every 100 windows, at half the limit, over four times as many calls. What is faster than known is
//!   always believed. What is slower only where halving the limit made no difference, and then by a twentieth at most: else the line there
//!   is one that we, or others who share the dependency, have made.

use super::adaptive::{Bounds, Outcome, Sample};
use crate::clock::Nanos;

/// How much longer than on an idle dependency calls may take.
const TOLERANCE: f64 = 1.25;

/// The least that is left of the limit after a window.
const STEEPEST: f64 = 0.5;

/// The share of dropped calls that is taken to have other reasons than too many calls.
const TOLERATED_DROPS: f64 = 0.1;

/// What a measurement may make the idle latency more by.
const RAISE: f64 = 1.05;

/// The same where the limit stands at its lowest: either the dependency is slower by far, or others keep it busy.
const RAISE_AT_MIN: f64 = 2.0;

/// Calls in a window: as many as may run at once, but never fewer than the first, nor more than the second.
const WINDOW: (u32, usize) = (20, 256);

/// How many times as many calls a measurement takes: the windows until the next are judged by it.
const CALLS_TO_MEASURE: usize = 4;

/// Windows between two measurements of the idle latency.
const WINDOWS_BETWEEN: u32 = 100;

/// So many windows at the lowest limit mean that the idle latency is no longer what it was.
const WINDOWS_AT_MIN: u32 = 5;

/// How much the latency before a measurement is that of the last window.
const RECENT: f64 = 0.2;

/// What the present window is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    Adjust,
    /// The limit was halved: the calls that are on their way leave the dependency.
    Settle,
    /// Those that begin now meet it idle.
    Measure,
}

/// A limit and what it was found by.
#[derive(Clone, Debug)]
pub struct Gradient {
    /// With its fraction: near the lowest limit growth is less than one a window.
    limit: f64,
    bounds: Bounds,
    idle: Option<Nanos>,
    phase: Phase,
    window: Vec<Nanos>,
    /// Dropped calls in the window.
    drops: usize,
    began: Option<Nanos>,
    most_in_use: u32,
    /// The latency of late, in nanoseconds; 0 before there is one.
    recent: f64,
    windows: u32,
    windows_at_min: u32,
}

impl Gradient {
    /// Starts low.
    pub fn new(bounds: Bounds) -> Self {
        Self {
            limit: f64::from(bounds.initial),
            bounds,
            idle: None,
            phase: Phase::Measure,
            window: Vec::new(),
            drops: 0,
            began: None,
            most_in_use: 0,
            recent: 0.0,
            windows: 0,
            windows_at_min: 0,
        }
    }

    /// The limit after a call.
    pub fn sample(&mut self, sample: &Sample) -> u32 {
        let began = *self.began.get_or_insert(sample.began);
        match sample.outcome {
            Outcome::Ignored => return self.current(),
            // Whenever it began: a call that times out does so long after.
            Outcome::Dropped => self.drops += 1,
            Outcome::Success if sample.began < began => return self.current(),
            Outcome::Success => {
                self.most_in_use = self.most_in_use.max(sample.in_use);
                self.window.push(sample.now.saturating_sub(sample.began));
            }
        }
        if self.window.len() + self.drops >= self.window_size() {
            self.end_window(sample.now);
        }
        self.current()
    }

    /// Other bounds: the limit is within them from now on.
    pub fn set_bounds(&mut self, bounds: Bounds) -> u32 {
        self.bounds = bounds;
        self.set(self.limit);
        self.current()
    }

    /// Where the limit may go.
    pub fn bounds(&self) -> Bounds {
        self.bounds
    }

    /// The latency on an idle dependency, once it is known.
    pub fn idle(&self) -> Option<Nanos> {
        self.idle
    }

    /// The limit in force: a half of it while the idle latency is measured.
    fn current(&self) -> u32 {
        let halved = self.phase != Phase::Adjust && self.idle.is_some();
        let limit = if halved { self.limit / 2.0 } else { self.limit };
        (limit as u32).clamp(self.bounds.min, self.bounds.max)
    }

    fn window_size(&self) -> usize {
        let size = (self.current().max(WINDOW.0) as usize).min(WINDOW.1);
        if self.phase == Phase::Measure { size * CALLS_TO_MEASURE } else { size }
    }

    fn end_window(&mut self, now: Nanos) {
        let dropped = self.drops as f64 / (self.window.len() + self.drops) as f64;
        let middle = self.window.len() / 2;
        let median = (!self.window.is_empty()).then(|| *self.window.select_nth_unstable(middle).1);
        if dropped > TOLERATED_DROPS {
            self.set(self.limit * (1.0 - dropped).max(STEEPEST));
            self.go_on();
        } else if let Some(median) = median {
            match self.phase {
                Phase::Settle => self.phase = Phase::Measure,
                Phase::Measure => self.measured(median.max(1)),
                Phase::Adjust => self.adjust(median.max(1)),
            }
        }
        self.window.clear();
        self.drops = 0;
        self.began = Some(now);
        self.most_in_use = 0;
    }

    fn measured(&mut self, median: Nanos) {
        let at_min = self.limit <= f64::from(self.bounds.min);
        let unmoved = median as f64 >= self.recent;
        let raise = if at_min { RAISE_AT_MIN } else { RAISE };
        self.idle = Some(match self.idle {
            Some(idle) if median > idle && !at_min && !unmoved => idle,
            Some(idle) => median.min((idle as f64 * raise) as Nanos),
            None => median,
        });
        self.phase = Phase::Adjust;
        self.windows = 0;
        self.windows_at_min = 0;
    }

    fn adjust(&mut self, median: Nanos) {
        let recent = if self.recent > 0.0 { self.recent } else { median as f64 };
        self.recent = recent + RECENT * (median as f64 - recent);
        let idle = self.idle.unwrap_or(median);
        let gradient = (TOLERANCE * idle as f64 / median as f64).clamp(STEEPEST, 1.0);
        let made_use_of = f64::from(self.most_in_use) * 2.0 >= self.limit;
        let line = if made_use_of { self.limit.sqrt() * (2.0 * gradient - 1.0) } else { 0.0 };
        self.set(self.limit * gradient + line);
        self.go_on();
    }

    /// Whether it is time to measure.
    fn go_on(&mut self) {
        self.windows += 1;
        self.windows_at_min = if self.current() == self.bounds.min { self.windows_at_min + 1 } else { 0 };
        let measure = self.windows >= WINDOWS_BETWEEN || self.windows_at_min >= WINDOWS_AT_MIN;
        self.phase =
            if measure && self.idle.is_some() { Phase::Settle } else { self.phase_without_measuring() };
        if measure {
            self.windows = 0;
            self.windows_at_min = 0;
        }
    }

    /// Without any idea of the idle latency everything is a measurement.
    fn phase_without_measuring(&self) -> Phase {
        if self.idle.is_some() { Phase::Adjust } else { Phase::Measure }
    }

    fn set(&mut self, limit: f64) {
        self.limit = limit.clamp(f64::from(self.bounds.min), f64::from(self.bounds.max));
    }
}
