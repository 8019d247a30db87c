//! AdaptiveThrottle.

use std::sync::Arc;

use breakwater_core::{
    rng::check_seed,
    throttle::{DEFAULT_MAX_REFUSAL_RATE, DEFAULT_MULTIPLIER, DEFAULT_WINDOW_MS, Options, Throttle},
};
use napi::Env;
use napi_derive::napi;

use crate::{
    clock::clock_of,
    error::{Result, invalid, name_conflict},
    fast::{Call, bind, bound},
    host::{Cell, Counter, Host, Kind, Opened, Shared, Traits, find, host, join, private},
};

type ThrottleCell = Cell<Throttle>;

bound!(
    /// `enter()`: 0 if the call is refused, else a token above 0. Undefined once disposed.
    enter,
    ThrottleCell,
    0,
    |cell, _call: Call<0>| {
        cell.with_live(|state, tally| {
            let slot = state.core.enter(|| cell.chance());
            tally.count(slot.is_some());
            // Slots are counted from 0, and there are fewer than a double can count.
            slot.map_or(0.0, |slot| slot as f64 + 1.0)
        })
    }
);

bound!(
    /// `accept(token)`: the backend accepted the call. It counts from now on, whenever the call went out.
    accept,
    ThrottleCell,
    0,
    |cell, _call: Call<0>| cell.with(|throttle, _| throttle.accepted()).map(|()| true)
);

bound!(
    /// `ignore(token)`: the call says nothing about the backend. Once for a token.
    ignore,
    ThrottleCell,
    1,
    |cell, call: Call<1>| {
        let token = call.number(0);
        cell.with(|throttle, _| {
            if token >= 1.0 {
                throttle.ignored(token as u64 - 1);
            }
            true
        })
    }
);

bound!(
    /// `refusalRate()`: how likely the next call is refused.
    refusal_rate,
    ThrottleCell,
    0,
    |cell, _call: Call<0>| cell.with_live(|state, _| state.core.refusal_rate())
);

/// AdaptiveThrottle's options as the facade passes them, types checked.
#[napi(object, object_to_js = false)]
pub struct ThrottleOptions {
    /// How many requests each accepted one allows.
    pub multiplier: Option<f64>,
    /// Milliseconds.
    pub window_ms: Option<f64>,
    /// The most likely a refusal gets.
    pub max_refusal_rate: Option<f64>,
    /// The seed of this object's chance.
    pub seed: Option<f64>,
    /// The name to share by.
    pub name: Option<String>,
    /// The handle of a manual clock.
    pub clock: Option<u32>,
    /// Refuses nothing.
    pub dry_run: bool,
}

/// The defaults of AdaptiveThrottle, for a test that compares them with the documentation.
#[napi(object, object_from_js = false)]
pub struct ThrottleDefaults {
    /// `multiplier`.
    pub multiplier: f64,
    /// `windowMs`.
    pub window_ms: f64,
    /// `maxRefusalRate`.
    pub max_refusal_rate: f64,
}

/// The defaults in force.
#[napi(catch_unwind)]
pub fn throttle_defaults() -> ThrottleDefaults {
    ThrottleDefaults {
        multiplier: DEFAULT_MULTIPLIER,
        window_ms: DEFAULT_WINDOW_MS,
        max_refusal_rate: DEFAULT_MAX_REFUSAL_RATE,
    }
}

/// Makes a throttle, or joins the one of this name.
#[napi(catch_unwind)]
pub fn open_throttle(env: Env, host_id: u32, options: ThrottleOptions) -> Result<Opened> {
    let host = host(env, host_id)?;
    let ThrottleOptions { multiplier, window_ms, max_refusal_rate, dry_run, .. } = options;
    let rules = Options { multiplier, window_ms, max_refusal_rate }.check().map_err(invalid)?;
    let seed = options.seed.map(check_seed).transpose().map_err(invalid)?;
    let (clock, clock_state) = clock_of(host, options.clock)?;
    let throttle = Throttle::new(&rules, clock);
    let traits = Traits { limits: Vec::new(), dry_run, clock: clock_state };
    let state = match &options.name {
        None => private(throttle, traits),
        Some(name) => {
            let given = vec![
                ("multiplier", rules.multiplier.to_string()),
                ("windowMs", rules.window_ms.to_string()),
                ("maxRefusalRate", rules.max_refusal_rate.to_string()),
                ("dryRun", dry_run.to_string()),
                ("clock", clock_state.to_string()),
            ];
            let state = join(Kind::Throttle, name, given, traits, || throttle).map_err(name_conflict)?;
            host.hold(Kind::Throttle, name);
            state
        }
    };
    Ok(opened(env, host, state, seed))
}

/// Joins the throttle of this name if there is one.
#[napi(catch_unwind)]
pub fn find_throttle(env: Env, host_id: u32, name: String) -> Result<Option<Opened>> {
    let host = host(env, host_id)?;
    let Some(state) = find(Kind::Throttle, &name) else { return Ok(None) };
    host.hold(Kind::Throttle, &name);
    Ok(Some(opened(env, host, state, None)))
}

fn opened(env: Env, host: &Host, state: Arc<Shared<Throttle>>, seed: Option<u64>) -> Opened {
    let (id, dry_run, clock) = (state.id, state.dry_run, state.clock);
    let (handle, cell) = host.throttles.open(host, state, seed);
    let functions = bind(
        env,
        cell,
        &[
            (c"enter", enter()),
            (c"accept", accept()),
            (c"ignore", ignore()),
            (c"refusalRate", refusal_rate()),
        ],
    );
    Opened { handle: handle as u32, state: id, dry_run, clock, functions }
}

/// What a throttle's snapshot says.
#[napi(object, object_from_js = false)]
pub struct ThrottleSnapshot {
    /// How many requests each accepted one allows.
    pub multiplier: f64,
    /// Milliseconds.
    pub window_ms: f64,
    /// The most likely a refusal gets.
    pub max_refusal_rate: f64,
    /// Requests in the window, those refused here included.
    pub requests: f64,
    /// Accepts in the window.
    pub accepts: f64,
    /// How likely the next call is refused.
    pub refusal_rate: f64,
    /// Calls admitted.
    pub allowed: f64,
    /// Calls refused.
    pub refused: f64,
}

/// The throttle's figures over all threads.
#[napi(catch_unwind)]
pub fn throttle_snapshot(env: Env, host_id: u32, handle: u32) -> Result<Option<ThrottleSnapshot>> {
    let Some(state) = host(env, host_id)?.throttles.live(handle as usize) else { return Ok(None) };
    let figures = state.core.figures();
    Ok(Some(ThrottleSnapshot {
        multiplier: figures.rules.multiplier,
        window_ms: figures.rules.window_ms,
        max_refusal_rate: figures.rules.max_refusal_rate,
        requests: figures.requests as f64,
        accepts: figures.accepts as f64,
        refusal_rate: figures.refusal_rate,
        allowed: state.total(Counter::Allowed),
        refused: state.total(Counter::Refused),
    }))
}

/// What may change of a throttle.
#[napi(object, object_to_js = false)]
pub struct ThrottleChange {
    /// How many requests each accepted one allows.
    pub multiplier: Option<f64>,
    /// The most likely a refusal gets.
    pub max_refusal_rate: Option<f64>,
}

/// New rules for all who share the throttle; what is not given stays. False if it was disposed.
#[napi(catch_unwind)]
pub fn reconfigure_throttle(env: Env, host_id: u32, handle: u32, change: ThrottleChange) -> Result<bool> {
    let Some(state) = host(env, host_id)?.throttles.live(handle as usize) else { return Ok(false) };
    let ThrottleChange { multiplier, max_refusal_rate } = change;
    state.core.reconfigure(&Options { multiplier, max_refusal_rate, window_ms: None }).map_err(invalid)?;
    Ok(true)
}
