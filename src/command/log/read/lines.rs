//! A log, read in large blocks of whole lines, in memory that no line can exceed.

use std::io::{self, Read};

use memchr::{memchr, memrchr};

/// Size of a block, in bytes; a longer line comes in pieces. Half a level-2 cache, so that a block is still cached when
/// it is searched.
const BLOCK: usize = 512 << 10;

/// Reads blocks of lines.
#[derive(Debug)]
pub(crate) struct Blocks<R> {
    reader: R,
    buffer: Vec<u8>,
    /// Number of bytes of the buffer that were returned, and that are filled.
    given: usize,
    filled: usize,
    /// Position of the buffer in the file.
    offset: u64,
    /// The last block ended within a line.
    within_a_line: bool,
}

/// Some lines. Only the last one of a file, and one that is longer than a block, lacks its newline.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Block<'a> {
    /// Its position in the file.
    pub(crate) offset: u64,
    /// The lines with their newlines.
    pub(crate) bytes: &'a [u8],
    /// True if a line begins at its beginning. Otherwise it continues one that is longer than a block.
    pub(crate) begins: bool,
    /// True if a line ends at its end.
    pub(crate) ends: bool,
}

/// A line, or a piece of one that is longer than a block.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Line<'a> {
    /// Its position in the file.
    pub(crate) offset: u64,
    /// The line without its newline.
    pub(crate) bytes: &'a [u8],
    /// True if this is its beginning.
    pub(crate) begins: bool,
    /// True if this is its end.
    pub(crate) ends: bool,
}

impl<R: Read> Blocks<R> {
    /// Reads from `reader`, which stands at the beginning of a line, `offset` bytes into the file.
    pub(crate) fn new(reader: R, offset: u64) -> Self {
        Self { reader, buffer: vec![0; BLOCK], given: 0, filled: 0, offset, within_a_line: false }
    }

    /// Returns a reader that may begin within a line whose beginning has been read before.
    pub(crate) fn within_a_line(self, within_a_line: bool) -> Self {
        Self { within_a_line, ..self }
    }

    /// The next lines, or nothing at the end of the file.
    pub(crate) fn next(&mut self) -> io::Result<Option<Block<'_>>> {
        self.buffer.copy_within(self.given..self.filled, 0);
        self.offset += self.given as u64;
        self.filled -= self.given;
        self.given = 0;
        let mut searched = 0;
        let ends = loop {
            let new = self.buffer.get(searched..self.filled).unwrap_or_default();
            if let Some(newline) = memrchr(b'\n', new) {
                self.given = searched + newline + 1;
                break true;
            }
            searched = self.filled;
            let room = self.buffer.get_mut(self.filled..).unwrap_or_default();
            if room.is_empty() {
                self.given = self.filled;
                break false;
            }
            match self.reader.read(room) {
                Ok(0) if self.filled == 0 => return Ok(None),
                Ok(0) => {
                    self.given = self.filled;
                    break true;
                }
                Ok(count) => self.filled += count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        };
        let begins = !std::mem::replace(&mut self.within_a_line, !ends);
        let bytes = self.buffer.get(..self.given).unwrap_or_default();
        Ok(Some(Block { offset: self.offset, bytes, begins, ends }))
    }
}

impl<'a> Block<'a> {
    /// Its lines, one after another.
    pub(crate) fn lines(self) -> impl Iterator<Item = Line<'a>> {
        let mut next = 0;
        std::iter::from_fn(move || {
            let line = self.line_from(next)?;
            next += line.bytes.len() + 1;
            Some(line)
        })
    }

    /// Its lines that hold one of the words, each once.
    pub(crate) fn lines_with(self, word: &memchr::memmem::Finder<'_>) -> impl Iterator<Item = Line<'a>> {
        let mut next = 0;
        std::iter::from_fn(move || {
            let found = next + word.find(self.bytes.get(next..)?)?;
            let start = memrchr(b'\n', self.bytes.get(next..found)?).map_or(next, |newline| next + newline + 1);
            let line = self.line_from(start)?;
            next = start + line.bytes.len() + 1;
            Some(line)
        })
    }

    /// Returns its lines that have their newlines.
    pub(crate) fn finished(self) -> Self {
        let length = memrchr(b'\n', self.bytes).map_or(0, |newline| newline + 1);
        Self { bytes: self.bytes.get(..length).unwrap_or_default(), ..self }
    }

    /// The line that begins at `start`.
    fn line_from(self, start: usize) -> Option<Line<'a>> {
        let rest = self.bytes.get(start..).filter(|rest| !rest.is_empty())?;
        let newline = memchr(b'\n', rest);
        let bytes = rest.get(..newline.unwrap_or(rest.len()))?;
        let offset = self.offset + start as u64;
        Some(Line { offset, bytes, begins: start > 0 || self.begins, ends: newline.is_some() || self.ends })
    }
}

impl Line<'_> {
    /// Returns true if it came in one piece. A record always does: the hook cuts scripts' output.
    pub(crate) const fn is_whole(&self) -> bool {
        self.begins && self.ends
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A reader that returns a few bytes at a time.
    struct Slow<'a>(&'a [u8], usize);

    impl Read for Slow<'_> {
        fn read(&mut self, room: &mut [u8]) -> io::Result<usize> {
            let count = self.1.min(self.0.len()).min(room.len());
            let (given, rest) = self.0.split_at(count);
            room[..count].copy_from_slice(given);
            self.0 = rest;
            Ok(count)
        }
    }

    /// All lines, each with its offset and whether it is whole.
    fn lines(text: &[u8], at_once: usize) -> Vec<(u64, Vec<u8>, bool)> {
        let mut blocks = Blocks::new(Slow(text, at_once), 0);
        let mut lines = Vec::new();
        while let Some(block) = blocks.next().expect("a block") {
            lines.extend(block.lines().map(|line| (line.offset, line.bytes.to_vec(), line.is_whole())));
        }
        lines
    }

    #[test]
    fn lines_are_the_same_however_they_come() {
        let text = b"one\n\ntwo three\nthe end";
        let expected = [(0, "one"), (4, ""), (5, "two three"), (15, "the end")];
        for at_once in [1, 2, 3, 7, 100] {
            let lines = lines(text, at_once);
            let seen: Vec<_> =
                lines.iter().map(|(at, line, _)| (*at, std::str::from_utf8(line).expect("text"))).collect();
            assert_eq!(seen, expected, "{at_once} at once");
            assert!(lines.iter().all(|(_, _, whole)| *whole));
        }
        assert!(lines(b"", 1).is_empty());
    }

    #[test]
    fn a_line_longer_than_a_block_comes_in_pieces_and_those_around_it_whole() {
        let mut text = b"before\n".to_vec();
        text.extend(vec![b'x'; 2 * BLOCK + 10]);
        text.extend(b"\nafter\n");
        let lines = lines(&text, 64 << 10);
        let whole: Vec<_> = lines.iter().filter(|line| line.2).map(|line| line.1.as_slice()).collect();
        assert_eq!(whole, [b"before".as_slice(), b"after"]);
        let pieces = lines.iter().filter(|line| !line.2).map(|line| line.1.len());
        assert_eq!(pieces.sum::<usize>(), 2 * BLOCK + 10);
    }

    #[test]
    fn lines_with_a_word_are_found_once_each_with_their_bounds() {
        let text = b"a needle and a needle\nnothing\nneedle\n\nlast needle";
        let mut blocks = Blocks::new(text.as_slice(), 100);
        let word = memchr::memmem::Finder::new("needle");
        let mut found = Vec::new();
        while let Some(block) = blocks.next().expect("a block") {
            found.extend(block.lines_with(&word).map(|line| (line.offset, line.bytes.to_vec())));
        }
        let expected: [(u64, &[u8]); 3] = [(100, b"a needle and a needle"), (130, b"needle"), (138, b"last needle")];
        assert_eq!(found, expected.map(|(at, line)| (at, line.to_vec())));
    }
}
