//! Settings of devices for a VM's forwards and routes: NDP proxy, and hairpin mode of bridge ports. Settings by others
//! stay.

use std::collections::BTreeSet;
use std::io;
use std::net::IpAddr;

use crate::kernel::devices::set_hairpin_mode;
use crate::kernel::sysctl;
use crate::network::allocation::Allocation;
use crate::network::applied::ledger::{Entry, Ledger};
use crate::network::reconcile::diff::Change;
use crate::network::reconcile::outcome::{Done, Fault};
use crate::paths::Paths;
use crate::record::Quoted;

/// Has devices answer NDP for others, as far as they don't.
pub(super) fn start_proxying(change: &Change, ledger: &mut Ledger, paths: &Paths) -> Result<(), Fault> {
    let devices: BTreeSet<&String> =
        change.new.proxies.iter().filter(|proxy| proxy.address.is_ipv6()).map(|proxy| &proxy.device).collect();
    let silent: Vec<&String> = devices.into_iter().filter(|device| !proxies_ndp(device, paths)).collect();
    if silent.is_empty() {
        return Ok(());
    }
    ledger.ndp_proxy.extend(silent.iter().map(|device| (*device).clone()));
    ledger.keep(paths.state())?;
    for device in silent {
        sysctl::switch(paths, &proxy_ndp(device), true)
            .map_err(|error| Fault::Answering { device: device.clone(), error })?;
    }
    Ok(())
}

/// Has devices answer no more that do so for this program only, and for no VM any more.
pub(super) fn stop_proxying(ledger: &mut Ledger, paths: &Paths, warnings: &mut Vec<String>) {
    if ledger.ndp_proxy.is_empty() {
        return;
    }
    let used: BTreeSet<String> = ledger
        .entries()
        .flat_map(|(_, entry)| &entry.allocation.routes)
        .filter(|route| matches!(route.to.addr(), IpAddr::V6(_)))
        .filter_map(|route| route.proxy.clone())
        .collect();
    for device in std::mem::take(&mut ledger.ndp_proxy) {
        if used.contains(&device) {
            ledger.ndp_proxy.push(device);
        } else if let Err(error) = sysctl::switch(paths, &proxy_ndp(&device), false) {
            // A device that no longer exists needs no change.
            if error.kind() != io::ErrorKind::NotFound {
                warnings.push(format!("{} answers NDP for others still: {error}", Quoted::bytes(device.as_bytes())));
            }
        }
    }
}

/// Enables or disables hairpin mode of the VM's taps.
pub(super) fn set_hairpin(before: &Allocation, now: Option<&Entry>, paths: &Paths, done: &mut Done) {
    let nothing = BTreeSet::new();
    let now = now.map_or(&nothing, |entry| &entry.allocation.hairpin_taps);
    let no_more = before.hairpin_taps.difference(now).map(|tap| (tap, false));
    for (tap, whether) in no_more.chain(now.iter().map(|tap| (tap, true))) {
        if let Err(error) = set_hairpin_mode(paths.network_devices(), tap, whether) {
            let tap = Quoted::bytes(tap.as_bytes());
            done.warnings.push(format!(
                "the hairpin mode of {tap} can't be set: {error}; the VM may not reach itself by its forward"
            ));
        }
    }
}

fn proxies_ndp(device: &str, paths: &Paths) -> bool {
    sysctl::read(paths, &proxy_ndp(device)).is_ok_and(|value| value != "0")
}

fn proxy_ndp(device: &str) -> String {
    format!("net/ipv6/conf/{device}/proxy_ndp")
}
