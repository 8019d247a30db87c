//! What runs beside the event loops: a pool of threads of our own, not libuv's four, which file system, DNS and crypto share. It is
//! started by the first job and leaked, as all that belongs to the process.

use std::{
    sync::{
        LazyLock,
        atomic::{AtomicUsize, Ordering},
    },
    thread::available_parallelism,
    time::Duration,
};

use tokio::runtime::{Builder, Handle};

/// Jobs and bytes that may wait, be under way, or be done and not taken yet, over all environments.
const MOST_JOBS: usize = 1_024;
const MOST_BYTES: usize = 256 << 20;

/// A thread that has had nothing to do for so long ends.
const KEEP_ALIVE: Duration = Duration::from_secs(10);

/// Stack of a thread: several times what a validation may use (see `document/meter.rs`).
const STACK_BYTES: usize = 2 << 20;

struct Pool {
    /// None if the system gave none.
    threads: Option<Handle>,
    jobs: AtomicUsize,
    bytes: AtomicUsize,
}

static POOL: LazyLock<&'static Pool> = LazyLock::new(|| {
    // Only its blocking threads are used: nothing drives the runtime itself.
    let runtime = Builder::new_current_thread()
        .max_blocking_threads(available_parallelism().map_or(2, usize::from))
        .thread_keep_alive(KEEP_ALIVE)
        .thread_stack_size(STACK_BYTES)
        .thread_name("breakwater-pool")
        .build()
        .ok();
    let threads = runtime.map(|runtime| Box::leak(Box::new(runtime)).handle().clone());
    Box::leak(Box::new(Pool { threads, jobs: AtomicUsize::new(0), bytes: AtomicUsize::new(0) }))
});

/// There is more to do than may wait.
#[derive(Debug)]
pub(crate) struct Busy;

/// A place in the pool, held until what came of the job is taken, or the job is dropped.
pub(crate) struct Place {
    bytes: usize,
}

impl Place {
    fn take(bytes: usize) -> Result<Self, Busy> {
        let place = Self { bytes };
        // Added first, so that many at once cannot pass the bound together; a refused one gives back what it added.
        let jobs = POOL.jobs.fetch_add(1, Ordering::Relaxed);
        let waiting = POOL.bytes.fetch_add(bytes, Ordering::Relaxed);
        // One of any size may always go.
        let fits = jobs < MOST_JOBS && (jobs == 0 || waiting + bytes <= MOST_BYTES);
        if fits { Ok(place) } else { Err(Busy) }
    }

    /// The job holds so many bytes by now.
    pub(crate) fn hold(&mut self, bytes: usize) {
        // Modulo 2^64, as it may be fewer.
        POOL.bytes.fetch_add(bytes.wrapping_sub(self.bytes), Ordering::Relaxed);
        self.bytes = bytes;
    }

    /// The same, unless they are more than there is room for: whether they are held.
    pub(crate) fn try_hold(&mut self, bytes: usize) -> bool {
        let before = self.bytes;
        self.hold(bytes);
        let alone = POOL.jobs.load(Ordering::Relaxed) == 1;
        let fits = alone || POOL.bytes.load(Ordering::Relaxed) <= MOST_BYTES;
        if !fits {
            self.hold(before);
        }
        fits
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        POOL.jobs.fetch_sub(1, Ordering::Relaxed);
        POOL.bytes.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}

/// Has `job`, which holds so many bytes, done by a thread of the pool. Its place goes with what came of it.
pub(crate) fn beside(bytes: usize, job: impl FnOnce(Place) + Send + 'static) -> Result<(), Busy> {
    let place = Place::take(bytes)?;
    let threads = POOL.threads.as_ref().ok_or(Busy)?;
    threads.spawn_blocking(move || job(place));
    Ok(())
}
