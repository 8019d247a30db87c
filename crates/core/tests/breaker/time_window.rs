//! The calls of the last while.

use super::*;

// resilience4j: shouldCheckTimeBased
#[test]
fn opens_when_half_of_the_calls_of_twenty_seconds_have_failed() {
    let breaker = breaker(time_window(20_000), 1, rate(0.5, 5));
    for letter in ["S", "S", "S", "F", "F"] {
        breaker.calls(letter);
        breaker.pass(secs(1));
    }
    assert_eq!((breaker.state(), breaker.counted()), (CLOSED, (5, 2)));
    breaker.calls("F");
    assert_eq!((breaker.state(), breaker.counted()), (OPEN, (6, 3)));
}

// Polly: RollingHealthMetricsTests, GetHealthInfo_EnsureWindowRespected
#[test]
fn calls_leave_the_window_slot_by_slot() {
    let breaker = breaker(time_window(10_000), 1, rate(1.0, 1_000));
    let mut told = Vec::new();
    for letters in ["FS", "FS", "SS", "SS", "SS", ""] {
        breaker.calls(letters);
        breaker.pass(secs(2));
        told.push(breaker.counted());
    }
    assert_eq!(told, [(2, 1), (4, 2), (6, 2), (8, 2), (8, 1), (6, 0)]);
}

// Polly: GetHealthInfo_SamplingDurationRespected and its neighbours
#[test]
fn ten_calls_a_second_apart_are_nine_and_then_eight() {
    let breaker = breaker(time_window(10_000), 1, rate(1.0, 1_000));
    for _ in 0..10 {
        breaker.calls("S");
        breaker.pass(secs(1));
    }
    assert_eq!(breaker.counted(), (9, 0));
    breaker.pass(secs(1));
    assert_eq!(breaker.counted(), (8, 0));
}

#[test]
fn calls_are_gone_exactly_a_window_later() {
    let breaker = breaker(time_window(10_000), 1, rate(1.0, 1_000));
    breaker.calls("SS");
    breaker.pass(secs(10) - 1);
    assert_eq!(breaker.counted(), (2, 0));
    breaker.pass(1);
    assert_eq!(breaker.counted(), (0, 0));
}

// cockatiel moves its window by one bucket a call: four failures outlived a minute of idling, and the fifth opened
#[test]
fn failures_before_a_long_idle_do_not_open() {
    for idle in [secs(5), secs(60), secs(365 * 86_400)] {
        let breaker = breaker(time_window(5_000), 1, rate(0.5, 5));
        for _ in 0..4 {
            breaker.calls("F");
            breaker.pass(secs(1));
        }
        breaker.pass(idle);
        breaker.calls("F");
        assert_eq!((breaker.state(), breaker.counted()), (CLOSED, (1, 1)));
    }
}

#[test]
fn a_row_of_failures_does_not_age() {
    let row = Thresholds { consecutive_failures: Some(3.0), ..Thresholds::default() };
    let breaker = breaker(time_window(1_000), 1, row);
    for _ in 0..2 {
        breaker.calls("F");
        breaker.pass(secs(86_400));
    }
    assert_eq!((breaker.state(), breaker.counted()), (CLOSED, (0, 0)));
    breaker.calls("F");
    assert_eq!(breaker.state(), OPEN);
}

#[test]
fn a_slow_trickle_never_reaches_the_minimum() {
    let breaker = breaker(time_window(10_000), 1, Thresholds::default());
    for _ in 0..1_000 {
        breaker.calls("F");
        breaker.pass(ms(600));
    }
    assert_eq!(breaker.state(), CLOSED, "at most seventeen failures in ten seconds");
}

#[test]
fn the_last_instants_of_the_clock_are_as_good_as_any() {
    let breaker = breaker(time_window(100), 1, rate(0.5, 2));
    breaker.at(u64::MAX - secs(1));
    breaker.calls("FF");
    assert_eq!(breaker.state(), OPEN);
    breaker.at(u64::MAX - 1);
    assert!(breaker.refuses(), "a break that would end after the end of time");
    breaker.at(u64::MAX);
    assert_eq!(breaker.state(), HALF_OPEN);
    breaker.calls("S");
    assert_eq!(breaker.state(), CLOSED);
}
