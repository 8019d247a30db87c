//! Defaults, ranges and units.

use super::model::{MAX_SPAN, Rate};
use crate::option::{InvalidOption, integer};

const TICKS_PER_SECOND: f64 = 256e9;
const TICKS_PER_MILLI: f64 = 256e6;

/// The most tokens a bucket can hold or a call can ask for: 2^32.
const MAX_CAPACITY: u64 = 1 << 32;
const CAPACITY: &str = "a whole number from 1 to 4294967296";

/// The fastest rate: a token each nanosecond.
const MAX_PER_SECOND: f64 = 1e9;
const PER_SECOND: &str = "a number in (0, 1000000000]";

/// The longest window: 180 days.
const MAX_WINDOW_MS: f64 = 180.0 * 86_400_000.0;
const WINDOW: &str = "a number of milliseconds in (0, 15552000000]";

/// Default of `maxWaiters`: enough for a burst, few enough that a stuck bucket is noticed.
pub const MAX_WAITERS: u64 = 10_000;

/// How much, how fast: as `capacity` and `refillPerSecond`, or as `limit` and `windowMs` (capacity = limit, refill = limit
/// per window).
#[derive(Clone, Debug, Default)]
pub struct Limit {
    /// The most tokens it holds: a whole number from 1 to 2^32.
    pub capacity: Option<f64>,
    /// Tokens that flow in, per second: in (0, 1e9].
    pub refill_per_second: Option<f64>,
    /// The same as `capacity`, for the windowed form.
    pub limit: Option<f64>,
    /// The time in which an empty bucket fills, in milliseconds: in (0, 180 days].
    pub window_ms: Option<f64>,
    /// What a Decision calls it.
    pub label: Option<String>,
}

impl Limit {
    /// Checks the limit and computes its rate. The interval is rounded up: never a token too many.
    pub fn rate(&self) -> Result<Rate, InvalidOption> {
        let windowed = self.limit.is_some() || self.window_ms.is_some();
        let mixed = |option: &str, value: Option<f64>| match value {
            Some(value) if windowed => {
                Err(InvalidOption::number(option, "absent where limit and windowMs are given", value))
            }
            _ => Ok(()),
        };
        mixed("capacity", self.capacity)?;
        mixed("refillPerSecond", self.refill_per_second)?;
        let (capacity, interval) = if windowed {
            let limit = self.limit.ok_or_else(|| InvalidOption::missing("limit", CAPACITY))?;
            let capacity = integer("limit", limit, 1, MAX_CAPACITY, CAPACITY)?;
            let window = self.window_ms.ok_or_else(|| InvalidOption::missing("windowMs", WINDOW))?;
            if !(window > 0.0 && window <= MAX_WINDOW_MS) {
                return Err(InvalidOption::number("windowMs", WINDOW, window));
            }
            let interval = ((window * TICKS_PER_MILLI).ceil() as u64).div_ceil(capacity);
            if (interval as f64) < TICKS_PER_SECOND / MAX_PER_SECOND {
                return Err(InvalidOption::number("limit", "at most 1000000 for each windowMs", limit));
            }
            (capacity, interval)
        } else {
            let capacity = self.capacity.ok_or_else(|| InvalidOption::missing("capacity", CAPACITY))?;
            let capacity = integer("capacity", capacity, 1, MAX_CAPACITY, CAPACITY)?;
            let refill = self.refill_per_second;
            let refill = refill.ok_or_else(|| InvalidOption::missing("refillPerSecond", PER_SECOND))?;
            (capacity, interval_of(refill)?)
        };
        within_span(Rate { interval, capacity })
    }
}

impl Limit {
    /// The rate after a change of `current`: what is not given stays.
    pub fn change(&self, current: &Rate) -> Result<Rate, InvalidOption> {
        if self.limit.is_some() || self.window_ms.is_some() {
            return self.rate();
        }
        let capacity = match self.capacity {
            None => current.capacity,
            Some(capacity) => integer("capacity", capacity, 1, MAX_CAPACITY, CAPACITY)?,
        };
        let interval = self.refill_per_second.map_or(Ok(current.interval), interval_of)?;
        within_span(Rate { interval, capacity })
    }
}

fn within_span(rate: Rate) -> Result<Rate, InvalidOption> {
    // The interval was rounded up by less than a tick: a window of 180 days is none too long for any limit.
    if rate.interval.saturating_sub(1).saturating_mul(rate.capacity) >= MAX_SPAN {
        let filled = "such that an empty bucket fills within 180 days";
        let seconds = rate.span() as f64 / TICKS_PER_SECOND;
        return Err(InvalidOption {
            option: "refillPerSecond".to_owned(),
            expected: filled,
            got: format!("{:.0} days", seconds / 86_400.0),
        });
    }
    Ok(rate)
}

fn interval_of(per_second: f64) -> Result<u64, InvalidOption> {
    if !(per_second > 0.0 && per_second <= MAX_PER_SECOND) {
        return Err(InvalidOption::number("refillPerSecond", PER_SECOND, per_second));
    }
    let interval = (TICKS_PER_SECOND / per_second).ceil();
    // The division may have been rounded down to a whole number: a token more than the rate, once in 2^52.
    let interval = if interval * per_second < TICKS_PER_SECOND { interval + 1.0 } else { interval };
    Ok(interval as u64)
}

/// `initialTokens`: from 0 to the capacity, fractions allowed.
pub fn check_initial_tokens(tokens: f64, rate: &Rate) -> Result<f64, InvalidOption> {
    if tokens >= 0.0 && tokens <= rate.capacity as f64 {
        Ok(tokens)
    } else {
        Err(InvalidOption::number("initialTokens", "a number from 0 to capacity", tokens))
    }
}

/// `maxWaiters`: a whole number from 0 to a million.
pub fn check_max_waiters(waiters: f64) -> Result<u64, InvalidOption> {
    integer("maxWaiters", waiters, 0, 1_000_000, "a whole number from 0 to 1000000")
}

/// Tokens or a cost in a call: a whole number from 0 to 2^53 - 1.
pub fn check_tokens(option: &str, tokens: f64) -> Result<u64, InvalidOption> {
    integer(option, tokens, 0, (1 << 53) - 1, "a whole number from 0 to 9007199254740991")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn windowed(limit: f64, window_ms: f64) -> Result<Rate, InvalidOption> {
        Limit { limit: Some(limit), window_ms: Some(window_ms), ..Limit::default() }.rate()
    }

    fn continuous(capacity: f64, refill: f64) -> Result<Rate, InvalidOption> {
        Limit { capacity: Some(capacity), refill_per_second: Some(refill), ..Limit::default() }.rate()
    }

    #[test]
    fn both_forms_give_the_same_rate() {
        assert_eq!(windowed(100.0, 1_000.0).unwrap(), continuous(100.0, 100.0).unwrap());
    }

    #[test]
    fn the_interval_is_rounded_up() {
        assert_eq!(windowed(3.0, 1_000.0).unwrap().interval, 256_000_000_000u64.div_ceil(3));
        assert_eq!(continuous(1.0, 7e8).unwrap().interval, 366);
    }

    #[test]
    fn says_what_was_expected_and_what_came() {
        let said = |result: Result<Rate, InvalidOption>| result.unwrap_err().to_string();
        assert_eq!(said(continuous(0.0, 1.0)), "capacity must be a whole number from 1 to 4294967296, got 0");
        assert_eq!(
            said(continuous(1.5, 1.0)),
            "capacity must be a whole number from 1 to 4294967296, got 1.5"
        );
        assert_eq!(
            said(continuous(1.0, f64::NAN)),
            "refillPerSecond must be a number in (0, 1000000000], got NaN"
        );
        assert_eq!(
            said(windowed(1.0, -1.0)),
            "windowMs must be a number of milliseconds in (0, 15552000000], got -1"
        );
        assert_eq!(
            said(Limit::default().rate()),
            "capacity must be a whole number from 1 to 4294967296, got undefined"
        );
        let both = Limit { capacity: Some(1.0), limit: Some(1.0), window_ms: Some(1.0), ..Limit::default() };
        assert_eq!(said(both.rate()), "capacity must be absent where limit and windowMs are given, got 1");
        assert!(said(continuous(1e9, 1.0)).starts_with("refillPerSecond must be such that"));
    }
}
