//! Look-ups: what there is of a key, how it stands, and what a front has to know of it.

use super::{
    Cache,
    cache::NOTED,
    gone::Gone,
    marks::{Held, Marks, group_of},
    model::{self, Standing},
    options::Times,
    policy::Slot,
    table::{Hash, SHARD_BITS, Seen, Table, Value, shard_of},
};
use crate::{
    clock::Nanos,
    encoding::Encoding,
    room::EnvId,
    sync::{AtomicU64, Ordering},
};

/// What a read found.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Read {
    /// How it stands. Dead: there is nothing to serve.
    pub standing: Standing,
    /// A load is due: it is stale and does not back off, or one of a few that loads early.
    pub due: bool,
    /// None: it is remembered that there is no value.
    pub encoding: Option<Encoding>,
    /// Where it is, and which of all that were ever there: what names this very value.
    pub place: u32,
    /// See `place`. The same again only after 2^32 changes of the cache.
    pub version: u32,
    /// How long ago it was loaded; of what [`Cache::read`] found fresh, up to a twentieth of a second more.
    pub age: Nanos,
    /// For a front.
    pub held: Held,
}

/// What has become of a value that was read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Still {
    /// It is not there any more, or not fresh.
    No,
    /// It is, and one of a few to be loaded early.
    Early,
    /// It is.
    Yes(Held),
}

impl Cache {
    /// Copies the value of a key out, if it may be served: fresh, stale, or on an error. It counts as a hit if it may be served at once; with
    /// `fresh_only`, if it is fresh. `draw` is uniform in [0, 1), or 1 if it is to be loaded early in any case.
    pub fn read(
        &self,
        env: EnvId,
        key: &[u8],
        fresh_only: bool,
        value: &mut Value,
        draw: impl FnOnce() -> f64,
        gone: &mut Gone,
    ) -> Read {
        let hash = self.hashing.hash(key);
        // Before the look: what is invalidated from now on changes it.
        let all = self.mark_of_all();
        let (read, slot) = {
            let table = self.shard(hash).read();
            match table.find(key, hash).and_then(|at| self.see(&table, at)) {
                None => (NOTHING, None),
                Some(seen) if seen.standing == Standing::Dead => (NOTHING, Some(seen)),
                Some(seen) => {
                    if let Some(uses) = &self.uses {
                        uses.fetch(seen.slot);
                    }
                    table.copy(seen.at, value);
                    let mut read = read_of(&seen, &table.times, hash, draw);
                    read.held = self.held(&seen, &table.times, group_of(hash.whole()), all);
                    (read, Some(seen))
                }
            }
        };
        self.note(env, &read, fresh_only, slot.filter(|_| read != NOTHING).map(|seen| seen.slot));
        if read == NOTHING && slot.is_some() {
            self.bury(key, hash, gone);
        }
        read
    }

    /// How an entry stands. What is fresh by a clock that is never behind is fresh; only else, and where the time that is left counts,
    /// the time is read.
    #[inline]
    fn see(&self, table: &Table, at: u32) -> Option<Seen> {
        if table.times.beta.is_none()
            && let Some(not_before) = self.clock.not_before_now()
        {
            let seen = table.look(at, not_before)?;
            if seen.standing == Standing::Fresh {
                return Some(seen);
            }
        }
        table.look(at, self.clock.now())
    }

    #[inline]
    fn mark_of_all(&self) -> u32 {
        self.marks.get().map_or(0, Marks::all)
    }

    /// What a front has to know of what was seen, with its shard locked. Where loads may be early, each hit has to ask.
    #[inline]
    fn held(&self, seen: &Seen, times: &Times, group: u32, all: u32) -> Held {
        let Some(marks) = self.marks.get() else { return Held::default() };
        let mark = marks.of(group).wrapping_add(all);
        let left = if seen.standing == Standing::Fresh && times.beta.is_none() { seen.left } else { 0 };
        Held { slot: seen.slot, left, group, mark }
    }

    /// Whether the value that was read, of a key of this group, is still there and fresh: a hit, if it is not to be loaded early.
    pub fn is_still(
        &self,
        env: EnvId,
        place: u32,
        version: u32,
        group: u32,
        draw: impl FnOnce() -> f64,
    ) -> Still {
        let all = self.mark_of_all();
        let table = self.shards[shard_of(place)].read();
        let Some(seen) = self.see(&table, place >> SHARD_BITS) else { return Still::No };
        let is_early =
            || table.times.beta.is_some_and(|beta| model::is_early(seen.left, seen.took, beta, draw()));
        if seen.version != version || seen.standing != Standing::Fresh {
            return Still::No;
        }
        if is_early() {
            return Still::Early;
        }
        let held = self.held(&seen, &table.times, group, all);
        drop(table);
        self.note_hit(env, seen.slot);
        Still::Yes(held)
    }

    /// Whether there is a fresh value. Counts nothing.
    pub fn has(&self, key: &[u8]) -> bool {
        let hash = self.hashing.hash(key);
        let seen = self.shard(hash).read().look_up(key, hash, self.clock.now());
        seen.is_some_and(|seen| seen.standing == Standing::Fresh && seen.encoding.is_some())
    }

    /// Copies the value of a key out, stale or not, and counts nothing.
    pub fn peek(&self, key: &[u8], value: &mut Value) -> Read {
        let hash = self.hashing.hash(key);
        let table = self.shard(hash).read();
        match table.look_up(key, hash, self.clock.now()) {
            Some(seen) if seen.standing != Standing::Dead => {
                table.copy(seen.at, value);
                read_of(&seen, &table.times, hash, || 1.0)
            }
            _ => NOTHING,
        }
    }

    fn note(&self, env: EnvId, read: &Read, fresh_only: bool, slot: Option<Slot>) {
        // What is to be served on an error is served at once while loading it anew is not due.
        let is_served = match read.standing {
            Standing::Fresh => true,
            Standing::Revalidate => !fresh_only,
            Standing::OnError => !fresh_only && !read.due,
            Standing::Dead => false,
        };
        let Some(slot) = slot.filter(|_| is_served) else { return add(&self.stripe(env).misses) };
        if read.standing != Standing::Fresh {
            add(&self.stripe(env).stale_hits);
        }
        self.note_hit(env, slot);
    }

    #[inline]
    fn note_hit(&self, env: EnvId, slot: Slot) {
        let stripe = self.stripe(env);
        add(&stripe.hits);
        if let Some(uses) = &self.uses {
            return uses.touch(slot);
        }
        let mut noted = stripe.noted.lock();
        let len = noted.len;
        // Where another thread is about to tell what is noted, there may be no room: then this hit is not told.
        if let Some(place) = noted.slots.get_mut(len) {
            *place = slot;
            noted.len = len + 1;
        }
        if noted.len == NOTED {
            drop(noted);
            drop(self.keeper(env));
        }
    }

    /// Counts a look-up that wants what is not there yet.
    pub fn missed(&self, env: EnvId) {
        add(&self.stripe(env).misses);
    }

    /// So many look-ups that missed were answered with a stale value after all, as loading failed or takes too long.
    pub fn served_stale(&self, env: EnvId, count: u64) {
        self.stripe(env).stale_hits.fetch_add(count, Ordering::Relaxed);
    }
}

fn add(counter: &AtomicU64) {
    counter.fetch_add(1, Ordering::Relaxed);
}

const NOT_HELD: Held = Held { slot: 0, left: 0, group: 0, mark: 0 };

const NOTHING: Read = Read {
    standing: Standing::Dead,
    due: true,
    encoding: None,
    place: 0,
    version: 0,
    age: 0,
    held: NOT_HELD,
};

fn read_of(seen: &Seen, times: &Times, hash: Hash, draw: impl FnOnce() -> f64) -> Read {
    let due = match (seen.standing, times.beta) {
        (Standing::Fresh, Some(beta)) => model::is_early(seen.left, seen.took, beta, draw()),
        (Standing::Fresh, None) => false,
        _ => !seen.backs_off,
    };
    let place = seen.at << SHARD_BITS | hash.shard() as u32;
    let Seen { standing, encoding, version, age, .. } = *seen;
    Read { standing, due, encoding, place, version, age, held: NOT_HELD }
}
