//! The devices by which clients come to a forward or a route.

use super::host::Host;
use super::way::Way;
use crate::kernel::address::Family;
use crate::kernel::host_addresses;

/// The most devices that are followed.
const MAXIMUM: usize = 4;

/// Returns the device that has the address on which the forward listens, else those of default routes, else all that have an
/// address of the family.
pub(super) fn of<'a>(way: Way<'_>, bridge: &str, host: &'a Host<'_>) -> Vec<&'a str> {
    let (family, listen) = match way {
        Way::Forward(forward) => (Family::of(&forward.to), forward.listen),
        Way::Route(route) => (Family::of(&route.to.addr()), None),
    };
    let name = |index: &u32| host.devices.get(index).map(String::as_str);
    let located = host.addresses.iter().flatten();
    if let Some(listen) = listen {
        let with = located.filter(|(_, address)| *address == listen).filter_map(|(index, _)| name(index));
        return with.filter(|name| *name != "lo").take(1).collect();
    }
    let defaults = host_addresses::default_devices(family, host.paths);
    let is_of_clients = |name: &&str| *name != "lo" && *name != bridge;
    let mut names: Vec<&str> = match defaults.is_empty() {
        true => located
            .filter(|(_, address)| Family::of(address) == family)
            .filter_map(|(index, _)| name(index))
            .filter(is_of_clients)
            .collect(),
        false => {
            host.devices.values().map(String::as_str).filter(|name| defaults.iter().any(|one| one == name)).collect()
        }
    };
    names.sort_unstable();
    names.dedup();
    names.truncate(MAXIMUM);
    names
}
