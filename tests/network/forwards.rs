//! Forwards that come and go with a VM, each as a connection that works or does not.

use virt_hooks::kernel::address::Protocol::{Tcp, Udp};

use crate::traffic::{Answer, by};
use crate::vm::Vm;
use crate::world::World;

/// A world whose host has the hook and these declarations.
fn world(declarations: &str) -> World {
    let world = World::new();
    world.host.has_virt_hooks();
    world.host.declares(declarations);
    world
}

#[test]
fn a_forward_is_open_while_the_vm_runs_for_both_families_and_nothing_is_left_of_it() {
    let world = world("[[forward]]\ndomain = \"web-*\"\nport = 8080\ntoPort = 80\n");
    let _services = ["192.168.122.10:80", "[fd00:122::10]:80"].map(|address| world.guest.serves(Tcp, address));
    let vm = Vm::new("web-1");
    let both = ["198.51.100.1:8080", "[2001:db8:51::1]:8080"];
    world.host.takes_through(&vm, &["prepare", "start"]);
    for address in both {
        assert_eq!(world.client.asks(Tcp, address), Answer::Refused, "{address}");
    }
    world.host.takes_through(&vm, &["started"]);
    for address in both {
        assert_eq!(world.client.asks(Tcp, address), by("guest"), "{address}\n{}", world.host.log());
    }
    let mut open = world.client.connects(Tcp, both[0]);
    world.host.takes_through(&vm, &["stopped"]);
    assert!(!open.goes_on());
    for address in both {
        assert_eq!(world.client.asks(Tcp, address), Answer::Refused, "{address}");
    }
    assert_eq!(world.host.left(), "");
    world.host.takes_through(&vm, &["release"]);
    assert_eq!(world.host.left(), "");
}

#[test]
fn a_forward_of_udp_and_one_of_a_range_lead_to_the_ports_behind() {
    let world = world(
        "[[forward]]\ndomain = \"web-1\"\nprotocol = \"udp\"\nport = 53\n\
         [[forward]]\ndomain = \"web-1\"\nport = \"8000-8003\"\ntoPort = 80\n",
    );
    let _services = [
        world.guest.serves_as("dns", Udp, "192.168.122.10:53"),
        world.guest.serves_as("first", Tcp, "192.168.122.10:80"),
        world.guest.serves_as("last", Tcp, "192.168.122.10:83"),
    ];
    world.host.starts(&Vm::new("web-1"));
    assert_eq!(world.client.asks(Udp, "198.51.100.1:53"), by("dns"), "{}", world.host.log());
    assert_eq!(world.client.asks(Tcp, "198.51.100.1:53"), Answer::Refused);
    assert_eq!(world.client.asks(Tcp, "198.51.100.1:8000"), by("first"));
    assert_eq!(world.client.asks(Tcp, "198.51.100.1:8003"), by("last"));
    assert_eq!(world.client.asks(Tcp, "198.51.100.1:8004"), Answer::Refused);
}

#[test]
fn only_those_connect_whom_the_forward_is_for() {
    let world = world(
        "[[forward]]\ndomain = \"web-1\"\nport = 8080\ntoPort = 80\nfrom = [\"198.51.100.0/24\", \"2001:db8:51::/64\"]\n",
    );
    let _services = ["192.168.122.10:80", "[fd00:122::10]:80"].map(|address| world.guest.serves(Tcp, address));
    world.host.starts(&Vm::new("web-1"));
    assert_eq!(world.client.asks(Tcp, "198.51.100.1:8080"), by("guest"), "{}", world.host.log());
    assert_eq!(world.client.asks(Tcp, "[2001:db8:51::1]:8080"), by("guest"));
    assert_eq!(world.far.asks(Tcp, "203.0.113.1:8080"), Answer::Refused);
    assert_eq!(world.far.asks(Tcp, "[2001:db8:113::1]:8080"), Answer::Refused);
}

#[test]
fn the_host_itself_and_the_guest_reach_it_by_the_hosts_own_address() {
    let world = world("[[forward]]\ndomain = \"web-1\"\nport = 8080\ntoPort = 80\n");
    let _services = ["192.168.122.10:80", "[fd00:122::10]:80"].map(|address| world.guest.serves(Tcp, address));
    world.host.starts(&Vm::new("web-1"));
    for address in ["198.51.100.1:8080", "192.168.122.1:8080", "[2001:db8:51::1]:8080", "[fd00:122::1]:8080"] {
        assert_eq!(world.guest.asks(Tcp, address), by("guest"), "the guest, {address}");
        assert_eq!(world.host.asks(Tcp, address), by("guest"), "the host, {address}");
    }
    assert_eq!(world.host.asks(Tcp, "127.0.0.1:8080"), Answer::Refused);
}

#[test]
fn what_is_for_others_is_left_alone() {
    let world = world("[[forward]]\ndomain = \"web-1\"\nport = 8080\ntoPort = 80\n");
    let _guest = world.guest.serves(Tcp, "192.168.122.10:80");
    let _far = ["203.0.113.9:8080", "[2001:db8:113::9]:8080"].map(|address| world.far.serves(Tcp, address));
    world.host.starts(&Vm::new("web-1"));
    for address in ["203.0.113.9:8080", "[2001:db8:113::9]:8080"] {
        for asking in [&world.client, &world.host, &world.guest] {
            assert_eq!(asking.asks(Tcp, address), by("far"), "{} {address}", asking.name());
        }
    }
}

#[test]
fn a_forward_of_one_address_is_open_on_that_alone() {
    let world = world(
        "[[forward]]\ndomain = \"web-1\"\nlisten = \"198.51.100.1\"\nport = 8080\ntoPort = 80\n\
         [[forward]]\ndomain = \"web-2\"\nlisten = \"203.0.113.1\"\nport = 8080\ntoPort = 81\nto = \"192.168.122.10\"\n",
    );
    let _services = [
        world.guest.serves_as("one", Tcp, "192.168.122.10:80"),
        world.guest.serves_as("two", Tcp, "192.168.122.10:81"),
    ];
    world.host.starts(&Vm::new("web-1"));
    assert_eq!(world.client.asks(Tcp, "198.51.100.1:8080"), by("one"), "{}", world.host.log());
    assert_eq!(world.client.asks(Tcp, "203.0.113.1:8080"), Answer::Refused);
    world.host.starts(&Vm::numbered("web-2", 11));
    assert_eq!(world.client.asks(Tcp, "203.0.113.1:8080"), by("two"), "{}", world.host.log());
    assert_eq!(world.client.asks(Tcp, "198.51.100.1:8080"), by("one"));
    world.host.stops(&Vm::new("web-1"));
    assert_eq!(world.client.asks(Tcp, "203.0.113.1:8080"), by("two"));
    assert_eq!(world.client.asks(Tcp, "198.51.100.1:8080"), Answer::Refused);
}

#[test]
fn what_was_flushed_is_back_for_all_when_the_next_vm_starts() {
    let world = world(
        "[[forward]]\ndomain = \"web-1\"\nport = 8080\ntoPort = 80\n\
         [[forward]]\ndomain = \"web-2\"\nport = 8081\ntoPort = 81\nto = \"192.168.122.10\"\n",
    );
    let _services = [
        world.guest.serves_as("one", Tcp, "192.168.122.10:80"),
        world.guest.serves_as("two", Tcp, "192.168.122.10:81"),
    ];
    world.host.starts(&Vm::new("web-1"));
    world.host.nft("flush ruleset");
    assert_eq!(world.client.asks(Tcp, "198.51.100.1:8080"), Answer::Refused);
    world.host.starts(&Vm::numbered("web-2", 11));
    assert_eq!(world.client.asks(Tcp, "198.51.100.1:8080"), by("one"), "{}", world.host.log());
    assert_eq!(world.client.asks(Tcp, "198.51.100.1:8081"), by("two"), "{}", world.host.log());
}

#[test]
fn who_has_been_sending_before_a_port_was_forwarded_reaches_the_vm_and_who_sends_to_others_goes_on() {
    let world = world("[[forward]]\ndomain = \"web-1\"\nprotocol = \"udp\"\nport = 514\n");
    let _service = world.guest.serves(Udp, "192.168.122.10:514");
    let _far = world.far.serves(Udp, "203.0.113.9:514");
    let mut in_transit = world.client.connects(Udp, "203.0.113.9:514");
    let socket = world.client.within(|| {
        let socket = std::net::UdpSocket::bind("198.51.100.7:40000").unwrap();
        socket.connect("198.51.100.1:514").unwrap();
        socket.set_read_timeout(Some(std::time::Duration::from_millis(500))).unwrap();
        socket
    });
    let asks = || {
        // Nobody listens yet, and the kernel says so.
        _ = socket.send(b"?\n");
        let mut answer = [0; 100];
        socket.recv(&mut answer).is_ok()
    };
    world.host.nft("table inet quiet { chain c { type filter hook input priority 0\n udp dport 514 drop\n }\n }");
    assert!(!asks() && !asks());
    world.host.starts(&Vm::new("web-1"));
    assert!(asks() || asks(), "{}", world.host.log());
    assert!(in_transit.goes_on());
}

#[test]
fn a_vm_beside_the_clients_hides_them_from_no_other_vm() {
    let world = world(
        "[[forward]]\ndomain = \"web-1\"\nport = 8080\ntoPort = 80\n\
         [[forward]]\ndomain = \"bridged\"\nport = 9090\nto = \"198.51.100.50\"\n",
    );
    let _service = world.guest.serves(Tcp, "192.168.122.10:80");
    world.host.starts(&Vm::new("web-1"));
    assert_eq!(world.client.connects(Tcp, "198.51.100.1:8080").seen_as.ip().to_string(), "198.51.100.7");
    // A VM on the bridge by which the client comes; here that is the device itself.
    let bridged = Vm::numbered("bridged", 11);
    let xml = bridged.xml(true).replace("bridge='virbr0'", "bridge='eth0'");
    let reply = world.host.run_with(xml, "/etc/libvirt/hooks/qemu", ["bridged", "started", "begin", "-"]);
    assert!(reply.success && world.host.log().contains("added the forward tcp port 9090"), "{}", world.host.log());
    assert_eq!(world.client.connects(Tcp, "198.51.100.1:8080").seen_as.ip().to_string(), "198.51.100.7");
    assert_eq!(world.guest.asks(Tcp, "198.51.100.1:8080"), by("guest"));
}
