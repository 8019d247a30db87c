//! The last so many calls, and failures in a row.

use super::*;

// resilience4j: shouldOpenWhenTheFailureRateIsAtThreshold, on the call that completes the minimum
#[test]
fn opens_with_the_call_that_completes_the_minimum_even_if_that_succeeds() {
    let breaker = five(1);
    breaker.calls("FFFS");
    assert_eq!(breaker.state(), CLOSED);
    assert!(!breaker.figures().enough);
    let fifth = breaker.let_in();
    assert!(breaker.tell(fifth, Outcome::Success));
    assert_eq!((breaker.state(), breaker.counted()), (OPEN, (5, 3)));
    assert!(breaker.figures().enough);
    assert!(breaker.refuses());
    assert_eq!(breaker.counted(), (5, 3), "a refusal is not a call");
}

// resilience4j: CircuitBreakerMetricsTest, a window of ten
#[test]
fn the_oldest_calls_leave_a_full_window() {
    let breaker = breaker(count_window(10), 1, rate(1.0, 10));
    breaker.calls("SSFF");
    assert!(!breaker.figures().enough);
    breaker.calls("FFFFSSSS");
    assert_eq!(breaker.counted(), (10, 6));
    breaker.calls("SSS");
    assert_eq!(breaker.counted(), (10, 3));
    assert_eq!(breaker.state(), CLOSED);
}

// opossum and cockatiel trip above the threshold only
#[test]
fn a_rate_at_its_threshold_opens() {
    let breaker = breaker(count_window(2), 1, rate(0.5, 2));
    breaker.calls("SF");
    assert_eq!(breaker.state(), OPEN);
}

// Shopify/semian #24; opossum #217, #288, #404
#[test]
fn nineteen_failures_are_not_enough_by_default() {
    for window in [None, count_window(100)] {
        let breaker = breaker(window, 1, Thresholds::default());
        breaker.calls(&"F".repeat(19));
        assert_eq!(breaker.state(), CLOSED);
        breaker.calls("S");
        assert_eq!(breaker.state(), OPEN);
    }
}

#[test]
fn failures_in_a_row_need_no_minimum_and_one_success_ends_the_row() {
    let row = Thresholds { consecutive_failures: Some(3.0), ..Thresholds::default() };
    let breaker = breaker(count_window(100), 1, row);
    breaker.calls("FFSFFIF");
    assert_eq!(breaker.state(), OPEN, "an ignored call does not end the row");
    assert_eq!(breaker.changes_since(0)[0].reason, Reason::ConsecutiveFailures);
    breaker.reset();
    breaker.calls("FFSFFSFF");
    assert_eq!(breaker.state(), CLOSED);
}

#[test]
fn without_a_failure_rate_only_the_other_rules_open() {
    let row = Thresholds {
        failure_rate_threshold: Some(None),
        consecutive_failures: Some(6.0),
        ..Thresholds::default()
    };
    let breaker = breaker(count_window(5), 1, row);
    breaker.calls("FFFFFSFFFFF");
    assert_eq!((breaker.state(), breaker.counted()), (CLOSED, (5, 5)));
    breaker.calls("F");
    assert_eq!(breaker.state(), OPEN);
}

// opossum: 6.1 ms for a call that fails, with 20,000 in the window
#[test]
fn the_largest_window_holds_its_last_ten_thousand_calls() {
    let breaker = breaker(count_window(10_000), 1, rate(1.0, 10_000));
    for _ in 0..10_000 {
        breaker.calls("SF");
    }
    assert_eq!(breaker.counted(), (10_000, 5_000));
    for _ in 0..9_999 {
        breaker.calls("S");
    }
    assert_eq!(breaker.counted(), (10_000, 1));
    breaker.calls("S");
    assert_eq!(breaker.counted(), (10_000, 0));
    breaker.calls(&"F".repeat(9_999));
    assert_eq!(breaker.state(), CLOSED);
    breaker.calls("F");
    assert_eq!((breaker.state(), breaker.counted()), (OPEN, (10_000, 10_000)));
}

#[test]
fn a_window_of_more_than_ten_thousand_calls_is_a_bad_option() {
    let options = Options { window: count_window(10_001), ..Options::default() };
    assert_eq!(
        options.check().unwrap_err().to_string(),
        "window.size must be a whole number from 1 to 10000, got 10001"
    );
}

#[test]
fn a_window_of_one_call_opens_with_one_failure() {
    let breaker = breaker(count_window(1), 1, Thresholds::default());
    breaker.calls("SSSF");
    assert_eq!(breaker.state(), OPEN);
}

#[test]
fn what_is_ignored_is_not_counted() {
    let breaker = five(1);
    breaker.calls("IIIIIFFFF");
    assert_eq!((breaker.state(), breaker.counted()), (CLOSED, (4, 4)));
}

#[test]
fn a_recovery_begins_with_an_empty_window() {
    let breaker = half_open(1);
    breaker.calls("S");
    assert_eq!((breaker.state(), breaker.counted()), (CLOSED, (0, 0)));
    breaker.calls("FFFF");
    assert_eq!(breaker.state(), CLOSED);
    breaker.calls("F");
    assert_eq!(breaker.state(), OPEN);
}
