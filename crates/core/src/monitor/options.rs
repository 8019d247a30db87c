//! Defaults, ranges and units.

use crate::{
    clock::{NANOS_PER_MILLI, Nanos},
    option::InvalidOption,
};

/// Default of `sampleMs`: a hundred beats, enough for a 99th percentile.
pub const DEFAULT_SAMPLE_MS: f64 = 1_000.0;

/// Options as given.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// How long an interval is: milliseconds in [50, 3_600_000]; default [`DEFAULT_SAMPLE_MS`].
    pub sample_ms: Option<f64>,
    /// From when on a loop counts as blocked: milliseconds in [50, 3_600_000]; default: it is not watched.
    pub blocked_ms: Option<f64>,
    /// Whether a block is written to stderr; needs `blockedMs`.
    pub stderr: bool,
}

/// Options that were checked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rules {
    /// How long an interval is.
    pub sample: Nanos,
    /// From when on a loop counts as blocked.
    pub blocked: Option<Nanos>,
    /// Whether a block is written to stderr.
    pub stderr: bool,
}

impl Options {
    /// Checks every option.
    pub fn check(&self) -> Result<Rules, InvalidOption> {
        let sample_ms = self.sample_ms.unwrap_or(DEFAULT_SAMPLE_MS);
        // Of less than five beats nothing can be said.
        if !(50.0..=3_600_000.0).contains(&sample_ms) {
            let expected = "a number of milliseconds from 50 to 3600000";
            return Err(InvalidOption::number("sampleMs", expected, sample_ms));
        }
        let blocked = match self.blocked_ms {
            None if self.stderr => {
                let expected = "a number of milliseconds from 50 to 3600000 where stderr is true";
                return Err(InvalidOption::missing("blockedMs", expected));
            }
            None => None,
            // Between two beats every loop is silent, and who watches a shorter silence wakes all the time.
            Some(ms) if (50.0..=3_600_000.0).contains(&ms) => Some(nanos(ms)),
            Some(ms) => {
                let expected = "a number of milliseconds from 50 to 3600000";
                return Err(InvalidOption::number("blockedMs", expected, ms));
            }
        };
        Ok(Rules { sample: nanos(sample_ms), blocked, stderr: self.stderr })
    }
}

fn nanos(ms: f64) -> Nanos {
    (ms * NANOS_PER_MILLI as f64) as Nanos
}
