//! Stories of one load shedder, on the manual clock.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test may fail where it stands")]

mod support;

use breakwater_core::{
    clock::Nanos,
    rng::Rng,
    shedder::{
        Bounds, Decision, Measure, Options, PRIORITIES, Readings, Shedder, check_priority,
        model::{self, Share, State, decide, load, retry_after, starts_at},
    },
};
use support::{OnClock, ms};

const EVERY: Nanos = 200_000_000;

fn delayed(delay_ms: f64) -> Readings {
    Readings { event_loop_delay_ms: Some(delay_ms), ..Readings::default() }
}

/// May be 100 ms late.
fn shedder() -> OnClock<Shedder> {
    let options = Options { max_event_loop_delay_ms: Some(100.0), ..Options::default() };
    OnClock::new(|clock| Shedder::new(options.check().unwrap(), EVERY, clock, Rng::seeded(7)))
}

/// So many samples, each after the time of one.
fn sample(shedder: &mut OnClock<Shedder>, delay_ms: f64, times: usize) {
    for _ in 0..times {
        shedder.pass(EVERY);
        shedder.it.sample(&delayed(delay_ms));
    }
}

/// How many of `calls` of a priority are refused.
fn refused(shedder: &mut OnClock<Shedder>, priority: usize, calls: usize) -> usize {
    (0..calls).filter(|_| shedder.it.enter(priority) == Decision::Refuse).count()
}

#[test]
fn a_process_that_is_well_refuses_nothing() {
    let mut shedder = shedder();
    sample(&mut shedder, 79.0, 20);
    for priority in 0..PRIORITIES {
        assert_eq!(refused(&mut shedder, priority, 100), 0);
    }
    assert!(shedder.pressure() < 0.8);
}

#[test]
fn one_long_block_refuses_nobody_and_is_forgotten() {
    // A loop that has just recovered from a block has time: to refuse for a whole interval what comes then helps nobody.
    let mut shedder = shedder();
    sample(&mut shedder, 5.0, 5);
    sample(&mut shedder, 30_000.0, 1);
    assert!((0.4..0.5).contains(&shedder.pressure()));
    assert_eq!(refused(&mut shedder, 0, 100), 0);
    sample(&mut shedder, 5.0, 20);
    assert!(shedder.pressure() < 0.2);
    // Well below its bound, it is not the default priority that pays.
    sample(&mut shedder, 60.0, 20);
    sample(&mut shedder, 30_000.0, 1);
    assert_eq!(refused(&mut shedder, 5, 100), 0);
    assert!(refused(&mut shedder, 0, 100) > 0);
}

#[test]
fn a_lasting_overload_is_shed_from_the_bottom_up() {
    let mut shedder = shedder();
    let mut full = Vec::new();
    for _ in 0..9 {
        sample(&mut shedder, 150.0, 1);
        full.push((0..PRIORITIES).filter(|priority| refused(&mut shedder, *priority, 20) == 20).count());
    }
    assert!(full.is_sorted(), "{full:?}");
    // After half a second only the least important are all refused; within two seconds everything is.
    assert!(full[1] < 5, "{full:?}");
    assert_eq!(full[8], PRIORITIES, "{full:?}");
    assert_eq!(shedder.pressure(), 1.0);
}

#[test]
fn at_the_bound_lower_priorities_are_refused_more_and_the_highest_only_above_it() {
    let mut shedder = shedder();
    sample(&mut shedder, 99.5, 12);
    assert!((50..60).contains(&refused(&mut shedder, 0, 100)));
    assert!((30..38).contains(&refused(&mut shedder, 5, 100)));
    assert_eq!(refused(&mut shedder, 9, 100), 0, "9 is shed at the bound and above, never below");
    sample(&mut shedder, 101.0, 12);
    assert!((17..25).contains(&refused(&mut shedder, 9, 100)));
}

#[test]
fn of_calls_refused_at_a_rate_that_share_is_spread() {
    let mut chance = Rng::seeded(7);
    for rate in [0.1, 0.3, 0.5, 0.77, 0.99] {
        let mut share = Share::new(chance.unit());
        let (mut sum, mut refused) = (0.0, 0.0);
        for _ in 0..10_000 {
            let (next, refuse) = decide(share, rate, || chance.unit());
            share = next;
            sum += rate;
            refused += f64::from(u8::from(refuse));
            assert!((sum - refused).abs() <= 1.0 + 1e-6, "{rate}: {refused} of {sum}");
        }
    }
    // Wherever the point of a unit lies.
    for share in [Share::new(0.0), Share::new(0.999), Share { sum: 0.5, at: 1.99 }] {
        let mut share = share;
        for _ in 0..100 {
            let (next, refuse) = decide(share, 1.0, || chance.unit());
            assert!(refuse);
            share = next;
        }
        assert!(share.sum < 3.0 && share.at < 3.0, "{share:?}");
    }
}

#[test]
fn who_calls_in_a_rhythm_is_refused_like_everybody() {
    // A deterministic share of a half would refuse the second of two callers that take turns, always.
    for (callers, rate) in [(2, 0.5), (4, 0.25), (5, 0.2), (3, 2.0 / 3.0)] {
        let mut chance = Rng::seeded(7);
        let mut share = Share::new(chance.unit());
        let mut refused = vec![0usize; callers];
        for call in 0..6_000 * callers {
            let (next, refuse) = decide(share, rate, || chance.unit());
            share = next;
            refused[call % callers] += usize::from(refuse);
        }
        let fair = 6_000.0 * rate;
        assert!(refused.iter().all(|count| (*count as f64 - fair).abs() < 0.1 * fair), "{rate}: {refused:?}");
    }
}

#[test]
fn a_load_that_falls_and_is_still_far_above_the_bound_raises_the_pressure_all_the_same() {
    let mut shedder = shedder();
    let mut delay_ms = 10_000.0;
    for _ in 0..20 {
        sample(&mut shedder, delay_ms, 1);
        refused(&mut shedder, 0, 5);
        delay_ms *= 0.97;
    }
    assert_eq!(shedder.figures().rates[5], 1.0);
    assert!(delay_ms > 5_000.0);
    assert_eq!(
        model::sample(&State { pressure: 0.85, load: 9.0, ..State::default() }, 3.0, true, 0).pressure,
        0.85
    );
}

#[test]
fn the_pressure_waits_for_a_falling_load_only_while_something_is_refused() {
    let state = State { pressure: 0.85, load: 1.2, ..State::default() };
    assert_eq!(model::sample(&state, 1.0, true, 0).pressure, 0.85);
    assert!(model::sample(&state, 1.0, false, 0).pressure > 0.85);
    assert!(model::sample(&state, 1.19, true, 0).pressure > 0.85, "that is no fall");
    // The shell counts what was refused since the sample before.
    for (calls, waits) in [(0, false), (100, true)] {
        let mut shedder = shedder();
        sample(&mut shedder, 140.0, 3);
        refused(&mut shedder, 0, calls);
        let before = shedder.pressure();
        assert!((0.8..1.0).contains(&before));
        sample(&mut shedder, 130.0, 1);
        assert_eq!(shedder.pressure() == before, waits);
    }
}

#[test]
fn shedding_ends_below_where_it_began_and_not_at_once() {
    let step = |state: &State, load, at| model::sample(state, load, false, ms(at));
    // Where 5 starts: 0.91.
    let begun = step(&State { pressure: 0.92, ..State::default() }, 0.92, 0);
    assert_eq!(begun.since[5], Some(0));
    // Between the two thresholds it goes on, for as long as it likes.
    let between = step(&State { pressure: 0.85, ..begun }, 0.85, 10_000);
    assert_eq!(between.since[5], Some(0));
    assert!(between.rates[5] > 0.0);
    // Well again, but not for half a second: some are refused still.
    let early = step(&State { pressure: 0.2, ..begun }, 0.2, 499);
    assert_eq!((early.since[5], early.rates[5]), (Some(0), 0.1));
    let ended = step(&State { pressure: 0.2, ..begun }, 0.2, 500);
    assert_eq!((ended.since[5], ended.rates[5]), (None, 0.0));
    // What does not shed begins no sooner for that.
    assert_eq!(step(&State { pressure: 0.85, ..State::default() }, 0.85, 0).since[5], None);
}

#[test]
fn priorities_start_in_equal_steps_from_four_fifths_to_the_bound() {
    let starts: Vec<f64> = (0..PRIORITIES).map(starts_at).collect();
    assert!((starts[0], starts[9]) == (0.8, 1.0) && starts.is_sorted());
}

#[test]
fn the_pressure_is_that_of_the_measure_nearest_to_its_bound() {
    let bounds = Bounds {
        event_loop_delay_ms: Some(100.0),
        utilization: Some(1.0),
        heap_bytes: Some(1_000.0),
        rss_bytes: Some(2_000.0),
        queue_delay_ms: Some(50.0),
    };
    let calm = Readings {
        event_loop_delay_ms: Some(10.0),
        utilization: Some(0.18),
        heap_bytes: Some(100.0),
        rss_bytes: Some(200.0),
        queue_delay_ms: Some(5.0),
    };
    for (readings, measure) in [
        (Readings { event_loop_delay_ms: Some(80.0), ..calm }, Measure::EventLoopDelay),
        (Readings { heap_bytes: Some(800.0), ..calm }, Measure::Heap),
        (Readings { rss_bytes: Some(1_600.0), ..calm }, Measure::Rss),
        (Readings { queue_delay_ms: Some(40.0), ..calm }, Measure::QueueDelay),
        (Readings { utilization: Some(0.8), ..calm }, Measure::Utilization),
    ] {
        assert_eq!(load(&bounds, &readings), (0.8, Some(measure)));
    }
    assert_eq!(load(&bounds, &Readings::default()), (0.0, None));
    assert_eq!(load(&Bounds::default(), &calm), (0.0, None));
    let odd = Readings { event_loop_delay_ms: Some(f64::NAN), heap_bytes: Some(-5.0), ..Readings::default() };
    assert_eq!(load(&bounds, &odd), (0.0, None));
}

#[test]
fn a_loop_that_is_busy_and_in_time_is_shed_of_its_least_important_calls_only() {
    // supabase/storage #137: a service that shed on utilization alone answered 503 to everything, in spurts.
    let bounds = Bounds { event_loop_delay_ms: Some(100.0), utilization: Some(0.8), ..Bounds::default() };
    let busy = |delay_ms| Readings {
        event_loop_delay_ms: Some(delay_ms),
        utilization: Some(1.0),
        ..Readings::default()
    };
    assert_eq!(load(&bounds, &busy(5.0)), (0.9, Some(Measure::Utilization)));
    assert!(starts_at(4) < 0.9 && 0.9 < starts_at(5));
    assert_eq!(load(&bounds, &busy(50.0)).0, 1.25);
}

#[test]
fn a_decision_does_not_go_by_samples_that_stopped_coming() {
    let mut shedder = shedder();
    sample(&mut shedder, 200.0, 8);
    assert_eq!(shedder.it.enter(5), Decision::Refuse);
    shedder.pass(2 * EVERY);
    assert_eq!(shedder.it.enter(5), Decision::Refuse);
    shedder.pass(1);
    assert_eq!(shedder.it.enter(5), Decision::Stale);
    assert!(shedder.it.needs_sample());
    shedder.it.sample(&delayed(200.0));
    assert_eq!(shedder.it.enter(5), Decision::Refuse);
    assert_eq!(shedder.figures().refused[5], 3);
}

#[test]
fn retry_after_is_when_calls_are_shed_no_more_if_the_load_ends_now() {
    for (delay_ms, samples) in [(92.0, 8), (100.0, 12), (150.0, 3), (500.0, 20)] {
        for priority in 0..PRIORITIES {
            let mut shedder = shedder();
            sample(&mut shedder, delay_ms, samples);
            shedder.pass(ms(50));
            let wait = shedder.retry_after(priority);
            if shedder.figures().rates[priority] == 0.0 {
                assert_eq!(wait, 0);
                continue;
            }
            assert!(wait >= ms(150), "{wait}");
            let promised = shedder.clock.now() + wait;
            // The next sample after that.
            shedder.pass(ms(150));
            shedder.it.sample(&delayed(0.0));
            while shedder.figures().rates[priority] > 0.0 {
                sample(&mut shedder, 0.0, 1);
            }
            let ended = shedder.clock.now();
            // To the sample: what is held is held until one finds that it is over.
            assert_eq!(ended, promised, "{priority}");
        }
    }
    assert_eq!(retry_after(&State::default(), 5, EVERY, 0, 0), 0);
}

#[test]
fn it_counts_what_it_decides_and_by_priority() {
    let mut shedder = shedder();
    sample(&mut shedder, 500.0, 9);
    refused(&mut shedder, 2, 3);
    refused(&mut shedder, 12, 1);
    sample(&mut shedder, 0.0, 9);
    refused(&mut shedder, 2, 5);
    let figures = shedder.figures();
    assert_eq!((figures.allowed, figures.refused[2], figures.refused[9]), (5, 3, 1));
    assert_eq!(figures.limiting, None);
}

#[test]
fn new_bounds_hold_from_the_next_sample_and_what_is_not_given_stays() {
    let mut shedder = shedder();
    let change = Options { max_event_loop_delay_ms: Some(1_000.0), ..Options::default() };
    shedder.it.reconfigure(&change).unwrap();
    sample(&mut shedder, 200.0, 20);
    assert!(shedder.pressure() < 0.21);
    let more = Options { max_utilization: Some(0.5), ..Options::default() };
    shedder.it.reconfigure(&more).unwrap();
    let bounds = shedder.figures().bounds;
    assert_eq!((bounds.event_loop_delay_ms, bounds.utilization), (Some(1_000.0), Some(0.5)));
    let bad = Options { max_utilization: Some(1.5), ..Options::default() };
    assert_eq!(shedder.it.reconfigure(&bad).unwrap_err().option, "maxUtilization");
    assert_eq!(shedder.figures().bounds, bounds);
}

#[test]
fn every_bound_has_a_range_and_one_besides_utilization_is_needed() {
    let said = |options: Options| options.check().unwrap_err().option;
    let none = Options::default();
    assert_eq!(said(none.clone()), "maxEventLoopDelayMs");
    let busy = Options { max_utilization: Some(0.9), ..none.clone() };
    assert_eq!(said(busy), "maxEventLoopDelayMs");
    for bad in [f64::NAN, 0.0, -1.0, 0.5, f64::INFINITY] {
        let bad = Some(bad);
        assert_eq!(said(Options { max_event_loop_delay_ms: bad, ..none.clone() }), "maxEventLoopDelayMs");
        assert_eq!(said(Options { max_heap_bytes: bad, ..none.clone() }), "maxHeapBytes");
        assert_eq!(said(Options { max_rss_bytes: bad, ..none.clone() }), "maxRssBytes");
        assert_eq!(said(Options { max_queue_delay_ms: bad, ..none.clone() }), "maxQueueDelayMs");
    }
    for bad in [f64::NAN, 0.0, -0.1, 1.1] {
        assert_eq!(said(Options { max_utilization: Some(bad), ..none.clone() }), "maxUtilization");
    }
    for bad in [f64::NAN, -1.0, 10.0, 4.5] {
        assert_eq!(check_priority(bad).unwrap_err().option, "priority");
    }
    assert_eq!(check_priority(9.0), Ok(9));
}

/// A server that works off a thousand requests a second, one after the other, and is offered `times` as many for half a minute,
/// in these shares of priorities. From the eighth second on: how much of its capacity it used, how long half and 99 % of the moments'
/// backlogs were, in milliseconds, and the share of each priority that was let in.
fn closed_loop(times: f64, offered: &[(usize, f64)]) -> (f64, usize, usize, Vec<f64>) {
    const SAMPLE_MS: u64 = 100;
    let options = Options { max_event_loop_delay_ms: Some(100.0), ..Options::default() };
    let mut shedder =
        OnClock::new(|clock| Shedder::new(options.check().unwrap(), ms(SAMPLE_MS), clock, Rng::seeded(7)));
    let (mut backlog, mut worked, mut moments, mut recent) = (0usize, 0usize, Vec::new(), Vec::new());
    let mut due = vec![0.0; offered.len()];
    let (mut asked, mut let_in) = (vec![0.0; offered.len()], vec![0.0; offered.len()]);
    for now in 1..=30_000u64 {
        shedder.pass(ms(1));
        for (index, (priority, share)) in offered.iter().enumerate() {
            due[index] += times * share;
            while due[index] >= 1.0 {
                due[index] -= 1.0;
                asked[index] += 1.0;
                if shedder.it.enter(*priority) == Decision::Allow {
                    let_in[index] += 1.0;
                    backlog += 1;
                }
            }
        }
        let work = backlog.min(1);
        backlog -= work;
        recent.push(backlog);
        if now > 8_000 {
            worked += work;
            moments.push(backlog);
        }
        if now % SAMPLE_MS == 0 {
            recent.sort_unstable();
            let p90 = recent[recent.len() * 9 / 10 - 1];
            shedder.it.sample(&delayed(p90 as f64));
            recent.clear();
        }
    }
    moments.sort_unstable();
    let shares = let_in.iter().zip(&asked).map(|(let_in, asked)| let_in / asked).collect();
    (worked as f64 / 22_000.0, moments[moments.len() / 2], moments[moments.len() * 99 / 100], shares)
}

#[test]
fn in_a_closed_loop_a_crowd_leaves_the_server_busy_and_in_time() {
    for times in [1.2, 2.0, 4.0, 10.0] {
        let (used, median, p99, _) = closed_loop(times, &[(5, 1.0)]);
        assert!(used > 0.9, "{times}: {used}");
        assert!(median < 200 && p99 < 400, "{times}: {median} ms, {p99} ms");
    }
    let (used, _, p99, shares) = closed_loop(4.0, &[(2, 0.5), (5, 0.3), (9, 0.2)]);
    assert!(used > 0.9 && p99 < 400, "{used} {p99}");
    assert!(shares.is_sorted() && shares[2] > 2.0 * shares[0], "{shares:?}");
    let (used, _, p99, shares) = closed_loop(0.9, &[(2, 0.5), (5, 0.5)]);
    assert!(used > 0.89 && p99 < 5 && shares == [1.0, 1.0], "{used} {p99} {shares:?}");
}
