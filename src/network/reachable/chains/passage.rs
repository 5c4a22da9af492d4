//! The passage of a VM's packets through the host: its devices, and the packets that a chain sees.

use ipnet::IpNet;

use super::packet::{Device, ESTABLISHED, NEW, Packet};
use crate::kernel::address::Family as AddressFamily;
use crate::kernel::devices;
use crate::kernel::nftables::{BaseChain, Family, Hook};
use crate::network::firewall::mark::MARK;
use crate::network::reachable::host::Host;
use crate::network::reachable::uplink;
use crate::network::reachable::way::{Remedy, Vm, Way};
use crate::record::Escaped;

/// Priorities of Linux and of this program's table: connections are known behind the first, marked behind the second, and
/// translated behind the last (`enum nf_ip_hook_priorities`).
const CONNTRACK: i32 = -200;
const MARKED: i32 = -150;
const TRANSLATED: i32 = -105;

/// The tables of iptables, whose rules only iptables may add.
const OF_IPTABLES: [&str; 5] = ["raw", "mangle", "nat", "filter", "security"];

/// The way of a VM's packets through the host.
pub(in crate::network::reachable) struct Passage<'a> {
    way: Way<'a>,
    uplinks: Vec<Device<'a>>,
    bridge: Device<'a>,
    tap: Option<Device<'a>>,
}

impl<'a> Passage<'a> {
    pub(in crate::network::reachable) fn of(vm: &'a Vm<'_>, way: Way<'a>, host: &'a Host<'_>) -> Option<Self> {
        let device = |name: &'a str| Device { name, index: devices::index(host.paths.network_devices(), name) };
        let bridge = |interface: &&'a crate::domain::Interface<'a>| {
            Some((interface.bridge.as_ref().map(|bridge| bridge.text).or(interface.target)?, interface.target))
        };
        let (bridge, tap) = match way {
            Way::Forward(forward) => {
                let near = host.networks_with(vm, forward.to).map(|(interface, ..)| interface);
                let any = vm.interfaces.iter();
                near.chain(any).find_map(|interface| bridge(&interface))?
            }
            Way::Route(route) => {
                let bridges = vm.interfaces.iter().filter_map(|interface| bridge(&interface));
                { bridges }.find(|(bridge, _)| *bridge == route.device)?
            }
        };
        let uplinks = uplink::of(way, bridge, host).into_iter().map(device).collect();
        Some(Self { way, uplinks, bridge: device(bridge), tap: tap.map(device) })
    }

    /// Returns the devices by which its packets come to be routed.
    pub(in crate::network::reachable) fn devices(&self) -> impl Iterator<Item = &'a str> {
        self.uplinks.iter().map(|device| device.name).chain([self.bridge.name])
    }

    /// Returns the packets that pass a chain, each with its words.
    pub(in crate::network::reachable) fn packets(&self, chain: &BaseChain, marks: bool) -> Vec<(Packet<'a>, String)> {
        let family = self.way.family();
        if matches!((chain.family, family), (Family::Ip, AddressFamily::Ipv6) | (Family::Ip6, AddressFamily::Ipv4)) {
            return Vec::new();
        }
        let is_routing = matches!(chain.family, Family::Ip | Family::Ip6 | Family::Inet) && chain.hook != Hook::Ingress;
        let is_translated = !is_routing || chain.hook != Hook::Prerouting || chain.priority > TRANSLATED;
        let is_known = is_routing && chain.priority > CONNTRACK;
        let is_marked = match self.way {
            Way::Forward(_) => is_known && is_translated,
            Way::Route(_) => is_known && (chain.hook != Hook::Prerouting || chain.priority > MARKED),
        };
        let mark = |is_marked| if is_marked { MARK } else { 0 };
        let request = |iif, oif, is_translated| Packet {
            state: is_known.then_some(NEW),
            mark: (is_known && !marks).then(|| mark(is_marked)),
            bridge: (chain.family == Family::Bridge).then_some(self.bridge.name),
            iif,
            oif,
            ..self.way.request(is_translated)
        };
        let reply = |iif, oif| Packet {
            state: is_known.then_some(ESTABLISHED),
            mark: (is_known && !marks).then_some(MARK),
            bridge: (chain.family == Family::Bridge).then_some(self.bridge.name),
            iif,
            oif,
            // Its source is translated back behind all that filters, or nearly so.
            ..self.way.reply(chain.hook != Hook::Egress && chain.hook != Hook::Postrouting)
        };
        let from_outside =
            |device: &Device<'_>| format!("what comes for the VM by {}", Escaped(device.name.as_bytes()));
        let is_here = |device: &&Device<'_>| chain.devices.iter().any(|name| name == device.name);
        let to_vm = || "what is on its way to the VM".to_owned();
        let from_vm = || "the VM's replies".to_owned();
        let uplinks = self.uplinks.iter();
        let inner = [Some(self.bridge), self.tap].into_iter().flatten();
        match (chain.family, chain.hook) {
            (Family::Bridge, Hook::Output | Hook::Postrouting) => vec![(request(None, self.tap, true), to_vm())],
            (Family::Bridge, Hook::Prerouting | Hook::Input) => vec![(reply(self.tap, None), from_vm())],
            (_, Hook::Ingress) => {
                let requests =
                    uplinks.filter(is_here).map(|device| (request(Some(*device), None, false), from_outside(device)));
                let replies =
                    inner.filter(|device| is_here(&device)).map(|device| (reply(Some(device), None), from_vm()));
                requests.chain(replies).collect()
            }
            (_, Hook::Egress) => {
                let replies = uplinks.filter(is_here).map(|device| (reply(None, Some(*device)), from_vm()));
                let requests =
                    inner.filter(|device| is_here(&device)).map(|device| (request(None, Some(device), true), to_vm()));
                requests.chain(replies).collect()
            }
            (_, Hook::Prerouting) => {
                let requests =
                    uplinks.map(|device| (request(Some(*device), None, is_translated), from_outside(device)));
                requests.chain([(reply(Some(self.bridge), None), from_vm())]).collect()
            }
            (_, Hook::Postrouting) => {
                let replies = uplinks.map(|device| (reply(None, Some(*device)), from_vm()));
                [(request(None, Some(self.bridge), true), to_vm())].into_iter().chain(replies).collect()
            }
            _ => Vec::new(),
        }
    }

    /// Returns the rule that accepts what is dropped, and nothing else of what the chain is for.
    pub(in crate::network::reachable) fn remedy(&self, chain: &BaseChain, packet: &Packet<'_>) -> Remedy {
        if chain.is_owned || !is_word(&chain.table) || !is_word(&chain.name) {
            return Remedy::None;
        }
        let is_marked = packet.state.is_some() && (packet.is_reply || packet.mark != Some(0) && self.is_behind(chain));
        let is_of_iptables = matches!(chain.family, Family::Ip | Family::Ip6) && OF_IPTABLES.contains(&&*chain.table);
        let protocol = packet.protocol.map(|protocol| protocol.name());
        let single = |prefix: Option<IpNet>| prefix.filter(|prefix| prefix.prefix_len() > 0);
        let (source, destination) = (single(packet.source), single(packet.destination));
        let mut words = Vec::new();
        if is_of_iptables {
            let tool = if chain.family == Family::Ip { "iptables" } else { "ip6tables" };
            words.push(format!("{tool} -t {} -I {}", chain.table, chain.name));
            if is_marked {
                words.push(format!("-m connmark --mark {MARK:#010x}/{MARK:#010x}"));
            } else {
                words.extend(source.map(|prefix| format!("-s {prefix}")));
                words.extend(destination.map(|prefix| format!("-d {prefix}")));
                words.extend(protocol.map(|protocol| format!("-p {protocol}")));
                words.extend(packet.source_port.map(|port| format!("--sport {port}")));
                words.extend(packet.destination_port.map(|port| format!("--dport {port}")));
            }
            words.push("-j ACCEPT".to_owned());
        } else {
            words.push(format!("nft insert rule {} {} {}", chain.family.name(), chain.table, chain.name));
            if is_marked {
                words.push(format!("ct mark and {MARK:#010x} == {MARK:#010x}"));
            } else {
                let ip = if packet.family == AddressFamily::Ipv4 { "ip" } else { "ip6" };
                words.extend(source.map(|prefix| format!("{ip} saddr {prefix}")));
                words.extend(destination.map(|prefix| format!("{ip} daddr {prefix}")));
                let protocol = protocol.unwrap_or_default();
                words.extend(packet.source_port.map(|port| format!("{protocol} sport {port}")));
                words.extend(packet.destination_port.map(|port| format!("{protocol} dport {port}")));
            }
            words.push("accept".to_owned());
        }
        Remedy::Command(words.join(" "))
    }

    /// Returns true if this program has marked the connection when its first packet comes to a chain.
    fn is_behind(&self, chain: &BaseChain) -> bool {
        let marked = match self.way {
            Way::Forward(_) => TRANSLATED,
            Way::Route(_) => MARKED,
        };
        chain.hook != Hook::Prerouting || chain.priority > marked
    }
}

/// Returns true if nft and the shell take this name as it is.
fn is_word(name: &str) -> bool {
    let is_of_word = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.');
    name.bytes().all(is_of_word) && name.starts_with(|first: char| first.is_ascii_alphabetic() || first == '_')
}
