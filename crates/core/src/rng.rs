//! The only source of chance.

use std::hash::{BuildHasher, RandomState};

use rand_core::{Rng as _, SeedableRng};
use rand_pcg::Pcg64;

/// A stream of random numbers: PCG, which gives the same values for the same seed on every platform and in every release.
#[derive(Clone, Debug)]
pub struct Rng(Pcg64);

impl Rng {
    /// The stream of `seed`.
    pub fn seeded(seed: u64) -> Self {
        Self(Pcg64::seed_from_u64(seed))
    }

    /// A stream nobody outside can guess: the operating system's entropy, as the standard library's hash maps draw it.
    pub fn from_entropy() -> Self {
        let words: [u64; 4] = std::array::from_fn(|i| RandomState::new().hash_one(i));
        let mut seed = [0; 32];
        for (bytes, word) in seed.chunks_exact_mut(8).zip(words) {
            bytes.copy_from_slice(&word.to_le_bytes());
        }
        Self(Pcg64::from_seed(seed))
    }

    /// The next 64 random bits.
    pub fn next_u64(&mut self) -> u64 {
        self.0.next_u64()
    }

    /// The next random number in [0, 1), a multiple of 2^-53.
    pub fn unit(&mut self) -> f64 {
        (self.next_u64() >> 11) as f64 / (1u64 << 53) as f64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_seed_gives_the_same_stream_and_entropy_does_not() {
        assert_eq!(Rng::seeded(7).next_u64(), Rng::seeded(7).next_u64());
        assert_ne!(Rng::seeded(7).next_u64(), Rng::seeded(8).next_u64());
        assert_ne!(Rng::from_entropy().next_u64(), Rng::from_entropy().next_u64());
    }
}
