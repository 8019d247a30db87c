//! Strings that an expression may match. Only guesses: each is tried before it is used.

use std::iter::Peekable;
use std::str::Chars;

use super::prover::Prover;

/// Repetitions are not written out further.
const MOST_REPEATS: u32 = 64;
/// Groups within groups.
const MOST_LEVELS: u32 = 20;
const MOST_BYTES: usize = 4_096;

impl Prover<'_> {
    /// Strings that the expression does match.
    pub(super) fn texts_of(&mut self, pattern: &str) -> Vec<String> {
        let mut texts = Vec::new();
        // The shortest repetitions, one more, and several.
        for more in [0, 1, 5] {
            let mut text = String::new();
            let whole = alternatives(&mut pattern.chars().peekable(), &mut text, more, 0).is_some();
            if whole && !texts.contains(&text) && self.oracle.matches(pattern, &text) == Some(true) {
                texts.push(text);
            }
        }
        texts
    }
}

/// Writes the first alternative; reads past the others.
fn alternatives(rest: &mut Peekable<Chars<'_>>, text: &mut String, more: u32, level: u32) -> Option<()> {
    if level > MOST_LEVELS {
        return None;
    }
    let mut unused = String::new();
    let mut first = true;
    loop {
        let piece = if first { &mut *text } else { &mut unused };
        match rest.peek().copied() {
            None => return Some(()),
            Some(')') if level > 0 => return Some(()),
            Some('|') => {
                rest.next();
                first = false;
            }
            Some(_) => repeated(rest, piece, more, level)?,
        }
    }
}

fn repeated(rest: &mut Peekable<Chars<'_>>, text: &mut String, more: u32, level: u32) -> Option<()> {
    let mut piece = String::new();
    one(rest, &mut piece, more, level)?;
    let (least, most) = match rest.peek() {
        Some('*') => (0, MOST_REPEATS),
        Some('+') => (1, MOST_REPEATS),
        Some('?') => (0, 1),
        Some('{') => {
            rest.next();
            let range: String = rest.by_ref().take_while(|c| *c != '}').collect();
            let (least, most) = range.split_once(',').unwrap_or((&range, &range));
            (least.parse().ok()?, most.parse().unwrap_or(MOST_REPEATS))
        }
        _ => {
            text.push_str(&piece);
            return Some(());
        }
    };
    if matches!(rest.peek(), Some('*' | '+' | '?')) {
        rest.next();
    }
    // Lazily or not: the same strings.
    if rest.peek() == Some(&'?') {
        rest.next();
    }
    for _ in 0..(least + more).min(most).min(MOST_REPEATS) {
        if text.len() + piece.len() > MOST_BYTES {
            return None;
        }
        text.push_str(&piece);
    }
    Some(())
}

fn one(rest: &mut Peekable<Chars<'_>>, text: &mut String, more: u32, level: u32) -> Option<()> {
    match rest.next()? {
        '^' | '$' => {}
        '.' => text.push('a'),
        '\\' => text.extend(escaped(rest.next()?)),
        '[' => text.push(class(rest)?),
        '(' => {
            if rest.peek() == Some(&'?') {
                rest.next();
                if rest.next()? != ':' {
                    return None;
                }
            }
            alternatives(rest, text, more, level + 1)?;
            (rest.next()? == ')').then_some(())?;
        }
        plain => text.push(plain),
    }
    Some(())
}

/// A character for what follows a backslash; none for a boundary.
fn escaped(letter: char) -> Option<char> {
    match letter {
        'd' => Some('0'),
        'w' | 'S' | 'D' => Some('a'),
        's' | 'W' => Some(' '),
        'n' => Some('\n'),
        't' => Some('\t'),
        'b' => None,
        other => Some(other),
    }
}

/// The first character of a class; one outside of it where it is negated.
fn class(rest: &mut Peekable<Chars<'_>>) -> Option<char> {
    let negated = rest.peek() == Some(&'^');
    let mut named: Vec<char> = Vec::new();
    let mut ranges = String::new();
    loop {
        match rest.next()? {
            ']' => break,
            '\\' => named.extend(escaped(rest.next()?)),
            c => named.push(c),
        }
        if named.len() > 200 {
            return None;
        }
    }
    ranges.extend(named.iter());
    let first = named.first().copied()?;
    if !negated {
        return Some(first);
    }
    ['a', 'Z', '0', '_', ' ', '~'].into_iter().find(|c| !ranges.contains(*c))
}
