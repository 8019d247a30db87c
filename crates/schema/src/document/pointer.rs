//! JSON Pointers (RFC 6901).

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

/// The steps of a pointer, unescaped; None if it is no pointer.
pub(crate) fn steps(pointer: &str) -> Option<Vec<String>> {
    if pointer.is_empty() {
        return Some(Vec::new());
    }
    let steps = pointer.strip_prefix('/')?.split('/');
    steps.map(step).collect()
}

fn step(text: &str) -> Option<String> {
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
    Some(step)
}

/// The place in an array that a step names; none has a leading 0.
pub(crate) fn index(step: &str) -> Option<usize> {
    let plain = step.bytes().all(|byte| byte.is_ascii_digit()) && (step == "0" || !step.starts_with('0'));
    if plain { step.parse().ok() } else { None }
}
