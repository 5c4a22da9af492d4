//! What libvirt says, asked through `virsh`, which talks to whatever daemon the host has. Never for longer than a while.

use std::ffi::OsString;
use std::time::Duration;

use crate::driver::QEMU;
use crate::process::{Supervisor, ToolError};

/// How long an answer may take. While a hook runs, libvirt answers nothing about its VM.
const TIMEOUT: Duration = Duration::from_secs(20);

/// What `virsh` prints when it is called with these arguments for the system's libvirt.
///
/// # Errors
/// Where it is not there, fails, or does not answer in time.
pub(crate) fn ask<A: Into<OsString>>(arguments: impl IntoIterator<Item = A>) -> Result<Vec<u8>, ToolError> {
    ask_by(&mut Supervisor::watching(), arguments)
}

/// The same by whoever calls other programs as well.
///
/// # Errors
/// As above.
pub(crate) fn ask_by<A: Into<OsString>>(
    programs: &mut Supervisor,
    arguments: impl IntoIterator<Item = A>,
) -> Result<Vec<u8>, ToolError> {
    let system = ["-c", QEMU.uri, "-q"].map(OsString::from);
    programs.ask("virsh", system.into_iter().chain(arguments.into_iter().map(Into::into)), TIMEOUT)
}
