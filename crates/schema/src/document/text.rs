//! Strings: where they end, and what their escapes stand for.

/// Where a run of plain characters ends.
pub(super) struct Run {
    /// The quote, backslash or control character that ends it, or the end of the text.
    pub(super) end: usize,
    pub(super) ascii: bool,
}

const ONES: u64 = 0x0101_0101_0101_0101;
const HIGHS: u64 = 0x8080_8080_8080_8080;

/// Marks the bytes of `word` that are 0. Exact up to the first of them.
#[inline]
fn zeros(word: u64) -> u64 {
    word.wrapping_sub(ONES) & !word & HIGHS
}

/// The run of plain characters from `at` on, eight bytes at a time.
#[inline]
pub(super) fn run(bytes: &[u8], mut at: usize) -> Run {
    let mut seen = 0u64;
    while let Some(chunk) = bytes.get(at..).and_then(<[u8]>::first_chunk::<8>) {
        let word = u64::from_le_bytes(*chunk);
        let quotes = zeros(word ^ (ONES * b'"' as u64));
        let backslashes = zeros(word ^ (ONES * b'\\' as u64));
        let controls = word.wrapping_sub(ONES * 0x20) & !word & HIGHS;
        let special = quotes | backslashes | controls;
        if special != 0 {
            let first = special.trailing_zeros();
            // The bytes before the first special one; a shift by 64 is none.
            let before = (1u64 << (first & !7)).wrapping_sub(1);
            seen |= word & before;
            return Run { end: at + (first / 8) as usize, ascii: seen & HIGHS == 0 };
        }
        seen |= word;
        at += 8;
    }
    while let Some(&byte) = bytes.get(at) {
        if byte == b'"' || byte == b'\\' || byte < 0x20 {
            break;
        }
        seen |= u64::from(byte & 0x80);
        at += 1;
    }
    Run { end: at, ascii: seen & HIGHS == 0 }
}

/// Reads the escape whose backslash is at `at`: the character and where the text goes on, or where it is wrong.
pub(super) fn escape(bytes: &[u8], at: usize) -> Result<(char, usize), usize> {
    let plain = |character| Ok((character, at + 2));
    match bytes.get(at + 1) {
        Some(b'"') => plain('"'),
        Some(b'\\') => plain('\\'),
        Some(b'/') => plain('/'),
        Some(b'b') => plain('\u{8}'),
        Some(b'f') => plain('\u{c}'),
        Some(b'n') => plain('\n'),
        Some(b'r') => plain('\r'),
        Some(b't') => plain('\t'),
        Some(b'u') => {
            let high = unit(bytes, at)?;
            if !(0xD800..0xE000).contains(&high) {
                return char::from_u32(high).map(|character| (character, at + 6)).ok_or(at);
            }
            // Half a pair means nothing: no UTF-8 can say it, so what reads it next would see something else.
            let low = unit(bytes, at + 6).map_err(|_| at)?;
            if high >= 0xDC00 || !(0xDC00..0xE000).contains(&low) {
                return Err(at);
            }
            let code = 0x10000 + ((high - 0xD800) << 10 | (low - 0xDC00));
            char::from_u32(code).map(|character| (character, at + 12)).ok_or(at)
        }
        _ => Err(at),
    }
}

/// The code unit of the `\uXXXX` at `at`.
fn unit(bytes: &[u8], at: usize) -> Result<u32, usize> {
    let [b'\\', b'u', digits @ ..] = bytes.get(at..at + 6).ok_or(at)? else { return Err(at) };
    digits.iter().try_fold(0, |unit, &digit| {
        let value = char::from(digit).to_digit(16).ok_or(at)?;
        Ok(unit << 4 | value)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_ends_at_the_first_special_byte_wherever_it_stands() {
        for len in 0..40 {
            for special in [b'"', b'\\', 0x1f, 0] {
                for filler in [b'a', 0x7f, 0x20, 0x21, 0x23, 0x5b, 0x5d] {
                    let mut bytes = vec![filler; len];
                    bytes.push(special);
                    bytes.extend([b'"', b'\\', 0, 0xff, b'x', b'x', b'x', b'x', b'x']);
                    let found = run(&bytes, 0);
                    assert_eq!((found.end, found.ascii), (len, true), "{len} of {filler} before {special}");
                }
            }
        }
    }

    #[test]
    fn a_run_knows_whether_it_is_ascii() {
        for len in 0..40 {
            for place in 0..=len {
                let mut bytes = vec![b'a'; len];
                bytes.insert(place, 0x80);
                assert!(!run(&bytes, 0).ascii);
                bytes.push(b'"');
                assert!(!run(&bytes, 0).ascii);
                let mut bytes = vec![b'a'; place];
                bytes.extend([b'"', 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff]);
                assert!(run(&bytes, 0).ascii);
            }
        }
    }

    #[test]
    fn escapes_are_read_as_characters_and_half_a_pair_is_none() {
        assert_eq!(escape(br"\n", 0), Ok(('\n', 2)));
        assert_eq!(escape(br"x\u00e9", 1), Ok(('é', 7)));
        assert_eq!(escape(br"\ud83e\udd80", 0), Ok(('🦀', 12)));
        for wrong in
            [r"\ud800", r"\udc00\ud800", r"\ud800\u0041", r"\ud800x", r"\u12", r"\u12g4", r"\x", r"\"]
        {
            assert_eq!(escape(wrong.as_bytes(), 0), Err(0), "{wrong}");
        }
    }
}
