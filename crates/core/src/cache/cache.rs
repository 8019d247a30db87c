//! The shell of a named cache: shards of entries, one policy over all of them, and the flights.
//!
//! A hit takes its shard's lock to read. For a policy that only counts uses it counts itself; for the others it notes itself in a
//! stripe of its environment, which is told to the policy when it is full and before that environment changes anything. Whoever
//! changes entries holds the policy's lock all the while, and a shard's only for a few stores. Lock order: policy → shard → tags;
//! stripes are innermost.

use super::{
    flights::Token,
    gone::{Garbage, Gone, Reason},
    marks::{Marks, group_of},
    model::{self, Standing},
    options::{Rules, Times},
    policy::{Bounds, Eviction, PolicyKind, Slot, Uses},
    table::{Hash, Hashing, MAX_KEY_BYTES, MAX_VALUE_BYTES, Newcomer, SHARD_BITS, SHARDS, Table, shard_of},
    tags::Tags,
};
use crate::{
    clock::{Clock, Nanos},
    encoding::Encoding,
    rng::Rng,
    room::EnvId,
    sync::{AtomicU64, Mutex, MutexGuard, OnceLock, Ordering, RwLock},
};

/// Hits are noted in so many places, so that threads do not meet there.
const STRIPES: usize = 16;

/// Hits that are told to the policy together.
pub(super) const NOTED: usize = 64;

/// Slots looked at for what is dead with every change.
const SWEEP: u32 = 2;

/// What the environments of a stripe have looked up.
#[derive(Debug)]
#[repr(align(64))]
pub(super) struct Stripe {
    pub(super) hits: AtomicU64,
    pub(super) stale_hits: AtomicU64,
    pub(super) misses: AtomicU64,
    pub(super) noted: Mutex<Noted>,
}

/// Hits that the policy is to be told of, in their order.
#[derive(Debug)]
pub(super) struct Noted {
    pub(super) slots: [Slot; NOTED],
    pub(super) len: usize,
}

#[derive(Debug)]
pub(super) struct Keeper {
    pub(super) eviction: Eviction,
    /// Where the next sweep looks.
    sweep: Slot,
    version: u32,
    evicted: u64,
    expired: u64,
}

/// How many of what there are and were.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Figures {
    /// Entries.
    pub size: u64,
    /// What they count.
    pub bytes: u64,
    /// Look-ups that were answered at once, with a fresh or a stale value, or with the memory that there is none.
    pub hits: u64,
    /// Look-ups that were answered with a stale value, be it at once or after a load that failed or takes too long.
    pub stale_hits: u64,
    /// Look-ups that were not answered at once.
    pub misses: u64,
    /// Loads that were begun.
    pub loads: u64,
    /// Loads that failed.
    pub load_failures: u64,
    /// Entries that had to go.
    pub evictions: u64,
    /// Entries that were dead.
    pub expirations: u64,
    /// Loads under way.
    pub loading: u64,
    /// Threads that wait for another's load, each once for a key.
    pub waiting: u64,
}

/// What is stored or was loaded.
#[derive(Clone, Debug, Default)]
pub struct Stored {
    /// Its own time to live.
    pub ttl: Option<Nanos>,
    /// Its tags.
    pub tags: Vec<String>,
}

/// A cache that all environments share.
#[derive(Debug)]
pub struct Cache {
    pub(super) shards: Box<[RwLock<Table>]>,
    keeper: Mutex<Keeper>,
    stripes: Box<[Stripe]>,
    /// Where a policy counts uses that does no more.
    pub(super) uses: Option<Uses>,
    /// Once there is a front.
    pub(super) marks: OnceLock<Marks>,
    pub(super) tags: Tags,
    pub(super) hashing: Hashing,
    pub(super) clock: Clock,
    policy: PolicyKind,
    /// Tokens and tickets.
    pub(super) next: AtomicU64,
    pub(super) loads: AtomicU64,
    pub(super) load_failures: AtomicU64,
}

impl Cache {
    /// An empty cache.
    pub fn new(rules: &Rules, clock: Clock) -> Self {
        let mut chance = Rng::from_entropy();
        let hashing = Hashing::new(&mut chance);
        let shard = |_| RwLock::new(Table::new(hashing, rules.times));
        let count = || AtomicU64::new(0);
        let noted = || Mutex::new(Noted { slots: [0; NOTED], len: 0 });
        let stripe = |_| Stripe { hits: count(), stale_hits: count(), misses: count(), noted: noted() };
        let eviction = Eviction::new(rules.policy, rules.bounds, chance);
        let uses = eviction.uses();
        Self {
            shards: (0..SHARDS).map(shard).collect(),
            keeper: Mutex::new(Keeper { eviction, sweep: 0, version: 0, evicted: 0, expired: 0 }),
            stripes: (0..STRIPES).map(stripe).collect(),
            uses,
            marks: OnceLock::new(),
            tags: Tags::new(),
            hashing,
            clock,
            policy: rules.policy,
            next: AtomicU64::new(1),
            loads: AtomicU64::new(0),
            load_failures: AtomicU64::new(0),
        }
    }

    /// Who has to go.
    pub fn policy(&self) -> PolicyKind {
        self.policy
    }

    /// The bounds in force.
    pub fn bounds(&self) -> Bounds {
        self.keeper.lock().eviction.bounds()
    }

    /// The times in force.
    pub fn times(&self) -> Times {
        self.shards[0].read().times
    }

    #[inline]
    pub(super) fn shard(&self, hash: Hash) -> &RwLock<Table> {
        &self.shards[hash.shard()]
    }

    pub(super) fn shard_of_number(&self, number: u64) -> &RwLock<Table> {
        &self.shards[number as usize & (SHARDS - 1)]
    }

    /// The next token or ticket of a shard, which it says itself.
    pub(super) fn number(&self, shard: usize) -> u64 {
        self.next.fetch_add(1, Ordering::Relaxed) << SHARD_BITS | shard as u64
    }

    #[inline]
    pub(super) fn stripe(&self, env: EnvId) -> &Stripe {
        &self.stripes[env as usize % STRIPES]
    }

    /// An entry of this hash has changed or is gone. To be told with its shard locked.
    #[inline]
    fn changed(&self, whole: u32) {
        if let Some(marks) = self.marks.get() {
            marks.change(group_of(whole));
        }
    }

    fn all_changed(&self) {
        if let Some(marks) = self.marks.get() {
            marks.change_all();
        }
    }

    /// The policy, which has heard of this environment's hits.
    pub(super) fn keeper(&self, env: EnvId) -> MutexGuard<'_, Keeper> {
        let mut keeper = self.keeper.lock();
        if self.uses.is_none() {
            let mut noted = self.stripe(env).noted.lock();
            let len = std::mem::take(&mut noted.len);
            for slot in &noted.slots[..len] {
                keeper.eviction.touch(*slot);
            }
        }
        keeper
    }

    /// Stores a value, and wins over a load under way. Whether it was stored: not if it is too large, and then the key has no value.
    pub fn set(
        &self,
        env: EnvId,
        key: &[u8],
        value: (&[u8], Encoding),
        stored: &Stored,
        draw: f64,
        gone: &mut Gone,
    ) -> bool {
        let now = self.clock.now();
        let hash = self.hashing.hash(key);
        let times = self.shard(hash).read().times;
        let fits = key.len() <= MAX_KEY_BYTES && value.0.len() <= MAX_VALUE_BYTES;
        let new = fits.then(|| {
            let ttl = model::jittered(stored.ttl.unwrap_or(times.ttl), times.jitter, draw);
            let mut new = Newcomer::new(key, Some(value), ttl);
            if !stored.tags.is_empty() {
                new.tagged = Some(self.tags.tagged(&stored.tags, self.tags.sequence(), now, times.lease));
            }
            new
        });
        let mut keeper = self.keeper(env);
        let is_stored = match new {
            Some(new) => self.store(&mut keeper, new, hash, now, None, gone),
            None => {
                self.remove_key(&mut keeper, key, hash, None, Reason::Replaced, gone);
                false
            }
        };
        if !is_stored {
            self.shard(hash).write().flights.fence(key);
        }
        self.sweep(&mut keeper, now, gone);
        is_stored
    }

    /// Stores what is new; of a flight's token only if that is still the one that counts.
    pub(super) fn store(
        &self,
        keeper: &mut Keeper,
        new: Newcomer,
        hash: Hash,
        now: Nanos,
        token: Option<Token>,
        gone: &mut Gone,
    ) -> bool {
        let shard = self.shard(hash);
        let found = {
            let table = shard.read();
            table.find(new.key(), hash).map(|at| (at, table.look(at, now)))
        };
        if token.is_some_and(|token| !shard.read().flights.counts(token)) {
            return false;
        }
        let weight = u32::try_from(new.bytes()).unwrap_or(u32::MAX);
        let slot_there = found.and_then(|(_, seen)| seen).map(|seen| seen.slot);
        let Keeper { eviction, evicted, .. } = keeper;
        let mut evict = |slot, whole| self.evict(slot, whole, evicted, gone);
        let slot = match slot_there {
            Some(slot) => eviction.reweigh(slot, weight, &mut evict).then_some(slot),
            None => eviction.admit(hash.whole(), weight, &mut evict),
        };
        let Some(slot) = slot else {
            self.remove_key(keeper, new.key(), hash, token, Reason::Replaced, gone);
            return false;
        };
        keeper.version = keeper.version.wrapping_add(1);
        let mut table = shard.write();
        if token.is_some_and(|token| !table.flights.counts(token)) {
            // Fenced at the last moment, by who expired the key or loads it anew: what is there stays, and weighs what it did.
            let weight = found.map(|(at, _)| u32::try_from(table.bytes(at)).unwrap_or(u32::MAX));
            drop(table);
            match weight {
                Some(weight) => {
                    let Keeper { eviction, evicted, .. } = keeper;
                    eviction.reweigh(slot, weight, &mut |slot, whole| self.evict(slot, whole, evicted, gone));
                }
                None => keeper.eviction.remove(slot),
            }
            return false;
        }
        if token.is_none() {
            table.flights.fence(new.key());
        }
        match found {
            Some((at, _)) => {
                let removed = table.replace(at, new, hash, keeper.version, now);
                self.changed(hash.whole());
                drop(table);
                gone.add(removed, Reason::Replaced);
            }
            None => table.insert(new, hash, slot, keeper.version, now),
        }
        true
    }

    /// The policy wants the entry in this slot to go.
    fn evict(&self, slot: Slot, whole: u32, evicted: &mut u64, gone: &mut Gone) {
        let mut table = self.shards[shard_of(whole)].write();
        if let Some(removed) = table.find_slot(slot, whole).and_then(|at| table.remove(at)) {
            self.changed(whole);
            drop(table);
            *evicted += 1;
            gone.add(removed, Reason::Evicted);
        }
    }

    /// Removes a key, and wins over a load under way. Whether there was a value to be served.
    pub fn delete(&self, env: EnvId, key: &[u8], gone: &mut Gone) -> bool {
        let hash = self.hashing.hash(key);
        let mut keeper = self.keeper(env);
        let seen = self.shard(hash).read().look_up(key, hash, self.clock.now());
        self.remove_key(&mut keeper, key, hash, None, Reason::Deleted, gone);
        self.shard(hash).write().flights.fence(key);
        seen.is_some_and(|seen| seen.standing != Standing::Dead && seen.encoding.is_some())
    }

    /// Removes a key; for a flight only if that still counts.
    pub(super) fn remove_key(
        &self,
        keeper: &mut Keeper,
        key: &[u8],
        hash: Hash,
        token: Option<Token>,
        reason: Reason,
        gone: &mut Gone,
    ) {
        let mut table = self.shard(hash).write();
        if token.is_some_and(|token| !table.flights.counts(token)) {
            return;
        }
        let Some(at) = table.find(key, hash) else { return };
        self.remove_at(keeper, &mut table, (at, hash.whole()), reason, gone);
    }

    /// Removes the entry at a place, of this hash.
    fn remove_at(
        &self,
        keeper: &mut Keeper,
        table: &mut Table,
        (at, whole): (u32, u32),
        reason: Reason,
        gone: &mut Gone,
    ) {
        self.changed(whole);
        let slot = table.look(at, 0).map(|seen| seen.slot);
        if let (Some(slot), Some(removed)) = (slot, table.remove(at)) {
            keeper.eviction.remove(slot);
            gone.add(removed, reason);
        }
    }

    /// Removes the entry of a key if it is dead.
    pub(super) fn bury(&self, key: &[u8], hash: Hash, gone: &mut Gone) {
        let mut keeper = self.keeper.lock();
        let mut table = self.shard(hash).write();
        let now = self.clock.now();
        if let Some(seen) = table.look_up(key, hash, now)
            && seen.standing == Standing::Dead
        {
            keeper.expired += 1;
            self.remove_at(&mut keeper, &mut table, (seen.at, hash.whole()), Reason::Expired, gone);
        }
    }

    /// Looks at a few slots for what is dead.
    pub(super) fn sweep(&self, keeper: &mut Keeper, now: Nanos, gone: &mut Gone) {
        for _ in 0..SWEEP.min(keeper.eviction.slots()) {
            let slot = keeper.sweep;
            keeper.sweep = if slot + 1 < keeper.eviction.slots() { slot + 1 } else { 0 };
            let Some(whole) = keeper.eviction.hash(slot) else { continue };
            let mut table = self.shards[shard_of(whole)].write();
            let Some(at) = table.find_slot(slot, whole) else { continue };
            if table.look(at, now).is_some_and(|seen| seen.standing == Standing::Dead) {
                keeper.expired += 1;
                self.remove_at(keeper, &mut table, (at, whole), Reason::Expired, gone);
            }
        }
    }

    /// Ends the freshness of a key, and wins over a load under way. Whether it was fresh.
    pub fn expire(&self, key: &[u8]) -> bool {
        let now = self.clock.now();
        let hash = self.hashing.hash(key);
        let mut table = self.shard(hash).write();
        table.flights.fence(key);
        let Some(seen) = table.look_up(key, hash, now) else { return false };
        table.expire(seen.at, now);
        self.changed(hash.whole());
        seen.standing == Standing::Fresh
    }

    /// Invalidates all entries with a tag, those included that are being loaded.
    pub fn invalidate_tag(&self, tag: &str) {
        self.tags.invalidate(tag, self.clock.now(), self.times().lease);
        self.all_changed();
    }

    /// Removes everything, and wins over all loads under way. What was removed may take long to free.
    pub fn clear(&self) -> Garbage {
        let mut keeper = self.keeper.lock();
        let mut tables = Vec::with_capacity(SHARDS);
        for shard in &self.shards {
            let mut table = shard.write();
            table.flights.fence_all();
            tables.push(table.take_all());
        }
        self.all_changed();
        let eviction = keeper.eviction.clear();
        keeper.sweep = 0;
        Garbage { entries: eviction.entries(), tables, _eviction: eviction }
    }

    /// Other bounds and times from now on.
    pub fn reconfigure(&self, env: EnvId, bounds: Bounds, times: Times, gone: &mut Gone) {
        let mut keeper = self.keeper(env);
        for shard in &self.shards {
            shard.write().times = times;
        }
        self.all_changed();
        let Keeper { eviction, evicted, .. } = &mut *keeper;
        eviction.set_bounds(bounds, &mut |slot, whole| self.evict(slot, whole, evicted, gone));
    }

    /// Entries, and what they count.
    pub fn size(&self) -> (u64, u64) {
        let keeper = self.keeper.lock();
        (keeper.eviction.entries(), keeper.eviction.weight())
    }

    /// All figures.
    pub fn figures(&self) -> Figures {
        let mut figures = Figures {
            loads: self.loads.load(Ordering::Relaxed),
            load_failures: self.load_failures.load(Ordering::Relaxed),
            ..Figures::default()
        };
        {
            let keeper = self.keeper.lock();
            figures.size = keeper.eviction.entries();
            figures.bytes = keeper.eviction.weight();
            figures.evictions = keeper.evicted;
            figures.expirations = keeper.expired;
        }
        let fronts = self.marks.get().map(|marks| (marks, marks.hold()));
        figures.hits = fronts.as_ref().map_or(0, |(marks, owners)| marks.untold(owners));
        for stripe in &self.stripes {
            figures.hits += stripe.hits.load(Ordering::Relaxed);
            figures.stale_hits += stripe.stale_hits.load(Ordering::Relaxed);
            figures.misses += stripe.misses.load(Ordering::Relaxed);
        }
        drop(fronts);
        for shard in &self.shards {
            let table = shard.read();
            figures.loading += table.flights.len() as u64;
            figures.waiting += table.flights.waiting() as u64;
        }
        figures
    }

    /// Walks everything. For tests, when no other thread calls.
    pub fn validate(&self) {
        let keeper = self.keeper.lock();
        keeper.eviction.validate();
        let (mut count, mut bytes) = (0, 0);
        for shard in &self.shards {
            let (own_count, own_bytes) = shard.read().validate();
            count += own_count;
            bytes += own_bytes;
        }
        assert_eq!((count, bytes), (keeper.eviction.entries(), keeper.eviction.weight()));
    }
}
