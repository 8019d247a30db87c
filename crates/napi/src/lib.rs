//! The binding: converts between JavaScript and the cores, decides nothing.
//!
//! - `fast.rs`: bound native functions, what hot calls go through.
//! - `bucket.rs`, `limiter.rs`, `breaker.rs`, `backoff.rs`, `budget.rs`, `throttle.rs`, `bulkhead.rs`, `queue.rs`, `cache.rs`,
//!   `monitor.rs`, `shedder.rs`, `schema.rs`, `clock.rs`: one file per primitive.
//! - `host/`: threads: arenas, named state, mailboxes, an environment's end, the watchdog.
//! - `cache_loads.rs`: loads through caches; `cache_front.rs`: what their fronts see; `cache_gone.rs`: what they removed; `cache_rules.rs`: their options; `residents.rs`: the policy of those without a name.
//! - `export.rs`: exported state as JSON. `overlays.rs`: who isolates and disables breakers. `hands.rs`: what was taken from queues
//!   and not delivered yet.
//! - `comparison.rs`: what a change of a schema breaks.
//! - `programs.rs`: compiled schemas, one for all threads. `documents.rs`: what they are asked of, `jobs.rs` beside the loop.
//! - `error.rs`: how what went wrong reaches the facade.

#![allow(unreachable_pub, reason = "napi-derive requires what it exports to be pub, in private modules too")]

mod backoff;
mod breaker;
mod bucket;
mod budget;
mod bulkhead;
mod cache;
mod cache_front;
mod cache_gone;
mod cache_loads;
mod cache_rules;
mod clock;
mod comparison;
mod documents;
mod error;
mod export;
mod fast;
mod hands;
mod host;
mod jobs;
mod limiter;
mod monitor;
mod overlays;
mod programs;
mod queue;
mod residents;
mod schema;
mod shedder;
#[cfg(feature = "test-hooks")]
mod test_hooks;
mod throttle;

use napi_derive::napi;

/// The version of what facade and binary say to each other: raised whenever a signature or a register changes.
/// Compared by the facade before it uses anything else.
#[napi]
pub const ABI: u32 = 8;
