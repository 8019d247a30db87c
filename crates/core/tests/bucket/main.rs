//! Stories of one token bucket, on the manual clock.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test may fail where it stands")]

#[path = "../support/mod.rs"]
mod support;

mod debts;
mod grants;
mod reconfigured;
mod waiters;

use breakwater_core::{
    bucket::{
        Acquire, Bucket, Decision, Limit, check_initial_tokens,
        model::{self, ticks},
    },
    room::{Offer, Why},
};
use support::{Ask, OnClock, bucket, bucket_with, ms, nobody, offered, rate, rate_of_nanos, secs};
