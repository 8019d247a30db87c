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
