//! Stories of one adaptive throttle, on the manual clock, each with its draws in hand or a seed.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test may fail where it stands")]

mod support;

use breakwater_core::{
    option::InvalidOption,
    rng::Rng,
    throttle::{Options, Rules, Throttle, model::refusal_rate},
};
use support::{OnClock, ms, secs};

/// failsafe-go and Envoy divide the accepts by the success rate they ask for, where the SRE book multiplies them.
fn asks_for(success_rate: f64, max_refusal_rate: f64) -> Rules {
    Rules { multiplier: 1.0 / success_rate, max_refusal_rate, window_ms: 10_000.0 }
}

fn options(multiplier: f64, window_ms: f64, max_refusal_rate: f64) -> Options {
    Options {
        multiplier: Some(multiplier),
        window_ms: Some(window_ms),
        max_refusal_rate: Some(max_refusal_rate),
    }
}

fn throttle(multiplier: f64, window_ms: f64, max_refusal_rate: f64) -> OnClock<Throttle> {
    let rules = options(multiplier, window_ms, max_refusal_rate).check().unwrap();
    OnClock::new(|clock| Throttle::new(&rules, clock))
}

/// A draw where there should be none.
fn no_chance() -> f64 {
    panic!("nothing is left to chance here")
}

/// Counts `requests`, whatever becomes of them, of which `accepts` are accepted.
fn count(throttle: &Throttle, requests: u32, accepts: u32) {
    for _ in 0..requests {
        throttle.enter(|| 1.0);
    }
    for _ in 0..accepts {
        throttle.accepted();
    }
}

/// How many of `calls` come through to a backend that accepts all or nothing.
fn call(throttle: &Throttle, chance: &mut Rng, calls: u32, accepts: bool) -> u32 {
    let mut admitted = 0;
    for _ in 0..calls {
        if throttle.enter(|| chance.unit()).is_some() {
            admitted += 1;
            if accepts {
                throttle.accepted();
            }
        }
    }
    admitted
}

// failsafe-go, adaptivethrottler: success rate 0.9, at most 0.8
#[test]
fn the_refusal_rate_is_that_of_the_formula() {
    let rate = |requests, accepts| refusal_rate(&asks_for(0.9, 0.8), requests, accepts);
    assert_eq!(rate(100, 95), 0.0);
    assert!((rate(120, 90) - 0.1653).abs() < 1e-4);
    assert!((0.7..0.8).contains(&rate(200, 50)));
    assert_eq!(rate(1_000, 10), 0.8);
    assert_eq!(rate(100, 0), 0.8);
    assert_eq!(rate(0, 0), 0.0);
}

#[test]
fn with_the_multiplier_of_two_nothing_is_refused_while_half_is_accepted() {
    let rate = |requests, accepts| refusal_rate(&Options::default().check().unwrap(), requests, accepts);
    assert_eq!(rate(1_000, 500), 0.0);
    assert_eq!(rate(1_000, 250), 500.0 / 1_001.0);
    assert_eq!(rate(u64::MAX, 0), 0.9);
    assert_eq!(rate(0, u64::MAX), 0.0);
}

// Envoy, admission_control_filter_test.cc: success rate 0.95; of 10,000 the draw 5500 passes and 4500 does not
#[test]
fn refuses_the_draws_below_the_refusal_rate() {
    let throttle = throttle(1.0 / 0.95, 30_000.0, 0.8);
    count(&throttle, 1_000, 500);
    assert!((throttle.refusal_rate() - 0.473).abs() < 1e-3);
    assert!(throttle.enter(|| 0.55).is_some());
    assert!(throttle.enter(|| 0.45).is_none());
}

#[test]
fn draws_nothing_while_the_backend_accepts_enough() {
    let throttle = throttle(2.0, 10_000.0, 0.9);
    for _ in 0..1_000 {
        assert!(throttle.enter(no_chance).is_some());
        throttle.accepted();
    }
}

#[test]
fn a_request_counts_when_it_is_attempted_and_when_it_is_refused_here() {
    let throttle = throttle(2.0, 10_000.0, 0.9);
    assert!(throttle.enter(no_chance).is_some());
    assert_eq!(throttle.refusal_rate(), 0.5);
    assert!(throttle.enter(|| 0.49).is_none());
    assert_eq!(throttle.refusal_rate(), 2.0 / 3.0);
    assert_eq!(throttle.figures().requests, 2);
}

#[test]
fn refuses_nine_of_ten_calls_to_a_backend_that_rejects_all() {
    for seed in 0..20 {
        let throttle = throttle(2.0, 120_000.0, 0.9);
        let refused = 1_000 - call(&throttle, &mut Rng::seeded(seed), 1_000, false);
        assert!((860..930).contains(&refused), "{refused} with seed {seed}");
    }
}

// Finagle, NackAdmissionFilterTest: at most 0.75, so 750 ± 100 of 1000
#[test]
fn never_refuses_more_often_than_it_may() {
    for seed in 0..20 {
        let throttle = throttle(2.0, 120_000.0, 0.75);
        let refused = 1_000 - call(&throttle, &mut Rng::seeded(seed), 1_000, false);
        assert!((650..850).contains(&refused), "{refused} with seed {seed}");
    }
    let never = throttle(2.0, 120_000.0, 0.0);
    for _ in 0..1_000 {
        assert!(never.enter(no_chance).is_some());
    }
}

#[test]
fn recovers_when_the_backend_accepts_again() {
    let (throttle, mut chance) = (throttle(2.0, 10_000.0, 0.9), Rng::seeded(25));
    for _ in 0..10 {
        call(throttle.pass(secs(1)), &mut chance, 100, false);
    }
    assert_eq!(throttle.refusal_rate(), 0.9);
    let mut rates = Vec::new();
    for _ in 0..60 {
        call(throttle.pass(secs(1)), &mut chance, 100, true);
        rates.push(throttle.refusal_rate());
    }
    assert!(rates[0] > 0.5, "what it knew counts for a while: {rates:?}");
    assert_eq!(rates[59], 0.0, "{rates:?}");
    assert_eq!(call(&throttle, &mut chance, 100, true), 100);
}

#[test]
fn what_is_out_of_the_window_counts_no_longer() {
    let throttle = throttle(2.0, 10_000.0, 0.9);
    count(&throttle, 1_000, 0);
    assert!(throttle.enter(|| 0.5).is_none());
    assert!(throttle.pass(ms(9_999)).enter(|| 0.5).is_none());
    assert!(throttle.pass(ms(1)).enter(|| 0.4).is_none(), "the one before is still in the window");
    assert!(throttle.pass(secs(10)).enter(no_chance).is_some());
}

#[test]
fn what_says_nothing_about_the_backend_counts_no_longer() {
    let throttle = throttle(2.0, 10_000.0, 0.9);
    let slot = throttle.enter(no_chance).unwrap();
    throttle.pass(secs(5)).enter(|| 0.9);
    throttle.ignored(slot);
    assert_eq!(throttle.figures().requests, 1);
    // Taken back already.
    throttle.ignored(slot);
    assert_eq!(throttle.figures().requests, 1);
}

#[test]
fn what_is_taken_back_after_its_time_takes_nothing_else_with_it() {
    let throttle = throttle(2.0, 10_000.0, 0.9);
    let slot = throttle.enter(no_chance).unwrap();
    // The same place in the ring.
    count(throttle.pass(secs(10)), 3, 0);
    throttle.ignored(slot);
    assert_eq!(throttle.figures().requests, 3);
}

#[test]
fn a_request_that_nobody_calls_accepted_was_rejected() {
    let throttle = throttle(2.0, 10_000.0, 0.9);
    count(&throttle, 9, 3);
    let figures = throttle.figures();
    assert_eq!((figures.requests, figures.accepts, figures.refusal_rate), (9, 3, 0.3));
}

#[test]
fn new_rules_count_what_was_counted_already() {
    let throttle = throttle(2.0, 10_000.0, 0.9);
    count(&throttle, 9, 3);
    throttle.reconfigure(&Options { multiplier: Some(1.0), ..Options::default() }).unwrap();
    assert_eq!(throttle.refusal_rate(), 0.6);
    throttle.reconfigure(&Options { max_refusal_rate: Some(0.25), ..Options::default() }).unwrap();
    assert_eq!(throttle.refusal_rate(), 0.25);
    let rules = Rules { multiplier: 1.0, max_refusal_rate: 0.25, window_ms: 10_000.0 };
    assert_eq!(throttle.rules(), rules);
}

#[test]
fn defaults_are_twice_what_is_accepted_over_two_minutes_and_nine_of_ten() {
    let rules = Rules { multiplier: 2.0, max_refusal_rate: 0.9, window_ms: 120_000.0 };
    assert_eq!(Options::default().check(), Ok(rules));
}

#[test]
fn says_what_was_expected_and_what_came() {
    let said = |result: Result<Rules, InvalidOption>| result.unwrap_err().to_string();
    assert_eq!(
        said(options(0.9, 1_000.0, 0.9).check()),
        "multiplier must be a number from 1 to 100, got 0.9"
    );
    assert_eq!(
        said(options(2.0, 999.0, 0.9).check()),
        "windowMs must be a number of milliseconds from 1000 to 86400000, got 999"
    );
    assert_eq!(said(options(2.0, 1_000.0, 1.0).check()), "maxRefusalRate must be a number in [0, 1), got 1");
    assert!(options(f64::NAN, 1_000.0, 0.9).check().is_err());
    assert!(options(2.0, 1_000.0, f64::NAN).check().is_err());
}

#[test]
fn new_rules_that_are_no_rules_change_nothing() {
    let throttle = throttle(2.0, 10_000.0, 0.9);
    let said = |change: Options| throttle.reconfigure(&change).unwrap_err().to_string();
    assert_eq!(
        said(options(3.0, 1_000.0, 0.5)),
        "windowMs must be absent: the window keeps its length, got 1000"
    );
    let no_rate = Options { multiplier: Some(3.0), max_refusal_rate: Some(1.0), window_ms: None };
    assert_eq!(said(no_rate), "maxRefusalRate must be a number in [0, 1), got 1");
    assert_eq!(throttle.rules(), Rules { multiplier: 2.0, max_refusal_rate: 0.9, window_ms: 10_000.0 });
}
