//! Stories of backoff, each with its draws in hand or a seed.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test may fail where it stands")]

use breakwater_core::{
    backoff::{
        Backoff, Jitter, Options, Schedule,
        model::{delay, grown},
    },
    option::InvalidOption,
    rng::Rng,
};

const JITTERS: [Jitter; 4] = [Jitter::Full, Jitter::Equal, Jitter::Decorrelated, Jitter::None];
/// The smallest draw, the middle and the largest.
const DRAWS: [f64; 3] = [0.0, 0.5, 1.0 - f64::EPSILON / 2.0];

fn schedule(initial_ms: f64, factor: f64, max_ms: f64, jitter: Jitter) -> Schedule {
    let options =
        Options { initial_ms: Some(initial_ms), factor: Some(factor), max_ms: Some(max_ms), jitter };
    options.check().unwrap()
}

fn first_delays(schedule: &Schedule, unit: f64, count: u32) -> Vec<f64> {
    let mut previous = 0.0;
    (1..=count)
        .map(|attempt| {
            previous = delay(schedule, attempt, previous, unit);
            previous
        })
        .collect()
}

#[test]
fn without_jitter_it_doubles_up_to_the_cap() {
    let delays = first_delays(&schedule(100.0, 2.0, 1_000.0, Jitter::None), 0.5, 6);
    assert_eq!(delays, [100.0, 200.0, 400.0, 800.0, 1_000.0, 1_000.0]);
}

// AWS: 8 throttles
#[test]
fn grows_from_half_a_second_to_twenty_in_eight_throttles() {
    let delays = first_delays(&schedule(500.0, 2.0, 20_000.0, Jitter::None), 0.0, 8);
    assert_eq!(delays, [500.0, 1_000.0, 2_000.0, 4_000.0, 8_000.0, 16_000.0, 20_000.0, 20_000.0]);
}

#[test]
fn full_jitter_is_anything_up_to_the_delay() {
    let full = schedule(100.0, 2.0, 1_000.0, Jitter::Full);
    assert_eq!(first_delays(&full, 0.0, 5), [0.0; 5]);
    assert_eq!(first_delays(&full, 0.5, 5), [50.0, 100.0, 200.0, 400.0, 500.0]);
}

#[test]
fn equal_jitter_waits_at_least_half_of_the_delay() {
    let equal = schedule(100.0, 2.0, 1_000.0, Jitter::Equal);
    assert_eq!(first_delays(&equal, 0.0, 5), [50.0, 100.0, 200.0, 400.0, 500.0]);
    assert_eq!(first_delays(&equal, 0.5, 5), [75.0, 150.0, 300.0, 600.0, 750.0]);
}

#[test]
fn decorrelated_jitter_goes_from_the_first_delay_to_three_times_the_one_before() {
    let decorrelated = schedule(100.0, 2.0, 1_000.0, Jitter::Decorrelated);
    assert_eq!(first_delays(&decorrelated, 0.0, 4), [100.0; 4]);
    assert_eq!(first_delays(&decorrelated, 0.5, 5), [200.0, 350.0, 575.0, 912.5, 1_000.0]);
}

#[test]
fn decorrelated_jitter_takes_what_is_no_earlier_delay_for_the_first() {
    let decorrelated = schedule(100.0, 2.0, 1_000.0, Jitter::Decorrelated);
    for previous in [0.0, -5.0, 99.0, f64::NAN, f64::NEG_INFINITY] {
        assert_eq!(delay(&decorrelated, 7, previous, 0.5), 200.0, "after {previous}");
    }
    for previous in [1_000.0, 1e300, f64::INFINITY] {
        assert_eq!(delay(&decorrelated, 7, previous, 0.5), 1_000.0, "after {previous}");
    }
}

// cockatiel #86: NaN after about a thousand tries; Polly #2163: negative from the 1024th
#[test]
fn three_thousand_delays_in_a_row_stay_between_0_and_the_cap() {
    for jitter in JITTERS {
        for (initial, factor, max) in
            [(45_000.0, 2.0, 900_000.0), (0.001, 1_000.0, 86_400_000.0), (1.0, 1.0, 1.0), (0.0, 1_000.0, 5.0)]
        {
            let mut backoff = Backoff::new(schedule(initial, factor, max, jitter), Rng::seeded(86));
            let mut previous = 0.0;
            for attempt in 1..=3_000 {
                previous = backoff.delay(attempt, previous);
                assert!((0.0..=max).contains(&previous), "{jitter:?} {attempt}: {previous}");
            }
        }
    }
}

#[test]
fn no_attempt_number_and_no_draw_leaves_the_range() {
    let attempts = [0, 1, 2, 63, 64, 1_023, 1_024, 1_025, u32::MAX - 1, u32::MAX];
    let previous = [0.0, f64::MIN_POSITIVE, 1e300, f64::MAX, f64::INFINITY, f64::NAN, -1.0];
    for jitter in JITTERS {
        for factor in [1.0, 1.000_001, 2.0, 1_000.0] {
            for (initial, max) in [(0.0, 0.0), (0.0, 10.0), (5e-324, 1.0), (86_400_000.0, 86_400_000.0)] {
                let schedule = schedule(initial, factor, max, jitter);
                for (attempt, previous, unit) in attempts.into_iter().flat_map(|attempt| {
                    previous
                        .into_iter()
                        .flat_map(move |previous| DRAWS.map(move |unit| (attempt, previous, unit)))
                }) {
                    let ms = delay(&schedule, attempt, previous, unit);
                    assert!((0.0..=max).contains(&ms), "{schedule:?} {attempt} {previous} {unit}: {ms}");
                }
            }
        }
    }
}

#[test]
fn nothing_grows_to_nothing() {
    assert_eq!(grown(0.0, 1_000.0, 5.0, u32::MAX), 0.0);
    assert_eq!(grown(1.0, 1.0, 5.0, u32::MAX), 1.0);
}

#[test]
fn a_constant_delay_is_the_same_each_time() {
    let mut backoff = Backoff::new(Schedule::constant(250.0).unwrap(), Rng::from_entropy());
    for attempt in [1, 2, 3, u32::MAX] {
        assert_eq!(backoff.delay(attempt, 250.0), 250.0);
    }
}

#[test]
fn the_same_seed_gives_the_same_delays_and_they_differ_from_each_other() {
    let delays = |seed| {
        let mut backoff = Backoff::new(Options::default().check().unwrap(), Rng::seeded(seed));
        [1, 2, 3].map(|attempt| backoff.delay(attempt, 0.0))
    };
    assert_eq!(delays(1), delays(1));
    assert_ne!(delays(1), delays(2));
}

#[test]
fn the_first_attempt_knows_of_no_delay_before() {
    let decorrelated = schedule(100.0, 2.0, 10_000.0, Jitter::Decorrelated);
    let after = |previous| Backoff::new(decorrelated, Rng::seeded(1)).delay(1, previous);
    assert_eq!(after(0.0), after(9_000.0));
}

#[test]
fn defaults_are_a_tenth_of_a_second_doubled_up_to_ten() {
    let expected =
        Schedule::Exponential { initial_ms: 100.0, factor: 2.0, max_ms: 10_000.0, jitter: Jitter::Full };
    assert_eq!(Options::default().check(), Ok(expected));
    let longer = Options { initial_ms: Some(20_000.0), ..Options::default() }.check().unwrap();
    assert_eq!(delay(&longer, 5, 0.0, 0.5), 10_000.0, "the cap is no shorter than the first delay");
}

#[test]
fn says_what_was_expected_and_what_came() {
    let said = |result: Result<Schedule, InvalidOption>| result.unwrap_err().to_string();
    let options = Options::default;
    assert_eq!(
        said(Options { initial_ms: Some(-1.0), ..options() }.check()),
        "initialMs must be a number of milliseconds from 0 to 86400000, got -1"
    );
    assert_eq!(
        said(Options { factor: Some(0.9), ..options() }.check()),
        "factor must be a number from 1 to 1000, got 0.9"
    );
    assert_eq!(
        said(Options { max_ms: Some(99.0), ..options() }.check()),
        "maxMs must be a number of milliseconds from initialMs to 86400000, got 99"
    );
    assert!(Options { max_ms: Some(86_400_001.0), ..options() }.check().is_err());
    assert!(Options { factor: Some(f64::NAN), ..options() }.check().is_err());
    assert!(Options { max_ms: Some(f64::NAN), ..options() }.check().is_err());
    assert_eq!(
        said(Schedule::constant(f64::INFINITY)),
        "backoff must be a number of milliseconds from 0 to 86400000, got Infinity"
    );
    assert_eq!(
        Jitter::from_word("half").unwrap_err().to_string(),
        "jitter must be 'full', 'equal', 'decorrelated' or 'none', got \"half\""
    );
    for jitter in JITTERS {
        assert_eq!(Jitter::from_word(jitter.word()), Ok(jitter));
    }
}
