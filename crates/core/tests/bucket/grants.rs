//! What a bucket grants and refuses.

use super::*;

// governor, governor/tests/direct.rs: rejects_too_many
#[test]
fn refuses_the_third_call_until_a_token_has_flowed_in() {
    let bucket = bucket(&rate(2, 1_000));
    assert!(bucket.ok(1));
    assert!(bucket.pass(ms(1)).ok(1));
    assert!(!bucket.pass(ms(1)).ok(1));
    assert!(bucket.pass(ms(1_000)).ok(1));
    assert!(bucket.pass(ms(1)).ok(1));
    assert!(!bucket.pass(ms(1)).ok(1));
}

// governor #107, #249: burst + 1 passed after a long pause
#[test]
fn grants_no_extra_token_after_a_long_pause() {
    let bucket = bucket(&rate(5, 1_000));
    for pause in [0, secs(2), secs(86_400)] {
        bucket.pass(pause);
        for _ in 0..5 {
            assert!(bucket.ok(1));
        }
        assert!(!bucket.ok(1));
    }
}

// governor: all_capacity_check_rejects_excess
#[test]
fn says_never_to_a_call_above_the_capacity_and_takes_nothing_for_it() {
    let bucket = bucket(&rate(5, 1_000));
    for cost in [15, 7, 6, u64::MAX] {
        assert_eq!(bucket.take(cost).0, Decision::Never);
        assert_eq!(bucket.retry_after(cost), Decision::Never);
    }
    assert!(bucket.ok(5));
    assert_eq!(bucket.take(6).0, Decision::Never);
}

// governor: never_allows_more_than_capacity_all
#[test]
fn several_tokens_pass_together_or_not_at_all() {
    let bucket = bucket(&rate(4, 1_000));
    assert!(bucket.ok(2) && bucket.ok(2));
    assert!(!bucket.pass(ms(1)).ok(2));
    assert!(bucket.pass(ms(1_000)).ok(2));
    assert!(bucket.pass(ms(1)).ok(2));
    assert!(!bucket.pass(ms(1)).ok(2));
}

// governor: correct_wait_time
#[test]
fn a_call_passes_after_the_time_it_was_told_and_not_a_nanosecond_before() {
    for rate in [rate(3, 1_000), rate(7, 1_000), rate(1_000_000, 1_001), rate_of_nanos(1, 1)] {
        let bucket = bucket(&rate);
        assert!(bucket.ok(rate.capacity));
        for cost in (1..=20).map(|n| n % rate.capacity + 1) {
            let wait = Ask::retry_after(&bucket.it, cost);
            assert!(!bucket.pass(wait - 1).ok(cost));
            assert!(bucket.pass(1).ok(cost));
        }
    }
}

// governor: a quota of more than one each nanosecond denied wrongly
#[test]
fn the_fastest_rate_never_refuses_wrongly() {
    let fastest = Limit { capacity: Some(10.0), refill_per_second: Some(1e9), ..Limit::default() };
    let bucket = bucket(&fastest.rate().unwrap());
    assert!(bucket.ok(10) && !bucket.ok(1));
    for _ in 0..1_000 {
        assert!(bucket.pass(1).ok(1));
        assert!(!bucket.ok(1));
    }
}

// golang.org/x/time/rate: TestLimiterBurst1, TestLimiterBurst3
#[test]
fn agrees_with_the_tables_of_x_time_rate() {
    let d = ms(100);
    let burst1 = bucket(&rate_of_nanos(1, d));
    for (at, cost, passes) in
        [(0, 1, true), (0, 1, false), (0, 1, false), (1, 1, true), (1, 1, false), (1, 1, false)]
    {
        assert_eq!(burst1.at(at * d).ok(cost), passes);
    }
    assert_eq!(burst1.at(2 * d).take(2).0, Decision::Never);
    assert!(burst1.ok(1) && !burst1.ok(1));

    let burst3 = bucket(&rate_of_nanos(3, d));
    let table = [
        (0, 3.0, 2, true),
        (0, 1.0, 2, false),
        (0, 1.0, 1, true),
        (0, 0.0, 1, false),
        (1, 1.0, 4, false),
        (2, 2.0, 1, true),
        (3, 2.0, 1, true),
        (4, 2.0, 1, true),
        (4, 1.0, 1, true),
        (4, 0.0, 1, false),
        (4, 0.0, 1, false),
        (9, 3.0, 3, true),
        (9, 0.0, 0, true),
    ];
    for (at, tokens, cost, passes) in table {
        assert_eq!(burst3.at(at * d).available(), tokens);
        assert_eq!(burst3.ok(cost), passes, "{cost} at {at}");
    }
}

// golang.org/x/time/rate: TestLimiterJumpBackwards. That one forgets that it has seen t1 and grants a third token at t0;
// a bucket whose only state is when it is full again is stricter, by the length of the jump.
#[test]
fn a_jump_back_in_time_grants_nothing_extra_and_harms_nothing_after_it() {
    let d = ms(100);
    let rate = rate_of_nanos(3, d);
    let mut tat = ticks(d);
    for (at, passes) in [
        (1, true),
        (0, true),
        (0, false),
        (0, false),
        (1, true),
        (1, false),
        (2, true),
        (2, false),
        (9, true),
        (9, true),
        (9, true),
        (9, false),
    ] {
        let (next, decision) = model::take(tat, 1, ticks(at * d), &rate);
        assert_eq!(decision == Decision::Allow, passes, "at {at}");
        tat = next;
    }
}

// golang.org/x/time/rate: TestLongRunningQPS
#[test]
fn grants_the_rate_and_no_more_over_a_long_run() {
    let bucket = bucket(&rate(100, 1_000));
    let granted = (0..=5 * 500).filter(|call| bucket.at(call * ms(2)).ok(1)).count() as f64;
    let ideal = 100.0 + 100.0 * 5.0;
    assert!(granted >= 0.999 * ideal && granted <= ideal, "{granted}");
}

// bucket4j: BucketRoundingRulesSpecification
#[test]
fn fractions_of_a_token_are_kept_until_the_bucket_is_full() {
    let ten_in_100_ns = rate_of_nanos(10, 10);
    let kept = bucket_with(&ten_in_100_ns, 0.0);
    kept.at(97);
    assert!((0..9).all(|_| kept.ok(1)) && !kept.ok(1));
    kept.at(100);
    assert!(kept.ok(1) && !kept.ok(1));

    let cleared = bucket_with(&ten_in_100_ns, 0.0);
    cleared.at(97);
    assert!((0..9).all(|_| cleared.ok(1)));
    assert!(nobody(&cleared.refund(10)));
    assert!((0..10).all(|_| cleared.ok(1)));
    cleared.at(100);
    assert!(!cleared.ok(1));

    let slow = bucket_with(&rate_of_nanos(4, secs(1)), 1.0);
    assert!(slow.ok(1));
    slow.pass(ms(200));
    assert_eq!(slow.it.retry_after(1), Decision::RetryAfter(800_000_000));
    assert_eq!(slow.it.retry_after(3), Decision::RetryAfter(2_800_000_000));
}

// bucket4j: BucketStateSpecification, delay and refill
#[test]
fn tells_how_long_a_deficit_takes() {
    for (initial, interval, cost, wait) in
        [(0.0, 10, 10, 100), (0.0, 50, 10, 500), (4.0, 10, 7, 30), (3.0, 10, 3, 0)]
    {
        let bucket = bucket_with(&rate_of_nanos(10, interval), initial);
        let expected = if wait == 0 { Decision::Allow } else { Decision::RetryAfter(wait) };
        assert_eq!(bucket.it.retry_after(cost), expected);
        assert_eq!(bucket.available(), initial, "asking changes nothing");
    }
}

#[test]
fn fills_up_to_the_capacity_and_no_further() {
    for (capacity, interval, initial, after, tokens) in [
        (1_000, 1, 0.0, 40, 40.0),
        (1_000, 1, 50.0, 1, 51.0),
        (1_000, 1, 55.0, 0, 55.0),
        (1_000, 1, 200.0, 10_000, 1_000.0),
        (100, 10, 0.0, 3, 0.3),
        (100, 10, 90.0, 17, 91.7),
        (100, 10, 0.0, 18_888, 100.0),
    ] {
        let bucket = bucket_with(&rate_of_nanos(capacity, interval), initial);
        assert_eq!(bucket.pass(after).available(), tokens);
    }
}

#[test]
fn a_cost_of_nothing_only_asks() {
    let bucket = bucket(&rate(2, 1_000));
    let word = bucket.word();
    assert!(bucket.ok(0));
    assert!(bucket.ok(2) && bucket.ok(0));
    bucket.penalize(1);
    assert_eq!(bucket.take(0).0, Decision::RetryAfter(ms(500)), "in debt");
    assert!(bucket.pass(ms(500)).ok(0));
    assert_ne!(bucket.word(), word);
}

#[test]
fn a_million_refusals_leave_the_word_unwritten() {
    let bucket = bucket(&rate(1, 86_400_000));
    assert!(bucket.ok(1));
    let word = bucket.word();
    for _ in 0..1_000_000 {
        assert_ne!(bucket.take_alone(1), Some(Decision::Allow));
    }
    assert_eq!(bucket.word(), word);
}

#[test]
fn starts_with_the_tokens_it_is_given() {
    let rate = rate(10, 1_000);
    let empty = bucket_with(&rate, 0.0);
    assert_eq!(Ask::retry_after(&empty.it, 1), ms(100));
    let some = bucket_with(&rate, 2.5);
    assert!(some.ok(2));
    assert_eq!(Ask::retry_after(&some.it, 1), ms(50));
    assert_eq!(check_initial_tokens(10.0, &rate), Ok(10.0));
    for wrong in [-0.1, 10.1, f64::NAN, f64::INFINITY] {
        assert!(check_initial_tokens(wrong, &rate).is_err());
    }
    assert!(OnClock::new(|clock| Bucket::from_options(&rate, Some(11.0), 1, clock)).it.is_err());
}

#[test]
fn a_window_of_the_full_length_is_accepted_for_every_limit() {
    for limit in [1, 7, 1_000_003, 1 << 32] {
        let rate = support::windowed(limit, 180 * 86_400_000).rate().unwrap();
        let bucket = bucket(&rate);
        assert!(bucket.ok(limit));
        assert!(!bucket.pass(secs(180 * 86_400) - 1).ok(limit));
    }
}
