//! The host's own tools (`nft`, `ip`, `virsh`): a fixed search path, a timeout, and bounded output.

use std::ffi::{OsStr, OsString};
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;

use super::sealed;
use crate::process::{Launch, Progress, Stream, Supervisor};
use crate::record::Escaped;
use crate::record::outcome::{Outcome, Seconds, Signal};

/// The search path of tools, and of scripts where libvirt's daemon has none.
pub const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// Time between SIGTERM and SIGKILL.
pub(crate) const GRACE: Duration = Duration::from_secs(1);

/// The longest stdout, in bytes: several times the longest message of libvirt.
const MAXIMUM_ANSWER: usize = 64 << 20;

/// The longest part of stderr that is reported, in bytes.
const MAXIMUM_COMPLAINT: usize = 4 << 10;

/// Failure of a tool.
#[derive(Debug, thiserror::Error)]
pub enum ToolError {
    /// It is not installed.
    #[error("there is no {0} here")]
    Missing(String),
    /// It did not end within its timeout.
    #[error("{0} timed out after {limit}", limit = Seconds(*.1))]
    Late(String, Duration),
    /// It was not started, since its caller's time is over.
    #[error("{0} was not started, since no time was left for it")]
    NotStarted(String),
    /// This process received a signal to end.
    #[error("{0} was ended, since this process received signal {signal}", signal = Signal(*.1))]
    Interrupted(String, i32),
    /// It failed and printed this to stderr.
    #[error("{0} says: {1}")]
    Complained(String, String),
    /// It failed without output, or could not be started.
    #[error("{0} {1}")]
    Failed(String, String),
}

impl Supervisor {
    /// What a program prints.
    ///
    /// # Errors
    /// Where it is not there, fails, says too much, or does not end within `timeout`.
    pub fn ask<A: Into<OsString>>(
        &mut self,
        name: &str,
        arguments: impl IntoIterator<Item = A>,
        timeout: Duration,
    ) -> Result<Vec<u8>, ToolError> {
        self.tell(name, arguments, b"", timeout)
    }

    /// What a program prints that reads `input`.
    ///
    /// # Errors
    /// As [`Supervisor::ask`], and where there is no memory for the input.
    pub fn tell<A: Into<OsString>>(
        &mut self,
        name: &str,
        arguments: impl IntoIterator<Item = A>,
        input: &[u8],
        timeout: Duration,
    ) -> Result<Vec<u8>, ToolError> {
        let Answer { said, complaint } = self.hear(name, arguments, input, timeout)?;
        complaint.map_or(Ok(said), Err)
    }

    /// What a program that reads `input` prints, and what it complains of besides.
    ///
    /// # Errors
    /// Where it is not there, can't be started, or says too much.
    pub fn hear<A: Into<OsString>>(
        &mut self,
        name: &str,
        arguments: impl IntoIterator<Item = A>,
        input: &[u8],
        timeout: Duration,
    ) -> Result<Answer, ToolError> {
        let program = find(name).ok_or_else(|| ToolError::Missing(name.to_owned()))?;
        let stdin = match input {
            b"" => Stdio::null(),
            input => sealed::file(name, input).map_err(|error| not_started(name, &error))?.into(),
        };
        let arguments: Vec<OsString> = arguments.into_iter().map(Into::into).collect();
        let launch = Launch {
            program: &program,
            arguments: &arguments,
            environment: &[("LC_ALL", Some(OsStr::new("C"))), ("PATH", Some(OsStr::new(PATH)))],
            stdin,
            timeout,
            grace: GRACE,
            stops: None,
        };
        let (mut answer, mut complaint) = (Heard::up_to(MAXIMUM_ANSWER), Heard::up_to(MAXIMUM_COMPLAINT));
        let ended = self.run(launch, &mut |progress| {
            if let Progress::Printed { stream, lines } = progress {
                let heard = if stream == Stream::Stdout { &mut answer } else { &mut complaint };
                heard.take(lines.bytes());
            }
        });
        let complaint = match ended {
            Ok((Outcome::Exited { code: 0, .. }, _)) => None,
            Ok((outcome, _)) => Some(tool_error(name, &outcome, &complaint.bytes)),
            Err(error) => return Err(not_started(name, &error)),
        };
        if answer.is_cut {
            return Err(ToolError::Failed(name.to_owned(), format!("says more than {} MiB", MAXIMUM_ANSWER >> 20)));
        }
        Ok(Answer { said: answer.bytes, complaint })
    }
}

/// What a program said.
#[derive(Debug)]
pub struct Answer {
    /// What it printed.
    pub said: Vec<u8>,
    /// What went wrong besides, if something did.
    pub complaint: Option<ToolError>,
}

fn tool_error(name: &str, outcome: &Outcome, complaint: &[u8]) -> ToolError {
    let name = name.to_owned();
    let lines = complaint.split(|&byte| byte == b'\n').filter(|line| !line.is_empty());
    let lines: Vec<String> = lines.map(|line| Escaped(line).to_string()).collect();
    match outcome {
        Outcome::Exited { .. } if !lines.is_empty() => ToolError::Complained(name, lines.join(" ")),
        Outcome::Exited { code, .. } => ToolError::Failed(name, format!("exited with {code}")),
        Outcome::TimedOut { limit, .. } => ToolError::Late(name, *limit),
        Outcome::Interrupted { signal, .. } => ToolError::Interrupted(name, *signal),
        outcome => ToolError::Failed(name, outcome.to_string()),
    }
}

fn not_started(name: &str, error: &io::Error) -> ToolError {
    ToolError::Failed(name.to_owned(), format!("can't be started: {error}"))
}

/// Returns the path of a tool, if this host has one of that name.
pub fn find(name: &str) -> Option<PathBuf> {
    let is_program = |path: &PathBuf| {
        path.metadata().is_ok_and(|status| status.is_file() && status.permissions().mode() & 0o111 != 0)
    };
    std::env::split_paths(PATH).map(|folder| folder.join(name)).find(is_program)
}

/// Output of a tool so far.
#[derive(Debug)]
struct Heard {
    bytes: Vec<u8>,
    most: usize,
    is_cut: bool,
}

impl Heard {
    const fn up_to(most: usize) -> Self {
        Self { bytes: Vec::new(), most, is_cut: false }
    }

    fn take(&mut self, said: &[u8]) {
        let left = self.most.saturating_sub(self.bytes.len());
        self.is_cut |= said.len() > left;
        self.bytes.extend_from_slice(said.get(..left).unwrap_or(said));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_beyond_the_bound_is_cut_and_noted() {
        let mut heard = Heard::up_to(5);
        heard.take(b"abc");
        heard.take(b"de");
        assert!(!heard.is_cut);
        heard.take(b"f");
        assert!(heard.is_cut);
        assert_eq!(heard.bytes, b"abcde");
    }

    #[test]
    fn a_program_is_found_in_the_folders_of_the_search_path_only() {
        assert!(find("sh").is_some_and(|path| path.is_absolute()));
        assert_eq!(find("no such program"), None);
    }
}
