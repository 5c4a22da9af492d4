//! Two that want the same port or destination: the later one goes without, and is told whose it is.

use virt_hooks::kernel::address::Protocol::{Tcp, Udp};

use crate::machine::Machine;
use crate::traffic::by;
use crate::vm::{LOG, Vm};
use crate::world::World;

/// What of this program's is in nftables for forwards to the VM with this address, as text.
fn elements(host: &Machine, to: &str) -> Vec<String> {
    let listing = host.shell("nft list ruleset");
    let listing = virt_hooks::network::firewall::table::read(&listing);
    let shown = listing.elements.iter().map(virt_hooks::network::firewall::table::Element::shown);
    shown.filter(|shown| shown.contains(&format!(": {to} ."))).collect()
}

#[test]
fn a_port_is_the_vms_that_had_it_first_wherever_both_could_get_the_same_packet() {
    let any = "port = 8080";
    // What the first declares, what the second, and whether they meet.
    for (first, second, meet) in [
        (any, any, true),
        (any, "port = 8081", false),
        (any, "port = \"8070-8090\"", true),
        (any, "port = \"8081-8090\"", false),
        ("port = \"8000-8080\"", "port = \"8080-8090\"", true),
        (any, "port = 8080\nprotocol = \"udp\"", false),
        ("port = 8080\nprotocol = \"udp\"", "port = \"8000-9000\"\nprotocol = \"udp\"", true),
        (any, "port = 8080\nlisten = \"198.51.100.1\"", true),
        ("port = 8080\nlisten = \"198.51.100.1\"", any, true),
        ("port = 8080\nlisten = \"198.51.100.1\"", "port = 8080\nlisten = \"198.51.100.1\"", true),
        ("port = 8080\nlisten = \"198.51.100.1\"", "port = 8080\nlisten = \"198.51.100.2\"", false),
        (any, "port = 8080\nlisten = \"0.0.0.0\"", true),
        (any, "port = 8080\nfrom = \"192.0.2.0/24\"", true),
        ("port = 8080\nfrom = \"192.0.2.0/24\"", any, true),
        ("port = 8080\nfrom = \"192.0.2.0/24\"", "port = 8080\nfrom = \"192.0.2.128/25\"", true),
        ("port = 8080\nfrom = \"192.0.2.0/25\"", "port = 8080\nfrom = \"192.0.2.128/25\"", false),
        (
            "port = 8080\nfrom = [\"192.0.2.0/24\", \"203.0.113.0/24\"]",
            "port = 8080\nfrom = [\"198.51.100.0/24\", \"203.0.113.7\"]",
            true,
        ),
        (
            "port = 8080\nlisten = \"198.51.100.1\"\nfrom = \"192.0.2.0/24\"",
            "port = 8080\nlisten = \"198.51.100.2\"\nfrom = \"192.0.2.0/24\"",
            false,
        ),
        ("port = 8080\nlisten = \"198.51.100.1\"", "port = 8080\nfrom = \"192.0.2.0/24\"", true),
    ] {
        let host = Machine::declaring(&format!(
            "[[forward]]\ndomain = \"first\"\nto = \"192.168.122.10\"\n{first}\n\
             [[forward]]\ndomain = \"second\"\nto = \"192.168.122.11\"\n{second}\n\
             [[forward]]\ndomain = \"second\"\nto = \"192.168.122.11\"\nport = 22\nprotocol = \"udp\"\ntoPort = 1022\n"
        ));
        let (one, other) = (Vm::numbered("first", 10), Vm::numbered("second", 11));
        host.starts(&one);
        host.starts(&other);
        let row = format!("{first}\nthen\n{second}\n{}", host.log());
        assert!(!elements(&host, "192.168.122.10").is_empty(), "{row}");
        let seconds = elements(&host, "192.168.122.11");
        if !meet {
            assert!(seconds.len() > 1, "{row}");
            continue;
        }
        assert_eq!(seconds.len(), 1, "only the other forward: {row}");
        let line = host.log().lines().filter(|line| line.contains("ERROR") && line.contains("started")).count();
        assert_eq!(line, 1, "{row}");
        assert!(host.log().contains("second started/begin"), "{row}");
        assert!(row.contains("the VM first has"), "{row}");
        let refused: Vec<_> = host.stands().into_iter().filter(|[_, state, _]| state == "refused").collect();
        assert!(matches!(refused.as_slice(), [[vm, _, why]] if vm == "second" && why.contains("the VM first has")));

        host.stops(&one);
        let applied = host.virt_hooks("network apply");
        assert!(applied.success, "{row}\n{applied:?}");
        assert!(elements(&host, "192.168.122.10").is_empty(), "{row}");
        assert!(elements(&host, "192.168.122.11").len() > 1, "{row}");
        host.stops(&other);
        assert_eq!(host.left(), "", "{row}");
    }
}

#[test]
fn families_do_not_meet() {
    let host = Machine::declaring(
        "[[forward]]\ndomain = \"first\"\nport = 80\nto = \"192.168.122.10\"\n\
         [[forward]]\ndomain = \"second\"\nport = 80\nto = \"fd00:122::11\"\n",
    );
    host.starts(&Vm::new("first"));
    host.starts(&Vm::numbered("second", 11));
    assert_eq!(elements(&host, "192.168.122.10").len(), 1);
    assert_eq!(elements(&host, "fd00:122::11").len(), 1, "{}", host.log());
}

#[test]
fn a_service_of_the_host_keeps_its_port_and_is_named() {
    let world = World::declaring(
        "[[forward]]\ndomain = \"web-1\"\nport = 8080\ntoPort = 80\n[[forward]]\ndomain = \"web-1\"\nport = 8081\ntoPort = 80\n",
    );
    let host = &world.host;
    let _guest = world.guest.serves(Tcp, "192.168.122.10:80");
    host.shell(
        "perl -MIO::Socket::INET -e '
             my $listener = IO::Socket::INET->new(Listen => 1, LocalPort => 8080) or die; sleep
         ' > /dev/null 2>&1 < /dev/null &
         for attempt in {1..100}; do ss -Hltn 2>/dev/null | grep -q :8080 && break; sleep 0.05; done",
    );
    host.starts(&Vm::new("web-1"));
    let log = host.log();
    assert!(log.contains("port 8080/tcp of every address is perl's (process "), "{log}");
    assert_eq!(world.client.asks(Tcp, "198.51.100.1:8081"), by("guest"), "{log}");
    assert!(!host.shell("nft list table inet virt-hooks").contains("tcp . 8080 counter packets 0 bytes 0 : 192."));
    // One that comes later finds its port taken by the kernel's own rules, and takes nothing from the VM.
    let _late = host.serves(Tcp, "198.51.100.1:8081");
    host.takes_through(&Vm::new("web-1"), &["reconnect"]);
    assert_eq!(world.client.asks(Tcp, "198.51.100.1:8081"), by("guest"), "{}", host.log());
    let _unheard = host.serves(Udp, "198.51.100.1:8081");
}

#[test]
fn a_destination_is_the_vms_that_had_it_first() {
    let host = Machine::declaring(
        "[[route]]\ndomain = \"first\"\nto = \"203.0.113.0/28\"\n[[route]]\ndomain = \"second\"\nto = \"203.0.113.8/32\"\n",
    );
    let (one, other) = (Vm::new("first"), Vm::numbered("second", 11));
    host.starts(&one);
    host.starts(&other);
    assert!(host.log().contains("203.0.113.0/28 is the VM first's"), "{}", host.log());
    assert_eq!(host.shell("ip -4 route show proto 118 | cut -d' ' -f1"), "203.0.113.0/28\n");
    host.stops(&one);
    assert!(host.virt_hooks("network apply").success);
    assert_eq!(host.shell("ip -4 route show proto 118 | cut -d' ' -f1"), "203.0.113.8\n");
    assert!(std::fs::metadata(host.path(LOG)).is_ok());
}
