//! Isolated and disabled by hand.

use super::*;

// cockatiel: isolate twice, dispose twice
#[test]
fn is_isolated_until_all_who_isolated_it_have_let_go() {
    let breaker = five(1);
    breaker.isolate();
    breaker.isolate();
    assert_eq!(breaker.state(), State::Isolated);
    assert!(breaker.refuses());
    breaker.end_isolation(1);
    assert_eq!(breaker.state(), State::Isolated);
    breaker.end_isolation(1);
    assert_eq!(breaker.state(), CLOSED);
    let told: Vec<_> = breaker.changes_since(0).iter().map(|c| (c.from, c.to, c.reason)).collect();
    assert_eq!(
        told,
        [(CLOSED, State::Isolated, Reason::Isolated), (State::Isolated, CLOSED, Reason::Released),]
    );
}

#[test]
fn a_thread_that_ends_lets_go_of_all_its_handles_at_once() {
    let breaker = five(1);
    for _ in 0..3 {
        breaker.isolate();
        breaker.disable();
    }
    breaker.end_isolation(3);
    assert_eq!(breaker.state(), State::Disabled);
    breaker.end_disabling(2);
    assert_eq!(breaker.state(), State::Disabled);
    breaker.end_disabling(1);
    assert_eq!(breaker.state(), CLOSED);
    breaker.end_isolation(0);
    assert_eq!((breaker.state(), breaker.generation()), (CLOSED, 3));
}

#[test]
fn what_is_let_go_of_too_often_holds_nothing() {
    let breaker = five(1);
    breaker.isolate();
    breaker.end_isolation(2);
    assert_eq!(breaker.state(), CLOSED);
    breaker.end_disabling(1);
    assert_eq!(breaker.state(), CLOSED);
    breaker.isolate();
    assert_eq!(breaker.state(), State::Isolated);
}

// Polly: a failure that arrives while isolated keeps it isolated
#[test]
fn calls_that_come_back_while_it_is_isolated_are_counted_and_change_nothing_callers_meet() {
    let breaker = five(1);
    let calls: Vec<_> = (0..5).map(|_| breaker.let_in()).collect();
    breaker.isolate();
    for call in calls {
        breaker.tell(call, Outcome::Failure);
    }
    assert_eq!(breaker.state(), State::Isolated);
    breaker.pass(secs(1));
    breaker.end_isolation(1);
    assert_eq!((breaker.state(), breaker.wait()), (OPEN, Wait::For(secs(4))));
    let last = breaker.changes_since(1);
    assert_eq!((last[0].from, last[0].to, last[0].wait), (State::Isolated, OPEN, Wait::For(secs(4))));
}

#[test]
fn a_break_goes_on_while_it_is_isolated() {
    let breaker = half_open(1);
    breaker.isolate();
    breaker.pass(secs(60));
    assert_eq!(breaker.state(), State::Isolated);
    assert!(breaker.refuses());
    breaker.end_isolation(1);
    assert_eq!(breaker.state(), HALF_OPEN);
}

#[test]
fn a_probe_decides_while_it_is_isolated() {
    let breaker = half_open(1);
    let probe = breaker.let_in();
    breaker.isolate();
    breaker.tell(probe, Outcome::Success);
    assert_eq!(breaker.state(), State::Isolated);
    breaker.end_isolation(1);
    assert_eq!(breaker.state(), CLOSED);
}

#[test]
fn lets_everything_pass_uncounted_while_disabled() {
    let breaker = five(1);
    breaker.calls("FFFFF");
    breaker.disable();
    assert_eq!((breaker.state(), breaker.wait()), (State::Disabled, Wait::For(0)));
    breaker.calls("FFFFSSSS");
    assert_eq!(breaker.counted(), (5, 5));
    let uncounted = breaker.let_in();
    assert_eq!(uncounted, Permit::Counted { generation: 0, since: None });
    breaker.end_disabling(1);
    assert_eq!(breaker.state(), OPEN);
    breaker.reset();
    breaker.tell(uncounted, Outcome::OpenFor(secs(60)));
    assert_eq!((breaker.state(), breaker.counted()), (CLOSED, (0, 0)));
}

#[test]
fn isolated_comes_before_disabled_and_both_before_the_machine() {
    let breaker = five(1);
    breaker.disable();
    breaker.isolate();
    breaker.force_open(None);
    assert_eq!(breaker.state(), State::Isolated);
    assert!(breaker.refuses());
    breaker.end_isolation(1);
    assert_eq!(breaker.state(), State::Disabled);
    assert!(!breaker.refuses());
    breaker.end_disabling(1);
    assert_eq!(breaker.state(), OPEN);
}

#[test]
fn a_reset_leaves_those_who_isolate_or_disable_it() {
    let breaker = five(1);
    breaker.calls("FFFFF");
    breaker.isolate();
    breaker.disable();
    breaker.reset();
    assert_eq!(breaker.state(), State::Isolated);
    breaker.end_isolation(1);
    assert_eq!(breaker.state(), State::Disabled);
    breaker.end_disabling(1);
    assert_eq!(breaker.state(), CLOSED);
}

#[test]
fn who_listens_hears_that_calls_pass_while_disabled_and_not_when_they_will_while_isolated() {
    let breaker = five(1);
    breaker.calls("FFFFF");
    breaker.disable();
    breaker.isolate();
    breaker.end_isolation(1);
    let waits: Vec<_> = breaker.changes_since(1).iter().map(|change| change.wait).collect();
    assert_eq!(waits, [Wait::For(0), Wait::Unknown, Wait::For(0)]);
}
