//! Counts by size: exact below 32 µs, above that 32 steps to each doubling, up to 71 minutes.

use crate::clock::Nanos;

const STEP_BITS: u32 = 5;
const STEPS: u64 = 1 << STEP_BITS;
const MAX_MICROS: u64 = u32::MAX as u64;
const BUCKETS: usize = ((32 - STEP_BITS as usize) + 1) * STEPS as usize;

/// A histogram of spans.
#[derive(Clone, Debug)]
pub struct Histogram {
    counts: Box<[u32]>,
    total: u64,
    max: Nanos,
    sum: f64,
}

impl Histogram {
    /// Nothing counted.
    pub fn new() -> Self {
        Self { counts: vec![0; BUCKETS].into(), total: 0, max: 0, sum: 0.0 }
    }

    /// Counts `span` so many times.
    #[inline]
    pub fn add(&mut self, span: Nanos, times: u32) {
        if let Some(count) = self.counts.get_mut(bucket_of(span / 1_000)) {
            *count = count.saturating_add(times);
        }
        self.total += u64::from(times);
        self.max = self.max.max(span);
        self.sum += span as f64 * f64::from(times);
    }

    /// The least span that at least the share `quantile` of all does not exceed, up to 3.2 % too high; 0 if nothing was counted.
    pub fn quantile(&self, quantile: f64) -> Nanos {
        let rank = ((quantile * self.total as f64).ceil() as u64).max(1);
        let mut seen = 0;
        for (bucket, count) in self.counts.iter().enumerate() {
            seen += u64::from(*count);
            if seen >= rank {
                return self.max.min((highest_of(bucket) + 1) * 1_000);
            }
        }
        self.max
    }

    /// How many spans were counted.
    pub fn total(&self) -> u64 {
        self.total
    }

    /// The longest one.
    pub fn max(&self) -> Nanos {
        self.max
    }

    /// Their mean; 0 of none.
    pub fn mean(&self) -> Nanos {
        if self.total == 0 { 0 } else { (self.sum / self.total as f64) as Nanos }
    }

    /// Forgets everything.
    pub fn clear(&mut self) {
        self.counts.fill(0);
        (self.total, self.max, self.sum) = (0, 0, 0.0);
    }
}

impl Default for Histogram {
    fn default() -> Self {
        Self::new()
    }
}

#[inline]
fn bucket_of(micros: u64) -> usize {
    let micros = micros.min(MAX_MICROS);
    if micros < STEPS {
        return micros as usize;
    }
    let doublings = 63 - micros.leading_zeros() - STEP_BITS;
    (u64::from(doublings) * STEPS + (micros >> doublings)) as usize
}

/// The highest whole number of microseconds in a bucket.
fn highest_of(bucket: usize) -> u64 {
    let bucket = bucket as u64;
    if bucket < 2 * STEPS {
        return bucket;
    }
    let doublings = bucket / STEPS - 1;
    ((bucket % STEPS + STEPS + 1) << doublings) - 1
}
