//! A histogram against a sorted list, and one late beat against those that should have come.

use breakwater_core::{
    clock::Nanos,
    monitor::{BEAT, Histogram, Pulse, Watchlist, model},
};
use proptest::prelude::*;

use super::{cases, support::OnClock};

fn spans() -> impl Strategy<Value = Nanos> {
    prop_oneof![0..40_000u64, 0..100_000_000u64, 0..9_000_000_000u64, Just(0), Just(31_999), Just(32_000)]
}

/// The list's own quantile, and up to a 32nd and a microsecond more.
fn agrees(found: Nanos, list: &[Nanos], quantile: f64) -> bool {
    let rank = ((quantile * list.len() as f64).ceil() as usize).max(1);
    let exact = list[rank - 1];
    found >= exact && found <= exact + exact / 32 + 1_000
}

proptest! {
    #![proptest_config(cases(2_000))]

    #[test]
    fn a_histogram_agrees_with_a_sorted_list(mut list in prop::collection::vec(spans(), 1..300)) {
        let mut delays = Histogram::new();
        for span in &list {
            delays.add(*span, 1);
        }
        list.sort_unstable();
        for quantile in [0.0, 0.5, 0.9, 0.99, 1.0] {
            prop_assert!(agrees(delays.quantile(quantile), &list, quantile), "{quantile}: {}", delays.quantile(quantile));
        }
        let mean = list.iter().sum::<Nanos>() / list.len() as u64;
        prop_assert!(delays.mean().abs_diff(mean) <= 1 + mean / 1_000_000);
        prop_assert_eq!(delays.max(), list[list.len() - 1]);
    }

    #[test]
    fn a_late_beat_counts_for_every_beat_that_should_have_come(late in spans()) {
        let mut delays = Histogram::new();
        model::count_beat(&mut delays, late);
        let mut list: Vec<Nanos> = (0..=late / BEAT).map(|missed| late - missed * BEAT).collect();
        list.sort_unstable();
        prop_assert_eq!(delays.total(), list.len() as u64);
        for quantile in [0.1, 0.5, 0.9, 0.99] {
            prop_assert!(agrees(delays.quantile(quantile), &list, quantile));
        }
    }

    #[test]
    fn what_is_reported_blocked_is_reported_over_exactly_once(
        steps in prop::collection::vec((0..3usize, 0..3u8, 1..400u64), 1..80),
    ) {
        let list = OnClock::new(Watchlist::new);
        let pulses: Vec<_> = (0..3u32).map(|env| std::sync::Arc::new(Pulse::new(env, env))).collect();
        for (env, pulse) in (0u32..).zip(&pulses) {
            list.watch(pulse, env, 100_000_000 * u64::from(env + 1), None, false);
        }
        let mut beats = [0; 3];
        let mut naive = Vec::new();
        for (who, what, pause) in steps {
            list.pass(pause * 1_000_000);
            let now = list.clock.now();
            if what == 0 {
                list.look();
            } else {
                list.beat(&pulses[who]);
                let silent: Nanos = now - beats[who];
                beats[who] = now;
                if silent >= 100_000_000 * (who as u64 + 1) {
                    naive.push((who as u32, silent));
                }
            }
        }
        let reports = list.since(0);
        let over: Vec<_> = reports.iter().filter(|report| report.over).map(|report| (report.env, report.silent)).collect();
        prop_assert_eq!(over, naive);
        // Between two that are over, what is reported of a loop grows, and is never below its threshold.
        for env in 0..3u32 {
            let mut last = 0;
            for report in reports.iter().filter(|report| report.env == env) {
                prop_assert!(report.silent >= 100_000_000 * u64::from(env + 1) && report.silent >= last);
                last = if report.over { 0 } else { report.silent };
            }
        }
    }
}
