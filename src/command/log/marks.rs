//! Where in a file runs begin that failed: a bit for each.

use std::collections::HashMap;

/// No two records that begin a run, each with its time, process id and words, begin within so few bytes.
const SLOT: u64 = 64;

/// How many marks are in one piece of the map, which is there only where there is a mark.
const PIECE: u64 = 1 << 13;

/// Where in a file runs begin that failed.
#[derive(Debug, Default)]
pub(super) struct Marks {
    pieces: HashMap<u64, Box<[u64; (PIECE / 64) as usize]>>,
}

impl Marks {
    /// Marks the run that begins at this offset.
    pub(super) fn set(&mut self, offset: u64) {
        let slot = offset / SLOT;
        let piece = self.pieces.entry(slot / PIECE).or_insert_with(|| Box::new([0; (PIECE / 64) as usize]));
        if let Some(word) = usize::try_from(slot % PIECE / 64).ok().and_then(|index| piece.get_mut(index)) {
            *word |= 1 << (slot % 64);
        }
    }

    /// Whether one that begins at this offset is marked.
    pub(super) fn has(&self, offset: u64) -> bool {
        let slot = offset / SLOT;
        let piece = self.pieces.get(&(slot / PIECE));
        let word = piece.and_then(|piece| piece.get(usize::try_from(slot % PIECE / 64).ok()?));
        word.is_some_and(|word| word & (1 << (slot % 64)) != 0)
    }

    /// The next from an offset on, before `end`: the first byte at which the record that it marks may begin.
    pub(super) fn next(&self, from: u64, end: u64) -> Option<u64> {
        let mut slot = from / SLOT;
        while !self.pieces.is_empty() && slot * SLOT < end {
            let Some(piece) = self.pieces.get(&(slot / PIECE)) else {
                slot = (slot / PIECE + 1) * PIECE;
                continue;
            };
            let word = usize::try_from(slot % PIECE / 64).ok().and_then(|index| piece.get(index));
            let rest = word.map_or(0, |word| word >> (slot % 64));
            if rest != 0 {
                return Some((slot + u64::from(rest.trailing_zeros())) * SLOT).filter(|&offset| offset < end);
            }
            slot = (slot / 64 + 1) * 64;
        }
        None
    }

    /// Whether there may be one among so many bytes from `offset` on.
    pub(super) fn any_within(&self, offset: u64, length: u64) -> bool {
        let (first, last) = (offset / SLOT / PIECE, (offset + length) / SLOT / PIECE);
        !self.pieces.is_empty() && (first..=last).any(|piece| self.pieces.contains_key(&piece))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn marks_are_where_they_were_set_and_nowhere_else() {
        let mut marks = Marks::default();
        let set = [0, 64, 1000, 524_288, 524_352, 5_000_000_000];
        for offset in set {
            marks.set(offset);
        }
        for offset in (0..2000).step_by(64).chain([524_288, 524_352, 524_416, 5_000_000_000, 5_000_000_064]) {
            assert_eq!(marks.has(offset), set.iter().any(|at| at / 64 == offset / 64), "{offset}");
        }
        let all = std::iter::successors(marks.next(0, 6_000_000_000), |at| marks.next(at + SLOT, 6_000_000_000));
        assert!(all.take(10).eq(set.map(|at| at / SLOT * SLOT)));
        assert_eq!((marks.next(65, 500_000), marks.next(1024, 524_288)), (Some(64), None));
        assert!(marks.any_within(4_999_000_000, 1_000_001));
        assert!(!marks.any_within(3_000_000_000, 1_000_000));
    }
}
