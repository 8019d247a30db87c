//! The ghosts of S3-FIFO: hashes of what was evicted lately without having been used, first in, first out.

use super::super::{
    buckets::{Buckets, Chained, NONE},
    segments::Segments,
};

#[derive(Debug)]
struct Ghost {
    hash: u32,
    /// In its chain.
    chained: u32,
    /// Who came after it; of a free one, the next free one.
    younger: u32,
    /// It came back: it is in no chain, and waits to be the oldest.
    gone: bool,
}

impl Chained for Segments<Ghost> {
    fn next(&self, at: u32) -> u32 {
        self.get(at).map_or(NONE, |ghost| ghost.chained)
    }

    fn set_next(&mut self, at: u32, next: u32) {
        if let Some(ghost) = self.get_mut(at) {
            ghost.chained = next;
        }
    }

    fn hash(&self, at: u32) -> u32 {
        self.get(at).map_or(0, |ghost| ghost.hash)
    }
}

#[derive(Debug)]
pub(super) struct Ghosts {
    ghosts: Segments<Ghost>,
    buckets: Buckets,
    oldest: u32,
    youngest: u32,
    free: u32,
    /// Those that have not come back.
    here: u64,
    all: u64,
}

impl Default for Ghosts {
    fn default() -> Self {
        Self {
            ghosts: Segments::default(),
            buckets: Buckets::default(),
            oldest: NONE,
            youngest: NONE,
            free: NONE,
            here: 0,
            all: 0,
        }
    }
}

impl Ghosts {
    /// Remembers a hash; the oldest are forgotten beyond `most`.
    pub(super) fn add(&mut self, hash: u32, most: u64) {
        if most == 0 {
            return;
        }
        // Those that have come back are no ghosts any more, but take room until they are the oldest.
        while self.here >= most || self.all > most + most / 4 {
            self.forget_oldest();
        }
        let ghost = Ghost { hash, chained: NONE, younger: NONE, gone: false };
        let mut at = self.free;
        match self.ghosts.get_mut(at) {
            Some(free) => {
                self.free = free.younger;
                *free = ghost;
            }
            None => {
                at = self.ghosts.len() as u32;
                self.ghosts.push(ghost);
            }
        }
        match self.ghosts.get_mut(self.youngest) {
            Some(before) => before.younger = at,
            None => self.oldest = at,
        }
        self.youngest = at;
        self.buckets.insert(&mut self.ghosts, at, hash);
        self.here += 1;
        self.all += 1;
    }

    /// Whether this hash was remembered: it is not from now on.
    pub(super) fn take(&mut self, hash: u32) -> bool {
        let mut at = self.buckets.first(hash);
        while let Some(ghost) = self.ghosts.get_mut(at) {
            if ghost.hash == hash {
                ghost.gone = true;
                self.buckets.remove(&mut self.ghosts, at, hash);
                self.here -= 1;
                return true;
            }
            at = ghost.chained;
        }
        false
    }

    fn forget_oldest(&mut self) {
        let at = self.oldest;
        let Some(ghost) = self.ghosts.get_mut(at) else { return };
        let (hash, gone) = (ghost.hash, ghost.gone);
        self.oldest = ghost.younger;
        ghost.younger = self.free;
        self.free = at;
        if self.oldest == NONE {
            self.youngest = NONE;
        }
        if !gone {
            self.buckets.remove(&mut self.ghosts, at, hash);
            self.here -= 1;
        }
        self.all -= 1;
    }
}

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;

    use super::*;
    use crate::rng::Rng;

    #[test]
    fn remembers_as_a_plain_queue_does() {
        let mut rng = Rng::seeded(1);
        let (mut ghosts, mut model) = (Ghosts::default(), VecDeque::new());
        for _ in 0..100_000 {
            let hash = (rng.next_u64() % 3_000) as u32;
            let known = model.iter().position(|other| *other == hash);
            assert_eq!(ghosts.take(hash), known.is_some());
            match known {
                // Mostly at the old end, so that those gone do not fill it up.
                Some(at) => drop(model.remove(at)),
                None => {
                    ghosts.add(hash, 1_000);
                    model.push_back(hash);
                    if model.len() > 1_000 {
                        model.pop_front();
                    }
                }
            }
            let lost = model.len() as u64 - ghosts.here;
            assert!(lost <= 250, "{lost}");
            // What was forgotten early is forgotten by both.
            for _ in 0..lost {
                model.pop_front();
            }
            assert!(ghosts.ghosts.len() <= 1_252);
        }
    }
}
