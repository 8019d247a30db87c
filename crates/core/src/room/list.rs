//! Waiters in slots, linked into lists: entering, leaving and moving cost the same however many wait.

use super::{Asks, EnvId, Ticket};
use crate::clock::Nanos;

/// No slot.
pub(super) const NONE: u32 = u32::MAX;

/// Bits of a ticket that say the slot; those above count arrivals. A ticket has to be a whole number of JavaScript's.
const SLOT_BITS: u32 = 24;
const TURNS: u64 = 1 << (52 - SLOT_BITS);

/// Where a waiter stands.
#[derive(Debug)]
pub(super) enum Place<G> {
    /// In this line.
    Line(u32),
    /// In no line, as its environment does not answer.
    Aside,
    /// It was offered this, since then.
    Offered(G, Nanos),
}

#[derive(Debug)]
pub(super) struct Waiter<G> {
    pub(super) ticket: Ticket,
    /// Rises with every arrival.
    pub(super) arrival: u64,
    pub(super) env: EnvId,
    pub(super) asks: Asks,
    pub(super) place: Place<G>,
    /// Whose it is, while it stands in no line.
    pub(super) key: Box<[u8]>,
    previous: u32,
    next: u32,
}

/// The ends of a list, and what is in it.
#[derive(Clone, Copy, Debug)]
pub(super) struct List {
    pub(super) first: u32,
    pub(super) last: u32,
    pub(super) len: u32,
    /// What those in it ask for together.
    pub(super) weight: u64,
}

impl Default for List {
    fn default() -> Self {
        Self { first: NONE, last: NONE, len: 0, weight: 0 }
    }
}

#[derive(Debug)]
enum Slot<G> {
    Taken(Waiter<G>),
    /// The next free one.
    Free(u32),
}

/// All waiters of a room.
#[derive(Debug)]
pub(super) struct Slots<G> {
    slots: Vec<Slot<G>>,
    free: u32,
    taken: u32,
    arrivals: u64,
}

impl<G> Default for Slots<G> {
    fn default() -> Self {
        Self { slots: Vec::new(), free: NONE, taken: 0, arrivals: 0 }
    }
}

impl<G> Slots<G> {
    /// A waiter in no list yet: its slot.
    pub(super) fn add(&mut self, env: EnvId, asks: Asks) -> u32 {
        self.arrivals += 1;
        let at = if self.free == NONE { self.slots.len() as u32 } else { self.free };
        // 0 is no ticket.
        let ticket = (self.arrivals % (TURNS - 1) + 1) << SLOT_BITS | u64::from(at);
        let arrival = self.arrivals;
        let (place, key) = (Place::Aside, Box::default());
        let waiter = Waiter { ticket, arrival, env, asks, place, key, previous: NONE, next: NONE };
        match self.slots.get_mut(at as usize) {
            Some(slot) => {
                if let Slot::Free(next) = slot {
                    self.free = *next;
                }
                *slot = Slot::Taken(waiter);
            }
            None => self.slots.push(Slot::Taken(waiter)),
        }
        self.taken += 1;
        at
    }

    /// Takes a waiter out that is in no list any more. A room that is empty again gives its memory back.
    pub(super) fn remove(&mut self, at: u32) -> Option<Waiter<G>> {
        let slot = self.slots.get_mut(at as usize)?;
        if matches!(slot, Slot::Free(_)) {
            return None;
        }
        let Slot::Taken(waiter) = std::mem::replace(slot, Slot::Free(self.free)) else { return None };
        self.free = at;
        self.taken -= 1;
        if self.taken == 0 && self.slots.len() > 1_024 {
            self.slots = Vec::new();
            self.free = NONE;
        }
        Some(waiter)
    }

    /// The slot of a ticket; None once its waiter has left.
    pub(super) fn find(&self, ticket: Ticket) -> Option<u32> {
        let at = (ticket & ((1 << SLOT_BITS) - 1)) as u32;
        (self.get(at)?.ticket == ticket).then_some(at)
    }

    pub(super) fn get(&self, at: u32) -> Option<&Waiter<G>> {
        match self.slots.get(at as usize)? {
            Slot::Taken(waiter) => Some(waiter),
            Slot::Free(_) => None,
        }
    }

    pub(super) fn get_mut(&mut self, at: u32) -> Option<&mut Waiter<G>> {
        match self.slots.get_mut(at as usize)? {
            Slot::Taken(waiter) => Some(waiter),
            Slot::Free(_) => None,
        }
    }

    pub(super) fn all(&self) -> impl Iterator<Item = (u32, &Waiter<G>)> {
        self.slots.iter().enumerate().filter_map(|(at, slot)| match slot {
            Slot::Taken(waiter) => Some((at as u32, waiter)),
            Slot::Free(_) => None,
        })
    }

    /// Puts a waiter at the end of a list.
    pub(super) fn append(&mut self, list: &mut List, at: u32) {
        let last = list.last;
        let Some(waiter) = self.get_mut(at) else { return };
        waiter.previous = last;
        waiter.next = NONE;
        list.weight += waiter.asks.weight;
        list.len += 1;
        list.last = at;
        match self.get_mut(last) {
            Some(before) => before.next = at,
            None => list.first = at,
        }
    }

    /// Takes a waiter out of the list it is in.
    pub(super) fn unlink(&mut self, list: &mut List, at: u32) {
        let Some(waiter) = self.get(at) else { return };
        let (previous, next, weight) = (waiter.previous, waiter.next, waiter.asks.weight);
        list.weight -= weight;
        list.len -= 1;
        match self.get_mut(previous) {
            Some(before) => before.next = next,
            None => list.first = next,
        }
        match self.get_mut(next) {
            Some(behind) => behind.previous = previous,
            None => list.last = previous,
        }
    }

    /// The slots of a list, in its order.
    pub(super) fn listed(&self, list: &List) -> Vec<u32> {
        let mut slots = Vec::with_capacity(list.len as usize);
        let mut at = list.first;
        while let Some(waiter) = self.get(at) {
            slots.push(at);
            at = waiter.next;
        }
        slots
    }
}
