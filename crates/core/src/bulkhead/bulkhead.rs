//! The shell: the word, the room, the clock.
//!
//! As long as nobody waits, entering and leaving are a compare-exchange each on one word (permits in use, limit, crowded). As soon as
//! somebody waits or was offered a permit, the word says so, and everyone goes through the lock of the room: permits that become free
//! go to the head of the line, and only what nobody waits for goes to a newcomer. The word says crowded before a waiter is in the
//! line, in the same compare-exchange that finds no permit free, so no leaver can miss it.

use std::collections::VecDeque;

use super::{
    adaptive::{Adaptive, Outcome, Sample},
    codel::Codel,
    model::{self, Permits},
    options::{Change, NewLimit, Rules},
};
use crate::{
    clock::{Clock, Nanos},
    option::InvalidOption,
    room::{Asks, Entered, EnvId, Left, NEVER, OFFER_LASTS, Room, Ticket, Why, Woken},
    sync::{AtomicU64, Mutex, Ordering},
};

/// How many changes of the limit are kept: a thread that is further behind skips the oldest.
const KEPT: usize = 64;

/// What a call asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Wanted<'a> {
    /// How many permits.
    pub weight: u32,
    /// From 0 to 9.
    pub priority: u8,
    /// Whose call it is, in a fair order.
    pub key: &'a [u8],
    /// How long it waits at most; None: as long as the bulkhead says.
    pub timeout: Option<Nanos>,
}

/// The answer to [`Bulkhead::wait`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wait {
    /// The permits are taken.
    Granted,
    /// In the line, for `timeout` at most.
    Waiting {
        /// The place in the line.
        ticket: Ticket,
        /// After how long it gives up.
        timeout: Option<Nanos>,
    },
    /// The room is full.
    Full,
}

/// A waiter that goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Next {
    /// Which one.
    pub ticket: Ticket,
    /// With how many permits.
    pub weight: u32,
}

/// What comes of permits that were given back.
#[derive(Debug, Default)]
pub struct Freed {
    /// A waiter of the environment that gave them back: it goes on at once, with nothing to claim.
    pub next: Option<Next>,
    /// Everyone else.
    pub woken: Woken,
}

/// One change of an adaptive limit, or by `reconfigure`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LimitChange {
    /// The number of the change, from 1.
    pub generation: u64,
    /// Before.
    pub from: u32,
    /// After.
    pub to: u32,
}

/// Figures of one instant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Figures {
    /// Permits there are.
    pub limit: u32,
    /// Permits in use, or offered to a waiter.
    pub active: u32,
    /// Calls that wait.
    pub queued: usize,
    /// Calls that may wait.
    pub max_queue: usize,
    /// For how long the one that waits longest does.
    pub queue_delay: Nanos,
}

#[derive(Debug)]
struct Inner {
    room: Room<u32>,
    rules: Rules,
    codel: Option<Codel>,
    generation: u64,
    changes: VecDeque<LimitChange>,
}

/// One bulkhead, shared by all who hold a reference.
#[derive(Debug)]
pub struct Bulkhead {
    word: AtomicU64,
    clock: Clock,
    /// Whether calls are timed: their outcome moves the limit.
    timed: bool,
    inner: Mutex<Inner>,
}

impl Bulkhead {
    /// A bulkhead with all its permits.
    pub fn new(rules: Rules, clock: Clock) -> Self {
        let word = Permits::new(rules.limit).with_crowd(rules.reserved.is_some()).pack();
        let inner = Inner {
            room: Room::new(rules.order.clone()),
            codel: rules.codel.map(Codel::new),
            rules,
            generation: 0,
            changes: VecDeque::new(),
        };
        Self {
            word: AtomicU64::new(word),
            clock,
            timed: inner.rules.adaptive.is_timed(),
            inner: Mutex::new(inner),
        }
    }

    /// Whether calls are to be left with [`Bulkhead::leave_timed`].
    #[inline]
    pub fn is_timed(&self) -> bool {
        self.timed
    }

    /// When a timed call begins.
    #[inline]
    pub fn now(&self) -> Nanos {
        self.clock.now()
    }

    /// Takes permits if they are free and nobody waits for them.
    #[inline]
    pub fn enter(&self, env: EnvId, weight: u32, priority: u8) -> (bool, Woken) {
        match self.enter_alone(weight) {
            Some(entered) => (entered, Woken::default()),
            None => self.enter_crowded(env, weight, priority),
        }
    }

    /// Decides on the word alone; None where somebody has to be asked.
    #[inline]
    fn enter_alone(&self, weight: u32) -> Option<bool> {
        let mut word = Permits::unpack(self.word.load(Ordering::Acquire));
        loop {
            if word.crowded() || weight > word.limit() {
                return None;
            }
            if !word.fits(weight, word.limit()) {
                return Some(false);
            }
            match self.exchange(word, word.take(weight)) {
                Ok(()) => return Some(true),
                Err(seen) => word = seen,
            }
        }
    }

    /// Takes permits, or joins the line.
    pub fn wait(&self, env: EnvId, wanted: &Wanted<'_>) -> (Wait, Woken) {
        let mut woken = Woken::default();
        if self.enter_alone(wanted.weight) == Some(true) {
            return (Wait::Granted, woken);
        }
        let mut inner = self.inner.lock();
        let now = self.look(&mut inner, env, &mut woken);
        if wanted.weight > inner.rules.most_of(wanted.priority) {
            self.mark(&inner);
            return (Wait::Full, woken);
        }
        if Self::is_next(&mut inner, wanted.priority) && self.take(&inner, wanted.weight, wanted.priority) {
            self.mark(&inner);
            return (Wait::Granted, woken);
        }
        let timeout = wanted.timeout.or(inner.rules.queue_timeout);
        // The precise clock: the end of a wait is a promise.
        let until = timeout.map_or(NEVER, |timeout| self.clock.now().saturating_add(timeout));
        let Wanted { weight, priority, key, .. } = *wanted;
        let asks = Asks { weight: weight.into(), priority, since: now, until };
        let places = inner.rules.max_queue;
        let ticket = match inner.room.enter_bounded(env, asks, key, places) {
            Entered::Waiting(ticket) => ticket,
            Entered::InsteadOf(ticket, gone) => {
                woken.refused.push((gone, Why::Evicted));
                ticket
            }
            Entered::Full => {
                self.mark(&inner);
                return (Wait::Full, woken);
            }
        };
        // Whoever was evicted may have been the head: the next one may fit.
        self.serve(&mut inner, now, None, &mut woken);
        (Wait::Waiting { ticket, timeout }, woken)
    }

    /// Gives permits back.
    #[inline]
    pub fn leave(&self, env: EnvId, weight: u32) -> Freed {
        let mut word = Permits::unpack(self.word.load(Ordering::Acquire));
        while !word.crowded() {
            match self.exchange(word, word.give_back(weight)) {
                Ok(()) => return Freed::default(),
                Err(seen) => word = seen,
            }
        }
        self.leave_crowded(env, weight)
    }

    fn leave_crowded(&self, env: EnvId, weight: u32) -> Freed {
        let mut freed = Freed::default();
        let mut inner = self.inner.lock();
        if let Some(next) = self.pass_on(&mut inner, env, weight) {
            return Freed { next: Some(next), woken: Woken::default() };
        }
        self.give_back(weight);
        let now = self.look(&mut inner, env, &mut freed.woken);
        freed.next = self.serve(&mut inner, now, Some(env), &mut freed.woken);
        freed
    }

    /// The common case of a line: all permits are in use, and its head lives where some come back and asks for as many. The word
    /// does not change, and nobody else can be served.
    fn pass_on(&self, inner: &mut Inner, env: EnvId, weight: u32) -> Option<Next> {
        let word = Permits::unpack(self.word.load(Ordering::Acquire));
        let special = inner.codel.is_some() || inner.rules.reserved.is_some() || inner.room.has_offers();
        if special || word.used() != word.limit() || inner.room.heard_of(env) {
            return None;
        }
        let (asks, head) = inner.room.head_asks()?;
        if head != env || asks.weight != u64::from(weight) || asks.until != NEVER {
            return None;
        }
        let ticket = inner.room.serve()?;
        self.mark(inner);
        Some(Next { ticket, weight })
    }

    /// Gives the permits of a timed call back, and says how it ended: whether the limit has changed, too.
    pub fn leave_timed(&self, env: EnvId, weight: u32, began: Nanos, outcome: Outcome) -> (Freed, bool) {
        let mut freed = Freed::default();
        let mut inner = self.inner.lock();
        let word = Permits::unpack(self.word.load(Ordering::Acquire));
        let sample = Sample { began, now: self.clock.now(), in_use: word.used(), outcome };
        let limit = inner.rules.adaptive.sample(&sample);
        let changed = limit.is_some_and(|limit| self.set_limit(&mut inner, limit));
        self.give_back(weight);
        let now = self.look(&mut inner, env, &mut freed.woken);
        freed.next = self.serve(&mut inner, now, Some(env), &mut freed.woken);
        (freed, changed)
    }

    /// A waiter takes the permits it was offered; None if there were none.
    pub fn claim(&self, env: EnvId, ticket: Ticket) -> (Option<u32>, Woken) {
        let mut woken = Woken::default();
        let mut inner = self.inner.lock();
        let claimed = inner.room.claim(ticket);
        let now = self.look(&mut inner, env, &mut woken);
        self.serve(&mut inner, now, None, &mut woken);
        (claimed, woken)
    }

    /// Somebody who waits looks whether a permit was offered to a thread that does not answer.
    pub fn look_around(&self, env: EnvId) -> Woken {
        let mut woken = Woken::default();
        let mut inner = self.inner.lock();
        let now = self.look(&mut inner, env, &mut woken);
        self.serve(&mut inner, now, None, &mut woken);
        woken
    }

    /// A waiter gives up. What it was offered and had not claimed goes to the next.
    pub fn cancel(&self, env: EnvId, ticket: Ticket) -> Woken {
        let mut woken = Woken::default();
        let mut inner = self.inner.lock();
        if let Some(Left::Offered(weight)) = inner.room.cancel(ticket) {
            self.give_back(weight);
        }
        let now = self.look(&mut inner, env, &mut woken);
        self.serve(&mut inner, now, None, &mut woken);
        woken
    }

    /// The environment is gone, with its waiters, what they had not claimed, and the `held` permits it had out.
    pub fn env_gone(&self, env: EnvId, held: u32) -> Woken {
        let mut woken = Woken::default();
        let mut inner = self.inner.lock();
        let unclaimed: u32 = inner.room.env_gone(env).into_iter().sum();
        self.give_back(held + unclaimed);
        let now = self.clock.now();
        self.serve(&mut inner, now, None, &mut woken);
        woken
    }

    /// Gives permits back that nobody has any more.
    pub fn leave_all(&self, held: u32) -> Woken {
        let mut woken = Woken::default();
        let mut inner = self.inner.lock();
        self.give_back(held);
        let now = self.clock.now();
        self.serve(&mut inner, now, None, &mut woken);
        woken
    }

    /// New limits for all who share it. Who waits for more than there can ever be is sent away.
    pub fn reconfigure(&self, change: &Change) -> Result<Woken, InvalidOption> {
        let mut woken = Woken::default();
        let mut inner = self.inner.lock();
        let checked = change.check(&inner.rules)?;
        if let Some(to) = checked.concurrency {
            let rules = &mut inner.rules;
            let limit = match (to, &mut rules.adaptive) {
                (NewLimit::Fixed(limit), _) => {
                    rules.most = limit;
                    limit
                }
                (NewLimit::Within(bounds), Adaptive::Aimd(aimd)) => {
                    rules.most = bounds.max;
                    aimd.set_bounds(bounds)
                }
                (NewLimit::Within(bounds), Adaptive::Gradient(gradient)) => {
                    rules.most = bounds.max;
                    gradient.set_bounds(bounds)
                }
                (NewLimit::Within(_), Adaptive::Fixed) => rules.limit,
            };
            let most = rules.most.into();
            self.set_limit(&mut inner, limit);
            woken.refused.extend(inner.room.dismiss_over(most).into_iter().map(|gone| (gone, Why::TooMuch)));
        }
        inner.rules.max_queue = checked.max_queue.unwrap_or(inner.rules.max_queue);
        inner.rules.queue_timeout = checked.queue_timeout.unwrap_or(inner.rules.queue_timeout);
        let now = self.clock.now();
        self.serve(&mut inner, now, None, &mut woken);
        Ok(woken)
    }

    /// Permits there are.
    #[inline]
    pub fn limit(&self) -> u32 {
        Permits::unpack(self.word.load(Ordering::Acquire)).limit()
    }

    /// Permits in use, or offered to a waiter.
    #[inline]
    pub fn active(&self) -> u32 {
        Permits::unpack(self.word.load(Ordering::Acquire)).used()
    }

    /// Calls that wait.
    pub fn queued(&self) -> usize {
        self.inner.lock().room.len()
    }

    /// For how long the call that waits longest does.
    pub fn queue_delay(&self) -> Nanos {
        let inner = self.inner.lock();
        inner.room.oldest().map_or(0, |since| self.clock.now().saturating_sub(since))
    }

    /// Figures of one instant.
    pub fn figures(&self) -> Figures {
        let inner = self.inner.lock();
        let word = Permits::unpack(self.word.load(Ordering::Acquire));
        Figures {
            limit: word.limit(),
            active: word.used(),
            queued: inner.room.len(),
            max_queue: inner.rules.max_queue,
            queue_delay: inner.room.oldest().map_or(0, |since| self.clock.now().saturating_sub(since)),
        }
    }

    /// How often the limit has changed.
    pub fn generation(&self) -> u64 {
        self.inner.lock().generation
    }

    /// The changes of the limit after one of them, as far as they are kept.
    pub fn changes_since(&self, generation: u64) -> Vec<LimitChange> {
        let inner = self.inner.lock();
        inner.changes.iter().filter(|change| change.generation > generation).copied().collect()
    }

    #[cold]
    fn enter_crowded(&self, env: EnvId, weight: u32, priority: u8) -> (bool, Woken) {
        let mut woken = Woken::default();
        let mut inner = self.inner.lock();
        let now = self.look(&mut inner, env, &mut woken);
        self.serve(&mut inner, now, None, &mut woken);
        let heavy = weight > inner.rules.most_of(priority);
        let entered = !heavy && Self::is_next(&mut inner, priority) && self.take(&inner, weight, priority);
        self.mark(&inner);
        (entered, woken)
    }

    /// Whether a newcomer is served before everyone in the line.
    fn is_next(inner: &mut Inner, priority: u8) -> bool {
        let head = inner.room.head_asks();
        head.is_none_or(|(asks, _)| inner.rules.by_priority() && asks.priority < priority)
    }

    /// What every caller who has the lock does first: its environment is heard of, and offers that nobody claims are taken back.
    /// Answers the time, as exactly as somebody in the line needs it.
    fn look(&self, inner: &mut Inner, env: EnvId, woken: &mut Woken) -> Nanos {
        let now = if inner.codel.is_some() { self.clock.now() } else { self.clock.coarse() };
        let back = inner.room.heard_of(env);
        let mut taken_back = 0;
        while inner.room.has_offers() && now >= OFFER_LASTS {
            let Some(weight) = inner.room.take_back(now - OFFER_LASTS) else { break };
            self.give_back(weight);
            taken_back += 1;
        }
        if back || taken_back > 0 {
            self.serve(inner, now, None, woken);
        }
        now
    }

    /// Gives the permits that are free to those at the head of the line. The first that lives `here` goes on at once.
    fn serve(&self, inner: &mut Inner, now: Nanos, here: Option<EnvId>, woken: &mut Woken) -> Option<Next> {
        let mut next = None;
        while let Some((asks, _)) = inner.room.head_asks() {
            let late = asks.until <= now;
            // It was offered permits when the limit became smaller, and they were taken back since.
            let heavy = asks.weight > u64::from(inner.rules.most_of(asks.priority));
            if late || heavy {
                let why = if heavy { Why::TooMuch } else { Why::TooLate };
                woken.refused.extend(inner.room.dismiss().map(|gone| (gone, why)));
                continue;
            }
            let word = Permits::unpack(self.word.load(Ordering::Acquire));
            if !word.fits(asks.weight as u32, self.reach(inner, asks.priority)) {
                break;
            }
            if Self::stands_too_long(inner, now) {
                woken.refused.extend(inner.room.dismiss_oldest().map(|gone| (gone, Why::TooLate)));
                continue;
            }
            // Another one, where the newest are served first from now on.
            let Some((asks, env)) = inner.room.head_asks() else { break };
            let weight = asks.weight as u32;
            if !self.take(inner, weight, asks.priority) {
                break;
            }
            if next.is_none() && here == Some(env) {
                next = inner.room.serve().map(|ticket| Next { ticket, weight });
            } else {
                woken.offers.extend(inner.room.offer(weight, now));
            }
        }
        if inner.room.is_empty()
            && let Some(codel) = &mut inner.codel
        {
            codel.emptied();
            inner.room.serve_newest_first(false);
        }
        self.mark(inner);
        next
    }

    /// Whether the one that has waited longest has to go, where there is a permit and it is not the last.
    fn stands_too_long(inner: &mut Inner, now: Nanos) -> bool {
        let Some(codel) = &mut inner.codel else { return false };
        let Some(since) = inner.room.longest() else { return false };
        let late = codel.is_late(now.saturating_sub(since), now);
        inner.room.serve_newest_first(codel.newest_first());
        late && inner.room.in_line() > 1
    }

    /// How much of the limit a priority may fill.
    fn reach(&self, inner: &Inner, priority: u8) -> u32 {
        let limit = Permits::unpack(self.word.load(Ordering::Acquire)).limit();
        inner.rules.reserved.as_ref().map_or(limit, |reserved| model::reach(limit, reserved, priority))
    }

    /// Takes permits under the lock; where there are none, the word says from then on that somebody has to be served first.
    fn take(&self, inner: &Inner, weight: u32, priority: u8) -> bool {
        let limit = self.reach(inner, priority);
        let mut word = Permits::unpack(self.word.load(Ordering::Acquire));
        loop {
            let fits = word.fits(weight, limit);
            let next = if fits { word.take(weight) } else { word.with_crowd(true) };
            match self.exchange(word, next) {
                Ok(()) => return fits,
                Err(seen) => word = seen,
            }
        }
    }

    fn give_back(&self, weight: u32) {
        if weight > 0 {
            self.change(|word| word.give_back(weight));
        }
    }

    fn set_limit(&self, inner: &mut Inner, to: u32) -> bool {
        let from = Permits::unpack(self.word.load(Ordering::Acquire)).limit();
        if from == to {
            return false;
        }
        self.change(|word| word.with_limit(to));
        inner.generation += 1;
        if inner.changes.len() == KEPT {
            inner.changes.pop_front();
        }
        inner.changes.push_back(LimitChange { generation: inner.generation, from, to });
        true
    }

    /// Says in the word whether callers have to go through the room.
    fn mark(&self, inner: &Inner) {
        let crowded = !inner.room.is_empty() || inner.room.has_offers() || inner.rules.reserved.is_some();
        if Permits::unpack(self.word.load(Ordering::Acquire)).crowded() != crowded {
            self.change(|word| word.with_crowd(crowded));
        }
    }

    fn change(&self, change: impl Fn(Permits) -> Permits) {
        let mut word = Permits::unpack(self.word.load(Ordering::Acquire));
        while let Err(seen) = self.exchange(word, change(word)) {
            word = seen;
        }
    }

    #[inline]
    fn exchange(&self, from: Permits, to: Permits) -> Result<(), Permits> {
        self.word
            .compare_exchange_weak(from.pack(), to.pack(), Ordering::AcqRel, Ordering::Acquire)
            .map(|_| ())
            .map_err(Permits::unpack)
    }
}
