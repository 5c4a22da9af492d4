//! What a script leaves behind: a daemon that goes on printing into its pipes.
//!
//! libvirt waits for the hook, so the hook can't wait for the daemon; and closed pipes would end the daemon by SIGPIPE
//! when it next prints. So the reading ends go to a process of our own in the background, which logs what still comes.

use std::ffi::OsString;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Command, ExitCode, Stdio};
use std::time::Duration;

use super::Ready;
use super::capture::{Capture, Stream};
use crate::event::Event;
use crate::journal::Journal;
use crate::report;

/// The name by which the program is called for this.
pub const NAME: &str = "virt-hooks-drain";

/// The reading ends of a script's pipes that something still holds.
#[derive(Debug)]
pub struct Leftover {
    pub(super) stdout: Option<OwnedFd>,
    pub(super) stderr: Option<OwnedFd>,
}

/// Which script's output it is, and where it goes.
#[derive(Debug)]
pub struct Origin<'a> {
    /// The log.
    pub log: PathBuf,
    /// The process id of the hook, under which the rest of the event was logged.
    pub pid: u32,
    /// What records call the script.
    pub label: &'a [u8],
    /// The event.
    pub event: &'a Event,
}

impl Leftover {
    /// Gives the pipes to a process in the background.
    ///
    /// # Errors
    /// Where none can be started; the pipes are closed then.
    pub fn hand_over(self, origin: &Origin<'_>) -> io::Result<()> {
        let input = |pipe: Option<OwnedFd>| pipe.map_or_else(Stdio::null, Stdio::from);
        // Only three descriptors can be given to it; that two of them are read from is its own affair.
        Command::new(std::env::current_exe()?)
            .arg0(NAME)
            .arg(&origin.log)
            .arg(origin.pid.to_string())
            .arg(OsString::from_vec(origin.label.to_vec()))
            .args(origin.event.arguments())
            .stdin(input(self.stdout))
            .stdout(input(self.stderr))
            .stderr(Stdio::null())
            .spawn()?;
        Ok(())
    }
}

/// Logs what comes from the pipes that are its standard input and output, until nobody holds them any more.
pub fn main(arguments: Vec<OsString>) -> ExitCode {
    // Whatever ends libvirt's process group or a terminal's session must not take it along.
    _ = rustix::process::setsid();
    let mut arguments = arguments.into_iter();
    let (Some(log), Some(pid), Some(label)) = (arguments.next(), arguments.next(), arguments.next()) else {
        return ExitCode::from(2);
    };
    let pid = pid.to_str().and_then(|pid| pid.parse().ok());
    let (Some(pid), Some(event)) = (pid, Event::parse(arguments.collect())) else {
        return ExitCode::from(2);
    };
    let (Ok(stdout), Ok(stderr)) = (take(rustix::stdio::stdin()), take(rustix::stdio::stdout())) else {
        return ExitCode::from(1);
    };
    let mut journal = Journal::new(&PathBuf::from(log), &event, pid);
    let mut stdout = Capture::new(Stream::Stdout, Some(stdout));
    let mut stderr = Capture::new(Stream::Stderr, Some(stderr));
    let mut buffer = vec![0; super::BUFFER];
    let mut print = |stream, lines: super::Lines<'_>| {
        // The daemon may write to the log itself.
        journal.unsettle();
        report::printed(&mut journal, label.as_bytes(), stream, lines);
    };
    while stdout.open().is_some() || stderr.open().is_some() {
        let ready = Ready::wait([None, stdout.open(), stderr.open()], Duration::MAX);
        if ready.stdout {
            stdout.read(&mut buffer, &mut print);
        }
        if ready.stderr {
            stderr.read(&mut buffer, &mut print);
        }
    }
    ExitCode::SUCCESS
}

fn take(descriptor: std::os::fd::BorrowedFd<'_>) -> io::Result<OwnedFd> {
    descriptor.try_clone_to_owned()
}
