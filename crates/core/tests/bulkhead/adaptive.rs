//! Limits that find themselves, in a closed loop with a dependency of known capacity: what it can take at once is where a limit should
//! settle. Below, it idles; far above, calls only wait there. `examples/adaptive.rs` draws it.

use breakwater_core::bulkhead::{Concurrency, Outcome, Range};

use super::{closed_loop::ClosedLoop as Loop, *};

const GRADIENT: Concurrency = Concurrency::Gradient(Range { min: None, max: None, initial: None });
const AIMD: Concurrency = Concurrency::Aimd(Range { min: None, max: None, initial: None });

#[test]
fn gradient_settles_a_little_above_what_the_dependency_runs_at_once() {
    for capacity in [5, 20, 60] {
        let mut it = Loop::new(GRADIENT, 1, capacity);
        assert_eq!(it.limit(), 4, "it starts low");
        it.run(ms(3_000));
        it.done = 0;
        let mean = it.run(ms(10_000)) / capacity as f64;
        assert!((1.0..2.0).contains(&mean), "{mean} times {capacity}");
        let share = it.done as f64 / (capacity as f64 * 1_000.0);
        assert!(share > 0.95, "goodput {share} of {capacity}");
    }
}

#[test]
fn gradient_follows_a_capacity_that_halves_and_doubles() {
    let mut it = Loop::new(GRADIENT, 1, 40);
    it.run(ms(5_000));
    it.capacity = 20;
    let down = it.until(1..=36);
    it.run(ms(3_000));
    it.capacity = 40;
    let up = it.until(40..=200);
    assert!(down < 500, "down in {down} ms");
    assert!(up < 1_500, "up in {up} ms");
}

#[test]
fn gradient_learns_that_a_dependency_has_become_slower_for_good() {
    let mut it = Loop::new(GRADIENT, 1, 20);
    it.run(ms(5_000));
    it.service = ms(40);
    it.run(ms(30_000));
    it.done = 0;
    let mean = it.run(ms(20_000)) / 20.0;
    assert!((0.9..2.2).contains(&mean), "{mean} times the capacity");
    let share = it.done as f64 / (20.0 * 20_000.0 / 40.0);
    assert!(share > 0.9, "goodput {share}");
}

#[test]
fn gradient_is_back_after_a_dependency_was_a_hundred_times_slower() {
    for (before, after) in [(10, 1_000), (100, 1_000), (10, 100), (10, 20), (10, 15)] {
        let mut it = Loop::new(GRADIENT, 1, 40);
        it.service = ms(before);
        it.run(ms(500 * before));
        it.service = ms(after);
        it.run(ms(3_000 * after));
        it.done = 0;
        let mean = it.run(ms(100 * after));
        assert!((30.0..90.0).contains(&mean), "{before} to {after}: {mean}");
        assert!(it.done as f64 > 0.8 * 40.0 * 100.0, "{before} to {after}: {}", it.done);
    }
}

#[test]
fn gradients_of_a_few_clients_on_one_dependency_settle_together() {
    for clients in [2, 4] {
        let mut it = Loop::new(GRADIENT, clients, 40);
        it.run(ms(20_000));
        it.done = 0;
        let early = it.run(ms(20_000));
        let goodput = it.done as f64 / (40.0 * 2_000.0);
        it.run(ms(100_000));
        let late = it.run(ms(20_000));
        assert!(late < 120.0 && late < 1.3 * early, "{clients} clients: {early}, then {late}");
        assert!(goodput > 0.9, "{clients} clients: goodput {goodput}");
    }
}

#[test]
fn gradient_bears_drops_that_have_other_reasons() {
    for dropping in [0.02, 0.05] {
        let mut it = Loop::new(GRADIENT, 1, 40);
        it.dropping = dropping;
        it.run(ms(10_000));
        (it.done, it.dropped) = (0, 0);
        let mean = it.run(ms(20_000));
        let goodput = (it.done + it.dropped) as f64 / (40.0 * 2_000.0);
        assert!(goodput > 0.9, "{dropping} dropped: limit {mean}, goodput {goodput}");
    }
}

#[test]
fn aimd_finds_the_limit_by_timeouts_and_keeps_the_dependency_busy() {
    let mut it = Loop::new(AIMD, 1, 20);
    it.timeout = ms(30);
    it.run(ms(3_000));
    (it.done, it.dropped) = (0, 0);
    let mean = it.run(ms(20_000));
    assert!((20.0..70.0).contains(&mean), "{mean}");
    let share = it.done as f64 / (20.0 * 2_000.0);
    assert!(share > 0.9, "goodput {share}, {} dropped", it.dropped);
}

#[test]
fn both_give_way_to_one_at_a_time_where_every_call_times_out() {
    for concurrency in [GRADIENT, AIMD] {
        let mut it = Loop::new(concurrency, 1, 20);
        it.run(ms(3_000));
        it.timeout = ms(1);
        it.run(ms(5_000));
        assert_eq!(it.limit(), 1, "{concurrency:?}");
        let mean = it.run(ms(20_000));
        assert!(mean < 1.01, "and it does not drift up: {mean}");
        it.timeout = ms(10_000);
        let back = it.until(15..=200);
        assert!(back < 5_000, "{concurrency:?} is back after {back} ms");
    }
}

#[test]
fn a_limit_that_is_not_made_use_of_does_not_grow() {
    for concurrency in [GRADIENT, AIMD] {
        let bulkhead = with(Options { concurrency, ..room(1, 0) });
        for _ in 0..10_000 {
            let began = bulkhead.now();
            assert!(bulkhead.enters(HERE));
            bulkhead.pass(ms(10));
            bulkhead.leave_timed(HERE, 1, began, Outcome::Success);
        }
        assert!(bulkhead.limit() <= 4, "{concurrency:?}: {}", bulkhead.limit());
    }
}

#[test]
fn calls_that_say_nothing_move_nothing() {
    for concurrency in [GRADIENT, AIMD] {
        let bulkhead = with(Options { concurrency, ..room(1, 0) });
        for _ in 0..1_000 {
            assert!(bulkhead.enters(HERE));
            assert!(bulkhead.enters(HERE));
            bulkhead.pass(ms(1));
            bulkhead.leave_timed(HERE, 1, 0, Outcome::Ignored);
            bulkhead.leave_timed(HERE, 1, 0, Outcome::Ignored);
        }
        assert_eq!((bulkhead.limit(), bulkhead.generation()), (4, 0), "{concurrency:?}");
    }
}

#[test]
fn aimd_doubles_until_the_first_drop_then_grows_by_one_a_round() {
    let range = Range { min: None, max: Some(1_000.0), initial: Some(20.0) };
    let bulkhead = with(Options { concurrency: Concurrency::Aimd(range), ..room(1, 0) });
    let calls = |count: u32, outcome| {
        for _ in 0..count {
            assert!(bulkhead.enter(HERE, bulkhead.limit() - bulkhead.active(), 5).0);
            bulkhead.leave_timed(HERE, bulkhead.active(), bulkhead.now(), outcome);
        }
    };
    calls(20, Outcome::Success);
    assert_eq!(bulkhead.limit(), 40);
    calls(1, Outcome::Dropped);
    assert_eq!(bulkhead.limit(), 36);
    calls(35, Outcome::Success);
    assert_eq!(bulkhead.limit(), 36);
    calls(1, Outcome::Success);
    assert_eq!(bulkhead.limit(), 37);
    bulkhead.pass(ms(10));
    bulkhead.enter(HERE, 1, 5);
    bulkhead.leave_timed(HERE, 1, ms(5), Outcome::Dropped);
    assert_eq!(bulkhead.limit(), 33);
    bulkhead.enter(HERE, 1, 5);
    bulkhead.leave_timed(HERE, 1, ms(5), Outcome::Dropped);
    assert_eq!(bulkhead.limit(), 33, "that call began before the limit gave way");
}

#[test]
fn a_call_heavier_than_the_limit_of_the_moment_runs_alone() {
    let bulkhead = with(Options { concurrency: AIMD, max_queue: Some(9.0), ..room(1, 0) });
    assert!(bulkhead.enters(HERE));
    let (heavy, _) = bulkhead.queue(HERE, Wanted { weight: 50, ..wanted() });
    let freed = bulkhead.leave_timed(HERE, 1, 0, Outcome::Ignored).0;
    assert_eq!(freed.next.map(|next| (next.ticket, next.weight)), Some((heavy, 50)));
    assert!(!bulkhead.enters(HERE));
    assert_eq!(bulkhead.wait(HERE, &Wanted { weight: 201, ..wanted() }).0, Wait::Full, "above max never");
}
