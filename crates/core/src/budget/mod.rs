//! A retry budget: how many retries the calls of the last while can bear.
//!
//! Every call deposits, every retry withdraws. Over the window, a retry is allowed as long as
//! withdrawals + 1 ≤ minPerSecond × window + ratio × deposits. So retries add at most a fixed share to the load, however many
//! calls fail, and a caller that makes few calls may still retry some.
//!
//! Promises:
//! - **Exact.** No withdrawal is allowed above the rule, from any number of threads, and none is refused that keeps it.
//! - **A refusal charges nothing**, and counts nothing.
//! - Charge before the wait: a budget that is charged when the retry starts lets every call that fails at once through.
//!
//! The window moves by slots of a tenth: it covers between nine and ten tenths of its length. The rule is that of Finagle's
//! `RetryBudget`, with deposits and withdrawals counted over one window instead of tokens that expire.
//!
//! ```
//! use std::sync::Arc;
//! use breakwater_core::{budget::{Budget, Options}, clock::{Clock, ManualClock}};
//!
//! let clock = Arc::new(ManualClock::new());
//! let options = Options { ratio: Some(0.5), min_per_second: Some(0.0), ..Options::default() };
//! let budget = Budget::new(&options.check()?, Clock::Manual(clock.clone()));
//! budget.deposit();
//! assert!(!budget.withdraw());
//! budget.deposit();
//! assert!(budget.withdraw());
//! assert!(!budget.withdraw());
//! # Ok::<(), breakwater_core::option::InvalidOption>(())
//! ```

#[expect(clippy::module_inception, reason = "the shell of a primitive is named after it, in every folder")]
mod budget;
pub mod model;
mod options;

pub use budget::{Budget, Figures};
pub use model::Rules;
pub use options::{DEFAULT_MIN_PER_SECOND, DEFAULT_RATIO, DEFAULT_WINDOW_MS, Options};
