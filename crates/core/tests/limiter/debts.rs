//! Penalties, refunds, resets.

use super::*;

#[test]
fn a_penalty_goes_into_debt_and_a_refund_never_past_the_capacity() {
    let limiter = limiter(&[windowed(10, 1_000)]);
    limiter.penalize(KEY, &one(25));
    assert_eq!(told(&limiter.charge(KEY, &one(1))), (false, 0, ms(2_500), Some(ms(1_600))));
    limiter.refund(KEY, &one(15));
    assert_eq!(told(&limiter.charge(KEY, &one(1))), (false, 0, ms(1_000), Some(ms(100))));
    limiter.refund(KEY, &one(1_000));
    assert_eq!(told(&limiter.peek(KEY, &one(1))), (true, 10, 0, Some(0)));
    limiter.refund(OTHER, &one(5));
    assert_eq!(told(&limiter.peek(OTHER, &one(1))), (true, 10, 0, Some(0)));
    limiter.penalize(KEY, &one((1 << 53) - 1));
    assert!(!limiter.pass(secs(180 * 86_400)).pass(KEY, &one(1)));
}

#[test]
fn a_reset_key_starts_fresh_and_a_key_nobody_knows_can_be_reset() {
    let limiter = limiter(&[windowed(2, 1_000)]);
    limiter.charge(KEY, &one(2));
    limiter.charge(OTHER, &one(2));
    assert_eq!(limiter.snapshot().size, 2);
    limiter.reset(KEY);
    assert_eq!(limiter.snapshot().size, 1);
    assert_eq!(told(&limiter.peek(KEY, &one(1))), (true, 2, 0, Some(0)));
    assert!(!limiter.it.pass(OTHER, &one(1)));
    limiter.reset(KEY);
    limiter.reset(99);
    assert_eq!(limiter.snapshot().size, 1);
}
