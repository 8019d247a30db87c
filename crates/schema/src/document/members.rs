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
pub(super) fn name<'a>(tape: &'a Tape, text: &'a [u8], key: &Entry) -> &'a [u8] {
    if key.is(super::tape::ESCAPED) {
        let Some(decoded) = tape.decoded.get(key.b as usize) else { return b"" };
        tape.text.as_bytes().get(decoded.start as usize..decoded.end as usize).unwrap_or_default()
    } else {
        let start = key.start as usize;
        text.get(start..start + key.a as usize).unwrap_or_default()
    }
}

/// All keys of an object are read, as (hash, entry): looks for names that stand twice. Err: the entry of the second one.
#[inline]
pub(super) fn seal(
    tape: &mut Tape,
    text: &[u8],
    keys: &mut [(u32, u32)],
    duplicates: DuplicateKeys,
) -> Result<Sealed, u32> {
    if keys.len() > FEW {
        return seal_many(tape, text, keys, duplicates);
    }
    let mut seen = 0u64;
    let mut shadowed = 0;
    for (index, &(hash, key)) in keys.iter().enumerate() {
        let bit = 1 << (hash & 63);
        if seen & bit != 0 {
            for &(other, earlier) in &keys[..index] {
                if other == hash && same(tape, text, earlier, key) {
                    shadowed += shadow(tape, earlier, key, duplicates)?;
                }
            }
        }
        seen |= bit;
    }
    Ok(Sealed { count: keys.len() as u32 - shadowed, sorted: 0 })
}

/// Sorted by hash, then by name: however many names an attacker finds that hash alike, it costs n log n comparisons.
#[cold]
fn seal_many(
    tape: &mut Tape,
    text: &[u8],
    keys: &mut [(u32, u32)],
    duplicates: DuplicateKeys,
) -> Result<Sealed, u32> {
    let name_of = |tape: &Tape, key: u32| name(tape, text, &tape.entries[key as usize]).to_owned();
    keys.sort_unstable();
    let mut shadowed = 0;
    let mut from = 0;
    while from < keys.len() {
        let hash = keys[from].0;
        let end = from + keys[from..].partition_point(|&(other, _)| other == hash);
        if end - from > 1 {
            let alike = &mut keys[from..end];
            alike.sort_by(|&(_, a), &(_, b)| {
                let (entry, other) = (&tape.entries[a as usize], &tape.entries[b as usize]);
                name(tape, text, entry).cmp(name(tape, text, other)).then(a.cmp(&b))
            });
            for pair in 1..alike.len() {
                let (earlier, key) = (alike[pair - 1].1, alike[pair].1);
                if name_of(tape, earlier) == name_of(tape, key) {
                    shadowed += shadow(tape, earlier, key, duplicates)?;
                }
            }
        }
        from = end;
    }
    let sorted = tape.sorted.len() as u32 + 1;
    tape.sorted.push(keys.len() as u32);
    tape.sorted.extend(keys.iter().map(|&(_, key)| key));
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
