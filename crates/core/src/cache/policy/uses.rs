//! How often each resident was used since it came, up to three: a byte for each slot, apart from everything else, so that a hit notes
//! itself without a lock and in memory that stays in the processor's cache.

use std::hint::black_box;

use crate::sync::{AtomicU8, OnceLock, Ordering, Shared};

/// Uses that are told apart.
const MOST: u8 = 3;

/// Slots of the first segment; each further one has as many as all before it.
const FIRST_BITS: u32 = 6;
const SEGMENTS: usize = (u32::BITS - FIRST_BITS + 1) as usize;

/// Shared by who notes hits and the policy that asks.
#[derive(Clone, Debug, Default)]
pub struct Uses {
    segments: Shared<[OnceLock<Box<[AtomicU8]>>; SEGMENTS]>,
}

#[inline]
fn place(slot: u32) -> (usize, usize) {
    if slot < 1 << FIRST_BITS {
        return (0, slot as usize);
    }
    let bits = slot.ilog2();
    ((bits - FIRST_BITS + 1) as usize, (slot - (1 << bits)) as usize)
}

impl Uses {
    #[inline]
    fn of(&self, slot: u32) -> Option<&AtomicU8> {
        let (segment, at) = place(slot);
        self.segments.get(segment)?.get()?.get(at)
    }

    /// It was used. Two threads at once may count as one.
    #[inline]
    pub fn touch(&self, slot: u32) {
        if let Some(uses) = self.of(slot) {
            let before = uses.load(Ordering::Relaxed);
            if before < MOST {
                uses.store(before + 1, Ordering::Relaxed);
            }
        }
    }

    /// It is about to be used: its byte is on its way while other memory is waited for.
    #[inline]
    pub fn fetch(&self, slot: u32) {
        black_box(self.get(slot));
    }

    /// How often it was used.
    pub(super) fn get(&self, slot: u32) -> u8 {
        self.of(slot).map_or(0, |uses| uses.load(Ordering::Relaxed))
    }

    /// It counts as used so often.
    pub(super) fn set(&self, slot: u32, count: u8) {
        let (segment, at) = place(slot);
        let Some(segment) = self.segments.get(segment) else { return };
        let size = if slot < 1 << FIRST_BITS { 1 << FIRST_BITS } else { 1usize << slot.ilog2() };
        let uses = segment.get_or_init(|| (0..size).map(|_| AtomicU8::new(0)).collect());
        if let Some(uses) = uses.get(at) {
            uses.store(count, Ordering::Relaxed);
        }
    }
}
