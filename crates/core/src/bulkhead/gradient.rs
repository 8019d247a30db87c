//! A limit by latency: it grows as long as calls take as long as they do on an idle dependency, and gives way when they take longer.
//!
//! After every window of calls: limit × clamp(1.25 × idle / median, ½, 1) + √limit, where idle is the median latency at a low limit.
//! The root is the line that may form; it is what makes the limit grow. That is the rule of Envoy's adaptive concurrency filter (and of
//! Netflix's Gradient2), with three differences: a window counts only calls that began in it, so that a change is judged by what it led
//! to; a drop cuts the limit by a tenth and forbids growth, so that a dependency that only times out does not look like a fast one; and
//! idle is measured again every 100 windows, at half the limit and over four times as many calls, so that it follows a dependency that
//! has become slower or faster.

use super::adaptive::{Bounds, Outcome, Sample};
use crate::clock::Nanos;

/// How much longer than on an idle dependency calls may take.
const TOLERANCE: f64 = 1.25;

/// The least that is left of the limit after a window.
const STEEPEST: f64 = 0.5;

/// What is left of it after a drop.
const BACKOFF: f64 = 0.9;

/// Calls in a window: as many as may run at once, but never fewer than the first, nor more than the second.
const WINDOW: (u32, usize) = (20, 256);

/// How many times as many calls a measurement takes: the windows until the next are judged by it.
const CALLS_TO_MEASURE: usize = 4;

/// Windows between two measurements of the idle latency.
const WINDOWS_BETWEEN: u32 = 100;

/// So many windows at the lowest limit mean that the idle latency is no longer what it was.
const WINDOWS_AT_MIN: u32 = 5;

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
    began: Option<Nanos>,
    most_in_use: u32,
    dropped: bool,
    decreased: Option<Nanos>,
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
            began: None,
            most_in_use: 0,
            dropped: false,
            decreased: None,
            windows: 0,
            windows_at_min: 0,
        }
    }

    /// The limit after a call.
    pub fn sample(&mut self, sample: &Sample) -> u32 {
        match sample.outcome {
            Outcome::Ignored => {}
            Outcome::Dropped => self.drop_one(sample),
            Outcome::Success => {
                let began = *self.began.get_or_insert(sample.began);
                if sample.began >= began {
                    self.most_in_use = self.most_in_use.max(sample.in_use);
                    self.window.push(sample.now.saturating_sub(sample.began));
                    if self.window.len() >= self.window_size() {
                        self.end_window(sample.now);
                    }
                }
            }
        }
        self.current()
    }

    /// Other bounds: the limit is within them from now on.
    pub fn set_bounds(&mut self, bounds: Bounds) -> u32 {
        self.bounds = bounds;
        self.set(self.limit);
        self.current()
    }

    /// The latency on an idle dependency, once it is known.
    pub fn idle(&self) -> Option<Nanos> {
        self.idle
    }

    /// The limit in force: a half of it while the idle latency is measured.
    fn current(&self) -> u32 {
        let limit =
            if self.phase == Phase::Adjust || self.idle.is_none() { self.limit } else { self.limit / 2.0 };
        (limit as u32).clamp(self.bounds.min, self.bounds.max)
    }

    fn window_size(&self) -> usize {
        let size = (self.current().max(WINDOW.0) as usize).min(WINDOW.1);
        if self.phase == Phase::Measure { size * CALLS_TO_MEASURE } else { size }
    }

    fn drop_one(&mut self, sample: &Sample) {
        self.dropped = true;
        if self.decreased.is_none_or(|at| sample.began >= at) {
            self.decreased = Some(sample.now);
            self.set(self.limit * BACKOFF);
            self.begin_window(sample.now);
        }
    }

    fn end_window(&mut self, now: Nanos) {
        let middle = self.window.len() / 2;
        let (_, &mut median, _) = self.window.select_nth_unstable(middle);
        match self.phase {
            Phase::Settle => self.phase = Phase::Measure,
            Phase::Measure => {
                self.idle = Some(median.max(1));
                self.phase = Phase::Adjust;
                self.windows = 0;
                self.windows_at_min = 0;
            }
            Phase::Adjust => self.adjust(median),
        }
        self.begin_window(now);
    }

    fn adjust(&mut self, median: Nanos) {
        let idle = self.idle.unwrap_or(median);
        let gradient = (TOLERANCE * idle as f64 / median.max(1) as f64).clamp(STEEPEST, 1.0);
        let made_use_of = f64::from(self.most_in_use) * 2.0 >= self.limit;
        let line = if made_use_of && !self.dropped { self.limit.sqrt() } else { 0.0 };
        self.set(self.limit * gradient + line);
        self.dropped = false;
        self.windows += 1;
        self.windows_at_min = if self.current() == self.bounds.min { self.windows_at_min + 1 } else { 0 };
        if self.windows >= WINDOWS_BETWEEN || self.windows_at_min >= WINDOWS_AT_MIN {
            self.phase = Phase::Settle;
        }
    }

    fn set(&mut self, limit: f64) {
        self.limit = limit.clamp(f64::from(self.bounds.min), f64::from(self.bounds.max));
    }

    fn begin_window(&mut self, now: Nanos) {
        self.window.clear();
        self.began = Some(now);
        self.most_in_use = 0;
    }
}
