//! The last changes of state, in order, for whoever listens: in this process alone.

use std::collections::VecDeque;

use super::{
    breaker::Wait,
    model::{Reason, State},
};

/// How many are kept: a thread that is further behind skips the oldest.
const KEPT: usize = 64;

/// One change of what callers meet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Change {
    /// The number of the change, from 1.
    pub generation: u64,
    /// What callers met before.
    pub from: State,
    /// What they meet now.
    pub to: State,
    /// Why.
    pub reason: Reason,
    /// How soon a call may pass.
    pub wait: Wait,
}

#[derive(Debug, Default)]
pub(super) struct Log {
    generation: u64,
    changes: VecDeque<Change>,
}

impl Log {
    pub(super) fn generation(&self) -> u64 {
        self.generation
    }

    pub(super) fn push(&mut self, from: State, to: State, reason: Reason, wait: Wait) {
        self.generation += 1;
        if self.changes.len() == KEPT {
            self.changes.pop_front();
        }
        self.changes.push_back(Change { generation: self.generation, from, to, reason, wait });
    }

    pub(super) fn since(&self, generation: u64) -> Vec<Change> {
        self.changes.iter().filter(|change| change.generation > generation).copied().collect()
    }
}
