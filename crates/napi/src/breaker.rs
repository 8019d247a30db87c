//! CircuitBreaker.

use std::sync::Arc;

use breakwater_core::{
    breaker::{
        Breaker, Change, DURATION_MS, FAILURE_RATE, HALF_OPEN_CALLS, MINIMUM_CALLS, Machine, OPEN_FACTOR,
        OPEN_JITTER, OPEN_MAX_MS, OPEN_MS, OpenOption, Options, Outcome, PROBE_LEASE_MS, Permit, Reason,
        SIZE, SLOW_CALL_RATE, State, Thresholds, Wait, WindowOption, check_open_ms,
    },
    rng::check_seed,
    room::EnvId,
};
use napi::Env;
use napi_derive::napi;

use crate::{
    bucket::millis,
    clock::clock_of,
    error::{Result, invalid, name_conflict},
    export::{exported, restored},
    fast::{Call, bind, bound},
    host::{Cell, Counter, Host, Kind, Observed, Opened, Shared, Tally, Traits, find, host, join, private},
};

type BreakerCell = Cell<Observed<Breaker>>;

/// Tells the other environments if the state has changed since they were told last.
pub(crate) fn tell(here: EnvId, state: &Shared<Observed<Breaker>>) {
    state.core.listeners.tell(here, state.id, state.core.generation());
}

/// The answer of `enter` to a call that is refused.
const REFUSED: f64 = 0.0;

/// A permit as a number: below 0 a probe; above, twice the generation and one if the call is timed. The least one is 2.
#[inline]
fn token_of(host: &Host, permit: Permit) -> f64 {
    match permit {
        Permit::Probe(serial) => -(serial as f64),
        Permit::Counted { generation, since } => {
            if let Some(since) = since {
                host.set(0, since as f64);
            }
            (2 * (generation + 1) + u64::from(since.is_some())) as f64
        }
    }
}

/// The permit that `token` and, for a timed one, `since` stand for.
#[inline]
fn permit_of(token: f64, since: f64) -> Permit {
    if token < 0.0 {
        return Permit::Probe(-token as u64);
    }
    let word = token as u64;
    let since = if word & 1 == 1 { Some(since as u64) } else { None };
    Permit::Counted { generation: (word / 2).saturating_sub(1), since }
}

bound!(
    /// `enter()`: a token, or 0 if refused: then the registers say the state and the milliseconds until a call may pass, -1 if
    /// nobody knows. An odd token is timed: register 0 says since when. Undefined once disposed.
    enter,
    BreakerCell,
    0,
    |cell, _call: Call<0>| {
        let host = cell.host();
        cell.with_live(|state, tally| match state.core.enter(host.id) {
            None => {
                tally.add(Counter::Refused);
                let (met, wait) = state.core.refusal();
                host.set(0, number_of(met));
                host.set(1, millis_of(wait));
                REFUSED
            }
            Some(permit) => {
                if let Permit::Probe(_) = permit {
                    tell(host.id, state);
                }
                token_of(host, permit)
            }
        })
    }
);

bound!(
    /// `succeed()`: the success of the token that `ask` foretold last.
    succeed,
    BreakerCell,
    0,
    |cell, _call: Call<0>| leave(cell, cell.told.get() as f64, f64::NAN, Outcome::Success)
);

/// Leaves: whether the state has changed.
#[inline]
fn leave(cell: &BreakerCell, token: f64, since: f64, outcome: Outcome) -> Option<bool> {
    cell.with_state(|state, tally: &Tally| {
        tally.add(match outcome {
            Outcome::Success => Counter::Succeeded,
            Outcome::Failure | Outcome::OpenFor(_) => Counter::Failed,
            Outcome::Ignore => Counter::Ignored,
        });
        let changed = state.core.leave(permit_of(token, since), outcome, || cell.chance());
        if changed {
            tell(cell.host().id, state);
        }
        changed
    })
}

bound!(
    /// `settle(token)`: a success, or with half a token more (below 0: less) a failure, which must not cost more than a success.
    /// Whether the state has changed, as for all that leave.
    settle,
    BreakerCell,
    1,
    |cell, call: Call<1>| {
        let token = call.number(0);
        let outcome = if token.fract() == 0.0 { Outcome::Success } else { Outcome::Failure };
        leave(cell, token.trunc(), f64::NAN, outcome)
    }
);

bound!(
    /// `leave(token, since, verdict)`: -3 ignore, -2 success, -1 failure, else a failure that opens for so many milliseconds.
    leave_timed,
    BreakerCell,
    3,
    |cell, call: Call<3>| {
        let verdict = call.number(2);
        let outcome = if verdict == -3.0 {
            Outcome::Ignore
        } else if verdict == -2.0 {
            Outcome::Success
        } else if verdict < 0.0 {
            Outcome::Failure
        } else {
            check_open_ms("openMs", verdict).map_or(Outcome::Failure, Outcome::OpenFor)
        };
        leave(cell, call.number(0), call.number(1), outcome)
    }
);

bound!(
    /// `ask(what, a, b)`: everything that is not hot, as one function: each function takes memory for each breaker.
    ask,
    BreakerCell,
    3,
    |cell, call: Call<3>| {
        let (first, second) = (call.number(1), call.number(2));
        match call.number(0) as u32 {
            0 => foretell(cell),
            1 => cell.with_live(|state, _| number_of(state.core.state())),
            2 => cell.with_live(|state, _| millis_of(state.core.wait())),
            3 => overlay(cell, first != 0.0, second != 0.0),
            4 => changing(cell, |breaker| breaker.force_open(check_open_ms("ms", first).ok())),
            5 => changing(cell, Breaker::reset),
            6 => cell.with_state(|state, _| state.core.generation() as f64),
            7 => cell.with_state(|state, _| tell_changes(cell.host(), state, first as u64)),
            _ => None,
        }
    }
);

/// The token that `enter` would give to every call as long as nothing changes, which `succeed` is of from now on; 0 where it cannot
/// be foretold.
fn foretell(cell: &BreakerCell) -> Option<f64> {
    cell.with_live(|state, _| {
        let token = state.core.closed().map_or(REFUSED, |permit| token_of(cell.host(), permit));
        cell.told.set(token as u64);
        token
    })
}

/// Begins or ends an isolation or else a disabling on behalf of this thread.
fn overlay(cell: &BreakerCell, isolate: bool, begin: bool) -> Option<f64> {
    cell.state().map(|state| {
        let host = cell.host();
        if begin {
            host.overlays.begin(&state, isolate);
        } else {
            host.overlays.end(&state, isolate);
        }
        tell(host.id, &state);
        0.0
    })
}

fn changing(cell: &BreakerCell, change: impl FnOnce(&Breaker) -> bool) -> Option<f64> {
    cell.with_live(|state, _| {
        change(&state.core);
        tell(cell.host().id, state);
        0.0
    })
}

/// Changes that one call reads: five registers each.
const CHANGES: usize = 25;
const REGISTERS_A_CHANGE: usize = 5;

/// How many changes after `since` are in the registers now (generation, from, to, reason, milliseconds until a call may pass),
/// oldest first: to be asked again from the last one until there are none.
fn tell_changes(host: &Host, state: &Shared<Observed<Breaker>>, since: u64) -> f64 {
    let changes = state.core.changes_since(since);
    let changes: &[Change] = &changes[..changes.len().min(CHANGES)];
    for (index, change) in changes.iter().enumerate() {
        let figures = [
            change.generation as f64,
            number_of(change.from),
            number_of(change.to),
            reason_of(change.reason),
            millis_of(change.wait),
        ];
        for (offset, figure) in figures.into_iter().enumerate() {
            host.set(index * REGISTERS_A_CHANGE + offset, figure);
        }
    }
    changes.len() as f64
}

/// The order of the facade's list of states.
fn number_of(state: State) -> f64 {
    match state {
        State::Machine(Machine::Closed) => 0.0,
        State::Machine(Machine::Open) => 1.0,
        State::Machine(Machine::HalfOpen) => 2.0,
        State::Isolated => 3.0,
        State::Disabled => 4.0,
    }
}

/// The order of the facade's list of reasons, which is the core's.
fn reason_of(reason: Reason) -> f64 {
    f64::from(reason as u8)
}

fn millis_of(wait: Wait) -> f64 {
    match wait {
        Wait::For(span) => millis(span),
        Wait::Unknown => -1.0,
    }
}

/// `window` as the facade passes it.
#[napi(object, object_to_js = false)]
pub struct WindowOptions {
    /// `'time'` or `'count'`.
    pub kind: String,
    /// Milliseconds.
    pub duration_ms: Option<f64>,
    /// Calls.
    pub size: Option<f64>,
}

/// `openMs` as the facade passes it: `constant`, or the others.
#[napi(object, object_to_js = false)]
pub struct OpenMsOptions {
    /// Milliseconds, for every break.
    pub constant: Option<f64>,
    /// Milliseconds, for the first break.
    pub initial_ms: Option<f64>,
    /// How many times as long the next one is.
    pub factor: Option<f64>,
    /// Milliseconds, for the longest.
    pub max_ms: Option<f64>,
    /// A share.
    pub jitter: Option<f64>,
}

/// What may be reconfigured.
#[napi(object, object_to_js = false)]
pub struct ThresholdOptions {
    /// A share of calls; 0 for no such rule.
    pub failure_rate_threshold: Option<f64>,
    /// Whether there is no such rule.
    pub no_failure_rate: bool,
    /// Calls.
    pub minimum_calls: Option<f64>,
    /// Calls.
    pub consecutive_failures: Option<f64>,
    /// Milliseconds.
    pub slow_call_ms: Option<f64>,
    /// A share of calls.
    pub slow_call_rate_threshold: Option<f64>,
    /// How long breaks last.
    pub open_ms: Option<OpenMsOptions>,
    /// Milliseconds.
    pub probe_lease_ms: Option<f64>,
}

impl From<ThresholdOptions> for Thresholds {
    fn from(options: ThresholdOptions) -> Self {
        let rate = options.failure_rate_threshold;
        Self {
            failure_rate_threshold: if options.no_failure_rate { Some(None) } else { rate.map(Some) },
            minimum_calls: options.minimum_calls,
            consecutive_failures: options.consecutive_failures,
            slow_call_ms: options.slow_call_ms,
            slow_call_rate_threshold: options.slow_call_rate_threshold,
            open_ms: options.open_ms.map(|open| match open.constant {
                Some(ms) => OpenOption::Constant(ms),
                None => OpenOption::Growing {
                    initial_ms: open.initial_ms,
                    factor: open.factor,
                    max_ms: open.max_ms,
                    jitter: open.jitter,
                },
            }),
            probe_lease_ms: options.probe_lease_ms,
        }
    }
}

/// CircuitBreaker's options as the facade passes them, types checked.
#[napi(object, object_to_js = false)]
pub struct BreakerOptions {
    /// Over what calls are counted.
    pub window: Option<WindowOptions>,
    /// Probes.
    pub half_open_calls: Option<f64>,
    /// The thresholds.
    pub thresholds: ThresholdOptions,
    /// For the jitter of breaks.
    pub seed: Option<f64>,
    /// The name to share by.
    pub name: Option<String>,
    /// The handle of a manual clock.
    pub clock: Option<u32>,
    /// Refuses nothing.
    pub dry_run: bool,
}

/// The defaults of CircuitBreaker, for a test that compares them with the documentation.
#[napi(object, object_from_js = false)]
pub struct BreakerDefaults {
    /// `window.durationMs`.
    pub duration_ms: f64,
    /// `window.size`.
    pub size: f64,
    /// `failureRateThreshold`.
    pub failure_rate_threshold: f64,
    /// `minimumCalls`.
    pub minimum_calls: f64,
    /// `slowCallRateThreshold`.
    pub slow_call_rate_threshold: f64,
    /// `openMs`.
    pub open_ms: f64,
    /// `openMs.initialMs`.
    pub initial_ms: f64,
    /// `openMs.factor`.
    pub factor: f64,
    /// `openMs.maxMs`.
    pub max_ms: f64,
    /// `openMs.jitter`.
    pub jitter: f64,
    /// `halfOpenCalls`.
    pub half_open_calls: f64,
    /// `probeLeaseMs`.
    pub probe_lease_ms: f64,
}

/// The defaults in force.
#[napi(catch_unwind)]
pub fn breaker_defaults() -> BreakerDefaults {
    BreakerDefaults {
        duration_ms: DURATION_MS,
        size: SIZE as f64,
        failure_rate_threshold: FAILURE_RATE,
        minimum_calls: MINIMUM_CALLS as f64,
        slow_call_rate_threshold: SLOW_CALL_RATE,
        open_ms: OPEN_MS,
        initial_ms: OPEN_MS,
        factor: OPEN_FACTOR,
        max_ms: OPEN_MAX_MS,
        jitter: OPEN_JITTER,
        half_open_calls: HALF_OPEN_CALLS as f64,
        probe_lease_ms: PROBE_LEASE_MS,
    }
}

/// Makes a breaker, or joins the one of this name.
#[napi(catch_unwind)]
pub fn open_breaker(env: Env, host_id: u32, options: BreakerOptions) -> Result<Opened> {
    let host = host(env, host_id)?;
    let window = options.window.map(|window| match window.kind.as_str() {
        "count" => WindowOption::Count { size: window.size },
        _ => WindowOption::Time { duration_ms: window.duration_ms },
    });
    let thresholds = options.thresholds.into();
    let checked =
        Options { window, half_open_calls: options.half_open_calls, thresholds }.check().map_err(invalid)?;
    let seed = options.seed.map(check_seed).transpose().map_err(invalid)?;
    let (clock, clock_state) = clock_of(host, options.clock)?;
    let make = || Observed::new(Breaker::new(&checked, clock));
    let traits = Traits { limits: Vec::new(), dry_run: options.dry_run, clock: clock_state };
    let state = match &options.name {
        None => private(make(), traits),
        Some(name) => {
            let rules = &checked.rules;
            let given = vec![
                ("window", format!("{:?}", checked.span)),
                ("failureRateThreshold", format!("{:?}", rules.failure_rate)),
                ("minimumCalls", rules.minimum_calls.to_string()),
                ("consecutiveFailures", format!("{:?}", rules.consecutive)),
                ("slowCallMs", format!("{:?}", rules.slow_call)),
                ("slowCallRateThreshold", rules.slow_rate.to_string()),
                ("openMs", format!("{:?}", rules.open)),
                ("halfOpenCalls", checked.probes.to_string()),
                ("probeLeaseMs", rules.lease.to_string()),
                ("dryRun", options.dry_run.to_string()),
                ("clock", clock_state.to_string()),
            ];
            let state = join(Kind::Breaker, name, given, traits, make).map_err(name_conflict)?;
            host.hold(Kind::Breaker, name);
            state
        }
    };
    Ok(opened(env, host, state, seed))
}

/// Joins the breaker of this name if there is one.
#[napi(catch_unwind)]
pub fn find_breaker(env: Env, host_id: u32, name: String) -> Result<Option<Opened>> {
    let host = host(env, host_id)?;
    let Some(state) = find(Kind::Breaker, &name) else { return Ok(None) };
    host.hold(Kind::Breaker, &name);
    Ok(Some(opened(env, host, state, None)))
}

fn opened(env: Env, host: &Host, state: Arc<Shared<Observed<Breaker>>>, seed: Option<u64>) -> Opened {
    let (id, dry_run, clock) = (state.id, state.dry_run, state.clock);
    let (handle, cell) = host.breakers.open(host, state, seed);
    let functions = bind(
        env,
        cell,
        &[
            (c"enter", enter()),
            (c"succeed", succeed()),
            (c"settle", settle()),
            (c"leave", leave_timed()),
            (c"ask", ask()),
        ],
    );
    Opened { handle: handle as u32, state: id, dry_run, clock, functions }
}

/// This thread wants to be told of changes, or no more.
#[napi(catch_unwind)]
pub fn listen_breaker(env: Env, host_id: u32, handle: u32, on: bool) -> Result<bool> {
    let host = host(env, host_id)?;
    let Some(state) = host.breakers.live(handle as usize) else { return Ok(false) };
    state.core.listeners.set(host.id, on);
    Ok(true)
}

/// What a breaker's snapshot says; rates are absent where there are too few calls.
#[napi(object, object_from_js = false)]
pub struct BreakerSnapshot {
    /// What the next call would meet.
    pub state: u32,
    /// How often the state has changed.
    pub generation: f64,
    /// Breaks without a recovery between.
    pub breaks: f64,
    /// Milliseconds until a call may pass, -1 if nobody knows.
    pub retry_after_ms: f64,
    /// Calls in the window, or probes that answered.
    pub calls: f64,
    /// Failures among them.
    pub failures: f64,
    /// Slow ones among them.
    pub slow_calls: f64,
    /// Whether there are calls enough for a rate.
    pub enough: bool,
    /// Probes that are out.
    pub probes: f64,
    /// Calls refused.
    pub refused: f64,
    /// Calls that succeeded.
    pub succeeded: f64,
    /// Calls that failed.
    pub failed: f64,
    /// Calls that said nothing about the dependency.
    pub ignored: f64,
}

/// The breaker's figures over all threads.
#[napi(catch_unwind)]
pub fn breaker_snapshot(env: Env, host_id: u32, handle: u32) -> Result<Option<BreakerSnapshot>> {
    let Some(state) = host(env, host_id)?.breakers.live(handle as usize) else { return Ok(None) };
    let figures = state.core.figures();
    Ok(Some(BreakerSnapshot {
        state: number_of(figures.state) as u32,
        generation: figures.generation as f64,
        breaks: figures.breaks as f64,
        retry_after_ms: millis_of(figures.wait),
        calls: figures.counts.calls as f64,
        failures: figures.counts.failures as f64,
        slow_calls: figures.counts.slow as f64,
        enough: figures.enough,
        probes: figures.probes as f64,
        refused: state.total(Counter::Refused),
        succeeded: state.total(Counter::Succeeded),
        failed: state.total(Counter::Failed),
        ignored: state.total(Counter::Ignored),
    }))
}

/// New thresholds for all who share the breaker; what is not given stays. False if it was disposed.
#[napi(catch_unwind)]
pub fn reconfigure_breaker(
    env: Env,
    host_id: u32,
    handle: u32,
    thresholds: ThresholdOptions,
) -> Result<bool> {
    let Some(state) = host(env, host_id)?.breakers.live(handle as usize) else { return Ok(false) };
    state.core.reconfigure(&thresholds.into()).map_err(invalid)?;
    Ok(true)
}

/// The breaker's state as JSON.
#[napi(catch_unwind)]
pub fn export_breaker(env: Env, host_id: u32, handle: u32) -> Result<Option<String>> {
    Ok(host(env, host_id)?.breakers.live(handle as usize).map(|state| exported(&state.core.export())))
}

/// Goes on from an export: false if the breaker was used before or has another window. None if it was disposed.
#[napi(catch_unwind)]
pub fn restore_breaker(env: Env, host_id: u32, handle: u32, json: String) -> Result<Option<bool>> {
    let host = host(env, host_id)?;
    let Some(state) = host.breakers.live(handle as usize) else { return Ok(None) };
    let (export, elapsed) = restored(&json).map_err(invalid)?;
    let restored = state.core.restore(&export, elapsed);
    tell(host.id, &state);
    Ok(Some(restored))
}
