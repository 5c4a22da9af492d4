//! Calls of `virsh`, which talks to any of the host's libvirt daemons, with a timeout.

use std::ffi::OsString;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use crate::driver::{Driver, QEMU};
use crate::process::{Supervisor, ToolError};

/// Timeout of a call. While a hook runs, libvirt does not answer about its VM.
const TIMEOUT: Duration = Duration::from_secs(20);

/// How long a daemon may take to accept a connection. No VM and no hook delays that.
const ACCEPT: Duration = Duration::from_secs(3);

/// The daemon did not accept a connection: nothing else is asked by this process.
static HANGS: AtomicBool = AtomicBool::new(false);

/// Returns true if the daemon does not accept connections in time.
pub(crate) fn hangs() -> bool {
    let uri = Supervisor::watching().ask("virsh", ["-c", QEMU.uri, "-q", "uri"], ACCEPT);
    let hangs = matches!(uri, Err(ToolError::Late(..)));
    HANGS.store(hangs, Ordering::Relaxed);
    hangs
}

/// Returns the output of `virsh`, called with these arguments for the system's libvirt and this driver.
///
/// # Errors
/// Where it is not there, fails, or does not answer in time.
pub(crate) fn ask_of<A: Into<OsString>>(
    driver: &Driver,
    arguments: impl IntoIterator<Item = A>,
) -> Result<Vec<u8>, ToolError> {
    call(&mut Supervisor::watching(), driver, arguments)
}

/// The same for qemu, by a caller of other programs.
///
/// # Errors
/// As for [`ask`].
pub(crate) fn ask_by<A: Into<OsString>>(
    programs: &mut Supervisor,
    arguments: impl IntoIterator<Item = A>,
) -> Result<Vec<u8>, ToolError> {
    call(programs, &QEMU, arguments)
}

fn call<A: Into<OsString>>(
    programs: &mut Supervisor,
    driver: &Driver,
    arguments: impl IntoIterator<Item = A>,
) -> Result<Vec<u8>, ToolError> {
    if HANGS.load(Ordering::Relaxed) {
        return Err(ToolError::Late("virsh".to_owned(), ACCEPT));
    }
    let system = ["-c", driver.uri, "-q"].map(OsString::from);
    programs.ask("virsh", system.into_iter().chain(arguments.into_iter().map(Into::into)), TIMEOUT)
}
