//! The lines that are asked for, file by file, in the order of the log.

use std::fs::File;
use std::io::{self, Read};
use std::ops::ControlFlow;
use std::path::Path;

use memchr::memrchr_iter;

use super::failures::{Failures, Suspects};
use super::filter::Filter;
use super::moment::Moment;
use crate::command::failure::Failure;
use crate::command::log::read::files::{Extent, Files};
use crate::command::log::read::lines::{Block, Blocks, Line};
use crate::record::Fields;

/// Size of a block that is read from a file's end, in bytes.
const TAIL: u64 = 256 << 10;

/// The requested records of the requested files.
#[derive(Debug)]
pub(crate) struct Selection {
    files: Files,
    filter: Filter,
    /// The runs that failed, if only they are requested.
    failures: Option<Failures>,
    /// The runs of which the rest is passed over unread, where only some may have failed.
    suspects: Option<Suspects>,
    /// Position in each file where reading begins.
    begins: Vec<u64>,
}

/// Shows a line; the fields are those of a record that has been parsed.
pub(crate) type See<'a> = dyn FnMut(Line<'_>, Option<&Fields<'_>>) -> Result<(), Failure> + 'a;

impl Selection {
    /// Reads the files as far as necessary to select the lines.
    pub(crate) fn new(files: Files, filter: Filter) -> Result<Self, Failure> {
        let mut begins = vec![0; files.count()];
        if let Some(from) = filter.reads_from() {
            for (index, begin) in begins.iter_mut().enumerate() {
                // A file that cannot be searched is read whole, and its error is reported then.
                *begin = files.plain(index).and_then(|(file, size)| first_since(file, size, &from).ok()).unwrap_or(0);
            }
        }
        let mut all = Self { files, filter, failures: None, suspects: None, begins };
        if all.filter.failed {
            all.mark_failures()?;
        }
        Ok(all)
    }

    /// Returns true if part of the log could not be read, which has been reported.
    pub(crate) const fn is_faulty(&self) -> bool {
        self.files.faulty
    }

    /// Returns the state to follow the log: its file, the position in bytes, and the runs under way.
    pub(crate) fn into_follow(self, path: &Path) -> (Option<(File, u64)>, Filter, Failures) {
        let last = self.files.count().saturating_sub(1);
        let failures = self.failures.unwrap_or_default().continue_with(last);
        (self.files.into_current(path), self.filter, failures)
    }

    /// Passes all requested lines to `show`.
    pub(crate) fn all(&mut self, show: &mut See<'_>) -> Result<(), Failure> {
        if let Some(failures) = &mut self.failures {
            failures.again();
        }
        (0..self.files.count()).try_for_each(|file| self.lines_of(file, show))
    }

    /// Passes the last `count` requested lines to `show`. The memory does not grow with their number.
    pub(crate) fn last(&mut self, count: usize, show: &mut See<'_>) -> Result<(), Failure> {
        let (first, mut superfluous) = if self.filter.failed {
            // The records to show from a file depend on the runs that are under way at its beginning.
            let mut lines = 0;
            self.all(&mut |line, _fields| {
                lines += usize::from(line.ends);
                Ok(())
            })?;
            (0, lines.saturating_sub(count))
        } else {
            self.first_of_last(count)?
        };
        (first..self.files.count()).try_for_each(|file| {
            self.lines_of(file, &mut |line, fields| {
                if superfluous == 0 {
                    return show(line, fields);
                }
                superfluous -= usize::from(line.ends);
                Ok(())
            })
        })
    }

    /// The file from which on there are the last `count` lines that are asked for, and how many it has before them. Older
    /// files are not read.
    fn first_of_last(&mut self, count: usize) -> Result<(usize, usize), Failure> {
        let (mut first, mut missing, mut superfluous) = (self.files.count(), count, 0);
        while missing > 0 && first > 0 {
            first -= 1;
            let (begin, lines) = self.count_back(first, missing)?;
            if let Some(known) = self.begins.get_mut(first) {
                *known = begin;
            }
            superfluous = lines.saturating_sub(missing);
            missing = missing.saturating_sub(lines);
        }
        Ok((first, superfluous))
    }

    /// Returns the position in a file of the last `count` requested lines, and their number. Without a need to read it
    /// backwards, all of its lines count.
    fn count_back(&mut self, file: usize, count: usize) -> Result<(u64, usize), Failure> {
        let begin = self.begins.get(file).copied().unwrap_or(0);
        let plain = self.files.plain(file).filter(|_| self.filter.matches_every_line());
        if let Some(found) = plain.and_then(|(log, size)| lines_back(log, size, count).ok()) {
            return Ok(found);
        }
        let mut lines = 0;
        self.lines_of(file, &mut |line, _fields| {
            lines += usize::from(line.ends);
            Ok(())
        })?;
        Ok((begin, lines))
    }

    /// Passes the requested lines of one file to `show`.
    fn lines_of(&mut self, file: usize, show: &mut See<'_>) -> Result<(), Failure> {
        let begin = self.begins.get(file).copied().unwrap_or(0);
        let (filter, failures, suspects) = (&mut self.filter, &mut self.failures, self.suspects.as_ref());
        if filter.matches_every_line() {
            return self.files.read(file, begin, &mut |block| {
                block.lines().try_for_each(|line| show(line, None))?;
                Ok(ControlFlow::Continue(()))
            });
        }
        self.files.read(file, begin, &mut |block| {
            if failures.as_ref().is_some_and(|failures| failures.none_within(file, block.offset, block.bytes.len())) {
                return Ok(ControlFlow::Continue(()));
            }
            records(block, filter, suspects, &mut |filter, line, fields| {
                if !failures.as_mut().is_none_or(|failures| failures.has(file, line.offset, fields)) {
                    return Ok(());
                }
                if filter.fits_time(fields) { show(line, Some(fields)) } else { Ok(()) }
            })
        })
    }

    /// Reads all files once to know which runs failed.
    fn mark_failures(&mut self) -> Result<(), Failure> {
        if self.filter.word().is_none() && !self.filter.goes_on {
            let mut suspects = Suspects::none();
            for (file, &begin) in self.begins.iter().enumerate() {
                self.files.read(file, begin, &mut |block| {
                    suspects.add(block);
                    Ok(ControlFlow::Continue(()))
                })?;
            }
            self.suspects = Some(suspects);
        }
        let (mut failures, suspects) = (Failures::of(self.files.count()), self.suspects.as_ref());
        for (file, &begin) in self.begins.iter().enumerate() {
            self.files.read(file, begin, &mut |block| {
                // A run of the time that is asked for may have failed later.
                records(block, &mut self.filter, suspects, &mut |_filter, line, fields| {
                    failures.mark(file, line.offset, fields);
                    Ok(())
                })
            })?;
        }
        self.failures = Some(failures);
        Ok(())
    }
}

/// Passes the records of a block that match the event and the script to `show`, until no later one can match.
pub(crate) fn records(
    block: Block<'_>,
    filter: &mut Filter,
    suspects: Option<&Suspects>,
    show: &mut dyn FnMut(&mut Filter, Line<'_>, &Fields<'_>) -> Result<(), Failure>,
) -> Result<ControlFlow<()>, Failure> {
    let word = filter.word().cloned();
    let (mut with_word, mut every) = (None, None);
    match &word {
        Some(word) => with_word = Some(block.lines_with(word)),
        None => every = Some(block.lines()),
    }
    let lines = with_word.into_iter().flatten().chain(every.into_iter().flatten());
    let suspect = |line: &Line<'_>| line.is_whole() && suspects.is_none_or(|suspects| suspects.have(line.bytes));
    for line in lines.filter(suspect) {
        let Some(fields) = Fields::split(line.bytes) else { continue };
        if filter.fits_run(&fields) {
            if filter.is_past(&fields) && !filter.failed {
                return Ok(ControlFlow::Break(()));
            }
            show(filter, line, &fields)?;
        }
    }
    Ok(ControlFlow::Continue(()))
}

/// Returns a position at or before the first record since a time, in a file whose records are in order except for some
/// minutes.
fn first_since(file: &File, size: u64, since: &Moment) -> io::Result<u64> {
    let mut since = since.clone();
    // Before `low` all is older; from `high` on all is younger, or the end.
    let (mut low, mut high) = (0, size);
    while high - low > TAIL {
        let middle = low + (high - low) / 2;
        let mut blocks = Blocks::new(Extent { file, at: middle, end: high }, middle);
        let mut found = None;
        while let (None, Some(block)) = (found, blocks.next()?) {
            // The block begins anywhere in a line.
            let lines = block.lines().filter(|line| line.offset > middle && line.is_whole());
            found = lines.filter_map(|line| Some((line.offset, since.compare(Fields::split(line.bytes)?.time)))).next();
        }
        match found {
            Some((offset, std::cmp::Ordering::Less)) => low = offset,
            Some(_) | None => high = middle,
        }
    }
    Ok(low)
}

/// Returns the position of the last `count` lines of a file, and their number.
fn lines_back(file: &File, size: u64, count: usize) -> io::Result<(u64, usize)> {
    let mut found = 0;
    let mut end = size;
    while end > 0 {
        let begin = end.saturating_sub(TAIL);
        let mut bytes = Vec::new();
        Extent { file, at: begin, end }.read_to_end(&mut bytes)?;
        for newline in memrchr_iter(b'\n', &bytes) {
            let behind = begin + newline as u64 + 1;
            // The last newline ends the last line, and begins none.
            if behind < size {
                found += 1;
                if found == count {
                    return Ok((behind, count));
                }
            }
        }
        end = begin;
    }
    Ok((0, found + usize::from(size > 0)))
}
