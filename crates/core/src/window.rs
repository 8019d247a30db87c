//! Counts over the last while: a ring of slots, each a tenth of the window, and running totals.
//!
//! A window covers the slot under way and the nine before it: between nine and ten tenths of its length. Time moves it, not calls:
//! however long nobody called, what is older is gone. Time that seems to go back counts as no time passed. Every call needs the
//! lock of the window's owner; nothing here is a loop over calls.

use crate::{
    clock::Nanos,
    sync::{AtomicU64, Ordering},
};

/// Slots in a window.
pub(crate) const SLOTS: u64 = 10;

/// `K` counters over the last `span`.
#[derive(Debug)]
pub(crate) struct Window<const K: usize> {
    /// How long a slot is.
    width: Nanos,
    /// The number of the newest slot. That of instant 0 is [`SLOTS`], so that what is restored may be older.
    newest: AtomicU64,
    /// When the newest slot ends: a call before then divides nothing.
    ends: AtomicU64,
    totals: [AtomicU64; K],
    slots: [[AtomicU64; K]; SLOTS as usize],
}

impl<const K: usize> Window<K> {
    /// An empty window over `span`.
    pub(crate) fn new(span: Nanos) -> Self {
        let width = (span / SLOTS).max(1);
        let zeros = || std::array::from_fn(|_| AtomicU64::new(0));
        Self {
            width,
            newest: AtomicU64::new(SLOTS),
            ends: AtomicU64::new(width),
            totals: zeros(),
            slots: std::array::from_fn(|_| zeros()),
        }
    }

    /// Counts `amounts` at `now`.
    #[inline]
    pub(crate) fn add(&self, now: Nanos, amounts: [u64; K]) {
        self.advance(now);
        let newest = self.newest.load(Ordering::Relaxed);
        self.add_to(newest, amounts);
    }

    /// Counts `amounts` in a slot that may have passed out of the window, and then they are forgotten: `slot` is what
    /// [`Window::slot`] said when it was the newest.
    pub(crate) fn add_to(&self, slot: u64, amounts: [u64; K]) {
        let newest = self.newest.load(Ordering::Relaxed);
        if slot > newest || newest - slot >= SLOTS {
            return;
        }
        let counts = &self.slots[(slot % SLOTS) as usize];
        for ((count, total), amount) in counts.iter().zip(&self.totals).zip(amounts) {
            change(count, |count| count.saturating_add(amount));
            change(total, |total| total.saturating_add(amount));
        }
    }

    /// Takes one back from counter `which` in a slot that may have passed out of the window.
    pub(crate) fn take_back(&self, slot: u64, which: usize) {
        let newest = self.newest.load(Ordering::Relaxed);
        let count = &self.slots[(slot % SLOTS) as usize][which];
        if slot <= newest && newest - slot < SLOTS && count.load(Ordering::Relaxed) > 0 {
            change(count, |count| count - 1);
            change(&self.totals[which], |total| total.saturating_sub(1));
        }
    }

    /// Takes one back from counter `which` in the newest slot that has counted any.
    pub(crate) fn take_back_latest(&self, which: usize) {
        let newest = self.newest.load(Ordering::Relaxed);
        let counted = |slot: &u64| self.slots[(slot % SLOTS) as usize][which].load(Ordering::Relaxed) > 0;
        let mut slots = (0..SLOTS).filter_map(|age| newest.checked_sub(age));
        if let Some(slot) = slots.find(counted) {
            self.take_back(slot, which);
        }
    }

    /// The number of the slot of `now`.
    #[inline]
    pub(crate) fn slot(&self, now: Nanos) -> u64 {
        self.advance(now);
        self.newest.load(Ordering::Relaxed)
    }

    /// What was counted over the window that ends at `now`.
    #[inline]
    pub(crate) fn totals(&self, now: Nanos) -> [u64; K] {
        self.advance(now);
        std::array::from_fn(|which| self.totals[which].load(Ordering::Relaxed))
    }

    /// How old the slot that holds each count is at `now`, in slots, oldest first, with the counts: for exports.
    pub(crate) fn by_age(&self, now: Nanos) -> Vec<(u64, [u64; K])> {
        let newest = self.slot(now);
        (0..SLOTS)
            .rev()
            .map(|age| {
                let counts = &self.slots[((newest - age) % SLOTS) as usize];
                (age, std::array::from_fn(|which| counts[which].load(Ordering::Relaxed)))
            })
            .collect()
    }

    /// How long a slot is.
    pub(crate) fn width(&self) -> Nanos {
        self.width
    }

    /// Forgets everything.
    pub(crate) fn clear(&self) {
        for count in self.slots.iter().flatten().chain(&self.totals) {
            count.store(0, Ordering::Relaxed);
        }
    }

    #[inline]
    fn advance(&self, now: Nanos) {
        if now >= self.ends.load(Ordering::Relaxed) {
            self.move_to(now / self.width);
        }
    }

    fn move_to(&self, since_start: u64) {
        let slot = since_start.saturating_add(SLOTS);
        let newest = self.newest.load(Ordering::Relaxed);
        // All slots that were skipped while nobody called are emptied, each once.
        for passed in 1..=SLOTS.min(slot.saturating_sub(newest)) {
            let counts = &self.slots[((newest + passed) % SLOTS) as usize];
            for (count, total) in counts.iter().zip(&self.totals) {
                let gone = count.load(Ordering::Relaxed);
                change(total, |total| total.saturating_sub(gone));
                count.store(0, Ordering::Relaxed);
            }
        }
        self.newest.store(newest.max(slot), Ordering::Relaxed);
        self.ends.store(since_start.saturating_add(1).saturating_mul(self.width), Ordering::Relaxed);
    }
}

/// Under the owner's lock only.
#[inline]
fn change(word: &AtomicU64, next: impl FnOnce(u64) -> u64) {
    word.store(next(word.load(Ordering::Relaxed)), Ordering::Relaxed);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn covers_the_slot_under_way_and_the_nine_before() {
        let window = Window::<1>::new(10);
        for now in 0..10 {
            window.add(now, [1]);
        }
        assert_eq!(window.totals(9), [10]);
        assert_eq!(window.totals(10), [9]);
        assert_eq!(window.totals(18), [1]);
        assert_eq!(window.totals(19), [0]);
    }

    #[test]
    fn what_idled_away_is_gone_at_once_however_long_it_was() {
        for idle in [10, 11, 19, 20, 1_000_000, u64::MAX] {
            let window = Window::<2>::new(10);
            window.add(0, [3, 1]);
            window.add(5, [3, 1]);
            assert_eq!(window.totals(5u64.saturating_add(idle)), [0, 0], "after {idle}");
        }
    }

    #[test]
    fn time_that_seems_to_go_back_counts_as_no_time_passed() {
        let window = Window::<1>::new(10);
        window.add(25, [1]);
        window.add(3, [1]);
        assert_eq!(window.totals(0), [2]);
        assert_eq!(window.totals(34), [2]);
        assert_eq!(window.totals(35), [0]);
    }

    #[test]
    fn takes_back_only_what_is_still_in_the_window() {
        let window = Window::<1>::new(10);
        let slot = window.slot(0);
        window.add(0, [1]);
        window.take_back(slot, 0);
        window.take_back(slot, 0);
        assert_eq!(window.totals(0), [0]);
        window.add(0, [1]);
        window.add(10, [1]);
        window.take_back(slot, 0);
        assert_eq!(window.totals(10), [1]);
    }
    #[test]
    fn takes_back_the_latest_first() {
        let window = Window::<2>::new(10);
        window.take_back_latest(1);
        window.add(0, [1, 1]);
        window.add(5, [0, 1]);
        window.take_back_latest(1);
        assert_eq!(window.totals(9), [1, 1]);
        window.take_back_latest(1);
        window.take_back_latest(1);
        assert_eq!(window.totals(9), [1, 0]);
    }
}
