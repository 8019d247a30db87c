//! How much the errors of a document may hold: the engine gives each of them the whole path to its value, the names or items that it
//! lists, and what it quotes of the schema. A sender makes many, and makes them long.

use std::cell::Cell;

use super::{
    Document,
    node::{Node, ValueKind},
    tape::Kind,
};

/// An error, and a piece of text of its own, besides the text.
const ERROR_BYTES: usize = 512;
const TEXT_BYTES: usize = 56;

/// A step into an array, in a path.
const INDEX_BYTES: usize = 11;

/// What the errors of a document may hold, in bytes, about.
#[derive(Debug)]
pub(crate) struct Errors {
    room: Cell<usize>,
    /// What each holds, besides what it lists.
    each: Cell<usize>,
}

impl Default for Errors {
    fn default() -> Self {
        Self { room: Cell::new(usize::MAX), each: Cell::new(0) }
    }
}

impl Document<'_> {
    /// From now on errors may hold so many bytes in all; each may quote so many of the schema.
    pub(crate) fn give_room(&self, bytes: usize, quoted: usize) {
        self.errors.room.set(bytes);
        self.errors.each.set(ERROR_BYTES + self.longest_path() + quoted);
    }

    /// An error is made of this node, which ends the validation where there is no room for it.
    pub(super) fn make_room(&self, node: &Node<'_>) {
        let listed = match node.kind() {
            ValueKind::Object => node.members().map(|(name, _)| TEXT_BYTES + name.len()).sum(),
            // The name of a member is in its error.
            ValueKind::String if node.entry().kind == Kind::Key => node.string().map_or(0, str::len),
            ValueKind::Array => TEXT_BYTES * node.len() + node.raw().len(),
            _ => 0,
        };
        let left = self.errors.room.get().checked_sub(self.errors.each.get() + listed);
        self.errors.room.set(left.unwrap_or(0));
        if left.is_none() {
            self.meter.spend(u64::MAX);
        }
    }

    /// The length of the longest path into the document, about.
    fn longest_path(&self) -> usize {
        let mut above = Vec::new();
        let (mut base, mut step, mut longest) = (0, 0, 0);
        for entry in self.entries {
            match entry.kind {
                Kind::Key | Kind::Shadowed => step = 1 + entry.a as usize,
                Kind::Array | Kind::Object => {
                    above.push((base, step));
                    (base, step) = (base + step, INDEX_BYTES);
                    longest = longest.max(base);
                }
                Kind::End => (base, step) = above.pop().unwrap_or_default(),
                _ => longest = longest.max(base + step),
            }
        }
        longest
    }
}
