//! Digits of a number, eight at a time.

/// The digits from `start` on: what they say, modulo 2^64, and where they end.
#[inline(always)]
pub(super) fn digits(bytes: &[u8], start: usize) -> (u64, usize) {
    const ZEROS: u64 = 0x3030_3030_3030_3030;
    const BELOW_TEN: u64 = 0x7676_7676_7676_7676;
    const HIGHS: u64 = 0x8080_8080_8080_8080;
    let (mut value, mut at) = (0u64, start);
    if let Some(chunk) = bytes.get(start..).and_then(<[u8]>::first_chunk) {
        let digits = u64::from_le_bytes(*chunk) ^ ZEROS;
        // Marks the bytes that are no digits. Exact up to the first of them.
        let others = (digits.wrapping_add(BELOW_TEN) | digits) & HIGHS;
        let count = others.trailing_zeros() / 8;
        // What follows the digits goes, and zeros come before them.
        value = eight_digits(digits.checked_shl(64 - 8 * count).unwrap_or(0));
        at = start + count as usize;
        if count < 8 {
            return (value, at);
        }
    }
    while let Some(digit @ b'0'..=b'9') = bytes.get(at) {
        value = value.wrapping_mul(10).wrapping_add(u64::from(digit - b'0'));
        at += 1;
    }
    (value, at)
}

/// Eight digits, a byte each, the first one lowest: by pairs, then pairs of these.
#[inline(always)]
fn eight_digits(digits: u64) -> u64 {
    let pairs = digits.wrapping_mul(10).wrapping_add(digits >> 8) & 0x00ff_00ff_00ff_00ff;
    let fours = pairs.wrapping_mul(100).wrapping_add(pairs >> 16) & 0x0000_ffff_0000_ffff;
    fours.wrapping_mul(10_000).wrapping_add(fours >> 32) & 0xffff_ffff
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn digits_are_read_to_their_end_from_any_place(
            before in "[0-9a]{0,9}",
            text in "[0-9]{0,24}",
            after in prop_oneof![Just(Vec::new()), prop::collection::vec(any::<u8>(), 0..12)],
        ) {
            let mut bytes = before.clone().into_bytes();
            bytes.extend(text.bytes().chain(after));
            let start = before.len();
            let all = bytes[start..].iter().take_while(|byte| byte.is_ascii_digit());
            let value = all.clone().fold(0u64, |value, digit| {
                value.wrapping_mul(10).wrapping_add(u64::from(digit - b'0'))
            });
            prop_assert_eq!(digits(&bytes, start), (value, start + all.count()));
        }
    }

    #[test]
    fn every_byte_is_a_digit_or_ends_them() {
        for byte in 0..=255u8 {
            for place in 0..12 {
                let mut bytes = [b'7'; 20];
                bytes[place] = byte;
                let end = if byte.is_ascii_digit() { bytes.len() } else { place };
                assert_eq!(digits(&bytes, 0).1, end, "{byte} at {place}");
            }
        }
    }
}
