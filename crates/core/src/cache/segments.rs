//! A list that grows without moving what is in it: segments, the first ones small, so that no push takes long and a small list
//! little memory.

/// Elements of a segment, once the list is long.
const FULL: usize = 1 << FULL_BITS;
const FULL_BITS: u32 = 12;

/// Elements of the first segment; each further one holds as many as all before it, up to [`FULL`].
const FIRST: usize = 1 << FIRST_BITS;
const FIRST_BITS: u32 = 4;

/// Segments that are smaller than [`FULL`].
const SMALL: usize = (FULL_BITS - FIRST_BITS + 1) as usize;

#[derive(Debug)]
pub(super) struct Segments<T> {
    segments: Vec<Vec<T>>,
    len: usize,
}

impl<T> Default for Segments<T> {
    fn default() -> Self {
        Self { segments: Vec::new(), len: 0 }
    }
}

/// The segment of an element, and its place there.
#[inline]
fn place(index: usize) -> (usize, usize) {
    if index >= FULL {
        (SMALL - 1 + (index >> FULL_BITS), index & (FULL - 1))
    } else if index < FIRST {
        (0, index)
    } else {
        let bits = index.ilog2();
        ((bits - FIRST_BITS + 1) as usize, index - (1 << bits))
    }
}

impl<T> Segments<T> {
    pub(super) fn len(&self) -> usize {
        self.len
    }

    #[inline]
    pub(super) fn get(&self, index: u32) -> Option<&T> {
        let (segment, at) = place(index as usize);
        self.segments.get(segment)?.get(at)
    }

    #[inline]
    pub(super) fn get_mut(&mut self, index: u32) -> Option<&mut T> {
        let (segment, at) = place(index as usize);
        self.segments.get_mut(segment)?.get_mut(at)
    }

    pub(super) fn push(&mut self, element: T) {
        let (segment, _) = place(self.len);
        if segment == self.segments.len() {
            let room = if segment == 0 { FIRST } else { self.len.min(FULL) };
            self.segments.push(Vec::with_capacity(room));
        }
        self.segments[segment].push(element);
        self.len += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keeps_every_element_where_it_was_pushed_and_no_segment_grows() {
        let mut segments = Segments::default();
        for index in 0..20_000u32 {
            assert_eq!(segments.len(), index as usize);
            assert_eq!(segments.get(index), None);
            segments.push(index);
        }
        for index in 0..20_000u32 {
            assert_eq!(segments.get(index), Some(&index));
        }
        assert!(segments.segments.iter().all(|segment| segment.capacity() <= FULL));
        assert_eq!(segments.segments.iter().map(Vec::capacity).sum::<usize>(), 20_480);
        *segments.get_mut(5_000).unwrap() = 7;
        assert_eq!(segments.get(5_000), Some(&7));
    }
}
