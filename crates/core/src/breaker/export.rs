//! What another process needs to go on: ages instead of instants, because monotonic clocks differ.

use super::calls::Recorded;
use crate::clock::Nanos;

/// The state of a breaker without those who isolate or disable it, who are of this process.
#[derive(Clone, Debug, PartialEq)]
pub struct Exported {
    /// How old the break is, and how long it lasts in all; None when closed. A half-open breaker exports a break that is over.
    pub broken: Option<(Nanos, Nanos)>,
    /// Breaks without a recovery between.
    pub breaks: u64,
    /// Failures in a row up to the last call.
    pub run: u64,
    /// The calls in the window.
    pub recorded: Recorded,
}
