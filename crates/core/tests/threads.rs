//! Four threads of the system on one bucket, one limiter and one breaker. The only tests on the real clock; what they assert holds whatever
//! the machine does meanwhile.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test may fail where it stands")]

mod support;

use std::{
    slice,
    sync::{
        Barrier,
        atomic::{AtomicU64, Ordering},
    },
    thread,
};

use breakwater_core::{
    breaker::{Breaker, Options, Outcome, Thresholds},
    bucket::{Bucket, Decision, Limit, Rate},
    clock::{Clock, Nanos},
    limiter::{Costs, Limiter, WhenFull},
    rng::Rng,
};
use support::{
    CLOSED, Call, HALF_OPEN, OPEN, breaker, bucket, checked, count_window, ms, rate, secs, windowed,
};

const THREADS: u64 = 4;
const DAY_MS: u64 = 86_400_000;

/// What four threads answer in all.
fn sum(work: impl Fn(u64) -> u64 + Sync) -> u64 {
    thread::scope(|scope| {
        let threads: Vec<_> = (0..THREADS)
            .map(|thread| {
                scope.spawn({
                    let work = &work;
                    move || work(thread)
                })
            })
            .collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).sum()
    })
}

/// How often it passed before so much time was gone.
fn count(clock: &Clock, span: Nanos, mut pass: impl FnMut() -> bool) -> u64 {
    let end = clock.now() + span;
    let mut passed = 0;
    while clock.now() < end {
        passed += u64::from(pass());
    }
    passed
}

#[test]
fn four_threads_get_no_more_of_a_bucket_than_it_holds_and_what_flows_in() {
    let clock = Clock::monotonic();
    let rate =
        Limit { capacity: Some(50.0), refill_per_second: Some(20_000.0), ..Limit::default() }.rate().unwrap();
    let bucket = Bucket::new(&rate, None, 0, clock.clone());
    let start = clock.now();
    let granted = sum(|_| count(&clock, ms(200), || bucket.take(1).0 == Decision::Allow));
    let most = 50.0 + 20_000.0 * (clock.now() - start) as f64 / 1e9;
    assert!(granted as f64 <= most, "{granted} of {most}");
    assert!(granted > 50);
}

#[test]
fn of_a_bucket_that_does_not_refill_four_threads_get_exactly_what_it_holds() {
    let bucket = Bucket::new(&rate(10_000, 180 * DAY_MS), None, 0, Clock::monotonic());
    let granted = sum(|thread| {
        (0..20_000).filter(|_| bucket.take(1 + thread % 2).0 == Decision::Allow).count() as u64
            * (1 + thread % 2)
    });
    assert_eq!(granted, 10_000);
}

#[test]
fn what_four_threads_take_and_give_back_is_there_again() {
    let bucket =
        Bucket::new(&Rate { interval: 256 * 86_400_000_000_000, capacity: 100 }, None, 0, Clock::monotonic());
    sum(|_| {
        for _ in 0..20_000 {
            if bucket.take(3).0 == Decision::Allow {
                bucket.refund(3);
            }
        }
        0
    });
    assert!(bucket.available() > 99.99);
}

// governor: actual_threadsafety
#[test]
fn twenty_threads_get_one_token_each_and_the_next_one_when_it_has_flowed_in() {
    let bucket = bucket(&rate(20, 1_000));
    thread::scope(|scope| {
        for _ in 0..20 {
            scope.spawn(|| assert_eq!(bucket.take(1).0, Decision::Allow));
        }
    });
    assert_ne!(bucket.pass(ms(2)).take(1).0, Decision::Allow);
    assert_eq!(bucket.pass(ms(998)).take(1).0, Decision::Allow);
}

// golang.org/x/time/rate: TestSimultaneousRequests
#[test]
fn of_fifteen_threads_five_get_a_token_of_five() {
    let bucket = bucket(&rate(5, 1_000));
    let granted = AtomicU64::new(0);
    thread::scope(|scope| {
        for _ in 0..15 {
            scope.spawn(|| {
                granted.fetch_add(u64::from(bucket.take(1).0 == Decision::Allow), Ordering::Relaxed)
            });
        }
    });
    assert_eq!(granted.into_inner(), 5);
}

fn limiter(limits: &[Limit], max_keys: u64, when_full: WhenFull, clock: &Clock) -> Limiter {
    Limiter::new(&checked(limits, max_keys, when_full), clock.clone(), &mut Rng::seeded(1)).unwrap()
}

#[test]
fn four_threads_get_no_more_of_a_key_than_its_limits_allow() {
    let clock = Clock::monotonic();
    let limits = [windowed(50, 5), windowed(400, 100)];
    let limiter = limiter(&limits, 1_000, WhenFull::Admit, &clock);
    let start = clock.now();
    let granted = sum(|_| count(&clock, ms(200), || limiter.pass(7, &Costs::same(1))));
    let millis = (clock.now() - start) as f64 / 1e6;
    assert!(granted as f64 <= (50.0 + 10.0 * millis).min(400.0 + 4.0 * millis), "{granted} in {millis} ms");
    assert!(granted > 400);
}

#[test]
fn of_keys_that_do_not_refill_four_threads_get_exactly_their_limits() {
    let clock = Clock::monotonic();
    let limiter = limiter(
        &[windowed(3_000, 180 * DAY_MS), windowed(2_000, 180 * DAY_MS)],
        1_000,
        WhenFull::Admit,
        &clock,
    );
    // Keys of one line, so that threads meet at the line as well as at the key.
    let granted = sum(|_| {
        (0..40_000u64)
            .filter(|call| {
                limiter.pass(0x1234_5678_0000_0000 | ((call % 4 + 1) * 0x0101_0101), &Costs::same(1))
            })
            .count() as u64
    });
    assert_eq!(granted, 4 * 2_000);
}

#[test]
fn charges_lost_by_none_while_limits_change_and_keys_come_and_go() {
    let clock = Clock::monotonic();
    let day = windowed(1_000_000, DAY_MS);
    let limiter = limiter(slice::from_ref(&day), 2_000, WhenFull::Admit, &clock);
    let keys: Vec<u64> = (0..1_000u64).map(|key| limiter.hash(&key.to_le_bytes())).collect();
    sum(|thread| {
        for round in 0..20 {
            if thread == 0 && round % 2 == 0 {
                limiter.reconfigure(slice::from_ref(&day)).unwrap();
            }
            for key in &keys {
                assert!(limiter.pass(*key, &Costs::same(10)));
            }
        }
        0
    });
    for key in keys {
        // Eleven tokens flow in each second.
        let left = limiter.peek(key, &Costs::same(0)).limit(0).remaining;
        assert!((999_200..999_200 + 700).contains(&left), "{left}");
    }
}

#[test]
fn a_full_table_that_limits_lets_no_key_over_its_limit_in_four_threads() {
    let clock = Clock::monotonic();
    let limiter = limiter(&[windowed(3, DAY_MS)], 100, WhenFull::Limit, &clock);
    let keys: Vec<u64> = (0..400u64).map(|key| limiter.hash(&key.to_le_bytes())).collect();
    let granted: Vec<AtomicU64> = keys.iter().map(|_| AtomicU64::new(0)).collect();
    sum(|thread| {
        let mut random = Rng::seeded(thread);
        for _ in 0..20_000 {
            let which = (random.next_u64() >> 8) as usize % keys.len();
            let passed = limiter.pass(keys[which], &Costs::same(1));
            granted[which].fetch_add(u64::from(passed), Ordering::Relaxed);
        }
        0
    });
    assert!(limiter.snapshot().evicted > 0);
    assert!(granted.into_iter().all(|granted| granted.into_inner() <= 3));
}

#[test]
fn of_four_threads_at_the_half_open_instant_exactly_the_probes_get_through() {
    for probes in [1, 3] {
        let breaker = breaker(count_window(10), probes, Thresholds::default());
        let (begin, end) = (Barrier::new(THREADS as usize), Barrier::new(THREADS as usize));
        let admitted = AtomicU64::new(0);
        let right = sum(|thread| {
            let mut right = 0;
            for round in 1..=100 {
                if thread == 0 {
                    breaker.force_open(None);
                    breaker.pass(secs(5));
                }
                begin.wait();
                let permits = (0..3).filter_map(|_| breaker.enter(thread as u32)).count() as u64;
                admitted.fetch_add(permits, Ordering::Relaxed);
                end.wait();
                if thread == 0 && admitted.load(Ordering::Relaxed) == round * probes {
                    right += u64::from(breaker.state() == HALF_OPEN);
                }
            }
            right
        });
        assert_eq!(right, 100);
    }
}

#[test]
fn what_four_threads_say_is_counted_to_the_last_call() {
    let breaker = breaker(
        count_window(10_000),
        1,
        Thresholds { failure_rate_threshold: Some(None), ..Thresholds::default() },
    );
    sum(|thread| {
        for call in 0..2_500 {
            let permit = breaker.let_in();
            breaker.tell(permit, if (call + thread) % 5 == 0 { Outcome::Failure } else { Outcome::Success });
        }
        0
    });
    assert_eq!((breaker.state(), breaker.counted()), (CLOSED, (10_000, 2_000)));
}

#[test]
fn of_four_threads_that_fail_a_closed_breaker_one_opens_it() {
    for _ in 0..100 {
        let breaker = breaker(count_window(100), 1, Thresholds::default());
        let opened = sum(|_| {
            let fail = |_| breaker.enter(1).is_some_and(|permit| breaker.tell(permit, Outcome::Failure));
            (0..100).map(fail).filter(|opened| *opened).count() as u64
        });
        assert_eq!((opened, breaker.state(), breaker.counted()), (1, OPEN, (20, 20)));
    }
}

#[test]
fn nobody_gets_through_before_a_break_is_over_and_one_does_then() {
    let clock = Clock::monotonic();
    let breaker = Breaker::new(&Options::default().check().unwrap(), clock.clone());
    for _ in 0..3 {
        let begin = clock.now();
        breaker.force_open(Some(ms(70)));
        let admitted = sum(|thread| {
            count(&clock, ms(75), || {
                let permit = breaker.enter(thread as u32);
                assert!(permit.is_none() || clock.now() >= begin + ms(70));
                permit.is_some()
            })
        });
        // Once more, for a machine that was busy with something else for all of the time after the break.
        assert_eq!(admitted + u64::from(breaker.enter(9).is_some()), 1);
    }
}
