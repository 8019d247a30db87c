//! A throttle: counts and rules under one lock.

use breakwater_core::throttle::{Options, Throttle};

use super::{clock, race};

/// The slot of instant 0: what is restored into a window may be older.
const FIRST_SLOT: u64 = 10;

fn new() -> Throttle {
    Throttle::new(&Options::default().check().unwrap(), clock())
}

/// The largest draws are admitted whatever is known.
fn admitted(throttle: &Throttle) -> u64 {
    throttle.enter(|| 0.99).unwrap()
}

fn counted(throttle: &Throttle) -> (u64, u64) {
    let figures = throttle.figures();
    (figures.requests, figures.accepts)
}

#[test]
fn of_two_requests_at_once_both_are_counted() {
    race(new, admitted, admitted, |throttle, a, b| {
        assert_eq!((a, b, counted(throttle)), (FIRST_SLOT, FIRST_SLOT, (2, 0)));
    });
}

#[test]
fn of_two_requests_at_once_the_second_knows_of_the_first() {
    let unlikely = |throttle: &Throttle| throttle.enter(|| 0.1).is_some();
    race(new, unlikely, unlikely, |throttle, a, b| {
        assert!(a != b);
        assert_eq!(counted(throttle), (2, 0));
    });
}

#[test]
fn an_accept_beside_a_request_is_not_lost() {
    race(new, admitted, Throttle::accepted, |throttle, _, ()| assert_eq!(counted(throttle), (1, 1)));
    race(new, Throttle::accepted, Throttle::accepted, |throttle, (), ()| {
        assert_eq!(counted(throttle), (0, 2));
    });
}

#[test]
fn a_request_taken_back_beside_another_takes_only_itself() {
    let one = || {
        let throttle = new();
        admitted(&throttle);
        throttle
    };
    race(
        one,
        admitted,
        |throttle| throttle.ignored(FIRST_SLOT),
        |throttle, _, ()| {
            assert_eq!(counted(throttle), (1, 0));
        },
    );
}
