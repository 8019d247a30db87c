//! The interval between two tokens is rounded to ticks: never a token more than the rate as it was written.

use breakwater_core::{bucket::Limit, clock::Nanos};
use proptest::prelude::*;

use super::{
    cases,
    support::{Ask, bucket, windowed},
};

/// Calls as often as these pauses say, in as large portions as pass; when each token was granted.
fn greedy(limit: &Limit, pauses: &[Nanos]) -> Vec<(Nanos, u64)> {
    let bucket = bucket(&limit.rate().unwrap());
    let capacity = bucket.rate().capacity;
    let mut grants = Vec::new();
    for pause in pauses {
        bucket.pass(*pause);
        for cost in std::iter::successors(Some(capacity), |cost| Some(cost / 2)).take_while(|cost| *cost > 0)
        {
            while bucket.ok(cost) {
                grants.push((bucket.clock.now(), cost));
            }
        }
    }
    grants
}

/// tokens ≤ capacity + rate × span for all pairs, with the rate as the fraction `tokens` per `nanos`, and nothing rounded.
fn check(grants: &[(Nanos, u64)], capacity: u64, tokens: u128, nanos: u128) {
    for (first, (start, _)) in grants.iter().enumerate() {
        let mut granted = 0;
        for (end, cost) in &grants[first..] {
            granted += u128::from(*cost);
            assert!(granted * nanos <= u128::from(capacity) * nanos + tokens * u128::from(end - start));
        }
    }
}

proptest! {
    #![proptest_config(cases(500))]

    #[test]
    fn never_grants_more_than_the_limit_as_it_was_written(
        limit in prop_oneof![1..10u64, 1..5_000u64],
        window_ms in prop_oneof![5..100u64, 5..100_000_000u64],
        pauses in prop::collection::vec(prop_oneof![0..1_000u64, 0..1_000_000_000u64], 1..30),
    ) {
        let grants = greedy(&windowed(limit, window_ms), &pauses);
        check(&grants, limit, u128::from(limit), u128::from(window_ms) * 1_000_000);
    }

    #[test]
    fn never_grants_more_than_the_rate_as_it_was_written_and_hardly_less(
        capacity in 3..100u64,
        per_second in prop_oneof![1..1_000u64, 1..=1_000_000_000u64, 700_000_000..=1_000_000_000u64],
    ) {
        let limit = Limit { capacity: Some(capacity as f64), refill_per_second: Some(per_second as f64), ..Limit::default() };
        let period = 1_000_000_000_u64.div_ceil(per_second);
        let grants = greedy(&limit, &vec![period; 200]);
        check(&grants, capacity, u128::from(per_second), 1_000_000_000);
        let granted = grants.iter().map(|(_, cost)| cost).sum::<u64>() as f64;
        let exact = capacity as f64 + per_second as f64 * (period * 199) as f64 / 1e9;
        prop_assert!(granted >= exact * 0.995 - 2.0, "{granted} of {exact}");
    }
}
