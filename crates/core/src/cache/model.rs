//! The life of an entry, as pure functions of time.
//!
//! ```text
//! loaded ── ttl ──▶ fresh until ── staleWhileRevalidate ──▶
//!                              └── staleIfError ─────────▶ dead
//! ```
//! Both windows begin where freshness ends; the longer one says when the entry is dead.

use crate::clock::Nanos;

/// A span that never ends.
pub const FOREVER: Nanos = Nanos::MAX;

/// The windows after freshness.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Windows {
    /// Served at once, and loaded anew beside.
    pub revalidate: Nanos,
    /// Served when loading failed.
    pub on_error: Nanos,
}

/// How an entry stands at an instant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// To be served.
    Fresh,
    /// To be served, and to be loaded anew beside.
    Revalidate,
    /// To be served if loading fails.
    OnError,
    /// Never to be served again.
    Dead,
}

/// How an entry of this age stands: fresh up to and including its last instant, unless it never was or was ended there.
#[inline]
pub fn standing(age: Nanos, ttl: Nanos, was_ended: bool, windows: &Windows) -> Standing {
    if age <= ttl && ttl > 0 && !was_ended {
        return Standing::Fresh;
    }
    let stale_for = age.saturating_sub(ttl);
    if stale_for <= windows.revalidate && windows.revalidate > 0 {
        Standing::Revalidate
    } else if stale_for <= windows.on_error && windows.on_error > 0 {
        Standing::OnError
    } else {
        Standing::Dead
    }
}

/// A time to live that differs from entry to entry, so that what was loaded together does not have to be loaded together again:
/// shorter by up to `share` of it, never longer than was asked for. `draw` is uniform in [0, 1).
pub fn jittered(ttl: Nanos, share: f64, draw: f64) -> Nanos {
    if ttl == FOREVER || share == 0.0 { ttl } else { ttl - (ttl as f64 * share * draw) as Nanos }
}

/// Whether one read of a fresh entry loads it anew before it is stale: XFetch (Vattani, Chierichetti and Lowenstein, VLDB 2015),
/// the more likely the longer loading takes and the nearer the end is. `left` is how long it is still fresh, `took` how long it
/// took to load. `draw` is uniform in [0, 1).
pub fn is_early(left: Nanos, took: Nanos, beta: f64, draw: f64) -> bool {
    // 1 - draw is in (0, 1]: its logarithm is finite.
    took as f64 * beta * -(1.0 - draw).ln() >= left as f64 && took > 0
}

/// When a load that failed is tried again.
pub fn retry_at(now: Nanos, backoff: Nanos) -> Nanos {
    now.saturating_add(backoff)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rng::Rng;

    const WINDOWS: Windows = Windows { revalidate: 20, on_error: 50 };

    #[test]
    fn an_entry_is_fresh_then_stale_then_dead() {
        let at = |age| standing(age, 10, false, &WINDOWS);
        assert_eq!([at(0), at(10)], [Standing::Fresh; 2]);
        assert_eq!([at(11), at(30)], [Standing::Revalidate; 2]);
        assert_eq!([at(31), at(60)], [Standing::OnError; 2]);
        assert_eq!([at(61), at(FOREVER)], [Standing::Dead; 2]);
    }

    #[test]
    fn without_windows_it_is_dead_when_it_is_not_fresh() {
        let none = Windows { revalidate: 0, on_error: 0 };
        assert_eq!(
            [standing(10, 10, false, &none), standing(11, 10, false, &none)],
            [Standing::Fresh, Standing::Dead]
        );
        assert_eq!(standing(0, 0, false, &none), Standing::Dead);
        assert_eq!(standing(0, 0, false, &WINDOWS), Standing::Revalidate);
        assert_eq!(standing(FOREVER, FOREVER, false, &none), Standing::Fresh);
    }

    #[test]
    fn what_was_ended_is_stale_from_that_instant_on() {
        let at = |age| standing(age, 10, true, &WINDOWS);
        assert_eq!([at(10), at(30)], [Standing::Revalidate; 2]);
        assert_eq!([at(31), at(60), at(61)], [Standing::OnError, Standing::OnError, Standing::Dead]);
    }

    #[test]
    fn jitter_only_shortens() {
        assert_eq!([jittered(1_000, 0.2, 0.0), jittered(1_000, 0.2, 0.5)], [1_000, 900]);
        assert_eq!([jittered(FOREVER, 0.2, 0.5), jittered(1_000, 0.0, 0.5)], [FOREVER, 1_000]);
    }

    #[test]
    fn early_loads_follow_the_exponential_distribution() {
        let mut rng = Rng::seeded(1);
        // P(early | left) = e^(-left / (beta · took)).
        for (left, beta, expected) in [(1_000, 1.0, 0.3679), (5_000, 1.0, 0.0067), (1_000, 2.0, 0.6065)] {
            let early = (0..100_000).filter(|_| is_early(left, 1_000, beta, rng.unit())).count();
            assert!((early as f64 / 100_000.0 - expected).abs() < 0.01, "{left} {beta}: {early}");
        }
        assert!(!is_early(0, 0, 1.0, 0.5));
    }
}
