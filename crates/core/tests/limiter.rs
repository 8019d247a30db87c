//! Stories of the keyed limiter, on the manual clock.

mod support;

use breakwater_core::{
    bucket::{
        Decision, Limit,
        model::{take, ticks},
    },
    limiter::{Costs, Limiter, Options, Reservation, Reserve, Verdict, WhenFull},
    rng::Rng,
};
use proptest as _;
use support::{OnClock, checked, limiter, limiter_of, ms, secs, windowed};

const KEY: u64 = 0x1234_5678_9ABC_DEF0;
const OTHER: u64 = 0x0FED_CBA9_8765_4321;

fn one(cost: u64) -> Costs {
    Costs::same(cost)
}

/// allowed, remaining, reset, retry after: what the deciding limit says.
type Told = (bool, u64, u64, Option<u64>);

fn told(verdict: &Verdict) -> Told {
    let state = verdict.limit(verdict.deciding());
    (verdict.allowed, state.remaining, state.reset, state.retry_after)
}

fn granted(answer: Reserve) -> (u64, Reservation) {
    match answer {
        Reserve::After(wait, reservation) => (wait, reservation),
        Reserve::Refused(verdict) => panic!("expected a reservation, got {:?}", told(&verdict)),
    }
}

fn refused(answer: Reserve) -> Told {
    match answer {
        Reserve::Refused(verdict) => told(&verdict),
        Reserve::After(wait, _) => panic!("expected a refusal, got a wait of {wait}"),
    }
}

/// Reserves and says when it may be done.
fn acts_at(limiter: &OnClock<Limiter>, cost: u64) -> (u64, Reservation) {
    let (wait, reservation) = granted(limiter.reserve(KEY, &one(cost), None));
    (limiter.clock.now() + wait, reservation)
}

mod one_limit {
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
}

mod several_limits {
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
}

mod debts {
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
}

mod blocks {
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
}

mod reservations {
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
        limiter.reconfigure(&[Limit { capacity: Some(3.0), refill_per_second: Some(10.0), ..Limit::default() }]).unwrap();
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
        let options =
            Options { limits: vec![windowed(1, 1_000)], max_waiters: Some(2.0), ..Options::default() };
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
}

mod reconfigured {
    use super::*;

    #[test]
    fn keys_keep_their_time_until_full() {
        let limiter = limiter(&[windowed(10, 1_000)]);
        limiter.charge(KEY, &one(5));
        limiter.reconfigure(&[windowed(100, 1_000)]).unwrap();
        assert_eq!(told(&limiter.peek(KEY, &one(1))), (true, 50, ms(500), Some(0)));
        limiter.reconfigure(&[windowed(2, 1_000)]).unwrap();
        assert_eq!(told(&limiter.peek(KEY, &one(1))), (true, 1, ms(500), Some(0)));
        assert_eq!(told(&limiter.peek(OTHER, &one(1))), (true, 2, 0, Some(0)));
    }

    #[test]
    fn keys_wait_at_most_as_long_as_an_empty_bucket_of_the_new_limits() {
        let limiter = limiter(&[windowed(1, 86_400_000)]);
        limiter.charge(KEY, &one(1));
        limiter.reconfigure(&[windowed(10, 1_000)]).unwrap();
        assert_eq!(told(&limiter.charge(KEY, &one(1))), (false, 0, ms(1_000), Some(ms(100))));
    }

    #[test]
    fn a_key_nobody_touches_between_two_changes_follows_both() {
        let limiter = limiter(&[windowed(100, 100_000)]);
        limiter.charge(KEY, &one(100));
        limiter.reconfigure(&[windowed(1, 1_000)]).unwrap();
        limiter.at(ms(400)).reconfigure(&[windowed(100, 100_000)]).unwrap();
        assert_eq!(told(&limiter.peek(KEY, &one(0))), (true, 99, ms(600), Some(0)), "capped at 1 s, then 0.4 s went by");
        limiter.at(ms(1_000));
        assert_eq!(told(&limiter.peek(KEY, &one(0))), (true, 100, 0, Some(0)));
    }

    #[test]
    fn a_key_charged_after_a_change_is_not_capped_by_it_again() {
        let limiter = limiter(&[windowed(1, 1_000)]);
        limiter.reconfigure(&[windowed(1, 500)]).unwrap();
        limiter.reconfigure(&[windowed(100, 100_000)]).unwrap();
        limiter.charge(KEY, &one(100));
        limiter.at(secs(1)).reconfigure(&[windowed(100, 100_000)]).unwrap();
        assert_eq!(told(&limiter.peek(KEY, &one(0))).2, secs(99));
    }

    #[test]
    fn hundreds_of_changes_with_a_line_untouched_in_between_count_each_once() {
        for changes in [1, 31, 32, 33, 63, 64, 65, 127, 128, 129, 300] {
            let limiter = limiter(&[windowed(1_000, 1_000_000)]);
            limiter.charge(KEY, &one(1_000));
            for change in 0..changes {
                // Somewhere among them the window shrinks to 10 s for a moment.
                let window = if change == changes / 2 { 10_000 } else { 1_000_000 };
                limiter.pass(ms(1)).reconfigure(&[windowed(1_000, window)]).unwrap();
            }
            let since = ms(changes - changes / 2 - 1);
            assert_eq!(limiter.peek(KEY, &one(0)).limit(0).reset, secs(10) - since, "{changes} changes");
        }
    }

    #[test]
    fn changes_far_apart_do_not_mistake_an_old_cap_for_a_new_one() {
        let limiter = limiter(&[windowed(10, 1_000)]);
        for _ in 0..200 {
            limiter.pass(secs(3_600)).reconfigure(&[windowed(10, 10_000)]).unwrap();
            assert!(limiter.it.pass(KEY, &one(10)));
            limiter.reconfigure(&[windowed(10, 10_000)]).unwrap();
            assert_eq!(told(&limiter.charge(KEY, &one(1))), (false, 0, secs(10), Some(secs(1))));
        }
    }

    #[test]
    fn every_limit_is_capped_for_itself() {
        let limiter = limiter(&[windowed(1, 1_000), windowed(10, 86_400_000)]);
        limiter.penalize(KEY, &Costs::each(&[1, 10]));
        limiter.reconfigure(&[windowed(1, 500), windowed(10, 60_000)]).unwrap();
        let verdict = limiter.peek(KEY, &one(0));
        assert_eq!([0, 1].map(|index| verdict.limit(index).reset), [ms(500), secs(60)]);
    }

    #[test]
    fn the_number_of_limits_is_a_shape() {
        let limiter = limiter(&[windowed(1, 1_000)]);
        for wrong in [vec![], vec![windowed(1, 1_000); 2], vec![windowed(0, 1_000)]] {
            assert!(limiter.reconfigure(&wrong).is_err());
        }
        let said = limiter.reconfigure(&vec![windowed(1, 1_000); 2]).unwrap_err().to_string();
        assert_eq!(said, "limits must be as many limits as the limiter was made with, got 2");
        assert!(limiter.it.pass(KEY, &one(1)) && !limiter.it.pass(KEY, &one(1)), "nothing changed");
    }
}

mod full {
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
        for (limits, max_keys) in [(1, 1_000_000), (2, 100_000), (8, 100_000), (1, 10_000), (1, 1_000), (1, 100)] {
            let options = checked(&vec![windowed(2, 86_400_000); limits], max_keys, WhenFull::Admit);
            let limiter = limiter_of(&options);
            assert!(keys(&limiter, 0, max_keys).all(|key| limiter.it.pass(key, &one(1))));
            let known = keys(&limiter, 0, max_keys).filter(|key| limiter.peek(*key, &one(0)).limit(0).remaining == 1);
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
            let among = if random.next_u64() % 3 == 0 { keys.len() / 8 } else { keys.len() };
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
}

mod exported {
    use super::*;

    const WALL: u64 = 1_700_000_000_000;

    fn carried(from: &Limiter, to: &Limiter, away_ms: u64) -> bool {
        to.restore_at(&from.export_at(WALL), WALL + away_ms).unwrap()
    }

    #[test]
    fn keys_and_blocks_go_on_where_they_were_less_the_time_between() {
        let old = limiter(&[windowed(10, 60_000)]);
        old.at(secs(1_000));
        for key in 0..500u64 {
            old.charge(old.hash(&key.to_le_bytes()), &one(key % 10 + 1));
        }
        old.block(old.hash(b"blocked"), secs(100));
        old.penalize(old.hash(b"in debt"), &one(30));

        let new = limiter(&[windowed(10, 60_000)]);
        assert!(carried(&old, &new, 20_000));
        old.pass(secs(20));
        for key in 0..500u64 {
            assert_eq!(new.hash(&key.to_le_bytes()), old.hash(&key.to_le_bytes()), "the hash key is carried");
            let hash = new.hash(&key.to_le_bytes());
            assert_eq!(told(&new.peek(hash, &one(1))), told(&old.peek(hash, &one(1))), "key {key}");
        }
        assert_eq!(new.blocked(new.hash(b"blocked")), secs(80));
        assert_eq!(told(&new.peek(new.hash(b"in debt"), &one(1))).2, secs(160));
        new.pass(secs(80));
        assert!(new.it.pass(new.hash(b"blocked"), &one(1)));
    }

    #[test]
    fn several_limits_and_keys_that_overflowed_are_carried() {
        for limits in 1..=8 {
            let limits: Vec<_> = (1..=limits).map(|limit| windowed(4, limit * 10_000)).collect();
            let options = checked(&limits, 200, WhenFull::Admit);
            let (old, new) = (limiter_of(&options), limiter_of(&options));
            let keys: Vec<u64> = (0..200u64).map(|key| old.hash(&key.to_le_bytes())).collect();
            for key in &keys {
                old.charge(*key, &one(3));
            }
            assert!(carried(&old, &new, 0));
            assert_eq!(new.snapshot().size, old.snapshot().size);
            for key in &keys {
                for index in 0..limits.len() {
                    assert_eq!(new.peek(*key, &one(1)).limit(index), old.peek(*key, &one(1)).limit(index));
                }
            }
            for key in &keys {
                assert_eq!(new.it.pass(*key, &one(2)), old.it.pass(*key, &one(2)));
            }
        }
    }

    #[test]
    fn a_clock_that_went_back_counts_as_no_time_and_a_year_as_long_enough() {
        let old = limiter(&[windowed(10, 60_000)]);
        old.charge(KEY, &one(10));
        let bytes = old.export_at(WALL);
        let back = limiter(&[windowed(10, 60_000)]);
        assert!(back.restore_at(&bytes, WALL - 5_000).unwrap());
        assert_eq!(told(&back.peek(KEY, &one(1))).2, secs(60));
        for away in [365 * 86_400_000, u64::MAX / 2] {
            let later = limiter(&[windowed(10, 60_000)]);
            assert!(later.restore_at(&bytes, WALL + away).unwrap());
            assert!(later.it.pass(KEY, &one(10)));
        }
    }

    #[test]
    fn other_limits_bound_what_is_carried() {
        let old = limiter(&[windowed(10, 86_400_000)]);
        old.charge(KEY, &one(10));
        let new = limiter(&[windowed(10, 1_000)]);
        assert!(carried(&old, &new, 0));
        assert_eq!(told(&new.peek(KEY, &one(1))), (false, 0, secs(1), Some(ms(100))));
    }

    #[test]
    fn a_key_that_no_call_has_touched_since_the_limits_changed_is_carried_as_they_made_it() {
        let old = limiter(&[windowed(10, 86_400_000)]);
        old.charge(KEY, &one(10));
        old.reconfigure(&[windowed(10, 10_000)]).unwrap();
        old.pass(secs(4));
        let new = limiter(&[windowed(10, 86_400_000)]);
        assert!(carried(&old, &new, 0));
        assert_eq!(new.peek(KEY, &one(0)).limit(0).reset, secs(6));
    }

    #[test]
    fn another_shape_is_refused_and_nothing_changes() {
        let old = limiter(&[windowed(10, 60_000)]);
        old.charge(KEY, &one(10));
        let two = limiter(&vec![windowed(10, 60_000); 2]);
        assert!(!carried(&old, &two, 0));
        let larger = limiter_of(&checked(&[windowed(10, 60_000)], 2_000, WhenFull::Admit));
        assert!(!carried(&old, &larger, 0));
        assert!(two.it.pass(KEY, &one(10)) && larger.it.pass(KEY, &one(10)));
    }

    #[test]
    fn a_limiter_that_has_counted_restores_nothing() {
        let old = limiter(&[windowed(10, 60_000)]);
        old.charge(KEY, &one(10));
        let new = limiter(&[windowed(10, 60_000)]);
        new.charge(OTHER, &one(1));
        assert!(!carried(&old, &new, 0));
        assert!(new.it.pass(KEY, &one(1)));
        let fresh = limiter(&[windowed(10, 60_000)]);
        assert!(carried(&old, &fresh, 0));
        assert!(!carried(&old, &fresh, 0), "once");
    }

    #[test]
    fn bytes_that_export_did_not_give_are_an_error_and_change_nothing() {
        let old = limiter(&[windowed(10, 60_000)]);
        old.charge(KEY, &one(10));
        old.charge(OTHER, &one(10));
        let bytes = old.export_at(WALL);
        let new = limiter(&[windowed(10, 60_000)]);
        let hash = new.hash(b"a");
        for len in 0..bytes.len() {
            assert!(new.restore_at(&bytes[..len], WALL).is_err(), "{len} of {} bytes", bytes.len());
        }
        for at in 0..bytes.len() {
            let mut wrong = bytes.clone();
            wrong[at] ^= 0x10;
            assert!(new.restore_at(&wrong, WALL).is_err(), "byte {at}");
        }
        let said = new.restore_at(b"[]", WALL).unwrap_err().to_string();
        assert_eq!(said, "bytes must be the bytes that export() gave, got 2 other bytes");
        assert_eq!((new.snapshot().size, new.hash(b"a")), (0, hash));
        assert!(new.restore_at(&bytes, WALL).unwrap());
    }

    #[test]
    fn an_idle_limiter_exports_no_keys() {
        let old = limiter(&[windowed(10, 1_000)]);
        old.charge(KEY, &one(10));
        old.pass(secs(1));
        assert_eq!(old.export_at(WALL), limiter(&[windowed(10, 1_000)]).export_at(WALL));
    }

    #[test]
    fn a_million_refusals_write_nothing() {
        let limiter = limiter(&[windowed(1, 86_400_000)]);
        assert!(limiter.it.pass(KEY, &one(1)));
        let before = limiter.export_at(WALL);
        for _ in 0..300_000 {
            assert!(!limiter.it.pass(KEY, &one(1)));
            assert!(!limiter.charge(KEY, &one(1)).allowed);
            assert!(matches!(limiter.reserve(KEY, &one(1), Some(0)), Reserve::Refused(_)));
        }
        assert!(limiter.export_at(WALL) == before);
    }
}
