//! Defaults, ranges and units.

use super::{
    model::{FOREVER, Windows},
    policy::{Bounds, MAX_ENTRIES, PolicyKind},
};
use crate::{
    clock::{NANOS_PER_MILLI, Nanos},
    option::{InvalidOption, integer},
};

/// Default of `policy`: never far from the best on what services ask for.
pub const DEFAULT_POLICY: &str = "s3fifo";
/// Default of `staleWhileRevalidateMs`: nobody gets a stale value unasked.
pub const DEFAULT_STALE_WHILE_REVALIDATE_MS: f64 = 0.0;
/// Default of `staleIfErrorMs`.
pub const DEFAULT_STALE_IF_ERROR_MS: f64 = 0.0;
/// Default of `refreshBackoffMs`: an origin that fails is asked once a second, however many read.
pub const DEFAULT_REFRESH_BACKOFF_MS: f64 = 1_000.0;
/// Default of `ttlJitter`.
pub const DEFAULT_TTL_JITTER: f64 = 0.0;
/// Default of `leaseMs`: longer than what anybody waits for a page.
pub const DEFAULT_LEASE_MS: f64 = 30_000.0;

const SPAN: &str = "a number of milliseconds ≥ 0";
const LEASE: &str = "a number of milliseconds > 0";

/// Options as given.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// The most entries.
    pub max_entries: Option<f64>,
    /// The most bytes: of keys, of values, and [`super::ENTRY_BYTES`] for each entry.
    pub max_bytes: Option<f64>,
    /// Who has to go; default [`DEFAULT_POLICY`].
    pub policy: Option<String>,
    /// The times.
    pub times: TimeOptions,
}

/// Times as given, all of which may be changed later.
#[derive(Clone, Debug, Default)]
pub struct TimeOptions {
    /// How long a value is fresh, in milliseconds.
    pub ttl_ms: Option<f64>,
    /// How long after that it is served while it is loaded anew.
    pub stale_while_revalidate_ms: Option<f64>,
    /// How long after its ttl it is served when loading fails.
    pub stale_if_error_ms: Option<f64>,
    /// How long after a failed load of what is stale the next one is tried.
    pub refresh_backoff_ms: Option<f64>,
    /// How long it is remembered that there is no value; not at all unless given.
    pub negative_ttl_ms: Option<f64>,
    /// The share by which a ttl is shortened at most, at random.
    pub ttl_jitter: Option<f64>,
    /// How eagerly a fresh value is loaded anew before it is stale; not at all unless given.
    pub early_refresh_beta: Option<f64>,
    /// How long a load keeps others from loading.
    pub lease_ms: Option<f64>,
}

/// The times in force.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Times {
    /// How long a value is fresh.
    pub ttl: Nanos,
    /// What comes after.
    pub windows: Windows,
    /// Between failed loads.
    pub backoff: Nanos,
    /// How long nothing is remembered.
    pub negative_ttl: Option<Nanos>,
    /// The share of random shortening.
    pub jitter: f64,
    /// Early loads.
    pub beta: Option<f64>,
    /// How long a load is waited for.
    pub lease: Nanos,
}

/// Checked options.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Rules {
    /// Who has to go.
    pub policy: PolicyKind,
    /// How much there may be.
    pub bounds: Bounds,
    /// The times.
    pub times: Times,
}

impl Options {
    /// Checks everything.
    pub fn check(&self) -> Result<Rules, InvalidOption> {
        let policy = match self.policy.as_deref().unwrap_or(DEFAULT_POLICY) {
            "s3fifo" => PolicyKind::S3Fifo,
            "lru" => PolicyKind::Lru,
            "wtinylfu" => PolicyKind::WTinyLfu,
            other => return Err(InvalidOption::text("policy", "'s3fifo', 'lru' or 'wtinylfu'", other)),
        };
        Ok(Rules {
            policy,
            bounds: check_bounds(self.max_entries, self.max_bytes)?,
            times: self.times.check()?,
        })
    }
}

/// At least one of the bounds.
pub fn check_bounds(max_entries: Option<f64>, max_bytes: Option<f64>) -> Result<Bounds, InvalidOption> {
    const ENTRIES: &str = "a whole number from 1 to 1073741822";
    const BYTES: &str = "a whole number from 1 to 9007199254740991";
    if max_entries.is_none() && max_bytes.is_none() {
        return Err(InvalidOption::missing("maxEntries", "a whole number unless maxBytes is given"));
    }
    let bound = |option, given: Option<f64>, most, expected| {
        given.map_or(Ok(u64::MAX), |given| integer(option, given, 1, most, expected))
    };
    Ok(Bounds {
        entries: bound("maxEntries", max_entries, MAX_ENTRIES, ENTRIES)?,
        weight: bound("maxBytes", max_bytes, (1 << 53) - 1, BYTES)?,
    })
}

impl TimeOptions {
    /// Checks the times.
    pub fn check(&self) -> Result<Times, InvalidOption> {
        let ttl = self.ttl_ms.ok_or_else(|| InvalidOption::missing("ttlMs", SPAN))?;
        let or = |given: Option<f64>, default: f64| given.unwrap_or(default);
        let jitter = or(self.ttl_jitter, DEFAULT_TTL_JITTER);
        if !(0.0..1.0).contains(&jitter) {
            return Err(InvalidOption::number("ttlJitter", "a number in [0, 1)", jitter));
        }
        if let Some(beta) = self.early_refresh_beta
            && !(beta > 0.0 && beta.is_finite())
        {
            return Err(InvalidOption::number("earlyRefreshBeta", "a finite number > 0", beta));
        }
        let lease = or(self.lease_ms, DEFAULT_LEASE_MS);
        if lease <= 0.0 || lease.is_nan() {
            return Err(InvalidOption::number("leaseMs", LEASE, lease));
        }
        Ok(Times {
            ttl: span("ttlMs", ttl)?,
            windows: Windows {
                revalidate: span(
                    "staleWhileRevalidateMs",
                    or(self.stale_while_revalidate_ms, DEFAULT_STALE_WHILE_REVALIDATE_MS),
                )?,
                on_error: span("staleIfErrorMs", or(self.stale_if_error_ms, DEFAULT_STALE_IF_ERROR_MS))?,
            },
            backoff: span("refreshBackoffMs", or(self.refresh_backoff_ms, DEFAULT_REFRESH_BACKOFF_MS))?,
            negative_ttl: self.negative_ttl_ms.map(|ms| span("negativeTtlMs", ms)).transpose()?,
            jitter,
            beta: self.early_refresh_beta,
            lease: span("leaseMs", lease)?,
        })
    }
}

/// Milliseconds as a span; Infinity never ends.
fn span(option: &str, ms: f64) -> Result<Nanos, InvalidOption> {
    // What is too long for nanoseconds, 584 years, never ends either.
    if ms >= 0.0 {
        Ok((ms * NANOS_PER_MILLI as f64) as Nanos)
    } else {
        Err(InvalidOption::number(option, SPAN, ms))
    }
}

const _: () = assert!(FOREVER == Nanos::MAX, "a float saturates there");

#[cfg(test)]
mod tests {
    use super::*;

    fn options() -> Options {
        let times = TimeOptions { ttl_ms: Some(1_000.0), ..TimeOptions::default() };
        Options { max_entries: Some(10.0), times, ..Options::default() }
    }

    #[test]
    fn says_what_was_expected_and_what_came() {
        let said = |change: &dyn Fn(&mut Options)| {
            let mut options = options();
            change(&mut options);
            options.check().unwrap_err().to_string()
        };
        assert_eq!(
            said(&|options| options.max_entries = None),
            "maxEntries must be a whole number unless maxBytes is given, got undefined"
        );
        assert_eq!(
            said(&|options| options.max_entries = Some(0.5)),
            "maxEntries must be a whole number from 1 to 1073741822, got 0.5"
        );
        assert_eq!(
            said(&|options| options.max_bytes = Some(f64::INFINITY)),
            "maxBytes must be a whole number from 1 to 9007199254740991, got Infinity"
        );
        assert_eq!(
            said(&|options| options.policy = Some("mru".to_owned())),
            "policy must be 's3fifo', 'lru' or 'wtinylfu', got \"mru\""
        );
        assert_eq!(
            said(&|options| options.times.ttl_ms = None),
            "ttlMs must be a number of milliseconds ≥ 0, got undefined"
        );
        assert_eq!(
            said(&|options| options.times.ttl_jitter = Some(1.0)),
            "ttlJitter must be a number in [0, 1), got 1"
        );
        assert_eq!(
            said(&|options| options.times.early_refresh_beta = Some(0.0)),
            "earlyRefreshBeta must be a finite number > 0, got 0"
        );
        assert_eq!(
            said(&|options| options.times.lease_ms = Some(0.0)),
            "leaseMs must be a number of milliseconds > 0, got 0"
        );
        assert_eq!(
            said(&|options| options.times.stale_if_error_ms = Some(f64::NAN)),
            "staleIfErrorMs must be a number of milliseconds ≥ 0, got NaN"
        );
    }

    #[test]
    fn infinity_never_ends_and_what_is_not_given_has_its_default() {
        let mut options = options();
        options.times.ttl_ms = Some(f64::INFINITY);
        let rules = options.check().unwrap();
        assert_eq!(rules.policy, PolicyKind::S3Fifo);
        assert_eq!(rules.bounds, Bounds { entries: 10, weight: u64::MAX });
        assert_eq!(rules.times.ttl, FOREVER);
        assert_eq!(rules.times.windows, Windows { revalidate: 0, on_error: 0 });
        assert_eq!((rules.times.negative_ttl, rules.times.beta), (None, None));
        assert_eq!(rules.times.lease, 30_000 * NANOS_PER_MILLI);
    }
}
