//! A circuit breaker: refuses calls to a dependency that fails, and asks now and then whether it works again.
//!
//! - **Three rules, each for itself, at `>=`**: the failure rate, the rate of slow calls, failures in a row. Rates speak from a
//!   minimum of calls on, over the last while or the last so many calls.
//! - **Half-open**: exactly so many probes, counted when they are let in. They decide by the same rules, as soon as those still out
//!   cannot change it. What is ignored gives its permit back; a probe without an answer is replaced after its lease, and at once
//!   when its environment is gone.
//! - **Generations**: what comes of a call that was let in before the state changed moves nothing.
//! - **No timers**: a break that is over ends with the next call.
//!
//! ```
//! use std::sync::Arc;
//! use breakwater_core::{breaker::{Breaker, Options, Outcome}, clock::{Clock, ManualClock}};
//!
//! let clock = Arc::new(ManualClock::new());
//! let breaker = Breaker::new(&Options::default().check()?, Clock::Manual(clock.clone()));
//! for _ in 0..20 {
//!     let permit = breaker.enter(1).expect("closed");
//!     breaker.leave(permit, Outcome::Failure, || 0.0);
//! }
//! assert_eq!(breaker.enter(1), None);
//! clock.advance_to(5_000_000_000);
//! let probe = breaker.enter(1).expect("half-open");
//! assert_eq!(breaker.enter(1), None);
//! breaker.leave(probe, Outcome::Success, || 0.0);
//! assert!(breaker.enter(1).is_some());
//! # Ok::<(), breakwater_core::option::InvalidOption>(())
//! ```

#[expect(clippy::module_inception, reason = "the shell of a primitive is named after it, in every folder")]
mod breaker;
mod calls;
mod export;
mod log;
pub mod model;
mod options;
mod probes;
mod rules;

pub use breaker::{Breaker, Figures, Outcome, Permit, Wait};
pub use calls::Recorded;
pub use export::Exported;
pub use log::Change;
pub use model::{Machine, Reason, Rules, State};
pub use options::{
    Checked, DURATION_MS, FAILURE_RATE, HALF_OPEN_CALLS, MINIMUM_CALLS, OPEN_FACTOR, OPEN_JITTER,
    OPEN_MAX_MS, OPEN_MS, OpenOption, Options, PROBE_LEASE_MS, SIZE, SLOW_CALL_RATE, Span, Thresholds,
    WindowOption, check_open_ms,
};
pub use probes::Serial;
