//! The line of those who wait.

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
    assert_eq!(woken.refused, [(Offer { env: THERE, ticket: large }, Why::TooMuch)]);
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

#[test]
fn an_offer_that_is_given_back_late_gives_back_what_time_has_not() {
    let bucket = drained(5, 1_000);
    let (ticket, _) = bucket.join(HERE, 5);
    assert_eq!(offered(&bucket.pass(ms(1_000)).serve().1), [ticket]);
    // Three seconds later the bucket is full again, and a newcomer takes three of its five.
    assert!(bucket.pass(ms(3_000)).take(3).0 == Decision::Allow);
    bucket.cancel(ticket);
    assert_eq!(bucket.available(), 2.0, "as if the first had never waited: no eight in one instant");
}

#[test]
fn an_offer_made_before_the_limits_changed_gives_nothing_back() {
    let bucket = drained(5, 1_000);
    let (ticket, _) = bucket.join(HERE, 5);
    bucket.pass(ms(1_000)).serve();
    bucket.reconfigure(&rate(5, 2_000));
    let before = bucket.available();
    bucket.cancel(ticket);
    assert_eq!(bucket.available(), before);
}
