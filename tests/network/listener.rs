//! Which local service a forward would take away, asked of the kernel.

use std::fs;
use std::net::{IpAddr, UdpSocket};

use virt_hooks::kernel::address::Ports;
use virt_hooks::kernel::address::Protocol::{self, Tcp, Udp};
use virt_hooks::kernel::deadline::Deadline;
use virt_hooks::network::allocation::Forward;
use virt_hooks::network::desired::listener::Listeners;
use virt_hooks::network::timeouts::TOOL;

use testbed::eventually;

use crate::by_hand::forward;
use crate::machine::Machine;

const V4: &str = "192.168.122.10:80";
const V6: &str = "[fd00:122::10]:80";

/// Who listens on the host where a forward of this port is to be.
fn occupant(host: &Machine, forward: &Forward) -> Option<String> {
    let deadline = Deadline::after(TOOL);
    let listeners = host.within(|| Listeners::now(forward.protocol, deadline)).unwrap();
    listeners.occupant(forward, Some(deadline)).map(|occupant| occupant.to_string())
}

/// This process, as messages name it.
fn this_process() -> String {
    let name = fs::read_to_string("/proc/self/comm").unwrap();
    format!("{}'s (process {})", name.trim_end(), std::process::id())
}

#[test]
fn a_service_is_in_the_way_of_forwards_that_would_take_what_it_gets() {
    let host = Machine::new("host");
    let listening = |address: &str, port| {
        let address: IpAddr = address.parse().unwrap();
        move |mut forward: Forward| {
            forward.ports = port;
            Forward { listen: Some(address), ..forward }
        }
    };
    host.shell(
        "ip link add br0 type bridge
         ip link set br0 up
         ip address add 192.0.2.1/24 dev br0
         ip address add 192.0.2.2/24 dev br0
         ip address add 2001:db8::1/64 dev br0",
    );
    // Where a service listens, whether that is in the way of a forward of IPv4, of one of IPv6, and of one that listens on
    // 192.0.2.1.
    for (address, four, six, listens) in [
        ("0.0.0.0:53", true, false, true),
        ("[::]:53", true, true, true),
        ("192.0.2.1:53", true, false, true),
        ("192.0.2.2:53", true, false, false),
        ("[2001:db8::1]:53", false, true, false),
        ("[::ffff:192.0.2.1]:53", true, false, true),
        ("127.0.0.1:53", false, false, false),
        ("127.0.0.53:53", false, false, false),
        ("[::1]:53", false, false, false),
        ("0.0.0.0:54", false, false, false),
    ] {
        for protocol in [Tcp, Udp] {
            // Whatever another test starts at this moment holds every socket of this process until it is another program.
            eventually("the port is free", || {
                let mut forwards =
                    [Tcp, Udp].into_iter().flat_map(|protocol| [V4, V6].map(|to| forward(protocol, 53, to)));
                forwards.all(|forward| occupant(&host, &forward).is_none())
            });
            let _service = host.serves(protocol, address);
            let other = if protocol == Tcp { Udp } else { Tcp };
            let port = Ports::new(53, 53).unwrap();
            let is_taken = |forward: Forward| occupant(&host, &forward).is_some();
            assert_eq!(is_taken(forward(protocol, 53, V4)), four, "{address} {protocol}");
            assert_eq!(is_taken(forward(protocol, 53, V6)), six, "{address} {protocol}");
            assert_eq!(
                is_taken(listening("192.0.2.1", port)(forward(protocol, 53, V4))),
                listens,
                "{address} {protocol}"
            );
            assert!(!is_taken(forward(other, 53, V4)), "{address} {protocol}");
            assert!(!is_taken(forward(protocol, 52, V4)), "{address} {protocol}");
        }
    }
}

#[test]
fn a_socket_for_ipv6_only_leaves_ipv4_alone() {
    let host = Machine::new("host");
    host.shell("sysctl -qw net.ipv6.bindv6only=1");
    for protocol in [Tcp, Udp] {
        let _service = host.serves(protocol, "[::]:53");
        assert_eq!(occupant(&host, &forward(protocol, 53, V4)), None);
        assert!(occupant(&host, &forward(protocol, 53, V6)).is_some());
    }
}

#[test]
fn the_service_is_named() {
    let host = Machine::new("host");
    host.shell("ip link add br0 type bridge && ip address add 192.0.2.1/24 dev br0");
    let all = host.serves(Udp, "0.0.0.0:53");
    let expected = format!("port 53/udp of every address is {}", this_process());
    assert_eq!(occupant(&host, &forward(Udp, 53, V4)), Some(expected));
    drop(all);
    let _one = host.serves(Tcp, "192.0.2.1:8005");
    let range = |protocol: Protocol, first, last| {
        let ports = Ports::new(first, last).unwrap();
        occupant(&host, &Forward { ports, ..forward(protocol, first, V4) })
    };
    assert_eq!(range(Tcp, 8000, 8010), Some(format!("port 8005/tcp of 192.0.2.1 is {}", this_process())));
    assert_eq!(range(Tcp, 8006, 8010), None);
    assert_eq!(range(Udp, 8000, 8010), None);
}

#[test]
fn a_port_whose_process_is_not_seen_is_taken_all_the_same() {
    let host = Machine::new("host");
    // A socket of the kernel's own, that of a tunnel.
    host.shell("ip link add vx0 type vxlan id 1 dstport 4789 local 192.0.2.1 && ip link set vx0 up");
    let expected = "port 4789/udp of every address is taken, by whom can't be seen";
    assert_eq!(occupant(&host, &forward(Udp, 4789, V4)).as_deref(), Some(expected));
}

#[test]
fn a_connection_is_not_in_the_way() {
    let host = Machine::new("host");
    let server = host.within(|| UdpSocket::bind("127.0.0.1:5000")).unwrap();
    let client = host.within(|| UdpSocket::bind("0.0.0.0:5001")).unwrap();
    assert!(occupant(&host, &forward(Udp, 5001, V4)).is_some());
    client.connect(server.local_addr().unwrap()).unwrap();
    assert_eq!(occupant(&host, &forward(Udp, 5001, V4)), None);
    // One that has asked for no port is by chance where it is. A forward of that one port is somebody's wish, a range is not.
    let asking = host.within(|| UdpSocket::bind("0.0.0.0:0")).unwrap();
    let port = asking.local_addr().unwrap().port();
    let one = forward(Udp, port, V4);
    assert!(occupant(&host, &one).is_some());
    let ports = Ports::new(port - 1, port).unwrap();
    assert_eq!(occupant(&host, &Forward { ports, ..one }), None);
}
