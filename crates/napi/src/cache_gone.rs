//! What calls have removed from caches with a name, for facades that want to know.

use std::{
    cell::RefCell,
    collections::{BTreeMap, VecDeque},
};

use breakwater_core::{
    cache::{Gone, Reason, Removed, Value},
    encoding::Encoding,
};

use crate::{
    cache::{CacheCell, answer},
    fast::{Call, bound},
};

/// What one environment has of all its caches.
#[derive(Default)]
pub(crate) struct Caching {
    /// The value that was read last.
    pub(crate) value: RefCell<Value>,
    /// Entries that calls of this environment removed, for facades that want to know.
    pub(crate) gone: RefCell<BTreeMap<u32, VecDeque<(Removed, Reason)>>>,
}

impl Caching {
    pub(crate) fn keep(&self, cache: u32, gone: Gone) {
        self.gone.borrow_mut().entry(cache).or_default().extend(gone.entries);
    }

    /// Nobody wants to know any more what was removed from this cache.
    pub(crate) fn forget(&self, cache: Option<u32>) {
        if let Some(cache) = cache {
            self.gone.borrow_mut().remove(&cache);
        }
    }
}

/// An encoding as the facade hands it back; 0 is none.
fn number_of(encoding: Encoding) -> f64 {
    match encoding {
        Encoding::Bytes => 1.0,
        Encoding::Latin1 => 2.0,
        Encoding::Utf16 => 3.0,
    }
}

bound!(
    /// `takeGone()`: the key of an entry that calls of this thread removed, or undefined if there is none. Registers: why (0 it had
    /// to go, 1 it was dead, 2 it was deleted, 3 it was replaced), and whether it had a value, which `goneValue` gives.
    pub(crate) take_gone,
    CacheCell,
    0,
    |cell, args: Call<0>| {
        let host = cell.host();
        let own = cell.with_state(|state, _| state.id)?;
        let mut gone = host.caching.gone.borrow_mut();
        let (removed, reason) = gone.get_mut(&own)?.pop_front()?;
        let reason = match reason {
            Reason::Evicted => 0.0,
            Reason::Expired => 1.0,
            Reason::Deleted => 2.0,
            Reason::Replaced => 3.0,
        };
        host.set(0, reason);
        let encoding = removed.copy_to(&mut host.caching.value.borrow_mut());
        host.set(1, encoding.map_or(0.0, number_of));
        Some(args.utf8(removed.key()))
    }
);

bound!(
    /// `goneValue(encoding)`: the value of the entry that `takeGone` gave last; the second register said in which encoding.
    pub(crate) gone_value,
    CacheCell,
    1,
    |cell, args: Call<1>| {
        let mut value = cell.host().caching.value.borrow_mut();
        let encodings = [Encoding::Bytes, Encoding::Latin1, Encoding::Utf16];
        let encoding = encodings.into_iter().find(|encoding| number_of(*encoding) == args.number(0));
        encoding.map(|encoding| answer(cell, &args, &mut value, encoding))
    }
);
