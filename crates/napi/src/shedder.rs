//! LoadShedder.

use std::{
    cell::{Cell as StdCell, RefCell},
    sync::Arc,
};

use breakwater_core::{
    clock::Clock,
    monitor::Monitor,
    rng::Rng,
    shedder::{
        Bounds, DEFAULT_PRIORITY, Decision, Measure, Options, Readings, SAMPLE_MS, Shedder, check_priority,
    },
};
use napi::Env;
use napi_derive::napi;

use crate::{
    bucket::millis,
    error::{Result, invalid, stale_handle},
    fast::{Call, bind, bound},
    host::{Cell, Opened, Shared, Traits, host, private, watchdog},
};

/// A shedder and the monitor it reads. It holds it: what it measures goes on when the monitor is disposed or collected.
pub(crate) struct Shedding {
    shedder: RefCell<Shedder>,
    monitor: Arc<Shared<RefCell<Monitor>>>,
    /// The interval it read last.
    seen: StdCell<u64>,
}

type ShedderCell = Cell<Shedding>;

/// The answers of `enter`.
const REFUSED: f64 = 0.0;
const ALLOWED: f64 = 1.0;
const STALE: f64 = 2.0;
const NO_PRIORITY: f64 = -1.0;
const NO_SAMPLE: f64 = -2.0;

bound!(
    /// `enter(priority)`: 1 allowed, 0 refused, 2 if a sample is to be taken first, -1 if that is no priority. Undefined once
    /// disposed, as for all of these.
    enter,
    ShedderCell,
    1,
    |cell, call: Call<1>| {
        cell.with(|shedding, _| match check_priority(call.number(0)) {
            Err(_) => NO_PRIORITY,
            Ok(priority) => match shedding.shedder.borrow_mut().enter(priority) {
                Decision::Allow => ALLOWED,
                Decision::Refuse => REFUSED,
                Decision::Stale => STALE,
            },
        })
    }
);

bound!(
    /// `due()`: whether there is something to sample: its monitor has ended an interval.
    due,
    ShedderCell,
    0,
    |cell, _call: Call<0>| {
        cell.with(|shedding, _| shedding.monitor.core.borrow().closed() != shedding.seen.get())
    }
);

bound!(
    /// `sample(heapBytes, rssBytes, queueDelayMs)`: takes these and what the monitor says; NaN is not known.
    sample,
    ShedderCell,
    3,
    |cell, call: Call<3>| {
        let known = |index| Some(call.number(index)).filter(|number| !number.is_nan());
        cell.with(|shedding, _| {
            let monitor = shedding.monitor.core.borrow();
            let figures = monitor.figures(watchdog().list.now());
            shedding.seen.set(monitor.closed());
            shedding.shedder.borrow_mut().sample(&Readings {
                event_loop_delay_ms: Some(millis(figures.p90)),
                utilization: figures.utilization,
                heap_bytes: known(0),
                rss_bytes: known(1),
                queue_delay_ms: known(2),
            });
            true
        })
    }
);

bound!(
    /// `pressure()`: in 0..1; -1 if a sample is to be taken first.
    pressure,
    ShedderCell,
    0,
    |cell, _call: Call<0>| cell.with(|shedding, _| {
        let shedder = shedding.shedder.borrow();
        if shedder.needs_sample() { -1.0 } else { shedder.pressure() }
    })
);

bound!(
    /// `retryAfter(priority)`: milliseconds until calls of this priority are shed no more, if the load ended now; -1 if that is no
    /// priority, -2 if a sample is to be taken first.
    retry_after,
    ShedderCell,
    1,
    |cell, call: Call<1>| {
        cell.with(|shedding, _| {
            let shedder = shedding.shedder.borrow();
            match check_priority(call.number(0)) {
                Err(_) => NO_PRIORITY,
                Ok(_) if shedder.needs_sample() => NO_SAMPLE,
                Ok(priority) => millis(shedder.retry_after(priority)),
            }
        })
    }
);

/// LoadShedder's bounds as the facade passes them, types checked, bytes counted.
#[napi(object, object_to_js = false)]
pub struct ShedderBounds {
    /// Milliseconds.
    pub max_event_loop_delay_ms: Option<f64>,
    /// A share of time.
    pub max_utilization: Option<f64>,
    /// Bytes.
    pub max_heap_bytes: Option<f64>,
    /// Bytes.
    pub max_rss_bytes: Option<f64>,
    /// Milliseconds.
    pub max_queue_delay_ms: Option<f64>,
}

impl From<ShedderBounds> for Options {
    fn from(bounds: ShedderBounds) -> Self {
        Self {
            max_event_loop_delay_ms: bounds.max_event_loop_delay_ms,
            max_utilization: bounds.max_utilization,
            max_heap_bytes: bounds.max_heap_bytes,
            max_rss_bytes: bounds.max_rss_bytes,
            max_queue_delay_ms: bounds.max_queue_delay_ms,
        }
    }
}

/// What of LoadShedder has a default.
#[napi(object, object_from_js = false)]
pub struct ShedderDefaults {
    /// `sampleMs` of the monitor it makes for itself.
    pub sample_ms: f64,
    /// `priority` of a call.
    pub priority: u32,
}

/// The defaults in force.
#[napi(catch_unwind)]
pub fn shedder_defaults() -> ShedderDefaults {
    ShedderDefaults { sample_ms: SAMPLE_MS, priority: DEFAULT_PRIORITY }
}

/// Checks bounds, before anything is made for them.
#[napi(catch_unwind)]
pub fn check_shedder(bounds: ShedderBounds) -> Result<()> {
    Options::from(bounds).check().map(|_| ()).map_err(invalid)
}

/// Makes a shedder that reads a monitor of this environment.
#[napi(catch_unwind)]
pub fn open_shedder(
    env: Env,
    host_id: u32,
    bounds: ShedderBounds,
    monitor: u32,
    dry_run: bool,
) -> Result<Opened> {
    let host = host(env, host_id)?;
    let bounds = Options::from(bounds).check().map_err(invalid)?;
    let monitor = host.monitors.state(monitor as usize).ok_or_else(stale_handle)?;
    let (every, seen) = {
        let monitor = monitor.core.borrow();
        (monitor.sample(), monitor.closed())
    };
    let shedder = RefCell::new(Shedder::new(bounds, every, Clock::monotonic(), Rng::from_entropy()));
    let shedding = Shedding { shedder, monitor, seen: StdCell::new(seen) };
    let state = private(shedding, Traits { dry_run, ..Traits::default() });
    let id = state.id;
    let (handle, cell) = host.shedders.open(host, state, None);
    let functions = bind(
        env,
        cell,
        &[
            (c"enter", enter()),
            (c"due", due()),
            (c"sample", sample()),
            (c"pressure", pressure()),
            (c"retryAfter", retry_after()),
        ],
    );
    Ok(Opened { handle: handle as u32, state: id, dry_run, clock: 0, functions })
}

/// One number for each measure, where there is one.
#[napi(object, object_from_js = false)]
pub struct ShedderMeasures {
    /// Milliseconds.
    pub event_loop_delay_ms: Option<f64>,
    /// A share of time.
    pub utilization: Option<f64>,
    /// Bytes.
    pub heap_bytes: Option<f64>,
    /// Bytes.
    pub rss_bytes: Option<f64>,
    /// Milliseconds.
    pub queue_delay_ms: Option<f64>,
}

impl From<Bounds> for ShedderMeasures {
    fn from(measures: Bounds) -> Self {
        Self {
            event_loop_delay_ms: measures.event_loop_delay_ms,
            utilization: measures.utilization,
            heap_bytes: measures.heap_bytes,
            rss_bytes: measures.rss_bytes,
            queue_delay_ms: measures.queue_delay_ms,
        }
    }
}

/// What a shedder's snapshot says.
#[napi(object, object_from_js = false)]
pub struct ShedderSnapshot {
    /// In 0..1.
    pub pressure: f64,
    /// The measure that was nearest to its bound, or above it.
    pub limiting: Option<String>,
    /// What was measured last.
    pub measured: ShedderMeasures,
    /// The bounds in force.
    pub bounds: ShedderMeasures,
    /// Which share of each priority is refused now.
    pub shedding: Vec<f64>,
    /// Calls of each priority that were refused.
    pub refused_by_priority: Vec<f64>,
    /// Calls that were allowed.
    pub allowed: f64,
    /// Calls that were refused.
    pub refused: f64,
}

/// The shedder's figures.
#[napi(catch_unwind)]
pub fn shedder_snapshot(env: Env, host_id: u32, handle: u32) -> Result<Option<ShedderSnapshot>> {
    let Some(state) = host(env, host_id)?.shedders.live(handle as usize) else { return Ok(None) };
    let figures = state.core.shedder.borrow().figures();
    let refused = figures.refused.map(|count| count as f64);
    Ok(Some(ShedderSnapshot {
        pressure: figures.pressure,
        limiting: figures.limiting.map(|measure| word_of(measure).to_owned()),
        measured: figures.readings.into(),
        bounds: figures.bounds.into(),
        shedding: figures.rates.to_vec(),
        refused: refused.iter().sum(),
        refused_by_priority: refused.to_vec(),
        allowed: figures.allowed as f64,
    }))
}

fn word_of(measure: Measure) -> &'static str {
    match measure {
        Measure::EventLoopDelay => "eventLoopDelay",
        Measure::Heap => "heap",
        Measure::Rss => "rss",
        Measure::QueueDelay => "queueDelay",
        Measure::Utilization => "utilization",
    }
}

/// New bounds; what is not given stays. False if it was disposed.
#[napi(catch_unwind)]
pub fn reconfigure_shedder(env: Env, host_id: u32, handle: u32, bounds: ShedderBounds) -> Result<bool> {
    let Some(state) = host(env, host_id)?.shedders.live(handle as usize) else { return Ok(false) };
    state.core.shedder.borrow_mut().reconfigure(&bounds.into()).map_err(invalid)?;
    Ok(true)
}
