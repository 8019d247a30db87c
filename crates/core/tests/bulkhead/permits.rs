//! Permits: how many, whose, and whose turn it is.

use breakwater_core::{
    bulkhead::{Change, Concurrency, Next},
    room::Offer,
};

use super::*;

#[test]
fn lets_in_as_many_as_there_are_permits() {
    let bulkhead = bulkhead(2, 0, "fifo");
    assert!(bulkhead.enters(HERE));
    assert!(bulkhead.enters(THERE));
    assert!(!bulkhead.enters(HERE));
    assert_eq!(bulkhead.wait(HERE, &wanted()).0, Wait::Full);
    assert_eq!(bulkhead.leaves(THERE), None);
    assert!(bulkhead.enters(HERE));
    assert_eq!((bulkhead.active(), bulkhead.limit()), (2, 2));
}

#[test]
fn a_freed_permit_goes_to_the_head_of_the_line_before_any_newcomer() {
    let bulkhead = bulkhead(1, 2, "fifo");
    assert!(bulkhead.enters(HERE));
    let first = bulkhead.joins(THERE);
    let second = bulkhead.joins(HERE);
    let freed = bulkhead.leave(HERE, 1);
    assert_eq!(freed.next, None, "the head lives elsewhere");
    assert_eq!(freed.woken.offers, [Offer { env: THERE, ticket: first }]);
    assert!(!bulkhead.enters(HERE), "it is offered, and counts as in use");
    assert_eq!(bulkhead.active(), 1);
    assert_eq!(bulkhead.claim(THERE, first).0, Some(1));
    assert_eq!(bulkhead.claim(THERE, first).0, None, "once");
    let freed = bulkhead.leave(THERE, 1);
    assert_eq!(offered(&freed.woken), [second]);
    assert_eq!(bulkhead.claim(HERE, second).0, Some(1));
    assert_eq!(bulkhead.leaves(HERE), None);
    assert_eq!(bulkhead.active(), 0);
}

#[test]
fn a_waiter_of_the_same_thread_goes_on_at_once() {
    let bulkhead = bulkhead(1, 2, "fifo");
    assert!(bulkhead.enters(HERE));
    let first = bulkhead.joins(HERE);
    assert_eq!(bulkhead.leave(HERE, 1).next, Some(Next { ticket: first, weight: 1 }));
    assert_eq!(bulkhead.claim(HERE, first).0, None, "there is nothing left to claim");
    assert_eq!((bulkhead.active(), bulkhead.queued()), (1, 0));
}

#[test]
fn what_is_offered_to_a_cancelled_waiter_goes_to_the_next() {
    let bulkhead = bulkhead(1, 3, "fifo");
    assert!(bulkhead.enters(HERE));
    let first = bulkhead.joins(THERE);
    let second = bulkhead.joins(THERE);
    assert!(bulkhead.cancel(THERE, second).is_empty(), "nothing is freed by who only waited");
    let third = bulkhead.joins(THERE);
    bulkhead.leave(HERE, 1);
    assert_eq!(offered(&bulkhead.cancel(THERE, first)), [third]);
    assert_eq!(bulkhead.claim(THERE, first).0, None);
    assert_eq!(bulkhead.claim(THERE, third).0, Some(1));
}

#[test]
fn an_environment_that_ends_gives_back_what_it_held_was_offered_and_waited_for() {
    let bulkhead = bulkhead(3, 5, "fifo");
    assert!(bulkhead.enters(THERE));
    assert!(bulkhead.enters(THERE));
    assert!(bulkhead.enters(HERE));
    let offer = bulkhead.joins(THERE);
    bulkhead.joins(THERE);
    let tickets = [bulkhead.joins(HERE), bulkhead.joins(HERE)];
    let last = bulkhead.joins(7);
    assert_eq!(offered(&bulkhead.leave(HERE, 1).woken), [offer]);
    let woken = bulkhead.env_gone(THERE, 2);
    assert_eq!(offered(&woken), [tickets[0], tickets[1], last], "two held and one offered");
    assert_eq!((bulkhead.active(), bulkhead.queued()), (3, 0));
}

#[test]
fn a_heavy_call_at_the_head_waits_until_all_it_needs_is_free() {
    let bulkhead = bulkhead(3, 5, "fifo");
    assert!(bulkhead.enter(HERE, 2, 5).0);
    let (heavy, _) = bulkhead.queue(HERE, Wanted { weight: 3, ..wanted() });
    let light = bulkhead.joins(HERE);
    assert!(!bulkhead.enters(HERE), "nobody passes the head, though one permit is free");
    let freed = bulkhead.leave(HERE, 2);
    assert_eq!(freed.next, Some(Next { ticket: heavy, weight: 3 }));
    let freed = bulkhead.leave(HERE, 3);
    assert_eq!(freed.next, Some(Next { ticket: light, weight: 1 }));
}

#[test]
fn one_that_leaves_with_much_lets_several_go_on() {
    let bulkhead = bulkhead(3, 5, "fifo");
    assert!(bulkhead.enter(HERE, 3, 5).0);
    let tickets = [bulkhead.joins(HERE), bulkhead.joins(THERE), bulkhead.joins(HERE), bulkhead.joins(HERE)];
    let freed = bulkhead.leave(HERE, 3);
    assert_eq!(freed.next.map(|next| next.ticket), Some(tickets[0]));
    assert_eq!(offered(&freed.woken), tickets[1..3]);
    assert_eq!(bulkhead.queued(), 1);
}

#[test]
fn more_than_there_can_ever_be_is_refused() {
    let bulkhead = bulkhead(2, 5, "fifo");
    assert!(!bulkhead.enter(HERE, 3, 5).0);
    assert_eq!(bulkhead.wait(HERE, &Wanted { weight: 3, ..wanted() }).0, Wait::Full);
    assert_eq!(bulkhead.queued(), 0);
}

#[test]
fn a_smaller_limit_is_reached_as_calls_end_and_a_larger_one_lets_waiters_go_on() {
    let bulkhead = bulkhead(3, 9, "fifo");
    for _ in 0..3 {
        assert!(bulkhead.enters(HERE));
    }
    let change =
        |limit: u32| Change { concurrency: Some(Concurrency::Fixed(limit.into())), ..Change::default() };
    assert!(bulkhead.reconfigure(&change(1)).unwrap().is_empty());
    let tickets = [bulkhead.joins(HERE), bulkhead.joins(HERE), bulkhead.joins(HERE)];
    assert_eq!(bulkhead.leaves(HERE), None);
    assert_eq!(bulkhead.leaves(HERE), None);
    assert_eq!(bulkhead.leaves(HERE), Some(tickets[0]));
    let woken = bulkhead.reconfigure(&change(3)).unwrap();
    assert_eq!(offered(&woken), tickets[1..]);
    let changes: Vec<_> =
        bulkhead.changes_since(0).iter().map(|it| (it.generation, it.from, it.to)).collect();
    assert_eq!(changes, [(1, 3, 1), (2, 1, 3)]);
}

#[test]
fn who_waits_for_more_than_a_new_limit_is_sent_away() {
    let bulkhead = bulkhead(3, 9, "fifo");
    assert!(bulkhead.enter(HERE, 3, 5).0);
    let (heavy, _) = bulkhead.queue(THERE, Wanted { weight: 3, ..wanted() });
    let light = bulkhead.joins(HERE);
    let change = Change { concurrency: Some(Concurrency::Fixed(2.0)), ..Change::default() };
    let woken = bulkhead.reconfigure(&change).unwrap();
    assert_eq!(refused(&woken), [(heavy, Why::TooMuch)]);
    assert_eq!(bulkhead.leave(HERE, 3).next.map(|next| next.ticket), Some(light));
}

#[test]
fn who_has_waited_too_long_is_sent_away_when_its_turn_comes() {
    let bulkhead = with(Options { queue_timeout_ms: Some(100.0), ..room(1, 9) });
    assert!(bulkhead.enters(HERE));
    let Wait::Waiting { ticket: late, timeout } = bulkhead.wait(HERE, &wanted()).0 else { panic!() };
    assert_eq!(timeout, Some(ms(100)));
    let (own, _) = bulkhead.queue(HERE, Wanted { timeout: Some(ms(200)), ..wanted() });
    bulkhead.pass(ms(100));
    let freed = bulkhead.leave(HERE, 1);
    assert_eq!(refused(&freed.woken), [(late, Why::TooLate)]);
    assert_eq!(freed.next.map(|next| next.ticket), Some(own), "its own timeout is longer");
    assert_eq!(bulkhead.cancel(HERE, late).offers, [], "it has left");
}

#[test]
fn the_delay_is_that_of_who_waits_longest() {
    let bulkhead = bulkhead(1, 9, "lifo");
    assert!(bulkhead.enters(HERE));
    assert_eq!(bulkhead.queue_delay(), 0);
    let oldest = bulkhead.joins(HERE);
    bulkhead.pass(ms(30));
    bulkhead.joins(HERE);
    bulkhead.pass(ms(10));
    assert_eq!(bulkhead.queue_delay(), ms(40));
    bulkhead.cancel(HERE, oldest);
    assert_eq!(bulkhead.queue_delay(), ms(10));
}
