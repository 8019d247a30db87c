//! The pure algorithms: how late the beats of a loop were → the figures of an interval; how long a loop has been silent → what to
//! report.

use super::histogram::Histogram;
use crate::clock::{NANOS_PER_MILLI, Nanos};

/// How often a loop gives a sign of life. A healthy loop costs a timer a hundred times a second, and a block is known to 10 ms.
pub const BEAT: Nanos = 10 * NANOS_PER_MILLI;

/// The most beats that one late beat stands for one by one; a longer block (10 s) counts in larger steps.
const MOST_MISSED: Nanos = 1_000;

/// What a loop had used at an instant, each counted from when it likes.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Usage {
    /// Milliseconds in which the loop was not waiting, as the runtime counts; 0 where it does not.
    pub active_ms: f64,
    /// Milliseconds in which it was.
    pub idle_ms: f64,
    /// Processor time of its thread, where the system says.
    pub cpu: Option<Nanos>,
}

/// The share of the time from `before` to `after`, `span` long, in which the loop was busy; None where nobody says.
pub fn utilization(before: &Usage, after: &Usage, span: Nanos) -> Option<f64> {
    let (active, idle) = (after.active_ms - before.active_ms, after.idle_ms - before.idle_ms);
    if active + idle > 0.0 {
        return Some((active / (active + idle)).clamp(0.0, 1.0));
    }
    match (before.cpu, after.cpu) {
        (Some(before), Some(after)) if span > 0 => {
            Some((after.saturating_sub(before) as f64 / span as f64).min(1.0))
        }
        _ => None,
    }
}

/// Counts a beat that came `late`, and those that should have come while it was: each waited a beat less.
pub fn count_beat(delays: &mut Histogram, late: Nanos) {
    delays.add(late, 1);
    let missed = late / BEAT;
    let stride = missed.div_ceil(MOST_MISSED).max(1);
    let mut waited = late;
    for _ in 0..missed / stride {
        waited -= stride * BEAT;
        delays.add(waited, stride.min(u64::from(u32::MAX)) as u32);
    }
}

/// What is known of an interval. Spans are nanoseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Figures {
    /// How long it was.
    pub span: Nanos,
    /// How many beats it had, with those that were missed.
    pub beats: u64,
    /// Half of the beats were no later.
    pub p50: Nanos,
    /// Nine of ten.
    pub p90: Nanos,
    /// Ninety-nine of a hundred.
    pub p99: Nanos,
    /// The latest.
    pub max: Nanos,
    /// On average.
    pub mean: Nanos,
    /// The share of the interval in which the loop was busy, where that is known.
    pub utilization: Option<f64>,
}

/// The figures of what was counted.
pub fn figures(delays: &Histogram, span: Nanos, utilization: Option<f64>) -> Figures {
    Figures {
        span,
        beats: delays.total(),
        p50: delays.quantile(0.5),
        p90: delays.quantile(0.9),
        p99: delays.quantile(0.99),
        max: delays.max(),
        mean: delays.mean(),
        utilization,
    }
}

/// One eye on a loop.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Watch {
    /// How long a loop may be silent.
    threshold: Nanos,
    /// At which silence there is something to report next.
    next: Nanos,
}

impl Watch {
    /// Reports a silence of `threshold`.
    pub fn new(threshold: Nanos) -> Self {
        let threshold = threshold.max(1);
        Self { threshold, next: threshold }
    }

    /// In how long there can be something to report, of a loop that has been silent for so long. Not later than a threshold: the
    /// loop may come round at once, and be blocked anew.
    pub fn wait(&self, silent: Nanos) -> Nanos {
        self.next.saturating_sub(silent).min(self.threshold)
    }

    /// Whether a silence of so long is a block.
    pub fn is_block(&self, silent: Nanos) -> bool {
        silent >= self.threshold
    }

    /// The loop is silent for so long by now: whether that is to be reported. A block is reported again whenever it has doubled.
    pub fn look(&mut self, silent: Nanos) -> bool {
        let report = silent >= self.next;
        while self.next <= silent {
            self.next = self.next.saturating_mul(2);
            if self.next == Nanos::MAX {
                break;
            }
        }
        report
    }

    /// The silence is over, after so long: whether that is to be reported. It is of every block, reported before or not.
    pub fn over(&mut self, silent: Nanos) -> bool {
        self.next = self.threshold;
        self.is_block(silent)
    }
}
