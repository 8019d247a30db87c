//! A JSON text, read once and looked at where it lies.
//!
//! [`Reader::read`] checks the grammar, the encoding and the [`Limits`] in one pass and leaves a tape: one entry for each value, key
//! and end. A [`Node`] is a place on it. Nothing is built from the text but the strings that have escapes, and the memory is kept
//! from one document to the next. Every look at a node is counted (see [`Meter`]), so that no schema can make a small document
//! cost much.
//!
//! ```
//! use breakwater_schema::document::{DuplicateKeys, Limits, Reader};
//!
//! let limits = Limits {
//!     max_bytes: 1 << 20,
//!     max_depth: 128,
//!     duplicate_keys: DuplicateKeys::Reject,
//!     refuse_proto_keys: true,
//! };
//! let mut reader = Reader::default();
//! let document = reader.read(br#"{"order": {"id": 17}}"#, &limits)?;
//! assert_eq!(document.at("/order/id").map(|node| node.raw()), Some("17"));
//! let fault = reader.read(br#"{"order": {"id": 17}"#, &limits).unwrap_err();
//! assert_eq!((fault.offset, fault.path.as_str()), (20, "/order"));
//! # Ok::<(), breakwater_schema::document::Fault>(())
//! ```

mod block;
mod digits;
mod equal;
mod errors;
mod limits;
mod members;
mod meter;
mod node;
mod number;
pub(crate) mod pointer;
mod read;
mod tape;
mod text;
mod view;

pub(crate) use equal::duplicate;
pub use limits::{DuplicateKeys, Fault, FaultKind, Limits};
pub use meter::{Spent, set_stack_end};
pub use node::{Node, ValueKind};
pub use read::Reader;
pub(crate) use view::{Bytes, in_engine, value_of};

use errors::Errors;
use meter::Meter;
use tape::{Entry, Tape};

/// Memory that a reader keeps: what a document of 1 MiB takes, with an entry for each four bytes, and names that are sorted.
const REST_BYTES: usize = tape::KEPT * (size_of::<tape::Entry>() + size_of::<u32>());

impl Reader {
    /// How many bytes of memory the document that was read last takes besides its text. A dense one takes 16 times its text, or 32.
    pub fn memory(&self) -> usize {
        self.document("").tape.memory()
    }

    /// Keeps no memory for what was huge: the document that was read last may be gone.
    pub fn rest(&mut self) {
        if self.memory() > REST_BYTES {
            *self = Self::default();
        }
    }
}

/// Whether a text is a JSON Pointer.
pub fn is_pointer(text: &str) -> bool {
    pointer::steps(text).all(|step| step.is_ok())
}

/// A document that was read.
#[derive(Debug)]
pub struct Document<'a> {
    text: &'a str,
    /// Those of the tape: one step nearer.
    entries: &'a [Entry],
    tape: &'a Tape,
    pub(crate) meter: Meter,
    errors: Errors,
}

impl<'a> Document<'a> {
    pub(crate) fn new(text: &'a str, tape: &'a Tape) -> Self {
        let (meter, errors) = (Meter::default(), Errors::default());
        Self { text, entries: &tape.entries, tape, meter, errors }
    }

    /// The text.
    pub fn text(&self) -> &'a str {
        self.text
    }

    /// Its outermost value.
    pub fn root(&self) -> Node<'_> {
        Node::new(self, 0)
    }

    /// How many entries it has: values, names and ends.
    pub fn entries(&self) -> usize {
        self.entries.len()
    }

    /// The value that a JSON Pointer leads to.
    pub fn at(&self, pointer: &(impl AsRef<[u8]> + ?Sized)) -> Option<Node<'_>> {
        let mut node = self.root();
        let mut rest = pointer.as_ref();
        while let [b'/', steps @ ..] = rest {
            let (mut end, mut is_escaped) = (0, false);
            while let Some(&byte) = steps.get(end).filter(|byte| **byte != b'/') {
                is_escaped |= byte == b'~';
                end += 1;
            }
            let (step, after) = steps.split_at(end);
            node = if is_escaped {
                node.below(pointer::unescaped(step)?.as_bytes())?
            } else {
                node.below(step)?
            };
            rest = after;
        }
        rest.is_empty().then_some(node)
    }
}
