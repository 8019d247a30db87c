//! New limits.

use super::*;

#[test]
fn keeps_its_time_until_full() {
    let bucket = bucket(&rate(10, 1_000));
    assert!(bucket.ok(5));
    assert!(nobody(&bucket.reconfigure(&rate(100, 1_000))));
    assert_eq!(bucket.rate(), rate(100, 1_000));
    assert_eq!(bucket.available(), 50.0);
    bucket.reconfigure(&rate(2, 1_000));
    assert_eq!(bucket.available(), 1.0);
    bucket.reconfigure(&rate(10, 1_000));
    assert_eq!(bucket.available(), 5.0);
}

#[test]
fn waits_at_most_as_long_as_an_empty_bucket_of_the_new_limits() {
    let bucket = bucket(&rate(2, 86_400_000));
    assert!(bucket.ok(2));
    bucket.reconfigure(&rate(10, 1_000));
    assert_eq!(Ask::retry_after(&bucket.it, 1), ms(100));
    bucket.penalize(1_000);
    bucket.reconfigure(&rate(10, 1_000));
    assert_eq!(bucket.available(), 0.0);
}

#[test]
fn a_full_bucket_stays_full_and_can_be_emptied_at_the_same_instant() {
    let bucket = bucket(&rate(10, 1_000));
    for capacity in [20, 5, 1, 1_000] {
        bucket.reconfigure(&rate(capacity, 1_000));
        assert_eq!(bucket.available(), capacity as f64);
    }
    assert!(bucket.ok(1_000) && !bucket.ok(1));
}

#[test]
fn changing_to_the_same_limits_changes_nothing() {
    let bucket = bucket(&rate(3, 1_000));
    assert!(bucket.ok(1));
    for _ in 0..1_000 {
        bucket.reconfigure(&rate(3, 1_000));
    }
    assert!(bucket.ok(2) && !bucket.ok(1));
}
