//! The shell: the hash, the table, the clock.

use siphasher::sip::SipHasher13;

use super::{
    model::{self, Costs, Limits, Verdict},
    options::{Checked, rates_of},
    table::{Edit, Entry, Table},
};
use crate::{
    bucket::{
        Limit,
        model::{Ticks, cancel, debt, nanos, penalize, refund, ticks},
    },
    clock::{Clock, Nanos},
    option::InvalidOption,
    rng::Rng,
    sync::{AtomicU64, Ordering},
    words::MAX_LIMITS,
};

/// A place in time that a waiter has taken: give it back with [`Limiter::cancel`].
#[derive(Clone, Copy, Debug)]
pub struct Reservation {
    hash: u64,
    generation: u32,
    starts: [Ticks; MAX_LIMITS],
    ends: [Ticks; MAX_LIMITS],
    /// What it took of the first limit.
    worth: Ticks,
}

/// The answer to [`Limiter::reserve`].
#[derive(Clone, Copy, Debug)]
pub enum Reserve {
    /// Charged; what was asked for may be done after this time.
    After(Nanos, Reservation),
    /// Nothing was charged: the wait would pass the caller's bound, too many wait, or a cost is above its capacity.
    Refused(Verdict),
}

/// Figures of the whole limiter, cheap to read.
#[derive(Clone, Copy, Debug)]
pub struct Snapshot {
    /// Keys that have a place in the table; those that became idle count until their place is needed.
    pub size: u64,
    /// Live keys that had to go for others since the limiter was made.
    pub evicted: u64,
    /// Reservations that wait.
    pub waiting: u64,
    /// Bytes of the table.
    pub bytes: u64,
}

/// One rate limiter, shared by all who hold a reference.
#[derive(Debug)]
pub struct Limiter {
    pub(super) table: Table,
    /// The hash key. It is drawn anew for every limiter, so nobody outside can make keys collide.
    pub(super) hash_key: [AtomicU64; 2],
    /// No key is blocked after this instant, so that looking for blocks costs nothing where there are none.
    pub(super) blocked_until: AtomicU64,
    /// Reservations that have not been settled; changed by whoever waits.
    waiting: AtomicU64,
    max_waiters: u64,
    clock: Clock,
}

impl Limiter {
    /// A limiter that knows no key yet. `maxKeys` is wrong if the system has no memory for so many.
    pub fn new(options: &Checked, clock: Clock, rng: &mut Rng) -> Result<Self, InvalidOption> {
        let table =
            Table::new(&options.rates, options.max_keys, options.when_full).ok_or_else(|| InvalidOption {
                option: "maxKeys".to_owned(),
                expected: "a number of keys that memory can be had for",
                got: options.max_keys.to_string(),
            })?;
        Ok(Self {
            table,
            hash_key: [AtomicU64::new(rng.next_u64()), AtomicU64::new(rng.next_u64())],
            blocked_until: AtomicU64::new(0),
            waiting: AtomicU64::new(0),
            max_waiters: options.max_waiters,
            clock,
        })
    }

    /// The keyed hash of a key: SipHash-1-3.
    #[inline]
    pub fn hash(&self, key: &[u8]) -> u64 {
        let [first, second] = &self.hash_key;
        let (first, second) = (first.load(Ordering::Relaxed), second.load(Ordering::Relaxed));
        SipHasher13::new_with_keys(first, second).hash(key)
    }

    /// Charges a key, and says only whether it passed.
    #[inline]
    pub fn pass(&self, hash: u64, costs: &Costs) -> bool {
        let now = self.clock.now();
        if self.blocked_for(hash, now) > 0 {
            return false;
        }
        let now = ticks(now);
        self.table.update(Entry::Bucket, hash, now, |tats, _, limits| {
            match model::charge(tats, costs, now, limits) {
                Some(next) if costs.take_any(limits.len) => (Edit::Write(next), true),
                charged => (Edit::Keep, charged.is_some()),
            }
        })
    }

    /// Charges a key and says where it stands.
    #[inline]
    pub fn charge(&self, hash: u64, costs: &Costs) -> Verdict {
        self.ask(hash, costs, true)
    }

    /// Says what [`Limiter::charge`] would say, and charges nothing.
    pub fn peek(&self, hash: u64, costs: &Costs) -> Verdict {
        self.ask(hash, costs, false)
    }

    #[inline]
    fn ask(&self, hash: u64, costs: &Costs, charge: bool) -> Verdict {
        let now = self.clock.now();
        let block = self.blocked_for(hash, now);
        let now = ticks(now);
        // Filled in place: it is large, and handing it through the table would copy it several times.
        let mut verdict = Verdict::of(now, *costs, block);
        self.table.update(Entry::Bucket, hash, now, |tats, _, limits| {
            let next = if block > 0 { None } else { model::charge(tats, costs, now, limits) };
            verdict.limits = *limits;
            verdict.allowed = next.is_some();
            match next {
                Some(next) if charge && costs.take_any(limits.len) => {
                    verdict.tats = next;
                    (Edit::Write(next), ())
                }
                _ => {
                    verdict.tats = *tats;
                    (Edit::Keep, ())
                }
            }
        });
        verdict
    }

    /// Charges a key now for something to be done later, unless the wait would pass `max_wait`.
    pub fn reserve(&self, hash: u64, costs: &Costs, max_wait: Option<Nanos>) -> Reserve {
        let now = self.clock.now();
        let block = self.blocked_for(hash, now);
        let now = ticks(now);
        let full = self.waiting.fetch_add(1, Ordering::Relaxed) >= self.max_waiters;
        let answer = self.table.update(Entry::Bucket, hash, now, |tats, _, limits| {
            let reserved = model::reserve(tats, costs, now, block, limits);
            let too_long = |wait| wait > 0 && (full || max_wait.is_some_and(|most| nanos(wait) > most));
            match reserved {
                Some((ends, wait)) if !too_long(wait) => {
                    let reservation = Reservation {
                        hash,
                        generation: limits.generation,
                        starts: tats.map(|tat| now.wrapping_add(debt(tat, now))),
                        ends,
                        worth: limits.rates().first().map_or(0, |rate| rate.worth(costs.get(0))),
                    };
                    let edit = if ends == *tats { Edit::Keep } else { Edit::Write(ends) };
                    (edit, Reserve::After(nanos(wait), reservation))
                }
                _ => {
                    let verdict =
                        Verdict { allowed: false, now, tats: *tats, costs: *costs, limits: *limits, block };
                    (Edit::Keep, Reserve::Refused(verdict))
                }
            }
        });
        if matches!(answer, Reserve::Refused(_)) {
            self.settle();
        }
        answer
    }

    /// A reservation is over: its wait is done, or it was cancelled.
    pub fn settle(&self) {
        self.waiting.fetch_sub(1, Ordering::Relaxed);
    }

    /// Gives a reservation back, but for what later ones have built on; nothing if the limits were changed since, which bounded
    /// what was reserved anyway. It still has to be settled.
    pub fn cancel(&self, reservation: &Reservation) {
        let now = ticks(self.clock.now());
        // A later one that waits for another limit or for a block has left a gap in the line, and how long that is cannot be seen
        // from the end of the line: then nothing goes back but from that end.
        let without_gaps = self.table.shape.limits == 1 && self.blocked_until.load(Ordering::Acquire) == 0;
        let worth = if without_gaps { reservation.worth } else { 0 };
        self.change(reservation.hash, now, |tats, limits| {
            let mut next = *tats;
            if limits.generation != reservation.generation {
                return next;
            }
            for (index, tat) in next.iter_mut().enumerate().take(limits.len) {
                *tat = cancel(*tat, reservation.starts[index], reservation.ends[index], worth, now);
            }
            next
        });
    }

    /// Gives a cost back, never past the capacities. A block holds all the same.
    pub fn refund(&self, hash: u64, costs: &Costs) {
        let now = ticks(self.clock.now());
        self.change(hash, now, |tats, limits| {
            let mut next = *tats;
            for (index, (tat, rate)) in next.iter_mut().zip(limits.rates()).enumerate() {
                *tat = refund(*tat, rate.worth(costs.get(index)), now);
            }
            next
        });
    }

    /// Charges a cost whether or not there is room for it: into debt if need be.
    pub fn penalize(&self, hash: u64, costs: &Costs) {
        let now = ticks(self.clock.now());
        self.table.update(Entry::Bucket, hash, now, |tats, _, limits| {
            let mut next = *tats;
            for (index, (tat, rate)) in next.iter_mut().zip(limits.rates()).enumerate() {
                *tat = penalize(*tat, rate.worth(costs.get(index)), now);
            }
            (if next == *tats { Edit::Keep } else { Edit::Write(next) }, ())
        });
    }

    /// Refuses a key for this long, whatever it has left or is given back; of two blocks the longer holds.
    pub fn block(&self, hash: u64, span: Nanos) {
        let now = self.clock.now();
        self.blocked_until.fetch_max(now.saturating_add(span), Ordering::AcqRel);
        let now = ticks(now);
        let span = ticks(span);
        self.table.update(Entry::Block, hash, now, |tats, found, _| {
            let span = if found { span.max(debt(tats[0], now)) } else { span };
            (Edit::Write([now.wrapping_add(span); MAX_LIMITS]), ())
        });
    }

    /// Forgets a key: what it owes and its block.
    pub fn reset(&self, hash: u64) {
        let now = ticks(self.clock.now());
        for entry in [Entry::Bucket, Entry::Block] {
            self.table
                .update(entry, hash, now, |_, found, _| (if found { Edit::Remove } else { Edit::Keep }, ()));
        }
    }

    /// New limits for all who share this limiter, as many as there were. Each key keeps its time until full, at most that of
    /// an empty bucket of the new limits.
    pub fn reconfigure(&self, limits: &[Limit]) -> Result<(), InvalidOption> {
        let rates = rates_of(limits)?;
        if rates.len() != self.table.shape.limits {
            return Err(InvalidOption {
                option: "limits".to_owned(),
                expected: "as many limits as the limiter was made with",
                got: rates.len().to_string(),
            });
        }
        self.table.reconfigure(&rates, ticks(self.clock.now()));
        Ok(())
    }

    /// Figures of the whole limiter.
    pub fn snapshot(&self) -> Snapshot {
        Snapshot {
            size: self.table.occupied(),
            evicted: self.table.evicted(),
            waiting: self.waiting.load(Ordering::Relaxed),
            bytes: (self.table.lines * self.table.shape.words * size_of::<u64>()) as u64,
        }
    }

    /// How long a key stays blocked.
    pub fn blocked(&self, hash: u64) -> Nanos {
        nanos(self.blocked_for(hash, self.clock.now()))
    }

    pub(super) fn now(&self) -> Nanos {
        self.clock.now()
    }

    #[inline]
    fn blocked_for(&self, hash: u64, now: Nanos) -> Ticks {
        if now >= self.blocked_until.load(Ordering::Acquire) {
            0
        } else {
            self.look_for_block(hash, ticks(now))
        }
    }

    #[cold]
    fn look_for_block(&self, hash: u64, now: Ticks) -> Ticks {
        self.table.update(Entry::Block, hash, now, |tats, found, _| {
            (Edit::Keep, if found { debt(tats[0], now) } else { 0 })
        })
    }

    /// Changes the state of a key that has one; a key without is full already.
    fn change(&self, hash: u64, now: Ticks, next: impl Fn(&model::Tats, &Limits) -> model::Tats) {
        self.table.update(Entry::Bucket, hash, now, |tats, found, limits| {
            let next = next(tats, limits);
            (if found && next != *tats { Edit::Write(next) } else { Edit::Keep }, ())
        });
    }
}
