//! Blocked keys.

use super::*;

#[test]
fn a_block_holds_whatever_is_refunded() {
    let limiter = limiter(&[windowed(2, 1_000)]);
    limiter.block(KEY, secs(10));
    assert_eq!(told(&limiter.charge(KEY, &one(1))), (false, 0, secs(10), Some(secs(10))));
    assert!(!limiter.it.pass(KEY, &one(0)));
    limiter.refund(KEY, &one(100));
    assert!(!limiter.at(secs(10) - 1).pass(KEY, &one(1)));
    assert_eq!(limiter.blocked(KEY), 1);
    assert_eq!(limiter.blocked(OTHER), 0);
    assert!(limiter.it.pass(OTHER, &one(1)));
    assert!(limiter.at(secs(10)).pass(KEY, &one(1)));
    assert_eq!(limiter.blocked(KEY), 0);
}

#[test]
fn of_two_blocks_the_longer_holds() {
    let limiter = limiter(&[windowed(2, 1_000)]);
    limiter.block(KEY, secs(10));
    limiter.block(KEY, secs(1));
    assert_eq!(limiter.blocked(KEY), secs(10));
    limiter.at(secs(5)).block(KEY, secs(6));
    assert_eq!(limiter.blocked(KEY), secs(6));
    limiter.at(secs(20)).block(KEY, secs(1));
    assert_eq!(limiter.blocked(KEY), secs(1), "a block that is over is no block");
}

#[test]
fn only_a_reset_ends_a_block_early() {
    let limiter = limiter(&[windowed(2, 1_000)]);
    limiter.block(KEY, secs(10));
    limiter.block(OTHER, secs(10));
    limiter.reconfigure(&[windowed(100, 1_000)]).unwrap();
    assert_eq!(limiter.blocked(KEY), secs(10));
    limiter.reset(KEY);
    assert_eq!(limiter.blocked(KEY), 0);
    assert!(limiter.it.pass(KEY, &one(1)));
    assert!(!limiter.it.pass(OTHER, &one(1)));
}

#[test]
fn what_was_owed_before_a_block_is_owed_after_it() {
    let limiter = limiter(&[windowed(2, 60_000)]);
    limiter.charge(KEY, &one(2));
    limiter.block(KEY, secs(10));
    let verdict = limiter.charge(KEY, &one(1));
    assert_eq!(told(&verdict), (false, 0, secs(60), Some(secs(30))));
    limiter.at(secs(10));
    assert_eq!(told(&limiter.charge(KEY, &one(1))), (false, 0, secs(50), Some(secs(20))));
    assert!(limiter.at(secs(30)).pass(KEY, &one(1)));
}

#[test]
fn a_blocked_key_is_charged_nothing() {
    let limiter = limiter(&[windowed(2, 60_000)]);
    limiter.block(KEY, secs(10));
    for _ in 0..10 {
        assert!(!limiter.it.pass(KEY, &one(1)));
    }
    assert!(limiter.at(secs(10)).pass(KEY, &one(2)));
}

#[test]
fn reservations_of_a_blocked_key_start_when_the_block_ends_and_pass_no_faster_than_the_limit() {
    let limiter = limiter(&[windowed(2, 2_000)]);
    limiter.block(KEY, secs(10));
    assert_eq!(refused(limiter.reserve(KEY, &one(1), Some(secs(10) - 1))).3, Some(secs(10)));
    let waits = [0; 5].map(|_| granted(limiter.reserve(KEY, &one(1), None)).0);
    assert_eq!(waits, [10, 10, 11, 12, 13].map(secs));
    limiter.at(secs(10));
    assert!(!limiter.it.pass(KEY, &one(1)), "all that flows in until 13 s is taken");
    assert!(limiter.at(secs(14)).pass(KEY, &one(1)));
}
