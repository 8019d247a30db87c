//! Charged now, for later.

use super::*;

const D: u64 = ms(100);

fn ten_a_second(burst: u64) -> OnClock<Limiter> {
    let limit = Limit { capacity: Some(burst as f64), refill_per_second: Some(10.0), ..Limit::default() };
    limiter(&[limit])
}

// golang.org/x/time/rate: TestSimpleReserve, TestMix
#[test]
fn are_served_one_after_the_other() {
    let limiter = ten_a_second(2);
    assert_eq!(acts_at(&limiter, 2).0, 0);
    assert_eq!(acts_at(&limiter, 2).0, 2 * D);
    limiter.at(3 * D);
    assert_eq!(acts_at(&limiter, 2).0, 4 * D);

    let limiter = ten_a_second(2);
    assert_eq!(refused(limiter.reserve(KEY, &one(3), None)).3, None);
    assert_eq!(acts_at(&limiter, 2).0, 0);
    assert!(!limiter.at(D).pass(KEY, &one(2)));
    assert_eq!(acts_at(&limiter, 2).0, 2 * D);
    assert!(!limiter.it.pass(KEY, &one(1)));
    assert!(limiter.at(3 * D).pass(KEY, &one(1)));
}

// golang.org/x/time/rate: TestCancelLast, TestCancel0Tokens, TestCancel1Token, TestCancelMulti
#[test]
fn a_cancelled_one_gives_back_what_no_later_one_has_built_on() {
    let last = ten_a_second(2);
    acts_at(&last, 2);
    let (_, reservation) = acts_at(&last, 2);
    last.at(D).cancel(&reservation);
    assert_eq!(acts_at(&last, 2).0, 2 * D);

    let nothing = ten_a_second(2);
    acts_at(&nothing, 2);
    let (_, reservation) = acts_at(&nothing, 1);
    assert_eq!(acts_at(&nothing, 1).0, 2 * D);
    nothing.cancel(&reservation);
    assert_eq!(acts_at(&nothing, 1).0, 3 * D);

    let part = ten_a_second(2);
    acts_at(&part, 2);
    let (_, reservation) = acts_at(&part, 2);
    assert_eq!(acts_at(&part, 1).0, 3 * D);
    part.at(2 * D).cancel(&reservation);
    assert_eq!(acts_at(&part, 2).0, 4 * D);

    let multi = ten_a_second(4);
    acts_at(&multi, 4);
    let (at, first) = acts_at(&multi, 3);
    assert_eq!(at, 3 * D);
    assert_eq!(acts_at(&multi, 1).0, 4 * D);
    let (at, third) = acts_at(&multi, 1);
    assert_eq!(at, 5 * D);
    multi.at(D).cancel(&third);
    multi.cancel(&first);
    assert_eq!(acts_at(&multi, 3).0, 5 * D);
}

#[test]
fn one_cancelled_late_gives_back_only_what_time_has_not_given_back_already() {
    let limiter = ten_a_second(5);
    let (_, reservation) = acts_at(&limiter, 5);
    limiter.at(3 * D);
    assert!(limiter.it.pass(KEY, &one(1)));
    limiter.cancel(&reservation);
    // As if it had never been: four of five are left.
    assert_eq!(limiter.peek(KEY, &one(0)).limit(0).remaining, 4);
    limiter.at(100 * D);
    assert!(limiter.it.pass(KEY, &one(3)));
    limiter.cancel(&reservation);
    assert_eq!(limiter.peek(KEY, &one(0)).limit(0).remaining, 2);
}

#[test]
fn one_made_before_the_limits_changed_gives_nothing_back() {
    let limiter = ten_a_second(5);
    let (_, first) = acts_at(&limiter, 5);
    limiter
        .reconfigure(&[Limit { capacity: Some(3.0), refill_per_second: Some(10.0), ..Limit::default() }])
        .unwrap();
    assert_eq!(acts_at(&limiter, 3).0, 3 * D, "two of the five were forgiven");
    limiter.cancel(&first);
    assert!(!limiter.it.pass(KEY, &one(1)), "giving them back as well would be five too many at 3 D");
    limiter.at(3 * D);
    assert!(!limiter.it.pass(KEY, &one(1)));
}

#[test]
fn one_that_was_reset_gives_nothing_back() {
    let limiter = ten_a_second(5);
    let (_, reservation) = acts_at(&limiter, 5);
    limiter.reset(KEY);
    limiter.cancel(&reservation);
    assert_eq!(limiter.snapshot().size, 0);
    assert!(limiter.it.pass(KEY, &one(2)));
    limiter.cancel(&reservation);
    assert_eq!(limiter.peek(KEY, &one(0)).limit(0).remaining, 3);
}

#[test]
fn a_wait_past_the_bound_is_refused_and_charges_nothing() {
    let limiter = ten_a_second(2);
    assert_eq!(granted(limiter.reserve(KEY, &one(2), Some(0))).0, 0);
    assert_eq!(refused(limiter.reserve(KEY, &one(1), Some(0))), (false, 0, 2 * D, Some(D)));
    assert_eq!(refused(limiter.reserve(KEY, &one(2), Some(2 * D - 1))).3, Some(2 * D));
    assert_eq!(granted(limiter.reserve(KEY, &one(2), Some(2 * D))).0, 2 * D);
}

#[test]
fn wait_for_the_slowest_limit_and_are_charged_on_all() {
    let limiter = limiter(&[windowed(1, 100), windowed(2, 10_000)]);
    let waits = [0; 4].map(|_| granted(limiter.reserve(KEY, &one(1), None)).0);
    assert_eq!(waits, [0, ms(100), secs(5), secs(10)]);
}

#[test]
fn no_more_wait_than_the_limiter_was_told() {
    let options = Options { limits: vec![windowed(1, 1_000)], max_waiters: Some(2.0), ..Options::default() };
    let limiter = limiter_of(&options.check().unwrap());
    let (_, granted_at_once) = granted(limiter.reserve(KEY, &one(1), None));
    limiter.settle();
    granted(limiter.reserve(KEY, &one(1), None));
    let (_, second) = granted(limiter.reserve(KEY, &one(1), None));
    assert_eq!(limiter.snapshot().waiting, 2);
    assert_eq!(refused(limiter.reserve(KEY, &one(1), None)).3, Some(secs(3)));
    assert_eq!(limiter.snapshot().waiting, 2);
    assert_eq!(granted(limiter.reserve(OTHER, &one(1), None)).0, 0, "who would not wait needs no place");
    limiter.settle();
    limiter.cancel(&second);
    limiter.settle();
    assert_eq!(granted(limiter.reserve(KEY, &one(1), None)).0, secs(2));
    limiter.cancel(&granted_at_once);
}

#[test]
fn a_line_longer_than_an_instant_can_say_is_refused() {
    let limiter = limiter(&[windowed(1, 180 * 86_400_000)]);
    assert_eq!(granted(limiter.reserve(KEY, &one(1), None)).0, 0);
    refused(limiter.reserve(KEY, &one(1), None));
    assert_eq!(limiter.peek(KEY, &one(1)).limit(0).retry_after, Some(secs(180 * 86_400)));
}
