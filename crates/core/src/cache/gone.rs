//! What is removed, and why.

use super::{
    policy::Eviction,
    table::{Removed, Table},
};

/// Why an entry is gone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reason {
    /// Others needed the room.
    Evicted,
    /// It was dead: too old, or one of its tags was invalidated.
    Expired,
    /// It was deleted, or all was cleared.
    Deleted,
    /// There is another value of its key.
    Replaced,
}

/// What was removed by a call, for who wants to know.
#[derive(Debug, Default)]
pub struct Gone {
    /// Kept only if somebody wants to know.
    wanted: bool,
    /// The entries and why they are gone.
    pub entries: Vec<(Removed, Reason)>,
}

impl Gone {
    /// Keeps what was removed if `wanted`.
    pub fn new(wanted: bool) -> Self {
        Self { wanted, entries: Vec::new() }
    }

    pub(super) fn add(&mut self, removed: Removed, reason: Reason) {
        if self.wanted {
            self.entries.push((removed, reason));
        }
    }
}

/// Everything that was in a cache.
#[derive(Debug)]
pub struct Garbage {
    /// How many entries.
    pub entries: u64,
    pub(super) tables: Vec<Table>,
    pub(super) _eviction: Eviction,
}

impl Garbage {
    /// The entries, for who wants to know each.
    pub fn into_gone(self, gone: &mut Gone) {
        for mut table in self.tables {
            for removed in table.drain() {
                gone.add(removed, Reason::Deleted);
            }
        }
    }
}
