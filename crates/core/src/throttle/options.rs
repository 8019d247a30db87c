//! Defaults, ranges and units.

use super::model::Rules;
use crate::option::InvalidOption;

/// Default of `multiplier`: lets through twice what is accepted, so that recovery is seen soon.
pub const DEFAULT_MULTIPLIER: f64 = 2.0;

/// Default of `windowMs`: the two minutes of the SRE book.
pub const DEFAULT_WINDOW_MS: f64 = 120_000.0;

/// Default of `maxRefusalRate`: one call in ten asks a dead backend whether it is back.
pub const DEFAULT_MAX_REFUSAL_RATE: f64 = 0.9;

/// Options as given.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// How many requests each accepted one allows: in [1, 100]; default [`DEFAULT_MULTIPLIER`].
    pub multiplier: Option<f64>,
    /// Over how long requests are counted: milliseconds in [1000, 86_400_000]; default [`DEFAULT_WINDOW_MS`].
    pub window_ms: Option<f64>,
    /// The most likely a refusal gets: in [0, 1); default [`DEFAULT_MAX_REFUSAL_RATE`].
    pub max_refusal_rate: Option<f64>,
}

impl Options {
    /// Checks every option.
    pub fn check(&self) -> Result<Rules, InvalidOption> {
        let window_ms = self.window_ms.unwrap_or(DEFAULT_WINDOW_MS);
        if !(1_000.0..=86_400_000.0).contains(&window_ms) {
            let expected = "a number of milliseconds from 1000 to 86400000";
            return Err(InvalidOption::number("windowMs", expected, window_ms));
        }
        let (multiplier, max_refusal_rate) = (DEFAULT_MULTIPLIER, DEFAULT_MAX_REFUSAL_RATE);
        self.reaction(&Rules { multiplier, max_refusal_rate, window_ms })
    }

    /// The rules after a change of `current`: what is not given stays, and so does the window.
    pub(super) fn change(&self, current: &Rules) -> Result<Rules, InvalidOption> {
        match self.window_ms {
            None => self.reaction(current),
            Some(window_ms) => {
                let expected = "absent: the window keeps its length";
                Err(InvalidOption::number("windowMs", expected, window_ms))
            }
        }
    }

    fn reaction(&self, current: &Rules) -> Result<Rules, InvalidOption> {
        let multiplier = self.multiplier.unwrap_or(current.multiplier);
        if !(1.0..=100.0).contains(&multiplier) {
            return Err(InvalidOption::number("multiplier", "a number from 1 to 100", multiplier));
        }
        let max_refusal_rate = self.max_refusal_rate.unwrap_or(current.max_refusal_rate);
        // At 1 no call would come through to tell that the backend is well again.
        if !(0.0..1.0).contains(&max_refusal_rate) {
            return Err(InvalidOption::number("maxRefusalRate", "a number in [0, 1)", max_refusal_rate));
        }
        Ok(Rules { multiplier, max_refusal_rate, ..*current })
    }
}
