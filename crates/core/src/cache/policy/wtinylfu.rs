//! W-TinyLFU (Einziger, Friedman and Manes 2017) with a fixed window, as Caffeine's: newcomers spend their first time in a window
//! of one percent; who leaves it stays only if it was seen more often lately than who would have to go for it.

use super::{
    Bounds,
    lists::{List, NONE, Nodes, Queue},
    sketch::Sketch,
};
use crate::rng::Rng;

const WINDOW_PERCENT: u64 = 1;

/// The share of the protected queue in what is not the window, in percent.
const PROTECTED_PERCENT: u64 = 80;

/// Seen so often, a newcomer that loses gets in by chance now and then, so that nobody can keep others out by collisions.
const WARM: u8 = 6;
const WARM_CHANCE: f64 = 1.0 / 128.0;

#[derive(Debug)]
pub(super) struct WTinyLfu {
    window: List,
    probation: List,
    protected: List,
    sketch: Sketch,
    chance: Rng,
}

impl WTinyLfu {
    pub(super) fn new(chance: Rng) -> Self {
        let (window, probation, protected) = (List::default(), List::default(), List::default());
        Self { window, probation, protected, sketch: Sketch::default(), chance }
    }

    fn window_room(bounds: &Bounds) -> u64 {
        (bounds.measured() / 100 * WINDOW_PERCENT).max(1)
    }

    fn protected_room(bounds: &Bounds) -> u64 {
        let main = bounds.measured() - Self::window_room(bounds).min(bounds.measured());
        main / 100 * PROTECTED_PERCENT + main % 100 * PROTECTED_PERCENT / 100
    }

    pub(super) fn touch(&mut self, nodes: &mut Nodes, bounds: &Bounds, at: u32) {
        let Some((hash, queue)) = nodes.get(at).map(|node| (node.hash, node.queue())) else { return };
        self.sketch.count(hash);
        match queue {
            Queue::Free => {}
            Queue::First => nodes.refresh(&mut self.window, at),
            Queue::Protected => nodes.refresh(&mut self.protected, at),
            Queue::Main => {
                nodes.unlink(&mut self.probation, at);
                nodes.push(&mut self.protected, Queue::Protected, at);
                while bounds.measure(&self.protected) > Self::protected_room(bounds) {
                    let last = self.protected.tail;
                    nodes.unlink(&mut self.protected, last);
                    nodes.push(&mut self.probation, Queue::Main, last);
                }
            }
        }
    }

    pub(super) fn add(&mut self, nodes: &mut Nodes, bounds: &Bounds, at: u32, residents: u64) {
        // By weight, how many fit is not known beforehand.
        let residents = if bounds.weight == u64::MAX { bounds.entries } else { residents };
        self.sketch.ensure(residents);
        if let Some(node) = nodes.get(at) {
            self.sketch.count(node.hash);
        }
        nodes.push(&mut self.window, Queue::First, at);
    }

    pub(super) fn unlink(&mut self, nodes: &mut Nodes, at: u32) {
        match nodes.get(at).map(|node| node.queue()) {
            Some(Queue::First) => nodes.unlink(&mut self.window, at),
            Some(Queue::Main) => nodes.unlink(&mut self.probation, at),
            Some(Queue::Protected) => nodes.unlink(&mut self.protected, at),
            _ => {}
        }
    }

    /// Puts a resident at the head of a queue.
    pub(super) fn put(&mut self, nodes: &mut Nodes, queue: Queue, at: u32) {
        let list = match queue {
            Queue::First => &mut self.window,
            Queue::Protected => &mut self.protected,
            _ => &mut self.probation,
        };
        nodes.push(list, queue, at);
    }

    /// Moves who has no place in the window any more to the probation: the last one, which has to prove itself.
    pub(super) fn overflow(&mut self, nodes: &mut Nodes, bounds: &Bounds) -> u32 {
        if bounds.measure(&self.window) <= Self::window_room(bounds) {
            return NONE;
        }
        let at = self.window.tail;
        nodes.unlink(&mut self.window, at);
        nodes.push(&mut self.probation, Queue::Main, at);
        at
    }

    /// Takes out who has to go: `candidate` or who stands in its place, but never `keep`.
    pub(super) fn evict(&mut self, nodes: &mut Nodes, candidate: u32, keep: u32) -> Option<u32> {
        let candidate = if candidate == keep { NONE } else { candidate };
        let others = |at: u32| at != candidate && at != keep && at != NONE;
        let mut victim = NONE;
        for list in [&self.probation, &self.protected, &self.window] {
            // Candidate and keep are two at most: the third from the end is another.
            let mut at = list.tail;
            for _ in 0..2 {
                if at != NONE && !others(at) {
                    at = nodes.before(at);
                }
            }
            if others(at) {
                victim = at;
                break;
            }
        }
        let loser = match (victim, candidate) {
            (NONE, candidate) => candidate,
            (victim, NONE) => victim,
            (victim, candidate) if self.admits(nodes, candidate, victim) => victim,
            (_, candidate) => candidate,
        };
        if loser == NONE {
            return None;
        }
        self.unlink(nodes, loser);
        Some(loser)
    }

    fn admits(&mut self, nodes: &Nodes, candidate: u32, victim: u32) -> bool {
        let seen = |at| nodes.get(at).map_or(0, |node| self.sketch.estimate(node.hash));
        let (candidate, victim) = (seen(candidate), seen(victim));
        candidate > victim || (candidate >= WARM && self.chance.unit() < WARM_CHANCE)
    }

    pub(super) fn lists(&self) -> [(&List, Queue); 3] {
        [(&self.window, Queue::First), (&self.probation, Queue::Main), (&self.protected, Queue::Protected)]
    }
}
