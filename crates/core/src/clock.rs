//! The only reader of time.

use crate::sync::{Arc, AtomicU64, Ordering};

/// Nanoseconds since the epoch of a clock.
pub type Nanos = u64;

/// Nanoseconds in a millisecond, the unit of the public API.
pub const NANOS_PER_MILLI: u64 = 1_000_000;

/// Where a primitive reads the time. Every instant is legal, 0 included.
#[derive(Clone, Debug)]
pub enum Clock {
    /// The system's monotonic clock, counted from when this value was made.
    Monotonic(Epoch),
    /// A clock that moves only when told, counted from 0.
    Manual(Arc<ManualClock>),
}

impl Clock {
    /// A monotonic clock whose epoch is now.
    pub fn monotonic() -> Self {
        Self::Monotonic(Epoch::now())
    }

    /// The time since the epoch.
    #[inline]
    pub fn now(&self) -> Nanos {
        match self {
            Self::Monotonic(epoch) => epoch.elapsed(),
            Self::Manual(clock) => clock.now(),
        }
    }

    /// An instant that is at most a tick of the system's coarse clock (1 to 10 ms) before now, read at a third of the price. Good
    /// for what is counted by slots of time.
    #[inline]
    pub fn coarse(&self) -> Nanos {
        match self {
            Self::Monotonic(epoch) => epoch.coarse().unwrap_or_else(|| epoch.elapsed()),
            Self::Manual(clock) => clock.now(),
        }
    }

    /// An instant that is not before now, read at a fifth of the price; None where there is no such clock. Good for what need
    /// not be exact in one direction: what is refused then is refused now.
    #[inline]
    pub fn not_before_now(&self) -> Option<Nanos> {
        match self {
            Self::Monotonic(epoch) => epoch.coarse().map(|coarse| coarse.wrapping_add(COARSE_SLACK)),
            Self::Manual(_) => None,
        }
    }
}

/// A coarse clock lags by its tick, 1 to 10 ms; a machine that was stopped for longer may see calls refused for so much longer.
const COARSE_SLACK: Nanos = 50 * NANOS_PER_MILLI;

pub use system::{Epoch, thread_cpu};

#[cfg(target_os = "linux")]
mod system {
    use rustix::time::{ClockId, Timespec, clock_gettime};

    use super::Nanos;

    /// The instant from which a monotonic clock counts.
    #[derive(Clone, Copy, Debug)]
    pub struct Epoch(Nanos);

    impl Epoch {
        pub(super) fn now() -> Self {
            Self(nanos(clock_gettime(ClockId::Monotonic)))
        }

        #[inline]
        pub(super) fn elapsed(self) -> Nanos {
            nanos(clock_gettime(ClockId::Monotonic)).wrapping_sub(self.0)
        }

        /// A coarse clock may lag behind the epoch itself.
        #[inline]
        pub(super) fn coarse(self) -> Option<Nanos> {
            nanos(clock_gettime(ClockId::MonotonicCoarse)).checked_sub(self.0)
        }
    }

    /// Processor time that the calling thread has used; None where the system does not say.
    pub fn thread_cpu() -> Option<Nanos> {
        Some(nanos(clock_gettime(ClockId::ThreadCPUTime)))
    }

    #[inline]
    fn nanos(time: Timespec) -> Nanos {
        (time.tv_sec as u64).wrapping_mul(1_000_000_000).wrapping_add(time.tv_nsec as u64)
    }
}

#[cfg(not(target_os = "linux"))]
mod system {
    use std::time::Instant;

    use super::Nanos;

    /// The instant from which a monotonic clock counts.
    #[derive(Clone, Copy, Debug)]
    pub struct Epoch(Instant);

    impl Epoch {
        #[expect(clippy::disallowed_methods, reason = "this is the one place that reads the system's clock")]
        pub(super) fn now() -> Self {
            Self(Instant::now())
        }

        #[inline]
        pub(super) fn elapsed(self) -> Nanos {
            self.0.elapsed().as_nanos() as Nanos
        }

        #[inline]
        pub(super) fn coarse(self) -> Option<Nanos> {
            None
        }
    }

    /// Processor time that the calling thread has used; None where the system does not say.
    pub fn thread_cpu() -> Option<Nanos> {
        None
    }
}

/// A clock for tests: it stands at 0 until advanced.
#[derive(Debug)]
pub struct ManualClock {
    now: AtomicU64,
}

impl ManualClock {
    /// A clock that stands at 0.
    pub fn new() -> Self {
        Self { now: AtomicU64::new(0) }
    }

    /// Where the clock stands.
    #[inline]
    pub fn now(&self) -> Nanos {
        self.now.load(Ordering::Acquire)
    }

    /// Moves the clock on to `at`; a clock never goes back.
    pub fn advance_to(&self, at: Nanos) {
        self.now.fetch_max(at, Ordering::AcqRel);
    }
}

impl Default for ManualClock {
    fn default() -> Self {
        Self::new()
    }
}

/// Milliseconds since 1970, for state that is exported to another process. Never used to decide.
#[expect(
    clippy::disallowed_methods,
    reason = "exported state carries its age across processes, whose monotonic clocks differ"
)]
pub fn wall_millis() -> u64 {
    std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .map_or(0, |since| since.as_millis() as u64)
}
