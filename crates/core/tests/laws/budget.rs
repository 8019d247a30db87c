//! One budget against a naive one that keeps every event.

use breakwater_core::{
    budget::{Budget, Options},
    clock::Nanos,
};
use proptest::prelude::*;

use super::{cases, support::OnClock};

#[derive(Clone, Copy, Debug)]
enum Op {
    Advance(Nanos),
    Deposit(u8),
    Withdraw(u8),
    Refund,
    Reconfigure { per_mille: u64, min_per_second: u64 },
}

/// Keeps when everything happened, and reckons in whole thousandths of a withdrawal.
struct Naive {
    per_mille: u64,
    min_per_second: u64,
    window_ms: u64,
    deposits: Vec<Nanos>,
    withdrawals: Vec<Nanos>,
}

impl Naive {
    /// Forgets what lies before the slot under way and the nine before it.
    fn forget(&mut self, now: Nanos) {
        let slot = self.window_ms * 1_000_000 / 10;
        let kept = |at: &Nanos| at / slot + 10 > now / slot;
        self.deposits.retain(kept);
        self.withdrawals.retain(kept);
    }

    fn left(&self) -> u64 {
        let allowed = self.min_per_second * self.window_ms + self.per_mille * self.deposits.len() as u64;
        (allowed / 1_000).saturating_sub(self.withdrawals.len() as u64)
    }
}

fn options(per_mille: u64, min_per_second: u64, window_ms: Option<u64>) -> Options {
    Options {
        ratio: Some(per_mille as f64 / 1_000.0),
        min_per_second: Some(min_per_second as f64),
        window_ms: window_ms.map(|ms| ms as f64),
    }
}

fn step(real: &OnClock<Budget>, naive: &mut Naive, op: Op) {
    match op {
        Op::Advance(span) => drop(real.pass(span)),
        Op::Deposit(times) => {
            for _ in 0..times {
                real.deposit();
                naive.deposits.push(real.clock.now());
            }
        }
        Op::Withdraw(times) => {
            for _ in 0..times {
                naive.forget(real.clock.now());
                let allowed = naive.left() > 0;
                assert_eq!(real.withdraw(), allowed);
                if allowed {
                    naive.withdrawals.push(real.clock.now());
                }
            }
        }
        Op::Refund => {
            real.refund();
            naive.forget(real.clock.now());
            naive.withdrawals.pop();
        }
        Op::Reconfigure { per_mille, min_per_second } => {
            real.reconfigure(&options(per_mille, min_per_second, None)).unwrap();
            (naive.per_mille, naive.min_per_second) = (per_mille, min_per_second);
        }
    }
    naive.forget(real.clock.now());
    let figures = real.figures();
    assert_eq!(figures.deposits, naive.deposits.len() as u64);
    assert_eq!(figures.withdrawals, naive.withdrawals.len() as u64);
    assert_eq!(figures.balance, naive.left());
    assert_eq!(real.balance(), naive.left() as f64);
}

fn per_mille() -> impl Strategy<Value = u64> {
    prop_oneof![Just(0), Just(100), Just(1_000), 0..=1_000u64]
}

fn min_per_second() -> impl Strategy<Value = u64> {
    prop_oneof![Just(0), 0..20u64]
}

fn ops() -> impl Strategy<Value = Op> {
    // Within a slot, about a slot, about a window, and far beyond.
    let span =
        prop_oneof![0..1_000_000u64, 0..50_000_000u64, 0..600_000_000u64, Just(86_400_000_000_000), Just(1)];
    prop_oneof![
        6 => span.prop_map(Op::Advance),
        6 => (0..30u8).prop_map(Op::Deposit),
        6 => (0..10u8).prop_map(Op::Withdraw),
        2 => Just(Op::Refund),
        1 => (per_mille(), min_per_second())
            .prop_map(|(per_mille, min_per_second)| Op::Reconfigure { per_mille, min_per_second }),
    ]
}

proptest! {
    #![proptest_config(cases(2_000))]

    #[test]
    fn a_budget_agrees_with_the_naive_one_that_keeps_every_event(
        per_mille in per_mille(),
        min_per_second in min_per_second(),
        window_ms in prop_oneof![Just(100), Just(500), 100..1_000u64],
        ops in prop::collection::vec(ops(), 1..80),
    ) {
        let rules = options(per_mille, min_per_second, Some(window_ms)).check().unwrap();
        let real = OnClock::new(|clock| Budget::new(&rules, clock));
        let (deposits, withdrawals) = (Vec::new(), Vec::new());
        let mut naive = Naive { per_mille, min_per_second, window_ms, deposits, withdrawals };
        for op in ops {
            step(&real, &mut naive, op);
        }
    }
}
