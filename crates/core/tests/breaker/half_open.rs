//! The probes after a break.

use super::*;

// resilience4j: shouldOnlyAllowPermittedCallsInHalfOpen
#[test]
fn lets_in_so_many_probes_and_one_more_for_each_that_says_nothing() {
    let breaker = half_open(4);
    let probes: Vec<_> = (0..4).map(|_| breaker.let_in()).collect();
    assert!(breaker.refuses() && breaker.refuses());
    breaker.tell(probes[1], Outcome::Ignore);
    let again = breaker.let_in();
    assert!(breaker.refuses());
    assert_eq!(breaker.figures().probes, 4);
    for probe in [probes[0], again] {
        breaker.tell(probe, Outcome::Failure);
    }
    assert_eq!(breaker.state(), OPEN);
    breaker.pass(secs(5));
    for _ in 0..4 {
        breaker.let_in();
    }
    assert!(breaker.refuses(), "the next round has four again");
}

// resilience4j opens after F F S F with a rate of 75 %: the second failure of four has decided that, whatever comes
#[test]
fn opens_as_soon_as_the_probes_still_out_cannot_change_it() {
    let breaker = half_open(4);
    let probes: Vec<_> = (0..4).map(|_| breaker.let_in()).collect();
    assert!(!breaker.tell(probes[3], Outcome::Failure));
    assert!(breaker.tell(probes[0], Outcome::Failure));
    assert_eq!(breaker.state(), OPEN);
    for late in [probes[1], probes[2]] {
        assert!(!breaker.tell(late, Outcome::Success));
    }
    assert_eq!(breaker.state(), OPEN);
}

#[test]
fn closes_as_soon_as_the_probes_still_out_cannot_change_it() {
    let breaker = half_open(4);
    let probes: Vec<_> = (0..4).map(|_| breaker.let_in()).collect();
    for probe in &probes[..3] {
        breaker.tell(*probe, Outcome::Success);
    }
    assert_eq!(breaker.state(), CLOSED, "one failure of four is not half");
    breaker.tell(probes[3], Outcome::Failure);
    assert_eq!(breaker.counted(), (0, 0), "what a probe says late is not counted while closed");
}

// cockatiel: halfOpenSampling { calls: 10, threshold: 0.3 }; it opens above its threshold, so that ours is 0.4
#[test]
fn three_failures_of_ten_close_and_the_fourth_opens() {
    let probes = || {
        let breaker = breaker(count_window(10), 10, rate(0.4, 10));
        breaker.calls("FFFFFFFFFF");
        breaker.pass(secs(5));
        breaker
    };
    let good = probes();
    good.calls("FFFSSSSSS");
    assert_eq!((good.state(), good.counted()), (HALF_OPEN, (9, 3)));
    good.calls("S");
    assert_eq!(good.state(), CLOSED);
    let bad = probes();
    bad.calls("FFFSF");
    assert_eq!(bad.state(), OPEN);
}

// opossum floods, tower-resilience #407 compared completed calls, resilience4j #1432
#[test]
fn of_a_thousand_callers_at_the_half_open_instant_one_gets_through() {
    let breaker = half_open(1);
    let admitted: Vec<_> = (0..1_000).filter_map(|_| breaker.enter(ENV)).collect();
    assert_eq!(admitted.len(), 1);
    breaker.tell(admitted[0], Outcome::Ignore);
    assert!(breaker.enter(ENV).is_some(), "aborted: the next caller is the probe");
    assert!(breaker.enter(ENV).is_none());
}

// OmniRoute #13836: half-open for six days; opossum with timeout: false
#[test]
fn a_probe_that_never_answers_is_replaced_after_its_lease_and_what_it_says_late_is_ignored() {
    let breaker = half_open(1);
    let silent = breaker.let_in();
    breaker.pass(secs(30) - 1);
    assert!(breaker.refuses());
    assert_eq!(breaker.wait(), Wait::For(1));
    breaker.pass(1);
    assert_eq!(breaker.wait(), Wait::For(0));
    let probe = breaker.let_in();
    assert!(breaker.refuses());
    for late in [Outcome::Success, Outcome::Failure, Outcome::OpenFor(secs(9)), Outcome::Ignore] {
        assert!(!breaker.tell(silent, late));
        assert_eq!((breaker.state(), breaker.counted(), breaker.figures().probes), (HALF_OPEN, (0, 0), 1));
    }
    breaker.tell(probe, Outcome::Success);
    assert_eq!(breaker.state(), CLOSED);
}

#[test]
fn a_lease_is_for_each_probe_its_own() {
    let breaker = half_open(2);
    let first = breaker.let_in();
    breaker.pass(secs(10));
    let second = breaker.let_in();
    breaker.pass(secs(20));
    let third = breaker.let_in();
    assert!(breaker.refuses(), "the second has ten seconds left");
    assert_eq!(breaker.figures().probes, 2);
    assert!(!breaker.tell(first, Outcome::Failure));
    breaker.tell(second, Outcome::Success);
    assert_eq!(breaker.state(), HALF_OPEN);
    breaker.tell(third, Outcome::Success);
    assert_eq!(breaker.state(), CLOSED);
}

#[test]
fn a_probe_that_answers_after_its_lease_counts_as_slow_where_calls_can_be() {
    let thresholds =
        Thresholds { slow_call_ms: Some(86_400_000.0), probe_lease_ms: Some(1_000.0), ..rate(0.5, 5) };
    let breaker = breaker(count_window(5), 1, thresholds);
    breaker.calls("FFFFF");
    breaker.pass(secs(5));
    let probe = breaker.let_in();
    breaker.pass(secs(1) - 1);
    breaker.tell(probe, Outcome::Success);
    assert_eq!(breaker.state(), CLOSED);

    breaker.calls("FFFFF");
    breaker.pass(secs(5));
    let late = breaker.let_in();
    breaker.pass(secs(1));
    breaker.tell(late, Outcome::Success);
    assert_eq!(breaker.state(), OPEN);
    assert_eq!(breaker.changes_since(breaker.generation() - 1)[0].reason, Reason::SlowCallRate);
}

#[test]
fn a_probe_that_answers_after_its_lease_says_what_it_says_where_no_call_is_slow() {
    let breaker = half_open(1);
    let late = breaker.let_in();
    breaker.pass(secs(60));
    breaker.tell(late, Outcome::Success);
    assert_eq!(breaker.state(), CLOSED);
}

#[test]
fn an_environment_that_ends_gives_its_probes_back_at_once() {
    let breaker = half_open(3);
    let mine = breaker.enter(1).unwrap();
    let [one, two] = [breaker.enter(2).unwrap(), breaker.enter(2).unwrap()];
    assert!(breaker.enter(3).is_none());
    breaker.env_gone(3);
    assert!(breaker.enter(3).is_none());
    breaker.env_gone(2);
    assert_eq!(breaker.figures().probes, 1);
    let others = [breaker.enter(3).unwrap(), breaker.enter(3).unwrap()];
    assert!(breaker.enter(3).is_none());
    for dead in [one, two] {
        assert!(!breaker.tell(dead, Outcome::Failure), "nobody is there to say so");
    }
    assert_eq!(breaker.counted(), (0, 0));
    for probe in [mine, others[0]] {
        breaker.tell(probe, Outcome::Success);
    }
    assert_eq!(breaker.state(), CLOSED);
}

// opossum: a slow call of the closed state closed the circuit while the probe was out
#[test]
fn what_comes_of_a_call_from_before_the_break_moves_nothing() {
    let breaker = five(1);
    let [stale, bad, worse] = [breaker.let_in(), breaker.let_in(), breaker.let_in()];
    breaker.calls("FFFFF");
    assert!(!breaker.tell(bad, Outcome::Failure));
    breaker.pass(secs(5));
    let probe = breaker.let_in();
    assert!(!breaker.tell(stale, Outcome::Success));
    assert!(!breaker.tell(worse, Outcome::OpenFor(secs(60))));
    assert_eq!((breaker.state(), breaker.counted()), (HALF_OPEN, (0, 0)));
    assert!(breaker.refuses());
    breaker.tell(probe, Outcome::Success);
    assert_eq!(breaker.state(), CLOSED);
    assert!(!breaker.tell(stale, Outcome::Failure));
    assert_eq!(breaker.counted(), (0, 0));
}

// opossum and Polly: an error that was filtered away closed the circuit
#[test]
fn a_probe_that_is_ignored_does_not_close() {
    let breaker = half_open(1);
    breaker.calls("IIII");
    assert_eq!((breaker.state(), breaker.counted()), (HALF_OPEN, (0, 0)));
    breaker.calls("F");
    assert_eq!(breaker.state(), OPEN);
}

#[test]
fn a_probe_answers_once() {
    let breaker = half_open(3);
    let probe = breaker.let_in();
    for _ in 0..3 {
        breaker.tell(probe, Outcome::Failure);
    }
    assert_eq!((breaker.state(), breaker.counted()), (HALF_OPEN, (1, 1)));
}

#[test]
fn probes_in_a_row_that_fail_open_by_that_rule() {
    let row = Thresholds {
        failure_rate_threshold: Some(None),
        consecutive_failures: Some(2.0),
        ..Thresholds::default()
    };
    let breaker = breaker(count_window(5), 5, row);
    breaker.calls("FF");
    breaker.pass(secs(5));
    breaker.calls("FSFS");
    assert_eq!(breaker.state(), CLOSED, "the last one alone is no row of two");
    breaker.calls("FF");
    breaker.pass(secs(5));
    breaker.calls("SF");
    assert_eq!(breaker.state(), HALF_OPEN);
    breaker.calls("F");
    assert_eq!(breaker.state(), OPEN);
}

// resilience4j #935, #2172
#[test]
fn a_thousand_probes_decide_as_exactly_as_one() {
    let breaker = half_open(1_000);
    let probes: Vec<_> = (0..1_000).map(|_| breaker.let_in()).collect();
    assert!(breaker.refuses());
    for probe in &probes[..500] {
        breaker.tell(*probe, Outcome::Success);
    }
    assert_eq!(breaker.state(), HALF_OPEN);
    breaker.tell(probes[999], Outcome::Success);
    assert_eq!(breaker.state(), CLOSED);
}
