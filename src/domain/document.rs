//! The domain's XML as it came on stdin.
//!
//! It is read once, when something first needs it, and never parsed unless a task does. Every script then gets a copy
//! of its own, so that none can eat another's.

use std::fs::File;
use std::io::{self, IsTerminal, Read, Write};
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::process::Stdio;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec};
use rustix::fs::{MemfdFlags, Mode, OFlags, SealFlags};

/// The most that is read of a document, in bytes. libvirt's own messages end at 4 MiB.
pub const MAXIMUM_BYTES: u64 = 64 << 20;

/// The longest that a document is waited for. libvirt writes it before it does anything else.
pub const PATIENCE: Duration = Duration::from_secs(10);

/// Where the document comes from.
#[derive(Debug)]
pub enum Input {
    /// The hook's stdin.
    Stdin,
    /// An opened file.
    File(File),
    /// There is none.
    Nothing,
}

/// The domain's XML, read when it is first asked for.
#[derive(Debug)]
pub struct Document {
    input: Input,
    content: Option<Content>,
    /// What scripts open their copies of, once the first one has.
    shared: Option<OwnedFd>,
}

#[derive(Debug, Default)]
struct Content {
    bytes: Vec<u8>,
    fault: Option<String>,
}

impl Document {
    /// A document of which nothing has been read yet.
    pub const fn unread(input: Input) -> Self {
        Self { input, content: None, shared: None }
    }

    /// The document's bytes: whole, or where [`Document::fault`] says so what could be had of it.
    pub fn bytes(&mut self) -> &[u8] {
        &self.content().bytes
    }

    /// Why the document is not whole, if it is not.
    pub fn fault(&mut self) -> Option<&str> {
        self.content().fault.as_deref()
    }

    fn content(&mut self) -> &Content {
        let input = std::mem::replace(&mut self.input, Input::Nothing);
        self.content.get_or_insert_with(|| match input {
            Input::Nothing => Content::default(),
            Input::File(file) => read(&file, PATIENCE),
            // A person at a terminal has no XML to type.
            Input::Stdin if io::stdin().is_terminal() => Content::default(),
            Input::Stdin => read(&io::stdin(), PATIENCE),
        })
    }

    /// A copy for a script's stdin, at its beginning, independent of every other copy.
    ///
    /// # Errors
    /// Where the kernel gives no memory or no descriptor for it.
    pub fn copy(&mut self) -> io::Result<Stdio> {
        if self.bytes().is_empty() {
            return Ok(Stdio::null());
        }
        let shared = match self.shared.take() {
            Some(shared) => shared,
            None => sealed(self.bytes())?,
        };
        // Opened anew, a descriptor has an offset of its own; a duplicate would share it.
        let path = format!("/proc/self/fd/{}", shared.as_raw_fd());
        let copy = match rustix::fs::open(path, OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty()) {
            Ok(copy) => copy,
            // No /proc: the copy is made in full.
            Err(rustix::io::Errno::NOENT) => sealed(self.bytes())?,
            Err(error) => return Err(error.into()),
        };
        self.shared = Some(shared);
        Ok(copy.into())
    }
}

/// A file in memory that holds `bytes`, positioned at its beginning, that nobody can change any more.
fn sealed(bytes: &[u8]) -> io::Result<OwnedFd> {
    let flags = MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING;
    // Hosts may demand that nothing in memory can be executed (vm.memfd_noexec); Linux before 6.3 knows no such flag.
    let created = match rustix::fs::memfd_create("domain.xml", flags | MemfdFlags::NOEXEC_SEAL) {
        Err(rustix::io::Errno::INVAL) => rustix::fs::memfd_create("domain.xml", flags),
        created => created,
    };
    let mut file = File::from(created?);
    file.write_all(bytes)?;
    rustix::fs::seek(&file, rustix::fs::SeekFrom::Start(0))?;
    rustix::fs::fcntl_add_seals(&file, SealFlags::WRITE | SealFlags::GROW | SealFlags::SHRINK | SealFlags::SEAL)?;
    Ok(file.into())
}

/// Reads to the end, to [`MAXIMUM_BYTES`], or until `patience` is over.
fn read(input: &(impl AsFd + AsRawFd), patience: Duration) -> Content {
    let mut content = Content::default();
    let end = Instant::now() + patience;
    let mut file = match input.as_fd().try_clone_to_owned() {
        Ok(descriptor) => File::from(descriptor).take(MAXIMUM_BYTES),
        // A closed stdin is one without XML.
        Err(error) if error.raw_os_error() == Some(rustix::io::Errno::BADF.raw_os_error()) => {
            return content;
        }
        Err(error) => {
            content.fault = Some(format!("could not be read: {error}"));
            return content;
        }
    };
    let mut chunk = vec![0; 64 << 10];
    loop {
        match readable_until(&file.get_ref().as_fd(), end) {
            Ok(true) => {}
            Ok(false) => {
                content.fault = Some(format!("did not end within {} s", patience.as_secs()));
                return content;
            }
            Err(error) => {
                content.fault = Some(format!("could not be read: {error}"));
                return content;
            }
        }
        match file.read(&mut chunk) {
            Ok(0) if file.limit() == 0 => {
                content.fault = Some(format!("is longer than {MAXIMUM_BYTES} bytes"));
                return content;
            }
            Ok(0) => return content,
            Ok(count) => content.bytes.extend_from_slice(chunk.get(..count).unwrap_or_default()),
            Err(error) if matches!(error.kind(), io::ErrorKind::Interrupted | io::ErrorKind::WouldBlock) => {}
            Err(error) => {
                content.fault = Some(format!("could not be read: {error}"));
                return content;
            }
        }
    }
}

/// Waits until something can be read, or the other side is closed; false where `end` comes first.
fn readable_until(input: &impl AsFd, end: Instant) -> io::Result<bool> {
    loop {
        let left = end.saturating_duration_since(Instant::now());
        let timeout = Timespec::try_from(left).map_err(io::Error::other)?;
        match rustix::event::poll(&mut [PollFd::new(input, PollFlags::IN)], Some(&timeout)) {
            Ok(0) => return Ok(false),
            Ok(_) => return Ok(true),
            Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
    }
}
