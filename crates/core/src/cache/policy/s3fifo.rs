//! S3-FIFO (Yang, Zhang, Qiu, Yue and Rashmi, SOSP 2023): a small queue for newcomers, a main one, and ghosts. A use only counts;
//! what was used twice while in the small queue moves to the main one, what leaves it otherwise becomes a ghost, and a ghost that
//! comes back goes to the main queue at once.

use super::{
    Bounds,
    ghost::Ghosts,
    lists::{List, NONE, Nodes, Queue},
    uses::Uses,
};

/// The share of the small queue, in percent.
const SMALL_PERCENT: u64 = 10;

/// Uses that move a newcomer to the main queue.
const PROMOTED_AT: u8 = 2;

/// How many of a queue one eviction looks at, as a call must not take long: where all of them were used lately, one of the small queue
/// goes, and if there is none the next one all the same.
const LOOKS: u32 = 2_048;

#[derive(Debug, Default)]
pub(super) struct S3Fifo {
    small: List,
    main: List,
    ghosts: Ghosts,
    uses: Uses,
    /// Until something is evicted, what the small queue has no room for goes to the main one.
    has_evicted: bool,
}

impl S3Fifo {
    /// Nobody is resident, and hits are noted where they were.
    pub(super) fn emptied(&self) -> Self {
        Self { uses: self.uses.clone(), ..Self::default() }
    }

    pub(super) fn uses(&self) -> &Uses {
        &self.uses
    }

    fn small_room(bounds: &Bounds) -> u64 {
        (bounds.measured() / 100 * SMALL_PERCENT + bounds.measured() % 100 * SMALL_PERCENT / 100).max(1)
    }

    pub(super) fn add(&mut self, nodes: &mut Nodes, bounds: &Bounds, at: u32, is_ghost: bool) {
        self.uses.set(at, 0);
        let small_is_full = bounds.measure(&self.small) >= Self::small_room(bounds);
        if is_ghost || (!self.has_evicted && small_is_full) {
            nodes.push(&mut self.main, Queue::Main, at);
        } else {
            nodes.push(&mut self.small, Queue::First, at);
        }
    }

    /// Whether it was evicted a while ago, and is not forgotten.
    pub(super) fn returns(&mut self, hash: u32) -> bool {
        self.ghosts.take(hash)
    }

    pub(super) fn unlink(&mut self, nodes: &mut Nodes, at: u32) {
        match nodes.get(at).map(|node| node.queue()) {
            Some(Queue::First) => nodes.unlink(&mut self.small, at),
            Some(Queue::Main) => nodes.unlink(&mut self.main, at),
            _ => {}
        }
    }

    /// Puts a resident at the head of a queue.
    pub(super) fn put(&mut self, nodes: &mut Nodes, queue: Queue, at: u32) {
        let list = match queue {
            Queue::First => &mut self.small,
            _ => &mut self.main,
        };
        nodes.push(list, queue, at);
    }

    /// Takes out who has to go, but never `keep`.
    pub(super) fn evict(&mut self, nodes: &mut Nodes, bounds: &Bounds, keep: u32) -> Option<u32> {
        self.has_evicted = true;
        let main_room = bounds.measured() - Self::small_room(bounds).min(bounds.measured());
        let small_first = bounds.measure(&self.main) <= main_room;
        small_first
            .then(|| self.evict_small(nodes, bounds, keep))
            .flatten()
            .or_else(|| self.evict_main(nodes, keep, false))
            .or_else(|| self.evict_small(nodes, bounds, keep))
            // Whoever was in the small queue is in the main one by now.
            .or_else(|| self.evict_main(nodes, keep, true))
    }

    fn evict_small(&mut self, nodes: &mut Nodes, bounds: &Bounds, keep: u32) -> Option<u32> {
        for _ in 0..LOOKS.min(self.small.len as u32) {
            let at = self.small.tail;
            let hash = nodes.get(at)?.hash;
            if at == keep {
                nodes.refresh(&mut self.small, at);
            } else if self.uses.get(at) >= PROMOTED_AT {
                self.uses.set(at, 0);
                nodes.unlink(&mut self.small, at);
                nodes.push(&mut self.main, Queue::Main, at);
            } else {
                nodes.unlink(&mut self.small, at);
                self.ghosts.add(hash, Self::ghosts(bounds, self.small.len + self.main.len + 1));
                return Some(at);
            }
        }
        None
    }

    /// As many as the main queue has room for.
    fn ghosts(bounds: &Bounds, residents: u64) -> u64 {
        let most = residents.min(bounds.entries);
        most - most * SMALL_PERCENT / 100
    }

    /// Nobody where all it looks at were used, unless somebody has to go.
    fn evict_main(&mut self, nodes: &mut Nodes, keep: u32, has_to: bool) -> Option<u32> {
        let mut looks = 0;
        while self.main.tail != NONE {
            let at = self.main.tail;
            let uses = self.uses.get(at);
            looks += 1;
            if at == keep {
                if self.main.len == 1 {
                    return None;
                }
                nodes.refresh(&mut self.main, at);
            } else if uses > 0 && looks > LOOKS && !has_to {
                return None;
            } else if uses > 0 && looks <= LOOKS {
                self.uses.set(at, uses - 1);
                nodes.refresh(&mut self.main, at);
            } else {
                nodes.unlink(&mut self.main, at);
                return Some(at);
            }
        }
        None
    }

    pub(super) fn lists(&self) -> [(&List, Queue); 2] {
        [(&self.small, Queue::First), (&self.main, Queue::Main)]
    }
}
