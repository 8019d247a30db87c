//! One throttle against a naive one that keeps every event.

use std::cell::Cell;

use breakwater_core::{
    clock::Nanos,
    throttle::{Options, Throttle},
};
use proptest::prelude::*;

use super::{cases, support::OnClock};

#[derive(Clone, Copy, Debug)]
enum Op {
    Advance(Nanos),
    /// An odd number below 4096, of 4096: never quite a refusal rate, so that rounding decides nothing.
    Enter(u64),
    Accepted,
    Ignored(usize),
    Reconfigure(Reaction),
}

/// The multiplier in halves, the most likely refusal in thousandths.
#[derive(Clone, Copy, Debug)]
struct Reaction {
    halves: u64,
    per_mille: u64,
}

/// Keeps when everything happened, and decides in whole numbers.
struct Naive {
    reaction: Reaction,
    slot: Nanos,
    requests: Vec<Nanos>,
    accepts: Vec<Nanos>,
}

impl Naive {
    /// Forgets what lies before the slot under way and the nine before it.
    fn forget(&mut self, now: Nanos) {
        let slot = self.slot;
        let kept = |at: &Nanos| at / slot + 10 > now / slot;
        self.requests.retain(kept);
        self.accepts.retain(kept);
    }

    /// By how many halves of a request there are too many, and whether that makes a refusal possible at all.
    fn excess(&self) -> u64 {
        let (requests, accepts) = (self.requests.len() as u64, self.accepts.len() as u64);
        (2 * requests).saturating_sub(self.reaction.halves * accepts)
    }

    fn chance_decides(&self) -> bool {
        self.excess() > 0 && self.reaction.per_mille > 0
    }

    fn refuses(&self, draw: u64) -> bool {
        let below_rate = 2 * draw * (self.requests.len() as u64 + 1) < 4_096 * self.excess();
        below_rate && 1_000 * draw < 4_096 * self.reaction.per_mille
    }
}

fn options(reaction: Reaction, window_ms: Option<u64>) -> Options {
    Options {
        multiplier: Some(reaction.halves as f64 / 2.0),
        window_ms: window_ms.map(|ms| ms as f64),
        max_refusal_rate: Some(reaction.per_mille as f64 / 1_000.0),
    }
}

struct Run {
    real: OnClock<Throttle>,
    naive: Naive,
    /// Of every admitted request: the slot it was told, and when that was.
    admitted: Vec<(u64, Nanos)>,
}

impl Run {
    fn step(&mut self, op: Op) {
        let (real, naive) = (&self.real, &mut self.naive);
        match op {
            Op::Advance(span) => drop(real.pass(span)),
            Op::Enter(draw) => {
                let now = real.clock.now();
                naive.forget(now);
                let drawn = Cell::new(false);
                let slot = real.enter(|| {
                    drawn.set(true);
                    draw as f64 / 4_096.0
                });
                assert_eq!(drawn.get(), naive.chance_decides());
                assert_eq!(slot.is_none(), naive.chance_decides() && naive.refuses(draw));
                naive.requests.push(now);
                self.admitted.extend(slot.map(|slot| (slot, now)));
            }
            Op::Accepted => {
                real.accepted();
                naive.accepts.push(real.clock.now());
            }
            Op::Ignored(which) => {
                let len = self.admitted.len();
                if len > 0 {
                    let (slot, at) = self.admitted.swap_remove(which % len);
                    real.ignored(slot);
                    if let Some(index) = naive.requests.iter().position(|request| *request == at) {
                        naive.requests.remove(index);
                    }
                }
            }
            Op::Reconfigure(reaction) => {
                real.reconfigure(&options(reaction, None)).unwrap();
                naive.reaction = reaction;
            }
        }
        naive.forget(real.clock.now());
        let figures = real.figures();
        assert_eq!(figures.requests, naive.requests.len() as u64);
        assert_eq!(figures.accepts, naive.accepts.len() as u64);
        assert_eq!(figures.refusal_rate > 0.0, naive.chance_decides());
        assert!((0.0..=figures.rules.max_refusal_rate).contains(&figures.refusal_rate));
    }
}

fn reactions() -> impl Strategy<Value = Reaction> {
    let halves = prop_oneof![Just(2), Just(4), 2..20u64];
    let per_mille = prop_oneof![Just(0), Just(900), 0..1_000u64];
    (halves, per_mille).prop_map(|(halves, per_mille)| Reaction { halves, per_mille })
}

fn ops() -> impl Strategy<Value = Op> {
    // Within a slot, about a slot, about a window, and far beyond.
    let span = prop_oneof![
        0..10_000_000u64,
        0..500_000_000u64,
        0..6_000_000_000u64,
        Just(86_400_000_000_000),
        Just(1),
    ];
    prop_oneof![
        4 => span.prop_map(Op::Advance),
        10 => (0..2_048u64).prop_map(|half| Op::Enter(2 * half + 1)),
        4 => Just(Op::Accepted),
        2 => (0..64usize).prop_map(Op::Ignored),
        1 => reactions().prop_map(Op::Reconfigure),
    ]
}

proptest! {
    #![proptest_config(cases(2_000))]

    #[test]
    fn a_throttle_agrees_with_the_naive_one_that_keeps_every_event(
        reaction in reactions(),
        window_ms in prop_oneof![Just(1_000), Just(5_000), 1_000..10_000u64],
        ops in prop::collection::vec(ops(), 1..120),
    ) {
        let rules = options(reaction, Some(window_ms)).check().unwrap();
        let real = OnClock::new(|clock| Throttle::new(&rules, clock));
        let slot = window_ms * 100_000;
        let naive = Naive { reaction, slot, requests: Vec::new(), accepts: Vec::new() };
        let mut run = Run { real, naive, admitted: Vec::new() };
        for op in ops {
            run.step(op);
        }
    }
}
