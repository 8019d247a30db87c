//! One shard of a named cache: its entries and how they are found. The keys of an entry and its value are one piece of memory; a
//! large value is apart, shared with whoever is reading it.

use std::{collections::BTreeMap, hint::black_box};

use siphasher::sip::SipHasher13;

use super::{
    buckets::{Buckets, Chained, NONE},
    flights::Flights,
    model::{self, FOREVER, Standing},
    options::Times,
    policy::Slot,
    segments::Segments,
    tags::Tagged,
};
use crate::{
    clock::{NANOS_PER_MILLI, Nanos},
    encoding::Encoding,
    rng::Rng,
    sync::Shared,
};

/// The longest key, in bytes of UTF-8.
pub const MAX_KEY_BYTES: usize = u16::MAX as usize;

/// The longest value, in bytes.
pub const MAX_VALUE_BYTES: usize = u32::MAX as usize - 2 * MAX_KEY_BYTES;

/// What an entry counts besides its key and its value: what it takes of the tables, and what the allocator adds.
pub const ENTRY_BYTES: usize = 100;

/// From this length on a value is not copied while others wait for the shard.
const LARGE_BYTES: usize = 32 * 1024;

/// Times are kept in microseconds of 48 bits: nine years.
const MICRO: Nanos = 1_000;
const MICROS_MAX: u64 = (1 << 48) - 1;

/// What memory is fetched by, in bytes, and how many of them are asked for ahead.
const LINE: usize = 64;
const FETCHED_LINES: usize = 20;

#[derive(Clone, Copy, Debug)]
struct Micros([u16; 3]);

impl Micros {
    fn new(span: Nanos) -> Self {
        let micros = if span == FOREVER { MICROS_MAX } else { (span / MICRO).min(MICROS_MAX - 1) };
        Self([micros as u16, (micros >> 16) as u16, (micros >> 32) as u16])
    }

    #[inline]
    fn get(self) -> Nanos {
        let [low, middle, high] = self.0.map(u64::from);
        match low | middle << 16 | high << 32 {
            MICROS_MAX => FOREVER,
            micros => micros * MICRO,
        }
    }
}

const ENCODING: u8 = 0b11;
/// It is remembered that there is no value.
const ABSENT: u8 = 0b100;
/// Its value is in `Table::large`.
const LARGE: u8 = 0b1000;
/// It has tags: they are in `Table::tagged`.
const TAGGED: u8 = 0b1_0000;
/// Loading it anew has failed: `Entry::extra` says when to try again.
const BACKS_OFF: u8 = 0b10_0000;
/// Its time to live was ended by hand.
const ENDED: u8 = 0b100_0000;

#[derive(Debug)]
pub(super) struct Entry {
    /// In its chain; of a free one, the next free one.
    next: u32,
    /// Where the policy has it; [`NONE`] of a free one.
    pub(super) slot: Slot,
    /// Which of all that were ever put here it is.
    pub(super) version: u32,
    /// How many microseconds it took to load; of one that backs off, how many milliseconds after it became stale it is tried again.
    extra: u32,
    key_len: u16,
    /// A few bits of its hash that its place does not say.
    mark: u8,
    flags: u8,
    loaded_at: Micros,
    ttl: Micros,
    data: Box<[u8]>,
}

/// What is stored.
#[derive(Debug)]
pub(super) struct Newcomer {
    /// The key, and the value unless it is large.
    pub(super) data: Box<[u8]>,
    pub(super) key_len: usize,
    /// None: it is remembered that there is none.
    pub(super) encoding: Option<Encoding>,
    pub(super) large: Option<Shared<[u8]>>,
    pub(super) ttl: Nanos,
    /// How long it took to load.
    pub(super) took: Nanos,
    pub(super) tagged: Option<Tagged>,
}

impl Newcomer {
    /// Copies key and value to where they stay.
    pub(super) fn new(key: &[u8], value: Option<(&[u8], Encoding)>, ttl: Nanos) -> Self {
        let (bytes, encoding) = value.map_or((&[][..], None), |(bytes, encoding)| (bytes, Some(encoding)));
        let is_large = bytes.len() >= LARGE_BYTES;
        let data = if is_large { key.into() } else { [key, bytes].concat().into_boxed_slice() };
        let large = is_large.then(|| bytes.into());
        Self { data, key_len: key.len(), encoding, large, ttl, took: 0, tagged: None }
    }

    pub(super) fn key(&self) -> &[u8] {
        &self.data[..self.key_len]
    }

    /// What it counts.
    pub(super) fn bytes(&self) -> u64 {
        (self.data.len() + self.large.as_ref().map_or(0, |large| large.len()) + ENTRY_BYTES) as u64
    }

    fn into_entry(
        self,
        hash: Hash,
        slot: Slot,
        version: u32,
        now: Nanos,
    ) -> (Entry, Option<Shared<[u8]>>, Option<Tagged>) {
        let mut flags = self.encoding.map_or(ABSENT, |encoding| encoding.bits() as u8);
        flags |= if self.large.is_some() { LARGE } else { 0 };
        flags |= if self.tagged.is_some() { TAGGED } else { 0 };
        let entry = Entry {
            next: NONE,
            slot,
            version,
            extra: (self.took / MICRO).min(u32::MAX.into()) as u32,
            key_len: self.key_len as u16,
            mark: hash.mark(),
            flags,
            loaded_at: Micros::new(now),
            ttl: Micros::new(self.ttl),
            data: self.data,
        };
        (entry, self.large, self.tagged)
    }
}

/// A value that was copied out, in memory that is kept from one read to the next.
#[derive(Debug, Default)]
pub struct Value {
    small: Vec<u8>,
    large: Option<Shared<[u8]>>,
}

impl Value {
    /// Its bytes.
    pub fn bytes(&self) -> &[u8] {
        self.large.as_deref().unwrap_or(&self.small)
    }

    /// Lets go of a large one: what was read is not kept for long.
    pub fn rest(&mut self) {
        self.large = None;
    }

    /// These bytes instead.
    pub(super) fn share(&mut self, bytes: Shared<[u8]>) {
        self.large = Some(bytes);
    }

    fn copy(&mut self, bytes: &[u8]) {
        self.large = None;
        self.small.clear();
        self.small.extend_from_slice(bytes);
    }
}

#[derive(Debug)]
struct Entries {
    entries: Segments<Entry>,
    hashing: Hashing,
}

impl Chained for Entries {
    fn next(&self, at: u32) -> u32 {
        self.entries.get(at).map_or(NONE, |entry| entry.next)
    }

    fn set_next(&mut self, at: u32, next: u32) {
        if let Some(entry) = self.entries.get_mut(at) {
            entry.next = next;
        }
    }

    fn hash(&self, at: u32) -> u32 {
        self.entries.get(at).map_or(0, |entry| self.hashing.hash(entry.key()).in_shard())
    }
}

impl Entry {
    /// Its key is about to be compared, and then it is about to be read: the lines of memory it is in are on their way together, not
    /// one after the other. A mark says so in error for one key of 256.
    #[inline]
    fn fetch(&self) {
        let lines = self.data.iter().step_by(LINE).take(FETCHED_LINES);
        black_box(lines.fold(0, |all, byte| all | byte));
    }

    fn key(&self) -> &[u8] {
        &self.data[..usize::from(self.key_len)]
    }

    fn bytes(&self, table: &Table, at: u32) -> u64 {
        let large =
            if self.flags & LARGE == 0 { 0 } else { table.large.get(&at).map_or(0, |large| large.len()) };
        (self.data.len() + large + ENTRY_BYTES) as u64
    }
}

/// How keys are hashed: SipHash-1-3 with keys of this cache's own.
#[derive(Clone, Copy, Debug)]
pub struct Hashing(u64, u64);

/// The hash of a key.
#[derive(Clone, Copy, Debug)]
pub(super) struct Hash(u64);

impl Hashing {
    /// Keys that nobody outside can guess.
    pub fn new(chance: &mut Rng) -> Self {
        Self(chance.next_u64(), chance.next_u64())
    }

    /// What a policy knows of a key.
    pub fn whole(self, key: &[u8]) -> u32 {
        self.hash(key).whole()
    }

    #[inline]
    pub(super) fn hash(self, key: &[u8]) -> Hash {
        Hash(SipHasher13::new_with_keys(self.0, self.1).hash(key))
    }
}

/// Shards of a cache.
pub(super) const SHARDS: usize = 1 << SHARD_BITS;
pub(super) const SHARD_BITS: u32 = 6;

impl Hash {
    /// What the policy knows of it: where it is found by.
    pub(super) fn whole(self) -> u32 {
        self.0 as u32
    }

    pub(super) fn shard(self) -> usize {
        shard_of(self.whole())
    }

    fn in_shard(self) -> u32 {
        in_shard(self.whole())
    }

    fn mark(self) -> u8 {
        (self.0 >> 56) as u8
    }
}

/// The shard of a hash.
pub(super) fn shard_of(whole: u32) -> usize {
    whole as usize & (SHARDS - 1)
}

fn in_shard(whole: u32) -> u32 {
    whole >> SHARD_BITS
}

/// What a look at an entry says.
#[derive(Clone, Copy, Debug)]
pub(super) struct Seen {
    pub(super) standing: Standing,
    pub(super) at: u32,
    pub(super) slot: Slot,
    pub(super) version: u32,
    pub(super) age: Nanos,
    /// How long it is still fresh.
    pub(super) left: Nanos,
    pub(super) took: Nanos,
    /// Loading it anew has failed, and it is not yet time to try again.
    pub(super) backs_off: bool,
    /// None: it is remembered that there is none.
    pub(super) encoding: Option<Encoding>,
}

#[derive(Debug)]
pub(super) struct Table {
    entries: Entries,
    buckets: Buckets,
    free: u32,
    len: u64,
    large: BTreeMap<u32, Shared<[u8]>>,
    tagged: BTreeMap<u32, Tagged>,
    pub(super) flights: Flights,
    pub(super) times: Times,
}

impl Table {
    pub(super) fn new(hashing: Hashing, times: Times) -> Self {
        Self {
            entries: Entries { entries: Segments::default(), hashing },
            buckets: Buckets::default(),
            free: NONE,
            len: 0,
            large: BTreeMap::new(),
            tagged: BTreeMap::new(),
            flights: Flights::default(),
            times,
        }
    }

    /// All entries, which leave the table empty.
    pub(super) fn take_all(&mut self) -> Self {
        let mut empty = Self::new(self.entries.hashing, self.times);
        std::mem::swap(&mut empty.flights, &mut self.flights);
        std::mem::replace(self, empty)
    }

    fn get(&self, at: u32) -> Option<&Entry> {
        self.entries.entries.get(at).filter(|entry| entry.slot != NONE)
    }

    /// Where a key is.
    #[inline]
    pub(super) fn find(&self, key: &[u8], hash: Hash) -> Option<u32> {
        let mut at = self.buckets.first(hash.in_shard());
        while let Some(entry) = self.entries.entries.get(at) {
            if entry.mark == hash.mark() {
                entry.fetch();
                if entry.key() == key {
                    return Some(at);
                }
            }
            at = entry.next;
        }
        None
    }

    /// Where the entry in a slot is.
    pub(super) fn find_slot(&self, slot: Slot, whole: u32) -> Option<u32> {
        let mut at = self.buckets.first(in_shard(whole));
        while let Some(entry) = self.entries.entries.get(at) {
            if entry.slot == slot {
                return Some(at);
            }
            at = entry.next;
        }
        None
    }

    /// How the entry stands; None if there is none.
    #[inline]
    pub(super) fn look(&self, at: u32, now: Nanos) -> Option<Seen> {
        let entry = self.get(at)?;
        let (loaded_at, ttl) = (entry.loaded_at.get(), entry.ttl.get());
        // Counted in the microseconds in which it is kept.
        let age = (now / MICRO * MICRO).saturating_sub(loaded_at);
        let absent = entry.flags & ABSENT != 0;
        let mut standing = model::standing(age, ttl, entry.flags & ENDED != 0, &self.times.windows);
        if absent && standing != Standing::Fresh {
            standing = Standing::Dead;
        }
        if entry.flags & TAGGED != 0 && self.tagged.get(&at).is_some_and(|tagged| !tagged.is_valid()) {
            standing = Standing::Dead;
        }
        let backs_off = entry.flags & BACKS_OFF != 0;
        let extra = u64::from(entry.extra);
        Some(Seen {
            standing,
            at,
            slot: entry.slot,
            version: entry.version,
            age,
            left: ttl.saturating_sub(age),
            took: if backs_off { 0 } else { extra * MICRO },
            backs_off: backs_off && age.saturating_sub(ttl) < extra * NANOS_PER_MILLI,
            encoding: (!absent).then(|| Encoding::of(u32::from(entry.flags & ENCODING))),
        })
    }

    /// The same for a key.
    #[inline]
    pub(super) fn look_up(&self, key: &[u8], hash: Hash, now: Nanos) -> Option<Seen> {
        self.look(self.find(key, hash)?, now)
    }

    /// What an entry counts.
    pub(super) fn bytes(&self, at: u32) -> u64 {
        self.get(at).map_or(0, |entry| entry.bytes(self, at))
    }

    /// Copies the value of an entry.
    pub(super) fn copy(&self, at: u32, value: &mut Value) {
        let Some(entry) = self.get(at) else { return };
        match self.large.get(&at) {
            Some(large) if entry.flags & LARGE != 0 => value.share(large.clone()),
            _ => value.copy(&entry.data[usize::from(entry.key_len)..]),
        }
    }

    /// Stores an entry where there is none of this key.
    pub(super) fn insert(&mut self, new: Newcomer, hash: Hash, slot: Slot, version: u32, now: Nanos) {
        let (entry, large, tagged) = new.into_entry(hash, slot, version, now);
        let mut at = self.free;
        match self.entries.entries.get_mut(at) {
            Some(free) => {
                self.free = free.next;
                *free = entry;
            }
            None => {
                at = self.entries.entries.len() as u32;
                self.entries.entries.push(entry);
            }
        }
        self.len += 1;
        self.attach(at, large, tagged);
        self.buckets.insert(&mut self.entries, at, hash.in_shard());
    }

    /// Stores an entry instead of the one of its key: what was there.
    pub(super) fn replace(
        &mut self,
        at: u32,
        new: Newcomer,
        hash: Hash,
        version: u32,
        now: Nanos,
    ) -> Removed {
        self.tagged.remove(&at);
        let large = self.large.remove(&at);
        let Some(place) = self.entries.entries.get_mut(at) else { return Removed::default() };
        let (mut entry, new_large, new_tagged) = new.into_entry(hash, place.slot, version, now);
        entry.next = place.next;
        let old = std::mem::replace(place, entry);
        self.attach(at, new_large, new_tagged);
        Removed { data: old.data, key_len: old.key_len.into(), flags: old.flags, large }
    }

    fn attach(&mut self, at: u32, large: Option<Shared<[u8]>>, tagged: Option<Tagged>) {
        if let Some(large) = large {
            self.large.insert(at, large);
        }
        if let Some(tagged) = tagged {
            self.tagged.insert(at, tagged);
        }
    }

    /// Takes an entry out.
    pub(super) fn remove(&mut self, at: u32) -> Option<Removed> {
        let hash = self.entries.hash(at);
        self.get(at)?;
        self.buckets.remove(&mut self.entries, at, hash);
        let free = self.free;
        let entry = self.entries.entries.get_mut(at)?;
        entry.slot = NONE;
        entry.next = free;
        self.free = at;
        let (data, key_len, flags) = (std::mem::take(&mut entry.data), entry.key_len.into(), entry.flags);
        entry.key_len = 0;
        self.len -= 1;
        self.tagged.remove(&at);
        Some(Removed { data, key_len, flags, large: self.large.remove(&at) })
    }

    /// Takes all entries out, one by one.
    pub(super) fn drain(&mut self) -> impl Iterator<Item = Removed> + '_ {
        (0..self.entries.entries.len() as u32).filter_map(|at| self.remove(at))
    }

    /// It is not fresh any more.
    pub(super) fn expire(&mut self, at: u32, now: Nanos) {
        let Some(age) =
            self.look(at, now).filter(|seen| seen.standing == Standing::Fresh).map(|seen| seen.age)
        else {
            return;
        };
        if let Some(entry) = self.entries.entries.get_mut(at) {
            entry.ttl = Micros::new(age);
            entry.flags |= ENDED;
        }
    }

    /// Loading it anew has failed.
    pub(super) fn back_off(&mut self, at: u32, now: Nanos) {
        let backoff = self.times.backoff;
        let Some(seen) = self.look(at, now) else { return };
        let Some(entry) = self.entries.entries.get_mut(at) else { return };
        if seen.standing == Standing::Fresh {
            // It is not loaded early again.
            entry.extra = 0;
        } else {
            let stale_for = seen.age.saturating_sub(entry.ttl.get());
            let until = model::retry_at(stale_for, backoff).div_ceil(NANOS_PER_MILLI);
            entry.extra = until.min(u32::MAX.into()) as u32;
            entry.flags |= BACKS_OFF;
        }
    }

    /// What all entries count, and how many there are, each looked at. For tests.
    pub(super) fn validate(&self) -> (u64, u64) {
        let mut bytes = 0;
        let mut count = 0;
        for at in 0..self.entries.entries.len() as u32 {
            let Some(entry) = self.get(at) else { continue };
            let hash = self.entries.hashing.hash(entry.key());
            assert_eq!(self.find(entry.key(), hash), Some(at));
            assert_eq!(self.find_slot(entry.slot, hash.whole()), Some(at));
            assert_eq!(entry.flags & LARGE != 0, self.large.contains_key(&at));
            assert_eq!(entry.flags & TAGGED != 0, self.tagged.contains_key(&at));
            bytes += entry.bytes(self, at);
            count += 1;
        }
        assert_eq!(count, self.len);
        self.flights.validate();
        (count, bytes)
    }
}

/// What was taken out.
#[derive(Debug, Default)]
pub struct Removed {
    data: Box<[u8]>,
    key_len: usize,
    flags: u8,
    large: Option<Shared<[u8]>>,
}

impl Removed {
    /// Its key.
    pub fn key(&self) -> &[u8] {
        &self.data[..self.key_len]
    }

    /// Its value, copied to `value`, and in which encoding; None if it was remembered that there is none.
    pub fn copy_to(&self, value: &mut Value) -> Option<Encoding> {
        match &self.large {
            Some(large) => value.share(large.clone()),
            None => value.copy(&self.data[self.key_len..]),
        }
        (self.flags & ABSENT == 0).then(|| Encoding::of(u32::from(self.flags & ENCODING)))
    }
}
