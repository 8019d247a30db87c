//! A limit that finds itself: what one call says of it.

use super::{aimd::Aimd, gradient::Gradient};
use crate::clock::Nanos;

/// Where a limit may go, and where it starts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bounds {
    /// Never less.
    pub min: u32,
    /// Never more.
    pub max: u32,
    /// At first.
    pub initial: u32,
}

/// How a call ended, for the limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The dependency did its part.
    Success,
    /// It was too late or refused: there is too much of it.
    Dropped,
    /// It says nothing about how much the dependency can take.
    Ignored,
}

/// One call that has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sample {
    /// When it began.
    pub began: Nanos,
    /// When it ended.
    pub now: Nanos,
    /// Permits in use when it ended, its own among them.
    pub in_use: u32,
    /// How it ended.
    pub outcome: Outcome,
}

/// How many may run at once, and how that is found.
#[derive(Clone, Debug)]
pub enum Adaptive {
    /// It is what it was set to.
    Fixed,
    /// By drops alone.
    Aimd(Aimd),
    /// By latency and drops.
    Gradient(Box<Gradient>),
}

impl Adaptive {
    /// Whether calls have to be timed.
    pub fn is_timed(&self) -> bool {
        !matches!(self, Self::Fixed)
    }

    /// The limit after a call; None where it is fixed.
    pub fn sample(&mut self, sample: &Sample) -> Option<u32> {
        match self {
            Self::Fixed => None,
            Self::Aimd(aimd) => Some(aimd.sample(sample)),
            Self::Gradient(gradient) => Some(gradient.sample(sample)),
        }
    }
}
