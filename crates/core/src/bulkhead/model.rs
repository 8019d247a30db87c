//! The pure rules: what fits, and how much is kept for higher priorities.

use crate::room::HIGHEST_PRIORITY;

/// The most permits a bulkhead can have.
pub const MAX_CONCURRENT: u32 = 1_000_000;

/// The state that callers decide on without a lock: permits in use, the limit, and whether they have to go through the room.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Permits(u64);

const CROWDED: u64 = 1 << 32;

impl Permits {
    /// None in use.
    pub fn new(limit: u32) -> Self {
        Self(u64::from(limit) << 33)
    }

    /// As it was packed.
    #[inline]
    pub fn unpack(word: u64) -> Self {
        Self(word)
    }

    /// In one word.
    #[inline]
    pub fn pack(self) -> u64 {
        self.0
    }

    /// In use.
    #[inline]
    pub fn used(self) -> u32 {
        self.0 as u32
    }

    /// The most that may be in use.
    #[inline]
    pub fn limit(self) -> u32 {
        (self.0 >> 33) as u32
    }

    /// Whether somebody waits or was offered a permit, or not everyone may use the whole limit.
    #[inline]
    pub fn crowded(self) -> bool {
        self.0 & CROWDED != 0
    }

    /// The same with another limit.
    #[must_use]
    pub fn with_limit(self, limit: u32) -> Self {
        Self(self.0 & (u64::from(u32::MAX) | CROWDED) | u64::from(limit) << 33)
    }

    /// The same, crowded or not.
    #[must_use]
    pub fn with_crowd(self, crowded: bool) -> Self {
        Self(if crowded { self.0 | CROWDED } else { self.0 & !CROWDED })
    }

    /// After `weight` more are in use. They have to fit.
    #[inline]
    #[must_use]
    pub fn take(self, weight: u32) -> Self {
        Self(self.0 + u64::from(weight))
    }

    /// After `weight` are free again.
    #[inline]
    #[must_use]
    pub fn give_back(self, weight: u32) -> Self {
        Self(self.0 - u64::from(weight.min(self.used())))
    }

    /// Whether `weight` more may be in use, of `limit`. Who asks for more than the limit is at the moment gets in alone.
    #[inline]
    pub fn fits(self, weight: u32, limit: u32) -> bool {
        let used = self.used();
        used == 0 || u64::from(used) + u64::from(weight) <= u64::from(limit)
    }
}

/// The shares of the limit that are kept for the priorities, lowest first: in each, what only it and those above it may use.
pub type Reserved = [f64; HIGHEST_PRIORITY as usize + 1];

/// How much of `limit` calls of `priority` may fill: all but what is kept for those above, and one at least.
pub fn reach(limit: u32, reserved: &Reserved, priority: u8) -> u32 {
    let above = reserved.iter().skip(usize::from(priority) + 1);
    // A share of 0.07 of 100 is 7.000000000000001: that is 7.
    let kept: f64 = above.map(|share| (share * f64::from(limit) - 1e-9).ceil().max(0.0)).sum();
    limit.saturating_sub(kept as u32).max(1)
}
