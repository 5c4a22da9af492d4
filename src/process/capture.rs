//! Output of a program, line by line as it comes, in bounded memory.

use std::fs::File;
use std::iter;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::buffer::spare_capacity;
use rustix::io::Errno;

/// The longest unfinished line that is held back, in bytes. A longer line comes in pieces.
const MAXIMUM_HELD: usize = 16 << 10;

/// A program's output stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stream {
    /// Standard output.
    Stdout,
    /// Standard error.
    Stderr,
}

/// Whole lines, and possibly a last piece of a long line.
#[derive(Debug, Clone, Copy)]
pub struct Lines<'a> {
    text: &'a [u8],
    /// The first line continues a piece that was shown before.
    pub continued: bool,
}

impl<'a> Lines<'a> {
    /// Returns the printed bytes, newlines included. Concatenated, they are the stream.
    pub const fn bytes(self) -> &'a [u8] {
        self.text
    }

    /// Returns the first `most` bytes of the lines, and the number of bytes left out.
    pub fn cut(self, most: u64) -> (Self, u64) {
        let most = usize::try_from(most).unwrap_or(usize::MAX);
        match self.text.get(..most) {
            Some(text) if most < self.text.len() => (Self { text, ..self }, (self.text.len() - most) as u64),
            _ => (self, 0),
        }
    }

    /// Iterates over the lines without their newlines.
    pub fn iter(self) -> impl Iterator<Item = &'a [u8]> {
        let mut rest = Some(self.text.strip_suffix(b"\n").unwrap_or(self.text));
        iter::from_fn(move || {
            let text = rest.take()?;
            let Some(end) = memchr::memchr(b'\n', text) else { return Some(text) };
            rest = text.get(end + 1..);
            text.get(..end)
        })
    }
}

/// The read end of a program's output pipe.
#[derive(Debug)]
pub(super) struct Capture {
    stream: Stream,
    pipe: Option<File>,
    /// An unfinished line.
    held: Vec<u8>,
    /// Pieces of that line have been shown already.
    continued: bool,
}

impl Capture {
    pub(super) fn new(stream: Stream, pipe: Option<OwnedFd>) -> Self {
        Self { stream, pipe: pipe.map(File::from), held: Vec::new(), continued: false }
    }

    /// Returns the descriptor to poll, until the last writer closes the pipe.
    pub(super) fn open(&self) -> Option<BorrowedFd<'_>> {
        self.pipe.as_ref().map(AsFd::as_fd)
    }

    /// Shows the unfinished line and returns the pipe.
    pub(super) fn release(&mut self, show: &mut dyn FnMut(Stream, Lines<'_>)) -> Option<OwnedFd> {
        self.finish(show);
        self.pipe.take().map(OwnedFd::from)
    }

    /// Reads once from a readable pipe into `buffer`, up to its capacity, and shows the lines.
    pub(super) fn read(&mut self, buffer: &mut Vec<u8>, show: &mut dyn FnMut(Stream, Lines<'_>)) {
        let Some(pipe) = &mut self.pipe else { return };
        buffer.clear();
        match rustix::io::read(pipe, spare_capacity(buffer)) {
            Ok(count) if count > 0 => self.take(buffer, show),
            Err(Errno::INTR | Errno::AGAIN) => {}
            Ok(_) | Err(_) => {
                self.pipe = None;
                self.finish(show);
            }
        }
    }

    fn take(&mut self, text: &[u8], show: &mut dyn FnMut(Stream, Lines<'_>)) {
        let end = text.iter().rposition(|&byte| byte == b'\n').map_or(0, |newline| newline + 1);
        let (lines, unfinished) = text.split_at(end);
        if !lines.is_empty() {
            let continued = std::mem::take(&mut self.continued);
            if self.held.is_empty() {
                show(self.stream, Lines { text: lines, continued });
            } else {
                self.held.extend_from_slice(lines);
                show(self.stream, Lines { text: &self.held, continued });
                self.held.clear();
            }
        }
        self.held.extend_from_slice(unfinished);
        if self.held.len() > MAXIMUM_HELD {
            let piece = whole_characters(&self.held);
            show(self.stream, Lines { text: self.held.get(..piece).unwrap_or_default(), continued: self.continued });
            self.held.drain(..piece);
            self.continued = true;
        }
    }

    /// Shows the unfinished line as it is.
    fn finish(&mut self, show: &mut dyn FnMut(Stream, Lines<'_>)) {
        if !self.held.is_empty() {
            show(self.stream, Lines { text: &self.held, continued: std::mem::take(&mut self.continued) });
            self.held.clear();
        }
    }
}

/// Returns the length of the longest prefix of `text` that ends at a boundary of UTF-8 characters.
fn whole_characters(text: &[u8]) -> usize {
    match text.utf8_chunks().last() {
        // An unfinished character is at most three bytes; what is longer is no text anyway.
        Some(chunk) if chunk.invalid().len() < 4 && text.len() > chunk.invalid().len() => {
            text.len() - chunk.invalid().len()
        }
        _ => text.len(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(pieces: &[&[u8]]) -> Vec<(String, bool)> {
        let mut shown = Vec::new();
        let mut show = |_: Stream, lines: Lines<'_>| {
            for (index, line) in lines.iter().enumerate() {
                shown.push((String::from_utf8_lossy(line).into_owned(), lines.continued && index == 0));
            }
        };
        let mut capture = Capture::new(Stream::Stdout, None);
        for piece in pieces {
            capture.take(piece, &mut show);
        }
        capture.finish(&mut show);
        shown
    }

    #[test]
    fn lines_are_whole_however_they_arrive() {
        let whole = |lines: &[&str]| lines.iter().map(|line| ((*line).to_owned(), false)).collect::<Vec<_>>();
        assert_eq!(shown(&[b"a\nb\n"]), whole(&["a", "b"]));
        assert_eq!(shown(&[b"a", b"b\nc", b"\n\n", b"d"]), whole(&["ab", "c", "", "d"]));
        assert_eq!(shown(&[b"\n"]), whole(&[""]));
        assert_eq!(shown(&[]), whole(&[]));
    }

    #[test]
    fn a_long_line_comes_in_pieces_that_cut_no_character() {
        let long = "ü".repeat(20_000);
        let pieces: Vec<&[u8]> = long.as_bytes().chunks(4095).chain([b"\nnext\n".as_slice()]).collect();
        let shown = shown(&pieces);
        assert!(shown.len() > 2);
        assert_eq!(shown.last(), Some(&("next".to_owned(), false)));
        let (line, _) = shown.split_at(shown.len() - 1);
        assert_eq!(line.iter().map(|(text, _)| text.as_str()).collect::<String>(), long);
        assert!(line.iter().enumerate().all(|(index, (_, continued))| *continued == (index > 0)));
        assert!(line.iter().all(|(text, _)| text.len() <= MAXIMUM_HELD + 4096));
    }
}
