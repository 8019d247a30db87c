//! What a regular expression may cost where it is matched: linear engines keep a set of the places of the expression at which they may be,
//! and go through it for each character, so that a text costs its length times these places at most. Mostly it costs its length: states
//! that were met before are remembered, up to a bound.

use regex_syntax::{
    ParserBuilder,
    hir::{Hir, HirKind},
};

/// A regular expression, as what it costs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Pattern {
    /// How many characters or classes it has, with what is repeated counted as often as it may be.
    pub(crate) places: u32,
    /// Whether it looks around or refers back: each step of such an expression may go through all of the text.
    pub(crate) looks_around: bool,
}

impl Pattern {
    pub(crate) fn of(text: &str) -> Self {
        let parsed = ParserBuilder::new().nest_limit(250).build().parse(text);
        let places = parsed.map_or_else(|_| guessed(text), |hir| places(&hir));
        Self { places: places.max(1), looks_around: looks_around(text) }
    }
}

fn places(hir: &Hir) -> u32 {
    match hir.kind() {
        HirKind::Empty | HirKind::Look(_) => 0,
        HirKind::Literal(literal) => literal.0.len() as u32,
        HirKind::Class(_) => 1,
        HirKind::Repetition(repetition) => {
            let times = repetition.max.unwrap_or(repetition.min).max(1);
            places(&repetition.sub).saturating_mul(times)
        }
        HirKind::Capture(capture) => places(&capture.sub),
        HirKind::Concat(parts) | HirKind::Alternation(parts) => {
            parts.iter().map(places).fold(0, u32::saturating_add)
        }
    }
}

/// Of what only ECMAScript writes so: as if all of it were repeated as often as some part is.
fn guessed(text: &str) -> u32 {
    let times = text.split('{').skip(1).filter_map(|behind| {
        let counts = behind.split('}').next()?;
        counts.split(',').filter_map(|count| count.trim().parse::<u32>().ok()).max()
    });
    (text.len() as u32).saturating_mul(times.max().unwrap_or(1).max(1))
}

fn looks_around(text: &str) -> bool {
    let mut escaped = false;
    let mut bytes = text.bytes().peekable();
    let mut before = 0;
    while let Some(byte) = bytes.next() {
        if escaped {
            escaped = false;
            if matches!(byte, b'1'..=b'9' | b'k') {
                return true;
            }
            before = 0;
            continue;
        }
        escaped = byte == b'\\';
        if before == b'(' && byte == b'?' {
            match bytes.next() {
                Some(b'=' | b'!') => return true,
                Some(b'<') if matches!(bytes.peek(), Some(b'=' | b'!')) => return true,
                _ => {}
            }
        }
        before = byte;
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_counted_with_their_repetitions() {
        for (text, expected) in [
            ("^abc$", 3),
            ("a.{0,500}foo", 504),
            (r"\S+@\S{1,255}\.\S{2,}", 1 + 1 + 255 + 1 + 2),
            ("(?:ab|c){3}", 9),
            ("^(?:[a-z]{2}){10}$", 20),
            ("", 1),
        ] {
            assert_eq!(Pattern::of(text).places, expected, "{text}");
        }
        assert!(Pattern::of(r"(?=a)\w{1,500}").places >= 500);
        assert_eq!(Pattern::of("(((a{1000}){1000}){1000}){1000}").places, u32::MAX);
    }

    #[test]
    fn what_looks_around_is_known_by_its_form() {
        for text in ["(?=a)", "(?!a)", "a(?<=b)", "(?<!b)", r"(a)\1", r"(?<x>a)\k<x>"] {
            assert!(Pattern::of(text).looks_around, "{text}");
        }
        for text in ["(?:a)", "(?<name>a)", r"\(?=", r"\\d", "(a)", "a{1}", r"[0-9]\d"] {
            assert!(!Pattern::of(text).looks_around, "{text}");
        }
    }
}
