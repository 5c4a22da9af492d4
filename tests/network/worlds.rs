//! The tests' own machines are what the tests take them for.

use virt_hooks::kernel::address::Protocol::{Tcp, Udp};

use crate::machine::Machine;
use crate::traffic::{Answer, by};
use crate::world::World;

#[test]
fn a_machines_files_are_its_own() {
    let machine = Machine::new("host");
    machine.write("/etc/libvirt/hooks/custom/file", "hers", 0o640);
    machine.write("/run/virt-hooks/file", "hers", 0o600);
    assert_eq!(machine.shell("hostname && cat /etc/libvirt/hooks/custom/file /run/virt-hooks/file"), "host\nhershers");
    let other = Machine::new("other");
    for inside in ["/etc/libvirt/hooks/custom/file", "/run/virt-hooks/file"] {
        assert!(machine.path(inside).exists());
        assert!(!std::path::Path::new(inside).exists());
        let reply = other.run("cat", [inside]);
        assert!(!reply.success && reply.stderr.contains("No such file"), "{reply:?}");
    }
}

#[test]
fn everybody_reaches_everybody_through_the_host() {
    let world = World::new();
    let services = [
        (&world.guest, "192.168.122.10:7", "[fd00:122::10]:7"),
        (&world.client, "198.51.100.7:7", "[2001:db8:51::7]:7"),
        (&world.far, "203.0.113.9:7", "[2001:db8:113::9]:7"),
        (&world.host, "192.168.122.1:7", "[2001:db8:51::1]:7"),
    ];
    for protocol in [Tcp, Udp] {
        let _services =
            services.map(|(machine, four, six)| (machine.serves(protocol, four), machine.serves(protocol, six)));
        for asking in [&world.client, &world.guest, &world.far, &world.host] {
            for (machine, four, six) in services {
                assert_eq!(asking.asks(protocol, four), by(machine.name()), "{} {protocol} {four}", asking.name());
                assert_eq!(asking.asks(protocol, six), by(machine.name()), "{} {protocol} {six}", asking.name());
            }
        }
    }
}

#[test]
fn what_is_refused_is_told_from_what_is_dropped() {
    let world = World::new();
    assert_eq!(world.client.asks(Tcp, "192.168.122.10:9"), Answer::Refused);
    assert_eq!(world.client.asks(Udp, "[fd00:122::10]:9"), Answer::Refused);
    world.host.nft(
        "table inet t { chain c { type filter hook forward priority 0\n udp dport 9 drop\n tcp dport 9 drop\n \
         tcp dport 10 reject with icmpx admin-prohibited\n }\n }",
    );
    assert_eq!(world.client.asks(Tcp, "192.168.122.10:9"), Answer::TimedOut);
    assert_eq!(world.client.asks(Udp, "[fd00:122::10]:9"), Answer::TimedOut);
    assert_eq!(world.client.asks(Tcp, "192.168.122.10:10"), Answer::Refused);
    assert_eq!(world.client.asks(Tcp, "[fd00:122::10]:10"), Answer::Refused);
}

#[test]
fn a_connection_ends_with_its_service() {
    let world = World::new();
    for protocol in [Tcp, Udp] {
        let service = world.guest.serves(protocol, "192.168.122.10:7");
        let mut connection = world.client.connects(protocol, "192.168.122.10:7");
        assert!(connection.goes_on());
        assert_eq!(connection.seen_as.ip().to_string(), "198.51.100.7");
        drop(service);
        assert!(!connection.goes_on());
    }
}
