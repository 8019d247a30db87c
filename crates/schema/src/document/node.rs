//! A place in a document.

use super::{
    Document, members,
    meter::BYTES_A_UNIT,
    number::Number,
    pointer,
    tape::{self, ASCII, Entry, Kind, WHOLE, hash_of},
};

/// A value of a document. A copy is cheap.
#[derive(Clone, Copy, Debug)]
pub struct Node<'a> {
    pub(super) document: &'a Document<'a>,
    pub(super) at: u32,
}

/// What a value is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ValueKind {
    /// `null`
    Null,
    /// `true` or `false`
    Boolean,
    /// A number.
    Number,
    /// A string.
    String,
    /// An array.
    Array,
    /// An object.
    Object,
}

impl<'a> Node<'a> {
    pub(super) fn new(document: &'a Document<'a>, at: u32) -> Self {
        Self { document, at }
    }

    /// A tape has an entry for every node; if not, nothing is there.
    #[inline]
    pub(super) fn entry(&self) -> Entry {
        const NOTHING: Entry = Entry { kind: Kind::Null, flags: 0, start: 0, a: 0, b: 0 };
        self.document.entries.get(self.at as usize).copied().unwrap_or(NOTHING)
    }

    /// What it is.
    #[inline]
    pub fn kind(&self) -> ValueKind {
        match self.entry().kind {
            Kind::False | Kind::True => ValueKind::Boolean,
            Kind::Int | Kind::Number => ValueKind::Number,
            Kind::String | Kind::Key | Kind::Shadowed => ValueKind::String,
            Kind::Array => ValueKind::Array,
            Kind::Object => ValueKind::Object,
            Kind::Null | Kind::End => ValueKind::Null,
        }
    }

    /// Whether it is `true`; None if it is no boolean.
    pub fn boolean(&self) -> Option<bool> {
        match self.entry().kind {
            Kind::True => Some(true),
            Kind::False => Some(false),
            _ => None,
        }
    }

    /// The name of a member, of which this is the value.
    pub(crate) fn name(self) -> Self {
        Self { at: self.at - 1, ..self }
    }

    /// Its text, escapes read; None if it is no string.
    #[inline(always)]
    pub fn string(&self) -> Option<&'a str> {
        let entry = self.entry();
        if entry.kind.is_text() { self.document.tape.string(self.document.text, &entry) } else { None }
    }

    /// How many characters its text has, and how many bytes it is written in.
    #[inline]
    pub(super) fn length(&self) -> Option<u64> {
        let entry = self.entry();
        if !entry.kind.is_text() {
            return None;
        }
        if entry.is(ASCII) && !entry.is(super::tape::ESCAPED) {
            return Some(entry.a.into());
        }
        self.string().map(|text| text.chars().count() as u64)
    }

    /// What going through its text costs, a number's or a string's.
    #[inline]
    pub(super) fn units(&self) -> u64 {
        let entry = self.entry();
        let has_text = entry.kind.is_text() || entry.kind == Kind::Number;
        if has_text { u64::from(entry.a) / BYTES_A_UNIT } else { 0 }
    }

    /// What it costs to say how long it is.
    #[inline]
    pub(super) fn length_units(&self) -> u64 {
        let entry = self.entry();
        if entry.is(ASCII) && !entry.is(super::tape::ESCAPED) { 0 } else { self.units() }
    }

    /// The number nearest to it; None if it is none.
    pub fn double(&self) -> Option<f64> {
        self.number().map(|number| number.double())
    }

    #[inline]
    pub(super) fn number(&self) -> Option<Number<'a>> {
        let entry = self.entry();
        match entry.kind {
            Kind::Int => Some(Number::Int(entry.int())),
            Kind::Number => {
                let start = entry.start as usize;
                let text = self.document.text.get(start..start + entry.a as usize).unwrap_or("0");
                Some(if entry.is(WHOLE) { Number::Whole(text) } else { Number::Float(text) })
            }
            _ => None,
        }
    }

    /// How many elements or members it has; 0 of anything else.
    #[inline]
    pub fn len(&self) -> usize {
        let entry = self.entry();
        if matches!(entry.kind, Kind::Array | Kind::Object) { entry.b as usize } else { 0 }
    }

    /// Whether it has no elements or members.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The elements of an array; none of anything else.
    pub fn elements(self) -> impl Iterator<Item = Node<'a>> {
        let mut at = self.at + 1;
        let count = if self.entry().kind == Kind::Array { self.len() } else { 0 };
        (0..count).map(move |_| {
            let element = Node { document: self.document, at };
            at = tape::after(self.document.entries, at);
            element
        })
    }

    /// The element at `index` of an array.
    pub fn element(self, index: usize) -> Option<Node<'a>> {
        self.elements().nth(index)
    }

    /// The members of an object; none of anything else.
    #[inline]
    pub fn members(self) -> Members<'a> {
        let entry = self.entry();
        let end = if entry.kind == Kind::Object { entry.a.saturating_sub(1) } else { 0 };
        Members { document: self.document, at: self.at + 1, end }
    }

    /// The member of this name.
    pub fn member(self, name: &str) -> Option<Node<'a>> {
        self.member_hashed(hash_of(name.as_bytes()), name.as_bytes())
    }

    /// What a step of a JSON Pointer leads to.
    pub(super) fn below(self, step: &[u8]) -> Option<Node<'a>> {
        match self.entry().kind {
            Kind::Object => self.member_hashed(hash_of(step), step),
            Kind::Array => self.element(pointer::index(step)?),
            _ => None,
        }
    }

    #[inline]
    pub(super) fn member_hashed(self, hash: u32, name: &[u8]) -> Option<Node<'a>> {
        let entry = self.entry();
        if entry.kind != Kind::Object {
            return None;
        }
        let Document { entries, tape, text, .. } = *self.document;
        let end = entry.a.saturating_sub(1);
        let sorted = entries.get(end as usize).map_or(0, |end| end.a);
        if sorted > 0 {
            let key = members::find_sorted(tape, text.as_bytes(), sorted, hash, name)?;
            return Some(Node { document: self.document, at: key + 1 });
        }
        let mut at = self.at + 1;
        while at < end {
            let key = entries.get(at as usize)?;
            let is_it = || members::name(tape, text.as_bytes(), key) == name;
            if tape.hash(key) == hash && key.kind == Kind::Key && is_it() {
                return Some(Node { document: self.document, at: at + 1 });
            }
            at = tape::after(entries, at + 1);
        }
        None
    }

    /// Its text as it was written.
    pub fn raw(&self) -> &'a str {
        let Document { text, entries, .. } = *self.document;
        let entry = self.entry();
        let start = entry.start as usize;
        let range = match entry.kind {
            Kind::Array | Kind::Object => {
                let end = entries.get((entry.a as usize).wrapping_sub(1));
                start..end.map_or(start, |end| end.start as usize + 1)
            }
            Kind::String | Kind::Key | Kind::Shadowed => start - 1..start + entry.a as usize + 1,
            Kind::Number => start..start + entry.a as usize,
            Kind::Int => {
                let digits = text.as_bytes()[start..].iter();
                start..start + digits.take_while(|byte| byte.is_ascii_digit() || **byte == b'-').count()
            }
            Kind::Null | Kind::True => start..start + 4,
            Kind::False => start..start + 5,
            Kind::End => start..start,
        };
        text.get(range).unwrap_or("")
    }

    /// The byte of the text at which it begins; a string's quote is part of it.
    pub fn offset(&self) -> usize {
        let entry = self.entry();
        entry.start as usize - usize::from(matches!(entry.kind, Kind::String | Kind::Key | Kind::Shadowed))
    }
}

/// The members of an object, in the order of the text.
#[derive(Clone, Debug)]
pub struct Members<'a> {
    document: &'a Document<'a>,
    at: u32,
    /// The entry of the object's end.
    end: u32,
}

impl<'a> Iterator for Members<'a> {
    type Item = (&'a str, Node<'a>);

    #[inline(always)]
    fn next(&mut self) -> Option<Self::Item> {
        let Document { entries, tape, text, .. } = *self.document;
        while self.at < self.end {
            let key = entries.get(self.at as usize)?;
            let value = self.at + 1;
            self.at = tape::after(entries, value);
            if key.kind == Kind::Key {
                return Some((tape.string(text, key)?, Node { document: self.document, at: value }));
            }
        }
        None
    }
}
