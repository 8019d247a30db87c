//! A document as it was read: one entry for each value, key and end of a container, in the order of the text.

/// What an entry is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Null,
    False,
    True,
    /// A whole number of at most 18 digits: `a` and `b` are the halves of its value.
    Int,
    /// Any other number, of `a` bytes.
    Number,
    /// A string of `a` bytes between its quotes.
    String,
    /// The same as a member's name; `b` is its hash.
    Key,
    /// The name of a member that a later one of the same name takes the place of.
    Shadowed,
    /// `a` is the entry after its end, `b` how many elements it has.
    Array,
    /// `a` is the entry after its end, `b` how many members it has.
    Object,
    /// The end of the container at entry `b`. Of an object with many members `a` is one more than where [`Tape::sorted`] has them.
    End,
}

/// The string is ASCII: it has as many characters as bytes.
pub(super) const ASCII: u8 = 1;
/// The string has escapes: `b` is its place in [`Tape::decoded`].
pub(super) const ESCAPED: u8 = 2;
/// The number has neither a fraction nor an exponent.
pub(super) const WHOLE: u8 = 4;

#[derive(Clone, Copy, Debug)]
pub(super) struct Entry {
    pub(super) kind: Kind,
    pub(super) flags: u8,
    /// Where it begins in the text; a string at its first byte after the quote.
    pub(super) start: u32,
    pub(super) a: u32,
    pub(super) b: u32,
}

impl Entry {
    pub(super) fn new(kind: Kind, start: usize) -> Self {
        Self { kind, flags: 0, start: start as u32, a: 0, b: 0 }
    }

    /// The value of an [`Kind::Int`].
    pub(super) fn int(&self) -> i64 {
        (u64::from(self.a) | u64::from(self.b) << 32) as i64
    }

    pub(super) fn is(&self, flag: u8) -> bool {
        self.flags & flag != 0
    }
}

/// A string with escapes, as it reads.
#[derive(Clone, Copy, Debug)]
pub(super) struct Decoded {
    pub(super) start: u32,
    pub(super) end: u32,
    pub(super) hash: u32,
}

/// The entries, and what does not fit into one. Its memory is kept from one document to the next.
#[derive(Debug, Default)]
pub(crate) struct Tape {
    pub(super) entries: Vec<Entry>,
    pub(super) decoded: Vec<Decoded>,
    /// The text of the strings with escapes.
    pub(super) text: String,
    /// Of each object with many members: how many, then their keys' entries by hash and name.
    pub(super) sorted: Vec<u32>,
}

/// Entries whose memory is kept: those of a document of about 1 MiB, in 4 MiB.
pub(super) const KEPT: usize = 1 << 18;

impl Tape {
    pub(super) fn clear(&mut self) {
        self.entries.clear();
        self.decoded.clear();
        self.text.clear();
        self.sorted.clear();
        self.entries.shrink_to(KEPT);
        self.decoded.shrink_to(KEPT);
        self.text.shrink_to(KEPT);
        self.sorted.shrink_to(KEPT);
    }

    /// How many bytes of memory it holds.
    pub(super) fn memory(&self) -> usize {
        self.entries.capacity() * size_of::<Entry>()
            + self.decoded.capacity() * size_of::<Decoded>()
            + self.text.capacity()
            + self.sorted.capacity() * size_of::<u32>()
    }

    /// The string or key of an entry: a tape has each of them.
    #[inline(always)]
    pub(super) fn string<'a>(&'a self, text: &'a str, entry: &Entry) -> Option<&'a str> {
        if entry.is(ESCAPED) {
            return self.decoded(entry);
        }
        let start = entry.start as usize;
        text.get(start..start + entry.a as usize)
    }

    #[inline(never)]
    fn decoded(&self, entry: &Entry) -> Option<&str> {
        let decoded = self.decoded.get(entry.b as usize)?;
        self.text.get(decoded.start as usize..decoded.end as usize)
    }

    /// The hash of a key.
    #[inline]
    pub(super) fn hash(&self, entry: &Entry) -> u32 {
        if entry.is(ESCAPED) {
            self.decoded.get(entry.b as usize).map_or(0, |decoded| decoded.hash)
        } else {
            entry.b
        }
    }
}

/// The entry after the value at `at`.
#[inline(always)]
pub(super) fn after(entries: &[Entry], at: u32) -> u32 {
    match entries.get(at as usize) {
        Some(entry) if matches!(entry.kind, Kind::Array | Kind::Object) => entry.a,
        _ => at + 1,
    }
}

/// A name's hash: of its length, its first and its last eight bytes. It only tells names apart quickly; that many have the same
/// costs time in no more than the square of 32 (see `members.rs`).
pub(super) fn hash_of(name: &[u8]) -> u32 {
    let len = name.len();
    let (first, last) = if len >= 8 {
        (word(&name[..8]), word(&name[len - 8..]))
    } else if len >= 4 {
        (word(&name[..4]), word(&name[len - 4..]))
    } else {
        (word(name), 0)
    };
    let mixed = (first ^ last.rotate_left(23) ^ len as u64).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    (mixed >> 32) as u32
}

/// At most eight bytes as a number.
#[inline]
fn word(bytes: &[u8]) -> u64 {
    match bytes.len() {
        8 => u64::from_le_bytes([
            bytes[0], bytes[1], bytes[2], bytes[3], bytes[4], bytes[5], bytes[6], bytes[7],
        ]),
        4 => u64::from(u32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]])),
        _ => bytes.iter().rev().fold(0, |word, &byte| word << 8 | u64::from(byte)),
    }
}
