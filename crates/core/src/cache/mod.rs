//! A cache that loads: values by key, outside anybody's heap, for all environments, and the loads under way.
//!
//! Promises:
//! - **One load for a key**, whoever asks in whichever environment. What it comes to goes to all who waited; an error is theirs too, and
//!   is not stored.
//! - **What was changed meanwhile wins.** A load whose key was set, deleted, expired or cleared, or whose tags were invalidated since it
//!   began, is given to those who had asked before, and not stored; who asks after that does not get it.
//! - **A leader that dies, gives up or hangs past its lease is replaced** by one of those who wait; what it comes to later changes
//!   nothing.
//! - **The bounds hold at every instant**, to the byte: room is made before anything is stored.
//! - **No call takes long**: nothing is moved when the cache grows, and dead entries are swept a few at a time.
//!
//! ```
//! use breakwater_core::{cache::{Cache, Gone, Joined, Options, Stored, TimeOptions, Value, model::Standing}, clock::Clock, encoding::Encoding, room::Woken};
//!
//! let times = TimeOptions { ttl_ms: Some(60_000.0), ..TimeOptions::default() };
//! let rules = Options { max_bytes: Some(1e6), times, ..Options::default() }.check()?;
//! let cache = Cache::new(&rules, Clock::monotonic());
//! let (here, there, mut value, mut gone) = (1, 2, Value::default(), Gone::default());
//! let Some(Joined::Lead(token)) = cache.join(here, b"key", false, &mut Woken::default()) else { panic!() };
//! let Some(Joined::Wait(ticket)) = cache.join(there, b"key", false, &mut Woken::default()) else { panic!() };
//! let landed = cache.land(here, token, Some((b"value", Encoding::Latin1)), &Stored::default(), (true, 0, 0.5), &mut gone);
//! assert!(landed.stored);
//! assert_eq!(landed.woken.offers[0].ticket, ticket);
//! assert_eq!(cache.read(there, b"key", false, &mut value, || 0.5, &mut gone).standing, Standing::Fresh);
//! assert_eq!(value.bytes(), b"value");
//! # Ok::<(), breakwater_core::option::InvalidOption>(())
//! ```

mod buckets;
#[expect(clippy::module_inception, reason = "the shell of a primitive is named after it, in every folder")]
mod cache;
mod flights;
mod gone;
mod loads;
mod marks;
pub mod model;
mod options;
pub mod policy;
mod reads;
mod segments;
mod table;
mod tags;

pub use cache::{Cache, Figures, Stored};
pub use flights::{Joined, Outcome, Token};
pub use gone::{Garbage, Gone, Reason};
pub use loads::Landed;
pub use marks::{Held, MARKS, Marks};
pub use options::{
    DEFAULT_LEASE_MS, DEFAULT_POLICY, DEFAULT_REFRESH_BACKOFF_MS, DEFAULT_STALE_IF_ERROR_MS,
    DEFAULT_STALE_WHILE_REVALIDATE_MS, DEFAULT_TTL_JITTER, Options, Rules, TimeOptions, Times, check_bounds,
};
pub use reads::{Read, Still};
pub use table::{ENTRY_BYTES, Hashing, MAX_KEY_BYTES, MAX_VALUE_BYTES, Removed, Value};
pub use tags::Sequence;
