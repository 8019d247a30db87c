//! ManualClock.

use std::sync::Arc;

use breakwater_core::clock::{Clock, ManualClock, NANOS_PER_MILLI};
use napi::Env;
use napi_derive::napi;

use crate::{
    error::{Result, stale_handle},
    fast::{Call, bind, bound},
    host::{Cell, Given, Host, Kind, Mail, Opened, Shared, Traits, host, join, name_of, post, private},
};

type ClockCell = Cell<Arc<ManualClock>>;

bound!(
    /// `now()`: milliseconds since 0.
    now,
    ClockCell,
    0,
    |cell, _call: Call<0>| cell.with(|clock, _| clock.now() as f64 / NANOS_PER_MILLI as f64)
);

bound!(
    /// `advanceTo(ms)`: moves the clock on, and tells the other threads if it has a name.
    advance_to,
    ClockCell,
    1,
    |cell, call: Call<1>| {
        let Some(state) = cell.state() else { return };
        let ms = call.number(0);
        if ms >= 0.0 {
            state.core.advance_to((ms * NANOS_PER_MILLI as f64).round() as u64);
        }
        if state.name.is_some() {
            post(cell.host().id, || Mail::Advanced(state.id));
        }
    }
);

/// Makes a clock, or joins the one of this name.
#[napi(catch_unwind)]
pub fn open_clock(env: Env, host_id: u32, name: Option<String>) -> Result<Opened> {
    let host = host(env, host_id)?;
    let make = || Arc::new(ManualClock::new());
    let state = match &name {
        None => private(make(), Traits::default()),
        Some(name) => {
            let state = join(Kind::Clock, name, Given::new(), Traits::default(), make)
                .map_err(crate::error::name_conflict)?;
            host.hold(Kind::Clock, name);
            state
        }
    };
    let id = state.id;
    let (handle, cell) = host.clocks.open(host, state, None);
    let functions = bind(env, cell, &[(c"now", now()), (c"advanceTo", advance_to())]);
    Ok(Opened { handle: handle as u32, state: id, dry_run: false, clock: 0, functions })
}

/// The name of the clock whose state has this number, for whoever found a primitive on it.
#[napi(catch_unwind)]
pub fn clock_name(state: u32) -> Option<String> {
    name_of::<Arc<ManualClock>>(Kind::Clock, state)
}

/// The clock of a primitive, and the state of a manual clock: 0 for the system's.
pub(crate) fn clock_of(host: &Host, handle: Option<u32>) -> Result<(Clock, u32)> {
    let Some(handle) = handle else { return Ok((Clock::monotonic(), 0)) };
    let state: Arc<Shared<Arc<ManualClock>>> = host.clocks.state(handle as usize).ok_or_else(stale_handle)?;
    Ok((Clock::Manual(state.core.clone()), state.id))
}
