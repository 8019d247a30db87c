//! The shell: the word, the wait list, the clock.
//!
//! Who has nobody waiting before it decides on the word alone, without a lock. As soon as someone waits, every caller goes
//! through the lock of the room, serves those whose tokens are due, and only then asks for itself: no newcomer passes a waiter.
//! Tokens are taken from the word when they are offered to the head of the line, so a line served late (a blocked event loop)
//! gets no more at once than the bucket holds.
//!
//! Wake-ups: each environment with a waiter keeps one timer for when the head of the line is due, and calls [`Bucket::serve`]
//! when it fires. What makes the head due earlier (a refund, a cancelled head, new limits) answers a [`Woken`] that names the
//! environments that have to ask again.

use super::{
    model::{self, Decision, Rate, Ticks},
    options::check_initial_tokens,
};
use crate::{
    clock::{Clock, Nanos},
    option::InvalidOption,
    room::{EnvId, Left, Room, Ticket, Why, Woken},
    sync::{AtomicU32, AtomicU64, Mutex, Ordering},
    words::Rates,
};

/// Tokens that were offered: what they are worth, and what the word said when they had been taken, under which limits.
#[derive(Clone, Copy, Debug)]
struct Grant {
    worth: Ticks,
    end: Ticks,
    limits: u32,
}

/// The answer to [`Bucket::acquire`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Acquire {
    /// The tokens are taken.
    Granted,
    /// In the line; the head of the line is due after `wait`.
    Waiting {
        /// The place in the line.
        ticket: Ticket,
        /// How long until the bucket has to be served.
        wait: Nanos,
    },
    /// The wait would pass the caller's bound, or the line is full: it would take this long.
    RetryAfter(Nanos),
    /// More than the capacity.
    Never,
}

/// One token bucket, shared by all who hold a reference.
#[derive(Debug)]
pub struct Bucket {
    /// The theoretical arrival time: when the bucket would be full again.
    tat: AtomicU64,
    /// How many are in the line; changed under the room's lock.
    waiting: AtomicU32,
    rates: Rates,
    clock: Clock,
    max_waiters: u64,
    room: Mutex<Room<Grant>>,
}

impl Bucket {
    /// A bucket that starts full, or with `initial_tokens`.
    pub fn new(rate: &Rate, initial_tokens: Option<f64>, max_waiters: u64, clock: Clock) -> Self {
        let now = model::ticks(clock.now());
        let missing = initial_tokens.map_or(0.0, |tokens| (rate.capacity as f64 - tokens).max(0.0));
        let debt = (missing * rate.interval as f64).ceil() as Ticks;
        Self {
            tat: AtomicU64::new(now.wrapping_add(debt.min(rate.span()))),
            waiting: AtomicU32::new(0),
            rates: Rates::new(std::slice::from_ref(rate)),
            clock,
            max_waiters,
            room: Mutex::new(Room::default()),
        }
    }

    /// The same from options as given.
    pub fn from_options(
        rate: &Rate,
        initial_tokens: Option<f64>,
        max_waiters: u64,
        clock: Clock,
    ) -> Result<Self, InvalidOption> {
        let initial = initial_tokens.map(|tokens| check_initial_tokens(tokens, rate)).transpose()?;
        Ok(Self::new(rate, initial, max_waiters, clock))
    }

    /// Takes `cost` tokens if nobody waits; None if someone does, and [`Bucket::take`] has to be asked.
    #[inline]
    pub fn take_alone(&self, cost: u64) -> Option<Decision> {
        if self.waiting.load(Ordering::Acquire) != 0 {
            return None;
        }
        let now = self.clock.now();
        Some(self.beside_changes(now, || self.take_word(cost, now)))
    }

    /// Whether `cost` is refused beyond doubt, asked with a cheaper clock: for callers that have just been refused and ask again.
    /// False says nothing.
    #[inline]
    pub fn surely_refuses(&self, cost: u64) -> bool {
        self.clock.not_before_now().is_some_and(|later| {
            let tat = self.tat.load(Ordering::Acquire);
            model::take(tat, cost, model::ticks(later), &self.rates.first()).1 != Decision::Allow
        })
    }

    /// Takes `cost` tokens, after those who wait.
    pub fn take(&self, cost: u64) -> (Decision, Woken) {
        if let Some(decision) = self.take_alone(cost) {
            return (decision, Woken::default());
        }
        let now = self.clock.now();
        let mut room = self.room.lock();
        let mut woken = Woken::default();
        let decision = match self.serve_room(&mut room, now, &mut woken) {
            None => self.take_word(cost, now),
            Some(_) => self.behind(&room, cost, now),
        };
        (decision, woken)
    }

    /// Takes `cost` tokens or joins the line, unless the wait would pass `max_wait`.
    pub fn acquire(&self, env: EnvId, cost: u64, max_wait: Option<Nanos>) -> (Acquire, Woken) {
        if self.take_alone(cost) == Some(Decision::Allow) {
            return (Acquire::Granted, Woken::default());
        }
        let now = self.clock.now();
        let mut room = self.room.lock();
        let mut woken = Woken::default();
        let head = self.serve_room(&mut room, now, &mut woken);
        let decision = match head {
            None => self.take_word(cost, now),
            Some(_) => self.behind(&room, cost, now),
        };
        let answer = match decision {
            Decision::Allow => Acquire::Granted,
            Decision::Never => Acquire::Never,
            Decision::RetryAfter(wait)
                if max_wait.is_some_and(|most| wait > most) || room.len() as u64 >= self.max_waiters =>
            {
                Acquire::RetryAfter(wait)
            }
            Decision::RetryAfter(wait) => {
                let ticket = room.enter(env, cost);
                self.count(&room);
                Acquire::Waiting { ticket, wait: head.unwrap_or(wait) }
            }
        };
        (answer, woken)
    }

    /// Offers tokens to those in the line whose turn has come: how long until the next is due, or None if nobody waits.
    pub fn serve(&self) -> (Option<Nanos>, Woken) {
        let mut woken = Woken::default();
        let now = self.clock.now();
        let next = self.serve_room(&mut self.room.lock(), now, &mut woken);
        (next, woken)
    }

    /// A waiter takes the tokens it was offered: whether there were any.
    pub fn claim(&self, ticket: Ticket) -> bool {
        self.room.lock().claim(ticket).is_some()
    }

    /// A waiter gives up. What it was offered and had not claimed goes back.
    pub fn cancel(&self, ticket: Ticket) -> Woken {
        let now = self.clock.now();
        let mut room = self.room.lock();
        match room.cancel(ticket) {
            None => return Woken::default(),
            Some(Left::Waiting) => self.count(&room),
            Some(Left::Offered(grant)) => self.take_back(grant, now),
        }
        self.settle(&mut room, now)
    }

    /// The environment is gone, with its waiters and what they had not claimed.
    pub fn env_gone(&self, env: EnvId) -> Woken {
        let now = self.clock.now();
        let mut room = self.room.lock();
        for unclaimed in room.env_gone(env) {
            self.take_back(unclaimed, now);
        }
        self.count(&room);
        self.settle(&mut room, now)
    }

    /// Puts `tokens` back, never past the capacity.
    pub fn refund(&self, tokens: u64) -> Woken {
        let now = self.clock.now();
        let mut room = self.room.lock();
        self.refund_word(tokens, now);
        self.settle(&mut room, now)
    }

    /// Takes `tokens` away, into debt if need be.
    pub fn penalize(&self, tokens: u64) {
        let now = self.clock.now();
        let instant = model::ticks(now);
        self.beside_changes(now, || {
            self.change(|tat| model::penalize(tat, self.rates.first().worth(tokens), instant));
        });
    }

    /// New limits for all who share this bucket. The time until full stays, at most that of an empty bucket of the new limits.
    pub fn reconfigure(&self, rate: &Rate) -> Woken {
        let now = self.clock.now();
        let mut room = self.room.lock();
        self.rates.write(std::slice::from_ref(rate));
        self.change(|tat| model::reconfigure(tat, model::ticks(now), rate));
        let refused = room.dismiss_over(rate.capacity).into_iter().map(|gone| (gone, Why::TooMuch)).collect();
        self.count(&room);
        Woken { refused, ..self.settle(&mut room, now) }
    }

    /// How long until `cost` tokens could be taken, those who wait served first.
    pub fn retry_after(&self, cost: u64) -> Decision {
        let now = self.clock.now();
        let room = self.room.lock();
        match self.behind(&room, cost, now) {
            Decision::RetryAfter(0) => Decision::Allow,
            decision => decision,
        }
    }

    /// The tokens there are now: fractional, negative in debt; what waiters wait for is not taken yet.
    pub fn available(&self) -> f64 {
        model::available(
            self.tat.load(Ordering::Acquire),
            model::ticks(self.clock.now()),
            &self.rates.first(),
        )
    }

    /// The limits in force.
    pub fn rate(&self) -> Rate {
        self.rates.first()
    }

    /// How many wait.
    pub fn waiting(&self) -> u32 {
        self.waiting.load(Ordering::Relaxed)
    }

    /// The word itself, to show that a refusal does not write it.
    pub fn word(&self) -> u64 {
        self.tat.load(Ordering::Acquire)
    }

    /// Runs what takes from the word without the room's lock. It may read the limits, be overtaken by a change of them that leaves
    /// the word as it is, and then write what it took under the old ones: that is bounded by the new ones here, as the change
    /// would have bounded it.
    #[inline]
    fn beside_changes<T>(&self, now: Nanos, take: impl FnOnce() -> T) -> T {
        let version = self.rates.version();
        let answer = take();
        // Who wrote the word after the change did has seen its version: the word is only ever written by compare-exchange.
        if self.rates.version() != version {
            self.bound(now);
        }
        answer
    }

    #[cold]
    fn bound(&self, now: Nanos) {
        let _room = self.room.lock();
        let rate = self.rates.first();
        self.change(|tat| model::reconfigure(tat, model::ticks(now), &rate));
    }

    #[inline]
    fn take_word(&self, cost: u64, now: Nanos) -> Decision {
        self.take_to(cost, now).1
    }

    /// The word after the call, and the decision.
    #[inline]
    fn take_to(&self, cost: u64, now: Nanos) -> (Ticks, Decision) {
        let now = model::ticks(now);
        let mut tat = self.tat.load(Ordering::Acquire);
        loop {
            // Read again at each try: whoever moved the word may have changed the limits before.
            let rate = self.rates.first();
            let (next, decision) = model::take(tat, cost, now, &rate);
            if next == tat {
                return (next, decision);
            }
            match self.tat.compare_exchange_weak(tat, next, Ordering::AcqRel, Ordering::Acquire) {
                Ok(_) => return (next, decision),
                Err(seen) => tat = seen,
            }
        }
    }

    /// Gives back what nobody claimed, as if it had never been taken: without what time has given back since, which would let
    /// more pass at once than the bucket holds. Nothing if the limits have changed since: the word may have been cut.
    fn take_back(&self, grant: Grant, now: Nanos) {
        let now = model::ticks(now);
        if self.rates.version() == grant.limits {
            let back = grant.worth.min(model::debt(grant.end, now));
            self.change(|tat| model::refund(tat, back, now));
        }
    }

    fn refund_word(&self, tokens: u64, now: Nanos) {
        let now = model::ticks(now);
        self.change(|tat| model::refund(tat, self.rates.first().worth(tokens), now));
    }

    fn change(&self, next: impl Fn(Ticks) -> Ticks) {
        let mut tat = self.tat.load(Ordering::Acquire);
        while let Err(seen) =
            self.tat.compare_exchange_weak(tat, next(tat), Ordering::AcqRel, Ordering::Acquire)
        {
            tat = seen;
        }
    }

    /// What `cost` would meet behind everyone in the line.
    fn behind(&self, room: &Room<Grant>, cost: u64, now: Nanos) -> Decision {
        let rate = self.rates.first();
        if cost > rate.capacity {
            return Decision::Never;
        }
        let debt = model::debt(self.tat.load(Ordering::Acquire), model::ticks(now));
        let worth = rate.worth(room.weight().saturating_add(cost));
        match model::wait(debt, worth, &rate) {
            0 if room.is_empty() => Decision::Allow,
            wait => Decision::RetryAfter(model::nanos(wait)),
        }
    }

    fn serve_room(&self, room: &mut Room<Grant>, now: Nanos, woken: &mut Woken) -> Option<Nanos> {
        let mut changed = false;
        let next = loop {
            let Some(weight) = room.head() else { break None };
            let (end, decision) = self.take_to(weight, now);
            match decision {
                Decision::Allow => {
                    // Limits change under the lock of the room, which this call holds.
                    let (worth, limits) = (self.rates.first().worth(weight), self.rates.version());
                    woken.offers.extend(room.offer(Grant { worth, end, limits }, now));
                }
                Decision::Never => woken.refused.extend(room.dismiss().map(|gone| (gone, Why::TooMuch))),
                Decision::RetryAfter(wait) => break Some(wait),
            }
            changed = true;
        };
        if changed {
            self.count(room);
        }
        next
    }

    /// Serves the line after the head may have become due earlier.
    fn settle(&self, room: &mut Room<Grant>, now: Nanos) -> Woken {
        let mut woken = Woken::default();
        if self.serve_room(room, now, &mut woken).is_some() {
            woken.replan.extend(room.envs());
        }
        woken
    }

    fn count(&self, room: &Room<Grant>) {
        self.waiting.store(room.len() as u32, Ordering::Release);
    }
}
