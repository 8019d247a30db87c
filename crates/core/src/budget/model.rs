//! The pure algorithm: what was counted over the window → how many more are allowed.

/// What a budget allows.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Rules {
    /// Withdrawals for each deposit: in [0, 1].
    pub ratio: f64,
    /// Withdrawals a second that need no deposit.
    pub min_per_second: f64,
    /// Over how long both are counted, in milliseconds.
    pub window_ms: f64,
}

/// A decimal share of a count may come out a little below the whole number it is. This part of it counts as rounding: well
/// above the 6e-16 that the sum below can lose, and less than one withdrawal in 10^14.
const ROUNDING: f64 = 1e-14;

/// How many withdrawals more are allowed after so many deposits and `withdrawals` in the window.
pub fn left(rules: &Rules, deposits: u64, withdrawals: u64) -> u64 {
    let free = rules.min_per_second * rules.window_ms / 1_000.0;
    let allowed = free + rules.ratio * deposits as f64;
    ((allowed * (1.0 + ROUNDING)) as u64).saturating_sub(withdrawals)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn left_at(ratio: f64, deposits: u64) -> u64 {
        left(&Rules { ratio, min_per_second: 0.0, window_ms: 1_000.0 }, deposits, 0)
    }

    #[test]
    fn a_share_that_comes_out_whole_is_whole() {
        assert_eq!(left_at(0.1, 10), 1);
        for percent in 1..=100 {
            for hundreds in [1, 3, 7, 999, 1_000_003, 1 << 36] {
                assert_eq!(left_at(f64::from(percent) / 100.0, 100 * hundreds), percent as u64 * hundreds);
            }
        }
    }

    #[test]
    fn a_share_that_falls_short_is_rounded_down() {
        for deposits in [9, 19, 99, 9_999, 999_999_999] {
            assert_eq!(left_at(0.1, deposits), deposits / 10);
        }
    }

    #[test]
    fn no_count_overflows() {
        let most = Rules { ratio: 1.0, min_per_second: 1e6, window_ms: 86_400_000.0 };
        assert_eq!(left(&most, u64::MAX, 0), u64::MAX);
        assert_eq!(left(&most, 0, u64::MAX), 0);
    }
}
