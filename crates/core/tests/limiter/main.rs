//! Stories of the keyed limiter, on the manual clock.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test may fail where it stands")]

#[path = "../support/mod.rs"]
mod support;

mod blocks;
mod debts;
mod exported;
mod full;
mod one_limit;
mod reconfigured;
mod reservations;
mod several_limits;

use breakwater_core::{
    bucket::{
        Decision, Limit,
        model::{take, ticks},
    },
    limiter::{Costs, Limiter, Options, Reservation, Reserve, Verdict, WhenFull},
    rng::Rng,
};
use support::{OnClock, checked, limiter, limiter_of, ms, secs, windowed};

const KEY: u64 = 0x1234_5678_9ABC_DEF0;
const OTHER: u64 = 0x0FED_CBA9_8765_4321;

fn one(cost: u64) -> Costs {
    Costs::same(cost)
}

/// allowed, remaining, reset, retry after: what the deciding limit says.
type Told = (bool, u64, u64, Option<u64>);

fn told(verdict: &Verdict) -> Told {
    let state = verdict.limit(verdict.deciding());
    (verdict.allowed, state.remaining, state.reset, state.retry_after)
}

fn granted(answer: Reserve) -> (u64, Reservation) {
    match answer {
        Reserve::After(wait, reservation) => (wait, reservation),
        Reserve::Refused(verdict) => panic!("expected a reservation, got {:?}", told(&verdict)),
    }
}

fn refused(answer: Reserve) -> Told {
    match answer {
        Reserve::Refused(verdict) => told(&verdict),
        Reserve::After(wait, _) => panic!("expected a refusal, got a wait of {wait}"),
    }
}

/// Reserves and says when it may be done.
fn acts_at(limiter: &OnClock<Limiter>, cost: u64) -> (u64, Reservation) {
    let (wait, reservation) = granted(limiter.reserve(KEY, &one(cost), None));
    (limiter.clock.now() + wait, reservation)
}
