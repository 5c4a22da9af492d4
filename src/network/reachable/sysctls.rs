//! Devices that do not forward, although the host does.

use super::chains::passage::Passage;
use super::host::Host;
use super::way::{Obstacle, Remedy, Vm, Way};
use crate::kernel::sysctl;
use crate::record::Escaped;

/// Returns the obstacles. Linux asks the device by which a packet comes: an uplink for requests, the bridge for replies.
pub(super) fn find(vm: &Vm<'_>, way: Way<'_>, host: &Host<'_>) -> Vec<Obstacle> {
    // Of IPv6, the setting of a device makes it a router on that link, and does not decide whether it forwards.
    let Some(passage) = Passage::of(vm, way, host).filter(|_| way.is_ipv4()) else { return Vec::new() };
    if sysctl::read(host.paths, "net/ipv4/ip_forward").is_ok_and(|value| value == "0") {
        return Vec::new();
    }
    let found = passage.devices().filter_map(|device| {
        let path = format!("net/ipv4/conf/{device}/forwarding");
        let is_off = sysctl::read(host.paths, &path).is_ok_and(|value| value == "0");
        let name = Escaped(device.as_bytes());
        is_off.then(|| Obstacle {
            subject: format!("net.ipv4.conf.{name}.forwarding"),
            message: format!("it is 0: what comes in by {name} is not forwarded"),
            // With slashes: a device's name may have dots (sysctl(8)).
            remedy: Remedy::Command(format!("sysctl -w net/ipv4/conf/{name}/forwarding=1")),
        })
    });
    found.collect()
}
