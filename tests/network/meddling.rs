//! What others do to what this program has made: it is told, and mended.

use virt_hooks::kernel::address::Protocol::Tcp;

use crate::machine::Machine;
use crate::traffic::{Answer, by};
use crate::vm::Vm;
use crate::world::World;

const DECLARED: &str = "[[forward]]\ndomain = \"web-1\"\nport = 8080\ntoPort = 80\n\
                        [[forward]]\ndomain = \"web-1\"\nport = 8081\ntoPort = 80\nfrom = \"198.51.100.0/24\"\n\
                        [[route]]\ndomain = \"web-1\"\nto = \"198.51.100.64/28\"\nproxy = \"eth0\"\n";

/// All rules and elements, without what counts.
fn ruleset(host: &Machine) -> String {
    host.shell("nft -s list ruleset | sed -E 's/ counter packets [0-9]+ bytes [0-9]+//'")
}

/// Applies where there is nothing to do.
#[track_caller]
fn changes_nothing(host: &Machine) {
    let listed = || host.shell("nft -a list ruleset; ip -4 route; ip -6 route; ip neigh show proxy");
    let before = listed();
    let applied = host.virt_hooks("network apply");
    assert!(applied.success && applied.stdout.contains("Nothing was changed"), "{applied:?}");
    assert_eq!(listed(), before);
}

#[test]
fn whatever_is_done_to_the_table_is_told_and_mended_and_costs_nothing_of_others() {
    let world = World::declaring(DECLARED);
    let _service = world.guest.serves(Tcp, "192.168.122.10:80");
    let host = &world.host;
    host.nft("table inet theirs { chain c { type filter hook input priority 0\n tcp dport 9 drop\n }\n }");
    host.starts(&Vm::new("web-1"));
    let made = ruleset(host);
    changes_nothing(host);
    let of_ours = "inet virt-hooks";
    for (meddling, told) in [
        (format!("nft delete table {of_ours}"), "missing"),
        (format!("nft delete element {of_ours} any4 '{{ tcp . 8080 }}'"), "missing"),
        (format!("nft delete element {of_ours} any6 '{{ tcp . 8080 }}'"), "missing"),
        (
            format!(
                "nft delete element {of_ours} any4 '{{ tcp . 8080 }}'
                 nft add element {of_ours} any4 '{{ tcp . 8080 : 192.0.2.1 . 80 }}'"
            ),
            "any4 { tcp . 8080 : 192.0.2.1 . 80 }",
        ),
        (
            format!(
                "nft delete element {of_ours} from4 '{{ tcp . 0.0.0.0/0 . 8081 . 198.51.100.0/24 }}'
                 nft add element {of_ours} from4 '{{ tcp . 0.0.0.0/0 . 8081 . 198.51.0.0/16 : 192.0.2.1 . 80 }}'"
            ),
            "from4 { tcp . 0.0.0.0/0 . 8081 . 198.51.0.0/16 : 192.0.2.1 . 80 }",
        ),
        (format!("nft flush map {of_ours} from4"), "missing"),
        (
            format!("nft add element {of_ours} any4 '{{ udp . 9999 : 192.0.2.1 . 1 }}'"),
            "any4 { udp . 9999 : 192.0.2.1 . 1 }",
        ),
        (
            format!("nft add element {of_ours} any4 '{{ udplite . 9999 : 192.0.2.1 . 1 }}'"),
            "any4 { udplite . 9999 counter packets 0 bytes 0 : 192.0.2.1 . 1 }",
        ),
        (format!("nft add element {of_ours} links '{{ \"eth9\" }}'"), "links { \"eth9\" }"),
        (format!("nft add element {of_ours} routed4 '{{ 192.0.2.0/24 }}'"), "routed4 { 192.0.2.0/24 }"),
        (format!("nft delete element {of_ours} routed4 '{{ 198.51.100.64/28 }}'"), "missing"),
        (format!("nft flush chain {of_ours} prerouting"), "somebody has changed its chains or rules"),
        (format!("nft flush table {of_ours}"), "somebody has changed its chains or rules"),
        (format!("nft add rule {of_ours} postrouting drop"), "somebody has changed its chains or rules"),
        (format!("nft add set {of_ours} s '{{ type ipv4_addr; }}'"), "somebody has changed its chains or rules"),
        (
            format!("nft add chain {of_ours} c '{{ type filter hook input priority 0; policy drop; }}'"),
            "somebody has changed its chains or rules",
        ),
        ("ip route del 198.51.100.64/28".to_owned(), "missing"),
        ("ip route add 192.0.2.0/24 dev virbr0 proto 118".to_owned(), "route 192.0.2.0/24 to virbr0"),
        ("ip neigh del proxy 198.51.100.70 dev eth0".to_owned(), "missing"),
        ("ip neigh add proxy 192.0.2.70 dev eth0 protocol 118".to_owned(), "proxy 192.0.2.70 on eth0"),
    ] {
        host.shell(&meddling);
        let status = host.virt_hooks("network status");
        assert!(!status.success, "{meddling}: {status:?}");
        let rows = host.stands().concat().join("\n") + &status.stdout;
        assert!(rows.contains(told), "{meddling}: {told}: {rows}");
        assert!(status.stdout.contains("virt-hooks network apply"), "{meddling}: {}", status.stdout);
        let applied = host.virt_hooks("network apply");
        assert!(applied.success && !applied.stdout.contains("Nothing was changed"), "{meddling}: {applied:?}");
        let status = host.virt_hooks("network status");
        assert!(status.success, "{meddling}: {applied:?} {status:?}");
        assert_eq!(ruleset(host), made, "{meddling}");
        assert_eq!(host.shell("ip neigh show proxy | wc -l"), "16\n", "{meddling}");
        for address in ["198.51.100.1:8080", "198.51.100.1:8081"] {
            assert_eq!(world.client.asks(Tcp, address), by("guest"), "{meddling} {address}");
        }
        changes_nothing(host);
    }
}

/// Two VMs that run, and have a forward each.
fn two() -> World {
    let world = World::declaring(
        "[[forward]]\ndomain = \"a\"\nport = 8080\nto = \"192.168.122.10\"\ntoPort = 80\n\
         [[forward]]\ndomain = \"b\"\nport = 8081\nto = \"192.168.122.10\"\ntoPort = 80\n",
    );
    for name in ["a", "b"] {
        world.host.starts(&Vm::new(name));
    }
    world
}

#[test]
fn a_ruleset_that_was_flushed_comes_back_by_apply_for_every_vm() {
    let world = two();
    let _service = world.guest.serves(Tcp, "192.168.122.10:80");
    world.host.shell("nft flush ruleset");
    assert_eq!(world.client.asks(Tcp, "198.51.100.1:8080"), Answer::Refused);
    assert!(!world.host.virt_hooks("network status").success);
    assert!(world.host.virt_hooks("network apply").success);
    for address in ["198.51.100.1:8080", "198.51.100.1:8081"] {
        assert_eq!(world.client.asks(Tcp, address), by("guest"), "{address}");
    }
    changes_nothing(&world.host);
}

#[test]
fn a_vm_that_stops_after_the_ruleset_was_flushed_brings_the_others_back() {
    let world = two();
    let _service = world.guest.serves(Tcp, "192.168.122.10:80");
    world.host.shell("nft flush ruleset");
    world.host.stops(&Vm::new("a"));
    assert_eq!(world.client.asks(Tcp, "198.51.100.1:8080"), Answer::Refused);
    assert_eq!(world.client.asks(Tcp, "198.51.100.1:8081"), by("guest"), "{}", world.host.log());
    world.host.shell("nft flush ruleset");
    world.host.stops(&Vm::new("b"));
    assert_eq!(world.host.left(), "");
}

#[test]
fn a_vm_that_libvirt_finds_again_gets_back_what_was_lost() {
    let world = World::declaring(DECLARED);
    let _service = world.guest.serves(Tcp, "192.168.122.10:80");
    let vm = Vm::new("web-1");
    world.host.starts(&vm);
    let made = ruleset(&world.host);
    world.host.shell("nft flush ruleset; ip route flush proto 118; ip neigh del proxy 198.51.100.70 dev eth0");
    world.host.takes_through(&vm, &["reconnect"]);
    assert_eq!(ruleset(&world.host), made);
    assert_eq!(world.client.asks(Tcp, "198.51.100.1:8080"), by("guest"));
    assert_eq!(world.host.shell("ip -4 route show proto 118; ip neigh show proxy | wc -l").lines().count(), 2);
    changes_nothing(&world.host);
}

#[test]
fn where_all_is_well_apply_tells_nftables_nothing() {
    let host = Machine::declaring(DECLARED);
    host.starts(&Vm::new("web-1"));
    let events = host.shell(
        "nft monitor > /run/events &
         monitor=$!
         sleep 0.5
         /etc/libvirt/virt-hooks network apply
         nft add table inet the-end
         for attempt in {1..100}; do grep -q the-end /run/events && break; sleep 0.1; done
         kill $monitor
         cat /run/events",
    );
    let is_of_apply =
        |line: &&str| !line.starts_with("# new generation") && !line.starts_with("warning  libvirt can't");
    let events: Vec<&str> = events.lines().filter(is_of_apply).collect();
    let expected = ["Nothing was changed: all is as it was made.", "add table inet the-end"];
    assert_eq!(events, expected);
}

#[test]
fn an_empty_table_of_nobodys_is_taken_away() {
    let host = Machine::declaring(DECLARED);
    let vm = Vm::new("web-1");
    host.starts(&vm);
    host.shell("nft list table inet virt-hooks > /run/saved");
    host.stops(&vm);
    host.shell("nft -f /run/saved && nft flush map inet virt-hooks any4");
    assert!(!host.virt_hooks("network status").success);
    assert!(host.virt_hooks("network apply").success);
    assert_eq!(host.left(), "");
    host.nft("table inet virt-hooks { }");
    assert!(host.virt_hooks("network apply").success);
    assert_eq!(host.left(), "");
    assert!(host.virt_hooks("network apply").stdout.contains("Nothing was changed"));
}
