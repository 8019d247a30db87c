//! Threads: what belongs to one JavaScript environment, what is shared by name, how one wakes another, and how one ends.
//!
//! Lock order: registry → object → mailbox. No lock is held while JavaScript runs.

mod apart;
mod arena;
mod env;
mod mailbox;
mod pin;
mod pool;
mod registry;
mod stack;
mod watchdog;

pub(crate) use apart::drop_elsewhere;
pub(crate) use arena::Cell;
#[cfg(feature = "test-hooks")]
pub(crate) use arena::anchor;
pub(crate) use env::{Host, Opened, REGISTERS, host};
pub(crate) use mailbox::{Listeners, Mail, Observed, Waits, deliver, done, post};
pub(crate) use pool::{Busy, Place, beside};
pub(crate) use registry::{Counter, Given, Kind, Shared, Tally, Traits, find, join, name_of, private};
pub(crate) use watchdog::watchdog;
