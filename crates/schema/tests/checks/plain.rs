//! A text as serde_json reads it: members in the order of the text, and names as often as they stand there.

use std::{cell::RefCell, fmt};

use serde::de::{DeserializeSeed, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::Number;

#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Plain {
    Null,
    Boolean(bool),
    Number(Number),
    String(String),
    Array(Vec<Plain>),
    Object(Vec<(String, Plain)>),
}

/// Where serde_json gave up.
#[derive(Debug)]
pub(crate) struct Refused {
    pub(crate) message: String,
    /// About the byte.
    pub(crate) offset: usize,
    /// The steps to the value it was in; of an array, to the element before or the one that was due.
    pub(crate) path: Vec<String>,
}

/// As deep as serde_json reads.
pub(crate) const DEEPEST: usize = 127;

impl Plain {
    pub(crate) fn read(bytes: &[u8]) -> Result<Self, Refused> {
        let path = RefCell::default();
        let mut deserializer = serde_json::Deserializer::from_slice(bytes);
        let read = Reading(&path).deserialize(&mut deserializer);
        read.and_then(|value| deserializer.end().map(|()| value)).map_err(|error| {
            let lines = bytes.split_inclusive(|&byte| byte == b'\n');
            let above: usize = lines.take(error.line().saturating_sub(1)).map(<[u8]>::len).sum();
            Refused { message: error.to_string(), offset: above + error.column(), path: path.take() }
        })
    }

    /// The members that count, as JSON.parse sees them: of each name the last, in the order of the text.
    pub(crate) fn members(&self) -> Vec<(&str, &Self)> {
        let Self::Object(members) = self else { return Vec::new() };
        let is_last = |&(at, (name, _)): &(usize, &(String, Self))| {
            !members[at + 1..].iter().any(|(other, _)| other == name)
        };
        members.iter().enumerate().filter(is_last).map(|(_, (name, value))| (name.as_str(), value)).collect()
    }

    fn inner(&self) -> Vec<&Self> {
        match self {
            Self::Array(elements) => elements.iter().collect(),
            Self::Object(members) => members.iter().map(|(_, value)| value).collect(),
            _ => Vec::new(),
        }
    }

    /// How deep its containers are nested.
    pub(crate) fn depth(&self) -> usize {
        let is_container = matches!(self, Self::Array(_) | Self::Object(_));
        self.inner().iter().map(|inner| inner.depth()).max().unwrap_or(0) + usize::from(is_container)
    }

    /// Whether a name stands twice in one object.
    pub(crate) fn has_duplicates(&self) -> bool {
        let twice = |members: &[(String, Self)]| members.len() > self.members().len();
        matches!(self, Self::Object(members) if twice(members))
            || self.inner().iter().any(|inner| inner.has_duplicates())
    }

    /// Whether a name reaches a prototype: `__proto__`, or `prototype` in a `constructor`.
    pub(crate) fn has_proto_keys(&self) -> bool {
        let named = |value: &Self, wanted: &str| matches!(value, Self::Object(members) if members.iter().any(|(name, _)| name == wanted));
        let reaches = matches!(self, Self::Object(members)
            if members.iter().any(|(name, value)| name == "constructor" && named(value, "prototype")));
        reaches || named(self, "__proto__") || self.inner().iter().any(|inner| inner.has_proto_keys())
    }
}

/// Leaves in the trail where it was when it failed.
struct Reading<'a>(&'a RefCell<Vec<String>>);

impl<'de> DeserializeSeed<'de> for Reading<'_> {
    type Value = Plain;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Plain, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Reading<'_> {
    type Value = Plain;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    fn visit_unit<E>(self) -> Result<Plain, E> {
        Ok(Plain::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Plain, E> {
        Ok(Plain::Boolean(value))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Plain, E> {
        Ok(Plain::Number(value.into()))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Plain, E> {
        Ok(Plain::Number(value.into()))
    }

    fn visit_f64<E: serde::de::Error>(self, value: f64) -> Result<Plain, E> {
        Number::from_f64(value).map(Plain::Number).ok_or_else(|| E::custom("not a finite number"))
    }

    fn visit_str<E>(self, value: &str) -> Result<Plain, E> {
        Ok(Plain::String(value.to_owned()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut elements: A) -> Result<Plain, A::Error> {
        let mut read = Vec::new();
        let depth = self.0.borrow().len();
        self.0.borrow_mut().push("0".to_owned());
        while let Some(element) = elements.next_element_seed(Reading(self.0))? {
            read.push(element);
            self.0.borrow_mut()[depth] = read.len().to_string();
        }
        self.0.borrow_mut().truncate(depth);
        Ok(Plain::Array(read))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Plain, A::Error> {
        let mut read = Vec::new();
        let depth = self.0.borrow().len();
        while let Some(name) = members.next_key::<String>()? {
            self.0.borrow_mut().truncate(depth);
            self.0.borrow_mut().push(name.clone());
            read.push((name, members.next_value_seed(Reading(self.0))?));
        }
        self.0.borrow_mut().truncate(depth);
        Ok(Plain::Object(read))
    }
}
