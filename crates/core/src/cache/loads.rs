//! Loads through a cache: who loads, who waits, and what becomes of what they come to. See [`super::flights`].

use super::{
    Cache, Gone, Reason, Stored,
    flights::{Flights, Joined, Outcome, Token},
    model::{self, Standing},
    table::{Hash, MAX_VALUE_BYTES, Newcomer, SHARDS, Table, Value},
    tags::{Sequence, Tagged},
};
use crate::{
    clock::Nanos,
    encoding::Encoding,
    room::{EnvId, Ticket, Woken},
    sync::{Ordering, Shared},
};

/// How a load ended that came to a value.
#[derive(Debug)]
pub struct Landed {
    /// Whether the value was stored.
    pub stored: bool,
    /// Who asked after this in the leader's environment has to ask again: what they would get was invalidated before. 0 if another leads
    /// the load by now: then whoever has seen more than the leader.
    pub barrier: Sequence,
    /// Who waited for it.
    pub woken: Woken,
}

/// The barrier of a load that another leads by now: when it began is not known any more.
const UNKNOWN: Sequence = 0;

impl Cache {
    /// Where the sequence of invalidations stands.
    #[inline]
    pub fn sequence(&self) -> Sequence {
        self.tags.sequence()
    }

    /// Whether to load a key or to wait for another's load; None if there is a fresh value by now, unless forced.
    /// Who led a load whose lease was over is told in `woken`.
    pub fn join(&self, env: EnvId, key: &[u8], forced: bool, woken: &mut Woken) -> Option<Joined> {
        let now = self.clock.now();
        let hash = self.hashing.hash(key);
        let mut table = self.shard(hash).write();
        if !forced && table.look_up(key, hash, now).is_some_and(|seen| seen.standing == Standing::Fresh) {
            return None;
        }
        Some(self.join_in(&mut table, env, (key, hash), forced, now, woken))
    }

    /// The same for a load that is early: whatever is there.
    pub fn join_early(&self, env: EnvId, key: &[u8], woken: &mut Woken) -> Joined {
        let hash = self.hashing.hash(key);
        let mut table = self.shard(hash).write();
        self.join_in(&mut table, env, (key, hash), false, self.clock.now(), woken)
    }

    fn join_in(
        &self,
        table: &mut Table,
        env: EnvId,
        (key, hash): (&[u8], Hash),
        forced: bool,
        now: Nanos,
        woken: &mut Woken,
    ) -> Joined {
        let when = (self.tags.sequence(), now, table.times.lease);
        let joined = table.flights.join(key, env, forced, when, || self.number(hash.shard()), woken);
        if let Joined::Lead(_) = joined {
            self.loads.fetch_add(1, Ordering::Relaxed);
        }
        joined
    }

    /// The load of `token` came to a value, or (None) to the knowledge that there is none: it is stored if it is to be kept and still
    /// counts, and handed to those who waited. `took` is how long it took.
    pub fn land(
        &self,
        env: EnvId,
        token: Token,
        value: Option<(&[u8], Encoding)>,
        stored: &Stored,
        (keep, took, draw): (bool, Nanos, f64),
        gone: &mut Gone,
    ) -> Landed {
        let now = self.clock.now();
        let shard = self.shard_of_number(token);
        let (found, times, is_late, is_awaited) = {
            let Table { flights, times, .. } = &*shard.read();
            (
                flights.find(token),
                *times,
                flights.is_late(token, now, times.lease),
                flights.has_waiters(token),
            )
        };
        let Some((key, began, counts)) = found else {
            return Landed { stored: false, barrier: UNKNOWN, woken: Woken::default() };
        };
        let tagged =
            || (!stored.tags.is_empty()).then(|| self.tags.tagged(&stored.tags, began, now, times.lease));
        let own = tagged();
        let barrier = || own.as_ref().map_or(0, Tagged::barrier);
        let mut is_stored = false;
        // Of a load that was not waited for any more, tags may have been forgotten since.
        if keep && counts && barrier() <= began && !(is_late && own.is_some()) {
            let ttl =
                if value.is_some() { Some(stored.ttl.unwrap_or(times.ttl)) } else { times.negative_ttl };
            let fits = value.is_none_or(|(bytes, _)| bytes.len() <= MAX_VALUE_BYTES);
            let new = ttl.filter(|_| fits).map(|ttl| {
                let mut new = Newcomer::new(&key, value, model::jittered(ttl, times.jitter, draw));
                new.took = took;
                new.tagged = tagged();
                new
            });
            let mut keeper = self.keeper(env);
            let hash = self.hashing.hash(&key);
            match new {
                Some(new) => is_stored = self.store(&mut keeper, new, hash, now, Some(token), gone),
                // There is no value any more, and nobody wants to remember that; or it is too large.
                None => self.remove_key(&mut keeper, &key, hash, Some(token), Reason::Replaced, gone),
            }
            self.sweep(&mut keeper, now, gone);
        }
        // Copied outside the lock for those who wait already.
        let shared = value.filter(|_| is_awaited).map(|(bytes, _)| Shared::from(bytes));
        let mut table = shard.write();
        let outcome = match value {
            Some((bytes, encoding)) if table.flights.has_waiters(token) => {
                Outcome::Value(shared.unwrap_or_else(|| Shared::from(bytes)), encoding)
            }
            _ => Outcome::Absent,
        };
        // Read under the lock: who asked after an invalidation had to take it after that.
        let barrier = own.as_ref().map_or(Sequence::MAX, |own| barrier_of(own, is_late));
        let woken = table.flights.land(token, &outcome, barrier);
        Landed { stored: is_stored, barrier, woken }
    }

    /// The load of `token` came to a value of these tags that cannot be handed over: who waits loads for itself.
    pub fn alone(&self, token: Token, tags: &[String]) -> Landed {
        let mut table = self.shard_of_number(token).write();
        let barrier = self.barrier(&table, token, tags);
        Landed { stored: false, barrier, woken: table.flights.land(token, &Outcome::Alone, Sequence::MAX) }
    }

    /// The load of `token`, of something with these tags, failed. A stale value backs off.
    pub fn fail(&self, token: Token, error: (&[u8], Encoding), tags: &[String]) -> Landed {
        self.load_failures.fetch_add(1, Ordering::Relaxed);
        let now = self.clock.now();
        let mut table = self.shard_of_number(token).write();
        if let Some((key, _, true)) = table.flights.find(token) {
            let hash = self.hashing.hash(&key);
            if let Some(seen) = table.look_up(&key, hash, now) {
                table.back_off(seen.at, now);
            }
        }
        let barrier = self.barrier(&table, token, tags);
        let outcome = Outcome::Failed(error.0.into(), error.1);
        let woken = table.flights.land(token, &outcome, barrier);
        Landed { stored: false, barrier, woken }
    }

    /// Who asked after this for what `token` loads asked after an invalidation. To be asked with the shard locked: who asked after an
    /// invalidation had to take it after that.
    fn barrier(&self, table: &Table, token: Token, tags: &[String]) -> Sequence {
        let Some((_, began, _)) = table.flights.find(token) else { return UNKNOWN };
        if tags.is_empty() {
            return Sequence::MAX;
        }
        let (now, lease) = (self.clock.now(), table.times.lease);
        barrier_of(&self.tags.tagged(tags, began, now, lease), table.flights.is_late(token, now, lease))
    }

    /// An environment loads for itself alone what others wait for or have: that is a load too, as is its failure.
    pub fn led_alone(&self, failed: bool) {
        let counter = if failed { &self.load_failures } else { &self.loads };
        counter.fetch_add(1, Ordering::Relaxed);
    }

    /// Nobody in the leader's environment waits any more: true if nobody else does either, and the load is to be aborted.
    pub fn abandon(&self, token: Token) -> bool {
        self.shard_of_number(token).write().flights.abandon(token)
    }

    /// What the sequence of invalidations is, if the flight of a token or a ticket may still be joined.
    pub fn joinable(&self, number: u64) -> Option<Sequence> {
        let now = self.clock.now();
        let joinable = self.shard_of_number(number).read().flights.is_joinable(number, now);
        joinable.then(|| self.tags.sequence())
    }

    /// The load of `token` is given up: another does it, if somebody waits.
    pub fn give_up(&self, token: Token) -> Woken {
        let shard = token as usize & (SHARDS - 1);
        let now = self.clock.now();
        self.shards[shard].write().flights.hand_over(token, now, || self.number(shard))
    }

    /// What came out for a waiter, its value in `value`; None while it waits. Who had seen the barrier beside it when they asked have
    /// to ask again.
    pub fn outcome(&self, ticket: Ticket, value: &mut Value) -> Option<(Outcome, Sequence)> {
        let mut table = self.shard_of_number(ticket).write();
        let lease = table.times.lease;
        let outcome = table.flights.outcome(ticket, (self.tags.sequence(), self.clock.now(), lease));
        if let Some((Outcome::Value(bytes, _) | Outcome::Failed(bytes, _), _)) = &outcome {
            value.share(bytes.clone());
        }
        if let Some((Outcome::Lead(_), _)) = &outcome {
            self.loads.fetch_add(1, Ordering::Relaxed);
        }
        outcome
    }

    /// Whether something has come out for a waiter.
    pub fn has_outcome(&self, ticket: Ticket) -> bool {
        self.shard_of_number(ticket).read().flights.has_outcome(ticket)
    }

    /// A waiter gives up. `goes_on`: the load is to come to its end all the same, and what it comes to is to be stored.
    pub fn cancel(&self, ticket: Ticket, goes_on: bool) -> Woken {
        let shard = ticket as usize & (SHARDS - 1);
        let now = self.clock.now();
        self.shards[shard].write().flights.cancel(ticket, goes_on, now, || self.number(shard))
    }

    /// Hands over loads whose leaders do not answer. To be called now and then by who waits.
    pub fn look(&self) -> Woken {
        let now = self.clock.now();
        self.on_all_flights(|flights, number| flights.look(now, number))
    }

    /// An environment is gone: what it led goes to others.
    pub fn env_gone(&self, env: EnvId) -> Woken {
        self.fronts_gone(env);
        let now = self.clock.now();
        self.on_all_flights(|flights, number| flights.env_gone(env, now, number))
    }

    fn on_all_flights(&self, each: impl Fn(&mut Flights, &mut dyn FnMut() -> u64) -> Woken) -> Woken {
        let mut all = Woken::default();
        for (index, shard) in self.shards.iter().enumerate() {
            if shard.read().flights.is_empty() {
                continue;
            }
            let woken = each(&mut shard.write().flights, &mut || self.number(index));
            all.offers.extend(woken.offers);
            all.refused.extend(woken.refused);
        }
        all
    }
}

/// Who had seen so much of the sequence when they asked have to ask again. Which invalidation came first is not known: who has seen any
/// since the load began may have asked after it. Of a load that outlived its lease, tags may have been forgotten since.
fn barrier_of(tagged: &Tagged, is_late: bool) -> Sequence {
    if tagged.is_valid() && !is_late { Sequence::MAX } else { tagged.seen + 1 }
}
