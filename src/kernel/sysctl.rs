//! Settings of the kernel below `/proc/sys`, by their path there (sysctl(8)).

use std::fs;
use std::io;

use crate::paths::Paths;

/// Reads the value of a setting, without blanks around it.
///
/// # Errors
/// The kernel has no such setting, or it cannot be read.
pub(crate) fn read(paths: &Paths, name: &str) -> io::Result<String> {
    fs::read_to_string(paths.elsewhere("proc/sys").join(name)).map(|value| value.trim().to_owned())
}

/// Sets it to 1 or 0.
///
/// # Errors
/// The kernel has no such setting, or refuses.
pub(crate) fn switch(paths: &Paths, name: &str, on: bool) -> io::Result<()> {
    fs::write(paths.elsewhere("proc/sys").join(name), if on { "1" } else { "0" })
}

/// Default range of ephemeral ports (ip(7)).
const EPHEMERAL: (u16, u16) = (32768, 60999);

/// Returns the first and the last ephemeral port.
pub(crate) fn ephemeral_ports() -> (u16, u16) {
    let range = fs::read_to_string("/proc/sys/net/ipv4/ip_local_port_range").unwrap_or_default();
    let mut ends = range.split_whitespace().filter_map(|port| port.parse().ok());
    ends.next().zip(ends.next()).unwrap_or(EPHEMERAL)
}
