//! A token bucket: tokens flow in at a steady rate up to a capacity, and each call takes some.
//!
//! Promises:
//! - **Exact.** Over any span T at most capacity + rate × T tokens are granted, from any number of threads.
//! - **FIFO.** Who waits is served in order of arrival over all threads, and no newcomer passes a waiter.
//! - **A refusal consumes nothing** and writes nothing.
//! - What a waiter had not been granted when it gave up, or what it had been granted but had not claimed, goes to the next.
//!
//! The algorithm is the generic cell rate algorithm (ITU-T I.371) in its virtual-scheduling form: one word, the *theoretical
//! arrival time*, says when the bucket would be full again.
//!
//! ```
//! use std::sync::Arc;
//! use breakwater_core::{bucket::{Bucket, Decision, Limit}, clock::{Clock, ManualClock}};
//!
//! let clock = Arc::new(ManualClock::new());
//! let limit = Limit { capacity: Some(2.0), refill_per_second: Some(10.0), ..Limit::default() };
//! let bucket = Bucket::new(&limit.rate()?, None, 10_000, Clock::Manual(clock.clone()));
//! assert_eq!(bucket.take(2).0, Decision::Allow);
//! assert_eq!(bucket.take(1).0, Decision::RetryAfter(100_000_000));
//! clock.advance_to(100_000_000);
//! assert_eq!(bucket.take(1).0, Decision::Allow);
//! # Ok::<(), breakwater_core::option::InvalidOption>(())
//! ```

#[expect(clippy::module_inception, reason = "the shell of a primitive is named after it, in every folder")]
mod bucket;
pub mod model;
mod options;

pub use bucket::{Acquire, Bucket};
pub use model::{Decision, Rate};
pub use options::{Limit, MAX_WAITERS, check_initial_tokens, check_max_waiters, check_tokens};
