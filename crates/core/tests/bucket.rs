//! Stories of one token bucket, on the manual clock.

mod support;

use breakwater_core::{
    bucket::{
        Acquire, Bucket, Decision, Limit, check_initial_tokens,
        model::{self, ticks},
    },
    room::Offer,
};
use proptest as _;
use support::{Ask, OnClock, bucket, bucket_with, ms, nobody, offered, rate, rate_of_nanos, secs};

mod grants {
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
        for (initial, interval, cost, wait) in [(0.0, 10, 10, 100), (0.0, 50, 10, 500), (4.0, 10, 7, 30), (3.0, 10, 3, 0)] {
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
}

mod debts {
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
}

mod reconfigured {
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
}

mod waiters {
    use super::*;

    const HERE: u32 = 1;
    const THERE: u32 = 2;

    fn drained(capacity: u64, window_ms: u64) -> OnClock<Bucket> {
        bucket_with(&rate(capacity, window_ms), 0.0)
    }

    #[test]
    fn who_finds_tokens_does_not_wait() {
        let bucket = bucket(&rate(2, 1_000));
        let (answer, woken) = bucket.acquire(HERE, 2, None);
        assert_eq!(answer, Acquire::Granted);
        assert!(nobody(&woken));
        assert_eq!(bucket.acquire(HERE, 3, None).0, Acquire::Never);
        assert_eq!(bucket.waiting(), 0);
    }

    #[test]
    fn are_served_in_order_of_arrival_over_all_threads() {
        let bucket = drained(10, 1_000);
        let (first, wait) = bucket.join(HERE, 1);
        assert_eq!(wait, ms(100));
        let (second, wait) = bucket.join(THERE, 2);
        assert_eq!(wait, ms(100), "until the head is due");
        let (third, _) = bucket.join(HERE, 1);
        assert_eq!(bucket.waiting(), 3);

        let (next, woken) = bucket.pass(ms(99)).serve();
        assert_eq!(next, Some(ms(1)));
        assert!(nobody(&woken));
        let (next, woken) = bucket.pass(ms(1)).serve();
        assert_eq!(next, Some(ms(200)));
        assert_eq!(woken.offers, [Offer { env: HERE, ticket: first }]);
        let (next, woken) = bucket.pass(ms(300)).serve();
        assert_eq!(next, None);
        assert_eq!(woken.offers, [Offer { env: THERE, ticket: second }, Offer { env: HERE, ticket: third }]);
        assert!([first, second, third].into_iter().all(|ticket| bucket.claim(ticket)));
        assert!(![first, second, third].into_iter().any(|ticket| bucket.claim(ticket)), "once");
        assert_eq!(bucket.waiting(), 0);
    }

    #[test]
    fn a_newcomer_never_passes_a_waiter_even_for_less() {
        let bucket = drained(10, 1_000);
        let (large, _) = bucket.join(HERE, 10);
        bucket.pass(ms(999));
        assert_eq!(bucket.take_alone(1), None);
        assert_eq!(bucket.take(1).0, Decision::RetryAfter(ms(101)));
        assert_eq!(bucket.it.retry_after(1), Decision::RetryAfter(ms(101)));
        assert_eq!(bucket.acquire(THERE, 1, Some(ms(100))).0, Acquire::RetryAfter(ms(101)));
        assert!(bucket.available() > 9.9, "the tokens are there, for the waiter");
        let (decision, woken) = bucket.pass(ms(1)).take(1);
        assert_eq!(decision, Decision::RetryAfter(ms(100)));
        assert_eq!(offered(&woken), [large], "who asks serves those who are due first");
    }

    #[test]
    fn a_newcomer_is_served_in_the_same_call_once_the_line_is_through() {
        let bucket = drained(10, 1_000);
        let (waiter, _) = bucket.join(HERE, 1);
        let (decision, woken) = bucket.pass(ms(200)).take(1);
        assert_eq!(decision, Decision::Allow);
        assert_eq!(offered(&woken), [waiter]);
        assert_eq!(bucket.take_alone(1), Some(Decision::RetryAfter(ms(100))));
    }

    #[test]
    fn a_cost_of_nothing_does_not_pass_the_line_either() {
        let bucket = drained(10, 1_000);
        bucket.join(HERE, 1);
        assert_eq!(bucket.take(0).0, Decision::RetryAfter(ms(100)));
        let (asks, _) = bucket.join(HERE, 0);
        let (_, woken) = bucket.pass(ms(100)).serve();
        assert_eq!(offered(&woken).last(), Some(&asks));
    }

    #[test]
    fn a_refund_serves_the_head_at_once() {
        let bucket = drained(10, 1_000);
        let (first, _) = bucket.join(HERE, 1);
        let (second, _) = bucket.join(THERE, 2);
        let woken = bucket.refund(2);
        assert_eq!(offered(&woken), [first]);
        assert_eq!(woken.replan, [THERE], "the second is due in 100 ms, not in 300");
        assert_eq!(bucket.serve().0, Some(ms(100)));
        let woken = bucket.refund(1);
        assert_eq!(offered(&woken), [second]);
        assert!(woken.replan.is_empty(), "nobody waits");
    }

    #[test]
    fn a_cancelled_head_lets_the_next_move_up_and_replans_every_environment_in_the_line() {
        let bucket = drained(10, 1_000);
        let (head, _) = bucket.join(HERE, 10);
        bucket.join(THERE, 1);
        bucket.join(7, 1);
        let woken = bucket.cancel(head);
        assert!(woken.offers.is_empty());
        assert_eq!(woken.replan, [THERE, 7]);
        assert_eq!(bucket.serve().0, Some(ms(100)));
        assert_eq!(bucket.waiting(), 2);
        assert!(nobody(&bucket.cancel(head)), "a second cancel does nothing");
        assert!(!bucket.claim(head));
    }

    #[test]
    fn a_cancelled_waiter_in_the_middle_takes_its_cost_out_of_the_line() {
        let bucket = drained(10, 1_000);
        let (first, _) = bucket.join(HERE, 1);
        let (middle, _) = bucket.join(HERE, 8);
        let (last, _) = bucket.join(THERE, 1);
        assert_eq!(bucket.it.retry_after(1), Decision::RetryAfter(ms(1_100)));
        bucket.cancel(middle);
        assert_eq!(bucket.it.retry_after(1), Decision::RetryAfter(ms(300)));
        let (_, woken) = bucket.pass(ms(200)).serve();
        assert_eq!(offered(&woken), [first, last]);
    }

    #[test]
    fn what_a_cancelled_waiter_had_been_offered_goes_to_the_next() {
        let bucket = drained(10, 1_000);
        let (first, _) = bucket.join(HERE, 5);
        let (second, _) = bucket.join(THERE, 5);
        let (next, woken) = bucket.pass(ms(500)).serve();
        assert_eq!((next, offered(&woken)), (Some(ms(500)), vec![first]));
        let woken = bucket.cancel(first);
        assert_eq!(woken.offers, [Offer { env: THERE, ticket: second }]);
        assert!(!bucket.claim(first) && bucket.claim(second));
        assert_eq!(bucket.available(), 0.0);
    }

    #[test]
    fn an_environment_that_ends_gives_back_what_it_had_not_claimed_and_leaves_the_line() {
        let bucket = drained(10, 1_000);
        let (claimed, _) = bucket.join(HERE, 1);
        let (unclaimed, _) = bucket.join(HERE, 4);
        let (waiting, _) = bucket.join(HERE, 10);
        let (elsewhere, _) = bucket.join(THERE, 4);
        let (_, woken) = bucket.pass(ms(500)).serve();
        assert_eq!(offered(&woken), [claimed, unclaimed]);
        assert!(bucket.claim(claimed));
        let woken = bucket.env_gone(HERE);
        assert_eq!(woken.offers, [Offer { env: THERE, ticket: elsewhere }]);
        assert!(woken.replan.is_empty());
        assert!(!bucket.claim(unclaimed) && !bucket.claim(waiting));
        assert_eq!((bucket.waiting(), bucket.available()), (0, 0.0));
        assert!(nobody(&bucket.env_gone(HERE)));
    }

    #[test]
    fn replan_names_only_environments_that_still_wait() {
        let bucket = drained(10, 1_000);
        bucket.join(HERE, 1);
        bucket.join(THERE, 5);
        bucket.join(THERE, 1);
        bucket.join(7, 1);
        let woken = bucket.env_gone(7);
        assert_eq!(woken.replan, [HERE, THERE]);
        let woken = bucket.refund(1);
        assert_eq!(woken.replan, [THERE]);
    }

    #[test]
    fn a_smaller_capacity_refuses_the_waiters_that_are_too_large_for_it_at_once() {
        let bucket = drained(10, 1_000);
        let (small, _) = bucket.join(HERE, 1);
        let (large, _) = bucket.join(THERE, 6);
        let (after, _) = bucket.join(HERE, 2);
        let woken = bucket.reconfigure(&rate(5, 1_000));
        assert_eq!(woken.refused, [Offer { env: THERE, ticket: large }]);
        assert_eq!(woken.replan, [HERE]);
        assert!(!bucket.claim(large));
        assert!(nobody(&bucket.cancel(large)));
        assert_eq!(bucket.waiting(), 2);
        let (_, woken) = bucket.pass(ms(600)).serve();
        assert_eq!(offered(&woken), [small, after]);
    }

    #[test]
    fn faster_limits_serve_who_is_due_under_them() {
        let bucket = drained(10, 10_000);
        let (first, wait) = bucket.join(HERE, 5);
        assert_eq!(wait, ms(5_000));
        let (second, _) = bucket.join(THERE, 5);
        let woken = bucket.pass(ms(500)).reconfigure(&rate(100, 1_000));
        assert_eq!(woken.replan, [HERE, THERE]);
        let (next, woken) = bucket.pass(ms(50)).serve();
        assert_eq!((next, offered(&woken)), (Some(ms(50)), vec![first]));
        let (next, woken) = bucket.pass(ms(50)).serve();
        assert_eq!((next, offered(&woken)), (None, vec![second]));
    }

    #[test]
    fn a_line_served_late_gets_no_more_at_once_than_the_bucket_holds() {
        let bucket = drained(5, 1_000);
        let tickets: Vec<_> = (0..20).map(|_| bucket.join(HERE, 1).0).collect();
        // The event loop was blocked for an hour: 18,000 tokens flowed in and all but five of them over the edge.
        let (next, woken) = bucket.pass(secs(3_600)).serve();
        assert_eq!(offered(&woken), tickets[..5]);
        assert_eq!(next, Some(ms(200)));
        assert_eq!(bucket.waiting(), 15);
    }

    #[test]
    fn a_penalty_makes_those_who_wait_wait_longer() {
        let bucket = drained(10, 1_000);
        bucket.join(HERE, 1);
        bucket.penalize(9);
        assert_eq!(bucket.pass(ms(100)).serve().0, Some(ms(900)));
    }

    #[test]
    fn a_wait_longer_than_the_bound_is_refused_at_once_with_its_length() {
        let bucket = drained(10, 1_000);
        assert_eq!(bucket.acquire(HERE, 1, Some(0)).0, Acquire::RetryAfter(ms(100)));
        assert_eq!(bucket.acquire(HERE, 2, Some(ms(199))).0, Acquire::RetryAfter(ms(200)));
        assert!(matches!(bucket.acquire(HERE, 2, Some(ms(200))).0, Acquire::Waiting { .. }));
        // The whole line is waited for, also by who would wait longer than any debt alone says.
        assert_eq!(bucket.acquire(HERE, 10, Some(ms(1_199))).0, Acquire::RetryAfter(ms(1_200)));
    }

    #[test]
    fn a_full_line_refuses_the_newcomer_and_never_who_would_not_wait() {
        let bucket = OnClock::new(|clock| Bucket::new(&rate(10, 1_000), Some(0.0), 2, clock));
        bucket.join(HERE, 1);
        let (second, _) = bucket.join(HERE, 1);
        assert_eq!(bucket.acquire(THERE, 1, None).0, Acquire::RetryAfter(ms(300)));
        bucket.cancel(second);
        bucket.join(THERE, 1);
        let none = OnClock::new(|clock| Bucket::new(&rate(1, 1_000), None, 0, clock));
        assert_eq!(none.acquire(HERE, 1, None).0, Acquire::Granted);
        assert_eq!(none.acquire(HERE, 1, None).0, Acquire::RetryAfter(ms(1_000)));
    }
}
