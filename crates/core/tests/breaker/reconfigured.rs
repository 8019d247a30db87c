//! New thresholds.

use super::*;

#[test]
fn new_thresholds_judge_what_was_counted_before_with_the_next_call() {
    let breaker = breaker(count_window(10), 1, rate(0.9, 10));
    breaker.calls("FFFSSS");
    breaker.reconfigure(&rate(0.4, 5)).unwrap();
    assert_eq!((breaker.state(), breaker.counted()), (CLOSED, (6, 3)));
    breaker.calls("S");
    assert_eq!(breaker.state(), OPEN);
}

#[test]
fn what_is_not_given_stays() {
    let breaker =
        breaker(count_window(10), 1, Thresholds { consecutive_failures: Some(2.0), ..rate(0.9, 7) });
    let before = breaker.figures().rules;
    breaker.reconfigure(&Thresholds { open_ms: growing(100, 2.0, 300), ..Thresholds::default() }).unwrap();
    let after = breaker.figures().rules;
    assert_eq!((after.open.initial, after.open.max), (ms(100), ms(300)));
    assert_eq!(after, breakwater_core::breaker::Rules { open: after.open, ..before });
    breaker.reconfigure(&Thresholds { failure_rate_threshold: Some(None), ..Thresholds::default() }).unwrap();
    assert_eq!(breaker.figures().rules.failure_rate, None);
}

#[test]
fn a_bad_threshold_changes_nothing_not_even_those_beside_it() {
    let breaker = five(1);
    let before = breaker.figures().rules;
    for bad in [
        Thresholds { probe_lease_ms: Some(0.0), ..rate(0.1, 1) },
        Thresholds { slow_call_ms: Some(f64::NAN), ..rate(0.1, 1) },
        rate(0.1, 6),
        rate(1.0 + f64::EPSILON, 1),
        rate(0.0, 1),
    ] {
        assert!(breaker.reconfigure(&bad).is_err(), "{bad:?}");
        assert_eq!(breaker.figures().rules, before);
    }
}

#[test]
fn a_break_under_way_ends_when_it_would_have() {
    let breaker = five(1);
    breaker.calls("FFFFF");
    let longer = Thresholds { open_ms: Some(OpenOption::Constant(60_000.0)), ..Thresholds::default() };
    breaker.reconfigure(&longer).unwrap();
    assert_eq!(breaker.wait(), Wait::For(secs(5)));
    breaker.pass(secs(5));
    breaker.calls("F");
    assert_eq!(breaker.wait(), Wait::For(secs(60)));
}

#[test]
fn new_thresholds_do_not_end_a_generation() {
    let breaker = five(1);
    let out = breaker.let_in();
    breaker.reconfigure(&Thresholds { slow_call_ms: Some(10.0), ..rate(1.0, 1) }).unwrap();
    breaker.tell(out, Outcome::Failure);
    assert_eq!(breaker.state(), OPEN);
}

#[test]
fn probes_are_judged_by_the_thresholds_in_force_when_they_answer() {
    let breaker = half_open(2);
    breaker.calls("F");
    assert_eq!(breaker.state(), OPEN, "one of two is half");
    breaker.pass(secs(5));
    breaker.reconfigure(&rate(1.0, 5)).unwrap();
    breaker.calls("F");
    assert_eq!(breaker.state(), HALF_OPEN);
    breaker.calls("S");
    assert_eq!(breaker.state(), CLOSED);
}

#[test]
fn a_new_lease_is_that_of_the_next_probe() {
    let breaker = half_open(2);
    breaker.let_in();
    breaker.reconfigure(&Thresholds { probe_lease_ms: Some(1_000.0), ..Thresholds::default() }).unwrap();
    breaker.let_in();
    assert!(breaker.refuses());
    breaker.pass(secs(1));
    breaker.let_in();
    assert!(breaker.refuses(), "the first one keeps its thirty seconds");
}
