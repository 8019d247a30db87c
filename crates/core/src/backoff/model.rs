//! The pure algorithm: which attempt failed, what was waited before, a draw → a delay.

/// How chance spreads the delays of callers that failed together.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Jitter {
    /// Anything up to the delay: spreads best.
    #[default]
    Full,
    /// Half of the delay, and anything up to the other half: never a retry at once.
    Equal,
    /// Anything from the first delay to three times the one before: grows with what was drawn, not with the attempts.
    Decorrelated,
    /// The delay itself.
    None,
}

/// How delays grow.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Schedule {
    /// The same delay each time, in milliseconds.
    Constant(f64),
    /// From `initial_ms`, times `factor` with each attempt, up to `max_ms`.
    Exponential {
        /// The first delay, in milliseconds.
        initial_ms: f64,
        /// At least 1.
        factor: f64,
        /// The longest delay, in milliseconds: not below `initial_ms`.
        max_ms: f64,
        /// What chance does to it.
        jitter: Jitter,
    },
}

/// How long to wait after `attempt`, which counts from 1, has failed, where the wait before was `previous_ms`. `unit` is uniform
/// in [0, 1).
pub fn delay(schedule: &Schedule, attempt: u32, previous_ms: f64, unit: f64) -> f64 {
    let (initial_ms, factor, max_ms, jitter) = match *schedule {
        Schedule::Constant(ms) => return ms,
        Schedule::Exponential { initial_ms, factor, max_ms, jitter } => (initial_ms, factor, max_ms, jitter),
    };
    let grown = grown(initial_ms, factor, max_ms, attempt.saturating_sub(1));
    let spread = match jitter {
        Jitter::None => grown,
        Jitter::Full => unit * grown,
        Jitter::Equal => grown / 2.0 + unit * (grown / 2.0),
        Jitter::Decorrelated => {
            // Nothing waited yet, or no number: as if the first delay had been waited.
            let previous = if previous_ms >= initial_ms { previous_ms.min(max_ms) } else { initial_ms };
            initial_ms + unit * (3.0 * previous - initial_ms)
        }
    };
    spread.min(max_ms)
}

/// `initial_ms` grown by `factor` so many `times`, at most `max_ms`.
pub fn grown(initial_ms: f64, factor: f64, max_ms: f64, times: u32) -> f64 {
    // The power may be infinite, and 0 times infinity is no number.
    if initial_ms == 0.0 { 0.0 } else { (initial_ms * factor.powf(f64::from(times))).min(max_ms) }
}
