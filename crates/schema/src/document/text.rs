//! Strings: where they end, and what their escapes stand for. Space between tokens.

use super::block::{self, BLOCK};

/// Where a run of plain characters ends.
pub(super) struct Run {
    /// The quote, backslash or control character that ends it, or the end of the text.
    pub(super) end: usize,
    /// It is known to be ASCII; if not, something beyond that may also stand shortly after it.
    pub(super) ascii: bool,
}

/// The run of plain characters from `at` on. What comes next waits for its end, so that is told by the first word that has it.
#[inline(always)]
pub(super) fn run(bytes: &[u8], mut at: usize) -> Run {
    let mut seen = 0;
    while let Some(block) = bytes.get(at..).and_then(<[u8]>::first_chunk) {
        let [low, high] = block::words(block);
        seen |= low;
        let special = block::special(low);
        if special != 0 {
            return Run { end: at + block::first(special), ascii: block::is_ascii(seen) };
        }
        seen |= high;
        let special = block::special(high);
        if special != 0 {
            return Run { end: at + 8 + block::first(special), ascii: block::is_ascii(seen) };
        }
        at += BLOCK;
    }
    last_run(bytes, at, seen)
}

/// The same where the text ends before a block does.
#[inline(never)]
fn last_run(bytes: &[u8], mut at: usize, seen: u64) -> Run {
    let mut ascii = block::is_ascii(seen);
    // The last block of the text, of which some bytes lie before the run.
    if let Some(block) = bytes.last_chunk().filter(|_| at < bytes.len()) {
        let left = bytes.len() - at;
        let own = u128::from_le_bytes(*block) >> (8 * (BLOCK - left));
        let words = [own as u64, (own >> 64) as u64];
        let end = at + left.min(block::first_of(words.map(block::special)));
        return Run { end, ascii: ascii && block::is_ascii(words[0] | words[1]) };
    }
    while let Some(&byte) = bytes.get(at) {
        if matches!(byte, b'"' | b'\\' | 0..0x20) {
            break;
        }
        ascii &= byte.is_ascii();
        at += 1;
    }
    Run { end: at, ascii }
}

/// Where something else than space stands, from `at` on.
#[inline(always)]
pub(super) fn skip_space(bytes: &[u8], at: usize) -> usize {
    // Most texts have no space between their tokens, or one.
    if byte(bytes, at) > b' ' {
        return at;
    }
    if byte(bytes, at) == b' ' && byte(bytes, at + 1) > b' ' {
        return at + 1;
    }
    skip_indent(bytes, at)
}

#[inline(never)]
fn skip_indent(bytes: &[u8], mut at: usize) -> usize {
    while let Some(block) = bytes.get(at..).and_then(<[u8]>::first_chunk) {
        let others = block::words(block).map(block::not_space);
        if others != [0, 0] {
            return at + block::first_of(others);
        }
        at += BLOCK;
    }
    while matches!(byte(bytes, at), b' ' | b'\n' | b'\r' | b'\t') {
        at += 1;
    }
    at
}

/// The byte at `at`, or 0.
#[inline(always)]
pub(super) fn byte(bytes: &[u8], at: usize) -> u8 {
    bytes.get(at).copied().unwrap_or(0)
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
    use proptest::prelude::*;

    use super::*;

    /// Text as it matters to runs and spaces, in which what ends them is rare enough to leave long ones.
    fn bytes() -> impl Strategy<Value = Vec<u8>> {
        let specials = prop::sample::select(b"\"\\\x00\x1f\n\r\t\x80\xff !#[]\x0b\x7f".to_vec());
        let plain = prop::sample::select(b"a ".to_vec());
        let few = prop::collection::vec(prop_oneof![20 => plain, 1 => specials, 1 => any::<u8>()], 0..80);
        prop_oneof![few, prop::collection::vec(any::<u8>(), 0..40)]
    }

    fn is_plain(byte: u8) -> bool {
        byte != b'"' && byte != b'\\' && byte >= 0x20
    }

    /// How many bytes from `at` on are so.
    fn count(bytes: &[u8], at: usize, is: impl Fn(u8) -> bool) -> usize {
        bytes[at..].iter().take_while(|&&byte| is(byte)).count()
    }

    proptest! {
        #[test]
        fn a_run_ends_at_the_first_special_byte_from_any_place(bytes in bytes()) {
            for at in 0..=bytes.len() {
                let Run { end, ascii } = run(&bytes, at);
                prop_assert_eq!(end - at, count(&bytes, at, is_plain));
                prop_assert!(bytes[at..end].is_ascii() || !ascii);
                let near = bytes.len().min(end + BLOCK);
                prop_assert!(ascii || !bytes[at..near].is_ascii());
            }
        }

        #[test]
        fn space_ends_at_the_first_other_byte_from_any_place(bytes in bytes()) {
            for at in 0..=bytes.len() {
                let space = count(&bytes, at, |byte| b" \t\r\n".contains(&byte));
                prop_assert_eq!(skip_space(&bytes, at) - at, space);
            }
        }
    }

    #[test]
    fn every_byte_ends_a_run_or_a_space_or_not_wherever_it_stands() {
        let ends_as_it_should = |bytes: &[u8], place: usize, byte: u8| {
            let end = if is_plain(byte) { place + 1 } else { place };
            assert_eq!(run(bytes, 0).end, end, "{byte} at {place} of {}", bytes.len());
            let end = if b" \t\r\n".contains(&byte) { place + 1 } else { place };
            assert_eq!(skip_space(bytes, 0), end, "{byte} at {place} of {}", bytes.len());
        };
        for byte in 0..=255 {
            for place in 0..2 * BLOCK + 2 {
                for rest in 0..2 * BLOCK {
                    let mut bytes = vec![b' '; place];
                    bytes.push(byte);
                    bytes.resize(place + 1 + rest, b'"');
                    ends_as_it_should(&bytes, place, byte);
                }
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
