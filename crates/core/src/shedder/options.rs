//! Defaults, ranges and units. Bounds have no defaults: what a process can bear is for its owner to say.

use super::model::{Bounds, PRIORITIES};
use crate::option::{InvalidOption, integer};

/// Default of how often a shedder looks, without a monitor of the user's: milliseconds, ten beats of its loop.
pub const SAMPLE_MS: f64 = 100.0;

/// Default of `priority`: the middle, so that there is something to be less important than.
pub const DEFAULT_PRIORITY: u32 = 5;

/// Options as given.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// Milliseconds in [1, 3_600_000].
    pub max_event_loop_delay_ms: Option<f64>,
    /// In (0, 1]; never alone.
    pub max_utilization: Option<f64>,
    /// Bytes in [1, 2^53).
    pub max_heap_bytes: Option<f64>,
    /// Bytes in [1, 2^53).
    pub max_rss_bytes: Option<f64>,
    /// Milliseconds in [1, 3_600_000].
    pub max_queue_delay_ms: Option<f64>,
}

const MAX_SAFE: f64 = 9_007_199_254_740_991.0;

impl Options {
    /// Checks every option, and that there is one to go by.
    pub fn check(&self) -> Result<Bounds, InvalidOption> {
        self.change(&Bounds::default())
    }

    /// The bounds after a change of `current`: what is not given stays.
    pub(super) fn change(&self, current: &Bounds) -> Result<Bounds, InvalidOption> {
        let span = |option, ms: Option<f64>| {
            within(option, ms, 1.0, 3_600_000.0, "a number of milliseconds from 1 to 3600000")
        };
        let bytes = |option, bytes: Option<f64>| {
            within(option, bytes, 1.0, MAX_SAFE, "a number of bytes from 1 to 9007199254740991")
        };
        let bounds = Bounds {
            event_loop_delay_ms: span("maxEventLoopDelayMs", self.max_event_loop_delay_ms)?
                .or(current.event_loop_delay_ms),
            utilization: within(
                "maxUtilization",
                self.max_utilization,
                f64::MIN_POSITIVE,
                1.0,
                "a number in (0, 1]",
            )?
            .or(current.utilization),
            heap_bytes: bytes("maxHeapBytes", self.max_heap_bytes)?.or(current.heap_bytes),
            rss_bytes: bytes("maxRssBytes", self.max_rss_bytes)?.or(current.rss_bytes),
            queue_delay_ms: span("maxQueueDelayMs", self.max_queue_delay_ms)?.or(current.queue_delay_ms),
        };
        let others = [bounds.event_loop_delay_ms, bounds.heap_bytes, bounds.rss_bytes, bounds.queue_delay_ms];
        if others.iter().any(Option::is_some) {
            return Ok(bounds);
        }
        let expected = "a number of milliseconds from 1 to 3600000, unless memory or a queue is bounded";
        Err(InvalidOption::missing("maxEventLoopDelayMs", expected))
    }
}

fn within(
    option: &str,
    value: Option<f64>,
    min: f64,
    max: f64,
    expected: &'static str,
) -> Result<Option<f64>, InvalidOption> {
    match value {
        Some(value) if !(min..=max).contains(&value) => Err(InvalidOption::number(option, expected, value)),
        value => Ok(value),
    }
}

/// A priority: a whole number from 0 to 9.
pub fn check_priority(value: f64) -> Result<usize, InvalidOption> {
    let expected = "a whole number from 0 to 9";
    integer("priority", value, 0, PRIORITIES as u64 - 1, expected).map(|priority| priority as usize)
}
