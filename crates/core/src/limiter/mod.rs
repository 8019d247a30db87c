//! A token bucket per key, in a table of fixed size.
//!
//! Promises:
//! - **Exact** up to `max_keys` live keys, from any number of threads: over any span T a key is granted at most
//!   capacity + rate × T. Two keys share a bucket only if 31 bits of their keyed hash agree within three lines of the table.
//! - **All or nothing.** Several limits are decided together: all pass and all are charged, or none is.
//! - **A refusal consumes nothing** and writes nothing.
//! - **Fixed memory**, taken at construction and touched as keys come; only an export, a restore and every 32nd change of the
//!   limits walk the table.
//! - **No limited key is forgotten before an idle one.** When every place a key could take holds a live key, the one closest to
//!   idle goes; [`WhenFull`] says what the newcomer starts with.
//!
//! ```
//! use breakwater_core::{bucket::Limit, clock::Clock, limiter::{Costs, Limiter, Options}, rng::Rng};
//!
//! let limit = Limit { limit: Some(2.0), window_ms: Some(60_000.0), ..Limit::default() };
//! let options = Options { limits: vec![limit], ..Options::default() };
//! let limiter = Limiter::new(&options.check()?, Clock::monotonic(), &mut Rng::from_entropy())?;
//! let key = limiter.hash(b"203.0.113.7");
//! assert!(limiter.charge(key, &Costs::same(1)).allowed);
//! assert!(limiter.charge(key, &Costs::same(1)).allowed);
//! assert!(!limiter.charge(key, &Costs::same(1)).allowed);
//! # Ok::<(), breakwater_core::option::InvalidOption>(())
//! ```

mod export;
#[expect(clippy::module_inception, reason = "the shell of a primitive is named after it, in every folder")]
mod limiter;
mod line;
pub mod model;
mod options;
mod table;

pub use crate::words::MAX_LIMITS;
pub use limiter::{Limiter, Reservation, Reserve, Snapshot};
pub use model::{Costs, Verdict};
pub use options::{Checked, DEFAULT_MAX_KEYS, Options, WhenFull, check_block_ms};
