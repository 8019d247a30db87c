//! A load shedder: how hard a process is pressed → which calls it takes, the least important refused first.
//!
//! Every sample of what is bounded (event loop delay, utilization, heap, resident memory, the delay of a queue) becomes one number,
//! the *pressure*: the largest of measure over bound, smoothed. Each priority, 0 to 9, is shed from a pressure of its own on, 9 last:
//! first some of its calls, then more, and all of them 0.4 higher.
//!
//! Promises:
//! - **One bad sample is no overload**: from a calm state it makes a pressure of 0.45, and shedding starts at 0.8; below a pressure
//!   of 0.65 it sheds nothing of default priority.
//! - **Nothing flaps**: what is shed is shed for half a second at least, and until the pressure is 0.1 below where it began; and a
//!   share is refused, not everything or nothing. The pressure rises fast and falls slowly, and does not rise while something is
//!   refused and the load falls.
//! - **A lower priority never fares better** than a higher one.
//! - **Utilization alone never sheds what is of default priority**: a process that is busy and answers in time is healthy.
//! - **Shares are kept**, to within a call or two: of a hundred calls refused at a rate of 0.3, thirty are, spread; which ones is chance,
//!   so that nobody's rhythm fits it.
//! - **A decision** is a comparison with what the last sample left behind.
//!
//! ```
//! use std::sync::Arc;
//! use breakwater_core::{
//!     clock::{Clock, ManualClock},
//!     rng::Rng,
//!     shedder::{Decision, Options, Readings, Shedder},
//! };
//!
//! let clock = Arc::new(ManualClock::new());
//! let options = Options { max_event_loop_delay_ms: Some(100.0), ..Options::default() };
//! let mut shedder = Shedder::new(options.check()?, 100_000_000, Clock::Manual(clock.clone()), Rng::seeded(7));
//! for _ in 0..12 {
//!     shedder.sample(&Readings { event_loop_delay_ms: Some(95.0), ..Readings::default() });
//! }
//! assert!((0.9..0.95).contains(&shedder.pressure()));
//! assert_eq!(shedder.enter(9), Decision::Allow);
//! assert!((3..=6).contains(&(0..10).filter(|_| shedder.enter(0) == Decision::Refuse).count()));
//! # Ok::<(), breakwater_core::option::InvalidOption>(())
//! ```

pub mod model;
mod options;
#[expect(clippy::module_inception, reason = "the shell of a primitive is named after it, in every folder")]
mod shedder;

pub use model::{Bounds, Measure, PRIORITIES, Readings};
pub use options::{DEFAULT_PRIORITY, Options, SAMPLE_MS, check_priority};
pub use shedder::{Decision, Figures, Shedder};
