//! EventLoopMonitor, and what an environment's loop has of all of them.

use std::{
    cell::{Cell, OnceCell, RefCell},
    sync::Arc,
};

use breakwater_core::{
    clock::{Nanos, thread_cpu},
    monitor::{BEAT, DEFAULT_SAMPLE_MS, Monitor, Options, Pulse, Report, Usage},
    room::EnvId,
};
use napi::Env;
use napi_derive::napi;

use crate::{
    bucket::millis,
    error::{Result, invalid, no_thread},
    fast::{Call, bind, bound},
    host::{Host, Opened, Shared, Traits, host, private, watchdog},
};

/// The monitors of one environment's loop: they share its beats.
#[derive(Default)]
pub(crate) struct EventLoop {
    last: Cell<Nanos>,
    monitors: RefCell<Vec<Arc<Shared<RefCell<Monitor>>>>>,
    /// There once a monitor has watched.
    pulse: OnceCell<Arc<Pulse>>,
}

impl EventLoop {
    /// How late the next beat is already.
    fn late(&self, now: Nanos) -> Nanos {
        now.saturating_sub(self.last.get()).saturating_sub(BEAT)
    }

    /// A monitor is watched no more. It measures on as long as a shedder reads it; the next beat finds out.
    pub(crate) fn unwatch(&self, id: u32) {
        if self.pulse.get().is_some_and(|pulse| watchdog().list.unwatch(pulse, id)) {
            watchdog().tell();
        }
    }

    /// The environment is gone.
    pub(crate) fn end(&self, env: EnvId) {
        let watchdog = watchdog();
        watchdog.listeners.remove(env);
        if self.pulse.get().is_some_and(|pulse| watchdog.list.gone(pulse)) {
            watchdog.tell();
        }
    }
}

bound!(
    /// `beat()`: the loop's sign of life. 1: some interval is over, and `mark` is to be called; -1: there is no monitor any more.
    pub(crate) beat,
    Host,
    0,
    |host, _call: Call<0>| {
        let event_loop = &host.event_loop;
        let watchdog = watchdog();
        let now = watchdog.list.now();
        let late = event_loop.late(now);
        event_loop.last.set(now);
        let mut monitors = event_loop.monitors.borrow_mut();
        // Whom this list alone still knows, nobody reads: its object was disposed, and so was every shedder that held it.
        monitors.retain(|monitor| Arc::strong_count(monitor) > 1);
        let mut due = false;
        for monitor in &*monitors {
            let mut monitor = monitor.core.borrow_mut();
            monitor.beat(late);
            due |= monitor.is_due(now);
        }
        if event_loop.pulse.get().is_some_and(|pulse| watchdog.list.beat(pulse)) {
            watchdog.tell();
        }
        if monitors.is_empty() { -1.0 } else { f64::from(u8::from(due)) }
    }
);

bound!(
    /// `mark(activeMs, idleMs)`: ends the intervals that are over, with what the runtime says of the loop's use.
    pub(crate) mark,
    Host,
    2,
    |host, call: Call<2>| {
        let event_loop = &host.event_loop;
        let now = watchdog().list.now();
        let usage = usage(call.number(0), call.number(1));
        let late = event_loop.late(now);
        for monitor in &*event_loop.monitors.borrow() {
            monitor.core.borrow_mut().close(now, usage, late);
        }
    }
);

fn usage(active_ms: f64, idle_ms: f64) -> Usage {
    Usage { active_ms, idle_ms, cpu: thread_cpu() }
}

/// EventLoopMonitor's options as the facade passes them, types checked.
#[napi(object, object_to_js = false)]
pub struct MonitorOptions {
    /// Milliseconds.
    pub sample_ms: Option<f64>,
    /// Milliseconds.
    pub blocked_ms: Option<f64>,
    /// Whether a block is written to stderr.
    pub stderr: bool,
    /// What reports call it.
    pub label: Option<String>,
    /// How the runtime numbers this thread.
    pub thread_id: u32,
    /// Milliseconds in which this loop was not waiting, as the runtime counts.
    pub active_ms: f64,
    /// Milliseconds in which it was.
    pub idle_ms: f64,
}

/// The defaults of EventLoopMonitor, for a test that compares them with the documentation.
#[napi(object, object_from_js = false)]
pub struct MonitorDefaults {
    /// `sampleMs`.
    pub sample_ms: f64,
    /// `stderr`.
    pub stderr: bool,
}

/// The defaults in force.
#[napi(catch_unwind)]
pub fn monitor_defaults() -> MonitorDefaults {
    MonitorDefaults { sample_ms: DEFAULT_SAMPLE_MS, stderr: false }
}

/// Makes a monitor of this environment's loop.
#[napi(catch_unwind)]
pub fn open_monitor(env: Env, host_id: u32, options: MonitorOptions) -> Result<Opened> {
    let host = host(env, host_id)?;
    let MonitorOptions { sample_ms, blocked_ms, stderr, label, thread_id, .. } = options;
    let rules = Options { sample_ms, blocked_ms, stderr }.check().map_err(invalid)?;
    let watchdog = watchdog();
    if rules.blocked.is_some() {
        watchdog.start().map_err(|_| no_thread())?;
    }
    let event_loop = &host.event_loop;
    let now = watchdog.list.now();
    let usage = usage(options.active_ms, options.idle_ms);
    let state = private(RefCell::new(Monitor::new(rules.sample, now, usage)), Traits::default());
    let id = state.id;
    if event_loop.monitors.borrow().is_empty() {
        event_loop.last.set(now);
    }
    event_loop.monitors.borrow_mut().push(state.clone());
    if let Some(threshold) = rules.blocked {
        let pulse = event_loop.pulse.get_or_init(|| Arc::new(Pulse::new(host.id, thread_id)));
        watchdog.list.watch(pulse, id, threshold, label, rules.stderr);
        // Started above: it is only told.
        if watchdog.start().is_err() {
            event_loop.unwatch(id);
            event_loop.monitors.borrow_mut().pop();
            return Err(no_thread());
        }
    }
    let (handle, cell) = host.monitors.open(host, state, None);
    Ok(Opened { handle: handle as u32, state: id, dry_run: false, clock: 0, functions: bind(env, cell, &[]) })
}

/// What was seen of a loop.
#[napi(object, object_from_js = false)]
pub struct LoopReport {
    /// Counts over all loops of the process.
    pub generation: f64,
    /// How the runtime numbers its thread.
    pub thread_id: u32,
    /// The label of the monitor that watches it.
    pub label: Option<String>,
    /// How long it has been blocked.
    pub blocked_ms: f64,
    /// Whether it is blocked no more.
    pub over: bool,
}

impl From<Report> for LoopReport {
    fn from(report: Report) -> Self {
        Self {
            generation: report.generation as f64,
            thread_id: report.thread,
            label: report.label,
            blocked_ms: millis(report.silent),
            over: report.over,
        }
    }
}

/// What a monitor's snapshot says. Spans are milliseconds.
#[napi(object, object_from_js = false)]
pub struct MonitorSnapshot {
    /// How long the interval was.
    pub interval_ms: f64,
    /// Its beats.
    pub beats: f64,
    /// Half of the delays were no longer.
    pub p50: f64,
    /// Nine of ten.
    pub p90: f64,
    /// Ninety-nine of a hundred.
    pub p99: f64,
    /// The longest.
    pub max: f64,
    /// On average.
    pub mean: f64,
    /// The share of the interval in which the loop was busy.
    pub utilization: Option<f64>,
    /// The loops of the process that are blocked now.
    pub blocked: Vec<LoopReport>,
}

/// The figures of the last whole interval.
#[napi(catch_unwind)]
pub fn monitor_snapshot(env: Env, host_id: u32, handle: u32) -> Result<Option<MonitorSnapshot>> {
    let Some(state) = host(env, host_id)?.monitors.live(handle as usize) else { return Ok(None) };
    let list = &watchdog().list;
    let figures = state.core.borrow().figures(list.now());
    Ok(Some(MonitorSnapshot {
        interval_ms: millis(figures.span),
        beats: figures.beats as f64,
        p50: millis(figures.p50),
        p90: millis(figures.p90),
        p99: millis(figures.p99),
        max: millis(figures.max),
        mean: millis(figures.mean),
        utilization: figures.utilization,
        blocked: list.blocked().into_iter().map(LoopReport::from).collect(),
    }))
}

/// This thread wants to be told of blocked loops, or no more.
#[napi(catch_unwind)]
pub fn listen_blocked(env: Env, host_id: u32, on: bool) -> Result<()> {
    let host = host(env, host_id)?;
    watchdog().listeners.set(host.id, on);
    Ok(())
}

/// How many reports there have been.
#[napi(catch_unwind)]
pub fn blocked_generation() -> f64 {
    watchdog().list.generation() as f64
}

/// The reports after number `generation`. A loop that can read this is not blocked: of its own it hears when it is over.
#[napi(catch_unwind)]
pub fn blocked_since(env: Env, host_id: u32, generation: f64) -> Result<Vec<LoopReport>> {
    let host = host(env, host_id)?;
    let reports = watchdog().list.since(generation as u64).into_iter();
    Ok(reports.filter(|report| report.over || report.env != host.id).map(LoopReport::from).collect())
}
