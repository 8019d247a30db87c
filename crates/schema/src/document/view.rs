//! A document as the engine sees it. `serde_json::Value`, which it would take as well, is no way to read what comes in: building one
//! takes three to five times as long as all that is done here.

use std::{borrow::Cow, cell::Cell, ops::ControlFlow};

use jsonschema::{
    JsonType,
    json::{Array, Json, Node as View, NodeIdentity, Object},
};
use jsonschema_value::LazyInstance;
use serde_json::{Map, Value};

use super::{
    Document, Reader, equal,
    node::{Members, Node, ValueKind},
    number::Number,
    tape::{self, ASCII, Entry, Kind, Tape, hash_of},
};
use crate::options::Options;

/// Documents that were read from bytes.
#[derive(Debug)]
pub(crate) enum Bytes {}

/// A property's name and its hash.
#[derive(Debug)]
pub(crate) struct PreparedKey {
    hash: u32,
    name: Box<str>,
}

thread_local! {
    /// Whether the engine is looking for errors, and not we at those it has found.
    static IN_ENGINE: Cell<bool> = const { Cell::new(false) };
}

/// Has the engine look for errors.
pub(crate) fn in_engine<T>(look: impl FnOnce() -> T) -> T {
    struct Outside;
    impl Drop for Outside {
        fn drop(&mut self) {
            IN_ENGINE.set(false);
        }
    }
    IN_ENGINE.set(true);
    let _outside = Outside;
    look()
}

impl Json for Bytes {
    type Node<'a> = Node<'a>;
    type PreparedKey = PreparedKey;
    type StringBuffer = ();

    // A lookup walks the members of all but large objects.
    const KEYS_PER_LOOKUP: usize = 2;
    const ACYCLIC: bool = true;

    fn prepare_key(key: &str) -> PreparedKey {
        PreparedKey { hash: hash_of(key.as_bytes()), name: key.into() }
    }

    /// Of a string that is in no document. Nobody asks: the engine has the names of members by `try_for_each_name_node`.
    fn with_string_node<T>((): &mut (), string: &str, f: impl FnOnce(Node<'_>) -> T) -> T {
        let mut tape = Tape::default();
        let flags = if string.is_ascii() { ASCII } else { 0 };
        tape.entries.push(Entry { flags, a: string.len() as u32, ..Entry::new(Kind::Key, 0) });
        let document = Document::new(string, &tape);
        document.meter.fill(STRING_FUEL);
        document.meter.report(usize::MAX);
        f(document.root())
    }
}

/// What may be spent on a string that is in no document.
const STRING_FUEL: u64 = 10_000;

/// An error has paths, which are built step by step, and lies on the heap: it costs as much as so many looks.
const ERROR_UNITS: u64 = 256;

impl<'a> View<'a, Bytes> for Node<'a> {
    type Object = Self;
    type Array = Self;
    type Number = Number<'a>;

    #[inline]
    fn as_object(&self) -> Option<Self> {
        let meter = &self.document.meter;
        meter.enter();
        (self.entry().kind == Kind::Object && !meter.is_mute()).then_some(*self)
    }

    #[inline]
    fn as_array(&self) -> Option<Self> {
        let meter = &self.document.meter;
        meter.enter();
        (self.entry().kind == Kind::Array && !meter.is_mute()).then_some(*self)
    }

    #[inline(always)]
    fn as_string(&self) -> Option<Cow<'a, str>> {
        let Some(text) = self.string() else {
            self.document.meter.spend(1);
            return None;
        };
        self.document.meter.text(text.len());
        Some(Cow::Borrowed(text))
    }

    #[inline]
    fn as_number(&self) -> Option<Number<'a>> {
        self.document.meter.spend(1 + self.units());
        self.number()
    }

    #[inline]
    fn as_boolean(&self) -> Option<bool> {
        self.document.meter.spend(1);
        self.boolean()
    }

    #[inline]
    fn is_null(&self) -> bool {
        self.document.meter.spend(1);
        self.entry().kind == Kind::Null
    }

    #[inline]
    fn is_number(&self) -> bool {
        self.document.meter.spend(1);
        matches!(self.entry().kind, Kind::Int | Kind::Number)
    }

    #[inline]
    fn is_string(&self) -> bool {
        self.document.meter.spend(1);
        self.entry().kind.is_text()
    }

    #[inline]
    fn json_type(&self) -> JsonType {
        self.document.meter.spend(1);
        match self.kind() {
            ValueKind::Null => JsonType::Null,
            ValueKind::Boolean => JsonType::Boolean,
            ValueKind::Number => JsonType::Number,
            ValueKind::String => JsonType::String,
            ValueKind::Array => JsonType::Array,
            ValueKind::Object => JsonType::Object,
        }
    }

    #[inline]
    fn string_length(&self) -> Option<u64> {
        self.document.meter.spend(1 + self.length_units());
        self.length()
    }

    #[inline]
    fn equals_value(&self, expected: &Value) -> bool {
        equal::is_value(*self, expected)
    }

    fn to_value(&self) -> Cow<'a, Value> {
        Cow::Owned(value_of(*self))
    }

    /// Errors hold no values, only the number under which the node was noted; or the name that a member has. To say where an expression
    /// went beyond its steps the engine itself follows a path into the outermost value: for it, that is a value.
    fn lazy_value(&self) -> LazyInstance<'a> {
        self.document.meter.spend(ERROR_UNITS);
        self.document.make_room(self);
        if self.entry().kind == Kind::Key {
            let name = self.string().unwrap_or("").to_owned();
            return LazyInstance::Ready(Cow::Owned(Value::String(name)));
        }
        let number = self.document.meter.error(self.at);
        LazyInstance::Deferred {
            bytes: if self.at == 0 { self.document.text.as_bytes() } else { &[] },
            tag: number,
            make: |text, tag| if IN_ENGINE.get() && !text.is_empty() { read_value(text) } else { tag.into() },
            cell: Default::default(),
        }
    }

    #[inline]
    fn identity(&self) -> Option<NodeIdentity> {
        Some(NodeIdentity::tagged(std::ptr::from_ref(self.document) as usize, self.at))
    }

    #[inline]
    fn container_identity(&self) -> Option<NodeIdentity> {
        matches!(self.entry().kind, Kind::Object | Kind::Array).then(|| self.identity()).flatten()
    }
}

impl<'a> Object<'a, Bytes> for Node<'a> {
    type Node = Self;
    type MemberName = &'a str;
    type MembersIter = Metered<'a, Members<'a>>;

    #[inline]
    fn len(&self) -> usize {
        Node::len(self)
    }

    #[inline]
    fn get(&self, key: &PreparedKey) -> Option<Self> {
        self.document.meter.spend(1 + Node::len(self).min(32) as u64 / 8);
        self.member_hashed(key.hash, key.name.as_bytes())
    }

    #[inline]
    fn members(&self) -> Self::MembersIter {
        Metered { inner: Node::members(*self), document: self.document }
    }

    fn try_for_each_name_node<B>(
        &self,
        (): &mut (),
        mut f: impl FnMut(Node<'_>) -> ControlFlow<B>,
    ) -> ControlFlow<B> {
        Object::members(self).try_for_each(|(_, value)| f(value.name()))
    }
}

impl<'a> Array<'a, Bytes> for Node<'a> {
    type Node = Self;
    type ElementsIter = Metered<'a, Elements<'a>>;

    #[inline]
    fn len(&self) -> usize {
        Node::len(self)
    }

    #[inline]
    fn elements(&self) -> Self::ElementsIter {
        let inner = Elements { document: self.document, at: self.at + 1, left: Node::len(self) };
        Metered { inner, document: self.document }
    }

    fn is_unique(&self) -> bool {
        equal::is_unique(*self)
    }
}

/// The elements of an array.
#[derive(Debug)]
pub(crate) struct Elements<'a> {
    document: &'a Document<'a>,
    at: u32,
    left: usize,
}

impl<'a> Iterator for Elements<'a> {
    type Item = Node<'a>;

    #[inline]
    fn next(&mut self) -> Option<Node<'a>> {
        self.left = self.left.checked_sub(1)?;
        let at = self.at;
        self.at = tape::after(self.document.entries, at);
        Some(Node { document: self.document, at })
    }
}

/// Each step costs, and there is none once the document is mute.
#[derive(Debug)]
pub(crate) struct Metered<'a, I> {
    inner: I,
    document: &'a Document<'a>,
}

impl<'a> Iterator for Metered<'a, Elements<'a>> {
    type Item = Node<'a>;

    #[inline]
    fn next(&mut self) -> Option<Node<'a>> {
        self.document.meter.spend(1);
        if self.document.meter.is_mute() { None } else { self.inner.next() }
    }
}

impl<'a> Iterator for Metered<'a, Members<'a>> {
    type Item = (&'a str, Node<'a>);

    #[inline(always)]
    fn next(&mut self) -> Option<Self::Item> {
        let meter = &self.document.meter;
        let next = if meter.is_mute() { None } else { self.inner.next() };
        match &next {
            // `patternProperties` matches them.
            Some((name, _)) => meter.text(name.len()),
            None => meter.spend(1),
        }
        next
    }
}

/// A text that was read before, as a value.
fn read_value(text: &[u8]) -> Value {
    let mut reader = Reader::default();
    let Ok(document) = reader.read(text, &Options::widest()) else { return Value::Null };
    document.meter.fill(u64::MAX);
    value_of(document.root())
}

/// A node as a value, for the few keywords that need one.
pub(crate) fn value_of(node: Node<'_>) -> Value {
    use jsonschema_value::JsonNumber as _;
    node.document.meter.spend(1);
    match node.kind() {
        ValueKind::Null => Value::Null,
        ValueKind::Boolean => Value::Bool(node.boolean() == Some(true)),
        ValueKind::Number => {
            node.number().map_or(Value::Null, |number| Value::Number(number.to_number().into_owned()))
        }
        ValueKind::String => Value::String(node.string().unwrap_or("").to_owned()),
        ValueKind::Array => Value::Array(node.elements().map(value_of).collect()),
        ValueKind::Object => {
            let members = node.members().map(|(name, node)| (name.to_owned(), value_of(node)));
            Value::Object(members.collect::<Map<_, _>>())
        }
    }
}
