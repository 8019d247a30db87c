//! The table of lines: where a key lives, who has to go, and one way to read and write an entry.
//!
//! A key's *home* is one line; when that is full of live keys it may live in one of two other lines, and the home's header says
//! so, else nobody looks there. Every insert of a key holds its home's lock, so a key is never inserted twice.
//! An entry that is idle says the same as no entry, so its place is free: nothing has to sweep.

use super::{
    line::{FORGETFUL, GENERATIONS, Head, LOCKED, Line, OVERFLOWED, Shape, generation},
    model::{Limits, Tats, farthest, inherited},
    options::WhenFull,
};
use crate::{
    bucket::model::{Rate, Ticks, debt},
    sync::{AtomicU64, Backoff, Mutex, Ordering},
    words::{MAX_LIMITS, Rates, Slab},
};

/// The bit of a tag that marks an entry as a block.
const BLOCK: u32 = 1;

/// What to do with an entry.
pub(super) enum Edit {
    Keep,
    Write(Tats),
    Remove,
}

/// Which of a key's two entries is meant.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Entry {
    /// Its arrival times.
    Bucket,
    /// Until when it is blocked.
    Block,
}

impl Entry {
    #[inline]
    fn tag(self, hash: u64) -> u32 {
        let tag = hash as u32 & !BLOCK;
        let tag = if tag == 0 { 2 } else { tag };
        if self == Self::Block { tag | BLOCK } else { tag }
    }
}

/// A place for a newcomer.
struct Place {
    line: usize,
    head: Head,
    entry: usize,
    start: Tats,
    was_empty: bool,
    evicts: bool,
}

#[derive(Debug)]
pub(super) struct Table {
    slab: Slab,
    pub(super) shape: Shape,
    pub(super) lines: usize,
    when_full: WhenFull,
    rates: Rates,
    /// For each generation of the limits, the latest time until full that the limits since then allow.
    caps: Mutex<Box<[Option<Tats>; GENERATIONS as usize]>>,
    occupied: AtomicU64,
    evicted: AtomicU64,
}

impl Table {
    pub(super) fn new(rates: &[Rate], max_keys: u64, when_full: WhenFull) -> Option<Self> {
        let shape = Shape::of(rates.len());
        let lines = shape.lines(max_keys);
        Some(Self {
            slab: Slab::new(lines * shape.words)?,
            shape,
            lines,
            when_full,
            rates: Rates::new(rates),
            caps: Mutex::new(Box::new([None; GENERATIONS as usize])),
            occupied: AtomicU64::new(0),
            evicted: AtomicU64::new(0),
        })
    }

    pub(super) fn limits(&self) -> (Limits, u32) {
        let rates = [Rate { interval: 0, capacity: 0 }; MAX_LIMITS];
        let mut limits = Limits { rates, len: self.rates.len(), generation: 0 };
        limits.generation = self.rates.copy(&mut limits.rates);
        (limits, limits.generation % GENERATIONS)
    }

    /// Keys that have a place; those that became idle count until their place is needed.
    pub(super) fn occupied(&self) -> u64 {
        self.occupied.load(Ordering::Relaxed)
    }

    /// An entry was put in place by hand.
    pub(super) fn count_restored(&self) {
        self.occupied.fetch_add(1, Ordering::Relaxed);
    }

    /// Live keys that had to go for others.
    pub(super) fn evicted(&self) -> u64 {
        self.evicted.load(Ordering::Relaxed)
    }

    #[inline]
    pub(super) fn line(&self, index: usize) -> Line<'_> {
        let at = index * self.shape.words;
        Line { words: &self.slab.words()[at..at + self.shape.words], shape: self.shape }
    }

    #[inline]
    fn home(&self, hash: u64) -> usize {
        (((hash >> 32) * self.lines as u64) >> 32) as usize
    }

    /// Two neighbouring lines apart from the home's pair.
    fn others(&self, hash: u64, home: usize) -> [usize; 2] {
        let mixed = hash.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 32;
        let other = ((mixed * self.lines as u64) >> 32) as usize;
        let other = if other / 2 == home / 2 { (other + 2) % self.lines } else { other };
        [other, other ^ 1]
    }

    /// Reads an entry, lets `edit` decide, and does what it says, as one step. `edit` sees the state (that of a newcomer if
    /// the key has no entry) and whether the key had one; it may be asked again if others wrote meanwhile.
    #[inline]
    pub(super) fn update<R>(
        &self,
        entry: Entry,
        hash: u64,
        now: Ticks,
        mut edit: impl FnMut(&Tats, bool, &Limits) -> (Edit, R),
    ) -> R {
        let mut backoff = Backoff::default();
        loop {
            let (limits, current) = self.limits();
            if let Some(answer) = self.attempt(entry, hash, now, &limits, current, &mut edit) {
                return answer;
            }
            backoff.wait();
        }
    }

    #[inline]
    fn attempt<R>(
        &self,
        entry: Entry,
        hash: u64,
        now: Ticks,
        limits: &Limits,
        current: u32,
        edit: &mut impl FnMut(&Tats, bool, &Limits) -> (Edit, R),
    ) -> Option<R> {
        let tag = entry.tag(hash);
        let home = self.home(hash);
        let line = self.line(home);
        let head = self.fresh_head(line, current)?;
        if let Some(at) = line.find(tag) {
            return self.edit_found(line, head, at, limits, edit);
        }
        if head & OVERFLOWED != 0 {
            for other in self.others(hash, home) {
                let other = self.line(other);
                let head = self.fresh_head(other, current)?;
                if let Some(at) = other.find(tag) {
                    return self.edit_found(other, head, at, limits, edit);
                }
                if !other.unchanged(head) {
                    return None;
                }
            }
        }
        if !line.unchanged(head) {
            return None;
        }
        self.newcomer(tag, hash, home, head, now, limits, current, edit)
    }

    /// The head of an unlocked line whose entries are up to the current limits.
    #[inline]
    pub(super) fn fresh_head(&self, line: Line<'_>, current: u32) -> Option<Head> {
        let head = line.head();
        if head & LOCKED != 0 {
            return None;
        }
        if generation(head) != current {
            self.catch_up(line);
            return None;
        }
        Some(head)
    }

    #[inline]
    fn edit_found<R>(
        &self,
        line: Line<'_>,
        head: Head,
        at: usize,
        limits: &Limits,
        edit: &mut impl FnMut(&Tats, bool, &Limits) -> (Edit, R),
    ) -> Option<R> {
        let tats = line.tats(at);
        if !line.unchanged(head) {
            return None;
        }
        let (edit, answer) = edit(&tats, true, limits);
        match edit {
            Edit::Keep => return Some(answer),
            _ if !line.lock(head) => return None,
            Edit::Write(tats) => line.set_tats(at, &tats),
            Edit::Remove => {
                line.set_tag(at, 0);
                self.occupied.fetch_sub(1, Ordering::Relaxed);
            }
        }
        line.unlock(head, head, generation(head));
        Some(answer)
    }

    #[expect(
        clippy::too_many_arguments,
        reason = "the state of one attempt, split off to keep the found path short"
    )]
    fn newcomer<R>(
        &self,
        tag: u32,
        hash: u64,
        home: usize,
        head: Head,
        now: Ticks,
        limits: &Limits,
        current: u32,
        edit: &mut impl FnMut(&Tats, bool, &Limits) -> (Edit, R),
    ) -> Option<R> {
        let place = self.place(hash, home, head, now, limits, current)?;
        let (edit, answer) = edit(&place.start, false, limits);
        let line = self.line(home);
        let Edit::Write(tats) = edit else {
            return line.unchanged(head).then_some(answer);
        };
        if !line.lock(head) {
            return None;
        }
        let away = place.line != home;
        let into = self.line(place.line);
        // Whoever holds a home's lock may wait for no other lock: the holder of that one may want this.
        if away && !into.lock(place.head) {
            line.unlock(head, head, generation(head));
            return None;
        }
        into.set_tag(place.entry, tag);
        into.set_tats(place.entry, &tats);
        // An idle entry in this line: whatever was forgotten here is not owed any more.
        let forgetful = if place.evicts { FORGETFUL } else { 0 };
        if away {
            into.unlock(place.head, (place.head & !FORGETFUL) | forgetful, generation(place.head));
            line.unlock(head, head | OVERFLOWED, generation(head));
        } else {
            line.unlock(head, (head & !FORGETFUL) | forgetful, generation(head));
        }
        if place.was_empty {
            self.occupied.fetch_add(1, Ordering::Relaxed);
        }
        if place.evicts {
            self.evicted.fetch_add(1, Ordering::Relaxed);
        }
        Some(answer)
    }

    /// The first free place in the key's lines, or that of the entry closest to idle.
    ///
    /// What the newcomer starts with in a table that limits: a key that had to go owed no more than any entry of the line it
    /// went from, then or since. If the newcomer is that key, it went from one of these lines, so it owes no more than the
    /// least entry of one of them that is forgetful.
    fn place(
        &self,
        hash: u64,
        home: usize,
        head: Head,
        now: Ticks,
        limits: &Limits,
        current: u32,
    ) -> Option<Place> {
        let fresh = [now; MAX_LIMITS];
        let home_head = head;
        let mut closest: Option<(Ticks, Place)> = None;
        let mut forgotten = 0;
        let [second, third] = self.others(hash, home);
        for index in [home, second, third] {
            let line = self.line(index);
            let head = if index == home { home_head } else { self.fresh_head(line, current)? };
            let mut least = Ticks::MAX;
            for entry in 0..self.shape.entries {
                let was_empty = line.tag(entry) == 0;
                let debt = if was_empty { 0 } else { farthest(&line.tats(entry), now, limits.len) };
                least = least.min(debt);
                if closest.as_ref().is_none_or(|(closest, _)| debt < *closest) {
                    let place = Place { line: index, head, entry, start: fresh, was_empty, evicts: debt > 0 };
                    closest = Some((debt, place));
                }
                if debt == 0 {
                    break;
                }
            }
            if !line.unchanged(head) {
                return None;
            }
            if head & FORGETFUL != 0 {
                forgotten = least.max(forgotten);
            }
            // A key whose home never overflowed was in no other line.
            let could_be_elsewhere = self.when_full == WhenFull::Limit && home_head & OVERFLOWED != 0;
            if least == 0 && !could_be_elsewhere {
                break;
            }
        }
        let (debt, mut place) = closest?;
        if self.when_full == WhenFull::Limit {
            place.start = inherited(debt.max(forgotten), now, limits);
        }
        Some(place)
    }

    /// New limits. The entries follow line by line, each by the first call that touches its line; every 32nd change walks the
    /// whole table, so that no line falls a full round of generations behind.
    pub(super) fn reconfigure(&self, rates: &[Rate], now: Ticks) {
        let mut caps = self.caps.lock();
        // The same limits once more, as a reloaded configuration has them, are no change: nothing is forgiven.
        if self.limits().0.rates() == rates {
            return;
        }
        let mut cap = [now; MAX_LIMITS];
        for (cap, rate) in cap.iter_mut().zip(rates) {
            *cap = now.wrapping_add(rate.span());
        }
        for earlier in caps.iter_mut() {
            *earlier = Some(match earlier {
                None => cap,
                Some(earlier) => std::array::from_fn(|index| sooner(earlier[index], cap[index], now)),
            });
        }
        self.rates.write(rates);
        let (limits, current) = self.limits();
        caps[current as usize] = None;
        if current.is_multiple_of(GENERATIONS / 2) {
            for index in 0..self.lines {
                let mut backoff = Backoff::default();
                while !Self::catch_up_to(self.line(index), &**caps, current, limits.len) {
                    backoff.wait();
                }
            }
        }
    }

    #[cold]
    fn catch_up(&self, line: Line<'_>) {
        let caps = self.caps.lock();
        let (limits, current) = self.limits();
        Self::catch_up_to(line, &**caps, current, limits.len);
    }

    /// Brings a line's entries up to the limits in force; false if someone else held the line. The owner of `caps` is the only
    /// one who changes generations.
    fn catch_up_to(line: Line<'_>, caps: &[Option<Tats>], current: u32, limits: usize) -> bool {
        let head = line.head();
        if generation(head) == current {
            return true;
        }
        if head & LOCKED != 0 || !line.lock(head) {
            return false;
        }
        if let Some(Some(cap)) = caps.get(generation(head) as usize) {
            for entry in 0..line.shape.entries {
                let tag = line.tag(entry);
                if tag == 0 || tag & BLOCK != 0 {
                    continue;
                }
                let mut tats = line.tats(entry);
                for (tat, cap) in tats.iter_mut().zip(cap).take(limits) {
                    *tat = earlier(*tat, *cap);
                }
                line.set_tats(entry, &tats);
            }
        }
        line.unlock(head, head, current);
        true
    }
}

/// The earlier of two instants, both seen from `now`.
fn sooner(a: Ticks, b: Ticks, now: Ticks) -> Ticks {
    if debt(a, now) <= debt(b, now) { a } else { b }
}

/// The earlier of an arrival time and a cap, which may be seen long after both: what is not ahead of the cap is before it.
fn earlier(tat: Ticks, cap: Ticks) -> Ticks {
    if debt(tat, cap) > 0 { cap } else { tat }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rng::Rng;

    const RATE: Rate = Rate { interval: 1_000, capacity: 10 };

    #[test]
    fn a_key_has_three_lines_of_its_own_in_tables_of_every_size() {
        let mut random = Rng::seeded(1);
        for max_keys in [1, 2, 10, 100, 12_345] {
            let table = Table::new(&[RATE], max_keys, WhenFull::Admit).unwrap();
            for _ in 0..2_000 {
                let hash = random.next_u64();
                let home = table.home(hash);
                let [second, third] = table.others(hash, home);
                assert!([home, second, third].into_iter().all(|line| line < table.lines));
                assert!(home != second && home != third && second != third);
            }
            assert_eq!(table.home(u64::MAX), table.lines - 1);
        }
    }

    #[test]
    fn what_is_kept_leaves_every_line_unwritten() {
        let table = Table::new(&[RATE], 1, WhenFull::Admit).unwrap();
        let hashes: Vec<u64> = (0..20).map(|key| 0x4242_4242_0000_0000 | (key * 0x1234_5678 + 2)).collect();
        for hash in &hashes[..10] {
            table.update(Entry::Bucket, *hash, 5, |_, _, _| (Edit::Write([1_000; MAX_LIMITS]), ()));
        }
        let words = || table.slab.words().iter().map(|word| word.load(Ordering::Relaxed)).collect::<Vec<_>>();
        let before = words();
        for hash in &hashes {
            table.update(Entry::Bucket, *hash, 5, |_, _, _| (Edit::Keep, ()));
        }
        assert_eq!(words(), before);
    }

    #[test]
    fn a_cap_bounds_what_lies_ahead_of_it_and_nothing_else() {
        let cap: Ticks = 5;
        for (tat, expected) in
            [(cap, cap), (cap + 1, cap), (cap.wrapping_sub(10), cap.wrapping_sub(10)), (1 << 61, cap)]
        {
            assert_eq!(earlier(tat, cap), expected);
        }
        let long_ago = cap.wrapping_sub(5 << 61);
        assert_eq!(earlier(long_ago, cap), long_ago);
    }
}
