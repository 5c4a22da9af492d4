//! The log: records of events, one a line, which no script can forge.
//!
//! The log is opened when the first record is written. A log that cannot be opened or written prevents nothing from
//! running: lost records are counted, and the count is the first record once writing succeeds.

mod clock;
mod escape;
mod field;
mod file;
mod level;
mod line;
mod message;
pub mod outcome;

use std::borrow::Cow;
use std::fmt::Display;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

pub use self::clock::{local_time, local_zone};
pub use self::escape::{Escaped, Quoted};
pub use self::field::Printed;
pub use self::level::Level;
pub use self::line::{Fields, Heading, Name, Record};
pub use self::message::Message;

use self::clock::Clock;
use self::file::LogFile;
use crate::driver::Event;

/// Maximum size of output that is written at once, in bytes. Escapes and headings make short lines up to a hundred
/// times longer.
const BUFFER: usize = 256 << 10;

/// Sees every record as it is made.
pub type Listener = Box<dyn FnMut(Level, Option<&[u8]>, &str)>;

/// The log of one event.
pub struct Journal {
    path: PathBuf,
    /// The log, once it is open.
    file: Option<LogFile>,
    heading: Vec<u8>,
    pid: u32,
    clock: Clock,
    /// Records that could not be written, and why.
    lost: Option<(u64, io::Error)>,
    /// Buffer for formatted output, reused.
    records: Vec<u8>,
    listener: Option<Listener>,
}

impl std::fmt::Debug for Journal {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Journal").field("path", &self.path).field("lost", &self.lost).finish_non_exhaustive()
    }
}

impl Journal {
    /// The log at `path`, for this event as the process `pid` sees it.
    pub fn new(path: &Path, event: &Event, pid: u32) -> Self {
        let mut heading = Vec::new();
        Heading {
            driver: event.driver(),
            pid,
            domain: Cow::Borrowed(event.domain().as_bytes()),
            operation: Cow::Borrowed(event.operation_name().as_bytes()),
            sub_operation: Cow::Borrowed(event.sub_operation().as_bytes()),
        }
        .write(&mut heading);
        Self {
            path: path.to_owned(),
            file: None,
            heading,
            pid,
            clock: Clock::default(),
            lost: None,
            records: Vec::new(),
            listener: None,
        }
    }

    /// The process id that its records have.
    pub const fn pid(&self) -> u32 {
        self.pid
    }

    /// Shows every further record to `listener` as well.
    pub fn listen(&mut self, listener: Listener) {
        self.listener = Some(listener);
    }

    /// Records a note of severity info.
    pub fn info(&mut self, script: Option<&[u8]>, text: impl Display) {
        self.note(Level::Info, script, text);
    }

    /// Records a note of severity warning.
    pub fn warn(&mut self, script: Option<&[u8]>, text: impl Display) {
        self.note(Level::Warn, script, text);
    }

    /// Records a note of severity error.
    pub fn error(&mut self, script: Option<&[u8]>, text: impl Display) {
        self.note(Level::Error, script, text);
    }

    /// Records a note. Foreign text in it stands there as [`Quoted`] or [`Escaped`].
    pub fn note(&mut self, level: Level, script: Option<&[u8]>, text: impl Display) {
        self.record(script, &Message::Note { level, text: Cow::Owned(text.to_string()) });
    }

    /// Writes one record.
    pub fn record(&mut self, script: Option<&[u8]>, message: &Message<'_>) {
        let level = message.level();
        let mut line = self.start(level, script);
        let begin = line.len();
        message.write(&mut line);
        if let (Some(listener), Some(text)) = (&mut self.listener, line.get(begin..)) {
            listener(level, script, &String::from_utf8_lossy(text));
        }
        line.push(b'\n');
        self.append(&line, 1);
    }

    /// Writes the output of a script, a record for each of `lines`, many of them in one `write`.
    pub fn output<'a>(&mut self, script: &[u8], stream: Printed, lines: impl Iterator<Item = &'a [u8]>) {
        let mut start = self.start(Level::Info, Some(script));
        let message = start.len();
        Message::Output { stream, text: Cow::Borrowed(b"") }.write(&mut start);
        let mut records = std::mem::take(&mut self.records);
        let mut count = 0;
        for line in lines {
            if records.len() >= BUFFER {
                self.append(&records, count);
                records.clear();
                count = 0;
            }
            let begin = records.len() + message;
            records.extend_from_slice(&start);
            escape::escape_into(&mut records, line);
            if let (Some(listener), Some(text)) = (&mut self.listener, records.get(begin..)) {
                listener(Level::Info, Some(script), &String::from_utf8_lossy(text));
            }
            records.push(b'\n');
            count += 1;
        }
        self.append(&records, count);
        records.clear();
        self.records = records;
    }

    /// Closes the log until the next record, where descriptors are few.
    pub fn close(&mut self) {
        self.file = None;
    }

    /// Reopens the log if it was rotated. An event is short and finishes the file that it began; a process that writes
    /// for longer outlives a rotation.
    pub fn follow_rotation(&mut self) {
        if self.file.as_ref().is_some_and(|file| !file.is_at(&self.path)) {
            self.file = None;
        }
    }

    /// Returns the error that kept records out of the log, if any.
    pub fn fault(&self) -> Option<String> {
        let (count, error) = self.lost.as_ref()?;
        let path = Quoted::path(&self.path);
        Some(format!("{} could not be written to {path}: {error}", counted(*count)))
    }

    /// A record up to where its message begins.
    fn start(&mut self, level: Level, script: Option<&[u8]>) -> Vec<u8> {
        let mut line = Vec::with_capacity(128);
        line::write_start(&mut line, self.clock.now(), level);
        line.extend_from_slice(&self.heading);
        line::write_script(&mut line, script);
        line
    }

    fn append(&mut self, records: &[u8], count: u64) {
        if count == 0 {
            return;
        }
        if let Some((lost, error)) = self.lost.take() {
            let message = Message::Lost { count: lost, why: Cow::Owned(error.to_string()) };
            let mut line = self.start(message.level(), None);
            message.write(&mut line);
            line.push(b'\n');
            if let Err(error) = self.write(&line) {
                self.lost = Some((lost + count, error));
                return;
            }
        }
        if let Err(error) = self.write(records) {
            self.lost = Some((count, error));
        }
    }

    fn write(&mut self, records: &[u8]) -> io::Result<()> {
        let file = match &mut self.file {
            Some(file) => file,
            closed => closed.insert(LogFile::open(&self.path)?),
        };
        file.append(records)
    }
}

fn counted(records: u64) -> String {
    if records == 1 { "1 record".to_owned() } else { format!("{records} records") }
}
