//! JSON Pointers (RFC 6901).

use std::{borrow::Cow, str::from_utf8};

/// Adds a step to a pointer.
pub(crate) fn push(path: &mut String, step: &str) {
    path.push('/');
    for character in step.chars() {
        match character {
            '~' => path.push_str("~0"),
            '/' => path.push_str("~1"),
            other => path.push(other),
        }
    }
}

/// The steps of a pointer, unescaped; an Err where it is no pointer.
pub(crate) fn steps(pointer: &str) -> impl Iterator<Item = Result<Cow<'_, str>, ()>> {
    let rest = pointer.strip_prefix('/');
    let wrong = (rest.is_none() && !pointer.is_empty()).then_some(Err(()));
    rest.into_iter().flat_map(|rest| rest.split('/')).map(|step| unescape(step).ok_or(())).chain(wrong)
}

fn unescape(text: &str) -> Option<Cow<'_, str>> {
    if !text.contains('~') {
        return Some(Cow::Borrowed(text));
    }
    let mut step = String::with_capacity(text.len());
    let mut rest = text.chars();
    while let Some(character) = rest.next() {
        step.push(match character {
            '~' => match rest.next() {
                Some('0') => '~',
                Some('1') => '/',
                _ => return None,
            },
            other => other,
        });
    }
    Some(Cow::Owned(step))
}

/// A step, unescaped; None if it is none.
pub(super) fn unescaped(step: &[u8]) -> Option<Cow<'_, str>> {
    unescape(from_utf8(step).ok()?)
}

/// The place in an array that a step names; none has a leading 0.
pub(super) fn index(step: &[u8]) -> Option<usize> {
    let is_plain = step == b"0" || (step.first() != Some(&b'0') && step.iter().all(u8::is_ascii_digit));
    // No array has more elements than there are places in a text.
    if !is_plain || step.is_empty() || step.len() > 10 {
        return None;
    }
    Some(step.iter().fold(0, |index, digit| index * 10 + usize::from(digit - b'0')))
}

#[cfg(test)]
mod tests {
    use crate::document::{DuplicateKeys, Limits, Reader};

    use super::*;

    #[test]
    fn an_index_has_no_sign_no_leading_0_and_no_more_digits_than_places() {
        for (step, place) in [("0", 0), ("7", 7), ("10", 10), ("4294967295", 4_294_967_295)] {
            assert_eq!(index(step.as_bytes()), Some(place), "{step}");
        }
        for step in [
            "",
            "00",
            "01",
            "-1",
            "+1",
            "1.0",
            "1e1",
            " 1",
            "a",
            "-",
            "42949672950",
            "99999999999999999999999",
        ] {
            assert_eq!(index(step.as_bytes()), None, "{step}");
        }
    }

    #[test]
    fn a_pointer_leads_by_whole_names_and_what_is_none_leads_nowhere() {
        let limits = Limits {
            max_bytes: 1 << 10,
            max_depth: 8,
            duplicate_keys: DuplicateKeys::Reject,
            refuse_proto_keys: false,
        };
        let text = r#"{"": [1, {"a/b": 2, "m~n": 3, "\u00e9": 4}], "0": 5, "a": {"": {"": 6}}}"#;
        let mut reader = Reader::default();
        let document = reader.read(text.as_bytes(), &limits).expect("JSON");
        let found = |pointer: &str| document.at(pointer).map(|node| node.raw());
        for (pointer, raw) in [
            ("", text),
            ("//0", "1"),
            ("//1/a~1b", "2"),
            ("//1/m~0n", "3"),
            ("//1/é", "4"),
            ("/0", "5"),
            ("/a//", "6"),
        ] {
            assert_eq!(found(pointer), Some(raw), "{pointer}");
        }
        for pointer in [
            "a", "0", "//", "//01", "//2", "//0/", "//1/a", "//1/a/b", "//1/m~n", "//1/m~", "//1/m~2n", "/~",
            "/a/ ",
        ] {
            assert_eq!(found(pointer), None, "{pointer}");
        }
        assert!(document.at(b"/\xff").is_none() && document.at(b"/~0\xff").is_none());
    }
}
