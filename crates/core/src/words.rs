//! State that may one day be shared memory: fixed-size atomic words, laid out the same for every process.
//!
//! A *record* here is a few words under a version: readers take a copy and look whether the version moved meanwhile, writers
//! make it odd while they write. Nobody blocks but for the few stores of a writer.
//!
//! [`Pages`] is memory for what is larger and not atomic: messages.

use crate::{
    bucket::Rate,
    sync::{AtomicU32, AtomicU64, Backoff, Ordering, fence},
};

/// The most limits one key can have.
pub const MAX_LIMITS: usize = 8;

/// A lock that is a word: held for a few stores, never while anything is waited for. Who finds it taken spins, then yields.
#[derive(Debug)]
pub(crate) struct Lock(AtomicU32);

/// The lock is held as long as this lives.
pub(crate) struct Held<'a>(&'a Lock);

impl Lock {
    pub(crate) fn new() -> Self {
        Self(AtomicU32::new(0))
    }

    #[inline]
    pub(crate) fn lock(&self) -> Held<'_> {
        let mut backoff = Backoff::default();
        while self.0.compare_exchange_weak(0, 1, Ordering::Acquire, Ordering::Relaxed).is_err() {
            backoff.wait();
        }
        Held(self)
    }
}

impl Drop for Held<'_> {
    #[inline]
    fn drop(&mut self) {
        self.0.0.store(0, Ordering::Release);
    }
}

/// A double that is a word: written and read under the owner's lock.
#[derive(Debug)]
pub(crate) struct Double(AtomicU64);

impl Double {
    pub(crate) fn new(value: f64) -> Self {
        Self(AtomicU64::new(value.to_bits()))
    }

    #[inline]
    pub(crate) fn load(&self) -> f64 {
        f64::from_bits(self.0.load(Ordering::Relaxed))
    }

    pub(crate) fn store(&self, value: f64) {
        self.0.store(value.to_bits(), Ordering::Relaxed);
    }
}

/// The rates of up to [`MAX_LIMITS`] limits as one record, with the generation of the limits: how often they were changed.
#[derive(Debug)]
pub(crate) struct Rates {
    version: AtomicU32,
    generation: AtomicU32,
    len: usize,
    words: [[AtomicU64; 2]; MAX_LIMITS],
}

impl Rates {
    pub(crate) fn new(rates: &[Rate]) -> Self {
        Self {
            version: AtomicU32::new(0),
            generation: AtomicU32::new(0),
            len: rates.len().min(MAX_LIMITS),
            words: std::array::from_fn(|index| {
                let (interval, capacity) =
                    rates.get(index).map_or((0, 0), |rate| (rate.interval, rate.capacity));
                [AtomicU64::new(interval), AtomicU64::new(capacity)]
            }),
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.len
    }

    /// Another number after every change, and while one is made.
    #[inline]
    pub(crate) fn version(&self) -> u32 {
        self.version.load(Ordering::Relaxed)
    }

    /// A copy of the only rate, for a record made of one.
    #[inline]
    pub(crate) fn first(&self) -> Rate {
        self.read(|this| this.rate(0))
    }

    /// Copies the rates to `out` and answers their generation.
    #[inline]
    pub(crate) fn copy(&self, out: &mut [Rate; MAX_LIMITS]) -> u32 {
        self.read(|this| {
            for (index, rate) in out.iter_mut().enumerate().take(this.len) {
                *rate = this.rate(index);
            }
            this.generation.load(Ordering::Relaxed)
        })
    }

    /// Changes the rates and starts a new generation. One writer at a time: the owner sees to that with a lock.
    pub(crate) fn write(&self, rates: &[Rate]) {
        let version = self.version.load(Ordering::Relaxed);
        self.version.store(version.wrapping_add(1), Ordering::Relaxed);
        fence(Ordering::Release);
        for (word, rate) in self.words.iter().zip(rates) {
            word[0].store(rate.interval, Ordering::Relaxed);
            word[1].store(rate.capacity, Ordering::Relaxed);
        }
        self.generation.store(self.generation.load(Ordering::Relaxed).wrapping_add(1), Ordering::Relaxed);
        self.version.store(version.wrapping_add(2), Ordering::Release);
    }

    #[inline]
    fn rate(&self, index: usize) -> Rate {
        self.words.get(index).map_or(Rate { interval: 0, capacity: 0 }, |word| Rate {
            interval: word[0].load(Ordering::Relaxed),
            capacity: word[1].load(Ordering::Relaxed),
        })
    }

    #[inline]
    fn read<T>(&self, mut copy: impl FnMut(&Self) -> T) -> T {
        let mut backoff = Backoff::default();
        loop {
            let version = self.version.load(Ordering::Acquire);
            if version & 1 == 0 {
                let value = copy(self);
                fence(Ordering::Acquire);
                if self.version.load(Ordering::Relaxed) == version {
                    return value;
                }
            }
            backoff.wait();
        }
    }
}

/// A fixed array of words, all 0, that starts on a cache line. The system hands its pages out as they are first touched, so a
/// large table costs nothing before keys come, and growing never copies it.
#[derive(Debug)]
pub(crate) struct Slab {
    #[cfg(not(any(loom, shuttle)))]
    raw: zeroed::Raw,
    #[cfg(any(loom, shuttle))]
    words: Vec<AtomicU64>,
}

#[cfg(any(loom, shuttle))]
impl Slab {
    pub(crate) fn new(len: usize) -> Option<Self> {
        Some(Self { words: (0..len).map(|_| AtomicU64::new(0)).collect() })
    }

    pub(crate) fn words(&self) -> &[AtomicU64] {
        &self.words
    }
}

#[cfg(not(any(loom, shuttle)))]
impl Slab {
    /// None if the system has not that much memory to give.
    pub(crate) fn new(len: usize) -> Option<Self> {
        zeroed::Raw::new(len).map(|raw| Self { raw })
    }

    #[inline]
    pub(crate) fn words(&self) -> &[AtomicU64] {
        self.raw.words()
    }
}

#[cfg(not(any(loom, shuttle)))]
mod zeroed {
    use std::{
        alloc::{Layout, alloc_zeroed, dealloc},
        ptr::NonNull,
        sync::atomic::AtomicU64,
    };

    const CACHE_LINE: usize = 64;

    #[derive(Debug)]
    pub(super) struct Raw {
        allocation: NonNull<u8>,
        layout: Layout,
        words: NonNull<AtomicU64>,
        len: usize,
    }

    // SAFETY: the memory is owned by this value, lives as long as it, and is reached only as shared atomics.
    unsafe impl Send for Raw {}
    // SAFETY: as above.
    unsafe impl Sync for Raw {}

    impl Raw {
        pub(super) fn new(len: usize) -> Option<Self> {
            // Asked for with a small alignment and aligned here: the standard allocator clears over-aligned memory by hand,
            // which would touch every page at once.
            let size = len.checked_mul(size_of::<AtomicU64>())?.checked_add(CACHE_LINE)?;
            let layout = Layout::from_size_align(size, align_of::<AtomicU64>()).ok()?;
            // SAFETY: `size` is at least CACHE_LINE, so not zero.
            let allocation = unsafe { alloc_zeroed(layout) };
            let allocation = NonNull::new(allocation)?;
            let skip = allocation.align_offset(CACHE_LINE);
            // SAFETY: `skip` is below CACHE_LINE, by which the allocation is larger than the words.
            let words = unsafe { allocation.add(skip) }.cast();
            Some(Self { allocation, layout, words, len })
        }

        #[inline]
        pub(super) fn words(&self) -> &[AtomicU64] {
            // SAFETY: `len` words from `words` on lie within the allocation, aligned, and all zeros is a valid AtomicU64.
            unsafe { std::slice::from_raw_parts(self.words.as_ptr(), self.len) }
        }
    }

    impl Drop for Raw {
        fn drop(&mut self) {
            // SAFETY: allocated in `new` with this layout.
            unsafe { dealloc(self.allocation.as_ptr(), self.layout) }
        }
    }
}

/// Bytes that are written once from their start on, in memory that goes back to the system when they are dropped: a general
/// allocator would keep it, and a queue that once held a gigabyte would be as large for ever.
#[derive(Debug)]
pub(crate) struct Pages {
    memory: pages::Memory,
    len: usize,
}

impl Pages {
    /// Room for `capacity` bytes. `at_once`: it will be used, and the system does better to find it in one go than page by page.
    pub(crate) fn new(capacity: usize, at_once: bool) -> Self {
        Self { memory: pages::Memory::new(capacity, at_once), len: 0 }
    }

    /// How many bytes more there is room for.
    pub(crate) fn room(&self) -> usize {
        self.memory.capacity() - self.len
    }

    /// Adds `bytes`; what there is no room for is left out.
    #[inline]
    pub(crate) fn push(&mut self, bytes: &[u8]) {
        let bytes = bytes.get(..self.room()).unwrap_or(bytes);
        self.memory.write(self.len, bytes);
        self.len += bytes.len();
    }

    #[inline]
    pub(crate) fn bytes(&self) -> &[u8] {
        self.memory.first(self.len)
    }

    /// Starts anew.
    pub(crate) fn clear(&mut self) {
        self.len = 0;
    }
}

#[cfg(target_os = "linux")]
mod pages {
    use std::{
        alloc::{Layout, handle_alloc_error},
        ptr::{self, NonNull},
    };

    use rustix::mm::{MapFlags, ProtFlags, mmap_anonymous, munmap};

    /// A mapping of its own.
    #[derive(Debug)]
    pub(super) struct Memory {
        start: NonNull<u8>,
        capacity: usize,
    }

    // SAFETY: the mapping is owned by this value alone, and only reached through it.
    unsafe impl Send for Memory {}
    // SAFETY: as above; what is shared is only read.
    unsafe impl Sync for Memory {}

    impl Memory {
        pub(super) fn new(capacity: usize, at_once: bool) -> Self {
            let protection = ProtFlags::READ | ProtFlags::WRITE;
            let flags = if at_once { MapFlags::PRIVATE | MapFlags::POPULATE } else { MapFlags::PRIVATE };
            // SAFETY: a new mapping of the system's choice touches no memory there is.
            let start = unsafe { mmap_anonymous(ptr::null_mut(), capacity, protection, flags) };
            let Some(start) = start.ok().and_then(|start| NonNull::new(start.cast())) else {
                // As a Vec does: there is no memory.
                handle_alloc_error(Layout::array::<u8>(capacity).unwrap_or(Layout::new::<u8>()))
            };
            Self { start, capacity }
        }

        #[inline]
        pub(super) fn capacity(&self) -> usize {
            self.capacity
        }

        #[inline]
        pub(super) fn write(&mut self, at: usize, bytes: &[u8]) {
            if at <= self.capacity && bytes.len() <= self.capacity - at {
                // SAFETY: within the mapping, which nothing else refers to while it is borrowed for writing.
                unsafe {
                    let to = self.start.add(at).as_ptr();
                    ptr::copy_nonoverlapping(bytes.as_ptr(), to, bytes.len());
                }
            }
        }

        #[inline]
        pub(super) fn first(&self, len: usize) -> &[u8] {
            // SAFETY: within the mapping, whose bytes are 0 until they are written.
            unsafe { std::slice::from_raw_parts(self.start.as_ptr(), len.min(self.capacity)) }
        }
    }

    impl Drop for Memory {
        fn drop(&mut self) {
            // SAFETY: mapped in `new` with this length, and reached by nobody any more.
            let _ = unsafe { munmap(self.start.as_ptr().cast(), self.capacity) };
        }
    }
}

#[cfg(not(target_os = "linux"))]
mod pages {
    /// Memory of the allocator.
    #[derive(Debug)]
    pub(super) struct Memory(Box<[u8]>);

    impl Memory {
        pub(super) fn new(capacity: usize, _at_once: bool) -> Self {
            Self(vec![0; capacity].into())
        }

        pub(super) fn capacity(&self) -> usize {
            self.0.len()
        }

        pub(super) fn write(&mut self, at: usize, bytes: &[u8]) {
            if let Some(to) = self.0.get_mut(at..at + bytes.len()) {
                to.copy_from_slice(bytes);
            }
        }

        pub(super) fn first(&self, len: usize) -> &[u8] {
            self.0.get(..len).unwrap_or(&self.0)
        }
    }
}
