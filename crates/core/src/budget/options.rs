//! Defaults, ranges and units.

use super::model::Rules;
use crate::option::InvalidOption;

/// Default of `ratio`: a fifth more load at worst.
pub const DEFAULT_RATIO: f64 = 0.2;

/// Default of `minPerSecond`: a service that makes few calls may retry all of them.
pub const DEFAULT_MIN_PER_SECOND: f64 = 10.0;

/// Default of `windowMs`: long enough to bear a burst, short enough that good times do not pay for a long outage.
pub const DEFAULT_WINDOW_MS: f64 = 10_000.0;

/// Options as given.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// Retries for each call: in [0, 1]; default [`DEFAULT_RATIO`].
    pub ratio: Option<f64>,
    /// Retries a second that need no call: in [0, 1_000_000]; default [`DEFAULT_MIN_PER_SECOND`].
    pub min_per_second: Option<f64>,
    /// Over how long both are counted: milliseconds in [100, 86_400_000]; default [`DEFAULT_WINDOW_MS`].
    pub window_ms: Option<f64>,
}

impl Options {
    /// Checks every option.
    pub fn check(&self) -> Result<Rules, InvalidOption> {
        let window_ms = self.window_ms.unwrap_or(DEFAULT_WINDOW_MS);
        let expected = "a number of milliseconds from 100 to 86400000";
        within("windowMs", window_ms, 100.0, 86_400_000.0, expected)?;
        let rules = Rules { ratio: DEFAULT_RATIO, min_per_second: DEFAULT_MIN_PER_SECOND, window_ms };
        self.rates(&rules)
    }

    /// The rules after a change of `current`: what is not given stays, and so does the window.
    pub(super) fn change(&self, current: &Rules) -> Result<Rules, InvalidOption> {
        match self.window_ms {
            None => self.rates(current),
            Some(window_ms) => {
                let expected = "absent: the window keeps its length";
                Err(InvalidOption::number("windowMs", expected, window_ms))
            }
        }
    }

    fn rates(&self, current: &Rules) -> Result<Rules, InvalidOption> {
        let ratio = self.ratio.unwrap_or(current.ratio);
        within("ratio", ratio, 0.0, 1.0, "a number from 0 to 1")?;
        let min_per_second = self.min_per_second.unwrap_or(current.min_per_second);
        within("minPerSecond", min_per_second, 0.0, 1e6, "a number from 0 to 1000000")?;
        Ok(Rules { ratio, min_per_second, ..*current })
    }
}

fn within(option: &str, value: f64, min: f64, max: f64, expected: &'static str) -> Result<(), InvalidOption> {
    if (min..=max).contains(&value) { Ok(()) } else { Err(InvalidOption::number(option, expected, value)) }
}
