//! The shell: the messages, who waits for them, and who waits for room, under one lock.
//!
//! A consumer that has to wait enters a line. What comes is *reserved* for the head of it (an offer), and the consumer takes it on
//! its own thread; a reservation is a number, so nothing is in between. A lingering consumer has a message reserved and waits for
//! more of them. The messages of producers that wait are kept beside the line, and move into the queue in the call that made room.

use std::collections::BTreeMap;

use super::{
    model::{self, Admission, Fill, Rules},
    store::{Hand, MAX_MESSAGE_BYTES, Messages, Store},
};
use crate::{
    clock::{Clock, Nanos},
    encoding::Encoding,
    room::{EnvId, Left, OFFER_LASTS, Offer, Room, Ticket, Why, Woken},
    sync::Mutex,
};

/// What a call came to, who is to be woken, and whether listeners are to be told that something has happened.
#[derive(Debug)]
pub struct Outcome<T> {
    /// What the caller hears.
    pub answer: T,
    /// Whom to wake.
    pub woken: Woken,
    /// Listeners are to look at [`Queue::events`]. True once until somebody did.
    pub tell: bool,
}

/// The answer of [`Queue::push`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Push {
    /// In the queue.
    Stored,
    /// In the line for room.
    Waiting(Ticket),
    /// No room.
    Refused,
    /// Longer than the queue may ever hold.
    Never,
    /// The queue was closed.
    Closed,
}

/// The answer of [`Queue::take`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Take {
    /// Messages more in the hand.
    Taken {
        /// So many.
        count: u64,
        /// The queue is closed: whoever waits for its end waits for the hand to be confirmed.
        closed: bool,
        /// There is more that nobody else is to have.
        more: bool,
    },
    /// Nothing for this consumer.
    Empty,
    /// Nothing, and there never will be.
    Ended,
}

/// The answer of [`Queue::enter`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Enter {
    /// In the line.
    Waiting(Ticket),
    /// There never will be anything.
    Ended,
}

/// The answer of [`Queue::linger`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Linger {
    /// A message is reserved; the rest is waited for.
    Waiting(Ticket),
    /// Nothing to wait for: take.
    Take,
    /// Not even the first message is there.
    Empty,
}

/// What a queue says of itself. Counters count since it was made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Figures {
    /// Messages in the queue.
    pub size: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Pushes that wait for room.
    pub waiting_pushes: u64,
    /// Pops that wait for a message.
    pub waiting_pops: u64,
    /// Messages accepted.
    pub pushed: u64,
    /// Messages taken and not brought back.
    pub popped: u64,
    /// Messages dropped to make room, or discarded by a close.
    pub dropped: u64,
    /// Messages refused.
    pub refused: u64,
    /// Closed for pushes.
    pub closed: bool,
}

/// One queue, shared by all who hold a reference.
#[derive(Debug)]
pub struct Queue {
    rules: Rules,
    clock: Clock,
    inner: Mutex<Inner>,
}

/// Which line a ticket is of: rooms count their tickets from 0 each.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Line {
    Consumers,
    Lingerers,
    Producers,
    Closers,
}

/// What a consumer was offered: so many messages reserved.
#[derive(Clone, Copy, Debug)]
struct Reserved(u64);

/// The message of a producer that waits for room.
#[derive(Debug)]
struct Waiting {
    env: EnvId,
    message: Vec<u8>,
    encoding: Encoding,
}

#[derive(Debug, Default)]
struct Inner {
    store: Store,
    closed: bool,
    /// Closed without draining.
    discarded: bool,
    consumers: Room<Reserved>,
    /// Each in the line has one message reserved. The weight is how many it waits for in all.
    lingerers: Room<Reserved>,
    producers: Room<()>,
    closers: Room<()>,
    /// The messages of producers in the line.
    pushes: BTreeMap<Ticket, Waiting>,
    /// Messages reserved for consumers. May be more than there are, where the oldest were dropped.
    reserved: u64,
    /// From when on a reservation may be taken back: of offers, which are made in order, and of lingerers.
    offers_stale: BTreeMap<Ticket, Nanos>,
    lingerers_stale: BTreeMap<Ticket, Nanos>,
    /// Environments with a hand that has not been confirmed, as far as the queue knows.
    hands: Vec<EnvId>,
    was_full: bool,
    told: bool,
    drains: u64,
    /// Dropped to make room.
    evicted: u64,
    figures: Figures,
}

impl Queue {
    /// An empty queue.
    pub fn new(rules: &Rules, clock: Clock) -> Self {
        Self { rules: *rules, clock, inner: Mutex::new(Inner::default()) }
    }

    /// Its bounds.
    pub fn rules(&self) -> &Rules {
        &self.rules
    }

    /// One message. `may_wait`: its producer in `env` waits for room if the rules let it.
    pub fn push(&self, env: EnvId, message: &[u8], encoding: Encoding, may_wait: bool) -> Outcome<Push> {
        self.change(|inner, woken| {
            if inner.closed {
                return Push::Closed;
            }
            loop {
                match inner.admit(message.len(), may_wait, &self.rules) {
                    Admission::Store => {
                        inner.store(message, encoding, &self.rules);
                        self.settle(inner, woken);
                        return Push::Stored;
                    }
                    Admission::DropOldest if inner.store.drop_front() => {
                        inner.evicted += 1;
                        inner.figures.dropped += 1;
                        inner.was_full = true;
                    }
                    Admission::Wait => {
                        inner.was_full = true;
                        let ticket = inner.producers.enter(env, message.len() as u64);
                        inner.pushes.insert(ticket, Waiting { env, message: message.to_vec(), encoding });
                        return Push::Waiting(ticket_of(Line::Producers, ticket));
                    }
                    Admission::DropOldest | Admission::Refuse => {
                        inner.was_full = true;
                        inner.figures.refused += 1;
                        return Push::Refused;
                    }
                    Admission::Never => {
                        inner.figures.refused += 1;
                        return Push::Never;
                    }
                }
            }
        })
    }

    /// What a push of so many bytes would be told, if that is no: asked before they are copied.
    pub fn turns_away(&self, size: usize, may_wait: bool) -> Option<Push> {
        let mut inner = self.inner.lock();
        if inner.closed {
            return Some(Push::Closed);
        }
        let answer = match inner.admit(size, may_wait, &self.rules) {
            Admission::Never => Push::Never,
            Admission::Refuse => Push::Refused,
            Admission::Store | Admission::DropOldest | Admission::Wait => return None,
        };
        inner.was_full |= answer == Push::Refused;
        inner.figures.refused += 1;
        Some(answer)
    }

    /// Moves up to `max` messages of one encoding to the end of `hand`, which the consumer in `env` holds until [`Queue::confirm`] or
    /// [`Queue::give_back`]; an empty hand says that what it held before was delivered. With the ticket of an offer what was reserved
    /// for it is taken, and what is free besides.
    pub fn take(&self, env: EnvId, ticket: Option<Ticket>, max: u64, hand: &mut Hand) -> Outcome<Take> {
        let outcome = self.change(|inner, woken| {
            if hand.is_empty() {
                inner.hands.retain(|other| *other != env);
            }
            if let Some(ticket) = ticket {
                inner.leave(ticket);
            }
            // Who waits in the line comes before this one: see `settle`.
            if inner.free() == 0 && inner.reserved > 0 && inner.consumers.is_empty() {
                inner.take_back(self.clock.now());
            }
            let count = inner.store.take(max.min(inner.free()), hand);
            if count > 0 {
                inner.figures.popped += count;
                if !inner.hands.contains(&env) {
                    inner.hands.push(env);
                }
            }
            // Even if nothing was taken: what was reserved may be more than is used of it.
            self.settle(inner, woken);
            if count > 0 {
                // What those who waited for room have left of it.
                inner.after_room(&self.rules);
            }
            match count {
                0 if inner.ended() => Take::Ended,
                0 => Take::Empty,
                count => Take::Taken { count, closed: inner.closed, more: inner.free() > 0 },
            }
        });
        hand.gather();
        outcome
    }

    /// A consumer in `env` joins the line for a message, behind all who wait.
    pub fn enter(&self, env: EnvId) -> Outcome<Enter> {
        self.change(|inner, woken| {
            if inner.ended() {
                return Enter::Ended;
            }
            let ticket = inner.consumers.enter(env, 1);
            self.settle(inner, woken);
            Enter::Waiting(ticket_of(Line::Consumers, ticket))
        })
    }

    /// A consumer in `env` that wants `max` messages and has been offered the first one with `ticket`, or finds it there, waits for
    /// the rest. It takes for itself after `span` at the latest.
    pub fn linger(&self, env: EnvId, ticket: Option<Ticket>, max: u64, span: Nanos) -> Outcome<Linger> {
        self.change(|inner, woken| {
            if let Some(ticket) = ticket {
                inner.leave(ticket);
            }
            let free = inner.free();
            if free == 0 {
                self.settle(inner, woken);
                return Linger::Empty;
            }
            if free >= max || inner.closed {
                // Nothing is reserved, and no other call comes between in this environment; in another one may.
                return Linger::Take;
            }
            let ticket = ticket_of(Line::Lingerers, inner.lingerers.enter(env, max));
            inner.reserved += 1;
            let stale = self.clock.now().saturating_add(span).saturating_add(OFFER_LASTS);
            inner.lingerers_stale.insert(ticket, stale);
            self.settle(inner, woken);
            Linger::Waiting(ticket)
        })
    }

    /// Mail with an offer is read: whether its waiter is to hear of it. A consumer is; it takes with its ticket, or finds that its
    /// reservation was taken back.
    pub fn claim(&self, ticket: Ticket) -> bool {
        let mut inner = self.inner.lock();
        match line_of(ticket) {
            (Line::Consumers | Line::Lingerers, _) => true,
            (Line::Producers, ticket) => inner.producers.claim(ticket).is_some(),
            (Line::Closers, ticket) => inner.closers.claim(ticket).is_some(),
        }
    }

    /// A waiter gives up: false if a producer's message was stored before.
    pub fn cancel(&self, ticket: Ticket) -> Outcome<bool> {
        self.change(|inner, woken| {
            let left = inner.leave(ticket);
            self.settle(inner, woken);
            left
        })
    }

    /// What the hand of `env` held was delivered.
    pub fn confirm(&self, env: EnvId) -> Outcome<()> {
        self.change(|inner, woken| {
            inner.hands.retain(|other| *other != env);
            if inner.closed {
                self.settle(inner, woken);
            }
        })
    }

    /// What the hand of `env` held was not delivered: it comes first again, in order. Of a queue whose messages were discarded
    /// meanwhile it is discarded too.
    pub fn give_back(&self, env: EnvId, hand: &Hand) -> Outcome<()> {
        self.change(|inner, woken| {
            inner.hands.retain(|other| *other != env);
            let count = hand.len() as u64;
            if inner.discarded {
                inner.figures.dropped += count;
            } else {
                inner.store.give_back(hand);
            }
            inner.figures.popped -= count;
            self.settle(inner, woken);
        })
    }

    /// The environment is gone, with its waiters and what was reserved for them. Its hand was confirmed or given back before.
    pub fn env_gone(&self, env: EnvId) -> Outcome<()> {
        self.change(|inner, woken| {
            inner.hands.retain(|other| *other != env);
            for Reserved(count) in inner.consumers.env_gone(env) {
                inner.reserved -= count;
            }
            let lingering = inner.lingerers.len();
            for Reserved(count) in inner.lingerers.env_gone(env) {
                inner.reserved -= count;
            }
            inner.reserved -= (lingering - inner.lingerers.len()) as u64;
            let Inner { consumers, lingerers, offers_stale, lingerers_stale, .. } = inner;
            offers_stale.retain(|ticket, _| consumers.holds(line_of(*ticket).1));
            lingerers_stale.retain(|ticket, _| lingerers.holds(line_of(*ticket).1));
            inner.producers.env_gone(env);
            inner.pushes.retain(|_, waiting| waiting.env != env);
            inner.closers.env_gone(env);
            self.settle(inner, woken);
        })
    }

    /// Ends the queue for pushes; with `drain` false what it holds goes too, and is the caller's to drop.
    pub fn close(&self, drain: bool) -> (Outcome<()>, Messages) {
        let mut discarded = Messages::default();
        let outcome = self.change(|inner, woken| {
            inner.closed = true;
            while let Some(offer) = inner.producers.dismiss() {
                inner.figures.refused += 1;
                woken.refused.push((offer_of(Line::Producers, offer), Why::Ended));
            }
            inner.pushes.clear();
            if !drain {
                inner.discarded = true;
                inner.figures.dropped += inner.store.len();
                discarded = inner.store.take_all();
            }
            // They may have delivered what they hold, and not know of any reason to say so.
            woken.replan.extend(&inner.hands);
            self.settle(inner, woken);
        });
        (outcome, discarded)
    }

    /// A waiter in `env` for the end: when the queue is closed and all is consumed.
    pub fn await_end(&self, env: EnvId) -> Outcome<Enter> {
        self.change(|inner, _| {
            if inner.ended() {
                return Enter::Ended;
            }
            Enter::Waiting(ticket_of(Line::Closers, inner.closers.enter(env, 1)))
        })
    }

    /// Everything that is in the queue, for whoever ends it and has nobody to ask: it is the caller's to drop.
    pub fn empty(&mut self) -> Messages {
        self.inner.lock().store.take_all()
    }

    /// How often it was full and then half empty again, and how many messages were dropped to make room. Who looks is told of the
    /// next change.
    pub fn events(&self) -> (u64, u64) {
        let mut inner = self.inner.lock();
        inner.told = false;
        (inner.drains, inner.evicted)
    }

    /// How many messages there are.
    pub fn size(&self) -> u64 {
        self.inner.lock().store.len()
    }

    /// What it says of itself.
    pub fn figures(&self) -> Figures {
        let inner = self.inner.lock();
        let Fill { messages, bytes } = inner.store.fill();
        let waiting_pops = inner.consumers.len() + inner.lingerers.len();
        Figures {
            size: messages,
            bytes,
            waiting_pushes: inner.producers.len() as u64,
            waiting_pops: waiting_pops as u64,
            closed: inner.closed,
            ..inner.figures
        }
    }

    fn change<T>(&self, change: impl FnOnce(&mut Inner, &mut Woken) -> T) -> Outcome<T> {
        let mut woken = Woken::default();
        let mut inner = self.inner.lock();
        let before = (inner.drains, inner.evicted);
        let answer = change(&mut inner, &mut woken);
        let tell = (inner.drains, inner.evicted) != before && !std::mem::replace(&mut inner.told, true);
        Outcome { answer, woken, tell }
    }

    /// Lets in who waits for room, and reserves what is free for who waits for it.
    fn settle(&self, inner: &mut Inner, woken: &mut Woken) {
        while let Some(size) = inner.producers.head() {
            if !model::fits(inner.store.fill(), size, &self.rules) {
                break;
            }
            let Some(offer) = inner.producers.offer((), 0) else { break };
            if let Some(Waiting { message, encoding, .. }) = inner.pushes.remove(&offer.ticket) {
                inner.store(&message, encoding, &self.rules);
            }
            woken.offers.push(offer_of(Line::Producers, offer));
        }
        while !inner.consumers.is_empty() {
            if inner.free() == 0 && (inner.reserved == 0 || !inner.take_back(self.clock.now())) {
                break;
            }
            let Some(offer) = inner.consumers.offer(Reserved(1), 0) else { break };
            inner.reserved += 1;
            let offer = offer_of(Line::Consumers, offer);
            inner.offers_stale.insert(offer.ticket, self.clock.now().saturating_add(OFFER_LASTS));
            woken.offers.push(offer);
        }
        while let Some(wanted) = inner.lingerers.head() {
            // It has one already. Nothing more will come once the queue is closed.
            let missing = wanted.saturating_sub(1);
            let more = if inner.closed { missing.min(inner.free()) } else { missing };
            if inner.free() < more {
                break;
            }
            let Some(offer) = inner.lingerers.offer(Reserved(1 + more), 0) else { break };
            inner.reserved += more;
            let offer = offer_of(Line::Lingerers, offer);
            // All it waited for is there: no reason to take longer than others.
            inner.lingerers_stale.insert(offer.ticket, self.clock.now().saturating_add(OFFER_LASTS));
            woken.offers.push(offer);
        }
        if inner.ended() {
            while let Some(offer) = inner.consumers.dismiss() {
                woken.refused.push((offer_of(Line::Consumers, offer), Why::Ended));
            }
            while let Some(offer) = inner.closers.offer((), 0) {
                woken.offers.push(offer_of(Line::Closers, offer));
            }
        }
    }
}

impl Inner {
    /// What becomes of a message of so many bytes.
    fn admit(&self, size: usize, may_wait: bool, rules: &Rules) -> Admission {
        if size > MAX_MESSAGE_BYTES {
            return Admission::Never;
        }
        model::admit(self.store.fill(), size as u64, !self.producers.is_empty(), may_wait, rules)
    }

    /// Messages that are reserved for nobody.
    fn free(&self) -> u64 {
        self.store.len().saturating_sub(self.reserved)
    }

    /// Whether nothing will ever come out again: what is in a hand might be brought back.
    fn ended(&self) -> bool {
        self.closed && self.store.len() == 0 && self.hands.is_empty()
    }

    fn store(&mut self, message: &[u8], encoding: Encoding, rules: &Rules) {
        self.store.push(message, encoding);
        self.figures.pushed += 1;
        self.was_full |= self.store.len() >= rules.capacity;
    }

    /// Room was made: whoever waited for the queue to run low hears of it.
    fn after_room(&mut self, rules: &Rules) {
        if self.was_full && model::is_low(self.store.fill(), rules) {
            self.was_full = false;
            self.drains += 1;
        }
    }

    /// A waiter leaves its line, with what was reserved for it. False if it had left before, or if its message is stored.
    fn leave(&mut self, ticket: Ticket) -> bool {
        let (line, place) = line_of(ticket);
        match line {
            Line::Consumers => {
                self.offers_stale.remove(&ticket);
                let left = self.consumers.cancel(place);
                if let Some(Left::Offered(Reserved(count))) = left {
                    self.reserved -= count;
                }
                left.is_some()
            }
            Line::Lingerers => {
                self.lingerers_stale.remove(&ticket);
                let left = self.lingerers.cancel(place);
                self.reserved -= match left {
                    None => 0,
                    Some(Left::Waiting) => 1,
                    Some(Left::Offered(Reserved(count))) => count,
                };
                left.is_some()
            }
            Line::Producers => {
                let left = self.producers.cancel(place);
                self.pushes.remove(&place);
                matches!(left, Some(Left::Waiting))
            }
            Line::Closers => self.closers.cancel(place).is_some(),
        }
    }

    /// Takes back reservations whose consumers had time enough to use them, until something is free: whether it is.
    fn take_back(&mut self, now: Nanos) -> bool {
        while self.free() == 0 {
            // Offers are stale in their order; how long lingerers linger is theirs to say.
            let offer = self.offers_stale.first_key_value().filter(|(_, at)| **at <= now);
            let stale = offer.or_else(|| self.lingerers_stale.iter().find(|(_, at)| **at <= now));
            let Some((&ticket, _)) = stale else { return false };
            self.leave(ticket);
        }
        true
    }
}

/// Tickets of four lines as one.
fn ticket_of(line: Line, place: Ticket) -> Ticket {
    place * 4 + line as u64
}

fn line_of(ticket: Ticket) -> (Line, Ticket) {
    let line = match ticket % 4 {
        0 => Line::Consumers,
        1 => Line::Lingerers,
        2 => Line::Producers,
        _ => Line::Closers,
    };
    (line, ticket / 4)
}

fn offer_of(line: Line, offer: Offer) -> Offer {
    Offer { env: offer.env, ticket: ticket_of(line, offer.ticket) }
}
