//! Backoff, as `retry` uses it.

use std::cell::RefCell;

use breakwater_core::{
    backoff::{Backoff, DEFAULT_FACTOR, DEFAULT_INITIAL_MS, DEFAULT_MAX_MS, Jitter, Options, Schedule},
    option::InvalidOption,
    rng::{Rng, check_seed},
};
use napi::Env;
use napi_derive::napi;

use crate::{
    error::{Result, invalid},
    fast::{Call, bind, bound},
    host::{Cell, Opened, Traits, host, private},
};

type BackoffCell = Cell<RefCell<Backoff>>;

bound!(
    /// `delay(attempt, previousMs)`: milliseconds to wait after this attempt, from 1, has failed. Undefined once emptied.
    delay,
    BackoffCell,
    2,
    |cell, call: Call<2>| {
        // What is above the largest attempt is the largest, and what is no number the smallest.
        cell.with(|backoff, _| backoff.borrow_mut().delay(call.number(0) as u32, call.number(1)))
    }
);

/// `backoff` as the facade passes it, types checked: a constant delay, or the rest.
#[napi(object, object_to_js = false)]
pub struct BackoffOptions {
    /// The same delay each time, in milliseconds.
    pub constant_ms: Option<f64>,
    /// Milliseconds.
    pub initial_ms: Option<f64>,
    /// What each delay is times the one before.
    pub factor: Option<f64>,
    /// Milliseconds.
    pub max_ms: Option<f64>,
    /// `'full'`, `'equal'`, `'decorrelated'` or `'none'`.
    pub jitter: Option<String>,
    /// The seed of its chance.
    pub seed: Option<f64>,
}

impl BackoffOptions {
    fn schedule(&self) -> std::result::Result<Schedule, InvalidOption> {
        if let Some(ms) = self.constant_ms {
            return Schedule::constant(ms);
        }
        let word = self.jitter.as_deref();
        word.map_or(Ok(Jitter::default()), Jitter::from_word)
            .and_then(|jitter| {
                let Self { initial_ms, factor, max_ms, .. } = *self;
                Options { initial_ms, factor, max_ms, jitter }.check()
            })
            .map_err(|invalid| invalid.within("backoff"))
    }
}

/// The defaults of `backoff`, for a test that compares them with the documentation.
#[napi(object, object_from_js = false)]
pub struct BackoffDefaults {
    /// `initialMs`.
    pub initial_ms: f64,
    /// `factor`.
    pub factor: f64,
    /// `maxMs`.
    pub max_ms: f64,
    /// `jitter`.
    pub jitter: String,
}

/// The defaults in force.
#[napi(catch_unwind)]
pub fn backoff_defaults() -> BackoffDefaults {
    BackoffDefaults {
        initial_ms: DEFAULT_INITIAL_MS,
        factor: DEFAULT_FACTOR,
        max_ms: DEFAULT_MAX_MS,
        jitter: Jitter::default().word().to_owned(),
    }
}

/// Makes a backoff: it has no name, and its chance is its own.
#[napi(catch_unwind)]
pub fn open_backoff(env: Env, host_id: u32, options: BackoffOptions) -> Result<Opened> {
    let host = host(env, host_id)?;
    let schedule = options.schedule().map_err(invalid)?;
    let seed = options.seed.map(check_seed).transpose().map_err(invalid)?;
    let chance = seed.map_or_else(Rng::from_entropy, Rng::seeded);
    let state = private(RefCell::new(Backoff::new(schedule, chance)), Traits::default());
    let id = state.id;
    let (handle, cell) = host.backoffs.open(host, state, None);
    let functions = bind(env, cell, &[(c"delay", delay())]);
    Ok(Opened { handle: handle as u32, state: id, dry_run: false, clock: 0, functions })
}
