//! Laws: a list of operations runs on the real thing and on a naive one that a reader can verify by eye. They have to agree
//! decision by decision, and over any span what was granted stays below capacity + rate × span.
//!
//! proptest prints the seed of a failure and keeps it in `main.regressions` beside this file; commit it with the mend.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test may fail where it stands")]

#[path = "../support/mod.rs"]
mod support;

mod breaker;
mod bucket;
mod budget;
mod bulkhead;
mod cache;
mod limiter;
mod monitor;
mod queue;
mod rounding;
mod shedder;
#[path = "../support/spans.rs"]
mod spans;
mod throttle;

use proptest::{prelude::ProptestConfig, test_runner::FileFailurePersistence};

/// So many cases, and where their failures are kept. `PROPTEST_CASES=2560` runs ten times as many.
fn cases(cases: u32) -> ProptestConfig {
    let kept = FileFailurePersistence::WithSource("regressions");
    let default = ProptestConfig::default();
    let cases = (u64::from(cases) * u64::from(default.cases) / 256).max(1) as u32;
    ProptestConfig { cases, failure_persistence: Some(Box::new(kept)), ..default }
}
