//! Defaults, ranges and units.

use super::model::{OpenFor, Rules};
use crate::{
    clock::{NANOS_PER_MILLI, Nanos},
    option::{InvalidOption, integer},
};

/// The longest span of any option: a day.
const MAX_MS: f64 = 86_400_000.0;
const SPAN: &str = "a number of milliseconds in (0, 86400000]";
const RATE: &str = "a number in (0, 1]";
const RATE_OR_FALSE: &str = "a number in (0, 1], or false";

/// Default of `window.durationMs`: long enough for twenty calls of a modest service, short enough to notice an outage at once.
pub const DURATION_MS: f64 = 10_000.0;
/// Default of `window.size`.
pub const SIZE: u64 = 100;
/// The largest count window: two bitmaps of 1.25 KB.
const MAX_SIZE: u64 = 10_000;
/// Default of `failureRateThreshold`.
pub const FAILURE_RATE: f64 = 0.5;
/// Default of `minimumCalls`, or the size of a smaller count window: one failure of two calls says nothing.
pub const MINIMUM_CALLS: u64 = 20;
/// Default of `slowCallRateThreshold`.
pub const SLOW_CALL_RATE: f64 = 1.0;
/// Default of `openMs` and of `openMs.initialMs`.
pub const OPEN_MS: f64 = 5_000.0;
/// Default of `openMs.factor`.
pub const OPEN_FACTOR: f64 = 2.0;
/// Default of `openMs.maxMs`, or `initialMs` if that is longer.
pub const OPEN_MAX_MS: f64 = 60_000.0;
/// Default of `openMs.jitter`.
pub const OPEN_JITTER: f64 = 0.0;
/// Default of `halfOpenCalls`.
pub const HALF_OPEN_CALLS: u64 = 1;
/// Most probes at once: they are looked through one by one.
const MAX_HALF_OPEN_CALLS: u64 = 1_000;
/// Default of `probeLeaseMs`, or the first break if that is longer.
pub const PROBE_LEASE_MS: f64 = 30_000.0;

/// Over what calls are counted.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Span {
    /// The calls of the last while.
    Time(Nanos),
    /// The last so many calls.
    Count(u64),
}

/// `window` as it was written.
#[derive(Clone, Copy, Debug)]
pub enum WindowOption {
    /// `{ kind: 'time', durationMs }`.
    Time {
        /// Milliseconds: from 100 to a day.
        duration_ms: Option<f64>,
    },
    /// `{ kind: 'count', size }`.
    Count {
        /// Calls: from 1 to 10,000.
        size: Option<f64>,
    },
}

/// `openMs` as it was written: a number is an initial break that does not grow.
#[derive(Clone, Copy, Debug)]
pub enum OpenOption {
    /// The same for every break.
    Constant(f64),
    /// Breaks that grow.
    Growing {
        /// The first break, in milliseconds.
        initial_ms: Option<f64>,
        /// How many times as long the next one is: from 1 to 100.
        factor: Option<f64>,
        /// The longest, in milliseconds.
        max_ms: Option<f64>,
        /// The share added at random: from 0 to 1.
        jitter: Option<f64>,
    },
}

/// The thresholds, all of which may be changed later. `None` is not given.
#[derive(Clone, Copy, Debug, Default)]
pub struct Thresholds {
    /// A share of calls in (0, 1], or no such rule.
    pub failure_rate_threshold: Option<Option<f64>>,
    /// Calls in the window before a rate says anything.
    pub minimum_calls: Option<f64>,
    /// Failures in a row.
    pub consecutive_failures: Option<f64>,
    /// Milliseconds after which a call is slow.
    pub slow_call_ms: Option<f64>,
    /// A share of calls in (0, 1].
    pub slow_call_rate_threshold: Option<f64>,
    /// How long a break lasts.
    pub open_ms: Option<OpenOption>,
    /// Milliseconds after which a probe is replaced.
    pub probe_lease_ms: Option<f64>,
}

/// The options of a breaker.
#[derive(Clone, Copy, Debug, Default)]
pub struct Options {
    /// Over what calls are counted. Default: time.
    pub window: Option<WindowOption>,
    /// Probes: from 1 to 1,000.
    pub half_open_calls: Option<f64>,
    /// The thresholds.
    pub thresholds: Thresholds,
}

/// Checked options.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Checked {
    /// Over what calls are counted.
    pub span: Span,
    /// How many probes decide.
    pub probes: u64,
    /// The rules.
    pub rules: Rules,
}

impl Options {
    /// Checks the options and fills in the defaults.
    pub fn check(&self) -> Result<Checked, InvalidOption> {
        let span = span_of(self.window)?;
        let probes = match self.half_open_calls {
            None => HALF_OPEN_CALLS,
            Some(calls) => {
                integer("halfOpenCalls", calls, 1, MAX_HALF_OPEN_CALLS, "a whole number from 1 to 1000")?
            }
        };
        let open = open_for(self.thresholds.open_ms.unwrap_or(OpenOption::Constant(OPEN_MS)))?;
        let rules = Rules {
            failure_rate: Some(FAILURE_RATE),
            minimum_calls: match span {
                Span::Count(size) => MINIMUM_CALLS.min(size),
                Span::Time(_) => MINIMUM_CALLS,
            },
            consecutive: None,
            slow_call: None,
            slow_rate: SLOW_CALL_RATE,
            open,
            lease: open.initial.max(nanos(PROBE_LEASE_MS)),
        };
        Ok(Checked { span, probes, rules: self.thresholds.change(&rules, span)? })
    }
}

impl Thresholds {
    /// The rules after a change of `rules`: what is not given stays.
    pub fn change(&self, rules: &Rules, span: Span) -> Result<Rules, InvalidOption> {
        let mut next = *rules;
        if let Some(threshold) = self.failure_rate_threshold {
            next.failure_rate =
                threshold.map(|share| in_unit("failureRateThreshold", share, RATE_OR_FALSE)).transpose()?;
        }
        if let Some(calls) = self.minimum_calls {
            next.minimum_calls = match span {
                Span::Count(size) => {
                    integer("minimumCalls", calls, 1, size, "a whole number from 1 to window.size")?
                }
                Span::Time(_) => {
                    integer("minimumCalls", calls, 1, 1_000_000, "a whole number from 1 to 1000000")?
                }
            };
        }
        if let Some(failures) = self.consecutive_failures {
            let expected = "a whole number from 1 to 1000000";
            next.consecutive = Some(integer("consecutiveFailures", failures, 1, 1_000_000, expected)?);
        }
        if let Some(ms) = self.slow_call_ms {
            next.slow_call = Some(span_ms("slowCallMs", ms)?);
        }
        if let Some(share) = self.slow_call_rate_threshold {
            next.slow_rate = in_unit("slowCallRateThreshold", share, RATE)?;
        }
        if let Some(open) = self.open_ms {
            next.open = open_for(open)?;
        }
        if let Some(ms) = self.probe_lease_ms {
            next.lease = span_ms("probeLeaseMs", ms)?;
        }
        Ok(next)
    }
}

/// The length of one break, from JavaScript: for `forceOpen` and `{ openMs }`.
pub fn check_open_ms(option: &str, ms: f64) -> Result<Nanos, InvalidOption> {
    span_ms(option, ms)
}

fn span_of(window: Option<WindowOption>) -> Result<Span, InvalidOption> {
    match window.unwrap_or(WindowOption::Time { duration_ms: None }) {
        WindowOption::Time { duration_ms } => {
            let ms = duration_ms.unwrap_or(DURATION_MS);
            if (100.0..=MAX_MS).contains(&ms) {
                Ok(Span::Time(nanos(ms)))
            } else {
                let expected = "a number of milliseconds from 100 to 86400000";
                Err(InvalidOption::number("window.durationMs", expected, ms))
            }
        }
        WindowOption::Count { size: None } => Ok(Span::Count(SIZE)),
        WindowOption::Count { size: Some(size) } => {
            let size = integer("window.size", size, 1, MAX_SIZE, "a whole number from 1 to 10000")?;
            Ok(Span::Count(size))
        }
    }
}

fn open_for(open: OpenOption) -> Result<OpenFor, InvalidOption> {
    match open {
        OpenOption::Constant(ms) => {
            let initial = span_ms("openMs", ms)?;
            Ok(OpenFor { initial, factor: 1.0, max: initial, jitter: 0.0 })
        }
        OpenOption::Growing { initial_ms, factor, max_ms, jitter } => {
            let initial = span_ms("openMs.initialMs", initial_ms.unwrap_or(OPEN_MS))?;
            let max = match max_ms {
                None => initial.max(nanos(OPEN_MAX_MS)),
                Some(ms) => span_ms("openMs.maxMs", ms)?,
            };
            if max < initial {
                let expected = "at least openMs.initialMs";
                return Err(InvalidOption::number("openMs.maxMs", expected, max_ms.unwrap_or(OPEN_MAX_MS)));
            }
            let factor = factor.unwrap_or(OPEN_FACTOR);
            if !(1.0..=100.0).contains(&factor) {
                return Err(InvalidOption::number("openMs.factor", "a number from 1 to 100", factor));
            }
            let jitter = jitter.unwrap_or(OPEN_JITTER);
            if !(0.0..=1.0).contains(&jitter) {
                return Err(InvalidOption::number("openMs.jitter", "a number from 0 to 1", jitter));
            }
            Ok(OpenFor { initial, factor, max, jitter })
        }
    }
}

fn in_unit(option: &str, share: f64, expected: &'static str) -> Result<f64, InvalidOption> {
    if share > 0.0 && share <= 1.0 { Ok(share) } else { Err(InvalidOption::number(option, expected, share)) }
}

fn span_ms(option: &str, ms: f64) -> Result<Nanos, InvalidOption> {
    if ms > 0.0 && ms <= MAX_MS { Ok(nanos(ms)) } else { Err(InvalidOption::number(option, SPAN, ms)) }
}

/// At least one: a span above 0 stays one.
fn nanos(ms: f64) -> Nanos {
    ((ms * NANOS_PER_MILLI as f64).round() as Nanos).max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(options: Options) -> String {
        options.check().unwrap_err().to_string()
    }

    fn count(size: f64) -> Option<WindowOption> {
        Some(WindowOption::Count { size: Some(size) })
    }

    #[test]
    fn the_minimum_is_no_larger_than_the_window() {
        let small = Options { window: count(5.0), ..Options::default() };
        assert_eq!(small.check().unwrap().rules.minimum_calls, 5);
        let thresholds = Thresholds { minimum_calls: Some(6.0), ..Thresholds::default() };
        assert_eq!(
            said(Options { thresholds, ..small }),
            "minimumCalls must be a whole number from 1 to window.size, got 6"
        );
    }

    #[test]
    fn the_lease_is_at_least_the_first_break() {
        let lease = |ms| {
            let thresholds = Thresholds { open_ms: Some(OpenOption::Constant(ms)), ..Thresholds::default() };
            Options { thresholds, ..Options::default() }.check().unwrap().rules.lease
        };
        assert_eq!(lease(1_000.0), 30_000 * NANOS_PER_MILLI);
        assert_eq!(lease(45_000.0), 45_000 * NANOS_PER_MILLI);
    }

    #[test]
    fn says_what_was_expected_and_what_came() {
        assert_eq!(
            said(Options { window: count(0.0), ..Options::default() }),
            "window.size must be a whole number from 1 to 10000, got 0"
        );
        let rate = Thresholds { failure_rate_threshold: Some(Some(1.5)), ..Thresholds::default() };
        assert_eq!(
            said(Options { thresholds: rate, ..Options::default() }),
            "failureRateThreshold must be a number in (0, 1], or false, got 1.5"
        );
        let growing =
            OpenOption::Growing { initial_ms: Some(100.0), factor: None, max_ms: Some(99.0), jitter: None };
        let open = Thresholds { open_ms: Some(growing), ..Thresholds::default() };
        assert_eq!(
            said(Options { thresholds: open, ..Options::default() }),
            "openMs.maxMs must be at least openMs.initialMs, got 99"
        );
        let slow = Thresholds { slow_call_ms: Some(f64::NAN), ..Thresholds::default() };
        assert_eq!(
            said(Options { thresholds: slow, ..Options::default() }),
            "slowCallMs must be a number of milliseconds in (0, 86400000], got NaN"
        );
    }
}
