//! Bulkhead.

use std::{collections::HashMap, sync::Arc};

use breakwater_core::{
    bulkhead::{
        Bulkhead, Change, CodelOptions, Concurrency, DEFAULT_INITIAL, DEFAULT_INTERVAL_MS, DEFAULT_MAX,
        DEFAULT_MAX_QUEUE, DEFAULT_MIN, DEFAULT_PRIORITY, DEFAULT_TARGET_MS, Freed, Options, Outcome, Range,
        Wait, Wanted, check_priority, check_queue_timeout, check_weight,
    },
    room::{EnvId, Ticket, Woken},
};
use napi::Env;
use napi_derive::napi;

use crate::{
    bucket::millis,
    clock::clock_of,
    error::{Result, invalid, name_conflict},
    fast::{Call, bind, bound},
    host::{
        Cell, Counter, Host, Kind, Observed, Opened, Shared, Tally, Traits, Waits, deliver, find, host, join,
        private,
    },
};

type BulkheadCell = Cell<Observed<Bulkhead>>;

impl Waits for Shared<Observed<Bulkhead>> {
    fn id(&self) -> u32 {
        self.id
    }

    /// The facade claims, by the object that waits: permits are counted to it.
    fn claim(&self, _ticket: Ticket) -> bool {
        true
    }

    /// Asked where the environment of an offer is gone, and its offers with it.
    fn cancel(&self, ticket: Ticket) -> Woken {
        self.core.cancel(0, ticket)
    }

    fn env_gone(&self, env: EnvId) -> Woken {
        self.core.env_gone(env, 0)
    }
}

/// Wakes other callers; answers whether there were any.
fn wake(cell: &BulkheadCell, woken: Woken) -> bool {
    if woken.is_empty() {
        return false;
    }
    if let Some(state) = cell.state() {
        let waits: Arc<dyn Waits> = state;
        deliver(&waits, woken);
    }
    true
}

/// Enters with `weight`: whether it got in.
#[inline]
fn enter_with(cell: &BulkheadCell, weight: u32, priority: u8) -> Option<bool> {
    let (entered, woken) = cell.with_live(|state, tally| {
        let (entered, woken) = state.core.enter(cell.host().id, weight, priority);
        if entered {
            cell.held.set(cell.held.get() + weight);
            tally.add(Counter::Allowed);
        }
        (entered, woken)
    })?;
    wake(cell, woken);
    Some(entered)
}

fn weight_of(call: &Call<2>) -> u32 {
    check_weight(call.number(0)).unwrap_or(u32::MAX)
}

bound!(
    /// `enterMany(weight, priority)`: 0 refused, else 1; where calls are timed, since when plus 1. Undefined once disposed, as for all
    /// that let in.
    enter_many,
    BulkheadCell,
    2,
    |cell, call: Call<2>| {
        let priority = check_priority(call.number(1)).unwrap_or(DEFAULT_PRIORITY);
        let entered = enter_with(cell, weight_of(&call), priority)?;
        if entered { began(cell) } else { Some(0.0) }
    }
);

/// When a call that is let in now has begun, plus 1; 1 where calls are not timed.
fn began(cell: &BulkheadCell) -> Option<f64> {
    cell.with_state(|state, _| if state.core.is_timed() { state.core.now() as f64 + 1.0 } else { 1.0 })
}

bound!(
    /// `wait(weight, priority, timeoutMs, key)`: 0 granted, -1 full, else a ticket (registers: after how many milliseconds it gives
    /// up, whether there is mail).
    /// A timeout of NaN is the bulkhead's own.
    wait,
    BulkheadCell,
    4,
    |cell, call: Call<4>| {
        let weight = check_weight(call.number(0)).unwrap_or(u32::MAX);
        let priority = check_priority(call.number(1)).unwrap_or(DEFAULT_PRIORITY);
        let timeout = call.number(2);
        let own = if timeout.is_nan() { None } else { check_queue_timeout(timeout).ok() };
        // A timeout of Infinity outlasts the bulkhead's own.
        let timeout = own.map(|timeout| timeout.unwrap_or(u64::MAX));
        let wait = |key: &[u8]| wait_for(cell, &Wanted { weight, priority, key, timeout });
        call.with_string(3, wait).unwrap_or_else(|| wait(b""))
    }
);

#[inline]
fn wait_for(cell: &BulkheadCell, wanted: &Wanted<'_>) -> Option<f64> {
    let host = cell.host();
    let (answer, woken) = cell.with_live(|state, tally| {
        let (answer, woken) = state.core.wait(host.id, wanted);
        if answer == Wait::Granted {
            cell.held.set(cell.held.get() + wanted.weight);
            tally.add(Counter::Allowed);
        }
        (answer, woken)
    })?;
    let mail = wake(cell, woken);
    Some(match answer {
        Wait::Granted => 0.0,
        Wait::Full => -1.0,
        Wait::Waiting { ticket, timeout } => {
            host.set(0, timeout.filter(|timeout| *timeout < u64::MAX).map_or(f64::INFINITY, millis));
            host.set(1, f64::from(u8::from(mail)));
            ticket as f64
        }
    })
}

bound!(
    /// `enterOrWait()`: `wait` for one permit, of the default priority, with the bulkhead's own timeout.
    enter_or_wait,
    BulkheadCell,
    0,
    |cell, _call: Call<0>| {
        let wanted = Wanted { weight: 1, priority: DEFAULT_PRIORITY, key: b"", timeout: None };
        wait_for(cell, &wanted)
    }
);

/// Notes what was given back and who goes on: 0 nobody, -1 there is mail, above 0 the ticket that goes on, below -1 both.
fn freed(cell: &BulkheadCell, weight: u32, freed: Freed) -> f64 {
    let next = freed.next.map_or(0, |next| next.weight);
    cell.held.set(cell.held.get().saturating_sub(weight) + next);
    if freed.next.is_some() {
        cell.with_state(|_, tally| tally.add(Counter::Allowed));
    }
    let mail = wake(cell, freed.woken);
    match (freed.next, mail) {
        (None, false) => 0.0,
        (None, true) => -1.0,
        (Some(next), false) => next.ticket as f64,
        (Some(next), true) => -(next.ticket as f64),
    }
}

bound!(
    /// `leave()`: gives one permit back; see [`freed`]. Also after `dispose`, as for all that give back.
    leave,
    BulkheadCell,
    0,
    |cell, _call: Call<0>| {
        let given = cell.with_state(|state, _| state.core.leave(cell.host().id, 1))?;
        Some(freed(cell, 1, given))
    }
);

bound!(
    /// `leaveMany(weight, began, outcome)`: the same for more than one, and for a timed call with how it ended: 0 success, 1 dropped,
    /// 2 ignored. Register: whether the limit has changed.
    leave_many,
    BulkheadCell,
    3,
    |cell, call: Call<3>| {
        let host = cell.host();
        let weight = check_weight(call.number(0)).unwrap_or(0);
        let (given, changed) = cell.with_state(|state, _| {
            if !state.core.is_timed() {
                return (state.core.leave(host.id, weight), false);
            }
            let outcome = match call.number(2) {
                0.0 => Outcome::Success,
                1.0 => Outcome::Dropped,
                _ => Outcome::Ignored,
            };
            let (given, changed) = state.core.leave_timed(host.id, weight, (call.number(1) - 1.0) as u64, outcome);
            if changed {
                tell(host, state);
            }
            (given, changed)
        })?;
        let answer = freed(cell, weight, given);
        host.set(0, f64::from(u8::from(changed)));
        Some(answer)
    }
);

fn tell(host: &Host, state: &Shared<Observed<Bulkhead>>) {
    state.core.listeners.tell(host.id, state.id, state.core.generation());
}

bound!(
    /// `claim(ticket)`: takes what a waiter was offered: whether there was anything.
    claim,
    BulkheadCell,
    1,
    |cell, call: Call<1>| {
        let (claimed, woken) = cell.with_state(|state, tally| {
            let (claimed, woken) = state.core.claim(cell.host().id, call.number(0) as Ticket);
            if let Some(weight) = claimed {
                cell.held.set(cell.held.get() + weight);
                tally.add(Counter::Allowed);
            }
            (claimed, woken)
        })?;
        wake(cell, woken);
        Some(claimed.is_some())
    }
);

bound!(
    /// `cancel(ticket)`: a waiter gives up.
    cancel,
    BulkheadCell,
    1,
    |cell, call: Call<1>| {
        let woken =
            cell.with_state(|state, _| state.core.cancel(cell.host().id, call.number(0) as Ticket))?;
        Some(wake(cell, woken))
    }
);

/// How many registers a change takes.
const REGISTERS_A_CHANGE: usize = 3;

/// How many changes are told at once.
const CHANGES: usize = 16;

bound!(
    /// `ask(what, first, second)`: 0 the limit, 1 permits in use, 2 calls that wait, 3 milliseconds the first of them has waited,
    /// 4 how often the limit has changed, 5 how many changes after `first` are in the registers (number, from, to of each), 6 counts a
    /// refusal (or with `first` 1 one for having waited too long), 7 hands the permits (`first`) of a waiter that goes on over to the
    /// object with the handle `second`, 8 when a call that goes on now begins plus 1 or, where calls are not
    /// timed, 0, 9 (`first` 1 or 0) listens to changes or not, 10 looks for
    /// permits that nobody has claimed: whether there is mail.
    ask,
    BulkheadCell,
    3,
    |cell, call: Call<3>| {
        let first = call.number(1);
        if call.number(0) == 10.0 {
            let woken = cell.with_state(|state, _| state.core.look_around(cell.host().id))?;
            return Some(f64::from(u8::from(wake(cell, woken))));
        }
        cell.with_state(|state, tally: &Tally| {
            let host = cell.host();
            match call.number(0) as u32 {
                0 => state.core.limit().into(),
                1 => state.core.active().into(),
                2 => state.core.queued() as f64,
                3 => millis(state.core.queue_delay()),
                4 => state.core.generation() as f64,
                5 => tell_changes(host, state, first as u64),
                6 => {
                    tally.add(if first == 1.0 { Counter::TimedOut } else { Counter::Refused });
                    0.0
                }
                7 => {
                    let weight = first as u32;
                    cell.held.set(cell.held.get().saturating_sub(weight));
                    host.bulkheads.hold(call.number(2) as usize, weight);
                    0.0
                }
                8 if state.core.is_timed() => state.core.now() as f64 + 1.0,
                8 => 0.0,
                _ => {
                    state.core.listeners.set(host.id, first == 1.0);
                    0.0
                }
            }
        })
    }
);

fn tell_changes(host: &Host, state: &Shared<Observed<Bulkhead>>, since: u64) -> f64 {
    let changes = state.core.changes_since(since);
    let changes = &changes[..changes.len().min(CHANGES)];
    for (index, change) in changes.iter().enumerate() {
        let figures = [change.generation as f64, change.from.into(), change.to.into()];
        for (offset, figure) in figures.into_iter().enumerate() {
            host.set(index * REGISTERS_A_CHANGE + offset, figure);
        }
    }
    changes.len() as f64
}

/// `maxConcurrent` as the facade passes it, types checked.
#[napi(object, object_to_js = false)]
pub struct ConcurrencyOptions {
    /// `aimd` or `gradient`; absent where it is fixed.
    pub kind: Option<String>,
    /// Permits.
    pub limit: Option<f64>,
    /// The least an adaptive limit may be.
    pub min: Option<f64>,
    /// The most it may be.
    pub max: Option<f64>,
    /// What it is at first.
    pub initial: Option<f64>,
}

impl From<&ConcurrencyOptions> for Concurrency {
    fn from(options: &ConcurrencyOptions) -> Self {
        let range = Range { min: options.min, max: options.max, initial: options.initial };
        match options.kind.as_deref() {
            Some("aimd") => Self::Aimd(range),
            Some(_) => Self::Gradient(range),
            None => Self::Fixed(options.limit.unwrap_or(f64::NAN)),
        }
    }
}

/// `codel` as the facade passes it, types checked.
#[napi(object, object_to_js = false)]
pub struct CodelRule {
    /// Milliseconds.
    pub target_ms: Option<f64>,
    /// Milliseconds.
    pub interval_ms: Option<f64>,
    /// Newest first while the line stands.
    pub adaptive_lifo: bool,
}

/// Bulkhead's options as the facade passes them, types checked.
#[napi(object, object_to_js = false)]
pub struct BulkheadOptions {
    /// How many may run at once.
    pub max_concurrent: ConcurrencyOptions,
    /// How many may wait.
    pub max_queue: Option<f64>,
    /// Milliseconds.
    pub queue_timeout_ms: Option<f64>,
    /// Whether the facade decides in its place, and needs no functions.
    pub local: bool,
    /// Who is served first.
    pub order: Option<String>,
    /// What keys or priorities have to themselves.
    pub shares: Option<HashMap<String, f64>>,
    /// What is done about a line that stands.
    pub codel: Option<CodelRule>,
    /// The name to share by.
    pub name: Option<String>,
    /// The handle of a manual clock.
    pub clock: Option<u32>,
    /// Refuses nothing.
    pub dry_run: bool,
}

/// The defaults of Bulkhead, for a test that compares them with the documentation.
#[napi(object, object_from_js = false)]
pub struct BulkheadDefaults {
    /// `maxQueue`.
    pub max_queue: u32,
    /// `maxConcurrent.min`.
    pub min: u32,
    /// `maxConcurrent.max`.
    pub max: u32,
    /// `maxConcurrent.initial`.
    pub initial: u32,
    /// `codel.targetMs`.
    pub target_ms: f64,
    /// `codel.intervalMs`.
    pub interval_ms: f64,
    /// `order`.
    pub order: String,
    /// The weight of a call.
    pub weight: u32,
    /// Its priority.
    pub priority: u32,
}

/// The defaults in force.
#[napi(catch_unwind)]
pub fn bulkhead_defaults() -> BulkheadDefaults {
    BulkheadDefaults {
        max_queue: DEFAULT_MAX_QUEUE,
        min: DEFAULT_MIN,
        max: DEFAULT_MAX,
        initial: DEFAULT_INITIAL,
        target_ms: DEFAULT_TARGET_MS,
        interval_ms: DEFAULT_INTERVAL_MS,
        order: "fifo".to_owned(),
        weight: 1,
        priority: DEFAULT_PRIORITY.into(),
    }
}

/// Makes a bulkhead, or joins the one of this name.
#[napi(catch_unwind)]
pub fn open_bulkhead(env: Env, host_id: u32, options: BulkheadOptions) -> Result<Opened> {
    let host = host(env, host_id)?;
    let mut shares: Vec<(String, f64)> = options.shares.unwrap_or_default().into_iter().collect();
    shares.sort_by(|one, other| one.0.cmp(&other.0));
    let asked = Options {
        concurrency: (&options.max_concurrent).into(),
        max_queue: options.max_queue,
        queue_timeout_ms: options.queue_timeout_ms,
        order: options.order,
        shares,
        codel: options.codel.map(|codel| CodelOptions {
            target_ms: codel.target_ms,
            interval_ms: codel.interval_ms,
            adaptive_lifo: codel.adaptive_lifo,
        }),
    };
    let rules = asked.check().map_err(invalid)?;
    let (clock, clock_state) = clock_of(host, options.clock)?;
    let traits = Traits { limits: Vec::new(), dry_run: options.dry_run, clock: clock_state };
    let make = |rules| Observed::new(Bulkhead::new(rules, clock));
    let state = match &options.name {
        None => private(make(rules), traits),
        Some(name) => {
            let mut given = rules.given();
            given.push(("dryRun", options.dry_run.to_string()));
            given.push(("clock", clock_state.to_string()));
            let state = join(Kind::Bulkhead, name, given, traits, || make(rules)).map_err(name_conflict)?;
            host.hold(Kind::Bulkhead, name);
            state
        }
    };
    Ok(opened(env, host, state, options.local))
}

/// Joins the bulkhead of this name if there is one.
#[napi(catch_unwind)]
pub fn find_bulkhead(env: Env, host_id: u32, name: String) -> Result<Option<Opened>> {
    let host = host(env, host_id)?;
    let Some(state) = find(Kind::Bulkhead, &name) else { return Ok(None) };
    host.hold(Kind::Bulkhead, &name);
    Ok(Some(opened(env, host, state, false)))
}

fn opened(env: Env, host: &Host, state: Arc<Shared<Observed<Bulkhead>>>, local: bool) -> Opened {
    let (id, dry_run, clock) = (state.id, state.dry_run, state.clock);
    let (handle, cell) = host.bulkheads.open(host, state, None);
    let functions = [
        (c"enterMany", enter_many()),
        (c"wait", wait()),
        (c"enterOrWait", enter_or_wait()),
        (c"leave", leave()),
        (c"leaveMany", leave_many()),
        (c"claim", claim()),
        (c"cancel", cancel()),
        (c"ask", ask()),
    ];
    let functions = bind(env, cell, if local { &[] } else { &functions });
    Opened { handle: handle as u32, state: id, dry_run, clock, functions }
}

/// What a bulkhead's snapshot says.
#[napi(object, object_from_js = false)]
pub struct BulkheadSnapshot {
    /// Permits there are.
    pub limit: u32,
    /// Permits in use.
    pub active: u32,
    /// Calls that wait.
    pub queued: u32,
    /// Calls that may wait.
    pub max_queue: u32,
    /// Milliseconds the call that waits longest has waited.
    pub queue_delay_ms: f64,
    /// Calls let in.
    pub allowed: f64,
    /// Calls refused.
    pub refused: f64,
    /// Calls that waited too long.
    pub timed_out: f64,
}

/// The bulkhead's figures over all threads.
#[napi(catch_unwind)]
pub fn bulkhead_snapshot(env: Env, host_id: u32, handle: u32) -> Result<Option<BulkheadSnapshot>> {
    let Some(state) = host(env, host_id)?.bulkheads.live(handle as usize) else { return Ok(None) };
    let figures = state.core.figures();
    Ok(Some(BulkheadSnapshot {
        limit: figures.limit,
        active: figures.active,
        queued: figures.queued as u32,
        max_queue: figures.max_queue as u32,
        queue_delay_ms: millis(figures.queue_delay),
        allowed: state.total(Counter::Allowed),
        refused: state.total(Counter::Refused),
        timed_out: state.total(Counter::TimedOut),
    }))
}

/// What may change of a bulkhead.
#[napi(object, object_to_js = false)]
pub struct BulkheadChange {
    /// How many may run at once.
    pub max_concurrent: Option<ConcurrencyOptions>,
    /// How many may wait.
    pub max_queue: Option<f64>,
    /// Milliseconds.
    pub queue_timeout_ms: Option<f64>,
}

/// New limits for all who share the bulkhead; what is not given stays. False if it was disposed.
#[napi(catch_unwind)]
pub fn reconfigure_bulkhead(env: Env, host_id: u32, handle: u32, change: BulkheadChange) -> Result<bool> {
    let host = host(env, host_id)?;
    let Some(state) = host.bulkheads.live(handle as usize) else { return Ok(false) };
    let change = Change {
        concurrency: change.max_concurrent.as_ref().map(Concurrency::from),
        max_queue: change.max_queue,
        queue_timeout_ms: change.queue_timeout_ms,
    };
    let woken = state.core.reconfigure(&change).map_err(invalid)?;
    tell(host, &state);
    let waits: Arc<dyn Waits> = state;
    deliver(&waits, woken);
    Ok(true)
}
