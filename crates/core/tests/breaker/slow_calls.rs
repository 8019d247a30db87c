//! Calls that take too long.

use super::*;

fn slow(slow_ms: f64, threshold: f64) -> Thresholds {
    Thresholds { slow_call_ms: Some(slow_ms), slow_call_rate_threshold: Some(threshold), ..rate(0.5, 5) }
}

/// A call that takes so long.
fn takes(breaker: &OnClock<Breaker>, millis: u64, outcome: Outcome) {
    let permit = breaker.let_in();
    breaker.pass(ms(millis));
    breaker.tell(permit, outcome);
}

// resilience4j: shouldOpenWhenTheSlowCallRateIsAtThreshold
#[test]
fn slow_calls_open_whether_they_failed_or_not() {
    let breaker = breaker(count_window(5), 1, slow(4_000.0, 0.5));
    takes(&breaker, 5_000, Outcome::Failure);
    takes(&breaker, 5_000, Outcome::Success);
    takes(&breaker, 100, Outcome::Failure);
    takes(&breaker, 100, Outcome::Success);
    assert_eq!(breaker.state(), CLOSED);
    takes(&breaker, 5_000, Outcome::Success);
    assert_eq!(breaker.state(), OPEN);
    let counts = breaker.figures().counts;
    // Two of five failures would not have opened it.
    assert_eq!((counts.calls, counts.failures, counts.slow), (5, 2, 3));
    assert_eq!(breaker.changes_since(0)[0].reason, Reason::SlowCallRate);
}

#[test]
fn the_two_rates_are_not_added_up() {
    let breaker = breaker(count_window(5), 1, slow(1_000.0, 0.5));
    for (millis, outcome) in [(1_001, Outcome::Success), (1, Outcome::Failure)].repeat(2) {
        takes(&breaker, millis, outcome);
    }
    takes(&breaker, 1, Outcome::Success);
    assert_eq!(breaker.state(), CLOSED);
}

#[test]
fn a_call_that_takes_exactly_as_long_as_it_may_is_not_slow() {
    let breaker = breaker(count_window(5), 1, slow(1_000.0, 0.2));
    for _ in 0..10 {
        takes(&breaker, 1_000, Outcome::Success);
    }
    assert_eq!((breaker.state(), breaker.figures().counts.slow), (CLOSED, 0));
    let permit = breaker.let_in();
    breaker.pass(ms(1_000) + 1);
    breaker.tell(permit, Outcome::Success);
    assert_eq!(breaker.state(), OPEN);
}

#[test]
fn by_default_only_slow_calls_alone_open() {
    let breaker =
        breaker(time_window(10_000), 1, Thresholds { slow_call_ms: Some(10.0), ..Thresholds::default() });
    for _ in 0..19 {
        takes(&breaker, 11, Outcome::Success);
    }
    takes(&breaker, 1, Outcome::Success);
    assert_eq!((breaker.state(), breaker.figures().counts.slow), (CLOSED, 19));
    breaker.reset();
    for _ in 0..20 {
        takes(&breaker, 11, Outcome::Success);
    }
    assert_eq!(breaker.state(), OPEN);
}

#[test]
fn without_a_bound_no_call_is_slow_however_long_it_takes() {
    let thresholds = Thresholds { slow_call_rate_threshold: Some(0.1), ..rate(0.5, 5) };
    let breaker = breaker(count_window(5), 1, thresholds);
    for _ in 0..10 {
        takes(&breaker, 86_400_000, Outcome::Success);
    }
    assert_eq!((breaker.state(), breaker.figures().counts.slow), (CLOSED, 0));
}

#[test]
fn a_slow_probe_opens_again() {
    let breaker = breaker(count_window(5), 1, slow(1_000.0, 1.0));
    breaker.calls("FFFFF");
    breaker.pass(secs(5));
    takes(&breaker, 1_001, Outcome::Success);
    assert_eq!(breaker.state(), OPEN);
    assert_eq!(breaker.changes_since(2)[0].reason, Reason::SlowCallRate);
    breaker.pass(secs(5));
    takes(&breaker, 1_000, Outcome::Success);
    assert_eq!(breaker.state(), CLOSED);
}

#[test]
fn a_bound_that_comes_while_a_call_is_out_does_not_make_it_slow() {
    let breaker = five(1);
    let untimed = breaker.let_in();
    breaker.reconfigure(&slow(10.0, 0.2)).unwrap();
    let timed = breaker.let_in();
    breaker.pass(ms(11));
    breaker.tell(untimed, Outcome::Success);
    assert_eq!(breaker.figures().counts.slow, 0);
    breaker.tell(timed, Outcome::Success);
    assert_eq!(breaker.figures().counts.slow, 1);
}

#[test]
fn a_call_is_measured_by_the_bound_in_force_when_it_comes_back() {
    let breaker = breaker(count_window(5), 1, slow(10.0, 1.0));
    let permit = breaker.let_in();
    breaker.pass(ms(15));
    breaker.reconfigure(&slow(20.0, 1.0)).unwrap();
    breaker.tell(permit, Outcome::Success);
    assert_eq!((breaker.figures().counts.calls, breaker.figures().counts.slow), (1, 0));
}
