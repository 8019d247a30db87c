//! Limits that are decided together.

use super::*;

fn burst_and_day() -> OnClock<Limiter> {
    limiter(&[windowed(2, 1_000), windowed(5, 86_400_000)])
}

#[test]
fn all_are_charged_or_none_is() {
    let limiter = burst_and_day();
    assert!(limiter.it.pass(KEY, &one(2)));
    let before = limiter.peek(KEY, &one(0));
    for _ in 0..10 {
        assert!(!limiter.it.pass(KEY, &one(1)), "the burst is spent, the day is not");
    }
    let after = limiter.peek(KEY, &one(0));
    assert_eq!(before.limit(1), after.limit(1));
    assert!(limiter.pass(secs(1)).pass(KEY, &one(2)));
    assert!(limiter.pass(secs(1)).pass(KEY, &one(1)));
    assert!(!limiter.pass(secs(1)).pass(KEY, &one(1)), "the day is spent, the burst is not");
    assert_eq!(limiter.peek(KEY, &one(0)).limit(0).remaining, 2);
}

#[test]
fn a_refusal_speaks_of_the_limit_with_the_longest_wait() {
    let limiter = burst_and_day();
    limiter.charge(KEY, &one(2));
    let verdict = limiter.charge(KEY, &one(1));
    assert_eq!(verdict.deciding(), 0);
    assert_eq!(told(&verdict), (false, 0, secs(1), Some(ms(500))));
    assert_eq!(verdict.limit(1).retry_after, Some(0), "this one alone would let it pass");
    limiter.pass(secs(1)).charge(KEY, &one(2));
    limiter.pass(secs(1)).charge(KEY, &one(1));
    limiter.pass(secs(1));
    assert_eq!(limiter.charge(KEY, &one(1)).deciding(), 1);
    let verdict = limiter.charge(KEY, &one(3));
    assert_eq!((verdict.deciding(), verdict.limit(0).retry_after), (0, None), "never is the longest");
    assert!(verdict.limit(1).retry_after.is_some());
}

#[test]
fn a_grant_speaks_of_the_limit_with_the_smallest_share_left() {
    let limiter = limiter(&[windowed(10, 1_000), windowed(4, 1_000), windowed(2, 1_000)]);
    let verdict = limiter.charge(KEY, &Costs::each(&[1, 1, 1]));
    assert_eq!(verdict.deciding(), 2);
    let verdict = limiter.charge(OTHER, &Costs::each(&[5, 2, 1]));
    assert_eq!(verdict.deciding(), 0, "the first on a tie");
    let verdict = limiter.charge(OTHER, &Costs::each(&[0, 1, 0]));
    assert_eq!((verdict.deciding(), verdict.limit(1).remaining), (1, 1));
}

#[test]
fn each_limit_can_have_a_cost_of_its_own() {
    let limiter = limiter(&[windowed(3, 1_000), windowed(1_000, 1_000)]);
    let verdict = limiter.charge(KEY, &Costs::each(&[1, 700]));
    assert_eq!([0, 1].map(|index| verdict.limit(index).remaining), [2, 300]);
    let verdict = limiter.charge(KEY, &Costs::each(&[1, 301]));
    assert!(!verdict.allowed);
    assert_eq!([0, 1].map(|index| verdict.limit(index).remaining), [2, 300]);
    let verdict = limiter.charge(KEY, &Costs::each(&[2]));
    assert_eq!([0, 1].map(|index| verdict.limit(index).remaining), [0, 300]);
}

// governor, bucket4j: delay of 3 with {10/100 ns, 1 left} and {5/10 ns, 2 left} is 20, in either order.
#[test]
fn the_wait_is_the_longest_of_all_limits() {
    let fast = Limit { capacity: Some(5.0), refill_per_second: Some(5e8), ..Limit::default() };
    let slow = Limit { capacity: Some(10.0), refill_per_second: Some(1e8), ..Limit::default() };
    for (limits, spent) in [([slow.clone(), fast.clone()], [9, 3]), ([fast, slow], [3, 9])] {
        let limiter = limiter(&limits);
        limiter.penalize(KEY, &Costs::each(&spent));
        assert_eq!(told(&limiter.charge(KEY, &one(3))).3, Some(20));
    }
}

#[test]
fn eight_limits_are_kept_apart() {
    let limits: Vec<_> = (1..=8).map(|limit| windowed(limit * 10, 60_000)).collect();
    let limiter = limiter(&limits);
    for key in 0..100u64 {
        let hash = limiter.hash(&key.to_le_bytes());
        let costs: Vec<_> = (1..=8).map(|index| (index + key) % 10).collect();
        let verdict = limiter.charge(hash, &Costs::each(&costs));
        assert_eq!(verdict.len(), 8);
        for (index, cost) in costs.iter().enumerate() {
            let left = (index as u64 + 1) * 10 - cost;
            assert_eq!(verdict.limit(index).remaining, left);
        }
    }
    assert!(Options { limits: vec![windowed(1, 1); 9], ..Options::default() }.check().is_err());
    assert!(Options::default().check().is_err());
}
