//! RateLimiter.

use std::{cell::RefCell, collections::HashMap, sync::Arc};

use breakwater_core::{
    bucket::{Limit, MAX_WAITERS, check_tokens},
    limiter::{
        Costs, DEFAULT_MAX_KEYS, Limiter, MAX_LIMITS, Options, Reservation, Reserve, Verdict, WhenFull,
        check_block_ms,
    },
    rng::Rng,
};
use napi::{Env, bindgen_prelude::Uint8Array};
use napi_derive::napi;

use crate::{
    bucket::{LimitOptions, max_wait, millis},
    clock::clock_of,
    error::{Result, invalid, name_conflict},
    fast::{Call, bind, bound},
    host::{Cell, Counter, Given, Host, Kind, Opened, Shared, Traits, find, host, join, private},
};

type LimiterCell = Cell<Limiter>;

/// The reservations of one environment's waiters, which go back when it ends.
#[derive(Default)]
pub(crate) struct Reservations {
    next: RefCell<u64>,
    live: RefCell<HashMap<u64, Waiting>>,
}

struct Waiting {
    state: Arc<Shared<Limiter>>,
    hash: u64,
    reservation: Reservation,
}

impl Waiting {
    fn cancel(&self) {
        self.state.core.cancel(&self.reservation);
        self.state.core.settle();
    }
}

impl Reservations {
    fn open(&self, state: Arc<Shared<Limiter>>, hash: u64, reservation: Reservation) -> u64 {
        let mut next = self.next.borrow_mut();
        *next += 1;
        self.live.borrow_mut().insert(*next, Waiting { state, hash, reservation });
        *next
    }

    /// How long the waiter still has to wait because its key was blocked meanwhile; settles it at 0.
    fn arrive(&self, ticket: u64) -> f64 {
        let mut live = self.live.borrow_mut();
        let Some(Waiting { state, hash, .. }) = live.get(&ticket) else { return 0.0 };
        let blocked = state.core.blocked(*hash);
        if blocked == 0 {
            state.core.settle();
            live.remove(&ticket);
        }
        millis(blocked)
    }

    fn cancel(&self, ticket: u64) {
        let waiting = self.live.borrow_mut().remove(&ticket);
        if let Some(waiting) = waiting {
            waiting.cancel();
        }
    }

    pub(crate) fn cancel_all(&self) {
        for (_, waiting) in self.live.borrow_mut().drain() {
            waiting.cancel();
        }
    }
}

/// The costs of a call: a number, or NaN for one a limit in the registers.
#[inline]
fn costs(host: &Host, cost: f64) -> Costs {
    // The facade has checked them: what is no whole number here passes no limit.
    let checked = |cost: f64| check_tokens("cost", cost).unwrap_or(u64::MAX);
    if cost.is_nan() {
        let each: [u64; MAX_LIMITS] = std::array::from_fn(|index| checked(host.get(index)));
        Costs::each(&each)
    } else {
        Costs::same(checked(cost))
    }
}

/// Where the figures of the first limit start in the registers.
const FIRST_LIMIT: usize = 2;
const REGISTERS_A_LIMIT: usize = 4;

/// Registers: the index of the deciding limit, the version of the limits, then limit, remaining, resetMs and retryAfterMs of each.
fn set_verdict(host: &Host, state: &Shared<Limiter>, verdict: &Verdict) {
    host.set(1, f64::from(state.limits_version()));
    host.set(0, verdict.deciding() as f64);
    for index in 0..verdict.len() {
        let limit = verdict.limit(index);
        let at = FIRST_LIMIT + REGISTERS_A_LIMIT * index;
        host.set(at, limit.limit as f64);
        host.set(at + 1, limit.remaining as f64);
        host.set(at + 2, millis(limit.reset));
        host.set(at + 3, limit.retry_after.map_or(f64::INFINITY, millis));
    }
}

/// Runs `body` with the hash of the key in argument 0. A number says what was wrong with the key: it was no string or too long.
#[inline]
fn with_hash<const N: usize, R>(
    cell: &LimiterCell,
    call: &Call<N>,
    body: impl FnOnce(&Shared<Limiter>, &crate::host::Tally, u64) -> R,
) -> Option<std::result::Result<R, f64>> {
    cell.with_state(|state, tally| {
        let hash = call.with_string(0, |key| state.core.hash(key)).ok_or(BAD_KEY)?;
        Ok(body(state, tally, hash))
    })
}

/// The answer to a key that is no string, or longer than 64 KiB.
const BAD_KEY: f64 = -1.0;

bound!(
    /// `pass(key)`: charges 1. Undefined once emptied, -1 for a bad key, as for all of these.
    pass,
    LimiterCell,
    1,
    |cell, call: Call<1>| with_hash(cell, &call, |state, tally, hash| {
        let allowed = state.core.pass(hash, &Costs::same(1));
        tally.count(allowed);
        allowed
    })
);

bound!(
    /// `passMany(key, cost)`.
    pass_many,
    LimiterCell,
    2,
    |cell, call: Call<2>| {
        let costs = costs(cell.host(), call.number(1));
        with_hash(cell, &call, |state, tally, hash| {
            let allowed = state.core.pass(hash, &costs);
            tally.count(allowed);
            allowed
        })
    }
);

bound!(
    /// `consume(key, cost)`: charges; the registers hold the verdict.
    consume,
    LimiterCell,
    2,
    |cell, call: Call<2>| {
        let costs = costs(cell.host(), call.number(1));
        with_hash(cell, &call, |state, tally, hash| {
            let verdict = state.core.charge(hash, &costs);
            tally.count(verdict.allowed);
            set_verdict(cell.host(), state, &verdict);
            verdict.allowed
        })
    }
);

bound!(
    /// `peek(key, cost)`: the same, charging nothing.
    peek,
    LimiterCell,
    2,
    |cell, call: Call<2>| {
        let costs = costs(cell.host(), call.number(1));
        with_hash(cell, &call, |state, _, hash| {
            let verdict = state.core.peek(hash, &costs);
            set_verdict(cell.host(), state, &verdict);
            verdict.allowed
        })
    }
);

bound!(
    /// `reserve(key, cost, maxWaitMs)`: 0 granted, 1 waiting (registers: arrive after ms, ticket), 2 refused (the verdict).
    reserve,
    LimiterCell,
    3,
    |cell, call: Call<3>| {
        let host = cell.host();
        let costs = costs(host, call.number(1));
        let most = max_wait(call.number(2));
        let reserved = with_hash(cell, &call, |state, tally, hash| {
            match state.core.reserve(hash, &costs, most) {
                Reserve::After(0, _) => {
                    tally.count(true);
                    state.core.settle();
                    (0.0, None)
                }
                Reserve::After(wait, reservation) => (1.0, Some((wait, hash, reservation))),
                Reserve::Refused(verdict) => {
                    tally.count(false);
                    set_verdict(host, state, &verdict);
                    (2.0, None)
                }
            }
        })?;
        Some(reserved.map(|(answer, waiting)| {
            if let (Some((wait, hash, reservation)), Some(state)) = (waiting, cell.state()) {
                host.set(0, millis(wait));
                host.set(1, host.reservations.open(state, hash, reservation) as f64);
            }
            answer
        }))
    }
);

bound!(
    /// `arrive(ticket)`: settles a waiter, or says for how many milliseconds its key is still blocked.
    arrive,
    LimiterCell,
    1,
    |cell, call: Call<1>| {
        let blocked = cell.host().reservations.arrive(call.number(0) as u64);
        if blocked == 0.0 {
            // Counted when it is granted, so that who gave up before counts nowhere.
            cell.with(|_, tally| tally.count(true));
        }
        blocked
    }
);

bound!(
    /// `cancel(ticket)`.
    cancel,
    LimiterCell,
    1,
    |cell, call: Call<1>| cell.host().reservations.cancel(call.number(0) as u64)
);

bound!(
    /// `refund(key, cost)`.
    refund,
    LimiterCell,
    2,
    |cell, call: Call<2>| {
        let costs = costs(cell.host(), call.number(1));
        with_hash(cell, &call, |state, _, hash| state.core.refund(hash, &costs)).map(|done| done.map(|()| true))
    }
);

bound!(
    /// `penalize(key, cost)`.
    penalize,
    LimiterCell,
    2,
    |cell, call: Call<2>| {
        let costs = costs(cell.host(), call.number(1));
        with_hash(cell, &call, |state, _, hash| state.core.penalize(hash, &costs)).map(|done| done.map(|()| true))
    }
);

bound!(
    /// `block(key, ms)`: -2 for a bad span.
    block,
    LimiterCell,
    2,
    |cell, call: Call<2>| {
        let span = check_block_ms(call.number(1));
        with_hash(cell, &call, |state, _, hash| match span {
            Ok(span) => {
                state.core.block(hash, span);
                0.0
            }
            Err(_) => -2.0,
        })
    }
);

bound!(
    /// `reset(key)`.
    reset,
    LimiterCell,
    1,
    |cell, call: Call<1>| {
        with_hash(cell, &call, |state, _, hash| state.core.reset(hash)).map(|done| done.map(|()| true))
    }
);

bound!(
    /// `size()`: keys that have a place.
    size,
    LimiterCell,
    0,
    |cell, _call: Call<0>| cell.with_state(|state, _| state.core.snapshot().size as f64)
);

bound!(
    /// `version()`: how often the limits were changed.
    version,
    LimiterCell,
    0,
    |cell, _call: Call<0>| cell.with_state(|state, _| f64::from(state.limits_version()))
);

/// RateLimiter's options as the facade passes them, types checked.
#[napi(object, object_to_js = false)]
pub struct LimiterOptions {
    /// 1 to 8 limits.
    pub limits: Vec<LimitOptions>,
    /// Live keys kept apart.
    pub max_keys: Option<f64>,
    /// `'admit'` or `'limit'`.
    pub when_full: Option<String>,
    /// How many may wait.
    pub max_waiters: Option<f64>,
    /// The name to share by.
    pub name: Option<String>,
    /// The handle of a manual clock.
    pub clock: Option<u32>,
    /// Refuses nothing.
    pub dry_run: bool,
}

/// The defaults of RateLimiter, for a test that compares them with the documentation.
#[napi(object, object_from_js = false)]
pub struct LimiterDefaults {
    /// `maxKeys`.
    pub max_keys: f64,
    /// `maxWaiters`.
    pub max_waiters: f64,
    /// `whenFull`.
    pub when_full: String,
}

/// The defaults in force.
#[napi(catch_unwind)]
pub fn limiter_defaults() -> LimiterDefaults {
    LimiterDefaults {
        max_keys: DEFAULT_MAX_KEYS as f64,
        max_waiters: MAX_WAITERS as f64,
        when_full: when_full_word(WhenFull::default()).to_owned(),
    }
}

fn when_full_word(when_full: WhenFull) -> &'static str {
    match when_full {
        WhenFull::Admit => "admit",
        WhenFull::Limit => "limit",
    }
}

/// Makes a limiter, or joins the one of this name.
#[napi(catch_unwind)]
pub fn open_limiter(env: Env, host_id: u32, options: LimiterOptions) -> Result<Opened> {
    let host = host(env, host_id)?;
    let limits: Vec<Limit> = options.limits.into_iter().map(Limit::from).collect();
    let when_full = match options.when_full.as_deref() {
        Some("limit") => WhenFull::Limit,
        _ => WhenFull::Admit,
    };
    let checked = Options {
        limits: limits.clone(),
        max_keys: options.max_keys,
        when_full,
        max_waiters: options.max_waiters,
    };
    let checked = checked.check().map_err(invalid)?;
    let (clock, clock_state) = clock_of(host, options.clock)?;
    // Its memory is only asked for here, and touched as keys come.
    let limiter = Limiter::new(&checked, clock, &mut Rng::from_entropy()).map_err(invalid)?;
    let traits = Traits { limits, dry_run: options.dry_run, clock: clock_state };
    let state = match &options.name {
        None => private(limiter, traits),
        Some(name) => {
            let labels: Vec<_> = traits.limits.iter().map(|limit| limit.label.as_deref()).collect();
            let given: Given = vec![
                ("limits", format!("{:?} {labels:?}", checked.rates)),
                ("maxKeys", checked.max_keys.to_string()),
                ("whenFull", when_full_word(when_full).to_owned()),
                ("maxWaiters", checked.max_waiters.to_string()),
                ("dryRun", options.dry_run.to_string()),
                ("clock", clock_state.to_string()),
            ];
            let state = join(Kind::Limiter, name, given, traits, || limiter).map_err(name_conflict)?;
            host.hold(Kind::Limiter, name);
            state
        }
    };
    Ok(opened(env, host, state))
}

/// Joins the limiter of this name if there is one.
#[napi(catch_unwind)]
pub fn find_limiter(env: Env, host_id: u32, name: String) -> Result<Option<Opened>> {
    let host = host(env, host_id)?;
    let Some(state) = find(Kind::Limiter, &name) else { return Ok(None) };
    host.hold(Kind::Limiter, &name);
    Ok(Some(opened(env, host, state)))
}

fn opened(env: Env, host: &Host, state: Arc<Shared<Limiter>>) -> Opened {
    let (id, dry_run, clock) = (state.id, state.dry_run, state.clock);
    host.weigh(own_bytes(&state));
    let (handle, cell) = host.limiters.open(host, state, None);
    let functions = bind(
        env,
        cell,
        &[
            (c"pass", pass()),
            (c"passMany", pass_many()),
            (c"consume", consume()),
            (c"peek", peek()),
            (c"reserve", reserve()),
            (c"arrive", arrive()),
            (c"cancel", cancel()),
            (c"refund", refund()),
            (c"penalize", penalize()),
            (c"block", block()),
            (c"reset", reset()),
            (c"size", size()),
            (c"version", version()),
        ],
    );
    Opened { handle: handle as u32, state: id, dry_run, clock, functions }
}

/// The bytes that are freed with the object: none where the table is shared by name.
pub(crate) fn own_bytes(state: &Shared<Limiter>) -> i64 {
    if state.name.is_none() { state.core.snapshot().bytes as i64 } else { 0 }
}

fn state_of(env: Env, host_id: u32, handle: u32) -> Result<Option<Arc<Shared<Limiter>>>> {
    Ok(host(env, host_id)?.limiters.state(handle as usize))
}

/// What a limiter's snapshot says.
#[napi(object, object_from_js = false)]
pub struct LimiterSnapshot {
    /// Keys that have a place.
    pub size: f64,
    /// Live keys that had to go.
    pub evicted: f64,
    /// Reservations that wait.
    pub waiting: f64,
    /// Bytes of the table.
    pub bytes: f64,
    /// Calls granted.
    pub allowed: f64,
    /// Calls refused.
    pub refused: f64,
}

/// The limiter's figures over all threads.
#[napi(catch_unwind)]
pub fn limiter_snapshot(env: Env, host_id: u32, handle: u32) -> Result<Option<LimiterSnapshot>> {
    let Some(state) = state_of(env, host_id, handle)? else { return Ok(None) };
    let snapshot = state.core.snapshot();
    Ok(Some(LimiterSnapshot {
        size: snapshot.size as f64,
        evicted: snapshot.evicted as f64,
        waiting: snapshot.waiting as f64,
        bytes: snapshot.bytes as f64,
        allowed: state.total(Counter::Allowed),
        refused: state.total(Counter::Refused),
    }))
}

/// A limit in force.
#[napi(object, object_from_js = false)]
pub struct LimitInForce {
    /// Its capacity.
    pub limit: f64,
    /// The time in which an empty bucket fills.
    pub window_ms: f64,
    /// What the user called it.
    pub label: Option<String>,
}

/// The limits in force, with the version that the registers name.
#[napi(object, object_from_js = false)]
pub struct LimitsInForce {
    /// How often they were changed.
    pub version: u32,
    /// In their order.
    pub limits: Vec<LimitInForce>,
}

/// The limits in force.
#[napi(catch_unwind)]
pub fn limiter_limits(env: Env, host_id: u32, handle: u32) -> Result<Option<LimitsInForce>> {
    let Some(state) = state_of(env, host_id, handle)? else { return Ok(None) };
    let (version, limits) = &*state.limits.lock();
    let in_force = |limit: &Limit| {
        let capacity = limit.limit.or(limit.capacity).unwrap_or(f64::NAN);
        let window = || capacity / limit.refill_per_second.unwrap_or(f64::NAN) * 1_000.0;
        LimitInForce {
            limit: capacity,
            window_ms: limit.window_ms.unwrap_or_else(window),
            label: limit.label.clone(),
        }
    };
    Ok(Some(LimitsInForce { version: *version, limits: limits.iter().map(in_force).collect() }))
}

/// New limits for all who share the limiter, as many as there were. False if it was disposed.
#[napi(catch_unwind)]
pub fn reconfigure_limiter(env: Env, host_id: u32, handle: u32, limits: Vec<LimitOptions>) -> Result<bool> {
    let Some(state) = state_of(env, host_id, handle)? else { return Ok(false) };
    let limits: Vec<Limit> = limits.into_iter().map(Limit::from).collect();
    let mut in_force = state.limits.lock();
    state.core.reconfigure(&limits).map_err(invalid)?;
    *in_force = (in_force.0.wrapping_add(1), limits);
    state.set_limits_version(in_force.0);
    Ok(true)
}

/// All live keys as bytes.
#[napi(catch_unwind)]
pub fn export_limiter(env: Env, host_id: u32, handle: u32) -> Result<Option<Uint8Array>> {
    Ok(state_of(env, host_id, handle)?.map(|state| state.core.export().into()))
}

/// Takes over exported keys: false if this limiter has counted already or has another shape.
#[napi(catch_unwind)]
pub fn restore_limiter(env: Env, host_id: u32, handle: u32, bytes: Uint8Array) -> Result<Option<bool>> {
    state_of(env, host_id, handle)?.map(|state| state.core.restore(&bytes).map_err(invalid)).transpose()
}
