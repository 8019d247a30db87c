//! What a document may be, and what is said of one that is not.

use std::fmt;

/// What to do with two members of one name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DuplicateKeys {
    /// The document is refused: parsers disagree on which of them counts.
    Reject,
    /// The last one counts, as for JSON.parse.
    Last,
}

/// The bounds of a document.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// The longest text, in bytes.
    pub max_bytes: usize,
    /// How deep containers may be nested.
    pub max_depth: usize,
    /// Two members of one name.
    pub duplicate_keys: DuplicateKeys,
    /// Whether `__proto__`, and `prototype` in a `constructor`, are refused as names of members.
    pub refuse_proto_keys: bool,
}

/// Why a text is no document.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// What is wrong.
    pub kind: FaultKind,
    /// The byte at which that was seen.
    pub offset: usize,
    /// The value it was in, as a JSON Pointer.
    pub path: String,
}

/// What is wrong with a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FaultKind {
    /// It is not JSON: what was expected.
    Syntax(&'static str),
    /// It is not UTF-8.
    Encoding,
    /// Two members of one name.
    DuplicateKey,
    /// A name that would reach a prototype.
    ProtoKey,
    /// Longer than `max_bytes`.
    Bytes,
    /// Nested deeper than `max_depth`.
    Depth,
    /// A number that no double is near.
    NumberRange,
}

impl FaultKind {
    /// Whether a limit was passed, rather than the grammar broken.
    pub fn is_limit(self) -> bool {
        matches!(self, Self::Bytes | Self::Depth | Self::NumberRange)
    }

    /// The option or rule that it breaks.
    pub fn keyword(self) -> &'static str {
        match self {
            Self::Syntax(_) => "syntax",
            Self::Encoding => "encoding",
            Self::DuplicateKey => "duplicateKeys",
            Self::ProtoKey => "protoKeys",
            Self::Bytes => "maxBytes",
            Self::Depth => "maxDepth",
            Self::NumberRange => "numberRange",
        }
    }
}

impl fmt::Display for FaultKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let said = match self {
            Self::Syntax(expected) => return write!(f, "must be JSON: expected {expected}"),
            Self::Encoding => "must be UTF-8",
            Self::DuplicateKey => "must NOT have two members of one name",
            Self::ProtoKey => "must NOT have a name that reaches a prototype",
            Self::Bytes => "must NOT be longer than maxBytes",
            Self::Depth => "must NOT be nested deeper than maxDepth",
            Self::NumberRange => "must be a number within the range of doubles",
        };
        f.write_str(said)
    }
}
