//! The one switch between std, loom and shuttle.

/// Memory that is only read, or made once: no checker has to follow it.
pub use std::sync::{Arc as Shared, OnceLock};

#[cfg(loom)]
pub use loom::{
    hint::spin_loop,
    sync::{
        Arc,
        atomic::{AtomicU8, AtomicU32, AtomicU64, Ordering, fence},
    },
    thread::yield_now,
};

#[cfg(shuttle)]
pub use shuttle::{
    hint::spin_loop,
    sync::{
        Arc,
        atomic::{AtomicU8, AtomicU32, AtomicU64, Ordering, fence},
    },
    thread::yield_now,
};

#[cfg(not(any(loom, shuttle)))]
pub use std::{
    hint::spin_loop,
    sync::{
        Arc,
        atomic::{AtomicU8, AtomicU32, AtomicU64, Ordering, fence},
    },
    thread::yield_now,
};

#[cfg(not(any(loom, shuttle)))]
pub use parking_lot::{Mutex, MutexGuard, RwLock};

#[cfg(any(loom, shuttle))]
pub use modelled::{Mutex, MutexGuard, RwLock};

/// The checkers' mutexes with parking_lot's signature: no poisoning.
#[cfg(any(loom, shuttle))]
mod modelled {
    #[cfg(loom)]
    use loom::sync as model;
    #[cfg(shuttle)]
    use shuttle::sync as model;

    pub use model::MutexGuard;
    use model::{RwLockReadGuard, RwLockWriteGuard};

    /// `parking_lot::RwLock` in a checker.
    #[derive(Debug)]
    pub struct RwLock<T>(model::RwLock<T>);

    impl<T> RwLock<T> {
        /// An unlocked one.
        pub fn new(value: T) -> Self {
            Self(model::RwLock::new(value))
        }

        /// Waits until nobody writes.
        pub fn read(&self) -> RwLockReadGuard<'_, T> {
            self.0.read().unwrap_or_else(|poisoned| poisoned.into_inner())
        }

        /// Waits until nobody else holds it.
        pub fn write(&self) -> RwLockWriteGuard<'_, T> {
            self.0.write().unwrap_or_else(|poisoned| poisoned.into_inner())
        }
    }

    /// `parking_lot::Mutex` in a checker.
    #[derive(Debug)]
    pub struct Mutex<T>(model::Mutex<T>);

    impl<T> Mutex<T> {
        /// An unlocked mutex.
        pub fn new(value: T) -> Self {
            Self(model::Mutex::new(value))
        }

        /// Waits until nobody else holds it.
        pub fn lock(&self) -> MutexGuard<'_, T> {
            self.0.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
        }
    }
}

/// Waits a little for another thread that is about to be done: spins first, then gives the processor away.
#[derive(Debug, Default)]
pub(crate) struct Backoff(u32);

impl Backoff {
    pub(crate) fn wait(&mut self) {
        // A checker has to be told at once that this thread cannot go on alone.
        if self.0 < 6 && cfg!(not(any(loom, shuttle))) {
            for _ in 0..(1 << self.0) {
                spin_loop();
            }
        } else {
            yield_now();
        }
        self.0 = self.0.saturating_add(1);
    }
}
