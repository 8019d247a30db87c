//! Waiters in slots, linked into lists: entering, leaving and moving cost the same however many wait.

use super::{Asks, EnvId, Ticket};

/// No slot.
pub(super) const NONE: u32 = u32::MAX;

/// Bits of a ticket that say the slot; those above count arrivals. A ticket has to be a whole number of JavaScript's, and
/// to leave two bits to its owner.
const SLOT_BITS: u32 = 24;
const TURNS: u64 = 1 << (50 - SLOT_BITS);

/// Slots that stay when nobody waits any more: 1 MB.
const KEPT: usize = 16_384;

/// Where a waiter stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// In this line.
    Line(u32),
    /// In no line, as its environment does not answer.
    Aside,
    /// It was offered something.
    Offered,
}

/// One of many: no larger than a line of a cache.
#[derive(Debug)]
pub(super) struct Waiter {
    /// Rises with every arrival.
    pub(super) arrival: u64,
    pub(super) asks: Asks,
    pub(super) env: EnvId,
    pub(super) place: Place,
    previous: u32,
    next: u32,
}

impl Waiter {
    /// The ticket of who came as this one did, in this slot. 0 is no ticket.
    fn ticket(&self, at: u32) -> Ticket {
        (self.arrival % (TURNS - 1) + 1) << SLOT_BITS | u64::from(at)
    }
}

/// The ends of a list, and what is in it.
#[derive(Clone, Copy, Debug)]
pub(super) struct List {
    pub(super) first: u32,
    pub(super) last: u32,
    pub(super) len: u32,
    /// What those in it ask for together.
    pub(super) weight: u128,
}

impl Default for List {
    fn default() -> Self {
        Self { first: NONE, last: NONE, len: 0, weight: 0 }
    }
}

#[derive(Debug)]
enum Slot {
    Taken(Waiter),
    /// The next free one.
    Free(u32),
}

/// All waiters of a room.
#[derive(Debug)]
pub(super) struct Slots {
    slots: Vec<Slot>,
    free: u32,
    taken: u32,
    arrivals: u64,
}

impl Default for Slots {
    fn default() -> Self {
        Self { slots: Vec::new(), free: NONE, taken: 0, arrivals: 0 }
    }
}

impl Slots {
    /// A waiter in no list yet: its slot.
    pub(super) fn add(&mut self, env: EnvId, asks: Asks) -> u32 {
        self.arrivals += 1;
        let at = if self.free == NONE { self.slots.len() as u32 } else { self.free };
        let place = Place::Aside;
        let waiter = Waiter { arrival: self.arrivals, asks, env, place, previous: NONE, next: NONE };
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
    pub(super) fn remove(&mut self, at: u32) -> Option<Waiter> {
        let slot = self.slots.get_mut(at as usize)?;
        if matches!(slot, Slot::Free(_)) {
            return None;
        }
        let Slot::Taken(waiter) = std::mem::replace(slot, Slot::Free(self.free)) else { return None };
        self.free = at;
        self.taken -= 1;
        if self.taken == 0 && self.slots.len() > KEPT {
            self.slots = Vec::new();
            self.free = NONE;
        }
        Some(waiter)
    }

    /// The ticket of the waiter in a slot.
    pub(super) fn ticket(&self, at: u32) -> Ticket {
        self.get(at).map_or(0, |waiter| waiter.ticket(at))
    }

    /// The slot of a ticket; None once its waiter has left.
    pub(super) fn find(&self, ticket: Ticket) -> Option<u32> {
        let at = (ticket & ((1 << SLOT_BITS) - 1)) as u32;
        (self.get(at)?.ticket(at) == ticket).then_some(at)
    }

    pub(super) fn get(&self, at: u32) -> Option<&Waiter> {
        match self.slots.get(at as usize)? {
            Slot::Taken(waiter) => Some(waiter),
            Slot::Free(_) => None,
        }
    }

    pub(super) fn get_mut(&mut self, at: u32) -> Option<&mut Waiter> {
        match self.slots.get_mut(at as usize)? {
            Slot::Taken(waiter) => Some(waiter),
            Slot::Free(_) => None,
        }
    }

    pub(super) fn all(&self) -> impl Iterator<Item = (u32, &Waiter)> {
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
        list.weight += u128::from(waiter.asks.weight);
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
        list.weight -= u128::from(weight);
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
