//! Threads that do not answer: what they were offered goes to others, and they keep their place.

use breakwater_core::room::OFFER_LASTS;

use super::*;

#[test]
fn an_offer_that_nobody_claims_is_taken_back_by_the_next_caller_who_looks() {
    let bulkhead = bulkhead(1, 9, "fifo");
    assert!(bulkhead.enters(HERE));
    let busy = bulkhead.joins(THERE);
    let next = bulkhead.joins(7);
    assert_eq!(offered(&bulkhead.leave(HERE, 1).woken), [busy]);
    bulkhead.pass(OFFER_LASTS);
    assert!(!bulkhead.enters(HERE), "not yet: 20 ms are not over");
    bulkhead.pass(ms(1));
    let (entered, woken) = bulkhead.enter(HERE, 1, 5);
    assert!(!entered, "somebody else waits");
    assert_eq!(offered(&woken), [next]);
    assert_eq!(bulkhead.claim(7, next).0, Some(1));
    assert_eq!(bulkhead.claim(THERE, busy).0, None, "it was taken back");
    assert_eq!(
        offered(&bulkhead.leave(7, 1).woken),
        [busy],
        "but it is heard of, and stands at the head again"
    );
    assert_eq!(bulkhead.claim(THERE, busy).0, Some(1));
}

#[test]
fn a_newcomer_gets_the_permit_where_only_silent_threads_wait() {
    let bulkhead = bulkhead(1, 9, "fifo");
    assert!(bulkhead.enters(HERE));
    let tickets = [bulkhead.joins(THERE), bulkhead.joins(THERE)];
    bulkhead.leave(HERE, 1);
    bulkhead.pass(OFFER_LASTS + 1);
    assert!(bulkhead.enters(HERE));
    assert_eq!(bulkhead.queued(), 2, "they wait still");
    let freed = bulkhead.leave(HERE, 1);
    assert_eq!((freed.next, freed.woken.offers.len()), (None, 0), "nobody who answers waits");
    let (claimed, woken) = bulkhead.claim(THERE, tickets[0]);
    assert_eq!(claimed, None);
    assert_eq!(offered(&woken), [tickets[0]], "it is back: the permit that is free is offered again");
    assert_eq!(bulkhead.claim(THERE, tickets[0]).0, Some(1));
    assert_eq!(bulkhead.leaves(THERE), Some(tickets[1]));
}

#[test]
fn a_thread_that_comes_back_stands_where_it_stood() {
    let bulkhead = bulkhead(1, 9, "fifo");
    assert!(bulkhead.enters(HERE));
    let first = bulkhead.joins(THERE);
    let between = bulkhead.joins(HERE);
    let third = bulkhead.joins(THERE);
    bulkhead.leave(HERE, 1);
    bulkhead.pass(OFFER_LASTS + 1);
    let (entered, woken) = bulkhead.enter(HERE, 1, 5);
    assert_eq!((entered, offered(&woken)), (false, vec![between]));
    assert_eq!(bulkhead.claim(HERE, between).0, Some(1));
    let last = bulkhead.joins(THERE);
    assert_eq!(offered(&bulkhead.leave(HERE, 1).woken), [first]);
    assert_eq!(bulkhead.claim(THERE, first).0, Some(1));
    assert_eq!(bulkhead.leaves(THERE), Some(third));
    assert_eq!(bulkhead.leaves(THERE), Some(last));
}

#[test]
fn a_silent_waiter_keeps_its_key_and_its_priority() {
    for order in ["fair", "priority", "lifo"] {
        let bulkhead = bulkhead(1, 9, order);
        assert!(bulkhead.enters(HERE));
        let mine = Wanted { key: b"mine", priority: 9, ..wanted() };
        let (ticket, _) = bulkhead.queue(THERE, mine);
        bulkhead.leave(HERE, 1);
        bulkhead.pass(OFFER_LASTS + 1);
        assert!(bulkhead.enters(HERE));
        let (other, woken) = bulkhead.queue(THERE, Wanted { key: b"mine", priority: 1, ..wanted() });
        assert!(woken.is_empty());
        let freed = bulkhead.leave(HERE, 1);
        let first = if order == "lifo" { other } else { ticket };
        assert_eq!(offered(&freed.woken), [first], "{order}");
    }
}

#[test]
fn silent_waiters_are_back_in_the_lines_of_their_keys() {
    let bulkhead = bulkhead(1, 99, "fair");
    assert!(bulkhead.enters(HERE));
    let of = |key: &'static str| Wanted { key: key.as_bytes(), ..wanted() };
    let a: Vec<_> = (0..3).map(|_| bulkhead.queue(THERE, of("a")).0).collect();
    let b: Vec<_> = (0..3).map(|_| bulkhead.queue(THERE, of("b")).0).collect();
    bulkhead.leave(HERE, 1);
    bulkhead.pass(OFFER_LASTS + 1);
    assert!(bulkhead.enters(HERE));
    assert_eq!(bulkhead.queued(), 6);
    assert_eq!(bulkhead.claim(THERE, a[0]).0, None);
    assert_eq!(offered(&bulkhead.leave(HERE, 1).woken), [a[0]]);
    assert_eq!(bulkhead.claim(THERE, a[0]).0, Some(1));
    let served: Vec<_> = std::iter::from_fn(|| bulkhead.leaves(THERE)).collect();
    assert_eq!(served, [b[0], a[1], b[1], a[2], b[2]], "each key in turn");
}

#[test]
fn a_silent_environment_that_ends_leaves_nothing() {
    let bulkhead = bulkhead(1, 9, "fair");
    assert!(bulkhead.enters(HERE));
    bulkhead.joins(THERE);
    bulkhead.joins(THERE);
    bulkhead.leave(HERE, 1);
    bulkhead.pass(OFFER_LASTS + 1);
    assert!(bulkhead.enters(HERE));
    assert!(bulkhead.env_gone(THERE, 0).is_empty());
    assert_eq!(bulkhead.queued(), 0);
    assert_eq!(bulkhead.leaves(HERE), None);
    assert_eq!(bulkhead.active(), 0);
}
