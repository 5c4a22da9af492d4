//! A guest's tap that is on no bridge, as libvirt leaves it after `net-destroy` and `net-start`.

use std::path::Path;

use super::host::Host;
use super::way::{Obstacle, Remedy, Vm, Way};
use crate::kernel::devices;
use crate::record::Quoted;
use crate::trust::shell;

/// Returns the obstacle, if there is one.
pub(super) fn find(vm: &Vm<'_>, way: Way<'_>, host: &Host<'_>) -> Option<Obstacle> {
    let leads_to = |network: Option<&str>, bridge: &str| match way {
        Way::Route(route) => route.device == bridge,
        Way::Forward(forward) => match network.and_then(|name| host.network(name)) {
            Some(network) if !network.addresses.is_empty() => network.has(forward.to),
            _ => true,
        },
    };
    let taps = vm.interfaces.iter().filter_map(|interface| {
        let (bridge, tap) = (interface.bridge.as_ref()?.text, interface.target?);
        leads_to(interface.network, bridge).then_some((bridge, tap))
    });
    let taps: Vec<(&str, &str)> = taps.collect();
    let devices = host.paths.network_devices();
    // With several ways to the guest, one is enough.
    if taps.iter().any(|(_, tap)| !devices::is_without_master(devices, tap)) {
        return None;
    }
    let (bridge, tap) = taps.first()?;
    devices::device(devices, bridge.as_ref())?;
    let message = format!("its tap {} is on no bridge, so nothing reaches it", Quoted::bytes(tap.as_bytes()));
    let command = format!("ip link set {} master {}", shell(Path::new(tap)), shell(Path::new(bridge)));
    Some(Obstacle { subject: vm.subject(), message, remedy: Remedy::Command(command) })
}
