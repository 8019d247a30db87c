//! The lines of a room: in which order waiters are served, and who has to go when it is full.

use std::collections::{BTreeMap, BTreeSet};

use super::{
    Asks, HIGHEST_PRIORITY, Order, Shares,
    list::{List, NONE, Place, Slots},
};
use crate::clock::Nanos;

/// A weight of one, in units of credit: shares count to a thousandth.
const CREDIT: f64 = 1_024.0;

/// Who has to go when a room is full.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Victim {
    Newcomer,
    Waiter(u32),
}

/// The lines of an order: one, one for each priority, or one for each key with waiters.
#[derive(Debug)]
pub(super) enum Lines {
    Fifo { line: List, newest_first: bool },
    Lifo(List),
    Priority(Box<[List; HIGHEST_PRIORITY as usize + 1]>),
    Fair(Box<Fair>),
}

impl Lines {
    pub(super) fn new(order: Order) -> Self {
        match order {
            Order::Fifo => Self::Fifo { line: List::default(), newest_first: false },
            Order::Lifo => Self::Lifo(List::default()),
            Order::Priority => Self::Priority(Default::default()),
            Order::Fair(shares) => Self::Fair(Box::new(Fair::new(shares))),
        }
    }

    /// The next to be served. Asked again it says the same, unless somebody came or left.
    pub(super) fn next(&mut self, slots: &Slots) -> Option<u32> {
        let at = match self {
            Self::Fifo { line, newest_first: false } => line.first,
            Self::Fifo { line, newest_first: true } | Self::Lifo(line) => line.last,
            Self::Priority(lines) => lines.iter().rev().find(|line| line.len > 0)?.first,
            Self::Fair(fair) => return fair.next(slots),
        };
        (at != NONE).then_some(at)
    }

    pub(super) fn victim(&self, slots: &Slots, newcomer: &Asks, key: &[u8]) -> Victim {
        match self {
            Self::Fifo { .. } => Victim::Newcomer,
            Self::Lifo(line) if line.len > 0 => Victim::Waiter(line.first),
            Self::Lifo(_) => Victim::Newcomer,
            Self::Priority(lines) => {
                let lowest = lines.iter().enumerate().find(|(_, line)| line.len > 0);
                match lowest {
                    Some((priority, line)) if priority < usize::from(newcomer.priority) => {
                        Victim::Waiter(line.last)
                    }
                    _ => Victim::Newcomer,
                }
            }
            Self::Fair(fair) => fair.victim(slots, newcomer, key),
        }
    }

    /// Puts a waiter into the line where it belongs.
    pub(super) fn join(&mut self, slots: &mut Slots, at: u32, key: &[u8]) {
        let Some(waiter) = slots.get(at) else { return };
        let priority = waiter.asks.priority.min(HIGHEST_PRIORITY);
        let line = match self {
            Self::Fifo { line, .. } | Self::Lifo(line) => {
                slots.append(line, at);
                0
            }
            Self::Priority(lines) => {
                slots.append(&mut lines[usize::from(priority)], at);
                u32::from(priority)
            }
            Self::Fair(fair) => fair.join(slots, at, key),
        };
        if let Some(waiter) = slots.get_mut(at) {
            waiter.place = Place::Line(line);
        }
    }

    /// Takes a waiter out of its line. `served` says that it got what it waited for.
    pub(super) fn leave(&mut self, slots: &mut Slots, at: u32, served: bool) {
        let Some(Place::Line(line)) = slots.get(at).map(|waiter| waiter.place) else { return };
        match self {
            Self::Fifo { line, .. } | Self::Lifo(line) => slots.unlink(line, at),
            Self::Priority(lines) => {
                if let Some(line) = lines.get_mut(line as usize) {
                    slots.unlink(line, at);
                }
            }
            Self::Fair(fair) => fair.leave(slots, at, line, served),
        }
    }

    /// Puts waiters back that were in no line for a while, with their keys: each where it would stand by its arrival.
    pub(super) fn rejoin(&mut self, slots: &mut Slots, back: Vec<(u32, Box<[u8]>)>) {
        let mut touched = BTreeSet::new();
        for (at, key) in back {
            self.join(slots, at, &key);
            if let Some(Place::Line(line)) = slots.get(at).map(|waiter| waiter.place) {
                touched.insert(line);
            }
        }
        for line in touched {
            let list = match self {
                Self::Fifo { line, .. } | Self::Lifo(line) => Some(line),
                Self::Priority(lines) => lines.get_mut(line as usize),
                Self::Fair(fair) => fair.lines.get_mut(&line).map(|line| &mut line.list),
            };
            let Some(list) = list else { continue };
            let mut members = slots.listed(list);
            members.sort_by_key(|at| slots.get(*at).map_or(0, |waiter| waiter.arrival));
            *list = List::default();
            for at in members {
                slots.append(list, at);
            }
        }
    }

    /// The key of a waiter in a line, where there are keys.
    pub(super) fn key_of(&self, slots: &Slots, at: u32) -> Box<[u8]> {
        match (self, slots.get(at).map(|waiter| waiter.place)) {
            (Self::Fair(fair), Some(Place::Line(line))) => {
                fair.lines.get(&line).map(|line| line.key.clone()).unwrap_or_default()
            }
            _ => Box::default(),
        }
    }

    /// The one that has waited longest; in a fair order the head, as to find out would be to look through all keys.
    pub(super) fn longest(&mut self, slots: &Slots) -> Option<u32> {
        let at = match self {
            Self::Fifo { line, .. } | Self::Lifo(line) => line.first,
            Self::Priority(lines) => {
                let firsts = lines.iter().filter(|line| line.len > 0).map(|line| line.first);
                firsts.min_by_key(|at| slots.get(*at).map_or(u64::MAX, |waiter| waiter.arrival))?
            }
            Self::Fair(fair) => return fair.next(slots),
        };
        (at != NONE).then_some(at)
    }

    /// The longest wait of any line began then.
    pub(super) fn oldest(&self, slots: &Slots) -> Option<Nanos> {
        let since = |line: &List| slots.get(line.first).map(|waiter| waiter.asks.since);
        match self {
            Self::Fifo { line, .. } | Self::Lifo(line) => since(line),
            Self::Priority(lines) => lines.iter().filter_map(since).min(),
            Self::Fair(fair) => fair.lines.values().filter_map(|line| since(&line.list)).min(),
        }
    }
}

/// One key's waiters.
#[derive(Debug)]
struct KeyLine {
    key: Box<[u8]>,
    list: List,
    /// What it may be given before the next key is.
    credit: u64,
    /// What each visit of the round adds to that.
    quantum: u64,
    /// Whether this visit has added it.
    visited: bool,
    /// Its place in the round.
    turn: u64,
}

/// Deficit round robin (Shreedhar and Varghese, 1995), weighted by shares: every key in turn gets credit in proportion to its share,
/// and is served as long as that lasts.
#[derive(Debug)]
pub(super) struct Fair {
    shares: Shares,
    lines: BTreeMap<u32, KeyLine>,
    by_key: BTreeMap<Box<[u8]>, u32>,
    /// Keys with waiters, in the order of the round.
    round: BTreeMap<u64, u32>,
    /// The same by how much waits for each share of theirs.
    crowd: BTreeSet<(u64, u32)>,
    made: u32,
    turns: u64,
}

impl Fair {
    fn new(shares: Shares) -> Self {
        Self {
            shares,
            lines: BTreeMap::new(),
            by_key: BTreeMap::new(),
            round: BTreeMap::new(),
            crowd: BTreeSet::new(),
            made: 0,
            turns: 0,
        }
    }

    fn next(&mut self, slots: &Slots) -> Option<u32> {
        // A whole round in which nobody had credit enough is followed by as many as nobody would have in either, all at once.
        let mut visits = self.round.len();
        loop {
            if visits == 0 {
                self.skip_rounds(slots);
                visits = self.round.len();
            }
            visits = visits.saturating_sub(1);
            let (&turn, &id) = self.round.first_key_value()?;
            let line = self.lines.get_mut(&id)?;
            if !line.visited {
                line.visited = true;
                line.credit = line.credit.saturating_add(line.quantum);
            }
            let weight = slots.get(line.list.first)?.asks.weight;
            if line.credit >= weight.saturating_mul(CREDIT as u64) {
                return Some(line.list.first);
            }
            line.visited = false;
            self.turns += 1;
            line.turn = self.turns;
            self.round.remove(&turn);
            self.round.insert(self.turns, id);
        }
    }

    /// Gives every key the credit of as many rounds as pass before one that somebody is served in.
    fn skip_rounds(&mut self, slots: &Slots) {
        let rounds = |line: &KeyLine| {
            let weight = slots.get(line.list.first).map_or(0, |waiter| waiter.asks.weight);
            weight.saturating_mul(CREDIT as u64).saturating_sub(line.credit).div_ceil(line.quantum)
        };
        let vain = self.lines.values().map(rounds).min().unwrap_or(0).saturating_sub(1);
        for line in self.lines.values_mut() {
            line.credit = line.credit.saturating_add(vain.saturating_mul(line.quantum));
        }
    }

    fn victim(&self, slots: &Slots, newcomer: &Asks, key: &[u8]) -> Victim {
        let known = self.by_key.get(key).and_then(|id| self.lines.get(id));
        let waits = known.map_or(0, |line| line.list.weight) + u128::from(newcomer.weight);
        let own = self.load(waits, known.map_or_else(|| self.shares.quantum(key), |line| line.quantum));
        let most = self.crowd.last().filter(|(load, _)| *load > own).and_then(|(_, id)| self.lines.get(id));
        match most {
            Some(line) if slots.get(line.list.last).is_some() => Victim::Waiter(line.list.last),
            _ => Victim::Newcomer,
        }
    }

    fn join(&mut self, slots: &mut Slots, at: u32, key: &[u8]) -> u32 {
        let id = match self.by_key.get(key) {
            Some(id) => *id,
            None => self.open(key),
        };
        self.change(id, |line| slots.append(&mut line.list, at));
        id
    }

    fn leave(&mut self, slots: &mut Slots, at: u32, id: u32, served: bool) {
        let weight = slots.get(at).map_or(0, |waiter| waiter.asks.weight);
        self.change(id, |line| {
            slots.unlink(&mut line.list, at);
            if served {
                line.credit = line.credit.saturating_sub(weight.saturating_mul(CREDIT as u64));
            }
        });
        // A key without waiters is forgotten, and its credit with it: nobody saves up.
        if let Some(line) = self.lines.get(&id).filter(|line| line.list.len == 0) {
            self.round.remove(&line.turn);
            self.by_key.remove(&line.key);
            self.crowd.remove(&(0, id));
            self.lines.remove(&id);
        }
    }

    fn open(&mut self, key: &[u8]) -> u32 {
        // Wrapped after four thousand million keys: a line that has lived through that keeps its number.
        while self.lines.contains_key(&self.made) {
            self.made = self.made.wrapping_add(1);
        }
        let id = self.made;
        self.made = self.made.wrapping_add(1);
        self.turns += 1;
        let (turn, quantum) = (self.turns, self.shares.quantum(key));
        let key: Box<[u8]> = key.into();
        self.by_key.insert(key.clone(), id);
        self.round.insert(turn, id);
        self.crowd.insert((0, id));
        let line = KeyLine { key, list: List::default(), credit: 0, quantum, visited: false, turn };
        self.lines.insert(id, line);
        id
    }

    fn change(&mut self, id: u32, change: impl FnOnce(&mut KeyLine)) {
        let Some(line) = self.lines.get_mut(&id) else { return };
        let (before, quantum) = (line.list.weight, line.quantum);
        change(line);
        let after = line.list.weight;
        self.crowd.remove(&(self.load(before, quantum), id));
        self.crowd.insert((self.load(after, quantum), id));
    }

    /// How much waits for each share, in an order of its own.
    fn load(&self, weight: u128, quantum: u64) -> u64 {
        (weight as f64 * CREDIT * CREDIT / quantum as f64) as u64
    }
}

impl Shares {
    /// Shares by key; keys that are not named have 1.
    pub fn new(shares: impl IntoIterator<Item = (Box<[u8]>, f64)>) -> Self {
        Self(shares.into_iter().collect())
    }

    /// What a visit of the round adds.
    fn quantum(&self, key: &[u8]) -> u64 {
        let share = self.0.get(key).copied().unwrap_or(1.0);
        ((share * CREDIT) as u64).max(1)
    }
}
