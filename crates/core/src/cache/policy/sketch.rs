//! How often a hash was seen lately: a count-min sketch of four-bit counters (Cormode and Muthukrishnan 2005; TinyLFU, Einziger,
//! Friedman and Manes 2017). All counters are halved from time to time, a few with each count.

/// Counts for each resident before all are halved.
const SAMPLES: u64 = 10;

/// Words halved with each count, once it is time.
const STEP: usize = 16;

const ONES: u64 = 0x1111_1111_1111_1111;

/// Odd, and of each row its own: keys that meet in one row are apart in the others.
const ROWS: [u64; 4] =
    [0xC2B2_AE3D_27D4_EB4F, 0xA076_1D64_78BD_642F, 0xE703_7ED1_A0B4_28DB, 0x8EBC_6AF0_9C88_C6E3];

#[derive(Debug, Default)]
pub(super) struct Sketch {
    /// Sixteen counters each.
    words: Vec<u64>,
    counted: u64,
    /// Where halving goes on; the end when there is nothing to halve.
    halving: usize,
}

impl Sketch {
    /// Has room for so many residents. When it grows each word stands for two from then on, with what was counted for both.
    pub(super) fn ensure(&mut self, residents: u64) {
        let words = residents.clamp(8, 1 << 28).next_power_of_two() as usize;
        if self.words.is_empty() {
            *self = Self { words: vec![0; words], counted: 0, halving: words };
        }
        while words > self.words.len() {
            self.words.extend_from_within(..);
            self.halving = self.words.len();
        }
    }

    /// The word and the shift of a hash in each of four rows.
    fn places(&self, hash: u32) -> [(usize, u32); 4] {
        let mask = self.words.len().saturating_sub(1);
        let mut spread = u64::from(hash).wrapping_mul(0x9E37_79B9_7F4A_7C15);
        spread ^= spread >> 32;
        std::array::from_fn(|row| {
            let own = spread.wrapping_mul(ROWS[row]);
            // Each row has four counters of every word.
            let counter = 4 * row as u32 + (own >> 62) as u32;
            ((own >> 32) as usize & mask, 4 * counter)
        })
    }

    pub(super) fn count(&mut self, hash: u32) {
        let mut added = false;
        for (word, shift) in self.places(hash) {
            if let Some(word) = self.words.get_mut(word)
                && (*word >> shift) & 15 < 15
            {
                *word += 1 << shift;
                added = true;
            }
        }
        self.counted += u64::from(added);
        if self.counted >= SAMPLES * self.words.len() as u64 {
            self.counted /= 2;
            self.halving = 0;
        }
        let end = (self.halving + STEP).min(self.words.len());
        for word in &mut self.words[self.halving..end] {
            *word = (*word >> 1) & (7 * ONES);
        }
        self.halving = end;
    }

    /// An estimate from 0 to 15, never too low but for the halving.
    pub(super) fn estimate(&self, hash: u32) -> u8 {
        let places = self.places(hash);
        places
            .iter()
            .filter_map(|(word, shift)| Some((self.words.get(*word)? >> shift) as u8 & 15))
            .min()
            .unwrap_or(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_that_meet_in_one_row_are_apart_in_the_others() {
        let mut sketch = Sketch::default();
        sketch.ensure(1_024);
        let places: Vec<_> = (0..4_000u32).map(|key| sketch.places(key.wrapping_mul(0x9E37_79B9))).collect();
        let (mut one, mut more) = (0u32, 0u32);
        for (at, first) in places.iter().enumerate() {
            for second in &places[at + 1..] {
                let same = first.iter().zip(second).filter(|(first, second)| first == second).count();
                one += u32::from(same > 0);
                more += u32::from(same > 1);
            }
        }
        assert!(one > 1_000 && more * 100 < one, "{more} of {one}");
    }

    #[test]
    fn counts_up_to_fifteen_and_halves() {
        let mut sketch = Sketch::default();
        sketch.ensure(64);
        for _ in 0..20 {
            sketch.count(1);
        }
        sketch.count(2);
        assert_eq!(sketch.estimate(1), 15);
        assert!((1..4).contains(&sketch.estimate(2)));
        assert_eq!(sketch.estimate(3), 0);
        for hash in 100..1_000 {
            sketch.count(hash);
        }
        assert!(sketch.estimate(1) < 15);
    }
}
