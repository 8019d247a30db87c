//! An adaptive throttle: refuses here what the backend would refuse anyway.
//!
//! Over the window, with `requests` attempted and `accepts` of them accepted by the backend, a call is refused with probability
//! max(0, (requests − multiplier × accepts) / (requests + 1)), at most `maxRefusalRate`. A healthy backend sees every call; one
//! that accepts nothing still sees a few, from which the throttle learns that it is well again.
//!
//! Promises:
//! - **A request counts when it is attempted**, the ones refused here too: many callers at once do not all pass on what was known
//!   before them.
//! - **No count is lost**, from any number of threads.
//! - **Chance is drawn only where it decides**: never while the backend accepts enough.
//!
//! The window moves by slots of a tenth: it covers between nine and ten tenths of its length. The rule is "Client-Side
//! Throttling" of *Site Reliability Engineering* (Google, 2016, chapter 21), with a cap, because a throttle that refuses
//! everything learns nothing.
//!
//! ```
//! use std::sync::Arc;
//! use breakwater_core::{clock::{Clock, ManualClock}, rng::Rng, throttle::{Options, Throttle}};
//!
//! let clock = Arc::new(ManualClock::new());
//! let throttle = Throttle::new(&Options::default().check()?, Clock::Manual(clock.clone()));
//! let mut chance = Rng::seeded(7);
//! for _ in 0..1_000 {
//!     throttle.enter(|| chance.unit()); // and the backend rejects all that come through
//! }
//! assert_eq!(throttle.refusal_rate(), 0.9);
//! clock.advance_to(120_000_000_000);
//! assert_eq!(throttle.refusal_rate(), 0.0);
//! # Ok::<(), breakwater_core::option::InvalidOption>(())
//! ```

pub mod model;
mod options;
#[expect(clippy::module_inception, reason = "the shell of a primitive is named after it, in every folder")]
mod throttle;

pub use model::Rules;
pub use options::{DEFAULT_MAX_REFUSAL_RATE, DEFAULT_MULTIPLIER, DEFAULT_WINDOW_MS, Options};
pub use throttle::{Figures, Throttle};
