//! A guest that connects to its own forward, where bridges ask the firewall.
//!
//! With `br_netfilter` (Docker loads it) a frame is translated while it is still the bridge's. One from a guest to a forward
//! of its own then has to leave by the port that it came in by, and a bridge sends nothing back there, unless the port is
//! told to (`hairpin_mode`, `Documentation/networking/bridge.rst` of Linux). So it is told, while the VM has a forward.

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::path::PathBuf;

use crate::domain::Interface;
use crate::kernel::devices::device;
use crate::paths::Paths;

/// The taps of a VM that have to be told: those that `kept` says have been, and those that nobody has told yet.
pub fn needed(interfaces: &[Interface<'_>], kept: &BTreeSet<String>, paths: &Paths) -> BTreeSet<String> {
    if !bridges_ask(paths) {
        return BTreeSet::new();
    }
    let taps =
        interfaces.iter().filter(|interface| interface.bridge.is_some()).filter_map(|interface| interface.target);
    let untold = |tap: &&str| kept.contains(*tap) || mode(tap, paths).is_some_and(|file| is_zero(&file));
    taps.filter(untold).map(str::to_owned).collect()
}

/// Tells a tap to give back what comes by it, or to do so no more.
///
/// # Errors
/// Where it is there and can't be told.
pub fn tell(tap: &str, enabled: bool, paths: &Paths) -> io::Result<()> {
    match mode(tap, paths).map(|file| fs::write(file, if enabled { "1" } else { "0" })) {
        // It is gone, with its VM.
        None => Ok(()),
        Some(Err(error)) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Some(told) => told,
    }
}

/// Whether bridges hand frames to the firewall of IPv4 or IPv6.
fn bridges_ask(paths: &Paths) -> bool {
    ["iptables", "ip6tables"].into_iter().any(|which| {
        let file = paths.elsewhere("proc/sys/net/bridge").join(format!("bridge-nf-call-{which}"));
        fs::read_to_string(file).is_ok_and(|value| value.trim() == "1")
    })
}

fn mode(tap: &str, paths: &Paths) -> Option<PathBuf> {
    device(paths.network_devices(), tap.as_ref()).map(|folder| folder.join("brport/hairpin_mode"))
}

fn is_zero(file: &PathBuf) -> bool {
    fs::read_to_string(file).is_ok_and(|value| value.trim() == "0")
}
