//! What the stories share: primitives on a manual clock, and time in the units the stories speak.
#![allow(dead_code, unreachable_pub, reason = "each test file uses its own part, as a module of its own")]

use std::sync::Arc;

use breakwater_core::{
    bucket::{Acquire, Bucket, Decision, Limit, Rate, Woken},
    clock::{Clock, ManualClock, NANOS_PER_MILLI, Nanos},
    limiter::{Checked, Limiter, Options, WhenFull},
    rng::Rng,
    room::{EnvId, Ticket},
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

/// Whether a call woke nobody.
pub fn nobody(woken: &Woken) -> bool {
    woken.offers.is_empty() && woken.refused.is_empty() && woken.replan.is_empty()
}

/// The tickets offered by a call.
pub fn offered(woken: &Woken) -> Vec<Ticket> {
    woken.offers.iter().map(|offer| offer.ticket).collect()
}
