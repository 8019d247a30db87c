//! Who is served first, and who has to go when the line is full.

use super::*;

fn served(bulkhead: &Bulkhead) -> Vec<Ticket> {
    std::iter::from_fn(|| bulkhead.leaves(HERE)).collect()
}

fn of(priority: u8) -> Wanted<'static> {
    Wanted { priority, ..wanted() }
}

#[test]
fn fifo_serves_the_oldest_and_refuses_the_newcomer() {
    let bulkhead = bulkhead(1, 2, "fifo");
    bulkhead.enters(HERE);
    let tickets = [bulkhead.joins(HERE), bulkhead.joins(HERE)];
    assert_eq!(bulkhead.wait(HERE, &wanted()).0, Wait::Full);
    assert_eq!(served(&bulkhead), tickets);
}

#[test]
fn lifo_serves_the_newest_and_sends_the_oldest_away() {
    let bulkhead = bulkhead(1, 2, "lifo");
    bulkhead.enters(HERE);
    let tickets = [bulkhead.joins(THERE), bulkhead.joins(HERE)];
    let (newest, woken) = bulkhead.queue(HERE, wanted());
    assert_eq!(refused(&woken), [(tickets[0], Why::Evicted)]);
    assert_eq!(served(&bulkhead), [newest, tickets[1]]);
}

#[test]
fn priority_serves_the_highest_first_and_equals_in_order() {
    let bulkhead = bulkhead(1, 9, "priority");
    bulkhead.enters(HERE);
    let [low, first, second, high] = [0, 5, 5, 9].map(|priority| bulkhead.queue(HERE, of(priority)).0);
    assert_eq!(served(&bulkhead), [high, first, second, low]);
}

#[test]
fn a_full_line_by_priority_sends_the_newest_of_the_lowest_away() {
    let bulkhead = bulkhead(1, 3, "priority");
    bulkhead.enters(HERE);
    let [first, second, high] = [2, 2, 7].map(|priority| bulkhead.queue(HERE, of(priority)).0);
    assert_eq!(bulkhead.wait(HERE, &of(2)).0, Wait::Full, "an equal does not push out who came before");
    let (middle, woken) = bulkhead.queue(HERE, of(5));
    assert_eq!(refused(&woken), [(second, Why::Evicted)]);
    assert_eq!(served(&bulkhead), [high, middle, first]);
}

#[test]
fn what_is_kept_for_higher_priorities_lower_ones_do_not_find() {
    let shares = vec![("9".to_owned(), 0.2), ("5".to_owned(), 0.3)];
    let bulkhead = with(Options { order: Some("priority".into()), shares, ..room(10, 9) });
    let admitted = |priority| (0..20).filter(|_| bulkhead.enter(HERE, 1, priority).0).count();
    assert_eq!(admitted(0), 5, "half is kept for 5 and 9");
    assert_eq!(admitted(4), 0);
    assert_eq!(admitted(5), 3, "two are kept for 9");
    assert_eq!(admitted(8), 0);
    assert_eq!(admitted(9), 2);
}

#[test]
fn who_comes_with_a_high_priority_finds_what_is_kept_while_lower_ones_wait() {
    let shares = vec![("9".to_owned(), 0.5)];
    let bulkhead = with(Options { order: Some("priority".into()), shares, ..room(2, 9) });
    assert!(bulkhead.enter(HERE, 1, 0).0);
    let (low, _) = bulkhead.queue(HERE, of(0));
    assert_eq!(bulkhead.wait(HERE, &of(9)).0, Wait::Granted, "the other permit is kept for it");
    assert_eq!(bulkhead.leaves(HERE), None, "one is in use still, and the other is kept");
    assert_eq!(bulkhead.leaves(HERE), Some(low));
}

#[test]
fn who_could_never_have_as_much_as_is_not_kept_for_others_is_refused() {
    let shares = vec![("9".to_owned(), 0.5)];
    let bulkhead = with(Options { order: Some("priority".into()), shares, ..room(10, 9) });
    assert!(!bulkhead.enter(HERE, 6, 0).0, "though nobody is there");
    assert_eq!(bulkhead.wait(HERE, &Wanted { weight: 6, ..of(0) }).0, Wait::Full);
    assert!(bulkhead.enter(HERE, 5, 0).0);
    assert!(bulkhead.enter(HERE, 5, 9).0);
}

#[test]
fn a_share_that_rounding_makes_a_little_more_keeps_no_more() {
    let shares = vec![("9".to_owned(), 0.07)];
    let bulkhead = with(Options { order: Some("priority".into()), shares, ..room(100, 9) });
    assert_eq!((0..100).filter(|_| bulkhead.enter(HERE, 1, 0).0).count(), 93);
}
