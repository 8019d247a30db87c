//! The shell: the interval under way and the last whole one. It belongs to the thread of its loop, which reads the clock once for
//! all of its monitors.

use super::{
    histogram::Histogram,
    model::{self, Figures, Usage},
};
use crate::clock::Nanos;

/// The delays of one loop, interval by interval.
#[derive(Debug)]
pub struct Monitor {
    sample: Nanos,
    since: Nanos,
    usage: Usage,
    delays: Histogram,
    last: Option<Figures>,
    closed: u64,
    /// How late the beat under way was when an interval ended before it came: that was counted then.
    counted: Nanos,
}

impl Monitor {
    /// A monitor whose first interval begins now, with intervals of `sample`.
    pub fn new(sample: Nanos, now: Nanos, usage: Usage) -> Self {
        Self { sample, since: now, usage, delays: Histogram::new(), last: None, closed: 0, counted: 0 }
    }

    /// A beat came `late`. What of that was counted in an interval that ended meanwhile is not counted again.
    #[inline]
    pub fn beat(&mut self, late: Nanos) {
        model::count_beat(&mut self.delays, late.saturating_sub(self.counted));
        self.counted = 0;
    }

    /// Whether the interval under way has lasted long enough.
    #[inline]
    pub fn is_due(&self, now: Nanos) -> bool {
        now.saturating_sub(self.since) >= self.sample
    }

    /// Ends the interval under way, if it has lasted long enough. `late` is how late the next beat is already: a loop that asks in
    /// the middle of a block knows of it, and of all of it: who came at its beginning waits still.
    pub fn close(&mut self, now: Nanos, usage: Usage, late: Nanos) {
        if !self.is_due(now) {
            return;
        }
        if late > 0 {
            model::count_beat(&mut self.delays, late);
            self.counted = late;
        }
        let span = now - self.since;
        let busy = model::utilization(&self.usage, &usage, span);
        self.last = Some(model::figures(&self.delays, span, busy));
        self.delays.clear();
        self.since = now;
        self.usage = usage;
        self.closed += 1;
    }

    /// How many intervals have ended.
    pub fn closed(&self) -> u64 {
        self.closed
    }

    /// How long an interval is.
    pub fn sample(&self) -> Nanos {
        self.sample
    }

    /// The figures of the last whole interval; of the one under way while there is none.
    pub fn figures(&self, now: Nanos) -> Figures {
        self.last.unwrap_or_else(|| model::figures(&self.delays, now.saturating_sub(self.since), None))
    }
}
