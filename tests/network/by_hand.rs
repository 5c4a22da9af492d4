//! Forwards as a person would load them, with the mark that virt-hooks' own have: for tests of what deals with connections
//! through forwards, whoever has made them.

use std::net::SocketAddr;

use virt_hooks::kernel::address::Protocol;
use virt_hooks::network::allocation::Forward;

use crate::machine::Machine;

/// A forward of a port of every address of the host.
pub(crate) fn forward(protocol: Protocol, port: u16, to: &str) -> Forward {
    let to: SocketAddr = to.parse().unwrap();
    Forward {
        protocol,
        listen: None,
        ports: virt_hooks::kernel::address::Ports::new(port, port).unwrap(),
        to: to.ip(),
        to_port: to.port(),
        from: Vec::new(),
    }
}

/// Makes these the host's forwards, in a table of their own.
#[track_caller]
pub(crate) fn forwards(host: &Machine, forwards: &[Forward]) {
    let rules = forwards.iter().map(|forward| {
        let Forward { protocol, ports, to, to_port, .. } = forward;
        let family = if to.is_ipv4() { "ip" } else { "ip6" };
        let to = SocketAddr::from((*to, *to_port));
        format!(
            "meta nfproto {} fib daddr type local {protocol} dport {ports} ct mark set ct mark | 0x01000000 \
             dnat {family} to {to}\n",
            if family == "ip" { "ipv4" } else { "ipv6" }
        )
    });
    let rules: String = rules.collect();
    host.nft(&format!(
        "table inet by-hand {{ }}\ndelete table inet by-hand\n\
         table inet by-hand {{\n\
         chain prerouting {{ type nat hook prerouting priority -105\n{rules} }}\n\
         chain output {{ type nat hook output priority -105\n{rules} }}\n}}\n"
    ));
}
