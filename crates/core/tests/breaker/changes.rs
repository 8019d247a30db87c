//! What listeners hear.

use super::*;

fn told(changes: &[Change]) -> Vec<(u64, State, State, Reason)> {
    changes.iter().map(|change| (change.generation, change.from, change.to, change.reason)).collect()
}

#[test]
fn changes_are_numbered_and_follow_one_from_the_other() {
    let breaker = five(1);
    breaker.calls("FFFFF");
    breaker.pass(secs(5));
    breaker.calls("F");
    breaker.pass(secs(5));
    breaker.calls("S");
    breaker.force_open(Some(secs(9)));
    breaker.reset();
    assert_eq!(
        told(&breaker.changes_since(0)),
        [
            (1, CLOSED, OPEN, Reason::FailureRate),
            (2, OPEN, HALF_OPEN, Reason::Elapsed),
            (3, HALF_OPEN, OPEN, Reason::FailureRate),
            (4, OPEN, HALF_OPEN, Reason::Elapsed),
            (5, HALF_OPEN, CLOSED, Reason::Recovered),
            (6, CLOSED, OPEN, Reason::Forced),
            (7, OPEN, CLOSED, Reason::Reset),
        ]
    );
    let waits: Vec<_> = breaker.changes_since(2).iter().map(|change| change.wait).collect();
    assert_eq!(waits, [secs(5), 0, 0, secs(9), 0].map(Wait::For));
    assert_eq!(told(&breaker.changes_since(5)).len(), 2);
    assert!(breaker.changes_since(7).is_empty() && breaker.changes_since(u64::MAX).is_empty());
    assert_eq!((breaker.generation(), breaker.figures().generation), (7, 7));
}

#[test]
fn what_callers_do_not_notice_is_no_change() {
    let breaker = five(1);
    breaker.reset();
    breaker.calls("SSFI");
    breaker.isolate();
    breaker.disable();
    breaker.force_open(None);
    breaker.force_open(None);
    assert_eq!(told(&breaker.changes_since(0)), [(1, CLOSED, State::Isolated, Reason::Isolated)]);
}

#[test]
fn the_last_sixty_four_are_kept() {
    let breaker = five(1);
    for _ in 0..50 {
        breaker.force_open(None);
        breaker.reset();
    }
    let changes = breaker.changes_since(0);
    let numbers: Vec<_> = changes.iter().map(|change| change.generation).collect();
    assert_eq!(numbers, (37..=100).collect::<Vec<_>>());
    assert!(changes.windows(2).all(|pair| pair[0].to == pair[1].from));
}

#[test]
fn who_only_looks_changes_nothing() {
    let breaker = half_open(1);
    let before = breaker.generation();
    for _ in 0..3 {
        assert_eq!((breaker.state(), breaker.figures().state), (HALF_OPEN, HALF_OPEN));
        breaker.wait();
        breaker.export();
    }
    assert_eq!(breaker.generation(), before, "the break ends with the next call");
    breaker.let_in();
    assert_eq!(breaker.generation(), before + 1);
}
