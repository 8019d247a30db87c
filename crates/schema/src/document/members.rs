//! The members of an object: each name once, and found quickly.

use super::{
    limits::DuplicateKeys,
    tape::{Entry, Kind, Tape},
};

/// Objects with more members than this have them sorted; in smaller ones each is looked at.
const FEW: usize = 32;

/// What came of an object's keys.
pub(super) struct Sealed {
    /// Members, each name counted once.
    pub(super) count: u32,
    /// One more than where they are sorted; 0 if they are not.
    pub(super) sorted: u32,
}

/// The name a key stands for.
#[inline]
pub(super) fn name<'a>(tape: &'a Tape, text: &'a [u8], key: &Entry) -> &'a [u8] {
    if key.is(super::tape::ESCAPED) {
        let Some(decoded) = tape.decoded.get(key.b as usize) else { return b"" };
        tape.text.as_bytes().get(decoded.start as usize..decoded.end as usize).unwrap_or_default()
    } else {
        let start = key.start as usize;
        text.get(start..start + key.a as usize).unwrap_or_default()
    }
}

/// A key of an object that is open: its hash, and below it its entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct OpenKey(u64);

impl OpenKey {
    #[inline(always)]
    pub(super) fn new(hash: u32, entry: u32) -> Self {
        Self(u64::from(hash) << 32 | u64::from(entry))
    }

    #[inline(always)]
    fn hash(self) -> u32 {
        (self.0 >> 32) as u32
    }

    #[inline(always)]
    pub(super) fn entry(self) -> u32 {
        self.0 as u32
    }
}

/// All keys of an object are read: looks for names that stand twice. Err: the entry of the second one.
#[inline]
pub(super) fn seal(
    tape: &mut Tape,
    text: &[u8],
    keys: &mut [OpenKey],
    duplicates: DuplicateKeys,
) -> Result<Sealed, u32> {
    if keys.len() > FEW {
        return seal_many(tape, text, keys, duplicates);
    }
    let count = keys.len() as u32;
    let shadowed = if may_be_alike(keys) { seal_alike(tape, text, keys, duplicates)? } else { 0 };
    Ok(Sealed { count: count - shadowed, sorted: 0 })
}

/// Whether two keys may have one hash; if so it is told, else mostly not. Two filters of 64 bits: no branch depends on the names.
#[inline(always)]
fn may_be_alike(keys: &[OpenKey]) -> bool {
    let (mut first, mut second, mut alike) = (0u64, 0u64, 0);
    for key in keys {
        let (a, b) = (key.hash() & 63, key.hash() >> 6 & 63);
        alike |= first >> a & second >> b;
        first |= 1 << a;
        second |= 1 << b;
    }
    alike & 1 != 0
}

#[inline(never)]
fn seal_alike(tape: &mut Tape, text: &[u8], keys: &[OpenKey], duplicates: DuplicateKeys) -> Result<u32, u32> {
    let mut shadowed = 0;
    for (index, key) in keys.iter().enumerate() {
        for earlier in &keys[..index] {
            if earlier.hash() == key.hash() && same(tape, text, earlier.entry(), key.entry()) {
                shadowed += shadow(tape, earlier.entry(), key.entry(), duplicates)?;
            }
        }
    }
    Ok(shadowed)
}

/// Sorted by hash, then by name: however many names an attacker finds that hash alike, it costs n log n comparisons.
#[inline(never)]
fn seal_many(
    tape: &mut Tape,
    text: &[u8],
    keys: &mut [OpenKey],
    duplicates: DuplicateKeys,
) -> Result<Sealed, u32> {
    keys.sort_unstable();
    let mut shadowed = 0;
    for alike in keys.chunk_by_mut(|a, b| a.hash() == b.hash()).filter(|alike| alike.len() > 1) {
        alike.sort_by(|a, b| {
            let (entry, other) = (&tape.entries[a.entry() as usize], &tape.entries[b.entry() as usize]);
            name(tape, text, entry).cmp(name(tape, text, other)).then(a.cmp(b))
        });
        for pair in alike.windows(2) {
            if same(tape, text, pair[0].entry(), pair[1].entry()) {
                shadowed += shadow(tape, pair[0].entry(), pair[1].entry(), duplicates)?;
            }
        }
    }
    let sorted = tape.sorted.len() as u32 + 1;
    tape.sorted.push(keys.len() as u32);
    tape.sorted.extend(keys.iter().map(|key| key.entry()));
    Ok(Sealed { count: keys.len() as u32 - shadowed, sorted })
}

fn same(tape: &Tape, text: &[u8], a: u32, b: u32) -> bool {
    let (a, b) = (&tape.entries[a as usize], &tape.entries[b as usize]);
    name(tape, text, a) == name(tape, text, b)
}

/// The member at `earlier` has a later one of its name at `key`: how many members that makes fewer.
#[cold]
fn shadow(tape: &mut Tape, earlier: u32, key: u32, duplicates: DuplicateKeys) -> Result<u32, u32> {
    if duplicates == DuplicateKeys::Reject {
        return Err(key);
    }
    let Some(entry) = tape.entries.get_mut(earlier as usize) else { return Ok(0) };
    let was = std::mem::replace(&mut entry.kind, Kind::Shadowed);
    Ok(u32::from(was == Kind::Key))
}

/// The entry of the member named `wanted`, among those that are sorted from `sorted` on.
pub(super) fn find_sorted(tape: &Tape, text: &[u8], sorted: u32, hash: u32, wanted: &[u8]) -> Option<u32> {
    let start = sorted as usize - 1;
    let count = *tape.sorted.get(start)? as usize;
    let keys = tape.sorted.get(start + 1..start + 1 + count)?;
    let order = |&key: &u32| {
        let entry = &tape.entries[key as usize];
        tape.hash(entry).cmp(&hash).then_with(|| name(tape, text, entry).cmp(wanted))
    };
    // Of several of one name the last is the one that counts, and the only one that is not shadowed.
    let after = keys.partition_point(|key| order(key).is_le());
    let key = *keys.get(after.checked_sub(1)?)?;
    order(&key).is_eq().then_some(key)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn keys_of_one_hash_are_never_missed(
            hashes in prop::collection::vec(any::<u32>(), 1..=FEW - 1),
            twice in any::<prop::sample::Index>(),
            place in any::<prop::sample::Index>(),
        ) {
            let mut keys: Vec<OpenKey> = (0..).zip(&hashes).map(|(at, &hash)| OpenKey::new(hash, at)).collect();
            let again = OpenKey::new(twice.get(&hashes).to_owned(), 99);
            keys.insert(place.index(keys.len() + 1), again);
            prop_assert!(may_be_alike(&keys));
            prop_assert_eq!((again.hash(), again.entry()), (*twice.get(&hashes), 99));
        }
    }

    #[test]
    fn keys_that_differ_are_seldom_taken_for_alike() {
        let keys = |salt: u32| -> Vec<OpenKey> {
            (0..8).map(|at| OpenKey::new((salt * 8 + at).wrapping_mul(0x9E37_79B9) ^ salt, at)).collect()
        };
        let taken = (0..1_000).filter(|&salt| may_be_alike(&keys(salt))).count();
        assert!(taken < 100, "{taken}");
    }
}
