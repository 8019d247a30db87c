//! A bulkhead: so many calls at once, and so many that wait.
//!
//! Promises:
//! - **Never more permits out than the limit**, from any number of threads; an adaptive limit that has become smaller lets those
//!   that are out come back.
//! - **A freed permit goes to the head of the line** before any newcomer, in whichever thread it waits. Only a thread that has not
//!   answered for 20 ms is passed over, and its waiters stand at the head of the line again when it does.
//! - **Every waiter leaves once**: served, sent away (evicted, too late) or cancelled.
//! - **Nothing is lost with an environment**: what it had out, what it was offered and its places in the line are given back.
//! - Who asks for more than an adaptive limit allows at the moment is served when nothing else runs.
//!
//! Orders: first come first served, last come, by priority, or fair between keys (see [`crate::room`]). By priority, who comes with a
//! higher one than everyone who waits passes them; with reserved shares, calls of a priority find only so much of the limit as is not
//! kept for those above (trunk reservation).
//!
//! ```
//! use breakwater_core::{bulkhead::{Bulkhead, Options, Wait, Wanted}, clock::Clock};
//!
//! let rules = Options { max_queue: Some(1.0), ..Options::fixed(1.0) }.check()?;
//! let bulkhead = Bulkhead::new(rules, Clock::monotonic());
//! let here = 1;
//! assert!(bulkhead.enter(here, 1, 5).0);
//! let wanted = Wanted { weight: 1, priority: 5, key: b"", timeout: None };
//! let (Wait::Waiting { ticket, .. }, _) = bulkhead.wait(here, &wanted) else { panic!() };
//! assert_eq!(bulkhead.wait(here, &wanted).0, Wait::Full);
//! assert_eq!(bulkhead.leave(here, 1).next.map(|next| next.ticket), Some(ticket), "it goes on with the permit that became free");
//! # Ok::<(), breakwater_core::option::InvalidOption>(())
//! ```

pub mod adaptive;
pub mod aimd;
#[expect(clippy::module_inception, reason = "the shell of a primitive is named after it, in every folder")]
mod bulkhead;
pub mod codel;
pub mod gradient;
pub mod model;
mod options;

pub use adaptive::{Adaptive, Bounds, Outcome, Sample};
pub use bulkhead::{Bulkhead, Figures, Freed, LimitChange, Next, Wait, Wanted};
pub use options::{
    Change, CodelOptions, Concurrency, DEFAULT_INITIAL, DEFAULT_INTERVAL_MS, DEFAULT_MAX, DEFAULT_MAX_QUEUE,
    DEFAULT_MIN, DEFAULT_PRIORITY, DEFAULT_TARGET_MS, Options, Range, Rules, check_priority,
    check_queue_timeout, check_weight,
};
