//! The loops of a process that are watched: who is silent for how long, and what was reported of it.
//!
//! A loop's own thread beats, any other thread looks. What both change is under the pulse's lock, and reports are numbered under it
//! too: a report that a block is over never comes before one that it is not.

use std::collections::VecDeque;

use super::model::Watch;
use crate::{
    clock::{Clock, Nanos},
    room::EnvId,
    sync::{Arc, Mutex},
};

/// How many reports are kept for those who read late.
const KEPT: usize = 256;

/// What was seen of a loop.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report {
    /// Counts from 1 over all loops. Not given to what is only asked for.
    pub generation: u64,
    /// The environment whose loop it is.
    pub env: EnvId,
    /// Its thread, as the runtime numbers them.
    pub thread: u32,
    /// What the watch is called.
    pub label: Option<String>,
    /// How long the loop has been silent.
    pub silent: Nanos,
    /// Whether it is silent no more.
    pub over: bool,
    /// Whether it is to be written to stderr.
    pub stderr: bool,
}

/// What one look at all loops found.
#[derive(Debug, Default)]
pub struct Round {
    /// What is to be reported.
    pub reports: Vec<Report>,
    /// In how long there can be something to report; None if no loop is watched.
    pub wait: Option<Nanos>,
}

#[derive(Debug)]
struct Watcher {
    id: u32,
    watch: Watch,
    label: Option<String>,
    stderr: bool,
}

#[derive(Debug, Default)]
struct Watched {
    beat: Nanos,
    watchers: Vec<Watcher>,
}

/// One loop's signs of life.
#[derive(Debug)]
pub struct Pulse {
    env: EnvId,
    thread: u32,
    watched: Mutex<Watched>,
}

impl Pulse {
    /// The pulse of the loop of an environment, on the thread that the runtime gives this number.
    pub fn new(env: EnvId, thread: u32) -> Self {
        Self { env, thread, watched: Mutex::new(Watched::default()) }
    }

    fn report(&self, watcher: &Watcher, silent: Nanos, over: bool) -> Report {
        let Watcher { label, stderr, .. } = watcher;
        Report {
            generation: 0,
            env: self.env,
            thread: self.thread,
            label: label.clone(),
            silent,
            over,
            stderr: *stderr && !over,
        }
    }
}

#[derive(Debug, Default)]
struct Log {
    last: u64,
    reports: VecDeque<Report>,
}

/// All loops of the process that are watched. Locks: pulses → a pulse → log.
#[derive(Debug)]
pub struct Watchlist {
    clock: Clock,
    pulses: Mutex<Vec<Arc<Pulse>>>,
    log: Mutex<Log>,
}

impl Watchlist {
    /// Nobody is watched.
    pub fn new(clock: Clock) -> Self {
        Self { clock, pulses: Mutex::new(Vec::new()), log: Mutex::new(Log::default()) }
    }

    /// The time all pulses are measured by.
    #[inline]
    pub fn now(&self) -> Nanos {
        self.clock.now()
    }

    /// Watches a loop from now on, for a watcher numbered `id`: called by the loop's own thread.
    pub fn watch(&self, pulse: &Arc<Pulse>, id: u32, threshold: Nanos, label: Option<String>, stderr: bool) {
        let mut pulses = self.pulses.lock();
        let mut watched = pulse.watched.lock();
        if watched.watchers.is_empty() {
            watched.beat = self.now();
            pulses.push(pulse.clone());
        }
        watched.watchers.push(Watcher { id, watch: Watch::new(threshold), label, stderr });
    }

    /// Ends what `watch` began; what was reported and is not over, is. Whether there is something new to read.
    pub fn unwatch(&self, pulse: &Arc<Pulse>, id: u32) -> bool {
        self.end(pulse, |watcher| watcher.id == id)
    }

    /// The loop's environment is gone. Whether there is something new to read.
    pub fn gone(&self, pulse: &Arc<Pulse>) -> bool {
        self.end(pulse, |_| true)
    }

    fn end(&self, pulse: &Arc<Pulse>, ends: impl Fn(&Watcher) -> bool) -> bool {
        let mut pulses = self.pulses.lock();
        let mut watched = pulse.watched.lock();
        let silent = self.now().saturating_sub(watched.beat);
        let mut reports = Vec::new();
        watched.watchers.retain_mut(|watcher| {
            let ends = ends(watcher);
            if ends && watcher.watch.over(silent) {
                reports.push(pulse.report(watcher, silent, true));
            }
            !ends
        });
        if watched.watchers.is_empty() {
            pulses.retain(|other| !Arc::ptr_eq(other, pulse));
        }
        self.keep(&mut reports);
        !reports.is_empty()
    }

    /// A loop beats. Whether there is something new to read: a block is over.
    pub fn beat(&self, pulse: &Pulse) -> bool {
        let mut watched = pulse.watched.lock();
        // Read under the lock: an instant from before it may lie before one at which somebody looked.
        let now = self.now();
        let silent = now.saturating_sub(watched.beat);
        watched.beat = now;
        let mut reports = Vec::new();
        for watcher in &mut watched.watchers {
            if watcher.watch.over(silent) {
                reports.push(pulse.report(watcher, silent, true));
            }
        }
        self.keep(&mut reports);
        !reports.is_empty()
    }

    /// Looks at every loop.
    pub fn look(&self) -> Round {
        let pulses = self.pulses.lock();
        let mut round = Round::default();
        for pulse in &*pulses {
            let mut watched = pulse.watched.lock();
            let silent = self.now().saturating_sub(watched.beat);
            let mut reports = Vec::new();
            for watcher in &mut watched.watchers {
                if watcher.watch.look(silent) {
                    reports.push(pulse.report(watcher, silent, false));
                }
                let wait = watcher.watch.wait(silent);
                round.wait = Some(round.wait.map_or(wait, |least| least.min(wait)));
            }
            self.keep(&mut reports);
            round.reports.append(&mut reports);
        }
        round
    }

    /// The loops that are blocked now.
    pub fn blocked(&self) -> Vec<Report> {
        let pulses = self.pulses.lock();
        let mut blocked = Vec::new();
        for pulse in &*pulses {
            let watched = pulse.watched.lock();
            let silent = self.now().saturating_sub(watched.beat);
            let those = watched.watchers.iter().filter(|watcher| watcher.watch.is_block(silent));
            blocked.extend(those.map(|watcher| pulse.report(watcher, silent, false)));
        }
        blocked
    }

    /// How many reports there have been.
    pub fn generation(&self) -> u64 {
        self.log.lock().last
    }

    /// The reports after number `generation`, as far as they are kept: the last 256.
    pub fn since(&self, generation: u64) -> Vec<Report> {
        let log = self.log.lock();
        log.reports.iter().filter(|report| report.generation > generation).cloned().collect()
    }

    /// Numbers reports and keeps them. Called under the lock of their pulse, so that they are in order.
    fn keep(&self, reports: &mut [Report]) {
        if reports.is_empty() {
            return;
        }
        let mut log = self.log.lock();
        for report in reports {
            log.last += 1;
            report.generation = log.last;
            if log.reports.len() == KEPT {
                log.reports.pop_front();
            }
            log.reports.push_back(report.clone());
        }
    }
}
