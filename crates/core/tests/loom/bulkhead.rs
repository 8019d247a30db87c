//! A bulkhead: one word that is decided on without a lock, and the room behind it.

use breakwater_core::{
    bulkhead::{Bulkhead, Change, Concurrency, Options, Wait, Wanted},
    room::EnvId,
};

use super::{clock, race};

const HERE: EnvId = 1;
const THERE: EnvId = 2;

fn one(places: f64) -> Bulkhead {
    let options = Options { max_queue: Some(places), ..Options::fixed(1.0) };
    Bulkhead::new(options.check().unwrap(), clock())
}

/// The one permit is out.
fn taken() -> Bulkhead {
    let bulkhead = one(2.0);
    assert!(bulkhead.enter(HERE, 1, 5).0);
    bulkhead
}

fn enter(bulkhead: &Bulkhead) -> bool {
    bulkhead.enter(HERE, 1, 5).0
}

fn wait(bulkhead: &Bulkhead) -> Wait {
    let wanted = Wanted { weight: 1, priority: 5, key: b"", timeout: None };
    bulkhead.wait(THERE, &wanted).0
}

/// Who was offered the permit.
fn leave(bulkhead: &Bulkhead) -> Vec<u64> {
    let freed = bulkhead.leave(HERE, 1);
    assert_eq!(freed.next, None);
    freed.woken.offers.iter().map(|offer| offer.ticket).collect()
}

#[test]
fn of_two_who_ask_for_the_last_permit_one_gets_it() {
    race(
        || one(0.0),
        enter,
        enter,
        |bulkhead, a, b| {
            assert!(a != b);
            assert_eq!(bulkhead.active(), 1);
        },
    );
}

#[test]
fn who_comes_to_wait_as_the_permit_comes_back_gets_it_or_is_offered_it() {
    race(taken, wait, leave, |bulkhead, answer, offers| {
        match answer {
            Wait::Granted => assert_eq!(offers, []),
            Wait::Waiting { ticket, .. } => {
                assert_eq!(offers, [ticket]);
                assert_eq!(bulkhead.claim(THERE, ticket).0, Some(1));
            }
            Wait::Full => panic!("there was a place"),
        }
        assert_eq!((bulkhead.active(), bulkhead.queued()), (1, 0));
        assert!(bulkhead.leave(THERE, 1).woken.is_empty());
        assert!(enter(bulkhead), "nobody is left in the way");
    });
}

#[test]
fn a_permit_that_comes_back_as_somebody_asks_for_it_is_not_given_twice() {
    race(taken, enter, leave, |bulkhead, entered, offers| {
        assert_eq!(offers, []);
        assert_eq!(bulkhead.active(), u32::from(entered));
        assert!(entered || enter(bulkhead));
    });
}

#[test]
fn a_newcomer_does_not_pass_who_waits() {
    let with_waiter = || {
        let bulkhead = taken();
        assert!(matches!(wait(&bulkhead), Wait::Waiting { .. }));
        bulkhead
    };
    race(with_waiter, enter, leave, |bulkhead, entered, offers| {
        assert!(!entered);
        assert_eq!(offers.len(), 1);
        assert_eq!(bulkhead.active(), 1);
    });
}

#[test]
fn who_gives_up_as_it_is_served_leaves_the_permit_to_others() {
    let with_waiter = || {
        let bulkhead = taken();
        assert!(matches!(wait(&bulkhead), Wait::Waiting { .. }));
        bulkhead
    };
    let cancel = |bulkhead: &Bulkhead| {
        let first = 2 << 24;
        bulkhead.cancel(THERE, first);
    };
    race(with_waiter, cancel, leave, |bulkhead, (), _| {
        assert_eq!((bulkhead.active(), bulkhead.queued()), (0, 0));
        assert!(enter(bulkhead));
    });
}

#[test]
fn an_environment_that_ends_as_it_is_served_leaves_the_permit_to_others() {
    let with_waiter = || {
        let bulkhead = taken();
        assert!(matches!(wait(&bulkhead), Wait::Waiting { .. }));
        bulkhead
    };
    let gone = |bulkhead: &Bulkhead| assert!(bulkhead.env_gone(THERE, 0).is_empty());
    race(with_waiter, gone, leave, |bulkhead, (), _| {
        assert_eq!((bulkhead.active(), bulkhead.queued()), (0, 0));
        assert!(enter(bulkhead));
    });
}

#[test]
fn a_smaller_limit_holds_for_who_asks_afterwards() {
    let two = || Bulkhead::new(Options::fixed(2.0).check().unwrap(), clock());
    let smaller = |bulkhead: &Bulkhead| {
        let change = Change { concurrency: Some(Concurrency::Fixed(1.0)), ..Change::default() };
        bulkhead.reconfigure(&change).unwrap();
        (enter(bulkhead), bulkhead.active())
    };
    race(two, enter, smaller, |bulkhead, first, (second, seen)| {
        assert!(first || second);
        assert!(bulkhead.active() <= 1 || seen == 2, "both only where the other came before the change");
        assert_eq!(bulkhead.limit(), 1);
    });
}
