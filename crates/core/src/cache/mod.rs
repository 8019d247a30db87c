//! A cache.
mod buckets;
#[expect(clippy::module_inception, reason = "the shell of a primitive is named after it, in every folder")]
mod cache;
mod flights;
pub mod model;
mod options;
pub mod policy;
mod segments;
mod table;
mod tags;
pub use cache::*;
pub use flights::{Joined, Outcome, Token};
pub use options::*;
pub use table::{ENTRY_BYTES, Hashing, MAX_KEY_BYTES, MAX_VALUE_BYTES, Removed, Value};
pub use tags::Sequence;
