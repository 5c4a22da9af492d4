//! Time span of a log. It is reported if no record matches, so that nobody believes that the hook does not run.

use std::fmt;
use std::ops::ControlFlow;
use std::path::Path;

use crate::command::failure::Failure;
use crate::command::log::read::files::Files;
use crate::command::log::read::lines::{Block, Line};
use crate::record::Fields;

/// Size of a file's end that is searched for its last record, in bytes.
const END: u64 = 1 << 20;

/// The times of the first and the last record, as they stand there; nothing where there is no record.
#[derive(Debug)]
pub(crate) struct Span(Option<(String, String)>);

impl Span {
    /// Returns the span of the log at `path`, with its rotated files.
    pub(crate) fn of(path: &Path) -> Result<Self, Failure> {
        let mut files = Files::open_again(path)?;
        let count = files.count();
        let mut first = None;
        for file in 0..count {
            files.read(file, 0, &mut |block| {
                first = times(block).next().map(str::to_owned);
                Ok(if first.is_some() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) })
            })?;
            if first.is_some() {
                break;
            }
        }
        let mut last = None;
        for file in (0..count).rev() {
            last = last_of(&mut files, file)?;
            if last.is_some() {
                break;
            }
        }
        Ok(Self(first.zip(last)))
    }
}

/// Returns the time of a file's last record, which is searched near its end.
fn last_of(files: &mut Files, file: usize) -> Result<Option<String>, Failure> {
    let from = files.plain(file).map_or(0, |(_, size)| size.saturating_sub(END));
    let mut last = None;
    files.read(file, from, &mut |block| {
        last = times(block).last().map(str::to_owned).or(last.take());
        Ok(ControlFlow::Continue(()))
    })?;
    Ok(last)
}

/// The times of a block's records.
fn times(block: Block<'_>) -> impl Iterator<Item = &str> {
    block.lines().filter(Line::is_whole).filter_map(|line| Some(Fields::split(line.bytes)?.time))
}

impl fmt::Display for Span {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Some((first, last)) => write!(formatter, "the log goes from {first} to {last}"),
            None => formatter.write_str("the log has no record"),
        }
    }
}
