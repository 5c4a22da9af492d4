//! The host's own programs, asked with a bound on their time.

use std::ffi::{OsStr, OsString};
use std::io;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use crate::domain;
use crate::journal::Escaped;
use crate::outcome::{Outcome, Seconds, Signal};
use crate::supervise::{Interruption, Launch, Progress, Stream, Supervisor};

/// How long a program has between SIGTERM and SIGKILL.
const GRACE: Duration = Duration::from_secs(1);

/// The programs of the host that this one runs on.
#[derive(Debug)]
pub(in crate::command) struct Tools {
    supervisor: Supervisor,
}

/// Why a program gave no answer.
#[derive(Debug, thiserror::Error)]
pub(in crate::command) enum Silence {
    /// There is none.
    #[error("there is no {0} here")]
    Missing(String),
    /// It did not end in time.
    #[error("{0} did not answer within {1}")]
    Late(String, Seconds),
    /// It failed.
    #[error("{0}: {1}")]
    Failed(String, String),
}

impl Tools {
    /// From here on a signal that would end this process is only noted.
    pub(in crate::command) fn new() -> Self {
        Self { supervisor: Supervisor::new(Interruption::watch()) }
    }

    /// The number of the signal that told this process to end, if one has.
    pub(in crate::command) fn interrupted(&mut self) -> Option<i32> {
        self.supervisor.interrupted()
    }

    /// What a program prints, which is looked for in PATH.
    ///
    /// # Errors
    /// Where it is not there, fails, or does not end within `timeout`.
    pub(in crate::command) fn ask(
        &mut self,
        program: &str,
        arguments: &[&str],
        timeout: Duration,
    ) -> Result<Vec<u8>, Silence> {
        let words: Vec<OsString> = arguments.iter().map(OsString::from).collect();
        let launch = Launch {
            program: Path::new(program),
            arguments: &words,
            environment: &[("LC_ALL", Some(OsStr::new("C")))],
            stdin: Stdio::null(),
            timeout,
            grace: GRACE,
        };
        let (mut stdout, mut complaint) = (Vec::new(), Vec::new());
        let answer = self.supervisor.run(launch, &mut |progress| match progress {
            Progress::Printed { stream: Stream::Stdout, lines } => {
                let left = domain::MAXIMUM_BYTES.saturating_sub(stdout.len() as u64);
                stdout.extend_from_slice(lines.cut(left).0.bytes());
            }
            Progress::Printed { stream: Stream::Stderr, lines } => {
                complaint = lines.iter().filter(|line| !line.is_empty()).last().map_or(Vec::new(), <[u8]>::to_vec);
            }
            _ => {}
        });
        let call = [&[program], arguments].concat().join(" ");
        let failed = |why: String| Err(Silence::Failed(call.clone(), why));
        match answer {
            Ok((Outcome::Exited { code: 0, .. }, _)) => Ok(stdout),
            Ok((Outcome::Exited { code, .. }, _)) if complaint.is_empty() => failed(format!("exited with {code}")),
            Ok((Outcome::Exited { .. }, _)) => failed(Escaped(&complaint).to_string()),
            Ok((Outcome::TimedOut { limit, .. }, _)) => Err(Silence::Late(call, Seconds(limit))),
            Ok((Outcome::Signaled { signal, .. } | Outcome::Interrupted { signal, .. }, _)) => {
                failed(format!("ended by signal {}", Signal(signal)))
            }
            Ok(_) => failed("it was not run".to_owned()),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Err(Silence::Missing(program.to_owned())),
            Err(error) => failed(error.to_string()),
        }
    }
}
