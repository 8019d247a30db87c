//! Defaults, ranges and units.

use super::model::{Jitter, Schedule};
use crate::option::InvalidOption;

/// Default of `initialMs`: longer than most hiccups, shorter than what a user notices.
pub const DEFAULT_INITIAL_MS: f64 = 100.0;

/// Default of `factor`: doubling.
pub const DEFAULT_FACTOR: f64 = 2.0;

/// Default of `maxMs`; `initialMs` where that is longer.
pub const DEFAULT_MAX_MS: f64 = 10_000.0;

/// The longest delay: a day.
const LONGEST_MS: f64 = 86_400_000.0;
const DELAY: &str = "a number of milliseconds from 0 to 86400000";

/// Options as given.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// The first delay: milliseconds in [0, 86_400_000]; default [`DEFAULT_INITIAL_MS`].
    pub initial_ms: Option<f64>,
    /// What each delay is times the one before: in [1, 1000]; default [`DEFAULT_FACTOR`].
    pub factor: Option<f64>,
    /// The longest delay: milliseconds in [initialMs, 86_400_000]; default [`DEFAULT_MAX_MS`].
    pub max_ms: Option<f64>,
    /// Default `Full`.
    pub jitter: Jitter,
}

impl Options {
    /// Checks every option.
    pub fn check(&self) -> Result<Schedule, InvalidOption> {
        let initial_ms = delay("initialMs", self.initial_ms.unwrap_or(DEFAULT_INITIAL_MS))?;
        let factor = self.factor.unwrap_or(DEFAULT_FACTOR);
        if !(1.0..=1_000.0).contains(&factor) {
            return Err(InvalidOption::number("factor", "a number from 1 to 1000", factor));
        }
        let max_ms = self.max_ms.unwrap_or(DEFAULT_MAX_MS.max(initial_ms));
        if !(initial_ms..=LONGEST_MS).contains(&max_ms) {
            let expected = "a number of milliseconds from initialMs to 86400000";
            return Err(InvalidOption::number("maxMs", expected, max_ms));
        }
        Ok(Schedule::Exponential { initial_ms, factor, max_ms, jitter: self.jitter })
    }
}

impl Schedule {
    /// The same delay each time: `backoff` as a number of milliseconds in [0, 86_400_000].
    pub fn constant(ms: f64) -> Result<Self, InvalidOption> {
        delay("backoff", ms).map(Self::Constant)
    }
}

impl Jitter {
    /// As the API says it.
    pub fn word(self) -> &'static str {
        match self {
            Self::Full => "full",
            Self::Equal => "equal",
            Self::Decorrelated => "decorrelated",
            Self::None => "none",
        }
    }

    /// The jitter of this word.
    pub fn from_word(word: &str) -> Result<Self, InvalidOption> {
        let all = [Self::Full, Self::Equal, Self::Decorrelated, Self::None];
        all.into_iter().find(|jitter| jitter.word() == word).ok_or_else(|| InvalidOption {
            option: "jitter".to_owned(),
            expected: "'full', 'equal', 'decorrelated' or 'none'",
            got: format!("{word:?}"),
        })
    }
}

fn delay(option: &str, ms: f64) -> Result<f64, InvalidOption> {
    // Adding 0 makes a plain 0 of -0.
    if (0.0..=LONGEST_MS).contains(&ms) {
        Ok(ms + 0.0)
    } else {
        Err(InvalidOption::number(option, DELAY, ms))
    }
}
