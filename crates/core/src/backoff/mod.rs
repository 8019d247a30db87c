//! Backoff: how long to wait before the next try.
//!
//! Promises:
//! - **In range.** A delay is a number of milliseconds in `[0, maxMs]` for every attempt and every draw: never NaN, never
//!   negative, never above the cap, because the cap holds after the jitter.
//! - **The same for the same seed.** Each delay takes one draw, whatever the jitter.
//!
//! With b the first delay, f the factor, c the cap, n the attempts that failed before this one and U uniform in [0, 1), where
//! v = min(c, b × f^n):
//!
//! | jitter | delay |
//! |---|---|
//! | none | v |
//! | full | U × v |
//! | equal | v/2 + U × v/2 |
//! | decorrelated | min(c, uniform in [b, 3 × the delay before]), the first one as if b had been before it |
//!
//! The formulas are those of "Exponential Backoff And Jitter" (Marc Brooker, AWS Architecture Blog, 2015) and its simulator.
//!
//! ```
//! use breakwater_core::{backoff::{Backoff, Jitter, Options}, rng::Rng};
//!
//! let options = Options { jitter: Jitter::None, ..Options::default() };
//! let mut backoff = Backoff::new(options.check()?, Rng::seeded(7));
//! assert_eq!(backoff.delay(1, 0.0), 100.0);
//! assert_eq!(backoff.delay(2, 100.0), 200.0);
//! assert_eq!(backoff.delay(u32::MAX, 200.0), 10_000.0);
//! # Ok::<(), breakwater_core::option::InvalidOption>(())
//! ```

#[expect(clippy::module_inception, reason = "the shell of a primitive is named after it, in every folder")]
mod backoff;
pub mod model;
mod options;

pub use backoff::Backoff;
pub use model::{Jitter, Schedule};
pub use options::{DEFAULT_FACTOR, DEFAULT_INITIAL_MS, DEFAULT_MAX_MS, Options};
