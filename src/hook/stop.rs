//! `virt-hooks stop`: requests to end a script that runs, as at its deadline.
//!
//! A request is a file named by the script's process id, followed by a signal to the hook, or to the script's supervisor.

use std::path::PathBuf;

use crate::paths::Paths;
use crate::process::STOP;
use crate::state::{Directory, StateError};

fn directory(paths: &Paths) -> Directory {
    Directory::new(paths.state(), "stop")
}

/// Returns the directory of the requests.
pub(super) fn requests(paths: &Paths) -> PathBuf {
    directory(paths).path(b"")
}

/// A request, which is withdrawn when this is dropped.
pub(crate) struct Request(Directory, String);

impl Request {
    /// Requests the end of the script `pid` from its supervisor.
    ///
    /// # Errors
    /// The state directory is not writable, or the supervisor has ended.
    pub(crate) fn send(paths: &Paths, pid: i32, supervisor: i32) -> Result<Self, StopError> {
        let request = Self(directory(paths), pid.to_string());
        request.0.write(request.1.as_bytes(), b"")?;
        let supervisor = rustix::process::Pid::from_raw(supervisor).ok_or(StopError::Ended)?;
        rustix::process::kill_process(supervisor, STOP).map_err(|_errno| StopError::Ended)?;
        Ok(request)
    }
}

impl Drop for Request {
    fn drop(&mut self) {
        // Left behind, it does nothing without a signal.
        _ = self.0.remove(self.1.as_bytes());
    }
}

/// A script that cannot be stopped.
#[derive(Debug, thiserror::Error)]
pub(crate) enum StopError {
    /// The request cannot be written.
    #[error(transparent)]
    State(#[from] StateError),
    /// The hook has ended.
    #[error("its hook has ended")]
    Ended,
}
