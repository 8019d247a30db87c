//! The only reader of time.

use std::time::Instant;

use crate::sync::{Arc, AtomicU64, Ordering};

/// Nanoseconds since the epoch of a clock.
pub type Nanos = u64;

/// Nanoseconds in a millisecond, the unit of the public API.
pub const NANOS_PER_MILLI: u64 = 1_000_000;

/// Where a primitive reads the time. Every instant is legal, 0 included.
#[derive(Clone, Debug)]
pub enum Clock {
    /// The system's monotonic clock, counted from when this value was made.
    Monotonic(Instant),
    /// A clock that moves only when told, counted from 0.
    Manual(Arc<ManualClock>),
}

impl Clock {
    /// A monotonic clock whose epoch is now.
    #[expect(clippy::disallowed_methods, reason = "this is the one place that reads the system's clock")]
    pub fn monotonic() -> Self {
        Self::Monotonic(Instant::now())
    }

    /// The time since the epoch.
    #[inline]
    pub fn now(&self) -> Nanos {
        match self {
            Self::Monotonic(epoch) => {
                let elapsed = epoch.elapsed();
                elapsed.as_secs().wrapping_mul(1_000_000_000).wrapping_add(u64::from(elapsed.subsec_nanos()))
            }
            Self::Manual(clock) => clock.now(),
        }
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
