//! What a forward does and what it does not, each as a connection that works or is refused, to one guest that all of these
//! share.

use std::sync::OnceLock;

use virt_hooks::kernel::address::Protocol::{Tcp, Udp};

use super::town::Town;
use crate::guest::Guest;
use crate::traffic::{Answer, by};

const DECLARATIONS: &str = r#"
[[forward]]
domain = "web-*"
port = 8080
toPort = 80

[[forward]]
domain = "web-1"
protocol = "udp"
port = 5300
toPort = 53

[[forward]]
domain = "web-1"
port = "8000-8003"
to = "192.168.122.10"
toPort = 80

[[forward]]
domain = "web-1"
port = 8443
toPort = 80
from = ["198.51.100.0/29", "2001:db8:51::/125"]

[[forward]]
domain = "web-1"
listen = "203.0.113.1"
port = 8081
toPort = 80

[[route]]
domain = "web-1"
to = "198.51.100.9/32"
proxy = "eth0"

[[route]]
domain = "web-1"
to = "2001:db8:51::9/128"
proxy = "eth0"
"#;

const HOST: [&str; 2] = ["198.51.100.1", "[2001:db8:51::1]"];

struct Shared {
    town: Town,
    guest: Guest,
}

/// The town, once its guest has booted.
fn shared() -> &'static Shared {
    static SHARED: OnceLock<Shared> = OnceLock::new();
    SHARED.get_or_init(|| {
        let town = Town::declaring(DECLARATIONS);
        let guest = Guest::named("web-1").on_libvirts_network("192.168.122.10");
        town.boots(&guest);
        Shared { town, guest }
    })
}

#[test]
fn a_forward_leads_to_the_guest_over_ipv4_and_ipv6_although_libvirt_refuses_what_is_for_it() {
    let Shared { town, .. } = shared();
    for host in HOST {
        assert_eq!(town.client.asks(Tcp, &format!("{host}:8080")), by("guest"), "{host}\n{}", town.host.log());
        assert_eq!(town.client.asks(Tcp, &format!("{host}:80")), Answer::Refused, "{host}");
    }
    // libvirt goes on refusing what is not forwarded.
    for guest in ["192.168.122.10:80", "[fd00:122::10]:80"] {
        assert_eq!(town.client.asks(Tcp, guest), Answer::Refused, "{guest}");
    }
}

#[test]
fn the_guest_reaches_itself_by_its_own_hosts_address() {
    let Shared { town, guest } = shared();
    for host in ["198.51.100.1", "192.168.122.1", "[2001:db8:51::1]", "[fd00:122::1]"] {
        assert_eq!(town.guest_asks(guest, "tcp", &format!("{host}:8080")), by("guest"), "{host}");
    }
    assert_eq!(town.guest_asks(guest, "udp", "198.51.100.1:5300"), by("guest"));
    assert_eq!(town.guest_asks(guest, "tcp", "198.51.100.1:80"), Answer::Refused);
}

#[test]
fn the_host_itself_reaches_the_guest_by_its_own_address() {
    let Shared { town, .. } = shared();
    for host in ["198.51.100.1", "192.168.122.1", "[2001:db8:51::1]", "[fd00:122::1]"] {
        assert_eq!(town.itself.asks(Tcp, &format!("{host}:8080")), by("guest"), "{host}");
    }
    assert_eq!(town.itself.asks(Tcp, "127.0.0.1:8080"), Answer::Refused);
}

#[test]
fn the_guest_sees_who_its_clients_are() {
    let Shared { town, .. } = shared();
    let connection = town.client.connects(Tcp, "[2001:db8:51::1]:8080");
    assert_eq!(connection.seen_as.ip().to_string(), "2001:db8:51::7");
    let connection = town.client.connects(Udp, "198.51.100.1:5300");
    assert_eq!(connection.seen_as.ip().to_string(), "198.51.100.7");
}

#[test]
fn only_those_connect_whom_a_forward_is_for() {
    let Shared { town, guest } = shared();
    for (host, far) in HOST.into_iter().zip(["203.0.113.1", "[2001:db8:113::1]"]) {
        assert_eq!(town.client.asks(Tcp, &format!("{host}:8443")), by("guest"), "{host}");
        assert_eq!(town.far.asks(Tcp, &format!("{far}:8443")), Answer::Refused, "{far}");
        assert_eq!(town.guest_asks(guest, "tcp", &format!("{host}:8443")), Answer::Refused, "{host}");
    }
}

#[test]
fn a_forward_of_udp_and_one_of_a_range_lead_to_the_ports_behind() {
    let Shared { town, .. } = shared();
    for host in HOST {
        assert_eq!(town.client.asks(Udp, &format!("{host}:5300")), by("guest"), "{host}");
        assert_eq!(town.client.asks(Tcp, &format!("{host}:5300")), Answer::Refused, "{host}");
    }
    assert_eq!(town.client.asks(Tcp, "198.51.100.1:8000"), by("guest"));
    assert_eq!(town.client.asks(Tcp, "198.51.100.1:8003"), by("last"));
    assert_eq!(town.client.asks(Tcp, "198.51.100.1:8001"), Answer::Refused, "nothing serves behind it");
    assert_eq!(town.client.asks(Tcp, "198.51.100.1:8004"), Answer::Refused);
    // Its "to" is an IPv4 address.
    assert_eq!(town.client.asks(Tcp, "[2001:db8:51::1]:8000"), Answer::Refused);
}

#[test]
fn a_forward_of_one_address_is_open_on_that_alone() {
    let Shared { town, .. } = shared();
    assert_eq!(town.client.asks(Tcp, "203.0.113.1:8081"), by("guest"));
    assert_eq!(town.client.asks(Tcp, "198.51.100.1:8081"), Answer::Refused);
    assert_eq!(town.client.asks(Tcp, "[2001:db8:51::1]:8081"), Answer::Refused);
}

#[test]
fn what_is_in_transit_and_what_the_host_and_the_guest_ask_of_others_is_left_alone() {
    let Shared { town, guest } = shared();
    for address in ["203.0.113.9:8080", "[2001:db8:113::9]:8080"] {
        let _service = town.far.serves(Tcp, address);
        for asking in [&town.client, &town.itself] {
            assert_eq!(asking.asks(Tcp, address), by("far"), "{} {address}", asking.name());
        }
        assert_eq!(town.guest_asks(guest, "tcp", address), by("far"), "{address}");
    }
    let _service = town.far.serves(Udp, "203.0.113.9:5300");
    assert_eq!(town.client.asks(Udp, "203.0.113.9:5300"), by("far"));
    assert_eq!(town.guest_asks(guest, "udp", "203.0.113.9:5300"), by("far"));
}

#[test]
fn a_guest_has_a_public_address_where_the_host_answers_for_it() {
    let Shared { town, guest } = shared();
    town.in_guest(guest, "ip address add 198.51.100.9/32 dev eth0; ip address add 2001:db8:51::9/128 dev eth0");
    for address in ["198.51.100.9:83", "[2001:db8:51::9]:83"] {
        // The client takes it for a neighbour, the other host sends it to the host.
        assert_eq!(town.client.asks(Tcp, address), by("last"), "{address}\n{}", town.host.log());
        assert_eq!(town.far.asks(Tcp, address), by("last"), "{address}");
        assert_eq!(town.itself.asks(Tcp, address), by("last"), "{address}");
    }
    // It goes out by it, too.
    assert!(town.in_guest(guest, "ping -c 1 -W 2 -I 198.51.100.9 198.51.100.7").contains("1 packets received"));
    assert!(town.client.shell("ip neighbour show 198.51.100.9 nud all").contains("lladdr"), "ARP answers");
}

#[test]
fn status_shows_what_a_vm_that_runs_has_and_how_often_it_was_used() {
    let Shared { town, .. } = shared();
    assert_eq!(town.client.asks(Tcp, "203.0.113.1:8081"), by("guest"));
    let shown = town.virt_hooks("network status");
    println!("{shown}");
    let row = shown.lines().find(|line| line.contains("tcp port 8080 to 192.168.122.10:80"));
    assert!(row.is_some_and(|row| row.starts_with("web-1") && row.contains(" applied ")), "{shown}");
    let rows: serde_json::Value = serde_json::from_str(&town.virt_hooks("network status --json")).unwrap();
    for what in ["tcp port 8080 to [fd00:122::10]:80", "198.51.100.9/32 to virbr0, answered for on eth0"] {
        let is_it = |row: &&serde_json::Value| row["what"] == what && row["domain"] == "web-1";
        let row = rows.as_array().unwrap().iter().find(is_it);
        assert_eq!(row.unwrap_or_else(|| panic!("{what}: {rows}"))["state"], "applied");
    }
    let used = rows.as_array().unwrap().iter().find(|row| row["what"].as_str().unwrap().contains("203.0.113.1:8081"));
    assert!(used.unwrap()["connections"].as_u64().unwrap() > 0, "{rows}");
    assert!(town.virt_hooks("network apply").contains("Nothing was changed"));
}

#[test]
fn iptables_goes_on_working_beside_a_forward() {
    let Shared { town, .. } = shared();
    for program in ["iptables", "ip6tables"] {
        town.host.shell(&format!(
            "{program} -w -A FORWARD -p tcp --dport 7 -j DROP && {program} -w -S FORWARD && {program} -w -L -n > /dev/null && \
             {program} -w -t nat -S > /dev/null && {program} -w -D FORWARD -p tcp --dport 7 -j DROP"
        ));
    }
}
