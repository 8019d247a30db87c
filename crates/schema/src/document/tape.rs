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

impl Kind {
    /// Whether it is a string, or the name of a member.
    #[inline(always)]
    pub(super) fn is_text(self) -> bool {
        matches!(self, Self::String | Self::Key)
    }
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
    match (name.first_chunk(), name.last_chunk()) {
        (Some(first), Some(last)) => mixed(u64::from_le_bytes(*first), u64::from_le_bytes(*last), name.len()),
        _ => {
            let all = name.iter().rev().fold(0, |word, &byte| word << 8 | u64::from(byte));
            mixed(all, all, name.len())
        }
    }
}

/// The same of the name from `start` to `end` in a text, without a branch that depends on its length.
#[inline(always)]
pub(super) fn hash_in(text: &[u8], start: usize, end: usize) -> u32 {
    let len = end - start;
    let first = text.get(start..).and_then(<[u8]>::first_chunk);
    let last = text.get(..end).and_then(<[u8]>::last_chunk);
    let (Some(first), Some(last)) = (first, last) else {
        return hash_of(text.get(start..end).unwrap_or_default());
    };
    let (first, last) = (u64::from_le_bytes(*first), u64::from_le_bytes(*last));
    if len == 0 {
        return hash_of(b"");
    }
    // Of a short name what stands before it goes.
    let last = last >> (64 - 8 * len.min(8));
    mixed(if len < 8 { last } else { first }, last, len)
}

#[inline(always)]
fn mixed(first: u64, last: u64, len: usize) -> u32 {
    let mixed = (first ^ last.rotate_left(23) ^ len as u64).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    (mixed >> 32) as u32
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_has_one_hash_wherever_it_stands() {
        let text: Vec<u8> = (0..60).map(|at| b'a' + at % 23).chain([0xff; 4]).collect();
        for start in 0..=text.len() {
            for end in start..=text.len() {
                assert_eq!(hash_in(&text, start, end), hash_of(&text[start..end]), "{start} to {end}");
            }
        }
    }

    #[test]
    fn short_names_that_differ_hash_apart() {
        let names = (0..=255u8).flat_map(|a| (0..=255).map(move |b| [a, b]));
        let mut hashes: Vec<u32> = names.map(|name| hash_of(&name)).collect();
        hashes.extend([b"".as_slice(), b"\0", b"\0\0\0"].map(hash_of));
        hashes.sort_unstable();
        hashes.dedup();
        // As many collisions as chance has.
        assert!(hashes.len() > 65_520, "{}", hashes.len());
    }
}
