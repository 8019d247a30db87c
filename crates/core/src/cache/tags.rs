//! Tags: whole groups of entries are invalidated by one store. An invalidation takes a number of a sequence and notes it at the
//! tag; what was loaded before that number is not served any more. Nothing is looked for, and nothing is indexed.
//!
//! A tag is kept while an entry has it; one that no entry has, for as long as a load that began before its invalidation may still
//! come with it: a lease.

use std::collections::{BTreeMap, VecDeque};

use crate::{
    clock::Nanos,
    sync::{AtomicU64, Mutex, Ordering, Shared},
};

/// A place in the order of invalidations.
pub type Sequence = u64;

/// A tag as entries have it.
#[derive(Debug)]
pub(super) struct Tag {
    /// What was loaded before it is invalid.
    barrier: AtomicU64,
    /// When it was set.
    at: AtomicU64,
}

/// The tags of an entry or a load, and what it has seen.
#[derive(Debug)]
pub(super) struct Tagged {
    pub(super) seen: Sequence,
    pub(super) tags: Box<[Shared<Tag>]>,
}

impl Tagged {
    pub(super) fn is_valid(&self) -> bool {
        self.barrier() <= self.seen
    }

    /// What was asked for before this is invalid.
    pub(super) fn barrier(&self) -> Sequence {
        self.tags.iter().map(|tag| tag.barrier.load(Ordering::Acquire)).max().unwrap_or(0)
    }
}

#[derive(Debug, Default)]
struct Known {
    tags: BTreeMap<Box<str>, Shared<Tag>>,
    /// Those that may not be needed any more, in the order in which they are looked at.
    suspects: VecDeque<Box<str>>,
}

/// All tags of a cache.
#[derive(Debug)]
pub(super) struct Tags {
    sequence: AtomicU64,
    known: Mutex<Known>,
}

/// Suspects looked at with each call.
const LOOKS: usize = 4;

impl Tags {
    pub(super) fn new() -> Self {
        Self { sequence: AtomicU64::new(1), known: Mutex::new(Known::default()) }
    }

    /// Where the sequence stands.
    #[inline]
    pub(super) fn sequence(&self) -> Sequence {
        self.sequence.load(Ordering::Acquire)
    }

    /// Invalidates what has this tag and was loaded before now.
    pub(super) fn invalidate(&self, name: &str, now: Nanos, lease: Nanos) {
        let mut known = self.known.lock();
        let tag = known.tag(name);
        tag.at.store(now, Ordering::Relaxed);
        // Under the lock: barriers rise in the order of the sequence.
        let barrier = self.sequence.fetch_add(1, Ordering::AcqRel) + 1;
        tag.barrier.store(barrier, Ordering::Release);
        known.tidy(now, lease);
    }

    /// The tags of these names, for something that has seen so much.
    pub(super) fn tagged(&self, names: &[String], seen: Sequence, now: Nanos, lease: Nanos) -> Tagged {
        let mut known = self.known.lock();
        let tags = names.iter().map(|name| known.tag(name)).collect();
        known.tidy(now, lease);
        Tagged { seen, tags }
    }

    /// Tags that are known.
    #[cfg(test)]
    fn len(&self) -> usize {
        self.known.lock().tags.len()
    }
}

impl Known {
    fn tag(&mut self, name: &str) -> Shared<Tag> {
        if let Some(tag) = self.tags.get(name) {
            return tag.clone();
        }
        let tag = Shared::new(Tag { barrier: AtomicU64::new(0), at: AtomicU64::new(0) });
        self.tags.insert(name.into(), tag.clone());
        self.suspects.push_back(name.into());
        tag
    }

    fn tidy(&mut self, now: Nanos, lease: Nanos) {
        for _ in 0..LOOKS.min(self.suspects.len()) {
            let Some(name) = self.suspects.pop_front() else { return };
            let Some(tag) = self.tags.get(&name) else { continue };
            let was_invalidated = tag.barrier.load(Ordering::Relaxed) > 0;
            let over = now.saturating_sub(tag.at.load(Ordering::Relaxed)) > lease;
            if Shared::strong_count(tag) == 1 && (!was_invalidated || over) {
                self.tags.remove(&name);
            } else {
                self.suspects.push_back(name);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_loaded_before_an_invalidation_is_invalid() {
        let tags = Tags::new();
        let names = ["a".to_owned(), "b".to_owned()];
        let entry = tags.tagged(&names, tags.sequence(), 0, 10);
        assert!(entry.is_valid());
        tags.invalidate("c", 0, 10);
        assert!(entry.is_valid());
        tags.invalidate("b", 0, 10);
        assert!(!entry.is_valid());
        assert!(tags.tagged(&names, tags.sequence(), 0, 10).is_valid());
    }

    #[test]
    fn tags_that_nobody_has_are_forgotten_after_a_lease() {
        let tags = Tags::new();
        let seen = tags.sequence();
        let names = ["kept".to_owned()];
        let kept = tags.tagged(&names, seen, 0, 10);
        tags.invalidate("gone", 0, 10);
        for _ in 0..3 {
            tags.invalidate("kept", 5, 10);
        }
        // A load that began before may still come with it.
        assert!(!tags.tagged(&["gone".to_owned()], seen, 5, 10).is_valid());
        for _ in 0..3 {
            tags.invalidate("kept", 11, 10);
        }
        assert_eq!(tags.len(), 1);
        assert!(!kept.is_valid());
        for turn in 0..10_000 {
            tags.invalidate(&format!("tag {turn}"), 100 * turn, 10);
            assert!(tags.len() <= 4, "{}", tags.len());
        }
    }
}
