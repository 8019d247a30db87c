//! Penalties and refunds.

use super::*;

#[test]
fn a_penalty_may_put_the_bucket_in_debt() {
    let bucket = bucket(&rate(10, 1_000));
    bucket.penalize(25);
    assert_eq!(bucket.available(), -15.0);
    assert_eq!(Ask::retry_after(&bucket.it, 1), ms(1_600));
    assert_eq!(Ask::retry_after(&bucket.it, 10), ms(2_500));
    assert!(!bucket.pass(ms(1_599)).ok(1));
    assert!(bucket.pass(ms(1)).ok(1));
}

#[test]
fn the_longest_penalty_holds_even_for_a_thread_that_read_the_clock_a_little_earlier() {
    let rate = rate(10, 1_000);
    let now = ticks(secs(1_000));
    let tat = model::penalize(now, rate.worth(u64::MAX), now);
    for behind in [0, 1, ticks(ms(1)), ticks(secs(10))] {
        let (next, decision) = model::take(tat, 1, now - behind, &rate);
        assert_ne!(decision, Decision::Allow, "{behind} ticks behind");
        assert_eq!(next, tat);
    }
}

#[test]
fn two_penalties_add_up_and_a_refund_takes_them_off() {
    let bucket = bucket(&rate(10, 1_000));
    bucket.penalize(10);
    bucket.penalize(10);
    assert!(nobody(&bucket.refund(15)));
    assert_eq!(bucket.available(), 5.0);
    assert!(bucket.ok(5) && !bucket.ok(1));
}

#[test]
fn a_refund_never_fills_past_the_capacity() {
    let bucket = bucket(&rate(10, 1_000));
    assert!(bucket.ok(3));
    for tokens in [4, 10, u64::MAX] {
        bucket.refund(tokens);
        assert_eq!(bucket.available(), 10.0);
    }
    assert!(bucket.ok(10) && !bucket.ok(1));
}

#[test]
fn what_was_refunded_can_be_taken_at_once() {
    let bucket = bucket(&rate(3, 1_000));
    assert!(bucket.ok(3) && !bucket.ok(1));
    bucket.refund(2);
    assert!(bucket.ok(2) && !bucket.ok(1));
}
