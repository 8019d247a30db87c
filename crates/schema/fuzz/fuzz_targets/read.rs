//! Any bytes, read by one reader after all that it read before: `tests/checks/read.rs` says what must hold.
#![no_main]

use std::cell::RefCell;

use breakwater_schema::document::Reader;
use libfuzzer_sys::fuzz_target;

#[allow(dead_code, reason = "the other target's checks are here too")]
#[path = "../../tests/checks/mod.rs"]
mod checks;

thread_local! {
    static READER: RefCell<Reader> = RefCell::default();
}

fuzz_target!(|bytes: &[u8]| READER.with_borrow_mut(|reader| checks::read::check(reader, bytes)));
