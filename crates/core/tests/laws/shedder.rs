//! One shedder over any samples: what has to hold of every decision.

use breakwater_core::{
    rng::Rng,
    shedder::{Decision, Options, PRIORITIES, Readings, Shedder, model::starts_at},
};
use proptest::prelude::*;

use super::{cases, support::OnClock};

const EVERY: u64 = 200_000_000;

#[derive(Clone, Copy, Debug)]
enum Op {
    /// Milliseconds, and a delay in percent of its bound.
    Sample(u64, u64),
    Calls(usize, usize),
}

fn ops() -> impl Strategy<Value = Op> {
    prop_oneof![
        2 => (1..400u64, prop_oneof![0..100u64, 80..130u64, 0..10_000u64]).prop_map(|(ms, load)| Op::Sample(ms, load)),
        1 => (0..PRIORITIES, 1..50usize).prop_map(|(priority, calls)| Op::Calls(priority, calls)),
    ]
}

proptest! {
    #![proptest_config(cases(2_000))]

    #[test]
    fn a_lower_priority_never_fares_better_and_shares_are_kept(ops in prop::collection::vec(ops(), 1..100)) {
        let options = Options { max_event_loop_delay_ms: Some(100.0), ..Options::default() };
        let mut shedder = OnClock::new(|clock| Shedder::new(options.check().unwrap(), EVERY, clock, Rng::seeded(7)));
        let (mut naive, mut before, mut refusing) = (0.0f64, 0.0, false);
        for op in ops {
            match op {
                Op::Sample(ms, load) => {
                    shedder.pass(ms * 1_000_000);
                    let delay_ms = Some(load as f64);
                    shedder.it.sample(&Readings { event_loop_delay_ms: delay_ms, ..Readings::default() });
                    let load = load as f64 / 100.0;
                    let above = load.min(1.5) - naive;
                    let falling = refusing && load < 0.98 * f64::min(before, 4.0);
                    naive += above * if above <= 0.0 { 0.1 } else if falling { 0.0 } else { 0.3 };
                    (before, refusing) = (load, false);
                    prop_assert!((shedder.pressure() - naive.min(1.0)).abs() < 1e-9);
                    let rates = shedder.figures().rates;
                    prop_assert!(rates.is_sorted_by(|low, high| low >= high), "{:?}", rates);
                    for (priority, rate) in rates.iter().enumerate() {
                        prop_assert!(*rate == 0.0 || (0.1..=1.0).contains(rate));
                        prop_assert!(*rate > 0.0 || naive < starts_at(priority));
                        prop_assert!(*rate == 1.0 || naive < starts_at(priority) + 0.4 + 1e-9);
                    }
                }
                Op::Calls(priority, calls) => {
                    let rate = shedder.figures().rates[priority];
                    let refused = (0..calls).filter(|_| shedder.it.enter(priority) == Decision::Refuse).count();
                    prop_assert!((refused as f64 - rate * calls as f64).abs() <= 2.0 + 1e-9);
                    refusing |= refused > 0;
                }
            }
        }
    }
}
