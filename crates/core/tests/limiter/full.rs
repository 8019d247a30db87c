//! Memory, and what happens when it is full.

use super::*;

fn keys(limiter: &Limiter, from: u64, to: u64) -> impl Iterator<Item = u64> + '_ {
    (from..to).map(|key| limiter.hash(&key.to_le_bytes()))
}

#[test]
fn memory_is_fixed_at_24_bytes_a_key() {
    for max_keys in [100_000, 1_000_000, 16_000_000] {
        let options = checked(&[windowed(10, 1_000)], max_keys, WhenFull::Admit);
        // Eight lines of 64 bytes more let the smallest tables keep keys apart as well.
        assert!(limiter_of(&options).snapshot().bytes <= max_keys * 24 + 8 * 64 + 64);
    }
    for limits in 1..=8 {
        let options = checked(&vec![windowed(10, 1_000); limits], 100_000, WhenFull::Admit);
        let bytes = limiter_of(&options).snapshot().bytes as f64 / 1e5;
        assert!(bytes <= 24.1 + 16.0 * (limits - 1) as f64, "{bytes} for {limits} limits");
    }
}

#[test]
fn almost_all_of_as_many_live_keys_as_it_was_made_for_are_known() {
    for (limits, max_keys) in [(1, 1_000_000), (2, 100_000), (8, 100_000), (1, 10_000), (1, 1_000), (1, 100)]
    {
        let options = checked(&vec![windowed(2, 86_400_000); limits], max_keys, WhenFull::Admit);
        let limiter = limiter_of(&options);
        assert!(keys(&limiter, 0, max_keys).all(|key| limiter.it.pass(key, &one(1))));
        let known =
            keys(&limiter, 0, max_keys).filter(|key| limiter.peek(*key, &one(0)).limit(0).remaining == 1);
        let known = known.count() as u64;
        assert!(known * 1_000 >= max_keys * 995, "{known} of {max_keys} with {limits} limits");
        let snapshot = limiter.snapshot();
        assert_eq!(snapshot.size, max_keys - snapshot.evicted);
        assert_eq!(known, snapshot.size);
    }
}

#[test]
fn with_as_many_live_keys_as_it_was_made_for_it_admits_at_most_one_percent_too_much() {
    let max_keys = 50_000;
    let limiter = limiter_of(&checked(&[windowed(4, 86_400_000)], max_keys, WhenFull::Admit));
    let mut admitted = 0;
    for _ in 0..10 {
        admitted += keys(&limiter, 0, max_keys).filter(|key| limiter.it.pass(*key, &one(1))).count() as u64;
    }
    let exact = 4 * max_keys;
    assert!(admitted >= exact && admitted * 100 <= exact * 101, "{admitted} of {exact}");
}

#[test]
fn idle_keys_make_room_for_new_ones_without_a_loss() {
    let limiter = limiter_of(&checked(&[windowed(2, 1_000)], 1_000, WhenFull::Admit));
    for wave in 0..100 {
        limiter.at(secs(2 * wave));
        for key in keys(&limiter, wave * 500, wave * 500 + 500) {
            assert!(limiter.it.pass(key, &one(2)) && !limiter.it.pass(key, &one(1)));
        }
    }
    assert_eq!(limiter.snapshot().evicted, 0);
    assert!(limiter.snapshot().size < 2_000, "places are used again");
}

#[test]
fn a_flood_of_keys_evicts_those_closest_to_idle_and_keeps_who_owes_most() {
    let limiter = limiter_of(&checked(&[windowed(10, 60_000)], 1_000, WhenFull::Admit));
    let heavy: Vec<u64> = keys(&limiter, 0, 200).collect();
    for key in &heavy {
        assert!(limiter.it.pass(*key, &one(10)));
    }
    limiter.block(KEY, secs(3_600));
    for key in keys(&limiter, 1_000, 101_000) {
        limiter.it.pass(key, &one(1));
    }
    assert!(limiter.snapshot().evicted > 90_000);
    assert!(limiter.blocked(KEY) > 0);
    let known = heavy.iter().filter(|key| !limiter.it.pass(**key, &one(1))).count();
    assert_eq!(known, heavy.len());
}

#[test]
fn a_new_key_starts_fresh_in_a_full_table_that_admits() {
    let limiter = limiter_of(&checked(&[windowed(10, 60_000)], 10, WhenFull::Admit));
    for key in keys(&limiter, 0, 10_000) {
        assert_eq!(limiter.peek(key, &one(1)).limit(0).remaining, 10);
        assert!(limiter.it.pass(key, &one(5)));
    }
}

/// Keys come back at random, more of them than there is room for: each call that passes would pass an exact bucket of its
/// key for every limit as well.
fn flood(limits: &[Limit], costs: &[u64], max_keys: u64, key_count: u64, every: u64) {
    let limiter = limiter_of(&checked(limits, max_keys, WhenFull::Limit));
    let rates: Vec<_> = limits.iter().map(|limit| limit.rate().unwrap()).collect();
    let keys: Vec<u64> = keys(&limiter, 0, key_count).collect();
    let mut exact = vec![vec![0; limits.len()]; keys.len()];
    let mut random = Rng::seeded(7);
    let mut granted = 0;
    for call in 0..40_000u64 {
        let now = call * every;
        // A third of the calls come from a few keys, which are thus often at their limits.
        let among = if random.next_u64().is_multiple_of(3) { keys.len() / 8 } else { keys.len() };
        let which = (random.next_u64() >> 8) as usize % among;
        if limiter.at(now).pass(keys[which], &Costs::each(costs)) {
            granted += 1;
            for (index, tat) in exact[which].iter_mut().enumerate() {
                let (next, decision) = take(*tat, costs[index], ticks(now), &rates[index]);
                assert_eq!(decision, Decision::Allow, "call {call}, key {which}, limit {index}");
                *tat = next;
            }
        }
    }
    assert!(granted > 1_000 && granted < 39_000, "{granted}");
    assert!(limiter.snapshot().evicted > 0);
}

#[test]
fn a_full_table_that_limits_never_lets_a_key_over_its_limit() {
    for keys in [60, 65, 70, 80, 100, 300] {
        flood(&[windowed(5, 60_000)], &[1], 10, keys, ms(100));
    }
    flood(&[windowed(20, 60_000)], &[1], 10, 100, ms(50));
    flood(&[windowed(5, 60_000)], &[1], 200, 500, ms(20));
}

#[test]
fn a_full_table_that_limits_never_lets_a_key_over_any_of_several_limits() {
    for keys in [80, 90, 100, 150, 300] {
        flood(&[windowed(5, 10_000), windowed(10, 60_000)], &[1, 1], 10, keys, ms(40));
        flood(&[windowed(20, 60_000), windowed(4, 5_000)], &[5, 1], 10, keys, ms(40));
        flood(&[windowed(10, 60_000), windowed(5, 10_000), windowed(2, 1_000)], &[1, 1, 1], 10, keys, ms(40));
    }
}
