//! What takes too long for an event loop.

use std::thread;

/// Drops a large value on a thread of its own; here, where there is none to be had.
pub(crate) fn drop_elsewhere<T: Send + 'static>(value: T) {
    // A closure that never runs drops what it holds.
    let _ = thread::Builder::new().name("breakwater-drop".to_owned()).spawn(move || drop(value));
}
