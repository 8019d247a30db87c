//! Keys with one limit.

use super::*;

// redis-cell, src/cell/mod.rs: it_rate_limits. Differences: a cost above the capacity can never pass (theirs says -1 as well),
// and a peek is a call of its own here.
#[test]
fn agrees_with_the_table_of_redis_cell() {
    let limiter = limiter(&[Limit { capacity: Some(5.0), refill_per_second: Some(1.0), ..Limit::default() }]);
    let s = secs(1);
    let table: [(u64, u64, Told); 14] = [
        (0, 6, (false, 5, 0, None)),
        (0, 1, (true, 4, s, Some(0))),
        (0, 1, (true, 3, 2 * s, Some(0))),
        (0, 1, (true, 2, 3 * s, Some(0))),
        (0, 1, (true, 1, 4 * s, Some(0))),
        (0, 1, (true, 0, 5 * s, Some(0))),
        (0, 1, (false, 0, 5 * s, Some(s))),
        (3_000, 1, (true, 2, 3 * s, Some(0))),
        (3_100, 1, (true, 1, ms(3_900), Some(0))),
        (4_000, 1, (true, 1, 4 * s, Some(0))),
        (8_000, 1, (true, 4, s, Some(0))),
        (9_500, 1, (true, 4, s, Some(0))),
        (9_500, 0, (true, 4, s, Some(0))),
        (9_500, 2, (true, 2, 3 * s, Some(0))),
    ];
    for (at, cost, expected) in table {
        limiter.at(ms(at));
        assert_eq!(told(&limiter.peek(KEY, &one(cost))).0, expected.0);
        assert_eq!(told(&limiter.charge(KEY, &one(cost))), expected, "{cost} at {at}");
    }
    assert_eq!(told(&limiter.charge(KEY, &one(5))), (false, 2, 3 * s, Some(3 * s)));
}

// redis_rate, rate_test.go
#[test]
fn agrees_with_the_table_of_redis_rate() {
    let limiter = limiter(&[windowed(10, 1_000)]);
    assert_eq!(told(&limiter.charge(KEY, &one(0))), (true, 10, 0, Some(0)));
    assert_eq!(told(&limiter.charge(KEY, &one(1))), (true, 9, ms(100), Some(0)));
    assert_eq!(told(&limiter.charge(KEY, &one(2))), (true, 7, ms(300), Some(0)));
    assert_eq!(told(&limiter.charge(KEY, &one(7))), (true, 0, ms(1_000), Some(0)));
    assert_eq!(told(&limiter.charge(KEY, &one(1_000))), (false, 0, ms(1_000), None));
    assert_eq!(told(&limiter.charge(KEY, &one(10))), (false, 0, ms(1_000), Some(ms(1_000))));
}

// governor #107, #249
#[test]
fn grants_no_extra_call_after_a_long_pause() {
    let limiter = limiter(&[windowed(5, 1_000)]);
    for pause in [0, secs(2), secs(86_400)] {
        limiter.pass(pause);
        assert_eq!((0..10).filter(|_| limiter.pass(0).pass(KEY, &one(1))).count(), 5);
    }
}

#[test]
fn passes_and_charges_alike() {
    let limiter = limiter(&[windowed(3, 1_000)]);
    for call in 0..50 {
        limiter.pass(ms(70));
        assert_eq!(limiter.it.pass(KEY, &one(1)), limiter.charge(OTHER, &one(1)).allowed, "call {call}");
    }
}

#[test]
fn keys_do_not_know_of_each_other() {
    let limiter = limiter(&[windowed(2, 1_000)]);
    assert!(limiter.it.pass(KEY, &one(2)) && !limiter.it.pass(KEY, &one(1)));
    assert!(limiter.it.pass(OTHER, &one(2)) && !limiter.it.pass(OTHER, &one(1)));
}

#[test]
fn every_string_is_a_key() {
    let limiter = limiter(&[windowed(1, 60_000)]);
    let long = vec![b'x'; 65_536];
    let keys: [&[u8]; 6] = [b"", b"\0", b"a", b"a\0", &long, &long[1..]];
    for key in keys {
        assert!(limiter.it.pass(limiter.hash(key), &one(1)));
    }
    for key in keys {
        assert!(!limiter.it.pass(limiter.hash(key), &one(1)));
    }
}

#[test]
fn hashes_at_the_ends_of_their_range_are_keys_like_others() {
    let limiter = limiter(&[windowed(1, 60_000)]);
    for hash in [0, 4, u64::MAX, u64::MAX - 7, u64::from(u32::MAX), 1 << 63] {
        assert!(limiter.it.pass(hash, &one(1)), "{hash:#x}");
        assert!(!limiter.it.pass(hash, &one(1)), "{hash:#x}");
    }
}

#[test]
fn a_peek_charges_nothing_and_says_what_a_charge_would() {
    let limiter = limiter(&[windowed(2, 1_000)]);
    for _ in 0..10 {
        assert_eq!(told(&limiter.peek(KEY, &one(2))), (true, 2, 0, Some(0)));
    }
    assert_eq!(limiter.snapshot().size, 0, "a question leaves no trace");
    limiter.charge(KEY, &one(1));
    assert_eq!(told(&limiter.peek(KEY, &one(2))), (false, 1, ms(500), Some(ms(500))));
    assert_eq!(told(&limiter.peek(KEY, &one(1))), (true, 1, ms(500), Some(0)));
    assert_eq!(told(&limiter.peek(KEY, &one(3))), (false, 1, ms(500), None));
}

#[test]
fn a_cost_of_nothing_only_asks() {
    let limiter = limiter(&[windowed(2, 1_000)]);
    assert!(limiter.it.pass(KEY, &one(0)));
    limiter.penalize(KEY, &one(0));
    limiter.refund(KEY, &one(0));
    assert_eq!(granted(limiter.reserve(KEY, &one(0), None)).0, 0);
    assert_eq!(limiter.snapshot().size, 0, "nothing was counted");
    assert!(limiter.it.pass(KEY, &one(2)) && limiter.it.pass(KEY, &one(0)));
    limiter.penalize(KEY, &one(1));
    assert_eq!(told(&limiter.charge(KEY, &one(0))), (false, 0, ms(1_500), Some(ms(500))), "in debt");
}

#[test]
fn remaining_counts_whole_units_and_reset_is_the_time_until_full() {
    let limiter = limiter(&[windowed(4, 1_000)]);
    assert_eq!(told(&limiter.charge(KEY, &one(3))), (true, 1, ms(750), Some(0)));
    limiter.at(ms(249));
    assert_eq!(told(&limiter.peek(KEY, &one(1))), (true, 1, ms(501), Some(0)));
    limiter.at(ms(250));
    assert_eq!(told(&limiter.peek(KEY, &one(1))), (true, 2, ms(500), Some(0)));
    limiter.at(ms(750));
    assert_eq!(told(&limiter.peek(KEY, &one(1))), (true, 4, 0, Some(0)));
}

#[test]
fn a_refused_key_passes_after_the_time_it_was_told_and_not_a_nanosecond_before() {
    let limiter = limiter(&[windowed(7, 1_000), windowed(11, 13_001)]);
    for call in 0..200 {
        let cost = Costs::each(&[call % 3 + 1, call % 5]);
        let verdict = limiter.charge(KEY, &cost);
        if let (false, _, _, Some(wait)) = told(&verdict) {
            assert!(!limiter.pass(wait - 1).charge(KEY, &cost).allowed);
            assert!(limiter.pass(1).charge(KEY, &cost).allowed);
        }
    }
}
