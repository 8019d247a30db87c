//! What the stories share: primitives on a manual clock, and time in the units the stories speak.
#![allow(dead_code, unreachable_pub, reason = "each test file uses its own part, as a module of its own")]

use std::sync::Arc;

use breakwater_core::{
    breaker::{self, Breaker, Machine, OpenOption, Outcome, Permit, State, Thresholds, WindowOption},
    bucket::{Acquire, Bucket, Decision, Limit, Rate},
    clock::{Clock, ManualClock, NANOS_PER_MILLI, Nanos},
    limiter::{Checked, Limiter, Options, WhenFull},
    rng::Rng,
    room::{EnvId, Ticket, Woken},
};

/// Milliseconds as the clock counts them.
pub const fn ms(millis: u64) -> Nanos {
    millis * NANOS_PER_MILLI
}

/// Seconds as the clock counts them.
pub const fn secs(seconds: u64) -> Nanos {
    ms(seconds * 1_000)
}

/// `limit` per `window_ms`.
pub fn windowed(limit: u64, window_ms: u64) -> Limit {
    Limit { limit: Some(limit as f64), window_ms: Some(window_ms as f64), ..Limit::default() }
}

/// The same as a rate.
pub fn rate(limit: u64, window_ms: u64) -> Rate {
    windowed(limit, window_ms).rate().unwrap()
}

/// A token each `interval` nanoseconds.
pub fn rate_of_nanos(capacity: u64, interval: Nanos) -> Rate {
    Rate { interval: interval * 256, capacity }
}

/// A clock and what stands on it.
pub struct OnClock<T> {
    pub clock: Arc<ManualClock>,
    pub it: T,
}

impl<T> std::ops::Deref for OnClock<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.it
    }
}

impl<T> OnClock<T> {
    pub fn new(make: impl FnOnce(Clock) -> T) -> Self {
        let clock = Arc::new(ManualClock::new());
        Self { it: make(Clock::Manual(clock.clone())), clock }
    }

    pub fn at(&self, now: Nanos) -> &T {
        assert!(now >= self.clock.now(), "a story goes forward");
        self.clock.advance_to(now);
        &self.it
    }

    pub fn pass(&self, span: Nanos) -> &T {
        self.at(self.clock.now() + span)
    }
}

/// A full bucket at instant 0.
pub fn bucket(rate: &Rate) -> OnClock<Bucket> {
    OnClock::new(|clock| Bucket::new(rate, None, 10_000, clock))
}

/// A bucket that starts with `tokens`.
pub fn bucket_with(rate: &Rate, tokens: f64) -> OnClock<Bucket> {
    OnClock::new(|clock| Bucket::new(rate, Some(tokens), 10_000, clock))
}

pub fn checked(limits: &[Limit], max_keys: u64, when_full: WhenFull) -> Checked {
    let limits = limits.to_vec();
    Options { limits, max_keys: Some(max_keys as f64), when_full, ..Options::default() }.check().unwrap()
}

/// A limiter at instant 0, the same in every run.
pub fn limiter(limits: &[Limit]) -> OnClock<Limiter> {
    limiter_of(&checked(limits, 1_000, WhenFull::Admit))
}

pub fn limiter_of(options: &Checked) -> OnClock<Limiter> {
    OnClock::new(|clock| Limiter::new(options, clock, &mut Rng::seeded(1)).unwrap())
}

/// What a bucket is asked in most stories.
pub trait Ask {
    fn ok(&self, cost: u64) -> bool;
    fn retry_after(&self, cost: u64) -> Nanos;
    fn join(&self, env: EnvId, cost: u64) -> (Ticket, Nanos);
}

impl Ask for Bucket {
    fn ok(&self, cost: u64) -> bool {
        let (decision, woken) = self.take(cost);
        assert!(nobody(&woken), "a story without waiters: {woken:?}");
        decision == Decision::Allow
    }

    fn retry_after(&self, cost: u64) -> Nanos {
        match self.take(cost).0 {
            Decision::RetryAfter(wait) => wait,
            decision => panic!("expected a refusal, got {decision:?}"),
        }
    }

    fn join(&self, env: EnvId, cost: u64) -> (Ticket, Nanos) {
        match self.acquire(env, cost, None) {
            (Acquire::Waiting { ticket, wait }, _) => (ticket, wait),
            (answer, _) => panic!("expected to wait, got {answer:?}"),
        }
    }
}

pub const CLOSED: State = State::Machine(Machine::Closed);
pub const OPEN: State = State::Machine(Machine::Open);
pub const HALF_OPEN: State = State::Machine(Machine::HalfOpen);

/// The environment that calls where a story has only one.
pub const ENV: EnvId = 1;

/// Over the last `size` calls.
pub fn count_window(size: u64) -> Option<WindowOption> {
    Some(WindowOption::Count { size: Some(size as f64) })
}

/// Over the last `duration_ms`.
pub fn time_window(duration_ms: u64) -> Option<WindowOption> {
    Some(WindowOption::Time { duration_ms: Some(duration_ms as f64) })
}

/// Breaks that grow and are not jittered.
pub fn growing(initial_ms: u64, factor: f64, max_ms: u64) -> Option<OpenOption> {
    Some(OpenOption::Growing {
        initial_ms: Some(initial_ms as f64),
        factor: Some(factor),
        max_ms: Some(max_ms as f64),
        jitter: None,
    })
}

/// A breaker at instant 0.
pub fn breaker(
    window: Option<WindowOption>,
    half_open_calls: u64,
    thresholds: Thresholds,
) -> OnClock<Breaker> {
    let options =
        breaker::Options { window, half_open_calls: Some(half_open_calls as f64), thresholds }.check();
    OnClock::new(|clock| Breaker::new(&options.unwrap(), clock))
}

/// What a breaker is asked and told in most stories.
pub trait Call {
    fn let_in(&self) -> Permit;
    fn refuses(&self) -> bool;
    fn tell(&self, permit: Permit, outcome: Outcome) -> bool;
    fn calls(&self, letters: &str);
    /// Calls and failures.
    fn counted(&self) -> (u64, u64);
}

impl Call for Breaker {
    fn let_in(&self) -> Permit {
        self.enter(ENV).expect("a story in which the call passes")
    }

    /// Leaves nothing behind: what was let in says nothing.
    fn refuses(&self) -> bool {
        let permit = self.enter(ENV);
        if let Some(permit) = permit {
            self.tell(permit, Outcome::Ignore);
        }
        permit.is_none()
    }

    /// By the shortest jitter.
    fn tell(&self, permit: Permit, outcome: Outcome) -> bool {
        self.leave(permit, outcome, || 0.0)
    }

    /// One after the other: F fails, S succeeds, I is ignored.
    fn calls(&self, letters: &str) {
        for letter in letters.chars() {
            let permit = self.let_in();
            self.tell(
                permit,
                match letter {
                    'F' => Outcome::Failure,
                    'S' => Outcome::Success,
                    'I' => Outcome::Ignore,
                    other => panic!("no such call: {other}"),
                },
            );
        }
    }

    fn counted(&self) -> (u64, u64) {
        let counts = self.figures().counts;
        (counts.calls, counts.failures)
    }
}

/// Whether a call woke nobody.
pub fn nobody(woken: &Woken) -> bool {
    woken.offers.is_empty() && woken.refused.is_empty() && woken.replan.is_empty()
}

/// The tickets offered by a call.
pub fn offered(woken: &Woken) -> Vec<Ticket> {
    woken.offers.iter().map(|offer| offer.ticket).collect()
}
