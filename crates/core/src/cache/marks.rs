//! Words by which who keeps values of this cache elsewhere (a front) sees that they may have changed, without a call: one for all
//! keys, and one each for groups of keys by their hash. Whoever changes an entry moves the word of its group on before the shard is
//! unlocked. Beside them, how many hits each front has not told yet, which only its thread writes.

use super::{Cache, policy::Slot};
use crate::{
    clock::Nanos,
    room::EnvId,
    sync::{AtomicU32, Mutex, MutexGuard, Ordering},
};

/// Fronts of one cache that may have a word of their own; more of them ask the cache with each hit.
const FRONTS: usize = 64;

/// Words between those of two fronts, so that their threads do not meet in one line of the processor's cache.
const APART: usize = 16;

/// Groups of keys. A key whose group was changed for another one costs a front one question.
const GROUPS: usize = 1 << 14;

/// The word for all keys.
const ALL: usize = 0;

/// Where the words of fronts begin, and those of groups.
const OF_FRONTS: usize = APART;
const OF_GROUPS: usize = OF_FRONTS + FRONTS * APART;

/// How many words there are.
pub const MARKS: usize = OF_GROUPS + GROUPS;

/// What a front has to know of a value to serve it again.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Held {
    /// Where the policy has it.
    pub slot: Slot,
    /// How long it may be served while `mark` is what it was; 0: it has to ask each time.
    pub left: Nanos,
    /// Which word is its group's.
    pub group: u32,
    /// What that and the word for all were, added up: they only ever grow.
    pub mark: u32,
}

/// Whose the words of fronts are.
type Owners = [Option<EnvId>; FRONTS];

/// See the module.
#[derive(Debug)]
pub struct Marks {
    words: &'static [AtomicU32],
    /// Held where hits go from a front's word to the counters, and while both are summed up: each is seen in one place.
    owners: Mutex<Owners>,
}

impl Marks {
    /// On these words, of which there are [`MARKS`].
    pub fn new(words: &'static [AtomicU32]) -> Self {
        Self { words, owners: Mutex::new([None; FRONTS]) }
    }

    /// The words.
    pub fn words(&self) -> &'static [AtomicU32] {
        self.words
    }

    #[inline]
    pub(super) fn all(&self) -> u32 {
        self.words[ALL].load(Ordering::Acquire)
    }

    /// The word of a group. To be asked with the shard locked.
    #[inline]
    pub(super) fn of(&self, group: u32) -> u32 {
        self.words.get(group as usize).map_or(0, |word| word.load(Ordering::Relaxed))
    }

    #[inline]
    pub(super) fn change(&self, group: u32) {
        if let Some(word) = self.words.get(group as usize) {
            word.fetch_add(1, Ordering::Release);
        }
    }

    pub(super) fn change_all(&self) {
        self.words[ALL].fetch_add(1, Ordering::Release);
    }

    /// A word for the hits that a front has not told yet; None if all are taken.
    pub fn claim(&self, env: EnvId) -> Option<u32> {
        let mut owners = self.owners.lock();
        let free = owners.iter().position(Option::is_none)?;
        owners[free] = Some(env);
        let word = OF_FRONTS + free * APART;
        self.words[word].store(0, Ordering::Relaxed);
        Some(word as u32)
    }

    /// While it is held, hits stay where they are.
    pub(super) fn hold(&self) -> MutexGuard<'_, Owners> {
        self.owners.lock()
    }

    /// A front has told its hits. To be told, and the hits to be counted, under [`Self::hold`].
    fn told(&self, word: u32) {
        if let Some(front) = front_of(word) {
            self.words[OF_FRONTS + front * APART].store(0, Ordering::Relaxed);
        }
    }

    /// The word is free again.
    pub fn release(&self, word: u32) {
        if let Some(front) = front_of(word) {
            self.owners.lock()[front] = None;
        }
    }

    fn untold_of(&self, front: usize) -> u64 {
        self.words[OF_FRONTS + front * APART].load(Ordering::Relaxed).into()
    }

    /// Hits that no front has told yet.
    pub(super) fn untold(&self, owners: &Owners) -> u64 {
        (0..FRONTS).filter(|front| owners[*front].is_some()).map(|front| self.untold_of(front)).sum()
    }
}

impl Cache {
    /// The words by which fronts see what changes: made with the first front, on memory from `words`.
    pub fn marks(&self, words: impl FnOnce() -> &'static [AtomicU32]) -> &Marks {
        self.marks.get_or_init(|| Marks::new(words()))
    }

    /// The words, if there are any.
    pub fn marks_there(&self) -> Option<&Marks> {
        self.marks.get()
    }

    /// Hits of a front, which has the word `front`, in these slots.
    pub fn fronted(&self, env: EnvId, front: u32, slots: impl Iterator<Item = Slot>) {
        let mut hits = 0;
        let slots = slots.inspect(|_| hits += 1);
        match &self.uses {
            Some(uses) => slots.for_each(|slot| uses.touch(slot)),
            None => {
                let mut keeper = self.keeper(env);
                slots.for_each(|slot| keeper.eviction.touch(slot));
            }
        }
        if let Some(marks) = self.marks.get() {
            let _held = marks.hold();
            marks.told(front);
            self.stripe(env).hits.fetch_add(hits, Ordering::Relaxed);
        }
    }

    /// The fronts of an environment are gone: what they had not told is counted all the same.
    pub(super) fn fronts_gone(&self, env: EnvId) {
        let Some(marks) = self.marks.get() else { return };
        for (front, owner) in marks.hold().iter_mut().enumerate().filter(|(_, owner)| **owner == Some(env)) {
            *owner = None;
            self.stripe(env).hits.fetch_add(marks.untold_of(front), Ordering::Relaxed);
        }
    }
}

/// The word of the group of a hash.
#[inline]
pub(super) fn group_of(whole: u32) -> u32 {
    (OF_GROUPS + (whole as usize & (GROUPS - 1))) as u32
}

fn front_of(word: u32) -> Option<usize> {
    let front = (word as usize).checked_sub(OF_FRONTS)? / APART;
    (front < FRONTS).then_some(front)
}
