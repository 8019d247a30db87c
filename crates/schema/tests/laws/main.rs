//! Laws: what the reader and the engine answer on any bytes, beside answers that come from elsewhere.
//!
//! proptest prints the seed of a failure and keeps it in `*.regressions` beside this file; commit it with the mend.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test may fail where it stands")]

#[path = "../checks/mod.rs"]
mod checks;

mod closed;
mod reader;
mod schemas;
mod texts;
mod verdicts;

use proptest::{prelude::ProptestConfig, test_runner::FileFailurePersistence};

/// So many cases, and where their failures are kept. `PROPTEST_CASES=25600` runs a hundred times as many.
fn cases(cases: u32) -> ProptestConfig {
    let kept = FileFailurePersistence::WithSource("regressions");
    let default = ProptestConfig::default();
    let cases = (u64::from(cases) * u64::from(default.cases) / 256).max(1) as u32;
    ProptestConfig { cases, failure_persistence: Some(Box::new(kept)), ..default }
}
