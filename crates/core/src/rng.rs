//! The only source of chance.

use std::hash::{BuildHasher, RandomState};

use rand_core::{Rng as _, SeedableRng};
use rand_pcg::Pcg64;

use crate::option::InvalidOption;

/// A stream of random numbers: PCG, which gives the same values for the same seed on every platform and in every release.
#[derive(Clone, Debug)]
pub struct Rng(Pcg64);

impl Rng {
    /// The stream of `seed`.
    pub fn seeded(seed: u64) -> Self {
        Self(Pcg64::seed_from_u64(seed))
    }

    /// One of the streams of `seed`: those of two numbers have nothing to do with each other.
    pub fn stream(seed: u64, number: u64) -> Self {
        // The golden ratio spreads small numbers over all bits.
        Self::seeded(seed ^ number.wrapping_mul(0x9E37_79B9_7F4A_7C15))
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

    /// The next number in [0, 1), uniform: a multiple of 2^-53.
    pub fn unit(&mut self) -> f64 {
        (self.next_u64() >> 11) as f64 / (1u64 << 53) as f64
    }
}

/// `seed`: any finite number; all its bits count.
pub fn check_seed(seed: f64) -> Result<u64, InvalidOption> {
    if seed.is_finite() {
        Ok(seed.to_bits())
    } else {
        Err(InvalidOption::number("seed", "a finite number", seed))
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
        assert_eq!(Rng::stream(7, 1).next_u64(), Rng::stream(7, 1).next_u64());
        assert_ne!(Rng::stream(7, 1).next_u64(), Rng::stream(7, 2).next_u64());
    }

    #[test]
    fn units_are_spread_evenly_over_0_to_1_without_1() {
        let mut rng = Rng::seeded(7);
        let mut tenths = [0; 10];
        for _ in 0..100_000 {
            let unit = rng.unit();
            assert!((0.0..1.0).contains(&unit));
            tenths[(unit * 10.0) as usize] += 1;
        }
        assert!(tenths.iter().all(|count| (9_500..10_500).contains(count)), "{tenths:?}");
    }

    #[test]
    fn a_seed_is_any_finite_number() {
        for seed in [0.0, -1.5, 1e300, f64::MAX] {
            assert_eq!(check_seed(seed), Ok(seed.to_bits()));
        }
        let said = check_seed(f64::NAN).unwrap_err().to_string();
        assert_eq!(said, "seed must be a finite number, got NaN");
        assert!(check_seed(f64::INFINITY).is_err());
    }
}
