//! The pure algorithm: rules and counts in, a verdict out.
//!
//! Rates are compared with `>=` and by division, which rounds to the double that a written threshold is: 3 of 10 reach 0.3.

use crate::clock::Nanos;

/// What the machine is in. Isolation and disabling lie over it and leave it as it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Machine {
    /// Calls pass and are counted.
    Closed,
    /// Calls are refused until the break is over.
    Open,
    /// A few probes pass, and decide.
    HalfOpen,
}

/// What a caller meets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// The machine's own.
    Machine(Machine),
    /// Somebody holds it open by hand.
    Isolated,
    /// Somebody lets everything pass, uncounted.
    Disabled,
}

/// Why the state changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Reason {
    /// The failure rate reached its threshold.
    FailureRate,
    /// The slow-call rate reached its threshold.
    SlowCallRate,
    /// So many failures in a row.
    ConsecutiveFailures,
    /// A result said for how long to open.
    Result,
    /// Opened by hand.
    Forced,
    /// The break is over.
    Elapsed,
    /// The probes passed.
    Recovered,
    /// Closed by hand.
    Reset,
    /// Isolated by hand.
    Isolated,
    /// Disabled by hand.
    Disabled,
    /// The last one who isolated or disabled it let go.
    Released,
    /// Taken over from an export.
    Restored,
}

/// How long a break lasts.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct OpenFor {
    /// The first break.
    pub initial: Nanos,
    /// Each further one without a recovery between is so many times as long.
    pub factor: f64,
    /// The longest, before jitter.
    pub max: Nanos,
    /// Up to so much is added, as a share of the break.
    pub jitter: f64,
}

/// The rules in force.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Rules {
    /// The failure rate that opens; None: no rule.
    pub failure_rate: Option<f64>,
    /// Calls in the window before a rate says anything.
    pub minimum_calls: u64,
    /// Failures in a row that open; None: no rule.
    pub consecutive: Option<u64>,
    /// A call that takes longer is slow; None: none is.
    pub slow_call: Option<Nanos>,
    /// The slow-call rate that opens, where calls can be slow.
    pub slow_rate: f64,
    /// How long breaks last.
    pub open: OpenFor,
    /// A probe that did not answer after this time is replaced.
    pub lease: Nanos,
}

/// What was counted: in the window, or of the probes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Calls.
    pub calls: u64,
    /// Failures among them.
    pub failures: u64,
    /// Slow ones among them, failed or not.
    pub slow: u64,
    /// Failures in a row up to the last.
    pub run: u64,
}

impl Counts {
    /// One more call.
    #[inline]
    #[must_use]
    pub fn and(self, failed: bool, slow: bool) -> Self {
        Self {
            calls: self.calls.saturating_add(1),
            failures: self.failures.saturating_add(u64::from(failed)),
            slow: self.slow.saturating_add(u64::from(slow)),
            run: if failed { self.run.saturating_add(1) } else { 0 },
        }
    }
}

/// A share of calls; 0 where there are none.
#[inline]
pub fn rate(part: u64, calls: u64) -> f64 {
    if calls == 0 { 0.0 } else { part as f64 / calls as f64 }
}

/// Whether `took` is slow.
#[inline]
pub fn is_slow(took: Nanos, rules: &Rules) -> bool {
    rules.slow_call.is_some_and(|most| took > most)
}

/// Whether the counts of a closed breaker open it, and by which rule.
pub fn trips(counts: &Counts, rules: &Rules) -> Option<Reason> {
    if rules.consecutive.is_some_and(|most| counts.run >= most) {
        return Some(Reason::ConsecutiveFailures);
    }
    if counts.calls < rules.minimum_calls {
        return None;
    }
    by_rates(counts, counts.calls, rules)
}

fn by_rates(counts: &Counts, calls: u64, rules: &Rules) -> Option<Reason> {
    if rules.failure_rate.is_some_and(|most| rate(counts.failures, calls) >= most) {
        Some(Reason::FailureRate)
    } else if rules.slow_call.is_some() && rate(counts.slow, calls) >= rules.slow_rate {
        Some(Reason::SlowCallRate)
    } else {
        None
    }
}

/// What the probes decide.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Open again.
    Open(Reason),
    /// Close.
    Close,
}

/// What `probes` probes decide once `counts` of them have answered: the same rules over all of them, as soon as those that are
/// still out cannot change it.
pub fn probes_decide(counts: &Counts, probes: u64, rules: &Rules) -> Option<Verdict> {
    let row = rules.consecutive.map(|most| most.min(probes));
    if row.is_some_and(|most| counts.run >= most) {
        return Some(Verdict::Open(Reason::ConsecutiveFailures));
    }
    if let Some(reason) = by_rates(counts, probes, rules) {
        return Some(Verdict::Open(reason));
    }
    let out = probes.saturating_sub(counts.calls);
    let worst = Counts {
        calls: probes,
        failures: counts.failures.saturating_add(out),
        slow: counts.slow.saturating_add(out),
        run: counts.run.saturating_add(out),
    };
    let hopeless = row.is_some_and(|most| worst.run >= most) || by_rates(&worst, probes, rules).is_some();
    if hopeless { None } else { Some(Verdict::Close) }
}

/// How long the break number `attempt` (from 0) without a recovery between lasts. `chance` is in [0, 1).
pub fn break_for(open: &OpenFor, attempt: u64, chance: f64) -> Nanos {
    let exponent = attempt.min(i32::MAX as u64) as i32;
    // Infinity where the power is past all bounds, and never NaN: the initial break is at least a nanosecond.
    let grown = (open.initial as f64 * open.factor.powi(exponent)).min(open.max as f64);
    (grown * (1.0 + open.jitter * chance)).round() as Nanos
}

#[cfg(test)]
mod tests {
    use super::*;

    const RULES: Rules = Rules {
        failure_rate: Some(0.5),
        minimum_calls: 5,
        consecutive: None,
        slow_call: None,
        slow_rate: 1.0,
        open: OpenFor { initial: 1_000, factor: 2.0, max: 10_000, jitter: 0.0 },
        lease: 30_000,
    };

    fn counts(calls: u64, failures: u64) -> Counts {
        Counts { calls, failures, slow: 0, run: 0 }
    }

    #[test]
    fn a_rate_trips_at_its_threshold_and_not_below_the_minimum() {
        assert_eq!(trips(&counts(4, 4), &RULES), None);
        assert_eq!(trips(&counts(6, 3), &RULES), Some(Reason::FailureRate));
        assert_eq!(trips(&counts(7, 3), &RULES), None);
        for (calls, failures, threshold) in [(10, 3, 0.3), (10, 7, 0.7), (100, 29, 0.29), (3, 1, 1.0 / 3.0)] {
            let rules = Rules { failure_rate: Some(threshold), minimum_calls: 1, ..RULES };
            assert_eq!(trips(&counts(calls, failures), &rules), Some(Reason::FailureRate), "{threshold}");
            assert_eq!(trips(&counts(calls, failures - 1), &rules), None, "{threshold}");
        }
    }

    #[test]
    fn breaks_grow_to_their_longest_and_never_overflow() {
        let breaks: Vec<_> = (0..6).map(|attempt| break_for(&RULES.open, attempt, 0.0)).collect();
        assert_eq!(breaks, [1_000, 2_000, 4_000, 8_000, 10_000, 10_000]);
        let steep = OpenFor { factor: 100.0, ..RULES.open };
        assert_eq!(break_for(&steep, u64::MAX, 0.999), 10_000);
        let jittered = OpenFor { jitter: 0.5, ..RULES.open };
        assert_eq!(break_for(&jittered, 0, 0.5), 1_250);
        assert_eq!(break_for(&jittered, 9, 1.0), 15_000);
    }

    #[test]
    fn probes_decide_as_soon_as_the_rest_cannot_change_it() {
        let of = |calls, failures| probes_decide(&counts(calls, failures), 4, &RULES);
        assert_eq!(of(1, 1), None);
        assert_eq!(of(2, 2), Some(Verdict::Open(Reason::FailureRate)));
        assert_eq!(of(3, 1), None);
        assert_eq!(of(3, 0), Some(Verdict::Close));
        assert_eq!(of(4, 1), Some(Verdict::Close));
    }

    #[test]
    fn a_row_longer_than_there_are_probes_is_as_long_as_there_are() {
        let rules = Rules { failure_rate: None, consecutive: Some(5), ..RULES };
        let failed = Counts::default().and(true, false);
        assert_eq!(probes_decide(&failed, 1, &rules), Some(Verdict::Open(Reason::ConsecutiveFailures)));
        assert_eq!(probes_decide(&Counts::default().and(false, false), 1, &rules), Some(Verdict::Close));
        assert_eq!(probes_decide(&failed, 2, &rules), None);
    }

    #[test]
    fn counts_at_the_end_of_a_word_are_judged_as_any() {
        let most = Counts { calls: u64::MAX, failures: u64::MAX, slow: u64::MAX, run: u64::MAX };
        assert_eq!(most.and(true, true), most);
        assert_eq!(trips(&most, &RULES), Some(Reason::FailureRate));
        for counts in [most, Counts { calls: 0, ..most }] {
            let verdict = probes_decide(&counts, u64::MAX, &RULES);
            assert_eq!(verdict, Some(Verdict::Open(Reason::FailureRate)));
        }
        let hopeless = Counts { failures: 1, ..Counts::default() };
        assert_eq!(probes_decide(&hopeless, u64::MAX, &RULES), None);
    }

    #[test]
    fn without_rules_the_first_answer_closes() {
        let rules = Rules { failure_rate: None, ..RULES };
        assert_eq!(probes_decide(&counts(1, 1), 3, &rules), Some(Verdict::Close));
    }
}
