//! An event loop's delay and utilization over the last while, and a list of loops that are watched.
//!
//! A loop gives a sign of life, a *beat*, every [`BEAT`]. How late beats are is how long what becomes due has to wait; that a beat
//! does not come at all is how another thread sees that the loop is blocked.
//!
//! Promises:
//! - **Figures are of an interval**, never since the beginning: what was an hour ago says nothing about now.
//! - **A block counts for all who had to wait for it**: one late beat stands also for those that should have come meanwhile (what
//!   HdrHistogram calls coordinated omission), so a loop that was blocked half of the interval has a median that says so.
//! - **Memory is fixed**: percentiles come from a log-linear histogram of 3.5 KB, at most 3.2 % too high.
//! - **A block is reported while it lasts**, again whenever it has doubled, and once when it is over: also if its thread ends.
//!   What one loop's reports say is in order.
//!
//! ```
//! use std::sync::Arc;
//! use breakwater_core::{clock::{Clock, ManualClock}, monitor::{Pulse, Watchlist}};
//!
//! let clock = Arc::new(ManualClock::new());
//! let list = Watchlist::new(Clock::Manual(clock.clone()));
//! let pulse = Arc::new(Pulse::new(1, 0));
//! list.watch(&pulse, 7, 500_000_000, None, false);
//! clock.advance_to(499_000_000);
//! assert_eq!(list.look().wait, Some(1_000_000));
//! clock.advance_to(510_000_000);
//! let reports = list.look().reports;
//! assert_eq!((reports[0].silent, reports[0].over), (510_000_000, false));
//! clock.advance_to(600_000_000);
//! list.beat(&pulse);
//! assert!(list.since(reports[0].generation)[0].over);
//! ```

mod histogram;
pub mod model;
#[expect(clippy::module_inception, reason = "the shell of a primitive is named after it, in every folder")]
mod monitor;
mod options;
mod watch;

pub use histogram::Histogram;
pub use model::{BEAT, Figures, Usage};
pub use monitor::Monitor;
pub use options::{DEFAULT_SAMPLE_MS, Options, Rules};
pub use watch::{Pulse, Report, Round, Watchlist};
