//! A hash table of chains that grows by one bucket at a time (linear hashing, Litwin 1980), so that no insertion takes long.
//! It links what lies elsewhere: whoever owns the elements says how each is chained.

use super::segments::Segments;

/// No element.
pub(super) const NONE: u32 = u32::MAX;

/// Three elements for two buckets: chains are short, and a head for each would take as much again.
const ELEMENTS: u64 = 3;
const BUCKETS: u64 = 2;

/// Elements that are linked into chains.
pub(super) trait Chained {
    /// What follows in its chain.
    fn next(&self, at: u32) -> u32;
    fn set_next(&mut self, at: u32, next: u32);
    /// The hash it was inserted by.
    fn hash(&self, at: u32) -> u32;
}

#[derive(Debug, Default)]
pub(super) struct Buckets {
    heads: Segments<u32>,
    len: u32,
}

impl Buckets {
    /// The first of the chain that holds what has this hash.
    #[inline]
    pub(super) fn first(&self, hash: u32) -> u32 {
        self.heads.get(self.bucket(hash)).copied().unwrap_or(NONE)
    }

    /// With `n` buckets those below `n - 2^level` are split already: one more bit of the hash counts there.
    #[inline]
    fn bucket(&self, hash: u32) -> u32 {
        let buckets = self.heads.len() as u32;
        if buckets == 0 {
            return 0;
        }
        let mask = buckets.next_power_of_two() - 1;
        let bucket = hash & mask;
        if bucket < buckets { bucket } else { hash & (mask >> 1) }
    }

    pub(super) fn insert(&mut self, elements: &mut impl Chained, at: u32, hash: u32) {
        self.len += 1;
        if BUCKETS * u64::from(self.len) > ELEMENTS * self.heads.len() as u64 {
            self.split(elements);
        }
        let bucket = self.bucket(hash);
        if let Some(head) = self.heads.get_mut(bucket) {
            elements.set_next(at, *head);
            *head = at;
        }
    }

    /// Takes an element out of the chain of its hash.
    pub(super) fn remove(&mut self, elements: &mut impl Chained, at: u32, hash: u32) {
        let bucket = self.bucket(hash);
        let Some(head) = self.heads.get_mut(bucket) else { return };
        let after = elements.next(at);
        if *head == at {
            *head = after;
            self.len -= 1;
            return;
        }
        let mut before = *head;
        while before != NONE {
            let next = elements.next(before);
            if next == at {
                elements.set_next(before, after);
                self.len -= 1;
                return;
            }
            before = next;
        }
    }

    /// Adds a bucket, and moves there what belongs to it.
    fn split(&mut self, elements: &mut impl Chained) {
        let added = self.heads.len() as u32;
        self.heads.push(NONE);
        if added == 0 {
            return;
        }
        let from = added - (1 << added.ilog2());
        let Some(head) = self.heads.get_mut(from) else { return };
        let mut at = std::mem::replace(head, NONE);
        while at != NONE {
            let next = elements.next(at);
            let bucket = self.bucket(elements.hash(at));
            if let Some(head) = self.heads.get_mut(bucket) {
                elements.set_next(at, *head);
                *head = at;
            }
            at = next;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Elements(Vec<(u32, u32)>);

    impl Chained for Elements {
        fn next(&self, at: u32) -> u32 {
            self.0[at as usize].0
        }

        fn set_next(&mut self, at: u32, next: u32) {
            self.0[at as usize].0 = next;
        }

        fn hash(&self, at: u32) -> u32 {
            self.0[at as usize].1
        }
    }

    fn holds(buckets: &Buckets, elements: &Elements, at: u32) -> bool {
        let mut each = buckets.first(elements.hash(at));
        while each != NONE && each != at {
            each = elements.next(each);
        }
        each == at
    }

    #[test]
    fn finds_everything_while_it_grows_and_nothing_that_was_taken_out() {
        let mut buckets = Buckets::default();
        let mut elements = Elements(Vec::new());
        for at in 0..5_000u32 {
            let hash = at.wrapping_mul(0x9E37_79B9).rotate_left(16);
            elements.0.push((NONE, hash));
            buckets.insert(&mut elements, at, hash);
            let some = at / 2;
            assert!(holds(&buckets, &elements, some) || some % 3 == 0);
            if at % 3 == 0 {
                buckets.remove(&mut elements, at, hash);
            }
        }
        for at in 0..5_000 {
            assert_eq!(holds(&buckets, &elements, at), at % 3 != 0, "{at}");
        }
        assert!(buckets.heads.len() >= 5_000 * 2 / 3 * 2 / 3);
    }
}
