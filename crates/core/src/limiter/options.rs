//! Defaults, ranges and units.

use crate::{
    bucket::{Limit, MAX_WAITERS, Rate, check_max_waiters},
    option::{InvalidOption, integer},
    words::MAX_LIMITS,
};

/// Default of `maxKeys`: 2.2 MB with one limit.
pub const DEFAULT_MAX_KEYS: u64 = 100_000;

/// The most keys: 2^28, 6.0 GB with one limit.
const MOST_KEYS: u64 = 1 << 28;

/// The longest block: 180 days.
const MAX_BLOCK_MS: f64 = 180.0 * 86_400_000.0;

/// What a new key starts with when every place it could take holds a live key.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum WhenFull {
    /// It starts fresh: honest newcomers pass, and what the evicted key owed is forgotten.
    #[default]
    Admit,
    /// It inherits the debt of the key it evicts, the smallest of its places, and no less than it may have owed itself when it
    /// was evicted: never over the limit, but a flood of one-shot keys then refuses honest newcomers.
    Limit,
}

/// Options as given.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// 1 to 8 limits, decided together.
    pub limits: Vec<Limit>,
    /// How many live keys are kept apart; default [`DEFAULT_MAX_KEYS`].
    pub max_keys: Option<f64>,
    /// Default `Admit`.
    pub when_full: WhenFull,
    /// How many reservations may wait at once, over all keys and threads; default 10,000.
    pub max_waiters: Option<f64>,
}

/// Options that are in range.
#[derive(Clone, Debug)]
pub struct Checked {
    /// The rate of each limit.
    pub rates: Vec<Rate>,
    /// How many live keys are kept apart.
    pub max_keys: u64,
    /// What a new key starts with in a full table.
    pub when_full: WhenFull,
    /// How many reservations may wait at once.
    pub max_waiters: u64,
}

impl Options {
    /// Checks every option.
    pub fn check(&self) -> Result<Checked, InvalidOption> {
        let max_keys = match self.max_keys {
            None => DEFAULT_MAX_KEYS,
            Some(keys) => integer("maxKeys", keys, 1, MOST_KEYS, "a whole number from 1 to 268435456")?,
        };
        let max_waiters = self.max_waiters.map_or(Ok(MAX_WAITERS), check_max_waiters)?;
        Ok(Checked { rates: rates_of(&self.limits)?, max_keys, when_full: self.when_full, max_waiters })
    }
}

/// The rates of 1 to 8 limits.
pub(crate) fn rates_of(limits: &[Limit]) -> Result<Vec<Rate>, InvalidOption> {
    if limits.is_empty() || limits.len() > MAX_LIMITS {
        return Err(InvalidOption {
            option: "limits".to_owned(),
            expected: "a limit or an array of 1 to 8 limits",
            got: format!("an array of {}", limits.len()),
        });
    }
    let rate = |(index, limit): (usize, &Limit)| {
        limit.rate().map_err(|invalid| invalid.within(&format!("limits[{index}]")))
    };
    limits.iter().enumerate().map(rate).collect()
}

/// How long to block a key: milliseconds in (0, 180 days].
pub fn check_block_ms(ms: f64) -> Result<u64, InvalidOption> {
    if ms > 0.0 && ms <= MAX_BLOCK_MS {
        Ok((ms * 1e6).ceil() as u64)
    } else {
        Err(InvalidOption::number("ms", "a number of milliseconds in (0, 15552000000]", ms))
    }
}
