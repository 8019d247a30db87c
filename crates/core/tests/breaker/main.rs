//! Stories of the circuit breaker, on the manual clock. Where a story is a peer's, its numbers are the peer's too.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test may fail where it stands")]

#[path = "../support/mod.rs"]
mod support;

mod breaks;
mod changes;
mod count_window;
mod exported;
mod half_open;
mod overlays;
mod reconfigured;
mod slow_calls;
mod time_window;

use breakwater_core::breaker::{
    Breaker, Change, Exported, OpenOption, Options, Outcome, Permit, Reason, Recorded, State, Thresholds,
    Wait,
};
use support::{
    CLOSED, Call, ENV, HALF_OPEN, OPEN, OnClock, breaker, count_window, growing, ms, secs, time_window,
};

/// Half of five calls open it, for five seconds.
fn five(half_open_calls: u64) -> OnClock<Breaker> {
    breaker(count_window(5), half_open_calls, Thresholds::default())
}

/// A rate of its own, from `minimum` calls on.
fn rate(threshold: f64, minimum: u64) -> Thresholds {
    Thresholds {
        failure_rate_threshold: Some(Some(threshold)),
        minimum_calls: Some(minimum as f64),
        ..Thresholds::default()
    }
}

/// Opens it by calls that fail, and waits until the break of five seconds is over.
fn half_open(probes: u64) -> OnClock<Breaker> {
    let breaker = five(probes);
    breaker.calls("FFFFF");
    assert_eq!(breaker.state(), OPEN);
    breaker.pass(secs(5));
    breaker
}
