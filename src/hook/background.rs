//! The process that logs what a daemon still prints, after the script that left it behind and the hook have ended.
//!
//! libvirt waits for the hook, so the hook can't wait for the daemon; and closed pipes would end the daemon by SIGPIPE
//! when it next prints. So the reading ends go to a process of ours, which ends with the daemon.

use std::ffi::OsString;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, ExitCode, Stdio};

use super::report::Allowance;
use crate::driver::{Driver, Event};
use crate::process::{HeldPipes, Stream, limits_end_nothing};
use crate::record::Journal;

/// The name by which the program is called for this.
pub const NAME: &str = "virt-hooks-background";

/// The running program, even if another file has taken its name since (proc(5)).
pub(crate) const OWN_PROGRAM: &str = "/proc/self/exe";

/// What becomes of what comes from a standard output.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stdout {
    /// It is logged.
    Logged,
    /// It is read, and dropped: the script is a filter, and what it prints is a VM's XML.
    Dropped,
}

impl Stdout {
    /// How the process is told of it.
    const fn word(self) -> &'static str {
        match self {
            Self::Logged => "log-stdout",
            Self::Dropped => "drop-stdout",
        }
    }
}

/// Starts the process. It logs under the process id of the hook, `pid`, so that an event's records stay together.
///
/// # Errors
/// Where it can't be started. The pipes are closed then.
pub(super) fn start(
    pipes: HeldPipes,
    stdout: Stdout,
    allowance: Allowance,
    log: &Path,
    pid: u32,
    script: &[u8],
    event: &Event,
) -> io::Result<()> {
    let (most, left) = allowance.rest();
    let input = |pipe: Option<OwnedFd>| pipe.map_or_else(Stdio::null, Stdio::from);
    // Only three descriptors can be given to it; that it reads from two of them is its own affair.
    Command::new(OWN_PROGRAM)
        .arg0(NAME)
        .arg(stdout.word())
        .arg(most.to_string())
        .arg(left.to_string())
        .arg(log)
        .arg(pid.to_string())
        .arg(OsString::from_vec(script.to_vec()))
        .arg(event.driver().name)
        .args(event.arguments())
        .stdin(input(pipes.stdout))
        .stdout(input(pipes.stderr))
        .stderr(Stdio::null())
        .spawn()?;
    Ok(())
}

/// Is the process: logs what comes from the pipes that are its standard input and output.
pub fn main(arguments: Vec<OsString>) -> ExitCode {
    // Whatever ends libvirt's process group or a terminal's session must not take it along.
    _ = rustix::process::setsid();
    limits_end_nothing();
    // Nor must whoever looks for qemu's processes by name find it.
    _ = rustix::thread::set_name(c"virt-hooks");
    let mut arguments = arguments.into_iter();
    let mut next = || arguments.next();
    let (Some(stdout), Some(most), Some(left)) = (next(), next(), next()) else { return ExitCode::from(2) };
    let (Some(log), Some(pid), Some(script), Some(driver)) = (next(), next(), next(), next()) else {
        return ExitCode::from(2);
    };
    let number = |word: &OsString| word.to_str().and_then(|word| word.parse().ok());
    let (Some(most), Some(left)) = (number(&most), number(&left)) else { return ExitCode::from(2) };
    let mut allowance = Allowance::of(most, left);
    let drops_stdout = stdout == Stdout::Dropped.word();
    let pid = pid.to_str().and_then(|pid| pid.parse().ok());
    let event = Driver::named(driver.as_bytes()).and_then(|driver| Event::parse(driver, arguments.collect()));
    let (Some(pid), Some(event)) = (pid, event) else { return ExitCode::from(2) };
    let mut journal = Journal::new(Path::new(&log), &event, pid);
    let pipes = HeldPipes { stdout: own(rustix::stdio::stdin()), stderr: own(rustix::stdio::stdout()) };
    pipes.follow(&mut |stream, lines| {
        if drops_stdout && stream == Stream::Stdout {
            return;
        }
        // It outlives many a rotation.
        journal.follow_rotation();
        allowance.printed(&mut journal, script.as_bytes(), stream, lines);
    });
    allowance.tell(&mut journal, script.as_bytes());
    ExitCode::SUCCESS
}

fn own(descriptor: impl AsFd) -> Option<OwnedFd> {
    descriptor.as_fd().try_clone_to_owned().ok()
}
