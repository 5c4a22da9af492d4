//! Declarations that are broken, and those that stand in a VM's own metadata.

use virt_hooks::kernel::address::Protocol::Tcp;

use crate::machine::Machine;
use crate::traffic::{Answer, by};
use crate::vm::Vm;
use crate::world::World;

#[test]
fn a_broken_declaration_is_shown_with_its_line_and_costs_only_itself() {
    let good = "[[forward]]\ndomain = \"web-1\"\nport = 8080\ntoPort = 80\n\
                [[forward]]\ndomain = \"db-1\"\nport = 8081\ntoPort = 81\nto = \"192.168.122.10\"\n";
    for (broken, line, caret) in [
        ("[[forward]]\ndomain = \"web-1\"\nport = 808O\n", 3, "^"),
        ("[[forward]]\ndomain = \"web-1\"\nport = \"9000-8000\"\n", 3, "^^^^^^^^^^^"),
        ("[[forward]]\ndomain = \"web-1\"\nport = 1\nprotocol = \"sctp\"\n", 4, "^^^^^^"),
        ("[[forward]]\ndomain = \"web-1\"\nport = 1\nlisten = \"127.0.0.1\"\n", 4, "^^^^^^^^^^^"),
        ("[[forward]]\ndomain = \"web-1\"\nprot = 1\nport = 1\n", 3, "^^^^"),
        ("[[forward]]\nport = 1\n", 1, "^"),
        ("[[forward]]\ndomain = \"web-1\"\nport = 1\nport = 2\n", 4, "^^^^"),
        ("[[forward\n", 1, "^"),
        ("[[route]]\ndomain = \"web-1\"\nto = \"::/0\"\n", 3, "^^^^^^"),
    ] {
        let world = World::declaring(&format!("{broken}{good}"));
        let _services = [
            world.guest.serves_as("web", Tcp, "192.168.122.10:80"),
            world.guest.serves_as("db", Tcp, "192.168.122.10:81"),
        ];
        let (web, db) = (Vm::new("web-1"), Vm::numbered("db-1", 11));
        world.host.starts(&web);
        world.host.starts(&db);
        let log = world.host.log();
        assert!(log.contains("ERROR") && log.contains(&format!("line {line}")), "{broken}: {log}");
        assert!(log.contains(caret), "{broken}: {log}");
        assert_eq!(world.client.asks(Tcp, "198.51.100.1:8080"), by("web"), "{broken}: {log}");
        assert_eq!(world.client.asks(Tcp, "198.51.100.1:8081"), by("db"), "{broken}: {log}");
        let applied = world.host.virt_hooks("network apply");
        assert!(!applied.success && applied.stdout.contains(&format!("line {line}")), "{broken}: {applied:?}");
        assert_eq!(world.client.asks(Tcp, "198.51.100.1:8080"), by("web"), "{broken}: {applied:?}");
        world.host.stops(&web);
        world.host.stops(&db);
        assert_eq!(world.host.left(), "");
    }
}

/// A VM with this in its metadata.
fn claiming(name: &str, number: u8, metadata: &str) -> Vm {
    let metadata = format!("<network xmlns='urn:virt-hooks:network:1'>{metadata}</network>");
    Vm { metadata, ..Vm::numbered(name, number) }
}

#[test]
fn metadata_counts_where_the_settings_allow_what_it_claims() {
    let allowed = "[network]\nmetadata = true\nlisten = \"198.51.100.0/24\"\nports = [\"8000-8099\"]\n\
                   routes = \"198.51.100.64/28\"\nproxy = \"eth0\"\n";
    let claims = "<forward listen='198.51.100.1' port='8080' toPort='80'/><route to='198.51.100.64/32' proxy='eth0'/>";
    for rules in ["[network]\nmetadata = false\n", "", allowed] {
        let world = World::declaring(rules);
        let _service = world.guest.serves(Tcp, "192.168.122.10:80");
        let vm = claiming("web-1", 10, claims);
        world.host.starts(&vm);
        let log = world.host.log();
        let counts = rules == allowed;
        let expected = if counts { by("guest") } else { Answer::Refused };
        assert_eq!(world.client.asks(Tcp, "198.51.100.1:8080"), expected, "{log}");
        let routes = world.host.shell("ip -4 route show proto 118; ip neigh show proxy").lines().count();
        assert_eq!(routes, if counts { 2 } else { 0 }, "{log}");
        assert_eq!(log.contains("ERROR"), false, "what is not asked for is no fault: {log}");
        world.host.stops(&vm);
        assert_eq!(world.host.left(), "");
    }
}

#[test]
fn a_claim_beyond_what_is_allowed_is_refused_and_the_rest_goes_on() {
    let world = World::declaring(
        "[network]\nmetadata = true\nlisten = \"198.51.100.0/24\"\nports = [8080, 8081]\nroutes = \"198.51.100.64/28\"\n",
    );
    let _service = world.guest.serves(Tcp, "192.168.122.10:80");
    let good = "<forward listen='198.51.100.1' port='8080' toPort='80'/>";
    for (claim, told) in [
        ("<forward listen='198.51.100.1' port='22' toPort='80'/>", "22"),
        ("<forward listen='203.0.113.1' port='8081' toPort='80'/>", "203.0.113.1"),
        ("<forward port='8081' toPort='80'/>", "listen"),
        ("<forward listen='198.51.100.1' port='8081' to='192.168.122.1' toPort='22'/>", "192.168.122.1"),
        ("<forward listen='198.51.100.1' port='8081' toPort='x'/>", "toPort"),
        ("<route to='203.0.113.0/24'/>", "203.0.113.0/24"),
        ("<route to='198.51.100.64/32' proxy='eth0'/>", "eth0"),
        ("<forwards/>", "forwards"),
    ] {
        let vm = claiming("web-1", 10, &format!("{claim}{good}"));
        let before = world.host.log().len();
        world.host.starts(&vm);
        let log = world.host.log().split_off(before);
        let line = log.lines().find(|line| line.contains("web-1 started/begin") && line.contains("ERROR"));
        assert!(line.is_some_and(|line| line.contains(told)), "{claim}: {log}");
        assert_eq!(world.client.asks(Tcp, "198.51.100.1:8080"), by("guest"), "{claim}: {log}");
        assert_eq!(world.client.asks(Tcp, "198.51.100.1:8081"), Answer::Refused, "{claim}: {log}");
        assert_eq!(world.host.shell("ip -4 route show proto 118"), "", "{claim}");
        world.host.stops(&vm);
        assert_eq!(world.host.left(), "");
    }
}

#[test]
fn what_metadata_may_claim_is_taken_back_by_an_edit_of_the_settings() {
    let rules = |ports: &str| format!("[network]\nmetadata = true\nlisten = \"*\"\nports = [{ports}]\n");
    let host = Machine::declaring(&rules("8080"));
    host.starts(&claiming("web-1", 10, "<forward port='8080'/>"));
    assert_ne!(host.left(), "");
    host.declares(&rules("8081"));
    let applied = host.virt_hooks("network apply");
    assert!(!applied.success && applied.stdout.contains("8080"), "{applied:?}");
    assert_eq!(host.left(), "");
}
