//! The domain's XML from stdin.
//!
//! The XML is read once, when it is first needed, and parsed only if a task needs it. Each script gets its own copy, so
//! that
//! none can consume another's. XML that the hook or a filter produces replaces it.

use std::fs::File;
use std::io::{self, IsTerminal};
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::process::Stdio;
use std::time::{Duration, Instant};

use rustix::buffer::spare_capacity;
use rustix::event::{PollFd, PollFlags, Timespec};
use rustix::fs::{Mode, OFlags};

use rustix::io::Errno;

use crate::process::sealed;

/// The most that is read of a document, in bytes. libvirt's own messages end at 4 MiB.
pub const MAXIMUM_BYTES: u64 = 64 << 20;

/// The longest that a document is waited for. libvirt writes it before it does anything else.
pub const TIMEOUT: Duration = Duration::from_secs(10);

/// Initial capacity for a document, in bytes. Most are smaller.
const CHUNK: usize = 32 << 10;

/// Interval between two checks for an interruption.
const SLICE: Duration = Duration::from_millis(200);

/// Source of the document.
#[derive(Debug)]
pub enum Input {
    /// The hook's stdin.
    Stdin,
    /// An opened file.
    File(File),
    /// Text that is known already.
    Text(Vec<u8>),
    /// There is none.
    Nothing,
}

/// The domain's XML, read when it is first asked for.
#[derive(Debug)]
pub struct Document {
    input: Input,
    content: Option<Content>,
    /// The file that scripts' copies are opened from, after the first one.
    shared: Option<OwnedFd>,
    /// The XML from stdin, once other XML has replaced it.
    original: Option<Vec<u8>>,
}

#[derive(Debug, Default)]
struct Content {
    bytes: Vec<u8>,
    fault: Option<String>,
}

impl Document {
    /// A document of which nothing has been read yet.
    pub const fn new(input: Input) -> Self {
        Self { input, content: None, shared: None, original: None }
    }

    /// Reads the document, once. `interrupted` decides if a signal ends the wait.
    pub fn read(&mut self, interrupted: &mut dyn FnMut() -> bool) {
        if self.content.is_none() {
            self.content = Some(match std::mem::replace(&mut self.input, Input::Nothing) {
                Input::Nothing => Content::default(),
                Input::Text(bytes) => Content { bytes, fault: None },
                Input::File(file) => read(&file, TIMEOUT, interrupted),
                // A person at a terminal has no XML to type.
                Input::Stdin if io::stdin().is_terminal() => Content::default(),
                Input::Stdin => read(&io::stdin(), TIMEOUT, interrupted),
            });
        }
    }

    /// Returns the bytes that were read: the whole document, unless [`Document::fault`] returns an error.
    pub fn bytes(&self) -> &[u8] {
        self.content.as_ref().map(|content| content.bytes.as_slice()).unwrap_or_default()
    }

    /// Returns the reason why not all of the document could be read, if any.
    pub fn fault(&self) -> Option<&str> {
        self.content.as_ref()?.fault.as_deref()
    }

    /// Closes the file that copies are opened from, to save a descriptor until the next copy.
    pub fn close_shared(&mut self) {
        self.shared = None;
    }

    /// Replaces the text, for all later readers.
    pub fn replace(&mut self, bytes: Vec<u8>) {
        let replaced = self.content.replace(Content { bytes, fault: None });
        let before = replaced.map(|content| content.bytes).unwrap_or_default();
        self.original.get_or_insert(before);
        self.shared = None;
    }

    /// The text, if it is not the one that came.
    pub fn changed(self) -> Option<Vec<u8>> {
        let (original, content) = (self.original?, self.content?);
        (content.bytes != original).then_some(content.bytes)
    }

    /// Returns a copy for a script's stdin, at its beginning and independent of every other copy.
    ///
    /// # Errors
    /// The kernel has no memory or no descriptor for it.
    pub fn copy(&mut self) -> io::Result<Stdio> {
        if self.bytes().is_empty() {
            return Ok(Stdio::null());
        }
        let shared = match self.shared.take() {
            Some(shared) => shared,
            None => sealed::file("domain.xml", self.bytes())?,
        };
        // A reopened file has its own offset; a duplicated descriptor would share it.
        let path = format!("/proc/self/fd/{}", shared.as_raw_fd());
        let copy = match rustix::fs::open(path, OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty()) {
            Ok(copy) => copy,
            // No /proc, or a security module keeps it closed: the copy is made in full.
            Err(_) => sealed::file("domain.xml", self.bytes())?,
        };
        self.shared = Some(shared);
        Ok(copy.into())
    }
}

/// Reads until the end, [`MAXIMUM_BYTES`], the timeout, or `interrupted` returns true.
fn read(input: &impl AsFd, patience: Duration, interrupted: &mut dyn FnMut() -> bool) -> Content {
    let mut content = Content::default();
    content.fault = read_into(&mut content.bytes, input, Instant::now() + patience, interrupted).err();
    content
}

fn read_into(
    bytes: &mut Vec<u8>,
    input: &impl AsFd,
    end: Instant,
    interrupted: &mut dyn FnMut() -> bool,
) -> Result<(), String> {
    let unreadable = |error: io::Error| format!("could not be read: {error}");
    loop {
        let left = end.saturating_duration_since(Instant::now());
        let timeout = Timespec::try_from(left.min(SLICE)).map_err(|error| unreadable(io::Error::other(error)))?;
        match rustix::event::poll(&mut [PollFd::new(input, PollFlags::IN)], Some(&timeout)) {
            Ok(_) if left.is_zero() => return Err(format!("did not end within {} s", TIMEOUT.as_secs())),
            // A signal that came just before the wait does not end it.
            Ok(0) | Err(Errno::INTR) if interrupted() => {
                return Err("was not read to its end, since a signal ended the hook".to_owned());
            }
            Ok(0) | Err(Errno::INTR) => continue,
            Ok(_) => {}
            Err(error) => return Err(unreadable(error.into())),
        }
        if bytes.len() == bytes.capacity() {
            bytes.try_reserve(CHUNK).map_err(|error| unreadable(error.into()))?;
        }
        match rustix::io::read(input, spare_capacity(bytes)) {
            // A closed stdin is one without XML.
            Ok(0) | Err(Errno::BADF) => return Ok(()),
            Ok(_) if bytes.len() as u64 >= MAXIMUM_BYTES => {
                bytes.truncate(usize::try_from(MAXIMUM_BYTES).unwrap_or(usize::MAX));
                return Err(format!("is longer than {MAXIMUM_BYTES} bytes"));
            }
            Ok(_) | Err(Errno::INTR | Errno::AGAIN) => {}
            Err(error) => return Err(unreadable(error.into())),
        }
    }
}
