//! What libvirt says, asked through `virsh`, which talks to whatever daemon the host has. Never for longer than a while.

use std::ffi::OsString;
use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;

use crate::journal::Escaped;
use crate::outcome::Outcome;
use crate::script::PATH;
use crate::supervise::{Interruption, Launch, Progress, Stream, Supervisor};

/// How long an answer may take. While a hook runs, libvirt answers nothing about its VM.
const PATIENCE: Duration = Duration::from_secs(20);

/// The most that is taken of an answer, in bytes: several times what libvirt's messages can hold.
const MAXIMUM_BYTES: usize = 64 << 20;

/// What `virsh` prints when it is called with these arguments for the system's libvirt.
///
/// # Errors
/// Where it is not there, fails, or does not answer in time: why, in words.
pub(super) fn ask<A: Into<OsString>>(arguments: impl IntoIterator<Item = A>) -> Result<Vec<u8>, String> {
    let program = program().ok_or("there is no virsh here")?;
    let mut words: Vec<OsString> = ["-c", "qemu:///system", "-q"].map(OsString::from).to_vec();
    words.extend(arguments.into_iter().map(Into::into));
    let launch = Launch {
        program: &program,
        arguments: &words,
        environment: &[],
        stdin: Stdio::null(),
        timeout: PATIENCE,
        grace: Duration::from_secs(1),
    };
    let (mut said, mut complained) = (Vec::new(), Vec::new());
    let mut listen = |progress: Progress<'_>| {
        if let Progress::Printed { stream, lines } = progress {
            let heard = if stream == Stream::Stdout { &mut said } else { &mut complained };
            let left = MAXIMUM_BYTES.saturating_sub(heard.len());
            heard.extend_from_slice(lines.bytes().get(..left).unwrap_or(lines.bytes()));
        }
    };
    let ended = Supervisor::new(Interruption::watch()).run(launch, &mut listen);
    match ended {
        Ok((Outcome::Exited { code: 0, .. }, _)) => Ok(said),
        Ok((Outcome::Exited { .. }, _)) => {
            let lines = complained.split(|&byte| byte == b'\n').filter(|line| !line.is_empty());
            let lines: Vec<String> = lines.map(|line| Escaped(line).to_string()).collect();
            Err(format!("virsh says: {}", lines.join(" ")))
        }
        Ok((outcome, _)) => Err(format!("virsh {outcome}")),
        Err(error) => Err(format!("virsh can't be started: {error}")),
    }
}

/// Where `virsh` is, by a search path that nobody's environment can change.
fn program() -> Option<PathBuf> {
    std::env::split_paths(PATH).map(|folder| folder.join("virsh")).find(|program| program.is_file())
}
