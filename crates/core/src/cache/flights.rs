//! Loads under way, for the keys of one shard: one for each key, led by one environment, waited for by others.
//!
//! A *flight* has a token that only its leader knows: what comes with another token is late and changes nothing. A flight that was
//! *fenced* (its key was deleted, set or cleared meanwhile) goes on for those who had joined it, and nobody joins it any more. A
//! waiter is an (environment, ticket); its outcome lies here until it is fetched. When a leader dies, gives up or does not come
//! back within its lease, the one who has waited longest is promoted: that is an outcome too, and one that is not fetched in time
//! goes to the next.

use std::collections::{BTreeMap, VecDeque};

use super::tags::Sequence;
use crate::{
    clock::Nanos,
    encoding::Encoding,
    room::{EnvId, OFFER_LASTS, Offer, Ticket, Why, Woken},
    sync::Shared,
};

/// What a leader has to show. Tokens and tickets are of one sequence.
pub type Token = u64;

/// How a load came out, for those who waited for it.
#[derive(Clone, Debug)]
pub enum Outcome {
    /// This value.
    Value(Shared<[u8]>, Encoding),
    /// There is none.
    Absent,
    /// It failed, with an error in this form.
    Failed(Shared<[u8]>, Encoding),
    /// There is a value that cannot be handed over: everybody loads for itself.
    Alone,
    /// The waiter leads from now on.
    Lead(Token),
}

#[derive(Debug)]
struct Waiter {
    env: EnvId,
    ticket: Ticket,
}

#[derive(Debug)]
struct Flight {
    key: Shared<[u8]>,
    leader: EnvId,
    /// Asked for a value that is loaded from now on.
    forced: bool,
    /// What the sequence of invalidations was when it began.
    began: Sequence,
    /// When its leader began.
    began_at: Nanos,
    /// Its leader is waited for until then; while its promotion is not fetched, since when that is so.
    until: Nanos,
    /// The ticket of a leader that does not know it yet.
    promoted: Option<Ticket>,
    /// Nobody in the leader's environment waits for it any more.
    abandoned: bool,
    /// It is to come to its end even if nobody waits for it.
    goes_on: bool,
    waiters: VecDeque<Waiter>,
}

/// Whether to load or to wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Joined {
    /// Load, and come back with this.
    Lead(Token),
    /// Somebody loads.
    Wait(Ticket),
}

/// An outcome that is not fetched yet.
#[derive(Debug)]
struct Arrived {
    env: EnvId,
    outcome: Outcome,
    barrier: Sequence,
}

#[derive(Debug, Default)]
pub(super) struct Flights {
    by_key: BTreeMap<Shared<[u8]>, Token>,
    flights: BTreeMap<Token, Flight>,
    /// Whose flight a waiter's is.
    tickets: BTreeMap<Ticket, Token>,
    outcomes: BTreeMap<Ticket, Arrived>,
}

impl Flights {
    /// Joins the flight of a key, or begins one. `next` makes tokens and tickets; who led one whose lease is over is told.
    pub(super) fn join(
        &mut self,
        key: &[u8],
        env: EnvId,
        forced: bool,
        (seen, now, lease): (Sequence, Nanos, Nanos),
        mut next: impl FnMut() -> u64,
        woken: &mut Woken,
    ) -> Joined {
        let mut heirs = VecDeque::new();
        if let Some(&token) = self.by_key.get(key)
            && let Some(flight) = self.flights.get_mut(&token)
        {
            let late = flight.promoted.is_none() && now >= flight.until;
            if !late && (flight.forced || !forced) {
                let ticket = next();
                flight.waiters.push_back(Waiter { env, ticket });
                self.tickets.insert(ticket, token);
                return Joined::Wait(ticket);
            }
            self.by_key.remove(key);
            if late {
                heirs = std::mem::take(&mut flight.waiters);
                woken.refused.push(replaced(flight.leader, token));
            }
        }
        let token = next();
        for waiter in &heirs {
            self.tickets.insert(waiter.ticket, token);
        }
        let key: Shared<[u8]> = key.into();
        self.by_key.insert(key.clone(), token);
        let until = now.saturating_add(lease);
        let (promoted, abandoned, goes_on) = (None, false, false);
        let flight = Flight {
            key,
            leader: env,
            forced,
            began: seen,
            began_at: now,
            until,
            promoted,
            abandoned,
            goes_on,
            waiters: heirs,
        };
        self.flights.insert(token, flight);
        Joined::Lead(token)
    }

    /// The key of a flight, what the sequence was when it began, and whether its value is to be stored: not once it was fenced.
    pub(super) fn find(&self, token: Token) -> Option<(Shared<[u8]>, Sequence, bool)> {
        let flight = self.flights.get(&token)?;
        Some((flight.key.clone(), flight.began, self.counts(token)))
    }

    /// Whether the value of a flight is to be stored.
    pub(super) fn counts(&self, token: Token) -> bool {
        self.flights.get(&token).is_some_and(|flight| self.by_key.get(&flight.key) == Some(&token))
    }

    /// Whether a flight's lease is over, that of its beginning or the one in force.
    pub(super) fn is_late(&self, token: Token, now: Nanos, lease: Nanos) -> bool {
        let late = |flight: &Flight| now >= flight.until || now.saturating_sub(flight.began_at) > lease;
        self.flights.get(&token).is_none_or(late)
    }

    /// Nobody joins the flight of this key any more, and its value is not stored.
    pub(super) fn fence(&mut self, key: &[u8]) {
        self.by_key.remove(key);
    }

    /// The same for all.
    pub(super) fn fence_all(&mut self) {
        self.by_key.clear();
    }

    /// The flight has landed: who is to be told. Who had seen `barrier` when they asked have to ask again: what they would get was
    /// invalidated before.
    pub(super) fn land(&mut self, token: Token, outcome: &Outcome, barrier: Sequence) -> Woken {
        let Some(flight) = self.take(token) else { return Woken::default() };
        let mut woken = Woken::default();
        for Waiter { env, ticket } in flight.waiters {
            self.tickets.remove(&ticket);
            self.outcomes.insert(ticket, Arrived { env, outcome: outcome.clone(), barrier });
            woken.offers.push(Offer { env, ticket });
        }
        woken
    }

    fn take(&mut self, token: Token) -> Option<Flight> {
        let flight = self.flights.remove(&token)?;
        if self.by_key.get(&flight.key) == Some(&token) {
            self.by_key.remove(&flight.key);
        }
        Some(flight)
    }

    /// Nobody in the leader's environment waits any more. True if nobody else does either, and it need not come to its end: the flight
    /// is over. Else its leader goes on, and is told when they have given up too. What another took the place of is not stored at its end.
    pub(super) fn abandon(&mut self, token: Token) -> bool {
        let counts = self.counts(token);
        match self.flights.get_mut(&token) {
            Some(flight) if (flight.goes_on && counts) || !flight.waiters.is_empty() => {
                flight.abandoned = true;
                false
            }
            _ => {
                self.take(token);
                true
            }
        }
    }

    /// Whether other environments wait.
    pub(super) fn has_waiters(&self, token: Token) -> bool {
        self.flights.get(&token).is_some_and(|flight| !flight.waiters.is_empty())
    }

    /// Whether nothing is under way.
    pub(super) fn is_empty(&self) -> bool {
        self.flights.is_empty()
    }

    /// Whether the flight of a token or a ticket may be joined.
    pub(super) fn is_joinable(&self, number: u64, now: Nanos) -> bool {
        let token = self.tickets.get(&number).copied().unwrap_or(number);
        self.flights.get(&token).is_some_and(|flight| {
            self.by_key.get(&flight.key) == Some(&token) && (flight.promoted.is_some() || now < flight.until)
        })
    }

    /// What has come out for a waiter, and the barrier it came with; None while it waits. Who is promoted leads from now on.
    pub(super) fn outcome(
        &mut self,
        ticket: Ticket,
        (seen, now, lease): (Sequence, Nanos, Nanos),
    ) -> Option<(Outcome, Sequence)> {
        let Arrived { outcome, barrier, .. } = self.outcomes.remove(&ticket)?;
        if let Outcome::Lead(token) = &outcome
            && let Some(flight) = self.flights.get_mut(token)
        {
            flight.promoted = None;
            flight.until = now.saturating_add(lease);
            // It loads from now on: what was invalidated before does not concern it.
            flight.began = seen;
            flight.began_at = now;
        }
        Some((outcome, barrier))
    }

    /// Whether something has come out for a waiter.
    pub(super) fn has_outcome(&self, ticket: Ticket) -> bool {
        self.outcomes.contains_key(&ticket)
    }

    /// A waiter gives up. `goes_on`: the flight is to come to its end all the same.
    pub(super) fn cancel(
        &mut self,
        ticket: Ticket,
        goes_on: bool,
        now: Nanos,
        next: impl FnMut() -> u64,
    ) -> Woken {
        if let Some(Arrived { outcome, .. }) = self.outcomes.remove(&ticket) {
            // It was to lead: the next one is.
            return match outcome {
                Outcome::Lead(token) => self.hand_over(token, now, next),
                _ => Woken::default(),
            };
        }
        let Some(token) = self.tickets.remove(&ticket) else { return Woken::default() };
        let Some(flight) = self.flights.get_mut(&token) else { return Woken::default() };
        flight.waiters.retain(|waiter| waiter.ticket != ticket);
        flight.goes_on |= goes_on;
        let mut woken = Woken::default();
        if flight.abandoned && !flight.goes_on && flight.waiters.is_empty() {
            woken.refused.push((Offer { env: flight.leader, ticket: token }, Why::Ended));
        }
        woken
    }

    /// Another leads a flight: the one who has waited longest. Without anybody it is over.
    pub(super) fn hand_over(&mut self, token: Token, now: Nanos, mut next: impl FnMut() -> u64) -> Woken {
        let mut woken = Woken::default();
        let current = self.counts(token);
        let Some(mut flight) = self.flights.remove(&token) else { return woken };
        let key = flight.key.clone();
        let Some(heir) = flight.waiters.pop_front() else {
            if current {
                self.by_key.remove(&key);
            }
            return woken;
        };
        let own = next();
        for waiter in &flight.waiters {
            self.tickets.insert(waiter.ticket, own);
        }
        self.tickets.remove(&heir.ticket);
        let barrier = Sequence::MAX;
        self.outcomes.insert(heir.ticket, Arrived { env: heir.env, outcome: Outcome::Lead(own), barrier });
        woken.offers.push(Offer { env: heir.env, ticket: heir.ticket });
        flight.leader = heir.env;
        flight.promoted = Some(heir.ticket);
        flight.until = now;
        (flight.abandoned, flight.goes_on) = (false, false);
        if current {
            self.by_key.insert(key, own);
        }
        self.flights.insert(own, flight);
        woken
    }

    /// Hands over what is led by nobody who answers: a lease is over, or a promotion was not fetched in time.
    pub(super) fn look(&mut self, now: Nanos, mut next: impl FnMut() -> u64) -> Woken {
        let late = |flight: &Flight| match flight.promoted {
            Some(_) => now.saturating_sub(flight.until) > OFFER_LASTS,
            None => now >= flight.until,
        };
        let stalled: Vec<Token> = self
            .flights
            .iter()
            .filter(|(_, flight)| late(flight) && !flight.waiters.is_empty())
            .map(|(token, _)| *token)
            .collect();
        let mut woken = Woken::default();
        for token in stalled {
            let Some(flight) = self.flights.get_mut(&token) else { continue };
            if let Some(ticket) = flight.promoted.take() {
                // It waits again, behind the others.
                if let Some(Arrived { env, .. }) = self.outcomes.remove(&ticket) {
                    flight.waiters.push_back(Waiter { env, ticket });
                    self.tickets.insert(ticket, token);
                }
            } else {
                woken.refused.push(replaced(flight.leader, token));
            }
            join(&mut woken, self.hand_over(token, now, &mut next));
        }
        woken
    }

    /// An environment is gone: what it led goes to another, what it waited for to nobody.
    pub(super) fn env_gone(&mut self, env: EnvId, now: Nanos, mut next: impl FnMut() -> u64) -> Woken {
        let mut woken = Woken::default();
        self.outcomes.retain(|_, arrived| arrived.env != env);
        for (token, flight) in &mut self.flights {
            let before = flight.waiters.len();
            let tickets = &mut self.tickets;
            flight.waiters.retain(|waiter| {
                if waiter.env == env {
                    tickets.remove(&waiter.ticket);
                }
                waiter.env != env
            });
            let left_alone = before > 0 && flight.waiters.is_empty();
            if left_alone && flight.abandoned && !flight.goes_on && flight.leader != env {
                woken.refused.push((Offer { env: flight.leader, ticket: *token }, Why::Ended));
            }
        }
        let led: Vec<Token> =
            self.flights.iter().filter(|(_, flight)| flight.leader == env).map(|(token, _)| *token).collect();
        for token in led {
            join(&mut woken, self.hand_over(token, now, &mut next));
        }
        woken
    }

    /// Flights under way.
    pub(super) fn len(&self) -> usize {
        self.flights.len()
    }

    /// Waiters without an outcome.
    pub(super) fn waiting(&self) -> usize {
        self.tickets.len()
    }

    /// Whether nothing is kept. For tests.
    pub(super) fn validate(&self) {
        for (ticket, token) in &self.tickets {
            let flight = self.flights.get(token);
            assert!(
                flight.is_some_and(|flight| flight.waiters.iter().any(|waiter| waiter.ticket == *ticket))
            );
        }
        let waiting: usize = self.flights.values().map(|flight| flight.waiters.len()).sum();
        assert_eq!(waiting, self.tickets.len());
        for (key, token) in &self.by_key {
            assert!(self.flights.get(token).is_some_and(|flight| flight.key == *key));
        }
        for flight in self.flights.values() {
            if let Some(ticket) = flight.promoted {
                assert!(matches!(
                    self.outcomes.get(&ticket),
                    Some(Arrived { outcome: Outcome::Lead(_), .. })
                ));
            }
        }
    }
}

/// Who led is told that another one does by now: where nobody waits for it, its load is to be aborted.
fn replaced(leader: EnvId, token: Token) -> (Offer, Why) {
    (Offer { env: leader, ticket: token }, Why::Ended)
}

fn join(all: &mut Woken, more: Woken) {
    all.offers.extend(more.offers);
    all.refused.extend(more.refused);
}
