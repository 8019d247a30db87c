//! The cores of breakwater.
//!
//! Each primitive has a folder of its own with the same file names: `options.rs` (defaults, ranges, units), `model.rs` (the
//! pure algorithm: state, event, now → state, decision) and `<word>.rs` (the shell: words, locks, the clock).
//! The cores are passive: they start no thread and no timer, and say when to ask again.

pub mod backoff;
pub mod breaker;
pub mod bucket;
pub mod budget;
pub mod bulkhead;
pub mod cache;
pub mod clock;
pub mod encoding;
pub mod limiter;
pub mod monitor;
pub mod option;
pub mod queue;
pub mod rng;
pub mod room;
pub mod shedder;
pub mod sync;
pub mod throttle;
mod window;
mod words;
