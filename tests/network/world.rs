//! The machines of a test and the cables between them.
//!
//! ```text
//! client ────────────── host ────────────── far
//!  198.51.100.7    .1    │    203.0.113.1   203.0.113.9
//!  2001:db8:51::7  ::1   │  2001:db8:113::1 2001:db8:113::9
//!                     virbr0
//!                   192.168.122.1, fd00:122::1
//!                        │
//!                      guest
//!                   192.168.122.10, fd00:122::10
//! ```

use crate::machine::Machine;

pub(crate) struct World {
    /// Outside, and knows no way but through the host.
    pub(crate) client: Machine,
    /// Forwards between all of them, as one with libvirt's NAT network does.
    pub(crate) host: Machine,
    /// Behind the host's bridge `virbr0`.
    pub(crate) guest: Machine,
    /// Behind the host as the client is before it: what goes between the two is in transit.
    pub(crate) far: Machine,
}

impl World {
    pub(crate) fn new() -> Self {
        let [client, host, guest, far] = ["client", "host", "guest", "far"].map(Machine::new);
        client.join("eth0", &host, "eth0");
        far.join("eth0", &host, "eth1");
        guest.join("eth0", &host, "vnet0");
        host.shell(
            "ip link add virbr0 type bridge forward_delay 0
             ip link set virbr0 up
             ip link set vnet0 master virbr0
             sysctl -qw net.ipv4.ip_forward=1 net.ipv6.conf.all.forwarding=1",
        );
        for (device, addresses) in [
            ("eth0", ["198.51.100.1/24", "2001:db8:51::1/64"]),
            ("eth1", ["203.0.113.1/24", "2001:db8:113::1/64"]),
            ("virbr0", ["192.168.122.1/24", "fd00:122::1/64"]),
        ] {
            give(&host, device, addresses);
        }
        for (machine, addresses, gateways) in [
            (&client, ["198.51.100.7/24", "2001:db8:51::7/64"], ["198.51.100.1", "2001:db8:51::1"]),
            (&far, ["203.0.113.9/24", "2001:db8:113::9/64"], ["203.0.113.1", "2001:db8:113::1"]),
            (&guest, ["192.168.122.10/24", "fd00:122::10/64"], ["192.168.122.1", "fd00:122::1"]),
        ] {
            give(machine, "eth0", addresses);
            for gateway in gateways {
                machine.shell(&format!("ip route add default via {gateway}"));
            }
        }
        Self { client, host, guest, far }
    }
}

fn give(machine: &Machine, device: &str, addresses: [&str; 2]) {
    for address in addresses {
        machine.shell(&format!("ip address add {address} dev {device}"));
    }
}
