//! `--follow`: shows new records, across rotations.
//!
//! Rotation renames the log, and events that are under way continue in the renamed file; or it copies and truncates the
//! log. So the last file is read on beside its successor, and a file that has become shorter, or begins differently, is
//! read from its beginning.

use std::fs::{File, Metadata};
use std::io::{BufWriter, Read, StdoutLock, Write};
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::process::ExitCode;

use rustix::event::{PollFd, PollFlags, Timespec};
use rustix::io::Errno;

use super::arguments::Arguments;
use super::query::failures::Failures;
use super::query::filter::Filter;
use super::query::selection::{Selection, records};
use super::query::stage::Stage;
use super::read::files::{Extent, Files, open_current};
use super::read::lines::{Blocks, Line};
use super::view::show::{self, BUFFER};
use crate::command::failure::Failure;
use crate::command::terminal::screen::Screen;
use crate::record::{Fields, Quoted};

/// Number of records that are shown before new ones.
const BEFORE: usize = 10;

/// Interval between two checks for new records.
const PAUSE: Timespec = Timespec { tv_sec: 0, tv_nsec: 200_000_000 };

/// Length of a file's beginning that is remembered to recognise the file, in bytes.
const HEAD: u64 = 64;

/// Shows the last records that fit and then those that come, until the reader goes away.
pub(super) fn follow(arguments: &Arguments, filter: Filter, log: &Path) -> Result<ExitCode, Failure> {
    let mut view = View {
        out: BufWriter::with_capacity(BUFFER, std::io::stdout().lock()),
        screen: Screen::of_stdout(),
        arguments,
    };
    let mut files = Files::open(log, filter.files_from())?;
    files.exclude_unfinished_line();
    if !files.exist {
        let log = Quoted::path(log);
        _ = writeln!(std::io::stderr(), "virt-hooks: no log yet at {log}: no script has run; waiting for it");
    }
    let mut selection = Selection::new(files, filter)?;
    selection.last(arguments.lines.unwrap_or(BEFORE), &mut |line, fields| view.show(&line, fields))?;
    let (current, mut filter, failures) = selection.into_follow(log);
    let mut current = match current {
        Some((file, at)) => Some(Tail::new(file, at, failures)?),
        None => None,
    };
    let mut previous: Option<Tail> = None;
    loop {
        view.out.flush()?;
        if view.is_output_closed() {
            return Ok(ExitCode::SUCCESS);
        }
        for tail in [&mut previous, &mut current].into_iter().flatten() {
            tail.read_on(&mut filter, &mut view)?;
        }
        let Some((file, status)) = open_current(log)? else { continue };
        if current.as_ref().is_none_or(|tail| !tail.is(&status)) {
            let new = Tail::new(file, 0, Failures::of(1))?;
            previous = current.replace(new).or(previous);
        }
    }
}

/// The operator's view of the log.
struct View<'a> {
    out: BufWriter<StdoutLock<'static>>,
    screen: Screen,
    arguments: &'a Arguments,
}

impl View<'_> {
    fn show(&mut self, line: &Line<'_>, fields: Option<&Fields<'_>>) -> Result<(), Failure> {
        Ok(show::line(&mut self.out, &self.screen, self.arguments.json, line, fields)?)
    }

    /// Waits 200 ms. Returns true if the output's reader has gone.
    fn is_output_closed(&self) -> bool {
        let stdout = std::io::stdout();
        let mut poll = [PollFd::new(&stdout, PollFlags::empty())];
        match rustix::event::poll(&mut poll, Some(&PAUSE)) {
            Ok(_) => poll.iter().any(|poll| poll.revents().intersects(PollFlags::ERR | PollFlags::HUP)),
            Err(Errno::INTR) => false,
            Err(_) => true,
        }
    }
}

/// A file that is read as it grows.
struct Tail {
    file: File,
    /// Position up to which it has been read, in bytes: the end of a line, or a place within one that is longer than a
    /// block.
    at: u64,
    within_a_line: bool,
    /// Its beginning when it was last read.
    head: Vec<u8>,
    failures: Failures,
}

impl Tail {
    fn new(file: File, at: u64, failures: Failures) -> Result<Self, Failure> {
        let head = head(&file, at)?;
        Ok(Self { file, at, within_a_line: false, head, failures })
    }

    fn is(&self, other: &Metadata) -> bool {
        self.file.metadata().is_ok_and(|own| (own.dev(), own.ino()) == (other.dev(), other.ino()))
    }

    /// Shows the new lines.
    fn read_on(&mut self, filter: &mut Filter, view: &mut View<'_>) -> Result<(), Failure> {
        let size = self.file.metadata().map_err(unreadable)?.len();
        if size == self.at {
            return Ok(());
        }
        if size < self.at || head(&self.file, self.at)? != self.head {
            (self.at, self.within_a_line, self.failures) = (0, false, Failures::of(1));
        }
        let extent = Extent { file: &self.file, at: self.at, end: size };
        let mut blocks = Blocks::new(extent, self.at).within_a_line(self.within_a_line);
        while let Some(mut block) = blocks.next().map_err(unreadable)? {
            if block.ends {
                // A line without its newline is still being written.
                block = block.finished();
            }
            self.at = block.offset + block.bytes.len() as u64;
            if !block.bytes.is_empty() {
                self.within_a_line = !block.ends;
            }
            if filter.matches_every_line() {
                block.lines().try_for_each(|line| view.show(&line, None))?;
                continue;
            }
            let (file, failures) = (&self.file, &mut self.failures);
            _ = records(block, filter, None, &mut |filter, line, fields| {
                if !filter.failed {
                    return if filter.fits_time(fields) { view.show(&line, Some(fields)) } else { Ok(()) };
                }
                match Stage::of(fields) {
                    Stage::Failed => failed_run(file, failures, filter, &line, fields, view),
                    _ => {
                        failures.mark(0, line.offset, fields);
                        Ok(())
                    }
                }
            })?;
        }
        self.head = head(&self.file, self.at)?;
        Ok(())
    }
}

/// Shows a run that has just failed, from its beginning on.
fn failed_run(
    file: &File,
    failures: &mut Failures,
    filter: &mut Filter,
    last: &Line<'_>,
    fields: &Fields<'_>,
    view: &mut View<'_>,
) -> Result<(), Failure> {
    let (run, at) = failures.begin_of(last.offset, fields);
    let end = last.offset + last.bytes.len() as u64;
    let mut blocks = Blocks::new(Extent { file, at, end }, at);
    while let Some(block) = blocks.next().map_err(unreadable)? {
        for line in block.lines().filter(Line::is_whole) {
            let Some(fields) = Fields::split(line.bytes).filter(|fields| failures.run_of(fields) == run) else {
                continue;
            };
            if filter.fits_time(&fields) {
                view.show(&line, Some(&fields))?;
            }
        }
    }
    Ok(())
}

/// Returns the beginning of a file, as far as it has been read.
fn head(file: &File, read: u64) -> Result<Vec<u8>, Failure> {
    let mut head = Vec::new();
    Extent { file, at: 0, end: HEAD.min(read) }.read_to_end(&mut head).map_err(unreadable)?;
    Ok(head)
}

fn unreadable(error: std::io::Error) -> Failure {
    Failure::failed(format_args!("the log can't be read any further: {error}"))
}
