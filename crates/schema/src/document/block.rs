//! Bytes of a text, eight at a time: as one number, in which the highest bit of a byte marks it. Marks are exact up to the first one.

/// So many bytes at a time.
pub(super) const BLOCK: usize = 16;

const ONES: u64 = 0x0101_0101_0101_0101;
const HIGHS: u64 = 0x8080_8080_8080_8080;

/// The two words of a block, the first one lowest.
#[inline(always)]
pub(super) fn words(block: &[u8; BLOCK]) -> [u64; 2] {
    let all = u128::from_le_bytes(*block);
    [all as u64, (all >> 64) as u64]
}

/// Marks what ends a run of plain characters of a string: quotes, backslashes and control characters.
#[inline(always)]
pub(super) fn special(word: u64) -> u64 {
    // With one bit turned, a quote comes right after the control characters.
    let (turned, slashes) = (word ^ (ONES * 2), word ^ (ONES * b'\\' as u64));
    (turned.wrapping_sub(ONES * 0x21) & !turned | slashes.wrapping_sub(ONES) & !slashes) & HIGHS
}

/// Marks what is no space.
#[inline(always)]
pub(super) fn not_space(word: u64) -> u64 {
    let differs = |byte: u8| {
        let other = word ^ (ONES * u64::from(byte));
        ((other & !HIGHS) + !HIGHS) | other
    };
    differs(b' ') & differs(b'\n') & differs(b'\r') & differs(b'\t') & HIGHS
}

/// Whether all bytes of a word are ASCII.
#[inline(always)]
pub(super) fn is_ascii(word: u64) -> bool {
    word & HIGHS == 0
}

/// The place of the first byte that is marked: 8 if none is.
#[inline(always)]
pub(super) fn first(marks: u64) -> usize {
    (marks.trailing_zeros() / 8) as usize
}

/// The same of two words.
#[inline(always)]
pub(super) fn first_of([low, high]: [u64; 2]) -> usize {
    if low == 0 { 8 + first(high) } else { first(low) }
}
