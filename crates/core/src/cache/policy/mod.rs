//! Who stays and who has to go: an eviction policy over slots. It knows hashes and weights, not keys nor values, and the same code
//! decides for caches whose values lie in Rust and for those whose values lie in JavaScript.
//!
//! Bounded at every instant: room is made before a newcomer is let in. No call looks at more than a few thousand residents for each
//! that has to go.

mod ghost;
mod lists;
mod s3fifo;
mod sketch;
mod uses;
mod wtinylfu;

pub use self::uses::Uses;
use self::{
    lists::{List, MAX_SLOTS, NONE, Nodes, Queue},
    s3fifo::S3Fifo,
    wtinylfu::WTinyLfu,
};
use crate::rng::Rng;

/// A place of one resident. Slots are used again.
pub type Slot = u32;

/// Which policy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PolicyKind {
    /// A small and a main queue with ghosts: never far from the best, and a hit moves nothing.
    S3Fifo,
    /// The least recently used goes.
    Lru,
    /// A window, and admission by how often it was seen: best under scans and loops.
    WTinyLfu,
}

impl PolicyKind {
    /// As the user writes it.
    pub fn word(self) -> &'static str {
        match self {
            Self::S3Fifo => "s3fifo",
            Self::Lru => "lru",
            Self::WTinyLfu => "wtinylfu",
        }
    }
}

/// The most residents there can be: a newcomer takes a slot before another leaves its own.
pub const MAX_ENTRIES: u64 = MAX_SLOTS as u64 - 1;

/// How much may be resident; `u64::MAX` is no bound.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bounds {
    /// How many.
    pub entries: u64,
    /// How much they weigh together.
    pub weight: u64,
}

impl Bounds {
    /// What the shares of queues are shares of: the weight if that is bounded.
    fn measured(&self) -> u64 {
        if self.weight == u64::MAX { self.entries } else { self.weight }
    }

    fn measure(&self, list: &List) -> u64 {
        if self.weight == u64::MAX { list.len } else { list.weight }
    }
}

#[derive(Debug)]
enum Policy {
    S3Fifo(S3Fifo),
    Lru(List),
    WTinyLfu(Box<WTinyLfu>),
}

/// The residents of one cache.
#[derive(Debug)]
pub struct Eviction {
    kind: PolicyKind,
    nodes: Nodes,
    policy: Policy,
    bounds: Bounds,
    entries: u64,
    weight: u64,
}

impl Eviction {
    /// Nobody is resident. Chance breaks some ties of W-TinyLFU.
    pub fn new(kind: PolicyKind, bounds: Bounds, chance: Rng) -> Self {
        let policy = match kind {
            PolicyKind::S3Fifo => Policy::S3Fifo(S3Fifo::default()),
            PolicyKind::Lru => Policy::Lru(List::default()),
            PolicyKind::WTinyLfu => Policy::WTinyLfu(Box::new(WTinyLfu::new(chance))),
        };
        Self { kind, nodes: Nodes::default(), policy, bounds, entries: 0, weight: 0 }
    }

    /// Nobody is resident any more, and nothing remembered: what there was, which may take long to free.
    pub fn clear(&mut self) -> Self {
        let mut empty = Self::new(self.kind, self.bounds, Rng::from_entropy());
        if let Policy::S3Fifo(policy) = &self.policy {
            empty.policy = Policy::S3Fifo(policy.emptied());
        }
        std::mem::replace(self, empty)
    }

    /// How many are resident.
    pub fn entries(&self) -> u64 {
        self.entries
    }

    /// What they weigh together.
    pub fn weight(&self) -> u64 {
        self.weight
    }

    /// The bounds in force.
    pub fn bounds(&self) -> Bounds {
        self.bounds
    }

    /// Where hits can be noted without asking the policy, if it does no more than count them.
    pub fn uses(&self) -> Option<Uses> {
        match &self.policy {
            Policy::S3Fifo(policy) => Some(policy.uses().clone()),
            _ => None,
        }
    }

    /// A resident was used.
    #[inline]
    pub fn touch(&mut self, slot: Slot) {
        match &mut self.policy {
            Policy::S3Fifo(policy) => policy.uses().touch(slot),
            Policy::Lru(list) => {
                if self.nodes.get(slot).is_some_and(|node| node.queue() == Queue::Main) {
                    self.nodes.refresh(list, slot);
                }
            }
            Policy::WTinyLfu(policy) => policy.touch(&mut self.nodes, &self.bounds, slot),
        }
    }

    /// Makes room for a newcomer of this hash and weight, and lets it in. `evict` is told who has to go for it, with the hash of
    /// each. None if it can never fit, or is not worth the place.
    pub fn admit(&mut self, hash: u32, weight: u32, evict: &mut dyn FnMut(Slot, u32)) -> Option<Slot> {
        if u64::from(weight) > self.bounds.weight || self.bounds.entries == 0 {
            return None;
        }
        let returns = match &mut self.policy {
            Policy::S3Fifo(policy) => policy.returns(hash),
            _ => false,
        };
        let slot = self.nodes.add(hash, weight);
        self.entries += 1;
        self.weight += u64::from(weight);
        if let Policy::WTinyLfu(policy) = &mut self.policy {
            policy.add(&mut self.nodes, &self.bounds, slot, self.entries);
        }
        let mut tell = |victim, hash| {
            if victim != slot {
                evict(victim, hash);
            }
        };
        self.make_room(NONE, &mut tell);
        match &mut self.policy {
            Policy::S3Fifo(policy) => policy.add(&mut self.nodes, &self.bounds, slot, returns),
            Policy::Lru(list) => self.nodes.push(list, Queue::Main, slot),
            Policy::WTinyLfu(_) => {
                return self.nodes.get(slot).is_some_and(|node| node.queue() != Queue::Free).then_some(slot);
            }
        }
        Some(slot)
    }

    /// A resident weighs something else from now on, and was used. False if that can never fit: it has to be removed.
    pub fn reweigh(&mut self, slot: Slot, weight: u32, evict: &mut dyn FnMut(Slot, u32)) -> bool {
        if u64::from(weight) > self.bounds.weight {
            return false;
        }
        self.touch(slot);
        let Some(before) = self.nodes.get(slot).map(|node| node.weight) else { return false };
        if before == weight {
            return true;
        }
        self.relink(slot, weight);
        self.weight = self.weight - u64::from(before) + u64::from(weight);
        self.make_room(slot, evict);
        true
    }

    /// A list knows what all in it weigh: one that weighs something else is put in anew, at the head.
    fn relink(&mut self, slot: Slot, weight: u32) {
        let Some(queue) = self.nodes.get(slot).map(|node| node.queue()) else { return };
        self.unlink(slot);
        if let Some(node) = self.nodes.get_mut(slot) {
            node.weight = weight;
        }
        match &mut self.policy {
            Policy::S3Fifo(policy) => policy.put(&mut self.nodes, queue, slot),
            Policy::Lru(list) => self.nodes.push(list, queue, slot),
            Policy::WTinyLfu(policy) => policy.put(&mut self.nodes, queue, slot),
        }
    }

    /// A resident is gone.
    pub fn remove(&mut self, slot: Slot) {
        self.unlink(slot);
        self.forget(slot);
    }

    /// Other bounds from now on. `evict` is told who has to go.
    pub fn set_bounds(&mut self, bounds: Bounds, evict: &mut dyn FnMut(Slot, u32)) {
        self.bounds = bounds;
        self.make_room(NONE, evict);
    }

    /// The hash of who is resident there, if anybody is.
    pub fn hash(&self, slot: Slot) -> Option<u32> {
        self.nodes.get(slot).filter(|node| node.queue() != Queue::Free).map(|node| node.hash)
    }

    /// Slots there have ever been: residents are below.
    pub fn slots(&self) -> u32 {
        self.nodes.len()
    }

    fn unlink(&mut self, slot: Slot) {
        match &mut self.policy {
            Policy::S3Fifo(policy) => policy.unlink(&mut self.nodes, slot),
            Policy::Lru(list) => self.nodes.unlink(list, slot),
            Policy::WTinyLfu(policy) => policy.unlink(&mut self.nodes, slot),
        }
    }

    /// The slot of who is in no queue any more is free; its hash.
    fn forget(&mut self, slot: Slot) -> u32 {
        let Some(node) = self.nodes.get(slot) else { return 0 };
        let (hash, weight) = (node.hash, node.weight);
        self.entries -= 1;
        self.weight -= u64::from(weight);
        self.nodes.release(slot);
        hash
    }

    /// Evicts until all fits, but never `keep`.
    fn make_room(&mut self, keep: Slot, evict: &mut dyn FnMut(Slot, u32)) {
        loop {
            let over =
                self.entries > self.bounds.entries.min(MAX_ENTRIES) || self.weight > self.bounds.weight;
            let victim = match &mut self.policy {
                Policy::S3Fifo(policy) if over => policy.evict(&mut self.nodes, &self.bounds, keep),
                Policy::Lru(list) if over => {
                    let tail = list.tail;
                    let victim = if tail == keep { self.nodes.before(tail) } else { tail };
                    if victim != NONE {
                        self.nodes.unlink(list, victim);
                    }
                    Some(victim).filter(|victim| *victim != NONE)
                }
                Policy::WTinyLfu(policy) => {
                    let candidate = policy.overflow(&mut self.nodes, &self.bounds);
                    match over {
                        true => policy.evict(&mut self.nodes, candidate, keep),
                        false if candidate == NONE => None,
                        false => continue,
                    }
                }
                _ => None,
            };
            let Some(victim) = victim else { return };
            let hash = self.forget(victim);
            evict(victim, hash);
        }
    }

    /// Walks everything: the queues hold each resident once, and add up. For tests.
    pub fn validate(&self) {
        let lists: Vec<(&List, Queue)> = match &self.policy {
            Policy::S3Fifo(policy) => policy.lists().into(),
            Policy::Lru(list) => vec![(list, Queue::Main)],
            Policy::WTinyLfu(policy) => policy.lists().into(),
        };
        let (mut entries, mut weight) = (0, 0);
        for (list, queue) in lists {
            let slots = self.nodes.listed(list);
            let nodes = || slots.iter().filter_map(|slot| self.nodes.get(*slot));
            assert_eq!(slots.len() as u64, list.len);
            assert_eq!(nodes().map(|node| u64::from(node.weight)).sum::<u64>(), list.weight);
            assert!(nodes().all(|node| node.queue() == queue));
            entries += list.len;
            weight += list.weight;
        }
        assert_eq!((entries, weight), (self.entries, self.weight));
        assert!(entries <= self.bounds.entries && weight <= self.bounds.weight, "over {:?}", self.bounds);
    }
}
