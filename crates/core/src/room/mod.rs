//! The one wait list: who waits, who is next.
//!
//! A waiter is an (environment, ticket): a JavaScript thread and a promise in it. What it waits for is *offered* to it first,
//! counted to its environment from then on, and starts only when *claimed* on its own thread. An offer that its waiter never
//! claims (it was cancelled in the same instant, or its thread ended) goes back to whoever owns the room.
//!
//! Order: first in, first out. The room has no lock of its own; its owner keeps it beside what it hands out, under one.
//!
//! ```
//! use breakwater_core::room::{Left, Room};
//!
//! let mut room = Room::default();
//! let (here, there) = (1, 2);
//! let first = room.enter(here, 5);
//! let second = room.enter(there, 1);
//! assert_eq!(room.offer("five tokens").map(|offer| offer.ticket), Some(first));
//! assert_eq!(room.claim(first), Some("five tokens"));
//! assert_eq!(room.cancel(second), Some(Left::Waiting));
//! assert!(room.is_empty());
//! ```

use std::collections::BTreeMap;

/// A JavaScript environment (one thread's), unique in the process and never used again.
pub type EnvId = u32;

/// A place in a room, unique in that room. Tickets rise in order of arrival.
pub type Ticket = u64;

#[derive(Clone, Copy, Debug)]
struct Waiter {
    env: EnvId,
    weight: u64,
}

/// Something for the head of the line: its environment has to be woken to claim it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Offer {
    /// Where the waiter lives.
    pub env: EnvId,
    /// Which of its waiters it is.
    pub ticket: Ticket,
}

/// The environments to wake after a call, all of them outside any lock.
#[derive(Debug, Default)]
pub struct Woken {
    /// Waiters that were offered what they wait for.
    pub offers: Vec<Offer>,
    /// Waiters that were sent away with nothing.
    pub refused: Vec<Offer>,
    /// Environments whose timer may be too late: the head of the line is due earlier than it was.
    pub replan: Vec<EnvId>,
}

/// How a cancelled waiter left.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Left<G> {
    /// It was still in the line.
    Waiting,
    /// It had been offered this, which goes back.
    Offered(G),
}

/// A line of waiters and the offers they have not claimed yet. `G` is what its owner grants.
#[derive(Debug)]
pub struct Room<G> {
    next: Ticket,
    waiting: BTreeMap<Ticket, Waiter>,
    offered: BTreeMap<Ticket, (EnvId, G)>,
    /// Waiters in the line, by environment.
    envs: BTreeMap<EnvId, u32>,
    weight: u128,
}

impl<G> Default for Room<G> {
    fn default() -> Self {
        Self { next: 0, waiting: BTreeMap::new(), offered: BTreeMap::new(), envs: BTreeMap::new(), weight: 0 }
    }
}

impl<G> Room<G> {
    /// Joins the end of the line, to wait for `weight`.
    pub fn enter(&mut self, env: EnvId, weight: u64) -> Ticket {
        let ticket = self.next;
        self.next += 1;
        self.waiting.insert(ticket, Waiter { env, weight });
        *self.envs.entry(env).or_default() += 1;
        self.weight += u128::from(weight);
        ticket
    }

    /// The weight the head of the line waits for.
    pub fn head(&self) -> Option<u64> {
        self.waiting.first_key_value().map(|(_, waiter)| waiter.weight)
    }

    /// Offers the head of the line what it waits for.
    pub fn offer(&mut self, grant: G) -> Option<Offer> {
        let offer = self.dismiss()?;
        self.offered.insert(offer.ticket, (offer.env, grant));
        Some(offer)
    }

    /// Sends the head of the line away with nothing.
    pub fn dismiss(&mut self) -> Option<Offer> {
        let (ticket, waiter) = self.waiting.pop_first()?;
        self.left_line(waiter);
        Some(Offer { env: waiter.env, ticket })
    }

    /// Sends everyone in the line who waits for more than `most` away with nothing.
    pub fn dismiss_over(&mut self, most: u64) -> Vec<Offer> {
        let dismissed: Vec<_> = self.waiting.extract_if(.., |_, waiter| waiter.weight > most).collect();
        for (_, waiter) in &dismissed {
            self.left_line(*waiter);
        }
        dismissed.into_iter().map(|(ticket, waiter)| Offer { env: waiter.env, ticket }).collect()
    }

    /// The waiter takes what it was offered; None if that was nothing.
    pub fn claim(&mut self, ticket: Ticket) -> Option<G> {
        self.offered.remove(&ticket).map(|(_, grant)| grant)
    }

    /// The waiter gives up. None if it has left before.
    pub fn cancel(&mut self, ticket: Ticket) -> Option<Left<G>> {
        if let Some(waiter) = self.waiting.remove(&ticket) {
            self.left_line(waiter);
            Some(Left::Waiting)
        } else {
            self.claim(ticket).map(Left::Offered)
        }
    }

    /// The environment is gone with all its waiters: what it had not claimed, which goes back.
    pub fn env_gone(&mut self, env: EnvId) -> Vec<G> {
        let gone: Vec<Waiter> =
            self.waiting.extract_if(.., |_, waiter| waiter.env == env).map(|(_, w)| w).collect();
        for waiter in gone {
            self.left_line(waiter);
        }
        self.offered.extract_if(.., |_, (owner, _)| *owner == env).map(|(_, (_, grant))| grant).collect()
    }

    /// How many are in the line.
    pub fn len(&self) -> usize {
        self.waiting.len()
    }

    /// Whether nobody is in the line.
    pub fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    /// What the whole line waits for.
    pub fn weight(&self) -> u64 {
        u64::try_from(self.weight).unwrap_or(u64::MAX)
    }

    /// The environments with someone in the line.
    pub fn envs(&self) -> impl Iterator<Item = EnvId> + '_ {
        self.envs.keys().copied()
    }

    fn left_line(&mut self, waiter: Waiter) {
        self.weight -= u128::from(waiter.weight);
        if let Some(count) = self.envs.get_mut(&waiter.env) {
            *count -= 1;
            if *count == 0 {
                self.envs.remove(&waiter.env);
            }
        }
    }
}
