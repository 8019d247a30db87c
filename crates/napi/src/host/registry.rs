//! Named state: one for all environments of the process that construct a kind with a name.
//!
//! The registry is leaked with the process: `process.exit()` runs no hooks, and a static that is dropped while another thread
//! uses it is a crash.

use std::{
    any::Any,
    collections::HashMap,
    sync::{
        Arc, LazyLock,
        atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering},
    },
};

use breakwater_core::bucket::Limit;
use parking_lot::Mutex;

/// What kind of primitive a state is: kinds have names of their own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Kind {
    Bucket,
    Limiter,
    Breaker,
    Clock,
    Budget,
    Throttle,
    Bulkhead,
    Queue,
    Cache,
}

impl Kind {
    /// As the API says it.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Bucket => "bucket",
            Self::Limiter => "limiter",
            Self::Breaker => "breaker",
            Self::Clock => "clock",
            Self::Budget => "budget",
            Self::Throttle => "throttle",
            Self::Bulkhead => "bulkhead",
            Self::Queue => "queue",
            Self::Cache => "cache",
        }
    }
}

/// The options a state was made with, defaults filled in, in the order in which a difference is named.
pub(crate) type Given = Vec<(&'static str, String)>;

/// What a tally counts.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Counter {
    Allowed,
    Refused,
    Succeeded,
    Failed,
    Ignored,
    TimedOut,
}

const COUNTERS: usize = 6;

/// The counters of one environment: written by its thread alone, read by any.
#[derive(Debug, Default)]
#[repr(align(64))]
pub(crate) struct Tally {
    counters: [AtomicU64; COUNTERS],
    refused_last: AtomicBool,
}

impl Tally {
    /// Whether the last decision was a refusal.
    #[inline]
    pub(crate) fn refused_last(&self) -> bool {
        self.refused_last.load(Ordering::Relaxed)
    }

    /// Counts one decision.
    #[inline]
    pub(crate) fn count(&self, allowed: bool) {
        self.refused_last.store(!allowed, Ordering::Relaxed);
        self.add(if allowed { Counter::Allowed } else { Counter::Refused });
    }

    /// Counts one.
    #[inline]
    pub(crate) fn add(&self, counter: Counter) {
        let counter = &self.counters[counter as usize];
        // No other thread writes it: a plain load and store, without the cost of a locked instruction.
        counter.store(counter.load(Ordering::Relaxed) + 1, Ordering::Relaxed);
    }
}

#[derive(Debug, Default)]
struct Tallies {
    live: Vec<Arc<Tally>>,
    /// What tallies that ended had counted.
    ended: [u64; COUNTERS],
}

/// What any object on a state has to know of it, however it got there.
#[derive(Clone, Debug, Default)]
pub(crate) struct Traits {
    /// The limits in force, as the user wrote them.
    pub(crate) limits: Vec<Limit>,
    /// Refuses nothing.
    pub(crate) dry_run: bool,
    /// The state of its manual clock; 0 for the system's.
    pub(crate) clock: u32,
}

/// A primitive's state with what every kind needs around it.
#[derive(Debug)]
pub(crate) struct Shared<T> {
    pub(crate) core: T,
    /// Unique in the process, never used again: how mail names a state.
    pub(crate) id: u32,
    pub(crate) name: Option<String>,
    given: Given,
    pub(crate) dry_run: bool,
    pub(crate) clock: u32,
    /// The limits in force, as the user wrote them, and how often they were changed.
    pub(crate) limits: Mutex<(u32, Vec<Limit>)>,
    limits_version: AtomicU32,
    tallies: Mutex<Tallies>,
}

impl<T> Shared<T> {
    fn new(core: T, name: Option<String>, given: Given, traits: Traits) -> Arc<Self> {
        static NEXT: AtomicU32 = AtomicU32::new(1);
        let id = NEXT.fetch_add(1, Ordering::Relaxed);
        Arc::new(Self {
            core,
            id,
            name,
            given,
            dry_run: traits.dry_run,
            clock: traits.clock,
            limits: Mutex::new((0, traits.limits)),
            limits_version: AtomicU32::new(0),
            tallies: Mutex::default(),
        })
    }

    /// How often the limits were changed.
    #[inline]
    pub(crate) fn limits_version(&self) -> u32 {
        self.limits_version.load(Ordering::Relaxed)
    }

    pub(crate) fn set_limits_version(&self, version: u32) {
        self.limits_version.store(version, Ordering::Relaxed);
    }

    pub(super) fn new_tally(&self) -> Arc<Tally> {
        let tally = Arc::new(Tally::default());
        self.tallies.lock().live.push(tally.clone());
        tally
    }

    pub(super) fn end_tally(&self, tally: &Arc<Tally>) {
        let mut tallies = self.tallies.lock();
        tallies.live.retain(|live| !Arc::ptr_eq(live, tally));
        for (ended, counter) in tallies.ended.iter_mut().zip(&tally.counters) {
            *ended += counter.load(Ordering::Relaxed);
        }
    }

    /// What was counted since the state was made, over all environments.
    pub(crate) fn total(&self, counter: Counter) -> f64 {
        let tallies = self.tallies.lock();
        let live = tallies.live.iter().map(|tally| tally.counters[counter as usize].load(Ordering::Relaxed));
        (tallies.ended[counter as usize] + live.sum::<u64>()) as f64
    }
}

struct Entry {
    state: Arc<dyn Any + Send + Sync>,
    /// Objects that were constructed with this name and neither disposed nor ended with their environment.
    holds: usize,
}

type Names = HashMap<(Kind, String), Entry>;

static NAMES: LazyLock<&'static Mutex<Names>> = LazyLock::new(|| Box::leak(Box::default()));

/// State that nobody else can join.
pub(crate) fn private<T>(core: T, traits: Traits) -> Arc<Shared<T>> {
    Shared::new(core, None, Given::new(), traits)
}

/// Joins the state of this name, or makes it. Err names the first option in which `given` differs from what it was made with.
pub(crate) fn join<T: Send + Sync + 'static>(
    kind: Kind,
    name: &str,
    given: Given,
    traits: Traits,
    make: impl FnOnce() -> T,
) -> Result<Arc<Shared<T>>, &'static str> {
    let mut names = NAMES.lock();
    let entry = names.entry((kind, name.to_owned())).or_insert_with(|| {
        let state = Shared::new(make(), Some(name.to_owned()), given.clone(), traits);
        Entry { state, holds: 0 }
    });
    let Ok(state) = entry.state.clone().downcast::<Shared<T>>() else { return Err("kind") };
    let differs = |index: usize| state.given.get(index) != given.get(index);
    if let Some(index) = (0..state.given.len().max(given.len())).find(|&index| differs(index)) {
        let (option, _) = given.get(index).or(state.given.get(index)).ok_or("options")?;
        return Err(option);
    }
    entry.holds += 1;
    Ok(state)
}

/// Joins the state of this name if there is one, whatever it was made with.
pub(crate) fn find<T: Send + Sync + 'static>(kind: Kind, name: &str) -> Option<Arc<Shared<T>>> {
    let mut names = NAMES.lock();
    let entry = names.get_mut(&(kind, name.to_owned()))?;
    let state = entry.state.clone().downcast::<Shared<T>>().ok()?;
    entry.holds += 1;
    Some(state)
}

/// The name of the state with this number; None if it has none, or has ended.
pub(crate) fn name_of<T: Send + Sync + 'static>(kind: Kind, id: u32) -> Option<String> {
    let names = NAMES.lock();
    let is = |entry: &Entry| entry.state.downcast_ref::<Shared<T>>().is_some_and(|state| state.id == id);
    names.iter().find(|((of, _), entry)| *of == kind && is(entry)).map(|((_, name), _)| name.clone())
}

/// Lets go of a name as often as it was joined.
pub(super) fn release(kind: Kind, name: &str, holds: usize) {
    let mut names = NAMES.lock();
    let key = (kind, name.to_owned());
    if let Some(entry) = names.get_mut(&key) {
        entry.holds = entry.holds.saturating_sub(holds);
        if entry.holds == 0 {
            let entry = names.remove(&key);
            // The state may be large: it is dropped outside the lock.
            drop(names);
            drop(entry);
        }
    }
}

/// All names in use.
pub(crate) fn list() -> Vec<(Kind, String)> {
    NAMES.lock().keys().cloned().collect()
}
