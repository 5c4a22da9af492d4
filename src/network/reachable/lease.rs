//! A forward to an address that the guest does not have: its lease, or its reservation, is another one.
//!
//! dnsmasq's helper keeps the leases of a network in `BRIDGE.status`, JSON (`src/network/leaseshelper.c` of libvirt).

use std::ffi::OsStr;
use std::fs::File;
use std::io::{self, Read};
use std::net::IpAddr;
use std::time::SystemTime;

use serde::Deserialize;

use super::host::Host;
use super::way::{Obstacle, Remedy, Vm, Way};
use crate::kernel::devices::is_device_name;
use crate::network::desired::libvirt_network::{Mac, Network};
use crate::paths::Paths;
use crate::record::Quoted;

/// The most that is read of a file of leases, in bytes. A lease takes about 200.
const MAXIMUM_BYTES: u64 = 4 << 20;

const FOLDER: &str = "var/lib/libvirt/dnsmasq";

/// A lease as libvirt's helper writes it.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "kebab-case")]
struct Lease {
    ip_address: IpAddr,
    mac_address: Option<String>,
    /// In seconds of Unix time; 0 where it never expires.
    #[serde(default)]
    expiry_time: u64,
}

/// Returns the obstacle, if there is one.
pub(super) fn find(vm: &Vm<'_>, way: Way<'_>, host: &Host<'_>) -> Option<Obstacle> {
    let Way::Forward(forward) = way else { return None };
    let mut other = None;
    for (interface, name, network) in host.networks_with(vm, forward.to) {
        let mac = Mac::parse(interface.mac?)?;
        let is_of_its_family = |address: &IpAddr| address.is_ipv4() == forward.to.is_ipv4();
        let mut leased: Vec<IpAddr> = leases(network, host.paths)?
            .into_iter()
            .filter(|lease| lease.is_for(mac) && lease.lasts(host.now))
            .map(|lease| lease.ip_address)
            .filter(is_of_its_family)
            .collect();
        let has = if leased.is_empty() { "has reserved it" } else { "has leased it" };
        if leased.is_empty() {
            let reserved = network.reserved_for(mac, vm.name.to_str().unwrap_or_default());
            leased.extend(reserved.into_iter().filter(is_of_its_family));
        }
        // A guest that the network knows nothing of may have configured the address by itself.
        if leased.is_empty() || leased.contains(&forward.to) {
            return None;
        }
        other = other.or_else(|| Some((name, has, *leased.first()?)));
    }
    let (name, has, address) = other?;
    let network = Quoted::bytes(name.as_bytes());
    let message = format!(
        "the forward {forward} leads to an address that it does not have: the network {network} {has} {address}"
    );
    Some(Obstacle { subject: vm.subject(), message, remedy: Remedy::Declaration })
}

/// Reads the leases of a network; none where they cannot be read.
fn leases(network: &Network, paths: &Paths) -> Option<Vec<Lease>> {
    let bridge = network.bridge.as_deref().filter(|bridge| is_device_name(OsStr::new(bridge)))?;
    let mut text = Vec::new();
    match File::open(paths.elsewhere(FOLDER).join(format!("{bridge}.status"))) {
        Ok(file) => _ = file.take(MAXIMUM_BYTES + 1).read_to_end(&mut text).ok()?,
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(_) => return None,
    }
    parse(&text)
}

/// Parses a file of leases; none where it is something else. An entry without a readable address makes it that.
fn parse(text: &[u8]) -> Option<Vec<Lease>> {
    match text.trim_ascii() {
        [] => Some(Vec::new()),
        text if text.len() as u64 > MAXIMUM_BYTES => None,
        text => serde_json::from_slice(text).ok(),
    }
}

impl Lease {
    fn is_for(&self, mac: Mac) -> bool {
        self.mac_address.as_deref().and_then(Mac::parse) == Some(mac)
    }

    fn lasts(&self, now: SystemTime) -> bool {
        let now = now.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        self.expiry_time == 0 || self.expiry_time > now.as_secs()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_of_leases_is_read_whole_or_not_at_all() {
        let lease = r#"{"ip-address": "192.168.122.5", "mac-address": "52:54:00:00:00:0a", "client-id": "x", "expiry-time": 9}"#;
        let read = parse(format!("[{lease}]").as_bytes()).expect("leases");
        let at = |seconds| SystemTime::UNIX_EPOCH + std::time::Duration::from_secs(seconds);
        let [one] = read.as_slice() else { panic!("{read:?}") };
        assert!(one.is_for(Mac::parse("52:54:0:0:0:a").expect("a MAC")));
        assert!(one.lasts(at(8)) && !one.lasts(at(9)));
        assert!(parse(b" \n").is_some_and(|read| read.is_empty()));
        for text in ["{", "[{}]", "{}", &format!("[{lease}, {{\"ip-address\": \"x\"}}]"), &format!("[{lease}")] {
            assert!(parse(text.as_bytes()).is_none(), "{text}");
        }
        assert!(parse(&vec![b'['; MAXIMUM_BYTES as usize + 1]).is_none());
    }
}
