//! A trial of the hook before it takes its place: one that does not run here must not keep VMs from starting.

use std::io::Read;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use crate::driver::QEMU;
use crate::hook;
use crate::record::Escaped;

/// The longest that it may take. It does nothing but answer.
const TIMEOUT: Duration = Duration::from_secs(10);

/// The most that is read of its answer, in bytes.
const MAXIMUM_ANSWER: u64 = 4096;

/// Calls a program as libvirt calls its hook, but with too few arguments, which it has to refuse.
///
/// # Errors
/// Where it does not, with what it did and what mends that.
pub(crate) fn of(program: &Path) -> Result<(), String> {
    let mut command = Command::new(program);
    command.arg0(QEMU.name).env_clear().current_dir("/");
    let spawned = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped()).spawn();
    let mut child = spawned.map_err(|error| {
        format!(
            "it can't be started: {error}; perhaps the file system is mounted noexec, or a security policy forbids it"
        )
    })?;
    let end = Instant::now() + TIMEOUT;
    let status = loop {
        match child.try_wait() {
            Ok(Some(status)) => break status,
            Ok(None) if Instant::now() < end => std::thread::sleep(Duration::from_millis(2)),
            Ok(None) => {
                _ = child.kill();
                _ = child.wait();
                return Err(format!("it did not answer within {} s", TIMEOUT.as_secs()));
            }
            Err(error) => return Err(format!("it can't be waited for: {error}")),
        }
    };
    let mut answer = Vec::new();
    if let Some(stderr) = child.stderr {
        // Less than all of it is not the answer, either.
        _ = stderr.take(MAXIMUM_ANSWER).read_to_end(&mut answer);
    }
    judge(status, answer.trim_ascii())
}

fn judge(status: ExitStatus, answer: &[u8]) -> Result<(), String> {
    if status.code() == Some(2) && answer == hook::USAGE.as_bytes() {
        return Ok(());
    }
    Err(format!("called with too few arguments, it ended with {status} and said: {}", Escaped(answer)))
}
