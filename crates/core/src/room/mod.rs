//! The one wait list: who waits, who is next.
//!
//! A waiter is an (environment, ticket): a JavaScript thread and a promise in it. What it waits for is *offered* to it first,
//! counted to its environment from then on, and starts only when *claimed* on its own thread. An offer that its waiter never
//! claims (it was cancelled in the same instant, or its thread ended) goes back to whoever owns the room.
//!
//! Order: first in, first out, unless made with another. A waiter gives up at the same price wherever it stands.
//!
//! An offer that is not claimed in time, because its thread is busy, can be taken back: its environment and all its waiters then
//! stand aside, so that others are served meanwhile, until it is heard of again. The room has no lock of its own; its owner keeps it
//! beside what it hands out, under one.
//!
//! ```
//! use breakwater_core::room::{Left, Room};
//!
//! let mut room = Room::default();
//! let (here, there) = (1, 2);
//! let first = room.enter(here, 5);
//! let second = room.enter(there, 1);
//! assert_eq!(room.offer("five tokens", 0).map(|offer| offer.ticket), Some(first));
//! assert_eq!(room.claim(first), Some("five tokens"));
//! assert_eq!(room.cancel(second), Some(Left::Waiting));
//! assert!(room.is_empty());
//! ```

use std::collections::{BTreeMap, BTreeSet};

mod lines;
mod list;

use self::{
    lines::{Lines, Victim},
    list::{List, Place, Slots, Waiter},
};
use crate::clock::{NANOS_PER_MILLI, Nanos};

/// A JavaScript environment (one thread's), unique in the process and never used again.
pub type EnvId = u32;

/// A place in a room, unique among those who wait and have waited lately. Above 0 and below 2^50: owners of several rooms
/// put two bits to it.
pub type Ticket = u64;

/// The highest priority; the lowest is 0.
pub const HIGHEST_PRIORITY: u8 = 9;

/// The order in which waiters are served.
#[derive(Clone, Debug, Default)]
pub enum Order {
    /// First come, first served. Full: the newcomer has to go.
    #[default]
    Fifo,
    /// Last come, first served. Full: the oldest has to go.
    Lifo,
    /// The highest priority first, among equals who came first. Full: the newest of the lowest priority has to go.
    Priority,
    /// Every key in turn, in proportion to its share. Full: the newest of the key with most waiting for its share has to go.
    Fair(Shares),
}

/// The shares of keys: those not named have 1.
#[derive(Clone, Debug)]
pub struct Shares(BTreeMap<Box<[u8]>, f64>);

/// What a waiter asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Asks {
    /// How much.
    pub weight: u64,
    /// Since when it waits.
    pub since: Nanos,
    /// It does not want to be served from this instant on.
    pub until: Nanos,
    /// For an order by priority.
    pub priority: u8,
}

/// The instant that never comes.
pub const NEVER: Nanos = Nanos::MAX;

/// An offer that was not claimed for so long is one to a blocked event loop, and goes to somebody else.
pub const OFFER_LASTS: Nanos = 20 * NANOS_PER_MILLI;

impl Asks {
    /// So much, with nothing else to say.
    pub fn weight(weight: u64) -> Self {
        Self { weight, priority: 0, since: 0, until: NEVER }
    }
}

/// Something for the head of the line: its environment has to be woken to claim it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Offer {
    /// Where the waiter lives.
    pub env: EnvId,
    /// Which of its waiters it is.
    pub ticket: Ticket,
}

/// Why a waiter was sent away with nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Why {
    /// It asks for more than there will ever be.
    TooMuch,
    /// The room was full, and the order chose it.
    Evicted,
    /// It waited too long.
    TooLate,
    /// What it waits for has ended.
    Ended,
}

/// The environments to wake after a call, all of them outside any lock.
#[derive(Debug, Default)]
pub struct Woken {
    /// Waiters that were offered what they wait for.
    pub offers: Vec<Offer>,
    /// Waiters that were sent away with nothing.
    pub refused: Vec<(Offer, Why)>,
    /// Environments whose timer may be too late: the head of the line is due earlier than it was.
    pub replan: Vec<EnvId>,
}

impl Woken {
    /// Whether nobody is to be woken.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.offers.is_empty() && self.refused.is_empty() && self.replan.is_empty()
    }
}

/// How a cancelled waiter left.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Left<G> {
    /// It was still in the line.
    Waiting,
    /// It had been offered this, which goes back.
    Offered(G),
}

/// Whether a newcomer found a place in a room of so many.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Entered {
    /// In the line.
    Waiting(Ticket),
    /// In the line, and another has to go for it.
    InsteadOf(Ticket, Offer),
    /// It has to go itself.
    Full,
}

#[derive(Debug)]
struct Offered<G> {
    grant: G,
    since: Nanos,
    key: Box<[u8]>,
}

/// Waiters and the offers they have not claimed yet. `G` is what the owner grants.
#[derive(Debug)]
pub struct Room<G> {
    slots: Slots,
    lines: Lines,
    /// Waiters with an offer, the oldest offer first.
    offered: List,
    /// What they were offered, since when, and their keys.
    offers: BTreeMap<u32, Offered<G>>,
    /// Waiters of environments that did not claim an offer in time, with their keys.
    aside: BTreeMap<u32, Box<[u8]>>,
    silent: BTreeSet<EnvId>,
    /// How many were offered nothing, by environment, in their order: a handful of threads.
    envs: Vec<(EnvId, u32)>,
    waiting: usize,
    weight: u128,
}

impl<G> Default for Room<G> {
    fn default() -> Self {
        Self::new(Order::Fifo)
    }
}

impl<G> Room<G> {
    /// An empty room.
    pub fn new(order: Order) -> Self {
        Self {
            slots: Slots::default(),
            lines: Lines::new(order),
            offered: List::default(),
            offers: BTreeMap::new(),
            aside: BTreeMap::new(),
            silent: BTreeSet::new(),
            envs: Vec::new(),
            waiting: 0,
            weight: 0,
        }
    }

    /// Joins the line, to wait for `weight`.
    pub fn enter(&mut self, env: EnvId, weight: u64) -> Ticket {
        self.enter_as(env, Asks::weight(weight), &[])
    }

    /// Joins the line where it belongs.
    pub fn enter_as(&mut self, env: EnvId, asks: Asks, key: &[u8]) -> Ticket {
        let at = self.slots.add(env, asks);
        self.lines.join(&mut self.slots, at, key);
        self.waits(env, asks.weight);
        self.slots.ticket(at)
    }

    /// Joins the line of a room that has at most `places`; where it is full, the order says who has to go.
    pub fn enter_bounded(&mut self, env: EnvId, asks: Asks, key: &[u8], places: usize) -> Entered {
        if self.waiting < places {
            return Entered::Waiting(self.enter_as(env, asks, key));
        }
        match self.lines.victim(&self.slots, &asks, key) {
            Victim::Waiter(at) if places > 0 => match self.send_away(at) {
                Some(gone) => Entered::InsteadOf(self.enter_as(env, asks, key), gone),
                None => Entered::Full,
            },
            _ => Entered::Full,
        }
    }

    /// Whether the newest are served first for now, in a room that is first come, first served otherwise.
    pub fn serve_newest_first(&mut self, newest: bool) {
        if let Lines::Fifo { newest_first, .. } = &mut self.lines {
            *newest_first = newest;
        }
    }

    /// The weight the head of the line waits for.
    pub fn head(&mut self) -> Option<u64> {
        self.head_asks().map(|(asks, _)| asks.weight)
    }

    /// What the head of the line asks for, and where it lives.
    pub fn head_asks(&mut self) -> Option<(Asks, EnvId)> {
        let at = self.lines.next(&self.slots)?;
        self.slots.get(at).map(|waiter| (waiter.asks, waiter.env))
    }

    /// Offers the head of the line what it waits for.
    pub fn offer(&mut self, grant: G, now: Nanos) -> Option<Offer> {
        let at = self.lines.next(&self.slots)?;
        let key = self.lines.key_of(&self.slots, at);
        self.leave_line(at, true);
        self.offers.insert(at, Offered { grant, since: now, key });
        let waiter = self.slots.get_mut(at)?;
        waiter.place = Place::Offered;
        let env = waiter.env;
        self.slots.append(&mut self.offered, at);
        Some(Offer { env, ticket: self.slots.ticket(at) })
    }

    /// Serves the head of the line at once, on its own thread: nothing is left to claim.
    pub fn serve(&mut self) -> Option<Ticket> {
        let at = self.lines.next(&self.slots)?;
        let ticket = self.slots.ticket(at);
        self.leave_line(at, true);
        self.slots.remove(at).map(|_| ticket)
    }

    /// Sends the head of the line away with nothing.
    pub fn dismiss(&mut self) -> Option<Offer> {
        let at = self.lines.next(&self.slots)?;
        self.send_away(at)
    }

    /// Sends the one that has waited longest away with nothing; in a fair order, the head.
    pub fn dismiss_oldest(&mut self) -> Option<Offer> {
        let at = self.lines.longest(&self.slots)?;
        self.send_away(at)
    }

    /// Since when that one waits.
    pub fn longest(&mut self) -> Option<Nanos> {
        let at = self.lines.longest(&self.slots)?;
        self.slots.get(at).map(|waiter| waiter.asks.since)
    }

    /// How many wait and do not stand aside.
    pub fn in_line(&self) -> usize {
        self.waiting - self.aside.len()
    }

    /// Sends everyone who waits for more than `most` away with nothing.
    pub fn dismiss_over(&mut self, most: u64) -> Vec<Offer> {
        let over = self.waiters(|waiter| waiter.asks.weight > most);
        over.into_iter().filter_map(|at| self.send_away(at)).collect()
    }

    /// The waiter takes what it was offered; None if that was nothing.
    pub fn claim(&mut self, ticket: Ticket) -> Option<G> {
        if self.offers.is_empty() {
            return None;
        }
        let at = self.slots.find(ticket)?;
        let offered = self.offers.remove(&at)?;
        self.slots.unlink(&mut self.offered, at);
        self.slots.remove(at);
        Some(offered.grant)
    }

    /// The waiter gives up. None if it has left before.
    pub fn cancel(&mut self, ticket: Ticket) -> Option<Left<G>> {
        if let Some(grant) = self.claim(ticket) {
            return Some(Left::Offered(grant));
        }
        let at = self.slots.find(ticket)?;
        self.send_away(at).map(|_| Left::Waiting)
    }

    /// Takes back the oldest offer if it was made before `before`. Its environment stands aside with all its waiters.
    pub fn take_back(&mut self, before: Nanos) -> Option<G> {
        let at = self.offered.first;
        if self.offers.get(&at)?.since >= before {
            return None;
        }
        let Offered { grant, key, .. } = self.offers.remove(&at)?;
        self.slots.unlink(&mut self.offered, at);
        let waiter = self.slots.get_mut(at)?;
        waiter.place = Place::Aside;
        let (env, weight) = (waiter.env, waiter.asks.weight);
        self.waits(env, weight);
        self.aside.insert(at, key);
        self.silent.insert(env);
        for at in self.waiters(|waiter| waiter.env == env && waiter.place != Place::Aside) {
            let key = self.lines.key_of(&self.slots, at);
            self.lines.leave(&mut self.slots, at, false);
            if let Some(waiter) = self.slots.get_mut(at) {
                waiter.place = Place::Aside;
            }
            self.aside.insert(at, key);
        }
        Some(grant)
    }

    /// This environment is heard of: its waiters are back in their lines. Answers whether it had stood aside.
    #[inline]
    pub fn heard_of(&mut self, env: EnvId) -> bool {
        !self.silent.is_empty() && self.back_in_line(env)
    }

    /// The environment is gone with all its waiters: what it had not claimed, which goes back.
    pub fn env_gone(&mut self, env: EnvId) -> Vec<G> {
        for at in self.waiters(|waiter| waiter.env == env) {
            self.send_away(at);
        }
        self.silent.remove(&env);
        let lives_there = |at: &u32| self.slots.get(*at).is_some_and(|waiter| waiter.env == env);
        let offered: Vec<u32> = self.slots.listed(&self.offered).into_iter().filter(lives_there).collect();
        offered.into_iter().filter_map(|at| self.claim(self.slots.ticket(at))).collect()
    }

    /// Whether the ticket is of somebody who waits, or was offered something.
    pub fn holds(&self, ticket: Ticket) -> bool {
        self.slots.find(ticket).is_some()
    }

    /// How many wait and were offered nothing.
    pub fn len(&self) -> usize {
        self.waiting
    }

    /// Whether nobody waits.
    pub fn is_empty(&self) -> bool {
        self.waiting == 0
    }

    /// Whether there are offers that nobody has claimed yet.
    pub fn has_offers(&self) -> bool {
        self.offered.len > 0
    }

    /// What all who wait ask for together.
    pub fn weight(&self) -> u64 {
        u64::try_from(self.weight).unwrap_or(u64::MAX)
    }

    /// Since when the one who waits longest does.
    pub fn oldest(&self) -> Option<Nanos> {
        let aside = self.aside.keys().filter_map(|at| self.slots.get(*at)).map(|waiter| waiter.asks.since);
        aside.chain(self.lines.oldest(&self.slots)).min()
    }

    /// The environments with someone who waits.
    pub fn envs(&self) -> impl Iterator<Item = EnvId> + '_ {
        self.envs.iter().map(|(env, _)| *env)
    }

    /// The slots of those who wait, oldest first, if they are such.
    fn waiters(&self, such: impl Fn(&Waiter) -> bool) -> Vec<u32> {
        let waits = |waiter: &Waiter| waiter.place != Place::Offered;
        let mut found: Vec<_> = self
            .slots
            .all()
            .filter(|(_, waiter)| waits(waiter) && such(waiter))
            .map(|(at, waiter)| (waiter.arrival, at))
            .collect();
        found.sort_unstable();
        found.into_iter().map(|(_, at)| at).collect()
    }

    fn send_away(&mut self, at: u32) -> Option<Offer> {
        let ticket = self.slots.ticket(at);
        self.leave_line(at, false);
        self.slots.remove(at).map(|waiter| Offer { env: waiter.env, ticket })
    }

    fn leave_line(&mut self, at: u32, served: bool) {
        if self.aside.is_empty() || self.aside.remove(&at).is_none() {
            self.lines.leave(&mut self.slots, at, served);
        }
        self.not_waiting(at);
    }

    fn not_waiting(&mut self, at: u32) {
        let Some(waiter) = self.slots.get(at) else { return };
        let (env, weight) = (waiter.env, waiter.asks.weight);
        self.waiting -= 1;
        self.weight -= u128::from(weight);
        if let Ok(at) = self.envs.binary_search_by_key(&env, |(other, _)| *other) {
            self.envs[at].1 -= 1;
            if self.envs[at].1 == 0 {
                self.envs.remove(at);
            }
        }
    }

    fn waits(&mut self, env: EnvId, weight: u64) {
        self.waiting += 1;
        self.weight += u128::from(weight);
        match self.envs.binary_search_by_key(&env, |(other, _)| *other) {
            Ok(at) => self.envs[at].1 += 1,
            Err(at) => self.envs.insert(at, (env, 1)),
        }
    }

    #[cold]
    fn back_in_line(&mut self, env: EnvId) -> bool {
        if !self.silent.remove(&env) {
            return false;
        }
        let slots = &self.slots;
        let back: Vec<_> = self
            .aside
            .extract_if(.., |at, _| slots.get(*at).is_some_and(|waiter| waiter.env == env))
            .collect();
        self.lines.rejoin(&mut self.slots, back);
        true
    }
}
