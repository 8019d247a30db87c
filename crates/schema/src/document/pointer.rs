//! JSON Pointers (RFC 6901).

use std::borrow::Cow;

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

/// The place in an array that a step names; none has a leading 0.
pub(crate) fn index(step: &str) -> Option<usize> {
    let plain = step.bytes().all(|byte| byte.is_ascii_digit()) && (step == "0" || !step.starts_with('0'));
    if plain { step.parse().ok() } else { None }
}
