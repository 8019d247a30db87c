//! One line of the table: a few entries under one header, read optimistically and written under its lock.
//!
//! Layout in 64-bit words. Word 0 holds the header in its low half and the first tag in its high half; the other tags follow,
//! two a word; then the arrival times, entry by entry, one word a limit. With one limit a line is 64 bytes: a cache line with
//! five entries.
//!
//! Header bits: 0 locked · 1 overflowed (a key of this line may live in its other lines) · 2 forgetful (a live key had to go
//! from here, and every entry owes at least what it owes) · 3..9 generation of the limits the entries were last brought up to ·
//! 9..32 version, raised by every write. The locker is the only writer; a reader that sees the same word before and after has
//! read one state.
//!
//! A tag is 31 bits of the key's hash and, in bit 0, what the entry says: 0 the key's arrival times, 1 (in the first word)
//! until when the key is blocked. Tag 0 is an empty place.

use crate::sync::{AtomicU64, Ordering, fence};

use super::model::Tats;
use crate::words::MAX_LIMITS;

pub(crate) const LOCKED: u64 = 1;
pub(crate) const OVERFLOWED: u64 = 1 << 1;
pub(crate) const FORGETFUL: u64 = 1 << 2;
const FLAGS: u64 = OVERFLOWED | FORGETFUL;
const GENERATION_SHIFT: u32 = 3;
pub(crate) const GENERATIONS: u32 = 1 << 6;
const VERSION_ONE: u64 = 1 << 9;
const HEADER_MASK: u64 = 0xFFFF_FFFF;

/// A line holds at least this many entries, so that few keys find all their places taken.
const MIN_ENTRIES: usize = 5;

/// With more than one limit a line takes several cache lines anyway, and one more entry is worth its place.
const MIN_ENTRIES_OF_SEVERAL: usize = 6;

/// How the lines of a table are laid out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Shape {
    /// 64-bit words a line, a multiple of 8.
    pub(crate) words: usize,
    pub(crate) entries: usize,
    pub(crate) limits: usize,
}

impl Shape {
    /// The fewest cache lines that hold the least number of entries, and as many entries as fit into them.
    pub(crate) fn of(limits: usize) -> Self {
        let least = if limits == 1 { MIN_ENTRIES } else { MIN_ENTRIES_OF_SEVERAL };
        let size = |entries: usize| tag_words(entries) + entries * limits;
        let words = size(least).next_multiple_of(8);
        let entries = (least..).take_while(|&entries| size(entries) <= words).last();
        Self { words, entries: entries.unwrap_or(least), limits }
    }

    /// How many lines hold `max_keys` keys with room to spare: an even number. Keys fall into lines at random, so lines are
    /// filled to 57 % (five entries) or 60 % (more); then 99.9 % of the keys find a place of their own in one of three lines.
    pub(crate) fn lines(self, max_keys: u64) -> usize {
        let places = if self.entries == MIN_ENTRIES { max_keys * 7 / 4 } else { max_keys * 5 / 3 };
        (places.div_ceil(self.entries as u64) as usize + 8).next_multiple_of(2)
    }
}

/// The words of the header and the tags.
#[inline]
const fn tag_words(entries: usize) -> usize {
    (1 + entries).div_ceil(2)
}

/// A line of the table in place.
#[derive(Clone, Copy)]
pub(crate) struct Line<'a> {
    pub(crate) words: &'a [AtomicU64],
    pub(crate) shape: Shape,
}

/// Word 0 as read: the header and the first tag.
pub(crate) type Head = u64;

#[inline]
pub(crate) fn generation(head: Head) -> u32 {
    (head >> GENERATION_SHIFT) as u32 & (GENERATIONS - 1)
}

impl Line<'_> {
    #[inline]
    pub(crate) fn head(self) -> Head {
        self.words[0].load(Ordering::Acquire)
    }

    /// Whether nothing was written since `head` was read.
    #[inline]
    pub(crate) fn unchanged(self, head: Head) -> bool {
        fence(Ordering::Acquire);
        self.words[0].load(Ordering::Relaxed) == head
    }

    /// Locks the line if nothing was written since `head` was read, which was not locked.
    #[inline]
    pub(crate) fn lock(self, head: Head) -> bool {
        let locked =
            self.words[0].compare_exchange(head, head | LOCKED, Ordering::Acquire, Ordering::Relaxed).is_ok();
        // Readers that see a store made under the lock must see the lock as well.
        fence(Ordering::Release);
        locked
    }

    /// Unlocks and starts a new version, with the flags and the generation of `head` replaced as given.
    #[inline]
    pub(crate) fn unlock(self, head: Head, flags: u64, generation: u32) {
        let mask = (u64::from(GENERATIONS - 1) << GENERATION_SHIFT) | FLAGS | LOCKED;
        let header =
            (head & HEADER_MASK & !mask) | (flags & FLAGS) | (u64::from(generation) << GENERATION_SHIFT);
        let header = header.wrapping_add(VERSION_ONE) & HEADER_MASK;
        // The first tag shares the word: it may have been written under the lock.
        let tag = self.words[0].load(Ordering::Relaxed) & !HEADER_MASK;
        self.words[0].store(tag | header, Ordering::Release);
    }

    #[inline]
    pub(crate) fn tag(self, entry: usize) -> u32 {
        let at = entry + 1;
        let word = self.words[at / 2].load(Ordering::Relaxed);
        if at.is_multiple_of(2) { word as u32 } else { (word >> 32) as u32 }
    }

    /// Under the lock only.
    #[inline]
    pub(crate) fn set_tag(self, entry: usize, tag: u32) {
        let at = entry + 1;
        let word = self.words[at / 2].load(Ordering::Relaxed);
        let word = if at.is_multiple_of(2) {
            (word & !HEADER_MASK) | u64::from(tag)
        } else {
            (word & HEADER_MASK) | (u64::from(tag) << 32)
        };
        self.words[at / 2].store(word, Ordering::Relaxed);
    }

    /// The entry that carries `tag`.
    #[inline]
    pub(crate) fn find(self, tag: u32) -> Option<usize> {
        (0..self.shape.entries).find(|&entry| self.tag(entry) == tag)
    }

    #[inline]
    pub(crate) fn tats(self, entry: usize) -> Tats {
        let at = tag_words(self.shape.entries) + entry * self.shape.limits;
        let mut tats = [0; MAX_LIMITS];
        for (tat, word) in tats.iter_mut().zip(&self.words[at..at + self.shape.limits]) {
            *tat = word.load(Ordering::Relaxed);
        }
        tats
    }

    /// Under the lock only.
    #[inline]
    pub(crate) fn set_tats(self, entry: usize, tats: &Tats) {
        let at = tag_words(self.shape.entries) + entry * self.shape.limits;
        for (word, tat) in self.words[at..at + self.shape.limits].iter().zip(tats) {
            word.store(*tat, Ordering::Relaxed);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::words::Slab;

    #[test]
    fn a_line_of_one_limit_is_a_cache_line_and_no_shape_wastes_one() {
        for limits in 1..=MAX_LIMITS {
            let shape = Shape::of(limits);
            let used = tag_words(shape.entries) + shape.entries * limits;
            assert!(used <= shape.words && shape.words.is_multiple_of(8), "{shape:?}");
            assert!(tag_words(shape.entries + 1) + (shape.entries + 1) * limits > shape.words, "{shape:?}");
        }
        assert_eq!(Shape::of(1), Shape { words: 8, entries: 5, limits: 1 });
    }

    #[test]
    fn the_version_wraps_without_touching_the_tag_the_flags_or_the_generation() {
        let shape = Shape::of(1);
        let slab = Slab::new(shape.words).unwrap();
        let line = Line { words: slab.words(), shape };
        line.words[0].store(0xFFFF_FFFF & !LOCKED, Ordering::Relaxed);
        let head = line.head();
        assert!(line.lock(head));
        line.set_tag(0, 0xDEAD_BEEE);
        line.unlock(head, head & !FORGETFUL, 5);
        let head = line.head();
        assert_eq!(head & HEADER_MASK, OVERFLOWED | 5 << GENERATION_SHIFT);
        assert_eq!(line.tag(0), 0xDEAD_BEEE);
    }

    #[test]
    fn tags_and_times_do_not_overlap() {
        for limits in 1..=MAX_LIMITS {
            let shape = Shape::of(limits);
            let slab = Slab::new(shape.words).unwrap();
            let line = Line { words: slab.words(), shape };
            for entry in 0..shape.entries {
                line.set_tag(entry, 2 * entry as u32 + 2);
                line.set_tats(entry, &std::array::from_fn(|limit| (entry * 10 + limit) as u64));
            }
            for entry in 0..shape.entries {
                assert_eq!(line.find(2 * entry as u32 + 2), Some(entry));
                let expected = (0..limits).map(|limit| (entry * 10 + limit) as u64);
                assert!(line.tats(entry).into_iter().take(limits).eq(expected));
            }
            assert_eq!(line.head() & HEADER_MASK, 0);
        }
    }
}
