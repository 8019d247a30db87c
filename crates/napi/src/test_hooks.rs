//! Entry points that panic on purpose, for the tests alone: built only with the feature `test-hooks`.

use napi::Env;
use napi_derive::napi;

use crate::{
    error::Result,
    fast::{Answer, Call, Raw, bind, bound},
};

struct Bomb;

static BOMB: Bomb = Bomb;

#[expect(clippy::panic, reason = "panicking is what these are for")]
fn explode(whence: &str) -> Answer {
    panic!("on purpose, in {whence}")
}

bound!(
    /// Panics inside a bound function.
    panic_bound,
    Bomb,
    0,
    |_, _call: Call<0>| explode("a bound function")
);

/// `{ panicBound }`.
#[napi(catch_unwind)]
pub fn panic_hooks(env: Env) -> Result<Raw> {
    Ok(bind(env, crate::host::anchor(&BOMB), &[(c"panicBound", panic_bound())]))
}

/// Panics inside a function made by napi-derive.
#[napi(catch_unwind)]
pub fn panic_derived() {
    explode("a derived function");
}
