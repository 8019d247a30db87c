//! Fronts of caches with a name: the words by which they see in JavaScript, without a call, that what they hold may have changed.

use std::sync::{Mutex, PoisonError, atomic::AtomicU32};

use breakwater_core::cache::{MARKS, Marks, Still};
use napi::Env;
use napi_derive::napi;

use crate::{
    cache::{CacheCell, tell_held},
    error::Result,
    fast::{Call, Raw, bound, shared_words},
    host::host,
};

type Words = &'static [AtomicU32];

/// Words of caches that are gone. They are used again, not freed: an array of JavaScript may still point to them.
static FREE: Mutex<Vec<Words>> = Mutex::new(Vec::new());

fn take_words() -> Words {
    let free = FREE.lock().unwrap_or_else(PoisonError::into_inner).pop();
    free.unwrap_or_else(|| Box::leak((0..MARKS).map(|_| AtomicU32::new(0)).collect()))
}

/// The cache is gone, and with it everybody who looked at its words.
pub(crate) fn give_back(marks: &Marks) {
    FREE.lock().unwrap_or_else(PoisonError::into_inner).push(marks.words());
}

/// What a front sees of its cache.
#[napi(object, object_from_js = false)]
pub struct FrontWords {
    /// A Uint32Array; none if the front has to ask with each hit: the runtime cannot share memory, or there are too many fronts.
    pub words: Option<Raw>,
    /// Which of them says how many hits the front has not told yet.
    pub untold: u32,
}

/// The words for a front of this object; None if it was disposed.
#[napi(catch_unwind)]
pub fn open_front(env: Env, host_id: u32, handle: u32) -> Result<Option<FrontWords>> {
    let host = host(env, host_id)?;
    let Some(state) = host.caches.state(handle as usize) else { return Ok(None) };
    let marks = state.core.marks(take_words);
    let shared = shared_words(env, marks.words()).and_then(|words| Some((words, marks.claim(host.id)?)));
    let (words, untold) = shared.map_or((None, 0), |(words, untold)| (Some(words), untold));
    Ok(Some(FrontWords { words, untold }))
}

bound!(
    /// `isStill(place, version, group)`: 1 the value that was read there is still there and fresh: a hit, and the registers say what a
    /// front has to know of it; 2 it is, and to be loaded early; 0 it is not.
    pub(crate) is_still,
    CacheCell,
    3,
    |cell, args: Call<3>| {
        let [place, version, group] = [0, 1, 2].map(|index| args.number(index) as u32);
        cell.with(|cache, _| {
            match cache.is_still(cell.host().id, place, version, group, || cell.chance()) {
                Still::No => 0.0,
                Still::Early => 2.0,
                Still::Yes(held) => {
                    tell_held(cell, &held);
                    1.0
                }
            }
        })
    }
);

bound!(
    /// `fronted(hits, count, untold)`: hits of a front, the slots of which are the first 32-bit words of `hits`.
    pub(crate) fronted,
    CacheCell,
    3,
    |cell, args: Call<3>| {
        cell.with(|cache, _| {
            let host = cell.host();
            host.hands.with_scratch(|scratch| {
                let Some(bytes) = args.bytes(0, scratch) else { return false };
                let (words, _) = bytes.as_chunks::<4>();
                let slots = words.iter().take(args.number(1) as usize).map(|word| u32::from_ne_bytes(*word));
                cache.fronted(host.id, args.number(2) as u32, slots);
                true
            })
        })
    }
);

bound!(
    /// `endFront(untold)`: the front is no more, and has told its hits.
    pub(crate) end_front,
    CacheCell,
    1,
    |cell, args: Call<1>| {
        cell.with(|cache, _| {
            if let Some(marks) = cache.marks_there() {
                marks.release(args.number(0) as u32);
            }
            true
        })
    }
);
