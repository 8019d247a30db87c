//! The shell: the state word, the record behind it, the clock.
//!
//! A closed breaker lets a caller in by one load of the state word. What calls say, and every change of state, is written under
//! the record's lock, and the state word last: who sees a state finds what belongs to it. The word carries a generation; a permit
//! of an older one moves nothing.

use super::{
    calls::Calls,
    export::Exported,
    log::{Change, Log},
    model::{self, Counts, Machine, Reason, Rules, State, Verdict},
    options::{Checked, Span, Thresholds},
    probes::{Probes, Serial},
    rules::RuleWords,
};
use crate::{
    clock::{Clock, Nanos},
    option::InvalidOption,
    room::EnvId,
    sync::{AtomicU64, Mutex, Ordering},
    words::{Held, Lock},
};

const CLOSED: u64 = 0;
const OPEN: u64 = 1;
const HALF_OPEN: u64 = 2;
const MACHINE: u64 = 0b11;
const ISOLATED: u64 = 1 << 2;
const DISABLED: u64 = 1 << 3;
const TIMED: u64 = 1 << 4;
const OVERLAYS: u64 = ISOLATED | DISABLED;
const FLAGS: u64 = OVERLAYS | TIMED;
const GENERATION_SHIFT: u32 = 8;
const FIRST_GENERATION: u64 = 1;

/// The right to make one call, to be left once with what came of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Permit {
    /// Given while closed. Generation 0 is none: what comes of the call is not counted.
    Counted {
        /// The state it was given in.
        generation: u64,
        /// When it was given, where calls can be slow.
        since: Option<Nanos>,
    },
    /// Given while half-open.
    Probe(Serial),
}

/// What came of a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The dependency did its part.
    Success,
    /// It did not.
    Failure,
    /// It did not, and said for how long to leave it alone.
    OpenFor(Nanos),
    /// Says nothing about the dependency.
    Ignore,
}

/// How soon the same call may pass.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wait {
    /// After so long, 0 for now; for a half-open breaker with all its probes out at the latest.
    For(Nanos),
    /// When somebody lets go of it.
    Unknown,
}

/// The figures of a breaker at one instant.
#[derive(Clone, Copy, Debug)]
pub struct Figures {
    /// What the next call meets.
    pub state: State,
    /// How often the state has changed.
    pub generation: u64,
    /// Breaks without a recovery between, the one under way included.
    pub breaks: u64,
    /// What is in the window, or what the probes said.
    pub counts: Counts,
    /// Whether there are calls enough for a rate.
    pub enough: bool,
    /// Probes that are out.
    pub probes: u64,
    /// How soon a call may pass.
    pub wait: Wait,
    /// The rules in force.
    pub rules: Rules,
}

/// One circuit breaker, shared by all who hold a reference.
#[derive(Debug)]
pub struct Breaker {
    /// Bits 0 and 1: the machine · 2 isolated · 3 disabled · 4 calls are timed · from 8: the machine's generation.
    state: AtomicU64,
    /// When the break under way ends.
    due: AtomicU64,
    lock: Lock,
    since: AtomicU64,
    breaks: AtomicU64,
    isolated: AtomicU64,
    disabled: AtomicU64,
    rules: RuleWords,
    calls: Calls,
    probes: Probes,
    log: Mutex<Log>,
    span: Span,
    clock: Clock,
}

impl Breaker {
    /// A closed breaker.
    pub fn new(options: &Checked, clock: Clock) -> Self {
        let zero = || AtomicU64::new(0);
        Self {
            state: AtomicU64::new(FIRST_GENERATION << GENERATION_SHIFT | timed(&options.rules)),
            due: zero(),
            lock: Lock::new(),
            since: zero(),
            breaks: zero(),
            isolated: zero(),
            disabled: zero(),
            rules: RuleWords::new(&options.rules),
            calls: Calls::new(options.span),
            probes: Probes::new(options.probes),
            log: Mutex::new(Log::default()),
            span: options.span,
            clock,
        }
    }

    /// Asks to make a call on behalf of `env`. None refuses.
    #[inline]
    pub fn enter(&self, env: EnvId) -> Option<Permit> {
        let word = self.state.load(Ordering::Acquire);
        if word & (MACHINE | OVERLAYS) == CLOSED {
            return Some(self.counted(word));
        }
        self.enter_guarded(env, word)
    }

    /// The permit that every call is given until something changes; None unless closed, and where each has an instant of its own.
    pub fn closed(&self) -> Option<Permit> {
        let word = self.state.load(Ordering::Acquire);
        let closed = word & (MACHINE | OVERLAYS | TIMED) == CLOSED;
        closed.then_some(Permit::Counted { generation: word >> GENERATION_SHIFT, since: None })
    }

    fn enter_guarded(&self, env: EnvId, word: u64) -> Option<Permit> {
        if word & OVERLAYS != 0 {
            return overlaid(word);
        }
        if word & MACHINE == OPEN {
            let due = self.due.load(Ordering::Relaxed);
            if self.clock.not_before_now().is_some_and(|later| later < due) {
                return None;
            }
        }
        let now = self.clock.now();
        let held = self.lock.lock();
        let word = self.state.load(Ordering::Relaxed);
        match word & (MACHINE | OVERLAYS) {
            CLOSED => Some(self.counted(word)),
            OPEN if now < self.due.load(Ordering::Relaxed) => None,
            OPEN => {
                self.move_to(&held, Machine::HalfOpen, Reason::Elapsed, Wait::For(0));
                self.probe(env, now)
            }
            HALF_OPEN => self.probe(env, now),
            _ => overlaid(word),
        }
    }

    /// Says what came of a call; `chance` in [0, 1) is asked for when a break begins. Whether the state has changed.
    #[inline]
    pub fn leave(&self, permit: Permit, outcome: Outcome, chance: impl FnOnce() -> f64) -> bool {
        match permit {
            Permit::Counted { generation, since } => {
                let word = self.state.load(Ordering::Relaxed);
                if outcome == Outcome::Ignore
                    || word >> GENERATION_SHIFT != generation
                    || word & MACHINE != CLOSED
                {
                    return false;
                }
                let now = if since.is_some() { self.clock.now() } else { self.window_time() };
                self.count(generation, outcome, now, since.map(|since| now.saturating_sub(since)), chance)
            }
            Permit::Probe(serial) => self.leave_probe(serial, outcome, chance),
        }
    }

    /// Counts a call of a closed breaker.
    #[inline]
    fn count(
        &self,
        generation: u64,
        outcome: Outcome,
        now: Nanos,
        took: Option<Nanos>,
        chance: impl FnOnce() -> f64,
    ) -> bool {
        let held = self.lock.lock();
        if self.state.load(Ordering::Relaxed) >> GENERATION_SHIFT != generation {
            return false;
        }
        let failed = outcome != Outcome::Success;
        let slow = took.is_some_and(|took| model::is_slow(took, &self.rules.read()));
        let counts = self.calls.add(now, failed, slow);
        if counts.failures == 0 && counts.slow == 0 && !failed {
            return false;
        }
        let rules = self.rules.read();
        if let Outcome::OpenFor(span) = outcome {
            self.open(&held, Reason::Result, span);
        } else if let Some(reason) = model::trips(&counts, &rules) {
            self.break_off(&held, reason, &rules, chance);
        } else {
            return false;
        }
        true
    }

    fn leave_probe(&self, serial: Serial, outcome: Outcome, chance: impl FnOnce() -> f64) -> bool {
        let now = self.clock.now();
        let held = self.lock.lock();
        let Some(answered) = self.probes.leave(serial, now) else { return false };
        if outcome == Outcome::Ignore {
            return false;
        }
        let rules = self.rules.read();
        let slow = answered.late || model::is_slow(answered.took, &rules);
        let counts = self.probes.count(outcome != Outcome::Success, slow);
        if let Outcome::OpenFor(span) = outcome {
            self.breaks.store(self.breaks.load(Ordering::Relaxed) + 1, Ordering::Relaxed);
            self.open(&held, Reason::Result, span);
            return true;
        }
        match model::probes_decide(&counts, self.probes.len(), &rules) {
            None => return false,
            Some(Verdict::Open(reason)) => self.break_off(&held, reason, &rules, chance),
            Some(Verdict::Close) => self.close(&held, Reason::Recovered),
        }
        true
    }

    /// What the next call would meet.
    pub fn state(&self) -> State {
        let word = self.state.load(Ordering::Acquire);
        let over = word & MACHINE == OPEN
            && word & OVERLAYS == 0
            && self.clock.now() >= self.due.load(Ordering::Relaxed);
        if over { State::Machine(Machine::HalfOpen) } else { state_of(word) }
    }

    /// How soon a call may pass.
    pub fn wait(&self) -> Wait {
        if self.state.load(Ordering::Acquire) & (MACHINE | OVERLAYS) == CLOSED {
            return Wait::For(0);
        }
        let now = self.clock.now();
        let held = self.lock.lock();
        self.wait_held(&held, now)
    }

    /// What the next call would meet, how soon one may pass, and everything that was counted.
    pub fn figures(&self) -> Figures {
        let now = self.clock.now();
        let held = self.lock.lock();
        let word = self.state.load(Ordering::Relaxed);
        let half_open = word & MACHINE == HALF_OPEN;
        let rules = self.rules.read();
        let counts = if half_open { self.probes.counts() } else { self.calls.counts(self.window_time()) };
        let due = word & MACHINE == OPEN && now >= self.due.load(Ordering::Relaxed);
        let state =
            if due && word & OVERLAYS == 0 { State::Machine(Machine::HalfOpen) } else { state_of(word) };
        Figures {
            state,
            generation: self.log.lock().generation(),
            breaks: self.breaks.load(Ordering::Relaxed),
            counts,
            enough: half_open || counts.calls >= rules.minimum_calls,
            probes: if half_open { self.probes.out() } else { 0 },
            wait: self.wait_held(&held, now),
            rules,
        }
    }

    /// Opens for `span`, from whatever state.
    pub fn force_open(&self, span: Option<Nanos>) -> bool {
        let held = self.lock.lock();
        let span = span.unwrap_or_else(|| self.rules.read().open.initial);
        self.open(&held, Reason::Forced, span);
        true
    }

    /// Closes and forgets. Who isolates or disables it still does.
    pub fn reset(&self) -> bool {
        let held = self.lock.lock();
        self.close(&held, Reason::Reset);
        true
    }

    /// Refuses everything until as many have let go as have isolated it.
    pub fn isolate(&self) {
        self.overlay(&self.isolated, ISOLATED, Reason::Isolated, 1);
    }

    /// Ends so many isolations.
    pub fn end_isolation(&self, times: u64) {
        self.overlay(&self.isolated, ISOLATED, Reason::Released, times.wrapping_neg());
    }

    /// Lets everything pass, uncounted, until as many have let go as have disabled it.
    pub fn disable(&self) {
        self.overlay(&self.disabled, DISABLED, Reason::Disabled, 1);
    }

    /// Ends so many disablings.
    pub fn end_disabling(&self, times: u64) {
        self.overlay(&self.disabled, DISABLED, Reason::Released, times.wrapping_neg());
    }

    fn overlay(&self, holders: &AtomicU64, flag: u64, reason: Reason, change: u64) {
        let held = self.lock.lock();
        let count = holders.load(Ordering::Relaxed).wrapping_add(change);
        holders.store(count, Ordering::Relaxed);
        let word = self.state.load(Ordering::Relaxed);
        let next = if count > 0 { word | flag } else { word & !flag };
        let wait = self.wait_of(&held, next, self.clock.now());
        self.publish(&held, next, reason, wait);
    }

    /// New thresholds for all who share the breaker; what is not given stays. A break under way ends when it would have.
    pub fn reconfigure(&self, thresholds: &Thresholds) -> Result<(), InvalidOption> {
        let _held = self.lock.lock();
        let rules = thresholds.change(&self.rules.read(), self.span)?;
        self.rules.write(&rules);
        let word = self.state.load(Ordering::Relaxed);
        self.state.store(word & !TIMED | timed(&rules), Ordering::Release);
        Ok(())
    }

    /// The environment is gone: the probes it had out may be made by others.
    pub fn env_gone(&self, env: EnvId) {
        let _held = self.lock.lock();
        self.probes.env_gone(env);
    }

    /// The changes after `generation`, as far as they are still known, oldest first.
    pub fn changes_since(&self, generation: u64) -> Vec<Change> {
        self.log.lock().since(generation)
    }

    /// How often the state has changed.
    pub fn generation(&self) -> u64 {
        self.log.lock().generation()
    }

    /// What another process needs to go on from here.
    pub fn export(&self) -> Exported {
        let now = self.clock.now();
        let _held = self.lock.lock();
        let word = self.state.load(Ordering::Relaxed);
        let due = self.due.load(Ordering::Relaxed);
        let since = self.since.load(Ordering::Relaxed);
        let recorded = self.calls.record(self.window_time());
        let broken = match word & MACHINE {
            OPEN => Some((now.wrapping_sub(since), due.wrapping_sub(since))),
            // Whoever restores it begins with probes of its own.
            HALF_OPEN => Some((due.wrapping_sub(since), due.wrapping_sub(since))),
            _ => None,
        };
        let run = self.calls.counts(self.window_time()).run;
        Exported { broken, breaks: self.breaks.load(Ordering::Relaxed), run, recorded }
    }

    /// Goes on from an export that was made `elapsed` ago. False if this breaker has counted calls or changed its state before, or
    /// its window is another.
    pub fn restore(&self, exported: &Exported, elapsed: Nanos) -> bool {
        let now = self.clock.now();
        let held = self.lock.lock();
        let fresh = self.state.load(Ordering::Relaxed) >> GENERATION_SHIFT == FIRST_GENERATION
            && self.calls.counts(self.window_time()) == Counts::default();
        if !fresh || !self.calls.restore(self.window_time(), &exported.recorded, exported.run, elapsed) {
            return false;
        }
        self.breaks.store(exported.breaks, Ordering::Relaxed);
        if let Some((age, span)) = exported.broken {
            let left = span.saturating_sub(age.saturating_add(elapsed));
            self.since.store(now.wrapping_sub(span - left), Ordering::Relaxed);
            self.due.store(now.saturating_add(left), Ordering::Relaxed);
            self.move_to(&held, Machine::Open, Reason::Restored, Wait::For(left));
        }
        true
    }

    #[inline]
    fn counted(&self, word: u64) -> Permit {
        let since = if word & TIMED != 0 { Some(self.clock.now()) } else { None };
        Permit::Counted { generation: word >> GENERATION_SHIFT, since }
    }

    fn probe(&self, env: EnvId, now: Nanos) -> Option<Permit> {
        self.probes.enter(env, now, self.rules.read().lease).map(Permit::Probe)
    }

    /// Windows go by the coarse clock.
    #[inline]
    fn window_time(&self) -> Nanos {
        if self.calls.by_time() { self.clock.coarse() } else { 0 }
    }

    fn wait_held(&self, held: &Held<'_>, now: Nanos) -> Wait {
        self.wait_of(held, self.state.load(Ordering::Relaxed), now)
    }

    fn wait_of(&self, _held: &Held<'_>, word: u64, now: Nanos) -> Wait {
        let due = self.due.load(Ordering::Relaxed);
        match (word & ISOLATED != 0, word & DISABLED != 0, word & MACHINE) {
            (true, ..) => Wait::Unknown,
            (_, true, _) | (_, _, CLOSED) => Wait::For(0),
            (_, _, OPEN) => Wait::For(due.saturating_sub(now)),
            // The lease is the longest it can take; the last break is what it takes if the probes fail.
            _ => Wait::For(self.probes.wait(now).min(due.wrapping_sub(self.since.load(Ordering::Relaxed)))),
        }
    }

    /// Opens for as long as it is the turn of.
    fn break_off(&self, held: &Held<'_>, reason: Reason, rules: &Rules, chance: impl FnOnce() -> f64) {
        let breaks = self.breaks.load(Ordering::Relaxed);
        let chance = if rules.open.jitter > 0.0 { chance() } else { 0.0 };
        self.breaks.store(breaks + 1, Ordering::Relaxed);
        self.open(held, reason, model::break_for(&rules.open, breaks, chance));
    }

    fn open(&self, held: &Held<'_>, reason: Reason, span: Nanos) {
        let now = self.clock.now();
        self.since.store(now, Ordering::Relaxed);
        self.due.store(now.saturating_add(span), Ordering::Relaxed);
        self.move_to(held, Machine::Open, reason, Wait::For(span));
    }

    fn close(&self, held: &Held<'_>, reason: Reason) {
        self.breaks.store(0, Ordering::Relaxed);
        self.calls.clear();
        self.move_to(held, Machine::Closed, reason, Wait::For(0));
    }

    /// A new generation of the machine.
    fn move_to(&self, held: &Held<'_>, machine: Machine, reason: Reason, wait: Wait) {
        self.probes.clear();
        let word = self.state.load(Ordering::Relaxed);
        let generation = (word >> GENERATION_SHIFT) + 1;
        let machine = match machine {
            Machine::Closed => CLOSED,
            Machine::Open => OPEN,
            Machine::HalfOpen => HALF_OPEN,
        };
        self.publish(held, generation << GENERATION_SHIFT | word & FLAGS | machine, reason, wait);
    }

    /// The only writer of a new state: the word last, and the change of what callers meet to whoever listens.
    fn publish(&self, _held: &Held<'_>, next: u64, reason: Reason, wait: Wait) {
        let (from, to) = (state_of(self.state.load(Ordering::Relaxed)), state_of(next));
        if from != to {
            self.log.lock().push(from, to, reason, wait);
        }
        self.state.store(next, Ordering::Release);
    }
}

/// Isolation comes before disabling.
fn overlaid(word: u64) -> Option<Permit> {
    if word & ISOLATED != 0 { None } else { Some(Permit::Counted { generation: 0, since: None }) }
}

fn timed(rules: &Rules) -> u64 {
    if rules.slow_call.is_some() { TIMED } else { 0 }
}

fn state_of(word: u64) -> State {
    match (word & ISOLATED != 0, word & DISABLED != 0, word & MACHINE) {
        (true, ..) => State::Isolated,
        (_, true, _) => State::Disabled,
        (_, _, CLOSED) => State::Machine(Machine::Closed),
        (_, _, OPEN) => State::Machine(Machine::Open),
        _ => State::Machine(Machine::HalfOpen),
    }
}
