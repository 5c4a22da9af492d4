//! The host as observed for `status` and `check`.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::SystemTime;

use super::chains::third_party::Chains;
use super::way::Vm;
use crate::domain::Interface;
use crate::kernel::devices;
use crate::kernel::host_addresses;
use crate::kernel::tools::{HostTools, Tools, ip};
use crate::network::desired::libvirt_network::{Network, Networks, ThisHostsNetworks};
use crate::paths::Paths;

/// The host's network as observed, read once for all forwards and routes.
#[derive(Debug)]
pub struct Host<'a> {
    pub(super) paths: &'a Paths,
    /// The time of the observation.
    pub(super) now: SystemTime,
    /// The addresses of its devices, with the device's index; none where the kernel does not list them.
    pub(super) addresses: Option<Vec<(u32, IpAddr)>>,
    /// Its devices by their index.
    pub(super) devices: BTreeMap<u32, String>,
    /// The third-party chains, once they are needed.
    pub(super) chains: Option<Chains>,
    /// The rules of policy routing.
    pub(super) rules: Vec<ip::Rule>,
    /// The libvirt networks of the domains, as far as they can be read.
    pub(super) networks: BTreeMap<String, Network>,
}

impl<'a> Host<'a> {
    /// Observes this host.
    pub fn observe(tools: &mut HostTools<'_>, paths: &'a Paths) -> Self {
        let addresses = host_addresses::with_devices(tools.deadline()).ok();
        let devices = devices::all(paths.network_devices()).into_iter().collect();
        Self {
            paths,
            now: SystemTime::now(),
            addresses,
            devices,
            chains: None,
            rules: Vec::new(),
            networks: BTreeMap::new(),
        }
    }

    /// Reads the networks that a domain is on, and the third-party chains, as far as that has not been done.
    pub fn read(&mut self, vm: &Vm<'_>, tools: &mut HostTools<'_>) {
        if self.chains.is_none() {
            self.chains = Some(Chains::read(tools.deadline()));
            self.rules = ip::rules(tools).unwrap_or_default();
        }
        for name in vm.interfaces.iter().filter_map(|interface| interface.network) {
            if let (false, Ok(network)) =
                (self.networks.contains_key(name), ThisHostsNetworks::of(self.paths).network(name))
            {
                self.networks.insert(name.to_owned(), network);
            }
        }
    }

    /// Returns a network, if it is known.
    pub(super) fn network(&self, name: &str) -> Option<&Network> {
        self.networks.get(name)
    }

    /// Returns the interfaces of a VM whose network has an address, with the network's name.
    pub(super) fn networks_with<'v>(
        &'v self,
        vm: &'v Vm<'_>,
        address: IpAddr,
    ) -> impl Iterator<Item = (&'v Interface<'v>, &'v str, &'v Network)> {
        let known = vm.interfaces.iter().filter_map(|interface| {
            let name = interface.network?;
            Some((interface, name, self.network(name)?))
        });
        known.filter(move |(_, _, network)| network.has(address))
    }
}
